"""Where every page arrived: the bits of each moved page in the model's memory, beside the kernel's.

`flags_after` is memory as the kernel shows it when the run is over. The model's prediction knows nothing of
it. Leaves out pages that did not move, and counts: references and page tables were recorded before the run
alone.
"""
import numpy as np
import pandas as pd

from ..mm.folio import PG
from .memory import KPF_BUDDY, KPF_OF
from .recording import Recording

# What is compared, by name. A free page is BUDDY in the kernel's picture wherever it lies in its block.
BITS = {"anon": PG.ANON, "unevictable": PG.UNEVICTABLE, "mlocked": PG.MLOCKED, "swapbacked": PG.SWAPBACKED,
        "lru": PG.LRU, "buddy": PG.BUDDY | PG.FREE_TAIL, "dirty": PG.DIRTY}
KERNEL_BITS = {name: KPF_OF.get(ours, KPF_BUDDY) for name, ours in BITS.items()}
PAGEVEC_SIZE = 31                   # folios in a full per-CPU LRU batch; 15 in older releases


def beside_the_kernel(recording: Recording, moves: np.ndarray, flags: np.ndarray) -> pd.DataFrame:
    """Where the pages of `moves` (n x 2) arrived, in a memory with these flags, beside the kernel's picture.

    The columns are those of `runs.arrivals`.
    """
    source, target = _where_they_stayed(moves).T
    zone = recording.zone_name[np.searchsorted(recording.zone_end, source, side="right")]
    # A tail's bits are those of its folio, whose head comes before it.
    head = np.maximum.accumulate(np.where(flags & PG.TAIL, 0, np.arange(len(flags))))
    ours, theirs = flags[head[target]], recording.flags_after[target]
    in_batch = waits_in_batch(recording, target)
    columns, agrees = {"zone": zone, "source": source, "target": target}, np.ones(len(target), bool)
    for name, bits in BITS.items():
        columns[name] = ours & np.uint16(bits) != 0
        columns[f"kernel_{name}"] = theirs >> np.uint64(KERNEL_BITS[name]) & np.uint64(1) != 0
        differs = columns[name] != columns[f"kernel_{name}"]
        agrees &= ~differs | in_batch if name == "lru" else ~differs
    return pd.DataFrame(columns | {"in_batch": in_batch, "agrees": agrees})


def _where_they_stayed(moves: np.ndarray) -> np.ndarray:
    """The moves but for those from whose target the page moved on: several runs may find a page again."""
    last = {source: at for at, source in enumerate(moves[:, 0].tolist())}
    stayed = [last.get(target, -1) <= at for at, target in enumerate(moves[:, 1].tolist())]
    return moves[np.array(stayed, bool)]


def waits_in_batch(recording: Recording, target: np.ndarray) -> np.ndarray:
    """A bool for each target, in the order of the moves: whether its page waits in an LRU batch now.

    folio_add_lru() (mm/swap.c) puts a moved folio into the CPU's batch, and a full batch goes on to the LRU:
    the model does both at once. What the batch holds after the run was recorded in `lru_add_after_pfn`. Where
    it was not, these are the pages in use and off the LRU of the last that arrived, as many as a batch holds.
    """
    if "lru_add_after_pfn" in recording.arrays:
        return np.isin(target, recording.lru_add_after_pfn)
    lru_or_free = np.uint64(1 << KPF_OF[PG.LRU] | 1 << KPF_BUDDY)
    last = np.arange(len(target)) >= len(target) - PAGEVEC_SIZE
    return last & (recording.flags_after[target] & lru_or_free == 0)
