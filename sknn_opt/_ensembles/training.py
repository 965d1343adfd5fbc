"""Trains the networks of a committee, in threads."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from joblib import Parallel, delayed
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from .._estimators.callbacks import watched
from .._warnings import collected_warnings, warn
from .encodings import Encodings
from .folds import Fold, bootstrap_rows
from .members import Member


@dataclass
class Task:
    """A network to train: a member on a fold."""

    member: Member
    fold: Fold

    @property
    def seeds(self):
        """The seeds of the network and of the rows that are drawn for it."""
        return self.member.seeds[self.fold.number]


@dataclass
class Fitted:
    """A trained network.

    Attributes
    ----------
    estimator : estimator
        The network, or the pipeline that ends in it.
    held_out : ndarray or None
        Its output for the rows of its fold that it has not seen.
    warnings : list of (str, type)
    """

    estimator: Any
    held_out: Any
    warnings: list


class Training:
    """Trains members on folds.

    Parameters
    ----------
    data : Data
    predictions : Predictions
    routing : Routing
    bootstrap : bool
    """

    def __init__(self, data, predictions, routing, bootstrap):
        self._data = data
        self._predictions = predictions
        self._routing = routing
        self._bootstrap = bootstrap
        self._stop = threading.Event()

    def run(self, members, folds, n_jobs):
        """Return what is fitted, a list with one entry a fold for each member."""
        # By folds, so that few encodings are kept at a time.
        tasks = [Task(member, fold) for fold in folds for member in members]
        encodings = Encodings(self._data, tasks, self._routing)
        config = get_config()
        try:
            fitted = Parallel(n_jobs=n_jobs, require="sharedmem")(
                delayed(self._fit_with)(config, task, encodings) for task in tasks
            )
        except BaseException:
            self._stop.set()
            raise
        _warn_once(fitted)
        return [fitted[i :: len(members)] for i in range(len(members))]

    def _fit_with(self, config, task, encodings):
        with config_context(**config):  # which each thread has its own of
            return self._fit(task, encodings)

    def _fit(self, task, encodings):
        member, fold, y = task.member, task.fold, self._data.y
        encoding = encodings.take(task)
        seed, rows_seed = task.seeds
        network = clone(member.network).set_params(random_state=int(seed))
        if network.n_jobs is None:
            network.set_params(n_jobs=1)  # whatever trains beside it, so that results are the same
        X, rows = encoding.train, fold.train
        if self._bootstrap:
            drawn = bootstrap_rows(len(rows), self._predictions.strata(y[rows]), rows_seed)
            X, rows = _safe_indexing(X, drawn), rows[drawn]
        params = self._routing.of_network(member, rows)
        if fold.held_out is not None:
            _stop_early(network)
            params |= {"X_val": encoding.held_out, "y_val": y[fold.held_out]}
            seen_by_none = self._routing.of_network(member, fold.held_out)
            params |= {f"{name}_val": value for name, value in seen_by_none.items()}
        watch = watched(network, lambda _: self._stop.is_set())
        with watch, collected_warnings() as warnings:
            network.fit(X, y[rows], **params, **self._predictions.fit_arguments)
        held_out = None
        if fold.held_out is not None:
            held_out = self._predictions.output(network, encoding.held_out)
        return Fitted(member.fitted(encoding.encoder, network), held_out, warnings)


def _stop_early(network):
    """Make a network stop by the rows that are held out."""
    scoring = "loss" if network.scoring is None else network.scoring
    network.set_params(early_stopping=True, scoring=scoring)


def _warn_once(fitted):
    """Show each warning once, and how many networks it is about."""
    counts = Counter(one for network in fitted for one in set(network.warnings))
    for (message, category), count in counts.items():
        warn(f"{count} of {len(fitted)} networks: {message}", category)
