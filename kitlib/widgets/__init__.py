"""What a learner clicks. The only floor that imports ipywidgets; everything drawn and checked lives below it."""
from .experiment_panel import ExperimentPanel
from .folio_lab import FolioLab
from .path_stepper import PathStepper
from .race_stepper import RaceStepper

__all__ = ["ExperimentPanel", "FolioLab", "PathStepper", "RaceStepper"]
