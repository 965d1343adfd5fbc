"""Steps of optimizers: their update kernels driven alone, and what steps in NumPy are made of.

A step in NumPy is written from the paper's formulas: it changes ``state``, a dict that is empty
before the first step, and returns the new theta.
"""

import numpy as np

from sknn_opt._compiler.declarations import address


def decay(layout, weight_decay):
    return weight_decay * (np.arange(layout.n_parameters) < layout.n_weights)


def average(state, key, new, beta, start=0.0):
    state[key] = beta * state.get(key, start) + (1 - beta) * new
    return state[key]


def _soap_side(state, key, product, beta, step, every):
    """Return a side's basis as it was before, and average its factor."""
    basis = state.get(f"basis of {key}", np.eye(len(product)))
    factor = average(state, key, product, beta)
    state[f"basis of {key}"] = basis
    if step == 1:
        state[f"basis of {key}"] = np.linalg.eigh(factor)[1][:, ::-1]
    elif (step - 1) % every == 0:
        state[f"basis of {key}"] = np.linalg.qr(factor @ basis)[0]
    return basis


def soap_step(
    theta,
    g,
    state,
    lr,
    step,
    layout,
    beta_1=0.95,
    beta_2=0.95,
    every=10,
    max_side=2048,
    weight_decay=0.0,
):
    m_all = average(state, "m", g, beta_1)
    theta = theta - lr * decay(layout, weight_decay) * theta
    arrays = (layout.arrays_in(vector) for vector in (theta, g, m_all))
    for (spec, parameter), (_, gradient), (_, m) in zip(*arrays, strict=True):
        left = right = np.eye(1)
        if spec.name == "coefs":
            left, right = (
                _soap_side(state, f"{spec.layer} {side}", product, beta_2, step, every)
                if len(product) <= max_side
                else np.eye(len(product))
                for side, product in (
                    ("left", gradient @ gradient.T),
                    ("right", gradient.T @ gradient),
                )
            )
        turned = left.T @ gradient @ right if spec.name == "coefs" else gradient
        v = average(state, f"v {spec.name} {spec.layer}", turned**2, beta_2)
        size = np.sqrt(v / (1 - beta_2**step)) + 1e-8
        if spec.name == "coefs":
            parameter -= lr / (1 - beta_1**step) * left @ (left.T @ m @ right / size) @ right.T
        else:
            parameter -= lr / (1 - beta_1**step) * m / size
    return theta


class Stepper:
    """Drives the update kernel of an optimizer over ``theta``."""

    def __init__(self, optimizer, theta, layout):
        self.optimizer = optimizer
        self.theta = theta
        self.layout = layout
        self.state = optimizer.initial_state(layout, theta)
        self.scratch = np.full(optimizer.scratch_size(layout), np.nan, theta.dtype)
        self.parameters = optimizer.kernel_parameters()
        self.step_count = 0
        assert layout.n_parameters == theta.size
        assert self.state.dtype == theta.dtype

    def step(self, gradient, lr):
        self.step_count += 1
        gradient = np.ascontiguousarray(gradient, self.theta.dtype)
        self.optimizer.kernels().plain(
            self.theta.dtype, address(self.theta), address(gradient), address(self.state),
            self.layout.address, address(self.scratch), lr, self.step_count,
            address(self.parameters), 0.0,
        )  # fmt: skip

    @property
    def predicting(self):
        return self.optimizer.prediction_parameters(self.theta, self.state, self.layout)


def random_steps(layout, n_steps=10):
    """Return parameters to start from, gradients and learning rates."""
    random = np.random.default_rng(0)
    theta = random.normal(size=layout.n_parameters)
    gradients = random.normal(size=(n_steps, theta.size))
    gradients[:, 3] = 0
    return theta, gradients, random.uniform(0.01, 0.1, n_steps)
