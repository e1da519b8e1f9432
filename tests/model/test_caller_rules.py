"""Rules of compaction's callers: a worked example each, from a hand-made zone, with the kernel's function."""
import pytest

import kitlib as kl
from kitlib.compaction import Status, release_of
from kitlib.compaction.attempts import (Pgdat, alloc_pages_direct_compact, kcompactd_do_work,
                                        proactive_compact_node)
from kitlib.compaction.deferral import compaction_defer_reset, compaction_deferred, defer_compaction
from kitlib.compaction.fast_search import (fast_find_migrateblock, fast_isolate_freepages,
                                           freelist_scan_limit, next_search_order)
from kitlib.compaction.finished import compact_finished, fragmentation_score_zone
from kitlib.compaction.suitable import compact_gap, compaction_suit_allocation_order, compaction_suitable
from kitlib.mm.mmzone import MIGRATE_MOVABLE, MIGRATE_UNMOVABLE, CaptureControl, FreeLists, Watermark
from kitlib.mm.page_alloc import count_free_blocks, free_blocks, free_one_page
from kitlib.mm.zone import PerCpuPages

BLOCK = 512


def zone_with(blocks, *free, kind="anon"):
    """A zone of so many pageblocks of pages in use, with (pfn, order) freed in this order, and its lists."""
    zone = kl.zone_of(kind, repeat=blocks * BLOCK)
    zone.free_lists = FreeLists()
    count_free_blocks(zone)
    for pfn, order in free:
        zone.hold(pfn, order, kl.mm.PG.SLAB)
        for page in range(pfn, pfn + (1 << order)):
            zone.refcount[page] = zone.mapcount[page] = 0
        free_one_page(zone, pfn, order)
    return zone


def control(zone, caller="direct async", order=9, **orders):
    cc = kl.control_for(caller, zone, order, release=orders.pop("release", "6.12"), **orders)
    cc.migrate_pfn, cc.free_pfn, cc.search_order = zone.start_pfn, zone.end_pfn - BLOCK, cc.order
    cc.nr_migratepages = 32
    return cc


def blocks(zone, order):
    return list(zone.free_lists.forward(FreeLists.head(order, MIGRATE_MOVABLE)))


# --- fast_find_migrateblock()

def test_a_source_is_where_a_large_free_block_lies_in_the_lower_half():
    """The largest order first; what lies beyond the middle of the gap is for targets."""
    zone = zone_with(16, (3 * BLOCK + 64, 4), (5 * BLOCK, 6), (9 * BLOCK, 6))
    cc = control(zone)
    assert blocks(zone, 6) == [9 * BLOCK, 5 * BLOCK]
    assert fast_find_migrateblock(cc) == 5 * BLOCK and cc.fast_search_fail == 0
    assert cc.migrate_pfn == 0 and cc.total_migrate_scanned == 2 and cc.fast_start_pfn == 5 * BLOCK
    # Turned until what was found is the last.
    assert blocks(zone, 6) == [9 * BLOCK, 5 * BLOCK]


def test_once_begun_a_source_lies_in_the_first_eighth_of_the_gap():
    zone = zone_with(18, (2 * BLOCK, 5), (4 * BLOCK, 5))
    cc = control(zone)
    cc.migrate_pfn = BLOCK                  # the gap is 16 pageblocks: up to pageblock 3
    assert fast_find_migrateblock(cc) == 2 * BLOCK


@pytest.mark.parametrize("orders, why", [
    ({"order": 3}, "not costly"), ({"migratetype": MIGRATE_UNMOVABLE}, "a direct one is for movable pages"),
    ({"ignore_skip_hint": True}, "every pageblock is asked for"),
    ({"finish_pageblock": True}, "one is begun")])
def test_no_source_is_searched_for(orders, why):
    zone = zone_with(16, (5 * BLOCK, 6))
    assert fast_find_migrateblock(control(zone, **orders)) == 0, why
    assert fast_find_migrateblock(control(zone)) == 5 * BLOCK


def test_a_pageblock_with_its_skip_bit_is_no_source_and_nothing_found_goes_back_once():
    zone = zone_with(16, (5 * BLOCK, 6))
    zone.skip[5] = 1
    cc = control(zone)
    cc.fast_start_pfn = 2 * BLOCK           # an earlier search has come by here
    assert fast_find_migrateblock(cc) == 2 * BLOCK == cc.migrate_pfn and cc.fast_search_fail == 1
    assert cc.fast_start_pfn is None
    cc.migrate_pfn = 3 * BLOCK
    assert fast_find_migrateblock(cc) == 3 * BLOCK and cc.fast_search_fail == 2


def test_up_to_6_6_the_source_is_marked_and_so_refused():
    """isolate_migratepages_block() looks at its first page, and takes nothing."""
    zone = zone_with(16, (5 * BLOCK, 6))
    cc = control(zone, release="6.1")
    cc.nr_migratepages = 0
    assert fast_find_migrateblock(cc) == 5 * BLOCK and zone.skip[5] == 1
    kl.isolate_migratepages_block(cc, 5 * BLOCK, 6 * BLOCK, kl.Mode(async_migrate=True))
    assert cc.trace[-1][:4] == (5 * BLOCK, 6 * BLOCK, 1, 0)


def test_each_search_in_vain_halves_the_next():
    cc = control(zone_with(2))
    limits = []
    for cc.fast_search_fail in (0, 1, 2, 5, 70):
        limits.append(freelist_scan_limit(cc))
    assert limits == [33, 17, 9, 2, 1]


# --- fast_isolate_freepages(), fast_isolate_around()

def test_targets_come_from_the_tail_of_a_list_in_the_last_quarter():
    zone = zone_with(16, (15 * BLOCK, 3), (13 * BLOCK, 3), (2 * BLOCK, 3))
    cc = control(zone)
    cc.search_order = 3
    fast_isolate_freepages(cc)
    assert cc.freepages[3][0] == 15 * BLOCK and cc.nr_freepages == 8
    # One block was looked at, and its other 7 pages count as scanned.
    assert cc.trace[-1] == (7 * BLOCK, 15 * BLOCK, 8, 8)
    assert blocks(zone, 3) == [2 * BLOCK, 13 * BLOCK] and cc.free_pfn == 15 * BLOCK


def test_the_third_quarter_is_second_best_and_below_is_none():
    zone = zone_with(16, (9 * BLOCK, 3), (2 * BLOCK, 3))
    cc = control(zone)
    fast_isolate_freepages(cc)
    assert [list(found) for found in cc.freepages if found] == [[9 * BLOCK]]
    low = control(zone_with(16, (2 * BLOCK, 3)))
    fast_isolate_freepages(low)
    assert low.nr_freepages == 0 and low.fast_search_fail == 1 and low.trace[-1].nr_scanned > 0
    # A direct search that has seen nothing high enough sends the free scanner to the middle.
    assert low.free_pfn == 7 * BLOCK


def test_the_search_goes_round_the_orders_and_begins_lower_next_time():
    """next_search_order(): from the order that worked down to 0, then from the highest."""
    cc = control(zone_with(2), order=4)
    cc.search_order, seen = 2, [2]
    while (order := next_search_order(cc, seen[-1])) >= 0:
        seen.append(order)
    assert seen == [2, 1, 0, 3] and cc.search_order == 1


def test_who_waits_takes_what_else_is_free_in_the_pageblock():
    """fast_isolate_around(): not for a direct asynchronous run; walked to its end, it is marked."""
    free = [(15 * BLOCK + 8 * at, 2) for at in range(3)]
    for caller, taken, marked in (("direct async", 4, 0), ("direct sync light", 12, 1), ("kcompactd", 12, 1)):
        zone = zone_with(16, *free)
        cc = control(zone, caller)
        fast_isolate_freepages(cc)
        assert (cc.nr_freepages, zone.skip[15]) == (taken, marked)


def test_up_to_6_6_a_pageblock_with_enough_is_not_marked():
    free = [(15 * BLOCK + 8 * at, 2) for at in range(3)]
    for wanted, marked in ((32, 1), (12, 0)):
        zone = zone_with(16, *free)
        cc = control(zone, "kcompactd", release="6.1")
        cc.nr_migratepages = wanted
        fast_isolate_freepages(cc)
        assert zone.skip[15] == marked


def test_a_zone_whose_lists_have_no_known_order_is_not_searched():
    zone = zone_with(16, (5 * BLOCK, 6), (15 * BLOCK, 3))
    zone.free_lists = None
    cc = control(zone)
    fast_isolate_freepages(cc)
    assert fast_find_migrateblock(cc) == 0 and cc.trace == [] and cc.nr_freepages == 0


# --- capture

def nearly_free(release):
    """Pageblock 1 has 100 pages in use, and the last one room for them."""
    free = [(BLOCK, 8), *((BLOCK + 256 + at, 0) for at in range(156)), (5 * BLOCK, 8)]
    zone = zone_with(6, *free)
    zone.pcp = PerCpuPages(high=2000, batch=63)
    zone.capture = CaptureControl(9, MIGRATE_MOVABLE)
    zone.cached_migrate_pfn[:] = [BLOCK, BLOCK]
    cc = kl.control_for("direct async", zone, 9, release=release)
    kl.compact_zone(cc)
    return zone, cc


def test_a_captured_block_ends_the_run_one_cluster_too_late():
    """compact_zone(): draining makes the block, and compact_finished() does not see it on any list."""
    moved = {}
    for release in ("6.1", "6.12"):
        zone, cc = nearly_free(release)
        assert zone.capture.pfn == BLOCK and cc.trace[-1].status == "success"
        moved[release] = [event.nr_migrated for event in cc.trace if type(event).__name__ == "MigrateEvent"]
    assert sum(moved["6.1"]) == 100 and sum(moved["6.12"]) == 132 and moved["6.12"][-1] == 32


# --- compaction_suitable(), deferral

def test_a_zone_is_suitable_above_its_watermark_and_the_gap():
    zone = zone_with(8, *((at * 8, 2) for at in range(100)))
    assert compact_gap(5) == 64 and compact_gap(9) == 1024
    trace = []
    # 400 pages free, 64 for the gap: costly orders must leave the low watermark, the others the min.
    for mark, order, status in ((Watermark(0, 335, (0, 0)), 5, Status.CONTINUE),
                                (Watermark(0, 336, (0, 0)), 5, Status.SKIPPED),
                                (Watermark(383, 999, (0, 0)), 3, Status.CONTINUE),
                                (Watermark(384, 999, (0, 0)), 3, Status.SKIPPED),
                                (Watermark(0, 335, (0, 1)), 5, Status.SKIPPED)):
        zone.watermark = mark
        assert compaction_suitable(zone, order, 1, "6.12", trace) == status
    assert [event.ret for event in trace] == ["continue", "skipped", "continue", "skipped", "skipped"]


def test_from_7_0_on_the_gap_is_a_cluster():
    """So a zone too small for a huge page's gap is compacted, too."""
    zone = zone_with(8, *((at * 8, 2) for at in range(100)))
    assert [compact_gap(9, release) for release in ("6.1", "6.18", "7.2")] == [1024, 1024, 32]
    assert [compaction_suitable(zone, 9, release=release) for release in ("6.12", "7.2")] == [
        Status.SKIPPED, Status.CONTINUE]


def test_a_zone_with_such_a_block_need_not_be_compacted():
    zone, trace = zone_with(8, (0, 9)), []
    assert compaction_suit_allocation_order(zone, 9, 0, "6.12", trace) == Status.SUCCESS and trace == []
    zone.watermark = Watermark(1, 1, (0,))          # taking it would leave nothing
    assert compaction_suit_allocation_order(zone, 9, 0, "6.12", trace) == Status.SKIPPED


def test_a_failure_defers_twice_as_many_attempts_each_time():
    zone, trace = zone_with(1), []
    assert not compaction_deferred(zone, 9, trace)
    asked = []
    for _ in range(8):
        defer_compaction(zone, 9, trace)
        attempts = 1
        while compaction_deferred(zone, 9, trace):
            attempts += 1
        asked.append(attempts)
    assert asked == [2, 4, 8, 16, 32, 64, 64, 64]
    # The order that has failed is 0 from the first: a new zone defers every order.
    assert zone.compact_order_failed == 0 and compaction_deferred(zone, 1, trace) is False
    compaction_defer_reset(zone, 9, False, trace)
    assert zone.compact_order_failed == 10 and zone.compact_defer_shift == 6
    assert not compaction_deferred(zone, 9, trace) and trace[-1].order_failed == 10
    compaction_defer_reset(zone, 9, True, trace)
    assert trace[-1] == (zone.name, 10, 0, 1)


# --- compact_finished()

def test_kcompactd_takes_a_block_of_any_type_for_a_small_order():
    """Its allocation is GFP_KERNEL: unmovable, and may take over what a movable one may not."""
    zone = zone_with(2, (0, 2))
    zone.migratetype[0] = MIGRATE_UNMOVABLE
    count_free_blocks(zone)
    for caller, status in (("kcompactd", Status.SUCCESS), ("direct sync light", Status.CONTINUE)):
        assert compact_finished(control(zone, caller, 2)) == status
    assert control(zone, "kcompactd", 2).migratetype == MIGRATE_UNMOVABLE


def test_proactive_compaction_stops_by_the_score():
    """extfrag_for_order(): 512 of 640 free pages are in a huge page's block, 20 of 100 are not."""
    zone = zone_with(8, (BLOCK, 9), (3 * BLOCK, 7))
    assert fragmentation_score_zone(zone) == 20
    for proactiveness, status in ((None, Status.CONTINUE), (81, Status.CONTINUE), (80, Status.SUCCESS)):
        cc = control(zone, "proactive", -1, proactiveness=proactiveness)
        assert compact_finished(cc) == status


def test_what_finished_says_is_traced_where_it_is_asked_for():
    zone = zone_with(8)
    cc = control(zone, order=9, traces_all=True)
    compact_finished(cc)
    assert cc.trace[-1] == ("no_suitable_page",) and cc.trace[-1].tracepoint == "mm_compaction_finished"
    assert compact_finished(control(zone, order=9)) == Status.CONTINUE


# --- attempts

def pgdat_of(zone):
    def compact(caller, in_zone, order):
        cc = kl.control_for(caller, in_zone, release="6.12", **({} if order < 0 else {"order": order}))
        return cc, kl.compact_zone(cc)

    zone.name = "Normal"
    return Pgdat([zone], release_of("6.12"), compact)


def kinds(pgdat):
    return [type(event).__name__ for event in pgdat.trace]


def test_asynchronous_failures_do_not_defer_and_others_do():
    for priority, defers in ((2, 0), (1, 1)):
        zone = zone_with(16, *((at * 16, 3) for at in range(200)), kind="anon, pinned")
        pgdat = pgdat_of(zone)
        status, pfn = alloc_pages_direct_compact(pgdat, 9, priority)
        assert status in (Status.PARTIAL_SKIPPED, Status.COMPLETE) and pfn is None
        assert zone.compact_defer_shift == defers
        assert ("DeferCompactionEvent" in kinds(pgdat)) == bool(defers)
        assert alloc_pages_direct_compact(pgdat, 9, 2)[0] == (Status.DEFERRED if defers else status)


def test_kcompactd_asks_twice_and_defers_as_others_do():
    zone = zone_with(16, *((at * 16, 3) for at in range(200)), kind="anon, pinned")
    pgdat = pgdat_of(zone)
    kcompactd_do_work(pgdat, 9)
    assert kinds(pgdat)[:3] == ["SuitableEvent", "SuitableEvent", "BeginEvent"]
    assert kinds(pgdat)[-1] == "DeferCompactionEvent" and zone.compact_defer_shift == 1
    pgdat.trace.clear()
    kcompactd_do_work(pgdat, 9)
    assert kinds(pgdat) == ["DeferredEvent"]


def test_a_proactive_round_asks_nobody():
    zone = zone_with(16, *((at * 16, 3) for at in range(200)))
    pgdat = pgdat_of(zone)
    proactive_compact_node(pgdat)
    assert kinds(pgdat)[0] == "BeginEvent" and kinds(pgdat)[-1] == "EndEvent"
    assert sum(kind.startswith("Defer") for kind in kinds(pgdat)) == 0 and list(free_blocks(zone))
