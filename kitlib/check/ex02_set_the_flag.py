"""Exercise 02, "set the flag right"."""
from collections.abc import Callable

from ..kernels import after
from ..mm.a_ops import shmem_aops
from ..mm.mapping import AS_EIO, AS_UNEVICTABLE, AS_UNMOVABLE, FLAG_NAMES, AddressSpace, set_bit
from ..mm.verdict import Mode
from .flags import flags_after, flags_set
from .one_cpu import compacted
from .report import Finding, Report, attempt, by_name, claim, compared, shown, unsolved

__all__ = ["set_the_flag", "why_both"]

_WRITE = "write set_bit(AS_UNMOVABLE, mapping) or mapping.flags |= 1 << AS_UNMOVABLE"
_ASKED_FOR = ("AS_EIO", "AS_UNEVICTABLE", "AS_UNMOVABLE")


def set_the_flag(answer: Callable) -> Report:
    """Exercise "set the flag right": `answer(mapping)` is mapping_set_unmovable() (0003e2a41468)."""
    tried = AddressSpace("your mapping", shmem_aops)
    set_bit(AS_EIO, tried)
    begin = tried.flags
    flags, failed = attempt(flags_after, answer, tried)
    if failed:
        return Report([failed])
    if flags == begin:
        return unsolved("your function leaves mapping.flags as it is")
    if flags is None:
        return Report([Finding("mapping.flags is a number", shown(tried.flags), "a number", _WRITE)])
    again, failed = attempt(flags_after, answer, tried)
    names = flags_set(flags, FLAG_NAMES)
    others = [name for name in names if name not in _ASKED_FOR]
    hint = _hint(names)
    findings = [
        claim("AS_UNMOVABLE is set", "AS_UNMOVABLE" in names, hint),
        claim("AS_UNEVICTABLE is set", "AS_UNEVICTABLE" in names, hint),
        claim("AS_EIO, set before, is still set", "AS_EIO" in names,
              "add to the flags with |=; = throws the others away"),
        Finding("no other flag is set", ", ".join(others) or "none", "none",
                "a flag's bit is 1 << flag; a sum or a product of flags is another flag"),
        Finding("a clean folio of the mapping, as compaction sees it", _fate(flags)[0],
                "mapping is unmovable", hint),
    ]
    if again != flags:
        findings.append(Finding("called once more, it changes nothing", "other flags", "the same flags",
                                "a bit that is set must stay as it is: + and ^ change it, | does not"))
    return Report(findings)


def _hint(names: list[str]) -> str:
    if "AS_UNMOVABLE" in names:
        return ("after.isolate_folio() locks a clean folio, and reads its mapping, "
                "only when the folio is unevictable")
    if "AS_UNEVICTABLE" in names:
        return ("AS_UNMOVABLE is an index, not a mask: "
                "8 is 1 << 3, so `flags |= AS_UNMOVABLE` sets AS_UNEVICTABLE")
    return _WRITE


def why_both(predictions: dict[str, str]) -> Report:
    """Exercise "why both bits?": what becomes of a clean folio whose mapping has one of the flags, or both.

    `predictions` maps "AS_UNEVICTABLE alone", "AS_UNMOVABLE alone" and "both" to "moved", "isolated in vain"
    or "left alone".
    """
    unevictable, unmovable = 1 << AS_UNEVICTABLE, 1 << AS_UNMOVABLE
    cases = {
        "AS_UNEVICTABLE alone": (
            unevictable, "unevictable is about reclaim: "
                         "SHM_LOCKed and mlocked pages are unevictable, and they migrate"),
        "AS_UNMOVABLE alone": (
            unmovable, "nobody locks a clean evictable folio, so nobody reads the flag until "
                       "move_to_new_folio() does"),
        "both": (
            unevictable | unmovable,
            "PG_unevictable makes the scanner take the lock, and under it the scanner reads AS_UNMOVABLE"),
    }
    answers = by_name(predictions, cases)
    if not answers:
        return unsolved("write your predictions in place of the dots")
    return Report([compared(f"your prediction for {case}", answers[case], _fate(flags)[1], hint)
                   for case, (flags, hint) in cases.items()])


def _fate(flags: int) -> tuple[str, str]:
    """What the scanner says of a clean folio of a mapping with these flags, and what becomes of it.

    Moved, isolated in vain, or left alone.
    """
    why, result, _ = compacted(after, AddressSpace("A", shmem_aops, flags), Mode())
    if why:
        return why, "left alone"
    return "isolated", "isolated in vain" if result else "moved"
