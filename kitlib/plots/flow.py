"""Decision trees as flow charts: questions in boxes, numbered as in `tree.text`, with endings beside them.

Leaves out trees with questions by the hundred: read their text.
"""
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from ..concurrency.tree import Leaf, Node, Tree, leaf_text, nodes
from .layout import BOX, PAD, SLOT, TEXT, Edge, Plan, ending, width_of
from .picture import SCALE, Picture, font
from .states import LIGHT

DPI = 100                               # with it a data unit of a sheet is one pixel as shown
_COLOURS = 64                           # of the image, unless a chart has more
SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"     # they come with matplotlib: the same widths everywhere
LIT, LINE, INK, PAPER, PALE = "#0B63B5", "#8A95A1", "#1F2328", "#FFFFFF", LIGHT["free"]


class Chart(Figure):
    """A Figure that shows itself in a notebook without pyplot, with the text of what it shows.

    `places` says where positions stand, if it has any, so that a cursor can be laid over the picture.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.text = ""
        self.colours = _COLOURS
        self.places: dict[object, tuple[float, float]] = {}        # in shares, so that they hold at any size

    def shares(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the sheet stands, in shares of the picture from its left upper corner."""
        right, up = self.transFigure.inverted().transform(self.axes[0].transData.transform((x, y)))
        return float(right), float(1 - up)              # a sheet's y runs down, a figure's runs up

    def picture(self) -> Picture:
        """The figure as a Picture."""
        canvas, dpi = FigureCanvasAgg(self), self.dpi
        # Put back afterwards: whoever measures a chart's texts does it at the size shown.
        self.dpi = dpi * SCALE
        canvas.draw()
        image = Image.frombytes("RGBA", canvas.get_width_height(physical=True), bytes(canvas.buffer_rgba()))
        self.dpi = dpi
        return Picture(image.convert("RGB").quantize(self.colours), self.text)

    def _repr_png_(self):
        return self.picture()._repr_png_()

    def __repr__(self):
        return self.text


def describe_tree(tree: Tree, lit=()) -> str:
    """The tree in words: how many questions, all its endings, and the way in `lit`."""
    questions = sum(isinstance(node, Node) for node in nodes(tree))
    endings = [leaf_text(node) for node in nodes(tree) if isinstance(node, Leaf)]
    counts = [f"{count} {noun if count == 1 else noun + 's'}"
              for count, noun in ((questions, "question"), (len(endings), "ending"))]
    words = f"{', '.join(counts)}: {'; '.join(endings)}"
    if not lit:
        return words
    way = ", ".join(f"{node.step} {answer}" for node, answer in lit if isinstance(node, Node))
    return f"{words}. Taken: {way}: {leaf_text(lit[-1][0])}"


def decision_tree(tree: Tree, lit=(), title: str = "") -> Chart:
    """The tree as a flow chart; the branches in `lit`, from tree.taken, are drawn wide and blue."""
    if isinstance(tree, Leaf):
        raise ValueError(f"a tree without a question, {leaf_text(tree)!r}: there is nothing to draw: "
                         "write tree.text(...)")
    plan = Plan(tree)
    if strangers := [node for node, _ in lit if isinstance(node, Node) and id(node) not in plan.row]:
        raise ValueError(f"lit holds {strangers[0]}, a node of another tree: write lit=tree.taken(grown, "
                         "machine.trace) with the very tree that is drawn")
    figure, axes = sheet(plan.width, plan.height, title)
    passed = {id(node) for node, _ in lit}
    way = {(id(node), answer) for node, answer in lit}
    for edge in plan.edges:
        _draw_edge(axes, plan, edge, any((id(edge.source), answer) in way for answer in edge.answers))
    for node in plan.questions:
        _draw_question(axes, plan, node, id(node) in passed)
    figure.text = f"{title or 'Decision tree'}, {describe_tree(tree, lit)}"
    return figure


def sheet(wide: float, high: float, title: str = "") -> tuple[Chart, Axes]:
    """An empty chart, in pixels as shown from its upper left corner; the title stands above that."""
    top = 40 if title else PAD
    wide = max(int(wide), int(font(16, "-Bold").getlength(title)) + 2 * PAD)
    # ylim the wrong way round: y runs down, as on a screen, and the title has the negative ones.
    figure = Chart(figsize=(wide / DPI, (high + top) / DPI), dpi=DPI, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, wide), ylim=(high, -top))
    axes.axis("off")
    axes.text(PAD, 14 - top, title, size=pt(16), family=SANS, weight="bold", color=INK, va="top")
    return figure, axes


def pt(pixels: float) -> float:
    """As matplotlib counts: its sizes of letters and widths of lines are in points."""
    return pixels * 72 / DPI


def _draw_question(axes, plan: Plan, node: Node, lit: bool) -> None:
    x, y, wide = plan.corner(node)
    axes.add_patch(FancyBboxPatch((x, y - BOX / 2), wide, BOX, boxstyle="round,pad=0,rounding_size=4",
                                  facecolor=PAPER, edgecolor=LIT if lit else INK,
                                  linewidth=pt(3 if lit else 1.2), zorder=3))
    axes.text(x + 10, y, plan.title(node), size=pt(TEXT), family=MONO, color=INK, va="center", zorder=4)


def _draw_edge(axes, plan: Plan, edge: Edge, lit: bool) -> None:
    points = plan.line(edge)
    colour, order = (LIT, 2) if lit else (LINE, 1)      # boxes and words lie above both
    (before_x, _), (x, y) = points[-2:]
    axes.plot(*zip(*points), color=colour, linewidth=pt(4 if lit else 1.4), solid_joinstyle="round",
              zorder=order)
    # A marker is drawn around its point: 4 back, its tip touches the box. A last piece runs right or down.
    arrow, tip = (">", (x - 4, y)) if before_x != x else ("v", (x, y - 4))
    axes.plot(*tip, marker=arrow, color=colour, markersize=pt(9), markeredgewidth=0, zorder=order)
    _draw_answer(axes, edge, points, lit)
    if edge.way == "leaf":
        _draw_ending(axes, edge.target, x, y, lit)


def _draw_answer(axes, edge: Edge, points: list, lit: bool) -> None:
    """On the line at its beginning; beside it where it leaves to the left or downward."""
    (x, y), side = points[0], 6 + width_of(edge.label) / 2
    if edge.beside:
        x, y = x + 8 + side, y + SLOT * edge.place
    elif edge.way == "skip":
        x -= side
    else:
        x, y = x + side, y + 10
    axes.text(x, y, edge.label, size=pt(TEXT), family=SANS, weight="bold" if lit else "normal",
              color=LIT if lit else INK, ha="center", va="center", zorder=4,
              bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1})


def _draw_ending(axes, leaf: Leaf, x: float, y: float, lit: bool) -> None:
    words = ending(leaf)
    high = 24 + 13 * words.count("\n")
    axes.add_patch(FancyBboxPatch((x, y - high / 2), width_of(words) + 18, high,
                                  boxstyle="round,pad=0,rounding_size=12",
                                  facecolor=LIGHT["isolated"] if words == "isolated" else PALE,
                                  edgecolor=LIT if lit else LINE, linewidth=pt(3 if lit else 1), zorder=3))
    axes.text(x + 9, y, words, size=pt(TEXT), family=SANS, color=INK, va="center", linespacing=1.1, zorder=4)
