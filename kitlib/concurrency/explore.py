"""Every schedule at once: a proof that no schedule of a scenario has a bug, or the shortest one that has.

Memory is sequentially consistent, and steps are as fine as the paths yield them: what two steps can do to each other is
not seen when they are written as one. Knows nothing of memory.
"""
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from itertools import pairwise

from .graph import Graph
from .sched import Scenario, ScheduleError, read_schedule, schedule_text

LIMIT = 2_000_000                   # states; about 1 GB
FATES = ("cannot crash any more", "can crash", "must crash")


@dataclass(frozen=True)
class Proof:
    """What is true of every schedule of a scenario, and of some."""

    scenario: Scenario
    safe: bool | None               # no schedule has a bug; None: nothing was found before the limit, and nothing is proved
    bug: str | None                 # of the shortest failing schedule
    bugs: dict[str, str]            # every bug that some schedule has, with the shortest schedule for it
    states: int
    transitions: int
    schedules: int | None           # whole schedules, which end with the threads, in a deadlock or at a bug; None: see why_no_count
    failing_schedules: int | None
    coin_flip: float | None         # how likely a schedule fails when each step is a fair choice among the threads that can go on
    shortest: str | None            # the failing schedule with the fewest steps, and of those with the fewest switches
    sometimes: dict[str, bool]      # for each property of the scenario's `sometimes`, whether some schedule shows it
    why_no_count: str = ""
    graph: Graph = field(repr=False, default=None)

    def __bool__(self):
        return bool(self.safe)

    def __repr__(self):
        size = f"{self.states:,} states, {self.transitions:,} transitions"
        if self.safe is None:
            return f"NO PROOF of {self.scenario.name}: {self.why_no_count}; no bug so far, in {size}"
        if self.safe:
            every = f"all {self.schedules:,} schedules" if self.schedules else f"every schedule ({self.why_no_count})"
            missed = [name for name, shown in self.sometimes.items() if not shown]
            return f"SAFE: {self.scenario.name}, {every}; {size}" + f"; yet no schedule shows: {', '.join(missed)}" * bool(missed)
        share = ("" if self.schedules is None else f" in {self.failing_schedules:,} of {self.schedules:,} schedules "
                 f"({percent(self.failing_schedules / self.schedules)})")
        return f"UNSAFE: {self.scenario.name}, {self.bug}{share}; shortest {self.shortest}; {size}"

    def state_after(self, schedule: str) -> int:
        """The number of the state that a schedule such as C4T8 leads to. ScheduleError at the first step that cannot be."""
        at = 0
        for number, name in enumerate(read_schedule(schedule, self.graph.names), 1):
            following = dict(self.graph.successors(at)).get(name)
            if following is None:
                raise ScheduleError(f"{schedule} cannot be followed: at step {number}, {name} sleeps or has ended")
            at = following
        return at

    def fate(self, schedule: str = "") -> str:
        """Whether what has gone by schedule can still crash, must crash, or cannot crash any more: one of FATES."""
        return self.fate_of(self.state_after(schedule))

    def fate_of(self, number: int) -> str:
        """The same of a state, by its number in the graph. ValueError where the limit was hit: then nobody knows."""
        if not self.graph.complete:
            raise ValueError(f"no fate is known: {self.why_no_count}")
        can, must = self._fates
        return FATES[can[number] + must[number]]

    def fates(self, schedule: str = "") -> dict[str, str]:
        """By thread that can go on after schedule: whether what follows can, must, or cannot crash once it has done its step."""
        return {name: self.fate_of(to) for name, to in self.graph.successors(self.state_after(schedule))}

    @cached_property
    def fewest_switches(self) -> str | None:
        """The failing schedule with the fewest switches, and of those with the fewest steps: it may be longer than `shortest`."""
        graph, came = self.graph, {}
        ahead = [(0, 0, 0, -1, None)]           # switches, steps, state, the thread that came there, and from where
        while ahead:
            switches, steps, number, last, before = heappop(ahead)
            if (number, last) in came:
                continue
            came[number, last] = before
            if graph.endings.get(number):
                return schedule_text(_way_back(came, (number, last), graph.names), graph.names)
            for name, to in graph.successors(number):
                thread = graph.names.index(name)
                heappush(ahead, (switches + (last not in (-1, thread)), steps + 1, to, thread, (number, last)))
        return None

    @cached_property
    def _fates(self) -> tuple[bytearray, bytearray]:
        """For every state whether some, and whether every schedule from there fails."""
        graph = self.graph
        can = bytearray(len(graph.states))
        for number, bug in graph.endings.items():
            can[number] = bug is not None
        must = bytearray(can)
        changed = True
        while changed:                              # once round, and once more, unless there is a cycle
            changed = False
            for number in reversed(graph.order or range(len(can))):
                ways = graph.into[graph.first[number]:graph.first[number + 1]]
                for fate, of in ((can, any), (must, all)):
                    if ways and not fate[number] and of(fate[to] for to in ways):
                        fate[number] = changed = True
        return can, must


def _way_back(came: dict, at: tuple[int, int], names: list[str]) -> list[str]:
    """Who did each step on the way to a state: `came` has, by state and the thread that came there, the pair before."""
    way = []
    while came[at]:
        way.append(names[at[1]])
        at = came[at]
    return way[::-1]


def percent(share: float) -> str:
    """A share as a percentage with two digits that count: 6.4 %, 0.14 %."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def prove(scenario: Scenario, limit: int = LIMIT) -> Proof:
    """Look at every schedule of a scenario. PathError when a path's own code fails; the memory is left as it was.

    Stops after `limit` states: what was found by then stands, but `safe` is None, not True, when nothing was.
    """
    graph = Graph(scenario, limit)
    bad = {number: bug for number, bug in graph.endings.items() if bug}
    ways = {bug: graph.shortest({number for number in bad if bad[number] == bug}) for bug in dict.fromkeys(bad.values())}
    shortest = min(ways, key=lambda bug: _length(graph, ways[bug])) if bad else None
    bugs = {bug: schedule_text(way, graph.names) for bug, way in ways.items()}
    why, counts = "", (None, None, None)
    if not graph.complete:
        why = f"the limit of {limit:,} states was hit, write prove(scenario, limit={10 * limit:,}) for more"
    elif graph.order is None:
        why = "a schedule can go on for ever, so there is no number of them"
    else:
        counts = _counts(graph, bad)
    return Proof(scenario, safe=False if bad else True if graph.complete else None,
                 bug=shortest, bugs=bugs, states=len(graph.states),
                 transitions=len(graph.into), schedules=counts[0], failing_schedules=counts[1], coin_flip=counts[2],
                 shortest=bugs.get(shortest),
                 sometimes={name: name in graph.shown for name in scenario.sometimes}, why_no_count=why, graph=graph)


def _length(graph: Graph, way: list[str]) -> tuple[int, int, int]:
    """Steps, switches, and the state at the end, which tells apart what is as short."""
    at = 0
    for name in way:
        at = dict(graph.successors(at))[name]
    return len(way), sum(one != other for one, other in pairwise(way)), at


def _counts(graph: Graph, bad: dict[int, str]) -> tuple[int, int, float]:
    """From the start: whole schedules, those that fail, and how likely one fails when each step is a fair choice."""
    schedules, failing, likely = ([None] * len(graph.states) for _ in range(3))
    for number in reversed(graph.order):
        ways = graph.into[graph.first[number]:graph.first[number + 1]]
        if ways:
            schedules[number] = sum([schedules[to] for to in ways])
            failing[number] = sum([failing[to] for to in ways])
            likely[number] = sum([likely[to] for to in ways]) / len(ways)
        else:
            schedules[number], failing[number], likely[number] = 1, int(number in bad), float(number in bad)
    return schedules[0], failing[0], likely[0]
