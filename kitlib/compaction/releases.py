"""How releases of Linux count and batch, as distinct from how they decide: data, looked up by range.

An unseen release works: it counts as the newest one that is not newer does.
"""
import re
from typing import NamedTuple

from ..mm.zone import MAX_ORDER, PAGEBLOCK_ORDER

COMPACT_CLUSTER_MAX = 32


class Release(NamedTuple):
    """How a release counts and batches, as distinct from how it decides.

    What has a default is so in every release unless RELEASES says otherwise; one that lacks such a rule shows what the rule is worth.
    `writes_out` is no decision of a kernel's: all of them call fallback_migrate_folio(), and its answer changed.
    """

    batches: bool               # the pages of one call are unmapped together, then moved, then the refused ones tried again
    counts_jumped: bool         # nr_scanned grows by all pages of a free block or compound page that is jumped over
    pcp_doubles: bool           # a full per-CPU list gives back twice as many from time to time, not as many as came in a row
    takes_large: bool           # folios below the target order and smaller than a pageblock are isolated
    adjusts_wanted: bool        # a target handed out lowers the number wanted by its pages, one returned raises it again
    jumps_free_blocks: bool = True      # a free block is stepped over whole; without: page by page
    jumps_compound: bool = True         # so is a compound page, and counts as many pages when it is taken; without: one page
    cluster_max: int = COMPACT_CLUSTER_MAX    # a call of the block function stops once so many pages are isolated
    finishes_pageblock: bool = True     # the next call in the same pageblock does not stop so
    counts_without_target: bool = True  # the folio for which no target was left counts as failed
    writes_out: bool = True     # what is dirty and has no migrate_folio is written out for MIGRATE_SYNC; without: -EBUSY


# From this release on. Recordings of 6.1 and of 6.12 and later bear them out; the releases in between are inferred.
RELEASES = {
    (0, 0): Release(batches=False, counts_jumped=False, pcp_doubles=True, takes_large=False, adjusts_wanted=False),
    (6, 3): Release(batches=True, counts_jumped=False, pcp_doubles=True, takes_large=False, adjusts_wanted=False),
    (6, 4): Release(batches=True, counts_jumped=True, pcp_doubles=True, takes_large=False, adjusts_wanted=False),
    (6, 7): Release(batches=True, counts_jumped=True, pcp_doubles=False, takes_large=False, adjusts_wanted=False),
    (6, 9): Release(batches=True, counts_jumped=True, pcp_doubles=False, takes_large=True, adjusts_wanted=True),
    # 7ee3647243e5: fallback_migrate_folio() has no writeout() any more, and calls no ->writepage.
    (6, 16): Release(batches=True, counts_jumped=True, pcp_doubles=False, takes_large=True, adjusts_wanted=True,
                     writes_out=False),
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
    """Compound pages of this order and above are stepped over (skip_isolation_on_order(), mm/compaction.c, since v6.9)."""
    if alloc_contig:
        return MAX_ORDER + 1
    if not release_of(release).takes_large:
        return 0
    return PAGEBLOCK_ORDER if order == -1 else min(order, PAGEBLOCK_ORDER)
