"""What an experiment can be set to, and what a sweep with these settings goes over."""
from ..compaction.control import CALLERS
from .knobs import KERNELS_ALONE
from .settings import Setting, choice, count, several, share, switch

_VARIED = {"unmovable": "unmovable folios (guest_memfd)", "unevictable": "mlocked folios",
           "pinned": "pinned folios", "dirty": "dirty file folios"}
_RESULTS = {"isolation_success": "pages isolated / LRU pages scanned",
            "migration_success": "migrated / isolated",
            "targets": "target pages asked for", "isolated": "pages isolated"}
USUAL_SWEEP = {"vary": "unmovable", "low": 0.0, "high": 0.5, "steps": 6, "pages": 4096,
               "kernels": ("before", "after"), "callers": ("compact_memory",), "seeds": 5,
               "show": "isolation_success", "grouped": False, "sysctl": True}


def experiment_settings() -> list[Setting]:
    """A setting for everything in USUAL_SWEEP."""
    return [choice("vary", "share of", _VARIED), share("low", "from", 0.6), share("high", "to", 0.6),
            count("steps", "steps", 2, 41), choice("pages", "pages in the zone", (1024, 4096, 16384)),
            several("kernels", "kernels", KERNELS_ALONE, rows=2),
            several("callers", "callers", tuple(CALLERS), rows=6),
            count("seeds", "seeds", 1, 100), choice("show", "show", _RESULTS),
            switch("grouped", "group the unmovable folios"),
            switch("sysctl", "vm.compact_unevictable_allowed")]


def check_together(values: dict) -> None:
    """Whether all the settings make an experiment."""
    if not values["kernels"] or not values["callers"]:
        raise ValueError("choose at least one kernel and one caller")
    if values["low"] > values["high"]:
        raise ValueError(f"the range runs from {values['low']} to {values['high']}: "
                         "the first must be the smaller")


def varied(values: dict) -> list[float]:
    """The values of what is varied."""
    step = (values["high"] - values["low"]) / (values["steps"] - 1)
    return [round(values["low"] + number * step, 4) for number in range(values["steps"])]


def over(values: dict) -> dict[str, list]:
    """What a sweep with these settings goes over, what is varied first."""
    return {values["vary"]: varied(values), "pages": [values["pages"]], "grouped": [values["grouped"]],
            "kernel": list(values["kernels"]), "caller": list(values["callers"]),
            "compact_unevictable_allowed": [values["sysctl"]]}
