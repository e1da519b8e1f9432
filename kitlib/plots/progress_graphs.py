"""Every schedule of two threads at once: the progress graph (Dijkstra; Coffman, Elphick and Shoshani 1971).

A position is how many steps each thread has done. Where steps answered differently several states share one: it is drawn as
the worst of them, and smaller when only some are so bad. Leaves out the answers themselves: stategraph.py has every state.
"""
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..concurrency.automaton import LocalState
from ..concurrency.explore import FATES, Proof
from ..concurrency.graph import Graph
from ..concurrency.sched import read_schedule, schedule_text
from ..frames import LOCK_STEPS, UNLOCK_STEPS
from .flow import INK, LIT, MONO, PALE, PAPER, SANS, Chart, pt, sheet
from .layout import PAD, TEXT, width_of
from .states import LIGHT

CANNOT, CAN, MUST = FATES
STATE_KINDS = (CANNOT, "ended", CAN, MUST, "bug")           # from harmless to worst
FILL = dict(zip(STATE_KINDS, (PALE, PAPER, LIGHT["isolated"], LIGHT["failed"], PAPER)))
EDGE = dict(zip(STATE_KINDS, ("#B4BCC5", LIGHT["migrated"], INK, INK, LIGHT["failed"])))
STATE_MARKS = {CAN: (".", INK), MUST: ("_", PAPER), "bug": ("x", LIGHT["failed"])}
_HATCH, _STEPS, CELL, BARS, LEGEND = "#6B7580", 80, 22, 12, 30


class Progress(NamedTuple):
    """The positions of two threads: for each the kinds of its states, and what a lock excludes."""

    names: list[str]
    kinds: dict[tuple[int, int], Counter]
    locked: set[tuple[int, int]]                    # positions that nobody reaches, as both would hold a lock
    held: dict[str, list[set[int]]]                 # by lock that excludes something: the steps at which each thread can hold it
    steps: list[dict[int, set[str]]]                # by thread and number of the step: what it can be

    @property
    def size(self) -> tuple[int, int]:
        """The most steps of each thread."""
        return tuple(map(max, zip(*self.kinds)))


def kind(proof: Proof, number: int) -> str:
    """What is drawn of a state: one of STATE_KINDS."""
    ending = proof.graph.endings.get(number, "")
    return proof.fate_of(number) if ending == "" else "bug" if ending else "ended"


def known(proof: Proof, write: str) -> Graph:
    """The graph of a proof that knows every state."""
    if not isinstance(proof, Proof):
        raise TypeError(f"not a proof but a {type(proof).__name__}: write {write}(prove(scenario))")
    if not proof.graph.complete:
        raise ValueError(f"not every state is known: {proof.why_no_count}")
    return proof.graph


def _progress(proof: Proof) -> Progress:
    graph = known(proof, "progress_graph")
    if len(graph.names) != 2:
        raise ValueError(f"a progress graph has two threads, not {len(graph.names)} ({', '.join(graph.names)}): write "
                         "progress_graph(prove(truncation_race(kernel))), or swim_lanes(proof.scenario, proof.shortest)")
    if graph.order is None:
        raise ValueError("a schedule can go on for ever, and so would this picture: write state_graph(proof)")
    holds = [_holds(local_states) for local_states in graph.threads]
    kinds, held, steps = defaultdict(Counter), defaultdict(lambda: [set(), set()]), [defaultdict(set), defaultdict(set)]
    reached = {(0, (0, 0)): None}
    for number, at in (queue := list(reached)):
        kinds[at][kind(proof, number)] += 1
        local_states = graph.local_states(number)
        for thread, local in enumerate(local_states):
            for lock in holds[thread].get(local, ()):
                held[lock][thread].add(at[thread])
        for name, to in graph.successors(number):
            thread = graph.names.index(name)
            after = to, (at[0] + 1 - thread, at[1] + thread)
            steps[thread][after[1][thread]].add(local_states[thread].step.name)
            if after not in reached:
                reached[after] = None
                queue.append(after)
    locked = {lock: {(x, y) for x in xs for y in ys} - set(kinds) for lock, (xs, ys) in held.items()}
    return Progress(graph.names, dict(kinds), set().union(*locked.values()),
                    {lock: held[lock] for lock in locked if locked[lock]}, steps)


def _holds(local_states: list[LocalState]) -> dict[LocalState, set[str]]:
    """The locks that a thread can hold at each local state."""
    queue = local_states[1:2]                       # where it starts; the first is its end
    holds = {local: set() for local in queue}
    for local in queue:                             # the list grows meanwhile
        for answer, following in local.branches.items():
            here, known = set(holds[local]), following in holds
            if local.step.name in LOCK_STEPS and answer is LOCK_STEPS[local.step.name]:
                here.add(local.step.on)
            if local.step.name in UNLOCK_STEPS:
                here.discard(local.step.on)
            if not known or not here <= holds[following]:
                holds[following] = here | holds.get(following, set())
                queue.append(following)
    return holds


def _ways(proof: Proof, schedule: str) -> list[list[str]]:
    """The schedules to show: the given one, the shortest that fails, or of a safe proof each thread first and alone."""
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


def progress_graph(proof: Proof, schedule: str = "", title: str = "") -> Chart:
    """Two threads' positions, which of them can, must or do crash, and what a lock excludes; with a schedule as a staircase.

    Shown is `schedule`, or the shortest that fails, or where none does each thread first and alone. `places` has the positions.
    """
    progress, ways = _progress(proof), _ways(proof, schedule)
    if max(progress.size) > _STEPS:
        raise ValueError(f"{max(progress.size)} steps of one thread are too many for one picture: write a scenario with "
                         "fewer folios, or state_graph(proof)")
    plan = _Plane(progress, _step_names(proof, progress, ways[0]), _legend(proof, progress, ways))
    figure, axes = sheet(plan.width, plan.height, title or f"{proof.scenario.name}: progress")
    _draw_axes(axes, plan)
    for y in {y: None for _, y in sorted(progress.locked)}:
        for xs in _runs([x for x in range(progress.size[0] + 1) if (x, y) in progress.locked]):
            _draw_excluded(axes, *plan.at(xs[0], y), len(xs))
    cells = defaultdict(list)
    for at, kinds in progress.kinds.items():
        worst = max(kinds, key=STATE_KINDS.index)
        cells[worst, len(kinds) == 1 or worst in STATE_KINDS[:2]].append(plan.at(*at))
    for (which, whole), points in cells.items():
        _draw_cell(axes, points, which, whole)
    for number, way in enumerate(ways):
        draw_way(axes, [plan.at(*map(way[:n].count, progress.names)) for n in range(len(way) + 1)], number)
    draw_legend(axes, (plan.right, plan.top), plan.legend)
    figure.text = describe_progress(proof, schedule)
    figure.places = {at: figure.shares(*plan.at(*at)) for at in progress.kinds}
    return figure


def _legend(proof: Proof, progress: Progress, ways: list[list[str]]) -> list[tuple]:
    """Rows for the kinds that are found, for a part of the states, for what is excluded, and for the schedules."""
    some = [max(kinds, key=STATE_KINDS.index) for kinds in progress.kinds.values() if len(kinds) > 1]
    rows = samples(proof, {which for kinds in progress.kinds.values() for which in kinds}, "s", CELL - 3)
    if bad := [which for which in STATE_KINDS[2:] if which in some]:
        rows.append((lambda axes, x, y: _draw_cell(axes, [(x, y)], bad[0], False), "small: after some answers, not after all"))
    if progress.locked:
        rows.append((_draw_excluded, f"both would hold the lock of {' or '.join(sorted(progress.held))}"))
        rows.append((lambda axes, x, y: _draw_bar(axes, x - CELL / 2, y - 3, CELL, 7), "bar: where one can hold it"))
    if len(progress.kinds) + len(progress.locked) < math.prod(most + 1 for most in progress.size):
        rows.append((lambda axes, x, y: None, "nothing drawn: never reached"))
    return rows + [(lambda axes, x, y, number=number: draw_way(axes, [(x - 12, y), (x + 12, y)], number),
                    schedule_text(way, progress.names)) for number, way in enumerate(ways)]


def _draw_bar(axes: Axes, x: float, y: float, wide: float, high: float) -> None:
    axes.add_patch(Rectangle((x, y), wide, high, facecolor=_HATCH, linewidth=0))


def _runs(numbers: list[int]) -> list[list[int]]:
    """Numbers that follow each other, together."""
    return [[n for _, n in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]


def _draw_excluded(axes: Axes, x: float, y: float, positions: int = 1) -> None:
    axes.add_patch(Rectangle((x - CELL / 2, y - CELL / 2), positions * CELL, CELL, hatch="xxxx", facecolor=PAPER, edgecolor=_HATCH,
                             linewidth=0, zorder=1))


def _draw_cell(axes: Axes, points: list[tuple[float, float]], which: str, whole: bool) -> None:
    """Positions of one kind, whole, or small where only some of their states are of that kind."""
    if not whole:
        draw_states(axes, points, CANNOT, "s", CELL - 3)
    draw_states(axes, points, which, "s", CELL - 3 if whole else CELL / 2 + 1)


def describe_progress(proof: Proof, schedule: str = "") -> str:
    """The progress graph in words: how many positions are of which kind, what a lock excludes, and the schedule shown."""
    progress, ways = _progress(proof), _ways(proof, schedule)
    worst = Counter(max(kinds, key=STATE_KINDS.index) for kinds in progress.kinds.values())
    shared = sum(kinds.total() > 1 for kinds in progress.kinds.values())
    (first, most), (second, more) = zip(progress.names, progress.size)
    words = [f"{proof.scenario.name}, progress of {first} (0 to {most} steps) and {second} (0 to {more}).",
             f"{len(progress.kinds):,} positions, {shared:,} of them shared by several states; the worst of each: "
             + ", ".join(f"{worst[which]:,} {which}" for which in STATE_KINDS if worst[which])]
    if progress.locked:
        words.append(f"{len(progress.locked):,} positions excluded by the lock of {' and of '.join(sorted(progress.held))}")
    shown = " and ".join(schedule_text(way, progress.names) for way in ways)
    ends = "no schedule fails" if proof.safe else f"shortest to fail: {proof.shortest}, {proof.bug}"
    return "\n".join([*words, f"shown: {shown}; {ends}"])


def _step_names(proof: Proof, progress: Progress, way: list[str]) -> list[dict[int, str]]:
    """By thread and number: the step along the schedule shown, else the only one that it can be."""
    names = [{number: min(steps) for number, steps in one.items() if len(steps) == 1} for one in progress.steps]
    at, done = 0, [0, 0]
    for name in way:
        thread = progress.names.index(name)
        done[thread] += 1
        names[thread][done[thread]] = proof.graph.local_states(at)[thread].step.name
        at = dict(proof.graph.successors(at))[name]
    return names


class _Plane:
    """Where the positions stand: x to the right, y upward, with the names of the steps beside and below."""

    def __init__(self, progress: Progress, names: list[dict[int, str]], legend: list[tuple]):
        self.progress, self.names, self.legend = progress, names, legend
        columns, rows = progress.size
        below, beside = (max(width_of(f"{n} {word}", "Mono") for n, word in {0: "", **one}.items()) for one in names)
        bars = CELL / 2 + 6 + BARS * len(progress.held)
        self.beside = PAD + 24 + beside                     # where the names of the second thread's steps end
        self.left, self.top = self.beside + bars, CELL
        self.bottom, self.right = self.top + rows * CELL, self.left + (columns + 2) * CELL
        self.low = self.bottom + bars                       # where the names of the first thread's steps begin
        self.width = self.right + legend_width(legend)
        self.height = max(self.low + below + 40, self.top + len(legend) * LEGEND)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The middle of a position."""
        return self.left + x * CELL, self.bottom - y * CELL


def _draw_axes(axes: Axes, plan: _Plane) -> None:
    """The name of a step stands between the positions before and after it; bars say where a lock can be held."""
    first, second = plan.progress.names
    look, bold = dict(size=pt(TEXT), family=MONO, color=INK), dict(size=pt(13), family=SANS, color=INK, weight="bold")
    for n in range(1, plan.progress.size[0] + 1):
        axes.text(plan.at(n - 0.5, 0)[0], plan.low, f"{plan.names[0].get(n, '')} {n}", rotation=90, ha="center", va="top", **look)
    for n in range(1, plan.progress.size[1] + 1):
        axes.text(plan.beside, plan.at(0, n - 0.5)[1], f"{plan.names[1].get(n, '')} {n}", ha="right", va="center_baseline", **look)
    axes.text(plan.left - CELL / 2, plan.height - 14, f"steps of {first} →", va="center", **bold)
    axes.text(PAD + 4, plan.bottom, f"steps of {second} →", rotation=90, ha="center", va="bottom", **bold)
    for number, (lock, (xs, ys)) in enumerate(sorted(plan.progress.held.items())):
        axes.text(plan.at(max(xs) + 0.5, 0)[0] + 5, plan.low - BARS * (number + 1) + 3.5, lock, size=pt(10), family=SANS, color=INK,
                  va="center")
        for n in xs:
            _draw_bar(axes, plan.at(n - 0.5, 0)[0], plan.low - BARS * (number + 1), CELL, 7)
        for n in ys:
            _draw_bar(axes, plan.beside + 4 + BARS * number, plan.at(0, n + 0.5)[1], 7, CELL)


def draw_states(axes: Axes, points: Iterable[tuple[float, float]], which: str, shape: str, size: float) -> None:
    """States of one kind, each with the fill, the edge and the mark of its kind; bugs lie above everything."""
    edge, order = 2.5 if which in ("ended", "bug") else 0.8, 8 if which == "bug" else 3
    axes.plot(*zip(*points), linestyle="none", marker=shape, markersize=pt(size - edge), markerfacecolor=FILL[which],
              markeredgecolor=EDGE[which], markeredgewidth=pt(edge), zorder=order)
    if which in STATE_MARKS:
        mark, colour = STATE_MARKS[which]
        axes.plot(*zip(*points), linestyle="none", marker=mark, markersize=pt(size * 0.45), color=colour,
                  markeredgewidth=pt(2), zorder=order)


def draw_way(axes: Axes, points: list[tuple[float, float]], number: int = 0, order: float = 5) -> None:
    """A schedule: a blue line with a light rim, dashed if it is the second; a ball is where it starts."""
    axes.plot(*zip(*points), color=PAPER, linewidth=pt(6), solid_capstyle="round", zorder=order)
    axes.plot(*zip(*points), color=LIT, linewidth=pt(3), linestyle=("-", (0, (2.5, 1.2)))[number], zorder=order + 0.1)
    axes.plot(*points[0], marker="o", color=LIT, markersize=pt(11), markeredgecolor=PAPER, markeredgewidth=pt(1.5), zorder=7)


def samples(proof: Proof, found: Iterable[str], shape: str, size: float) -> list[tuple]:
    """The legend's rows for the kinds of states that are found."""
    words = {"ended": "every thread has ended", "bug": " or ".join(proof.bugs)}
    return [(lambda axes, x, y, which=which: draw_states(axes, [(x, y)], which, shape, size), words.get(which, which))
            for which in STATE_KINDS if which in found]


def legend_width(rows: list[tuple]) -> float:
    """How wide a legend is with its margin."""
    return 40 + max(width_of(words) for _, words in rows) * 1.1 + PAD


def draw_legend(axes: Axes, at: tuple[float, float], rows: list[tuple]) -> None:
    """A column of (how a sample is drawn around a point, words)."""
    for number, (draw, words) in enumerate(rows):
        x, y = at[0] + 14, at[1] + LEGEND * number
        draw(axes, x, y)
        axes.text(x + 26, y, words, size=pt(TEXT + 1), family=SANS, color=INK, va="center_baseline")
