"""Memory maps: every page a square, every pageblock a tile of 32 x 16, a legend with colour, mark and count.

Pictures are drawn as indices into a fixed palette, at twice the size shown: the same input gives the same
bytes. Where the squares get too small for marks and names, these are left out, and the legend says so.
"""
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ..mm.zone import PAGEBLOCK_ORDER, pageblock_nr_pages, pageblock_start_pfn
from .picture import Picture, font
from .states import DARK, FAILED, ISOLATED, LIGHT, MARKS, STATES, check_states, describe, pageblocks

MIGRATETYPES = ("UNMOVABLE", "MOVABLE", "RECLAIMABLE", "HIGHATOMIC")
# Pixels here are those of the file, SCALE for each one shown; y runs down.
_WIDTH, MARGIN = 1800, 24
PAGES_WIDE = 32                         # a pageblock's tile: 32 x 16 pages
MARK_CELL = 10                          # marks and names need squares of at least this many pixels
MOST_RINGS = 100                        # more would hide what they point at
# The image's palette: a ramp from paper to ink, which letters need for smooth edges, then the states.
_PAPER, _MUTED, _INK, STATE = 0, 42, 63, 64


def memory_map(states: np.ndarray, *, first_pfn: int = 0, migratetype: Sequence | None = None,
               title: str = "", dark: bool = False, columns: int | None = None) -> Picture:
    """Every page a square, every pageblock a tile. `states` begin at `first_pfn`, as `states[a:b]` at a.

    `migratetype` is the zone's column, by pageblock from pfn 0 on: numbers or names.
    """
    text = f"{title or 'Memory map'}, {describe(states, first_pfn)}"
    return _sheet({title: states}, first_pfn, migratetype, dark, columns, text)


def compare_maps(maps: Mapping[str, np.ndarray], *, first_pfn: int = 0, migratetype: Sequence | None = None,
                 dark: bool = False, columns: int | None = None) -> Picture:
    """Maps of the same pages one above the other, by title: {"the kernel": states, "the model": states}.

    A page that is not the same in all of them is framed in each, where squares are large enough.
    """
    lengths = {len(check_states(states)) for states in maps.values()}
    if not maps:
        raise ValueError('no map to compare: write compare_maps({"the kernel": states, "the model": states})')
    if len(lengths) > 1:
        raise ValueError("the maps have different numbers of pages: "
                         "write the same range for each, such as states[a:b]")
    differ = _differ(list(maps.values()))
    words = "; ".join(f"{title}, {describe(states, first_pfn)}" for title, states in maps.items())
    return _sheet(maps, first_pfn, migratetype, dark, columns, f"{words}; {differ.sum():,} pages differ")


def _differ(maps: list[np.ndarray]) -> np.ndarray:
    """A bool per page: whether it is not the same in all of them."""
    return np.logical_or.reduce([states != maps[0] for states in maps])


class _Grid(NamedTuple):
    """Where the tiles stand, in pixels: a tile for each pageblock, from left to right, then down."""

    first_pfn: int          # of the first tile: the pages shown may begin within it
    blocks: int
    columns: int
    cell: int               # a page's square with the gap after it

    @property
    def marked(self) -> bool:
        """Whether squares are large enough for marks, frames and rings."""
        return self.cell >= MARK_CELL

    @property
    def sparse(self) -> bool:
        """Whether addresses stand left of each row, not above each tile."""
        return self.columns > 8

    @property
    def pitch(self) -> tuple[int, int]:
        """From one tile to the next: to the right and down."""
        wide, high = self.cell * PAGES_WIDE, self.cell * pageblock_nr_pages() // PAGES_WIDE
        return (wide + 6, high + 12) if self.sparse else (wide + 20, high + 48)

    @property
    def height(self) -> int:
        """Of all tiles, with what stands above each."""
        return -(-self.blocks // self.columns) * self.pitch[1]

    def tile(self, block: int) -> tuple[int, int]:
        """The left upper corner of the tile of the map's pageblock number `block`."""
        left, top = (110, 0) if self.sparse else (0, 30)
        row, column = divmod(block, self.columns)
        return MARGIN + left + column * self.pitch[0], top + row * self.pitch[1]

    def page(self, index: int) -> tuple[int, int]:
        """The left upper corner of the square of page `index`, counted from the first tile's start."""
        block, offset = divmod(index, pageblock_nr_pages())
        left, top = self.tile(block)
        return left + offset % PAGES_WIDE * self.cell, top + offset // PAGES_WIDE * self.cell


def _grid(states: np.ndarray, first_pfn: int, columns: int | None) -> _Grid:
    blocks = pageblocks(states, first_pfn)
    if columns is None:
        columns = next((n for n in (1, 2, 4, 8, 16) if n * n >= blocks), 32)
    # With squares of nothing a grid is as wide as its margins and gaps: what is left is for the squares.
    grid = _Grid(pageblock_start_pfn(first_pfn), blocks, max(columns, 1), 0)
    room = _WIDTH + 6 - MARGIN - grid.tile(0)[0] - grid.columns * grid.pitch[0]
    cell = min(18, room // (PAGES_WIDE * grid.columns))
    if columns < 1 or cell < 1 or blocks > 2048:
        raise ValueError(f"{blocks:,} pageblocks in {columns} columns do not fit: write columns=32 or fewer, "
                         "and draw at most 2,048 pageblocks, as states[:1 << 20]")
    return grid._replace(cell=cell)


def _sheet(maps: Mapping, first_pfn: int, migratetype, dark: bool, columns: int | None, text: str) -> Picture:
    palette = DARK if dark else LIGHT
    every = np.stack(list(maps.values()))
    grid = _grid(every[0], first_pfn, columns)
    names = None if migratetype is None else _type_names(migratetype, grid)
    differ = _differ(list(every))
    # Higher than needed: what is left below the notes is cut off.
    image, y = Image.new("L", (_WIDTH, len(maps) * (grid.height + 80) + 300), _PAPER), MARGIN
    for title, states in maps.items():
        size, _, counts = describe(states, first_pfn).partition(": ")
        # Of a single map the legend counts the pages.
        words = counts if len(maps) > 1 else f"{size} of {pageblock_nr_pages()}, one square = 4 KiB"
        y = _heading(image, y, title, words)
        tiles = _tiles(states, grid, first_pfn, palette)
        _annotate(tiles, states, grid, first_pfn, names, differ)
        image.paste(tiles, (0, y))
        y += grid.height + 10
    y = _legend(image, y, every[0] if len(maps) == 1 else None, palette)
    for note in _notes(grid, names, int((every == FAILED).sum(1).max()), int(differ.sum()), len(maps)):
        ImageDraw.Draw(image).text((MARGIN, y + 18), note, _MUTED, font(22), "ls")
        y += 32
    return Picture(_coloured(image.crop((0, 0, _WIDTH, y + MARGIN - 10)), palette, dark), text)


def _type_names(migratetype: Sequence, grid: _Grid) -> list[str]:
    """The migratetypes of the pageblocks shown, by name."""
    first = grid.first_pfn >> PAGEBLOCK_ORDER
    types = list(migratetype)[first:first + grid.blocks]
    if len(types) < grid.blocks:
        raise ValueError(f"migratetype has no entry for pageblock {first + len(types)}: "
                         "write migratetype=zone.migratetype")
    # From 4 on the numbers depend on the kernel's configuration: give names.
    known = dict(enumerate(MIGRATETYPES))
    return [kind if isinstance(kind, str) else known.get(kind, f"type {kind}") for kind in types]


def _heading(image: Image.Image, y: int, title: str, words: str) -> int:
    """A title at the left, what a square is at the right; where the next thing goes."""
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, y + 24), title, _INK, font(28, "-Bold"), "ls")
    x, anchor = (_WIDTH - MARGIN, "rs") if title else (MARGIN, "ls")
    draw.text((x, y + 24), words, _MUTED, font(22), anchor)
    return y + 44


def _tiles(states: np.ndarray, grid: _Grid, first_pfn: int, palette: dict) -> Image.Image:
    """The pages of every pageblock, on paper."""
    canvas = np.full((grid.height, _WIDTH), _PAPER, np.uint8)
    # Whole pageblocks: where the first and the last are shown in part, the rest has a state beyond all, an
    # empty square.
    padded = np.full(grid.blocks * pageblock_nr_pages(), len(STATES), np.uint8)
    padded[first_pfn - grid.first_pfn:][:len(states)] = states
    empty = np.full((grid.cell, grid.cell), _PAPER, np.uint8)
    stamps = np.stack([*(_stamp(state, grid.cell, palette) for state in STATES), empty])
    rows = pageblock_nr_pages() // PAGES_WIDE
    # A square of pixels for each page, (block, row, column, y, x), and so that a tile's lines of pixels lie
    # in a row.
    squares = stamps[padded].reshape(grid.blocks, rows, PAGES_WIDE, grid.cell, grid.cell)
    squares = squares.transpose(0, 1, 3, 2, 4)
    for block, tile in enumerate(squares.reshape(grid.blocks, rows * grid.cell, PAGES_WIDE * grid.cell)):
        x, y = grid.tile(block)
        canvas[y:y + tile.shape[0], x:x + tile.shape[1]] = tile
    return Image.fromarray(canvas)


def _annotate(tiles: Image.Image, states: np.ndarray, grid: _Grid, first_pfn: int, names: list | None,
              differ: np.ndarray) -> None:
    """Write what does not fit into squares: names, frames of pages that differ, rings where pages failed."""
    draw, start = ImageDraw.Draw(tiles), first_pfn - grid.first_pfn
    for block in range(grid.blocks):
        _label(draw, grid, block, names[block] if names else "")
    if not grid.marked:
        return
    for x, y in (grid.page(start + int(index)) for index in np.flatnonzero(differ)):
        draw.rectangle((x - 2, y - 2, x + grid.cell - 1, y + grid.cell - 1), outline=_INK, width=2)
    failed = np.flatnonzero(states == FAILED)
    if len(failed) > MOST_RINGS:
        return
    for x, y in (grid.page(start + int(index)) for index in failed):
        draw.ellipse((x - 6, y - 6, x + grid.cell + 3, y + grid.cell + 3), outline=STATE + FAILED, width=3)


def _label(draw: ImageDraw.ImageDraw, grid: _Grid, block: int, kind: str) -> None:
    """A pageblock's address and migratetype; where there is no room for words, a bar below its tile."""
    (x, y), address = grid.tile(block), f"0x{grid.first_pfn + block * pageblock_nr_pages():05x}"
    right, bottom = x + PAGES_WIDE * grid.cell - 2, y + pageblock_nr_pages() // PAGES_WIDE * grid.cell
    isolate = kind == "ISOLATE"
    ink, bold = (_INK, "-Bold") if isolate else (_MUTED, "")
    if not grid.sparse:
        draw.text((x, y - 8), address, ink, font(20, f"Mono{bold}"), "ls")
    elif block % grid.columns == 0:
        draw.text((x - 12, (y + bottom) // 2), address, _MUTED, font(20, "Mono"), "rm")
    if grid.marked:
        draw.text((right, y - 8), kind, ink, font(18, bold), "rs")
    elif kind and kind != "MOVABLE":
        draw.rectangle((x, bottom + 2, right if kind == "UNMOVABLE" else (x + right) // 2, bottom + 4), _INK)
    if isolate:
        draw.rectangle((x - 4, y - 4, right + 4, bottom + 2), outline=STATE + ISOLATED, width=3)


@lru_cache(maxsize=64)
def _stamp_of(state: str, cell: int, mark: int) -> np.ndarray:
    """A square of `cell` pixels as indices into the palette, with the gap at its right and its lower edge."""
    # widgets/memory_map.js draws the same marks; a browser test compares them.
    gap = 1 if cell >= 5 else 0
    if cell >= MARK_CELL:
        gap = 2
    side = cell - gap
    image = Image.new("L", (cell, cell), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, side - 1, side - 1), STATE + STATES.index(state))

    def box(across: int, down: int) -> tuple:
        return across, down, side - 1 - across, side - 1 - down

    if cell < MARK_CELL:
        return np.asarray(image)
    if MARKS[state] == "dot":
        draw.ellipse(box(side // 3, side // 3), mark)
    elif MARKS[state] == "dash":
        draw.rectangle(box(side * 3 // 10, side * 2 // 5), mark)
    elif MARKS[state] == "outline":
        draw.rectangle(box(side // 8 + 1, side // 8 + 1), outline=mark, width=side // 10 + 1)
    elif MARKS[state] == "cross and ring":
        left, top, right, bottom = box(side // 5, side // 5)
        draw.line((left, top, right, bottom), mark, 2)
        draw.line((left, bottom, right, top), mark, 2)
    return np.asarray(image)


def _stamp(state: str, cell: int, palette: dict) -> np.ndarray:
    """One page's square: the state's colour and mark, the mark in paper or ink, whichever stands out."""
    bright = sum(bytes.fromhex(palette[state][1:])) > 450       # of 765, the sum of white
    return _stamp_of(state, cell, _PAPER if bright == (palette is DARK) else _INK)


def _legend(image: Image.Image, y: int, states: np.ndarray | None, palette: dict) -> int:
    """Every state with its colour and mark, and how many pages are in it; where the next thing goes."""
    draw, x, swatch, write = ImageDraw.Draw(image), MARGIN, 30, font(24)
    counts = [None] * len(STATES) if states is None else np.bincount(states, minlength=len(STATES))
    for state, count in zip(STATES, counts):
        name, amount = f"{state} ", "" if count is None else f"{count:,}"
        wide = swatch + 10 + int(write.getlength(name + amount))
        if x + wide > _WIDTH - MARGIN:
            x, y = MARGIN, y + 44
        image.paste(Image.fromarray(_stamp(state, swatch, palette)), (x, y))
        draw.text((x + swatch + 8, y + 22), name, _MUTED if count == 0 else _INK, write, "ls")
        draw.text((x + swatch + 8 + write.getlength(name), y + 22), amount, _MUTED, write, "ls")
        x += wide + 28
    return y + 44


def _notes(grid: _Grid, names: list | None, failed: int, differ: int, maps: int) -> list[str]:
    """What the map leaves out at its size, and what it does not explain by itself."""
    notes = []
    if not grid.marked:
        notes.append("The squares are too small for the marks: in the map, "
                     "colour alone tells the states apart.")
    elif failed > MOST_RINGS:
        notes.append(f"More than {MOST_RINGS} pages failed: they have the cross, and no ring.")
    if names and not grid.marked:
        notes.append("A bar under a tile: UNMOVABLE pageblock; half a bar: neither UNMOVABLE nor MOVABLE.")
    if maps > 1:
        framed = " and are framed" if grid.marked and differ else ""
        notes.append(f"One square = 4 KiB. {differ:,} pages differ{framed}.")
    return notes


def _coloured(image: Image.Image, palette: dict, dark: bool) -> Image.Image:
    """The same indices, with the colours that they stand for."""
    ends = ("1E1E1E", "E6E8EA") if dark else ("FFFFFF", "1F2328")
    paper, ink = (np.array([list(bytes.fromhex(colour))]) for colour in ends)
    ramp = paper + (ink - paper) * np.arange(_INK + 1)[:, None] // _INK
    states = [list(bytes.fromhex(colour[1:])) for colour in palette.values()]
    coloured = Image.frombytes("P", image.size, image.tobytes())
    coloured.putpalette(np.concatenate([ramp, states]).astype(np.uint8).tobytes())
    return coloured
