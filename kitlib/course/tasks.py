"""What the skill test asks: ten sorts of task, each made anew from dice, each answered by the model.

A task shows all that it needs but the knowledge: no notebook's instance is repeated. Leaves out history, and
what only a person could mark.
"""
import random
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NamedTuple

from ..check.flags import row_of
from ..compaction import (CompactControl, alloc_contig_range, compact_zone, control_for,
                          isolate_migratepages_block)
from ..concurrency import Stepper, run_path
from ..kernels import after, before, name as name_of, racy
from ..mm.folio import PG, Folio
from ..mm.mapping import (FLAG_NAMES, AddressSpace, AddressSpaceOperations, flag_names,
                          mapping_set_unevictable, mapping_set_unmovable)
from ..mm.verdict import Mode, Result
from ..mm.zone import Zone
from ..races import truncation_race
from ..scenarios import one_folio, zone_of
from .orders import ORDERS, is_harmless, numbered, proof_of, told


class Task(NamedTuple):
    """What is asked, with the keywords of `question()`, and the model's answer."""

    topic: str
    words: str
    sort: Mapping[str, list[str]]
    answer: object


# One folio.

# A folio, and whether its caller is asynchronous.
FOLIOS = (("file, dirty", True), ("file, dirty, no migrate_folio", True),
          ("file, dirty, no migrate_folio", False), ("guest_memfd", True), ("guest_memfd", False),
          ("guest_memfd, locked", False), ("secretmem", False), ("shmem, SHM_LOCK", True),
          ("shmem, SHM_LOCK, locked", False), ("anon, pinned", False), ("file, pinned", False),
          ("file, under writeback", True), ("file, under writeback", False), ("file, locked", False),
          ("anon, in a per-CPU LRU batch", True))
VERDICTS = ["isolated", "not on the LRU", "no mapping, extra references", "unevictable", "under writeback",
            "locked by somebody else", "dirty, and no migrate_folio", "mapping is unmovable"]


def folio_verdict(dice: random.Random) -> Task:
    """What isolation says of a folio before a caller."""
    kind, is_async = dice.choice(FOLIOS)
    mode = Mode(async_migrate=is_async, unevictable=dice.random() < 0.8)
    folio = one_folio(kind)
    bits = ("ISOLATE_ASYNC_MIGRATE" if is_async else "", "ISOLATE_UNEVICTABLE" if mode.unevictable else "")
    words = (f"{_seen(folio)} The caller's mode is {' | '.join(filter(None, bits)) or '0'}. "
             "What does isolation say in the kernel with the patch?")
    return Task("one folio's verdict", words, {"choices": VERDICTS},
                run_path(after.isolate_folio(folio, mode)).why or "isolated")


def flags(dice: random.Random) -> Task:
    """Which flags a setter leaves."""
    mapping = AddressSpace("A", AddressSpaceOperations("a file's"))
    setter = dice.choice((mapping_set_unmovable, mapping_set_unevictable))
    given = dice.sample([name for name in FLAG_NAMES if name not in ("AS_UNEVICTABLE", "AS_UNMOVABLE")], 2)
    mapping.flags = sum(1 << FLAG_NAMES.index(name) for name in given)
    setter(mapping)
    words = f"A mapping has {_listed(given)}. Then {setter.__name__}() is called. Which flags has it now?"
    return Task("the two bits", words, {"several": [*FLAG_NAMES]}, flag_names(mapping.flags))


def arrival(dice: random.Random) -> Task:
    """Which bits a page has where it arrives."""
    kind, flip = dice.choice((
        ("shmem, SHM_LOCK", ()), ("shmem, SHM_LOCK", ("unevictable",)), ("tmpfs", ()),
        ("ramfs, never written", ("unevictable",)), ("file, clean", ()), ("file, clean", ("unevictable",)),
        ("file, mlocked", ()), ("file, mlocked", ("unevictable",)), ("file, dirty", ())))
    zone, cc = _compacted(kind, after, flip)
    (_, target), = cc.moves
    bits = {"PG_lru": PG.LRU, "PG_unevictable": PG.UNEVICTABLE, "PG_mlocked": PG.MLOCKED,
            "PG_dirty": PG.DIRTY, "PG_locked": PG.LOCKED}
    words = (f"{_seen(one_folio(kind, *flip))} compact_memory moves it. Which of these bits has the page in "
             "its new place, once it is on an LRU list again?")
    return Task("where a page arrives", words, {"several": [*bits]},
                [name for name, bit in bits.items() if zone.flags[target] & bit])


# The race.

def alive(dice: random.Random) -> Task:
    """What a reference on the folio has kept, with truncation somewhere on its way."""
    race, is_held = truncation_race(racy), dice.random() < 0.6
    stepper = Stepper(race.machine())
    if is_held:
        stepper.replay("C3")
    names = [event.step for event in stepper.run("truncation")]
    done = dice.choice([name for name in names if names.count(name) == 1])
    stepper.jump(stepper.t - len(names) + names.index(done) + 1)
    mapping, folio = race.objects
    holds = {"the folio is freed": not folio.refcount, "the mapping is freed": mapping.freed,
             "folio->mapping points to the mapping": folio.mapping is mapping,
             "the folio is locked": folio.locked}
    compaction = ("holds a reference on a folio of a file, and has done nothing else with it" if is_held
                  else "has not begun")
    words = (f"Compaction {compaction}. Another CPU truncates the file and frees its inode. It has just done "
             f"{done}. What holds now?\nThe steps of the other CPU: {numbered(names)}.")
    return Task("what a reference keeps", words, {"several": [*holds]},
                [words for words, is_so in holds.items() if is_so])


def crash(dice: random.Random) -> Task:
    """Which schedule crashes a kernel that is not safe."""
    order = dice.choice([order for order in ORDERS if not proof_of(order).safe])
    proof = proof_of(order)
    others = [f"{first}{middle}{last}" for first in ("", "C1", "C2", "C3", "C4", "C5")
              for middle in ("T2", "T8", "T13", "T21") for last in ("C1", "C2", "C3", "C4")]
    choices = [proof.shortest, *dice.sample([one for one in others if is_harmless(proof, one)], 3)]
    dice.shuffle(choices)
    stepper = Stepper(proof.scenario.machine())
    names = [event.step for event in stepper.run("truncation")]
    words = ("Compaction (C) and truncation (T) race for one folio. Which schedule crashes?\n"
             f"C: {told(order)}.\nT: {numbered(names)}.")
    return Task("the schedule that crashes", words, {"choices": choices}, proof.shortest)


def safe(dice: random.Random) -> Task:
    """Which kernels are safe in every order."""
    good, bad = ([order for order in ORDERS if proof_of(order).safe == is_safe] for is_safe in (True, False))
    number = dice.randint(1, 3)
    drawn = dice.sample(good, number) + dice.sample(bad, 4 - number)
    dice.shuffle(drawn)
    words = ("Four kernels that never were, each before an unevictable folio of a file that may be truncated "
             "at any time. Is it safe in every order?")
    return Task("safe or not", words, {"rows": [*map(told, drawn)], "choices": ["safe", "not safe"]},
                {told(order): "safe" if order in good else "not safe" for order in drawn})


# A run.

def refusal(dice: random.Random) -> Task:
    """What becomes of pages, and whether a refusal is tried again."""
    kernel = dice.choice((before, after))
    kinds = dice.sample(("file, pinned", "ramfs", "secretmem", "guest_memfd", "anon, pinned",
                         "file, clean, no migrate_folio", "shmem, SHM_LOCK", "ramfs, never written"), 4)
    codes = [Result.EAGAIN, Result.EBUSY, Result.EINVAL]
    ends = ["moved", "not isolated", *(_tried(code) for code in codes)]
    words = (f"compact_memory meets each of these pages, in the kernel {name_of(kernel)} the patch. What "
             "becomes of it? Where migration refuses it: by which code in the end, and is a page with that "
             "code tried again in the next pass of its batch?")
    return Task("refusals", words, {"rows": kinds, "choices": ends},
                {kind: _fate(*_compacted(kind, kernel)) for kind in kinds})


def contiguous(dice: random.Random) -> Task:
    """Which pages alone make CMA fail."""
    kernel = dice.choice((before, after))
    kinds = dice.sample(("anon, mlocked", "anon, pinned", "file, dirty", "file, pinned", "guest_memfd",
                         "ramfs", "ramfs, never written", "secretmem", "shmem, SHM_LOCK",
                         "shmem, SHM_LOCK, locked", "file, under writeback", "slab"), 6)
    words = (f"CMA wants a range in which one page is in use, in the kernel {name_of(kernel)} the patch. "
             "With which of these does it get -EBUSY?")
    return Task("why CMA fails", words, {"several": kinds},
                [kind for kind in kinds if _contig(kind, kernel)])


def scanned(dice: random.Random) -> Task:
    """What nr_scanned says of a few pages."""
    fours = (["free"] * 4, ["anon", "slab", "free", "free"], ["slab", "free", "anon", "anon"],
             ["free", "free", "file, clean", "slab"], ["slab", "free", "free", "free"])
    pages, end = dice.choice(fours) + dice.choice(fours), dice.randint(5, 7)
    cc = CompactControl(zone_of(*pages, *["slab"] * 1016), free_pfn=512)
    isolate_migratepages_block(cc, 0, end, Mode())
    words = (f"Pages 0 to 7 are: {'; '.join(pages)}. Free pages stand in the largest blocks that the buddy "
             f"allocator makes of them. Pages 0 to {end - 1} are scanned for migration. What is nr_scanned?")
    return Task("what nr_scanned counts", words, {}, cc.trace[0].nr_scanned)


def in_vain(dice: random.Random) -> Task:
    """How many targets a run allocates."""
    kernel, movable, stuck = dice.choice((before, after)), dice.randint(20, 300), dice.randint(5, 60)
    kinds = ["anon"] * movable + ["guest_memfd"] * stuck
    dice.shuffle(kinds)
    zone = zone_of(*kinds, *["slab"] * (1024 - len(kinds)), *["free", "slab"] * 512)
    cc = control_for("compact_memory", zone, kernel=kernel)
    compact_zone(cc)
    words = (f"A zone has {movable} pages of anonymous memory, {stuck} of guest_memfd, some of the kernel's "
             "own, and enough free ones. compact_memory runs once, in the kernel "
             f"{name_of(kernel)} the patch. How many targets does it ask for?")
    return Task("targets in vain", words, {}, cc.targets)


TASKS: tuple[Callable[[random.Random], Task], ...] = (
    folio_verdict, flags, alive, crash, safe, refusal, contiguous, scanned, arrival, in_vain)


def instances(make: Callable[[random.Random], Task], seed: int) -> tuple[Task, Task]:
    """Two of one sort whose answers differ: one for before the course, one for after it."""
    dice = random.Random(f"{make.__name__} {seed}")
    one = other = make(dice)
    while _are_alike(one, other):
        other = make(dice)
    return one, other


def _are_alike(one: Task, other: Task) -> bool:
    """Whether who remembers the one knows the other: the same answer, or more than half of its rows."""
    shared = set(one.sort.get("rows", ())) & set(other.sort.get("rows", ()))
    return one.answer == other.answer or 2 * len(shared) > len(one.sort.get("rows", ()))


def _seen(folio: Folio) -> str:
    """What can be seen of a folio, in a sentence."""
    row = row_of(folio)
    bits = [f"PG_{name}" for name in str(row["PG_"]).split()]
    mapping = "It has no mapping"
    if folio.mapping:
        named = [f"AS_{name}" for name in str(row["AS_"]).split()]
        mapping = (f"Its mapping has {_listed(named)}, and {'a' if row['migrate_folio'] == 'yes' else 'no'} "
                   "migrate_folio")
    return (f"A folio has {_listed(bits)}. Its reference count is {folio.refcount}, its map count "
            f"{folio.mapcount}. {mapping}.")


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "no flag"


def _compacted(kind: str, kernel: ModuleType, flipped: tuple[str, ...] = ()) -> tuple[Zone, CompactControl]:
    """What compact_memory has done with one page of a kind, and enough free ones."""
    zone = zone_of(kind, *["slab"] * 1023, *["free", "slab"] * 256)
    for name in flipped:
        setattr(zone.folio(0), name, not getattr(zone.folio(0), name))
    cc = control_for("compact_memory", zone, kernel=kernel)
    compact_zone(cc)
    return zone, cc


def _fate(zone: Zone, cc: CompactControl) -> str:
    if cc.moves:
        return "moved"
    return _tried(*cc.failed) if cc.failed else "not isolated"


def _tried(code: Result) -> str:
    """Of all codes -EAGAIN alone has a folio tried in the next pass."""
    return f"{code}, {'tried again' if code == Result.EAGAIN else 'not tried again'}"


def _contig(kind: str, kernel: ModuleType) -> Result | int:
    zone = zone_of(kind, *["slab"] * 1023, *["free", "slab"] * 256)
    return alloc_contig_range(control_for("alloc_contig_range", zone, kernel=kernel), 0, 1)
