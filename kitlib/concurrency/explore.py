"""Every schedule at once: a proof that no schedule of a scenario has a bug, or the shortest one that has.

Memory is sequentially consistent, and steps are as fine as the paths yield them: what two steps can do to
each other is not seen when they are written as one. Knows nothing of memory.
"""
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from typing import NamedTuple

from .graph import Graph
from .sched import Scenario, ScheduleError, read_schedule, schedule_text

LIMIT = 2_000_000                   # states; about 1 GB
NOBODY = -1                         # the thread that came to the start
MANY = 1 << 40                      # more steps than a best schedule has: it has no pair twice
# By how much is lost: one step for `some schedule fails`, one more for `every schedule fails`.
FATES = ("cannot crash any more", "can crash", "must crash")


@dataclass(frozen=True)
class Proof:
    """What is true of every schedule of a scenario, and of some."""

    scenario: Scenario
    safe: bool | None               # no schedule has a bug; None: none was found up to the limit, no proof
    bug: str | None                 # of the shortest failing schedule
    bugs: dict[str, str]            # every bug that some schedule has, with the shortest schedule for it
    states: int
    transitions: int
    # Whole schedules, which end with the threads, in a deadlock or at a bug. These three are None where
    # nobody can count them, and why_no_count says why: so they may be of a safe proof, too, when there is a
    # loop.
    schedules: int | None
    failing_schedules: int | None
    coin_flip: float | None         # how likely one fails if each step is a fair choice among who can go on
    shortest: str | None            # the failing schedule with the fewest steps, and of those switches
    sometimes: dict[str, bool]      # by property in the scenario's `sometimes`: whether a schedule shows it
    graph: Graph = field(repr=False)
    why_no_count: str = ""

    def __bool__(self):
        return bool(self.safe)

    def __repr__(self):
        size = f"{self.states:,} states, {self.transitions:,} transitions"
        if self.safe is None:
            return f"NO PROOF of {self.scenario.name}: {self.why_no_count}; no bug so far, in {size}"
        if self.safe:
            every = f"every schedule ({self.why_no_count})"
            if self.schedules is not None:
                every = f"all {self.schedules:,} schedules"
            missed = [name for name, shown in self.sometimes.items() if not shown]
            yet = f"; yet no schedule shows: {', '.join(missed)}" if missed else ""
            return f"SAFE: {self.scenario.name}, {every}; {size}{yet}"
        share = ""
        if self.schedules is not None and self.failing_schedules is not None:
            share = (f" in {self.failing_schedules:,} of {self.schedules:,} schedules "
                     f"({percent(self.failing_schedules / self.schedules)})")
        return f"UNSAFE: {self.scenario.name}, {self.bug}{share}; shortest {self.shortest}; {size}"

    def state_after(self, schedule: str) -> int:
        """The number of the state that a schedule such as C4T8 leads to.

        ScheduleError where it cannot be followed.
        """
        at = 0
        for number, name in enumerate(read_schedule(schedule, self.graph.names), 1):
            following = dict(self.graph.successors(at)).get(name)
            if following is None:
                raise ScheduleError(f"{schedule} cannot be followed: "
                                    f"at step {number}, {name} sleeps or has ended")
            at = following
        return at

    def fate(self, schedule: str = "") -> str:
        """Whether what went by schedule can, must, or cannot crash any more: one of FATES."""
        return self.fate_of(self.state_after(schedule))

    def fate_of(self, number: int) -> str:
        """The same of a state, by its number. ValueError where the limit was hit: then nobody knows."""
        if not self.graph.complete:
            raise ValueError(f"no fate is known: {self.why_no_count}")
        can, must = self._fates
        return FATES[can[number] + must[number]]

    def fates(self, schedule: str = "") -> dict[str, str]:
        """By thread that can go on after schedule: the fate of what follows once it has done its step."""
        return {name: self.fate_of(to) for name, to in self.graph.successors(self.state_after(schedule))}

    @cached_property
    def fewest_switches(self) -> str | None:
        """The failing schedule with the fewest switches, and of those steps."""
        bad = {number for number, bug in self.graph.endings.items() if bug}
        return schedule_text(_fewest_switches(self.graph, bad).names, self.graph.names) if bad else None

    @cached_property
    def _fates(self) -> tuple[bytearray, bytearray]:
        """For every state whether some, and whether every schedule from there fails."""
        graph = self.graph
        can = bytearray(len(graph.states))
        for number, bug in graph.endings.items():
            can[number] = bug is not None
        must = bytearray(can)
        # The least such sets, grown from the bugs backwards. A schedule that goes round for ever does not
        # fail, so a state from which one can is never in `must`. In `order` one round finds all, and one more
        # finds that there is no more; where there is a cycle rounds go on until nothing changes.
        changed = True
        while changed:
            changed = False
            for number in reversed(graph.order or range(len(can))):
                ways = graph.into[graph.first[number]:graph.first[number + 1]]
                for fate, of in ((can, any), (must, all)):
                    if ways and not fate[number] and of(fate[to] for to in ways):
                        fate[number] = changed = True
        return can, must


def percent(share: float) -> str:
    """A share as a percentage with two digits that count: 6.4 %, 0.14 %."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


class Way(NamedTuple):
    """A schedule as names, step by step, with its cost and the state to which it leads. Less is better."""

    cost: int
    state: int
    names: list[str]


def _shortest(graph: Graph, bad: Collection[int]) -> Way:
    """The way to a state in `bad` with the fewest steps, and of those the one with the fewest switches."""
    # Only for speed: what is on no way with the fewest steps is left out. Backwards, since a state is on one
    # when a state that follows it, one step farther away, is.
    away, near = graph.distances, bytearray(len(graph.states))
    steps = min(away[number] for number in bad)
    for number in bad:
        near[number] = away[number] == steps
    for number in reversed(range(bisect_left(away, steps))):
        near[number] = any(near[to] and away[to] == away[number] + 1
                           for to in graph.into[graph.first[number]:graph.first[number + 1]])
    return _cheapest(graph, bad, MANY, 1, near)


def _fewest_switches(graph: Graph, bad: Collection[int]) -> Way:
    """The way to a state in `bad` with the fewest switches, and of those the one with the fewest steps."""
    return _cheapest(graph, bad, 1, MANY, b"\1" * len(graph.states))


Pair = tuple[int, int]              # a state, and the thread that came there


def _cheapest(graph: Graph, bad: Collection[int], step: int, switch: int, near: bytes | bytearray) -> Way:
    """The way of least cost to a state in `bad`, only through those that are `near`: Dijkstra's algorithm.

    It goes from pair to pair, for whether the next step is a switch depends on who did the last one. Of equal
    costs it is the way to the lowest number, by the lowest before it: the answer is always the same.
    """
    came: dict[Pair, Pair | None] = {}              # by pair, once the cost of it is final: the pair before
    ahead: list[tuple[int, int, int, Pair | None]] = [(0, 0, NOBODY, None)]
    while True:                                     # it gets there: the start leads to every state
        cost, number, last, before = heappop(ahead)
        if (number, last) in came:
            continue
        came[number, last] = before
        if number in bad:
            return Way(cost, number, _names_of(came, (number, last), graph.names))
        for edge in range(graph.first[number], graph.first[number + 1]):
            thread, to = graph.by[edge], graph.into[edge]
            if near[to]:
                switched = last not in (thread, NOBODY)
                heappush(ahead, (cost + step + switch * switched, to, thread, (number, last)))


def _names_of(came: dict[Pair, Pair | None], pair: Pair, names: list[str]) -> list[str]:
    """Who did each step on the way to a pair."""
    way = []
    while before := came[pair]:
        way.append(names[pair[1]])
        pair = before
    return way[::-1]


def prove(scenario: Scenario, limit: int = LIMIT) -> Proof:
    """Look at every schedule of a scenario. PathError when a path's own code fails.

    The memory is left as it was.

    Stops after `limit` states: what was found by then stands, but `safe` is None, not True, when nothing was.
    """
    graph = Graph(scenario, limit)
    bad = {number: bug for number, bug in graph.endings.items() if bug}
    ways = {bug: _shortest(graph, {number for number in bad if bad[number] == bug})
            for bug in dict.fromkeys(bad.values())}
    shortest = min(ways, key=lambda bug: ways[bug]) if bad else None
    bugs = {bug: schedule_text(way.names, graph.names) for bug, way in ways.items()}
    why = ""
    counts: tuple[int, int, float] | tuple[None, None, None] = (None, None, None)
    if not graph.complete:
        why = f"the limit of {limit:,} states was hit, write prove(scenario, limit={10 * limit:,}) for more"
    elif graph.order is None:
        why = "a schedule can go on for ever, so there is no number of them"
    else:
        counts = _counts(graph, graph.order, bad)
    # What was found before the limit stands; that nothing was found there proves nothing.
    unsafe_or_unknown = False if bad else None
    return Proof(scenario, safe=True if graph.complete and not bad else unsafe_or_unknown,
                 bug=shortest, bugs=bugs, states=len(graph.states), transitions=len(graph.into),
                 schedules=counts[0], failing_schedules=counts[1], coin_flip=counts[2],
                 shortest=None if shortest is None else bugs[shortest],
                 sometimes={name: name in graph.shown for name in scenario.sometimes},
                 why_no_count=why, graph=graph)


def _counts(graph: Graph, order: list[int], bad: dict[int, str]) -> tuple[int, int, float]:
    """From the start: whole schedules, those that fail, and how likely one fails by fair choices.

    A schedule is a way through the graph, so those from a state are those from the states that follow it,
    added up. That needs every state after those that follow it: `order` backwards. The numbers have no bound,
    and are exact.
    """
    schedules, failing = [1] * len(graph.states), [0] * len(graph.states)
    likely = [0.0] * len(graph.states)
    for number in reversed(order):
        ways = graph.into[graph.first[number]:graph.first[number + 1]]
        if ways:
            schedules[number] = sum([schedules[to] for to in ways])
            failing[number] = sum([failing[to] for to in ways])
            likely[number] = sum([likely[to] for to in ways]) / len(ways)
        elif number in bad:
            failing[number], likely[number] = 1, 1.0
    return schedules[0], failing[0], likely[0]
