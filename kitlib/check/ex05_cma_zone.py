"""Exercise 05, "why does CMA fail?": the zone, who keeps CMA's range from being emptied, and for how long.

A driver that never was keeps an unmovable file and has left its GFP mask as it was, with __GFP_MOVABLE: so
its pages lie in CMA's pageblock. guest_memfd takes the bit away at creation (__kvm_gmem_create(),
a7800aa80ea4), and its pages are never found there. Leaves out that the kernel drains the
LRU batches first: in this zone nobody does (Zone.lru_batch is empty).
"""
import random
from numbers import Integral

import numpy as np
import pandas as pd

from ..compaction.contig import alloc_contig_range
from ..compaction.control import control_for, isolation_mode
from ..concurrency.sched import run_path
from ..kernels import after
from ..mm.a_ops import GMEM, mappings
from ..mm.folio import PG, folio_put, folio_unlock
from ..mm.mapping import AddressSpace, AddressSpaceOperations, mapping_set_unmovable
from ..mm.page_alloc import free_one_page, isolate_free_page
from ..mm.verdict import Result
from ..mm.zone import MIGRATE_CMA, MIGRATE_UNMOVABLE, PAGEBLOCK_ORDER, Zone
from ..plots import page_states
from ..scenarios import KIND, KINDS
from .flags import row_of
from .report import seed_of

START, END = 0, 512                 # CMA's pageblock: the range that is wanted
# Kinds in the range with how many pages of each at least and at most. The first lot moves.
_MOVE = {"anon": (5, 9), "file, clean": (4, 9), "anon, mlocked": (2, 4), "file, mlocked": (2, 3),
         "ramfs, never written": (1, 3), "file, locked": (1, 2), "file, under writeback": (1, 2),
         "file, dirty, no migrate_folio": (1, 2), "shmem, SHM_LOCK": (1, 3)}
_STAY = {"guest_memfd": (2, 3), "shmem, SHM_LOCK, locked": (1, 2), "anon, in a per-CPU LRU batch": (1, 2),
         "anon, pinned": (1, 1), "file, pinned": (1, 2)}
_OUTSIDE = ("free", "free", "anon", "file, clean", "tmpfs")
driver_aops = AddressSpaceOperations("driver_aops", Result.EINVAL)


def zone_for(learner: str) -> Zone:
    """A learner's zone: CMA's pageblock from pfn 0, two movable pageblocks with room, an unmovable one."""
    dice = random.Random(seed_of(learner))
    within = [kind for kind, (least, most) in (*_MOVE.items(), *_STAY.items())
              for _ in range(dice.randint(least, most))]
    block = bytearray(END)
    for pfn, kind in zip(dice.sample(range(END), len(within)), within, strict=True):
        block[pfn] = KIND[kind]
    movable = bytes(KIND[dice.choice(_OUTSIDE)] for _ in range(1024))
    owners = mappings()
    owners[GMEM - 1] = driver = AddressSpace("the driver's file", driver_aops)
    mapping_set_unmovable(driver)
    zone = Zone.from_kinds(bytes(block) + movable + bytes([KIND["free"], KIND["slab"]]) * 256, KINDS, owners)
    zone.migratetype[0], zone.migratetype[3] = MIGRATE_CMA, MIGRATE_UNMOVABLE
    return zone


def contig_for(learner: str) -> Result:
    """alloc_contig_range() on a learner's range."""
    return contig(zone_for(learner))


def zone_map_for(learner: str) -> np.ndarray:
    """A learner's zone as a memory map shows it."""
    return page_states(zone_for(learner))


def pages_in_use(learner: str) -> pd.DataFrame:
    """The pages of CMA's pageblock that are in use, those that look alike in one row, with their pfns."""
    zone, alike = zone_for(learner), {}
    for pfn in range(START, END):
        if not is_free(zone, pfn):
            alike.setdefault(tuple(row_of(zone.folio(pfn)).items()), []).append(pfn)
    return pd.DataFrame([{"pfns": ", ".join(map(str, pfns)), **dict(row)} for row, pfns in alike.items()])


def is_free(zone: Zone, pfn: int) -> bool:
    """Whether a page belongs to a free block."""
    return bool(zone.flags[pfn] & (PG.BUDDY | PG.FREE_TAIL))


def contig(zone: Zone, start_pfn: int = START, end_pfn: int = END) -> Result:
    """alloc_contig_range() on a range of the zone, on CMA's pageblock unless another is given."""
    return alloc_contig_range(control_for("alloc_contig_range", zone), start_pfn, end_pfn)


def blockers(zone: Zone) -> dict[int, str]:
    """Why each page of the range stays that does: the scanner's reason, or migration's code.

    The zone is as it was afterwards.
    """
    begin, why = zone.snapshot(), {}
    for pfn in range(START, END):
        if is_free(zone, pfn):
            continue
        cc = control_for("alloc_contig_range", zone)
        result = alloc_contig_range(cc, pfn, pfn + 1)
        zone.restore(begin)
        if result:
            verdict = run_path(after.isolate_folio(zone.folio(pfn), isolation_mode(cc)))
            zone.restore(begin)
            why[pfn] = verdict.why or ", ".join(map(str, cc.failed))
    return why


def later(zone: Zone) -> None:
    """What others do sooner or later: release locks, end writeback, drain batches to the LRU, drop pins."""
    for pfn in range(START, END):
        if is_free(zone, pfn):
            continue
        folio = zone.folio(pfn)
        at_rest = folio.mapcount + (folio.mapping is not None) + folio.private
        folio.locked, folio.writeback, folio.lru, folio.refcount = False, False, True, at_rest


def is_pfn(pfn: object) -> bool:
    """Whether this is a page of CMA's pageblock."""
    return isinstance(pfn, Integral) and START <= pfn < END


def allocate_elsewhere(zone: Zone, pfn: int) -> int:
    """History with another GFP mask: the driver's page at `pfn` was allocated in the UNMOVABLE pageblock.

    Returns its pfn there.
    ValueError for any other page: it was allocated with __GFP_MOVABLE, and rightly so.
    """
    if not is_pfn(pfn) or not is_drivers(zone, pfn):
        raise ValueError(f"pfn {pfn!r} is no page of the driver's file in CMA's pageblock: "
                         "only where that file allocates is yours to choose")
    there = next(page for page in range(END, zone.end_pfn)
                 if zone.flags[page] & PG.BUDDY and not zone.order[page]
                 and zone.migratetype[page >> PAGEBLOCK_ORDER] == MIGRATE_UNMOVABLE)
    isolate_free_page(zone, there)
    for column in (zone.flags, zone.refcount, zone.mapcount, zone.mapping):
        column[there], column[pfn] = column[pfn], 0
    free_one_page(zone, pfn, 0)
    return there


class Holders:
    """Whoever holds a page of a zone; they do what they would do, and nothing else is done through them."""

    __slots__ = ("_zone",)

    def __init__(self, zone: Zone):
        self._zone = zone

    def unlock(self, pfn: int) -> None:
        """The holder of the folio lock releases it."""
        folio_unlock(self._zone.folio(pfn)).do()

    def drain(self, pfn: int) -> None:
        """The CPU with the page in its batch puts it on the LRU, and drops the batch's reference."""
        self._zone.folio(pfn).lru = True
        folio_put(self._zone.folio(pfn)).do()

    def unpin(self, pfn: int) -> None:
        """The holder of a pin drops it."""
        folio_put(self._zone.folio(pfn)).do()

    def allocate_elsewhere(self, pfn: int) -> int:
        """The driver's author has chosen another GFP mask: allocate_elsewhere()."""
        return allocate_elsewhere(self._zone, pfn)


def is_drivers(zone: Zone, pfn: int) -> bool:
    """Whether a page belongs to the driver's file."""
    return zone.mapping[pfn] == GMEM


def drivers_pages(zone: Zone) -> list[tuple[int, int]]:
    """The flags and counts of the pages of the driver's file, in no order of theirs."""
    pfns = [pfn for pfn in range(zone.end_pfn) if is_drivers(zone, pfn)]
    return sorted((zone.flags[pfn], zone.refcount[pfn]) for pfn in pfns)
