"""Curves say in words what they draw, hide nothing, and can be told apart without colour."""
import re

import numpy as np
import pandas as pd
import pytest

from kitlib import experiments, plots
from kitlib.compaction.control import CALLERS
from kitlib.experiments import memory, sweep
from kitlib.plots import curves


@pytest.fixture(scope="module")
def frame():
    over = {"unmovable": [0.0, 0.2, 0.4], "kernel": ["before", "after"], "pages": [1536],
            "caller": ["direct async", "kcompactd", "compact_memory"]}
    return sweep(memory, over, range(4))


@pytest.fixture(scope="module")
def one(frame):
    return frame[frame.caller == "compact_memory"]


def drawn(chart):
    """The lines with a name, by name."""
    lines = {line.get_label().replace("\n", " "): line for line in chart.axes[0].lines}
    return {name: line for name, line in lines.items() if not name.startswith("_")}


def made(**columns):
    return pd.DataFrame({"kernel": "after", "seed": 0} | columns)


def test_the_line_is_the_median_and_the_band_the_range_of_the_seeds(one):
    chart = plots.curve(one, "unmovable", "isolated")
    assert list(drawn(chart)) == ["before", "after"]
    for kernel, line in drawn(chart).items():
        group = one[one.kernel == kernel].groupby("unmovable").isolated
        assert list(line.get_xdata()) == [0.0, 0.2, 0.4] and list(line.get_ydata()) == list(group.median())
    edges = [band.get_paths()[0].vertices[:, 1] for band in chart.axes[0].collections]
    for kernel, edge in zip(("before", "after"), edges):
        values = one[one.kernel == kernel].isolated
        assert (edge.min(), edge.max()) == (values.min(), values.max())


def test_a_chart_says_what_it_draws(one):
    chart = plots.curve(one, "unmovable", "isolation_success")
    assert repr(chart) == chart.picture().text == plots.describe_curve(one, "unmovable", "isolation_success")
    first, before, after = repr(chart).splitlines()
    assert first == "isolation_success against unmovable, median and range of 4 seeds."
    assert before == "before: 1 at 0.0, 1 at 0.2, 1 at 0.4"
    assert re.fullmatch(r"after: 1 at 0\.0, 0\.\d+ \(0\.\d+ to 0\.\d+\) at 0\.2, 0\.\d+ \(.*\) at 0\.4",
                        after)
    assert chart.picture().png.startswith(b"\x89PNG")


def test_a_notebook_shows_the_picture_with_its_text(one):
    png, data = plots.curve(one, "unmovable", "isolated")._repr_png_()
    assert png.startswith(b"\x89PNG") and data["width"] < 1000
    assert data["alt"].startswith("isolated against unmovable")


def test_lines_that_lie_on_each_other_are_one_and_none_is_hidden(frame):
    names = " ".join(drawn(plots.curve(frame, "unmovable", "isolation_success", by=["kernel", "caller"])))
    assert "after: kcompactd, compact_memory" in names
    for kernel in ("before", "after"):
        assert f"{kernel}:" in names
    assert all(names.count(caller) == 2 for caller in ("direct async", "kcompactd", "compact_memory"))


def test_every_line_can_be_told_apart_without_colour():
    both = [(kernel, caller) for kernel in ("before", "after") for caller in CALLERS]
    for keys in ([("before",), ("racy",), ("after",)], both):
        styles = curves._styles(keys)
        assert len({(style["marker"], str(style["linestyle"])) for style in styles}) == len(keys)
        assert len({(style["color"], str(style["linestyle"])) for style in styles}) == len(keys)


def test_the_legend_stands_in_the_order_in_which_the_lines_end(one):
    turned = one.assign(isolated=-one.isolated)
    for frame, order in ((one, ["before", "after"]), (turned, ["after", "before"])):
        legend = plots.curve(frame, "unmovable", "isolated").axes[0].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == order


def test_the_legend_and_the_labels_stay_on_the_paper():
    frame = experiments.dirty_share(range(2), dirty=[0.0, 0.2], pages=[1536])
    for chart in (plots.curve(frame, "dirty", "isolation_success", by=["migrate_folio", "caller"]),
                  plots.curve(frame, "dirty", "targets", by=["migrate_folio", "caller"])):
        chart.picture()
        box = chart.axes[0].get_tightbbox()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= chart.bbox.width and box.y1 <= chart.bbox.height


def test_yes_and_no_are_drawn_as_a_share_with_its_interval():
    frame = made(x=1.0, yes=[True] * 3 + [False] * 7, seed=range(10))
    line = drawn(plots.curve(frame, "x", "yes"))["after"]
    assert list(line.get_ydata()) == [0.3]
    # Wilson's interval for 3 of 10 (Brown, Cai and DasGupta 2001).
    says = "share of yes and its 95 % interval of 10 seeds.\nafter: 0.3 (0.108 to 0.603) at 1.0"
    assert says in plots.describe_curve(frame, "x", "yes")


def test_what_is_no_scale_gets_points_with_its_words_below():
    frame = made(x=[False, True, False, True], y=[1, 2, 3, 5], kernel=["a", "a", "b", "b"])
    axes = plots.curve(frame, "x", "y").axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["no", "yes"]
    assert all(line.get_linestyle() == "None" for line in axes.lines)
    assert len({x for line in axes.lines for x in line.get_xdata()}) == 4, "points stand side by side"


def test_where_nothing_was_isolated_there_is_no_point():
    frame = made(x=[1, 2], y=[np.nan, 0.5])
    assert plots.describe_curve(frame, "x", "y").endswith("after: none at 1, 0.5 at 2")
    plots.curve(frame, "x", "y").picture()


def test_a_stopped_sweep_is_said_to_be_one():
    frame = sweep(memory, {"free": [0.3, 0.5], "pages": [1024]}, range(2),
                  progress=lambda done, total: done == 3)
    assert "of 2 seeds. Stopped after 3 of 4 runs." in repr(plots.curve(frame, "free", "isolated"))


@pytest.mark.parametrize("x, y, by, says", [
    ("unmoveable", "isolated", "kernel", "no column 'unmoveable': write one of unmovable"),
    ("unmovable", "status", "caller", "status is no number"),
    ("unmovable", "isolated", "kernel", "caller also differs .*write by=['kernel', 'caller']"),
    ("unmovable", "isolated", [], "kernel, caller also differs"),
    ("kernel", "isolated", "caller", "unmovable also differs")])
def test_what_cannot_be_drawn_is_refused(frame, x, y, by, says):
    with pytest.raises(ValueError, match=re.escape(says).replace(r"\.\*", ".*")):
        plots.curve(frame, x, y, by=by)


def test_an_empty_frame_and_too_many_lines_are_refused(frame):
    with pytest.raises(ValueError, match="no row"):
        plots.curve(frame.head(0), "unmovable", "isolated")
    with pytest.raises(ValueError, match="7 lines cannot be told apart: choose rows first"):
        plots.curve(made(x=1, y=range(7), kernel=list("abcdefg")), "x", "y")
