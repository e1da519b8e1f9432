"""Migration: migrate_pages() with its phases and passes (mm/migrate.c, 0003e2a41468).

A folio gets a target and is unmapped, is moved, and its old page is freed: migrate_folio.py does it. Up to
6.1 one folio goes all the way before the next; later a whole batch is unmapped first, and in the synchronous
modes the folios that were refused are tried once more, one by one. A batch is settled at once where it is
known what each of its pages comes to (rehearsal.py). Leaves out releases that copy before they commit.
"""
from collections.abc import Callable, Iterator

from ..mm.folio import PG
from ..mm.verdict import MigrateMode, Result
from .control import CompactControl
from .events import MigratePagesEvent
from .freepages import compaction_alloc, compaction_free
from .migrate_folio import EAGAIN, ENOMEM, IN_THE_WAY, SUCCESS, Folios
from .rehearsal import Outcome, flags_unmapped, move_as_rehearsed, outcomes_of

NR_MAX_BATCHED_MIGRATION = 512
NR_MAX_MIGRATE_PAGES_RETRY, NR_MAX_MIGRATE_ASYNC_RETRY, NR_MAX_MIGRATE_SYNC_RETRY = 10, 3, 7
PASSES_BEFORE_FORCE = 3                   # up to 6.1 a synchronous mode waits for nobody in these


def migrate_pages(cc: CompactControl, get_new_folio: Callable = compaction_alloc,
                  put_new_folio: Callable = compaction_free, reason: str = "compaction") -> Result | int:
    """Migrate the folios on cc.migratepages, newest first; those that stay are left on it, at rest.

    Returns 0 when all have moved, -ENOMEM when there was no target left, else how many folios did not move.
    Unless it is 0, the caller must putback_movable_pages(). get_new_folio(cc, order) gives a target or None,
    put_new_folio(cc, pfn, order) takes back one that was not needed.
    """
    return _Migration(cc, get_new_folio, put_new_folio).run(reason)


class _Migration:
    """One call: what has moved, what was given up and why."""

    def __init__(self, cc: CompactControl, get_new_folio: Callable, put_new_folio: Callable):
        self.cc, self.zone = cc, cc.zone
        self.get_new_folio, self.put_new_folio = get_new_folio, put_new_folio
        self.folios = Folios(cc, get_new_folio, put_new_folio)
        self.failed: dict[Result, int] = {}             # base pages, by reason
        self.split: list[int] = []                      # base pages of large folios that had no target
        # What a folio comes to, by mode and looks: nobody else writes to folios or mappings during a call.
        self.known: dict[MigrateMode, dict[tuple, Outcome]] = {mode: {} for mode in MigrateMode}

    def run(self, reason: str) -> Result | int:
        cc, vmstat = self.cc, self.zone.vmstat
        # The list is walked from its head, which is the folio isolated last.
        result = self._all(cc.migratepages[::-1])
        cc.migratepages[:] = self.folios.left
        vmstat["nr_isolated_anon"] -= self.folios.swapbacked
        vmstat["nr_isolated_file"] -= self.folios.succeeded - self.folios.swapbacked
        # Base pages in every counter; folios in what is returned.
        cc.nr_succeeded, failed = self.folios.succeeded, sum(self.failed.values())
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
            # -ENOMEM ends the call: what has not been tried by then stays, and does not count as failed.
            if result:
                return result
            # What was split is tried once, without waiting; that no target is left then is no reason to stop.
            if self.split:
                split, self.split = self.split, []
                self._try(split, MigrateMode.ASYNC, 1)
        return SUCCESS

    def _batches(self, folios: list[int]) -> Iterator[list[int]]:
        """Cut where a batch has NR_MAX_BATCHED_MIGRATION base pages, or with a large folio more."""
        batch, pages, orders = [], 0, self.zone.order
        for pfn in folios:
            batch.append(pfn)
            pages += 1 << orders[pfn]
            if pages >= NR_MAX_BATCHED_MIGRATION:
                yield batch
                batch, pages = [], 0
        if batch:
            yield batch

    def _page_by_page(self, folios: list[int], mode: MigrateMode) -> Result:
        """migrate_pages() up to 6.1: each folio goes all the way before the next, in every pass."""
        for more in range(NR_MAX_MIGRATE_PAGES_RETRY - 1, -1, -1):
            again = []
            # In the first passes not even a synchronous mode waits: the others may be done by then.
            force = more < NR_MAX_MIGRATE_PAGES_RETRY - PASSES_BEFORE_FORCE
            for pfn in folios:
                result, target = self.folios.unmap(pfn, mode, force)
                if result == ENOMEM:
                    self._give_up_for_want_of_a_target(pfn, again)
                    return result
                # A target does not wait for the next pass: it goes back, and another one is asked for then.
                if target is not None:
                    result = self.folios.move(pfn, target, mode)
                    if result:
                        self.folios.undo(pfn, target)
                if result == EAGAIN and more:
                    again.append(pfn)
                elif result:
                    self._give_up(pfn, result)
            folios = again
            if not folios:
                break
        return SUCCESS

    def _batch_then_alone(self, batch: list[int], mode: MigrateMode) -> Result:
        """migrate_pages_sync(): the batch without waiting, then what it refused one by one, which counts."""
        counted = dict(self.failed)
        result, stay = self._batch(batch, MigrateMode.ASYNC, NR_MAX_MIGRATE_ASYNC_RETRY)
        if result:
            return result
        # To wait for one folio with others locked could deadlock: hence alone; those refused for good, too.
        self.failed = counted
        # An outcome may be another one than in the batch: in this mode a folio may be waited for.
        for pfn, outcome in zip(stay, outcomes_of(self.cc, stay, mode, self.known[mode]), strict=True):
            if outcome is None:
                result, _ = self._try([pfn], mode, NR_MAX_MIGRATE_SYNC_RETRY)
            else:
                result = self._settle_one(pfn, outcome)
            if result:
                return result
        return SUCCESS

    def _batch(self, folios: list[int], mode: MigrateMode, passes: int) -> tuple[Result, list[int]]:
        """migrate_pages_batch(): how it ended, and what stays, in its new order."""
        outcomes = outcomes_of(self.cc, folios, mode, self.known[mode])
        # One folio that must be tried, and all are: which targets they get depends on when it takes its own.
        if None in outcomes:
            return self._try(folios, mode, passes)
        return self._settle(folios, outcomes)

    def _try(self, folios: list[int], mode: MigrateMode, passes: int) -> tuple[Result, list[int]]:
        """Unmap all, each with a target of its own; then move all."""
        stay, refused = [], []
        ending, unmapped = self._unmap_all(folios, mode, passes, stay, refused)
        self._move_all(unmapped, mode, passes, stay, refused)
        return ending, self._give_up_all(stay, refused)

    def _settle(self, folios: list[int], outcomes: list[Outcome]) -> tuple[Result, list[int]]:
        """_try() of folios whose outcomes are known: the same targets, freed and returned in the same order.

        No folio need be unmapped, nor any pass be repeated. There must be more than one pass: then a folio in
        use (-EAGAIN) keeps its target until all others have moved or given theirs back.
        """
        targets, stay, kept, refused = [], [], [], []
        for _ in folios:
            if (target := self.get_new_folio(self.cc, 0)) is None:
                break
            targets.append(target)
        ending = SUCCESS if len(targets) == len(folios) else ENOMEM
        if ending == ENOMEM:
            self._give_up_for_want_of_a_target(folios[len(targets)], [])
        # What has its target by then is settled all the same, as in _unmap_all().
        settled = list(zip(folios, targets, outcomes, strict=False))
        moved = [move for move in settled if move[2].result == SUCCESS]
        move_as_rehearsed(self.cc, moved)
        for pfn, target, outcome in settled if len(moved) < len(settled) else ():
            if outcome.result == EAGAIN:
                stay.append(pfn)
                kept.append(target)
            elif outcome.result:
                refused.append((pfn, outcome.result))
                # A folio that is refused has had a target all the same: this is what it costs.
                self.put_new_folio(self.cc, target, 0)
        # After all others, in the order of the folios: what is returned last is the next to be given.
        for target in kept:
            self.put_new_folio(self.cc, target, 0)
        self.folios.done([pfn for pfn, _, _ in moved], 0)
        return ending, self._give_up_all(stay, refused)

    def _settle_one(self, pfn: int, outcome: Outcome) -> Result:
        """_settle() of a folio alone: how it ended."""
        target = self.get_new_folio(self.cc, 0)
        if target is None:
            self._give_up_for_want_of_a_target(pfn, [])
            return ENOMEM
        if outcome.result == SUCCESS:
            move_as_rehearsed(self.cc, [(pfn, target, outcome)])
            self.folios.done([pfn], 0)
        else:
            self.put_new_folio(self.cc, target, 0)
            self._give_up(pfn, outcome.result)
        return SUCCESS

    def _unmap_all(self, folios: list[int], mode: MigrateMode, passes: int, stay: list,
                   refused: list) -> tuple[Result, list]:
        """The first phase: -ENOMEM ends it, but what has its target by then is moved all the same."""
        unmapped = []
        for _ in range(passes):
            again = []
            for pfn in folios:
                result, target = self.folios.unmap(pfn, mode)
                # Neither a target nor a reason: it was freed meanwhile, and is done.
                if target is not None:
                    unmapped.append((pfn, target))
                elif result == EAGAIN:
                    again.append(pfn)
                elif result == ENOMEM:
                    # No target of its size: its pages may still get one each, after this batch.
                    if self.zone.order[pfn] and self._try_split_folio(pfn):
                        continue
                    self._give_up_for_want_of_a_target(pfn, again)
                    return result, unmapped
                elif result:
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
            for pfn, target in unmapped:
                result = self.folios.move(pfn, target, mode)
                if result == EAGAIN and more:
                    again.append((pfn, target))
                # Given up: for good, or since this was the last pass.
                elif result:
                    self.folios.undo(pfn, target)
                    if result == EAGAIN:
                        stay.append(pfn)
                    else:
                        refused.append((pfn, result))
            unmapped = again
            if not unmapped:
                break

    def _try_split_folio(self, pfn: int) -> bool:
        """split_folio_to_list(): base pages, each with its references; not while somebody else holds one.

        Caller must have the folio isolated and at rest. Its pages are isolated then, each by one reference.
        """
        zone, pages = self.zone, 1 << self.zone.order[pfn]
        flags, mapcount = flags_unmapped(self.cc, pfn) & ~PG.HEAD, zone.mapcount[pfn]
        mapping = zone.mapping[pfn]
        cached = mapping > 0
        # The page cache holds one reference a page, the page tables one an entry, the isolation one for all.
        if (flags & IN_THE_WAY or not (cached or flags & PG.ANON)
                or zone.refcount[pfn] != 1 + mapcount + cached * pages):
            return False
        for number, page in enumerate(range(pfn, pfn + pages)):
            mapped = mapcount // pages + (number < mapcount % pages)
            zone.flags[page], zone.refcount[page], zone.mapcount[page] = flags, 1 + mapped + cached, mapped
            zone.mapping[page] = mapping
        # Until here a large folio, from here on 2^order base pages, all isolated.
        zone.order[pfn] = 0
        # The head first, then the tails, each put in front of those before it.
        self.split += [*range(pfn + pages - 1, pfn, -1), pfn]
        self.folios.left.update(dict.fromkeys(self.split))
        return True

    def _give_up(self, pfn: int, why: Result) -> None:
        self.failed[why] = self.failed.get(why, 0) + (1 << self.zone.order[pfn])

    def _give_up_all(self, stay: list[int], refused: list[tuple[int, Result]]) -> list[int]:
        """Both count as failed; all of them, folios in use first, as they are tried again."""
        for pfn in stay:
            self._give_up(pfn, EAGAIN)
        for pfn, why in refused:
            self._give_up(pfn, why)
        return stay + [pfn for pfn, _ in refused]

    def _give_up_for_want_of_a_target(self, pfn: int, retried: list[int]) -> None:
        """It counts, and so do those that wait for the next pass; what was not tried yet does not."""
        for other in retried:
            self._give_up(other, EAGAIN)
        if self.cc.release.counts_without_target:
            self._give_up(pfn, ENOMEM)
