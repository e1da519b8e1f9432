"""A view of a `Stepper`, a machine with a position in time: what both steppers have in common.

Every position is a replay, so a view's state is its settings, its schedule and how far it has gone. An act
that fails leaves all three as they were. A machine's memory is its own: two views of one memory would disturb
each other.
"""
from collections.abc import Callable
from html import escape

import ipywidgets

from ..concurrency.sched import Machine, Stepper, letters, schedule_text
from . import objects
from .box import View, status_html
from .guard import Guard
from .source import Place, place, source_html
from .time_row import TimeRow


class StepperView(View):
    """The time row, and the calls that do the same; a subclass has the `stepper` and draws the rest."""

    stepper: Stepper

    def __init__(self):
        self.guard = Guard()
        self.time = TimeRow(self)
        self.status, self.objects = ipywidgets.HTML(), ipywidgets.HTML()

    @property
    def machine(self) -> Machine:
        """The machine as it is now: read it, and let the view step it."""
        return self.stepper.machine

    @property
    def state(self) -> dict:
        """What brings this picture back: the schedule as far as it is known, and how many steps are done."""
        return {"schedule": schedule_text(self.stepper.schedule, self.machine.paths), "t": self.stepper.t}

    @property
    def turn(self) -> str | None:
        """Whose step `step()` does: as was gone before, or the first thread that can; None at the end."""
        # A schedule that was gone back in is still there, and holds until another step is done instead.
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
        """From the beginning by a schedule such as C3T21C1. ScheduleError, and no change, if it cannot be."""
        self._act(lambda: self.stepper.replay(schedule))

    def render(self) -> None:
        """Draw everything from the machine and the position."""
        self.time.show(self.stepper.t, len(self.stepper.schedule), self.turn is not None)
        self.status.value = _status_html(self.machine)
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
            # The path that failed cannot be gone on with: the machine is made anew by a replay up to t.
            self.stepper.schedule = schedule
            self.stepper.jump(t)
            raise

    def _name(self, thread: str) -> str:
        return {letter: name for name, letter in letters(self.machine.paths).items()}.get(thread, thread)

    def _lines(self) -> list[str]:
        """What stands on the screen under the controls, line by line."""
        asleep = objects.deadlock(self.machine)
        known = f"step {self.stepper.t} of {len(self.stepper.schedule)} known"
        lines = [f"schedule  {self.stepper.text or 'not begun'}, {known}",
                 f"did       {objects.last_step(self.machine)}"]
        if asleep:
            lines.append(f"deadlock  {asleep}")
        return lines + [str(thing) for thing in objects.things(self.machine)]


def where(machine: Machine, name: str) -> str:
    """Where a thread stands, in words: the line that comes next, or at which it crashed."""
    mark = "crashed at" if machine.crash and machine.crash.thread == name else "next:"
    return f"{mark} {place(machine.paths[name]) or 'nothing'}"


def thread_source(machine: Machine, name: str, begin: Place) -> str:
    """The source where a thread stands, its next line marked; where it began, `begin`, if it has ended."""
    at = place(machine.paths[name])
    if not at:
        return source_html(begin, "")
    return source_html(at, "crash" if machine.crash and machine.crash.thread == name else "next")


def beginnings(machine: Machine) -> dict[str, Place]:
    """Where each thread stands before its first step."""
    return {name: place(path) or Place(path.gi_code, 1) for name, path in machine.paths.items()}


def _status_html(machine: Machine) -> str:
    words, asleep = objects.last_step(machine), objects.deadlock(machine)
    if asleep:
        words = f"DEADLOCK. {asleep}. {words}"
    elif machine.crash:
        words = f"CRASH. {words}"
    return status_html(escape(words), "kit-bad" if asleep or machine.crash else "")
