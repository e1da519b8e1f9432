"""Checks of the exercises, one function each: what was tried, what came out, what to look at. Nothing is hidden in them."""
from ..kernels import made_of
from .backstop import batch_for, the_backstop, what_it_costs
from .cma import (allocate_elsewhere, contig, mended, now_or_never, pages_in_use, preparations_for,
                  the_preparation, why_it_fails, zone_for)
from .counts import counts_like_the_kernel
from .designs import fair_comparison, savings, threshold_for
from .flags import set_the_flag, why_both
from .folios import REASONS_TO_STAY, lock_is_tried, looks, twenty_folios, twenty_folios_for
from .kernel import up_to_the_lock
from .locks import lock_before_you_look
from .order import in_the_right_order, left_alone, steps_of
from .partial import partial_truncation
from .paths import PRIMITIVES, SUB_PATHS, decision, every_step_is_yielded, step_names, steps_not_yielded
from .report import Finding, Report, attempt, failure, limited, seed_of, unsolved
from .scans import account_for_scans, scans_for
from .schedules import break_it, no_order_breaks_it, race_for
from .split import inaccessible_step, split_kernel, two_setters
from .traces import read_a_trace, trace_for
from .waits import a_deadlock, compaction_sleeps, harmless, mode_for, what_trylock_costs
