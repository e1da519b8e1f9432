"""An experiment by its knobs: what to vary, for which kernels and callers; the curve, the frame and the code.

Does a run at a time and lets the kernel breathe between two, so that Stop is heard; what is done is kept.
Leaves out executors: in a notebook a sweep with one is a line of code, and "as code" is where to start.
"""
import asyncio
from collections.abc import Iterator
from html import escape
from itertools import product

import ipywidgets
import pandas as pd

from .. import plots
from ..experiments import memory, sweep
from .box import Box, View, growing, html_table, picture_html, status_html, title, wrap
from .experiment_settings import USUAL_SWEEP, check_together, experiment_settings, over, varied
from .guard import Guard
from .settings import Settings

_SHOWN = ("kernel", "caller", "seed", "isolated", "migrated", "targets", "status")
_BREATH = 0.001                     # seconds between two runs: a click on Stop comes in
_GAP = "4px 20px"


class ExperimentPanel(View):
    """A sweep: `box` is displayed, `set()` and `run()` drive it in code, `frame` is the rows."""

    def __init__(self, **settings):
        self.guard = Guard()
        self.frame = pd.DataFrame()
        self.done = self.total = 0
        self._ran: dict = {}                            # the settings with which the frame was made
        self._drawn = ""                                # the result that the chart shows of it
        self._stop = False
        self._task: asyncio.Task | None = None
        self.settings = Settings(self.guard, experiment_settings(), self._make, self.render,
                                 start=USUAL_SWEEP | settings)
        self._make_parts()
        self.box = Box(self._layout(), describe=self.describe, picture=self._picture, max_width="1200px")
        with self.guard:
            self.render()

    @property
    def state(self) -> dict:
        """Every setting by name."""
        return dict(self.settings.values)

    @property
    def values(self) -> list[float]:
        """The values of what is varied."""
        return varied(self.settings.values)

    def set(self, **settings) -> None:
        """Change settings as one event: `set(vary="pinned", high=0.3, kernels=("after",))`."""
        self.settings.set(settings)

    def undo(self) -> None:
        """Take the last change of settings back. What was run stays."""
        self.settings.undo()

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
        values = self.settings.values
        lines = ",\n       ".join(f"{name!r}: {value!r}" for name, value in over(values).items())
        return f"sweep(memory,\n      {{{lines}}},\n      seeds=range({values['seeds']}))"

    def describe(self) -> str:
        """Settings and result as text that is the same in every run."""
        state, runs = self.settings.values, "none yet"
        if self.total:
            runs = f"{self.done} of {self.total}{', with other settings' if self._is_stale else ''}"
        lines = [f"vary     {state['vary']} from {state['low']} to {state['high']} in {state['steps']} "
                 f"steps, {state['pages']:,} pages, {state['seeds']} seeds",
                 f"kernels  {', '.join(state['kernels'])}", f"callers  {', '.join(state['callers'])}",
                 f"runs     {runs}"]
        if len(self.frame):
            medians = self.frame.groupby(["kernel", "caller", self._ran["vary"]])[state["show"]].median()
            lines += [f"{state['show']}, {kernel}, {caller}: {curve.iloc[0]:.3g} to {curve.iloc[-1]:.3g}"
                      for (kernel, caller), curve in medians.groupby(["kernel", "caller"])]
        return "\n".join(lines + self.guard.lines(9))

    def render(self) -> None:
        """Draw the progress, the code, and what is new of the curve and the last rows."""
        self._show_progress()
        self._show_code()
        result = self.settings.values["show"]
        if len(self.frame) and self._drawn != result:
            chart, last = self._curve(), self.frame[[self._ran["vary"], *_SHOWN]].tail(3)
            self.chart.value = picture_html(chart.picture())
            self.words.value = f"<div class='kit-words'>{escape(chart.text)}</div>"
            rows = ([escape(str(cell)) for cell in row] for row in last.itertuples(index=False))
            self.rows.value = (f"<b>The last {len(last)} of {len(self.frame)} rows</b>"
                               f"<div class='kit-wide'>{html_table(last.columns, rows)}</div>")
            self._drawn = result

    @property
    def _is_stale(self) -> bool:
        """Whether settings were changed since the frame was made; what is shown of it is none of its own."""
        values = self.settings.values
        return any(values[name] != was for name, was in self._ran.items() if name != "show")

    def _show_progress(self) -> None:
        self.bar.max, self.bar.value = max(1, self.total), self.done
        running, words = self._task is not None, "Nothing was run yet."
        if running:
            words = f"{self.total} runs are under way."
        elif self.total:
            stopped = ", and no more" if self.done < self.total else ""
            words = f"{self.done} of {self.total} runs done{stopped}."
            if self._is_stale:
                words += " The settings have changed since: press Run."
        self.status.value = status_html(words)
        self.run_button.disabled, self.stop_button.disabled = running, not running

    def _show_code(self) -> None:
        self.code.value = self.as_code()                # what is typed there does nothing

    def _curve(self) -> plots.Chart:
        by = [name for name in ("kernel", "caller") if self.frame[name].nunique() > 1] or ["kernel"]
        return plots.curve(self.frame, self._ran["vary"], self.state["show"], by=by)

    def _picture(self) -> plots.Picture | None:
        return self._curve().picture() if len(self.frame) else None

    def _make(self, values: dict, position: None) -> None:
        """A sweep is made when it is run; here is seen that it can be."""
        check_together(values)

    def _runs(self) -> Iterator[bool]:
        """The runs of the sweep, in its order; gives after each whether the curve has grown."""
        state, frames, self._stop, self.done = self.state, [], False, 0
        names, combinations = over(state), list(product(*over(state).values(), range(state["seeds"])))
        self.total = len(combinations)
        try:
            for *one, seed in combinations:
                if is_further := bool(frames) and one[0] != frames[-1].iloc[0, 0]:
                    self._keep(frames, state)
                run = {name: [value] for name, value in zip(names, one, strict=True)}
                frames.append(sweep(memory, run, [seed], progress=lambda done, total: None))
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
                    await asyncio.sleep(_BREATH)
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

    def _make_parts(self) -> None:
        button = self.guard.button
        self.run_button = button("Run", "run the sweep", self._run_clicked)
        self.run_button.button_style = "primary"
        self.stop_button = button("Stop", "end after this run; what is done is kept", self.stop)
        self.bar = ipywidgets.IntProgress(min=0, max=1, description="runs", layout={"width": "360px"},
                                          style={"bar_color": "#6B7580", "description_width": "initial"})
        self.status, self.rows = ipywidgets.HTML(), ipywidgets.HTML()
        self.chart = ipywidgets.HTML(layout=growing("520px", by=3))
        self.words = ipywidgets.HTML(layout=growing("300px", by=2))
        tip = "the call that gives the same frame: click into it, Ctrl+A, Ctrl+C"
        self.code = ipywidgets.Textarea(description="as code", tooltip=tip, rows=8, layout={"width": "auto"},
                                        style={"description_width": "initial"})
        self.code.observe(self.guard(lambda _: self._show_code()), "value")

    def _layout(self) -> list[ipywidgets.Widget]:
        def column(*names: str) -> ipywidgets.VBox:
            return ipywidgets.VBox([self.settings.controls[name] for name in names],
                                   layout={"flex": "1 1 300px", "max_width": "380px"})

        controls = wrap(column("vary", "low", "high", "steps"), column("kernels", "callers"),
                        column("pages", "seeds", "show", "grouped", "sysctl"), gap=_GAP)
        buttons = ipywidgets.HBox([self.run_button, self.stop_button, self.settings.undo_button])
        return [title("An experiment", "How much of memory can compaction take, and what does it cost?"),
                controls, wrap(buttons, self.bar, gap=_GAP), self.guard.strip, self.status,
                wrap(self.chart, self.words, gap=_GAP), self.rows, self.code]
