"""The backstop: four ways through move_to_new_folio(), and a refusal that is made twice and counted once."""
import pytest
from answers import changed, told, true

import kitlib as kl
from kitlib.check import ex04 as check
from kitlib.check.ex04_the_backstop import QUANTITIES, counted
from kitlib.check.sentence_sets import REFUSALS
from kitlib.check.sentences import TRUE_SENTENCES
from kitlib.mm.folio import (a_ops_migrate_folio, fallback_migrate_folio, folio_mapping, folio_unlock,
                             migrate_folio)
from kitlib.mm.mapping import has_migrate_folio, mapping_unmovable


def stub(dst, src, mode):
    """Move one folio; return a Result."""


def solution(dst, src, mode):
    mapping = yield folio_mapping(src)
    if not mapping:
        return (yield migrate_folio(dst, src))
    if (yield mapping_unmovable(mapping)):
        return kl.Result.EOPNOTSUPP
    if (yield has_migrate_folio(mapping)):
        return (yield a_ops_migrate_folio(mapping, dst, src))
    if mode is kl.MigrateMode.ASYNC:
        return kl.Result.EAGAIN
    return (yield fallback_migrate_folio(mapping, dst, src, mode))


def delegates(dst, src, mode):
    return (yield from kl.after.move_to_new_folio(dst, src, mode))


ANONYMOUS = """\
    if not mapping:
        return (yield migrate_folio(dst, src))
"""
FLAG = """\
    if (yield mapping_unmovable(mapping)):
        return kl.Result.EOPNOTSUPP
"""
CALLBACK = """\
    if (yield has_migrate_folio(mapping)):
        return (yield a_ops_migrate_folio(mapping, dst, src))
"""
FALLBACK = "(yield fallback_migrate_folio(mapping, dst, src, mode))"


def returns_nothing(dst, src, mode):
    mapping = yield folio_mapping(src)
    if mapping and (yield mapping_unmovable(mapping)):
        return kl.Result.EOPNOTSUPP
    if not mapping:
        yield migrate_folio(dst, src)
    elif (yield has_migrate_folio(mapping)):
        yield a_ops_migrate_folio(mapping, dst, src)
    elif mode is kl.MigrateMode.ASYNC:
        return kl.Result.EAGAIN
    else:
        yield fallback_migrate_folio(mapping, dst, src, mode)


def unlocks(dst, src, mode):
    result = yield from solution(dst, src, mode)
    yield folio_unlock(src)
    return result


def returns_another_code(dst, src, mode):
    result = yield from solution(dst, src, mode)
    return result and (result if result == kl.Result.EOPNOTSUPP else kl.Result.EAGAIN)


def in_one_mode(dst, src, mode):
    return (yield from solution(dst, src, kl.MigrateMode.SYNC))


def the_wrong_way(dst, src, mode):
    if not (yield folio_mapping(src)):
        return (yield migrate_folio(src, dst))
    return (yield from solution(dst, src, mode))


def returns_a_step(dst, src, mode):
    mapping = yield folio_mapping(src)
    if not mapping:
        return migrate_folio(dst, src)
    return kl.Result.EBUSY


def endless(dst, src, mode):
    while (yield folio_mapping(src)) is None:
        pass
    while True:
        yield has_migrate_folio((yield folio_mapping(src)))


def endless_without_a_step(dst, src, mode):
    yield folio_mapping(src)
    while True: pass                                                            # noqa: E701


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    for empty in (stub, None, ..., "x"):
        report = check.the_backstop(empty)
        assert repr(report).startswith("Not solved yet: write the path") and report.points(3) == 0
    report = check.the_backstop(solution)
    assert report.passed and report.points(3) == 3 and repr(report).endswith("5 of 5 hold.")


def test_a_plain_number_is_a_code_as_well():
    def numbers(dst, src, mode):
        return int((yield from solution(dst, src, mode)))
    assert check.the_backstop(numbers).passed


@pytest.mark.parametrize("merged", [kl.after.move_to_new_folio, delegates])
def test_the_merged_kernels_lines_earn_half_a_point(merged):
    report = check.the_backstop(merged)
    assert report.points(3) == 0.5 and "so does the merged kernel, kl.after" in repr(report)


WRONG = [
    (changed(solution, (FLAG + CALLBACK, CALLBACK + FLAG)), 4, "A callback was asked before the flag"),
    (kl.before.move_to_new_folio, 3, "A callback was asked before the flag"),
    (changed(solution, ("EOPNOTSUPP", "EBUSY")), 4,
     "The code for what will never be possible is Result.EOPNOTSUPP"),
    (changed(solution, ("kl.Result.EOPNOTSUPP", "95")), 4, "a negative number"),
    (changed(solution, (ANONYMOUS + FLAG, FLAG + ANONYMOUS)), 4, "takes no NULL"),
    (changed(solution, (FALLBACK, "kl.Result.EOPNOTSUPP")), 4, "No migrate_folio does not mean unmovable"),
    (changed(solution, (CALLBACK, ""), (FALLBACK, "(yield a_ops_migrate_folio(mapping, dst, src))")), 3,
     "a call through a NULL pointer crashes"),
    (changed(solution, ("(yield migrate_folio(dst, src))", "kl.Result.EOPNOTSUPP")), 4,
     "Anonymous memory has no mapping here"),
    (changed(solution, ("(yield a_ops_migrate_folio(mapping, dst, src))", FALLBACK)), 4,
     "Each way has one callback"),
    (changed(solution, ("if (yield mapping_un", "if kl.mapping_unevictable(mapping) or (yield mapping_un")),
     2, "Only the flag says unmovable"),
    (returns_nothing, 2, "write return (yield ...) on every way"),
    (unlocks, 0, "The caller locks and unlocks"),
    (in_one_mode, 3, "What the fallback may do depends on the mode"),
    (the_wrong_way, 4, "from src to dst (dst is written first)"),
    (returns_another_code, 3, "Return what the callback has said"),
    (returns_a_step, 0, "write `yield migrate_folio(...)`"),
    (endless, 0, "what should end it?"),
    (endless_without_a_step, 0, "what should end it?"),
    (lambda dst, src, mode: kl.Result.EOPNOTSUPP, 0, "write `yield` before each step"),
    (lambda dst, src: 1, 0, "the error is raised in"),
]


@pytest.mark.parametrize("wrong, held, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, held, hint):
    report = check.the_backstop(wrong)
    assert not report.passed and hint in told(report), report
    assert sum(finding.holds for finding in report.findings) == held
    assert report.points(3) < 3


def right(learner):
    columns = [counted(check.batch_for(learner), mode) for mode in kl.MigrateMode]
    return {name: [column[name] for column in columns] for name in QUANTITIES} | {
        TRUE_SENTENCES: true(REFUSALS, learner)}


@pytest.mark.parametrize("learner", ["", "solution", "Ada", "Grace"])
def test_the_model_counts_what_the_fact_sheet_says(learner):
    batch = check.batch_for(learner)
    unmovable, pinned = batch.count("guest_memfd"), batch.count("file, pinned")
    numbers = right(learner)
    assert check.what_it_costs(numbers | {TRUE_SENTENCES: "A"}, learner).points(2) == 0.5
    assert check.what_it_costs(numbers, learner).passed and numbers.pop(TRUE_SENTENCES)
    assert numbers == {
        "asked of guest_memfd": [unmovable, 2 * unmovable, 2 * unmovable],
        "asked of pinned": [10 * pinned] * 3,
        "returned": [unmovable + pinned] * 3, "pgmigrate_success": [len(batch) - unmovable - pinned] * 3,
        "pgmigrate_fail": [unmovable + pinned] * 3}


def test_numbers_not_begun_are_not_solved_and_others_numbers_fail():
    for empty in (None, {}, [], dict.fromkeys(QUANTITIES, ...),
                  {name: [..., ..., ...] for name in QUANTITIES}):
        report = check.what_it_costs(empty, "Ada")
        assert repr(report).startswith("Not solved yet: write three numbers") and report.points(2) == 0
    assert len({tuple(check.batch_for(name)) for name in ("", "Ada", "Grace", "solution")}) == 4
    assert not check.what_it_costs(right("Ada"), "Grace").passed


@pytest.mark.parametrize("name, wrong, hint", [
    ("asked of guest_memfd", lambda u, p, n: [u, u, u],
     "tried again one by one in sync modes, permanent failures, too"),
    ("asked of guest_memfd", lambda u, p, n: [2 * u] * 3, "an asynchronous call has one round"),
    ("asked of guest_memfd", lambda u, p, n: [10 * u] * 3, "-EOPNOTSUPP is a no, and not a not now"),
    ("asked of pinned", lambda u, p, n: [p, p, p], "-EAGAIN is a not now"),
    ("asked of pinned", lambda u, p, n: [10 * p, 7 * p, 7 * p], "3 in the batch and 7 alone"),
    ("returned", lambda u, p, n: [-95] * 3, "only -ENOMEM ends the call"),
    ("returned", lambda u, p, n: [0] * 3, "how many folios are left on the list"),
    ("pgmigrate_success", lambda u, p, n: [0] * 3, "nobody's refusal ends the call"),
    ("pgmigrate_fail", lambda u, p, n: [u + p, 2 * u + p, 2 * u + p], "tried twice is not counted twice"),
    ("pgmigrate_fail", lambda u, p, n: [u] * 3, "The pinned folios fail, too"),
    ("pgmigrate_fail", lambda u, p, n: ["many", 1.5, True], "write a whole number"),
])
def test_wrong_numbers_have_their_own_hints(name, wrong, hint):
    batch = check.batch_for("Ada")
    unmovable, pinned = batch.count("guest_memfd"), batch.count("file, pinned")
    report = check.what_it_costs(right("Ada") | {name: wrong(unmovable, pinned, len(batch))}, "Ada")
    assert not report.passed and hint in told(report) and report.points(2) >= 1.5


@pytest.mark.parametrize("odd",
                         [{"returned": 3}, {"returned": [1]}, {"returned": {}},
                          {"asked of pinned": [[], None, "x", 4]}])
def test_odd_numbers_are_told_and_not_raised(odd):
    assert not check.what_it_costs(odd, "").passed
