"""One path alone, step by step: its source with the next line marked, what each step answered and changed.

Leaves out the other CPUs: who runs between two steps is the race stepper's question.
"""
from collections.abc import Callable
from functools import partial
from html import escape
from types import GeneratorType, ModuleType

import ipywidgets

from .. import frames, scenarios
from ..concurrency.sched import Machine, Scenario, Stepper
from ..kernels import after, check_kernel, name as name_of
from ..mm.folio import Folio
from ..mm.verdict import Mode, check_mode
from ..step import Path
from . import objects
from .box import Box, growing, html_table, title, wrap
from .source import scrolling
from .stepping import StepperView, beginnings, thread_source, where

_KNOWN = 1000                       # steps that are looked ahead, so that the slider has an end


class PathStepper(StepperView):
    """Steps one path; `box` is displayed, `step()`, `back()`, `jump()` drive it in code.

    `path`: a scenario, a machine, or a function that starts a path, as `lambda: kl.after.isolate_folio(folio,
    kl.Mode())`; without it, compaction's isolate_folio() of `kernel` on one folio of a `kind`. Of several
    threads the first that can goes on, unless `step` names another.
    """

    def __init__(self, path: Scenario | Machine | Callable[[], Path] | None = None, *,
                 kernel: ModuleType = after, kind: str = "guest_memfd", mode: Mode = Mode()):
        super().__init__()
        self.name = getattr(path, "name", "")
        if path is None:
            self.name = f"isolate_folio() of {name_of(check_kernel(kernel))} on {kind}"
        self.stepper = Stepper(_machine(path, kernel, kind, check_mode(mode)))
        self.begin = beginnings(self.machine)
        self._look_ahead()
        self.source, self.events = ipywidgets.HTML(layout=growing("430px", by=3)), ipywidgets.HTML()
        right = ipywidgets.VBox([self.objects, self.events], layout=growing("300px", by=2))
        head = title("One path, step by step", "A path runs from one <code>yield</code> to the next at once; "
                     "at a <code>yield</code> another CPU may run.")
        below = wrap(self.source, right, gap="0 16px")
        self.box = Box([head, self.time.box, self.guard.strip, self.status, below],
                       describe=self.describe, max_width="1200px")
        with self.guard:
            self.render()

    @property
    def thread(self) -> str:
        """The thread whose source is shown: whose turn it is, or who went last."""
        done = frames.done(self.machine)
        return self.turn or (done[-1].thread if done else next(iter(self.machine.paths)))

    def describe(self) -> str:
        """Path, position, the next line, objects and events, as text that is the same in every run."""
        lines = [f"path      {self.name}"] if self.name else []
        lines += [f"{self.thread:<9} {where(self.machine, self.thread)}", *self._lines()]
        for t, thread, step, on, answer in _rows(self.machine):
            lines.append(f"event     {t} {thread}: {step}({on})" + (f" = {answer}" if answer else ""))
        return "\n".join(lines + self.guard.lines(10))

    def render(self) -> None:
        """Draw everything from the machine: source, objects, events, position."""
        super().render()
        machine, name, rows = self.machine, self.thread, _rows(self.machine)
        ended = objects.why_not(machine, name, frames.holders(machine))
        head = f"<b>{escape(name)}</b>: {escape(ended or 'its next step is at the marked line')}"
        shown = scrolling(thread_source(machine, name, self.begin[name]), f"source of {name}")
        self.source.value = f"<p class='kit-words'>{head}</p>{shown}"
        columns = [at for at, name in enumerate(frames.EVENTS) if name != "thread" or len(machine.paths) > 1]
        table = html_table([frames.EVENTS[at] for at in columns],
                           ([escape(str(row[at])) for at in columns] for row in rows))
        self.events.value = f"<b>Events</b><div class='kit-events'>{table}</div>"

    def _look_ahead(self) -> None:
        try:
            while self.machine.ready and self.stepper.t < _KNOWN:
                self.stepper.step()
        except Exception:                               # heard when the learner comes to that step
            pass
        self.stepper.jump(0)


def _machine(path, kernel: ModuleType, kind: str, mode: Mode) -> Machine:
    if isinstance(path, Machine):
        return path
    if isinstance(path, Scenario):
        return path.machine()
    if path is None:
        folio = scenarios.one_folio(kind)
        return Machine(folio.zone, {"compaction": partial(kernel.isolate_folio, folio, mode)})
    if isinstance(path, GeneratorType) or not callable(path):
        raise TypeError(f"not a path's start but {path!r}: "
                        "write PathStepper(lambda: kl.after.isolate_folio(folio, kl.Mode()))")
    return Machine(_memory(path()), {"path": path})


def _memory(path: Path):
    """The zone that a path works on: that of the first folio which it was given."""
    if not isinstance(path, GeneratorType):
        raise TypeError(f"not a path but {path!r}: a path is a generator, called: "
                        "write `yield` before each step in it")
    zones = [value.zone for value in path.gi_frame.f_locals.values() if isinstance(value, Folio)]
    if not zones:
        raise TypeError(f"{path.__name__}() was given no folio: "
                        'write PathStepper(Machine(zone, {"path": start}))')
    return zones[0]


def _rows(machine: Machine) -> list[tuple]:
    return list(frames.events(machine).itertuples(index=False, name=None))
