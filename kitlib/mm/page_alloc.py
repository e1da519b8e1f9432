"""Free pages: the buddy allocator's blocks and one CPU's lists in front of it (mm/page_alloc.c).

What migration empties is not free for everybody at once: it goes to the front of a per-CPU list, and the
oldest pages of the lists go on to the buddy allocator when there are too many. Leaves out changes of a
pageblock's type, allocation other than for compaction and for contiguous ranges, and the locks: each
function says which one the kernel holds, under which alone its answer stays true there.
"""
from collections.abc import Iterator, Sequence
from itertools import compress

from .folio import PG
from .mmzone import (MAX_ORDER, MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATE_MOVABLE, MIGRATE_PCPTYPES,
                     MIGRATE_RECLAIMABLE, MIGRATE_TYPES, MIGRATE_UNMOVABLE, NR_PCP_LISTS,
                     PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER, CaptureControl, PerCpuPages)
from .verdict import Code, Result
from .zone import Zone, pageblock_end_pfn

CONFIG_PCP_BATCH_SCALE_MAX = 5      # at most 2^5 batches are given back at a time
FALLBACKS = MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE     # whose pageblocks may be taken over

_BUDDY, _BUDDY_HEAD, _FREE_TAIL, _SLAB = PG.BUDDY, PG.BUDDY | PG.HEAD, PG.FREE_TAIL, PG.SLAB
_FREE, _FREE_BLOCK, _INSIDE = int(Code.FREE), int(Code.FREE_BLOCK), int(Code.FREE_TAIL)
_IF_BUDDY = bytes(flags & _BUDDY for flags in range(256))       # for bytes.translate


def free_unref_page(zone: Zone, pfn: int, order: int = 0) -> None:
    """Free 2^order pages to the CPU's lists, and spill the oldest when the lists are full (mm/page_alloc.c).

    Caller must have dropped the last reference. The kernel takes pcp->lock.
    """
    free_unref_pages(zone, (pfn,), order)


def free_unref_pages(zone: Zone, pfns: Sequence[int], order: int = 0) -> None:
    """The same for one after the other."""
    pcp = zone.pcp
    # Held until they reach the buddy allocator, or a page that is freed meanwhile would merge with them.
    if order or pcp is not None:
        for pfn in pfns:
            zone.hold(pfn, order, _FREE_TAIL)
    # No lists: a made-up zone.
    if pcp is None or order > PAGE_ALLOC_COSTLY_ORDER:
        free_pages(zone, pfns, order)
        return
    for pfn in pfns:
        # Pages of CMA and HIGHATOMIC pageblocks go to the movable list, from where they can be had back.
        kind = zone.migratetype[pfn >> PAGEBLOCK_ORDER]
        if kind == MIGRATE_ISOLATE:     # nobody may allocate it
            free_one_page(zone, pfn, order)
            continue
        number = (kind if kind < MIGRATE_PCPTYPES else MIGRATE_MOVABLE) + MIGRATE_PCPTYPES * order
        pcp.lists[number].appendleft(pfn)       # the newest is allocated next, the oldest goes first
        pcp.count += 1 << order
        pcp.freed_in_a_row = min(pcp.freed_in_a_row + (1 << order), pcp.batch << CONFIG_PCP_BATCH_SCALE_MAX)
        if pcp.count >= pcp.high:
            _free_pcppages_bulk(zone, pcp, _nr_pcp_free(pcp), number)


def _nr_pcp_free(pcp: PerCpuPages) -> int:
    """How many pages go to the buddy allocator now: the lists are full. Caller holds pcp->lock."""
    if pcp.high < pcp.batch:
        return 1                        # the lists are switched off
    most = pcp.high - pcp.batch         # one batch stays on the lists, for who allocates next
    # The longer nothing but freeing goes on, the more: by pages freed in a row, or by a batch that doubles.
    if not pcp.doubles:
        return max(pcp.batch, min(pcp.freed_in_a_row, most))
    pages = pcp.batch << pcp.free_factor
    if pages < most and pcp.free_factor < CONFIG_PCP_BATCH_SCALE_MAX:
        pcp.free_factor += 1
    return max(pcp.batch, min(pages, most))


def _free_pcppages_bulk(zone: Zone, pcp: PerCpuPages, pages: int, number: int) -> None:
    """Give back the oldest pages, from list `number` on. Caller holds pcp->lock; takes zone->lock."""
    pages = min(pages, pcp.count)       # or the search for a list that is not empty would never end
    while pages > 0:
        while not pcp.lists[number]:
            number = (number + 1) % NR_PCP_LISTS
        order = number // MIGRATE_PCPTYPES
        # A list is emptied before the next one is looked at. What it gives may be more than was wanted.
        while pages > 0 and pcp.lists[number]:
            pages -= 1 << order
            pcp.count -= 1 << order
            free_one_page(zone, pcp.lists[number].pop(), order)
        number = (number + 1) % NR_PCP_LISTS


def drain_pages_zone(zone: Zone) -> None:
    """All that is on the CPU's lists goes to the buddy allocator (mm/page_alloc.c). Takes pcp->lock."""
    if zone.pcp is not None:
        _free_pcppages_bulk(zone, zone.pcp, zone.pcp.count, 0)
        while zone.pcp.huge:
            free_one_page(zone, zone.pcp.huge.pop(), PAGEBLOCK_ORDER)


def free_one_page(zone: Zone, pfn: int, order: int) -> int:
    """Free 2^order pages to the buddy allocator; where the free block starts that they are part of now."""
    return free_pages(zone, (pfn,), order)


def free_pages(zone: Zone, pfns: Sequence[int], order: int) -> int:
    """The same for one after the other: where the last one's free block starts, or the block captured.

    Caller must own the pages, and hold them (Zone.hold) where order > 0: only heads are written here.
    The kernel takes zone->lock: without it a free block may be gone, or part of a larger one, once found.
    """
    flags, orders, verdicts = zone.flags, zone.order, zone.verdicts
    nr_free, migratetype, start_pfn, end_pfn = zone.nr_free, zone.migratetype, zone.start_pfn, zone.end_pfn
    lists, capture = zone.free_lists, zone.capture
    freed_order, pfn = order, -1        # no pages, no block
    for pfn in pfns:
        order, buddy = freed_order, pfn ^ 1 << freed_order
        # No two free buddies stay apart: as long as the buddy is a free block of this order, both are one.
        while (order < MAX_ORDER and not (capture and compaction_capture(zone, capture, pfn, order))
               and start_pfn <= buddy < end_pfn and orders[buddy] == order and flags[buddy] & _BUDDY):
            if lists is not None:
                lists.remove(buddy)
            nr_free[order][migratetype[buddy >> PAGEBLOCK_ORDER]] -= 1      # counted where it starts
            higher = pfn | buddy
            flags[higher], orders[higher] = _FREE_TAIL, 0
            if verdicts is not None:
                verdicts[higher] = _INSIDE
            pfn &= buddy
            order += 1
            buddy = pfn ^ 1 << order
        if capture and capture.pfn == pfn:
            zone.hold(pfn, order, _SLAB)
            continue
        flags[pfn], orders[pfn] = _BUDDY_HEAD if order else _BUDDY, order
        if lists is not None:
            to_tail = lists.merge_likely_to_tail and buddy_merge_likely(zone, pfn, order)
            lists.add(pfn, order, migratetype[pfn >> PAGEBLOCK_ORDER], to_tail)
        if verdicts is not None:
            verdicts[pfn] = _FREE_BLOCK if order else _FREE
        nr_free[order][migratetype[pfn >> PAGEBLOCK_ORDER]] += 1
    return pfn


def compaction_capture(zone: Zone, capture: CaptureControl, pfn: int, order: int) -> bool:
    """Whether the block becomes the task's that compacts for it; it is on no free list then.

    Small blocks in movable pageblocks are for movable allocations alone. Caller holds zone->lock.
    """
    kind = zone.migratetype[pfn >> PAGEBLOCK_ORDER]
    if capture.pfn is not None or order != capture.order or kind in (MIGRATE_CMA, MIGRATE_ISOLATE):
        return False
    if order < PAGEBLOCK_ORDER and kind == MIGRATE_MOVABLE and capture.migratetype != MIGRATE_MOVABLE:
        return False
    capture.pfn = pfn
    return True


def buddy_merge_likely(zone: Zone, pfn: int, order: int) -> bool:
    """Whether a freed block goes to the tail of its list: only its buddy, in use, parts it from a larger one.

    What is allocated later may have merged by then. The larger one is the buddy of what both would be.
    """
    if order >= MAX_ORDER - 1:
        return False
    above = (pfn & ~(1 << order)) ^ 2 << order
    return (zone.start_pfn <= above < zone.end_pfn and zone.order[above] == order + 1
            and bool(zone.flags[above] & _BUDDY))


def isolate_free_page(zone: Zone, pfn: int) -> int:
    """Take the free block that starts at `pfn` out of the buddy allocator; its order (__isolate_free_page()).

    Caller must have found PageBuddy there under zone->lock, and still hold it: without it that is stale. All
    pages of the block are the caller's now, with no reference on them, until it frees or uses them.
    """
    order = zone.order[pfn]
    if zone.free_lists is not None:
        zone.free_lists.remove(pfn)
    zone.nr_free[order][zone.migratetype[pfn >> PAGEBLOCK_ORDER]] -= 1
    zone.hold(pfn, order, _SLAB)        # in use, and on no LRU list: neither scanner takes it
    return order


def may_isolate(zone: Zone, pfn: int) -> bool:
    """Whether the free block at `pfn` leaves enough behind, as for an allocation of one page.

    __isolate_free_page() (mm/page_alloc.c) tests it first. Without watermarks every block may be taken.
    """
    mark = zone.watermark
    return mark is None or zone_watermark_ok(zone, 0, mark.min + (1 << zone.order[pfn]), 0)


def nr_free_pages(zone: Zone) -> int:
    """NR_FREE_PAGES: all pages of the zone's free blocks, as they are counted."""
    return sum(sum(by_type) << order for order, by_type in enumerate(zone.nr_free))


def zone_watermark_ok(zone: Zone, order: int, mark: int, highest_zoneidx: int) -> bool:
    """Whether an allocation of 2^order pages finds a block and leaves more than `mark` pages free.

    So many are kept for allocations that can use no higher zone. Stale when it is there: no lock is held.
    """
    reserve, highatomic = 0, 0
    if zone.watermark is not None:
        reserve = zone.watermark.lowmem_reserve[highest_zoneidx]
        highatomic = zone.watermark.nr_free_highatomic
    if nr_free_pages(zone) - highatomic - ((1 << order) - 1) <= mark + reserve:
        return False
    # For a single page any block will do.
    return not order or any(by_type[kind] for by_type in zone.nr_free[order:]
                            for kind in (*FALLBACKS, MIGRATE_CMA))


def _heads(zone: Zone, start_pfn: int, end_pfn: int) -> bytes:
    """A byte a page, not 0 where a free block starts."""
    # The flags' low byte has PG.BUDDY, and comes first of the two.
    return zone.flags[start_pfn:end_pfn].tobytes()[::2].translate(_IF_BUDDY)


def free_blocks(zone: Zone) -> Iterator[int]:
    """Where the zone's free blocks start, in pfn order, when this is called: later changes are not seen."""
    pages = range(zone.start_pfn, zone.end_pfn)
    return compress(pages, _heads(zone, zone.start_pfn, zone.end_pfn))


def count_free_blocks(zone: Zone) -> None:
    """Count the zone's free blocks by order and pageblock type anew, into zone.nr_free.

    Caller has written columns, or changed a pageblock's type. The functions above keep count by themselves.
    """
    for by_type in zone.nr_free:
        by_type[:] = [0] * MIGRATE_TYPES
    start = zone.start_pfn
    while start < zone.end_pfn:
        end = min(pageblock_end_pfn(start), zone.end_pfn)
        migratetype = zone.migratetype[start >> PAGEBLOCK_ORDER]
        for order in compress(zone.order[start:end], _heads(zone, start, end)):
            zone.nr_free[order][migratetype] += 1
        start = end


def fragmentation_index(zone: Zone, order: int) -> int:
    """-1000: such a block is free; near 0: memory is lacking; near 1000: it is fragmented (mm/vmstat.c).

    The kernel reads the counts without zone->lock: a hint, stale when it is there.
    """
    blocks = [sum(by_type) for by_type in zone.nr_free]
    if sum(blocks) == 0:
        return 0
    if any(blocks[order:]):
        return -1000
    pages = sum(count << size for size, count in enumerate(blocks))
    return 1000 - (1000 + pages * 1000 // (1 << order)) // sum(blocks)


def block_suits(by_type: list[int], order: int, migratetype: int) -> bool:
    """Whether a free block of this order is of the right type, or one that can_steal_fallback().

    compact_finished() asks without zone->lock: whoever allocates next may take the block.
    """
    if by_type[migratetype] or (migratetype == MIGRATE_MOVABLE and by_type[MIGRATE_CMA]):
        return True
    can_steal = order >= PAGEBLOCK_ORDER // 2 or migratetype != MIGRATE_MOVABLE
    return can_steal and any(by_type[other] for other in FALLBACKS)


def has_unmovable_pages(zone: Zone, start_pfn: int, end_pfn: int) -> bool:
    """Whether a page is in use and on no LRU list, in a pageblock that is not CMA's (mm/page_isolation.c).

    The kernel holds zone->lock and no reference: PG_lru may come and go meanwhile. Every page on an LRU list
    is taken for movable, whatever its mapping says: False promises nothing.
    """
    # Tails have no state of their own: their head decides.
    passed = PG.LRU | PG.BUDDY | PG.FREE_TAIL | PG.TAIL
    return any(not zone.flags[pfn] & passed and (zone.refcount[pfn] or zone.flags[pfn] & PG.NO_PAGE)
               and zone.migratetype[pfn >> PAGEBLOCK_ORDER] != MIGRATE_CMA
               for pfn in range(start_pfn, end_pfn))


def isolate_freepages_range(zone: Zone, start_pfn: int, end_pfn: int) -> Result:
    """Allocate every page of a range, or none and -EBUSY (mm/compaction.c).

    Caller must have made the pageblocks MIGRATE_ISOLATE, or somebody else allocates from the range meanwhile,
    and emptied the per-CPU lists, whose pages are no free blocks. What blocks reach beyond it stays free.
    """
    pfn = start_pfn
    while pfn and zone.flags[pfn] & PG.FREE_TAIL:
        pfn &= pfn - 1                  # the next larger aligned block, which may have begun before the range
    blocks = []
    # All are looked at before the first is taken, so that nothing need be given back.
    while pfn < end_pfn:
        if not zone.flags[pfn] & PG.BUDDY:
            return Result.EBUSY
        blocks.append(pfn)
        pfn += 1 << zone.order[pfn]
    for block in blocks:
        pages = 1 << isolate_free_page(zone, block)
        for page in range(block, block + pages):
            if start_pfn <= page < end_pfn:
                zone.refcount[page] = 1
            else:
                free_unref_page(zone, page)
    return Result.SUCCESS
