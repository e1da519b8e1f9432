"""Exercise 02, "set the flag right"."""
from collections.abc import Callable

from ..kernels import after
from ..mm.a_ops import shmem_aops
from ..mm.mapping import AS_EIO, AS_UNEVICTABLE, AS_UNMOVABLE, FLAG_NAMES, AddressSpace, set_bit
from ..mm.verdict import Mode
from .flags import flags_after, flags_set
from .one_cpu import compacted
from .report import Finding, Report, attempt, by_name, claim, compared, seed_of, shown, unsolved
from .sentence_sets import TWO_FLAGS
from .sentences import TRUE_SENTENCES, Lettered, judged, lettered
from .tries import FEW, in_steps

__all__ = ["flag_for", "flag_sentences", "set_the_flag", "why_both"]

_WRITE = ("a flag is the index of a bit:\n"
          "write set_bit(AS_UNMOVABLE, mapping) or mapping.flags |= 1 << AS_UNMOVABLE")
_MERGED = "bit 8, the merged patch's AS_UNMOVABLE"
_ASKED_FOR = ("AS_EIO", "AS_UNEVICTABLE", "AS_UNMOVABLE")


def flag_for(learner: str = "") -> int:
    """The number of AS_UNMOVABLE in a learner's kernel: not the patch's own, 8, and of no release."""
    return 10 + seed_of(learner) % 6


@in_steps("two lines, one for each flag, each with |= 1 << flag or set_bit(flag, mapping)")
def set_the_flag(answer: Callable, learner: str = "") -> Report:
    """Exercise "set the flag right": `answer(mapping)` is mapping_set_unmovable() (0003e2a41468).

    Its AS_UNMOVABLE is flag_for(learner).
    """
    flag = flag_for(learner)
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
    names = flags_set(flags, _names(flag))
    others = [name for name in names if name not in _ASKED_FOR]
    hint = _hint(names, flag)
    findings = [
        claim("AS_UNMOVABLE is set", "AS_UNMOVABLE" in names, hint),
        claim("AS_UNEVICTABLE is set", "AS_UNEVICTABLE" in names, hint),
        claim("AS_EIO, set before, is still set", "AS_EIO" in names,
              "the mapping had a flag before you came:\nadd to the flags with |=; = throws the others away"),
        Finding("no other flag is set", ", ".join(others) or "none", "none",
                "a flag's bit is 1 << flag;\na sum or a product of flags is another flag",
                at_most=float(_MERGED not in others)),
        Finding("a clean folio of the mapping, as compaction sees it", _fate(_as_merged(flags, flag))[0],
                "mapping is unmovable", hint),
    ]
    if again != flags:
        findings.append(Finding("called once more, it changes nothing", "other flags", "the same flags",
                                "a bit that is set must stay as it is:\n+ and ^ change it, | does not"))
    return Report(findings)


def _names(flag: int) -> tuple[str, ...]:
    names = [*FLAG_NAMES, *(f"bit {bit}" for bit in range(len(FLAG_NAMES), 16))]
    names[AS_UNMOVABLE], names[flag] = _MERGED, "AS_UNMOVABLE"
    return tuple(names)


def _as_merged(flags: int, flag: int) -> int:
    """These flags with AS_UNMOVABLE where the patch has it, as `after` reads them."""
    return flags & ~(1 << AS_UNMOVABLE) | (flags >> flag & 1) << AS_UNMOVABLE


def _hint(names: list[str], flag: int) -> str:
    if _MERGED in names:
        return (f"bit 8 is set, which is AS_UNMOVABLE of the merged patch:\nin your kernel its number "
                f"is {flag}, "
                "so mapping_set_unmovable() and kl.AS_UNMOVABLE do not help")
    if "AS_UNMOVABLE" in names:
        return ("one bit alone is not enough:\nafter.isolate_folio() locks a clean folio, and reads its "
                "mapping, "
                "only when the folio is unevictable")
    if "AS_UNEVICTABLE" in names:
        slip = " and ".join(FLAG_NAMES[bit] for bit in range(4) if flag >> bit & 1)
        return ("AS_UNMOVABLE is an index, not a mask:\n"
                f"{flag} is {flag:#b}, so `flags |= AS_UNMOVABLE` sets {slip}")
    return _WRITE


@in_steps("the scanner reads AS_UNMOVABLE only of folios that it locks, and it locks a clean one only "
          "if it is "
          "unevictable. Migration reads it of all that it gets", FEW)
def why_both(predictions: dict[str, str], learner: str = "") -> Report:
    """Exercise "why both bits?": what becomes of a clean folio whose mapping has one of the flags, or both.

    `predictions` maps "AS_UNEVICTABLE alone", "AS_UNMOVABLE alone" and "both" to "moved", "isolated in vain"
    or "left alone", and TRUE_SENTENCES to the letters of the true sentences of flag_sentences(learner).
    """
    unevictable, unmovable = 1 << AS_UNEVICTABLE, 1 << AS_UNMOVABLE
    cases = {
        "AS_UNEVICTABLE alone": (
            unevictable, "unevictable is about reclaim:\n"
                         "SHM_LOCKed and mlocked pages are unevictable, and they migrate"),
        "AS_UNMOVABLE alone": (
            unmovable, "nobody locks a clean evictable folio,\nso nobody reads the flag until "
                       "move_to_new_folio() does"),
        "both": (
            unevictable | unmovable,
            "PG_unevictable makes the scanner take the lock,\nand under it the scanner reads AS_UNMOVABLE"),
    }
    answers = by_name(predictions, (*cases, TRUE_SENTENCES))
    if not answers:
        return unsolved("write your predictions in place of the dots")
    return Report([*(compared(f"your prediction for {case}", answers[case], _fate(flags)[1], hint)
                     for case, (flags, hint) in cases.items()),
                   judged(TWO_FLAGS, answers[TRUE_SENTENCES], learner)])


def flag_sentences(learner: str = "") -> Lettered:
    """Seven sentences about the two flags, some of them true."""
    return lettered(TWO_FLAGS, learner)


def _fate(flags: int) -> tuple[str, str]:
    """What the scanner says of a clean folio of a mapping with these flags, and what becomes of it.

    Moved, isolated in vain, or left alone.
    """
    why, result, _ = compacted(after, AddressSpace("A", shmem_aops, flags), Mode())
    if why:
        return why, "left alone"
    return "isolated", "isolated in vain" if result else "moved"
