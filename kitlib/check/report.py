"""What a check says: everything that was tried, not the first failure, and where to look; more with each try.

And how a learner's code is run.

Learners' code runs with a limit. It is left without one where it waits inside a C function, or swallows
every exception that there is: then the notebook's own interrupt, or the marker's time limit, must end it.
Answers may be anything at all: what is asked of them here raises no error.
"""
import linecache
import math
import sys
import traceback
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..concurrency.sched import StepLimit

KIT = str(Path(__file__).parent.parent)
INSTRUCTIONS = 2_000_000           # of Python's: some tenths of a second
_SHOWN = 400                        # characters of an answer
NO_ANSWER = "no answer"
TOLD_IN_FULL = 3                    # the try at which all is told


class Finding(NamedTuple):
    """One thing that was tried, what came out, what was expected, and where to look if it differs.

    `hint` has a line for each try: the second try says two of them. `is_answer`: what is expected is what was
    asked for, and is never shown. `at_most`: the share of the points that all else earns while this does not
    hold.
    """

    tried: str
    came_out: str
    expected: str
    hint: str = ""
    is_answer: bool = False
    at_most: float = 1.0

    @property
    def holds(self) -> bool:
        """Whether it came out as expected."""
        return self.came_out == self.expected


class _Told(str):
    """A text that a notebook shows as it is, in lines."""

    __repr__ = str.__str__


class Report:
    """What a check found, all of it; its text ends with how many findings hold.

    `elsewhere` makes the text of the same questions about something else, with their answers. `guessed` is
    the share of the findings that a guesser gets, and earns nothing.
    """

    def __init__(self, findings: list[Finding], unsolved: str = "",
                 elsewhere: Callable[[], str] | None = None, guessed: float = 0.0):
        self.findings = findings
        self.unsolved = unsolved
        self.elsewhere = elsewhere
        self.guessed = guessed
        self.tries = 1              # which try it is, and what is nearly the answer: kitlib.check.tries says
        self.nearly = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return not self.unsolved and all(finding.holds for finding in self.findings)

    def points(self, of: float) -> float:
        """The share of findings that hold, as points, in halves, rounded down; none without the gate.

        As the last line of a cell it is what nbgrader notes.
        """
        if self.unsolved or not self.findings:
            return 0.0
        held = sum(finding.holds for finding in self.findings) / len(self.findings)
        earned = max(0.0, held - self.guessed) / (1 - self.guessed)
        gate = min((finding.at_most for finding in self.findings if not finding.holds), default=1.0)
        return min(math.floor(2 * of * earned + 1e-9), math.floor(2 * of * gate)) / 2

    def expected(self) -> str:
        """What was expected, finding by finding. What would be your answer is told of something else."""
        lines = [f"{finding.tried}: {finding.expected}" for finding in self.findings if not finding.is_answer]
        if any(finding.is_answer for finding in self.findings):
            hints = [f"{finding.tried}: {_grown(finding.hint)}" for finding in self.findings
                     if finding.is_answer and not finding.holds]
            lines += [self.elsewhere()] if self.elsewhere else hints
        return _Told("\n".join(lines))

    def __repr__(self):
        if self.unsolved:
            return f"Not solved yet: {self.unsolved}"
        lines = []
        for finding in self._shown():
            lines.append(f"{'holds ' if finding.holds else 'FAILS '} {finding.tried}: {finding.came_out}")
            lines += [] if finding.holds else self._help(finding)
        if not self.passed and self.tries < TOLD_IN_FULL:
            lines.append("The next try says more; report.expected() says what was expected.")
        elif not self.passed and self.nearly:
            lines.append(f"Nearly the answer: {self.nearly}.")
        held = sum(finding.holds for finding in self.findings)
        end = "." if self.passed else ": not yet."
        return "\n".join([*lines, f"{held} of {len(self.findings)} hold{end}"])

    def _shown(self) -> list[Finding]:
        """What is told one by one: of answers, while one is wrong, the first wrong one alone."""
        wrong = [finding for finding in self.findings if finding.is_answer and not finding.holds]
        return [finding for finding in self.findings
                if not wrong or not finding.is_answer or finding is wrong[0]]

    def _help(self, finding: Finding) -> list[str]:
        lines = []
        if finding.at_most < 1:
            share = f"at most {finding.at_most:.0%} of the points" if finding.at_most else "nothing"
            lines.append(f"       counts:   while this fails, all else earns {share}")
        if self.tries > 1 and not finding.is_answer:
            lines.append(f"       expected: {finding.expected}")
        if finding.hint:
            lines.append(f"       look at:  {_grown(finding.hint, self.tries)}")
        return lines


def _grown(hint: str, tries: int = TOLD_IN_FULL) -> str:
    """A hint as far as it is told at this try."""
    return " ".join(hint.split("\n")[:tries]).rstrip(":;,")


def unsolved(what: str) -> Report:
    """The report on an answer that was not begun: `what` says what to write."""
    return Report([], what)


def text_of(answer: object) -> str:
    """An answer as a report shows it, on one line, cut off where it is long.

    NO_ANSWER for dots, a whole number without its point.
    """
    if answer is None or answer is ...:
        return NO_ANSWER
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    return shown(answer) or NO_ANSWER


def shown(value: object) -> str:
    """str(value) on one line, whatever value is."""
    try:
        text = " ".join(str(value).split())
    except Exception:               # its own __str__, or more digits than Python writes
        return f"something that cannot be shown ({type(value).__name__})"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def begun(answer: object) -> bool:
    """Whether something was written in place of the dots, in a table or a list anywhere."""
    if isinstance(answer, Mapping | list | tuple | set):
        return any(map(begun, answer.values() if isinstance(answer, Mapping) else answer))
    if isinstance(answer, str):
        return bool(answer.strip())
    return answer is not None and answer is not ...


def by_name(answers: object, names: Iterable) -> dict:
    """What was answered to each name, dots where nothing was; an empty table while no answer is begun."""
    table = {name: answers.get(name, ...) for name in names} if isinstance(answers, Mapping) else {}
    return table if begun(table) else {}


def claim(tried: str, holds: bool, hint: str, otherwise: str = "no", at_most: float = 1.0) -> Finding:
    """The finding for a claim that should hold; `otherwise` is what comes out if it does not."""
    return Finding(tried, "yes" if holds else otherwise, "yes", hint, at_most=at_most)


def compared(tried: str, answer: object, expected: object, hint: str = "") -> Finding:
    """The finding for an answer in words or a whole number.

    Capitals and blanks do not matter, nor that a number is NumPy's.
    """
    words, right = text_of(answer), str(expected)
    return Finding(tried, right if words.casefold() == right.casefold() else words, right, hint, True)


class _Ended(BaseException):
    """Raised into a learner's code that goes on for too long; no `except Exception` of theirs swallows it."""


def limited(function: Callable, *arguments, limit: int = INSTRUCTIONS):
    """Call a learner's function; StepLimit when it has run `limit` of Python's instructions outside the kit.

    Then it will never end.
    """
    left = limit

    def count(frame, event, _):
        nonlocal left
        if frame.f_code.co_filename.startswith(KIT):
            return None
        frame.f_trace_opcodes = True        # a loop on one line of a generator has no line events
        left -= 1
        if left < 0:
            raise _Ended
        return count

    outer = sys.gettrace()
    sys.settrace(count)
    try:
        return function(*arguments)
    except _Ended:
        raise StepLimit(f"{limit:,} instructions have run, and there is no end: "
                        "look for a loop that never leaves") from None
    finally:
        sys.settrace(outer)


def attempt(function: Callable, *arguments, limit: int = INSTRUCTIONS) -> tuple[object, Finding | None]:
    """What a learner's function returns, and None; or None, and the finding of how and where it failed."""
    try:
        return limited(function, *arguments, limit=limit), None
    except KeyboardInterrupt:       # whoever sits in front of it, or the marker's time limit
        raise
    except BaseException as error:  # the learner's own mistake, told as such; exit() too
        return None, failure(error)


def failure(error: BaseException) -> Finding:
    """The finding for an error that a learner's code has raised, with the line in which it was."""
    cause = error.__cause__ or error
    frames = traceback.extract_tb(cause.__traceback__)
    where = [frame for frame in frames if not frame.filename.startswith(KIT)]
    line = linecache.getline(where[-1].filename, where[-1].lineno).strip() if where else ""
    if isinstance(cause, StepLimit):
        hint = "the loop goes on for ever: what should end it?"
    elif line:
        hint = f"the error is raised in line {where[-1].lineno} of its cell: {line}"
    else:
        hint = "the error is raised in your function"
    return Finding("your code runs to its end", f"{type(cause).__name__}: {shown(cause)}", "no error", hint)


class _Example(str):
    """A name from which an example is made: no name that can be written has its seed."""


EXAMPLES = [_Example(number) for number in range(12)]


def seed_of(learner: str) -> int:
    """A number made from a learner's name or number, the same on every machine.

    Capitals and outer blanks do not matter, nor whether an umlaut was typed as one character or as two.
    """
    if not isinstance(learner, str):
        raise TypeError(f'no learner {learner!r}: write your name or number in quotes, as learner = "Ada"')
    if isinstance(learner, _Example):
        return int(learner) + (1 << 32)
    return zlib.crc32(unicodedata.normalize("NFC", learner.strip().casefold()).encode())


def example(shown_before: Callable[[str], object], judged: Callable[[str], list[Finding]],
            learner: str) -> Callable[[], str]:
    """For a Report: what somebody else has to look at, and what is right there, by functions of a name.

    Of EXAMPLES the one whose answers are least like the learner's own: to copy them is of no use.
    """
    def text() -> str:
        own = [finding.expected for finding in judged(learner)]
        answers = {name: judged(name) for name in EXAMPLES}
        least = min(answers, key=lambda name: sum(
            right == finding.expected for right, finding in zip(own, answers[name])))
        lines = "\n".join(f"    {finding.tried}: {finding.expected}" for finding in answers[least])
        return f"An example, not yours:\n{shown_before(least)}\nand the answers to it:\n{lines}"

    return text
