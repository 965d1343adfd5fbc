import json
import os
import subprocess
import sys

import pytest
from numba.core import caching

import sknn_opt
from sknn_opt import warmup
from sknn_opt._kernel import Kernel
from sknn_opt._loss import Form
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS


def _double(x, n):
    for i in range(n):
        x[i] *= 2


def _halve(x, n):
    for i in range(n):
        x[i] *= 0.5


@pytest.fixture
def two_kernels(empty_cache, monkeypatch):
    """In place of all, each time as in a new process; with an empty cache folder."""
    monkeypatch.setattr(
        warmup,
        "kernels",
        lambda: [Kernel(function, "void (real *x, int64 n)") for function in (_double, _halve)],
    )
    return empty_cache


@pytest.mark.parametrize(
    ("arguments", "dtypes"),
    [
        ([], {"float64", "float32"}),
        (["--dtype", "both"], {"float64", "float32"}),
        (["--dtype", "float64"], {"float64"}),
        (["--dtype", "float32"], {"float32"}),
    ],
)
def test_what_is_not_cached_is_compiled(two_kernels, capsys, arguments, dtypes):
    n = 2 * len(dtypes)
    assert warmup.main(arguments) == 0
    assert f"{n} kernels compiled, 0 loaded" in capsys.readouterr().out
    files = [file.name for file in two_kernels.rglob("*.sknn")]
    assert len(files) == n
    assert all(any(dtype in name for dtype in dtypes) for name in files)
    assert warmup.main(arguments) == 0
    assert f"0 kernels compiled, {n} loaded" in capsys.readouterr().out


def test_without_a_folder_there_is_an_error(two_kernels, capsys, monkeypatch):
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    assert warmup.main([]) == 1
    assert "set NUMBA_CACHE_DIR" in capsys.readouterr().err


def test_unknown_types_are_refused(capsys):
    with pytest.raises(SystemExit):
        warmup.main(["--dtype", "float16"])
    assert "float16" in capsys.readouterr().err


def kernels_of(cls):
    """The kernels that a component's attributes hold, directly or in a `Form`."""
    for name in dir(cls):
        value = getattr(cls, name)
        for form in value.values() if isinstance(value, dict) else [value]:
            parts = form if isinstance(form, Form) else [form]
            yield from (part for part in parts if isinstance(part, Kernel))


COMPONENTS = {
    cls.__name__: cls
    for registry in (ACTIVATIONS, CLASSIFIER_LOSSES, REGRESSOR_LOSSES, NORMALIZATIONS, OPTIMIZERS)
    for cls in registry.values()
}


@pytest.mark.parametrize("cls", COMPONENTS.values(), ids=COMPONENTS)
def test_every_component_is_included(cls):
    assert set(kernels_of(cls)) <= set(warmup.kernels())


def test_components_have_kernels():
    assert len({kernel for cls in COMPONENTS.values() for kernel in kernels_of(cls)}) > 60


def test_sub_packages_are_included(tmp_path, monkeypatch):
    folder = tmp_path / "temporary" / "deeper"
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").write_text("")
    (folder / "part.py").write_text(
        "from sknn_opt._kernel import kernel\n\n"
        "@kernel('void (real *x)')\ndef _deep(x):\n    x[0] = 1\n"
    )
    monkeypatch.setattr(sknn_opt, "__path__", [*sknn_opt.__path__, str(tmp_path)])
    names = {kernel.function.__name__ for kernel in warmup.kernels()}
    for name in [name for name in sys.modules if name.startswith("sknn_opt.temporary")]:
        del sys.modules[name]
    del sknn_opt.temporary
    assert "_deep" in names


AFTER = """
import json
import sys
import warnings

import numpy as np
from numba.core import event
from scipy import sparse

from sknn_opt import MLPClassifier, MLPRegressor, _numba, warmup
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS

warnings.simplefilter("ignore")
warmup.main()


class Compiled(event.Listener):
    names = []

    def on_start(self, start):
        self.names.append(start.data["name"])

    def on_end(self, end):
        pass


event.register("numba:run_pass", Compiled())
X = np.random.default_rng(0).normal(size=(12, 3))
y = np.arange(12) % 3
fits = [
    *((MLPRegressor, {"activation": name}) for name in ACTIVATIONS),
    *((MLPRegressor, {"optimizer": name}) for name in OPTIMIZERS),
    *((MLPRegressor, {"loss": name}) for name in REGRESSOR_LOSSES),
    *((MLPClassifier, {"loss": name}) for name in CLASSIFIER_LOSSES),
    *((MLPRegressor, {"normalization": name, "residual": True}) for name in NORMALIZATIONS),
    *((MLPRegressor, {"optimizer": "newton-cg", "activation": name}) for name in ACTIVATIONS),
    (MLPRegressor, {"dropout": 0.5, "input_dropout": 0.5, "l1_ratio": 0.5}),
    (MLPRegressor, {"clip_norm": 1.0, "max_norm": 1.0, "early_stopping": True}),
]
for cls, parameters in fits:
    for dtype in ("float64", "float32"):
        for data in (X, sparse.csr_matrix(X)):
            model = cls(4, max_iter=1, dtype=dtype, validation_fraction=0.5, **parameters)
            model.fit(data, y + 1).predict(data)
compiled = Compiled.names.copy()
seen = ACTIVATIONS["tanh"]._forward
_numba.callback(seen.function, seen.prototype, np.dtype("float64"), on_disk=False)
print(json.dumps([compiled, len(Compiled.names) > 0]))
"""


def test_after_it_no_fit_compiles():
    done = subprocess.run(
        [sys.executable, "-c", AFTER], env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], True]
