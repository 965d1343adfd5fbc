"""Imports go one way: from the compiler up to what stands on the estimators, and never round."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sknn_opt

PACKAGE = Path(sknn_opt.__file__).parent

#: From the ground up: a module imports from its own floor and from those below.
FLOORS = [
    ["_containers", "_documentation_link", "_signals", "_warnings"],
    ["_compiler", "kernels"],
    ["_components"],
    [
        "activations",
        "averaging",
        "batches",
        "initializers",
        "losses",
        "normalizations",
        "optimizers",
        "schedules",
    ],
    ["_network"],
    ["_training"],
    ["_estimators", "estimators", "callbacks"],
    ["inspection"],
    ["preprocessing"],
    # The package itself shows the estimators.
    ["_ensembles", "_trust", "ensemble", "tabular", ""],
    ["_distributed", "compile", "compression", "dask"],
    ["_onnx", "onnx"],
]


def module_name(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in PACKAGE.rglob("*.py")}


def all_imports(name):
    """Yield the absolute names that a module imports anywhere in it, in functions too."""
    file = MODULES[name]
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    package = ["sknn_opt", *filter(None, package)]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def own_imports(name):
    """The package's modules that a module imports."""
    found = set()
    for imported in all_imports(name):
        top, _, inner = imported.partition(".")
        if top == "sknn_opt":
            found.add(inner if inner in MODULES else inner.rpartition(".")[0])
    return found - {name}


def place(name):
    """The floor of a module, and the room on it."""
    room = name.partition(".")[0]
    return next((floor, room) for floor, rooms in enumerate(FLOORS) if room in rooms)


def test_the_imports_are_read():
    assert "_compiler.once" in own_imports("_compiler.declarations")
    assert "_compiler.backend" in own_imports("_compiler.declarations")  # in a function
    assert "losses.base" in own_imports("losses")
    assert "_components" in own_imports("optimizers.adam")
    assert {"ensemble", "estimators"} <= own_imports("")


def test_every_module_has_a_floor():
    assert {place(name)[1] for name in MODULES} == {room for floor in FLOORS for room in floor}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_import_from_below_only(name):
    for imported in own_imports(name):
        assert place(imported)[0] <= place(name)[0], imported


def test_components_do_not_import_one_another():
    components = FLOORS[3]
    for name in MODULES:
        room = place(name)[1]
        if room in components:
            others = {place(imported)[1] for imported in own_imports(name)}
            assert not others & (set(components) - {room}), name


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: own_imports(name) for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_compiler_alone_knows_numba(name):
    if place(name)[1] != "_compiler":
        tops = {imported.partition(".")[0] for imported in all_imports(name)}
        assert not tops & {"numba", "llvmlite"}


def test_the_package_imports_no_compiler():
    code = "import sys, sknn_opt, sknn_opt.kernels; print({'numba', 'llvmlite'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
