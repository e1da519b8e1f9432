"""Memory after a recorded run, as the kernel shows it and as the model has it: maps one above the other."""
from collections.abc import Iterable

import numpy as np

from .. import recordings
from ..mm.folio import PG
from ..recordings.arrivals import BITS, KERNEL_BITS, beside_the_kernel
from .maps import compare_maps
from .picture import Picture
from .states import MIGRATED, states_of_flags


def compare_arrivals(recording: recordings.Recording, first_pfn: int, end_pfn: int,
                     without: str | Iterable[str] = (), dark: bool = False) -> Picture:
    """Pages `first_pfn` to `end_pfn` (exclusive) after the run, the kernel's and the model's.

    Migrated: in the kernel's picture a page that was not on the LRU before, in the model the target of a
    move, if it has the kernel's bits (recordings.arrivals). A page that is not the same in both is framed.
    `without` names rules to leave out.
    """
    predicted = recordings.predict(recording, without)
    arrived = beside_the_kernel(recording, predicted["moves"], predicted["flags"])
    lru = np.uint64(1 << KERNEL_BITS["lru"])
    kernel = np.zeros(len(recording.flags), np.uint16)
    for name, bit in KERNEL_BITS.items():
        kernel[recording.flags_after >> np.uint64(bit) & np.uint64(1) != 0] |= np.uint16(BITS[name])
    flags = predicted["flags"]
    model = flags[np.maximum.accumulate(np.where(flags & PG.TAIL, 0, np.arange(len(flags))))]
    came = recording.flags_after & ~recording.flags & lru != 0
    maps = {}
    for title, bits, moved in (("The kernel's memory afterwards", kernel, came),
                               ("The model's memory afterwards", model, arrived.target[arrived.agrees])):
        states = states_of_flags(bits)
        states[moved] = MIGRATED
        maps[title] = states[first_pfn:end_pfn]
    return compare_maps(maps, first_pfn=first_pfn, dark=dark)
