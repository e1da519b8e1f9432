"""A model of Linux's compaction, to be read beside the C: import kitlib as kl.

The names here are those of a first session; numpy, pandas and matplotlib come in only with
`from kitlib import frames, plots, recordings, scan`.
"""
from .compaction import CompactControl, compact_zone, control_for, isolate_migratepages_block
from .concurrency import Machine, Stepper, prove, run, run_path, tree, unfold
from .kernels import after, after_unlock, before, blocking, cached, diff, no_null_check, racy
from .mm import (AS_UNEVICTABLE, AS_UNMOVABLE, AddressSpace, AddressSpaceOperations, Folio, MigrateMode, Mode,
                 Result, Verdict, Zone, mapping_set_unevictable, mapping_set_unmovable, mapping_unevictable,
                 mapping_unmovable)
from .races import opposite_orders, truncation_race
from .scenarios import one_folio, random_zone, zone_of
from .step import KernelBug, UseAfterFree, atomic
