"""The zone: page frames by number (pfn), in columns; pageblocks; counters (struct zone, include/linux/mmzone.h).

A page's state is one entry in each column, so a zone of a million pages is a handful of arrays and no objects;
`Folio` (folio.py) is a view of one entry. Page-table sharing, memcg lruvecs and NUMA nodes are left out: one LRU.
"""
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from .folio import PG, Folio
from .mapping import AddressSpace
from .verdict import Code

PAGEBLOCK_ORDER = 9                 # 512 pages of 4 KiB, as on x86-64
MAX_ORDER = 10                      # the largest free block, inclusive (MAX_PAGE_ORDER since v6.8)
MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_HIGHATOMIC, MIGRATE_CMA, MIGRATE_ISOLATE = range(6)
MIGRATE_TYPES = 8              # as many as any release has

# /proc/vmstat's names, for what this zone has a share in.
VMSTAT = ("nr_isolated_anon", "nr_isolated_file", "compact_migrate_scanned", "compact_free_scanned", "compact_isolated",
          "compact_stall", "compact_fail", "compact_success", "compact_daemon_migrate_scanned", "compact_daemon_free_scanned",
          "pgmigrate_success", "pgmigrate_fail")

_IS_FREE = bytes([1]) + bytes(255)
_HELD = int(Code.FREE_TAIL)


class Kind(NamedTuple):
    """What one sort of base page looks like, in every column. Index 0 of a palette is always the free page."""

    name: str
    flags: int = 0
    refcount: int = 1
    mapcount: int = 0
    mapping: int = 0                # index into the zone's mappings; 0 = none or anonymous


FREE_PAGE = Kind("free", PG.BUDDY, refcount=0)
_FREE_TAIL, _FREE_HEAD = FREE_PAGE._replace(flags=PG.FREE_TAIL), FREE_PAGE._replace(flags=PG.BUDDY | PG.HEAD)


class Zone:
    """Page frames start_pfn to end_pfn (exclusive), with their pageblocks and counters."""

    def __init__(self, pages: int, *, name: str = "Normal", start_pfn: int = 0):
        if not isinstance(pages, int) or pages < 1:
            raise ValueError(f"a zone needs at least one page, not {pages!r}: write a whole number of pages")
        end_pfn = start_pfn + pages
        blocks = (end_pfn + pageblock_nr_pages() - 1) >> PAGEBLOCK_ORDER
        self.name, self.start_pfn, self.end_pfn = name, start_pfn, end_pfn
        self.flags = array("H", [PG.BUDDY]) * end_pfn       # PG_* bits
        self.refcount = array("h", bytes(2 * end_pfn))
        self.mapcount = array("h", bytes(2 * end_pfn))
        self.mapping = array("H", bytes(2 * end_pfn))       # index into self.mappings
        self.order = bytearray(end_pfn)                     # of the free block or compound page that starts here
        self.migratetype = bytearray([MIGRATE_MOVABLE]) * blocks
        self.skip = bytearray(blocks)                       # PB_migrate_skip, one byte a pageblock
        self.mappings: list[AddressSpace | None] = [None]
        self.vmstat = dict.fromkeys(VMSTAT, 0)
        self.cached_migrate_pfn = [start_pfn, start_pfn]    # where the next async and the next sync scan starts
        self.cached_free_pfn = pageblock_start_pfn(end_pfn - 1)
        self.nr_free = [[0] * MIGRATE_TYPES for _ in range(MAX_ORDER + 1)]    # free blocks by order and pageblock type
        self.pcp = None                                     # a CPU's free pages (allocator.PerCpuPages), if they count
        self.buffers_held: frozenset[int] = frozenset()     # pages of the block device with a buffer that somebody holds
        self.verdicts: bytearray | None = None              # while a table is used: a Code or reason for every page

    COLUMNS = ("flags", "refcount", "mapcount", "mapping", "order", "migratetype", "skip")

    @classmethod
    def from_kinds(cls, kinds: bytes, palette: Sequence[Kind], mappings: Sequence[AddressSpace] = (), **zone) -> "Zone":
        """A zone with one byte of `kinds` a page, each an index into `palette`; the runs of free pages (0) become buddy blocks.

        `mappings` are numbered from 1, as Kind.mapping counts them.
        """
        self = cls(len(kinds), **zone)
        kinds, self.order = _buddy_blocks(kinds, len(palette), len(palette) + 1)
        for column, (low, high) in _bytes_by_kind((*palette, _FREE_TAIL, _FREE_HEAD)).items():
            planes = bytearray(2 * len(kinds))
            planes[0::2] = kinds.translate(low)
            if any(high):
                planes[1::2] = kinds.translate(high)
            setattr(self, column, array(getattr(self, column).typecode, bytes(planes)))
        self.mappings += mappings
        return self

    def part(self, name: str, start_pfn: int, end_pfn: int) -> "Zone":
        """A zone over some of the same page frames: the columns are shared, the counters are its own."""
        zone = object.__new__(Zone)
        zone.__dict__.update(self.__dict__, name=name, start_pfn=start_pfn, end_pfn=end_pfn,
                             vmstat=dict.fromkeys(VMSTAT, 0), cached_migrate_pfn=[start_pfn, start_pfn],
                             cached_free_pfn=pageblock_start_pfn(end_pfn - 1),
                             nr_free=[[0] * MIGRATE_TYPES for _ in range(MAX_ORDER + 1)])
        return zone

    def __len__(self):
        return self.end_pfn - self.start_pfn

    def __repr__(self):
        return f"Zone {self.name}: pfn {self.start_pfn} to {self.end_pfn}, {len(self):,} pages"

    def folio(self, pfn: int) -> Folio:
        """A view of the page frame `pfn`. IndexError outside the zone."""
        if not hasattr(pfn, "__index__") or not self.start_pfn <= pfn < self.end_pfn:
            raise IndexError(f"pfn {pfn!r} lies outside {self!r}: write a pfn from {self.start_pfn} to {self.end_pfn - 1}")
        return Folio(self, int(pfn))

    @property
    def folios(self) -> Iterator[Folio]:
        """Every folio of anonymous memory or page cache, on an LRU list or off it, in pfn order, lazily."""
        no_folio = PG.BUDDY | PG.FREE_TAIL | PG.TAIL | PG.SLAB | PG.NO_PAGE
        flags = self.flags
        return (Folio(self, pfn) for pfn in range(self.start_pfn, self.end_pfn) if not flags[pfn] & no_folio)

    def free_range(self, start: int, end: int) -> None:
        """Make pages `start` to `end` free, as the largest aligned blocks that fit (mm/page_alloc.c, free_area)."""
        while start < end:
            order = min(MAX_ORDER, (end - start).bit_length() - 1, (start & -start).bit_length() - 1 if start else MAX_ORDER)
            self.flags[start] = PG.BUDDY | PG.HEAD if order else PG.BUDDY
            for pfn in range(start + 1, start + (1 << order)):
                self.flags[pfn] = PG.FREE_TAIL
            self.order[start] = order
            start += 1 << order

    def make_compound(self, pfn: int, order: int) -> None:
        """Join the base pages from `pfn` on, all alike, into one compound page of 2^order pages."""
        for tail in range(pfn + 1, pfn + (1 << order)):
            self.flags[tail], self.refcount[tail], self.mapcount[tail], self.mapping[tail] = PG.TAIL, 0, 0, 0
        self.flags[pfn] |= PG.HEAD
        self.order[pfn] = order

    def hold(self, pfn: int, order: int, flags: int) -> None:
        """Make 2^order pages from `pfn` on nobody's folio and no free block: on a per-CPU list, or a target to come."""
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

    def add_mapping(self, mapping: AddressSpace) -> int:
        """The number of `mapping` in the zone's table; it is entered when it is new."""
        if mapping not in self.mappings:
            self.mappings.append(mapping)
        return self.mappings.index(mapping)

    def snapshot(self) -> tuple:
        """All that threads can see and change, as hashable values: `restore` brings it back."""
        return (self.flags.tobytes(), self.refcount.tobytes(), self.mapcount.tobytes(), self.mapping.tobytes(),
                bytes(self.order), bytes(self.migratetype), bytes(self.skip), tuple(self.vmstat.values()),
                (*self.cached_migrate_pfn, self.cached_free_pfn), self.pcp and self.pcp.snapshot(),
                tuple([mapping.snapshot() for mapping in self.mappings[1:]]))

    def restore(self, snapshot: tuple) -> None:
        """Bring the zone back to a snapshot of itself."""
        *columns, vmstat, cached, pcp, mappings = snapshot
        for column, saved in zip(map(self.__dict__.get, self.COLUMNS), columns):
            if bytes(column) != saved:
                memoryview(column).cast("B")[:] = saved
        self.vmstat.update(zip(VMSTAT, vmstat))
        self.cached_migrate_pfn[:], self.cached_free_pfn = cached[:2], cached[2]
        if self.pcp:
            self.pcp.restore(pcp)
        for mapping, saved in zip(self.mappings[1:], mappings):
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
    return {column: tuple(bytes(getattr(kind, column) >> shift & 255 for kind in palette).ljust(256, b"\0") for shift in (0, 8))
            for column in ("flags", "refcount", "mapcount", "mapping")}


def _buddy_blocks(kinds: bytes, tail: int, head: int) -> tuple[bytes, bytearray]:
    """Join free pages (kind 0) into the largest aligned blocks, as free_range() does; the new kinds and the order column.

    `head` and `tail` are the kinds of their pages in blocks of order 1 or more. All pages at once, in numbers of one byte
    a page: 1 where a free block of some order starts.
    """
    starts = [int.from_bytes(kinds.translate(_IS_FREE), "little")]
    for order in range(MAX_ORDER):
        pages = 1 << order
        aligned = (b"\x01" + bytes(2 * pages - 1)) * (len(kinds) // (2 * pages))
        starts.append(starts[order] & starts[order] >> 8 * pages & int.from_bytes(aligned, "little"))
    heads = orders = larger = 0
    for order in range(MAX_ORDER, 0, -1):
        here = starts[order] & ~(larger | larger << (8 << order))       # not half of a larger block
        heads, orders, larger = heads | here, orders | here * order, starts[order]
    tails = (larger | larger << 8) & ~heads
    joined = int.from_bytes(kinds, "little") | heads * head | tails * tail
    return joined.to_bytes(len(kinds), "little"), bytearray(orders.to_bytes(len(kinds), "little"))
