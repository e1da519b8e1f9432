"""What a memory map tells of a page: flags, counts, mapping, and why compaction takes it or not.

Millions of pages are alike in all of that but for a few dozen kinds. So each page has a key, a number that
holds what its columns say of it, and there is one row of words for each key that is found. The reason is that
of the scanner's own table, the function that of its tree. Leaves out what pages with one key differ in: the
pfn.
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
MOST_OWNERS = 1 << 10                   # of mappings that differ; what a key has room for
# What a run has done to a page, beyond what its columns say; its number is in the page's key.
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

# A key, from its highest bit on: note 4 bits, order 4, owner 10, flags 16, refcount 15, mapcount 15. It is 64
# bits wide and has none to spare: what does not fit is cut off, so two pages that differ there alone have the
# words of one.
_SHIFTS = {"mapcount": 0, "refcount": 15, "flags": 30, "owner": 46, "order": 56, "note": 60}
_WIDTHS = {"mapcount": 15, "refcount": 15, "flags": 16, "owner": 10, "order": 4, "note": 4}


class PageWords(NamedTuple):
    """One row: what all pages with this key have in common, in words ("" where there is nothing to say)."""

    flags: str
    refcount: int
    mapcount: int
    mapping: str
    as_flags: str
    size: str
    why: str


def owners(zone: Zone) -> tuple[np.ndarray, list[int]]:
    """For each of the zone's mappings a number that those alike share, and a mapping for each number.

    Those that come when all numbers are given away have the last one, and are told as its mapping is.
    """
    seen: dict[tuple, int] = {}
    alike, first = np.zeros(len(zone.mappings), np.uint64), []
    for number, mapping in enumerate(zone.mappings):
        owner = mapping and (mapping.name, mapping.a_ops, mapping.flags)
        if owner not in seen and len(seen) < MOST_OWNERS:
            seen[owner] = len(first)
            first.append(number)
        alike[number] = seen.get(owner, MOST_OWNERS - 1)
    return alike, first


def keys(zone: Zone, alike: np.ndarray, pages=slice(None), note: np.ndarray | int = 0) -> np.ndarray:
    """A key for each of the pages: equal keys, equal words. `alike` comes from owners(zone)."""
    flags, refcount, mapcount, mapping = (column[pages] for column in scan.columns(zone))
    order = np.frombuffer(zone.order, np.uint8)[pages]
    parts = {"mapcount": mapcount, "refcount": refcount, "flags": flags, "owner": alike[mapping],
             "order": order, "note": note}
    key = np.zeros(len(flags), np.uint64)
    for name, part in parts.items():
        mask = np.uint64((1 << _WIDTHS[name]) - 1)
        key |= (np.asarray(part).astype(np.uint64) & mask) << np.uint64(_SHIFTS[name])
    return key


def page_words(found: np.ndarray, zone: Zone, first: Sequence[int], kernel: ModuleType, mode: Mode,
               release=None) -> list[PageWords]:
    """The words for each key of `found`, as `kernel` decides in `mode`; `first` comes from owners(zone)."""
    part = {name: [int(key) >> shift & (1 << _WIDTHS[name]) - 1 for key in found]
            for name, shift in _SHIFTS.items()}
    # The scanner is asked about a zone of one page for each key, however many pages have it.
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


def _row(kind: Kind, order: int, note: int, mapping: AddressSpace | None, code: int, kernel: ModuleType,
         mode: Mode) -> PageWords:
    flags = " | ".join(word for bit, word in FLAG_WORDS.items() if kind.flags & bit)
    owner, as_flags = "anonymous" if kind.flags & PG.ANON else "", ""
    if mapping:
        owner, as_flags = str(mapping.name), " | ".join(flag_names(mapping.flags))
    size = f"first of {1 << order:,} pages" if kind.flags & PG.HEAD else ""
    # What a run has done to a page says more than what the scanner would do to it now.
    reason = f"{NOTES[note]}." if note else why(code, kernel, mode)
    return PageWords(flags or "none", kind.refcount, kind.mapcount, owner, as_flags, size, reason)


def why(code: int, kernel: ModuleType, mode: Mode) -> str:
    """What the scanner would say of a page with this code, with the function that decides it."""
    if code == Code.ISOLATED:
        return f"{SCANNER} would isolate it."
    reason = scan.REASONS[code]
    if code in tuple(Code):             # before any path is asked; the other codes are reasons of paths
        return f"{SCANNER} steps over it: {reason}."
    steps = " or ".join(f"{step}()" for step in _asked_last(kernel, mode).get(reason, ()))
    return f"{SCANNER} passes it by: {reason} ({steps})." if steps else f"{SCANNER} passes it by: {reason}."


@lru_cache(maxsize=64)
def _asked_last(kernel: ModuleType, mode: Mode) -> dict[str, tuple[str, ...]]:
    """By reason: the steps whose answer leads to it at once."""
    asked: dict[str, dict[str, None]] = {}          # as sets, in the tree's order
    for node in tree.nodes(tree.unfold(kernel.isolate_folio, mode=mode)):
        for _, child in getattr(node, "branches", ()):
            if isinstance(child, tree.Leaf) and child.result.why:
                asked.setdefault(child.result.why, {})[node.step] = None
    return {reason: tuple(steps) for reason, steps in asked.items()}
