import json
import os
import subprocess
import sys

import numpy as np
import pytest

from sknn_opt import compile as warmup
from sknn_opt._compiler.declarations import kernel

DTYPES = ["float64", "float32"]


def object_code(machine):
    """What the cache holds of a kernel: its object code, which names what it links to."""
    _, (_, kind, (code, _)) = machine.entry.load()
    assert kind == "object"
    return code


@pytest.mark.parametrize("tested", warmup.kernels(), ids=lambda kernel: kernel.function.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_kernel_needs_the_runtime_of_numba(dtype, tested):
    # Kernels are loaded without numba's initialisation: reference counting would crash.
    code = object_code(tested.for_dtype(dtype))
    assert tested.function.__name__.encode() in code
    assert b"NRT_" not in code


def test_that_the_runtime_of_numba_would_be_seen(empty_cache):
    @kernel("double (int64 n)")
    def allocates(n):
        return np.ones(n).sum()

    assert b"NRT_" in object_code(allocates.for_dtype("float64"))


CONFIGURATIONS = """
import json
import warnings

import numpy as np
from numba.core import event
from scipy import sparse

from sknn_opt import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore")


class Compiled(event.Listener):
    modules = []

    def on_start(self, start):
        module = start.data["module"]
        if "native_lowering" in start.data["name"] and module.startswith("sknn_opt."):
            self.modules.append(module.removeprefix("sknn_opt."))

    def on_end(self, end):
        pass


event.register("numba:run_pass", Compiled())
X = np.random.default_rng(0).normal(size=(12, 3))
y = np.arange(12) % 3


def modules(cls, X=X, **parameters):
    Compiled.modules.clear()
    estimator = cls(**{"hidden_layer_sizes": 4, "max_iter": 1, "batch_size": 5, **parameters})
    estimator.fit(X, y).predict(X)
    return sorted(set(Compiled.modules))


print(json.dumps({
    "first": modules(MLPClassifier),
    "again": modules(MLPClassifier),
    "depth": modules(MLPClassifier, hidden_layer_sizes=(3, 2, 5)),
    "linear": modules(MLPClassifier, hidden_layer_sizes=()),
    "activation": modules(MLPClassifier, activation="tanh"),
    "optimizer": modules(MLPClassifier, optimizer="sgd"),
    "parameters": modules(MLPClassifier, beta_1=0.5, alpha=1.0, tol=0.1, batch_size=4),
    "l1": modules(MLPClassifier, l1_ratio=0.5),
    "max_norm": modules(MLPClassifier, max_norm=1.0),
    "clipping": modules(MLPClassifier, clip_norm=1.0),
    "dropout": modules(MLPClassifier, dropout=0.5),
    "mixup": modules(MLPClassifier, mixup=0.5),
    "input_dropout": modules(MLPClassifier, input_dropout=0.5),
    "schedule": modules(MLPClassifier, learning_rate="invscaling"),
    "loss": modules(MLPRegressor),
    "full batch": modules(MLPRegressor, optimizer="lbfgs"),
    "input": modules(MLPRegressor, X=sparse.csr_matrix(X)),
    "fortran": modules(MLPRegressor, X=np.asfortranarray(X)),
    "validation": modules(MLPRegressor, early_stopping=True, validation_fraction=0.5),
    "dtype": modules(MLPRegressor, dtype="float32"),
}))
"""

ENGINE = [
    "_compiler.linear_algebra", "_network.inputs", "_network.passes", "_training.epoch",
    "_training.penalties", "activations", "losses.classification", "optimizers.adam",
    "optimizers.base",
]  # fmt: skip
COMPILED = {
    "first": sorted(["_compiler.elementary", *ENGINE]),  # softmax needs exp
    "again": [],
    "depth": [],
    "linear": [],
    "activation": ["_compiler.elementary", "activations"],
    "optimizer": ["optimizers.base", "optimizers.gradient"],
    "parameters": [],
    "l1": ["optimizers.base"],
    "max_norm": ["_training.epoch", "_training.penalties"],
    "clipping": ["_training.epoch"],
    "dropout": ["_network.dropout", "_network.random_stream", "_training.epoch"],
    "mixup": [
        "_network.inputs",
        "_network.mixture",
        "_network.passes",
        "_network.random_stream",
        "_training.epoch",
        "losses.classification",
    ],
    "input_dropout": [],
    "schedule": [],
    "loss": ["losses.base", "losses.classification"],
    "full batch": [],
    "input": ["_network.inputs"],
    "fortran": [],
    "validation": [],
    "dtype": sorted(["losses.base", *ENGINE]),
}


def test_one_specialisation_a_dtype(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CONFIGURATIONS],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == COMPILED
