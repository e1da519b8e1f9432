"""One thread's column in the race stepper: where it stands in its source, its buttons, why it cannot go on, its hint light."""
from html import escape

import ipywidgets

from .. import frames
from ..concurrency.explore import FATES
from . import objects
from .stepping import thread_source, where

AROUND = 7                          # lines before and after the marked one
LIGHTS = dict(zip(FATES, ("kit-good", "kit-warn", "kit-bad")))


class ThreadColumn:
    """Shows one thread of a race stepper's machine; which one is said at every `show`."""

    def __init__(self, view):
        self.view = view
        self.name = ""
        button = view.guard.button
        self.step_button = button("Step", "one step of this thread", lambda: view.step(self.name))
        self.run_button = button("Run until blocked", "until it ends, sleeps or crashes", lambda: view.run(self.name))
        self.source, self.reason = ipywidgets.HTML(), ipywidgets.HTML()
        buttons = ipywidgets.HBox([self.step_button, self.run_button], layout={"flex_flow": "row wrap"})
        self.box = ipywidgets.VBox([buttons, self.reason, self.source], layout={"min_width": "0"})
        self.box.add_class("kit-object")

    def show(self, name: str, letter: str, held: dict[str, str], hint: str) -> None:
        """Draw this thread; `held`: who holds which lock; `hint`: what its next step leads to, "" for no light."""
        self.name, machine = name, self.view.machine
        why = objects.why_not(machine, name, held)
        self.step_button.description, self.run_button.description = f"Step {letter}", f"Run {letter} until blocked"
        self.step_button.disabled = self.run_button.disabled = bool(why)
        light = objects.chip(f"after Step {letter}: {hint}", LIGHTS.get(hint, "kit-warn")) if hint else ""
        words = f"<b>{escape(name)}</b>: {escape(_short(why, name))}<br>{light}"
        self.reason.value = f"<div style='line-height:1.6'>{words}</div>"
        self.source.value = thread_source(machine, name, self.view.begin[name], AROUND)

    def told(self, hint: str) -> str:
        """The same as one line of text."""
        machine = self.view.machine
        why = objects.why_not(machine, self.name, frames.holders(machine))
        stands = "" if self.name in machine.results else f"; {where(machine, self.name)}"
        return f"{self.name:<9} {_short(why, self.name)}{stands}" + f"; after its step: {hint}" * bool(hint)


def _short(why: str, name: str) -> str:
    return why.removeprefix(f"{name} ") or "can go on"
