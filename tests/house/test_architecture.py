"""The picture of the architecture is that of the structure, leaves nothing out, and can be read."""
from itertools import pairwise
from xml.etree import ElementTree

import architecture
import pytest
from test_structure import FLOOR

SVG = "{http://www.w3.org/2000/svg}"


def reached(arrows, name):
    return arrows[name].union(*(reached(arrows, other) for other in arrows[name]))


def test_the_picture_in_the_tree_is_that_of_the_structure():
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.svg(), "write: make architecture"


def test_every_folder_and_module_stands_on_its_floor():
    rows = [name for row in architecture.ROWS for name in row]
    assert set(rows) == set(FLOOR) and len(rows) == len(FLOOR)
    assert [FLOOR[name] for name in rows] == sorted(FLOOR.values(), reverse=True)


def test_fewer_arrows_say_the_same():
    arrows = architecture.imported()
    fewer = architecture.reduced(arrows)
    assert {name: reached(fewer, name) for name in FLOOR} == {name: reached(arrows, name) for name in FLOOR}
    for name, other in ((name, other) for name, others in fewer.items() for other in others):
        without = fewer | {name: fewer[name] - {other}}
        assert other not in reached(without, name), f"{name} to {other} follows from others"


def test_an_arrow_for_each_import_that_follows_from_no_other_and_the_words_of_every_docstring():
    drawn = ElementTree.fromstring(architecture.svg())
    arrows = [path for path in drawn.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(arrows) == sum(map(len, architecture.reduced(architecture.imported()).values()))
    written = " ".join(text.text for text in drawn.iter(f"{SVG}text"))
    for name in FLOOR:
        assert architecture.phrase(name) in written, name


@pytest.mark.parametrize("more", [
    {}, {"check": {"plots"}, "races": {"mm"}, "experiments": {"races"}}],
    ids=["today", "more"])
def test_no_arrow_leads_up_or_through_a_box(more):
    boxes = architecture.boxes()
    arrows = {name: others | more.get(name, set()) for name, others in architecture.imported().items()}
    for pair, points in architecture.routes(boxes, architecture.reduced(arrows)).items():
        for (x, y), (to_x, to_y) in pairwise(points):
            assert y <= to_y, f"{pair} leads up"
            # Where it turns it stays between rows: it can only meet a box where it runs straight.
            if x == to_x:
                hit = [name for name, box in boxes.items() if box.left <= x <= box.right
                       and max(y, box.top) < min(to_y, box.bottom)]
                assert hit == [], f"{pair} leads through {hit}"


def test_words_stay_in_their_boxes():
    for name, box in architecture.boxes().items():
        lines = architecture.words_of(name, box.right - box.left)
        assert max(map(len, lines)) * architecture.LETTER <= box.right - box.left - 2 * architecture.PAD
        assert architecture.HEADING + len(lines) * architecture.LINE <= box.bottom - box.top, name
