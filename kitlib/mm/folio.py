"""The folio (struct folio): the unit in which pages are locked, counted, put on the LRU and migrated.

A `Folio` is a light view of one page frame's entry in its zone's columns; two views of a frame are equal.
The primitives are the folio functions that isolation and migration call. Each says what the caller must hold.
Leaves out PG_active and PG_referenced (compaction does not look at them), swap-cache folios and pages with
movable_ops; and lru_lock, under which the kernel takes a folio off its list when PG_lru has been cleared.
"""
from typing import Any

from ..step import DoubleLock, KernelBug, NotLocked, NullDereference, atomic
from .mapping import AddressSpace, dereference
from .verdict import MigrateMode, Result


class PG:
    """Bits of the flags column: the kernel's page flags, and what a page frame is when it is no folio.

    HEAD is the first page of more than one: of a free block with BUDDY, of a compound page without it. Some
    stand for what the kernel keeps elsewhere: ANON for a low bit of folio->mapping, NO_PAGE for a hole in
    the memory map, SLAB for every page in use that is no folio here.
    """

    # What the decision on a folio reads comes first, BUDDY with it: they fit the low byte of the column.
    LRU, UNEVICTABLE, WRITEBACK, DIRTY, LOCKED = (1 << bit for bit in range(5))
    BUDDY, FREE_TAIL, HEAD, TAIL, NO_PAGE, SLAB = (1 << bit for bit in range(5, 11))
    MLOCKED, SWAPBACKED, ANON, PRIVATE, UPTODATE = (1 << bit for bit in range(11, 16))


COUNT_MAX = (1 << 15) - 1           # the columns hold 16 bits, with a sign


class RefcountBelowZero(KernelBug, ValueError):
    """A reference was dropped that nobody held."""

    bug = "refcount below zero"


class BadPage(KernelBug):
    """A page was freed in a state in which it must not be: bad_page() (mm/page_alloc.c)."""

    bug = "bad page state"


def _flag(bit: int, doc: str) -> property:
    def read(folio: "Folio") -> bool:
        return bool(folio.zone.flags[folio.pfn] & bit)

    def write(folio: "Folio", value: bool) -> None:
        flags = folio.zone.flags
        flags[folio.pfn] = flags[folio.pfn] | bit if value else flags[folio.pfn] & ~bit

    return property(read, write, doc=doc)


class Folio:
    """A view of one page frame: (zone, pfn), with a property for each thing that the columns hold."""

    # Properties are for primitives, views and tests. A path asks by a step: the scheduler sees no other.

    __slots__ = ("pfn", "zone")

    def __init__(self, zone: Any, pfn: int):
        self.zone = zone            # a Zone, whose module imports this one
        self.pfn = pfn              # never changes, so that paths may read it

    lru = _flag(PG.LRU, "PG_lru: on an LRU list; whoever clears it has isolated the folio")
    unevictable = _flag(PG.UNEVICTABLE, "PG_unevictable: on the unevictable LRU list; may be stale both ways")
    writeback = _flag(PG.WRITEBACK, "PG_writeback")
    dirty = _flag(PG.DIRTY, "PG_dirty")
    # Nobody knows whose it is: the holder's own trylock fails, too, and anybody's unlock succeeds.
    locked = _flag(PG.LOCKED, "PG_locked: keeps folio->mapping as it is; it has no owner and does not nest")
    mlocked = _flag(PG.MLOCKED, "PG_mlocked")
    swapbacked = _flag(PG.SWAPBACKED, "PG_swapbacked: anonymous or shmem; counted in nr_isolated_anon")
    anon = _flag(PG.ANON, "anonymous memory: it never has a mapping here, as the swap cache is left out")
    private = _flag(PG.PRIVATE, "PG_private: buffers are attached and hold one reference")
    uptodate = _flag(PG.UPTODATE, "PG_uptodate")

    @property
    def refcount(self) -> int:
        """References held on the folio: they keep the folio what it is, and its mapping not alive."""
        return self.zone.refcount[self.pfn]

    @refcount.setter
    def refcount(self, value: int) -> None:
        if value < 0:
            raise RefcountBelowZero(f"the refcount of {self} would be {value}: "
                                    "a folio_put() without its reference")
        if value > COUNT_MAX:
            raise ValueError(f"the refcount of {self} cannot be {value}: write at most {COUNT_MAX}")
        self.zone.refcount[self.pfn] = value

    @property
    def mapcount(self) -> int:
        """Page-table entries that map the folio."""
        return self.zone.mapcount[self.pfn]

    @mapcount.setter
    def mapcount(self, value: int) -> None:
        if not 0 <= value <= COUNT_MAX:
            raise ValueError(f"the mapcount of {self} cannot be {value}: write 0 to {COUNT_MAX}")
        self.zone.mapcount[self.pfn] = value

    @property
    def mapping(self) -> AddressSpace | None:
        """folio->mapping of a page-cache folio; None for an anonymous one and after truncation."""
        # It changes under the folio lock only, and is no reference: the mapping does not live on for it.
        return self.zone.mappings[self.zone.mapping[self.pfn]]

    @mapping.setter
    def mapping(self, mapping: AddressSpace | None) -> None:
        self.zone.mapping[self.pfn] = self.zone.add_mapping(mapping)

    @property
    def order(self) -> int:
        """The folio is 2^order pages."""
        return self.zone.order[self.pfn]

    def __eq__(self, other):
        return isinstance(other, Folio) and self.zone is other.zone and self.pfn == other.pfn

    def __hash__(self):
        return hash((id(self.zone), self.pfn))

    def __repr__(self):
        return f"folio {self.pfn}"


@atomic
def PageLRU(folio: Folio) -> bool:
    """The scanner's first look, without a reference: the page may become something else at any moment."""
    return folio.lru


@atomic
def folio_get_nontail_page(page: Folio) -> bool:
    """Take a reference unless the count is zero, as it is for free and tail pages (mm/compaction.c).

    Caller holds nothing. After True it must folio_put(), and asks again what it has asked before: the page
    may have become another folio meanwhile. From now on it stays what it is.
    """
    if page.refcount <= 0:
        return False
    page.refcount += 1
    return True


@atomic
def folio_put(folio: Folio) -> None:
    """Drop a reference; the last one frees the folio, which leaves its LRU list by that (mm/swap.c).

    Caller holds the reference, and must not touch the folio afterwards.
    """
    folio.refcount -= 1
    if not folio.refcount:
        # Whoever locks it has a reference, and so has the page cache: the caller dropped somebody else's.
        if folio.locked or folio.mapping:
            raise BadPage(f"{folio} is freed, and it is {'locked' if folio.locked else 'in the page cache'}")
        folio.lru = folio.unevictable = False


@atomic
def folio_mapping(folio: Folio) -> AddressSpace | None:
    """Load folio->mapping; NULL for anonymous and truncated folios (mm/util.c). Never looks into it.

    Caller holds a reference. Under the folio lock, too, a mapping that is there stays there, alive. Without
    the lock it may be freed at any moment: the answer may be compared with NULL, and even that may be stale.
    """
    return folio.mapping


@atomic
def folio_has_extra_refs(folio: Folio) -> bool:
    """Whether folio_ref_count() - 1 > folio_mapcount(): somebody but the page tables and the caller holds it.

    Caller holds one reference. Both counts may change meanwhile: a hint that it is pinned (mm/compaction.c).
    """
    return folio.refcount - 1 > folio.mapcount


@atomic
def folio_test_lru(folio: Folio) -> bool:
    """PG_lru, now that a reference keeps the folio what it is. Whoever isolates it may clear it still."""
    return folio.lru


@atomic
def folio_test_unevictable(folio: Folio) -> bool:
    """PG_unevictable. May be stale: it is set or cleared when the folio is put on a list, not before."""
    return folio.unevictable


@atomic
def folio_test_writeback(folio: Folio) -> bool:
    """PG_writeback. May end at any moment; begins under the folio lock alone."""
    return folio.writeback


@atomic
def folio_test_dirty(folio: Folio) -> bool:
    """PG_dirty. Without the folio lock it may be set or cleared at any moment."""
    return folio.dirty


# The lock belongs to the folio, not to the page frame: its caller must hold a reference, from before the lock
# until after the unlock. What one holder did, the next one sees.
@atomic
def folio_trylock(folio: Folio) -> bool:
    """Take PG_locked if it is free, and say whether it was; never sleeps (include/linux/pagemap.h).

    After True the caller must unlock. False means not now: it is no error, and nobody is waited for.
    """
    taken = not folio.locked            # test and set at once: of two who try, one hears True
    folio.locked = True
    return taken


@atomic
def folio_unlock(folio: Folio) -> None:
    """Release PG_locked (mm/filemap.c). Caller holds it; a mapping read under it may be freed from now on."""
    if not folio.locked:
        raise NotLocked(f"{folio} is unlocked, and nobody holds its lock")
    folio.locked = False


@atomic(when=lambda folio: not folio.locked)
def folio_lock(folio: Folio) -> None:
    """Take PG_locked; sleeps until it is free (include/linux/pagemap.h).

    Caller must hold no spinlock, and no lock that the holder may wait for.
    """
    if folio.locked:
        raise DoubleLock(f"the lock of {folio} is held already")
    folio.locked = True


@atomic
def folio_test_clear_lru(folio: Folio) -> bool:
    """Clear PG_lru, and say whether it was set: whoever hears True has isolated the folio.

    Caller holds a reference. Of several only one hears True, and the folio is theirs to put back.
    """
    was_on = folio.lru
    folio.lru = False
    return was_on


# The moves (mm/migrate.c). Caller has isolated and unmapped `src`, owns `dst`, and holds both folio locks:
# that of `src` keeps the mapping alive. A move is one step here, as under the tree lock, where the kernel
# freezes the count.
@atomic
def migrate_folio(dst: Folio, src: Folio) -> Result:
    """The plain move: -EAGAIN unless exactly the expected references are held, else `dst` takes the place."""
    return move(dst, src)


@atomic
def a_ops_migrate_folio(mapping: AddressSpace, dst: Folio, src: Folio) -> Result:
    """mapping->a_ops->migrate_folio(): moves, or refuses with its own code; -EAGAIN while a buffer is held.

    Caller holds both folio locks, and has_migrate_folio() has said that it is there.
    """
    if src.pfn in src.zone.buffers_held:
        return Result.EAGAIN
    answer = dereference(mapping).a_ops.migrate_folio
    if answer is None:
        raise NullDereference(f"{mapping.name} has no migrate_folio, and it is called")
    return answer or move(dst, src)


@atomic
def fallback_migrate_folio(mapping: AddressSpace, dst: Folio, src: Folio, mode: MigrateMode) -> Result:
    """A mapping without the callback: buffers are released and the folio moved, unless it is dirty.

    MIGRATE_SYNC writes dirt out, for a later pass (-EINVAL without writepage). Held buffers count as dirt.
    """
    a_ops = dereference(mapping).a_ops
    if src.dirty and mode == MigrateMode.SYNC and not a_ops.writepage:
        return Result.EINVAL
    if src.dirty or src.pfn in src.zone.buffers_held:
        src.dirty = src.dirty and mode < MigrateMode.SYNC
        return Result.EBUSY if mode < MigrateMode.SYNC else Result.EAGAIN
    src.private, src.refcount = False, src.refcount - src.private
    return move(dst, src)


def move(dst: Folio, src: Folio) -> Result:
    """folio_migrate_mapping() and folio_migrate_flags(): `dst` takes the place, if nobody else has `src`."""
    # The isolation reference, and for page cache one a page for the cache and one for buffers.
    expected = 1 + (1 << src.order) + src.private if src.mapping else 1
    if src.refcount != expected:
        return Result.EAGAIN
    zone = src.zone
    # PG_mlocked comes along here; in the kernel by the page-table entries (mlock_vma_folio(), mm/mlock.c).
    carried = PG.UNEVICTABLE | PG.DIRTY | PG.MLOCKED | PG.SWAPBACKED | PG.ANON | PG.PRIVATE | PG.UPTODATE
    zone.flags[dst.pfn] = zone.flags[dst.pfn] & ~carried | zone.flags[src.pfn] & carried
    zone.mapping[dst.pfn], zone.mapping[src.pfn] = zone.mapping[src.pfn], 0
    dst.refcount += expected - 1
    src.refcount = 1                # the isolation reference, the last one: the caller drops it
    return Result.SUCCESS
