"""The other CPUs: truncation, eviction, reclaim, mlock (mm/truncate.c, fs/inode.c, mm/vmscan.c, mm/mlock.c).

Faulty variants by name: `truncate_folio_unlock_early` unlocks the folio before it has left the page cache;
`evict_tree_lock_only` and `evict_no_cycle` do not wait for whoever holds i_lock. `evict_i_lock_only` is not
the kernel's, and not faulty. Leaves out write-back (a folio is clean when reclaim has cleared PG_dirty),
pagevecs, the first pass of truncation, which only tries the locks, that it looks again until nothing is left,
and reclaim's test of PG_unevictable: here it stands for everybody but truncation who takes a folio out of the
page cache. Under the tree lock both ask whether the folio is still there; the kernel need not, for the folio
lock has answered it. So a faulty variant shows its own bug first.
"""
from collections.abc import Callable

from ..step import Path
from .filemap import (filemap_free_folio, find_get_entry, folio_cancel_dirty, folio_clear_dirty_for_io,
                      folio_clear_unevictable, folio_ref_freeze, folio_ref_unfreeze, folio_set_lru,
                      folio_set_unevictable, page_cache_delete)
from .folio import (Folio, folio_get_nontail_page, folio_lock, folio_mapping, folio_put, folio_test_clear_lru,
                    folio_test_dirty, folio_trylock, folio_unlock)
from .mapping import (AddressSpace, clear_inode, free_inode, i_lock, i_unlock, inode_add_lru, iput,
                      reuse_inode, xa_lock_irq, xa_unlock_irq)


# `folios` can be there, one at a time. Caller holds a reference on the inode, as all who truncate do. Between
# the lookup and the lock somebody else may remove the folio: its mapping is read under the lock, and stays.
def truncate_folio(mapping: AddressSpace, *folios: Folio) -> Path:
    """One index of truncate_inode_pages_range(), second pass (mm/truncate.c)."""
    folio = yield find_get_entry(mapping, *folios)
    if not folio:
        return
    yield folio_lock(folio)
    if (yield folio_mapping(folio)) is mapping:
        yield folio_cancel_dirty(folio)
        yield from filemap_remove_folio(mapping, folio)
    # Only now may somebody else lock the folio, and what they find there is NULL.
    yield folio_unlock(folio)
    yield folio_put(folio)


def truncate_folio_unlock_early(mapping: AddressSpace, *folios: Folio) -> Path:
    """Wrong: the folio is unlocked while in the page cache: its mapping can die under a compactor's lock."""
    folio = yield find_get_entry(mapping, *folios)
    if not folio:
        return
    yield folio_lock(folio)
    yield folio_cancel_dirty(folio)
    yield folio_unlock(folio)
    yield from filemap_remove_folio(mapping, folio)
    yield folio_put(folio)


def truncate_batch(mapping: AddressSpace, *folios: Folio) -> Path:
    """A batch of truncate_inode_pages_range(): all folios are locked, in order, before the first is removed.

    Nobody else removes them. The kernel locks a batch by trying, in find_lock_entries(); here it sleeps.
    """
    for folio in folios:
        yield find_get_entry(mapping, folio)
        yield folio_lock(folio)
    for folio in folios:
        yield folio_cancel_dirty(folio)
        yield from filemap_remove_folio(mapping, folio)
        yield folio_unlock(folio)
        yield folio_put(folio)


# Caller holds the folio lock, a reference on the folio and one on the inode, which free_folio() needs.
def filemap_remove_folio(mapping: AddressSpace, folio: Folio) -> Path:
    """Out of the page cache, under i_lock and the tree lock, if it is still there (mm/filemap.c)."""
    yield i_lock(mapping)
    yield xa_lock_irq(mapping)
    there = (yield folio_mapping(folio)) is mapping
    if there:
        yield page_cache_delete(mapping, folio)
    yield xa_unlock_irq(mapping)
    if there:
        yield inode_add_lru(mapping)
    yield i_unlock(mapping)
    if there:
        yield filemap_free_folio(mapping, folio)


# Caller dropped the last reference, and has truncated. So no folio leads to the mapping, and nobody comes any
# more who would take its locks; but reclaim may still be inside them, with the last folio out of the cache.
def evict(mapping: AddressSpace, reuse: bool = False) -> Path:
    """The last reference on the inode is gone: evict() to the free of its memory (fs/inode.c), or `reuse`."""
    # clear_inode() cycles the tree lock, and evict() i_lock, which whoever is inside holds for longer.
    yield xa_lock_irq(mapping)
    yield xa_unlock_irq(mapping)
    yield from evict_i_lock_only(mapping, reuse)


def evict_i_lock_only(mapping: AddressSpace, reuse: bool = False) -> Path:
    """The same without the cycle of the tree lock."""
    yield clear_inode(mapping)
    yield i_lock(mapping)
    yield i_unlock(mapping)
    yield from _free(mapping, reuse)


def evict_tree_lock_only(mapping: AddressSpace, reuse: bool = False) -> Path:
    """Wrong: the inode is freed without waiting for whoever holds i_lock."""
    yield xa_lock_irq(mapping)
    yield xa_unlock_irq(mapping)
    yield from evict_no_cycle(mapping, reuse)


def evict_no_cycle(mapping: AddressSpace, reuse: bool = False) -> Path:
    """Wrong: the inode is freed without waiting for whoever holds one of its locks."""
    yield clear_inode(mapping)
    yield from _free(mapping, reuse)


def _free(mapping: AddressSpace, reuse: bool) -> Path:
    yield free_inode(mapping)
    if reuse:
        yield reuse_inode(mapping)


def iput_final(mapping: AddressSpace, evict: Callable[..., Path] = evict, reuse: bool = False) -> Path:
    """Drop a reference on the inode, and evict it if that was the last (iput(), fs/inode.c)."""
    if (yield iput(mapping)):
        yield from evict(mapping, reuse)


# Reclaim has no reference on the inode: the folio lock keeps the mapping alive until page_cache_delete(), and
# i_lock from there to its unlock.
def shrink_folio(folio: Folio) -> Path:
    """Reclaim of one folio: isolate_lru_folios(), write-out, __remove_mapping() (mm/vmscan.c)."""
    if not (yield folio_get_nontail_page(folio)):
        return
    removed = False
    if (yield folio_test_clear_lru(folio)):
        if (yield folio_trylock(folio)):
            mapping = yield folio_mapping(folio)
            if mapping:
                yield folio_clear_dirty_for_io(folio)
                removed = yield from remove_mapping(mapping, folio)
            yield folio_unlock(folio)
        if not removed:
            yield folio_set_lru(folio)
    if not removed:
        yield folio_put(folio)


# Caller holds the folio lock. The count is frozen before PG_dirty is asked for, or somebody might take a
# reference and dirty the folio after it was found clean.
def remove_mapping(mapping: AddressSpace, folio: Folio) -> Path:
    """__remove_mapping(): out of the page cache, if clean and held by cache and caller alone (mm/vmscan.c).

    True when it was removed: its reference count is 0 then, and its page is free once it is unlocked.
    """
    yield i_lock(mapping)
    yield xa_lock_irq(mapping)
    removed = (yield folio_mapping(folio)) is mapping and (yield folio_ref_freeze(folio, 2))
    if removed and (yield folio_test_dirty(folio)):
        yield folio_ref_unfreeze(folio, 2)
        removed = False
    if removed:
        yield page_cache_delete(mapping, folio)
    # The folio has left, and the inode is still needed: both locks lie inside it.
    yield xa_unlock_irq(mapping)
    if removed:
        yield inode_add_lru(mapping)
    yield i_unlock(mapping)
    return removed


def munlock_and_mlock(folio: Folio) -> Path:
    """munlock_folio(), then mlock_folio() (mm/mlock.c): PG_unevictable goes and comes, each time off the LRU.

    The caller has a reference, its page table's, which it drops at the end.
    """
    for set_or_clear in (folio_clear_unevictable, folio_set_unevictable):
        if (yield folio_test_clear_lru(folio)):
            yield set_or_clear(folio)
            yield folio_set_lru(folio)
    yield folio_put(folio)
