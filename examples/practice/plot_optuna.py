"""
Optuna: what does it find in thirty trials?
===========================================

Grids grow fast when an optimizer, its own parameters and a schedule are all open. Does a sampler
that learns from its trials find a good network in thirty of them?

Optuna is an optional extra: ``pip install optuna``.
"""

import warnings

import matplotlib.pyplot as plt
import optuna
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score

from sknn_opt import MLPClassifier
from sknn_opt.optimizers import SGD, AdamW

X, y = load_digits(return_X_y=True)
X = X / 16


def objective(trial):
    """Mean accuracy of three folds; the optimizer's parameters depend on the optimizer."""
    if trial.suggest_categorical("optimizer", ["sgd", "adamw"]) == "sgd":
        optimizer = SGD(momentum=trial.suggest_float("momentum", 0.5, 0.99))
        rate = trial.suggest_float("sgd_rate", 1e-3, 1.0, log=True)
    else:
        optimizer = AdamW(weight_decay=trial.suggest_float("weight_decay", 1e-4, 1.0, log=True))
        rate = trial.suggest_float("adamw_rate", 1e-4, 1e-1, log=True)
    network = MLPClassifier(
        (trial.suggest_int("units", 16, 128, log=True),),
        activation=trial.suggest_categorical("activation", ["relu", "tanh", "gelu"]),
        optimizer=optimizer,
        learning_rate_init=rate,
        learning_rate=trial.suggest_categorical("schedule", ["constant", "cosine"]),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        max_iter=15,
        random_state=0,
    )
    return cross_val_score(network, X, y, cv=3).mean()


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    study.optimize(objective, n_trials=30)
print(f"best accuracy {study.best_value:.3f} with {study.best_params}")

# %%
# Each point is a network, the line the best one so far.

values = [trial.value for trial in study.trials]
best = [max(values[: i + 1]) for i in range(len(values))]
figure, axes = plt.subplots(layout="constrained")
axes.plot(range(1, len(values) + 1), values, "o", label="trial")
axes.step(range(1, len(best) + 1), best, where="post", label="best so far")
axes.set(xlabel="trial", ylabel="mean accuracy of 3 folds", ylim=(0.8, 1.0))
axes.legend(loc="lower right")
plt.show()

# %%
# The first trials are drawn at random; the tenth finds 94.7 % accuracy, and from then on the
# sampler mostly stays in the region around it and gains another half a point: 95.2 %. Trials below
# the axis, with rates far too small or too large, are cut off.
