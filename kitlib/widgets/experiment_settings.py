"""What an experiment can be set to, what that goes over, and what is refused with the line to write."""
from ..compaction.control import CALLERS

SWEPT = {"unmovable": "unmovable folios (guest_memfd)", "unevictable": "mlocked folios", "pinned": "pinned folios",
          "dirty": "dirty file folios"}
RESULTS = {"isolation_success": "pages isolated / LRU pages scanned", "migration_success": "migrated / isolated",
           "targets": "target pages asked for", "isolated": "pages isolated"}
KERNEL_NAMES = ("before", "racy", "after")
PAGES = (1024, 4096, 16384)
NUMBERS = {"low": (0.0, 0.6), "high": (0.0, 0.6), "steps": (2, 41), "seeds": (1, 100)}     # from the least to the most
SWEEP_DEFAULTS = {"vary": "unmovable", "low": 0.0, "high": 0.5, "steps": 6, "pages": 4096, "kernels": ("before", "after"),
            "callers": ("compact_memory",), "seeds": 5, "show": "isolation_success", "grouped": False, "sysctl": True}
CHOICES = {"vary": tuple(SWEPT), "pages": PAGES, "kernels": KERNEL_NAMES, "callers": tuple(CALLERS), "show": tuple(RESULTS)}


def values(state: dict) -> list[float]:
    """The values of what is varied."""
    step = (state["high"] - state["low"]) / (state["steps"] - 1)
    return [round(state["low"] + number * step, 4) for number in range(state["steps"])]


def over(state: dict) -> dict[str, list]:
    """What a sweep with these settings goes over, what is varied first."""
    return {state["vary"]: values(state), "pages": [state["pages"]], "grouped": [state["grouped"]], "kernel": list(state["kernels"]),
            "caller": list(state["callers"]), "compact_unevictable_allowed": [state["sysctl"]]}


def checked(settings: dict) -> dict:
    """The settings, if each of them can be."""
    for name, value in settings.items():
        if name not in SWEEP_DEFAULTS:
            raise TypeError(f"no setting is called {name!r}: write one of {', '.join(SWEEP_DEFAULTS)}")
        _check(name, value)
    return settings


def _check(name: str, value: object) -> None:
    """Whether a setting can have this value; the message says which it can."""
    if name in NUMBERS:
        least, most = NUMBERS[name]
        legal, options = type(value) in (int, type(least)) and least <= value <= most, f"a number from {least} to {most}"
    elif isinstance(SWEEP_DEFAULTS[name], tuple):
        legal, options = isinstance(value, tuple | list) and set(value) <= set(CHOICES[name]), f"some of {', '.join(map(repr, CHOICES[name]))}"
    else:
        choices = CHOICES.get(name, (False, True))
        legal, options = value in choices and type(value) is type(choices[0]), f"one of {', '.join(map(repr, choices))}"
    if not legal:
        raise ValueError(f"{name}={value!r} is no such setting: write {options}")


def check_together(state: dict) -> None:
    """Whether all the settings make an experiment."""
    if not state["kernels"] or not state["callers"]:
        raise ValueError("choose at least one kernel and one caller")
    if state["low"] > state["high"]:
        raise ValueError(f"the range runs from {state['low']} to {state['high']}: the first must be the smaller")
