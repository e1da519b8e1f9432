"""Twenty folios: every reason and every trap is drawn for everybody, and each confusion has its own hint."""
import numpy as np
import pytest
from answers import told

from kitlib.check import ex01 as check
from kitlib.check.ex01_twenty_folios import PLACES, _run, twenty
from kitlib.check.flags import row_of
from kitlib.scenarios import one_folio

LEARNER = "solution"
ANSWERS = {
    1: "isolated", 2: "mapping is unmovable", 3: "unevictable", 4: "locked by somebody else",
    5: "has a mapping, and GFP_NOFS", 6: "dirty, and no migrate_folio", 7: "isolated",
    8: "no mapping, extra references", 9: "isolated", 10: "isolated",
    11: "unevictable", 12: "under writeback", 13: "not on the LRU", 14: "no mapping, extra references",
    15: "locked by somebody else", 16: "isolated", 17: "isolated", 18: "mapping is unmovable",
    19: "locked by somebody else",
    20: "isolated",
}
LOCKED = [2, 4, 6, 10, 15, 18, 19]


def right(learner):
    return [_run(folio, mode)[0] for folio, mode in twenty(learner)]


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    for empty in (dict.fromkeys(range(1, 21), ...), None, [], {}, "", 7):
        report = check.twenty_folios(empty, LEARNER)
        assert repr(report).startswith("Not solved yet: write a reason") and report.points(4) == 0
    report = check.twenty_folios(ANSWERS, LEARNER)
    assert report.passed and report.points(4) == 4 and repr(report).endswith("20 of 20 hold.")
    assert check.twenty_folios(list(ANSWERS.values()), LEARNER).passed


def test_one_answer_for_all_is_no_prediction():
    assert "twenty times the same" in repr(check.twenty_folios(["isolated"] * 20, LEARNER))


@pytest.mark.parametrize("learner", ["", "solution", *map(str, range(30))])
def test_every_learner_has_many_reasons_and_the_right_answers_pass(learner):
    answers = right(learner)
    assert len(set(answers)) >= 8 and len(answers) == 20 == len(check.twenty_folios_for(learner))
    assert check.twenty_folios(answers, learner).passed


def test_two_learners_have_other_folios_and_may_write_their_name_as_they_like():
    assert check.twenty_folios_for("Ada").equals(check.twenty_folios_for(" ada "))
    assert not check.twenty_folios_for("Ada").equals(check.twenty_folios_for("Grace"))
    assert not check.twenty_folios(right("Ada"), "Grace").passed


def number_of(kind, mode, *flipped):
    """A learner and the folio's number, for whom this very folio was drawn."""
    wanted = (kind, mode, *flipped)
    place = next(place for place in PLACES if wanted in place)
    for learner in map(str, range(200)):
        wanted_row = row_of(one_folio(kind, *flipped)) | {"mode": check.mode_text(mode)}
        table = check.twenty_folios_for(learner)
        for number, row in table.iterrows():
            if row.to_dict() == wanted_row:
                return learner, number
    raise AssertionError(place)


SYNC, ASYNC, NONE, NOFS = check.SYNC, check.ASYNC, check.NO_UNEVICTABLE, check.NOFS
WRONG = [
    (("file, pinned", SYNC), "no mapping, extra references",
     "a pinned file folio is taken, and migration finds the pin"),
    (("anon, mlocked", SYNC, "locked"), "locked by somebody else", "nobody tries the lock"),
    (("guest_memfd", NONE), "mapping is unmovable", "the mapping's flags are never read"),
    (("guest_memfd, locked", NONE), "locked by somebody else", "refused before anybody tries its lock"),
    (("secretmem", NONE), "isolated", "the mode has no UNEVICTABLE"),
    (("file, dirty, no migrate_folio", SYNC), "dirty, and no migrate_folio",
     "this caller can wait for writeback"),
    (("file, dirty, no migrate_folio", ASYNC), "isolated", "must then have a migrate_folio"),
    (("file, under writeback", SYNC), "under writeback", "ASYNC_MIGRATE is not in the mode"),
    (("file, under writeback", ASYNC), "dirty, and no migrate_folio", "writeback is asked first"),
    (("guest_memfd, locked", SYNC), "mapping is unmovable", "somebody else has the lock"),
    (("guest_memfd", SYNC), "unevictable", "PG_unevictable alone is no reason"),
    (("guest_memfd", SYNC, "unevictable"), "mapping is unmovable",
     "nobody locks it, so nobody reads the flag"),
    (("guest_memfd", ASYNC, "unevictable", "dirty"), "dirty, and no migrate_folio",
     "the mapping has a migrate_folio"),
    (("ramfs", SYNC), "mapping is unmovable", "AS_UNEVICTABLE is not AS_UNMOVABLE"),
    (("file, truncated, still held", SYNC), "isolated", "or it was truncated"),
    (("slab", ASYNC), "isolated", "the first question of all"),
    (("tmpfs", NOFS), "isolated", "without __GFP_FS whatever has a mapping is refused"),
    (("file, locked", SYNC), "pinned", "no reason of the list; write one of 'not on the LRU', "),
]


@pytest.mark.parametrize("wanted, answer, hint", WRONG,
                         ids=[f"{wanted[0]}: {answer}" for wanted, answer, _ in WRONG])
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wanted, answer, hint):
    learner, number = number_of(*wanted)
    answers = dict(enumerate(right(learner), 1)) | {number: answer}
    report = check.twenty_folios(answers, learner)
    failing = [finding for finding in report.findings if not finding.holds]
    assert [finding.came_out for finding in failing] == [answer] and hint in " ".join(failing[0].hint.split())


@pytest.mark.parametrize("held, points", [(10, 0), (15, 2), (17, 2.5)])
def test_points_begin_at_half_of_the_answers_and_capitals_do_not_matter(held, points):
    report = check.twenty_folios({number: why.upper() for number, why in ANSWERS.items() if number <= held},
                                 LEARNER)
    assert sum(finding.holds for finding in report.findings) == held and report.points(4) == points
    assert repr(report).count("FAILS") == 1 and "holds " not in repr(report)
    assert "follow the tree" in repr(report)


@pytest.mark.parametrize("odd",
                         [{1: 3, "x": 2}, [None] * 19 + [1.5], {1: ["isolated"]}, {1: {}}, ["isolated"] * 40])
def test_odd_answers_are_told_and_not_raised(odd):
    report = check.twenty_folios(odd, LEARNER)
    assert not report.passed and report.points(4) < 4


def test_the_lock():
    for empty in (..., [], None, "2", ["2"]):
        assert "Not solved yet" in repr(check.lock_is_tried(empty, LEARNER))
    report = check.lock_is_tried(LOCKED, LEARNER)
    assert report.passed and report.points(1) == 1
    assert check.lock_is_tried(list(range(1, 21)), LEARNER).points(1) == 0
    assert check.lock_is_tried(LOCKED[:4], LEARNER).points(1) == 0
    one = told(check.lock_is_tried([LOCKED[0]], LEARNER))
    assert not any(f"folio {number}" in one for number in range(1, 21))     # which are missing is not told
    assert check.lock_is_tried(list(np.array(LOCKED)), LEARNER).passed


@pytest.mark.parametrize("answer, hint", [
    ([*LOCKED, 19, 3], "it is refused before the lock: go through"),
    ([*LOCKED, 7], "without a mapping there is nothing to ask"),
    ([*LOCKED, 20], "Locked for a caller in a hurry (ASYNC_MIGRATE), and for nobody else"),
    ([*LOCKED, 9], "Clean and evictable: never locked"),
    (LOCKED[:3] + LOCKED[4:], "its mapping may be unmovable: locked for every caller"),
    ([*LOCKED, 21], "from 1 to 20")])
def test_wrong_locks_have_their_own_hints(answer, hint):
    report = check.lock_is_tried(answer, LEARNER)
    assert not report.passed and hint in told(report)
