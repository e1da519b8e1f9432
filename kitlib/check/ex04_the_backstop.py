"""Exercise 04, "the backstop": move_to_new_folio() as a path, and what migrate_pages() makes of a refusal."""
import random
from collections.abc import Callable
from numbers import Integral

from ..compaction.control import CompactControl
from ..compaction.isolate import isolate_migratepages_block
from ..compaction.migrate_pages import NR_MAX_MIGRATE_PAGES_RETRY, migrate_pages
from ..kernels import after, before, made_of
from ..mm.folio import PG, Folio
from ..mm.verdict import MigrateMode, Mode, Result
from ..scenarios import KINDS, zone_of
from ..step import NullDereference, Path
from .one_migration import Moved, kernels_move
from .report import Finding, Report, attempt, by_name, compared, example, seed_of, unsolved
from .sentence_sets import REFUSALS
from .sentences import TRUE_SENTENCES, Lettered, judged, lettered
from .tries import CHOSEN, in_steps
from .yielded_steps import every_step_is_yielded, not_a_path

__all__ = ["batch_for", "refusal_sentences", "the_backstop", "what_it_costs"]

_FLAGGED = "file, clean", "ramfs", "secretmem"          # also tried with AS_UNMOVABLE in their mapping
_GROUPS = {"no mapping": "folios without a mapping", "unmovable": "folios of an unmovable mapping",
          "callback": "folios whose mapping has a migrate_folio", "fallback": "folios whose mapping has none",
          "hurried": "folios whose mapping has none, and a caller in a hurry"}

_AS_MERGED = ("so does the merged kernel, kl.after, and its lines are not asked for: it asks the "
              "fallback for every caller.\n"
              "Yours has one line more: for kl.MigrateMode.ASYNC it returns kl.Result.EAGAIN, and asks "
              "no callback")


@in_steps("four questions in this order, each with a return: no mapping? unmovable? a migrate_folio? "
          "and, before the "
          "fallback, MIGRATE_ASYNC?")
def the_backstop(move_to_new_folio: Callable) -> Report:
    """Exercise "the backstop": move_to_new_folio() (mm/migrate.c, 0003e2a41468), by kind and mode.

    With one difference: for MIGRATE_ASYNC the fallback is not asked, and the answer is -EAGAIN.
    """
    folio = zone_of("anon").folio(0)
    unbegun = "write the path: no mapping, an unmovable one, one with a callback, one without"
    if report := not_a_path(move_to_new_folio, folio, folio, MigrateMode.SYNC, unbegun=unbegun):
        return report
    runs, failed = attempt(_runs, move_to_new_folio)
    yielded = every_step_is_yielded(move_to_new_folio)
    decided = [failed] if failed else [_decided(runs, group, name) for group, name in _GROUPS.items()]
    return Report(decided if yielded.holds else [yielded, *decided])


def _runs(move_to_new_folio: Callable) -> list[tuple[tuple, Moved, Moved]]:
    kinds = [kind.name for kind in KINDS if kind.flags & PG.LRU]
    cases = [(kind, flagged, mode) for kind in kinds for flagged in (False, True) for mode in MigrateMode
             if not flagged or kind in _FLAGGED]
    return [(case, Moved(move_to_new_folio, *case), _expected(*case)) for case in cases]


def _expected(kind: str, flagged: bool, mode: MigrateMode) -> Moved:
    """The merged kernel's migration, but that a caller in a hurry does not use the fallback."""
    merged = kernels_move(kind, flagged, mode)
    return Moved(_not_now, kind, flagged, mode) if _group(merged, mode) == "hurried" else merged


def _not_now(dst: Folio, src: Folio, mode: MigrateMode) -> Path:
    yield from ()
    return Result.EAGAIN


def _group(expected: Moved, mode: MigrateMode) -> str:
    hurried = expected.group == "fallback" and mode is MigrateMode.ASYNC
    return "hurried" if hurried else expected.group


def _decided(runs: list, group: str, name: str) -> Finding:
    ours = [(case, yours, expected) for case, yours, expected in runs if _group(expected, case[2]) == group]
    wrong = [(case, yours, expected) for case, yours, expected in ours
             if (yours.text, yours.memory) != (expected.text, expected.memory)]
    tried = f"{name}: {len(ours)} migrations"
    if not wrong:
        return Finding(tried, "as asked for", "as asked for")
    (kind, flagged, mode), yours, expected = wrong[0]
    case = f"{kind}{' (with AS_UNMOVABLE)' if flagged else ''}, {mode}"
    hint = f"{case}: yours is {yours.text}.\nAsked for is {expected.text}. {_hint(yours, expected, group)}"
    at_most = 1 / 6 if group == "hurried" else 1.0
    if group == "hurried" and "fallback_migrate_folio" in yours.asked:
        hint = _AS_MERGED
    return Finding(tried, f"{len(wrong)} differ", "as asked for", hint, at_most=at_most)


def _hint(yours: Moved, expected: Moved, group: str) -> str:
    if isinstance(yours.bug, NullDereference) and group in ("fallback", "hurried"):
        return ("The mapping has no such callback, and a call through a NULL pointer crashes:\n"
                "ask has_migrate_folio(mapping) first")
    if isinstance(yours.bug, NullDereference):
        return ("mapping_unmovable(), unlike mapping_unevictable(), takes no NULL:\n"
                "a folio without a mapping goes its own way first")
    if yours.text == expected.text:
        return ("The caller locks and unlocks, and the callback moves, "
                "from src to dst (dst is written first): leave both folios as they are")
    if yours.returned is None and not yours.bug:
        return "Nothing is returned: write return (yield ...) on every way"
    if group == "unmovable" and yours.asked:
        return ("A callback was asked before the flag:\n"
                "guest_memfd's own would warn and say -EINVAL, and one that moves would move the folio")
    if group == "unmovable":
        return ("The code for what will never be possible is Result.EOPNOTSUPP, a negative number; "
                "-EBUSY and -EAGAIN sound as if it might")
    if group == "no mapping":
        return ("Anonymous memory has no mapping here, and it is most of what moves:\n"
                "return (yield migrate_folio(dst, src))")
    if group in ("fallback", "hurried") and not yours.asked:
        return ("No migrate_folio does not mean unmovable:\n"
                "fallback_migrate_folio(mapping, dst, src, mode) moves what is clean")
    if group == "callback" and not yours.asked:
        return ("Only the flag says unmovable:\nask a mapping that has a migrate_folio, "
                "and return what a_ops_migrate_folio() says")
    if yours.asked != expected.asked:
        return ("Each way has one callback:\nthe mapping's own if it has one, "
                "fallback_migrate_folio() if not, and never two")
    if group == "fallback" and yours.answers[-1] == yours.returned:
        return ("What the fallback may do depends on the mode:\n"
                "fallback_migrate_folio(mapping, dst, src, mode)")
    return ("Return what the callback has said, and nothing else:\n"
            "whoever called has to know whether to try again")


# Who is in the batch; the middle kind has slipped past the scanner.
_MOVABLE = "anon", "file, clean", "tmpfs", "anon, mlocked"
QUANTITIES = ("asked of guest_memfd", "asked of pinned", "returned", "pgmigrate_success", "pgmigrate_fail")


def batch_for(learner: str) -> list[str]:
    """A learner's batch, by kind: movable folios, pinned ones, some of guest_memfd that slipped through."""
    dice = random.Random(seed_of(learner))
    unmovable, pinned = dice.sample(range(2, 6), 2)
    movable = [dice.choice(_MOVABLE) for _ in range(dice.randint(4, 7))]
    batch = ["guest_memfd"] * unmovable + ["file, pinned"] * pinned + movable
    dice.shuffle(batch)
    return batch


def counted(batch: list[str], mode: MigrateMode) -> dict[str, int]:
    """migrate_pages() of 0003e2a41468 on a batch that a scanner without the flag has isolated: QUANTITIES."""
    asked = []

    def move_to_new_folio(dst, src, mode: MigrateMode) -> Path:
        asked.append(batch[src.pfn])
        return (yield from after.move_to_new_folio(dst, src, mode))

    zone = zone_of(*batch, *["slab"] * (512 - len(batch)), *["free"] * 256, *["slab"] * 256)
    cc = CompactControl(zone, before, mode=mode, free_pfn=512)
    isolate_migratepages_block(cc, 0, len(batch), Mode())
    cc.kernel = made_of("counting", move_to_new_folio=move_to_new_folio)
    returned = migrate_pages(cc)
    numbers = (asked.count("guest_memfd"), asked.count("file, pinned"), int(returned),
               zone.vmstat["pgmigrate_success"], zone.vmstat["pgmigrate_fail"])
    return dict(zip(QUANTITIES, numbers, strict=True))


@in_steps("a code that is final: one try in MIGRATE_ASYNC, one more in the sync modes. -EAGAIN: 10 "
          "tries in each mode. "
          "The counters count folios", CHOSEN)
def what_it_costs(numbers: dict[str, list[int]], learner: str) -> Report:
    """Exercise "the backstop", its code: who is asked how often, what migrate_pages() counts (0003e2a41468).

    `numbers` maps each of QUANTITIES to three numbers: MIGRATE_ASYNC, MIGRATE_SYNC_LIGHT, MIGRATE_SYNC;
    and TRUE_SENTENCES to the letters of the true sentences of refusal_sentences(learner).
    """
    true = by_name(numbers, (TRUE_SENTENCES,)).get(TRUE_SENTENCES)
    numbers = by_name(numbers, QUANTITIES)
    if not numbers:
        return unsolved("write three numbers in each row, one a mode")
    rows = {name: [*row, ..., ..., ...] if isinstance(row, list | tuple) else [row] * 3
            for name, row in numbers.items()}
    return Report([*_counts(rows, learner), judged(REFUSALS, true, learner)], elsewhere=example(
        lambda name: "\n".join(batch_for(name)),
        lambda name: _counts({quantity: [None] * 3 for quantity in QUANTITIES}, name), learner))


def refusal_sentences(learner: str = "") -> Lettered:
    """Seven sentences about what a refusal costs, some of them true."""
    return lettered(REFUSALS, learner)


def _counts(rows: dict[str, list], learner: str) -> list[Finding]:
    batch = batch_for(learner)
    findings = []
    for column, mode in enumerate(MigrateMode):
        for name, right in counted(batch, mode).items():
            number = rows[name][column]
            hint = _number_hint(name, number, mode, batch)
            findings.append(compared(f"{mode}, {name}", number, right, hint))
    return findings


def _number_hint(name: str, number: object, mode: MigrateMode, batch: list[str]) -> str:
    unmovable, pinned = batch.count("guest_memfd"), batch.count("file, pinned")
    if not isinstance(number, Integral):
        return "write a whole number"
    if name == "asked of guest_memfd":
        if number == unmovable * NR_MAX_MIGRATE_PAGES_RETRY:
            return "-EOPNOTSUPP is a no, and not a not now:\nno further pass of the same round asks again"
        if mode == MigrateMode.ASYNC:
            return ("an asynchronous call has one round,\nand permanent failures are not tried again in it; "
                    "add up over the folios")
        return ("what the batch left is tried again one by one in sync modes, permanent failures, too:\n"
                "one more round; add up over the folios")
    if name == "asked of pinned":
        if number == pinned:
            return "-EAGAIN is a not now:\nit is tried again, pass after pass"
        return ("how many passes are there, in which round?\n10 passes in MIGRATE_ASYNC; 3 in the batch "
                "and 7 alone in the sync modes; "
                "add up over the folios")
    if name == "returned":
        if number < 0:
            return ("a code such as -EOPNOTSUPP stays with its folio; only -ENOMEM ends the call:\n"
                    "returned is how many folios did not move")
        return ("how many folios are left on the list, each of them once:\n"
                "those of guest_memfd, and the pinned ones")
    if name == "pgmigrate_success":
        return "the neighbours move:\nnobody's refusal ends the call, and nobody moves twice"
    if number == unmovable:
        return "who fails besides guest_memfd?\nThe pinned folios fail, too, after their last pass"
    if number > unmovable + pinned:
        return ("tried twice is not counted twice:\n"
                "migrate_pages_sync() forgets the failures of its first round")
    return "every folio that stays is counted once, whatever its code"
