"""A model of Linux's compaction, to be read beside the C: import kitlib as kl.

Compaction moves pages together so that a block in a row becomes free. For each page it must find out whether
the page can move at all, and the file behind the page says so. That file may be truncated meanwhile by
another CPU. So the model has two pillars. `mm` is memory: mappings with flags, folios, zones, each with
primitives that do one thing at once; it does not know who runs when. `concurrency` is who runs when:
schedules and proofs over all of them; it does not know what memory is.

They meet in `step`. A path of the kernel is a generator that yields steps which are asked for and not yet
done:

    is_dirty = yield folio_test_dirty(folio)

Another CPU may run at a `yield`, and nowhere else. Whoever drives the path does the step and sends its answer
back. A driver can do the steps of one path in a row (`run_path`), choose among threads (`Machine`,
`Stepper`), or go through every order (`prove`). It can also send every answer that a step could give, and do
none: that unfolds the path into its decision tree, of which the table that scans a million pages is made. So
a decision of the kernel is written once, and nothing can drift.

Each decision is a whole module in `kernels`, so that the diff of two modules is the patch between them.
`compaction` is the run around the decision: two scanners, migration, and who asked for it. Only the driver
records. Whatever is drawn, counted or checked is read from what it has recorded.

The names here are those of a first session, and they need the standard library alone. numpy, pandas and
matplotlib come in with `from kitlib import frames, plots, recordings, scan`.
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

__all__ = ["AS_UNEVICTABLE", "AS_UNMOVABLE", "AddressSpace", "AddressSpaceOperations", "CompactControl",
           "Folio", "KernelBug", "Machine", "MigrateMode", "Mode", "Result", "Stepper", "UseAfterFree",
           "Verdict", "Zone", "after", "after_unlock", "atomic", "before", "blocking", "cached",
           "compact_zone", "control_for", "diff", "isolate_migratepages_block", "mapping_set_unevictable",
           "mapping_set_unmovable", "mapping_unevictable", "mapping_unmovable", "no_null_check", "one_folio",
           "opposite_orders", "prove", "racy", "random_zone", "run", "run_path", "tree", "truncation_race",
           "unfold", "zone_of"]
