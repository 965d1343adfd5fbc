"""
Learning rates: which one does each optimizer need?
===================================================

An optimizer that fails may be a good one with a wrong learning rate. How do the sixteen first-order
optimizers do on the digits at rates from 0.0001 to 1, and how good is the default of each?
"""

# %%
# A race for each rate
# --------------------
# Ten epochs each, without a schedule. Rprop, which takes all samples for a step, is not in this
# race.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

names = [n for n, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder) and n != "rprop"]
rates = [10.0**exponent for exponent in range(-4, 1)]


def loss_and_accuracy(optimizer, rate):
    network = MLPClassifier(
        (50,),
        optimizer=optimizer,
        learning_rate_init=rate,
        batch_size=64,
        random_state=np.random.RandomState(0),
    )
    try:
        for _ in range(10):
            network.partial_fit(X_train, y_train, classes=range(10))
    except ValueError:  # the weights went to infinity
        return np.inf, 0.1
    return network.loss_, network.score(X_test, y_test)


results = np.array([[loss_and_accuracy(name, rate) for rate in rates] for name in names])
accuracies = results[..., 1]
figure, ax = plt.subplots(figsize=(7, 7), layout="constrained")
image = ax.imshow(accuracies, aspect="auto", vmin=0.5, vmax=1, cmap="cividis")
for (row, column), accuracy in np.ndenumerate(accuracies):
    color = "white" if accuracy < 0.8 else "black"
    ax.text(column, row, f"{accuracy:.2f}", ha="center", va="center", color=color)
for row, name in enumerate(names):
    default = np.log10(OPTIMIZERS[name]().default_learning_rate) + 4
    ax.plot(default, row + 0.38, "^", color="tab:red", clip_on=False)
ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
ax.set_yticks(range(len(names)), names)
ax.set(
    xlabel="learning_rate_init (triangle: the default)",
    title="Accuracy on test data after 10 epochs",
)
plt.show()

# %%
# Nearly every row has a yellow field: at its own best rate, each of the sixteen gets 96 to 98 %
# right in ten epochs. But their rates differ: 0.01 suits most of the Adam family, SGD, AdaMax and
# RAdam do as well or better at 0.1, Adadelta wants 1. LAMB and SGD fail abruptly where the rate is
# too large, Adam and its relatives lose a few per cent. The defaults, for the most part from papers
# on larger data, are rather small for a table of 1,300 rows: after ten epochs at their defaults,
# SGD is at 81 %, LAMB at 78, RAdam at 66 and Lion at 43.
