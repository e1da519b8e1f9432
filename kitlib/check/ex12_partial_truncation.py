"""Exercise 12, "split the flag again": what a truncation of a part of a folio may zero.

On one CPU, and in every order. That a part was zeroed is seen by the step `folio_zero_range` in the trace.
Leaves out which part of the folio it is.
"""
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType

from ..concurrency.automaton import Chain, automaton
from ..concurrency.explore import prove
from ..concurrency.sched import Event, Machine, Scenario, run
from ..kernels import after
from ..mm.folio import Folio, folio_put
from ..mm.mapping import AddressSpace, test_bit
from ..mm.truncate import iput_final
from ..races import truncation_race
from ..scenarios import zone_of
from ..step import KernelBug, Path, atomic
from .every_order import proved, shown_by
from .ex12_two_flags import AS_INACCESSIBLE, COMBINATIONS, marked
from .report import Finding, Report, attempt, claim
from .tries import in_steps
from .yielded_steps import LOCKS, every_step_is_yielded, not_a_path


@atomic
def folio_zero_range(folio: Folio) -> None:
    """Fill a part of the folio with zeroes (include/linux/highmem.h)."""


def zeroes(event: Event) -> bool:
    """Whether this step has zeroed a part of a folio."""
    return event.step == folio_zero_range.__name__


# What must hold after every step, whoever else runs; and what some order must show.
ALWAYS = {
    "zeroed without the folio lock": lambda zone, event: not zeroes(event) or zone.folio(0).locked,
    "zeroed after it has left its file": lambda zone, event: (
        not zeroes(event) or zone.folio(0).mapping is not None),
    "inaccessible memory is zeroed": lambda zone, event: not zeroes(event) or not (
        zone.folio(0).mapping and test_bit(AS_INACCESSIBLE, zone.folio(0).mapping)),
}
PARTIAL = {
    "in some order the part is zeroed": lambda zone, event: zeroes(event),
    "in some order the folio has left its file when you lock it": lambda zone, event: (
        event.thread == "partial truncation" and event.step in LOCKS and zone.folio(0).mapping is None),
}
_WHY = {
    "zeroed without the folio lock": (
        "the lock is given back, or not yet taken, when the part is zeroed:\nlock, ask, zero, unlock"),
    "zeroed after it has left its file": (
        "the whole file may be truncated while you wait for the lock:\n"
        "ask folio_mapping(folio) again under it, and zero only if it is still this mapping"),
    "inaccessible memory is zeroed": (
        "ask mapping_inaccessible() before folio_zero_range():\n"
        "the CPU must not write what is encrypted for a guest"),
    "null dereference": (
        "the pointer was read from the folio and may be NULL:\nanother CPU has truncated the file. "
        "Read it under the lock, and compare it with `mapping`"),
    "deadlock": (
        "the folio stays locked on some way out, and the other truncation sleeps on it for ever:\n"
        "every way out unlocks"),
    "bad page state": "the folio is still locked when its last reference goes:\nevery way out unlocks",
    "unlock without lock": (
        "folio_unlock() without its folio_lock():\neach way through the path has one of each"),
}


@in_steps("lock, and wait; is folio_mapping(folio) still this mapping? then ask mapping_inaccessible(); "
          "zero if not; "
          "unlock on every way")
def partial_truncation(kernel: ModuleType) -> Report:
    """Exercise "do not zero what you must not touch": the path truncate_inode_partial_folio(mapping, folio).

    It is that of mm/truncate.c, c72ceafbd12c.
    """
    path = getattr(kernel, "truncate_inode_partial_folio", None)
    unbegun = ("write truncate_inode_partial_folio(mapping, folio): "
               "a path that locks, asks, zeroes and unlocks, each by `yield`")
    if report := not_a_path(path, marked(()), zone_of("file, clean").folio(0), unbegun=unbegun):
        return report
    findings = [every_step_is_yielded(path)]
    for check in (_on_one_cpu, _against_others):
        found, failed = attempt(lambda check=check: list(check(path)))
        if failed:
            return Report([failed])
        findings += found
    return Report(findings)


def _on_one_cpu(path: Callable[..., Path]) -> Iterator[Finding]:
    for case, flags in COMBINATIONS.items():
        expected = "left as it is" if test_bit(AS_INACCESSIBLE, marked(flags)) else "zeroed"
        yield _one(f"the part of a folio whose mapping has {case}", _zeroed(path, marked(flags)), expected,
                   "zeroed is whatever the CPU may write: "
                   "ask mapping_inaccessible(), and not whether the folio may move")
    yield _one("a folio that has left its file", _zeroed(path, marked(()), attached=False), "left as it is",
               "under the lock folio_mapping(folio) is no longer this mapping:\n"
               "unlock, and leave the folio to whoever has it")


def _one(tried: str, came_out: str, expected: str, hint: str) -> Finding:
    if "its lock is kept" in came_out:
        hint = "every way out unlocks"
    return Finding(tried, came_out, expected, hint)


def _zeroed(path: Callable[..., Path], mapping: AddressSpace, attached: bool = True) -> str:
    folio = zone_of("file, clean").folio(0)
    folio.mapping = mapping if attached else None
    machine = Machine(folio.zone, {"partial truncation": lambda: path(mapping, folio)})
    try:
        run(machine)
    except KernelBug as bug:
        return f"{bug.bug}: {bug}"
    zeroed = "zeroed" if any(map(zeroes, machine.trace)) else "left as it is"
    return f"{zeroed}, and its lock is kept" if folio.locked else zeroed


def _against_others(path: Callable[..., Path]) -> Iterator[Finding]:
    """Against compaction and a truncation of the whole file, for each combination of the flags."""
    races = [partial_race(path, flags) for flags in COMBINATIONS.values()]
    states = automaton(races[0].paths["partial truncation"], races[0].objects)
    steps = {state.step.name for state in states if state.step is not None}
    yield claim("the lock is waited for", "folio_trylock" not in steps,
                "a part that is skipped keeps its old data, and the next reader of the file gets it:\n"
                "here, unlike in compaction, write folio_lock()", "it is only tried")
    proofs = [prove(race) for race in races]
    proved_of = list(zip(proofs, COMBINATIONS.values(), strict=True))
    worst, flags = next((pair for pair in proved_of if not pair[0].safe), proved_of[0])
    see = f'See it: plots.swim_lanes(partial_race(truncate_inode_partial_folio, {flags}), "{worst.shortest}")'
    yield Finding("against compaction and the end of the file, in every order", proved(worst), "safe",
                  f"{_WHY.get(worst.bug, worst.bug)}. {see}", at_most=0.0)
    yield from shown_by(proofs, "a path that never gets there cannot go wrong, and says nothing:\n"
                                "lock, ask for the mapping again, ask for the flag, zero, unlock")


def partial_race(path: Callable[..., Path], flags: tuple[int, ...]) -> Scenario:
    """truncation_race() with one more thread, which zeroes a part of the folio by `path`.

    Then it drops its references on folio and inode.
    """
    race = truncation_race(after)
    mapping, folio = race.objects
    mapping.flags, folio.unevictable = marked(flags).flags, bool(flags)
    mapping.i_count, folio.refcount = 2, 2

    def put(_: object) -> Path:
        yield folio_put(folio)
        yield from iput_final(mapping)

    paths = {**race.paths, "partial truncation": Chain(lambda: path(mapping, folio), put)}
    return replace(race, name="partial truncation", paths=paths, always=ALWAYS, sometimes=PARTIAL, begin=None)
