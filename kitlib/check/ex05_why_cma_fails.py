"""Exercise 05, "why does CMA fail?": whom alloc_contig_range() cannot move, for how long, what mends it."""
import random
from collections.abc import Callable, Iterable, Mapping

from ..compaction.compact_zone import compact_zone
from ..compaction.control import control_for
from ..mm.a_ops import GMEM
from ..mm.mapping import AS_UNMOVABLE, clear_bit
from ..mm.verdict import Result
from ..mm.zone import Zone
from .ex05_cma_zone import (END, START, Holders, allocate_elsewhere, blockers, contig, contig_for,
                            drivers_pages, is_drivers, is_free, is_pfn, later, pages_in_use, zone_for,
                            zone_map_for)
from .one_cpu import REASONS_TO_STAY
from .report import Finding, Report, attempt, begun, compared, example, seed_of, shown, text_of, unsolved
from .sentence_sets import PLACEMENT
from .sentences import Lettered, judged, lettered
from .tries import CHOSEN, FEW, in_steps

__all__ = [
    "REASONS_TO_STAY",
    "contig_for",
    "mended",
    "now_or_never",
    "pages_in_use",
    "placement_sentences",
    "preparations_for",
    "the_preparation",
    "why_it_fails",
    "zone_map_for",
]

_GOES = "goes"


@in_steps("ask of each row of the table: on the LRU? a reference too many? unevictable and locked? "
          "AS_UNMOVABLE? "
          "-EAGAIN is for what is isolated all the same", CHOSEN)
def why_it_fails(blocking: dict[int, str], learner: str) -> Report:
    """Exercise "why does CMA fail?": who blocks alloc_contig_range() (mm/page_alloc.c, 0003e2a41468).

    `blocking` has the pfns, each with its reason or code.
    """
    if not isinstance(blocking, Mapping) or not begun(blocking):
        return unsolved('write which pages stay, and why, as blocking = '
                        '{17: "mapping is unmovable", 230: "-EAGAIN"}')
    # Pages that go are not asked for: who writes them down as well earns nothing with them.
    answers = {pfn: why for pfn, why in blocking.items() if begun(why) and text_of(why).casefold() != _GOES}
    return Report(_reasons(answers, learner) + _no_pfns(answers), elsewhere=example(
        lambda name: pages_in_use(name).to_string(), _right, learner))


def _reasons(answers: dict, learner: str) -> list[Finding]:
    zone = zone_for(learner)
    stays, findings = blockers(zone), []
    for pfn in sorted(pfn for pfn in answers if is_pfn(pfn)):
        answer, expected = answers[pfn], stays.get(pfn, _GOES)
        hint = _why_hint(zone, pfn, expected, text_of(answer))
        code = f"-{text_of(answer).upper()}"                    # of whoever leaves out the minus
        findings.append(compared(f"pfn {pfn}", code if code == expected else answer, expected, hint))
    forgotten = sorted(set(stays) - set(answers))
    return findings + _not_named(forgotten, "pages that stay and that you have not named", [
        _FORGOTTEN.get(stays[pfn], "") for pfn in forgotten])


def _not_named(pfns: list[int], tried: str, hints: list[str]) -> list[Finding]:
    """A finding for each forgotten page; which it is is not told."""
    return [Finding(f"{tried}, {number} of {len(pfns)}", "not named", "named", hint)
            for number, hint in enumerate(hints, 1)]


def _right(learner: str) -> list[Finding]:
    return [compared(f"pfn {pfn}", None, why) for pfn, why in blockers(zone_for(learner)).items()]


def _no_pfns(answers: Iterable) -> list[Finding]:
    hint = f"write pfns, numbers from {START} to {END - 1}"
    return [Finding(shown(pfn), "no pfn", "a pfn", hint) for pfn in answers if not is_pfn(pfn)]


_FORGOTTEN = {
    "mapping is unmovable": "one more belongs to the file whose mapping can never move:\nlook at its "
                            "AS_ flags",
    "locked by somebody else": "one more is locked, unevictable, and has a mapping:\nthe scanner never "
                               "waits for it",
    "not on the LRU": "one more has no PG_lru:\nit waits in a CPU's batch, and the scanner asks for "
                      "that first",
    "no mapping, extra references": "count references:\none anonymous page has more than page tables hold",
    "-EAGAIN": "count references:\none file page has more than page tables and page cache hold, so "
               "migration gives up",
}


def _why_hint(zone: Zone, pfn: int, expected: str, answer: str) -> str:
    folio = zone.folio(pfn)
    if expected == _GOES:
        if is_free(zone, pfn):
            return "the page is free"
        if folio.unevictable:
            return ("unevictable is not unmovable:\nCMA takes unevictable folios whatever "
                    "vm.compact_unevictable_allowed says, and this one moves")
        if folio.locked or folio.writeback or folio.dirty:
            return ("alloc_contig_range() migrates with MIGRATE_SYNC:\n"
                    "it waits for locks and writeback, and writes dirt out")
        return "nothing holds it:\nit is isolated and moves"
    if expected == "-EAGAIN" and answer == _GOES:
        return ("count its references:\npage tables, page cache, and one more, "
                "so migration never gets it for itself")
    if expected == "-EAGAIN" and answer.startswith("-"):
        return ("folio_migrate_mapping() says it whenever it finds a reference too many, "
                "and migration tries again until it gives up; "
                "-EBUSY is what alloc_contig_range() makes of it in the end")
    return {
        "mapping is unmovable": (
            "the driver's file:\nits mapping has AS_UNMOVABLE, and the scanner leaves its folios"),
        "locked by somebody else": (
            "unevictable with a mapping:\nthe scanner tries its lock, does not get it, and goes on; "
            "it never waits"),
        "not on the LRU": (
            "no PG_lru:\nit waits in a CPU's batch to be put on the LRU, and the scanner asks for that "
            "first"),
        "no mapping, extra references": (
            "anonymous, and refcount is more than mapcount:\nthe scanner takes it for pinned"),
        "-EAGAIN": (
            "a pinned file folio is isolated:\n"
            "the scanner's test for extra references is for folios without a mapping; "
            "migration then finds one too many"),
    }.get(expected, "look at its row again:\nis there anything that scanner and migration cannot wait for?")


@in_steps("locks, batches and pins come to an end; only what the file's own flag says stays for as long "
          "as the file", FEW)
def now_or_never(given_back: list[int], learner: str) -> Report:
    """Exercise "why does CMA fail?", who goes later: the pfns that block the range, and do not for ever."""
    if not isinstance(given_back, list | tuple | set) or not begun(given_back):
        return unsolved("write the pfns that a later try will get, as later = [17, 230]")
    zone = zone_for(learner)
    stays = blockers(zone)
    later(zone)
    goes = set(stays) - set(blockers(zone))
    named = {pfn for pfn in given_back if is_pfn(pfn)}
    wrong = sorted(named - goes)
    hint = _fate_hint(stays.get(wrong[0])) if wrong else (
        "one more is given back some time:\ngo through your pages of task 1, and ask of each who holds it")
    expected = "all that block the range now and not for ever, and no other"
    came_out = expected if named == goes else ", ".join(map(str, sorted(named))) or "no pfn"
    return Report([Finding("the pages that a later try gets", came_out, expected, hint, True),
                   *_no_pfns(given_back)])


def _fate_hint(why: str | None) -> str:
    return {
        None: "this page does not block the range at all:\nit goes on the first try",
        "mapping is unmovable": (
            "no kernel clears the flag:\nas long as the file keeps the page, every try leaves it"),
        "locked by somebody else": "a folio lock is held for a moment:\na later scan gets it",
        "not on the LRU": (
            "the batch is drained sooner or later (in the kernel by alloc_contig_range() itself); "
            "then the page is on the LRU"),
    }.get(why, "whoever holds the reference gives it back some time; "
               "nothing about the page itself keeps it here")


def _elsewhere(zone: Zone) -> None:
    for pfn in [pfn for pfn in range(START, END) if is_drivers(zone, pfn)]:
        allocate_elsewhere(zone, pfn)


def _flag_cleared(zone: Zone) -> None:
    clear_bit(AS_UNMOVABLE, zone.mappings[GMEM])


def _compacted(zone: Zone) -> None:
    compact_zone(control_for("compact_memory", zone))


# The choices: what it is, what it does to a zone in which all else has come to rest, why it does not help.
PREPARATIONS = (
    ("set vm.compact_unevictable_allowed to 0", lambda zone: None,      # nobody here asks the sysctl
     "alloc_contig_range() isolates with ISOLATE_UNEVICTABLE in any case, and never asks the sysctl"),
    ("write 1 to /proc/sys/vm/compact_memory before", _compacted,
     "compact_memory passes by an unmovable mapping as CMA does, and moves its neighbours for nothing"),
    ("create the driver's file without AS_UNMOVABLE; its migrate_folio still refuses with -EINVAL",
     _flag_cleared,
     "then the folios are isolated, and the callback refuses them:\n"
     "the same end, with more work. The flag is not what keeps them here"),
    ("create the driver's file with mapping_set_gfp_mask(mapping, GFP_HIGHUSER), without __GFP_MOVABLE",
     _elsewhere, ""),
    ("call alloc_contig_range() again, up to 10 times", lambda zone: [contig(zone) for _ in range(10)],
     "patience helps against locks and pins; an unmovable folio stays for as long as its file keeps it"),
)


def preparations_for(learner: str) -> dict[str, str]:
    """A learner's choices, by letter, in an order of their own."""
    return {letter: what for letter, (what, *_) in _lettered(learner).items()}


def _lettered(learner: str) -> dict[str, tuple]:
    shuffled = random.Random(seed_of(learner)).sample(PREPARATIONS, len(PREPARATIONS))
    return dict(zip("ABCDE", shuffled, strict=True))


@in_steps("what must change is where the driver's pages lie, before anything is asked of them", FEW)
def the_preparation(choice: str, true: str, learner: str) -> Report:
    """Exercise "why does CMA fail?", which preparation would have helped: a letter, tried on their zone.

    And the letters of the true sentences of placement_sentences(learner).
    """
    if not begun(choice):
        return unsolved('choose a letter, as choice = "A"')
    lettered, letter = _lettered(learner), text_of(choice).upper()
    if letter not in lettered:
        return Report([Finding("your choice", shown(choice), f"one of {', '.join(lettered)}",
                               'write one letter in quotes, as choice = "A"')])
    (what, prepare, why_not), zone = lettered[letter], zone_for(learner)
    later(zone)
    prepare(zone)
    return Report([Finding(f"{what}; then alloc_contig_range()", str(contig(zone)), "0", why_not,
                           at_most=0.0),
                   judged(PLACEMENT, true, learner, at_most=0.0)])


def placement_sentences(learner: str) -> Lettered:
    """Eight sentences about where unmovable pages lie, some of them true."""
    return lettered(PLACEMENT, learner)


@in_steps("each page of task 1: release its lock; drain the batch (PG_lru, and one reference less); "
          "drop the pin; "
          "allocate_elsewhere() for the driver's")
def mended(mend: Callable, learner: str) -> Report:
    """Exercise "why does CMA fail?", mend it: after `mend(holders)` alloc_contig_range() gives 0.

    And nobody has lost a page, and nothing else was touched.
    """
    zone, quiet = zone_for(learner), zone_for(learner)
    begin = zone.snapshot()
    later(quiet)
    _, failed = attempt(mend, Holders(zone)) if callable(mend) else (None, None)
    touched, broken = attempt(lambda: zone.snapshot() != begin)
    if failed or broken:
        return Report([failed or broken])
    if not touched:
        return unsolved("mend() leaves the zone as it is")
    judged, failed = attempt(_judged, zone_for(learner), quiet, zone)
    if failed:
        return Report([failed])
    file, others, staying, result = judged
    came_out = str(result) if file.holds and others.holds else f"{result}, but not so: see below"
    rest = ", ".join(f"pfn {pfn} ({why})" for pfn, why in list(staying.items())[:3])
    hint = "the range is empty, but at whose cost? What is below must hold as well"
    if rest:
        hint = f"still there: {rest}"
    return Report([Finding("alloc_contig_range() on the mended zone", came_out, "0", hint), file, others])


def _judged(original: Zone, quiet: Zone, zone: Zone) -> tuple[Finding, Finding, dict[int, str], Result]:
    """What became of the driver's file and of all others, who still blocks the range, what the call gives."""
    file, others = _file_is_whole(original, zone), _others_are_whole(original, quiet, zone)
    return file, others, blockers(zone), contig(zone)


def _file_is_whole(original: Zone, zone: Zone) -> Finding:
    """The driver's file: unmovable as before, and with as many pages."""
    pages, were = drivers_pages(zone), drivers_pages(original)
    came_out = f"{len(pages)} pages"
    if len(pages) == len(were) and pages != were:
        came_out += ", changed"
    hint = ("nobody may free or change the file's pages:\n"
            "allocate_elsewhere(pfn) says where they should have been allocated")
    if zone.mappings[GMEM].flags != original.mappings[GMEM].flags:
        came_out += ", its flags changed"
        hint = ("the flag says the truth about the file:\n"
                "without it the folios are isolated, and refused with -EINVAL")
    return Finding("the driver's file", came_out, f"{len(were)} pages", hint)


def _others_are_whole(original: Zone, quiet: Zone, zone: Zone) -> Finding:
    """Every other page: as it was, or as its holder leaves it."""
    def entry(zone: Zone, pfn: int) -> tuple:
        return tuple(column[pfn] for column in (zone.flags, zone.refcount, zone.mapcount, zone.mapping))

    blocking = set(blockers(original))
    touched = [pfn for pfn in range(zone.end_pfn)
               if not is_free(original, pfn) and not is_drivers(original, pfn)
               and entry(zone, pfn) not in _allowed(entry(original, pfn),
                                                    entry(quiet if pfn in blocking else original, pfn))]
    hint = ("a lock is released, a batch drained (PG_lru, and one reference less), "
            "a pin dropped (one reference less), and no more than that, of pages that block the range")
    whole = "as they were, or at rest"
    came_out = f"changed: pfn {', '.join(map(str, touched[:5]))}" if touched else whole
    return Finding("all other pages", came_out, whole, hint)


def _allowed(was: tuple, at_rest: tuple) -> set[tuple]:
    """What a page may look like: as it was, at rest, or with one of both done."""
    return {(flags, refcount, *was[2:])
            for flags in (was[0], at_rest[0]) for refcount in (was[1], at_rest[1])}
