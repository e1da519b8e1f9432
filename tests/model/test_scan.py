"""The table says what the path says: on every combination of inputs, in every mode and kernel."""
import itertools

import numpy as np
import pytest

import kitlib as kl
from kitlib import scan
from kitlib.kernels import made_of
from kitlib.mm.folio import PG
from kitlib.mm.verdict import MODES, Code
from kitlib.mm.zone import Kind

KERNELS = [kl.before, kl.racy, kl.after]


def mapping(can_migrate, unmovable, unevictable):
    a_ops = kl.AddressSpaceOperations("x", kl.Result.SUCCESS if can_migrate else None)
    made = kl.AddressSpace(f"{can_migrate} {unmovable}", a_ops)
    made.flags = unmovable << kl.AS_UNMOVABLE | unevictable << kl.AS_UNEVICTABLE
    return made


def everything():
    """A zone with one page for every combination, legal or not, of 5 flags, counts and mappings."""
    mappings = [mapping(*bits) for bits in itertools.product((0, 1), repeat=3)]
    counts = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (1, 2), (3, 3), (4, 3)]
    flags = [sum(bits) for bits in itertools.product(*((0, 1 << bit) for bit in range(5)))]
    every = itertools.product(flags, counts, range(len(mappings) + 1))
    kinds = [Kind("", flag, *count, number) for flag, count, number in every]
    zone = kl.Zone(len(kinds))
    zone.mappings += mappings
    for pfn, kind in enumerate(kinds):
        zone.flags[pfn], zone.refcount[pfn], zone.mapcount[pfn], zone.mapping[pfn] = kind[1:]
    return zone


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_the_table_says_what_the_path_says_on_every_combination_of_inputs(kernel, mode):
    zone = everything()
    begin, codes = zone.snapshot(), scan.verdicts(zone, kernel, mode)
    whys = [kl.run_path(kernel.isolate_folio(zone.folio(pfn), mode)).why for pfn in range(len(zone))]
    assert [scan.REASONS[code] for code in codes] == whys
    zone.restore(begin)
    assert (scan.verdicts(zone, kernel, mode) == codes).all()


@pytest.mark.parametrize("seed", range(20))
def test_the_table_says_what_the_path_says_on_random_zones(seed):
    zone, mode = kl.random_zone(500, seed), MODES[seed % 8]
    codes = scan.verdicts(zone, kl.after, mode)
    whys = [(folio.pfn, kl.run_path(kl.after.isolate_folio(folio, mode)).why) for folio in zone.folios]
    assert all(scan.REASONS[codes[pfn]] == why for pfn, why in whys)


def test_pages_that_are_no_folios_have_codes_of_their_own():
    zone = kl.zone_of("free", "anon", "free", "free", "slab", "slab", "slab", "slab")
    zone.make_compound(4, 2)
    zone.flags[1] |= PG.NO_PAGE
    codes = scan.verdicts(zone, kl.after, kl.Mode())
    assert codes.dtype == np.uint8
    assert [Code(code) for code in codes] == [Code.FREE, Code.NO_PAGE, Code.FREE_BLOCK, Code.FREE_TAIL,
                                              Code.COMPOUND, Code.TAIL, Code.TAIL, Code.TAIL]
    assert scan.REASONS[Code.ISOLATED] == "" and len(set(scan.REASONS)) == len(scan.REASONS)


@pytest.mark.parametrize("release, order, why", [
    ("6.1", -1, "compound page, stepped over"), ("6.8", -1, "compound page, stepped over"), ("6.12", -1, ""),
    ("6.12", 2, "compound page, stepped over"), ("6.12", 3, "")])
def test_which_large_folios_are_stepped_over_depends_on_release_and_order(release, order, why):
    zone = kl.zone_of("anon", repeat=4)
    zone.make_compound(0, 2)
    zone.refcount[0] = zone.mapcount[0] = 4
    assert scan.REASONS[scan.verdicts(zone, kl.after, kl.Mode(), release, order)[0]] == why


def test_scanning_changes_nothing():
    zone = kl.random_zone(5000, 3)
    begin = zone.snapshot()
    scan.verdicts(zone, kl.after, kl.Mode())
    assert zone.snapshot() == begin


def test_a_million_pages_take_at_most_twelve_bytes_each():
    zone = kl.random_zone(1 << 20)
    columns = sum(memoryview(getattr(zone, name)).nbytes for name in zone.COLUMNS)
    assert (columns + scan.verdicts(zone, kl.after, kl.Mode()).nbytes) / len(zone) <= 12


def test_chunks_do_not_show():
    zone = kl.random_zone(3 * scan.CHUNK + 7, 2)
    codes = scan.verdicts(zone, kl.after, kl.Mode())
    for pfn in (0, scan.CHUNK - 1, scan.CHUNK, 3 * scan.CHUNK, len(zone) - 1):
        if not zone.flags[pfn] & (PG.BUDDY | PG.FREE_TAIL | PG.TAIL | PG.HEAD):
            verdict = kl.run_path(kl.after.isolate_folio(zone.folio(pfn), kl.Mode()))
            assert scan.REASONS[codes[pfn]] == verdict.why


def test_a_step_without_a_column_is_named():
    @kl.atomic
    def folio_test_young(folio) -> bool:
        return False

    class Kernel:
        __name__ = "kitlib.kernels.mine"

        @staticmethod
        def isolate_folio(folio, mode):
            young = yield folio_test_young(folio)
            return kl.Verdict("isolate_fail", "x") if young else kl.Verdict("isolate_success")

    with pytest.raises(KeyError, match=r"folio_test_young\(\) has no column: write in scan.ANSWERS"):
        scan.verdicts(kl.zone_of("anon"), Kernel, kl.Mode())


@pytest.mark.parametrize("kernel, mode, says", [
    ("after", kl.Mode(), "kl.before, kl.racy or kl.after"), (kl.after, 4, "write kl.Mode")])
def test_unknown_kernels_and_modes_are_refused(kernel, mode, says):
    with pytest.raises(TypeError, match=says):
        scan.verdicts(kl.zone_of("anon"), kernel, mode)


def test_a_new_kernels_reasons_are_entered():
    class Kernel:
        @staticmethod
        def isolate_folio(folio, mode):
            return kl.Verdict("isolate_fail", "because I say so")
            yield

    codes = scan.verdicts(kl.zone_of("anon", "free"), Kernel, kl.Mode())
    assert [scan.REASONS[code] for code in codes] == ["because I say so", "free: a single page"]


def test_a_kernel_with_another_function_has_another_table():
    def isolate_folio(folio, mode):
        return kl.Verdict("isolate_fail", "because I say so")
        yield

    kernel = made_of("k")
    for function in (kl.after.isolate_folio, isolate_folio, kl.after.isolate_folio):
        kernel.isolate_folio, zone = function, kl.zone_of("anon", "file, clean")
        by_table = [scan.REASONS[code] for code in scan.verdicts(zone, kernel, kl.Mode())]
        by_path = [kl.run_path(kernel.isolate_folio(folio, kl.Mode())).why for folio in zone.folios]
        assert by_table == by_path == 2 * ["because I say so" if function is isolate_folio else ""]
