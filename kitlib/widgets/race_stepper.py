"""You are the scheduler: whose step comes next, in one race; the proof over every schedule waits to be asked.

Changing the race proves it again at once, within _LIMIT states; then the same schedule is followed as
far as it goes. Leaves out what explore.py leaves out: weak memory ordering, and RCU's delay unless a step
models it.
"""
from collections.abc import Iterator
from html import escape
from types import ModuleType

import ipywidgets

from .. import frames, plots
from ..concurrency.explore import prove
from ..concurrency.sched import Scenario, Stepper, letters
from ..kernels import (after, after_unlock, before, blocking, cached, check_kernel, name as name_of,
                       no_null_check, racy)
from ..races import truncation_race
from .box import Box, growing, title
from .drawing import Drawing
from .proof_words import verdict, verdict_html
from .settings import Setting, Settings, switch, toggles
from .stepping import StepperView, beginnings
from .thread_column import ThreadColumn

_LIMIT = 40_000                      # states: about a second at the most
_COLUMNS = 6                         # threads at the most
_USUAL = {"folios": 1, "compactors": 1, "truncators": 1, "reclaimers": 0, "mlockers": 0, "truncate": "locked",
          "evict_cycles": "both", "migrate": False, "reuse": False}
_COUNTS = {"folios": (1, 2), "compactors": (0, 1, 2), "truncators": (1, 2), "reclaimers": (0, 1),
           "mlockers": (0, 1)}
_LOCKS = {"truncate": {"locked": "truncation holds the folio lock",
                       "unlock_early": "truncation unlocks early"},
          "evict_cycles": {"both": "evict cycles tree lock and i_lock", "tree_lock": "the tree lock only",
                           "i_lock": "i_lock only", "neither": "neither"}}
_WHO = {"folios": "folios of the one file", "compactors": "CPUs that look at a folio, to move it",
        "truncators": "CPUs that cut the file and close it",
        "reclaimers": "CPUs that take a folio out of the page cache to free it",
        "mlockers": "tasks that munlock and mlock a page: PG_unevictable goes and comes"}
_TIPS = {"truncate": "until when truncation holds the folio lock",
         "evict_cycles": "which locks the end of the inode takes and drops, to wait for who holds them"}
_SWITCHES = {"migrate": ("compaction migrates, too", "goes on into move_to_new_folio()"),
             "reuse": ("a freed inode's memory is reused", "then a stale pointer reads another inode")}


class RaceStepper(StepperView):
    """A race: `box` is displayed; `set()`, `step()`, `replay()`, `play()` drive it in code.

    `arguments` are those of truncation_race(); those that have no control (`mode`, `dirty`, ...) stay as they
    are given. The verdict, and with it the shortest schedule that fails, is shown when it is asked for, until
    the race is changed; with `verdict=True` always; with `verdict=False`, where it is to be found, never.
    `more` unfolds all that a first look does not need; what is not as usual is never folded away.
    """

    def __init__(self, kernel: ModuleType = racy, *, verdict: bool | None = None, more: bool = False,
                 **arguments):
        super().__init__()
        self.tells, self.asked_for = verdict, None
        kernels = (racy, after, check_kernel(kernel), before, cached, after_unlock, no_null_check, blocking)
        self.kernels = {name_of(one): one for one in kernels} | {name_of(kernel): kernel}
        self.few = {name_of(one) for one in kernels[:3]}
        self.fixed = {name: value for name, value in arguments.items() if name not in _USUAL}
        self.progress = Drawing(self.guard, "progress graph: every order at once", "ring", self.render)
        self.lanes = Drawing(self.guard, "swim lanes: this schedule", "row", self.render)
        self.stepper: Stepper | None = None
        start = {"kernel": name_of(kernel), **_USUAL}
        start |= {name: value for name, value in arguments.items() if name in _USUAL}
        self.settings = Settings(self.guard, _declared(self.kernels), self._make, self.render, start=start,
                                 position=lambda: (self.stepper.schedule, self.stepper.t))
        self._make_controls(more)
        self.columns = [ThreadColumn(self) for _ in range(_COLUMNS)]
        self.box = Box(self._layout(), describe=self.describe, picture=self._picture, max_width="1200px",
                       also=[column.box for column in self.columns])
        with self.guard:
            self.render()

    @property
    def state(self) -> dict:
        """Every setting by name, then schedule and position."""
        return {**self.settings.values, **super().state}

    @property
    def hints(self) -> dict[str, str]:
        """By thread that can go on, what its step leads to: one of FATES, or "not known" past the limit."""
        if not self.proof.graph.complete:
            return dict.fromkeys(self.machine.ready, "not known: the limit of states was hit")
        return self.proof.fates(self.stepper.text)

    def set(self, **settings) -> None:
        """Change settings as one event: `set(kernel="after", folios=2)`."""
        self.settings.set({name: name_of(value) if isinstance(value, ModuleType) else value
                           for name, value in settings.items()})

    def undo(self) -> None:
        """Take the last change of settings back, to the schedule and the position from before it."""
        self.settings.undo()

    def ask(self) -> None:
        """Show the verdict on this race."""
        with self.guard.aloud():
            if self.tells is False:
                raise ValueError("this race keeps its verdict to itself: "
                                 "write RaceStepper(kernel, verdict=True)")
            self.asked_for = self.proof
            self.render()

    def play(self) -> None:
        """Replay the shortest schedule that fails."""
        with self.guard.aloud():
            if not self.proof.shortest:
                raise ValueError(f"there is no failing schedule to play: {self._verdict}")
            self.replay(self.proof.shortest)

    def describe(self) -> str:
        """The race, the verdict if it is shown, position, threads, objects: the same text in every run."""
        hints = self.hints if self.hint_box.value else {}
        lines = [f"race      {self.proof.scenario.name}"]
        if self._is_told:
            lines.append(f"verdict   {self._verdict}")
        threads = [column.describe(hints.get(name, "")) for name, column in self._shown()]
        return "\n".join([*lines, *self._lines(), *threads, *self.guard.lines(10)])

    def render(self) -> None:
        """Draw everything: controls, verdict, position, threads, objects."""
        super().render()
        self._show_controls()
        self.schedule.value, self.schedule_error.value = self.stepper.text, ""
        letter, turn = letters(self.machine.paths), self.turn
        self.time.step.description = f"Step ({letter[turn]})" if turn else "Step"
        hints, held = self.hints if self.hint_box.value else {}, frames.holders(self.machine)
        for name, column in self._shown():
            column.show(name, letter[name], held, hints.get(name, ""))
        self.threads.children = [column.box for _, column in self._shown()]
        self._draw()

    @property
    def _kernel(self) -> ModuleType:
        return self.kernels[self.settings.values["kernel"]]

    @property
    def _verdict(self) -> str:
        return verdict(self.proof, self._kernel)

    @property
    def _is_told(self) -> bool:
        return self.asked_for is self.proof if self.tells is None else self.tells

    @property
    def _is_unusual(self) -> bool:
        """Whether something is set or ticked that a first look does not need: it stays unfolded."""
        values, ticked = self.settings.values, (self.hint_box, self.progress.ticked, self.lanes.ticked)
        return (values["kernel"] not in self.few or any(one.value for one in ticked)
                or any(values[name] != usual for name, usual in _USUAL.items()))

    def _show_controls(self) -> None:
        told, self.more.disabled = self._is_told, self._is_unusual
        unfolded = self.more.value or self.more.disabled
        self.verdict.value = verdict_html(self.proof, self._kernel) if told else ""
        self.verdict_row.layout.display = None if told else "none"
        self.play_button.layout.display = None if told and self.proof.shortest else "none"
        self.verdict_button.layout.display = "none" if told or self.tells is False else None
        self.folded.layout.display = None if unfolded else "none"
        kernels = self.settings.controls["kernel"]
        (kernels.remove_class if unfolded else kernels.add_class)(f"kit-first-{len(self.few)}")

    def _shown(self) -> Iterator[tuple[str, ThreadColumn]]:
        """The threads of this race with their columns; there are columns for more."""
        return zip(self.machine.paths, self.columns, strict=False)

    def _draw(self) -> None:
        """The pictures that are asked for: the progress graph once a proof, the lanes once a schedule."""
        t, known = self.stepper.t, self.stepper.schedule
        done = {name: known[:t].count(name) for name in self.machine.paths}
        steps = ", ".join(f"{name} has done {_count('steps', number)}" for name, number in done.items())
        self.progress.show("proof", lambda: plots.progress_graph(self.proof), tuple(done.values()),
                           f"The ring is where you are: {steps}.")
        self.lanes.show(" ".join(known), lambda: self._lanes(known), t,
                        f"The frame is where you are: step {t} of {len(known)}.")

    def _picture(self) -> plots.Picture | None:
        """The schedule so far, or the shortest that fails, or all at once; nothing where that would tell."""
        if not (self._is_told or self.stepper.text):
            return None
        schedule = self.stepper.text or self.proof.shortest
        if not schedule:
            return plots.progress_graph(self.proof).picture()
        return self._lanes(schedule).picture()

    def _lanes(self, schedule: str | list[str]) -> plots.Chart:
        return plots.swim_lanes(self._scenario(self.settings.values), schedule)

    def _scenario(self, values: dict) -> Scenario:
        """A race of these settings with a memory of its own."""
        return truncation_race(**{**values, "kernel": self.kernels[values["kernel"]], **self.fixed})

    def _make(self, values: dict, position: tuple[list[str], int] | None) -> None:
        """Prove the race of these settings, and follow the schedule to its position, or as far as it goes."""
        scenario = self._scenario(values)
        proof, stepper = prove(scenario, _LIMIT), Stepper(scenario.machine())
        begin = beginnings(stepper.machine)
        if position:
            stepper.schedule = list(position[0])
            stepper.jump(position[1])
        elif self.stepper:
            for name in self.stepper.schedule[:self.stepper.t]:
                if name not in stepper.machine.ready:
                    break
                stepper.step(name)
        self.proof, self.stepper, self.begin = proof, stepper, begin
        self.progress.forget()
        self.lanes.forget()

    def _typed(self, change: dict) -> None:
        if change["new"] == self.stepper.text:
            return
        try:
            self._try(lambda: self.stepper.replay(change["new"]))
        except ValueError as error:                     # the learner's to mend, so the text stays
            words = f"{escape(str(error))}. Nothing was changed."
            self.schedule_error.value = f"<div role='alert' class='kit-verdict kit-warn'>{words}</div>"
        else:
            self.render()

    def _make_controls(self, more: bool) -> None:
        self.verdict, self.schedule_error = ipywidgets.HTML(layout=growing("520px")), ipywidgets.HTML()
        tip = "replay the shortest schedule that fails"
        self.play_button = self.guard.button("Play the shortest", tip, self.play)
        self.verdict_button = self.guard.button("Verdict", "what every order of this race comes to", self.ask)
        self.more = ipywidgets.ToggleButton(value=more, description="More", layout={"width": "auto"},
                                            tooltip="all kernels, locks, threads, hints and pictures")
        self.more.observe(self.guard(lambda _: self.render()), "value")
        self.hint_box = ipywidgets.Checkbox(description="what each step leads to", indent=False,
                                            layout={"width": "auto"})
        self.hint_box.observe(self.guard(lambda _: self.render()), "value")
        self.schedule = ipywidgets.Text(description="schedule", placeholder="C2T5C1", continuous_update=False,
                                        layout={"width": "250px"}, style={"description_width": "60px"})
        self.schedule.observe(self.guard(self._typed), "value")
        self.threads = ipywidgets.GridBox().add_class("kit-threads")

    def _layout(self) -> list[ipywidgets.Widget]:
        controls = self.settings.controls
        self.folded = ipywidgets.VBox([
            _row("locks", *map(controls.get, _LOCKS)), _row("threads", *map(controls.get, _COUNTS)),
            _row("besides", *map(controls.get, _SWITCHES)),
            _row("show", self.hint_box, self.progress.ticked, self.lanes.ticked)])
        self.verdict_row = _row("", self.verdict, self.play_button)
        return [title("You are the scheduler", "Compaction looks at the folios of one file while the file is "
                      "truncated and its inode freed. Whose step comes next?"),
                _row("kernel", controls["kernel"], self.settings.undo_button, self.more,
                     self.verdict_button),
                self.folded, self.verdict_row, _row("", self.time.box, self.schedule),
                self.schedule_error, self.guard.strip, self.status, self.objects,
                self.threads, self.progress.box, self.lanes.box]


def _declared(kernels: dict[str, ModuleType]) -> list[Setting]:
    def counted(name: str, numbers: tuple[int, ...]) -> Setting:
        words = {number: _count(name, number) for number in numbers}
        return toggles(name, "", words, [_WHO[name]] * len(numbers))

    names = {name: name for name in kernels}
    return [toggles("kernel", "", names, [f"compaction decides as {name} does" for name in kernels]),
            *(counted(name, numbers) for name, numbers in _COUNTS.items()),
            *(toggles(name, "", words, [_TIPS[name]] * len(words)) for name, words in _LOCKS.items()),
            *(switch(name, *described) for name, described in _SWITCHES.items())]


def _row(words: str, *shown: ipywidgets.Widget) -> ipywidgets.HBox:
    head = [ipywidgets.HTML(f"<b>{words}</b>", layout={"width": "60px"})] if words else []
    return ipywidgets.HBox([*head, ipywidgets.HBox(shown).add_class("kit-settings")])


def _count(name: str, number: int) -> str:
    return f"{number or 'no'} {name if number > 1 else name[:-1]}"
