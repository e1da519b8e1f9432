"""What migration does with one folio: migrate_folio_unmap(), _move(), _undo_src() and _done() (mm/migrate.c, 0003e2a41468).

`MigrateByPath` asks the kernel's own move_to_new_folio() about every folio. `MigrateByTable` asks once about base pages that look alike:
it has `MigrateByPath` migrate one such page between two page frames, and does to the others what came of that.
Both act on the zone alike; a test marries them. Whoever holds a folio lock or writes it back is taken to be done when a
synchronous mode waits. Leaves out THP statistics and movable_ops pages.
"""
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby, takewhile

from ..concurrency.sched import run_path
from ..mm.folio import PG, Folio
from ..mm.mapping import AddressSpace
from ..mm.page_alloc import free_unref_pages
from ..mm.swap import folio_add_lru
from ..mm.verdict import MigrateMode, Result
from ..mm.zone import Zone
from .control import CompactControl
from .freepages import compaction_alloc, compaction_allocs

SUCCESS, EAGAIN, ENOMEM = Result.SUCCESS, Result.EAGAIN, Result.ENOMEM
IN_THE_WAY = PG.LOCKED | PG.WRITEBACK | PG.PRIVATE
_LOCKED, _SWAPBACKED = PG.LOCKED, PG.SWAPBACKED


class MigrateByPath:
    """One folio at a time."""

    def __init__(self, cc: CompactControl, get_new_folio: Callable, put_new_folio: Callable):
        self.cc, self.zone = cc, cc.zone
        self.get_new_folio, self.put_new_folio = get_new_folio, put_new_folio
        self.left = dict.fromkeys(cc.migratepages)      # folios that have not moved, in the order of the list
        self.succeeded = self.swapbacked = 0            # base pages that have, and how many of them are PG_swapbacked

    def unmap_all(self, folios: list[int], mode: MigrateMode, unmapped: list, force: bool = True) -> Iterator[tuple[int, Result]]:
        """Unmap one after the other, for `unmapped`: (pfn, target). Says of each that is not, and was not freed, why not."""
        for pfn in folios:
            result, target = self.unmap(pfn, mode, force)
            if target is not None:
                unmapped.append((pfn, target))
            elif result:
                yield pfn, result

    def move_all(self, unmapped: list, mode: MigrateMode) -> Iterator[tuple[int, int, Result]]:
        """Move one after the other. Says of each that does not move, while it still has its target, why not."""
        for pfn, target in unmapped:
            result = self.move(pfn, target, mode)
            if result:
                yield pfn, target, result

    def unmap(self, pfn: int, mode: MigrateMode, force: bool = True) -> tuple[Result, int | None]:
        """migrate_folio_unmap(): (0, target), or (why not, None); (0, None) for a folio that was freed meanwhile."""
        zone, flags, refcount = self.zone, self.zone.flags, self.zone.refcount
        order = zone.order[pfn]
        if refcount[pfn] == 1:
            self._done([pfn], order)
            return SUCCESS, None
        target = self.get_new_folio(self.cc, order)
        if target is None:
            return ENOMEM, None
        if flags[pfn] & IN_THE_WAY and (result := self._wait(pfn, mode, force)):
            self.put_new_folio(self.cc, target, order)
            return result, None
        flags[pfn] |= _LOCKED
        self.try_to_migrate(pfn)
        refcount[pfn] -= zone.mapcount[pfn]
        flags[target], refcount[target] = _LOCKED, 1
        if order:
            zone.make_compound(target, order)
        return SUCCESS, target

    def try_to_migrate(self, pfn: int) -> None:
        """A dirty page-table entry leaves PG_dirty (mm/rmap.c): anonymous memory was written through each that it has."""
        if self.zone.flags[pfn] & PG.ANON and self.zone.mapcount[pfn] and self.cc.release.dirties_from_pte:
            self.zone.flags[pfn] |= PG.DIRTY

    def _wait(self, pfn: int, mode: MigrateMode, force: bool) -> Result:
        """The lock and the waiting of migrate_folio_unmap(): 0 when nothing is in the way any more, or why it stays."""
        zone, flags = self.zone, self.zone.flags[pfn]
        if flags & PG.LOCKED:
            # PF_MEMALLOC: a task that compacts for its own allocation never sleeps on a folio lock.
            if mode == MigrateMode.ASYNC or not force or self.cc.direct_compaction or (
                    mode == MigrateMode.SYNC_LIGHT and not flags & PG.UPTODATE):
                return EAGAIN
            zone.flags[pfn] &= ~PG.LOCKED
        if flags & PG.WRITEBACK:
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
        """migrate_folio_move(): the kernel's move_to_new_folio() decides, and moves."""
        # Only fallback_migrate_folio() asks for the mode: -EBUSY for dirt, in all but MIGRATE_SYNC.
        if self.zone.flags[pfn] & PG.DIRTY and not self.cc.release.writes_out:
            mode = min(mode, MigrateMode.SYNC_LIGHT)
        result = run_path(self.cc.kernel.move_to_new_folio(Folio(self.zone, target), Folio(self.zone, pfn), mode))
        if result == SUCCESS:
            self._arrived(pfn, target)
        return result

    def _arrived(self, pfn: int, target: int) -> None:
        """remove_migration_ptes() and putback of the new folio: mapped as the old one was, and on its LRU list."""
        zone, mapcount = self.zone, self.zone.mapcount[pfn]
        zone.mapcount[target] = mapcount
        zone.refcount[target] += mapcount - 1
        zone.flags[target] &= ~_LOCKED
        folio_add_lru(zone, target)
        self.cc.moves += [(pfn + page, target + page) for page in range(1 << zone.order[pfn])]
        self._done([pfn], zone.order[pfn])

    def _done(self, folios: list[int], order: int) -> None:
        """migrate_folio_done() of one folio after the other: the old pages are freed."""
        zone, left = self.zone, self.left
        flags, refcount, mapcount, mapping = zone.flags, zone.refcount, zone.mapcount, zone.mapping
        self.succeeded += len(folios) << order
        self.swapbacked += sum([flags[pfn] & _SWAPBACKED > 0 for pfn in folios]) << order
        for pfn in folios:
            refcount[pfn] = mapcount[pfn] = mapping[pfn] = 0
            del left[pfn]
        free_unref_pages(zone, folios, order)

    def refuse(self, pfn: int, mode: MigrateMode) -> Result | None:
        """Why the folio will not move however often it is tried, or -ENOMEM; None where only a try can tell."""
        return None

    def undo(self, pfn: int, target: int) -> None:
        """migrate_folio_undo_src() and _dst(): mapped again, unlocked, and the target returned."""
        zone, order = self.zone, self.zone.order[pfn]
        zone.refcount[pfn] += zone.mapcount[pfn]
        zone.flags[pfn] &= ~_LOCKED
        zone.flags[target], zone.refcount[target] = PG.SLAB, 0
        if order:
            zone.hold(target, order, PG.SLAB)
        self.put_new_folio(self.cc, target, order)


class MigrateByTable(MigrateByPath):
    """The same; nothing is done to a page whose fate is known until its target takes its place, or is returned."""

    def __init__(self, cc: CompactControl, get_new_folio: Callable, put_new_folio: Callable):
        super().__init__(cc, get_new_folio, put_new_folio)
        self.get_new_folios = compaction_allocs if get_new_folio is compaction_alloc else self._one_by_one
        self.fates = cc.fates = cc.fates or {mode: _Fates(cc, mode) for mode in MigrateMode}
        self.fate: dict[int, tuple | None] = {}         # by pfn, since it was unmapped

    def _one_by_one(self, cc: CompactControl, count: int) -> list[int]:
        return list(takewhile(lambda target: target is not None, (self.get_new_folio(cc, 0) for _ in range(count))))

    def refuse(self, pfn: int, mode: MigrateMode) -> Result | None:
        """It has a target all the same, for a while."""
        zone = self.zone
        fate = self.fates[mode][zone.flags[pfn], zone.refcount[pfn], zone.mapcount[pfn], zone.mapping[pfn]]
        if fate is None or pfn in zone.buffers_held or fate[0] == SUCCESS:
            return None
        target = self.get_new_folio(self.cc, 0)
        if target is None:
            return ENOMEM
        self.put_new_folio(self.cc, target, 0)
        return fate[0]

    def unmap_all(self, folios: list[int], mode: MigrateMode, unmapped: list, force: bool = True) -> Iterator[tuple[int, Result]]:
        """As by the path."""
        zone, fate, fates = self.zone, self.fate, self.fates[mode]
        flags, refcount, mapcount, mapping, held = zone.flags, zone.refcount, zone.mapcount, zone.mapping, zone.buffers_held
        for pfn in folios:
            fate[pfn] = None if pfn in held else fates[flags[pfn], refcount[pfn], mapcount[pfn], mapping[pfn]]
        for is_known, pfns in groupby(folios, lambda pfn: fate[pfn] is not None):
            if not is_known:
                yield from super().unmap_all(pfns, mode, unmapped, force)
                continue
            pfns = list(pfns)
            targets = self.get_new_folios(self.cc, len(pfns))
            unmapped += zip(pfns, targets)
            for pfn in pfns[len(targets):]:
                yield pfn, ENOMEM

    def move_all(self, unmapped: list, mode: MigrateMode) -> Iterator[tuple[int, int, Result]]:
        """As by the path."""
        zone, fate, moved = self.zone, self.fate, []
        flags, refcount, mapcount, mapping = zone.flags, zone.refcount, zone.mapcount, zone.mapping
        for pfn, target in unmapped:
            if fate[pfn] is None:
                # Pages are freed in the order in which they have moved.
                self._done(moved, 0)
                moved = []
                result = self.move(pfn, target, mode)
            else:
                result, looks = fate[pfn]
                if looks:
                    flags[target], refcount[target], mapcount[target], mapping[target] = looks
                    moved.append(pfn)
                    self.cc.moves.append((pfn, target))
            if result:
                yield pfn, target, result
        self._done(moved, 0)

    def undo(self, pfn: int, target: int) -> None:
        """As by the path."""
        if self.fate[pfn] is None:
            super().undo(pfn, target)
        else:
            self.put_new_folio(self.cc, target, 0)


class _Fates(dict):
    """By a folio's looks (its entry in the columns): its fate, or None if each must be asked about."""

    def __init__(self, cc: CompactControl, mode: MigrateMode):
        self.mappings, self.orders = cc.zone.mappings, (cc.kernel, cc.release, mode)

    def __missing__(self, looks: tuple) -> tuple | None:
        flags, refcount, mapcount, number = looks
        mapping, fate = self.mappings[number], None
        if not (refcount == 1 or flags & (PG.HEAD | PG.LOCKED | PG.WRITEBACK) or mapping and mapping.freed):
            fate = _rehearse(*self.orders, flags, refcount, mapcount, number, mapping and mapping.a_ops, mapping and mapping.flags)
        self[looks] = fate
        return fate


@lru_cache(maxsize=1024)
def _rehearse(kernel, release, mode: MigrateMode, flags: int, refcount: int, mapcount: int, number: int, a_ops,
              mapping_flags) -> tuple | None:
    """A base page migrates in a zone of its own: (result, looks of the new folio); None if it was refused and changed."""
    zone = Zone(2)
    zone.mappings += [AddressSpace("its mapping", a_ops, mapping_flags)] * number
    zone.flags[0], zone.refcount[0], zone.mapcount[0], zone.mapping[0] = flags, refcount, mapcount, number
    zone.flags[1] = PG.SLAB
    at_rest = zone.snapshot()[:4]
    folio = MigrateByPath(CompactControl(zone, kernel, release, migratepages=[0]), lambda cc, order: 1, lambda cc, pfn, order: None)
    result, target = folio.unmap(0, mode)
    if target is None:
        return None
    result = folio.move(0, 1, mode)
    if result:
        folio.undo(0, 1)
        return (result, ()) if zone.snapshot()[:4] == at_rest else None
    return result, (zone.flags[1], zone.refcount[1], zone.mapcount[1], zone.mapping[1])
