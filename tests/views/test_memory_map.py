"""The memory map: it shows what the zone holds, hears what the front end sends, takes back what is wrong."""
import base64
import gc
import html
import random
import re
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

import kitlib as kl
from kitlib import plots, recordings, scan
from kitlib.plots import page_words
from kitlib.widgets import MemoryMap, memory_map
from kitlib.widgets.memory_map import contrast

WIDGETS = Path(memory_map.__file__).parent


def sends(shown, **state):
    """What the front end does when a page is selected or a state pressed."""
    buffers = {"content": {"data": {"method": "update", "state": state, "buffer_paths": []}}, "buffers": []}
    shown.canvas._handle_msg(buffers)


def test_the_buffers_hold_the_states_of_the_zone_and_a_row_for_every_page():
    zone = kl.random_zone(4096, 3)
    shown = MemoryMap(zone, isolated=[5, 6])
    assert np.array_equal(shown.states, plots.page_states(zone, [5, 6]))
    numbers = np.frombuffer(shown.canvas.looks, np.uint16)
    assert len(numbers) == 4096 and numbers.max() == len(shown.canvas.rows) - 1


@pytest.mark.parametrize("kernel", [kl.before, kl.racy, kl.after], ids=lambda kernel: kernel.__name__)
def test_a_tooltip_says_what_the_columns_and_the_scanner_say(kernel):
    zone, mode = kl.random_zone(2048, 1), kl.Mode(async_migrate=True, unevictable=False)
    shown = MemoryMap(zone, kernel=kernel, mode=mode)
    codes = scan.verdicts(zone, kernel, mode)
    for pfn in range(0, 2048, 7):
        look, folio = shown.look(pfn), zone.folio(pfn)
        assert (look.refcount, look.mapcount) == (folio.refcount, folio.mapcount)
        assert look.why == page_words.why(int(codes[pfn]), kernel, mode)
        assert ("dirty" in look.flags.split(" | ")) == folio.dirty
        assert look.mapping == (folio.mapping.name if folio.mapping else "anonymous" if folio.anon else "")


def test_the_reason_names_the_function_that_decides():
    gmem = MemoryMap(kl.zone_of("guest_memfd")).look(0)
    assert gmem.as_flags == "AS_UNEVICTABLE | AS_UNMOVABLE"
    words = "mapping is unmovable (mapping_unmovable())"
    assert gmem.why == f"isolate_migratepages_block() passes it by: {words}."


def test_a_recording_is_shown_as_its_own_kernel_decides():
    shown, recording = MemoryMap("6.12-gmem-u1-s356"), recordings.load("6.12-gmem-u1-s356")
    codes = recordings.verdicts(recording)
    taken = np.flatnonzero(codes == 0)[::97]
    assert len(shown.states) == len(recording.flags)
    assert {shown.look(int(pfn)).why for pfn in taken} == {"isolate_migratepages_block() would isolate it."}


def test_each_show_is_one_frame_and_frame_changes_last():
    shown, order = MemoryMap(kl.random_zone(1024)), []
    shown.canvas.observe(lambda change: order.append(change["name"]),
                         ["pages", "looks", "rows", "types", "first_pfn", "frame"])
    before = shown.frame
    shown.show(kl.random_zone(4096, 9))
    assert shown.frame == before + 1 and order[-1] == "frame" and order.count("frame") == 1


def test_show_is_quick_at_4096_pages():
    zone, shown, took = kl.random_zone(4096), MemoryMap(kl.random_zone(4096)), []
    for _ in range(9):
        begin = time.perf_counter()
        shown.show(zone)
        took.append(time.perf_counter() - begin)
    assert sorted(took)[4] < 0.010


def test_what_is_displayed_has_a_picture_and_a_stable_text():
    one, two = (MemoryMap(kl.random_zone(4096, 3), title="all kinds", failed=[9]) for _ in range(2))
    bundle = one.box._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    twin = plots.memory_map(one.states, migratetype=one.canvas.types, title="all kinds")
    assert bundle["image/png"] == base64.b64encode(twin.png).decode()
    assert bundle["text/plain"] == two.describe() == repr(one.box)
    assert "application/vnd.jupyter.widget-view+json" in one._repr_mimebundle_()
    assert bundle["text/plain"] == f"all kinds, {plots.describe(one.states)}"


def test_a_part_of_memory_is_shown_by_its_own_pfns():
    zone = kl.random_zone(4096).part("DMA", 700, 2000)
    shown = MemoryMap(zone)
    shown.select(1999)
    assert len(shown.states) == 1300 and shown.selected == 1999
    assert shown.canvas.types == memory_map.types(zone)
    assert shown.picture().text.startswith("Memory map, 1,300 pages in 3 pageblocks")
    with pytest.raises(IndexError, match="no page 699 is shown: write a pfn from 700 to 1999"):
        shown.select(699)
    shown.guard.errors.clear()


def test_the_front_end_selects_and_the_callback_hears_it():
    heard = []
    shown = MemoryMap(kl.random_zone(1024), on_select=heard.append)
    sends(shown, selected=77)
    sends(shown, spotlight="failed")
    assert heard == [77] and shown.state == {"selected": 77, "spotlight": "failed"}
    assert "selected  pfn 77, " in shown.describe()


@pytest.mark.parametrize("sent, says",
                         [({"selected": 5000}, "no page 5000"),
                          ({"spotlight": "sleepy"}, "no state 'sleepy'")])
def test_what_the_front_end_cannot_mean_is_said_and_taken_back(sent, says):
    shown = MemoryMap(kl.random_zone(1024))
    shown.select(3)
    sends(shown, **sent)
    assert says in html.unescape(shown.guard.strip.value) and shown.state == {"selected": 3, "spotlight": ""}
    shown.guard.errors.clear()


@pytest.mark.parametrize("source, error, says", [
    ("6.12-nope", recordings.RecordingError, "no recording '6.12-nope'"),
    (42, TypeError, "write MemoryMap\\(kl.random_zone"),
    (kl.random_zone(1024).part("empty", 5, 5), ValueError, "there is no page to draw")])
def test_what_cannot_be_shown_is_said_in_the_strip_and_the_old_picture_stays(source, error, says):
    shown = MemoryMap(kl.random_zone(1024))
    told, frame = shown.describe(), shown.frame
    with pytest.raises(error, match=says):
        shown.show(source)
    assert shown.guard.strip.layout.display is None and shown.frame == frame
    assert shown.describe().startswith(told) and "error     " in shown.describe()
    shown.guard.errors.clear()


def test_a_callback_that_fails_is_seen():
    shown = MemoryMap(kl.random_zone(1024), on_select=lambda pfn: 1 / 0)
    sends(shown, selected=1)
    assert "ZeroDivisionError" in shown.guard.strip.value
    shown.guard.errors.clear()


def test_random_events_never_fail_and_two_maps_do_not_disturb_each_other():
    dice, zones = random.Random(2), [kl.random_zone(1024, seed) for seed in range(4)]
    shown, other = MemoryMap(zones[0]), MemoryMap(zones[0])
    told, frame = other.describe(), other.frame
    zone, selected, lit = 0, None, ""
    for _ in range(1000):
        event = dice.randrange(4)
        if event == 0:
            zone = dice.randrange(4)
            shown.show(zones[zone])
        elif event == 1:
            selected = dice.randrange(1024)
            dice.choice([lambda: shown.select(selected), lambda: sends(shown, selected=selected)])()
        elif event == 2:
            lit = dice.choice(["", *plots.STATES])
            dice.choice([lambda: shown.spotlight(lit), lambda: sends(shown, spotlight=lit)])()
        else:
            sends(shown, dark=dice.random() < 0.5, reduced_motion=dice.random() < 0.5)
        assert shown.state == {"selected": selected, "spotlight": lit}
    again = MemoryMap(zones[zone])
    again.select(selected), again.spotlight(lit)
    assert shown.describe() == again.describe() and (other.describe(), other.frame) == (told, frame)


def test_closing_a_map_frees_it():
    shown = MemoryMap(kl.random_zone(1024))
    gone = weakref.ref(shown), weakref.ref(shown.canvas)
    shown.close()
    del shown
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def variables(css, theme):
    return dict(re.findall(r"--kit-(\w+): (#[0-9A-F]{6})", re.search(theme + r" \{(.*?)\}", css, re.S)[1]))


@pytest.mark.parametrize("theme", [r"\.kit-map", r"\.kit-map\.kit-dark"])
def test_every_text_stands_out_from_what_is_behind_it(theme):
    colours = variables((WIDGETS / "memory_map.css").read_text(), theme)
    pairs = [(text, behind) for text in ("ink", "muted", "frame") for behind in ("paper", "card")]
    assert all(contrast(colours[text], colours[behind]) >= 4.5 for text, behind in pairs)
    assert contrast(colours["focus"], colours["paper"]) >= 3


@pytest.mark.parametrize("palette", [plots.LIGHT, plots.DARK], ids=["light", "dark"])
def test_a_states_name_can_be_read_on_its_colour(palette):
    assert min(contrast(colour, memory_map.on(colour)) for colour in palette.values()) >= 4.5
    assert min(contrast(colour, memory_map.mark_on(colour)) for colour in palette.values()) >= 3


def test_contrast_is_that_of_wcag():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def test_the_front_end_asks_nobody():
    code = (WIDGETS / "memory_map.js").read_text() + (WIDGETS / "memory_map.css").read_text()
    assert re.findall(r"https?:|fetch\(|XMLHttp|import\(|@import|url\(|innerHTML", code) == []
