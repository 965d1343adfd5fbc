import importlib
import os
import signal
import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest
from numba.core import event

from sknn_opt._compiler import backend, once
from sknn_opt._compiler.declarations import (
    Call,
    Intrinsic,
    address,
    at,
    bits_to_real,
    doubles,
    inline,
    inline_exactly,
    int32s,
    int64s,
    kernel,
    offset,
    real,
    reals,
    struct,
)
from sknn_opt.activations import Logistic

DTYPES = ["float64", "float32"]

PAIR = struct("test_pair", count=np.int64, scale=np.float64)


@inline
def _twice(x):
    return real(2) * x


_times_bytes = inline_exactly(lambda x: x * 8.0, lambda x: x * real(4))


@kernel("double (real *x, int64 n)")
def _double_in_place(x, n):
    total = 0.0
    for i in range(n):
        x[i] = _twice(x[i])
        total += x[i]
    return total


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kernel_works_in_place_and_returns_a_double(dtype):
    x = np.arange(5, dtype=dtype)
    assert _double_in_place(x.dtype, address(x), 4) == 12.0
    np.testing.assert_array_equal(x, [0, 2, 4, 6, 4])


@kernel("real (real x)")
def _tenth_times_bytes(x):
    return _times_bytes(x) * real(0.1)


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float32", 4)])
def test_real_is_the_floating_type_and_helpers_may_be_written_for_each(dtype, size):
    assert _tenth_times_bytes(dtype, 1.0) == size * float(np.dtype(dtype).type(0.1))


@kernel("void (test_pair *pairs, int64 *out, real *scaled)")
def _read_records(pairs, out, scaled):
    for i in range(2):
        out[i] = at(pairs, i).count
        offset(scaled, 1)[i] = at(pairs, i).scale


@pytest.mark.parametrize("dtype", DTYPES)
def test_structs_are_read_by_field(dtype):
    pairs = np.array([(3, 0.5), (-4, 0.25)], PAIR)
    counts, scales = np.zeros(2, np.int64), np.zeros(3, dtype)
    _read_records(dtype, address(pairs), address(counts), address(scales))
    np.testing.assert_array_equal(counts, [3, -4])
    np.testing.assert_array_equal(scales, [0, 0.5, 0.25])


@kernel("double (int64 r, int64 d, int64 long, int64 short)")
def _sum_of_firsts(r, d, long, short):
    return float(reals(r)[0]) + doubles(d)[0] + int64s(long)[0] + int32s(short)[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_addresses_become_typed_pointers(dtype):
    elements = {1: dtype, 20: "float64", 300: "int64", 4000: "int32"}
    arrays = [np.array([value], own) for value, own in elements.items()]
    assert _sum_of_firsts(dtype, *map(address, arrays)) == 4321.0


APPLY = "double (real *x, int64 n)"
_call_apply = Call(APPLY)


@kernel("double (int64 callee, real *x, int64 n)")
def _apply(callee, x, n):
    return _call_apply(callee, x, n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kernel_calls_another_one_by_its_address(dtype):
    x = np.ones(3, dtype)
    assert _apply(dtype, _double_in_place.address(dtype), address(x), 3) == 6.0
    np.testing.assert_array_equal(x, 2)


@kernel("void (real *x)")
def _assemble_one(x):
    x[0] = bits_to_real(_bits_of_one(np.int64(0)))


_bits_of_one = inline_exactly(
    lambda zero: zero + (1023 << 52), lambda zero: np.int32(zero + (127 << 23))
)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_become_a_real(dtype):
    x = np.zeros(1, dtype)
    _assemble_one(dtype, address(x))
    assert x[0] == 1.0


def test_no_array_has_address_0():
    assert address(None) == 0


def _slow_callback(calls):
    def callback(function, prototype, dtype, bind, identity):
        calls.append((function.__qualname__.partition("_one")[0], dtype.name))
        time.sleep(0.05)
        return object()

    return callback


def test_a_race_of_threads_compiles_once_for_each_dtype(monkeypatch):
    calls, made = [], []
    monkeypatch.setattr(backend, "callback", _slow_callback(calls))
    raced = kernel("void (real *x)")(_assemble_one.function)
    barrier = threading.Barrier(8)

    def ask(dtype):
        barrier.wait()
        made.append((dtype, raced.for_dtype(dtype)))

    threads = [threading.Thread(target=ask, args=(d,)) for d in DTYPES * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == [("_assemble", "float32"), ("_assemble", "float64")]
    assert len(made) == 8
    assert len({id(machine) for _, machine in made}) == 2


def test_dtypes_are_normalised(monkeypatch):
    calls = []
    monkeypatch.setattr(backend, "callback", _slow_callback(calls))
    fresh = kernel("void (real *x)")(_assemble_one.function)
    assert fresh.for_dtype("float32") is fresh.for_dtype(np.float32)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "thing", [_double_in_place, _twice, _call_apply, reals], ids=lambda t: type(t).__name__
)
def test_machine_code_is_not_picklable(thing):
    with pytest.raises(TypeError, match="not picklable"):
        thing.__reduce__()


def test_an_intrinsic_is_made_when_a_kernel_needs_it():
    made = []
    lazy = Intrinsic("lazy", lambda dtype: made.append(dtype) or dtype)
    assert made == []
    assert lazy.for_dtype("float64") == np.float64
    lazy.for_dtype("float64")
    assert made == [np.float64]


IMPORTED = """
import numpy as np

from sknn_opt._compiler.declarations import address, kernel


@kernel("double (real *x)")
def _first(x):
    return x[0]


x = np.full(1, 5.0)
result = _first("float64", address(x)), _first.for_dtype("float64").is_loaded
"""


def test_a_module_may_use_its_kernels_while_it_is_imported(empty_cache, tmp_path, monkeypatch):
    # The import holds the module's lock: a thread that imports it would wait for ever.
    (tmp_path / "imported_module.py").write_text(IMPORTED)
    monkeypatch.syspath_prepend(tmp_path)
    for is_loaded in (False, True):
        assert importlib.import_module("imported_module").result == (5.0, is_loaded)
        del sys.modules["imported_module"]


class _OnEveryPass(event.Listener):
    def __init__(self, function):
        self._function = function

    def on_start(self, start):
        self._function()

    def on_end(self, end):
        pass


def on_every_pass(function):
    """Call ``function`` whenever a pass of numba's compiler begins."""
    return event.install_listener("numba:run_pass", _OnEveryPass(function))


def compile_ours():
    x = np.ones(2)
    assert kernel(APPLY)(_double_in_place.function)("float64", address(x), 2) == 4.0


def compile_theirs():
    assert numba.njit(lambda x: x + 1)(1) == 2


needs_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="this platform sends no signals to threads"
)


def send_interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@pytest.fixture
def ctrl_c():
    """Let SIGINT raise KeyboardInterrupt, which it does not in a job that a shell runs behind."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_signals
@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_leaves_nothing_half_made(empty_cache):
    fresh = kernel(APPLY)(_double_in_place.function)
    sent = []

    def interrupt_once():
        if not sent:
            sent.append(send_interrupt())
            time.sleep(0.05)

    with on_every_pass(interrupt_once), pytest.raises(KeyboardInterrupt):
        fresh.for_dtype("float64")
    with once.lock:  # an interrupt while the thread starts does not wait for its end
        pass
    passes = []
    with on_every_pass(lambda: passes.append(True)):
        x = np.ones(2)
        assert fresh("float64", address(x), 2) == 4.0
    assert passes == []


INTERRUPTED_IMPORT = """
import signal
import sys
import threading

import numpy as np

from sknn_opt._compiler.declarations import address
from sknn_opt.activations import Logistic


class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "numba.core.types":
            sys.meta_path.remove(self)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
x = np.zeros(1)
for attempt in range(2):
    try:
        Logistic().kernels().forward("float64", address(x), 0, 0, 1, 0)
    except KeyboardInterrupt:
        print("interrupted")
print(x[0])
"""


@needs_signals
def test_an_interrupted_import_of_numba_is_completed():
    assert run_python(INTERRUPTED_IMPORT) == ["interrupted", "0.5"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("compile_in_thread", [compile_ours, compile_theirs])
def test_a_fork_while_a_thread_compiles(empty_cache, compile_in_thread):
    compiling = threading.Event()

    def begin():
        compiling.set()
        time.sleep(0.02)

    thread = threading.Thread(target=compile_in_thread)
    with on_every_pass(begin):
        thread.start()
        assert compiling.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # ends a child that would wait for ever
            # A new thread may take the identity of the one that compiles, and own its locks.
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            compile_ours()
            os._exit(0)
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
    compile_ours()


def run_python(code, *arguments, **environment):
    """Run ``code`` in a fresh process, outside of the checkout; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_loads_no_compiler():
    code = """
import sys, sknn_opt
estimator = sknn_opt.MLPClassifier()
repr(estimator), estimator.get_params()
print(*(m for m in ("numba", "llvmlite", "sknn_opt._compiler.backend") if m in sys.modules))
"""
    assert run_python(code) == []


LOGISTIC_OF_ZERO = """
import sys
import numpy as np
import sknn_opt
from sknn_opt._compiler.declarations import address
from sknn_opt.activations import Logistic

assert sknn_opt.__file__.startswith(sys.argv[1]), sknn_opt.__file__
x = np.zeros(1)
forward = Logistic().kernels().forward
forward("float64", address(x), 0, 0, 1, 0)
print(x[0], forward.for_dtype("float64").is_loaded)
"""


DEEP_HELPER = """
from .._compiler.declarations import inline, real

@inline
def constant():
    return real(7)
"""


def test_an_edited_helper_in_another_file_changes_the_kernel(package_copy):
    folder = package_copy / "sknn_opt" / "deep"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "helper.py").write_text(DEEP_HELPER)

    def run():
        return run_python(
            LOGISTIC_OF_ZERO,
            package_copy,
            PYTHONPATH=str(package_copy),
            NUMBA_CACHE_DIR=str(package_copy / "cache"),
        )

    assert run() == ["0.5", "False"]
    assert run() == ["0.5", "True"]
    helper = package_copy / "sknn_opt" / "_compiler" / "elementary.py"
    before = helper.read_text()
    after = before.replace("return real(1) / (real(1) + exp(-x))", "return constant() + x")
    assert after != before
    helper.write_text(
        after.replace("import numpy", "from ..deep.helper import constant\nimport numpy")
    )
    assert run() == ["7.0", "False"]
    (folder / "helper.py").write_text(DEEP_HELPER.replace("7", "9"))
    assert run() == ["9.0", "False"]


def test_no_cache_folder_is_needed(package_copy):
    # Below a regular file nothing can be written, not even by root.
    (package_copy / "sknn_opt" / "_compiler" / "__pycache__").write_text("")
    nowhere = package_copy / "file"
    nowhere.write_text("")
    environment = dict.fromkeys(
        ("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "IPYTHONDIR"),
        str(nowhere / "below"),
    )
    environment["PYTHONPATH"] = str(package_copy)
    assert run_python(LOGISTIC_OF_ZERO, package_copy, **environment) == ["0.5", "False"]


WITHOUT_JIT = """
import sys

import numba

from sknn_opt.activations import Logistic

for folder in (numba.config.CACHE_DIR, sys.argv[1]):
    numba.config.CACHE_DIR = folder
    try:
        Logistic().kernels().forward.for_dtype("float64")
    except RuntimeError as error:
        print("NUMBA_DISABLE_JIT" in str(error))
"""


def test_without_compilation_the_variable_is_named(tmp_path):
    Logistic().kernels().forward.for_dtype("float64")  # so that the usual cache has it
    assert run_python(WITHOUT_JIT, tmp_path, NUMBA_DISABLE_JIT="1") == ["True", "True"]
