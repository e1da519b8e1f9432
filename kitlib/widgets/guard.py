"""One guard around every callback: an error that Jupyter would swallow is shown to the learner, and kept.

A front end's event has nobody to raise to, so a click that fails looks like a click that did nothing. Leaves
out the Output widget: what a callback prints still goes to Jupyter's log.
"""
import functools
import html
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import ipywidgets

from ..step import KernelBug


class Guard:
    """Shows what a callback raised in `strip`, and keeps it in `errors`; with `Guard.strict` raises it."""

    strict = False

    def __init__(self):
        self.errors: list[Exception] = []
        self.shown: Exception | None = None                 # what the strip says now
        self.strip = ipywidgets.HTML(layout=ipywidgets.Layout(display="none", width="auto"))
        self._depth = 0                                     # callbacks that set traits run others inside them
        self._aloud = 0

    def __call__(self, callback: Callable) -> Callable:
        """`callback`, guarded: what to hand to `observe` and `on_click`."""
        @functools.wraps(callback)
        def guarded(*args, **kwargs):
            with self:
                return callback(*args, **kwargs)

        return guarded

    def button(self, words: str, tip: str, act: Callable[[], None]) -> ipywidgets.Button:
        """A button that does `act()`, guarded."""
        button = ipywidgets.Button(description=words, tooltip=tip, layout={"width": "auto"})
        button.on_click(self(lambda _: act()))
        return button

    def __enter__(self):
        # An inner callback that succeeds must not wipe what an outer one has shown.
        if self._depth == 0:
            self._show(None)
        self._depth += 1
        return self

    def __exit__(self, kind, error, trace) -> bool:
        self._depth -= 1
        if not isinstance(error, Exception):
            return False
        if error not in self.errors[-1:]:                   # raised on through an inner guard
            self.errors.append(error)
        self._show(error)
        return not (self.strict or self._aloud)

    @contextmanager
    def aloud(self):
        """For what is called from code, where somebody hears it: errors are shown, and raised as well."""
        self._aloud += 1
        try:
            with self:
                yield
        finally:
            self._aloud -= 1

    @contextmanager
    def aside(self):
        """For what the learner did not do, as a new theme: the strip stays as it is, unless this fails."""
        self._depth += 1
        try:
            with self:
                yield
        finally:
            self._depth -= 1

    @property
    def message(self) -> str:
        """What the strip says, as plain text; "" when nothing is wrong."""
        return f"{type(self.shown).__name__}: {self.shown}" if self.shown else ""

    def lines(self, indent: int) -> list[str]:
        """A line of text for what the strip says, "error" in `indent` columns; none when all is well."""
        return [f"{'error':<{indent}}{self.message}"] if self.shown else []

    def _show(self, error: Exception | None) -> None:
        self.shown = error
        self.strip.value = _strip(error, self.message) if error else ""
        self.strip.layout.display = None if error else "none"


def _strip(error: Exception, message: str) -> str:
    headline = ("The modelled kernel did what a kernel must never do." if isinstance(error, KernelBug)
                else "This control failed, and the picture below may be out of date.")
    frames = traceback.extract_tb(error.__traceback__)
    place = f"at {Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return (f"<div role='alert' class='kit-error'><b>{headline}</b><br><code>{html.escape(message)}</code> "
            f"<span>{html.escape(place)}</span></div>")
