"""The mapping (struct address_space): a file's page cache, with its flags and its operations.

Flags are bit *indices*, as in `enum mapping_flags` (include/linux/pagemap.h, 0003e2a41468): flag f is set
where `flags & 1 << f`. Setters are plain functions, not steps: each is called while nobody else can see the
mapping yet, or (SHM_LOCK) under locks that compaction never takes. The inode around the mapping lives and
dies with it: one object. Two spinlocks lie in it: the inode's i_lock, and inside it in order the lock of
i_pages, the tree lock. Leaves out the xarray but for its lock, the invalidate lock, write-back, the list of
unused inodes, and RCU's delay between an inode's end and its free.
"""
from typing import NamedTuple

from ..step import AnotherInodeRead, DoubleLock, KernelBug, NotLocked, NullDereference, UseAfterFree, atomic
from .verdict import Result

# Indices, not masks: `flags |= AS_UNMOVABLE` would set AS_UNEVICTABLE's bit 3 alone.
(AS_EIO, AS_ENOSPC, AS_MM_ALL_LOCKS, AS_UNEVICTABLE, AS_EXITING, AS_NO_WRITEBACK_TAGS, AS_LARGE_FOLIO_SUPPORT,
 AS_RELEASE_ALWAYS, AS_UNMOVABLE) = range(9)

FLAG_NAMES = ("AS_EIO", "AS_ENOSPC", "AS_MM_ALL_LOCKS", "AS_UNEVICTABLE", "AS_EXITING",
              "AS_NO_WRITEBACK_TAGS", "AS_LARGE_FOLIO_SUPPORT", "AS_RELEASE_ALWAYS", "AS_UNMOVABLE")

# The same flag has another number from release to release; None: the release has no such flag.
FLAG_RELEASES = ("0003e2a41468", "v6.8-v6.10", "v6.11", "6.12", "7.3")
FLAG_VALUES = {
    "AS_EIO": (0, 0, 0, 0, 0),
    "AS_ENOSPC": (1, 1, 1, 1, 1),
    "AS_MM_ALL_LOCKS": (2, 2, 2, 2, 2),
    "AS_UNEVICTABLE": (3, 3, 3, 3, 3),
    "AS_EXITING": (4, 4, 4, 4, 4),
    "AS_NO_WRITEBACK_TAGS": (5, 5, 5, 5, 5),
    "AS_LARGE_FOLIO_SUPPORT": (6, 6, 6, None, None),
    "AS_RELEASE_ALWAYS": (7, 7, 7, 6, 6),
    "AS_STABLE_WRITES": (None, 8, 8, 7, 7),
    "AS_UNMOVABLE": (8, 9, None, None, None),
    "AS_INACCESSIBLE": (None, None, 9, 8, 8),
    "AS_WRITEBACK_MAY_DEADLOCK_ON_RECLAIM": (None, None, None, None, 9),
    "AS_KERNEL_FILE": (None, None, None, None, 10),
}


class AddressSpaceOperations(NamedTuple):
    """A mapping's method table (struct address_space_operations), as far as migration asks for it."""

    name: str
    migrate_folio: Result | None = Result.SUCCESS       # None: no callback; SUCCESS: moves; or refuses so
    writepage: bool = True      # dirty folios can be written out; asked only where there is no migrate_folio


class AddressSpace:
    """One inode's page cache (struct address_space). Compared by identity.

    Whoever reads it must keep it alive meanwhile: by the lock of a folio that is in it, by a reference on the
    inode, or by RCU, which is left out. A reference on a folio does not.
    """

    __slots__ = ("a_ops", "flags", "freed", "i_count", "i_locked", "i_pages_locked", "name", "nrpages",
                 "reused")

    def __init__(self, name: str, a_ops: AddressSpaceOperations, flags: int = 0):
        self.name = name
        self.a_ops = a_ops
        self.flags = flags              # bit indices of enum mapping_flags
        self.freed = False              # the inode is gone; reading this mapping is a use after free
        self.reused = False             # its memory is another inode's by now; reading it is a silent mistake
        self.i_locked = False           # the inode's i_lock
        self.i_pages_locked = False     # the lock of i_pages, the tree lock
        self.i_count = 1                # references on the inode: whoever drops the last one evicts it
        self.nrpages = 0                # folios in the page cache: truncation and reclaim count down

    def snapshot(self) -> tuple:
        """All of the mapping that threads can change, as values."""
        return (self.flags, self.freed, self.reused, self.i_locked, self.i_pages_locked, self.i_count,
                self.nrpages)

    def restore(self, snapshot: tuple) -> None:
        """Set all that snapshot() gave."""
        (self.flags, self.freed, self.reused, self.i_locked, self.i_pages_locked, self.i_count,
         self.nrpages) = snapshot

    def __repr__(self):
        return self.name


def flag_names(flags: int) -> list[str]:
    """The names of the flags that are set, by the numbers of the patch commit."""
    return [name for bit, name in enumerate(FLAG_NAMES) if flags >> bit & 1]


def set_bit(flag: int, mapping: AddressSpace) -> None:
    """Set the flag with this index."""
    mapping.flags |= 1 << flag


def clear_bit(flag: int, mapping: AddressSpace) -> None:
    """Clear the flag with this index."""
    mapping.flags &= ~(1 << flag)


def dereference(mapping: AddressSpace | None) -> AddressSpace:
    """Follow the pointer: the mapping, or the KernelBug that a kernel may not even notice.

    Every read goes through here, so that none of a freed mapping is overlooked.
    """
    if mapping is None:
        raise NullDereference("the mapping is NULL, and it is read")
    if mapping.freed:
        raise UseAfterFree(f"{mapping.name} was freed, and it is read")
    if mapping.reused:
        raise AnotherInodeRead(f"{mapping.name} was freed and is another inode's by now, and it is read")
    return mapping


def test_bit(flag: int, mapping: AddressSpace) -> bool:
    """Whether the flag with this index is set."""
    return bool(dereference(mapping).flags >> flag & 1)


def mapping_set_unevictable(mapping: AddressSpace) -> None:
    """ramfs and secretmem at creation, shmem on SHM_LOCK (include/linux/pagemap.h)."""
    set_bit(AS_UNEVICTABLE, mapping)


def mapping_clear_unevictable(mapping: AddressSpace) -> None:
    """shmem on SHM_UNLOCK (include/linux/pagemap.h)."""
    clear_bit(AS_UNEVICTABLE, mapping)


def mapping_unevictable(mapping: AddressSpace | None) -> bool:
    """Whether reclaim must leave the folios alone; NULL: no (include/linux/pagemap.h).

    The kernel asks in folio_evictable(), inside rcu_read_lock(). SHM_LOCK and SHM_UNLOCK change the answer.
    """
    return mapping is not None and test_bit(AS_UNEVICTABLE, mapping)


def mapping_set_unmovable(mapping: AddressSpace) -> None:
    """Mark the mapping as completely unmovable (include/linux/pagemap.h, 0003e2a41468).

    Caller is creating the inode: there is no folio yet. No kernel clears the flag again.
    """
    # Unmovable implies unevictable: compaction locks a clean folio only when it is unevictable.
    set_bit(AS_UNEVICTABLE, mapping)
    set_bit(AS_UNMOVABLE, mapping)


@atomic
def mapping_unmovable(mapping: AddressSpace) -> bool:
    """Whether no folio of the mapping may move (include/linux/pagemap.h, 0003e2a41468).

    Caller must know that the mapping is not NULL, and hold the lock of one of its folios (or a reference on
    the inode). The answer stays true: the flag is set once, at creation.
    """
    return test_bit(AS_UNMOVABLE, mapping)


@atomic
def has_migrate_folio(mapping: AddressSpace) -> bool:
    """mapping->a_ops->migrate_folio: whether there is such a callback, which may still refuse.

    Caller must hold what mapping_unmovable() asks for.
    """
    return dereference(mapping).a_ops.migrate_folio is not None


@atomic(when=lambda mapping: not mapping.i_locked or mapping.freed or mapping.reused)
def i_lock(mapping: AddressSpace) -> None:
    """Take the inode's i_lock, spin_lock(&inode->i_lock); spins until it is free (include/linux/fs.h).

    Caller must keep the inode alive before it has the lock, and takes the tree lock, if at all, inside.
    """
    if dereference(mapping).i_locked:
        raise DoubleLock(f"the i_lock of {mapping.name} is held already")
    mapping.i_locked = True


@atomic
def i_unlock(mapping: AddressSpace) -> None:
    """Release the inode's i_lock. Caller holds it, and the inode is alive: the lock lies inside it."""
    if not dereference(mapping).i_locked:
        raise NotLocked(f"the i_lock of {mapping.name} is released, and nobody holds it")
    mapping.i_locked = False


@atomic
def inode_add_lru(mapping: AddressSpace) -> None:
    """Put an inode without folios and references on the list of unused ones (fs/inode.c): here it is read.

    Caller holds i_lock, which is all that keeps the inode alive once the folio has left the page cache.
    """
    dereference(mapping)


@atomic(when=lambda mapping: not mapping.i_pages_locked or mapping.freed or mapping.reused)
def xa_lock_irq(mapping: AddressSpace) -> None:
    """Take the tree lock, mapping->i_pages.xa_lock; spins until it is free (include/linux/xarray.h).

    Caller must keep the mapping alive before it has the lock: no lock protects the memory in which it lies.
    """
    if dereference(mapping).i_pages_locked:
        raise DoubleLock(f"the tree lock of {mapping.name} is held already")
    mapping.i_pages_locked = True


@atomic
def xa_unlock_irq(mapping: AddressSpace) -> None:
    """Release the tree lock. Caller holds it, and keeps the mapping alive: this step still writes to it."""
    if not dereference(mapping).i_pages_locked:
        raise NotLocked(f"the tree lock of {mapping.name} is released, and nobody holds it")
    mapping.i_pages_locked = False


@atomic
def iput(mapping: AddressSpace) -> bool:
    """Drop a reference on the inode; True for the last one, whose owner must evict the inode (fs/inode.c).

    Caller holds the reference. After False the mapping may be freed at any moment.
    """
    dereference(mapping).i_count -= 1
    return mapping.i_count == 0


@atomic
def clear_inode(mapping: AddressSpace) -> None:
    """The inode is about to go: BUG unless its page cache is empty (fs/inode.c).

    Caller evicts the inode, to which nobody has a reference. Its cycle of the tree lock is two other steps.
    """
    if dereference(mapping).nrpages:
        raise KernelBug(f"{mapping.name} is cleared, and {mapping.nrpages} of its folios "
                        "are in the page cache")


@atomic
def free_inode(mapping: AddressSpace) -> None:
    """destroy_inode() and the free after the grace period at once (fs/inode.c): the mapping is gone.

    Caller has cleared the inode. Nobody else is asked: who still reads the mapping runs into the bug.
    """
    if dereference(mapping).nrpages:
        raise KernelBug(f"{mapping.name} is freed, and {mapping.nrpages} of its folios still point to it")
    mapping.freed = True


@atomic
def reuse_inode(mapping: AddressSpace) -> None:
    """The slab gives the same memory to another inode, with no flags (inode_init_always(), fs/inode.c).

    Caller has freed the inode: whoever still has a pointer to it does not notice.
    """
    mapping.freed, mapping.reused, mapping.flags = False, True, 0
