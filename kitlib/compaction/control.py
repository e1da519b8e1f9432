"""A compaction run's orders and progress (struct compact_control), and who gives such orders."""
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from types import ModuleType
from typing import NamedTuple

from ..kernels import after, check_kernel
from ..mm.mmzone import MAX_ORDER, MIGRATE_UNMOVABLE, PAGEBLOCK_ORDER
from ..mm.verdict import MigrateMode, Mode
from ..mm.zone import Zone
from .releases import Release, release_of


class Status(IntEnum):
    """How a run ends (enum compact_result, include/linux/compaction.h), by the kernel's numbers.

    The first three: why none was begun. Leaves out NO_SUITABLE_PAGE, which a trace alone says.
    """

    NOT_SUITABLE_ZONE = 0
    SKIPPED = 1
    DEFERRED = 2
    CONTINUE = 4
    COMPLETE = 5
    PARTIAL_SKIPPED = 6
    CONTENDED = 7
    SUCCESS = 8


@dataclass
class CompactControl:
    """One compaction run's orders and its progress (struct compact_control, mm/internal.h).

    It belongs to one run: make a new one for the next. What outlives a run is in the zone (skip bits, cached
    positions).
    """

    # Orders. Nobody changes them while the run goes on, but for finish_pageblock.
    zone: Zone
    kernel: ModuleType = after
    release: str | Release = "6.8"          # a version is looked up once; from then on a Release
    mode: MigrateMode = MigrateMode.SYNC
    order: int = -1                         # -1: the whole zone, as vm.compact_memory asks
    migratetype: int = 1                    # of the allocation that compaction is for: MIGRATE_MOVABLE
    gfp_fs: bool = True                     # __GFP_FS in gfp_mask
    direct_compaction: bool = False         # a task compacts for its own allocation
    kcompactd: bool = False                 # the kcompactd thread compacts
    whole_zone: bool = False                # from end to end, whatever the cached positions
    ignore_skip_hint: bool = False
    no_set_skip_hint: bool = False
    ignore_block_suitable: bool = False     # targets may come from pageblocks of any type
    finish_pageblock: bool = False          # do not stop at 32 pages; compact_zone() says it anew each time
    alloc_contig: bool = False              # alloc_contig_range(): large folios are taken in every release
    # vm.compaction_proactiveness, where the run ends by the zone's score; None: where the scanners meet.
    proactiveness: int | None = None
    traces_all: bool = False                # mm_compaction_finished, too, and a range's pages that are free
    fatal_signal_pfn: int | None = None     # a fatal signal is pending once the scanner is here; None: never
    # A Code or reason per pfn, made by scan.verdicts; None: run the paths. It holds for the zone as it was
    # then: compact_zone() works on a copy, kept up to date; the block function reads what it is given.
    verdicts: bytes | None = None

    # Progress.
    migrate_pfn: int = 0                    # where the migrate scanner stands
    free_pfn: int = 0                       # where the free scanner stands
    # Pfns of isolated folios, newest last (the kernel's list: first), and the pages that they are.
    migratepages: list[int] = field(default_factory=list)
    nr_migratepages: int = 0                # from 6.9 on, while they migrate: targets still wanted
    # Targets by order, and the pages that they are.
    freepages: list[deque] = field(default_factory=lambda: [deque() for _ in range(MAX_ORDER + 1)])
    nr_freepages: int = 0
    nr_succeeded: int = 0                   # pages that the last migrate_pages() has moved
    total_migrate_scanned: int = 0
    total_free_scanned: int = 0
    search_order: int = 0                   # where the next fast search for a target begins
    fast_search_fail: int = 0               # fast searches in a row that found nothing
    # The lowest pageblock that a fast search for a source has come by; 0: none yet; None: done with.
    fast_start_pfn: int | None = 0
    targets: int = 0                        # how often compaction_alloc() was asked
    contended: bool = False
    failed: dict = field(default_factory=dict)      # pages that migration gave up, by Result
    # Source and target of every base page that has moved, in order.
    moves: list[tuple[int, int]] = field(default_factory=list)
    trace: list = field(default_factory=list)       # trace events, in the order of the run
    probe: Callable[[NamedTuple], None] | None = None    # see enter()

    def __post_init__(self):
        check_kernel(self.kernel)
        self.release = release_of(self.release)
        if not isinstance(self.mode, MigrateMode):
            raise TypeError(f"unknown mode {self.mode!r}: write kl.MigrateMode.ASYNC, SYNC_LIGHT or SYNC")
        if not isinstance(self.order, int) or not -1 <= self.order <= MAX_ORDER:
            raise ValueError(f"no order {self.order!r}: write -1 for the whole zone, or 0 to {MAX_ORDER}")
        if self.order == -1 and self.direct_compaction and self.mode == MigrateMode.ASYNC:
            raise ValueError("direct asynchronous compaction is for an allocation: write order=9 or the like")

    def enter(self, event: NamedTuple) -> None:
        """A tracepoint: the event is in the trace; then the probe sees the zone, and leaves it as it is."""
        self.trace.append(event)
        if self.probe is not None:
            self.probe(event)


# Who runs compact_zone(), and how; without an order of its own, a caller has that of the allocation.
CALLERS = {
    # COMPACT_PRIO_ASYNC, _SYNC_LIGHT, _SYNC_FULL (__alloc_pages_direct_compact()): none is MIGRATE_SYNC.
    "direct async": {"mode": MigrateMode.ASYNC, "direct_compaction": True},
    "direct sync light": {"mode": MigrateMode.SYNC_LIGHT, "direct_compaction": True},
    "direct full": {"mode": MigrateMode.SYNC_LIGHT, "direct_compaction": True, "whole_zone": True,
                    "ignore_skip_hint": True, "ignore_block_suitable": True},
    # kcompactd_do_work() and proactive_compact_node(): the same thread, for an allocation and for none. It
    # does not know whose: GFP_KERNEL, whose pages do not move.
    "kcompactd": {"mode": MigrateMode.SYNC_LIGHT, "kcompactd": True, "migratetype": MIGRATE_UNMOVABLE},
    "proactive": {"mode": MigrateMode.SYNC_LIGHT, "order": -1, "kcompactd": True, "whole_zone": True,
                  "ignore_skip_hint": True},
    # compact_node(), by way of vm.compact_memory: the only one of these without ISOLATE_ASYNC_MIGRATE.
    "compact_memory": {"mode": MigrateMode.SYNC, "order": -1, "whole_zone": True, "ignore_skip_hint": True},
}
DIRECT = "direct async", "direct sync light", "direct full"         # by priority, the least effort first
# Who does not: alloc_contig_range() has its own loop.
CONTIG = {"alloc_contig_range": {"mode": MigrateMode.SYNC, "order": -1, "ignore_skip_hint": True,
                                 "no_set_skip_hint": True, "alloc_contig": True}}


def control_for(caller: str, zone: Zone, order: int = PAGEBLOCK_ORDER, **orders) -> CompactControl:
    """The compact_control of a caller by name; `order` is of the allocation, where the caller has one."""
    known = CALLERS | CONTIG
    if caller not in known:
        raise ValueError(f"no caller {caller!r}: write one of {', '.join(known)}")
    # What the caller fixes goes before `order`, and what is asked for by name before both.
    return CompactControl(zone, **{"order": order, **known[caller], **orders})


def isolation_mode(cc: CompactControl, compact_unevictable_allowed: bool = True) -> Mode:
    """How this run isolates, by its mode and by the sysctl (isolate_migratepages(), mm/compaction.c).

    ISOLATE_ASYNC_MIGRATE is not MIGRATE_ASYNC: MIGRATE_SYNC_LIGHT has it, too. alloc_contig_range() ignores
    the sysctl.
    """
    return Mode(async_migrate=cc.mode != MigrateMode.SYNC, gfp_fs=cc.gfp_fs,
                unevictable=compact_unevictable_allowed or cc.alloc_contig)
