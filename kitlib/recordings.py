"""Real kernels' memory and what their compaction did with it: recorded runs, loaded, checked and replayed.

A recording holds the state of every page frame just before vm.compact_memory was written, and the kernel's own trace of
the run. `replay` runs kitlib's block function and decision table over the snapshot, up to where the kernel's scanner stopped.
Leaves out what the kernel did to memory meanwhile: pages that migration emptied merge with free blocks further up, which
on 6.1 changes nr_scanned now and then.
"""
import json
import zipfile
from array import array
from pathlib import Path

import numpy as np
import pandas as pd

from . import scan
from .compaction import CompactControl, isolate_migratepages_block, parse_release, release_of
from .folio import PG
from .kernels import after, before
from .mapping import AddressSpace, AddressSpaceOperations, mapping_set_unevictable, set_bit, AS_UNMOVABLE
from .scenarios import kvm_gmem_aops, secretmem_aops
from .verdict import Mode
from .zone import PAGEBLOCK_ORDER, Zone, pageblock_end_pfn, pageblock_start_pfn

RECORDED = Path(__file__).parent / "recorded"

# array: dtype (U = text of any length), shape; a letter is a length that all arrays with it share.
# n page frames, b pageblocks, z zones, m mappings, k and f ranges, t pages tried, p chunks on per-CPU lists, q busy pages.
SCHEMA = {
    "flags": ("uint64", "n"), "flags_after": ("uint64", "n"), "refcount": ("int16", "n"), "mapcount": ("int16", "n"),
    "buddy_order": ("uint8", "n"), "compound_order": ("uint8", "n"), "mapping": ("uint16", "n"), "anon": ("bool", "n"),
    "migratetype": ("uint8", "b"), "pageblock_order": ("uint8", ""),
    "zone_name": ("U", "z"), "zone_start": ("int64", "z"), "zone_end": ("int64", "z"),
    "mapping_flags": ("uint64", "m"), "mapping_aops": ("U", "m"), "mapping_gfp": ("uint32", "m"),
    "isolate_ranges": ("int64", "k5"), "free_ranges": ("int64", "f5"), "tried_pfns": ("uint32", "t"), "tried_zone": ("uint8", "t"),
    "zone_end_pfns": ("int64", "z2"), "zone_end_status": ("U", "z"), "meta": ("U", ""),
    "pcp_pfn": ("uint32", "p"), "pcp_list": ("uint8", "p"), "pcp_zone": ("uint8", "p"), "pcp_high": ("int32", "z"),
    "pcp_batch": ("int32", "z"), "busy_pfn": ("uint32", "q"),
}
ONLY_IF_COMPLETE = ("pcp_pfn", "pcp_list", "pcp_zone", "pcp_high", "pcp_batch", "busy_pfn")
META = ("kernel_version", "compact_unevictable_allowed", "as_unevictable_bit", "as_inaccessible_bit", "mode")

# kpageflags bits (include/uapi/linux/kernel-page-flags.h), and what they become in a zone's flags column.
KPF = {5: PG.LRU, 12: PG.ANON, 15: PG.HEAD, 16: PG.TAIL, 18: PG.UNEVICTABLE, 20: PG.NO_PAGE}
KPF_BUDDY = 10
REFUSING_AOPS = {a_ops.name: a_ops for a_ops in (secretmem_aops, kvm_gmem_aops)}


class RecordingError(ValueError):
    """A file is no recording, or its arrays contradict each other; the message names the file and the array."""


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
    path = RECORDED / f"{path_or_name}.npz" if str(path_or_name) in names() else Path(path_or_name)
    if not path.is_file():
        raise RecordingError(f"no recording {str(path_or_name)!r}: write a file's path or one of {', '.join(names())}")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: _read(path, file, name) for name in file.files}
    except (zipfile.BadZipFile, EOFError, OSError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"{path.name} is not a whole .npz file: {error}") from error
    return Recording(path.stem, arrays, _check(path.name, arrays))


def _read(path: Path, file, name: str) -> np.ndarray:
    try:
        return file[name]
    except Exception as error:      # numpy, zipfile and zlib each raise their own for damaged or pickled content
        raise RecordingError(f"{path.name}: array {name!r} cannot be read: {error}") from error


def _check(file: str, arrays: dict[str, np.ndarray]) -> dict:
    """The recording's meta, once every array has been found to be what the schema says."""
    def fail(name: str, what: str):
        raise RecordingError(f"{file}: array {name!r} {what}")

    def have(name: str, dtype: str, shape: str) -> None:
        if name not in arrays:
            fail(name, "is missing")
        found = arrays[name]
        if found.dtype.kind != "U" if dtype == "U" else found.dtype != dtype:
            fail(name, f"has dtype {found.dtype}, and should have {'text' if dtype == 'U' else dtype}")
        dimensions = len(shape.rstrip("0123456789")) + len(shape.lstrip("nbzmkftpq"))
        if found.ndim != dimensions:
            fail(name, f"has {found.ndim} dimensions, and should have {dimensions}")
        if found.ndim == 2 and found.shape[1] != int(shape[1]):
            fail(name, f"has rows of {found.shape[1]}, and should have rows of {shape[1]}")
        if found.ndim and lengths.setdefault(shape[0], (len(found), name))[0] != len(found):
            length, other = lengths[shape[0]]
            fail(name, f"has {len(found)} entries, and {other!r} has {length}: they should be as long")

    lengths: dict[str, tuple[int, str]] = {}
    have("meta", *SCHEMA["meta"])
    try:
        meta = json.loads(str(arrays["meta"]))
        missing = [key for key in META if key not in meta]
    except (ValueError, TypeError) as error:
        fail("meta", f"is not a JSON object: {error}")
    if missing:
        fail("meta", f"lacks the key {missing[0]!r}")
    complete = meta.get("snapshot_complete", False)
    for name, (dtype, shape) in SCHEMA.items():
        if complete or name not in ONLY_IF_COMPLETE or name in arrays:
            have(name, dtype, shape)
    if arrays["pageblock_order"] != PAGEBLOCK_ORDER:
        fail("pageblock_order", f"is {arrays['pageblock_order']}; the kit knows pageblocks of order {PAGEBLOCK_ORDER} only")
    pages, zones = len(arrays["flags"]), len(arrays["zone_name"])
    if len(arrays["migratetype"]) != -(-pages >> PAGEBLOCK_ORDER):
        fail("migratetype", f"has {len(arrays['migratetype'])} entries for {pages} pages in blocks of {1 << PAGEBLOCK_ORDER}")
    for name, limit in (("mapping", len(arrays["mapping_flags"])), ("tried_pfns", pages), ("zone_end", pages + 1), ("tried_zone", zones)):
        if len(arrays[name]) and int(arrays[name].max()) >= limit:
            fail(name, f"holds {int(arrays[name].max())}, and should stay below {limit}")
    if (arrays["zone_start"] < 0).any() or (arrays["zone_start"] >= arrays["zone_end"]).any():
        fail("zone_start", "does not lie below zone_end")
    for name in ("isolate_ranges", "free_ranges"):
        zone, start, end = arrays[name][:, :3].T
        if len(zone) and (zone.min() < 0 or zone.max() >= zones or start.min() < 0 or (start > end).any() or end.max() > pages):
            fail(name, "has a range outside the recorded zones")
    parse_release(meta["kernel_version"])
    return meta


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
    codes = verdicts(recording).tobytes()
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


REPLAY_COLUMNS = ["zone", "start_pfn", "end_pfn", "nr_scanned", "nr_taken",
                  "kernel_start", "kernel_end", "kernel_scanned", "kernel_taken", "agrees"]


def _scan(recording: Recording, zone: Zone, codes: bytes, stop_pfn: int) -> list:
    """The block function over one zone up to where the kernel's scanner stopped, as compact_zone() calls it."""
    cc = CompactControl(zone, recording.kernel, release=recording.release, ignore_skip_hint=True, verdicts=codes)
    low_pfn = zone.start_pfn
    last_migrated_block = None
    while low_pfn < stop_pfn:
        block_start, block_end = pageblock_start_pfn(low_pfn), min(pageblock_end_pfn(low_pfn), zone.end_pfn)
        if _no_source(zone, max(block_start, zone.start_pfn), block_end):
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


def _no_source(zone: Zone, start_pfn: int, end_pfn: int) -> bool:
    # pageblock_pfn_to_page() and suitable_migration_source() (mm/compaction.c): no page structs, or one compound page.
    flags, first = zone.flags, zone.flags[start_pfn]
    filled = first & PG.HEAD and not first & PG.BUDDY and zone.order[start_pfn] >= PAGEBLOCK_ORDER
    return bool((first | flags[end_pfn - 1]) & PG.NO_PAGE or first & PG.TAIL or filled)
