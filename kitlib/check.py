"""What can be said about a learner's answer: one function per exercise, and the check that a path yields its steps.

Every check reports all its findings, not the first failure: what was tried, what came out, what to look at.
"""
import ast
import inspect
import textwrap
from collections.abc import Callable

from . import folio, mapping
from .folio import Folio
from .kernels import labels
from .mapping import AddressSpace

PRIMITIVES = {name for module in (folio, mapping) for name, value in vars(module).items() if hasattr(value, "act")}
SUB_PATHS = {name for name, value in vars(labels).items() if inspect.isgeneratorfunction(value)}
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
