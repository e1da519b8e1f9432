"""Exercise 09, "account for nr_scanned": what a call counts, and what to say to whoever counts otherwise."""
import numpy as np

from ..compaction.releases import release_of
from ..kernels import before
from ..plots import page_states
from .ex09_scan_calls import CHUNK_PAGES, ScanCall, run_call, scans_for, verdicts, zone_of_call
from .ex09_write_nr_scanned import counts_like_the_kernel, enough_for
from .report import Finding, Report, by_name, compared, example, text_of, unsolved
from .sentence_sets import COUNTING
from .sentences import TRUE_SENTENCES, Lettered, judged, lettered
from .tries import CHOSEN, in_steps

__all__ = [
    "account_for_scans",
    "call_map_for",
    "count_sentences",
    "counts_like_the_kernel",
    "enough_for",
    "scans_for",
]

_NUMBERS = ("nr_scanned", "nr_taken", "migrate_pfn")
_STILL_TAKEN = ("secretmem", "anon, mlocked")          # unevictable, and taken all the same
_THREE = ("write three numbers, in this order: "
         "nr_scanned, nr_taken, migrate_pfn, or ... for one that you leave open")
_A_JUMP = "v6.8 adds all pages of a free block or compound page, not 1:\nthe jump counts as if walked"
_GENERAL = {
    "nr_scanned": (
        "walk from the first page:\nwhat does each page, or each block that is jumped over, "
        "add to the count?"),
    "nr_taken": (
        "go through the pages of the range, and ask of each what notebook 02 asks; "
        "what was put back is not taken"),
    "migrate_pfn": (
        "the scanner stands on the page that it would look at next, and never past the end of its range"),
}


@in_steps("three columns on paper: pfn, nr_scanned so far, pages in hand; one line for each page or "
          "block that is "
          "come to; stop at 32 in hand, or when a chunk is done", CHOSEN)
def account_for_scans(answers: dict[str, tuple[int, int, int]], learner: str = "") -> Report:
    """Exercise "account for nr_scanned": what isolate_migratepages_block() (0003e2a41468) counts, by title.

    `answers` has for each title of scans_for(learner) three numbers: nr_scanned, nr_taken, migrate_pfn. And
    TRUE_SENTENCES has the letters of the true sentences of count_sentences(learner).
    """
    calls = scans_for(learner)
    true = by_name(answers, (TRUE_SENTENCES,)).get(TRUE_SENTENCES)
    answers = by_name(answers, calls)
    if not answers:
        return unsolved("write three numbers in place of the dots: nr_scanned, nr_taken, migrate_pfn")
    return Report([*_accounted(answers, learner), judged(COUNTING, true, learner)], elsewhere=example(
        lambda name: "\n".join(f"{title}: {call}" for title, call in scans_for(name).items()),
        lambda name: _accounted(dict.fromkeys(calls, (None,) * 3), name), learner))


def count_sentences(learner: str = "") -> Lettered:
    """Seven sentences about what a call counts, some of them true."""
    return lettered(COUNTING, learner)


def call_map_for(title: str, learner: str = "") -> np.ndarray:
    """The pages of one of a learner's calls, as a memory map shows them."""
    return page_states(zone_of_call(scans_for(learner)[title]))


def _accounted(answers: dict, learner: str) -> list[Finding]:
    findings = []
    for title, call in scans_for(learner).items():
        numbers, likely = answers[title], miscounts(call)
        are_three = isinstance(numbers, tuple | list) and len(numbers) == len(_NUMBERS)
        for place, (name, right) in enumerate(zip(_NUMBERS, run_call(call), strict=True)):
            number = numbers[place] if are_three else None
            hint = likely[name].get(text_of(number), _GENERAL[name]) if are_three else _THREE
            findings.append(compared(f"{title}: {name}", number, right, hint))
    return findings


def miscounts(call: ScanCall) -> dict[str, dict[str, str]]:
    """What comes out if one counts wrongly, as text, and what to say then: for each of the three numbers."""
    is_direct = call.orders.get("direct_compaction")
    special, general = _of_chunks(call) if is_direct else {"nr_scanned": _of_blocks(call)}, _of_pages(call)
    hints = {}
    for name, right in zip(_NUMBERS, run_call(call), strict=True):
        likeliest_first = [*special.get(name, []), *general[name]]
        hints[name] = {str(number): hint for number, hint in reversed(likeliest_first) if number != right}
    return hints


def _of_pages(call: ScanCall) -> dict[str, list[tuple[int, str]]]:
    """Mistakes that can be made in any call: (what comes out, what to say)."""
    scanned, taken, stands = run_call(call)
    reasons, orders = verdicts(call), zone_of_call(call).order
    cut_off = scanned > call.end_pfn - call.start_pfn
    looked_at = range(call.start_pfn, min(stands, call.end_pfn))
    kinds = [call.pages[pfn] for pfn in looked_at if not reasons[pfn]]
    pinned = sum(call.pages[pfn] == "anon, pinned" for pfn in looked_at)
    block_end = max((pfn + (1 << order) for pfn, order in enumerate(orders[:call.end_pfn])), default=stands)
    without_the_stop = run_call(call, finish_pageblock=True)
    stop = "the first call in a pageblock ends as soon as 32 pages are taken (COMPACT_CLUSTER_MAX)"
    return {
        "nr_scanned": [
            (taken, "refused pages and free ones are looked at, too:\n"
                    "nr_scanned counts every look, nr_taken those that were taken"),
            (without_the_stop[0], stop)],
        "nr_taken": [
            (sum(kind not in _STILL_TAKEN for kind in kinds),
             "unevictable is not unmovable:\nmlocked and secretmem pages are taken, "
             "whatever migration says of them"),
            (taken + pinned, "an anonymous page with one reference more than page tables is pinned:\n"
                             "the scanner refuses it"),
            (run_call(call, kernel=before)[1], "the mapping of guest_memfd is unmovable:\n"
                                         "since 0003e2a41468 the scanner refuses its pages"),
            (without_the_stop[1], stop),
            (scanned, "not every page that is looked at is taken:\nfree ones, slab and pinned pages are "
                      "not")],
        "migrate_pfn": [
            (stands - 1, "the scanner stands on the next page, not on the last one that it looked at"),
            (block_end if cut_off else stands, "the jump leads past the end of the range, "
                                               "and the scanner's place is cut back to the end"),
            (call.end_pfn, "it does not get to the end of the range:\n"
                           "the first call in a pageblock ends as soon as 32 pages are taken"),
            (scanned, "nr_scanned is a number of pages, migrate_pfn is a place:\n"
                      "the range does not begin at pfn 0")],
    }


def _of_blocks(call: ScanCall) -> list[tuple[int, str]]:
    """nr_scanned where a block is counted as another release does, or cut off."""
    scanned, _, stands = run_call(call)
    length = call.end_pfn - call.start_pfn
    if release_of(call.orders.get("release", "6.8")).counts_jumped:
        return [(run_call(call, release="6.1")[0], _A_JUMP),
                (min(scanned, length),
                 "nr_scanned is not cut off at the end of the range:\n"
                 "the whole free block is added before anybody looks")]
    jumps = sum(order > 0 for order in zone_of_call(call).order[call.start_pfn:stands])
    return [(length, "6.1 adds 1 for a block or compound page that it jumps over; "
                     "all of its pages are counted only in later releases"),
            (scanned - jumps, "the first page of a block was looked at:\n6.1 counts 1 for each jump, not 0")]


def _of_chunks(call: ScanCall) -> dict[str, list[tuple[int, str]]]:
    """The same for a direct asynchronous scan, which thinks in chunks (skip_on_failure)."""
    scanned, taken, stands = run_call(call)
    put_back = missed = 0
    for start in range(call.start_pfn, stands, CHUNK_PAGES):
        chunk = verdicts(call)[start:start + CHUNK_PAGES]
        fails = next((at for at, why in enumerate(chunk) if why and not why.startswith("free")), None)
        if fails is not None:
            put_back += chunk[:fails].count("")
            missed += chunk.count("")
    return {
        "nr_scanned": [
            (stands - call.start_pfn, "the rest of a spoiled chunk is jumped over without a look:\n"
                                      "those pages are not counted"),
            (scanned + call.end_pfn - stands, "a chunk that came out whole ends the call:\n"
                                              "what lies behind it is not looked at"),
            (run_call(call, direct_compaction=False)[0], "direct and asynchronous:\n"
                                                   "one refused page, and the scanner goes to the next "
                                                   "chunk"),
            (run_call(call, release="6.1")[0], _A_JUMP)],
        "nr_taken": [
            (taken + put_back, "what was taken of a spoiled chunk is put back, "
                               "and nr_taken is set to 0 again"),
            (taken + missed, "what lies in a spoiled chunk is put back or not even looked at:\n"
                             "the chunk can no longer become free"),
            (run_call(call, direct_compaction=False)[1], "a chunk that came out whole ends the call, "
                                                   "and a spoiled one gives nothing")],
        "migrate_pfn": [(call.end_pfn, "a chunk that came out whole ends the call:\n"
                                       "it is handed over to be migrated")],
    }
