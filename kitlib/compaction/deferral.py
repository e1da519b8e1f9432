"""Deferral: a zone in which compaction has failed is left alone for some attempts (mm/compaction.c).

Three numbers in the zone: the smallest order that has failed, how many attempts there were since, and how
many, as a power of two, must be. Only whoever waits defers: an asynchronous attempt gives up too easily.
"""
from ..mm.zone import Zone
from .events import DeferCompactionEvent, DeferredEvent, DeferResetEvent

COMPACT_MAX_DEFER_SHIFT = 6


def _numbers(zone: Zone) -> tuple:
    return zone.name, zone.compact_order_failed, zone.compact_considered, 1 << zone.compact_defer_shift


def compaction_deferred(zone: Zone, order: int, trace: list) -> bool:
    """Whether this attempt is not made. It counts, whoever asks; orders below the one that failed do not."""
    if order < zone.compact_order_failed:
        return False
    limit = 1 << zone.compact_defer_shift
    zone.compact_considered += 1
    if zone.compact_considered >= limit:
        zone.compact_considered = limit         # or it would overflow
        return False
    trace.append(DeferredEvent(*_numbers(zone)))
    return True


def defer_compaction(zone: Zone, order: int, trace: list) -> None:
    """It has failed: twice as many attempts as last time are not made, 64 at most."""
    zone.compact_considered = 0
    zone.compact_defer_shift = min(COMPACT_MAX_DEFER_SHIFT, zone.compact_defer_shift + 1)
    zone.compact_order_failed = min(order, zone.compact_order_failed)
    trace.append(DeferCompactionEvent(*_numbers(zone)))


def compaction_defer_reset(zone: Zone, order: int, alloc_success: bool, trace: list) -> None:
    """It may have succeeded: this order is tried again; and once the allocation has, every one is."""
    if alloc_success:
        zone.compact_considered = zone.compact_defer_shift = 0
    zone.compact_order_failed = max(zone.compact_order_failed, order + 1)
    trace.append(DeferResetEvent(*_numbers(zone)))
