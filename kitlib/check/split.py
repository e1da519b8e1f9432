"""Exercise 12, "split the flag again": AS_INACCESSIBLE and AS_UNMOVABLE as two flags, as the RFC of June 2026 proposes.

What truncation does about the first of them is in partial.py.
"""
from collections.abc import Callable
from inspect import isgeneratorfunction
from types import ModuleType

from ..concurrency.tree import StandIn
from ..kernels import after
from ..mm.a_ops import shmem_aops
from ..mm.mapping import (AS_ENOSPC, AS_UNMOVABLE, FLAG_NAMES, AddressSpace, mapping_set_unevictable, set_bit,
                          test_bit)
from ..mm.verdict import MigrateMode, Mode
from ..races import truncation_race
from ..scenarios import KIND
from ..step import KernelBug, Step
from .backstop import Moved, kernels_move
from .flags import flags_after, flags_set
from .kernel import LOCKS, every_order, same_decisions, the_lock_is_tried
from .paths import compacted, every_step_is_yielded, step_names
from .report import INSTRUCTIONS, Finding, Report, attempt, claim, shown, unsolved

AS_INACCESSIBLE = 9                 # the first number that is free in the model, where AS_UNMOVABLE has kept the patch's 8
NAMES = (*FLAG_NAMES, "AS_INACCESSIBLE")
COMBINATIONS = {"neither flag": (), "AS_UNMOVABLE alone": (AS_UNMOVABLE,), "AS_INACCESSIBLE alone": (AS_INACCESSIBLE,),
                "both flags": (AS_UNMOVABLE, AS_INACCESSIBLE)}
MADE = "kernel"                     # what the notebook calls the learner's kernel


def marked(flags: tuple[int, ...]) -> AddressSpace:
    """A new mapping with these flags, and with the one that both imply."""
    mapping = AddressSpace("A", shmem_aops)
    for flag in flags:
        set_bit(flag, mapping)
        mapping_set_unevictable(mapping)
    return mapping


def two_setters(set_unmovable: Callable, set_inaccessible: Callable) -> Report:
    """Exercise "two setters": each sets its own flag and AS_UNEVICTABLE, and nothing else (include/linux/pagemap.h)."""
    findings, untouched = [], 0
    for setter, flag in ((set_unmovable, AS_UNMOVABLE), (set_inaccessible, AS_INACCESSIBLE)):
        mapping = AddressSpace("yours", shmem_aops)
        set_bit(AS_ENOSPC, mapping)
        begin = mapping.flags
        flags, failed = attempt(flags_after, setter, mapping)
        untouched += not failed and flags == begin
        findings += [failed] * 3 if failed else _set(flags or 0, flag)
    return unsolved("your setters leave mapping.flags as it is") if untouched == 2 else Report(findings)


def _set(flags: int, flag: int) -> list[Finding]:
    name, other, names = NAMES[flag], AS_UNMOVABLE + AS_INACCESSIBLE - flag, flags_set(flags, NAMES)
    rest = [one for one in names if one not in (name, "AS_UNEVICTABLE")]
    index = f"write set_bit({name}, mapping) or mapping.flags |= 1 << {name}"
    if flags & flag == flag and name not in names:
        index = (f"{name} is an index, not a mask: {flag} is {flag:#b}, so `flags |= {name}` sets "
                 f"{' and '.join(NAMES[bit] for bit in range(4) if flag >> bit & 1)}. In KVM's tree that slip lived for some weeks")
    implied = {AS_UNMOVABLE: "the scanner locks a clean folio, and reads its mapping's flag, only when the folio is unevictable",
               AS_INACCESSIBLE: "what the CPU must not read it cannot write out either: reclaim must leave it alone, so both flags imply AS_UNEVICTABLE"}
    alone = (f"the two are independent: {name} says nothing about {NAMES[other]}" if NAMES[other] in names else
             "set bits with |=, by their index: = throws the others away" if NAMES[AS_ENOSPC] not in names else index)
    return [claim(f"the setter of {name} sets {name}", name in names, index),
            claim(f"the setter of {name} sets AS_UNEVICTABLE", "AS_UNEVICTABLE" in names, implied[flag]),
            Finding(f"besides these, a mapping that had {NAMES[AS_ENOSPC]} has", ", ".join(rest) or "nothing", NAMES[AS_ENOSPC], alone)]


def inaccessible_step(mapping_inaccessible: Callable) -> Report:
    """Exercise "one step": mapping_inaccessible(mapping) is a step that tests one bit of a mapping that must be alive."""
    step, failed = attempt(mapping_inaccessible, marked(()))
    if failed:
        return Report([failed])
    if not isinstance(step, Step):
        return Report([Finding("mapping_inaccessible(mapping) is a step", shown(step), "a step", "leave @kl.atomic above the function: it makes a step of it")])
    answers = {case: _answer(mapping_inaccessible, marked(flags)) for case, flags in COMBINATIONS.items()}
    freed, reused = marked((AS_INACCESSIBLE,)), marked((AS_INACCESSIBLE,))
    freed.freed, reused.reused = True, True
    if set(answers.values()) == {"None"}:
        return unsolved("your step answers nothing: return whether the flag is set")
    alive = "read the flag by test_bit(AS_INACCESSIBLE, mapping), which follows the pointer as the kernel does: a read past it goes unnoticed"
    findings = [Finding(f"a mapping with {case} is inaccessible", answers[case], str(test_bit(AS_INACCESSIBLE, marked(flags))),
                        "one bit is asked, the one with the index AS_INACCESSIBLE, and the answer is True or False")
                for case, flags in COMBINATIONS.items()]
    for what, mapping in (("a mapping that was freed", freed), ("a mapping whose memory was reused", reused), ("NULL", None)):
        expected = _bug(lambda mapping=mapping: test_bit(AS_INACCESSIBLE, mapping))
        findings.append(Finding(f"{what} is read", _answer(mapping_inaccessible, mapping), expected, alive))
    return Report(findings)


def _bug(act: Callable) -> str:
    try:
        return str(act())
    except KernelBug as bug:
        return bug.bug


def _answer(primitive: Callable, mapping: AddressSpace | None) -> str:
    answer, failed = attempt(lambda: _bug(primitive(mapping).do))
    return failed.came_out if failed else answer


def split_kernel(kernel: ModuleType) -> Report:
    """Exercise "who asks which flag?": isolate_folio() and move_to_new_folio() of a kernel in which only AS_UNMOVABLE keeps a folio."""
    isolate_folio = getattr(kernel, "isolate_folio", None)
    steps, failed = attempt(step_names, isolate_folio) if isgeneratorfunction(isolate_folio) else (set(), None)
    if failed:
        return Report([failed])
    if not steps & {*LOCKS, "mapping_unmovable", "mapping_inaccessible"}:
        return unsolved("your isolate_folio() takes no folio lock and asks for no flag: write the lock block, then move_to_new_folio()")
    findings = [every_step_is_yielded(isolate_folio, StandIn("folio"), Mode(async_migrate=True)), the_lock_is_tried(steps)]
    for check in (same_decisions, _combinations, _moves, _orders):
        found, failed = attempt(check, kernel, limit=5 * INSTRUCTIONS)
        if failed:
            return Report([failed])
        findings += found
    return Report(findings)


def _orders(kernel: ModuleType) -> list[Finding]:
    migrating = (truncation_race(kernel, migrate=True), truncation_race(kernel, migrate=True, unevictable=False, dirty=False))
    return every_order(kernel, *migrating, made=MADE)


def _combinations(kernel: ModuleType) -> list[Finding]:
    """The four combinations of the two flags, on one CPU; the kernel with the patch knows nothing of the second, and is right."""
    findings = []
    for case, flags in COMBINATIONS.items():
        came_out, expected = _fate(kernel, flags, Mode()), _fate(after, flags, Mode())
        if AS_UNMOVABLE in flags:
            hint = ("this is still the merged kernel, 27e6a24a4cf3: compaction asks for the flag that is about access. Ask mapping_unmovable()"
                    if AS_INACCESSIBLE not in flags else "AS_UNMOVABLE keeps it, whatever the other flag says")
        elif flags:
            hint = ("nobody but truncation asks mapping_inaccessible(): what the CPU must not touch may be moved by whoever can, "
                    "and then stays unevictable")
        else:
            hint = "a folio whose mapping has no flag moves, as it always did"
        findings.append(Finding(f"a clean folio of a mapping with {case}", came_out, expected, hint))
    came_out, expected = ([_fate(one, flags, Mode(unevictable=False)) for flags in COMBINATIONS.values()] for one in (kernel, after))
    return [*findings, Finding("the same four with vm.compact_unevictable_allowed = 0", " | ".join(came_out), " | ".join(expected),
                               "whoever does not want unevictable folios refuses them before anybody locks them or reads a flag")]


def _fate(kernel: ModuleType, flags: tuple[int, ...], mode: Mode) -> str:
    why, result, dst = compacted(kernel, marked(flags), mode)
    if why:
        return f"left alone: {why}"
    return f"isolated in vain: {result}" if result else "moved" + ", and still unevictable" * dst.unevictable


def _moves(kernel: ModuleType) -> list[Finding]:
    """move_to_new_folio() alone: its steps are yielded, the backstop comes before any callback, and all else is as before."""
    cases = [(kind, mode) for kind in KIND if kind not in ("free", "slab", "page table") for mode in MigrateMode]
    moved = {case: [Moved(kernel.move_to_new_folio, case[0], False, case[1]).text, kernels_move(case[0], False, case[1]).text] for case in cases}
    differs = [case for case, (mine, kernels) in moved.items() if mine != kernels]
    hint = ""
    if differs:
        (kind, mode), (mine, kernels) = differs[0], moved[differs[0]]
        hint = f"{kind}, {mode}: yours says {mine}, the kernel {kernels}. NULL: migrate_folio(); then the flag; then the callback; then the fallback"
    return [every_step_is_yielded(kernel.move_to_new_folio)._replace(tried="every step of move_to_new_folio() is yielded"),
            Finding("a folio that slipped through, its mapping unmovable", *moved["guest_memfd", MigrateMode.SYNC],
                    "the backstop: in move_to_new_folio() return Result.EOPNOTSUPP for an unmovable mapping, before any callback is asked"),
            Finding(f"{len(cases)} moves on one CPU", f"{len(cases) - len(differs)} as the kernel's", f"{len(cases)} as the kernel's", hint)]
