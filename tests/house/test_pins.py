"""constraints.txt can be installed on every Python and platform that the kit promises, from Debian 12's on.

Of what is installed here, each package says itself which Pythons it admits. For the rest uv resolves, and
installs nothing; it needs a network, so that is left to the slow tests and to `make pins`.
"""
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python" in line]
OLDEST = "3.11.2"
PLATFORMS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin",
             "aarch64-apple-darwin", "x86_64-pc-windows-msvc"]
UV = [sys.executable, *"-m uv pip compile --quiet --no-header --no-annotate --only-binary :all:".split()]
LATE = "Metadata-Version: 2.1\nName: {}\nVersion: {}\nRequires-Python: >=3.11.5\n"


def pins(text: str) -> dict[str, str]:
    """The version of every package in a list of pins."""
    lines = (line.split("==") for line in text.splitlines() if "==" in line)
    return {canonicalize_name(name): version for name, version in lines}


PINNED = pins((ROOT / "constraints.txt").read_text())


def resolve(requirements: Path, python: str, platform: str) -> subprocess.CompletedProcess:
    """What uv would install from wheels, pinned; or its exit status 1, and why that cannot be."""
    asked = [*UV, "--python-version", python, "--python-platform", platform, str(requirements)]
    environment = os.environ | {"UV_HTTP_RETRIES": "1"}
    return subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def too_new(path: list[str]) -> list[str]:
    """Of the packages that are installed as pinned, those that refuse the oldest Python."""
    found = [it for it in distributions(path=path) if PINNED.get(canonicalize_name(it.name)) == it.version]
    assert found, "nothing here is installed as it is pinned"
    return [one.name for one in found if OLDEST not in SpecifierSet(one.metadata.get("Requires-Python", ""))]


def test_the_oldest_python_is_the_one_that_pyproject_promises():
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert OLDEST.startswith(f"{PYTHONS[0]}.")


def test_every_installed_package_admits_the_oldest_python():
    assert too_new(sys.path) == []


def test_an_installed_package_that_refuses_the_oldest_python_is_named(tmp_path):
    metadata = tmp_path / "numpy.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(LATE.format("numpy", PINNED["numpy"]))
    assert too_new([str(tmp_path)]) == ["numpy"]


def test_uv_refuses_a_pin_on_the_python_that_it_does_not_admit(tmp_path, monkeypatch):
    late, requirements = tmp_path / "late-1.0-py3-none-any.whl", tmp_path / "requirements.txt"
    with zipfile.ZipFile(late, "w") as wheel:
        wheel.writestr("late-1.0.dist-info/METADATA", LATE.format("late", "1.0"))
        wheel.writestr("late-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("late-1.0.dist-info/RECORD", "")
    requirements.write_text("late==1.0\n")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    refused = resolve(requirements, OLDEST, PLATFORMS[0])
    assert refused.returncode == 1
    assert "late==1.0.0 requires Python >=3.11.5" in refused.stderr
    assert pins(resolve(requirements, PYTHONS[-1], PLATFORMS[0]).stdout) == {"late": "1.0"}


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", [OLDEST, *PYTHONS[1:]])
def test_the_tested_set_can_be_installed(python, platform):
    done = resolve(ROOT / "requirements-dev.txt", python, platform)
    if "Failed to fetch" in done.stderr:
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr
    assert pins(done.stdout).items() <= PINNED.items(), "constraints.txt does not pin one of the packages"
