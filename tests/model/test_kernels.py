"""What each kernel decides, typed by hand from the facts, and the patch as the diff of two modules."""
from pathlib import Path

import pytest

import kitlib as kl
from kitlib.kernels import check_kernel, diff, made_of
from kitlib.mm.verdict import MODES

GOLDEN = Path(__file__).parents[1] / "golden"
KERNELS = {"before": kl.before, "racy": kl.racy, "after": kl.after}
ASYNC, SYNC = kl.Mode(async_migrate=True), kl.Mode()
OK = ""
UNMOVABLE, LOCKED, UNEVICTABLE = "mapping is unmovable", "locked by somebody else", "unevictable"
NO_CALLBACK, WRITEBACK = "dirty, and no migrate_folio", "under writeback"
PINNED = "no mapping, extra references"
NO_FS, OFF_LRU = "has a mapping, and GFP_NOFS", "not on the LRU"

# What the patch changed: folio, mode, before, after; "+lock" where the folio lock is taken on the way.
TRUTH = [
    ("anon, mlocked", SYNC, OK, OK), ("anon, mlocked", ASYNC, OK, OK),
    ("file, clean", SYNC, OK, OK), ("file, clean", ASYNC, OK, OK),
    ("file, dirty", ASYNC, OK + "+lock", OK + "+lock"), ("file, dirty", SYNC, OK, OK),
    ("file, dirty, no migrate_folio", ASYNC, NO_CALLBACK + "+lock", NO_CALLBACK + "+lock"),
    ("file, dirty, no migrate_folio", SYNC, OK, OK),
    ("file, mlocked", SYNC, OK, OK + "+lock"), ("file, mlocked", ASYNC, OK, OK + "+lock"),
    ("ramfs", SYNC, OK, OK + "+lock"), ("ramfs", ASYNC, NO_CALLBACK + "+lock", NO_CALLBACK + "+lock"),
    ("ramfs, never written", SYNC, OK, OK + "+lock"), ("ramfs, never written", ASYNC, OK, OK + "+lock"),
    ("shmem, SHM_LOCK", SYNC, OK, OK + "+lock"), ("shmem, SHM_LOCK", ASYNC, OK + "+lock", OK + "+lock"),
    ("secretmem", SYNC, OK, OK + "+lock"), ("secretmem", ASYNC, OK, OK + "+lock"),
    ("shmem, SHM_LOCK, locked", SYNC, OK, LOCKED), ("guest_memfd, locked", SYNC, OK, LOCKED),
    ("guest_memfd", SYNC, OK, UNMOVABLE + "+lock"), ("guest_memfd", ASYNC, OK, UNMOVABLE + "+lock"),
]


def decide(folio, kernel, mode):
    """The reason, and "+lock" if the lock was taken."""
    machine = kl.run(kl.Machine(folio.zone, {"compaction": lambda: kernel.isolate_folio(folio, mode)}))
    verdict = machine.results["compaction"]
    took = any(event.step == "folio_trylock" and event.result for event in machine.trace)
    return verdict.why + ("+lock" if took else "")


@pytest.mark.parametrize("kind, mode, before, after", TRUTH)
def test_the_truth_table_of_the_patch(kind, mode, before, after):
    for kernel, answer in ((kl.before, before), (kl.after, after)):
        folio = kl.one_folio(kind)
        locked, refcount = folio.locked, folio.refcount
        assert decide(folio, kernel, mode) == answer
        isolated = answer.removesuffix("+lock") == OK
        assert (folio.locked, folio.refcount) == (locked, refcount + isolated)


def unmovable_without_unevictable(dirty):
    folio = kl.one_folio("guest_memfd")
    folio.unevictable, folio.dirty = False, dirty
    return folio


@pytest.mark.parametrize("dirty, mode, before, after", [
    (False, SYNC, OK, OK), (False, ASYNC, OK, OK),
    (True, ASYNC, OK + "+lock", UNMOVABLE + "+lock"), (True, SYNC, OK, OK)])
def test_an_unmovable_folio_without_PG_unevictable_is_noticed_only_dirty_async(dirty, mode, before, after):
    assert decide(unmovable_without_unevictable(dirty), kl.before, mode) == before
    assert decide(unmovable_without_unevictable(dirty), kl.after, mode) == after


def test_unevictable_dirty_without_migrate_folio_is_isolated_in_sync():
    folio = kl.one_folio("file, dirty, no migrate_folio")
    folio.unevictable = True
    assert decide(folio, kl.before, SYNC) == OK
    folio = kl.one_folio("file, dirty, no migrate_folio")
    folio.unevictable = True
    assert decide(folio, kl.after, SYNC) == OK + "+lock"


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("kind", ["file, mlocked", "ramfs", "secretmem", "anon, mlocked", "shmem, SHM_LOCK"])
def test_without_ISOLATE_UNEVICTABLE_the_flag_of_the_mapping_is_never_read(kernel, kind):
    assert decide(kl.one_folio(kind), kernel, kl.Mode(unevictable=False)) == UNEVICTABLE
    folio = kl.one_folio("guest_memfd")
    mode = kl.Mode(unevictable=False)
    machine = kl.run(kl.Machine(folio.zone, {"c": lambda: kernel.isolate_folio(folio, mode)}))
    assert machine.results["c"].why == (UNMOVABLE if kernel is kl.racy else UNEVICTABLE)
    assert any(event.step == "mapping_unmovable" for event in machine.trace) == (kernel is kl.racy)


# Hand-typed reasons: kind, mode, before, racy, after.
ALL_MODES = ASYNC, SYNC, kl.Mode(unevictable=False), kl.Mode(gfp_fs=False)
REASONS = [
    ("slab", ALL_MODES, OFF_LRU, OFF_LRU, OFF_LRU),
    ("free", ALL_MODES, OFF_LRU, OFF_LRU, OFF_LRU),
    ("anon, in a per-CPU LRU batch", ALL_MODES, OFF_LRU, OFF_LRU, OFF_LRU),
    ("anon", ALL_MODES, OK, OK, OK),
    ("anon, shared by three", ALL_MODES, OK, OK, OK),
    ("anon, pinned", ALL_MODES, PINNED, PINNED, PINNED),
    ("file, truncated, still held", ALL_MODES, PINNED, PINNED, PINNED),
    ("file, pinned", (ASYNC, SYNC), OK, OK, OK),
    ("file, clean", [kl.Mode(gfp_fs=False)], NO_FS, NO_FS, NO_FS),
    ("guest_memfd", [kl.Mode(gfp_fs=False)], NO_FS, UNMOVABLE, NO_FS),
    ("file, under writeback", [ASYNC], WRITEBACK, WRITEBACK, WRITEBACK),
    ("file, under writeback", [SYNC], OK, OK, OK),
    ("file, locked", (ASYNC, SYNC), OK, OK, OK),
    ("file, dirty and locked", [ASYNC], LOCKED, LOCKED, LOCKED),
    ("file, dirty and locked", [SYNC], OK, OK, OK),
    ("file, clean, no migrate_folio", (ASYNC, SYNC), OK, OK, OK),
    ("tmpfs", (ASYNC, SYNC), OK, OK, OK),
    ("guest_memfd", (ASYNC, SYNC), OK, UNMOVABLE, UNMOVABLE),
    ("ramfs", [ASYNC], NO_CALLBACK, NO_CALLBACK, NO_CALLBACK),
    ("ramfs", [SYNC], OK, OK, OK),
    ("ramfs, never written", (ASYNC, SYNC), OK, OK, OK),
    ("shmem, SHM_LOCK, locked", [ASYNC], LOCKED, LOCKED, LOCKED),
]


@pytest.mark.parametrize("kind, modes, before, racy, after", REASONS)
def test_hand_typed_reasons(kind, modes, before, racy, after):
    for mode in modes:
        assert [kl.run_path(kernel.isolate_folio(kl.one_folio(kind), mode)).why
                for kernel in KERNELS.values()] == [before, racy, after], mode


@pytest.mark.parametrize("label, kind", [
    ("isolate_success", "anon"), ("isolate_fail", "slab"), ("isolate_fail_put", "anon, pinned")])
def test_labels_are_the_kernels(label, kind):
    verdict = kl.run_path(kl.after.isolate_folio(kl.one_folio(kind), SYNC))
    assert verdict.label == label
    assert verdict.isolated == (label == "isolate_success") == (verdict.why == "")


def test_a_folio_with_no_reference_to_take_is_left_alone():
    folio = kl.one_folio("file, clean")
    folio.refcount = 0
    verdict = kl.run_path(kl.after.isolate_folio(folio, SYNC))
    assert verdict == kl.Verdict("isolate_fail", "reference count is zero")
    assert folio.refcount == 0


def another_cpu(folio, kernel, at, act, mode=SYNC):
    """The verdict when another CPU does `act` just before the first step named `at`."""
    machine = kl.Machine(folio.zone, {"c": lambda: kernel.isolate_folio(folio, mode)})
    while machine.next and machine.next["c"].name != at:
        machine.step("c")
    act(folio)
    return kl.run(machine).results["c"].why


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_what_only_another_cpu_can_bring_about(kernel):
    def leave_lru(folio):
        folio.lru = False

    folio = kl.one_folio("anon")
    assert another_cpu(folio, kernel, "folio_test_lru", leave_lru) == "left the LRU"
    folio = kl.one_folio("anon")
    assert another_cpu(folio, kernel, "folio_test_clear_lru", leave_lru) == "isolated by somebody else"


def test_after_asks_the_mapping_again_under_the_lock():
    def truncate(folio):
        folio.mapping, folio.refcount = None, folio.refcount - 1

    for kind, mode in (("guest_memfd", SYNC), ("file, dirty, no migrate_folio", ASYNC)):
        assert another_cpu(kl.one_folio(kind), kl.after, "folio_trylock", truncate, mode) == OK


def move(src_kind, kernel, mode=kl.MigrateMode.SYNC, **changes):
    zone = kl.zone_of(src_kind, "slab")
    src, dst = next(zone.folios), zone.folio(1)
    for name, value in changes.items():
        setattr(src, name, value)
    src.refcount += 1 - src.mapcount        # isolated, and unmapped
    src.mapcount = 0
    return kl.run_path(kernel.move_to_new_folio(dst, src, mode)), src, dst


@pytest.mark.parametrize("kind, before, after", [
    ("anon", kl.Result.SUCCESS, kl.Result.SUCCESS), ("file, clean", kl.Result.SUCCESS, kl.Result.SUCCESS),
    ("ramfs", kl.Result.EINVAL, kl.Result.EINVAL),
    ("ramfs, never written", kl.Result.SUCCESS, kl.Result.SUCCESS),
    ("secretmem", kl.Result.EBUSY, kl.Result.EBUSY),
    ("guest_memfd", kl.Result.EINVAL, kl.Result.EOPNOTSUPP),
    ("file, pinned", kl.Result.EAGAIN, kl.Result.EAGAIN),
    ("anon, pinned", kl.Result.EAGAIN, kl.Result.EAGAIN),
    ("file, clean, no migrate_folio", kl.Result.SUCCESS, kl.Result.SUCCESS)])
def test_move_to_new_folio_refuses_with_the_kernels_codes(kind, before, after):
    assert [move(kind, kernel)[0] for kernel in (kl.before, kl.after, kl.racy)] == [before, after, after]


def test_a_folio_that_moves_leaves_its_mapping_to_the_new_one():
    result, src, dst = move("file, clean", kl.after)
    assert result == 0 and str(result) == "0" and src.mapping is None and dst.mapping.name == "ext4_da_aops"
    assert (src.refcount, dst.refcount) == (1, 2)


@pytest.mark.parametrize("mode, result, still_dirty", [
    (kl.MigrateMode.SYNC, "-EAGAIN", False), (kl.MigrateMode.SYNC_LIGHT, "-EBUSY", True),
    (kl.MigrateMode.ASYNC, "-EBUSY", True)])
def test_without_a_callback_a_dirty_folio_is_written_out_first_or_refused(mode, result, still_dirty):
    answer, src, _ = move("file, dirty, no migrate_folio", kl.after, mode)
    assert (str(answer), src.dirty) == (result, still_dirty)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_what_is_dirty_and_cannot_be_written_out_is_refused_in_every_mode_and_left_as_it_was(kernel, private):
    for mode, code in zip(kl.MigrateMode, (kl.Result.EBUSY, kl.Result.EBUSY, kl.Result.EINVAL), strict=True):
        answer, src, dst = move("ramfs", kernel, mode, private=private)
        assert (answer, src.dirty, src.private, src.mapping.name) == (code, True, private, "ram_aops")
        assert dst.mapping is None and src.refcount == 2


def test_before_moves_what_relies_on_the_flag_alone():
    for kernel, result in ((kl.before, kl.Result.SUCCESS), (kl.after, kl.Result.EOPNOTSUPP)):
        zone = kl.zone_of("file, clean", "slab")
        src = zone.folio(0)
        kl.mapping_set_unmovable(src.mapping)
        src.refcount += 1
        assert kl.run_path(kernel.move_to_new_folio(zone.folio(1), src, kl.MigrateMode.SYNC)) == result


@pytest.mark.parametrize("old, new", [("before", "after"), ("before", "racy"), ("racy", "after")])
def test_the_diff_of_two_kernels_is_the_patch(old, new):
    hunks = diff(KERNELS[old], KERNELS[new])
    golden = (GOLDEN / f"{old}-{new}.diff").read_text()
    assert "\n".join(hunks) + "\n" == golden


def test_the_last_hunk_is_the_backstop_and_the_others_are_the_scanners():
    hunks = diff(kl.before, kl.after, context=1)
    titles = [hunk.splitlines()[0] for hunk in hunks]
    assert titles == ["@@ isolate_folio() @@"] * 4 + ["@@ move_to_new_folio() @@"]
    assert "+    if (yield mapping_unmovable(mapping)):\n+        return Result.EOPNOTSUPP" in hunks[-1]
    assert all("mapping_unmovable" not in hunk for hunk in hunks[:2])


def test_a_docstring_of_any_length_is_no_part_of_the_diff():
    def move_to_new_folio(dst, src, mode):
        """Refuses everything.

        And says so in lines of its own:
            return Result.EAGAIN
        """
        return kl.Result.EOPNOTSUPP
        yield

    def without(dst, src, mode):
        return kl.Result.EOPNOTSUPP
        yield

    hunk, = diff(made_of("mine", move_to_new_folio=without),
                 made_of("yours", move_to_new_folio=move_to_new_folio), context=0)
    assert hunk.splitlines() == ["@@ move_to_new_folio() @@",
                                 "-    def without(dst, src, mode):",
                                 "+    def move_to_new_folio(dst, src, mode):"]
    assert diff(kl.after, made_of("mine", move_to_new_folio=lambda dst, src, mode: kl.Result.EAGAIN))


@pytest.mark.parametrize("wrong, shown", [
    ("after", "'after'"), (None, "of type NoneType"), (3, "of type int"), ([kl.after], "of type list")])
def test_an_unknown_kernel_is_refused(wrong, shown):
    with pytest.raises(TypeError, match=rf"^unknown kernel {shown}: write a module such as kl\.before, "):
        check_kernel(wrong)


def test_a_function_that_no_kernel_has_is_refused_by_its_name():
    says = ("^a kernel has no function 'isolate_foli': "
            "write isolate_folio, move_to_new_folio or truncate_inode_partial_folio$")
    with pytest.raises(TypeError, match=says):
        made_of("mine", isolate_foli=kl.racy.isolate_folio)
    mine = made_of("mine", isolate_folio=kl.racy.isolate_folio)
    assert (mine.isolate_folio, mine.move_to_new_folio) == (kl.racy.isolate_folio, kl.after.move_to_new_folio)
    assert not hasattr(mine, "truncate_inode_partial_folio")


def test_there_are_eight_modes():
    assert len(set(MODES)) == 8 and kl.Mode() in MODES
    assert kl.Mode() == kl.Mode(async_migrate=False, unevictable=True, gfp_fs=True)
