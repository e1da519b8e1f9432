"""Any scenario as Promela, with the same steps, so that SPIN can be asked too (spin -a, its verifier pan).

One d_step is one step of a thread. The whole memory is one number, `m`: what a step answers and which memory
it leaves is listed for every memory in which it can be done. So pan must find exactly the states and
transitions that explore.py finds:

    spin -a race.pml && gcc -O0 -w -DSAFETY -DNOCLAIM -DNOREDUCE -o pan pan.c && ./pan -c0 -E -m100000 -w20

pan's "states, stored" is our `states`, its "transitions" are ours and one more. With -DBFS, and without -c0
and -E, it stops at a shortest failing schedule; a failed assertion has one step more than the depth that it
names. Leaves out what the memories look like; the comments name the steps.
"""
from collections.abc import Iterator

from .automaton import LocalState
from .explore import LIMIT
from .graph import Graph
from .sched import Scenario, letters


def promela(scenario: Scenario | Graph) -> str:
    """The program of a scenario, or of a graph that was explored: promela(prove(scenario).graph).

    ValueError when the limit was hit before all states were seen.
    """
    graph = scenario if isinstance(scenario, Graph) else Graph(scenario, LIMIT)
    if not graph.complete:
        raise ValueError("the limit was hit before all states were seen: "
                         "write prove(scenario, limit=...) with a larger one")
    begin = graph.states[0] >> graph.top
    lines = [f"/* {graph.scenario.name}: {len(graph.states):,} states, {len(graph.into):,} transitions. */",
             f"int m = {begin};", ""]
    for thread, (name, letter) in enumerate(letters(graph.names).items()):
        lines += [f"active proctype {letter}() {{    /* {name} */"]
        for local in graph.threads[thread][1:]:
            lines += _options(graph, thread, local, letter)
        lines += [f"end_{letter}: false", "}", ""]
    return "\n".join(lines)


def _options(graph: Graph, thread: int, local: LocalState, letter: str) -> Iterator[str]:
    """What a thread can do at a local state: an option for each that follows, for all memories that do so.

    Options by the bug that happens, too, as the assertion is a part of the option. The guards of two options
    never hold at once: a step on a memory has one answer. So pan chooses among threads alone, as explore.py
    does.
    """
    ways: dict[tuple, list[tuple[int, int]]] = {}
    for memory, at, after in graph.steps(thread, local):
        ways.setdefault((at, graph.bugs.get(after, "")), []).append((memory, after))
    yield f"n{local.number}: /* {local} */"
    yield "  if" if ways else "  false;"
    for (at, bug), memories in ways.items():
        guard = " || ".join(f"m == {memory}" for memory, _ in memories)
        changes = " ".join(f":: m == {memory} -> m = {after}"
                           for memory, after in memories if memory != after)
        act = f"if {changes} :: else fi" if changes else "skip"
        fails = f"; assert(false) /* {bug} */" if bug else ""
        yield f"  :: d_step {{ {guard} -> {act}{fails} }}; goto {f'n{at}' if at else f'end_{letter}'}"
    if ways:
        yield "  fi;"
