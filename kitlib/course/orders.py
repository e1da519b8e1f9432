"""Kernels that never were, each the order of its steps: told in words, and run, and proved.

Leaves out all else that isolation asks: the lock and the pointer are all there is.
"""
from collections.abc import Callable, Iterable
from functools import cache

from ..concurrency import Stepper, prove
from ..concurrency.explore import Proof
from ..kernels import made_of
from ..kernels.labels import isolate_fail, isolate_fail_put, isolate_success
from ..mm.folio import (Folio, folio_get_nontail_page, folio_mapping, folio_test_clear_lru, folio_trylock,
                        folio_unlock)
from ..mm.mapping import mapping_unmovable
from ..mm.verdict import Mode
from ..races import truncation_race
from ..step import Path

STEPS = {"get": "takes a reference", "read": "reads folio->mapping", "lock": "tries the lock or gives up",
         "null": "gives up on NULL", "ask": "asks the mapping", "unlock": "unlocks",
         "isolate": "isolates unless unmovable"}
ORDERS = ("read lock read null ask unlock", "lock read null ask unlock",
          "read null lock read null ask unlock", "read lock unlock lock read null ask unlock",
          "read null ask", "read null lock ask unlock", "read lock null ask unlock", "lock read ask unlock",
          "lock read null unlock ask", "lock unlock read null ask", "read lock read ask unlock",
          "lock read null unlock lock ask unlock", "read lock read null unlock ask")


def numbered(names: Iterable[str]) -> str:
    """Steps as a schedule counts them."""
    return ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))


def told(order: str) -> str:
    """A kernel as its steps, numbered as a schedule counts them: to look at a pointer is no step."""
    words, count = [], 0
    for word in ("get", *order.split(), "isolate"):
        count += word != "null"
        words.append(STEPS[word] if word == "null" else f"{count} {STEPS[word]}")
    return ", ".join(words)


def _path(order: str) -> Callable[[Folio, Mode], Path]:
    """The kernel of these steps; it unlocks what it has locked wherever it gives up."""
    def isolate_folio(folio: Folio, mode: Mode) -> Path:
        mapping, is_unmovable, is_locked = None, False, False
        if not (yield folio_get_nontail_page(folio)):
            return isolate_fail("reference count is zero")
        for word in order.split():
            if word == "read":
                mapping = yield folio_mapping(folio)
            elif word == "lock":
                is_locked = yield folio_trylock(folio)
                if not is_locked:
                    return (yield from isolate_fail_put(folio, "locked by somebody else"))
            elif word == "unlock":
                yield folio_unlock(folio)
                is_locked = False
            elif word == "ask":
                is_unmovable = yield mapping_unmovable(mapping)
            elif not mapping:
                if is_locked:
                    yield folio_unlock(folio)
                return (yield from isolate_fail_put(folio, "no mapping"))
        if is_unmovable:
            return (yield from isolate_fail_put(folio, "mapping is unmovable"))
        if not (yield folio_test_clear_lru(folio)):
            return (yield from isolate_fail_put(folio, "isolated by somebody else"))
        return isolate_success()

    return isolate_folio


@cache
def proof_of(order: str) -> Proof:
    """What every order of this kernel and truncation comes to."""
    return prove(truncation_race(made_of("one", isolate_folio=_path(order))))


def is_harmless(proof: Proof, schedule: str) -> bool:
    """Whether a schedule can be followed to its end, and nothing crashes."""
    stepper = Stepper(proof.scenario.machine())
    try:
        stepper.replay(schedule)
    except ValueError:
        return False
    return stepper.machine.crash is None
