"""Every schedule of two threads at once: the progress graph (Dijkstra; Coffman, Elphick and Shoshani 1971).

A position is how many steps each thread has done. Where steps answered differently several states share one:
it is drawn as the worst of them, and smaller when only some are so bad. Leaves out the answers themselves:
stategraph.py has every state.
"""
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..concurrency.automaton import LocalState
from ..concurrency.explore import Proof
from ..concurrency.sched import read_schedule, schedule_text
from ..frames import LOCK_STEPS, UNLOCK_STEPS, lock_of
from .flow import INK, MONO, PAPER, SANS, Chart, pt, sheet
from .layout import PAD, TEXT, width_of
from .proof_states import (CANNOT, LEGEND, STATE_KINDS, draw_legend, draw_states, draw_way, kind,
                           legend_width, samples, way_sample, whole_graph)

CELL, BARS = 22, 12                     # pixels: a position; a bar of a lock, with its margin
_HATCH, _STEPS = "#6B7580", 80          # more steps of one thread than that are no picture


Position = tuple[int, int]              # steps of the first thread, of the second
Regions = Mapping[str, tuple[Position, Position]]       # words, with the lower left and upper right corner


class Progress(NamedTuple):
    """The positions of two threads: for each the kinds of its states, and what a lock excludes."""

    names: list[str]
    kinds: dict[tuple[int, int], Counter]
    locked: set[tuple[int, int]]            # positions that nobody reaches, as both would hold a lock
    held: dict[str, list[set[int]]]         # by lock that excludes some: where each thread can hold it
    steps: list[dict[int, set[str]]]        # by thread and number of the step: what it can be

    @property
    def size(self) -> tuple[int, int]:
        """The most steps of each thread."""
        return tuple(map(max, zip(*self.kinds)))


def _progress(proof: Proof) -> Progress:
    graph = whole_graph(proof, "progress_graph")
    if len(graph.names) != 2:
        threads = f"{len(graph.names)} ({', '.join(graph.names)})"
        raise ValueError(f"a progress graph has two threads, not {threads}: write progress_graph(prove("
                         "truncation_race(kernel))), or swim_lanes(proof.scenario, proof.shortest)")
    if graph.order is None:
        raise ValueError("a schedule can go on for ever, and so would this picture: write state_graph(proof)")
    holds = [_holds(local_states) for local_states in graph.threads]
    kinds, held = defaultdict(Counter), defaultdict(lambda: [set(), set()])
    steps = [defaultdict(set), defaultdict(set)]
    # From a state alone one cannot tell how many steps were done: ways of different lengths may lead to it.
    # So what is walked over is pairs of a state and a position. Without a circle in the graph these are
    # finitely many.
    reached = {(0, (0, 0))}
    queue = list(reached)
    for number, at in queue:                        # grows as states are found
        kinds[at][kind(proof, number)] += 1
        for thread, local in enumerate(graph.local_states(number)):
            for lock in holds[thread].get(local, ()):
                held[lock][thread].add(at[thread])
        for name, to in graph.successors(number):
            thread = graph.names.index(name)
            after = to, (at[0] + 1 - thread, at[1] + thread)
            steps[thread][after[1][thread]].add(graph.local_states(number)[thread].step.name)
            if after not in reached:
                reached.add(after)
                queue.append(after)
    # Not all that two threads' holding a lock would forbid: what a trylock that failed reaches is not
    # excluded.
    locked = {lock: {(x, y) for x in xs for y in ys} - set(kinds) for lock, (xs, ys) in held.items()}
    return Progress(graph.names, dict(kinds), set().union(*locked.values()),
                    {lock: held[lock] for lock in locked if locked[lock]}, steps)


def _holds(local_states: list[LocalState]) -> dict[LocalState, set[str]]:
    """The locks that a thread can hold at each local state: the union over all ways that lead there."""
    queue = local_states[1:2]               # where it starts; the first is its end
    holds = {local: set() for local in queue}
    for local in queue:                     # a local state comes again when a way to it has added a lock
        for answer, child in local.branches.items():
            here, name, on = set(holds[local]), local.step.name, local.step.on
            if name in LOCK_STEPS and answer is LOCK_STEPS[name]:
                here.add(lock_of(name, on))
            if name in UNLOCK_STEPS:
                here.discard(lock_of(name, on))
            if child not in holds or not here <= holds[child]:
                holds[child] = here | holds.get(child, set())
                queue.append(child)
    return holds


def _ways(proof: Proof, schedule: str) -> list[list[str]]:
    """The schedules to show: the given, the shortest that fails, or for a safe proof each thread first."""
    if schedule or proof.shortest:
        proof.state_after(schedule or proof.shortest)
        return [read_schedule(schedule or proof.shortest, proof.graph.names)]
    ways = []
    for names in (proof.graph.names, proof.graph.names[::-1]):
        at, way = 0, []
        while following := dict(proof.graph.successors(at)):
            way.append(next(name for name in names if name in following))
            at = following[way[-1]]
        ways.append(way)
    return ways


def progress_graph(proof: Proof, schedule: str = "", title: str = "",
                   regions: Regions = MappingProxyType({})) -> Chart:
    """Two threads' positions, which of them can, must or do crash, and what a lock excludes.

    Shown as a staircase is `schedule`, or the shortest that fails, or where none does each thread first and
    alone. `regions` are framed and numbered, with their words in the legend. `places` has the positions.
    """
    progress, ways = _progress(proof), _ways(proof, schedule)
    if max(progress.size) > _STEPS:
        raise ValueError(f"{max(progress.size)} steps of one thread are too many for one picture: "
                         "write a scenario with fewer folios, or state_graph(proof)")
    if unknown := [corner for corners in regions.values() for corner in corners
                   if not all(0 <= n <= most for n, most in zip(corner, progress.size))]:
        raise ValueError(f"{unknown[0]} is no corner here: write steps from (0, 0) to {progress.size}")
    legend = _legend(proof, progress, ways, regions)
    plan = _Plane(progress, _step_names(proof, progress, ways[0]), legend)
    figure, axes = sheet(plan.width, plan.height, title or f"{proof.scenario.name}: progress")
    figure.colours = 32                 # few, and many cells: half of them are shades of letters
    _draw_axes(axes, plan)
    # A row's neighbours are one rectangle: the hatching of squares one by one would not join.
    for y in dict.fromkeys(y for _, y in sorted(progress.locked)):
        for xs in _runs([x for x in range(progress.size[0] + 1) if (x, y) in progress.locked]):
            _draw_excluded(axes, *plan.at(xs[0], y), len(xs))
    cells = defaultdict(list)                       # by worst kind, and whether all of its states are of it
    for at, kinds in progress.kinds.items():
        worst = _worst(kinds)
        cells[worst, len(kinds) == 1 or worst in STATE_KINDS[:2]].append(plan.at(*at))
    for (which, whole), points in cells.items():
        _draw_cell(axes, points, which, whole)
    for number, way in enumerate(ways):
        positions = [map(way[:n].count, progress.names) for n in range(len(way) + 1)]
        draw_way(axes, [plan.at(*at) for at in positions], number)
    for number, corners in enumerate(regions.values(), 1):
        _draw_region(axes, number, *(plan.at(*corner) for corner in corners))
    draw_legend(axes, (plan.right, plan.top), plan.legend)
    figure.text = describe_progress(proof, schedule, regions)
    figure.places = {at: figure.shares(*plan.at(*at)) for at in progress.kinds}
    return figure


def _worst(kinds: Counter) -> str:
    return max(kinds, key=STATE_KINDS.index)


def _legend(proof: Proof, progress: Progress, ways: list[list[str]], regions: Iterable[str]) -> list[tuple]:
    """Rows for the kinds that are found, some of the states, what is excluded, regions, the schedules."""
    some = [_worst(kinds) for kinds in progress.kinds.values() if len(kinds) > 1]
    rows = samples(proof, {which for kinds in progress.kinds.values() for which in kinds}, "s", CELL - 3)
    if bad := [which for which in STATE_KINDS[2:] if which in some]:
        rows.append((lambda axes, x, y: _draw_cell(axes, [(x, y)], bad[0], False),
                     "small: after some answers, not after all"))
    if progress.locked:
        rows.append((_draw_excluded, f"both would hold the lock of {' or '.join(sorted(progress.held))}"))
        rows.append((lambda axes, x, y: _draw_bar(axes, x - CELL / 2, y - 3, CELL, 7),
                     "bar: where one can hold it"))
    if len(progress.kinds) + len(progress.locked) < math.prod(most + 1 for most in progress.size):
        rows.append((lambda axes, x, y: None, "nothing drawn: never reached"))
    rows += [(lambda axes, x, y, number=number: _draw_region(axes, number, (x, y), (x, y)), words)
             for number, words in enumerate(regions, 1)]
    return rows + [way_sample(schedule_text(way, progress.names), number) for number, way in enumerate(ways)]


def _draw_region(axes: Axes, number: int, low: tuple[float, float], high: tuple[float, float]) -> None:
    """A frame around the positions between two corners, with its number in the middle."""
    (left, bottom), (right, top) = low, high
    axes.add_patch(Rectangle((left - CELL / 2, top - CELL / 2), right - left + CELL, bottom - top + CELL,
                             fill=False, edgecolor=INK, linewidth=pt(2), zorder=6))
    axes.text((left + right) / 2, (bottom + top) / 2, number, size=pt(13), family=SANS, weight="bold",
              color=INK, ha="center", va="center_baseline", zorder=9,
              bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1})


def _draw_bar(axes: Axes, x: float, y: float, wide: float, high: float) -> None:
    axes.add_patch(Rectangle((x, y), wide, high, facecolor=_HATCH, linewidth=0))


def _runs(numbers: list[int]) -> list[list[int]]:
    """Numbers that follow each other, together."""
    return [[n for _, n in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]


def _draw_excluded(axes: Axes, x: float, y: float, positions: int = 1) -> None:
    axes.add_patch(Rectangle((x - CELL / 2, y - CELL / 2), positions * CELL, CELL, hatch="xxxx",
                             facecolor=PAPER, edgecolor=_HATCH, linewidth=0, zorder=1))


def _draw_cell(axes: Axes, points: list[tuple[float, float]], which: str, whole: bool) -> None:
    """Positions of one kind, whole, or small where only some of their states are of that kind."""
    if not whole:
        draw_states(axes, points, CANNOT, "s", CELL - 3)
    draw_states(axes, points, which, "s", CELL - 3 if whole else CELL / 2 + 1)


def describe_progress(proof: Proof, schedule: str = "", regions: Regions = MappingProxyType({})) -> str:
    """The progress graph in words: how many positions of which kind, what a lock excludes, what is shown."""
    progress, ways = _progress(proof), _ways(proof, schedule)
    worst = Counter(map(_worst, progress.kinds.values()))
    shared = sum(kinds.total() > 1 for kinds in progress.kinds.values())
    (first, most), (second, more) = zip(progress.names, progress.size)
    kinds = ", ".join(f"{worst[which]:,} {which}" for which in STATE_KINDS if worst[which])
    lines = [f"{proof.scenario.name}, progress of {first} (0 to {most} steps) and {second} (0 to {more}).",
             f"{len(progress.kinds):,} positions, {shared:,} of them shared by several states; "
             f"the worst of each: {kinds}"]
    if progress.locked:
        locks = " and of ".join(sorted(progress.held))
        lines.append(f"{len(progress.locked):,} positions excluded by the lock of {locks}")
    lines += [f"region {number}, {first} {left} to {right} and {second} {low} to {high}: {words}"
              for number, (words, ((left, low), (right, high))) in enumerate(regions.items(), 1)]
    shown = " and ".join(schedule_text(way, progress.names) for way in ways)
    ends = "no schedule fails" if proof.safe else f"shortest to fail: {proof.shortest}, {proof.bug}"
    return "\n".join([*lines, f"shown: {shown}; {ends}"])


def _step_names(proof: Proof, progress: Progress, way: list[str]) -> list[dict[int, str]]:
    """By thread and number: the step along the schedule shown, else the only one that it can be."""
    names = [{number: min(steps) for number, steps in numbered.items() if len(steps) == 1}
             for numbered in progress.steps]
    at, done = 0, [0, 0]
    for name in way:
        thread = progress.names.index(name)
        done[thread] += 1
        names[thread][done[thread]] = proof.graph.local_states(at)[thread].step.name
        at = dict(proof.graph.successors(at))[name]
    return names


class _Plane:
    """Where the positions stand: x to the right, y upward, with the names of the steps beside and below."""

    # In pixels, from the left: the second thread's step names | bars of its locks | positions | legend; and
    # from the top: positions | bars of the first thread's locks | its step names. A bar is as long as the
    # positions it is at.

    def __init__(self, progress: Progress, names: list[dict[int, str]], legend: list[tuple]):
        self.progress, self.names, self.legend = progress, names, legend
        columns, rows = progress.size
        below, beside = (max(width_of(f"{n} {name}", "Mono") for n, name in {0: "", **steps}.items())
                         for steps in names)
        bars = CELL / 2 + 6 + BARS * len(progress.held)
        self.beside = PAD + 24 + beside                 # where the names of the second thread's steps end
        self.left, self.top = self.beside + bars, CELL
        self.bottom, self.right = self.top + rows * CELL, self.left + (columns + 2) * CELL
        self.low = self.bottom + bars                   # where the names of the first thread's steps begin
        self.width = self.right + legend_width(legend)
        self.height = max(self.low + below + 40, self.top + len(legend) * LEGEND)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The middle of a position."""
        return self.left + x * CELL, self.bottom - y * CELL


def _draw_axes(axes: Axes, plan: _Plane) -> None:
    """The name of a step stands between the positions before and after it; a bar where a lock can be held."""
    first, second = plan.progress.names
    plain = {"size": pt(TEXT), "family": MONO, "color": INK}
    bold = {"size": pt(13), "family": SANS, "color": INK, "weight": "bold"}
    for n in range(1, plan.progress.size[0] + 1):
        axes.text(plan.at(n - 0.5, 0)[0], plan.low, f"{plan.names[0].get(n, '')} {n}", rotation=90,
                  ha="center", va="top", **plain)
    for n in range(1, plan.progress.size[1] + 1):
        axes.text(plan.beside, plan.at(0, n - 0.5)[1], f"{plan.names[1].get(n, '')} {n}",
                  ha="right", va="center_baseline", **plain)
    axes.text(plan.left - CELL / 2, plan.height - 14, f"steps of {first} →", va="center", **bold)
    axes.text(PAD + 4, plan.bottom, f"steps of {second} →", rotation=90, ha="center", va="bottom", **bold)
    for number, (lock, (xs, ys)) in enumerate(sorted(plan.progress.held.items())):
        level = plan.low - BARS * (number + 1)
        axes.text(plan.at(max(xs) + 0.5, 0)[0] + 5, level + 3.5, lock, size=pt(10), family=SANS, color=INK,
                  va="center")
        for n in xs:
            _draw_bar(axes, plan.at(n - 0.5, 0)[0], level, CELL, 7)
        for n in ys:
            _draw_bar(axes, plan.beside + 4 + BARS * number, plan.at(0, n + 0.5)[1], 7, CELL)
