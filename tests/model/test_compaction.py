"""isolate_migratepages_block(): worked examples, invariants on random zones, the table beside the path."""
import pytest
from hypothesis import given, settings, strategies as st

import kitlib as kl
from kitlib import scan
from kitlib.compaction.events import IsolateEvent
from kitlib.compaction.isolate import too_many_isolated
from kitlib.compaction.releases import parse_release, release_of, skip_isolation_order
from kitlib.mm.a_ops import mappings
from kitlib.mm.folio import PG
from kitlib.mm.verdict import MODES
from kitlib.mm.zone import VMSTAT, Zone, block_end_pfn
from kitlib.scenarios import KIND, KINDS
from kitlib.step import Deadlock

SYNC, ASYNC = kl.Mode(), kl.Mode(async_migrate=True)
KERNELS = [kl.before, kl.racy, kl.after]


def zone_of(*runs):
    """A zone from (name, pages) runs; free runs become buddy blocks."""
    return Zone.from_kinds(b"".join(bytes([KIND[name]]) * pages for name, pages in runs), KINDS, mappings())


def example_1():
    return zone_of(("free", 4), ("anon", 1), ("guest_memfd", 1), ("slab", 2))


def scan_block(zone, low_pfn=0, end_pfn=None, mode=SYNC, table=False, migrate_mode=kl.MigrateMode.SYNC,
               **orders):
    cc = kl.CompactControl(zone, mode=migrate_mode, **orders)
    if table:
        cc.verdicts = scan.verdicts(zone, cc.kernel, mode, cc.release, cc.order).tobytes()
    result = kl.isolate_migratepages_block(cc, low_pfn, zone.end_pfn if end_pfn is None else end_pfn, mode)
    return cc, result


both_ways = pytest.mark.parametrize("table", [False, True], ids=["path", "table"])


@both_ways
def test_e1_a_free_block_is_jumped_over_and_counted(table):
    cc, result = scan_block(example_1(), table=table)
    assert (result, cc.trace, cc.migratepages) == (0, [IsolateEvent(0, 8, 8, 1)], [4])
    assert cc.migrate_pfn == 8 and cc.zone.vmstat["nr_isolated_anon"] == 1


@both_ways
def test_e2_one_failure_puts_the_whole_chunk_back(table):
    zone = example_1()
    cc, _ = scan_block(zone, mode=ASYNC, table=table, migrate_mode=kl.MigrateMode.ASYNC, order=2,
                       direct_compaction=True)
    assert (cc.trace, cc.migratepages, cc.nr_migratepages) == ([IsolateEvent(0, 8, 6, 0)], [], 0)
    assert zone.skip[0] and zone.cached_migrate_pfn[0] > 0 and zone.cached_migrate_pfn[1] == 0
    assert zone.vmstat["nr_isolated_anon"] == 0 and zone.folio(4).lru and zone.folio(4).refcount == 1


@both_ways
def test_e3_a_jump_past_the_end_is_clamped_but_counted_whole(table):
    cc, _ = scan_block(zone_of(("slab", 8), ("free", 8)), 8, 12, table=table)
    assert cc.trace == [IsolateEvent(8, 12, 8, 0)]


@both_ways
def test_e4_a_call_stops_at_32_pages_and_finishing_the_pageblock_takes_the_rest(table):
    cc, _ = scan_block(zone_of(("anon", 64)), table=table)
    assert (cc.trace, cc.nr_migratepages) == ([IsolateEvent(0, 32, 32, 32)], 32)
    cc, _ = scan_block(zone_of(("anon", 64)), table=table, finish_pageblock=True)
    assert (cc.trace, cc.nr_migratepages) == ([IsolateEvent(0, 64, 64, 64)], 64)


def test_up_to_6_1_jumped_over_pages_are_not_counted():
    zone = zone_of(("free", 4), ("anon", 1), ("slab", 3))
    assert scan_block(zone, release="6.1.192")[0].trace == [IsolateEvent(0, 8, 5, 1)]


def large_folio_zone():
    zone = zone_of(("slab", 16), ("anon", 16), ("anon", 32))
    zone.make_compound(16, 4)
    zone.refcount[16] = zone.mapcount[16] = 16
    return zone


@both_ways
@pytest.mark.parametrize("release, order, event, taken", [
    ("6.8", -1, IsolateEvent(0, 64, 64, 32), list(range(32, 64))),
    ("6.12", -1, IsolateEvent(0, 48, 48, 32), [16, *range(32, 48)]),
    ("6.12", 4, IsolateEvent(0, 64, 64, 32), list(range(32, 64))),
    ("6.12", 5, IsolateEvent(0, 48, 48, 32), [16, *range(32, 48)])])
def test_from_6_9_on_folios_below_the_target_order_are_taken_whole(release, order, event, taken, table):
    zone = large_folio_zone()
    cc, _ = scan_block(zone, release=release, order=order, table=table)
    assert (cc.trace, cc.migratepages) == ([event], taken)
    assert zone.vmstat["nr_isolated_anon"] == 32


def test_a_failed_large_folio_costs_one_scan_for_each_tail():
    zone = large_folio_zone()
    zone.refcount[16] += 1
    cc, _ = scan_block(zone, 16, 32, release="6.12")
    assert cc.trace == [IsolateEvent(16, 32, 16, 0)]


@both_ways
def test_a_set_skip_bit_ends_the_scan_at_once_unless_ignored(table):
    zone = zone_of(("anon", 8))
    zone.skip[0] = 1
    cc, _ = scan_block(zone, table=table)
    assert (cc.trace, cc.migrate_pfn) == ([IsolateEvent(0, 8, 1, 0)], 8)
    assert scan_block(zone, table=table, ignore_skip_hint=True)[0].nr_migratepages == 8


@both_ways
def test_a_resumed_scan_never_touches_the_skip_bit(table):
    zone = zone_of(("slab", 512))
    cc, _ = scan_block(zone, 32, table=table)
    assert cc.trace == [IsolateEvent(32, 512, 480, 0)] and not zone.skip[0]
    cc, _ = scan_block(zone, 0, table=table)
    assert zone.skip[0]


def test_no_set_skip_hint_leaves_bit_and_cached_pfns():
    zone = zone_of(("slab", 512))
    scan_block(zone, no_set_skip_hint=True)
    assert not zone.skip[0] and zone.cached_migrate_pfn == [0, 0]


def test_the_cached_pfns_pass_one_pageblock_over_and_only_go_forward():
    zone = zone_of(("slab", 2048))
    scan_block(zone, 512, 1024)
    assert zone.cached_migrate_pfn == [1536, 1536]
    scan_block(zone, 0, 512)
    assert zone.cached_migrate_pfn == [1536, 1536]
    cc = kl.CompactControl(zone, mode=kl.MigrateMode.ASYNC)
    kl.isolate_migratepages_block(cc, 1024, 1536, ASYNC)
    assert zone.cached_migrate_pfn == [2048, 1536]


def test_a_skip_bit_that_another_cpu_sets_meanwhile_aborts_and_puts_the_folio_back():
    zone = zone_of(("slab", 3), ("anon", 5))

    class Busy:
        __name__ = "busy"

        @staticmethod
        def isolate_folio(folio, mode):
            zone.skip[0] = 1
            return (yield from kl.after.isolate_folio(folio, mode))

    cc, _ = scan_block(zone, kernel=Busy)
    assert (cc.trace, cc.migratepages) == ([IsolateEvent(0, 8, 4, 0)], [])
    assert zone.folio(3).lru and zone.folio(3).refcount == 1 and zone.vmstat["nr_isolated_anon"] == 0


@both_ways
@pytest.mark.parametrize("signal, stop, taken", [(0, 0, 0), (1, 32, 16), (33, 64, 16), (65, 96, 48)])
def test_a_fatal_signal_is_seen_at_the_next_multiple_of_32(signal, stop, taken, table):
    zone = zone_of(("anon", 16), ("slab", 48), ("anon", 36))
    cc, result = scan_block(zone, table=table, fatal_signal_pfn=signal, finish_pageblock=True)
    assert (str(result), cc.contended, cc.migrate_pfn, cc.nr_migratepages) == ("-EINTR", True, stop, taken)
    assert cc.trace == [] and cc.total_migrate_scanned == stop and zone.vmstat["compact_isolated"] == taken


@both_ways
def test_a_fatal_signal_after_the_last_multiple_of_32_is_not_seen(table):
    cc, result = scan_block(zone_of(("anon", 100)), table=table, fatal_signal_pfn=97, finish_pageblock=True)
    assert (result, cc.contended, cc.trace) == (0, False, [IsolateEvent(0, 100, 100, 100)])


def test_too_many_isolated_pages_make_the_scan_wait_or_give_up():
    zone = zone_of(("anon", 64))
    zone.vmstat["nr_isolated_file"] = 5
    assert too_many_isolated(zone, SYNC) and not too_many_isolated(zone, kl.Mode(gfp_fs=False))
    begin = zone.snapshot()
    cc = kl.CompactControl(zone, mode=kl.MigrateMode.ASYNC)
    assert kl.isolate_migratepages_block(cc, 0, 64, ASYNC) == kl.Result.EAGAIN
    cc = kl.CompactControl(zone, nr_migratepages=3)
    assert kl.isolate_migratepages_block(cc, 0, 64, SYNC) == kl.Result.EAGAIN
    cc = kl.CompactControl(zone, fatal_signal_pfn=0)
    assert kl.isolate_migratepages_block(cc, 0, 64, SYNC) == kl.Result.EINTR
    with pytest.raises(Deadlock, match="sleeps in reclaim_throttle"):
        scan_block(zone)
    assert cc.trace == [] and zone.snapshot() == begin


@pytest.mark.parametrize("low, end", [(-1, 4), (4, 2), (0, 9), (9, 9)])
def test_a_range_that_does_not_fit_is_refused_and_nothing_changes(low, end):
    zone = zone_of(("anon", 8))
    begin, cc = zone.snapshot(), kl.CompactControl(zone)
    with pytest.raises(ValueError, match=r"does not fit .* write 0 <= low_pfn <= end_pfn <= 8"):
        kl.isolate_migratepages_block(cc, low, end, SYNC)
    assert zone.snapshot() == begin and cc == kl.CompactControl(zone)


def test_other_bad_orders_say_what_to_write():
    zone = zone_of(("anon", 8))
    with pytest.raises(TypeError, match=r"unknown mode 'async': write kl\.Mode"):
        kl.isolate_migratepages_block(kl.CompactControl(zone), 0, 8, "async")
    with pytest.raises(TypeError, match="unknown kernel 'after'"):
        kl.CompactControl(zone, kernel="after")
    with pytest.raises(ValueError, match="unknown release 'newest': write a kernel version"):
        kl.CompactControl(zone, release="newest")
    with pytest.raises(ValueError, match=r"unknown release 6\.12: write"):
        kl.CompactControl(zone, release=6.12)
    for wrong in ("async", 2, None):
        with pytest.raises(TypeError, match=r"write kl\.MigrateMode"):
            kl.CompactControl(zone, mode=wrong)
    for wrong in ("a", 11, -2):
        with pytest.raises(ValueError, match="write -1 for the whole zone, or 0 to 10"):
            kl.CompactControl(zone, order=wrong)
    with pytest.raises(ValueError, match="write order=9"):
        kl.CompactControl(zone, mode=kl.MigrateMode.ASYNC, direct_compaction=True)
    with pytest.raises(ValueError, match="does not fit"):
        kl.isolate_migratepages_block(kl.CompactControl(zone), "0", 8, SYNC)
    with pytest.raises(ValueError, match="verdicts for 3 pages"):
        kl.isolate_migratepages_block(kl.CompactControl(zone, verdicts=b"abc"), 0, 8, SYNC)


def test_releases_are_found_by_range():
    assert parse_release("6.12.113+deb") == (6, 12) and parse_release("v5.10") == (5, 10)
    counts = [release_of(release).counts_jumped for release in ("4.4", "6.1.192", "6.8", "6.12.113", "9.0")]
    assert counts == [False, False, True, True, True]
    assert [skip_isolation_order(r, -1) for r in ("6.1", "6.8", "6.12.1", "7.2")] == [0, 0, 9, 9]
    assert skip_isolation_order("6.12", 4) == 4 and skip_isolation_order("6.12", 10) == 9


# What is true of every scan, on random zones.

orders = st.fixed_dictionaries({
    "kernel": st.sampled_from(KERNELS), "mode": st.sampled_from(list(kl.MigrateMode)),
    "order": st.sampled_from([-1, 1, 2, 4, 9]),
    "direct_compaction": st.booleans(), "finish_pageblock": st.booleans(), "ignore_skip_hint": st.booleans(),
    "no_set_skip_hint": st.booleans(), "release": st.sampled_from(["6.1", "6.8", "6.12"])})
zones = st.tuples(st.integers(1, 1100), st.integers(0, 10**6))


def legal(orders):
    """Direct asynchronous compaction has a target order; nobody else puts chunks back."""
    if orders["order"] == -1:
        orders["direct_compaction"] = False
    return orders


def draw_range(data, zone):
    low = data.draw(st.integers(0, len(zone)), label="low_pfn")
    return low, data.draw(st.integers(low, len(zone)), label="end_pfn")


@settings(max_examples=2000, deadline=None)
@given(size=zones, orders=orders, mode=st.sampled_from(MODES), data=st.data())
def test_a_scan_keeps_every_invariant(size, orders, mode, data):
    zone = kl.random_zone(*size)
    low, end = draw_range(data, zone)
    begin = zone.snapshot()
    cc = kl.CompactControl(zone, **legal(orders))
    result = kl.isolate_migratepages_block(cc, low, end, mode)
    assert result == 0
    (event,) = cc.trace
    start, stop, scanned, taken = event
    skip_on_failure = cc.direct_compaction and cc.mode == kl.MigrateMode.ASYNC
    counted = cc.release.counts_jumped

    assert (start, stop) == (low, cc.migrate_pfn) and low <= stop <= end and (stop > low) == (low < end)
    aborted = low < end and scanned == 1 and stop == end and end - low > 1
    if counted and not skip_on_failure and not aborted:
        assert scanned >= stop - low and (scanned == stop - low or stop == end)
        if scanned > stop - low:
            assert any(zone.order[p] and p + (1 << zone.order[p]) > end for p in range(low, end))
    assert taken <= scanned or not counted
    assert cc.nr_migratepages == sum(1 << zone.order[p] for p in cc.migratepages) == taken
    if stop < end and not skip_on_failure:
        assert taken >= 32 and not cc.finish_pageblock
    assert taken <= 32 or cc.finish_pageblock or any(zone.order[p] for p in cc.migratepages)
    if skip_on_failure and cc.migratepages:
        chunks = {block_end_pfn(p, cc.order) for p in cc.migratepages}
        assert len(chunks) == 1
    restored = zone.snapshot()
    zone.restore(begin)
    free = {p for p in range(len(zone)) if zone.flags[p] & (PG.BUDDY | PG.FREE_TAIL)}
    free_or_taken = free | set(cc.migratepages)
    if skip_on_failure and cc.migratepages:
        first = block_end_pfn(cc.migratepages[0], cc.order) - (1 << cc.order)
        assert all(p in free_or_taken for p in range(max(first, low), stop)
                   if not any(p in range(q, q + (1 << zone.order[q])) for q in cc.migratepages))
    for pfn in cc.migratepages:
        folio = zone.folio(pfn)
        assert folio.lru
        folio.lru, folio.refcount = False, folio.refcount + 1
        unmovable = folio.mapping and kl.mapping_unmovable(folio.mapping).do()
        assert cc.kernel is kl.before or not (folio.unevictable and unmovable)
        assert mode.unevictable or not folio.unevictable
    expected = zone.snapshot()
    assert restored[:5] == expected[:5], "a page that was not taken is as it was: references, LRU, lock"
    vmstat = dict(zip(VMSTAT, restored[7], strict=True))
    assert vmstat["nr_isolated_anon"] + vmstat["nr_isolated_file"] == taken == vmstat["compact_isolated"]


@settings(max_examples=1000, deadline=None)
@given(size=zones, orders=orders, mode=st.sampled_from(MODES), data=st.data())
def test_the_table_and_the_path_do_the_same(size, orders, mode, data):
    zone = kl.random_zone(*size)
    low, end = draw_range(data, zone)
    signal = data.draw(st.none() | st.integers(0, len(zone)), label="signal")
    orders = legal(orders) | {"fatal_signal_pfn": signal}
    begin, endings = zone.snapshot(), []
    codes = scan.verdicts(zone, orders["kernel"], mode, orders["release"], orders["order"])
    for verdicts in (None, codes.tobytes()):
        zone.restore(begin)
        cc = kl.CompactControl(zone, **orders, verdicts=verdicts)
        result = kl.isolate_migratepages_block(cc, low, end, mode)
        endings.append((result, cc.trace, cc.migratepages, cc.nr_migratepages, cc.contended, cc.migrate_pfn,
                        cc.total_migrate_scanned, zone.snapshot()))
    assert endings[0] == endings[1]


@settings(max_examples=300, deadline=None)
@given(size=zones, mode=st.sampled_from(MODES))
def test_the_lock_is_taken_only_for_folios_that_can_need_it(size, mode):
    zone = kl.random_zone(size[0] % 60 + 1, size[1])
    for folio in zone.folios:
        machine = kl.run(kl.Machine(zone, {"c": lambda f=folio: kl.after.isolate_folio(f, mode)}))
        steps = [event.step for event in machine.trace if event.result is not False]
        machine.reset()
        needs = (mode.async_migrate and folio.dirty) or (folio.mapping is not None and folio.unevictable)
        assert needs or "folio_trylock" not in steps
        assert steps.count("folio_trylock") == steps.count("folio_unlock") <= 1
        assert folio.unevictable <= (mode.unevictable or "folio_trylock" not in steps)


@settings(max_examples=500, deadline=None)
@given(size=zones, mode=st.sampled_from(MODES))
def test_the_patch_only_takes_away_folios_that_cannot_move_or_are_locked(size, mode):
    zone = kl.random_zone(*size)
    before, after = (scan.verdicts(zone, kernel, mode) == 0 for kernel in (kl.before, kl.after))
    assert not (after & ~before).any()
    for pfn in (before & ~after).nonzero()[0]:
        folio = zone.folio(int(pfn))
        asked = folio.unevictable or (folio.dirty and mode.async_migrate)
        unmovable = kl.mapping_unmovable(folio.mapping).do() and asked
        assert unmovable or (folio.locked and folio.unevictable)
