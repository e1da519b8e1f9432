"""The experiment panel: what is run is a sweep, Stop keeps what is done, and errors are seen."""
import asyncio
import random

import pandas as pd
import pytest

from kitlib.experiments import sweep
from kitlib.scenarios import memory
from kitlib.widgets import ExperimentPanel

SMALL = dict(pages=1024, steps=3, seeds=2)


def click(button):
    button._handle_msg({"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []})


def test_the_frame_is_that_of_the_call_shown_as_code():
    panel = ExperimentPanel(**SMALL, vary="pinned", high=0.3, callers=("kcompactd", "compact_memory"))
    frame = panel.run()
    by_code = eval(panel.as_code(), {"sweep": sweep, "memory": memory})
    key = ["pinned", "kernel", "caller", "seed"]
    assert len(frame) == 3 * 2 * 2 * 2
    pd.testing.assert_frame_equal(frame.sort_values(key, ignore_index=True), by_code.sort_values(key, ignore_index=True))


def test_running_draws_the_curve_and_tells_it():
    panel = ExperimentPanel(**SMALL)
    assert "runs     none yet" in panel.describe() and panel.chart.layout.display == "none"
    click(panel.run_button)
    assert bytes(panel.chart.value).startswith(b"\x89PNG") and panel.chart.layout.display is None
    assert "12 of 12" in panel.describe() and panel.bar.value == panel.bar.max == 12
    assert "isolation_success, after, compact_memory: 1 to " in panel.describe()
    assert "isolation_success against unmovable" in panel.table.value


def test_stop_keeps_what_is_done():
    async def scene():
        panel = ExperimentPanel(**SMALL | {"steps": 20})
        click(panel.run_button)
        assert not panel.stop_button.disabled
        while panel.done == 0:
            await asyncio.sleep(0.01)
        click(panel.stop_button)
        await panel._task
        return panel

    panel = asyncio.run(scene())
    assert 0 < len(panel.frame) == panel.done < panel.total and panel.stop_button.disabled


@pytest.mark.parametrize("settings, says", [
    (dict(kernels=()), "choose at least one kernel"), (dict(callers=()), "choose at least one kernel and one caller"),
    (dict(low=0.4, high=0.2), "the first must be the smaller")])
def test_what_cannot_be_run_is_said_in_the_strip_and_the_old_frame_stays(settings, says):
    panel = ExperimentPanel(**SMALL)
    frame = panel.run()
    with pytest.raises(ValueError, match=says):
        panel.set(**settings)
    assert says in panel.guard.strip.value and panel.guard.strip.layout.display is None
    assert panel.frame is frame
    panel.guard.errors.clear()


def test_an_unknown_setting_names_the_legal_ones():
    panel = ExperimentPanel(**SMALL)
    with pytest.raises(TypeError, match="no setting is called 'caller': write one of vary, low, high"):
        panel.set(caller="kcompactd")
    panel.guard.errors.clear()


def test_random_settings_never_fail_and_two_panels_do_not_disturb_each_other():
    dice, panel, other = random.Random(1), ExperimentPanel(**SMALL), ExperimentPanel(**SMALL)
    told = other.describe()
    for _ in range(300):
        name = dice.choice(["vary", "steps", "seeds", "show", "grouped", "sysctl", "high", "pages"])
        control = panel.controls[name]
        options = [value for _, value in control.options] if name in ("vary", "show") else getattr(control, "options", None)
        value = dice.choice(options) if options else dice.random() < 0.5 if isinstance(control.value, bool) else (
            dice.randint(2, 9) if isinstance(control.value, int) else round(dice.uniform(0.05, 0.5), 2))
        panel.set(**{name: value})
        assert panel.state[name] == value and panel.as_code().startswith("sweep(memory,")
    assert other.describe() == told and panel.guard.errors == []


def test_the_text_is_the_same_in_two_panels():
    one, two = (ExperimentPanel(**SMALL) for _ in range(2))
    one.run(), two.run()
    assert one.describe() == two.describe() == one.box._repr_mimebundle_()["text/plain"]
