"""
Model complexity and compute: how large should a network be?
============================================================

A wider or deeper network has more parameters, and each row costs more multiply-adds to predict and
to learn from. Where does accuracy stop following, and does time grow as the multiply-adds do?
"""

# %%
# Count first
# -----------
# ``n_parameters_`` counts weights and intercepts. Each weight is one multiply-add for a row in the
# forward pass, and about two more in the backward pass.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)
X, y = load_digits(return_X_y=True)
N_EPOCHS, N_SEEDS = 30, 4
shapes = [(w,) * depth for depth in (1, 2, 4) for w in (8, 16, 32, 64, 128)]


def measured(hidden):
    """Parameters, multiply-adds a row, seconds an epoch and accuracy, as means over splits."""
    rows = []
    for seed in range(N_SEEDS):
        X_train, X_test, y_train, y_test = train_test_split(
            X / 16, y, test_size=0.5, stratify=y, random_state=seed
        )
        network = MLPClassifier(
            hidden, learning_rate_init=0.003, batch_size=32, max_iter=N_EPOCHS,
            n_iter_no_change=N_EPOCHS, random_state=seed,
        ).fit(X_train, y_train)  # fmt: skip
        multiply_adds = sum(weights.size for weights in network.coefs_)
        seconds = np.diff(network.history_["time"]).min()  # the rest is other processes
        score = network.score(X_test, y_test)
        rows.append((network.n_parameters_, multiply_adds, seconds, score))
    return np.mean(rows, axis=0)


table = {hidden: measured(hidden) for hidden in shapes}
print("hidden layers          parameters  multiply-adds  ms an epoch  accuracy")
for hidden, (n_parameters, multiply_adds, seconds, accuracy) in table.items():
    print(f"{hidden!s:22} {n_parameters:10.0f} {multiply_adds:14.0f}", end=" ")
    print(f"{1e3 * seconds:12.1f} {accuracy:9.3f}")

# %%
# Accuracy and time by multiply-adds
# ----------------------------------

plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for depth, marker in zip((1, 2, 4), "os^", strict=True):
    lines = np.array([values for hidden, values in table.items() if len(hidden) == depth]).T
    label = f"{depth} hidden layer" + "s" * (depth > 1)
    axes[0].semilogx(lines[1], lines[3], marker=marker, label=label)
    axes[1].loglog(lines[1], 1e3 * lines[2], marker=marker, label=label)
axes[0].set(xlabel="multiply-adds a row", ylabel="accuracy on held-out images")
axes[1].set(xlabel="multiply-adds a row", ylabel="milliseconds an epoch")
axes[0].legend()
plt.show()

small, large = table[64,], table[128, 128, 128, 128]
_, multiply_adds, seconds, _ = large / small
print(f"four layers of 128 units against one of 64: {multiply_adds:.0f} times the multiply-adds,")
print(f"{seconds:.0f} times the time, {100 * (large - small)[3]:+.1f} points of accuracy")

# %%
# One layer of 64 units recognizes 97.1 % of the images with 4,736 multiply-adds a row. Four layers
# of 128 units do 12 times as many and gain half a point. At equal cost, width is worth more than
# depth here: two layers of 32 units have fewer multiply-adds than one of 64, and four of 16 units
# fewer still, but they are at 96.2 and 94.0 %. Time follows multiply-adds from about 3,000 a row
# on; smaller networks take the same time whatever their size. So start with one layer, double it
# until accuracy stops following, and try a second one only then.
