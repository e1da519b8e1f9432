"""Real kernels: the model takes the same pages in the same ranges; a file that is no recording is refused."""
import json
import pickle
import zipfile

import numpy as np
import pytest

import kitlib as kl
from kitlib import recordings, scan
from kitlib.mm.verdict import Code
from kitlib.recordings.schema import (FREE_LISTS, LRU_BATCH, ONLY_IF_COMPLETE, ONLY_IN_VERSION_3, SCHEMA,
                                      RecordingError)

NOISE = "6.12-mix-u1-s372-noise"
QUIET = [name for name in recordings.names() if name != NOISE]
# Ranges equal in nr_scanned too, ranges, pages taken: typed from the recordings' own description.
FIGURES = {
    "6.1-mix-u0-s105": (248, 253, 13514), "6.1-secret-u1-s103": (179, 183, 22075),
    "6.12-anon-u1-s331": (166, 166, 20476), "6.12-mlock-u0-s348": (230, 230, 4483),
    "6.12-mlock-u1-s303": (162, 162, 16048), "6.12-pin-u1-s328": (183, 183, 32),
    "6.12-secret-u1-s327": (301, 301, 33130), "6.12-gmem-u1-s356": (227, 227, 795),
    "6.12-gmem-u1-s356-flip": (303, 303, 36052), "6.12-mix-u1-s307": (220, 220, 13102),
    "6.12-mix-u0-s353": (246, 246, 14291), "6.12-mthp-u1-s309": (206, 206, 15360),
    "7.2-mix-u1-s201": (164, 164, 16118),
    "6.1-checkerboard-u1-s6101": (15, 15, 32), "6.1-ramfsw-u1-s6111": (169, 173, 19891),
    "6.12-ramfsw-u1-s6001": (161, 161, 19200), "6.12-ramfsr-u1-s6003": (140, 140, 11632),
    "6.12-mixr-u1-s6005": (142, 142, 9658), "6.12-mixr-u1-s6008-nodrain": (149, 149, 8934),
    "7.2-ramfsw-u1-s7221": (173, 173, 19474)}


def test_twenty_one_recordings_come_with_the_kit():
    assert len(QUIET) == 20 and set(QUIET) == set(FIGURES)


@pytest.mark.parametrize("name", QUIET)
def test_the_model_takes_what_the_kernel_took_in_every_range(name):
    recording = recordings.load(name)
    frame = recordings.replay(recording)
    equal, ranges, taken = FIGURES[name]
    assert list(frame.columns) == recordings.runs.REPLAY_COLUMNS
    assert frame.agrees.all() and len(frame) == ranges
    assert (frame.start_pfn == frame.kernel_start).all()
    assert (frame.end_pfn == frame.kernel_end).all()
    assert (frame.nr_taken == frame.kernel_taken).all()
    assert (frame.nr_scanned == frame.kernel_scanned).sum() == equal
    assert frame.nr_taken.sum() == frame.kernel_taken.sum() == taken
    kernel = frame[["kernel_start", "kernel_end", "kernel_scanned", "kernel_taken"]]
    assert (kernel.to_numpy() == recording.isolate_ranges[:, 1:]).all()


TOTALS = ("isolated", "migrated", "failed", "meet_pfn")


@pytest.mark.parametrize("name", QUIET)
def test_the_whole_run_is_predicted_from_the_snapshot_alone(name):
    recording = recordings.load(name)
    begin = recording.memory.snapshot()
    found = recordings.predict(recording)
    assert found["complete"]
    assert [found[key] for key in TOTALS] == [found["kernel_" + key] for key in TOTALS]
    for ours, theirs in (("migrate_ranges", "isolate_ranges"), ("free_ranges", "free_ranges")):
        assert found[ours].dtype == np.int64 and np.array_equal(found[ours], recording[theirs])
    assert recording.memory.snapshot() == begin


def test_the_recorded_zones_have_the_lists_and_the_held_buffers_of_the_snapshot():
    recording = recordings.load("6.12-mix-u1-s307")
    dma, dma32 = recording.zones
    held = set(recording.busy_pfn.tolist())
    assert recording.memory.buffers_held == dma.buffers_held == dma32.buffers_held == held
    assert dma.pcp is None and dma32.pcp.count == (1 << recording.pcp_list // 3).sum() > 0
    without = recording.without("busy buffer pages"), recording.without("per-CPU lists")
    assert without[0].memory.buffers_held == set() and [zone.pcp for zone in without[1].zones] == [None, None]


def test_the_memory_is_put_back_when_the_loop_over_the_runs_is_left():
    recording = recordings.load("6.12-mix-u1-s307")
    begin = recording.memory.snapshot()
    for cc in recordings.runs_of(recording):
        kl.compact_zone(cc)
        assert recording.memory.snapshot() != begin
        break
    assert recording.memory.snapshot() == begin
    with pytest.raises(KeyboardInterrupt):
        for cc in recordings.runs_of(recording):
            kl.compact_zone(cc)
            raise KeyboardInterrupt
    assert recording.memory.snapshot() == begin


def test_the_noise_recording_cannot_be_predicted():
    found = recordings.predict(recordings.load(NOISE))
    assert [found[key] for key in TOTALS[:3]] == [11647, 10942, 649]
    assert [found["kernel_" + key] for key in TOTALS[:3]] == [12011, 11095, 645]


def test_nothing_of_the_trace_is_used_to_predict(tmp_path):
    arrays = arrays_of("6.12-mix-u1-s307")
    blind = arrays | {name: arrays[name][:0] for name in TRACED}
    blind |= {name: np.zeros_like(arrays[name]) for name in SEEN_AFTER}
    seen, unseen = (recordings.predict(recordings.load(save(tmp_path / f"{n}.npz", a)))
                    for n, a in enumerate((arrays, blind)))
    assert seen["events"] == unseen.pop("events")
    assert all(np.array_equal(seen[key], unseen[key]) for key in unseen if not key.startswith("kernel_"))


TRACED = "isolate_ranges", "free_ranges", "tried_pfns", "tried_zone"
SEEN_AFTER = "zone_end_pfns", "flags_after"


@pytest.mark.parametrize("name", ["6.12-mix-u1-s307", "7.2-mix-u1-s201", "6.1-mix-u0-s105"])
def test_without_lists_and_held_buffers_the_prediction_is_within_six_percent(name, tmp_path):
    arrays = arrays_of(name)
    arrays["meta"] = np.array(json.dumps(json.loads(str(arrays["meta"])) | {"snapshot_complete": False}))
    for left_out in ONLY_IF_COMPLETE:
        del arrays[left_out]
    found = recordings.predict(recordings.load(save(tmp_path / "incomplete.npz", arrays)))
    assert not found["complete"]
    assert abs(found["isolated"] - found["kernel_isolated"]) <= 0.06 * found["kernel_isolated"]


@pytest.mark.parametrize("name", QUIET)
def test_every_page_the_kernel_tried_was_one_that_the_table_takes(name):
    recording = recordings.load(name)
    codes = recordings.verdicts(recording)
    first = np.maximum.accumulate(np.where(codes == Code.TAIL, 0, np.arange(len(codes))))
    assert {scan.REASONS[code] for code in np.unique(codes[first[recording.tried_pfns]])} == {""}


def test_the_noise_recording_is_the_honest_failure():
    frame = recordings.replay(recordings.load(NOISE))
    assert (len(frame), frame.agrees.sum()) == (142, 81)
    assert (frame.nr_taken.sum(), frame.kernel_taken.sum()) == (11369, 12011)
    assert frame.iloc[~frame.agrees.to_numpy()].shape[0] == 61


def test_the_path_itself_run_over_a_recording_takes_the_same_pages():
    recording = recordings.load("6.12-mix-u1-s307")
    codes, zone = recordings.verdicts(recording), recording.memory
    for folio in zone.folios:
        if folio.pfn % 7 == 0:
            verdict = kl.run_path(recording.kernel.isolate_folio(folio, recording.mode))
            assert verdict.why == scan.REASONS[codes[folio.pfn]]


def test_the_block_function_by_path_takes_what_it_takes_by_table():
    recording = recordings.load("6.12-gmem-u1-s356")
    zone = recording.zones[1]
    begin, ends = zone.snapshot(), []
    for verdicts in (None, recordings.verdicts(recording).tobytes()):
        zone.restore(begin)
        cc = kl.CompactControl(zone, release=recording.release, ignore_skip_hint=True, finish_pageblock=True,
                               verdicts=verdicts)
        for low in range(4096, 16384, 512):
            kl.isolate_migratepages_block(cc, low, low + 512, recording.mode)
        ends.append((cc.trace, cc.migratepages, zone.snapshot()))
    assert ends[0] == ends[1] and ends[0][0]


def test_without_the_bit_the_model_would_take_the_guest_memfd_pages():
    recording = recordings.load("6.12-gmem-u1-s356")
    taken = {kernel: int((scan.verdicts(recording, kernel, recording.mode) == 0).sum())
             for kernel in (kl.before, kl.after)}
    lru = recording.flags >> np.uint64(5) & np.uint64(1) != 0
    gmem = int((lru & (recording.mapping_aops[recording.mapping] == "kvm_gmem_aops")).sum())
    assert taken[kl.before] - taken[kl.after] == gmem == 30720


def test_a_recording_has_every_array_under_its_schema_name():
    recording = recordings.load("7.2-mix-u1-s201")
    for name in SCHEMA:
        if name != "meta" and name not in ONLY_IN_VERSION_3:
            assert isinstance(recording[name], np.ndarray) and getattr(recording, name) is recording[name]
    assert isinstance(recording.meta, dict) and recording["meta"] is recording.meta
    assert recording.kernel_version == "7.2.13" and recording.kernel is kl.after
    assert recording.mode == kl.Mode()
    assert [zone.name for zone in recording.zones] == ["DMA", "DMA32"]
    with pytest.raises(AttributeError, match="has no array 'flag': write one of flags"):
        _ = recording.flag


def test_releases_decide_by_range_and_not_by_name():
    recording = recordings.load("6.1-mix-u0-s105")
    kernels = {}
    for release in ("5.15.3", "6.1.192", "6.7.12", "6.8.0", "6.18.1", "7.2.13", "10.0"):
        recording.meta["kernel_version"] = release
        kernels[release] = recording.kernel
    assert list(kernels.values()) == [kl.before] * 3 + [kl.after] * 4


def arrays_of(name="6.12-pin-u1-s328"):
    recording = recordings.load(name)
    return dict(recording.arrays)


def save(path, arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_a_recording_of_another_release_replays(tmp_path):
    arrays = arrays_of()
    meta = json.loads(str(arrays["meta"]))
    arrays["meta"] = np.array(json.dumps(meta | {"kernel_version": "6.18.4", "as_inaccessible_bit": 11}))
    flags = arrays["mapping_flags"]
    inaccessible = flags >> np.uint64(8) & np.uint64(1)
    arrays["mapping_flags"] = np.where(inaccessible, 1 << 11 | 8, flags).astype("uint64")
    assert recordings.replay(recordings.load(save(tmp_path / "6.18.npz", arrays))).agrees.all()


def test_a_range_that_only_one_side_has_is_a_row_that_does_not_agree(tmp_path):
    arrays = arrays_of()
    ranges = arrays["isolate_ranges"]
    arrays["isolate_ranges"] = ranges[:-2]
    frame = recordings.replay(recordings.load(save(tmp_path / "short.npz", arrays)))
    assert len(frame) == len(ranges) and not frame.agrees.iloc[-2:].any() and frame.agrees.iloc[:-2].all()
    assert frame.kernel_start.iloc[-2:].isna().all() and frame.start_pfn.notna().all()
    arrays["isolate_ranges"] = np.vstack([ranges, ranges[-1:]])
    frame = recordings.replay(recordings.load(save(tmp_path / "long.npz", arrays)))
    assert frame.agrees.tolist() == [True] * len(ranges) + [False] and frame.start_pfn.isna().tolist()[-1]


def test_replaying_twice_gives_the_same():
    recording = recordings.load("6.12-mix-u1-s307")
    assert recordings.replay(recording).equals(recordings.replay(recording))


@pytest.mark.parametrize("name", [name for name in SCHEMA if name not in (
    "meta", *ONLY_IN_VERSION_3) or name in (*LRU_BATCH, *FREE_LISTS)])
def test_a_missing_array_is_named(name, tmp_path):
    arrays = arrays_of("6.12-mixr-u1-s6008-nodrain")
    del arrays[name]
    with pytest.raises(RecordingError, match=f"broken.npz: array '{name}' is missing"):
        recordings.load(save(tmp_path / "broken.npz", arrays))


def test_an_incomplete_snapshot_may_lack_lists_and_busy_pages(tmp_path):
    arrays = arrays_of()
    arrays["meta"] = np.array(json.dumps(json.loads(str(arrays["meta"])) | {"snapshot_complete": False}))
    for name in ONLY_IF_COMPLETE:
        del arrays[name]
    assert recordings.replay(recordings.load(save(tmp_path / "v1.npz", arrays))).agrees.all()


def changed(meta, **keys):
    return np.array(json.dumps(json.loads(str(meta)) | keys))


@pytest.mark.parametrize("name, change, says", [
    ("refcount", lambda a: a.astype("int32"), "array 'refcount' has dtype int32, and should have int16"),
    ("zone_name", lambda a: np.array([1, 2]), "array 'zone_name' has dtype int64, and should have text"),
    ("mapcount", lambda a: a[:-1], "array 'mapcount' has 131071 entries, and 'flags' has 131072"),
    ("migratetype", lambda a: a[:-1], "array 'migratetype' has 255 entries for 131072 pages"),
    ("isolate_ranges", lambda a: a[:, :4], "array 'isolate_ranges' has rows of 4, and should have rows of 5"),
    ("isolate_ranges", lambda a: a[0], "array 'isolate_ranges' has 1 dimensions, and should have 2"),
    ("isolate_ranges", lambda a: a + 10,
     "array 'isolate_ranges' names a zone that is not there: there are 2"),
    ("free_ranges", lambda a: np.add(a, (0, 0, 200000, 0, 0)),
     "array 'free_ranges' has a range outside its zone"),
    ("zone_end_pfns", lambda a: a + 10**9, "array 'zone_end_pfns' has a scanner that stopped outside"),
    ("zone_start", lambda a: a * 0, "array 'zone_start' and zone_end are not zones one above the other"),
    ("buddy_order", lambda a: np.where(a == 10, 200, a).astype("uint8"), "array 'buddy_order' holds 200"),
    ("compound_order", lambda a: np.where(a == 2, 60, a).astype("uint8"), "array 'compound_order' holds 60"),
    ("pcp_pfn", lambda a: a + np.uint32(10**6), "array 'pcp_pfn' holds"),
    ("busy_pfn", lambda a: a + np.uint32(10**6), "array 'busy_pfn' holds"),
    ("mapping", lambda a: a + np.uint16(30000), "array 'mapping' holds 30025, and should stay below 26"),
    ("zone_end", lambda a: a + 100, "array 'zone_end' holds 131137"),
    ("pageblock_order", lambda a: np.array(5, np.uint8), "array 'pageblock_order' is 5"),
    ("meta", lambda a: np.array("{"), "array 'meta' is not a JSON object"),
    ("meta", lambda a: np.array("{}"), "array 'meta' lacks the key 'kernel_version'"),
    ("meta", lambda a: np.array("3"), "array 'meta' is not a JSON object"),
    ("meta", lambda a: np.array('["kernel_version"]'), "array 'meta' is not a JSON object"),
    ("meta", lambda a: changed(a, kernel_version=6.12),
     "array 'meta' has unknown release 6.12: write a kernel version"),
    ("meta", lambda a: changed(a, kernel_version="linux"), "array 'meta' has unknown release 'linux'"),
    ("meta", lambda a: changed(a, as_unevictable_bit=None), "array 'meta' has as_unevictable_bit = None"),
    ("meta", lambda a: changed(a, as_inaccessible_bit=-1), "array 'meta' has as_inaccessible_bit = -1"),
    ("meta", lambda a: changed(a, as_inaccessible_bit="8"), "array 'meta' has as_inaccessible_bit = '8'"),
    ("meta", lambda a: changed(a, compact_unevictable_allowed="0"),
     "array 'meta' has compact_unevictable_allowed"),
])
def test_a_wrong_array_is_named_with_what_it_should_be(name, change, says, tmp_path):
    arrays = arrays_of()
    arrays[name] = change(arrays[name])
    with pytest.raises(RecordingError) as error:
        recordings.load(save(tmp_path / "broken.npz", arrays))
    assert str(error.value).startswith("broken.npz: ") and says in str(error.value)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_pickled_content_is_refused_unread(tmp_path):
    path = save(tmp_path / "pickled.npz", arrays_of() | {"busy_pfn": np.array([Trap()], dtype=object)})
    with pytest.raises(RecordingError, match="pickled.npz: array 'busy_pfn' cannot be read"):
        recordings.load(path)
    with zipfile.ZipFile(tmp_path / "raw.npz", "w") as file:
        file.writestr("flags.npy", pickle.dumps([1]))
    with pytest.raises(RecordingError, match="raw.npz"):
        recordings.load(tmp_path / "raw.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_named(share, tmp_path):
    whole = (recordings.recording.RECORDED / "6.12-pin-u1-s328.npz").read_bytes()
    path = tmp_path / "cut.npz"
    path.write_bytes(whole[:int(share * len(whole))])
    with pytest.raises(RecordingError, match="cut.npz"):
        recordings.load(path)


def test_a_damaged_file_is_named(tmp_path):
    whole = bytearray((recordings.recording.RECORDED / "6.12-pin-u1-s328.npz").read_bytes())
    whole[2000:2400] = bytes(400)
    path = tmp_path / "damaged.npz"
    path.write_bytes(whole)
    with pytest.raises(RecordingError, match="damaged.npz: array '"):
        recordings.load(path)


def test_an_empty_member_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.npz", "w") as file:
        file.writestr("meta.npy", b"")
    with pytest.raises(RecordingError, match="empty.npz: array 'meta'"):
        recordings.load(tmp_path / "empty.npz")


@pytest.mark.parametrize("work", [recordings.replay, recordings.predict,
                                  lambda name: scan.verdicts(name, kl.after, kl.Mode())])
def test_a_name_is_no_recording_yet(work):
    with pytest.raises(TypeError, match=r"write recordings.load\(name\)"):
        work("6.12-pin-u1-s328")


def test_a_recording_loads_by_name_with_or_without_ending():
    path = recordings.recording.RECORDED / "6.12-pin-u1-s328.npz"
    for name in ("6.12-pin-u1-s328", "6.12-pin-u1-s328.npz", path, str(path)):
        assert recordings.load(name).name == "6.12-pin-u1-s328"
    for wrong in (None, 3, "6.12-pin"):
        with pytest.raises(RecordingError, match="write a file's path or one of"):
            recordings.load(wrong)


def test_a_single_array_or_a_text_file_is_no_recording(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("one.npy", "text.npz"):
        with pytest.raises(RecordingError, match=name):
            recordings.load(tmp_path / name)
    says = "no recording 'nothing': write a file's path or one of 6.1-checkerboard"
    with pytest.raises(RecordingError, match=says):
        recordings.load("nothing")
