"""The page cache's own steps: how folios are found in it and leave it, and what reclaim and mlock do to one (mm/filemap.c).

The page cache is not a tree here: a folio is in it while folio->mapping says so, and mapping.nrpages counts them. Leaves out
shadow entries, page tables (truncation unmaps nothing) and PG_mlocked, which only decides about PG_unevictable.
"""
from ..step import KernelBug, atomic
from .folio import Folio
from .mapping import AddressSpace, dereference


# While the count is frozen the kernel looks again and again: whoever froze it is about to remove the folio, or to give up.
@atomic(when=lambda mapping, *folios: all(folio.refcount or folio.mapping is not mapping for folio in folios))
def find_get_entry(mapping: AddressSpace, *folios: Folio) -> Folio | None:
    """Look one index up under RCU, and take a reference: the one of `folios` that is there now, or NULL (mm/filemap.c)."""
    dereference(mapping)
    found = next((folio for folio in folios if folio.mapping is mapping), None)
    if found:
        found.refcount += 1
    return found


@atomic
def folio_cancel_dirty(folio: Folio) -> None:
    """Clear PG_dirty: what is truncated need not be written (mm/page-writeback.c)."""
    folio.dirty = False


@atomic
def page_cache_delete(mapping: AddressSpace, folio: Folio) -> None:
    """Take the folio out of the page cache: folio->mapping is NULL from now on (mm/filemap.c)."""
    if folio.mapping is not dereference(mapping):
        raise KernelBug(f"{folio} is removed from {mapping.name}, and it is not there")
    folio.mapping = None
    mapping.nrpages -= 1


@atomic
def filemap_free_folio(mapping: AddressSpace, folio: Folio) -> None:
    """mapping->a_ops->free_folio(), and the page cache's reference is dropped (mm/filemap.c)."""
    dereference(mapping)
    folio.refcount -= 1


@atomic
def folio_ref_freeze(folio: Folio, count: int) -> bool:
    """The reference count becomes 0, if it is `count`: then nobody else can take a reference (include/linux/page_ref.h)."""
    frozen = folio.refcount == count
    if frozen:
        folio.refcount = 0
    return frozen


@atomic
def folio_ref_unfreeze(folio: Folio, count: int) -> None:
    """The reference count is `count` again (include/linux/page_ref.h)."""
    folio.refcount = count


@atomic
def folio_clear_dirty_for_io(folio: Folio) -> None:
    """Clear PG_dirty: the folio has been written out (mm/page-writeback.c)."""
    folio.dirty = False


@atomic
def folio_freed_from_under_us(folio: Folio) -> bool:
    """folio_ref_count() == 1: the isolation reference is the only one left (migrate_folio_unmap(), mm/migrate.c)."""
    return folio.refcount == 1


@atomic
def folio_set_lru(folio: Folio) -> None:
    """Set PG_lru: on an LRU list again (mm/swap.c)."""
    folio.lru = True


@atomic
def folio_set_unevictable(folio: Folio) -> None:
    """Set PG_unevictable (mm/mlock.c)."""
    folio.unevictable = True


@atomic
def folio_clear_unevictable(folio: Folio) -> None:
    """Clear PG_unevictable (mm/mlock.c)."""
    folio.unevictable = False
