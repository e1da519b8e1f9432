"""What a kernel decides on one CPU, folio by folio, and whether a learner's decides the same."""
from functools import cache
from itertools import combinations
from types import ModuleType

from ..concurrency.sched import run_path
from ..concurrency.tree import Leaf, leaf_text, nodes, unfold
from ..kernels import after
from ..mm.folio import Folio
from ..mm.mapping import AddressSpace, mapping_set_unmovable, mapping_unevictable
from ..mm.verdict import MODES, MigrateMode, Mode, Result, Verdict
from ..scenarios import KIND, one_folio, zone_of
from ..step import KernelBug
from .report import Finding

# Every word that the decision can end with, by the path's own trees.
REASONS_TO_STAY = tuple(dict.fromkeys(
    leaf_text(node) for mode in MODES for node in nodes(unfold(after.isolate_folio, mode=mode))
    if isinstance(node, Leaf)))
# Locked, too: who takes the lock of a folio that needs none is told by the one that somebody else has locked.
_FLAGS = ("dirty", "unevictable", "locked")
_FLIPPED = [flags for number in range(4) for flags in combinations(_FLAGS, number)]


def decision(kernel: ModuleType, kind: str, mode: Mode, *flipped: str) -> str:
    """What a kernel says of one folio on one CPU: "isolated", the reason, or the bug that it runs into.

    The folio is one_folio(kind, *flipped). Whatever else is wrong on one CPU comes after it: a lock or a
    reference that is kept. Other errors are raised on.
    """
    return _said(kernel, one_folio(kind, *flipped), mode)


def _said(kernel: ModuleType, folio: Folio, mode: Mode) -> str:
    locked, references = folio.locked, folio.refcount
    try:
        verdict = run_path(kernel.isolate_folio(folio, mode))
    except KernelBug as bug:
        return f"{bug.bug}: {bug}"
    if not isinstance(verdict, Verdict):
        return f"{verdict!r} is returned, which is no verdict"
    words = verdict.why or "isolated"
    if folio.locked != locked:
        words += ", and its lock is kept"
    if folio.refcount != references + verdict.isolated:
        words += f", and a reference is {'kept' if folio.refcount > references else 'missing'}"
    return words


@cache
def kernels_decision(kind: str, mode: Mode, *flipped: str) -> str:
    """The decision of the kernel with the patch, 0003e2a41468, which is asked once."""
    return decision(after, kind, mode, *flipped)


def case_text(kind: str, mode: Mode, *flipped: str) -> str:
    """The folio and the mode of a decision, in words."""
    but = f" (but {' and '.join(flipped)} flipped)" if flipped else ""
    return f"{kind}{but}, {mode}"


def compacted(kernel: ModuleType, owner: AddressSpace, mode: Mode) -> tuple[str, Result | None, Folio]:
    """What becomes of a clean folio of a mapping: why it is left, what migration says, and its target.

    "" if it is isolated, and None if it is left.
    """
    zone = zone_of("file, clean", "slab")
    src, dst = zone.folio(0), zone.folio(1)
    src.mapping = owner
    src.unevictable = mapping_unevictable(owner)        # lru_add() puts it on its list
    verdict = run_path(kernel.isolate_folio(src, mode))
    result = run_path(kernel.move_to_new_folio(dst, src, MigrateMode.SYNC)) if verdict.isolated else None
    return verdict.why, result, dst


def same_decisions(yours: ModuleType) -> list[Finding]:
    """Every kind of folio in every mode, as it is, and with PG_dirty, PG_unevictable, PG_locked flipped."""
    kinds = [kind for kind in KIND if kind != "free"]
    cases = [(kind, mode, *flipped) for kind in kinds for mode in MODES for flipped in _FLIPPED]
    decisions = [(case, decision(yours, *case), kernels_decision(*case)) for case in cases]
    differs = [(case, words, right) for case, words, right in decisions if words != right]
    hint = ""
    if differs:
        case, words, right = differs[0]
        hint = f"{case_text(*case)}: yours says {words!r}.\nAsked for is {right!r}. {_hint(words, right)}"
    return [Finding(f"{len(cases)} decisions on one CPU", f"{len(cases) - len(differs)} as asked for",
                    f"{len(cases)} as asked for", hint)]


def flag_first(yours: ModuleType) -> Finding:
    """Whether the flag is asked before the question for migrate_folio, unlike in the merged kernel.

    By a folio that can be refused for either: a caller in a hurry, dirt, no migrate_folio, and AS_UNMOVABLE.
    """
    folio = one_folio("file, dirty, no migrate_folio", "unevictable")
    mapping_set_unmovable(folio.mapping)
    words = _said(yours, folio, Mode(async_migrate=True))
    hint = "under the lock the flag comes first, whatever else could be said against the folio"
    if words == "dirty, and no migrate_folio":
        hint = ("so decides the merged kernel, kl.after, and its lines are not asked for:\n"
                "yours asks mapping_unmovable() before has_migrate_folio(), and refuses for the flag first")
    return Finding("an unmovable mapping without migrate_folio, dirty folio, in a hurry", words,
                   "mapping is unmovable", hint, at_most=1 / 6)


def _hint(words: str, expected: str) -> str:
    if "lock is kept" in words:
        return "Every way out of the lock block goes through folio_unlock(), before isolate_fail_put()"
    if "reference is" in words:
        return ("isolate_fail_put() drops the reference:\n"
                "return (yield from isolate_fail_put(folio, why)) once, at every refusal")
    if "locked by somebody else" in (words, expected):
        return "Who is locked at all? (async_migrate and dirty) or (mapping and unevictable), and nobody else"
    if (expected == "dirty, and no migrate_folio"
            or words == expected.replace("isolated", "dirty, and no migrate_folio")):
        return "has_migrate_folio() is asked of dirty folios, for a caller in a hurry only"
    if expected == "mapping is unmovable":
        return ("The flag is asked for both reasons of entering the block, "
                "after the question for migrate_folio")
    return "What does the kernel ask before this, and what only in the lock block?"
