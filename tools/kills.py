"""Kill fits at random moments, and let them go on.

    python tools/kills.py --seconds 60

A fit that saves checkpoints runs in a child process, which SIGKILL ends at a random moment: in
an epoch, or while a file is written. The next child runs the same fit, and so on, until one
comes to the end. Its model has to be that of a fit that nothing disturbed, to the last bit, and
the next child has to return that model without training. Exits with 1 if anything failed.
"""

import argparse
import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import warnings

import numpy as np
from checking import same
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.callbacks import Checkpoint
from sknn_opt.optimizers import LM

_SECONDS_TO_HANG = 120

# Products so small that BLAS takes one thread for them: their rounding is always the same.
X, y = make_classification(200, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
_LONG = {"tol": 0.0, "n_iter_no_change": np.inf, "max_iter": 800}
JOBS = {
    "no seed": (MLPClassifier((8,), dropout=0.2, normalization="batch", batch_size=50, **_LONG), X),
    "early stopping": (
        MLPClassifier((8,), early_stopping=True, averaging="ema", dtype="float32", **_LONG),
        X,
    ),
    "schedule-free, l1": (
        MLPClassifier((8,), optimizer="schedule_free", alpha=0.1, l1_ratio=1.0, **_LONG),
        sparse.csr_array(X * (X > 0)),
    ),
    "warm-up and cosine": (
        MLPRegressor((8,), "tanh", optimizer="sgd", warmup=50, learning_rate="cosine", **_LONG),
        X,
    ),
    "lm": (MLPRegressor((8,), "tanh", optimizer=LM(gtol=0.0), **_LONG | {"max_iter": 200}), X),
}


def fit(send, name, folder):
    """Fit with checkpoints, or without a folder none; send the model and its epochs' times."""
    estimator, features = JOBS[name]
    model = clone(estimator)
    if folder is not None:
        model.set_callbacks(Checkpoint(folder))
    model.fit(features, y)
    learnt = [*model.coefs_, *model.intercepts_, model.loss_curve_, model.predict(features)]
    send((learnt, model.history_["time"]))


def child(*arguments):
    signal.alarm(_SECONDS_TO_HANG)
    fit(*arguments)


class Child:
    """A fit in a process of its own, a fork, which has the compiled kernels at once."""

    def __init__(self, *arguments):
        context = multiprocessing.get_context("fork")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=child, args=(sender.send, *arguments))
        self._process.start()
        sender.close()

    def kill_after(self, seconds):
        """Kill it, unless it ends before that; return whether that was necessary."""
        if not self._receiver.poll(seconds):
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()
            return True
        return False

    def result(self):
        """Return what it sends, or None where it ended by an error."""
        try:
            return self._receiver.recv()
        except EOFError:
            return None
        finally:
            self._process.join()


def kill_until_it_ends(name, folder, seconds, deadline):
    """Return the number of kills that a fit has survived, and its result."""
    for n_kills in itertools.count():
        process = Child(name, folder)
        if time.monotonic() > deadline or not process.kill_after(random.uniform(0, seconds)):
            return n_kills, process.result()


def failure(name, folder, expected, result):
    """Return what is wrong with the result of a fit that was killed, or None."""
    if result is None:
        return "an error ended the fit that was to go on, see above"
    learnt, times = result
    if not same(learnt, expected):
        return "the model is another than that of a fit that was not killed"
    again = Child(name, folder).result()
    if again is None or not same(again[0], expected) or again[1] != times:
        return "the fit that had ended was repeated"
    return None


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="nothing is killed later")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args(arguments)
    random.seed(given.seed)
    warnings.simplefilter("ignore")
    fit(lambda _: None, "no seed", None)  # loads Numba, which forks then have
    deadline = time.monotonic() + given.seconds
    expected, seconds = {}, {}
    n_fits = n_kills = n_failures = 0
    for name in itertools.cycle(JOBS):
        if name not in expected:
            expected[name], _ = Child(name, None).result()
            with tempfile.TemporaryDirectory() as folder:
                start = time.monotonic()
                Child(name, folder).result()
                seconds[name] = time.monotonic() - start
        with tempfile.TemporaryDirectory() as folder:
            killed, result = kill_until_it_ends(name, folder, seconds[name] / 2, deadline)
            text = failure(name, folder, expected[name], result)
        n_fits, n_kills = n_fits + 1, n_kills + killed
        if text is not None:
            n_failures += 1
            print(f"FAILURE, {name}, after {killed} kills\n{text}\n", flush=True)
        if time.monotonic() > deadline:
            print(f"{n_fits} fits, {n_kills} kills, {n_failures} failures")
            return 1 if n_failures else 0


if __name__ == "__main__":
    sys.exit(main())
