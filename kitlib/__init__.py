"""A model of Linux's compaction, to be read beside the C: import kitlib as kl.

Reading order: step, verdict, mapping, folio, filemap, zone, allocator, sched, kernels, control, look, isolate, freepages,
move, migrate, compaction, truncate, tree, scan, automaton, graph, explore, promela, races, scenarios. The names here are those
of a first session; pandas, numpy and matplotlib come in only with `from kitlib import frames, plots, recordings, scan`.
"""
from .compaction import compact_zone, control_for
from .control import CompactControl
from .explore import prove
from .folio import Folio
from .isolate import isolate_migratepages_block
from .kernels import after, after_unlock, before, blocking, cached, diff, no_null_check, racy
from .mapping import (AS_UNEVICTABLE, AS_UNMOVABLE, AddressSpace, AddressSpaceOperations, mapping_set_unevictable,
                      mapping_set_unmovable, mapping_unevictable, mapping_unmovable)
from .scenarios import one_folio, opposite_orders, random_zone, truncation_race, zone_of
from .sched import Machine, Stepper, run, run_path
from .step import KernelBug, UseAfterFree, atomic
from .tree import unfold
from .verdict import MigrateMode, Mode, Result, Verdict
from .zone import Zone
