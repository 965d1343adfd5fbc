"""
Levenberg-Marquardt: when is it worth it?
=========================================

Fitting a smooth function without noise, with a small network of tanh units, is the problem that
Levenberg-Marquardt was made for. How far below Adam and L-BFGS does it get, in how much time? How
much of that is left when the data have noise, or the network has more units?
"""

# %%
# Three functions
# ---------------
# A curve, a benchmark with five features and a surface, all scaled to unit variance. The loss is
# half the mean squared residual, so the loss of predicting the mean is 0.5.

import statistics
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from sknn_opt import MLPRegressor

rng = np.random.default_rng(0)
line = np.linspace(-10, 10, 400)
square = rng.uniform(-1, 1, (1000, 2))
surface = scale(np.sin(3 * square[:, 0]) * np.cos(2 * square[:, 1]))
cube, friedman = make_friedman1(500, n_features=5, random_state=0)
tables = {
    "sinc": (scale(line[:, np.newaxis]), scale(np.sinc(line / np.pi)), 10),
    "Friedman 1": (scale(cube), scale(friedman), 20),
    "surface": (square[:500], surface[:500], 15),
}

# %%
# Three optimizers, three seeds
# -----------------------------
# Adam gets small batches and a rate that falls to 0, which suit it well here. ``tol=0`` lets none
# of them stop early, and ``max_iter`` gives each a few tenths of a second.

SEEDS = range(3)
OPTIMIZERS = {
    "adam": {
        "max_iter": 500,
        "batch_size": 32,
        "learning_rate": "cosine",
        "learning_rate_init": 0.02,
        "n_iter_no_change": np.inf,
    },
    "lbfgs": {"max_iter": 500},
    "lm": {"max_iter": 150},
}
COLORS = dict(zip(OPTIMIZERS, ["tab:blue", "tab:orange", "tab:green"], strict=True))


def fit(optimizer, X, y, units, seed=0, **others):
    settings = {"alpha": 0, "tol": 0, "random_state": seed, **OPTIMIZERS[optimizer], **others}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is meant to be reached
        return MLPRegressor((units,), "tanh", optimizer=optimizer, **settings).fit(X, y)


for optimizer in OPTIMIZERS:  # the first use of kernels takes a moment
    fit(optimizer, *tables["sinc"], max_iter=2)

histories = {
    name: {o: [fit(o, *table, seed).history_ for seed in SEEDS] for o in OPTIMIZERS}
    for name, table in tables.items()
}

# %%
# Medians over the seeds: the loss at the end, the seconds until then, and the seconds after which
# Levenberg-Marquardt is below where L-BFGS ends.


def median_end(runs, column):
    return statistics.median(run[column][-1] for run in runs)


def seconds_to(loss, run):
    below = np.flatnonzero(np.array(run["loss"]) < loss)
    return run["time"][below[0]] if below.size else np.inf


print(f"{'':12}{'training loss':^27}{'seconds':^21}")
print(f"{'':12}" + "".join(f"{o:>9}" for o in OPTIMIZERS), end="")
print("".join(f"{o:>7}" for o in OPTIMIZERS) + "   lm to the end of lbfgs")
for name, runs in histories.items():
    losses = {o: median_end(runs[o], "loss") for o in OPTIMIZERS}
    seconds = {o: median_end(runs[o], "time") for o in OPTIMIZERS}
    catches_up = statistics.median(seconds_to(losses["lbfgs"], run) for run in runs["lm"])
    print(f"{name:12}" + "".join(f"{loss:9.0e}" for loss in losses.values()), end="")
    print("".join(f"{s:7.2f}" for s in seconds.values()) + f"{catches_up:10.2f}")

# %%
# Noise and size
# --------------
# The surface once more, with normal noise on its training targets; the error is measured on 500
# other points, without noise. And the time of an iteration as the hidden layer grows.

LEVELS = [1e-3, 1e-2, 1e-1]
errors = {o: [] for o in OPTIMIZERS}
for level in LEVELS:
    noisy = surface[:500] + level * np.random.default_rng(1).standard_normal(500)
    for optimizer in OPTIMIZERS:
        networks = [fit(optimizer, square[:500], noisy, 15, seed) for seed in SEEDS]
        residuals = [network.predict(square[500:]) - surface[500:] for network in networks]
        errors[optimizer].append(statistics.median(np.sqrt(np.mean(r**2)) for r in residuals))

WIDTHS = [5, 10, 20, 40, 80, 160]
milliseconds = {o: [] for o in ("lbfgs", "lm")}
for width in WIDTHS:
    for optimizer, times in milliseconds.items():
        history = fit(optimizer, *tables["Friedman 1"][:2], width, max_iter=6).history_
        times.append(1e3 * statistics.median(np.diff(history["time"])))

# %%
# The picture
# -----------
# Above, each seed is a line; below are medians.

top = [name for name in tables for _ in range(2)]
figure, axes = plt.subplot_mosaic(
    [top, ["noise"] * 3 + ["size"] * 3], figsize=(9, 7.5), layout="constrained"
)
for name, runs in histories.items():
    for optimizer, color in COLORS.items():
        for run in runs[optimizer]:
            axes[name].loglog(run["time"], run["loss"], color=color, alpha=0.6, linewidth=1)
    axes[name].set(title=name, xlabel="seconds", xlim=(1e-3, 1), ylim=(1e-8, 2))
axes["sinc"].set_ylabel("training loss")
for optimizer, color in COLORS.items():
    axes["noise"].loglog(LEVELS, errors[optimizer], "o-", color=color, label=optimizer)
axes["noise"].loglog(LEVELS, LEVELS, "k:", label="the noise itself")
axes["noise"].set(
    title="surface with noise", xlabel="standard deviation of the noise", ylabel="test error (RMS)"
)
axes["noise"].legend(loc="lower right")
for optimizer, times in milliseconds.items():
    n_parameters = [7 * width + 1 for width in WIDTHS]
    axes["size"].loglog(n_parameters, times, "o-", color=COLORS[optimizer], label=optimizer)
axes["size"].set(title="Friedman 1, 500 samples", xlabel="parameters", ylabel="ms an iteration")
axes["size"].legend()
plt.show()

# %%
# Without noise, Levenberg-Marquardt passes below where L-BFGS ends after a small part of its time,
# and ends two orders of magnitude below it, three below Adam. With noise of 1 % its error on new
# points is a sixth of theirs; with noise of 10 % it fits the noise best, which is not what we want,
# and L-BFGS does better. Up to some hundred parameters an iteration costs hardly more than for a
# tiny network; with a thousand it costs fifty times as much, against five times for L-BFGS, so few
# iterations fit into the same time. Use it for smooth regression on precise data with a small
# network.
