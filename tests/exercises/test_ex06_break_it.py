"""Break it in the fewest switches: a schedule is replayed, and compared with every other one."""
import numpy as np
import pytest
from answers import told

import kitlib as kl
from kitlib.check import ex06 as check
from kitlib.check.ex06_break_it import CASES, RACES, fewest_from, learners_proof, read_and_spoiled, switches
from kitlib.concurrency.sched import schedule_text

UAF, NULL = "use after free", "null dereference"
SOLUTION = {                        # of whoever has no name
    "racy": ("T2C1T2C2T17C1", UAF, 7, 24),
    "cached": ("T2C2T2C1T17C6", UAF, 7, 24),
    "after_unlock": ("C2T1C9T20C1", UAF, 10, 32),
    "no_null_check": ("T3C3T10C7", NULL, 22, 11),
    "after, unlock_early": ("C2T1C3T3C4T16C1", UAF, 13, 29),
    "after_unlock, unlock_early": ("C3T2C4T2C2T16C1", UAF, 13, 29),
}
CLAIM = {"some schedule crashes": "no", "how I know": "every state was looked at",
         "the pointer is read at": [5, 30], "the inode is freed at": 27}


def learner_of(race):
    return next(f"learner {number}" for number in range(100) if check.race_for(f"learner {number}") == race)


def with_few_switches(learner):
    """A learner's answers, by going on with one thread for as long as it goes, then with the other."""
    return {case: _crash(learners_proof(case, learner), beginning)
            for case, beginning in check.beginnings_for(learner).items()}


def _crash(proof, beginning):
    graph, layer = proof.graph, {}
    stepper = kl.Stepper(proof.scenario.machine())
    stepper.replay(beginning)
    ways, at = [event.thread for event in stepper.machine.trace], 0
    for name in ways:
        at = dict(graph.successors(at))[name]
    layer, turn = {at: ways}, ways[-1]
    while True:
        grown = dict(layer)
        for at, way in layer.items():
            while (at := dict(graph.successors(at)).get(turn)) is not None and at not in grown:
                grown[at] = way = [*way, turn]
        crashed = [way for at, way in grown.items() if graph.endings.get(at)]
        if crashed:
            schedule = schedule_text(min(crashed, key=len), graph.names)
            stepper = kl.Stepper(proof.scenario.machine())
            stepper.replay(schedule)
            return schedule, proof.bug, *read_and_spoiled(stepper)
        layer, turn = grown, next(name for name in graph.names if name != turn)


@pytest.mark.parametrize("stub",
                         [dict.fromkeys(CASES), {}, None, [], "C3T21C1", dict.fromkeys(CASES, ...),
                          dict.fromkeys(CASES, "")])
def test_the_stub_is_not_solved_yet(stub):
    report = check.break_it(stub)
    assert repr(report).startswith("Not solved yet") and report.points(4) == 0


def test_the_solution_passes():
    report = check.break_it(SOLUTION)
    assert report.passed and report.points(4) == 4 and repr(report).endswith("24 of 24 hold.")


def test_lists_and_longer_schedules_with_as_few_switches_pass_too():
    spaced = {"racy": ["T2 C1 T2 C2 T17 C", UAF, 7, 24], "no_null_check": ("T3C3T16C7", NULL, 28, 11)}
    assert check.break_it(SOLUTION | spaced).passed


WRONG = [
    ({"racy": ("T2C1T19C1", UAF)},
     "too early: T2C1T5 could still crash, but not step 9, page_cache_delete(A, folio 0) of truncation"),
    ({"racy": ("T2C1T19C1", UAF)}, "Compaction stands before folio_get_nontail_page(folio 0)"),
    ({"racy": ("T2C1T2C3T17C1", UAF)}, "an answer cannot dangle"),
    ({"after, unlock_early": ("C2T1C12", UAF)}, "From here on compaction has the folio lock"),
    ({"cached": ("T2C2T2C6", UAF)}, "Truncation holds the folio lock just now, so compaction gives up"),
    ({"racy": ("T2C1T2C2T17", UAF)}, "it stops just before the crash: one more C"),
    ({"cached": ("T2C2T2C5T17", UAF)}, "it stops while it can still crash: go on with C"),
    ({"racy": ("T2C1T2C2T16", UAF)}, "it stops while it can still crash: go on with T"),
    ({"racy": ("T2C1T2C1T1C1T16C1", UAF)}, "with a switch that it does not need"),
    ({"racy": ("C3T21C1", UAF)}, "play T2C1T2 first, in your own race: then go on from where both stand"),
    ({"after_unlock": ("C2T1C6T2", UAF)}, "a thread that waits for a lock has no step"),
    ({"racy": ("T2C1T2C2T18C1", UAF)}, "at step 25, truncation has ended"),
    ({"racy": ("T2C1T2C2T18C1", UAF)},
     "T2C1T2C2T17 is as far as it goes; it stops just before the crash: one more C"),
    ({"racy": ("T2C1T2C2T17C2", UAF)}, "leave out what comes after the crash"),
    ({"racy": ("3C21T", UAF)}, "C2T5C1 is two steps of compaction"),
    ({"racy": (31, UAF)}, "C2T5C1 is two steps of compaction"),
    ({"no_null_check": ("T3C3T10C7", UAF)},
     "the last step is mapping_unmovable(None): the mapping is NULL, and it is read"),
    ({"racy": "T2C1T2C2T17C1"}, "the last step is mapping_unmovable(A): A was freed"),
    ({"racy": None}, "copy the schedule from the field"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.break_it(SOLUTION | wrong)
    assert not report.passed and hint in told(report) and 3 <= report.points(4) < 4


def test_a_crash_whose_steps_are_not_named_earns_nothing_and_of_one_case_little():
    bare = {case: answer[:2] for case, answer in SOLUTION.items()}
    assert check.break_it(bare).points(4) == 0
    report = check.break_it(SOLUTION | {"racy": ("T2C1T2C2T17C1", UAF, 24, 7)})
    assert report.points(4) == 3.5 and "without its steps it does not count" in repr(report)


def test_half_of_the_kernels_broken_gives_half_of_the_points():
    report = check.break_it(dict(list(SOLUTION.items())[:3]))
    assert not report.passed and report.points(4) == 2


@pytest.mark.parametrize("learner", ["", "nina", "nina9", "max", "Ada"])
def test_what_the_proof_has_ready_earns_nothing_and_every_learners_beginning_can_be_gone_on_from(learner):
    proofs = {case: learners_proof(case, learner) for case in CASES}
    ready = {case: (proof.fewest_switches, proof.bug) for case, proof in proofs.items()}
    assert check.break_it(ready, learner).points(4) == 0
    assert check.break_it(with_few_switches(learner), learner).passed


def test_two_learners_have_different_beginnings_and_each_others_answers_fail():
    names = ["", "nina", "nina9", "max", *map(str, range(20))]
    assert len({tuple(check.beginnings_for(name).values()) for name in names}) == len(names)
    assert not check.break_it(with_few_switches("nina"), "nina9").passed
    assert not check.break_it(SOLUTION, "nina").passed


def test_the_races_are_dealt_out_evenly_and_none_is_longer():
    dealt = [check.race_for(f"learner {number}") for number in range(400)]
    assert all(70 < dealt.count(race) < 130 for race in RACES) and not any("folios" in race for race in RACES)


@pytest.mark.parametrize("case", CASES)
def test_no_schedule_with_this_beginning_has_fewer_switches(case):
    proof, beginning = learners_proof(case, "Ada"), check.beginnings_for("Ada")[case]
    assert switches(with_few_switches("Ada")[case][0]) == fewest_from(proof, beginning)


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


def test_whether_it_can_be_broken_is_read_from_the_proof_and_when_from_the_schedule():
    assert all(repr(check.no_order_breaks_it(stub)).startswith("Not solved yet")
               for stub in (None, {}, dict.fromkeys(CLAIM, ...)))
    assert check.no_order_breaks_it(CLAIM).passed
    answer = {"some schedule crashes": " No", "how I know": "Every state was  looked at",
            "the pointer is read at": (np.int64(30), 5), "the inode is freed at": "27"}
    assert check.no_order_breaks_it(answer).passed and check.replay_for() == "T2C6T19C5"
    assert check.no_order_breaks_it(CLAIM, learner_of({"dirty": False})).points(1) == 0


@pytest.mark.parametrize("wrong, hint", [
    ({"some schedule crashes": "yes"}, "SAFE is said of all schedules"),
    ({"how I know": "many were tried"},
     "in the race of notebook 06 the bug of after_unlock shows in less than one schedule of 5,000,000"),
    ({"how I know": "it is in v6.8"}, "what is merged can still be wrong"),
    ({"how I know": "because"}, "choose one of 'many were tried'"),
    ({"the pointer is read at": [5]}, "so it may be read twice"),
    ({"the pointer is read at": 5}, "count from 1"),
    ({"the inode is freed at": 14}, "truncation is not done when the folio has left its mapping"),
])
def test_wrong_claims_have_their_own_hints(wrong, hint):
    report = check.no_order_breaks_it(CLAIM | wrong)
    assert not report.passed and hint in told(report)
