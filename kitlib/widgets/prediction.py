"""A question with its choices on the screen: what is chosen is kept at once. The answer is not known here.

Leaves out which guess counts and whether it is right: the model does that, and its `said()` is what the view
says.
"""
from functools import partial
from html import escape
from typing import Protocol

import ipywidgets

from .box import Box, View, growing, status_html, wrap
from .guard import Guard


class AskedModel(Protocol):
    """What the view needs of a question that was asked: question.Question, and what was said by item."""

    question: object
    guess: dict[str, str]

    def keep(self, guess: dict[str, str]) -> None:
        """Keep what is said; {} takes it back."""

    def said(self) -> str:
        """What to say of it."""


class PredictionView(View):
    """Controls for the items of a question: ticks, a row of buttons, or a field to type in."""

    def __init__(self, asked: AskedModel):
        self.asked, self.question = asked, asked.question
        self.guard = Guard()
        self.controls = {item: self._control(item) for item in self.question.items}
        self.none = ipywidgets.Checkbox(description="none of them", indent=False, layout={"width": "auto"})
        self.clear = self.guard.button("Clear", "take the guess back", lambda: self._keep({}))
        self.status = ipywidgets.HTML(layout={"width": "auto"})
        self._is_following = False
        first, line, more = map(escape, self.question.words.partition("\n"))
        words = ipywidgets.HTML(f"<div class='kit-words'><b>{first}</b>{line}{more}</div>")
        below = wrap(self.clear, self.status, gap="4px 12px")
        self.box = Box([words, *self._rows(), self.guard.strip, below],
                       describe=self.describe, also=[self.none], max_width="900px")
        self.box.add_class("kit-prediction")
        with self.guard:
            self.render()
        for item, control in self.controls.items():
            control.observe(self.guard(partial(self._heard, item)), "value")
        self.none.observe(self.guard(self._heard_none), "value")

    def describe(self) -> str:
        """The question and what may be answered; not what was."""
        return self.question.describe()

    def render(self) -> None:
        """Let the controls and the sentence below show what is kept."""
        guess = self.asked.guess
        self._is_following = True
        try:
            for item, control in self.controls.items():
                if self.question.ticks:
                    control.value = guess.get(item) == self.question.choices[0]
                else:
                    control.value = guess.get(item, None if self.question.choices else "")
            self.none.value = bool(guess) and not any(control.value for control in self.controls.values())
        finally:
            self._is_following = False
        self.clear.disabled = not guess
        self.status.value = status_html(escape(self.asked.said()))

    def _control(self, item: str) -> ipywidgets.ValueWidget:
        if self.question.ticks:
            return ipywidgets.Checkbox(description=item, indent=False, layout={"width": "auto"})
        if self.question.choices:
            tips = [f"{item or self.question.words}: {choice}" for choice in self.question.choices]
            return ipywidgets.ToggleButtons(options=self.question.choices, value=None, tooltips=tips,
                                            layout={"width": "auto"}, style={"button_width": "auto"})
        return ipywidgets.Text(placeholder="your guess, then Enter", continuous_update=False,
                               description="guess", tooltip=self.question.words,
                               layout={"width": "320px"}, style={"description_width": "initial"})

    def _rows(self) -> list[ipywidgets.Widget]:
        if self.question.ticks:
            return [wrap(*self.controls.values(), self.none, gap="0 14px")]
        return [wrap(ipywidgets.HTML(f"<div class='kit-words'>{escape(item)}</div>", layout=growing("220px")),
                     control, gap="0 12px").add_class("kit-asked") if item else control
                for item, control in self.controls.items()]

    def _heard(self, item: str, change: dict) -> None:
        if self._is_following:
            return
        if self.question.ticks:
            ticked = [one for one, control in self.controls.items() if control.value]
            self._keep(self.question.read(ticked) if ticked else {})
        elif self.question.is_one:
            self._keep(self.question.read(change["new"]) if (change["new"] or "").strip() else {})
        else:
            self._keep({one: control.value for one, control in self.controls.items() if control.value})

    def _heard_none(self, change: dict) -> None:
        if not self._is_following:
            self._keep(self.question.read([]) if change["new"] else {})

    def _keep(self, guess: dict[str, str]) -> None:
        self.asked.keep(guess)
        self.render()
