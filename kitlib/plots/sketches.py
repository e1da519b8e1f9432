"""Two sketches: a file in memory and who holds whom, and the lists and pages that two scanners walk over.

What is drawn of each is written once, in `_FILE` and `_ZONE`; pictures and texts are both made from that.
Leaves out page tables, private data and every list but the LRU's: notebook 00 has no word for them yet.
"""
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from .flow import INK, LINE, LIT, PALE, PAPER, SANS, Chart, pt, sheet
from .layout import TEXT
from .states import LIGHT

# All numbers are pixels as shown, x to the right and y down, in a sheet that fits a notebook beside
# JupyterLab's file browser.
_WIDE, _LINE, _PAD = 810, 17, 10        # of the sheet; from a line of words to the next; around words


class _Box(NamedTuple):
    """Something in memory: where it stands, and what is said of it below its name."""

    left: float
    top: float
    wide: float
    high: float
    name: str
    lines: tuple[str, ...] = ()
    fill: str = PAPER


class _Arrow(NamedTuple):
    """Between two boxes: one holds the other and so keeps it, or only points to it."""

    source: str
    target: str
    holds: bool
    start: tuple[float, float]
    end: tuple[float, float]
    words: tuple[float, float]          # where they begin


_FILE = (
    _Box(14, 26, 168, 52, "task", ("has the file open",)),
    _Box(272, 8, 268, 298, "inode", ("one file",), PALE),
    _Box(288, 58, 236, 234, "mapping", ("lies inside the inode", "AS_UNEVICTABLE, AS_UNMOVABLE")),
    _Box(304, 134, 204, 142, "page cache", ("part of the mapping", "the file's pages, by number"), PALE),
    _Box(636, 8, 160, 52, "compaction", ("looks at the folio",)),
    _Box(636, 134, 160, 172, "folio", ("one page of the file", "references: 2", "folio->mapping")),
    _Box(652, 258, 128, 34, "folio lock", (), LIGHT["isolated"]))
_ARROWS = (
    _Arrow("task", "inode", True, (182, 52), (272, 52), (194, 38)),
    _Arrow("page cache", "folio", True, (494, 239), (636, 239), (552, 254)),
    _Arrow("compaction", "folio", True, (716, 60), (716, 134), (726, 96)),
    _Arrow("folio", "mapping", False, (636, 205), (524, 110), (562, 120)))
_RULES = {True: "a reference: what it leads to stays alive",
          False: "only a pointer: what it leads to may be freed"}
_LOCK_RULE = "folio lock: while one holds it, nobody else takes the folio out of the page cache"

# A zone of four pageblocks, a letter a page frame. The migrate scanner has done the first block, the free
# scanner the last one.
_ZONE = ("ikigfiif", "lfugflfl", "flkfulff", "tltktllt")
_KINDS = {"l": ("movable", "on the active or inactive list"), "u": ("unevictable", "on the unevictable list"),
          "g": ("unmovable", "guest_memfd's, on the unevictable list"),
          "k": ("unmovable", "kernel memory, on no list"), "i": ("isolated", "isolated"),
          "f": ("free", "free"), "t": ("free", "free, taken as targets")}
_LISTS = (
    _Box(14, 32, 130, 52, "reclaim", ("frees memory",)),
    _Box(188, 8, 608, 128, "LRU lists", (), PALE),
    _Box(202, 34, 580, 42, "active, inactive"),
    _Box(202, 84, 580, 42, "unevictable"),
    _Box(14, 282, 258, 66, "isolated: off its list"),
    _Box(538, 282, 258, 66, "targets"))
_SQUARE, _BLOCK = 21, 194               # from a page frame to the next, from a pageblock to the next


def file_in_memory() -> Chart:
    """A folio, the page cache in the mapping inside the inode, and who keeps which of them alive."""
    figure, axes = sheet(_WIDE, 386, "A file in memory: who holds whom")
    for box in _FILE:
        _draw_box(axes, box)
    for place in range(4):
        _draw_square(axes, 318 + 46 * place, 220, "movable" if place == 3 else "free", str(place), 38)
    for arrow in _ARROWS:
        _draw_arrow(axes, arrow.start, arrow.end, arrow.holds)
        _write(axes, *arrow.words, "reference" if arrow.holds else "points")
    for y, (holds, words) in zip((330, 350), _RULES.items()):
        _draw_arrow(axes, (16, y), (58, y), holds)
        _write(axes, 68, y, words)
    _draw_box(axes, _Box(28, 363, 18, 14, "", (), LIGHT["isolated"]))
    _write(axes, 68, 370, _LOCK_RULE)
    figure.text = describe_file()
    return figure


def describe_file() -> str:
    """The sketch of a file in words: what each box is, and who holds or points to whom."""
    boxes = "; ".join(f"{box.name}: {', '.join(box.lines)}" for box in _FILE if box.lines)
    held, pointed = ("; ".join(f"{one.source} to {one.target}" for one in _ARROWS if one.holds == holds)
                     for holds in _RULES)
    return (f"A file in memory: who holds whom. {boxes}.\n{held}: {_RULES[True]}.\n"
            f"{pointed}: {_RULES[False]}.\n{_LOCK_RULE}.")


def lists_and_scanners() -> Chart:
    """The LRU lists and who takes from which, and two scanners in a zone on their way towards each other."""
    figure, axes = sheet(_WIDE, 424, "The LRU lists, and two scanners in memory")
    for box in _LISTS:
        _draw_box(axes, box)
    for pfns, left, top in ((_pfns("l"), 342, 45), (_pfns("ug"), 342, 95), (_pfns("i"), 26, 314),
                            (_pfns("t"), 550, 314)):
        for place, pfn in enumerate(pfns):
            _draw_page(axes, left + place * _SQUARE, top, pfn)
    _draw_arrow(axes, (144, 58), (202, 58), True)
    _write(axes, 560, 105, "reclaim does not look here")
    for pfn in range(len("".join(_ZONE))):
        _draw_page(axes, _left_of(pfn), 190, pfn)
    for block in range(len(_ZONE)):
        _write(axes, _left_of(8 * block), 176, f"pageblock {block}")
    for start, end, words, at in ((8, 12, "migrate scanner", 8), (24, 20, "free scanner", 20)):
        _draw_arrow(axes, (_left_of(start) - 8, 226), (_left_of(end), 226), True)
        _write(axes, _left_of(at), 242, words)
    _draw_arrow(axes, (90, 214), (90, 282), True)
    _write(axes, 100, 254, "isolation")
    _draw_arrow(axes, (680, 214), (680, 282), True)
    _draw_arrow(axes, (272, 324), (538, 324), True)
    _write(axes, 330, 310, "migration copies each to a target")
    for left, y, letters in ((14, 372, "l"), (290, 372, "u"), (538, 372, "i"),
                             (14, 400, "f"), (290, 400, "kg")):
        _draw_square(axes, left, y, _KINDS[letters[0]][0])
        _write(axes, left + 28, y + 10, "; or ".join(_KINDS[letter][1] for letter in letters))
    figure.text = describe_lists()
    return figure


def describe_lists() -> str:
    """The sketch of lists and scanners in words: how many pages are where, and who takes from where."""
    zone = "".join(_ZONE)
    counts = ", ".join(f"{zone.count(letter)} {words}" for letter, (_, words) in _KINDS.items())
    return ("The LRU lists, and two scanners in memory. "
            "Reclaim takes from the active and inactive lists; it does not look at the unevictable list.\n"
            f"Memory of {len(zone)} page frames in {len(_ZONE)} pageblocks: {counts}.\n"
            "The migrate scanner walks up and isolates folios of all lists. The free scanner walks down and "
            "takes free pages as targets. Migration copies each isolated folio to a target.")


def _pfns(letters: str) -> list[int]:
    return [pfn for pfn, letter in enumerate("".join(_ZONE)) if letter in letters]


def _left_of(pfn: int) -> float:
    block, offset = divmod(pfn, len(_ZONE[0]))
    return 26 + block * _BLOCK + offset * _SQUARE


def _draw_page(axes: Axes, left: float, top: float, pfn: int) -> None:
    _draw_square(axes, left, top, _KINDS["".join(_ZONE)[pfn]][0], str(pfn))


def _draw_square(axes: Axes, left: float, top: float, state: str, words: str = "", side: float = 19) -> None:
    """A page frame in the colour of a memory map, with its mark: dot or dash."""
    ink = _ink_on(state)
    axes.add_patch(FancyBboxPatch((left, top), side, side, boxstyle="square,pad=0", facecolor=LIGHT[state],
                                  edgecolor=LINE, linewidth=pt(1), zorder=4))
    axes.text(left + side / 2, top + side * 0.42, words, size=pt(side * 0.5), family=SANS, color=ink,
              ha="center", va="center", zorder=5)
    if state in ("unevictable", "isolated"):
        axes.plot(left + side / 2, top + side * 0.8, marker="o" if state == "unevictable" else "_", color=ink,
                  markersize=pt(3.5 if state == "unevictable" else 9), markeredgewidth=pt(2), zorder=5)


def _ink_on(state: str) -> str:
    return PAPER if state in ("unevictable", "unmovable") else INK


def _draw_box(axes: Axes, box: _Box) -> None:
    axes.add_patch(FancyBboxPatch((box.left, box.top), box.wide, box.high, facecolor=box.fill, edgecolor=INK,
                                  boxstyle="round,pad=0,rounding_size=4", linewidth=pt(1.2), zorder=1))
    middle = box.high / 2 if not box.lines and box.high < 60 else 15
    axes.text(box.left + _PAD, box.top + middle, box.name, size=pt(13), family=SANS, weight="bold", color=INK,
              va="center_baseline", zorder=5)
    for number, line in enumerate(box.lines, 1):
        _write(axes, box.left + _PAD, box.top + 15 + _LINE * number + 2, line)


def _write(axes: Axes, left: float, y: float, words: str) -> None:
    axes.text(left, y, words, size=pt(TEXT), family=SANS, color=INK, va="center_baseline", zorder=5)


def _draw_arrow(axes: Axes, start: Sequence[float], end: Sequence[float], holds: bool) -> None:
    axes.annotate("", end, start, zorder=6, arrowprops={
        "arrowstyle": "-|>", "color": LIT if holds else INK, "linewidth": pt(2.4 if holds else 1.6),
        "linestyle": "-" if holds else (0, (4, 3)), "shrinkA": 0, "shrinkB": 0, "mutation_scale": 11})
