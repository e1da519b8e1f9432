"""Kernels that a learner may hand in for the lock block: right, safe, unsafe and copied."""
from typing import NamedTuple

from answers import changed

import kitlib as kl
from kitlib.kernels import after, after_unlock, blocking, cached, no_null_check
from kitlib.mm.folio import folio_put

MERGED_ORDER = """\
        if mode.async_migrate and is_dirty:
            migrate_dirty = not mapping or (yield has_migrate_folio(mapping))
        is_unmovable = mapping and (yield mapping_unmovable(mapping))
"""
FLAG_FIRST = """\
        is_unmovable = mapping and (yield mapping_unmovable(mapping))
        if mode.async_migrate and is_dirty and not is_unmovable:
            migrate_dirty = not mapping or (yield has_migrate_folio(mapping))
"""
AGAIN = "        mapping = yield folio_mapping(folio)\n"
ASK = "        is_unmovable = mapping and (yield mapping_unmovable(mapping))\n"
FIRST = AGAIN + ASK
TRYLOCK = "        if not (yield folio_trylock(folio)):\n"
UNLOCK = "        yield folio_unlock(folio)\n"
MIGRATE_DIRTY = "        migrate_dirty = True\n"


class Kernel(NamedTuple):
    """An isolate_folio(), its points of 6 in exercise 07, its hint, the shortest schedule that breaks it."""

    name: str
    isolate_folio: object
    points: float
    hint: str
    schedule: str = ""


def own(*changes):
    """The exercise's kernel, with changes."""
    return changed(after.isolate_folio, (MERGED_ORDER, FLAG_FIRST), *changes, folio_put=folio_put)


def delegates(folio, mode):
    return (yield from after.isolate_folio(folio, mode))


solution = own()
BEFORE_THE_LOCK = "The pointer was read before the lock"
NO_LOCK, NO_NULL = "Take the folio lock first", "Truncation may be done before you get the lock: then"
AFTER_THE_UNLOCK = "The mapping is followed after folio_unlock()"
MERGED = "so decides the merged kernel, kl.after"
UNSAFE = [
    Kernel("racy", kl.racy.isolate_folio, 0, NO_LOCK, "C3T21C1"),
    Kernel("cached", cached.isolate_folio, 0, BEFORE_THE_LOCK, "C7T21C2"),
    Kernel("after_unlock", after_unlock.isolate_folio, 0, AFTER_THE_UNLOCK, "C11T21C1"),
    Kernel("no_null_check", no_null_check.isolate_folio, 0, NO_NULL, "C7T13C3"),
    Kernel("not read again", own((FIRST, ASK)), 0, BEFORE_THE_LOCK, "C7T21C2"),
    Kernel("read again before the trylock", own((FIRST, ASK), (TRYLOCK, AGAIN + TRYLOCK)), 0,
           BEFORE_THE_LOCK, "C8T21C2"),
    Kernel("read again, and the old one asked", own(
        (FIRST, AGAIN.replace("mapping", "again", 1) + ASK),
        ("is_unmovable = mapping and", "is_unmovable = again is not mapping and mapping and")), 0,
           BEFORE_THE_LOCK, "C7T21C3"),
    Kernel("no NULL check", own((ASK, ASK.replace("mapping and ", "", 1))), 0, NO_NULL, "C7T13C3"),
    Kernel("NULL check of the old pointer", own(
        (FIRST, "        old = mapping\n" + AGAIN + ASK.replace("mapping and", "old and", 1))),
           0, NO_NULL, "C7T13C3"),
    Kernel("asked after the unlock", own((ASK, "        is_unmovable = False\n"), (UNLOCK, UNLOCK + ASK)), 0,
           AFTER_THE_UNLOCK, "C11T21C1"),
    Kernel("asked before the lock, too", own((MIGRATE_DIRTY, MIGRATE_DIRTY + ASK)), 0, NO_LOCK, "C7T21C1"),
    Kernel("put before the unlock", own((UNLOCK, "        yield folio_put(folio)\n" + UNLOCK)), 0,
           "a reference is missing", "C13"),
    Kernel("never unlocked", own((UNLOCK, "")), 0, "Every way out of the lock block", "T1C11"),
]
SAFE = [
    Kernel("before", kl.before.isolate_folio, 0, "a path that never asks cannot crash, and says nothing"),
    Kernel("after", after.isolate_folio, 1, MERGED),
    Kernel("delegates to after", delegates, 1, MERGED),
    Kernel("blocking, as it is in the kit", blocking.isolate_folio, 1, "write folio_trylock()"),
    Kernel("blocking, the flag first", changed(blocking.isolate_folio, (MERGED_ORDER, FLAG_FIRST)), 3.5,
           "write folio_trylock()"),
    Kernel("every file folio is locked", own(("or (mapping and is_unevictable)", "or mapping")), 5,
           "Who is locked at all?"),
]
WRONG_KERNELS = UNSAFE + SAFE
