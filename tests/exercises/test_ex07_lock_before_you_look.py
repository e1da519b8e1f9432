"""Lock before you look: the kernels that never were are the wrong answers, each with its own hint."""
import pytest
from answers import changed, told
from wrong_kernels import SAFE, UNSAFE, WRONG_KERNELS, own, solution

import kitlib as kl
from kitlib.check import ex07 as check
from kitlib.check.given_beginning import on_the_lru, up_to_the_lock
from kitlib.concurrency.tree import StandIn, domain, fold
from kitlib.mm.verdict import MODES


def stub(folio, mode):
    """Decide on one folio."""
    if not (yield kl.after.PageLRU(folio)):
        return kl.after.isolate_fail("not on the LRU")
    return kl.after.isolate_success()


def endless(folio, mode):
    while not (yield kl.after.folio_trylock(folio)):
        pass


def endless_without_a_step(folio, mode):
    yield kl.after.folio_trylock(folio)
    while True: pass                                                            # noqa: E701


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    assert repr(check.lock_before_you_look(stub)).startswith("Not solved yet: your path takes no folio lock")
    report = check.lock_before_you_look(solution)
    assert report.passed and report.points(6) == 6 and repr(report).endswith("8 of 8 hold.")


WRONG = [
    *((kernel.isolate_folio, kernel.hint) for kernel in WRONG_KERNELS),
    (changed(kl.after.isolate_folio, ("or (mapping and is_unevictable)", "or is_unevictable")),
     "Who is locked at all?"),
    (changed(kl.after.isolate_folio, ("(mode.async_migrate and is_dirty) or (mapping and is_unevictable)",
             "mapping and ((mode.async_migrate and is_dirty) or is_unevictable)")), "Who is locked at all?"),
    (changed(kl.after.isolate_folio, ("if mode.async_migrate and is_dirty:", "if is_dirty:")),
     "has_migrate_folio() is asked of dirty folios, for a caller in a hurry only"),
    (changed(kl.after.isolate_folio, ("mapping_unmovable(mapping)", "mapping_unmoveable(mapping)")),
     "NameError: name 'mapping_unmoveable' is not defined"),
    (endless, "what should end it?"),
    (endless_without_a_step, "what should end it?"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.lock_before_you_look(wrong)
    assert not report.passed and report.points(6) < 6 and hint in told(report)


def runs(path, mode):
    """Every run of a path over all answers, as ((step, answer), ...), and what it returned."""
    def answers(step):
        return domain(step, lambda kind: [MAPPING])

    def node(step, children):
        return {((step.name, answer), *run): returned for answer, those in children
                for run, returned in those.items()}

    return fold(lambda: path(FOLIO, mode), answers, lambda returned: {(): returned}, node)


FOLIO, MAPPING = StandIn("folio"), StandIn("mapping")
BEGINNINGS = {on_the_lru: "folio_test_unevictable", up_to_the_lock: "folio_test_dirty"}


def is_the_beginning(path, isolate_folio, mode):
    """Whether each run of isolate_folio begins as one of `path`, and ends with it or goes on from there."""
    whole = runs(isolate_folio, mode)
    for run, (refused, *handed_on) in runs(path, mode).items():
        if refused:
            if whole.pop(run, None) != refused:
                return False
            continue
        heard = dict(run)
        if handed_on != [heard["folio_mapping"], heard.get("folio_test_unevictable")][:len(handed_on)]:
            return False
        longer = [each for each in whole if each[:len(run)] == run]
        if not longer or {each[len(run)][0] for each in longer} != {BEGINNINGS[path]}:
            return False
        for each in longer:
            del whole[each]
    return not whole


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("path", BEGINNINGS, ids=lambda path: path.__name__)
def test_what_is_given_to_a_learner_is_the_beginning_of_the_kernels_decision(path, mode):
    assert is_the_beginning(path, kl.after.isolate_folio, mode)


@pytest.mark.parametrize("old, new", [
    ("if not mapping and (yield folio_has_extra_refs(folio))", "if (yield folio_has_extra_refs(folio))"),
    ('"left the LRU"', '"not on the LRU"'), ("if not mode.gfp_fs and mapping", "if not mode.gfp_fs"),
    ("if not mode.unevictable and is_unevictable", "if is_unevictable"),
    ("if not (yield folio_test_lru(folio))", "if not (yield PageLRU(folio))"),
    ("    is_dirty = yield", "    yield folio_test_lru(folio)\n    is_dirty = yield"),
    ("    mapping = yield folio_mapping(folio)\n    if not", "    mapping = None\n    if not")])
def test_a_kernel_that_begins_otherwise_is_noticed(old, new):
    otherwise = changed(kl.after.isolate_folio, (old, new))
    assert not all(is_the_beginning(up_to_the_lock, otherwise, mode) for mode in MODES)


def test_what_a_helper_reads_past_the_scheduler_is_found():
    by_helper = own(("yield folio_test_dirty(folio)", "(lambda it: it.dirty)(folio)"))
    report = check.lock_before_you_look(by_helper)
    assert "folio.dirty is read past the scheduler" in repr(report) and report.points(6) < 6
    by_number = own(("yield folio_test_dirty(folio)",
                         "folio.pfn == 0 and (yield folio_test_dirty(folio))"))
    assert check.lock_before_you_look(by_number).passed


def test_what_ends_with_an_error_earns_nothing():
    misspelt = changed(kl.after.isolate_folio, ("mapping_unmovable(mapping)", "mapping_unmoveable(mapping)"))
    assert check.lock_before_you_look(misspelt).points(6) == 0


def points_of(kernel):
    return check.lock_before_you_look(kernel.isolate_folio).points(6)


@pytest.mark.parametrize("kernel", WRONG_KERNELS, ids=lambda kernel: kernel.name)
def test_safe_in_every_order_is_the_gate_and_the_rest_counts_behind_it(kernel):
    assert points_of(kernel) == kernel.points


def test_no_unsafe_kernel_earns_more_than_a_safe_one():
    assert max(map(points_of, UNSAFE)) <= min(map(points_of, SAFE)) and len(UNSAFE) > 10


@pytest.mark.parametrize("kernel", UNSAFE, ids=lambda kernel: kernel.name)
def test_the_schedule_in_the_hint_replays_to_the_bug(kernel):
    report = check.lock_before_you_look(kernel.isolate_folio)
    gate, = [finding for finding in report.findings if " by " in finding.came_out]
    bug, schedule = gate.came_out.split(" by ")
    assert schedule == kernel.schedule and f'replay("{schedule}")' in gate.hint
    yours = check.made_of("yours", isolate_folio=kernel.isolate_folio)
    stepper = kl.Stepper(kl.truncation_race(yours).machine())
    stepper.replay(schedule)
    crash = stepper.machine.crash
    assert crash.result.bug == bug if crash else bug == "deadlock" and not stepper.machine.ready


def test_in_some_order_the_lock_is_had_too_late_even_where_that_crashes():
    no_null_check = next(kernel for kernel in UNSAFE if kernel.name == "no_null_check")
    text = repr(check.lock_before_you_look(no_null_check.isolate_folio))
    assert "in some order you get the lock after the folio has left its mapping: yes" in text
