"""Exercise 10, "what does the patch save?": whether an experiment can answer its question, and the numbers read from it."""
import math
from collections.abc import Callable
from numbers import Real

import numpy as np
import pandas as pd

from ..experiments import BOTH, MEASURES
from .report import INSTRUCTIONS, Finding, Report, attempt, by_name, claim, seed_of, shown, text_of, unsolved

SEEDS, _SHARES, LOOKED_AT = 5, 4, 0.2        # at least so many; at least this part of the LRU pages
MET = ("COMPLETE", "PARTIAL_SKIPPED")       # how a run ends whose scanners have met
NEEDED = ("unmovable", "kernel", "seed", "caller", *MEASURES)
NO_FRAME = 'write frame = experiments.sweep(memory, {"unmovable": [...], "kernel": [...], ...}, seeds=...)'
TWICE = ("pgmigrate_fail counts a page once, but a synchronous mode tries it twice, in the batch and alone: two targets. "
         "Count targets - migrated")
_ASKED = ("before", "after", "from share")


def fair_comparison(frame: pd.DataFrame | Callable[[], pd.DataFrame]) -> Report:
    """Exercise "design the experiment": a frame of `sweep` (or a function that returns one) that shows what 0003e2a41468 saves.

    The same memories under both kernels, several shares and seeds, nothing else that differs, and a column in_vain.
    """
    if frame is None or frame is ...:
        return unsolved(NO_FRAME)
    if callable(frame):
        frame, failed = attempt(frame, limit=4 * INSTRUCTIONS)
        if failed:
            return Report([failed])
        if frame is None:
            return unsolved("your function returns nothing: end it with `return frame`")
    if said := _unusable(frame):
        return Report([said])
    findings, failed = attempt(lambda: [look(frame) for look in (_both, _paired, _one_thing, _seeds, _shares, _control, _met, _room, _in_vain)])
    return Report([failed] if failed else findings)


def _unusable(frame: object) -> Finding | None:
    """Why nothing can be said about it, if so."""
    if not isinstance(frame, pd.DataFrame):
        return Finding("your frame", f"a {type(frame).__name__}", "a DataFrame", NO_FRAME)
    missing = [name for name in NEEDED if name not in frame]
    if missing or not len(frame):
        hint = 'vary "unmovable" in `over`, and keep the columns that sweep gives; add yours with frame["in_vain"] = ...'
        return Finding("the columns of your frame", f"{', '.join(missing)} missing" if missing else "no row", "those of a sweep", hint)
    wrong = [name for name in ("unmovable", *MEASURES) if name not in ("mode", "status") and not pd.api.types.is_numeric_dtype(frame[name])]
    return Finding("the columns of your frame", f"{wrong[0]} is no number", "numbers", NO_FRAME) if wrong else None


def _both(frame: pd.DataFrame) -> Finding:
    kernels = sorted(set(frame.kernel.astype(str)))
    hint = 'a saving is a difference: write "kernel": ["before", "after"]'
    if not set(BOTH) - set(kernels):
        hint = "two kernels, so that one thing differs: leave the third out"
    return claim("both kernels, and no other", kernels == sorted(BOTH), hint, f"only {kernels[0]}" if len(kernels) == 1 else ", ".join(kernels))


def _memories(frame: pd.DataFrame, kernel: str) -> set[tuple]:
    """What was built for this kernel's runs: share, seed, and the pages of every kind."""
    pages = [name for name in frame if name.endswith("_pages")]
    return set(frame[frame.kernel == kernel][["unmovable", "seed", *pages]].itertuples(index=False, name=None))


def _paired(frame: pd.DataFrame) -> Finding:
    old, new = (_memories(frame, kernel) for kernel in BOTH)
    values = {name: [sorted(set(frame[frame.kernel == kernel][name])) for kernel in BOTH] for name in ("seed", "unmovable")}
    if not old or not new:
        came_out, hint = "nothing to compare", "there are no runs of one of the kernels"
    elif values["seed"][0] != values["seed"][1]:
        came_out = f"seeds {_some(values['seed'][0])} before, {_some(values['seed'][1])} after"
        hint = "different seeds are different memories: what differs may be chance. One sweep with both kernels takes the same seeds"
    elif values["unmovable"][0] != values["unmovable"][1]:
        came_out = f"shares {_some(values['unmovable'][0])} before, {_some(values['unmovable'][1])} after"
        hint = "a share that only one kernel has cannot be compared: one sweep with both kernels takes the same shares"
    else:
        came_out = f"{len(old ^ new)} memories that only one kernel had"
        hint = "same share and seed, other pages: something else of the memory was changed together with the kernel"
    return claim("the same memories under both kernels", bool(old) and old == new, hint, came_out)


def _some(values: list) -> str:
    return ", ".join(f"{value:g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")


def _one_thing(frame: pd.DataFrame) -> Finding:
    parameters = [name for name in frame if name not in (*MEASURES, "kernel", "unmovable", "in_vain") and _of_a_run(frame, name)]
    varied = [name for name in (*parameters, "mode") if frame[name].nunique(dropna=False) > 1]
    groups = [frame[frame.kernel == kernel] for kernel in BOTH]
    together = [name for name in varied if set(groups[0][name]) != set(groups[1][name])]
    if together:
        hint = f"{together[0]} changes together with the kernel: nobody can tell which of the two made the difference"
    elif varied:
        hint = f"{varied[0]} has several values: what you then say of a share mixes them. Choose one, or make two experiments"
    else:
        hint = "with one kernel nothing is compared"
    holds = not varied and all(len(group) for group in groups)
    return claim("nothing but kernel, share and seed differs", holds, hint, f"{', '.join(varied) or 'not even the kernel'} differs")


def _of_a_run(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column tells what a run was given: those stand before the seed, and columns that a learner adds behind it."""
    return list(frame).index(name) < list(frame).index("seed")


def _seeds(frame: pd.DataFrame) -> Finding:
    fewest = int(frame.groupby(["kernel", "unmovable"]).seed.nunique().min())
    return Finding("seeds for each share and kernel", f"{SEEDS} or more" if fewest >= SEEDS else str(fewest), f"{SEEDS} or more",
                   "one seed is one memory: without several you cannot tell the patch from chance")


def _shares(frame: pd.DataFrame) -> Finding:
    shares = frame.unmovable.nunique()
    return Finding("shares of unmovable memory", f"{_SHARES} or more" if shares >= _SHARES else str(shares), f"{_SHARES} or more",
                   "two points are always on a line: does the saving grow evenly, faster, or not at all?")


def _control(frame: pd.DataFrame) -> Finding:
    return claim("a control: share 0", bool((frame.unmovable == 0).any()),
                 "without a share of 0 you cannot see what is in vain anyway, on both kernels, and has nothing to do with the patch")


def _met(frame: pd.DataFrame) -> Finding:
    others = frame.status[~frame.status.isin(MET)].value_counts()
    told = ", ".join(f"{count} end by {status}" for status, count in others.items())
    return claim("every run goes on until the scanners meet", not len(others), otherwise=told, hint=
                 "who compacts for an allocation, or kcompactd, stops when one block of that order is free: runs of different "
                 'length are compared. Take a caller that compacts the whole zone, "compact_memory" or "proactive"')


def _room(frame: pd.DataFrame) -> Finding:
    on_lru = frame[["movable_pages", "unevictable_pages", "unmovable_pages"]].sum(axis=1)
    looked_at, met = frame.lru_scanned / on_lru.where(on_lru > 0), frame.status.isin(MET)
    least = float((looked_at[met] if met.any() else looked_at).min())       # why the others stopped is said already
    return claim(f"the scanner looks at {LOOKED_AT:.0%} of the LRU pages or more, in every run", least >= LOOKED_AT, otherwise=f"{least:.0%}",
                 hint="with little free memory, or few pageblocks, the scanners meet at once: write free=0.3 or more, and pages=4096")


def _in_vain(frame: pd.DataFrame) -> Finding:
    tried, right = "the column in_vain", frame.targets - frame.migrated
    if "in_vain" not in frame:
        return Finding(tried, "missing", "targets that were not used", 'add it: frame["in_vain"] = ..., from targets and what became of them')
    given = pd.to_numeric(frame.in_vain, errors="coerce")
    failed = frame[[name for name in MEASURES if name.startswith("failed_")]].sum(axis=1)
    if np.array_equal(given, right):
        return Finding(tried, "targets that were not used", "targets that were not used")
    likely = [(failed, "pages that failed", TWICE), (frame.failed_EINVAL, "pages refused by their own callback", TWICE),
              (frame.isolated - frame.migrated, "pages isolated and not moved",
               "look at your control: pages that were never tried, as no target was left, count there. Count targets - migrated"),
              (frame.targets, "all targets", "targets for pages that moved were not in vain: subtract migrated")]
    told, hint = next(((name, why) for column, name, why in likely if np.array_equal(given, column)),
                      ("something else", "a page that moves uses one target: what is left of targets was asked for in vain"))
    return Finding(tried, told, "targets that were not used", hint)


def threshold_for(learner: str = "") -> int:
    """Targets for each 100 pages of memory: what the saving is compared with in "what does the patch save?"."""
    return 4 + seed_of(learner) % 28


def savings(answers: dict, frame: pd.DataFrame, learner: str = "") -> Report:
    """Exercise "what does the patch save?": numbers read from the learner's own frame, which has passed `fair_comparison`.

    `answers` has "before" and "after", targets in vain per unmovable page at the largest share, and "from share", the smallest
    share at which the median saving is above threshold_for(learner), or None.
    """
    told = by_name(answers, _ASKED)
    if not told:
        return unsolved("write your numbers in place of the dots")
    frame = attempt(frame, limit=4 * INSTRUCTIONS)[0] if callable(frame) else frame
    findings, failed = attempt(_numbers, frame, told, threshold_for(learner))
    return Report([failed] if failed else findings)


def _numbers(frame: object, told: dict, threshold: int) -> list[Finding]:
    said = _unusable(frame) or next((finding for finding in (_both(frame), _paired(frame), _one_thing(frame)) if not finding.holds), None)
    if said:
        return [said._replace(tried=f"your frame can be compared: {said.tried}")]
    frame = frame.assign(in_vain=frame.targets - frame.migrated)
    return [*(_rate(frame, kernel, told[kernel]) for kernel in BOTH), _from_share(frame, threshold, told["from share"])]


def _rate(frame: pd.DataFrame, kernel: str, told: object) -> Finding:
    runs = frame[frame.kernel == kernel]
    most = runs[runs.unmovable == runs.unmovable.max()]
    pages, right = most.unmovable_pages.sum(), most.in_vain.sum() / max(1, most.unmovable_pages.sum())
    by_share = runs[runs.unmovable_pages > 0].groupby("unmovable")[["in_vain", "unmovable_pages"]].sum()
    likely = [(0.0, "not quite nothing: look at the control. The last target of a run is asked for, and there is none left"),
              (runs.in_vain.sum() / max(1, runs.unmovable_pages.sum()), "these are the runs of all shares together: the largest was asked for"),
              ((by_share.in_vain / by_share.unmovable_pages).mean(), "this is the mean over the shares: the largest was asked for"),
              (most.failed_EINVAL.sum() / max(1, pages), TWICE),
              ((most.isolated - most.migrated).sum() / max(1, pages), "these are pages isolated and not moved: each costs more than one target"),
              (most.targets.sum() / max(1, pages), "targets for pages that moved were not in vain: subtract migrated"),
              (most.in_vain.sum() / max(1, most.isolated.sum()), "divide by the unmovable pages in memory, not by those isolated"),
              (most.in_vain.mean(), "divide by the number of unmovable pages (the column unmovable_pages)"),
              (most.in_vain.sum(), "divide by the number of unmovable pages (the column unmovable_pages)"),
              (2.0, "each refused page costs two targets, but the scanner does not come by all of them: take the numbers of your frame")]
    hint = next((why for number, why in likely if _close(told, number) and not _close(number, right)),
                "choose the rows of this kernel with the largest share; the sum of in_vain over the sum of unmovable_pages")
    return Finding(f"targets in vain per unmovable page, {kernel}", f"{right:.4f}" if _close(told, right) else _number(told), f"{right:.4f}", hint)


def _real(told: object) -> float:
    """A number that was told; NaN for whatever is none, and for what is too large."""
    try:
        return float(told) if isinstance(told, Real) else math.nan
    except OverflowError:
        return math.nan


def _close(told: object, number: float) -> bool:
    return abs(_real(told) - number) <= max(0.01 * abs(number), 0.0002)


def _number(told: object, form: str = ".4f") -> str:
    if not math.isnan(_real(told)):
        return format(_real(told), form)
    return shown(repr(told)) if isinstance(told, str) else text_of(told)


def _from_share(frame: pd.DataFrame, threshold: int, told: object) -> Finding:
    pages = frame[[name for name in MEASURES if name.endswith("_pages")]].iloc[0].sum()
    by_kernel = frame.pivot_table(index=["unmovable", "seed"], columns="kernel", values="in_vain")
    saved = by_kernel.before - by_kernel.after
    above = threshold * pages / 100
    median, right = saved.groupby("unmovable").median(), _first(saved.groupby("unmovable").median(), above)
    likely = [(_first(median, threshold), f"the threshold is for each 100 pages: your memory has {pages:,} pages"),
              *((_first(saved.xs(seed, level="seed"), above), f"this is what seed {seed} says: take the median of all seeds")
                for seed in saved.index.unique("seed")),
              (_first(saved.groupby("unmovable").max(), above), "in one seed the saving is as large: take the median of the seeds"),
              (_first(saved.groupby("unmovable").min(), above), "in every seed the saving is larger there: take the median of the seeds"),
              (median.index.max(), "the saving is above the threshold before the largest share: take the smallest such share")]
    hint = next((why for share, why in likely if _same(told, share) and not _same(share, right)),
                f"for each share: before less after, run by run of the same seed; the median; the first above {above:,.0f} targets")
    tried = f"the share from which more than {threshold} targets per 100 pages are saved"
    return Finding(tried, _share(right) if _same(told, right) else _share(told), _share(right), hint)


def _first(saved: pd.Series, above: float) -> float | None:
    return next((float(share) for share, targets in saved.items() if targets > above), None)


def _same(told: object, share: float | None) -> bool:
    if share is None:
        return told is None or isinstance(told, float) and math.isnan(told)
    return abs(_real(told) - share) < 1e-9


def _share(told: object) -> str:
    return "in no share" if _same(told, None) else _number(told, "g")
