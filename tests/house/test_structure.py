"""The architecture holds: folders are floors, imports point down, paths yield, heavy packages stay out.

And the code can be read: lines end, modules are small, comments say what the code cannot.
"""
import ast
import importlib
import inspect
import tokenize
from collections import defaultdict
from pathlib import Path

import pytest

import kitlib as kl
from kitlib import check, races
from kitlib.kernels import after_unlock, blocking, cached, labels, no_null_check
from kitlib.mm import filemap, folio, mapping, migrate, truncate

ROOT = Path(__file__).parents[2]
KITLIB = ROOT / "kitlib"
# A folder or module imports from its own line or from those above it, and nothing goes round in a circle.
FLOORS = [
    {"step", "mm", "concurrency"},
    {"kernels"},
    {"compaction"},
    {"races", "scenarios", "scan", "frames"},
    {"recordings", "experiments"},
    {"plots", "check"},
    {"widgets"},
    {"course"},
]
# The two pillars meet in `step` alone: memory knows no scheduler, scheduling knows no memory.
STRANGERS = {"mm": {"concurrency"}, "kernels": {"concurrency"}, "concurrency": {"mm", "kernels"}}
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path for path in KITLIB.rglob("*.py") if path != KITLIB / "__init__.py")
RECORDINGS, PLOTS, WIDGETS = 4, 5, 6
# Public names with one meaning each, which are nevertheless defined in more than one module.
DEFINED_AGAIN = {
    "isolate_folio": "a kernel is a module: each has its own",
    "move_to_new_folio": "a kernel is a module: each has its own",
    "verdicts": "recordings' is scan's, asked as the recorded run asked",
}

# The one line that may be longer: the golden diffs have it on one line.
IN_THE_GOLDEN_DIFFS = ("# Truncation holds the folio lock until the folio has left the mapping: "
                       "locked, a non-NULL mapping is alive.")
# Modules that cannot be understood from their code alone: locks, what may be stale, what is left out.
SUBTLE = ["compaction/isolate.py", "compaction/freepages.py", "compaction/migrate_folio.py",
          "compaction/migrate_pages.py", "compaction/rehearsal.py", "compaction/compact_zone.py",
          "compaction/contig.py", "compaction/scanned.py", "mm/page_alloc.py", "mm/zone.py",
          "concurrency/graph.py", "concurrency/explore.py", "plots/layout.py"]


def top(module: str) -> str:
    """The folder or module that stands on a floor: kernels.after belongs to kernels."""
    return module.partition(".")[0]


def name_of(path: Path) -> str:
    """kernels/after.py is kernels.after; a folder's __init__ is the folder."""
    return ".".join(path.relative_to(KITLIB).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path): path for path in MODULES}


def imports(path: Path, source: str | None = None):
    """What a module imports: modules of ours by their names below kitlib, and outside packages by theirs."""
    package = path.relative_to(KITLIB).parent.parts
    for node in ast.walk(ast.parse(path.read_text() if source is None else source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            above = package[:len(package) - node.level + 1]
            base = ".".join((*above, *(node.module or "").split("."))).strip(".")
            for alias in node.names:
                inside = f"{base}.{alias.name}".strip(".")
                yield inside if inside in NAMES else base


def not_allowed(path: Path, source: str | None = None) -> list[str]:
    """The imports that point up, or from one pillar to the other."""
    own = top(name_of(path))
    return [name for name in imports(path, source)
            if FLOOR.get(top(name), 0) > FLOOR[own] or top(name) in STRANGERS.get(own, ())]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_a_higher_floor_or_the_other_pillar(path):
    assert not_allowed(path) == []


@pytest.mark.parametrize("module, line", [
    ("mm/folio.py", "from ..concurrency.sched import run_path"), ("mm/zone.py", "from .. import concurrency"),
    ("concurrency/sched.py", "from ..mm.folio import Folio"),
    ("kernels/after.py", "from ..concurrency import run"),
    ("compaction/isolate.py", "from .. import scan"), ("scan.py", "from .recordings.runs import load"),
    ("plots/maps.py", "from ..widgets.box import said"),
    ("check/report.py", "from ..course.progress import exercises")])
def test_a_planted_import_is_found(module, line):
    path = KITLIB / module
    assert not_allowed(path, f"{path.read_text()}\n{line}\n") != []


def test_every_module_has_a_floor():
    assert {top(name) for name in NAMES} == set(FLOOR)


def test_no_circles_between_modules():
    below = {name: {other for other in imports(path) if other in NAMES and other != name}
             for name, path in NAMES.items()}
    while below:
        ready = [name for name, others in below.items() if not others & set(below)]
        assert ready, f"a circle among {sorted(below)}"
        for name in ready:
            del below[name]


@pytest.mark.parametrize("package, floor, exceptions", [
    ("numpy", RECORDINGS, {"scan", "frames"}), ("pandas", RECORDINGS, {"frames"}),
    ("matplotlib", PLOTS, set()), ("PIL", PLOTS, set()), ("ipywidgets", WIDGETS, set()),
    ("anywidget", WIDGETS, set()), ("nbformat", WIDGETS, set())])
def test_heavy_packages_stay_on_their_floor(package, floor, exceptions):
    users = {top(name) for name, path in NAMES.items() if package in imports(path)} - exceptions
    assert users and all(FLOOR[user] >= floor for user in users), users


def names_in(module) -> list[str]:
    """The public names of a module, but for its own modules."""
    return [name for name, value in vars(module).items()
            if not name.startswith("_") and not inspect.ismodule(value)]


def definitions(path: Path):
    """What a module defines at its top."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets
                        for name in ast.walk(target) if isinstance(name, ast.Name))


def test_a_public_name_means_one_thing():
    where = defaultdict(set)
    for name, path in NAMES.items():
        for defined in definitions(path):
            if not defined.startswith("_"):
                where[defined].add(name)
    again = {defined: sorted(modules) for defined, modules in where.items() if len(modules) > 1}
    assert {name: modules for name, modules in again.items() if name not in DEFINED_AGAIN} == {}
    assert set(DEFINED_AGAIN) <= set(again), "an exception that is none any more"


@pytest.mark.parametrize("face", ["", *sorted(path.parent.name for path in KITLIB.glob("*/__init__.py"))])
def test_a_face_says_what_it_hands_on(face):
    module = importlib.import_module(f"kitlib.{face}".removesuffix("."))
    # What comes from outside kitlib is for the module's own use.
    names = {name for name in names_in(module)
             if getattr(vars(module)[name], "__module__", "kitlib").startswith("kitlib")}
    assert names <= set(module.__all__) and len(module.__all__) == len(set(module.__all__))
    assert [name for name in module.__all__
            if not hasattr(module, name) and f"{face}.{name}" not in NAMES] == []


def test_nothing_is_imported_inside_a_function():
    inside = [f"{path.name}:{node.lineno}"
              for path in MODULES for function in ast.walk(ast.parse(path.read_text()))
              if isinstance(function, ast.FunctionDef)
              for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert inside == []


@pytest.mark.parametrize("paths", [kl.before, kl.racy, kl.after, cached, after_unlock, no_null_check,
                                   blocking, labels, truncate, migrate, races.migrate_folio_to],
                         ids=lambda paths: paths.__name__)
def test_every_step_of_a_path_is_yielded(paths):
    assert check.steps_not_yielded(inspect.getsource(paths)) == []


@pytest.mark.parametrize("line, says", [
    ("folio_unlock(folio)", "write `yield folio_unlock(...)`"),
    ("if folio_trylock(folio): pass", "write `yield folio_trylock(...)`"),
    ("return isolate_fail_put(folio, 'x')", "write `yield from isolate_fail_put(...)`"),
    ("yield isolate_fail_put(folio, 'x')", "write `yield from isolate_fail_put(...)`"),
    ("x = folio.dirty", "folio.dirty is read past the scheduler"),
    ("x = mapping.flags", "mapping.flags is read past the scheduler"),
    ("x = kl.folio_mapping(folio)", "write `yield folio_mapping(...)`"),
])
def test_a_forgotten_yield_is_found_with_the_line_to_write(line, says):
    findings = check.steps_not_yielded(f"def path(folio, mapping):\n    {line}\n    yield folio_put(folio)\n")
    assert len(findings) == 1
    assert findings[0].startswith("line 2: ")
    assert says in findings[0]


def test_primitives_never_yield_print_or_call_each_other():
    for name in sorted(check.PRIMITIVES):
        act = next(vars(module)[name]
                   for module in (folio, mapping, filemap, races) if name in vars(module)).act
        tree = ast.parse(inspect.getsource(act))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Yield | ast.YieldFrom)], name
        called = {node.func.id for node in ast.walk(tree)
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert not called & (check.PRIMITIVES | {"print"}), name
        assert len(inspect.getsource(act).splitlines()) <= 14, name


def test_the_flat_surface_is_small():
    names = names_in(kl)
    assert 15 <= len(names) <= 36, sorted(names)


def public(body: list):
    """Public functions, classes and methods; a property's setter speaks through its getter."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not any(isinstance(mark, ast.Attribute) and mark.attr == "setter"
                       for mark in node.decorator_list):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def test_public_things_have_docstrings():
    trees = {path.name: ast.parse(path.read_text()) for path in MODULES}
    bare = [(name, node.name) for name, tree in trees.items()
            for node in public(tree.body) if not ast.get_docstring(node)]
    assert bare == []
    assert [name for name, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_modules_stay_small():
    assert [(path.name, n) for path in MODULES if (n := len(path.read_text().splitlines())) > 300] == []


def test_lines_end_at_110_columns():
    paths = [path for kind in ("py", "js", "css") for path in KITLIB.rglob(f"*.{kind}")]
    paths += [*(ROOT / "tests").rglob("*.py"), *ROOT.glob("*.py")]
    long = [(path, line) for path in paths for line in path.read_text().splitlines() if len(line) > 110]
    assert [f"{path.relative_to(ROOT)}: {line}" for path, line in long
            if (path.parent, line.strip()) != (KITLIB / "kernels", IN_THE_GOLDEN_DIFFS)] == []


@pytest.mark.parametrize("module", SUBTLE)
def test_a_subtle_module_has_8_comments_per_100_lines(module):
    with tokenize.open(KITLIB / module) as source:
        comments = sum(token.type == tokenize.COMMENT for token in tokenize.generate_tokens(source.readline))
        source.seek(0)
        lines = sum(bool(line.strip()) for line in source)
    assert 100 * comments >= 8 * lines


@pytest.mark.parametrize("word", [
    "TODO", "FIXME", "NotImplementedError", "print(", str(ROOT), str(Path.home())])
def test_kitlib_is_finished_and_speaks_of_itself_alone(word):
    assert [path.name for path in MODULES if word in path.read_text()] == []
