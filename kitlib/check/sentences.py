"""Sentences about a task, some true and some not: who has only run the model does not know which.

They are judged together, as one answer: to try them in turn is of no use.
"""
import random
from collections.abc import Sequence
from typing import NamedTuple

from .report import NO_ANSWER, Finding, begun, seed_of, text_of

TRUE_SENTENCES = "true sentences"             # their key in a table of answers
_LETTERS = "ABCDEFGH"


class Statement(NamedTuple):
    """A sentence, whether it is true, and what to say to whoever thinks otherwise."""

    text: str
    is_true: bool
    why: str


class Lettered(str):
    """Lines that a notebook shows as they are."""

    __repr__ = str.__str__


def _lettered(sentences: Sequence[Statement], learner: str) -> dict[str, Statement]:
    shuffled = random.Random(seed_of(learner)).sample(sentences, len(sentences))
    return dict(zip(_LETTERS, shuffled))


def lettered(sentences: Sequence[Statement], learner: str = "") -> Lettered:
    """A learner's sentences with their letters, in an order of their own."""
    of = _lettered(sentences, learner)
    return Lettered("\n".join(f"{letter} {one.text}" for letter, one in of.items()))


def judged(sentences: Sequence[Statement], answer: object, learner: str = "",
           at_most: float = 0.25) -> Finding:
    """The finding for the letters of the true sentences, such as "ACE": all of them, and no other."""
    of = _lettered(sentences, learner)
    right = {letter for letter, one in of.items() if one.is_true}
    text = text_of(answer) if begun(answer) else ""
    chosen = {letter for letter in text.upper() if letter.isalpha()} if isinstance(answer, str) else set()
    wrong = [of[letter].why for letter in of if (letter in chosen) != (letter in right)]
    hint = wrong[0] if text and wrong else (
        f'write the letters of all true sentences, as {TRUE_SENTENCES!r}: "ACE"')
    expected = "all that are true, and no other"
    came_out = expected if chosen == right else text or NO_ANSWER
    return Finding("the true sentences", came_out, expected, hint, True, at_most)
