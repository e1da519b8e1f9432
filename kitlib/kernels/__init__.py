"""Kernels: one whole module each, so that the diff of two modules is the patch between them.

Two functions make a kernel: isolate_folio(), which is isolate_migratepages_block() from PageLRU() to
folio_test_clear_lru(), and move_to_new_folio(). What they have in common stands in each, as in the C.
before, racy and after are the history of the patch; cached, after_unlock, no_null_check and blocking are one
mistake each. They know nothing of who runs when.
"""
import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType

from . import after

__all__ = ["after", "after_unlock", "before", "blocking", "cached", "check_kernel", "diff", "labels",
           "made_of", "name", "no_null_check", "racy"]

# What a kernel may be made of. The modules here have the first two; a kernel may have a truncation of its own.
_FUNCTIONS = "isolate_folio", "move_to_new_folio", "truncate_inode_partial_folio"


def check_kernel(kernel: ModuleType) -> ModuleType:
    """`kernel`, or a TypeError that says what to write."""
    if not callable(getattr(kernel, "isolate_folio", None)):
        shown = repr(kernel) if isinstance(kernel, str) else f"of type {type(kernel).__name__}"
        raise TypeError(f"unknown kernel {shown}: write a module such as kl.before, kl.racy or kl.after")
    return kernel


def name(kernel: ModuleType) -> str:
    """The kernel's short name: "before", "racy", "after", ..."""
    return kernel.__name__.rpartition(".")[2]


def made_of(called: str, **functions: Callable) -> ModuleType:
    """A kernel made of a learner's functions, where a module would be too much; the rest is `after`'s.

    TypeError for a name that no kernel asks for: `after` would be proved in its stead.
    """
    if unknown := [name for name in functions if name not in _FUNCTIONS]:
        *others, last = _FUNCTIONS
        raise TypeError(f"a kernel has no function {unknown[0]!r}: write {', '.join(others)} or {last}")
    kernel = ModuleType(called, f"The kernel of {', '.join(f'{name}()' for name in functions)}.")
    usual = {"isolate_folio": after.isolate_folio, "move_to_new_folio": after.move_to_new_folio}
    vars(kernel).update(usual | functions)
    return check_kernel(kernel)


def diff(old: ModuleType, new: ModuleType, context: int = 2) -> list[str]:
    """The hunks between two kernels' decisions, as unified diffs, without docstrings, which name commits."""
    hunks: list[str] = []
    for function in ("isolate_folio", "move_to_new_folio"):
        before, now = (_body(getattr(kernel, function)) for kernel in (old, new))
        lines = list(difflib.unified_diff(before, now, n=context, lineterm=""))
        for line in lines[2:]:              # after the names of the two files
            if line.startswith("@@"):
                hunks.append(f"@@ {function}() @@")
            else:
                hunks[-1] += "\n" + line
    return hunks


def _body(function: Callable) -> list[str]:
    source = inspect.getsource(function)
    lines = source.splitlines()
    if function.__doc__:
        definition, = ast.parse(textwrap.dedent(source)).body
        assert isinstance(definition, ast.FunctionDef)
        docstring = definition.body[0]
        del lines[docstring.lineno - 1:docstring.end_lineno]
    return lines
