"""How releases of Linux count and batch, as distinct from how they decide: data, looked up by range.

An unseen release works: it counts as the newest one that is not newer does.
"""
import re
import sys
from typing import NamedTuple

from ..mm.mmzone import MAX_ORDER, PAGEBLOCK_ORDER

COMPACT_CLUSTER_MAX = 32


class Release(NamedTuple):
    """How a release counts and batches, as distinct from how it decides.

    What has a default is so in every release unless RELEASES says otherwise; one that lacks such a rule shows
    what the rule is worth. Skip bits, which vm.compact_memory ignores, are set as in v6.8 in every release.
    `writes_out` is no decision of a kernel's: all of them call fallback_migrate_folio(), and its answer
    changed.
    """

    # The pages of one call are unmapped together, then moved, then the refused ones tried again; without:
    # page by page.
    batches: bool
    # nr_scanned grows by all pages of a free block or compound page that is jumped over; without: by one.
    counts_jumped: bool
    # A full per-CPU list gives back twice as many from time to time, not as many as came in a row.
    pcp_doubles: bool
    # Folios below the target order and smaller than a pageblock are isolated; without: base pages alone.
    takes_large: bool
    # A target handed out lowers the number wanted by its pages, one returned raises it again.
    adjusts_wanted: bool
    # A free block is stepped over whole; without: page by page.
    jumps_free_blocks: bool = True
    # So is a compound page, and counts as many pages when it is taken; without: one page.
    jumps_compound: bool = True
    # A call of the block function stops once so many pages are isolated.
    cluster_max: int = COMPACT_CLUSTER_MAX
    # The next call in the same pageblock does not stop so.
    finishes_pageblock: bool = True
    # The folio for which no target was left counts as failed.
    counts_without_target: bool = True
    # Of what one search finds the last page is given first: split_map_pages() puts each before the others.
    last_target_first: bool = True
    # A dirty page-table entry that is taken down leaves PG_dirty: try_to_migrate_one() (mm/rmap.c).
    dirties_from_pte: bool = True
    # What is dirty and has no migrate_folio is written out for MIGRATE_SYNC; without: -EBUSY.
    writes_out: bool = True
    # Where something was isolated last is the pageblock that was scanned; without: where the search for one
    # began.
    notes_scanned_block: bool = True
    # Where something failed, callers that mind skip bits scan the rest of the pageblock at once; without: a
    # direct asynchronous one goes on behind the chunk.
    rescans: bool = True
    # A pageblock that fast_find_migrateblock() has picked has its skip bit set; the scanner then refuses it.
    fast_find_sets_skip: bool = False
    # The skip bit is tested and set only where the first page isolated is the first of its pageblock.
    skips_by_first_page: bool = False
    # A captured block ends the run as soon as it is there; without: after one cluster more.
    captures_at_once: bool = False
    # fast_isolate_around() marks a pageblock where it has not found enough; without: one walked to its end.
    marks_where_too_few: bool = False
    # Both scanners look at the free lists first; a task is given the block that it has made; what may soon
    # merge goes to the tail of its list.
    finds_fast: bool = True
    isolates_fast: bool = True
    captures: bool = True
    merge_likely_to_tail: bool = True
    # A free block larger than a pageblock is split where one of its pageblocks is isolated.
    splits_to_isolate: bool = False
    # compact_gap() is no larger; without: twice the block that is wanted.
    gap_max: int = sys.maxsize


_UP_TO_6_6 = dict(notes_scanned_block=False, fast_find_sets_skip=True, skips_by_first_page=True,
                  captures_at_once=True, marks_where_too_few=True)
# From this release on. Recordings of 6.1, 6.12 and 7.2 bear them out; the releases in between are inferred.
RELEASES = {
    # batches, counts_jumped, pcp_doubles, takes_large, adjusts_wanted
    (0, 0): Release(False, False, True, False, False, rescans=False, **_UP_TO_6_6),
    (6, 3): Release(True, False, True, False, False, **_UP_TO_6_6),
    (6, 4): Release(True, True, True, False, False, **_UP_TO_6_6),
    (6, 7): Release(True, True, False, False, False),
    (6, 9): Release(True, True, False, True, True, last_target_first=False),
    (6, 10): Release(True, True, False, True, True, last_target_first=False, splits_to_isolate=True),
    # 7ee3647243e5: fallback_migrate_folio() has no writeout() any more, and calls no ->writepage. On 30 April
    # 2025, after v6.15-rc4, it was not in Linus' tree yet (a mail of its author's); a day after v6.15 it was.
    (6, 16): Release(True, True, False, True, True, last_target_first=False, splits_to_isolate=True,
                     writes_out=False),
    (7, 0): Release(True, True, False, True, True, last_target_first=False, splits_to_isolate=True,
                    writes_out=False, gap_max=COMPACT_CLUSTER_MAX),
}


def parse_release(release: str) -> tuple[int, int]:
    """ "6.12.113" -> (6, 12)."""
    match = re.match(r"v?(\d+)\.(\d+)", release) if isinstance(release, str) else None
    if not match:
        raise ValueError(f"unknown release {release!r}: write a kernel version such as '6.8' or '6.12.113'")
    return int(match[1]), int(match[2])


def release_of(release: str | Release) -> Release:
    """How `release` counts: the entry of the newest release that is not newer. A Release is what it says."""
    if isinstance(release, Release):
        return release
    version = parse_release(release)
    return RELEASES[max(known for known in RELEASES if known <= version)]


def skip_isolation_order(release: str | Release, order: int, alloc_contig: bool = False) -> int:
    """From this order on compound pages are stepped over (skip_isolation_on_order(), mm/compaction.c, v6.9).

    0: all of them are. CMA takes every one: it wants the range, and not free blocks of some order.
    """
    if alloc_contig:
        return MAX_ORDER + 1
    if not release_of(release).takes_large:
        return 0
    return PAGEBLOCK_ORDER if order == -1 else min(order, PAGEBLOCK_ORDER)
