"""Notebooks in, notebooks out: executed, less what differs from run to run (python -m kitlib.course.publish).

Cell ids are counted, execution counts run from 1, widget state, widget views, timings, versions and
tracebacks are left out, so that publishing twice gives the same bytes. A solution also makes its exercise, by
nbgrader's own preprocessors. `--check` writes nothing and exits 1 when a file would change; `--handouts DIR`
writes what is saved as web pages that need no network. Run it in the project's folder; it needs what
requirements-dev.txt names.
"""
import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearOutput, ClearSolutions
from traitlets.config import Config, PyFileConfigLoader

from . import handouts, record

FOLDERS = ("notebooks", "exercises", "solutions")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_METADATA = ("tags", "nbgrader")
METADATA = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}
CLEARED = (ClearSolutions, ClearHiddenTests, ClearMarkScheme, ClearOutput)


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run every cell in `folder` in a new kernel; an error that no tag allows ends it.

    Nobody's predictions are read or kept.
    """
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources)
    client.store_widget_state = False
    return client.execute(env=os.environ | {record.VARIABLE: ""})


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave in what a reader sees, and nothing that another run would write otherwise."""
    notebook.metadata = nbformat.from_dict(METADATA)
    count = 0
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        kept = {key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _joined(cell.outputs)
            for output in cell.outputs:
                output.pop("execution_count", None)
                if output.output_type == "execute_result":
                    output.execution_count = count
                output.get("data", {}).pop(WIDGET_VIEW, None)
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
                if "metadata" in output:
                    output.metadata = nbformat.from_dict({})
    return notebook


def _joined(outputs: list) -> list:
    """Neighbours of one stream are one: what a cell prints comes in pieces, as time has cut it."""
    joined: list = []
    for output in outputs:
        before = joined[-1] if joined else {}
        if output.output_type == before.get("output_type") == "stream" and output.name == before.name:
            before.text += output.text
        else:
            joined.append(output)
    return joined


def grading(root: Path) -> Config:
    """The project's nbgrader_config.py: what stands in an exercise where the solution was."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()


def exercise_of(solution: nbformat.NotebookNode, config: Config) -> nbformat.NotebookNode:
    """The exercise in a solution, as nbgrader would hand it out, but no checksums and every cell open."""
    exercise = nbformat.from_dict(solution)
    for clear in CLEARED:
        exercise, _ = clear(config=config).preprocess(exercise, {})
    return exercise


def notebook_text(notebook: nbformat.NotebookNode) -> str:
    """The bytes of the file."""
    return nbformat.writes(notebook, version=4) + "\n"


def published(path: Path) -> Iterator[tuple[Path, str]]:
    """A notebook, executed and normalised, as (file, text); and the exercise of a solution."""
    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    if path.parent.name == "solutions":
        root = path.parent.parent
        exercise, file = exercise_of(notebook, grading(root)), root / "exercises" / path.name
        yield file, notebook_text(normalise(execute(exercise, file.parent)))
    yield path, notebook_text(normalise(execute(notebook, path.parent)))


def publish(path: Path, check: bool = False) -> Iterator[tuple[Path, bool]]:
    """Execute and normalise one notebook: each file that comes of it, and whether that changed it.

    `check`: nothing is written.
    """
    if path.parent.name == "exercises":
        solution = path.parent.parent / "solutions" / path.name
        raise ValueError(f"{path} is made from its solution: edit and publish {solution}")
    for file, text in published(path):
        changed = not file.exists() or file.read_text(encoding="utf-8") != text
        if changed and not check:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        yield file, changed


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m kitlib.course.publish", description=about)
    parser.add_argument("notebooks", nargs="*", type=Path,
                        help="which (default: all, the exercises with their solutions)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file would change")
    parser.add_argument("--handouts", type=Path, metavar="DIR",
                        help="execute nothing; write notebooks and exercises as web pages into DIR")
    options = parser.parse_args(arguments)
    # Solutions are not handed out; exercises are not executed by themselves, but come of their solutions.
    folders = ("notebooks", "exercises") if options.handouts else ("notebooks", "solutions")
    paths = options.notebooks or [path for folder in folders for path in sorted(Path(folder).glob("*.ipynb"))]
    if options.handouts:
        for page in handouts.write(paths, options.handouts):
            sys.stdout.write(f"{page}\n")
        return 0
    changed = 0
    for path in paths:
        for file, different in publish(path, options.check):
            changed += different
            sys.stdout.write(f"{file}: {'changed' if different else 'as it was'}\n")
            sys.stdout.flush()
    return int(options.check and changed > 0)


if __name__ == "__main__":
    sys.exit(main())
