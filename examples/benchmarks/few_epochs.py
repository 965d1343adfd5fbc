"""What optimizers that precondition whole matrices gain in few epochs, and what their steps cost.

Run ``python examples/benchmarks/few_epochs.py``. The losses are those of digits after some epochs,
for the learning rate whose training loss is lowest in the mean over seeds. The cost of a step is
its time over that of a step of Adam, on digits with mini-batches of 200, measured in turn.
"""

import argparse
import contextlib
import warnings

import numpy as np
from conditions import measure_under
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from sknn_opt import MLPClassifier

RATES = {
    "adam": (0.003, 0.005, 0.01, 0.02, 0.03),
    "muon": (0.01, 0.02, 0.03, 0.05, 0.1),
    "soap": (0.003, 0.005, 0.01, 0.02, 0.03),
    "kfac": (0.03, 0.05, 0.1, 0.2, 0.3),
}
SETTINGS = {"hidden_layer_sizes": (100, 100), "n_iter_no_change": 10**6, "tol": 0.0}
CONDITIONS = {"one thread": lambda: threadpool_limits(1), "as it is": contextlib.nullcontext}


def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def losses(optimizer, rate, seed, **settings):
    """Return the log losses on training and on test data."""
    X, y = digits()
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    model = MLPClassifier(
        optimizer=optimizer, learning_rate_init=rate, random_state=seed, **SETTINGS, **settings
    ).fit(X, y)
    return log_loss(y, model.predict_proba(X)), log_loss(y_test, model.predict_proba(X_test))


def table_of_losses(epochs, batch_size, schedule, n_seeds):
    title = f"after {epochs} epochs, batches of {batch_size}"
    print(f"\n| {title} | rate | training loss | test loss |")
    print("|---|---|---|---|")
    settings = {"max_iter": epochs, "batch_size": batch_size, "learning_rate": schedule}
    for name, rates in RATES.items():
        means = {
            rate: np.mean([losses(name, rate, s, **settings) for s in range(n_seeds)], axis=0)
            for rate in rates
        }
        best = min(means, key=lambda rate: means[rate][0])
        print(f"| {name} | {best} | {means[best][0]:.3f} | {means[best][1]:.3f} |", flush=True)


def table_of_costs(repeats, epochs=20):
    X, y = digits()
    models = {
        name: MLPClassifier(optimizer=name, max_iter=epochs, random_state=0, **SETTINGS)
        for name in RATES
    }
    functions = {name: lambda model=model: model.fit(X, y) for name, model in models.items()}
    seconds = measure_under(functions, repeats, CONDITIONS)
    steps = epochs * -(-len(X) // 200)
    print("\n| batches of 200 | µs a step, one thread | over adam's | as it is | over adam's |")
    print("|---|---|---|---|---|")
    for name in models:
        cells = [
            (1e6 * seconds[name, c] / steps, seconds[name, c] / seconds["adam", c])
            for c in CONDITIONS
        ]
        print(f"| {name} |", " | ".join(f"{us:.0f} | {over:.2f}" for us, over in cells), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--schedule", default="constant")
    parser.add_argument("--part", choices=["losses", "costs"], help="one of the tables alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if arguments.part != "losses":
        table_of_costs(arguments.repeats)
    if arguments.part != "costs":
        for epochs in (5, 20):
            table_of_losses(epochs, 64, arguments.schedule, arguments.seeds)


if __name__ == "__main__":
    main()
