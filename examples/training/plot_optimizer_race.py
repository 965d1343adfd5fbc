"""
Optimizers: how do they cross a ravine and a plateau?
=====================================================

A network with two features and without a hidden layer has two weights, so its loss is a landscape
that can be drawn. Two kinds of landscape are hard to cross: a ravine, steep across and nearly flat
along it, and a plateau, flat in every direction. Which way does each optimizer go? And who wins on
a network of many weights?
"""

# %%
# Two landscapes
# --------------
# The ravine is the squared error of a linear model; one feature is ten times as large as the
# other. The plateau is the squared error of probabilities: it is flat where the logistic function
# is saturated. Each sample has its mirror image, so that the intercept stays at 0 and only two
# parameters move.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.initializers import Initializer
from sknn_opt.optimizers import SGD

plt.style.use("tableau-colorblind10")
rng = np.random.default_rng(0)
half = rng.standard_normal((50, 2))
X = np.vstack([half, -half])
unequal = X * [1.0, 0.1]
targets = unequal @ [1.0, 10.0]
first = half.sum(axis=1) + rng.normal(0, 0.7, 50) > 0
labels = np.concatenate([first, ~first]).astype(int)


def ravine(weights):
    return np.mean((weights @ unequal.T - targets) ** 2, axis=-1) / 2


def plateau(weights):
    return np.mean((expit(weights @ X.T) - labels) ** 2, axis=-1) / 2


# %%
# Every step on record
# --------------------
# A call of ``partial_fit`` with all samples in one batch is one step of the optimizer. An
# initializer of our own chooses the starting point.


class Start(Initializer):
    """Draw nothing: the weights are given."""

    def __init__(self, weights):
        self.weights = weights

    def draw(self, fan_in, fan_out, activation, random_state):
        return np.reshape(self.weights, (fan_in, fan_out)), np.zeros(fan_out)


def path(network, X, y, start, n_steps, **classes):
    """Return the weights after each step, of shape (n_steps + 1, 2)."""
    network.set_params(initializer=Start(start), batch_size="full", shuffle=False, alpha=0)
    weights = [start]
    for _ in range(n_steps):
        network.partial_fit(X, y, **classes)
        weights.append(network.coefs_[0].ravel().copy())
    return np.array(weights)


# name: optimizer, learning rate in the ravine and on the plateau
racers = {
    "SGD": (SGD(momentum=0), 1.0, 1.0),
    "SGD, momentum 0.9": (SGD(momentum=0.9, nesterovs_momentum=False), 0.2, 1.0),
    "AdaGrad": ("adagrad", 1.0, 1.0),
    "RMSprop": ("rmsprop", 0.1, 0.1),
    "Adam": ("adam", 0.3, 0.3),
}

paths = {"ravine": {}, "plateau": {}}
for name, (optimizer, in_ravine, on_plateau) in racers.items():
    settings = {"hidden_layer_sizes": (), "optimizer": optimizer}
    paths["ravine"][name] = path(
        MLPRegressor(**settings, learning_rate_init=in_ravine), unequal, targets, (-3.0, -2.0), 100
    )
    paths["plateau"][name] = path(
        MLPClassifier(**settings, loss="squared_error", learning_rate_init=on_plateau),
        X, labels, (-5.0, -2.0), 100, classes=[0, 1],
    )  # fmt: skip

# %%
# The race
# --------

views = {
    "ravine": (ravine, np.geomspace(0.01, 30, 12), (-4, 5, -4, 13)),
    "plateau": (plateau, np.linspace(0.03, 0.45, 12), (-7, 7, -6, 8)),
}
styles = dict(zip(racers, ["k:", "C0-", "C1-", "C4--", "C5-"], strict=True))
figure, axes = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")
for (above, below), (title, (loss, levels, window)) in zip(axes.T, views.items(), strict=True):
    left, right, low, high = window
    w_1, w_2 = np.meshgrid(np.linspace(left, right, 150), np.linspace(low, high, 150))
    above.contour(w_1, w_2, loss(np.stack([w_1, w_2], axis=-1)), levels, colors="0.8", linewidths=1)
    for name, weights in paths[title].items():
        above.plot(*weights.T, styles[name])
        below.semilogy(loss(weights), styles[name], label=name)
    above.plot(*weights[0], "ko")
    above.set(title=f"The {title}", xlabel="weight 1", ylabel="weight 2")
    below.set(xlabel="step", ylabel="loss")
axes[1, 0].legend()
plt.show()

# %%
# In the ravine, plain SGD falls to the floor at once and then creeps along it; momentum swings
# from wall to wall and is faster all the same; the others divide each weight's gradient by its
# size, head diagonally for the valley, and Adam, which has momentum too, ends a hundred times
# lower than any other. On the plateau, SGD has hardly left after 100 steps, while momentum
# gathers speed and is below 0.07 after 48. Division by the gradient's size makes flat ground as
# good as steep ground: AdaGrad, whose first steps are its largest, gets there after 7 steps, Adam
# after 20, RMSprop after 33.

# %%
# On digits
# ---------
# 3,800 weights, in mini-batches. Each optimizer runs at the best of six learning rates, the one
# with the lowest loss after twenty epochs.

digits, classes = load_digits(return_X_y=True)
warnings.simplefilter("ignore", ConvergenceWarning)  # twenty epochs are run, on purpose
figure, ax = plt.subplots(layout="constrained")
for name, (optimizer, *_) in racers.items():
    curves = {}
    for rate in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0):
        network = MLPClassifier(
            (50,), optimizer=optimizer, learning_rate_init=rate, batch_size=100, max_iter=20,
            n_iter_no_change=np.inf, random_state=0,
        )  # fmt: skip
        curves[rate] = network.fit(digits / 16, classes).loss_curve_
    best = min(curves, key=lambda rate: curves[rate][-1])
    ax.semilogy(range(1, 21), curves[best], styles[name], label=f"{name}, rate {best:g}")
ax.set(title="Digits", xlabel="epoch", ylabel="training loss", xticks=range(2, 21, 2))
ax.legend()
plt.show()

# %%
# Here momentum makes the difference: after ten epochs SGD with momentum and Adam, which has it too,
# are down to about 0.02, the other three to about 0.08. Neither landscape predicts that plain SGD
# keeps up with AdaGrad and RMSprop, nor that SGD with momentum ends lowest, well below Adam. Each
# needs a rate of its own for that, from 0.01 to 1.
