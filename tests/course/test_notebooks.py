"""Hygiene of the saved notebooks: what nbval does not look at."""
import importlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from prose import COURSE, lesson as numbered

from kitlib.course import publish

ROOT = Path(__file__).parents[2]
ALL = sorted(path for folder in publish.FOLDERS for path in (ROOT / folder).glob("*.ipynb"))
# No lessons: the one only defines and nothing in it runs, the others only ask.
GLOSSARY = ROOT / "notebooks" / "glossary.ipynb"
SKILL_TESTS = sorted((ROOT / "notebooks").glob("skill_test*.ipynb"))
LESSONS = [numbered(number) for number in COURSE]
EXERCISES = [path for path in ALL if path.parent.name == "exercises"]
MARKERS = ("NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP", "NBVAL_RAISES_EXCEPTION", "NBVAL_CHECK_OUTPUT",
           "PYTEST_VALIDATE_IGNORE_OUTPUT")
MARKER_TAGS = {marker.lower().replace("_", "-") for marker in MARKERS}
ALLOWED: dict[tuple[str, str], str] = {}        # (file, cell id) -> why nbval may pass its output over
# The reader follows these; nothing is fetched.
LINKED_HOSTS = ("lore.kernel.org", "docs.kernel.org", "git.kernel.org")
MAY_RAISE = {("02_isolate_one_folio.ipynb", "raises-exception")}

each = pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.stem}")
exercise = pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_there_are_notebooks_to_look_at():
    assert len(LESSONS) == len(set(LESSONS)) == 14 and len(EXERCISES) >= 10
    assert len(ALL) == len(LESSONS) + 1 + len(SKILL_TESTS) + 2 * len(EXERCISES)


@each
def test_every_code_cell_was_run_in_order(path):
    assert [cell.execution_count for cell in code_cells(path)] == list(range(1, len(code_cells(path)) + 1))


@each
def test_no_cell_hides_its_output_from_the_check(path):
    for cell in code_cells(path):
        hidden = [marker for marker in MARKERS if marker in cell.source]
        hidden += [tag for tag in cell.metadata.get("tags", []) if tag in MARKER_TAGS]
        assert not hidden or (path.name, cell.id) in ALLOWED


@each
def test_every_picture_has_a_text_beside_it(path):
    for cell in code_cells(path):
        data = [output.get("data", {}) for output in cell.outputs]
        pictures = [kinds for kinds in data if set(kinds) & {"image/png", "image/jpeg", "image/svg+xml"}]
        texts = [output.get("text", "") or kinds.get("text/plain", "")
                 for output, kinds in zip(cell.outputs, data)]
        described = any(len(text) > 20 and not text.startswith("<Figure") for text in texts)
        assert described or not pictures, cell.source


@each
def test_nothing_is_saved_that_differs_from_run_to_run(path):
    notebook = read(path)
    assert notebook.metadata == publish.METADATA
    counted = [f"cell-{number:02}" for number in range(len(notebook.cells))]
    assert [cell.id for cell in notebook.cells] == counted
    assert all(set(cell.metadata) <= set(publish.KEPT_METADATA) for cell in notebook.cells)
    text = re.sub(r'"image/png": "[^"]*"', "", path.read_text(encoding="utf-8"))
    assert publish.WIDGET_VIEW not in text and "application/vnd.jupyter.widget-state" not in text
    assert str(ROOT) not in text and str(Path.home()) not in text
    assert not re.search(r"/home/|/tmp/|ipykernel[_]| at 0x[0-9a-f]{6,}", text)
    assert path.stat().st_size < 400_000


@each
def test_only_cells_that_say_so_raise_and_they_do(path):
    for cell in code_cells(path):
        raised = any(output.output_type == "error" for output in cell.outputs)
        assert raised == ("raises-exception" in cell.metadata.get("tags", []))
        assert not raised or (path.name, "raises-exception") in MAY_RAISE


@each
def test_code_cells_are_short_and_hold_no_logic_of_the_kit(path):
    for cell in code_cells(path):
        solved = path.parent.name == "solutions" and "### BEGIN SOLUTION\n" in cell.source
        assert solved or len(cell.source.splitlines()) <= 10, cell.source
        assert "sys.path" not in cell.source and "%pip" not in cell.source and "http" not in cell.source


@lesson
def test_a_lesson_has_its_form(path):
    cells = read(path).cells
    first, last = cells[0].source, cells[-1].source
    assert first.startswith("# ")
    for words in ("**In one sentence.**", "**Afterwards you can**", "**Time**", "**Kernel**", "0003e2a41468"):
        assert words in first
    assert "Three things to remember" in last
    assert re.search(r"^Exercise: .*\]\(\.\./exercises/.* Next: ", last, re.MULTILINE)
    assert 15 <= len(cells) <= 36


@lesson
def test_prose_outweighs_code(path):
    cells = read(path).cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    lines = sum(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code")
    assert words >= 5 * lines


@lesson
def test_a_why_is_short(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("**Why"):
            assert len(cell.source.split("\n\n")[0].split()) <= 80, cell.source


@lesson
def test_predictions_are_answered_and_counted(path):
    code = [cell.source for cell in code_cells(path)]
    asked = [key for source in code for key in re.findall(r'\.ask\(\s*"(\w+)"', source)]
    answered = [key for source in code for key in re.findall(r'\.answer\(\s*"(\w+)"', source)]
    assert len(asked) >= 3 and sorted(asked) == sorted(answered) and len(set(asked)) == len(asked)
    assert code[-1].rstrip().endswith("predictions.count()")
    assert not any("prediction = ..." in source for source in code)


@each
def test_links_lead_somewhere(path):
    for cell in read(path).cells:
        for target in re.findall(r"\]\(([^)#]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            if "://" in target:
                url = urlsplit(target)
                assert url.scheme == "https" and url.hostname in LINKED_HOSTS, target
            else:
                assert (path.parent / target).exists(), target


def test_the_glossary_defines_every_term_once_and_in_order():
    cells = read(GLOSSARY).cells
    assert all(cell.cell_type == "markdown" for cell in cells)
    lines = [line for cell in cells for line in cell.source.splitlines() if line.startswith("* ")]
    defined = [re.fullmatch(r"\* \*\*(.+?)\*\*: .+ \(\[\d\db?\]\(\S+\.ipynb\)\)", line) for line in lines]
    assert all(defined), [line for line, match in zip(lines, defined) if not match]
    terms = [re.sub(r"[^0-9a-z]", "", match[1].casefold()) for match in defined]
    assert len(terms) > 50 and terms == sorted(set(terms))


def marks(path):
    """(cell, its nbgrader mark) of every cell."""
    return [(cell, cell.metadata["nbgrader"]) for cell in read(path).cells]


@exercise
def test_an_exercise_is_what_nbgrader_makes_of_its_solution(path):
    made = publish.exercise_of(read(ROOT / "solutions" / path.name), publish.grading(ROOT))
    assert [(cell.cell_type, cell.source, cell.metadata) for cell in made.cells] == [
        (cell.cell_type, cell.source, cell.metadata) for cell in read(path).cells]
    assert "SOLUTION" not in path.read_text(encoding="utf-8")


@exercise
def test_an_exercise_has_its_form(path):
    cells = marks(path)
    first, last = cells[0][0].source, cells[-1][0].source
    number, minutes = path.name[:2], re.search(r"(\d+) to (\d+) minutes, (\d+) points", first)
    assert first.startswith(f"# Exercise {number} ") and minutes
    assert "You need" in first and "0003e2a41468" in first
    assert int(minutes[3]) == sum(mark.get("points", 0) for _, mark in cells)
    assert "**If you are stuck:**" in last and f"git restore exercises/{path.name}" in last
    assert len({mark["grade_id"] for _, mark in cells}) == len(cells)
    assert all(mark["locked"] != mark["solution"] for _, mark in cells)


@exercise
def test_a_check_cell_tells_all_and_then_the_points_that_it_is_worth(path):
    checks = [(cell, mark) for cell, mark in marks(path) if mark["grade"] and cell.cell_type == "code"]
    assert checks
    for cell, mark in checks:
        call, told, points = cell.source.splitlines()
        assert re.fullmatch(r"report = check\.\w+\(.+\)", call) and told == "print(report)"
        assert points == f"report.points(of={mark['points']})"


@exercise
def test_answers_in_words_come_with_a_rubric(path):
    for cell, mark in marks(ROOT / "solutions" / path.name):
        if mark["grade"] and mark["solution"]:
            assert cell.cell_type == "markdown"
            assert "point" in cell.source.split("### BEGIN SOLUTION")[1]


@exercise
def test_every_exercise_has_wrong_answers_that_are_tried(path):
    """At least two plausible ones, each with a hint of its own."""
    wrong = importlib.import_module(f"test_ex{path.stem}").WRONG
    assert len({hint for *_, hint in wrong}) >= 2


def noisy():
    metadata = {"execution": {"iopub": "2026"}, "tags": ["raises-exception"]}
    cell = nbformat.v4.new_code_cell("1/0", execution_count=7, metadata=metadata)
    shown = {"text/plain": "1", publish.WIDGET_VIEW: {"model_id": "af"}}
    cell.outputs = [nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="division by zero",
                                           traceback=["/home/me/x.py"]),
                    nbformat.v4.new_output("execute_result", shown, execution_count=7)]
    metadata = {"widgets": {"state": {}}, "language_info": {"name": "python", "version": "3.11.7"}}
    return nbformat.v4.new_notebook(cells=[cell], metadata=metadata)


def test_normalising_leaves_what_a_reader_sees_and_twice_is_once():
    once = publish.notebook_text(publish.normalise(noisy()))
    assert not any(noise in once for noise in ("/home/me", publish.WIDGET_VIEW, '"af"', "3.11.7", "iopub"))
    assert '"execution_count": 1' in once and "ZeroDivisionError" in once
    assert publish.notebook_text(publish.normalise(nbformat.reads(once, as_version=4))) == once


def test_what_a_cell_prints_in_pieces_is_saved_as_one():
    cell = nbformat.v4.new_code_cell("print(1); print(2)")
    cell.outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in (
        ("stdout", "1\n"), ("stdout", "2\n"), ("stderr", "oh"), ("stdout", "3\n"))]
    saved = publish.normalise(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs
    printed = [(output.name, output.text) for output in saved]
    assert printed == [("stdout", "1\n2\n"), ("stderr", "oh"), ("stdout", "3\n")]


def test_publish_check_writes_nothing_and_tells_what_would_change(tmp_path, capsys):
    path = tmp_path / "one.ipynb"
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])))
    begin = path.read_text()
    assert publish.main(["--check", str(path)]) == 1 and path.read_text() == begin
    assert publish.main([str(path)]) == 0 and path.read_text() != begin
    assert publish.main(["--check", str(path)]) == 0
    assert "one.ipynb: as it was" in capsys.readouterr().out


def test_publishing_a_solution_writes_its_exercise_too_and_twice_is_once(tmp_path, capsys):
    for name in ("solutions", "exercises"):
        (tmp_path / name).mkdir()
    (tmp_path / "nbgrader_config.py").write_bytes((ROOT / "nbgrader_config.py").read_bytes())
    path = tmp_path / "solutions/01.ipynb"
    mark = {"schema_version": 3, "grade_id": "a", "grade": False, "solution": True, "locked": False,
            "task": False}
    source = "answer = ...\n### BEGIN SOLUTION\nanswer = 6 * 7\n### END SOLUTION\nprint(answer)"
    cell = nbformat.v4.new_code_cell(source, metadata={"nbgrader": mark})
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    assert publish.main([str(path), "--check"]) == 1 and not (tmp_path / "exercises/01.ipynb").exists()
    assert publish.main([str(path)]) == 0
    exercise = read(tmp_path / "exercises/01.ipynb").cells[0]
    assert exercise.source == "answer = ...\n# Your answer here.\nprint(answer)"
    assert exercise.outputs[0].text == "Ellipsis\n"
    assert read(path).cells[0].outputs[0].text == "42\n"
    assert publish.main([str(path), "--check"]) == 0
    with pytest.raises(ValueError, match="edit and publish .*solutions/01.ipynb"):
        publish.main([str(tmp_path / "exercises/01.ipynb")])
    capsys.readouterr()


@pytest.mark.slow
def test_what_is_saved_is_what_publishing_again_would_write(capsys):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert publish.main(["--check"]) == 0, capsys.readouterr().out
