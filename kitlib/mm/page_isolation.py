"""Pageblocks that nobody allocates from: MIGRATE_ISOLATE, set and taken back (mm/page_isolation.c).

Leaves out the test that refuses a range, has_unmovable_pages() (page_alloc.py), and draining.
"""
from .folio import PG
from .mmzone import MAX_ORDER, MIGRATE_ISOLATE, PAGEBLOCK_ORDER
from .page_alloc import count_free_blocks, free_one_page, isolate_free_page
from .rmqueue import add_free_block
from .zone import Zone


def start_isolate_page_range(zone: Zone, blocks: range, splits: bool) -> None:
    """Make these pageblocks MIGRATE_ISOLATE. `splits`: a block that is larger than one becomes two first.

    Only from 6.10 on; before, it stays on the list of its first pageblock.
    """
    for block in blocks:
        start = block << PAGEBLOCK_ORDER
        # It may have begun in the pageblock before.
        large = next((pfn for pfn in (start, start & ~(1 << PAGEBLOCK_ORDER)) if zone.start_pfn <= pfn
                      and zone.flags[pfn] & PG.BUDDY and zone.order[pfn] > PAGEBLOCK_ORDER), None)
        if splits and large is not None:
            order = isolate_free_page(zone, large)
            zone.migratetype[block] = MIGRATE_ISOLATE
            for pfn in range(large, large + (1 << order), 1 << PAGEBLOCK_ORDER):
                add_free_block(zone, pfn, PAGEBLOCK_ORDER)
        else:
            move_freepages_block(zone, block, MIGRATE_ISOLATE)
    count_free_blocks(zone)


def undo_isolate_page_range(zone: Zone, blocks: range, kinds: bytes) -> None:
    """Give these pageblocks their types back; a wholly free one may merge with its neighbour again."""
    for block, kind in zip(blocks, kinds, strict=True):
        start = block << PAGEBLOCK_ORDER
        move_freepages_block(zone, block, kind)
        buddy = start ^ 1 << PAGEBLOCK_ORDER
        whole = zone.start_pfn <= min(start, buddy) and max(start, buddy) < zone.end_pfn and all(
            zone.flags[pfn] & PG.BUDDY and zone.order[pfn] == PAGEBLOCK_ORDER < MAX_ORDER
            for pfn in (start, buddy))
        if whole and zone.migratetype[buddy >> PAGEBLOCK_ORDER] != MIGRATE_ISOLATE:
            count_free_blocks(zone)
            free_one_page(zone, start, isolate_free_page(zone, start))
    count_free_blocks(zone)


def move_freepages_block(zone: Zone, block: int, migratetype: int) -> None:
    """The pageblock is of another type, and its free blocks go to the ends of that type's lists.

    Caller counts the free blocks anew.
    """
    zone.migratetype[block] = migratetype
    lists, pfn = zone.free_lists, max(block << PAGEBLOCK_ORDER, zone.start_pfn)
    end_pfn = min(block + 1 << PAGEBLOCK_ORDER, zone.end_pfn)
    while lists is not None and pfn < end_pfn:
        if zone.flags[pfn] & PG.BUDDY:
            lists.remove(pfn)
            lists.add(pfn, zone.order[pfn], migratetype, to_tail=True)
            pfn += 1 << zone.order[pfn]
        else:
            pfn += 1
