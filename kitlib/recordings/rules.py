"""The rules that can be left out of a prediction, to see what each is worth.

A rule about memory is left out by changing the snapshot, so that it does not say what the rule needs; a rule of the loops by
a release that lacks it (control.Release). The functions of the model stay as they are. Leaves out the rules without which
there is no run: which page is on the LRU, and that both scanners go through the zone.
"""
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .memory import REFUSING_AOPS


class Lacking(NamedTuple):
    """What of a recording and of its release is otherwise where a rule is left out."""

    arrays: dict = {}
    meta: dict = {}
    release: dict = {}              # fields of Release


def _no_pins(recording) -> Lacking:
    # Page tables account for every reference; a folio of a file is not asked.
    return Lacking({"mapcount": np.where(recording.mapping == 0, recording.refcount, recording.mapcount)})


def _no_bit(recording) -> Lacking:
    bit = recording.meta["as_inaccessible_bit"]
    return Lacking({"mapping_flags": recording.mapping_flags & ~np.uint64(0 if bit is None else 1 << bit)})


def _all_move(recording) -> Lacking:
    names = recording.mapping_aops
    return Lacking({"mapping_aops": np.where(np.isin(names, list(REFUSING_AOPS)), "", names)})


def _nobody_holds_buffers(recording) -> Lacking:
    return Lacking({"busy_pfn": np.empty(0, np.uint32)})


def _no_lists(recording) -> Lacking:
    return Lacking({"pcp_high": np.zeros(len(recording.zone_name), np.int32)})


# By the recordings' own names; the numbers are those of the rules that reproduce a scan, in their description.
RULES: dict[str, Callable[..., Lacking]] = {
    "reference count": _no_pins,                                                                        # 2
    "unevictable test": lambda recording: Lacking(meta={"compact_unevictable_allowed": 1}),             # 3
    "inaccessible bit": _no_bit,                                                                        # 4
    "free-block jump": lambda recording: Lacking(release={"jumps_free_blocks": False}),                  # 6
    "compound jump": lambda recording: Lacking(release={"jumps_compound": False}),                       # 7
    "32-page stop": lambda recording: Lacking(release={"cluster_max": sys.maxsize}),                        # 8
    "finishing the pageblock": lambda recording: Lacking(release={"finishes_pageblock": False}),         # 9
    "the page without a target counts": lambda recording: Lacking(release={"counts_without_target": False}),     # 20
    "secretmem and guest_memfd fail": _all_move,
    "busy buffer pages": _nobody_holds_buffers,                                                         # 21
    "per-CPU lists": _no_lists,                                                                         # 22 to 25
}
ABLATED = (*RULES, ("busy buffer pages", "per-CPU lists"))      # what `recordings.ablation` leaves out, row by row


def check_rules(without: str | Iterable[str]) -> tuple[str, ...]:
    """The rules' names, each once; a ValueError lists those that there are."""
    names = (without,) if isinstance(without, str) else tuple(dict.fromkeys(without))
    for name in names:
        if name not in RULES:
            raise ValueError(f"no rule {name!r}: write one of {', '.join(map(repr, RULES))}, or several in a tuple")
    return names
