"""Trylock or lock: schedules in which somebody waits are replayed; the machine says who waits for whom."""
import pytest
from answers import told, true

import kitlib as kl
from kitlib.check import ex08 as check
from kitlib.check.ex08_trylock_or_lock import DOES, LEARNERS_MODES, SKIPPED
from kitlib.check.sentence_sets import TRYLOCK
from kitlib.check.sentences import TRUE_SENTENCES

HARMLESS = {"after, where blocking sleeps": "it skips the folio: locked by somebody else",
            "some opposite order deadlocks after": "no",
            "my choice": "folio_trylock", TRUE_SENTENCES: true(TRYLOCK)}
SLEEPS = {"takes the lock": 2, "reads the pointer": 5}
SLEEPS_LATER = {"takes the lock": 9, "reads the pointer": 3}
DEADLOCK = "C2T1C1T2C17"                  # of whoever has no name
WAITS = {"compaction": ("folio 1", 5), "truncation": ("folio 0", 11)}
COST = {"left for the lock": ["shmem, SHM_LOCK, locked", "guest_memfd, locked"],
        "would have been taken": ["shmem, SHM_LOCK, locked"],
        "a skipped folio is": "a false negative, tried again by a later scan"}


def learner_of(mode):
    return next(f"learner {number}" for number in range(100) if check.mode_for(f"learner {number}") == mode)


def test_the_stubs_are_not_solved_yet():
    stubs = [*(check.compaction_sleeps(empty, {}) for empty in (None, ..., "")),
             check.a_deadlock(None, WAITS),
             check.a_deadlock("", {}), check.harmless(dict.fromkeys(HARMLESS, ...)), check.harmless(None),
             check.what_trylock_costs(dict.fromkeys(COST, ...)), check.what_trylock_costs(None)]
    assert all(repr(stub).startswith("Not solved yet") and stub.points(1) == 0 for stub in stubs)


def test_the_solutions_pass():
    for report in (check.compaction_sleeps("T2C7", SLEEPS), check.compaction_sleeps("C7T9", SLEEPS_LATER),
                   check.a_deadlock(DEADLOCK, WAITS),
                   check.harmless(HARMLESS), check.what_trylock_costs(COST)):
        assert report.passed and report.points(1) == 1, report


def test_who_waits_for_whom_is_named():
    report = told(check.a_deadlock(DEADLOCK, dict.fromkeys(WAITS, "folio 7")))
    assert "compaction sleeps at folio_lock(folio 1), and truncation holds that lock" in report
    assert "truncation sleeps at folio_lock(folio 0), and compaction holds that lock" in report


WRONG = [
    ("T2C8", "who sleeps does no step, so the schedule ends before it"),
    ("C8T2", "the other way round: compaction has the lock, and truncation waits"),
    ("C8", "compaction has the lock already: truncation must take it before"),
    ("C13", "compaction has come through to its end"),
    ("T2C4", "go on with C until that is its next step"),
    ("C7T1", "the lock is free: truncation must take it"),
    ("T1C7", "the lock is free: truncation must take it"),
    ("C7T13", "truncation has unlocked the folio already: stop it before"),
    ("T22", "that thread has no step left: stop before"),
    ("sleep", "C2T5C1 is two steps of compaction"),
    (27, "C2T5C1 is two steps of compaction"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=map(str, range(len(WRONG))))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.compaction_sleeps(wrong, SLEEPS)
    assert not report.passed and hint in told(report)


@pytest.mark.parametrize("schedule, waits, hint", [
    ("C2T1C1T2C16", WAITS, "a deadlock must come"),
    ("C2T1C1T2C2", WAITS, "compaction has no folio lock, truncation has folio 1; a deadlock can still come"),
    ("C2T1C1T3C4", WAITS, "truncation has folio 1 and folio 0; a deadlock can come no more"),
    ("C2T1C18", WAITS, "compaction has folio 0, truncation has no folio lock; a deadlock can still come"),
    ("C2T1C19T1", WAITS,
     "compaction has folio 0 and folio 1, truncation has no folio lock; a deadlock can come no more"),
    ("C2T1C1T2C17T1", WAITS, "compaction has folio 0, truncation has folio 1; a deadlock must come"),
    ("no", WAITS, "After no step"),
    ("T3C20", WAITS, "the proof has a shortest deadlock ready"),
    (DEADLOCK, {"compaction": ("folio 0", 12), "truncation": "folio 1"},
     "compaction sleeps at folio_lock(folio 1)"),
    (DEADLOCK, None, "truncation sleeps at folio_lock(folio 0)"),
])
def test_what_is_no_deadlock_is_told_with_who_holds_what(schedule, waits, hint):
    report = check.a_deadlock(schedule, waits)
    assert not report.passed and hint in told(report)


def test_half_right_gives_a_part_of_the_points():
    assert check.compaction_sleeps("T2C7", {"takes the lock": 2}).points(1) == 0
    assert check.harmless(HARMLESS | {TRUE_SENTENCES: "A"}).points(1) == 0
    assert check.a_deadlock(DEADLOCK, WAITS | {"truncation": ("folio 1", 12)}).points(1) == 0
    assert check.what_trylock_costs(COST | {"a skipped folio is": "a bug"}).points(1) == 0.5
    assert check.a_deadlock("C2T1C1T2C16", WAITS).points(1) == 0


@pytest.mark.parametrize("wrong, hint", [
    ({"after, where blocking sleeps": DOES[0]}, "look at the answer of folio_trylock()"),
    ({"after, where blocking sleeps": DOES[2]}, "look at the answer of folio_trylock()"),
    ({"some opposite order deadlocks after": "yes"}, "is in no circle of sleepers"),
    ({"my choice": "folio_lock"}, "a skipped folio costs one candidate"),
    ({"my choice": 7}, "a skipped folio costs one candidate"),
])
def test_wrong_claims_about_the_trylock_have_their_own_hints(wrong, hint):
    report = check.harmless(HARMLESS | wrong)
    assert not report.passed and hint in told(report)


@pytest.mark.parametrize("wrong, hint", [
    ({"left for the lock": ["shmem, SHM_LOCK, locked", "guest_memfd", "guest_memfd, locked"]},
     "'guest_memfd': before says 'isolated', after says 'mapping is unmovable'"),
    ({"left for the lock": ["file, locked", *COST["left for the lock"]]}, "after says 'isolated'. Asked for"),
    ({"left for the lock": ["guest_memfd, locked"]},
     "'shmem, SHM_LOCK, locked': before says 'isolated', after says 'locked by somebody else'"),
    ({"left for the lock": ["everything"]}, "no kind is called 'everything'"),
    ({"left for the lock": {"guest_memfd", "ramfs"}}, "'guest_memfd': before says"),
    ({"left for the lock": 3}, "before says 'isolated'"),
    ({"would have been taken": COST["left for the lock"]},
     "'guest_memfd, locked' without its lock: after says 'mapping is unmovable'"),
    ({"a skipped folio is": "a bug"}, "gives no promise for a single folio"),
    ({"a skipped folio is": "lost for compaction"}, "the next scan that comes by asks it anew"),
    ({"a skipped folio is": 1}, "choose one of 'a bug'"),
])
def test_wrong_costs_have_their_own_hints(wrong, hint):
    report = check.what_trylock_costs(COST | wrong)
    assert not report.passed and hint in told(report)


def test_two_learners_have_different_modes_and_each_others_schedules_fail():
    other = learner_of(kl.Mode())
    assert check.mode_for("") == LEARNERS_MODES[0] != check.mode_for(other)
    assert check.compaction_sleeps("T2C6", SLEEPS, other).passed
    assert not check.compaction_sleeps("T2C6", SLEEPS).passed
    waits = {"compaction": ("folio 1", 6), "truncation": ("folio 0", 10)}
    assert check.a_deadlock("C1T1C3T2C13", waits, other).passed
    assert not check.a_deadlock(DEADLOCK, WAITS, other).passed
    assert check.harmless(HARMLESS | {TRUE_SENTENCES: true(TRYLOCK, other)}, other).passed
    assert set(SKIPPED) >= {COST["a skipped folio is"]}
