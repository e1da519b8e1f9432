"""Whole zones at once: a table made from a kernel's decision tree, and numpy to look every page up in it.

The table holds a code for every combination of what the path can ask. Nothing here knows what the kernel
decides, only where the answer to a step stands in the zone's columns (`ANSWERS`). The one module below floor
4 that imports numpy. Leaves out pages that change meanwhile: the zone must be quiet.
"""
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType

import numpy as np

from .compaction.releases import Release, skip_isolation_order
from .concurrency.tree import Leaf, Tree, unfold
from .kernels import after, before, check_kernel, racy
from .mm.folio import PG
from .mm.mapping import AddressSpace, has_migrate_folio, mapping_unmovable
from .mm.verdict import MODES, WHY, Code, Mode, check_mode
from .mm.zone import Zone
from .step import Path

# An index into the table: ten flags as they stand in the flags column, then five more bits about the page.
FLAG_BITS = 10
INDEX_BITS = FLAG_BITS + 5
REFERENCED, EXTRA_REFS, MAPPED, CAN_MIGRATE, _UNMOVABLE = (1 << bit for bit in range(FLAG_BITS, INDEX_BITS))

# Which bit answers a step, and which branch is taken when it is set. A step that is done for its effect has
# no entry and needs none: a question whose answer changes nothing is not in the tree.
ANSWERS = {
    "PageLRU": (PG.LRU, "yes"),
    "folio_get_nontail_page": (REFERENCED, "yes"),
    "folio_mapping": (MAPPED, "mapping"),
    "folio_has_extra_refs": (EXTRA_REFS, "yes"),
    "folio_test_lru": (PG.LRU, "yes"),
    "folio_test_unevictable": (PG.UNEVICTABLE, "yes"),
    "folio_test_writeback": (PG.WRITEBACK, "yes"),
    "folio_test_dirty": (PG.DIRTY, "yes"),
    "folio_trylock": (PG.LOCKED, "no"),
    "folio_test_clear_lru": (PG.LRU, "yes"),
    "has_migrate_folio": (CAN_MIGRATE, "yes"),
    "mapping_unmovable": (_UNMOVABLE, "yes"),
}
REASONS = [WHY[code] for code in Code]      # by code; the paths' reasons are entered as tables are made
CHUNK = 1 << 15                             # pages looked up at a time: the scratch arrays stay in the cache


def table(kernel: ModuleType, mode: Mode) -> np.ndarray:
    """A code, uint8, for each of 2^INDEX_BITS combinations of answers, from the tree of kernel.isolate_folio.

    Made once for a function and a mode, and to be read only.
    """
    # By the function: a learner may give the same kernel another one later.
    return _table(kernel.isolate_folio, mode)


@lru_cache(maxsize=256)
def _table(isolate_folio: Callable[..., Path], mode: Mode) -> np.ndarray:
    """table() of a kernel with this function.

    Why it is right: the tree has every future of the path. In a quiet zone an answer is a bit of the page,
    the same whenever it is asked. So what leads to a leaf is that some bits are set and some are not, and the
    leaf's code belongs to all indices with these bits. The branches of a node exclude each other and leave
    none out: every index gets one code. Indices that no page can have get one, too, and are never looked up.
    """
    # An axis a bit, the highest first, so that flattened the position is the index.
    codes = np.empty((2,) * INDEX_BITS, np.uint8)

    def fill(tree: Tree, known: dict[int, int]) -> None:
        """Enter the codes of all leaves below, where the bits are as they are `known` (0 or 1 by bit)."""
        if isinstance(tree, Leaf):
            where = (known.get(1 << bit, slice(None)) for bit in reversed(range(INDEX_BITS)))
            codes[tuple(where)] = _code(tree.result.why)
            return
        if tree.step not in ANSWERS:
            raise KeyError(f"{tree.step}() has no column: write in scan.ANSWERS which bit answers it")
        bit, if_set = ANSWERS[tree.step]
        for answer, branch in tree.branches:
            value = int(answer == if_set)
            # A question asked twice has one answer: in a quiet zone nothing changes between the two steps.
            if known.get(bit, value) == value:
                fill(branch, {**known, bit: value})

    fill(unfold(isolate_folio, mode=mode), {})
    codes = codes.reshape(-1)
    index = np.arange(len(codes))
    # What is no folio is stepped over before any path is asked. The special case comes after the general one.
    for flags, code in ((PG.BUDDY, Code.FREE), (PG.BUDDY | PG.HEAD, Code.FREE_BLOCK),
                        (PG.FREE_TAIL, Code.FREE_TAIL), (PG.TAIL, Code.TAIL), (PG.NO_PAGE, Code.NO_PAGE)):
        codes[index & flags == flags] = code
    return codes


def _code(why: str) -> int:
    if why not in REASONS:
        REASONS.append(why)
    return REASONS.index(why)


# Filled at once and in this order, so that these kernels' reasons have the same codes in every process.
for _kernel in (before, racy, after):
    for _mode in MODES:
        table(_kernel, _mode)


def as_zone(zone_or_recording: object, write: str = "recordings.load(name) or kl.random_zone(4096)") -> Zone:
    """The zone itself, or a recording's memory as one. `write` is what an error says to write."""
    zone = getattr(zone_or_recording, "memory", zone_or_recording)
    if not isinstance(zone, Zone):
        raise TypeError(f"no zone and no recording but {zone_or_recording!r}: write {write}")
    return zone


def verdicts(zone_or_recording: object, kernel: ModuleType, mode: Mode, release: str | Release | None = None,
             order: int = -1) -> np.ndarray:
    """What becomes of every page: uint8, one code a pfn; REASONS[code] says why ("" = isolated).

    `release` (default: the recording's own, else "6.8") and the target `order` tell which compound pages are
    stepped over.
    """
    lookup, zone = table(check_kernel(kernel), check_mode(mode)), as_zone(zone_or_recording)
    release = release or getattr(zone_or_recording, "release", "6.8")
    flags, refcount, mapcount, mapping = columns(zone)
    per_mapping = np.array([_mapping_bits(m) for m in zone.mappings], np.uint16)
    codes = np.empty(len(flags), np.uint8)
    for start in range(0, len(codes), CHUNK):
        part = slice(start, start + CHUNK)
        index = flags[part] & np.uint16((1 << FLAG_BITS) - 1)
        index |= per_mapping.take(mapping[part])
        # Before the scanner has taken its own reference: refcount - 1 > mapcount becomes refcount > mapcount.
        index |= np.multiply(refcount[part] > mapcount[part], EXTRA_REFS, dtype=np.uint16)
        index |= np.multiply(refcount[part] > 0, REFERENCED, dtype=np.uint16)
        lookup.take(index, out=codes[part], mode="clip")    # no index is too large; "raise" would copy first
    heads = np.flatnonzero(flags & (PG.HEAD | PG.BUDDY) == PG.HEAD)
    # The heads of compound pages from some order on are stepped over before the path is asked.
    orders = np.frombuffer(zone.order, np.uint8)[heads]
    codes[heads[orders >= skip_isolation_order(release, order)]] = Code.COMPOUND
    return codes


def columns(zone: Zone) -> tuple[np.ndarray, ...]:
    """The zone's flags, refcount, mapcount and mapping columns as numpy sees them: no copy, no writing."""
    return tuple(np.frombuffer(getattr(zone, name), getattr(zone, name).typecode)
                 for name in ("flags", "refcount", "mapcount", "mapping"))


def _mapping_bits(mapping: AddressSpace | None) -> int:
    """What a page's mapping adds to its index. The primitives' own acts are asked: nothing is typed again."""
    if mapping is None:
        return 0
    return MAPPED | CAN_MIGRATE * has_migrate_folio.act(mapping) | _UNMOVABLE * mapping_unmovable.act(mapping)
