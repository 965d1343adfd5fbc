"""Code in docstrings and pages that need more libraries runs."""

import doctest
import importlib
import pkgutil
import runpy
from pathlib import Path

import extras
import pytest

import sknn_opt
from sknn_opt.compile import WITH_EXTRAS

DOCS = Path(__file__).parents[2] / "docs"
MODULES = [
    module.name
    for module in pkgutil.walk_packages(sknn_opt.__path__, "sknn_opt.")
    if module.name.startswith(WITH_EXTRAS)
]


def run(test):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report = []
    runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


# Other libraries warn of what they do themselves, MLflow also when it is imported.
of_others = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@of_others
@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    for test in doctest.DocTestFinder().find(importlib.import_module(name), name):
        run(test)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_example_of_a_cluster():
    path = DOCS.parent / "examples" / "dask_cluster.py"
    is_same, difference = runpy.run_path(str(path))["main"]()
    assert is_same
    assert difference < 1e-9


@of_others
@pytest.mark.parametrize("page", extras.PAGES)
def test_examples_in_the_user_guide(page):
    path = DOCS / f"{page}.rst"
    run(doctest.DocTestParser().get_doctest(path.read_text("utf-8"), {}, page, str(path), 0))
