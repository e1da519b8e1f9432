"""The free scanner's inner loop: isolate_freepages_block() (mm/compaction.c, 0003e2a41468).

It takes free blocks whole, and never looks at a mapping.
"""
from collections.abc import Iterator
from itertools import compress

from ..mm.folio import PG
from ..mm.mmzone import MIGRATE_CMA, MIGRATE_MOVABLE, PAGEBLOCK_ORDER
from ..mm.page_alloc import isolate_free_page, may_isolate
from ..mm.verdict import Code
from ..mm.zone import Zone
from .control import CompactControl
from .events import FreeEvent

_BUDDY = PG.BUDDY
_IF_BLOCK = bytes(code in (Code.FREE, Code.FREE_BLOCK, Code.COMPOUND) for code in range(256))


def pageblock_present(zone: Zone, start_pfn: int, end_pfn: int) -> bool:
    """Whether the pageblock has page structs from end to end (pageblock_pfn_to_page(), mm/compaction.c).

    Only both ends are looked at, as in the kernel: a hole in the middle is met page by page.
    """
    return not (zone.flags[start_pfn] | zone.flags[end_pfn - 1]) & PG.NO_PAGE


def suitable_migration_target(cc: CompactControl, pfn: int) -> bool:
    """Whether targets may come from the pageblock at `pfn`: a movable one, and not a wholly free one."""
    zone = cc.zone
    # What is as large and free as the run wants it must not be taken apart for targets.
    too_good = cc.order if cc.release.adjusts_wanted and cc.order > 0 else PAGEBLOCK_ORDER
    if zone.flags[pfn] & PG.BUDDY and zone.order[pfn] >= too_good:
        return False
    kind = zone.migratetype[pfn >> PAGEBLOCK_ORDER]
    return cc.ignore_block_suitable or kind in (MIGRATE_MOVABLE, MIGRATE_CMA)


def isolate_freepages_block(cc: CompactControl, pfn: int, end_pfn: int, stride: int) -> int:
    """Take whole free blocks from `pfn` to `end_pfn` until there are enough; returns where it stopped.

    Caller must see to it that the range lies in one pageblock, from which targets may come.
    """
    zone, start_pfn, nr_scanned, taken, wanted = cc.zone, pfn, 0, 0, cc.nr_migratepages - cc.nr_freepages
    flags, orders = zone.flags, zone.order
    blocks = _blocks(zone, pfn, end_pfn)
    while pfn < end_pfn:
        if stride == 1:
            # What is neither free nor compound is looked at and left, all of it up to the next block.
            block = next(blocks, end_pfn)
            nr_scanned += block - pfn
            pfn = block
            if pfn == end_pfn:
                break
        nr_scanned += 1
        if flags[pfn] & _BUDDY:
            if not may_isolate(zone, pfn):
                break
            order = isolate_free_page(zone, pfn)
            pages = 1 << order
            keep_targets(cc, pfn, order)
            nr_scanned += pages - 1
            taken += pages
            if taken >= wanted:
                pfn += pages
                break
            pfn += pages - 1
        # A compound page that reaches beyond the end is not jumped over: its tails are walked.
        elif flags[pfn] & PG.HEAD and pfn + (1 << orders[pfn]) <= end_pfn:
            jumped = (1 << orders[pfn]) - 1
            nr_scanned += jumped if cc.release.counts_jumped else 0
            pfn += jumped
        pfn += stride
    # A free block or a stride may have gone past the end.
    pfn = min(pfn, end_pfn)
    cc.nr_freepages += taken
    cc.enter(FreeEvent(start_pfn, pfn, nr_scanned, taken))
    cc.total_free_scanned += nr_scanned
    # The kernel has one counter for what both scanners isolate.
    zone.vmstat["compact_isolated"] += taken
    return pfn


def keep_targets(cc: CompactControl, pfn: int, order: int) -> None:
    """What was a free block is a target, behind those found before it. Caller has taken it, and counts it."""
    # Releases that take no large folios want single pages alone.
    if order and not cc.release.takes_large:
        cc.freepages[0].extend(range(pfn, pfn + (1 << order)))
    else:
        cc.freepages[order].append(pfn)


def _blocks(zone: Zone, pfn: int, end_pfn: int) -> Iterator[int]:
    """Where free blocks and compound pages begin, from `pfn` on: lazily without a table, at once with one.

    The caller may isolate those that it was given, and must not change any other.
    """
    if zone.verdicts is not None:
        return compress(range(pfn, end_pfn), zone.verdicts[pfn:end_pfn].translate(_IF_BLOCK))
    return (page for page in range(pfn, end_pfn) if zone.flags[page] & (PG.BUDDY | PG.HEAD))
