"""You are the scheduler: whose step comes next, in one race of a few threads, beside the proof over every schedule.

Changing the race proves it again at once, within LIMIT states; then the same schedule is followed as far as it goes.
Leaves out what explore.py leaves out: weak memory ordering, and RCU's delay unless a step models it.
"""
from html import escape
from types import ModuleType

import ipywidgets

from .. import frames, plots
from ..concurrency.explore import Proof, percent, prove
from ..concurrency.sched import Scenario, Stepper, letters
from ..kernels import (after, after_unlock, before, blocking, cached, check_kernel, name as name_of,
                       no_null_check, racy)
from ..races import CLEAR_INODE, TRUNCATE, truncation_race
from . import drawing, objects, source
from .box import Box, said, title
from .drawing import Drawing
from .stepping import StepperView, beginnings
from .thread_column import ThreadColumn

_LIMIT = 40_000                      # states: about a second at the most
_COLUMNS = 6                         # threads at the most
ENORMOUS = 10 ** 15                 # schedules that nobody cares to read digit by digit
RACE_COUNTS = {"folios": (1, 2), "compactors": (0, 1, 2), "truncators": (1, 2), "reclaimers": (0, 1), "mlockers": (0, 1)}
USUAL = {"folios": 1, "compactors": 1, "truncators": 1, "reclaimers": 0, "mlockers": 0, "truncate": "locked",
         "clear_inode": "cycles", "migrate": False, "reuse": False}
_WORDS = {"truncate": {"locked": "truncation holds the folio lock", "unlock_early": "truncation unlocks early"},
         "clear_inode": {"cycles": "clear_inode cycles the tree lock", "no_cycle": "clear_inode does not"}}
TIPS = {"truncate": "until when truncation holds the folio lock", "clear_inode": "whether it waits for who is inside the tree lock"}
_SWITCHES = {"migrate": ("compaction migrates, too", "goes on into move_to_new_folio()"),
            "reuse": ("a freed inode's memory is reused", "then a stale pointer reads another inode")}
_COLOURS = {True: "kit-good", False: "kit-bad", None: "kit-warn"}
TITLE = title("You are the scheduler", "Compaction looks at the folios of one file while the file is truncated and its inode "
              "freed. Whose step comes next?", source.SOURCE_STYLE, objects.OBJECTS_STYLE, drawing.DRAWING_STYLE)


class RaceStepper(StepperView):
    """A race under the learner's hands: `box` is displayed; `set()`, `step()`, `replay()`, `play()` drive it in code.

    `arguments` are those of truncation_race(); those that have no control (`mode`, `dirty`, ...) stay as they are given.
    `verdict=False` leaves out what is to be found: the verdict, and the shortest schedule that fails.
    """

    def __init__(self, kernel: ModuleType = racy, verdict: bool = True, **arguments):
        super().__init__()
        self.tells = verdict
        kernels = (before, racy, after, cached, after_unlock, no_null_check, blocking, check_kernel(kernel))
        self.kernels = {name_of(one): one for one in kernels}
        self.legal = {"kernel": tuple(self.kernels), **RACE_COUNTS, "truncate": tuple(TRUNCATE), "clear_inode": tuple(CLEAR_INODE),
                      "migrate": (False, True), "reuse": (False, True)}
        self.fixed = {name: value for name, value in arguments.items() if name not in self.legal}
        self.history: list[tuple[dict, list[str], int]] = []       # before each change: settings, schedule, position
        settings = {"kernel": name_of(kernel), **USUAL, **{name: value for name, value in arguments.items() if name in self.legal}}
        self.progress = Drawing(self.guard, "progress graph: every order at once", "ring", self.render)
        self.lanes = Drawing(self.guard, "swim lanes: this schedule", "row", self.render)
        self._prove(self._checked(settings))
        self._make_controls()
        self.columns = [ThreadColumn(self) for _ in range(_COLUMNS)]
        self.box = Box(self._layout(), describe=self.describe, picture=self._picture, layout={"max_width": "1200px"},
                       also=[column.box for column in self.columns])
        with self.guard:
            self.render()

    @property
    def state(self) -> dict:
        """Every setting by name, then schedule and position."""
        return {**self.settings, **super().state}

    @property
    def hints(self) -> dict[str, str]:
        """For each thread that can go on, what is true after its step: one of FATES, or "not known" beyond the limit."""
        if not self.proof.graph.complete:
            return dict.fromkeys(self.machine.ready, "not known: the limit of states was hit")
        return self.proof.fates(self.stepper.text)

    def set(self, **settings) -> None:
        """Change settings as one event: `set(kernel="after", folios=2)`."""
        with self.guard.aloud():
            self._change(self._checked({name: name_of(value) if isinstance(value, ModuleType) else value
                                        for name, value in settings.items()}))

    def undo(self) -> None:
        """Take the last change of settings back, to the schedule and the position from before it."""
        with self.guard.aloud():
            if self.history:
                settings, schedule, t = self.history[-1]
                self._prove(settings)
                self.history.pop()
                self.stepper.schedule = schedule
                self.stepper.jump(t)
            self.render()

    def play(self) -> None:
        """Replay the shortest schedule that fails."""
        with self.guard.aloud():
            if not self.proof.shortest:
                raise ValueError(f"there is no failing schedule to play: {verdict(self.proof)}")
            self.replay(self.proof.shortest)

    def describe(self) -> str:
        """Settings, verdict, position, threads and objects, as text that is the same in every run."""
        hints, names = self.hints if self.hint_box.value else {}, self.machine.paths
        threads = [column.told(hints.get(name, "")) for name, column in zip(names, self.columns)]
        head = [f"race      {self.proof.scenario.name}"] + [f"verdict   {verdict(self.proof)}"] * self.tells
        return "\n".join([*head, *self._told(), *threads, *self._error()])

    def render(self) -> None:
        """Draw everything: controls, verdict, position, threads, objects."""
        super().render()
        self._follow_settings()
        self.schedule.value, self.schedule_error.value = self.stepper.text, ""
        called, turn = letters(self.machine.paths), self.turn
        self.step_button.description = f"Step ({called[turn]})" if turn else "Step"
        self.undo_button.disabled, self.play_button.layout.display = not self.history, None if self.proof.shortest and self.tells else "none"
        hints, held = self.hints if self.hint_box.value else {}, frames.holders(self.machine)
        for column, name in zip(self.columns, self.machine.paths):
            column.show(name, called[name], held, hints.get(name, ""))
        self.threads.children = [column.box for column, _ in zip(self.columns, self.machine.paths)]
        self._draw()

    def _draw(self) -> None:
        """The pictures that are asked for: the progress graph once for each proof, the lanes for each schedule."""
        t, known, paths = self.stepper.t, self.stepper.schedule, list(self.machine.paths)
        at = tuple(known[:t].count(name) for name in paths)
        steps = ", ".join(f"{name} has done {_count('steps', number)}" for number, name in zip(at, paths))
        self.progress.show("proof", lambda: plots.progress_graph(self.proof), at, f"The ring is where you are: {steps}.")
        self.lanes.show(" ".join(known), lambda: plots.swim_lanes(self._scenario(self.settings), known), t,
                        f"The frame is where you are: step {t} of {len(known)}.")

    def _picture(self) -> plots.Picture | None:
        """The schedule so far, or the shortest that fails; with neither, all of them at once, unless that would tell."""
        if not (self.tells or self.stepper.text):
            return None
        schedule = self.stepper.text or self.proof.shortest
        chart = plots.swim_lanes(self._scenario(self.settings), schedule) if schedule else plots.progress_graph(self.proof)
        return chart.picture()

    def _checked(self, settings: dict) -> dict:
        for name, value in settings.items():
            if name not in self.legal:
                raise TypeError(f"no setting is called {name!r}: write one of {', '.join(self.legal)}")
            if not any(value == legal and type(value) is type(legal) for legal in self.legal[name]):
                raise ValueError(f"{name}={value!r} is no such setting: write one of {', '.join(map(repr, self.legal[name]))}")
        return settings

    def _prove(self, settings: dict) -> None:
        """Make the race of these settings, before its first step; when that fails nothing is changed."""
        scenario = self._scenario(settings)
        proof = prove(scenario, _LIMIT)
        self.settings, self.proof, self.stepper = settings, proof, Stepper(scenario.machine())
        self.begin = beginnings(self.machine)
        self.progress.forget(), self.lanes.forget()

    def _scenario(self, settings: dict) -> Scenario:
        """A race of these settings with a memory of its own."""
        return truncation_race(**{**settings, "kernel": self.kernels[settings["kernel"]], **self.fixed})

    def _change(self, changes: dict) -> None:
        was, done = (self.settings, self.stepper.schedule, self.stepper.t), self.stepper.schedule[:self.stepper.t]
        try:
            self._prove(self.settings | changes)
        except Exception:
            self._follow_settings()
            raise
        self.history.append(was)
        for name in done:                               # the same schedule in another race, as far as it goes
            if name not in self.machine.ready:
                break
            self.stepper.step(name)
        self.render()

    def _heard(self, name: str, change: dict) -> None:
        if change["new"] != self.settings[name]:        # otherwise the control has only followed the settings
            self._change(self._checked({name: change["new"]}))

    def _typed(self, change: dict) -> None:
        if change["new"] == self.stepper.text:
            return
        try:
            self._try(lambda: self.stepper.replay(change["new"]))
        except ValueError as error:                     # a ScheduleError: the learner's to mend, so the text stays
            self.schedule_error.value = (f"<div role='alert' class='kit-verdict kit-warn'>{escape(str(error))}. "
                                         "Nothing was changed.</div>")
        else:
            self.render()

    def _follow_settings(self) -> None:
        for name, control in self.controls.items():
            control.value = self.settings[name]
        words, proof = verdict(self.proof), self.proof
        word, _, rest = words.partition(":")
        self.verdict.value = said(f"<span class='kit-chip {_COLOURS[proof.safe]}'>{word}:</span> <b>{escape(rest.strip())}</b><br>"
                                  f"{escape(_what_is_proved(proof))}") if self.tells else ""

    def _make_controls(self) -> None:
        def choice(options: list, tips: list[str]) -> ipywidgets.ToggleButtons:
            return ipywidgets.ToggleButtons(options=options, tooltips=tips, style={"button_width": "auto"}, layout={"width": "auto"})

        button = self.guard.button
        controls = {"kernel": choice(list(self.kernels), [f"compaction decides as {name} does" for name in self.kernels])}
        for name, words in _WORDS.items():
            controls[name] = choice([(said, value) for value, said in words.items()], [TIPS[name]] * len(words))
        for name, legal in RACE_COUNTS.items():
            controls[name] = choice([(_count(name, number), number) for number in legal], [f"how many {name}"] * len(legal))
        for name, (words, tip) in _SWITCHES.items():
            controls[name] = ipywidgets.Checkbox(description=words, tooltip=tip, indent=False, layout={"width": "auto"})
        self.controls = controls
        self.verdict, self.schedule_error = ipywidgets.HTML(layout={"flex": "1 1 520px", "min_width": "0"}), ipywidgets.HTML()
        self._follow_settings()
        for name, control in controls.items():
            control.observe(self.guard(lambda change, name=name: self._heard(name, change)), "value")
        self.undo_button = button("Undo the change", "settings, schedule and position from before the last change", self.undo)
        self.play_button = button("Play the shortest", "replay the shortest schedule that fails", self.play)
        self.hint_box = ipywidgets.Checkbox(description="what each step leads to", indent=False, layout={"width": "auto"})
        self.hint_box.observe(self.guard(lambda _: self.render()), "value")
        self.schedule = ipywidgets.Text(description="schedule", placeholder="C2T5C1", continuous_update=False,
                                        layout={"width": "320px"}, style={"description_width": "60px"})
        self.schedule.observe(self.guard(self._typed), "value")

    def _layout(self) -> list[ipywidgets.Widget]:
        wrap = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px 14px", "margin": "2px 0"}

        def row(words: str, *shown) -> ipywidgets.HBox:
            head = [ipywidgets.HTML(f"<b>{words}</b>", layout={"width": "60px"})] if words else []
            return ipywidgets.HBox([*head, ipywidgets.HBox(shown, layout={**wrap, "flex": "1 1 0", "min_width": "0"})])

        controls = self.controls
        self.threads = ipywidgets.GridBox(layout={"grid_template_columns": "repeat(auto-fit, minmax(min(100%, 360px), 1fr))", "grid_gap": "8px", "margin": "0 2px 6px"})
        return [ipywidgets.HTML(TITLE), row("kernel", controls["kernel"], self.undo_button), row("locks", *map(controls.get, _WORDS)),
                row("threads", *map(controls.get, RACE_COUNTS)), row("besides", *map(controls.get, _SWITCHES)),
                row("", self.verdict, self.play_button), row("", self.position, self.schedule),
                row("show", self.hint_box, self.progress.ticked, self.lanes.ticked), self.schedule_error,
                self.guard.strip, self.said, self.objects, self.threads, self.progress.box, self.lanes.box]


def verdict(proof: Proof) -> str:
    """The proof in one line: SAFE, UNSAFE, or NO PROOF."""
    if proof.safe is None:
        return f"NO PROOF: no bug in the first {_LIMIT:,} states, and the rest was not looked at. Too large a race to prove here."
    if proof.safe:
        known = proof.schedules < ENORMOUS
        return f"SAFE: all {proof.schedules:,} schedules" if known else f"SAFE: all schedules, {_number(proof.schedules)} of them"
    bugs = " or ".join(proof.bugs)
    if proof.schedules is None:
        return f"UNSAFE: {bugs}, shortest {proof.shortest}; not every schedule was looked at"
    share = percent(proof.failing_schedules / proof.schedules)
    failing = f"{_number(proof.failing_schedules)} of {_number(proof.schedules)} schedules ({share})"
    return f"UNSAFE: {bugs} in {failing}, shortest {proof.shortest}"


def _what_is_proved(proof: Proof) -> str:
    orders = "every order of these steps" if proof.graph.complete else "the first of the many orders of these steps"
    return (f"{proof.scenario.name}: {proof.states:,} states; {orders}, which are as fine as they are written; sequentially consistent "
            "memory; no RCU delay.")


def _number(count: int) -> str:
    return f"{count:,}" if count < ENORMOUS else f"about {count:.1e}".replace("e+", "e")


def _count(name: str, number: int) -> str:
    return f"{number or 'no'} {name if number > 1 else name[:-1]}"
