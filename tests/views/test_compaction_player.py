"""The compaction player: each position is a replay, knobs run it again, what cannot be changes nothing."""
import asyncio
import base64
import gc
import random
import weakref
from pathlib import Path

import numpy as np
import pytest
from front_end import click

import kitlib as kl
from kitlib import plots, recordings, scan
from kitlib.compaction.compact_zone import compact_zone
from kitlib.compaction.control import CALLERS, control_for
from kitlib.compaction.events import MigrateEvent
from kitlib.mm.verdict import Mode
from kitlib.scenarios import memory
from kitlib.widgets import CompactionPlayer
from kitlib.widgets.knobs import SHARES

SMALL = dict(pages=1024)
MIXED = dict(unmovable=0.1, unevictable=0.1, pinned=0.1, dirty=0.05)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("kernel", [kl.before, kl.after], ids=["before", "after"])
def test_a_film_is_the_run_and_its_counters_are_the_zones(caller, kernel):
    zone = memory(4096, **MIXED)
    begin = zone.snapshot()
    film = plots.film_zone(zone, caller, kernel)
    assert zone.snapshot() == begin
    cc = control_for(caller, zone, 9, kernel=kernel)
    cc.verdicts = scan.verdicts(zone, kernel, Mode(async_migrate=cc.mode < 2)).tobytes()
    compact_zone(cc)
    events = [event for event in cc.trace if not isinstance(event, MigrateEvent)]
    assert [frame.event for frame in film.frames] == events
    assert film.counters(film.last) == {name: zone.vmstat[name] for name in plots.COUNTERS}
    end, plain = film.states(film.last), plots.page_states(zone)
    shown = np.isin(end, [plots.STATES.index("migrated"), plots.STATES.index("failed")])
    assert np.array_equal(end[~shown], plain[~shown]) and "isolated" not in plots.describe(end)
    assert (end == plots.STATES.index("migrated")).sum() == zone.vmstat["pgmigrate_success"]


def test_a_film_at_any_t_is_the_zone_when_the_run_was_there():
    free, zone = [], memory(1024, **MIXED)

    def probe(event):
        if not isinstance(event, MigrateEvent):
            free.append(np.bincount(plots.page_states(zone), minlength=7)[0])

    film = plots.film_zone(zone)
    cc = control_for("compact_memory", zone, probe=probe)
    cc.verdicts = scan.verdicts(zone, kl.after, Mode()).tobytes()
    compact_zone(cc)
    assert free == film.counts[:, 0].tolist()
    for t in range(len(film)):
        assert np.array_equal(np.bincount(film.states(t), minlength=7), film.counts[t])


def test_a_recorded_film_counts_the_free_blocks_of_all_zones_from_its_first_frame_on():
    recording = recordings.load("6.12-mix-u1-s307")
    frames = plots.film_recording(recording).frames
    assert frames[0].free_blocks == np.isin(recording.buddy_order, (9, 10)).sum() > 0
    second = [frame.zone for frame in frames].index("DMA32")
    assert frames[second - 1].zone == "DMA" and frames[second - 1].free_blocks == frames[second].free_blocks


@pytest.mark.parametrize("name", ["6.12-mix-u1-s307", "6.12-mthp-u1-s309", "6.1-mix-u0-s105"])
def test_a_recorded_run_ends_with_the_kernels_own_numbers(name):
    player = CompactionPlayer(name)
    player.last()
    kernel, counted = recordings.load(name).meta["vmstat_delta"], player.film.counters(player.t)
    known = counted.keys() & kernel.keys()
    assert known and all(counted[key] == kernel[key] for key in known)
    assert f"{(player.map.states == 5).sum():,} migrated" in player.describe()
    assert f"(the kernel: {kernel['pgmigrate_success']:,})" in player.describe()
    assert name != "6.12-mix-u1-s307" or "191 ranges" in player.tables.value


def test_the_map_shows_the_scanners_and_the_sentence_names_the_function():
    player = CompactionPlayer(**SMALL)
    click(player.time.step)
    assert player.t == 1 and "isolate_migratepages_block()</code>" in player.status.value
    assert [mark["words"] for mark in player.map.canvas.marks] == ["migrate scanner", "free scanner"]
    assert [mark["shape"] for mark in player.map.canvas.marks] == ["up", "down"]
    event = player.film.frames[1].event
    assert player.map.canvas.ranges == [[event.start_pfn, event.end_pfn]]
    assert player.map.canvas.said.startswith("Step 1: isolate_migratepages_block() looked at pfn 0 to ")
    assert len(player.chart_image.value) > 1000 and player.chart_text.value


def test_the_chart_is_drawn_once_a_run_and_its_cursor_moves():
    player = CompactionPlayer(**SMALL)
    chart, first = player._chart, player.chart_image.value
    player.step()
    assert player._chart is chart and player.chart_image.value != first
    player.back()
    assert player.chart_image.value == first
    player.map.canvas.set_state({"dark": True})
    assert player._chart is not chart and player.chart_image.value != first


def test_a_knob_runs_it_again_at_once_and_the_end_stays_the_end():
    player = CompactionPlayer(pages=4096, pinned=0)
    player.last()
    few = player.film.counters(player.t)["pgmigrate_fail"]
    player.settings.controls["pinned"].set_state({"value": 0.2})
    assert player.state["pinned"] == 0.2 and player.t == player.film.last
    assert player.film.counters(player.t)["pgmigrate_fail"] > few + 5


def test_the_sysctl_and_the_kernel_change_what_is_isolated():
    taken = {}
    for kernel, allowed in (("before", True), ("after", True), ("after", False)):
        player = CompactionPlayer(**SMALL | MIXED, kernel=kernel, compact_unevictable_allowed=allowed)
        player.last()
        taken[kernel, allowed] = player.film.counters(player.t)["compact_isolated"]
    assert taken["before", True] > taken["after", True] > taken["after", False]


def test_undo_brings_the_run_and_the_moment_back():
    player = CompactionPlayer(**SMALL, t=3)
    told, end = player.describe(), player.film.last
    player.set(kernel="before", pinned=0.3, t=1)
    click(player.time.step)
    player.settings.controls["memory"].set_state({"index": 1})
    assert player.recording and player.knobs.run.layout.display == "none"
    assert not player.settings.undo_button.disabled
    click(player.settings.undo_button)
    assert player.recording is None and player.state["kernel"] == "before" and player.t == 2
    click(player.settings.undo_button)
    assert player.describe() == told and player.t == 3 and player.film.last == end
    assert player.settings.undo_button.disabled and player.knobs.run.layout.display is None
    player.undo()
    assert player.describe() == told


def test_a_recording_that_is_not_offered_is_offered_once_it_is_asked_for(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_bytes((Path(recordings.__file__).parent / "6.12-secret-u1-s327.npz").read_bytes())
    player = CompactionPlayer("6.12-mix-u1-s307", t=2)
    player.set(memory=str(path), t=5)
    assert player.settings.controls["memory"].value == str(path) and len(player.settings.history) == 1
    player.undo()
    assert player.state["memory"] == "6.12-mix-u1-s307" and player.t == 2


def test_a_zone_given_is_left_as_it_is_and_its_knobs_are_hidden():
    zone = memory(1024, pinned=0.1)
    begin = zone.snapshot()
    player = CompactionPlayer(zone, caller="kcompactd")
    player.last()
    assert zone.snapshot() == begin and player.knobs.shares.layout.display == "none"
    assert "Zone Normal: pfn 0 to 1024" in player.describe()
    player.set(memory="made up")
    assert player.knobs.shares.layout.display is None


def test_the_text_is_the_same_in_two_players_and_state_brings_it_back():
    player = CompactionPlayer(pages=4096, **MIXED, caller="kcompactd", kernel="before", t=4)
    again = CompactionPlayer(**player.state)
    bundle = player._repr_mimebundle_()
    assert bundle["text/plain"] == again.describe() and "step     4 of " in again.describe()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["image/png"] == again._repr_mimebundle_()["image/png"]


@pytest.mark.parametrize("settings, error, says", [
    (dict(unmovable=0.9), ValueError, "write shares that add up to 1"),
    (dict(pages=7), ValueError, "pages=7 is no such setting"),
    (dict(colour="red"), TypeError, "no setting is called 'colour'"),
    (dict(memory="6.12-nope"), recordings.RecordingError, "no recording '6.12-nope'"),
    (dict(t=999), ValueError, "no step 999"),
    (dict(seed=-1), ValueError, "seed=-1 is no such setting: write a whole number from 0 to 9999"),
    (dict(pinned="much"), ValueError, "pinned='much' is no such setting: write a number from 0.0 to 1.0"),
    (dict(memory=7), ValueError,
     "memory=7 is no such setting: write 'made up', or a recording's name or path")])
def test_what_cannot_be_run_is_said_in_the_strip_and_changes_nothing(settings, error, says):
    player = CompactionPlayer(**SMALL, t=3)
    state, told = player.state, player.describe()
    with pytest.raises(error, match=says):
        player.set(**settings)
    assert player.state == state and player.describe().startswith(told) and says in player.guard.message
    assert player.guard.strip.layout.display is None
    shown = {name: control.value for name, control in player.settings.controls.items()}
    assert shown == player.settings.values
    player.guard.errors.clear()


def test_no_memory_at_all_is_refused():
    with pytest.raises(TypeError, match="write CompactionPlayer\\(zone\\)"):
        CompactionPlayer(42)


def test_playing_ends_by_itself_and_stops_when_something_is_touched(monkeypatch):
    monkeypatch.setattr("kitlib.widgets.compaction_player.PAUSE", 0.001)

    async def scene():
        player = CompactionPlayer(**SMALL)
        click(player.play_button)
        assert player.play_button.description == "Pause"
        task = player._task
        await task
        assert player.t == player.film.last and player.play_button.description == "Play"
        click(player.play_button)
        assert player.t == 0
        click(player.play_button)
        assert player._task is None and player.play_button.description == "Play"
        player.play()
        click(player.time.step)
        assert player._task is None and player.t == 1

    asyncio.run(scene())


def test_playing_is_over_at_once_where_motion_is_not_wanted():
    async def scene():
        player = CompactionPlayer(**SMALL)
        player.map.canvas.set_state({"reduced_motion": True})
        click(player.play_button)
        assert player._task is None and player.t == player.film.last

    asyncio.run(scene())


def test_random_events_never_fail_and_two_players_do_not_disturb_each_other():
    dice, player, other = random.Random(3), CompactionPlayer(**SMALL), CompactionPlayer(**SMALL)
    told = other.describe()
    buttons = [player.time.first, player.time.back, player.time.step, player.time.last]
    for number in range(1000):
        if number % 100 == 99:                  # a new run, with a chart, is the costly event
            name = dice.choice([*SHARES, "seed", "caller", "kernel", "compact_unevictable_allowed"])
            options = {"seed": range(9), "caller": list(CALLERS), "kernel": ("before", "after"),
                       "compact_unevictable_allowed": (True, False)}.get(name, (0.05, 0.1))
            player.settings.controls[name].set_state({"value": dice.choice(options)})
        elif number % 3:
            click(dice.choice(buttons))
        else:
            player.time.slider.set_state({"value": dice.randint(0, player.time.slider.max)})
        assert 0 <= player.t == player.time.slider.value <= player.film.last == player.time.slider.max
        assert np.array_equal(player.map.states, player.film.states(player.t))
    assert CompactionPlayer(**player.state).describe() == player.describe()
    assert other.describe() == told


def test_closing_a_player_frees_it():
    player = CompactionPlayer(**SMALL)
    gone = weakref.ref(player), weakref.ref(player.map)
    player.close()
    del player
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
