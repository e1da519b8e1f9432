"""A text that stands folded under a label until the learner opens it: the answer to what was tried by hand.

No widget: it needs no kernel, and pages that run nothing fold it as well.
"""
from html import escape


class FoldedText:
    """Displayed as a closed `<details>`; its text/plain is the text itself."""

    def __init__(self, text: str, label: str):
        self.text, self.label = text, label

    def __repr__(self):
        return self.text

    def _repr_html_(self) -> str:
        return f"<details><summary>{escape(self.label)}</summary><pre>{escape(self.text)}</pre></details>"


def folded(text: str, label: str = "What happened") -> FoldedText:
    """`text`, folded away under `label`: a cell's last expression."""
    return FoldedText(text, label)
