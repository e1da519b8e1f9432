"""Named situations: the palette of legal page kinds, random zones, single folios.

What tests and notebooks start from. The races have a module of their own (races.py).
"""
import random
from collections.abc import Mapping
from functools import lru_cache
from numbers import Real

from .mm.a_ops import EXT4, GMEM, OLD_FS, RAMFS, SECRETMEM, SHM_LOCK, TMPFS, mappings
from .mm.folio import PG, Folio
from .mm.zone import FREE_PAGE, MAX_ORDER, MIGRATE_UNMOVABLE, Kind, Zone, pageblock_nr_pages

_ANON = PG.LRU | PG.ANON | PG.SWAPBACKED | PG.UPTODATE
_FILE = PG.LRU | PG.UPTODATE
_SHMEM = _FILE | PG.SWAPBACKED

# References at rest: one for each page-table entry, one for the page cache, one for buffers, one for a pin.
KINDS = (
    FREE_PAGE,
    Kind("anon", _ANON, 1, 1),
    Kind("anon, shared by three", _ANON, 3, 3),
    Kind("anon, pinned", _ANON, 2, 1),
    Kind("anon, mlocked", _ANON | PG.UNEVICTABLE | PG.MLOCKED, 1, 1),
    Kind("anon, in a per-CPU LRU batch", _ANON & ~PG.LRU, 2, 1),
    Kind("file, clean", _FILE, 1, 0, EXT4),
    Kind("file, clean, mapped", _FILE, 2, 1, EXT4),
    Kind("file, mlocked", _FILE | PG.UNEVICTABLE | PG.MLOCKED, 2, 1, EXT4),
    Kind("file, dirty", _FILE | PG.DIRTY, 1, 0, EXT4),
    Kind("file, dirty, with buffers", _FILE | PG.DIRTY | PG.PRIVATE, 2, 0, EXT4),
    Kind("file, under writeback", _FILE | PG.WRITEBACK, 1, 0, EXT4),
    Kind("file, locked", _FILE | PG.LOCKED, 1, 0, EXT4),
    Kind("file, dirty and locked", _FILE | PG.DIRTY | PG.LOCKED, 1, 0, EXT4),
    Kind("file, pinned", _FILE, 3, 1, EXT4),
    Kind("file, truncated, still held", _FILE, 1, 0),
    Kind("file, dirty, no migrate_folio", _FILE | PG.DIRTY, 1, 0, OLD_FS),
    Kind("file, clean, no migrate_folio", _FILE, 1, 0, OLD_FS),
    Kind("tmpfs", _SHMEM | PG.DIRTY, 1, 0, TMPFS),
    Kind("shmem, SHM_LOCK", _SHMEM | PG.UNEVICTABLE | PG.DIRTY, 2, 1, SHM_LOCK),
    Kind("shmem, SHM_LOCK, locked", _SHMEM | PG.UNEVICTABLE | PG.DIRTY | PG.LOCKED, 2, 1, SHM_LOCK),
    Kind("ramfs", _FILE | PG.UNEVICTABLE | PG.DIRTY, 1, 0, RAMFS),
    Kind("ramfs, never written", _FILE | PG.UNEVICTABLE, 1, 0, RAMFS),
    Kind("secretmem", _FILE | PG.UNEVICTABLE, 2, 1, SECRETMEM),
    Kind("guest_memfd", _FILE | PG.UNEVICTABLE, 1, 0, GMEM),
    Kind("guest_memfd, locked", _FILE | PG.UNEVICTABLE | PG.LOCKED, 1, 0, GMEM),
    Kind("slab", PG.SLAB, 1, 0),
    Kind("page table", PG.SLAB, 1, 0),
)
KIND = {kind.name: number for number, kind in enumerate(KINDS)}
# The two of ramfs share what one kind has, so that all others lie where they lay in every random zone.
_IN_BATCH = KIND["anon, in a per-CPU LRU batch"]
_WEIGHTS = {"free": 40, "anon": 60, "file, clean": 24, "tmpfs": 10, "slab": 16,
            "ramfs": 2, "ramfs, never written": 2}
_WEIGHED = [number for number, kind in enumerate(KINDS) for _ in range(_WEIGHTS.get(kind.name, 4))]
_PALETTE = bytes(_WEIGHED[byte * len(_WEIGHED) // 256] for byte in range(256))


def _zone(kinds: bytes) -> Zone:
    """A zone of these kinds of KINDS, a byte a page; the batch knows who waits in it."""
    zone = Zone.from_kinds(kinds, KINDS, mappings())
    zone.lru_batch += [pfn for pfn, kind in enumerate(kinds) if kind == _IN_BATCH]
    return zone


def random_zone(n: int, seed: int = 0) -> Zone:
    """A zone of `n` pages of every kind, in legal states only; the same for a seed, on every machine."""
    if not isinstance(n, int) or n < 1 or not isinstance(seed, int):
        raise ValueError(f"no random zone of {n!r} pages with seed {seed!r}: "
                         "write whole numbers, as random_zone(4096, seed=0)")
    dice = random.Random(seed)
    kinds = bytearray(dice.randbytes(n).translate(_PALETTE))
    # Blocks of more than one page: free, or kernel memory in compound pages. A block is aligned to its size;
    # it may begin below `start`, in what the block before has, and is left out then.
    larger: list[tuple[int, int, bool]] = []
    for start in range(0, n, 256):
        order = dice.randint(1, MAX_ORDER)
        pfn = (start + dice.randrange(256)) >> order << order
        if pfn + (1 << order) <= n and (not larger or pfn >= larger[-1][0] + (1 << larger[-1][1])):
            free = dice.random() < 0.5
            kinds[pfn:pfn + (1 << order)] = bytes([0 if free else KIND["slab"]]) * (1 << order)
            larger.append((pfn, order, free))
    zone = _zone(bytes(kinds))
    for pfn, order, free in larger:
        if not free:
            zone.make_compound(pfn, order)
    for block in range(len(zone.migratetype)):
        if dice.random() < 0.2:
            zone.migratetype[block] = MIGRATE_UNMOVABLE
    return zone


# Shares of memory by name, with the kinds that have equal parts of them; what is left over is ordinary
# movable memory.
_SHARES = {"free": ("free",), "unmovable": ("guest_memfd",),
           "unevictable": ("anon, mlocked", "file, mlocked"), "pinned": ("anon, pinned", "file, pinned"),
           "dirty": ("file, dirty",), "no_migrate_folio": ("file, dirty, no migrate_folio",),
           "movable": ("anon", "file, clean", "tmpfs")}


def memory(pages: int = 4096, free: float = 0.4, unmovable: float = 0.0, unevictable: float = 0.0,
           pinned: float = 0.0, dirty: float = 0.0, no_migrate_folio: float = 0.0, grouped: bool = False,
           seed: int = 0) -> Zone:
    """A zone with these shares of its pages: free, of guest_memfd, mlocked, pinned, dirty, no migrate_folio.

    The last are dirty, too. The rest is anonymous, clean file and tmpfs memory. `grouped`: the same pages,
    but those of guest_memfd lie together, in UNMOVABLE pageblocks, where a real kernel allocates them.
    """
    dice = random.Random(seed)
    shares = _checked(dict(free=free, unmovable=unmovable, unevictable=unevictable, pinned=pinned,
                           dirty=dirty, no_migrate_folio=no_migrate_folio))
    kinds, blocks = _draw(shares, pages, dice), dict[int, int]()
    if grouped:
        kinds, blocks = _group(kinds, KIND["guest_memfd"], dice)
    zone = Zone.from_kinds(kinds, KINDS, mappings())
    for block in blocks:
        zone.migratetype[block] = MIGRATE_UNMOVABLE
    return zone


def dirty_memory(dirty: float = 0.0, migrate_folio: bool = True, seed: int = 0, **shares) -> Zone:
    """memory() whose dirty file pages have a migrate_folio, or have none."""
    return memory(**{"dirty" if migrate_folio else "no_migrate_folio": dirty}, seed=seed, **shares)


def _checked(shares: dict[str, float]) -> dict[str, float]:
    """The shares, and what they leave for movable memory."""
    for name, share in shares.items():
        if not (isinstance(share, Real) and 0 <= share <= 1):
            raise ValueError(f"{name}={share!r} is no share of memory: write a number from 0 to 1")
    if (total := sum(shares.values())) > 1 + 1e-9:
        words = " + ".join(f"{name} {share:g}" for name, share in shares.items() if share)
        raise ValueError(f"{words} = {total:g}: write shares that add up to 1 at the most")
    return shares | {"movable": max(0.0, 1 - total)}


def _draw(shares: Mapping[str, float], pages: int, dice: random.Random) -> bytes:
    """A kind for every page: by one throw of 256 sides, or by a second one where a 256th is too coarse."""
    first, undecided, second = _dice(*shares.items())
    throws = dice.randbytes(pages)
    if not any(undecided):
        return throws.translate(first)
    # A byte of the mask is 255 where the first die asks for the second, whose kind stands there, and 0
    # elsewhere.
    kinds, mask, again = (int.from_bytes(column, "little") for column in (
        throws.translate(first), throws.translate(undecided), dice.randbytes(pages).translate(second)))
    return (kinds | mask & again).to_bytes(pages, "little")


@lru_cache
def _dice(*shares: tuple[str, float]) -> tuple[bytes, bytes, bytes]:
    """The kinds on the first die's sides, which of these ask for a second throw (255), and the second die's.

    256ths of memory are the first die's sides. What is left of each share goes onto the second die, rounded
    to a 256th of a side, and is spread over 256 sides there. The undecided sides are 0 in the first column,
    to be or-ed with it.
    """
    first, second = bytearray(), bytearray()
    for name, share in shares:
        for kind in _SHARES[name]:
            sides = share * 256 / len(_SHARES[name])
            first += bytes([KIND[kind]]) * int(sides)
            second += bytes([KIND[kind]]) * round(sides % 1 * 256)
    undecided = 256 - len(first)
    spread = bytes(second[side * len(second) >> 8] for side in range(256)) if undecided else b""
    return bytes(first) + bytes(undecided), bytes(len(first)) + b"\xff" * undecided, spread


def _group(kinds: bytes, kind: int, dice: random.Random) -> tuple[bytes, dict[int, int]]:
    """The same pages with those of one kind in as few pageblocks as hold them; how many are in which."""
    starts = range(0, len(kinds), pageblock_nr_pages())
    sizes = [min(pageblock_nr_pages(), len(kinds) - start) for start in starts]
    left, others, within = kinds.count(kind), kinds.replace(bytes([kind]), b""), {}
    for block in dice.sample(range(len(sizes)), len(sizes)):
        if left:
            within[block] = min(left, sizes[block])
            left -= within[block]
    grouped, at = bytearray(), 0
    for block, size in enumerate(sizes):
        here = within.get(block, 0)
        grouped += bytes([kind]) * here + others[at:at + size - here]
        at += size - here
    return bytes(grouped), within


def zone_of(*names: str, repeat: int = 1) -> Zone:
    """A zone with one page of each named kind, in order, and that `repeat` times; KINDS has the names."""
    unknown = [name for name in names if name not in KIND]
    if unknown:
        raise ValueError(f"no kind of page is called {unknown[0]!r}: "
                         f"write one of {', '.join(map(repr, KIND))}")
    return _zone(bytes(KIND[name] for name in names) * repeat)


def one_folio(name: str, *flipped: str) -> Folio:
    """A folio of a named kind, alone in a zone of one page; the flags `flipped` are turned round."""
    folio = zone_of(name).folio(0)
    for flag in flipped:
        setattr(folio, flag, not getattr(folio, flag))
    return folio


def kind_of(folio: Folio) -> str:
    """The name of the palette's kind that looks like this folio; "" when none does.

    PG_dirty of anonymous memory does not count: it has it once its page-table entries were taken down.
    """
    zone, pfn = folio.zone, folio.pfn
    flags = zone.flags[pfn] & ~(PG.DIRTY if folio.anon else 0)
    entries = flags, zone.refcount[pfn], zone.mapcount[pfn], zone.mapping[pfn]
    return next((kind.name for kind in KINDS if kind[1:] == entries), "")
