"""
Growing a network: does a wider one have to start again?
========================================================

A trained network turns out too small. Net2Wider (Chen, Goodfellow and Shlens, 2016) copies some of
its units and divides what goes out of them, so that the wide network starts with the function of
the narrow one. ``FromEstimator`` starts from it. How many epochs does that save?
"""

# %%
# Wider, and the same function
# ----------------------------

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier
from sknn_opt.initializers import FromEstimator

warnings.simplefilter("ignore", ConvergenceWarning)


def widened(network, widths, seed=0):
    """Return a network of these widths that computes the same as ``network``."""
    rng = np.random.default_rng(seed)
    wide = clone(network).set_params(hidden_layer_sizes=widths)
    wide.coefs_, wide.intercepts_ = list(network.coefs_), list(network.intercepts_)
    for k, width in enumerate(widths):
        n = wide.coefs_[k].shape[1]
        source = np.r_[np.arange(n), rng.integers(n, size=width - n)]  # of each unit
        # Copies share what goes out unevenly, so that they do not stay the same.
        shares = rng.uniform(0.5, 1.5, width)
        shares /= np.bincount(source, shares)[source]
        wide.coefs_[k] = wide.coefs_[k][:, source]
        wide.intercepts_[k] = wide.intercepts_[k][source]
        wide.coefs_[k + 1] = wide.coefs_[k + 1][source] * shares[:, np.newaxis]
    return wide


X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.5, stratify=y, random_state=0)
settings = {"learning_rate_init": 0.003, "batch_size": 32, "n_iter_no_change": 100}
narrow = MLPClassifier((10, 10), max_iter=30, random_state=0, **settings).fit(X, y)
wide = widened(narrow, (100, 100))

# %%
# From the narrow network, or from scratch
# ----------------------------------------

grown = {"initializer": FromEstimator(wide)}
starts = {"from scratch": {}, "from the narrow network": grown}
plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for name, start in starts.items():
    losses, scores = [], []
    for seed in range(5):
        network = MLPClassifier((100, 100), max_iter=15, random_state=seed, **settings, **start)
        network.fit(X, y, X_val=X_test, y_val=y_test)
        losses.append(network.loss_curve_)
        scores.append(network.history_["validation_score"])
    epochs = np.arange(1, 16)
    axes[0].semilogy(epochs, np.mean(losses, axis=0), marker=".", label=name)
    axes[1].plot(epochs, np.mean(scores, axis=0), marker=".", label=name)
    print(f"{name:24}", *(f"{score:.3f}" for score in np.mean(scores, axis=0)[[0, 2, 4, 9, 14]]))
axes[1].axhline(narrow.score(X_test, y_test), color="k", ls=":", label="the narrow network")
axes[0].set(xlabel="epoch", ylabel="training loss")
axes[1].set(xlabel="epoch", ylabel="accuracy on test images", ylim=(0.85, 1))
axes[1].legend()
plt.show()

# %%
# The wide network starts with what the narrow one knows, and after one epoch recognizes 92.5 % of
# the test images where a fresh one recognizes 86.7 %. After three epochs the fresh network is
# ahead, and after fifteen by three points: a hundred copies of ten units go on seeing what ten
# units see. Widening pays where an epoch is so expensive that there will be one or two of them;
# otherwise train the large network from the start, as it costs less than it seems.
