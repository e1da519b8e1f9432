"""The migrate scanner's inner loop: isolate_migratepages_block() (mm/compaction.c, 0003e2a41468).

It walks page frames upward, counts what it looks at, and takes folios off the LRU for migration. What one
page comes to is asked of scanned.py: by the kernel's own path, or by a verdict per page made from that path.

Nobody else runs meanwhile: races with truncation and reclaim are races.py's. Leaves out hugetlb folios,
movable_ops pages, folios that grow while they are scanned, and the lruvec lock: at most one CPU compacts.
"""
import sys
from collections.abc import Iterable

from ..mm.folio import PG
from ..mm.mmzone import PAGEBLOCK_ORDER
from ..mm.swap import folio_putback_lru
from ..mm.verdict import MigrateMode, Mode, Result, check_mode
from ..mm.zone import Zone, block_end_pfn, pageblock_end_pfn, pageblock_nr_pages
from ..step import Deadlock
from .control import CompactControl
from .events import IsolateEvent
from .releases import COMPACT_CLUSTER_MAX, skip_isolation_order
from .scanned import ScanByPath, ScanByTable


def isolate_migratepages_block(cc: CompactControl, low_pfn: int, end_pfn: int, mode: Mode) -> Result:
    """Isolate the folios from `low_pfn` to `end_pfn` (exclusive) that may migrate (mm/compaction.c).

    They go to cc.migratepages; cc.migrate_pfn tells where the scan stopped, cc.trace gets the kernel's trace
    event. Returns 0, -EAGAIN (too many pages are isolated already) or -EINTR (fatal signal). ValueError for a
    range that is not within the zone; nothing is changed then.

    Callers give it a range within one pageblock, whose skip bit it minds. They must migrate what is on the
    list or put it back, also after -EINTR.
    """
    zone, release = cc.zone, cc.release
    _check_range(zone, low_pfn, end_pfn, cc.verdicts)
    check_mode(mode)
    start_pfn = cc.migrate_pfn = low_pfn
    while too_many_isolated(zone, mode):
        # With pages on its list the caller can do something about it: migrate them.
        if cc.nr_migratepages or cc.mode == MigrateMode.ASYNC:
            return Result.EAGAIN
        if fatal_signal_pending(cc, low_pfn):
            return Result.EINTR
        raise Deadlock("isolate_migratepages_block() sleeps in reclaim_throttle(): too many pages are "
                       "isolated, and nobody else runs who could put them back")

    counts_jumped = release.counts_jumped
    finish_pageblock = cc.finish_pageblock and release.finishes_pageblock
    # For a task in a hurry that compacts for itself: one page that stays, and the chunk is of no use to it.
    skip_on_failure = cc.direct_compaction and cc.mode == MigrateMode.ASYNC
    next_skip_pfn = block_end_pfn(low_pfn, cc.order) if skip_on_failure else end_pfn
    if cc.verdicts is None:
        skip_order = skip_isolation_order(release, cc.order, cc.alloc_contig)
        scan = ScanByPath(zone, release, cc.kernel, mode, skip_order)
    else:
        scan = ScanByTable(zone, release, cc.verdicts, skip_on_failure)
    enough = sys.maxsize if finish_pageblock or cc.contended else release.cluster_max
    # Invariant: low_pfn is the next page to be scanned, and the newest nr_isolated pages of the list are this
    # call's. A putback takes the whole list, and so those of earlier calls as well.
    nr_scanned = nr_isolated = 0
    valid_block = None          # the pageblock whose skip bit this scan may set: one whose start it has seen
    skip_updated = False
    interrupted = False
    stop = low_pfn              # the kernel asks three questions at every page, which matter only here

    while low_pfn < end_pfn:
        if low_pfn >= stop:
            if skip_on_failure and low_pfn >= next_skip_pfn:
                # A whole chunk has been isolated: migrate it before the next is begun.
                if nr_isolated:
                    break
                next_skip_pfn = block_end_pfn(low_pfn, cc.order)
            if low_pfn % COMPACT_CLUSTER_MAX == 0 and fatal_signal_pending(cc, low_pfn):
                cc.contended = interrupted = True
                break
            if valid_block is None and (low_pfn % pageblock_nr_pages() == 0 or low_pfn == zone.start_pfn):
                if zone.skip[low_pfn >> PAGEBLOCK_ORDER] and not cc.ignore_skip_hint:
                    nr_scanned += 1
                    low_pfn = end_pfn
                    break
                valid_block = low_pfn >> PAGEBLOCK_ORDER
            stop = min(end_pfn, next_skip_pfn, _next_stop(cc, low_pfn))

        # The skip bit is tested and set under the lock that the first isolated page takes: it comes alone.
        first = not skip_updated and (valid_block is not None or release.skips_by_first_page)
        wanted = 1 if first else max(1, enough - cc.nr_migratepages)
        pages, folios, failed, jumped = scan(low_pfn, stop, wanted)
        nr_scanned += 1 if jumped and not counts_jumped else pages
        low_pfn += pages

        if folios:
            taken = pages if jumped else len(folios)
            if first:
                skip_updated = True
                # Somebody else has set it since the scan passed the start of the pageblock: it is theirs.
                if _test_and_set_skip(cc, folios[0]) and not finish_pageblock:
                    zone.flags[folios[0]] |= PG.LRU
                    zone.refcount[folios[0]] -= 1
                    nr_scanned -= taken - 1
                    low_pfn = low_pfn - pages if release.skips_by_first_page else end_pfn
                    break
            count_isolated(zone, folios, 1)
            cc.migratepages += folios
            cc.nr_migratepages += taken
            nr_isolated += taken
            if cc.nr_migratepages >= enough:
                break

        if failed and skip_on_failure:
            # The chunk can no longer become one free block: what was taken of it goes back.
            if nr_isolated:
                putback_movable_pages(cc)
                nr_isolated = 0
            # What is left of the chunk is passed over unseen: it does not count as scanned.
            if low_pfn <= next_skip_pfn:
                low_pfn = stop = next_skip_pfn
                next_skip_pfn += 1 << cc.order

    # A block may have reached beyond the end; its pages stay counted.
    low_pfn = min(low_pfn, end_pfn)
    # A signal leaves neither a trace event nor a skip bit, but it is counted what was done.
    if not interrupted:
        if low_pfn == end_pfn and (not nr_isolated or finish_pageblock):
            if valid_block is not None and not skip_updated and not cc.no_set_skip_hint:
                zone.skip[valid_block] = 1
            update_cached_migrate(cc, low_pfn)
        cc.enter(IsolateEvent(start_pfn, low_pfn, nr_scanned, nr_isolated))
    cc.total_migrate_scanned += nr_scanned
    zone.vmstat["compact_isolated"] += nr_isolated
    cc.migrate_pfn = low_pfn
    return Result.EINTR if interrupted else Result.SUCCESS


def putback_movable_pages(cc: CompactControl) -> None:
    """Put all that is on cc.migratepages back on the LRU, and drop its references (mm/migrate.c).

    A reference may be the last one, where the folio was truncated meanwhile: then it is freed. Caller must
    have undone any migration: each folio is at rest, unlocked and mapped as before.
    """
    zone = cc.zone
    count_isolated(zone, cc.migratepages, -1)
    for pfn in cc.migratepages:
        folio_putback_lru(zone, pfn)
    cc.migratepages.clear()
    cc.nr_migratepages = 0


def count_isolated(zone: Zone, folios: Iterable[int], sign: int) -> None:
    """So many pages more (1) or fewer (-1) are isolated: nr_isolated_anon and nr_isolated_file.

    Which one is said by PG_swapbacked, not by the mapping: shmem has one, and counts as anonymous.
    """
    flags, orders = zone.flags, zone.order
    anon = file = 0
    for pfn in folios:
        if flags[pfn] & _SWAPBACKED:
            anon += 1 << orders[pfn]
        else:
            file += 1 << orders[pfn]
    zone.vmstat["nr_isolated_anon"] += sign * anon
    zone.vmstat["nr_isolated_file"] += sign * file


def too_many_isolated(zone: Zone, mode: Mode) -> bool:
    """Whether more pages are isolated than half of the evictable LRU lists; with __GFP_FS, an eighth of it.

    Unevictable pages are no part of the half, though they can be isolated.
    """
    isolated = zone.vmstat["nr_isolated_anon"] + zone.vmstat["nr_isolated_file"]
    if not isolated:
        return False
    flags, orders = zone.flags[zone.start_pfn:zone.end_pfn], zone.order
    evictable = sum(1 << orders[pfn] for pfn, page in enumerate(flags, zone.start_pfn)
                    if page & _ON_LRU == PG.LRU)
    return isolated > (evictable >> 3 if mode.gfp_fs else evictable) // 2


_ON_LRU, _SWAPBACKED = PG.LRU | PG.UNEVICTABLE, PG.SWAPBACKED


def _check_range(zone: Zone, low_pfn: int, end_pfn: int, verdicts: bytes | None) -> None:
    whole = isinstance(low_pfn, int) and isinstance(end_pfn, int)
    if not (whole and zone.start_pfn <= low_pfn <= end_pfn <= zone.end_pfn):
        raise ValueError(f"the range {low_pfn} to {end_pfn} does not fit {zone!r}: "
                         f"write {zone.start_pfn} <= low_pfn <= end_pfn <= {zone.end_pfn}")
    if verdicts is not None and len(verdicts) < end_pfn:
        raise ValueError(f"verdicts for {len(verdicts)} pages, but the range ends at {end_pfn}: "
                         "write verdicts=scan.verdicts(zone, kernel, mode).tobytes()")


def fatal_signal_pending(cc: CompactControl, pfn: int) -> bool:
    """Whether the run's fatal signal has come by the time that the migrate scanner is at `pfn`; it stays."""
    return cc.fatal_signal_pfn is not None and pfn >= cc.fatal_signal_pfn


def _next_stop(cc: CompactControl, low_pfn: int) -> int:
    """How far a run of pages may go: past no pageblock's start, where a skip bit waits, nor past a signal."""
    if cc.fatal_signal_pfn is None:
        return pageblock_end_pfn(low_pfn)
    # It is looked for at every COMPACT_CLUSTER_MAX-th page: the first of those from which on it is pending.
    seen = -(-max(low_pfn + 1, cc.fatal_signal_pfn) // COMPACT_CLUSTER_MAX) * COMPACT_CLUSTER_MAX
    return min(pageblock_end_pfn(low_pfn), seen)


def _test_and_set_skip(cc: CompactControl, pfn: int) -> bool:
    """Whether the skip bit of the pageblock of `pfn`, the first page isolated in it, was set; it is now."""
    block = pfn >> PAGEBLOCK_ORDER
    if cc.ignore_skip_hint or (cc.release.skips_by_first_page and pfn % pageblock_nr_pages()):
        return False
    was_set = bool(cc.zone.skip[block])
    # The bit says that somebody has scanned the pageblock, not that nothing was found there.
    if not cc.no_set_skip_hint:
        cc.zone.skip[block] = 1
    return was_set


def update_cached_migrate(cc: CompactControl, pfn: int) -> None:
    """Where the next run starts: `pfn` was the end of what need not be looked at again (mm/compaction.c)."""
    if cc.no_set_skip_hint:
        return
    # The end is aligned already, and is rounded up once more, as in the kernel: one pageblock is passed over.
    pfn = pageblock_end_pfn(pfn)
    cached = cc.zone.cached_migrate_pfn
    # Only ever forward. What an asynchronous scan has passed over, a synchronous one may still want.
    cached[0] = max(cached[0], pfn)
    if cc.mode != MigrateMode.ASYNC:
        cached[1] = max(cached[1], pfn)
