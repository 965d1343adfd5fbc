"""
Activations: which one bends how, and does it matter?
=====================================================

Without an activation, layers merge into one linear map. There are thirteen to choose from, from the
sigmoid of the first networks to the smooth relatives of relu. What do they look like, where do
their gradients vanish, and how fast does a network of five layers learn with each?
"""

# %%
# Shapes and slopes
# -----------------
# A network of one unit with a weight of 1 computes the activation itself, so assign these
# parameters.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.activations import ACTIVATIONS

z = np.linspace(-4, 4, 401)


def values(activation):
    unit = MLPRegressor((1,), activation).partial_fit(z[:, np.newaxis], z)
    unit.coefs_ = [np.ones((1, 1)), np.ones((1, 1))]
    unit.intercepts_ = [np.zeros(1), np.zeros(1)]
    return unit.predict(z[:, np.newaxis])


# %%
# Five layers of each
# -------------------

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
curves = {}
for name in ACTIVATIONS:
    network = MLPClassifier((50,) * 5, name, random_state=np.random.RandomState(0))
    for _ in range(15):
        network.partial_fit(X, y, classes=range(10))
    curves[name] = network.loss_curve_

# %%
# Thirteen pictures, and what they learn
# --------------------------------------

figure, axes = plt.subplots(3, 5, figsize=(9, 7), sharex=True, sharey=True, layout="constrained")
for ax, name in zip(axes.flat, ACTIVATIONS, strict=False):
    activation = values(name)
    ax.axhline(0, color="0.8", linewidth=1)
    ax.plot(z, activation, color="tab:blue", label="value")
    ax.plot(z, np.gradient(activation, z), color="tab:orange", linestyle="--", label="slope")
    ax.set_title(f"{name}\nloss {curves[name][0]:.2f} → {curves[name][-1]:.2f}", fontsize=10)
    ax.set(xlim=(-4, 4), ylim=(-2, 2.5))
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="lower right", fontsize="large")
for ax in axes.flat[13:]:
    ax.axis("off")
plt.show()

# %%
# Above each picture is the training loss after the first epoch and after the fifteenth. Only the
# sigmoid fails: its slope is a quarter at best, so five layers leave less than a thousandth of a
# gradient, and the loss stays close to 2.3, that of guessing. tanh, with a slope of 1 in the
# middle, does learn, and softsign and softplus are slower. The relatives of relu end at 0.04 to
# 0.06, close to each other. Without any activation the loss ends not far above them on these data,
# at 0.07: digits are nearly separable by a linear map, so a low training loss alone does not show
# that an activation is needed.
