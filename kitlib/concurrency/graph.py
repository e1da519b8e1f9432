"""The state graph of a scenario: every global state that its threads can reach, whoever goes first.

A *global state* is the local state of every thread (automaton.py) and what the memory looks like, packed into
one number; what a step does to a memory is taken from the real objects once (restore, do, snapshot) and
remembered. Nothing is approximated: states are merged only when they are equal. Knows nothing of memory.
"State" alone is a global state.
"""
from array import array
from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import Any, NoReturn

from ..step import Deadlock, KernelBug, Step
from .automaton import HAS_ENDED, LocalState, automaton
from .sched import Event, PropertyBroken, Scenario, schedule_text

# How a global state is packed, for threads 0 and 1:
#
#     memory << top | local state of 1 << shifts[1] | local state of 0 << shifts[0]
#
# A memory is an index into `memories`, where equal snapshots are one; a local state is an index into
# threads[thread]. A step changes one thread's field and the memory's, so it adds the same number (a move) to
# every state in which the thread is at that local state over that memory, wherever the others are: `moves`
# has that number, and None where the step cannot be done. That is why a step on a memory is done once, and
# why the search is additions and look-ups.
#
# `states` has them in the order of their discovery, breadth first; the index is what the rest of the house
# calls a state's number. The transitions from state n are first[n] to first[n + 1] in two columns: `into`,
# the number of the state that follows, and `by`, the thread. parent[n] is the state from which n was found,
# so the one before it on a shortest way.


class PathError(Exception):
    """A path's own code, or one of its steps, raised what is no kernel bug; the schedule to it is named."""


class Graph:
    """The states of a scenario: `states`, packed, in the order of their distance from the start, number 0."""

    def __init__(self, scenario: Scenario, limit: int):
        self.scenario, self.names = scenario, list(scenario.paths)
        self.threads = [automaton(start, scenario.objects) for start in scenario.paths.values()]
        self.shifts: list[int] = []
        self.top = 0
        for local_states in self.threads:
            self.shifts.append(self.top)
            self.top += len(local_states).bit_length()
        self.masks = [(1 << len(local_states).bit_length()) - 1 for local_states in self.threads]
        # By thread, local state and memory: what the step adds to the global state; None where it sleeps or
        # has ended.
        self.moves: list[list[dict[int, int | None]]] = [[{} for _ in states] for states in self.threads]
        # Snapshots by number; where a bug has just happened instead the bug and the number of the memory
        # before.
        self.memories: list[Hashable] = []
        self.bugs: dict[int, str] = {}              # the latter's bugs by their numbers: nobody goes on there
        self.shown: set[str] = set()                # properties of `sometimes` that some schedule shows
        self.complete = True                        # False: the limit was hit, and states were left out
        self._numbers: dict[Hashable, int] = {}     # of memories
        self._steps: dict[tuple, int] = {}          # of equal steps
        self._effects: dict[tuple, tuple[Any, int] | None] = {}
        # The objects are the scenario's own, which its owner may be in the middle of running: they are left
        # as they were.
        was = scenario.memory.snapshot()
        scenario.memory.restore(scenario.begin)
        try:
            self._search(limit)
        finally:
            scenario.memory.restore(was)

    def _search(self, limit: int) -> None:
        """Breadth first: the states at a distance of n steps come before those at n + 1."""
        self.first, self.into, self.by, self.parent = array("q"), array("i"), bytearray(), array("i", [0])
        # The memory that the objects have now; None: none that is known.
        self._now: int | None = self._memory(self.scenario.begin)
        # Where a thread starts has the number 1; one that does no step has ended.
        begin = sum(1 << shift for shift, local_states in zip(self.shifts, self.threads) if local_states[1:])
        self.states = [begin + (self._now << self.top)]
        for thread, local_states in enumerate(self.threads):
            if local_states[1:] and local_states[1].error:
                self._raise(local_states[1].error, self.names[thread], "")
        # This loop is where the time goes: what it uses has local names.
        states, into, by, parent = self.states, self.into, self.by, self.parent
        top, bugs = self.top, self.bugs
        numbers = {states[0]: 0}
        lanes = list(zip(range(len(self.threads)), self.shifts, self.masks, self.moves))
        for here, state in enumerate(states):       # the list grows meanwhile: it is the queue, too
            self.first.append(len(into))
            memory = state >> top
            if memory in bugs:
                continue
            for thread, shift, mask, moves in lanes:
                at = state >> shift & mask
                known = moves[at]
                if memory not in known:
                    known[memory] = self._move(thread, at, memory, here)
                move = known[memory]
                if move is not None:
                    number = numbers.setdefault(state + move, len(states))
                    if number == len(states):
                        states.append(state + move)
                        parent.append(here)
                    into.append(number)
                    by.append(thread)
            if len(states) > limit:
                self.complete = False
                break
        # Those that were not looked at any more go nowhere, and are no endings.
        self.expanded = len(self.first)
        self.first.extend([len(into)] * (len(states) + 1 - self.expanded))

    def _move(self, thread: int, at: int, memory: int, here: int) -> int | None:
        """What the step of a thread at a local state adds to a global one, such as number `here`."""
        local = self.threads[thread][at]
        if local.step is None:
            return None
        try:
            effect = self._effect(thread, local.step, memory)
        except Exception as error:
            self._raise_at(error, here, thread)
        if effect is None:
            return None
        answer, after = effect
        following = self.threads[thread][HAS_ENDED] if after in self.bugs else local.branches.get(answer)
        if following is None:
            unnamed = f"{local.step!r} answered {answer!r}, which its return annotation does not say"
            self._raise_at(TypeError(unnamed), here, thread)
        raised = following.error
        if raised:
            if not isinstance(raised, KernelBug):
                self._raise_at(raised, here, thread)
            # The path itself found the bug, as soon as it had the answer: this step is the last of the
            # schedule.
            following, after = self.threads[thread][HAS_ENDED], self._bug(raised, after)
        return (following.number - at << self.shifts[thread]) + (after - memory << self.top)

    def _effect(self, thread: int, step: Step, memory: int) -> tuple[Any, int] | None:
        """What the step answers and which memory it leaves; None where it sleeps.

        Equal steps of different threads have the same effect, as a step knows no thread. Properties are told
        who did it.
        """
        asked = self.scenario.always or self.scenario.sometimes
        equal = self._steps.setdefault((step.primitive, step.args), len(self._steps))
        key = equal, memory, thread if asked else None
        if key not in self._effects:
            if self._now != memory:
                self.scenario.memory.restore(self.memories[memory])
                self._now = memory
            self._effects[key] = self._do(step, thread, memory) if step.ready() else None
        return self._effects[key]

    def _do(self, step: Step, thread: int, memory: int) -> tuple[Any, int]:
        """Do the step to the real objects, which have that memory.

        What an error leaves of them is not known.
        """
        scenario, self._now = self.scenario, None
        try:
            answer = step.do()
            if scenario.always or scenario.sometimes:
                event = Event(0, self.names[thread], step.name, step.on, answer)
                shown = [name for name, shows in scenario.sometimes.items() if shows(scenario.memory, event)]
                self.shown.update(shown)
                for bug, holds in scenario.always.items():
                    if not holds(scenario.memory, event):
                        raise PropertyBroken(bug, repr(step))
        except KernelBug as error:
            return None, self._bug(error, memory)
        self._now = self._memory(scenario.memory.snapshot())
        return answer, self._now

    def _memory(self, snapshot: Hashable) -> int:
        number = self._numbers.setdefault(snapshot, len(self.memories))
        if number == len(self.memories):
            self.memories.append(snapshot)
        return number

    def _bug(self, error: KernelBug, memory: int) -> int:
        """A memory in which this bug has just happened: one for each sort of bug and memory before it."""
        number = self._memory((error.bug, memory))
        self.bugs[number] = error.bug
        return number

    def _raise_at(self, error: Exception, here: int, thread: int) -> NoReturn:
        schedule = [*self.schedule_to(here), self.names[thread]]
        self._raise(error, self.names[thread], schedule_text(schedule, self.names))

    @staticmethod
    def _raise(error: Exception, name: str, schedule: str) -> NoReturn:
        when = f"this schedule leads to it: {schedule}" if schedule else "it comes before the first step"
        raise PathError(f"{name} raised {type(error).__name__}: {error}. "
                        f"That is no race but an error in the path, and {when}") from error

    def steps(self, thread: int, local: LocalState) -> Iterator[tuple[int, int, int]]:
        """(memory, local state after, memory after) for each memory in which a thread goes on from one."""
        shift = self.shifts[thread]
        for memory, move in self.moves[thread][local.number].items():
            if move is not None:
                after = (memory << self.top) + (local.number << shift) + move
                yield memory, after >> shift & self.masks[thread], after >> self.top

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
        edges = range(self.first[number], self.first[number + 1])
        return ((self.names[self.by[edge]], self.into[edge]) for edge in edges)

    def local_states(self, number: int) -> list[LocalState]:
        """Where each thread is in a state."""
        return [local_states[self.states[number] >> shift & mask]
                for local_states, shift, mask in zip(self.threads, self.shifts, self.masks)]

    @cached_property
    def endings(self) -> dict[int, str | None]:
        """The states after which nothing happens: what bug they are, None where every thread has ended."""
        local, found = (1 << self.top) - 1, {}
        for number, state in enumerate(self.states[:self.expanded]):
            if self.first[number] == self.first[number + 1]:
                # HAS_ENDED is 0: the fields of the threads are 0 together when all have ended, and who has
                # not, sleeps.
                found[number] = self.bugs.get(state >> self.top, Deadlock.bug if state & local else None)
        return found

    @cached_property
    def order(self) -> list[int] | None:
        """The states so that every step leads to a later one; None where a schedule can come back to one."""
        # Kahn's algorithm: by state, how many steps lead to it from states that are not in order yet.
        waits = array("i", bytes(4 * len(self.states)))
        for to in self.into:
            waits[to] += 1
        order = [0] if not waits[0] else []
        for number in order:                        # the list grows meanwhile: it is the queue, too
            for to in self.into[self.first[number]:self.first[number + 1]]:
                waits[to] -= 1
                if not waits[to]:
                    order.append(to)
        return order if len(order) == len(self.states) else None

    @cached_property
    def distances(self) -> array:
        """By state: the fewest steps that lead to it. They never get less from one number to the next."""
        away = array("i", [0])
        for before in self.parent[1:]:
            away.append(away[before] + 1)
        return away
