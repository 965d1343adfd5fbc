import inspect
import json
import os
import subprocess
import sys

import pytest
from numba.core import caching

import sknn_opt
from sknn_opt import compile as ahead
from sknn_opt._compiler.declarations import Kernel
from sknn_opt._components import Rule
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
        ahead,
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
    assert ahead.main(arguments) == 0
    assert f"{n} kernels compiled, 0 loaded" in capsys.readouterr().out
    files = [file.name for file in two_kernels.rglob("*.sknn")]
    assert len(files) == n
    assert all(any(dtype in name for dtype in dtypes) for name in files)
    assert ahead.main(arguments) == 0
    assert f"0 kernels compiled, {n} loaded" in capsys.readouterr().out


def test_without_a_folder_there_is_an_error(two_kernels, capsys, monkeypatch):
    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    assert ahead.main([]) == 1
    assert "set NUMBA_CACHE_DIR" in capsys.readouterr().err


def test_unknown_types_are_refused(capsys):
    with pytest.raises(SystemExit):
        ahead.main(["--dtype", "float16"])
    assert "float16" in capsys.readouterr().err


def kernels_of(cls):
    """The kernels that a component's attributes hold, directly or made from a `Rule`."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        for one in value.values() if isinstance(value, dict) else [value]:
            parts = one.kernels(cls._kernel_parameters) if isinstance(one, Rule) else [one]
            yield from (part for part in parts if isinstance(part, Kernel))


COMPONENTS = {
    cls.__name__: cls
    for registry in (ACTIVATIONS, CLASSIFIER_LOSSES, REGRESSOR_LOSSES, NORMALIZATIONS, OPTIMIZERS)
    for cls in registry.values()
}


@pytest.mark.parametrize("cls", COMPONENTS.values(), ids=COMPONENTS)
def test_every_component_is_included(cls):
    assert set(kernels_of(cls)) <= set(ahead.kernels())


def test_components_have_kernels():
    assert len({kernel for cls in COMPONENTS.values() for kernel in kernels_of(cls)}) > 60


def test_sub_packages_are_included(tmp_path, monkeypatch):
    folder = tmp_path / "temporary" / "deeper"
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").write_text("")
    (folder / "part.py").write_text(
        "from sknn_opt.kernels import kernel\n\n"
        "@kernel('void (real *x)')\ndef _deep(x):\n    x[0] = 1\n"
    )
    monkeypatch.setattr(sknn_opt, "__path__", [*sknn_opt.__path__, str(tmp_path)])
    names = {kernel.function.__name__ for kernel in ahead.kernels()}
    for name in [name for name in sys.modules if name.startswith("sknn_opt.temporary")]:
        del sys.modules[name]
    del sknn_opt.temporary
    assert "_deep" in names


AFTER = """
import json
import warnings

import numpy as np
from scipy import sparse

from sknn_opt import MLPClassifier, MLPRegressor, compile
from sknn_opt._compiler import declarations
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.averaging import AVERAGINGS
from sknn_opt.batches import GrowingBatch
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Quantile
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder

warnings.simplefilter("ignore")
compile.main()


made = []
make = declarations.Kernel._make


def record(kernel, dtype):
    made.append(kernel.function.__qualname__)
    return make(kernel, dtype)


declarations.Kernel._make = record
X = np.random.default_rng(0).normal(size=(12, 3))
y = np.arange(12) % 3
several = np.stack([y, y > 0], axis=1)
newton = {"optimizer": "trust-ncg"}
fits = [
    *((MLPRegressor, y, {"activation": name}) for name in ACTIVATIONS),
    *((MLPRegressor, y, {"optimizer": name}) for name in OPTIMIZERS),
    *((MLPRegressor, y, {"optimizer": name, "l1_ratio": 0.5, "clip_norm": 1.0})
      for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)),
    *((MLPRegressor, y, {"loss": name}) for name in [*REGRESSOR_LOSSES, Quantile([0.1, 0.9])]),
    *((MLPClassifier, target, {"loss": name})
      for name in CLASSIFIER_LOSSES for target in (y, y > 0, several > 0)),
    *((MLPRegressor, y, {"normalization": name, "residual": True, **more})
      for name in NORMALIZATIONS
      for more in ({}, newton, {"dropout": 0.5, "averaging": "ema"})),
    *((MLPRegressor, y, {"optimizer": "newton-cg", "activation": name}) for name in ACTIVATIONS),
    *((MLPClassifier, target, {**newton, "loss": name})
      for name in CLASSIFIER_LOSSES for target in (y, y > 0, several > 0)),
    *((MLPRegressor, y, {**newton, "loss": name}) for name in REGRESSOR_LOSSES),
    *((MLPRegressor, y, {"averaging": name, "max_iter": 3}) for name in AVERAGINGS),
    (MLPRegressor, several, {"dropout": 0.5, "input_dropout": 0.5, "l1_ratio": 0.5}),
    (MLPRegressor, y, {"input_noise": 0.1}),
    *((MLPClassifier, target, {"mixup": 0.4, "loss": name})
      for name in ("log_loss", "squared_error", "focal") for target in (y, y > 0, several > 0)),
    (MLPRegressor, y, {"optimizer": "lbfgs", "l1_ratio": 0.5, "n_jobs": 2}),
    (MLPRegressor, y, {"clip_norm": 1.0, "max_norm": 1.0, "early_stopping": True}),
    (MLPRegressor, y, {"clip_value": 1.0, "batch_size": GrowingBatch(), "warmup": 2}),
    (MLPRegressor, y, {"batch_size": 12, "hidden_layer_sizes": ()}),
    (MLPClassifier, y, {"label_smoothing": 0.1, "class_weight": "balanced"}),
]
trained = refused = 0
for cls, target, parameters in fits:
    for dtype in ("float64", "float32"):
        for data in (X, sparse.csr_matrix(X)):
            defaults = {"hidden_layer_sizes": 3, "max_iter": 1, "validation_fraction": 0.5}
            model = cls(**{**defaults, "dtype": dtype, **parameters})
            shifted = target + 1 if cls is MLPRegressor else target
            try:
                model.fit(data, shifted).predict(data)
                trained += 1
            except ValueError:  # what does not go together
                refused += 1
by_fits = made.copy()
seen = ACTIVATIONS["tanh"]().kernels().forward
declarations.Kernel(seen.function, seen.prototype).for_dtype("float64")
print(json.dumps([by_fits, len(made) > len(by_fits), trained, refused]))
"""


def test_after_it_no_fit_compiles_or_loads():
    done = subprocess.run(
        [sys.executable, "-c", AFTER], env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    by_fits, would_be_seen, trained, refused = json.loads(done.stdout.splitlines()[-1])
    assert by_fits == []
    assert would_be_seen
    assert trained > 10 * refused
