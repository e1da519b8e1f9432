"""A schedule that a learner has found by hand: how it must begin, and followed as far as it goes."""
import random

from ..concurrency.explore import FATES, Proof
from ..concurrency.sched import ScheduleError, Stepper, read_schedule
from .report import shown


def followed(stepper: Stepper, schedule: object) -> str:
    """Follow a learner's schedule as far as it goes; why it does not go on to its end, "" if it does.

    The stepper stays where that was. Caller gives one at its beginning, and looks where it is then.
    """
    text = schedule if isinstance(schedule, str) else shown(schedule)
    try:
        names = read_schedule(text, stepper.machine.paths)
    except ScheduleError as error:
        return shown(error)
    for number, name in enumerate(names, 1):
        # Asked first: a step that cannot be done would raise, and a learner's schedule is no error of ours.
        if why := stepper.machine.why_not(name):
            return f"it cannot be followed: at step {number}, {why}"
        stepper.step(name)
    return ""


def how_to_go_on(stepper: Stepper, stopped: str) -> str:
    """A hint for a schedule that stopped where `followed` says, and short of a crash."""
    if "sleeps at" in stopped:
        return ("a thread that waits for a lock has no step:\nlet the other one go on until it has unlocked, "
                "or switch before it has the lock")
    if not stepper.t:
        return "C2T5C1 is two steps of compaction, five of truncation, one of compaction"
    return ""


def a_beginning(proof: Proof, dice: random.Random) -> str:
    """Three short turns after which it can still go wrong, and need not; no proof has a schedule for it."""
    while True:
        turns = zip(dice.choice(("CTC", "TCT")), (dice.randint(1, 3) for _ in range(3)))
        text = "".join(f"{letter}{steps}" for letter, steps in turns)
        if not followed(Stepper(proof.scenario.machine()), text) and proof.fate(text) == FATES[1]:
            return text


def begins(schedule: object, beginning: str, proof: Proof) -> bool:
    """Whether a learner's schedule begins like this; what is no schedule is let pass, and told elsewhere."""
    threads = proof.scenario.paths
    try:
        names = read_schedule(schedule if isinstance(schedule, str) else shown(schedule), threads)
    except ScheduleError:
        return True
    first = read_schedule(beginning, threads)
    return names[:len(first)] == first
