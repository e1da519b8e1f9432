"""Exercise 10, "what does the patch save?": numbers read from a learner's own experiment."""
import math
from numbers import Real

import pandas as pd

from ..experiments import BOTH, MEASURES
from .ex10_fair_comparison import TWICE, both_kernels, fair_comparison, one_thing, paired, unusable
from .report import INSTRUCTIONS, Finding, Report, attempt, by_name, seed_of, shown, text_of, unsolved
from .tries import in_steps

__all__ = ["fair_comparison", "savings", "threshold_for"]

_ASKED = ("before", "after", "from share")


def threshold_for(learner: str = "") -> int:
    """Targets for each 100 pages of memory: what the saving is compared with."""
    return 4 + seed_of(learner) % 28


@in_steps("the sum of in_vain over the sum of unmovable_pages, for the largest share; and, share by "
          "share, the median over "
          "the seeds of before less after")
def savings(answers: dict, frame: pd.DataFrame, learner: str = "") -> Report:
    """Exercise "what does the patch save?": numbers read from the learner's own frame.

    It has passed `fair_comparison`. `answers` has "before" and "after", targets in vain per unmovable page at
    the largest share, and "from share", the smallest share at which the median saving is above
    threshold_for(learner), or None.
    """
    answers = by_name(answers, _ASKED)
    if not answers:
        return unsolved("write your numbers in place of the dots")
    frame = attempt(frame, limit=4 * INSTRUCTIONS)[0] if callable(frame) else frame
    findings, failed = attempt(_numbers, frame, answers, threshold_for(learner))
    return Report([failed] if failed else findings)


def _numbers(frame: object, answers: dict, threshold: int) -> list[Finding]:
    fault = unusable(frame)
    if not fault:
        findings = (judge(frame) for judge in (both_kernels, paired, one_thing))
        fault = next((finding for finding in findings if not finding.holds), None)
    if fault:
        return [fault._replace(tried=f"your frame can be compared: {fault.tried}")]
    frame = frame.assign(in_vain=frame.targets - frame.migrated)
    return [*(_rate(frame, kernel, answers[kernel]) for kernel in BOTH),
            _from_share(frame, threshold, answers["from share"])]


def _rate(frame: pd.DataFrame, kernel: str, answer: object) -> Finding:
    runs = frame[frame.kernel == kernel]
    most = runs[runs.unmovable == runs.unmovable.max()]
    right = most.in_vain.sum() / max(1, most.unmovable_pages.sum())
    hint = next((why for number, why in _wrong_rates(runs, most)
                 if _close(answer, number) and not _close(number, right)),
                "choose the rows of this kernel with the largest share; "
                "the sum of in_vain over the sum of unmovable_pages")
    came_out = f"{right:.4f}" if _close(answer, right) else _number(answer)
    return Finding(f"targets in vain per unmovable page, {kernel}", came_out, f"{right:.4f}", hint, True)


def _wrong_rates(runs: pd.DataFrame, most: pd.DataFrame) -> list[tuple[float, str]]:
    """Numbers that are likely to be taken for the rate, each with what to say then.

    `runs` are all of one kernel, `most` those of them with the largest share.
    """
    pages = max(1, most.unmovable_pages.sum())
    of_all_shares = runs.in_vain.sum() / max(1, runs.unmovable_pages.sum())
    sums = runs[runs.unmovable_pages > 0].groupby("unmovable")[["in_vain", "unmovable_pages"]].sum()
    mean_of_shares = (sums.in_vain / sums.unmovable_pages).mean()
    not_moved = (most.isolated - most.migrated).sum() / pages
    per_isolated = most.in_vain.sum() / max(1, most.isolated.sum())
    not_divided = "divide by the number of unmovable pages (the column unmovable_pages)"
    return [
        (0.0, "not quite nothing:\nlook at the control. The last target of a run is asked for, "
              "and there is none left"),
        (of_all_shares, "these are the runs of all shares together:\nthe largest was asked for"),
        (mean_of_shares, "this is the mean over the shares:\nthe largest was asked for"),
        (most.failed_EINVAL.sum() / pages, TWICE),
        (not_moved, "these are pages isolated and not moved:\neach costs more than one target"),
        (most.targets.sum() / pages, "targets for pages that moved were not in vain:\nsubtract migrated"),
        (per_isolated, "divide by the unmovable pages in memory, not by those isolated"),
        (most.in_vain.mean(), not_divided),
        (most.in_vain.sum(), not_divided),
        (2.0, "each refused page costs two targets, but the scanner does not come by all of them:\n"
              "take the numbers of your frame"),
    ]


def _from_share(frame: pd.DataFrame, threshold: int, answer: object) -> Finding:
    pages = frame[[name for name in MEASURES if name.endswith("_pages")]].iloc[0].sum()
    by_kernel = frame.pivot_table(index=["unmovable", "seed"], columns="kernel", values="in_vain")
    saved = by_kernel.before - by_kernel.after
    by_share, above = saved.groupby("unmovable"), threshold * pages / 100
    median = by_share.median()
    right = _first(median, above)
    wrong = [
        (_first(median, threshold),
         f"the threshold is for each 100 pages:\nyour memory has {pages:,} pages"),
        *((_first(saved.xs(seed, level="seed"), above),
           f"this is what seed {seed} says:\ntake the median of all seeds")
          for seed in saved.index.unique("seed")),
        (_first(by_share.max(), above), "in one seed the saving is as large:\ntake the median of the seeds"),
        (_first(by_share.min(), above),
         "in every seed the saving is larger there:\ntake the median of the seeds"),
        (median.index.max(),
         "the saving is above the threshold before the largest share:\ntake the smallest such share"),
    ]
    hint = next((why for share, why in wrong if _same(answer, share) and not _same(share, right)),
                "for each share: before less after, run by run of the same seed; the median; "
                f"the first above {above:,.0f} targets")
    return Finding(f"the share from which more than {threshold} targets per 100 pages are saved",
                   _share(right) if _same(answer, right) else _share(answer), _share(right), hint, True)


def _first(saved: pd.Series, above: float) -> float | None:
    return next((float(share) for share, targets in saved.items() if targets > above), None)


def _real(answer: object) -> float:
    """The number that was answered; NaN for whatever is none, and for what is too large."""
    try:
        return float(answer) if isinstance(answer, Real) else math.nan
    except OverflowError:
        return math.nan


def _close(answer: object, number: float) -> bool:
    return abs(_real(answer) - number) <= max(0.01 * abs(number), 0.0002)


def _number(answer: object, form: str = ".4f") -> str:
    if not math.isnan(_real(answer)):
        return format(_real(answer), form)
    return shown(repr(answer)) if isinstance(answer, str) else text_of(answer)


def _same(answer: object, share: float | None) -> bool:
    if share is None:
        return answer is None or (isinstance(answer, float) and math.isnan(answer))
    return abs(_real(answer) - share) < 1e-9


def _share(answer: object) -> str:
    return "in no share" if _same(answer, None) else _number(answer, "g")
