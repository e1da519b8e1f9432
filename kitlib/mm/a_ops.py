"""Who stands behind a mapping: method tables of some file systems, and new mappings of each sort.

The kernel's file stands beside each. Leaves out all methods but migrate_folio, and writepage where there is
no migrate_folio.
"""
from .mapping import AddressSpace, AddressSpaceOperations, mapping_set_unevictable, mapping_set_unmovable
from .verdict import Result

shmem_aops = AddressSpaceOperations("shmem_aops")                               # mm/shmem.c
ext4_aops = AddressSpaceOperations("ext4_da_aops")                              # fs/ext4/inode.c
# fs/libfs.c: whatever was written is dirty for good (noop_dirty_folio()).
ram_aops = AddressSpaceOperations("ram_aops", None, writepage=False)
old_fs_aops = AddressSpaceOperations("a file system without migrate_folio", None)
secretmem_aops = AddressSpaceOperations("secretmem_aops", Result.EBUSY)         # mm/secretmem.c
kvm_gmem_aops = AddressSpaceOperations("kvm_gmem_aops", Result.EINVAL)          # virt/kvm/guest_memfd.c: WARN


def mappings() -> list[AddressSpace]:
    """New mappings, one of each sort, in the order in which the palette numbers them from 1."""
    ext4, old_fs, tmpfs = (AddressSpace(a_ops.name, a_ops) for a_ops in (ext4_aops, old_fs_aops, shmem_aops))
    ramfs, secretmem, gmem = (
        AddressSpace(a_ops.name, a_ops) for a_ops in (ram_aops, secretmem_aops, kvm_gmem_aops))
    shm_lock = AddressSpace("shmem_aops (SHM_LOCK)", shmem_aops)
    for mapping in (shm_lock, ramfs, secretmem):
        mapping_set_unevictable(mapping)
    mapping_set_unmovable(gmem)
    return [ext4, old_fs, tmpfs, shm_lock, ramfs, secretmem, gmem]


# The numbers of mappings() in a zone made with them; 0 is no mapping.
EXT4, OLD_FS, TMPFS, SHM_LOCK, RAMFS, SECRETMEM, GMEM = range(1, 8)
