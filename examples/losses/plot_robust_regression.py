"""
Robust losses: how many wrong targets does a regression survive?
================================================================

A misplaced decimal point or a broken sensor makes a target wrong by far more than noise does. The
squared error squares that. How much better do Huber's loss and the absolute error, which grow
linearly, find the curve behind the data?
"""

# %%
# A curve and its outliers
# ------------------------

import matplotlib.pyplot as plt
import numpy as np

from sknn_opt import MLPRegressor

LOSSES = {"squared_error": "C1--", "huber": "C0-", "absolute_error": "k:"}


def curve(x):
    return np.sin(2 * x) + 0.5 * x


def draw(share, random_state):
    """Return points near the curve, and a share of them far above."""
    rng = np.random.default_rng(random_state)
    x = rng.uniform(-3, 3, 400)
    y = curve(x) + rng.normal(0, 0.1, len(x))
    outlying = rng.random(len(x)) < share
    return x, np.where(outlying, y + rng.uniform(3, 10, len(x)), y)


def fit(loss, x, y):
    return MLPRegressor(
        (20,),
        activation="tanh",
        loss=loss,
        alpha=0.01,
        batch_size=50,
        learning_rate="adaptive",
        learning_rate_init=0.03,
        n_iter_no_change=20,
        max_iter=3000,
        random_state=0,
    ).fit(x[:, np.newaxis], y)


# %%
# From no outliers to two in five
# -------------------------------
# The error is measured against the curve itself, the mean of three draws.

grid = np.linspace(-3, 3, 200)
shares = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4]
errors = {loss: [] for loss in LOSSES}
for share in shares:
    for loss in LOSSES:
        networks = [fit(loss, *draw(share, seed)) for seed in range(3)]
        off = [network.predict(grid[:, np.newaxis]) - curve(grid) for network in networks]
        errors[loss].append(np.mean([np.sqrt(np.mean(e**2)) for e in off]))

plt.style.use("tableau-colorblind10")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
x, y = draw(0.1, 0)
left.scatter(x, y, s=8, color="0.7")
for loss, style in LOSSES.items():
    left.plot(grid, fit(loss, x, y).predict(grid[:, np.newaxis]), style, label=loss)
    right.semilogy(shares, errors[loss], style, marker="o", label=loss)
left.set(title="One target in ten is wrong", xlabel="x", ylabel="y")
left.legend(loc="upper left")
right.set(title="Error against the curve (RMS)", xlabel="share of wrong targets")
right.xaxis.set_major_formatter("{x:.0%}")
plt.show()

# %%
# Without outliers the squared error is as good as the others or better. With one target in fifty
# wrong its error is four times as large, and with one in ten its curve is drawn far upwards.
# Huber's loss, which is linear beyond a residual of 1, deteriorates slowly: with one in ten wrong
# its error is twice what it was, a quarter of the squared error's. The absolute error, whose
# prediction is the median, hardly notices up to one in five; beyond that it deteriorates too, since
# all wrong targets lie on the same side.
