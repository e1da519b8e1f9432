"""compact_zone(): no page is lost, counters agree, nothing stays isolated, no unmovable folio has moved."""
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st
from test_compaction import zone_of

import kitlib as kl
from kitlib import frames, scan
from kitlib.compaction import Status, compact_zone, direct_compaction
from kitlib.compaction.control import CALLERS, CONTIG, control_for, isolation_mode
from kitlib.compaction.events import (BeginEvent, EndEvent, FreeEvent, IsolateEvent, MigrateEvent,
                                      MigratePagesEvent)
from kitlib.compaction.releases import release_of
from kitlib.mm import a_ops
from kitlib.mm.a_ops import EXT4
from kitlib.mm.folio import PG
from kitlib.mm.mapping import AS_UNMOVABLE, set_bit
from kitlib.mm.mmzone import MAX_ORDER, MIGRATE_UNMOVABLE
from kitlib.mm.page_alloc import PerCpuPages, count_free_blocks

KERNELS = [kl.before, kl.racy, kl.after]
RELEASES = ["6.1", "6.8", "6.12", "7.2"]
WHO = PG.LRU | PG.ANON | PG.SWAPBACKED | PG.MLOCKED | PG.SLAB | PG.UPTODATE | PG.NO_PAGE
FREE = PG.BUDDY | PG.FREE_TAIL
TAKEN = FREE | PG.HEAD | PG.TAIL


def random_zone(pages, seed, large=False, lists=False, release="6.8", flag_alone=False, held=False):
    """kl.random_zone, and on demand large folios, per-CPU lists, AS_UNMOVABLE on ext4, held buffers."""
    zone = kl.random_zone(pages, seed)
    if large:
        for start in range(0, pages - 192, 192):
            order = (start // 192 + seed) % 5 + 1
            size = 1 << order
            pfn = next((p for p in range(start, start + 128, size)
                        if not any(flags & TAKEN for flags in zone.flags[p:p + size])), None)
            if pfn is not None:
                fill(zone, pfn, size, order, ("anon", "file, clean", "tmpfs")[seed % 3])
    if lists:
        zone.pcp = PerCpuPages(60, 7, release_of(release).pcp_doubles)
    if flag_alone:
        set_bit(AS_UNMOVABLE, zone.mappings[EXT4])
    if held:
        zone.buffers_held = frozenset(range(0, pages, 3))
    return zone


def fill(zone, pfn, size, order, kind):
    example = kl.one_folio(kind)
    for page in range(pfn, pfn + size):
        zone.flags[page], zone.mapping[page] = example.zone.flags[0], example.zone.mapping[0]
    zone.lru_batch[:] = [page for page in zone.lru_batch if not pfn <= page < pfn + size]
    zone.mapcount[pfn] = example.mapcount * size
    zone.refcount[pfn] = example.mapcount * size + (zone.mapping[pfn] > 0) * size
    zone.make_compound(pfn, order)


def pages_by_owner(zone):
    """Base pages, page-table entries and references at rest of each sort of page; buffers may be dropped.

    A page in an LRU batch counts as it will be when the batch is drained.
    """
    counts, waits = Counter(), Counter(zone.lru_batch)
    for pfn in range(zone.start_pfn, zone.end_pfn):
        flags, head = zone.flags[pfn], pfn
        if flags & FREE:
            counts["free"] += 1
        elif not flags & PG.TAIL:
            sort = flags & WHO | PG.LRU * (waits[pfn] > 0), zone.mapping[pfn]
            counts[sort, "pages"] += 1 << zone.order[head]
            counts[sort, "mapped"] += zone.mapcount[pfn]
            counts[sort, "references"] += zone.refcount[pfn] - bool(flags & PG.PRIVATE) - waits[pfn]
    return counts


def check_buddies(zone):
    """Blocks are aligned and whole, no two free buddies are apart, and nr_free is what a recount gives."""
    pfn = zone.start_pfn
    while pfn < zone.end_pfn:
        flags, order = zone.flags[pfn], zone.order[pfn]
        if flags & PG.BUDDY:
            assert pfn % (1 << order) == 0 and bool(flags & PG.HEAD) == (order > 0)
            assert all(zone.flags[page] == PG.FREE_TAIL for page in range(pfn + 1, pfn + (1 << order)))
            buddy = pfn ^ 1 << order
            if order < MAX_ORDER and zone.start_pfn <= buddy < zone.end_pfn:
                assert not (zone.flags[buddy] & PG.BUDDY and zone.order[buddy] == order), (pfn, order)
        pfn += 1 << order if flags & (PG.BUDDY | PG.HEAD) else 1
    kept = [list(by_type) for by_type in zone.nr_free]
    count_free_blocks(zone)
    assert kept == zone.nr_free


def check_at_rest(zone, locked):
    assert zone.vmstat["nr_isolated_anon"] == zone.vmstat["nr_isolated_file"] == 0
    assert {pfn for pfn in range(len(zone)) if zone.flags[pfn] & PG.LOCKED} <= locked, "locked by nobody new"
    assert not any(zone.refcount[pfn] or zone.mapcount[pfn] or zone.mapping[pfn] for pfn in range(len(zone))
                   if zone.flags[pfn] & (FREE | PG.TAIL))
    on_lists = zone.pcp.count if zone.pcp else 0
    lists = zone.pcp.lists if zone.pcp else ()
    assert on_lists == sum(len(pfns) << number // 3 for number, pfns in enumerate(lists))
    in_blocks = sum(1 << zone.order[pfn] for pfn in range(len(zone)) if zone.flags[pfn] & PG.BUDDY)
    assert in_blocks + on_lists == sum(bool(flags & FREE) for flags in zone.flags)


def check_counters(cc):
    """What the counters say of a zone's first run is what its events say."""
    vmstat = Counter(cc.zone.vmstat)
    events = {kind: [event for event in cc.trace if type(event) is kind] for kind in map(type, cc.trace)}
    kinds = IsolateEvent, FreeEvent, MigrateEvent, MigratePagesEvent
    scans, frees, moves, calls = (events.get(kind, []) for kind in kinds)
    assert vmstat["compact_isolated"] == sum(event.nr_taken for event in scans + frees)
    assert vmstat["compact_migrate_scanned"] == sum(event.nr_scanned for event in scans)
    assert vmstat["compact_free_scanned"] == sum(event.nr_scanned for event in frees)
    for scanner in ("migrate", "free"):
        by_daemon = vmstat[f"compact_daemon_{scanner}_scanned"]
        assert by_daemon == (vmstat[f"compact_{scanner}_scanned"] if cc.kcompactd else 0)
    assert sum(map(sum, moves)) == sum(event.nr_taken for event in scans)
    assert vmstat["pgmigrate_success"] == sum(e.succeeded for e in calls) == sum(e.nr_migrated for e in moves)
    assert vmstat["pgmigrate_fail"] == sum(event.failed for event in calls) == sum(cc.failed.values())
    assert all(call.succeeded + call.failed <= sum(move) for call, move in zip(calls, moves, strict=True))
    assert cc.migratepages == [] and cc.nr_migratepages == cc.nr_freepages == 0 and not any(cc.freepages)
    assert cc.targets >= vmstat["pgmigrate_success"] or any(folio.order for folio in cc.zone.folios)
    assert isinstance(cc.trace[0], BeginEvent) and isinstance(cc.trace[-1], EndEvent)


@pytest.mark.parametrize("caller", CALLERS)
def test_what_the_kcompactd_thread_has_scanned_is_counted_a_second_time(caller):
    zone = zone_of(("anon", 512), ("slab", 512), ("free", 256), ("slab", 256))
    compact_zone(control_for(caller, zone))
    for scanner in ("migrate", "free"):
        scanned = zone.vmstat[f"compact_{scanner}_scanned"]
        expected = scanned if caller in ("kcompactd", "proactive") else 0
        assert scanned and zone.vmstat[f"compact_daemon_{scanner}_scanned"] == expected


zones = st.fixed_dictionaries({
    "pages": st.integers(1, 4000), "seed": st.integers(0, 10**6), "large": st.booleans(),
    "lists": st.booleans(), "flag_alone": st.booleans(), "held": st.booleans()})
runs = st.fixed_dictionaries({
    "caller": st.sampled_from(sorted(CALLERS)), "kernel": st.sampled_from(KERNELS),
    "release": st.sampled_from(RELEASES), "order": st.sampled_from([1, 3, 6, 9, 10])})


@settings(max_examples=250, deadline=None)
@given(build=zones, orders=runs, allowed=st.booleans())
def test_a_run_loses_no_page_and_leaves_nothing_behind(build, orders, allowed):
    zone = random_zone(**build, release=orders["release"])
    locked = {pfn for pfn in range(len(zone)) if zone.flags[pfn] & PG.LOCKED}
    before, unmovable = pages_by_owner(zone), unmovable_pages(zone)
    cc = control_for(zone=zone, **orders)
    status = compact_zone(cc, allowed)
    assert status != Status.CONTINUE and cc.trace[-1].status == status.name.lower()
    assert pages_by_owner(zone) == before
    check_at_rest(zone, locked)
    check_buddies(zone)
    check_counters(cc)
    assert orders["kernel"] is kl.before or unmovable_pages(zone) == unmovable


def unmovable_pages(zone):
    """The pages of its folios: for want of a target a large folio may be split, but it stays where it is."""
    return {page for folio in zone.folios
            if folio.mapping is not None and kl.mapping_unmovable(folio.mapping).do()
            for page in range(folio.pfn, folio.pfn + (1 << folio.order))}


@settings(max_examples=150, deadline=None)
@given(build=zones, orders=runs, allowed=st.booleans())
def test_the_run_by_table_and_the_run_by_paths_are_the_same(build, orders, allowed):
    same_by_table_and_by_paths(lambda: random_zone(**build, release=orders["release"]), orders, allowed)


# What is rehearsed for certain, so that whole batches are settled at once; and what may be tried among it.
KNOWN = ("anon", "anon", "anon, shared by three", "anon, mlocked", "file, clean", "tmpfs", "secretmem",
         "file, pinned", "file, dirty", "file, clean, no migrate_folio", "guest_memfd", "slab")
TRIED = "file, locked", "file, under writeback", "file, dirty, no migrate_folio"


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**6), free=st.sampled_from([1, 4, 12]), tried=st.sampled_from([0, 0, 1]),
       lists=st.booleans(), orders=runs, allowed=st.booleans())
def test_settled_at_once_a_batch_ends_as_if_it_were_tried(seed, free, tried, lists, orders, allowed):
    def build():
        dice = random.Random(seed)
        weights = [3] * len(KNOWN) + [3 * free] + [tried / 8] * len(TRIED)
        names = dice.choices((*KNOWN, "free", *TRIED), weights, k=3072)
        zone = zone_of(*((name, 1) for name in names))
        zone.pcp = PerCpuPages(60, 7, release_of(orders["release"]).pcp_doubles) if lists else None
        return zone

    same_by_table_and_by_paths(build, orders, allowed)


def same_by_table_and_by_paths(build, orders, allowed):
    endings = []
    for by_table in (False, True):
        zone = build()
        cc = control_for(zone=zone, **orders)
        if by_table:
            mode = isolation_mode(cc, allowed)
            cc.verdicts = scan.verdicts(zone, cc.kernel, mode, cc.release, cc.order).tobytes()
        status = compact_zone(cc, allowed)
        endings.append((status, cc.trace, zone.snapshot(), zone.nr_free, cc.targets, cc.failed,
                        cc.migrate_pfn, cc.free_pfn, cc.nr_freepages))
    assert endings[0] == endings[1]


def test_in_before_a_mapping_that_relies_on_the_flag_alone_is_moved_sometimes():
    for kernel, moves in ((kl.before, True), (kl.racy, False), (kl.after, False)):
        zone = random_zone(4096, 1, flag_alone=True)
        begin = unmovable_pages(zone)
        compact_zone(control_for("compact_memory", zone, kernel=kernel))
        assert (unmovable_pages(zone) != begin) == moves


def test_guest_memfd_is_moved_by_no_kernel():
    for kernel in KERNELS:
        cc = sources_and_targets(("guest_memfd", 100), ("slab", 412), kernel=kernel)
        zone = cc.zone
        compact_zone(cc)
        assert unmovable_pages(zone) == set(range(100))
        assert zone.vmstat["pgmigrate_fail"] == (100 if kernel is kl.before else 0)


def left_where_it_was(kind, caller, kernel, release, allowed=True):
    """Whether 100 pages of a kind are where they were after a run of a caller's; and who failed, by code."""
    zone = zone_of(("slab", 512), (kind, 100), ("slab", 412), ("free", 256), ("slab", 256))
    cc = control_for(caller, zone, kernel=kernel, release=release)
    compact_zone(cc, allowed)
    return [folio.pfn for folio in zone.folios] == list(range(512, 612)), cc.failed


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
@pytest.mark.parametrize("caller", CALLERS)
def test_written_ramfs_never_moves_and_ramfs_that_was_only_read_does(caller, kernel, release):
    refused = kl.Result.EBUSY if release == "7.2" else kl.Result.EINVAL
    for allowed in (True, False):
        tried = allowed and caller == "compact_memory"
        failed = {refused: 100} if tried else {}
        assert left_where_it_was("ramfs", caller, kernel, release, allowed) == (True, failed)
    stays, failed = left_where_it_was("ramfs, never written", caller, kernel, release)
    assert not stays and failed == {}


def test_a_fallback_that_writes_out_what_has_no_writepage_would_be_noticed(monkeypatch):
    monkeypatch.setattr(a_ops, "ram_aops", a_ops.ram_aops._replace(writepage=True))
    assert left_where_it_was("ramfs", "compact_memory", kl.after, "6.8") == (False, {})


def test_each_caller_runs_in_its_own_mode():
    zone = zone_of(("anon", 1))
    # mode, ASYNC_MIGRATE, UNEVICTABLE without the sysctl, direct, ignore_skip_hint, whole_zone, order
    known = {
        "direct async": ("ASYNC", True, False, True, False, False, 9),
        "direct sync light": ("SYNC_LIGHT", True, False, True, False, False, 9),
        "direct full": ("SYNC_LIGHT", True, False, True, True, True, 9),
        "kcompactd": ("SYNC_LIGHT", True, False, False, False, False, 9),
        "proactive": ("SYNC_LIGHT", True, False, False, True, True, -1),
        "compact_memory": ("SYNC", False, False, False, True, True, -1),
        "alloc_contig_range": ("SYNC", False, True, False, True, False, -1)}
    for caller, expected in known.items():
        cc = control_for(caller, zone)
        mode = isolation_mode(cc, compact_unevictable_allowed=False)
        assert (cc.mode.name, mode.async_migrate, mode.unevictable, cc.direct_compaction, cc.ignore_skip_hint,
                cc.whole_zone, cc.order) == expected
        assert isolation_mode(cc).unevictable and cc.no_set_skip_hint == cc.alloc_contig == (caller in CONTIG)
        assert cc.ignore_block_suitable == (caller == "direct full")
    assert set(known) == {*CALLERS, *CONTIG}
    with pytest.raises(ValueError, match="no caller 'khugepaged': write one of direct async"):
        control_for("khugepaged", zone)


def sources_and_targets(*kinds, order=-1, caller="compact_memory", **orders):
    """Sources, a pageblock for the scanners to meet in, and 256 targets."""
    zone = zone_of(*kinds, ("slab", 512), *[("free", 1), ("slab", 1)] * 256)
    return control_for(caller, zone, order, **orders)


def half_full():
    """A pageblock that can be emptied, one of sources that would leave no block, and targets."""
    return zone_of(*[("anon", 1), ("free", 1)] * 256, *[("anon", 1), ("slab", 1)] * 256,
                   *[("free", 1), ("slab", 1)] * 512)


def scans_of(cc):
    return [event for event in cc.trace if type(event) is IsolateEvent]


def test_the_second_call_in_a_pageblock_takes_the_rest():
    cc = sources_and_targets(("slab", 512), ("anon", 200), ("slab", 312))
    assert compact_zone(cc) == Status.COMPLETE
    assert scans_of(cc) == [(0, 512, 512, 0), (512, 544, 32, 32), (544, 1024, 480, 168), (1024, 1536, 512, 0)]


def ranges_of(zone, release="6.8"):
    cc = control_for("compact_memory", zone, release=release)
    compact_zone(cc)
    return [(event.start_pfn, event.end_pfn) for event in cc.trace if type(event) is IsolateEvent]


@pytest.mark.parametrize("release, then", [("6.1", 1024), ("6.8", 544), ("7.2", 544)])
def test_after_a_failure_direct_async_scans_the_rest_of_the_pageblock_or_leaves_the_rest_of_the_chunk(
        release, then):
    zone = kl.zone_of(*["slab"] * 512, "file, pinned", *["anon"] * 1023, *["free", "slab"] * 1024)
    cc = control_for("direct async", zone, order=9, release=release)
    compact_zone(cc)
    starts = [event.start_pfn for event in cc.trace if type(event) is IsolateEvent]
    assert starts[:3] == [0, 512, then] and zone.vmstat["pgmigrate_fail"] >= 1


def test_so_it_does_in_a_pageblock_in_which_the_zone_begins():
    zone = kl.zone_of(*["slab"] * 512, *["anon"] * 512, *["free", "slab"] * 1024)
    assert ranges_of(zone.part("Odd", 700, zone.end_pfn))[:2] == [(700, 732), (732, 1024)]


@pytest.mark.parametrize("release, thirds", [("6.1", [1056, 1088]), ("6.8", [1056]), ("7.2", [1056])])
def test_behind_a_pageblock_that_is_passed_over_older_releases_stop_a_second_time(release, thirds):
    """The pageblock at 512 is one compound page. last_migrated_pfn is where the search began, up to 6.6."""
    zone = kl.zone_of(*["anon", "slab"] * 256, *["slab"] * 512, *["anon"] * 300, *["slab"] * 212,
                      *["free", "slab"] * 1024)
    zone.make_compound(512, 9)
    places = [1024, *thirds, 1536]
    assert ranges_of(zone, release)[:len(places)] == [(0, 512), *pairwise(places)]


def test_the_first_call_takes_all_of_the_pageblock_at_pfn_0():
    cc = sources_and_targets(("anon", 200), ("slab", 312))
    assert compact_zone(cc) == Status.COMPLETE
    assert scans_of(cc) == [(0, 512, 512, 200), (512, 1024, 512, 0)]
    zone = kl.zone_of("anon", repeat=2048).part("above", 512, 2048)
    compact_zone(cc := control_for("compact_memory", zone))
    assert scans_of(cc)[0] == (512, 544, 32, 32)


def test_without_a_target_the_run_is_contended_unless_the_scanners_have_met():
    cc = sources_and_targets(("anon", 100), ("slab", 412))
    assert compact_zone(cc) == Status.COMPLETE
    zone = zone_of(("anon", 512), ("slab", 512), *[("free", 1), ("slab", 1)] * 16, ("slab", 480))
    zone.migratetype[1] = MIGRATE_UNMOVABLE
    cc = control_for("compact_memory", zone)
    assert compact_zone(cc) == Status.COMPLETE
    assert cc.failed == {kl.Result.ENOMEM: 1}, "out of targets because they met"
    cc = sources_and_targets(("anon", 512), fatal_signal_pfn=64)
    assert compact_zone(cc) == Status.CONTENDED and cc.zone.vmstat["nr_isolated_anon"] == 0


def test_after_a_failure_kcompactd_scans_the_rest_of_the_pageblock_at_once_and_compact_memory_does_not():
    runs = [("slab", 512), ("secretmem", 40), ("anon", 100), ("slab", 372)]
    for caller in ("kcompactd", "compact_memory"):
        cc = sources_and_targets(*runs, order=9, caller=caller)
        compact_zone(cc)
        assert [event[:2] for event in scans_of(cc)][1:3] == [(512, 544), (544, 1024)]
        assert cc.zone.skip[1] == (caller == "kcompactd")


def test_a_run_starts_where_the_last_one_left_off_and_anew_once_the_scanners_met():
    zone = zone_of(("slab", 512), *[("anon", 1), ("slab", 1)] * 256, *[("free", 1), ("slab", 1)] * 512)
    cc = control_for("kcompactd", zone)
    assert compact_zone(cc) == Status.COMPLETE, "it began at the zone's first page"
    assert zone.cached_migrate_pfn == [0, 0] and zone.cached_free_pfn == 1536
    assert zone.skip[0] and zone.skip[1]
    cc = control_for("kcompactd", zone)
    compact_zone(cc)
    assert not scans_of(cc), "every pageblock has its skip bit set"
    zone.cached_migrate_pfn[:], zone.cached_free_pfn = [512, 1024], 1536
    for caller, start in (("direct async", 512), ("kcompactd", 1024), ("proactive", 0)):
        cc = control_for(caller, zone)
        zone.cached_migrate_pfn[:], zone.cached_free_pfn = [512, 1024], 1536
        assert compact_zone(cc) == (Status.PARTIAL_SKIPPED if start else Status.COMPLETE)
        assert cc.trace[0].migrate_pfn == start


def test_direct_async_compaction_looks_only_into_pageblocks_of_its_own_type():
    zone = zone_of(("anon", 512), ("anon", 512), *[("free", 1), ("slab", 1)] * 512)
    zone.migratetype[0] = MIGRATE_UNMOVABLE
    cc = control_for("direct async", zone)
    compact_zone(cc)
    assert scans_of(cc)[0].start_pfn == 512


def test_a_run_for_an_order_ends_with_success_once_a_block_is_free():
    zone = half_full()
    cc = control_for("kcompactd", zone, order=9)
    assert compact_zone(cc) == Status.SUCCESS and zone.order[0] == 9 and cc.migrate_pfn == 512
    assert cc.trace[-1].status == "success"


def test_full_lists_are_drained_when_the_scanner_has_left_the_block_it_works_for():
    def ending(caller, *below):
        zone = zone_of(*below, *[("anon", 1), ("free", 1)] * 256, *[("anon", 1), ("slab", 1)] * 256,
                       *[("free", 1), ("slab", 1)] * 512)
        zone.pcp = PerCpuPages(10**4, 63)
        return compact_zone(control_for(caller, zone)), zone.pcp.count > 256

    below = ("slab", 512)
    assert ending("kcompactd", below) == (Status.SUCCESS, False)
    assert ending("compact_memory", below) == (Status.COMPLETE, True), "for the whole zone nobody drains them"
    assert ending("kcompactd")[0] == Status.COMPLETE, "nor for the pageblock at pfn 0"


def test_direct_compaction_counts_stalls_successes_and_fails():
    zone = zone_of(("slab", 512), *[("anon", 1), ("free", 1)] * 256, ("slab", 512),
                   *[("free", 256), ("slab", 256)] * 4)
    zone.pcp = PerCpuPages(10**4, 63)           # what was emptied does not merge under the scanner's feet
    assert direct_compaction(zone, 9) == {"direct async": Status.SUCCESS}
    assert [zone.vmstat[name] for name in ("compact_stall", "compact_success", "compact_fail")] == [1, 1, 0]
    zone = zone_of(*[("anon", 1), ("slab", 1), ("guest_memfd", 1), ("free", 1)] * 1100)
    attempts = list(direct_compaction(zone, 9))
    assert attempts == ["direct async", "direct sync light"], "costly: never the last priority"
    assert [zone.vmstat[name] for name in ("compact_stall", "compact_success", "compact_fail")] == [2, 0, 2]
    assert list(direct_compaction(zone, 3)) == ["direct sync light", "direct full"]
    zone = zone_of(("slab", 1024), *[("free", 1), ("slab", 1)] * 512)
    assert direct_compaction(zone, 9) == {"direct async": Status.SKIPPED}
    assert zone.vmstat["compact_stall"] == 0
    for wrong in (0, 11, "9"):
        with pytest.raises(ValueError, match="write 1 to 10"):
            direct_compaction(zone, wrong)


@settings(max_examples=60, deadline=None)
@given(build=zones, order=st.integers(1, 10), kernel=st.sampled_from(KERNELS))
def test_stalls_are_successes_and_fails(build, order, kernel):
    zone = random_zone(**build)
    before = pages_by_owner(zone)
    attempts = direct_compaction(zone, order, kernel=kernel)
    stalls = sum(status != Status.SKIPPED for status in attempts.values())
    vmstat = zone.vmstat
    assert vmstat["compact_stall"] == vmstat["compact_success"] + vmstat["compact_fail"] == stalls
    assert pages_by_owner(zone) == before


def test_the_trace_reads_like_the_kernels():
    cc = sources_and_targets(("slab", 512), ("anon", 40), ("slab", 472))
    assert len(frames.trace(cc)) == 0
    compact_zone(cc)
    frame = frames.trace(cc)
    tracepoints = frame.tracepoint.tolist()
    assert (tracepoints[0], tracepoints[-1]) == ("mm_compaction_begin", "mm_compaction_end")
    assert set(tracepoints) == {
        "mm_compaction_begin", "mm_compaction_end", "mm_compaction_isolate_migratepages",
        "mm_compaction_isolate_freepages", "mm_compaction_migratepages", "mm_migrate_pages"}
    begin, _, isolate = frame.line[:3]
    assert begin == "mm_compaction_begin: zone_start=0 migrate_pfn=0 free_pfn=1536 zone_end=2048 sync=sync"
    tracepoint, _, fields = isolate.partition(": ")
    assert tracepoint == "mm_compaction_isolate_migratepages"
    assert fields == "start_pfn=512 end_pfn=544 nr_scanned=32 nr_taken=32"
    assert frame.nr_migrated.sum() == 40
    assert (frame.status.iloc[0], frame.status.iloc[-1]) == ("", "complete")
    assert str(frame.nr_taken.dtype) == "Int64" and frame.nr_taken.isna()[0]
