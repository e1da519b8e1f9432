"""Who runs when: schedules, automata and proofs over every order. Knows nothing of memory.

Reading order: sched, tree, automaton, graph, explore, promela.
"""
from . import tree
from .automaton import Chain, RepeatUntil
from .explore import FATES, Proof, prove
from .graph import Graph, PathError
from .promela import promela
from .sched import Event, Machine, PropertyBroken, Scenario, ScheduleError, StepLimit, Stepper, run, run_path
from .tree import unfold

__all__ = ["FATES", "Chain", "Event", "Graph", "Machine", "PathError", "Proof", "PropertyBroken",
           "RepeatUntil", "Scenario", "ScheduleError", "StepLimit", "Stepper", "promela", "prove", "run",
           "run_path", "tree", "unfold"]
