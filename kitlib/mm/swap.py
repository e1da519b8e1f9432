"""Onto the LRU: a folio that is put there, and the per-CPU batches in which new ones wait (mm/swap.c).

There is one LRU and one batch for all CPUs. A folio that is put back goes onto the LRU at once; in the kernel
it goes into the batch first. Leaves out lru_lock.
"""
from .folio import PG
from .mapping import mapping_unevictable
from .page_alloc import free_unref_page
from .zone import Zone


def folio_add_lru(zone: Zone, pfn: int) -> None:
    """PG_lru, and PG_unevictable as folio_evictable() says now (lru_add_fn(), mm/swap.c).

    The flag may be stale in both directions from then on: nobody asks again until the folio is next put on a
    list. Caller has isolated the folio, or is the first to put it there.
    """
    flags, mapping = zone.flags[pfn] | PG.LRU, zone.mapping[pfn]
    if flags & PG.MLOCKED or (mapping and mapping_unevictable(zone.mappings[mapping])):
        zone.flags[pfn] = flags | PG.UNEVICTABLE
    else:
        zone.flags[pfn] = flags & ~PG.UNEVICTABLE


def folio_putback_lru(zone: Zone, pfn: int) -> None:
    """Back onto the LRU, and a reference less, which may be the last (mm/vmscan.c). Caller holds it."""
    zone.refcount[pfn] -= 1
    if zone.refcount[pfn]:
        folio_add_lru(zone, pfn)
    else:
        free_unref_page(zone, pfn, zone.order[pfn])


def lru_add_drain(zone: Zone) -> list[int]:
    """Put what waits in a batch onto the LRU, each with a reference less; these folios' pfns."""
    drained, zone.lru_batch[:] = zone.lru_batch[:], []
    for pfn in drained:
        folio_putback_lru(zone, pfn)
    return drained
