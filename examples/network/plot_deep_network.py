"""
Deep networks: why do they not learn, and what helps?
=====================================================

Twenty layers of tanh units, with small random weights: each layer shrinks the signal on its way up
and the gradient on its way down, until nothing is left to learn from. Textbooks name four remedies.
Is each of them, on its own, enough for this network to learn the digits?
"""

# %%
# The patient
# -----------
# Normal weights of standard deviation 0.05 in layers of 64 units: a layer scales the signal by
# about 0.05 * sqrt(64) = 0.4, twenty layers by 0.4 ** 20 = 1e-8.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier
from sknn_opt.initializers import Normal

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

patient = {
    "hidden_layer_sizes": (64,) * 20,
    "activation": "tanh",
    "initializer": Normal(std=0.05),
}
remedies = {
    "nothing": {},
    "Xavier initialization": {"initializer": "glorot_uniform"},
    "He initialization": {"initializer": "he_normal"},
    "batch normalization": {"normalization": "batch"},
    "layer normalization": {"normalization": "layer"},
    "residual connections": {"residual": True},
}

# %%
# Six trainings
# -------------
# Twenty epochs each.

plt.style.use("tableau-colorblind10")
scores = {}
figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 4), width_ratios=(3, 2), layout="constrained"
)
for name, remedy in remedies.items():
    network = MLPClassifier(**{**patient, **remedy}, random_state=np.random.RandomState(0))
    for _ in range(20):
        network.partial_fit(X_train, y_train, classes=range(10))
    scores[name] = network.score(X_test, y_test)
    left.plot(range(1, 21), network.loss_curve_)

left.set(xlabel="epoch", xticks=range(0, 21, 5), ylabel="training loss", yscale="log")
left.set_title("Training")
bars = right.barh(list(scores), list(scores.values()), color=[f"C{i}" for i in range(6)])
right.bar_label(bars, fmt="%.2f", padding=3)
right.axvline(0.1, color="black", linestyle=":")
right.set(xlim=(0, 1.15), xlabel="accuracy on test data (dotted: chance)", title="Result")
right.invert_yaxis()
plt.show()

# %%
# The lines have the colours of the bars. Without a remedy the loss stays at log(10) = 2.3 and the
# accuracy at a tenth, that of guessing. With any single remedy the network learns to read 92 to 96
# % of the digits: initialization keeps the signal's size at the start, normalization restores it in
# every layer and at every step, and a residual connection lets the signal bypass the layers.
