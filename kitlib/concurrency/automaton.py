"""A thread as an automaton: its path unfolded over all answers that its steps can give, equal futures merged.

A *local state* is where one thread is: what it asks for next and how it goes on by the answer. (A global
state, of which graph.py has the numbers, is a local state for every thread, and the memory.) Unlike the
decision tree (tree.py) every step stays, whatever it answers: others may run before it. Merging is sound for
any deterministic generator that learns through `yield` alone. Knows nothing of memory.
"""
from collections.abc import Callable
from typing import Any

from ..step import Path, Step
from .sched import StepLimit
from .tree import domain, fold

HAS_ENDED = 0                       # the number of the local state of a thread that has ended


class Chain:
    """Paths one after the other, as one path: `second(returned)` starts when `first()` has returned.

    It knows no more than that. Whoever looks at all runs of a path may forget what led to what was returned:
    that keeps long paths small.
    """

    def __init__(self, first: Callable[[], Path], *then: Callable[[Any], Path]):
        self.first, self.then = first, then

    def __call__(self) -> Path:
        returned = yield from self.first()
        for part in self.then:
            returned = yield from part(returned)
        return returned


class RepeatUntil:
    """A path again and again until it returns something true, as one path: a loop that may have no end."""

    def __init__(self, part: Callable[[], Path]):
        self.part = part

    def __call__(self) -> Path:
        while not (returned := (yield from self.part())):
            pass
        return returned


class LocalState:
    """Where a thread can be: the step that it asks for next, and by its answer where it goes on.

    The end has no step.
    """

    __slots__ = ("step", "branches", "number", "error")

    def __init__(self, step: Step | None, branches: dict[object, "LocalState"],
                 error: Exception | None = None):
        self.step = step
        self.branches = branches
        self.number = HAS_ENDED         # its place in the thread's list of local states
        self.error = error              # what the path itself raises here, instead of asking for a step

    def __repr__(self):
        if self.error:
            return f"raises {self.error!r}"
        return "end" if self.step is None else repr(self.step)


def automaton(start: Callable[[], Path], objects: tuple = ()) -> list[LocalState]:
    """The local states of a thread by number: its end first, then where it starts, unless it does no step.

    `start` starts the path. `objects` are what its steps can answer besides truth values, numbers of an enum
    and NULL; a step also answers what it is done to. Errors are those of tree.fold.
    """
    end = LocalState(None, {})
    # Futures are made before what leads to them, and only once; so local states are equal, and one, when they
    # ask for the same step and go on to the same objects. `made` keeps all of them alive, so that it may know
    # them by id().
    made: dict[tuple, LocalState] = {}

    def answers(step: Step) -> list[object]:
        known = dict.fromkeys((*step.args, *objects))
        return domain(step, lambda kind: [one for one in known if isinstance(one, kind)])

    def state(step: Step, following: list[tuple[object, LocalState]]) -> LocalState:
        key = (step.primitive, step.args, *((answer, id(after)) for answer, after in following))
        return made.setdefault(key, LocalState(step, dict(following)))

    def grow(start: Callable[[], Path], then: Callable[[object], LocalState]) -> LocalState:
        """Where a path starts that goes on, by what it returns, with `then`."""
        if isinstance(start, Chain):
            return grow(start.first, _in_turn(start.then, then))
        if isinstance(start, RepeatUntil):
            # A loop comes back to where it starts, which is not known before its body is: a stand-in takes
            # its place.
            again = LocalState(None, {})
            body = grow(start.part, lambda returned: then(returned) if returned else again)
            if body is again:
                raise StepLimit("a loop without a step never leaves: "
                                "write `yield` in the path that is to be repeated")
            again.step, again.branches, again.error = body.step, body.branches, body.error
            return again
        return fold(start, answers, then, state, lambda error: LocalState(None, {}, error))

    def _in_turn(parts: tuple, then: Callable[[object], LocalState]) -> Callable[[object], LocalState]:
        """The paths one after the other, then `then`.

        What returned the same goes on from the same local state.
        """
        if not parts:
            return then
        part, following = parts[0], _in_turn(parts[1:], then)
        grown: dict[object, LocalState] = {}

        def follow(returned: object) -> LocalState:
            if returned not in grown:
                grown[returned] = grow(lambda: part(returned), following)
            return grown[returned]

        return follow

    return _numbered(grow(start, lambda returned: end), end)


def _numbered(start: LocalState, end: LocalState) -> list[LocalState]:
    """What can be reached, each with its number: depth first, as the path is read."""
    found = [end]
    waiting = [start]
    while waiting:
        state = waiting.pop()
        if state.number == HAS_ENDED and state is not end:      # it has no number yet
            state.number = len(found)
            found.append(state)
            waiting += reversed(state.branches.values())
    return found
