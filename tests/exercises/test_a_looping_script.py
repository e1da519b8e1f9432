"""What a script gets that thinks nothing: it tries all choices in turn, and runs the model.

In one session an exercise, so it ends where a check judges no more; then it hands in what it has. What the
kit's own functions tell about the exercise's data it knows at once: that is taken from
the check itself.
"""
import copy
import random
from itertools import chain, combinations, product

import pytest
from ready_made import BOUND, lock_before_you_look, split_the_flag

import kitlib as kl
from kitlib import check, experiments
from kitlib.check import tries
from kitlib.check.ex06_break_it import CASES, HOW, learners_proof, switches
from kitlib.check.sentences import TRUE_SENTENCES
from kitlib.concurrency.sched import Stepper
from kitlib.mm.mapping import mapping_set_unmovable

LETTERS = ["".join(some) for number in range(1, 9) for some in combinations("ABCDEFGH", number)]
random.Random(0).shuffle(LETTERS)


def in_turn(ask, answers, choices, of):
    """The points when the first answer that a report names as wrong gets the next of its choices, and so on.

    `choices` by the name of a finding: the key in `answers`, and what to write there.
    """
    tries.forget()
    while True:
        wrong = [finding for finding in ask(answers)._shown() if not finding.holds]
        found = next((finding.tried for finding in wrong if finding.tried in choices), None)
        key, left = choices.get(found, (None, None))
        value = next(left, None) if found else None
        if value is None:
            break
        answers = answers | {key: value}
    tries.forget()
    return ask(answers).points(of)


def by_the_model(ask, names):
    """What the model says: the answers to all but the sentences, by their keys."""
    return dict(zip(names, (finding.expected for finding in ask(dict.fromkeys(names, "x")).findings)))


def letters(key=TRUE_SENTENCES):
    return {"the true sentences": (key, iter(LETTERS))}


def twenty_folios(learner):
    numbers, reasons = range(1, 21), ("isolated", *check.ex01.REASONS_TO_STAY)
    tried = [finding.tried for finding in check.ex01.twenty_folios({1: "isolated"}, learner).findings]
    choices = {name: (number, iter(reasons)) for number, name in zip(numbers, tried)}
    yield in_turn(lambda said: check.ex01.twenty_folios(said, learner),
                  dict.fromkeys(numbers, "isolated") | {1: "unevictable"}, choices, 4)
    tries.forget()
    best, held = [], 0
    for number in numbers:
        report = check.ex01.lock_is_tried([*best, number], learner)
        if sum(finding.holds for finding in report.findings) >= held:
            held, best = sum(finding.holds for finding in report.findings), [*best, number]
    tries.forget()
    yield check.ex01.lock_is_tried(best, learner).points(1)


def set_the_flag(learner):
    yield check.ex02.set_the_flag(mapping_set_unmovable, learner).points(2)

    def ask(said):
        return check.ex02.why_both(said, learner)

    known = by_the_model(ask, ("AS_UNEVICTABLE alone", "AS_UNMOVABLE alone", "both"))
    yield in_turn(ask, known, letters(), 2)


def in_the_right_order(learner):
    def tail(folio, mode, mapping):
        return (yield from kl.after.isolate_folio(folio, mode)).why

    yield check.ex03.in_the_right_order(tail).points(4)
    users = ("guest_memfd", "secretmem", "ramfs", "mlocked anon", "SHM_LOCK")

    def ask(said):
        return check.ex03.left_alone({user: said[user] for user in users},
                                     {user: said[f"{user} 0"] for user in users},
                                     said.get(TRUE_SENTENCES, ""))

    yield in_turn(ask, by_the_model(ask, (*users, *(f"{user} 0" for user in users))), letters(), 1)


def the_backstop(learner):
    yield check.ex04.the_backstop(kl.after.move_to_new_folio).points(3)
    numbers = {}
    for finding in check.ex04.what_it_costs({"returned": [1]}, learner).findings[:-1]:
        numbers.setdefault(finding.tried.split(", ")[1], []).append(int(finding.expected))
    yield in_turn(lambda said: check.ex04.what_it_costs(said, learner), numbers, letters(), 2)


def why_cma_fails(learner):
    rows = [[int(pfn) for pfn in pfns.split(", ")] for pfns in check.ex05.pages_in_use(learner).pfns]
    reasons = ("mapping is unmovable", "not on the LRU", "-EAGAIN", "locked by somebody else", "goes")
    pages = [*chain(*rows)]
    choices = {f"pfn {pfn}": (pfn, iter(reasons)) for pfn in pages}
    yield in_turn(lambda said: check.ex05.why_it_fails(said, learner),
                  dict.fromkeys(pages, "no mapping, extra references"), choices, 2)
    subsets = [[*chain(*some)] for number in (1, 2, 3) for some in combinations(rows, number)]
    yield in_turn(lambda said: check.ex05.now_or_never(said["later"], learner), {"later": subsets[0]},
                  {"the pages that a later try gets": ("later", iter(subsets))}, 1)
    tries.forget()
    right = next((letter for letter in "ABCDE" if check.ex05.the_preparation(
        letter, "", learner).findings[0].holds), "A")
    yield in_turn(lambda said: check.ex05.the_preparation(right, said[TRUE_SENTENCES], learner),
                  {TRUE_SENTENCES: ""}, letters(), 1)

    def mend(holders):
        for pfn, do in product(pages, (holders.unlock, holders.allocate_elsewhere, holders.drain)):
            try:
                do(pfn)
            except Exception:
                continue

    yield check.ex05.mended(mend, learner).points(1)


def gone_on(machine, beginning, ends, dice, times=400):
    """By random bursts on the model: of what was found the schedule with the fewest switches."""
    found = []
    for _ in range(times):
        stepper = Stepper(machine())
        stepper.replay(beginning)
        while (ready := stepper.machine.ready) and not stepper.machine.crash:
            name = dice.choice(ready)
            for _ in range(dice.randint(1, 22)):
                if stepper.machine.crash or name not in stepper.machine.ready:
                    break
                stepper.step(name)
        if ends(stepper.machine):
            found.append(stepper.text)
    return min(found, key=switches, default=beginning)


def break_it(learner):
    dice, broken, choices = random.Random(learner), {}, {}
    for case, beginning in check.ex06.beginnings_for(learner).items():
        proof = learners_proof(case, learner)
        schedule = gone_on(proof.scenario.machine, beginning, lambda machine: machine.crash, dice)
        broken[case] = (schedule, proof.bug, 0, 0)
        pairs = dice.sample([*product(range(1, 35), repeat=2)], 100)
        choices[f"{case}: {schedule}, the steps at which the pointer is read, and spoiled"] = (
            case, iter([(schedule, proof.bug, *pair) for pair in pairs]))
    assert len(broken) == len(CASES)
    yield in_turn(lambda said: check.ex06.break_it(said, learner), broken, choices, 4)
    read, freed = "the pointer is read at", "the inode is freed at"
    yield in_turn(lambda said: check.ex06.no_order_breaks_it(said, learner),
                  {"some schedule crashes": "no", "how I know": [*HOW][1], read: 0, freed: 0},
                  {f"after: {read}": (read, iter(range(1, 40))),
                   f"after: {freed}": (freed, iter(range(1, 40)))}, 1)


def trylock_or_lock(learner):
    def sleeps(schedule, steps):
        return check.ex08.compaction_sleeps(schedule, steps, learner)

    for taken, asked in product(range(1, 5), range(1, 12)):     # on the model: the check is not asked
        tries.forget()
        if sleeps(f"T{taken}C{asked}", {}).findings[0].holds:
            break
    pairs = [{"takes the lock": one, "reads the pointer": other}
             for one, other in random.Random(learner).sample([*product(range(1, 6), range(1, 12))], 55)]
    yield in_turn(lambda said: sleeps(f"T{taken}C{asked}", said["steps"]), {"steps": {"takes the lock": 0}},
                  {"the steps at which truncation takes the lock, and compaction reads the pointer":
                   ("steps", iter(pairs))}, 1)
    dice = random.Random(learner)
    race = kl.opposite_orders(kl.blocking, check.ex08.mode_for(learner))
    schedule = gone_on(race.machine, check.ex08.beginning_for(learner),
                       lambda machine: machine.next and not machine.ready, dice)
    waits = [{"compaction": ("folio 1", one), "truncation": ("folio 0", other)}
             for one, other in dice.sample([*product(range(1, 25), repeat=2)], 100)]
    yield in_turn(lambda said: check.ex08.a_deadlock(schedule, said["waits"], learner), {"waits": waits[0]},
                  {"you say what each waits for": ("waits", iter(waits))}, 1)

    def ask(said):
        return check.ex08.harmless(said, learner)

    known = ("after, where blocking sleeps", "some opposite order deadlocks after", "my choice")
    yield in_turn(ask, by_the_model(ask, known), letters(), 1)
    kept = "a skipped folio is"
    yield in_turn(check.ex08.what_trylock_costs, {"left for the lock": ["ramfs"], kept: "a bug"},
                  {kept: (kept, iter(("a bug", "lost for compaction",
                                      "a false negative, tried again by a later scan")))}, 1)


def nr_scanned(learner):
    titles = [*check.ex09.scans_for(learner)]

    def ask(said):
        return check.ex09.account_for_scans(said, learner)

    numbers = [int(finding.expected) for finding in ask(dict.fromkeys(titles, (1, 2, 3))).findings[:-1]]
    known = {title: tuple(numbers[3 * at:3 * at + 3]) for at, title in enumerate(titles)}
    yield in_turn(ask, known, letters(), 3)

    def by_the_scanner(zone, start, end):
        cc = kl.CompactControl(copy.deepcopy(zone), ignore_skip_hint=True)
        kl.isolate_migratepages_block(cc, start, end, kl.Mode())
        return cc.trace[-1].nr_scanned

    yield check.ex09.counts_like_the_kernel(by_the_scanner, learner).points(2)


def what_the_patch_saves(learner):
    frame = experiments.wasted_work()
    yield check.ex10.fair_comparison(frame.assign(in_vain=frame.targets - frame.migrated)).points(2)
    asked = {"targets in vain per unmovable page, before": "before",
             "targets in vain per unmovable page, after": "after"}
    choices = {tried: (key, iter([number / 4 for number in range(16)])) for tried, key in asked.items()}
    yield in_turn(lambda said: check.ex10.savings(said, frame, learner),
                  {"before": 9.0, "after": 9.0, "from share": None}, choices, 2)


def read_a_trace(learner):
    def ask(said):
        return check.ex11.read_a_trace({letter: tuple(said.get((letter, at)) for at in range(4))
                                        for letter in "ABCD"}, learner)

    ended = ("32 pages are taken", "a page is refused", "the scanners meet", "the pageblock ends",
             "a free block leads past the pageblock")
    counts = ("as long as the range", "refused pages are not counted", "a jump counts once",
              "a free block counts beyond the end")
    reasons = ("unevictable", "not on the LRU", "mapping is unmovable", "none")
    of = (ended, range(1, 513), reasons, counts)
    tried = [finding.tried for finding in ask({("A", 0): "x"}).findings]
    keys = [*product("ABCD", range(4))]
    yield in_turn(ask, {key: of[key[1]][0] for key in keys},
                  {name: (key, iter(of[key[1]])) for name, key in zip(tried, keys)}, 4)


EXERCISES = (twenty_folios, set_the_flag, in_the_right_order, the_backstop, why_cma_fails, break_it,
             lock_before_you_look, trylock_or_lock, nr_scanned, what_the_patch_saves, read_a_trace,
             split_the_flag)


@pytest.mark.parametrize("learner", [
    "nobody", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Ada", "17"))])
def test_a_looping_script_gets_at_most_ten_of_sixty_points(learner):
    earned = {}
    for exercise in EXERCISES:
        tries.forget()
        earned[exercise.__name__] = [*exercise(learner)]
    points = sum(map(sum, earned.values()))
    print(f"{learner}: {points} of 60: {earned}")
    assert points <= BOUND, earned


def test_a_check_judges_no_more_after_its_last_wrong_answer():
    for number in range(tries.FEW):
        assert check.ex02.why_both({"both": f"{number}"}).findings
    report = check.ex02.why_both({"both": "moved"})
    assert report.points(2) == 0 and "10 wrong answers were judged in this session" in repr(report)
    assert "restart the kernel" in repr(report) and check.ex03.left_alone({"ramfs": "x"}, {}).findings
