"""What can be said about a learner's answer: one function per exercise, and the check that a path yields its steps.

Every check reports all its findings, not the first failure: what was tried, what came out, what to look at.
"""
import ast
import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import NamedTuple

from . import filemap, folio, mapping, races, truncate
from .folio import Folio
from .kernels import after, labels
from .mapping import AS_EIO, AS_UNEVICTABLE, AS_UNMOVABLE, FLAG_NAMES, AddressSpace, mapping_unevictable, set_bit
from .scenarios import shmem_aops, zone_of
from .sched import StepLimit, run_path
from .verdict import MigrateMode, Mode

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


ASKED_FOR = ("AS_EIO", "AS_UNEVICTABLE", "AS_UNMOVABLE")


class Finding(NamedTuple):
    """One thing that was tried: what it was, what came out, what was expected, and where to look if it differs."""

    tried: str
    came_out: str
    expected: str
    hint: str = ""

    @property
    def holds(self) -> bool:
        """Whether it came out as expected."""
        return self.came_out == self.expected


class Report:
    """What a check found, all of it; its text ends with how many findings hold."""

    def __init__(self, findings: list[Finding], unsolved: str = ""):
        self.findings = findings
        self.unsolved = unsolved

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return not self.unsolved and all(finding.holds for finding in self.findings)

    def __repr__(self):
        if self.unsolved:
            return f"Not solved yet: {self.unsolved}"
        lines = []
        for finding in self.findings:
            lines.append(f"{'holds ' if finding.holds else 'FAILS '} {finding.tried}: {finding.came_out}")
            if not finding.holds:
                lines += [f"       expected: {finding.expected}"] + [f"       look at:  {finding.hint}"] * bool(finding.hint)
        held = sum(finding.holds for finding in self.findings)
        return "\n".join([*lines, f"{held} of {len(self.findings)} hold{'.' if self.passed else ': not yet.'}"])


def limited(function: Callable, *arguments, lines: int = 100_000):
    """Call a learner's function; StepLimit when it has run that many lines, which it will when it never ends."""
    left = lines

    def count(frame, event, _):
        nonlocal left
        left -= 1
        if left < 0:
            raise StepLimit(f"{function.__name__}() ran {lines:,} lines without an end: look for a loop that never leaves")
        return count

    outer = sys.gettrace()
    sys.settrace(count)
    try:
        return function(*arguments)
    finally:
        sys.settrace(outer)


def set_the_flag(answer: Callable) -> Report:
    """Exercise "set the flag right": `answer(mapping)` must do what mapping_set_unmovable() does (0003e2a41468)."""
    tried = AddressSpace("your mapping", shmem_aops)
    set_bit(AS_EIO, tried)
    begin = tried.flags
    try:
        limited(answer, tried)
    except Exception as error:      # the learner's own mistake, told as such
        return Report([Finding("your function runs to its end", f"{type(error).__name__}: {error}", "no error",
                               "the error is raised in your function, or it goes on for ever")])
    if tried.flags == begin:
        return Report([], "your function leaves mapping.flags as it is")
    if not isinstance(tried.flags, int) or tried.freed:
        return Report([Finding("mapping.flags is a number", repr(tried.flags), "a number", "write mapping.flags |= 1 << AS_UNMOVABLE")])
    names = [FLAG_NAMES[bit] if bit < len(FLAG_NAMES) else f"bit {bit}" for bit in range(64) if tried.flags >> bit & 1]
    unevictable, unmovable = "AS_UNEVICTABLE" in names, "AS_UNMOVABLE" in names
    if unevictable and not unmovable:
        hint = "AS_UNMOVABLE is an index, not a mask: 8 is 1 << 3, so `flags |= AS_UNMOVABLE` sets AS_UNEVICTABLE"
    elif unmovable:
        hint = "after.isolate_folio() locks a clean folio, and reads its mapping, only when the folio is unevictable"
    else:
        hint = "write set_bit(AS_UNMOVABLE, mapping) or mapping.flags |= 1 << AS_UNMOVABLE"
    return Report([
        Finding("AS_UNMOVABLE is set", _yes(unmovable), "yes", hint),
        Finding("AS_UNEVICTABLE is set", _yes(unevictable), "yes", hint),
        Finding("AS_EIO, set before, is still set", _yes("AS_EIO" in names), "yes", "add to the flags with |=; = throws the others away"),
        Finding("no other flag is set", ", ".join(name for name in names if name not in ASKED_FOR) or "none", "none",
                "a flag's bit is 1 << flag; a sum or a product of flags is another flag"),
        Finding("a clean folio of the mapping, as compaction sees it", _fate(tried)[0], "mapping is unmovable", hint),
    ])


def why_both(predictions: dict[str, str]) -> Report:
    """Exercise "why both bits?": what becomes of a clean folio whose mapping has one flag, the other, or both.

    `predictions` maps "AS_UNEVICTABLE alone", "AS_UNMOVABLE alone" and "both" to "moved", "isolated in vain" or "left alone".
    """
    hints = {
        "AS_UNEVICTABLE alone": "unevictable is about reclaim: ramfs and mlocked pages are unevictable, and they migrate",
        "AS_UNMOVABLE alone": "nobody locks a clean evictable folio, so nobody reads the flag until move_to_new_folio() does",
        "both": "PG_unevictable makes the scanner take the lock, and under it the scanner reads AS_UNMOVABLE",
    }
    if not isinstance(predictions, dict) or all(predictions.get(case, ...) is ... for case in hints):
        return Report([], "write your predictions in place of the dots")
    findings = []
    for case, hint in hints.items():
        mapping_of_case = AddressSpace(case, shmem_aops)
        for flag in (AS_UNEVICTABLE, AS_UNMOVABLE):
            if case in ("both", f"{FLAG_NAMES[flag]} alone"):
                set_bit(flag, mapping_of_case)
        findings.append(Finding(f"your prediction for {case}", str(predictions.get(case)), _fate(mapping_of_case)[1], hint))
    return Report(findings)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _fate(owner: AddressSpace) -> tuple[str, str]:
    """What the scanner says of a clean folio of this mapping, and what becomes of it: moved, isolated in vain, left alone."""
    zone = zone_of("file, clean", "slab")
    src = zone.folio(0)
    src.mapping, src.unevictable = owner, mapping_unevictable(owner)      # lru_add() puts it on its list
    verdict = run_path(after.isolate_folio(src, Mode()))
    if not verdict.isolated:
        return verdict.why, "left alone"
    result = run_path(after.move_to_new_folio(zone.folio(1), src, MigrateMode.SYNC))
    return "isolated", "isolated in vain" if result else "moved"
