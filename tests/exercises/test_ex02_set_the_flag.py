"""Set the flag: the stub fails, the solution passes, each plausible wrong answer fails with its own hint."""
import pytest
from answers import told, true

import kitlib as kl
from kitlib.check import ex02 as check
from kitlib.check.sentence_sets import TWO_FLAGS
from kitlib.check.sentences import TRUE_SENTENCES
from kitlib.mm.mapping import AS_EIO, mapping_set_unmovable, set_bit

FLAG = check.flag_for()


def stub(mapping):
    ...


def solution(mapping):
    set_bit(kl.AS_UNEVICTABLE, mapping)
    set_bit(FLAG, mapping)


def only_unmovable(mapping):
    set_bit(FLAG, mapping)


def only_unevictable(mapping):
    set_bit(kl.AS_UNEVICTABLE, mapping)


def index_as_mask(mapping):
    mapping.flags |= kl.AS_UNEVICTABLE | FLAG


def mask_of_unmovable(mapping):
    mapping.flags |= FLAG


def throws_the_others_away(mapping):
    mapping.flags = 1 << kl.AS_UNEVICTABLE | 1 << FLAG


def sum_of_indices(mapping):
    solution(mapping)
    mapping.flags |= 1 << (kl.AS_UNEVICTABLE + FLAG)


def number_of_another_release(mapping):
    mapping.flags |= 1 << kl.AS_UNEVICTABLE | 1 << FLAG | 1 << FLAG + 1


def no_number(mapping):
    mapping.flags = ["AS_UNMOVABLE"]


def adds(mapping):
    mapping.flags += (1 << kl.AS_UNEVICTABLE) + (1 << FLAG)


def turns_round(mapping):
    mapping.flags ^= 1 << kl.AS_UNEVICTABLE | 1 << FLAG


def endless(mapping):
    while True:
        mapping.flags |= 1 << 8


def raises(mapping):
    mapping.set(FLAG)


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    assert not check.set_the_flag(stub).passed
    assert repr(check.set_the_flag(stub)) == "Not solved yet: your function leaves mapping.flags as it is"
    report = check.set_the_flag(solution)
    assert report.passed and repr(report).endswith("5 of 5 hold.")


WRONG = [
    (only_unmovable, 3, "only when the folio is unevictable"),
    (only_unevictable, 3, "AS_UNMOVABLE is an index, not a mask"),
    (mask_of_unmovable, 2, "AS_UNMOVABLE is an index, not a mask"),
    (index_as_mask, 2, "AS_UNMOVABLE is an index, not a mask"),
    (throws_the_others_away, 4, "= throws the others away"),
    (sum_of_indices, 4, "a sum or a product of flags is another flag"),
    (number_of_another_release, 4, "a sum or a product of flags is another flag"),
    (adds, 5, "a bit that is set must stay as it is"),
    (turns_round, 5, "a bit that is set must stay as it is"),
    (no_number, 0, "write set_bit(AS_UNMOVABLE, mapping) or mapping.flags |= 1 << AS_UNMOVABLE"),
    (endless, 0, "what should end it?"),
    (raises, 0, "the error is raised in line"),
]


@pytest.mark.parametrize("wrong, held, hint", WRONG)
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, held, hint):
    report = check.set_the_flag(wrong)
    text = told(report)
    assert not report.passed and hint in text and "FAILS" in text
    assert sum(finding.holds for finding in report.findings) == held
    assert "not yet." in text


def test_the_merged_setter_is_noticed_and_every_learner_has_a_number():
    report = check.set_the_flag(mapping_set_unmovable)
    assert "in your kernel its number is" in told(report) and report.points(2) == 0
    assert {check.flag_for(str(number)) for number in range(50)} == set(range(10, 16))


def test_an_endless_answer_is_ended_with_a_clear_message():
    assert "2,000,000 instructions have run, and there is no end" in repr(check.set_the_flag(endless))


PREDICTED = {"AS_UNEVICTABLE alone": "moved", "AS_UNMOVABLE alone": "isolated in vain", "both": "left alone",
             TRUE_SENTENCES: true(TWO_FLAGS)}


def test_predictions_of_both_bits():
    assert not check.why_both(dict.fromkeys(PREDICTED, ...)).passed
    assert all("Not solved yet" in repr(check.why_both(empty)) for empty in ({}, None, []))
    assert check.why_both(PREDICTED).passed
    assert check.why_both(PREDICTED | {TRUE_SENTENCES: true(TWO_FLAGS, "Ada").lower()}, "Ada").passed


@pytest.mark.parametrize("letters", ["", "ABCDEFG", "A", 7, ...])
def test_without_the_true_sentences_all_else_earns_little(letters):
    report = check.why_both(PREDICTED | {TRUE_SENTENCES: letters})
    assert not report.passed and report.points(2) == 0.5 and "all else earns at most 25%" in repr(report)


@pytest.mark.parametrize("case, wrong, hint", [
    ("AS_UNEVICTABLE alone", "left alone", "unevictable is about reclaim"),
    ("AS_UNMOVABLE alone", "left alone", "nobody locks a clean evictable folio"),
    ("AS_UNMOVABLE alone", "moved", "nobody locks a clean evictable folio"),
    ("both", "isolated in vain", "PG_unevictable makes the scanner take the lock")])
def test_wrong_predictions_have_their_own_hints(case, wrong, hint):
    report = check.why_both(PREDICTED | {case: wrong})
    assert not report.passed and hint in told(report) and "3 of 4 hold: not yet." in repr(report)


def test_the_check_does_not_change_the_answers_world():
    mapping = kl.AddressSpace("mine", kl.AddressSpaceOperations("x"))
    set_bit(AS_EIO, mapping)
    check.set_the_flag(solution)
    assert mapping.flags == 1
