"""Who runs when: schedules, automata, and what is true of every order. Knows nothing of memory.

A path becomes a thread (sched.py), its decision tree (tree.py) and its automaton (automaton.py), whose local
states make the global states of a scenario (graph.py). Over these prove() looks at every schedule
(explore.py); promela() writes them for SPIN. That is the order in which to read them. Paths come from
elsewhere: the two meet in step.py.
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
