"""What can be said about a learner's path: that its steps are yielded, and what it decides on one CPU, folio by folio."""
import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from types import ModuleType

from .. import races
from ..concurrency.automaton import automaton
from ..concurrency.sched import run_path
from ..concurrency.tree import StandIn
from ..kernels import after, labels
from ..mm import filemap, folio, mapping, truncate
from ..mm.folio import Folio
from ..mm.mapping import AddressSpace
from ..mm.verdict import MODES, MigrateMode, Mode, Result, Verdict
from ..scenarios import one_folio, zone_of
from ..step import KernelBug
from .report import Finding, Report, attempt, shown, unsolved

PRIMITIVES = {name for module in (folio, mapping, filemap, races) for name, value in vars(module).items()
              if hasattr(value, "act")}
SUB_PATHS = {name for module in (labels, truncate, races) for name, value in vars(module).items()
             if inspect.isgeneratorfunction(value)}
# What other CPUs may change: it is asked for by a step. The pfn never changes.
SHARED = {name for name, value in vars(Folio).items() if isinstance(value, property)} | set(AddressSpace.__slots__) - {"name"}


def steps_not_yielded(path: Callable | str) -> list[str]:
    """Where a path makes a step without `yield`, calls a path without `yield from`, or reads shared state by itself.

    `path` is a function or its source. One line a finding, with the line to write; none for a path that is in order.
    """
    source = path if isinstance(path, str) else inspect.getsource(path)
    tree = ast.parse(textwrap.dedent(source))
    yielded = {id(node.value): type(node) for node in ast.walk(tree) if isinstance(node, ast.Yield | ast.YieldFrom)}
    findings = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in PRIMITIVES and yielded.get(id(node)) is not ast.Yield:
                findings.append((node.lineno, f"write `yield {name}(...)`: a step that is not yielded is never done"))
            if name in SUB_PATHS and yielded.get(id(node)) is not ast.YieldFrom:
                findings.append((node.lineno, f"write `yield from {name}(...)`: it is a path of its own"))
        elif isinstance(node, ast.Attribute) and node.attr in SHARED and isinstance(node.value, ast.Name) and node.value.id != "mode":
            findings.append((node.lineno, f"{node.value.id}.{node.attr} is read past the scheduler: ask for it with a step"))
    return [f"line {line}: {what}" for line, what in sorted(findings)]


def every_step_is_yielded(path: Callable, *arguments) -> Finding:
    """The same as a finding. With `arguments`, in which a StandIn is the folio, what a helper reads past the scheduler is found, too.

    A function without a source (it came by exec) is let pass by its text: whoever runs it finds out.
    """
    try:
        lines = steps_not_yielded(path)
    except (OSError, TypeError, SyntaxError):       # of a lambda its source may be a piece of a line
        lines = []
    if arguments and not lines:
        nodes, _ = attempt(automaton, lambda: path(*arguments), (one_folio("file, dirty").mapping,))
        lines = [f"{node.error.obj}.{node.error.name} is read past the scheduler: ask for it with a step" for node in nodes or []
                 if isinstance(node.error, AttributeError) and isinstance(node.error.obj, StandIn) and node.error.name in SHARED]
    return Finding("every step is yielded", "; ".join(lines) or "yes", "yes",
                   "a path asks for a step and is told the answer: answer = yield step(...)")


def not_a_path(function: object, *arguments, unbegun: str) -> Report | None:
    """The report on what is no path when it is called, None on a path; `unbegun` says what to write where nothing is returned."""
    made, failed = attempt(function, *arguments) if callable(function) else (None, None)
    if failed:
        return Report([failed])
    if made is None:
        return unsolved(unbegun)
    return None if inspect.isgenerator(made) else Report([Finding(
        "your function is a path", f"it returns {shown(made)} at once", "yes", "write `yield` before each step, as mapping = yield folio_mapping(folio)")])


def decision(kernel: ModuleType, kind: str, mode: Mode, *flipped: str) -> str:
    """What a kernel says of one folio on one CPU: "isolated", the reason, or the bug that it runs into.

    The folio is one_folio(kind, *flipped). Whatever else is wrong on one CPU comes after it: a lock or a reference that is kept.
    Other errors are raised on.
    """
    asked = one_folio(kind, *flipped)
    locked, references = asked.locked, asked.refcount
    try:
        verdict = run_path(kernel.isolate_folio(asked, mode))
    except KernelBug as bug:
        return f"{bug.bug}: {bug}"
    if not isinstance(verdict, Verdict):
        return f"{verdict!r} is returned, which is no verdict"
    told = verdict.why or "isolated"
    if asked.locked != locked:
        told += ", and its lock is kept"
    if asked.refcount != references + verdict.isolated:
        told += ", and a reference is kept" if asked.refcount > references else ", and a reference is missing"
    return told


@cache
def kernels_decision(kind: str, mode: Mode, *flipped: str) -> str:
    """The decision of the kernel with the patch, 0003e2a41468, which is asked once."""
    return decision(after, kind, mode, *flipped)


def compacted(kernel: ModuleType, owner: AddressSpace, mode: Mode = Mode()) -> tuple[str, Result | None, Folio]:
    """What becomes of a clean folio of a mapping: why it is left ("" if it is isolated), what migration says then, and its target."""
    zone = zone_of("file, clean", "slab")
    src, dst = zone.folio(0), zone.folio(1)
    src.mapping, src.unevictable = owner, mapping.mapping_unevictable(owner)      # lru_add() puts it on its list
    verdict = run_path(kernel.isolate_folio(src, mode))
    moved = run_path(kernel.move_to_new_folio(dst, src, MigrateMode.SYNC)) if verdict.isolated else None
    return verdict.why, moved, dst


def case_text(kind: str, mode: Mode, *flipped: str) -> str:
    """The folio and the mode of a decision, in words."""
    return f"{kind}" + f" (but {' and '.join(flipped)} flipped)" * bool(flipped) + f", {mode}"


def step_names(isolate_folio: Callable) -> set[str]:
    """The steps that a learner's isolate_folio(folio, mode) can ask for, whatever it is answered; none for what is no path."""
    asked = one_folio("file, dirty")
    return {node.step.name for mode in MODES
            for node in automaton(lambda: isolate_folio(asked, mode), (asked.mapping,)) if node.step is not None}
