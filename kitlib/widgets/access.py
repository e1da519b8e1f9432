"""Unseen in every Box: the stylesheet, and what ipywidgets leaves out for keyboards and screen readers.

Sliders get their label as a name, and an Image the text that follows it; toggles say whether they are
pressed, what changes is spoken from a region that stays, focus is seen, and not lost with a button that is
disabled under it, and nothing glides where motion is not wanted.
"""
from pathlib import Path

import anywidget


class Access(anywidget.AnyWidget):
    """Shows nothing; sees to the box in which it lies."""

    # As text: a Path would have anywidget keep every instance for ever, to tell it when the file changes.
    _esm = Path(__file__).with_name("access.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("kit.css").read_text(encoding="utf-8")
