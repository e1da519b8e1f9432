"""The free scanner: targets for migration, from the top of the zone downward (mm/compaction.c, 0003e2a41468).

It is asked for one target at a time and searches only when it has none left: the free lists at first, where
their order is known (fast_search.py), and then pageblock by pageblock.
"""
from collections import deque
from collections.abc import Sequence

from ..mm.folio import PG
from ..mm.mmzone import MAX_ORDER, MIGRATE_ISOLATE, PAGEBLOCK_ORDER
from ..mm.page_alloc import free_blocks, free_one_page, free_unref_page, isolate_free_page
from ..mm.rmqueue import get_page_from_freelist
from ..mm.verdict import MigrateMode
from ..mm.zone import Zone, pageblock_end_pfn, pageblock_nr_pages, pageblock_start_pfn
from .control import CompactControl
from .fast_search import fast_isolate_freepages
from .freepages_block import isolate_freepages_block, pageblock_present, suitable_migration_target
from .releases import COMPACT_CLUSTER_MAX


def isolate_freepages(cc: CompactControl) -> None:
    """Search downward from cc.free_pfn until there are as many targets as are wanted, or the scanners meet.

    Pageblocks are taken from the top of the zone downward, but each is walked upward. cc.free_pfn stays where
    the search stopped, which may be within a pageblock.
    """
    fast_isolate_freepages(cc)
    # Smaller targets may be left where a large folio found none of its size: then the kernel does not scan.
    # Where no fast search is made the model does.
    if cc.zone.free_lists is None or not cc.nr_freepages:
        _scan_downward(cc)
    if cc.release.last_target_first:
        cc.freepages[0].reverse()


def _scan_downward(cc: CompactControl) -> None:
    zone, block_pages = cc.zone, pageblock_nr_pages()
    pfn, block = cc.free_pfn, pageblock_start_pfn(cc.free_pfn)
    end_pfn = min(block + block_pages, zone.end_pfn)
    # Not in the migrate scanner's own pageblock: a target there could lie below its source.
    low_pfn = pageblock_end_pfn(cc.migrate_pfn)
    stride = COMPACT_CLUSTER_MAX if cc.mode == MigrateMode.ASYNC else 1
    while block >= low_pfn:
        below = block - block_pages
        skipped = zone.skip[block >> PAGEBLOCK_ORDER] and not cc.ignore_skip_hint
        if pageblock_present(zone, block, end_pfn) and suitable_migration_target(cc, block) and not skipped:
            found = cc.nr_freepages
            pfn = isolate_freepages_block(cc, pfn, end_pfn, stride)
            # Walked to its end: nothing is left here for the next run either.
            if pfn == end_pfn and not cc.no_set_skip_hint:
                zone.skip[block >> PAGEBLOCK_ORDER] = 1
                # Only ever downward, until the scanners meet.
                zone.cached_free_pfn = min(zone.cached_free_pfn, below)
            # cc.nr_migratepages is how many are wanted: from 6.9 on each target handed out lowers it.
            if cc.nr_freepages >= cc.nr_migratepages:
                pfn = below if pfn >= end_pfn else pfn
                break
            # Not enough, and yet stopped within the pageblock: the next search goes on from here.
            if pfn < end_pfn:
                break
            # A caller in a hurry looks at every 32nd page only, at every page once it has found some.
            stride = 1 if cc.nr_freepages > found else min(COMPACT_CLUSTER_MAX, stride << 1)
        end_pfn, block, pfn = block, below, below
    cc.free_pfn = pfn


def compaction_alloc(cc: CompactControl, order: int = 0) -> int | None:
    """A target of 2^order pages: its pfn, or None if the free scanner finds no more (-ENOMEM for the caller).

    The target is nobody's folio yet, with a reference count of 0; what is not used must go to
    compaction_free().
    """
    cc.targets += 1
    freepages = cc.freepages
    size = order if freepages[order] else _smallest(cc, order)
    if size is None:
        isolate_freepages(cc)
        size = _smallest(cc, order)
    if size is None:
        return None
    pfn = freepages[size].popleft()
    # A larger block is halved until it fits: the lower part is used, the upper parts wait.
    while size > order:
        size -= 1
        freepages[size].appendleft(pfn + (1 << size))
    cc.nr_freepages -= 1 << order
    if cc.release.adjusts_wanted:
        cc.nr_migratepages -= 1 << order
    return pfn


def _smallest(cc: CompactControl, order: int) -> int | None:
    return next((size for size in range(order, MAX_ORDER + 1) if cc.freepages[size]), None)


def compaction_free(cc: CompactControl, pfn: int, order: int = 0) -> None:
    """A target that was not needed: it stays with the free scanner, and is the next to be given."""
    cc.freepages[order].appendleft(pfn)
    cc.nr_freepages += 1 << order
    if cc.release.adjusts_wanted:
        cc.nr_migratepages += 1 << order


def release_freepages(cc: CompactControl) -> None:
    """At the end of a run: free what was not used, as any page is freed; the next run may look there again.

    No target may be out any more: each is used, or came back.
    """
    highest = 0
    for order, pfns in enumerate(cc.freepages):
        for pfn in pfns:
            highest = max(highest, pfn)
            free_unref_page(cc.zone, pfn, order)
        pfns.clear()
    if cc.nr_freepages:
        cc.nr_freepages = 0
        # Upward again: the free scanner had passed these pages, and they are free once more.
        cc.zone.cached_free_pfn = max(cc.zone.cached_free_pfn, pageblock_start_pfn(highest))


class BuddyTargets:
    """alloc_migration_target() (mm/migrate.c): targets from the buddy allocator, outside isolated pageblocks.

    The smallest block that will do, and of those the lowest; what the kernel takes is where its lists happen
    to begin. The lists here are the zone's as it was at first, and as targets were returned since. They go
    stale: blocks merge when pages are freed. So each is looked at again before it is taken.
    """

    def __init__(self, zone: Zone):
        self.zone = zone
        # By order, the pfns where free blocks began.
        self.blocks = [deque() for _ in range(MAX_ORDER + 1)]
        for pfn in free_blocks(zone):
            self.blocks[zone.order[pfn]].append(pfn)

    def alloc(self, cc: CompactControl, order: int) -> int | None:
        """A target of 2^order pages, or None."""
        cc.targets += 1
        for size in range(order, MAX_ORDER + 1):
            while self.blocks[size]:
                pfn = self.blocks[size].popleft()
                if self._is_free(pfn, size):
                    isolate_free_page(self.zone, pfn)
                    # Halved until it fits: the upper parts are free again, and may merge with others.
                    while size > order:
                        size -= 1
                        self.free(cc, pfn + (1 << size), size)
                    return pfn
        return None

    def free(self, cc: CompactControl, pfn: int, order: int) -> None:
        """A target, or part of one, that was not needed."""
        self.zone.hold(pfn, order, PG.FREE_TAIL)
        block = free_one_page(self.zone, pfn, order)
        self.blocks[self.zone.order[block]].appendleft(block)

    def _is_free(self, pfn: int, order: int) -> bool:
        """Still as it was listed, and with no page that alloc_contig_range() wants."""
        zone, last = self.zone, pfn + (1 << order) - 1
        # Only a block larger than a pageblock has two types at its ends.
        types = zone.migratetype[pfn >> PAGEBLOCK_ORDER], zone.migratetype[last >> PAGEBLOCK_ORDER]
        is_listed = bool(zone.flags[pfn] & PG.BUDDY) and zone.order[pfn] == order
        return is_listed and MIGRATE_ISOLATE not in types


class ListedTargets:
    """alloc_migration_target() where the free lists are in a known order: of any zone, the highest first."""

    def __init__(self, zones: Sequence[Zone]):
        self.zones = zones

    def alloc(self, cc: CompactControl, order: int) -> int | None:
        """A target of 2^order pages, or None."""
        cc.targets += 1
        found = get_page_from_freelist(self.zones, order)
        return found and found[0]

    def free(self, cc: CompactControl, pfn: int, order: int) -> None:
        """A target that was not needed."""
        zone = next(zone for zone in self.zones if zone.start_pfn <= pfn < zone.end_pfn)
        free_unref_page(zone, pfn, order)
