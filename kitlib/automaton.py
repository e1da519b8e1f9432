"""A thread as an automaton: its path unfolded over every answer that its steps can give, with equal futures merged.

Unlike the decision tree (tree.py) every step stays, whatever it answers: others may run before it. Merging is sound for any
deterministic generator that learns through `yield` alone. Knows nothing of memory.
"""
from collections.abc import Callable

from .sched import InTurn, StepLimit, Until
from .step import Path, Step
from .tree import domain, fold


class Node:
    """Where a thread can be: the step that it asks for next, and by its answer where it goes on. END has no step."""

    __slots__ = ("step", "branches", "number", "error")

    def __init__(self, step: Step | None, branches: dict[object, "Node"], error: Exception | None = None):
        self.step = step
        self.branches = branches
        self.number = 0                 # its place in the thread's list of nodes, where END is 0
        self.error = error              # the path's own code raised it here: no bug of the kernel's, and no race

    def __repr__(self):
        if self.error:
            return f"raises {self.error!r}"
        return "end" if self.step is None else repr(self.step)


def automaton(start: Callable[[], Path], objects: tuple = ()) -> list[Node]:
    """The nodes of a thread, END first and where it starts second; each with its number. `start` starts the path.

    `objects` are what its steps can answer besides truth values, numbers of an enum and NULL; a step also answers what it
    is done to. Errors are those of tree.fold.
    """
    end, made = Node(None, {}), {}

    def answers(step: Step) -> list[object]:
        return domain(step, lambda kind: [one for one in dict.fromkeys((*step.args, *objects)) if isinstance(one, kind)])

    def node(step: Step, children: list[tuple[object, Node]]) -> Node:
        key = (step.primitive, step.args, *((answer, id(child)) for answer, child in children))
        return made.setdefault(key, Node(step, dict(children)))

    def grow(start: Callable[[], Path], then: Callable[[object], Node]) -> Node:
        """The automaton of a path that goes on, by what it returns, with `then`."""
        if isinstance(start, InTurn):
            return grow(start.first, _in_turn(start.then, then))
        if isinstance(start, Until):
            again = Node(None, {})
            body = grow(start.part, lambda returned: then(returned) if returned else again)
            if body is again:
                raise StepLimit("a loop without a step never leaves: write `yield` in the path that is to be repeated")
            again.step, again.branches, again.error = body.step, body.branches, body.error
            return again
        return fold(start, answers, then, node, lambda error: Node(None, {}, error))

    def _in_turn(parts: tuple, then: Callable[[object], Node]) -> Callable[[object], Node]:
        if not parts:
            return then
        part, following, grown = parts[0], _in_turn(parts[1:], then), {}

        def follow(returned: object) -> Node:
            if returned not in grown:
                grown[returned] = grow(lambda: part(returned), following)
            return grown[returned]

        return follow

    return _numbered(grow(start, lambda returned: end), end)


def _numbered(first: Node, end: Node) -> list[Node]:
    found = [end]
    waiting = [first]
    while waiting:
        node = waiting.pop()
        if not node.number and node is not end:
            node.number = len(found)
            found.append(node)
            waiting += reversed(node.branches.values())
    return found
