"""Split the flag again: setters, a step, two decisions and a truncation, each with its plausible mistakes."""
import pytest
from answers import changed, told
from wrong_kernels import FLAG_FIRST, MERGED_ORDER, WRONG_KERNELS, solution

import kitlib as kl
from kitlib.check import ex12 as check
from kitlib.check.ex12_partial_truncation import folio_zero_range, partial_race
from kitlib.check.ex12_two_flags import AS_INACCESSIBLE, COMBINATIONS
from kitlib.kernels import after, after_unlock
from kitlib.mm import mapping
from kitlib.mm.folio import folio_lock, folio_mapping, folio_trylock, folio_unlock
from kitlib.mm.mapping import AS_UNEVICTABLE, AS_UNMOVABLE, set_bit

# 1 The setters.

def set_unmovable(mapping):
    set_bit(AS_UNEVICTABLE, mapping)
    set_bit(AS_UNMOVABLE, mapping)


def set_inaccessible(mapping):
    set_bit(AS_UNEVICTABLE, mapping)
    set_bit(AS_INACCESSIBLE, mapping)


def stub(*arguments):
    """To be written."""


def index_as_mask(mapping):
    mapping.flags |= AS_INACCESSIBLE


def unmovable_as_mask(mapping):
    mapping.flags |= AS_UNMOVABLE


def only_inaccessible(mapping):
    set_bit(AS_INACCESSIBLE, mapping)


def only_unmovable(mapping):
    set_bit(AS_UNMOVABLE, mapping)


def merged(mapping):
    set_inaccessible(mapping)
    set_bit(AS_UNMOVABLE, mapping)


def throws_away(mapping):
    mapping.flags = 1 << AS_UNEVICTABLE | 1 << AS_INACCESSIBLE


def endless(*arguments):
    while True:
        pass


def raises(mapping):
    mapping.set(AS_INACCESSIBLE)


def no_number(mapping):
    mapping.flags = "AS_INACCESSIBLE"


def test_setters_stub_and_solution():
    assert repr(check.two_setters(stub, stub)).startswith("Not solved yet")
    report = check.two_setters(set_unmovable, set_inaccessible)
    assert report.passed and report.points(2) == 2 and repr(report).endswith("6 of 6 hold.")
    assert check.two_setters(set_unmovable, stub).points(2) == 1


@pytest.mark.parametrize("unmovable, inaccessible, hint", [
    (set_unmovable, index_as_mask,
     "AS_INACCESSIBLE is an index, not a mask: 9 is 0b1001, "
     "so `flags |= AS_INACCESSIBLE` sets AS_EIO and AS_UNEVICTABLE"),
    (unmovable_as_mask, set_inaccessible,
     "AS_UNMOVABLE is an index, not a mask: 8 is 0b1000, so `flags |= AS_UNMOVABLE` sets AS_UNEVICTABLE"),
    (set_unmovable, only_inaccessible, "what the CPU must not read it cannot write out either"),
    (only_unmovable, set_inaccessible, "the scanner locks a clean folio"),
    (set_unmovable, merged, "the two are independent: AS_INACCESSIBLE says nothing about AS_UNMOVABLE"),
    (set_unmovable, throws_away, "= throws the others away"),
    (set_unmovable, stub, "write set_bit(AS_INACCESSIBLE, mapping)"),
    (set_unmovable, endless, "what should end it?"),
    (set_unmovable, raises, "the error is raised in line"),
    (set_unmovable, no_number, "write set_bit(AS_INACCESSIBLE, mapping)"),
])
def test_every_plausible_wrong_answer_fails_with_its_own_hint(unmovable, inaccessible, hint):
    report = check.two_setters(unmovable, inaccessible)
    assert not report.passed and hint in told(report) and report.points(2) < 2


# 2 The step.

@kl.atomic
def mapping_inaccessible(of) -> bool:
    return mapping.test_bit(AS_INACCESSIBLE, of)


@kl.atomic
def unwritten(of) -> bool:
    """To be written."""


@kl.atomic
def past_the_pointer(of) -> bool:
    return bool(of.flags >> AS_INACCESSIBLE & 1)


@kl.atomic
def by_the_mask(of) -> bool:
    return mapping.dereference(of).flags & AS_INACCESSIBLE


@kl.atomic
def the_other_flag(of) -> bool:
    return mapping.test_bit(AS_UNMOVABLE, of)


def no_step(of):
    return mapping.test_bit(AS_INACCESSIBLE, of)


def test_step_stub_and_solution():
    assert repr(check.inaccessible_step(unwritten)).startswith("Not solved yet")
    report = check.inaccessible_step(mapping_inaccessible)
    assert report.passed and report.points(1) == 1


@pytest.mark.parametrize("wrong, hint", [
    (past_the_pointer, "read the flag by test_bit(AS_INACCESSIBLE, mapping)"),
    (by_the_mask, "one bit is asked, the one with the index AS_INACCESSIBLE"),
    (the_other_flag, "one bit is asked, the one with the index AS_INACCESSIBLE"),
    (no_step, "leave @kl.atomic above the function"),
    (endless, "what should end it?"),
])
def test_wrong_steps_have_their_own_hints(wrong, hint):
    report = check.inaccessible_step(wrong)
    assert not report.passed and hint in told(report) and report.points(1) < 1


# 3 The kernel.

def instead(function, *changes):
    """A function of the kernel with the patch with these changes, by its name."""
    own_order = [(MERGED_ORDER, FLAG_FIRST)] if function is after.isolate_folio else []
    return {function.__name__: changed(function, *own_order, *changes,
                                       mapping_inaccessible=mapping_inaccessible)}


ASKS_THE_OTHER = ("mapping_unmovable(mapping)", "mapping_inaccessible(mapping)")
MERGED = {**instead(after.isolate_folio, ASKS_THE_OTHER), **instead(after.move_to_new_folio, ASKS_THE_OTHER)}
ASKS_BOTH = instead(after.isolate_folio, (
    "(yield mapping_unmovable(mapping))",
    "((yield mapping_unmovable(mapping)) or (yield mapping_inaccessible(mapping)))"))
OWN = {"isolate_folio": solution, "move_to_new_folio": after.move_to_new_folio}
NO_BACKSTOP = {**OWN, "move_to_new_folio": kl.before.move_to_new_folio}
FLAG = """\
    if (yield mapping_unmovable(mapping)):
        return Result.EOPNOTSUPP
"""
FALLBACK = "    return (yield fallback_migrate_folio"
CALLBACK_FIRST = instead(after.move_to_new_folio, (FLAG, ""), (FALLBACK, FLAG + FALLBACK))
REFUSAL = """\
    if not mode.unevictable and is_unevictable:
        return (yield from isolate_fail_put(folio, "unevictable"))
"""
SYSCTL_LATE = instead(after.isolate_folio, (REFUSAL, ""))


def test_kernel_stub_and_solution():
    half = {"isolate_folio": lambda folio, mode: (yield folio_mapping(folio)), "move_to_new_folio": stub}
    for unwritten in (half, {"isolate_folio": stub}):
        report = check.split_kernel(check.made_of("split", **unwritten))
        assert repr(report).startswith("Not solved yet") and report.points(3) == 0
    for nothing in (check.split_kernel(None), check.partial_truncation(None)):
        assert repr(nothing).startswith("Not solved yet")
    report = check.split_kernel(check.made_of("split", **OWN))
    assert report.passed and report.points(3) == 3 and repr(report).endswith("16 of 16 hold.")


WRONG = [
    (MERGED, "this is still the merged kernel, 27e6a24a4cf3"),
    (ASKS_BOTH, "nobody but truncation asks mapping_inaccessible()"),
    (NO_BACKSTOP, "the backstop: in move_to_new_folio() return Result.EOPNOTSUPP"),
    (CALLBACK_FIRST, "before any callback is asked"),
    (SYSCTL_LATE, "whoever does not want unevictable folios refuses them"),
    ({"isolate_folio": kl.racy.isolate_folio}, "a pointer that is not NULL is no proof of life"),
    ({"isolate_folio": after_unlock.isolate_folio}, "The mapping is followed after folio_unlock()"),
    ({"isolate_folio": kl.blocking.isolate_folio}, "write folio_trylock()"),
    ({"isolate_folio": kl.before.isolate_folio}, "a path that never asks cannot crash"),
    ({"move_to_new_folio": stub}, "not a path but None"),
    ({"isolate_folio": endless}, "Not solved yet"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=map(str, range(len(WRONG))))
def test_wrong_kernels_have_their_own_hints(wrong, hint):
    report = check.split_kernel(check.made_of("split", **wrong))
    assert not report.passed and hint in told(report) and report.points(3) < 3


def test_a_forgotten_backstop_is_unsafe_and_its_schedule_is_told_with_its_race():
    report = check.split_kernel(check.made_of("split", **NO_BACKSTOP))
    assert report.points(3) == 0 and "unmovable folio moved by C" in repr(report)
    assert "RaceStepper(kernel, migrate=True, unevictable=False, dirty=False).replay(" in told(report)


def points_of(kernel):
    yours = check.made_of("split", **OWN | {"isolate_folio": kernel.isolate_folio})
    return check.split_kernel(yours).points(3)


@pytest.mark.parametrize("kernel", WRONG_KERNELS, ids=lambda kernel: kernel.name)
def test_safe_in_every_order_is_the_gate_here_too(kernel):
    assert points_of(kernel) == {0: 0, 1: 0.5, 3.5: 2, 5: 2.5}[kernel.points]


def test_what_the_kit_has_ready_earns_half_a_point():
    assert check.split_kernel(kl.after).points(3) == 0.5


# 4 The truncation.

def partial(mapping, folio):
    yield folio_lock(folio)
    if (yield folio_mapping(folio)) is mapping and not (yield mapping_inaccessible(mapping)):
        yield folio_zero_range(folio)
    yield folio_unlock(folio)


LOCK = "    yield folio_lock(folio)\n"
UNLOCK = "    yield folio_unlock(folio)\n"
STILL_THERE = "(yield folio_mapping(folio)) is mapping and "
ZERO = "        yield folio_zero_range(folio)\n"
looks_once = changed(partial, (STILL_THERE, ""))


def asks_without_the_lock(mapping, folio):
    if not (yield mapping_inaccessible((yield folio_mapping(folio)))):
        yield folio_lock(folio)
        yield folio_zero_range(folio)
        yield folio_unlock(folio)


def zeroes_after_the_unlock(mapping, folio):
    yield folio_lock(folio)
    touch = (yield folio_mapping(folio)) is mapping and not (yield mapping_inaccessible(mapping))
    yield folio_unlock(folio)
    if touch:
        yield folio_zero_range(folio)


def for_ever(mapping, folio):
    yield folio_lock(folio)
    while True: pass                                                            # noqa: E701


def test_truncation_stub_and_solution():
    for unwritten in ({"truncate_inode_partial_folio": stub}, {}):
        report = check.partial_truncation(check.made_of("split", **unwritten))
        assert repr(report).startswith("Not solved yet")
    report = check.partial_truncation(check.made_of("split", truncate_inode_partial_folio=partial))
    assert report.passed and report.points(2) == 2 and repr(report).endswith("10 of 10 hold.")


TOUCHED = [
    (changed(partial, (" and not (yield mapping_inaccessible(mapping))", "")),
     "the CPU must not write what is encrypted for a guest"),
    (changed(partial, ("mapping_inaccessible(mapping)", "kl.mapping_unmovable(mapping)")),
     "and not whether the folio may move"),
    (asks_without_the_lock, "Read it under the lock, and compare it with `mapping`"),
    (changed(partial, (LOCK, ""), (UNLOCK, "")), "lock, ask, zero, unlock"),
    (looks_once, "the whole file may be truncated while you wait for the lock"),
    (zeroes_after_the_unlock, "the lock is given back, or not yet taken, when the part is zeroed"),
    (changed(partial, (ZERO + UNLOCK, f"{ZERO}    {UNLOCK}")), "look at:  every way out unlocks"),
    (changed(partial, (LOCK, "    if not (yield folio_trylock(folio)):\n        return\n"),
             folio_trylock=folio_trylock),
     "unlike in compaction, write folio_lock()"),
    (changed(partial, (ZERO, "        pass\n")), "a path that never gets there cannot go wrong"),
    (changed(partial, (ZERO, ZERO.replace("yield ", ""))), "a step was made and never done"),
    (for_ever, "what should end it?"),
]


@pytest.mark.parametrize("wrong, hint", TOUCHED, ids=range(len(TOUCHED)))
def test_wrong_truncations_have_their_own_hints(wrong, hint):
    report = check.partial_truncation(check.made_of("split", truncate_inode_partial_folio=wrong))
    assert not report.passed and hint in told(report) and report.points(2) < 2


@pytest.mark.parametrize("wrong", [looks_once, zeroes_after_the_unlock, asks_without_the_lock])
def test_an_unsafe_truncation_earns_nothing(wrong):
    assert check.partial_truncation(check.made_of("split", truncate_inode_partial_folio=wrong)).points(2) == 0


def test_the_schedule_of_a_wrong_truncation_is_drawn_from_its_hint():
    text = told(check.partial_truncation(check.made_of("split", truncate_inode_partial_folio=looks_once)))
    schedule = text.partition('truncate_inode_partial_folio, ()), "')[2].partition('"')[0]
    stepper = kl.Stepper(partial_race(looks_once, COMBINATIONS["neither flag"]).machine())
    stepper.replay(schedule)
    assert stepper.machine.crash.result.bug == "zeroed after it has left its file"
