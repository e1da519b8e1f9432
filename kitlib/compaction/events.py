"""A class a tracepoint, with the kernel's fields (include/trace/events/compaction.h, migrate.h).

They say what was done, and never why a page was refused: the kernel has no tracepoint for that.
"""
from typing import NamedTuple


class BeginEvent(NamedTuple):
    """Where both scanners start; `sync` is "sync" in MIGRATE_SYNC_LIGHT, too."""

    zone_start: int
    migrate_pfn: int
    free_pfn: int
    zone_end: int
    sync: str
    tracepoint = "mm_compaction_begin"


class EndEvent(NamedTuple):
    """Where both scanners stopped, and how the run ended.

    "complete": they met, and had started at the zone's ends; "partial_skipped": they met, and had started
    elsewhere.
    """

    zone_start: int
    migrate_pfn: int
    free_pfn: int
    zone_end: int
    sync: str
    status: str
    tracepoint = "mm_compaction_end"


class IsolateEvent(NamedTuple):
    """One call of isolate_migratepages_block(); end_pfn is exclusive."""

    start_pfn: int
    end_pfn: int
    nr_scanned: int
    nr_taken: int
    tracepoint = "mm_compaction_isolate_migratepages"


class FreeEvent(IsolateEvent):
    """One call of isolate_freepages_block(); end_pfn is exclusive."""

    __slots__ = ()
    tracepoint = "mm_compaction_isolate_freepages"


class FastFreeEvent(IsolateEvent):
    """One call of fast_isolate_freepages(): from the lowest target that would do to where it began."""

    __slots__ = ()
    tracepoint = "mm_compaction_fast_isolate_freepages"


class FinishedEvent(NamedTuple):
    """What compact_finished() says before each pageblock; only where CompactControl asks for it."""

    ret: str
    tracepoint = "mm_compaction_finished"


class MigrateEvent(NamedTuple):
    """What became of the pages handed over: all that did not migrate are failed here, tried or not."""

    nr_migrated: int
    nr_failed: int
    tracepoint = "mm_compaction_migratepages"


class MigratePagesEvent(NamedTuple):
    """One call of migrate_pages(), in base pages; those that were never tried are not failed.

    Leaves out the counts of THPs and of split folios.
    """

    succeeded: int
    failed: int
    mode: str
    reason: str
    tracepoint = "mm_migrate_pages"


class SuitableEvent(NamedTuple):
    """What compaction_suitable() says of a zone: "continue" to compact it, or why not."""

    zone: str
    ret: str
    tracepoint = "mm_compaction_suitable"


class DeferredEvent(NamedTuple):
    """An attempt that was not made: by an order, failures up to it were too recent."""

    zone: str
    order_failed: int
    considered: int
    limit: int
    tracepoint = "mm_compaction_deferred"


class DeferCompactionEvent(DeferredEvent):
    """A failure: from now on so many attempts are not made."""

    __slots__ = ()
    tracepoint = "mm_compaction_defer_compaction"


class DeferResetEvent(DeferredEvent):
    """A success: orders up to this one are tried again."""

    __slots__ = ()
    tracepoint = "mm_compaction_defer_reset"
