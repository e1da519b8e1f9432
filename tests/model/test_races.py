"""The truncation race: safe in every order where the kernel holds the lock, broken in some where not."""
import inspect
import itertools
from dataclasses import replace

import pytest
from test_mutants import kernel_from, mutants

import kitlib as kl
from kitlib import races
from kitlib.concurrency.explore import prove
from kitlib.concurrency.graph import PathError
from kitlib.mm import migrate, truncate
from kitlib.mm.folio import PG
from kitlib.mm.mapping import AddressSpaceOperations
from kitlib.step import KernelBug

race = kl.truncation_race
SYNC = kl.Mode()


def threads(most, *, compactors=1):
    """Every number of compactors, truncators, reclaimers and mlockers that makes 2 to `most` threads."""
    for count in itertools.product(range(compactors, most + 1), range(most), range(3), range(3)):
        if 2 <= sum(count) <= most:
            yield count


@pytest.mark.parametrize("folios, count", [*((1, count) for count in threads(4)),
                                           *((2, count) for count in threads(3))])
def test_the_merged_kernel_is_safe_in_every_order(folios, count):
    """No use after free, no NULL dereference, no deadlock, no unmovable folio moved, in every schedule."""
    proof = prove(race(kl.after, folios, *count, migrate=True))
    assert proof.safe is True and proof.bugs == {} and proof.failing_schedules == 0


@pytest.mark.parametrize("flags", [dict(dirty=dirty, unevictable=unevictable)
                                   for dirty in (False, True) for unevictable in (False, True)], ids=str)
@pytest.mark.parametrize("mode", [SYNC, kl.Mode(async_migrate=True), kl.Mode(unevictable=False),
                                  kl.Mode(gfp_fs=False)], ids=str)
def test_it_is_safe_in_every_mode_and_for_every_sort_of_folio(mode, flags):
    assert prove(race(kl.after, migrate=True, reuse=True, mlockers=1, mode=mode, **flags)).safe


@pytest.mark.parametrize("scenario, bug, shortest", [
    (race(kl.racy), "use after free", "C3T21C1"),
    (race(kl.cached), "use after free", "C7T21C2"),
    (race(kl.after_unlock), "use after free", "C11T21C1"),
    (race(kl.no_null_check), "null dereference", "C7T13C3"),
    (kl.opposite_orders(kl.blocking), "deadlock", "T3C20"),
    (race(kl.after, truncate="unlock_early"), "use after free", "T7C9T13C1"),
    (race(kl.after, reclaimers=1, evict_cycles="tree_lock"), "use after free", "R12T6R1"),
    (race(kl.before, migrate=True), "unmovable folio moved", "C19"),
    (race(kl.after, migrate=True, unmovable=False, move="not_frozen"), "bad page state", "C21T1C8T1C1"),
], ids=lambda value: getattr(value, "name", value))
def test_every_faulty_variant_is_broken_in_some_order(scenario, bug, shortest):
    proof = prove(scenario)
    assert (proof.safe, proof.bug, proof.shortest) == (False, bug, shortest)
    stepper = kl.Stepper(scenario.machine())
    stepper.replay(shortest)
    machine = stepper.machine
    if bug == "deadlock":
        assert machine.next and not machine.ready
    else:
        assert machine.crash.result.bug == bug


@pytest.mark.parametrize("kernel", [kl.racy, kl.cached, kl.after_unlock])
def test_with_a_reused_inode_another_inode_is_read_in_some_order(kernel):
    assert set(prove(race(kernel, reuse=True)).bugs) == {"use after free", "another inode read"}
    assert prove(race(kl.after, reuse=True)).safe


def test_of_the_smallest_races_three_orders_one_fails_and_a_quarter_of_its_coin_flip_runs():
    proof = prove(races.smallest_race())
    assert (proof.schedules, proof.failing_schedules, proof.coin_flip) == (3, 1, 0.25)
    assert proof.bugs == {"use after free": "R1O1R1"}


@pytest.mark.parametrize("schedule, crash", [("R2O1", None), ("O1R1", None), ("R1O1R1", "use after free")])
def test_the_smallest_race_ends_as_its_order_says(schedule, crash):
    stepper = kl.Stepper(races.smallest_race().machine())
    stepper.replay(schedule)
    machine = stepper.machine
    assert machine.crash.result.bug == crash if crash else not machine.next
    assert races.smallest_race().objects[0].freed is False      # each race has memory of its own


LOCK = """        if not (yield folio_trylock(folio)):
            return (yield from isolate_fail_put(folio, "locked by somebody else"))
"""
READ = "        mapping = yield folio_mapping(folio)\n"
ASK = "        is_unmovable = mapping and (yield mapping_unmovable(mapping))\n"
UNLOCK = "        yield folio_unlock(folio)\n"


@pytest.mark.parametrize("changes, shortest", [
    ({READ: "", LOCK: READ + LOCK}, "C8T21C2"), ({ASK + UNLOCK: UNLOCK + LOCK + ASK + UNLOCK}, "C11T21C2"),
], ids=["read again, before the trylock", "read in one hold of the lock, asked in the next"])
def test_other_mistakes_around_the_lock_are_found_as_well(changes, shortest):
    source = inspect.getsource(kl.after)
    for right, wrong in changes.items():
        assert source.count(right) == 1
        source = source.replace(right, wrong)
    proof = prove(race(kernel_from(source)))
    assert (proof.bug, proof.shortest) == ("use after free", shortest)


def test_two_compactors_that_wait_for_the_lock_of_one_folio_do_not_wait_for_ever():
    proof = prove(race(kl.blocking, compactors=2))
    assert proof.safe and proof.states == 4_650 and proof.schedules > 10**16


def test_waiting_for_the_lock_is_safe_against_truncation_and_deadlocks_in_opposite_orders():
    assert prove(race(kl.blocking)).safe and prove(race(kl.blocking, folios=2)).safe
    assert prove(kl.opposite_orders(kl.blocking)).bug == "deadlock"
    assert prove(kl.opposite_orders(kl.after)).safe


def test_an_end_of_the_inode_that_does_not_cycle_i_lock_hurts_reclaim_in_some_order_and_nobody_else():
    for cycles in ("tree_lock", "neither"):
        assert prove(race(kl.after, evict_cycles=cycles, compactors=2, truncators=2)).safe
        assert prove(race(kl.after, evict_cycles=cycles, reclaimers=1, compactors=0)).bug == "use after free"


@pytest.mark.parametrize("compactors, truncators, reclaimers", [(0, 1, 2), (1, 1, 1), (1, 2, 1), (2, 1, 1)])
def test_with_i_lock_cycled_reclaim_is_safe_in_every_order_with_the_tree_lock_cycled_or_not(
        compactors, truncators, reclaimers):
    for cycles in ("both", "i_lock"):
        assert prove(race(kl.after, 1, compactors, truncators, reclaimers, evict_cycles=cycles)).safe


def test_before_i_lock_was_taken_the_cycle_of_the_tree_lock_is_what_counts():
    """In every order safe with it, in some order not without it, whether i_lock is cycled or not."""
    old = {cycles: prove(race(kl.after, reclaimers=1, i_lock=False, evict_cycles=cycles))
           for cycles in races.EVICT}
    assert old["both"].safe and old["tree_lock"].safe
    assert old["i_lock"].bug == old["neither"].bug == "use after free"


def i_lock_is_outside(zone, event):
    """Somebody holds i_lock when a folio leaves the page cache, and afterwards, when the inode is read."""
    return event.step not in ("page_cache_delete", "inode_add_lru") or zone.mappings[1].i_locked


def test_a_folio_leaves_the_page_cache_under_i_lock_in_every_order_unless_it_is_migrated():
    """Migration replaces it under the tree lock alone: it needs no inode afterwards."""
    seen = {"a folio moves": lambda zone, event: event.step == "page_cache_replace",
            "reclaim removes": lambda zone, event: (
                event.thread == "reclaim" and event.step == "page_cache_delete")}
    proof = prove(replace(race(kl.after, reclaimers=1, migrate=True, unmovable=False),
                          always={"under i_lock": i_lock_is_outside}, sometimes=seen))
    assert proof.safe and all(proof.sometimes.values())


MOVES = {"it moves": lambda zone, event: event.step == "page_cache_replace",
         "it is held": lambda zone, event: event.step == "folio_ref_freeze" and not event.result,
         "the target is truncated": lambda zone, event: (
             event.step == "page_cache_delete" and event.on.endswith("folio 1")),
         "the inode goes": lambda zone, event: event.step == "free_inode"}


@pytest.mark.parametrize("more", [{}, {"truncators": 2}, {"reclaimers": 1}, {"mlockers": 1, "reuse": True},
                                  {"dirty": False, "unevictable": False}], ids=str)
def test_a_movable_folio_can_be_moved_while_its_file_is_truncated_in_every_order(more):
    proof = prove(replace(race(kl.after, migrate=True, unmovable=False, **more), sometimes=MOVES))
    assert proof.safe and all(proof.sometimes.values()), proof.sometimes


def test_a_move_that_does_not_freeze_the_count_loses_somebodys_reference_in_some_order():
    """Its third ending is the model's own: the kernel's truncation looks again, and finds the target."""
    for more in ({}, {"dirty": False, "unevictable": False}):
        proof = prove(race(kl.after, migrate=True, unmovable=False, move="not_frozen", **more))
        assert set(proof.bugs) == {"bad page state", "refcount below zero", "kernel bug"}
    assert prove(race(kl.after, migrate=True, move="not_frozen")).safe, "an unmovable one never gets there"


def test_a_compactor_alone_takes_no_unmovable_folio_and_before_does():
    taken = {"a folio is taken": lambda zone, event: event.step == "folio_test_clear_lru" and event.result}
    for kernel, shown in ((kl.after, False), (kl.before, True)):
        proof = prove(replace(race(kernel, truncators=0), sometimes=taken))
        assert proof.sometimes == {"a folio is taken": shown}


def compaction_hears(step, answer):
    return lambda zone, event: event.thread == "compaction" and event.step == step and event.result is answer


OUTCOMES = {"unmovable": compaction_hears("mapping_unmovable", True),
            "trylock": compaction_hears("folio_trylock", False),
            "ref==0": compaction_hears("folio_get_nontail_page", False),
            "isolated": compaction_hears("folio_test_clear_lru", True)}


@pytest.mark.parametrize("kernel, bug, outcomes", [
    (kl.after, None, {"unmovable", "trylock", "ref==0", "isolated"}),
    (kl.racy, "use after free", {"unmovable", "ref==0", "isolated"}),
    (kl.cached, "use after free", {"unmovable", "trylock", "ref==0", "isolated"}),
    (kl.after_unlock, "use after free", {"unmovable", "trylock", "ref==0", "isolated"}),
    (kl.no_null_check, "null dereference", {"unmovable", "trylock", "ref==0", "isolated"}),
    (kl.blocking, None, {"unmovable", "ref==0", "isolated"})],
    ids=lambda value: getattr(value, "__name__", None))
def test_a_clean_folio_comes_to_what_an_independent_enumeration_found(kernel, bug, outcomes):
    """The same variants were enumerated by hand, in steps of another grain: outcomes must agree."""
    proof = prove(replace(race(kernel, dirty=False), sometimes=OUTCOMES))
    assert set(proof.bugs) == ({bug} if bug else set())
    assert {name for name, shown in proof.sometimes.items() if shown} == outcomes


# What holds in every state: an attached mapping is alive, nothing is left of a freed inode, mappings are read
# under the lock.
def attached_is_alive(zone, event):
    """No folio's mapping is that of an inode that is gone."""
    return not any(folio.mapping and (folio.mapping.freed or folio.mapping.reused) for folio in zone.folios)


def mapping_is_read_under_the_lock(zone, event):
    """Compaction reads a mapping while a folio that is attached to it is locked."""
    reads = event.thread.startswith("compaction") and event.step in ("mapping_unmovable", "has_migrate_folio")
    locked = [folio.mapping for folio in zone.folios if folio.locked and folio.mapping]
    return not reads or any(mapping.name == event.on for mapping in locked)


def nothing_is_left(zone, event):
    """Once the inode is gone no locked folio is attached any more."""
    locked = [folio for folio in zone.folios if zone.flags[folio.pfn] & PG.LOCKED]
    return event.step != "free_inode" or not any(folio.mapping for folio in locked)


INVARIANTS = {"attached is alive": attached_is_alive, "nothing is left": nothing_is_left,
              "read under the lock": mapping_is_read_under_the_lock}
SEEN = {"the trylock fails": lambda zone, event: event.step == "folio_trylock" and not event.result,
        "the mapping is read": lambda zone, event: event.step == "mapping_unmovable",
        "NULL under the lock": lambda zone, event: (
            event.thread.startswith("compaction") and event.step == "folio_mapping"
            and event.result is None and zone.folio(0).locked),
        "the inode is freed": lambda zone, event: event.step == "free_inode"}


@pytest.mark.parametrize("arguments", [{}, {"migrate": True}, {"folios": 2}, {"compactors": 2},
                                       {"reclaimers": 1}, {"mlockers": 1},
                                       {"truncators": 2, "reuse": True}], ids=str)
def test_the_merged_kernel_keeps_every_invariant_in_every_order_and_not_for_want_of_trying(arguments):
    proof = prove(replace(race(kl.after, **arguments), always=INVARIANTS, sometimes=SEEN))
    assert proof.safe and all(proof.sometimes.values()), proof.sometimes


@pytest.mark.parametrize("kernel", [kl.racy, kl.cached, kl.after_unlock])
def test_the_faulty_kernels_read_a_mapping_without_the_lock_in_some_order(kernel):
    assert "read under the lock" in prove(replace(race(kernel), always=INVARIANTS)).bugs


def test_an_inode_is_not_freed_while_a_folio_points_to_it():
    mapping = race(kl.after).objects[0]
    for step in (kl.mm.free_inode, kl.mm.clear_inode):
        with pytest.raises(KernelBug, match="A is .*, and 1 of its folios"):
            step(mapping).do()


# ---- mutants: every lock, unlock, re-read and NULL check, dropped or moved
def no_migrate_folio(kernel):
    scenario = race(kernel)
    scenario.objects[0].a_ops = AddressSpaceOperations("no migrate_folio", None)
    return scenario


SITUATIONS = {
    "plain": race, "no migrate_folio": no_migrate_folio,
    "sync": lambda kernel: race(kernel, mode=SYNC), "clean": lambda kernel: race(kernel, dirty=False),
    "migrate": lambda kernel: race(kernel, migrate=True),
    "migrate, clean, evictable": lambda kernel: race(kernel, migrate=True, dirty=False, unevictable=False),
    "two compactors": lambda kernel: race(kernel, compactors=2),
    "two truncators": lambda kernel: race(kernel, truncators=2),
    "movable, migrate": lambda kernel: race(kernel, migrate=True, unmovable=False),
    "two folios, reclaim": lambda kernel: race(kernel, folios=2, compactors=0, reclaimers=1),
    "reclaim": lambda kernel: race(kernel, reclaimers=1), "mlock": lambda kernel: race(kernel, mlockers=1)}


def verdicts(kernel=kl.after):
    """By situation: the bugs of the explorer, or that the path itself fails; and what some schedule shows."""
    found = {}
    for name, make in SITUATIONS.items():
        try:
            proof = prove(replace(make(kernel), sometimes=SEEN))
            found[name] = proof.bug, tuple(proof.sometimes.values())
        except PathError as error:
            found[name] = type(error.__cause__).__name__
    return found


USUAL = verdicts()
WORDS = ("lock", "folio_mapping", "find_get_entry", "if not folio", "if not mapping", "drop operand: mapping",
         "drop operand: not mapping")
# Nothing that any thread can see differs, and why.
EQUIVALENT = {
    "isolate_folio: swap: if not (yield folio_get_nontail_page(folio)) "
    "<-> mapping = (yield folio_mapping(folio))":
        "the reference keeps the page from becoming another folio's, and here no page is used twice",
    "isolate_folio: drop: if not mapping and (yield folio_has_extra_refs(folio))":
        "a hint about pins: taken or not, the folio has no mapping that could be read",
    "isolate_folio: swap: if not mapping and (yield folio_has_extra_refs(folio)) "
    "<-> if not mode.gfp_fs and mapping":
        "one needs a folio without mapping, the other one with it",
    "isolate_folio: drop operand: mapping, of: not mode.gfp_fs and mapping": "every mode here has GFP_FS",
    "isolate_folio: drop operand: mapping, of: mapping and is_unevictable":
        "the lock is taken for unevictable folios without mapping, too: needless, and under it NULL is found",
    "isolate_folio: swap: migrate_dirty = True <-> if not (yield folio_trylock(folio))":
        "the first is a local variable",
    "filemap_remove_folio: swap: yield xa_lock_irq(mapping) "
    "<-> there = (yield folio_mapping(folio)) is mapping":
        "the folio lock already keeps everybody else from removing it",
    "filemap_remove_folio: swap: if there <-> yield xa_unlock_irq(mapping)":
        "the tree lock protects the tree, which is not modelled; the folio lock keeps others from this folio",
    "filemap_remove_folio: swap: yield xa_unlock_irq(mapping) <-> if there":
        "free_folio() needs no lock, and the inode's reference is still held",
    "filemap_remove_folio: swap: if there <-> yield i_unlock(mapping)":
        "inode_add_lru() needs i_lock or a reference on the inode, and who truncates has one",
    "filemap_remove_folio: swap: yield i_unlock(mapping) <-> if there":
        "free_folio() needs no lock, and the inode's reference is still held",
    "evict: drop: yield xa_unlock_irq(mapping)":
        "no folio leads to the mapping any more, so nobody is left to take the lock",
    "evict_i_lock_only: drop: yield i_unlock(mapping)": "the same of i_lock",
    "evict_i_lock_only: swap: yield clear_inode(mapping) <-> yield i_lock(mapping)":
        "clear_inode() only looks whether the page cache is empty, which it stays",
    "remove_mapping: swap: yield xa_lock_irq(mapping) <-> removed = "
    "(yield folio_mapping(folio)) is mapping and (yield folio_ref_freeze(folio, 2))":
        "the folio lock already keeps everybody else from removing it",
    "remove_mapping: swap: if removed <-> yield xa_unlock_irq(mapping)":
        "the tree lock protects the tree, which is not modelled; the folio lock keeps others from this folio",
    "remove_mapping: swap: yield xa_unlock_irq(mapping) <-> if removed": "i_lock is held on both sides of it",
    "remove_mapping: drop operand: (yield folio_mapping(folio)) is mapping, of: "
    "(yield folio_mapping(folio)) is mapping and (yield folio_ref_freeze(folio, 2))":
        "the folio lock has answered it, and the kernel does not ask",
    **dict.fromkeys((
        "remove_mapping: drop operand: (yield folio_ref_freeze(folio, 2)), of: "
        "(yield folio_mapping(folio)) is mapping and (yield folio_ref_freeze(folio, 2))",
        "remove_mapping: and/or: "
        "(yield folio_mapping(folio)) is mapping and (yield folio_ref_freeze(folio, 2))"),
        "a reference too many is no bug here: the page is never free again, and nobody wants it"),
    "folio_migrate_mapping: swap: yield folio_ref_unfreeze(src, 1) <-> yield xa_unlock_irq(mapping)":
        "both folios are locked, and nobody can find the frozen one any more",
    "folio_migrate_mapping: swap: yield xa_unlock_irq(mapping) <-> yield folio_migrate_flags(dst, src)":
        "the flags need the folio locks alone",
}


def relevant(source, function, words=WORDS):
    """The mutants that touch a lock, an unlock, a read of the mapping or a check for NULL."""
    return {f"{function}: {what}": changed for what, changed in mutants(source, function)
            if any(word in what for word in words)}


OF_KERNEL = {what: source for function in ("isolate_folio", "move_to_new_folio")
             for what, source in relevant(inspect.getsource(kl.after), function).items()}
OF_TRUNCATION = {what: source for function in ("truncate_folio", "filemap_remove_folio", "evict",
                                               "evict_i_lock_only", "remove_mapping")
                 for what, source in relevant(inspect.getsource(truncate), function).items()}
OF_MIGRATION = relevant(inspect.getsource(migrate), "folio_migrate_mapping", (*WORDS, "freeze"))


@pytest.mark.parametrize("what", OF_KERNEL)
def test_a_change_to_the_kernels_locking_changes_a_verdict(what):
    assert (verdicts(kernel_from(OF_KERNEL[what])) == USUAL) == (what in EQUIVALENT)


@pytest.mark.parametrize("what", OF_TRUNCATION)
def test_a_change_to_truncations_locking_changes_a_verdict(what, monkeypatch):
    changed = kernel_from(OF_TRUNCATION[what], "kitlib.mm")
    monkeypatch.setitem(races.TRUNCATE, "locked", changed.truncate_folio)
    monkeypatch.setitem(races.EVICT, "both", changed.evict)
    monkeypatch.setattr(races, "shrink_folio", changed.shrink_folio)
    assert (verdicts() == USUAL) == (what in EQUIVALENT)


@pytest.mark.parametrize("what", OF_MIGRATION)
def test_a_change_to_a_moves_locking_changes_a_verdict(what, monkeypatch):
    changed = kernel_from(OF_MIGRATION[what], "kitlib.mm")
    monkeypatch.setitem(races.MOVE, "frozen", changed.folio_migrate_mapping)
    assert (verdicts() == USUAL) == (what in EQUIVALENT)


def test_every_equivalent_mutant_exists():
    assert set(EQUIVALENT) <= {*OF_KERNEL, *OF_TRUNCATION, *OF_MIGRATION}


def test_i_lock_that_is_left_out_or_released_too_early_is_among_the_changes_that_are_noticed():
    noticed = {*OF_TRUNCATION} - {*EQUIVALENT}
    assert {"remove_mapping: drop: yield i_lock(mapping)", "remove_mapping: drop: yield i_unlock(mapping)",
            "remove_mapping: swap: if removed <-> yield i_unlock(mapping)",
            "evict_i_lock_only: drop: yield i_lock(mapping)",
            "evict_i_lock_only: swap: yield i_lock(mapping) <-> yield i_unlock(mapping)"} <= noticed


@pytest.mark.parametrize("act, error, says", [
    (lambda: race(kl.after, folios=0), ValueError,
     "folios=0 is not to be raced with: write a whole number from 1 to 9"),
    (lambda: race(kl.after, compactors=-1), ValueError, "compactors=-1"),
    (lambda: race(kl.after, compactors=0, truncators=0), ValueError, "a race needs a thread"),
    (lambda: race(kl.after, truncate="late"), ValueError,
     "no truncate='late': write one of 'locked', 'unlock_early'"),
    (lambda: race(kl.after, evict_cycles=True), ValueError,
     "no evict_cycles=True: write one of 'both', 'tree_lock', 'i_lock', 'neither'"),
    (lambda: race(kl.after, move="melted"), ValueError, "write one of 'frozen', 'not_frozen'"),
    (lambda: race("after"), TypeError, "unknown kernel 'after': write a module such as"),
    (lambda: race(kl.after, mode="async"), TypeError, "unknown mode 'async'"),
    (lambda: race(kl.after, dirt=True), TypeError,
     "a folio has no flag 'dirt' to start with: write one of lru, unevictable, dirty"),
    (lambda: kl.opposite_orders(None), TypeError, "unknown kernel of type NoneType"),
])
def test_bad_scenarios_say_what_to_write(act, error, says):
    with pytest.raises(error) as raised:
        act()
    assert says in str(raised.value)
