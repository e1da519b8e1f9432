"""Exercise 01, "set the flag right"."""
from collections.abc import Callable

from ..kernels import after
from ..mapping import AS_EIO, AS_UNEVICTABLE, AS_UNMOVABLE, FLAG_NAMES, AddressSpace, mapping_unevictable, set_bit
from ..scenarios import shmem_aops, zone_of
from ..sched import run_path
from ..verdict import MigrateMode, Mode
from .report import Finding, Report, attempt, unsolved

ASKED_FOR = ("AS_EIO", "AS_UNEVICTABLE", "AS_UNMOVABLE")


def set_the_flag(answer: Callable) -> Report:
    """Exercise "set the flag right": `answer(mapping)` must do what mapping_set_unmovable() does (0003e2a41468)."""
    tried = AddressSpace("your mapping", shmem_aops)
    set_bit(AS_EIO, tried)
    begin = tried.flags
    _, failed = attempt(answer, tried)
    if failed:
        return Report([failed])
    if tried.flags == begin:
        return unsolved("your function leaves mapping.flags as it is")
    if not isinstance(tried.flags, int) or tried.freed:
        return Report([Finding("mapping.flags is a number", repr(tried.flags), "a number", "write mapping.flags |= 1 << AS_UNMOVABLE")])
    names = [FLAG_NAMES[bit] if bit < len(FLAG_NAMES) else f"bit {bit}" for bit in range(64) if tried.flags >> bit & 1]
    unevictable, unmovable = "AS_UNEVICTABLE" in names, "AS_UNMOVABLE" in names
    if unevictable and not unmovable:
        hint = "AS_UNMOVABLE is an index, not a mask: 8 is 1 << 3, so `flags |= AS_UNMOVABLE` sets AS_UNEVICTABLE"
    elif unmovable:
        hint = "after.isolate_folio() locks a clean folio, and reads its mapping, only when the folio is unevictable"
    else:
        hint = "write set_bit(AS_UNMOVABLE, mapping) or mapping.flags |= 1 << AS_UNMOVABLE"
    return Report([
        Finding("AS_UNMOVABLE is set", _yes(unmovable), "yes", hint),
        Finding("AS_UNEVICTABLE is set", _yes(unevictable), "yes", hint),
        Finding("AS_EIO, set before, is still set", _yes("AS_EIO" in names), "yes", "add to the flags with |=; = throws the others away"),
        Finding("no other flag is set", ", ".join(name for name in names if name not in ASKED_FOR) or "none", "none",
                "a flag's bit is 1 << flag; a sum or a product of flags is another flag"),
        Finding("a clean folio of the mapping, as compaction sees it", _fate(tried)[0], "mapping is unmovable", hint),
    ])


def why_both(predictions: dict[str, str]) -> Report:
    """Exercise "why both bits?": what becomes of a clean folio whose mapping has one flag, the other, or both.

    `predictions` maps "AS_UNEVICTABLE alone", "AS_UNMOVABLE alone" and "both" to "moved", "isolated in vain" or "left alone".
    """
    hints = {
        "AS_UNEVICTABLE alone": "unevictable is about reclaim: ramfs and mlocked pages are unevictable, and they migrate",
        "AS_UNMOVABLE alone": "nobody locks a clean evictable folio, so nobody reads the flag until move_to_new_folio() does",
        "both": "PG_unevictable makes the scanner take the lock, and under it the scanner reads AS_UNMOVABLE",
    }
    if not isinstance(predictions, dict) or all(predictions.get(case, ...) is ... for case in hints):
        return unsolved("write your predictions in place of the dots")
    findings = []
    for case, hint in hints.items():
        mapping_of_case = AddressSpace(case, shmem_aops)
        for flag in (AS_UNEVICTABLE, AS_UNMOVABLE):
            if case in ("both", f"{FLAG_NAMES[flag]} alone"):
                set_bit(flag, mapping_of_case)
        findings.append(Finding(f"your prediction for {case}", str(predictions.get(case)), _fate(mapping_of_case)[1], hint))
    return Report(findings)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _fate(owner: AddressSpace) -> tuple[str, str]:
    """What the scanner says of a clean folio of this mapping, and what becomes of it: moved, isolated in vain, left alone."""
    zone = zone_of("file, clean", "slab")
    src = zone.folio(0)
    src.mapping, src.unevictable = owner, mapping_unevictable(owner)      # lru_add() puts it on its list
    verdict = run_path(after.isolate_folio(src, Mode()))
    if not verdict.isolated:
        return verdict.why, "left alone"
    result = run_path(after.move_to_new_folio(zone.folio(1), src, MigrateMode.SYNC))
    return "isolated", "isolated in vain" if result else "moved"
