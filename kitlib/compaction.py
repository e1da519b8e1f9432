"""The whole run: compact_zone(), its two scanners and its callers (mm/compaction.c, 0003e2a41468).

The migrate scanner walks upward and isolates (isolate.py), the free scanner walks downward and finds targets
(freepages.py), migration moves (migrate.py), until the scanners meet. Leaves out deferral, fast_find_migrateblock() and
fast_isolate_freepages(), page capture, proactive scores and watermarks.
"""
from enum import IntEnum

from .allocator import count_free_blocks
from .control import CompactControl
from .folio import PG
from .freepages import pageblock_present, release_freepages
from .isolate import isolate_migratepages_block, putback_movable_pages
from .migrate import migrate_pages
from .verdict import MigrateMode, Mode, Result
from .zone import (MAX_ORDER, MIGRATE_CMA, MIGRATE_MOVABLE, PAGEBLOCK_ORDER, Zone, pageblock_end_pfn, pageblock_nr_pages,
                   pageblock_start_pfn)


class Status(IntEnum):
    """enum compact_result (include/linux/compaction.h), as far as a run can end so."""

    CONTINUE = 4
    COMPLETE = 5
    PARTIAL_SKIPPED = 6
    CONTENDED = 7
    SUCCESS = 8


# Who compacts, and how (kernel functions in brackets). `order` None: the caller's own allocation has one.
CALLERS = {
    "direct async": dict(mode=MigrateMode.ASYNC, direct_compaction=True),                       # COMPACT_PRIO_ASYNC
    "direct sync light": dict(mode=MigrateMode.SYNC_LIGHT, direct_compaction=True),             # COMPACT_PRIO_SYNC_LIGHT
    "direct full": dict(mode=MigrateMode.SYNC_LIGHT, direct_compaction=True, whole_zone=True, ignore_skip_hint=True,
                        ignore_block_suitable=True),                                            # COMPACT_PRIO_SYNC_FULL
    "kcompactd": dict(mode=MigrateMode.SYNC_LIGHT),                                             # kcompactd_do_work()
    "proactive": dict(mode=MigrateMode.SYNC_LIGHT, order=-1, whole_zone=True, ignore_skip_hint=True),
    "compact_memory": dict(mode=MigrateMode.SYNC, order=-1, whole_zone=True, ignore_skip_hint=True),    # compact_node()
}


def control_for(caller: str, zone: Zone, order: int = PAGEBLOCK_ORDER, **orders) -> CompactControl:
    """The compact_control of a caller by name; `order` is of the allocation, where the caller has one."""
    if caller not in CALLERS:
        raise ValueError(f"no caller {caller!r}: write one of {', '.join(CALLERS)}")
    return CompactControl(zone, **{"order": order, **CALLERS[caller], **orders})


def isolation_mode(cc: CompactControl, compact_unevictable_allowed: bool = True) -> Mode:
    """How this run isolates (isolate_migratepages()): the sysctl, and async unless MIGRATE_SYNC."""
    return Mode(async_migrate=cc.mode != MigrateMode.SYNC, unevictable=compact_unevictable_allowed, gfp_fs=cc.gfp_fs)


def compact_zone(cc: CompactControl, compact_unevictable_allowed: bool = True) -> Status:
    """Compact until the scanners meet, or until a free block of cc.order is there; counters and events are in cc and its zone."""
    zone = cc.zone
    if cc.whole_zone:
        cc.migrate_pfn, cc.free_pfn = zone.start_pfn, pageblock_start_pfn(zone.end_pfn - 1)
    else:
        cc.migrate_pfn, cc.free_pfn = zone.cached_migrate_pfn[cc.mode != MigrateMode.ASYNC], zone.cached_free_pfn
        if not zone.start_pfn <= cc.free_pfn < zone.end_pfn:
            cc.free_pfn = zone.cached_free_pfn = pageblock_start_pfn(zone.end_pfn - 1)
        if not zone.start_pfn <= cc.migrate_pfn < zone.end_pfn:
            cc.migrate_pfn = zone.start_pfn
            zone.cached_migrate_pfn[:] = [zone.start_pfn, zone.start_pfn]
    mode = isolation_mode(cc, compact_unevictable_allowed)
    zone.verdicts = None if cc.verdicts is None else bytearray(cc.verdicts)
    cc.verdicts = zone.verdicts
    count_free_blocks(zone)
    last_migrated_block = None
    while (status := compact_finished(cc)) == Status.CONTINUE:
        cc.finish_pageblock = pageblock_start_pfn(cc.migrate_pfn) == last_migrated_block
        while True:
            result = isolate_migratepages(cc, mode)
            if result or not cc.nr_migratepages:
                break
            last_migrated_block = max(zone.start_pfn, pageblock_start_pfn(cc.migrate_pfn - 1))
            result = migrate_pages(cc)
            cc.nr_migratepages = 0
            if not result:
                break
            putback_movable_pages(cc)
            unfinished = cc.migrate_pfn % pageblock_nr_pages() and not cc.ignore_skip_hint and not cc.finish_pageblock
            if result == Result.ENOMEM or not unfinished or cc.mode >= MigrateMode.SYNC:
                break
            cc.finish_pageblock = True
        if result in (Result.EAGAIN, Result.EINTR) or result == Result.ENOMEM and not compact_scanners_met(cc):
            putback_movable_pages(cc)
            status = Status.CONTENDED
            break
    release_freepages(cc)
    zone.vmstat["compact_migrate_scanned"] += cc.total_migrate_scanned
    zone.vmstat["compact_free_scanned"] += cc.total_free_scanned
    zone.verdicts = None
    return status


def isolate_migratepages(cc: CompactControl, mode: Mode) -> Result:
    """Isolate from the next pageblock that may be a source (mm/compaction.c); cc.nr_migratepages says whether any."""
    zone, low_pfn = cc.zone, cc.migrate_pfn
    block_end = pageblock_end_pfn(low_pfn)
    while block_end <= cc.free_pfn:
        start = max(pageblock_start_pfn(low_pfn), zone.start_pfn)
        if pageblock_present(zone, start, block_end):
            at_start = low_pfn % pageblock_nr_pages() == 0 or low_pfn == zone.start_pfn
            skipped = at_start and zone.skip[low_pfn >> PAGEBLOCK_ORDER] and not cc.ignore_skip_hint
            if not skipped and suitable_migration_source(cc, start):
                return isolate_migratepages_block(cc, low_pfn, block_end, mode)
        low_pfn = cc.migrate_pfn = block_end
        block_end += pageblock_nr_pages()
    return Result.SUCCESS


def suitable_migration_source(cc: CompactControl, pfn: int) -> bool:
    """Not a pageblock filled by one compound page; for direct async compaction only one of the allocation's own type."""
    flags = cc.zone.flags[pfn]
    if flags & PG.TAIL or flags & PG.HEAD and not flags & PG.BUDDY and cc.zone.order[pfn] >= PAGEBLOCK_ORDER:
        return False
    if cc.mode != MigrateMode.ASYNC or not cc.direct_compaction:
        return True
    kind = cc.zone.migratetype[pfn >> PAGEBLOCK_ORDER]
    return kind == cc.migratetype or (cc.migratetype == MIGRATE_MOVABLE and kind == MIGRATE_CMA)


def compact_scanners_met(cc: CompactControl) -> bool:
    """Whether both scanners are in the same pageblock, or have passed each other."""
    return cc.free_pfn >> PAGEBLOCK_ORDER <= cc.migrate_pfn >> PAGEBLOCK_ORDER


def compact_finished(cc: CompactControl) -> Status:
    """Whether the run is over (__compact_finished(), mm/compaction.c)."""
    zone = cc.zone
    if compact_scanners_met(cc):
        zone.cached_migrate_pfn[:] = [zone.start_pfn, zone.start_pfn]
        zone.cached_free_pfn = pageblock_start_pfn(zone.end_pfn - 1)
        return Status.COMPLETE if cc.whole_zone else Status.PARTIAL_SKIPPED
    if cc.order == -1 or cc.migrate_pfn % pageblock_nr_pages():
        return Status.CONTINUE
    for order in range(cc.order, MAX_ORDER + 1):
        by_type = zone.nr_free[order]
        # A block of another type can be taken as well when it is large (can_steal_fallback()).
        if by_type[cc.migratetype] or cc.migratetype == MIGRATE_MOVABLE and by_type[MIGRATE_CMA] or (
                order >= PAGEBLOCK_ORDER // 2 and any(by_type)):
            return Status.SUCCESS
    return Status.CONTENDED if cc.contended else Status.CONTINUE
