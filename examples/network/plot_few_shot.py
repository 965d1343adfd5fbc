"""
Few-shot learning: does Reptile find a start for ten points?
============================================================

A network that sees ten points of a sine cannot know the curve between them, unless it has seen
many other sines. Reptile (Nichol, Achiam and Schulman, 2018) looks for parameters from which a few
steps of gradient descent are enough: it trains on one task after the other, and moves the start
a little towards where each training ended.
"""

# %%
# Tasks
# -----
# Each task is a sine with an amplitude and a phase of its own.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPRegressor
from sknn_opt.optimizers import SGD

warnings.simplefilter("ignore", ConvergenceWarning)  # a few steps are the point
rng = np.random.default_rng(0)
network = MLPRegressor(
    (64, 64), "tanh", optimizer=SGD(momentum=0), learning_rate_init=0.02, batch_size=10, alpha=0,
    warm_start=True, n_iter_no_change=np.inf, random_state=np.random.RandomState(0),
)  # fmt: skip


def draw_task():
    amplitude, phase = rng.uniform(0.1, 5), rng.uniform(0, np.pi)
    return lambda x: amplitude * np.sin(x + phase).ravel()


def draw_points(n):
    return rng.uniform(-5, 5, size=(n, 1))


def learn(start, x, y, n_epochs):
    """Train from a start, coefs and intercepts; return where that ends."""
    network.coefs_, network.intercepts_ = start[:3], start[3:]
    network.set_params(max_iter=n_epochs).fit(x, y)
    return [*network.coefs_, *network.intercepts_]


# %%
# The outer loop
# --------------
# A training is one epoch of fifty points, five steps. The start moves all the way to its end at
# first, and less and less later, so that it comes to rest among the ends of all tasks.

N_TASKS = 6000
network.set_params(max_iter=1).fit(draw_points(10), np.zeros(10))  # draws parameters
random_start = [*network.coefs_, *network.intercepts_]
start = random_start
for i in range(N_TASKS):
    task, x = draw_task(), draw_points(50)
    end = learn(start, x, task(x), n_epochs=1)
    share = 1 - i / N_TASKS
    start = [a + share * (b - a) for a, b in zip(start, end, strict=True)]

# %%
# New tasks
# ---------
# The network sees ten points of a sine that is new to it. From the start that Reptile found it
# takes 32 steps, from a random one as many, or a thousand.

grid = np.linspace(-5, 5, 200)[:, np.newaxis]
cases = {
    "random start, 32 steps": (random_start, 32),
    "random start, 1,000 steps": (random_start, 1000),
    "Reptile's start, 32 steps": (start, 32),
}
errors = {name: [] for name in cases}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
for k in range(50):
    task, x = draw_task(), draw_points(10)
    for ax, (name, (origin, n_steps)) in zip(axes, cases.items(), strict=True):
        learn(origin, x, task(x), n_steps)
        predicted = network.predict(grid)
        errors[name].append(np.mean((predicted - task(grid)) ** 2))
        if k == 0:
            ax.plot(grid, task(grid), "k:", label="the task")
            ax.plot(grid, predicted, label="the network")
            ax.plot(x, task(x), "ko", label="what it has seen")
            ax.set_title(name)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()
for name, values in errors.items():
    print(f"{name:26} mean squared error {np.mean(values):.2f}, median {np.median(values):.2f}")

# %%
# From the start that Reptile found, 32 steps on ten points reach a mean squared error of 0.21. From
# a random start they reach 4.03, and 1,000 steps still 0.62: the difference is not time, but what
# ten points do not say. Six thousand tasks of five steps each took some seconds. If you have many
# small tasks of one kind, such as a curve for each machine or patient, spend them on a start.
