"""What a press changes is in view beside what was pressed: in a window of 1,280 x 800, nothing is scrolled.

With JupyterLab's file browser open a notebook's output is 848 pixels wide, without it 1,112.
"""
import re

import pytest
from browser import MISSING, Notebook, chromium, lab

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")

CELLS = {"import": "import kitlib as kl\nfrom kitlib.widgets import *",
         "PathStepper": "PathStepper(kind='guest_memfd')", "RaceStepper": "RaceStepper(kl.racy)",
         "FolioLab": "FolioLab('guest_memfd')",
         "CompactionPlayer": "CompactionPlayer(pages=4096, free=0.1, pinned=0.1, seed=1)"}
WIDTHS = {"lab/tree": 848, "doc/tree": 1112}
# Scroll until `what` is the first that is seen.
SCROLL = """what => { const window = what.closest('.jp-WindowedPanel-outer');
    window.scrollTop += what.getBoundingClientRect().top - window.getBoundingClientRect().top - 4 }"""
# Of parts of the page that have a size: the text, and whether nothing of it is cut off.
PARTS = """all => all.filter(one => one.checkVisibility()).map(one => {
    const {left, right, top, bottom} = one.getBoundingClientRect();
    let seen = bottom > top;
    for (let up = one.parentElement; up !== document.body; up = up.parentElement) {
        const around = up.getBoundingClientRect();
        if (getComputedStyle(up).overflowY !== 'visible')
            seen &&= left >= around.left - 1 && right <= around.right + 1
                && top >= around.top - 1 && bottom <= around.bottom + 1;
    }
    return [one.innerText, seen] })"""
MARKED, OBJECTS = ".kit-next, .kit-crash", ".kit-objects > .kit-object"
STATUS = "[role=status]"


@pytest.fixture(scope="module", params=WIDTHS)
def notebook(request):
    with lab() as (base, work), chromium() as browser:
        opened = Notebook(browser, base, work, CELLS, app=request.param, width=1280, height=800)
        opened.run("import")
        opened.wide = WIDTHS[request.param]
        yield opened


@pytest.fixture
def show(notebook):
    """Run a cell; the row in which `first` is stands at the top of the window, and its widget is given."""
    def shown(name, role, first):
        box = notebook.run(name).locator(".kit-box").first
        box.get_by_role(role, name=first, exact=True).wait_for()
        notebook.settle()
        assert box.bounding_box()["width"] <= notebook.wide
        box.get_by_role(role, name=first, exact=True).evaluate(SCROLL)
        return box

    return shown


def parts(box, what):
    return box.locator(what).evaluate_all(PARTS)


def press(notebook, box, name):
    """Press a button where it stands: the click itself must not scroll."""
    button = box.get_by_role("button", name=name, exact=True)
    assert button.evaluate_all(PARTS)[0][1], f"{name} is out of view"
    button.evaluate("one => one.click()")
    notebook.settle()


def changed(notebook, box, name, *whats):
    """Press a button; of each sort of part those that are marked, or read otherwise than before."""
    was = [parts(box, what) for what in whats]
    press(notebook, box, name)
    now = [parts(box, what) for what in whats]
    return [[one for one in these if what == MARKED or one[0] not in dict(those)]
            for what, those, these in zip(whats, was, now, strict=True)]


def test_a_step_of_a_path_is_seen_in_its_line_its_objects_and_its_words(notebook, show):
    box, lines, objects = show("PathStepper", "button", "First"), [], []
    while box.get_by_role("button", name="Step", exact=True).is_enabled():
        marked, things, said = changed(notebook, box, "Step", MARKED, OBJECTS, STATUS)
        assert all(seen for _, seen in marked + things + said) and len(said) == 1
        lines += marked
        objects += [text for text, _ in things]
    assert len(lines) > 8 and len(objects) >= 4, "refcount, lock, pointer, unlock, refcount"
    assert any("locked by compaction" in text for text in objects)
    wide, room = box.locator(".kit-events").evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert wide <= room and parts(box, ".kit-events table tr:first-child")[0][1]


def test_a_step_of_a_race_is_seen_in_every_threads_line_and_a_crash_in_the_line_that_crashed(notebook, show):
    box, objects = show("RaceStepper", "button", "First"), []
    for letter in "C" * 3 + "T" * 21 + "C":
        marked, things, said = changed(notebook, box, f"Step {letter}", MARKED, OBJECTS, STATUS)
        assert all(seen for _, seen in marked + things + said) and len(said) == 1
        objects += [text for text, _ in things]
    assert "CRASH." in said[0][0]
    (line, is_seen), = parts(box, ".kit-crash")
    assert "mapping_unmovable(mapping)" in line and is_seen
    assert any("FREED at step" in text for text in objects)
    assert any("locked by truncation" in text for text in objects)


def test_a_switch_of_the_folio_is_seen_in_the_verdict_and_in_the_line_that_decides(notebook, show):
    box = show("FolioLab", "combobox", "start from")
    for name, says in [("before", "isolated"), ("after", "mapping is unmovable")]:
        verdict, = changed(notebook, box, name, STATUS)
        assert verdict and all(seen for _, seen in verdict)
        text, is_seen = parts(box, ".kit-asked")[-1]
        assert is_seen and says in text
        assert parts(box, ".kit-table")[0][1], "what the patch does"
    for name in ("PG_unevictable", "PG_lru"):
        was = parts(box, STATUS)
        box.get_by_role("checkbox", name=re.compile(name)).evaluate("one => one.click()")
        notebook.settle()
        assert parts(box, STATUS)[0][1] and parts(box, STATUS) != was
        assert parts(box, ".kit-asked")[-1][1]


def test_the_buttons_of_a_run_and_its_map_are_seen_together(notebook, show):
    box = show("CompactionPlayer", "button", "First")
    for part in ("button:has-text('Step')", ".kit-said", ".kit-map canvas", ".kit-map-legend"):
        assert parts(box, part)[0][1], part
    press(notebook, box, "Step")
    assert parts(box, ".kit-map canvas")[0][1]
