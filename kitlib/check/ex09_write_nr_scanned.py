"""Exercise 09, its second task: nr_scanned written down as a function, and run on ranges of random zones."""
from collections.abc import Callable
from functools import cache
from numbers import Integral

from ..kernels import after
from ..mm.verdict import Mode
from ..mm.zone import Zone
from ..scan import verdicts
from ..scenarios import random_zone
from .report import INSTRUCTIONS, Finding, Report, attempt, seed_of, shown, text_of, unsolved
from .tries import in_steps


def enough_for(learner: str = "") -> int:
    """How many pages a first call takes in a learner's kernel before it ends: not 32, COMPACT_CLUSTER_MAX."""
    return 20 + seed_of(learner) % 8


@in_steps("while pfn < end_pfn and taken < your number: add 1 << zone.order[pfn] to the count and to pfn, "
          "and isolated[pfn] to taken")
def counts_like_the_kernel(nr_scanned: Callable, learner: str = "") -> Report:
    """Exercise "write nr_scanned": nr_scanned(zone, start_pfn, end_pfn) on ranges of random zones.

    It must say what the first call of a pageblock counts (SYNC, v6.8), if it ends at enough_for(learner).
    """
    stub, failed = attempt(nr_scanned, random_zone(64), 0, 64)
    if failed:
        return Report([failed])
    if stub is None or stub is ...:
        return unsolved("your function returns nothing: return the number of pages that are counted")
    findings, enough = [], enough_for(learner)
    for name, ranges in _ranges(enough).items():
        counts, failed = attempt(_counted, nr_scanned, ranges, enough, limit=10 * INSTRUCTIONS)
        if failed:
            return Report([*findings, failed])
        same = [left_alone and not isinstance(counted, str) and text_of(counted) == str(right)
                for counted, left_alone, right in counts]
        hint = ""
        if not all(same):
            wrong = same.index(False)
            hint = _miscounted(ranges[wrong], *counts[wrong], enough)
        findings.append(Finding(f"{len(counts)} ranges {name}", f"{sum(same)} as the kernel's",
                                f"{len(counts)} as the kernel's", hint,
                                at_most=1 / 4 if "that end at" in name else 1.0))
    return Report(findings)


def _counted(nr_scanned: Callable, ranges: list[tuple], enough: int) -> list[tuple]:
    """For each range what the learner's function says, whether it left the zone alone, the model's number."""
    counts = []
    for seed, start, end in ranges:
        zone = random_zone(1024, seed)
        begin = zone.snapshot()
        counted = nr_scanned(zone, start, end)
        counts.append((counted, zone.snapshot() == begin, _first_call(zone, start, end, enough)[0]))
    return counts


def _first_call(zone: Zone, start: int, end: int, enough: int, jump: bool = True) -> tuple[int, int, int]:
    """nr_scanned, nr_taken and the place after a first call; without `jump` a block adds 1, as on 6.1."""
    isolated, scanned, taken, pfn = verdicts(zone, after, Mode()) == 0, 0, 0, start
    while pfn < end and taken < enough:
        pages = 1 << zone.order[pfn]
        scanned, taken, pfn = scanned + (pages if jump else 1), taken + int(isolated[pfn]), pfn + pages
    return scanned, taken, min(pfn, end)


@cache
def _ranges(enough: int) -> dict[str, list[tuple[int, int, int]]]:
    """Ranges in random zones, by what is special in them: (seed of the zone, start, end)."""
    plain, full = "up to their end", f"that end at {enough} pages taken"
    past = "with a block that reaches past the end"
    found = {plain: [], full: [], past: []}
    for seed in range(8):
        zone = random_zone(1024, seed)
        for start in range(1, 900, 97):
            for end in (start + 20, start + 90):
                scanned, taken, stands = _first_call(zone, start, end, enough)
                if taken == enough and stands < end:
                    name = full
                else:
                    name = past if scanned > stands - start else plain
                if (name != plain or any(zone.order[start:end])) and len(found[name]) < 6:
                    found[name].append((seed, start, end))
    return found


def _miscounted(where: tuple[int, int, int], counted: object, left_alone: bool, right: int,
                enough: int) -> str:
    seed, start, end = where
    zone = random_zone(1024, seed)
    place = (f"random_zone(1024, {seed}), pfn {start} to {end}: "
             f"yours says {shown(counted)}, the kernel {right}.\n")
    if not left_alone:
        return place + "Your function changes the zone:\ncount, and take nothing"
    if not isinstance(counted, Integral):
        return place + "Return one whole number"
    if counted == _first_call(zone, start, end, end - start)[0]:
        return place + f"You go on after {enough} pages are taken:\nthe first call ends there"
    if counted == _first_call(zone, start, end, enough, jump=False)[0]:
        return place + "A free block adds all of its pages, 1 << zone.order[pfn], not 1"
    if counted == end - start or counted == min(right, end - start):
        return place + "The block that reaches past the end is added whole:\nnr_scanned is not cut off"
    if counted == _first_call(zone, start, end, enough)[1]:
        return place + "You count the pages that are taken:\nrefused and free ones are looked at, too"
    if counted in (right - 1, right + 1):
        return place + "One page off:\nis the last page itself counted, and the one after it not?"
    return place + ("A loop:\nlook at the page, add its pages, go on by as many; "
                    f"it ends at end_pfn or with {enough} taken, the number of your own kernel")
