"""Exercise 09, "account for nr_scanned": small zones, one call of isolate_migratepages_block() in each."""
import random
from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple

from .. import scan
from ..compaction.control import CompactControl
from ..compaction.isolate import isolate_migratepages_block
from ..kernels import after, before
from ..mm.a_ops import mappings
from ..mm.verdict import MigrateMode, Mode
from ..mm.zone import Zone
from ..scenarios import KINDS
from .report import seed_of

CHUNK_PAGES = 4             # a block of the order that the direct compaction is for
_TAKEN = ("anon", "file, clean", "tmpfs", "secretmem", "anon, mlocked")
_REFUSED = ("slab", "anon, pinned", "page table")


class ScanCall(NamedTuple):
    """One call: the zone's pages by name, its compound pages (pfn, order), the range, orders, and mode."""

    pages: tuple[str, ...]
    start_pfn: int
    end_pfn: int
    compound: tuple[tuple[int, int], ...] = ()
    orders: Mapping = MappingProxyType({})
    mode: Mode = Mode()

    def __repr__(self):
        zone, parts, pfn = zone_of_call(self), [], 0
        while pfn < zone.end_pfn:
            order, name = zone.order[pfn], self.pages[pfn]
            if order:
                block = "free block" if name == "free" else f"compound page ({name})"
                name = f"one {block} of order {order}"
            parts.append((pfn, 1 << order, name))
            pfn += 1 << order
        lines = []
        for name, run in groupby(parts, key=lambda part: part[2]):
            first, *_, last = [*(run := list(run)), run[-1]]
            lines.append(f"    {_span(first[0], last[0] + last[1])} {name}")
        return "\n".join([f"scan from pfn {self.start_pfn} to {self.end_pfn} (not included)", *lines])


def zone_of_call(call: ScanCall) -> Zone:
    """The zone of a call, new each time."""
    names = [kind.name for kind in KINDS]
    zone = Zone.from_kinds(bytes(map(names.index, call.pages)), KINDS, mappings())
    for pfn, order in call.compound:
        zone.make_compound(pfn, order)
    return zone


def run_call(call: ScanCall, **otherwise) -> tuple[int, int, int]:
    """nr_scanned, nr_taken and migrate_pfn after the call; with some orders `otherwise` than they are."""
    return called(zone_of_call(call), call.start_pfn, call.end_pfn, call.mode, **{**call.orders, **otherwise})


def verdicts(call: ScanCall) -> list[str]:
    """Why each page of the zone is not taken, "" where it is."""
    kernel, release = call.orders.get("kernel", after), call.orders.get("release", "6.8")
    return [scan.REASONS[code] for code in scan.verdicts(zone_of_call(call), kernel, call.mode, release)]


def called(zone: Zone, start_pfn: int, end_pfn: int, isolate_mode: Mode, **orders) -> tuple[int, int, int]:
    """One call of isolate_migratepages_block() with these orders of a CompactControl.

    Returns nr_scanned, nr_taken, and migrate_pfn after it.
    """
    cc = CompactControl(zone, ignore_skip_hint=True, **orders)
    isolate_migratepages_block(cc, start_pfn, end_pfn, isolate_mode)
    return cc.trace[-1].nr_scanned, cc.trace[-1].nr_taken, cc.migrate_pfn


def _span(start: int, end: int) -> str:
    return f"{start:>3}" + (f"-{end - 1:<3}" if end > start + 1 else "    ")


def scans_for(learner: str = "") -> dict[str, ScanCall]:
    """The five calls of the exercise "account for nr_scanned", made from the learner's name."""
    dice = random.Random(seed_of(learner))
    small = _small(dice)
    return {"compact_memory": small,
            "the same on 6.1": small._replace(orders={"kernel": before, "release": "6.1"}),
            "direct async, order 2": _direct(dice),
            "free block past the end": _past_the_end(dice),
            "many pages": _many(dice)}


def _mixed(dice: random.Random, *some: str, pages: int = CHUNK_PAGES) -> list[str]:
    """`pages` pages in any order: `some`, and others that are taken."""
    names = [*some, *dice.choices(_TAKEN, k=pages - len(some))]
    dice.shuffle(names)
    return names


def _small(dice: random.Random) -> ScanCall:
    """Free blocks of order 2 and 1, a compound page, pages taken and refused, in fours, and a rest."""
    halves = [["free", "free"], _mixed(dice, dice.choice(_REFUSED), pages=2)]
    dice.shuffle(halves)
    slab = ["slab"] * CHUNK_PAGES
    chunks = [["free"] * CHUNK_PAGES, slab, [*halves[0], *halves[1]],
              _mixed(dice, "anon, pinned", "secretmem"), _mixed(dice, "anon, mlocked")]
    dice.shuffle(chunks)
    start, rest = CHUNK_PAGES * dice.randint(1, 3), _mixed(dice, pages=dice.randint(1, 3))
    pages = [*["anon"] * start, *(name for chunk in chunks for name in chunk), *rest]
    return ScanCall(tuple(pages), start, len(pages), ((start + CHUNK_PAGES * chunks.index(slab), 2),))


def _direct(dice: random.Random) -> ScanCall:
    """Chunks that a refused page spoils, one free, then one that comes out whole, and one not reached."""
    fails = "guest_memfd", *dice.choices(_REFUSED, k=dice.randint(1, 2))
    spoiled = [[*dice.choices(_TAKEN[:3], k=at), name, *dice.choices(_TAKEN[:3], k=CHUNK_PAGES - 1 - at)]
               for name, at in zip(fails, (2, dice.randint(0, 1), dice.randint(1, 2)), strict=False)]
    begin = [["free"] * CHUNK_PAGES, *spoiled]
    dice.shuffle(begin)
    whole = [*_TAKEN[:3], "anon"] if dice.random() >= 0.5 else ["free", *_TAKEN[:3]]
    chunks, start = [*begin, whole, ["anon", "anon", "file, clean", "anon"]], CHUNK_PAGES
    pages = [*["slab"] * start, *(name for chunk in chunks for name in chunk)]
    orders = {"mode": MigrateMode.ASYNC, "direct_compaction": True, "order": 2}
    return ScanCall(tuple(pages), start, len(pages), orders=orders, mode=Mode(async_migrate=True))


def _past_the_end(dice: random.Random) -> ScanCall:
    """A free block of order 3 whose last pages lie behind the range."""
    looked_at = _mixed(dice, "guest_memfd", "slab", pages=dice.choice((5, 6, 7)))
    pages = [*["anon"] * (8 - len(looked_at)), *looked_at, *["free"] * 8, "anon", "slab", "anon", "anon"]
    return ScanCall(tuple(pages), 8 - len(looked_at), 16 - dice.randint(2, 6))


def _many(dice: random.Random) -> ScanCall:
    """More than 64 pages that are taken, in runs, a few that are not, a free block of order 3 early on."""
    taken, refused = dice.sample(_TAKEN, k=3), ["guest_memfd", "slab"]
    dice.shuffle(refused)
    first = 8 - dice.randint(2, 5)
    runs = [("slab", 8 - first), (taken[0], first), ("free", 8),
            (taken[1], dice.randint(6, 9)), (refused[0], dice.randint(1, 5)),
            (taken[2], dice.randint(5, 7)), (refused[1], dice.randint(1, 5)), ("anon", 70)]
    pages = [name for name, length in runs for _ in range(length)]
    return ScanCall(tuple(pages), 8 - first, len(pages))
