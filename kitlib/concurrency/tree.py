"""The decision tree of a path: every answer that its steps can give, followed to the end.

A path learns through `yield` alone, so the same answers always have the same future: the tree is made by
running the path once for every list of answers. Equal subtrees are one node, and a question whose answer
changes nothing is left out. It is the flow chart that a learner sees and what scan.py makes its table of.
Steps are asked for and never done, so no zone is needed; answers are independent, although on a real page
some exclude each other.
"""
import functools
import inspect
from collections.abc import Callable, Iterable
from enum import Enum
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from ..step import Path, Step, ask
from .sched import Event, StepLimit, path_name

Folded = TypeVar("Folded")


class StandIn:
    """Some object of a type, where only being there counts."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self):
        return self.name


class Leaf(NamedTuple):
    """The end of a path: what it returned."""

    result: object


class Node(NamedTuple):
    """A step whose answer matters, and where each answer leads."""

    step: str                                   # the primitive's name
    on: str                                     # what it is done to
    branches: tuple[tuple[str, "Node | Leaf"], ...]     # (answer, what follows)

    def __str__(self):
        return f"{self.step}({self.on})"


Tree = Node | Leaf
# A path that learns little and goes on long has too many futures to follow: say so rather than run for hours.
LEAF_LIMIT = 20_000
DEPTH_LIMIT = 200


def answer_name(answer: object) -> str:
    """How an answer is written: yes, no, NULL, mapping, a return code."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return "NULL" if answer is None else str(answer)


@functools.cache
def _kinds(act: Callable) -> tuple[type, ...]:
    annotation = get_type_hints(act).get("return", object)
    return get_args(annotation) or (annotation,)


def domain(step: Step, objects: Callable[[type], list]) -> list[object]:
    """Every answer that the step can give, by its primitive's return annotation; of a type `objects(kind)`.

    A proof covers what is listed here and no more: an annotation that leaves out an answer leaves out
    schedules.
    """
    answers: list[object] = []
    for kind in _kinds(step.primitive.act):
        if kind is bool:
            answers += [False, True]
        elif kind is NoneType:
            answers.append(None)
        elif kind is object:
            raise TypeError(f"what can {step.name}() answer? "
                            "Write its return annotation: -> bool, -> None or a type")
        elif issubclass(kind, Enum):
            answers += kind
        else:
            answers += objects(kind)
    return answers


def fold(start: Callable[[], Path], domain: Callable[[Step], list[object]], leaf: Callable[[Any], Folded],
         node: Callable[[Step, list[tuple[object, Folded]]], Folded],
         failed: Callable[[Exception], Folded] | None = None) -> Folded:
    """Every run of a path, whatever its steps answer, from the endings to the beginning.

    An ending is leaf(returned), what is before it node(step, [(answer, child), ...]). `start` starts the
    path, again and again, so it must do the same each time. failed(error) stands where the path raises an
    error, which without it is raised on. StepLimit for a path that goes on for more than DEPTH_LIMIT steps,
    RuntimeError when it has more than LEAF_LIMIT endings.
    """
    leaves = 0

    def after(running: Path, heard: tuple, *told: object) -> Folded:
        """What follows when `running`, which has heard `heard`, is told one answer more (none: it begins)."""
        nonlocal leaves
        try:
            step = ask(running, *told)
        except StopIteration as end:
            leaves += 1
            if leaves > LEAF_LIMIT:
                raise RuntimeError(f"{path_name(running)}() has more than {LEAF_LIMIT:,} endings: "
                                   "unfold a smaller path") from None
            return leaf(end.value)
        except Exception as error:
            if failed is None:
                raise
            return failed(error)
        heard += told
        if len(heard) > DEPTH_LIMIT:
            raise StepLimit(f"{path_name(running)}() goes on after {DEPTH_LIMIT} steps: "
                            "look for a loop that never leaves")
        children: list[tuple[object, Folded]] = []
        for answer in domain(step):
            # A generator cannot be copied. The first answer goes to the path that has come here, each other
            # one to a new path that is brought here: each ending costs one run.
            children.append((answer, after(_replayed(start, heard) if children else running, heard, answer)))
        return node(step, children)

    return after(start(), ())


def _replayed(start: Callable[[], Path], heard: tuple) -> Path:
    """A new path that has heard all of this. Its steps are none that ask() has not looked at before."""
    running = start()
    next(running)
    for answer in heard:
        running.send(answer)
    return running


def unfold(path: Callable[..., Path], **known: object) -> Tree:
    """The decision tree of a path function; parameters that are not `known` become stand-ins.

    `unfold(kl.after.isolate_folio, mode=kl.Mode())`. Errors are those of `fold`.
    """
    parameters = inspect.signature(path).parameters
    arguments = {name: known[name] if name in known else StandIn(name) for name in parameters}
    unknown = set(known) - set(parameters)
    if unknown:
        raise TypeError(f"{path.__name__}() has no parameter {', '.join(sorted(unknown))}: "
                        f"write {', '.join(parameters)}")
    # Children are made before their parents, and only once. So trees are equal when they are the same object,
    # and `made`, which keeps every one of them alive, may know them by id().
    stand_ins: dict[type, StandIn] = {}
    made: dict[tuple, Tree] = {}

    def some(kind: type) -> list[StandIn]:
        name = "mapping" if kind.__name__ == "AddressSpace" else kind.__name__
        return [stand_ins.setdefault(kind, StandIn(name))]

    def leaf(returned: object) -> Tree:
        return made.setdefault(("leaf", returned), Leaf(returned))

    def node(step: Step, children: list[tuple[object, Tree]]) -> Tree:
        branches = tuple((answer_name(answer), child) for answer, child in children)
        if all(child is branches[0][1] for _, child in branches):
            return branches[0][1]
        key = (step.name, step.on, *((answer, id(child)) for answer, child in branches))
        return made.setdefault(key, Node(step.name, step.on, branches))

    return fold(lambda: path(**arguments), lambda step: domain(step, some), leaf, node)


def nodes(tree: Tree) -> list[Tree]:
    """Every node and leaf once, as `text` numbers them: a node before what follows, short branches first."""
    found: dict[int, Tree] = {}

    def visit(node: Tree) -> None:
        if id(node) not in found:
            found[id(node)] = node
            for _, child in ordered(node):
                visit(child)

    visit(tree)
    return list(found.values())


def ordered(node: Tree) -> list[tuple[str, Tree]]:
    """The branches of a node, leaves first and the longest last; none of a leaf."""
    return sorted(node.branches, key=lambda branch: height(branch[1])) if isinstance(node, Node) else []


def height(node: Tree) -> int:
    """The most questions on a way from here to a leaf."""
    return 1 + max(height(child) for _, child in node.branches) if isinstance(node, Node) else 0


def taken(tree: Tree, trace: Iterable[Event]) -> list[tuple[Tree, str]]:
    """The branches that a run took: (node, answer) from the root to the leaf, whose answer is ""."""
    way: list[tuple[Tree, str]] = []
    for event in trace:
        # What is not asked here was done for its effect, or its answer changes nothing: it is no node of the
        # tree.
        if isinstance(tree, Node) and tree.step == event.step:
            answer = _branch(tree, event.result)
            way.append((tree, answer))
            tree = dict(tree.branches)[answer]
    return [*way, (tree, "")]


def _branch(node: Node, result: object) -> str:
    """The branch of an answer. An object that is not called as its stand-in takes the stand-in's branch."""
    names = [answer for answer, _ in node.branches]
    name = answer_name(result)
    return name if name in names else next(answer for answer in names if answer != "NULL")


def text(tree: Tree, lit: Iterable[tuple[Tree, str]] = ()) -> str:
    """The tree as numbered questions; > marks the branches in `lit` (from `taken`).

    The longest goes on below.
    """
    questions = [node for node in nodes(tree) if isinstance(node, Node)]
    numbers = {id(node): number for number, node in enumerate(questions, 1)}
    way = {(id(node), answer) for node, answer in lit}
    lines: list[str] = []
    written: set[int] = set()

    def write(node: Node, indent: str) -> None:
        written.add(id(node))
        lines.append(f"  {indent}{numbers[id(node)]:>2} {node}")
        *short, (last, child) = ordered(node)
        for answer, branch in (*short, (last, child)):
            mark = ">" if (id(node), answer) in way else " "
            goes = leaf_text(branch) if isinstance(branch, Leaf) else f"{numbers[id(branch)]}"
            lines.append(f"{mark} {indent}     {answer:>7} -> {goes}")
            if branch is not child and isinstance(branch, Node) and id(branch) not in written:
                write(branch, indent + "        ")
        if isinstance(child, Node) and id(child) not in written:
            write(child, indent)

    if isinstance(tree, Leaf):
        return leaf_text(tree)
    write(tree, "")
    return "\n".join(lines)


def leaf_text(leaf: Leaf) -> str:
    """What stands at a leaf: the reason, or that the folio is isolated; another path's result as it is."""
    why = getattr(leaf.result, "why", None)
    return str(leaf.result) if why is None else why or "isolated"
