"""Memory: what the kernel's threads share, each noun with the steps that can be done to it.

It does not know who runs when: a primitive is one step, which a path yields and somebody else does
(step.py), and nothing in this folder imports the scheduler. Nor does it know compaction, recordings, numpy
or how anything is drawn. State is dumb; who must hold what (a reference, a lock) stands with each primitive,
and what a kernel must never do is an exception under KernelBug.

Reading order, by file names that are Linux's where Linux has one:
  verdict     what a decision is asked (Mode) and what it says (Verdict, Result)
  mapping     a file's page cache: flags, operations, tree lock, and the inode (i_lock) that it dies with
  folio       a view of one page frame; references, the folio lock, the LRU flag, the moves
  filemap     how a folio is found in the page cache, leaves it and is replaced there
  mmzone      what free pages are kept in: orders, types, lists
  zone        all page frames in columns, their pageblocks and counters
  page_alloc  free blocks, and the per-CPU lists in front of them
  rmqueue     how a page is allocated
  page_isolation  pageblocks that nobody allocates from
  swap        how a folio comes onto the LRU, and the per-CPU batch before it
  a_ops       file systems' method tables, and mappings of each sort
  truncate    the other CPUs' paths: truncation, eviction, reclaim, mlock
  migrate     how a folio takes another one's place in the page cache, step by step
"""
from .a_ops import EXT4, GMEM, OLD_FS, RAMFS, SECRETMEM, SHM_LOCK, TMPFS, mappings
from .filemap import (call_migrate_folio, filemap_free_folio, find_get_entry, folio_cancel_dirty,
                      folio_clear_dirty_for_io, folio_clear_unevictable, folio_freed_from_under_us,
                      folio_migrate_flags, folio_ref_freeze, folio_ref_is, folio_ref_unfreeze, folio_set_lru,
                      folio_set_unevictable, page_cache_delete, page_cache_replace)
from .folio import (PG, BadPage, Folio, PageLRU, RefcountBelowZero, a_ops_migrate_folio,
                    fallback_migrate_folio, folio_get_nontail_page, folio_has_extra_refs, folio_lock,
                    folio_mapping, folio_put, folio_test_clear_lru, folio_test_dirty, folio_test_lru,
                    folio_test_unevictable, folio_test_writeback, folio_trylock, folio_unlock, migrate_folio)
from .mapping import (AS_EIO, AS_ENOSPC, AS_EXITING, AS_LARGE_FOLIO_SUPPORT, AS_MM_ALL_LOCKS,
                      AS_NO_WRITEBACK_TAGS, AS_RELEASE_ALWAYS, AS_UNEVICTABLE, AS_UNMOVABLE, FLAG_NAMES,
                      FLAG_RELEASES, FLAG_VALUES, AddressSpace, AddressSpaceOperations, clear_bit,
                      clear_inode, flag_names, free_inode, has_migrate_folio, i_lock, i_unlock, inode_add_lru,
                      iput, mapping_clear_unevictable, mapping_set_unevictable, mapping_set_unmovable,
                      mapping_unevictable, mapping_unmovable, reuse_inode, set_bit, test_bit, xa_lock_irq,
                      xa_unlock_irq)
from .migrate import folio_migrate_mapping
from .mmzone import MAX_ORDER, PAGEBLOCK_ORDER, PerCpuPages
from .page_alloc import count_free_blocks, fragmentation_index
from .truncate import evict, filemap_remove_folio, iput_final, remove_mapping, shrink_folio, truncate_folio
from .verdict import MODES, Code, MigrateMode, Mode, Result, Verdict
from .zone import Kind, Zone, pageblock_end_pfn, pageblock_nr_pages, pageblock_start_pfn

__all__ = ["AS_EIO", "AS_ENOSPC", "AS_EXITING", "AS_LARGE_FOLIO_SUPPORT", "AS_MM_ALL_LOCKS",
           "AS_NO_WRITEBACK_TAGS", "AS_RELEASE_ALWAYS", "AS_UNEVICTABLE", "AS_UNMOVABLE", "EXT4",
           "FLAG_NAMES", "FLAG_RELEASES", "FLAG_VALUES", "GMEM", "MAX_ORDER", "MODES", "OLD_FS",
           "PAGEBLOCK_ORDER", "PG", "RAMFS", "SECRETMEM", "SHM_LOCK", "TMPFS", "AddressSpace",
           "AddressSpaceOperations", "BadPage", "Code", "Folio", "Kind", "MigrateMode", "Mode", "PageLRU",
           "PerCpuPages", "RefcountBelowZero", "Result", "Verdict", "Zone", "a_ops_migrate_folio",
           "call_migrate_folio", "clear_bit", "clear_inode", "count_free_blocks", "evict",
           "fallback_migrate_folio", "filemap_free_folio", "filemap_remove_folio", "find_get_entry",
           "flag_names", "folio_cancel_dirty", "folio_clear_dirty_for_io", "folio_clear_unevictable",
           "folio_freed_from_under_us", "folio_get_nontail_page", "folio_has_extra_refs", "folio_lock",
           "folio_mapping", "folio_migrate_flags", "folio_migrate_mapping", "folio_put", "folio_ref_freeze",
           "folio_ref_is", "folio_ref_unfreeze", "folio_set_lru", "folio_set_unevictable",
           "folio_test_clear_lru", "folio_test_dirty", "folio_test_lru", "folio_test_unevictable",
           "folio_test_writeback", "folio_trylock", "folio_unlock", "fragmentation_index", "free_inode",
           "has_migrate_folio", "i_lock", "i_unlock", "inode_add_lru", "iput", "iput_final",
           "mapping_clear_unevictable", "mapping_set_unevictable", "mapping_set_unmovable",
           "mapping_unevictable", "mapping_unmovable", "mappings", "migrate_folio", "page_cache_delete",
           "page_cache_replace", "pageblock_end_pfn", "pageblock_nr_pages", "pageblock_start_pfn",
           "remove_mapping", "reuse_inode", "set_bit", "shrink_folio", "test_bit", "truncate_folio",
           "xa_lock_irq", "xa_unlock_irq"]
