"""A look at the free lists before a scanner walks: fast searches (mm/compaction.c, since 5.1).

Where a free block lies there is room to fill up, or a target. Both searches read a free list and know nothing
of pageblocks in between; each list is turned, so that the next search begins elsewhere. A zone whose lists
are in no known order (made-up ones) is searched by the scanners alone.
"""
from ..mm.mmzone import MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER, PAGEBLOCK_ORDER
from ..mm.page_alloc import isolate_free_page, may_isolate
from ..mm.verdict import MigrateMode
from ..mm.zone import pageblock_end_pfn, pageblock_nr_pages, pageblock_start_pfn
from .control import CompactControl
from .events import FastFreeEvent
from .freepages_block import (isolate_freepages_block, keep_targets, pageblock_present,
                              suitable_migration_target)
from .releases import COMPACT_CLUSTER_MAX

_ULONG_MAX = (1 << 64) - 1
_MOST_FAILURES = 63                 # a shift by more is no shift of an unsigned long


def freelist_scan_limit(cc: CompactControl) -> int:
    """How many blocks of the lists one search looks at: half as many after each that found nothing."""
    return (COMPACT_CLUSTER_MAX >> min(_MOST_FAILURES, cc.fast_search_fail)) + 1


def fast_find_migrateblock(cc: CompactControl) -> int:
    """Where the migrate scanner goes next: a movable pageblock with a larger free block, or where it stands.

    cc.fast_search_fail is 0 afterwards where one was found. Only for an allocation of a costly order, and
    only before a pageblock is begun; a direct one must be movable.
    """
    zone, lists = cc.zone, cc.zone.free_lists
    in_pageblock = cc.migrate_pfn not in (zone.start_pfn, pageblock_start_pfn(cc.migrate_pfn))
    if lists is None or cc.ignore_skip_hint or in_pageblock or cc.order <= PAGE_ALLOC_COSTLY_ORDER:
        return cc.migrate_pfn
    if not cc.release.finds_fast:
        return cc.migrate_pfn
    # It is to be finished, so not to be left for another one. Releases that mark what they pick do not ask.
    if cc.finish_pageblock and not cc.release.fast_find_sets_skip:
        return cc.migrate_pfn
    if cc.direct_compaction and cc.migratetype != MIGRATE_MOVABLE:
        return cc.migrate_pfn
    # Targets come from the second half. Once begun, an eighth: the free scanner comes nearer.
    distance = cc.free_pfn - cc.migrate_pfn >> (1 if cc.migrate_pfn == zone.start_pfn else 3)
    high_pfn = pageblock_start_pfn(cc.migrate_pfn + distance)
    nr_scanned, limit, found = 0, freelist_scan_limit(cc), None
    for order in range(cc.order - 1, PAGE_ALLOC_COSTLY_ORDER - 1, -1):
        if found is not None or nr_scanned >= limit:
            break
        head = lists.head(order, MIGRATE_MOVABLE)
        for free_pfn in lists.forward(head):
            nr_scanned += 1
            # The list is turned to where the search gave up, or to what it has found.
            if nr_scanned > limit:
                lists.move_freelist_tail(head, free_pfn)
                break
            if free_pfn < high_pfn and not zone.skip[free_pfn >> PAGEBLOCK_ORDER]:
                lists.move_freelist_tail(head, free_pfn)
                found = free_pfn
                break
    cc.total_migrate_scanned += nr_scanned
    if found is None:
        return _go_back_or_stay(cc)
    if cc.fast_start_pfn is not None:
        # 0 is no pageblock: there was none yet.
        cc.fast_start_pfn = min(cc.fast_start_pfn or found, found)
    cc.fast_search_fail = 0
    if cc.release.fast_find_sets_skip:
        zone.skip[found >> PAGEBLOCK_ORDER] = 1
    return max(pageblock_start_pfn(found), zone.start_pfn)


def _go_back_or_stay(cc: CompactControl) -> int:
    """Nothing was found: once in a run the scanner goes to the lowest place that a search has come by."""
    cc.fast_search_fail += 1
    if cc.fast_start_pfn:
        cc.migrate_pfn, cc.fast_start_pfn = cc.fast_start_pfn, None
    return cc.migrate_pfn


def fast_isolate_freepages(cc: CompactControl) -> None:
    """Take targets from the tails of the movable free lists: the last quarter of the gap, or the third.

    cc.nr_freepages says whether any was taken. Only for an allocation; cc.free_pfn moves only where a first
    search found none.
    """
    zone, lists = cc.zone, cc.zone.free_lists
    if cc.order <= 0 or lists is None or not cc.release.isolates_fast:
        return
    limit, starts = max(1, freelist_scan_limit(cc) >> 1), cc.free_pfn >= zone.init_free_pfn
    if starts:                          # where the zone ends: the first search looks at more
        limit = pageblock_nr_pages() >> 1
    # Unsigned: once the scanners have passed each other, no pfn is high enough.
    distance = cc.free_pfn - cc.migrate_pfn & _ULONG_MAX
    low_pfn, min_pfn = (pageblock_start_pfn(cc.free_pfn - (distance >> part) & _ULONG_MAX) for part in (2, 1))
    low_pfn = max(low_pfn, min_pfn)
    nr_scanned = total_isolated = highest = 0
    target = None
    cc.search_order = order = min(cc.order - 1, cc.search_order)
    while target is None and order >= 0:
        head, high_pfn, order_scanned, reached = lists.head(order, MIGRATE_MOVABLE), 0, 0, None
        for pfn in lists.backward(head):
            order_scanned += 1
            nr_scanned += 1
            if pfn >= highest:
                highest = max(pageblock_start_pfn(pfn), zone.start_pfn)
            if pfn >= low_pfn:
                cc.fast_search_fail, cc.search_order, target, reached = 0, order, pfn, pfn
                break
            # In the third quarter: good enough if nothing better turns up.
            if pfn >= min_pfn and pfn > high_pfn:
                high_pfn = pfn
                limit >>= 1
            if order_scanned >= limit:
                reached = pfn
                break
        if target is None and high_pfn:
            target = reached = high_pfn
        if reached is not None:
            lists.move_freelist_head(head, reached)
        if target is not None:
            if may_isolate(zone, target):
                isolate_free_page(zone, target)
                keep_targets(cc, target, order)
                pages = 1 << order
                nr_scanned += pages - 1
                total_isolated += pages
                cc.nr_freepages += pages
                zone.vmstat["compact_isolated"] += pages
            else:
                # Too few would be left: begin again from the order that has worked.
                order, target = cc.search_order + 1, None
        if cc.nr_freepages >= cc.nr_migratepages:
            break
        # The smaller the blocks, the less they are looked for.
        if order_scanned >= limit:
            limit = max(1, limit >> 1)
        order = next_search_order(cc, order)
    cc.enter(FastFreeEvent(min_pfn, cc.free_pfn, nr_scanned, total_isolated))
    if target is None:
        cc.fast_search_fail += 1
        if starts:
            target = _begin_elsewhere(cc, highest, min_pfn)
    if highest and highest >= zone.cached_free_pfn:
        zone.cached_free_pfn = highest - pageblock_nr_pages()
    cc.total_free_scanned += nr_scanned
    if target is not None:
        fast_isolate_around(cc, target)


def next_search_order(cc: CompactControl, order: int) -> int:
    """The next order to search: downward and round to the highest; -1 when all have been searched."""
    order -= 1
    if order < 0:
        order = cc.order - 1
    if order != cc.search_order:
        return order
    # The next search begins one lower: what is largest has just been searched in vain.
    cc.search_order -= 1
    if cc.search_order < 0:
        cc.search_order = cc.order - 1
    return -1


def _begin_elsewhere(cc: CompactControl, highest: int, min_pfn: int) -> int | None:
    """A first search found nothing: the free scanner begins at the highest block seen, or in the middle."""
    zone = cc.zone
    if highest >= min_pfn:
        cc.free_pfn = highest
        return highest
    if not cc.direct_compaction or min_pfn >= len(zone.flags):
        return None
    cc.free_pfn = min_pfn
    present = pageblock_present(zone, min_pfn, min(pageblock_end_pfn(min_pfn), zone.end_pfn))
    return min_pfn if present and suitable_migration_target(cc, min_pfn) else None


def fast_isolate_around(cc: CompactControl, pfn: int) -> None:
    """Take what else is free in the pageblock of a target, if more are wanted and time is no matter."""
    zone = cc.zone
    if cc.nr_freepages >= cc.nr_migratepages or (cc.direct_compaction and cc.mode == MigrateMode.ASYNC):
        return
    start = max(pageblock_start_pfn(pfn), zone.start_pfn)
    end_pfn = min(pageblock_end_pfn(pfn), zone.end_pfn)
    if not pageblock_present(zone, start, end_pfn):
        return
    stopped = isolate_freepages_block(cc, start, end_pfn, 1)
    too_few = cc.nr_freepages < cc.nr_migratepages
    if (too_few if cc.release.marks_where_too_few else stopped == end_pfn) and not cc.no_set_skip_hint:
        zone.skip[start >> PAGEBLOCK_ORDER] = 1
