"""What a learner clicks: views that hold a model, act on it, and draw all of it with what lies below.

Read `path_stepper` first, the smallest view; then what a view is made of: `box` (what is displayed), `guard`
(no error goes unheard), `settings` (legal values, controls, undo), `time_row` and `stepping` (where in time),
`kit.css` (all the style). The other views: `folio_lab` with `decision`; `race_stepper` with `thread_column`,
`source`, `objects`, `proof_words` and `drawing`; `memory_map`; `compaction_player` with `knobs` and
`run_tables`; `experiment_panel` with `experiment_settings`. `folding` folds an answer away, `prediction` asks
for one. No other folder imports ipywidgets or anywidget.
"""
from .compaction_player import CompactionPlayer
from .experiment_panel import ExperimentPanel
from .folding import folded
from .folio_lab import FolioLab
from .memory_map import MemoryMap
from .path_stepper import PathStepper
from .race_stepper import RaceStepper

__all__ = ["CompactionPlayer", "ExperimentPanel", "FolioLab", "MemoryMap", "PathStepper", "RaceStepper",
           "folded"]
