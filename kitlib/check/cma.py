"""Exercise 05, "why does CMA fail?": a range that alloc_contig_range() cannot empty, who is to blame, and what mends it.

A driver that never was keeps an unmovable file and has left its GFP mask as it was, with __GFP_MOVABLE: so its pages lie in
CMA's pageblock. guest_memfd takes the bit away at creation (__kvm_gmem_create(), a7800aa80ea4), and its pages are never found there.
Leaves out, as alloc_contig_range() of the model does, that the kernel drains the LRU batches first.
"""
import random
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral

import pandas as pd

from ..compaction.compact_zone import compact_zone
from ..compaction.contig import alloc_contig_range
from ..compaction.control import control_for, isolation_mode
from ..concurrency.sched import run_path
from ..kernels import after
from ..mm.a_ops import GMEM, mappings
from ..mm.folio import PG
from ..mm.mapping import AS_UNMOVABLE, AddressSpace, AddressSpaceOperations, clear_bit, mapping_set_unmovable
from ..mm.page_alloc import free_one_page, isolate_free_page
from ..mm.verdict import Result
from ..mm.zone import MIGRATE_CMA, MIGRATE_UNMOVABLE, PAGEBLOCK_ORDER, Zone
from ..scenarios import KIND, KINDS
from .folios import looks
from .report import Finding, Report, attempt, begun, compared, seed_of, shown, text_of, unsolved

GOES = "goes"
START, END = 0, 512                 # CMA's pageblock: the range that is wanted
# Kinds in the range with how many pages of each at least and at most. The first lot moves, whatever it looks like.
MOVE = {"anon": (5, 9), "file, clean": (4, 9), "anon, mlocked": (2, 4), "file, mlocked": (2, 3), "ramfs": (1, 3), "file, locked": (1, 2),
        "file, under writeback": (1, 2), "file, dirty, no migrate_folio": (1, 2), "shmem, SHM_LOCK": (1, 3)}
STAY = {"guest_memfd": (2, 3), "shmem, SHM_LOCK, locked": (1, 2), "anon, in a per-CPU LRU batch": (1, 2), "anon, pinned": (1, 1),
        "file, pinned": (1, 2)}
driver_aops = AddressSpaceOperations("driver_aops", Result.EINVAL)


def zone_for(learner: str) -> Zone:
    """A learner's zone: CMA's pageblock from pfn 0, two movable pageblocks with room, and an unmovable one."""
    dice = random.Random(seed_of(learner))
    within = [kind for kinds in (MOVE, STAY) for kind, (least, most) in kinds.items() for _ in range(dice.randint(least, most))]
    block = bytearray(END)
    for pfn, kind in zip(dice.sample(range(END), len(within)), within):
        block[pfn] = KIND[kind]
    movable = bytes(KIND[dice.choice(("free", "free", "anon", "file, clean", "tmpfs"))] for _ in range(1024))
    owners = mappings()
    owners[GMEM - 1] = driver = AddressSpace("the driver's file", driver_aops)
    mapping_set_unmovable(driver)
    zone = Zone.from_kinds(bytes(block) + movable + bytes([KIND["free"], KIND["slab"]]) * 256, KINDS, owners)
    zone.migratetype[0], zone.migratetype[3] = MIGRATE_CMA, MIGRATE_UNMOVABLE
    return zone


def pages_in_use(zone: Zone) -> pd.DataFrame:
    """The pages of CMA's pageblock that are in use, those that look alike in one row, with their pfns in front."""
    alike: dict[tuple, list[int]] = {}
    for pfn in range(START, END):
        if not _is_free(zone, pfn):
            alike.setdefault(tuple(looks(zone.folio(pfn)).items()), []).append(pfn)
    return pd.DataFrame([{"pfns": ", ".join(map(str, pfns)), **dict(row)} for row, pfns in alike.items()])


def _is_free(zone: Zone, pfn: int) -> bool:
    return bool(zone.flags[pfn] & (PG.BUDDY | PG.FREE_TAIL))


def contig(zone: Zone, start_pfn: int = START, end_pfn: int = END) -> Result:
    """alloc_contig_range() on a range of the zone, on CMA's pageblock unless another is given."""
    return alloc_contig_range(control_for("alloc_contig_range", zone), start_pfn, end_pfn)


def blockers(zone: Zone) -> dict[int, str]:
    """Why each page of the range stays that does: the scanner's reason, or migration's code. The zone is as it was afterwards."""
    begin, why = zone.snapshot(), {}
    for pfn in range(START, END):
        if _is_free(zone, pfn):
            continue
        cc = control_for("alloc_contig_range", zone)
        result = alloc_contig_range(cc, pfn, pfn + 1)
        zone.restore(begin)
        if result:
            verdict = run_path(after.isolate_folio(zone.folio(pfn), isolation_mode(cc)))
            zone.restore(begin)
            why[pfn] = verdict.why or ", ".join(map(str, cc.failed))
    return why


def later(zone: Zone) -> None:
    """What others do sooner or later: locks are released, writeback ends, batches are drained to the LRU, pins dropped."""
    for pfn in range(START, END):
        if _is_free(zone, pfn):
            continue
        folio = zone.folio(pfn)
        at_rest = folio.mapcount + (folio.mapping is not None) + folio.private
        folio.locked, folio.writeback, folio.lru, folio.refcount = False, False, True, at_rest


def why_it_fails(blocking: dict[int, str], learner: str) -> Report:
    """Exercise "why does CMA fail?": the pfns that block alloc_contig_range() (mm/page_alloc.c, 0003e2a41468), each with its reason or code."""
    if not isinstance(blocking, Mapping) or not begun(blocking):
        return unsolved('write which pages stay, and why, as blocking = {17: "mapping is unmovable", 230: "-EAGAIN"}')
    zone = zone_for(learner)
    stays, findings = blockers(zone), []
    # Pages that go are not asked for: who writes them down as well earns nothing with them.
    told = {pfn: why for pfn, why in blocking.items() if begun(why) and text_of(why).casefold() != GOES}
    for pfn in sorted({pfn for pfn in told if _is_pfn(pfn)} | set(stays)):
        answer, expected = told.get(pfn, GOES), stays.get(pfn, GOES)
        code = f"-{text_of(answer).upper()}"                    # of whoever leaves out the minus
        findings.append(compared(f"pfn {pfn}", code if code == expected else answer, expected, _why_hint(zone, pfn, expected, answer)))
    return Report(findings + _no_pfns(told))


def _is_pfn(pfn: object) -> bool:
    return isinstance(pfn, Integral) and START <= pfn < END


def _no_pfns(answers: Iterable) -> list[Finding]:
    return [Finding(shown(pfn), "no pfn", "a pfn", f"write pfns, numbers from {START} to {END - 1}") for pfn in answers if not _is_pfn(pfn)]


def _why_hint(zone: Zone, pfn: int, expected: str, told: object) -> str:
    folio = zone.folio(pfn)
    if expected == GOES:
        if _is_free(zone, pfn):
            return "the page is free"
        if folio.unevictable:
            return "unevictable is not unmovable: CMA takes unevictable folios whatever vm.compact_unevictable_allowed says, and this one moves"
        if folio.locked or folio.writeback or folio.dirty:
            return "alloc_contig_range() migrates with MIGRATE_SYNC: it waits for locks and writeback, and writes dirt out"
        return "nothing holds it: it is isolated and moves"
    if expected == "-EAGAIN" and told.startswith("-"):
        return ("folio_migrate_mapping() says it whenever it finds a reference too many, and migration tries again until it gives up; "
                "-EBUSY is what alloc_contig_range() makes of it in the end")
    return {
        "mapping is unmovable": "the driver's file: its mapping has AS_UNMOVABLE, and the scanner leaves its folios",
        "locked by somebody else": "unevictable with a mapping: the scanner tries its lock, does not get it, and goes on; it never waits",
        "not on the LRU": "no PG_lru: it waits in a CPU's batch to be put on the LRU, and the scanner asks for that first",
        "no mapping, extra references": "anonymous, and refcount is more than mapcount: the scanner takes it for pinned",
        "-EAGAIN": ("a pinned file folio is isolated: the scanner's test for extra references is for folios without a mapping; "
                    "migration then finds one too many"
                    if told != GOES else "count its references: page tables, page cache, and one more, so migration never gets it for itself"),
    }.get(expected, "try it alone: alloc_contig_range() on this page only")


def now_or_never(never: list[int], learner: str) -> Report:
    """Exercise "why does CMA fail?", who stays for good: the pfns that block the range on every later try, too."""
    if not isinstance(never, list | tuple | set) or not begun(never):
        return unsolved("write the pfns that no later try will get, as never = [17, 230]")
    zone = zone_for(learner)
    stays = blockers(zone)
    later(zone)
    for_good = blockers(zone)
    named = [pfn for pfn in never if _is_pfn(pfn)]
    findings = [Finding(f"pfn {pfn}", "never" if pfn in named else "later", "never" if pfn in for_good else "later", _fate_hint(stays.get(pfn)))
                for pfn in sorted({*named, *for_good})]
    return Report(findings + _no_pfns(never))


def _fate_hint(why: str | None) -> str:
    return {
        None: "this page does not block the range at all: it goes on the first try",
        "mapping is unmovable": "no kernel clears the flag: as long as the file keeps the page, every try leaves it",
        "locked by somebody else": "a folio lock is held for a moment: a later scan gets it",
        "not on the LRU": "the batch is drained sooner or later (in the kernel by alloc_contig_range() itself); then the page is on the LRU",
    }.get(why, "whoever holds the reference gives it back some time; nothing about the page itself keeps it here")


def _elsewhere(zone: Zone) -> None:
    for pfn in [pfn for pfn in range(START, END) if _is_drivers(zone, pfn)]:
        allocate_elsewhere(zone, pfn)


def _flag_cleared(zone: Zone) -> None:
    clear_bit(AS_UNMOVABLE, zone.mappings[GMEM])


def _compacted(zone: Zone) -> None:
    compact_zone(control_for("compact_memory", zone))


# The choices: what it is, what it does to a zone in which everything else has come to rest, and why it does not help.
PREPARATIONS = (
    ("set vm.compact_unevictable_allowed to 0", lambda zone: None,      # nobody here asks the sysctl
     "alloc_contig_range() isolates with ISOLATE_UNEVICTABLE in any case, and never asks the sysctl"),
    ("write 1 to /proc/sys/vm/compact_memory before", _compacted,
     "compact_memory passes by an unmovable mapping as CMA does, and moves its neighbours for nothing"),
    ("create the driver's file without AS_UNMOVABLE; its migrate_folio still refuses with -EINVAL", _flag_cleared,
     "then the folios are isolated, and the callback refuses them: the same end, with more work. The flag is not what keeps them here"),
    ("create the driver's file with mapping_set_gfp_mask(mapping, GFP_HIGHUSER), without __GFP_MOVABLE", _elsewhere, ""),
    ("call alloc_contig_range() again, up to 10 times", lambda zone: [contig(zone) for _ in range(10)],
     "patience helps against locks and pins; an unmovable folio stays for as long as its file keeps it"),
)


def preparations_for(learner: str) -> dict[str, str]:
    """A learner's choices, by letter, in an order of their own."""
    return {letter: what for letter, (what, *_) in _lettered(learner).items()}


def _lettered(learner: str) -> dict[str, tuple]:
    return dict(zip("ABCDE", random.Random(seed_of(learner)).sample(PREPARATIONS, len(PREPARATIONS))))


def the_preparation(choice: str, learner: str) -> Report:
    """Exercise "why does CMA fail?", the preparation that would have helped: a letter, tried on the learner's zone."""
    if not begun(choice):
        return unsolved('choose a letter, as choice = "A"')
    lettered, letter = _lettered(learner), text_of(choice).upper()
    if letter not in lettered:
        return Report([Finding("your choice", shown(choice), f"one of {', '.join(lettered)}", 'write one letter in quotes, as choice = "A"')])
    (what, prepare, why_not), zone = lettered[letter], zone_for(learner)
    later(zone)
    prepare(zone)
    return Report([Finding(f"{what}; then alloc_contig_range()", str(contig(zone)), "0", why_not)])


def allocate_elsewhere(zone: Zone, pfn: int) -> int:
    """History with another GFP mask: the page of the driver's file at `pfn` was allocated in the UNMOVABLE pageblock. Its pfn there.

    ValueError for any other page: it was allocated with __GFP_MOVABLE, and rightly so.
    """
    if not _is_pfn(pfn) or not _is_drivers(zone, pfn):
        raise ValueError(f"pfn {pfn!r} is no page of the driver's file in CMA's pageblock: only where that file allocates is yours to choose")
    there = next(page for page in range(END, zone.end_pfn) if zone.flags[page] & PG.BUDDY and not zone.order[page]
                 and zone.migratetype[page >> PAGEBLOCK_ORDER] == MIGRATE_UNMOVABLE)
    isolate_free_page(zone, there)
    for column in (zone.flags, zone.refcount, zone.mapcount, zone.mapping):
        column[there], column[pfn] = column[pfn], 0
    free_one_page(zone, pfn, 0)
    return there


def _is_drivers(zone: Zone, pfn: int) -> bool:
    return zone.mapping[pfn] == GMEM


def mended(mend: Callable, learner: str) -> Report:
    """Exercise "why does CMA fail?", mend it: after `mend(zone)` alloc_contig_range() gives 0, and nobody has lost a page."""
    zone, quiet = zone_for(learner), zone_for(learner)
    begin = zone.snapshot()
    later(quiet)
    _, failed = attempt(mend, zone) if callable(mend) else (None, None)
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
    hint = f"still there: {rest}" if rest else "the range is empty, but at whose cost? What is below must hold as well"
    return Report([Finding("alloc_contig_range() on the mended zone", came_out, "0", hint), file, others])


def _judged(original: Zone, quiet: Zone, zone: Zone) -> tuple[Finding, Finding, dict[int, str], Result]:
    """What became of the driver's file and of all others, who still blocks the range, and what the call gives."""
    return _file_is_whole(original, zone), _others_are_whole(original, quiet, zone), blockers(zone), contig(zone)


def _file_is_whole(original: Zone, zone: Zone) -> Finding:
    """The driver's file: unmovable as before, and with as many pages."""
    pages, were = (sorted((zone.flags[pfn], zone.refcount[pfn]) for pfn in range(zone.end_pfn) if _is_drivers(zone, pfn))
                   for zone in (zone, original))
    flagged = zone.mappings[GMEM].flags == original.mappings[GMEM].flags
    changed = len(pages) == len(were) and pages != were
    came_out = f"{len(pages)} pages" + ", changed" * changed + ", its flags changed" * (not flagged)
    hint = ("the flag says the truth about the file: without it the folios are isolated, and refused with -EINVAL" if not flagged else
            "nobody may free or change the file's pages: allocate_elsewhere(zone, pfn) says where they should have been allocated")
    return Finding("the driver's file", came_out, f"{len(were)} pages", hint)


def _others_are_whole(original: Zone, quiet: Zone, zone: Zone) -> Finding:
    """Every other page: as it was, or as its holder leaves it."""
    def entry(zone: Zone, pfn: int) -> tuple:
        return tuple(column[pfn] for column in (zone.flags, zone.refcount, zone.mapcount, zone.mapping))

    touched = [pfn for pfn in range(zone.end_pfn) if not _is_free(original, pfn) and not _is_drivers(original, pfn)
               and entry(zone, pfn) not in _allowed(entry(original, pfn), entry(quiet, pfn))]
    hint = "a lock is released, a batch drained (PG_lru, and one reference less), a pin dropped (one reference less), and no more than that"
    whole = "as they were, or at rest"
    return Finding("all other pages", f"changed: pfn {', '.join(map(str, touched[:5]))}" if touched else whole, whole, hint)


def _allowed(was: tuple, at_rest: tuple) -> set[tuple]:
    """What a page may look like: as it was, at rest, or with one of both done."""
    return {(flags, refcount, *was[2:]) for flags in (was[0], at_rest[0]) for refcount in (was[1], at_rest[1])}
