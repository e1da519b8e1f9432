"""A rehearsal tells what a try comes to, and of whom there is none."""
import pytest
from test_migrate import ASYNC, OK, SYNC, Asked, counted, every_mode, isolated, large

import kitlib as kl
from kitlib.compaction.freepages import compaction_alloc, compaction_free
from kitlib.compaction.migrate_folio import Folios
from kitlib.compaction.migrate_pages import migrate_pages
from kitlib.compaction.rehearsal import Outcome, outcome_of
from kitlib.kernels import made_of
from kitlib.mm.a_ops import EXT4
from kitlib.mm.folio import PG
from kitlib.scenarios import KINDS

KERNELS = kl.before, kl.racy, kl.after
TO_BE_TRIED = {"anon, pinned", "file, under writeback", "file, locked", "file, dirty and locked",
               "shmem, SHM_LOCK, locked", "guest_memfd, locked"}


def rehearsed(cc, pfn=0, mode=SYNC, **how):
    """The outcome as a run with a table would have it."""
    cc.verdicts = bytes(cc.zone.end_pfn)
    outcome = outcome_of(cc, pfn, mode, **how)
    cc.verdicts = None
    return outcome


def by_path(cc, pfn=0, mode=SYNC):
    """The outcome of a try, and what the page is afterwards."""
    zone, folios = cc.zone, Folios(cc, compaction_alloc, compaction_free)
    _, target = folios.unmap(pfn, mode)
    result = folios.move(pfn, target, mode)
    if result:
        folios.undo(pfn, target)
        return Outcome(result)
    return Outcome(result, zone.flags[target], zone.refcount[target], zone.mapcount[target])


@every_mode
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__.rpartition(".")[2])
@pytest.mark.parametrize("kind", [kind.name for kind in KINDS if kind.flags & PG.LRU])
def test_a_rehearsal_tells_what_a_try_comes_to(kind, kernel, mode):
    cc = isolated("anon")
    zone, kinds = cc.zone, {one.name: one for one in KINDS}
    zone.flags[0], zone.refcount[0] = kinds[kind].flags & ~PG.LRU, kinds[kind].refcount + 1
    zone.mapcount[0], zone.mapping[0] = kinds[kind].mapcount, kinds[kind].mapping
    cc.kernel, cc.migratepages, cc.nr_migratepages = kernel, [0], 1
    at_rest = zone.snapshot()[:4]
    outcome = rehearsed(cc, mode=mode)
    assert zone.snapshot()[:4] == at_rest, "it is done to no page of the zone"
    if outcome is None:
        assert kind in TO_BE_TRIED or (mode == SYNC and kind == "file, dirty, no migrate_folio")
    else:
        assert by_path(cc, mode=mode) == outcome


def test_not_rehearsed_is_what_a_page_alone_can_tell():
    cc = isolated("file, clean")
    zone = cc.zone
    assert outcome_of(cc, 0, SYNC) is None, "without a table nothing is"
    assert rehearsed(cc) == Outcome(OK, PG.LRU | PG.UPTODATE, 1, 0)
    zone.buffers_held = frozenset([0])
    assert rehearsed(cc) is None, "held buffers are known by pfn"
    zone.buffers_held = frozenset()
    for state in ("freed", "reused"):
        setattr(zone.mappings[EXT4], state, True)
        assert rehearsed(cc) is None, "of this mapping the bug must be reported"
        setattr(zone.mappings[EXT4], state, False)
    zone.refcount[0] = 1
    assert rehearsed(cc) is None, "freed meanwhile"
    zone.mapping[0], zone.refcount[0] = 0, 2
    zone.flags[0] |= PG.PRIVATE
    assert rehearsed(cc) is None, "truncated, with buffers"
    assert rehearsed(large("tmpfs")) is None and rehearsed(large("tmpfs"), unmapped=True) is None


def test_another_flag_of_the_mapping_is_another_rehearsal():
    cc = isolated("file, clean")
    assert rehearsed(cc).result == OK
    kl.mapping_set_unmovable(cc.zone.mappings[EXT4])
    assert rehearsed(cc).result == kl.Result.EOPNOTSUPP


def test_with_a_table_the_kernel_is_asked_once_for_each_sort_of_page():
    kernel, asked = Asked(), []
    for by_table in (True, False):
        cc = isolated(*["anon", "file, clean", "secretmem"] * 10, mode=ASYNC, kernel=kernel)
        if by_table:
            cc.verdicts = bytes(cc.zone.end_pfn)
        assert migrate_pages(cc) == 10 and counted(cc) == (20, 10)
        asked.append(len(kernel.folios))
        kernel.folios.clear()
    assert asked == [3, 30]


def test_a_kernel_with_another_function_is_rehearsed_anew():
    def refuse(dst, src, mode):
        return kl.Result.EOPNOTSUPP
        yield

    kernel, cc = made_of("k"), isolated("file, clean")
    cc.kernel = kernel
    for function in (kl.after.move_to_new_folio, refuse, kl.after.move_to_new_folio):
        kernel.move_to_new_folio = function
        by_table = rehearsed(cc)
        assert by_table.result == (kl.Result.EOPNOTSUPP if function is refuse else OK)
        tried = isolated("file, clean")
        tried.kernel = kernel
        assert by_path(tried) == by_table
