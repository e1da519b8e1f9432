"""A compaction run's orders and progress (struct compact_control), how releases count, and the trace events.

What a release decides is a kernel module; how it counts and in what order it migrates is data, looked up by range, so that
an unseen release works.
"""
import re
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from types import ModuleType
from typing import NamedTuple

from .kernels import after, check_kernel
from .verdict import MigrateMode
from .zone import MAX_ORDER, PAGEBLOCK_ORDER, Zone

COMPACT_CLUSTER_MAX = 32


class Status(IntEnum):
    """enum compact_result (include/linux/compaction.h), as far as a run can end so."""

    SKIPPED = 1
    CONTINUE = 4
    COMPLETE = 5
    PARTIAL_SKIPPED = 6
    CONTENDED = 7
    SUCCESS = 8


class Release(NamedTuple):
    """How a release counts and batches, as distinct from how it decides.

    What has a default is so in every release; a release that lacks such a rule shows what the rule is worth.
    """

    batches: bool               # the pages of one call are unmapped together, then moved, then the refused ones tried again
    counts_jumped: bool         # nr_scanned grows by all pages of a free block or compound page that is jumped over
    pcp_doubles: bool           # a full per-CPU list gives back twice as many from time to time, not as many as came in a row
    takes_large: bool           # folios below the target order and smaller than a pageblock are isolated
    adjusts_wanted: bool        # a target handed out lowers the number wanted by its pages, one returned raises it again
    jumps_free_blocks: bool = True      # a free block is stepped over whole; without: page by page
    jumps_compound: bool = True         # so is a compound page, and counts as many pages when it is taken; without: one page
    cluster_max: int = COMPACT_CLUSTER_MAX    # a call of the block function stops once so many pages are isolated
    finishes_pageblock: bool = True     # the next call in the same pageblock does not stop so
    counts_without_target: bool = True  # the folio for which no target was left counts as failed


# From this release on. Recordings of 6.1 and of 6.12 and later bear them out; the releases in between are inferred.
RELEASES = {
    (0, 0): Release(batches=False, counts_jumped=False, pcp_doubles=True, takes_large=False, adjusts_wanted=False),
    (6, 3): Release(batches=True, counts_jumped=False, pcp_doubles=True, takes_large=False, adjusts_wanted=False),
    (6, 4): Release(batches=True, counts_jumped=True, pcp_doubles=True, takes_large=False, adjusts_wanted=False),
    (6, 7): Release(batches=True, counts_jumped=True, pcp_doubles=False, takes_large=False, adjusts_wanted=False),
    (6, 9): Release(batches=True, counts_jumped=True, pcp_doubles=False, takes_large=True, adjusts_wanted=True),
}


def parse_release(release: str) -> tuple[int, int]:
    """ "6.12.113" -> (6, 12)."""
    match = re.match(r"v?(\d+)\.(\d+)", release) if isinstance(release, str) else None
    if not match:
        raise ValueError(f"unknown release {release!r}: write a kernel version such as '6.8' or '6.12.113'")
    return int(match[1]), int(match[2])


def release_of(release: str | Release) -> Release:
    """How `release` counts: the entry of the newest release that is not newer. A Release is what it says."""
    if isinstance(release, Release):
        return release
    version = parse_release(release)
    return RELEASES[max(known for known in RELEASES if known <= version)]


def skip_isolation_order(release: str | Release, order: int, alloc_contig: bool = False) -> int:
    """Compound pages of this order and above are stepped over (skip_isolation_on_order(), mm/compaction.c, since v6.9)."""
    if alloc_contig:
        return MAX_ORDER + 1
    if not release_of(release).takes_large:
        return 0
    return PAGEBLOCK_ORDER if order == -1 else min(order, PAGEBLOCK_ORDER)


# Trace events: a class a tracepoint, with the kernel's fields (include/trace/events/compaction.h, migrate.h).

class BeginEvent(NamedTuple):
    """Where both scanners start; `sync` is "sync" in MIGRATE_SYNC_LIGHT, too."""

    zone_start: int
    migrate_pfn: int
    free_pfn: int
    zone_end: int
    sync: str
    tracepoint = "mm_compaction_begin"


class EndEvent(NamedTuple):
    """Where both scanners stopped, and how the run ended: "complete" when they met and had started at the zone's ends."""

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


class MigrateEvent(NamedTuple):
    """What became of the pages handed over: all that did not migrate are failed here, tried or not."""

    nr_migrated: int
    nr_failed: int
    tracepoint = "mm_compaction_migratepages"


class MigratePagesEvent(NamedTuple):
    """One call of migrate_pages(), in base pages; those that were never tried are not failed. THP counts are left out."""

    succeeded: int
    failed: int
    mode: str
    reason: str
    tracepoint = "mm_migrate_pages"


@dataclass
class CompactControl:
    """One compaction run's orders and its progress (struct compact_control, mm/internal.h)."""

    zone: Zone
    kernel: ModuleType = after
    release: str | Release = "6.8"              # a version is looked up once; from then on a Release
    mode: MigrateMode = MigrateMode.SYNC
    order: int = -1                             # -1: the whole zone, as vm.compact_memory asks
    migratetype: int = 1                        # of the allocation that compaction is for: MIGRATE_MOVABLE
    gfp_fs: bool = True                         # __GFP_FS in gfp_mask
    direct_compaction: bool = False             # a task compacts for its own allocation
    kcompactd: bool = False                     # the kcompactd thread compacts
    whole_zone: bool = False                    # from end to end, whatever the cached positions
    ignore_skip_hint: bool = False
    no_set_skip_hint: bool = False
    ignore_block_suitable: bool = False         # targets may come from pageblocks of any type
    finish_pageblock: bool = False
    alloc_contig: bool = False                  # for alloc_contig_range(): large folios are taken in every release
    fatal_signal_pfn: int | None = None         # a fatal signal is pending once the scanner is here; None: never
    verdicts: bytes | None = None               # a Code or reason per pfn, made by scan.verdicts; None: run the paths
    migrate_pfn: int = 0                        # where the migrate scanner stands
    free_pfn: int = 0                           # where the free scanner stands
    migratepages: list[int] = field(default_factory=list)    # pfns of isolated folios, newest last (the kernel's list: first)
    nr_migratepages: int = 0                    # pages on that list; from 6.9 on also the number of targets still wanted
    freepages: list[deque] = field(default_factory=lambda: [deque() for _ in range(MAX_ORDER + 1)])    # targets by order
    nr_freepages: int = 0                       # pages in them
    nr_succeeded: int = 0                       # pages that the last migrate_pages() has moved
    total_migrate_scanned: int = 0
    total_free_scanned: int = 0
    targets: int = 0                            # how often compaction_alloc() was asked
    contended: bool = False
    failed: dict = field(default_factory=dict)  # pages that migration gave up, by Result
    fates: dict = field(default_factory=dict)   # with a table: what becomes of base pages that look alike, by mode (move.py)
    trace: list = field(default_factory=list)   # trace events, in the order of the run

    def __post_init__(self):
        check_kernel(self.kernel)
        self.release = release_of(self.release)
        if not isinstance(self.mode, MigrateMode):
            raise TypeError(f"unknown mode {self.mode!r}: write kl.MigrateMode.ASYNC, SYNC_LIGHT or SYNC")
        if not isinstance(self.order, int) or not -1 <= self.order <= MAX_ORDER:
            raise ValueError(f"no order {self.order!r}: write -1 for the whole zone, or 0 to {MAX_ORDER}")
        if self.order == -1 and self.direct_compaction and self.mode == MigrateMode.ASYNC:
            raise ValueError("direct asynchronous compaction is for an allocation: write order=9 or the like")
