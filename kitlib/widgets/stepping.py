"""A view with a position in time: First, Back, Step, Last and a slider over a `Stepper`. What both steppers have in common.

Every position is a replay, so a view's state is its settings, its schedule and how far it has gone. An act that fails
leaves all three as they were. A machine's memory is its own: two views of one memory would disturb each other.
"""
from collections.abc import Callable
from html import escape

import ipywidgets

from ..concurrency.sched import Machine, Stepper, letters, schedule_text
from . import objects
from .box import Box, said
from .guard import Guard
from .source import Place, place, source_html


class StepperView:
    """Buttons, a slider and the calls that do the same in code; a subclass has the `stepper`, lays out and draws the rest."""

    stepper: Stepper
    box: Box

    def __init__(self):
        self.guard = Guard()
        button = self.guard.button
        self.first_button = button("First", "to before the first step", lambda: self.jump(0))
        self.back_button = button("Back", "one step back", self.back)
        self.step_button = button("Step", "one step, of whose turn it is", self.step)
        self.step_button.button_style = "primary"
        self.last_button = button("Last", "to the end of the schedule, as far as it is known", self.last)
        self.slider = ipywidgets.IntSlider(min=0, max=0, description="step", layout={"width": "320px"}, style={"description_width": "40px"})
        self.slider.observe(self.guard(self._slid), "value")
        buttons = ipywidgets.HBox([self.first_button, self.back_button, self.step_button, self.last_button])
        self.position = ipywidgets.HBox([buttons, self.slider], layout={"flex_flow": "row wrap"})
        self.said, self.objects = ipywidgets.HTML(), ipywidgets.HTML()

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return self.box._repr_mimebundle_(**kwargs)

    @property
    def machine(self) -> Machine:
        """The machine as it is now: read it, and let the view step it."""
        return self.stepper.machine

    @property
    def state(self) -> dict:
        """What brings this picture back: the schedule as far as it is known, and how many of its steps are done."""
        return {"schedule": schedule_text(self.stepper.schedule, self.machine.paths), "t": self.stepper.t}

    @property
    def turn(self) -> str | None:
        """Whose step `step()` does: as was gone before, or the first thread that can; None at the end."""
        ahead = self.stepper.schedule[self.stepper.t:self.stepper.t + 1] or self.machine.ready
        return ahead[0] if ahead else None

    def step(self, thread: str | None = None) -> None:
        """One step: of a thread, by its name or its letter, or of whose turn it is."""
        self._act(lambda: self.stepper.step(thread and self._name(thread)))

    def run(self, thread: str) -> None:
        """Steps of one thread until it ends, sleeps or crashes; at least one."""
        self._act(lambda: self.stepper.run(self._name(thread)))

    def back(self) -> None:
        """One step back; nothing at the beginning."""
        self._act(self.stepper.back)

    def jump(self, t: int) -> None:
        """To the position after `t` steps of the schedule, as far as it is known."""
        self._act(lambda: self.stepper.jump(t))

    def last(self) -> None:
        """To the end of the schedule, as far as it is known."""
        self.jump(len(self.stepper.schedule))

    def replay(self, schedule: str) -> None:
        """From the beginning by a schedule such as C3T16C1. ScheduleError when it cannot be followed, and all stays as it was."""
        self._act(lambda: self.stepper.replay(schedule))

    def render(self) -> None:
        """Draw everything from the machine and the position."""
        stepper, end = self.stepper, len(self.stepper.schedule)
        self.slider.max, self.slider.value = end, stepper.t
        self.first_button.disabled = self.back_button.disabled = stepper.t == 0
        self.last_button.disabled, self.step_button.disabled = stepper.t == end, self.turn is None
        self.said.value = _said_html(self.machine)
        self.objects.value = objects.objects_html(objects.things(self.machine))

    def _act(self, act: Callable[[], None]) -> None:
        with self.guard.aloud():
            self._try(act)
            self.render()

    def _try(self, act: Callable[[], None]) -> None:
        """Act on the stepper, or leave it as it was: a path's own error stops it half way."""
        schedule, t = list(self.stepper.schedule), self.stepper.t
        try:
            act()
        except Exception:
            self.stepper.schedule = schedule
            self.stepper.jump(t)
            raise

    def _name(self, thread: str) -> str:
        return {letter: name for name, letter in letters(self.machine.paths).items()}.get(thread, thread)

    def _slid(self, change: dict) -> None:
        if change["new"] != self.stepper.t:             # otherwise the slider has only followed the stepper
            self.jump(change["new"])

    def _told(self) -> list[str]:
        """What stands on the screen under the controls, line by line."""
        asleep = objects.deadlock(self.machine)
        lines = [f"schedule  {self.stepper.text or 'not begun'}, step {self.stepper.t} of {len(self.stepper.schedule)} known",
                 f"did       {objects.last_step(self.machine)}", *[f"deadlock  {asleep}"] * bool(asleep)]
        return lines + [str(thing) for thing in objects.things(self.machine)]

    def _error(self) -> list[str]:
        return [f"error     {self.guard.message}"] * bool(self.guard.message)


def where(machine: Machine, name: str) -> str:
    """Where a thread stands, in words: the line that comes next, or at which it crashed."""
    mark = "crashed at" if machine.crash and machine.crash.thread == name else "next:"
    return f"{mark} {place(machine.paths[name]) or 'nothing'}"


def thread_source(machine: Machine, name: str, begin: Place, around: int | None = None) -> str:
    """The source at which a thread stands, its next line marked; of one that has ended, `begin`, where it began."""
    at = place(machine.paths[name])
    if not at:
        return source_html(begin, "", around)
    return source_html(at, "crash" if machine.crash and machine.crash.thread == name else "next", around)


def beginnings(machine: Machine) -> dict[str, Place]:
    """Where each thread stands before its first step."""
    return {name: place(path) or Place(path.gi_code, 1) for name, path in machine.paths.items()}


def _said_html(machine: Machine) -> str:
    asleep, colour = objects.deadlock(machine), ""
    words = objects.last_step(machine)
    if machine.crash:
        words, colour = f"CRASH. {words}", "kit-bad"
    if asleep:
        words, colour = f"DEADLOCK. {asleep}. {words}", "kit-bad"
    return said(escape(words), colour)
