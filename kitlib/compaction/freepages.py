"""The free scanner: targets for migration, from the top of the zone downward (mm/compaction.c, 0003e2a41468).

It is asked for one target at a time and searches only when it has none left; it never looks at a mapping. Leaves out
fast_isolate_freepages() and watermarks.
"""
from collections import deque
from collections.abc import Iterator
from itertools import compress

from ..mm.folio import PG
from ..mm.page_alloc import free_blocks, free_one_page, free_unref_page, isolate_free_page
from ..mm.verdict import Code, MigrateMode
from ..mm.zone import (MAX_ORDER, MIGRATE_CMA, MIGRATE_ISOLATE, MIGRATE_MOVABLE, PAGEBLOCK_ORDER, Zone,
                       pageblock_end_pfn, pageblock_nr_pages, pageblock_start_pfn)
from .control import CompactControl
from .events import FreeEvent
from .releases import COMPACT_CLUSTER_MAX

_BUDDY = PG.BUDDY
_IF_BLOCK = bytes(code in (Code.FREE, Code.FREE_BLOCK, Code.COMPOUND) for code in range(256))


def pageblock_present(zone: Zone, start_pfn: int, end_pfn: int) -> bool:
    """Whether the pageblock has page structs from end to end (pageblock_pfn_to_page(), mm/compaction.c)."""
    return not (zone.flags[start_pfn] | zone.flags[end_pfn - 1]) & PG.NO_PAGE


def suitable_migration_target(cc: CompactControl, pfn: int) -> bool:
    """Whether targets may come from the pageblock at `pfn`: not one that is wholly free, and a movable one."""
    zone = cc.zone
    too_good = cc.order if cc.release.adjusts_wanted and cc.order > 0 else PAGEBLOCK_ORDER
    if zone.flags[pfn] & PG.BUDDY and zone.order[pfn] >= too_good:
        return False
    return cc.ignore_block_suitable or zone.migratetype[pfn >> PAGEBLOCK_ORDER] in (MIGRATE_MOVABLE, MIGRATE_CMA)


def isolate_freepages(cc: CompactControl) -> None:
    """Search downward from cc.free_pfn until there are as many targets as are wanted, or the scanners meet."""
    zone, block_pages = cc.zone, pageblock_nr_pages()
    pfn, block = cc.free_pfn, pageblock_start_pfn(cc.free_pfn)
    end_pfn = min(block + block_pages, zone.end_pfn)
    low_pfn = pageblock_end_pfn(cc.migrate_pfn)
    stride = COMPACT_CLUSTER_MAX if cc.mode == MigrateMode.ASYNC else 1
    while block >= low_pfn:
        below = block - block_pages
        skipped = zone.skip[block >> PAGEBLOCK_ORDER] and not cc.ignore_skip_hint
        if pageblock_present(zone, block, end_pfn) and suitable_migration_target(cc, block) and not skipped:
            found = cc.nr_freepages
            pfn = isolate_freepages_block(cc, pfn, end_pfn, stride)
            if pfn == end_pfn and not cc.no_set_skip_hint:
                zone.skip[block >> PAGEBLOCK_ORDER] = 1
                zone.cached_free_pfn = min(zone.cached_free_pfn, below)
            if cc.nr_freepages >= cc.nr_migratepages:
                pfn = below if pfn >= end_pfn else pfn
                break
            if pfn < end_pfn:
                break
            stride = 1 if cc.nr_freepages > found else min(COMPACT_CLUSTER_MAX, stride << 1)
        end_pfn, block, pfn = block, below, below
    cc.free_pfn = pfn
    if cc.release.last_target_first:
        cc.freepages[0].reverse()


def isolate_freepages_block(cc: CompactControl, pfn: int, end_pfn: int, stride: int) -> int:
    """Take free blocks from `pfn` to `end_pfn` until there are enough; where it stopped. Free blocks are taken whole."""
    zone, start_pfn, nr_scanned, taken, wanted = cc.zone, pfn, 0, 0, cc.nr_migratepages - cc.nr_freepages
    flags, orders, freepages, takes_large = zone.flags, zone.order, cc.freepages, cc.release.takes_large
    blocks = _blocks(zone, pfn, end_pfn)
    enough = False
    while pfn < end_pfn and not enough:
        if stride == 1:
            block = next(blocks, end_pfn)
            nr_scanned += block - pfn
            pfn = block
            if pfn == end_pfn:
                break
        nr_scanned += 1
        pages = 1 << orders[pfn]
        if flags[pfn] & _BUDDY:
            order = isolate_free_page(zone, pfn)
            if takes_large or not order:
                freepages[order].append(pfn)
            else:
                freepages[0].extend(range(pfn, pfn + pages))
            nr_scanned += pages - 1
            taken += pages
            enough = taken >= wanted
            pfn += pages if enough else pages - 1 + stride
        elif flags[pfn] & PG.HEAD and pfn + pages <= end_pfn:
            nr_scanned += pages - 1 if cc.release.counts_jumped else 0
            pfn += pages - 1 + stride
        else:
            pfn += stride
    pfn = min(pfn, end_pfn)
    cc.nr_freepages += taken
    cc.enter(FreeEvent(start_pfn, pfn, nr_scanned, taken))
    cc.total_free_scanned += nr_scanned
    zone.vmstat["compact_isolated"] += taken
    return pfn


def _blocks(zone: Zone, pfn: int, end_pfn: int) -> Iterator[int]:
    """Where free blocks and compound pages begin, from `pfn` on."""
    if zone.verdicts is not None:
        return compress(range(pfn, end_pfn), zone.verdicts[pfn:end_pfn].translate(_IF_BLOCK))
    return (page for page in range(pfn, end_pfn) if zone.flags[page] & (PG.BUDDY | PG.HEAD))


def compaction_alloc(cc: CompactControl, order: int = 0) -> int | None:
    """A target of 2^order pages: its pfn, or None when the free scanner finds no more (-ENOMEM for the caller)."""
    cc.targets += 1
    freepages, size = cc.freepages, order
    if not freepages[order]:
        size = _smallest(cc, order)
        if size is None:
            isolate_freepages(cc)
            size = _smallest(cc, order)
        if size is None:
            return None
    pfn = freepages[size].popleft()
    while size > order:
        size -= 1
        freepages[size].appendleft(pfn + (1 << size))
    cc.nr_freepages -= 1 << order
    if cc.release.adjusts_wanted:
        cc.nr_migratepages -= 1 << order
    return pfn


def compaction_allocs(cc: CompactControl, count: int) -> list[int]:
    """Single pages, as so many calls of compaction_alloc() in a row give them: fewer when the free scanner finds no more."""
    given, at_hand = [], cc.freepages[0]
    while len(given) < count:
        pages = min(count - len(given), len(at_hand))
        if pages:
            given += [at_hand.popleft() for _ in range(pages)]
            cc.targets += pages
            cc.nr_freepages -= pages
            if cc.release.adjusts_wanted:
                cc.nr_migratepages -= pages
        elif (pfn := compaction_alloc(cc)) is not None:
            given.append(pfn)
        else:
            break
    return given


def compaction_free(cc: CompactControl, pfn: int, order: int = 0) -> None:
    """A target that was not needed: it stays with the free scanner."""
    cc.freepages[order].appendleft(pfn)
    cc.nr_freepages += 1 << order
    if cc.release.adjusts_wanted:
        cc.nr_migratepages += 1 << order


def release_freepages(cc: CompactControl) -> None:
    """At the end of a run: free what was not used, as any page is freed; the next run may look there again."""
    highest = 0
    for order, pfns in enumerate(cc.freepages):
        for pfn in pfns:
            highest = max(highest, pfn)
            free_unref_page(cc.zone, pfn, order)
        pfns.clear()
    if cc.nr_freepages:
        cc.nr_freepages = 0
        cc.zone.cached_free_pfn = max(cc.zone.cached_free_pfn, pageblock_start_pfn(highest))


class BuddyTargets:
    """alloc_migration_target() (mm/migrate.c): targets from the buddy allocator, and from no isolated pageblock.

    The smallest block that will do, and of those the lowest; what the kernel takes is where its lists happen to begin.
    """

    def __init__(self, zone: Zone):
        self.zone = zone
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
        return bool(zone.flags[pfn] & PG.BUDDY) and zone.order[pfn] == order and MIGRATE_ISOLATE not in (
            zone.migratetype[pfn >> PAGEBLOCK_ORDER], zone.migratetype[last >> PAGEBLOCK_ORDER])


def _smallest(cc: CompactControl, order: int) -> int | None:
    return next((size for size in range(order, MAX_ORDER + 1) if cc.freepages[size]), None)
