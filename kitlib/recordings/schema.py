"""What a recording's file must hold, and reading one: every array is checked before anybody uses it.

Nothing is unpickled. Leaves out whether what the kernel said is true; only whether it fits together.
"""
import functools
import json
import zipfile
from pathlib import Path

import numpy as np

from ..compaction.releases import parse_release
from ..mm.page_alloc import NR_PCP_LISTS
from ..mm.zone import MAX_ORDER, MIGRATE_TYPES, PAGEBLOCK_ORDER

NONE_STARTS_HERE = 255
MAX_RECORDED_ORDER = 18             # 1 GiB, the largest hugetlb page of x86-64

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


class RecordingError(ValueError):
    """A file is no recording, or its arrays contradict each other; the message names the file and the array."""


def read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays of a recording's file by name, and its meta. RecordingError names the file and the array that is wrong."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: _array(path, file, name) for name in file.files}
    except (zipfile.BadZipFile, EOFError, OSError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"{path.name} is not a whole .npz file: {error}") from error
    return arrays, _check(path.name, arrays)


def _array(path: Path, file, name: str) -> np.ndarray:
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
        if not isinstance(found, np.ndarray):
            fail(name, "is no array")
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
    meta = _check_meta(str(arrays["meta"]), functools.partial(fail, "meta"))
    complete = meta.get("snapshot_complete", False)
    for name, (dtype, shape) in SCHEMA.items():
        if complete or name not in ONLY_IF_COMPLETE or name in arrays:
            have(name, dtype, shape)
    if arrays["pageblock_order"] != PAGEBLOCK_ORDER:
        fail("pageblock_order", f"is {arrays['pageblock_order']}; the kit knows pageblocks of order {PAGEBLOCK_ORDER} only")
    pages, zones = len(arrays["flags"]), len(arrays["zone_name"])
    if len(arrays["migratetype"]) != -(-pages >> PAGEBLOCK_ORDER):
        fail("migratetype", f"has {len(arrays['migratetype'])} entries for {pages} pages in blocks of {1 << PAGEBLOCK_ORDER}")
    start, end = arrays["zone_start"], arrays["zone_end"]
    for name, limit in (("mapping", len(arrays["mapping_flags"])), ("zone_end", pages + 1), ("migratetype", MIGRATE_TYPES),
                        ("tried_pfns", pages), ("tried_zone", zones), ("pcp_pfn", pages), ("pcp_zone", zones),
                        ("pcp_list", NR_PCP_LISTS), ("busy_pfn", pages)):
        if len(arrays.get(name, ())) and int(arrays[name].max()) >= limit:
            fail(name, f"holds {int(arrays[name].max())}, and should stay below {limit}")
    if not zones or (start < 0).any() or (start >= end).any() or (start[1:] < end[:-1]).any():
        fail("zone_start", "and zone_end are not zones one above the other")
    for name in ("buddy_order", "compound_order"):
        heads = np.flatnonzero(arrays[name] != NONE_STARTS_HERE)
        orders = arrays[name][heads].astype(np.int64)
        if (orders > MAX_RECORDED_ORDER).any() or (name == "buddy_order" and (orders > MAX_ORDER).any()):
            fail(name, f"holds {orders.max()}: no free block is larger than order {MAX_ORDER}, no compound page than {MAX_RECORDED_ORDER}")
    stopped = arrays["zone_end_pfns"]
    if ((stopped < -1) | (stopped > pages)).any():
        fail("zone_end_pfns", f"has a scanner that stopped outside the {pages} pages")
    for name in ("isolate_ranges", "free_ranges"):
        number, first, last = arrays[name][:, :3].T
        if len(number) and (number.min() < 0 or number.max() >= zones):
            fail(name, f"names a zone that is not there: there are {zones}")
        if (first < start[number]).any() or (first > last).any() or (last > end[number]).any():
            fail(name, "has a range outside its zone")
    return meta


def _check_meta(text: str, fail) -> dict:
    try:
        meta = json.loads(text)
    except ValueError as error:
        fail(f"is not a JSON object: {error}")
    if not isinstance(meta, dict):
        fail("is not a JSON object")
    for key in META:
        if key not in meta:
            fail(f"lacks the key {key!r}")
    for key, none in (("as_unevictable_bit", False), ("as_inaccessible_bit", True)):
        bit = meta[key]
        if not (none and bit is None) and not (type(bit) is int and 0 <= bit < 64):
            fail(f"has {key} = {bit!r}, and should have a bit number")
    if meta["compact_unevictable_allowed"] not in (0, 1) or not isinstance(meta["mode"], str):
        fail("has compact_unevictable_allowed or mode that is neither 0 nor 1, nor a word")
    try:
        parse_release(meta["kernel_version"])
    except ValueError as error:
        fail(f"has {error}")
    return meta
