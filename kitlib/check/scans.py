"""Exercise 09, "account for nr_scanned": small zones, and what one call of isolate_migratepages_block() counts in them."""
import random
from itertools import groupby
from typing import NamedTuple

from .. import scan
from ..compaction.control import CompactControl
from ..compaction.isolate import isolate_migratepages_block
from ..compaction.releases import release_of
from ..kernels import after, before
from ..mm.a_ops import mappings
from ..mm.verdict import MigrateMode, Mode
from ..mm.zone import Zone
from ..scenarios import KINDS
from .report import Report, by_name, compared, seed_of, text_of, unsolved

_NUMBERS = ("nr_scanned", "nr_taken", "migrate_pfn")
_CHUNK = 4                                   # pages of a block of the order that the direct compaction is for
_TAKEN = ("anon", "file, clean", "tmpfs", "secretmem", "anon, mlocked")
REFUSED = ("slab", "anon, pinned", "page table")
LOOKS_FIXED = ("secretmem", "anon, mlocked")          # unevictable, and taken all the same
THREE = "write three numbers, in this order: nr_scanned, nr_taken, migrate_pfn, or ... for one that you leave open"
A_JUMP = "v6.8 adds all pages of a free block or compound page, not 1: the jump counts as if walked"
GENERAL = {
    "nr_scanned": "walk from the first page: what does each page, or each block that is jumped over, add to the count?",
    "nr_taken": "go through the pages of the range, and ask of each what notebook 02 asks; what was put back is not taken",
    "migrate_pfn": "the scanner stands on the page that it would look at next, and never past the end of its range",
}


class Asked(NamedTuple):
    """One call: the names of the zone's pages, its compound pages (pfn, order), the range, the orders, and who decides."""

    pages: tuple[str, ...]
    start_pfn: int
    end_pfn: int
    compound: tuple[tuple[int, int], ...] = ()
    orders: dict = {}
    mode: Mode = Mode()

    def zone(self) -> Zone:
        """The zone, new each time."""
        names = [kind.name for kind in KINDS]
        zone = Zone.from_kinds(bytes(map(names.index, self.pages)), KINDS, mappings())
        for pfn, order in self.compound:
            zone.make_compound(pfn, order)
        return zone

    def run(self, **otherwise) -> tuple[int, int, int]:
        """nr_scanned, nr_taken and migrate_pfn after the call; with some orders `otherwise` than they are."""
        return called(self.zone(), self.start_pfn, self.end_pfn, self.mode, **{**self.orders, **otherwise})

    def verdicts(self) -> list[str]:
        """Why each page of the zone is not taken, "" where it is."""
        kernel, release = self.orders.get("kernel", after), self.orders.get("release", "6.8")
        return [scan.REASONS[code] for code in scan.verdicts(self.zone(), kernel, self.mode, release)]

    def __repr__(self):
        zone, parts, pfn = self.zone(), [], 0
        while pfn < zone.end_pfn:
            pages, name = 1 << zone.order[pfn], self.pages[pfn]
            parts.append((pfn, pages, name if pages == 1 else f"one {'free block' if name == 'free' else f'compound page ({name})'} "
                          f"of order {zone.order[pfn]}"))
            pfn += pages
        lines = []
        for name, run in groupby(parts, key=lambda part: part[2]):
            first, *_, last = [*(run := list(run)), run[-1]]
            lines.append(f"    {_span(first[0], last[0] + last[1])} {name}")
        return "\n".join([f"scan from pfn {self.start_pfn} to {self.end_pfn} (not included)", *lines])


def called(zone: Zone, start_pfn: int, end_pfn: int, isolate_mode: Mode, **orders) -> tuple[int, int, int]:
    """One call of isolate_migratepages_block() with these orders of a CompactControl: nr_scanned, nr_taken and migrate_pfn after it."""
    cc = CompactControl(zone, ignore_skip_hint=True, **orders)
    isolate_migratepages_block(cc, start_pfn, end_pfn, isolate_mode)
    return cc.trace[-1].nr_scanned, cc.trace[-1].nr_taken, cc.migrate_pfn


def _span(start: int, end: int) -> str:
    return f"{start:>3}" + (f"-{end - 1:<3}" if end > start + 1 else "    ")


def scans_for(learner: str = "") -> dict[str, Asked]:
    """The five calls of the exercise "account for nr_scanned", made from the learner's name."""
    dice = random.Random(seed_of(learner))
    small = _small(dice)
    return {"compact_memory": small,
            "the same on 6.1": small._replace(orders={"kernel": before, "release": "6.1"}),
            "direct async, order 2": _direct(dice),
            "free block past the end": _past_the_end(dice),
            "many pages": _many(dice)}


def _mixed(dice: random.Random, *some: str, pages: int = _CHUNK) -> list[str]:
    """`pages` pages in any order: `some`, and others that are taken."""
    names = [*some, *dice.choices(_TAKEN, k=pages - len(some))]
    dice.shuffle(names)
    return names


def _small(dice: random.Random) -> Asked:
    """Free blocks of order 2 and 1, a compound page, pages taken and refused, in chunks of four, and a few pages more."""
    halves = [["free", "free"], _mixed(dice, dice.choice(REFUSED), pages=2)]
    dice.shuffle(halves)
    slab = ["slab"] * _CHUNK
    chunks = [["free"] * _CHUNK, slab, sum(halves, []), _mixed(dice, "anon, pinned", "secretmem"), _mixed(dice, "anon, mlocked")]
    dice.shuffle(chunks)
    start, rest = _CHUNK * dice.randint(1, 3), _mixed(dice, pages=dice.randint(1, 3))
    pages = ["anon"] * start + sum(chunks, []) + rest
    return Asked(tuple(pages), start, len(pages), ((start + _CHUNK * chunks.index(slab), 2),))


def _direct(dice: random.Random) -> Asked:
    """Chunks that a refused page spoils, one free, then one that comes out whole, and one that is not reached."""
    fails = "guest_memfd", *dice.choices(REFUSED, k=dice.randint(1, 2))
    spoiled = [[*dice.choices(_TAKEN[:3], k=at), name, *dice.choices(_TAKEN[:3], k=_CHUNK - 1 - at)]
               for name, at in zip(fails, (2, dice.randint(0, 1), dice.randint(1, 2)))]
    begin = [["free"] * _CHUNK, *spoiled]
    dice.shuffle(begin)
    whole = [*["free"] * (dice.random() < 0.5), *_TAKEN[:3], "anon"][:_CHUNK]
    chunks, start = [*begin, whole, ["anon", "anon", "file, clean", "anon"]], _CHUNK
    pages = [*["slab"] * start, *(name for chunk in chunks for name in chunk)]
    return Asked(tuple(pages), start, len(pages), orders=dict(mode=MigrateMode.ASYNC, direct_compaction=True, order=2),
                 mode=Mode(async_migrate=True))


def _past_the_end(dice: random.Random) -> Asked:
    """A free block of order 3 whose last pages lie behind the range."""
    looked_at = _mixed(dice, "guest_memfd", "slab", pages=dice.choice((5, 6, 7)))
    pages = [*["anon"] * (8 - len(looked_at)), *looked_at, *["free"] * 8, "anon", "slab", "anon", "anon"]
    return Asked(tuple(pages), 8 - len(looked_at), 16 - dice.randint(2, 6))


def _many(dice: random.Random) -> Asked:
    """More than 64 pages that are taken, in runs, a few that are not, and a free block of order 3 among the first."""
    taken, refused = dice.sample(_TAKEN, k=3), ["guest_memfd", "slab"]
    dice.shuffle(refused)
    first = 8 - dice.randint(2, 5)
    runs = [("slab", 8 - first), (taken[0], first), ("free", 8), (taken[1], dice.randint(6, 9)), (refused[0], dice.randint(1, 5)),
            (taken[2], dice.randint(5, 7)), (refused[1], dice.randint(1, 5)), ("anon", 70)]
    pages = [name for name, length in runs for _ in range(length)]
    return Asked(tuple(pages), 8 - first, len(pages))


def account_for_scans(answers: dict[str, tuple[int, int, int]], learner: str = "") -> Report:
    """Exercise "account for nr_scanned": what the call counts, by title (isolate_migratepages_block(), 0003e2a41468).

    `answers` has for each title of scans_for(learner) three numbers: nr_scanned, nr_taken, migrate_pfn.
    """
    asked = scans_for(learner)
    told = by_name(answers, asked)
    if not told:
        return unsolved("write three numbers in place of the dots: nr_scanned, nr_taken, migrate_pfn")
    findings = []
    for title, call in asked.items():
        numbers = told[title]
        if not isinstance(numbers, tuple | list) or len(numbers) != len(_NUMBERS):
            numbers, hints = [None] * len(_NUMBERS), dict.fromkeys(_NUMBERS, THREE)
        else:
            hints = {name: likely.get(text_of(number), GENERAL[name]) for (name, likely), number in zip(miscounts(call).items(), numbers)}
        findings += [compared(f"{title}: {name}", number, right, hints[name]) for name, number, right in zip(_NUMBERS, numbers, call.run())]
    return Report(findings)


def miscounts(call: Asked) -> dict[str, dict[str, str]]:
    """What comes out if one counts wrongly, as text, and what to say then: by number, the likeliest mistake first."""
    direct = _of_chunks(call) if call.orders.get("direct_compaction") else dict.fromkeys(_NUMBERS, [])
    likely = {"nr_scanned": direct["nr_scanned"] or _of_blocks(call), "nr_taken": direct["nr_taken"], "migrate_pfn": direct["migrate_pfn"]}
    return {name: {str(number): hint for number, hint in reversed([*likely[name], *others]) if number != right}
            for (name, others), right in zip(_of_pages(call).items(), call.run())}


def _of_pages(call: Asked) -> dict[str, list[tuple[int, str]]]:
    """Mistakes that can be made in any call: (what comes out, what to say)."""
    scanned, taken, stands = call.run()
    reasons, orders, cut_off = call.verdicts(), call.zone().order, scanned > call.end_pfn - call.start_pfn
    looked_at = range(call.start_pfn, min(stands, call.end_pfn))
    kinds = [call.pages[pfn] for pfn in looked_at if not reasons[pfn]]
    pinned = sum(call.pages[pfn] == "anon, pinned" for pfn in looked_at)
    block_end = max((pfn + (1 << order) for pfn, order in enumerate(orders[:call.end_pfn])), default=stands)
    without_the_stop = call.run(finish_pageblock=True)
    stop = "the first call in a pageblock ends as soon as 32 pages are taken (COMPACT_CLUSTER_MAX)"
    return {
        "nr_scanned": [
            (taken, "refused pages and free ones are looked at, too: nr_scanned counts every look, nr_taken those that were taken"),
            (without_the_stop[0], stop)],
        "nr_taken": [
            (sum(kind not in LOOKS_FIXED for kind in kinds),
             "unevictable is not unmovable: mlocked and secretmem pages are taken, whatever migration says of them"),
            (taken + pinned, "an anonymous page with one reference more than page tables is pinned: the scanner refuses it"),
            (call.run(kernel=before)[1], "the mapping of guest_memfd is unmovable: since 0003e2a41468 the scanner refuses its pages"),
            (without_the_stop[1], stop),
            (scanned, "not every page that is looked at is taken: free ones, slab and pinned pages are not")],
        "migrate_pfn": [
            (stands - 1, "the scanner stands on the next page, not on the last one that it looked at"),
            (block_end if cut_off else stands, "the jump leads past the end of the range, and the scanner's place is cut back to the end"),
            (call.end_pfn, "it does not get to the end of the range: the first call in a pageblock ends as soon as 32 pages are taken"),
            (scanned, "nr_scanned is a number of pages, migrate_pfn is a place: the range does not begin at pfn 0")],
    }


def _of_blocks(call: Asked) -> list[tuple[int, str]]:
    """nr_scanned where a block is counted as another release does, or cut off."""
    scanned, _, stands = call.run()
    length = call.end_pfn - call.start_pfn
    if release_of(call.orders.get("release", "6.8")).counts_jumped:
        return [(call.run(release="6.1")[0], A_JUMP),
                (min(scanned, length),
                 "nr_scanned is not cut off at the end of the range: the whole free block is added before anybody looks")]
    jumps = sum(order > 0 for order in call.zone().order[call.start_pfn:stands])
    return [(length, "6.1 adds 1 for a block or compound page that it jumps over; all of its pages are counted only in later releases"),
            (scanned - jumps, "the first page of a block was looked at: 6.1 counts 1 for each jump, not 0")]


def _of_chunks(call: Asked) -> dict[str, list[tuple[int, str]]]:
    """The same for a direct asynchronous scan, which thinks in chunks (skip_on_failure)."""
    scanned, taken, stands = call.run()
    put_back = missed = 0
    for start in range(call.start_pfn, stands, _CHUNK):
        chunk = call.verdicts()[start:start + _CHUNK]
        fails = next((at for at, why in enumerate(chunk) if why and not why.startswith("free")), None)
        if fails is not None:
            put_back += chunk[:fails].count("")
            missed += chunk.count("")
    return {
        "nr_scanned": [
            (stands - call.start_pfn, "the rest of a spoiled chunk is jumped over without a look: those pages are not counted"),
            (scanned + call.end_pfn - stands, "a chunk that came out whole ends the call: what lies behind it is not looked at"),
            (call.run(direct_compaction=False)[0], "direct and asynchronous: one refused page, and the scanner goes to the next chunk"),
            (call.run(release="6.1")[0], A_JUMP)],
        "nr_taken": [
            (taken + put_back, "what was taken of a spoiled chunk is put back, and nr_taken is set to 0 again"),
            (taken + missed, "what lies in a spoiled chunk is put back or not even looked at: the chunk can no longer become free"),
            (call.run(direct_compaction=False)[1], "a chunk that came out whole ends the call, and a spoiled one gives nothing")],
        "migrate_pfn": [(call.end_pfn, "a chunk that came out whole ends the call: it is handed over to be migrated")],
    }
