"""Notebooks in, notebooks out: execute them and keep nothing that differs from run to run (python -m kitlib.publish).

Cell ids are counted, execution counts run from 1, widget state, widget views, timings, versions and tracebacks are left out, so that
publishing twice gives the same bytes. `--check` writes nothing and exits 1 when a file would change.
"""
import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDERS = ("notebooks", "exercises", "solutions")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_METADATA = ("tags", "nbgrader")
METADATA = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run every cell in `folder` in a new kernel; an error that no tag allows ends it."""
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.store_widget_state = False
    return client.execute()


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave in what a reader sees, and nothing that another run would write otherwise."""
    notebook.metadata = nbformat.from_dict(METADATA)
    count = 0
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in KEPT_METADATA if key in cell.metadata})
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
    """What a cell prints bit by bit comes in as many pieces as time has cut it into: neighbours of one stream are one."""
    joined: list = []
    for output in outputs:
        if joined and output.output_type == "stream" == joined[-1].output_type and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def text_of(notebook: nbformat.NotebookNode) -> str:
    """The bytes of the file."""
    return nbformat.writes(notebook, version=4) + "\n"


def publish(path: Path, check: bool = False) -> bool:
    """Execute and normalise one notebook; True when that changed it."""
    before = path.read_text(encoding="utf-8")
    after = text_of(normalise(execute(nbformat.reads(before, as_version=4), path.parent)))
    if after != before and not check:
        path.write_text(after, encoding="utf-8")
    return after != before


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m kitlib.publish", description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="which (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file would change")
    options = parser.parse_args(arguments)
    paths = options.notebooks or sorted(path for folder in FOLDERS for path in Path(folder).glob("*.ipynb"))
    changed = 0
    for path in paths:
        different = publish(path, options.check)
        changed += different
        sys.stdout.write(f"{path}: {'changed' if different else 'as it was'}\n")
    return int(options.check and changed > 0)


if __name__ == "__main__":
    sys.exit(main())
