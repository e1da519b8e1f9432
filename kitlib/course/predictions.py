"""What a learner predicts in a notebook: asked, kept on this machine, shown beside what is, counted.

    predictions = Predictions("06")
    predictions.ask("references", "How many references will the folio have?")
    predictions.answer("references", folio.refcount, because="the page cache's and the scanner's")
    predictions.count()

The guess that stood when its answer was first shown is the one that counts; what is said later is marked. An
answer shown before anything was predicted is not kept, so that Run All leaves nothing behind.
"""
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ..widgets.prediction import PredictionView
from .question import Item, Question, in_words, limits, question
from .record import Record

_COLOURS = {"right": "background:#11705C;color:#FFFFFF", "wrong": "background:#C22D0C;color:#FFFFFF"}


class Table(NamedTuple):
    """What a cell shows: a heading, rows of cells, the lines below, as text and in HTML."""

    heading: str
    rows: list[tuple[str, ...]]
    below: list[str]

    def __repr__(self):
        wide = [max(map(len, column)) for column in zip(*self.rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, wide)) for row in self.rows]
        return "\n".join([self.heading, *(f"  {line}".rstrip() for line in lines), *self.below])

    def _repr_html_(self) -> str:
        # Colours stand here, text and background together: no stylesheet comes with what a cell gives.
        def cell(words: str) -> str:
            style = _COLOURS.get(words.partition(",")[0], "")
            return f"<td style='text-align:left;{style}'>{escape(words)}</td>"

        rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in self.rows)
        below = "".join(f"<p style='margin:0'>{escape(line)}</p>" for line in self.below)
        heading = f"<p style='margin:0'><b>{escape(self.heading)}</b></p>"
        return f"{heading}<table style='margin:4px 0'>{rows}</table>{below}"


def score(outcomes: Sequence[str]) -> str:
    """How many of them are right; "" is one that was not answered."""
    missing = outcomes.count("")
    left_out = f" ({missing} not answered)" if missing else ""
    return f"{outcomes.count('right')} of {len(outcomes)} right{left_out}"


class Asked:
    """A question put to the learner, and what the record keeps of it: the model of its view."""

    def __init__(self, question: Question, record: Record):
        self.question, self.record = question, record
        self.items: list[Item] | None = None            # judged; None before the answer was shown
        self.view: PredictionView | None = None         # None before it was shown

    @property
    def entry(self) -> dict:
        """What is kept: "guess", "later" if it was changed after the answer, "right" and "of" once judged."""
        return self.record.entries.get(self.question.key, {})

    @property
    def counted(self) -> dict[str, str]:
        """The guess that counts, by item; {} when nothing was predicted."""
        return self.question.kept(self.entry.get("guess"))

    @property
    def guess(self) -> dict[str, str]:
        """What was said last, by item."""
        return self.question.kept(self.entry.get("later")) or self.counted

    @property
    def is_answered(self) -> bool:
        """Whether the answer was shown while a guess stood."""
        return bool(self.counted) and "of" in self.entry

    def show(self) -> PredictionView:
        """The view of it, anew; one that was shown before is not told of later changes."""
        self.view = PredictionView(self)
        return self.view

    def keep(self, guess: dict[str, str]) -> None:
        """Keep a guess; {} takes it back, unless its answer was shown."""
        self.record.refresh()
        if guess == self.guess:
            return
        if self.is_answered:
            entry = {name: value for name, value in self.entry.items() if name != "later"}
            entry |= {"later": guess} if guess and guess != self.counted else {}
        else:
            entry = {"guess": guess} if guess else {}
            self.items = None                           # whatever was judged was not this
        self._write(entry)

    def judge(self, answer: object, within: float | None = None) -> list[Item]:
        """Show what was said beside what is: from now on the guess counts as it stands."""
        self.record.refresh()
        self.items = self.question.judged(self.counted, answer, within)
        if self.counted:
            right = sum(item.right for item in self.items)
            entry = self.entry | {"right": right, "of": len(self.items)}
            if entry != self.entry:
                self._write(entry)
        if self.view:
            self.view.render()
        return self.items

    def forget(self) -> None:
        """As if nothing had been said, and no answer been shown."""
        self.items = None
        self.record.refresh()
        self._write({})
        if self.view:
            self.view.render()

    def said(self) -> str:
        """What the view says below the controls."""
        if not self.guess:
            return "Nothing said yet."
        words = self.question.said(self.counted)
        if not self.is_answered:
            return f"Kept: {words}."
        return f"This counts: {words}. What you say now comes after the answer."

    @property
    def outcome(self) -> str:
        """One of: right, wrong (with how many items are right), not predicted, answer not shown."""
        if self.items is None:
            return "answer not shown"
        if not self.counted:
            return "not predicted"
        right, of = sum(item.right for item in self.items), len(self.items)
        return "right" if right == of else "wrong" if of == 1 else f"wrong, {right} of {of} are right"

    def _write(self, entry: dict) -> None:
        self.record.entries.pop(self.question.key, None)
        if entry:
            self.record.entries[self.question.key] = entry
        self.record.save()


class Predictions:
    """The predictions of one notebook. What was kept of it on this machine is read."""

    def __init__(self, notebook: str):
        self.record = Record(notebook)
        self.asked: dict[str, Asked] = {}

    def ask(self, key: str, words: str, *, several: Sequence | None = None, choices: Sequence | None = None,
            rows: Sequence | None = None, guess: object = ...) -> PredictionView:
        """Ask: any number of `several`, one of `choices`, one of `choices` for each of `rows`, or typed.

        `guess`, if it is not ..., is kept as if it had been chosen in the cell's widget.
        """
        asked = Asked(question(key, words, several, choices, rows), self.record)
        if said := asked.question.read(guess):
            asked.keep(said)
        self.asked[key] = asked
        return asked.show()

    def answer(self, key: str, is_: object, because: str = "", within: float | None = None) -> Table:
        """What was said beside what is. `within=2`: right is anything from half of it to twice as much."""
        asked = self._known(key)
        items = asked.judge(is_, within)
        below = [asked.outcome] if len(items) > 1 or not asked.counted else []
        if within is not None:
            low, high = map(in_words, limits(is_, within))
            below.append(f"right is anything from {low} to {high}")
        if asked.guess != asked.counted:
            below.append(f"after the answer you said {_later(asked)}")
        return Table(asked.question.words, _compared(items, bool(asked.counted)),
                     [*below, *([f"because: {because}"] if because else [])])

    def count(self) -> Table:
        """How many of the questions asked so far were predicted right, predicted wrong, not predicted."""
        outcomes = [(asked.outcome, asked.question.words) for asked in self.asked.values()]
        sums = {sort: sum(outcome.startswith(sort) for outcome, _ in outcomes)
                for sort in ("right", "wrong", "not predicted", "answer not shown")}
        heading = ", ".join(f"{number} {sort}" for sort, number in sums.items()
                            if number or sort != "answer not shown")
        return Table(f"Predictions: {heading}", outcomes, [])

    def forget(self, key: str | None = None) -> None:
        """Forget what was predicted, of one question or of the whole notebook, to begin anew."""
        for asked in self.asked.values() if key is None else [self._known(key)]:
            asked.forget()
        if key is None:
            self.record.entries.clear()                 # and what was asked in an older notebook
            self.record.save()

    def _known(self, key: str) -> Asked:
        if key not in self.asked:
            raise ValueError(f"nothing was asked as {key!r}: run the cell with predictions.ask({key!r}, ...) "
                             "first")
        return self.asked[key]


def _compared(items: list[Item], is_predicted: bool) -> list[tuple[str, ...]]:
    """A row an item: its name if there are several, what was said, what it is, and whether that is right."""
    heads = ("", "you said", "it is", "") if is_predicted else ("", "it is")
    rows = [(item.name, item.said or "nothing", item.is_, item.outcome) if is_predicted
            else (item.name, item.is_) for item in items]
    return [row if len(items) > 1 or items[0].name else row[1:] for row in (heads, *rows)]


def _later(asked: Asked) -> str:
    """What was said once the answer was known: of rows, those that were changed."""
    if asked.question.ticks or asked.question.is_one:
        return asked.question.said(asked.guess)
    changed = asked.guess.items() - asked.counted.items()
    return "; ".join(f"{row}: {said}" for row, said in sorted(changed))
