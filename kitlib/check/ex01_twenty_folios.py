"""Exercise 01, "twenty folios"."""
import random
from collections import Counter
from numbers import Integral

import pandas as pd

from ..concurrency.sched import Machine, run
from ..kernels import after
from ..mm.folio import Folio
from ..mm.mapping import AS_UNMOVABLE
from ..mm.verdict import Mode
from ..scenarios import one_folio
from .flags import row_of
from .one_cpu import REASONS_TO_STAY
from .report import NO_ANSWER, Finding, Report, by_name, claim, compared, example, seed_of, text_of, unsolved
from .tries import CHOSEN, FEW, in_steps

__all__ = ["REASONS_TO_STAY", "lock_is_tried", "twenty_folios", "twenty_folios_for"]

SYNC, ASYNC = Mode(), Mode(async_migrate=True)
NO_UNEVICTABLE, NOFS = Mode(unevictable=False), Mode(gfp_fs=False)
# Twenty places, each with folios to draw from: (kind, mode, flags that are flipped).
# Every place is a trap or a reason of its own.
PLACES = (
    (("file, pinned", SYNC), ("file, pinned", ASYNC)),
    (("anon, mlocked", SYNC, "locked"), ("anon, mlocked", ASYNC, "locked")),
    (("guest_memfd", NO_UNEVICTABLE), ("guest_memfd, locked", NO_UNEVICTABLE)),
    (("secretmem", NO_UNEVICTABLE), ("anon, mlocked", NO_UNEVICTABLE)),
    (("file, dirty, no migrate_folio", SYNC),),
    (("file, dirty, no migrate_folio", ASYNC),),
    (("file, under writeback", SYNC),),
    (("file, under writeback", ASYNC),),
    (("shmem, SHM_LOCK, locked", SYNC), ("file, mlocked", SYNC, "locked"), ("ramfs", ASYNC, "locked")),
    (("guest_memfd, locked", SYNC), ("guest_memfd, locked", ASYNC)),
    (("file, dirty and locked", ASYNC),),
    (("file, locked", SYNC), ("file, locked", ASYNC), ("file, dirty and locked", SYNC)),
    (("guest_memfd", SYNC), ("guest_memfd", ASYNC)),
    (("guest_memfd", SYNC, "unevictable"), ("guest_memfd", ASYNC, "unevictable")),
    (("guest_memfd", ASYNC, "unevictable", "dirty"),),
    (("ramfs", SYNC), ("secretmem", ASYNC), ("shmem, SHM_LOCK", ASYNC), ("file, mlocked", SYNC)),
    (("anon, pinned", SYNC), ("anon, pinned", ASYNC), ("anon, pinned", NOFS)),
    (("file, truncated, still held", SYNC), ("file, truncated, still held", NOFS)),
    (("anon, in a per-CPU LRU batch", SYNC), ("slab", ASYNC), ("page table", SYNC)),
    (("file, clean, mapped", NOFS), ("tmpfs", NOFS), ("guest_memfd", NOFS)),
)


def twenty(learner: str) -> list[tuple[Folio, Mode]]:
    """A learner's twenty folios, each with the mode in which it is scanned; the same learner has the same."""
    dice = random.Random(seed_of(learner))
    drawn = [dice.choice(place) for place in PLACES]
    dice.shuffle(drawn)
    return [(one_folio(kind, *flipped), mode) for kind, mode, *flipped in drawn]


def twenty_folios_for(learner: str) -> pd.DataFrame:
    """A learner's twenty folios as a table, numbered from 1, with the mode of each as the last column."""
    rows = [row_of(folio) | {"mode": mode_text(mode)} for folio, mode in twenty(learner)]
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="folio"))


def mode_text(mode: Mode) -> str:
    """A mode as the bits that are set, without ISOLATE_; NOFS where __GFP_FS is missing."""
    bits = {"ASYNC_MIGRATE": mode.async_migrate, "UNEVICTABLE": mode.unevictable, "NOFS": not mode.gfp_fs}
    return " ".join(name for name, is_set in bits.items() if is_set) or "none"


@in_steps("for each folio, follow the tree from the top: PG_lru; mapping and references; NOFS; "
          "PG_unevictable and the "
          "mode; writeback; then the lock, migrate_folio, the flag. The first that refuses is the reason",
          CHOSEN)
def twenty_folios(answers: dict[int, str], learner: str) -> Report:
    """Exercise "twenty folios": what isolate_migratepages_block() (0003e2a41468) says of each.

    `answers` maps each number to a reason, to "isolated" where the folio is taken; or it is a list of twenty.
    """
    numbers = range(1, len(PLACES) + 1)
    if isinstance(answers, list | tuple):
        answers = dict(zip(numbers, answers, strict=False))
    answers = by_name(answers, numbers)
    if not answers:
        return unsolved('write a reason for each folio in place of the dots, as 1: "isolated"')
    if len(set(map(text_of, answers.values()))) == 1:
        return unsolved("twenty times the same answer is no prediction")
    return Report(_judged(answers, learner), elsewhere=example(
        lambda name: twenty_folios_for(name).to_string(),
        lambda name: _judged(dict.fromkeys(numbers), name), learner), guessed=0.5)


def _judged(answers: dict[int, str | None], learner: str) -> list[Finding]:
    findings = []
    for number, (folio, mode) in enumerate(twenty(learner), 1):
        expected, _ = _run(folio, mode)
        hint = _hint(text_of(answers[number]).casefold(), expected, folio, mode)
        findings.append(compared(f"folio {number}, {mode_text(mode)}", answers[number], expected, hint))
    return findings


# The sorts of folios, by whether their lock is tried; what to say of a sort in which something is wrong.
_SORTS = {
    "refused before the lock": "it is refused before the lock:\ngo through your reasons of task 1",
    "without a mapping": ("without a mapping there is nothing to ask under the lock:\n"
                          "only dirt before a caller in a hurry would need it"),
    "unevictable, with a mapping": (
        "it is unevictable, and its mapping may be unmovable:\nlocked for every caller that takes "
        "unevictable folios"),
    "dirty": "which caller minds dirt?\nLocked for a caller in a hurry (ASYNC_MIGRATE), and for nobody else",
    "clean and evictable": "can a mapping be unmovable whose folios are evictable?\nClean and "
                           "evictable: never locked, and most of memory is like that",
}
_BEFORE_THE_LOCK = {"not on the LRU", "unevictable", "has a mapping, and GFP_NOFS", "under writeback",
                    "no mapping, extra references"}


@in_steps("two sorts are locked: dirty folios before ASYNC_MIGRATE, and unevictable folios with a mapping",
          FEW)
def lock_is_tried(answer: list[int], learner: str) -> Report:
    """Exercise "twenty folios", the lock: for which is it tried (folio_trylock(), 0003e2a41468)?

    Told by the sort of folio: which of your numbers is wrong is yours to find.
    """
    if (not isinstance(answer, list | tuple | set) or not answer
            or not all(isinstance(number, Integral) for number in answer)):
        return unsolved("write the numbers of the folios, as locked = [3, 8]")
    folios, wrong, of = dict(enumerate(twenty(learner), 1)), Counter(), Counter()
    for number, (folio, mode) in folios.items():
        sort = _sort(folio, mode)
        of[sort] += 1
        wrong[sort] += (number in answer) != _run(folio, mode)[1]
    # Who has most of a sort wrong has not told it from the others.
    findings = [Finding(f"folios, {sort}", f"{wrong[sort]} of {of[sort]} wrong", f"0 of {of[sort]} wrong",
                        hint, True, at_most=float(2 * wrong[sort] <= of[sort]))
                for sort, hint in _SORTS.items()]
    if set(answer) - set(folios):
        findings.append(claim("every number is a folio's", False, "there are twenty folios, from 1 to 20"))
    return Report(findings, guessed=0.5)


def _sort(folio: Folio, mode: Mode) -> str:
    if _run(folio, mode)[0] in _BEFORE_THE_LOCK:
        return "refused before the lock"
    if folio.unevictable and folio.mapping:
        return "unevictable, with a mapping"
    if folio.dirty:
        return "dirty"
    return "clean and evictable" if folio.mapping else "without a mapping"


def _run(folio: Folio, mode: Mode) -> tuple[str, bool]:
    """What `after` says of a folio, and whether it has tried its lock; the folio is as it was afterwards."""
    machine = run(Machine(folio.zone, {"compaction": lambda: after.isolate_folio(folio, mode)}))
    decision = machine.results["compaction"].why or "isolated"
    tried = any(event.step == "folio_trylock" for event in machine.trace)
    machine.reset()
    return decision, tried


# What goes wrong, by what was answered and what is right; a hint for what is right alone stands under "".
_HINTS = {
    ("mapping is unmovable", "unevictable"): (
        "UNEVICTABLE is not in the mode:\nthat is asked before the lock, "
        "and the mapping's flags are never read"),
    ("locked by somebody else", "unevictable"): (
        "UNEVICTABLE is not in the mode:\nthe folio is refused before anybody tries its lock"),
    ("", "unevictable"): (
        "PG_unevictable is set, and the mode has no UNEVICTABLE (vm.compact_unevictable_allowed=0)"),
    ("mapping is unmovable", "locked by somebody else"): (
        "the flag is read under the lock only, and somebody else has the lock"),
    ("", "locked by somebody else"): (
        "dirty before a caller in a hurry, or unevictable with a mapping:\n"
        "the lock is tried, and somebody has it"),
    ("unevictable", "mapping is unmovable"): (
        "UNEVICTABLE is in the mode, so PG_unevictable alone is no reason; it leads to the lock, "
        "and to the question under it"),
    ("dirty, and no migrate_folio", "mapping is unmovable"): (
        "the mapping has a migrate_folio; under the same lock its flags are read, too"),
    ("", "mapping is unmovable"): (
        "the lock is taken (unevictable with a mapping, or dirty in a hurry), "
        "and under it AS_UNMOVABLE is read"),
    ("", "dirty, and no migrate_folio"): (
        "ASYNC_MIGRATE is in the mode:\na dirty folio must then have a migrate_folio"),
    ("dirty, and no migrate_folio", "under writeback"): (
        "writeback is asked first, and this folio is not dirty"),
    ("", "under writeback"): (
        "ASYNC_MIGRATE is in the mode: a caller in a hurry does not wait for writeback"),
    ("", "has a mapping, and GFP_NOFS"): (
        "NOFS is in the mode:\nwithout __GFP_FS whatever has a mapping is refused, early"),
    ("", "no mapping, extra references"): (
        "the mapping is NULL, and refcount is more than mapcount:\n"
        "somebody else holds the folio, or it was truncated"),
    ("", "not on the LRU"): (
        "PG_lru is not set, and that is the first question of all"),
}


def _hint(answer: str, expected: str, folio: Folio, mode: Mode) -> str:
    """For what was answered in place of what is right."""
    if answer == NO_ANSWER:
        return "follow the tree, question by question"
    reason = next((reason for reason in REASONS_TO_STAY if reason.casefold() == answer), "")
    if not reason:
        return f"no reason of the list; write one of {', '.join(map(repr, REASONS_TO_STAY))}"
    if expected == "isolated":
        return _taken_hint(reason, folio, mode)
    return _HINTS.get((reason, expected)) or _HINTS[("", expected)]


def _taken_hint(reason: str, folio: Folio, mode: Mode) -> str:
    """A folio is isolated, and was thought to be refused for this reason."""
    mapping = folio.mapping
    if reason == "mapping is unmovable" and mapping and mapping.flags >> AS_UNMOVABLE & 1:
        return ("the flag is set, but the folio is clean and evictable:\n"
                "nobody locks it, so nobody reads the flag; migration will refuse")
    if reason in ("mapping is unmovable", "unevictable"):
        return "UNEVICTABLE is in the mode, and AS_UNEVICTABLE is not AS_UNMOVABLE:\nsuch folios are taken"
    if reason == "no mapping, extra references":
        return ("the folio has a mapping, and the test is for folios without one:\n"
                "a pinned file folio is taken, and migration finds the pin")
    if reason == "locked by somebody else":
        return ("it is locked, but nobody tries the lock:\n"
                "that is for dirty folios in a hurry, and for unevictable ones with a mapping")
    if reason in ("dirty, and no migrate_folio", "under writeback") and not mode.async_migrate:
        return ("ASYNC_MIGRATE is not in the mode:\n"
                "this caller can wait for writeback, and write dirt out")
    return f"look again at what {reason!r} asks for:\nthis folio is taken"
