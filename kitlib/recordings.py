"""Real kernels' memory and what their compaction did with it: recorded runs, loaded, checked and replayed.

A recording holds the state of every page frame just before vm.compact_memory was written, and the kernel's own trace of
the run. `replay` runs kitlib's block function and decision table over the snapshot, up to where the kernel's scanner stopped.
Leaves out what the kernel did to memory meanwhile: pages that migration emptied merge with free blocks further up, which
on 6.1 changes nr_scanned now and then.
"""
from array import array
from pathlib import Path

import numpy as np
import pandas as pd

from . import scan
from .allocator import PerCpuPages
from .compaction import CompactControl, compact_zone, isolate_migratepages_block, suitable_migration_source
from .control import FreeEvent, IsolateEvent, parse_release, release_of
from .folio import PG
from .freepages import pageblock_present
from .kernels import after, before
from .mapping import AddressSpace, AddressSpaceOperations, mapping_set_unevictable, set_bit, AS_UNMOVABLE
from .scenarios import kvm_gmem_aops, secretmem_aops
from .schema import ONLY_IF_COMPLETE, SCHEMA, RecordingError, read
from .verdict import Mode
from .zone import Zone, pageblock_end_pfn, pageblock_start_pfn

REPLAY_COLUMNS = ["zone", "start_pfn", "end_pfn", "nr_scanned", "nr_taken",
                  "kernel_start", "kernel_end", "kernel_scanned", "kernel_taken", "agrees"]
RECORDED = Path(__file__).parent / "recorded"

# kpageflags bits (include/uapi/linux/kernel-page-flags.h), and what they become in a zone's flags column.
KPF = {5: PG.LRU, 12: PG.ANON, 15: PG.HEAD, 16: PG.TAIL, 18: PG.UNEVICTABLE, 20: PG.NO_PAGE}
KPF_BUDDY = 10
REFUSING_AOPS = {a_ops.name: a_ops for a_ops in (secretmem_aops, kvm_gmem_aops)}


class Recording:
    """One recorded run: every array of the schema as an attribute (and as `recording["flags"]`), `meta` as a dict."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray], meta: dict):
        self.name = name
        self.arrays = arrays
        self.meta = meta
        self._memory = None

    def __getattr__(self, array_name: str) -> np.ndarray:
        try:
            return self.__dict__["arrays"][array_name]
        except KeyError:
            raise AttributeError(f"a recording has no array {array_name!r}: write one of {', '.join(SCHEMA)}") from None

    def __getitem__(self, array_name: str) -> np.ndarray:
        return self.meta if array_name == "meta" else self.arrays[array_name]

    def __repr__(self):
        return f"Recording {self.name}: Linux {self.release}, {len(self.flags):,} pages, {len(self.isolate_ranges)} ranges"

    @property
    def release(self) -> str:
        """The kernel's version, such as "6.12.113"."""
        return self.meta["kernel_version"]

    @property
    def kernel(self):
        """The kernel module that decides as this release does: `after` from v6.8 on, where the patch was merged."""
        return after if parse_release(self.release) >= (6, 8) else before

    @property
    def mode(self) -> Mode:
        """The isolation mode of the run."""
        return Mode(async_migrate=self.meta["mode"] != "sync", unevictable=bool(self.meta["compact_unevictable_allowed"]))

    @property
    def memory(self) -> Zone:
        """All page frames of the snapshot as one zone, made once; `Zone.part` gives the recorded zones."""
        if self._memory is None:
            self._memory = _memory(self)
        return self._memory

    @property
    def zones(self) -> list[Zone]:
        """The recorded zones, lowest first."""
        return [self.memory.part(str(name), int(start), int(end))
                for name, start, end in zip(self.zone_name, self.zone_start, self.zone_end)]


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


def _memory(recording: Recording) -> Zone:
    kpageflags, anon = recording.flags, recording.anon
    flags = np.zeros(len(kpageflags), np.uint16)
    for bit, ours in KPF.items():
        flags |= ((kpageflags >> np.uint64(bit)) & np.uint64(1)).astype(np.uint16) * np.uint16(ours)
    first_free = recording.buddy_order < 255
    in_free_block = (kpageflags >> np.uint64(KPF_BUDDY)) & np.uint64(1) != 0
    flags[in_free_block & ~first_free] = PG.FREE_TAIL
    flags[first_free] = PG.BUDDY
    flags[first_free & (recording.buddy_order > 0)] |= PG.HEAD
    on_lru = flags & PG.LRU != 0
    flags[~on_lru & ~in_free_block & ~first_free] |= PG.SLAB
    folio = on_lru & (flags & PG.TAIL == 0)
    # One reference more than page cache and page tables account for is that of the folio's buffers.
    cached = folio & ~anon & (recording.mapping != 0)
    flags[cached & (recording.refcount - recording.mapcount > 1)] |= PG.PRIVATE
    order = np.where(first_free, recording.buddy_order, np.where(recording.compound_order < 255, recording.compound_order, 0))

    zone = Zone(len(flags), name="memory")
    columns = {"flags": flags, "refcount": recording.refcount, "mapcount": recording.mapcount,
               "mapping": np.where(folio & ~anon, recording.mapping, 0).astype(np.uint16)}
    for name, column in columns.items():
        setattr(zone, name, array(getattr(zone, name).typecode, column.tobytes()))
    zone.order = bytearray(order.astype(np.uint8).tobytes())
    zone.migratetype = bytearray(recording.migratetype.tobytes())
    zone.mappings += [_mapping(recording, number) for number in range(1, len(recording.mapping_flags))]
    return zone


def _mapping(recording: Recording, number: int) -> AddressSpace:
    name, flags, meta = str(recording.mapping_aops[number]), int(recording.mapping_flags[number]), recording.meta
    mapping = AddressSpace(name or "unknown", REFUSING_AOPS.get(name) or AddressSpaceOperations(name or "unknown"))
    if flags >> meta["as_unevictable_bit"] & 1:
        mapping_set_unevictable(mapping)
    if meta["as_inaccessible_bit"] is not None and flags >> meta["as_inaccessible_bit"] & 1:
        set_bit(AS_UNMOVABLE, mapping)
    return mapping


def verdicts(recording: Recording) -> np.ndarray:
    """The model's verdict on every page, as the recorded release decides: uint8, see `scan.REASONS`."""
    return scan.verdicts(recording, recording.kernel, recording.mode)


def replay(recording: Recording) -> pd.DataFrame:
    """The model's scan of the snapshot beside the kernel's: one row a range, matched by its position in the zone.

    Columns zone, start_pfn, end_pfn, nr_scanned, nr_taken, the kernel_ four, and agrees: start, end and nr_taken are equal,
    and nr_scanned where the release counts the pages it jumps over (see RELEASES). A range that only one side has is a
    row with NA, which does not agree.
    """
    codes = verdicts(check_recording(recording)).tobytes()
    counts_jumped = release_of(recording.release).counts_jumped
    begin, rows = recording.memory.snapshot(), []
    for number, zone in enumerate(recording.zones):
        model = _scan(recording, zone, codes, stop_pfn=int(recording.zone_end_pfns[number][0]))
        kernel = recording.isolate_ranges[recording.isolate_ranges[:, 0] == number, 1:].tolist()
        for position in range(max(len(model), len(kernel))):
            ours, theirs = (list(ranges[position]) if position < len(ranges) else [pd.NA] * 4 for ranges in (model, kernel))
            compared = (0, 1, 2, 3) if counts_jumped else (0, 1, 3)
            agrees = position < min(len(model), len(kernel)) and all(ours[i] == theirs[i] for i in compared)
            rows.append((zone.name, *ours, *theirs, agrees))
    recording.memory.restore(begin)
    return pd.DataFrame(rows, columns=REPLAY_COLUMNS).astype(dict.fromkeys(REPLAY_COLUMNS[1:-1], "Int64") | {"agrees": bool})


def _scan(recording: Recording, zone: Zone, codes: bytes, stop_pfn: int) -> list:
    """The block function over one zone up to where the kernel's scanner stopped, as compact_zone() calls it."""
    cc = CompactControl(zone, recording.kernel, release=recording.release, ignore_skip_hint=True, verdicts=codes)
    low_pfn = zone.start_pfn
    last_migrated_block = None
    while low_pfn < min(stop_pfn, zone.end_pfn):
        block_start, block_end = pageblock_start_pfn(low_pfn), min(pageblock_end_pfn(low_pfn), zone.end_pfn)
        start = max(block_start, zone.start_pfn)
        if not (pageblock_present(zone, start, block_end) and suitable_migration_source(cc, start)):
            low_pfn = block_end
            continue
        cc.finish_pageblock = block_start == last_migrated_block
        isolate_migratepages_block(cc, low_pfn, block_end, recording.mode)
        if cc.nr_migratepages:
            last_migrated_block = block_start
        # Migration takes the whole list away.
        for isolated in ("nr_isolated_anon", "nr_isolated_file"):
            zone.vmstat[isolated] = 0
        cc.migratepages.clear()
        cc.nr_migratepages = 0
        low_pfn = cc.migrate_pfn
    return cc.trace


def predict(recording: Recording) -> dict:
    """The whole run from the snapshot alone: both scanners and every page's fate, beside what the kernel did.

    Keys isolated, migrated, failed (pages, over all zones) and meet_pfn (where the migrate scanner ended, by zone), the same
    with kernel_ before; migrate_ranges and free_ranges (int64, n x 5, as the recording's own); complete: whether the
    snapshot has the per-CPU lists and the held buffers. The recording's memory is left as it was.
    """
    memory, meta = check_recording(recording).memory, recording.meta
    begin = memory.snapshot()
    codes = verdicts(recording).tobytes()
    totals = dict.fromkeys(("isolated", "migrated", "failed"), 0)
    meet_pfn, migrate_ranges, free_ranges = [], [], []
    for number, zone in enumerate(recording.zones):
        zone.pcp = _pcp(recording, number)
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


def _ranges(rows: list[tuple]) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, 5)


def _pcp(recording: Recording, number: int) -> PerCpuPages | None:
    """The zone's per-CPU lists as the snapshot has them; None where they are not used or not recorded."""
    if "pcp_high" not in recording.arrays or recording.pcp_high[number] == 0:
        return None
    pcp = PerCpuPages(int(recording.pcp_high[number]), int(recording.pcp_batch[number]), release_of(recording.release).pcp_doubles)
    for pfn, at in zip(*(recording.arrays[name][recording.pcp_zone == number].tolist() for name in ("pcp_pfn", "pcp_list"))):
        pcp.lists[at].append(pfn)
        pcp.count += 1 << at // 3
    return pcp
