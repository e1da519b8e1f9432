"""A notebook as `make lab` opens it has the whole width of a window, 1,280 x 800; others are a click away."""
import re
from pathlib import Path

import nbformat
import pytest
from browser import IDLE, MISSING, TOKEN, chromium, lab

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")

MAKEFILE = Path(__file__).parents[2] / "Makefile"
OPENED = "label => window.jupyterapp?.shell?.currentWidget?.title?.label === label"


@pytest.fixture(scope="module")
def page():
    """The first of three notebooks that name each other, at the address that the Makefile gives."""
    address, here = re.search(r"default_url=(/\w+/tree/)(\S+)", MAKEFILE.read_text()).groups()
    other, exercise = "notebooks/other.ipynb", "exercises/exercise.ipynb"
    links = {here: f"[other](../{other}), [exercise](../{exercise})", other: f"[back](../{here})",
             exercise: f"[back](../{here})"}
    with lab() as (base, work), chromium() as browser:
        for name, link in links.items():
            cells = [nbformat.v4.new_markdown_cell(link), nbformat.v4.new_code_cell("0")]
            notebook = nbformat.v4.new_notebook(cells=cells)
            notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
            (work / name).parent.mkdir(exist_ok=True)
            nbformat.write(notebook, work / name)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(20_000)
        page.goto(f"{base}{address}{here}?token={TOKEN}")
        page.wait_for_function(IDLE, timeout=60_000)
        yield page


def opened(page, name: str):
    """The notebook, once it is the one that is shown."""
    page.wait_for_function(OPENED, arg=name)
    page.wait_for_function(IDLE, timeout=60_000)
    return page.locator(".jp-NotebookPanel:visible")


def test_code_and_outputs_have_1100_pixels_in_every_notebook(page):
    back = "back", "00_start_here.ipynb"
    for link, name in [("other", "other.ipynb"), back, ("exercise", "exercise.ipynb"), back]:
        page.get_by_role("link", name=link, exact=True).locator("visible=true").click()
        editor = opened(page, name).locator(".jp-CodeCell .jp-InputArea-editor")
        assert editor.bounding_box()["width"] >= 1100, name
        assert len(page.context.pages) == 1


def test_the_folder_at_the_left_shows_the_other_notebooks_and_goes_away_again(page):
    files, folder = page.locator("#filebrowser"), page.get_by_role("tab", name="File Browser")
    assert not files.is_visible()
    folder.click()
    page.locator(".jp-DirListing-item", has_text="other.ipynb").dblclick()
    opened(page, "other.ipynb")
    folder.click()
    files.wait_for(state="hidden")
    assert opened(page, "other.ipynb").bounding_box()["width"] >= 1200
