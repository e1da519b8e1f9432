"""Who runs next: paths as threads over one memory, one step at a time (what running and stepping one path needs).

Knows nothing of memory: whatever has `snapshot()` and `restore()` can be one. Only `Machine.step` records.
"""
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .step import Deadlock, Path, Step, ask

STEP_LIMIT = 100_000


class StepLimit(RuntimeError):
    """A path took so many steps that it will hardly end."""


class Event(NamedTuple):
    """What one step did: step number from 1, thread, primitive, what it was done to, what it answered."""

    t: int
    thread: str
    step: str
    on: str
    result: object


def run_path(path: Path, limit: int = STEP_LIMIT):
    """Run one path alone to its end, at once and unrecorded; returns what it returns (a `Verdict` for isolate_folio)."""
    answer = None
    try:
        for _ in range(limit):
            step = ask(path, answer)
            if not step.ready():
                raise Deadlock(f"{step!r} sleeps, and nobody else runs who could wake it")
            answer = step.do()
    except StopIteration as end:
        return end.value
    raise StepLimit(f"{path.__name__} did not end within {limit:,} steps: look for a loop that never leaves")


class Machine:
    """Threads over one memory. `paths` maps a thread's name to a function without arguments that starts its path."""

    def __init__(self, memory, paths: Mapping[str, Callable[[], Path]]):
        if not paths:
            raise ValueError('a machine needs a thread: write Machine(zone, {"compaction": lambda: isolate_folio(folio, mode)})')
        self.memory = memory
        self.start = dict(paths)
        self._begin = memory.snapshot()
        self.reset()

    def reset(self) -> None:
        """Back to the beginning: the memory as it was, every path before its first step."""
        self.memory.restore(self._begin)
        self.trace: list[Event] = []
        self.next: dict[str, Step] = {}             # the step that each live thread asks for, not yet done
        self.results: dict[str, object] = {}        # what each ended thread returned
        self.paths = {name: start() for name, start in self.start.items()}
        for name in self.paths:
            self._ask(name, None)

    def _ask(self, name: str, answer: object) -> None:
        try:
            self.next[name] = ask(self.paths[name], answer)
        except StopIteration as end:
            self.next.pop(name, None)
            self.results[name] = end.value

    @property
    def ready(self) -> list[str]:
        """The threads that can do their next step now."""
        return [name for name, step in self.next.items() if step.ready()]

    def step(self, name: str) -> Event:
        """Do the next step of one thread, and record it."""
        if name not in self.paths:
            raise ValueError(f"no thread is called {name!r}: write one of {', '.join(self.paths)}")
        if name not in self.next:
            raise ValueError(f"{name} has ended; it returned {self.results[name]}")
        step = self.next[name]
        if not step.ready():
            raise Deadlock(f"{name} sleeps at {step!r}")
        event = Event(len(self.trace) + 1, name, step.name, step.on, step.do())
        self.trace.append(event)
        self._ask(name, event.result)
        return event


def run(machine: Machine, limit: int = STEP_LIMIT) -> Machine:
    """Run to the end, always the first thread that can; Deadlock when all that live sleep."""
    for _ in range(limit):
        if not machine.next:
            return machine
        if not machine.ready:
            raise Deadlock("; ".join(f"{name} sleeps at {step!r}" for name, step in machine.next.items()))
        machine.step(machine.ready[0])
    raise StepLimit(f"no end within {limit:,} steps: look for a loop that never leaves")


class Stepper:
    """A machine with a position in time: step, back, jump. Every position is reached by replay from the beginning."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.schedule: list[str] = []               # who did each step, as far as was ever gone
        machine.reset()

    @property
    def t(self) -> int:
        """How many steps were done."""
        return len(self.machine.trace)

    def step(self, name: str | None = None) -> Event:
        """One step: of `name`, or as was gone before, or of the first thread that can. A new turn forgets the old future."""
        if name is None:
            ahead = self.schedule[self.t:self.t + 1] or self.machine.ready or list(self.machine.next) or list(self.machine.paths)
            name = ahead[0]
        event = self.machine.step(name)
        if self.schedule[event.t - 1:event.t] != [name]:
            self.schedule[event.t - 1:] = [name]
        return event

    def back(self) -> None:
        """One step back; nothing at the beginning."""
        self.jump(max(0, self.t - 1))

    def jump(self, t: int) -> None:
        """To the position after `t` steps of the schedule so far."""
        if not 0 <= t <= len(self.schedule):
            raise ValueError(f"no position {t}: write 0 to {len(self.schedule)}")
        self.machine.reset()
        for name in self.schedule[:t]:
            self.machine.step(name)
