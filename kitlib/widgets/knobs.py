"""The knobs of a compaction run: what memory holds, who compacts, which kernel decides. They hold no state: they follow.

Leaves out what a recorded run has of its own: there the knobs are hidden.
"""
from collections.abc import Callable, Sequence
from functools import partial

import ipywidgets

from ..compaction.control import CALLERS
from ..experiments import KERNELS
from .guard import Guard

MADE_UP, GIVEN = "made up", "the zone given"
SHARES = {"free": "free pages", "unmovable": "pages of guest_memfd", "unevictable": "mlocked pages", "pinned": "pages with a reference too many",
          "dirty": "dirty pages of a file"}
DEFAULTS = {"memory": MADE_UP, "pages": 4096, "free": 0.4, "unmovable": 0.1, "unevictable": 0.1, "pinned": 0.05, "dirty": 0.05,
            "seed": 0, "caller": "compact_memory", "kernel": "after", "compact_unevictable_allowed": True}
_PAGES = (1024, 4096, 16384, 65536, 131072)
_RUN = ("caller", "kernel", "compact_unevictable_allowed")
_LEGAL = {"pages": _PAGES, "caller": tuple(CALLERS), "kernel": tuple(KERNELS), "compact_unevictable_allowed": (True, False)}


class Knobs:
    """A control for every setting in DEFAULTS; `turned(name, value)` hears what a learner does."""

    def __init__(self, guard: Guard, memories: Sequence[str], turned: Callable[[str, object], None]):
        self.memories = list(memories)
        wide = {"layout": {"width": "auto"}, "style": {"description_width": "initial"}}
        share = dict(min=0.0, max=1.0, step=0.05, readout_format=".2f", continuous_update=False, layout={"width": "310px"},
                     style={"description_width": "82px"})
        make = {
            "memory": lambda: ipywidgets.Dropdown(options=self.memories, description="memory", **wide),
            "pages": lambda: ipywidgets.Dropdown(options=[(f"{pages:,}", pages) for pages in _PAGES], description="pages", **wide),
            "seed": lambda: ipywidgets.BoundedIntText(min=0, max=9999, description="seed", **wide),
            "caller": lambda: ipywidgets.Dropdown(options=list(CALLERS), description="who compacts", **wide),
            "kernel": lambda: ipywidgets.Dropdown(options=list(KERNELS), description="kernel", **wide),
            "compact_unevictable_allowed": lambda: ipywidgets.Checkbox(
                description="vm.compact_unevictable_allowed", indent=False, layout={"width": "auto"}),
            **{name: lambda name=name: ipywidgets.FloatSlider(description=name, tooltip=SHARES[name], **share) for name in SHARES}}
        self.controls = {name: make[name]() for name in DEFAULTS}
        for name, control in self.controls.items():
            control.value = DEFAULTS[name]
            control.observe(guard(partial(_heard, turned, name)), "value")

        def column(title: str, *names: str) -> ipywidgets.VBox:
            head = ipywidgets.HTML(f"<b>{title}</b>")
            return ipywidgets.VBox([head, *map(self.controls.get, names)], layout={"width": "320px", "margin": "0 12px 0 0"})

        self.shares = column("shares of memory", *SHARES)
        self.run = column("the run", *_RUN)
        self.box = ipywidgets.HBox([column("memory", "memory", "pages", "seed"), self.shares, self.run],
                                   layout={"flex_flow": "row wrap"})

    def checked(self, settings: dict) -> dict:
        """`settings`, or an error that says what to write."""
        for name, value in settings.items():
            if name not in DEFAULTS:
                raise TypeError(f"no setting is called {name!r}: write one of {', '.join(DEFAULTS)}, t")
            if name in _LEGAL and value not in _LEGAL[name]:
                raise ValueError(f"{name}={value!r} is no such setting: write one of {', '.join(map(str, _LEGAL[name]))}")
        if not isinstance(settings["seed"], int) or not 0 <= settings["seed"] <= 9999:
            raise ValueError(f"no seed {settings['seed']!r}: write a whole number from 0 to 9999")
        return settings

    def follow(self, settings: dict) -> None:
        """Show these settings; what has no part in the run is hidden."""
        if settings["memory"] not in self.memories:         # a file's path, as set() takes it
            self.memories.append(settings["memory"])
            self.controls["memory"].options = self.memories
        for name, control in self.controls.items():
            control.value = settings[name]
        made_up, recorded = settings["memory"] == MADE_UP, settings["memory"] not in (MADE_UP, GIVEN)
        for part, shown in ((self.shares, made_up), (self.controls["pages"], made_up), (self.controls["seed"], made_up),
                            (self.run, not recorded)):
            part.layout.display = None if shown else "none"


def _heard(turned: Callable[[str, object], None], name: str, change: dict) -> None:
    turned(name, change["new"])
