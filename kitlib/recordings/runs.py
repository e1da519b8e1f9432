"""Real kernels' memory and what their compaction did with it: recorded runs, loaded, replayed and predicted.

A recording holds the state of every page frame just before vm.compact_memory was written, and the kernel's own trace of
the run. `predict` compacts the snapshot and knows nothing of the trace; `ablation` does so without one rule after the other.
`replay` runs the migrate scanner alone, up to where the kernel's scanner stopped. It leaves out what the kernel did to memory
meanwhile: pages that migration emptied merge with free blocks further up, which on 6.1 changes nr_scanned now and then.
"""
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pandas as pd

from .. import scan
from ..compaction.compact_zone import CompactControl, compact_zone, isolate_migratepages
from ..compaction.events import FreeEvent, IsolateEvent
from ..compaction.releases import Release, parse_release, release_of
from ..kernels import after, before
from ..mm.verdict import Mode
from ..mm.zone import Zone, pageblock_end_pfn, pageblock_start_pfn
from .memory import memory_of, pcp_of
from .rules import ABLATED, RULES, check_rules
from .schema import ONLY_IF_COMPLETE, SCHEMA, RecordingError, read

REPLAY_COLUMNS = ["zone", "start_pfn", "end_pfn", "nr_scanned", "nr_taken",
                  "kernel_start", "kernel_end", "kernel_scanned", "kernel_taken", "agrees"]
ABLATION_COLUMNS = ["runs_isolated", "runs_migrated", "runs_ranges", "migrate_ranges", "free_ranges"]
RECORDED = Path(__file__).parent


class Recording:
    """One recorded run: every array of the schema as an attribute (and as `recording["flags"]`), `meta` as a dict."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray], meta: dict, lacks: dict | None = None):
        self.name = name
        self.arrays = arrays
        self.meta = meta
        self.lacks = lacks or {}                # fields of Release that are otherwise than in this release
        self._memory = None

    def __getattr__(self, array_name: str) -> np.ndarray:
        try:
            return self.__dict__["arrays"][array_name]
        except KeyError:
            raise AttributeError(f"a recording has no array {array_name!r}: write one of {', '.join(SCHEMA)}") from None

    def __getitem__(self, array_name: str) -> np.ndarray:
        return self.meta if array_name == "meta" else self.arrays[array_name]

    def __repr__(self):
        return f"Recording {self.name}: Linux {self.kernel_version}, {len(self.flags):,} pages, {len(self.isolate_ranges)} ranges"

    @property
    def kernel_version(self) -> str:
        """The kernel's version, such as "6.12.113"."""
        return self.meta["kernel_version"]

    @property
    def release(self) -> Release:
        """How this release counts, less the rules that were left out."""
        return release_of(self.kernel_version)._replace(**self.lacks)

    @property
    def kernel(self):
        """The kernel module that decides as this release does: `after` from v6.8 on, where the patch was merged."""
        return after if parse_release(self.kernel_version) >= (6, 8) else before

    @property
    def mode(self) -> Mode:
        """The isolation mode of the run."""
        return Mode(async_migrate=self.meta["mode"] != "sync", unevictable=bool(self.meta["compact_unevictable_allowed"]))

    @property
    def memory(self) -> Zone:
        """All page frames of the snapshot as one zone, made once; `Zone.part` gives the recorded zones."""
        if self._memory is None:
            self._memory = memory_of(self)
        return self._memory

    @property
    def zones(self) -> list[Zone]:
        """The recorded zones, lowest first."""
        return [self.memory.part(str(name), int(start), int(end))
                for name, start, end in zip(self.zone_name, self.zone_start, self.zone_end)]

    def without(self, rules: str | Iterable[str]) -> "Recording":
        """The same run where these rules do not hold (see rules.RULES); the recording itself where that changes nothing."""
        changed = self
        for name in check_rules(rules):
            lacking = RULES[name](changed)
            if (any(not np.array_equal(array, changed.arrays.get(key, ())) for key, array in lacking.arrays.items())
                    or lacking.meta != {key: changed.meta[key] for key in lacking.meta} or lacking.release):
                changed = Recording(self.name, changed.arrays | lacking.arrays, changed.meta | lacking.meta,
                                    changed.lacks | lacking.release)
        return changed


def names() -> list[str]:
    """The recordings that come with the kit."""
    return sorted(path.stem for path in RECORDED.glob("*.npz"))


def load(path_or_name: str | Path) -> Recording:
    """A recording by its name (see `names`) or from a file. RecordingError names the file and the array that is wrong."""
    path = RECORDED / f"{str(path_or_name).removesuffix('.npz')}.npz"
    path = path if path.stem in names() and path.name.startswith(str(path_or_name)) else Path(str(path_or_name))
    if not path.is_file():
        raise RecordingError(f"no recording {str(path_or_name)!r}: write a file's path or one of {', '.join(names())}")
    return Recording(path.stem, *read(path))


def check_recording(recording: Recording) -> Recording:
    """`recording`, or a TypeError that says what to write."""
    if not isinstance(recording, Recording):
        raise TypeError(f"no recording but {recording!r}: write recordings.load(name)")
    return recording


def verdicts(recording: Recording) -> np.ndarray:
    """The model's verdict on every page, as the recorded release decides: uint8, see `scan.REASONS`."""
    return scan.verdicts(recording, recording.kernel, recording.mode)


def replay(recording: Recording, without: str | Iterable[str] = ()) -> pd.DataFrame:
    """The model's scan of the snapshot beside the kernel's: one row a range, matched by its position in the zone.

    Columns zone, start_pfn, end_pfn, nr_scanned, nr_taken, the kernel_ four, and agrees: start, end and nr_taken are equal,
    and nr_scanned where the release counts the pages it jumps over (see RELEASES). A range that only one side has is a
    row with NA, which does not agree. `without` names rules to leave out (see rules.RULES).
    """
    recording = check_recording(recording).without(without)
    compared = (0, 1, 2, 3) if recording.release.counts_jumped else (0, 1, 3)
    rows = []
    for number, (zone, model) in enumerate(zip(recording.zones, _replayed(recording))):
        rows += _beside((zone.name,), model, _of_zone(recording.isolate_ranges, number), compared)
    return _frame(rows, REPLAY_COLUMNS)


def _beside(named: tuple, model: list, kernel: list, compared: tuple = (0, 1, 2, 3)) -> list[tuple]:
    """The two sides' ranges in order, a row for each place that one of them has."""
    rows, both = [], min(len(model), len(kernel))
    for place in range(max(len(model), len(kernel))):
        ours, theirs = (ranges[place] if place < len(ranges) else [pd.NA] * 4 for ranges in (model, kernel))
        rows.append((*named, *ours, *theirs, place < both and all(ours[i] == theirs[i] for i in compared)))
    return rows


def _frame(rows: list[tuple], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(REPLAY_COLUMNS[1:-1], "Int64") | {"agrees": bool})


def _of_zone(ranges: np.ndarray, number: int) -> list[list[int]]:
    return ranges[ranges[:, 0] == number, 1:].tolist()


def _replayed(recording: Recording) -> list[list[IsolateEvent]]:
    """The migrate scanner's ranges in each zone, up to where the kernel's stopped; nothing is migrated."""
    codes, begin, found = verdicts(recording).tobytes(), recording.memory.snapshot(), []
    for zone, (stop_pfn, _) in zip(recording.zones, recording.zone_end_pfns.tolist()):
        cc = CompactControl(zone, recording.kernel, recording.release, ignore_skip_hint=True, verdicts=codes, migrate_pfn=zone.start_pfn)
        # The last pageblock is the free scanner's, and may be cut off by the zone's end.
        cc.free_pfn = pageblock_start_pfn(min(pageblock_end_pfn(stop_pfn - 1), zone.end_pfn))
        last_migrated_block = None
        while cc.migrate_pfn < min(stop_pfn, cc.free_pfn):
            cc.finish_pageblock = pageblock_start_pfn(cc.migrate_pfn) == last_migrated_block
            isolate_migratepages(cc, recording.mode)
            if cc.nr_migratepages:
                last_migrated_block = pageblock_start_pfn(cc.migrate_pfn - 1)
            # Migration takes the whole list away.
            zone.vmstat.update(nr_isolated_anon=0, nr_isolated_file=0)
            cc.migratepages.clear()
            cc.nr_migratepages = 0
        found.append(cc.trace)
    recording.memory.restore(begin)
    return found


def predict(recording: Recording, without: str | Iterable[str] = ()) -> dict:
    """The whole run from the snapshot alone: both scanners and every page's fate, beside what the kernel did.

    Keys isolated, migrated, failed (pages, over all zones) and meet_pfn (where the migrate scanner ended, by zone), the same
    with kernel_ before; migrate_ranges and free_ranges (int64, n x 5, as the recording's own); complete: whether the
    snapshot has the per-CPU lists and the held buffers. `without` names rules to leave out, one or several: predict(recording,
    without="32-page stop"); ValueError lists them. The recording's memory is left as it was.
    """
    recording = check_recording(recording).without(without)
    memory, meta = recording.memory, recording.meta
    begin = memory.snapshot()
    codes = verdicts(recording).tobytes()
    totals = dict.fromkeys(("isolated", "migrated", "failed"), 0)
    meet_pfn, migrate_ranges, free_ranges = [], [], []
    for number, zone in enumerate(recording.zones):
        zone.pcp = pcp_of(recording, number)
        zone.buffers_held = frozenset(recording.arrays["busy_pfn"].tolist() if "busy_pfn" in recording.arrays else ())
        cc = CompactControl(zone, recording.kernel, recording.release, whole_zone=True, ignore_skip_hint=True, verdicts=codes)
        compact_zone(cc, bool(meta["compact_unevictable_allowed"]))
        codes = bytes(cc.verdicts)
        ranges = {kind: [(number, *event) for event in cc.trace if type(event) is kind] for kind in (IsolateEvent, FreeEvent)}
        migrate_ranges += ranges[IsolateEvent]
        free_ranges += ranges[FreeEvent]
        totals["isolated"] += sum(event[-1] for event in ranges[IsolateEvent])
        totals["migrated"] += zone.vmstat["pgmigrate_success"]
        totals["failed"] += zone.vmstat["pgmigrate_fail"]
        meet_pfn.append(cc.migrate_pfn)
    memory.restore(begin)
    counted = meta.get("vmstat_delta", {})
    return totals | {
        "meet_pfn": meet_pfn, "kernel_isolated": int(recording.isolate_ranges[:, 4].sum()),
        "kernel_migrated": counted.get("pgmigrate_success"), "kernel_failed": counted.get("pgmigrate_fail"),
        "kernel_meet_pfn": recording.zone_end_pfns[:, 0].tolist(),
        "migrate_ranges": _ranges(migrate_ranges), "free_ranges": _ranges(free_ranges),
        "complete": bool(meta.get("snapshot_complete", False)) and all(name in recording.arrays for name in ONLY_IF_COMPLETE)}


def compare(recording: Recording, without: str | Iterable[str] = ()) -> pd.DataFrame:
    """Every range of both scanners as predicted, beside the kernel's: one row a range, in the order of each scanner.

    Column scanner ("migrate" or "free"), then those of `replay`; agrees: all four numbers are equal. attrs: recording, its
    name; without; meet_pfn, where the migrate scanner ended: for each zone its name, the model's pfn and the kernel's (-1: not
    visited).
    """
    predicted, rows = predict(recording, without), []
    for scanner, kernel in (("migrate", recording.isolate_ranges), ("free", recording.free_ranges)):
        for number, zone in enumerate(recording.zone_name.tolist()):
            rows += _beside((scanner, zone), _of_zone(predicted[f"{scanner}_ranges"], number), _of_zone(kernel, number))
    frame = _frame(rows, ["scanner", *REPLAY_COLUMNS])
    met = zip(recording.zone_name.tolist(), predicted["meet_pfn"], predicted["kernel_meet_pfn"])
    frame.attrs = {"recording": recording.name, "without": check_rules(without), "meet_pfn": list(met)}
    return frame


def ablation(runs: Iterable[Recording] | None = None, rules: Iterable[str | Iterable[str]] = ABLATED,
             executor: Executor | None = None) -> pd.DataFrame:
    """What each rule is worth to `predict`: one row a rule that is left out (or several in a tuple), after the row "none".

    Over all `runs` (recordings; default: the kit's quiet ones) it counts in how many the number of pages isolated, the numbers of
    pages migrated and failed, and every range of both scanners are the kernel's; and the ranges of each scanner that are,
    wherever they stand. With an executor the runs are spread, as those of a sweep are.
    """
    if runs is None:
        runs = [run for run in map(load, names()) if not run.meta.get("noise")]
    runs = [check_recording(run) for run in ([runs] if isinstance(runs, Recording) else runs)]
    spread = map if executor is None else executor.map
    rows = {"none": (whole := list(spread(_score, runs)))}
    for rule in rules:
        lacking = [run.without(rule) for run in runs]
        scores = iter(spread(_score, [lacks for lacks, run in zip(lacking, runs) if lacks is not run]))
        rows[" and ".join(check_rules(rule))] = [score if lacks is run else next(scores)
                                                 for lacks, run, score in zip(lacking, runs, whole)]
    totals = {rule: np.sum(scores, axis=0) for rule, scores in rows.items()}
    return pd.DataFrame.from_dict(totals, orient="index", columns=ABLATION_COLUMNS).rename_axis("left out")


def _score(run: Recording) -> list[int]:
    """What ABLATION_COLUMNS count, of one run."""
    predicted = predict(run)
    isolated, migrated, failed = (predicted[key] == predicted["kernel_" + key] for key in ("isolated", "migrated", "failed"))
    both = (predicted["migrate_ranges"], run.isolate_ranges), (predicted["free_ranges"], run.free_ranges)
    return [isolated, migrated and failed, all(np.array_equal(*sides) for sides in both), *(_in_both(*sides) for sides in both)]


def _in_both(model: np.ndarray, kernel: np.ndarray) -> int:
    return (Counter(map(tuple, model.tolist())) & Counter(map(tuple, kernel.tolist()))).total()


def _ranges(rows: list[tuple]) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, 5)
