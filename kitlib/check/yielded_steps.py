"""Whether a learner's function is a path, which steps it can ask for, and that each of them is yielded."""
import ast
import inspect
import textwrap
from collections.abc import Callable

from .. import races
from ..concurrency.automaton import automaton
from ..concurrency.tree import StandIn
from ..kernels import labels
from ..mm import filemap, folio, mapping, migrate, truncate
from ..mm.folio import Folio
from ..mm.mapping import AddressSpace
from ..mm.verdict import MODES
from ..scenarios import one_folio
from .report import Finding, Report, attempt, claim, shown, unsolved

PRIMITIVES = {name for module in (folio, mapping, filemap, races) for name, value in vars(module).items()
              if hasattr(value, "act")}
SUB_PATHS = {name for module in (labels, truncate, migrate, races) for name, value in vars(module).items()
             if inspect.isgeneratorfunction(value)}
# What other CPUs may change: it is asked for by a step. The pfn never changes.
SHARED = ({name for name, value in vars(Folio).items() if isinstance(value, property)}
          | set(AddressSpace.__slots__) - {"name"})
LOCKS = {"folio_trylock", "folio_lock"}


def steps_not_yielded(path: Callable | str) -> list[str]:
    """Where a path makes a step without `yield`, calls a path without `yield from`, or reads shared state.

    `path` is a function or its source. One line a finding, with the line to write; none for a path in order.
    """
    source = path if isinstance(path, str) else inspect.getsource(path)
    tree = ast.parse(textwrap.dedent(source))
    yielded = {id(node.value): type(node) for node in ast.walk(tree)
               if isinstance(node, ast.Yield | ast.YieldFrom)}
    findings = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in PRIMITIVES and yielded.get(id(node)) is not ast.Yield:
                what = f"write `yield {name}(...)`: a step that is not yielded is never done"
                findings.append((node.lineno, what))
            if name in SUB_PATHS and yielded.get(id(node)) is not ast.YieldFrom:
                findings.append((node.lineno, f"write `yield from {name}(...)`: it is a path of its own"))
        elif (isinstance(node, ast.Attribute) and node.attr in SHARED
              and isinstance(node.value, ast.Name) and node.value.id != "mode"):
            findings.append((node.lineno, _past_the_scheduler(node.value.id, node.attr)))
    return [f"line {line}: {what}" for line, what in sorted(findings)]


def _past_the_scheduler(name: object, attribute: str) -> str:
    return f"{name}.{attribute} is read past the scheduler: ask for it with a step"


def every_step_is_yielded(path: Callable, *arguments) -> Finding:
    """The same as a finding; with `arguments`, in which a StandIn is the folio, also what a helper reads.

    A function without a source (it came by exec) is let pass by its text: whoever runs it finds out.
    """
    try:
        lines = steps_not_yielded(path)
    except (OSError, TypeError, SyntaxError):       # of a lambda its source may be a piece of a line
        lines = []
    if arguments and not lines:
        states, _ = attempt(automaton, lambda: path(*arguments), (one_folio("file, dirty").mapping,))
        errors = [state.error for state in states or [] if isinstance(state.error, AttributeError)]
        lines = [_past_the_scheduler(error.obj, error.name) for error in errors
                 if isinstance(error.obj, StandIn) and error.name in SHARED]
    return Finding("every step is yielded", "; ".join(lines) or "yes", "yes",
                   "a path asks for a step and is told the answer:\nanswer = yield step(...)")


def not_a_path(function: object, *arguments, unbegun: str) -> Report | None:
    """The report on what is no path when it is called, None on a path.

    `unbegun` says what to write where nothing is returned.
    """
    returned, failed = attempt(function, *arguments) if callable(function) else (None, None)
    if failed:
        return Report([failed])
    if returned is None:
        return unsolved(unbegun)
    if inspect.isgenerator(returned):
        return None
    at_once = shown(returned) or "an empty text"
    return Report([Finding("your function is a path", f"it returns {at_once} at once", "yes",
                           "write `yield` before each step, as mapping = yield folio_mapping(folio)")])


def step_names(isolate_folio: Callable) -> set[str]:
    """The steps that a learner's isolate_folio(folio, mode) can ask for, whatever it is answered.

    None for what is no path.
    """
    asked = one_folio("file, dirty")
    threads = [automaton(lambda mode=mode: isolate_folio(asked, mode), (asked.mapping,)) for mode in MODES]
    return {state.step.name for states in threads for state in states if state.step is not None}


def the_lock_is_tried(steps: set[str]) -> Finding:
    """By the steps of a learner's isolate_folio(): it must not sleep on a folio lock."""
    hint = ("the scanner may hold a spinlock, and its task may hold this very folio locked:\n"
            "write folio_trylock()")
    return claim("the lock is tried, never slept on", "folio_lock" not in steps, hint, "it is slept on")
