"""A compaction run: two scanners, migration between them, and who starts it (mm/compaction.c, mm/migrate.c).

One scanner walks upward and takes folios off the LRU, the other walks downward and takes free pages; what the
first has found migrates to what the second has found, until they meet. In reading order:

releases      how releases of Linux count and batch, as data
events        what a run leaves in its trace
control       a run's orders and progress, and who gives such orders
scanned       what stands at a page frame: by the kernel's own path, or by a table made from it
isolate       the migrate scanner
freepages_block  one pageblock of the free scanner
fast_search   what both scanners find on the free lists
freepages     the free scanner
rehearsal     what one page comes to, all pages that look like it come to
migrate_folio what migration does with one folio
migrate_pages its passes and batches
finished      when it is over
compact_zone  the whole run
suitable      whether a zone is worth it
deferral      whether it was so lately
direct        direct compaction
attempts      what the callers do, zone by zone
contig        the other user of all this: alloc_contig_range()

Below are the nouns and primitives (mm) and the decisions (kernels). A run has one CPU to itself: what others
may do meanwhile is told in races.py, step by step. numpy is not needed; the tables come from scan.py, one
floor up.
"""
from .compact_zone import compact_zone
from .contig import alloc_contig_range
from .control import CALLERS, CONTIG, CompactControl, Status, control_for, isolation_mode
from .direct import direct_compaction
from .events import BeginEvent, EndEvent, FreeEvent, IsolateEvent, MigrateEvent, MigratePagesEvent
from .isolate import isolate_migratepages_block, putback_movable_pages
from .migrate_pages import migrate_pages
from .releases import RELEASES, Release, parse_release, release_of

__all__ = ["CALLERS", "CONTIG", "RELEASES", "BeginEvent", "CompactControl", "EndEvent", "FreeEvent",
           "IsolateEvent", "MigrateEvent", "MigratePagesEvent", "Release", "Status", "alloc_contig_range",
           "compact_zone", "control_for", "direct_compaction", "isolate_migratepages_block",
           "isolation_mode", "migrate_pages", "parse_release", "putback_movable_pages", "release_of"]
