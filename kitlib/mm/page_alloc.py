"""Free pages: the buddy allocator's blocks and one CPU's lists in front of it (mm/page_alloc.c).

What migration empties is not free for everybody at once: it goes to the front of a per-CPU list, and the oldest pages of
the lists go on to the buddy allocator when there are too many. Leaves out watermarks, changes of a pageblock's type,
and allocation other than for compaction and for contiguous ranges.
"""
import re
from collections import deque
from collections.abc import Iterator, Sequence

from .folio import PG
from .verdict import Code, Result
from .zone import (MAX_ORDER, MIGRATE_CMA, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE,
                   PAGEBLOCK_ORDER, Zone)

MIGRATE_PCPTYPES = 3                # UNMOVABLE, MOVABLE, RECLAIMABLE have lists; other pageblocks count as MOVABLE
NR_PCP_LISTS = 12                   # type + 3 * order, for orders 0 to PAGE_ALLOC_COSTLY_ORDER
PAGE_ALLOC_COSTLY_ORDER = 3
CONFIG_PCP_BATCH_SCALE_MAX = 5
FALLBACKS = MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE     # types that an allocation may fall back to

_BUDDY, _BUDDY_HEAD, _FREE_TAIL, _SLAB = PG.BUDDY, PG.BUDDY | PG.HEAD, PG.FREE_TAIL, PG.SLAB
_FREE, _FREE_BLOCK, _INSIDE = int(Code.FREE), int(Code.FREE_BLOCK), int(Code.FREE_TAIL)
_IF_BUDDY, _ONE_MORE = bytes(255 * bool(flags & _BUDDY) for flags in range(256)), bytes([*range(1, 256), 0])
_ALIKE = re.compile(rb"(.)\1*", re.DOTALL)
_HEADS = re.compile(b"[%c%c]" % (_FREE, _FREE_BLOCK))


class PerCpuPages:
    """One CPU's free pages (struct per_cpu_pages): lists of pfns, the newest at the front."""

    def __init__(self, high: int, batch: int, doubles: bool = False):
        self.high, self.batch = high, batch
        self.doubles = doubles                          # up to 6.1: twice as many are given back from time to time
        self.lists = [deque() for _ in range(NR_PCP_LISTS)]
        self.count = 0                                  # pages on the lists
        self.freed_in_a_row = 0
        self.free_factor = 0

    def snapshot(self) -> tuple:
        """The lists and counts as values."""
        return tuple(map(tuple, self.lists)), self.count, self.freed_in_a_row, self.free_factor

    def restore(self, snapshot: tuple) -> None:
        """Bring them back."""
        lists, self.count, self.freed_in_a_row, self.free_factor = snapshot
        self.lists = [deque(pfns) for pfns in lists]

    def to_give_back(self) -> int:
        """How many pages go to the buddy allocator now (nr_pcp_free(), mm/page_alloc.c)."""
        if self.high < self.batch:
            return 1
        most = self.high - self.batch
        if not self.doubles:
            return max(self.batch, min(self.freed_in_a_row, most))
        pages = self.batch << self.free_factor
        if pages < most and self.free_factor < CONFIG_PCP_BATCH_SCALE_MAX:
            self.free_factor += 1
        return max(self.batch, min(pages, most))


def free_unref_page(zone: Zone, pfn: int, order: int = 0) -> None:
    """Free 2^order pages to the CPU's lists, and spill the oldest when the lists are full (mm/page_alloc.c)."""
    free_unref_pages(zone, (pfn,), order)


def free_unref_pages(zone: Zone, pfns: Sequence[int], order: int = 0) -> None:
    """The same for one after the other."""
    pcp = zone.pcp
    if order or pcp is not None:
        for pfn in pfns:
            zone.hold(pfn, order, _FREE_TAIL)
    if pcp is None or order > PAGE_ALLOC_COSTLY_ORDER:
        free_pages(zone, pfns, order)
        return
    for pfn in pfns:
        kind = zone.migratetype[pfn >> PAGEBLOCK_ORDER]
        number = (kind if kind < MIGRATE_PCPTYPES else 1) + MIGRATE_PCPTYPES * order
        pcp.lists[number].appendleft(pfn)
        pcp.count += 1 << order
        pcp.freed_in_a_row = min(pcp.freed_in_a_row + (1 << order), pcp.batch << CONFIG_PCP_BATCH_SCALE_MAX)
        if pcp.count >= pcp.high:
            _free_pcppages_bulk(zone, pcp, pcp.to_give_back(), number)


def _free_pcppages_bulk(zone: Zone, pcp: PerCpuPages, pages: int, number: int) -> None:
    pages = min(pages, pcp.count)
    while pages > 0:
        while not pcp.lists[number]:
            number = (number + 1) % NR_PCP_LISTS
        order = number // MIGRATE_PCPTYPES
        while pages > 0 and pcp.lists[number]:
            pages -= 1 << order
            pcp.count -= 1 << order
            free_one_page(zone, pcp.lists[number].pop(), order)
        number = (number + 1) % NR_PCP_LISTS


def drain_pages_zone(zone: Zone) -> None:
    """All that is on the CPU's lists goes to the buddy allocator (mm/page_alloc.c)."""
    if zone.pcp is not None:
        _free_pcppages_bulk(zone, zone.pcp, zone.pcp.count, 0)


def free_one_page(zone: Zone, pfn: int, order: int) -> int:
    """Free a page, or 2^order held pages, to the buddy allocator (mm/page_alloc.c).

    Returns where the free block starts that they are part of now.
    """
    return free_pages(zone, (pfn,), order)


def free_pages(zone: Zone, pfns: Sequence[int], order: int) -> int | None:
    """The same for one after the other: each merges with its buddy as long as that is free. Returns the last one's block."""
    pfn = None
    flags, orders, verdicts, start_pfn, end_pfn = zone.flags, zone.order, zone.verdicts, zone.start_pfn, zone.end_pfn
    nr_free, migratetype, freed_order = zone.nr_free, zone.migratetype, order
    for pfn in pfns:
        order, buddy = freed_order, pfn ^ 1 << freed_order
        while order < MAX_ORDER and start_pfn <= buddy < end_pfn and orders[buddy] == order and flags[buddy] & _BUDDY:
            nr_free[order][migratetype[buddy >> PAGEBLOCK_ORDER]] -= 1
            higher = pfn | buddy
            flags[higher], orders[higher] = _FREE_TAIL, 0
            if verdicts is not None:
                verdicts[higher] = _INSIDE
            pfn &= buddy
            order += 1
            buddy = pfn ^ 1 << order
        flags[pfn] = _BUDDY_HEAD if order else _BUDDY
        orders[pfn] = order
        if verdicts is not None:
            verdicts[pfn] = _FREE_BLOCK if order else _FREE
        nr_free[order][migratetype[pfn >> PAGEBLOCK_ORDER]] += 1
    return pfn


def isolate_free_page(zone: Zone, pfn: int) -> int:
    """Take the free block that starts at `pfn` out of the buddy allocator; its order (__isolate_free_page())."""
    order = zone.order[pfn]
    zone.nr_free[order][zone.migratetype[pfn >> PAGEBLOCK_ORDER]] -= 1
    zone.hold(pfn, order, _SLAB)
    return order


def count_free_blocks(zone: Zone) -> None:
    """Count the zone's free blocks by order and pageblock type anew, into zone.nr_free."""
    for by_type in zone.nr_free:
        by_type[:] = [0] * len(by_type)
    part = slice(zone.start_pfn, zone.end_pfn)
    # A byte a page, all pages at once: one more than the order of the free block that starts there, or 0.
    heads, orders = zone.flags[part].tobytes()[::2].translate(_IF_BUDDY), zone.order[part].translate(_ONE_MORE)
    blocks = (int.from_bytes(heads, "little") & int.from_bytes(orders, "little")).to_bytes(len(zone), "little")
    for run in _ALIKE.finditer(zone.migratetype, zone.start_pfn >> PAGEBLOCK_ORDER, (zone.end_pfn - 1 >> PAGEBLOCK_ORDER) + 1):
        start, end = (block << PAGEBLOCK_ORDER for block in run.span())
        within = blocks[max(0, start - zone.start_pfn):end - zone.start_pfn]
        for order, by_type in enumerate(zone.nr_free):
            by_type[zone.migratetype[run.start()]] += within.count(order + 1)


def free_blocks(zone: Zone) -> Iterator[int]:
    """Where the zone's free blocks start, in pfn order."""
    if zone.verdicts is not None:
        return (found.start() for found in _HEADS.finditer(zone.verdicts, zone.start_pfn, zone.end_pfn))
    return (pfn for pfn in range(zone.start_pfn, zone.end_pfn) if zone.flags[pfn] & _BUDDY)


def fragmentation_index(zone: Zone, order: int) -> int:
    """-1000: a free block of this order is there; near 0: memory is lacking; near 1000: it is fragmented (mm/vmstat.c)."""
    blocks = [sum(by_type) for by_type in zone.nr_free]
    if sum(blocks) == 0:
        return 0
    if any(blocks[order:]):
        return -1000
    free_pages = sum(count << size for size, count in enumerate(blocks))
    return 1000 - (1000 + free_pages * 1000 // (1 << order)) // sum(blocks)


def block_suits(by_type: list[int], order: int, migratetype: int) -> bool:
    """Whether a free block of this order is of the right type, or of one that may be taken over (can_steal_fallback())."""
    if by_type[migratetype] or migratetype == MIGRATE_MOVABLE and by_type[MIGRATE_CMA]:
        return True
    can_steal = order >= PAGEBLOCK_ORDER // 2 or migratetype != MIGRATE_MOVABLE
    return can_steal and any(by_type[other] for other in FALLBACKS)


def has_unmovable_pages(zone: Zone, start_pfn: int, end_pfn: int) -> bool:
    """Whether a page is in use and on no LRU list, in a pageblock that is not CMA's own (mm/page_isolation.c)."""
    used = PG.LRU | PG.BUDDY | PG.FREE_TAIL | PG.TAIL
    return any(not zone.flags[pfn] & used and (zone.refcount[pfn] or zone.flags[pfn] & PG.NO_PAGE)
               and zone.migratetype[pfn >> PAGEBLOCK_ORDER] != MIGRATE_CMA for pfn in range(start_pfn, end_pfn))


def isolate_freepages_range(zone: Zone, start_pfn: int, end_pfn: int) -> Result:
    """Allocate every page of a range, or none and -EBUSY (mm/compaction.c); what free blocks reach beyond it stays free."""
    pfn = start_pfn
    while pfn and zone.flags[pfn] & PG.FREE_TAIL:
        pfn &= pfn - 1                  # the next larger aligned block, which may have begun before the range
    blocks = []
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
