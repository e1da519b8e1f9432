"""README.md, CONTRIBUTING.md and notebooks/instructor.md hold what they promise.

Code runs, links lead somewhere, tables are complete.
"""
import json
import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from kitlib.recordings import load, names

ROOT = Path(__file__).parents[2]
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
INSTRUCTOR = ROOT / "notebooks/instructor.md"
# Folders whose modules the README names one by one.
READ = {"mm", "concurrency", "kernels", "compaction", "recordings", "course"}
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))


@pytest.mark.parametrize("path", [README, INSTRUCTOR], ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    assert targets and [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", [README, INSTRUCTOR], ids=lambda path: path.name)
def test_every_exercise_is_in_the_table_with_its_points(path):
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    for exercise in EXERCISES:
        cells = nbformat.read(exercise, as_version=4).cells
        points = sum(cell.metadata.nbgrader.get("points", 0) for cell in cells)
        row, = [line for line in rows if f"exercises/{exercise.name}" in line.split("|")[1]]
        assert f"| {points} |" in row, (exercise.name, points)


def test_every_lesson_is_in_the_readme():
    text = README.read_text(encoding="utf-8")
    lessons = (ROOT / "notebooks").glob("*.ipynb")
    assert [path.name for path in lessons if f"notebooks/{path.name}" not in text] == []


def test_every_module_is_in_the_readme():
    table = README.read_text(encoding="utf-8").split("## kitlib, in reading order")[1].split("\n## ")[0]
    rows = [re.findall(r"`([a-z_]+)/?`", line.split("|")[1])
            for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in row}
    modules = {name for path in (ROOT / "kitlib").iterdir() if path.name[0] not in "_."
               for name in [path.stem, *(inside.stem for inside in path.glob("*.py") if path.name in READ)]}
    assert {name for name in modules if not name.startswith("_")} - named == set()
    assert {name for row in rows if row[0] in READ for name in row} - modules == set()


def test_the_newest_version_in_the_changelog_is_the_packages():
    newest = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == newest[1]


def test_the_code_of_the_recipes_runs_and_each_prints_a_verdict(capsys):
    text = CONTRIBUTING.read_text(encoding="utf-8")
    blocks, verdicts = re.findall(r"```python\n(.*?)```", text, re.DOTALL), []
    for block in blocks:
        exec(block, {})
        verdicts.append(capsys.readouterr().out.partition(":")[0])
    assert verdicts == ["UNSAFE", "SAFE"]


def test_the_kernel_variant_of_the_recipe_fails_in_the_schedule_that_is_named(capsys):
    text = CONTRIBUTING.read_text(encoding="utf-8")
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})
    shortest = re.search(r"shortest (\w+)", capsys.readouterr().out)[1]
    assert f"its shortest schedule is `{shortest}`" in text


def test_the_readme_counts_the_recordings():
    noise = [bool(load(name).meta.get("noise")) for name in names()]
    assert f"in {noise.count(False)} of {len(noise)} recordings" in README.read_text(encoding="utf-8")


def test_the_dev_container_installs_what_make_lab_installs():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    target = container["postCreateCommand"].removeprefix("make ").replace(".venv", "$(VENV)")
    assert f"\n{target}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "/" not in container["image"]                # the runtime's own registry, by no name


def test_no_file_names_a_package_registry():
    skipped = {".git", ".venv", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis",
               ".ipynb_checkpoints", "kitlib.egg-info"}
    texts = [path for path in ROOT.rglob("*")
             if path.is_file() and not skipped & set(path.relative_to(ROOT).parts)
             and path.suffix not in (".npz", ".png")]
    assert len(texts) > 150
    hosts = re.compile(r"pypi\.org|pythonhosted|docker\.io|mcr\.microsoft|ghcr\.io|index-url")
    assert [path.name for path in texts
            if path != Path(__file__) and hosts.search(path.read_text(encoding="utf-8"))] == []


def test_the_recipes_name_what_exists():
    text = CONTRIBUTING.read_text(encoding="utf-8")
    folders = set(re.findall(r"`(tests/[a-z]+)`", text))
    assert {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/test_*.py")} == folders
    named = re.findall(r"`((?:kitlib|tests|mm|widgets|plots|recordings|races|step)[\w/]*\.(?:py|css))`", text)
    assert len(named) > 8
    assert [name for name in named if "NN" not in name
            and not (ROOT / name).exists() and not (ROOT / "kitlib" / name).exists()] == []
