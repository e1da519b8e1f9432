"""What one CPU says of a learner's kernel, folio by folio, and what every order of many CPUs says of it."""
from dataclasses import replace
from itertools import combinations
from types import ModuleType

from .. import frames
from ..concurrency.explore import Proof, prove
from ..concurrency.sched import Scenario, Stepper
from ..kernels.labels import isolate_fail, isolate_fail_put
from ..mm.folio import (Folio, PageLRU, folio_get_nontail_page, folio_has_extra_refs, folio_mapping,
                        folio_test_lru, folio_test_unevictable, folio_test_writeback)
from ..mm.verdict import MODES, Mode
from ..races import truncation_race
from ..scenarios import KIND
from ..step import AnotherInodeRead, NullDereference, Path, UseAfterFree
from .paths import case_text, decision, kernels_decision
from .report import Finding, claim

# Locked, too: who takes the lock of a folio that needs none is told by the one that somebody else has locked.
_FLIPPED = [flags for number in range(4) for flags in combinations(("dirty", "unevictable", "locked"), number)]
LOCKS = {"folio_trylock", "folio_lock"}
# What some order must show, or a proof that nothing crashes says nothing: the memory after the step, and the step.
_SHOWN = {
    "in some order truncation holds the lock, and the trylock fails":
        lambda zone, event: event.thread == "compaction" and event.step == "folio_trylock" and not event.result,
    "in some order you get the lock after the folio has left its mapping":
        lambda zone, event: event.thread == "compaction" and event.step == "folio_unlock" and zone.folio(0).mapping is None,
    "in some order you read the flag": lambda zone, event: event.thread == "compaction" and event.step == "mapping_unmovable",
}
NOT_SHOWN = "a path that never asks cannot crash, and says nothing: lock with folio_trylock(), ask folio_mapping() again, then mapping_unmovable()"


def on_the_lru(folio: Folio, mode: Mode) -> Path:
    """isolate_folio() of 0003e2a41468 as far as the second look at PG_lru: how it ends before that, None if it goes on, and the mapping."""
    if not (yield PageLRU(folio)):
        return isolate_fail("not on the LRU"), None
    if not (yield folio_get_nontail_page(folio)):
        return isolate_fail("reference count is zero"), None
    mapping = yield folio_mapping(folio)
    if not mapping and (yield folio_has_extra_refs(folio)):
        return (yield from isolate_fail_put(folio, "no mapping, extra references")), None
    if not mode.gfp_fs and mapping:
        return (yield from isolate_fail_put(folio, "has a mapping, and GFP_NOFS")), None
    if not (yield folio_test_lru(folio)):
        return (yield from isolate_fail_put(folio, "left the LRU")), None
    return None, mapping


def up_to_the_lock(folio: Folio, mode: Mode) -> Path:
    """The same as far as the test for writeback: how it ends, the mapping as it was read without the lock, whether PG_unevictable was set."""
    refused, mapping = yield from on_the_lru(folio, mode)
    if refused:
        return refused, None, False
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        refused = yield from isolate_fail_put(folio, "unevictable")
    elif mode.async_migrate and (yield folio_test_writeback(folio)):
        refused = yield from isolate_fail_put(folio, "under writeback")
    return refused, mapping, is_unevictable


def the_lock_is_tried(steps: set[str]) -> Finding:
    """By the steps of a learner's isolate_folio(): it must not sleep on a folio lock."""
    return claim("the lock is tried, never slept on", "folio_lock" not in steps, otherwise="it is slept on", hint=
                 "the scanner may hold a spinlock, and its task may hold this very folio locked: write folio_trylock()")


def same_decisions(yours: ModuleType) -> list[Finding]:
    """One CPU: every kind of folio in every mode, as it is, and with PG_dirty, PG_unevictable and PG_locked the other way round."""
    cases = [(kind, mode, *flipped) for kind in KIND if kind != "free" for mode in MODES for flipped in _FLIPPED]
    differs = [(case, told, kernels_decision(*case)) for case in cases if (told := decision(yours, *case)) != kernels_decision(*case)]
    hint = ""
    if differs:
        case, told, right = differs[0]
        hint = f"{case_text(*case)}: yours says {told!r}, the kernel {right!r}. {_hint(told, right)}"
    return [Finding(f"{len(cases)} decisions on one CPU", f"{len(cases) - len(differs)} as the kernel's", f"{len(cases)} as the kernel's", hint)]


def _hint(told: str, expected: str) -> str:
    if "lock is kept" in told:
        return "Every way out of the lock block goes through folio_unlock(), before isolate_fail_put()"
    if "reference is" in told:
        return "isolate_fail_put() drops the reference: return (yield from isolate_fail_put(folio, why)) once, at every refusal"
    if "locked by somebody else" in (told, expected):
        return "Who is locked at all? (async_migrate and dirty) or (mapping and unevictable), and nobody else"
    if expected == "dirty, and no migrate_folio" or told == expected.replace("isolated", "dirty, and no migrate_folio"):
        return "has_migrate_folio() is asked of dirty folios, for a caller in a hurry only"
    if expected == "mapping is unmovable":
        return "The flag is asked for both reasons of entering the block, after the question for migrate_folio"
    return "What does the kernel ask before this, and what only in the lock block?"


def every_order(yours: ModuleType, *more: Scenario, made: str = 'check.made_of("yours", isolate_folio=isolate_folio)') -> list[Finding]:
    """Many CPUs: three races and `more`, each over every order, and what some order of the three must show. `made`: how a learner writes `yours`."""
    races = [truncation_race(yours), truncation_race(yours, dirty=False, mode=Mode()), truncation_race(yours, reuse=True)]
    proofs = [prove(replace(race, sometimes=_SHOWN)) for race in races]
    worst = next((proof for proof in (*proofs, *map(prove, more)) if not proof.safe), proofs[0])
    findings = [Finding("compaction and truncation, in every order", proved(worst), "safe", "" if worst.safe else _why(worst, made))]
    return findings + shown_by(proofs, NOT_SHOWN)


def shown_by(proofs: list[Proof], hint: str) -> list[Finding]:
    """For everything that some order must show, whether one of these races has such an order."""
    return [claim(name, any(proof.sometimes[name] for proof in proofs), hint, otherwise="never") for name in proofs[0].sometimes]


def proved(proof: Proof) -> str:
    """A proof in a few words: safe, or the bug and the shortest schedule to it."""
    if proof.safe:
        return "safe"
    return f"{proof.bug} by {proof.shortest}" if proof.bug else proof.why_no_count


def _why(proof: Proof, made: str) -> str:
    """What a learner did to get into a truncation_race()'s shortest crash, and the line that replays it."""
    stepper = Stepper(proof.scenario.machine())
    stepper.replay(proof.shortest)
    crash = stepper.machine.crash
    locks = frames.locks(stepper.machine)
    mine = locks[locks.thread == "compaction"]
    _, comma, arguments = proof.scenario.name.removesuffix(")").partition(", ")
    play = f'Play it: RaceStepper({made}{comma}{arguments.replace("Mode(", "kl.Mode(")}).replay("{proof.shortest}")'
    if crash is None:
        return f"Two threads wait for each other. {play}"
    bug = type(crash.result)
    if issubclass(bug, NullDereference):
        return f"Truncation may be done before you get the lock: then the mapping is NULL, and must not be followed. {play}"
    if issubclass(bug, UseAfterFree | AnotherInodeRead) and mine.empty:
        return f"Nothing keeps the mapping alive: a pointer that is not NULL is no proof of life. Take the folio lock first. {play}"
    if issubclass(bug, UseAfterFree | AnotherInodeRead) and mine.released.isna().any():
        return f"The pointer was read before the lock, and the file went in between: read folio_mapping() again under the lock. {play}"
    if issubclass(bug, UseAfterFree | AnotherInodeRead):
        return f"The mapping is followed after folio_unlock(): ask under the lock, keep the answer, unlock, then decide. {play}"
    return f"{crash.result}. {play}"
