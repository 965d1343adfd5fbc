"""
Cross-validation: k folds, leave-one-out, stratified, in order of time
======================================================================

A split into training and test data should treat the model as its later use will. How many folds,
which rows together, and in which order: three cases in which that decides what you read.
"""

# %%
# How many folds?
# ---------------
# Take a hundred rows of the breast cancer data as known; the other 469 tell us the truth. k-fold
# cross-validation trains k networks; leave-one-out trains one for each row.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    KFold,
    LeaveOneOut,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
    train_test_split,
)
from sklearn.preprocessing import scale

from sknn_opt import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore", ConvergenceWarning)
X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
network = MLPClassifier((5,), optimizer="lbfgs", max_iter=15, alpha=1.0, random_state=0)
folds = {"2 folds": KFold(2), "5 folds": KFold(5), "10 folds": KFold(10), "one out": LeaveOneOut()}
errors = {name: [] for name in folds}
for seed in range(10):
    known, rest, y_known, y_rest = train_test_split(X, y, train_size=100, random_state=seed)
    truth = network.fit(known, y_known).score(rest, y_rest)
    for name, split in folds.items():
        errors[name].append(cross_val_score(network, known, y_known, cv=split).mean() - truth)

plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
axes[0].boxplot(list(errors.values()), tick_labels=list(errors))
axes[0].axhline(0, color="k", ls=":")
axes[0].set(title="how many folds", ylabel="estimated minus true accuracy")
for name, found in errors.items():
    print(f"{name:9} mean error {np.mean(found):+.3f}, spread {np.std(found):.3f}")

# %%
# A rare class
# ------------
# One row in twenty is positive. Plain folds share these out by chance, and a fold without one has
# no area under the ROC curve at all. Stratified folds have the same share each.

X, y = make_classification(200, 6, n_informative=4, weights=[0.95], flip_y=0, random_state=0)
for k, (name, split) in enumerate({"plain": KFold, "stratified": StratifiedKFold}.items()):
    counts = [y[test].sum() for _, test in split(10, shuffle=True, random_state=0).split(X, y)]
    axes[1].bar(np.arange(10) + 0.4 * k, counts, 0.4, label=name)
    print(f"{name}: {min(counts)} to {max(counts)} positive rows in a fold")
axes[1].set(title="a rare class", xlabel="fold", ylabel="positive rows")
axes[1].legend()

# %%
# In order of time
# ----------------
# A series wanders, and features are the time and two unrelated numbers. Shuffled folds let the
# network look at the days before and after each test day; folds in order of time test on days
# after all training days, as a forecast will be.

rng = np.random.default_rng(0)
n = 600
X = np.column_stack([np.linspace(-1, 1, n), rng.normal(size=(n, 2))])
y = np.cumsum(rng.normal(0, 0.1, n)) + 0.5 * X[:, 1] + rng.normal(0, 0.2, n)
network = MLPRegressor((50,), optimizer="lbfgs", max_iter=200, alpha=0.01, random_state=0)
known, later = slice(0, 500), slice(500, n)
cases = {"shuffled folds": KFold(5, shuffle=True, random_state=0), "in order": TimeSeriesSplit(5)}
found = {
    name: -cross_val_score(network, X[known], y[known], cv=cv, scoring="neg_mean_absolute_error")
    for name, cv in cases.items()
}
found["truth"] = np.abs(network.fit(X[known], y[known]).predict(X[later]) - y[later])
axes[2].bar(list(found), [np.mean(values) for values in found.values()], color=["C0", "C1", "C2"])
axes[2].set(title="in order of time", ylabel="mean absolute error")
for name, values in found.items():
    print(f"{name}: mean absolute error {np.mean(values):.2f}")
plt.show()

# %%
# Five folds train five networks and are as close to the truth, within two points, as leave-one-out,
# which trains a hundred: use five or ten. Of ten plain folds, four have no positive row;
# ``StratifiedKFold``, which is what ``cv=5`` means for classifiers, gives each its share. And for
# what comes in order of time, shuffled folds promise an error of 0.27 where the next hundred days
# bring 1.09; ``TimeSeriesSplit`` says 0.98. If rows belong to patients or machines, ``GroupKFold``
# does for these what that split does for time.
