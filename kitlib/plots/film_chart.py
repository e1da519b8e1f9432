"""A film's sentences and its chart: what happened in a frame, where the scanners were, what became of pages.

The chart is drawn once for a film; the time cursor is painted into the finished pixels. Leaves out the pages
themselves: that is a memory map's part.
"""
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from PIL import Image

from ..compaction.events import BeginEvent, EndEvent, FreeEvent, IsolateEvent
from .curves import STYLES
from .film import Film
from .flow import DPI, SANS, Chart
from .picture import SCALE, Picture
from .states import DARK, FAILED, ISOLATED, LIGHT, MIGRATED, STATES

_WIDTH, HEIGHT = 6.4, 3.4               # inches, DPI pixels as shown each
_PAPER, _INK, _MUTED, GRID = ({"light": one, "dark": other} for one, other in (
    ("#FFFFFF", "#1E1E1E"), ("#1F2328", "#E6E8EA"), ("#57606A", "#A5ADB6"), ("#E4E8EC", "#343A42")))
ENDS = {"complete": "the scanners have met, and had begun at the zone's ends",
        "partial_skipped": "the scanners have met", "success": "a free block of the order asked for is there",
        "contended": "it is called off, for want of a target or at a signal"}


def sentence(film: Film, t: int) -> tuple[str, str]:
    """What happened in frame t: the kernel's function, and the rest of the sentence."""
    frame = film.frames[t]
    event = frame.event
    if isinstance(event, BeginEvent):
        return "compact_zone()", (
            f"begins in zone {frame.zone}: the migrate scanner will walk up from pfn {event.migrate_pfn:,}, "
            f"the free scanner down from pfn {event.free_pfn:,}.")
    if isinstance(event, EndEvent):
        status, why = event.status.replace("_", " "), ENDS.get(event.status, event.status)
        return "compact_zone()", f"ends in zone {frame.zone}, {status}: {why}."
    if isinstance(event, FreeEvent):
        taken = _pages(event.nr_taken, "free page")
        return "isolate_freepages_block()", f"looked at {_span(event)} and took {taken} as targets."
    if isinstance(event, IsolateEvent):
        taken = _pages(event.nr_taken, "page")
        return "isolate_migratepages_block()", f"looked at {_span(event)} and isolated {taken}."
    words = f"moved {_pages(event.succeeded, 'page')} to targets"
    if event.failed:
        whys = ", ".join(f"{pages:,} {why}" for why, pages in frame.failed.items())
        words += f"; it gave up {_pages(event.failed, 'page')} ({whys})"
    if frame.untried:
        words += f"; {_pages(frame.untried, 'page')} were never tried"
    return "migrate_pages()", f"{words}."


def _span(event: IsolateEvent) -> str:
    return f"pfn {event.start_pfn:,} to {event.end_pfn - 1:,}"


def _pages(count: int, word: str) -> str:
    if not count:
        return f"no {word}"
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


class FilmChart:
    """Both scanners over pfn, and the pages isolated, migrated and failed, over a film's frames."""

    def __init__(self, film: Film, dark: bool = False):
        self.film, theme = film, "dark" if dark else "light"
        figure = Chart(figsize=(_WIDTH, HEIGHT), dpi=DPI, facecolor=_PAPER[theme])
        # Left, bottom, width and height, in shares of the figure from its lower left corner.
        upper, lower = figure.add_axes((0.12, 0.6, 0.66, 0.34)), figure.add_axes((0.12, 0.13, 0.66, 0.34))
        for axes, title in ((upper, "where the scanners are (pfn)"), (lower, "pages by state, now")):
            _dress(axes, title, theme, film.last)
        self._scanners(upper, theme)
        self._states(lower, DARK if dark else LIGHT, theme)
        lower.set_xlabel("step", color=_MUTED[theme], family=SANS, fontsize=9)
        self.text = self._words()
        self.pixels = figure.picture().image
        high = self.pixels.size[1]
        # The pixels' rows run down: from the upper to the lower edge of both axes.
        self._boxes = [axes.get_position().bounds for axes in (upper, lower)]
        self._rows = [(round(high * (1 - bottom - tall)), round(high * (1 - bottom)))
                      for _, bottom, _, tall in self._boxes]
        # One colour more at the palette's end, for the cursor alone.
        palette = self.pixels.getpalette()
        self._cursor = len(palette) // 3
        self.pixels.putpalette([*palette, *bytes.fromhex(_INK[theme][1:])])
        self._indices = np.asarray(self.pixels)

    # To draw the figure anew takes as long as many frames may: a frame copies indices and writes one column
    # of them.

    def picture(self, t: int) -> Picture:
        """The chart with the cursor at frame t."""
        left, _, wide, _ = self._boxes[0]
        share = t / max(1, self.film.last)
        x = round(self.pixels.size[0] * (left + wide * share))
        indices = self._indices.copy()
        for top, bottom in self._rows:
            indices[top - 4:bottom + 4, x - SCALE // 2:x + SCALE // 2 + 1] = self._cursor
            for row in range(2 * SCALE + 2):                    # a head, so that it is no grid line
                indices[top - 4 - row, x - row:x + row + 1] = self._cursor
        image = Image.fromarray(indices)
        image.putpalette(self.pixels.getpalette())
        return Picture(image, f"{self.text} The cursor is at step {t}.")

    def png(self, t: int) -> bytes:
        """The same as a PNG file, made for speed."""
        file = BytesIO()
        self.picture(t).image.save(file, "PNG", compress_level=1)
        return file.getvalue()

    def _scanners(self, axes: Axes, theme: str) -> None:
        low, high = self.film.first_pfn, self.film.end_pfn
        axes.set_ylim(low, high)
        for name, place, dashes, marker in (("free (down)", "free_pfn", STYLES[1], "v"),
                                            ("migrate (up)", "migrate_pfn", STYLES[0], "^")):
            at = np.array([getattr(frame, place) for frame in self.film.frames])
            axes.plot(at, color=_INK[theme], linestyle=dashes, linewidth=1.4, marker=marker, markersize=4.5,
                      markevery=max(1, len(at) // 10), label=name)
        _legend(axes, theme)

    def _states(self, axes: Axes, palette: dict, theme: str) -> None:
        counts = self.film.counts
        for state, style in ((MIGRATED, STYLES[0]), (ISOLATED, STYLES[1]), (FAILED, STYLES[2])):
            axes.plot(counts[:, state], color=palette[STATES[state]], linewidth=2.2, linestyle=style,
                      label=STATES[state])
        axes.set_ylim(0, max(8, counts[:, [ISOLATED, MIGRATED, FAILED]].max() * 1.08))
        _legend(axes, theme)

    def _words(self) -> str:
        end = dict(zip(STATES, self.film.counts[-1]))
        met = "; ".join(f"zone {frame.zone}: the run ends with the migrate scanner at pfn "
                        f"{frame.migrate_pfn:,}, the free scanner at {frame.free_pfn:,}"
                        for frame in self.film.frames if isinstance(frame.event, EndEvent))
        return f"{met}. At the end {end['migrated']:,} pages have migrated and {end['failed']:,} have failed."


def _dress(axes: Axes, title: str, theme: str, last: int) -> None:
    axes.set_facecolor(_PAPER[theme])
    axes.set_title(title, loc="left", fontsize=9.5, family=SANS, color=_INK[theme], pad=6)
    axes.set_xlim(0, max(1, last))
    axes.grid(color=GRID[theme], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_MUTED[theme])
    axes.tick_params(colors=_MUTED[theme], labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _legend(axes: Axes, theme: str) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8.5,
                labelcolor=_INK[theme], handlelength=2.4)
