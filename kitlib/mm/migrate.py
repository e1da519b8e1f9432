"""A folio's place in the page cache goes to another folio, in the steps of migration (mm/migrate.c).

For races: where nobody comes between, as in a run over a whole zone, a move is one step (folio.py). So is
fallback_migrate_folio(), also in a race. Leaves out large folios, buffers, counters and the copy of the
contents.
"""
from collections.abc import Callable

from ..step import Path, Step
from .filemap import folio_migrate_flags, folio_ref_freeze, folio_ref_unfreeze, page_cache_replace
from .folio import Folio
from .mapping import AddressSpace, xa_lock_irq, xa_unlock_irq
from .verdict import Result


# Caller has isolated `src`, owns `dst`, and holds both folio locks, so `src` stays in the page cache. While
# its count is frozen nobody takes a reference on it: who looks the index up waits, and finds `dst`. With
# `folio_ref_is` as `freeze`, which is wrong, a reference taken in between is lost.
def folio_migrate_mapping(mapping: AddressSpace, dst: Folio, src: Folio,
                          freeze: Callable[[Folio, int], Step] = folio_ref_freeze) -> Path:
    """`dst` takes the place of `src`, if page cache and isolation alone hold that; else -EAGAIN."""
    yield xa_lock_irq(mapping)
    if not (yield freeze(src, 2)):
        yield xa_unlock_irq(mapping)
        return Result.EAGAIN
    yield page_cache_replace(mapping, dst, src)
    yield folio_ref_unfreeze(src, 1)
    yield xa_unlock_irq(mapping)
    yield folio_migrate_flags(dst, src)
    return Result.SUCCESS
