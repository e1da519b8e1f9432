"""Free lists in their order, capture, and watermarks: worked examples from hand-made zones."""
import pytest

import kitlib as kl
from kitlib.mm.mmzone import (MIGRATE_CMA, MIGRATE_MOVABLE, MIGRATE_UNMOVABLE, CaptureControl, FreeLists,
                              Watermark)
from kitlib.mm.page_alloc import (count_free_blocks, free_blocks, free_one_page, isolate_free_page,
                                  may_isolate, nr_free_pages, zone_watermark_ok)


def listed(*order_of_pages):
    """A zone of 1,024 pages in use, with these pages freed one after the other, and its lists."""
    zone = kl.zone_of("slab", repeat=1024)
    zone.free_lists = FreeLists()
    count_free_blocks(zone)
    for pfn in order_of_pages:
        free_one_page(zone, pfn, 0)
    return zone


def blocks(zone, order, kind=MIGRATE_MOVABLE):
    return list(zone.free_lists.forward(FreeLists.head(order, kind)))


def test_what_is_freed_last_is_found_first():
    """__free_one_page(), __add_to_free_list()."""
    zone = listed(8, 16, 24)
    assert blocks(zone, 0) == [24, 16, 8]
    assert list(zone.free_lists.backward(FreeLists.head(0, MIGRATE_MOVABLE))) == [8, 16, 24]
    isolate_free_page(zone, 16)
    assert blocks(zone, 0) == [24, 8]


def test_buddies_leave_their_lists_where_they_merge():
    zone = listed(8, 32, 9)
    assert blocks(zone, 0) == [32] and blocks(zone, 1) == [8]


def test_a_block_that_may_soon_merge_again_goes_to_the_tail():
    """buddy_merge_likely(): 10 and 11 are the buddy of 8; with 9 in use, 8 waits at the tail for it."""
    zone = listed(10, 11, 32, 8)
    assert blocks(zone, 1) == [10] and blocks(zone, 0) == [32, 8]
    assert blocks(listed(10, 32, 8), 0) == [8, 32, 10]      # 11 is in use: nothing to wait for


def test_searched_lists_are_turned():
    """move_freelist_head() and move_freelist_tail()."""
    zone = listed(8, 16, 24, 32)
    lists, head = zone.free_lists, FreeLists.head(0, MIGRATE_MOVABLE)
    lists.move_freelist_tail(head, 24)
    assert blocks(zone, 0) == [16, 8, 32, 24]
    lists.move_freelist_head(head, 8)
    assert blocks(zone, 0) == [8, 32, 24, 16]
    lists.move_freelist_head(head, 8)
    lists.move_freelist_tail(head, 16)
    assert blocks(zone, 0) == [8, 32, 24, 16]


def test_a_snapshot_has_the_order_of_the_lists_and_what_is_deferred():
    zone = listed(8, 16, 24)
    begin = zone.snapshot()
    free_one_page(zone, 17, 0)
    zone.free_lists.move_freelist_tail(FreeLists.head(0, MIGRATE_MOVABLE), 24)
    zone.compact_defer_shift = 3
    assert zone.snapshot() != begin
    zone.restore(begin)
    assert zone.snapshot() == begin and blocks(zone, 0) == [24, 16, 8] and zone.compact_defer_shift == 0


@pytest.mark.parametrize("kind, migratetype, order, captured", [
    (MIGRATE_MOVABLE, MIGRATE_MOVABLE, 3, True), (MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, 3, True),
    (MIGRATE_MOVABLE, MIGRATE_UNMOVABLE, 3, False), (MIGRATE_CMA, MIGRATE_MOVABLE, 3, False),
    (MIGRATE_MOVABLE, MIGRATE_MOVABLE, 4, False)])
def test_the_first_block_of_its_order_is_the_tasks_own(kind, migratetype, order, captured):
    """compaction_capture(): pages 8 to 15 become a block of order 3, which is on no free list then."""
    zone = listed()
    zone.migratetype[0] = kind
    zone.capture = CaptureControl(order, migratetype)
    for pfn in range(8, 16):
        free_one_page(zone, pfn, 0)
    assert zone.capture.pfn == (8 if captured else None)
    assert list(free_blocks(zone)) == ([] if captured else [8]) and nr_free_pages(zone) == 8 * (not captured)
    for pfn in range(16, 24):
        free_one_page(zone, pfn, 0)
    # Only one is kept for it.
    assert list(free_blocks(zone)) == ([16] if captured else [8, 16])


def test_a_watermark_leaves_so_many_pages_and_more_to_who_could_do_without_the_zone():
    """zone_watermark_ok(): free pages must be more than the mark and the reserve."""
    zone = listed(*range(64))
    assert zone_watermark_ok(zone, 0, 63, 0) and not zone_watermark_ok(zone, 0, 64, 0)
    zone.watermark = Watermark(40, 50, (0, 10), nr_free_highatomic=3)
    assert zone_watermark_ok(zone, 0, 60, 0) and not zone_watermark_ok(zone, 0, 61, 0)
    assert zone_watermark_ok(zone, 0, 50, 1) and not zone_watermark_ok(zone, 0, 51, 1)
    # For 2^3 pages seven fewer count, and a block must be there.
    assert zone_watermark_ok(zone, 3, 43, 1) and not zone_watermark_ok(zone, 3, 44, 1)
    assert zone_watermark_ok(zone, 6, -20, 0) and not zone_watermark_ok(zone, 7, -99, 0)


def test_a_target_is_not_taken_where_too_little_would_be_left():
    """__isolate_free_page(): as if one page were allocated, over the min watermark and the block."""
    zone = listed(*range(16), 32)
    assert nr_free_pages(zone) == 17 and may_isolate(zone, 0)
    zone.watermark = Watermark(1, 1, (0,))
    assert not may_isolate(zone, 0) and may_isolate(zone, 32)
