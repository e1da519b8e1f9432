"""The states of a proof as progress graphs and state graphs draw them, schedules over them, a legend.

Each kind of state has a fill, an edge and a mark: they can be told apart without colour. Leaves out where a
state stands.
"""
from collections.abc import Iterable

from matplotlib.axes import Axes

from ..concurrency.explore import FATES, Proof
from ..concurrency.graph import Graph
from .flow import INK, LIT, PALE, PAPER, SANS, pt
from .layout import PAD, TEXT, width_of
from .states import LIGHT

# What is drawn of a state, from harmless to worst: a bug lies behind none of its schedules, some, all; or is
# here.
CANNOT, CAN, MUST = FATES
STATE_KINDS = (CANNOT, "ended", CAN, MUST, "bug")
FILL = dict(zip(STATE_KINDS, (PALE, PAPER, LIGHT["isolated"], LIGHT["failed"], PAPER)))
EDGE = dict(zip(STATE_KINDS, ("#B4BCC5", LIGHT["migrated"], INK, INK, LIGHT["failed"])))
STATE_MARKS = {CAN: (".", INK), MUST: ("_", PAPER), "bug": ("x", LIGHT["failed"])}    # the second channel
LEGEND = 30                             # pixels from one line of the legend to the next


def kind(proof: Proof, number: int) -> str:
    """What is drawn of a state: one of STATE_KINDS."""
    if number not in proof.graph.endings:
        return proof.fate_of(number)
    return "bug" if proof.graph.endings[number] else "ended"


def whole_graph(proof: Proof, write: str) -> Graph:
    """The graph of a proof that knows every state."""
    if not isinstance(proof, Proof):
        raise TypeError(f"not a proof but a {type(proof).__name__}: write {write}(prove(scenario))")
    if not proof.graph.complete:
        raise ValueError(f"not every state is known: {proof.why_no_count}")
    return proof.graph


def draw_states(axes: Axes, points: Iterable[tuple], which: str, shape: str, size: float) -> None:
    """States of one kind, with its fill, its edge and its mark; bugs lie above everything."""
    edge = 2.5 if which in ("ended", "bug") else 0.8
    order = 8 if which == "bug" else 3
    # An edge is drawn half outside its marker: all kinds are of one size with it.
    axes.plot(*zip(*points), linestyle="none", marker=shape, markersize=pt(size - edge), zorder=order,
              markerfacecolor=FILL[which], markeredgecolor=EDGE[which], markeredgewidth=pt(edge))
    if which in STATE_MARKS:
        mark, colour = STATE_MARKS[which]
        axes.plot(*zip(*points), linestyle="none", marker=mark, markersize=pt(size * 0.45), color=colour,
                  markeredgewidth=pt(2), zorder=order)


def draw_way(axes: Axes, points: list[tuple[float, float]], number: int = 0, order: float = 5) -> None:
    """A schedule: a blue line with a light rim, dashed if it is the second; a ball is where it starts."""
    axes.plot(*zip(*points), color=PAPER, linewidth=pt(6), solid_capstyle="round", zorder=order)
    axes.plot(*zip(*points), color=LIT, linewidth=pt(3), linestyle=("-", (0, (2.5, 1.2)))[number],
              zorder=order + 0.1)
    axes.plot(*points[0], marker="o", color=LIT, markersize=pt(11), markeredgecolor=PAPER,
              markeredgewidth=pt(1.5), zorder=7)


def samples(proof: Proof, found: Iterable[str], shape: str, size: float) -> list[tuple]:
    """The legend's rows for the kinds of states that are found."""
    words = {"ended": "every thread has ended", "bug": " or ".join(proof.bugs)}
    return [(lambda axes, x, y, which=which: draw_states(axes, [(x, y)], which, shape, size),
             words.get(which, which)) for which in STATE_KINDS if which in found]


def way_sample(schedule: str, number: int = 0) -> tuple:
    """The legend's row for a schedule."""
    return lambda axes, x, y: draw_way(axes, [(x - 12, y), (x + 12, y)], number), schedule


def legend_width(rows: list[tuple]) -> float:
    """How wide a legend is with its margin."""
    return 40 + max(width_of(words) for _, words in rows) * 1.1 + PAD


def draw_legend(axes: Axes, at: tuple[float, float], rows: list[tuple]) -> None:
    """A column of (how a sample is drawn around a point, words)."""
    for number, (draw, words) in enumerate(rows):
        x, y = at[0] + 14, at[1] + LEGEND * number
        draw(axes, x, y)
        axes.text(x + 26, y, words, size=pt(TEXT + 1), family=SANS, color=INK, va="center_baseline")
