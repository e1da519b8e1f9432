"""The two sketches fit their sheets, say in words what they show, and are the same in every run."""
import re
from collections import Counter
from itertools import combinations

import pytest

from kitlib import plots
from kitlib.mm import a_ops, flag_names, mapping_set_unmovable
from kitlib.mm.mapping import AddressSpace
from kitlib.plots import sketches
from kitlib.plots.flow import INK, PALE, PAPER
from kitlib.plots.layout import width_of
from kitlib.plots.picture import font
from kitlib.widgets.memory_map import contrast

sketch = pytest.mark.parametrize("draw", [plots.file_in_memory, plots.lists_and_scanners],
                                 ids=lambda draw: draw.__name__)


def written(chart):
    """Of each text that is drawn: what it says, and its box in pixels."""
    chart.canvas.draw()
    return [(text.get_text(), text.get_window_extent()) for text in chart.axes[0].texts if text.get_text()]


@sketch
def test_all_words_are_on_the_sheet_and_none_on_another(draw):
    chart = draw()
    found = written(chart)
    for words, box in found:
        assert 0 <= box.x0 < box.x1 <= chart.bbox.x1 and 0 <= box.y0 < box.y1 <= chart.bbox.y1, words
    assert [(one, two) for (one, a), (two, b) in combinations(found, 2) if a.overlaps(b)] == []


@pytest.mark.parametrize("boxes", [sketches._FILE, sketches._LISTS], ids=["file", "lists"])
def test_a_box_holds_its_words_and_lies_apart_from_the_others_or_inside_one(boxes):
    for box in boxes:
        widest = max(font(13, "-Bold").getlength(box.name), *map(width_of, ("", *box.lines)))
        assert widest + 2 * sketches._PAD <= box.wide, box.name
    for one, two in combinations(boxes, 2):
        beside = (one.left + one.wide <= two.left or two.left + two.wide <= one.left
                  or one.top + one.high <= two.top or two.top + two.high <= one.top)
        inside = (one.left < two.left and two.left + two.wide < one.left + one.wide
                  and one.top < two.top and two.top + two.high < one.top + one.high)
        assert beside or inside, (one.name, two.name)


@sketch
def test_a_sketch_is_small_and_the_same_each_time_and_its_text_stands_beside_it(draw):
    png, shown = draw()._repr_png_()
    assert draw()._repr_png_()[0] == png and len(png) < 48_000
    assert shown["width"] <= 820 and shown["alt"] == repr(draw()) == draw().text


def test_the_text_of_the_file_says_all_that_is_written_in_its_sketch():
    text = " ".join(plots.describe_file().split())
    for words, _ in written(plots.file_in_memory()):
        assert words.isdigit() or words in ("reference", "points") or words in text, words


def test_the_folio_has_as_many_references_as_arrows_lead_to_it_and_its_mapping_the_flags_of_the_call():
    boxes = {box.name: box for box in sketches._FILE}
    holders = [arrow for arrow in sketches._ARROWS if arrow.target == "folio" and arrow.holds]
    assert f"references: {len(holders)}" in boxes["folio"].lines
    mapping = AddressSpace("a file", a_ops.shmem_aops)
    mapping_set_unmovable(mapping)
    assert ", ".join(flag_names(mapping.flags)) in boxes["mapping"].lines


def test_nothing_holds_the_mapping_or_its_inode_but_the_task():
    holders = {(arrow.source, arrow.target) for arrow in sketches._ARROWS if arrow.holds}
    assert [source for source, target in holders if target in ("inode", "mapping")] == ["task"]


def test_a_page_stands_once_in_the_zone_and_once_on_its_list_if_it_is_on_one():
    zone = "".join(sketches._ZONE)
    drawn = Counter(int(words) for words, _ in written(plots.lists_and_scanners()) if words.isdigit())
    assert drawn == {pfn: 1 if letter in "kf" else 2 for pfn, letter in enumerate(zone)}
    assert zone.count("i") == zone.count("t")


def test_the_text_of_the_lists_counts_every_page_of_the_zone():
    pages, *counts = map(int, re.findall(r"\d+", plots.describe_lists().splitlines()[1]))
    assert counts[0] == len(sketches._ZONE) and sum(counts[1:]) == pages == len("".join(sketches._ZONE))


def test_words_and_numbers_stand_out_from_what_is_below_them():
    assert min(contrast(INK, fill) for fill in (PAPER, PALE, plots.LIGHT["isolated"])) >= 4.5
    for state in {state for state, _ in sketches._KINDS.values()}:
        assert contrast(sketches._ink_on(state), plots.LIGHT[state]) >= 4.5, state
