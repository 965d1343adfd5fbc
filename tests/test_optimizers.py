import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der
from sklearn.utils._param_validation import InvalidParameterError

from sknn_opt._component import resolve
from sknn_opt._kernel import address
from sknn_opt._network import Layout
from sknn_opt.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, FirstOrder, FullBatch

FIRST_ORDER = {name: cls for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)}
FULL_BATCH = {name: cls for name, cls in OPTIMIZERS.items() if issubclass(cls, FullBatch)}


def _sgd(theta, gradient, state, lr, step, momentum=0.9, nesterovs_momentum=True):
    velocity = state.setdefault("velocity", np.zeros_like(theta))
    velocity[:] = momentum * velocity - lr * gradient
    return theta + (momentum * velocity - lr * gradient if nesterovs_momentum else velocity)


def _adam(theta, gradient, state, lr, step, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    m = state["m"] = beta_1 * state.get("m", 0) + (1 - beta_1) * gradient
    v = state["v"] = beta_2 * state.get("v", 0) + (1 - beta_2) * gradient**2
    lr = lr * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return theta - lr * m / (np.sqrt(v) + epsilon)


#: One step in NumPy, and the parameters to test it with.
REFERENCES = {
    "sgd": (
        _sgd,
        [
            {},
            {"momentum": 0.0},
            {"momentum": 1.0},
            {"momentum": 0.5, "nesterovs_momentum": False},
            {"momentum": 0.0, "nesterovs_momentum": False},
        ],
    ),
    "adam": (
        _adam,
        [{}, {"beta_1": 0.0}, {"beta_1": 0.5, "beta_2": 0.9}, {"beta_2": 0.0, "epsilon": 0.1}],
    ),
}

#: Learning rate and steps to get within 1e-3 of the minimum.
CONVERGENCE = {
    ("sgd", "parabola"): (0.02, 200),
    ("adam", "parabola"): (0.1, 300),
    ("sgd", "rosenbrock"): (2e-4, 20_000),
    ("adam", "rosenbrock"): (0.02, 5_000),
}

CASES = [
    pytest.param(name, parameters, id=f"{name}-{parameters}")
    for name, (_, choices) in REFERENCES.items()
    for parameters in choices
]


def test_that_every_optimizer_is_tested():
    assert set(REFERENCES) == set(FIRST_ORDER)
    assert {name for name, _ in CONVERGENCE} == set(FIRST_ORDER)
    assert set(FIRST_ORDER) | set(FULL_BATCH) == set(OPTIMIZERS)


class Stepper:
    """Drives the update kernel of an optimizer over ``theta``."""

    def __init__(self, optimizer, theta):
        self.optimizer = optimizer
        self.theta = theta
        self.layout = Layout([theta.size - 1, 1])
        self.state = np.zeros((optimizer._n_slots, theta.size), theta.dtype)
        self.parameters = optimizer.kernel_parameters()
        self.step_count = 0
        assert self.layout.n_parameters == theta.size

    def step(self, gradient, lr):
        self.step_count += 1
        gradient = np.ascontiguousarray(gradient, self.theta.dtype)
        self.optimizer._update(
            self.theta.dtype, address(self.theta), address(gradient), address(self.state),
            address(self.layout.table), 0, lr, self.step_count, address(self.parameters),
        )  # fmt: skip


@pytest.mark.parametrize("n_steps", [1, 10])
@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_steps_are_those_of_the_transcription(name, parameters, n_steps):
    random = np.random.default_rng(0)
    expected = random.normal(size=21)
    stepper = Stepper(FIRST_ORDER[name](**parameters), expected.copy())
    state = {}
    for step in range(1, n_steps + 1):
        gradient, lr = random.normal(size=21), random.uniform(0.01, 0.1)
        gradient[3] = 0
        stepper.step(gradient, lr)
        expected = REFERENCES[name][0](expected, gradient, state, lr, step, **parameters)
    np.testing.assert_allclose(stepper.theta, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_float32_steps_are_close_to_those_of_float64(name, parameters):
    random = np.random.default_rng(0)
    theta, gradients = random.normal(size=21), random.normal(size=(10, 21))
    steppers = [Stepper(FIRST_ORDER[name](**parameters), theta.astype(t)) for t in ("f8", "f4")]
    for stepper in steppers:
        for gradient in gradients:
            stepper.step(gradient, 0.05)
    assert steppers[1].theta.dtype == "float32"
    np.testing.assert_allclose(steppers[1].theta, steppers[0].theta, rtol=1e-4, atol=1e-4)


PROBLEMS = {
    "parabola": (lambda x: x * [1, 10], [1.0, -1.0], [0, 0]),
    "rosenbrock": (rosen_der, [-0.5, 1.0], [1, 1]),
}


@pytest.mark.parametrize(("name", "problem"), CONVERGENCE)
def test_convergence(name, problem):
    gradient, start, solution = PROBLEMS[problem]
    lr, n_steps = CONVERGENCE[name, problem]
    stepper = Stepper(FIRST_ORDER[name](), np.array(start))
    for _ in range(n_steps):
        stepper.step(gradient(stepper.theta), lr)
    np.testing.assert_allclose(stepper.theta, solution, atol=1e-3)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_hopeless_gradient_is_seen(name):
    stepper = Stepper(FIRST_ORDER[name](), np.ones(5))
    stepper.step(np.array([np.nan, 1, 1, 1, 1]), 0.1)
    np.testing.assert_array_equal(np.isnan(stepper.theta), [True, False, False, False, False])


@pytest.mark.parametrize("name", FULL_BATCH)
def test_scipy_knows_the_options_of_full_batch_optimizers(name):
    optimizer = FULL_BATCH[name]()
    # An option that SciPy does not know is a warning, so an error here.
    result = minimize(
        rosen,
        np.array([-1.2, 1.0, 0.5]),
        jac=rosen_der,
        method=optimizer._scipy_method,
        options=optimizer.scipy_options(1e-8, 200, 1000),
    )
    assert result.success
    np.testing.assert_allclose(result.x, 1, atol=1e-5)


@pytest.mark.parametrize("name", FULL_BATCH)
def test_full_batch_optimizers_end_where_they_are_told(name):
    optimizer = FULL_BATCH[name]()

    def run(tol, max_iter, max_fun):
        return minimize(
            rosen,
            np.array([-1.2, 1.0, 0.5]),
            jac=rosen_der,
            method=optimizer._scipy_method,
            options=optimizer.scipy_options(tol, max_iter, max_fun),
        )

    assert run(1e-8, 3, 1000).nit == 3
    assert run(1e-8, 200, 5).nfev <= 10
    loose = run(1.0, 200, 1000)
    assert np.abs(loose.jac).max() <= 1.0
    assert loose.nit < run(1e-8, 200, 1000).nit


def test_options_of_lbfgs():
    assert LBFGS().scipy_options(0.1, 20, 30) == {
        "maxcor": 10, "gtol": 0.1, "maxiter": 20, "maxfun": 30,
    }  # fmt: skip
    options = LBFGS(history_size=3, gtol=0.0).scipy_options(0.1, 20, 30)
    assert (options["maxcor"], options["gtol"]) == (3, 0.0)


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(momentum=1.1),
        SGD(nesterovs_momentum="yes"),
        Adam(beta_1=1.0),
        Adam(beta_2=-0.1),
        Adam(epsilon=0.0),
        LBFGS(history_size=0),
        LBFGS(gtol=-1.0),
    ],
    ids=repr,
)
def test_parameters_are_validated(optimizer):
    with pytest.raises(InvalidParameterError, match=f"of {type(optimizer).__name__} must be"):
        resolve(optimizer, OPTIMIZERS, None)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_default_learning_rates_are_those_of_the_design(name):
    assert {"sgd": 1e-3, "adam": 1e-3}[name] == FIRST_ORDER[name].default_learning_rate
