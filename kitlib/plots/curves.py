"""Curves over a sweep's frame.

A curve is the median of the seeds, its band reaches from the lowest seed to the highest; a column of yes and
no is drawn as the share of yes, with its 95 % interval (Wilson). Every line has a colour, a marker and a line
style of its own. Leaves out fits and tests: the frame is there for them.
"""
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .flow import DPI, INK, PALE, PAPER, SANS, Chart
from .states import LIGHT

# States' colours: any two differ for every eye. Those that stand out from the paper come first.
COLOURS = [LIGHT[state] for state in
           ("failed", "migrated", "unevictable", "unmovable", "movable", "isolated")]
MARKERS = "osD^vP"
STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
SAME = 0.01                             # of the height: lines no further apart are drawn as one
LABEL_WIDTH = 28                        # letters in a line of the legend
Z = 1.96                                # of a 95 % interval
_WORDS = {
    "unmovable": "share of unmovable folios (guest_memfd)",
    "unevictable": "share of unevictable folios (mlocked)",
    "pinned": "share of pinned folios", "dirty": "share of dirty file folios", "free": "share of free pages",
    "no_migrate_folio": "share of dirty folios without migrate_folio", "pages": "pages in the zone",
    "grouped": "unmovable folios grouped in pageblocks",
    "compact_unevictable_allowed": "vm.compact_unevictable_allowed",
    "isolation_success": "pages isolated / LRU pages scanned",
    "migration_success": "pages migrated / isolated",
    "isolated": "pages isolated", "migrated": "pages migrated", "targets": "target pages asked for",
    "wasted_targets": "target pages asked for in vain",
    "order_9_is_free": "runs that end with a free block of order 9",
    "largest_order_after": "order of the largest free block afterwards",
    "fragmentation_index_after": "fragmentation index (order 9) afterwards"}

SHORT = {"compact_unevictable_allowed": "unevictable allowed"}


class _Line(NamedTuple):
    """One curve: the parts of its name, and by x its middle and its band."""

    names: list[str]
    x: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


def curve(frame: pd.DataFrame, x: str, y: str, by: str | Sequence[str] = "kernel", title: str = "") -> Chart:
    """The column `y` against `x`, a line for each combination of values in `by`; equal lines are one."""
    by = [by] if isinstance(by, str) else list(by)
    _check(frame, x, y, by)
    keys, groups = zip(*frame.groupby(by, sort=False))
    lines = [_line(_names(key, by), group, x, y) for key, group in zip(keys, groups)]
    together = _together(lines, (float(frame[y].max()) - float(frame[y].min())) * SAME)
    figure, axes = new_axes(title or f"{y} against {x}", _WORDS.get(x, x), _WORDS.get(y, y))
    ticks = None if _is_scale(frame[x]) else list(dict.fromkeys(frame[x]))
    styles = _styles(keys)
    for place, numbers in enumerate(together):
        style = styles[numbers[0]]
        if len(together) <= len(COLOURS):           # enough for each to have its own
            style |= {"color": COLOURS[place], "marker": MARKERS[place]}
        aside = (place - (len(together) - 1) / 2) * 0.08        # of a tick: points stand side by side
        _draw(axes, [lines[number] for number in numbers], style, ticks, aside)
    if ticks is not None:
        axes.set_xticks(range(len(ticks)), [_value(tick) for tick in ticks])
        axes.set_xlim(-0.5, len(ticks) - 0.5)
    _limits(axes, frame[y])
    _legend(axes, [lines[numbers[0]].middle[-1] for numbers in together])
    figure.text = describe_curve(frame, x, y, by)
    return figure


def describe_curve(frame: pd.DataFrame, x: str, y: str, by: str | Sequence[str] = "kernel") -> str:
    """The curves in words: every line's first, middle and last point."""
    by = [by] if isinstance(by, str) else list(by)
    curves = [_line(_names(key, by), group, x, y) for key, group in frame.groupby(by, sort=False)]
    seeds = frame.seed.nunique() if "seed" in frame else 1
    kind = "share of yes and its 95 % interval" if _is_share(frame[y]) else "median and range"
    stopped = f" Stopped {frame.attrs['stopped']}." if "stopped" in frame.attrs else ""
    lines = [f"{y} against {x}, {kind} of {seeds} seed{'' if seeds == 1 else 's'}.{stopped}"]
    for curve in curves:
        some = sorted({0, len(curve.x) // 2, len(curve.x) - 1})
        lines.append(f"{', '.join(curve.names)}: {', '.join(_point(curve, at) for at in some)}")
    return "\n".join(lines)


def _check(frame: pd.DataFrame, x: str, y: str, by: list[str]) -> None:
    """Whether there is something to draw, and nothing else that varies is hidden in the band."""
    if missing := [column for column in (x, y, *by) if column not in frame]:
        raise ValueError(f"the frame has no column {missing[0]!r}: write one of {', '.join(frame)}")
    if not len(frame):
        raise ValueError("the frame has no row: write a sweep with one run at least")
    if not pd.api.types.is_numeric_dtype(frame[y]):
        raise ValueError(f"{y} is no number: write y='isolation_success' or another column of numbers")
    if "seed" in frame and frame.duplicated([x, *by, "seed"]).any():
        # A sweep's parameters stand before its seeds; `mode` follows from the caller.
        parameters = [column for column in frame.columns[:frame.columns.get_loc("seed")]
                      if column not in (x, *by, "mode")]
        varied = [column for column in parameters if frame[column].nunique() > 1] or ["seed"]
        raise ValueError(f"{', '.join(varied)} also differs from row to row, and would look like the spread "
                         f"of the seeds: write by={[*by, *varied]!r}, or choose rows first, "
                         f"as frame[frame.{varied[0]} == ...]")


def _line(names: list[str], group: pd.DataFrame, x: str, y: str) -> _Line:
    """The middle and the band over the rows with each x."""
    at = group.groupby(x, sort=_is_scale(group[x]))[y]
    if not _is_share(group[y]):
        middle, low, high = at.median(), at.min(), at.max()
    else:
        share, n = at.mean(), at.count()
        # Wilson's interval is not centred on the share: it never leaves 0 to 1, and has a width at both.
        middle, centre = share, (share + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n)
        half = Z / (1 + Z ** 2 / n) * np.sqrt(share * (1 - share) / n + Z ** 2 / (4 * n ** 2))
        low, high = (centre - half).clip(0, 1), (centre + half).clip(0, 1)
    return _Line(names, middle.index.to_numpy(), *(values.to_numpy(float) for values in (middle, low, high)))


def _together(lines: Sequence[_Line], same: float) -> list[list[int]]:
    """The numbers of the lines that lie on each other, so that none is hidden."""
    found: list[list[int]] = []
    for number, line in enumerate(lines):
        for numbers in found:
            first = lines[numbers[0]]           # all are compared with the first, so none drifts away from it
            if np.array_equal(line.x, first.x) and np.allclose(line.middle, first.middle, rtol=0, atol=same,
                                                               equal_nan=True):
                numbers.append(number)
                break
        else:
            found.append([number])
    return found


def _draw(axes: Axes, lines: list[_Line], style: dict, ticks: list | None, aside: float) -> None:
    """One line for all of `lines`, a band around the bands of all; points with bars where x is no scale."""
    line = lines[0]
    low, high = np.fmin.reduce([line.low for line in lines]), np.fmax.reduce([line.high for line in lines])
    if ticks is None:
        axes.fill_between(line.x, low, high, color=style["color"], alpha=0.13, linewidth=0)
        axes.plot(line.x, line.middle, label=_label(lines), zorder=3, **style)
    else:
        at = np.array([ticks.index(value) + aside for value in line.x])
        axes.vlines(at, low, high, color=style["color"], linewidth=5, alpha=0.25)
        axes.plot(at, line.middle, label=_label(lines), zorder=3, **style | {"linestyle": "none"})


def _label(lines: list[_Line]) -> str:
    """The names of all the lines: what is said once for several stands before the colon."""
    firsts: dict[str, list[str]] = {}
    for first, *rest in (line.names for line in lines):
        firsts.setdefault(first, []).append(", ".join(rest))
    words = [f"{first}: {', '.join(rest)}" if any(rest) else first for first, rest in firsts.items()]
    return textwrap.fill("; ".join(words), LABEL_WIDTH)


def _is_share(column: pd.Series) -> bool:
    return pd.api.types.is_bool_dtype(column)


def _is_scale(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not _is_share(column)


def _value(value) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return str(value)


def _names(key: tuple, by: list[str]) -> list[str]:
    """The parts of a line's name: kernels and callers speak for themselves."""
    words = ("" if column in ("kernel", "caller") else f"{SHORT.get(column, column)} " for column in by)
    return [f"{word}{_value(value)}" for word, value in zip(words, key)]


def _point(line: _Line, at: int) -> str:
    low, middle, high = (_number(values[at]) for values in (line.low, line.middle, line.high))
    return f"{middle}{'' if low == high else f' ({low} to {high})'} at {_value(line.x[at])}"


def _number(value: float) -> str:
    if np.isnan(value):
        return "none"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _styles(keys: list[tuple]) -> list[dict]:
    """How each line is drawn: the first column of several sets the dashes, the others colour and marker."""
    firsts = list(dict.fromkeys(key[:1] for key in keys))
    rests = list(dict.fromkeys(key[1:] or key for key in keys))
    if len(rests) > len(COLOURS) or (len(keys[0]) > 1 and len(firsts) > len(STYLES)):
        raise ValueError(f"{len(keys)} lines cannot be told apart: choose rows first, "
                         "as frame[frame.caller == 'kcompactd']")
    styles = []
    for key in keys:
        number = rests.index(key[1:] or key)
        dashes = STYLES[firsts.index(key[:1]) % len(STYLES)]
        styles.append({"color": COLOURS[number], "linestyle": dashes, "linewidth": 1.8,
                       "marker": MARKERS[number], "markersize": 6, "markeredgecolor": PAPER,
                       "markeredgewidth": 0.7})
    return styles


def new_axes(title: str, x: str, y: str) -> tuple[Chart, Axes]:
    """A chart with room for a legend on its right."""
    # In inches, DPI pixels as shown each; the axes in shares of that.
    figure = Chart(figsize=(8.4, 4.2), dpi=DPI, facecolor=PAPER)
    axes = figure.add_axes((0.1, 0.14, 0.56, 0.74))
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", family=SANS, color=INK)
    axes.set_xlabel(x, color=INK, family=SANS)
    axes.set_ylabel(y, color=INK, family=SANS)
    axes.grid(color=PALE)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _limits(axes: Axes, values: pd.Series) -> None:
    """Shares are shown from 0 to 1, amounts from 0 up."""
    if values.min() >= 0:
        shares = values.max() <= 1 and not pd.api.types.is_integer_dtype(values)
        axes.set_ylim((-0.03, 1.03) if shares else (0, max(1, values.max() * 1.05)))


def _legend(axes: Axes, ends: list[float]) -> None:
    """Beside the curves, in the order in which they end, from top to bottom."""
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(ends)), key=lambda number: -np.nan_to_num(ends[number], nan=-np.inf))
    axes.legend([handles[number] for number in order], [names[number] for number in order], loc="upper left",
                bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9, handlelength=3.2, labelspacing=0.8)
