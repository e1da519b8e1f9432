"""Exercise 03, "in the right order": unevictable, then unmovable, on one CPU."""
from collections.abc import Callable
from functools import cache
from types import ModuleType

import pandas as pd

from .. import frames
from ..concurrency.sched import Machine, run
from ..kernels import after, made_of
from ..kernels.labels import isolate_fail_put, isolate_success
from ..mm.folio import Folio, folio_test_clear_lru
from ..mm.verdict import MODES, Mode
from ..scenarios import KIND, one_folio
from ..step import Deadlock, KernelBug, NullDereference, Path
from .given_beginning import on_the_lru
from .one_cpu import case_text, kernels_decision
from .report import Finding, Report, attempt, begun, by_name, compared, shown, text_of, unsolved
from .sentence_sets import FIVE_USERS
from .sentences import Lettered, judged, lettered
from .tries import FEW, in_steps
from .yielded_steps import LOCKS, every_step_is_yielded, not_a_path

__all__ = ["in_the_right_order", "left_alone", "steps_of", "user_sentences"]

_FLIPPED = ((), ("unevictable",), ("locked",), ("unevictable", "locked"))
_NO_REASON = "which is no reason"
NO_TIME = "no time for the lock"     # what the merged kernel never says: it tries the lock for every caller
_STEPS = 100                 # more than any decision takes
_USERS = {"guest_memfd": "guest_memfd", "secretmem": "secretmem", "ramfs": "ramfs", "mlocked anon": (
    "anon, mlocked"),
          "SHM_LOCK": "shmem, SHM_LOCK"}


def with_tail(tail: Callable) -> ModuleType:
    """A kernel whose decision ends with a learner's `tail(folio, mode, mapping)`.

    It is a path that returns "" or a reason.
    """

    def isolate_folio(folio: Folio, mode: Mode) -> Path:
        """Decide on one folio; dirt and writeback are left out."""
        refused, mapping = yield from on_the_lru(folio, mode)
        if refused:
            return refused
        why = yield from tail(folio, mode, mapping)
        if why:
            return (yield from isolate_fail_put(folio, why))
        if not (yield folio_test_clear_lru(folio)):
            return (yield from isolate_fail_put(folio, "isolated by somebody else"))
        return isolate_success()

    return made_of("yours", isolate_folio=isolate_folio)


def steps_of(tail: Callable, kind: str, mode: Mode = Mode()) -> pd.DataFrame:
    """The steps of a decision with this tail on a folio of a kind, as far as it comes.

    None while the tail is not begun.
    """
    folio = one_folio(kind)
    machine = Machine(folio.zone, {"compaction": lambda: with_tail(tail).isolate_folio(folio, mode)})
    if attempt(tail, folio, mode, folio.mapping)[0] is not None:
        attempt(run, machine, _STEPS)
    return frames.events(machine)


class _Run:
    """One decision on one folio: its words, how often the lock was tried, where the flag was read.

    And whether the lock was kept, or somebody else's released.
    """

    def __init__(self, kernel: ModuleType, case: tuple):
        kind, mode, *flipped = case
        folio = one_folio(kind, *flipped)
        was_locked, held, self.bare = folio.locked, False, False
        machine = Machine(folio.zone, {"compaction": lambda: kernel.isolate_folio(folio, mode)})
        self.bug = None
        try:
            run(machine, _STEPS)
            why = machine.results["compaction"].why
            self.words = (why if isinstance(why, str) else f"{shown(why)}, {_NO_REASON}") or "isolated"
        except KernelBug as bug:
            self.bug, self.words = bug, f"{bug.bug}: {bug}"
        for event in machine.trace:
            if event.step in LOCKS:
                held = held or event.result is not False
            elif event.step == "folio_unlock":
                held = False
            self.bare |= event.step == "mapping_unmovable" and not held
        self.tries = sum(event.step in LOCKS for event in machine.trace)
        self.reads = sum(event.step == "mapping_unmovable" for event in machine.trace)
        self.kept = not self.bug and folio.locked and not was_locked
        self.stolen = not self.bug and was_locked and not folio.locked

    @property
    def text(self) -> str:
        """All that is compared: 'isolated, lock tried 1x, flag read 1x'."""
        return f"{self.words}; lock tried {self.tries} times, flag read {self.reads} times"


def _cases() -> list[tuple]:
    """Every kind, as it is and with flags flipped, in every mode, but for what dirt or writeback decides."""
    folios = {kind: one_folio(kind) for kind in KIND if kind != "free"}
    return [(kind, mode, *flipped) for kind, folio in folios.items() for mode in MODES for flipped in _FLIPPED
            if not (mode.async_migrate and (folio.dirty or folio.writeback))]


# By what the kernel does with a folio: what the group is called.
_GROUPS = {
    "unevictable": "unevictable folios, to a caller that takes none",
    NO_TIME: "unevictable folios with a mapping, to a caller in a hurry",
    "mapping is unmovable": "folios of an unmovable mapping",
    "locked by somebody else": "unevictable folios with a mapping, locked by somebody else",
    "looked at": "unevictable folios of mappings that can move",
    "not locked": "folios for which no lock is needed",
}


_AS_MERGED = ("so decides the merged kernel, kl.after, and its lines are not asked for:\n"
              "it tries the lock for every caller. Yours has one line more: "
              f'for mode.async_migrate it returns "{NO_TIME}", and tries no lock')


def _group(expected: _Run) -> str:
    if expected.words in _GROUPS:
        return expected.words
    return "looked at" if expected.tries else "not locked"


@in_steps("refuse unevictable folios if the mode takes none; then, if there is a mapping and the folio is "
          "unevictable: refuse a caller in a hurry; trylock, or refuse; ask the flag; unlock; refuse or "
          "go on")
def in_the_right_order(tail: Callable) -> Report:
    """Exercise "in the right order": the end of isolate_migratepages_block()'s decision (0003e2a41468).

    With one difference: a caller in a hurry tries no lock here, and leaves with NO_TIME. Dirt and writeback
    are left out. `tail(folio, mode, mapping)` is a path and returns "" or the reason; `mapping` was read
    without the lock.
    """
    unbegun = "write the path: first the test for unevictable folios, then the lock, then the flag"
    if report := not_a_path(tail, one_folio("anon"), Mode(), None, unbegun=unbegun):
        return report
    runs, failed = attempt(_runs, tail)
    yielded = every_step_is_yielded(tail)
    forgotten = [] if yielded.holds else [yielded]
    if failed:
        return Report([*forgotten, failed])
    if not any(yours.tries or yours.reads or yours.bug for _, yours, _ in runs):
        refusals = {yours.words for _, yours, expected in runs if _group(expected) == "unevictable"}
        if refusals != {"unevictable"}:
            return unsolved("your path tests for no unevictable folio, takes no lock and reads no flag")
    decided = [_decided(runs, group, name) for group, name in _GROUPS.items()]
    return Report([*forgotten, *decided, _under_the_lock(runs), _lock_is_released(runs)])


def _runs(tail: Callable) -> list[tuple[tuple, _Run, _Run]]:
    yours = with_tail(tail)
    return [(case, _Run(yours, case), _kernels(case)) for case in _cases()]


@cache
def _kernels(case: tuple) -> _Run:
    """What is expected: the merged kernel's decision, but that a caller in a hurry tries no lock."""
    run = _Run(after, case)
    if run.tries and case[1].async_migrate:
        run.words, run.tries, run.reads = NO_TIME, 0, 0
    return run


def _decided(runs: list, group: str, name: str) -> Finding:
    """A group's folios: the same word, and the lock and the flag asked for as often as by the kernel."""
    ours = [(case, yours, expected) for case, yours, expected in runs if _group(expected) == group]
    wrong = [(case, yours, expected) for case, yours, expected in ours if yours.text != expected.text]
    tried = f"{name}: {len(ours)} decisions"
    at_most = 1 / 6 if group == NO_TIME else 1.0
    if group == "not locked" and not any(yours.tries for _, yours, _ in runs):
        return Finding(tried, "no folio is ever locked", "as asked for",
                       "first say who is locked; then all others are not")
    if not wrong:
        return Finding(tried, "as asked for", "as asked for")
    case, yours, expected = min(wrong, key=lambda decided: len(decided[0]))
    hint = (f"{case_text(*case)}: yours says {yours.text}.\n"
            f"Asked for is {expected.text}. {_hint(yours, expected, group, case[0])}")
    if group == NO_TIME and yours.tries:
        hint = _AS_MERGED
    return Finding(tried, f"{len(wrong)} differ", "as asked for", hint, at_most=at_most)


def _hint(yours: _Run, expected: _Run, group: str, kind: str) -> str:
    if isinstance(yours.bug, Deadlock):
        return "You sleep on the lock, and whoever holds it may wait for you: write folio_trylock()"
    if isinstance(yours.bug, NullDereference):
        return "mapping_unmovable() follows the pointer:\nanonymous folios have no mapping, mlocked or not"
    if yours.bug and "unlock" in yours.bug.bug:
        return ("folio_unlock() is for whoever has the lock:\n"
                "unlock only after a folio_trylock() that answered yes")
    if yours.bug or _NO_REASON in yours.words:
        return 'Return "" to go on, or the reason as a string; the reference is dropped for you'
    if group == "unevictable":
        if yours.tries or yours.reads:
            return ("The test for unevictable folios comes first:\n"
                    "what is refused there costs no lock, and its mapping is not asked")
        return "Without mode.unevictable every folio with PG_unevictable is refused, anonymous ones too"
    if yours.words == "unevictable":
        return ("mode.unevictable says that unevictable folios are taken:\n"
                "PG_unevictable alone is no reason to refuse")
    if group == "locked by somebody else" and yours.tries:
        return ('folio_trylock() answers whether you got the lock:\n'
                'if not, return "locked by somebody else" at once, and unlock nothing')
    if group == "not locked" and yours.tries:
        if kind.startswith("anon") or "truncated" in kind:
            return "It has no mapping:\nthere is nothing to ask, so no lock is needed"
        return ("It is evictable:\nto lock every file folio would make most of memory dearer; "
                "only unevictable ones with a mapping are locked")
    if yours.reads and not yours.tries:
        return "The flag is read under the folio lock:\nwithout it the mapping may be freed meanwhile"
    if group == "looked at" and yours.words != "isolated":
        return ("Unevictable is not unmovable:\nSHM_LOCKed and mlocked files move; "
                "ask mapping_unmovable(mapping)")
    if group == "mapping is unmovable":
        return 'Lock it, ask mapping_unmovable(mapping), unlock, and return "mapping is unmovable" if it is'
    return "Who is locked? Unevictable folios that have a mapping, each once; and each of them is asked once"


def _under_the_lock(runs: list) -> Finding:
    tried, read = "the flag is read under the folio lock", [yours for _, yours, _ in runs if yours.reads]
    if not read:
        return Finding(tried, "it is never read", "always",
                       "the flag is read with mapping_unmovable(mapping), under the lock")
    bare = sum(yours.bare for yours in read)
    return Finding(tried, f"{bare} times without it" if bare else "always", "always",
                   "when is the lock yours?\nfolio_trylock() first, mapping_unmovable() then, "
                   "folio_unlock() last: "
                   "the lock keeps folio and mapping together")


def _lock_is_released(runs: list) -> Finding:
    tried = "the lock is left as it was found"
    kept = [yours for _, yours, _ in runs if yours.kept]
    stolen = sum(yours.stolen for _, yours, _ in runs)
    if not any(yours.tries for _, yours, _ in runs):
        return Finding(tried, "it is never taken", "always", "take it with folio_trylock(folio)")
    if kept:
        ways = " and ".join(sorted({repr(yours.words) for yours in kept}))
        return Finding(tried, f"kept {len(kept)} times", "always",
                       f"there is a way out that keeps the lock:\nfolio_unlock() on every way out that "
                       f"had the lock; yours keeps it before {ways}")
    return Finding(tried, f"somebody else's is released {stolen} times" if stolen else "always", "always",
                   "a lock that you did not get is not yours to release:\n"
                   "unlock only after a folio_trylock() that answered yes")


@in_steps("with 0 PG_unevictable decides, before any lock; with 1 only AS_UNMOVABLE, which one of the "
          "five has", FEW)
def left_alone(allowed: dict[str, str], forbidden: dict[str, str], true: str = "") -> Report:
    """Exercise "in the right order", prediction: what compaction says of the folios of five users.

    With vm.compact_unevictable_allowed 1, and 0; and the letters of the true sentences of user_sentences().
    """
    predictions = {1: by_name(allowed, _USERS), 0: by_name(forbidden, _USERS)}
    if not begun(predictions):
        return unsolved("write your predictions in place of the dots")
    findings = []
    for sysctl, answers in predictions.items():
        for user, kind in _USERS.items():
            answer, right = answers.get(user), kernels_decision(kind, Mode(unevictable=bool(sysctl)))
            findings.append(compared(f"{user}, vm.compact_unevictable_allowed {sysctl}", answer, right,
                                     _user_hint(user, sysctl, text_of(answer))))
    return Report([*findings, judged(FIVE_USERS, true)])


def user_sentences() -> Lettered:
    """Seven sentences about the five users, some of them true."""
    return lettered(FIVE_USERS)


def _user_hint(user: str, sysctl: int, answer: str) -> str:
    if sysctl == 0 and answer == "mapping is unmovable":
        return "its flags are never read:\nPG_unevictable is tested first"
    if sysctl == 0:
        return ("PG_unevictable is set, whoever set it:\nmlock, SHM_LOCK or the mapping; "
                "without ISOLATE_UNEVICTABLE it is left")
    return {"guest_memfd": (
        "its mapping has AS_UNMOVABLE,\nand the folio is locked and asked, because it is unevictable"),
            "secretmem": (
                "it cannot move, but has only AS_UNEVICTABLE:\n"
                "the scanner takes it, and its callback refuses in vain"),
            "ramfs": (
                "AS_UNEVICTABLE is for reclaim:\nthe scanner takes it; that it is dirty and cannot be "
                "written out is found by migration, in vain"),
            "mlocked anon": (
                "mlock keeps a page in memory, not in its place:\nit is taken, and not even locked"),
            "SHM_LOCK": "SHM_LOCK makes the mapping unevictable, not unmovable:\nit is taken"}[user]
