"""Handouts are whole: one file each, with their pictures, and nothing is asked of anybody else."""
import re
from pathlib import Path

import nbformat
import pytest
from browser import MISSING, chromium

from kitlib.course import handouts, publish

ROOT = Path(__file__).parents[2]
NOTEBOOKS = [path for folder in ("notebooks", "exercises")
             for path in sorted((ROOT / folder).glob("*.ipynb"))]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handouts")
    return list(handouts.write(NOTEBOOKS, folder))


def test_every_notebook_and_exercise_has_its_page_and_no_solution_has(pages):
    assert [page.stem for page in pages] == [path.stem for path in NOTEBOOKS] + ["index"]
    assert not any("solutions" in page.parts or "BEGIN SOLUTION" in page.read_text(encoding="utf-8")
                   for page in pages)


def test_a_page_has_every_picture_of_its_notebook(pages):
    for path, page in zip(NOTEBOOKS, pages):
        pictures = sum("image/png" in output.get("data", {})
                       for cell in nbformat.read(path, as_version=4).cells
                       for output in cell.get("outputs", ()))
        assert page.read_text(encoding="utf-8").count("data:image/png;base64,") == pictures, path.name


def test_links_between_pages_lead_to_pages(pages):
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r'(?:href|src)="(?!https?:|data:|#)([^"#]+)', text):
            assert (page.parent / target).exists() or target.endswith(".md"), (page.name, target)


def test_twice_gives_the_same_bytes(pages, tmp_path):
    again = list(handouts.write(NOTEBOOKS[:2], tmp_path))
    assert [page.read_bytes() for page in again[:2]] == [page.read_bytes() for page in pages[:2]]


def test_the_command_writes_them_and_executes_nothing(tmp_path, capsys):
    assert publish.main(["--handouts", str(tmp_path / "out"), str(NOTEBOOKS[1])]) == 0
    assert sorted(path.name for path in tmp_path.rglob("*.html")) == ["01_meet_a_folio.html", "index.html"]
    assert "index.html" in capsys.readouterr().out


@pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")
def test_chromium_shows_them_without_a_network_and_every_picture_loads(pages):
    with chromium() as browser:
        page, asked, errors = browser.new_context(offline=True).new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        shown = 0
        for file in pages:
            page.goto(file.as_uri())
            assert page.title() and page.locator("h1").first.is_visible()
            widths = page.evaluate(
                "[...document.images].map(image => image.complete ? image.naturalWidth : 0)")
            assert all(widths), file.name
            shown += len(widths)
            fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert fits, f"{file.name} is wider than the window"
        assert shown > 20 and errors == []
        assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
