"""A compaction run: two scanners, migration between them, and who starts it (mm/compaction.c, mm/migrate.c).

Reading order: releases, events, control, scanned, isolate, freepages, migrate_folio, migrate_pages, compact_zone, contig.
"""
from .compact_zone import compact_zone, direct_compaction
from .contig import alloc_contig_range
from .control import CALLERS, CONTIG, CompactControl, Status, control_for, isolation_mode
from .events import BeginEvent, EndEvent, FreeEvent, IsolateEvent, MigrateEvent, MigratePagesEvent
from .isolate import isolate_migratepages_block, putback_movable_pages
from .migrate_pages import migrate_pages
from .releases import RELEASES, Release, parse_release, release_of

__all__ = ["CALLERS", "CONTIG", "RELEASES", "BeginEvent", "CompactControl", "EndEvent", "FreeEvent",
           "IsolateEvent", "MigrateEvent", "MigratePagesEvent", "Release", "Status", "alloc_contig_range",
           "compact_zone", "control_for", "direct_compaction", "isolate_migratepages_block",
           "isolation_mode", "migrate_pages", "parse_release", "putback_movable_pages", "release_of"]
