"""Why CMA fails: the pages that stay, who of them stays for good, and what makes the range free."""
import pytest
from answers import told, true

from kitlib.check import ex05 as check
from kitlib.check.ex05_cma_zone import END, GMEM, allocate_elsewhere, blockers, contig, later, zone_for
from kitlib.check.sentence_sets import PLACEMENT
from kitlib.mm.folio import PG

LEARNER = "solution"
BLOCKING = {114: "mapping is unmovable", 141: "mapping is unmovable", 224: "mapping is unmovable",
            258: "not on the LRU",
            420: "no mapping, extra references", 442: "locked by somebody else", 486: "-EAGAIN"}
NEVER, LATER = [114, 141, 224], [258, 420, 442, 486]
LETTERS = true(PLACEMENT, LEARNER)
PLACED = "create the driver's file with mapping_set_gfp_mask(mapping, GFP_HIGHUSER), without __GFP_MOVABLE"
LEARNERS = ["", "solution", "Ada", "Grace", *map(str, range(12))]


def stub(holders):
    """Mend the zone."""


def holders_finish(holders):
    holders.unlock(442)
    holders.drain(258)
    for pfn in (420, 486):
        holders.unpin(pfn)


def solution(holders):
    holders_finish(holders)
    for pfn in NEVER:
        holders.allocate_elsewhere(pfn)


@pytest.mark.parametrize("learner", LEARNERS)
def test_each_learners_range_fails_for_these_pages_and_for_no_other(learner):
    stays = blockers(zone_for(learner))
    assert set(stays.values()) == set(BLOCKING.values()) and check.contig_for(learner) != 0
    zone = zone_for(learner)
    later(zone)
    assert set(blockers(zone).values()) == {"mapping is unmovable"} and contig(zone) != 0
    for pfn in blockers(zone):
        assert END <= allocate_elsewhere(zone, pfn) < zone.end_pfn
    assert blockers(zone) == {} and contig(zone) == 0
    assert check.why_it_fails(stays, learner).passed
    assert [check.preparations_for(learner)[letter] for letter in "ABCDE"
            if check.the_preparation(letter, true(PLACEMENT, learner), learner).passed] == [PLACED]


def test_two_learners_have_other_pages_and_each_others_answers_fail():
    assert check.pages_in_use("Ada").equals(check.pages_in_use("ADA "))
    assert not check.why_it_fails(blockers(zone_for("Ada")), "Grace").passed


def test_the_table_has_every_page_in_use():
    zone, table = zone_for(LEARNER), check.pages_in_use(LEARNER)
    assert table.pfns.str.len().max() < 50           # what pandas shows of a cell
    shown = [int(pfn) for pfns in table.pfns for pfn in pfns.split(", ")]
    assert sorted(shown) == [pfn for pfn in range(END) if not zone.flags[pfn] & (PG.BUDDY | PG.FREE_TAIL)]


def test_what_is_not_begun_is_not_solved():
    for report in (*(check.why_it_fails(empty, LEARNER) for empty in (..., None, {}, [], {17: ...})),
                   *(check.now_or_never(empty, LEARNER) for empty in (..., None, [], {})),
                   *(check.the_preparation(empty, LETTERS, LEARNER) for empty in (..., None, "")),
                   *(check.mended(empty, LEARNER) for empty in (..., None, stub))):
        assert repr(report).startswith("Not solved yet") and report.points(2) == 0


def test_the_solution_passes():
    assert check.why_it_fails(BLOCKING | {486: "eagain", 258: "Not on  the LRU"}, LEARNER).passed
    for report in (check.why_it_fails(BLOCKING, LEARNER), check.now_or_never(LATER, LEARNER),
                   check.the_preparation("d", LETTERS, LEARNER),
                   check.mended(solution, LEARNER)):
        assert report.passed and report.points(2) == 2


def test_pages_that_go_earn_nothing():
    report = check.why_it_fails(dict.fromkeys(range(512), "goes"), LEARNER)
    assert report.points(2) == 0 and len(report.findings) == len(BLOCKING)
    assert check.why_it_fails(BLOCKING | {53: "goes"}, LEARNER).passed


def without(pfn):
    return {other: why for other, why in BLOCKING.items() if other != pfn}


WRONG = [
    (BLOCKING | {53: "unevictable"}, "unevictable is not unmovable"),
    (BLOCKING | {137: "mapping is unmovable"}, "unevictable is not unmovable"),
    (BLOCKING | {3: "under writeback"}, "it waits for locks and writeback"),
    (BLOCKING | {26: "locked by somebody else"}, "it waits for locks and writeback"),
    (BLOCKING | {110: "dirty, and no migrate_folio"}, "writes dirt out"),
    (BLOCKING | {91: "pinned"}, "nothing holds it"),
    (BLOCKING | {0: "not on the LRU"}, "the page is free"),
    (BLOCKING | {486: "no mapping, extra references"}, "a pinned file folio is isolated"),
    (BLOCKING | {486: "-EBUSY"}, "folio_migrate_mapping() says it"),
    (without(486), "one file page has more than page tables and page cache hold"),
    (without(258), "it waits in a CPU's batch"),
    (BLOCKING | {442: "mapping is unmovable"}, "the scanner tries its lock, does not get it"),
    (without(420), "one anonymous page has more than page tables hold"),
    (BLOCKING | {114: "-EOPNOTSUPP"}, "its mapping has AS_UNMOVABLE"),
    (BLOCKING | {"199": "x", 900: "y"}, "write pfns, numbers from 0 to 511"),
]


@pytest.mark.parametrize("wrong, hint", WRONG)
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, hint):
    report = check.why_it_fails(wrong, LEARNER)
    assert not report.passed and hint in told(report) and 1 <= report.points(2) < 2


@pytest.mark.parametrize("wrong, hint", [
    ([*LATER, 114], "no kernel clears the flag"), (list(BLOCKING), "no kernel clears the flag"),
    (LATER[:3], "one more is given back some time"), ([*LATER, 53], "does not block the range at all"),
    ([*LATER, "x", 7.5], "write pfns")])
def test_wrong_laters_have_their_own_hints(wrong, hint):
    report = check.now_or_never(wrong, LEARNER)
    assert not report.passed and hint in told(report) and report.points(1) < 1


@pytest.mark.parametrize("what, hint", [
    ("unevictable_allowed", "never asks the sysctl"), ("compact_memory", "passes by an unmovable mapping"),
    ("without AS_UNMOVABLE", "the callback refuses them"), ("again", "patience helps")])
def test_wrong_preparations_have_their_own_hints(what, hint):
    choice = next(letter for letter, text in check.preparations_for(LEARNER).items() if what in text)
    report = check.the_preparation(choice, LETTERS, LEARNER)
    assert not report.passed and report.points(1) == 0 and hint in told(report)
    assert check.the_preparation("d", "AB", LEARNER).points(1) == 0


@pytest.mark.parametrize("choice", ["X", 3, ["D"]])
def test_a_choice_is_a_letter(choice):
    assert "write one letter" in repr(check.the_preparation(choice, LETTERS, LEARNER))


def test_the_choices_stand_in_another_order_for_others():
    assert len({tuple(check.preparations_for(learner).values()) for learner in LEARNERS}) > 5


def clears_the_flag(holders):
    holders_finish(holders)
    holders._zone.mappings[GMEM].flags = 0


def frees_the_file(holders):
    holders_finish(holders)
    zone = holders._zone
    for pfn in NEVER:
        zone.mapping[pfn] = zone.refcount[pfn] = 0
        zone.flags[pfn] = PG.BUDDY


def unlocks_another(holders):
    solution(holders)
    holders.unlock(26)


def forgets_the_batch(holders):
    holders.unlock(442)
    for pfn in (420, 486):
        holders.unpin(pfn)
    for pfn in NEVER:
        holders.allocate_elsewhere(pfn)


def moves_others(holders):
    solution(holders)
    holders.allocate_elsewhere(91)


def endless(holders):
    while True:
        holders._zone.folio(442).locked = False


def breaks_it(holders):
    holders_finish(holders)
    for pfn in (486, 486):
        holders.unpin(pfn)


@pytest.mark.parametrize("wrong, points, hint", [
    (holders_finish, 0.5, "still there: pfn 114 (mapping is unmovable)"),
    (forgets_the_batch, 0.5, "still there: pfn 258 (not on the LRU)"),
    (clears_the_flag, 0, "the flag says the truth about the file"),
    (frees_the_file, 0, "nobody may free or change the file's pages"),
    (unlocks_another, 0, "a lock is released, a batch drained"),
    (moves_others, 0, "only where that file allocates is yours to choose"),
    (breaks_it, 0, "the error is raised in line"),
    (endless, 0, "what should end it?"),
])
def test_every_wrong_mending_fails_with_its_own_hint(wrong, points, hint):
    report = check.mended(wrong, LEARNER)
    assert not report.passed and hint in told(report) and report.points(1) == points, report
