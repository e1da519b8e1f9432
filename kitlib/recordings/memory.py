"""A recording's snapshot as the model's zone: the kernel's bits, counts, mappings and lists in its columns.

Leaves out what a page is that is no folio: its flag bits, and the references to it.
"""
from array import array

import numpy as np

from ..mm.a_ops import kvm_gmem_aops, ram_aops, secretmem_aops
from ..mm.folio import PG
from ..mm.mapping import AS_UNMOVABLE, AddressSpace, AddressSpaceOperations, mapping_set_unevictable, set_bit
from ..mm.mmzone import (MIGRATE_CMA, MIGRATE_HIGHATOMIC, MIGRATE_ISOLATE, MIGRATE_MOVABLE, MIGRATE_PCPTYPES,
                         MIGRATE_RECLAIMABLE, MIGRATE_TYPES, MIGRATE_UNMOVABLE, NR_PCP_LISTS, PAGEBLOCK_ORDER,
                         FreeLists, PerCpuPages, Watermark)
from ..mm.page_alloc import free_blocks
from ..mm.zone import Zone
from .schema import NONE_STARTS_HERE, NOT_READ

# kpageflags bits (include/uapi/linux/kernel-page-flags.h), and what they become in a zone's flags column.
KPF = {5: PG.LRU, 12: PG.ANON, 15: PG.HEAD, 16: PG.TAIL, 18: PG.UNEVICTABLE, 20: PG.NO_PAGE}
# Those that say something of folios alone: the model takes nothing else on the LRU.
KPF_OF_FOLIO = {0: PG.LOCKED, 3: PG.UPTODATE, 4: PG.DIRTY, 8: PG.WRITEBACK, 14: PG.SWAPBACKED, 33: PG.MLOCKED}
KPF_PRIVATE = 35
KPF_OF = {ours: bit for bit, ours in (KPF | KPF_OF_FOLIO).items()}
KPF_BUDDY = 10
TYPE_BY_NAME = {"UNMOVABLE": MIGRATE_UNMOVABLE, "MOVABLE": MIGRATE_MOVABLE,
                "RECLAIMABLE": MIGRATE_RECLAIMABLE, "HIGHATOMIC": MIGRATE_HIGHATOMIC, "CMA": MIGRATE_CMA,
                "ISOLATE": MIGRATE_ISOLATE}
KNOWN_AOPS = {a_ops.name: a_ops for a_ops in (secretmem_aops, kvm_gmem_aops, ram_aops)}     # others move


def memory_of(recording) -> Zone:
    """All page frames of a recording as one zone; its parts share the columns and the held buffers."""
    kpageflags, arrays = recording.flags, recording.arrays
    # What waits in an LRU batch was recorded apart: the snapshot's counts are those of pages on the LRU.
    counts = {name: arrays[name].copy() for name in ("refcount", "mapcount", "mapping", "anon")}
    waiting, waiting_counts = _in_lru_batches(recording)
    for name, column in waiting_counts.items():
        counts[name][waiting] = column
    refcount, mapcount, mapping, anon = counts.values()

    flags = np.zeros(len(kpageflags), np.uint16)
    for bit, ours in KPF.items():
        flags |= ((kpageflags >> np.uint64(bit)) & np.uint64(1)).astype(np.uint16) * np.uint16(ours)
    first_free = recording.buddy_order != NONE_STARTS_HERE
    in_free_block = (kpageflags >> np.uint64(KPF_BUDDY)) & np.uint64(1) != 0
    flags[in_free_block & ~first_free] = PG.FREE_TAIL
    flags[first_free] = PG.BUDDY
    flags[first_free & (recording.buddy_order > 0)] |= PG.HEAD
    in_use = flags & PG.LRU != 0
    in_use[waiting] = True
    if recording.trigger == "contig":       # which asks who holds pages that are no folios
        kept = ~in_use & (flags & (PG.BUDDY | PG.FREE_TAIL | PG.TAIL) == 0)
        refcount[kept] = recording.refcount_all[kept].clip(0)
    flags[waiting[anon[waiting]]] |= PG.ANON
    flags[~in_use & ~in_free_block & ~first_free] |= PG.SLAB
    folio = in_use & (flags & PG.TAIL == 0)
    for bit, ours in (KPF_OF_FOLIO | {KPF_PRIVATE: PG.PRIVATE}).items():
        flags[folio & ((kpageflags >> np.uint64(bit)) & np.uint64(1) != 0)] |= ours
    compound_order = np.where(recording.compound_order == NONE_STARTS_HERE, 0, recording.compound_order)
    order = np.where(first_free, recording.buddy_order, compound_order)

    zone = Zone(len(flags), name="memory")
    columns = {"flags": flags, "refcount": refcount, "mapcount": mapcount,
               "mapping": np.where(folio & ~anon, mapping, 0).astype(np.uint16)}
    for name, column in columns.items():
        setattr(zone, name, array(getattr(zone, name).typecode, column.tobytes()))
    zone.order = bytearray(order.astype(np.uint8).tobytes())
    zone.migratetype = bytearray(recording.migratetype.tobytes().translate(_migratetypes(recording)))
    if "skip" in arrays:
        zone.skip = bytearray(recording.skip.tobytes())
    zone.mappings += [_mapping(recording, number) for number in range(1, len(recording.mapping_flags))]
    zone.lru_batch += waiting.tolist()
    if "busy_pfn" in arrays:
        zone.buffers_held = frozenset(recording.busy_pfn.tolist())
    return zone


def _in_lru_batches(recording) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The pages in the CPUs' LRU batches, and their entries in the columns."""
    arrays, columns = recording.arrays, ("refcount", "mapcount", "mapping", "anon")
    if "lru_batch_pfn" in arrays:
        return recording.lru_batch_pfn, {name: arrays[f"lru_batch_{name}"] for name in columns}
    if "lru_add_pfn" not in arrays:
        return np.empty(0, np.uint32), {}
    # Of one batch alone, and by pfn: new anonymous pages, mapped once, and with a reference for being there.
    waiting = recording.lru_add_pfn
    ones = np.ones(len(waiting), np.int16)
    return waiting, {"refcount": 2 * ones, "mapcount": ones, "mapping": 0 * ones, "anon": ones > 0}


def _migratetypes(recording) -> bytes:
    """The model's number for each of the recorded kernel's types. Where none was read there is no memory."""
    table = bytearray(range(256))
    table[NOT_READ] = MIGRATE_UNMOVABLE
    for number, name in recording.meta.get("migratetype_names", {}).items():
        table[int(number)] = TYPE_BY_NAME.get(name, int(number))
    return bytes(table)


def _mapping(recording, number: int) -> AddressSpace:
    name, flags = str(recording.mapping_aops[number]) or "unknown", int(recording.mapping_flags[number])
    mapping = AddressSpace(name, KNOWN_AOPS.get(name) or AddressSpaceOperations(name))
    # The recorded kernel's own bit numbers become the model's.
    unevictable, inaccessible = recording.meta["as_unevictable_bit"], recording.meta["as_inaccessible_bit"]
    if flags >> unevictable & 1:
        mapping_set_unevictable(mapping)
    if inaccessible is not None and flags >> inaccessible & 1:
        set_bit(AS_UNMOVABLE, mapping)
    return mapping


def pcp_of(recording, number: int) -> PerCpuPages | None:
    """The recorded per-CPU lists of the zone with this number; None where none are used, or none recorded."""
    if "pcp_high" not in recording.arrays or recording.pcp_high[number] == 0:
        return None
    high, batch = int(recording.pcp_high[number]), int(recording.pcp_batch[number])
    pcp = PerCpuPages(high, batch, recording.release.pcp_doubles)
    # How long nothing but freeing has gone on was not always recorded (-1): then at least a batch was freed.
    count, factor = (_counted(recording, name, number) for name in ("free_count", "free_factor"))
    pcp.freed_in_a_row, pcp.free_factor = count if count >= 0 else batch, max(0, factor)
    here = recording.pcp_zone == number
    for pfn, at in zip(recording.pcp_pfn[here].tolist(), recording.pcp_list[here].tolist()):
        if at < NR_PCP_LISTS:
            pcp.lists[at].append(pfn)
            pcp.count += 1 << at // MIGRATE_PCPTYPES
        else:
            pcp.huge.append(pfn)
    return pcp


def _counted(recording, name: str, number: int) -> int:
    """What the zone's per-CPU lists say by this name; -1: not recorded."""
    if f"pcp_{name}" in recording.arrays:
        return int(recording.arrays[f"pcp_{name}"][number])
    return int(recording.meta["pcp"][number].get(name, -1)) if "pcp" in recording.meta else -1


def set_state(recording, zone: Zone, number: int) -> None:
    """What struct zone says besides its pages: watermarks, where scanners begin, what is deferred.

    A recording without it leaves the zone as a new one is.
    """
    if "zones" not in recording.meta:
        return
    state = recording.meta["zones"][number]
    minimum, low, *_ = state["watermark"]
    zone.watermark = Watermark(minimum, low, tuple(state["lowmem_reserve"]), state["nr_free_highatomic"])
    zone.cached_migrate_pfn[:], zone.cached_free_pfn = state["cached_migrate"], state["cached_free"]
    zone.init_migrate_pfn, zone.init_free_pfn = state["init_migrate"], state["init_free"]
    zone.compact_considered, zone.compact_defer_shift = state["considered"], state["defer_shift"]
    zone.compact_order_failed = state["order_failed"]


def free_lists_of(recording, zone: Zone, number: int) -> FreeLists | None:
    """The recorded order of the zone's free blocks; what a broken list lacks is at the tails."""
    if "free_list" not in recording.arrays:
        return None
    lists, types = FreeLists(recording.release.merge_likely_to_tail), _migratetypes(recording)
    here = recording.free_list_zone == number
    for pfn, at in zip(recording.free_list_pfn[here].tolist(), recording.free_list[here].tolist()):
        if zone.flags[pfn] & PG.BUDDY and pfn not in lists.next:
            lists.add(pfn, at // MIGRATE_TYPES, types[at % MIGRATE_TYPES], to_tail=True)
    for pfn in free_blocks(zone):
        if pfn not in lists.next:
            lists.add(pfn, zone.order[pfn], zone.migratetype[pfn >> PAGEBLOCK_ORDER], to_tail=True)
    return lists
