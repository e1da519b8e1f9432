"""The page itself, in JupyterLab and Chromium: what a learner sees, clicks, reaches by keyboard and hears.

A widget is tried in a cell of its own, which is run again for each test: so every test also shows that
running a cell again leaves a working widget. The names are those of Chromium's own accessibility tree.
"""
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from browser import MISSING, Notebook, chromium, lab
from nbconvert import HTMLExporter

from kitlib import plots

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")

KERNELS = """
import types
import kitlib as kl
from kitlib.course import Predictions
from kitlib.widgets import *

def divides(folio, mode):
    yield kl.mm.folio_mapping(folio)
    raise ZeroDivisionError("<b>mine</b>")

def asks_null(folio, mode):
    if (yield kl.mm.folio_test_lru(folio)):
        yield kl.mapping_unmovable(None)
    return kl.Verdict("isolate_fail", "not on the LRU")

def kernel(path):
    made = types.ModuleType("mine")
    made.isolate_folio, made.move_to_new_folio = path, kl.after.move_to_new_folio
    return made

def ask():
    return Predictions("06").ask("fates", "What becomes of each?", rows=["ramfs", "secretmem", "guest_memfd"],
                                 choices=["left", "moved", "refused"])

def without_record(view):
    view.asked.record = None
    return view
"""


class Try(NamedTuple):
    """A widget: how it is made and worked, and how it is made to fail."""

    code: str
    button: str                         # one whose click changes what is shown
    done: str                           # what is read only when that is done
    bad: str                            # code that makes one which fails
    fail: Callable                      # what then fails
    says: str                           # what the strip says of it


def press(name):
    """Click a button, once it can be clicked."""
    return lambda box: box.get_by_role("button", name=name, exact=True).first.click()


def key(name, role, called=None, at=0):
    """Press a key on a control."""
    def pressed(box):
        box.get_by_role(role, **{"name": called, "exact": True} if called else {}).nth(at).focus()
        box.page.keyboard.press(name)

    return pressed


def enter(schedule):
    """Type a schedule, and Enter."""
    def entered(box):
        box.get_by_role("textbox", name="schedule").fill(schedule)
        box.page.keyboard.press("Enter")

    return entered


WIDGETS = {
    "FolioLab": Try("FolioLab()", "before", "isolates the folio", "FolioLab(kernel=kernel(asks_null))",
                    press("Reset to kind"),
                    "NullDereference"),
    "PathStepper": Try("PathStepper()", "Step", "Step 1, ", "PathStepper(kernel=kernel(divides))",
                       press("Step"),
                       "ZeroDivisionError: <b>mine</b>"),
    "RaceStepper": Try("RaceStepper()", "Step (C)", "Step 1, ", "RaceStepper()", enter("X3"),
                       "no thread is called X"),
    "MemoryMap": Try("MemoryMap(kl.random_zone(4096))", "Zoom in", "",
                     "MemoryMap(kl.random_zone(1024), on_select=lambda pfn: 1 / 0)",
                     key("Enter", "application"), "ZeroDivisionError"),
    "CompactionPlayer": Try("CompactionPlayer(pages=1024)", "Step", "step 1 of",
                            "CompactionPlayer(pages=1024)",
                            key("End", "slider", "unmovable"), "shares"),
    "ExperimentPanel": Try("ExperimentPanel(steps=2, seeds=1, pages=1024)", "Run", "4 of 4 runs done",
                           "ExperimentPanel(high=0.1)",
                           key("End", "slider", "from"), "the first must be the smaller"),
    "Prediction": Try("ask()", "moved", "Kept: 1 of 3 rows.", "without_record(ask())", press("moved"),
                      "AttributeError"),
}
CELLS = {"import": KERNELS, **{name: one.code for name, one in WIDGETS.items()}, "other": "0"}
NAMED = {"button", "slider", "checkbox", "textbox", "spinbutton", "combobox", "listbox", "radio", "image",
         "img", "Canvas", "canvas",
         "progressbar", "application", "grid", "link", "figure"}
# What can be reached by Tab, in the order of the page.
TABBABLE = """root => [...root.querySelectorAll(
        'a[href], button, input, select, textarea, [tabindex], [contenteditable=true]')]
    .filter(one => !one.disabled && (one.tabIndex >= 0 || one.isContentEditable)
        && one.checkVisibility({visibilityProperty: true}))"""
FOCUS = """root => { const one = document.activeElement, all = window.tabbable, look = getComputedStyle(one);
    return root.contains(one) ? {at: all.indexOf(one), what: one.outerHTML.slice(0, 120),
        outlined: look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 1,
        outline: look.outlineColor } : null }"""
# What is seen: the words, and a sum of every picture's bytes.
SEEN = """box => box.innerText + [...box.querySelectorAll('canvas')].map(one => [...one.toDataURL()].reduce(
    (sum, letter) => (sum * 31 + letter.charCodeAt()) | 0, 0))"""
# Every text in its colour, on what lies behind it: (contrast, text, colours).
# Disabled controls are exempt, as in WCAG.
CONTRAST = """root => {
    const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = css => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = css; paint.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255] };
    const over = ([r, g, b, a], under) => [r, g, b].map((one, at) => one * a + under[at] * (1 - a));
    const linear = one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    const light = colour => colour.map(one => linear(one / 255))
        .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
    const contrast = (one, other) => {
        const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05) };
    const behind = one => {         // every colour that may lie behind: a gradient has several
        if (!one) return [[255, 255, 255]];
        const look = getComputedStyle(one), stops = look.backgroundImage.match(/rgba?\\([^)]*\\)/g) || [];
        const paints = stops.length ? stops.map(rgba) : [rgba(look.backgroundColor)];
        return paints.every(one => one[3] === 1) ? paints.map(one => one.slice(0, 3))
            : behind(one.parentElement).flatMap(under => paints.map(paint => over(paint, under)));
    };
    const found = [], walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const text = walk.currentNode.data.trim(), one = walk.currentNode.parentElement;
        const exempt = 'style, script, [disabled], select:not([size])';
        if (!text || one.closest(exempt) || !one.checkVisibility()) continue;
        const css = getComputedStyle(one).color, colour = rgba(css);
        for (let up = one; up; up = up.parentElement) colour[3] *= getComputedStyle(up).opacity;
        for (const under of behind(one))
            found.push([contrast(over(colour, under), under), text.slice(0, 40), css, `on ${under}`]);
    }
    return found }"""

every = pytest.mark.parametrize("name", WIDGETS)


@pytest.fixture(scope="module")
def served():
    """One JupyterLab and one Chromium for all of these tests."""
    with lab() as (base, work), chromium() as browser:
        yield browser, base, work


@pytest.fixture(scope="module")
def notebook(served):
    """A notebook with every widget in it, not run yet."""
    opened = Notebook(*served, CELLS)
    opened.run("import")
    yield opened
    opened.page.close()


@pytest.fixture
def show(notebook):
    """Run a cell again and give its widget. Meanwhile the page must not complain, nor ask anybody else."""
    notebook.errors.clear()

    def shown(cell, code=""):
        output = notebook.run(cell, code)
        output.locator("button, [data-mime-type*=stderr]").first.wait_for()
        assert output.locator("[data-mime-type*=stderr]").all_inner_texts() == []
        return output.locator(".kit-box").first

    yield shown
    assert notebook.errors == []
    assert notebook.hosts <= {"127.0.0.1", None}, "None: data: and blob: addresses, which stay in the page"


def works(notebook, box, act, done=""):
    """Do it, wait until the widget looks different and all of that is in the page, and give what is seen."""
    was = box.evaluate(SEEN)
    act(box)
    box.page.wait_for_function(f"([box, was, done]) => box.innerText.includes(done) && ({SEEN})(box) !== was",
                               arg=[box.element_handle(), was, done])
    notebook.settle()
    return box.evaluate(SEEN)


def click(notebook, box, name):
    """Click a widget's own button, the one in WIDGETS."""
    return works(notebook, box, press(WIDGETS[name].button), WIDGETS[name].done)


def nodes(box):
    """What Chromium tells a screen reader of the widget: (role, name) in the order of reading."""
    box.evaluate("box => { window.box = box }")
    session = box.page.context.new_cdp_session(box.page)
    found = session.send("Runtime.evaluate", {"expression": "window.box"})["result"]["objectId"]
    told = session.send("Accessibility.queryAXTree", {"objectId": found})["nodes"]
    session.detach()
    return [(one["role"]["value"], one.get("name", {}).get("value", "").strip()) for one in told
            if not one["ignored"]]


def worst(box, least=4.5):
    """The texts whose contrast is too small, the palest first."""
    found = box.evaluate(CONTRAST)
    assert len(found) > 10, "every widget has more to read than that"
    return sorted(one for one in found if one[0] < least)


# What a click does.

@every
def test_a_click_changes_what_is_shown(notebook, show, name):
    click(notebook, show(name), name)


# By keyboard alone.

@every
def test_tab_reaches_every_control_in_order_and_shows_where_it_is(show, name):
    box = show(name)
    count = box.evaluate(f"root => (window.tabbable = ({TABBABLE})(root)).length")
    box.evaluate("box => { box.tabIndex = -1; box.focus() }")
    seen = []
    while len(seen) <= count and None not in seen:
        box.page.keyboard.press("Tab")
        seen.append(box.evaluate(FOCUS))
    assert count >= 3 and [one and one["at"] for one in seen] == [*range(count), None]
    assert [one["what"] for one in seen[:-1] if not one["outlined"]] == []


@every
def test_enter_and_space_do_the_same_and_two_of_a_kind_do_not_disturb_each_other(notebook, show, name):
    one, other = show(name), show("other", WIDGETS[name].code)
    still, (_, button, done, *_) = other.evaluate(SEEN), WIDGETS[name]
    now = works(notebook, one, key("Enter", "button", button), done)
    assert other.evaluate(SEEN) == still
    assert works(notebook, other, key("Space", "button", button), done) == now == one.evaluate(SEEN)


@pytest.mark.parametrize("pressed, then",
                         [("Run C until blocked", "Back"), ("Last", "Step (C)"), ("First", "Step (C)")])
def test_the_keyboard_is_not_lost_with_a_button_that_is_disabled_under_it(notebook, show, pressed, then):
    box = show("RaceStepper")
    works(notebook, box, enter("C3T21"))
    if pressed == "Last":
        works(notebook, box, press("First"))
    works(notebook, box, key("Enter", "button", pressed))
    notebook.settle()
    assert box.get_by_role("button", name=pressed, exact=True).is_disabled()
    assert box.evaluate("""box => box.contains(document.activeElement)
        && document.activeElement.innerText.trim()""") == then


def test_whoever_has_left_is_not_called_back(notebook, show):
    box = show("other", "view = RaceStepper(); view.replay('C3T21'); view")
    box.get_by_role("button", name="Step C", exact=True).focus()
    box.evaluate("() => document.activeElement.blur()")
    box.page.evaluate("""code => jupyterapp.shell.currentWidget.sessionContext.session.kernel
        .requestExecute({code}).done""", "view.step('compaction')")
    notebook.settle()
    assert box.get_by_role("button", name="Step C", exact=True).is_disabled()
    assert not box.evaluate("box => box.contains(document.activeElement)")


@pytest.mark.parametrize("name, at", [("PathStepper", 0), ("ExperimentPanel", 1), ("CompactionPlayer", -1)])
def test_arrows_move_a_slider(notebook, show, name, at):
    box = show(name)
    slider = box.get_by_role("slider").nth(at)
    begin = float(slider.get_attribute("aria-valuenow"))
    works(notebook, box, key("ArrowRight", "slider", at=at))
    assert float(slider.get_attribute("aria-valuenow")) > begin


def test_a_checkbox_and_a_choice_are_set_by_keyboard(notebook, show):
    box = show("FolioLab")
    works(notebook, box, key("Space", "checkbox", "AS_UNMOVABLE: bit 8"))
    works(notebook, box, key("Home", "combobox", "start from"))
    assert box.get_by_role("combobox", name="start from").input_value() == "anon"


def test_a_schedule_is_typed_and_entered(notebook, show):
    assert "use after free" in works(notebook, show("RaceStepper"), enter("C3T21C1"), "CRASH.")


def test_the_map_is_walked_by_keys_of_its_own(notebook, show):
    box = show("MemoryMap")
    box.get_by_role("application").focus()
    for pressed, at in (("Home", 0), ("ArrowRight", 1), ("ArrowDown", 33), ("PageDown", 545), ("End", 4095),
                        ("0", 4095), ("0", 4095)):
        box.page.keyboard.press(pressed)
        box.locator("[aria-live]").filter(has_text=re.compile(rf"pfn {at:,}\b")).wait_for()
    assert notebook.page.locator(".jp-Dialog").count() == 0, "0 0 is JupyterLab's restart of the kernel"


# What is heard.

@every
def test_everything_that_is_worked_or_looked_at_has_a_name(notebook, show, name):
    box = show(name)
    click(notebook, box, name)
    told = [one for one in nodes(box) if one[0] in NAMED]
    assert [one for one in told if one[1] in ("", "null")] == [] and len(told) >= 5
    assert box.locator("canvas:not([aria-label], [aria-hidden], button canvas)").count() == 0


@pytest.mark.parametrize("name", ["FolioLab", "RaceStepper"])
def test_a_toggle_says_whether_it_is_pressed(show, name):
    box = show(name)
    for one, other in (("after", "before"), ("before", "after")):
        press(one)(box)
        box.get_by_role("button", name=one, exact=True, pressed=True).wait_for()
        box.get_by_role("button", name=other, exact=True, pressed=False).wait_for()


@every
def test_a_region_that_stays_in_the_page_says_what_was_done(notebook, show, name):
    box = show(name)
    box.page.wait_for_function("""box => {
        window.live = [...box.querySelectorAll('[role=status], [aria-live=polite]')];
        return live.length }""", arg=box.element_handle())
    box.page.evaluate("window.heard = live.map(one => one.textContent)")
    press(WIDGETS[name].button)(box) if name != "MemoryMap" else key("ArrowRight", "application")(box)
    box.page.wait_for_function("live.some((one, at) => one.isConnected && one.textContent !== heard[at])")


# In both themes.

@every
def test_text_can_be_read_and_an_error_is_seen_in_both_themes(notebook, show, name):
    box, failed = show(name), show("other", WIDGETS[name].bad)
    click(notebook, box, name)
    WIDGETS[name].fail(failed)
    strip = failed.get_by_role("alert").filter(has_text=WIDGETS[name].says)
    strip.wait_for()
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        assert (theme, worst(box), worst(failed)) == (theme, [], [])
        assert strip.is_visible()


@pytest.mark.parametrize("name", ["MemoryMap", "CompactionPlayer"])
def test_a_map_that_has_no_size_while_the_theme_changes_is_painted_in_the_new_one(notebook, show, name):
    box = show(name)
    notebook.settle()
    box.evaluate("""async (box) => {              // all before the next frame
        const map = box.querySelector('.kit-map'), body = document.body.dataset;
        map.style.display = 'none';
        body.jpThemeLight = 'false';
        await Promise.resolve();
        map.style.display = '' }""")
    free = [int(plots.DARK["free"][at:at + 2], 16) for at in (1, 3, 5)]
    box.page.wait_for_function("""([box, [red, green, blue]]) => {
        const canvas = box.querySelector('.kit-map-stack canvas');
        const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        for (let at = 0; at < bytes.length; at += 4)
            if (bytes[at] === red && bytes[at + 1] === green && bytes[at + 2] === blue) return true }""",
                               arg=[box.element_handle(), free])
    box.page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    notebook.settle()


def test_nothing_moves_where_motion_is_not_wanted(notebook, show):
    notebook.page.emulate_media(reduced_motion="reduce")
    for name in WIDGETS:
        moving = show(name).evaluate("""box => [...box.querySelectorAll('*')].filter(one => {
            const {transitionDuration, animationName} = getComputedStyle(one);
            return transitionDuration.split(', ').some(parseFloat) || animationName !== 'none' }).length""")
        assert moving == 0
    box = show("CompactionPlayer")
    notebook.settle()
    press("Play")(box)
    last = box.get_by_role("slider", name="step").get_attribute("aria-valuemax")
    box.get_by_text(f"step {float(last):.0f} of {float(last):.0f}").first.wait_for()
    assert box.get_by_role("button", name="Play").count() == 1, "it went there at once"
    notebook.page.emulate_media(reduced_motion="no-preference")


# The notebook around them.

def test_after_a_restart_of_the_kernel_run_all_works(notebook, show):
    box = show("PathStepper")
    notebook.restart()
    box.evaluate("box => { box.dataset.old = 1 }")
    notebook.run_all()
    box = notebook.output("PathStepper").locator(".kit-box:not([data-old])").first
    box.get_by_role("button").first.wait_for()
    click(notebook, box, "PathStepper")


def test_notebook_7_shows_the_same(served):
    pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    opened = Notebook(*served, {"import": KERNELS, "PathStepper": "PathStepper()"}, app="notebooks")
    opened.errors.clear()                   # its own, before anything of ours is there
    opened.run_all()
    box = opened.output("PathStepper").locator(".kit-box").first
    click(opened, box, "PathStepper")
    assert opened.errors == [] and opened.hosts <= {"127.0.0.1", None}
    opened.page.close()


# Pages that run nothing.

@pytest.mark.parametrize("name", ["00_start_here", "06_race_with_truncation"])
def test_a_saved_notebook_reads_as_html_without_scripts_and_without_a_network(served, tmp_path, name):
    html, _ = HTMLExporter().from_filename(ROOT / f"notebooks/{name}.ipynb")
    tmp_path.joinpath(f"{name}.html").write_text(html)
    context = served[0].new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{tmp_path}/{name}.html")
    pictures = page.locator(".jp-OutputArea-output img")
    assert pictures.count() >= 1
    assert all(pictures.nth(at).evaluate("one => one.complete && one.naturalWidth > 100")
               for at in range(pictures.count()))
    text = page.inner_text("body")
    assert len(re.findall(r"\w+", text)) > 500
    if name == "06_race_with_truncation":           # the stepper, and its verdict folded away in the answer
        assert "schedule  not begun" in text and "verdict   UNSAFE" not in text
    context.close()
