"""Pictures of races say what the machine and the proof say, hide nothing, and can be read without colour."""
import itertools
import re
from collections import Counter

import numpy as np
import pytest
from matplotlib.patches import Rectangle

import kitlib as kl
from kitlib import frames, plots
from kitlib.concurrency.explore import FATES
from kitlib.concurrency.sched import Scenario, ScheduleError, Stepper, read_schedule
from kitlib.plots import flow, lanes, progress_graphs, proof_states, stategraph
from kitlib.plots.picture import SCALE
from kitlib.step import atomic

SCENARIOS = {
    "racy": lambda: kl.truncation_race(kl.racy), "after": lambda: kl.truncation_race(kl.after),
    "after_unlock": lambda: kl.truncation_race(kl.after_unlock),
    "opposite orders": lambda: kl.opposite_orders(kl.blocking),
    "unlock early": lambda: kl.truncation_race(kl.after, truncate="unlock_early"),
    "tree lock only": lambda: kl.truncation_race(kl.after, reclaimers=1, evict_cycles="tree_lock"),
    "reuse": lambda: kl.truncation_race(kl.racy, reuse=True)}
TWO = [name for name in SCENARIOS if name != "tree lock only"]


@pytest.fixture(scope="module")
def proofs():
    return {name: kl.prove(make()) for name, make in SCENARIOS.items()}


def shown(proof):
    """A schedule to draw: the shortest that fails, or for a safe proof one in which both go on twice."""
    return proof.shortest or "C10T1C3T15"


def replayed(proof, schedule):
    """The steps and the locks of a schedule; the memory is left as it was."""
    stepper = Stepper(proof.scenario.machine())
    stepper.replay(schedule)
    steps, held = frames.events(stepper.machine), frames.locks(stepper.machine)
    stepper.jump(0)
    return steps, held


def words(chart):
    return [text.get_text().strip() for text in chart.axes[0].texts]


def positions(proof):
    """By position the fates of its states, or their bug, or None for the end: pair of counts by pair."""
    graph, found = proof.graph, {(0, 0): {0}}
    for total in range(200):
        for at in [at for at in found if sum(at) == total]:
            for number in sorted(found[at]):
                for name, to in graph.successors(number):
                    thread = graph.names.index(name)
                    found.setdefault((at[0] + 1 - thread, at[1] + thread), set()).add(to)
    return {at: [graph.endings.get(number, proof.fate_of(number)) for number in numbers]
            for at, numbers in found.items()}


# --- swim lanes

@pytest.mark.parametrize("name", SCENARIOS)
def test_lanes_say_every_step_with_its_answer_in_order(proofs, name):
    proof = proofs[name]
    text = plots.describe_lanes(proof.scenario, shown(proof))
    steps, _ = replayed(proof, shown(proof))
    turns = [line for line in text.splitlines()[1:] if re.match(r"\w+ \d+(-\d+)?: ", line)]
    assert ", ".join(line.split(": ", 1)[1] for line in turns) == ", ".join(
        f"{row.step}({row.on}) {row.result}".strip() for row in steps.itertuples())
    first = f"{proof.scenario.name}, {shown(proof)}: {len(steps)} steps, {len(turns) - 1} switch"
    assert text.splitlines()[0].startswith(first)


@pytest.mark.parametrize("name", SCENARIOS)
def test_lanes_draw_every_step_in_its_lane_and_name_what_they_say(proofs, name):
    proof = proofs[name]
    chart, (steps, _) = plots.swim_lanes(proof.scenario, shown(proof)), replayed(proof, shown(proof))
    texts = [(*text.get_position(), text.get_text()) for text in chart.axes[0].texts]
    step_at = {y: int(text) for _, y, text in texts if text.isdigit()}
    calls = {step_at[y]: (text, x) for x, y, text in texts if y in step_at and text.endswith(")")}
    assert [calls[t][0] for t in steps.t] == [f"{row.step}({row.on})" for row in steps.itertuples()]
    lane = {(thread, calls[t][1]) for t, thread in zip(steps.t, steps.thread)}
    assert len(lane) == len({x for _, x in lane}) == steps.thread.nunique()
    assert [t for t in words(chart) if t.isdigit()] == [str(t) for t in steps.t]
    assert repr(chart) == chart.picture().text == plots.describe_lanes(proof.scenario, shown(proof))


@pytest.mark.parametrize("name", ["racy", "after_unlock", "unlock early", "tree lock only"])
def test_lanes_say_where_the_mapping_is_freed_and_where_it_crashes(proofs, name):
    proof = proofs[name]
    steps, _ = replayed(proof, proof.shortest)
    freed, crash = steps.t[steps.step == "free_inode"].item(), len(steps)
    first = plots.describe_lanes(proof.scenario, proof.shortest).splitlines()[0]
    assert first.endswith(f"; A is freed at step {freed}; use after free at step {crash}.")
    chart = plots.swim_lanes(proof.scenario, proof.shortest)
    assert {"A is freed", "use after free"} <= set(words(chart))
    assert [patch for patch in chart.axes[0].patches if patch.get_hatch()], "what comes after it is hatched"
    assert {"x", "o"} <= {line.get_marker() for line in chart.axes[0].lines if line.get_color() == lanes.BAD
                          or line.get_markeredgecolor() == lanes.BAD}, "a cross and a ring"


def test_lanes_of_a_deadlock_say_who_sleeps_where_and_what_they_hold(proofs):
    proof = proofs["opposite orders"]
    text = plots.describe_lanes(proof.scenario, proof.shortest)
    assert text.splitlines()[0].endswith("; deadlock.")
    for line in ("lock of folio 1: truncation from 2 to the end", "compaction sleeps at folio_lock(folio 1)",
                 "truncation sleeps at folio_lock(folio 0)"):
        assert line in text.splitlines()
    chart = plots.swim_lanes(proof.scenario, proof.shortest)
    assert {"deadlock: nobody can go on", "sleeps at folio_lock(folio 0)"} <= set(words(chart))


def test_who_only_waits_is_no_deadlock(proofs):
    text = plots.describe_lanes(proofs["after"].scenario, "T2C3")
    assert "no bug" in text and "compaction would do folio_test_lru(folio 0)" in text
    text = plots.describe_lanes(proofs["after"].scenario, "C8T1")
    assert "truncation sleeps at folio_lock(folio 0)" in text and "no bug" in text


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_bar_is_a_lock_that_is_held(proofs, name):
    proof = proofs[name]
    chart, (_, held) = plots.swim_lanes(proof.scenario, shown(proof)), replayed(proof, shown(proof))
    bars = [patch for patch in chart.axes[0].patches
            if isinstance(patch, Rectangle) and patch.get_width() == lanes.BAR]
    assert len(bars) == len(held)
    taken = [(bar.get_y() - bars[0].get_y()) / lanes.ROW for bar in bars]
    # The row that says "A is freed" may lie between.
    assert np.allclose(taken, held.taken - held.taken.iloc[0], atol=1.01)


def test_lanes_leave_the_memory_as_it_was(proofs):
    scenario = proofs["racy"].scenario
    before = scenario.memory.snapshot()
    plots.swim_lanes(scenario, "C3T21C1")
    with pytest.raises(ScheduleError):
        plots.swim_lanes(scenario, "C3T99")
    assert scenario.memory.snapshot() == before


def test_a_list_of_names_is_a_schedule_too(proofs):
    scenario = proofs["racy"].scenario
    names = read_schedule("C3T21C1", scenario.paths)
    assert plots.describe_lanes(scenario, names) == plots.describe_lanes(scenario, "C3T21C1")
    says = "no thread is called 'Compaction': write 'compaction', 'truncation'"
    with pytest.raises(ScheduleError, match=says):
        plots.swim_lanes(scenario, ["Compaction"])


@pytest.mark.parametrize("schedule, error, says", [
    ("X3", ScheduleError, "no thread is called X: write C (compaction), T (truncation)"),
    ("C8T2", ScheduleError, "C8T2 cannot be followed: at step 10, truncation sleeps at folio_lock(folio 0)"),
    (None, ValueError,
     "no schedule to draw (a safe proof has no shortest one): write who does how many steps, as 'C2T2'"),
    ("", ValueError, "write who does how many steps")])
def test_a_schedule_that_cannot_be_drawn_is_refused_with_what_to_write(proofs, schedule, error, says):
    with pytest.raises(error, match=re.escape(says)):
        plots.swim_lanes(proofs["after"].scenario, schedule)


def test_what_is_no_scenario_or_has_too_many_steps_is_refused(proofs):
    says = "not a scenario but a Proof: write swim_lanes(proof.scenario, proof.shortest)"
    with pytest.raises(TypeError, match=re.escape(says)):
        plots.swim_lanes(proofs["racy"], "C3")
    says = "200 steps are too many for one picture: write a schedule of at most 150"
    with pytest.raises(ValueError, match=says):
        plots.swim_lanes(Scenario("long", Cell(), {"one": lambda: reads(200)}), "O200")


class Cell:
    """A memory of nothing."""

    def snapshot(self):
        return 0

    def restore(self, snapshot):
        pass

    def __repr__(self):
        return "cell"


@atomic
def read_cell(cell: Cell) -> None:
    """Nothing."""


def reads(times):
    for _ in range(times):
        yield read_cell(CELL)


CELL = Cell()


# --- the progress graph

@pytest.mark.parametrize("name", TWO)
def test_a_position_is_the_worst_of_its_states(proofs, name):
    proof, found = proofs[name], positions(proofs[name])
    text = plots.describe_progress(proof)
    counts = re.search(r"(\d+) positions, (\d+)", text).groups()
    assert counts == (str(len(found)), str(sum(len(fates) > 1 for fates in found.values())))
    worst = Counter()
    for fates in found.values():
        kinds = {"bug" if fate in proof.bugs else "ended" if fate is None else fate for fate in fates}
        worst[next(kind for kind in ("bug", FATES[2], FATES[1], "ended", FATES[0]) if kind in kinds)] += 1
    told = re.findall(r"(\d+) (cannot crash any more|can crash|must crash|ended|bug)", text)
    assert {kind: int(number) for number, kind in told} == worst


@pytest.mark.parametrize("name", TWO)
def test_every_position_is_drawn_once_and_small_where_only_some_states_are_so_bad(proofs, name):
    proof, found = proofs[name], positions(proofs[name])
    chart = plots.progress_graph(proof)
    legend = min(text.get_position()[0] for text in chart.axes[0].texts if text.get_text() == FATES[0])
    squares = [(x, y, line.get_markersize()) for line in chart.axes[0].lines if line.get_marker() == "s"
               for x, y in zip(*line.get_data()) if x < legend - progress_graphs.CELL * 2]
    small = flow.pt(progress_graphs.CELL / 2 + 1)
    assert {(x, y) for x, y, _ in squares} == {(x, y) for x, y, size in squares if size > small}
    mixed = [fates for fates in found.values() if len(set(fates)) > 1 and set(fates) - {None, FATES[0]}]
    assert len(squares) - len({(x, y) for x, y, _ in squares}) == len(mixed)
    assert len({(x, y) for x, y, _ in squares}) == len(found)


def test_a_lock_excludes_what_both_would_hold_and_trylock_goes_around(proofs):
    """C holds the lock after steps 8 to 11; excluded is 10 on: before, C may not have got it."""
    progress = progress_graphs._progress(proofs["after"])
    assert progress.held == {"folio 0": [{8, 9, 10, 11}, set(range(2, 13))]}
    assert progress.locked == {(x, y) for x in (10, 11) for y in range(2, 13)}
    assert "22 positions excluded by the lock of folio 0" in plots.describe_progress(proofs["after"])
    waits = progress_graphs._progress(kl.prove(kl.truncation_race(kl.blocking)))
    assert waits.locked == {(x, y) for x in range(8, 12) for y in range(2, 13)}


def test_racy_holds_no_lock_in_the_way_and_its_picture_says_so(proofs):
    assert "excluded" not in plots.describe_progress(proofs["racy"])
    assert not any("lock of" in text for text in words(plots.progress_graph(proofs["racy"])))


@pytest.mark.parametrize("name", TWO)
def test_what_is_excluded_is_hatched_and_never_reached(proofs, name):
    progress = progress_graphs._progress(proofs[name])
    assert not progress.locked & set(progress.kinds)
    hatched = [patch for patch in plots.progress_graph(proofs[name]).axes[0].patches if patch.get_hatch()]
    area = sum(patch.get_width() * patch.get_height() for patch in hatched) / progress_graphs.CELL ** 2
    assert round(area) == len(progress.locked) + bool(progress.locked)                  # one in the legend


@pytest.mark.parametrize("name", TWO)
def test_the_staircase_is_the_schedule(proofs, name):
    proof = proofs[name]
    chart = plots.progress_graph(proof)
    ways = [line for line in chart.axes[0].lines
            if line.get_color() == flow.LIT and len(line.get_xdata()) > 2]
    assert len(ways) == (1 if proof.shortest else 2)
    for line in ways:
        steps = np.abs(np.diff(np.array(line.get_data()))).sum(axis=0) / progress_graphs.CELL
        assert np.allclose(steps, 1)
    if proof.shortest:
        assert len(ways[0].get_xdata()) == len(read_schedule(proof.shortest, proof.scenario.paths)) + 1
        ends = f"shown: {proof.shortest}; shortest to fail: {proof.shortest}, {proof.bug}"
        assert plots.describe_progress(proof).endswith(ends)
    else:
        assert plots.describe_progress(proof).endswith("shown: C13T21 and T21C1; no schedule fails")
        assert len({str(line.get_linestyle()) for line in ways}) == 2


def test_the_axes_name_the_steps_along_the_schedule(proofs):
    chart = plots.progress_graph(proofs["after_unlock"])
    steps, _ = replayed(proofs["after_unlock"], "C11T21C1")
    for _, group in steps.groupby("thread"):
        assert {f"{step} {number}" for number, step in enumerate(group.step, 1)} <= set(words(chart))


def test_a_region_has_a_frame_around_its_positions_and_its_words_in_the_legend_and_in_the_text(proofs):
    regions = {"before the lock": ((10, 0), (11, 1)), "after": ((12, 0), (13, 21))}
    plain, chart = (plots.progress_graph(proofs["after"], regions=some) for some in ({}, regions))
    frames_of = [patch for patch in chart.axes[0].patches if not patch.get_fill()]
    cell, legend = progress_graphs.CELL, max(chart.places.values())[0]
    inside = {patch.get_bbox().bounds for patch in frames_of if chart.shares(patch.get_x(), 0)[0] < legend}
    corners = [[(place[0], place[1]) for place in map(chart.places.get, pair)] for pair in regions.values()]
    assert len(frames_of) == 2 * len(regions) and len(inside) == len(regions)
    for (left, low, wide, high), pair in zip(sorted(inside), corners):
        middles = (left + cell / 2, low + high - cell / 2), (left + wide - cell / 2, low + cell / 2)
        assert np.allclose([chart.shares(*middle) for middle in middles], pair)
    assert {*regions, "1", "2"} <= set(words(chart)) and not {*regions, "1", "2"} & set(words(plain))
    assert "region 2, compaction 12 to 13 and truncation 0 to 21: after" in chart.text
    says = "(14, 0) is no corner here: write steps from (0, 0) to (13, 21)"
    with pytest.raises(ValueError, match=re.escape(says)):
        plots.progress_graph(proofs["after"], regions={"outside": ((14, 0), (14, 1))})


def test_another_schedule_can_be_shown(proofs):
    assert "shown: C3T2" in repr(plots.progress_graph(proofs["after"], schedule="C3T2"))
    with pytest.raises(ScheduleError, match="C8T2 cannot be followed: at step 10"):
        plots.progress_graph(proofs["after"], "C8T2")


def test_three_threads_have_no_progress_graph(proofs):
    says = "two threads, not 3 (compaction, truncation, reclaim): write progress_graph"
    with pytest.raises(ValueError, match=re.escape(says)):
        plots.progress_graph(proofs["tree lock only"])


# --- the states

@pytest.mark.parametrize("name", TWO)
def test_every_state_is_a_dot_and_every_step_a_line(proofs, name):
    proof = proofs[name]
    chart = plots.state_graph(proof, limit=proof.states)
    dots = [point for line in chart.axes[0].lines
            if line.get_marker() == "o" and line.get_linestyle() == "None" and line.get_color() != flow.LIT
            for point in zip(*line.get_data())]
    legend = len(set(re.findall(r"\d+ (cannot|ended|can|must|bug)", repr(chart))))
    assert len(set(dots)) == len(dots) == proof.states + legend
    lines = [line for line in chart.axes[0].lines if line.get_zorder() == 1]
    assert len(lines) == proof.transitions + len(proof.scenario.paths)
    assert len({str(line.get_linestyle()) for line in lines}) == len(proof.scenario.paths)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_states_are_counted_as_the_proof_counts_them(proofs, name):
    proof = proofs[name]
    text = plots.describe_states(proof)
    assert f"{proof.states:,} states" in text
    assert sum(int(n.replace(",", "")) for n in re.findall(r"([\d,]+) steps of", text)) == proof.transitions
    assert f"{sum(bug is not None for bug in proof.graph.endings.values())} bug" in text or proof.safe
    fates = Counter(proof.fate_of(number) for number in range(proof.states)
                    if number not in proof.graph.endings)
    assert all(f"{number:,} {fate}" in text for fate, number in fates.items())
    ends = "no schedule fails" if proof.safe else f"shortest to fail: {proof.shortest}, {proof.bug}"
    assert text.endswith(ends)


def test_dots_of_a_layer_do_not_touch(proofs):
    graph = proofs["opposite orders"].graph
    away = stategraph._distances(graph)
    rows = stategraph._rows(graph, away)
    for distance in range(max(away) + 1):
        heights = sorted(rows[number] for number in rows if away[number] == distance)
        assert all(b - a > 0.999 for a, b in itertools.pairwise(heights))


def test_too_many_states_are_refused(proofs):
    says = ("2,384 states are no picture: write a smaller scenario, swim_lanes(proof.scenario, 'R12T6R1'), "
            "or state_graph(proof, limit=2384)")
    with pytest.raises(ValueError, match=re.escape(says)):
        plots.state_graph(proofs["tree lock only"])


# --- all three

@pytest.mark.parametrize("draw", [plots.progress_graph, plots.state_graph, plots.describe_progress,
                                  plots.describe_states])
def test_what_is_no_whole_proof_is_refused(draw):
    with pytest.raises(TypeError, match=r"not a proof but a Scenario: write .*\(prove\(scenario\)\)"):
        draw(kl.truncation_race(kl.racy))
    with pytest.raises(ValueError, match=r"not every state is known: .* write prove\(scenario, limit=100\)"):
        draw(kl.prove(kl.truncation_race(kl.racy), limit=10))


@pytest.mark.parametrize("name", SCENARIOS)
def test_pictures_are_not_blank_fit_their_paper_and_are_the_same_every_time(proofs, name):
    proof = proofs[name]
    draws = [lambda: plots.swim_lanes(proof.scenario, shown(proof))]
    if name in TWO:
        draws += [lambda: plots.progress_graph(proof), lambda: plots.state_graph(proof, limit=proof.states)]
    for draw in draws:
        chart = draw()
        pixels = np.asarray(chart.picture().image.convert("L"))
        assert (pixels < 128).mean() > 0.005 and len(np.unique(pixels)) > 20
        margins = [pixels[:, -4:], pixels[:4]]
        assert not any((margin < 60).mean() > 0.01 for margin in margins), "words run over the edge"
        assert pixels.shape[1] / SCALE < 1250
        assert draw().picture().png == chart.picture().png


def test_what_differs_in_colour_differs_in_its_mark_or_its_outline_too():
    unmarked = set(proof_states.STATE_KINDS) - set(proof_states.STATE_MARKS)
    assert unmarked == {FATES[0], "ended"}, "one is filled, and one an outline"
    assert proof_states.FILL["ended"] == flow.PAPER != proof_states.FILL[FATES[0]]
    assert len({mark for mark, _ in proof_states.STATE_MARKS.values()}) == len(proof_states.STATE_MARKS)
    assert len({str(style) for _, style in stategraph.EDGES}) == len(stategraph.EDGES)
