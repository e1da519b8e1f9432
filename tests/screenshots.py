"""The widgets in JupyterLab's two themes, as the README shows them: notebooks/images (make screenshots)."""
import io
from pathlib import Path

import browser
from PIL import Image

IMAGES = Path(__file__).parents[1] / "notebooks/images"
SETUP = """
import kitlib as kl
from kitlib import recordings
from kitlib.widgets import *

recording = recordings.load("6.12-mix-u1-s307")
"""
CELLS = {
    "memory_map": """
MemoryMap(recording, isolated=recording.tried_pfns, title="What the kernel took")""",
    "compaction_player": """
CompactionPlayer(pages=4096, free=0.3, unevictable=0.05, kernel="before", t=6)""",
    "compaction_player_recorded": "CompactionPlayer(recording, t=300)",
    "folio_lab": "FolioLab('guest_memfd')",
    "path_stepper": """
view = PathStepper(kind="guest_memfd")
view.jump(8)
view""",
    "race_stepper": """
race = RaceStepper(kl.racy, verdict=True)
race.play()
race.progress.ticked.value = True
race""",
    "experiment_panel": """
panel = ExperimentPanel(callers=("kcompactd", "compact_memory"))
panel.run()
panel""",
}


def main():
    with browser.lab() as (base, work), browser.chromium() as chromium:
        notebook = browser.Notebook(chromium, base, work, {"setup": SETUP, **CELLS}, app="doc/tree",
                                    width=1280, height=2400)
        notebook.run("setup")
        for name in CELLS:
            box = notebook.run(name).locator(".kit-box").first
            box.get_by_role("button").first.wait_for()
            for theme in ("Light", "Dark"):
                notebook.theme(theme)
                notebook.settle()
                picture = Image.open(io.BytesIO(box.screenshot())).convert("RGB")
                picture.quantize(128).save(IMAGES / f"{name}_{theme.lower()}.png", optimize=True)
                print(name, theme, picture.size, flush=True)


if __name__ == "__main__":
    if browser.MISSING:
        raise SystemExit(f"needs {' and '.join(browser.MISSING)}")
    main()
