"""A step: one thing that a CPU does at once, asked for by a path and not yet done.

A path is a generator that yields steps and learns about shared memory through `yield` alone. Other CPUs may
run at a `yield` and nowhere else. This module knows nothing of memory or of scheduling: they meet here.
Leaves out weak memory ordering: steps are sequentially consistent.
"""
import functools
import itertools
from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any, Protocol, cast

_serial = itertools.count()             # numbers steps, and the moments in which a path is asked for one


class KernelBug(Exception):
    """The modelled kernel did what a kernel must never do: use after free, NULL dereference, deadlock, ..."""

    bug = "kernel bug"              # what sort of bug it is, in the words of proofs, tables and widgets


class UseAfterFree(KernelBug):
    """Memory was read after it had been freed."""

    bug = "use after free"


class AnotherInodeRead(KernelBug):
    """Freed memory was read after it had been given to somebody else: no crash, and a wrong answer."""

    bug = "another inode read"


class NullDereference(KernelBug):
    """A NULL pointer was followed."""

    bug = "null dereference"


class Deadlock(KernelBug):
    """A step waits for something that nobody is left to do."""

    bug = "deadlock"


class DoubleLock(KernelBug):
    """A lock was taken that is held already."""

    bug = "double lock"


class NotLocked(KernelBug):
    """A lock was released that nobody holds."""

    bug = "unlock without lock"


class Primitive(Protocol):
    """What `atomic` makes of a function: called, it gives a `Step` and does nothing."""

    __name__: str
    act: Callable[..., Any]             # what is done; its return annotation says what it can answer
    when: Callable[..., bool] | None    # whether it can be done now; None: at any time

    def __call__(self, *args: Any) -> "Step":
        """The step of doing it to `args`."""


class Step:
    """One atomic step, not yet done: a primitive and what it is applied to."""

    __slots__ = ("args", "primitive", "serial")

    def __init__(self, primitive: Primitive, args: tuple):
        self.primitive = primitive
        self.args = args
        self.serial = next(_serial)

    @property
    def name(self) -> str:
        """The kernel's name for what is done."""
        return self.primitive.__name__

    @property
    def on(self) -> str:
        """What it is done to."""
        return ", ".join(map(str, self.args))

    def ready(self) -> bool:
        """Whether the step can be done now; False means that the thread sleeps."""
        return self.primitive.when is None or self.primitive.when(*self.args)

    def do(self) -> Any:
        """Do it, and answer. Whoever drives the path does it once, and only while it is ready."""
        return self.primitive.act(*self.args)

    # Without this a forgotten `yield` would be true, always: `if folio_trylock(folio):`.
    def __bool__(self) -> bool:
        raise TypeError(f"a step is not a value: write `yield {self.name}(...)`")

    def __repr__(self) -> str:
        return f"{self.name}({self.on})"


# A path yields steps, is sent their answers and returns what it came to. Both are of many types, hence Any.
Path = Generator[Step, Any, Any]


def atomic(act: Callable | None = None, *, when: Callable | None = None) -> Callable:
    """Make a primitive: calling it gives a `Step`. `when` says whether that can be done now, or sleeps."""
    if act is None:
        return functools.partial(atomic, when=when)

    @functools.wraps(act)
    def primitive(*args: Any) -> Step:
        return Step(with_act, args)

    with_act = cast(Primitive, primitive)
    with_act.act = act
    with_act.when = when
    return with_act


def ask(path: Path, answer: object = None) -> Step:
    """The step that `path` wants done next, once it has heard `answer`. StopIteration when the path ends.

    Raises TypeError, with the line to write, for whatever is no path of single steps.
    """
    if not isinstance(path, GeneratorType):
        raise TypeError(f"not a path but {path!r}: a path is a generator, called: write `yield` before each "
                        "step in it, and hand on the call, as in run_path(isolate_folio(folio, mode))")
    # Nobody else makes steps while the path runs. So the step that it yields has the next number, unless it
    # made another one before and forgot to yield it.
    number = next(_serial)
    try:
        step = path.send(answer)
    except StopIteration as end:
        if isinstance(end.value, Step):
            raise TypeError(f"a step was returned: write `return (yield {end.value.name}(...))`") from None
        if isinstance(end.value, GeneratorType):
            raise TypeError(
                f"a path was returned: write `return (yield from {end.value.__name__}(...))`") from None
        if next(_serial) != number + 1:
            raise TypeError(f"a step was made and never done, at the end of {path.__name__}(): "
                            "write `yield` before it") from None
        raise
    if isinstance(step, GeneratorType):
        raise TypeError(f"a path was yielded: write `yield from {step.__name__}(...)`")
    if not isinstance(step, Step):
        raise TypeError(f"a path yields steps, not {step!r}: "
                        "write `yield folio_test_dirty(folio)` or the like")
    if step.serial != number + 1:
        raise TypeError(f"a step was made and never done, just before {step.name}(): "
                        "write `yield` before every step")
    return step
