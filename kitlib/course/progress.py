"""How far a learner is: what the checks said in each exercise, read from the saved notebooks.

Nothing is run, nothing is recorded elsewhere and nothing leaves the machine: whoever has edited an answer
since must run its check again and save. Leaves out answers in words but for whether something was written: a
person marks them.
"""
import json
from pathlib import Path

import pandas as pd

# What stands where an answer in words is asked for; nbgrader_config.py says the same.
UNANSWERED = "*Your answer here.*"
_COLUMNS = ["state", "points", "of", "in words"]


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
