"""Read a real kernel's trace: each line shows what it is for, and each misreading has its own hint."""
from collections import Counter

import numpy as np
import pytest
from answers import told

from kitlib import recordings
from kitlib.check import ex11 as check


def lines_of(learner):
    return check._chosen(learner)[1]


def learner_with(run):
    return next(str(number) for number in range(99) if check._chosen(str(number))[0].name == run)


NEW, OLD = learner_with("6.12-mix-u1-s307"), learner_with("6.1-mix-u0-s105")
LINES = {learner: lines_of(learner) for learner in (NEW, OLD)}
RIGHT = {learner: {letter: line.right for letter, line in lines.items()} for learner, lines in LINES.items()}
ENDED, REFUSED, MOSTLY, SCANNED = range(4)


def changed(learner, letter, which, answer):
    four = list(RIGHT[learner][letter])
    four[which] = answer
    return RIGHT[learner] | {letter: tuple(four)}


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    for stub in (dict.fromkeys("ABCD", (..., ..., ..., ...)), {}, None, ..., [1], dict.fromkeys("ABCD")):
        report = check.read_a_trace(stub, NEW)
        assert repr(report).startswith("Not solved yet: write four answers") and report.points(4) == 0
    for learner, right in RIGHT.items():
        report = check.read_a_trace(right, learner)
        assert report.passed and report.points(4) == 4 and repr(report).endswith("16 of 16 hold.")


A, B = LINES[NEW]["A"], LINES[NEW]["B"]
WRONG = [
    (NEW, "A", ENDED, "the pageblock ends", "a pageblock ends where the pfn is a multiple of 512"),
    (NEW, "A", ENDED, "a page is refused", "only a direct asynchronous caller minds a refused page"),
    (NEW, "A", ENDED, "the scanners meet", "the scanners meet once in a zone"),
    (NEW, "A", ENDED, "it was tired", "write one of '32 pages are taken'"),
    (NEW, "B", ENDED, "32 pages are taken", "the second takes all the rest (finish_pageblock)"),
    (NEW, "C", ENDED, "the pageblock ends", "add 2^order to its pfn"),
    (NEW, "D", ENDED, "32 pages are taken", "nr_taken is 0, not 32"),
    (NEW, "D", ENDED, "a free block leads past the pageblock",
     "no free block that starts in the range reaches past its end"),
    (NEW, "B", REFUSED, B.length - B.nr_taken, "free pages are not refused: the scanner steps over them"),
    (NEW, "C", REFUSED, 512, "free pages are not refused: the scanner steps over them"),
    (NEW, "A", REFUSED, A.refused[A.mostly], "this is the commonest reason alone"),
    (NEW, "A", REFUSED, A.refused.total() + 32, "pages that are taken are not refused"),
    (NEW, "B", REFUSED, B.nr_taken, "these are the pages that were taken"),
    (NEW, "B", REFUSED, "many", "count the verdicts of the range"),
    (NEW, "A", MOSTLY, "not on the LRU", "there is a reason with more"),
    (NEW, "A", MOSTLY, "locked", "no page of this range is refused for that"),
    (NEW, "A", MOSTLY, "none", "some pages of the range are neither taken nor free"),
    (NEW, "A", MOSTLY, "taken", "that is the verdict on pages that are taken"),
    (NEW, "C", MOSTLY, "free: inside a free block", "nothing else is left in this range"),
    (NEW, "C", MOSTLY, "not on the LRU", 'write "none"'),
    (NEW, "C", MOSTLY, 3, "write the reason in quotes"),
    (NEW, "C", SCANNED, "as long as the range", "What was added whole"),
    (NEW, "A", SCANNED, "a jump counts once", "then everything counts once"),
    (NEW, "A", SCANNED, "refused pages are not counted", "refused pages are, too"),
    (NEW, "A", SCANNED, 7, "write one of 'as long as the range'"),
    (OLD, "B", SCANNED, "as long as the range", "This is Linux 6.1"),
    (OLD, "C", REFUSED, LINES[OLD]["C"].nr_scanned, "free pages are not refused"),
]


@pytest.mark.parametrize("learner, letter, which, answer, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(learner, letter, which, answer, hint):
    report = check.read_a_trace(changed(learner, letter, which, answer), learner)
    failing = [finding for finding in report.findings if not finding.holds]
    assert len(failing) == 1 and failing[0].tried.startswith(letter) and hint in told(report)
    assert report.points(4) == 3.5


def test_the_refused_pages_of_the_whole_pageblock_have_their_own_hint():
    line = LINES[OLD]["A"]
    codes = recordings.verdicts(check._chosen(OLD)[0])
    start = line.start_pfn
    reasons = Counter(check.scan.REASONS[code] for code in codes[start:start + 512])
    in_block = sum(pages for why, pages in reasons.items() if why and not why.startswith("free"))
    assert "of the whole pageblock" in repr(check.read_a_trace(changed(OLD, "A", REFUSED, in_block), OLD))


def test_what_cannot_be_read_is_told_and_the_rest_counts():
    answers = {"A": RIGHT[NEW]["A"], "B": "the pageblock ends", "C": (1, 2),
               "D": [np.zeros(3), {}, ..., RIGHT[NEW]["D"][SCANNED]]}
    report = check.read_a_trace(answers, NEW)
    assert sum(finding.holds for finding in report.findings) == 5 and report.points(4) == 0
    assert "write four answers in this order" in repr(report) and "no answer" in repr(report)


def test_two_learners_have_different_lines():
    assert check.read_a_trace(RIGHT[NEW], OLD).points(4) < 3
    assert check.read_a_trace(RIGHT[OLD], NEW).points(4) < 3
    assert len({check._chosen(str(number))[0].name for number in range(40)}) == len(check.RUNS)
    assert check.trace_for(" ADA ").ranges.equals(check.trace_for("ada").ranges)
    assert len(check.trace_for("").ranges) == 4


@pytest.mark.parametrize("learner", [str(number) for number in range(40)])
def test_every_learners_lines_show_what_they_are_for(learner):
    recording, chosen = check._chosen(learner)
    a, b, c, d = chosen.values()
    assert a.nr_taken == 32 and a.right[ENDED] == "32 pages are taken" and a.refused
    assert b.nr_taken > 32 and b.right[ENDED] == "the pageblock ends"
    assert recording.isolate_ranges[b.line - 1, 2] == b.start_pfn
    assert c.nr_scanned != c.length and d.nr_taken == 0 and d.refused
    assert all(line.reasons[""] == line.nr_taken for line in chosen.values())
    assert all(line.nr_scanned == line.length - free_in_jumps(recording, line) for line in (a, b, d))


def free_in_jumps(recording, line):
    """The pages that a release like 6.1 does not count, brute force: all of a block but one."""
    if recording.release.counts_jumped:
        return 0
    orders, flags = recording.buddy_order, range(line.start_pfn, line.end_pfn)
    return sum((1 << int(orders[pfn])) - 1 for pfn in flags if orders[pfn] != 255)
