"""The zone: page frames by number (pfn), in columns; pageblocks; counters (struct zone, mmzone.h).

A page's state is one entry in each column, so a zone of a million pages is a handful of arrays, no objects;
`Folio` (folio.py) is a view of one entry. Leaves out memcg lruvecs and NUMA nodes (there is one LRU), page
tables, and the zone's locks: zone->lock, lruvec->lru_lock, pcp->lock. What they protect is changed here by
plain functions, from beginning to end: other threads run at steps alone.
"""
import copy
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from .folio import PG, Folio
from .mapping import AddressSpace
from .mmzone import (MAX_ORDER, MIGRATE_CMA as MIGRATE_CMA, MIGRATE_MOVABLE, MIGRATE_TYPES,
                     MIGRATE_UNMOVABLE as MIGRATE_UNMOVABLE, PAGEBLOCK_ORDER, CaptureControl, FreeLists,
                     PerCpuPages, Watermark)
from .verdict import Code

# /proc/vmstat's names, for what this zone has a share in.
VMSTAT = ("nr_isolated_anon", "nr_isolated_file",
          "compact_migrate_scanned", "compact_free_scanned", "compact_isolated",
          "compact_stall", "compact_fail", "compact_success",
          "compact_daemon_migrate_scanned", "compact_daemon_free_scanned",
          "pgmigrate_success", "pgmigrate_fail")


class Kind(NamedTuple):
    """What one sort of base page looks like, in every column. Index 0 of a palette is the free page."""

    name: str
    flags: int = 0
    refcount: int = 1
    mapcount: int = 0
    mapping: int = 0                # index into the zone's mappings; 0 = none or anonymous


FREE_PAGE = Kind("free", PG.BUDDY, refcount=0)
_FREE_TAIL = FREE_PAGE._replace(flags=PG.FREE_TAIL)
_FREE_HEAD = FREE_PAGE._replace(flags=PG.BUDDY | PG.HEAD)
_HELD = int(Code.FREE_TAIL)         # scanners pass by the inside of a free block, and what is held


class Zone:
    """Page frames start_pfn to end_pfn (exclusive), with their pageblocks and counters."""

    COLUMNS = ("flags", "refcount", "mapcount", "mapping", "order", "migratetype", "skip")

    def __init__(self, pages: int, *, name: str = "Normal", start_pfn: int = 0):
        if not isinstance(pages, int) or pages < 1:
            raise ValueError(f"a zone needs at least one page, not {pages!r}: write a whole number of pages")
        self._begin(name, start_pfn, start_pfn + pages)
        # Columns begin at pfn 0, whatever start_pfn is, so that a pfn is an index.
        end_pfn, blocks = self.end_pfn, pageblock_end_pfn(self.end_pfn - 1) >> PAGEBLOCK_ORDER
        self.flags = array("H", [PG.BUDDY]) * end_pfn       # PG_* bits
        self.refcount = array("h", bytes(2 * end_pfn))
        self.mapcount = array("h", bytes(2 * end_pfn))
        self.mapping = array("H", bytes(2 * end_pfn))       # index into self.mappings
        self.order = bytearray(end_pfn)                     # at the head of a free block or compound page
        self.migratetype = bytearray([MIGRATE_MOVABLE]) * blocks
        self.skip = bytearray(blocks)                       # PB_migrate_skip, one byte a pageblock
        self.mappings: list[AddressSpace | None] = [None]
        self.pcp: PerCpuPages | None = None                 # None: what is freed goes to the buddy allocator
        # Folios on their way to the LRU, each with one reference more for being here (struct cpu_fbatches).
        self.lru_batch: list[int] = []
        self.buffers_held: frozenset[int] = frozenset()     # block device pages: somebody holds a buffer
        # While a table is used: a Code or reason for every page. Whoever frees or holds pages keeps it true.
        self.verdicts: bytearray | None = None

    def _begin(self, name: str, start_pfn: int, end_pfn: int) -> None:
        """What a zone has for itself, even where it shares its pages: range, counters, where scans begin."""
        self.name, self.start_pfn, self.end_pfn = name, start_pfn, end_pfn
        self.vmstat = dict.fromkeys(VMSTAT, 0)
        self.cached_migrate_pfn = [start_pfn, start_pfn]    # where the next async and sync scans begin
        self.cached_free_pfn = pageblock_start_pfn(end_pfn - 1)
        # A scan that begins at the first of these sees the whole zone; fast searches begin at the second.
        self.init_migrate_pfn, self.init_free_pfn = start_pfn, self.cached_free_pfn
        self.compact_considered = self.compact_defer_shift = self.compact_order_failed = 0
        # None: in no order that is known, and nobody searches them; no watermark is minded; nobody waits.
        self.free_lists: FreeLists | None = None
        self.watermark: Watermark | None = None
        self.capture: CaptureControl | None = None
        # Free blocks by order and by the type of the pageblock where they start: see count_free_blocks().
        self.nr_free = [[0] * MIGRATE_TYPES for _ in range(MAX_ORDER + 1)]

    @classmethod
    def from_kinds(cls, kinds: bytes, palette: Sequence[Kind],
                   mappings: Sequence[AddressSpace] = ()) -> "Zone":
        """A zone with one byte of `kinds` a page, each an index into `palette`.

        Runs of free pages (0) become buddy blocks. `mappings` are numbered from 1, as in Kind.mapping; each
        counts the pages that are in it.
        """
        self = cls(len(kinds))
        joined, self.order = _join_free_pages(kinds, len(palette), len(palette) + 1)
        for column, (low, high) in _bytes_by_kind((*palette, _FREE_TAIL, _FREE_HEAD)).items():
            # Two bytes a page, the low one first.
            planes = bytearray(2 * len(kinds))
            planes[0::2] = joined.translate(low)
            if any(high):
                planes[1::2] = joined.translate(high)
            setattr(self, column, array(getattr(self, column).typecode, bytes(planes)))
        self.mappings += mappings
        for number, owner in enumerate(mappings, 1):
            owner.nrpages = sum(kinds.count(at) for at, kind in enumerate(palette) if kind.mapping == number)
        return self

    def part(self, name: str, start_pfn: int, end_pfn: int) -> "Zone":
        """A zone over some of the same page frames: the columns are shared, the counters are its own."""
        zone = copy.copy(self)
        zone._begin(name, start_pfn, end_pfn)
        return zone

    def __len__(self) -> int:
        return self.end_pfn - self.start_pfn

    def __repr__(self) -> str:
        return f"Zone {self.name}: pfn {self.start_pfn} to {self.end_pfn}, {len(self):,} pages"

    def folio(self, pfn: int) -> Folio:
        """A view of the page frame `pfn`, whatever is in it. IndexError outside the zone."""
        if not hasattr(pfn, "__index__") or not self.start_pfn <= pfn < self.end_pfn:
            raise IndexError(f"pfn {pfn!r} lies outside {self!r}: "
                             f"write a pfn from {self.start_pfn} to {self.end_pfn - 1}")
        return Folio(self, int(pfn))

    @property
    def folios(self) -> Iterator[Folio]:
        """Every folio of anonymous memory or page cache, on an LRU list or off it, in pfn order, lazily."""
        no_folio = PG.BUDDY | PG.FREE_TAIL | PG.TAIL | PG.SLAB | PG.NO_PAGE
        flags = self.flags
        return (Folio(self, pfn) for pfn in range(self.start_pfn, self.end_pfn) if not flags[pfn] & no_folio)

    def make_compound(self, pfn: int, order: int) -> None:
        """Join the base pages from `pfn` on, all alike, into one compound page of 2^order pages.

        The head keeps its own counts: caller must set those of the whole folio.
        """
        for tail in range(pfn + 1, pfn + (1 << order)):
            self.flags[tail], self.refcount[tail], self.mapcount[tail], self.mapping[tail] = PG.TAIL, 0, 0, 0
        self.flags[pfn] |= PG.HEAD
        self.order[pfn] = order

    def hold(self, pfn: int, order: int, flags: int) -> None:
        """Make 2^order pages from `pfn` on no folio and no free block: on a per-CPU list, or a target.

        Caller must own them: a free block that it takes from the buddy allocator and out of nr_free, or a
        folio whose last reference it dropped. Nobody else finds them until they are freed or used.
        """
        if order == 0:
            self.flags[pfn], self.order[pfn] = flags, 0
            if self.verdicts is not None:
                self.verdicts[pfn] = _HELD
            return
        end = pfn + (1 << order)
        self.flags[pfn:end] = array("H", [flags]) * (end - pfn)
        self.order[pfn] = 0
        if self.verdicts is not None:
            self.verdicts[pfn:end] = bytes([_HELD]) * (end - pfn)

    def add_mapping(self, mapping: AddressSpace | None) -> int:
        """The number of `mapping` in the zone's table, where it is entered when new. Numbers never change."""
        if mapping not in self.mappings:
            self.mappings.append(mapping)
        return self.mappings.index(mapping)

    def snapshot(self) -> tuple:
        """All that threads can see and change, as hashable values: `restore` brings it back.

        Not in it: nr_free, which each run counts anew, and verdicts, which are no memory of the kernel's.
        """
        return (self.flags.tobytes(), self.refcount.tobytes(), self.mapcount.tobytes(),
                self.mapping.tobytes(), bytes(self.order), bytes(self.migratetype), bytes(self.skip),
                tuple(self.vmstat.values()), (*self.cached_migrate_pfn, self.cached_free_pfn),
                (self.compact_considered, self.compact_defer_shift, self.compact_order_failed),
                self.free_lists and self.free_lists.snapshot(), self.pcp and self.pcp.snapshot(),
                tuple(self.lru_batch),
                tuple([mapping.snapshot() for mapping in self.mappings if mapping]))

    def restore(self, snapshot: tuple) -> None:
        """Bring the zone back to a snapshot of itself. Mappings entered since then are left as they are."""
        *columns, vmstat, cached, deferral, free_lists, pcp, lru_batch, mappings = snapshot
        for name, saved in zip(self.COLUMNS, columns, strict=True):
            column = getattr(self, name)
            if bytes(column) != saved:
                memoryview(column).cast("B")[:] = saved     # in place: parts of the zone and numpy share it
        self.vmstat.update(zip(VMSTAT, vmstat, strict=True))
        self.cached_migrate_pfn[:], self.cached_free_pfn = cached[:2], cached[2]
        self.compact_considered, self.compact_defer_shift, self.compact_order_failed = deferral
        if self.free_lists:
            self.free_lists.restore(free_lists)
        if self.pcp:
            self.pcp.restore(pcp)
        self.lru_batch[:] = lru_batch
        for mapping, saved in zip(filter(None, self.mappings), mappings, strict=False):
            mapping.restore(saved)


def pageblock_nr_pages() -> int:
    """Pages in a pageblock."""
    return 1 << PAGEBLOCK_ORDER


def pageblock_start_pfn(pfn: int) -> int:
    """First pfn of the pageblock of `pfn` (include/linux/pageblock-flags.h)."""
    return pfn >> PAGEBLOCK_ORDER << PAGEBLOCK_ORDER


def pageblock_end_pfn(pfn: int) -> int:
    """First pfn after the pageblock of `pfn` (include/linux/pageblock-flags.h)."""
    return block_end_pfn(pfn, PAGEBLOCK_ORDER)


def block_end_pfn(pfn: int, order: int) -> int:
    """First pfn after the aligned block of 2^order pages that holds `pfn` (mm/compaction.c)."""
    return (pfn >> order) + 1 << order


@lru_cache
def _bytes_by_kind(palette: tuple[Kind, ...]) -> dict[str, tuple[bytes, bytes]]:
    """For each column of 16 bits the low and the high byte of every kind's entry, to translate kinds with."""
    def byte(column: str, shift: int) -> bytes:
        return bytes(getattr(kind, column) >> shift & 255 for kind in palette).ljust(256, b"\0")

    columns = "flags", "refcount", "mapcount", "mapping"
    return {column: (byte(column, 0), byte(column, 8)) for column in columns}


def _join_free_pages(kinds: bytes, tail: int, head: int) -> tuple[bytearray, bytearray]:
    """Join free pages (kind 0) into the largest aligned blocks: the new kinds and the order column.

    `head` and `tail` are the kinds of the pages of a block of order 1 or more.
    """
    joined, orders = bytearray(kinds), bytearray(len(kinds))
    # The largest first: what they take is no free page any more when the smaller ones look for theirs.
    for order in range(MAX_ORDER, 0, -1):
        pages = 1 << order
        free, block = bytes(pages), bytes([head]) + bytes([tail]) * (pages - 1)
        pfn = joined.find(free)
        while pfn >= 0:
            unaligned = -pfn % pages
            if not unaligned:
                joined[pfn:pfn + pages] = block
                orders[pfn] = order
            pfn = joined.find(free, pfn + (unaligned or pages))
    return joined, orders
