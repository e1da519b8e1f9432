"""A proof in one line, as text and as HTML: SAFE, UNSAFE, NO PROOF, or NOT BEGUN where nothing is decided.

Leaves out how it was proved: that is explore.py's part.
"""
from html import escape
from types import ModuleType

from ..check.yielded_steps import LOCKS
from ..concurrency.automaton import automaton
from ..concurrency.explore import Proof, percent
from ..kernels import name as name_of
from ..mm.verdict import MODES
from ..scenarios import one_folio
from .box import status_html

_ENORMOUS = 10 ** 15                 # schedules that nobody cares to read digit by digit
_COLOURS = {True: "kit-good", False: "kit-bad", None: "kit-warn"}


def decides(kernel: ModuleType) -> bool:
    """Whether the kernel locks a folio or asks a mapping in any mode: a decision not begun does neither."""
    folio = one_folio("file, dirty")
    threads = [automaton(lambda mode=mode: kernel.isolate_folio(folio, mode), (folio.mapping,))
               for mode in MODES]
    steps = [state.step for states in threads for state in states if state.step is not None]
    return any(step.name in LOCKS or step.on == str(folio.mapping) for step in steps)


def proof_text(proof: Proof) -> str:
    """The proof in one line. Schedules are not counted where they have no end."""
    if proof.safe is None:
        return (f"NO PROOF: no bug in the first {proof.states:,} states, and the rest was not looked at. "
                "Too large a race to prove here.")
    if proof.safe:
        if proof.schedules is None:
            return f"SAFE: every schedule ({proof.why_no_count})"
        if proof.schedules < _ENORMOUS:
            return f"SAFE: all {proof.schedules:,} schedules"
        return f"SAFE: all schedules, {_number(proof.schedules)} of them"
    bugs = " or ".join(proof.bugs)
    if proof.schedules is None:
        rest = "a schedule can go on for ever" if proof.graph.complete else "not every schedule was looked at"
        return f"UNSAFE: {bugs}, shortest {proof.shortest}; {rest}"
    share = percent(proof.failing_schedules / proof.schedules)
    failing = f"{_number(proof.failing_schedules)} of {_number(proof.schedules)} schedules ({share})"
    return f"UNSAFE: {bugs} in {failing}, shortest {proof.shortest}"


def verdict(proof: Proof, kernel: ModuleType) -> str:
    """What the proof says of a race with this kernel; nothing where the kernel decides nothing yet."""
    if proof.safe and not decides(kernel):
        return (f"NOT BEGUN: {name_of(kernel)} takes no folio lock and asks no mapping. "
                "Nothing is decided yet, so there is nothing to prove.")
    return proof_text(proof)


def verdict_html(proof: Proof, kernel: ModuleType) -> str:
    """The same, and what it covers."""
    word, _, rest = verdict(proof, kernel).partition(": ")
    orders = "every order" if proof.graph.complete else "the first of the many orders"
    scope = (f"{proof.scenario.name}: {proof.states:,} states; {orders} of these steps, which are as fine "
             "as they are written; sequentially consistent memory; no RCU delay.")
    colour = "kit-warn" if word == "NOT BEGUN" else _COLOURS[proof.safe]
    chip = f"<span class='kit-chip {colour}'>{word}:</span>"
    return status_html(f"{chip} <b>{escape(rest)}</b><br>{escape(scope)}")


def _number(count: int) -> str:
    return f"{count:,}" if count < _ENORMOUS else f"about {count:.1e}".replace("e+", "e")
