"""The whole run: compact_zone() and its two scanners (mm/compaction.c, 0003e2a41468).

The migrate scanner walks upward and isolates (isolate.py), the free scanner walks downward and finds targets
(freepages.py), migration moves (migrate_pages.py), until it is finished (finished.py). Leaves out flushing
skip hints (compact_blockskip_flush).
"""
from ..concurrency.sched import run_path
from ..mm.folio import PG
from ..mm.mmzone import MIGRATE_CMA, MIGRATE_MOVABLE, PAGEBLOCK_ORDER
from ..mm.page_alloc import count_free_blocks, drain_pages_zone
from ..mm.swap import folio_putback_lru, lru_add_drain
from ..mm.verdict import Code, MigrateMode, Mode, Result
from ..mm.zone import Zone, block_end_pfn, pageblock_end_pfn, pageblock_nr_pages, pageblock_start_pfn
from .control import CompactControl, Status, isolation_mode
from .events import BeginEvent, EndEvent, MigrateEvent
from .fast_search import fast_find_migrateblock
from .finished import compact_finished, compact_scanners_met
from .freepages import release_freepages
from .freepages_block import pageblock_present
from .isolate import isolate_migratepages_block, putback_movable_pages, update_cached_migrate
from .migrate_pages import migrate_pages


def compact_zone(cc: CompactControl, compact_unevictable_allowed: bool = True) -> Status:
    """Compact until the scanners meet, or a free block of cc.order is there; counters are in cc and its zone.

    Caller must make a cc for each run. Pages may be moved, freed and split; none is isolated at the end.
    """
    zone = cc.zone
    if cc.alloc_contig:
        raise ValueError("alloc_contig_range() does not compact the zone: "
                         "write alloc_contig_range(cc, start_pfn, end_pfn)")
    if cc.verdicts is not None and len(cc.verdicts) < zone.end_pfn:
        raise ValueError(f"verdicts for {len(cc.verdicts)} pages, but {zone!r}: "
                         "write verdicts=scan.verdicts(zone, kernel, mode).tobytes()")
    _start(cc)
    sync = "async" if cc.mode == MigrateMode.ASYNC else "sync"
    cc.enter(BeginEvent(zone.start_pfn, cc.migrate_pfn, cc.free_pfn, zone.end_pfn, sync))
    # One copy for both: who frees or takes a page notes it in the zone's, and the scanners read cc's.
    zone.verdicts = cc.verdicts = None if cc.verdicts is None else bytearray(cc.verdicts)
    try:
        count_free_blocks(zone)
        mode = isolation_mode(cc, compact_unevictable_allowed)
        _drain_lru_batch(cc, mode)
        status = _run(cc, mode)
        release_freepages(cc)
    finally:
        zone.verdicts = None
    # Only now: /proc/vmstat does not show how far a run has come.
    for who in ("compact", "compact_daemon") if cc.kcompactd else ("compact",):
        zone.vmstat[f"{who}_migrate_scanned"] += cc.total_migrate_scanned
        zone.vmstat[f"{who}_free_scanned"] += cc.total_free_scanned
    ending = status.name.lower()
    cc.enter(EndEvent(zone.start_pfn, cc.migrate_pfn, cc.free_pfn, zone.end_pfn, sync, ending))
    return status


def _start(cc: CompactControl) -> None:
    """Both scanners where they begin: at the zone's ends, or where the last run left off."""
    zone = cc.zone
    cc.total_migrate_scanned = cc.total_free_scanned = 0
    cc.search_order = cc.order
    last_block = pageblock_start_pfn(zone.end_pfn - 1)
    if cc.whole_zone:
        cc.migrate_pfn, cc.free_pfn = zone.start_pfn, last_block
        return
    # Each has its own: an asynchronous run passes over what a synchronous one may take.
    cc.migrate_pfn, cc.free_pfn = zone.cached_migrate_pfn[cc.mode != MigrateMode.ASYNC], zone.cached_free_pfn
    # A cached position may be outside: update_cached_migrate() rounds up beyond the end.
    if not zone.start_pfn <= cc.free_pfn < zone.end_pfn:
        cc.free_pfn = zone.cached_free_pfn = last_block
    if not zone.start_pfn <= cc.migrate_pfn < zone.end_pfn:
        cc.migrate_pfn = zone.start_pfn
        zone.cached_migrate_pfn[:] = [zone.start_pfn, zone.start_pfn]
    cc.whole_zone = cc.migrate_pfn <= zone.init_migrate_pfn


def _drain_lru_batch(cc: CompactControl, mode: Mode) -> None:
    """lru_add_drain() (mm/swap.c): what waits in an LRU batch can be isolated from now on."""
    for pfn in lru_add_drain(cc.zone):
        # A compound page that is stepped over is so in a batch and on the LRU.
        if cc.verdicts is None or cc.verdicts[pfn] == Code.COMPOUND:
            continue
        if run_path(cc.kernel.isolate_folio(cc.zone.folio(pfn), mode)).isolated:
            cc.verdicts[pfn] = Code.ISOLATED
            folio_putback_lru(cc.zone, pfn)


def _run(cc: CompactControl, mode: Mode) -> Status:
    """The loop of compact_zone(): isolate, migrate, until it is finished."""
    zone, cached = cc.zone, cc.zone.cached_migrate_pfn
    # 0: there is none. The pageblock at pfn 0 is taken for one that something was migrated from.
    last_migrated_pfn = 0
    # Until an asynchronous run has isolated something, the synchronous position goes along with its own.
    update_cached = cc.mode == MigrateMode.ASYNC and cached[0] == cached[1]
    while (status := compact_finished(cc)) == Status.CONTINUE:
        began = cc.migrate_pfn
        cc.finish_pageblock = pageblock_start_pfn(last_migrated_pfn) == pageblock_start_pfn(began)
        # Once, or twice in a pageblock in which something has failed.
        rescan = True
        while rescan:
            if isolate_migratepages(cc, mode):
                putback_movable_pages(cc)
                return Status.CONTENDED
            if not cc.nr_migratepages:
                if update_cached:
                    cached[1] = cached[0]
                break
            update_cached = False
            last_migrated_pfn = migrated_from(cc, began)
            result = _migrate(cc)
            # No target is left because the scanners met: compact_finished() will say so.
            if result == Result.ENOMEM and not compact_scanners_met(cc):
                return Status.CONTENDED
            # What failed must not be looked at again soon: the rest of the pageblock now, and its skip bit.
            within = cc.migrate_pfn % pageblock_nr_pages() != 0
            rescan = bool(result) and cc.release.rescans and within and cc.mode < MigrateMode.SYNC and not (
                cc.ignore_skip_hint or cc.finish_pageblock)
            if rescan:
                cc.finish_pageblock = True
                if cc.order == PAGEBLOCK_ORDER:
                    last_migrated_pfn = 0
            # Or the rest of the chunk is passed over: it can no longer become one free block.
            elif result and not cc.release.rescans and _in_chunks(cc):
                cc.migrate_pfn, last_migrated_pfn = block_end_pfn(cc.migrate_pfn - 1, cc.order), 0
            # Draining, below, is what makes the block. So one more cluster is moved for nothing before this:
            # compact_finished() does not see a captured block, which is on no free list.
            if not rescan and captured(zone) and not cc.release.captures_at_once:
                return Status.SUCCESS
        if cc.order > 0 and last_migrated_pfn and (
                last_migrated_pfn < cc.migrate_pfn >> cc.order << cc.order):
            # A block of this order is behind the scanner: its pages may merge, for compact_finished() to see.
            drain_pages_zone(zone)
            last_migrated_pfn = 0
        if cc.release.captures_at_once and captured(zone):
            return Status.SUCCESS
    return status


def captured(zone: Zone) -> bool:
    """Whether the task that compacts has been given its block."""
    return zone.capture is not None and zone.capture.pfn is not None


def _in_chunks(cc: CompactControl) -> bool:
    """Whether one page that stays makes the rest of its aligned 2^order pages useless to the caller."""
    return cc.direct_compaction and cc.mode == MigrateMode.ASYNC


def migrated_from(cc: CompactControl, began: int) -> int:
    """last_migrated_pfn, after a scan that began at `began` has isolated something.

    The pageblock scanned is another one where `began` lies in one that was passed over.
    """
    if not cc.release.notes_scanned_block:
        return began
    return max(cc.zone.start_pfn, pageblock_start_pfn(cc.migrate_pfn - 1))


def _migrate(cc: CompactControl) -> Result | int:
    """Migrate what is isolated, and put back what stays: the next scan must find an empty list."""
    handed_over = cc.nr_migratepages
    result = migrate_pages(cc)
    cc.enter(MigrateEvent(cc.nr_succeeded, handed_over - cc.nr_succeeded))
    # From 6.9 on it has counted targets meanwhile, and says nothing about the list.
    cc.nr_migratepages = 0
    if result:
        putback_movable_pages(cc)
    return result


def isolate_migratepages(cc: CompactControl, mode: Mode) -> Result:
    """Isolate from the next pageblock that may be a source (mm/compaction.c).

    cc.nr_migratepages says whether any page was. An error means that the run must stop; the caller puts back.
    """
    zone, low_pfn = cc.zone, fast_find_migrateblock(cc)
    # Whoever was sent somewhere does not mind that the pageblock was scanned before.
    fast_found = low_pfn != cc.migrate_pfn and not cc.fast_search_fail
    block_end = pageblock_end_pfn(low_pfn)
    # Up to the pageblock that the free scanner is in, which is not a source any more.
    while block_end <= cc.free_pfn:
        start = max(pageblock_start_pfn(low_pfn), zone.start_pfn)
        if pageblock_present(zone, start, block_end):
            # In the middle of a pageblock the skip bit is this run's own, from the call before.
            at_start = low_pfn % pageblock_nr_pages() == 0 or low_pfn == zone.start_pfn
            hinted = at_start and not fast_found and not cc.ignore_skip_hint
            if not (hinted and zone.skip[low_pfn >> PAGEBLOCK_ORDER]):
                if suitable_migration_source(cc, start):
                    return isolate_migratepages_block(cc, low_pfn, block_end, mode)
                update_cached_migrate(cc, block_end)
        fast_found = False
        low_pfn = cc.migrate_pfn = block_end
        block_end += pageblock_nr_pages()
    return Result.SUCCESS


def suitable_migration_source(cc: CompactControl, pfn: int) -> bool:
    """Not a pageblock filled by one compound page; for direct async only one of the allocation's own type."""
    flags = cc.zone.flags[pfn]
    compound = flags & PG.HEAD and not flags & PG.BUDDY
    if flags & PG.TAIL or (compound and cc.zone.order[pfn] >= PAGEBLOCK_ORDER):
        return False
    if not _in_chunks(cc):
        return True
    kind = cc.zone.migratetype[pfn >> PAGEBLOCK_ORDER]
    return kind == cc.migratetype or (cc.migratetype == MIGRATE_MOVABLE and kind == MIGRATE_CMA)
