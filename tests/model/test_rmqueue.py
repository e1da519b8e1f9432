"""Targets from the buddy allocator, and isolated pageblocks: worked examples from hand-made zones."""
import pytest
from test_caller_rules import BLOCK, blocks, zone_with

import kitlib as kl
from kitlib.compaction import alloc_contig_range, control_for
from kitlib.mm.mmzone import (MIGRATE_ISOLATE, MIGRATE_MOVABLE, MIGRATE_PCPTYPES, MIGRATE_RECLAIMABLE,
                              MIGRATE_UNMOVABLE, FreeLists, Watermark)
from kitlib.mm.page_alloc import count_free_blocks, free_blocks, free_unref_page, nr_free_pages
from kitlib.mm.page_isolation import start_isolate_page_range, undo_isolate_page_range
from kitlib.mm.rmqueue import get_page_from_freelist, nr_pcp_alloc, rmqueue, rmqueue_smallest
from kitlib.mm.zone import PerCpuPages


def test_the_first_block_that_will_do_is_halved_and_its_upper_halves_are_first():
    """__rmqueue_smallest(), expand()."""
    zone = zone_with(2, (64, 3), (128, 3), (256, 0))
    assert rmqueue_smallest(zone, 1) == 128
    assert (blocks(zone, 1), blocks(zone, 2), blocks(zone, 3)) == ([130], [132], [64])
    assert rmqueue_smallest(zone, 0) == 256 and nr_free_pages(zone) == 14


def test_without_movable_pages_a_whole_pageblock_changes_its_type():
    """__rmqueue_fallback(): reclaimable ones before unmovable ones; a smaller block is left alone here."""
    zone = zone_with(6, (0, 9), (2 * BLOCK, 9), (4 * BLOCK, 8), (5 * BLOCK, 0))
    kinds = {0: MIGRATE_UNMOVABLE, 2: MIGRATE_RECLAIMABLE, 4: MIGRATE_UNMOVABLE}
    for block, kind in kinds.items():
        zone.migratetype[block] = kind
    relist(zone)
    assert [rmqueue_smallest(zone, 0) for _ in range(2)] == [5 * BLOCK, 2 * BLOCK]
    assert zone.migratetype[2] == MIGRATE_MOVABLE and blocks(zone, 8) == [2 * BLOCK + 256]
    assert rmqueue_smallest(zone, 9) == 0 and zone.migratetype[0] == MIGRATE_MOVABLE
    assert rmqueue_smallest(zone, 9) is None and zone.migratetype[4] == MIGRATE_UNMOVABLE


def relist(zone):
    """The lists and counts anew, after pageblocks have changed their types."""
    zone.free_lists = FreeLists()
    for pfn in free_blocks(zone):
        zone.free_lists.add(pfn, zone.order[pfn], zone.migratetype[pfn // BLOCK])
    count_free_blocks(zone)


def test_the_cpus_list_goes_first_and_is_filled_from_the_free_lists():
    """rmqueue_pcplist(): what was freed last is allocated first."""
    zone = zone_with(2, *((8 * at, 0) for at in range(20)))
    zone.pcp = PerCpuPages(high=100, batch=4)
    free_unref_page(zone, 500)
    assert zone.pcp.count == 1 and rmqueue(zone, 0) == 500 and zone.pcp.count == 0
    assert rmqueue(zone, 0) == 152 and list(zone.pcp.lists[MIGRATE_MOVABLE]) == [144, 136, 128]
    assert zone.pcp.count == 3 and nr_free_pages(zone) == 16


def test_the_cpus_list_is_filled_with_twice_as_many_each_time():
    """nr_pcp_alloc()."""
    pcp = PerCpuPages(high=40, batch=4)
    assert [nr_pcp_alloc(pcp, 0) for _ in range(5)] == [4, 8, 16, 32, 36]
    assert nr_pcp_alloc(pcp, 1) == 2 and nr_pcp_alloc(PerCpuPages(high=0, batch=1), 0) == 1
    assert MIGRATE_PCPTYPES == 3


def test_a_page_comes_from_the_highest_zone_above_its_low_mark():
    """get_page_from_freelist(): others keep a reserve from allocations that could do without them."""
    low, high = zone_with(2, *((8 * at, 0) for at in range(20))), zone_with(2, (0, 0), (8, 0))
    low.watermark, high.watermark = Watermark(1, 2, (0, 0, 0, 15)), Watermark(0, 0, (0, 0, 0, 0))
    found = [get_page_from_freelist([low, high], 0) for _ in range(6)]
    assert [zone is high for _, zone in found[:2]] == [True, True]
    assert [zone is low for _, zone in found[2:5]] == [True, True, True] and found[5] is None


@pytest.mark.parametrize("splits, large", [(True, [9, 9]), (False, [10])])
def test_from_6_10_on_a_block_over_two_pageblocks_is_split_where_one_is_isolated(splits, large):
    """move_freepages_block_isolate(); and unset_migratetype_isolate() merges them again."""
    zone = zone_with(4, (2 * BLOCK, 10))
    start_isolate_page_range(zone, range(3, 4), splits)
    assert [zone.order[pfn] for pfn in free_blocks(zone)] == large
    assert zone.migratetype[2:] == bytes([MIGRATE_MOVABLE, MIGRATE_ISOLATE])
    if splits:
        assert blocks(zone, 9) == [2 * BLOCK] and zone.nr_free[9][MIGRATE_ISOLATE] == 1
    undo_isolate_page_range(zone, range(3, 4), bytes([MIGRATE_MOVABLE]))
    assert [zone.order[pfn] for pfn in free_blocks(zone)] == [10] and blocks(zone, 10) == [2 * BLOCK]


def test_each_pageblock_of_a_split_block_is_scanned_by_itself():
    """On 6.12 two ranges of 512 pages each; before, 1,024 in the first."""
    scanned = {}
    for release in ("6.8", "6.12"):
        zone = zone_with(6, (2 * BLOCK, 10), (5 * BLOCK, 4))
        cc = control_for("alloc_contig_range", zone, release=release)
        assert alloc_contig_range(cc, 2 * BLOCK, 4 * BLOCK, [zone]) == 0
        scanned[release] = [event.nr_scanned for event in cc.trace if type(event).__name__ == "IsolateEvent"]
    assert scanned["6.12"] == [512, 512] and scanned["6.8"][0] == 1024


def test_targets_come_from_any_zone():
    """With none left in its own zone the range is emptied all the same; otherwise there is no memory."""
    results = []
    for room in (0, 64):
        memory = zone_with(4, (2 * BLOCK, 6))
        low, high = memory.part("DMA32", 0, 2 * BLOCK), memory.part("Normal", 2 * BLOCK, 4 * BLOCK)
        relist(low)
        relist(high)
        for pfn in range(room):
            memory.hold(pfn, 0, kl.mm.PG.SLAB)
            memory.refcount[pfn] = memory.mapcount[pfn] = 0
            free_unref_page(low, pfn)
        cc = control_for("alloc_contig_range", high, release="6.12")
        results.append(int(alloc_contig_range(cc, 3 * BLOCK, 3 * BLOCK + 100, [low, high])))
    assert results == [-12, 0]
