"""A recording's snapshot as the model's zone: the kernel's bits, counts, mappings and lists in the model's columns.

Leaves out what no rule asks of a recorded page: whether it is dirty, locked, mlocked or under writeback was not recorded.
"""
from array import array

import numpy as np

from ..mm.a_ops import kvm_gmem_aops, secretmem_aops
from ..mm.folio import PG
from ..mm.mapping import AS_UNMOVABLE, AddressSpace, AddressSpaceOperations, mapping_set_unevictable, set_bit
from ..mm.page_alloc import PerCpuPages
from ..mm.zone import Zone

# kpageflags bits (include/uapi/linux/kernel-page-flags.h), and what they become in a zone's flags column.
KPF = {5: PG.LRU, 12: PG.ANON, 15: PG.HEAD, 16: PG.TAIL, 18: PG.UNEVICTABLE, 20: PG.NO_PAGE}
KPF_BUDDY = 10
REFUSING_AOPS = {a_ops.name: a_ops for a_ops in (secretmem_aops, kvm_gmem_aops)}


def memory_of(recording) -> Zone:
    """All page frames of a recording as one zone: what the kernel's bits and counts say, in the model's columns."""
    kpageflags, anon = recording.flags, recording.anon
    flags = np.zeros(len(kpageflags), np.uint16)
    for bit, ours in KPF.items():
        flags |= ((kpageflags >> np.uint64(bit)) & np.uint64(1)).astype(np.uint16) * np.uint16(ours)
    first_free = recording.buddy_order < 255
    in_free_block = (kpageflags >> np.uint64(KPF_BUDDY)) & np.uint64(1) != 0
    flags[in_free_block & ~first_free] = PG.FREE_TAIL
    flags[first_free] = PG.BUDDY
    flags[first_free & (recording.buddy_order > 0)] |= PG.HEAD
    on_lru = flags & PG.LRU != 0
    flags[~on_lru & ~in_free_block & ~first_free] |= PG.SLAB
    folio = on_lru & (flags & PG.TAIL == 0)
    # One reference more than page cache and page tables account for is that of the folio's buffers.
    cached = folio & ~anon & (recording.mapping != 0)
    flags[cached & (recording.refcount - recording.mapcount > 1)] |= PG.PRIVATE
    order = np.where(first_free, recording.buddy_order, np.where(recording.compound_order < 255, recording.compound_order, 0))

    zone = Zone(len(flags), name="memory")
    columns = {"flags": flags, "refcount": recording.refcount, "mapcount": recording.mapcount,
               "mapping": np.where(folio & ~anon, recording.mapping, 0).astype(np.uint16)}
    for name, column in columns.items():
        setattr(zone, name, array(getattr(zone, name).typecode, column.tobytes()))
    zone.order = bytearray(order.astype(np.uint8).tobytes())
    zone.migratetype = bytearray(recording.migratetype.tobytes())
    zone.mappings += [_mapping(recording, number) for number in range(1, len(recording.mapping_flags))]
    return zone


def _mapping(recording, number: int) -> AddressSpace:
    name, flags, meta = str(recording.mapping_aops[number]), int(recording.mapping_flags[number]), recording.meta
    mapping = AddressSpace(name or "unknown", REFUSING_AOPS.get(name) or AddressSpaceOperations(name or "unknown"))
    if flags >> meta["as_unevictable_bit"] & 1:
        mapping_set_unevictable(mapping)
    if meta["as_inaccessible_bit"] is not None and flags >> meta["as_inaccessible_bit"] & 1:
        set_bit(AS_UNMOVABLE, mapping)
    return mapping


def pcp_of(recording, number: int) -> PerCpuPages | None:
    """The per-CPU lists of the zone with this number, as the snapshot has them; None where they are not used or not recorded."""
    if "pcp_high" not in recording.arrays or recording.pcp_high[number] == 0:
        return None
    pcp = PerCpuPages(int(recording.pcp_high[number]), int(recording.pcp_batch[number]), recording.release.pcp_doubles)
    for pfn, at in zip(*(recording.arrays[name][recording.pcp_zone == number].tolist() for name in ("pcp_pfn", "pcp_list"))):
        pcp.lists[at].append(pfn)
        pcp.count += 1 << at // 3
    return pcp
