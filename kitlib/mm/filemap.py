"""The page cache's own steps: a folio is found, leaves, is replaced; reclaim's and mlock's (mm/filemap.c).

The page cache is not a tree here: a folio is in it while folio->mapping says so, and mapping.nrpages counts
them. A folio enters and leaves it under both locks, its own and the tree's; so either of them is enough to
look. Leaves out shadow entries, page tables (truncation unmaps nothing) and PG_mlocked, which only decides
about PG_unevictable.
"""
from ..step import KernelBug, NullDereference, atomic
from .folio import Folio
from .mapping import AddressSpace, dereference
from .verdict import Result


# While the count is frozen the kernel looks again: whoever froze it will remove the folio or give up.
@atomic(when=lambda mapping, *folios: all(folio.refcount or folio.mapping is not mapping for folio in folios))
def find_get_entry(mapping: AddressSpace, *folios: Folio) -> Folio | None:
    """Look one index up under RCU, and take a reference: the one of `folios` that is there now, or NULL.

    Caller must keep the mapping alive by a reference on the inode. It holds no lock, so the folio may have
    left the page cache when it comes to lock it: folio->mapping is read again then.
    """
    dereference(mapping)
    # In the kernel these are two: it looks again whether the entry is still the same, and starts over.
    found = next((folio for folio in folios if folio.mapping is mapping), None)
    if found:
        found.refcount += 1
    return found


@atomic
def folio_cancel_dirty(folio: Folio) -> None:
    """Clear PG_dirty: what is truncated need not be written (mm/page-writeback.c).

    Caller holds the folio lock.
    """
    folio.dirty = False


@atomic
def page_cache_delete(mapping: AddressSpace, folio: Folio) -> None:
    """Take the folio out of the page cache: folio->mapping is NULL from now on (mm/filemap.c).

    Caller holds the folio lock and the tree lock, and the cache's reference is left to it.
    """
    if folio.mapping is not dereference(mapping):
        raise KernelBug(f"{folio} is removed from {mapping.name}, and it is not there")
    folio.mapping = None                # what everybody sees who locks the folio from now on
    mapping.nrpages -= 1


@atomic
def call_migrate_folio(mapping: AddressSpace, dst: Folio, src: Folio) -> Result:
    """mapping->a_ops->migrate_folio() begins: it refuses with its own code, or goes on to move `src`.

    Caller holds both folio locks, and has_migrate_folio() has said that it is there.
    """
    answer = dereference(mapping).a_ops.migrate_folio
    if answer is None:
        raise NullDereference(f"{mapping.name} has no migrate_folio, and it is called")
    return answer


@atomic
def page_cache_replace(mapping: AddressSpace, dst: Folio, src: Folio) -> None:
    """`dst` takes the place of `src` in the page cache, with its PG_dirty (mm/migrate.c).

    Caller holds both folio locks and the tree lock, and has frozen the count of `src`. The kernel clears
    src->mapping later, under the same folio lock.
    """
    if src.mapping is not dereference(mapping):
        raise KernelBug(f"{dst} replaces {src} in {mapping.name}, and {src} is not there")
    dst.refcount += 1                   # the page cache's
    dst.dirty, src.dirty = src.dirty, False
    dst.mapping, src.mapping = mapping, None


@atomic
def folio_migrate_flags(dst: Folio, src: Folio) -> None:
    """The flags that go with the contents, but for PG_dirty (mm/migrate.c). Caller holds both folio locks.

    In the kernel PG_swapbacked goes with the mapping, and PG_mlocked with the page-table entries.
    """
    dst.unevictable, dst.mlocked, dst.swapbacked = src.unevictable, src.mlocked, src.swapbacked
    dst.uptodate = src.uptodate


@atomic
def filemap_free_folio(mapping: AddressSpace, folio: Folio) -> None:
    """mapping->a_ops->free_folio(), and the page cache's reference is dropped (mm/filemap.c).

    Caller has deleted the folio, and holds its lock, a reference of its own, and one on the inode: no folio
    leads to the mapping any more, and it is still read here.
    """
    dereference(mapping)                # its method table is read, after the folio has left it
    folio.refcount -= 1


@atomic
def folio_ref_freeze(folio: Folio, count: int) -> bool:
    """The reference count becomes 0, if it is `count`: then nobody else can take a reference.

    Caller holds the folio lock and the tree lock. After True the folio is its own until it unfreezes or
    frees it.
    """
    frozen = folio.refcount == count
    if frozen:
        folio.refcount = 0
    return frozen


@atomic
def folio_ref_is(folio: Folio, count: int) -> bool:
    """Whether the reference count is `count`: no kernel's, for nobody is kept from taking another one."""
    return folio.refcount == count


@atomic
def folio_ref_unfreeze(folio: Folio, count: int) -> None:
    """The reference count is `count` again (include/linux/page_ref.h). Caller has frozen it."""
    folio.refcount = count


@atomic
def folio_clear_dirty_for_io(folio: Folio) -> None:
    """Clear PG_dirty: the folio has been written out (mm/page-writeback.c). Caller holds the folio lock."""
    folio.dirty = False


@atomic
def folio_freed_from_under_us(folio: Folio) -> bool:
    """folio_ref_count() == 1: the isolation reference is the only one left (mm/migrate.c).

    Caller of this, migrate_folio_unmap(), holds it. True stays true: neither page cache nor page tables nor
    an LRU list leads to the folio.
    """
    return folio.refcount == 1


@atomic
def folio_set_lru(folio: Folio) -> None:
    """Set PG_lru: on an LRU list again (mm/swap.c). Caller has isolated the folio, and holds a reference."""
    folio.lru = True


# PG_unevictable says on which list the folio is. So only who has it off the lists may write it.
@atomic
def folio_set_unevictable(folio: Folio) -> None:
    """Set PG_unevictable (mm/mlock.c). Caller has cleared PG_lru."""
    folio.unevictable = True


@atomic
def folio_clear_unevictable(folio: Folio) -> None:
    """Clear PG_unevictable (mm/mlock.c). Caller has cleared PG_lru."""
    folio.unevictable = False
