"""What can be had without understanding: three tries with junk, so that all is told, and what is told copied.

In a new session; and where code is asked for the kit's own is handed in.
"""
import re

import pytest
from ready_made import BOUND, lock_before_you_look, split_the_flag

import kitlib as kl
from kitlib import check, experiments
from kitlib.check import tries
from kitlib.check.ex06_break_it import CASES, learners_proof
from kitlib.concurrency.sched import Stepper
from kitlib.frames import holders
from kitlib.mm.mapping import mapping_set_unmovable
from kitlib.scan import verdicts

LEARNER = "nobody"


def copied(ask, junk, of, names=None):
    """The points for what three reports on junk have told, by the names of the findings, in a new session."""
    text = ""
    for _ in range(3):
        report = ask(junk)
        text += f"{report}\n{report.expected()}\n"
    answers = {}
    for finding in report.findings:
        said = re.findall(rf"^ *{re.escape(finding.tried)}: (.+)$", text, re.MULTILINE)
        said += re.findall(rf"FAILS  {re.escape(finding.tried)}: .*\n *expected: (.+)$", text, re.MULTILINE)
        answers[finding.tried] = said[-1] if said else finding.came_out
    tries.forget()
    return ask(names(answers) if names else answers).points(of)


def in_order(keys, groups=None):
    """Copied values, in the order of the findings, to these keys; so many to each where there are groups."""
    def arranged(answers):
        values = [int(value) if value.isdigit() else value for value in answers.values()]
        if groups:
            values = [values[at:at + groups] for at in range(0, len(values), groups)]
        return dict(zip(keys, values, strict=False))
    return arranged


def twenty_folios():
    numbers = range(1, 21)
    junk = dict.fromkeys(numbers, "isolated") | {1: "unevictable"}
    yield copied(lambda said: check.ex01.twenty_folios(said, LEARNER), junk, 4, in_order(numbers))
    yield max(check.ex01.lock_is_tried(junk, LEARNER).points(1) for junk in ([1], list(numbers)))


def set_the_flag():
    yield check.ex02.set_the_flag(mapping_set_unmovable, LEARNER).points(2)
    cases = ("AS_UNEVICTABLE alone", "AS_UNMOVABLE alone", "both")
    yield copied(lambda said: check.ex02.why_both(said, LEARNER), dict.fromkeys(cases, "left alone"),
                 2, in_order(cases))


def in_the_right_order():
    def tail(folio, mode, mapping):
        return (yield from kl.after.isolate_folio(folio, mode)).why

    yield check.ex03.in_the_right_order(tail).points(4)
    users = ("guest_memfd", "secretmem", "ramfs", "mlocked anon", "SHM_LOCK")

    def ask(said):
        return check.ex03.left_alone({user: said[user] for user in users},
                                     {user: said[f"{user} 0"] for user in users})

    keys = (*users, *(f"{user} 0" for user in users))
    yield copied(ask, dict.fromkeys(keys, "isolated"), 1, in_order(keys))


def the_backstop():
    yield check.ex04.the_backstop(kl.after.move_to_new_folio).points(3)
    rows = ("asked of guest_memfd", "asked of pinned", "returned", "pgmigrate_success", "pgmigrate_fail")

    def by_row(answers):
        values = [int(value) if value.isdigit() else 0 for value in answers.values()]
        return {row: values[:15][at::5] for at, row in enumerate(rows)}     # behind them are the sentences

    yield copied(lambda said: check.ex04.what_it_costs(said, LEARNER), {row: [1, 1, 1] for row in rows}, 2,
                 by_row)


def why_cma_fails():
    reasons = (*check.ex05.REASONS_TO_STAY, "-EAGAIN")
    guesses = [dict.fromkeys(range(512), why) for why in reasons]
    yield max(check.ex05.why_it_fails(guess, LEARNER).points(2) for guess in guesses)
    yield check.ex05.now_or_never(list(range(512)), LEARNER).points(1)
    yield max(check.ex05.the_preparation(letter, "ABC", LEARNER).points(1) for letter in "ABCDE")
    yield check.ex05.mended(lambda holders: None, LEARNER).points(1)


def break_it():
    proofs = {case: learners_proof(case, LEARNER) for case in CASES}
    ready = {case: (proof.fewest_switches, proof.bug) for case, proof in proofs.items()}
    yield check.ex06.break_it(ready, LEARNER).points(4)
    proof = kl.prove(kl.truncation_race(kl.after, **check.ex06.race_for(LEARNER)))
    claim = {"some schedule crashes": "no", "how I know": "every state was looked at",
             "the pointer is read at": proof.states, "the inode is freed at": proof.schedules}
    yield check.ex06.no_order_breaks_it(claim, LEARNER).points(1)


def trylock_or_lock():
    yield max(check.ex08.compaction_sleeps(junk, {}, LEARNER).points(1) for junk in ("C2T5", "C9", "T1"))
    proof = kl.prove(kl.opposite_orders(kl.blocking, check.ex08.mode_for(LEARNER)))
    stepper = Stepper(proof.scenario.machine())
    stepper.replay(proof.shortest)
    waits = {name: step.on for name, step in stepper.machine.next.items() if holders(stepper.machine)}
    yield check.ex08.a_deadlock(proof.shortest, waits, LEARNER).points(1)
    asked = ("after, where blocking sleeps", "some opposite order deadlocks after", "my choice")
    yield copied(lambda said: check.ex08.harmless(said, LEARNER),
                 dict(zip(asked, ("it waits", "yes", "folio_lock"), strict=True)), 1, in_order(asked))
    asked = ("left for the lock", "would have been taken", "a skipped folio is")
    yield copied(check.ex08.what_trylock_costs,
                 {asked[0]: ["ramfs"], asked[1]: ["ramfs"], asked[2]: "a bug"}, 1, in_order(asked))


def nr_scanned():
    titles = list(check.ex09.scans_for(LEARNER))
    yield copied(lambda said: check.ex09.account_for_scans(said, LEARNER),
                 dict.fromkeys(titles, (1, 2, 3)), 3, in_order(titles, 3))
    ready = (lambda zone, start, end: end - start,
             lambda zone, start, end: int((verdicts(zone, kl.after, kl.Mode())[start:end] == 0).sum()))
    yield max(check.ex09.counts_like_the_kernel(counts, LEARNER).points(2) for counts in ready)


def what_the_patch_saves():
    frame = experiments.wasted_work()
    yield check.ex10.fair_comparison(frame).points(2)
    asked = ("before", "after", "from share")
    yield copied(lambda said: check.ex10.savings(said, frame, LEARNER), dict.fromkeys(asked, 1.0), 2,
                 in_order(asked))


def read_a_trace():
    yield copied(lambda said: check.ex11.read_a_trace(said, LEARNER),
                 dict.fromkeys("ABCD", ("32 pages are taken", 1, "none", "as long as the range")), 4,
                 in_order("ABCD", 4))


EXERCISES = (twenty_folios, set_the_flag, in_the_right_order, the_backstop, why_cma_fails, break_it,
             lock_before_you_look, trylock_or_lock, nr_scanned, what_the_patch_saves, read_a_trace,
             split_the_flag)
AUTOMATIC = (5, 4, 5, 5, 5, 5, 6, 4, 5, 4, 4, 8)


@pytest.fixture(scope="module")
def earned():
    points = []
    for exercise in EXERCISES:
        tries.forget()
        points.append(list(exercise()))
    return points


def test_at_most_ten_of_sixty_points_can_be_had(earned):
    assert sum(AUTOMATIC) == 60
    assert sum(map(sum, earned)) <= BOUND, dict(zip([one.__name__ for one in EXERCISES], earned, strict=True))


@pytest.mark.parametrize("number", range(len(EXERCISES)), ids=lambda number: EXERCISES[number].__name__)
def test_no_exercise_gives_half_of_its_points(earned, number):
    assert sum(earned[number]) < AUTOMATIC[number] / 2, earned[number]
