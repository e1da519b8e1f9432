"""What the callers do with all zones of a node, one attempt at a time (mm/compaction.c, mm/page_alloc.c).

Who calls, how often, and what reclaim does in between is given; which zones are deferred, skipped, compacted,
and what is deferred afterwards is decided here. Leaves out clearing a zone's skip bits after the longest
deferral (compaction_restarting()).
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..mm.mmzone import MIGRATE_MOVABLE, PAGE_ALLOC_COSTLY_ORDER, CaptureControl
from ..mm.page_alloc import drain_pages_zone
from ..mm.zone import Zone
from .control import DIRECT, CompactControl, Status
from .deferral import compaction_defer_reset, compaction_deferred, defer_compaction
from .releases import Release
from .suitable import ZONES, compaction_suit_allocation_order

COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_LIGHT, COMPACT_PRIO_ASYNC = range(3)
ZONE_MOVABLE = ZONES.index("Movable")
INCOMPLETE = Status.COMPLETE, Status.PARTIAL_SKIPPED        # the scanners have met, and no block is there


@dataclass
class Pgdat:
    """Zones that are compacted together (struct pglist_data), and what was traced while they were."""

    zones: Sequence[Zone]               # the lowest first
    release: Release
    # By caller's name, zone and order: a run of compact_zone(), over when this returns. Its kernel, verdicts
    # and sysctls are nobody's business here.
    compact: Callable[[str, Zone, int], tuple[CompactControl, Status]]
    trace: list = field(default_factory=list)

    def run(self, caller: str, zone: Zone, order: int) -> Status:
        """Compact a zone, and enter the run's events."""
        cc, status = self.compact(caller, zone, order)
        self.trace += cc.trace
        return status


def alloc_pages_direct_compact(pgdat: Pgdat, order: int, priority: int) -> tuple[Status, int | None]:
    """One attempt of a movable allocation that may use every zone: its result, and the block captured.

    Leaves out an allocation from the free lists afterwards.
    """
    status, pfn = try_to_compact_pages(pgdat, order, priority)
    for zone in pgdat.zones:
        if pfn is not None and zone.start_pfn <= pfn < zone.end_pfn:
            compaction_defer_reset(zone, order, True, pgdat.trace)
    return status, pfn


def try_to_compact_pages(pgdat: Pgdat, order: int, priority: int) -> tuple[Status, int | None]:
    """From the highest zone down until one succeeds: the best of their results, and the block captured.

    The highest priority does not ask what is deferred; only who waits defers.
    """
    best = Status.SKIPPED
    for zone in reversed(pgdat.zones):
        if priority > COMPACT_PRIO_SYNC_FULL and compaction_deferred(zone, order, pgdat.trace):
            best = max(best, Status.DEFERRED)
            continue
        status, pfn = compact_zone_order(pgdat, zone, order, priority)
        best = max(best, status)
        if status == Status.SUCCESS:
            compaction_defer_reset(zone, order, False, pgdat.trace)
            return best, pfn
        if priority != COMPACT_PRIO_ASYNC and status in INCOMPLETE:
            defer_compaction(zone, order, pgdat.trace)
    return best, None


def compact_zone_order(pgdat: Pgdat, zone: Zone, order: int, priority: int) -> tuple[Status, int | None]:
    """One zone, for an allocation: a block that is captured meanwhile makes it a success."""
    status = compaction_suit_allocation_order(zone, order, ZONE_MOVABLE, pgdat.release, pgdat.trace)
    if status != Status.CONTINUE:
        return (status if status == Status.SUCCESS else Status.SKIPPED), None
    capture = CaptureControl(order, MIGRATE_MOVABLE)
    zone.capture = capture if pgdat.release.captures else None
    status = pgdat.run(DIRECT[COMPACT_PRIO_ASYNC - priority], zone, order)
    zone.capture = None
    return (status if capture.pfn is None else Status.SUCCESS), capture.pfn


def shrink_zones(pgdat: Pgdat, order: int) -> None:
    """What direct reclaim asks of each zone: is it ready for compaction (compaction_ready(), mm/vmscan.c)?

    Leaves out reclaim itself.
    """
    for zone in reversed(pgdat.zones):
        if order > PAGE_ALLOC_COSTLY_ORDER:
            compaction_suit_allocation_order(zone, order, ZONE_MOVABLE, pgdat.release, pgdat.trace)


def kcompactd_do_work(pgdat: Pgdat, order: int) -> None:
    """kcompactd was woken for this order: it compacts every zone that is worth it, the lowest first.

    Twice it asks whether it is: compact_zone() does so by itself, for the highest zone of the wake-up.
    """
    highest_zoneidx = ZONES.index(pgdat.zones[-1].name)
    for zone in pgdat.zones:
        if compaction_deferred(zone, order, pgdat.trace):
            continue
        if any(compaction_suit_allocation_order(zone, order, index, pgdat.release, pgdat.trace)
               != Status.CONTINUE for index in (ZONES.index(zone.name), highest_zoneidx)):
            continue
        status = pgdat.run("kcompactd", zone, order)
        if status == Status.SUCCESS:
            compaction_defer_reset(zone, order, False, pgdat.trace)
        elif status in INCOMPLETE:
            # Another CPU's pages may be all that is missing; the next caller need not try in vain.
            drain_pages_zone(zone)
            defer_compaction(zone, order, pgdat.trace)


def proactive_compact_node(pgdat: Pgdat) -> None:
    """kcompactd's clock has fired, and the node's score is high: every zone, the lowest first."""
    for zone in pgdat.zones:
        pgdat.run("proactive", zone, -1)
