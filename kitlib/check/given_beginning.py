"""The beginning of the decision of 0003e2a41468, for exercises in which a learner writes its end.

A second copy on purpose: in the stepper a learner reads these lines, and not those that are left to write.
test_what_is_given_to_a_learner_is_the_beginning_of_the_kernels_decision (test_ex07_lock_before_you_look.py)
holds it to after.isolate_folio(), answer by answer.
"""
from ..kernels.labels import isolate_fail, isolate_fail_put
from ..mm.folio import (Folio, PageLRU, folio_get_nontail_page, folio_has_extra_refs, folio_mapping,
                        folio_test_lru, folio_test_unevictable, folio_test_writeback)
from ..mm.verdict import Mode
from ..step import Path


def on_the_lru(folio: Folio, mode: Mode) -> Path:
    """isolate_folio() as far as the second look at PG_lru: how it ends before, or None; and the mapping."""
    if not (yield PageLRU(folio)):
        return isolate_fail("not on the LRU"), None
    if not (yield folio_get_nontail_page(folio)):
        return isolate_fail("reference count is zero"), None
    mapping = yield folio_mapping(folio)
    if not mapping and (yield folio_has_extra_refs(folio)):
        return (yield from isolate_fail_put(folio, "no mapping, extra references")), None
    if not mode.gfp_fs and mapping:
        return (yield from isolate_fail_put(folio, "has a mapping, and GFP_NOFS")), None
    if not (yield folio_test_lru(folio)):
        return (yield from isolate_fail_put(folio, "left the LRU")), None
    return None, mapping


def up_to_the_lock(folio: Folio, mode: Mode) -> Path:
    """The same as far as the test for writeback: how it ends before the lock, or None.

    And the mapping as it was read without the lock, and whether PG_unevictable was set.
    """
    refused, mapping = yield from on_the_lru(folio, mode)
    if refused:
        return refused, None, False
    is_unevictable = yield folio_test_unevictable(folio)
    if not mode.unevictable and is_unevictable:
        refused = yield from isolate_fail_put(folio, "unevictable")
    elif mode.async_migrate and (yield folio_test_writeback(folio)):
        refused = yield from isolate_fail_put(folio, "under writeback")
    return refused, mapping, is_unevictable
