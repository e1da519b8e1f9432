"""Allocation of a movable page: the CPU's lists, then the free lists from their heads (mm/page_alloc.c).

For zones whose free lists are in a known order. Leaves out what is taken of another type's pageblock when no
whole one is free, reclaim, and that the lists' limits are tuned while they are used.
"""
from collections.abc import Sequence

from .folio import PG
from .mmzone import (MAX_ORDER, MIGRATE_MOVABLE, MIGRATE_PCPTYPES, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE,
                     PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER, FreeLists)
from .page_alloc import CONFIG_PCP_BATCH_SCALE_MAX, isolate_free_page, zone_watermark_ok
from .verdict import Code
from .zone import PerCpuPages, Zone

HIGHEST_ZONEIDX = 3             # a movable allocation may use ZONE_MOVABLE, though there may be none


def get_page_from_freelist(zones: Sequence[Zone], order: int) -> tuple[int, Zone] | None:
    """2^order movable pages, held by the caller, and their zone; None where no zone is above its low mark.

    The highest zone first.
    """
    for zone in reversed(zones):
        low = 0 if zone.watermark is None else zone.watermark.low
        if zone_watermark_ok(zone, order, low, HIGHEST_ZONEIDX) and (pfn := rmqueue(zone, order)) is not None:
            return pfn, zone
    return None


def rmqueue(zone: Zone, order: int) -> int | None:
    """From the CPU's list, which is filled up when it is empty; larger blocks from the free lists at once."""
    pcp = zone.pcp
    if pcp is None or order > PAGE_ALLOC_COSTLY_ORDER:
        return rmqueue_smallest(zone, order)
    pages = pcp.lists[MIGRATE_MOVABLE + MIGRATE_PCPTYPES * order]
    # Whoever allocates is not only freeing: the next spill is smaller.
    pcp.freed_in_a_row >>= 1
    if not pages:
        for _ in range(nr_pcp_alloc(pcp, order)):
            if (pfn := rmqueue_smallest(zone, order)) is None:
                break
            pages.append(pfn)
            pcp.count += 1 << order
    if not pages:
        return None
    pcp.count -= 1 << order
    return pages.popleft()


def nr_pcp_alloc(pcp: PerCpuPages, order: int) -> int:
    """How many blocks are put on an empty list: twice as many from time to time, as long as none is freed."""
    if pcp.high < pcp.batch:
        return 1
    if order:
        return max(pcp.batch >> order, 2) if pcp.batch > 1 else pcp.batch
    batch, most = pcp.batch << pcp.alloc_factor, max(pcp.high - pcp.count - pcp.batch, pcp.batch)
    if batch <= most and pcp.alloc_factor < CONFIG_PCP_BATCH_SCALE_MAX:
        pcp.alloc_factor += 1
    return min(batch, most)


def rmqueue_smallest(zone: Zone, order: int) -> int | None:
    """The first block of the shortest order that will do (__rmqueue_smallest()), less its upper halves."""
    lists = zone.free_lists
    assert lists is not None
    for size in range(order, MAX_ORDER + 1):
        pfn = lists.next[FreeLists.head(size, MIGRATE_MOVABLE)]
        if pfn >= 0:
            isolate_free_page(zone, pfn)
            expand(zone, pfn, order, size)
            return pfn
    return rmqueue_fallback(zone, order)


def rmqueue_fallback(zone: Zone, order: int) -> int | None:
    """A whole free pageblock of another type, the largest block first, which is movable from now on."""
    lists = zone.free_lists
    assert lists is not None
    for size in range(MAX_ORDER, PAGEBLOCK_ORDER - 1, -1):
        for kind in (MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE):
            pfn = lists.next[FreeLists.head(size, kind)]
            if pfn < 0:
                continue
            isolate_free_page(zone, pfn)
            for block in range(pfn >> PAGEBLOCK_ORDER, pfn + (1 << size) >> PAGEBLOCK_ORDER):
                zone.migratetype[block] = MIGRATE_MOVABLE
            expand(zone, pfn, order, size)
            return pfn
    return None


def expand(zone: Zone, pfn: int, order: int, size: int) -> None:
    """What is not wanted of a block of order `size` is free again, half by half. Caller holds the block."""
    while size > order:
        size -= 1
        add_free_block(zone, pfn + (1 << size), size)


def add_free_block(zone: Zone, pfn: int, order: int) -> None:
    """2^order pages are a free block, first on its list, that merges with nobody. Caller holds them."""
    kind = zone.migratetype[pfn >> PAGEBLOCK_ORDER]
    zone.hold(pfn, order, PG.FREE_TAIL)
    zone.flags[pfn], zone.order[pfn] = PG.BUDDY | (PG.HEAD if order else 0), order
    if zone.verdicts is not None:
        zone.verdicts[pfn] = Code.FREE_BLOCK if order else Code.FREE
    zone.nr_free[order][kind] += 1
    if zone.free_lists is not None:
        zone.free_lists.add(pfn, order, kind)
