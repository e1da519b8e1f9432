"""Where everything in a flow chart stands: columns, rows, and the corners of every line, in pixels as shown.

The longest way goes straight down the first column; what branches off stands in the next. Lines run in the
gaps between rows and in the gutters between columns, so that they cross each other at right angles alone, and
never a box. Leaves out loops: in a tree every line leads down.
"""
import textwrap
from collections import defaultdict
from typing import NamedTuple

from ..concurrency.tree import Leaf, Node, Tree, leaf_text, nodes, ordered
from .picture import font

# The sheet, x to the right and y down, each from 0 at the left upper corner. Boxes stand in rows and columns:
# the rest is room for lines, as wide and as high as the lines need that were reserved in it.
#
#             gutter 0  column 0                          gutter 1  column 1
#    row 0             [ 1 question ]-- no --( ending )
#                             |     \-- null ---------------+                    slot 1 of row 0
#    gap 1    ----------------|-----------------------------|--------------      its tracks
#    row 1             [ 2 question ]-- no --( ending )     +-->[ 3 question ]
#               | |                                        | |                   lanes
#
# No two lines lie on each other, for in a gutter every target has a lane of its own, and in a gap a track of
# its own: only lines that end in the same box share one. Beside a box every answer has its slot, and below it
# a place of its own.
TEXT = 11.5                             # height of letters
BOX, SLOT = 26, 42                      # height of a box; from an answer beside a box to the one below it
_GAP, _BELOW = 30, 20                   # from a row to the next; of it above the first track
LANE, PAD = 10, 14                      # from a line to the one parallel to it; margin of the sheet
BOX_WIDTH = 180                         # at the least: answers stand side by side under it
ENDING_WIDTH = 16                       # letters in a line of an ending
# Where lines meet a box's upper or lower edge, in shares of its width; straight down is the middle.
_FROM_LEFT, _MIDDLE, _FROM_RIGHT, _BACK = 0.1, 0.5, 0.9, (0.2, 0.8, 0.35, 0.65)


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

    # Dicts are by id(node): equal futures are one node already, and a comparison would be one of whole trees.

    def __init__(self, tree: Tree):
        self.questions = [node for node in nodes(tree) if isinstance(node, Node)]
        self.row = _rows(tree)
        self.column, self.below = _columns(tree, self.row)
        self.edges = [edge for node in self.questions for edge in self._edges(node)]
        # Per gutter and per gap the targets led along it, in the order of their lanes and tracks. All of them
        # are reserved before anything gets a coordinate, since they make the sheet wider and higher.
        self.lanes, self.tracks = defaultdict(list), defaultdict(list)
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
        if ahead == 0:
            return "skip"
        return "right" if ahead > 0 else "back"

    def _reserve(self, edge: Edge) -> None:
        """A lane and tracks for the edge, unless its target has them there already."""
        gutter, gaps = self._passage(edge)
        target = id(edge.target)
        passed = [self.tracks[gap] for gap in gaps] + ([] if gutter is None else [self.lanes[gutter]])
        for targets in passed:
            if target not in targets:
                targets.append(target)

    def _passage(self, edge: Edge) -> tuple[int | None, list[int]]:
        """The gutter and the gaps that an edge runs through; gutter and gap n lie before column and row n."""
        if edge.way in ("leaf", "down"):
            return None, []
        (row, column), (to_row, to_column) = self._place(edge.source), self._place(edge.target)
        if edge.way == "skip":
            return column, []
        if edge.way == "right":         # from the lane into the next column, or in a gap over those between
            return column + 1, [] if to_column == column + 1 else [to_row]
        # Back: straight down its own column where no box is in the way, else around it through the gutter.
        between = [node for node in self.questions
                   if self._place(node)[1] == column and row < self._place(node)[0] < to_row]
        return (column, [row + 1, to_row]) if between else (None, [to_row])

    def _place(self, node: Node) -> tuple[int, int]:
        return self.row[id(node)], self.column[id(node)]

    def _set_columns(self) -> None:
        """From left to right: a gutter's lanes, answers that leave to the left, boxes, answers, endings."""
        self.x, self.box, self.chip, self.lane = {}, {}, {}, {}     # by column: left edges; `box` is a width
        right = PAD
        for column in range(max(self.column.values()) + 1):
            here = [node for node in self.questions if self.column[id(node)] == column]
            edges = [edge for edge in self.edges if self.column[id(edge.source)] == column]
            leaves = [edge for edge in edges if edge.way == "leaf"]
            skips = [width_of(edge.label) + 16 for edge in edges if edge.way == "skip"]
            lanes = len(self.lanes[column])
            self.lane[column] = right
            self.x[column] = right + LANE * lanes + max(skips, default=0) + (12 if lanes else 0)
            self.box[column] = max(BOX_WIDTH, *(width_of(self.title(node), "Mono") + 20 for node in here))
            answers = max((width_of(edge.label) + 36 for edge in leaves), default=0)
            self.chip[column] = self.x[column] + self.box[column] + answers
            # An ending's text has 9 on each side; the rest is the distance to the next gutter. Without
            # endings the room is for answers that lead to the right.
            endings = max((width_of(ending(edge.target)) + 32 for edge in leaves), default=80)
            right = self.chip[column] + endings
        self.width = int(right - 16 + PAD)

    def _set_rows(self) -> None:
        """From top to bottom: a gap with its tracks, the boxes, and slots for the answers beside them."""
        self.y, self.gap, bottom = {}, {}, 0                # by row: upper edges; of a gap, its first track
        for row in range(max(self.row.values()) + 1):
            self.gap[row] = bottom + _BELOW
            # Nothing leads to the first row: all that stands above it is the title.
            self.y[row] = bottom + (_GAP if row else BOX // 2) + LANE * len(self.tracks[row])
            places = [edge.place for edge in self.edges if self.row[id(edge.source)] == row and edge.beside]
            bottom = self.y[row] + BOX + SLOT * max(places, default=0)
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
        out, slot, under = x + wide + 8, y + SLOT * edge.place, y + BOX / 2
        beside = [(x + wide, y), (out, y), (out, slot)]         # out of the right side, down to its slot
        if edge.way == "leaf":
            return [*beside, (self.chip[self.column[id(edge.source)]], slot)]
        to_x, to_y, to_wide = self.corner(edge.target)
        top, side = to_y - BOX / 2, to_y - 5                # the target's upper edge; the way into its side
        if edge.way == "down":
            middle = x + wide * _MIDDLE
            return [(middle, under), (middle, top)]
        lane, tracks = self._lines(edge)
        if edge.way == "skip":
            # Out of a box's side below its middle and into one above it: what leaves does not touch what
            # enters.
            level = y + 5 + 7 * edge.place
            return [(x, level), (lane, level), (lane, side), (to_x, side)]
        if edge.way == "right":
            if not tracks:
                return [*beside, (lane, slot), (lane, side), (to_x, side)]
            into = to_x + to_wide * _FROM_LEFT
            return [*beside, (lane, slot), (lane, tracks[0]), (into, tracks[0]), (into, top)]
        start, into = x + wide * _BACK[edge.place % len(_BACK)], to_x + to_wide * _FROM_RIGHT
        turns = [] if lane is None else [(lane, tracks[0]), (lane, tracks[-1])]
        return [(start, under), (start, tracks[0]), *turns, (into, tracks[-1]), (into, top)]

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
    """The column of each question, and the question straight below it, if any.

    A chain is a question with its longest branch, that one's longest branch, and so on, as far as none of
    them has a column yet. Chains are placed whole, so that the longest way is one straight line.
    """
    column: dict[int, int] = {}
    below: dict[int, Node] = {}
    taken = defaultdict(set)            # by column: the rows with a box, or with a line straight down

    def place(node: Node, here: int) -> None:
        chain = [node]
        while isinstance(child := ordered(chain[-1])[-1][1], Node) and id(child) not in column:
            below[id(chain[-1])] = child
            chain.append(child)
        # In the first column, from its parent's on, where nothing stands between its first and its last row:
        # so a row of a column never holds two boxes, and no box stands on another's line.
        span = set(range(rows[id(node)], rows[id(chain[-1])] + 1))
        while taken[here] & span:
            here += 1
        taken[here] |= span
        column.update({id(question): here for question in chain})
        for question in chain:
            for _, child in ordered(question):
                if isinstance(child, Node) and id(child) not in column:
                    place(child, here)
                    # A chain may end where another branch finds room in its column: then that goes straight
                    # down, too.
                    between = set(range(rows[id(question)] + 1, rows[id(child)]))
                    if column[id(child)] == here and id(question) not in below and not taken[here] & between:
                        below[id(question)] = child
                        taken[here] |= between

    place(tree, 0)
    return column, below
