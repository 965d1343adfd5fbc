"""What a committee of eight gains over a single network, on digits and on Friedman's function.

Run ``python examples/benchmarks/committees.py``. Means over five splits, each with half of the
digits, or with 500 rows of Friedman's function, to train on. The committees on folds also say how
often their intervals and sets of classes are right, and how large these are. The last lines compare
snapshots with other ways to spend 100 epochs.

With ``--threads`` nothing but time is measured: how many times faster committees are trained in two
threads than in one. Both take turns, and BLAS has one thread.
"""

import argparse
import warnings
from functools import partial

import numpy as np
from conditions import measure
from sklearn.base import clone
from sklearn.datasets import load_digits, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor

CLASSIFIER = MLPClassifier((50,), learning_rate_init=0.005)
REGRESSOR = MLPRegressor((50,), optimizer="lbfgs", alpha=1.0)
FORMS = {
    "one network": {"n_estimators": 1},
    "8 networks": {},
    "8 networks, bootstrap": {"bootstrap": True},
    "8 members on 4 folds": {"cv": 4},
    "8 members on 4 folds, calibrated": {"cv": 4, "calibrate": True},
}


#: Ways to spend 100 epochs, each as the epochs of one training and a form.
HUNDRED_EPOCHS = {
    "one training of 100 epochs": (100, {"n_estimators": 1}),
    "its 5 snapshots": (100, {"n_estimators": 1, "snapshots": 5}),
    "5 trainings of 20 epochs": (20, {"n_estimators": 5}),
}


def digits(seed):
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)


def friedman(seed):
    X, y = make_friedman1(2500, noise=1.0, random_state=seed)
    return train_test_split(X, y, train_size=500, random_state=seed)


def errors_of_classes(model, X, y):
    found = {"errors": 1 - model.score(X, y), "log-loss": log_loss(y, model.predict_proba(X))}
    for coverage in (0.97, 0.99) if model.cv else ():
        sets = model.predict_interval(X, coverage)
        found |= {f"right at {coverage}": sets[np.arange(len(y)), y].mean()}
        found |= {f"size at {coverage}": sets.sum(axis=1).mean()}
    return found


def errors_of_numbers(model, X, y):
    found = {"R²": model.score(X, y), "squared error": np.mean((y - model.predict(X)) ** 2)}
    for coverage in (0.8, 0.9, 0.95) if model.cv else ():
        low, high = model.predict_interval(X, coverage).T
        found |= {f"right at {coverage}": np.mean((low <= y) & (y <= high))}
        found |= {f"width at {coverage}": np.mean(high - low)}
    return found


TASKS = [
    (digits, MLPEnsembleClassifier, CLASSIFIER, StratifiedKFold, errors_of_classes),
    (friedman, MLPEnsembleRegressor, REGRESSOR, KFold, errors_of_numbers),
]


def run(task, form, seed, n_jobs):
    """Return the errors of a committee of this form."""
    load, cls, network, folds, errors = task
    X, X_test, y, y_test = load(seed)
    form = dict(form)
    if "cv" in form:
        form["cv"] = folds(form["cv"], shuffle=True, random_state=0)
    model = cls(make_pipeline(StandardScaler(), network), **form, random_state=seed, n_jobs=n_jobs)
    return errors(model.fit(X, y), X_test, y_test)


def compare_threads(repeats):
    """Print the time that one thread takes for a fit, and how many times faster two are."""
    for load, cls, network, *_ in TASKS:
        X, _, y, _ = load(0)
        for name in ("8 networks", "8 members on 4 folds"):
            committee = cls(make_pipeline(StandardScaler(), network), random_state=0, **FORMS[name])
            fits = [partial(clone(committee).set_params(n_jobs=n).fit, X, y) for n in (1, 2)]
            with threadpool_limits(1):
                one, two = measure(fits, repeats)
            print(f"{load.__name__}, {name}: {one:.2f} s in one thread, {one / two:.2f} × faster")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=-1)
    parser.add_argument("--threads", action="store_true", help="compare two threads with one")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if arguments.threads:
        compare_threads(arguments.repeats)
        return
    for task in TASKS:
        print(task[0].__name__)
        for name, form in FORMS.items():
            runs = [run(task, form, seed, arguments.n_jobs) for seed in range(arguments.repeats)]
            show(name, runs)
    print("digits, 100 epochs")
    for name, (epochs, form) in HUNDRED_EPOCHS.items():
        network = MLPClassifier((50,), learning_rate_init=0.02, batch_size=32, max_iter=epochs)
        if "snapshots" not in form:
            network.set_params(learning_rate="cosine", n_iter_no_change=np.inf)
        task = digits, MLPEnsembleClassifier, network, StratifiedKFold, errors_of_classes
        show(name, [run(task, form, seed, arguments.n_jobs) for seed in range(arguments.repeats)])


def show(name, runs):
    means = {key: np.mean([one[key] for one in runs]) for key in runs[0]}
    print(f"  {name:35}", *(f"{key} {mean:.4f}" for key, mean in means.items()))


if __name__ == "__main__":
    main()
