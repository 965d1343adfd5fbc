"""
Augmentation: do noise and mixup make up for data that are missing?
===================================================================

Augmentation shows the network variants of each sample, new ones in each epoch. For a table there
are two that need no knowledge of the subject: noise on the features, and mixup, which blends two
samples and their targets. Do they help with small images, and how many images does that save?
"""

# %%
# Few images, many draws
# ----------------------
# All accuracies are those for the images that are not in the training set. Each difference is that
# to the plain network with the same images and the same seed, so that the luck of the draw is
# taken out of it; bars are two standard errors of the mean.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)
X, y = load_digits(return_X_y=True)
X = X / 16

augmentations = {
    "plain": {},
    "input_noise=0.1": {"input_noise": 0.1},
    "input_noise=0.3": {"input_noise": 0.3},
    "mixup=0.2": {"mixup": 0.2},
    "mixup=1": {"mixup": 1.0},
}
N_TRAIN, N_DRAWS = (50, 100, 300, 1000), 6


def accuracies(n_train, seed):
    """The accuracy of each network, with the same images."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, train_size=n_train, stratify=y, random_state=seed
    )
    n_epochs = min(200, 60_000 // n_train)
    return [
        MLPClassifier(
            (100,), learning_rate_init=0.01, batch_size=50, max_iter=n_epochs,
            n_iter_no_change=n_epochs, random_state=seed, **augmentation,
        )
        .fit(X_train, y_train)
        .score(X_test, y_test)
        for augmentation in augmentations.values()
    ]  # fmt: skip


figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
found = np.array([[accuracies(n, seed) for seed in range(N_DRAWS)] for n in N_TRAIN])
gains = 100 * (found - found[:, :, :1])
for k, name in enumerate(list(augmentations)[1:], 1):
    mean, error = gains[:, :, k].mean(axis=1), gains[:, :, k].std(axis=1) / np.sqrt(N_DRAWS)
    places = np.arange(len(N_TRAIN)) + 0.12 * (k - 2.5)
    ax.errorbar(places, mean, 2 * error, fmt="o", capsize=3, label=name)
ax.axhline(0, color="k", ls=":")
accuracy = found[:, :, 0].mean(axis=1)
labels = [f"{n} images\n(plain: {a:.1%})" for n, a in zip(N_TRAIN, accuracy, strict=True)]
ax.set_xticks(range(len(N_TRAIN)), labels)
ax.set_ylabel("gain in accuracy, points")
ax.legend(ncols=2, fontsize="small")
plt.show()
for n, rows in zip(N_TRAIN, gains.mean(axis=1), strict=True):
    gained = (f"{name} {gain:+.2f}" for name, gain in zip(augmentations, rows, strict=True))
    print(f"{n:5} images:", ", ".join(gained))

# %%
# Noise with a standard deviation of 0.3, where pixels go from 0 to 1, is worth one and a half
# points with 50 to 300 images, and nothing beyond its error with 1,000. That is less than more
# images are worth: with 100 in place of 50 the plain network gains four points. Weaker noise does
# next to nothing. Mixup costs one to three points with few images and gains nothing with many: a
# blend of two small digits is no digit. So with hundreds of small images try noise, which costs
# a line, leave mixup out, and spend the effort on labels.
