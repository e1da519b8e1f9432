"""Real kernels' runs: memory just before compaction, and what compaction did with it; replayed and predicted.

The recorded files (.npz) of vm.compact_memory lie here, those of compaction's other callers in callers/.
Reading order: events (what the kernel did, in a file's words), schema (what a file holds), memory (its
snapshot as the model's zone), rules (what a prediction can do without), recording (one file, loaded),
arrivals (where pages arrived), triggers (what each made the kernel do), runs (replay, predict, compare,
ablation).
"""
from .recording import TRIGGERS, Recording, check_recording, load, names
from .rules import CALLER_RULES, RULES
from .runs import ablation, arrivals, compare, predict, replay, runs_of, verdicts
from .schema import RecordingError

__all__ = ["CALLER_RULES", "RULES", "TRIGGERS", "Recording", "RecordingError", "ablation", "arrivals",
           "check_recording", "compare", "load", "names", "predict", "replay", "runs_of", "verdicts"]
