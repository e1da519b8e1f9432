"""The settings of every view work alike: what is legal, what is refused, one event at a time, undo."""
import html

import numpy as np
import pytest
from front_end import click

from kitlib.widgets import CompactionPlayer, ExperimentPanel, FolioLab, RaceStepper
from kitlib.widgets.guard import Guard
from kitlib.widgets.settings import (Between, OneOf, Setting, Settings, SomeOf, Words, choice, count, share,
                                     switch)


def small_player():
    return CompactionPlayer(pages=1024)


VIEWS = [RaceStepper, FolioLab, ExperimentPanel, small_player]
each = pytest.mark.parametrize("make", VIEWS, ids=lambda make: make.__name__)
LEGAL = {FolioLab: ("kind", "ramfs"), RaceStepper: ("kernel", "after"), ExperimentPanel: ("vary", "pinned"),
         small_player: ("caller", "kcompactd")}
# What a control may be moved to, and what then cannot be.
REFUSED = {ExperimentPanel: ("low", 0.6, "the first must be the smaller"),
           small_player: ("free", 1.0, "add up to 1")}


@each
def test_every_setting_has_a_legal_value_which_its_control_shows(make):
    settings = make().settings
    assert list(settings.values) == list(settings.legal) == list(settings.controls)
    assert settings.checked(settings.values) == settings.values
    assert {name: control.value for name, control in settings.controls.items()} == settings.values


@each
def test_an_unknown_setting_and_an_illegal_value_are_refused_in_the_same_words_everywhere(make):
    view = make()
    begin, name = view.state, LEGAL[make][0]
    names = ", ".join(view.settings.legal)
    for wrong, error, says in [("colour", TypeError, f"no setting is called 'colour': write one of {names}"),
                               (name, ValueError, f"{name}='red' is no such setting: write one of ")]:
        with pytest.raises(error) as raised:
            view.set(**{wrong: "red"})
        assert str(raised.value).startswith(says) and says in html.unescape(view.guard.strip.value)
    assert view.state == begin and view.settings.history == []
    view.guard.errors.clear()


@pytest.mark.parametrize("make", [ExperimentPanel, CompactionPlayer])
def test_a_view_is_made_with_legal_settings_alone(make):
    with pytest.raises(TypeError, match="no setting is called 'colour': write one of"):
        make(colour="red")
    with pytest.raises(ValueError, match="pages=5 is no such setting: write one of 1024"):
        make(pages=5)


@each
def test_undo_takes_one_event_back_by_button_and_in_code(make):
    view = make()
    begin, shown = view.state, view.describe()
    name, value = LEGAL[make]
    assert view.settings.undo_button.disabled and view.settings.undo_button.description == "Undo"
    view.set(**{name: value})
    changed = view.state
    assert changed[name] == value and not view.settings.undo_button.disabled
    view.settings.controls[name].value = begin[name]
    assert len(view.settings.history) == 2
    click(view.settings.undo_button)
    assert view.state == changed and view.settings.controls[name].value == value
    view.undo()
    assert view.state == begin and view.describe() == shown and view.settings.undo_button.disabled
    view.undo()
    assert view.state == begin


@each
def test_an_event_that_changes_nothing_is_none(make):
    view = make()
    view.set(**view.settings.values)
    assert view.settings.history == []


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_a_control_goes_back_when_what_it_says_cannot_be(make, monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    view, (name, value, says) = make(), REFUSED[make]
    begin, shown = view.state, view.describe()
    view.settings.controls[name].set_state({"value": value})
    assert view.settings.controls[name].value == begin[name] and says in view.guard.message
    assert view.state == begin and view.settings.history == [] and view.describe().startswith(shown)
    view.guard.errors.clear()


# The machine alone.

def made(**more):
    """Settings, their model, a copy of the values that refuses a share above a half, and its calls."""
    model, heard = {}, []

    def make(values, position):
        if values["share"] > 0.5:
            raise ValueError("too much")
        model.clear()
        model.update(values)
        heard.append(position)

    declared = [choice("word", "word", ("a", "b")), share("share", "share", 1.0), switch("on", "on"),
                count("number", "number", 1, 9)]
    start = {"word": "a", "share": 0, "on": False, "number": 3}
    settings = Settings(Guard(), declared, make, lambda: heard.append("render"), start=start, **more)
    return settings, model, heard


def test_values_are_kept_as_their_controls_keep_them():
    settings, model, _ = made()
    assert model == settings.values == {"word": "a", "share": 0.0, "on": False, "number": 3}
    settings.set({"share": np.float64(0.25), "number": np.int64(4)})
    assert model == {"word": "a", "share": 0.25, "on": False, "number": 4}
    assert type(model["share"]) is float and type(model["number"]) is int


def test_an_event_is_all_or_nothing_and_makes_one_model_and_one_picture():
    settings, model, heard = made()
    heard.clear()
    settings.set({"on": True, "share": 0.4, "word": "b"})
    assert heard == [None, "render"] and model == settings.values and len(settings.history) == 1
    heard.clear()
    for wrong in ({"on": False, "share": 0.6}, {"word": "a", "number": 10}, {"word": "a", "what": 1}):
        with pytest.raises((ValueError, TypeError)):
            settings.set(wrong)
    assert heard == [] and settings.values == model == {"word": "b", "share": 0.4, "on": True, "number": 3}
    assert len(settings.history) == 1
    settings.guard.errors.clear()


def test_undo_gives_the_model_the_position_from_before_the_event():
    where = ["begin"]
    settings, _, heard = made(position=lambda: where[0], begin="begin")
    assert heard == ["begin"]
    settings.set({"on": True})
    where[0] = "later"
    settings.set({"word": "b"}, "there")
    heard.clear()
    settings.undo()
    settings.undo()
    assert heard == ["later", "render", "begin", "render"] and settings.history == []


def test_a_position_alone_is_gone_to_and_is_nothing_to_undo():
    settings, _, heard = made()
    heard.clear()
    settings.set({}, "there")
    assert heard == ["there", "render"] and settings.history == []


def test_what_a_change_brings_with_it_comes_in_the_order_of_the_settings():
    def brings(values, name, value):
        return values | {name: value} | ({"number": 1 if value == "a" else 9} if name == "word" else {})

    settings, model, _ = made(brings=brings)
    assert model["number"] == 3, "the start says so itself"
    settings.set({"number": 5, "word": "b"})
    assert model["number"] == 5 and settings.controls["number"].value == 5
    settings.set({"word": "a"})
    assert model["number"] == 1 and len(settings.history) == 2, "the control that followed is no event"


@pytest.mark.parametrize("legal, value, kept", [
    (OneOf((1, 2)), 2, 2), (OneOf((False, True)), True, True), (SomeOf("ab"), ["b", "a"], ("b", "a")),
    (SomeOf("ab"), (), ()),
    (Between(0.0, 1.0), 1, 1.0), (Between(1, 5), 5, 5), (Words("a name"), "x", "x")])
def test_what_is_legal_is_kept(legal, value, kept):
    assert legal(value) == kept and type(legal(value)) is type(kept)


@pytest.mark.parametrize("legal, value, says", [
    (OneOf((1, 2)), True, "one of 1, 2"), (OneOf((False, True)), 1, "one of False, True"),
    (OneOf("ab"), [], "one of 'a', 'b'"),
    (SomeOf("ab"), "a", "some of 'a', 'b'"), (SomeOf("ab"), ["c"], "some of"),
    (SomeOf("ab"), [["a"]], "some of"),
    (Between(0.0, 1.0), 1.5, "a number from 0.0 to 1.0"), (Between(0.0, 1.0), float("nan"), "a number"),
    (Between(0.0, 1.0), None, "a number"),
    (Between(1, 5), 2.0, "a whole number from 1 to 5"), (Between(1, 5), True, "a whole number"),
    (Words("a name"), 7, "a name")])
def test_what_is_not_legal_says_what_to_write(legal, value, says):
    with pytest.raises(ValueError):
        legal(value)
    assert str(legal).startswith(says)
    settings, _, _ = made()
    settings.legal["word"] = legal
    with pytest.raises(ValueError, match="^word=.* is no such setting: write "):
        settings.checked({"word": value})


def test_a_setting_is_a_name_what_is_legal_and_a_control():
    setting = switch("on", "on or off", "a tip")
    assert isinstance(setting, Setting) and setting.name == "on" and setting.legal == (False, True)
    assert setting.control.description == "on or off" and setting.control.tooltip == "a tip"
