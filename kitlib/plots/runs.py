"""Where both scanners of a run went: of a model's run, and of a recorded run beside its prediction.

Leaves out what became of the pages: that is a memory map's part.
"""
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from ..compaction.compact_zone import CompactControl, compact_scanners_met
from ..compaction.events import FreeEvent, IsolateEvent
from ..mm.zone import pageblock_nr_pages, pageblock_start_pfn
from .curves import COLOURS, STYLES, new_axes
from .flow import INK, PALE, SANS, Chart

MIGRATE = dict(color=COLOURS[2], marker="^", linestyle=STYLES[0])
_FREE = dict(color=COLOURS[1], marker="v", linestyle=STYLES[1])
TITLE_WIDTH = 72                        # characters that fit on the paper
SCANNERS = {"migrate": ("migrate scanner", MIGRATE), "free": ("free scanner", _FREE)}


def scanners(cc: CompactControl, title: str = "") -> Chart:
    """Where both scanners were at each step of a finished run: the ranges in cc.trace, pfn against step."""
    # A FreeEvent is an IsolateEvent, too.
    events = [event for event in cc.trace if isinstance(event, IsolateEvent)]
    if not events:
        raise ValueError("the run has no steps to draw: "
                         "write compact_zone(cc) first, over more than one pageblock")
    title = title or f"Both scanners over {cc.zone.name}"
    figure, axes = new_axes(title, "step (a range that a scanner looked at)", "pfn")
    for kind, name, look in ((IsolateEvent, "migrate scanner", MIGRATE), (FreeEvent, "free scanner", _FREE)):
        here = {step: event for step, event in enumerate(events, 1) if type(event) is kind}
        steps, first = list(here), [event.start_pfn for event in here.values()]
        last = [event.end_pfn for event in here.values()]
        # In a pageblock both go upward; from one to the next the free scanner goes down.
        at = last if kind is IsolateEvent else list(map(pageblock_start_pfn, first))
        axes.vlines(steps, first, last, color=look["color"], linewidth=3, alpha=0.4)
        axes.plot(steps, at, label=name, linewidth=1.2, markersize=5, markevery=max(1, len(here) // 12),
                  **look)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(cc.zone.start_pfn - len(cc.zone) * 0.02, cc.zone.end_pfn + len(cc.zone) * 0.02)
    if compact_scanners_met(cc):
        axes.axhline(cc.migrate_pfn, color=INK, linewidth=1, linestyle=STYLES[2])
        axes.annotate(f"they meet at pfn {cc.migrate_pfn:,}", (1, cc.migrate_pfn), (0, 4),
                      textcoords="offset points", color=INK, size=9)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    figure.text = describe_scanners(cc)
    return figure


def describe_scanners(cc: CompactControl) -> str:
    """The run in words: how far each scanner came, what it took, and where they met."""
    words = []
    for kind, name in ((IsolateEvent, "migrate scanner"), (FreeEvent, "free scanner")):
        here = [event for event in cc.trace if type(event) is kind]
        if here:
            low, high = min(event.start_pfn for event in here), max(event.end_pfn for event in here)
            up, down = f"up from pfn {low:,} to {high:,}", f"down from pfn {high:,} to {low:,}"
            way = up if kind is IsolateEvent else down
            ranges = f"{len(here):,} ranges" if len(here) > 1 else "1 range"
            taken = sum(event.nr_taken for event in here)
            words.append(f"{name}: {ranges}, {way}, {taken:,} pages taken")
    met = compact_scanners_met(cc)
    words.append(f"they meet at pfn {cc.migrate_pfn:,}" if met else "the run ends before they meet")
    return "; ".join(words)


def compare_scanners(frame: pd.DataFrame, title: str = "") -> Chart:
    """A recorded run's scanners, wide and pale, and the model's, thin and marked.

    `frame` is recordings.compare(recording), or some rows of it. Each scanner's ranges are numbered by
    themselves, as the trace keeps the two apart. Above, where they lie; then a cross for every one that
    differs; below, how many pages more than the kernel the model has taken so far.
    """
    name, zones = _named(frame)
    title = textwrap.fill(title or f"{name}: the kernel's run and the model's", TITLE_WIDTH)
    figure, axes = new_axes(title, "", f"pfn ({', '.join(zones)})")
    figure.set_size_inches(8.4, 5.2)
    axes.set_position((0.1, 0.45, 0.56, 0.44))
    differs, ahead = (figure.add_axes((0.1, bottom, 0.56, height), sharex=axes)
                      for bottom, height in ((0.335, 0.06), (0.11, 0.155)))
    for place, (scanner, (label, look)) in enumerate(SCANNERS.items()):
        rows = frame[frame.scanner == scanner]
        if not len(rows):
            continue
        number = np.arange(1, len(rows) + 1)
        # Opaque, so that ranges and line are one band.
        pale = dict(color=0.3 * np.array(to_rgb(look["color"])) + 0.7, zorder=1, linewidth=7)
        thin = dict(look, linewidth=1.2, markersize=5, markevery=max(1, len(rows) // 12))
        kernel, model = rows[["kernel_start", "kernel_end"]], rows[["start_pfn", "end_pfn"]]
        _draw_side(axes, kernel, scanner, 3, dict(pale, label=f"{label}, kernel"))
        _draw_side(axes, model, scanner, 1, dict(thin, label=f"{label}, model"))
        wrong = number[~rows.agrees.to_numpy()]
        differs.plot(wrong, [-place] * len(wrong), "x", color=COLOURS[0], markersize=4)
        ahead.plot(number, (_numbers(rows.nr_taken) - _numbers(rows.kernel_taken)).cumsum(), linewidth=1.8,
                   **{key: look[key] for key in ("color", "linestyle")})
    _finish(axes, differs, ahead, frame)
    _draw_meetings(axes, frame, zones)
    figure.text = describe_compared(frame)
    return figure


def describe_compared(frame: pd.DataFrame) -> str:
    """The two runs in words: ranges, how many are equal, the first that is not, pages taken, the meeting."""
    name, zones = _named(frame)
    words = [f"{name}, {', '.join(zones)}"]
    for scanner, (label, _) in SCANNERS.items():
        rows = frame[frame.scanner == scanner]
        if rows.agrees.all():
            first = ""
        else:
            first = f", number {int(np.argmin(rows.agrees)) + 1} is the first that differs"
        words.append(f"{label}: kernel {rows.kernel_start.count():,} ranges, "
                     f"model {rows.start_pfn.count():,}, {rows.agrees.sum():,} equal{first}; "
                     f"pages taken: kernel {rows.kernel_taken.sum():,}, model {rows.nr_taken.sum():,}")
    for zone, model, kernel in _meetings(frame, zones):
        models = "" if model == kernel else f", the model's at {model:,}"
        words.append(f"they meet in {zone} at pfn {kernel:,}{models}")
    return "\n".join(words)


def _named(frame: pd.DataFrame) -> tuple[str, list[str]]:
    """The recording's name with the rules left out, and the frame's zones; an error says what to write."""
    if not isinstance(frame, pd.DataFrame) or not {"scanner", "kernel_start", "agrees"} <= {*frame.columns}:
        raise TypeError("no ranges of two runs: write plots.compare_scanners(recordings.compare(recording))")
    if not len(frame):
        raise ValueError("there is no range to draw: "
                         "choose rows by a zone that has some, as frame[frame.zone == 'Normal']")
    name = frame.attrs.get("recording", "recorded run")
    without = frame.attrs.get("without", ())
    return f"{name} without {' and '.join(without)}" if without else name, list(frame.zone.unique())


def _meetings(frame: pd.DataFrame, zones: list[str]) -> list[tuple[str, int, int]]:
    return [meeting for meeting in frame.attrs.get("meet_pfn", ()) if meeting[0] in zones and meeting[2] >= 0]


def _numbers(column: pd.Series) -> np.ndarray:
    """The column with 0 for a range that is not there."""
    return column.to_numpy(float, na_value=0)


def _draw_side(axes: Axes, ends: pd.DataFrame, scanner: str, width: float, look: dict) -> None:
    """One side's ranges, and the line along them: by their ends upward, by their pageblocks downward.

    `ends`: two columns, where each range starts and ends; NA where this side has none.
    """
    first, last = ends.to_numpy(float, na_value=np.nan).T
    number = np.arange(1, len(ends) + 1)
    axes.vlines(number, first, last, color=look["color"], linewidth=width, zorder=look.get("zorder", 2))
    axes.plot(number, last if scanner == "migrate" else first - first % pageblock_nr_pages(), **look)


def _finish(axes: Axes, differs: Axes, ahead: Axes, frame: pd.DataFrame) -> None:
    """Three panels over one another, with the numbers of the ranges under the last."""
    axes.margins(y=0.09)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    differs.set_yticks([0, -1], list(SCANNERS))
    differs.set_ylim(-1.8, 0.8)
    wrong = ", ".join(f"{scanner} {sum(~rows.agrees)} of {len(rows)}"
                      for scanner, rows in frame.groupby("scanner", sort=False))
    words = dict(loc="left", fontsize=9, family=SANS, color=INK, pad=3)
    differs.set_title(f"ranges that differ: {wrong}", **words)
    low, high = ahead.get_ylim()
    ahead.set_ylim(min(low, -10), max(high, 10))
    ahead.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    ahead.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ahead.set_title("pages taken so far: the model's less the kernel's", **words)
    ahead.set_xlabel("number of the range, for each scanner", color=INK, family=SANS)
    ahead.xaxis.set_major_locator(MaxNLocator(integer=True))
    for panel in (axes, differs, ahead):
        panel.tick_params(labelbottom=panel is ahead, labelsize=9)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color=PALE)
        panel.set_axisbelow(True)
    ahead.legend(*axes.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(1.01, 0), frameon=False,
                 fontsize=9, handlelength=3.2, labelspacing=0.8)


def _draw_meetings(axes: Axes, frame: pd.DataFrame, zones: list[str]) -> None:
    """A dotted line for each side, and words where the zone is tall enough for them."""
    low, high = axes.get_ylim()
    for zone, model, kernel in _meetings(frame, zones):
        pfns = frame[frame.zone == zone][["start_pfn", "kernel_start", "end_pfn", "kernel_end"]]
        if pfns.max().max() - pfns.min().min() < (high - low) / 4:
            continue
        sides = {kernel: "the kernel's"} | {model: "the model's" if model != kernel else "both runs"}
        for pfn, who in sides.items():
            upright = "bottom" if pfn == max(sides) else "top"
            if model == kernel:
                upright = "center"
            axes.axhline(pfn, color=INK, linewidth=1, linestyle=STYLES[2])
            axes.annotate(f"{who} meet at {pfn:,}", (1.02, pfn), xycoords=("axes fraction", "data"),
                          color=INK, size=9, va=upright)
