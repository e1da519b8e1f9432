"""What runs the kit elsewhere agrees with pyproject.toml: a forge, .ci/run, dev containers, editors."""
import json
import os
import re
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = [line.rpartition(" ")[2] for line in PYPROJECT["project"]["classifiers"] if "Python" in line]
OLDEST = f"({PYTHONS[0].replace('.', ', ')})"
TARGETS = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
ALL = ["lint", "quick", "test TESTS=--ignore=tests/browser", "test TESTS=tests/browser", "test-slow"]
AGAIN = "test TESTS=tests/browser --last-failed -rp"
# A make that writes down what it is asked, and fails as often at each request as FAILS says.
MAKE = """#!/bin/sh
echo "$*" >> "$LOG"
echo "$PYTHON" > "$LOG.python"
case ",$FAILS," in *",$*,"*) exit 1;; esac
"""


@pytest.fixture
def ci(tmp_path):
    """Run .ci/run with tools that do nothing: whether it held, what make was asked, with which Python."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("make", "git", "spin", "gcc", "chromium", "apt-get", "sudo"):
        (tools / name).write_text(MAKE if name == "make" else "#!/bin/sh\n")
        (tools / name).chmod(0o755)

    def run(*fails: str, **python: str) -> tuple[bool, list[str], str]:
        log = tmp_path / "log"
        log.write_text("")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHON"} | python
        environment |= {"PATH": f"{tools}:{os.environ['PATH']}", "LOG": str(log), "FAILS": ",".join(fails)}
        done = subprocess.run([ROOT / ".ci/run"], env=environment, stdout=subprocess.DEVNULL, check=False)
        asked = log.read_text().splitlines()
        return done.returncode == 0, asked, Path(f"{log}.python").read_text().strip() if asked else ""

    return run


def test_ci_runs_lint_and_every_test(ci):
    assert ci()[:2] == (True, ALL)


def test_ci_tries_the_browser_once_more_and_says_what_passes_then(ci):
    assert ci("test TESTS=tests/browser")[:2] == (True, [*ALL[:4], AGAIN, ALL[4]])
    assert ci("test TESTS=tests/browser", AGAIN)[:2] == (False, [*ALL[:4], AGAIN])


@pytest.mark.parametrize("at", [0, 1, 2, 4])
def test_ci_tries_nothing_else_twice(ci, at):
    assert ci(ALL[at])[:2] == (False, ALL[:at + 1])


def test_ci_takes_the_systems_python_unless_another_is_named(ci):
    system = Path("/usr/bin/python3")
    enough = f"import sys, ensurepip, venv; sys.exit(sys.version_info < {OLDEST})"
    usable = system.exists() and not subprocess.call([system, "-c", enough], stderr=subprocess.DEVNULL)
    assert ci()[2] == (str(system) if usable else "python3")
    assert ci(PYTHON=sys.executable)[2] == sys.executable


def test_ci_takes_no_other_python_than_the_one_that_is_named(ci, tmp_path):
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert ci(PYTHON=str(old)) == ci(PYTHON=str(tmp_path / "missing")) == (False, [], "")


def test_the_workflow_runs_once_for_a_branch_and_for_what_is_merged():
    # YAML 1.1 reads the key `on` as true.
    on = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())[True]
    assert on == {"push": {"branches": ["main"]}, "pull_request": None}


def test_the_workflow_runs_ci_on_the_oldest_and_the_newest_python():
    job = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["tests"]
    assert job["strategy"]["matrix"] == {"python": [PYTHONS[0], PYTHONS[-1]]}
    setup, run = job["steps"][-2:]
    assert setup["with"] == {"python-version": "${{ matrix.python }}"}
    assert run == {"run": ".ci/run", "env": {"PYTHON": "python"}}


def test_every_file_that_names_a_python_names_one_that_is_supported():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert re.fullmatch(r"python:([\d.]+)-\w+", container["image"])[1] in PYTHONS
    assert (ROOT / "runtime.txt").read_text().strip().removeprefix("python-") in PYTHONS
    for file in ("Makefile", ".ci/run"):
        assert re.findall(r"version_info < (\(.*?\))", (ROOT / file).read_text()) == [OLDEST], file
    assert PYPROJECT["tool"]["mypy"]["python_version"] == PYTHONS[0]
    assert f"Python {PYTHONS[0]} or newer" in (ROOT / "README.md").read_text()


def test_the_dev_container_brings_the_editor_its_python_and_its_notebooks():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["customizations"]["vscode"]["extensions"] == ["ms-python.python", "ms-toolsai.jupyter"]


def test_the_hooks_before_a_commit_are_targets_of_the_makefile():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"].split() for repository in repositories for hook in repository["hooks"]]
    assert [make for make, _ in entries] == ["make", "make"]
    assert {target for _, target in entries} <= set(TARGETS)


def test_editors_and_ruff_agree_on_the_length_of_a_line():
    editors = ConfigParser()
    editors.read_string("[all]\n" + (ROOT / ".editorconfig").read_text())
    assert editors["*"].getint("max_line_length") == PYPROJECT["tool"]["ruff"]["line-length"]


def test_whoever_installs_the_requirements_gets_the_tested_set():
    assert (ROOT / "requirements.txt").read_text().splitlines()[0] == "-c constraints.txt"
    assert (ROOT / "requirements-dev.txt").read_text().splitlines()[0] == "-r requirements.txt"
