"""
Early stopping: when is the time to stop?
=========================================

The longer training goes on, the lower the loss on the training data, in the end by learning what is
true of these data alone. Early stopping holds some of them out and watches the score on those. How
close does it come to the best moment, and does the network miss the samples that are held out?
"""

# %%
# Digits with wrong labels
# ------------------------
# A fifth of the 600 labels to learn from are drawn at random; those to test on are right.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier

X, y = load_digits(return_X_y=True)
SETTINGS = {"hidden_layer_sizes": (100,), "learning_rate_init": 0.005, "batch_size": 50}


def split(seed):
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, train_size=600, random_state=seed
    )
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(y_train)) < 0.2
    return X_train, X_test, np.where(wrong, rng.integers(0, 10, len(y_train)), y_train), y_test


# %%
# Stopped and not stopped
# -----------------------
# For five splits: the test accuracy after each of 60 epochs on all training data, and that of the
# network that early stopping returns, with a quarter of the training data held out.

N_EPOCHS = 60
SPLITS = range(5)
curves, stopped = [], []
for seed in SPLITS:
    X_train, X_test, y_train, y_test = split(seed)
    network = MLPClassifier(**SETTINGS, random_state=np.random.RandomState(seed))
    curve = []
    for _ in range(N_EPOCHS):
        network.partial_fit(X_train, y_train, classes=range(10))
        curve.append((network.score(X_train, y_train), network.score(X_test, y_test)))
    curves.append(np.transpose(curve))
    network = MLPClassifier(
        **SETTINGS, early_stopping=True, validation_fraction=0.25, random_state=seed
    ).fit(X_train, y_train)
    stopped.append((np.argmax(network.validation_scores_) + 1, network.score(X_test, y_test)))

# %%
# Five splits
# -----------

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
epochs = range(1, N_EPOCHS + 1)
left.plot(epochs, curves[0][0], "k--", label="training data, with wrong labels")
left.plot(epochs, curves[0][1], "tab:blue", label="test data")
epoch, score = stopped[0]
left.plot(epoch, score, "o", color="tab:orange", markersize=9, label="early stopping, test data")
left.set(title="The first split", xlabel="epoch", ylabel="accuracy", ylim=(0.7, 1))
left.legend(loc="lower center")

best, last = zip(*[(test.max(), test[-1]) for _, test in curves], strict=True)
scores = [score for _, score in stopped]
right.plot(SPLITS, best, "k_", markersize=16, label="best epoch, in hindsight")
right.plot(SPLITS, scores, "o", color="tab:orange", markersize=9, label="early stopping")
right.plot(SPLITS, last, "s", color="tab:blue", label=f"after {N_EPOCHS} epochs")
right.set(title="All five, test data", xlabel="split", xticks=SPLITS)
right.legend(loc="lower right")
plt.show()

# %%
# After about ten epochs the network has learnt what there is to learn, 92 % on test data; from then
# on it learns the wrong labels, and after 60 epochs 84 % are left. Early stopping returns the
# network of the tenth epoch, and comes within two points of the best epoch in four of the splits,
# within three in the other. Part of that gap comes from the quarter of the data that it did not
# learn from: once the number of epochs is known, a last fit on all of them, with that ``max_iter``,
# can get it back.
