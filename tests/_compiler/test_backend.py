import errno
import json
import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from sknn_opt import compile as warmup
from sknn_opt._compiler import backend as _numba
from sknn_opt._compiler.declarations import Kernel, address, kernel

DTYPES = ["float64", "float32"]


def _triple(x, n):
    for i in range(n):
        x[i] *= 3


def compile_triple():
    """Compile anew or load from the cache; return the result for 1 and whether it was loaded."""
    fresh = Kernel(_triple, "void (real *x, int64 n)")
    x = np.ones(1)
    fresh("float64", address(x), 1)
    return x[0], bool(fresh.for_dtype("float64").owner.cache_hits)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def only_file(folder, extension):
    (file,) = folder.rglob(f"*.{extension}")
    return file


def test_a_kernel_is_cached(cache):
    assert compile_triple() == (3.0, False)
    assert compile_triple() == (3.0, True)


def test_other_sources_have_other_entries(cache, monkeypatch):
    compile_triple()
    with monkeypatch.context() as other:
        other.setattr(_numba, "sources_digest", lambda: "another version")
        assert compile_triple() == (3.0, False)
        assert compile_triple() == (3.0, True)
    assert compile_triple() == (3.0, True)


def _flip(where):
    def damage(content):
        i = int(where * len(content))
        return content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :]

    return damage


DAMAGES = {
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "half": lambda content: content[: len(content) // 2],
    "last byte lost": lambda content: content[:-1],
    "text": lambda content: b"not a pickle",
    "unknown module": lambda content: b"cno_such_module\nname\n.",
    "another object": lambda content: b"\x80\x04K\x01.",
    **{f"flipped at {where}": _flip(where) for where in (0.05, 0.3, 0.5, 0.7, 0.95)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("extension", ["nbi", "nbc"])
def test_damaged_files_are_compiled_again(cache, extension, damage):
    compile_triple()
    file = only_file(cache, extension)
    file.write_bytes(damage(file.read_bytes()))
    assert compile_triple() == (3.0, False)
    assert compile_triple() == (3.0, True)


def test_a_missing_data_file_is_compiled_again(cache):
    compile_triple()
    only_file(cache, "nbc").unlink()
    assert compile_triple() == (3.0, False)
    assert compile_triple() == (3.0, True)


def fail_to_write(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("extension", ["nbi", "nbc"])
def test_a_full_disk_costs_time_only(cache, monkeypatch, extension):
    compile_triple()
    file = only_file(cache, extension)
    file.write_bytes(b"damaged")
    monkeypatch.setattr(numba.core.caching.IndexDataCacheFile, "_open_for_write", fail_to_write)
    assert compile_triple() == (3.0, False)
    assert file.read_bytes() == b"damaged"


def test_the_data_file_of_other_sources_is_not_loaded(cache, monkeypatch):
    # As after an upgrade on a full disk: a new index, the old machine code.
    with monkeypatch.context() as other:
        other.setattr(_numba, "sources_digest", lambda: "another version")
        compile_triple()
    old = only_file(cache, "nbc")
    machine_code = old.read_bytes()
    only_file(cache, "nbi").unlink()
    compile_triple()
    old.write_bytes(machine_code)
    assert compile_triple() == (3.0, False)


def object_code(machine):
    """What the cache holds of a kernel: its object code, which names what it links to."""
    owner = machine.owner
    key = owner._cache._index_key(owner._sig, owner._targetdescr.target_context.codegen())
    _, code = owner._cache._cache_file.load(key)
    return code


@pytest.mark.parametrize("tested", warmup.kernels(), ids=lambda kernel: kernel.function.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_kernel_needs_the_runtime_of_numba(dtype, tested):
    # Kernels are loaded without numba's initialisation: reference counting would crash.
    code = object_code(tested.for_dtype(dtype))
    assert tested.function.__name__.encode() in code
    assert b"NRT_" not in code


def test_that_the_runtime_of_numba_would_be_seen(cache):
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
    "_network.inputs", "_network.passes", "_training.epoch", "_training.penalties", "activations",
    "losses.classification", "optimizers.adam", "optimizers.base",
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
    "dropout": ["_network.dropout", "_training.epoch"],
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
