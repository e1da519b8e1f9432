"""What a view is set to: legal values, the controls that show them, one event at a time, undo.

A view declares a `Setting` for each thing that can be set, and gives a function that makes its model anew:

    self.settings = Settings(self.guard, [switch("dirty", "PG_dirty")], self._make, self.render,
                             start={"dirty": False})

Then `settings.set({"dirty": True})` and `settings.undo()` do what the controls and the Undo button do, and
refuse in the same words. Leaves out where in time a view stands: an event only brings that along.
"""
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral, Real
from typing import NamedTuple

import ipywidgets

from .guard import Guard

# What is legal: called with a value, it gives what is kept, or raises ValueError; its str() is what to write.


class OneOf(tuple):
    """One of these values, of the same type: 1 is not True."""

    def __call__(self, value: object) -> object:
        if not any(type(value) is type(one) and value == one for one in self):
            raise ValueError(value)
        return value

    def __str__(self):
        return f"one of {', '.join(map(repr, self))}"


class SomeOf(tuple):
    """Any number of these values."""

    def __call__(self, value: object) -> tuple:
        if not isinstance(value, tuple | list) or not all(one in self for one in value):
            raise ValueError(value)
        return tuple(value)

    def __str__(self):
        return f"some of {', '.join(map(repr, self))}"


class Between(NamedTuple):
    """A number from `least` to `most`: a whole one, when `least` is one."""

    least: float
    most: float

    def __call__(self, value: object) -> float:
        kind, sort = (int, Integral) if isinstance(self.least, int) else (float, Real)
        if isinstance(value, bool) or not isinstance(value, sort) or not self.least <= value <= self.most:
            raise ValueError(value)
        return kind(value)

    def __str__(self):
        whole = "whole " if isinstance(self.least, int) else ""
        return f"a {whole}number from {self.least} to {self.most}"


class Words(NamedTuple):
    """Any text; `what` says of which sort. Whether it names something that exists, the view finds out."""

    what: str

    def __call__(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(value)
        return value

    def __str__(self):
        return self.what


class Setting(NamedTuple):
    """One thing that can be set: its name in code, what is legal, and its control."""

    name: str
    legal: OneOf | SomeOf | Between | Words
    control: ipywidgets.ValueWidget


def _itself(values: dict, name: str, value: object) -> dict:
    """What a setting brings that has no others in its wake."""
    return values | {name: value}


class Settings:
    """A view's settings by name, in `values`. An event changes all that it names, or nothing.

    `make(values, position)` makes the view's model anew and puts the view at a position where it has been,
    or, with None, as near as can be to where it stands. When that cannot be it raises, and must leave model
    and position as they were. `brings(values, name, value)` gives the values after one change, where a
    setting has others in its wake.
    """

    def __init__(self, guard: Guard, settings: Iterable[Setting], make: Callable[[dict, object], None],
                 render: Callable[[], None], *, start: Mapping, begin: object = None,
                 brings: Callable[[dict, str, object], dict] = _itself,
                 position: Callable[[], object] = lambda: None):
        settings = list(settings)
        self.guard, self.make, self.render, self.brings, self.position = guard, make, render, brings, position
        self.legal = {one.name: one.legal for one in settings}
        self.controls = {one.name: one.control for one in settings}
        self.history: list[tuple[dict, object]] = []    # before each event: the values, and the position
        self.values = self._changed({}, start)
        make(self.values, begin)
        self.undo_button = guard.button("Undo", "take the last change of a setting back", self.undo)
        self._is_following = False
        self.follow()
        for name, control in self.controls.items():
            control.observe(guard(partial(self._heard, name)), "value")

    def set(self, changes: Mapping, position: object = None) -> None:
        """One event, from code: what is refused is in the strip, raises, and changes nothing.

        `position` is where the view is put afterwards, as `make` takes it; None: as near as can be.
        """
        with self.guard.aloud():
            self._event(changes, position)

    def undo(self) -> None:
        """The last event that changed something back, and the view to where it stood before it."""
        with self.guard.aloud():
            if self.history:
                values, position = self.history[-1]
                self.make(values, position)
                self.history.pop()
                self.values = values
            self.follow()
            self.render()

    def follow(self) -> None:
        """Let the controls show the values. What they say meanwhile is no news."""
        self._is_following = True
        try:
            for name, control in self.controls.items():
                # Any text is legal, and a control with a list shows only what is on it.
                if isinstance(self.legal[name], Words) and self.values[name] not in control.options:
                    control.options = (*control.options, self.values[name])
                control.value = self.values[name]
        finally:
            self._is_following = False
        self.undo_button.disabled = not self.history

    def checked(self, changes: Mapping) -> dict:
        """The changes as they are kept, or an error that says what to write."""
        kept = {}
        for name, value in changes.items():
            if name not in self.legal:
                raise TypeError(f"no setting is called {name!r}: write one of {', '.join(self.legal)}")
            try:
                kept[name] = self.legal[name](value)
            except ValueError:
                raise ValueError(f"{name}={value!r} is no such setting: write {self.legal[name]}") from None
        return kept

    def _changed(self, values: dict, changes: Mapping) -> dict:
        """The values after these changes, in the order in which the settings are declared."""
        changes = self.checked(changes)
        for name in filter(changes.__contains__, self.legal):
            values = self.brings(values, name, changes[name])
        return values

    def _event(self, changes: Mapping, position: object = None) -> None:
        before = self.values, self.position()
        try:
            values = self._changed(self.values, changes)
            if values != self.values or position is not None:
                self.make(values, position)
        except Exception:
            self.follow()                               # a control that was moved goes back
            raise
        if values != self.values:
            self.history.append(before)
        self.values = values
        self.follow()
        self.render()

    def _heard(self, name: str, change: dict) -> None:
        if not self._is_following:
            self._event({name: change["new"]})


# A setting with each sort of control. `words` stand on it, `traits` are more of the control's own.


def switch(name: str, words: str, tip: str = "") -> Setting:
    """A checkbox: False or True."""
    control = ipywidgets.Checkbox(description=words, tooltip=tip, indent=False, layout={"width": "auto"})
    return Setting(name, OneOf((False, True)), control)


def choice(name: str, words: str, options: Collection, **traits) -> Setting:
    """A list that opens: one of `options`, which are values, or words by value."""
    control = ipywidgets.Dropdown(options=_labelled(options), description=words, **_wide(traits))
    return Setting(name, OneOf(options), control)


def toggles(name: str, words: str, options: Mapping, tips: Sequence[str], **style) -> Setting:
    """A row of buttons, of which one is pressed: words by value, and a tip for each."""
    control = ipywidgets.ToggleButtons(options=_labelled(options), tooltips=tips, description=words,
                                       layout={"width": "auto"}, style={"button_width": "auto", **style})
    return Setting(name, OneOf(options), control)


def several(name: str, words: str, options: Sequence[str], rows: int) -> Setting:
    """A list of which any number is chosen."""
    control = ipywidgets.SelectMultiple(options=options, rows=rows, description=words, **_wide({}))
    return Setting(name, SomeOf(options), control)


def count(name: str, words: str, least: int, most: int, **traits) -> Setting:
    """A field for a whole number."""
    control = ipywidgets.BoundedIntText(min=least, max=most, description=words, **_wide(traits))
    return Setting(name, Between(least, most), control)


def share(name: str, words: str, most: float, **traits) -> Setting:
    """A slider from 0 to `most`. It is heard when it is let go."""
    control = ipywidgets.FloatSlider(min=0.0, max=most, step=0.05, readout_format=".2f", description=words,
                                     continuous_update=False, **_wide(traits))
    return Setting(name, Between(0.0, most), control)


def _labelled(options: Collection) -> list:
    if isinstance(options, Mapping):
        return [(words, value) for value, words in options.items()]
    return list(options)


def _wide(traits: dict) -> dict:
    return {"layout": {"width": "auto"}, "style": {"description_width": "initial"}} | traits
