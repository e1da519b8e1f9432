"""alloc_contig_range(): a range is emptied and allocated whole, or left as it was."""
import pytest
from hypothesis import given, settings, strategies as st
from test_compact_zone import (KERNELS, RELEASES, check_at_rest, check_buddies, pages_by_owner, random_zone,
                               unmovable_pages, zones)
from test_compaction import zone_of

import kitlib as kl
from kitlib.compaction.compact_zone import compact_zone
from kitlib.compaction.contig import alloc_contig_range
from kitlib.compaction.control import control_for
from kitlib.compaction.events import MigratePagesEvent
from kitlib.mm.folio import PG
from kitlib.mm.mmzone import MIGRATE_CMA, MIGRATE_ISOLATE
from kitlib.mm.page_alloc import count_free_blocks


def contig(zone, start, end, **orders):
    cc = control_for("alloc_contig_range", zone, **orders)
    return cc, alloc_contig_range(cc, start, end)


def test_a_contiguous_range_is_emptied_and_allocated_whole():
    kinds = "anon", "free", "file, clean", "tmpfs", "free", "anon, mlocked", "free", "ramfs, never written"
    zone = kl.zone_of(*kinds, repeat=512)
    count, pages = pages_by_owner(zone), range(700, 1300)
    cc, result = contig(zone, pages.start, pages.stop)
    assert result == 0 and all(zone.flags[p] == PG.SLAB and zone.refcount[p] == 1 for p in pages)
    assert pages_by_owner(zone)["free"] == count["free"] - 600
    vmstat = zone.vmstat
    assert vmstat["compact_migrate_scanned"] == 0 < vmstat["compact_isolated"] == vmstat["pgmigrate_success"]
    assert not any(zone.skip) and zone.cached_migrate_pfn == [0, 0]
    assert MIGRATE_ISOLATE not in zone.migratetype
    assert {event.reason for event in cc.trace if type(event) is MigratePagesEvent} == {"contig_range"}
    assert not any(folio.pfn in pages for folio in zone.folios)
    check_buddies(zone)


@pytest.mark.parametrize("kind, moved", [
    ("guest_memfd", True), ("secretmem", True), ("ramfs", True), ("slab", False)])
def test_one_page_that_stays_makes_the_range_busy(kind, moved):
    zone = zone_of(("slab", 512), *[("anon", 1), ("free", 1)] * 10, (kind, 1), ("free", 491),
                   *[("free", 1), ("slab", 1)] * 256)
    before = pages_by_owner(zone)
    _, result = contig(zone, 512, 600)
    assert result == kl.Result.EBUSY and pages_by_owner(zone) == before
    assert zone.vmstat["nr_isolated_file"] == 0
    assert (zone.vmstat["pgmigrate_success"] > 0) == moved, "nothing is done for a page on no LRU list"
    assert zone.vmstat["pgmigrate_fail"] == (5 if kind in ("secretmem", "ramfs") else 0), "five tries"


def test_a_contiguous_range_ignores_the_sysctl_takes_large_folios_and_has_its_limits():
    zone = zone_of(("anon, mlocked", 16), ("anon", 16), ("free", 480), ("free", 512))
    zone.make_compound(16, 4)
    zone.refcount[16] = zone.mapcount[16] = 16
    assert contig(zone, 0, 512, release="6.8")[1] == 0 and zone.vmstat["pgmigrate_success"] == 32
    assert contig(zone_of(("anon", 64)), 0, 64)[1] == kl.Result.ENOMEM
    zone = zone_of(("slab", 64), ("free", 448))
    zone.migratetype[0] = MIGRATE_CMA
    assert contig(zone, 0, 512)[1] == kl.Result.EBUSY
    assert contig(zone_of(("anon", 64), ("free", 960)), 0, 64, fatal_signal_pfn=0)[1] == kl.Result.EINTR
    with pytest.raises(ValueError, match="write 0 <= start_pfn < end_pfn <= 512"):
        contig(zone, 8, 8)
    with pytest.raises(ValueError, match='write cc = control_for'):
        alloc_contig_range(control_for("kcompactd", zone), 0, 8)
    with pytest.raises(ValueError, match="write alloc_contig_range"):
        compact_zone(control_for("alloc_contig_range", zone))


@settings(max_examples=80, deadline=None)
@given(build=zones, release=st.sampled_from(RELEASES), kernel=st.sampled_from(KERNELS), data=st.data())
def test_a_contiguous_range_is_all_or_nothing(build, release, kernel, data):
    zone = random_zone(**build, release=release)
    start = data.draw(st.integers(0, len(zone) - 1), label="start")
    end = data.draw(st.integers(start + 1, min(len(zone), start + 40)), label="end")
    locked = {pfn for pfn in range(len(zone)) if zone.flags[pfn] & PG.LOCKED}
    count_free_blocks(zone)
    before, kinds, unmovable = pages_by_owner(zone), bytes(zone.migratetype), unmovable_pages(zone)
    _, result = contig(zone, start, end, release=release, kernel=kernel)
    assert result in (0, kl.Result.EBUSY, kl.Result.ENOMEM) and bytes(zone.migratetype) == kinds
    after = pages_by_owner(zone)
    if result:
        assert after == before
    else:
        assert after["free"] == before["free"] - (end - start) and set(zone.flags[start:end]) == {PG.SLAB}
    check_at_rest(zone, locked)
    check_buddies(zone)
    assert kernel is kl.before or unmovable_pages(zone) == unmovable
