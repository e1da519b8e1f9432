"""SPIN as the second opinion: a program's states, transitions, verdict and shortest length, by spin, gcc and pan.

`python tests/spin.py` asks it about every scenario below and writes what it said into tests/golden/spin.json.
"""
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import kitlib as kl
from kitlib.explore import prove
from kitlib.promela import promela

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
    race(kl.after, reclaimers=1), race(kl.after, reclaimers=1, clear_inode="no_cycle"), race(kl.racy, reuse=True),
    race(kl.after, dirty=False), race(kl.racy, dirty=False, unevictable=False), race(kl.after, mode=kl.Mode(unevictable=False)),
    race(kl.after_unlock, folios=2, migrate=True), race(kl.after, truncators=2, reclaimers=1), race(kl.cached, mlockers=1, truncators=2),
]


def ask_spin(source, *flags):
    """(states, transitions, verdict, length of the shortest failing schedule): "safe", "assertion" or "deadlock"."""
    with tempfile.TemporaryDirectory() as folder:
        def do(*command):
            return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

        Path(folder, "race.pml").write_text(source)
        do("spin", "-a", *flags, "race.pml")
        do("gcc", "-O0", "-w", "-DSAFETY", "-DNOCLAIM", "-DNOREDUCE", "-DBFS", "-o", "pan", "pan.c")
        every, first = do("./pan", "-c0", "-E", "-m100000", "-w20"), do("./pan", "-m100000", "-w20")
    assert "max search depth too small" not in every + first and "out of memory" not in every + first
    states, transitions = (int(re.search(rf"(\d+) {what}", every)[1]) for what in ("states, stored", "transitions"))
    found = re.search(r"pan:1: (assertion violated|invalid end state).*\(at depth (\d+)\)", first)
    if not found:
        return states, transitions - 1, "safe", None
    # The depth counts the steps before the one that fails; where nobody can go on there is none.
    assertion = found[1] == "assertion violated"
    return states, transitions - 1, "assertion" if assertion else "deadlock", int(found[2]) + assertion


def our_answer(scenario):
    """The same from the explorer."""
    proof = prove(scenario)
    verdict = "safe" if proof.safe else "deadlock" if proof.bug == "deadlock" else "assertion"
    length = len(kl.sched.read_schedule(proof.shortest, scenario.paths)) if proof.shortest else None
    return proof.states, proof.transitions, verdict, length


def main():
    answers = {scenario.name: ask_spin(promela(prove(scenario).graph)) for scenario in SCENARIOS}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items())
    GOLDEN.joinpath("spin.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
