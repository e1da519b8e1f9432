"""Whether it is worth while to compact a zone: room, and fragmentation (mm/compaction.c, 0003e2a41468)."""
from ..mm.mmzone import PAGE_ALLOC_COSTLY_ORDER
from ..mm.page_alloc import fragmentation_index, zone_watermark_ok
from ..mm.zone import Zone
from .control import Status
from .events import SuitableEvent
from .releases import Release, release_of

SYSCTL_EXTFRAG_THRESHOLD = 500
ZONES = "DMA", "DMA32", "Normal", "Movable"         # enum zone_type, with what a 64-bit PC has


def compact_gap(order: int, release: str | Release = "6.8") -> int:
    """The pages that must be free beyond the watermark (include/linux/compaction.h).

    Twice as much as is wanted: the free scanner may hold as many targets, and be taking one more block. 7.2
    wants no more than the free scanner holds at a time.
    """
    return min(2 << order, release_of(release).gap_max)


def compaction_suitable(zone: Zone, order: int, highest_zoneidx: int = 0, release: str | Release = "6.8",
                        trace: list | None = None) -> Status:
    """CONTINUE; SKIPPED: there is no room; NOT_SUITABLE_ZONE: memory is lacking, it is not fragmented.

    Caller has counted the free blocks. A made-up zone has no watermarks: there the gap alone must be free.
    """
    costly = order > PAGE_ALLOC_COSTLY_ORDER
    mark = zone.watermark
    wanted = compact_gap(order, release) + (0 if mark is None else mark.low if costly else mark.min)
    if not zone_watermark_ok(zone, 0, wanted, highest_zoneidx):
        status = Status.SKIPPED
    # -1000, a free block is there, is no reason to skip.
    elif costly and 0 <= fragmentation_index(zone, order) <= SYSCTL_EXTFRAG_THRESHOLD:
        status = Status.NOT_SUITABLE_ZONE
    else:
        status = Status.CONTINUE
    if trace is not None:
        trace.append(SuitableEvent(zone.name, status.name.lower()))
    return status


def compaction_suit_allocation_order(zone: Zone, order: int, highest_zoneidx: int, release: str | Release,
                                     trace: list) -> Status:
    """SUCCESS if the allocation need not compact the zone at all: a block is free above the min watermark."""
    minimum = 0 if zone.watermark is None else zone.watermark.min
    if zone_watermark_ok(zone, order, minimum, highest_zoneidx):
        return Status.SUCCESS
    return compaction_suitable(zone, order, highest_zoneidx, release, trace)
