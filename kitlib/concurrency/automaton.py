"""A thread as an automaton: its path unfolded over every answer that its steps can give, with equal futures merged.

Unlike the decision tree (tree.py) every step stays, whatever it answers: others may run before it. Merging is sound for any
deterministic generator that learns through `yield` alone. Knows nothing of memory.
"""
from collections.abc import Callable

from ..step import Path, Step
from .sched import StepLimit
from .tree import domain, fold


class Chain:
    """Paths one after the other, as one path: `second(returned)` starts when `first()` has returned, and knows no more of it.

    Whoever looks at all runs of a path may forget what led to what was returned: that keeps long paths small.
    """

    def __init__(self, first: Callable[[], Path], *then: Callable[[object], Path]):
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


class State:
    """Where a thread can be: the step that it asks for next, and by its answer where it goes on. END has no step."""

    __slots__ = ("step", "branches", "number", "error")

    def __init__(self, step: Step | None, branches: dict[object, "State"], error: Exception | None = None):
        self.step = step
        self.branches = branches
        self.number = 0                 # its place in the thread's list of nodes, where END is 0
        self.error = error              # the path's own code raised it here: no bug of the kernel's, and no race

    def __repr__(self):
        if self.error:
            return f"raises {self.error!r}"
        return "end" if self.step is None else repr(self.step)


def automaton(start: Callable[[], Path], objects: tuple = ()) -> list[State]:
    """The nodes of a thread, END first and where it starts second; each with its number. `start` starts the path.

    `objects` are what its steps can answer besides truth values, numbers of an enum and NULL; a step also answers what it
    is done to. Errors are those of tree.fold.
    """
    end, made = State(None, {}), {}

    def answers(step: Step) -> list[object]:
        return domain(step, lambda kind: [one for one in dict.fromkeys((*step.args, *objects)) if isinstance(one, kind)])

    def node(step: Step, children: list[tuple[object, State]]) -> State:
        key = (step.primitive, step.args, *((answer, id(child)) for answer, child in children))
        return made.setdefault(key, State(step, dict(children)))

    def grow(start: Callable[[], Path], then: Callable[[object], State]) -> State:
        """The automaton of a path that goes on, by what it returns, with `then`."""
        if isinstance(start, Chain):
            return grow(start.first, _in_turn(start.then, then))
        if isinstance(start, RepeatUntil):
            again = State(None, {})
            body = grow(start.part, lambda returned: then(returned) if returned else again)
            if body is again:
                raise StepLimit("a loop without a step never leaves: write `yield` in the path that is to be repeated")
            again.step, again.branches, again.error = body.step, body.branches, body.error
            return again
        return fold(start, answers, then, node, lambda error: State(None, {}, error))

    def _in_turn(parts: tuple, then: Callable[[object], State]) -> Callable[[object], State]:
        if not parts:
            return then
        part, following, grown = parts[0], _in_turn(parts[1:], then), {}

        def follow(returned: object) -> State:
            if returned not in grown:
                grown[returned] = grow(lambda: part(returned), following)
            return grown[returned]

        return follow

    return _numbered(grow(start, lambda returned: end), end)


def _numbered(first: State, end: State) -> list[State]:
    found = [end]
    waiting = [first]
    while waiting:
        node = waiting.pop()
        if not node.number and node is not end:
            node.number = len(found)
            found.append(node)
            waiting += reversed(node.branches.values())
    return found
