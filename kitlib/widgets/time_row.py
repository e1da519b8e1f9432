"""Where in time: First, Back, Step, Last and a slider, for every view that has a position."""
import ipywidgets

from .box import View, wrap


class TimeRow:
    """Drives a view by its `jump`, `back`, `step` and `last`; `more` buttons follow. Holds no position."""

    def __init__(self, view: View, *more: ipywidgets.Button):
        button, self.view = view.guard.button, view
        self.first = button("First", "to the beginning", lambda: view.jump(0))
        self.back = button("Back", "one step back", view.back)
        self.step = button("Step", "one step on", view.step)
        self.step.button_style = "primary"
        self.last = button("Last", "to the end, as far as it is known", view.last)
        self.slider = ipywidgets.IntSlider(min=0, max=0, description="step", layout={"width": "280px"},
                                           style={"description_width": "40px"})
        self.slider.observe(view.guard(self._slid), "value")
        # While the slider is set to where the view is, it is heard as if it were moved: that is no jump.
        self._is_following = False
        self.box = wrap(ipywidgets.HBox([self.first, self.back, self.step, self.last, *more]), self.slider)

    def show(self, t: int, end: int, can_step: bool) -> None:
        """The view is at `t` of `end`, and a step may follow."""
        self._is_following = True
        # `max` first: a value above it would be cut off.
        self.slider.max, self.slider.value = end, t
        self._is_following = False
        self.first.disabled = self.back.disabled = t == 0
        self.last.disabled, self.step.disabled = t == end, not can_step

    def _slid(self, change: dict) -> None:
        if not self._is_following:
            self.view.jump(change["new"])
