"""The marks of page states are drawn twice, by Pillow and by the page: in both, a state has the same mark.

And the scanners' flags hide nothing. memory_map.js alone in a page of Chromium, fed what a MemoryMap's canvas
holds: squares need no JupyterLab.
"""
import numpy as np
import pytest
from browser import MISSING, chromium

from kitlib import plots
from kitlib.plots import maps
from kitlib.widgets.memory_map import Canvas

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")

CELL, SIDE, HEAD = 18, 16, 20           # CSS pixels: a square with its gap, the same without, a tile's head
ROWS = 2                                # of each state: so many failed pages get no rings
PALETTES = {"light": plots.LIGHT, "dark": plots.DARK}
# The module draws what the traits say, and what READ gives is handed back.
PAGE = """([source, traits, more]) => new Promise((done) => {
  const bytes = (list) => new DataView(Uint8Array.from(list).buffer);
  const model = {
    get: (name) => ["pages", "looks"].includes(name) ? bytes(traits[name]) : traits[name],
    set() {}, save_changes() {}, on() {}, off() {},
  };
  const written = [], pen = CanvasRenderingContext2D.prototype, { fillText } = pen;
  pen.fillText = function (text, x, y) {        // every word, with its place in the picture
    const wide = this.measureText(text).width;
    written.push([text, x - (this.textAlign === "right" ? wide : 0), y, wide]);
    fillText.call(this, text, x, y);
  };
  const read = (frames) => {                    // a map is painted in the frame after it was laid out
    if (frames) return requestAnimationFrame(() => read(frames - 1));
    done((READ)(document.querySelector("canvas").getContext("2d"), written, more));
  };
  import(URL.createObjectURL(new Blob([source], { type: "text/javascript" }))).then((module) => {
    module.default.render({ model, el: document.body });
    read(4);
  });
})"""
SQUARES = """(ctx, written, [left, tops, side]) =>
    tops.map((top) => Array.from(ctx.getImageData(left, top, side, side).data))"""
WORDS = "(ctx, written) => written"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def painted(browser, canvas: Canvas, read: str, more=None, **page):
    """What `read` gives of the picture that the page draws of a canvas."""
    values = canvas.trait_values()
    traits = {name: values[name] for name in Canvas.class_own_traits(sync=True) if not name.startswith("_")}
    traits |= {name: list(traits[name]) for name in ("pages", "looks")}
    opened = browser.new_page(**page)
    found = opened.evaluate(PAGE.replace("READ", read), [canvas._esm, traits, more])
    opened.close()
    return found


def drawn(browser, theme: str) -> dict[str, np.ndarray]:
    """A square of each state as the page draws it, RGB."""
    states = np.repeat(np.arange(len(plots.STATES), dtype=np.uint8), ROWS * maps.PAGES_WIDE)
    canvas = Canvas(pages=states.tobytes(), looks=bytes(2 * len(states)), types=["MOVABLE"])
    tops = [HEAD + number * ROWS * CELL for number in range(len(plots.STATES))]
    squares = painted(browser, canvas, SQUARES, [CELL, tops, SIDE], color_scheme=theme)
    return {state: np.array(pixels).reshape(SIDE, SIDE, 4)[:, :, :3]
            for state, pixels in zip(plots.STATES, squares)}


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Of two marks, a bool by pixel: the share of their pixels that are both's; 1 for two that are empty."""
    return (one & other).sum() / (one | other).sum() if (one | other).any() else 1.0


@pytest.mark.parametrize("theme", PALETTES)
def test_a_state_has_the_same_mark_in_the_static_map_and_in_the_page(browser, theme):
    squares = {state: maps._stamp(state, CELL, PALETTES[theme])[:SIDE, :SIDE] for state in plots.STATES}
    marks = {state: square != square[0, 0] for state, square in squares.items()}
    for state, square in drawn(browser, theme).items():
        assert tuple(square[0, 0]) == tuple(bytes.fromhex(PALETTES[theme][state][1:])), f"{state}: the colour"
        stands_out = np.abs(square - square[0, 0]).sum(axis=2)
        mark = stands_out > max(40, stands_out.max() / 2)           # the page's edges are smooth
        like = {other: likeness(mark, shape) for other, shape in marks.items()}
        assert like[state] == max(like.values()), f"{state} is drawn as {max(like, key=like.get)}: {like}"
        assert 0.5 <= (mark.sum() + 1) / (marks[state].sum() + 1) <= 2, f"{state}: the mark's size"


@pytest.mark.parametrize("migrate, free", [(0, 4095), (700, 600), (1024, 1024), (4000, 4095), (0, 0)])
@pytest.mark.parametrize("pages, height, wide", [
    (4096, 460, 1100), (4096, 430, 830), (4096, 300, 830),
    pytest.param(131072, 460, 1100, marks=pytest.mark.slow),
    pytest.param(131072, 460, 830, marks=pytest.mark.slow)])
def test_the_scanners_flags_hide_neither_each_other_nor_the_words_of_a_pageblock(
        browser, pages, height, wide, migrate, free):
    marks = [{"pfn": migrate, "words": "migrate scanner", "shape": "up"},
             {"pfn": free, "words": "free scanner", "shape": "down"}]
    canvas = Canvas(pages=bytes(pages), looks=bytes(2 * pages), types=["UNMOVABLE"] * (pages // 512),
                    marks=marks, height=height)
    words = painted(browser, canvas, WORDS, viewport={"width": wide, "height": 900})
    flags = list({text[0]: (text, left, y, long) for text, left, y, long in words
                  if text[0] in "\u25b2\u25bc"}.values())
    assert len(flags) == 2
    # Where squares are too small for heads, the addresses lie beside the picture's rows, in nobody's way.
    others = [word for word in words if word[0][0] not in "\u25b2\u25bc"]
    for text, left, y, long in flags:
        for other, at, its_y, wide in [*others, *(one for one in flags if one[0] != text)]:
            # A flag reaches 4 pixels further than its words.
            apart = abs(y - its_y) >= 12 or left + long + 4 <= at or at + wide <= left - 4
            assert apart, f"{text} on {other}"
