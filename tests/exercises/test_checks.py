"""Whatever is answered, a check ends with a report: nothing is raised, goes on for ever, or is changed."""
import functools
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

import kitlib as kl
from kitlib import check
from kitlib.check.report import Finding, Report, begun, compared, text_of
from kitlib.check.yielded_steps import every_step_is_yielded
from kitlib.mm.folio import folio_mapping, folio_test_unevictable, folio_trylock, folio_unlock
from kitlib.scenarios import KINDS

ROOT = Path(__file__).parents[2]


class Unspeakable:
    """Neither its text nor a comparison can be had."""

    def __repr__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __hash__ = object.__hash__


ODD = {"nothing": None, "dots": ..., "blank": "  ", "NaN": float("nan"), "digits": 10**5000,
       "array": np.array([1, 2]), "NA": pd.NA,
       "frame": pd.DataFrame({"a": [1]}), "bytes": b"C2T5", "builtin": len, "odd": Unspeakable(),
       "schedule": "C1000000000",
       "steps": "C T " * 40 + "!", "nested": [[[]]], "complex": 1j, "module": pd, "long": "x" * 10**6,
       "surrogate": "\ud800"}
TABLES = [
    (check.ex02.why_both, ("AS_UNEVICTABLE alone", "both")),
    (lambda answer: check.ex01.twenty_folios(answer, "x"), (1, 2, 20)),
    (lambda answer: check.ex01.lock_is_tried(answer, "x"), (1, 2)),
    (lambda answer: check.ex03.left_alone(answer, {"ramfs": "isolated"}), ("guest_memfd", "ramfs")),
    (lambda answer: check.ex04.what_it_costs(answer, "x"), ("returned", "asked of pinned")),
    (lambda answer: check.ex05.why_it_fails(answer, "x"), (3, "x", None, (1,), 10**5000)),
    (lambda answer: check.ex05.now_or_never(answer, "x"), (3, 4)),
    (lambda answer: check.ex05.the_preparation(answer, answer, "x"), "A"),
    (lambda answer: check.ex05.mended(answer, "x"), "A"),
    (check.ex06.break_it, ("racy", "cached")),
    (check.ex06.no_order_breaks_it, ("some schedule crashes", "how I know", "the pointer is read at",
                                    "the inode is freed at")),
    (lambda answer: check.ex08.compaction_sleeps(answer, answer), "A"),
    (lambda answer: check.ex08.compaction_sleeps("T2C7", answer), ("takes the lock", "reads the pointer")),
    (lambda answer: check.ex08.a_deadlock(answer, {}), "A"),
    (lambda answer: check.ex08.a_deadlock("T3C20", answer), ("compaction", "truncation")),
    (check.ex08.harmless, ("after, where blocking sleeps", "my choice")),
    (check.ex08.what_trylock_costs, ("left for the lock", "would have been taken", "a skipped folio is")),
    (check.ex09.account_for_scans, ("compact_memory", "many pages")),
    (check.ex10.fair_comparison, "A"),
    (lambda answer: check.ex10.savings(answer, pd.DataFrame()), ("before", "after", "from share")),
    (check.ex11.read_a_trace, ("A", "B", "C", "D")),
    (lambda answer: check.ex12.split_kernel(answer), "A"),
    (check.ex02.set_the_flag, "A"), (check.ex03.in_the_right_order, "A"), (check.ex04.the_backstop, "A"),
    (check.ex07.lock_before_you_look, "A"),
    (check.ex09.counts_like_the_kernel, "A"), (lambda answer: check.ex12.two_setters(answer, answer), "A"),
    (check.ex12.inaccessible_step, "A"),
    (check.ex12.partial_truncation, "A"),
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("ask, names", TABLES, ids=range(len(TABLES)))
def test_an_odd_answer_is_told_wherever_it_stands(ask, names, odd):
    odd = ODD[odd]
    for answer in (odd, dict.fromkeys(names, odd), dict.fromkeys(names, (odd,) * 3),
                   dict.fromkeys(names, [odd] * 4), [odd] * 3):
        report = ask(answer)
        assert not report.passed and report.points(2) < 2 and repr(report)


class Silent(Exception):
    """Its text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")


def leaves(*arguments):
    sys.exit("enough")


def raises(*arguments):
    raise Silent


def never_returns(*arguments):
    return never_returns()


def answers_oddly(*arguments):
    return Unspeakable()


def untraced(*arguments):
    sys.settrace(None)


def takes_all_away(subject, *arguments):
    for name in (*getattr(subject, "__dict__", {}), *getattr(type(subject), "__slots__", ())):
        setattr(subject, name, None)


def asks_for_nothing(*arguments):
    yield None


def asks_for_ever(folio, *arguments):
    while True:
        yield folio_mapping(folio)


def asks_of_nobody(*arguments):
    yield folio_trylock("folio 0")


def leaves_on_its_way(folio, *arguments):
    yield folio_trylock(folio)
    sys.exit()


def returns_oddly(folio, *arguments):
    yield folio_trylock(folio)
    yield folio_unlock(folio)
    return [Unspeakable()]


def goes_on_when_closed(folio, *arguments):
    try:
        yield folio_trylock(folio)
    except Exception:
        yield folio_trylock(folio)


def remembers_too_much(folio, *arguments):
    heard = []
    for _ in range(60):
        heard.append((yield folio_test_unevictable(folio)))
    return heard


def made(**functions):
    return check.made_of("yours", **functions)


FUNCTIONS = [leaves, raises, never_returns, answers_oddly, untraced, takes_all_away, asks_for_nothing,
             asks_for_ever, asks_of_nobody,
             leaves_on_its_way, returns_oddly, goes_on_when_closed, remembers_too_much,
             functools.partial(asks_for_ever), lambda *subjects: 1]
CHECKS = [check.ex02.set_the_flag, check.ex03.in_the_right_order, check.ex04.the_backstop,
          lambda mend: check.ex05.mended(mend, "x"), check.ex07.lock_before_you_look,
          check.ex09.counts_like_the_kernel, check.ex10.fair_comparison,
          lambda frame: check.ex10.savings({"before": 1}, frame), lambda f: check.ex12.two_setters(f, f),
          check.ex12.inaccessible_step, lambda f: check.ex12.split_kernel(made(isolate_folio=f)),
          lambda f: check.ex12.split_kernel(made(move_to_new_folio=f)),
          lambda f: check.ex12.partial_truncation(
              made(truncate_inode_partial_folio=lambda mapping, folio: f(folio, mapping)))]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: getattr(function, "__name__", "partial"))
@pytest.mark.parametrize("ask", CHECKS, ids=range(len(CHECKS)))
def test_an_odd_function_is_told_and_leaves_nothing_changed(ask, function):
    traced, kinds = sys.gettrace(), repr(KINDS)
    report = ask(function)
    assert not report.passed and repr(report)
    assert sys.gettrace() is traced and repr(KINDS) == kinds


def test_exit_is_told_and_an_interrupt_ends_the_check():
    assert "SystemExit: enough" in repr(check.ex02.set_the_flag(leaves))

    def interrupted(mapping):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check.ex02.set_the_flag(interrupted)
    assert check.ex02.why_both({"both": "left alone"}).findings[2].holds


@pytest.mark.parametrize("answer, text", [
    ("  Left\n ALONE ", "Left ALONE"), (np.int64(7), "7"), (7.0, "7"), (7.5, "7.5"), (True, "True"),
    (..., "no answer"), (" ", "no answer"), (10**5000, "something that cannot be shown (int)"),
    ("x" * 500, "x" * 400 + "...")], ids=range(9))
def test_an_answer_is_shown_on_one_line(answer, text):
    assert text_of(answer) == text


def test_words_and_numbers_are_compared_as_a_reader_would():
    assert compared("said", " Left  alone", "left alone").holds and compared("said", np.float64(7), 7).holds
    for answer, right in ((True, 1), (7.5, 7), (..., "left alone")):
        assert not compared("said", answer, right).holds


def test_dots_are_no_beginning_and_anything_else_is():
    assert not any(map(begun, (..., None, "", " ", [], [..., None], {"a": ..., "b": (..., "")})))
    assert all(map(begun, (0, False, "x", [..., 0], {"a": (..., 1)}, np.zeros(2))))


def test_an_umlaut_may_be_typed_in_two_ways():
    assert check.ex04.batch_for("Jürgen Groß") == check.ex04.batch_for("ju\u0308rgen gross ")
    with pytest.raises(TypeError, match="write your name or number in quotes"):
        check.ex04.batch_for(None)


def test_a_lambda_in_several_lines_is_a_path_like_any_other():
    assert every_step_is_yielded([
        lambda folio, mode:
        (yield folio_trylock(folio)),
    ][0]).holds


@pytest.mark.parametrize("path", sorted((ROOT / "solutions").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_check_hands_on_what_its_exercise_uses_and_no_more(path):
    number = f"ex{path.stem[:2]}"
    module = getattr(check, number)
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells)
    used = set(re.findall(r"\bcheck\.(\w+)\(", text)) | set(re.findall(r"\bcheck\.([A-Z_]+)\b", text))
    for names in re.findall(r"^from kitlib\.check\.\w+ import (.+)$", text, re.MULTILINE):
        used |= set(names.split(", "))
    assert f"from kitlib.check import {number} as check" in text
    assert module.__name__ == f"kitlib.check.ex{path.stem}"
    assert set(module.__all__) == used and all(hasattr(module, name) for name in used)


def test_more_is_said_with_each_try_and_expected_from_the_second_on():
    half = [repr(check.ex02.set_the_flag(lambda mapping: kl.mm.set_bit(kl.AS_UNEVICTABLE, mapping)))
            for _ in range(3)]
    assert "an index, not a mask" in half[0] and "so `flags |=" not in half[0] + half[0]
    assert "expected: yes" not in half[0] and "expected: yes" in half[1] and "so `flags |=" in half[1]
    assert "The next try says more" in half[0] and "Nearly the answer" not in half[1]
    assert "Nearly the answer: two lines" in half[2] and "The next try" not in half[2]


def test_what_was_not_begun_is_no_try_and_what_is_right_ends_the_count():
    def half(mapping):
        kl.mm.set_bit(kl.AS_UNEVICTABLE, mapping)

    def whole(mapping):
        half(mapping)
        kl.mm.set_bit(check.ex02.flag_for(), mapping)

    check.ex02.set_the_flag(lambda mapping: None)
    assert check.ex02.set_the_flag(half).tries == 1 and check.ex02.set_the_flag(half).tries == 2
    assert check.ex02.why_both({"both": "moved"}).tries == 1                # each check counts for itself
    assert check.ex02.set_the_flag(whole).passed and check.ex02.set_the_flag(half).tries == 1


def test_what_would_be_the_answer_is_never_told_of_ones_own():
    for _ in range(4):
        report = check.ex01.twenty_folios({1: "isolated", 2: "unevictable"}, "x")
    assert "expected" not in repr(report).replace("report.expected() says what was expected", "")
    assert repr(report.expected()).startswith("An example, not yours:\n")
    assert str(check.ex01.twenty_folios_for("x")) not in report.expected()
    assert "nobody locks a clean" in check.ex02.why_both({"AS_UNMOVABLE alone": "moved"}).expected()
    code = check.ex02.set_the_flag(lambda mapping: kl.mm.set_bit(kl.AS_UNEVICTABLE, mapping))
    assert "AS_UNMOVABLE is set: yes" in code.expected()


@pytest.mark.parametrize("path", sorted((ROOT / "exercises").glob("*.ipynb")), ids=lambda path: path.stem)
def test_an_exercise_as_it_is_handed_out_is_not_begun_and_nothing_in_it_is_safe(path):
    cells = nbformat.read(path, as_version=4).cells
    for cell in cells:
        if cell.cell_type == "code" and cell.metadata["nbgrader"]["grade"]:
            said, points = cell.outputs
            assert said.text.startswith("Not solved yet: ") and points.data["text/plain"] == "0.0"
    written_by_the_learner = [cell.outputs for cell in cells if "isolate_folio=isolate_folio" in cell.source]
    assert "SAFE" not in repr(written_by_the_learner)


def test_without_the_gate_nothing_else_counts():
    gate, rest = Finding("gate", "no", "yes", at_most=1 / 6), Finding("rest", "yes", "yes")
    assert Report([gate, *[rest] * 9]).points(6) == 1 and "at most 17% of the points" in repr(Report([gate]))
    shut = gate._replace(at_most=0.0)
    assert Report([shut, *[rest] * 9]).points(6) == 0 and "all else earns nothing" in repr(Report([shut]))
    assert Report([shut._replace(came_out="yes"), rest]).points(6) == 6
