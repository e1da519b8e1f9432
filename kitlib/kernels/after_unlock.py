"""A kernel that never was: it reads the mapping again under the lock, and asks it after the unlock.

Wrong: the lock must cover the use of the pointer, not just the read of it.
Leaves out movable_ops pages and folios that grow while they are scanned.
"""
from ..mm.folio import (Folio, PageLRU, a_ops_migrate_folio, fallback_migrate_folio, folio_get_nontail_page,
                        folio_has_extra_refs, folio_mapping, folio_test_clear_lru, folio_test_dirty,
                        folio_test_lru, folio_test_unevictable, folio_test_writeback, folio_trylock,
                        folio_unlock, migrate_folio)
from ..mm.mapping import has_migrate_folio, mapping_unmovable
from ..mm.verdict import MigrateMode, Mode, Result, check_mode
from ..step import Path
from .labels import isolate_fail, isolate_fail_put, isolate_success


def isolate_folio(folio: Folio, mode: Mode) -> Path:
    """Decide on one folio (isolate_migratepages_block(), mm/compaction.c, never merged)."""
    check_mode(mode)
    if not (yield PageLRU(folio)):
        return isolate_fail("not on the LRU")
    if not (yield folio_get_nontail_page(folio)):
        return isolate_fail("reference count is zero")

    mapping = yield folio_mapping(folio)
    if not mapping and (yield folio_has_extra_refs(folio)):
        return (yield from isolate_fail_put(folio, "no mapping, extra references"))
    if not mode.gfp_fs and mapping:
        return (yield from isolate_fail_put(folio, "has a mapping, and GFP_NOFS"))
    if not (yield folio_test_lru(folio)):
        return (yield from isolate_fail_put(folio, "left the LRU"))

    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        return (yield from isolate_fail_put(folio, "unevictable"))
    if mode.async_migrate and (yield folio_test_writeback(folio)):
        return (yield from isolate_fail_put(folio, "under writeback"))

    is_dirty = yield folio_test_dirty(folio)
    if (mode.async_migrate and is_dirty) or (mapping and is_unevictable):
        migrate_dirty = True
        if not (yield folio_trylock(folio)):
            return (yield from isolate_fail_put(folio, "locked by somebody else"))
        # Truncation holds the folio lock until the folio has left the mapping: locked, a non-NULL mapping is alive.
        mapping = yield folio_mapping(folio)
        if mode.async_migrate and is_dirty:
            migrate_dirty = not mapping or (yield has_migrate_folio(mapping))
        yield folio_unlock(folio)
        is_unmovable = mapping and (yield mapping_unmovable(mapping))
        if not migrate_dirty:
            return (yield from isolate_fail_put(folio, "dirty, and no migrate_folio"))
        if is_unmovable:
            return (yield from isolate_fail_put(folio, "mapping is unmovable"))

    if not (yield folio_test_clear_lru(folio)):
        return (yield from isolate_fail_put(folio, "isolated by somebody else"))
    return isolate_success()


def move_to_new_folio(dst: Folio, src: Folio, mode: MigrateMode) -> Path:
    """Move one folio, both locked by the caller; returns a Result (mm/migrate.c, 0003e2a41468)."""
    mapping = yield folio_mapping(src)
    if not mapping:
        return (yield migrate_folio(dst, src))
    if (yield mapping_unmovable(mapping)):
        return Result.EOPNOTSUPP
    if (yield has_migrate_folio(mapping)):
        return (yield a_ops_migrate_folio(mapping, dst, src))
    return (yield fallback_migrate_folio(mapping, dst, src, mode))
