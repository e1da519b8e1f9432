"""What the scanner decides about one page: isolation modes, verdicts and their reasons.

`Mode` is isolate_mode_t (ISOLATE_ASYNC_MIGRATE 0x4, ISOLATE_UNEVICTABLE 0x8; include/linux/mmzone.h) with
the one bit of the compact_control that the decision also reads, __GFP_FS. ISOLATE_UNMAPPED is left out:
compaction never sets it.
"""
from enum import IntEnum
from typing import NamedTuple


class Mode(NamedTuple):
    """How isolate_migratepages_block() looks at a folio: three independent switches."""

    async_migrate: bool = False     # ISOLATE_ASYNC_MIGRATE: refuse writeback, and dirty without migrate_folio
    unevictable: bool = True        # ISOLATE_UNEVICTABLE: take PG_unevictable folios, too
    gfp_fs: bool = True             # __GFP_FS in cc->gfp_mask: without it only anonymous folios are taken


MODES = tuple(Mode(a, u, g) for a in (False, True) for u in (False, True) for g in (False, True))


class Verdict(NamedTuple):
    """How the decision on one folio ended: the label it went to, and why ("" when the folio is isolated)."""

    label: str
    why: str = ""

    @property
    def isolated(self) -> bool:
        """Whether the folio was taken."""
        return self.label == "isolate_success"


class Result(IntEnum):
    """What a kernel function returns: 0 or a negative errno, by Linux's numbers on every machine."""

    SUCCESS = 0
    EINTR = -4
    EAGAIN = -11
    ENOMEM = -12
    EBUSY = -16
    EINVAL = -22
    EOPNOTSUPP = -95

    __hash__ = int.__hash__         # as a number: Enum would hash the name, in Python

    def __str__(self):
        return "-" + self.name if self else "0"


class MigrateMode(IntEnum):
    """enum migrate_mode: how much a migration may wait (include/linux/migrate_mode.h)."""

    ASYNC = 0
    SYNC_LIGHT = 1
    SYNC = 2

    __hash__ = int.__hash__

    def __str__(self):
        return "MIGRATE_" + self.name


class Code(IntEnum):
    """What a page comes to, where no path need be asked. Codes above these are the reasons of paths."""

    ISOLATED = 0
    FREE_BLOCK = 1
    COMPOUND = 2
    FREE = 3
    FREE_TAIL = 4
    TAIL = 5
    NO_PAGE = 6


WHY = {
    Code.ISOLATED: "",
    Code.FREE_BLOCK: "free: first page of a free block",
    Code.COMPOUND: "compound page, stepped over",
    Code.FREE: "free: a single page",
    Code.FREE_TAIL: "free: inside a free block",
    Code.TAIL: "tail of a compound page",
    Code.NO_PAGE: "no page frame here",
}


def check_mode(mode: Mode) -> Mode:
    """`mode`, or a TypeError that says what to write."""
    if not isinstance(mode, Mode):
        raise TypeError(f"unknown mode {mode!r}: write kl.Mode(async_migrate=True), "
                        "kl.Mode(unevictable=False) or the like")
    return mode
