"""Flow charts of decision trees: nothing is drawn over another, all is written, the way taken is seen."""
import functools
import itertools
import random
import re

import numpy as np
import pytest
from PIL import Image

import kitlib as kl
from kitlib import plots
from kitlib.concurrency import tree
from kitlib.concurrency.tree import Leaf, Node, leaf_text, unfold
from kitlib.mm.verdict import MODES
from kitlib.plots import flow, layout

KERNELS = [kl.before, kl.racy, kl.after]
TREES = {f"{kernel.__name__.split('.')[-1]} {'A' * mode[0]}{'U' * mode[1]}{'F' * mode[2]}": (kernel, mode)
         for kernel in KERNELS for mode in MODES}


def grown(name):
    return unfold(TREES[name][0].isolate_folio, mode=TREES[name][1])


@functools.lru_cache
def a_random_tree(seed):
    """A path whose questions and endings are drawn by lot: shapes that no kernel has."""
    dice, size = random.Random(seed), 14
    leads = {(question, answer): dice.randint(question + 1, min(question + 7, size + 3))
             for question in range(size) for answer in (False, True)}

    @kl.atomic
    def look(number) -> bool:
        return number

    def path(start):
        question = 0
        while question < size:
            question = leads[question, (yield look(question))]
        return kl.Verdict("isolate_fail", f"the ending with the number {question}")

    return unfold(path)


RANDOM_TREES = [seed for seed in range(45, 65) if isinstance(a_random_tree(seed), Node)]
DRAWN = [*TREES, "move", *RANDOM_TREES]


def any_tree(name):
    if name == "move":
        return unfold(kl.after.move_to_new_folio, mode=kl.MigrateMode.SYNC)
    return grown(name) if name in TREES else a_random_tree(name)


def overlap(one, other, slack=0.5):
    """Of two boxes (left, top, right, bottom): whether they do, by more than `slack` both ways."""
    return all(min(one[side + 2], other[side + 2]) - max(one[side], other[side]) > slack for side in (0, 1))


@pytest.mark.parametrize("name", DRAWN)
def test_no_line_crosses_a_box_or_lies_on_another_way(name):
    plan = layout.Plan(any_tree(name))
    boxes = {id(node): (x, y - layout.BOX / 2, x + wide, y + layout.BOX / 2)
             for node in plan.questions for x, y, wide in [plan.corner(node)]}
    assert not [pair for pair in itertools.combinations(boxes.values(), 2) if overlap(*pair)]
    pieces = [(edge, (min(a, c), min(b, d), max(a, c), max(b, d)))
              for edge in plan.edges for (a, b), (c, d) in itertools.pairwise(plan.line(edge))]
    for _, (left, top, right, bottom) in pieces:
        wider = left - 1, top - 1, right + 1, bottom + 1
        assert not [node for node, box in boxes.items() if overlap(wider, box, slack=1.1)]
    for (edge, one), (other, two) in itertools.combinations(pieces, 2):
        if edge.target is not other.target and edge.source is not other.source:
            along = max(min(one[2], two[2]) - max(one[0], two[0]), min(one[3], two[3]) - max(one[1], two[1]))
            touch = overlap(tuple(np.add(one, (-1, -1, 1, 1))), two, slack=-1)
            assert not touch or along < 2, (str(edge.source), str(other.source))


@pytest.mark.parametrize("name", ["after UF", "after AUF", "racy AF", "move", *RANDOM_TREES[:5]])
def test_no_two_texts_of_the_figure_overlap_and_none_leaves_it(name):
    figure = plots.decision_tree(any_tree(name), title="A title")
    renderer = flow.FigureCanvasAgg(figure).get_renderer()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    extents = [text.get_window_extent(renderer).extents for text in texts]
    pairs = itertools.combinations(zip(texts, extents), 2)
    assert [(one.get_text(), other.get_text())
            for (one, here), (other, there) in pairs if overlap(here, there)] == []
    wide, high = figure.get_size_inches() * figure.dpi
    assert all(min(x0, y0) >= 0 and x1 <= wide and y1 <= high for x0, y0, x1, y1 in extents)


@pytest.mark.parametrize("name", ["before AUF", "racy AUF", "after AUF", "after UF", "after A"])
def test_every_question_and_every_reason_is_written_in_the_figure_and_in_its_text(name):
    tree_of = grown(name)
    figure = plots.decision_tree(tree_of)
    written = [text.get_text().replace("\n", " ") for text in figure.axes[0].texts]
    for node in tree.nodes(tree_of):
        if isinstance(node, Node):
            assert sum(text.endswith(f" {node}") for text in written)
        else:
            assert leaf_text(node) in written and leaf_text(node) in figure.text
    questions = sum(isinstance(node, Node) for node in tree.nodes(tree_of))
    assert f"{questions} questions, {len(tree.nodes(tree_of)) - questions} endings: " in repr(figure)


def test_the_trees_of_after_fit_a_notebook():
    for name, high in (("after UF", 650), ("after AUF", 850)):
        width, height = plots.decision_tree(grown(name)).get_size_inches() * flow.DPI
        assert width <= 960 and height <= high


def test_the_way_that_a_run_took_is_wider_and_of_another_colour():
    folio, tree_of = kl.one_folio("guest_memfd"), grown("after UF")
    machine = kl.run(kl.Machine(folio.zone, {"c": lambda: kl.after.isolate_folio(folio, kl.Mode())}))
    lit = tree.taken(tree_of, machine.trace)
    figure = plots.decision_tree(tree_of, lit)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 1]
    wide = [line for line in lines if line.get_color() == flow.LIT]
    assert len(wide) == len(lit) - 1 == 8 and min(line.get_linewidth() for line in wide) > max(
        line.get_linewidth() for line in lines if line not in wide)
    assert repr(figure).endswith("folio_mapping mapping, mapping_unmovable yes: mapping is unmovable")
    says = "a node of another tree: write lit=tree.taken(grown, machine.trace)"
    with pytest.raises(ValueError, match=re.escape(says)):
        plots.decision_tree(grown("after UF"), lit)


def test_a_tree_without_a_question_is_no_picture():
    with pytest.raises(ValueError, match="a tree without a question"):
        plots.decision_tree(Leaf(kl.Verdict("isolate_fail", "no")))


def test_a_figure_shows_itself_without_pyplot_and_is_the_same_every_time():
    charts = [plots.decision_tree(grown("after UF"), title="twice") for _ in range(2)]
    (png, shown), (again, _) = (chart._repr_png_() for chart in charts)
    assert png == again and shown["alt"] == repr(charts[0])
    assert repr(charts[0]).startswith("twice, 11 questions, 8 endings: ")
    assert len(png) < 120_000 and charts[0].picture().image.size == (shown["width"] * 2, shown["height"] * 2)
    assert isinstance(charts[0].picture().image, Image.Image)
