"""What the views have in common: one look, a still picture, alt texts, and nothing left behind."""
import base64
import gc
import io
import re
import weakref
from pathlib import Path
from types import ModuleType

import ipywidgets
import pytest
from PIL import Image

import kitlib as kl
from kitlib import plots
from kitlib.course import Predictions
from kitlib.mm.folio import folio_test_lru
from kitlib.mm.mapping import mapping_unmovable
from kitlib.widgets import ExperimentPanel, FolioLab, PathStepper, RaceStepper, box
from kitlib.widgets.access import Access
from kitlib.widgets.box import Box, picture_html
from kitlib.widgets.drawing import Drawing
from kitlib.widgets.guard import Guard


def small_panel():
    return ExperimentPanel(pages=1024, steps=2, seeds=1)


def panel_that_has_run():
    panel = small_panel()
    panel.run()
    return panel


def race_with_pictures():
    race = RaceStepper(kl.racy)
    race.play()
    race.progress.ticked.value = race.lanes.ticked.value = True
    return race


def predicted():
    return Predictions("06").ask("fates", "What becomes of each?", rows=["ramfs", "secretmem"],
                                 choices=["left", "moved"], guess={"ramfs": "moved"})


CSS = Path(box.__file__).with_name("kit.css").read_text()
VIEWS = [FolioLab, PathStepper, RaceStepper, small_panel, panel_that_has_run, race_with_pictures]
each = pytest.mark.parametrize("make", [*VIEWS, predicted], ids=lambda make: make.__name__)
# A prediction begins with its question instead.
titled = pytest.mark.parametrize("make", VIEWS, ids=lambda make: make.__name__)


def within(widget):
    """The widget and what is shown in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from within(child)


def html_of(view):
    return [one.value for one in within(view.box) if isinstance(one, ipywidgets.HTML)]


def still(view):
    """The picture that a page shows which runs nothing; None when there is none."""
    data = view.box._repr_mimebundle_().get("image/png")
    return data and base64.b64decode(data)


@titled
def test_a_view_begins_with_its_title_and_has_an_accent_on_one_action_alone(make):
    view = make()
    assert html_of(view)[0].startswith("<div class='kit-title'><h3>")
    accents = [one.description for one in within(view.box) if isinstance(one, ipywidgets.Button)
               and one.button_style]
    assert len(accents) == 1
    assert all(one.button_style in ("", "primary") for one in within(view.box)
               if hasattr(one, "button_style"))


@each
def test_what_happened_is_said_in_a_region_that_is_spoken_and_the_strip_stands_above_it(make):
    view = make()
    shown = list(within(view.box))
    spoken = [at for at, one in enumerate(shown) if isinstance(one, ipywidgets.HTML)
              and "role='status'" in one.value]
    assert spoken and shown.index(view.guard.strip) < spoken[-1]
    assert not [one for one in shown
                if isinstance(one, ipywidgets.Output | ipywidgets.Image | ipywidgets.interactive)]


@each
def test_everything_that_takes_a_click_or_a_key_is_called_something_in_words(make):
    for one in within(make().box):
        if isinstance(one, ipywidgets.ToggleButtons):
            assert len(one.tooltips) == len(one.options) and all(one.tooltips)
        elif isinstance(one, ipywidgets.HTML):
            continue
        elif isinstance(one, ipywidgets.Button | ipywidgets.ValueWidget):
            assert len(one.description) > 1 and not getattr(one, "icon", ""), one


@each
def test_every_picture_has_an_alt_text_and_words_beside_it(make):
    view = make()
    pictures = re.findall(r"<img[^>]*>", " ".join(html_of(view)))
    assert len(pictures) == {"panel_that_has_run": 1, "race_with_pictures": 2}.get(make.__name__, 0)
    for picture in pictures:
        alt = re.search(r"alt='([^']{20,})'", picture)[1]
        assert any(alt in words and "<img" not in words for words in html_of(view))


@each
def test_a_view_brings_the_stylesheet_once_and_has_no_style_of_its_own(make):
    view = make()
    assert [one._css for one in within(view.box) if isinstance(one, Access)] == [CSS]
    assert not [words for words in html_of(view) if "<style" in words]


def test_colours_come_in_pairs_of_text_and_background():
    rules = re.findall(r"([^{}]*\.kit-[^{}]*)\{([^}]*)\}", CSS)
    for names, rule in rules:
        is_swatch = ".kit-swatch-" in names                 # a colour that nothing is written on
        assert ("background" in rule) == (is_swatch or bool(re.search(r"(^|;)\s*color:", rule))), names
    assert len(rules) > 50 and sum("background" in rule for _, rule in rules) > 20


@pytest.mark.parametrize("theme, palette", [("", plots.LIGHT), ("[data-jp-theme-light=false] ", plots.DARK)])
def test_the_swatches_beside_a_run_have_the_colours_of_the_map(theme, palette):
    found = re.findall(rf"^{re.escape(theme)}\.kit-swatch-(\w+) \{{ background: (#\w+); \}}$", CSS,
                       re.MULTILINE)
    assert dict(found) == palette


def test_every_class_that_the_widgets_write_has_a_rule():
    folder = Path(box.__file__).parent
    python = "".join(path.read_text() for path in folder.glob("*.py"))
    rules = CSS + (folder / "memory_map.css").read_text()
    missing = [name for name in sorted(set(re.findall(r"\bkit-\w+\b(?!-|\.)", python)))
               if not re.search(rf"\.{name}\b", rules)]
    assert missing == []


@each
def test_closing_a_view_frees_it_and_leaves_no_widget(make):
    gc.collect()
    before = set(ipywidgets.widgets.widget._instances)
    view = make()
    gone = weakref.ref(view)
    assert len(ipywidgets.widgets.widget._instances) > len(before)
    view.box.close()
    assert set(ipywidgets.widgets.widget._instances) == before
    view.box.close()
    del view
    gc.collect()
    assert gone() is None


@each
def test_a_cell_that_is_run_again_disturbs_nobody(make, monkeypatch):
    one = make()
    told, drawn = one.describe(), []
    render = type(one).render
    monkeypatch.setattr(type(one), "render", lambda self: (drawn.append(self), render(self)))
    again = make()
    drawn.clear()
    for button in (part for part in within(again.box) if isinstance(part, ipywidgets.Button)
                   and not part.disabled):
        button.click()
    assert drawn and set(map(id, drawn)) == {id(again)} and one.describe() == told


@pytest.mark.parametrize("make, is_there",
                         [(FolioLab, True), (PathStepper, False), (RaceStepper, True), (small_panel, False),
                                            (panel_that_has_run, True), (lambda: RaceStepper(kl.after), True),
                                            (lambda: RaceStepper(kl.after, compactors=2), False)])
def test_pages_that_run_nothing_show_a_small_picture(make, is_there):
    view = make()
    told, png = view.describe(), still(view)
    assert bool(png) == is_there and view.describe() == told
    if png:
        assert Image.open(io.BytesIO(png)).format == "PNG" and len(png) < 60_000 and png == still(make())


def test_the_still_picture_of_a_race_is_the_schedule_so_far_or_the_shortest_and_leaves_the_race_as_it_is():
    race = RaceStepper(kl.racy)
    assert race._picture().text.startswith("truncation_race(racy), C3T21C1: ")
    race.replay("C2T3")
    state = race.state
    assert race._picture().text.startswith("truncation_race(racy), C2T3: ") and race.state == state
    assert "T4" in (race.step("T"), race.stepper.text)[1]


def test_a_box_without_a_picture_says_nothing_of_one():
    assert "image/png" not in Box([], describe=lambda: "words")._repr_mimebundle_()


def test_a_chart_that_refuses_does_not_take_the_widget_with_it(monkeypatch):
    def asks_null(folio, mode):
        if (yield folio_test_lru(folio)):
            yield mapping_unmovable(None)
        return kl.Verdict("isolate_fail", "not on the LRU")

    monkeypatch.setattr(Guard, "strict", False)
    kernel = ModuleType("mine")
    kernel.isolate_folio = asks_null
    lab = FolioLab(kernel=kernel)
    bundle = lab.box._repr_mimebundle_()
    assert "image/png" not in bundle
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == lab.box.model_id
    lab.guard.errors.clear()


def test_an_alt_text_is_escaped_and_one_line():
    picture = plots.Picture(Image.new("P", (8, 8)), "it's <b>\nmore")
    assert "alt='it&#x27;s &lt;b&gt;'" in picture_html(picture) and "width:4px" in picture_html(picture)


# Drawings.

def test_a_drawing_is_drawn_only_when_asked_for_and_once_for_each_thing():
    drawn, guard = [], Guard()

    def chart():
        drawn.append(1)
        return plots.swim_lanes(kl.truncation_race(kl.racy), "C3T2")

    drawing = Drawing(guard, "lanes", "row", lambda: drawing.show("C3T2", chart, 3, "here."))
    drawing.show("C3T2", chart, 1, "here.")
    assert drawn == [] and drawing.box.layout.display == "none"
    drawing.ticked.value = True
    assert drawn == [1] and drawing.box.layout.display is None and "kit-row" in drawing.cursor.value
    assert "here." in drawing.text.value
    drawing.show("C3T2", chart, 0, "here.")
    assert drawn == [1] and drawing.cursor.value == "" and "here." not in drawing.text.value
    drawing.show("C3", chart, 1, "")
    drawing.forget()
    drawing.show("C3", chart, 1, "")
    assert drawn == [1, 1, 1]


def test_the_cursor_stands_where_the_position_is_drawn():
    race = race_with_pictures()
    graph, lanes = plots.progress_graph(race.proof), plots.swim_lanes(kl.truncation_race(kl.racy), "C3T21C1")
    for t in (1, 7, 20):
        race.jump(t)
        counts = tuple(race.stepper.schedule[:t].count(name) for name in race.machine.paths)
        left, top = graph.places[counts]
        assert f"left:{left:.2%}; top:{top:.2%}" in race.progress.cursor.value
        assert f"top:{lanes.places[t][1]:.2%}" in race.lanes.cursor.value
    assert set(graph.places) > {(0, 0), (4, 21)}
    assert all(0 < share < 1 for place in graph.places.values() for share in place)
    (left, low), (right, high) = graph.places[0, 0], graph.places[3, 21]
    assert left < right and low > high and list(lanes.places) == list(range(1, 26))


def test_a_race_that_has_no_progress_graph_says_why():
    race = RaceStepper(kl.racy, compactors=2)
    race.progress.ticked.value = race.lanes.ticked.value = True
    assert "No picture: a progress graph has two threads, not 3" in race.progress.text.value
    assert race.progress.picture.value == ""
    assert "No picture: no schedule to draw" in race.lanes.text.value
    race.set(compactors=1)
    assert "<img" in race.progress.picture.value and race.guard.errors == []


def test_lanes_are_drawn_anew_when_the_race_is_another(monkeypatch):
    race = race_with_pictures()
    picture = race.lanes.picture.value
    race.set(kernel="after")
    assert "truncation_race(after), C3T21C1: " in race.lanes.text.value
    assert race.lanes.picture.value != picture
