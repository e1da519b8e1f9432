"""A chart in a view, with a cursor over it: drawn when it is asked for, and once for each thing that it shows.

The cursor is an element of its own over the picture, so that a step sends some hundred bytes and draws nothing. Leaves out
what cannot be drawn: the chart's own refusal stands in its place.
"""
from collections.abc import Callable
from html import escape

import ipywidgets

from ..plots.flow import Chart
from .box import picture_html
from .guard import Guard

DRAWING_STYLE = """<style>
.kit-over > * { margin: 0; overflow: hidden; }
.kit-over .widget-html-content { position: relative; width: 100%; height: 100%; line-height: 0; }
.kit-ring, .kit-row { position: absolute; box-sizing: border-box; }
.kit-ring { width: 22px; height: 22px; margin: -11px 0 0 -11px; border: 3px solid #1B1E24; border-radius: 50%;
            outline: 2px solid #F7CB2D; box-shadow: inset 0 0 0 2px #F7CB2D; }
.kit-row { left: 0; right: 0; height: 24px; margin-top: -12px; border: 2px solid #1B1E24; outline: 2px solid #F7CB2D; outline-offset: -4px; }
</style>"""
_CELL = "1 / 1 / 2 / 2"                  # the picture and its cursor share one cell of a grid


class Drawing:
    """`ticked` asks for the chart, `box` shows it; `cursor` is "ring" around a point or "row" across the picture."""

    def __init__(self, guard: Guard, words: str, cursor: str, render: Callable[[], None]):
        self.kind, self.what, self.places = cursor, None, {}
        self.ticked = ipywidgets.Checkbox(description=words, indent=False, layout={"width": "auto"})
        self.ticked.observe(guard(lambda _: render()), "value")
        self.picture, self.cursor = (ipywidgets.HTML(layout={"grid_area": _CELL}) for _ in range(2))
        self.text = ipywidgets.HTML(layout={"flex": "1 1 300px", "min_width": "0"})
        self.over = ipywidgets.GridBox([self.picture, self.cursor], layout={"width": "fit-content", "max_width": "100%"})
        self.over.add_class("kit-over")
        self.box = ipywidgets.HBox([self.over, self.text], layout={"display": "none", "flex_flow": "row wrap", "grid_gap": "4px 20px",
                                                              "margin": "0 2px 6px"})

    def forget(self) -> None:
        """What was drawn is no longer so."""
        self.what = None

    def show(self, what: str, draw: Callable[[], Chart], at: object, here: str) -> None:
        """Show the chart of `what`, drawn if it is another than before, the cursor at one of its places, and `here` in words."""
        self.box.layout.display = None if self.ticked.value else "none"
        if not self.ticked.value:
            return
        if self.what != what:
            self._draw(draw)
            self.what = what
        place = self.places.get(at)
        left, top = (f"{share:.2%}" for share in place or (0, 0))
        self.cursor.value = f"<div class='kit-{self.kind}' aria-hidden='true' style='left:{left}; top:{top}'></div>" * bool(place)
        words = escape(f"{here}\n" * bool(place) + self.told)
        self.text.value = f"<div class='kit-words'>{words}</div>"

    def _draw(self, draw: Callable[[], Chart]) -> None:
        try:
            chart = draw()
        except ValueError as error:                     # too many threads, too many steps: no picture, and the reason
            self.picture.value, self.told, self.places = "", f"No picture: {error}.", {}
        else:
            self.picture.value, self.told, self.places = picture_html(chart.picture()), chart.text, chart.places
        self.over.layout.display = None if self.picture.value else "none"
