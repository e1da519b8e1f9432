"""Sweeps: the same frame wherever they run, identities between columns, what stops them, what is refused."""
import multiprocessing
import re
import sys
import types
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import kitlib as kl
from kitlib import experiments, frames
from kitlib.compaction.control import CALLERS
from kitlib.experiments import MEASURES, RunError, StopSweep, measure, memory, sweep
from kitlib.mm.folio import PG
from kitlib.mm.zone import MIGRATE_MOVABLE, MIGRATE_UNMOVABLE
from kitlib.scenarios import KIND, KINDS, kind_of

SMALL = dict(pages=[1536])
OVER = {"unmovable": [0.0, 0.2], "kernel": ["before", kl.after],
        "caller": ["direct async", "compact_memory"], **SMALL}
SHARES = ("free", "unmovable", "unevictable", "pinned", "dirty", "no_migrate_folio")


@pytest.fixture(scope="module")
def frame():
    return sweep(memory, OVER, range(3))


@pytest.fixture(scope="module")
def wide():
    """Every kind of page, every caller and every kernel."""
    over = {"unmovable": [0, 0.1], "unevictable": [0, 0.1], "pinned": [0.05], "dirty": [0.05],
            "no_migrate_folio": [0.05], "grouped": [False, True], "kernel": ["before", "racy", "after"],
            "caller": list(CALLERS), "compact_unevictable_allowed": [True, False], **SMALL}
    return sweep(memory, over, [1])


# --- memory

@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=7, max_size=7), st.integers(600, 3000), st.integers(0, 99))
def test_a_zones_pages_are_those_of_its_shares(weights, pages, seed):
    shares = dict(zip(SHARES, (np.array(weights[:6]) / max(1, sum(weights))).tolist()))
    zone = memory(pages, **shares, seed=seed)
    names = [kind_of(zone.folio(pfn)) for pfn in range(pages)]
    counts = {"free": frames.page_kinds(zone)["free"], "unmovable": names.count("guest_memfd"),
              "dirty": names.count("file, dirty"),
              "pinned": names.count("anon, pinned") + names.count("file, pinned"),
              "unevictable": names.count("anon, mlocked") + names.count("file, mlocked"),
              "no_migrate_folio": names.count("file, dirty, no migrate_folio")}
    for name, share in shares.items():
        assert abs(counts[name] / pages - share) <= 5 * (share * (1 - share) / pages) ** 0.5 + 0.004, name


def test_a_share_of_one_page_in_a_thousand_is_not_lost():
    zones = [memory(unmovable=0.001, seed=seed) for seed in range(10)]
    assert 20 < sum(frames.page_kinds(zone)["unmovable"] for zone in zones) < 70


@pytest.mark.parametrize("pages", [512, 1000, 4096, 5000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6])
def test_grouped_memory_has_the_same_pages_in_as_few_pageblocks_as_hold_them(pages, share):
    scattered = memory(pages, unmovable=share, seed=4)
    grouped = memory(pages, unmovable=share, grouped=True, seed=4)
    assert frames.page_kinds(scattered) == frames.page_kinds(grouped)
    unmovable = [pfn for pfn in range(pages) if grouped.mapping[pfn] == KINDS[KIND["guest_memfd"]].mapping]
    blocks = {pfn >> 9 for pfn in unmovable}
    assert {block for block, kind in enumerate(grouped.migratetype) if kind == MIGRATE_UNMOVABLE} == blocks
    assert set(scattered.migratetype) == {MIGRATE_MOVABLE}
    sizes = sorted((min(512, pages - block * 512) for block in blocks), reverse=True)
    assert sum(sizes[:-1]) < len(unmovable) <= sum(sizes) if blocks else not unmovable


def test_page_kinds_count_every_page_once():
    for seed in range(5):
        zone = kl.random_zone(3000, seed)
        assert sum(frames.page_kinds(zone).values()) == 3000
    zone = kl.zone_of("free", "anon", "anon, mlocked", "guest_memfd", "guest_memfd, locked", "ramfs", "slab")
    assert frames.page_kinds(zone) == {"free": 1, "movable": 1, "unevictable": 2, "unmovable": 2, "other": 1}


def test_the_tails_of_a_large_folio_are_as_its_head():
    zone = kl.zone_of("anon, mlocked", repeat=8)
    zone.make_compound(4, 2)
    assert frames.page_kinds(zone)["unevictable"] == 8 and frames.lru_pages(zone).all()


# --- one run

def test_measure_tells_what_the_zone_and_the_control_tell():
    zone = memory(2048, unmovable=0.2, seed=3)
    row = measure(zone, kl.before, "kcompactd")
    other = memory(2048, unmovable=0.2, seed=3)
    cc = kl.control_for("kcompactd", other, kernel=kl.before)
    status = kl.compact_zone(cc)
    assert row["migrated"] == other.vmstat["pgmigrate_success"] and row["targets"] == cc.targets
    assert sum(row[f"failed_{code}"] for code in frames.FAILURES) == other.vmstat["pgmigrate_fail"]
    assert row["status"] == status.name and row["mode"] == "SYNC_LIGHT"
    assert zone.snapshot() == other.snapshot()


def test_lru_pages_scanned_are_those_that_the_scanner_passed():
    zone = memory(2048, seed=1)
    lru = [bool(zone.flags[pfn] & PG.LRU) for pfn in range(2048)]
    cc = kl.control_for("compact_memory", zone)
    kl.compact_zone(cc)
    assert frames.run_counts(cc, np.array(lru))["lru_scanned"] == sum(lru[:cc.migrate_pfn])


# --- sweep

def test_rows_stand_in_the_order_of_the_product(frame):
    assert list(frame.columns) == ["unmovable", "pages", "kernel", "caller", *MEASURES]
    assert list(frame[["unmovable", "kernel", "caller", "seed"]].itertuples(index=False, name=None)) == [
        (share, kernel, caller, seed) for share in (0.0, 0.2) for kernel in ("before", "after")
        for caller in ("direct async", "compact_memory") for seed in range(3)]


def test_identities_hold_in_every_row(wide):
    failed = wide[[f"failed_{code}" for code in frames.FAILURES]].sum(axis=1)
    assert (wide.migrated <= wide.isolated).all() and (wide.isolated <= wide.lru_scanned).all()
    assert (wide.migrated + failed <= wide.isolated).all()
    assert (wide.migrated + failed == wide.isolated)[wide.failed_ENOMEM == 0].all()
    assert (wide.migrated <= wide.targets).all()
    assert (wide[[f"{kind}_pages" for kind in frames.PAGE_KINDS]].sum(axis=1) == wide.pages).all()
    assert ((wide.fragmentation_index_after == -1000) == (wide.largest_order_after >= 9)).all()
    assert wide.isolation_success.dropna().between(0, 1).all()
    assert wide.migration_success.dropna().between(0, 1).all()
    assert wide.isolation_success.isna().equals(wide.lru_scanned == 0)
    assert wide.isolated.sum() > 10_000 and failed.sum() > 100


def test_the_sysctl_holds_every_unevictable_folio_back():
    over = {"unevictable": [0.3], "compact_unevictable_allowed": [True, False], "free": [0.7], **SMALL}
    on, off = sweep(memory, over, [0]).itertuples()
    assert on.isolated == on.lru_scanned > 100 and off.isolated == 0 and np.isnan(off.migration_success)


def test_the_same_seeds_give_the_same_frame_twice(frame):
    pd.testing.assert_frame_equal(frame, sweep(memory, OVER, range(3)))


def test_another_process_gives_the_same_frame(frame):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:      # nothing is inherited
        pd.testing.assert_frame_equal(frame, sweep(memory, OVER, range(3), executor))


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_gives_the_same_frame(frame):
    missing = "Dask is not here: pip install -r requirements-dev.txt"
    distributed = pytest.importorskip("distributed", reason=missing)
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, protocol="tcp",
                                       dashboard_address=None, host="127.0.0.1")
    with cluster, distributed.Client(cluster) as client:
        pd.testing.assert_frame_equal(frame, sweep(memory, OVER, range(3), client.get_executor()))


def test_order_is_that_of_the_allocation():
    frame = sweep(memory, {"order": [3, 9], "caller": ["kcompactd"]}, [0])
    assert list(frame.order) == [3, 9] and frame.isolated.is_monotonic_increasing
    assert set(frame.status) == {"SUCCESS"}


# --- stopping and progress

@pytest.mark.parametrize("signal", ["true", StopSweep, KeyboardInterrupt])
def test_a_stopped_sweep_keeps_what_is_done(frame, signal):
    def progress(done, total):
        if done == 5:
            if signal == "true":
                return True
            raise signal

    stopped = sweep(memory, OVER, range(3), progress=progress)
    assert stopped.attrs["stopped"] == "after 5 of 24 runs"
    pd.testing.assert_frame_equal(stopped, frame.head(5))


def test_an_interrupt_in_a_run_keeps_the_runs_before_it(frame):
    built = []

    def build(unmovable, pages, seed):
        built.append(seed)
        if len(built) == 2 + 4:     # two are built to see that they can be
            raise KeyboardInterrupt
        return memory(pages, unmovable=unmovable, seed=seed)

    pd.testing.assert_frame_equal(sweep(build, OVER, range(3)), frame.head(3))


def test_a_stopped_sweep_keeps_whole_tasks_of_an_executor(frame):
    with ThreadPoolExecutor(1) as executor:
        stopped = sweep(memory, OVER, range(3), executor, progress=lambda done, total: done >= 4)
    assert 4 <= len(stopped) < 24
    pd.testing.assert_frame_equal(stopped, frame.head(len(stopped)))


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_progress_counts_up_to_all_runs(executor):
    told = []
    executor = executor and executor(2)
    over = {"free": [0.3, 0.5], "pages": [600]}
    sweep(memory, over, range(20), executor, lambda *counts: told.append(counts))
    assert told == sorted(told) and told[-1] == (40, 40) and len(told) > 10


def test_an_error_in_a_progress_function_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        sweep(memory, {"pages": [600]}, [0], progress=lambda done, total: done / 0)


class Terminal(list):
    """A stream that somebody looks at."""

    write, flush, isatty = list.append, lambda self: None, lambda self: True


def test_the_bar_is_gone_at_the_end(monkeypatch):
    out, clock = Terminal(), iter(range(0, 1000, 2))
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setattr(experiments.time, "monotonic", lambda: next(clock))
    sweep(memory, {"pages": [600]}, range(4))
    assert out[0] == "\r##########.............................. 1 of 4 runs" and len(out) == 5
    assert out[-1].strip() == "" and out[-1].endswith("\r")
    assert len(out[-1].strip("\r")) >= len(out[-2].strip("\r"))


def test_without_a_terminal_no_bar_is_written(capfd):
    sweep(memory, {"pages": [600]}, range(4))
    assert capfd.readouterr() == ("", "")


# --- what is refused

def no_seed(pages):
    return memory(pages)


def no_zone(pages, seed):
    return None


@pytest.mark.parametrize("over, seeds, says", [
    ({"unmovable": [1.5]}, [0], "unmovable=1.5 is no share of memory: write a number from 0 to 1"),
    ({"unmovable": [-0.1]}, [0], "write a number from 0 to 1"),
    ({"unmovable": [float("nan")]}, [0], "write a number from 0 to 1"),
    ({"unmovable": ["half"]}, [0], "unmovable='half' is no share"),
    ({"unmovable": [0.4], "dirty": [0.3]}, [0],
     "free 0.4 + unmovable 0.4 + dirty 0.3 = 1.1: write shares that add up to 1"),
    ({"free": [0.0]}, [0], "the zone has no free page.*write memory(free=0.1)"),
    ({"pages": [0]}, [0], "a zone needs at least one page"),
    ({"unmovible": [0]}, [0], "nothing takes 'unmovible': write one of pages, free, unmovable"),
    ({"seed": [0]}, [0], "'seed' is a column that every run has: write seeds="),
    ({"free": []}, [0], "free has no value"),
    ({"free": [0.4]}, [], "write seeds=range(10)"),
    ({"free": [0.4]}, [None], "write seeds=range(10)"),
    ({"free": [0.4]}, 5, "write seeds=range(10)"),
    ({"order": [11]}, [0], "no order 11: write -1 for the whole zone, or 0 to 10"),
    ({"order": [-2]}, [0], "no order -2"),
    ({"caller": ["kswapd"]}, [0], "no caller 'kswapd': write one of direct async"),
    ({"compact_unevictable_allowed": [2]}, [0], "no compact_unevictable_allowed 2: write one of True, False"),
])
def test_bad_input_is_refused_before_the_first_run(over, seeds, says):
    with pytest.raises(ValueError, match=re.escape(says).replace(r"\.\*", ".*")):
        sweep(memory, over, seeds, progress=lambda done, total: pytest.fail("a run was done"))


@pytest.mark.parametrize("build, over, says", [
    (memory, {"unmovable": 0.3}, "write {'unmovable': [0.3]}"),
    (memory, {"kernel": "after"}, "write {'kernel': ['after']}"),
    (memory, {"kernel": ["later"]}, "unknown kernel 'later': write a module such as kl.before"),
    (no_seed, {"pages": [600]}, "build takes no seed: write def build(pages, seed=0)")])
def test_a_wrong_type_is_refused_with_the_line_to_write(build, over, says):
    with pytest.raises(TypeError, match=re.escape(says)):
        sweep(build, over, [0])


def test_a_build_function_must_return_a_zone():
    with pytest.raises(RunError, match="pages=600.*build gave None and no Zone: end it with `return zone`"):
        sweep(no_zone, {"pages": [600]}, [0])


def test_a_failing_run_names_its_parameters():
    def build(free, seed):
        if seed == 7:
            raise KeyError("lost")
        return memory(600, free, seed=seed)

    says = "free=0.3, kernel='after', caller='compact_memory', seed=7 failed: KeyError: 'lost'"
    with pytest.raises(RunError, match=says):
        sweep(build, {"free": [0.3]}, [1, 7])


def test_an_executor_that_was_shut_down_is_refused():
    for make in (ThreadPoolExecutor, ProcessPoolExecutor):
        executor = make(1)
        executor.shutdown()
        with pytest.raises(RuntimeError, match="the executor was shut down or broke .*make a new one"):
            sweep(memory, SMALL, [0], executor)


def test_a_build_function_that_cannot_travel_is_refused():
    says = "define it with `def` at the top of a module"
    with ProcessPoolExecutor(1) as executor, pytest.raises(TypeError, match=says):
        sweep(lambda seed: memory(seed=seed), {}, [0], executor)


def test_a_kernel_that_cannot_travel_is_refused_and_runs_here():
    mine = types.ModuleType("kernels.mine")
    mine.__dict__.update({name: getattr(kl.after, name) for name in ("isolate_folio", "move_to_new_folio")})
    with ThreadPoolExecutor(1) as executor, pytest.raises(TypeError, match="cannot be imported elsewhere"):
        sweep(memory, {"kernel": [mine], **SMALL}, [0], executor)
    assert list(sweep(memory, {"kernel": [mine], **SMALL}, [0]).kernel) == ["mine"]


def test_what_is_no_executor_is_refused():
    with pytest.raises(TypeError, match="write executor=ProcessPoolExecutor.*executor=client.get_executor"):
        sweep(memory, SMALL, [0], 2)


# --- the ready-made questions

def middle(frame, y, **chosen):
    for column, value in chosen.items():
        frame = frame[frame[column] == value]
    return frame[y].median()


def test_after_isolates_no_unmovable_folio_and_before_isolates_them_all():
    frame = experiments.unmovable_share(range(3), unmovable=[0.3], pages=[2048])
    assert set(frame.caller) == set(CALLERS)
    for caller in set(CALLERS) - {"direct async"}:
        assert middle(frame, "isolation_success", kernel="before", caller=caller) == 1
        after = middle(frame, "isolation_success", kernel="after", caller=caller)
        assert after == pytest.approx(0.5, abs=0.06)


def test_without_the_sysctl_mlocked_folios_stay():
    frame = experiments.unevictable_share(range(3), unevictable=[0.3], pages=[2048])
    assert middle(frame, "isolation_success", compact_unevictable_allowed=True) == 1
    without = middle(frame, "isolation_success", compact_unevictable_allowed=False)
    assert without == pytest.approx(0.5, abs=0.06)


def test_dirty_folios_cost_only_without_migrate_folio_and_only_those_who_may_not_wait():
    frame = experiments.dirty_share(range(3), dirty=[0.3], pages=[2048])
    for migrate_folio, caller in ((True, "kcompactd"), (True, "compact_memory"), (False, "compact_memory")):
        assert middle(frame, "isolation_success", migrate_folio=migrate_folio, caller=caller) == 1
    assert middle(frame, "isolation_success", migrate_folio=False, caller="kcompactd") < 0.6


def test_the_patch_saves_targets_and_failed_migrations():
    frame = experiments.wasted_work(range(3), unmovable=[0.3], pages=[2048])
    before, after = (frame[frame.kernel == kernel] for kernel in ("before", "after"))
    assert (before.wasted_targets > 100).all() and (before.failed_EINVAL > 50).all()
    assert (after.wasted_targets <= 1).all() and (after.failed_EINVAL + after.failed_EOPNOTSUPP == 0).all()


def test_one_unmovable_page_in_a_pageblock_is_enough_unless_they_are_grouped():
    frame = experiments.free_block(range(6), unmovable=[0.0, 0.016])
    chance = frame.groupby(["grouped", "unmovable"]).order_9_is_free.mean()
    assert chance[False, 0.0] == chance[True, 0.0] == chance[True, 0.016] == 1 and chance[False, 0.016] == 0


def test_grouping_leaves_large_blocks_where_scattering_leaves_none():
    frame = experiments.free_block(range(3), unmovable=[0.2])
    scattered, grouped = (middle(frame, "largest_order_after", grouped=grouped) for grouped in (False, True))
    assert grouped >= 9 > scattered
