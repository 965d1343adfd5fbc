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


def _inverse(matrix, ridge):
    return np.linalg.inv(matrix + ridge * np.eye(len(matrix)))


def natural_gradient(by_weights, by_intercepts, factors, damping):
    """A layer's gradient, intercepts in the last row, between its inverse factors."""
    by_inputs, by_outputs = factors
    means = np.trace(by_inputs) / len(by_inputs), np.trace(by_outputs) / len(by_outputs)
    balance = np.sqrt(means[0] / means[1]) if min(means) > 0 else 1.0
    left = _inverse(by_inputs, np.sqrt(damping) * balance)
    right = _inverse(by_outputs, np.sqrt(damping) / balance)
    return left @ np.vstack([by_weights, by_intercepts]) @ right


def kfac_step(
    theta,
    g,
    state,
    lr,
    step,
    layout,
    damping=1e-3,
    decay=0.95,
    every=10,
    kl_clip=1e-3,
    max_side=2048,
    fisher="sampled",
    factors=None,
):
    """A step with these factors of each layer, or as long as nothing is observed with 0."""
    m, v = average(state, "m", g, 0.9), average(state, "v", g**2, 0.999)
    size = np.sqrt(v / (1 - 0.999**step)) + 1e-8
    new = theta - lr / 10 * m / (1 - 0.9**step) / size
    steps, total = {}, 0.0
    layers = list(zip(*(layout.by_layer(vector) for vector in (theta, g, new)), strict=True))
    for i, (_, gradient, _) in enumerate(layers):
        fan_in, fan_out = gradient["coefs"].shape
        if max(fan_in + 1, fan_out) <= max_side:
            zeros = np.zeros((fan_in + 1, fan_in + 1)), np.zeros((fan_out, fan_out))
            by = gradient["coefs"], gradient["intercepts"]
            steps[i] = natural_gradient(*by, factors[i] if factors else zeros, damping)
            total += lr**2 * np.sum(np.vstack(by) * steps[i])
    clip = 1.0 if kl_clip is None or total <= kl_clip else np.sqrt(kl_clip / total)
    for i, step_of_layer in steps.items():
        before, _, after = layers[i]
        after["coefs"][:] = before["coefs"] - lr * clip * step_of_layer[:-1]
        after["intercepts"][:] = before["intercepts"] - lr * clip * step_of_layer[-1]
    return new


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
