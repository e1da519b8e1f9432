"""Where everything in a flow chart stands: columns, rows, and the corners of every line, in pixels as shown.

The longest way goes straight down the first column; what branches off stands in the next. Lines run in the gaps between rows
and in the gutters between columns, one lane for each target, so that they cross each other and never a box. Leaves out
loops: in a tree every line leads down.
"""
import textwrap
from collections import defaultdict
from typing import NamedTuple

from ..concurrency.tree import Leaf, Node, Tree, leaf_text, nodes, ordered
from .picture import font

TEXT = 11.5                             # height of letters
BOX, SLOT, _GAP, LANE, PAD = 26, 42, 30, 10, 14
BOX_WIDTH = 180                         # at the least: answers stand side by side under it
ENDING_WIDTH = 16                       # letters in a line of an ending


def width_of(text: str, style: str = "") -> float:
    """How wide the text is, in pixels: its widest line."""
    return max((font(TEXT, style).getlength(line) for line in text.splitlines()), default=0)


def ending(leaf: Leaf) -> str:
    """A leaf's reason, in short lines."""
    return textwrap.fill(leaf_text(leaf), ENDING_WIDTH)


class Edge(NamedTuple):
    """A branch as it is drawn; answers with one future share one."""

    source: Node
    answers: tuple[str, ...]
    target: Tree
    way: str                # leaf, or to a question: down: the next in its column, skip: a later one in it,
                            # right: in a later column, back: in an earlier one
    place: int              # among the edges that leave the source on the same side

    @property
    def label(self) -> str:
        """What stands at its beginning."""
        return ", ".join(self.answers)

    @property
    def beside(self) -> bool:
        """Whether it leaves to the right."""
        return self.way in ("leaf", "right")


class Plan:
    """Columns, rows, lanes and tracks, and from them the coordinates of boxes and lines."""

    def __init__(self, tree: Tree):
        self.questions = [node for node in nodes(tree) if isinstance(node, Node)]
        self.row = _rows(tree)
        self.column, self.below = _columns(tree, self.row)
        self.edges = [edge for node in self.questions for edge in self._edges(node)]
        self.lanes, self.tracks = defaultdict(list), defaultdict(list)      # per gutter and per gap: the targets led along it
        for edge in self.edges:
            self._reserve(edge)
        self._set_columns()
        self._set_rows()

    def _edges(self, node: Node) -> list[Edge]:
        answers, used = defaultdict(list), defaultdict(int)
        for answer, child in ordered(node):
            answers[id(child)].append(answer)
        edges = []
        for child in {id(child): child for _, child in ordered(node)}.values():
            way = self._way(node, child)
            side = "right" if way == "leaf" else way
            edges.append(Edge(node, tuple(answers[id(child)]), child, way, place=used[side]))
            used[side] += 1
        return edges

    def _way(self, node: Node, child: Tree) -> str:
        if isinstance(child, Leaf):
            return "leaf"
        if self.below.get(id(node)) is child:
            return "down"
        ahead = self.column[id(child)] - self.column[id(node)]
        return "right" if ahead > 0 else "back" if ahead else "skip"

    def _reserve(self, edge: Edge) -> None:
        gutter, gaps = self._passage(edge)
        for lines, place in ((self.lanes, gutter), *((self.tracks, gap) for gap in gaps)):
            if place is not None and id(edge.target) not in lines[place]:
                lines[place].append(id(edge.target))

    def _passage(self, edge: Edge) -> tuple[int | None, list[int]]:
        """The gutter and the gaps that an edge runs through."""
        if edge.way in ("leaf", "down"):
            return None, []
        (row, column), (to_row, to_column) = (self._place(node) for node in (edge.source, edge.target))
        if edge.way == "skip":
            return column, []
        if edge.way == "right":
            return column + 1, [] if to_column == column + 1 else [to_row]
        free = not any(row < self._place(node)[0] < to_row and self._place(node)[1] == column for node in self.questions)
        return (None, [to_row]) if free else (column, [row + 1, to_row])

    def _place(self, node: Node) -> tuple[int, int]:
        return self.row[id(node)], self.column[id(node)]

    def _set_columns(self) -> None:
        self.x, self.box, self.chip, self.lane = {}, {}, {}, {}
        right = PAD
        for column in range(max(self.column.values()) + 1):
            here = [node for node in self.questions if self.column[id(node)] == column]
            edges = [edge for edge in self.edges if self.column[id(edge.source)] == column]
            self.lane[column] = right
            skips = [width_of(edge.label) + 16 for edge in edges if edge.way == "skip"]
            self.x[column] = right + LANE * len(self.lanes[column]) + max(skips, default=0) + (12 if self.lanes[column] else 0)
            self.box[column] = max(BOX_WIDTH, *(width_of(self.title(node), "Mono") + 20 for node in here))
            self.chip[column] = self.x[column] + self.box[column] + max(
                (width_of(edge.label) + 36 for edge in edges if edge.way == "leaf"), default=0)
            right = self.chip[column] + max(
                (width_of(ending(edge.target)) + 32 for edge in edges if edge.way == "leaf"), default=80)
        self.width = int(right - 16 + PAD)

    def _set_rows(self) -> None:
        self.y, self.gap, bottom = {}, {}, 0
        for row in range(max(self.row.values()) + 1):
            tracks = len(self.tracks[row])
            self.gap[row] = bottom + 20
            self.y[row] = bottom + (_GAP if row else BOX // 2) + LANE * tracks
            slots = max([1] + [1 + edge.place for edge in self.edges if self.row[id(edge.source)] == row and edge.beside])
            bottom = self.y[row] + BOX + SLOT * (slots - 1)
        self.height = int(bottom + PAD)

    def title(self, node: Node) -> str:
        """A question's text, with its number in `tree.text`."""
        return f"{next(n for n, question in enumerate(self.questions, 1) if question is node)} {node}"

    def corner(self, node: Node) -> tuple[float, float, float]:
        """A box: its left, the height of its middle, its width."""
        row, column = self._place(node)
        return self.x[column], self.y[row] + BOX / 2, self.box[column]

    def line(self, edge: Edge) -> list[tuple[float, float]]:
        """The corners of an edge's line, from its source to the tip of its arrow."""
        x, y, wide = self.corner(edge.source)
        out, middle, under = x + wide + 8, x + wide / 2, y + BOX / 2
        beside = [(x + wide, y), (out, y), (out, y + SLOT * edge.place)]
        if edge.way == "leaf":
            return [*beside, (self.chip[self.column[id(edge.source)]], beside[-1][1])]
        to_x, to_y, to_wide = self.corner(edge.target)
        top = to_y - BOX / 2
        if edge.way == "down":
            return [(middle, under), (middle, top)]
        lane, tracks = self._lines(edge)
        if edge.way == "skip":
            level = y + 5 + 7 * edge.place
            return [(x, level), (lane, level), (lane, to_y - 5), (to_x, to_y - 5)]
        if edge.way == "right":
            into = to_x + to_wide * 0.1
            end = [(lane, tracks[0]), (into, tracks[0]), (into, top)] if tracks else [(lane, to_y - 5), (to_x, to_y - 5)]
            return [*beside, (lane, beside[-1][1]), *end]
        start, into = x + wide * (0.2, 0.8, 0.35, 0.65)[edge.place % 4], to_x + to_wide * 0.9
        turns = [(start, tracks[0])] if lane is None else [(start, tracks[0]), (lane, tracks[0]), (lane, tracks[-1])]
        return [(start, under), *turns, (into, tracks[-1]), (into, top)]

    def _lines(self, edge: Edge) -> tuple[float | None, list[float]]:
        """Where the edge's lane and its tracks run."""
        gutter, gaps = self._passage(edge)
        target = id(edge.target)
        lane = None if gutter is None else self.lane[gutter] + LANE * (self.lanes[gutter].index(target) + 0.5)
        return lane, [self.gap[gap] + LANE * self.tracks[gap].index(target) for gap in gaps]


def _rows(tree: Tree) -> dict[int, int]:
    """The most questions before each: every line leads down."""
    rows: dict[int, int] = {}

    def visit(node: Tree, row: int) -> None:
        if isinstance(node, Node) and rows.get(id(node), -1) < row:
            rows[id(node)] = row
            for _, child in node.branches:
                visit(child, row + 1)

    visit(tree, 0)
    return rows


def _columns(tree: Tree, rows: dict[int, int]) -> tuple[dict[int, int], dict[int, Node]]:
    """The column of each question, and the question straight below it, if any."""
    column: dict[int, int] = {}
    below: dict[int, Node] = {}
    taken = defaultdict(set)

    def place(node: Node, here: int) -> None:
        chain = [node]
        while isinstance(child := ordered(chain[-1])[-1][1], Node) and id(child) not in column:
            below[id(chain[-1])] = child
            chain.append(child)
            column[id(child)] = here
        span = set(range(rows[id(node)], rows[id(chain[-1])] + 1))
        while taken[here] & span:
            here += 1
        taken[here] |= span
        column.update({id(question): here for question in chain})
        for question in chain:
            for _, child in ordered(question):
                if isinstance(child, Node) and id(child) not in column:
                    place(child, here)
                    between = set(range(rows[id(question)] + 1, rows[id(child)]))
                    if column[id(child)] == here and id(question) not in below and not taken[here] & between:
                        below[id(question)] = child
                        taken[here] |= between

    place(tree, 0)
    return column, below
