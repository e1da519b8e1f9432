"""What a recording's kernel did, done again by the model: recorded runs, replayed and predicted.

A recording holds the state of every page frame just before compaction, and the kernel's own trace of it.
`predict` compacts the snapshot and knows nothing of what the trace says of compaction; `ablation` does so
without one rule after the other. `replay` runs the migrate scanner alone, up to where the kernel's scanner
stopped. It leaves out what the kernel did to memory meanwhile: pages that migration emptied merge with free
blocks further up, which on 6.1 changes nr_scanned now and then.
"""
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

import numpy as np
import pandas as pd

from .. import scan
from ..compaction.compact_zone import compact_zone, isolate_migratepages, migrated_from
from ..compaction.control import CompactControl, control_for
from ..compaction.events import FreeEvent, IsolateEvent, MigratePagesEvent
from ..mm.swap import lru_add_drain
from ..mm.zone import pageblock_end_pfn, pageblock_start_pfn
from .arrivals import beside_the_kernel
from .recording import Recording, check_recording, load, names
from .rules import ABLATED, check_rules
from .schema import ONLY_IF_COMPLETE
from .triggers import asked_before, kernel_ranges, kernel_tuples, model_tuples, predict_trigger

REPLAY_COLUMNS = ["zone", "start_pfn", "end_pfn", "nr_scanned", "nr_taken",
                  "kernel_start", "kernel_end", "kernel_scanned", "kernel_taken", "agrees"]
ABLATION_COLUMNS = ["runs_isolated", "runs_migrated", "runs_ranges", "migrate_ranges", "free_ranges",
                    "runs_arrived", "pages_arrived"]


def verdicts(recording: Recording) -> np.ndarray:
    """The model's verdict on every page, as the recorded release decides: uint8, see `scan.REASONS`.

    It is what the run's scanner meets: the LRU batches are drained first. The memory is left as it was.
    """
    memory = check_recording(recording).memory
    begin = memory.snapshot()
    lru_add_drain(memory)           # of every CPU, as compact_nodes() begins (mm/compaction.c)
    codes = scan.verdicts(recording, recording.kernel, recording.mode)
    memory.restore(begin)
    return codes


def runs_of(recording: Recording) -> Iterator[CompactControl]:
    """What vm.compact_memory orders in each recorded zone, lowest first: a CompactControl that has not begun.

    The caller runs one to its end before it asks for the next: the zones share `recording.memory`, and what a
    run made of the verdicts is handed on to the next zone's. The memory is put back when the loop over the
    runs ends or is left.
    """
    memory = check_recording(recording).memory
    if recording.trigger != "compact_memory":
        raise ValueError(f"{recording.name} is no run of vm.compact_memory: write recordings.predict(run)")
    begin = memory.snapshot()
    try:
        lru_add_drain(memory)
        codes = scan.verdicts(recording, recording.kernel, recording.mode).tobytes()
        for zone in recording.zones:
            cc = control_for("compact_memory", zone, kernel=recording.kernel, release=recording.release,
                             verdicts=codes)
            yield cc
            # Verdicts hold for the memory of which they were made, and the run has changed that: cc.verdicts
            # is its own copy, which it kept true.
            codes = bytes(cc.verdicts)
    finally:
        memory.restore(begin)


def replay(recording: Recording, without: str | Iterable[str] = ()) -> pd.DataFrame:
    """The model's scan of the snapshot beside the kernel's: one row a range, matched by its place in a zone.

    Columns zone, start_pfn, end_pfn, nr_scanned, nr_taken, the kernel_ four, and agrees: start, end and
    nr_taken are equal, and nr_scanned where the release counts the pages it jumps over (see RELEASES). A
    range that only one side has is a row with NA, which does not agree. `without` names rules to leave out
    (see rules.RULES).
    """
    recording = check_recording(recording).without(without)
    compared = (0, 1, 2, 3) if recording.release.counts_jumped else (0, 1, 3)
    rows = []
    for number, cc in enumerate(runs_of(recording)):
        _scan_alone(cc, recording, stop_pfn=int(recording.zone_end_pfns[number, 0]))
        rows += _beside((cc.zone.name,), cc.trace, _of_zone(recording.isolate_ranges, number), compared)
    return _frame(rows, REPLAY_COLUMNS)


def _scan_alone(cc: CompactControl, recording: Recording, stop_pfn: int) -> None:
    """The loop of compact_zone() up to `stop_pfn`, without migration: what was isolated is forgotten.

    Not compact_zone() itself, which ends by where both scanners are: here the kernel's own stop is given.
    """
    cc.migrate_pfn = cc.zone.start_pfn
    # The last pageblock is the free scanner's, and may be cut off by the zone's end.
    cc.free_pfn = pageblock_start_pfn(min(pageblock_end_pfn(stop_pfn - 1), cc.zone.end_pfn))
    last_migrated_pfn = 0
    while cc.migrate_pfn < min(stop_pfn, cc.free_pfn):
        began = cc.migrate_pfn
        cc.finish_pageblock = pageblock_start_pfn(last_migrated_pfn) == pageblock_start_pfn(began)
        isolate_migratepages(cc, recording.mode)
        if cc.nr_migratepages:
            last_migrated_pfn = migrated_from(cc, began)
        # As after a migration that left nothing isolated: otherwise too_many_isolated() would hold.
        cc.zone.vmstat.update(nr_isolated_anon=0, nr_isolated_file=0)
        cc.migratepages.clear()
        cc.nr_migratepages = 0


def _beside(named: tuple, model: list, kernel: list, compared: tuple = (0, 1, 2, 3)) -> list[tuple]:
    """The two sides' ranges in order, a row for each place that either has; `compared`: by which fields."""
    rows, both = [], min(len(model), len(kernel))
    for place in range(max(len(model), len(kernel))):
        ours, theirs = (ranges[place] if place < len(ranges) else [pd.NA] * 4 for ranges in (model, kernel))
        rows.append((*named, *ours, *theirs, place < both and all(ours[i] == theirs[i] for i in compared)))
    return rows


def _frame(rows: list[tuple], columns: list[str]) -> pd.DataFrame:
    types = dict.fromkeys(REPLAY_COLUMNS[1:-1], "Int64") | {"agrees": bool}
    return pd.DataFrame(rows, columns=columns).astype(types)


def _of_zone(ranges: np.ndarray, number: int) -> list[list[int]]:
    return ranges[ranges[:, 0] == number, 1:].tolist()


def predict(recording: Recording, without: str | Iterable[str] = ()) -> dict:
    """The whole run from the snapshot alone: both scanners and every page's fate, beside what the kernel did.

    Keys isolated, migrated, failed (pages, over all runs) and meet_pfn (where the migrate scanner last ended,
    by zone; -1: it was not there), the same with kernel_ before; events (a list of tuples, see events.py: all
    that was traced, in order) and kernel_events; migrate_ranges and free_ranges (int64, n x 5, as the
    recording's own); moves (int64, n x 2: source and target of each base page that moved, in order) and flags
    (the flags column, see PG, of all memory afterwards); complete: whether the snapshot has the per-CPU lists
    and the held buffers. What other triggers take from the trace is said in triggers.py. `without` names
    rules to leave out, one or several: predict(recording, without="32-page stop"); ValueError lists them. The
    recording's memory is left as it was.
    """
    recording = check_recording(recording).without(without)
    runs, events, kernel_events, flags = _whole_runs(recording)
    numbers = {int(start): number for number, start in enumerate(recording.zone_start)}
    ranges = {IsolateEvent: [], FreeEvent: []}
    moves, meet_pfn = [], [-1] * len(numbers)
    migrated = failed = 0
    for cc in runs:
        number = numbers[cc.zone.start_pfn]
        for event in cc.trace:
            if type(event) in ranges:
                ranges[type(event)].append((number, *event))
            elif type(event) is MigratePagesEvent:
                migrated += event.succeeded
                failed += event.failed
        meet_pfn[number] = cc.migrate_pfn
        moves += cc.moves
    migrate_ranges, free_ranges = (np.array(rows, np.int64).reshape(-1, 5) for rows in ranges.values())
    ended = {zone: migrate_pfn for kind, zone, migrate_pfn, *_ in
             (event for event in kernel_events if event[0] == "end")}
    kernel_meet_pfn = (recording.zone_end_pfns[:, 0].tolist() if "zone_end_pfns" in recording.arrays
                       else [ended.get(str(name), -1) for name in recording.zone_name])
    counted = _counted_by_the_kernel(recording, kernel_events)
    recorded = all(name in recording.arrays for name in ONLY_IF_COMPLETE)
    return {
        "isolated": int(migrate_ranges[:, 4].sum()), "migrated": migrated, "failed": failed,
        "meet_pfn": meet_pfn, "kernel_isolated": int(kernel_ranges(recording, "isolate_ranges")[:, 4].sum()),
        "kernel_migrated": counted[0], "kernel_failed": counted[1],
        "kernel_meet_pfn": kernel_meet_pfn, "events": events, "kernel_events": kernel_events,
        "migrate_ranges": migrate_ranges, "free_ranges": free_ranges,
        "moves": np.array(moves, np.int64).reshape(-1, 2), "flags": flags,
        "complete": bool(recording.meta.get("snapshot_complete", False)) and recorded}


def _whole_runs(recording: Recording) -> tuple[list[CompactControl], list[tuple], list[tuple], np.ndarray]:
    """All runs of a trigger, the model's events and the kernel's, and the flags of all memory afterwards."""
    memory = recording.memory
    begin = memory.snapshot()
    try:
        if recording.trigger != "compact_memory":
            predicted = predict_trigger(recording)
            return predicted.runs, predicted.events, predicted.kernel, np.array(memory.flags)
        runs, flags, events = [], None, []
        names = {int(start): str(name) for start, name in zip(recording.zone_start, recording.zone_name)}
        for cc in runs_of(recording):
            cc.traces_all = True
            events += asked_before(recording, cc.zone)
            compact_zone(cc, recording.mode.unevictable)
            events += model_tuples(cc.trace, names)
            runs.append(cc)
            flags = np.array(memory.flags)
        return runs, events, kernel_tuples(recording), flags
    finally:
        memory.restore(begin)


def _counted_by_the_kernel(recording: Recording, kernel_events: list[tuple]) -> tuple:
    """How many pages it migrated, and how many failed. Its counters have those of other tasks as well."""
    if recording.trigger == "compact_memory":
        counters = recording.meta.get("vmstat_delta", {})
        return counters.get("pgmigrate_success"), counters.get("pgmigrate_fail")
    migrations = [event[1:] for event in kernel_events if event[0] == "mig"]
    return tuple(map(sum, zip(*migrations))) or (0, 0)


def compare(recording: Recording, without: str | Iterable[str] = ()) -> pd.DataFrame:
    """Every range of both scanners as predicted, beside the kernel's: one row a range, scanner by scanner.

    Column scanner ("migrate" or "free"), then those of `replay`; agrees: all four numbers are equal. Then
    moved, how many pages moved from the model's range (free: to places in it), and arrived, how many of these
    have the kernel's bits (see arrivals). attrs: recording, its name; without; meet_pfn, where the migrate
    scanner ended: for each zone its name, the model's pfn and the kernel's (-1: not visited); moved and
    arrived, of the whole run.
    """
    predicted, zones, rows = predict(recording, without), recording.zone_name.tolist(), []
    pages = beside_the_kernel(recording, predicted["moves"], predicted["flags"])
    for scanner, kernel in (("migrate", kernel_ranges(recording, "isolate_ranges")),
                            ("free", kernel_ranges(recording, "free_ranges"))):
        model = predicted[f"{scanner}_ranges"]
        for number, zone in enumerate(zones):
            rows += _beside((scanner, zone), _of_zone(model, number), _of_zone(kernel, number))
    frame = _frame(rows, ["scanner", *REPLAY_COLUMNS])
    for scanner, place in (("migrate", "source"), ("free", "target")):
        here = frame.scanner == scanner
        frame.loc[here, ["moved", "arrived"]] = _within(frame[here], pages[place].to_numpy(), pages.agrees)
    frame = frame.astype({"moved": int, "arrived": int})
    met = list(zip(zones, predicted["meet_pfn"], predicted["kernel_meet_pfn"]))
    frame.attrs = {"recording": recording.name, "without": check_rules(without), "meet_pfn": met,
                   "moved": len(pages), "arrived": int(pages.agrees.sum())}
    return frame


def _within(ranges: pd.DataFrame, pfns: np.ndarray, agrees: pd.Series) -> np.ndarray:
    """How many of the pages lie in each of the model's ranges, and how many of these agree: n x 2."""
    order = np.argsort(pfns)
    agree_below = np.concatenate([[0], np.cumsum(agrees.to_numpy()[order])])
    # A range that the kernel alone has is empty here.
    begin, end = (np.searchsorted(pfns[order], ranges[side].fillna(0).to_numpy(int))
                  for side in ("start_pfn", "end_pfn"))
    return np.column_stack([end - begin, agree_below[end] - agree_below[begin]])


def arrivals(recording: Recording, without: str | Iterable[str] = ()) -> pd.DataFrame:
    """Every page that moved in the prediction, and its bits where it arrived, beside the kernel's.

    Columns zone, source and target (pfns), in the order in which the pages moved; for each of anon,
    unevictable, mlocked, swapbacked, lru, buddy and dirty the model's bit and the kernel's (kernel_anon ...),
    after the run; in_batch: the kernel's page waits in a per-CPU LRU batch, so that its lru bit is not
    compared; agrees: all others are equal. Nothing else is left out of the comparison.
    """
    predicted = predict(recording, without)
    return beside_the_kernel(recording, predicted["moves"], predicted["flags"])


def ablation(runs: Iterable[Recording] | None = None, rules: Iterable[str | Iterable[str]] = ABLATED,
             executor: Executor | None = None) -> pd.DataFrame:
    """What each rule is worth to `predict`: one row a rule left out (or several in a tuple), after "none".

    Over all `runs` (recordings; default: the kit's quiet ones) it counts in how many the number of pages
    isolated, the numbers of pages migrated and failed, and every range of both scanners are the kernel's, and
    whether every moved page has the kernel's bits; and the ranges of each scanner and the moved pages that
    are, wherever they stand. With an executor the runs are spread, as those
    of a sweep are.
    """
    if runs is None:
        runs = [run for run in map(load, names()) if not run.meta.get("noise")]
    runs = [check_recording(run) for run in ([runs] if isinstance(runs, Recording) else runs)]
    spread = map if executor is None else executor.map
    whole = list(spread(_score, runs))
    scores = {"none": whole}
    for rule in rules:
        # A run that cannot tell whether the rule holds is not predicted again.
        lacking = [run.without(rule) for run in runs]
        anew = iter(spread(_score, [lacks for lacks, run in zip(lacking, runs) if lacks is not run]))
        scores[" and ".join(check_rules(rule))] = [as_it_was if lacks is run else next(anew)
                                                   for lacks, run, as_it_was in zip(lacking, runs, whole)]
    totals = {rule: np.sum(by_run, axis=0) for rule, by_run in scores.items()}
    return pd.DataFrame.from_dict(totals, orient="index", columns=ABLATION_COLUMNS).rename_axis("left out")


def _score(run: Recording) -> list[int]:
    """What ABLATION_COLUMNS count, of one run."""
    found = predict(run)
    totals = ("isolated", "migrated", "failed")
    isolated, migrated, failed = (found[total] == found[f"kernel_{total}"] for total in totals)
    sides = [(found["migrate_ranges"], kernel_ranges(run, "isolate_ranges")),
             (found["free_ranges"], kernel_ranges(run, "free_ranges"))]
    every_range = all(np.array_equal(model, kernel) for model, kernel in sides)
    arrived = beside_the_kernel(run, found["moves"], found["flags"]).agrees
    return [isolated, migrated and failed, every_range, *(_in_both(model, kernel) for model, kernel in sides),
            arrived.all(), arrived.sum()]


def _in_both(model: np.ndarray, kernel: np.ndarray) -> int:
    return (Counter(map(tuple, model.tolist())) & Counter(map(tuple, kernel.tolist()))).total()
