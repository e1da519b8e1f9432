"""A schedule that a learner has found by hand: followed as far as it goes."""
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
        return ("a thread that waits for a lock has no step: let the other one go on until it has unlocked, "
                "or switch before it has the lock")
    if not stepper.t:
        return "C2T5C1 is two steps of compaction, five of truncation, one of compaction"
    return ""
