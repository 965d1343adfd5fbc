"""examples/quickstart.py runs, on a reduced grid, without a warning."""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("one_blas_thread")

QUICKSTART = runpy.run_path(
    str(Path(__file__).parents[1] / "examples" / "quickstart.py"), run_name="quickstart"
)


def _reduced(grid):
    """One candidate an optimizer: the last value of each list."""
    return [{name: values[-1:] for name, values in part.items()} for part in grid]


def test_main(capsys):
    grid = _reduced(QUICKSTART["GRID"])
    best, accuracy = QUICKSTART["main"](grid, n_jobs=1)
    assert accuracy > 0.94
    assert best[-1].n_iter_ < best[-1].max_iter

    output = capsys.readouterr().out
    assert f"{accuracy:.3f}" in output
    table = [line.split() for line in output.splitlines() if line.lstrip()[:1].isdigit()]
    assert {row[1] for row in table} == {"sgd", "adam", "lbfgs"}
    assert "equal predictions" in output
    assert "scikit-learn" in output


def test_grid_searches_what_the_issue_asks_for():
    searched = {name for part in QUICKSTART["GRID"] for name, v in part.items() if len(v) > 1}
    assert {part["optimizer"][0] for part in QUICKSTART["GRID"]} == {"sgd", "adam", "lbfgs"}
    assert searched >= {"activation", "alpha", "l1_ratio", "batch_size"}
