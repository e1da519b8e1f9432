"""What every order of many CPUs says of a learner's kernel."""
from dataclasses import replace
from types import ModuleType

from .. import frames
from ..concurrency.explore import Proof, prove
from ..concurrency.sched import Scenario, Stepper
from ..mm.verdict import Mode
from ..races import truncation_race
from ..step import AnotherInodeRead, NullDereference, UseAfterFree
from .report import Finding, claim
from .yielded_steps import LOCKS

# What some order must show, or a proof that nothing crashes says nothing. Asked of the memory after the step,
# and of the step.
_ASKED = "in some order you read the flag"
_SOMETIMES = {
    "in some order truncation holds the lock, and the trylock fails": lambda zone, event: (
        event.thread == "compaction" and event.step == "folio_trylock" and not event.result),
    "in some order you get the lock after the folio has left its mapping": lambda zone, event: (
        event.thread == "compaction" and event.step in LOCKS and event.result is not False
        and zone.folio(0).mapping is None),
    _ASKED: lambda zone, event: (
        event.thread == "compaction" and event.step == "mapping_unmovable"),
}
_NOT_SHOWN = ("a path that never asks cannot crash, and says nothing:\n"
              "lock with folio_trylock(), ask folio_mapping() again, then mapping_unmovable()")


def every_order(yours: ModuleType, *more: Scenario,
                expression: str = 'check.made_of("yours", isolate_folio=isolate_folio)') -> list[Finding]:
    """Three races and `more`, each over every order, and what some order of the three must show.

    That all are safe is the gate, and that some order asks: without either nothing else counts. `expression`
    is how a learner writes `yours`.
    """
    races = [truncation_race(yours), truncation_race(yours, dirty=False, mode=Mode()),
             truncation_race(yours, reuse=True)]
    proofs = [prove(replace(race, sometimes=_SOMETIMES)) for race in races]
    worst = next((proof for proof in (*proofs, *map(prove, more)) if not proof.safe), proofs[0])
    shows = [finding._replace(at_most=0.0) if finding.tried == _ASKED else finding
             for finding in shown_by(proofs, _NOT_SHOWN)]
    return [Finding("compaction and truncation, in every order", proved(worst), "safe",
                    "" if worst.safe else _why(worst, expression), at_most=0.0), *shows]


def shown_by(proofs: list[Proof], hint: str) -> list[Finding]:
    """For everything that some order must show, whether one of these races has such an order."""
    return [claim(name, any(proof.sometimes[name] for proof in proofs), hint, otherwise="never")
            for name in proofs[0].sometimes]


def proved(proof: Proof) -> str:
    """A proof in a few words: safe, or the bug and the shortest schedule to it."""
    if proof.safe:
        return "safe"
    return f"{proof.bug} by {proof.shortest}" if proof.bug else proof.why_no_count


def _why(proof: Proof, expression: str) -> str:
    """What a learner did to get into a truncation_race()'s shortest crash, and the line that replays it."""
    stepper = Stepper(proof.scenario.machine())
    stepper.replay(proof.shortest)
    _, comma, arguments = proof.scenario.name.removesuffix(")").partition(", ")
    arguments = arguments.replace("Mode(", "kl.Mode(")
    race = f"{expression}{comma}{arguments}"
    return f'{_cause(stepper)}\nPlay it: RaceStepper({race}).replay("{proof.shortest}")'


def _cause(stepper: Stepper) -> str:
    crash = stepper.machine.crash
    if crash is None:
        return "Two threads wait for each other."
    bug = type(crash.result)
    if issubclass(bug, NullDereference):
        return ("Truncation may be done before you get the lock:\n"
                "then the mapping is NULL, and must not be followed.")
    if not issubclass(bug, UseAfterFree | AnotherInodeRead):
        return f"{crash.result}."
    locks = frames.locks(stepper.machine)
    yours = locks[locks.thread == "compaction"]
    if yours.empty:
        return ("Nothing keeps the mapping alive: a pointer that is not NULL is no proof of life.\n"
                "Take the folio lock first.")
    if yours.released.isna().any():
        return ("The pointer was read before the lock, and the file went in between:\n"
                "read folio_mapping() again under the lock.")
    return ("The mapping is followed after folio_unlock():\n"
            "ask under the lock, keep the answer, unlock, then decide.")
