"""The programs in tools/: that they run, and that they see the faults that they are for."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.initializers import Zeros
from sknn_opt.schedules import InvScaling

TOOLS = Path(__file__).parents[1] / "tools"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the tools need fork")


@pytest.fixture
def tool(monkeypatch):
    """Import a module of the tools."""
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module


def run(*command):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(TOOLS)])}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_determines_the_case(tool, seed):
    drawing, same = tool("drawing"), tool("checking").same
    first, second = drawing.draw(seed), drawing.draw(seed)
    assert str(first) == str(second)
    assert same(vars(first.data), vars(second.data))


def test_a_case_does_not_depend_on_those_before_it(tool):
    draw = tool("drawing").draw
    assert [str(draw(seed)) for seed in range(200)] == [str(draw(seed)) for seed in range(200)]


def test_every_keyword_and_component_is_drawn(tool):
    drawing = tool("drawing")
    names, optimizers = set(), set()
    for seed in range(1500):
        parameters = drawing.draw(seed).parameters
        names |= parameters.keys()
        chosen = parameters.get("optimizer")
        optimizers.add(chosen if isinstance(chosen, str) else type(chosen))
    assert names == {*MLPClassifier().get_params(), *MLPRegressor().get_params()}
    assert optimizers >= {*drawing.OPTIMIZERS, *drawing.OPTIMIZERS.values()}


class Healthy(MLPRegressor):
    pass


class RaisesFromWithin(MLPRegressor):
    def fit(self, *arguments, **keywords):
        return np.zeros(3) + np.zeros(4)


class ChangesBeforeItFails(MLPRegressor):
    def fit(self, *arguments, **keywords):
        self.seen_ = True
        return super().fit([[np.nan]], [1.0])


class ChangesItsParameters(MLPRegressor):
    def fit(self, *arguments, **keywords):
        super().fit(*arguments, **keywords)
        self.alpha = 2.0
        return self


class ChangesItsArguments(MLPRegressor):
    def fit(self, X, *arguments, **keywords):
        super().fit(X, *arguments, **keywords)
        X[0] = 7.0
        return self


class DependsOnMore(MLPRegressor):
    calls = 0

    def fit(self, *arguments, **keywords):
        super().fit(*arguments, **keywords)
        type(self).calls += 1
        self.coefs_[0] = self.coefs_[0] + self.calls
        return self


class WarnsOnPurpose(MLPRegressor):
    def predict(self, X):
        rates = MLPRegressor((), loss="poisson", max_iter=1).fit([[0.0]], [1.0])
        rates.intercepts_ = [np.array([1e4])]
        rates.predict([[0.0]])
        return super().predict(X)


class WarnsFromWithin(MLPRegressor):
    def predict(self, X):
        InvScaling(2.0)(-1.0, 1)  # NumPy divides by 0
        return super().predict(X)


class PredictsNaN(MLPRegressor):
    def predict(self, X):
        return np.full(len(X), np.nan)


class IsUncertain(MLPClassifier):
    def predict_proba(self, X):
        return 0.9 * super().predict_proba(X)


FAULTS = {
    Healthy: None,
    RaisesFromWithin: "ValueError at",
    ChangesBeforeItFails: "changed by a failed fit: seen_",
    ChangesItsParameters: "parameters changed by fit: alpha",
    ChangesItsArguments: "fit changed its arguments",
    DependsOnMore: "another model from the same seed",
    WarnsOnPurpose: None,
    WarnsFromWithin: "RuntimeWarning at schedules.py:",
    PredictsNaN: "not finite, without a warning that says so: predict",
    IsUncertain: "predict_log_proba contradicts predict_proba",
}


@pytest.mark.parametrize("cls", FAULTS, ids=lambda cls: cls.__name__)
def test_faults_are_seen(tool, cls):
    drawing, checking = tool("drawing"), tool("checking")
    X = np.random.default_rng(0).normal(size=(12, 2))
    data = drawing.Data(X, (X[:, 0] > 0).astype(float))
    parameters = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
    case = drawing.Case(0, cls, parameters, data, ("predict", "same_seed", "pickle"))
    kind = checking.run(case).kind
    assert kind is None if FAULTS[cls] is None else kind.startswith(FAULTS[cls])


def test_broken_input_that_is_accepted_is_seen(tool):
    drawing, checking = tool("drawing"), tool("checking")
    data = drawing.Data(np.eye(3), np.ones(3), broken="a label")
    case = drawing.Case(0, MLPRegressor, {"max_iter": 1, "random_state": 0}, data, ())
    assert checking.run(case).kind == "fit accepts what is broken: a label"


@pytest.mark.parametrize(
    ("raises", "expected"),
    [
        (lambda: MLPRegressor().fit([[np.nan]], [1.0]), True),
        (lambda: MLPRegressor(batch_size="many").fit([[1.0]], [1.0]), True),
        (lambda: MLPRegressor((2,), dropout=[0.5, 0.5]).fit([[1.0]], [1.0]), True),
        (lambda: MLPRegressor().predict([[1.0]]), True),
        (lambda: np.zeros(1) + np.zeros((2, 3)) @ np.zeros(2), False),
        (lambda: Zeros().draw(-1, 2, None, None), False),
        (lambda: {}["key"], False),
    ],
)
def test_refusals_are_told_from_accidents(tool, raises, expected):
    with pytest.raises((ValueError, AttributeError, KeyError)) as caught:
        raises()
    assert tool("checking").is_refusal(caught.value) is expected


CRASH = """
import ctypes

import children
from checking import Outcome


def run_seed(seed):
    return ctypes.string_at(0) if seed == 5 else Outcome(seed)


children.run_seed = run_seed
if __name__ == "__main__":
    children.report(start=3, seconds=60, count=4)
"""


def test_a_crash_names_its_seed(tmp_path):
    script = tmp_path / "crash.py"
    script.write_text(CRASH)
    done = run(script)
    assert "FAILURE, seed 5\n" in done.stdout, done.stderr
    assert "1 x SIGSEGV" in done.stdout
    assert "4 configurations from seed 3 on, 0 fits, 0 refused, 1 failures" in done.stdout


def test_a_few_cases():
    done = run(TOOLS / "fuzz.py", "--count", 5, "--seconds", 100)
    assert "5 configurations from seed 0 on" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


WRITE = """
import ctypes
import sys

import numpy as np
from allocator import Guard, build

folder, mode, size, offset = sys.argv[1:]
guard = Guard(build(folder), mode)
guard.install()
array = np.empty(int(size), np.uint8)
assert np.isnan(np.empty(3)).all()
assert np.isnan(np.empty(3, np.float32)).all()
ctypes.memset(array.ctypes.data + int(offset), 1, 1)
del array
print(guard.n_damaged)
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.parametrize(
    ("mode", "size", "offset", "n_damaged"),
    [
        ("end", 24, 23, 0),
        ("end", 24, 24, None),
        ("end", 24, -1, 1),
        ("end", 5000, 5000, None),
        ("start", 24, 0, 0),
        ("start", 24, -1, None),
        ("start", 24, 24, 1),
    ],
)
def test_guarded_buffers(tmp_path, mode, size, offset, n_damaged):
    script = tmp_path / "write.py"
    script.write_text(f"import sys\nsys.path.append({str(TOOLS / 'guard')!r})\n{WRITE}")
    done = run(script, tmp_path, mode, size, offset)
    if n_damaged is None:
        assert done.returncode == -signal.SIGSEGV
    else:
        assert done.stdout.split() == [str(n_damaged)], done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_few_guarded_cases():
    done = run(TOOLS / "guard" / "run.py", "--count", 3, "--seconds", 100)
    assert "3 configurations from seed 0 on" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_driver_of_interrupts_starts():
    done = run(TOOLS / "interrupts.py", "--seconds", 0.1)
    assert "0 failures" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_driver_of_kills_starts():
    pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")
    done = run(TOOLS / "kills.py", "--seconds", 0.1)
    assert "0 failures" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
