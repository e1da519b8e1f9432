"""Page states: what a memory map shows of a page, with its colours, its marks and its words.

Leaves out why a page is what it is: that is said by `scan.REASONS`. Free pages on a per-CPU list look like
kernel memory.
"""
import numpy as np

from .. import scan
from ..mm.folio import PG
from ..mm.mapping import AS_UNMOVABLE
from ..mm.zone import PAGEBLOCK_ORDER, pageblock_nr_pages

STATES = ("free", "movable", "unevictable", "unmovable", "isolated", "migrated", "failed")
FREE, _MOVABLE, UNEVICTABLE, _UNMOVABLE, ISOLATED, MIGRATED, FAILED = range(len(STATES))
LIGHT = dict(zip(STATES, ("#EDF0F3", "#86B0F0", "#7338C6", "#222A36", "#F7CB2D", "#178A72", "#C22D0C")))
DARK = dict(zip(STATES, ("#2A313A", "#3A59B8", "#B597F2", "#DDE4E6", "#F3C613", "#1DB58E", "#D2402A")))
# The second channel. The three plain states are told apart by lightness alone.
MARKS = dict(zip(STATES, ("plain, nearest to the paper", "plain", "dot", "plain, farthest from the paper",
                          "dash", "outline", "cross and ring")))

# A state for every combination of the 16 flag bits: the first that holds. Compaction takes from the LRU
# alone.
_KINDS_OF_FLAGS = np.arange(1 << 16, dtype=np.uint16)
_STATE_OF_FLAGS = np.select(
    [_KINDS_OF_FLAGS & (PG.BUDDY | PG.FREE_TAIL) != 0, _KINDS_OF_FLAGS & PG.LRU == 0,
     _KINDS_OF_FLAGS & PG.UNEVICTABLE != 0],
    [FREE, _UNMOVABLE, UNEVICTABLE], _MOVABLE).astype(np.uint8)


def page_states(zone_or_recording, isolated=(), *, migrated=(), failed=()) -> np.ndarray:
    """A state for every page frame by pfn: uint8, an index into STATES.

    Unmovable is what is neither free nor on the LRU, and what belongs to a mapping that says so
    (AS_UNMOVABLE). `isolated`, `migrated`, `failed`: pfns (`recording.tried_pfns`) or a bool per page (`codes
    == 0`); a large folio by its head. Of a page in several of them the last one counts.
    """
    zone = scan.as_zone(zone_or_recording)
    flags, _, _, mapping = scan.columns(zone)
    states = plain_states(flags, mapping, zone.mappings)
    # A tail is as its head: the nearest page below that is no tail.
    heads = np.maximum.accumulate(np.where(flags & PG.TAIL, 0, np.arange(len(flags), dtype=np.int32)))
    states = states[heads]
    for name, pages in (("isolated", isolated), ("migrated", migrated), ("failed", failed)):
        if len(pages):
            marked = np.zeros(len(states), bool)
            marked[_pages(pages, len(states), name)] = True
            states[marked | marked[heads]] = STATES.index(name)
    return states


def states_of_flags(flags: np.ndarray) -> np.ndarray:
    """What pages are by their flags alone, whatever their mapping says: free to unmovable."""
    return _STATE_OF_FLAGS[flags]


def plain_states(flags: np.ndarray, mapping: np.ndarray, mappings: list) -> np.ndarray:
    """What pages are of themselves, by their entries in the columns: free to unmovable."""
    declared = np.array([owner is not None and owner.flags >> AS_UNMOVABLE & 1 for owner in mappings], bool)
    return np.where(declared[mapping], np.uint8(_UNMOVABLE), states_of_flags(flags))


def _pages(pages, total: int, name: str) -> np.ndarray:
    pages = np.asarray(pages)
    mask = pages.dtype == bool and pages.shape == (total,)
    pfns = pages.dtype.kind in "iu" and pages.dtype != np.uint8    # uint8 is codes: `== 0` was forgotten
    if not (mask or pfns):
        raise TypeError(f"{name} is neither pfns nor one bool for each of {total:,} pages: "
                        f"write {name}=codes == 0 or {name}=recording.tried_pfns")
    if pfns and not 0 <= pages.min() <= pages.max() < total:
        raise ValueError(f"{name} holds the pfn {pages.max()}: write pfns from 0 to {total - 1}")
    return pages


def describe(states: np.ndarray, first_pfn: int = 0) -> str:
    """The states in words: "4,096 pages in 8 pageblocks: 2,203 free, 1,494 movable"."""
    counts = np.bincount(check_states(states), minlength=len(STATES))
    found = ", ".join(f"{count:,} {state}" for state, count in zip(STATES, counts) if count)
    pages, blocks = len(states), pageblocks(states, first_pfn)
    words = [f"{count:,} {noun if count == 1 else noun + 's'}"
             for count, noun in ((pages, "page"), (blocks, "pageblock"))]
    return f"{' in '.join(words)}: {found}"


def check_states(states: np.ndarray) -> np.ndarray:
    """`states`, or an error that says what to write."""
    if not isinstance(states, np.ndarray) or states.dtype != np.uint8 or states.ndim != 1:
        kind = f"{states.dtype} array" if isinstance(states, np.ndarray) else type(states).__name__
        raise TypeError(f"not page states but a {kind}: "
                        "write memory_map(page_states(zone)), one uint8 a page")
    if not states.size:
        raise ValueError("there is no page to draw: write a range with pages, such as states[0:4096]")
    if states.max() >= len(STATES):
        raise ValueError(f"{states.max()} is no page state: "
                         f"write 0 to {len(STATES) - 1}, an index into plots.STATES")
    return states


def pageblocks(states: np.ndarray, first_pfn: int) -> int:
    """How many pageblocks the states touch."""
    if first_pfn < 0:
        raise ValueError(f"{first_pfn} is no pfn: write first_pfn=0, or a of states[a:b]")
    return -(-(int(first_pfn) % pageblock_nr_pages() + len(states)) >> PAGEBLOCK_ORDER)
