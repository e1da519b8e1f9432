"""Runs are drawn as they went: the model's alone, and the kernel's beside the model's, with what differs."""
import numpy as np
import pandas as pd
import pytest

import kitlib as kl
from kitlib import plots, recordings
from kitlib.compaction.events import IsolateEvent
from kitlib.experiments import memory


def drawn(chart):
    """The lines with a name, by name."""
    return {line.get_label(): line for line in chart.axes[0].lines if not line.get_label().startswith("_")}


def compacted(caller="compact_memory", **shares):
    zone = memory(8192, **shares)
    cc = kl.control_for(caller, zone)
    kl.compact_zone(cc)
    return cc


def test_the_scanners_come_toward_each_other_and_never_go_back():
    cc = compacted(unmovable=0.1)
    up, down = drawn(plots.scanners(cc)).values()
    assert list(up.get_ydata()) == sorted(up.get_ydata())
    assert list(down.get_ydata()) == sorted(down.get_ydata(), reverse=True)
    steps = [*up.get_xdata(), *down.get_xdata()]
    assert sorted(steps) == list(range(1, len(steps) + 1))
    assert max(up.get_ydata()) == cc.migrate_pfn


def test_the_text_says_where_the_scanners_met():
    cc = compacted()
    assert repr(plots.scanners(cc)) == plots.describe_scanners(cc)
    assert plots.describe_scanners(cc).endswith(f"they meet at pfn {cc.migrate_pfn:,}")
    taken = sum(event.nr_taken for event in cc.trace if type(event) is IsolateEvent)
    assert f", {taken:,} pages taken" in plots.describe_scanners(cc).split(";")[0]
    assert plots.describe_scanners(compacted("kcompactd")).endswith("the run ends before they meet")


def test_a_run_without_steps_is_refused():
    with pytest.raises(ValueError, match="write compact_zone"):
        plots.scanners(kl.control_for("kcompactd", memory(512)))


# --- a recorded run beside the model's

@pytest.fixture(scope="module")
def quiet():
    return recordings.compare(recordings.load("6.12-mlock-u0-s348"))


@pytest.fixture(scope="module")
def noise():
    return recordings.compare(recordings.load("6.12-mix-u1-s372-noise"))


def test_where_both_runs_are_equal_nothing_is_crossed_and_the_lines_coincide(quiet):
    _, differs, ahead = plots.compare_scanners(quiet).axes
    lines = drawn(plots.compare_scanners(quiet))
    assert list(lines) == ["migrate scanner, kernel", "migrate scanner, model",
                           "free scanner, kernel", "free scanner, model"]
    for scanner in ("migrate", "free"):
        kernel, model = (lines[f"{scanner} scanner, {side}"].get_xydata() for side in ("kernel", "model"))
        assert np.array_equal(kernel, model) and len(model) == (quiet.scanner == scanner).sum()
    assert all(len(line.get_xdata()) == 0 for line in differs.lines)
    assert all(not line.get_ydata().any() for line in ahead.lines)
    assert differs.get_title(loc="left") == "ranges that differ: migrate 0 of 230, free 0 of 58"


def test_every_range_that_differs_is_crossed_and_no_other(noise):
    _, differs, ahead = plots.compare_scanners(noise).axes
    for scanner, crosses, line in zip(("migrate", "free"), differs.lines, ahead.lines):
        rows = noise[noise.scanner == scanner]
        assert crosses.get_xdata().tolist() == [n for n, agrees in enumerate(rows.agrees, 1) if not agrees]
        assert crosses.get_marker() == "x"
        assert line.get_ydata()[-1] == rows.nr_taken.sum() - rows.kernel_taken.sum()


def test_the_text_says_how_many_ranges_are_equal_and_where_each_run_meets(quiet, noise):
    assert repr(plots.compare_scanners(noise)) == plots.describe_compared(noise)
    name, migrate, free, dma, dma32 = plots.describe_compared(noise).splitlines()
    assert name == "6.12-mix-u1-s372-noise, DMA, DMA32"
    assert migrate == ("migrate scanner: kernel 142 ranges, model 144, 81 equal, "
                       "number 22 is the first that differs; pages taken: kernel 12,011, model 11,647")
    assert free.startswith("free scanner: kernel 193 ranges, model 194, 31 equal, number 27")
    assert dma == "they meet in DMA at pfn 3,584"
    assert dma32 == "they meet in DMA32 at pfn 48,640, the model's at 49,152"
    assert "differs" not in plots.describe_compared(quiet) and "model's" not in plots.describe_compared(quiet)


def test_one_zone_is_drawn_alone(noise):
    one = plots.compare_scanners(noise[noise.zone == "DMA"])
    assert list(drawn(one)) == ["migrate scanner, kernel", "migrate scanner, model"]
    assert "DMA32" not in repr(one)
    assert max(drawn(one)["migrate scanner, model"].get_ydata()) == 3584


def test_what_was_left_out_is_said():
    frame = recordings.compare(recordings.load("6.12-pin-u1-s328"), without=("32-page stop", "per-CPU lists"))
    chart = plots.compare_scanners(frame)
    assert repr(chart).startswith("6.12-pin-u1-s328 without 32-page stop and per-CPU lists, DMA, DMA32")
    chart.picture()
    box = chart.axes[0].get_tightbbox()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= chart.bbox.width and box.y1 <= chart.bbox.height


def test_a_frame_without_a_name_or_an_end_is_drawn(quiet):
    bare = pd.DataFrame(quiet.to_dict("list")).astype(quiet.dtypes)
    assert repr(plots.compare_scanners(bare, title="mine")).startswith("recorded run, DMA, DMA32")
    assert "meet" not in repr(plots.compare_scanners(bare))


def test_what_is_no_comparison_is_refused(quiet):
    recording = recordings.load("6.12-pin-u1-s328")
    says = r"write plots.compare_scanners\(recordings.compare\(recording\)\)"
    for wrong in (recording, recordings.replay(recording), "6.12-pin-u1-s328"):
        with pytest.raises(TypeError, match=says):
            plots.compare_scanners(wrong)
    with pytest.raises(ValueError, match="no range to draw: choose rows by a zone"):
        plots.compare_scanners(quiet[quiet.zone == "Normal"])
