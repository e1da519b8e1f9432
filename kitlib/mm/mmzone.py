"""What a zone keeps its free pages in: orders, types and lists (include/linux/mmzone.h).

The buddy allocator has one list for each order and pageblock type, a CPU has its own in front of them, and a
task that compacts for itself may have a block kept for it. How pages come and go is page_alloc.py's. Leaves
out shuffled lists (CONFIG_SHUFFLE_PAGE_ALLOCATOR).
"""
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

PAGEBLOCK_ORDER = 9                 # 512 pages of 4 KiB, as on x86-64
MAX_ORDER = 10                      # the largest free block, inclusive (MAX_PAGE_ORDER since v6.8)
(MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_HIGHATOMIC, MIGRATE_CMA,
 MIGRATE_ISOLATE) = range(6)
MIGRATE_TYPES = 8                   # as many as any release has
MIGRATE_PCPTYPES = 3                # UNMOVABLE, MOVABLE and RECLAIMABLE have per-CPU lists
PAGE_ALLOC_COSTLY_ORDER = 3
NR_PCP_LISTS = MIGRATE_PCPTYPES * (PAGE_ALLOC_COSTLY_ORDER + 1)     # type + 3 * order; huge pages: left out


class Watermark(NamedTuple):
    """How many pages must stay free, and how many more to an allocation that could do with a higher zone."""

    min: int
    low: int
    lowmem_reserve: tuple[int, ...]     # by the highest zone that the allocation may use
    nr_free_highatomic: int = 0         # free pages that are kept for other allocations


class CaptureControl:
    """struct capture_control: a task that compacts for itself is given the first block of its order.

    In a recorded zone alone: a made-up one leaves the block on the free lists, where a learner sees it.
    """

    def __init__(self, order: int, migratetype: int):
        self.order, self.migratetype = order, migratetype
        self.pfn: int | None = None         # where the block starts; no other is captured then


class PerCpuPages:
    """One CPU's free pages (struct per_cpu_pages): lists of pfns by type and order, the newest at the front.

    A page on a list belongs to this CPU: it is no free block, so nobody merges it or takes it as a target.
    """

    def __init__(self, high: int, batch: int, doubles: bool = False):
        self.high = high                        # as many pages as the lists may hold
        self.batch = batch                      # at least so many are given back at a time
        self.doubles = doubles                  # up to 6.1: twice as many from one time to the next
        self.lists: list[deque[int]] = [deque() for _ in range(NR_PCP_LISTS)]
        self.count = 0                          # pages on the lists
        # The lists of huge pages, to which nobody adds here: emptied with the others, and not counted.
        self.huge: list[int] = []
        # pcp->free_count: at least a batch, since what was freed before is not known. Nobody allocates here.
        self.freed_in_a_row = batch
        self.free_factor = 0                    # how often the batch has been doubled
        self.alloc_factor = 0                   # the same, of the batches taken

    def snapshot(self) -> tuple:
        """The lists and counts as values."""
        return (tuple(map(tuple, self.lists)), self.count, self.freed_in_a_row, self.free_factor,
                self.alloc_factor, tuple(self.huge))

    def restore(self, snapshot: tuple) -> None:
        """Set all that snapshot() gave."""
        lists, self.count, self.freed_in_a_row, self.free_factor, self.alloc_factor, huge = snapshot
        self.lists, self.huge = [deque(pfns) for pfns in lists], list(huge)


class FreeLists:
    """One zone's free lists in their order. A block is known by its first pfn, a list by its head: no pfn.

    Only who searches the lists needs their order. The free scanner goes by page frame number.
    """

    def __init__(self, merge_likely_to_tail: bool = True):
        self.merge_likely_to_tail = merge_likely_to_tail        # see buddy_merge_likely()
        heads = [self.head(order, kind) for order in range(MAX_ORDER + 1) for kind in range(MIGRATE_TYPES)]
        # Invariant: next leads round one list, through its head, and prev leads back.
        self.next: dict[int, int] = dict(zip(heads, heads))
        self.prev: dict[int, int] = dict(zip(heads, heads))

    @staticmethod
    def head(order: int, migratetype: int) -> int:
        """What stands before a list's first block and behind its last: free_area[order].free_list."""
        return -1 - (order * MIGRATE_TYPES + migratetype)

    def add(self, pfn: int, order: int, migratetype: int, to_tail: bool = False) -> None:
        """Put a block at the front of its list, or at the back (__add_to_free_list(), mm/page_alloc.c)."""
        head = self.head(order, migratetype)
        if to_tail:
            self._link(self.prev[head], pfn, head)
        else:
            self._link(head, pfn, self.next[head])

    def remove(self, pfn: int) -> None:
        """Take a block out of its list (__del_page_from_free_list(), mm/page_alloc.c)."""
        before, after = self.prev.pop(pfn), self.next.pop(pfn)
        self.next[before], self.prev[after] = after, before

    def forward(self, head: int) -> Iterator[int]:
        """The list's blocks, first to last. Whoever changes the list must not ask for another one."""
        pfn = self.next[head]
        while pfn != head:
            yield pfn
            pfn = self.next[pfn]

    def backward(self, head: int) -> Iterator[int]:
        """The same, last to first."""
        pfn = self.prev[head]
        while pfn != head:
            yield pfn
            pfn = self.prev[pfn]

    def move_freelist_head(self, head: int, pfn: int) -> None:
        """Turn the list until `pfn` is its first block: those before it go behind the last."""
        if self.next[head] != pfn:
            self.remove(head)
            self._link(self.prev[pfn], head, pfn)

    def move_freelist_tail(self, head: int, pfn: int) -> None:
        """Turn the list until `pfn` is its last block: those behind it go to the front."""
        if self.prev[head] != pfn:
            self.remove(head)
            self._link(pfn, head, self.next[pfn])

    def _link(self, before: int, pfn: int, after: int) -> None:
        self.next[before] = self.prev[after] = pfn
        self.prev[pfn], self.next[pfn] = before, after

    def snapshot(self) -> tuple:
        """The order of all lists as values."""
        return tuple(self.next.items())

    def restore(self, snapshot: tuple) -> None:
        """Set all that snapshot() gave."""
        self.next = dict(snapshot)
        self.prev = {after: pfn for pfn, after in snapshot}
