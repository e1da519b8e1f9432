"""What the migrate scanner finds from a pfn on (isolate_migratepages_block(), mm/compaction.c).

`ScanByPath` runs the kernel's own path on one page after the other. `ScanByTable` reads a verdict per page that was made from the
same path (scan.py), and goes over a run of pages at once. Both act on the zone alike; a test marries them.
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
    """So many pages further on, with so many folios isolated."""

    pages: int = 1
    folios: Sequence[int] = ()  # pfns
    failed: bool = False        # the page was a candidate that cannot be isolated, and it matters
    jumped: bool = False        # the pages are one block, looked at once; otherwise each was looked at


# A base page or a block, by order: made once, for a scan looks at every page.
_FREE, _FAIL = ([Scanned(1 << order, failed=failed, jumped=order > 0) for order in range(LARGEST + 1)] for failed in (False, True))
_NO_CODE = 255                  # no page has it


def _looks(release: Release) -> tuple[list[Scanned], list[Scanned]]:
    """What a free block and a compound page that is stepped over look like, by order: one page where it is not jumped over."""
    return (_FREE if release.jumps_free_blocks else _FREE[:1] * len(_FREE),
            _FAIL if release.jumps_compound else _FAIL[:1] * len(_FAIL))


def _taken(pfn: int, order: int, release: Release) -> Scanned:
    return Scanned(1 << order, [pfn], jumped=order > 0) if release.jumps_compound else Scanned(1, [pfn])


class ScanByPath:
    """One page at a time: the kernel's path decides, and acts on the zone."""

    def __init__(self, zone: Zone, release: Release, kernel: ModuleType, mode: Mode, skip_order: int):
        self.zone, self.release, self.kernel, self.mode = zone, release, kernel, mode
        self.free, self.fail = _looks(release)
        self.skip_order = skip_order            # compound pages of this order and above are stepped over

    def __call__(self, pfn: int, end_pfn: int, wanted: int) -> Scanned:
        flags, order = self.zone.flags[pfn], self.zone.order[pfn]
        if flags & PG.BUDDY:
            return self.free[order]
        if flags & PG.HEAD and order >= self.skip_order:
            return self.fail[order]
        verdict = run_path(self.kernel.isolate_folio(self.zone.folio(pfn), self.mode))
        # Large folios that fail are not stepped over: each tail is looked at, and fails at its reference count.
        return _taken(pfn, order, self.release) if verdict.isolated else _FAIL[0]


class ScanByTable:
    """The same from a verdict per page: a run of base pages at once, up to the page that makes as many as are wanted."""

    # Runs of pages that are each looked at. Where a failed page matters, only single free pages come to nothing.
    NO_BLOCKS = re.compile(b"[^%c%c]*" % (Code.FREE_BLOCK, Code.COMPOUND), re.DOTALL)
    NO_FAILURES = re.compile(b"[%c%c]*" % (Code.ISOLATED, Code.FREE))
    EVERY_PAGE = re.compile(b".*", re.DOTALL)

    def __init__(self, zone: Zone, release: Release, verdicts: bytes, skip_on_failure: bool):
        self.zone, self.release, self.verdicts = zone, release, verdicts
        self.free, self.fail = _looks(release)
        self.free_block = _FREE_BLOCK if release.jumps_free_blocks else _NO_CODE
        self.compound = _COMPOUND if release.jumps_compound else _NO_CODE
        # Where a block counts with all its pages, it counts as if each were looked at.
        self.run = (self.NO_FAILURES if skip_on_failure else self.EVERY_PAGE if release.counts_jumped else self.NO_BLOCKS).match

    def __call__(self, pfn: int, end_pfn: int, wanted: int) -> Scanned:
        verdicts, flags, refcount, orders = self.verdicts, self.zone.flags, self.zone.refcount, self.zone.order
        end = self.run(verdicts, pfn, end_pfn).end()
        if end == pfn or orders[pfn] and verdicts[pfn] == _ISOLATED:
            return self._one(pfn)
        folios = list(islice(compress(range(pfn, end), verdicts[pfn:end].translate(_IF_ISOLATED)), wanted))
        for number, page in enumerate(folios):
            if orders[page]:
                return Scanned(page - pfn, folios[:number])
            flags[page] &= _OFF_LRU
            refcount[page] += 1
        if len(folios) == wanted:
            return Scanned(folios[-1] + 1 - pfn, folios)
        last = max(verdicts.rfind(self.free_block, pfn, end), verdicts.rfind(self.compound, pfn, end))
        if last >= 0:
            end = max(end, last + (1 << orders[last]))
        return Scanned(end - pfn, folios)

    def _one(self, pfn: int) -> Scanned:
        code, order = self.verdicts[pfn], self.zone.order[pfn]
        if code == _ISOLATED:
            self.zone.flags[pfn] &= ~PG.LRU
            self.zone.refcount[pfn] += 1
            return _taken(pfn, order, self.release)
        if code == _FREE_BLOCK:
            return self.free[order]
        return self.fail[order if code == _COMPOUND else 0]
