"""What ipywidgets leaves out for those who use a keyboard or a screen reader, put right in the page, for everything in a Box.

Sliders get their label as a name, and an Image the text that follows it; toggles say whether they are pressed, what changes is
spoken from a region that stays, focus is seen, and not lost with a button that is disabled under it, and nothing glides where
motion is not wanted.
"""
from pathlib import Path

import anywidget


class Access(anywidget.AnyWidget):
    """Shows nothing; sees to the box in which it lies."""

    _esm = Path(__file__).with_name("access.js")
    _css = Path(__file__).with_name("access.css")
