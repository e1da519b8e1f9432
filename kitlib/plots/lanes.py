"""One schedule of a race, drawn as in commit messages: time runs down, a thread has a lane, a step a row.

A bar beside a lane is a lock that its thread holds; what is hatched comes after a mapping was freed. Leaves
out what a thread remembers: a row says what a step answered, not what becomes of the answer.
"""
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from .. import frames
from ..concurrency.sched import Scenario, ScheduleError, Stepper, letters, schedule_text
from .flow import INK, LINE, LIT, MONO, PALE, PAPER, SANS, Chart, pt, sheet
from .layout import PAD, TEXT, width_of
from .states import LIGHT

# Pixels, y down:   number | bars of locks, a dot, the words of a step | the next thread's ...
#                     7    |  ##  o  folio_trylock(folio 0) yes        |
ROW = 22                                # a step's height; words of what is freed and of the end take one, too
NUMBER, BAR, _DOT, _GAP = 30, 17, 16, 26    # widths; the last is between lanes
_STEPS = 150                            # more rows than that are no picture
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}       # words stay readable on a hatched ground
BAD, HELD, _HATCH = LIGHT["failed"], LIGHT["isolated"], "#C9CFD6"
# Steps after which a mapping is gone, and what is said of it.
FREES = {"free_inode": "{} is freed", "reuse_inode": "the memory of {} is another inode's"}


class _Run(NamedTuple):
    """What a schedule did: its steps and locks as frames, and how each thread stands at its end."""

    name: str
    schedule: str
    threads: dict[str, str]             # the letter in schedules of each thread, by its name
    steps: pd.DataFrame
    locks: pd.DataFrame
    crash: int | None                   # the last step, if it was a kernel bug
    deadlock: bool
    ends: dict[str, str]                # how each thread stands, if none crashed

    @property
    def freed(self) -> dict[int, str]:
        """By step: what no thread may touch from then on."""
        # A step that crashed has freed nothing.
        frees = self.steps[self.steps.step.isin(FREES) & (self.steps.t != (self.crash or 0))]
        return {step.t: FREES[step.step].format(step.on) for step in frees.itertuples()}


def swim_lanes(scenario: Scenario, schedule: str | Iterable[str], title: str = "") -> Chart:
    """A schedule, as C3T21C1 or as the names of threads, in lanes; `places` has the row of each step."""
    run = _run(scenario, schedule)
    plan = _Plan(run)
    figure, axes = sheet(plan.width, plan.height, title or f"{run.name}: {run.schedule}")
    _draw_freed(axes, plan)
    for name, letter in run.threads.items():
        x, top = plan.dot[name], ROW / 2
        axes.text(x - _DOT / 2, top, f"{letter}  {name}", size=pt(14), family=SANS, weight="bold", color=INK,
                  va="center")
        axes.plot([x, x], [ROW, plan.bottom], color=LINE, linewidth=pt(1), linestyle=(0, (1, 3)), zorder=1)
    for lock in run.locks.itertuples():
        _draw_lock(axes, plan, lock)
    for name, steps in _turns(run.steps):
        ys = [plan.y[step.t] for step in steps]
        axes.plot([plan.dot[name]] * 2, [ys[0], ys[-1]], color=INK, linewidth=pt(2), zorder=2)
    for step in run.steps.itertuples():
        _draw_step(axes, plan, step)
    for name, words in run.ends.items():
        _draw_end(axes, plan, name, words)
    if run.deadlock:
        axes.text(PAD + NUMBER - 10, plan.end + 1.3 * ROW, "deadlock: nobody can go on", size=pt(TEXT),
                  family=SANS, weight="bold", color=BAD, va="center_baseline", zorder=4, bbox=BEHIND)
    figure.text = describe_lanes(scenario, schedule)
    figure.places = {t: figure.shares(0, y) for t, y in plan.y.items()}
    return figure


def describe_lanes(scenario: Scenario, schedule: str | Iterable[str]) -> str:
    """The schedule in words: by turns every step with its answer, who held which lock, and how it ends."""
    run = _run(scenario, schedule)
    turns = _turns(run.steps)
    freed = "".join(f"; {words} at step {t}" for t, words in run.freed.items())
    bug = "deadlock" if run.deadlock else "no bug"
    if run.crash:
        bug = f"{run.steps.result.iloc[-1]} at step {run.crash}"
    counts = f"{_count(len(run.steps), 'step')}, {_count(len(turns) - 1, 'switch', 'es')}"
    lines = [f"{run.name}, {run.schedule}: {counts}{freed}; {bug}."]
    for name, steps in turns:
        calls = [" ".join(_words(step)).strip() for step in steps]
        lines.append(f"{name} {_range(steps[0].t, steps[-1].t)}: {', '.join(calls)}")
    for (on, name), locks in run.locks.groupby(["lock", "thread"], sort=False):
        times = [f"{lock.taken} to {'the end' if lock.released is pd.NA else lock.released}"
                 for lock in locks.itertuples()]
        lines.append(f"lock of {on}: {name} from {', '.join(times)}")
    return "\n".join([*lines, *(f"{name} {end}" for name, end in run.ends.items())])


def _run(scenario: Scenario, schedule: str | Iterable[str]) -> _Run:
    """The schedule, done; the memory is left as it was."""
    if not isinstance(scenario, Scenario):
        raise TypeError(f"not a scenario but a {type(scenario).__name__}: write swim_lanes(proof.scenario, "
                        "proof.shortest) or swim_lanes(truncation_race(racy), 'C3T21C1')")
    if not schedule:
        start = "".join(f"{letter}2" for letter in letters(scenario.paths).values())
        raise ValueError("no schedule to draw (a safe proof has no shortest one): "
                         f"write who does how many steps, as {start!r}")
    if not isinstance(schedule, str):
        if unknown := [name for name in schedule if name not in scenario.paths]:
            raise ScheduleError(f"no thread is called {unknown[0]!r}: "
                                f"write {', '.join(map(repr, scenario.paths))}")
        schedule = schedule_text(schedule, scenario.paths)
    stepper = Stepper(scenario.machine())
    machine = stepper.machine
    try:
        stepper.replay(schedule)
        if stepper.t > _STEPS:
            raise ValueError(f"{stepper.t} steps are too many for one picture: "
                             f"write a schedule of at most {_STEPS}")
        # Not everything that ends is stuck: some have a next step, and none of these can be done.
        stuck = bool(machine.next) and not machine.ready and not machine.crash
        ends = {} if machine.crash else {name: _end(machine, name) for name in machine.paths}
        return _Run(scenario.name, stepper.text, letters(machine.paths), frames.events(machine),
                    frames.locks(machine), machine.crash and machine.crash.t, stuck, ends)
    finally:
        machine.reset()


def _end(machine, name: str) -> str:
    if name not in machine.next:
        return "has ended"
    return f"{'would do' if name in machine.ready else 'sleeps at'} {machine.next[name]!r}"


def _turns(steps: pd.DataFrame) -> list[tuple[str, list]]:
    """The steps that a thread does in a row, with its name, in order."""
    return [(name, list(turn)) for name, turn in groupby(steps.itertuples(), key=lambda step: step.thread)]


def _words(step) -> tuple[str, str]:
    """A step as in C, and what it answered."""
    return f"{step.step}({step.on})", step.result


def _count(number: int, word: str, plural: str = "s") -> str:
    return f"{number} {word}{plural if number != 1 else ''}"


def _range(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"


class _Plan:
    """Where everything stands: steps in rows, and in each lane bars, dots and words, from left to right."""

    def __init__(self, run: _Run):
        self.run = run
        self.y, self.freed = {}, {}                     # by step: the middle of its row; of a row after it
        self.bar, self.dot, self.words = {}, {}, {}     # by thread, bars by lock too: left, or a middle
        y = 1.25 * ROW                                  # below the names of the threads
        for t in run.steps.t:
            self.y[t] = y + ROW / 2
            y += ROW
            if t in run.freed:
                self.freed[t] = y + ROW / 2
                y += ROW
        self.end = y + ROW * 0.75                       # how each thread stands; one row more for a deadlock
        self.bottom = y + (ROW * 1.5 if run.ends else 0)
        self.height = self.bottom + PAD + (ROW if run.deadlock else 0)
        x = PAD + NUMBER
        for name in run.threads:
            # A bar for each lock that this thread ever holds: two that it holds at once stand side by side.
            for lock in dict.fromkeys(run.locks.lock[run.locks.thread == name]):
                self.bar[name, lock] = x
                x += BAR + 3
            self.dot[name] = x + _DOT / 2
            self.words[name] = x + _DOT + 4
            steps = [width_of(call, "Mono") + 12 + width_of(answer, "-Bold") for call, answer in
                     map(_words, run.steps[run.steps.thread == name].itertuples())]
            heading = width_of(f"C  {name}") * 1.3      # it is written larger than it is measured
            end = width_of(run.ends.get(name, ""), "Mono") + 10
            x = self.words[name] + max(*steps, end, heading, 0) + _GAP
        self.width = x - _GAP + PAD


def _draw_freed(axes: Axes, plan: _Plan) -> None:
    """The hatched ground, and a row that says what it means."""
    for t, y in plan.freed.items():
        if y == min(plan.freed.values()):
            axes.axhspan(y, plan.height, hatch="////", facecolor=PAPER, edgecolor=_HATCH, linewidth=0,
                         zorder=0)
        axes.axhline(y, color=INK, linewidth=pt(1.2), zorder=1)
        axes.text(min(plan.words.values()), y, f" {plan.run.freed[t]} ", size=pt(TEXT), family=SANS,
                  weight="bold", color=INK, va="center", zorder=5,
                  bbox={"facecolor": PAPER, "edgecolor": INK, "linewidth": pt(1.2), "pad": 2})


def _draw_lock(axes: Axes, plan: _Plan, lock) -> None:
    """From the step that took it to the step that released it, or open at the bottom."""
    x, top = plan.bar[lock.thread, lock.lock], plan.y[lock.taken] - 8
    held = lock.released is pd.NA                       # when the schedule ends
    bottom = plan.y[max(plan.y)] + ROW / 2 if held else plan.y[lock.released] + 8
    axes.add_patch(Rectangle((x, top), BAR, bottom - top, facecolor=HELD, edgecolor=INK, linewidth=pt(1),
                             zorder=2))
    if held:
        axes.plot([x + 1.5, x + BAR - 1.5], [bottom] * 2, color=PAPER, linewidth=pt(3), linestyle=(0, (1, 1)),
                  zorder=3)
    # The longest words that fit the bar, from bottom to top; a short bar has none: describe_lanes says what
    # it is.
    if fits := [words for words in (f"lock of {lock.lock}", lock.lock) if width_of(words) < bottom - top - 2]:
        axes.text(x + BAR / 2, (top + bottom) / 2, fits[0], size=pt(TEXT), family=SANS, color=INK,
                  rotation=90, ha="center", va="center", zorder=4)


def _draw_step(axes: Axes, plan: _Plan, step) -> None:
    x, y = plan.dot[step.thread], plan.y[step.t]
    crashed = step.t == plan.run.crash
    call, answer = _words(step)
    axes.text(PAD + NUMBER - 10, y, step.t, size=pt(TEXT), family=SANS, color=INK, ha="right",
              va="center_baseline")
    axes.plot(x, y, marker="o", color=INK, markersize=pt(7), markeredgewidth=0, zorder=3)
    if crashed:
        _draw_failure(axes, x, y)
    axes.text(plan.words[step.thread], y, call, size=pt(TEXT), family=MONO, color=BAD if crashed else INK,
              va="center_baseline", weight="bold" if crashed else "normal", zorder=4, bbox=BEHIND)
    axes.text(plan.words[step.thread] + width_of(call, "Mono") + 10, y, answer, size=pt(TEXT), family=SANS,
              weight="bold", color=BAD if crashed else LIT, va="center_baseline", zorder=4, bbox=BEHIND)


def _draw_failure(axes: Axes, x: float, y: float) -> None:
    """A cross in a ring."""
    axes.plot(x, y, marker="o", color=PAPER, markersize=pt(16), markeredgecolor=BAD, markeredgewidth=pt(2),
              zorder=5)
    axes.plot(x, y, marker="x", color=BAD, markersize=pt(7), markeredgewidth=pt(2), zorder=6)


def _draw_end(axes: Axes, plan: _Plan, name: str, words: str) -> None:
    """Whoever sleeps is in a dashed box."""
    sleeps, y = words.startswith("sleeps"), plan.end
    # Sleeping is no failure as long as another thread can go on and release the lock.
    colour = BAD if sleeps and plan.run.deadlock else INK
    if colour == BAD:
        _draw_failure(axes, plan.dot[name], y)
    box = {"facecolor": PAPER, "edgecolor": colour if sleeps else PALE, "linestyle": "--" if sleeps else "-",
           "pad": 3}
    axes.text(plan.words[name] + 6, y, words, size=pt(TEXT), family=MONO, color=colour, va="center_baseline",
              style="normal" if sleeps else "italic", zorder=4, bbox=box)
