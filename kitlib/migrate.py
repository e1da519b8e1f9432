"""Migration: migrate_pages() with its phases and passes (mm/migrate.c, 0003e2a41468).

A folio is unmapped, gets a target, is moved by the kernel's own move_to_new_folio(), and its old page is freed. Up to 6.1
one folio goes all the way before the next; later a whole batch is unmapped first, and in the synchronous modes the folios
that were refused are tried once more, one by one. Whoever holds a folio lock or writes it back is taken to be done when a
synchronous mode waits. Leaves out splitting large folios, THP statistics and movable_ops pages.
"""
from .allocator import free_unref_page
from .control import CompactControl, MigrateEvent
from .folio import PG, Folio, isolated_counter, move
from .freepages import compaction_alloc, compaction_free
from .mapping import mapping_unevictable
from .sched import run_path
from .verdict import MigrateMode, Result

NR_MAX_BATCHED_MIGRATION = 512
SUCCESS = Result.SUCCESS
_IN_THE_WAY = PG.LOCKED | PG.WRITEBACK
_ASKED = PG.DIRTY | PG.PRIVATE            # with references, order and mapping, all that move_to_new_folio() hears
NR_MAX_MIGRATE_PAGES_RETRY, NR_MAX_MIGRATE_ASYNC_RETRY, NR_MAX_MIGRATE_SYNC_RETRY = 10, 3, 7


def migrate_pages(cc: CompactControl) -> Result | int:
    """Migrate the folios on cc.migratepages, newest first; those that stay are left on it, for putback_movable_pages().

    Returns 0 when all have moved, -ENOMEM when there was no target left, else how many folios did not move.
    """
    return _Migration(cc).run()


class _Migration:
    """One call: what has moved, what was given up and why."""

    def __init__(self, cc: CompactControl):
        self.cc, self.zone = cc, cc.zone
        self.succeeded = 0                              # base pages
        self.failed: dict[Result, int] = {}             # base pages
        self.left: set[int] = set()                     # folios that stay
        self.split: list[int] = []                      # base pages of large folios for which no target was left

    def run(self) -> Result | int:
        cc, folios = self.cc, self.cc.migratepages[::-1]
        self.left.update(folios)
        result = self._all(folios)
        cc.migratepages[:] = [pfn for pfn in dict.fromkeys([*cc.migratepages, *self.split]) if pfn in self.left]
        failed = sum(self.failed.values())
        self.zone.vmstat["pgmigrate_success"] += self.succeeded
        self.zone.vmstat["pgmigrate_fail"] += failed
        for why, pages in self.failed.items():
            cc.failed[why] = cc.failed.get(why, 0) + pages
        cc.trace.append(MigrateEvent(self.succeeded, failed))
        return result if result else len(self.left)

    def _all(self, folios: list[int]) -> Result:
        mode = self.cc.mode
        if not self.cc.counts.batches:
            return self._page_by_page(folios, mode)
        for at in range(0, len(folios), NR_MAX_BATCHED_MIGRATION):
            batch = folios[at:at + NR_MAX_BATCHED_MIGRATION]
            if mode == MigrateMode.ASYNC:
                result = self._batch(batch, mode, NR_MAX_MIGRATE_PAGES_RETRY)
            else:
                result = self._batch_then_alone(batch, mode)
            if result:
                return result
        # What was split is tried once, without waiting; that no target is left then is no reason to stop.
        self._batch(self.split, MigrateMode.ASYNC, 1)
        return SUCCESS

    def _batch_then_alone(self, batch: list[int], mode: MigrateMode) -> Result:
        """migrate_pages_sync(): the batch without waiting, then what it refused one by one; its refusals do not count."""
        counted = dict(self.failed)
        if self._batch(batch, MigrateMode.ASYNC, NR_MAX_MIGRATE_ASYNC_RETRY):
            return Result.ENOMEM
        self.failed = counted
        for pfn in [pfn for pfn in batch if pfn in self.left]:
            if self._batch([pfn], mode, NR_MAX_MIGRATE_SYNC_RETRY):
                return Result.ENOMEM
        return SUCCESS

    def _page_by_page(self, folios: list[int], mode: MigrateMode) -> Result:
        """migrate_pages() up to 6.1: each folio goes all the way before the next; every pass goes over what is left."""
        for last in _passes(NR_MAX_MIGRATE_PAGES_RETRY):
            again = []
            for pfn in folios:
                result, target = self._unmap(pfn, mode)
                if result == Result.ENOMEM:
                    for retried in again:
                        self._give_up(retried, Result.EAGAIN)
                    self._give_up(pfn, result)
                    return result
                if target is not None:
                    result = self._move(pfn, target, mode)
                    if result:
                        self._undo(pfn, target)
                if result == Result.EAGAIN and not last:
                    again.append(pfn)
                elif result:
                    self._give_up(pfn, result)
            folios = again
        return SUCCESS

    def _batch(self, folios: list[int], mode: MigrateMode, passes: int) -> Result:
        """migrate_pages_batch(): unmap all, each with a target of its own; then move all."""
        unmapped, ending = [], Result.SUCCESS
        for last in _passes(passes):
            again = []
            for pfn in folios:
                result, target = self._unmap(pfn, mode)
                if result == Result.ENOMEM:
                    if self.zone.order[pfn]:
                        self._split_folio(pfn)
                        continue
                    for retried in again:
                        self._give_up(retried, Result.EAGAIN)
                    self._give_up(pfn, result)
                    ending, again = result, []
                    break
                if target is not None:
                    unmapped.append((pfn, target))
                elif result == Result.EAGAIN and not last:
                    again.append(pfn)
                elif result:
                    self._give_up(pfn, result)
            folios = again
            if not folios:
                break
        for last in _passes(passes):
            again = []
            for pfn, target in unmapped:
                result = self._move(pfn, target, mode)
                if result == Result.EAGAIN and not last:
                    again.append((pfn, target))
                elif result:
                    self._undo(pfn, target)
                    self._give_up(pfn, result)
            unmapped = again
            if not unmapped:
                break
        return ending

    def _unmap(self, pfn: int, mode: MigrateMode) -> tuple[Result, int | None]:
        """migrate_folio_unmap(): (0, target), or (why not, None); (0, None) for a folio that was freed meanwhile."""
        zone, order = self.zone, self.zone.order[pfn]
        if zone.refcount[pfn] == 1:
            self._done(pfn, order)
            return SUCCESS, None
        target = compaction_alloc(self.cc, order)
        if target is None:
            return Result.ENOMEM, None
        flags = zone.flags[pfn]
        if flags & _IN_THE_WAY:
            waits = mode != MigrateMode.ASYNC and not self.cc.direct_compaction
            result = Result.SUCCESS
            if flags & PG.LOCKED and not (waits and (mode == MigrateMode.SYNC or flags & PG.UPTODATE)):
                result = Result.EAGAIN
            elif flags & PG.WRITEBACK and mode != MigrateMode.SYNC:
                result = Result.EBUSY
            if result:
                compaction_free(self.cc, target, order)
                return result, None
        zone.flags[pfn] = flags & ~PG.WRITEBACK | PG.LOCKED
        zone.refcount[pfn] -= zone.mapcount[pfn]
        zone.flags[target], zone.refcount[target] = PG.LOCKED, 1
        if order:
            zone.make_compound(target, order)
        return SUCCESS, target

    def _move(self, pfn: int, target: int, mode: MigrateMode) -> Result:
        """The kernel's move_to_new_folio(); with a table, once for all folios that look alike to it."""
        cc, zone = self.cc, self.zone
        src, dst = Folio(zone, pfn), Folio(zone, target)
        looks = zone.mapping[pfn], zone.flags[pfn] & _ASKED, zone.refcount[pfn], zone.order[pfn], mode
        known = cc.moves.get(looks) if cc.verdicts is not None and pfn not in zone.buffers_held else None
        if known is None:
            result = run_path(cc.kernel.move_to_new_folio(dst, src, mode))
            if pfn not in zone.buffers_held and result != Result.EAGAIN:
                cc.moves[looks] = result
        else:
            result = known if known else move(dst, src)
        if result == SUCCESS:
            self._arrived(pfn, target)
        return result

    def _arrived(self, pfn: int, target: int) -> None:
        """remove_migration_ptes() and putback of the new folio: mapped as the old one was, and on its LRU list."""
        zone, order = self.zone, self.zone.order[pfn]
        zone.mapcount[target] = zone.mapcount[pfn]
        zone.refcount[target] += zone.mapcount[pfn] - 1
        unevictable = zone.flags[target] & PG.MLOCKED or mapping_unevictable(zone.mappings[zone.mapping[target]])
        flags = zone.flags[target] & ~(PG.LOCKED | PG.UNEVICTABLE) | PG.LRU
        zone.flags[target] = flags | PG.UNEVICTABLE if unevictable else flags
        self._done(pfn, order)

    def _done(self, pfn: int, order: int) -> None:
        """migrate_folio_done(): the old pages are freed."""
        zone = self.zone
        zone.vmstat[isolated_counter(zone, pfn)] -= 1 << order
        zone.refcount[pfn] = zone.mapcount[pfn] = zone.mapping[pfn] = 0
        free_unref_page(zone, pfn, order)
        self.left.discard(pfn)
        self.succeeded += 1 << order

    def _undo(self, pfn: int, target: int) -> None:
        """migrate_folio_undo_src() and _dst(): mapped again, unlocked, and the target returned."""
        zone, order = self.zone, self.zone.order[pfn]
        zone.refcount[pfn] += zone.mapcount[pfn]
        zone.flags[pfn] &= ~PG.LOCKED
        zone.refcount[target] = 0
        zone.hold(target, order, PG.SLAB)
        compaction_free(self.cc, target, order)

    def _split_folio(self, pfn: int) -> None:
        """try_split_folio(): base pages, each with its share of the references; the last page first on the list."""
        zone, pages = self.zone, 1 << self.zone.order[pfn]
        flags, mapcount = zone.flags[pfn] & ~PG.HEAD, zone.mapcount[pfn] // pages
        refcount = mapcount + (zone.mapping[pfn] > 0) + 1
        for page in range(pfn, pfn + pages):
            zone.flags[page], zone.refcount[page], zone.mapcount[page] = flags, refcount, mapcount
            zone.mapping[page] = zone.mapping[pfn]
        zone.order[pfn] = 0
        self.split += [*range(pfn + pages - 1, pfn, -1), pfn]
        self.left.update(self.split)

    def _give_up(self, pfn: int, why: Result) -> None:
        self.failed[why] = self.failed.get(why, 0) + (1 << self.zone.order[pfn])


def _passes(number: int) -> list[bool]:
    """One entry a pass: whether it is the last."""
    return [False] * (number - 1) + [True]
