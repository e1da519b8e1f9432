"""What the migrate scanner finds from a pfn on (isolate_migratepages_block(), mm/compaction.c).

`ScanByPath` runs the kernel's own path on one page after the other. `ScanByTable` reads a verdict per page
that was made from the same path (scan.py), and goes over a run of pages at once. Both act on the zone alike;
a test marries them.
"""
import re
from collections.abc import Sequence
from itertools import compress, islice
from types import ModuleType
from typing import NamedTuple

from ..concurrency.sched import run_path
from ..mm.folio import PG
from ..mm.verdict import Code, Mode
from ..mm.zone import Zone
from .releases import Release

_OFF_LRU = ~PG.LRU
LARGEST = 20                    # the order of the largest compound page: hugetlb's may exceed a free block's
_IF_ISOLATED = bytes(code == Code.ISOLATED for code in range(256))
_ISOLATED, _FREE_BLOCK, _COMPOUND = map(int, (Code.ISOLATED, Code.FREE_BLOCK, Code.COMPOUND))


class Scanned(NamedTuple):
    """So many pages further on, with these folios isolated: off the LRU, and a reference is held on each."""

    pages: int = 1
    folios: Sequence[int] = ()  # pfns
    failed: bool = False        # the page was a candidate that cannot be isolated, and it matters
    jumped: bool = False        # the pages are one block, looked at once; otherwise each was looked at


# A page or block that is left where it is, by order: made once, for a scan looks at every page.
_FREE = [Scanned(1 << order, jumped=order > 0) for order in range(LARGEST + 1)]
_FAIL = [Scanned(1 << order, failed=True, jumped=order > 0) for order in range(LARGEST + 1)]
_NO_CODE = 255                  # no page has it


def _left(release: Release) -> tuple[list[Scanned], list[Scanned]]:
    """What comes of a free block and of a compound page that is stepped over, by order.

    A release that does not jump sees a single page in each; the rest of the block then comes page by page.
    """
    return (_FREE if release.jumps_free_blocks else _FREE[:1] * len(_FREE),
            _FAIL if release.jumps_compound else _FAIL[:1] * len(_FAIL))


def _taken(pfn: int, order: int, release: Release) -> Scanned:
    return Scanned(1 << order, [pfn], jumped=order > 0) if release.jumps_compound else Scanned(1, [pfn])


class ScanByPath:
    """One page at a time: the kernel's path decides, and acts on the zone."""

    def __init__(self, zone: Zone, release: Release, kernel: ModuleType, mode: Mode, skip_order: int):
        self.zone, self.release, self.kernel, self.mode = zone, release, kernel, mode
        self.free, self.fail = _left(release)
        self.skip_order = skip_order            # compound pages of this order and above are stepped over

    def __call__(self, pfn: int, end_pfn: int, wanted: int) -> Scanned:
        # Neither lock nor reference is held: in the kernel both may be stale, and only lead to a jump too
        # short or too long.
        flags, order = self.zone.flags[pfn], self.zone.order[pfn]
        if flags & PG.BUDDY:
            return self.free[order]
        if flags & PG.HEAD and order >= self.skip_order:
            return self.fail[order]
        verdict = run_path(self.kernel.isolate_folio(self.zone.folio(pfn), self.mode))
        # Large folios that fail are not stepped over: each tail is looked at, and has no references.
        return _taken(pfn, order, self.release) if verdict.isolated else _FAIL[0]


class ScanByTable:
    """The same from a verdict per page: a run of pages at once, up to the one that makes them enough.

    A run is as long as it may be without changing what is counted or who is put back; which pages may be in
    one is said by one of three regular expressions over the verdicts, a byte a page. The verdicts must be the
    zone's as it is now: whoever frees or takes pages meanwhile notes it (Zone.verdicts).
    """

    # For a caller in whose eyes one failed page spoils the chunk (skip_on_failure), in every release: a run
    # ends before the first page that fails. Isolated pages and single free ones do not; a free block does not
    # either, but it has its own length.
    NO_FAILURES = re.compile(b"[%c%c]*" % (Code.ISOLATED, Code.FREE))
    # For all others, from 6.4 on: nr_scanned grows by all pages of a block that is jumped over, as if each
    # were looked at. So nothing ends a run.
    EVERY_PAGE = re.compile(b".*", re.DOTALL)
    # For all others, up to 6.3: a block that is jumped over counts once. So a run ends before it.
    NO_BLOCKS = re.compile(b"[^%c%c]*" % (Code.FREE_BLOCK, Code.COMPOUND), re.DOTALL)

    def __init__(self, zone: Zone, release: Release, verdicts: bytes, skip_on_failure: bool):
        self.zone, self.release, self.verdicts = zone, release, verdicts
        self.free, self.fail = _left(release)
        # What is not jumped over has no pages beyond its first one that a run would have to go over with it.
        self.free_block = _FREE_BLOCK if release.jumps_free_blocks else _NO_CODE
        self.compound = _COMPOUND if release.jumps_compound else _NO_CODE
        if skip_on_failure:
            self.run = self.NO_FAILURES
        elif release.counts_jumped:
            self.run = self.EVERY_PAGE
        else:
            self.run = self.NO_BLOCKS

    def __call__(self, pfn: int, end_pfn: int, wanted: int) -> Scanned:
        zone, verdicts, orders = self.zone, self.verdicts, self.zone.order
        flags, refcount = zone.flags, zone.refcount
        end = self.run.match(verdicts, pfn, end_pfn).end()
        # A large folio that is taken counts with all its pages, and comes alone.
        if end == pfn or (orders[pfn] and verdicts[pfn] == _ISOLATED):
            return self._one(pfn)
        isolated = compress(range(pfn, end), verdicts[pfn:end].translate(_IF_ISOLATED))
        folios = list(islice(isolated, wanted))
        for number, page in enumerate(folios):
            if orders[page]:
                return Scanned(page - pfn, folios[:number])
            flags[page] &= _OFF_LRU
            refcount[page] += 1
        # The scan stops right after the page that made them enough, and must not have counted any beyond it.
        if len(folios) == wanted:
            return Scanned(folios[-1] + 1 - pfn, folios)
        # The last block in the run may reach beyond it, even beyond end_pfn: it is jumped over whole.
        last = max(verdicts.rfind(self.free_block, pfn, end), verdicts.rfind(self.compound, pfn, end))
        if last >= 0:
            end = max(end, last + (1 << orders[last]))
        return Scanned(end - pfn, folios)

    def _one(self, pfn: int) -> Scanned:
        """The page that no run may contain."""
        code, order = self.verdicts[pfn], self.zone.order[pfn]
        if code == _ISOLATED:
            self.zone.flags[pfn] &= _OFF_LRU
            self.zone.refcount[pfn] += 1
            return _taken(pfn, order, self.release)
        if code == _FREE_BLOCK:
            return self.free[order]
        # A large folio that fails is not stepped over: its tails come one by one, and fail, too.
        return self.fail[order if code == _COMPOUND else 0]
