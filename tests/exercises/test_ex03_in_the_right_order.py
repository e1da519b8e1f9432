"""In the right order: unevictable, then unmovable, and the lock for nobody who does not need it."""
import pytest

import kitlib as kl
from kitlib.check import ex03 as check
from kitlib.kernels.labels import isolate_fail_put
from kitlib.mm.folio import folio_lock, folio_mapping, folio_test_unevictable, folio_trylock, folio_unlock
from kitlib.mm.mapping import mapping_unmovable


def stub(folio, mode, mapping):
    """Return "" to go on, or the reason for which the folio is left."""


def solution(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if mapping and is_unevictable:
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        mapping = yield folio_mapping(folio)
        is_unmovable = mapping and (yield mapping_unmovable(mapping))
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


def does_not_read_the_pointer_again(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if not mapping or not is_unevictable:
        return ""
    if not (yield folio_trylock(folio)):
        return "locked by somebody else"
    why = "mapping is unmovable" if (yield mapping_unmovable(mapping)) else ""
    yield folio_unlock(folio)
    return why


def unevictable_test_alone(folio, mode, mapping):
    if not mode.unevictable and (yield folio_test_unevictable(folio)):
        return "unevictable"
    return ""


def flag_first(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if mapping and is_unevictable:
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        is_unmovable = yield mapping_unmovable(mapping)
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    return ""


def locks_every_file_folio(folio, mode, mapping):
    if not mode.unevictable and (yield folio_test_unevictable(folio)):
        return "unevictable"
    if mapping:
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        is_unmovable = yield mapping_unmovable(mapping)
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


def locks_mlocked_anon(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if is_unevictable:
        if not mode.unevictable:
            return "unevictable"
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        is_unmovable = mapping and (yield mapping_unmovable(mapping))
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


def follows_null(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if is_unevictable:
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        is_unmovable = yield mapping_unmovable(mapping)
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


def without_the_lock(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if mapping and is_unevictable and (yield mapping_unmovable(mapping)):
        return "mapping is unmovable"
    return ""


def unlocks_before_it_asks(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if mapping and is_unevictable:
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        yield folio_unlock(folio)
        if (yield mapping_unmovable(mapping)):
            return "mapping is unmovable"
    return ""


def keeps_the_lock_when_it_refuses(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if mapping and is_unevictable:
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        if (yield mapping_unmovable(mapping)):
            return "mapping is unmovable"
        yield folio_unlock(folio)
    return ""


def refuses_all_unevictable(folio, mode, mapping):
    if (yield folio_test_unevictable(folio)):
        return "unevictable"
    if mapping and (yield folio_trylock(folio)):
        is_unmovable = yield mapping_unmovable(mapping)
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


def unmovable_is_unevictable(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if mapping and is_unevictable:
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        yield mapping_unmovable(mapping)
        yield folio_unlock(folio)
        return "mapping is unmovable"
    return ""


def takes_no_answer(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if mapping and is_unevictable:
        yield folio_trylock(folio)
        is_unmovable = yield mapping_unmovable(mapping)
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


def sleeps(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return "unevictable"
    if mapping and is_unevictable:
        yield folio_lock(folio)
        is_unmovable = yield mapping_unmovable(mapping)
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


def drops_the_reference_itself(folio, mode, mapping):
    if not mode.unevictable and (yield folio_test_unevictable(folio)):
        return (yield from isolate_fail_put(folio, "unevictable"))
    return (yield from locks_mlocked_anon(folio, mode, mapping))


def forgets_a_yield(folio, mode, mapping):
    is_unevictable = yield folio_test_unevictable(folio)
    if mapping and is_unevictable:
        folio_trylock(folio)
    return ""


def endless(folio, mode, mapping):
    while not (yield folio_trylock(folio)):
        pass
    return ""


def endless_without_a_step(folio, mode, mapping):
    yield folio_test_unevictable(folio)
    while True: pass                                                            # noqa: E701


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    for empty in (stub, None, ..., 3):
        report = check.in_the_right_order(empty)
        assert repr(report).startswith("Not solved yet: write the path") and report.points(4) == 0
    report = check.in_the_right_order(solution)
    assert report.passed and report.points(4) == 4 and repr(report).endswith("7 of 7 hold.")


def test_on_one_cpu_the_pointer_need_not_be_read_again_and_a_wrapped_path_is_a_path():
    assert check.in_the_right_order(does_not_read_the_pointer_again).passed
    assert check.in_the_right_order(lambda folio, mode, mapping: solution(folio, mode, mapping)).passed


WRONG = [
    (flag_first, "The test for unevictable folios comes first"),
    (locks_every_file_folio, "to lock every file folio would make most of memory dearer"),
    (locks_mlocked_anon, "It has no mapping: there is nothing to ask"),
    (follows_null, "anonymous folios have no mapping, mlocked or not"),
    (without_the_lock, "The flag is read under the folio lock"),
    (unlocks_before_it_asks, "folio_trylock() first, mapping_unmovable() then, folio_unlock() last"),
    (keeps_the_lock_when_it_refuses, "yours keeps it before 'mapping is unmovable'"),
    (refuses_all_unevictable, "PG_unevictable alone is no reason to refuse"),
    (unmovable_is_unevictable, "Unevictable is not unmovable"),
    (takes_no_answer, "folio_trylock() answers whether you got the lock"),
    (sleeps, "write folio_trylock()"),
    (drops_the_reference_itself, "the reference is dropped for you"),
    (forgets_a_yield, "write `yield folio_trylock(...)`"),
    (endless, "what should end it?"),
    (endless_without_a_step, "what should end it?"),
    (lambda folio, mode, mapping: "unevictable", "write `yield` before each step"),
    (lambda folio: "", "the error is raised in"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.in_the_right_order(wrong)
    assert not report.passed and report.points(4) < 4 and hint in repr(report), report


def test_the_first_half_alone_has_a_little_and_a_wrong_order_most_of_the_points():
    assert check.in_the_right_order(unevictable_test_alone).points(4) == 0.5
    assert check.in_the_right_order(flag_first).points(4) == check.in_the_right_order(sleeps).points(4) == 3


ALLOWED = {"guest_memfd": "mapping is unmovable", "secretmem": "isolated", "ramfs": "isolated", "mlocked anon": "isolated",
           "SHM_LOCK": "isolated"}
FORBIDDEN = dict.fromkeys(ALLOWED, "unevictable")


def test_predictions():
    empty = dict.fromkeys(ALLOWED, ...)
    for nothing in ((empty, empty), (None, 3), ({}, []), (..., ...)):
        assert "Not solved yet" in repr(check.left_alone(*nothing)) and check.left_alone(*nothing).points(1) == 0
    assert check.left_alone(ALLOWED, FORBIDDEN).passed
    assert check.left_alone(ALLOWED, empty).points(1) == 0.5


@pytest.mark.parametrize("allowed, forbidden, hint", [
    ({"secretmem": "mapping is unmovable"}, {}, "its callback refuses in vain"),
    ({"ramfs": "unevictable"}, {}, "AS_UNEVICTABLE is for reclaim"),
    ({"mlocked anon": "unevictable"}, {}, "not in its place"),
    ({"guest_memfd": "isolated"}, {}, "its mapping has AS_UNMOVABLE"),
    ({}, {"guest_memfd": "mapping is unmovable"}, "its flags are never read"),
    ({}, {"mlocked anon": "isolated"}, "whoever set it")])
def test_wrong_predictions_have_their_own_hints(allowed, forbidden, hint):
    report = check.left_alone(ALLOWED | allowed, FORBIDDEN | forbidden)
    assert not report.passed and hint in repr(report) and repr(report).endswith("9 of 10 hold: not yet.")


def test_the_check_needs_no_source():
    made = {}
    exec("def tail(folio, mode, mapping):\n    yield kl.after.folio_test_unevictable(folio)\n    return 'x'", {"kl": kl}, made)
    assert not check.in_the_right_order(made["tail"]).passed


def test_the_steps_of_a_path_can_be_looked_at_begun_or_not_and_faulty_or_not():
    assert check.steps_of(stub, "ramfs").empty
    assert "folio_unlock" in set(check.steps_of(solution, "guest_memfd").step)
    assert check.steps_of(follows_null, "anon, mlocked").result.iloc[-1] == "null dereference"
    assert len(check.steps_of(endless_without_a_step, "ramfs")) > 0
