"""A compaction run on the memory map, event by event: step it, play it, turn the knobs and it is run again at once.

The run is a film (plots.film): a position is a replay, so the player's state is its settings and t. Settings that cannot
be run are told in the strip and taken back. Leaves out alloc_contig_range(), which enters no events.
"""
import asyncio
import functools
from html import escape

import ipywidgets

from .. import plots, recordings
from ..experiments import KERNELS
from ..kernels import name as name_of
from ..mm.zone import Zone
from ..recordings.runs import Recording
from ..scenarios import memory
from .box import BOX_STYLE, Box
from .guard import Guard
from .knobs import DEFAULTS, GIVEN, MADE_UP, SHARES, Knobs
from .memory_map import MemoryMap, types
from .run_tables import TABLE_STYLE, agreement, counter_rows, counter_table, state_table

PLAY_SECONDS, PAUSE = 12, 0.15                  # a film plays for so long at the most, a picture stands for so long


@functools.lru_cache(maxsize=2)
def _loaded(name: str) -> tuple[Recording, plots.Film]:
    recording = recordings.load(name)
    return recording, plots.film_recording(recording)


class CompactionPlayer:
    """A run over time; `box` is displayed, `set()`, `step()`, `back()`, `jump()`, `last()` drive it in code.

    `source`: nothing, for memory made up by knobs; a zone, of which the run takes a copy; a recording or its name. Settings:
    memory, pages, free, unmovable, unevictable, pinned, dirty, seed, caller, kernel, compact_unevictable_allowed, t.
    """

    def __init__(self, source: Zone | Recording | str | None = None, **settings):
        self.given: dict[str, Zone | Recording] = {}
        if isinstance(source, str):
            settings["memory"] = source
        elif source is not None:
            settings["memory"] = self._named(source)
        self.guard = Guard()
        self.settings, self.t = dict(DEFAULTS), 0
        self._task: asyncio.Task | None = None
        self.knobs = Knobs(self.guard, [MADE_UP, *recordings.names(), *self.given], self._turned)
        self.map = MemoryMap(guard=self.guard)
        self.map.canvas.observe(self._themed, "dark")
        self.chart_image = ipywidgets.Image(format="png", layout={"width": "100%", "margin": "0"})
        self.said, self.chart_text = ipywidgets.HTML(), ipywidgets.HTML()
        self.tables = ipywidgets.HTML(layout={"flex": "0 0 auto", "margin": "0 20px 0 0"})
        self._make_buttons()
        self.box = Box(self._layout(), describe=self.describe, picture=self.map.picture, layout={"max_width": "1100px"})
        self.film: plots.Film | None = None
        self.set(**settings)

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return self.box._repr_mimebundle_(**kwargs)

    @property
    def state(self) -> dict:
        """What brings this picture back: every setting, and t."""
        return {**self.settings, "t": self.t}

    @property
    def frame(self) -> int:
        """How many pictures the map has been sent."""
        return self.map.frame

    def set(self, **settings) -> None:
        """Change settings as one event: `set(pinned=0.2, kernel="before", t=9)`. What cannot be run changes nothing."""
        with self.guard.aloud():
            self._change(settings)

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
        """Event after event until the end, or until anything is touched. At once to the end where motion is not wanted."""
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
        film, (function, did) = self.film, plots.sentence(self.film, self.t)
        lines = [f"memory   {self._whose()}", f"run      {self._run()}", f"step     {self.t} of {film.last}: {function} {did}",
                 f"pages    {plots.describe(self.map.states, film.first_pfn)}"]
        lines += [f"{name:<24} {now:>7,}{beside}" for name, now, beside in self._counted()]
        return "\n".join(lines + [f"error    {self.guard.message}"] * bool(self.guard.message))

    def render(self) -> None:
        """Draw everything from the film and t: the map first, the chart last."""
        film, t = self.film, self.t
        frame, (function, did) = film.frames[t], plots.sentence(film, t)
        event = frame.event
        spans = [[event.start_pfn, event.end_pfn]] if hasattr(event, "start_pfn") else []
        marks = [{"pfn": frame.migrate_pfn, "words": "migrate scanner", "shape": "up"},
                 {"pfn": frame.free_pfn, "words": "free scanner", "shape": "down"}]
        self.map.paint(film.states(t), film.looks(t), film.rows, first_pfn=film.first_pfn, types=self._types, marks=marks,
                       ranges=spans, look_at=spans[0][0] if spans else -1, title=self._title(), said=f"Step {t}: {function} {did}")
        self.slider.max, self.slider.value = film.last, t
        self.first_button.disabled = self.back_button.disabled = t == 0
        self.last_button.disabled = self.step_button.disabled = t == film.last
        self.said.value = (f"<div class='kit-said'><code>{escape(function)}</code> <span>step {t:,} of {film.last:,}</span><br>"
                           f"{escape(did)}</div>")
        self.tables.value = (f"<div class='kit-run'>{state_table(film.counts[0], film.counts[t])}"
                             f"{counter_table(film, t, self.recording)}"
                             f"{self._agreement}</div>")
        self._draw_chart()

    @property
    def recording(self) -> Recording | None:
        """The recording whose run is shown, if it is one."""
        return self._recording

    def _change(self, settings: dict) -> None:
        """All of it or nothing: the run first, then what is shown of it."""
        self.stop()
        new = dict(settings)
        t = new.pop("t", None)
        merged = self.knobs.checked(self.settings | new)
        if self.film is None or merged != self.settings:
            try:
                film, recording = self._filmed(merged)
                if t is None:
                    t = film.last if self.film and self.t == self.film.last else min(self.t, film.last)
                self._check(film, t)
            finally:
                self.knobs.follow(self.settings)
            self.film, self._recording, self.settings = film, recording, merged
            self._types = types(recording or self._zone)
            self._agreement = agreement(film, recording) if recording else ""
            self._chart = None
        self._go(self.t if t is None else t)
        self.knobs.follow(self.settings)

    def _turned(self, name: str, value: object) -> None:
        if self.settings[name] != value:            # otherwise the knob has only followed
            self._change({name: value})

    def _filmed(self, new: dict) -> tuple[plots.Film, Recording | None]:
        source = self.given.get(new["memory"], new["memory"])
        if isinstance(source, Recording):
            return plots.film_recording(source), source
        if source != MADE_UP and isinstance(source, str):
            recording, film = _loaded(source)
            return film, recording
        zone = source if isinstance(source, Zone) else memory(new["pages"], seed=new["seed"], **{name: new[name] for name in SHARES})
        film = plots.film_zone(zone, new["caller"], KERNELS[new["kernel"]],
                               compact_unevictable_allowed=new["compact_unevictable_allowed"])
        self._zone = zone
        return film, None

    def _go(self, t: int) -> None:
        self._check(self.film, t)
        self.t = int(t)
        self.render()

    def _check(self, film: plots.Film, t: int) -> None:
        if not hasattr(t, "__index__") or not 0 <= t <= film.last:
            raise ValueError(f"no step {t!r}: write a number from 0 to {film.last}")

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
            raise TypeError(f"no memory but {source!r}: write CompactionPlayer(zone), CompactionPlayer(recordings.load(name)) "
                            "or CompactionPlayer(pinned=0.2)")
        name = source.name if isinstance(source, Recording) else GIVEN
        self.given[name] = source
        return name

    def _whose(self) -> str:
        if self.recording:
            return f"recording {self.recording.name}, Linux {self.recording.kernel_version}, {len(self.map.states):,} pages"
        if self.settings["memory"] != MADE_UP:
            return f"{self._zone!r}"
        shares = ", ".join(f"{name} {self.settings[name]:g}" for name in SHARES)
        return f"{self.settings['pages']:,} pages, {shares}, seed {self.settings['seed']}"

    def _run(self) -> str:
        if self.recording:
            return f"vm.compact_memory, as kernel {name_of(self.recording.kernel)} decides, in {self.recording.mode}"
        allowed = "" if self.settings["compact_unevictable_allowed"] else ", compact_unevictable_allowed = 0"
        return f"{self.settings['caller']}, kernel {self.settings['kernel']}{allowed}"

    def _title(self) -> str:
        return f"Linux {self.recording.kernel_version}, recorded" if self.recording else f"Compaction by {self.settings['caller']}"

    def _counted(self):
        return ((name, now, f"  (the kernel: {kernel:,})" if kernel is not None else "")
                for name, _, now, kernel in counter_rows(self.film, self.t, self.recording))

    def _make_buttons(self) -> None:
        button = self.guard.button
        self.first_button = button("First", "to the beginning of the run", lambda: self.jump(0))
        self.back_button = button("Back", "one event back", self.back)
        self.step_button = button("Step", "to the next event", self.step)
        self.step_button.button_style = "primary"
        self.last_button = button("Last", "to the end of the run", self.last)
        self.play_button = button("Play", "event after event, until the end", self.play)
        self.buttons = [self.first_button, self.back_button, self.step_button, self.last_button, self.play_button]
        self.slider = ipywidgets.IntSlider(min=0, max=0, description="step", layout={"width": "360px"}, style={"description_width": "40px"})
        self.slider.observe(self.guard(lambda change: change["new"] != self.t and self.jump(change["new"])), "value")

    def _layout(self) -> list[ipywidgets.Widget]:
        title = (f"{BOX_STYLE}{TABLE_STYLE}<h3 style='margin:0'>A compaction run, event by event</h3>Two scanners walk towards each "
                 "other: one isolates what may move, the other finds free pages to move it to.")
        where = ipywidgets.HBox([*self.buttons, self.slider], layout={"flex_flow": "row wrap"})
        chart = ipywidgets.VBox([self.chart_image, self.chart_text], layout={"flex": "1 1 420px", "max_width": "640px", "min_width": "0"})
        return [ipywidgets.HTML(title), self.knobs.box, self.guard.strip, where, self.said, self.map.box,
                ipywidgets.HBox([self.tables, chart], layout={"flex_flow": "row wrap"})]
