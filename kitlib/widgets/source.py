"""A path's own source, with the line at which it stands: what a learner reads while stepping.

A suspended path knows its place: the chain of generators that wait for each other ends at the `yield` whose
step comes next. Lines are numbered within their function. Leaves out functions whose source nobody kept: of
those only the name is shown.
"""
import functools
import inspect
import re
import textwrap
from collections.abc import Mapping
from html import escape
from types import CodeType, FrameType, GeneratorType
from typing import NamedTuple

from ..step import Path

_POINTERS = {"next": "&gt;", "crash": "X", "asked": "&#9654;"}
_LEFT_OUT = "<tr><td></td><td></td><td>...</td></tr>"


class Place(NamedTuple):
    """Where a path stands: the function, its line from 1, how far the source is known, and who called it."""

    code: CodeType
    line: int
    callers: tuple[str, ...] = ()

    @property
    def function(self) -> str:
        """The function's name, as it is called."""
        return f"{self.code.co_name}()"

    @property
    def text(self) -> str:
        """The line itself; "" when its source is unknown."""
        lines = source(self.code)
        return lines[self.line - 1].strip() if self.line <= len(lines) else ""

    def __str__(self):
        return f"{self.function} line {self.line}: {self.text}"


@functools.cache
def source(code: CodeType) -> tuple[str, ...]:
    """The lines of a function; none when nobody kept them."""
    try:
        return tuple(textwrap.dedent(inspect.getsource(code)).splitlines())
    except (OSError, TypeError):
        return ()


def standing(path: Path) -> list[FrameType]:
    """The frames of a path that has not ended, from the outermost to the one whose `yield` comes next."""
    frames = []
    while path is not None and path.gi_frame is not None:
        frames.append(path.gi_frame)
        path = path.gi_yieldfrom or _driven(path.gi_frame)
    return frames


def _driven(frame: FrameType) -> Path | None:
    """The path that this one drives by send() instead of by `yield from`: it looks at each step on the way.

    Python keeps no link between the two. But whoever sends to a generator has it in a local variable, and a
    generator that has ended has no frame: so one with a frame is the one that is driven. With two of them it
    is the first; a path drives one at a time, and none of the kit's keeps another that is half done.
    """
    paths = (value for value in frame.f_locals.values() if isinstance(value, GeneratorType))
    return next((path for path in paths if path.gi_frame), None)


def place(path: Path) -> Place | None:
    """Where a path stands; None when it has ended."""
    frames = standing(path)
    if not frames:
        return None
    *callers, last = frames
    names = (str(Place(frame.f_code, _line(frame))) for frame in callers if not _is_plumbing(frame.f_code))
    return Place(last.f_code, _line(last), tuple(names))


def _line(frame: FrameType) -> int:
    return frame.f_lineno - frame.f_code.co_firstlineno + 1


def _is_plumbing(code: CodeType) -> bool:
    """What only hands on the steps of kernel functions, and is no function of the kernel's."""
    return code.co_name.startswith("_") or "<locals>" in code.co_qualname


def source_html(at: Place, mark: str = "next", around: int | None = None) -> str:
    """The function, a line marked: "next", "crash", or "" for none; `around`: so many before and after it."""
    lines = source(at.code)
    if not lines:
        words = f"The source of {at.function} is not known; it stands at its line {at.line}."
        return f"<div class='kit-calls'>{escape(words)}</div>"
    first, last = 1, len(lines)
    if around is not None:
        first = max(1, min(at.line - around, last - 2 * around))
        last = min(last, first + 2 * around)
    rows = [_row(number, lines[number - 1], mark if number == at.line else "")
            for number in range(first, last + 1)]
    if first > 1:
        rows.insert(0, _LEFT_OUT)
    if last < len(lines):
        rows.append(_LEFT_OUT)
    calls = "".join(f"<div class='kit-calls'>{escape(call)}</div>" for call in at.callers)
    return f"{calls}<table class='kit-source'>{''.join(rows)}</table>"


def scrolling(html: str, name: str) -> str:
    """HTML in a part of the page that scrolls by itself, its marked line in view; `name` is what is heard."""
    return f"<div class='kit-scroll' tabindex='0' role='region' aria-label='{escape(name)}'>{html}</div>"


def way_html(code: CodeType, answers: Mapping[int, str]) -> str:
    """The function with the lines marked at which it asked, each with what it was answered."""
    rows = "".join(_row(number, line, "asked" if number in answers else "", answers.get(number, ""))
                   for number, line in enumerate(source(code), 1))
    if not rows:
        return f"The source of {escape(code.co_name)}() is not known."
    return f"<table class='kit-source'>{rows}</table>"


def _row(number: int, line: str, mark: str, answer: str = "") -> str:
    code = re.sub(r"\byield( from)?\b", r"<b>\g<0></b>", escape(line.strip())) or " "
    chip = f"<span class='kit-lit'>{escape(answer)}</span>" if answer else ""
    indent = len(line) - len(line.lstrip())             # a line too long goes on below, four further in
    marked = f"kit-{mark}" if mark else ""
    return (f"<tr class='{marked}'><td>{number}</td><td>{_POINTERS.get(mark, ' ')}</td>"
            f"<td style='padding-left: {indent + 4}ch; text-indent: -4ch'>{code}{chip}</td></tr>")
