"""What does the patch save? The design is judged, and the numbers are those of the learner's own frame."""
import pandas as pd
import pytest
from answers import told

from kitlib import experiments
from kitlib.check import ex10 as check
from kitlib.scenarios import memory

OVER = {"unmovable": [0.0, 0.1, 0.2, 0.4], "kernel": ["before", "after"], "caller": ["compact_memory"],
        "pages": [2048], "free": [0.5]}


def quiet(done, total):
    return None


def run(seeds=range(5), in_vain=True, **over):
    frame = experiments.sweep(memory, OVER | over, seeds, progress=quiet)
    return frame.assign(in_vain=frame.targets - frame.migrated) if in_vain else frame


FRAME = run()


def both(before, after):
    return pd.concat([before[before.kernel == "before"], after[after.kernel == "after"]], ignore_index=True)


def failing(report):
    return [finding.tried for finding in report.findings if not finding.holds]


def test_the_stub_is_not_solved_yet_and_the_solution_passes():
    for stub in (..., None, lambda: None):
        report = check.fair_comparison(stub)
        assert repr(report).startswith("Not solved yet") and report.points(2) == 0
    report = check.fair_comparison(FRAME)
    assert report.passed and report.points(2) == 2 and repr(report).endswith("9 of 9 hold.")


def test_a_function_that_runs_the_sweep_is_as_good_as_its_frame():
    assert check.fair_comparison(lambda: FRAME).passed
    misspelt = check.fair_comparison(lambda: experiments.sweep(memory, {"unmoveable": [0]}, [0]))
    assert "no error" in misspelt.expected()


other_seeds = run(seeds=range(5, 10))
WRONG = [
    (both(FRAME, other_seeds), ["the same memories under both kernels"],
     "different seeds are different memories"),
    (both(FRAME, run(unmovable=[0.0, 0.1, 0.2, 0.3])), ["the same memories under both kernels"],
     "a share that only one kernel has"),
    (both(FRAME, run(pages=[3072])),
     ["the same memories under both kernels", "nothing but kernel, share and seed differs"],
     "something else of the memory was changed together with the kernel"),
    (FRAME[FRAME.seed == 0], ["seeds for each share and kernel"], "one seed is one memory"),
    (FRAME[FRAME.unmovable > 0], ["shares of unmovable memory", "a control: share 0"],
     "without a share of 0 you cannot see what is in vain anyway"),
    (FRAME[FRAME.unmovable.isin([0.0, 0.4])], ["shares of unmovable memory"],
     "two points are always on a line"),
    (both(FRAME, run(caller=["proactive"])), ["nothing but kernel, share and seed differs"],
     "changes together with the kernel"),
    (run(caller=["compact_memory", "proactive"]), ["nothing but kernel, share and seed differs"],
     "caller has several values"),
    (run(kernel=["before", "racy", "after"]), ["both kernels, and no other"], "leave the third out"),
    (run(caller=["kcompactd"]), ["every run goes on until the scanners meet"],
     "runs of different length are compared"),
    (run(free=[0.05], pages=[4096]), ["the scanner looks at 20% of the LRU pages or more, in every run"],
     "the scanners meet at once"),
    (run(in_vain=False), ["the column in_vain"], 'add it: frame["in_vain"] = ...'),
    (FRAME.assign(in_vain=FRAME.filter(like="failed_").sum(axis=1)), ["the column in_vain"],
     "pgmigrate_fail counts a page once"),
    (FRAME.assign(in_vain=FRAME.isolated - FRAME.migrated), ["the column in_vain"],
     "pages that were never tried"),
    (FRAME.assign(in_vain=FRAME.targets), ["the column in_vain"], "subtract migrated"),
    (FRAME.assign(in_vain="many"), ["the column in_vain"], "a page that moves uses one target"),
]


@pytest.mark.parametrize("wrong, fails, hint", WRONG, ids=range(len(WRONG)))
def test_every_plausible_wrong_answer_fails_with_its_own_hint(wrong, fails, hint):
    report = check.fair_comparison(wrong)
    assert failing(report) == fails and hint in told(report)
    little = {"the column in_vain", "every run goes on until the scanners meet"} & set(fails)
    assert report.points(2) == 0.5 if little else 1 <= report.points(2) < 2


@pytest.mark.parametrize("nothing, hint", [
    (42, "write frame = experiments.sweep"), ([FRAME], "write frame = experiments.sweep"),
    (pd.DataFrame(), "keep the columns that sweep gives"),
    (FRAME[:0], "no row"), (FRAME.drop(columns="unmovable"), "unmovable missing"),
    (FRAME.assign(seed="one"), "seed is no number")])
def test_what_is_no_frame_of_a_sweep_is_told_and_earns_nothing(nothing, hint):
    report = check.fair_comparison(nothing)
    assert not report.passed and report.points(2) == 0 and hint in told(report)


def test_one_run_of_one_kernel_earns_nothing():
    report = check.fair_comparison(run(seeds=[0], unmovable=[0.3], kernel=["after"], in_vain=False))
    assert report.points(2) == 0 and "a saving is a difference" in repr(report)


def endless():
    while True:
        pass


def test_an_endless_experiment_ends():
    assert "what should end it?" in repr(check.fair_comparison(endless))


def solution(frame, learner):
    most = frame[frame.unmovable == frame.unmovable.max()]
    sums = most.groupby("kernel")[["in_vain", "unmovable_pages"]].sum()
    runs = frame.pivot(index=["unmovable", "seed"], columns="kernel", values="in_vain")
    saved = (runs.before - runs.after).groupby("unmovable").median()
    enough = saved[saved > check.threshold_for(learner) * 2048 / 100]
    share = enough.index.min() if len(enough) else None
    return dict(sums.in_vain / sums.unmovable_pages) | {"from share": share}


RIGHT = solution(FRAME, "solution")
BEFORE = FRAME[FRAME.kernel == "before"]
MOST = BEFORE[BEFORE.unmovable == 0.4]


@pytest.mark.parametrize("learner", ["", "solution", "Ada", "7", "8", "9"])
def test_the_numbers_of_the_frame_pass_for_every_learner(learner):
    report = check.savings(solution(FRAME, learner), FRAME, learner)
    assert report.passed and report.points(2) == 2


def test_the_numbers_stub_is_not_solved_yet():
    for stub in ({"before": ..., "after": ..., "from share": ...}, None, ..., {}, [1, 2, 3]):
        assert repr(check.savings(stub, FRAME)).startswith("Not solved yet")


WRONG_NUMBERS = [
    ({"before": BEFORE.in_vain.sum() / BEFORE.unmovable_pages.sum()}, "the runs of all shares together"),
    ({"before": (BEFORE.in_vain / BEFORE.unmovable_pages)[BEFORE.unmovable > 0]
      .groupby(BEFORE.unmovable).mean().mean()},
     "this is the mean over the shares"),
    ({"before": MOST.failed_EINVAL.sum() / MOST.unmovable_pages.sum()}, "pgmigrate_fail counts a page once"),
    ({"before": MOST.targets.sum() / MOST.unmovable_pages.sum()}, "subtract migrated"),
    ({"before": MOST.in_vain.mean()}, "divide by the number of unmovable pages"),
    ({"before": 2}, "the scanner does not come by all of them"),
    ({"after": 0}, "not quite nothing: look at the control"),
    ({"before": "much"}, "choose the rows of this kernel with the largest share"),
    ({"from share": 0.0}, "for each share: before less after"),
    ({"from share": 0.4}, "take the smallest such share"),
    ({"from share": "0.2"}, "for each share: before less after"),
]


@pytest.mark.parametrize("wrong, hint", WRONG_NUMBERS, ids=range(len(WRONG_NUMBERS)))
def test_every_wrong_number_fails_with_its_own_hint(wrong, hint):
    report = check.savings(RIGHT | wrong, FRAME, "solution")
    assert len(failing(report)) == 1 and hint in told(report) and report.points(2) == 1


def test_a_threshold_that_is_not_for_100_pages_has_its_own_hint():
    learner = next(str(number) for number in range(99) if solution(FRAME, str(number))["from share"] == 0.4)
    report = check.savings(solution(FRAME, learner) | {"from share": 0.1}, FRAME, learner)
    assert "the threshold is for each 100 pages: your memory has 2,048 pages" in told(report)


def test_the_numbers_are_those_of_the_own_frame_and_of_the_own_threshold():
    assert check.savings(RIGHT, run(seeds=range(20, 25), pages=[4096]), "solution").points(2) < 2
    assert len({check.threshold_for(str(number)) for number in range(200)}) > 20
    assert len({solution(FRAME, str(number))["from share"] for number in range(20)}) >= 3


def test_a_frame_that_compares_nothing_gives_no_numbers():
    for frame in (..., FRAME[FRAME.kernel == "after"], both(FRAME, other_seeds)):
        report = check.savings(RIGHT, frame, "solution")
        assert report.points(2) == 0 and "your frame can be compared" in repr(report)
