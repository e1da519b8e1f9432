"""Exercise 08, "trylock or lock?": schedules in which somebody waits, for whom, and what a trylock costs."""
import random
from collections.abc import Mapping, Sequence, Set

from .. import frames
from ..concurrency.explore import FATES, Proof, prove
from ..concurrency.sched import Machine, Stepper
from ..kernels import after, before, blocking
from ..mm.verdict import Mode
from ..races import opposite_orders, truncation_race
from ..scenarios import KINDS
from .one_cpu import decision, kernels_decision
from .report import Finding, Report, begun, by_name, compared, seed_of, shown, text_of, unsolved
from .schedules import a_beginning, begins, followed, how_to_go_on
from .sentence_sets import TRYLOCK
from .sentences import TRUE_SENTENCES, Lettered, judged, lettered
from .tries import CHOSEN, FEW, in_steps
from .yielded_steps import LOCKS

__all__ = [
    "a_deadlock",
    "beginning_for",
    "compaction_sleeps",
    "decision",
    "harmless",
    "lock_sentences",
    "mode_for",
    "what_trylock_costs",
]

LEARNERS_MODES = (Mode(async_migrate=True), Mode())
LOCKED = "locked by somebody else"
COMPACT_MEMORY = Mode()             # the mode of a write to /proc/sys/vm/compact_memory
DOES = ("it waits", f"it skips the folio: {LOCKED}", "it isolates the folio",
        "it asks the mapping without the lock")
SKIPPED = {
    "a bug": "nothing breaks:\ncompaction takes what it can get, and gives no promise for a single folio",
    "lost for compaction": (
        "nobody marks the folio:\nthe next scan that comes by asks it anew, and finds it unlocked"),
    "a false negative, tried again by a later scan": "",
}


def mode_for(learner: str = "") -> Mode:
    """The mode of a learner's compaction; without a name that of the notebook."""
    return LEARNERS_MODES[seed_of(learner) % len(LEARNERS_MODES)]


@in_steps("two steps of truncation, which end with the lock; then compaction as far as it goes", CHOSEN)
def compaction_sleeps(schedule: str, steps: Mapping[str, int], learner: str = "") -> Report:
    """Exercise "let compaction sleep": a schedule of truncation_race(blocking).

    At its end compaction sleeps on the folio lock. `steps` has the numbers of the steps of this schedule at
    which truncation "takes the lock", and compaction "reads the pointer" before that it sleeps.
    """
    if not begun(schedule):
        return unsolved('write a schedule, as sleeping = "C2T5"')
    stepper = Stepper(truncation_race(blocking, mode=mode_for(learner)).machine())
    stopped, machine = followed(stepper, schedule), stepper.machine
    if stopped:
        came_out, hint = stopped, _why_stopped(stepper, stopped)
    else:
        came_out, hint = _standing(machine, "compaction"), _why_awake(machine)
    holder = "it waits for none"
    if "compaction" in machine.next and "compaction" not in machine.ready:
        holder = frames.holders(machine).get(machine.next["compaction"].on, "nobody")
    return Report([Finding(f"{shown(schedule)}, and compaction", came_out,
                           "sleeps at folio_lock(folio 0)", hint),
                   Finding("who holds the lock that it waits for", holder, "truncation",
                           "whoever goes first has the lock:\n"
                           "when does truncation take it, and when does it give it back?"),
                   _at_which_steps(machine, holder, by_name(steps, ("takes the lock", "reads the pointer")))])


def _at_which_steps(machine: Machine, holder: str, answers: dict[str, object]) -> Finding:
    """The steps that made compaction sleep, both together."""
    done = {(event.thread, event.step): event.t for event in machine.trace}
    right = (done.get(("truncation", "folio_lock")), done.get(("compaction", "folio_mapping")))
    tried = "the steps at which truncation takes the lock, and compaction reads the pointer"
    if holder != "truncation":
        return Finding(tried, "compaction does not sleep", "two numbers", at_most=0.0)
    said = ", ".join(text_of(answers.get(name)) for name in ("takes the lock", "reads the pointer"))
    return compared(tried, said, ", ".join(map(str, right)),
                    "count the steps of your schedule from 1, of both threads:\nthe stepper numbers them"
                    )._replace(at_most=0.0)


def _standing(machine: Machine, name: str) -> str:
    """What a thread is doing: it sleeps, can go on, or has ended."""
    if name in machine.ready:
        return f"can go on with {machine.next[name]!r}"
    return machine.why_not(name).removeprefix(f"{name} ")


def _why_stopped(stepper: Stepper, stopped: str) -> str:
    if "compaction sleeps" in stopped:
        return "this is the place:\nwho sleeps does no step, so the schedule ends before it"
    if "truncation sleeps" in stopped:
        return ("the other way round:\ncompaction has the lock, and truncation waits. "
                "Let truncation take it first")
    return how_to_go_on(stepper, stopped) or "that thread has no step left:\nstop before"


def _why_awake(machine: Machine) -> str:
    asks = machine.next.get("compaction")
    if asks is None:
        return ("compaction has come through to its end:\n"
                "truncation must hold the folio lock when compaction asks for it")
    if asks.name != "folio_lock":
        passed = any(event.thread == "compaction" and event.step == "folio_lock" for event in machine.trace)
        return ("compaction has the lock already:\ntruncation must take it before" if passed else
                "compaction has not come to folio_lock() yet:\ngo on with C until that is its next step")
    if any(event.step == "folio_unlock" for event in machine.trace):
        return "truncation has unlocked the folio already:\nstop it before"
    return "the lock is free:\ntruncation must take it, which is its second step"


_OTHERWISE = ("beginning_for() says how yours must begin:\n"
              "the proof has a shortest deadlock ready, and that one is not asked for")


def beginning_for(learner: str = "") -> str:
    """How a learner's deadlock must begin: it can still come then, and need not."""
    proof = prove(opposite_orders(blocking, mode_for(learner)))
    return a_beginning(proof, random.Random(seed_of(learner)))


@in_steps("three steps of truncation: it has folio 1 and will ask for folio 0. Then compaction, until "
          "it sleeps at folio 1")
def a_deadlock(schedule: str, waits: Mapping[str, tuple[str, int]], learner: str = "") -> Report:
    """Exercise "a deadlock": a schedule of opposite_orders(blocking) that ends in one.

    It begins as beginning_for(learner) says. And for each thread the folio that it waits for, and the step of
    the schedule at which the other one took its lock.
    """
    threads = ("compaction", "truncation")
    nobody = Finding("you say what each waits for", "no deadlock, and no answer",
                     "nothing, as nobody is stuck")
    if not begun(schedule):
        return unsolved('write a schedule, as deadlock = "C2T5", and what each thread waits for')
    proof = prove(opposite_orders(blocking, mode_for(learner)))
    stepper = Stepper(proof.scenario.machine())
    stopped, machine = followed(stepper, schedule), stepper.machine
    stuck = not stopped and bool(machine.next) and not machine.ready
    held = frames.holders(machine)
    tried = f"{shown(schedule)}, at its end"
    if not begins(schedule, beginning_for(learner), proof):
        return Report([Finding(tried, "it begins otherwise", "deadlock", _OTHERWISE), nobody])
    if not stuck:
        came_out = stopped or ", ".join(f"{name} {_standing(machine, name)}" for name in threads)
        return Report([Finding(tried, came_out, "deadlock", _why_no_deadlock(proof, stepper, held)), nobody])
    named, said, right, hints = by_name(waits, threads), [], [], []
    for name in threads:
        step = machine.next[name]
        taken = max(event.t for event in machine.trace
                    if event.thread != name and event.on == step.on and event.step in LOCKS)
        one = named.get(name)
        pair = one if isinstance(one, tuple | list) else [one]
        said.append(", taken at step ".join(map(text_of, pair)))
        right.append(f"{step.on}, taken at step {taken}")
        hints.append(f"{name} sleeps at {step!r}, and {held.get(step.on, 'nobody')} holds that lock")
    hint = ("\n".join(hints) + "\nwrite for each the folio, and the number of the step that took its lock, "
            'as ("folio 7", 3)')
    return Report([Finding(tried, "deadlock", "deadlock"),
                   compared("you say what each waits for", "; ".join(said), "; ".join(right), hint
                            )._replace(at_most=0.0)])


def _why_no_deadlock(proof: Proof, stepper: Stepper, held: dict[str, str]) -> str:
    locks = {name: [lock for lock, by in held.items() if by == name and lock.startswith("folio")]
             for name in proof.graph.names}
    has = {name: " and ".join(its) or "no folio lock" for name, its in locks.items()}
    fates = {FATES[0]: "can come no more", FATES[1]: "can still come", FATES[2]: "must come"}
    fate = fates[proof.fate(stepper.text)]
    return ("in a deadlock each thread has a lock that the other one waits for. "
            f"After {stepper.text or 'no step'} compaction has {has['compaction']}, "
            f"truncation has {has['truncation']}; a deadlock {fate}")


@in_steps("a trylock is answered no at once, and who never sleeps is in no circle of sleepers", FEW)
def harmless(answer: Mapping[str, str], learner: str = "") -> Report:
    """Exercise "and the trylock?": what `after` does where blocking slept, and what to choose.

    `answer` maps "after, where blocking sleeps" to one of DOES, "some opposite order deadlocks after" to
    "yes" or "no", "my choice" to "folio_trylock" or "folio_lock", and TRUE_SENTENCES to the letters of the
    true sentences of lock_sentences(learner).
    """
    asked = ("after, where blocking sleeps", "some opposite order deadlocks after", "my choice")
    answers = by_name(answer, (*asked, TRUE_SENTENCES))
    if not answers:
        return unsolved("write your answers in place of the dots")
    mode = mode_for(learner)
    safe = {name: bool(prove(opposite_orders(kernel, mode)).safe)
            for name, kernel in (("folio_trylock", after), ("folio_lock", blocking))}
    expected = (_where_blocking_sleeps(mode), "no" if safe["folio_trylock"] else "yes",
                next(name for name in safe if safe[name]))
    hints = ("replay your schedule with kl.truncation_race(kl.after), go on with C, "
             "and look at the answer of folio_trylock()",
             "ask kl.prove(kl.opposite_orders(kl.after)):\n"
             "a thread that never sleeps on a lock is in no circle of sleepers",
             "the scanner may hold a spinlock and its task may hold this very folio; "
             "a skipped folio costs one candidate, a deadlock the machine")
    return Report([*(compared(what, answers[what], right, hint)
                     for what, right, hint in zip(asked, expected, hints, strict=True)),
                   judged(TRYLOCK, answers[TRUE_SENTENCES], learner)])


def lock_sentences(learner: str = "") -> Lettered:
    """Eight sentences about waiting for a lock, some of them true."""
    return lettered(TRYLOCK, learner)


def _where_blocking_sleeps(mode: Mode) -> str:
    """What the kernel with the patch does with a folio that truncation has locked, in the words of DOES."""
    race = truncation_race(after, mode=mode)
    folio = race.objects[1]
    machine = Machine(race.memory, {"truncation": race.paths["truncation"],
                                    "compaction": lambda: after.isolate_folio(folio, mode)})
    while not folio.locked:
        machine.step("truncation")
    while "compaction" in machine.ready:
        machine.step("compaction")
    if "compaction" in machine.next:
        return DOES[0]
    verdict = machine.results["compaction"]
    return DOES[2] if verdict.isolated else f"it skips the folio: {verdict.why}"


@in_steps("for each kind compare check.decision(kl.before, kind, kl.Mode()) with that of kl.after; then "
          "with the lock "
          "turned round", CHOSEN)
def what_trylock_costs(answer: Mapping[str, object]) -> Report:
    """Exercise "what does it cost?": the kinds of KINDS that `after` leaves for their lock and `before` took.

    In compact_memory's mode. `answer` maps "left for the lock" to a list of kinds, "would have been taken" to
    those of them that `after` takes once they are unlocked, and "a skipped folio is" to one of SKIPPED.
    """
    asked = ("left for the lock", "would have been taken", "a skipped folio is")
    answers = by_name(answer, asked)
    if not answers:
        return unsolved("write two lists of kinds, and what a skipped folio is")
    names = [kind.name for kind in KINDS if kind.name != "free"]
    left = [name for name in names if decision(before, name, COMPACT_MEMORY) == "isolated"
            and kernels_decision(name, COMPACT_MEMORY) == LOCKED]
    taken = [name for name in left if kernels_decision(name, COMPACT_MEMORY, "locked") == "isolated"]
    findings = []
    for what, right, hint in ((asked[0], left, _why_left), (asked[1], taken, _why_taken)):
        mine = _kinds(answers[what])
        wrong = next((name for name in (*mine, *right) if (name in mine) != (name in right)), None)
        findings.append(Finding(what, _list(names, mine), _list(names, right), hint(wrong) if wrong else "",
                                is_answer=True))
    later = "a false negative, tried again by a later scan" if taken else "lost for compaction"
    hint = SKIPPED.get(text_of(answers[asked[2]]).casefold(),
                       f"choose one of {', '.join(map(repr, SKIPPED))}")
    return Report([*findings, compared(asked[2], answers[asked[2]], later, hint)])


def _kinds(answer: object) -> list[str]:
    if isinstance(answer, str):
        return [answer]
    return sorted(map(shown, answer)) if isinstance(answer, Sequence | Set) else []


def _list(names: list[str], chosen: list[str]) -> str:
    """What was chosen, in the order of `names`; what is no name of theirs comes first."""
    order = {name: place for place, name in enumerate(names)}
    return " | ".join(sorted(set(chosen), key=lambda name: (order.get(name, -1), name))) or "none"


def _why_left(kind: str) -> str:
    if kind not in {one.name for one in KINDS}:
        return f"no kind is called {kind!r}:\nkitlib.scenarios.KINDS has their names"
    return (f"{kind!r}: before says {decision(before, kind, COMPACT_MEMORY)!r}, "
            f"after says {kernels_decision(kind, COMPACT_MEMORY)!r}. "
            f"Asked for are kinds that before has isolated, and that after skips because they are {LOCKED}")


def _why_taken(kind: str) -> str:
    if kind not in {one.name for one in KINDS}:
        return f"no kind is called {kind!r}:\nkitlib.scenarios.KINDS has their names"
    return f"{kind!r} without its lock: after says {kernels_decision(kind, COMPACT_MEMORY, 'locked')!r}"
