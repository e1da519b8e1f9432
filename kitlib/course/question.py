"""A question with its legal guesses, and how a guess is judged item by item; nothing is kept or shown here.

A guess is a text by item. A question for one thing has one item, ""; with rows each row is an item; where any
number of things may be chosen each of them is one, "yes" or "no".
"""
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import NamedTuple

YES, NO, NONE = "yes", "no", "none of them"
MOST = 300                              # characters of an item, or of what is said of it
_NUMBER = re.compile(r"[-+]?\d[\d,_ ]*(?:\.\d+)?(?:e[-+]?\d+)?|[-+]?\.\d+", re.IGNORECASE)
_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9}


class Item(NamedTuple):
    """One thing that was asked: what was said of it (None: nothing), what it is, whether that is right."""

    name: str
    said: str | None
    is_: str
    right: bool

    @property
    def outcome(self) -> str:
        """One of: right, wrong, "" where nothing was said."""
        return "right" if self.right else "wrong" if self.said else ""


class Question(NamedTuple):
    """What is asked of which items; without `choices` typed, with `ticks` any number of items is named."""

    key: str
    words: str
    items: tuple[str, ...]
    choices: tuple[str, ...]
    ticks: bool

    @property
    def is_one(self) -> bool:
        """Whether one thing is asked, without rows."""
        return self.items == ("",)

    def read(self, value: object) -> dict[str, str]:
        """A guess, or an answer, written in Python; ValueError says what to write. ... is no guess: {}."""
        if value is ...:
            return {}
        if self.ticks:
            named = self._named(value)
            return {item: YES if item in named else NO for item in self.items}
        if self.is_one:
            return {"": self._legal(value)}
        if not hasattr(value, "items"):
            raise ValueError(f"{value!r} says nothing of each row: write {{{self.items[0]!r}: "
                             f"{self.choices[0]!r}, ...}}")
        given = {str(row): said for row, said in value.items() if said is not ...}
        for row in given:
            if row not in self.items:
                raise ValueError(f"{row!r} is none of the rows: write {_listed(self.items)}")
        return {row: self._legal(given[row]) for row in self.items if row in given}

    def kept(self, guess: object) -> dict[str, str]:
        """What of a guess read from a file is still legal: the question may have changed since."""
        if not isinstance(guess, Mapping):
            return {}
        legal = {item: guess[item] for item in self.items if isinstance(guess.get(item), str)
                 and (not self.choices or guess[item] in self.choices)}
        return {} if self.ticks and len(legal) < len(self.items) else legal

    def judged(self, guess: Mapping[str, str], answer: object, within: float | None = None) -> list[Item]:
        """Each item with what was said and what is; ValueError where that is no answer to this question."""
        is_ = {"": answer} if self.is_one and not self.choices else self.read(answer)
        if missing := [item for item in self.items if item not in is_]:
            raise ValueError(f"{self.key!r}: the answer leaves out {_listed(missing)}")
        return [Item(item, guess.get(item), in_words(is_[item]),
                     item in guess and is_right(guess[item], is_[item], within)) for item in self.items]

    def describe(self) -> str:
        """The question and what may be answered, as text that is the same in every run."""
        named = self.items if self.ticks else self.choices
        listed = ("; " if any("," in name for name in named) else ", ").join(named)
        ways = f"one of: {listed}" if self.choices else "a number or a word"
        if self.ticks:
            return f"{self.words}\n  any number of: {listed}"
        if self.is_one:
            return f"{self.words}\n  {ways}"
        return "\n".join([self.words, *(f"  {item}" for item in self.items), f"  each {ways}"])

    def said(self, guess: Mapping[str, str]) -> str:
        """A guess in a few words."""
        if self.ticks:
            return ", ".join(item for item in self.items if guess.get(item) == YES) or NONE
        if self.is_one:
            return guess.get("", "")
        return f"{len(guess)} of {len(self.items)} rows"

    def _named(self, value: object) -> set[str]:
        is_many = isinstance(value, Iterable) and not isinstance(value, str)
        named = {str(one) for one in value} if is_many else {str(value)}
        if unknown := sorted(named - set(self.items)):
            raise ValueError(f"{unknown[0]!r} is none of the choices: write a list of some of "
                             f"{_listed(self.items)}; [] for none of them")
        return named

    def _legal(self, value: object) -> str:
        text = " ".join(str(value).split())
        if self.choices and text not in self.choices:
            raise ValueError(f"{value!r} is none of the choices: write {_listed(self.choices)}")
        if not text or len(text) > MOST:
            raise ValueError(f"a guess has 1 to {MOST} characters: this one has {len(text)}")
        return text


def question(key: str, words: str, several: Sequence | None = None, choices: Sequence | None = None,
             rows: Sequence | None = None) -> Question:
    """A question of one of the four sorts: `several`, `choices`, `rows` with `choices`, or typed."""
    if several is not None and (choices is not None or rows is not None):
        raise TypeError("write several=[...] alone: any number of them is chosen")
    if rows is not None and choices is None:
        raise TypeError("write choices=[...] beside rows=[...]: what each row may be")
    lists = [None if given is None else tuple(map(str, given)) for given in (several, choices, rows)]
    for given in lists:
        if given is not None and (len(given) < 1 or len(set(given)) < len(given)):
            raise ValueError(f"a list of choices or rows has each once, and at least one: {list(given)}")
    if lists[0]:
        return Question(key, words, lists[0], (YES, NO), True)
    return Question(key, words, lists[2] or ("",), lists[1] or (), False)


def in_words(value: object) -> str:
    """A value as it is shown: whole numbers with commas, others with four figures."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral) or value == round(value):
        return f"{int(value):,}"
    return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.4g}"


def number_in(text: str) -> float | None:
    """The first number in a text, as "1,234", "about 12 pages" or "1.2 million"; None where there is none."""
    found = _NUMBER.search(text)
    if not found:
        return None
    times = text[found.end():].split()[:1]
    return float(re.sub("[,_ ]", "", found[0])) * _WORDS.get(times[0].casefold() if times else "", 1)


def is_right(said: str, is_: object, within: float | None) -> bool:
    """Whether a guess is right: by number, up to a factor `within`, where the answer is one; else as text."""
    if not isinstance(is_, Real) or isinstance(is_, bool):
        return "".join(said.split()).casefold() == "".join(str(is_).split()).casefold()
    guess = number_in(said)
    if guess is None:
        return False
    if within is None:
        return math.isclose(guess, is_, rel_tol=1e-9)
    low, high = limits(is_, within)
    return low <= guess <= high


def limits(is_: Real, within: float) -> tuple[Real, Real]:
    """The least and the most that is right up to a factor `within`: whole where the answer is whole."""
    low, high = sorted((is_ / within, is_ * within))
    return (math.ceil(low), math.floor(high)) if isinstance(is_, Integral) else (low, high)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(map(repr, values))
