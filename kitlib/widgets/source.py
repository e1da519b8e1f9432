"""A path's own source, with the line at which it stands: what a learner reads while stepping.

A suspended path knows its place: the chain of generators that wait for each other ends at the `yield` whose step comes next.
Lines are numbered within their function. Leaves out functions whose source nobody kept: of those only the name is shown.
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

SOURCE_STYLE = """<style>
.kit-source { border-collapse: collapse; font-family: var(--jp-code-font-family, monospace); font-size: 12px; line-height: 1.45; }
.kit-source td { padding: 0 6px 0 0; vertical-align: top; white-space: pre-wrap; overflow-wrap: anywhere; text-align: left; }
.kit-source td:first-child { text-align: right; opacity: 0.65; white-space: pre; }
.kit-source tr.kit-next td { background: #F7CB2D; color: #1B1E24; opacity: 1; font-weight: bold; }
.kit-source tr.kit-crash td { background: #C22D0C; color: #FFFFFF; opacity: 1; font-weight: bold; }
.kit-source .kit-lit { padding: 0 5px; margin-left: 1ch; border-radius: 4px; white-space: nowrap; }
.kit-calls { font-size: 12px; line-height: 1.45; overflow-wrap: anywhere; }
</style>"""


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
    """The path that this one drives by hand, instead of by `yield from`."""
    return next((value for value in frame.f_locals.values() if isinstance(value, GeneratorType) and value.gi_frame), None)


def place(path: Path) -> Place | None:
    """Where a path stands; None when it has ended."""
    frames = standing(path)
    if not frames:
        return None
    callers = (str(Place(frame.f_code, _line(frame))) for frame in frames[:-1] if not _is_plumbing(frame.f_code))
    return Place(frames[-1].f_code, _line(frames[-1]), tuple(callers))


def _line(frame: FrameType) -> int:
    return frame.f_lineno - frame.f_code.co_firstlineno + 1


def _is_plumbing(code: CodeType) -> bool:
    """What only hands on the steps of kernel functions, and is no function of the kernel's."""
    return code.co_name.startswith("_") or "<locals>" in code.co_qualname


def source_html(at: Place, mark: str = "next", around: int | None = None) -> str:
    """The function with one line marked: "next", "crash", or "" for none; `around`: only so many lines before and after it."""
    lines = source(at.code)
    if not lines:
        return f"<div class='kit-calls'>The source of {escape(at.function)} is not known; it stands at its line {at.line}.</div>"
    first, last = 1, len(lines)
    if around is not None:
        first = max(1, min(at.line - around, last - 2 * around))
        last = min(last, first + 2 * around)
    rows = "".join(_row(number, lines[number - 1], mark if number == at.line else "") for number in range(first, last + 1))
    calls = "".join(f"<div class='kit-calls'>{escape(call)}</div>" for call in at.callers)
    return f"{calls}<table class='kit-source'>{_left_out(first > 1)}{rows}{_left_out(last < len(lines))}</table>"


def way_html(code: CodeType, answers: Mapping[int, str]) -> str:
    """The function with the lines marked at which it asked, each with what it was answered."""
    rows = "".join(_row(number, line, "asked" if number in answers else "", answers.get(number, ""))
                   for number, line in enumerate(source(code), 1))
    return f"<table class='kit-source'>{rows}</table>" if rows else f"The source of {escape(code.co_name)}() is not known."


def _row(number: int, line: str, mark: str, answer: str = "") -> str:
    code = re.sub(r"\byield( from)?\b", r"<b>\g<0></b>", escape(line.strip())) or " "
    pointer, indent = {"next": "&gt;", "crash": "X", "asked": "&#9654;"}.get(mark, " "), len(line) - len(line.lstrip())
    hanging = f"style='padding-left: {indent + 4}ch; text-indent: -4ch'"       # a line too long goes on below, further in
    chip = f"<span class='kit-lit'>{escape(answer)}</span>" * bool(answer)
    return f"<tr class='{mark and 'kit-' + mark}'><td>{number}</td><td>{pointer}</td><td {hanging}>{code}{chip}</td></tr>"


def _left_out(is_more: bool) -> str:
    return "<tr><td></td><td></td><td>...</td></tr>" * is_more
