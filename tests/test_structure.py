"""The architecture holds: imports point down, paths yield, nothing heavy comes in by itself."""
import ast
import inspect
from pathlib import Path

import pytest

import kitlib as kl
from kitlib import check, filemap, folio, mapping, races, truncate
from kitlib.kernels import after_unlock, blocking, cached, labels, no_null_check

ROOT = Path(__file__).parent.parent
KITLIB = ROOT / "kitlib"
FLOORS = [
    {"step", "verdict"},
    {"folio", "mapping", "filemap", "zone", "allocator", "sched"},
    {"kernels"},
    {"control", "look", "isolate", "freepages", "move", "migrate", "compaction", "truncate", "tree", "scan", "automaton", "graph",
     "explore", "promela"},
    {"races", "scenarios", "schema", "snapshot", "rules", "frames", "recordings", "experiments",
     "progress"},
    {"plots", "check"},
    {"widgets", "handouts", "publish"},
]
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}
MODULES = sorted(path for path in KITLIB.rglob("*.py") if path != KITLIB / "__init__.py")
NUMPY_FROM, PANDAS_FROM, PLOTS_FROM, WIDGETS_FROM = 4, 4, 5, 6


def top(path: Path) -> str:
    """The floor's name for a file: kernels/after.py belongs to kernels."""
    relative = path.relative_to(KITLIB)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path):
    """(module of ours, what it imports) with what is imported resolved to a floor's name or an outside package."""
    package = path.relative_to(KITLIB).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1]
            for alias in node.names:
                yield (*base, *(node.module or alias.name).split("."))[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(KITLIB)))
def test_no_module_imports_a_higher_floor(path):
    higher = [name for name in imports(path) if name in FLOOR and FLOOR[name] > FLOOR[top(path)]]
    assert higher == []


def test_every_module_has_a_floor():
    assert {top(path) for path in MODULES} <= set(FLOOR)


def test_no_circles_between_modules():
    below = {name: {other for path in MODULES if top(path) == name for other in imports(path) if other in FLOOR and other != name}
             for name in FLOOR}
    while below:
        ready = [name for name, others in below.items() if not others & set(below)]
        assert ready, f"a circle among {sorted(below)}"
        for name in ready:
            del below[name]


@pytest.mark.parametrize("package, floor, exceptions", [
    ("numpy", NUMPY_FROM, {"scan"}), ("pandas", PANDAS_FROM, set()), ("matplotlib", PLOTS_FROM, set()), ("PIL", PLOTS_FROM, set()),
    ("ipywidgets", WIDGETS_FROM, set()), ("anywidget", WIDGETS_FROM, set()), ("nbformat", WIDGETS_FROM, set())])
def test_heavy_packages_stay_on_their_floor(package, floor, exceptions):
    users = {top(path) for path in MODULES if package in imports(path)} - exceptions
    assert all(FLOOR[user] >= floor for user in users), users


def test_nothing_is_imported_inside_a_function():
    inside = [f"{path.name}:{node.lineno}" for path in MODULES for function in ast.walk(ast.parse(path.read_text()))
              if isinstance(function, ast.FunctionDef) for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert inside == []


@pytest.mark.parametrize("paths", [kl.before, kl.racy, kl.after, cached, after_unlock, no_null_check, blocking, labels, truncate,
                                   races.migrate_folio_to], ids=lambda paths: paths.__name__)
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
        act = next(vars(module)[name] for module in (folio, mapping, filemap, races) if name in vars(module)).act
        tree = ast.parse(inspect.getsource(act))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Yield | ast.YieldFrom)], name
        called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert not called & (check.PRIMITIVES | {"print"}), name
        assert len(inspect.getsource(act).splitlines()) <= 14, name


def test_the_flat_surface_is_small():
    names = [name for name, value in vars(kl).items() if not name.startswith("_") and not inspect.ismodule(value)]
    assert 15 <= len(names) <= 36, sorted(names)


def public(body: list):
    """Public functions, classes and methods; a property's setter speaks through its getter."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not any(isinstance(mark, ast.Attribute) and mark.attr == "setter" for mark in node.decorator_list):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def test_public_things_have_docstrings():
    trees = {path.name: ast.parse(path.read_text()) for path in MODULES}
    bare = [(name, node.name) for name, tree in trees.items() for node in public(tree.body) if not ast.get_docstring(node)]
    assert bare == []
    assert [name for name, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_modules_stay_small():
    assert [(path.name, n) for path in MODULES if (n := len(path.read_text().splitlines())) > 300] == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "NotImplementedError", "print(", str(ROOT), str(Path.home())])
def test_kitlib_is_finished_and_speaks_of_itself_alone(word):
    assert [path.name for path in MODULES if word in path.read_text()] == []
