"""Lock before you look: the kernels that never were are the wrong answers, each with its own hint."""
import pytest
from answers import changed

import kitlib as kl
from kitlib.check import ex07 as check
from kitlib.kernels import after_unlock, cached, no_null_check


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
    report = check.lock_before_you_look(kl.after.isolate_folio)
    assert report.passed and report.points(6) == 6 and repr(report).endswith("7 of 7 hold.")


WRONG = [
    (kl.racy.isolate_folio, "a pointer that is not NULL is no proof of life. Take the folio lock first"),
    (cached.isolate_folio, "The pointer was read before the lock"),
    (after_unlock.isolate_folio, "The mapping is followed after folio_unlock()"),
    (no_null_check.isolate_folio, "Truncation may be done before you get the lock: then the mapping is NULL"),
    (kl.blocking.isolate_folio, "write folio_trylock()"),
    (kl.before.isolate_folio, "a path that never asks cannot crash, and says nothing"),
    (changed(kl.after.isolate_folio, ("        yield folio_unlock(folio)\n", "")), "Every way out of the lock block goes through folio_unlock()"),
    (changed(kl.after.isolate_folio, ("or (mapping and is_unevictable)", "or mapping")), "Who is locked at all?"),
    (changed(kl.after.isolate_folio, ("or (mapping and is_unevictable)", "or is_unevictable")), "Who is locked at all?"),
    (changed(kl.after.isolate_folio, ("(mode.async_migrate and is_dirty) or (mapping and is_unevictable)",
             "mapping and ((mode.async_migrate and is_dirty) or is_unevictable)")), "Who is locked at all?"),
    (changed(kl.after.isolate_folio, ("if mode.async_migrate and is_dirty:", "if is_dirty:")), "has_migrate_folio() is asked of dirty folios, for a caller in a hurry only"),
    (changed(kl.after.isolate_folio, ("mapping_unmovable(mapping)", "mapping_unmoveable(mapping)")), "NameError: name 'mapping_unmoveable' is not defined"),
    (endless, "what should end it?"),
    (endless_without_a_step, "what should end it?"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.lock_before_you_look(wrong)
    assert not report.passed and report.points(6) < 6 and hint in repr(report)


def test_what_a_helper_reads_past_the_scheduler_is_found():
    by_helper = changed(kl.after.isolate_folio, ("yield folio_test_dirty(folio)", "(lambda it: it.dirty)(folio)"))
    report = check.lock_before_you_look(by_helper)
    assert "folio.dirty is read past the scheduler" in repr(report) and report.points(6) < 6
    by_number = changed(kl.after.isolate_folio, ("yield folio_test_dirty(folio)", "folio.pfn == 0 and (yield folio_test_dirty(folio))"))
    assert check.lock_before_you_look(by_number).passed


def test_what_ends_with_an_error_earns_nothing():
    misspelt = changed(kl.after.isolate_folio, ("mapping_unmovable(mapping)", "mapping_unmoveable(mapping)"))
    assert check.lock_before_you_look(misspelt).points(6) == 0


@pytest.mark.parametrize("kernel", [kl.racy, cached, after_unlock, no_null_check])
def test_the_schedule_in_the_hint_replays_to_the_bug(kernel):
    failing = next(finding for finding in check.lock_before_you_look(kernel.isolate_folio).findings if " by " in finding.came_out)
    bug, schedule = failing.came_out.split(" by ")
    stepper = kl.Stepper(kl.truncation_race(check.made_of("yours", isolate_folio=kernel.isolate_folio)).machine())
    stepper.replay(schedule)
    assert stepper.machine.crash.result.bug == bug and f'replay("{schedule}")' in failing.hint
