"""Exercise 10, "what does the patch save?": whether a learner's experiment can answer the question."""
from collections.abc import Callable

import numpy as np
import pandas as pd

from ..experiments import BOTH, MEASURES
from .report import INSTRUCTIONS, Finding, Report, attempt, claim, unsolved
from .tries import in_steps

_SEEDS, _SHARES, _LOOKED_AT = 5, 4, 0.2     # at least so many; at least this part of the LRU pages
_WITHOUT_THE_MEASURE = 1 / 4                # what is not measured, or cut short, cannot be shown
_MET = ("COMPLETE", "PARTIAL_SKIPPED")      # how a run ends whose scanners have met
_NEEDED = ("unmovable", "kernel", "seed", "caller", *MEASURES)
_NO_FRAME = 'write frame = experiments.sweep(memory, {"unmovable": [...], "kernel": [...], ...}, seeds=...)'
TWICE = ("pgmigrate_fail counts a page once, but a synchronous mode tries it twice, in the batch and alone:\n"
         "two targets. Count targets - migrated")


@in_steps("one sweep: both kernels, five shares from 0 on, seeds=range(7), caller compact_memory; "
          "in_vain is targets - migrated")
def fair_comparison(frame: pd.DataFrame | Callable[[], pd.DataFrame]) -> Report:
    """Exercise "design the experiment": a frame of `sweep` that shows what 0003e2a41468 saves.

    Or a function that returns one. The same memories under both kernels, several shares and seeds, nothing
    else that differs, and a column in_vain.
    """
    if frame is None or frame is ...:
        return unsolved(_NO_FRAME)
    if callable(frame):
        frame, failed = attempt(frame, limit=4 * INSTRUCTIONS)
        if failed:
            return Report([failed])
        if frame is None:
            return unsolved("your function returns nothing: end it with `return frame`")
    if fault := unusable(frame):
        return Report([fault])
    judges = both_kernels, paired, one_thing, _seeds, _shares, _control, _met, _room, _in_vain
    findings, failed = attempt(lambda: [judge(frame) for judge in judges])
    return Report([failed] if failed else findings)


def unusable(frame: object) -> Finding | None:
    """Why nothing can be said about it, if so."""
    if not isinstance(frame, pd.DataFrame):
        return Finding("your frame", f"a {type(frame).__name__}", "a DataFrame", _NO_FRAME)
    missing = [name for name in _NEEDED if name not in frame]
    if missing or not len(frame):
        hint = ('vary "unmovable" in `over`, and keep the columns that sweep gives; '
                'add yours with frame["in_vain"] = ...')
        came_out = f"{', '.join(missing)} missing" if missing else "no row"
        return Finding("the columns of your frame", came_out, "those of a sweep", hint)
    for name in ("unmovable", *MEASURES):
        if name not in ("mode", "status") and not pd.api.types.is_numeric_dtype(frame[name]):
            return Finding("the columns of your frame", f"{name} is no number", "numbers", _NO_FRAME)
    return None


def both_kernels(frame: pd.DataFrame) -> Finding:
    """Whether both kernels were run, and no other."""
    kernels = sorted(set(frame.kernel.astype(str)))
    hint = 'a saving is a difference: write "kernel": ["before", "after"]'
    if not set(BOTH) - set(kernels):
        hint = "two kernels, so that one thing differs:\nleave the third out"
    otherwise = f"only {kernels[0]}" if len(kernels) == 1 else ", ".join(kernels)
    return claim("both kernels, and no other", kernels == sorted(BOTH), hint, otherwise)


def _memories(frame: pd.DataFrame, kernel: str) -> set[tuple]:
    """What was built for this kernel's runs: share, seed, and the pages of every kind."""
    pages = [name for name in frame if name.endswith("_pages")]
    columns = frame[frame.kernel == kernel][["unmovable", "seed", *pages]]
    return set(columns.itertuples(index=False, name=None))


def paired(frame: pd.DataFrame) -> Finding:
    """Whether both kernels had the same memories."""
    old, new = (_memories(frame, kernel) for kernel in BOTH)
    seeds, shares = ([sorted(set(frame[frame.kernel == kernel][name])) for kernel in BOTH]
                     for name in ("seed", "unmovable"))
    if not old or not new:
        came_out, hint = "nothing to compare", "there are no runs of one of the kernels"
    elif seeds[0] != seeds[1]:
        came_out = f"seeds {_some(seeds[0])} before, {_some(seeds[1])} after"
        hint = ("different seeds are different memories:\n"
                "what differs may be chance. One sweep with both kernels takes the same seeds")
    elif shares[0] != shares[1]:
        came_out = f"shares {_some(shares[0])} before, {_some(shares[1])} after"
        hint = ("a share that only one kernel has cannot be compared:\n"
                "one sweep with both kernels takes the same shares")
    else:
        came_out = f"{len(old ^ new)} memories that only one kernel had"
        hint = ("same share and seed, other pages:\n"
                "something else of the memory was changed together with the kernel")
    return claim("the same memories under both kernels", bool(old) and old == new, hint, came_out)


def _some(values: list) -> str:
    return ", ".join(f"{value:g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")


def one_thing(frame: pd.DataFrame) -> Finding:
    """Whether nothing differs but kernel, share and seed."""
    parameters = [name for name in frame
                  if name not in (*MEASURES, "kernel", "unmovable", "in_vain") and _of_a_run(frame, name)]
    varied = [name for name in (*parameters, "mode") if frame[name].nunique(dropna=False) > 1]
    groups = [frame[frame.kernel == kernel] for kernel in BOTH]
    together = [name for name in varied if set(groups[0][name]) != set(groups[1][name])]
    if together:
        hint = (f"{together[0]} changes together with the kernel:\n"
                "nobody can tell which of the two made the difference")
    elif varied:
        hint = (f"{varied[0]} has several values:\n"
                "what you then say of a share mixes them. Choose one, or make two experiments")
    else:
        hint = "with one kernel nothing is compared"
    holds = not varied and all(len(group) for group in groups)
    return claim("nothing but kernel, share and seed differs", holds, hint,
                 f"{', '.join(varied) or 'not even the kernel'} differs")


def _of_a_run(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column tells what a run was given: it stands before the seed, a learner's own behind it."""
    return list(frame).index(name) < list(frame).index("seed")


def _seeds(frame: pd.DataFrame) -> Finding:
    fewest = int(frame.groupby(["kernel", "unmovable"]).seed.nunique().min())
    enough = f"{_SEEDS} or more"
    return Finding("seeds for each share and kernel", enough if fewest >= _SEEDS else str(fewest), enough,
                   "one seed is one memory:\nwithout several you cannot tell the patch from chance")


def _shares(frame: pd.DataFrame) -> Finding:
    shares = frame.unmovable.nunique()
    enough = f"{_SHARES} or more"
    return Finding("shares of unmovable memory", enough if shares >= _SHARES else str(shares), enough,
                   "two points are always on a line:\ndoes the saving grow evenly, faster, or not at all?")


def _control(frame: pd.DataFrame) -> Finding:
    return claim("a control: share 0", bool((frame.unmovable == 0).any()),
                 "without a share of 0 you cannot see what is in vain anyway, on both kernels, "
                 "and has nothing to do with the patch")


def _met(frame: pd.DataFrame) -> Finding:
    others = frame.status[~frame.status.isin(_MET)].value_counts()
    return claim("every run goes on until the scanners meet", not len(others),
                 "who compacts for an allocation, or kcompactd, stops when one block of that order is free:\n"
                 "runs of different length are compared. Take a caller that compacts the whole zone, "
                 '"compact_memory" or "proactive"',
                 ", ".join(f"{count} end by {status}" for status, count in others.items()),
                 at_most=_WITHOUT_THE_MEASURE)


def _room(frame: pd.DataFrame) -> Finding:
    on_lru = frame[["movable_pages", "unevictable_pages", "unmovable_pages"]].sum(axis=1)
    looked_at, met = frame.lru_scanned / on_lru.where(on_lru > 0), frame.status.isin(_MET)
    # Why the others stopped is said by _met().
    least = float((looked_at[met] if met.any() else looked_at).min())
    return claim(f"the scanner looks at {_LOOKED_AT:.0%} of the LRU pages or more, in every run",
                 least >= _LOOKED_AT,
                 "with little free memory, or few pageblocks, the scanners meet at once:\n"
                 "write free=0.3 or more, and pages=4096", f"{least:.0%}")


def _in_vain(frame: pd.DataFrame) -> Finding:
    tried, right = "the column in_vain", frame.targets - frame.migrated
    if "in_vain" not in frame:
        return Finding(tried, "missing", "targets that were not used",
                       'there is no such column:\n'
                       'add it: frame["in_vain"] = ..., from targets and what became of them',
                       at_most=_WITHOUT_THE_MEASURE)
    given = pd.to_numeric(frame.in_vain, errors="coerce")
    failed = frame[[name for name in MEASURES if name.startswith("failed_")]].sum(axis=1)
    if np.array_equal(given, right):
        return Finding(tried, "targets that were not used", "targets that were not used")
    likely = [(failed, "pages that failed", TWICE),
              (frame.failed_EINVAL, "pages refused by their own callback", TWICE),
              (frame.isolated - frame.migrated, "pages isolated and not moved",
               "look at your control:\npages that were never tried, as no target was left, count there. "
               "Count targets - migrated"),
              (frame.targets, "all targets",
               "targets for pages that moved were not in vain:\nsubtract migrated")]
    came_out, hint = next(
        ((name, why) for column, name, why in likely if np.array_equal(given, column)),
        ("something else", "a page that moves uses one target:\n"
                           "what is left of targets was asked for in vain"))
    return Finding(tried, came_out, "targets that were not used", hint, at_most=_WITHOUT_THE_MEASURE)
