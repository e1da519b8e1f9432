"""Who runs next: paths as threads over one memory, one step at a time.

Knows nothing of memory: whatever has `snapshot()` and `restore()` can be one. Only `Machine.step` records. A
schedule, who did each step, is written run by run: C4T8C1 is four steps of C, eight of T, one of C.
"""
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import GeneratorType
from typing import Any, NamedTuple, Protocol

from ..step import Deadlock, KernelBug, Path, Step, ask

STEP_LIMIT = 100_000


class Memory(Protocol):
    """What threads share. All that a step can see or change is in a snapshot, so equal ones are equal."""

    def snapshot(self) -> Hashable:
        """The memory as it is now, as a value that never changes."""

    def restore(self, snapshot: Any, /) -> None:
        """The memory as it was then, in the same objects: paths hold on to them."""


class StepLimit(RuntimeError):
    """A path took so many steps that it will hardly end."""


class Event(NamedTuple):
    """What one step did: step number from 1, thread, primitive, what it was done to, what it answered."""

    t: int
    thread: str
    step: str
    on: str
    result: object


# What must hold after a step, or what is to be shown: asked of the memory after it and of the step. Who looks
# at every schedule asks it once for equal steps on equal memories, so it may not depend on `t` or on what was
# before.
Property = Callable[[Any, Event], bool]


def path_name(path: Path) -> str:
    """What messages call a path: the name of the function that it is a call of."""
    return path.__name__ if isinstance(path, GeneratorType) else repr(path)


def run_path(path: Path, limit: int = STEP_LIMIT) -> Any:
    """Run one path alone to its end, unrecorded; returns what it returns (a `Verdict` for isolate_folio)."""
    answer = None
    try:
        for _ in range(limit):
            step = ask(path, answer)
            if not step.ready():
                raise Deadlock(f"{step!r} sleeps, and nobody else runs who could wake it")
            answer = step.do()
    except StopIteration as end:
        return end.value
    raise StepLimit(f"{path_name(path)} did not end within {limit:,} steps: "
                    "look for a loop that never leaves")


class PropertyBroken(KernelBug):
    """Something that must hold after every step did not."""

    def __init__(self, bug: str, step: str):
        super().__init__(f"{bug}: by {step}")
        self.bug = bug


@dataclass(frozen=True)
class Scenario:
    """Threads over one memory, not yet run, and what is claimed of them after every step.

    `paths` start each thread's path by its name; `objects` are what a step can answer besides truth values,
    numbers of an enum and NULL. dataclasses.replace() makes a variant.
    """

    name: str
    memory: Memory
    paths: Mapping[str, Callable[[], Path]]
    objects: tuple = ()
    always: Mapping[str, Property] = field(default_factory=dict)        # bug: whether all is well
    sometimes: Mapping[str, Property] = field(default_factory=dict)     # what some schedule must show
    begin: Hashable = None              # the memory's snapshot before the first step; None: as it is now

    def __post_init__(self):
        if self.begin is None:                      # the one assignment to a frozen scenario
            object.__setattr__(self, "begin", self.memory.snapshot())

    def machine(self) -> "Machine":
        """The threads before their first step, and the memory as it was then."""
        self.memory.restore(self.begin)
        return Machine(self.memory, self.paths, self.always)


class Machine:
    """Threads over one memory. `paths` has, by a thread's name, the function that starts its path."""

    def __init__(self, memory: Memory, paths: Mapping[str, Callable[[], Path]],
                 always: Mapping[str, Property] | None = None):
        if not paths:
            raise ValueError("a machine needs a thread: write "
                             'Machine(zone, {"compaction": lambda: isolate_folio(folio, mode)})')
        self.memory = memory
        self.start = dict(paths)
        self.always = always or {}
        self._begin = memory.snapshot()
        self.reset()

    def reset(self) -> None:
        """Back to the beginning: the memory as it was, every path before its first step."""
        self.memory.restore(self._begin)
        self.trace: list[Event] = []
        self.crash: Event | None = None             # the step that was a bug, which is its result; all stop
        self.next: dict[str, Step] = {}             # the step that each live thread asks for, not yet done
        self.results: dict[str, object] = {}        # what each ended thread returned
        self.paths = {name: start() for name, start in self.start.items()}
        # A path runs as far as its first step, which it asks for; up to there it can have seen nothing of the
        # memory.
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
        return [] if self.crash else [name for name, step in self.next.items() if step.ready()]

    def why_not(self, name: str) -> str:
        """Why a thread cannot do a step now, "" when it can."""
        if self.crash:
            return f"the kernel has crashed: {self.crash.result}"
        if name not in self.next:
            return f"{name} has ended; it returned {self.results[name]}"
        return "" if self.next[name].ready() else f"{name} sleeps at {self.next[name]!r}"

    def step(self, name: str) -> Event:
        """Do the next step of one thread, and record it. A KernelBug is raised, and kept in `crash`."""
        if name not in self.paths:
            raise ValueError(f"no thread is called {name!r}: write one of {', '.join(self.paths)}")
        if why := self.why_not(name):
            sleeps = name in self.next and not self.crash
            raise Deadlock(why) if sleeps else ValueError(why)
        step, t = self.next[name], len(self.trace) + 1
        try:
            event = Event(t, name, step.name, step.on, step.do())
            for bug, holds in self.always.items():
                if not holds(self.memory, event):
                    raise PropertyBroken(bug, repr(step))
        except KernelBug as bug:
            self.crash = Event(t, name, step.name, step.on, bug)
            raise
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


class ScheduleError(ValueError):
    """A schedule cannot be read, or cannot be followed; the message says from which step on, and why."""


def letters(names: Iterable[str]) -> dict[str, str]:
    """What schedules call threads: by initial, with a small letter where several have it. C, or Ca and Cb."""
    names, called = list(names), {}
    for name in names:
        alike = [other for other in names if other[0].upper() == name[0].upper()]
        called[name] = name[0].upper() + (chr(ord("a") + alike.index(name)) if len(alike) > 1 else "")
    return called


def schedule_text(schedule: Iterable[str], names: Iterable[str]) -> str:
    """A schedule as text: ["compaction"] * 4 + ["truncation"] is C4T1."""
    called = letters(names)
    return "".join(f"{called[name]}{len(list(steps))}" for name, steps in groupby(schedule))


def read_schedule(text: str, names: Iterable[str]) -> list[str]:
    """The names step by step: what `schedule_text` has written. Spaces and a missing 1 do not matter."""
    name_of = {letter: name for name, letter in letters(names).items()}
    example = "".join(f"{letter}2" for letter in name_of)
    if not isinstance(text, str) or not re.fullmatch(r"\s*([A-Z][a-z]?(\s*\d+)?[\s,]*)*", text):
        raise ScheduleError(f"{text!r} is no schedule: write who does how many steps, as {example}")
    schedule: list[str] = []
    for letter, count in re.findall(r"([A-Z][a-z]?)\s*(\d*)", text):
        if letter not in name_of:
            known = ", ".join(f"{letter} ({name})" for letter, name in name_of.items())
            raise ScheduleError(f"no thread is called {letter}: write {known}")
        # The length first: int() of very many digits is slow, and Python refuses it.
        if len(count) > len(str(STEP_LIMIT)) or len(schedule) + int(count or 1) > STEP_LIMIT:
            raise ScheduleError(f"{letter}{count[:9]} goes on too long: write at most {STEP_LIMIT:,} steps")
        schedule += [name_of[letter]] * int(count or 1)
    return schedule


class Stepper:
    """A machine with a position in time: step, back, jump. Each position is reached by replay from t = 0.

    A crash is a position, too: `step` gives the event, whose result is the KernelBug, and one can go back
    from there.
    """

    def __init__(self, machine: Machine):
        self.machine = machine
        self.schedule: list[str] = []               # who did each step, as far as was ever gone
        machine.reset()

    @property
    def t(self) -> int:
        """How many steps were done, the one that crashed included."""
        return len(self.machine.trace) + (self.machine.crash is not None)

    @property
    def text(self) -> str:
        """The schedule up to here, as C4T8C1."""
        return schedule_text(self.schedule[:self.t], self.machine.paths)

    def step(self, name: str | None = None) -> Event:
        """One step: of `name`, or as before, or of the first that can. A new turn forgets the old future."""
        if name is None:
            machine = self.machine
            # Where nobody can go on, the first is named nevertheless: Machine.step says what it waits for.
            ahead = self.schedule[self.t:self.t + 1] or machine.ready or [*machine.next, *machine.paths]
            name = ahead[0]
        event = self._do(name)
        if self.schedule[event.t - 1:event.t] != [name]:
            self.schedule[event.t - 1:] = [name]
        return event

    def run(self, name: str) -> list[Event]:
        """Steps of one thread until it ends, sleeps or crashes; at least one."""
        events = [self.step(name)]
        while name in self.machine.ready:
            events.append(self.step(name))
        return events

    def back(self) -> None:
        """One step back; nothing at the beginning."""
        self.jump(max(0, self.t - 1))

    def jump(self, t: int) -> None:
        """To the position after `t` steps of the schedule so far."""
        if not isinstance(t, int) or not 0 <= t <= len(self.schedule):
            raise ValueError(f"no position {t}: write 0 to {len(self.schedule)}")
        self.machine.reset()
        for name in self.schedule[:t]:
            self._do(name)

    def replay(self, text: str) -> None:
        """Follow a schedule such as C4T8C1 from t = 0. ScheduleError if it cannot be: nothing is changed."""
        schedule, was = read_schedule(text, self.machine.paths), (self.schedule, self.t)
        self.schedule = schedule
        self.machine.reset()
        for number, name in enumerate(schedule, 1):
            if why := self.machine.why_not(name):
                self.schedule = was[0]
                self.jump(was[1])
                raise ScheduleError(f"{text} cannot be followed: at step {number}, {why}")
            self._do(name)

    def _do(self, name: str) -> Event:
        """A step of the machine; a crash is given, not raised. A Deadlock is raised: no step was done."""
        try:
            return self.machine.step(name)
        except KernelBug:
            if not self.machine.crash:
                raise
            return self.machine.crash
