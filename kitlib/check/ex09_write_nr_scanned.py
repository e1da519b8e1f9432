"""Exercise 09, its second task: nr_scanned written down as a function, and run on ranges of random zones."""
from collections.abc import Callable
from functools import cache
from numbers import Integral

from ..compaction.releases import COMPACT_CLUSTER_MAX
from ..mm.verdict import Mode
from ..scenarios import random_zone
from .ex09_scan_calls import called
from .report import INSTRUCTIONS, Finding, Report, attempt, shown, text_of, unsolved
from .tries import in_steps


@in_steps("while pfn < end_pfn and taken < 32: add 1 << zone.order[pfn] to the count and to pfn, and "
          "isolated[pfn] to taken")
def counts_like_the_kernel(nr_scanned: Callable) -> Report:
    """Exercise "write nr_scanned": nr_scanned(zone, start_pfn, end_pfn) on ranges of random zones.

    It must say what the first call of a pageblock counts (SYNC, v6.8).
    """
    stub, failed = attempt(nr_scanned, random_zone(64), 0, 64)
    if failed:
        return Report([failed])
    if stub is None or stub is ...:
        return unsolved("your function returns nothing: return the number of pages that are counted")
    findings = []
    for name, ranges in _ranges().items():
        counts, failed = attempt(_counted, nr_scanned, ranges, limit=10 * INSTRUCTIONS)
        if failed:
            return Report([*findings, failed])
        same = [left_alone and not isinstance(counted, str) and text_of(counted) == str(right)
                for counted, left_alone, right in counts]
        hint = ""
        if not all(same):
            wrong = same.index(False)
            hint = _miscounted(ranges[wrong], *counts[wrong])
        findings.append(Finding(f"{len(counts)} ranges {name}", f"{sum(same)} as the kernel's",
                                f"{len(counts)} as the kernel's", hint))
    return Report(findings)


def _counted(nr_scanned: Callable, ranges: list[tuple]) -> list[tuple]:
    """For each range what the learner's function says, whether it left the zone alone, the model's number."""
    counts = []
    for seed, start, end in ranges:
        zone = random_zone(1024, seed)
        begin = zone.snapshot()
        counted = nr_scanned(zone, start, end)
        counts.append((counted, zone.snapshot() == begin, _first_call(seed, start, end)[0]))
    return counts


def _first_call(seed: int, start: int, end: int, **orders) -> tuple[int, int, int]:
    return called(random_zone(1024, seed), start, end, Mode(), **orders)


@cache
def _ranges() -> dict[str, list[tuple[int, int, int]]]:
    """Ranges in random zones, by what is special in them: (seed of the zone, start, end)."""
    plain, full = "up to their end", "that end at 32 pages taken"
    past = "with a block that reaches past the end"
    found = {plain: [], full: [], past: []}
    for seed in range(8):
        zone = random_zone(1024, seed)
        for start in range(1, 900, 97):
            for end in (start + 20, start + 90):
                scanned, taken, stands = _first_call(seed, start, end)
                if taken == COMPACT_CLUSTER_MAX and stands < end:
                    name = full
                else:
                    name = past if scanned > stands - start else plain
                if (name != plain or any(zone.order[start:end])) and len(found[name]) < 6:
                    found[name].append((seed, start, end))
    return found


def _miscounted(where: tuple[int, int, int], counted: object, left_alone: bool, right: int) -> str:
    seed, start, end = where
    place = (f"random_zone(1024, {seed}), pfn {start} to {end}: "
             f"yours says {shown(counted)}, the kernel {right}.\n")
    if not left_alone:
        return place + "Your function changes the zone:\ncount, and take nothing"
    if not isinstance(counted, Integral):
        return place + "Return one whole number"
    if counted == _first_call(seed, start, end, finish_pageblock=True)[0]:
        return place + "You go on after 32 pages are taken:\nthe first call ends there"
    if counted == _first_call(seed, start, end, release="6.1")[0]:
        return place + "A free block adds all of its pages, 1 << zone.order[pfn], not 1"
    if counted == end - start or counted == min(right, end - start):
        return place + "The block that reaches past the end is added whole:\nnr_scanned is not cut off"
    if counted == _first_call(seed, start, end)[1]:
        return place + "You count the pages that are taken:\nrefused and free ones are looked at, too"
    if counted in (right - 1, right + 1):
        return place + "One page off:\nis the 32nd page itself counted, and the one after it not?"
    return place + ("A loop:\nlook at the page, add its pages, go on by as many; "
                    "it ends at end_pfn or with 32 taken")
