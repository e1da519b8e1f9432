"""Turn the knobs of an experiment: what to vary, for which kernels and callers; the curve, the frame and the code.

Runs a piece of the sweep at a time and lets the kernel breathe between two, so that Stop is heard; what is done is kept.
Leaves out executors: in a notebook a sweep with one is a line of code, and "as code" is where to start.
"""
import asyncio
from html import escape

import ipywidgets
import pandas as pd

from .. import plots
from ..compaction import CALLERS
from ..experiments import memory, sweep
from .box import STYLE, Box
from .guard import Guard

SHARES = {"unmovable": "share of unmovable folios (guest_memfd)", "unevictable": "share of mlocked folios",
          "pinned": "share of pinned folios", "dirty": "share of dirty file folios"}
RESULTS = {"isolation_success": "pages isolated / LRU pages scanned", "migration_success": "migrated / isolated",
           "targets": "target pages asked for", "isolated": "pages isolated"}
SHOWN = ("kernel", "caller", "seed", "isolated", "migrated", "targets", "status")
KERNELS = ("before", "racy", "after")
DEFAULTS = {"vary": "unmovable", "low": 0.0, "high": 0.5, "steps": 6, "pages": 4096, "kernels": ("before", "after"),
            "callers": ("compact_memory",), "seeds": 5, "show": "isolation_success", "grouped": False, "sysctl": True}


class ExperimentPanel:
    """Controls for a sweep; `box` is displayed, `set()` and `run()` drive it in code, `frame` has what was run."""

    def __init__(self, **settings):
        self.guard = Guard()
        self.frame = pd.DataFrame()
        self.done = self.total = 0
        self._stop = False
        self._task: asyncio.Task | None = None
        self._make_controls()
        self.bar = ipywidgets.IntProgress(min=0, max=1, description="runs", layout={"width": "360px"})
        self.code, self.said = ipywidgets.HTML(), ipywidgets.HTML()
        self.chart = ipywidgets.Image(format="png", layout={"max_width": "760px", "display": "none"})
        self.table = ipywidgets.HTML()
        self.box = Box(self._layout(), describe=self.describe, layout={"max_width": "960px"})
        self.set(**settings)

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return self.box._repr_mimebundle_(**kwargs)

    @property
    def state(self) -> dict:
        """Every setting by name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def values(self) -> list[float]:
        """The values of what is varied."""
        state = self.state
        step = (state["high"] - state["low"]) / (state["steps"] - 1)
        return [round(state["low"] + number * step, 4) for number in range(state["steps"])]

    def set(self, **settings) -> None:
        """Change settings: `set(vary="pinned", high=0.3, kernels=("after",))`."""
        with self.guard.aloud():
            for name, value in settings.items():
                if name not in self.controls:
                    raise TypeError(f"no setting is called {name!r}: write one of {', '.join(self.controls)}")
                self.controls[name].value = value
            self.render()

    def run(self) -> pd.DataFrame:
        """Run the whole sweep now, and give its frame."""
        with self.guard.aloud():
            for _ in self._pieces():
                pass
        return self.frame

    def stop(self) -> None:
        """End after the piece under way; what is done is kept."""
        self._stop = True

    def as_code(self) -> str:
        """The call of `sweep` that gives the same frame."""
        over, seeds = self._over(self.values)
        lines = ",\n           ".join(f"{name!r}: {value!r}" for name, value in over.items())
        return f"sweep(memory,\n      {{{lines}}},\n      seeds=range({len(seeds)}))"

    def describe(self) -> str:
        """Settings and result as text that is the same in every run."""
        state = self.state
        lines = [f"vary     {state['vary']} from {state['low']} to {state['high']} in {state['steps']} steps, "
                 f"{state['pages']:,} pages, {state['seeds']} seeds",
                 f"kernels  {', '.join(state['kernels'])}", f"callers  {', '.join(state['callers'])}",
                 f"runs     {self.done} of {self.total}" if self.total else "runs     none yet"]
        if len(self.frame):
            medians = self.frame.groupby(["kernel", "caller", state["vary"]])[state["show"]].median().groupby(["kernel", "caller"])
            lines += [f"{state['show']}, {kernel}, {caller}: {values.iloc[0]:.3g} to {values.iloc[-1]:.3g}"
                      for (kernel, caller), values in medians]
        return "\n".join(lines + [f"error    {self.guard.message}"] * bool(self.guard.message))

    def render(self) -> None:
        """Draw the progress, the code, the curve and the first rows from the frame."""
        self.bar.max, self.bar.value = max(1, self.total), self.done
        self.code.value = f"<b>As code</b> (select and copy)<pre style='margin:2px 0 8px'>{escape(self.as_code())}</pre>"
        self.said.value = f"{self.done} of {self.total} runs done." if self.total else "Nothing was run yet."
        self.stop_button.disabled = self._task is None
        state, ready = self.state, len(self.frame) and self.state["vary"] in self.frame
        self.chart.layout.display = None if ready else "none"
        if ready:
            by = [name for name in ("kernel", "caller") if self.frame[name].nunique() > 1] or ["kernel"]
            chart = plots.curve(self.frame, state["vary"], state["show"], by=by)
            self.chart.value = chart.picture().png
            told = f"<div style='white-space:pre-line; line-height:1.5'>{escape(repr(chart))}</div>"
            self.table.value = told + self.frame[[state["vary"], *SHOWN]].tail(3).to_html(border=0)

    def _over(self, values: list[float]) -> tuple[dict, range]:
        state = self.state
        if not state["kernels"] or not state["callers"]:
            raise ValueError("choose at least one kernel and one caller")
        if state["low"] > state["high"]:
            raise ValueError(f"the range runs from {state['low']} to {state['high']}: the first must be the smaller")
        over = {state["vary"]: values, "pages": [state["pages"]], "grouped": [state["grouped"]], "kernel": list(state["kernels"]),
                "caller": list(state["callers"]), "compact_unevictable_allowed": [state["sysctl"]]}
        return over, range(state["seeds"])

    def _pieces(self):
        """Run the sweep a value at a time; yields after each."""
        self._stop, values = False, self.values
        over, seeds = self._over(values)
        self.done, self.total, frames = 0, len(values) * len(seeds) * len(over["kernel"]) * len(over["caller"]), []
        for value in values:
            frames.append(sweep(memory, over | {self.state["vary"]: [value]}, seeds, progress=lambda done, total: None))
            self.frame = pd.concat(frames, ignore_index=True)
            self.done = len(self.frame)
            self.render()
            yield
            if self._stop:
                break

    async def _in_the_background(self) -> None:
        with self.guard:
            try:
                for _ in self._pieces():
                    await asyncio.sleep(0.01)
            finally:
                self._task = None
                self.render()

    def _start(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.run()
            return
        if self._task is None:
            self._task = loop.create_task(self._in_the_background())
            self.render()

    def _make_controls(self) -> None:
        wide = {"layout": {"width": "auto"}, "style": {"description_width": "initial"}}
        share = dict(min=0.0, max=0.6, step=0.05, readout_format=".2f", continuous_update=False, **wide)
        make = {
            "vary": lambda: ipywidgets.Dropdown(options=[(words, name) for name, words in SHARES.items()], description="vary", **wide),
            "low": lambda: ipywidgets.FloatSlider(description="from", **share),
            "high": lambda: ipywidgets.FloatSlider(description="to", **share),
            "steps": lambda: ipywidgets.BoundedIntText(min=2, max=41, description="steps", **wide),
            "pages": lambda: ipywidgets.Dropdown(options=[1024, 4096, 16384], description="pages in the zone", **wide),
            "kernels": lambda: ipywidgets.SelectMultiple(options=KERNELS, rows=3, description="kernels", **wide),
            "callers": lambda: ipywidgets.SelectMultiple(options=list(CALLERS), rows=6, description="callers", **wide),
            "seeds": lambda: ipywidgets.BoundedIntText(min=1, max=100, description="seeds", **wide),
            "show": lambda: ipywidgets.Dropdown(options=[(words, name) for name, words in RESULTS.items()], description="show", **wide),
            "grouped": lambda: ipywidgets.Checkbox(description="group the unmovable folios", indent=False),
            "sysctl": lambda: ipywidgets.Checkbox(description="vm.compact_unevictable_allowed", indent=False)}
        self.controls = {name: make[name]() for name in DEFAULTS}
        for name, control in self.controls.items():
            control.value = DEFAULTS[name]
            control.observe(self.guard(lambda _: self.render()), "value")
        self.run_button = self.guard.button("Run", "run the sweep", self._start)
        self.stop_button = self.guard.button("Stop", "end after this value; what is done is kept", self.stop)

    def _layout(self) -> list[ipywidgets.Widget]:
        def column(*names: str) -> ipywidgets.VBox:
            return ipywidgets.VBox([self.controls[name] for name in names], layout={"width": "300px", "margin": "0 12px 0 0"})

        controls = [column("vary", "low", "high", "steps"), column("kernels", "callers"),
                    column("pages", "seeds", "show", "grouped", "sysctl")]
        return [ipywidgets.HTML(f"{STYLE}<h3 style='margin:0'>An experiment</h3>How much of memory can compaction take, and what "
                                "does it cost?"), ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"}),
                ipywidgets.HBox([self.run_button, self.stop_button, self.bar]), self.guard.strip, self.said, self.chart,
                self.table, self.code]
