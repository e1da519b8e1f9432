"""A model of Linux's compaction, to be read beside the C: import kitlib as kl.

Reading order: step, verdict, mapping, folio, zone, allocator, sched, kernels, control, look, isolate, freepages, move,
migrate, compaction, tree, scan. The names here are those of a first session; pandas,
numpy and matplotlib come in only with `from kitlib import frames, plots, recordings, scan`.
"""
from .compaction import compact_zone, control_for
from .control import CompactControl
from .folio import Folio
from .isolate import isolate_migratepages_block
from .kernels import after, before, diff, racy
from .mapping import (AS_UNEVICTABLE, AS_UNMOVABLE, AddressSpace, AddressSpaceOperations, mapping_set_unevictable,
                      mapping_set_unmovable, mapping_unevictable, mapping_unmovable)
from .scenarios import one_folio, random_zone, zone_of
from .sched import Machine, Stepper, run, run_path
from .step import KernelBug, UseAfterFree, atomic
from .tree import unfold
from .verdict import MigrateMode, Mode, Result, Verdict
from .zone import Zone
