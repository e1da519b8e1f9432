"""The learner's progress is what the saved notebooks say."""
import json
from pathlib import Path

import pytest
from traitlets.config import PyFileConfigLoader

from kitlib.course import Predictions, Quiz, progress, record

ROOT = Path(__file__).parents[2]


def code(id, points, shown, said="1 of 2 hold"):
    outputs = [{"output_type": "stream", "name": "stdout", "text": [said]},
               {"output_type": "execute_result", "data": {"text/plain": [shown]}}] if shown else []
    mark = {"grade": True, "grade_id": id, "points": points}
    return {"cell_type": "code", "metadata": {"nbgrader": mark}, "source": "x", "outputs": outputs}


def words(id, text):
    mark = {"grade": True, "grade_id": id, "points": 2}
    return {"cell_type": "markdown", "metadata": {"nbgrader": mark}, "source": text}


def save(folder, name, *cells):
    title = {"cell_type": "markdown", "metadata": {}, "source": ["# Exercise 01 Count\n", "text"]}
    (folder / name).write_text(json.dumps({"cells": [title, *cells]}), encoding="utf-8")


def row(folder):
    return next(progress.exercises(folder).itertuples(name=None))


@pytest.mark.parametrize("cells, state, points, of, written", [
    ([code("a", 2, "0.0", "Not solved yet: write"), code("b", 2, "")], "not begun", 0, 4, ""),
    ([code("a", 2, "0.0", "0 of 2 hold: not yet."), code("b", 2, "")], "not yet", 0, 4, ""),
    ([code("a", 2, "1.5"), code("b", 2, "0.0")], "not yet", 1.5, 4, ""),
    ([code("a", 2, "2.0"), code("b", 2, "2.0")], "holds", 4, 4, ""),
    ([code("a", 2, "2.0"), words("w", "*Your answer here.*")], "not yet", 2, 2, "0 of 1"),
    ([code("a", 2, "2.0"), words("w", "Because.")], "holds", 2, 2, "1 of 1"),
    ([code("a", 2, "1.0"), code("a", 2, "2.0")], "holds", 2, 2, ""),              # copied: counts once
    ([code("a", 2, "Report")], "not yet", 0, 2, ""),
])
def test_a_row_says_what_the_saved_cells_say(tmp_path, cells, state, points, of, written):
    save(tmp_path, "01_count.ipynb", *cells)
    assert row(tmp_path) == ("01 Count", state, points, of, written)


def test_a_broken_notebook_and_an_empty_folder_are_told(tmp_path):
    with pytest.raises(ValueError, match="no exercises in"):
        progress.exercises(tmp_path)
    for broken in ("<<<<<<< merge", "[]", "{}", '{"cells": 1}', '{"cells": [{"cell_type": "code"}]}',
                   '{"cells": ["x"]}'):
        (tmp_path / "01_count.ipynb").write_text(broken)
        assert row(tmp_path)[:2] == ("01_count", "cannot be read: git restore it")


def test_unsolved_nothing_holds_and_solved_all_does():
    assert set(progress.exercises(ROOT / "exercises").state) == {"not begun"}
    solved = progress.exercises(ROOT / "solutions")
    assert set(solved.state) == {"holds"} and (solved.points == solved.of).all()


def test_the_sign_of_an_open_answer_is_the_markers():
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    assert config.ClearSolutions.text_stub == progress.UNANSWERED


def test_predictions_are_counted_by_notebook_and_tests_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv(record.VARIABLE, str(tmp_path / "kept.json"))
    assert progress.predictions().empty
    for notebook, guesses in (("06", ["1", "2"]), ("07b", ["2"])):
        predictions = Predictions(notebook)
        for key, guess in enumerate(guesses):
            predictions.ask(str(key), "How many?", guess=guess)
            predictions.answer(str(key), 2)
    predictions.ask("later", "How many?", guess=1)
    quiz = Quiz("12").first()
    quiz.controls[quiz.question.items[0]].value = "true"
    table = progress.predictions()
    assert table.T.to_dict("list") == {"06": [1, 1, 0], "07b": [1, 0, 1]}
    monkeypatch.setenv(record.VARIABLE, "")
    assert progress.predictions().empty
