"""Eighteen things that people get wrong about unmovable memory, true or false, before notebook 12 and after.

Each stands in two forms, one a round; about half of each round are true. Nothing is told before the scores.
"""
from typing import NamedTuple

from ..widgets.prediction import PredictionView
from .predictions import Asked, Table, score
from .question import question
from .record import Record

TRUE, FALSE = "true", "false"
ROUNDS = ("first", "again")


class Sentence(NamedTuple):
    """One of the eighteen by its number in notebook 12: a form a round with its truth, and what is right."""

    number: int
    first: tuple[str, bool]
    again: tuple[str, bool]
    right: str


SENTENCES = [
    Sentence(1, ("An unevictable page cannot be moved.", False),
             ("Compaction moves the pages of locked shared memory, although they are unevictable.", True),
             "Unevictable: reclaim leaves it alone. Compaction may move it."),
    Sentence(2, ("By default, compaction moves mlocked pages.", True),
             ("After mlock() a page keeps its physical address.", False),
             "mlock keeps a page in memory, not in its place."),
    Sentence(3, ("A pinned page of an ordinary file can be moved once the pin is gone.", True),
             ("A pinned anonymous page is left alone, and can be moved once the pin is gone.", True),
             "A pin lasts for a time. It says nothing of the mapping."),
    Sentence(4, ("A page in a pageblock of type MIGRATE_UNMOVABLE never moves.", False),
             ("The type of its pageblock does not decide whether compact_memory moves a page.", True),
             "The block's type says where new pages are put."),
    Sentence(5, ("Whoever holds a reference on a folio keeps its mapping alive.", False),
             ("A folio can still have a reference when its mapping is already freed.", True),
             "The reference is on the page. The inode with its mapping may go."),
    Sentence(6, ("A mapping can be freed after its pointer was read, and before it is followed.", True),
             ("Whoever has found folio->mapping not NULL may follow it without the folio lock.", False),
             "Checked and used are two moments. Only the folio lock joins them."),
    Sentence(7, ("ISOLATE_ASYNC_MIGRATE is set in async mode only.", False),
             ("ISOLATE_ASYNC_MIGRATE is set in MIGRATE_SYNC_LIGHT, too.", True),
             "The bit is set in every mode but MIGRATE_SYNC."),
    Sentence(8, ("Direct compaction never runs in MIGRATE_SYNC.", True),
             ("At its highest priority direct compaction runs in MIGRATE_SYNC_LIGHT.", True),
             "Its slowest mode is MIGRATE_SYNC_LIGHT."),
    Sentence(9, ("When the scanner's folio_trylock() fails, it tries again at once.", False),
             ("When folio_trylock() fails during isolation, the kernel has a bug.", False),
             "It means: not now. A later scan may take the folio."),
    Sentence(10, ("Before there was AS_UNMOVABLE, compaction crashed on guest_memfd.", False),
             ("The kernel before the patch is safe from truncation in every order.", True),
             "The flag saves work. No crash was there to be mended."),
    Sentence(11, ("A clean page can be moved even if its file system has no migrate_folio.", True),
             ("A written page of ramfs moves just as a clean page does.", False),
             "The fallback moves what is clean. What is dirty needs a writepage."),
    Sentence(12, ("With enough free memory compaction always makes a large block.", False),
             ("If a block needs 512 pages and 1,024 are free, compaction can always make it.", False),
             "One page that stays spoils its block."),
    Sentence(13, ("compact_memory does not help where an unmovable mapping is in the way.", True),
             ("When a large allocation has failed, writing 1 to compact_memory cures it.", False),
             "It helps while all that is in the way can move."),
    Sentence(14, ("When CMA gets -EBUSY, some page in the range can never move.", False),
             ("When CMA gets -EBUSY, a pin or a lock of a moment may be the reason.", True),
             "It may be somebody's for good, or just now."),
    Sentence(15, ("compact_fail counts attempts to allocate, and no pages.", True),
             ("If compact_fail is 2, two pages have failed to move.", False),
             "It counts attempts that gave no block."),
    Sentence(16, ("pgmigrate_success is the number of pages that were copied.", False),
             ("If pgmigrate_success is 1, one page was copied to a target.", False),
             "A folio that was freed meanwhile counts, and is not copied."),
    Sentence(17, ("nr_scanned can be larger than the range that was scanned.", True),
             ("A scan of four pages can report that it has scanned eight.", True),
             "A free block is added whole."),
    Sentence(18, ("vm.compaction_proactiveness = 0 ends proactive compaction.", True),
             ("When kcompactd takes too much time, a sysctl raises its deferral.", False),
             "The most that is deferred is a constant of the kernel."),
]


class Quiz:
    """The eighteen, asked in two rounds. What was said is kept as predictions are."""

    def __init__(self, notebook: str):
        record = Record(f"{notebook} quiz")
        self.asked = {round: Asked(question(round, "True or false?", choices=[TRUE, FALSE],
                                            rows=[row(one, round) for one in SENTENCES]), record)
                      for round in ROUNDS}

    def first(self) -> PredictionView:
        """The round before the notebook."""
        return self.asked["first"].show()

    def again(self) -> PredictionView:
        """The round after it: the same eighteen in their other form."""
        return self.asked["again"].show()

    def scores(self) -> Table:
        """Both rounds side by side, and what is right. What was said until now counts."""
        judged = {round: asked.judge({row(one, round): TRUE if getattr(one, round)[1] else FALSE
                                      for one in SENTENCES}) for round, asked in self.asked.items()}
        totals = [f"{round}: {score([item.outcome for item in items])}" for round, items in judged.items()]
        rows = [(str(one.number), *(item.outcome for item in items), one.right)
                for one, *items in zip(SENTENCES, *judged.values())]
        return Table("; ".join(totals), [("", *ROUNDS, "what is right"), *rows], [])

    def forget(self) -> None:
        """Forget both rounds, to begin anew."""
        for asked in self.asked.values():
            asked.forget()


def row(sentence: Sentence, round: str) -> str:
    """A sentence as it is asked in a round."""
    return f"{sentence.number}. {getattr(sentence, round)[0]}"
