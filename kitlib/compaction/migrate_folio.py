"""One folio: migrate_folio_unmap(), migrate_folio_move(), their undoing, migrate_folio_done() (mm/migrate.c).

Who calls them, in which order and how often, is migrate_pages.py's. Whoever holds a folio lock or writes a
folio back is taken to be done by the time that a synchronous mode has waited for it. Leaves out THP
statistics, movable_ops pages, and page tables: that a folio is unmapped shows in its reference count alone,
and its map count is kept for the way back.
"""
from collections.abc import Callable

from ..mm.folio import PG
from ..mm.page_alloc import free_unref_pages
from ..mm.verdict import MigrateMode, Result
from .control import CompactControl
from .rehearsal import flags_unmapped, mode_of_move, move_as_rehearsed, move_by_path, outcome_of

SUCCESS, EAGAIN, ENOMEM = Result.SUCCESS, Result.EAGAIN, Result.ENOMEM
# What unmap() may have to wait for, or to do something about.
IN_THE_WAY = PG.LOCKED | PG.WRITEBACK | PG.PRIVATE
_LOCKED, _SWAPBACKED = PG.LOCKED, PG.SWAPBACKED


class Folios:
    """One call of migrate_pages(): its folios, each at rest, or unmapped with a target of its own, or done.

    Every folio is isolated: the caller holds a reference on it, and it is on no LRU list, so that nobody else
    moves it.
    """

    def __init__(self, cc: CompactControl, get_new_folio: Callable, put_new_folio: Callable):
        self.cc, self.zone = cc, cc.zone
        self.get_new_folio, self.put_new_folio = get_new_folio, put_new_folio
        self.left = dict.fromkeys(cc.migratepages)      # folios that have not moved, in the order of the list
        self.succeeded = self.swapbacked = 0            # base pages that have; of these, PG_swapbacked ones

    def unmap(self, pfn: int, mode: MigrateMode, force: bool = True) -> tuple[Result, int | None]:
        """migrate_folio_unmap(): (0, target), or (why not, None); (0, None) if the folio was freed meanwhile.

        With a target, both are locked from now on: the caller must move() or undo() it. Otherwise the folio
        is at rest.
        """
        zone, flags, refcount = self.zone, self.zone.flags, self.zone.refcount
        order = zone.order[pfn]
        # Only our own reference is left: truncated since it was isolated. A success that costs no target.
        if refcount[pfn] == 1:
            self.done([pfn], order)
            return SUCCESS, None
        # The target comes before the lock: a refusal costs one all the same, for a while.
        target = self.get_new_folio(self.cc, order)
        if target is None:
            return ENOMEM, None
        if flags[pfn] & IN_THE_WAY and (result := self._wait(pfn, mode, force)):
            self.put_new_folio(self.cc, target, order)
            return result, None
        flags[pfn] = flags_unmapped(self.cc, pfn) | _LOCKED
        # try_to_migrate(): from here on, references of page tables are not in the way of the move.
        refcount[pfn] -= zone.mapcount[pfn]
        flags[target], refcount[target] = _LOCKED, 1
        if order:
            zone.make_compound(target, order)
        return SUCCESS, target

    def _wait(self, pfn: int, mode: MigrateMode, force: bool) -> Result:
        """The lock and the waiting of migrate_folio_unmap(): 0 when nothing is in the way any more."""
        zone, flags = self.zone, self.zone.flags[pfn]
        if flags & PG.LOCKED:
            # PF_MEMALLOC: a task that compacts for itself never sleeps here: it may hold that very lock.
            if (mode == MigrateMode.ASYNC or not force or self.cc.direct_compaction
                    or (mode == MigrateMode.SYNC_LIGHT and not flags & PG.UPTODATE)):
                return EAGAIN
            zone.flags[pfn] &= ~PG.LOCKED
        if flags & PG.WRITEBACK:
            # Only a mode that may wait for a disk gives this another chance; for the others it is final.
            if mode != MigrateMode.SYNC:
                return Result.EBUSY
            if not force:
                return EAGAIN
            zone.flags[pfn] &= ~PG.WRITEBACK
        if flags & PG.PRIVATE and not flags & PG.ANON and not zone.mapping[pfn]:
            # Truncated since it was isolated: try_to_free_buffers(), and the next pass finds it freed.
            if pfn not in zone.buffers_held:
                zone.flags[pfn] &= ~PG.PRIVATE
                zone.refcount[pfn] -= 1
            return EAGAIN
        return SUCCESS

    def move(self, pfn: int, target: int, mode: MigrateMode) -> Result:
        """migrate_folio_move(): on success the old page is free; else both stay locked, until undo()."""
        outcome = outcome_of(self.cc, pfn, mode, unmapped=True)
        if outcome is None:
            mode = mode_of_move(self.cc, self.zone.flags[pfn], mode)
            result = move_by_path(self.cc.kernel.move_to_new_folio, self.zone, pfn, target, mode)
            if result == SUCCESS:
                pages = 1 << self.zone.order[pfn]
                self.cc.moves += zip(range(pfn, pfn + pages), range(target, target + pages))
        else:
            result = outcome.result
            if result == SUCCESS:
                move_as_rehearsed(self.cc, [(pfn, target, outcome)])
        if result == SUCCESS:
            self.done([pfn], self.zone.order[pfn])
        return result

    def undo(self, pfn: int, target: int) -> None:
        """migrate_folio_undo_src() and _dst(): mapped again, unlocked, and the target returned."""
        zone, order = self.zone, self.zone.order[pfn]
        zone.refcount[pfn] += zone.mapcount[pfn]
        zone.flags[pfn] &= ~_LOCKED
        # As isolate_free_page() left it, even if it was made compound: a target that waits is no folio.
        zone.flags[target], zone.refcount[target] = PG.SLAB, 0
        if order:
            zone.hold(target, order, PG.SLAB)
        self.put_new_folio(self.cc, target, order)

    def done(self, folios: list[int], order: int) -> None:
        """migrate_folio_done() of one folio after the other: the old pages are freed, in this order.

        The order is seen later: the newest page on a per-CPU list is the last one to be given back.
        """
        zone, left = self.zone, self.left
        flags, refcount, mapcount, mapping = zone.flags, zone.refcount, zone.mapcount, zone.mapping
        self.succeeded += len(folios) << order
        # Counted by what the folio was: when it is free, its flags say nothing any more.
        self.swapbacked += sum([flags[pfn] & _SWAPBACKED > 0 for pfn in folios]) << order
        for pfn in folios:
            refcount[pfn] = mapcount[pfn] = mapping[pfn] = 0
            del left[pfn]
        free_unref_pages(zone, folios, order)
