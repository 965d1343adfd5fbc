"""
Time to a low loss: which optimizer gets there first?
=====================================================

A full-batch optimizer looks at all samples before each of its steps, and takes far fewer and
better steps than Adam. On which tables does that pay, and from when on?
"""

# %%
# Three tables
# ------------
# A small regression, a classification of medium size, and a larger regression with a deeper
# network: 121, 2,260 and 1,441 parameters. All networks have tanh units, since Newton's method
# uses second derivatives.

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator
from sklearn.datasets import load_diabetes, load_digits, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sknn_opt import MLPClassifier, MLPRegressor

diabetes = load_diabetes(return_X_y=True)
digits = load_digits(return_X_y=True)
friedman = make_friedman1(10_000, noise=1.0, random_state=0)

# title: class, hidden layers, features, targets, seconds for each optimizer
tables = {
    "diabetes, 442 × 10, (10,)": (MLPRegressor, (10,), *map(scale, diabetes), 0.4),
    "digits, 1797 × 64, (30,)": (MLPClassifier, (30,), scale(digits[0]), digits[1], 0.8),
    "generated, 10,000 × 10, (32, 32)": (MLPRegressor, (32, 32), *map(scale, friedman), 1.6),
}

# %%
# Four optimizers
# ---------------
# All start from the same parameters and run until ``max_time``, or until their gradient has
# vanished. The penalty is divided by the size of the batch, so Adam is given a share of ``alpha``
# for which it minimizes the same objective. All run on one thread, to compare methods and not how
# they use a second processor.

threadpool_limits(1)
ALPHA = 1.0
BATCH = 200
optimizers = {
    "adam": {
        "batch_size": BATCH,
        "learning_rate_init": 0.005,
        "n_iter_no_change": np.inf,
    },
    "lbfgs": {},
    "newton-cg": {},
    "lm": {},
}


def histories(estimator, hidden, X, y, seconds):
    """Return the ``history_`` of each optimizer that is for this kind of targets."""
    found = {}
    for optimizer, parameters in optimizers.items():
        if optimizer == "lm" and estimator is MLPClassifier:
            continue
        network = estimator(
            hidden,
            "tanh",
            optimizer=optimizer,
            alpha=ALPHA * BATCH / len(X) if optimizer == "adam" else ALPHA,
            max_iter=10**6,
            tol=1e-6,
            random_state=0,
            **parameters,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            # The first use of a kernel takes time that is not the method's.
            network.set_params(max_iter=1).fit(X[:500], y[:500])
            network.set_params(max_iter=10**6, max_time=seconds).fit(X, y)
        found[optimizer] = network.history_
    return found


figure, axes = plt.subplots(1, 3, figsize=(9, 3.8), layout="constrained")
colors = dict(zip(optimizers, ["tab:blue", "tab:orange", "tab:red", "tab:green"], strict=True))
for ax, (title, table) in zip(axes, tables.items(), strict=True):
    for optimizer, history in histories(*table).items():
        if not history["loss"]:
            continue  # no iteration was over in time
        ax.plot(history["time"], history["loss"], color=colors[optimizer], label=optimizer)
        print(f"{title:35} {optimizer:10} {len(history['loss']):5} iterations, "
              f"{history['time'][-1]:5.2f} s, loss {history['loss'][-1]:.4f}")  # fmt: skip
        ax.plot(history["time"][-1], history["loss"][-1], "o", color=colors[optimizer])
    ax.set(xlabel="seconds", xscale="log", yscale="log")
    ax.set_title(title, fontsize="medium")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    ax.yaxis.set_minor_formatter("{x:g}")
axes[0].set_ylabel("training loss")
axes[0].legend()
if len(sys.argv) > 1:  # a file name, for the documentation
    figure.savefig(sys.argv[1], dpi=90)
plt.show()

# %%
# A dot marks where the time was over, or where no gradient was left. On the small regression all
# full-batch optimizers reach a minimum, each its own; Adam, at a constant rate, has not come as low
# in twice their time. On the digits L-BFGS is ahead of Adam after some hundredths of a second, and
# Newton's exact curvature does not pay for its products. On the large table Adam has taken an epoch
# of 50 steps before L-BFGS has taken one, and leads for about a second, until L-BFGS comes down to
# it; Levenberg-Marquardt spends half a second or more on a single step. It is for regression only,
# so it has no line in the plot of the digits.
