"""The explorer finds what a search over all schedules finds, and says loudly what it cannot tell."""
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from small_programs import Bits, program, read, trylock, unlock, walk, write

import kitlib as kl
from kitlib.concurrency.automaton import Chain, RepeatUntil
from kitlib.concurrency.explore import FATES, prove
from kitlib.concurrency.graph import PathError
from kitlib.concurrency.sched import Scenario, ScheduleError, StepLimit, read_schedule, schedule_text
from kitlib.step import KernelBug, atomic

PROGRAMS = 2000


def every_schedule(scenario):
    """(schedule, bug or None, final memory) of every whole schedule: each is run alone, nothing is merged."""
    machine, waiting = scenario.machine(), [()]
    while waiting:
        schedule = waiting.pop()
        machine.reset()
        try:
            for name in schedule:
                machine.step(name)
        except KernelBug as bug:
            yield schedule, bug.bug, scenario.memory.snapshot()
            continue
        if machine.ready:
            waiting += [(*schedule, name) for name in machine.ready]
        else:
            yield schedule, "deadlock" if machine.next else None, scenario.memory.snapshot()


def switches(schedule):
    return sum(one != other for one, other in pairwise(schedule))


def endings(proof):
    """The set of (bug or None, final memory) of the merged search; a bug's memory is that before it."""
    graph = proof.graph
    memories = {number: graph.memories[graph.states[number] >> graph.top] for number in graph.endings}
    return {(bug, graph.memories[memories[number][1]] if memories[number][0] == bug else memories[number])
            for number, bug in graph.endings.items()}


@pytest.mark.parametrize("chunk", range(20))
def test_merged_search_equals_the_search_over_all_schedules(chunk):
    size = PROGRAMS // 20
    for seed in range(chunk * size, (chunk + 1) * size):
        scenario = program(seed)
        proof, every = prove(scenario), list(every_schedule(program(seed)))
        failing = [schedule for schedule, bug, _ in every if bug]
        assert proof.safe == (not failing), seed
        assert (proof.schedules, proof.failing_schedules) == (len(every), len(failing)), seed
        assert endings(proof) == {(bug, memory) for _, bug, memory in every}, seed
        assert set(proof.bugs) == {bug for _, bug, _ in every if bug}, seed
        assert failing or proof.fewest_switches is None, seed
        if failing:
            best = min((len(schedule), switches(schedule)) for schedule in failing)
            shortest = kl.Stepper(scenario.machine())
            shortest.replay(proof.shortest)
            assert (len(shortest.schedule), switches(shortest.schedule)) == best, seed
            fewest_switches = kl.Stepper(scenario.machine())
            fewest_switches.replay(proof.fewest_switches)
            assert tuple(fewest_switches.schedule) in failing, seed
            best = min((switches(schedule), len(schedule)) for schedule in failing)
            assert (switches(fewest_switches.schedule), fewest_switches.t) == best, seed
            bugs = {schedule: bug for schedule, bug, _ in every}
            assert proof.bug == bugs[tuple(shortest.schedule)], seed


def test_the_random_programs_have_every_sort_of_ending():
    bugs = {prove(program(seed)).bug for seed in range(300)}
    assert bugs == {None, "planted", "deadlock", "unlock without lock"}


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_a_coin_flip_is_the_average_of_fair_choices(seed):
    def chance(machine, schedule):
        machine.reset()
        try:
            for name in schedule:
                machine.step(name)
        except KernelBug:
            return 1.0
        ready = machine.ready
        if not ready:
            return float(bool(machine.next))
        return sum(chance(machine, (*schedule, name)) for name in ready) / len(ready)

    proof = prove(program(seed, most=6))
    assert proof.coin_flip == pytest.approx(chance(program(seed, most=6).machine(), ()))


@pytest.mark.parametrize("seed", range(100))
def test_the_fate_of_every_state_is_that_of_the_schedules_from_there(seed):
    scenario = program(seed, most=5)
    proof = prove(scenario)
    every = [(schedule, bug) for schedule, bug, _ in every_schedule(program(seed, most=5))]
    stepper = kl.Stepper(scenario.machine())
    for schedule, _ in every[:20]:
        for t in range(len(schedule) + 1):
            fails = [bug is not None for other, bug in every if other[:t] == schedule[:t]]
            stepper.schedule = list(schedule)
            stepper.jump(t)
            assert proof.fate(stepper.text) == FATES[any(fails) + all(fails)]


def test_exploring_leaves_the_memory_as_it_was():
    scenario = kl.truncation_race(kl.racy)
    before = scenario.memory.snapshot()
    prove(scenario)
    assert scenario.memory.snapshot() == before


def test_the_same_scenario_gives_the_same_proof():
    first, again = (prove(kl.truncation_race(kl.racy, folios=2)) for _ in range(2))
    assert repr(first) == repr(again) and first.bugs == again.bugs
    assert first.graph.states == again.graph.states


def spinning():
    """A thread that tries a lock again and again, and one that holds it for a while."""
    memory = Bits(1)

    def attempt():
        if not (yield trylock(memory)):
            return False
        yield unlock(memory)
        return True

    def holder():
        yield trylock(memory)
        yield write(memory, 0, True)
        yield unlock(memory)

    return Scenario("a thread that spins", memory, {"spinner": RepeatUntil(attempt), "holder": holder})


def test_a_loop_has_no_number_of_schedules_and_yet_a_verdict():
    scenario = spinning()
    proof = prove(scenario)
    assert proof.bug == "unlock without lock", "the holder does not look whether it got the lock"
    assert proof.schedules is proof.failing_schedules is proof.coin_flip is None
    assert "a schedule can go on for ever" in proof.why_no_count
    assert proof.fate() == "can crash"
    assert len(read_schedule(proof.bugs["unlock without lock"], scenario.paths)) == 5
    assert proof.fate(proof.shortest) == "must crash"


def test_always_and_sometimes_are_asked_after_every_step():
    scenario = replace(
        kl.truncation_race(kl.after), always={"folio is clean": lambda zone, event: zone.folio(0).dirty},
        sometimes={"trylock fails": lambda zone, event: event.step == "folio_trylock" and not event.result,
                   "a clean folio is locked by compaction": lambda zone, event: False})
    proof = prove(scenario)
    assert proof.bug == "folio is clean" and proof.shortest == "T4"
    assert proof.sometimes == {"trylock fails": True, "a clean folio is locked by compaction": False}
    stepper = kl.Stepper(scenario.machine())
    stepper.replay("T4")
    assert stepper.machine.crash.result.bug == "folio is clean"
    vacuous = prove(replace(scenario, always={}))
    assert vacuous.safe and "yet no schedule shows: a clean folio is locked by compaction" in repr(vacuous)


def test_a_limit_that_is_hit_is_no_proof():
    proof = prove(kl.truncation_race(kl.after), limit=100)
    assert proof.safe is None and not proof and proof.schedules is None
    assert repr(proof).startswith("NO PROOF") and "the limit of 100 states was hit" in repr(proof)
    assert [proof.state_after(schedule) for schedule in ("", "C1", "T1")] == [0, 1, 2]
    with pytest.raises(ValueError, match="no fate is known: the limit of 100 states was hit"):
        proof.fate("C1")
    stays_dirty = {"stays dirty": lambda zone, event: zone.folio(0).dirty}
    broken = prove(replace(kl.truncation_race(kl.after), always=stays_dirty), limit=20)
    assert broken.safe is False and broken.bug == "stays dirty", "what was found before the limit stands"


def kernel_that(function):
    return type("Kernel", (), {"isolate_folio": staticmethod(function), "__name__": "learners"})


def test_the_learners_own_error_is_told_with_its_schedule_and_never_as_a_race():
    def isolate_folio(folio, mode):
        mapping = yield kl.mm.folio_mapping(folio)
        return mapping.name.nothing if mapping is None else kl.Verdict("isolate_success")

    says = r"compaction raised AttributeError.* this schedule leads to it: T8C1$"
    with pytest.raises(PathError, match=says) as raised:
        prove(kl.truncation_race(kernel_that(isolate_folio)))
    assert isinstance(raised.value.__cause__, AttributeError)


def test_what_is_no_step_is_told_with_its_schedule():
    def isolate_folio(folio, mode):
        yield kl.mm.folio_mapping(folio)
        yield "folio_put"

    with pytest.raises(PathError, match="a path yields steps, not 'folio_put': write `yi.* leads to it: C1$"):
        prove(kl.truncation_race(kernel_that(isolate_folio)))


def test_a_path_that_fails_before_its_first_step_is_told():
    def isolate_folio(folio, mode):
        raise ZeroDivisionError
        yield

    with pytest.raises(PathError, match="compaction raised ZeroDivisionError.*before the first step$"):
        prove(kl.truncation_race(kernel_that(isolate_folio)))


def test_a_thread_that_does_no_step_has_ended():
    memory = Bits(2)
    ended = partial(walk, memory, ())
    one_step = partial(walk, memory, (("write", 0, True),))
    proof = prove(Scenario("one step", memory, {"a": one_step, "b": ended}))
    assert (proof.safe, proof.states, proof.schedules) == (True, 2, 1)
    assert prove(Scenario("no step", memory, {"a": ended, "b": ended})).schedules == 1


def test_a_path_that_never_ends_meets_the_step_limit():
    def isolate_folio(folio, mode):
        while True:
            yield kl.mm.folio_mapping(folio)

    def nothing():
        return
        yield

    with pytest.raises(StepLimit, match="goes on after 200 steps: look for a loop that never leaves"):
        prove(kl.truncation_race(kernel_that(isolate_folio)))
    with pytest.raises(StepLimit, match="a loop without a step never leaves"):
        prove(Scenario("empty loop", Bits(1), {"a": RepeatUntil(nothing)}))


def test_an_answer_that_the_annotation_does_not_name_is_told():
    @atomic
    def age(memory) -> bool:
        return 3

    memory = Bits(1)

    def path():
        yield age(memory)

    with pytest.raises(PathError, match=r"age\(.*\) answered 3, which its return annotation does not say"):
        prove(Scenario("wrong annotation", memory, {"a": path}))


@pytest.mark.parametrize("text, says", [
    ("X3", "no thread is called X: write C (compaction), T (truncation)"),
    ("c4t1", "'c4t1' is no schedule: write who does how many steps, as C2T2"),
    ("C T " * 40 + "!", "is no schedule: write who does how many steps"),
    ("C4T99", "C4T99 cannot be followed: at step 26, truncation has ended"),
    ("C8T4", "C8T4 cannot be followed: at step 10, truncation sleeps at folio_lock(folio 0)"),
    ("C99999999", "goes on too long"),
])
def test_a_schedule_is_refused_at_the_first_impossible_step(text, says):
    stepper = kl.Stepper(kl.truncation_race(kl.after).machine())
    stepper.replay("C2T1")
    with pytest.raises(ScheduleError) as refused:
        stepper.replay(text)
    assert says in str(refused.value)
    assert (stepper.text, stepper.t) == ("C2T1", 3), "what was there before is kept"


def test_the_proof_refuses_the_same_schedules():
    proof = prove(kl.truncation_race(kl.after))
    says = "C8T4 cannot be followed: at step 10, truncation sleeps or has ended"
    with pytest.raises(ScheduleError, match=says):
        proof.fate("C8T4")


def test_a_stepper_goes_on_until_a_thread_sleeps_and_back_from_a_crash():
    stepper = kl.Stepper(kl.truncation_race(kl.racy).machine())
    stepper.replay("C3")
    assert len(stepper.run("truncation")) == 21 and "truncation" in stepper.machine.results
    crash = stepper.step("compaction")
    assert crash.result.bug == "use after free" and stepper.text == "C3T21C1" and stepper.machine.ready == []
    with pytest.raises(ValueError, match="the kernel has crashed: A was freed, and it is read"):
        stepper.step("compaction")
    stepper.back()
    assert stepper.t == 24 and stepper.machine.ready == ["compaction"] and not stepper.machine.crash
    stepper.jump(4)
    assert stepper.run("compaction")[0].step == "mapping_unmovable" and stepper.schedule[4] == "compaction"


@pytest.mark.parametrize("names, text", [
    (["compaction", "truncation"], "C2T1"), (["compaction a", "compaction b", "truncation"], "Ca2T1"),
    (["x"], "X3")])
def test_a_schedule_is_written_and_read_both_ways(names, text):
    schedule = read_schedule(text, names)
    assert schedule_text(schedule, names) == text
    assert read_schedule(text.replace("T", " T "), names) == schedule


def test_paths_in_turn_are_one_path():
    memory = Bits(2)

    def first():
        return (yield read(memory, 0))

    def second(told):
        yield write(memory, 1, not told)
        return "done"

    machine = kl.run(kl.Machine(memory, {"a": Chain(first, second)}))
    assert memory.bits == [False, True] and machine.results["a"] == "done"
