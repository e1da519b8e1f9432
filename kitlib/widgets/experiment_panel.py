"""Turn the knobs of an experiment: what to vary, for which kernels and callers; the curve, the frame and the code.

Does a run at a time and lets the kernel breathe between two, so that Stop is heard; what is done is kept. Leaves out
executors: in a notebook a sweep with one is a line of code, and "as code" is where to start.
"""
import asyncio
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from itertools import product

import ipywidgets
import pandas as pd

from .. import plots
from ..experiments import memory, sweep
from .box import Box, html_table, picture_html, said, title
from .experiment_settings import (CALLERS, KERNEL_NAMES, NUMBERS, PAGES, RESULTS, SWEEP_DEFAULTS, SWEPT,
                                  check_together, checked, over, values)
from .guard import Guard

_SHOWN = ("kernel", "caller", "seed", "isolated", "migrated", "targets", "status")
_TITLE = title("An experiment", "How much of memory can compaction take, and what does it cost?")
BREATH = 0.001                      # seconds between two runs: a click on Stop comes in


class ExperimentPanel:
    """Controls for a sweep; `box` is displayed, `set()` and `run()` drive it in code, `frame` has what was run."""

    def __init__(self, **settings):
        self.guard = Guard()
        self.frame = pd.DataFrame()
        self.done = self.total = 0
        self.history: list[tuple] = []                  # one event each: the (setting, value) pairs that it changed
        self._event: list[tuple] | None = None          # the event under way
        self._ran: dict = {}                            # the settings with which the frame was made
        self._drawn = ""                                # the result that the chart shows of it
        self._stop = False
        self._task: asyncio.Task | None = None
        self._start = SWEEP_DEFAULTS | checked(settings)
        check_together(self._start)
        self._make_controls()
        self.bar = ipywidgets.IntProgress(min=0, max=1, description="runs", style={"bar_color": "#6B7580", "description_width": "initial"}, layout={"width": "360px"})
        self.said, self.rows = ipywidgets.HTML(), ipywidgets.HTML()
        self.chart, self.told = (ipywidgets.HTML(layout={"flex": flex, "min_width": "0"}) for flex in ("3 1 520px", "2 1 300px"))
        self.code = ipywidgets.Textarea(rows=8, layout={"width": "auto"}, style={"description_width": "initial"}, description="as code",
                                        tooltip="the call that gives the same frame: click into it, Ctrl+A, Ctrl+C")
        self.code.observe(self.guard(lambda _: self._show_code()), "value")
        self.box = Box(self._layout(), describe=self.describe, picture=self._picture, layout={"max_width": "1200px"})
        with self.guard:
            self.render()

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return self.box._repr_mimebundle_(**kwargs)

    @property
    def state(self) -> dict:
        """Every setting by name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def values(self) -> list[float]:
        """The values of what is varied."""
        return values(self.state)

    def set(self, **settings) -> None:
        """Change settings as one event: `set(vary="pinned", high=0.3, kernels=("after",))`."""
        with self.guard.aloud(), self._one_event():
            for name, value in checked(settings).items():
                self.controls[name].value = value

    def undo(self) -> None:
        """One event back: all the others are played again from the start. What was run stays."""
        with self.guard.aloud():
            self.history = self.history[:-1]
            self._replay()
            self.render()

    def run(self) -> pd.DataFrame:
        """Run the whole sweep now, and give its frame."""
        with self.guard.aloud():
            for _ in self._runs():
                pass
        return self.frame

    def stop(self) -> None:
        """End after the run under way; what is done is kept."""
        self._stop = True

    def as_code(self) -> str:
        """The call of `sweep` that gives the same frame."""
        state = self.state
        lines = ",\n       ".join(f"{name!r}: {value!r}" for name, value in over(state).items())
        return f"sweep(memory,\n      {{{lines}}},\n      seeds=range({state['seeds']}))"

    def describe(self) -> str:
        """Settings and result as text that is the same in every run."""
        state = self.state
        lines = [f"vary     {state['vary']} from {state['low']} to {state['high']} in {state['steps']} steps, "
                 f"{state['pages']:,} pages, {state['seeds']} seeds",
                 f"kernels  {', '.join(state['kernels'])}", f"callers  {', '.join(state['callers'])}",
                 f"runs     {self.done} of {self.total}{', with other settings' * self._is_stale}" if self.total else "runs     none yet"]
        if len(self.frame):
            medians = self.frame.groupby(["kernel", "caller", self._ran["vary"]])[state["show"]].median().groupby(["kernel", "caller"])
            lines += [f"{state['show']}, {kernel}, {caller}: {values.iloc[0]:.3g} to {values.iloc[-1]:.3g}"
                      for (kernel, caller), values in medians]
        return "\n".join(lines + [f"error    {self.guard.message}"] * bool(self.guard.message))

    def render(self) -> None:
        """Draw the progress, the code, and what is new of the curve and the last rows."""
        self._show_progress()
        self._show_code()
        self.undo_button.disabled = not self.history
        result = self.state["show"]
        if len(self.frame) and self._drawn != result:
            chart, last = self._curve(), self.frame[[self._ran["vary"], *_SHOWN]].tail(3)
            self.chart.value = picture_html(chart.picture())
            self.told.value = f"<div class='kit-words'>{escape(chart.text)}</div>"
            rows = ([escape(str(cell)) for cell in row] for row in last.itertuples(index=False))
            self.rows.value = f"<b>The last {len(last)} of {len(self.frame)} rows</b><div class='kit-wide'>{html_table(last.columns, rows)}</div>"
            self._drawn = result

    @property
    def _is_stale(self) -> bool:
        """Whether settings were changed since the frame was made; what is shown of it is none of its own."""
        return any(value != self._ran[name] for name, value in self.state.items() if name != "show") if self._ran else False

    def _show_progress(self) -> None:
        self.bar.max, self.bar.value = max(1, self.total), self.done
        running, stale = self._task is not None, " The settings have changed since: press Run." * self._is_stale
        ends = f"{self.done} of {self.total} runs done{', and no more' * (self.done < self.total)}."
        self.said.value = said(f"{self.total} runs are under way." if running else ends + stale if self.total else "Nothing was run yet.")
        self.run_button.disabled, self.stop_button.disabled = running, not running

    def _show_code(self) -> None:
        self.code.value = self.as_code()                # what is typed there does nothing

    def _curve(self) -> plots.Chart:
        by = [name for name in ("kernel", "caller") if self.frame[name].nunique() > 1] or ["kernel"]
        return plots.curve(self.frame, self._ran["vary"], self.state["show"], by=by)

    def _picture(self) -> plots.Picture | None:
        return self._curve().picture() if len(self.frame) else None

    def _heard(self, name: str, change: dict) -> None:
        with self._one_event():
            self._event.append((name, change["new"]))

    @contextmanager
    def _one_event(self) -> Iterator[None]:
        """What happens inside is one event: one entry of the history, one picture, all or nothing."""
        if self._event is not None:
            yield
            return
        self._event = []
        try:
            yield
            check_together(self.state)
            self.history += [tuple(self._event)] if self._event else []
        except Exception:
            self._replay()
            raise
        finally:
            self._event = None
        self.render()

    def _replay(self) -> None:
        was, self._event = self._event, []              # the controls follow, and nothing of it is news
        try:
            for name, value in (self._start | dict(change for event in self.history for change in event)).items():
                self.controls[name].value = value
        finally:
            self._event = was

    def _runs(self) -> Iterator[bool]:
        """The runs of the sweep, one after the other and in its order; yields after each whether there is more of the curve to draw."""
        state, frames, self._stop, self.done = self.state, [], False, 0
        names, combinations = over(state), list(product(*over(state).values(), range(state["seeds"])))
        self.total = len(combinations)
        try:
            for *one, seed in combinations:
                if is_further := bool(frames) and one[0] != frames[-1].iloc[0, 0]:
                    self._keep(frames, state)
                frames.append(sweep(memory, {name: [value] for name, value in zip(names, one)}, [seed], progress=lambda done, total: None))
                self.done = len(frames)
                self._show_progress()
                yield is_further
                if self._stop or self.box.comm is None:
                    break
        finally:
            if frames:
                self._keep(frames, state)
            self.render()

    def _keep(self, frames: list[pd.DataFrame], state: dict) -> None:
        self.frame, self._ran, self._drawn = pd.concat(frames, ignore_index=True), state, ""

    async def _in_the_background(self) -> None:
        with self.guard:
            try:
                for is_further in self._runs():
                    if is_further:
                        self.render()
                    await asyncio.sleep(BREATH)
            finally:
                self._task = None
                self._show_progress()

    def _run_clicked(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.run()
            return
        if self._task is None:
            self._task = loop.create_task(self._in_the_background())
            self._show_progress()

    def _make_controls(self) -> None:
        wide = {"layout": {"width": "auto"}, "style": {"description_width": "initial"}}
        share = dict(zip(("min", "max"), NUMBERS["low"])) | dict(step=0.05, readout_format=".2f", continuous_update=False, **wide)

        def count(name: str) -> ipywidgets.BoundedIntText:
            return ipywidgets.BoundedIntText(min=NUMBERS[name][0], max=NUMBERS[name][1], description=name, **wide)

        make = {
            "vary": lambda: ipywidgets.Dropdown(options=[(words, name) for name, words in SWEPT.items()], description="share of", **wide),
            "low": lambda: ipywidgets.FloatSlider(description="from", **share),
            "high": lambda: ipywidgets.FloatSlider(description="to", **share),
            "steps": lambda: count("steps"),
            "pages": lambda: ipywidgets.Dropdown(options=PAGES, description="pages in the zone", **wide),
            "kernels": lambda: ipywidgets.SelectMultiple(options=KERNEL_NAMES, rows=3, description="kernels", **wide),
            "callers": lambda: ipywidgets.SelectMultiple(options=list(CALLERS), rows=6, description="callers", **wide),
            "seeds": lambda: count("seeds"),
            "show": lambda: ipywidgets.Dropdown(options=[(words, name) for name, words in RESULTS.items()], description="show", **wide),
            "grouped": lambda: ipywidgets.Checkbox(description="group the unmovable folios", indent=False, layout={"width": "auto"}),
            "sysctl": lambda: ipywidgets.Checkbox(description="vm.compact_unevictable_allowed", indent=False, layout={"width": "auto"})}
        self.controls = {name: make[name]() for name in SWEEP_DEFAULTS}
        for name, control in self.controls.items():
            control.value = self._start[name]
            control.observe(self.guard(functools.partial(self._heard, name)), "value")
        self.run_button = self.guard.button("Run", "run the sweep", self._run_clicked)
        self.run_button.button_style = "primary"
        self.stop_button = self.guard.button("Stop", "end after this run; what is done is kept", self.stop)
        self.undo_button = self.guard.button("Undo", "the last change of a setting back", self.undo)

    def _layout(self) -> list[ipywidgets.Widget]:
        def column(*names: str) -> ipywidgets.VBox:
            return ipywidgets.VBox([self.controls[name] for name in names], layout={"flex": "1 1 300px", "max_width": "380px"})

        wrap = {"flex_flow": "row wrap", "grid_gap": "4px 20px"}
        controls = [column("vary", "low", "high", "steps"), column("kernels", "callers"),
                    column("pages", "seeds", "show", "grouped", "sysctl")]
        buttons = ipywidgets.HBox([self.run_button, self.stop_button, self.undo_button])
        return [ipywidgets.HTML(_TITLE), ipywidgets.HBox(controls, layout=wrap),
                ipywidgets.HBox([buttons, self.bar], layout=wrap), self.guard.strip, self.said,
                ipywidgets.HBox([self.chart, self.told], layout=wrap), self.rows, self.code]
