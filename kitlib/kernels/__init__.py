"""Kernels: one whole module each, so that the diff of two modules is the patch between them."""
import difflib
import inspect
from collections.abc import Callable
from types import ModuleType

from . import after


def check_kernel(kernel: ModuleType) -> ModuleType:
    """`kernel`, or a TypeError that says what to write."""
    if not callable(getattr(kernel, "isolate_folio", None)):
        raise TypeError(f"unknown kernel {kernel!r}: write a module such as kl.before, kl.racy or kl.after")
    return kernel


def name(kernel: ModuleType) -> str:
    """The kernel's short name: "before", "racy", "after", ..."""
    return kernel.__name__.rpartition(".")[2]


def made_of(called: str, **functions: Callable) -> ModuleType:
    """A kernel made of a learner's functions, where a module of its own would be too much: what is missing is that of `after`."""
    kernel = ModuleType(called, f"The kernel of {', '.join(f'{name}()' for name in functions)}.")
    vars(kernel).update({"isolate_folio": after.isolate_folio, "move_to_new_folio": after.move_to_new_folio, **functions})
    return check_kernel(kernel)


def diff(old: ModuleType, new: ModuleType, context: int = 2) -> list[str]:
    """The hunks between two kernels' decisions, as unified diffs; docstrings, which only name the commit, are left out."""
    hunks = []
    for function in ("isolate_folio", "move_to_new_folio"):
        sources = [_body(getattr(kernel, function)) for kernel in (old, new)]
        lines = list(difflib.unified_diff(*sources, n=context, lineterm=""))[2:]
        for line in lines:
            if line.startswith("@@"):
                hunks.append(f"@@ {function}() @@")
            else:
                hunks[-1] += "\n" + line
    return hunks


def _body(function) -> list[str]:
    lines = inspect.getsource(function).splitlines()
    return [line for line in lines if not line.lstrip().startswith('"""')]
