"""What a view displays: the box, with a text that stays when the kernel is gone, and the tables drawn in it.

Text and background colours are set together, so that each is readable in the light and in the dark theme.
"""
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from html import escape

import ipywidgets

from .. import tree
from ..plots import Picture

STYLE = """<style>
.kit-verdict { padding: 6px 12px; border-radius: 4px; border: 1px solid #8A929C; line-height: 1.6; margin: 4px 0 8px; }
.kit-verdict big { font-size: 1.3em; }
.kit-isolated { background: #F7CB2D; color: #1B1E24; }
.kit-passed { background: #222A36; color: #F4F6F8; }
.kit-table { border-collapse: collapse; margin: 4px 0 10px; line-height: 1.6; }
.kit-table td, .kit-table th { text-align: left; padding: 1px 14px 1px 0; border-bottom: 1px solid #8A929C66; }
.kit-chip { padding: 1px 7px; margin-right: 6px; border-radius: 4px; border: 1px solid #8A929C; white-space: nowrap; }
.kit-lit { background: #F7CB2D; color: #1B1E24; font-weight: bold; }
</style>"""


class Box(ipywidgets.VBox):
    """A VBox whose text/plain is `describe()`: the same in every run, so nbval compares it and static pages show it.

    With `picture` static pages show a picture, too: what it gives is drawn when the box is displayed.
    """

    def __init__(self, children=(), *, describe: Callable[[], str], picture: Callable[[], Picture] | None = None, **traits):
        super().__init__(children, **traits)
        self.describe, self.picture = describe, picture

    def __repr__(self):
        return self.describe()

    def _repr_mimebundle_(self, **kwargs) -> dict:
        twin = {"image/png": b64encode(self.picture().png).decode()} if self.picture else {}
        return {**super()._repr_mimebundle_(**kwargs), **twin, "text/plain": self.describe()}


def close_all(widget: ipywidgets.Widget) -> None:
    """Take a widget and all that it holds away, from the page and from memory."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    widget.unobserve_all()
    widget.close()


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; the cells are HTML already."""
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table class='kit-table'><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{''.join(lines)}</table>"


def comparison(rows: Iterable[tuple[str, str, str]]) -> str:
    """A table of (what, before, after), in plain text, that says in words what is different."""
    heads = ("", "before", "after", "difference")
    return table(heads, ((*map(escape, row), "same" if row[1] == row[2] else "<b>different</b>") for row in rows))


def way_text(way: list[tuple[tree.Tree, str]]) -> str:
    """A way through a tree (from `tree.taken`) in words: each question with its answer, and the end."""
    end = way[-1][0]
    asked = [f"{node.step} {answer}" for node, answer in way if answer]
    return " / ".join([*asked, tree.leaf_text(end) if isinstance(end, tree.Leaf) else "no end"])


def tree_table(grown: tree.Tree, way: list[tuple[tree.Tree, str]]) -> str:
    """A decision tree as numbered questions, as `tree.text` numbers them, with the way taken (from `tree.taken`) lit."""
    asked = [node for node in tree.nodes(grown) if isinstance(node, tree.Node)]
    number = {id(node): str(at) for at, node in enumerate(asked, 1)}
    lit = {id(node): answer for node, answer in way}

    def chip(node: tree.Node, answer: str, child: tree.Tree) -> str:
        goes = f"{answer} &rarr; {number.get(id(child)) or escape(tree.leaf_text(child))}"
        taken = lit.get(id(node)) == answer
        return f"<span class='kit-chip kit-lit'>&#9654; {goes}</span>" if taken else f"<span class='kit-chip'>{goes}</span>"

    def question(node: tree.Node) -> str:
        words = f"<code>{escape(str(node))}</code>"
        return f"<b>{words}</b>" if id(node) in lit else words

    rows = ((number[id(node)], question(node), "".join(chip(node, *to) for to in tree.ordered(node))) for node in asked)
    return table(("", "question", "answers, and the next question or the end"), rows)
