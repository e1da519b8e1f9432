"""From a click to changed pixels, in JupyterLab and Chromium: a table, not a test (make bench-browser).

Measured inside the page: from the click to the end of the first frame that shows something else. A frame
takes 16 ms.
"""
import os
import platform
import statistics

import browser

TIMES = 21
# A map that a button fills with one zone or another, and the least that Jupyter needs: a button and a text.
SETUP = """
import itertools
import ipywidgets
import kitlib as kl
from kitlib.widgets import *

def filled(pages):
    zones = itertools.cycle([kl.random_zone(pages, 1), kl.random_zone(pages, 2)])
    map, button = MemoryMap(next(zones)), ipywidgets.Button(description="Show")
    button.on_click(lambda _: map.show(next(zones)))
    return ipywidgets.VBox([button, map.box])

def least():
    numbers, text = itertools.count(), ipywidgets.HTML("<b role='status'></b>")
    button = ipywidgets.Button(description="Show")
    button.on_click(lambda _: setattr(text, "value", f"<b role='status'>{next(numbers)}</b>"))
    return ipywidgets.VBox([button, text])
"""
STATUS, CANVAS = ".widget-html-content[role=status], [role=status]", "canvas[aria-hidden]"
# What, the cell, the buttons that are clicked in turn, what changes, the bound.
ROWS = [
    ("a button and a text: Jupyter's own part", "least()", ["Show"], STATUS, ""),
    ("MemoryMap.show(), 4,096 pages", "filled(4096)", ["Show"], CANVAS, "< 100 ms"),
    ("MemoryMap.show(), 131,072 pages", "filled(1 << 17)", ["Show"], CANVAS, "< 150 ms"),
    ("CompactionPlayer, a step, 4,096 pages", "CompactionPlayer()", ["Step"], ".kit-said, [role=status]",
     "< 100 ms"),
    ("RaceStepper, a step and a step back", "RaceStepper()", ["Step C", "Back"],
     "[role=status]:not(:has(big))", "< 100 ms"),
]
MEASURE = """async ([button, box, what]) => {
    const seen = () => [...box.querySelectorAll(what)].map(one => one.getContext
        ? new Uint32Array(one.getContext('2d').getImageData(0, 0, one.width, one.height).data.buffer)
        : one.textContent);
    const same = (one, other) => one.length === other.length && one.every((part, at) =>
        typeof part === 'string' ? part === other[at]
        : part.length === other[at].length && part.every((pixel, number) => pixel === other[at][number]));
    const frame = () => new Promise(done => requestAnimationFrame(done));
    const painted = () => new Promise(done => setTimeout(done));
    const was = seen(), begin = performance.now();
    button.click();
    do { await frame() } while (same(seen(), was) && performance.now() - begin < 10000);
    await painted();
    return performance.now() - begin }"""


def clicks(notebook, name, buttons, what):
    """Milliseconds from a click to the changed picture, TIMES times."""
    box = notebook.output(name).first
    box.get_by_role("button").first.wait_for()
    took = []
    for number in range(TIMES):
        notebook.settle()
        button = box.get_by_role("button", name=buttons[number % len(buttons)], exact=True).element_handle()
        took.append(notebook.page.evaluate(MEASURE, [button, box.element_handle(), what]))
    return took


def main():
    with browser.lab() as (base, work), browser.chromium() as chromium:
        print(f"{os.cpu_count()} cores, {platform.machine()}, Chromium {chromium.version}; "
              f"median of {TIMES} (fastest-slowest)")
        cells = {"setup": SETUP, **{f"row{number}": cell for number, (_, cell, *_) in enumerate(ROWS)}}
        notebook = browser.Notebook(chromium, base, work, cells)
        notebook.run("setup")
        for number, (what, _, buttons, changes, bound) in enumerate(ROWS):
            notebook.run(f"row{number}")
            took = clicks(notebook, f"row{number}", buttons, changes)
            figure = f"{statistics.median(took):.0f} ms ({min(took):.0f}-{max(took):.0f})"
            print(f"{what:<52} {figure:>24}   {bound}", flush=True)


if __name__ == "__main__":
    if browser.MISSING:
        raise SystemExit(f"needs {' and '.join(browser.MISSING)}")
    main()
