"""Account for nr_scanned: the numbers are the model's, and each way of counting wrongly has its own hint."""
import numpy as np
import pytest
from answers import told, true

import kitlib as kl
from kitlib import scan
from kitlib.check import ex09 as check
from kitlib.check.ex09_scan_calls import run_call
from kitlib.check.sentence_sets import COUNTING
from kitlib.check.sentences import TRUE_SENTENCES

LEARNER = "solution"
CALLS = check.scans_for(LEARNER)
RIGHT = {title: run_call(call) for title, call in CALLS.items()}
SMALL, OLD, DIRECT, PAST, MANY = CALLS
WHY = {TRUE_SENTENCES: true(COUNTING, LEARNER)}
ENOUGH = check.enough_for()
SCANNED, TAKEN, STANDS = range(3)


def changed(title, which, number):
    numbers = list(RIGHT[title])
    numbers[which] = number
    return RIGHT | {title: tuple(numbers)}


def length(title):
    return CALLS[title].end_pfn - CALLS[title].start_pfn


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    dots = dict.fromkeys(RIGHT, (..., ..., ...))
    for stub in (dots, None, {}, ..., [], dict.fromkeys(RIGHT, ...)):
        report = check.account_for_scans(stub, LEARNER)
        assert repr(report).startswith("Not solved yet: write three numbers") and report.points(3) == 0
    report = check.account_for_scans(RIGHT | WHY, LEARNER)
    assert report.passed and report.points(3) == 3 and repr(report).endswith("16 of 16 hold.")


WRONG = [
    (changed(SMALL, SCANNED, RIGHT[OLD][SCANNED]),
     "v6.8 adds all pages of a free block or compound page, not 1"),
    (changed(SMALL, SCANNED, RIGHT[SMALL][TAKEN]),
     "nr_scanned counts every look, nr_taken those that were taken"),
    (changed(SMALL, STANDS, RIGHT[SMALL][STANDS] - 1), "the scanner stands on the next page"),
    (changed(SMALL, STANDS, RIGHT[SMALL][SCANNED]),
     "nr_scanned is a number of pages, migrate_pfn is a place"),
    (changed(OLD, SCANNED, RIGHT[SMALL][SCANNED]),
     "6.1 adds 1 for a block or compound page that it jumps over"),
    (changed(OLD, SCANNED, RIGHT[OLD][SCANNED] - 3), "6.1 counts 1 for each jump, not 0"),
    (changed(DIRECT, SCANNED, RIGHT[DIRECT][STANDS] - CALLS[DIRECT].start_pfn),
     "those pages are not counted"),
    (changed(DIRECT, SCANNED, length(DIRECT)), "one refused page, and the scanner goes to the next chunk"),
    (changed(DIRECT, TAKEN, RIGHT[DIRECT][TAKEN] + 3), "is put back, and nr_taken is set to 0 again"),
    (changed(DIRECT, STANDS, CALLS[DIRECT].end_pfn), "a chunk that came out whole ends the call"),
    (changed(PAST, SCANNED, length(PAST)), "nr_scanned is not cut off at the end of the range"),
    (changed(PAST, STANDS, 16), "the scanner's place is cut back to the end"),
    (changed(PAST, TAKEN, RIGHT[PAST][TAKEN] + 1), "the mapping of guest_memfd is unmovable"),
    (changed(MANY, SCANNED, length(MANY)), "ends as soon as 32 pages are taken"),
    (changed(MANY, TAKEN, run_call(CALLS[MANY], finish_pageblock=True)[TAKEN]),
     "ends as soon as 32 pages are taken"),
    (changed(MANY, STANDS, 999), "the scanner stands on the page that it would look at next"),
    (changed(SMALL, TAKEN, "eleven"), "go through the pages of the range"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.account_for_scans(wrong | WHY, LEARNER)
    failing = [finding for finding in report.findings if not finding.holds]
    assert len(failing) == 1 and hint in " ".join(failing[0].hint.split()) and report.points(3) == 2.5


def test_what_can_be_read_of_a_half_answer_counts():
    report = check.account_for_scans({SMALL: RIGHT[SMALL], OLD: np.array([16, 11, 31]), DIRECT: (1, 2),
                                      PAST: (RIGHT[PAST][SCANNED], ..., ...)} | WHY, LEARNER)
    assert sum(finding.holds for finding in report.findings) == 5 and report.points(3) == 0.5
    assert "write three numbers, in this order" in repr(report) and "no answer" in repr(report)


def test_numbers_may_be_numpys_and_need_no_tuple():
    for kind in (np.int64, float):
        answers = {title: list(map(kind, numbers)) for title, numbers in RIGHT.items()}
        assert check.account_for_scans(answers | WHY, LEARNER).passed


def test_without_the_true_sentences_the_numbers_earn_little_and_a_call_holds_no_answer():
    assert check.account_for_scans(RIGHT, LEARNER).points(3) == 0.5
    of_a_call = vars(type(CALLS[SMALL])).items()
    assert not [name for name, value in of_a_call if callable(value) and name[0] != "_"]


def test_two_learners_have_different_numbers():
    other = check.scans_for("Ada")
    assert sum(run_call(other[title]) != RIGHT[title] for title in RIGHT) >= 3
    assert check.account_for_scans(RIGHT, "Ada").points(3) < 3
    assert check.scans_for(" ada ") == other and check.scans_for("")


@pytest.mark.parametrize("learner", [str(number) for number in range(40)])
def test_every_learners_calls_show_what_they_are_for(learner):
    small, old, direct, past, many = check.scans_for(learner).values()
    assert run_call(old)[0] < run_call(small)[0] == small.end_pfn - small.start_pfn
    scanned, taken, stands = run_call(direct)
    assert stands < direct.end_pfn and scanned < stands - direct.start_pfn and taken in (3, 4)
    assert run_call(past)[0] > past.end_pfn - past.start_pfn and run_call(past)[2] == past.end_pfn
    assert run_call(many)[1] == 32 and run_call(many, finish_pageblock=True)[1] >= 64


def isolated(zone):
    return scan.verdicts(zone, kl.after, kl.Mode()) == 0


def solution(zone, start_pfn, end_pfn):
    scanned, taken, pfn, is_taken = 0, 0, start_pfn, isolated(zone)
    while pfn < end_pfn and taken < ENOUGH:
        pages = 1 << zone.order[pfn]
        scanned, taken, pfn = scanned + pages, taken + is_taken[pfn], pfn + pages
    return scanned


def stub(zone, start_pfn, end_pfn):
    ...


def only_the_length(zone, start_pfn, end_pfn):
    return end_pfn - start_pfn


def cut_off(zone, start_pfn, end_pfn):
    return min(solution(zone, start_pfn, end_pfn), end_pfn - start_pfn)


def without_the_stop(zone, start_pfn, end_pfn):
    scanned, pfn = 0, start_pfn
    while pfn < end_pfn:
        scanned, pfn = scanned + (1 << zone.order[pfn]), pfn + (1 << zone.order[pfn])
    return scanned


def a_block_as_one(zone, start_pfn, end_pfn):
    scanned, taken, pfn, is_taken = 0, 0, start_pfn, isolated(zone)
    while pfn < end_pfn and taken < ENOUGH:
        scanned, taken, pfn = scanned + 1, taken + is_taken[pfn], pfn + (1 << zone.order[pfn])
    return scanned


def those_taken(zone, start_pfn, end_pfn):
    return min(ENOUGH, int(isolated(zone)[start_pfn:end_pfn].sum()))


def one_too_many(zone, start_pfn, end_pfn):
    return solution(zone, start_pfn, end_pfn) + 1


def takes_them(zone, start_pfn, end_pfn):
    cc = kl.CompactControl(zone)
    kl.isolate_migratepages_block(cc, start_pfn, end_pfn, kl.Mode())
    return cc.trace[-1].nr_scanned + 1


def forgets_to_go_on(zone, start_pfn, end_pfn):
    pfn = start_pfn
    while pfn < end_pfn:
        pfn += 0


def text(zone, start_pfn, end_pfn):
    return "20"


def several(zone, start_pfn, end_pfn):
    return isolated(zone)[start_pfn:end_pfn]


def test_the_functions_stub_is_not_solved_yet_and_the_solution_passes():
    report = check.counts_like_the_kernel(stub)
    assert repr(report).startswith("Not solved yet: your function returns nothing")
    report = check.counts_like_the_kernel(solution)
    assert report.passed and report.points(2) == 2


@pytest.mark.parametrize("wrong, points, hint", [
    (only_the_length, 0.5, "added whole: nr_scanned is not cut off"),
    (only_the_length, 0.5, f"You go on after {ENOUGH} pages are taken"),
    (cut_off, 1, "added whole: nr_scanned is not cut off"),
    (without_the_stop, 0.5, f"You go on after {ENOUGH} pages are taken"),
    (a_block_as_one, 0, "A free block adds all of its pages"),
    (those_taken, 0, "You count the pages that are taken"),
    (one_too_many, 0, "One page off"), (takes_them, 0, "Your function changes the zone"),
    (text, 0, "Return one whole number"), (several, 0, "Return one whole number"),
    (forgets_to_go_on, 0, "what should end it?"), (None, 0, "the error is raised in your function")])
def test_every_wrong_function_fails_with_its_own_hint(wrong, points, hint):
    report = check.counts_like_the_kernel(wrong)
    assert not report.passed and hint in told(report) and report.points(2) == points


def test_a_right_number_that_costs_the_zone_is_wrong():
    def takes_and_counts(zone, start_pfn, end_pfn):
        counted = solution(zone, start_pfn, end_pfn)
        takes_them(zone, start_pfn, end_pfn)
        return counted

    report = check.counts_like_the_kernel(takes_and_counts)
    assert not report.passed and "Your function changes the zone" in told(report)
