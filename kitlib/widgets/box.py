"""What a view displays: a box whose text and picture stay when the kernel is gone, and what is drawn in it.

A picture is an <img> with an alt text, which ipywidgets.Image has not. How all of it looks is in kit.css,
which comes with the box. Leaves out what moves over a picture: drawing.py.
"""
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

import ipywidgets

from ..concurrency import tree
from ..plots.picture import SCALE, Picture
from .access import Access
from .guard import Guard


class Box(ipywidgets.VBox):
    """A VBox whose text/plain is `describe()`, the same in every run: nbval compares it, pages show it.

    `picture()`, if it gives one, is what pages show that run nothing; when a chart refuses, there is none.
    `also` has widgets that are not shown all the time. Closing the box closes everything in it, so that
    nothing is left of the view. `is_inner`: it lies in another Box, which brings the stylesheet.
    """

    def __init__(self, children=(), *, describe: Callable[[], str],
                 picture: Callable[[], Picture | None] = lambda: None, also: Iterable[ipywidgets.Widget] = (),
                 is_inner: bool = False, max_width: str | None = None):
        access = [] if is_inner else [Access().add_class("kit-access")]
        super().__init__([*children, *access], layout={"max_width": max_width})
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
        """Close the box and all in it, layouts and styles too; ipywidgets would keep them for ever."""
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


class View:
    """What can be displayed: it holds widgets in `box`, is none itself, and shows in `guard` what failed."""

    box: Box
    guard: Guard

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return self.box._repr_mimebundle_(**kwargs)

    def close(self) -> None:
        """Take the widgets away, from the page and from memory."""
        self.box.close()


def wrap(*parts: ipywidgets.Widget, gap: str = "0") -> ipywidgets.HBox:
    """Side by side, and below each other where there is no room."""
    return ipywidgets.HBox(parts, layout={"flex_flow": "row wrap", "grid_gap": gap})


def growing(basis: str, by: int = 1) -> dict:
    """The layout of a part that takes a share of the room that is left, `by`, and about `basis` at least."""
    return {"flex": f"{by} 1 {basis}", "min_width": "0"}


def title(words: str, sentence: str) -> ipywidgets.HTML:
    """How every view begins: its name, and one sentence in HTML."""
    return ipywidgets.HTML(f"<div class='kit-title'><h3>{words}</h3><p>{sentence}</p></div>")


def status_html(words: str, colour: str = "") -> str:
    """The sentence, in HTML, that says what happened: screen readers speak it when it changes."""
    return f"<div role='status' class='kit-verdict {colour}'>{words}</div>"


def picture_html(picture: Picture) -> str:
    """A picture at its own size, or as wide as there is room; its alt text is the first line of its text."""
    wide, alt = picture.image.size[0] // SCALE, picture.text.partition("\n")[0]
    data = f"data:image/png;base64,{b64encode(picture.png).decode()}"
    return f"<img class='kit-picture' style='width:{wide}px' alt='{escape(alt)}' src='{data}'>"


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; the cells are HTML already."""
    head = "".join(f"<th>{cell}</th>" for cell in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table class='kit-table'><tr>{head}</tr>{body}</table>"


def comparison(rows: Iterable[tuple[str, str, str]]) -> str:
    """A table of (what, before, after), in plain text, that says in words what is different."""
    heads = ("", "before", "after", "differs")
    words = {True: "no", False: "<b>yes</b>"}
    return html_table(heads, ((*map(escape, row), words[row[1] == row[2]]) for row in rows))


def way_text(way: list[tuple[tree.Tree, str]]) -> str:
    """A way through a tree (from `tree.taken`) in words: each question with its answer, and the end."""
    end = way[-1][0]
    asked = [f"{node.step} {answer}" for node, answer in way if answer]
    return " / ".join([*asked, tree.leaf_text(end) if isinstance(end, tree.Leaf) else "no end"])


def tree_table(grown: tree.Tree, way: list[tuple[tree.Tree, str]]) -> str:
    """A decision tree as questions, numbered as in `tree.text`, the way taken (from `tree.taken`) lit."""
    asked = [node for node in tree.nodes(grown) if isinstance(node, tree.Node)]
    number = {id(node): str(at) for at, node in enumerate(asked, 1)}
    lit = {id(node): answer for node, answer in way}

    def chip(node: tree.Node, answer: str, child: tree.Tree) -> str:
        goes = f"{answer} &rarr; {number.get(id(child)) or escape(tree.leaf_text(child))}"
        if lit.get(id(node)) == answer:
            return f"<span class='kit-chip kit-lit'>&#9654; {goes}</span>"
        return f"<span class='kit-chip'>{goes}</span>"

    def question(node: tree.Node) -> str:
        words = f"<code>{escape(str(node))}</code>"
        return f"<b>{words}</b>" if id(node) in lit else words

    def answers(node: tree.Node) -> str:
        return "".join(chip(node, *to) for to in tree.ordered(node))

    rows = ((number[id(node)], question(node), answers(node)) for node in asked)
    return html_table(("", "question", "answers, and the next question or the end"), rows)
