"""A film: what a memory map shows of a compaction run after each of its trace events, as plain data.

A run is made once, on memory that is put back afterwards. Its probe looks at the zone as each event is
entered, and notes the pages that are no longer as they were: the state at t is the first one with all changes
up to t made again. Leaves out the time between events, so that a folio put back on its LRU list is seen so at
the next; and alloc_contig_range(), which has no events of its own.
"""
from types import ModuleType
from typing import NamedTuple

import numpy as np

from .. import scan
from ..compaction.compact_zone import compact_zone
from ..compaction.control import CompactControl, control_for, isolation_mode
from ..compaction.events import BeginEvent, EndEvent, FreeEvent, IsolateEvent, MigrateEvent, MigratePagesEvent
from ..compaction.rehearsal import outcome_of
from ..compaction.releases import Release
from ..kernels import after
from ..mm.folio import PG
from ..mm.page_alloc import count_free_blocks
from ..mm.verdict import Mode, Result
from ..mm.zone import PAGEBLOCK_ORDER, Zone, pageblock_nr_pages, pageblock_start_pfn
from ..recordings import Recording, check_recording, runs_of
from . import page_words
from .states import FAILED, FREE, ISOLATED, MIGRATED, STATES, page_states, plain_states

COUNTERS = ("compact_migrate_scanned", "compact_free_scanned", "compact_isolated",
            "pgmigrate_success", "pgmigrate_fail", "nr_isolated_anon", "nr_isolated_file")


class Frame(NamedTuple):
    """The moment at which an event was entered: the event, and what no event says of this moment."""

    event: NamedTuple
    zone: str
    changes: int                # how many of the film's changes are made by now
    migrate_pfn: int            # where each scanner is
    free_pfn: int
    nr_isolated: tuple[int, int]
    free_blocks: int            # of the order of a pageblock or more
    failed: dict                # pages that migration gave up since the frame before, by Result
    untried: int = 0            # pages that were handed over to it and never tried


class Film:
    """A run's frames; `states(t)`, `looks(t)` and `counters(t)` bring back what frame t shows."""

    def __init__(self, memory: Zone, kernel: ModuleType, mode: Mode, release: str | Release, first_pfn: int,
                 end_pfn: int):
        self.first_pfn, self.end_pfn = first_pfn, end_pfn
        self._decided_by = kernel, mode, release
        self.frames: list[Frame] = []
        self._pages = slice(first_pfn, end_pfn)
        self._owners = page_words.owners(memory)
        self._begin = page_states(memory)[self._pages]
        self._begin_keys = page_words.keys(memory, self._owners[0], self._pages)
        # Frame by frame: the pfns that changed, with their states and keys.
        self._taken: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def finish(self, memory: Zone) -> "Film":
        """Join what was noted, and find the words; the film is then only read."""
        pfns, states, keys = map(np.concatenate, zip(*self._taken))
        found, numbers = np.unique(np.append(self._begin_keys, keys), return_inverse=True)
        self.rows = page_words.page_words(found, memory, self._owners[1], *self._decided_by)
        numbers = numbers.astype(np.uint16)
        self._changes = pfns - self.first_pfn, states, numbers[len(self._begin):]
        self._begin_looks = numbers[:len(self._begin)]
        self.counts = self._counts()
        del self._taken, self._begin_keys
        return self

    def __len__(self):
        return len(self.frames)

    @property
    def last(self) -> int:
        """The number of the last frame."""
        return len(self.frames) - 1

    def states(self, t: int) -> np.ndarray:
        """A state per page after frame t: uint8, an index into STATES."""
        return self._replayed(self._begin, 1, t)

    def looks(self, t: int) -> np.ndarray:
        """A number per page after frame t, an index into `rows`."""
        return self._replayed(self._begin_looks, 2, t)

    def _replayed(self, begin: np.ndarray, column: int, t: int) -> np.ndarray:
        now, done = begin.copy(), slice(self.frames[t].changes)
        # Of several changes of one page the last one stays: numpy assigns in order.
        now[self._changes[0][done]] = self._changes[column][done]
        return now

    def counters(self, t: int) -> dict[str, int]:
        """vmstat's counters after frame t, from 0 at the beginning: sums over the trace, as in the kernel."""
        events = [frame.event for frame in self.frames[:t + 1]]
        isolated, taken, moved = ([event for event in events if type(event) is kind]
                                  for kind in (IsolateEvent, FreeEvent, MigratePagesEvent))
        sums = (sum(event.nr_scanned for event in isolated), sum(event.nr_scanned for event in taken),
                sum(event.nr_taken for event in isolated + taken), sum(event.succeeded for event in moved),
                sum(event.failed for event in moved))
        return dict(zip(COUNTERS, (*sums, *self.frames[t].nr_isolated)))

    def _counts(self) -> np.ndarray:
        """How many pages are in each state, frame by frame: the first count, then each frame's changes."""
        now, done, counts = self._begin.copy(), 0, np.zeros((len(self.frames), len(STATES)), np.int64)
        counts[0] = np.bincount(now, minlength=len(STATES))
        for t, frame in enumerate(self.frames):
            pfns, states = (column[done:frame.changes] for column in self._changes[:2])
            if t:
                counts[t] = counts[t - 1]
            counts[t] += np.bincount(states, minlength=len(STATES))
            counts[t] -= np.bincount(now[pfns], minlength=len(STATES))
            now[pfns], done = states, frame.changes
        return counts


class _Camera:
    """Takes a film: looks at the zone whenever its run enters an event."""

    def __init__(self, film: Film, memory: Zone, zones: list[Zone]):
        self.film, self.memory = film, memory
        self.columns = [*scan.columns(memory), np.frombuffer(memory.order, np.uint8)]
        self.before = [column.copy() for column in self.columns]
        self.states = page_states(memory)
        self.notes = np.zeros(len(self.states), np.uint8)
        self.changes = 0
        self.free_blocks = {}
        for zone in zones:
            count_free_blocks(zone)
            self.free_blocks[zone.name] = _large_free_blocks(zone)

    def watch(self, cc: CompactControl) -> None:
        """Film this run, which has not begun."""
        # compact_zone() counts free blocks after its BeginEvent; that frame shows them, too.
        count_free_blocks(cc.zone)
        self.cc, self.failed = cc, {}
        self.at = [cc.zone.start_pfn, pageblock_start_pfn(cc.zone.end_pfn - 1)]
        cc.probe = self.shoot

    def shoot(self, event: NamedTuple) -> None:
        """Note which pages have changed since the event before, and what they are now."""
        if isinstance(event, MigrateEvent):         # of what migrate_pages() has entered already
            frame = self.film.frames[-1]
            self.film.frames[-1] = frame._replace(untried=event.nr_failed - frame.event.failed)
            return
        cc, zone = self.cc, self.cc.zone
        self.free_blocks[zone.name] = _large_free_blocks(zone)
        more = {why: pages - self.failed.get(why, 0) for why, pages in cc.failed.items()}
        failed = {why: pages for why, pages in more.items() if pages}
        self.failed = dict(cc.failed)
        gave_up = self._gave_up(event, failed) if isinstance(event, MigratePagesEvent) else {}
        pages = self._changed(zone, gave_up)
        keys = page_words.keys(self.memory, self.film._owners[0], pages, self.notes[pages])
        self.film._taken.append((pages, self.states[pages], keys))
        self.changes += len(pages)
        self._move_scanners(event)
        isolated = zone.vmstat["nr_isolated_anon"], zone.vmstat["nr_isolated_file"]
        free_blocks = sum(self.free_blocks.values())
        frame = Frame(event, zone.name, self.changes, *self.at, isolated, free_blocks, failed)
        self.film.frames.append(frame)

    def _changed(self, zone: Zone, gave_up: dict[int, int]) -> np.ndarray:
        """The pages that are not as they were, their new states and notes entered."""
        part = slice(zone.start_pfn, zone.end_pfn)
        differ = np.logical_or.reduce([now[part] != was[part] for now, was in zip(self.columns, self.before)])
        differ = np.flatnonzero(differ) + zone.start_pfn
        for now, was in zip(self.columns, self.before):
            was[differ] = now[differ]
        pages, heads = self._whole(np.union1d(differ, np.array(list(gave_up), np.int64)))
        flags, states, notes = self.columns[0][heads], self.states[pages], self.notes[pages]
        on_lru, is_free = flags & PG.LRU > 0, flags & (PG.BUDDY | PG.FREE_TAIL) > 0
        held = ~on_lru & ~is_free
        # A target is nobody's page until a folio has moved there. What failed shows it after putback, too.
        target = held & ((flags & PG.SLAB > 0) | (notes == page_words.TARGET))
        arrived = on_lru & (notes == page_words.TARGET)
        stays = on_lru & ((states == FAILED) | (states == MIGRATED))
        plain = plain_states(flags, self.columns[3][heads], self.memory.mappings)
        for when, state in ((stays, states[stays]), (arrived, MIGRATED), (held, ISOLATED), (is_free, FREE)):
            plain[when] = state
        note = np.zeros_like(notes)
        for when, what in ((stays, notes[stays]), (arrived, page_words.ARRIVED),
                           (held, page_words.TAKEN), (target, page_words.TARGET)):
            note[when] = what
        self.states[pages], self.notes[pages] = plain, note
        for head, note in gave_up.items():
            folio = slice(head, head + (1 << int(self.columns[4][head])))
            self.states[folio], self.notes[folio] = FAILED, note
        return pages

    def _whole(self, pages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All pages of the folios that have these, and the head of each."""
        flags = self.columns[0]
        is_tail, is_head = flags[pages] & PG.TAIL, (flags[pages] & (PG.HEAD | PG.BUDDY)) == PG.HEAD
        if not is_tail.any() and not is_head.any():
            return pages, pages
        heads = np.maximum.accumulate(np.where(flags & PG.TAIL, 0, np.arange(len(flags))))
        wanted = np.zeros(len(flags), bool)
        wanted[heads[pages]] = True
        pages = np.flatnonzero(wanted[heads])
        return pages, heads[pages]

    def _gave_up(self, event: MigratePagesEvent, failed: dict) -> dict[int, int]:
        """The folios that were tried and have stayed, with the note on each."""
        zone, stayed, pages = self.memory, {}, 0
        # Newest first, as they were tried: what is left of the list then was not.
        for pfn in reversed(self.cc.migratepages):
            if pages >= event.failed:
                break
            pages += 1 << zone.order[pfn]
            outcome = outcome_of(self.cc, pfn, self.cc.mode)
            last = pages >= event.failed and Result.ENOMEM in failed
            why = Result.ENOMEM if last else Result.EAGAIN
            if outcome and outcome.result:
                why = outcome.result
            stayed[pfn] = page_words.GIVEN_UP[why.name]
        return stayed

    def _move_scanners(self, event: NamedTuple) -> None:
        if isinstance(event, BeginEvent | EndEvent):
            self.at = [event.migrate_pfn, event.free_pfn]
        elif isinstance(event, FreeEvent):
            # Within a pageblock upward; a pageblock that is done with is left at its start.
            in_block = event.end_pfn % pageblock_nr_pages()
            self.at[1] = event.end_pfn if in_block else pageblock_start_pfn(event.start_pfn)
        elif isinstance(event, IsolateEvent):
            self.at[0] = event.end_pfn


def film_zone(zone: Zone, caller: str = "compact_memory", kernel: ModuleType = after,
              order: int = PAGEBLOCK_ORDER, compact_unevictable_allowed: bool = True) -> Film:
    """One compact_zone() by a caller of compaction.CALLERS; the zone is left as it was."""
    cc = control_for(caller, zone, order, kernel=kernel)
    mode = isolation_mode(cc, compact_unevictable_allowed)
    cc.verdicts = scan.verdicts(zone, kernel, mode, cc.release, cc.order).tobytes()
    film, begin = Film(zone, kernel, mode, cc.release, zone.start_pfn, zone.end_pfn), zone.snapshot()
    camera = _Camera(film, zone, [zone])
    try:
        camera.watch(cc)
        compact_zone(cc, compact_unevictable_allowed)
        return film.finish(zone)
    finally:
        zone.restore(begin)
        count_free_blocks(zone)


def film_recording(recording: Recording) -> Film:
    """The run that a recording's kernel made, predicted zone after zone as recordings.predict does."""
    memory = check_recording(recording).memory
    film = Film(memory, recording.kernel, recording.mode, recording.release, memory.start_pfn, memory.end_pfn)
    camera = _Camera(film, memory, recording.zones)
    for cc in runs_of(recording):
        camera.watch(cc)
        compact_zone(cc, recording.mode.unevictable)
    return film.finish(memory)


def _large_free_blocks(zone: Zone) -> int:
    """Of a pageblock's order and above, as last counted."""
    return sum(map(sum, zone.nr_free[PAGEBLOCK_ORDER:]))
