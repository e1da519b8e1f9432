"""Exercise 12, "split the flag again": a kernel with two flags, as the RFC of June 2026 proposes."""
from inspect import isgeneratorfunction
from types import ModuleType

from ..concurrency.tree import StandIn
from ..kernels import after, made_of
from ..mm.mapping import AS_UNMOVABLE
from ..mm.verdict import MigrateMode, Mode
from ..races import truncation_race
from ..scenarios import KIND
from .every_order import every_order
from .ex12_partial_truncation import folio_zero_range, partial_race, partial_truncation
from .ex12_two_flags import AS_INACCESSIBLE, COMBINATIONS, inaccessible_step, marked, two_setters
from .given_beginning import up_to_the_lock
from .one_cpu import compacted, flag_first, same_decisions
from .one_migration import Moved, kernels_move
from .report import INSTRUCTIONS, Finding, Report, attempt, unsolved
from .tries import in_steps
from .yielded_steps import LOCKS, every_step_is_yielded, step_names, the_lock_is_tried

__all__ = ["AS_INACCESSIBLE", "folio_zero_range", "inaccessible_step", "made_of", "partial_race",
           "partial_truncation", "split_kernel", "two_setters", "up_to_the_lock"]


@in_steps("both functions ask mapping_unmovable() and nobody asks mapping_inaccessible(): your lock "
          "block of exercise "
          "07, and the merged move_to_new_folio()")
def split_kernel(kernel: ModuleType) -> Report:
    """Exercise "who asks which flag?": isolate_folio() and move_to_new_folio() of a learner's kernel.

    Only AS_UNMOVABLE keeps a folio in it, and it is asked first under the lock, as in exercise 07. Points are
    for what is safe in every order.
    """
    isolate_folio = getattr(kernel, "isolate_folio", None)
    steps, failed = set(), None
    if isgeneratorfunction(isolate_folio):
        steps, failed = attempt(step_names, isolate_folio)
    if failed:
        return Report([failed])
    if not steps & {*LOCKS, "mapping_unmovable", "mapping_inaccessible"}:
        return unsolved("your isolate_folio() takes no folio lock and asks for no flag: "
                        "write the lock block, then move_to_new_folio()")
    findings = [every_step_is_yielded(isolate_folio, StandIn("folio"), Mode(async_migrate=True)),
                the_lock_is_tried(steps)]
    for check in (lambda yours: [flag_first(yours)], same_decisions, _combinations, _moves, _orders):
        found, failed = attempt(check, kernel, limit=5 * INSTRUCTIONS)
        if failed:
            return Report([failed])
        findings += found
    return Report(findings)


def _orders(kernel: ModuleType) -> list[Finding]:
    migrating = (truncation_race(kernel, migrate=True),
                 truncation_race(kernel, migrate=True, unevictable=False, dirty=False))
    return every_order(kernel, *migrating, expression="kernel")


def _combinations(kernel: ModuleType) -> list[Finding]:
    """The four combinations of the two flags, on one CPU.

    The kernel with the patch knows nothing of the second, and is right.
    """
    findings = []
    for case, flags in COMBINATIONS.items():
        came_out, expected = _fate(kernel, flags, Mode()), _fate(after, flags, Mode())
        if AS_UNMOVABLE in flags and AS_INACCESSIBLE in flags:
            hint = "AS_UNMOVABLE keeps it, whatever the other flag says"
        elif AS_UNMOVABLE in flags:
            hint = ("this is still the merged kernel, 27e6a24a4cf3:\n"
                    "compaction asks for the flag that is about access. Ask mapping_unmovable()")
        elif flags:
            hint = ("nobody but truncation asks mapping_inaccessible():\n"
                    "what the CPU must not touch may be moved by whoever can, and then stays unevictable")
        else:
            hint = "a folio whose mapping has no flag moves, as it always did"
        findings.append(Finding(f"a clean folio of a mapping with {case}", came_out, expected, hint))
    fates = ([_fate(one, flags, Mode(unevictable=False)) for flags in COMBINATIONS.values()]
             for one in (kernel, after))
    came_out, expected = map(" | ".join, fates)
    return [*findings, Finding("the same four with vm.compact_unevictable_allowed = 0", came_out, expected,
                               "whoever does not want unevictable folios refuses them before anybody locks "
                               "them or reads a flag")]


def _fate(kernel: ModuleType, flags: tuple[int, ...], mode: Mode) -> str:
    why, result, dst = compacted(kernel, marked(flags), mode)
    if why:
        return f"left alone: {why}"
    if result:
        return f"isolated in vain: {result}"
    return "moved, and still unevictable" if dst.unevictable else "moved"


def _moves(kernel: ModuleType) -> list[Finding]:
    """move_to_new_folio() alone: its steps, the backstop before any callback, and all else as it was."""
    cases = [(kind, False, mode) for kind in KIND if kind not in ("free", "slab", "page table")
             for mode in MigrateMode]
    moved = {case: (Moved(kernel.move_to_new_folio, *case).text, kernels_move(*case).text) for case in cases}
    differs = [(case, yours, kernels) for case, (yours, kernels) in moved.items() if yours != kernels]
    hint = ""
    if differs:
        (kind, _, mode), yours, kernels = differs[0]
        hint = (f"{kind}, {mode}: yours says {yours}, the kernel {kernels}. NULL: migrate_folio(); "
                "then the flag; then the callback; then the fallback")
    yielded = every_step_is_yielded(kernel.move_to_new_folio)
    return [yielded._replace(tried="every step of move_to_new_folio() is yielded"),
            Finding("a folio that slipped through, its mapping unmovable",
                    *moved["guest_memfd", False, MigrateMode.SYNC],
                    "the backstop:\nin move_to_new_folio() return Result.EOPNOTSUPP for an unmovable "
                    "mapping, before any callback is asked"),
            Finding(f"{len(cases)} moves on one CPU", f"{len(cases) - len(differs)} as the kernel's",
                    f"{len(cases)} as the kernel's", hint)]
