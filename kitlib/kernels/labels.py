"""The labels of isolate_migratepages_block() (mm/compaction.c), where a decision ends: a goto is a return."""
from ..mm.folio import Folio, folio_put
from ..mm.verdict import Verdict
from ..step import Path


def isolate_fail(why: str) -> Verdict:
    """goto isolate_fail: no reference was taken."""
    return Verdict("isolate_fail", why)


def isolate_fail_put(folio: Folio, why: str) -> Path:
    """goto isolate_fail_put: the caller's reference is dropped first, and may be the last."""
    yield folio_put(folio)
    return Verdict("isolate_fail_put", why)


def isolate_success() -> Verdict:
    """goto isolate_success: the folio is off its LRU list, with one reference that belongs to the scanner."""
    return Verdict("isolate_success")
