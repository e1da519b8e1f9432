"""Running and stepping paths: one place records, every position is reached by replay."""
import pytest

import kitlib as kl
from kitlib.mm.folio import folio_put, folio_test_dirty, folio_trylock, folio_unlock
from kitlib.step import Deadlock


def machine(kind="guest_memfd", kernel=kl.after):
    folio = kl.one_folio(kind)
    return kl.Machine(folio.zone, {"compaction": lambda: kernel.isolate_folio(folio, kl.Mode())})


def test_a_machine_and_run_path_end_alike():
    for kind in ("guest_memfd", "anon", "ramfs", "anon, pinned"):
        stepped = kl.run(machine(kind))
        folio = kl.one_folio(kind)
        assert stepped.results["compaction"] == kl.run_path(kl.after.isolate_folio(folio, kl.Mode()))
        assert stepped.memory.snapshot() == folio.zone.snapshot()


def test_the_trace_has_every_step_once_and_in_order():
    done = kl.run(machine())
    assert [event.t for event in done.trace] == list(range(1, 12))
    assert [event.step for event in done.trace][6:] == [
        "folio_trylock", "folio_mapping", "mapping_unmovable", "folio_unlock", "folio_put"]
    assert {event.thread for event in done.trace} == {"compaction"}


def test_the_next_step_is_known_before_it_is_done():
    begun = machine()
    assert repr(begun.next["compaction"]) == "PageLRU(folio 0)" and begun.trace == []


def test_going_back_brings_the_memory_back():
    stepper = kl.Stepper(machine("anon"))
    seen = [stepper.machine.memory.snapshot()]
    while stepper.machine.next:
        stepper.step()
        seen.append(stepper.machine.memory.snapshot())
    for t in reversed(range(len(seen))):
        stepper.jump(t)
        assert (stepper.t, stepper.machine.memory.snapshot()) == (t, seen[t])
    stepper.back()
    assert stepper.t == 0
    stepper.jump(len(seen) - 1)
    assert stepper.machine.results["compaction"].isolated


def test_a_new_turn_forgets_the_old_future():
    folio = kl.one_folio("anon")

    def path():
        yield folio_test_dirty(folio)
        yield folio_test_dirty(folio)

    stepper = kl.Stepper(kl.Machine(folio.zone, {"a": path, "b": path}))
    for name in "aab":
        stepper.step(name)
    stepper.jump(1)
    assert stepper.step().thread == "a" and stepper.schedule == list("aab")
    stepper.back()
    stepper.step("b")
    assert stepper.schedule == list("ab")


def test_a_lock_makes_the_other_thread_sleep_until_it_is_free():
    folio = kl.one_folio("anon")

    @kl.atomic(when=lambda folio: not folio.locked)
    def folio_lock(folio) -> None:
        folio.locked = True

    def holder():
        yield folio_trylock(folio)
        yield folio_unlock(folio)

    def waiter():
        yield folio_lock(folio)

    both = kl.Machine(folio.zone, {"holder": holder, "waiter": waiter})
    both.step("holder")
    assert both.ready == ["holder"]
    with pytest.raises(Deadlock, match="waiter sleeps at folio_lock"):
        both.step("waiter")
    both.step("holder")
    assert both.ready == ["waiter"]
    kl.run(both)
    assert folio.locked
    with pytest.raises(Deadlock, match="waiter sleeps"):
        kl.run(kl.Machine(folio.zone, {"waiter": waiter}))


@pytest.mark.parametrize("act, says", [
    (lambda s: s.machine.step("truncation"), "no thread is called 'truncation': write one of compaction"),
    (lambda s: s.jump(3), "no position 3: write 0 to 0"),
    (lambda s: kl.Machine(s.machine.memory, {}), "a machine needs a thread"),
])
def test_bad_requests_say_what_to_write(act, says):
    with pytest.raises(ValueError, match=says):
        act(kl.Stepper(machine()))


def test_a_thread_that_has_ended_takes_no_more_steps():
    stepper = kl.Stepper(machine())
    kl.run(stepper.machine)
    before = stepper.machine.memory.snapshot()
    with pytest.raises(ValueError, match="compaction has ended; it returned Verdict"):
        stepper.step()
    assert stepper.machine.memory.snapshot() == before


def test_a_bug_leaves_the_trace_at_the_last_step_that_was_done():
    folio = kl.one_folio("anon")

    def path():
        yield folio_put(folio)
        yield folio_put(folio)

    broken = kl.Machine(folio.zone, {"a": path})
    with pytest.raises(kl.KernelBug):
        kl.run(broken)
    assert len(broken.trace) == 1
