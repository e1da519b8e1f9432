"""The experiment panel: what is run is a sweep, Stop keeps what is done, and errors are seen."""
import asyncio
import html
import random

import ipywidgets
import pandas as pd
import pytest
from front_end import click, send
from PIL import Image

from kitlib import plots
from kitlib.experiments import sweep
from kitlib.plots import Picture
from kitlib.plots.flow import Chart
from kitlib.scenarios import memory
from kitlib.widgets import CompactionPlayer, ExperimentPanel, experiment_panel
from kitlib.widgets.guard import Guard
from kitlib.widgets.settings import Between, SomeOf

SMALL = dict(pages=1024, steps=3, seeds=2)


def test_the_frame_is_that_of_the_call_shown_as_code():
    panel = ExperimentPanel(**SMALL, vary="pinned", high=0.3, callers=("kcompactd", "compact_memory"))
    frame = panel.run()
    by_code = eval(panel.as_code(), {"sweep": sweep, "memory": memory})
    key = ["pinned", "kernel", "caller", "seed"]
    assert len(frame) == 3 * 2 * 2 * 2
    pd.testing.assert_frame_equal(frame.sort_values(key, ignore_index=True),
                                  by_code.sort_values(key, ignore_index=True))


def test_without_a_second_thread_the_racy_kernel_is_not_offered():
    for view, control in [(ExperimentPanel(), "kernels"), (CompactionPlayer(pages=1024), "kernel")]:
        assert view.settings.controls[control].options == ("before", "after")


def test_running_draws_the_curve_and_tells_it():
    panel = ExperimentPanel(**SMALL)
    assert "runs     none yet" in panel.describe() and panel.chart.value == ""
    click(panel.run_button)
    assert "<img" in panel.chart.value
    assert "alt='isolation_success against unmovable, median" in panel.chart.value
    assert "12 of 12" in panel.describe() and panel.bar.value == panel.bar.max == 12
    assert "isolation_success, after, compact_memory: 1 to " in panel.describe()
    assert "after: 1 at 0.0" in panel.words.value


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
    (dict(kernels=()), "choose at least one kernel"),
    (dict(callers=()), "choose at least one kernel and one caller"),
    (dict(vary="pinned", low=0.4, high=0.2), "the first must be the smaller"),
    (dict(steps=100), "write a whole number from 2 to 41"),
    (dict(seeds=True), "write a whole number from 1 to 100"), (dict(vary="free"), "write one of 'unmovable'"),
    (dict(grouped=1), "one of False, True"),
    (dict(pages=4097), "write one of 1024, 4096, 16384"),
    (dict(kernels=("newer",)), "write some of 'before'"), (dict(low=-0.1), "0.0 to 0.6")])
def test_what_cannot_be_is_said_in_the_strip_and_all_stays_as_it_was(settings, says):
    panel = ExperimentPanel(**SMALL)
    frame, state = panel.run(), panel.state
    with pytest.raises(ValueError, match=says):
        panel.set(**settings)
    assert panel.guard.strip.layout.display is None and says in html.unescape(panel.guard.strip.value)
    assert panel.frame is frame and panel.state == state and panel.settings.history == []
    panel.guard.errors.clear()
    with pytest.raises(ValueError, match=says):
        ExperimentPanel(**settings)


def test_a_slider_that_passes_the_other_goes_back(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    panel = ExperimentPanel(**SMALL)
    panel.settings.controls["low"].set_state({"value": 0.55})
    assert panel.state["low"] == 0.0 and "the first must be the smaller" in panel.guard.strip.value
    assert panel.settings.history == []
    panel.settings.controls["high"].set_state({"value": 0.3})
    assert len(panel.settings.history) == 1 and panel.state["high"] == 0.3 and panel.guard.message == ""
    panel.guard.errors.clear()


def test_an_unknown_setting_names_the_legal_ones():
    panel = ExperimentPanel(**SMALL)
    with pytest.raises(TypeError, match="no setting is called 'caller': write one of vary, low, high"):
        panel.set(caller="kcompactd")
    panel.guard.errors.clear()


def random_event(panel, dice):
    """Any control by trait, by message or in code, or any button that can be clicked; a small sweep."""
    name = dice.choice(["undo", "run", *panel.settings.controls])
    buttons = {"undo": panel.settings.undo_button, "run": panel.run_button}
    if name in buttons:
        if not buttons[name].disabled:
            dice.choice([click, ipywidgets.Button.click])(buttons[name])
        return
    control, value = panel.settings.controls[name], random_value(panel.settings.legal[name], dice)
    if name in ("low", "high"):
        value = min(value, panel.state["high"]) if name == "low" else max(value, panel.state["low"])
    how = dice.randrange(3)
    if how == 0:
        panel.set(**{name: value})
    elif how == 1:
        control.value = value
    else:
        send(control, value)
    assert panel.state[name] == value


def random_value(legal, dice):
    if isinstance(legal, Between):
        return round(dice.uniform(*legal), 2) if isinstance(legal.least, float) else dice.randint(*legal)
    if isinstance(legal, SomeOf):
        return tuple(sorted(dice.sample(legal, dice.randint(1, len(legal))), key=legal.index))
    return dice.choice(legal)


def one_row(build, over, seeds, progress):
    """A run that takes no time: what was asked for, and numbers made of it."""
    row = {name: values[0] for name, values in over.items()}
    number = (sum(map(len, map(str, row.values()))) + seeds[0]) % 7
    return pd.DataFrame([row | {"seed": seeds[0], "isolation_success": number / 7,
                                "migration_success": 1 - number / 7,
                                "targets": number, "isolated": number, "migrated": number,
                                "status": "COMPLETE"}])


@pytest.mark.parametrize("seed", range(3))
def test_after_400_random_events_a_panel_is_what_its_settings_make_and_undo_goes_back(seed, monkeypatch):
    monkeypatch.setattr(experiment_panel, "sweep", one_row)
    monkeypatch.setattr(experiment_panel, "product",
                        lambda *values: [tuple(value[0] for value in values),
                                         tuple(value[-1] for value in values)])
    chart, picture = Chart(), Picture(Image.new("P", (2, 2)), "stands for a curve")
    monkeypatch.setattr(plots, "curve", lambda frame, x, y, by: chart)         # drawing is for other tests
    monkeypatch.setattr(Chart, "picture", lambda chart: picture)
    dice, panel, other = random.Random(seed), ExperimentPanel(**SMALL), ExperimentPanel(**SMALL)
    told = other.describe()
    for _ in range(400):
        random_event(panel, dice)
        assert panel.as_code() == panel.code.value
        assert panel.settings.undo_button.disabled == (not panel.settings.history)
        assert ("press Run" in panel.status.value) == ("with other settings" in panel.describe())
    assert panel.guard.errors == [] and other.describe() == told and len(panel.frame)
    again = ExperimentPanel(**panel.state)
    assert again.state == panel.state and again.as_code() == panel.as_code() and panel.settings.history
    while panel.settings.history:
        before, _ = panel.settings.history[-1]
        click(panel.settings.undo_button)
        assert panel.state == before
    assert panel.state == other.state


def test_an_event_is_one_entry_of_history_and_undo_takes_it_back_and_keeps_the_frame():
    panel = ExperimentPanel(**SMALL)
    frame, state = panel.run(), panel.state
    panel.set(vary="pinned", high=0.3, kernels=("after",))
    assert panel.settings.history == [(state, None)]
    assert panel.state == state | {"vary": "pinned", "high": 0.3, "kernels": ("after",)}
    assert "press Run" in panel.status.value and "12 of 12, with other settings" in panel.describe()
    panel.set(show="isolated")
    assert "isolated against unmovable" in panel.words.value
    assert "isolated, after, compact_memory: " in panel.describe()
    click(panel.settings.undo_button), click(panel.settings.undo_button)
    assert panel.state == state and panel.frame is frame and "press Run" not in panel.status.value
    assert panel.settings.undo_button.disabled and "with other settings" not in panel.describe()


def test_what_is_typed_into_the_code_is_put_back():
    panel = ExperimentPanel(**SMALL)
    panel.code.set_state({"value": "import os"})
    assert panel.code.value == panel.as_code()


def test_the_rows_come_in_the_order_of_the_sweep():
    panel = ExperimentPanel(**SMALL, callers=("kcompactd", "compact_memory"))
    pd.testing.assert_frame_equal(panel.run(), eval(panel.as_code(), {"sweep": sweep, "memory": memory}))


def test_a_run_that_fails_is_in_the_strip_and_what_was_done_is_kept(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    panel = ExperimentPanel(**SMALL)

    def fails(build, over, seeds, progress):
        if over["unmovable"] != [0.0]:
            raise RuntimeError("made on purpose")
        return sweep(build, over, seeds, progress=progress)

    monkeypatch.setattr(experiment_panel, "sweep", fails)
    click(panel.run_button)
    assert "made on purpose" in panel.guard.strip.value and len(panel.frame) == panel.done == 4
    assert not panel.run_button.disabled and "4 of 12 runs done, and no more" in panel.status.value
    panel.guard.errors.clear()


def test_settings_that_change_under_way_are_those_of_the_next_run():
    async def scene():
        panel = ExperimentPanel(**SMALL | {"steps": 5})
        click(panel.run_button)
        while panel.done < 6:
            await asyncio.sleep(0.001)
        assert panel.run_button.disabled and "under way" in panel.status.value
        panel.set(vary="pinned", show="targets")
        panel.describe()
        await panel._task
        return panel

    panel = asyncio.run(scene())
    assert len(panel.frame) == panel.total == 20 and "unmovable" in panel.frame
    assert "press Run" in panel.status.value
    assert "targets against unmovable" in panel.words.value


def test_closing_the_panel_ends_what_is_under_way():
    async def scene():
        panel = ExperimentPanel(**SMALL | {"steps": 20})
        click(panel.run_button)
        while panel.done == 0:
            await asyncio.sleep(0.001)
        panel.box.close()
        await panel._task
        return panel

    panel = asyncio.run(scene())
    assert 0 < panel.done < panel.total


def test_the_text_is_the_same_in_two_panels():
    one, two = (ExperimentPanel(**SMALL) for _ in range(2))
    one.run(), two.run()
    assert one.describe() == two.describe() == one.box._repr_mimebundle_()["text/plain"]
