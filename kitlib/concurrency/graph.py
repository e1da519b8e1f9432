"""The state graph of a scenario: every state that threads over one memory can reach, whoever goes first.

A state is where each thread is in its automaton and what the memory looks like, packed into one number; what a step does
to a memory is taken from the real objects once (restore, do, snapshot) and remembered. Nothing is approximated: states
are merged only when they are equal. Knows nothing of memory.
"""
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from ..step import Deadlock, KernelBug, Step
from .automaton import State, automaton
from .sched import Event, PropertyBroken, Scenario, schedule_text

SLEEPS = ()                         # instead of a move, where a thread cannot do its step or has none


class PathError(Exception):
    """A path's own code, or one of its steps, raised an error that is no kernel bug; the schedule that led there is named."""


class Graph:
    """The states of a scenario: `states` packed and numbered from 0, the start, in the order of their distance from it."""

    def __init__(self, scenario: Scenario, limit: int):
        self.scenario, self.names = scenario, list(scenario.paths)
        self.threads = [automaton(start, scenario.objects) for start in scenario.paths.values()]
        self.shifts, self.top = [], 0
        for nodes in self.threads:
            self.shifts.append(self.top)
            self.top += len(nodes).bit_length()
        # By thread and node: what each memory leads to, as what is added to the state.
        self.moves: list[list[dict]] = [[{} for _ in nodes] for nodes in self.threads]
        self.memories: list = []                    # snapshots; where a bug has just happened, the bug and the one before it
        self.bugs: dict[int, str] = {}              # memories in which a bug has just happened: nobody goes on
        self.shown: set[str] = set()                # properties of `sometimes` that some schedule shows
        self.complete = True
        self._numbers: dict = {}                    # of memories
        self._steps: dict[tuple, int] = {}          # of equal steps
        self._effects: dict[tuple, object] = {}
        was = scenario.memory.snapshot()
        scenario.memory.restore(scenario.begin)
        try:
            self._search(limit)
        finally:
            scenario.memory.restore(was)

    def _search(self, limit: int) -> None:
        self.first, self.into, self.by, self.parent = array("q"), array("i"), bytearray(), array("i", [0])
        self._at = self._memory(self.scenario.begin)    # the memory that the objects have now; None: none that is known
        self.states = [sum(1 << shift for shift in self.shifts) + (self._at << self.top)]
        for thread, nodes in enumerate(self.threads):
            if nodes[1:] and nodes[1].error:
                self._raise(nodes[1].error, self.names[thread], "")
        states, into, by, top, bugs, parent = self.states, self.into, self.by, self.top, self.bugs, self.parent
        numbers = {states[0]: 0}
        lanes = [(thread, shift, (1 << len(nodes).bit_length()) - 1, self.moves[thread])
                 for thread, (shift, nodes) in enumerate(zip(self.shifts, self.threads))]
        for here, state in enumerate(states):       # the list grows meanwhile
            self.first.append(len(into))
            memory = state >> top
            if memory in bugs:
                continue
            for thread, shift, mask, moves in lanes:
                at = state >> shift & mask
                move = moves[at].get(memory)
                if move is None:
                    move = moves[at][memory] = self._move(thread, at, memory, here)
                if move is not SLEEPS:
                    number = numbers.setdefault(state + move, len(states))
                    if number == len(states):
                        states.append(state + move)
                        parent.append(here)
                    into.append(number)
                    by.append(thread)
            if len(states) > limit:
                self.complete = False
                break
        # Those that were not looked at any more go nowhere.
        self.expanded = len(self.first)
        self.first.extend([len(into)] * (len(states) + 1 - self.expanded))

    def _move(self, thread: int, at: int, memory: int, here: int):
        node, end = self.threads[thread][at], self.threads[thread][0]
        if node.step is None:
            return SLEEPS
        try:
            effect = self._effect(thread, node, memory)
        except Exception as error:
            self._raise_at(error, here, thread)
        if effect is SLEEPS:
            return SLEEPS
        answer, after = effect
        following = end if after in self.bugs else node.branches.get(answer)
        if following is None:
            self._raise_at(TypeError(f"{node.step!r} answered {answer!r}, which its return annotation does not say"), here, thread)
        if following.error:
            if not isinstance(following.error, KernelBug):
                self._raise_at(following.error, here, thread)
            following, after = end, self._bug(following.error, after)
        return (following.number - at << self.shifts[thread]) + (after - memory << self.top)

    def _effect(self, thread: int, node: State, memory: int) -> tuple:
        """What the step answers and which memory it leaves, or SLEEPS."""
        step, scenario = node.step, self.scenario
        asked = scenario.always or scenario.sometimes
        key = (self._steps.setdefault((step.primitive, step.args), len(self._steps)), memory, thread if asked else None)
        if key not in self._effects:
            if self._at != memory:
                scenario.memory.restore(self.memories[memory])
                self._at = memory
            self._effects[key] = self._do(step, thread, memory) if step.ready() else SLEEPS
        return self._effects[key]

    def _do(self, step: Step, thread: int, memory: int) -> tuple:
        scenario, self._at = self.scenario, None
        try:
            answer = step.do()
            if scenario.always or scenario.sometimes:
                event = Event(0, self.names[thread], step.name, step.on, answer)
                self.shown.update(name for name, shows in scenario.sometimes.items() if shows(scenario.memory, event))
                for bug, holds in scenario.always.items():
                    if not holds(scenario.memory, event):
                        raise PropertyBroken(bug, repr(step))
        except KernelBug as bug:
            return None, self._bug(bug, memory)
        self._at = self._memory(scenario.memory.snapshot())
        return answer, self._at

    def _memory(self, snapshot) -> int:
        number = self._numbers.setdefault(snapshot, len(self.memories))
        if number == len(self.memories):
            self.memories.append(snapshot)
        return number

    def _bug(self, bug: KernelBug, memory: int) -> int:
        number = self._memory((bug.bug, memory))
        self.bugs[number] = bug.bug
        return number

    def _raise_at(self, error: Exception, here: int, thread: int) -> None:
        self._raise(error, self.names[thread], schedule_text([*self.schedule_to(here), self.names[thread]], self.names))

    @staticmethod
    def _raise(error: Exception, name: str, schedule: str) -> None:
        when = f"this schedule leads to it: {schedule}" if schedule else "it comes before the first step"
        raise PathError(f"{name} raised {type(error).__name__}: {error}. That is no race but an error in the path, and {when}") from error

    def steps(self, thread: int, node: State) -> Iterator[tuple[int, int, int]]:
        """(memory, the node after, the memory after) for each memory in which a thread was seen to go on from a node."""
        shift, ended = self.shifts[thread], (1 << len(self.threads[thread]).bit_length()) - 1
        for memory, move in self.moves[thread][node.number].items():
            if move is not SLEEPS:
                after = (memory << self.top) + (node.number << shift) + move
                yield memory, after >> shift & ended, after >> self.top

    def schedule_to(self, number: int) -> list[str]:
        """Who does each step on a shortest way from the start to a state."""
        way = []
        while number:
            before = self.parent[number]
            way.append(next(name for name, to in self.successors(before) if to == number))
            number = before
        return way[::-1]

    def successors(self, number: int) -> Iterator[tuple[str, int]]:
        """(thread, state) for each step that can be done in a state."""
        return ((self.names[self.by[edge]], self.into[edge]) for edge in range(self.first[number], self.first[number + 1]))

    def nodes(self, number: int) -> list[State]:
        """Where each thread is in a state."""
        return [nodes[self.states[number] >> shift & (1 << len(nodes).bit_length()) - 1]
                for nodes, shift in zip(self.threads, self.shifts)]

    @cached_property
    def endings(self) -> dict[int, str | None]:
        """The states after which nothing happens: what bug they are, None where every thread has ended."""
        ended, found = (1 << self.top) - 1, {}
        for number, state in enumerate(self.states[:self.expanded]):
            if self.first[number] == self.first[number + 1]:
                found[number] = self.bugs.get(state >> self.top, Deadlock.bug if state & ended else None)
        return found

    @cached_property
    def order(self) -> list[int] | None:
        """The states so that every step leads to a later one; None when some schedule comes back to where it was."""
        waits = array("i", bytes(4 * len(self.states)))
        for to in self.into:
            waits[to] += 1
        order = [0] if not waits[0] else []
        for number in order:                        # the list grows meanwhile
            for edge in range(self.first[number], self.first[number + 1]):
                to = self.into[edge]
                waits[to] -= 1
                if not waits[to]:
                    order.append(to)
        return order if len(order) == len(self.states) else None

    def shortest(self, bad: set[int]) -> list[str]:
        """A schedule to one of the states in `bad`: of those with the fewest steps, the one with the fewest switches."""
        away = array("i", [0])
        for number in range(1, len(self.states)):
            away.append(away[self.parent[number]] + 1)
        steps = min(away[number] for number in bad)
        leads = bytearray(len(away))                # whether a way with the fewest steps goes through the state
        for number in bad:
            leads[number] = away[number] == steps
        for number in reversed(range(bisect_left(away, steps))):
            leads[number] = any(leads[to] and away[to] == away[number] + 1
                                for to in self.into[self.first[number]:self.first[number + 1]])
        # By state and the thread that came there: the fewest switches, and from where.
        best: dict[int, dict] = {0: {None: (0, None)}}
        for number in filter(leads.__getitem__, range(bisect_left(away, steps))):
            for name, to in self.successors(number):
                if leads[to] and away[to] == away[number] + 1:
                    switches, last = min(((switches + (last not in (name, None)), last) for last, (switches, _) in best[number].items()),
                                         key=lambda came: (came[0], self._place(came[1])))
                    here = best.setdefault(to, {})
                    if name not in here or switches < here[name][0]:
                        here[name] = switches, (number, last)
        _, number, name = min((switches, number, name) for number in bad if leads[number]
                              for name, (switches, _) in best[number].items())
        way = []
        while name is not None:
            way.append(name)
            number, name = best[number][name][1]
        return way[::-1]

    def _place(self, name: str | None) -> int:
        return -1 if name is None else self.names.index(name)
