"""migrate_pages(): what each folio comes to in each mode, examples, references, targets and lists."""
import pytest
from test_compaction import zone_of

import kitlib as kl
from kitlib.compaction.events import MigratePagesEvent
from kitlib.compaction.isolate import putback_movable_pages
from kitlib.compaction.migrate_pages import migrate_pages
from kitlib.mm.a_ops import EXT4, GMEM, TMPFS
from kitlib.mm.folio import PG
from kitlib.mm.mapping import AS_UNEVICTABLE, clear_bit, mapping_set_unevictable

ASYNC, SYNC_LIGHT, SYNC = kl.MigrateMode
RELEASES = "6.1", "6.8", "6.12"
both_batching = pytest.mark.parametrize("release", RELEASES[1:])
every_mode = pytest.mark.parametrize("mode", list(kl.MigrateMode), ids=str)


class Asked:
    """The kernel with the patch, which remembers whom move_to_new_folio() was asked about."""

    def __init__(self):
        self.folios = []

    isolate_folio = staticmethod(kl.after.isolate_folio)

    def move_to_new_folio(self, dst, src, mode):
        self.folios.append(src.pfn)
        return (yield from kl.after.move_to_new_folio(dst, src, mode))


def isolated(*names, mode=SYNC, free=64, kernel=kl.after, **orders):
    """One folio of each kind, off the LRU, the free scanner above them; an unmovable one slips through."""
    rest = [("free", free)] if free else []
    zone = zone_of(*((name, 1) for name in names), ("slab", 512 - len(names)), *rest, ("slab", 512 - free))
    for pfn, name in enumerate(names):
        if name == "guest_memfd":
            zone.folio(pfn).unevictable = False                  # stale: compaction has no reason to lock it
    cc = kl.CompactControl(zone, mode=mode, kernel=kernel, **orders)
    kl.isolate_migratepages_block(cc, 0, len(names), kl.Mode())
    assert cc.migratepages == list(range(len(names)))
    cc.free_pfn = 512
    return cc


def counted(cc):
    return cc.zone.vmstat["pgmigrate_success"], cc.zone.vmstat["pgmigrate_fail"]


def nothing_is_isolated(zone):
    return zone.vmstat["nr_isolated_anon"] == zone.vmstat["nr_isolated_file"] == 0


@every_mode
@both_batching
def test_e5_an_unmovable_folio_is_refused_once_or_twice_and_counts_once(mode, release):
    kernel = Asked()
    cc = isolated("anon", "guest_memfd", "file, clean", mode=mode, kernel=kernel, release=release)
    assert migrate_pages(cc) == 1
    assert counted(cc) == (2, 1) and cc.failed == {kl.Result.EOPNOTSUPP: 1} and cc.migratepages == [1]
    assert kernel.folios[:3] == [2, 1, 0], "in reverse pfn order"
    assert kernel.folios.count(1) == (1 if mode == ASYNC else 2)
    assert cc.trace[-1] == MigratePagesEvent(2, 1, str(mode), "compaction") and cc.nr_succeeded == 2


@every_mode
def test_up_to_6_1_a_permanent_failure_is_never_tried_again(mode):
    kernel = Asked()
    cc = isolated("anon", "guest_memfd", "file, clean", mode=mode, kernel=kernel, release="6.1")
    assert migrate_pages(cc) == 1 and counted(cc) == (2, 1) and kernel.folios == [2, 1, 0]


@every_mode
@pytest.mark.parametrize("release", RELEASES)
def test_e6_a_folio_truncated_after_isolation_is_a_success_without_a_target(mode, release):
    cc = isolated("file, clean", mode=mode, release=release)
    zone, folio = cc.zone, cc.zone.folio(0)
    # delete_from_page_cache(), and the cache's reference
    zone.mapping[0], folio.refcount = 0, folio.refcount - 1
    assert migrate_pages(cc) == 0
    assert counted(cc) == (1, 0) and cc.targets == 0 and cc.migratepages == []
    assert zone.flags[0] & PG.BUDDY and nothing_is_isolated(zone)


@every_mode
@pytest.mark.parametrize("release", RELEASES)
def test_buffers_of_a_folio_truncated_meanwhile_are_dropped_and_the_next_pass_finds_it_freed(mode, release):
    cc = isolated("file, dirty, with buffers", mode=mode, release=release)
    cc.zone.mapping[0] = 0
    cc.zone.refcount[0] -= 1
    assert migrate_pages(cc) == 0
    assert counted(cc) == (1, 0) and cc.targets == 1 and cc.nr_freepages == 64 and cc.zone.refcount[0] == 0


OK, EAGAIN, EBUSY = kl.Result.SUCCESS, kl.Result.EAGAIN, kl.Result.EBUSY


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind, direct, codes", [          # in ASYNC, SYNC_LIGHT, SYNC
    ("anon", False, (OK, OK, OK)), ("anon, shared by three", False, (OK, OK, OK)),
    ("file, dirty, with buffers", False, (OK, OK, OK)), ("ramfs, never written", False, (OK, OK, OK)),
    ("ramfs", False, (EBUSY, EBUSY, kl.Result.EINVAL)),
    ("file, clean, no migrate_folio", False, (OK, OK, OK)),
    ("file, dirty, no migrate_folio", False, (EBUSY, EBUSY, OK)),
    ("file, under writeback", False, (EBUSY, EBUSY, OK)),
    ("file, locked", False, (EAGAIN, OK, OK)), ("file, locked", True, (EAGAIN, EAGAIN, EAGAIN)),
    ("file, pinned", False, (EAGAIN, EAGAIN, EAGAIN)), ("secretmem", False, (EBUSY, EBUSY, EBUSY)),
    ("guest_memfd", False, (kl.Result.EOPNOTSUPP,) * 3)])
def test_what_a_folio_comes_to_in_each_mode(kind, direct, codes, release):
    for mode, code in zip(kl.MigrateMode, codes, strict=True):
        cc = isolated(kind, mode=mode, release=release, direct_compaction=direct, order=9)
        result = migrate_pages(cc)
        assert (result, cc.failed) == ((0, {}) if code == OK else (1, {code: 1})), mode
        putback_movable_pages(cc)
        assert nothing_is_isolated(cc.zone) and cc.zone.vmstat["pgmigrate_fail"] == bool(code)


@pytest.mark.parametrize("release, codes", [        # in ASYNC, SYNC_LIGHT, SYNC
    ("6.15", (EBUSY, EBUSY, kl.Result.EINVAL)), ("6.16", (EBUSY,) * 3), ("7.2", (EBUSY,) * 3)])
def test_from_6_16_on_nothing_is_written_out_and_whoever_asks_hears_EBUSY(release, codes):
    for by_table in (None, bytes(1024)):
        for mode, code in zip(kl.MigrateMode, codes, strict=True):
            cc = isolated("ramfs", "ramfs, never written", mode=mode, release=release)
            cc.verdicts = by_table
            assert migrate_pages(cc) == 1 and cc.failed == {code: 1} and counted(cc) == (1, 1)
            old = isolated("file, dirty, no migrate_folio", mode=mode, release=release)
            old.verdicts = by_table
            moves = mode == SYNC and code != EBUSY
            assert migrate_pages(old) == (not moves) and old.failed == ({} if moves else {EBUSY: 1})


@pytest.mark.parametrize("release, tries", [("6.1", 1), ("6.8", 2), ("6.12", 2), ("7.2", 2)])
def test_compact_memory_tries_written_ramfs_once_on_6_1_and_twice_later_in_vain(release, tries):
    kernel = Asked()
    cc = isolated("ramfs", kernel=kernel, release=release)
    assert migrate_pages(cc) == 1 and kernel.folios == [0] * tries and counted(cc) == (0, 1)


def test_before_the_patch_guest_memfds_own_callback_refuses():
    cc = isolated("guest_memfd", kernel=kl.before)
    assert migrate_pages(cc) == 1 and cc.failed == {kl.Result.EINVAL: 1}


def test_before_the_patch_a_mapping_that_relies_on_the_flag_alone_is_moved():
    for kernel, moved in ((kl.before, 1), (kl.racy, 0), (kl.after, 0)):
        cc = isolated("file, clean", kernel=kernel)
        # Once it is isolated: only the backstop is left.
        kl.mapping_set_unmovable(cc.zone.mappings[EXT4])
        migrate_pages(cc)
        assert counted(cc) == (moved, 1 - moved)


def test_a_lock_that_is_not_uptodate_is_waited_for_in_sync_alone():
    for mode, code in zip(kl.MigrateMode, (EAGAIN, EAGAIN, OK), strict=True):
        cc = isolated("file, locked", mode=mode)
        cc.zone.folio(0).uptodate = False
        migrate_pages(cc)
        assert cc.failed == ({code: 1} if code else {})


def test_how_often_a_folio_that_is_in_use_is_tried():
    for release, tries in (("6.1", (10, 10, 10)), ("6.8", (1, 2, 2)), ("6.12", (1, 2, 2))):
        for mode, targets in zip(kl.MigrateMode, tries, strict=True):
            cc = isolated("file, pinned", mode=mode, release=release)
            migrate_pages(cc)
            assert cc.targets == targets and cc.nr_freepages == 64, "every target came back"
    cc = isolated("file, locked", release="6.1")
    assert migrate_pages(cc) == 0 and cc.targets == 4, "up to 6.1 nobody is waited for in three passes"
    cc = isolated("file, locked", release="6.8")
    assert migrate_pages(cc) == 0 and cc.targets == 3 + 1


@both_batching
@pytest.mark.parametrize("mode", [ASYNC, SYNC], ids=str)
def test_without_a_target_the_call_ends_and_what_was_not_tried_does_not_count(mode, release):
    cc = isolated("anon", "anon", "anon", mode=mode, free=0, release=release)
    assert migrate_pages(cc) == kl.Result.ENOMEM
    assert counted(cc) == (0, 1) and cc.failed == {kl.Result.ENOMEM: 1} and cc.migratepages == [0, 1, 2]
    putback_movable_pages(cc)
    assert nothing_is_isolated(cc.zone) and all(folio.lru and folio.refcount == 1 for folio in cc.zone.folios)


def test_what_waits_for_the_next_pass_counts_when_no_target_is_left():
    cc = isolated("anon", "anon", "file, locked", mode=ASYNC, free=1)
    cc.zone.flags[512], cc.zone.order[512] = PG.SLAB, 0             # not even one
    cc.freepages[0].extend([512])
    cc.nr_freepages = 1
    assert migrate_pages(cc) == kl.Result.ENOMEM
    assert counted(cc) == (1, 2) and cc.migratepages == [0, 2]
    assert cc.failed == {EAGAIN: 1, kl.Result.ENOMEM: 1}


@pytest.mark.parametrize("release", RELEASES)
def test_every_target_is_used_or_comes_back(release):
    cc = isolated("anon", "secretmem", "file, pinned", "file, clean", "guest_memfd", "tmpfs", release=release)
    migrate_pages(cc)
    held = sum(len(pfns) << order for order, pfns in enumerate(cc.freepages))
    assert counted(cc) == (3, 3) and cc.nr_freepages == held == 64 - 3


@pytest.mark.parametrize("kind", [
    "anon", "anon, shared by three", "anon, mlocked", "file, clean, mapped", "tmpfs",
    "file, dirty, with buffers", "shmem, SHM_LOCK", "ramfs, never written"])
def test_the_new_folio_is_as_the_old_one_was_and_the_old_page_is_free(kind):
    cc = isolated(kind)
    zone = cc.zone
    fresh = zone_of((kind, 1))
    assert migrate_pages(cc) == 0
    moved = next(folio.pfn for folio in zone.folios)
    assert moved >= 512 and zone.refcount[0] == 0 and zone.flags[0] & PG.BUDDY
    if kind.startswith("anon"):
        fresh.folio(0).dirty = True                 # written through its page-table entry
    for column in ("flags", "refcount", "mapcount", "mapping"):
        assert getattr(zone, column)[moved] == getattr(fresh, column)[0], column


def test_putback_asks_again_whether_the_folio_is_evictable():
    cc = isolated("tmpfs", "shmem, SHM_LOCK", "file, mlocked")
    zone = cc.zone
    mapping_set_unevictable(zone.mappings[TMPFS])
    clear_bit(AS_UNEVICTABLE, zone.folio(1).mapping)                # SHM_UNLOCK
    zone.folio(2).mlocked = False                                   # munlock()
    putback_movable_pages(cc)
    assert [folio.unevictable for folio in zone.folios] == [True, False, False]
    assert all(folio.lru for folio in zone.folios) and nothing_is_isolated(zone)


def test_putback_frees_what_nobody_else_holds_any_more():
    cc = isolated("file, clean")
    cc.zone.mapping[0] = 0
    cc.zone.refcount[0] = 1
    putback_movable_pages(cc)
    assert cc.zone.flags[0] & PG.BUDDY and cc.zone.refcount[0] == 0 and nothing_is_isolated(cc.zone)


def large(kind, order=4, free=64):
    """A large folio of a kind, isolated as from 6.9 on, and as many free single pages above it."""
    pages = 1 << order
    zone = zone_of((kind, pages), ("slab", 512 - pages), *[("free", 1), ("slab", 1)] * free,
                   ("slab", 512 - 2 * free))
    zone.make_compound(0, order)
    zone.mapcount[0] *= pages                                       # every page of it is mapped once, or none
    zone.refcount[0] = zone.mapcount[0] + pages * (zone.mapping[0] > 0)
    cc = kl.CompactControl(zone, release="6.12")
    kl.isolate_migratepages_block(cc, 0, pages, kl.Mode())
    cc.free_pfn = 512
    return cc


@pytest.mark.parametrize("kind", ["anon", "file, clean", "tmpfs"])
def test_a_large_folio_without_a_target_of_its_size_is_split_and_its_pages_move_alone(kind):
    cc = large(kind)
    references = cc.zone.refcount[0] - 1
    assert cc.nr_migratepages == 16 and migrate_pages(cc) == 0 and counted(cc) == (16, 0)
    moved = list(cc.zone.folios)
    assert len(moved) == 16 and not any(folio.order for folio in moved) and nothing_is_isolated(cc.zone)
    assert sum(folio.refcount for folio in moved) == references and all(folio.pfn >= 512 for folio in moved)


def test_a_large_folio_that_somebody_holds_is_not_split():
    cc = large("tmpfs")
    cc.zone.refcount[0] += 1
    assert migrate_pages(cc) == kl.Result.ENOMEM
    assert cc.failed == {kl.Result.ENOMEM: 16} and cc.migratepages == [0]


def test_guest_memfd_at_rest_would_pass_the_test_of_its_references():
    cc = isolated("guest_memfd")
    cc.zone.mappings[GMEM].flags = 0
    cc.zone.mappings[GMEM].a_ops = cc.zone.mappings[EXT4].a_ops
    assert migrate_pages(cc) == 0
