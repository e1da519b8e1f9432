"""SPIN as a second opinion: a program's states, transitions, verdict and shortest length, by spin and pan.

`python tests/spin.py` asks it about every scenario below and writes what it said into tests/golden/spin.json.
"""
import json
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import kitlib as kl
from kitlib.concurrency.explore import prove
from kitlib.concurrency.promela import promela
from kitlib.concurrency.sched import read_schedule

GOLDEN = Path(__file__).parent / "golden"
MISSING = [tool for tool in ("spin", "gcc") if not shutil.which(tool)]

race = kl.truncation_race
KERNELS = (kl.before, kl.racy, kl.after, kl.cached, kl.after_unlock, kl.no_null_check, kl.blocking)
SCENARIOS = [
    *(race(kernel) for kernel in KERNELS),
    *(kl.opposite_orders(kernel) for kernel in (kl.blocking, kl.after, kl.cached)),
    *(race(kernel, migrate=True) for kernel in (kl.before, kl.after)),
    *(race(kernel, folios=2) for kernel in (kl.after, kl.racy)),
    *(race(kernel, compactors=2) for kernel in (kl.after, kl.no_null_check)),
    race(kl.after, truncate="unlock_early"), race(kl.after, truncators=2), race(kl.after, mlockers=1),
    *(race(kl.after, reclaimers=1, evict_cycles=cycles) for cycles in ("both", "tree_lock", "i_lock")),
    *(race(kl.after, reclaimers=1, i_lock=False, evict_cycles=cycles) for cycles in ("tree_lock", "neither")),
    *(race(kl.after, migrate=True, unmovable=False, move=move) for move in ("frozen", "not_frozen")),
    race(kl.racy, reuse=True), race(kl.after, dirty=False), race(kl.racy, dirty=False, unevictable=False),
    race(kl.after, mode=kl.Mode(unevictable=False)), race(kl.after_unlock, folios=2, migrate=True),
    race(kl.after, truncators=2, reclaimers=1), race(kl.cached, mlockers=1, truncators=2),
]


@contextmanager
def pan_of(source, *flags):
    """SPIN's verifier of a program, as a function of its options that gives what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        def do(*command):
            return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

        Path(folder, "race.pml").write_text(source)
        do("spin", "-a", *flags, "race.pml")
        do("gcc", "-O0", "-w", "-DSAFETY", "-DNOCLAIM", "-DNOREDUCE", "-DBFS", "-o", "pan", "pan.c")
        yield partial(do, "./pan", "-m100000", "-w20")


def ask_spin(source, *flags):
    """(states, transitions, verdict, length of the shortest schedule to it).

    The verdict is "safe", "assertion", or "deadlock" if there is nothing else.
    """
    with pan_of(source, *flags) as pan:
        every, assertion, ending = pan("-c0", "-E"), pan("-E"), pan()
    assert not any(trouble in every + ending for trouble in ("max search depth too small", "out of memory"))
    states, transitions = (int(re.search(rf"(\d+) {what}", every)[1])
                           for what in ("states, stored", "transitions"))
    found = [re.search(rf"pan:1: {what}.*\(at depth (\d+)\)", told) for what, told in (
        ("assertion violated", assertion), ("invalid end state", ending))]
    # The depth of an assertion counts the steps before the one that fails; in a deadlock nobody goes on.
    verdict, length = "safe", None
    if found[0]:
        verdict, length = "assertion", int(found[0][1]) + 1
    elif found[1]:
        verdict, length = "deadlock", int(found[1][1])
    return states, transitions - 1, verdict, length


def our_answer(scenario):
    """The same from the explorer."""
    proof = prove(scenario)
    lengths = {bug: len(read_schedule(schedule, scenario.paths)) for bug, schedule in proof.bugs.items()}
    deadlock = lengths.pop("deadlock", None)
    verdict = "assertion" if lengths else "safe" if deadlock is None else "deadlock"
    return proof.states, proof.transitions, verdict, min(lengths.values(), default=deadlock)


def main():
    answers = {scenario.name: ask_spin(promela(prove(scenario).graph)) for scenario in SCENARIOS}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items())
    GOLDEN.joinpath("spin.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
