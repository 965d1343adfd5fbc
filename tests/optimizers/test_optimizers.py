import ast
import pickle
import re

import numpy as np
import pytest
from problems import make_layout
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import InvalidParameterError
from steps import Stepper, average, decay, kfac_step, random_steps, soap_step
from surfaces import SURFACES

import sknn_opt.optimizers
from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._components import resolve
from sknn_opt._network.layout import Layout, describe
from sknn_opt.normalizations import LayerNorm
from sknn_opt.optimizers import (
    BFGS,
    CG,
    KFAC,
    LAMB,
    LBFGS,
    LM,
    OPTIMIZERS,
    SGD,
    SOAP,
    Adagrad,
    Adam,
    AdamW,
    FirstOrder,
    FullBatch,
    Lion,
    Muon,
    NAdam,
    NewtonCG,
    RMSprop,
    Rprop,
    ScheduleFree,
    TrustNCG,
)

FIRST_ORDER = {name: cls for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)}
FULL_BATCH = {name: cls for name, cls in OPTIMIZERS.items() if issubclass(cls, FullBatch)}
DECAYING = [name for name, cls in FIRST_ORDER.items() if "weight_decay" in cls().get_params()]

#: Where each element of a gradient acts on the whole of its matrix, or of its layer.
WHOLE_MATRIX, WHOLE_LAYER = ["soap", "kfac"], ["kfac"]

#: A tall and a wide hidden matrix, and one into the output layer.
UNITS = [4, 3, 5, 2]


# Each function below is one step in NumPy, as `steps.soap_step`.


def _sgd(
    theta,
    gradient,
    state,
    lr,
    step,
    layout,
    momentum=0.9,
    nesterovs_momentum=True,
    dampening=0.0,
    weight_decay=0.0,
):
    new = lr * (1 - dampening) * gradient
    state["velocity"] = momentum * state.get("velocity", 0) - new
    theta = theta - lr * decay(layout, weight_decay) * theta
    return theta + (momentum * state["velocity"] - new if nesterovs_momentum else state["velocity"])


def _adagrad(theta, g, state, lr, step, layout, epsilon=1e-10, initial_accumulator=0.0):
    state["sum"] = state.get("sum", initial_accumulator) + g**2
    return theta - lr * g / (np.sqrt(state["sum"]) + epsilon)


def _adadelta(theta, g, state, lr, step, layout, rho=0.9, epsilon=1e-6):
    squares = average(state, "squares", g**2, rho)
    delta = np.sqrt(state.get("steps", 0.0) + epsilon) / np.sqrt(squares + epsilon) * g
    average(state, "steps", delta**2, rho)
    return theta - lr * delta


def _rmsprop(
    theta,
    g,
    state,
    lr,
    step,
    layout,
    rho=0.9,
    epsilon=1e-8,
    momentum=0.0,
    centered=False,
    epsilon_inside=False,
):
    variance = average(state, "squares", g**2, rho)
    if centered:
        variance = variance - average(state, "mean", g, rho) ** 2
    size = np.sqrt(variance + epsilon) if epsilon_inside else np.sqrt(variance) + epsilon
    state["velocity"] = momentum * state.get("velocity", 0) + g / size
    return theta - lr * state["velocity"]


def _rprop(
    theta, g, state, lr, step, layout, eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50.0
):
    change = np.sign(g * state.get("before", np.zeros_like(g)))
    # Sizes in units of the learning rate, so that schedules act on all of them.
    size = lr * state.get("size", 1.0) * np.choose(change.astype(int) + 1, [eta_minus, 1, eta_plus])
    size = np.clip(size, step_min, step_max)
    state["size"] = size / lr
    state["before"] = np.where(change < 0, 0, g)
    return theta - np.sign(state["before"]) * size


def _moments(g, state, step, beta_1, beta_2):
    """Both averages of Adam, with their biases corrected."""
    m, v = average(state, "m", g, beta_1), average(state, "v", g**2, beta_2)
    return m / (1 - beta_1**step), v / (1 - beta_2**step)


def _adam(theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-8, amsgrad=False):
    m, v = average(state, "m", g, beta_1), average(state, "v", g**2, beta_2)
    if amsgrad:
        v = state["top"] = np.maximum(state.get("top", 0), v)
    lr = lr * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return theta - lr * m / (np.sqrt(v) + epsilon)


def _amsgrad(*args, amsgrad=True, **parameters):
    return _adam(*args, amsgrad=amsgrad, **parameters)


def _adamw(
    theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=1e-2
):
    m, v = _moments(g, state, step, beta_1, beta_2)
    theta = theta - lr * decay(layout, weight_decay) * theta
    return theta - lr * m / (np.sqrt(v) + epsilon)


def _adamax(theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    m = average(state, "m", g, beta_1)
    state["u"] = np.maximum(beta_2 * state.get("u", 0), np.abs(g) + epsilon)
    return theta - lr / (1 - beta_1**step) * m / state["u"]


def _nadam(
    theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-8, momentum_decay=4e-3
):
    _, v = _moments(g, state, step, beta_1, beta_2)
    momenta = beta_1 * (1 - 0.5 * 0.96 ** (np.arange(1, step + 2) * momentum_decay))
    by_g = (1 - momenta[-2]) / (1 - momenta[:-1].prod())
    by_m = momenta[-1] / (1 - momenta.prod())
    return theta - lr * (by_g * g + by_m * state["m"]) / (np.sqrt(v) + epsilon)


def _radam(theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    m, _ = _moments(g, state, step, beta_1, beta_2)
    limit = 2 / (1 - beta_2) - 1
    rho = limit - 2 * step * beta_2**step / (1 - beta_2**step)
    if rho <= 5:
        return theta - lr * m
    r = np.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
    return theta - lr * r * m * np.sqrt(1 - beta_2**step) / (np.sqrt(state["v"]) + epsilon)


def _adabelief(theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-16):
    m = average(state, "m", g, beta_1)
    state["s"] = beta_2 * state.get("s", 0) + (1 - beta_2) * (g - m) ** 2 + epsilon
    s = state["s"] / (1 - beta_2**step)
    return theta - lr * m / (1 - beta_1**step) / (np.sqrt(s) + epsilon)


def _yogi(theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-3):
    m = average(state, "m", g, beta_1, start=1e-6) / (1 - beta_1**step)
    v = state.get("v", 1e-6)
    state["v"] = v - (1 - beta_2) * np.sign(v - g**2) * g**2
    return theta - lr * m / (np.sqrt(state["v"] / (1 - beta_2**step)) + epsilon)


def _lion(theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.99, weight_decay=0.0):
    direction = np.sign(beta_1 * state.get("m", 0) + (1 - beta_1) * g)
    average(state, "m", g, beta_2)
    return theta - lr * (direction + decay(layout, weight_decay) * theta)


def _lamb(
    theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, epsilon=1e-6, weight_decay=1e-2
):
    m, v = _moments(g, state, step, beta_1, beta_2)
    direction = m / (np.sqrt(v) + epsilon) + decay(layout, weight_decay) * theta
    theta = theta.copy()
    pairs = zip(layout.arrays_in(theta), layout.arrays_in(direction), strict=True)
    for (_, parameter), (_, u) in pairs:
        parameter -= lr * np.linalg.norm(parameter) / np.linalg.norm(u) * u
    return theta


def _orthogonal(matrix, n_steps):
    """Newton-Schulz steps on the wide one of a matrix and its transpose."""
    if matrix.shape[0] > matrix.shape[1]:
        return _orthogonal(matrix.T, n_steps).T
    x = matrix / max(np.linalg.norm(matrix), 1e-7)
    for _ in range(n_steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def _muon(
    theta, g, state, lr, step, layout, momentum=0.95, nesterov=True, ns_steps=5, weight_decay=0.0
):
    state.setdefault("rest", {})
    new = _adamw(theta, g, state["rest"], lr / 20, step, layout, weight_decay=weight_decay)
    direction = average(state, "momentum", g, momentum)
    if nesterov:
        direction = momentum * direction + (1 - momentum) * g
    hidden = [layout.by_name(vector)["coefs"][:-1] for vector in (theta, direction, new)]
    for w, d, w_new in zip(*hidden, strict=True):
        fan_in, fan_out = w.shape
        rate = lr * np.sqrt(max(1, fan_out / fan_in))
        w_new[:] = (1 - lr * weight_decay) * w - rate * _orthogonal(d, ns_steps)
    return new


def _schedule_free(theta, g, state, lr, step, layout, beta_1=0.9, beta_2=0.999, weight_decay=0.0):
    z, x = state.get("z", theta), state.get("x", theta)
    v = average(state, "v", g**2, beta_2) / (1 - beta_2**step)
    z = z - lr * (g / (np.sqrt(v) + 1e-8) + decay(layout, weight_decay) * theta)
    largest = state["largest"] = max(state.get("largest", 0), lr)
    total = state["total"] = state.get("total", 0) + largest**2
    x = x + largest**2 / total * (z - x)
    state["z"], state["x"] = z, x
    return (1 - beta_1) * z + beta_1 * x


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
            {"momentum": 0.8, "dampening": 0.8, "weight_decay": 0.5},
            {"nesterovs_momentum": False, "dampening": 0.3, "weight_decay": 0.5},
        ],
    ),
    "adagrad": (_adagrad, [{}, {"epsilon": 0.1, "initial_accumulator": 0.5}]),
    "adadelta": (_adadelta, [{}, {"rho": 0.5, "epsilon": 1e-3}]),
    "rmsprop": (
        _rmsprop,
        [
            {},
            {"rho": 0.5, "epsilon": 0.1},
            {"momentum": 0.8},
            {"centered": True},
            {"epsilon_inside": True},
            {"rho": 0.5, "epsilon": 0.1, "momentum": 0.8, "centered": True},
            {
                "rho": 0.5,
                "epsilon": 0.1,
                "momentum": 0.8,
                "centered": True,
                "epsilon_inside": True,
            },
        ],
    ),
    "rprop": (
        _rprop,
        [{}, {"eta_minus": 0.3, "eta_plus": 1.5, "step_min": 0.04, "step_max": 0.06}],
    ),
    "adam": (
        _adam,
        [
            {},
            {"beta_1": 0.0},
            {"beta_1": 0.5, "beta_2": 0.9},
            {"beta_2": 0.0, "epsilon": 0.1},
            {"amsgrad": True, "beta_2": 0.5},
        ],
    ),
    "amsgrad": (_amsgrad, [{}, {"beta_1": 0.5, "beta_2": 0.5, "epsilon": 0.1}]),
    "adamw": (
        _adamw,
        [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1, "weight_decay": 0.5}],
    ),
    "adamax": (_adamax, [{}, {"beta_1": 0.5, "beta_2": 0.6, "epsilon": 0.1}]),
    "nadam": (
        _nadam,
        [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1, "momentum_decay": 0.5}],
    ),
    "radam": (
        _radam,
        # Rectified from the sixth step on; from the ninth; never.
        [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}, {"beta_2": 0.5}],
    ),
    "adabelief": (_adabelief, [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}]),
    "yogi": (_yogi, [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}]),
    "lion": (_lion, [{}, {"beta_1": 0.5, "beta_2": 0.6, "weight_decay": 0.5}]),
    "lamb": (
        _lamb,
        [{}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1, "weight_decay": 0.5}],
    ),
    "muon": (
        _muon,
        [{}, {"momentum": 0.5, "nesterov": False, "ns_steps": 2, "weight_decay": 0.5}],
    ),
    "soap": (
        soap_step,
        # The first step leaves factors of longer sides without their rank, and so without a
        # unique basis.
        [
            {"max_side": 3},
            {"beta_1": 0.5, "beta_2": 0.9, "every": 2, "max_side": 3, "weight_decay": 0.5},
        ],
    ),
    "kfac": (
        kfac_step,
        # The bound on the step would be one for all layers; `test_kfac` has it.
        [
            {"kl_clip": None},
            {
                "damping": 0.5,
                "decay": 0.5,
                "every": 2,
                "kl_clip": None,
                "max_side": 5,
                "fisher": "exact",
            },
        ],
    ),
    "schedule_free": (_schedule_free, [{}, {"beta_1": 0.5, "beta_2": 0.9, "weight_decay": 0.5}]),
}

#: Parameters, initial learning rate and steps that lead to within 1e-3 of the minimum, while
#: the rate falls linearly to 0. Weight decay would move the minimum.
CONVERGENCE = {
    "sgd": {"parabola": ({}, 0.1, 200), "rosenbrock": ({}, 2e-3, 3000)},
    "adagrad": {"parabola": ({}, 1.0, 500), "rosenbrock": ({}, 0.5, 20_000)},
    "adadelta": {"parabola": ({}, 10.0, 500), "rosenbrock": ({}, 0.2, 10_000)},
    "rmsprop": {"parabola": ({}, 0.1, 500), "rosenbrock": ({}, 2e-3, 10_000)},
    "rprop": {"parabola": ({}, 0.01, 500), "rosenbrock": ({"step_min": 1e-8}, 0.01, 10_000)},
    "adam": {"parabola": ({}, 0.3, 300), "rosenbrock": ({}, 0.2, 3000)},
    "amsgrad": {"parabola": ({}, 0.3, 300), "rosenbrock": ({}, 0.5, 3000)},
    "adamw": {
        "parabola": ({"weight_decay": 0}, 0.3, 300),
        "rosenbrock": ({"weight_decay": 0}, 0.2, 3000),
    },
    "adamax": {"parabola": ({}, 0.3, 500), "rosenbrock": ({}, 0.05, 10_000)},
    "nadam": {"parabola": ({}, 0.3, 300), "rosenbrock": ({}, 0.02, 10_000)},
    "radam": {"parabola": ({}, 0.3, 500), "rosenbrock": ({}, 3e-3, 20_000)},
    "adabelief": {"parabola": ({}, 0.1, 300), "rosenbrock": ({}, 0.2, 3000)},
    "yogi": {"parabola": ({}, 0.3, 300), "rosenbrock": ({}, 0.5, 3000)},
    "lion": {"parabola": ({}, 0.02, 2000), "rosenbrock": ({}, 1e-3, 10_000)},
    "lamb": {
        "parabola": ({"weight_decay": 0}, 0.05, 2000),
        "rosenbrock": ({"weight_decay": 0}, 5e-3, 10_000),
    },
    "muon": {"parabola": ({}, 1.0, 3000), "rosenbrock": ({}, 5.0, 3000)},
    "soap": {"parabola": ({}, 0.3, 500), "rosenbrock": ({}, 0.1, 10_000)},
    "kfac": {
        "parabola": ({"damping": 1.0, "kl_clip": None}, 0.1, 500),
        "rosenbrock": ({"damping": 1.0, "kl_clip": None}, 2e-3, 60_000),
    },
    "schedule_free": {"parabola": ({}, 1.0, 500), "rosenbrock": ({}, 0.1, 10_000)},
}

#: Keywords of an estimator with which an optimizer learns digits; {}: its defaults.
DIGITS = {
    "sgd": {"learning_rate_init": 0.1},
    "adagrad": {},
    "adadelta": {},
    "rmsprop": {},
    "rprop": {"learning_rate_init": 1e-3, "max_iter": 120, "batch_size": "auto"},
    "adam": {},
    "amsgrad": {},
    "adamw": {},
    "adamax": {},
    "nadam": {},
    "radam": {},
    "adabelief": {},
    "yogi": {},
    "lion": {"learning_rate_init": 3e-4},
    "lamb": {},
    "muon": {},
    "soap": {},
    "kfac": {},
    "schedule_free": {},
}

#: The constructor's defaults and the learning rate for which "auto" stands.
_ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
DEFAULTS = {
    "sgd": (
        {"momentum": 0.9, "nesterovs_momentum": True, "dampening": 0, "weight_decay": 0},
        1e-3,
    ),
    "adagrad": ({"epsilon": 1e-10, "initial_accumulator": 0}, 1e-2),
    "adadelta": ({"rho": 0.9, "epsilon": 1e-6}, 1),
    "rmsprop": (
        {
            "rho": 0.9,
            "epsilon": 1e-8,
            "momentum": 0,
            "centered": False,
            "epsilon_inside": False,
        },
        1e-3,
    ),
    "rprop": ({"eta_minus": 0.5, "eta_plus": 1.2, "step_min": 1e-6, "step_max": 50}, 1e-2),
    "adam": ({**_ADAM, "amsgrad": False}, 1e-3),
    "amsgrad": ({**_ADAM, "amsgrad": True}, 1e-3),
    "adamw": ({**_ADAM, "weight_decay": 1e-2}, 1e-3),
    "adamax": (_ADAM, 2e-3),
    "nadam": ({**_ADAM, "momentum_decay": 4e-3}, 2e-3),
    "radam": (_ADAM, 1e-3),
    "adabelief": ({**_ADAM, "epsilon": 1e-16}, 1e-3),
    "yogi": ({**_ADAM, "epsilon": 1e-3}, 1e-2),
    "lion": ({"beta_1": 0.9, "beta_2": 0.99, "weight_decay": 0}, 1e-4),
    "lamb": ({**_ADAM, "epsilon": 1e-6, "weight_decay": 1e-2}, 1e-3),
    "muon": ({"momentum": 0.95, "nesterov": True, "ns_steps": 5, "weight_decay": 0}, 2e-2),
    "soap": (
        {"beta_1": 0.95, "beta_2": 0.95, "every": 10, "max_side": 2048, "weight_decay": 0},
        3e-3,
    ),
    "kfac": (
        {
            "damping": 1e-3,
            "decay": 0.95,
            "every": 10,
            "kl_clip": 1e-3,
            "max_side": 2048,
            "fisher": "sampled",
        },
        1e-2,
    ),
    "schedule_free": ({"beta_1": 0.9, "beta_2": 0.999, "weight_decay": 0}, 2.5e-3),
}

#: The constructor's defaults and other values.
FULL_BATCH_PARAMETERS = {
    "lbfgs": (
        {"history_size": 10, "gtol": None, "ftol": None, "maxls": 20},
        {"history_size": 3, "gtol": 1e-7, "ftol": 1e-12, "maxls": 30},
    ),
    "bfgs": (
        {"gtol": None, "xrtol": 0, "c1": 1e-4, "c2": 0.9, "max_parameters": 5000},
        {"gtol": 1e-7, "xrtol": 1e-9, "c1": 1e-3, "c2": 0.8, "max_parameters": 10},
    ),
    "cg": (
        {"gtol": None, "c1": 1e-4, "c2": 0.4},
        {"gtol": 1e-7, "c1": 1e-3, "c2": 0.3},
    ),
    "newton-cg": (
        {"xtol": None, "c1": 1e-4, "c2": 0.9, "curvature": "exact"},
        {"xtol": 1e-7, "c1": 1e-3, "c2": 0.8, "curvature": "gauss_newton"},
    ),
    "trust-ncg": (
        {
            "gtol": None,
            "initial_trust_radius": 1.0,
            "max_trust_radius": 1000.0,
            "eta": 0.15,
            "curvature": "exact",
        },
        {
            "gtol": 1e-7,
            "initial_trust_radius": 0.5,
            "max_trust_radius": 2.0,
            "eta": 0.1,
            "curvature": "gauss_newton",
        },
    ),
    "lm": (
        {"damping": 1e-3, "gtol": None, "max_parameters": 3000},
        {"damping": 0.1, "gtol": 1e-7, "max_parameters": 10},
    ),
}

CASES = [
    pytest.param(name, parameters, id=f"{name}-{parameters}")
    for name, (_, choices) in REFERENCES.items()
    for parameters in choices
]


def test_that_every_optimizer_is_tested():
    assert set(FIRST_ORDER) | set(FULL_BATCH) == set(OPTIMIZERS)
    for table in (REFERENCES, CONVERGENCE, DIGITS, DEFAULTS):
        assert set(table) == set(FIRST_ORDER)
    assert set(FULL_BATCH_PARAMETERS) == set(FULL_BATCH)
    assert {cls.__name__ for cls in OPTIMIZERS.values()} < set(sknn_opt.optimizers.__all__)


@pytest.mark.parametrize("normalization", [None, LayerNorm()], ids=["plain", "normalized"])
@pytest.mark.parametrize("n_steps", [1, 10])
@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_steps_are_those_of_the_transcription(name, parameters, n_steps, normalization):
    layout = make_layout(UNITS, normalization)
    expected, gradients, rates = random_steps(layout, n_steps)
    stepper = Stepper(FIRST_ORDER[name](**parameters), expected.copy(), layout)
    state = {}
    for step, (gradient, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        stepper.step(gradient, lr)
        expected = REFERENCES[name][0](expected, gradient, state, lr, step, layout, **parameters)
    np.testing.assert_allclose(stepper.theta, expected, rtol=1e-12, atol=1e-12)
    predicting = state["x"] if name == "schedule_free" else expected
    np.testing.assert_allclose(stepper.predicting, predicting, rtol=1e-12, atol=1e-12)


#: Of each layer's learning rate: a frozen layer between others.
LAYER_RATES = [0.5, 0.0, 2.0]


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_a_factor_of_a_layer_multiplies_its_learning_rate(name, parameters):
    whole, normalizations = make_layout(UNITS, LayerNorm()), [LayerNorm()] * 2
    layout = Layout(describe(UNITS, normalizations, LAYER_RATES))
    theta, gradients, rates = random_steps(whole)

    def trained(vector):
        return layout.pack(whole.by_layer(vector), float)[: layout.n_parameters]

    stepper = Stepper(FIRST_ORDER[name](**parameters), trained(theta), layout)
    for gradient, lr in zip(gradients, rates, strict=True):
        stepper.step(trained(gradient), lr)
    stepped = layout.by_layer(stepper.theta)
    assert [len(layer) for layer in stepped] == [4, 0, 2]
    for layer, factor in [(0, 0.5), (2, 2.0)]:
        # rprop's steps are multiplied, and so are their bounds.
        bounds = {p: factor * v for p, v in parameters.items() if p.startswith("step_")}
        expected, state = theta, {}
        for step, (gradient, lr) in enumerate(zip(gradients, rates, strict=True), 1):
            expected = REFERENCES[name][0](
                expected, gradient, state, factor * lr, step, whole, **{**parameters, **bounds}
            )
        for key, array in whole.by_layer(expected)[layer].items():
            np.testing.assert_allclose(stepped[layer][key], array, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_float32_steps_are_close_to_those_of_float64(name, parameters):
    layout = make_layout(UNITS)
    theta, gradients, rates = random_steps(layout)
    optimizer = FIRST_ORDER[name](**parameters)
    steppers = [Stepper(optimizer, theta.astype(dtype), layout) for dtype in ("f8", "f4")]
    for stepper in steppers:
        for gradient, lr in zip(gradients, rates, strict=True):
            stepper.step(gradient, lr)
    assert steppers[1].predicting.dtype == "float32"
    np.testing.assert_allclose(steppers[1].theta, steppers[0].theta, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_steps_go_on_from_a_pickled_state(name):
    layout = make_layout(UNITS)
    theta, gradients, rates = random_steps(layout)
    steppers = [Stepper(FIRST_ORDER[name](), theta.copy(), layout) for _ in range(2)]
    for step, (gradient, lr) in enumerate(zip(gradients, rates, strict=True)):
        for stepper in steppers:
            stepper.step(gradient, lr)
        if step == 4:
            resumed = steppers[1] = Stepper(FIRST_ORDER[name](), stepper.theta, layout)
            resumed.state = pickle.loads(pickle.dumps(stepper.state))
            resumed.step_count = stepper.step_count
    np.testing.assert_array_equal(steppers[0].theta, steppers[1].theta)


def rosenbrock(x):
    """Gradient by the two weights; nothing depends on the intercept."""
    a, b = x[0], x[1]
    return [-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a), 0]


PARABOLA = make_layout(UNITS)
MINIMUM, START = np.random.default_rng(1).normal(size=(2, PARABOLA.n_parameters))
HESSIAN_PRODUCT = np.linspace(1, 10, PARABOLA.n_parameters)

#: Gradient, layout, start and minimum.
PROBLEMS = {
    "parabola": (lambda x: HESSIAN_PRODUCT * (x - MINIMUM), PARABOLA, START, MINIMUM),
    "rosenbrock": (rosenbrock, make_layout([2, 1]), np.array([-0.5, 1, 0]), [1, 1, 0]),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", FIRST_ORDER)
def test_convergence(name, problem):
    gradient, layout, start, minimum = PROBLEMS[problem]
    parameters, lr, n_steps = CONVERGENCE[name][problem]
    stepper = Stepper(FIRST_ORDER[name](**parameters), start.copy(), layout)
    for step in range(n_steps):
        stepper.step(gradient(stepper.theta), lr * (1 - step / n_steps))
    np.testing.assert_allclose(stepper.predicting, minimum, atol=1e-3)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_hopeless_gradient_is_seen(name):
    stepper = Stepper(FIRST_ORDER[name](), np.ones(5), make_layout([4, 1]))
    stepper.step(np.array([np.nan, 1, 1, 1, 1]), 0.1)
    rest, intercept = name in WHOLE_MATRIX, name in WHOLE_LAYER
    np.testing.assert_array_equal(np.isnan(stepper.theta), [True, rest, rest, rest, intercept])


@pytest.mark.parametrize("n", [1, 2, 5, 6])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-300])
def test_adam_divides_gradients_of_any_size(n, dtype, epsilon):
    smallest, largest = (1e-130, 1e154) if dtype == "float64" else (1e-15, 1e19)
    gradient = np.array([0, smallest, largest, 0, largest, -smallest])[:n].astype(dtype)
    if dtype == "float32" and epsilon < 1e-8:
        epsilon = 1e-30  # a normal number there
    stepper = Stepper(Adam(epsilon=epsilon), np.zeros(n, dtype), make_layout([n - 1, 1]))
    stepper.step(gradient, 0.1)
    root = np.sqrt(0.001)  # of what a single step leaves in v, beside |g|
    expected = -0.1 * root * gradient.astype(float) / (root * np.abs(gradient) + epsilon)
    rtol = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(stepper.theta, expected, rtol=rtol)


@pytest.mark.parametrize("name", DECAYING)
def test_weights_alone_decay(name):
    layout = make_layout(UNITS, LayerNorm())
    theta, _, _ = random_steps(layout)
    stepper = Stepper(FIRST_ORDER[name](weight_decay=0.5), theta.copy(), layout)
    for _ in range(3):
        stepper.step(np.zeros_like(theta), 0.1)
    ratio = stepper.theta / theta
    assert (ratio[: layout.n_weights] < 1).all()
    np.testing.assert_allclose(ratio[layout.n_weights :], 1, rtol=1e-14)


def test_momentum_as_an_exponential_average():
    layout = make_layout(UNITS)
    theta, gradients, _ = random_steps(layout)
    stepper = Stepper(SGD(0.9, nesterovs_momentum=False, dampening=0.9), theta.copy(), layout)
    average = np.zeros_like(theta)
    for gradient in gradients:
        stepper.step(gradient, 0.05)
        average = 0.9 * average + 0.1 * gradient
        theta = theta - 0.05 * average
    np.testing.assert_allclose(stepper.theta, theta, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("units", [[30, 20, 5], [20, 30, 5]], ids=["tall", "wide"])
def test_muon_steps_are_nearly_orthogonal(units):
    layout = make_layout(units)
    random = np.random.default_rng(0)
    stepper = Stepper(Muon(), np.zeros(layout.n_parameters), layout)
    stepper.step(random.normal(size=layout.n_parameters), 0.1)
    weights = layout.by_name(stepper.theta)["coefs"][0]
    rate = 0.1 * max(1, units[1] / units[0]) ** 0.5
    singular_values = np.linalg.svd(weights / rate, compute_uv=False)
    assert 0.6 < singular_values.min() < singular_values.max() < 1.3


def test_muon_without_hidden_layers_is_adamw():
    layout = make_layout([4, 3])
    theta, gradients, rates = random_steps(layout)
    muon = Stepper(Muon(weight_decay=0.5), theta.copy(), layout)
    adamw = Stepper(AdamW(weight_decay=0.5), theta.copy(), layout)
    for gradient, lr in zip(gradients, rates, strict=True):
        muon.step(gradient, lr)
        adamw.step(gradient, lr / 20)
    np.testing.assert_allclose(muon.theta, adamw.theta, rtol=1e-12)


def test_lamb_without_a_norm_to_go_by():
    layout = make_layout(UNITS)
    gradient = np.ones(layout.n_parameters)
    stepper = Stepper(LAMB(), np.zeros(layout.n_parameters), layout)
    stepper.step(gradient, 0.1)
    np.testing.assert_allclose(stepper.theta, -0.1, rtol=1e-5)  # a step of Adam
    before = stepper.theta.copy()
    stepper.state[:] = 0
    stepper.parameters[-1] = 0  # the weight decay
    stepper.step(np.zeros_like(gradient), 0.1)
    np.testing.assert_array_equal(stepper.theta, before)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_learning_rate_of_0_takes_no_step(name):
    layout = make_layout(UNITS)
    theta, gradients, _ = random_steps(layout)
    stepper = Stepper(FIRST_ORDER[name](), theta.copy(), layout)
    if name == "sgd":
        stepper.parameters[0] = 0  # its momentum needs no gradient
    for lr in (0, 0.1, 0):
        before = stepper.theta.copy()
        stepper.step(gradients[stepper.step_count], lr)
        if lr == 0 and name != "schedule_free":  # whose average goes on
            np.testing.assert_array_equal(stepper.theta, before)
        assert np.isfinite(stepper.predicting).all()


def test_schedule_free_finds_back_from_what_predicts():
    layout = make_layout(UNITS)
    theta, gradients, rates = random_steps(layout)
    stepper = Stepper(ScheduleFree(), theta, layout)
    for gradient, lr in zip(gradients, rates, strict=True):
        stepper.step(gradient, lr)
    assert np.abs(stepper.predicting - stepper.theta).max() > 1e-3
    back = stepper.optimizer.training_parameters(stepper.predicting, stepper.state, layout)
    np.testing.assert_allclose(back, stepper.theta, rtol=1e-14)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    return train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", FIRST_ORDER)
def test_digits(name, digits, one_blas_thread):
    X, X_test, y, y_test = digits
    keywords = {"max_iter": 40, "batch_size": 32, **DIGITS[name]}
    model = MLPClassifier(200, optimizer=name, random_state=0, n_iter_no_change=100, **keywords)
    assert model.fit(X, y).score(X_test, y_test) >= 0.97


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_defaults_are_those_of_the_design(name):
    optimizer = FIRST_ORDER[name]()
    assert (optimizer.get_params(), optimizer.default_learning_rate) == DEFAULTS[name]


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_keywords_of_the_estimator_reach_names(name):
    given = {"momentum": 0.1, "nesterovs_momentum": False, "beta_1": 0.2, "beta_2": 0.3}
    given["epsilon"] = 0.4
    reached = {"sgd": ["momentum", "nesterovs_momentum"]}
    for adam in ("adam", "amsgrad", "adamw", "adamax", "nadam", "radam"):
        reached[adam] = ["beta_1", "beta_2", "epsilon"]
    estimator = MLPClassifier(**given)
    expected = DEFAULTS[name][0] | {key: given[key] for key in reached.get(name, ())}
    assert resolve(name, OPTIMIZERS, estimator).get_params() == expected
    instance = FIRST_ORDER[name]()
    assert resolve(instance, OPTIMIZERS, estimator) is instance
    assert instance.get_params() == DEFAULTS[name][0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_copies_are_equal(name):
    cls = OPTIMIZERS[name]
    parameters = REFERENCES[name][1][-1] if name in REFERENCES else FULL_BATCH_PARAMETERS[name][1]
    optimizer = cls(**parameters)
    for copy in (clone(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert type(copy) is cls
        assert copy.get_params() == optimizer.get_params() != cls().get_params()
        assert repr(copy) == repr(optimizer)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_only_rprop_needs_all_samples(name):
    assert FIRST_ORDER[name].needs_all_samples == (name == "rprop")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_documented_parameters_are_those_of_the_constructor(name):
    section = OPTIMIZERS[name].__doc__.split("Parameters\n")[1].split("References\n")[0]
    rows = re.findall(r"^    ([\w, ]+) : .*default=(.*)$", section, re.MULTILINE)
    documented = {}
    for names, defaults in rows:
        names, defaults = names.split(", "), defaults.split(", ")
        documented |= dict(zip(names, defaults, strict=True))
    actual = OPTIMIZERS[name]().get_params()
    assert set(documented) == set(actual)
    for parameter, default in documented.items():
        assert ast.literal_eval(default) == actual[parameter], parameter


@pytest.mark.parametrize("name", FULL_BATCH)
def test_defaults_of_full_batch_optimizers(name):
    defaults, others = FULL_BATCH_PARAMETERS[name]
    optimizer = FULL_BATCH[name]()
    assert optimizer.get_params() == defaults
    assert all(others[parameter] != default for parameter, default in defaults.items())
    assert resolve(name, OPTIMIZERS, MLPClassifier(epsilon=0.4)).get_params() == defaults


def _run(optimizer, surface, tol=1e-7, max_iter=200):
    """Minimize; return the result, and point and loss of each iteration."""
    iterations = []
    result = optimizer.minimize(
        surface, lambda x, loss: iterations.append((x.copy(), loss)), tol, max_iter
    )
    return result, iterations


@pytest.mark.parametrize("parameters", [0, 1], ids=["defaults", "others"])
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", FULL_BATCH)
def test_convergence_of_full_batch_optimizers(name, surface, parameters):
    surface = SURFACES[surface]()
    # An option that SciPy does not know is a warning, so an error here.
    optimizer = FULL_BATCH[name](**FULL_BATCH_PARAMETERS[name][parameters])
    result, iterations = _run(optimizer, surface)
    assert result.success
    np.testing.assert_allclose(result.x, surface.minimum, atol=1e-4)
    assert [loss for _, loss in iterations] == [surface.loss(x) for x, _ in iterations]
    assert all(type(loss) is float for _, loss in iterations)
    np.testing.assert_array_equal(result.x, iterations[-1][0])
    assert result.fun == iterations[-1][1]


@pytest.mark.parametrize("name", FULL_BATCH)
def test_full_batch_optimizers_end_where_they_are_told(name):
    optimizer, surface = FULL_BATCH[name](), SURFACES["rosenbrock"]()
    result, iterations = _run(optimizer, surface, max_iter=3)
    assert len(iterations) == 3
    assert not result.success
    assert "aximum number of iterations" in result.message or "ITERATIONS" in result.message
    loose, few = _run(optimizer, surface, tol=1.0)
    _, many = _run(optimizer, surface)
    assert loose.success
    assert len(few) < len(many)
    if name == "newton-cg":
        *_, before, last = [surface.start, *(x for x, _ in few)]
        assert np.abs(last - before).mean() <= 1.0
    else:
        assert np.abs(surface.gradient(loose.x)).max() <= 1.0


@pytest.mark.parametrize("name", FULL_BATCH)
def test_an_own_tolerance_wins_over_that_of_the_estimator(name):
    others = FULL_BATCH_PARAMETERS[name][1]
    tolerances = {p: v for p, v in others.items() if p in ("gtol", "xtol", "ftol")}
    surface = SURFACES["rosenbrock"]()
    own, _ = _run(FULL_BATCH[name](**tolerances), surface, tol=1e3)
    loose, _ = _run(FULL_BATCH[name](), surface, tol=1e3)
    np.testing.assert_allclose(own.x, surface.minimum, atol=1e-4)
    assert np.abs(loose.x - surface.minimum).max() > 0.1


@pytest.mark.parametrize("name", FULL_BATCH)
def test_what_an_iteration_raises_passes_out(name):
    class Enough(Exception):
        pass

    def iteration(x, loss):
        raise Enough

    with pytest.raises(Enough):
        FULL_BATCH[name]().minimize(SURFACES["rosenbrock"](), iteration, 1e-4, 10)


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(momentum=1.1),
        SGD(nesterovs_momentum="yes"),
        Adam(beta_1=1.0),
        Adam(beta_2=-0.1),
        Adam(epsilon=0.0),
        Adam(amsgrad="yes"),
        SGD(dampening=1.0),
        SGD(weight_decay=-1.0),
        Adagrad(initial_accumulator=-1.0),
        RMSprop(momentum=1.0),
        RMSprop(centered=2),
        RMSprop(epsilon_inside="yes"),
        Rprop(eta_minus=1.0),
        Rprop(eta_plus=1.0),
        Rprop(step_min=0.0),
        AdamW(weight_decay=-1.0),
        NAdam(momentum_decay=-1.0),
        Lion(beta_2=1.0),
        LAMB(epsilon=0.0),
        Muon(ns_steps=0),
        Muon(ns_steps=2.5),
        SOAP(beta_2=1.0),
        SOAP(every=0),
        SOAP(max_side=2.5),
        KFAC(damping=-1.0),
        KFAC(decay=1.1),
        KFAC(every=0),
        KFAC(kl_clip=0.0),
        KFAC(max_side=2.5),
        KFAC(fisher="true"),
        ScheduleFree(beta_1=0.0),
        LBFGS(history_size=0),
        LBFGS(history_size=2.5),
        LBFGS(gtol=-1.0),
        LBFGS(ftol=-1.0),
        LBFGS(maxls=0),
        BFGS(gtol=-1.0),
        BFGS(xrtol=-1.0),
        BFGS(c1=0.0),
        BFGS(c2=1.0),
        BFGS(max_parameters=0),
        CG(gtol=-1.0),
        CG(c1=0.0),
        CG(c2=1.0),
        NewtonCG(xtol=-1.0),
        NewtonCG(c1=0.0),
        NewtonCG(c2=1.0),
        NewtonCG(curvature="hessian"),
        TrustNCG(gtol=-1.0),
        TrustNCG(initial_trust_radius=0.0),
        TrustNCG(max_trust_radius=0.0),
        TrustNCG(eta=0.25),
        TrustNCG(curvature=None),
        LM(damping=0.0),
        LM(gtol=-1.0),
        LM(max_parameters=2.5),
    ],
    ids=repr,
)
def test_parameters_are_validated(optimizer):
    with pytest.raises(InvalidParameterError, match=f"of {type(optimizer).__name__} must be"):
        resolve(optimizer, OPTIMIZERS, None)


@pytest.mark.parametrize("name", FULL_BATCH)
def test_full_batch_parameters_are_constrained(name):
    cls = FULL_BATCH[name]
    assert set(cls._parameter_constraints) == set(cls().get_params())


@pytest.mark.parametrize("name", ["soap", "kfac"])
def test_where_no_side_is_short_enough(name):
    X, y = np.arange(20.0).reshape(-1, 1) / 20, np.arange(20.0)
    optimizer = FIRST_ORDER[name](max_side=1)
    settings = {"learning_rate": "cosine", "n_iter_no_change": np.inf, "max_iter": 3}
    for hidden in ((), (3,)):
        model = MLPRegressor(hidden, optimizer=optimizer, random_state=0, **settings)
        assert np.isfinite(model.fit(X, y).loss_)
