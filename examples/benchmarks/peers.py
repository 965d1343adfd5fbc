"""The same training in PyTorch and in JAX, for `fit_speed.py`: written as their users would."""

from itertools import pairwise

import numpy as np

ALPHA, LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-4, 1e-3, 0.9, 0.999, 1e-8


def torch_fit(X, y, units, batch_size, epochs, activation):
    """Return a function that trains eagerly, with the fused Adam."""
    import torch
    from torch import nn

    X, y = torch.from_numpy(X), torch.from_numpy(y)
    layers = []
    for fan_in, fan_out in pairwise(units):
        layers += [nn.Linear(fan_in, fan_out, dtype=X.dtype)]
        layers += [nn.Tanh() if activation == "tanh" else nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    loss = nn.CrossEntropyLoss()
    if units[-1] == 1:
        loss, y = nn.BCEWithLogitsLoss(), y.to(X.dtype)[:, None]
    adam = torch.optim.Adam(
        network.parameters(), LEARNING_RATE, weight_decay=ALPHA / batch_size, fused=True
    )

    def run():
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(batch_size):
                adam.zero_grad()
                loss(network(X[rows]), y[rows]).backward()
                adam.step()

    return run


def jax_fit(X, y, units, batch_size, epochs, activation):
    """Return a function whose epochs are compiled whole; rows that fill no batch are left out."""
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)
    X, y = jnp.asarray(X), jnp.asarray(y)
    key = jax.random.PRNGKey(0)
    shapes = list(pairwise(units))
    theta = [
        (jax.random.normal(key, s, X.dtype) / np.sqrt(s[0]), jnp.zeros(s[1], X.dtype))
        for s in shapes
    ]
    zeros = jax.tree.map(jnp.zeros_like, theta)
    act = jnp.tanh if activation == "tanh" else jax.nn.relu

    def loss(theta, X, y):
        a = X
        for w, b in theta[:-1]:
            a = act(a @ w + b)
        z = a @ theta[-1][0] + theta[-1][1]
        penalty = ALPHA / 2 / len(X) * sum((w**2).sum() for w, _ in theta)
        if units[-1] == 1:
            return jnp.mean(jax.nn.softplus(z[:, 0]) - y * z[:, 0]) + penalty
        chosen = jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1)
        return penalty - jnp.mean(chosen)

    def step(state, rows):
        theta, m, v, t = state
        gradient = jax.grad(loss)(theta, X[rows], y[rows])
        t = t + 1
        m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, gradient)
        v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, gradient)
        rate = (LEARNING_RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)).astype(X.dtype)
        theta = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), theta, m, v)
        return (theta, m, v, t), None

    @jax.jit
    def epoch(state, rows):
        return jax.lax.scan(step, state, rows)[0]

    n_batches = len(X) // batch_size
    rng = np.random.default_rng(0)

    def run():
        state = theta, zeros, zeros, jnp.zeros((), X.dtype)
        for _ in range(epochs):
            rows = rng.permutation(len(X))[: n_batches * batch_size]
            state = epoch(state, rows.reshape(n_batches, batch_size))
        jax.block_until_ready(state)

    return run


PEERS = {"torch": torch_fit, "jax": jax_fit}
