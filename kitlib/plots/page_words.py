"""Looks: what a memory map tells of a page when it is pointed at: flags, counts, mapping, and why compaction takes it or not.

Millions of pages have a few dozen looks, so a map keeps a number per page and one row of words per look. The reason is
that of the scanner's own table, the function that of its tree. Leaves out what two pages of one look differ in: the pfn.
"""
from collections.abc import Sequence
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from .. import scan
from ..concurrency import tree
from ..mm.folio import PG
from ..mm.mapping import AddressSpace, flag_names
from ..mm.verdict import Code, Mode
from ..mm.zone import Kind, Zone

FLAG_WORDS = {bit: name.lower() for name, bit in vars(PG).items() if name.isupper()} | {
    PG.SLAB: "kernel memory", PG.FREE_TAIL: "in a free block", PG.NO_PAGE: "no page frame"}
SCANNER = "isolate_migratepages_block()"
MOST_OWNERS = 1 << 10
# What a run has done to a page, beyond what its columns say; a number of it is in the page's key.
NOTES = ("", f"isolated by {SCANNER}: off its LRU list, on cc->migratepages",
         "taken by isolate_freepages_block(): a target for migration",
         "migrate_pages() moved a folio here, and put it on its LRU list",
         "migrate_pages() gave up: -EAGAIN, somebody else holds a reference or the lock",
         "migrate_pages() gave up: -EBUSY, it cannot be moved now",
         "migrate_pages() gave up: -EOPNOTSUPP, moving is not supported",
         "migrate_pages() gave up: -EINVAL, the mapping's own migrate_folio() refuses",
         "migrate_pages() gave up: -ENOMEM, no target was left")
NOTHING, TAKEN, TARGET, ARRIVED, GAVE_UP = range(5)
GIVEN_UP = dict(zip(("EAGAIN", "EBUSY", "EOPNOTSUPP", "EINVAL", "ENOMEM"), range(GAVE_UP, len(NOTES))))

# A key: note 4 bits, order 4, owner 10, flags 16, refcount 15, mapcount 15.
_SHIFTS = {"mapcount": 0, "refcount": 15, "flags": 30, "owner": 46, "order": 56, "note": 60}
_WIDTHS = {"mapcount": 15, "refcount": 15, "flags": 16, "owner": 10, "order": 4, "note": 4}


class PageWords(NamedTuple):
    """One row: what all pages of this look have in common, in words ("" where there is nothing to say)."""

    flags: str
    refcount: int
    mapcount: int
    mapping: str
    as_flags: str
    size: str
    why: str


def owners(zone: Zone) -> tuple[np.ndarray, list[int]]:
    """For each of the zone's mappings a number that mappings which look alike share, and one mapping for each number."""
    seen: dict[tuple, int] = {}
    alike, first = np.zeros(len(zone.mappings), np.uint64), []
    for number, mapping in enumerate(zone.mappings):
        looks = mapping and (mapping.name, mapping.a_ops, mapping.flags)
        if looks not in seen and len(seen) < MOST_OWNERS:
            seen[looks] = len(first)
            first.append(number)
        alike[number] = seen.get(looks, MOST_OWNERS - 1)
    return alike, first


def keys(zone: Zone, alike: np.ndarray, pages=slice(None), note: np.ndarray | int = 0) -> np.ndarray:
    """A key for each of the pages: equal keys, equal looks. `alike` comes from owners(zone)."""
    flags, refcount, mapcount, mapping = (column[pages] for column in scan.columns(zone))
    order = np.frombuffer(zone.order, np.uint8)[pages]
    parts = {"mapcount": mapcount, "refcount": refcount, "flags": flags, "owner": alike[mapping], "order": order, "note": note}
    key = np.zeros(len(flags), np.uint64)
    for name, part in parts.items():
        key |= (np.asarray(part).astype(np.uint64) & np.uint64((1 << _WIDTHS[name]) - 1)) << np.uint64(_SHIFTS[name])
    return key


def page_words(found: np.ndarray, zone: Zone, first: Sequence[int], kernel: ModuleType, mode: Mode, release=None) -> list[PageWords]:
    """The words for each key, as `kernel` decides in `mode`."""
    part = {name: [int(key) >> shift & (1 << _WIDTHS[name]) - 1 for key in found] for name, shift in _SHIFTS.items()}
    # A zone with one page of each look, to ask the scanner about.
    kinds = [Kind("", flags, refcount, mapcount, first[owner]) for flags, refcount, mapcount, owner
             in zip(part["flags"], part["refcount"], part["mapcount"], part["owner"])]
    asked = Zone(max(1, len(kinds)))
    asked.mappings = zone.mappings
    for pfn, kind in enumerate(kinds):
        asked.flags[pfn], asked.refcount[pfn], asked.mapcount[pfn], asked.mapping[pfn] = kind[1:]
        asked.order[pfn] = part["order"][pfn]
    codes = scan.verdicts(asked, kernel, mode, release)
    return [_row(kind, order, note, zone.mappings[kind.mapping], int(code), kernel, mode)
            for kind, order, note, code in zip(kinds, part["order"], part["note"], codes)]


def _row(kind: Kind, order: int, note: int, mapping: AddressSpace | None, code: int, kernel: ModuleType, mode: Mode) -> PageWords:
    flags = " | ".join(word for bit, word in FLAG_WORDS.items() if kind.flags & bit)
    size = f"first of {1 << order:,} pages" if kind.flags & PG.HEAD else ""
    whose = f"{mapping.name}" if mapping else "anonymous" if kind.flags & PG.ANON else ""
    return PageWords(flags or "none", kind.refcount, kind.mapcount, whose, " | ".join(flag_names(mapping.flags)) if mapping else "",
                size, f"{NOTES[note]}." if note else why(code, kernel, mode))


def why(code: int, kernel: ModuleType, mode: Mode) -> str:
    """What the scanner would say of a page with this code, with the function that decides it."""
    if code == Code.ISOLATED:
        return f"{SCANNER} would isolate it."
    reason = scan.REASONS[code]
    if code in tuple(Code):
        return f"{SCANNER} steps over it: {reason}."
    steps = _asked_last(kernel, mode).get(reason, ())
    return f"{SCANNER} passes it by: {reason}" + f" ({' or '.join(f'{step}()' for step in steps)})" * bool(steps) + "."


@lru_cache(maxsize=64)
def _asked_last(kernel: ModuleType, mode: Mode) -> dict[str, tuple[str, ...]]:
    """By reason: the steps whose answer leads to it at once."""
    asked: dict[str, dict[str, None]] = {}
    for node in tree.nodes(tree.unfold(kernel.isolate_folio, mode=mode)):
        for _, child in getattr(node, "branches", ()):
            if isinstance(child, tree.Leaf) and child.result.why:
                asked.setdefault(child.result.why, {})[node.step] = None
    return {reason: tuple(steps) for reason, steps in asked.items()}
