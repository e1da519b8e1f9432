"""Whether a compaction run is over: the scanners have met, a block is there, or the score is low enough.

mm/compaction.c, 0003e2a41468.
"""
from ..mm.mmzone import MAX_ORDER, PAGEBLOCK_ORDER
from ..mm.page_alloc import block_suits, nr_free_pages
from ..mm.zone import Zone, pageblock_nr_pages, pageblock_start_pfn
from .control import CompactControl, Status
from .events import FinishedEvent
from .isolate import fatal_signal_pending

COMPACTION_HPAGE_ORDER = PAGEBLOCK_ORDER


def compact_scanners_met(cc: CompactControl) -> bool:
    """Whether both scanners are in the same pageblock, or have passed each other."""
    return cc.free_pfn >> PAGEBLOCK_ORDER <= cc.migrate_pfn >> PAGEBLOCK_ORDER


def compact_finished(cc: CompactControl) -> Status:
    """Whether the run is over; "no_suitable_page" in the trace is a reason to go on."""
    status = _compact_finished(cc)
    if cc.traces_all:
        searched = status == Status.CONTINUE and cc.order != -1 and cc.migrate_pfn % pageblock_nr_pages() == 0
        cc.enter(FinishedEvent("no_suitable_page" if searched else status.name.lower()))
    return status


def _compact_finished(cc: CompactControl) -> Status:
    """__compact_finished()."""
    zone = cc.zone
    if compact_scanners_met(cc):
        zone.cached_migrate_pfn[:] = [zone.start_pfn, zone.start_pfn]
        zone.cached_free_pfn = pageblock_start_pfn(zone.end_pfn - 1)
        return Status.COMPLETE if cc.whole_zone else Status.PARTIAL_SKIPPED
    if cc.proactiveness is not None:
        low = fragmentation_score_wmark(cc.proactiveness)
        return Status.CONTINUE if fragmentation_score_zone(zone) > low else Status.SUCCESS
    # A pageblock that was begun is finished, even if a free block is there by now.
    if cc.order == -1 or cc.migrate_pfn % pageblock_nr_pages():
        return Status.CONTINUE
    for order in range(cc.order, MAX_ORDER + 1):
        if block_suits(zone.nr_free[order], order, cc.migratetype):
            return Status.SUCCESS
    return Status.CONTENDED if cc.contended or fatal_signal_pending(cc, cc.migrate_pfn) else Status.CONTINUE


def fragmentation_score_zone(zone: Zone) -> int:
    """How many of 100 free pages are in no block of a huge page's size (extfrag_for_order(), mm/vmstat.c)."""
    free = nr_free_pages(zone)
    large = range(COMPACTION_HPAGE_ORDER, MAX_ORDER + 1)
    suitable = sum(sum(zone.nr_free[order]) << order for order in large)
    return (free - suitable) * 100 // free if free else 0


def fragmentation_score_wmark(proactiveness: int) -> int:
    """The score at which proactive compaction stops: the lower of its two watermarks."""
    return max(100 - proactiveness, 5)
