"""Exercise 11, "read a real kernel's trace": four lines of a trace, and what the snapshot says of each."""
import random
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from .. import recordings, scan
from ..compaction.releases import COMPACT_CLUSTER_MAX
from ..mm.verdict import WHY, Code
from ..mm.zone import pageblock_end_pfn, pageblock_nr_pages, pageblock_start_pfn
from ..recordings.runs import Recording
from .report import NO_ANSWER, Finding, Report, by_name, compared, example, seed_of, text_of, unsolved
from .tries import CHOSEN, in_steps

__all__ = ["read_a_trace", "trace_for"]

# Quiet, with many kinds of memory.
RUNS = ("6.1-mix-u0-s105", "6.12-mix-u1-s307", "6.12-mix-u0-s353", "7.2-mix-u1-s201")
_COLUMNS = ["start_pfn", "end_pfn", "nr_scanned", "nr_taken"]
ENOUGH, BLOCK_END, PAST = "32 pages are taken", "the pageblock ends", "a free block leads past the pageblock"
ENDED = (ENOUGH, BLOCK_END, PAST, "a page is refused", "the scanners meet")
AS_LONG, MORE, FEWER = "as long as the range", "a free block counts beyond the end", "a jump counts once"
SCANNED = (AS_LONG, MORE, FEWER, "refused pages are not counted")
FOUR = "write four answers in this order: why it ended, how many refused, mostly why, nr_scanned"
_ASKED = ("why it ended", "pages refused", "mostly because", "nr_scanned")
_FREE = {WHY[code] for code in (Code.FREE, Code.FREE_BLOCK, Code.FREE_TAIL)}
NOT_LOOKED_AT = {WHY[code] for code in (Code.COMPOUND, Code.TAIL, Code.NO_PAGE)}


class Trace(NamedTuple):
    """A recording, and the lines of its trace that are asked about: `line` numbers isolate_ranges."""

    recording: Recording
    ranges: pd.DataFrame


class _Line(NamedTuple):
    """One line of a trace, with what the snapshot says about the pages of its range."""

    line: int
    start_pfn: int
    end_pfn: int
    nr_scanned: int
    nr_taken: int
    reasons: Counter        # pages by reason, "" for those that are taken
    leads_past: bool        # a free block that starts in the range ends behind it

    @property
    def refused(self) -> Counter:
        """Pages that were looked at and not taken, by reason; free pages are not candidates."""
        return Counter({why: pages for why, pages in self.reasons.items() if why and why not in _FREE})

    @property
    def mostly(self) -> str:
        """The commonest reason."""
        return self.refused.most_common(1)[0][0] if self.refused else "none"

    @property
    def length(self) -> int:
        """Pages from start to end."""
        return self.end_pfn - self.start_pfn

    @property
    def right(self) -> tuple:
        """The answers to what is asked, in the order of _ASKED."""
        ended, scanned = ENOUGH, AS_LONG
        if self.leads_past:
            ended = PAST
        elif self.end_pfn % pageblock_nr_pages() == 0:
            ended = BLOCK_END
        if self.nr_scanned != self.length:
            scanned = MORE if self.nr_scanned > self.length else FEWER
        return ended, self.refused.total(), self.mostly, scanned


def trace_for(learner: str = "") -> Trace:
    """The recording and the four lines of "read a real kernel's trace", made from the learner's name.

    A: a call that stops after 32 pages. B: the second call in a pageblock. C: nr_scanned is not the length of
    the range. D: nothing is taken, and not because all is free.
    """
    recording, chosen = _chosen(learner)
    rows = [(line.line, *recording.isolate_ranges[line.line, 1:].tolist()) for line in chosen.values()]
    return Trace(recording, pd.DataFrame(rows, index=[*chosen], columns=["line", *_COLUMNS]))


def _chosen(learner: str) -> tuple[Recording, dict[str, _Line]]:
    dice = random.Random(seed_of(learner))
    recording, lines = _lines(dice.choice(RUNS))
    fit = {letter: [] for letter in "ABCD"}
    for line in lines:
        for letter in _shows(line):
            fit[letter].append(line)
    chosen: dict[str, _Line] = {}
    for letter, fitting in fit.items():
        best = max(map(_worth, fitting))
        chosen[letter] = dice.choice([line for line in fitting if _worth(line) == best])
    return recording, chosen


def _worth(line: _Line) -> int:
    """More for a line from which more can be read: some pages are refused, and not for being off the LRU."""
    return (0 < line.refused.total() < line.length) + (line.mostly not in ("none", "not on the LRU"))


def _shows(line: _Line) -> list[str]:
    """The letters of what a line can show."""
    first, at_end = line.start_pfn % pageblock_nr_pages() == 0, line.end_pfn % pageblock_nr_pages() == 0
    shows = {"A": first and not at_end and line.nr_taken == COMPACT_CLUSTER_MAX and line.refused,
             "B": not first and at_end and line.nr_taken > COMPACT_CLUSTER_MAX,
             "C": first and at_end and line.nr_scanned != line.length,
             "D": first and at_end and line.nr_scanned == line.length and line.nr_taken == 0 and line.refused}
    return [letter for letter, fits in shows.items() if fits]


@lru_cache
def _lines(name: str) -> tuple[Recording, list[_Line]]:
    """A recording, and those lines of its trace that can be asked about.

    The replay reproduces them in all numbers; they hold no compound page; the commonest reason has no equal.
    """
    recording = recordings.load(name)
    codes, replayed = recordings.verdicts(recording), recordings.replay(recording)
    same = set(replayed[replayed.agrees][_COLUMNS].itertuples(index=False, name=None))
    lines = []
    for number, (_, start, end, *counted) in enumerate(recording.isolate_ranges.tolist()):
        reasons = Counter(scan.REASONS[code] for code in codes[start:end].tolist())
        blocks = start + (codes[start:end] == Code.FREE_BLOCK).nonzero()[0]
        past = any(pfn + (1 << recording.memory.order[pfn]) > end for pfn in blocks.tolist())
        line = _Line(number, start, end, *counted, reasons, past)
        commonest = [pages for _, pages in line.refused.most_common(2)]
        has_no_equal = len(set(commonest)) == len(commonest)
        if (start, end, *counted) in same and not NOT_LOOKED_AT & set(reasons) and has_no_equal:
            lines.append(line)
    return recording, lines


@in_steps("the end: 32 taken, a multiple of 512, or a free block that leads past it. Refused: all "
          "verdicts but taken and "
          "free. nr_scanned against end_pfn - start_pfn", CHOSEN)
def read_a_trace(answers: dict[str, tuple], learner: str = "") -> Report:
    """Exercise "read a real kernel's trace": why each range of isolate_migratepages_block() is as it is.

    `answers` has for A, B, C and D: why it ended (one of ENDED), pages refused, mostly because of what
    (scan.REASONS, or "none"), and what nr_scanned is (one of SCANNED).
    """
    chosen = _chosen(learner)[1]
    answers = by_name(answers, chosen)
    if not answers:
        return unsolved("write four answers for each letter in place of the dots")
    return Report(_read(answers, learner), elsewhere=example(
        _lines_of, lambda name: _read(dict.fromkeys(chosen), name), learner), guessed=0.5)


def _lines_of(learner: str) -> str:
    trace, lines = trace_for(learner), _chosen(learner)[1]
    verdicts = "\n".join(f"{letter}: {dict(line.reasons)}" for letter, line in lines.items())
    return (f"{trace.recording}\n{trace.ranges.to_string()}\n"
            f"verdicts by reason, '' where taken:\n{verdicts}")


def _read(answers: dict, learner: str) -> list[Finding]:
    recording, chosen = _chosen(learner)
    findings = []
    for letter, line in chosen.items():
        four = answers[letter]
        if not isinstance(four, tuple | list) or len(four) != len(_ASKED):
            four, hints = [None] * len(_ASKED), [FOUR] * len(_ASKED)
        else:
            ended, refused, mostly, scanned = map(text_of, four)
            hints = [_ended(ended, line), _refused(refused, line, recording), _mostly(mostly, line),
                     _scanned(scanned, line)]
        findings += [compared(f"{letter}: {name}", answer, right, hint)
                     for name, answer, right, hint in zip(_ASKED, four, line.right, hints, strict=True)]
    return findings


def _ended(answer: str, line: _Line) -> str:
    if answer not in ENDED:
        return f"write one of {', '.join(map(repr, ENDED))}"
    if answer == ENDED[3]:
        return ("only a direct asynchronous caller minds a refused page (skip_on_failure); "
                "this is vm.compact_memory")
    if answer == ENDED[4]:
        return "the scanners meet once in a zone, and then there is no line after it"
    if answer == ENOUGH and line.nr_taken > COMPACT_CLUSTER_MAX:
        return (f"{line.nr_taken} pages are taken, more than 32: "
                "the line before is the first call in this pageblock, "
                "and the second takes all the rest (finish_pageblock)")
    if answer == ENOUGH:
        return f"nr_taken is {line.nr_taken}, not 32"
    if line.leads_past:
        return "look at the free block that starts last in the range:\nadd 2^order to its pfn"
    if answer == PAST:
        return "no free block that starts in the range reaches past its end:\nadd 2^order to the pfn of each"
    return ("a pageblock ends where the pfn is a multiple of 512; "
            f"{line.end_pfn} is {line.end_pfn % 512} pages past one")


def _refused(answer: str, line: _Line, recording: Recording) -> str:
    start, end = pageblock_start_pfn(line.start_pfn), pageblock_end_pfn(line.start_pfn)
    codes = recordings.verdicts(recording)[start:end].tolist()
    in_block = sum(bool(why) and why not in _FREE for why in (scan.REASONS[code] for code in codes))
    free = "free pages are not refused:\nthe scanner steps over them. Leave out what begins with free"
    likely = [(line.refused.total() + line.nr_taken,
               "pages that are taken are not refused:\nleave them out, too"),
              (line.length - line.nr_taken, free), (line.nr_scanned - line.nr_taken, free),
              (line.length, free), (line.nr_scanned, free),
              (in_block, "these are the refused pages of the whole pageblock:\ncount within the range"),
              (line.refused[line.mostly], "this is the commonest reason alone:\nadd the others"),
              (line.nr_taken, "these are the pages that were taken" if line.nr_taken else (
                  "nothing is taken, and much is refused:\ncount what is neither taken nor free"))]
    return next((hint for pages, hint in likely if answer == str(pages) and pages != line.refused.total()),
                "count the verdicts of the range whose reason is neither empty nor free")


def _mostly(answer: str, line: _Line) -> str:
    if answer == NO_ANSWER or answer.isdigit():
        return 'write the reason in quotes, as it stands among the verdicts, or "none"'
    if answer in _FREE or answer == "free":
        words = "a free page is no candidate, so it is not refused"
        return words if line.refused else f"{words}:\nnothing else is left in this range"
    if answer == "taken":
        return "that is the verdict on pages that are taken"
    if answer in line.refused:
        return f"{line.refused[answer]} pages are refused for that; there is a reason with more"
    if answer == "none":
        return "some pages of the range are neither taken nor free:\ncount their reasons"
    if not line.refused:
        return 'nothing is refused in this range: write "none"'
    return ("no page of this range is refused for that:\n"
            "copy the reason from the verdicts, it is the model's wording")


def _scanned(answer: str, line: _Line) -> str:
    if answer not in SCANNED:
        return f"write one of {', '.join(map(repr, SCANNED))}"
    if answer == SCANNED[3]:
        return ("every page that is looked at is counted, before anything is asked of it:\n"
                "refused pages are, too")
    numbers = f"the range has {line.length} pages, nr_scanned is {line.nr_scanned}"
    if line.nr_scanned == line.length:
        return f"{numbers}:\nthen everything counts once, whether walked or jumped over"
    if line.nr_scanned > line.length:
        return (f"{numbers}:\nmore than there are. What was added whole, "
                "though only a part of it lies in the range?")
    return (f"{numbers}:\nfewer than there are. This is Linux 6.1: "
            "what does it add for a free block that it jumps over?")
