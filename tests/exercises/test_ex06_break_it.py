"""Break it in the fewest switches: a schedule is replayed, and compared with every other one."""
import numpy as np
import pytest

import kitlib as kl
from kitlib.check import ex06 as check
from kitlib.check.ex06_break_it import CASES, RACES, switches

UAF, NULL = "use after free", "null dereference"
SOLUTION = {
    "racy": ("C3T21C1", UAF),
    "cached": ("C7T21C2", UAF),
    "after_unlock": ("C11T21C1", UAF),
    "no_null_check": ("C7T13C3", NULL),
    "after, unlock_early": ("T7C9T13C1", UAF),
    "after_unlock, unlock_early": ("C11T20C1", UAF),
}
TWO_FOLIOS = {
    "racy": ("C3T35C1", UAF),
    "cached": ("C7T35C2", UAF),
    "after_unlock": ("C11T35C1", UAF),
    "no_null_check": ("C7T13C3", NULL),
    "after, unlock_early": ("T7C9T26C1", UAF),
    "after_unlock, unlock_early": ("C11T33C1", UAF),
}
CLAIM = {"some schedule crashes": "no", "how I know": "every state was looked at", "states": 337,
         "schedules": 63_494_898}


def learner_of(race):
    return next(f"learner {number}" for number in range(100) if check.race_for(f"learner {number}") == race)


@pytest.mark.parametrize("stub",
                         [dict.fromkeys(CASES), {}, None, [], "C3T21C1", dict.fromkeys(CASES, ...),
                          dict.fromkeys(CASES, "")])
def test_the_stub_is_not_solved_yet(stub):
    report = check.break_it(stub)
    assert repr(report).startswith("Not solved yet") and report.points(4) == 0


def test_the_solution_passes():
    report = check.break_it(SOLUTION)
    assert report.passed and report.points(4) == 4 and repr(report).endswith("18 of 18 hold.")


def test_lists_and_longer_schedules_with_as_few_switches_pass_too():
    assert check.break_it(SOLUTION | {"racy": ["C3 T21 C", UAF], "no_null_check": ("C5T16C5", NULL)}).passed


WRONG = [
    ({"racy": ("C1T21C3", UAF)},
     "too early: C1T7 could still crash, but not step 9, page_cache_delete(A, folio 0) of truncation"),
    ({"racy": ("T21C1", UAF)}, "Compaction stands before PageLRU(folio 0)"),
    ({"racy": ("C4T21C1", UAF)}, "an answer cannot dangle"),
    ({"cached": ("C8T1C5", UAF)}, "From here on compaction has the folio lock"),
    ({"cached": ("C7T2C2T19", UAF)}, "Truncation holds the folio lock just now, so compaction gives up"),
    ({"racy": ("C3T21", UAF)}, "it stops just before the crash: one more C"),
    ({"cached": ("C7T21", UAF)}, "it stops while it can still crash: go on with C"),
    ({"racy": ("C3T20", UAF)}, "it stops while it can still crash: go on with T"),
    ({"racy": ("C1T1C2T20C1", UAF)}, "with a switch that it does not need"),
    ({"after_unlock, unlock_early": ("C7T7C2T13C1", UAF)},
     "no schedule has fewer steps than yours, and yet one has fewer switches"),
    ({"cached": ("C8T21C2", UAF)}, "a thread that waits for a lock has no step"),
    ({"racy": ("C3T22C1", UAF)}, "at step 25, truncation has ended"),
    ({"racy": ("C3T22C1", UAF)}, "C3T21 is as far as it goes; it stops just before the crash: one more C"),
    ({"racy": ("C3T21C2", UAF)}, "leave out what comes after the crash"),
    ({"racy": ("3C21T", UAF)}, "C2T5C1 is two steps of compaction"),
    ({"racy": (31, UAF)}, "C2T5C1 is two steps of compaction"),
    ({"no_null_check": ("C7T13C3", UAF)},
     "the last step is mapping_unmovable(None): the mapping is NULL, and it is read"),
    ({"racy": "C3T21C1"}, "the last step is mapping_unmovable(A): A was freed"),
    ({"racy": None}, "copy the schedule from the field"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.break_it(SOLUTION | wrong)
    assert not report.passed and hint in repr(report) and 3 <= report.points(4) < 4


def test_half_of_the_kernels_broken_gives_half_of_the_points():
    report = check.break_it(dict(list(SOLUTION.items())[:3]))
    assert not report.passed and report.points(4) == 2


def test_two_learners_have_different_races_and_each_others_answers_fail():
    other = learner_of({"folios": 2})
    assert check.break_it(TWO_FOLIOS, other).passed
    assert not check.break_it(TWO_FOLIOS).passed and not check.break_it(SOLUTION, other).passed
    assert {learner_of(race) for race in RACES if race} and check.race_for("") == {}


def fewest_switches_to_a_crash(graph):
    """By brute force: what can be reached with one run of one thread, with two, ..."""
    reached, switched = {0}, 0
    while True:
        for at, name in [(at, name) for at in reached for name in graph.names]:
            while (at := dict(graph.successors(at)).get(name)) is not None:
                reached = reached | {at}
        if any(graph.endings.get(at) for at in reached):
            return switched
        switched += 1


@pytest.mark.parametrize("race", RACES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_the_schedule_with_the_fewest_switches_crashes_every_learners_race_and_none_has_fewer(case, race):
    kernel, truncate = CASES[case]
    proof = kl.prove(kl.truncation_race(kernel, truncate=truncate, **race))
    stepper = kl.Stepper(proof.scenario.machine())
    stepper.replay(proof.fewest_switches)
    assert stepper.machine.crash and stepper.text == proof.fewest_switches
    fewest = fewest_switches_to_a_crash(proof.graph)
    assert switches(proof.fewest_switches) == fewest <= switches(proof.shortest)


def test_the_bug_of_after_unlock_is_as_rare_as_the_hint_says():
    proof = kl.prove(kl.truncation_race(kl.after_unlock))
    assert proof.failing_schedules * 5_000_000 < proof.schedules


def test_whether_it_can_be_broken_is_read_from_the_proof():
    assert all(repr(check.no_order_breaks_it(stub)).startswith("Not solved yet")
               for stub in (None, {}, dict.fromkeys(CLAIM, ...)))
    assert check.no_order_breaks_it(CLAIM).passed
    answer = {"some schedule crashes": " No", "how I know": "Every state was  looked at",
            "states": np.int64(337), "schedules": "63,494,898"}
    assert check.no_order_breaks_it(answer).passed
    assert check.no_order_breaks_it(CLAIM, learner_of({"folios": 2})).points(1) == 0.5


@pytest.mark.parametrize("wrong, hint", [
    ({"some schedule crashes": "yes"}, "SAFE is said of all schedules"),
    ({"how I know": "many were tried"},
     "in the race of notebook 06 the bug of after_unlock shows in less than one schedule of 5,000,000"),
    ({"how I know": "it is in v6.8"}, "what is merged can still be wrong"),
    ({"how I know": "because"}, "choose one of 'many were tried'"),
    ({"states": 618}, "that is the number of transitions"),
    ({"schedules": 337}, "that is the number of states"),
    ({"states": "many"}, "with the race of your own name"),
])
def test_wrong_claims_have_their_own_hints(wrong, hint):
    report = check.no_order_breaks_it(CLAIM | wrong)
    assert not report.passed and hint in repr(report)
