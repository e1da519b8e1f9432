"""Exercise 12, "split the flag again": AS_INACCESSIBLE and AS_UNMOVABLE, two setters and a step."""
from collections.abc import Callable

from ..mm.a_ops import shmem_aops
from ..mm.mapping import (AS_ENOSPC, AS_UNMOVABLE, FLAG_NAMES, AddressSpace, mapping_set_unevictable, set_bit,
                          test_bit)
from ..step import KernelBug, Step
from .flags import flags_after, flags_set
from .report import Finding, Report, attempt, claim, shown, unsolved
from .tries import in_steps

AS_INACCESSIBLE = 9         # the first that is free in the model: AS_UNMOVABLE has kept the patch's 8
NAMES = (*FLAG_NAMES, "AS_INACCESSIBLE")
COMBINATIONS = {"neither flag": (), "AS_UNMOVABLE alone": (AS_UNMOVABLE,),
                "AS_INACCESSIBLE alone": (AS_INACCESSIBLE,), "both flags": (AS_UNMOVABLE, AS_INACCESSIBLE)}

def marked(flags: tuple[int, ...]) -> AddressSpace:
    """A new mapping with these flags, and with the one that both imply."""
    mapping = AddressSpace("A", shmem_aops)
    for flag in flags:
        set_bit(flag, mapping)
        mapping_set_unevictable(mapping)
    return mapping


@in_steps("each setter has two lines: set_bit(AS_UNEVICTABLE, mapping), and set_bit() with its own flag")
def two_setters(set_unmovable: Callable, set_inaccessible: Callable) -> Report:
    """Exercise "two setters": each sets its flag and AS_UNEVICTABLE, no other (include/linux/pagemap.h)."""
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
                 f"{' and '.join(NAMES[bit] for bit in range(4) if flag >> bit & 1)}. "
                 "In KVM's tree that slip lived for some weeks")
    implied = {AS_UNMOVABLE: (
        "the scanner locks a clean folio, and reads its mapping's flag, only when the folio is unevictable"),
               AS_INACCESSIBLE: (
                   "what the CPU must not read it cannot write out either: "
                   "reclaim must leave it alone, so both flags imply AS_UNEVICTABLE")}
    alone = index
    if NAMES[other] in names:
        alone = f"the two are independent:\n{name} says nothing about {NAMES[other]}"
    elif NAMES[AS_ENOSPC] not in names:
        alone = "set bits with |=, by their index:\n= throws the others away"
    return [claim(f"the setter of {name} sets {name}", name in names, index),
            claim(f"the setter of {name} sets AS_UNEVICTABLE", "AS_UNEVICTABLE" in names, implied[flag]),
            Finding(f"besides these, a mapping that had {NAMES[AS_ENOSPC]} has",
                    ", ".join(rest) or "nothing", NAMES[AS_ENOSPC], alone)]


@in_steps("return test_bit(AS_INACCESSIBLE, mapping)")
def inaccessible_step(mapping_inaccessible: Callable) -> Report:
    """Exercise "one step": mapping_inaccessible(mapping) is a step that tests one bit of a mapping.

    Which must be alive.
    """
    step, failed = attempt(mapping_inaccessible, marked(()))
    if failed:
        return Report([failed])
    if not isinstance(step, Step):
        return Report([Finding("mapping_inaccessible(mapping) is a step", shown(step), "a step",
                               "leave @kl.atomic above the function:\nit makes a step of it")])
    answers = {case: _answer(mapping_inaccessible, marked(flags)) for case, flags in COMBINATIONS.items()}
    freed, reused = marked((AS_INACCESSIBLE,)), marked((AS_INACCESSIBLE,))
    freed.freed, reused.reused = True, True
    if set(answers.values()) == {"None"}:
        return unsolved("your step answers nothing: return whether the flag is set")
    alive = ("read the flag by test_bit(AS_INACCESSIBLE, mapping), "
             "which follows the pointer as the kernel does: a read past it goes unnoticed")
    findings = [Finding(f"a mapping with {case} is inaccessible", answers[case],
                        str(test_bit(AS_INACCESSIBLE, marked(flags))),
                        "one bit is asked, the one with the index AS_INACCESSIBLE, "
                        "and the answer is True or False")
                for case, flags in COMBINATIONS.items()]
    for what, mapping in (("a mapping that was freed", freed), ("a mapping whose memory was reused", reused),
                          ("NULL", None)):
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
