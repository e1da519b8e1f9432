"""Mappings, folios and zones: values as in the kernel, state in columns, errors that say what to write."""
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

import kitlib as kl
from kitlib.mm import mapping as m
from kitlib.mm.a_ops import mappings
from kitlib.mm.folio import PG, folio_put, folio_unlock
from kitlib.mm.page_alloc import count_free_blocks, free_blocks, free_one_page
from kitlib.mm.zone import FREE_PAGE, Kind, block_end_pfn, pageblock_end_pfn, pageblock_start_pfn
from kitlib.scenarios import KIND, KINDS, kind_of
from kitlib.step import NullDereference


def new_mapping(**a_ops):
    return kl.AddressSpace("a file", kl.AddressSpaceOperations("some_aops", **a_ops))


def test_the_flags_have_the_patchs_values():
    assert [getattr(m, name) for name in m.FLAG_NAMES] == list(range(9))
    assert (m.AS_EIO, m.AS_UNEVICTABLE, m.AS_UNMOVABLE) == (0, 3, 8)
    assert {name: values[0] for name, values in m.FLAG_VALUES.items() if values[0] is not None} == {
        name: getattr(m, name) for name in m.FLAG_NAMES}


def test_the_flags_number_differs_from_release_to_release():
    by_release = dict(zip(m.FLAG_RELEASES, m.FLAG_VALUES["AS_UNMOVABLE"], strict=True))
    assert by_release == {"0003e2a41468": 8, "v6.8-v6.10": 9, "v6.11": None, "6.12": None, "7.3": None}
    assert dict(zip(m.FLAG_RELEASES, m.FLAG_VALUES["AS_INACCESSIBLE"], strict=True))["6.12"] == 8
    for release in range(len(m.FLAG_RELEASES)):
        numbers = [values[release] for values in m.FLAG_VALUES.values() if values[release] is not None]
        assert len(set(numbers)) == len(numbers)


def test_set_unmovable_sets_both_flags_by_index():
    mapping = new_mapping()
    kl.mapping_set_unmovable(mapping)
    assert mapping.flags == 1 << 3 | 1 << 8
    assert m.flag_names(mapping.flags) == ["AS_UNEVICTABLE", "AS_UNMOVABLE"]
    assert kl.mapping_unmovable(mapping).do() and kl.mapping_unevictable(mapping)


def test_shm_lock_can_be_undone_and_touches_no_other_flag():
    mapping = new_mapping()
    m.set_bit(m.AS_EIO, mapping)
    kl.mapping_set_unevictable(mapping)
    m.mapping_clear_unevictable(mapping)
    assert mapping.flags == 1 << m.AS_EIO


def test_a_null_mapping_is_not_unevictable_but_reading_unmovable_of_it_is_a_bug():
    assert kl.mapping_unevictable(None) is False
    with pytest.raises(NullDereference):
        kl.mapping_unmovable(None).do()


@pytest.mark.parametrize("read", [m.mapping_unmovable, m.has_migrate_folio])
def test_reading_a_freed_mapping_is_a_use_after_free(read):
    mapping = new_mapping()
    mapping.freed = True
    with pytest.raises(kl.UseAfterFree, match="a file was freed"):
        read(mapping).do()


def test_a_reference_that_nobody_holds_cannot_be_dropped():
    folio = kl.one_folio("anon")
    folio_put(folio).do()
    with pytest.raises(kl.KernelBug, match="refcount of folio 0 would be -1"):
        folio_put(folio).do()
    assert folio.refcount == 0
    with pytest.raises(ValueError, match="mapcount of folio 0 cannot be -1: write 0 to 32767"):
        folio.mapcount = -1


def test_unlocking_what_is_not_locked_is_a_kernel_bug():
    with pytest.raises(kl.KernelBug, match="nobody holds its lock"):
        folio_unlock(kl.one_folio("anon")).do()


def test_a_pfn_outside_the_zone_is_refused_with_the_pfns_that_there_are():
    with pytest.raises(IndexError, match=r"pfn 8 lies outside .* write a pfn from 0 to 7"):
        kl.Zone(8).folio(8)
    for wrong in (0, -1, 2.5, "10", None):
        with pytest.raises(ValueError, match="at least one page"):
            kl.Zone(wrong)
        with pytest.raises(ValueError, match="write whole numbers"):
            kl.random_zone(wrong)
    for wrong in ("0", 1.0, None):
        with pytest.raises(IndexError, match="write a pfn from 0 to 7"):
            kl.Zone(8).folio(wrong)
    with pytest.raises(ValueError, match="no kind of page is called 'hugepage': write one of 'free', 'anon'"):
        kl.zone_of("anon", "hugepage")


def test_folios_are_views_of_the_columns():
    zone = kl.zone_of("anon", "free", "file, dirty", "slab", "guest_memfd")
    assert [folio.pfn for folio in zone.folios] == [0, 2, 4]
    assert iter(zone.folios) is not zone.folios and next(zone.folios) == zone.folio(0)
    zone.folio(2).dirty = False
    assert not zone.flags[2] & PG.DIRTY and zone.folio(2) == zone.folio(2) != zone.folio(4)
    assert [kind_of(folio) for folio in zone.folios] == ["anon", "file, clean", "guest_memfd"]


def test_every_kind_of_page_is_legal():
    for kind in KINDS:
        mapping = [None, *mappings()][kind.mapping]
        lru, unevictable = kind.flags & PG.LRU, kind.flags & PG.UNEVICTABLE
        folio = not kind.flags & (PG.BUDDY | PG.SLAB)
        at_rest = kind.mapcount + (kind.mapping > 0) + bool(kind.flags & PG.PRIVATE)
        assert not folio or kind.refcount >= at_rest, kind
        assert not unevictable or kind.flags & PG.MLOCKED or kl.mapping_unevictable(mapping), kind
        assert not lru or unevictable or not kl.mapping_unevictable(mapping), kind
        assert not kind.flags & PG.ANON or (mapping is None and kind.flags & PG.SWAPBACKED), kind
        assert kind.refcount > 0 or kind is FREE_PAGE
        unmovable = kind.mapping and mapping.flags >> kl.AS_UNMOVABLE & 1
        assert not unmovable or kl.mapping_unevictable(mapping), kind


@pytest.mark.parametrize("n", [1, 2, 500, 512, 4096, 5000])
def test_a_random_zone_is_legal_and_repeats_itself(n):
    zone = kl.random_zone(n, seed=n)
    assert zone.snapshot() == kl.random_zone(n, seed=n).snapshot()
    assert len(zone) == n
    pfn = 0
    while pfn < n:
        size = 1 << zone.order[pfn]
        assert pfn % size == 0 and pfn + size <= n
        tail = PG.FREE_TAIL if zone.flags[pfn] & PG.BUDDY else PG.TAIL
        assert bool(zone.flags[pfn] & PG.HEAD) == (size > 1)
        tails = range(pfn + 1, pfn + size)
        assert all(zone.flags[other] == tail and zone.order[other] == 0 for other in tails)
        pfn += size


def test_no_two_free_buddies_stay_apart():
    zone = kl.random_zone(20_000, seed=5)
    free = {(pfn, zone.order[pfn]) for pfn in range(len(zone)) if zone.flags[pfn] & PG.BUDDY}
    assert [(pfn, order) for pfn, order in free if order < 10 and (pfn ^ 1 << order, order) in free] == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([0.1, 0.5, 0.9, 0.99, 1]), st.randoms(use_true_random=False))
def test_pages_that_are_freed_one_by_one_become_the_blocks_of_a_new_zone_and_are_counted(pages, free, dice):
    kinds = bytes(0 if dice.random() < free else KIND["slab"] for _ in range(pages))
    in_use = bytes([KIND["slab"]]) * pages
    new, freed = (kl.Zone.from_kinds(held, KINDS, mappings()) for held in (kinds, in_use))
    new.migratetype[:] = freed.migratetype[:] = bytes(dice.choices(range(6), k=len(new.migratetype)))
    for pfn in dice.sample(range(pages), pages):
        if kinds[pfn] == 0:
            freed.refcount[pfn] = 0
            free_one_page(freed, pfn, 0)
    assert freed.snapshot() == new.snapshot()
    count_free_blocks(new)
    assert freed.nr_free == new.nr_free
    assert [list(free_blocks(zone)) for zone in (new, freed)] == [
        [pfn for pfn in range(pages) if new.flags[pfn] & PG.BUDDY]] * 2


def test_random_zones_hold_every_kind_of_page():
    zone = kl.random_zone(20_000, seed=1)
    looks = {(zone.flags[p], zone.refcount[p], zone.mapcount[p], zone.mapping[p]) for p in range(len(zone))}
    assert {kind[1:] for kind in KINDS if kind is not FREE_PAGE} <= looks
    assert {zone.order[p] for p in range(len(zone))} >= set(range(11))


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.integers(1, 2000))
def test_restore_undoes_every_change(seed, n):
    zone = kl.random_zone(n, seed)
    before = zone.snapshot()
    for column in zone.COLUMNS:
        getattr(zone, column)[n // 1024] ^= 1
    zone.vmstat["compact_isolated"] += 3
    zone.cached_migrate_pfn[1] += 512
    zone.mappings[1].flags ^= 1
    zone.mappings[2].freed = True
    assert zone.snapshot() != before
    zone.restore(before)
    assert zone.snapshot() == before


def test_a_part_shares_the_pages_and_counts_for_itself():
    zone = kl.random_zone(2048)
    part = zone.part("upper", 1024, 2048)
    part.folio(1024).refcount = 7
    part.vmstat["compact_isolated"] = 5
    assert zone.refcount[1024] == 7 and zone.vmstat["compact_isolated"] == 0
    with pytest.raises(IndexError):
        part.folio(1023)


def test_pageblocks_are_aligned():
    blocks = [(pageblock_start_pfn(p), pageblock_end_pfn(p)) for p in (0, 511, 512)]
    assert blocks == [(0, 512), (0, 512), (512, 1024)]
    assert [block_end_pfn(p, 2) for p in range(5)] == [4, 4, 4, 4, 8]


def test_a_mapping_counts_the_folios_that_point_to_it():
    assert kl.one_folio("guest_memfd").mapping.nrpages == 1
    for zone in (kl.random_zone(5000, seed=3), kl.zone_of("ramfs", "anon", "ramfs", repeat=2)):
        pointing = Counter(folio.mapping for folio in zone.folios)
        assert all(mapping.nrpages == pointing[mapping] for mapping in zone.mappings[1:])
        assert sum(pointing.values()) > pointing[None] > 0


def test_columns_hold_any_kind():
    zone = kl.Zone.from_kinds(bytes([1, 0, 1]), [FREE_PAGE, Kind("odd", 0x8421, 3, 2, 300)])
    assert (list(zone.flags), list(zone.refcount), list(zone.mapcount), list(zone.mapping)) == (
        [0x8421, PG.BUDDY, 0x8421], [3, 0, 3], [2, 0, 2], [300, 0, 300])
    assert KIND["free"] == 0
