"""alloc_contig_range(): a range is emptied and allocated, for CMA (mm/page_alloc.c, 0003e2a41468).

It shares the block function with compact_zone(), and nothing else: no free scanner, no skip bits, no cached
positions.
"""
from collections.abc import Sequence

from ..mm.mmzone import PAGEBLOCK_ORDER
from ..mm.page_alloc import drain_pages_zone, has_unmovable_pages, isolate_freepages_range
from ..mm.page_isolation import start_isolate_page_range, undo_isolate_page_range
from ..mm.swap import lru_add_drain
from ..mm.verdict import Result
from ..mm.zone import Zone, pageblock_end_pfn, pageblock_start_pfn
from .control import CompactControl, isolation_mode
from .events import FreeEvent
from .freepages import BuddyTargets, ListedTargets
from .freepages_block import pageblock_present
from .isolate import fatal_signal_pending, isolate_migratepages_block, putback_movable_pages
from .migrate_pages import migrate_pages
from .releases import COMPACT_CLUSTER_MAX

CONTIG_TRIES = 5


def alloc_contig_range(cc: CompactControl, start_pfn: int, end_pfn: int,
                       zonelist: Sequence[Zone] = ()) -> Result:
    """Empty pages `start_pfn` to `end_pfn` (exclusive) and allocate them all, for CMA (mm/page_alloc.c).

    `cc` is control_for("alloc_contig_range", zone). 0; or -EBUSY at once when a page can never move
    (has_unmovable_pages(), which takes every LRU page for movable), or at the end when one has stayed; or
    -ENOMEM, -EINTR. Targets lie outside the pageblocks of the range, in any zone of `zonelist` (default: in
    this one alone). Nobody else may run meanwhile: the types of the range's pageblocks are not their own.

    The CPUs' LRU batches are emptied once the range is isolated (lru_cache_disable(), d479960e44f2). So a
    page in one is no obstacle in a CMA pageblock, whose pages has_unmovable_pages() does not ask about; in
    any other it is. Leaves out that the kernel reclaims clean page cache.
    """
    zone = cc.zone
    if not cc.alloc_contig:
        raise ValueError("no orders for a contiguous range: "
                         'write cc = control_for("alloc_contig_range", zone)')
    if not zone.start_pfn <= start_pfn < end_pfn <= zone.end_pfn:
        raise ValueError(f"the range {start_pfn} to {end_pfn} does not fit {zone!r}: "
                         f"write {zone.start_pfn} <= start_pfn < end_pfn <= {zone.end_pfn}")
    if has_unmovable_pages(zone, start_pfn, end_pfn):
        return Result.EBUSY
    # Whole pageblocks are isolated, also where the range begins or ends within one.
    blocks = range(start_pfn >> PAGEBLOCK_ORDER, (end_pfn - 1 >> PAGEBLOCK_ORDER) + 1)
    kinds = bytes(zone.migratetype[blocks.start:blocks.stop])
    # What is freed here goes past the per-CPU lists from now on, and is nobody's target.
    start_isolate_page_range(zone, blocks, cc.release.splits_to_isolate)
    # What was freed here before may wait on them still. Those of other zones have no page of the range.
    drain_pages_zone(zone)
    result = _migrate_range(cc, start_pfn, end_pfn, zonelist or (zone,))
    # A folio that has stayed is no reason to give up yet: it may have been freed meanwhile. The test is
    # whether all is free.
    if result in (Result.SUCCESS, Result.EBUSY):
        result = isolate_freepages_range(zone, start_pfn, end_pfn)
        if result == Result.SUCCESS and cc.traces_all:
            _trace_freepages(cc, start_pfn, end_pfn)
    undo_isolate_page_range(zone, blocks, kinds)
    return result


def _trace_freepages(cc: CompactControl, pfn: int, end_pfn: int) -> None:
    """The kernel takes the range pageblock by pageblock, and every page of it is free."""
    while pfn < end_pfn:
        block_end = min(pageblock_end_pfn(pfn), end_pfn)
        cc.enter(FreeEvent(pfn, block_end, block_end - pfn, block_end - pfn))
        pfn = block_end


def _migrate_range(cc: CompactControl, pfn: int, end_pfn: int, zonelist: Sequence[Zone]) -> Result:
    """__alloc_contig_migrate_range(): what is isolated is tried CONTIG_TRIES times before the next is.

    Nothing is isolated any more when it returns.
    """
    # lru_cache_disable(), d479960e44f2: only now, when the pageblocks of the range have been looked at.
    lru_add_drain(cc.zone)
    # Where the order of the lists is not known the lowest block will do.
    listed = all(zone.free_lists is not None for zone in zonelist)
    targets = ListedTargets(zonelist) if listed else BuddyTargets(cc.zone)
    tries, result = 0, Result.SUCCESS
    while pfn < end_pfn or cc.migratepages:
        if fatal_signal_pending(cc, cc.migrate_pfn):
            result = Result.EINTR
            break
        if not cc.migratepages:
            # All of the last cluster have moved; migrate_pages() leaves the count to its caller.
            cc.nr_migratepages = tries = 0
            result = isolate_migratepages_range(cc, pfn, end_pfn)
            if result and result != Result.EAGAIN:
                break
            pfn = cc.migrate_pfn
        # Some have stayed, and are tried again: a lock or a pin may be gone by then.
        elif (tries := tries + 1) == CONTIG_TRIES:
            result = Result.EBUSY
            break
        result = migrate_pages(cc, targets.alloc, targets.free, "contig_range")
        if result == Result.ENOMEM:
            break
    # After any error what is left on the list is isolated still.
    if result < 0:
        putback_movable_pages(cc)
    return min(result, Result.SUCCESS)


def isolate_migratepages_range(cc: CompactControl, pfn: int, end_pfn: int) -> Result:
    """Isolate from `pfn` on until COMPACT_CLUSTER_MAX pages are (mm/compaction.c).

    The mode is exactly ISOLATE_UNEVICTABLE, whatever the sysctl says: the range is wanted, not an easy one.
    """
    result = Result.SUCCESS
    while pfn < end_pfn and not result and cc.nr_migratepages < COMPACT_CLUSTER_MAX:
        block_end = min(pageblock_end_pfn(pfn), end_pfn)
        if pageblock_present(cc.zone, max(pageblock_start_pfn(pfn), cc.zone.start_pfn), block_end):
            result = isolate_migratepages_block(cc, pfn, block_end, isolation_mode(cc))
        else:
            cc.migrate_pfn = block_end
        pfn = block_end
    return result
