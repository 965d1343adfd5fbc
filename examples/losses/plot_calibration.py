"""
Calibration: how far can the probabilities be trusted?
======================================================

Of all samples that are given a probability of 0.9, nine in ten should belong to the class. A
network that fits its training data perfectly is far too sure of itself. Does label smoothing help?
And how does one get good probabilities from the hinge loss, which has none at all?
"""

# %%
# A noisy problem
# ---------------
# One label in ten is drawn at random, so no prediction can be surer than 95 %.

import matplotlib.pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier

X, y = make_classification(
    6000, n_features=10, n_informative=6, flip_y=0.1, class_sep=0.8, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=1000, random_state=0)

# %%
# Four ways to a probability
# --------------------------
# ``CalibratedClassifierCV`` learns a logistic curve from the raw outputs on held-out folds to
# probabilities; ``ensemble=False`` keeps it at one network, for a fair comparison.

settings = {
    "hidden_layer_sizes": (50,),
    "learning_rate_init": 0.01,
    "tol": 1e-3,
    "max_iter": 2000,
    "random_state": 0,
}
log_loss = MLPClassifier(**settings)
hinge = MLPClassifier(loss="hinge", **settings)
models = {
    "log loss": log_loss,
    "label smoothing 0.1": MLPClassifier(label_smoothing=0.1, **settings),
    "log loss, calibrated": CalibratedClassifierCV(log_loss, ensemble=False),
    "hinge, calibrated": CalibratedClassifierCV(hinge, ensemble=False),
}

figure, axes = plt.subplots(
    2, 4, figsize=(9, 5), sharex=True, sharey="row", height_ratios=(3, 1), layout="constrained"
)
for (above, below), (name, model) in zip(axes.T, models.items(), strict=True):
    probabilities = model.fit(X_train, y_train).predict_proba(X_test)[:, 1]
    happens, said = calibration_curve(y_test, probabilities, n_bins=10)
    above.plot([0, 1], [0, 1], "k:")
    above.plot(said, happens, "o-")
    above.set_title(f"{name}\nBrier score {brier_score_loss(y_test, probabilities):.3f}")
    below.hist(probabilities, bins=20, range=(0, 1))
axes[0, 0].set_ylabel("share that belongs to the class")
axes[1, 0].set_ylabel("samples")
figure.supxlabel("predicted probability")
plt.show()

# %%
# Of the samples that the plain network is all but certain of, the columns at the left and right
# ends, one in ten belongs to the other class. Smoothing the labels by as much as they are wrong
# puts every point on the diagonal. Calibration takes the certainty away too; its logistic curve has
# only two parameters, so the points bend around the diagonal. The hinge loss gets the lowest Brier
# score all the same, since it classifies better here: 84 % of the test data, against 82 % with the
# log loss.
