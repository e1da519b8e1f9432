"""The frames say what the model says, and lose no page and no step."""
import numpy as np
import pandas as pd
import pytest

import kitlib as kl
from kitlib import frames, recordings, scan
from kitlib.mm import mapping
from kitlib.mm.folio import folio_lock, folio_unlock
from kitlib.mm.verdict import MODES
from kitlib.scenarios import KINDS

RECORDING = "6.12-mix-u1-s307"


def isolation(kind, mode=kl.Mode()):
    folio = kl.one_folio(kind)
    return kl.run(kl.Machine(folio.zone, {"compaction": lambda: kl.after.isolate_folio(folio, mode)}))


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_events_has_one_row_a_step_in_order(kind):
    machine = isolation(kind)
    frame = frames.events(machine)
    assert list(frame.columns) == ["t", "thread", "step", "on", "result"]
    assert frame.t.tolist() == list(range(1, len(machine.trace) + 1))
    assert frame.step.tolist() == [event.step for event in machine.trace]
    assert set(frame.thread) == {"compaction"} and set(map(type, frame.result)) == {str}


def test_a_null_pointer_is_written_null_and_the_result_of_a_void_function_not_at_all():
    results = frames.events(isolation("anon, pinned")).set_index("step").result
    assert results["folio_mapping"] == "NULL" and results["folio_put"] == ""
    assert frames.events(isolation("guest_memfd")).result.tolist()[:3] == ["yes", "yes", "kvm_gmem_aops"]


def test_a_machine_that_has_not_run_has_no_events():
    folio = kl.one_folio("anon")
    frame = frames.events(kl.Machine(folio.zone, {"c": lambda: kl.after.isolate_folio(folio, kl.Mode())}))
    assert frame.empty and list(frame.columns) == frames.EVENTS


def test_a_flag_that_a_release_lacks_is_missing_and_not_zero():
    frame = frames.mapping_flags()
    assert list(frame.columns) == list(mapping.FLAG_RELEASES) and frame.index.name == "flag"
    assert (frame.dtypes == "Int64").all()
    assert frame.loc["AS_UNMOVABLE", "0003e2a41468"] == mapping.AS_UNMOVABLE
    assert frame.loc["AS_INACCESSIBLE", "0003e2a41468"] is pd.NA and "<NA>" in str(frame)
    rows = [tuple(None if value is pd.NA else value for value in row) for row in frame.to_numpy()]
    assert dict(zip(frame.index, rows)) == mapping.FLAG_VALUES


def test_no_release_gives_two_flags_one_number():
    frame = frames.mapping_flags()
    assert all(frame[release].dropna().is_unique for release in frame)


@pytest.mark.parametrize("kernel", [kl.before, kl.racy, kl.after], ids=lambda kernel: kernel.__name__)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_every_page_has_one_reason_and_the_commonest_comes_first(kernel, mode):
    zone = kl.random_zone(2000, seed=3)
    frame = frames.reasons(zone, kernel, mode)
    assert frame.pages.sum() == 2000 and (frame.pages > 0).all() and frame.why.is_unique
    assert frame.pages.is_monotonic_decreasing
    codes = scan.verdicts(zone, kernel, mode)
    assert dict(zip(frame.why, frame.pages)).get("isolated", 0) == (codes == 0).sum()


def test_the_reasons_of_a_recorded_zone_are_of_its_own_pages_alone():
    recording = recordings.load(RECORDING)
    zones = [frames.reasons(zone, recording.kernel, recording.mode).pages.sum() for zone in recording.zones]
    assert zones == [len(zone) for zone in recording.zones]
    assert frames.reasons(recording, recording.kernel, recording.mode).pages.sum() == len(recording.flags)


@pytest.mark.parametrize("name", recordings.names())
def test_kinds_counts_every_page_that_the_kernel_had_on_its_lru_lists(name):
    recording = recordings.load(name)
    frame = frames.kinds(recording, recordings.verdicts(recording))
    assert list(frame.columns) == ["mapping", "flags", "pages", "isolated"]
    assert frame.pages.sum() == (recording.flags >> np.uint64(5) & np.uint64(1)).sum()
    assert (frame.isolated <= frame.pages).all() and frame.pages.is_monotonic_decreasing


def test_of_an_unmovable_mapping_after_takes_no_page_and_before_takes_every_one():
    recording = recordings.load(RECORDING)
    for kernel, share in ((kl.after, 0), (kl.before, 1)):
        frame = frames.kinds(recording, scan.verdicts(recording, kernel, recording.mode)).set_index("mapping")
        gmem = frame.loc["kvm_gmem_aops"]
        assert gmem["flags"] == "AS_UNEVICTABLE | AS_UNMOVABLE" and gmem["isolated"] == share * gmem["pages"]
        assert gmem["pages"] > 0 and frame.loc["anonymous", "flags"] == ""


def test_kinds_of_a_zone_counts_a_large_folio_with_all_its_pages():
    zone = kl.zone_of("anon", "slab", repeat=8)
    for pfn in range(0, 16):
        zone.flags[pfn], zone.refcount[pfn], zone.mapcount[pfn] = KINDS[1].flags, 1, 1
    zone.make_compound(0, 2)
    frame = frames.kinds(zone, scan.verdicts(zone, kl.after, kl.Mode(), release="6.12"))
    assert frame.to_dict("records") == [{"mapping": "anonymous", "flags": "", "pages": 16, "isolated": 16}]


def test_kinds_wants_the_codes_of_the_same_pages():
    says = r"10 codes for 20 pages: write codes = scan.verdicts\(zone, kernel, mode\)"
    with pytest.raises(ValueError, match=says):
        frames.kinds(kl.Zone(20), np.zeros(10, np.uint8))


def test_a_lock_that_was_held_before_the_machine_began_has_no_row():
    folio = kl.one_folio("file, locked")

    def unlocks_and_locks():
        yield folio_unlock(folio)
        yield folio_lock(folio)

    machine = kl.run(kl.Machine(folio.zone, {"owner": unlocks_and_locks}))
    assert frames.locks(machine).values.tolist() == [["folio 0", "owner", 2, pd.NA]]
