"""The model's events and verdicts as tidy pandas DataFrames, to read in a notebook and to draw.

Every function takes what a notebook has at hand and returns a new frame. Leaves out the comparison with a
recorded run: that is `recordings.replay` and `recordings.compare`.
"""
from types import ModuleType, NoneType
from typing import get_args, get_type_hints

import numpy as np
import pandas as pd

from . import scan
from .compaction.control import CompactControl
from .compaction.events import IsolateEvent
from .concurrency.sched import Event, Machine
from .concurrency.tree import answer_name
from .mm import filemap, folio, mapping
from .mm.folio import PG
from .mm.mapping import AS_UNMOVABLE, FLAG_NAMES, FLAG_RELEASES, FLAG_VALUES, AddressSpace
from .mm.verdict import Code, Mode, Result
from .mm.zone import Zone
from .step import KernelBug

EVENTS = ["t", "thread", "step", "on", "result"]
_KINDS = ["mapping", "flags", "pages", "isolated"]
PAGE_KINDS = ("free", "movable", "unevictable", "unmovable", "other")
FAILURES = ("EAGAIN", "EBUSY", "EOPNOTSUPP", "EINVAL", "ENOMEM")
FLAGS_THAT_MATTER = ("AS_UNEVICTABLE", "AS_UNMOVABLE")

# The primitives that return a pointer: their None is NULL. Any other None is that of a void function.
_POINTERS = {name for module in (folio, mapping, filemap) for name, step in vars(module).items()
             if hasattr(step, "act") and NoneType in get_args(get_type_hints(step.act)["return"])}


def events(machine: Machine) -> pd.DataFrame:
    """One row a step that the machine has done: t, thread, step, on, result.

    A result is yes, no, NULL or a name, and "" of a void function. A step that was a kernel bug is the last
    one; its result says which.
    """
    rows = [(event.t, event.thread, event.step, event.on, result_text(event)) for event in done(machine)]
    return pd.DataFrame(rows, columns=EVENTS).astype({"t": "int64"})


def done(machine: Machine) -> list[Event]:
    """Every step of the machine, the one at which it crashed included."""
    return [*machine.trace, *([machine.crash] if machine.crash else [])]


# What takes a lock, when it answers this, and what releases it.
LOCK_STEPS = {"folio_lock": None, "folio_trylock": True, "xa_lock_irq": None, "i_lock": None}
UNLOCK_STEPS = ("folio_unlock", "xa_unlock_irq", "i_unlock")


def lock_of(step: str, on: str) -> str:
    """What the lock protects that this step takes or releases: a folio, a mapping's tree, or its inode."""
    return f"the inode of {on}" if step in ("i_lock", "i_unlock") else on


def locks(machine: Machine) -> pd.DataFrame:
    """One row a lock that a thread took: lock (what it protects), thread, taken and released.

    The last two are t; released is <NA> while the lock is held.
    """
    rows = []
    for event in machine.trace:
        if event.step in LOCK_STEPS and event.result is LOCK_STEPS[event.step]:
            rows.append([lock_of(event.step, event.on), event.thread, event.t, pd.NA])
        elif event.step in UNLOCK_STEPS:
            lock = lock_of(event.step, event.on)
            held = next((row for row in reversed(rows) if row[0] == lock and row[3] is pd.NA), None)
            if held:                                # otherwise it was taken before the machine began
                held[3] = event.t
    frame = pd.DataFrame(rows, columns=["lock", "thread", "taken", "released"])
    return frame.astype({"taken": "int64", "released": "Int64"})


def holders(machine: Machine) -> dict[str, str]:
    """Who holds which lock now: thread by what the lock protects."""
    held = locks(machine)
    held = held[held.released.isna()]
    return dict(zip(held.lock, held.thread))


def result_text(event: Event) -> str:
    """What a step answered, in words: yes, no, NULL, a name, the bug; "" of a void function."""
    if isinstance(event.result, KernelBug):
        return event.result.bug
    return "" if event.result is None and event.step not in _POINTERS else answer_name(event.result)


def mapping_flags() -> pd.DataFrame:
    """The number of each AS_ flag, release by release; <NA> where the release has no such flag."""
    frame = pd.DataFrame.from_dict(FLAG_VALUES, orient="index", columns=FLAG_RELEASES, dtype="Int64")
    return frame.rename_axis("flag")


def reasons(zone_or_recording: object, kernel: ModuleType, mode: Mode) -> pd.DataFrame:
    """How many pages come to what: columns why and pages, most pages first. Every page is counted once."""
    codes = scan.verdicts(zone_or_recording, kernel, mode)
    zone = scan.as_zone(zone_or_recording)
    pages = np.bincount(codes[zone.start_pfn:zone.end_pfn], minlength=len(scan.REASONS))
    frame = pd.DataFrame({"why": [why or "isolated" for why in scan.REASONS], "pages": pages})
    return _most_first(frame[frame.pages > 0])


def kinds(zone_or_recording: object, codes: np.ndarray) -> pd.DataFrame:
    """The pages on the LRU by whose they are: columns mapping, flags, pages, isolated (those `codes` takes).

    `codes` are those of `scan.verdicts` or `recordings.verdicts`; a large folio counts with all its pages.
    """
    zone = scan.as_zone(zone_or_recording)
    if len(codes) != zone.end_pfn:
        raise ValueError(f"{len(codes):,} codes for {zone.end_pfn:,} pages: "
                         "write codes = scan.verdicts(zone, kernel, mode)")
    flags, numbers = (np.frombuffer(column, np.uint16) for column in (zone.flags, zone.mapping))
    heads = np.flatnonzero(flags & (PG.LRU | PG.TAIL) == PG.LRU)
    heads = heads[heads >= zone.start_pfn]
    pages = 1 << np.frombuffer(zone.order, np.uint8)[heads].astype(np.int64)
    owner = np.where(flags[heads] & PG.ANON, 0, numbers[heads] + 1)
    # 0 is anonymous; the others are one more than their number in zone.mappings, of which 0 is none.
    owners = [("anonymous", ""), ("no mapping", ""), *map(_owner, zone.mappings[1:])]
    taken = pages * (codes[heads] == Code.ISOLATED)
    frame = pd.DataFrame(owners, columns=_KINDS[:2], dtype="str")
    for column, values in (("pages", pages), ("isolated", taken)):
        frame[column] = np.bincount(owner, values, minlength=len(owners)).astype(np.int64)
    frame = frame.groupby(_KINDS[:2], as_index=False).sum()
    return _most_first(frame[frame.pages > 0])


def lru_pages(zone: Zone) -> np.ndarray:
    """Whether each page frame is on an LRU list: a bool by pfn; tails of a large folio are as its head."""
    (flags,) = _of_heads(zone, "flags")
    return flags & PG.LRU > 0


def page_kinds(zone: Zone) -> dict[str, int]:
    """The zone's pages by PAGE_KINDS, which add up to all of them.

    unmovable: of a mapping with AS_UNMOVABLE; unevictable and movable: the others on an LRU list, with and
    without PG_unevictable; other: kernel memory, and whatever is on no list just now.
    """
    part = slice(zone.start_pfn, zone.end_pfn)
    flags, mapping = (column[part] for column in _of_heads(zone, "flags", "mapping"))
    flagged = np.array([bool(owner and owner.flags >> AS_UNMOVABLE & 1) for owner in zone.mappings])
    free = flags & (PG.BUDDY | PG.FREE_TAIL) > 0
    unmovable = flagged[mapping] & ~free
    on_lru = (flags & PG.LRU > 0) & ~unmovable
    unevictable = on_lru & (flags & PG.UNEVICTABLE > 0)
    counts = [int(np.count_nonzero(pages)) for pages in (free, on_lru & ~unevictable, unevictable, unmovable)]
    return dict(zip(PAGE_KINDS, [*counts, len(zone) - sum(counts)]))


def _of_heads(zone: Zone, *names: str) -> list[np.ndarray]:
    """Columns by name, with every tail's entry as its head's."""
    columns = [np.frombuffer(getattr(zone, name), np.uint16) for name in names]
    tails = np.frombuffer(zone.flags, np.uint16) & PG.TAIL > 0
    if not tails.any():
        return columns
    # The nearest page below that is no tail: of the pfns up to here, with 0 for every tail, the highest.
    head = np.maximum.accumulate(np.where(tails, 0, np.arange(len(tails))))
    return [column[head] for column in columns]


def run_counts(cc: CompactControl, on_lru: np.ndarray) -> dict[str, int | float]:
    """What a finished run of compact_zone did, in base pages; `on_lru` is lru_pages(zone), as before the run.

    lru_scanned: LRU pages in the ranges that the migrate scanner passed. isolation_success: how many of them
    were isolated; migration_success: how many of those migrated; nan where there was none. targets: calls of
    compaction_alloc().
    """
    ranges = [event for event in cc.trace if type(event) is IsolateEvent]
    before = np.append(0, np.cumsum(on_lru))        # by pfn: how many pages below it were on the LRU
    scanned = sum(int(before[event.end_pfn] - before[event.start_pfn]) for event in ranges)
    isolated, migrated = sum(event.nr_taken for event in ranges), cc.zone.vmstat["pgmigrate_success"]
    return {"lru_scanned": scanned, "isolated": isolated, "migrated": migrated,
            **{f"failed_{code}": cc.failed.get(Result[code], 0) for code in FAILURES},
            "isolation_success": isolated / scanned if scanned else np.nan,
            "migration_success": migrated / isolated if isolated else np.nan, "targets": cc.targets}


TRACE = ("zone_start", "start_pfn", "migrate_pfn", "free_pfn", "zone_end", "end_pfn", "nr_scanned",
         "nr_taken", "nr_migrated", "nr_failed", "succeeded", "failed", "mode", "reason", "sync", "status")


def trace(cc: CompactControl) -> pd.DataFrame:
    """A run as the kernel's own trace: one row an event, in order.

    Columns are tracepoint, then the fields that there are, and line. A field that a tracepoint does not have
    is <NA>, in words "". Print frame.line to read it as in trace_pipe.
    """
    events = [event._asdict() for event in cc.trace]
    fields = [name for name in TRACE if any(name in event for event in events)]
    frame = pd.DataFrame({"tracepoint": [event.tracepoint for event in cc.trace]}, dtype="str")
    for name in fields:
        missing, dtype = ("", "str") if name in ("mode", "reason", "sync", "status") else (pd.NA, "Int64")
        frame[name] = pd.array([event.get(name, missing) for event in events], dtype=dtype)
    lines = (" ".join(f"{name}={value}" for name, value in event.items()) for event in events)
    frame["line"] = pd.array([f"{name}: {line}" for name, line in zip(frame.tracepoint, lines)], dtype="str")
    return frame


def _owner(owned: AddressSpace) -> tuple[str, str]:
    matter = (name for name in FLAGS_THAT_MATTER if owned.flags >> FLAG_NAMES.index(name) & 1)
    return owned.a_ops.name, " | ".join(matter)


def _most_first(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("pages", ascending=False, kind="stable", ignore_index=True)
