"""Memory: mappings, folios, zones and page allocation, each with its primitives. Knows nothing of who runs when.

Reading order: verdict, mapping, folio, filemap, zone, page_alloc, a_ops, truncate. The modules are named as Linux's files are,
where Linux has one.
"""
from .a_ops import EXT4, GMEM, OLD_FS, RAMFS, SECRETMEM, SHM_LOCK, TMPFS, mappings
from .filemap import (filemap_free_folio, find_get_entry, folio_cancel_dirty, folio_clear_dirty_for_io,
                      folio_clear_unevictable, folio_freed_from_under_us, folio_ref_freeze,
                      folio_ref_unfreeze, folio_set_lru, folio_set_unevictable, page_cache_delete)
from .folio import (PG, BadPage, Folio, PageLRU, RefcountBelowZero, a_ops_migrate_folio,
                    fallback_migrate_folio, folio_get_nontail_page, folio_has_extra_refs, folio_lock,
                    folio_mapping, folio_put, folio_test_clear_lru, folio_test_dirty, folio_test_lru,
                    folio_test_unevictable, folio_test_writeback, folio_trylock, folio_unlock, migrate_folio)
from .mapping import (AS_EIO, AS_ENOSPC, AS_EXITING, AS_LARGE_FOLIO_SUPPORT, AS_MM_ALL_LOCKS,
                      AS_NO_WRITEBACK_TAGS, AS_RELEASE_ALWAYS, AS_UNEVICTABLE, AS_UNMOVABLE, FLAG_NAMES,
                      FLAG_RELEASES, FLAG_VALUES, AddressSpace, AddressSpaceOperations, clear_bit,
                      clear_inode, flag_names, free_inode, has_migrate_folio, iput, mapping_clear_unevictable,
                      mapping_set_unevictable, mapping_set_unmovable, mapping_unevictable, mapping_unmovable,
                      reuse_inode, set_bit, test_bit, xa_lock_irq, xa_unlock_irq)
from .page_alloc import PerCpuPages, count_free_blocks, fragmentation_index
from .truncate import evict, filemap_remove_folio, iput_final, remove_mapping, shrink_folio, truncate_folio
from .verdict import MODES, Code, MigrateMode, Mode, Result, Verdict
from .zone import (MAX_ORDER, PAGEBLOCK_ORDER, Kind, Zone, pageblock_end_pfn, pageblock_nr_pages,
                   pageblock_start_pfn)

__all__ = ["AS_EIO", "AS_ENOSPC", "AS_EXITING", "AS_LARGE_FOLIO_SUPPORT", "AS_MM_ALL_LOCKS",
           "AS_NO_WRITEBACK_TAGS", "AS_RELEASE_ALWAYS", "AS_UNEVICTABLE", "AS_UNMOVABLE", "EXT4",
           "FLAG_NAMES", "FLAG_RELEASES", "FLAG_VALUES", "GMEM", "MAX_ORDER", "MODES", "OLD_FS",
           "PAGEBLOCK_ORDER", "PG", "RAMFS", "SECRETMEM", "SHM_LOCK", "TMPFS", "AddressSpace",
           "AddressSpaceOperations", "BadPage", "Code", "Folio", "Kind", "MigrateMode", "Mode", "PageLRU",
           "PerCpuPages", "RefcountBelowZero", "Result", "Verdict", "Zone", "a_ops_migrate_folio",
           "clear_bit", "clear_inode", "count_free_blocks", "evict", "fallback_migrate_folio",
           "filemap_free_folio", "filemap_remove_folio", "find_get_entry", "flag_names",
           "folio_cancel_dirty", "folio_clear_dirty_for_io", "folio_clear_unevictable",
           "folio_freed_from_under_us", "folio_get_nontail_page", "folio_has_extra_refs", "folio_lock",
           "folio_mapping", "folio_put", "folio_ref_freeze", "folio_ref_unfreeze", "folio_set_lru",
           "folio_set_unevictable", "folio_test_clear_lru", "folio_test_dirty", "folio_test_lru",
           "folio_test_unevictable", "folio_test_writeback", "folio_trylock", "folio_unlock",
           "fragmentation_index", "free_inode", "has_migrate_folio", "iput", "iput_final",
           "mapping_clear_unevictable", "mapping_set_unevictable", "mapping_set_unmovable",
           "mapping_unevictable", "mapping_unmovable", "mappings", "migrate_folio", "page_cache_delete",
           "pageblock_end_pfn", "pageblock_nr_pages", "pageblock_start_pfn", "remove_mapping",
           "reuse_inode", "set_bit", "shrink_folio", "test_bit", "truncate_folio", "xa_lock_irq",
           "xa_unlock_irq"]
