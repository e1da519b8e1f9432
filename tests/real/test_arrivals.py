"""Where pages arrive: every moved page of every quiet recording has the kernel's own bits after the run."""
import inspect

import numpy as np
import pytest

import kitlib as kl
from kitlib import recordings
from kitlib.compaction import rehearsal
from kitlib.mm import folio
from kitlib.mm.folio import PG
from kitlib.mm.page_alloc import PerCpuPages, free_unref_pages
from kitlib.recordings import memory
from kitlib.recordings.arrivals import BITS, KERNEL_BITS

NOISE = "6.12-mix-u1-s372-noise"
QUIET = [name for name in recordings.names() if name != NOISE]
MOVED = {"6.1-checkerboard-u1-s6101": 0, "6.1-mix-u0-s105": 13500, "6.1-ramfsw-u1-s6111": 14210,
         "6.1-secret-u1-s103": 1223, "6.12-anon-u1-s331": 20356, "6.12-gmem-u1-s356": 455,
         "6.12-gmem-u1-s356-flip": 4972, "6.12-mix-u0-s353": 13978, "6.12-mix-u1-s307": 10546,
         "6.12-mixr-u1-s6005": 8777, "6.12-mixr-u1-s6008-nodrain": 8555, "6.12-mlock-u0-s348": 4111,
         "6.12-mlock-u1-s303": 15822, "6.12-mthp-u1-s309": 15184, "6.12-pin-u1-s328": 27,
         "6.12-ramfsr-u1-s6003": 11506, "6.12-ramfsw-u1-s6001": 13934, "6.12-secret-u1-s327": 4888,
         "7.2-mix-u1-s201": 14656, "7.2-ramfsw-u1-s7221": 13860}


@pytest.fixture(scope="module")
def frames():
    return {name: recordings.arrivals(recordings.load(name)) for name in QUIET}


def differences(frame):
    """In how many compared bits the model and the kernel differ, by bit."""
    return {name: int((frame[name] != frame[f"kernel_{name}"])[~frame.in_batch | (name != "lru")].sum())
            for name in BITS}


def test_every_moved_page_of_every_quiet_recording_arrives_with_the_kernels_bits(frames):
    assert {name: len(frame) for name, frame in frames.items()} == MOVED
    pages = sum(MOVED.values())
    bits = pages * len(BITS) - sum(frame.in_batch.sum() for frame in frames.values())
    differ = {name: sum(differences(frame)[name] for frame in frames.values()) for name in BITS}
    print(f"{pages:,} pages, {bits:,} bits compared, differences: {differ}")
    assert pages == 190_560 and bits == 1_333_917 and not any(differ.values())
    assert all(frame.agrees.all() for frame in frames.values())


def test_both_values_of_every_bit_but_two_are_compared(frames):
    for name in set(BITS) - {"lru", "buddy"}:
        assert {0, 1} == {int(bit) for frame in frames.values() for bit in frame[f"kernel_{name}"].unique()}
    assert all(frame.lru.all() and not frame.buddy.any() for frame in frames.values())


@pytest.mark.parametrize("name", QUIET)
def test_whatever_came_onto_the_lru_is_a_page_that_moved(name, frames):
    recording = recordings.load(name)
    lru = np.uint64(1 << 5)
    came = np.flatnonzero(recording.flags_after & ~recording.flags & lru)
    # Two pages came that the run did not move: the recording says that it is not quiet.
    others = 2 if name == "6.1-checkerboard-u1-s6101" else 0
    assert len(set(came) - set(frames[name].target)) == others
    assert set(frames[name].target) - set(came) == set(frames[name].target[frames[name].in_batch])


@pytest.mark.parametrize("name", [name for name in QUIET if name != "6.1-checkerboard-u1-s6101"])
def test_all_memory_on_the_lru_is_as_the_kernel_shows_it_afterwards(name):
    """Pages that did not move, too; those that the model alone has on the LRU wait in the kernel's batch."""
    recording = recordings.load(name)
    flags = recordings.predict(recording)["flags"]
    head = np.maximum.accumulate(np.where(flags & PG.TAIL, 0, np.arange(len(flags))))
    ours = flags[head]
    on_lru = ours & PG.LRU != 0
    after = recording.flags_after
    theirs = {bit: after >> np.uint64(at) & np.uint64(1) != 0 for bit, at in KERNEL_BITS.items()}
    assert not (theirs["lru"] & ~on_lru).any()
    waiting = np.flatnonzero(on_lru & ~theirs["lru"])
    assert len(waiting) <= 31
    if "lru_add_after_pfn" in recording.arrays:
        assert set(waiting) == set(recording.lru_add_after_pfn)
    both = on_lru & theirs["lru"]
    assert all(((ours & bits != 0) == theirs[bit])[both].all() for bit, bits in BITS.items())


def test_moves_are_in_the_order_in_which_pages_moved_and_name_each_target_once(frames):
    for name in ("6.1-mix-u0-s105", "6.12-mthp-u1-s309", "6.12-mixr-u1-s6005"):
        recording = recordings.load(name)
        found = recordings.predict(recording)
        assert found["moves"].dtype == np.int64 and found["moves"].shape == (MOVED[name], 2)
        assert np.array_equal(found["moves"], frames[name][["source", "target"]])
        assert len(found["moves"]) == found["migrated"] == len(set(found["moves"][:, 1]))
        tried = set(recording.tried_pfns.tolist())
        assert {pfn for pfn in found["moves"][:, 0].tolist() if recording.compound_order[pfn] == 255
                and not recording.flags[pfn] >> np.uint64(16) & np.uint64(1)} <= tried


def test_by_path_and_by_table_pages_move_alike_and_in_one_order():
    for release in ("6.1", "6.8", "6.12", "7.2"):
        moves = []
        for by_table in (False, True):
            zone = kl.random_zone(4096, seed=3)
            cc = kl.control_for("compact_memory", zone, release=release)
            if by_table:
                cc.verdicts = kl.scan.verdicts(zone, kl.after, kl.Mode(), cc.release).tobytes()
            kl.compact_zone(cc)
            moves.append((cc.moves, zone.snapshot()))
        assert moves[0] == moves[1] and len(moves[0][0]) > 100


def test_what_waits_in_a_batch_is_drained_and_moved_by_path_and_by_table():
    for by_table in (False, True):
        zone = kl.zone_of("anon, in a per-CPU LRU batch", "free", repeat=1024)
        cc = kl.control_for("compact_memory", zone)
        if by_table:
            cc.verdicts = kl.scan.verdicts(zone, kl.after, kl.Mode(), cc.release).tobytes()
        kl.compact_zone(cc)
        assert zone.lru_batch == [] and len(cc.moves) > 200
        assert all(page.lru and page.refcount == page.mapcount == 1 for page in zone.folios)


def test_the_noise_recording_says_where_it_fails():
    frame = recordings.arrivals(recordings.load(NOISE))
    assert len(frame) == 10942 and frame.agrees.sum() == 3800 and min(differences(frame).values()) > 0


def test_a_comparison_says_how_many_pages_arrived():
    attrs = recordings.compare(recordings.load("6.12-mix-u1-s307")).attrs
    assert (attrs["moved"], attrs["arrived"]) == (10546, 10546)
    attrs = recordings.compare(recordings.load("6.1-mix-u0-s105"), without="last target first").attrs
    assert (attrs["moved"], attrs["arrived"]) == (13500, 8791)


@pytest.mark.parametrize("name", ["6.1-mix-u0-s105", "6.12-mthp-u1-s309", NOISE])
def test_a_comparison_says_of_each_range_how_many_of_its_pages_moved_and_arrived(name):
    """Every page moves from one range of the migrate scanner, to one of the free scanner's."""
    frame = recordings.compare(recordings.load(name), "last target first")
    ranges = frame[["start_pfn", "end_pfn"]].fillna(0).to_numpy(int)
    pages = recordings.arrivals(recordings.load(name), "last target first")
    for scanner, place in (("migrate", "source"), ("free", "target")):
        here = frame.scanner == scanner
        within = [pages[pages[place].between(low, high - 1)] for low, high in ranges[here]]
        assert frame.moved[here].tolist() == [len(some) for some in within]
        assert frame.arrived[here].tolist() == [some.agrees.sum() for some in within]
        assert frame.moved[here].sum() == frame.attrs["moved"] == len(pages)
        assert frame.arrived[here].sum() == frame.attrs["arrived"]


# --- Mutants: each is noticed by the comparison above.

@pytest.mark.parametrize("name", ["6.1-mix-u0-s105", "6.12-mix-u1-s307"])
def test_targets_in_the_other_order_are_noticed(name):
    recording = recordings.load(name)
    other = not recording.release.last_target_first
    changed = recordings.Recording(name, recording.arrays, recording.meta, {"last_target_first": other})
    found = recordings.predict(changed)
    assert np.array_equal(found["migrate_ranges"], recording.isolate_ranges), "the ranges do not tell"
    assert not recordings.arrivals(changed).agrees.all()


@pytest.mark.parametrize("bit", ["mlocked", "swapbacked", "dirty"])
def test_a_bit_that_the_snapshot_loses_is_noticed(bit, monkeypatch):
    monkeypatch.delitem(memory.KPF_OF_FOLIO, KERNEL_BITS[bit])
    assert differences(recordings.arrivals(recordings.load("6.12-mix-u1-s307")))[bit] > 300


@pytest.mark.parametrize("bit", ["MLOCKED", "SWAPBACKED", "DIRTY"])
def test_a_bit_that_a_move_loses_is_noticed(bit, monkeypatch):
    source = inspect.getsource(folio.move)
    assert f"PG.{bit} | " in source
    lost = {}
    exec(source.replace(f"PG.{bit} | ", ""), vars(folio) | {"__name__": "mutant"}, lost)
    monkeypatch.setattr(folio, "move", lost["move"])
    rehearsal.rehearse.cache_clear()
    try:
        assert differences(recordings.arrivals(recordings.load("6.12-mix-u1-s307")))[bit.lower()] > 300
    finally:
        rehearsal.rehearse.cache_clear()


def test_the_lists_begin_with_what_was_recorded_or_with_a_batch_freed():
    run = recordings.load("6.12-mix-u1-s307")
    pcp = memory.pcp_of(run, 1)
    assert pcp.freed_in_a_row == pcp.batch == run.pcp_batch[1] > 0
    recorded = {"pcp_free_count": np.array([0, 200], np.int32), "pcp_free_factor": np.array([0, 3], np.int32)}
    pcp = memory.pcp_of(recordings.Recording("schema 3", run.arrays | recorded, run.meta), 1)
    assert (pcp.freed_in_a_row, pcp.free_factor) == (200, 3)
    for unknown in {}, dict.fromkeys(recorded, np.array([-1, -1], np.int32)):
        pcp = memory.pcp_of(recordings.Recording("none", run.arrays | unknown, run.meta), 1)
        assert (pcp.freed_in_a_row, pcp.free_factor) == (pcp.batch, 0)
    # 16 pages are on the lists, and four more fill them: with a batch before, eight were freed in a row.
    zone = kl.zone_of("slab", repeat=64)
    zone.pcp = PerCpuPages(high=20, batch=4)
    zone.pcp.lists[1].extend(range(16, 48, 2))
    zone.pcp.count = 16
    free_unref_pages(zone, range(0, 8, 2))
    assert zone.pcp.count == 20 - 8


def test_the_start_decides_a_recorded_run():
    """From a batch on, and not from the four pages recorded, the free scanner finds other blocks."""
    run = recordings.load("7.2-ramfsw-u1-s7221")
    assert run.pcp_free_count.tolist() == [0, 4]
    other = recordings.Recording(run.name, run.arrays | {"pcp_free_count": run.pcp_batch}, run.meta)
    unknown = {name: array for name, array in run.arrays.items() if name != "pcp_free_count"}
    said = {key: value for key, value in run.meta.items() if key != "pcp"}
    found, without = (recordings.predict(one)["free_ranges"] for one in (
        other, recordings.Recording(run.name, unknown, said)))
    assert not np.array_equal(found, run.free_ranges)
    assert np.array_equal(found, without), "nothing was recorded: from a batch on, and not from 0"


# --- Memory that no recording of the kit holds: what the C says of it.

def changed(name, **arrays):
    """The recording with other arrays."""
    run = recordings.load(name)
    return recordings.Recording(name, run.arrays | arrays, run.meta)


def test_a_file_page_with_a_reference_too_many_fails_and_one_with_buffers_moves():
    """folio_expected_refs(): one for the cache and one for PG_private, which was recorded; no other."""
    run = recordings.load("6.12-mix-u1-s307")
    flags, refcount = run.flags.copy(), run.refcount.copy()
    moved = recordings.predict(run)["moves"][:, 0]
    a_ops = run.mapping_aops[run.mapping[moved]]
    pinned, buffers = (moved[a_ops == name][0] for name in ("shmem_aops", "ext4_da_aops"))
    private = flags >> np.uint64(memory.KPF_PRIVATE) & np.uint64(1) != 0
    assert private[buffers] and not private[pinned]
    refcount[pinned] += 1
    found = recordings.predict(changed(run.name, refcount=refcount))
    assert pinned not in found["moves"][:, 0] and found["failed"] > run.meta["vmstat_delta"]["pgmigrate_fail"]
    flags[buffers] &= ~np.uint64(1 << memory.KPF_PRIVATE)
    assert buffers not in recordings.predict(changed(run.name, flags=flags))["moves"][:, 0]


def test_a_large_file_folio_has_a_reference_a_page_and_moves():
    run = recordings.load("6.12-mthp-u1-s309")
    moved = recordings.predict(run)["moves"][:, 0]
    head, a_file = int(moved[run.compound_order[moved] == 4][0]), len(run.mapping_aops) - 1
    arrays = {name: run.arrays[name].copy() for name in ("flags", "refcount", "mapcount", "mapping", "anon")}
    pages = slice(head, head + 16)
    arrays["flags"][pages] &= ~np.uint64(1 << 12 | 1 << 14)
    arrays["refcount"][head], arrays["mapcount"][head] = 16, 0
    arrays["mapping"][head], arrays["anon"][pages] = a_file, False
    arrays["mapping_aops"] = np.append(run.mapping_aops[:-1], "ext4_da_aops")
    arrays["mapping_flags"] = np.append(run.mapping_flags[:-1], np.uint64(0))
    moves = recordings.predict(changed(run.name, **arrays))["moves"]
    assert set(range(head, head + 16)) <= set(moves[:, 0].tolist())


@pytest.mark.parametrize("swapbacked", [True, False])
def test_memory_given_up_by_madv_free_arrives_clean(swapbacked):
    for by_table in (False, True):
        zone = kl.zone_of(*["anon"] * 4, *["slab"] * 508, *["free", "slab"] * 512)
        for pfn in range(4):
            zone.folio(pfn).swapbacked = swapbacked
        cc = kl.control_for("compact_memory", zone)
        if by_table:
            cc.verdicts = kl.scan.verdicts(zone, kl.after, kl.Mode(), cc.release).tobytes()
        kl.compact_zone(cc)
        assert [zone.folio(target).dirty for _, target in cc.moves] == [swapbacked] * 4


def test_without_the_picture_afterwards_a_run_is_predicted_and_no_arrival_compared():
    run = recordings.load("6.12-pin-u1-s328")
    del (arrays := dict(run.arrays))["flags_after"]
    seen_once = recordings.Recording("seen once", arrays, run.meta)
    assert recordings.predict(seen_once)["migrated"] == 27
    for work in (recordings.arrivals, recordings.compare):
        with pytest.raises(AttributeError, match="array 'flags_after' of seen once was not recorded"):
            work(seen_once)
