"""The tests would notice: drop, negate, halve or swap any check of after.isolate_folio, and something fails.

A mutant is the function with one change, named by the code that was changed. It is caught when the truth
table, a hand-typed reason, what only another CPU can bring about, the state of the folio afterwards, or a
recording says otherwise.
"""
import ast
import inspect
import types

import pytest
from test_kernels import (LOCKED, NO_CALLBACK, NO_FS, OFF_LRU, OK, PINNED, REASONS, SYNC, TRUTH, UNEVICTABLE,
                          UNMOVABLE, WRITEBACK, another_cpu, decide, unmovable_without_unevictable)

import kitlib as kl
from kitlib import recordings, scan

SOURCE = inspect.getsource(kl.after)
ASYNC = kl.Mode(async_migrate=True)

# Alone, with nobody else running, nothing tells these from the kernel; what another CPU could do between is
# in each reason.
EQUIVALENT = {
    "swap: if not (yield folio_test_lru(folio)) <-> is_unevictable = (yield folio_test_unevictable(folio))":
        "one reads PG_lru and one PG_unevictable, both with a reference held: alone, the order of two reads "
        "cannot be seen",
    "swap: if mode.async_migrate and (yield folio_test_writeback(folio)) <-> "
    "is_dirty = (yield folio_test_dirty(folio))":
        "two reads of flags; alone, a latch taken one step earlier holds the same value",
    "swap: migrate_dirty = True <-> if not (yield folio_trylock(folio))":
        "the first is a local variable and no step: no other CPU can tell either",
    "swap: if mode.async_migrate and is_dirty <-> "
    "is_unmovable = mapping and (yield mapping_unmovable(mapping))":
        "both look at the mapping under the same lock, and neither changes it",
    "swap: if not (yield folio_get_nontail_page(folio)) <-> mapping = (yield folio_mapping(folio))":
        "alone, the page stays what it is; without the reference another CPU could free and reuse it "
        "in between",
    "swap: if not mapping and (yield folio_has_extra_refs(folio)) <-> if not mode.gfp_fs and mapping":
        "one needs a folio without mapping and one a folio with it: they exclude each other",
    "swap: is_unmovable = mapping and (yield mapping_unmovable(mapping)) <-> yield folio_unlock(folio)":
        "alone, the mapping lives on after the unlock; with truncation this is the use after free that the "
        "lock prevents",
}


def headline(node):
    """The code that names a statement: an if without its body."""
    return "if " + ast.unparse(node.test) if isinstance(node, ast.If) else ast.unparse(node)


def is_check(node):
    return (isinstance(node, ast.If | ast.Assign)
            or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield)))


def mutants(module_source=SOURCE, name="isolate_folio"):
    """(description, source of the module) of every single change to a function."""
    tree = ast.parse(module_source)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)

    def changed(node, field, value, what):
        old = getattr(node, field)
        setattr(node, field, value)
        source = ast.unparse(ast.fix_missing_locations(tree))
        setattr(node, field, old)
        return what, source

    for node in ast.walk(function):
        for i, statement in enumerate(getattr(node, "body", ())):
            if isinstance(statement, ast.If) or (is_check(statement) and isinstance(statement, ast.Expr)):
                dropped = [*node.body[:i], ast.Pass(), *node.body[i + 1:]]
                yield changed(node, "body", dropped, f"drop: {headline(statement)}")
            if i + 1 < len(node.body) and is_check(statement) and is_check(node.body[i + 1]):
                swapped = [*node.body[:i], node.body[i + 1], statement, *node.body[i + 2:]]
                yield changed(node, "body", swapped,
                              f"swap: {headline(statement)} <-> {headline(node.body[i + 1])}")
        if isinstance(node, ast.If):
            yield changed(node, "test", ast.UnaryOp(ast.Not(), node.test), f"negate: {headline(node)}")
        if isinstance(node, ast.BoolOp):
            yield changed(node, "op", ast.And() if isinstance(node.op, ast.Or) else ast.Or(),
                          f"and/or: {ast.unparse(node)}")
            for i, operand in enumerate(node.values):
                # Dropped from an `and` it counts as true, from an `or` as false.
                kept = [ast.Constant(isinstance(node.op, ast.And)) if j == i else value
                        for j, value in enumerate(node.values)]
                yield changed(node, "values", kept,
                              f"drop operand: {ast.unparse(operand)}, of: {ast.unparse(node)}")
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield changed(node, "value", ast.Constant(not node.value.value), f"turn: {ast.unparse(node)}")


MUTANTS = dict(mutants())


def kernel_from(source, package="kitlib.kernels"):
    module = types.ModuleType(f"{package}.mutant")
    module.__package__ = package
    exec(compile(source, "mutant", "exec"), module.__dict__)      # our own source with one change
    return module


def truncate(folio):
    folio.mapping, folio.refcount = None, folio.refcount - 1


def leave_lru(folio):
    folio.lru = False


def sick_file(**cured):
    """A folio with every defect that a file folio can have, but for those cured; WORST minds them all."""
    folio = kl.one_folio("file, dirty, no migrate_folio")
    kl.mapping_set_unmovable(folio.mapping)
    sick = dict(lru=False, refcount=0, unevictable=True, writeback=True, locked=True)
    for name, value in (sick | cured).items():
        setattr(folio, name, value)
    return folio


WORST = kl.Mode(async_migrate=True, unevictable=False, gfp_fs=False)
CURES = [       # one defect is cured after the other: what is found next is the order of the checks
    ({}, WORST, OFF_LRU), ({"lru": True}, WORST, "reference count is zero"), ({"refcount": 1}, WORST, NO_FS),
    ({}, WORST._replace(gfp_fs=True), UNEVICTABLE), ({}, ASYNC, WRITEBACK),
    ({"writeback": False}, ASYNC, LOCKED), ({"locked": False}, ASYNC, NO_CALLBACK),
    ({"dirty": False}, ASYNC, UNMOVABLE), ({"unevictable": False}, ASYNC, OK)]


def findings(kernel):
    """(what was looked at, what the kernel says, what it must say), lazily."""
    for kind, mode, _, after in TRUTH:
        folio, as_it_was = kl.one_folio(kind), kl.one_folio(kind)
        yield f"truth table: {kind}, {mode}", decide(folio, kernel, mode), after
        taken = not after.removesuffix("+lock")
        yield (f"state afterwards: {kind}", (folio.refcount, folio.lru, folio.locked),
               (as_it_was.refcount + taken, as_it_was.lru and not taken, as_it_was.locked))
    for kind, modes, _, _, after in REASONS:
        for mode in modes:
            yield (f"reasons: {kind}, {mode}",
                   kl.run_path(kernel.isolate_folio(kl.one_folio(kind), mode)).why, after)
    cured = {}
    for cure, mode, after in CURES:
        cured |= cure
        yield (f"order of the checks: {cured}",
               kl.run_path(kernel.isolate_folio(sick_file(**cured), mode)).why, after)
    pinned = kl.one_folio("anon, pinned")
    pinned.unevictable = True
    yield ("pinned comes before unevictable",
           kl.run_path(kernel.isolate_folio(pinned, kl.Mode(unevictable=False))).why, PINNED)
    yield ("unmovable, dirty, async",
           decide(unmovable_without_unevictable(dirty=True), kernel, ASYNC), UNMOVABLE + "+lock")
    unevictable = kl.one_folio("file, dirty, no migrate_folio")
    unevictable.unevictable = True
    yield "unevictable, dirty, sync", decide(unevictable, kernel, SYNC), OK + "+lock"
    yield ("truncated before the lock",
           another_cpu(kl.one_folio("guest_memfd"), kernel, "folio_trylock", truncate), OK)
    yield ("truncated before the lock, dirty",
           another_cpu(kl.one_folio("file, dirty, no migrate_folio"), kernel, "folio_trylock", truncate,
                       ASYNC), OK)
    for step, why in (("folio_test_lru", "left the LRU"),
                      ("folio_test_clear_lru", "isolated by somebody else")):
        yield why, another_cpu(kl.one_folio("anon"), kernel, step, leave_lru), why
    yield ("GFP_NOFS comes before the LRU is looked at again",
           another_cpu(kl.one_folio("file, clean"), kernel, "folio_mapping", leave_lru,
                       kl.Mode(gfp_fs=False)), NO_FS)
    yield ("pinned comes before the LRU is looked at again",
           another_cpu(kl.one_folio("anon, pinned"), kernel, "folio_mapping", leave_lru), PINNED)
    yield ("the LRU is looked at before PG_unevictable",
           another_cpu(kl.one_folio("ramfs"), kernel, "folio_mapping", leave_lru,
                       kl.Mode(unevictable=False)), "left the LRU")
    for name in ("6.12-mix-u0-s353", "6.12-gmem-u1-s356"):
        recording = recordings.load(name)
        yield (name, scan.verdicts(recording, kernel, recording.mode).tobytes(),
               recordings.verdicts(recording).tobytes())


def caught_by(kernel):
    """The first finding that is not as it must be, or the mutant's own error; None if nothing is noticed."""
    try:
        return next((what for what, says, must in findings(kernel) if says != must), None)
    except (kl.KernelBug, UnboundLocalError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"


def test_the_kernel_itself_is_as_it_must_be():
    assert caught_by(kl.after) is None
    assert caught_by(kernel_from(SOURCE)) is None


@pytest.mark.parametrize("what", MUTANTS)
def test_every_mutant_is_noticed_or_listed_as_equivalent(what):
    assert (caught_by(kernel_from(MUTANTS[what])) is None) == (what in EQUIVALENT)


def test_every_equivalent_mutant_exists():
    assert set(EQUIVALENT) <= set(MUTANTS)
