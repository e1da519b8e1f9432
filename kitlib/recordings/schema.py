"""What a recording's file must hold, and reading one: every array is checked before anybody uses it.

Nothing is unpickled. Leaves out whether what the kernel said is true; only whether it fits together.
"""
import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..compaction.releases import parse_release
from ..mm.mmzone import MAX_ORDER, MIGRATE_TYPES, NR_PCP_LISTS, PAGEBLOCK_ORDER
from .events import EventError, events_of

NONE_STARTS_HERE = NOT_READ = 255       # in the arrays of orders and of pageblock types
NR_PCP_THP = 2                      # lists of huge pages, behind those that the model has
MOST_UNPACKED = 1 << 28                # of a file's arrays, unpacked
MAX_RECORDED_ORDER = 18             # 1 GiB, the largest hugetlb page of x86-64
_TEXT = "U"                         # strings of any length


class ArrayType(NamedTuple):
    """What an array holds: a single value, or entries, as many as every array of the same `length` has."""

    dtype: str
    length: str | None = None
    row: int | None = None          # an entry is a row of so many numbers


SCHEMA = {
    "flags": ArrayType("uint64", "page frames"), "flags_after": ArrayType("uint64", "page frames"),
    "refcount": ArrayType("int16", "page frames"), "mapcount": ArrayType("int16", "page frames"),
    "buddy_order": ArrayType("uint8", "page frames"), "compound_order": ArrayType("uint8", "page frames"),
    "mapping": ArrayType("uint16", "page frames"), "anon": ArrayType("bool", "page frames"),
    "migratetype": ArrayType("uint8", "pageblocks"), "pageblock_order": ArrayType("uint8"),
    "zone_name": ArrayType(_TEXT, "zones"),
    "zone_start": ArrayType("int64", "zones"), "zone_end": ArrayType("int64", "zones"),
    "mapping_flags": ArrayType("uint64", "mappings"), "mapping_aops": ArrayType(_TEXT, "mappings"),
    "mapping_gfp": ArrayType("uint32", "mappings"),
    "isolate_ranges": ArrayType("int64", "isolated ranges", row=5),
    "free_ranges": ArrayType("int64", "free ranges", row=5),
    "tried_pfns": ArrayType("uint32", "pages tried"), "tried_zone": ArrayType("uint8", "pages tried"),
    "zone_end_pfns": ArrayType("int64", "zones", row=2), "zone_end_status": ArrayType(_TEXT, "zones"),
    "meta": ArrayType(_TEXT),
    "pcp_pfn": ArrayType("uint32", "per-CPU blocks"), "pcp_list": ArrayType("uint8", "per-CPU blocks"),
    "pcp_zone": ArrayType("uint8", "per-CPU blocks"),
    "pcp_high": ArrayType("int32", "zones"), "pcp_batch": ArrayType("int32", "zones"),
    "busy_pfn": ArrayType("uint32", "busy pages"),
    "pcp_free_count": ArrayType("int32", "zones"), "pcp_free_factor": ArrayType("int32", "zones"),
    "lru_batch_pfn": ArrayType("uint32", "pages in LRU batches"),
    "lru_batch_refcount": ArrayType("int16", "pages in LRU batches"),
    "lru_batch_mapcount": ArrayType("int16", "pages in LRU batches"),
    "lru_batch_anon": ArrayType("bool", "pages in LRU batches"),
    "lru_batch_mapping": ArrayType("uint16", "pages in LRU batches"),
    "lru_batch": ArrayType("uint8", "pages in LRU batches"),
    "lru_add_after_pfn": ArrayType("uint32", "pages in an LRU batch after the run"),
    "skip": ArrayType("uint8", "pageblocks"), "skip_after": ArrayType("uint8", "pageblocks"),
    "migratetype_after": ArrayType("uint8", "pageblocks"),
    "free_list_pfn": ArrayType("uint32", "free blocks"), "free_list": ArrayType("uint8", "free blocks"),
    "free_list_zone": ArrayType("uint8", "free blocks"),
    "refcount_all": ArrayType("int16", "page frames"), "page_type": ArrayType("uint8", "page frames"),
    "lru_add_pfn": ArrayType("uint32", "pages in one LRU batch"),
    "events": ArrayType(_TEXT),
}
ONLY_IF_COMPLETE = ("pcp_pfn", "pcp_list", "pcp_zone", "pcp_high", "pcp_batch", "busy_pfn")
LRU_BATCH = tuple(name for name, expected in SCHEMA.items() if expected.length == "pages in LRU batches")
FREE_LISTS = tuple(name for name, expected in SCHEMA.items() if expected.length == "free blocks")
ONLY_IN_VERSION_3 = ("pcp_free_count", "pcp_free_factor", *LRU_BATCH, "lru_add_after_pfn", "skip",
                     "skip_after", "migratetype_after", *FREE_LISTS, "refcount_all", "page_type",
                     "lru_add_pfn", "events")
# Some files say these by their events alone; their arrays of ranges are empty.
ONLY_WITH_RANGES = ("tried_pfns", "tried_zone", "zone_end_pfns", "zone_end_status")
META = ("kernel_version", "compact_unevictable_allowed", "as_unevictable_bit", "as_inaccessible_bit", "mode")
# What meta["zones"] says of a zone: a number, or so many of them.
ZONE_STATE = {"index": 1, "watermark": 4, "lowmem_reserve": 5, "nr_free_highatomic": 1, "cached_free": 1,
              "cached_migrate": 2, "init_migrate": 1, "init_free": 1, "considered": 1, "defer_shift": 1,
              "order_failed": 1, "blockskip_flush": 1}


class RecordingError(ValueError):
    """A file is no recording, or its arrays contradict each other; the message names file and array."""


def read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays of a recording's file by name, and its meta; RecordingError names the file and the array."""
    try:
        arrays = _arrays(path)
        return arrays, _checked(arrays)
    except RecordingError as error:
        raise RecordingError(f"{path.name}: {error}") from error


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if (size := sum(member.file_size for member in file.zip.infolist())) > MOST_UNPACKED:
                raise RecordingError(f"holds {size:,} bytes, and should hold {MOST_UNPACKED:,} at most")
            return {name: _array(file, name) for name in file.files}
    except RecordingError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"not a whole .npz file: {error}") from error


def _array(file, name: str) -> np.ndarray:
    try:
        return file[name]
    except Exception as error:      # numpy, zipfile, zlib: each raises its own for damaged or pickled content
        raise _wrong(name, f"cannot be read: {error}") from error


def _wrong(name: str, what: str) -> RecordingError:
    return RecordingError(f"array {name!r} {what}")


def _checked(arrays: dict[str, np.ndarray]) -> dict:
    """The recording's meta, once every array has been found to be what the schema says."""
    _check_types(arrays, ["meta"])
    meta = _meta(str(arrays["meta"]))
    optional = ONLY_IN_VERSION_3 + (() if meta.get("snapshot_complete", False) else ONLY_IF_COMPLETE)
    if "events" in arrays and not len(arrays.get("isolate_ranges", "?")):
        optional += ONLY_WITH_RANGES
    _check_types(arrays, [name for name in SCHEMA if name not in optional or name in arrays])
    for together in (LRU_BATCH, FREE_LISTS):
        if 0 < sum(name in arrays for name in together) < len(together):
            raise _wrong(next(name for name in together if name not in arrays), "is missing")
    _check_pageblocks(arrays)
    _check_limits(arrays)
    _check_zones(arrays["zone_start"], arrays["zone_end"])
    _check_order("buddy_order", arrays["buddy_order"], MAX_ORDER)
    _check_order("compound_order", arrays["compound_order"], MAX_RECORDED_ORDER)
    _check_trace(arrays)
    if "zones" in meta:
        _check_zone_state(meta["zones"], len(arrays["zone_name"]))
    if "events" in arrays:
        try:
            events_of(str(arrays["events"]))
        except EventError as error:
            raise _wrong("events", str(error)) from error
    return meta


def _check_types(arrays: dict[str, np.ndarray], names: list[str]) -> None:
    """Each array is there, of its type, in its shape, and as long as the others that share its length."""
    first_with: dict[str, str] = {}
    for name in names:
        if name not in arrays:
            raise _wrong(name, "is missing")
        array, expected = arrays[name], SCHEMA[name]
        if not isinstance(array, np.ndarray):
            raise _wrong(name, "is no array")
        if expected.dtype == _TEXT and array.dtype.kind != _TEXT:
            raise _wrong(name, f"has dtype {array.dtype}, and should have text")
        if expected.dtype != _TEXT and array.dtype != expected.dtype:
            raise _wrong(name, f"has dtype {array.dtype}, and should have {expected.dtype}")
        dimensions = sum(size is not None for size in (expected.length, expected.row))
        if array.ndim != dimensions:
            raise _wrong(name, f"has {array.ndim} dimensions, and should have {dimensions}")
        if expected.row is not None and array.shape[1] != expected.row:
            raise _wrong(name, f"has rows of {array.shape[1]}, and should have rows of {expected.row}")
        if expected.length is not None:
            other = first_with.setdefault(expected.length, name)
            if len(array) != len(arrays[other]):
                raise _wrong(name, f"has {len(array)} entries, and {other!r} has {len(arrays[other])}: "
                                   "they should be as long")


def _check_pageblocks(arrays: dict[str, np.ndarray]) -> None:
    order, blocks, pages = arrays["pageblock_order"], len(arrays["migratetype"]), len(arrays["flags"])
    if order != PAGEBLOCK_ORDER:
        raise _wrong("pageblock_order",
                     f"is {order}; the kit knows pageblocks of order {PAGEBLOCK_ORDER} only")
    if blocks != -(-pages >> PAGEBLOCK_ORDER):
        raise _wrong("migratetype",
                     f"has {blocks} entries for {pages} pages in blocks of {1 << PAGEBLOCK_ORDER}")


def _check_limits(arrays: dict[str, np.ndarray]) -> None:
    """Whatever is a number of something else is one of those that there are."""
    # An index below 0 would count from the end unnoticed. None is: all but zone_end are unsigned, and that
    # lies above zone_start (_check_zones()).
    pages, zones = len(arrays["flags"]), len(arrays["zone_name"])
    limits = {"mapping": len(arrays["mapping_flags"]), "zone_end": pages + 1, "migratetype": MIGRATE_TYPES,
              "tried_pfns": pages, "tried_zone": zones, "pcp_pfn": pages, "pcp_zone": zones,
              "pcp_list": NR_PCP_LISTS + NR_PCP_THP, "busy_pfn": pages, "lru_batch_pfn": pages,
              "lru_batch_mapping": len(arrays["mapping_flags"]), "lru_add_after_pfn": pages,
              "lru_add_pfn": pages, "free_list_pfn": pages, "free_list_zone": zones,
              "free_list": (MAX_ORDER + 1) * MIGRATE_TYPES, "skip": 2}
    for name, limit in limits.items():
        array = arrays.get(name, ())
        if name == "migratetype":
            array = array[array != NOT_READ]
        if len(array) and array.max() >= limit:
            raise _wrong(name, f"holds {array.max()}, and should stay below {limit}")


def _check_zones(start: np.ndarray, end: np.ndarray) -> None:
    if not len(start) or (start < 0).any() or (start >= end).any() or (start[1:] < end[:-1]).any():
        raise _wrong("zone_start", "and zone_end are not zones one above the other")


def _check_order(name: str, orders: np.ndarray, largest: int) -> None:
    orders = orders[orders != NONE_STARTS_HERE]
    if len(orders) and orders.max() > largest:
        raise _wrong(name, f"holds {orders.max()}: no free block is larger than order {MAX_ORDER}, "
                           f"no compound page than {MAX_RECORDED_ORDER}")


def _check_trace(arrays: dict[str, np.ndarray]) -> None:
    """Each scanner stopped within memory, or never began (-1), and every range lies in its zone."""
    pages, stopped = len(arrays["flags"]), arrays.get("zone_end_pfns", np.empty((0, 2), np.int64))
    if (stopped < -1).any() or (stopped > pages).any():
        raise _wrong("zone_end_pfns", f"has a scanner that stopped outside the {pages} pages")
    start, end = arrays["zone_start"], arrays["zone_end"]
    for name in ("isolate_ranges", "free_ranges"):
        zone, first, last = arrays[name][:, :3].T
        if len(zone) and (zone.min() < 0 or zone.max() >= len(start)):
            raise _wrong(name, f"names a zone that is not there: there are {len(start)}")
        if (first < start[zone]).any() or (first > last).any() or (last > end[zone]).any():
            raise _wrong(name, "has a range outside its zone")


def _check_zone_state(zones: object, count: int) -> None:
    """meta["zones"] has an entry a zone, with every number that the model reads."""
    if not isinstance(zones, list) or len(zones) != count:
        raise _wrong("meta", f"has zones that are no list of {count}")
    for key, many in ZONE_STATE.items():
        for zone in zones:
            state = zone.get(key) if isinstance(zone, dict) else None
            numbers = state if many > 1 and isinstance(state, list) else [state]
            if len(numbers) != many or any(type(number) is not int or number < 0 for number in numbers):
                raise _wrong("meta", f"has a zone with {key} = {state!r}, and should have {many} numbers")


def _meta(text: str) -> dict:
    """The run's own description, with the keys that the model needs."""
    try:
        meta = json.loads(text)
    except ValueError as error:
        raise _wrong("meta", f"is not a JSON object: {error}") from error
    if not isinstance(meta, dict):
        raise _wrong("meta", "is not a JSON object")
    for key in META:
        if key not in meta:
            raise _wrong("meta", f"lacks the key {key!r}")
    _check_bit("as_unevictable_bit", meta["as_unevictable_bit"])
    if meta["as_inaccessible_bit"] is not None:         # a release before the flag has none
        _check_bit("as_inaccessible_bit", meta["as_inaccessible_bit"])
    if meta["compact_unevictable_allowed"] not in (0, 1) or not isinstance(meta["mode"], str):
        raise _wrong("meta", "has compact_unevictable_allowed or mode that is neither 0 nor 1, nor a word")
    try:
        parse_release(meta["kernel_version"])
    except ValueError as error:
        raise _wrong("meta", f"has {error}") from error
    return meta


def _check_bit(key: str, bit: object) -> None:
    if type(bit) is not int or not 0 <= bit < 64:
        raise _wrong("meta", f"has {key} = {bit!r}, and should have a bit number")
