"""What one page comes to, all pages that look like it come to: a rehearsal of move_to_new_folio() tells.

Whether a page moves, and what its new folio looks like then, depends on

* the kernel's move_to_new_folio() and the mode, which are the same for a whole call;
* the page's looks: its flags, reference count and map count, as the zone's columns have them;
* the operations and the flags of its mapping.

Nothing else goes in: no clock, no chance, no neighbour; and a target is always fresh. So it is a function of
these values, and one computation will do for all pages in which they are equal: a whole zone has a few dozen
sorts. `rehearse` moves one such page by the kernel's own path, in a memory of two page frames that nobody
else sees, and `lru_cache` keeps what came of it. No decision of the kernel is written here a second time.

Not rehearsed are pages whose outcome depends on more than these values, or is more than an `Outcome` says.
They are asked about one by one. By what a single page has besides its looks, `outcome_of` leaves out

* a page whose buffers somebody holds: that is known by its pfn, not by its looks;
* a page of a mapping that is gone: to read that is a bug, and must be reported of this very mapping;
* a refused page that its page-table entries have made dirty: it keeps that, and a refusal changes nothing.

By looks alone, so that its answer may be kept as well, `rehearse` leaves out

* a large folio: it is more than one entry in the columns;
* a page without a mapping that still has buffers: truncated, and not to be moved but to be freed;
* a page that was refused and is another one since: its dirt was written out, say.

A kernel that reads anything else, such as a folio's pfn, must be run without a table: then nothing is
rehearsed.
"""
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..concurrency.sched import run_path
from ..mm.folio import PG, Folio
from ..mm.mapping import AddressSpace, AddressSpaceOperations
from ..mm.swap import folio_add_lru
from ..mm.verdict import MigrateMode, Result
from ..mm.zone import Zone
from ..step import Path
from .control import CompactControl

_LOCKED, _WAITED_FOR = PG.LOCKED, PG.LOCKED | PG.WRITEBACK
_WRITTEN = PG.ANON | PG.SWAPBACKED


class Outcome(NamedTuple):
    """What a page comes to, and on SUCCESS its new folio's looks. The mapping stays the same."""

    result: Result
    flags: int = 0
    refcount: int = 0
    mapcount: int = 0


def move_by_path(move_to_new_folio: Callable[..., Path], zone: Zone, pfn: int, target: int,
                 mode: MigrateMode) -> Result:
    """The kernel's function decides, and moves; then the new folio is mapped, unlocked and on its LRU list.

    Caller must have locked both and unmapped the old one; it frees the old page, or maps it again.
    """
    result = run_path(move_to_new_folio(Folio(zone, target), Folio(zone, pfn), mode))
    if result == Result.SUCCESS:
        # remove_migration_ptes(): a reference for each page-table entry; the caller's own is dropped.
        zone.mapcount[target] = zone.mapcount[pfn]
        zone.refcount[target] += zone.mapcount[pfn] - 1
        zone.flags[target] &= ~PG.LOCKED
        folio_add_lru(zone, target)
    return result


def flags_unmapped(cc: CompactControl, pfn: int) -> int:
    """A folio's flags once try_to_migrate() has taken its page-table entries down (mm/rmap.c).

    A dirty entry leaves PG_dirty. Page tables are left out here: anonymous memory was written through each of
    its entries, unless MADV_FREE has cleaned them, and PG_swapbacked with them (mm/madvise.c); file pages
    that were written have PG_dirty already.
    """
    flags = cc.zone.flags[pfn]
    anon = flags & _WRITTEN == _WRITTEN
    written = anon and cc.zone.mapcount[pfn] and cc.release.dirties_from_pte
    return flags | PG.DIRTY if written else flags


def mode_of_move(cc: CompactControl, flags: int, mode: MigrateMode) -> MigrateMode:
    """The mode by which a folio with these flags is moved: where nothing is written out, none that would.

    Only fallback_migrate_folio() asks for the mode: -EBUSY for dirt, in all but MIGRATE_SYNC.
    """
    return min(mode, MigrateMode.SYNC_LIGHT) if flags & PG.DIRTY and not cc.release.writes_out else mode


def move_as_rehearsed(cc: CompactControl, moves: Iterable[tuple[int, int, Outcome]]) -> None:
    """Each target becomes what move_by_path() would make of it. Caller must free the old pages.

    moves: (pfn, target, outcome), each a success, in the order in which the kernel moves them.
    """
    flags, refcount, mapcount, mapping = cc.zone.flags, cc.zone.refcount, cc.zone.mapcount, cc.zone.mapping
    for pfn, target, outcome in moves:
        cc.moves.append((pfn, target))
        # PG_unevictable is among the flags: AS_UNEVICTABLE, of which it is made, is one of the mapping's.
        _, flags[target], refcount[target], mapcount[target] = outcome
        mapping[target] = mapping[pfn]


def outcome_of(cc: CompactControl, pfn: int, mode: MigrateMode, unmapped: bool = False) -> Outcome | None:
    """What an isolated folio comes to, given a target; None where only a try can tell, and without a table.

    It may be relied upon until somebody writes to the folio or to its mapping, as nobody does during a call.
    """
    zone = cc.zone
    flags, refcount, mapcount = zone.flags[pfn], zone.refcount[pfn], zone.mapcount[pfn]
    mapping = zone.mappings[zone.mapping[pfn]]
    if not unmapped:
        # Waiting is migrate_folio_unmap()'s to decide; and what has been freed meanwhile needs no target.
        if flags & _WAITED_FOR or refcount == 1:
            return None
        # So migrate_folio_unmap() would leave it: locked, and without the page tables' references.
        flags, refcount = flags_unmapped(cc, pfn) | _LOCKED, refcount - mapcount
    mode = mode_of_move(cc, flags, mode)
    # The function is passed, not the kernel: a learner may give the same kernel another one after this run.
    # Neither a pfn nor a mapping itself is among the arguments below: what depends on them is not rehearsed.
    if cc.verdicts is None or pfn in zone.buffers_held:
        return None
    if mapping is None:
        outcome = rehearse(cc.kernel.move_to_new_folio, mode, flags, refcount, mapcount)
        # A page that is refused keeps what its page-table entries have left.
        changed = (flags ^ zone.flags[pfn]) & PG.DIRTY
        return None if changed and outcome and outcome.result else outcome
    if mapping.freed or mapping.reused:
        return None
    return rehearse(cc.kernel.move_to_new_folio, mode, flags, refcount, mapcount,
                    mapping.a_ops, mapping.flags)


def outcomes_of(cc: CompactControl, pfns: Sequence[int], mode: MigrateMode,
                known: dict[tuple, Outcome]) -> list[Outcome | None]:
    """outcome_of() each of these isolated folios.

    known: by looks, what the same call has found in this mode already; it grows.
    """
    if cc.verdicts is None:
        return [None] * len(pfns)
    zone, held, outcomes = cc.zone, cc.zone.buffers_held, []
    flags, refcount, mapcount, mapping = zone.flags, zone.refcount, zone.mapcount, zone.mapping
    for pfn in pfns:
        looks = flags[pfn], refcount[pfn], mapcount[pfn], mapping[pfn]
        # Never for another call: between two of them anybody may write to a mapping, or let buffers go.
        outcome = None if pfn in held else known.get(looks)
        if outcome is None and (outcome := outcome_of(cc, pfn, mode)) is not None:
            known[looks] = outcome
        outcomes.append(outcome)
    return outcomes


# Far more than the sorts of a zone, times functions and modes; what falls out is only done once more.
@lru_cache(maxsize=4096)
def rehearse(move_to_new_folio: Callable[..., Path], mode: MigrateMode, flags: int, refcount: int,
             mapcount: int, a_ops: AddressSpaceOperations | None = None,
             mapping_flags: int = 0) -> Outcome | None:
    """Move a page of these looks, locked and unmapped, in a memory of its own.

    None where this outcome says nothing about other pages: large, or truncated with buffers, or refused and
    changed. Whatever the decision reads must be among the arguments: they are what the cache goes by.
    """
    # Both are told by these values, so they are refused here, where the answer is kept.
    if flags & PG.HEAD or (flags & PG.PRIVATE and a_ops is None):
        return None
    zone, source, target = Zone(2), 0, 1
    if a_ops is not None:
        zone.mapping[source] = zone.add_mapping(AddressSpace("its mapping", a_ops, mapping_flags))
    zone.flags[source], zone.refcount[source], zone.mapcount[source] = flags, refcount, mapcount
    # As migrate_folio_unmap() leaves any target: locked, with one reference, mapped nowhere.
    zone.flags[target], zone.refcount[target] = PG.LOCKED, 1
    before = zone.snapshot()
    result = move_by_path(move_to_new_folio, zone, source, target, mode)
    if result == Result.SUCCESS:
        return Outcome(result, zone.flags[target], zone.refcount[target], zone.mapcount[target])
    # What a refusal has changed would have to be changed in every such page: then each is asked by itself.
    return Outcome(result) if zone.snapshot() == before else None
