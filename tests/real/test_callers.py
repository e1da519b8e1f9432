"""Compaction's other callers, recorded: what a file says is read, and what it lacks is said."""
import itertools
import json

import numpy as np
import pytest

from kitlib import recordings
from kitlib.recordings.events import as_tuples, events_of
from kitlib.recordings.schema import RecordingError

CALLERS = recordings.names("callers")
BUDGET = 1_000_000
DIRECT = "6.12-direct-mix-u1-s5002-3"


def test_twelve_recordings_have_every_trigger_and_stay_within_a_megabyte():
    assert len(CALLERS) == 12 and not set(CALLERS) & set(recordings.names())
    by_trigger = {trigger: recordings.names(trigger) for trigger in recordings.TRIGGERS}
    assert sorted(itertools.chain(*by_trigger.values())) == sorted(CALLERS + recordings.names())
    assert all(by_trigger.values())
    files = [recordings.recording.OTHER_CALLERS / f"{name}.npz" for name in CALLERS]
    assert sum(file.stat().st_size for file in files) < BUDGET
    with pytest.raises(ValueError, match="no trigger 'hugetlb': write callers, direct, thp"):
        recordings.names("hugetlb")


@pytest.mark.parametrize("name", CALLERS + recordings.names())
def test_a_name_says_the_trigger_that_the_file_says(name):
    assert name in recordings.names(recordings.load(name).trigger)


def test_what_a_file_lacks_is_said_and_not_refused():
    assert recordings.load("6.12-direct-mixr-u1-s6053-2").lacks == ()
    assert recordings.load(DIRECT).lacks == (
        "tried_pfns", "tried_zone", "zone_end_pfns", "zone_end_status", "pcp_free_count", "pcp_free_factor",
        "lru_batch_pfn", "lru_batch_refcount", "lru_batch_mapcount", "lru_batch_anon", "lru_batch_mapping",
        "lru_batch", "lru_add_after_pfn")
    old = recordings.load("6.12-mix-u1-s307").lacks
    assert "zones" in old and "events" in old and "skip" in old and "tried_pfns" not in old


def test_the_events_of_a_task_are_told_in_order():
    recording = recordings.load(DIRECT)
    names = {int(start): str(name) for start, name in zip(recording.zone_start, recording.zone_name)}
    kernel = as_tuples(events_of(str(recording.events)), names, {"labc"})
    assert kernel[:5] == [("try", 2, 9), ("suit", "DMA32", "continue"),
                          ("begin", "DMA32", 48640, 130560, "async"), ("fin", "no_suitable_page"),
                          ("iso", 40448, 40522, 74, 32)]
    assert kernel[-5:] == [("end", "DMA32", 38293, 73257, "success"), ("defer_reset", "DMA32", 10, 0, 1),
                           ("tryret", 8), ("defer_reset", "DMA32", 10, 0, 1), ("page", 40448)]
    assert not as_tuples(events_of(str(recording.events)), names, {"kcompactd0"})


def arrays_of(name=DIRECT):
    return dict(recordings.load(name).arrays)


def changed_zone(arrays, **state):
    meta = json.loads(str(arrays["meta"]))
    meta["zones"][0].update(state)
    return np.array(json.dumps(meta))


@pytest.mark.parametrize("name, change, says", [
    ("events", lambda a: np.array("["), "array 'events' is not JSON"),
    ("events", lambda a: np.array("{}"), "array 'events' is no list of at most 262,144 events"),
    ("events", lambda a: np.array('[["iso"]]'), "array 'events' has no kind and task in event 0"),
    ("events", lambda a: np.array('[["iso", "labc", 1, 2, 3, "4"]]'),
     "array 'events' has other fields in event 0"),
    ("events", lambda a: np.array(f"[{'[],' * (1 << 18)}[]]"), "array 'events' is no list of at most"),
    ("free_list", lambda a: a["free_list"] * 0 + np.uint8(88), "array 'free_list' holds 88"),
    ("free_list_pfn", lambda a: a["free_list_pfn"] + np.uint32(1 << 20), "array 'free_list_pfn' holds"),
    ("skip", lambda a: a["skip"] + np.uint8(2), "array 'skip' holds"),
    ("pcp_list", lambda a: a["pcp_list"] * 0 + np.uint8(14), "array 'pcp_list' holds 14"),
    ("meta", lambda a: changed_zone(a, watermark=[1, 2]),
     "has a zone with watermark = [1, 2], and should have 4"),
    ("meta", lambda a: changed_zone(a, considered="1"),
     "has a zone with considered = '1', and should have 1"),
    ("refcount_all", lambda a: np.zeros(1 << 28, np.int16)[:3], "array 'refcount_all' has 3 entries"),
])
def test_what_a_file_says_of_another_caller_is_checked(name, change, says, tmp_path):
    arrays = arrays_of()
    arrays[name] = change(arrays)
    np.savez_compressed(tmp_path / "broken.npz", **arrays)
    with pytest.raises(RecordingError) as error:
        recordings.load(tmp_path / "broken.npz")
    assert str(error.value).startswith("broken.npz: ") and says in str(error.value)


def test_a_file_that_unpacks_to_more_than_the_bound_is_refused_unread(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", **arrays_of(), more=np.zeros(1 << 28, np.uint8))
    with pytest.raises(RecordingError, match="bomb.npz: .*holds [0-9,]+ bytes, and should hold 268,435,456"):
        recordings.load(tmp_path / "bomb.npz")
