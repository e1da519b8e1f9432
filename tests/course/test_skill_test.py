"""Ten tasks before, ten after: other instances of the same sorts, and the model's answer is the right one."""
import random
import re
from functools import cache

import pytest
from front_end import send

import kitlib as kl
from kitlib.course import SkillTest, record
from kitlib.course.orders import ORDERS, is_harmless, proof_of, told
from kitlib.course.question import question
from kitlib.course.skill_test import TIMES
from kitlib.course.tasks import TASKS, instances

SEEDS = range(20)
pair = cache(instances)
each = pytest.mark.parametrize("make", TASKS, ids=lambda make: make.__name__)


def asked(task):
    return question("x", task.words, **task.sort)


def answered_wrong(task, dice):
    """Some other legal answer to a task."""
    of = asked(task)
    right = {"": str(task.answer)} if of.is_one and not of.choices else of.read(task.answer)
    item = dice.choice(of.items)
    others = [choice for choice in of.choices if choice != right[item]]
    return right | {item: dice.choice(others) if others else str(task.answer + dice.choice((-1, 1, 40)))}


@each
def test_the_models_answer_is_right_and_another_is_not(make):
    dice = random.Random(make.__name__)
    for seed in SEEDS:
        for task in pair(make, seed):
            of = asked(task)
            right = {"": str(task.answer)} if of.is_one and not of.choices else of.read(task.answer)
            assert all(item.right for item in of.judged(right, task.answer))
            assert not all(item.right for item in of.judged(answered_wrong(task, dice), task.answer))
            assert not any(item.right for item in of.judged({}, task.answer))


@each
def test_before_and_after_are_of_one_sort_and_answered_differently(make):
    for seed in SEEDS:
        before, after = pair(make, seed)
        assert before.topic == after.topic and before.answer != after.answer
        assert (before.words, before.sort) != (after.words, after.sort)
        rows = [set(task.sort.get("rows", ())) for task in (before, after)]
        assert len(rows[0] & rows[1]) <= len(rows[0]) / 2
    assert instances(make, 0) == pair(make, 0), "the same each time"


@each
def test_a_task_is_a_question_in_plain_words_that_gives_nothing_away(make):
    for seed in SEEDS:
        for task in pair(make, seed):
            of = asked(task)
            assert task.words.count("?") >= 1 and len(task.words) < 900
            assert not re.search(r"0x|None|<|object at", task.words)
            assert all(len(item) <= 300 for item in (*of.items, *of.choices))
            # Whoever answers without reading has no more than an even chance.
            assert len(of.choices) ** len(of.items) >= 4 or not of.choices


@each
def test_the_answers_of_a_sort_are_spread(make):
    answers = [repr(task.answer) for seed in SEEDS for task in pair(make, seed)]
    assert len(set(answers)) >= 3
    assert max(map(answers.count, answers)) <= len(answers) * 0.6


def test_ten_sorts_of_which_none_comes_twice():
    assert len(TASKS) == len({make(random.Random(0)).topic for make in TASKS}) == 10


@pytest.mark.parametrize("order", ORDERS)
def test_a_kernel_told_in_steps_takes_them_in_that_order(order):
    race = proof_of(order).scenario
    stepper = kl.Stepper(race.machine())
    names = [event.step for event in stepper.run("compaction")]
    counted = re.findall(r"\d+ (\w+)", told(order))
    means = {"takes": "folio_get_nontail_page", "reads": "folio_mapping", "tries": "folio_trylock",
             "asks": "mapping_unmovable", "unlocks": "folio_unlock"}
    # The folio of the race is unmovable: instead of being isolated it is put back.
    assert [means[words] for words in counted[:-1]] == names[:-1]
    assert counted[-1] == "isolates" and names[-1] == "folio_put"


def test_there_are_safe_and_unsafe_kernels_and_more_than_one_bug():
    proofs = [proof_of(order) for order in ORDERS]
    assert sum(proof.safe for proof in proofs) >= 3
    assert {proof.bug for proof in proofs if not proof.safe} == {"use after free", "null dereference"}
    assert all(len(told(order)) <= 300 for order in ORDERS)


def test_one_of_the_schedules_crashes_and_the_others_run_to_their_end():
    crash, = [make for make in TASKS if make.__name__ == "crash"]
    for seed in SEEDS:
        for task in pair(crash, seed):
            order, = [order for order in ORDERS if f"C: {told(order)}." in task.words]
            choices = task.sort["choices"]
            assert len(set(choices)) == 4
            assert [one for one in choices if not is_harmless(proof_of(order), one)] == [task.answer]


def test_a_schedule_that_cannot_be_followed_is_not_harmless():
    assert not is_harmless(proof_of("read null ask"), "C9T21C9")


def by_hand(test, number, value):
    """What the front end sends when this is answered."""
    view, item = test.ask(number), None
    for item, said in value.items():
        control = view.controls[item]
        send(control, said == "yes" if view.question.ticks else said)
    if view.question.ticks and "yes" not in value.values():
        send(view.none, True)


def answers(test):
    """The model's answers, as a guess by number."""
    for number, task in enumerate(test.tasks[test.time], 1):
        of = asked(task)
        yield number, {"": str(task.answer)} if of.is_one and not of.choices else of.read(task.answer)


def test_all_right_after_and_some_before_stand_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "kept.json"))
    before, dice = SkillTest("before"), random.Random(1)
    for number, value in answers(before):
        if number <= 3:
            by_hand(before, number, value)
        elif number <= 8:
            by_hand(before, number, answered_wrong(before.tasks["before"][number - 1], dice))
    assert repr(before.score()) == "before the course: 3 of 10 right (2 not answered)"
    after = SkillTest("after")
    for number, value in answers(after):
        by_hand(after, number, value)
    told = after.score()
    assert told.heading == ("before the course: 3 of 10 right (2 not answered); "
                            "after the course: 10 of 10 right")
    assert [row[2] for row in told.rows[1:]] == ["right"] * 10
    assert [row[1].partition(",")[0] for row in told.rows[1:]] == ["right"] * 3 + ["wrong"] * 5 + [""] * 2
    for number, value in answers(before):
        by_hand(before, number, value)
    assert "3 of 10" not in repr(SkillTest("before").score()).partition("(")[2]
    assert repr(SkillTest("before").score()) == "before the course: 5 of 10 right"


def test_unanswered_all_runs_and_nothing_is_told():
    for time in TIMES:
        test = SkillTest(time)
        views = [test.ask(number) for number in range(1, 11)]
        assert f"{time} the course: 0 of 10 right (10 not answered)" in repr(test.score())
        assert all("Nothing said yet" in view.status.value for view in views)


def test_another_seed_asks_others_and_is_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "kept.json"))
    one, other = SkillTest("before"), SkillTest("before", seed=2)
    assert [task.words for task in one.tasks["before"]] != [task.words for task in other.tasks["before"]]
    by_hand(one, 10, {"": "7"})
    assert other.asked["before"][9].guess == {}


@pytest.mark.parametrize("do, says", [
    (lambda: SkillTest("during"), "write SkillTest\\('before'\\) or SkillTest\\('after'\\)"),
    (lambda: SkillTest("before").ask(0), "write a whole number from 1 to 10"),
    (lambda: SkillTest("before").ask(11), "write a whole number from 1 to 10")])
def test_what_is_not_there_is_told(do, says):
    with pytest.raises(ValueError, match=says):
        do()
