"""The states of a race, every one of them, in layers by their distance from the start.

Steps that lead to a state as near, or nearer, run upright or back: another thread has made a way shorter.
Leaves out which step an edge is: swim lanes say that. A layout by barycentres (Sugiyama, Tagawa and Toda
1981), without more.
"""
from collections import Counter, defaultdict

from ..concurrency.explore import Proof
from ..concurrency.graph import Graph
from ..concurrency.sched import read_schedule
from .flow import Chart, pt, sheet
from .layout import PAD
from .proof_states import (LEGEND, STATE_KINDS, draw_legend, draw_states, draw_way, kind, legend_width,
                           samples, way_sample, whole_graph)
from .states import LIGHT

# The steps of each thread.
EDGES = ((LIGHT["unmovable"], "-"), (LIGHT["unevictable"], (0, (3, 1.5))), (LIGHT["migrated"], (0, (1, 1))))
MOST_STATES = 450                       # more are no picture
SWEEPS = 24                             # over all layers, forth and back in turn
_DOT, NEXT = 14, 18                     # pixels: across a dot, from one to the next below it
_WIDTH, NEAR, FAR = 900, 22, 38         # of all layers, with at least and at most these from one to the next


def state_graph(proof: Proof, title: str = "", limit: int = MOST_STATES) -> Chart:
    """Every state as a dot, in layers by its distance from the start, every step, and the way to fail."""
    graph = whole_graph(proof, "state_graph")
    if len(graph.states) > limit:
        raise ValueError(f"{len(graph.states):,} states are no picture: write a smaller scenario, "
                         f"swim_lanes(proof.scenario, {proof.shortest or 'C3T21'!r}), "
                         f"or state_graph(proof, limit={len(graph.states)})")
    away = _distances(graph)
    rows, apart = _rows(graph, away), min(FAR, max(NEAR, _WIDTH / (max(away) + 1)))
    place = {number: (PAD + _DOT + distance * apart, PAD + _DOT + rows[number] * NEXT)
             for number, distance in enumerate(away)}
    kinds = {which: [at for number, at in place.items() if kind(proof, number) == which]
             for which in STATE_KINDS}
    legend = [*samples(proof, [which for which in STATE_KINDS if kinds[which]], "o", _DOT), *_edges(proof)]
    columns = legend[:len(legend) // 2], legend[len(legend) // 2:]     # side by side below the states
    low = max(y for _, y in place.values()) + LEGEND + _DOT
    wide = max(max(x for x, _ in place.values()) + _DOT + PAD, sum(map(legend_width, columns)) + 2 * PAD)
    figure, axes = sheet(wide, low + LEGEND * len(columns[1]),
                         title or f"{proof.scenario.name}: {len(away)} states")
    figure.colours = 256                # thin lines and small dots
    for number, at in place.items():
        for name, to in graph.successors(number):
            _draw_edge(axes, [at, place[to]], graph.names.index(name))
    for which, points in kinds.items():
        if points:
            draw_states(axes, points, which, "o", _DOT)
    if proof.shortest:                  # above the edges and below the dots
        way = _along(graph, read_schedule(proof.shortest, graph.names))
        draw_way(axes, [place[number] for number in way], order=2)
    draw_legend(axes, (PAD, low), columns[0])
    draw_legend(axes, (2 * PAD + legend_width(columns[0]), low), columns[1])
    figure.text = describe_states(proof)
    return figure


def _draw_edge(axes, points: list[tuple[float, float]], thread: int) -> None:
    colour, style = EDGES[thread % len(EDGES)]
    axes.plot(*zip(*points), color=colour, linewidth=pt(1.2), linestyle=style, zorder=1)


def _edges(proof: Proof) -> list[tuple]:
    """The legend's rows for the steps of each thread, and for the schedule."""
    rows = [(lambda axes, x, y, thread=thread: _draw_edge(axes, [(x - 14, y), (x + 14, y)], thread),
             f"a step of {name}") for thread, name in enumerate(proof.graph.names)]
    return [*rows, way_sample(proof.shortest)] if proof.shortest else rows


def describe_states(proof: Proof) -> str:
    """The states in words: how many of which kind, how far away, and whose steps lead from one to another."""
    graph = whole_graph(proof, "state_graph")
    found = Counter(kind(proof, number) for number in range(len(graph.states)))
    steps = Counter(name for number in range(len(graph.states)) for name, _ in graph.successors(number))
    ends = "no schedule fails" if proof.safe else f"shortest to fail: {proof.shortest}, {proof.bug}"
    edges = ", ".join(f"{steps[name]:,} steps of {name}" for name in graph.names)
    kinds = ", ".join(f"{found[which]:,} {which}" for which in STATE_KINDS if found[which])
    return (f"{proof.scenario.name}: {len(graph.states):,} states at up to {max(_distances(graph))} steps "
            f"from the start: {kinds}; {edges}; {ends}")


def _along(graph: Graph, way: list[str]) -> list[int]:
    """The states along a schedule."""
    states = [0]
    for name in way:
        states.append(dict(graph.successors(states[-1]))[name])
    return states


def _distances(graph: Graph) -> list[int]:
    """How many steps each state is away from the start, at the least."""
    away = [0]                          # states are numbered breadth first: a state's parent comes before it
    for number in range(1, len(graph.states)):
        away.append(away[graph.parent[number]] + 1)
    return away


def _rows(graph: Graph, away: list[int]) -> dict[int, float]:
    """The height of each state: near the middle of its neighbours, one at least from those of its layer.

    Every sweep goes over all layers, forth by where a state comes from, back by where it leads. In a layer
    each state wishes to stand at the mean of its neighbours; those are then put in the order of their wishes
    and pushed apart.
    """
    layers = defaultdict(list)
    near = defaultdict(list), defaultdict(list)     # by state: those before it, those after it
    for number, distance in enumerate(away):
        layers[distance].append(number)
        for _, to in graph.successors(number):
            near[0][to].append(number)
            near[1][number].append(to)
    row = {number: float(place) for layer in layers.values() for place, number in enumerate(layer)}
    for sweep in range(SWEEPS):
        for layer in list(layers.values())[::-1 if sweep % 2 else 1]:
            wish = {}
            for number in layer:
                others = [row[other] for other in near[sweep % 2][number] if away[other] != away[number]]
                wish[number] = sum(others) / len(others) if others else row[number]
            layer.sort(key=wish.get)
            for before, number in zip([None, *layer], layer):
                row[number] = wish[number] if before is None else max(wish[number], row[before] + 1)
            # Pushing goes down alone: as a whole the layer is put back to where its wishes were.
            shift = sum(wish[number] - row[number] for number in layer) / len(layer)
            row.update({number: row[number] + shift for number in layer})
    top = min(row.values())
    return {number: height - top for number, height in row.items()}
