"""What a view displays: the box, with a text and a picture that stay when the kernel is gone, and what is drawn in it.

Text and background colours are set together, so that each is readable in the light and in the dark theme. A picture is an
<img> with an alt text, which ipywidgets.Image has not. Leaves out what moves over a picture: drawing.py.
"""
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

import ipywidgets

from ..concurrency import tree
from ..plots.picture import SCALE, Picture
from .access import Access

BOX_STYLE = """<style>
.kit-box { border: 1px solid #8A929C80; border-radius: 8px; padding: 10px 16px 12px; }
.kit-title { line-height: 1.5; margin-bottom: 4px; }
.kit-title h3 { margin: 0; font-size: 1.3em; line-height: 1.5; }
.kit-title p, .kit-words { margin: 0; line-height: 1.5; }
.kit-words { white-space: pre-line; overflow-wrap: anywhere; }
.kit-verdict { padding: 6px 12px; border-radius: 4px; border: 1px solid #8A929C; border-left-width: 5px; line-height: 1.6; margin: 4px 0 8px; }
.kit-verdict big { font-size: 1.3em; }
.kit-isolated { background: #F7CB2D; color: #1B1E24; }
.kit-passed { background: #222A36; color: #F4F6F8; }
.kit-bad { background: #C22D0C; color: #FFFFFF; font-weight: bold; }
.kit-good { background: #11705C; color: #FFFFFF; font-weight: bold; }
.kit-warn { background: #F7CB2D; color: #1B1E24; font-weight: bold; }
.kit-table { border-collapse: collapse; margin: 4px 0 10px; line-height: 1.6; }
.kit-table td, .kit-table th { text-align: left; padding: 1px 14px 1px 0; border-bottom: 1px solid #8A929C66; }
.kit-wide { overflow-x: auto; white-space: nowrap; }
.kit-chip { display: inline-block; padding: 0 7px; margin: 1px 6px 1px 0; border-radius: 4px; border: 1px solid #8A929C; line-height: 1.5; }
.kit-lit { background: #F7CB2D; color: #1B1E24; font-weight: bold; }
.kit-picture { display: block; max-width: 100%; height: auto; border-radius: 4px; background: #FFFFFF; color: #1B1E24; }
</style>"""


class Box(ipywidgets.VBox):
    """A VBox whose text/plain is `describe()`: the same in every run, so nbval compares it and static pages show it.

    `picture()`, if it gives one, is what pages show that run nothing; when a chart refuses, there is none. `also` has
    widgets that are not shown all the time. Closing the box closes everything in it, so that nothing is left of the view.
    """

    def __init__(self, children=(), *, describe: Callable[[], str], picture: Callable[[], Picture | None] = lambda: None,
                 also: Iterable[ipywidgets.Widget] = (), **traits):
        super().__init__([*children, Access().add_class("kit-access")], **traits)
        self.add_class("kit-box")
        self.describe, self.picture, self.also = describe, picture, tuple(also)

    def __repr__(self):
        return self.describe()

    def _repr_mimebundle_(self, **kwargs) -> dict:
        try:
            picture = self.picture()
        except ValueError:                              # a chart's refusal: nothing to draw, or too much
            picture = None
        still = {"image/png": b64encode(picture.png).decode()} if picture else {}
        return {**super()._repr_mimebundle_(**kwargs), **still, "text/plain": self.describe()}

    def close(self) -> None:
        """Close the box and all that is in it, with layouts and styles; ipywidgets would keep them for ever."""
        for widget in [one for root in (self, *self.also) for one in _within(root)]:
            widget.unobserve_all()
            ipywidgets.Widget.close(widget)
        self.also = ()


def _within(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """The widget and what it consists of."""
    yield widget
    for value in [getattr(widget, name) for name in widget.keys]:
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, ipywidgets.Widget):
                yield from _within(part)


def title(words: str, says: str, *styles: str) -> str:
    """How every view begins: its name, one sentence in HTML, and the style sheets that it needs."""
    return f"{BOX_STYLE}{''.join(styles)}<div class='kit-title'><h3>{words}</h3><p>{says}</p></div>"


def said(words: str, colour: str = "") -> str:
    """The sentence, in HTML, that says what happened: screen readers speak it when it changes."""
    return f"<div role='status' class='kit-verdict {colour}'>{words}</div>"


def picture_html(picture: Picture) -> str:
    """A picture at its own size or as wide as there is room; its alt text is the first line of what it shows."""
    wide, alt = picture.image.size[0] // SCALE, picture.text.partition("\n")[0]
    return (f"<img class='kit-picture' style='width:{wide}px' alt='{escape(alt)}' "
            f"src='data:image/png;base64,{b64encode(picture.png).decode()}'>")


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; the cells are HTML already."""
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table class='kit-table'><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{''.join(lines)}</table>"


def comparison(rows: Iterable[tuple[str, str, str]]) -> str:
    """A table of (what, before, after), in plain text, that says in words what is different."""
    heads = ("", "before", "after", "difference")
    return html_table(heads, ((*map(escape, row), "same" if row[1] == row[2] else "<b>different</b>") for row in rows))


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
    return html_table(("", "question", "answers, and the next question or the end"), rows)
