"""SPIN, asked about the same steps, finds the same states, transitions, verdict and shortest length.

And it finds the same verdicts on a model of its own.
"""
import itertools
import json
from functools import partial

import pytest
import spin
from small_programs import program

import kitlib as kl
from kitlib.concurrency.explore import prove
from kitlib.concurrency.promela import promela

needs_spin = pytest.mark.skipif(bool(spin.MISSING), reason=f"not installed: {', '.join(spin.MISSING)}")
FROZEN = json.loads((spin.GOLDEN / "spin.json").read_text())
REFERENCE = (spin.GOLDEN / "reference.pml").read_text()
by_name = pytest.mark.parametrize("scenario", spin.SCENARIOS, ids=lambda scenario: scenario.name)


@by_name
def test_the_explorer_finds_what_spin_has_found(scenario):
    assert list(spin.our_answer(scenario)) == FROZEN[scenario.name]


def test_what_is_frozen_is_what_is_asked():
    assert set(FROZEN) == {scenario.name for scenario in spin.SCENARIOS} and len(FROZEN) >= 24


@needs_spin
@by_name
def test_spin_finds_the_same_states_transitions_verdict_and_shortest_length(scenario):
    assert spin.ask_spin(promela(prove(scenario).graph)) == spin.our_answer(scenario)


@needs_spin
@pytest.mark.parametrize("seed", [*range(25), *(pytest.param(seed, marks=pytest.mark.slow)
                                               for seed in range(25, 100))])
def test_spin_finds_the_same_on_random_programs(seed):
    scenario = program(1000 + seed, most=14)
    assert spin.ask_spin(promela(prove(scenario).graph)) == spin.our_answer(scenario)


# The reference model knows no i_lock: reclaim and truncation hold the tree lock alone, and the end of the
# inode cycles that. (In opposite_orders() they hold both; there is no reclaim, which is what would tell.)
race = partial(kl.truncation_race, i_lock=False, evict_cycles="tree_lock")
opposite_orders = kl.opposite_orders
VERDICTS = {                # what each is called in the reference model: its flags, our scenario, the bug
    "locked": ("", race(kl.after), None),
    "nolock": ("-DC_NOLOCK", race(kl.racy), "use after free"),
    "cached": ("-DC_CACHED", race(kl.cached), "use after free"),
    "after": ("-DC_AFTER", race(kl.after_unlock), "use after free"),
    "block": ("-DC_BLOCK", race(kl.blocking), None),
    "t_early": ("-DT_EARLY", race(kl.after, truncate="unlock_early"), "use after free"),
    "two folios, locked": ("-DNF=2", race(kl.after, folios=2), None),
    "two folios, no lock": ("-DNF=2 -DC_NOLOCK", race(kl.racy, folios=2), "use after free"),
    "two folios, batch, blocking, opposite order": (
        "-DNF=2 -DC_HOLD -DC_BLOCK -DT_HOLD -DT_REVERSE", opposite_orders(kl.blocking), "deadlock"),
    "two compactors, locked": ("-DNC=2", race(kl.after, compactors=2), None),
    "reclaim too, locked": ("-DNR=1", race(kl.after, reclaimers=1), None),
    "reclaim, no tree-lock cycle": (
        "-DNR=1 -DE_NOCYCLE", race(kl.after, reclaimers=1, evict_cycles="neither"), "use after free"),
}
IN_SPIN = {None: "safe", "use after free": "assertion", "deadlock": "deadlock"}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_is_the_reference_models(name):
    _, scenario, bug = VERDICTS[name]
    assert prove(scenario).bug == bug


@needs_spin
@pytest.mark.parametrize("name", VERDICTS)
def test_spin_says_so_of_the_reference_model(name):
    flags, _, bug = VERDICTS[name]
    assert spin.ask_spin(REFERENCE, *flags.split())[2] == IN_SPIN[bug]


def combinations():
    """Other kernels, truncations, folios and threads: at most four threads on one folio, three on two."""
    kernels = {"C_NOLOCK": kl.racy, "C_CACHED": kl.cached, "C_AFTER": kl.after_unlock, "C_BLOCK": kl.blocking,
               "": kl.after}
    for (flag, kernel), early, no_cycle, folios, *threads in itertools.product(
            kernels.items(), (False, True), (False, True), (1, 2), (1, 2), (1, 2), (0, 1), (0, 1)):
        if sum(threads) <= 5 - folios:
            chosen = [flag, "T_EARLY" if early else "", "E_NOCYCLE" if no_cycle else "", f"NF={folios}"]
            chosen += [f"{name}={count}" for name, count in zip(("NC", "NT", "NR", "NM"), threads)]
            yield " ".join(f"-D{flag}" for flag in chosen if flag), partial(
                race, kernel, folios, *threads, truncate="unlock_early" if early else "locked",
                evict_cycles="neither" if no_cycle else "tree_lock")


COMBINATIONS = dict(combinations())


@needs_spin
@pytest.mark.parametrize("flags", [pytest.param(flags, marks=[pytest.mark.slow] if number % 40 else [])
                                   for number, flags in enumerate(COMBINATIONS) if number % 4 == 0])
def test_other_combinations_have_the_reference_models_verdict(flags):
    assert spin.ask_spin(REFERENCE, *flags.split())[2] == IN_SPIN[prove(COMBINATIONS[flags]()).bug]


def test_the_program_names_every_step_and_has_one_option_for_each_way_on():
    proof = prove(kl.truncation_race(kl.racy))
    source = promela(proof.graph)
    for local_states in proof.graph.threads:
        assert all(f"/* {local} */" in source for local in local_states[1:])
    assert source.count("assert(false) /* use after free */") == 1
    assert source.startswith("/* truncation_race(racy): 187 states, 330 transitions. */")
    assert source == promela(proof.scenario)


def test_half_a_graph_is_not_printed():
    says = r"the limit was hit before all states were seen: write prove\(scenario, limit=...\)"
    with pytest.raises(ValueError, match=says):
        promela(prove(race(kl.after), limit=50).graph)
