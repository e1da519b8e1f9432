"""Direct compaction: a task compacts for its own allocation (mm/page_alloc.c, 0003e2a41468).

In a made-up zone, harder each time until a block is free. What a recorded kernel's tasks did, zone by zone
and with what was deferred, is attempts.py's.
"""
from ..mm.mmzone import MAX_ORDER, MIGRATE_CMA, PAGE_ALLOC_COSTLY_ORDER
from ..mm.page_alloc import FALLBACKS, count_free_blocks
from ..mm.zone import Zone
from .compact_zone import compact_zone
from .control import DIRECT, CompactControl, Status, control_for
from .suitable import compaction_suitable


def direct_compaction(zone: Zone, order: int, compact_unevictable_allowed: bool = True,
                      **orders) -> dict[str, Status]:
    """An allocation of 2^order movable pages compacts for itself, harder each time, until a block is free.

    How each attempt ended, by caller. Counts compact_stall, and compact_success or compact_fail, for every
    attempt that was not skipped (__alloc_pages_direct_compact(), mm/page_alloc.c). Costly orders begin with
    the asynchronous attempt and never go to the last (MIN_COMPACT_COSTLY_PRIORITY); the others leave out the
    first. Leaves out reclaim in between, and the allocation: the block stays free.
    """
    if not isinstance(order, int) or not 1 <= order <= MAX_ORDER:
        raise ValueError(f"no order {order!r}: write 1 to {MAX_ORDER}; a single page needs no compaction")
    attempts = {}
    for caller in DIRECT[:2] if order > PAGE_ALLOC_COSTLY_ORDER else DIRECT[1:]:
        cc = control_for(caller, zone, order, **orders)
        attempts[caller] = status = _attempt(cc, compact_unevictable_allowed)
        if status == Status.SKIPPED:
            break
        # Any type that an allocation may fall back to: it is about to try again.
        found = any(by_type[kind] for by_type in zone.nr_free[order:] for kind in (*FALLBACKS, MIGRATE_CMA))
        zone.vmstat["compact_stall"] += 1
        zone.vmstat["compact_success" if found else "compact_fail"] += 1
        if found:
            break
    return attempts


def _attempt(cc: CompactControl, compact_unevictable_allowed: bool) -> Status:
    """One attempt: compaction, where that can help."""
    count_free_blocks(cc.zone)
    if compaction_suitable(cc.zone, cc.order, release=cc.release) != Status.CONTINUE:
        return Status.SKIPPED
    return compact_zone(cc, compact_unevictable_allowed)
