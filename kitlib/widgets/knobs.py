"""The knobs of a compaction run: what memory holds, who compacts, which kernel decides.

Leaves out what a recorded run has of its own: there the knobs are hidden.
"""
from collections.abc import Sequence

import ipywidgets

from ..compaction.control import CALLERS
from .box import wrap
from .settings import Setting, Settings, Words, choice, count, share, switch

MADE_UP, GIVEN = "made up", "the zone given"
SHARES = {"free": "free pages", "unmovable": "pages of guest_memfd", "unevictable": "mlocked pages",
          "pinned": "pages with a reference too many", "dirty": "dirty pages of a file"}
USUAL_RUN = {"memory": MADE_UP, "pages": 4096, "free": 0.4, "unmovable": 0.1, "unevictable": 0.1,
             "pinned": 0.05, "dirty": 0.05, "seed": 0, "caller": "compact_memory", "kernel": "after",
             "compact_unevictable_allowed": True}
KERNELS_ALONE = ("before", "after")     # without a second thread `racy` is no question
_PAGES = (1024, 4096, 16384, 65536, 131072)


def knobs(memories: Sequence[str]) -> list[Setting]:
    """A setting for all in USUAL_RUN. `memories` are offered; any recording's name or path is legal."""
    memory = choice("memory", "memory", memories)
    layout = {"layout": {"width": "310px"}, "style": {"description_width": "82px"}}
    return [memory._replace(legal=Words(f"{MADE_UP!r}, or a recording's name or path")),
            choice("pages", "pages", {pages: f"{pages:,}" for pages in _PAGES}),
            *(share(name, name, 1.0, tooltip=tip, **layout) for name, tip in SHARES.items()),
            count("seed", "seed", 0, 9999), choice("caller", "who compacts", tuple(CALLERS)),
            choice("kernel", "kernel", KERNELS_ALONE),
            switch("compact_unevictable_allowed", "vm.compact_unevictable_allowed")]


class KnobColumns:
    """The knobs in three columns, of which those are shown that have a part in the run."""

    def __init__(self, settings: Settings):
        def column(words: str, *names: str) -> ipywidgets.VBox:
            head = ipywidgets.HTML(f"<b>{words}</b>")
            return ipywidgets.VBox([head, *map(settings.controls.get, names)],
                                   layout={"width": "320px", "margin": "0 12px 0 0"})

        self.shares = column("shares of memory", *SHARES)
        self.run = column("the run", "caller", "kernel", "compact_unevictable_allowed")
        self.made_up = (self.shares, settings.controls["pages"], settings.controls["seed"])
        first = column("memory", "memory", "pages", "seed")
        first.children += (ipywidgets.HBox([settings.undo_button]),)
        self.box = wrap(first, self.shares, self.run)

    def show(self, memory: str) -> None:
        """Made-up memory has all the knobs, a zone those of the run, a recorded run none."""
        for part in self.made_up:
            part.layout.display = None if memory == MADE_UP else "none"
        self.run.layout.display = None if memory in (MADE_UP, GIVEN) else "none"
