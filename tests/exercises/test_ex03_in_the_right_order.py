"""In the right order: unevictable, then unmovable, and the lock for nobody who does not need it."""
import pytest
from answers import changed, told, true

import kitlib as kl
from kitlib.check import ex03 as check
from kitlib.check.sentence_sets import FIVE_USERS
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
        if mode.async_migrate:
            return "no time for the lock"
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
        mapping = yield folio_mapping(folio)
        is_unmovable = mapping and (yield mapping_unmovable(mapping))
        yield folio_unlock(folio)
        if is_unmovable:
            return "mapping is unmovable"
    return ""


REFUSAL = """\
    if not mode.unevictable and is_unevictable:
        return "unevictable"
"""
TRYLOCK = """\
        if not (yield folio_trylock(folio)):
            return "locked by somebody else"
"""
AGAIN = "        mapping = yield folio_mapping(folio)\n"
UNLOCK = "        yield folio_unlock(folio)\n"
LEFT = '            return "mapping is unmovable"\n'
GOES_ON = '    return ""\n'


def unevictable_test_alone(folio, mode, mapping):
    if not mode.unevictable and (yield folio_test_unevictable(folio)):
        return "unevictable"
    return ""


HURRY = """\
        if mode.async_migrate:
            return "no time for the lock"
"""
merged = changed(solution, (HURRY, ""))
flag_first = changed(solution, (REFUSAL, ""), (GOES_ON, REFUSAL + GOES_ON))
sleeps = changed(solution, (TRYLOCK, "        yield folio_lock(folio)\n"), folio_lock=folio_lock)
follows_null = changed(solution, ("if mapping and is_unevictable", "if is_unevictable"),
                       ("mapping and (yield mapping_unmovable(mapping))", "yield mapping_unmovable(mapping)"))


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
    assert report.passed and report.points(4) == 4 and repr(report).endswith("8 of 8 hold.")


def test_on_one_cpu_the_pointer_need_not_be_read_again_and_a_wrapped_path_is_a_path():
    assert check.in_the_right_order(changed(solution, (AGAIN, ""))).passed
    assert check.in_the_right_order(lambda folio, mode, mapping: solution(folio, mode, mapping)).passed


def delegates(folio, mode, mapping):
    return (yield from kl.after.isolate_folio(folio, mode)).why


WRONG = [
    (merged, "so decides the merged kernel, kl.after"),
    (delegates, "so decides the merged kernel, kl.after"),
    (flag_first, "The test for unevictable folios comes first"),
    (changed(solution, ("if mapping and is_unevictable", "if mapping")),
     "to lock every file folio would make most of memory dearer"),
    (changed(solution, ("if mapping and is_unevictable", "if is_unevictable")),
     "It has no mapping: there is nothing to ask"),
    (follows_null, "anonymous folios have no mapping, mlocked or not"),
    (changed(solution, (TRYLOCK, ""), (UNLOCK, "")), "The flag is read under the folio lock"),
    (changed(solution, (UNLOCK, ""), (AGAIN, UNLOCK)),
     "folio_trylock() first, mapping_unmovable() then, folio_unlock() last"),
    (changed(solution, (UNLOCK, ""), (LEFT, LEFT + UNLOCK)), "yours keeps it before 'mapping is unmovable'"),
    (changed(solution, ("if not mode.unevictable and is_unevictable", "if is_unevictable")),
     "PG_unevictable alone is no reason to refuse"),
    (changed(solution, ("        if is_unmovable:\n    ", "")), "Unevictable is not unmovable"),
    (changed(solution, (TRYLOCK, "        yield folio_trylock(folio)\n")),
     "folio_trylock() answers whether you got the lock"),
    (sleeps, "write folio_trylock()"),
    (changed(solution, ('return "unevictable"',
                        'return (yield from isolate_fail_put(folio, "unevictable"))'),
             isolate_fail_put=isolate_fail_put),
     "the reference is dropped for you"),
    (forgets_a_yield, "write `yield folio_trylock(...)`"),
    (endless, "what should end it?"),
    (endless_without_a_step, "what should end it?"),
    (lambda folio, mode, mapping: "unevictable", "write `yield` before each step"),
    (lambda folio, mode, mapping: "", "it returns an empty text at once"),
    (lambda folio: "", "the error is raised in"),
]


@pytest.mark.parametrize("wrong, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.in_the_right_order(wrong)
    assert not report.passed and report.points(4) < 4 and hint in told(report), report


def test_the_first_half_alone_has_a_little_and_a_wrong_order_most_of_the_points():
    assert check.in_the_right_order(unevictable_test_alone).points(4) == 0.5
    assert check.in_the_right_order(flag_first).points(4) == check.in_the_right_order(sleeps).points(4) == 3.5


@pytest.mark.parametrize("tail", [merged, delegates])
def test_the_merged_kernels_lines_earn_half_a_point(tail):
    assert check.in_the_right_order(tail).points(4) == 0.5


ALLOWED = {"guest_memfd": "mapping is unmovable", "secretmem": "isolated", "ramfs": "isolated",
           "mlocked anon": "isolated",
           "SHM_LOCK": "isolated"}
FORBIDDEN = dict.fromkeys(ALLOWED, "unevictable")
LETTERS = true(FIVE_USERS)


def test_predictions():
    empty = dict.fromkeys(ALLOWED, ...)
    for nothing in ((empty, empty), (None, 3), ({}, []), (..., ...)):
        report = check.left_alone(*nothing)
        assert "Not solved yet" in repr(report) and report.points(1) == 0
    assert check.left_alone(ALLOWED, FORBIDDEN, LETTERS).passed
    assert check.left_alone(ALLOWED, empty, LETTERS).points(1) == 0.5
    assert check.left_alone(ALLOWED, FORBIDDEN, "AB").points(1) == 0


@pytest.mark.parametrize("allowed, forbidden, hint", [
    ({"secretmem": "mapping is unmovable"}, {}, "its callback refuses in vain"),
    ({"ramfs": "unevictable"}, {}, "AS_UNEVICTABLE is for reclaim"),
    ({"mlocked anon": "unevictable"}, {}, "not in its place"),
    ({"guest_memfd": "isolated"}, {}, "its mapping has AS_UNMOVABLE"),
    ({}, {"guest_memfd": "mapping is unmovable"}, "its flags are never read"),
    ({}, {"mlocked anon": "isolated"}, "whoever set it")])
def test_wrong_predictions_have_their_own_hints(allowed, forbidden, hint):
    report = check.left_alone(ALLOWED | allowed, FORBIDDEN | forbidden, LETTERS)
    assert not report.passed and hint in told(report) and "10 of 11 hold: not yet." in repr(report)


def test_the_check_needs_no_source():
    made = {}
    exec("def tail(folio, mode, mapping):\n    yield kl.after.folio_test_unevictable(folio)\n    return 'x'",
         {"kl": kl}, made)
    assert not check.in_the_right_order(made["tail"]).passed


def test_the_steps_of_a_path_can_be_looked_at_begun_or_not_and_faulty_or_not():
    assert check.steps_of(stub, "ramfs").empty
    assert "folio_unlock" in set(check.steps_of(solution, "guest_memfd").step)
    assert check.steps_of(follows_null, "anon, mlocked").result.iloc[-1] == "null dereference"
    assert len(check.steps_of(endless_without_a_step, "ramfs")) > 0
