"""One kernel's look at one folio, and two of them compared: what the folio lab shows.

The kernel's own path is run on the folio, and the zone is put back: looking changes nothing.
"""
from collections.abc import Callable
from html import escape
from types import CodeType, ModuleType
from typing import NamedTuple

from .. import frames
from ..concurrency import tree
from ..concurrency.sched import Event, Machine, run
from ..mm.folio import Folio
from ..mm.verdict import Mode, Verdict
from ..step import Path
from .box import status_html
from .source import source

_LABELS = {"isolate_success": "goto isolate_success: it is off its LRU list, "
                              "and the scanner holds one reference",
           "isolate_fail": "goto isolate_fail: no reference was taken",
           "isolate_fail_put": "goto isolate_fail_put: the reference is dropped first"}


class Decided(NamedTuple):
    """One kernel's run over the folio: how it ended, every step, its line in `code`, and any error."""

    verdict: Verdict
    trace: list[Event]
    code: CodeType
    lines: list[int]
    error: Exception | None = None

    @property
    def ending(self) -> str:
        """"isolated", or why not."""
        return "isolated" if self.verdict.isolated else self.verdict.why

    @property
    def answers(self) -> dict[int, str]:
        """What was answered at each line that asked, and the ending at the line that says it."""
        answers: dict[int, list[str]] = {line: [] for line in self.lines}
        for line, event in zip(self.lines, self.trace, strict=False):   # a step that raised has no event
            answers[line] += filter(None, [frames.result_text(event)])
        if end := self._end:
            answers.setdefault(end, []).append(self.ending)
        return {line: ", ".join(words) for line, words in answers.items()}

    @property
    def _end(self) -> int | None:
        """The line that returns this verdict, if it is written out."""
        call, why = f"{self.verdict.label}(", f'"{self.verdict.why}"' if self.verdict.why else ""
        lines = enumerate(source(self.code), 1)
        return next((number for number, line in lines if call in line and why in line), None)

    def answer(self, step: str) -> str:
        """What the step answered, or that it was not reached."""
        answers = (tree.answer_name(event.result) for event in self.trace if event.step == step)
        return next(answers, "not asked")


def decide(folio: Folio, kernel: ModuleType, mode: Mode) -> Decided:
    """Run a kernel's decision on the folio, and put the zone back."""
    begin, lines, machine = folio.zone.snapshot(), [], None
    code = kernel.isolate_folio.__code__
    path = {"compaction": lambda: _watched(lambda: kernel.isolate_folio(folio, mode), lines)}
    try:
        machine = Machine(folio.zone, path)
        return Decided(run(machine).results["compaction"], machine.trace, code, lines)
    except Exception as error:
        trace = machine.trace if machine else []
        return Decided(Verdict("no verdict", f"{type(error).__name__}: {error}"), trace, code, lines, error)
    finally:
        folio.zone.restore(begin)


def _watched(start: Callable[[], Path], lines: list[int]) -> Path:
    """The same path; at each of its steps the line at which it stands is noted."""
    lines.clear()
    path, answer = start(), None
    while True:
        try:
            step = path.send(answer)
        except StopIteration as end:
            return end.value
        lines.append(path.gi_frame.f_lineno - path.gi_code.co_firstlineno + 1)
        answer = yield step


def compared_rows(old: Decided, new: Decided) -> list[tuple[str, str, str]]:
    """What can differ between two kernels: (what, with the one, with the other)."""
    steps = ("folio_trylock", "mapping_unmovable")
    return [("goes to", old.verdict.label, new.verdict.label), ("outcome", old.ending, new.ending),
            *((f"{step}()", old.answer(step), new.answer(step)) for step in steps)]


def patch(old: Decided, new: Decided) -> str:
    """What the patch does to this folio, in words."""
    if old.verdict != new.verdict:
        return f'it changes the verdict, from "{old.ending}" to "{new.ending}"'
    steps = " and ".join(what for what, was, now in compared_rows(old, new) if was != now)
    return f"the verdict stays; the way there differs at {steps}" if steps else "it changes nothing here"


def result_html(kernel: str, seen: Decided) -> str:
    """The verdict, large; it is spoken when it changes."""
    if seen.verdict.isolated:
        colour, does = "kit-isolated", "isolates the folio"
    else:
        colour, does = "kit-passed", "comes to no end: " if seen.error else "passes over the folio: "
    return status_html(f"<big><b>{escape(kernel)}</b> {does}<b>{escape(seen.verdict.why)}</b></big><br>"
                       f"{_LABELS.get(seen.verdict.label, 'There is no verdict.')}", colour)
