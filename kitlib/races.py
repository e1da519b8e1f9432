"""Races over one file's folios: compaction against truncation and eviction, reclaim and mlock.

Each thread is a path made of the kernel's own; what a path for one folio returns is all that the next one
knows of it. Leaves out what the paths leave out, weak memory ordering, and RCU's delay between the end of an
inode and its free.
"""
from collections.abc import Callable, Iterable
from functools import partial
from inspect import signature
from string import ascii_lowercase
from types import ModuleType

from .concurrency.automaton import Chain
from .concurrency.sched import Event, Scenario
from .kernels import check_kernel, name as name_of
from .mm.filemap import call_migrate_folio, folio_freed_from_under_us, folio_ref_is, folio_set_lru
from .mm.folio import PG, Folio, a_ops_migrate_folio, folio_mapping, folio_put, folio_trylock, folio_unlock
from .mm.mapping import (AddressSpace, AddressSpaceOperations, i_lock as take_i_lock, i_unlock, inode_add_lru,
                         mapping_set_unevictable, mapping_set_unmovable, mapping_unmovable)
from .mm.migrate import folio_migrate_mapping
from .mm.truncate import (evict, evict_i_lock_only, evict_no_cycle, evict_tree_lock_only, iput_final,
                          munlock_and_mlock, shrink_folio, truncate_batch, truncate_folio,
                          truncate_folio_unlock_early)
from .mm.verdict import MigrateMode, Mode, Result, check_mode
from .mm.zone import Kind, Zone
from .step import Path, Step, atomic

TRUNCATE = {"locked": truncate_folio, "unlock_early": truncate_folio_unlock_early}
EVICT = {"both": evict, "tree_lock": evict_tree_lock_only, "i_lock": evict_i_lock_only,
         "neither": evict_no_cycle}
MOVE = {"frozen": folio_migrate_mapping,
        "not_frozen": partial(folio_migrate_mapping, freeze=folio_ref_is)}
IN_THE_CACHE = Kind("in the page cache", PG.LRU | PG.UNEVICTABLE | PG.DIRTY | PG.UPTODATE,
                    refcount=1, mapping=1)
_TARGET = Kind("target of a migration", PG.LOCKED | PG.UPTODATE, refcount=1)
FOLIO_FLAGS = ("lru", "unevictable", "dirty", "writeback", "locked", "mlocked", "swapbacked", "uptodate")


def truncation_race(kernel: ModuleType, folios: int = 1, compactors: int = 1, truncators: int = 1,
                    reclaimers: int = 0, mlockers: int = 0, truncate: str = "locked",
                    evict_cycles: str = "both", i_lock: bool = True, unmovable: bool = True,
                    migrate: bool = False, move: str = "frozen", reuse: bool = False,
                    mode: Mode = Mode(async_migrate=True, unevictable=True), **folio_flags: bool) -> Scenario:
    """Compaction isolates the folios of one file while the file is truncated and its inode evicted.

    Each folio is dirty, unevictable and on the LRU, unless `folio_flags` (FOLIO_FLAGS) say otherwise; its
    mapping has AS_UNEVICTABLE, AS_UNMOVABLE if `unmovable`, and a migrate_folio that moves. `truncate`:
    "locked" until the folio has left the page cache, or "unlock_early"; `evict_cycles`: which locks the end
    of the inode cycles, "both", "tree_lock", "i_lock" or "neither"; without `i_lock` reclaim and truncation
    hold the tree lock alone, as before i_lock was taken there. `migrate`: compaction goes on into
    move_to_new_folio(), with the count "frozen" while the folio moves, or by `move` "not_frozen"; `reuse`: a
    freed inode's memory becomes another's. Only the last truncator evicts the inode.
    """
    # The first line: locals() are the parameters and nothing else yet.
    arguments = {name: value for name, value in locals().items() if name not in ("kernel", "folio_flags")}
    arguments |= folio_flags
    check_kernel(kernel)
    check_mode(mode)
    _check(arguments, folio_flags)
    # With migrate each compactor has a target of its own for each folio.
    zone, mapping = _zone(folios, compactors * folios if migrate else 0, unmovable)
    every = [zone.folio(pfn) for pfn in range(len(zone))]
    files, targets = every[:folios], every[folios:]
    mapping.i_count = truncators
    for folio in files:
        folio.refcount += mlockers
        for flag, value in folio_flags.items():
            setattr(folio, flag, value)
    # What truncation can find at an index of the page cache: the folio, or a target that has taken its place.
    at_index = [(folio, *targets[number::folios]) for number, folio in enumerate(files)]
    paths = _named("compaction", [
        _compaction(kernel, mode, files, targets[n * folios:(n + 1) * folios], MOVE[move])
        for n in range(compactors)])
    end = partial(iput_final, mapping, EVICT[evict_cycles], reuse)
    truncated, shrunk = partial(TRUNCATE[truncate], mapping), shrink_folio
    if not i_lock:
        truncated, shrunk = partial(_without_i_lock, truncated), partial(_without_i_lock, shrunk)
    # Threads of one kind may share one start: it makes a new path each time that it is called.
    paths |= _named("truncation", [_one_by_one(truncated, at_index, end)] * truncators)
    paths |= _named("reclaim", [_one_by_one(shrunk, zip(files))] * reclaimers)
    paths |= _named("mlock", [_one_by_one(munlock_and_mlock, zip(files))] * mlockers)
    return Scenario(_title(kernel, arguments), zone, paths, (mapping, *files, *targets),
                    always={"unmovable folio moved": partial(_never_moved, targets)} if migrate else {})


def _check(arguments: dict, folio_flags: dict) -> None:
    threads = ("compactors", "truncators", "reclaimers", "mlockers")
    for what, least in (("folios", 1), *((what, 0) for what in threads)):
        number = arguments[what]
        if type(number) is not int or number < least or number > 9:     # not True, which is an int, too
            raise ValueError(f"{what}={number!r} is not to be raced with: "
                             f"write a whole number from {least} to 9")
    if not any(arguments[what] for what in threads):
        raise ValueError("a race needs a thread: write compactors=1, truncators=1 or the like")
    for what, options in (("truncate", TRUNCATE), ("evict_cycles", EVICT), ("move", MOVE)):
        if arguments[what] not in options:
            raise ValueError(f"no {what}={arguments[what]!r}: write one of {', '.join(map(repr, options))}")
    if unknown := [flag for flag in folio_flags if flag not in FOLIO_FLAGS]:
        raise TypeError(f"a folio has no flag {unknown[0]!r} to start with: "
                        f"write one of {', '.join(FOLIO_FLAGS)}")


def _zone(folios: int, targets: int = 0, unmovable: bool = True) -> tuple[Zone, AddressSpace]:
    """One file's folios, then `targets` pages to which they can be moved."""
    mapping = AddressSpace("A", AddressSpaceOperations("a file's"))
    (mapping_set_unmovable if unmovable else mapping_set_unevictable)(mapping)
    palette = (Kind("free"), IN_THE_CACHE, _TARGET)
    return Zone.from_kinds(bytes([1] * folios + [2] * targets), palette, [mapping]), mapping


def _named(name: str, starts: list[Callable[[], Path]]) -> dict[str, Callable[[], Path]]:
    """The threads of one kind by name: compaction, or compaction a and compaction b."""
    names = [f"{name} {letter}" for letter in ascii_lowercase] if len(starts) > 1 else [name]
    return dict(zip(names, starts))


def _title(kernel: ModuleType, arguments: dict) -> str:
    """The call that makes the race, with what is not the default."""
    usual = {name: parameter.default for name, parameter in signature(truncation_race).parameters.items()}
    unusual = [f"{name}={value!r}" for name, value in arguments.items()
               if name not in usual or value != usual[name]]
    return f"truncation_race({', '.join([name_of(kernel), *unusual])})"


def _one_by_one(path: Callable[..., Path], arguments: Iterable[tuple],
                end: Callable[[], Path] | None = None) -> Chain:
    """`path` for each of the arguments, then `end`. None is told what the one before has returned."""
    starts: list[Callable[[], Path]] = [partial(path, *these) for these in arguments]
    first, *others = [*starts, end] if end else starts
    return Chain(first, *[lambda _, start=start: start() for start in others])


def _compaction(kernel: ModuleType, mode: Mode, folios: list[Folio], targets: list[Folio],
                migrate_mapping: Callable[..., Path]) -> Chain:
    """The kernel isolates each folio, then moves each that it has got, if there are targets for them.

    What is handed on is the tuple of isolated folios: all that the rest of the run depends on.
    """
    migrate_mode = MigrateMode.ASYNC if mode.async_migrate else MigrateMode.SYNC

    def isolate(folio: Folio, isolated: tuple = ()) -> Path:
        verdict = yield from kernel.isolate_folio(folio, mode)
        return (*isolated, folio) if verdict.isolated else isolated

    def move(src: Folio, dst: Folio, isolated: tuple) -> Path:
        if src in isolated:
            yield from migrate_folio_to(kernel, dst, src, migrate_mode, migrate_mapping)
        return isolated

    return Chain(partial(isolate, folios[0]), *[partial(isolate, folio) for folio in folios[1:]],
                 *[partial(move, src, dst) for src, dst in zip(folios, targets)])


def migrate_folio_to(kernel: ModuleType, dst: Folio, src: Folio, mode: MigrateMode,
                     migrate_mapping: Callable[..., Path] = folio_migrate_mapping) -> Path:
    """migrate_folio_unmap() and migrate_folio_move() of one isolated folio (mm/migrate.c).

    Caller must hold the reference on `src` that the isolation took, which is dropped, and the lock of `dst`.
    One try, without waiting for the folio lock; what does not move goes back on its LRU list.
    """
    moved = False
    # The isolation's reference may be the last: truncation was here, and nobody needs a copy.
    if (yield folio_freed_from_under_us(src)):
        yield folio_put(src)
        return
    if (yield folio_trylock(src)):
        moved = not (yield from _moving(kernel.move_to_new_folio(dst, src, mode), migrate_mapping))
        if moved:
            yield folio_unlock(dst)
            yield folio_set_lru(dst)
            yield folio_put(dst)
        yield folio_unlock(src)
    if not moved:
        yield folio_set_lru(src)
    yield folio_put(src)


def _moving(path: Path, migrate_mapping: Callable[..., Path]) -> Path:
    """The kernel's own path, but mapping->a_ops->migrate_folio() moves step by step, by `migrate_mapping`."""
    answer = None
    try:
        while True:
            step: Step = path.send(answer)
            is_called = step.primitive is a_ops_migrate_folio
            if is_called:
                step.primitive = call_migrate_folio
            answer = yield step
            if is_called and answer is Result.SUCCESS:
                answer = yield from migrate_mapping(*step.args)
    except StopIteration as end:
        return end.value


@atomic
def no_i_lock(mapping: AddressSpace) -> None:
    """Instead of taking i_lock, of releasing it, or of touching the inode under it: nothing."""


def _without_i_lock(path: Callable[..., Path], *arguments: object) -> Path:
    """The kernel's own path, but nobody takes i_lock in it: the tree lock is the only one."""
    answer, started = None, path(*arguments)
    try:
        while True:
            step: Step = started.send(answer)
            if step.primitive in (take_i_lock, i_unlock, inode_add_lru):
                step.primitive = no_i_lock
            answer = yield step
    except StopIteration as end:
        return end.value


def _never_moved(targets: list[Folio], zone: Zone, event: Event) -> bool:
    """Whether no target has become part of a mapping that is completely unmovable."""
    # Not of a freed mapping: to read its flags would be a use after free, and no kernel code is doing that
    # here.
    mappings = [target.mapping for target in targets if target.mapping and not target.mapping.freed]
    return not any(mapping_unmovable(mapping).do() for mapping in mappings)


@atomic
def keep_locked(folio: Folio) -> None:
    """Instead of folio_unlock(): the lock is kept until the batch is done."""


@atomic
def detach_and_free(folio: Folio) -> None:
    """Take the folio's pointer away and free what it led to, at once: nobody can come in between."""
    mapping, folio.mapping = folio.mapping, None
    mapping.freed = True


def load_and_follow(folio: Folio) -> Path:
    """Load a pointer, and follow it unless it is NULL."""
    mapping = yield folio_mapping(folio)
    if mapping:
        yield mapping_unmovable(mapping)


def take_away(folio: Folio) -> Path:
    """The other thread's only step."""
    yield detach_and_free(folio)


def smallest_race() -> Scenario:
    """Two threads, three steps, one pointer: it is loaded and followed, and taken away with what it led to.

    Of its three schedules one fails. No kernel's steps are so large: it is there to be understood first.
    """
    zone, mapping = _zone(1)
    folio = zone.folio(0)
    paths = {"reader": partial(load_and_follow, folio), "owner": partial(take_away, folio)}
    return Scenario("smallest_race()", zone, paths, (mapping, folio))


def opposite_orders(kernel: ModuleType, mode: Mode = Mode(async_migrate=True, unevictable=True)) -> Scenario:
    """Two folios: compaction keeps its locks until it has looked at both, truncation locks them backwards.

    No kernel's compaction keeps the locks: this is what would happen to one that batches. A deadlock where
    compaction sleeps on a folio lock, none where it only tries.
    """
    check_kernel(kernel)
    check_mode(mode)
    zone, mapping = _zone(2)
    first, second = zone.folio(0), zone.folio(1)
    compaction = Chain(lambda: _keeping_locks(kernel.isolate_folio(first, mode)),
                       lambda kept: _keeping_locks(kernel.isolate_folio(second, mode), kept), _unlock)
    truncation = Chain(partial(truncate_batch, mapping, second, first), lambda _: iput_final(mapping))
    return Scenario(f"opposite_orders({name_of(kernel)})", zone,
                    {"compaction": compaction, "truncation": truncation}, (mapping, first, second))


def _keeping_locks(path: Path, kept: tuple[Folio, ...] = ()) -> Path:
    """The kernel's own path, but what it unlocks stays locked; returns these folios, after those `kept`."""
    answer = None
    try:
        while True:
            step: Step = path.send(answer)
            if step.primitive is folio_unlock:
                # The step is not done yet, and nobody else has seen it: it may still become another one.
                step.primitive = keep_locked
                kept += step.args
            answer = yield step
    except StopIteration:
        return kept


def _unlock(folios: tuple[Folio, ...]) -> Path:
    for folio in folios:
        yield folio_unlock(folio)
