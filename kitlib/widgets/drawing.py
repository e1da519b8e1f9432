"""A chart in a view, with a cursor over it: drawn when it is asked for, once for each thing that it shows.

The cursor is an element of its own over the picture, so that a step sends some hundred bytes and draws
nothing. Leaves out what cannot be drawn: the chart's own refusal stands in its place.
"""
from collections.abc import Callable
from html import escape

import ipywidgets

from ..plots.flow import Chart
from .box import growing, picture_html, wrap
from .guard import Guard

_CELL = "1 / 1 / 2 / 2"                  # the picture and its cursor share one cell of a grid


class Drawing:
    """`ticked` asks for the chart, `box` shows it; `cursor` is "ring" around a point or "row" across all."""

    def __init__(self, guard: Guard, words: str, cursor: str, render: Callable[[], None]):
        self.kind = cursor
        self.what, self.words, self.places = None, "", {}        # of the chart drawn last
        self.ticked = ipywidgets.Checkbox(description=words, indent=False, layout={"width": "auto"})
        self.ticked.observe(guard(lambda _: render()), "value")
        self.picture, self.cursor = (ipywidgets.HTML(layout={"grid_area": _CELL}) for _ in range(2))
        self.text = ipywidgets.HTML(layout=growing("300px"))
        self.over = ipywidgets.GridBox([self.picture, self.cursor],
                                       layout={"width": "fit-content", "max_width": "100%"})
        self.over.add_class("kit-over")
        self.box = wrap(self.over, self.text, gap="4px 20px")
        self.box.layout.display, self.box.layout.margin = "none", "0 2px 6px"

    def forget(self) -> None:
        """What was drawn is no longer so."""
        self.what = None

    def show(self, what: str, draw: Callable[[], Chart], at: object, here: str) -> None:
        """Show the chart of `what`, drawn if it is new; the cursor at place `at`, and `here` in words."""
        self.box.layout.display = None if self.ticked.value else "none"
        if not self.ticked.value:
            return
        if self.what != what:
            self._draw(draw)
            self.what = what
        words, cursor = self.words, ""
        if place := self.places.get(at):
            left, top = (f"{share:.2%}" for share in place)
            cursor = f"<div class='kit-{self.kind}' aria-hidden='true' style='left:{left}; top:{top}'></div>"
            words = f"{here}\n{words}"
        self.cursor.value = cursor
        self.text.value = f"<div class='kit-words'>{escape(words)}</div>"

    def _draw(self, draw: Callable[[], Chart]) -> None:
        try:
            chart = draw()
        except ValueError as error:                     # too many threads or steps: the reason instead
            self.picture.value, self.words, self.places = "", f"No picture: {error}.", {}
        else:
            self.picture.value = picture_html(chart.picture())
            self.words, self.places = chart.text, chart.places
        self.over.layout.display = None if self.picture.value else "none"
