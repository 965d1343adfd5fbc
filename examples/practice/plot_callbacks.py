"""
Callbacks: how to watch training, and how to end it
===================================================

With scikit-learn 1.9 or later, callbacks see each epoch, can ask for the network as it is at that
point, and can end training. Here one shows progress, one records scores, and a callback of our own
ends training once the network is good enough.
"""

# %%
# A callback of your own
# ----------------------
# It has four methods. The network in its present state, ``fitted_estimator``, is only made for
# callbacks that ask for it.

import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier


class GoodEnough:
    """Ends training when the accuracy on other data reaches a threshold."""

    def __init__(self, X, y, threshold):
        self.X, self.y, self.threshold = X, y, threshold
        self.scores = []

    def setup(self, estimator, context):
        self.scores.clear()

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.scores.append(fitted_estimator.score(self.X, self.y))
        return self.scores[-1] >= self.threshold

    def teardown(self, estimator, context):
        pass


# %%
# Three of them at once
# ---------------------

X, y = load_digits(return_X_y=True)
X_train, X_val, y_train, y_val = train_test_split(X / 16, y, random_state=0)
monitor = ScoringMonitor(scoring="accuracy")
good_enough = GoodEnough(X_val, y_val, 0.97)

network = MLPClassifier((50,), learning_rate_init=0.003, random_state=0)
network.set_callbacks(ProgressBar(), monitor, good_enough).fit(X_train, y_train)
print(f"ended after {network.n_iter_} of {network.max_iter} epochs")

# %%
# What they saw
# -------------

epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
figure, ax = plt.subplots(layout="constrained")
ax.plot(range(1, len(epochs) + 1), [row["accuracy"] for row in epochs], label="training data")
ax.plot(range(1, len(epochs) + 1), good_enough.scores[: len(epochs)], label="other data")
ax.axhline(good_enough.threshold, color="0.5", linestyle="--", label="good enough")
ax.set(xlabel="epoch", ylabel="accuracy")
ax.legend(loc="lower right")
plt.show()

# %%
# The accuracy on the training data, recorded by the monitor, and on other data, recorded by our own
# callback. Where the latter meets the dashed line, training ends.
