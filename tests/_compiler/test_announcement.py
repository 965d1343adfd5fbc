import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sknn_opt import MLPRegressor, TabularMLPRegressor
from sknn_opt._compiler import announcement
from sknn_opt._compiler.announcement import announced_if
from sknn_opt._compiler.declarations import Kernel


def _nothing(x):
    x[0] = 0


@pytest.fixture
def as_in_a_new_process(empty_cache, monkeypatch):
    monkeypatch.setattr(announcement, "_is_said", False)


def compile_one(_=None):
    return Kernel(_nothing, "void (real *x)").for_dtype("float64").is_loaded


@pytest.mark.usefixtures("as_in_a_new_process")
def test_it_is_said_once_and_only_where_something_compiles(capsys):
    with announced_if(True):
        assert capsys.readouterr().out == ""
        assert not compile_one()
        assert "Compiling kernels" in capsys.readouterr().out
        Kernel(_nothing, "void (real *x)").for_dtype("float32")
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("as_in_a_new_process")
@pytest.mark.parametrize("verbose", [False, 0])
def test_it_is_not_said_to_who_did_not_ask(capsys, verbose):
    with announced_if(True):
        pass
    with announced_if(verbose):
        assert not compile_one()
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("as_in_a_new_process")
def test_it_is_not_said_where_the_cache_has_all(capsys):
    compile_one()
    with announced_if(True):
        assert compile_one()
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("as_in_a_new_process")
def test_other_threads_compile_for_who_asked(capsys):
    with announced_if(True), ThreadPoolExecutor(1) as pool:
        assert list(pool.map(compile_one, [0])) == [False]
    assert "Compiling kernels" in capsys.readouterr().out


@pytest.mark.parametrize(
    "estimator",
    [
        MLPRegressor((2,), max_iter=1, verbose=True),
        TabularMLPRegressor("fast", n_folds=2, max_time=1e-9, verbose=True),
    ],
    ids=["network", "committee"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_verbose_fits_listen(estimator, monkeypatch):
    heard = []

    class Fit(Exception):
        pass

    def listen(*arguments, **keywords):
        heard.append(announcement._listeners)
        raise Fit

    monkeypatch.setattr("sknn_opt._estimators.base.Fit", listen)
    X = np.arange(80.0).reshape(40, 2)
    for verbose in (True, False):
        with pytest.raises(Fit):
            estimator.set_params(verbose=verbose).fit(X, X[:, 0])
    assert heard[0] > 0
    assert heard[-1] == announcement._listeners == 0


_SILENT_FIT = """
import numpy as np
from sknn_opt import MLPRegressor
MLPRegressor((2,), optimizer="lbfgs", verbose={verbose}).fit(np.eye(3), np.arange(3.0))
"""


@pytest.mark.parametrize("verbose", [True, False])
def test_a_fit_in_a_new_process(tmp_path, monkeypatch, verbose):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    code = _SILENT_FIT.format(verbose=verbose)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("Compiling kernels") == verbose
    assert bool(done.stdout) == verbose
