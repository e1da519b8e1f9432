"""What a learner clicks. The only floor that imports ipywidgets and anywidget; everything drawn and checked lives below it."""
from .compaction_player import CompactionPlayer
from .experiment_panel import ExperimentPanel
from .folio_lab import FolioLab
from .memory_map import MemoryMap
from .path_stepper import PathStepper
from .race_stepper import RaceStepper

__all__ = ["CompactionPlayer", "ExperimentPanel", "FolioLab", "MemoryMap", "PathStepper", "RaceStepper"]
