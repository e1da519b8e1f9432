"""A prediction answers back: asked on the screen or in code, kept, judged item by item, counted once."""
import json

import ipywidgets
import numpy as np
import pytest
from front_end import click, send

from kitlib.course import Predictions, record
from kitlib.course.question import in_words, number_in, question

SCHEDULES, KINDS = ["T21C1", "C4T21C1", "C3T21C1"], ["ramfs", "secretmem"]
FATES, FIRST = ["left", "moved", "refused"], ["truncation", "eviction"]


def ask_all(predictions, **guesses):
    """One question of each sort; views by key."""
    sorts = {"references": {}, "crash": {"several": SCHEDULES}, "first": {"choices": FIRST},
             "fates": {"rows": KINDS, "choices": FATES}}
    return {key: predictions.ask(key, f"What of {key}?", **sort, guess=guesses.get(key, ...))
            for key, sort in sorts.items()}


RIGHT = {"references": 3, "crash": {"C3T21C1", "T21C1"}, "first": "eviction",
         "fates": {"ramfs": "moved", "secretmem": "left"}}
WRONG = {"references": 2, "crash": {"C3T21C1"}, "first": "truncation",
         "fates": {"ramfs": "moved", "secretmem": "refused"}}
by_sort = pytest.mark.parametrize("key", RIGHT)


def by_hand(view, value):
    """What the front end sends when this is chosen or typed."""
    if isinstance(value, set):
        for one in value:
            send(view.controls[one], True)
    elif isinstance(value, dict):
        for row, said in value.items():
            send(view.controls[row], said)
    else:
        send(view.controls[""], str(value))


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "kept.json"))
    return tmp_path / "kept.json"


@by_sort
@pytest.mark.parametrize("values, outcome", [(RIGHT, "right"), (WRONG, "wrong")], ids=["right", "wrong"])
def test_what_is_chosen_on_the_screen_is_what_would_be_written_and_is_judged(key, values, outcome):
    seen, written = Predictions("06"), Predictions("06")
    by_hand(ask_all(seen)[key], values[key])
    ask_all(written, **{key: values[key]})
    assert seen.asked[key].guess == written.asked[key].guess != {}
    assert repr(seen.answer(key, RIGHT[key])) == repr(written.answer(key, RIGHT[key]))
    assert seen.asked[key].outcome.partition(",")[0] == outcome
    counts = f"{int(outcome == 'right')} right, {int(outcome == 'wrong')} wrong, 0 not predicted"
    assert repr(seen.count()).startswith(f"Predictions: {counts}, 3 answer not shown")


@by_sort
def test_what_was_kept_is_read_by_the_next_session_and_stands_in_its_view(file, key):
    by_hand(ask_all(Predictions("06"))[key], RIGHT[key])
    again = Predictions("06")
    view = ask_all(again)[key]
    assert again.asked[key].question.read(RIGHT[key]) == again.asked[key].guess
    assert view.status.value.count("Kept: ") == 1
    assert not Predictions("07").record.entries
    item, value = {"references": ("", "3"), "crash": ("T21C1", True), "first": ("", "eviction"),
                   "fates": ("secretmem", "left")}[key]
    assert view.controls[item].value == value


@by_sort
def test_clear_takes_a_guess_back_and_then_nothing_is_kept(file, key):
    predictions = Predictions("06")
    view = ask_all(predictions)[key]
    by_hand(view, RIGHT[key])
    assert not view.clear.disabled
    click(view.clear)
    assert predictions.asked[key].guess == {} and json.loads(file.read_text()) == {} and view.clear.disabled
    assert "Nothing said yet." in view.status.value


def test_none_of_them_is_a_guess_and_nothing_ticked_is_none():
    predictions = Predictions("06")
    view = ask_all(predictions)["crash"]
    send(view.none, True)
    assert set(predictions.asked["crash"].guess.values()) == {"no"}
    send(view.controls["T21C1"], True)
    assert not view.none.value
    send(view.controls["T21C1"], False)
    assert predictions.asked["crash"].guess == {} and not view.none.value
    send(view.none, True)
    predictions.answer("crash", [])
    assert predictions.asked["crash"].outcome == "right"


def test_with_nothing_predicted_all_runs_and_nothing_is_kept(file):
    predictions = Predictions("06")
    ask_all(predictions)
    for key, is_ in RIGHT.items():
        assert "not predicted" in repr(predictions.answer(key, is_))
    assert repr(predictions.count()) == """\
Predictions: 0 right, 0 wrong, 4 not predicted
  not predicted  What of references?
  not predicted  What of crash?
  not predicted  What of first?
  not predicted  What of fates?"""
    assert not file.exists()


def test_run_all_before_anything_was_said_takes_nothing_from_what_is_said_then(file):
    predictions = Predictions("06")
    views = ask_all(predictions)
    predictions.answer("first", "eviction")
    by_hand(views["first"], "eviction")
    assert repr(predictions.count()).endswith("  answer not shown  What of fates?")
    assert predictions.asked["first"].outcome == "answer not shown"
    predictions.answer("first", "eviction")
    assert predictions.asked["first"].outcome == "right"


def test_what_stood_when_the_answer_was_shown_counts_and_later_words_are_marked(file):
    predictions = Predictions("06")
    views = ask_all(predictions, references=2)
    predictions.answer("references", 3)
    by_hand(views["references"], 3)
    assert predictions.asked["references"].guess == {"": "3"}
    told = predictions.answer("references", 3)
    assert repr(told) == """\
What of references?
  you said  it is
  2         3      wrong
after the answer you said 3"""
    again = Predictions("06")
    ask_all(again, references=3)
    assert "This counts: 2." in again.asked["references"].view.status.value
    again.answer("references", 3)
    assert repr(again.count()).startswith("Predictions: 0 right, 1 wrong, 0 not predicted")
    click(again.asked["references"].view.clear)
    assert again.asked["references"].guess == {"": "2"}


@pytest.mark.parametrize("key, kept, later", [
    ("crash", "Kept: C3T21C1.", "T21C1, C3T21C1"), ("fates", "Kept: 2 of 2 rows.", "secretmem: left")])
def test_what_is_kept_and_what_is_changed_later_is_said_shortly(key, kept, later):
    predictions = Predictions("06")
    view = ask_all(predictions, **WRONG)[key]
    assert kept in view.status.value
    predictions.answer(key, RIGHT[key])
    by_hand(view, RIGHT[key])
    assert f"after the answer you said {later}" in repr(predictions.answer(key, RIGHT[key]))


def test_forget_begins_anew(file):
    predictions = Predictions("06")
    ask_all(predictions, **WRONG)
    for key, is_ in RIGHT.items():
        predictions.answer(key, is_)
    predictions.forget("first")
    assert predictions.asked["first"].view.controls[""].value is None
    assert "first" not in json.loads(file.read_text())["06"] and "fates" in json.loads(file.read_text())["06"]
    by_hand(predictions.asked["first"].view, "eviction")
    predictions.answer("first", "eviction")
    assert predictions.asked["first"].outcome == "right"
    predictions.forget()
    assert json.loads(file.read_text()) == {}
    assert repr(predictions.count()).startswith(
        "Predictions: 0 right, 0 wrong, 0 not predicted, 4 answer not shown")


def test_an_answer_tells_item_by_item_what_is_right_and_why():
    predictions = Predictions("06")
    ask_all(predictions, fates={"ramfs": "moved"})
    assert repr(predictions.answer("fates", RIGHT["fates"], because="secretmem is unmovable")) == """\
What of fates?
             you said  it is
  ramfs      moved     moved  right
  secretmem  nothing   left
wrong, 1 of 2 are right
because: secretmem is unmovable"""
    assert repr(predictions.answer("crash", ["T21C1"])) == """\
What of crash?
           it is
  T21C1    yes
  C4T21C1  no
  C3T21C1  no
not predicted"""


def test_an_answer_in_html_has_its_colours_with_it_and_escapes_what_was_said():
    predictions = Predictions("06")
    predictions.ask("x", "a < b?", guess="<b>")
    html = predictions.answer("x", "<i>")._repr_html_()
    assert "<b>a &lt; b?</b>" in html and "&lt;b&gt;" in html and "<i>" not in html
    assert "background:#C22D0C;color:#FFFFFF" in html


@pytest.mark.parametrize("said, is_, within, outcome", [
    ("1,234", 1234, None, "right"), ("1 234", 1234, None, "right"), ("1_234", 1234, None, "right"),
    ("1.2 million", 1_200_000, None, "right"), ("about 12 pages", 12, None, "right"),
    ("-3", -3, None, "right"),
    ("0.25", 0.25, None, "right"), ("1235", 1234, None, "wrong"), ("many", 1234, None, "wrong"),
    ("617", 1234, 2, "right"), ("2468", 1234, 2, "right"),
    ("616", 1234, 2, "wrong"), ("2469", 1234, 2, "wrong"),
    ("12", np.int64(12), None, "right"), (" Locked  By somebody", "locked by somebody", None, "right"),
    ("unlocked", "locked", None, "wrong"), (3, 3, None, "right"), (3.0, 3, None, "right")])
def test_numbers_and_words_that_are_typed_are_judged_kindly(said, is_, within, outcome):
    predictions = Predictions("06")
    predictions.ask("x", "How many?", guess=said)
    told = repr(predictions.answer("x", is_, within=within))
    assert predictions.asked["x"].outcome == outcome
    assert (within is None) or "right is anything from 617 to 2,468" in told


@pytest.mark.parametrize("is_, within, words", [
    (1638, 1.25, "from 1,311 to 2,047"), (337, 2, "from 169 to 674"), (np.int64(3), 2, "from 2 to 6"),
    (-3, 2, "from -6 to -2"), (0.25, 2, "from 0.125 to 0.5")])
def test_of_a_whole_number_the_limits_are_whole_and_what_they_say_is_right(is_, within, words):
    predictions = Predictions("06")
    for said in words.split()[1::2]:
        predictions.forget()
        predictions.ask("x", "How many?", guess=said)
        assert f"right is anything {words}" in repr(predictions.answer("x", is_, within=within))
        assert predictions.asked["x"].outcome == "right"


@pytest.mark.parametrize("value, text", [(1234, "1,234"), (0.12345, "0.1235"), (12.5, "12.5"), (3.0, "3"),
                                         (1234.5, "1,234.5"), (True, "True"), ("x", "x"), (0.00002, "2e-05")])
def test_values_are_shown_short(value, text):
    assert in_words(value) == text


def test_a_text_without_a_number_has_none():
    assert number_in("none at all") is None and number_in("x 7") == 7 and number_in(".5") == 0.5


@pytest.mark.parametrize("sort, guess, says", [
    ({"choices": ["truncation", "eviction"]}, "evicton", "write 'truncation', 'eviction'"),
    ({"several": SCHEDULES}, ["T21C1", "T1"], "'T1' is none of the choices: write a list of some of 'T21C1'"),
    ({"rows": KINDS, "choices": FATES}, {"shmem": "left"}, "'shmem' is none of the rows: write 'ramfs'"),
    ({"rows": KINDS, "choices": FATES}, {"ramfs": "gone"}, "'gone' is none of the choices: write 'left'"),
    ({"rows": KINDS, "choices": FATES}, "left", "write {'ramfs': 'left', ...}"),
    ({}, "", "1 to 300 characters"), ({}, "x" * 301, "1 to 300 characters")])
def test_a_guess_that_is_none_is_refused_and_told_what_to_write(sort, guess, says):
    with pytest.raises(ValueError, match=says.replace("[", r"\[").replace(".", r"\.")):
        Predictions("06").ask("x", "What?", **sort, guess=guess)


def test_an_answer_to_no_question_is_refused():
    predictions = Predictions("06")
    with pytest.raises(ValueError, match="run the cell with predictions.ask\\('first', ...\\) first"):
        predictions.answer("first", "eviction")
    ask_all(predictions)
    with pytest.raises(ValueError, match="the answer leaves out 'secretmem'"):
        predictions.answer("fates", {"ramfs": "left"})
    with pytest.raises(ValueError, match="'nobody' is none of the choices"):
        predictions.answer("first", "nobody")


@pytest.mark.parametrize("sort, error", [
    ({"several": ["a"], "choices": ["b"]}, TypeError), ({"rows": ["a"]}, TypeError),
    ({"choices": []}, ValueError), ({"choices": ["a", "a"]}, ValueError)])
def test_a_question_is_of_one_sort(sort, error):
    with pytest.raises(error, match="each once" if error is ValueError else "write"):
        question("x", "What?", **sort)


def test_a_question_is_text_without_state_and_dots_are_no_guess():
    for guesses in ({}, RIGHT):
        views = ask_all(Predictions("06"), **guesses)
        texts = [views[key]._repr_mimebundle_()["text/plain"] for key in RIGHT]
        assert texts == ["What of references?\n  a number or a word",
                         "What of crash?\n  any number of: T21C1, C4T21C1, C3T21C1",
                         "What of first?\n  one of: truncation, eviction",
                         "What of fates?\n  ramfs\n  secretmem\n  each one of: left, moved, refused"]
    assert question("x", "Why?", choices=["dirty", "dirty, and no migrate_folio"]).describe() == (
        "Why?\n  one of: dirty; dirty, and no migrate_folio"), "where a comma would not part them"
    predictions = Predictions("06")
    ask_all(predictions, fates={"ramfs": ..., "secretmem": ...})
    assert predictions.record.entries == {}


@pytest.mark.parametrize("broken", ["<<<<<<< merge", "[]", '{"06": 1}', '{"06": {"x": 1}}', "[" * 100_000])
def test_a_broken_file_is_told_left_alone_and_done_without(file, broken):
    file.write_text(broken)
    with pytest.warns(UserWarning, match="cannot be read .*Delete the file to begin anew"):
        predictions = Predictions("06")
    ask_all(predictions, **RIGHT)
    predictions.answer("first", "eviction")
    assert predictions.asked["first"].outcome == "right" and file.read_text() == broken


@pytest.mark.parametrize("entry", [{"guess": 1}, {"guess": {"": 1}}, {"guess": {"": "gone"}}, {"later": {}},
                                   {}])
def test_what_is_no_guess_any_more_is_passed_over(file, entry):
    file.write_text(json.dumps({"06": {"first": entry}}))
    predictions = Predictions("06")
    ask_all(predictions)
    predictions.answer("first", "eviction")
    assert predictions.asked["first"].outcome == "not predicted"


def test_a_folder_that_cannot_be_written_keeps_nothing_but_the_session_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "missing" / "kept.json"))
    predictions = Predictions("06")
    with pytest.warns(UserWarning, match="cannot be written .*until the kernel ends"):
        ask_all(predictions, first="eviction")
    predictions.answer("first", "eviction")
    assert predictions.asked["first"].outcome == "right" and list(tmp_path.iterdir()) == []


def test_the_file_stays_small(file, monkeypatch):
    monkeypatch.setattr(record, "MOST_BYTES", 150)
    predictions = Predictions("06")
    with pytest.warns(UserWarning, match="larger than 150 bytes"):
        ask_all(predictions, **RIGHT)
    assert file.stat().st_size <= 150
    file.write_text(" " * 151)
    with pytest.warns(UserWarning, match="larger than 150 bytes"):
        Predictions("06")


def test_two_notebooks_write_one_file_and_neither_loses_anything(file):
    one, other = Predictions("06"), Predictions("07")
    ask_all(one, first="eviction")
    ask_all(other, first="truncation")
    ask_all(one, references=3)
    kept = json.loads(file.read_text())
    assert set(kept) == {"06", "07"} and set(kept["06"]) == {"first", "references"}
    assert list(file.parent.iterdir()) == [file]


def test_the_file_lies_beside_the_notebooks_and_empty_keeps_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert record.path() is None, "tests keep nothing"
    monkeypatch.delenv(record.VARIABLE)
    assert record.path() == tmp_path / ".predictions.json"


def test_a_reader_of_the_screen_hears_each_control_by_name():
    for view in ask_all(Predictions("06")).values():
        for item, control in view.controls.items():
            if isinstance(control, ipywidgets.ToggleButtons):
                assert all(tip.startswith(f"{item or view.question.words}: ") for tip in control.tooltips)
            else:
                assert control.description == (item or "guess")
        assert "role='status'" in view.status.value


def test_an_old_view_of_a_notebook_that_is_open_twice_loses_nothing(file):
    old = ask_all(Predictions("06"))
    new = Predictions("06")
    ask_all(new, first="truncation")
    new.answer("first", "eviction")
    by_hand(old["references"], 3)
    by_hand(old["first"], "eviction")
    kept = json.loads(file.read_text())["06"]
    assert kept["references"] == {"guess": {"": "3"}}
    assert kept["first"] == {"guess": {"": "truncation"}, "right": 0, "of": 1, "later": {"": "eviction"}}
