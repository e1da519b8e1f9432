"""Migration: migrate_pages() with its phases and passes (mm/migrate.c, 0003e2a41468).

A folio gets a target and is unmapped, is moved, and its old page is freed: migrate_folio.py does it. Up to 6.1 one folio goes all
the way before the next; later a whole batch is unmapped first, and in the synchronous modes the folios that were refused
are tried once more, one by one. Leaves out releases that copy before they commit.
"""
from collections.abc import Callable, Iterator

from ..mm.folio import PG
from ..mm.verdict import MigrateMode, Result
from .control import CompactControl
from .events import MigratePagesEvent
from .freepages import compaction_alloc, compaction_free
from .migrate_folio import EAGAIN, ENOMEM, IN_THE_WAY, SUCCESS, MigrateByPath, MigrateByTable

NR_MAX_BATCHED_MIGRATION = 512
NR_MAX_MIGRATE_PAGES_RETRY, NR_MAX_MIGRATE_ASYNC_RETRY, NR_MAX_MIGRATE_SYNC_RETRY = 10, 3, 7
PASSES_BEFORE_FORCE = 3                   # up to 6.1 a synchronous mode waits for nobody in these


def migrate_pages(cc: CompactControl, get_new_folio: Callable = compaction_alloc, put_new_folio: Callable = compaction_free,
                  reason: str = "compaction") -> Result | int:
    """Migrate the folios on cc.migratepages, newest first; those that stay are left on it, for putback_movable_pages().

    Returns 0 when all have moved, -ENOMEM when there was no target left, else how many folios did not move.
    get_new_folio(cc, order) gives a target or None, put_new_folio(cc, pfn, order) takes back one that was not needed.
    """
    return _Migration(cc, get_new_folio, put_new_folio).run(reason)


class _Migration:
    """One call: what has moved, what was given up and why."""

    def __init__(self, cc: CompactControl, get_new_folio: Callable, put_new_folio: Callable):
        self.cc, self.zone = cc, cc.zone
        self.folio = (MigrateByPath if cc.verdicts is None else MigrateByTable)(cc, get_new_folio, put_new_folio)
        self.failed: dict[Result, int] = {}             # base pages
        self.split: list[int] = []                      # base pages of large folios for which no target was left

    def run(self, reason: str) -> Result | int:
        cc, vmstat = self.cc, self.zone.vmstat
        result = self._all(cc.migratepages[::-1])
        cc.migratepages[:] = self.folio.left
        vmstat["nr_isolated_anon"] -= self.folio.swapbacked
        vmstat["nr_isolated_file"] -= self.folio.succeeded - self.folio.swapbacked
        cc.nr_succeeded, failed = self.folio.succeeded, sum(self.failed.values())
        vmstat["pgmigrate_success"] += cc.nr_succeeded
        vmstat["pgmigrate_fail"] += failed
        for why, pages in self.failed.items():
            cc.failed[why] = cc.failed.get(why, 0) + pages
        cc.enter(MigratePagesEvent(cc.nr_succeeded, failed, str(cc.mode), reason))
        return result or len(cc.migratepages)

    def _all(self, folios: list[int]) -> Result:
        mode = self.cc.mode
        if not self.cc.release.batches:
            return self._page_by_page(folios, mode)
        for batch in self._batches(folios):
            if mode == MigrateMode.ASYNC:
                result, _ = self._batch(batch, mode, NR_MAX_MIGRATE_PAGES_RETRY)
            else:
                result = self._batch_then_alone(batch, mode)
            if result:
                return result
            # What was split is tried once, without waiting; that no target is left then is no reason to stop.
            if self.split:
                split, self.split = self.split, []
                self._batch(split, MigrateMode.ASYNC, 1)
        return SUCCESS

    def _batches(self, folios: list[int]) -> Iterator[list[int]]:
        """Cut where a batch has NR_MAX_BATCHED_MIGRATION base pages."""
        batch, pages, orders = [], 0, self.zone.order
        for pfn in folios:
            batch.append(pfn)
            pages += 1 << orders[pfn]
            if pages >= NR_MAX_BATCHED_MIGRATION:
                yield batch
                batch, pages = [], 0
        if batch:
            yield batch

    def _batch_then_alone(self, batch: list[int], mode: MigrateMode) -> Result:
        """migrate_pages_sync(): the batch without waiting, then what it refused one by one; its refusals do not count."""
        counted = dict(self.failed)
        result, stay = self._batch(batch, MigrateMode.ASYNC, NR_MAX_MIGRATE_ASYNC_RETRY)
        if result:
            return result
        self.failed = counted
        for pfn in stay:
            refused = self.folio.refuse(pfn, mode)
            if refused is None:
                result, _ = self._batch([pfn], mode, NR_MAX_MIGRATE_SYNC_RETRY)
                if result:
                    return result
            elif refused == ENOMEM:
                self._give_up_for_want_of_a_target(pfn, [])
                return ENOMEM
            else:
                self._give_up(pfn, refused)
        return SUCCESS

    def _page_by_page(self, folios: list[int], mode: MigrateMode) -> Result:
        """migrate_pages() up to 6.1: each folio goes all the way before the next; every pass goes over what is left."""
        for more in range(NR_MAX_MIGRATE_PAGES_RETRY - 1, -1, -1):
            again = []
            force = more < NR_MAX_MIGRATE_PAGES_RETRY - PASSES_BEFORE_FORCE
            for pfn in folios:
                unmapped, result = [], SUCCESS
                for _, result in self.folio.unmap_all([pfn], mode, unmapped, force):
                    if result == ENOMEM:
                        self._give_up_for_want_of_a_target(pfn, again)
                        return result
                for _, target, result in self.folio.move_all(unmapped, mode):
                    self.folio.undo(pfn, target)
                if result == EAGAIN and more:
                    again.append(pfn)
                elif result:
                    self._give_up(pfn, result)
            folios = again
            if not folios:
                break
        return SUCCESS

    def _batch(self, folios: list[int], mode: MigrateMode, passes: int) -> tuple[Result, list[int]]:
        """migrate_pages_batch(): unmap all, each with a target of its own; then move all. What stays, in its new order."""
        stay, refused = [], []
        ending, unmapped = self._unmap_all(folios, mode, passes, stay, refused)
        self._move_all(unmapped, mode, passes, stay, refused)
        for pfn in stay:
            self._give_up(pfn, EAGAIN)
        for pfn, why in refused:
            self._give_up(pfn, why)
        return ending, stay + [pfn for pfn, _ in refused]

    def _unmap_all(self, folios: list[int], mode: MigrateMode, passes: int, stay: list, refused: list) -> tuple[Result, list]:
        """The first phase: -ENOMEM ends it, but what has its target by then is moved all the same."""
        unmapped = []
        for _ in range(passes):
            again = []
            for pfn, result in self.folio.unmap_all(folios, mode, unmapped):
                if result == EAGAIN:
                    again.append(pfn)
                elif result == ENOMEM:
                    if self.zone.order[pfn] and self._try_split_folio(pfn):
                        continue
                    self._give_up_for_want_of_a_target(pfn, again)
                    return result, unmapped
                else:
                    refused.append((pfn, result))
            folios = again
            if not folios:
                break
        stay += folios
        return SUCCESS, unmapped

    def _move_all(self, unmapped: list, mode: MigrateMode, passes: int, stay: list, refused: list) -> None:
        """The second phase: folios in use keep their target and stay locked from pass to pass."""
        for more in range(passes - 1, -1, -1):
            again = []
            for pfn, target, result in self.folio.move_all(unmapped, mode):
                if result == EAGAIN and more:
                    again.append((pfn, target))
                else:
                    self.folio.undo(pfn, target)
                    if result == EAGAIN:
                        stay.append(pfn)
                    else:
                        refused.append((pfn, result))
            unmapped = again
            if not unmapped:
                break

    def _try_split_folio(self, pfn: int) -> bool:
        """split_folio_to_list(): base pages, each with its share of the references; not while somebody else holds it."""
        zone, pages = self.zone, 1 << self.zone.order[pfn]
        mapcount, mapping = zone.mapcount[pfn], zone.mapping[pfn]
        cached = mapping > 0
        if (zone.flags[pfn] & IN_THE_WAY or not (cached or zone.flags[pfn] & PG.ANON)
                or zone.refcount[pfn] != 1 + mapcount + cached * pages):
            return False
        self.folio.try_to_migrate(pfn)
        flags = zone.flags[pfn] & ~PG.HEAD
        for number, page in enumerate(range(pfn, pfn + pages)):
            mapped = mapcount // pages + (number < mapcount % pages)
            zone.flags[page], zone.refcount[page], zone.mapcount[page] = flags, 1 + mapped + cached, mapped
            zone.mapping[page] = mapping
        zone.order[pfn] = 0
        # The head first, then the tails, each put in front of those before it.
        self.split += [*range(pfn + pages - 1, pfn, -1), pfn]
        self.folio.left.update(dict.fromkeys(self.split))
        return True

    def _give_up(self, pfn: int, why: Result) -> None:
        self.failed[why] = self.failed.get(why, 0) + (1 << self.zone.order[pfn])

    def _give_up_for_want_of_a_target(self, pfn: int, retried: list[int]) -> None:
        """It counts, and so do those that wait for the next pass; what was not tried yet does not."""
        for other in retried:
            self._give_up(other, EAGAIN)
        if self.cc.release.counts_without_target:
            self._give_up(pfn, ENOMEM)
