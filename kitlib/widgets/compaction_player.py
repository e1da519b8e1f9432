"""A compaction run on the memory map, event by event: step it, play it, turn the knobs, and it is run again.

The run is a film (plots.film): a position is a replay, so the player's state is its settings and t. Settings
that cannot be run are refused in the strip. Leaves out alloc_contig_range(), which enters no events.
"""
import asyncio
import functools
from html import escape
from typing import NamedTuple

import ipywidgets

from .. import plots, recordings
from ..experiments import KERNELS
from ..kernels import name as name_of
from ..mm.zone import Zone
from ..recordings import Recording
from ..scenarios import memory
from .box import Box, View, growing, title, wrap
from .guard import Guard
from .knobs import GIVEN, MADE_UP, SHARES, USUAL_RUN, KnobColumns, knobs
from .memory_map import MemoryMap, types
from .run_tables import agreement, counter_rows, counter_table, state_table
from .settings import Settings
from .time_row import TimeRow

PLAY_SECONDS = 12               # a film plays for so long at the most
PAUSE = 0.15                    # seconds for which a picture stands
_HIGH, _STRETCH = 430, 1.25     # of the map: it and the buttons are in a window together


class Run(NamedTuple):
    """A run that can be shown: its film, and the memory that it began with."""

    film: plots.Film
    source: Zone | Recording
    types: list[str]                # migratetypes
    agreement: str                  # of a recording: how far the film is the kernel's own run

    @property
    def recording(self) -> Recording | None:
        """The recording, if the run is one's."""
        return self.source if isinstance(self.source, Recording) else None


def _run_of_recording(recording: Recording) -> Run:
    film = plots.film_recording(recording)
    return Run(film, recording, types(recording), agreement(film, recording))


@functools.lru_cache(maxsize=2)
def _recorded(name: str) -> Run:
    return _run_of_recording(recordings.load(name))


class CompactionPlayer(View):
    """A run over time; `box` is displayed, `set()`, `step()`, `back()`, `jump()`, `last()` drive it in code.

    `source`: nothing, for memory made up by knobs; a zone, of which the run takes a copy; a recording or its
    name. Settings: memory, pages, free, unmovable, unevictable, pinned, dirty, seed, caller, kernel,
    compact_unevictable_allowed, t.
    """

    def __init__(self, source: Zone | Recording | str | None = None, *, t: int | None = None, **settings):
        self.given: dict[str, Zone | Recording] = {}
        if isinstance(source, str):
            settings["memory"] = source
        elif source is not None:
            settings["memory"] = self._named(source)
        self.guard = Guard()
        self.t = 0
        self._run: Run | None = None
        self._task: asyncio.Task | None = None
        self.map = MemoryMap(guard=self.guard, height=_HIGH)
        self.map.canvas.stretch = _STRETCH
        self.map.canvas.observe(self._themed, "dark")
        self.chart_image = ipywidgets.Image(format="png", layout={"width": "100%", "margin": "0"})
        self.status, self.chart_text = ipywidgets.HTML(), ipywidgets.HTML()
        self.tables = ipywidgets.HTML(layout={"flex": "0 0 auto", "margin": "0 20px 0 0"})
        self.play_button = self.guard.button("Play", "event after event, until the end", self.play)
        self.time = TimeRow(self, self.play_button)
        memories = [MADE_UP, *recordings.names(), *self.given]
        self.settings = Settings(self.guard, knobs(memories), self._make, self.render,
                                 start=USUAL_RUN | settings, begin=t, position=lambda: self.t)
        self.knobs = KnobColumns(self.settings)
        self.box = Box(self._layout(), describe=self.describe, picture=self.map.picture, max_width="1100px")
        self.render()

    @property
    def film(self) -> plots.Film:
        """The run that is shown, event by event."""
        return self._run.film

    @property
    def recording(self) -> Recording | None:
        """The recording whose run is shown, if it is one."""
        return self._run.recording

    @property
    def state(self) -> dict:
        """What brings this picture back: every setting, and t."""
        return {**self.settings.values, "t": self.t}

    @property
    def frame(self) -> int:
        """How many pictures the map has been sent."""
        return self.map.frame

    def set(self, *, t: int | None = None, **settings) -> None:
        """Change settings as one event: `set(pinned=0.2, t=9)`. What cannot be run changes nothing."""
        self.settings.set(settings, t)

    def undo(self) -> None:
        """Take the last change of settings back, to the run and the moment from before it."""
        self.settings.undo()

    def step(self) -> None:
        """To the next event; nothing at the end."""
        self.jump(min(self.t + 1, self.film.last))

    def back(self) -> None:
        """One event back; nothing at the beginning."""
        self.jump(max(self.t - 1, 0))

    def last(self) -> None:
        """To the end of the run."""
        self.jump(self.film.last)

    def jump(self, t: int) -> None:
        """To the moment after event number `t`."""
        with self.guard.aloud():
            self.stop()
            self._go(t)

    def play(self) -> None:
        """Event after event to the end, or until anything is touched; at once where motion is not wanted."""
        with self.guard.aloud():
            if self._task is not None:
                self.stop()
                return
            if self.t == self.film.last:
                self._go(0)
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                loop = None
            if loop is None or self.map.canvas.reduced_motion:
                self._go(self.film.last)
                return
            self._task = loop.create_task(self._played())
            self.play_button.description = "Pause"

    def stop(self) -> None:
        """End playing; the position stays."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            self.play_button.description = "Play"

    def close(self) -> None:
        """Take the widgets away, from the page and from memory."""
        self.stop()
        self.box.close()

    def describe(self) -> str:
        """Settings, position and counts as text that is the same in every run."""
        film, (function, words) = self.film, plots.sentence(self.film, self.t)
        lines = [f"memory   {self._memory_words()}", f"run      {self._run_words()}",
                 f"step     {self.t} of {film.last}: {function} {words}",
                 f"pages    {plots.describe(self.map.states, film.first_pfn)}"]
        for name, _, now, kernel in counter_rows(film, self.t, self.recording):
            lines.append(f"{name:<24} {now:>7,}" + ("" if kernel is None else f"  (the kernel: {kernel:,})"))
        return "\n".join(lines + self.guard.lines(9))

    def render(self) -> None:
        """Draw everything from the film and t: the map first, the chart last."""
        film, t = self.film, self.t
        frame, (function, words) = film.frames[t], plots.sentence(film, t)
        event = frame.event
        spans = [[event.start_pfn, event.end_pfn]] if hasattr(event, "start_pfn") else []
        marks = [{"pfn": frame.migrate_pfn, "words": "migrate scanner", "shape": "up"},
                 {"pfn": frame.free_pfn, "words": "free scanner", "shape": "down"}]
        self.map.paint(film.states(t), film.looks(t), film.rows, first_pfn=film.first_pfn,
                       types=self._run.types, marks=marks, ranges=spans, look_at=spans[0][0] if spans else -1,
                       title=self._title(), said=f"Step {t}: {function} {words}")
        self.time.show(t, film.last, t < film.last)
        self.knobs.show(self.settings.values["memory"])
        self.status.value = (f"<div class='kit-said'><code>{escape(function)}</code> "
                             f"<span>step {t:,} of {film.last:,}</span><br>{escape(words)}</div>")
        self.tables.value = (f"<div class='kit-run'>{state_table(film.counts[0], film.counts[t])}"
                             f"{counter_table(film, t, self.recording)}{self._run.agreement}</div>")
        self._draw_chart()

    def _make(self, values: dict, t: int | None) -> None:
        """Run it, and stand at `t`; None: at the end if it stood there, else near where it stood."""
        self.stop()
        run = self._run if self._run and values == self.settings.values else self._run_of(values)
        last = run.film.last
        if t is None:
            t = last if self._run and self.t == self.film.last else min(self.t, last)
        self.t = self._checked(run.film, t)
        if run is not self._run:
            self._run, self._chart = run, None

    def _run_of(self, values: dict) -> Run:
        source = self.given.get(values["memory"])
        if source is None and values["memory"] != MADE_UP:
            return _recorded(values["memory"])
        if isinstance(source, Recording):
            return _run_of_recording(source)
        shares = {name: values[name] for name in SHARES}
        zone = source or memory(values["pages"], seed=values["seed"], **shares)
        film = plots.film_zone(zone, values["caller"], KERNELS[values["kernel"]],
                               compact_unevictable_allowed=values["compact_unevictable_allowed"])
        return Run(film, zone, types(zone), "")

    def _go(self, t: int) -> None:
        self.t = self._checked(self.film, t)
        self.render()

    def _checked(self, film: plots.Film, t: int) -> int:
        if not hasattr(t, "__index__") or not 0 <= t <= film.last:
            raise ValueError(f"no step {t!r}: write a number from 0 to {film.last}")
        return int(t)

    async def _played(self) -> None:
        with self.guard:
            stride = max(1, round(self.film.last * PAUSE / PLAY_SECONDS))
            while self.t < self.film.last:
                await asyncio.sleep(PAUSE)
                self._go(min(self.t + stride, self.film.last))
            self._task, self.play_button.description = None, "Play"

    def _themed(self, _: dict) -> None:
        with self.guard.aside():
            self._draw_chart(anew=True)

    def _draw_chart(self, anew: bool = False) -> None:
        dark = self.map.canvas.dark
        if self._chart is None or anew:
            self._chart = plots.FilmChart(self.film, dark)
            self.chart_text.value = f"<div class='kit-dim'>{escape(self._chart.text)}</div>"
        self.chart_image.value = self._chart.png(self.t)

    def _named(self, source: Zone | Recording) -> str:
        if not isinstance(source, Zone | Recording):
            raise TypeError(f"no memory but {source!r}: write CompactionPlayer(zone), "
                            "CompactionPlayer(recordings.load(name)) or CompactionPlayer(pinned=0.2)")
        name = source.name if isinstance(source, Recording) else GIVEN
        self.given[name] = source
        return name

    def _memory_words(self) -> str:
        if recording := self.recording:
            pages = len(self.map.states)
            return f"recording {recording.name}, Linux {recording.kernel_version}, {pages:,} pages"
        values = self.settings.values
        if values["memory"] != MADE_UP:
            return f"{self._run.source!r}"
        shares = ", ".join(f"{name} {values[name]:g}" for name in SHARES)
        return f"{values['pages']:,} pages, {shares}, seed {values['seed']}"

    def _run_words(self) -> str:
        if recording := self.recording:
            return f"vm.compact_memory, as kernel {name_of(recording.kernel)} decides, in {recording.mode}"
        values = self.settings.values
        allowed = "" if values["compact_unevictable_allowed"] else ", compact_unevictable_allowed = 0"
        return f"{values['caller']}, kernel {values['kernel']}{allowed}"

    def _title(self) -> str:
        if self.recording:
            return f"Linux {self.recording.kernel_version}, recorded"
        return f"Compaction by {self.settings.values['caller']}"

    def _layout(self) -> list[ipywidgets.Widget]:
        head = title("A compaction run, event by event", "Two scanners walk towards each other: one isolates "
                     "what may move, the other finds free pages to move it to.")
        chart = ipywidgets.VBox([self.chart_image, self.chart_text],
                                layout={**growing("360px"), "max_width": "640px"})
        return [head, self.knobs.box, self.guard.strip, self.time.box, self.status, self.map.box,
                wrap(self.tables, chart)]
