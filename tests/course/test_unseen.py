"""Each notebook ends with a question on something unseen: its folded answer is what the model says."""
import re

import pytest
from prose import lesson, read, source

import kitlib as kl
from kitlib import experiments, frames, recordings, scenarios
from kitlib.compaction import control_for, isolation_mode, migrate_pages
from kitlib.kernels import made_of
from kitlib.mm import flag_names, folio_trylock
from kitlib.mm.verdict import Result


def answer(number):
    last = source(read(lesson(number))[-1])
    return " ".join(re.search(r"<summary>Answer</summary>(.*)</details>", last, re.DOTALL)[1].split())


def verdict(folio, mode=kl.Mode()):
    return kl.run_path(kl.after.isolate_folio(folio, mode)).why or "isolated"


def with_flags(kind, flags):
    folio = kl.one_folio(kind)
    folio.mapping.flags = flags
    return folio


def alone(*kinds, kernel=kl.after, caller="compact_memory", order=-1):
    """A run's orders over a zone that begins with these kinds."""
    zone = kl.zone_of(*kinds, *["slab"] * (1024 - len(kinds)), *["free", "slab"] * 256)
    return control_for(caller, zone, order=order, kernel=kernel)


def test_00_the_scanner_takes_a_pinned_page_of_a_file():
    assert verdict(kl.one_folio("file, pinned")) == "isolated"
    assert answer("00").startswith("The scanner takes it.")


def test_01_of_a_mapping_with_one_bit_the_mlocked_page_is_asked():
    only = 1 << kl.AS_UNMOVABLE
    assert verdict(with_flags("file, clean", only)) == "isolated"
    assert verdict(with_flags("file, mlocked", only)) == "mapping is unmovable"
    assert answer("01").startswith("It takes the page that is not mlocked")


def test_02_an_unevictable_folio_costs_no_lock_with_the_switch_at_0():
    folio = kl.one_folio("guest_memfd, locked")
    machine = kl.Machine(folio.zone, {"c": lambda: kl.after.isolate_folio(folio, kl.Mode(unevictable=False))})
    kl.run(machine)
    assert machine.results["c"].why == "unevictable" and "The reason is *unevictable*" in answer("02")
    assert len(machine.trace) == 6 and "There are six steps" in answer("02")
    assert folio_trylock.__name__ not in [event.step for event in machine.trace]


def test_03_without_the_backstop_the_flag_alone_moves():
    kernel = made_of("no backstop", move_to_new_folio=kl.before.move_to_new_folio)
    fates = {}
    for kind in ("guest_memfd", "file, clean"):
        cc = alone(kind, kernel=kernel)
        cc.zone.folio(0).mapping.flags |= 1 << kl.AS_UNMOVABLE
        cc.zone.folio(0).unevictable = False
        kl.compact_zone(cc)
        fates[kind] = "moved" if cc.moves else str(*cc.failed)
    assert fates == {"guest_memfd": "-EINVAL", "file, clean": "moved"}
    assert answer("03").startswith("guest_memfd is safe: its callback refuses.")


@pytest.mark.parametrize("mode, targets", [("ASYNC", 1), ("SYNC", 2)])
def test_04_a_backstop_that_says_try_again_is_asked_ten_times(mode, targets):
    asked = []

    def move_to_new_folio(dst, src, mode):
        asked.append(src.pfn)
        result = yield from kl.after.move_to_new_folio(dst, src, mode)
        return Result.EAGAIN if result == Result.EOPNOTSUPP else result

    cc = kl.CompactControl(kl.zone_of("guest_memfd", *["slab"] * 511, *["free", "slab"] * 256), kl.before,
                           mode=kl.MigrateMode[mode], free_pfn=512)
    kl.isolate_migratepages_block(cc, 0, 1, kl.Mode())
    cc.kernel = made_of("again", move_to_new_folio=move_to_new_folio)
    migrate_pages(cc)
    assert (len(asked), cc.targets) == (10, targets)
    assert "asked 10 times in either mode" in answer("04") and "one and two" in answer("04")


def test_05_the_third_chunk_is_brought_home_and_is_no_block():
    kinds = ["anon"] * 16
    kinds[2], kinds[6], kinds[10] = "anon, pinned", "ramfs", "file, pinned"
    cc = alone(*kinds, caller="direct async", order=2)
    cc.free_pfn = 1024
    kl.isolate_migratepages_block(cc, 0, 16, isolation_mode(cc))
    assert cc.migratepages == [8, 9, 10, 11] and "The third, pfn 8 to 11." in answer("05")
    migrate_pages(cc)
    assert cc.failed == {Result.EAGAIN: 1} and len(cc.moves) == 3
    assert "Migration then says -EAGAIN for it: three pages are moved" in answer("05")


def test_07b_three_threads_with_blocking_are_safe():
    proof = kl.prove(kl.truncation_race(kl.blocking, compactors=2))
    assert proof.safe and proof.schedules > 10 ** 16
    assert f"more than 10<sup>16</sup> schedules and {proof.states:,} states" in answer("07b")


def test_08_with_few_places_the_scanners_meet_lower():
    zone = scenarios.memory(4096, free=0.1, unmovable=0.1, unevictable=0.1, pinned=0.02, grouped=True, seed=1)
    on_lru, cc = frames.lru_pages(zone), control_for("compact_memory", zone)
    kl.compact_zone(cc)
    counts = frames.run_counts(cc, on_lru)
    isolated, moved, failed = counts["isolated"], counts["migrated"], sum(cc.failed.values())
    assert cc.failed[Result.ENOMEM] == 1 and "-ENOMEM comes again, for one page" in answer("08")
    assert f"They meet lower, at {cc.free_pfn:#07x}." in answer("08")
    assert f"{isolated} pages were isolated, {moved} moved, and {failed} failed." in answer("08")
    assert f"The other {isolated - moved - failed} were never tried" in answer("08")


def test_09_in_a_hurry_a_useless_page_costs_one_target_and_no_chunk_is_emptied():
    frame = experiments.wasted_work(seeds=range(5), caller=["direct async"], unmovable=[0.3])
    old, new = (frame[frame.kernel == name] for name in ("before", "after"))
    # The free scanner may have collected one more when the block came free.
    assert (old.failed_EINVAL > 0).all() and set(old.wasted_targets - old.failed_EINVAL) == {0, 1}
    assert (new.migrated == 0).all()
    assert answer("09").startswith("One target") and "The new kernel moves none." in answer("09")


def test_10_two_rules_of_another_release_are_noticed_by_ranges_and_by_arrivals():
    run = recordings.load("6.12-anon-u1-s331")
    rules = {"last_target_first": True, "counts_jumped": False}
    p, ranges = by_other_rules(run, rules)
    assert all(p[key] == p[f"kernel_{key}"] for key in ("isolated", "migrated", "failed", "meet_pfn"))
    assert f"{p['isolated']:,} pages taken, {p['migrated']:,} moved, {p['failed']} failed" in answer("10")
    migrate, free = (part.agrees for _, part in ranges.groupby("scanner", sort=False))
    assert f"{migrate.sum()} of {len(migrate)} are right of the migrate scanner" in answer("10")
    assert free.all() and f"all {len(free)} of the free scanner" in answer("10")
    lost = ranges.attrs["moved"] - ranges.attrs["arrived"]
    assert f"{lost} of the moved pages do not arrive" in answer("10")
    # Each of the two is noticed there alone.
    _, of_order = by_other_rules(run, {"last_target_first": True})
    assert of_order.agrees.all() and of_order.attrs["moved"] - of_order.attrs["arrived"] == lost


def by_other_rules(run, rules):
    other = recordings.Recording(run.name, run.arrays, run.meta, rules)
    return recordings.predict(other), recordings.compare(other)


def test_11_the_number_of_a_flag_taken_for_its_mask_leaves_the_bit_clear():
    assert flag_names(11) == ["AS_EIO", "AS_ENOSPC", "AS_UNEVICTABLE"]
    assert "11 is 0b1011: AS_EIO, AS_ENOSPC and AS_UNEVICTABLE." in answer("11")
    assert verdict(with_flags("guest_memfd", 11)) == "isolated" and "they are taken" in answer("11")


@pytest.mark.parametrize("caller, taken", [("compact_memory", True), ("kcompactd", False)])
def test_12_a_page_under_writeback_is_compacted_by_who_can_wait(caller, taken):
    cc = alone("file, under writeback", caller=caller)
    kl.compact_zone(cc)
    assert bool(cc.moves) == taken and not cc.failed
    assert "says moved: compact_memory" in answer("12") and "the same function says left" in answer("12")
