"""A memory map to point at: every page a square; tooltip, keyboard and spotlight never ask the kernel.

The front end (memory_map.js) draws what the canvas's traits hold. Each change is one message: all traits,
then `frame`. Its static twin is plots.memory_map. Leaves out time: that is the CompactionPlayer's part.
"""
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import anywidget
import numpy as np
import traitlets

from .. import plots, recordings, scan
from ..kernels import after, check_kernel
from ..mm.verdict import Mode, check_mode
from ..mm.zone import PAGEBLOCK_ORDER, Zone, pageblock_nr_pages
from ..plots import page_words
from .box import Box, View
from .guard import Guard

_MODEL_TYPES = (*plots.maps.MIGRATETYPES, "CMA", "ISOLATE")
_THEMES = {"light": plots.LIGHT, "dark": plots.DARK}
_WHITE, _BLACK = "#FFFFFF", "#000000"


def luminance(colour: str) -> float:
    """The relative luminance of "#RRGGBB" (WCAG 2)."""
    red, green, blue = (part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
                        for part in bytes.fromhex(colour[1:]))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2)."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def on(colour: str) -> str:
    """White or black, whichever reads better on `colour`: one of them always has a contrast of 4.5."""
    return max(_WHITE, _BLACK, key=lambda ink: contrast(ink, colour))


def mark_on(colour: str) -> str:
    """What a mark is drawn in: white, as in the static twin, wherever that stands out."""
    return _WHITE if contrast(_WHITE, colour) >= 3 else _BLACK


class Canvas(anywidget.AnyWidget):
    """What the front end draws. `frame` changes last, inside one hold_sync(); the front end waits for it."""

    # As text: a Path would have anywidget keep every canvas for ever, to tell it when the file changes.
    _esm = Path(__file__).with_name("memory_map.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("memory_map.css").read_text(encoding="utf-8")

    pages = traitlets.Bytes().tag(sync=True)                    # a state per page, an index into `names`
    looks = traitlets.Bytes().tag(sync=True)                    # of `rows`, by page: 16 bits, or 32
    rows = traitlets.List().tag(sync=True)
    first_pfn = traitlets.Int().tag(sync=True)
    types = traitlets.List().tag(sync=True)                     # by pageblock, from the one with first_pfn on
    block_pages = traitlets.Int(pageblock_nr_pages()).tag(sync=True)
    marks = traitlets.List().tag(sync=True)                     # {"pfn", "words", "shape": "up" or "down"}
    ranges = traitlets.List().tag(sync=True)                    # [start, end): outlined
    look_at = traitlets.Int(-1).tag(sync=True)                  # where a zoomed map scrolls to; -1: it stays
    title = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)                   # what the live region speaks
    height = traitlets.Int(460).tag(sync=True)                  # pixels, from which on the squares scroll
    stretch = traitlets.Float(1.7).tag(sync=True)               # so many times as high without marks
    names = traitlets.List(list(plots.STATES)).tag(sync=True)
    shapes = traitlets.List(list(plots.MARKS.values())).tag(sync=True)
    colours = traitlets.Dict({theme: [[colour, on(colour), mark_on(colour)] for colour in palette.values()]
                              for theme, palette in _THEMES.items()}).tag(sync=True)
    selected = traitlets.Int(-1).tag(sync=True)                 # a pfn; -1: none
    spotlight = traitlets.Unicode().tag(sync=True)              # a state's name; "": none
    dark = traitlets.Bool(False).tag(sync=True)                 # said by the front end, as is the next
    reduced_motion = traitlets.Bool(False).tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)


class MemoryMap(View):
    """The pages of a zone, a recording or a recording's name: `box` is displayed, `show()` shows others.

    Tooltips say what `kernel` in `mode` would say of a page; a recording knows both itself. `on_select(pfn)`
    is called when a page is selected by a click, by Enter or by `select`. `states` are those of
    plots.page_states: isolated, migrated, failed.
    """

    def __init__(self, zone_or_recording=None, *, title: str = "", kernel: ModuleType = after,
                 mode: Mode = Mode(), on_select: Callable[[int], None] | None = None, height: int = 460,
                 guard: Guard | None = None, **states):
        self.kernel, self.mode, self.on_select = check_kernel(kernel), check_mode(mode), on_select
        self.guard = guard or Guard()
        self.canvas = Canvas(title=title, height=height)
        self._seen = {"selected": -1, "spotlight": ""}          # the last that were legal
        for name, heard in (("selected", self._selected), ("spotlight", self._spotlit)):
            self.canvas.observe(self.guard(heard), name)
        # With a guard of somebody else's the map is part of that view, and so is the strip.
        parts = [self.canvas] if guard else [self.guard.strip, self.canvas]
        self.box = Box(parts, describe=self.describe, picture=self.picture, is_inner=bool(guard))
        if zone_or_recording is not None:
            self.show(zone_or_recording, **states)

    def show(self, zone_or_recording, *, title: str | None = None, **states) -> None:
        """Show these pages instead. When that fails the strip says why, and the old picture stays."""
        with self.guard.aloud():
            source = zone_or_recording
            if isinstance(source, str):
                source = recordings.load(source)
            zone = scan.as_zone(source, "MemoryMap(kl.random_zone(4096)) or MemoryMap(recordings.load(name))")
            part = slice(zone.start_pfn, zone.end_pfn)
            pages = plots.check_states(plots.page_states(source, **states)[part])
            alike, first = page_words.owners(zone)
            found, numbers = np.unique(page_words.keys(zone, alike, part), return_inverse=True)
            decides = (self.kernel, self.mode)
            if zone is not source:
                decides = (source.kernel, source.mode, source.release)
            rows = page_words.page_words(found, zone, first, *decides)
            titled = {} if title is None else {"title": title}
            self.paint(pages, numbers, rows, first_pfn=zone.start_pfn, types=types(source), **titled)

    def paint(self, pages: np.ndarray, numbers: np.ndarray, rows: Sequence, **traits) -> None:
        """For each page a state and the number of a row of words, and other `traits`, in one message."""
        canvas = self.canvas
        with canvas.hold_sync():
            for name, value in traits.items():
                setattr(canvas, name, value)
            if canvas.rows is not rows:
                canvas.rows = rows
            canvas.pages = pages.tobytes()
            canvas.looks = numbers.astype(np.uint16 if len(rows) <= 1 << 16 else np.uint32).tobytes()
            if not -1 <= canvas.selected - canvas.first_pfn < len(pages):
                canvas.selected = -1
            canvas.frame += 1

    @property
    def frame(self) -> int:
        """How many pictures were sent."""
        return self.canvas.frame

    @property
    def selected(self) -> int | None:
        """The selected pfn, or None."""
        return None if self.canvas.selected < 0 else self.canvas.selected

    @property
    def states(self) -> np.ndarray:
        """The state of every page shown: uint8, an index into plots.STATES."""
        return np.frombuffer(self.canvas.pages, np.uint8)

    @property
    def state(self) -> dict:
        """What is selected and what is in the spotlight."""
        return {"selected": self.selected, "spotlight": self.canvas.spotlight}

    def select(self, pfn: int | None) -> None:
        """Select a page, or none."""
        with self.guard.aloud():
            self.canvas.selected = -1 if pfn is None else self._check(pfn)

    def spotlight(self, state: str = "") -> None:
        """Show one state alone, the others pale; "" for all."""
        with self.guard.aloud():
            self.canvas.spotlight = _check_state(state)

    def look(self, pfn: int) -> page_words.PageWords:
        """What the tooltip of a page says."""
        at = self._check(pfn) - self.canvas.first_pfn
        wide = len(self.canvas.looks) // len(self.canvas.pages)
        number = int.from_bytes(self.canvas.looks[at * wide:(at + 1) * wide], "little")
        return page_words.PageWords(*self.canvas.rows[number])

    def picture(self) -> plots.Picture:
        """The static twin."""
        canvas = self.canvas
        if not canvas.pages:
            raise ValueError("there is no page to draw: write MemoryMap(zone), or map.show(zone)")
        migratetype = [""] * (canvas.first_pfn >> PAGEBLOCK_ORDER) + canvas.types
        return plots.memory_map(self.states, first_pfn=canvas.first_pfn, migratetype=migratetype,
                                title=canvas.title)

    def describe(self) -> str:
        """The counts, and what is selected, as text that is the same in every run."""
        canvas = self.canvas
        if not canvas.pages:
            return "memory map, no page yet"
        lines = [f"{canvas.title or 'memory map'}, {plots.describe(self.states, canvas.first_pfn)}"]
        if self.selected is not None:
            page = self.look(self.selected)
            state = plots.STATES[self.states[self.selected - canvas.first_pfn]]
            facts = [page.flags, f"refcount {page.refcount}", f"mapcount {page.mapcount}",
                     *filter(None, (page.mapping, page.as_flags))]
            lines.append(f"selected  pfn {self.selected}, {state}: {', '.join(facts)}. {page.why}")
        if canvas.spotlight:
            lines.append(f"spotlight {canvas.spotlight}")
        return "\n".join(lines + self.guard.lines(10))

    def _check(self, pfn: int) -> int:
        first, end = self.canvas.first_pfn, self.canvas.first_pfn + len(self.canvas.pages)
        if first == end:
            raise IndexError("no page is shown: write map.show(zone) first")
        if not hasattr(pfn, "__index__") or not first <= pfn < end:
            raise IndexError(f"no page {pfn!r} is shown: write a pfn from {first} to {end - 1}")
        return int(pfn)

    def _selected(self, change: dict) -> None:
        if change["new"] >= 0 and change["new"] != self._seen["selected"]:
            self._keep("selected", change["new"], self._check)
            if self.on_select:
                self.on_select(change["new"])
        self._seen["selected"] = self.canvas.selected

    def _spotlit(self, change: dict) -> None:
        self._keep("spotlight", change["new"], _check_state)

    def _keep(self, name: str, value: object, check: Callable) -> None:
        """A value that the front end has sent: a wrong one is taken back."""
        try:
            check(value)
            self._seen[name] = value
        except (IndexError, ValueError):
            setattr(self.canvas, name, self._seen[name])
            raise


def types(source) -> list[str]:
    """The pageblocks' migratetypes, by name. From 4 on a recording's numbers depend on its configuration."""
    zone = scan.as_zone(source)
    known = _MODEL_TYPES if isinstance(source, Zone) else plots.maps.MIGRATETYPES
    blocks = zone.migratetype[zone.start_pfn >> PAGEBLOCK_ORDER:]
    return [known[kind] if kind < len(known) else f"type {kind}" for kind in blocks]


def _check_state(state: str) -> str:
    if state and state not in plots.STATES:
        raise ValueError(f"no state {state!r}: write one of {', '.join(plots.STATES)}")
    return state
