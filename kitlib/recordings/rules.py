"""The rules that can be left out of a prediction, to see what each is worth.

A rule about memory is left out by changing the snapshot, so that it does not say what the rule needs; a rule
of the loops by a release that lacks it (releases.Release). The functions of the model stay as they are.
Leaves out the rules without which there is no run: which page is on the LRU, and that both scanners go
through the zone.
"""
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ..mm.a_ops import kvm_gmem_aops, ram_aops, secretmem_aops
from ..mm.mapping import AddressSpaceOperations
from .memory import KPF_OF_FOLIO
from .schema import FREE_LISTS, LRU_BATCH


@dataclass(frozen=True)
class Lacking:
    """What of a recording and of its release is otherwise where a rule is left out."""

    arrays: dict = field(default_factory=dict)
    meta: dict = field(default_factory=dict)
    release: dict = field(default_factory=dict)     # fields of Release


def _no_pins(recording) -> Lacking:
    # Page tables account for every reference; a folio of a file is not asked.
    return Lacking({"mapcount": np.where(recording.mapping == 0, recording.refcount, recording.mapcount)})


def _no_bit(recording) -> Lacking:
    bit = recording.meta["as_inaccessible_bit"]
    return Lacking({"mapping_flags": recording.mapping_flags & ~np.uint64(0 if bit is None else 1 << bit)})


def _they_move(*a_ops: AddressSpaceOperations) -> Callable[..., Lacking]:
    refusing = [each.name for each in a_ops]

    def lacking(recording) -> Lacking:
        names = recording.mapping_aops
        return Lacking({"mapping_aops": np.where(np.isin(names, refusing), "", names)})

    return lacking


def _nobody_holds_buffers(recording) -> Lacking:
    return Lacking({"busy_pfn": np.empty(0, np.uint32)})


def _nothing_but_where_it_is(recording) -> Lacking:
    not_read = sum(1 << bit for bit in KPF_OF_FOLIO)
    return Lacking({"flags": recording.flags & ~np.uint64(not_read)})


def _nobody_waits(recording) -> Lacking:
    return Lacking({name: recording.arrays[name][:0] for name in LRU_BATCH if name in recording.arrays})


def _no_lists(recording) -> Lacking:
    return Lacking({"pcp_high": np.zeros(len(recording.zone_name), np.int32)})


def _no_skip_bits(recording) -> Lacking:
    return Lacking({"skip": np.zeros_like(recording.migratetype)})


def _from_the_ends(recording) -> Lacking:
    # Positions outside a zone are none: its first page and its last pageblock are what is left.
    outside = {"cached_migrate": [0, 0], "cached_free": 0}
    return Lacking(meta={"zones": [zone | outside for zone in recording.meta.get("zones", [])]})


def _lists_by_pfn(recording) -> Lacking:
    if "free_list" not in recording.arrays:
        return Lacking()
    order = np.argsort(recording.free_list_pfn)
    return Lacking({name: recording.arrays[name][order] for name in FREE_LISTS})


# By the names that the recordings' own description gives them.
RULES: dict[str, Callable[..., Lacking]] = {
    # An anonymous page with more references than page tables account for is not isolated.
    "reference count": _no_pins,
    # Where vm.compact_unevictable_allowed is 0, an unevictable page is not isolated.
    "unevictable test": lambda recording: Lacking(meta={"compact_unevictable_allowed": 1}),
    # A page whose mapping says that it cannot be moved is not isolated: AS_UNMOVABLE, later AS_INACCESSIBLE.
    "inaccessible bit": _no_bit,
    # The migrate scanner steps over a free block, and over a compound page, in one go.
    "free-block jump": lambda recording: Lacking(release={"jumps_free_blocks": False}),
    "compound jump": lambda recording: Lacking(release={"jumps_compound": False}),
    # A call of the migrate scanner ends with 32 pages isolated; the next in that pageblock goes to its end.
    "32-page stop": lambda recording: Lacking(release={"cluster_max": sys.maxsize}),
    "finishing the pageblock": lambda recording: Lacking(release={"finishes_pageblock": False}),
    # The page for which no target was left counts as failed.
    "the page without a target counts": lambda recording: Lacking(release={"counts_without_target": False}),
    # Both kinds of files refuse by their own migrate_folio().
    "secretmem and guest_memfd fail": _they_move(secretmem_aops, kvm_gmem_aops),
    # What was written to ramfs is dirty, and cannot be written out: fallback_migrate_folio().
    "written ramfs stays": _they_move(ram_aops),
    # A page of the block device whose buffer somebody holds does not move.
    "busy buffer pages": _nobody_holds_buffers,
    # Freed pages wait on a CPU's lists, where the free scanner does not see them, until the lists are full.
    "per-CPU lists": _no_lists,
    # What waits in an LRU batch is put onto the LRU before the first page is looked at: lru_add_drain_all().
    "LRU batches": _nobody_waits,
    # What one search of the free scanner finds last is given first, before 6.9: split_map_pages().
    "last target first": lambda recording: Lacking(release={"last_target_first": False}),
    # A page keeps its page flags where it moves: folio_migrate_flags(), folio_migrate_mapping() for
    # PG_swapbacked, and the page-table entries for PG_mlocked.
    "page flags": _nothing_but_where_it_is,
    # A page whose page-table entry is dirty arrives dirty: try_to_migrate_one().
    "dirty page-table entry": lambda recording: Lacking(release={"dirties_from_pte": False}),
}
# Rules of compaction's other callers: vm.compact_memory knows none of them.
CALLER_RULES: dict[str, Callable[..., Lacking]] = {
    # Pageblocks in which nothing was found lately are passed over: get_pageblock_skip().
    "skip bits": _no_skip_bits,
    # Scanners begin where the last run has stopped: compact_cached_migrate_pfn, compact_cached_free_pfn.
    "cached positions": _from_the_ends,
    # The free lists are searched in the order in which blocks were freed.
    "order of the free lists": _lists_by_pfn,
    # Both scanners look at the free lists first.
    "fast_find_migrateblock": lambda recording: Lacking(release={"finds_fast": False}),
    "fast_isolate_freepages": lambda recording: Lacking(release={"isolates_fast": False}),
    # A task is given the block that it has made, and moves a cluster more: compaction_capture().
    "capture": lambda recording: Lacking(release={"captures": False}),
    # What may soon merge goes to the tail of its list: buddy_merge_likely().
    "merge-likely blocks to the tail": lambda recording: Lacking(release={"merge_likely_to_tail": False}),
}
# What `recordings.ablation` leaves out, row by row.
ABLATED = (*RULES, ("busy buffer pages", "per-CPU lists"))


def check_rules(without: str | Iterable[str]) -> tuple[str, ...]:
    """The rules' names, each once; a ValueError lists those that there are."""
    names = (without,) if isinstance(without, str) else tuple(dict.fromkeys(without))
    for name in names:
        if name not in RULES and name not in CALLER_RULES:
            known = ", ".join(map(repr, (*RULES, *CALLER_RULES)))
            raise ValueError(f"no rule {name!r}: write one of {known}, or several in a tuple")
    return names
