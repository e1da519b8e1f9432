"""README.md and notebooks/instructor.md hold what they promise: their code runs, their links lead somewhere, their tables are complete."""
import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "notebooks/instructor.md"]
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))
document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


@document
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert targets and [target for target in targets if not (path.parent / target).exists()] == []


@document
def test_every_exercise_is_in_the_table_with_its_points(path):
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    for exercise in EXERCISES:
        points = sum(cell.metadata.nbgrader.get("points", 0) for cell in nbformat.read(exercise, as_version=4).cells)
        row, = [line for line in rows if line.startswith("|") and f"exercises/{exercise.name}" in line.split("|")[1]]
        assert f"| {points} |" in row, (exercise.name, points)


def test_every_lesson_is_in_the_readme():
    text = DOCUMENTS[0].read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "notebooks").glob("*.ipynb") if f"notebooks/{path.name}" not in text] == []


def test_every_module_is_in_the_readme():
    table = DOCUMENTS[0].read_text(encoding="utf-8").split("## kitlib, in reading order")[1].split("\n## ")[0]
    modules = {path.stem if path.is_file() else path.name for path in (ROOT / "kitlib").iterdir()
               if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__"}
    named = set(re.findall(r"`([a-z_]+)", table))
    assert modules - named == set()


def test_the_code_for_instructors_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENTS[1].read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    exec("\n".join(blocks), {})
    assert capsys.readouterr().out.count("SAFE: ") == len(blocks)


def test_the_dev_container_installs_what_make_lab_installs():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    target = container["postCreateCommand"].removeprefix("make ").replace(".venv", "$(VENV)")
    assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "/" not in container["image"]                # the runtime's own registry, by no name


def test_no_file_names_a_package_registry():
    skipped = {".git", ".venv", "__pycache__", ".pytest_cache", ".hypothesis", ".ipynb_checkpoints", "kitlib.egg-info"}
    texts = [path for path in ROOT.rglob("*") if path.is_file() and not skipped & set(path.relative_to(ROOT).parts)
             and path.suffix not in (".npz", ".png")]
    assert len(texts) > 150
    hosts = re.compile(r"pypi\.org|pythonhosted|docker\.io|mcr\.microsoft|ghcr\.io|index-url")
    assert [path.name for path in texts if path != Path(__file__) and hosts.search(path.read_text(encoding="utf-8"))] == []
