"""How far a learner is: what the checks said in each exercise, and what was predicted in each notebook.

Exercises are read from the saved notebooks, predictions from their record. Nothing is run, and nothing leaves
the machine: whoever has edited an answer since must run its check again and save. Leaves out answers in words
but for whether something was written: a person marks them.
"""
import json
from pathlib import Path

import pandas as pd

from . import record

# What stands where an answer in words is asked for; nbgrader_config.py says the same.
UNANSWERED = "*Your answer here.*"
_COLUMNS = ["state", "points", "of", "in words"]
_SORTS = ["right", "wrong", "answer not shown"]


def exercises(folder: str | Path) -> pd.DataFrame:
    """One row a notebook in `folder`, by its title: "holds", "not yet" or "not begun", and points.

    "of": how many points the checks give in all. "in words": how many of the answers that a person marks are
    written. ValueError where there is no exercise.
    """
    paths = sorted(Path(folder).glob("*.ipynb"))
    if not paths:
        raise ValueError(f"no exercises in {folder}: "
                         'write exercises("../exercises") in a notebook of the kit')
    titles, rows = zip(*map(_row, paths))
    return pd.DataFrame(rows, index=titles, columns=_COLUMNS)


def predictions() -> pd.DataFrame:
    """One row a notebook in which something was predicted: how much is right, wrong, or not shown yet."""
    file = record.path()
    rows = {notebook: [_sort(entry) for entry in entries.values()]
            for notebook, entries in (record.kept_in(file) if file else {}).items() if notebook.isalnum()}
    return pd.DataFrame([map(sorts.count, _SORTS) for sorts in rows.values()],
                        index=pd.Index(rows, name="notebook"), columns=_SORTS)


def _sort(entry: dict) -> str:
    if "of" not in entry:
        return _SORTS[2]
    return _SORTS[entry.get("right") != entry["of"]]


def _row(path: Path) -> tuple[str, tuple]:
    try:
        return _state(path.stem, json.loads(path.read_text(encoding="utf-8"))["cells"])
    except (ValueError, KeyError, TypeError, AttributeError):       # whatever is no notebook
        return path.stem, ("cannot be read: git restore it", 0.0, 0.0, "")


def _state(name: str, cells: list[dict]) -> tuple[str, tuple]:
    headings = [line for cell in cells for line in _source(cell).splitlines() if line.startswith("# ")]
    title = headings[0].lstrip("# ").removeprefix("Exercise ") if headings else name
    # By id: a cell that was copied counts once, as it stands last.
    graded = {mark["grade_id"]: (cell, float(mark["points"])) for cell in cells
              if (mark := cell["metadata"].get("nbgrader", {})).get("grade")}
    checks = [(_points(cell), of) for cell, of in graded.values() if cell["cell_type"] == "code"]
    begun = any(_begun(cell) for cell, _ in graded.values() if cell["cell_type"] == "code")
    words = [UNANSWERED not in _source(cell) for cell, _ in graded.values()
             if cell["cell_type"] == "markdown"]
    points, of = sum(points for points, _ in checks), sum(of for _, of in checks)
    if points >= of and all(words):
        state = "holds"
    elif begun or any(words):
        state = "not yet"
    else:
        state = "not begun"
    return title, (state, points, of, f"{sum(words)} of {len(words)}" if words else "")


def _source(cell: dict) -> str:
    return "".join(cell["source"])


def _begun(cell: dict) -> bool:
    """Whether a check cell has shown something else than that there is nothing to check yet."""
    text = "".join("".join(output.get("text", "")) for output in cell["outputs"])
    return bool(cell["outputs"]) and not text.startswith("Not solved yet")


def _points(cell: dict) -> float:
    """The number that a check cell has shown last; 0 where it was not run, or failed."""
    for output in cell["outputs"]:
        if output["output_type"] == "execute_result":
            try:
                return float("".join(output["data"].get("text/plain", "")))
            except ValueError:
                return 0.0
    return 0.0
