"""Exercise 06, "break it in the fewest switches": schedules that crash, and where others could still have.

Each begins as the check says, from where no proof has a schedule ready.
"""
import random
from collections.abc import Mapping

from ..concurrency.explore import FATES, Proof, prove
from ..concurrency.graph import Graph
from ..concurrency.sched import Event, Stepper, letters, read_schedule
from ..kernels import after, after_unlock, cached, no_null_check, racy
from ..mm.verdict import Mode
from ..races import truncation_race
from ..step import UseAfterFree
from .report import Finding, Report, begun, by_name, compared, seed_of, shown, text_of, unsolved
from .schedules import a_beginning, begins, followed, how_to_go_on
from .tries import CHOSEN, in_steps

__all__ = ["beginnings_for", "break_it", "no_order_breaks_it", "race_for", "replay_for"]

# What is to be broken: the kernel, and how long truncation holds the folio lock.
CASES = {
    "racy": (racy, "locked"),
    "cached": (cached, "locked"),
    "after_unlock": (after_unlock, "locked"),
    "no_null_check": (no_null_check, "locked"),
    "after, unlock_early": (after, "unlock_early"),
    "after_unlock, unlock_early": (after_unlock, "unlock_early"),
}
# All of one folio: nobody's is longer than another's.
RACES = ({}, {"dirty": False}, {"mode": Mode()}, {"dirty": False, "mode": Mode()})
HOW = {
    "many were tried": (
        "in the race of notebook 06 the bug of after_unlock shows in less than one schedule of 5,000,000:\n"
        "who tries a thousand has seen nothing"),
    "every state was looked at": (
        "a state is where both threads are and what memory looks like:\n"
        "there are few, and whatever an order does goes through them"),
    "it is in v6.8": (
        "what is merged can still be wrong:\n"
        "the lines of 2011 that followed the mapping without a lock stood until 69d763fc6d3a (2018)"),
}


def race_for(learner: str = "") -> dict:
    """A learner's own race, as arguments of truncation_race() and RaceStepper()."""
    return dict(RACES[seed_of(learner) % len(RACES)])


def beginnings_for(learner: str = "") -> dict[str, str]:
    """How each of a learner's schedules must begin, by case: a crash can still come then, and need not."""
    dice = random.Random(seed_of(learner))
    return {case: a_beginning(learners_proof(case, learner), dice) for case in CASES}


def learners_proof(case: str, learner: str) -> Proof:
    """The proof of a learner's race in one of CASES."""
    kernel, truncate = CASES[case]
    return prove(truncation_race(kernel, truncate=truncate, **race_for(learner)))


@in_steps("let compaction go on until it has read the pointer that it will follow; then truncation "
          "until the damage is "
          "done; then compaction to the crash. Begin as the check says, and let who has the turn go on")
def break_it(broken: Mapping[str, tuple[str, str]], learner: str = "") -> Report:
    """Exercise "break it in the fewest switches" (0003e2a41468).

    `broken` has by case of CASES a schedule that crashes and begins as beginnings_for(learner) says, the
    name of its bug, and the steps of the schedule at which compaction reads the pointer that it follows, and
    truncation spoils it: where the inode is freed, or where the folio leaves its mapping.
    """
    answers = by_name(broken, CASES)
    if not answers:
        return unsolved('write for each kernel a schedule, the name of its bug, and two steps, as ("C2T5C1", '
                        '"use after free", 2, 7)')
    findings = []
    for case, beginning in beginnings_for(learner).items():
        findings += _broken(case, learners_proof(case, learner), answers[case], beginning)
    if not any(finding.holds for finding in findings if finding.tried.endswith(_STEPS)):
        findings = [finding._replace(at_most=0.0) if finding.tried.endswith(_STEPS) else finding
                    for finding in findings]
    return Report(findings)


def _broken(case: str, proof: Proof, answer: object, beginning: str) -> list[Finding]:
    several = [*answer] if isinstance(answer, tuple | list) else [answer]
    schedule, named, *steps = [*several[:4], *["not named"] * (4 - len(several[:4]))]
    fewest = fewest_from(proof, beginning)
    if not begun(schedule):
        return _unbroken(case, "no schedule yet", proof, fewest,
                         "take its buttons in the stepper, and copy the schedule from the field")
    stepper = Stepper(proof.scenario.machine())
    stopped, crash = followed(stepper, schedule), stepper.machine.crash
    tried = f"{case}: {shown(schedule)}"
    if not begins(schedule, beginning, proof):
        return _unbroken(tried, "it begins otherwise", proof, fewest,
                         f"play {beginning} first, in your own race:\nthen go on from where both stand")
    if stopped and crash:
        return _unbroken(tried, stopped, proof, fewest,
                         "it has crashed before its end:\nleave out what comes after the crash")
    if not crash:
        as_far = f"{stepper.text} is as far as it goes; " if stopped else ""
        return _unbroken(tried, stopped or f"no crash in {stepper.t} steps", proof, fewest,
                         how_to_go_on(stepper, stopped) or as_far + missed(proof, stepper))
    of_steps = compared(f"{tried}, {_STEPS}", ", ".join(map(text_of, steps)),
                        ", ".join(map(str, read_and_spoiled(stepper))), _COUNT)
    few = Finding(f"{tried}, switches", str(switches(stepper.text)), str(fewest), _TOO_MANY)
    if not of_steps.holds:
        few = few._replace(came_out=f"{few.came_out}, and without its steps it does not count")
    return [Finding(f"{tried}, how it ends", "a crash", "a crash"),
            compared(f"{tried}, the name of the bug", named, crash.result.bug,
                     f"the last step is {crash.step}({crash.on}): {crash.result}"),
            of_steps, few]


_STEPS = "the steps at which the pointer is read, and spoiled"
_COUNT = ("count the steps of your schedule from 1, of both threads:\n"
          "compaction may read a pointer twice, and follows one of them. For a use after free the other step "
          "frees the inode; for a NULL it is the one that takes the folio out of its mapping")


def read_and_spoiled(stepper: Stepper) -> tuple[int, int]:
    """At which steps of a crash the pointer that is followed was read, and went bad.

    Of a use after free when the inode was freed, otherwise when the folio left its mapping.
    """
    steps, crash = stepper.machine.trace, stepper.machine.crash
    spoils = "free_inode" if isinstance(crash.result, UseAfterFree) else "page_cache_delete"
    return (max(event.t for event in steps if event.thread == "compaction" and event.step == "folio_mapping"),
            next(event.t for event in steps if event.step == spoils))


def _unbroken(tried: str, came_out: str, proof: Proof, fewest: int, hint: str) -> list[Finding]:
    return [Finding(f"{tried}, how it ends", came_out, "a crash", hint),
            Finding(f"{tried}, the name of the bug", "no crash, and no bug to name", proof.bug,
                    is_answer=True),
            Finding(f"{tried}, {_STEPS}", "no crash, and no steps", "two numbers", hint, is_answer=True),
            Finding(f"{tried}, switches", "no crash", str(fewest))]


def fewest_from(proof: Proof, beginning: str) -> int:
    """The fewest switches of a crash that begins like this, those of the beginning counted."""
    names = read_schedule(beginning, proof.scenario.paths)
    at = 0
    for name in names:
        at = dict(proof.graph.successors(at))[name]
    turn, other = names[-1], next(name for name in proof.graph.names if name != names[-1])
    switched, reached = switches(beginning), _goes_on(proof.graph, {at}, turn)
    while not any(proof.graph.endings.get(state) for state in reached):
        turn, other = other, turn
        switched, reached = switched + 1, _goes_on(proof.graph, reached, turn)
    return switched


def _goes_on(graph: Graph, states: set[int], name: str) -> set[int]:
    """Where a thread can be when the others stand still, from any of these states on."""
    reached = set(states)
    for at in states:
        while (at := dict(graph.successors(at)).get(name)) is not None and at not in reached:
            reached.add(at)
    return reached


def switches(schedule: str) -> int:
    """How often another thread takes over in a schedule as the stepper writes it."""
    return sum(letter.isupper() for letter in schedule) - 1


_TOO_MANY = ("it crashes, with a switch that it does not need:\n"
             "a thread that need not stop just there can go on, or start later. "
             "A schedule with more steps may have fewer switches")


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
            return f"it stops just before the crash:\none more {called[name]}"
    names = [called[name] for name, to in following.items() if proof.fate_of(to) != FATES[0]]
    return f"it stops while it can still crash:\ngo on with {' or '.join(names)}"


def _lost(stepper: Stepper, event: Event) -> str:
    """Why the crash can come no more after a step that was the last chance."""
    stepper.jump(event.t - 1)
    before = f"{stepper.text or 'the beginning'} could still crash, but not"
    what = f"step {event.t}, {event.step}({event.on})"
    if event.thread != "compaction":
        stands_before = stepper.machine.next.get("compaction", "its end")
        return (f"too early: {before} {what} of {event.thread}.\n"
                f"Compaction stands before {stands_before} and has not yet read the pointer that it will "
                "follow: let it go further first")
    if event.step == "folio_trylock" and event.result:
        return (f"too late: {before} {what}.\n"
                "From here on compaction has the folio lock, and finds the folio in its mapping:\n"
                "truncation has to go by before that")
    if event.step == "folio_trylock":
        return (f"in between: {before} {what}.\nTruncation holds the folio lock just now, "
                "so compaction gives up: truncation has to go on first")
    if event.step in ("mapping_unmovable", "has_migrate_folio"):
        return (f"too late: {before} {what}.\n"
                "The mapping was alive when it was asked, and an answer cannot dangle: "
                "truncation has to go by between reading the pointer and this step")
    return f"{before} {what}, which answered {event.result}"


_READ, _FREED = "the pointer is read at", "the inode is freed at"


def replay_for(learner: str = "") -> str:
    """A schedule of the learner's own race of `after`, to the end: truncation comes in between."""
    dice = random.Random(seed_of(learner))
    stepper = Stepper(truncation_race(after, **race_for(learner)).machine())
    for name, steps in (("truncation", dice.randint(1, 3)), ("compaction", dice.randint(3, 6))):
        for _ in range(steps):
            stepper.step(name)
    while ready := stepper.machine.ready:
        stepper.step(ready[-1])         # truncation first
    return stepper.text


@in_steps("let kl.prove() look at every order of your own race, and read its verdict. Step "
          "through the schedule: where does compaction read the mapping, and truncation let the inode go?",
          CHOSEN)
def no_order_breaks_it(answer: Mapping[str, object], learner: str = "") -> Report:
    """Exercise "can it be broken?": what `kl.prove` says of `after` in the learner's own race.

    `answer` maps "some schedule crashes" to "yes" or "no", "how I know" to one of HOW, of which one makes a
    proof. Of replay_for(learner) "the pointer is read at" has the steps of compaction that do so, and
    "the inode is freed at" truncation's step.
    """
    answers = by_name(answer, ("some schedule crashes", "how I know", _READ, _FREED))
    if not answers:
        return unsolved("write your four answers in place of the dots")
    proof = prove(truncation_race(after, **race_for(learner)))
    stepper = Stepper(proof.scenario.machine())
    stepper.replay(replay_for(learner))
    done = stepper.machine.trace
    read = [event.t for event in done if event.thread == "compaction" and event.step == "folio_mapping"]
    freed = next(event.t for event in done if event.step == "free_inode")
    said = answers[_READ]
    if isinstance(said, list | tuple):
        answers[_READ] = ", ".join(sorted(map(text_of, said), key=len))
    expected = {"some schedule crashes": "no" if proof.safe else "yes",
                "how I know": "every state was looked at" if proof.graph.complete else "many were tried",
                _READ: ", ".join(map(str, read)), _FREED: str(freed)}
    hints = {"some schedule crashes": "read the verdict:\nSAFE is said of all schedules",
             "how I know": HOW.get(text_of(answers["how I know"]).casefold(),
                                   f"choose one of {', '.join(map(repr, HOW))}"),
             _READ: "put the schedule into the stepper, and count from 1, of both threads:\n"
                    "a pointer that is used must be read under the lock, so it may be read twice",
             _FREED: "put the schedule into the stepper, and count from 1, of both threads:\n"
                     "truncation is not done when the folio has left its mapping"}
    return Report([compared(f"after: {what}", answer, expected[what], hints[what])._replace(
        at_most=0.0 if what in (_READ, _FREED) else 1.0) for what, answer in answers.items()])
