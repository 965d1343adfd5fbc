"""The public language: what a user writes outside of the package, edits, and runs again."""

import gc
import os
import subprocess
import sys
import weakref

import numba
import numpy as np
import pytest

from sknn_opt import kernels
from sknn_opt._compiler import backend, declarations
from sknn_opt._compiler.blas_threads import Plan
from sknn_opt._compiler.once import Store
from sknn_opt._network.layout import Architecture
from sknn_opt._network.network import Network
from sknn_opt.activations import Activation, LeakyReLU, OfInput
from sknn_opt.kernels import address, inline, real
from sknn_opt.losses import Loss
from sknn_opt.optimizers import SGD, Elementwise, FirstOrder, blend, both

DTYPES = ["float64", "float32"]


def test_all_names_are_there():
    assert sorted(kernels.__all__) == kernels.__all__
    for name in kernels.__all__:
        assert getattr(kernels, name) is not None


@inline
def _line(z, p):
    return real(p.slope) * z + real(p.height), real(p.slope), real(0)


class Line(Activation):
    _rule = OfInput(_line)

    def __init__(self, slope=2.0, height=10.0):
        self.slope = slope
        self.height = height


class Reordered(Line):
    def __init__(self, height=30.0, unused=7.0, slope=4.0):
        super().__init__(slope, height)
        self.unused = unused


class Fewer(Line):
    height = 5.0

    def __init__(self, slope=3.0):
        self.slope = slope


class NamedSlope(LeakyReLU):
    """The package's rule, with a constructor of the user's own."""

    def __init__(self, other=9.0, slope=0.5):
        self.other = other
        self.slope = slope


def run(component, z, dtype="float64"):
    a = np.array([z], dtype)
    p = component.kernel_parameters()
    component.kernels().predict(dtype, address(a), 0, 0, 1, address(p))
    return a[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("component", "expected"),
    [(Line(), 8.0), (Reordered(), 26.0), (Reordered(1.0, 2.0, 3.0), -2.0), (NamedSlope(), -0.5)],
)
def test_rules_read_parameters_by_name(component, expected, dtype):
    assert run(component, -1.0, dtype) == expected


def test_constructors_with_the_same_names_share_a_kernel():
    class Same(Line):
        def __init__(self, slope=1.0, height=2.0):
            super().__init__(slope, height)

    assert Same().kernels() == Line().kernels()
    assert Reordered().kernels().forward is not Line().kernels().forward


class Leashed(SGD):
    """A subclass with a parameter in front of those that its base's rule reads."""

    _parameter_constraints = {**SGD._parameter_constraints}

    def __init__(
        self, leash=3.0, momentum=0.9, nesterovs_momentum=True, dampening=0, weight_decay=0
    ):
        super().__init__(momentum, nesterovs_momentum, dampening, weight_decay)
        self.leash = leash


def test_an_optimizer_reads_its_parameters_by_name_too():
    plain, leashed = SGD(momentum=0.5), Leashed(momentum=0.5)
    assert leashed._kernel_parameters[0] == "leash"
    assert plain.kernels().plain is not leashed.kernels().plain


# What a user's program prints first, and after each edit of one of its three files.
THIRD = """
from sknn_opt.kernels import inline, real
FACTOR = 2.0
@inline
def helper(x):
    return real(3) * x
"""
RULE = """
import numpy as np
from sknn_opt.activations import Activation, OfInput
from sknn_opt.kernels import address, inline, real
from third import FACTOR, helper
@inline
def rule(z, p):
    return real(p.slope) * helper(z) + real(5) + real(FACTOR), real(0), real(0)
class Own(Activation):
    _rule = OfInput(rule)
    def __init__(self, slope=1.0):
        self.slope = slope
"""
RUN = """
a = np.full(1, 10.0)
predict = Own().kernels().predict
p = Own().kernel_parameters()
predict("float64", address(a), 0, 0, 1, address(p))
print(a[0], predict.for_dtype("float64").is_loaded)
"""
EDITS = {
    "a rule in __main__": [
        ("third.py", "real(3) * x", "real(4) * x", "47.0"),
        ("rule.py", "slope=1.0):", "other=0.0, slope=2.0):\n        self.other = other", "87.0"),
    ],
    "a rule in a module": [
        ("third.py", "FACTOR = 2.0", "FACTOR = 1.0", "36.0"),
        ("rule.py", "real(5)", "real(6)", "37.0"),
    ],
}


@pytest.mark.parametrize("where", EDITS)
def test_an_edit_in_a_users_file_never_runs_old_machine_code(tmp_path, where):
    (tmp_path / "third.py").write_text(THIRD)
    (tmp_path / "rule.py").write_text(RULE)
    imports = "import numpy as np\nfrom rule import Own\nfrom sknn_opt.kernels import address\n"

    def outcome():
        program = (tmp_path / "rule.py").read_text() if "__main__" in where else imports
        (tmp_path / "main.py").write_text(program + RUN)
        done = subprocess.run(
            [sys.executable, "-B", str(tmp_path / "main.py")],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert outcome() == ["37.0", "False"]
    assert outcome() == ["37.0", "True"]
    for name, before, after, expected in EDITS[where]:
        text = (tmp_path / name).read_text()
        assert before in text
        (tmp_path / name).write_text(text.replace(before, after))
        assert outcome() == [expected, "False"]
    assert outcome() == [expected, "True"]


def scaled_square(factor):
    return Activation.from_functions(lambda z: factor * z * z, lambda z: 2 * factor * z)


def shifted(shift):
    return Loss.from_functions(lambda y, raw: (raw - y - shift) ** 2, lambda y, raw: raw - y)


_constant = 1.0


def _reads_constant(z):
    return _constant * z


_helper = numba.njit(lambda z: z + 1.0)


def _calls_helper(z):
    return _helper(z)


@pytest.fixture
def store(monkeypatch):
    """The store of what users' functions are made into, empty."""
    store = Store(64)
    monkeypatch.setattr(declarations, "_of_user_functions", store)
    return store


def test_equal_functions_are_compiled_once(store):
    one, other = scaled_square(2.0), scaled_square(2.0)
    assert one.f is not other.f
    assert one.kernels() == other.kernels()
    assert shifted(1.0).form("continuous") == shifted(1.0).form("continuous")


def test_another_closure_value_is_another_kernel(store):
    assert run(scaled_square(2.0), 3.0) == 18.0
    assert run(scaled_square(5.0), 3.0) == 45.0
    assert shifted(1.0).form("continuous") != shifted(2.0).form("continuous")


@pytest.mark.parametrize(
    ("f", "name", "value", "results"),
    [
        (_reads_constant, "_constant", 2.0, (3.0, 6.0)),
        (_calls_helper, "_helper", numba.njit(lambda z: z + 2.0), (4.0, 5.0)),
    ],
)
def test_a_changed_global_is_another_kernel(store, monkeypatch, f, name, value, results):
    own = Activation.from_functions(f, f)
    before = run(own, 3.0)
    monkeypatch.setitem(globals(), name, value)
    assert (before, run(own, 3.0)) == results


def test_a_function_that_cannot_be_compared_is_compiled_anew(store):
    values = {"factor": 1.0}
    own = Activation.from_functions(lambda z: z * values["factor"], lambda z: z)
    assert own.kernels().forward is not own.kernels().forward


def test_the_store_is_bounded(store, monkeypatch):
    compiled = []

    def stub(function, prototype, dtype, bind, identity):
        compiled.append(identity)
        return None

    monkeypatch.setattr(backend, "callback", stub)
    permanent = len(declarations._of_files)
    for factor in range(200):
        scaled_square(float(factor)).kernels().forward.for_dtype("float64")
        shifted(float(factor)).form("continuous").evaluate.for_dtype("float64")
    assert compiled == [None] * 400  # none of them may come from a file
    assert len(store) == 64
    assert len(declarations._of_files) <= permanent + 2
    # What was asked for last is still there, and the oldest is not.
    scaled_square(199.0).kernels().forward.for_dtype("float64")
    assert len(compiled) == 400
    scaled_square(0.0).kernels().forward.for_dtype("float64")
    assert len(compiled) == 401


def test_a_network_keeps_the_kernels_that_it_calls(store):
    parameters = [
        {"coefs": np.ones((2, 3)), "intercepts": np.zeros(3)},
        {"coefs": np.ones((3, 1)), "intercepts": np.zeros(1)},
    ]
    own = scaled_square(2.0)
    architecture = Architecture([own], [0.0], [None])
    network = Network(np.array([[1.0, 2.0]]), parameters, architecture, Plan(1))
    machine = weakref.ref(own.kernels().forward)
    for factor in range(100, 130):
        scaled_square(float(factor)).kernels()
    gc.collect()
    assert machine() is not None
    assert own.kernels().forward is not machine()  # the store has dropped it
    np.testing.assert_array_equal(network.raw_outputs(), [[54.0]])
    del network
    gc.collect()
    assert machine() is None


@inline
def _constants(lr, t, p, scalars):
    return real(lr), both(p.momentum)


@inline
def _velocity(g, slots, c):
    rate, momentum = c
    v = blend(slots[0], g, momentum)
    return rate * v, rate, (v,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_optimizer_from_public_names(dtype):
    class Momentum(FirstOrder):
        _rule = Elementwise(_velocity, _constants, n_slots=1)

        def __init__(self, momentum=0.75):
            self.momentum = momentum

    update = Momentum().kernels().plain
    assert update is Momentum().kernels().plain
    assert update.for_dtype(dtype).address
