"""What a learner clicks. The only floor that imports ipywidgets and anywidget; everything drawn and checked lives below it."""
from .experiment_panel import ExperimentPanel
from .folio_lab import FolioLab
from .memory_map import MemoryMap
from .path_stepper import PathStepper
from .race_stepper import RaceStepper

__all__ = ["ExperimentPanel", "FolioLab", "MemoryMap", "PathStepper", "RaceStepper"]
