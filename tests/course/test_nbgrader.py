"""The whole way of a course with nbgrader: hand out, collect, mark, give back."""
import os
import shutil
import sys
import warnings
from pathlib import Path

import nbformat
import pytest
from nbgrader.apps import NbGraderAPI
from traitlets.config import PyFileConfigLoader

ROOT = Path(__file__).parents[2]
HANDED_IN = ("02_set_the_flag.ipynb", "07_lock_before_you_look.ipynb")
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore::DeprecationWarning",
                                        "ignore::ResourceWarning", "ignore::UserWarning:nbgrader")


def answered(*changes):
    """A change of a notebook: each (old, new) in the one code cell that has it, where there is one."""
    def change(notebook):
        for old, new in changes:
            for cell in notebook.cells:
                if cell.cell_type == "code" and old in cell.source:
                    cell.source = cell.source.replace(old, new)
    return change


def split(notebook):
    """Every cell is there twice, with its mark, as JupyterLab leaves a cell that was split or copied."""
    for at in reversed(range(len(notebook.cells))):
        copy = nbformat.from_dict(notebook.cells[at])
        copy.id = f"copy{at}"
        if "BEGIN SOLUTION" in copy.source:
            copy.source = "# the rest of a cell that was split"
        notebook.cells.insert(at + 1, copy)


class Course:
    """A course folder, made as notebooks/instructor.md says, with solutions/ as its one assignment."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copy(ROOT / "nbgrader_config.py", folder)
        shutil.copytree(ROOT / "solutions", folder / "source/compaction")
        config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
        config.CourseDirectory.root = str(folder)
        config.Execute.timeout = 8
        self.api = NbGraderAPI(config=config)
        self.done(self.api.generate_assignment("compaction"))

    def done(self, answer):
        assert answer["success"], answer["log"]

    def hand_in(self, student, change=lambda notebook: None, source="release", names=HANDED_IN):
        to = self.folder / "submitted" / student / "compaction"
        to.mkdir(parents=True)
        for name in names:
            notebook = nbformat.read(self.folder / source / "compaction" / name, as_version=4)
            change(notebook)
            nbformat.write(notebook, to / name)
        self.done(self.api.autograde("compaction", student))
        self.done(self.api.generate_feedback("compaction", student))
        with self.api.gradebook as book:
            marked = {notebook.name: (notebook.score, notebook.max_score)
                      for notebook in book.find_submission("compaction", student).notebooks}
        return [marked[name.removesuffix(".ipynb")] for name in HANDED_IN]

    def feedback(self, student, number=0):
        page = Path(HANDED_IN[number]).with_suffix(".html")
        return (self.folder / "feedback" / student / "compaction" / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(folder)
        # nbgrader calls alembic.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield Course(folder)


def test_what_nbgrader_hands_out_is_what_is_in_exercises(course):
    released, ours = (sorted(folder.glob("*.ipynb"))
                      for folder in (course.folder / "release/compaction", ROOT / "exercises"))
    assert [path.name for path in released] == [path.name for path in ours]
    for paths in zip(released, ours):
        there, here = ([(cell.cell_type, cell.source) for cell in nbformat.read(path, as_version=4).cells]
                       for path in paths)
        assert there == here


def test_unsolved_gives_no_point_and_the_solution_gives_all(course):
    assert course.hand_in("unsolved") == [(0, 4), (0, 6)]
    assert course.hand_in("solved", source="source") == [(4, 4), (6, 6)]
    assert "5 of 5 hold." in course.feedback("solved")


def test_half_right_gives_a_part_and_the_feedback_has_the_hint(course):
    half = answered(("set_bit(AS_UNEVICTABLE, mapping)", "pass"),
                    ("        mapping = yield folio_mapping(folio)\n        is_un", "        is_un"))
    assert course.hand_in("half", half, source="source") == [(3, 4), (0, 6)]
    assert "one bit alone is not enough" in course.feedback("half")
    assert "The pointer was read before the lock" in course.feedback("half", 1)


def test_a_loop_for_ever_is_ended_by_the_check_and_the_rest_is_marked(course):
    endless = answered(("set_bit(AS_UNEVICTABLE, mapping)", "while True: pass"),
                       ("is_dirty = yield folio_test_dirty(folio)",
                        "while True: is_dirty = yield folio_test_dirty(folio)"))
    assert course.hand_in("endless", endless, source="source") == [(2, 4), (0, 6)]
    assert all("what should end it?" in course.feedback("endless", number) for number in (0, 1))


@pytest.mark.slow
def test_a_loop_outside_any_check_is_ended_by_the_markers_time_limit(course):
    stuck = answered(("def set_unmovable(mapping):", "while True: pass\ndef set_unmovable(mapping):"))
    assert course.hand_in("stuck", stuck, source="source", names=HANDED_IN[:1])[0] == (2, 4)


def test_copied_and_split_cells_are_marked_all_the_same(course):
    assert course.hand_in("split", split, source="source", names=HANDED_IN[:1])[0] == (4, 4)
