"""The marks of page states are drawn twice, by Pillow and by the page: in both, a state has the same mark.

memory_map.js alone in a page of Chromium, fed what a MemoryMap's canvas holds: squares need no JupyterLab.
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
PAGE = """([source, traits, left, tops, side]) => new Promise((done) => {
  const bytes = (list) => new DataView(Uint8Array.from(list).buffer);
  const model = {
    get: (name) => ["pages", "looks"].includes(name) ? bytes(traits[name]) : traits[name],
    set() {}, save_changes() {}, on() {}, off() {},
  };
  const read = (frames) => {                    // a map is painted in the frame after it was laid out
    if (frames) return requestAnimationFrame(() => read(frames - 1));
    const ctx = document.querySelector("canvas").getContext("2d");
    done(tops.map((top) => Array.from(ctx.getImageData(left, top, side, side).data)));
  };
  import(URL.createObjectURL(new Blob([source], { type: "text/javascript" }))).then((module) => {
    module.default.render({ model, el: document.body });
    read(4);
  });
})"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def drawn(browser, theme: str) -> dict[str, np.ndarray]:
    """A square of each state as the page draws it, RGB."""
    states = np.repeat(np.arange(len(plots.STATES), dtype=np.uint8), ROWS * maps.PAGES_WIDE)
    canvas = Canvas(pages=states.tobytes(), looks=bytes(2 * len(states)), types=["MOVABLE"])
    values = canvas.trait_values()
    traits = {name: values[name] for name in Canvas.class_own_traits(sync=True) if not name.startswith("_")}
    traits |= {name: list(traits[name]) for name in ("pages", "looks")}
    tops = [HEAD + number * ROWS * CELL for number in range(len(plots.STATES))]
    page = browser.new_page(color_scheme=theme)
    squares = page.evaluate(PAGE, [canvas._esm, traits, CELL, tops, SIDE])
    page.close()
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
