"""Exercise 06, "break it in the fewest switches": schedules that crash, and where others could still have."""
from collections.abc import Mapping

from ..concurrency.explore import FATES, Proof, prove
from ..concurrency.sched import Event, Stepper, letters
from ..kernels import after, after_unlock, cached, no_null_check, racy
from ..races import truncation_race
from .report import Finding, Report, begun, by_name, compared, seed_of, shown, text_of, unsolved
from .schedules import followed, how_to_go_on

__all__ = ["break_it", "no_order_breaks_it", "race_for"]

# What is to be broken: the kernel, and how long truncation holds the folio lock.
CASES = {
    "racy": (racy, "locked"),
    "cached": (cached, "locked"),
    "after_unlock": (after_unlock, "locked"),
    "no_null_check": (no_null_check, "locked"),
    "after, unlock_early": (after, "unlock_early"),
    "after_unlock, unlock_early": (after_unlock, "unlock_early"),
}
RACES = ({}, {"folios": 2}, {"dirty": False}, {"folios": 2, "dirty": False})
HOW = {
    "many were tried": (
        "in the race of notebook 06 the bug of after_unlock shows in less than one schedule of 5,000,000: "
        "who tries a thousand has seen nothing"),
    "every state was looked at": (
        "a state is where both threads are and what memory looks like: "
        "there are few, and whatever an order does goes through them"),
    "it is in v6.8": (
        "what is merged can still be wrong: "
        "the lines of 2011 that followed the mapping without a lock stood until 69d763fc6d3a (2018)"),
}


def race_for(learner: str = "") -> dict:
    """A learner's own race, as arguments of truncation_race() and RaceStepper(); "" for the notebook's."""
    return dict(RACES[seed_of(learner) % len(RACES)])


def break_it(broken: Mapping[str, tuple[str, str]], learner: str = "") -> Report:
    """Exercise "break it in the fewest switches" (0003e2a41468).

    `broken` has by case of CASES a schedule that crashes, and the name of its bug.
    """
    answers = by_name(broken, CASES)
    if not answers:
        return unsolved('write for each kernel a schedule and the name of its bug, as ("C2T5C1", '
                        '"use after free")')
    findings = []
    for case, (kernel, truncate) in CASES.items():
        proof = prove(truncation_race(kernel, truncate=truncate, **race_for(learner)))
        findings += _broken(case, proof, answers[case])
    return Report(findings)


def _broken(case: str, proof: Proof, answer: object) -> list[Finding]:
    is_pair = isinstance(answer, tuple | list) and len(answer) == 2
    schedule, named = answer if is_pair else (answer, "not named")
    if not begun(schedule):
        return _unbroken(case, "no schedule yet", proof,
                         "take its buttons in the stepper, and copy the schedule from the field")
    stepper = Stepper(proof.scenario.machine())
    stopped, crash = followed(stepper, schedule), stepper.machine.crash
    tried = f"{case}: {shown(schedule)}"
    if stopped and crash:
        return _unbroken(tried, stopped, proof,
                         "it has crashed before its end: leave out what comes after the crash")
    if not crash:
        as_far = f"{stepper.text} is as far as it goes; " if stopped else ""
        return _unbroken(tried, stopped or f"no crash in {stepper.t} steps", proof,
                         how_to_go_on(stepper, stopped) or as_far + missed(proof, stepper))
    return [Finding(f"{tried}, how it ends", "a crash", "a crash"),
            compared(f"{tried}, the name of the bug", named, crash.result.bug,
                     f"the last step is {crash.step}({crash.on}): {crash.result}"),
            Finding(f"{tried}, switches", str(switches(stepper.text)), str(switches(proof.fewest_switches)),
                    _too_many(proof, stepper))]


def _unbroken(tried: str, came_out: str, proof: Proof, hint: str) -> list[Finding]:
    return [Finding(f"{tried}, how it ends", came_out, "a crash", hint),
            Finding(f"{tried}, the name of the bug", "no crash, and no bug to name", proof.bug),
            Finding(f"{tried}, switches", "no crash", str(switches(proof.fewest_switches)))]


def switches(schedule: str) -> int:
    """How often another thread takes over in a schedule as the stepper writes it."""
    return sum(letter.isupper() for letter in schedule) - 1


def _too_many(proof: Proof, stepper: Stepper) -> str:
    shortest = Stepper(proof.scenario.machine())
    shortest.replay(proof.shortest)
    if stepper.t <= shortest.t and shortest.text != proof.fewest_switches:
        return ("no schedule has fewer steps than yours, and yet one has fewer switches: it is longer. "
                "Who can go on a little longer at one time, and need not come back?")
    return ("it crashes, with a switch that it does not need: "
            "a thread that need not stop just there can go on, or start later")


def missed(proof: Proof, stepper: Stepper) -> str:
    """Where a whole schedule that did not crash could still have crashed, and what went by.

    It was replayed by `stepper`.
    """
    called, at = letters(proof.graph.names), 0
    for event in list(stepper.machine.trace):
        to = dict(proof.graph.successors(at))[event.thread]
        if proof.fate_of(to) == FATES[0] != proof.fate_of(at):
            return _lost(stepper, event)
        at = to
    if proof.fate_of(at) == FATES[0]:
        return "no schedule of this race crashes"
    following = dict(proof.graph.successors(at))
    for name, to in following.items():
        if proof.graph.endings.get(to):
            return f"it stops just before the crash: one more {called[name]}"
    names = [called[name] for name, to in following.items() if proof.fate_of(to) != FATES[0]]
    return f"it stops while it can still crash: go on with {' or '.join(names)}"


def _lost(stepper: Stepper, event: Event) -> str:
    """Why the crash can come no more after a step that was the last chance."""
    stepper.jump(event.t - 1)
    before = f"{stepper.text or 'the beginning'} could still crash, but not"
    what = f"step {event.t}, {event.step}({event.on})"
    if event.thread != "compaction":
        stands_before = stepper.machine.next.get("compaction", "its end")
        return (f"too early: {before} {what} of {event.thread}. "
                f"Compaction stands before {stands_before} and has not yet read the pointer that it will "
                "follow: let it go further first")
    if event.step == "folio_trylock" and event.result:
        return (f"too late: {before} {what}. "
                "From here on compaction has the folio lock, and finds the folio in its mapping: "
                "truncation has to go by before that")
    if event.step == "folio_trylock":
        return (f"in between: {before} {what}. Truncation holds the folio lock just now, "
                "so compaction gives up: truncation has to go on first")
    if event.step in ("mapping_unmovable", "has_migrate_folio"):
        return (f"too late: {before} {what}. "
                "The mapping was alive when it was asked, and an answer cannot dangle: "
                "truncation has to go by between reading the pointer and this step")
    return f"{before} {what}, which answered {event.result}"


def no_order_breaks_it(answer: Mapping[str, object], learner: str = "") -> Report:
    """Exercise "can it be broken?": what `kl.prove` says of `after` in the learner's own race.

    `answer` maps "some schedule crashes" to "yes" or "no", "how I know" to one of HOW, of which one makes a
    proof, "states" and "schedules" to their numbers.
    """
    answers = by_name(answer, ("some schedule crashes", "how I know", "states", "schedules"))
    if not answers:
        return unsolved("write your four answers in place of the dots")
    proof = prove(truncation_race(after, **race_for(learner)))
    expected = {"some schedule crashes": "no" if proof.safe else "yes",
                "how I know": "every state was looked at" if proof.graph.complete else "many were tried",
                "states": f"{proof.states:,}", "schedules": f"{proof.schedules:,}"}
    hints = {"some schedule crashes": "read the verdict: SAFE is said of all schedules",
             "how I know": HOW.get(text_of(answers["how I know"]).casefold(),
                                   f"choose one of {', '.join(map(repr, HOW))}"),
             "states": _which_number(answers["states"], proof),
             "schedules": _which_number(answers["schedules"], proof)}
    for number in ("states", "schedules"):              # with its commas or without
        if text_of(answers[number]) == expected[number].replace(",", ""):
            answers[number] = expected[number]
    return Report([compared(f"after: {what}", answer, expected[what], hints[what])
                   for what, answer in answers.items()])


def _which_number(answer: object, proof: Proof) -> str:
    for name in ("transitions", "states", "schedules"):
        if text_of(answer) == str(getattr(proof, name)):
            return f"that is the number of {name}"
    return ("ask kl.prove(kl.truncation_race(kl.after, **race)), with the race of your own name; "
            "the numbers are its states and schedules")
