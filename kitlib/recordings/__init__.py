"""Real kernels' runs: memory before, and what compaction did with it, replayed and predicted. Comes with the files.

Reading order: schema, memory, rules, runs.
"""
from .rules import RULES
from .runs import Recording, ablation, check_recording, compare, load, names, predict, replay, verdicts
from .schema import RecordingError

__all__ = ["RULES", "Recording", "RecordingError", "ablation", "check_recording", "compare", "load",
           "names", "predict", "replay", "verdicts"]
