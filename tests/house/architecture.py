"""kitlib's architecture as a picture, made from the structure itself: `make architecture` writes it.

Boxes are the folders and modules on their floors, each with the first sentence of its docstring. Arrows say
who imports whom. Leaves out what follows from other arrows: whoever imports plots has what plots imports.
"""
import ast
import re
import textwrap
from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple
from xml.sax.saxutils import escape

from test_structure import FLOOR, KITLIB, NAMES, ROOT, STRANGERS, imports, top

PICTURE = ROOT / "notebooks/images/architecture.svg"
# From the left to the right and from the roof to the ground: so ordered, few arrows cross.
ROWS = [["course"],
        ["widgets"],
        ["plots", "check"],
        ["recordings", "experiments"],
        ["scan", "frames", "scenarios", "races"],
        ["compaction"],
        ["kernels"],
        ["mm", "concurrency"],
        ["step"]]
WIDTHS = {"compaction": 420, "kernels": 480, "mm": 560, "concurrency": 240}     # others share their row
TALL = {"concurrency": 4}               # a pillar up to this row
COLOURS = {"mm": "#DCE9FA", "kernels": "#DCE9FA", "concurrency": "#E9DEF8", "step": "#FBEFC9"}

# Pixels, y down. Between rows is room for arrows to turn, between boxes for arrows that pass a row by.
WIDTH, MARGIN, TURN, PASS = 960, 52, 34, 60
LINE, LETTER, HEADING, PAD = 17, 6.9, 22, 14    # a line of words; a letter's width; a name; around both
APART = 13                              # two arrows, side by side
INK, MUTED, PAPER, BAND, EDGE = "#1F2328", "#57606A", "#FFFFFF", "#F3F5F8", "#8A95A1"
SANS, MONO = "DejaVu Sans, Verdana, Arial, sans-serif", "DejaVu Sans Mono, Menlo, Consolas, monospace"


Point = tuple[float, float]
Arrow = tuple[str, str]                 # from whom to whom


class Box(NamedTuple):
    """A folder or module: its edges, and the rows that it stands in."""

    left: float
    top: float
    right: float
    bottom: float
    first: int
    last: int


def imported() -> dict[str, set[str]]:
    """By folder or module: what it imports of the others."""
    found = {name: set() for name in FLOOR}
    for name, path in NAMES.items():
        found[top(name)] |= {top(other) for other in imports(path) if top(other) in FLOOR} - {top(name)}
    return found


def reduced(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The fewest arrows by which all reach whom they reach (transitive reduction, without circles)."""
    def reached(name: str) -> set[str]:
        return arrows[name].union(*(reached(other) for other in arrows[name]))

    return {name: {other for other in others if not any(other in reached(nearer) for nearer in others)}
            for name, others in arrows.items()}


def phrase(name: str) -> str:
    """The first sentence of its docstring, without backticks and what is in brackets."""
    path = KITLIB / name
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    words = " ".join(ast.get_docstring(ast.parse(path.read_text())).split("\n\n")[0].split())
    return re.sub(r" \([^)]*\)|`", "", re.split(r"\.(?= |$)", words)[0])


def words_of(name: str, wide: float) -> list[str]:
    """The phrase in as few lines as fit a box, and these as even as they can be."""
    words, most = phrase(name), int((wide - 2 * PAD) / LETTER)
    lines = textwrap.wrap(words, most)
    while len(textwrap.wrap(words, most - 1)) == len(lines):
        most -= 1
    return textwrap.wrap(words, most)


def boxes() -> dict[str, Box]:
    """Where everything stands, row by row."""
    found, y = {}, MARGIN / 2
    for number, row in enumerate(ROWS):
        share = (WIDTH - 2 * MARGIN - PASS * (len(row) - 1)) / len(row)
        wide = {name: WIDTHS.get(name, share) for name in row}
        lines = max(len(words_of(name, wide[name])) for name in row if name not in TALL)
        bottom = y + 2 * PAD + HEADING + LINE * lines - 6
        for place, name in enumerate(row):
            left = MARGIN + place * (share + PASS)
            if place and place == len(row) - 1:         # the last of several ends at the right margin
                left = WIDTH - MARGIN - wide[name]
            found[name] = Box(left, y, left + wide[name], bottom, number, number)
        y = bottom + TURN
    for name, row in TALL.items():
        highest = min(box.top for box in found.values() if box.first == row)
        found[name] = found[name]._replace(top=highest, first=row)
    return found


def spread(wishes: list[float], low: float, high: float) -> list[float]:
    """Places near the wishes and in their order, apart from each other, from `low` to `high` if they can."""
    order = sorted(range(len(wishes)), key=wishes.__getitem__)
    places, least, most = {}, low, high
    for number in order:
        places[number] = max(least, min(wishes[number], high))
        least = places[number] + APART
    for number in reversed(order):
        places[number] = min(places[number], most)
        most = places[number] - APART
    return [places[number] for number in range(len(wishes))]


def band(found: dict[str, Box], row: int) -> tuple[float, float]:
    """The upper and the lower edge of a row."""
    inside = [box for box in found.values() if box.first == box.last == row]
    return min(box.top for box in inside), max(box.bottom for box in inside)


def passes(found: dict[str, Box], row: int) -> list[tuple[float, float]]:
    """Where arrows can pass a row: between its boxes, and between them and the edges of the picture."""
    inside = sorted((box.left, box.right) for box in found.values() if box.first <= row <= box.last)
    edges = [APART, *(edge for box in inside for edge in box), WIDTH - APART]
    return [(left + APART, right - APART) for left, right in zip(edges[::2], edges[1::2])
            if right - left >= 3 * APART]


def routes(found: dict[str, Box], arrows: dict[str, set[str]]) -> dict[Arrow, list[Point]]:
    """The points of each arrow. What stands in one row is joined by its sides."""
    pairs = sorted((name, other) for name, others in arrows.items() for other in others)
    downward = [(name, other) for name, other in pairs if found[name].last < found[other].first]
    passing = _passing(found, downward)
    ends = _ends(found, downward, passing)
    routed = {pair: [ends[0][pair], *passing[pair], ends[1][pair]] for pair in downward}
    for name, other in set(pairs) - set(downward):
        one, two = sorted((found[name], found[other]))
        y = (found[name].top + found[name].bottom) / 2
        points = [(one.right, y), (two.left, y)]
        routed[name, other] = points if one == found[name] else points[::-1]
    return dict(sorted(routed.items()))


def _passing(found: dict[str, Box], downward: list[Arrow]) -> dict[Arrow, list[Point]]:
    """Where each arrow enters and leaves the rows between its ends: by the pass nearest to its way."""
    middle = {name: (box.left + box.right) / 2 for name, box in found.items()}
    wishes = defaultdict(dict)                      # by row and pass: where each arrow would be
    for name, other in downward:
        rows = range(found[name].last + 1, found[other].first)
        for number, row in enumerate(rows, 1):
            wish = middle[name] + number / (len(rows) + 1) * (middle[other] - middle[name])
            far = {gap: max(gap[0] - wish, wish - gap[1], 0) for gap in passes(found, row)}
            wishes[row, min(far, key=far.get)][name, other] = wish
    points = {pair: [] for pair in downward}
    for (row, (low, high)), here in sorted(wishes.items()):
        top, bottom = band(found, row)
        for pair, x in zip(here, spread(list(here.values()), low, high)):
            points[pair] += [(x, top), (x, bottom)]
    return points


def _ends(found: dict[str, Box], downward: list[Arrow], passing: dict) -> tuple[dict[Arrow, Point], ...]:
    """Where each arrow leaves its box, and where it enters the other: above each other where they can be."""
    ends: tuple[dict, dict] = {}, {}
    for side, name in ((side, name) for side in (0, 1) for name in found):
        here = [pair for pair in downward if pair[side] == name]
        box, wishes = found[name], []
        for pair in here:
            one, other = (found[end] for end in pair)
            above = (max(one.left, other.left) + min(one.right, other.right)) / 2
            wishes.append(passing[pair][-side][0] if passing[pair] else above)
        y = box.top if side else box.bottom
        places = spread(wishes, box.left + PAD, box.right - PAD)
        ends[side].update({pair: (x, y) for pair, x in zip(here, places)})
    return ends


def text(x: float, y: float, words: str, size: float, colour: str = INK, **more: str) -> str:
    """A line of words; the names of attributes have _ for -."""
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}"{extra}>{escape(words)}</text>'


def arrow(points: list[Point]) -> str:
    """A line that turns between rows, and runs straight through them."""
    drawn = ["M{:.1f} {:.1f}".format(*points[0])]
    for (x, y), (to_x, to_y) in pairwise(points):
        turn = (y + to_y) / 2
        drawn.append(f"L{to_x:.1f} {to_y:.1f}" if x == to_x or y == to_y else
                     f"C{x:.1f} {turn:.1f} {to_x:.1f} {turn:.1f} {to_x:.1f} {to_y:.1f}")
    way = " ".join(drawn)
    return f'<path d="{way}" fill="none" stroke="{MUTED}" stroke-width="1.5" marker-end="url(#tip)"/>'


def wall(found: dict[str, Box]) -> list[str]:
    """What stands between those who must not import each other."""
    left = [found[name] for name, others in STRANGERS.items()
            if all(found[name].left < found[other].left for other in others)]
    right = [found[name] for name in STRANGERS if found[name] not in left]
    x = (max(box.right for box in left) + min(box.left for box in right)) / 2
    top, bottom = min(box.top for box in left), max(box.bottom for box in left)
    place = f"translate({x + 15:g} {(top + bottom) / 2:g}) rotate(-90)"
    return [f'<line x1="{x:g}" y1="{top:g}" x2="{x:g}" y2="{bottom:g}" stroke="{INK}" stroke-width="5"/>',
            text(0, 0, "neither knows the other", 11, MUTED, text_anchor="middle", transform=place)]


def rectangle(left: float, top: float, right: float, bottom: float, fill: str, radius: int,
              edge: str = "none") -> str:
    """A box with round corners."""
    return (f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'rx="{radius}" fill="{fill}" stroke="{edge}" stroke-width="1.2"/>')


def named(name: str, box: Box) -> list[str]:
    """A box with its name and its phrase."""
    lines = words_of(name, box.right - box.left)
    y = (box.top + box.bottom - HEADING - LINE * len(lines)) / 2 + 16
    title = f"{name}/" if (KITLIB / name).is_dir() else name
    return [rectangle(box.left, box.top, box.right, box.bottom, COLOURS.get(name, PAPER), 6, EDGE),
            text(box.left + PAD, y, title, 15, font_family=MONO, font_weight="bold"),
            *(text(box.left + PAD, y + HEADING - 2 + LINE * number, line, 12.5)
              for number, line in enumerate(lines))]


def svg() -> str:
    """The picture, the same bytes every time."""
    found, arrows = boxes(), reduced(imported())
    height = max(box.bottom for box in found.values()) + 44
    words = "; ".join(f"{name} imports {', '.join(sorted(others))}"
                      for name, others in sorted(arrows.items()) if others)
    bands = [band(found, row) for row in range(len(ROWS))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" font-family="{SANS}" role="img">',
        "<title>kitlib, floor by floor: who imports whom</title>", f"<desc>{words}</desc>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0 8 4 0 8z" fill="{MUTED}"/></marker></defs>',
        # On paper of its own it reads the same on a white page and on a dark one.
        rectangle(0.6, 0.6, WIDTH - 0.6, height - 0.6, PAPER, 10, "#D0D7DE"),
        *(rectangle(12, top - 10, WIDTH - 12, bottom + 10, BAND, 8) for top, bottom in bands),
        *wall(found), *(arrow(points) for points in routes(found, arrows).values()),
        *(part for name, box in found.items() for part in named(name, box)),
        text(MARGIN, height - 16, "An arrow leads from whoever imports to what is imported, and never up; "
             "what follows from others is left out.", 11.5, MUTED),
        "</svg>\n"]
    return "\n".join(parts)


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
