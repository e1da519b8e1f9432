"""One thread's column in the race stepper: its source, its buttons, why it cannot go on, and its light."""
from html import escape

import ipywidgets

from .. import frames
from ..concurrency.explore import FATES
from . import objects
from .box import wrap
from .stepping import thread_source, where

_LIGHTS = dict(zip(FATES, ("kit-good", "kit-warn", "kit-bad"), strict=True))


class ThreadColumn:
    """Shows one thread of a race stepper's machine; which one is said at every `show`."""

    def __init__(self, view):
        self.view = view
        self.name = ""
        button = view.guard.button
        self.step_button = button("Step", "one step of this thread", lambda: view.step(self.name))
        self.run_button = button("Run until blocked", "until it ends, sleeps or crashes",
                                 lambda: view.run(self.name))
        self.source, self.reason = ipywidgets.HTML(), ipywidgets.HTML()
        buttons = wrap(self.step_button, self.run_button)
        self.box = ipywidgets.VBox([buttons, self.reason, self.source], layout={"min_width": "0"})
        self.box.add_class("kit-object")

    def show(self, name: str, letter: str, held: dict[str, str], hint: str) -> None:
        """Draw this thread; `held`: who holds which lock; `hint`: what its step leads to, "" for no light."""
        self.name, machine = name, self.view.machine
        why = objects.why_not(machine, name, held)
        self.step_button.description = f"Step {letter}"
        self.run_button.description = f"Run {letter} until blocked"
        self.step_button.disabled = self.run_button.disabled = bool(why)
        light = objects.chip(f"after Step {letter}: {hint}", _LIGHTS.get(hint, "kit-warn")) if hint else ""
        words = f"<b>{escape(name)}</b>: {escape(_short(why, name))}<br>{light}"
        self.reason.value = f"<div class='kit-thread'>{words}</div>"
        self.source.value = thread_source(machine, name, self.view.begin[name])

    def describe(self, hint: str) -> str:
        """The same as one line of text."""
        machine = self.view.machine
        parts = [_short(objects.why_not(machine, self.name, frames.holders(machine)), self.name)]
        if self.name not in machine.results:
            parts.append(where(machine, self.name))
        if hint:
            parts.append(f"after its step: {hint}")
        return f"{self.name:<9} {'; '.join(parts)}"


def _short(why: str, name: str) -> str:
    return why.removeprefix(f"{name} ") or "can go on"
