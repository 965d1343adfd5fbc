"""
Overfitting: what keeps a large network from learning the noise?
================================================================

Three hundred images, a fifth of them with a wrong label, and a network with enough units to learn
every one of them by heart. What can an L2 penalty, an L1 penalty, dropout, and mixtures of images
with noise each do about it?
"""

# %%
# Wrong labels
# ------------
# The labels of the images to test on are right.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=300, stratify=y, random_state=0
)
rng = np.random.default_rng(0)
wrong = rng.random(len(y_train)) < 0.2
y_train = np.where(wrong, rng.integers(0, 10, len(y_train)), y_train)

# %%
# Five networks, epoch by epoch
# -----------------------------

remedies = {
    "nothing": {"alpha": 0},
    "alpha=1": {"alpha": 1.0},
    "alpha=0.1, l1_ratio=1": {"alpha": 0.1, "l1_ratio": 1.0},
    "dropout=0.7": {"alpha": 0, "dropout": 0.7},
    "mixup=1, input_noise=0.3": {"alpha": 0, "mixup": 1.0, "input_noise": 0.3},
}
N_EPOCHS = 100
plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 5, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, (name, remedy) in zip(axes, remedies.items(), strict=True):
    network = MLPClassifier(
        (300,),
        learning_rate_init=0.003,
        batch_size=30,
        random_state=np.random.RandomState(0),
        **remedy,
    )
    scores = []
    for _ in range(N_EPOCHS):
        network.partial_fit(X_train, y_train, classes=range(10))
        scores.append((network.score(X_train, y_train), network.score(X_test, y_test)))
    in_training, in_test = np.transpose(scores)
    ax.plot(in_training, "C0--", label="training data, with wrong labels")
    ax.plot(in_test, "C1-", label="test data")
    ax.set(title=name.replace(", ", ",\n"), xlabel="epoch", ylim=(0.6, 1.01))
axes[0].set_ylabel("accuracy")
figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
# Without a remedy the network is best after ten epochs, with 91 % of the test images, and then
# learns the wrong labels, all of them, down to 82 %. The L2 penalty, ``alpha=1``, stops it from
# getting there: 80 % of the training labels, which is about as many as are right, and 89 % on test
# data, now as later. The L1 penalty does as well with 6 % of the weights; the others are exactly 0.
# Dropout reaches 93 % and slows down the learning of wrong labels, but does not end it: it needs
# early stopping as well. Mixtures of two images with noise on them do best, with 94 %. Wrong labels
# are learnt here too, but so slowly that a hundred epochs cost only 1 %.
