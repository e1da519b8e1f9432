"""What one page comes to when the migrate scanner looks at it (isolate_migratepages_block(), mm/compaction.c).

`ByPath` runs the kernel's own path on every page. `ByTable` reads a verdict per page that was made from the same path
(scan.py), and passes over a run of pages at once. Both act on the zone alike; a test marries them.
"""
import re
from types import ModuleType
from typing import NamedTuple

from .control import Release
from .folio import PG
from .sched import run_path
from .verdict import Code, Mode
from .zone import Zone

FREE, FAIL, ISOLATED = "free", "fail", "isolated"
LARGEST = 20                    # the order of the largest compound page: hugetlb's may exceed a free block's
_ISOLATED, _FREE_BLOCK, _COMPOUND = map(int, (Code.ISOLATED, Code.FREE_BLOCK, Code.COMPOUND))


class Look(NamedTuple):
    """What the scanner sees at a pfn: a free page, a failed candidate or a folio it has isolated, and its pages."""

    outcome: str                # FREE, FAIL or ISOLATED
    pages: int = 1              # the scanner goes on this many pages further
    jumped: bool = False        # they are one block, looked at once; otherwise each was looked at


# A base page or a block, by order: made once, for a scan looks at every page.
_JUMP = {outcome: [Look(outcome), *(Look(outcome, 1 << order, jumped=True) for order in range(1, LARGEST + 1))]
         for outcome in (FREE, FAIL, ISOLATED)}
_STEP = {outcome: looks[:1] * len(looks) for outcome, looks in _JUMP.items()}


def _looks(counts: Release) -> tuple[list[Look], list[Look], list[Look]]:
    """What a free block, a compound page that is stepped over and a folio taken look like, by order."""
    compound = _JUMP if counts.jumps_compound else _STEP
    return (_JUMP if counts.jumps_free_blocks else _STEP)[FREE], compound[FAIL], compound[ISOLATED]


class ByPath:
    """One page at a time: the kernel's path decides, and acts on the zone."""

    def __init__(self, zone: Zone, counts: Release, kernel: ModuleType, mode: Mode, skip_order: int):
        self.zone, self.kernel, self.mode = zone, kernel, mode
        self.free, self.fail, self.taken = _looks(counts)
        self.skip_order = skip_order            # compound pages of this order and above are stepped over

    def __call__(self, pfn: int, end_pfn: int) -> Look:
        flags, order = self.zone.flags[pfn], self.zone.order[pfn]
        if flags & PG.BUDDY:
            return self.free[order]
        if flags & PG.HEAD and order >= self.skip_order:
            return self.fail[order]
        verdict = run_path(self.kernel.isolate_folio(self.zone.folio(pfn), self.mode))
        # Large folios that fail are not stepped over: each tail is looked at, and fails at its reference count.
        return self.taken[order] if verdict.isolated else self.fail[0]


class ByTable:
    """The same from a verdict per page: base pages that come to nothing are passed over in runs."""

    # With skip_on_failure a failed page matters, so that only single free pages come to nothing.
    NOTHING = re.compile(b"[^%c%c%c]+" % (Code.ISOLATED, Code.FREE_BLOCK, Code.COMPOUND), re.DOTALL)
    SINGLE_FREE = re.compile(b"%c+" % Code.FREE)

    def __init__(self, zone: Zone, counts: Release, verdicts: bytes, skip_on_failure: bool):
        self.zone, self.verdicts = zone, verdicts
        self.free, self.fail, self.taken = _looks(counts)
        self.run = (self.SINGLE_FREE if skip_on_failure else self.NOTHING).match

    def __call__(self, pfn: int, end_pfn: int) -> Look:
        code, zone = self.verdicts[pfn], self.zone
        if code == _ISOLATED:
            zone.flags[pfn] &= ~PG.LRU
            zone.refcount[pfn] += 1
            return self.taken[zone.order[pfn]]
        if code == _FREE_BLOCK:
            return self.free[zone.order[pfn]]
        if code == _COMPOUND:
            return self.fail[zone.order[pfn]]
        run = self.run(self.verdicts, pfn, end_pfn)
        return Look(FREE, run.end() - pfn) if run else self.fail[0]
