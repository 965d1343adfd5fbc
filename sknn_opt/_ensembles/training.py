"""Trains the networks of a committee, in threads."""

import itertools
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
from .snapshots import SnapshotWatch, set_cycles


@dataclass
class Task:
    """A network to train: a member on a fold."""

    member: Member
    fold: Fold

    def __str__(self):
        fold = "" if self.fold.held_out is None else f", fold {self.fold.number + 1}"
        return f"{self.member.name or 'member'}{fold}"

    @property
    def is_first(self):
        """Whether it is the first one of its member."""
        return self.fold is self.member.folds[0]

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
    """

    estimator: Any
    held_out: Any


class Training:
    """Trains members on folds.

    Parameters
    ----------
    data : Data
    predictions : Predictions
    routing : Routing
    reports : Reports
    bootstrap : bool
    snapshots : int or None
    """

    def __init__(self, data, predictions, routing, reports, bootstrap, snapshots):
        self._data = data
        self._predictions = predictions
        self._routing = routing
        self._reports = reports
        self._bootstrap = bootstrap
        self._snapshots = snapshots
        self._stop = threading.Event()

    def _stages(self, members):
        """Return lists of the networks to train, each in its order, one list after the other."""
        tasks = [Task(member, fold) for member in members for fold in member.folds]
        # By folds, so that few encodings are kept at a time.
        return [sorted(tasks, key=lambda task: task.fold.number)]

    def run(self, members, n_jobs):
        """Return what is fitted, a list with one entry a fold for each member.

        A member of which snapshots are taken becomes one for each of them.
        """
        stages = self._stages(members)
        tasks = [task for stage in stages for task in stage]
        encodings = Encodings(self._data, tasks, self._routing)
        self._reports.begin_fit(len(tasks))
        config, numbers, of_tasks = get_config(), itertools.count(), []
        try:
            for stage in stages:
                of_tasks += Parallel(n_jobs=n_jobs, require="sharedmem")(
                    delayed(self._fit_with)(config, next(numbers), task, encodings)
                    for task in stage
                )
        except BaseException:
            self._stop.set()
            raise
        self._warn([warnings for _, warnings in of_tasks])
        of_members = {id(member): [] for member in members}
        for task, (networks, _) in zip(tasks, of_tasks, strict=True):
            of_members[id(task.member)].append(networks)
        return [list(one) for folds in of_members.values() for one in zip(*folds, strict=True)]

    def _fit_with(self, config, number, task, encodings):
        with config_context(**config):  # which each thread has its own of
            return self._fit(number, task, encodings)

    def _fit(self, number, task, encodings):
        """Return what becomes of a task, with one entry a snapshot, and its warnings."""
        member, fold, y = task.member, task.fold, self._data.y
        encoding = encodings.take(task)
        seed, rows_seed = task.seeds
        network = self._prepare(task, int(seed))
        X, rows = encoding.train, fold.train
        if self._bootstrap:
            drawn = bootstrap_rows(len(rows), self._predictions.strata(y[rows]), rows_seed)
            X, rows = _safe_indexing(X, drawn), rows[drawn]
        params = self._routing.of_network(member, rows) | self._predictions.fit_arguments
        if network.early_stopping and fold.held_out is not None:
            params |= {"X_val": encoding.held_out, "y_val": y[fold.held_out]}
            seen_by_none = self._routing.of_network(member, fold.held_out)
            params |= {f"{name}_val": value for name, value in seen_by_none.items()}
        report = self._reports.of_network(number, str(task), network, rows)
        with collected_warnings() as warnings:
            networks = self._train(network, X, y[rows], params, report)
        return [self._fitted(member, encoding, one) for one in networks], warnings

    def _prepare(self, task, seed):
        """Return a network that is ready to be trained."""
        network = clone(task.member.network)
        network.set_params(random_state=seed, **self._predictions.network_parameters)
        if network.n_jobs is None:
            network.set_params(n_jobs=1)  # whatever trains beside it, so that results are the same
        if self._snapshots is not None:
            set_cycles(network, self._snapshots)
        elif task.fold.held_out is not None:
            scoring = "loss" if network.scoring is None else network.scoring
            network.set_params(early_stopping=True, scoring=scoring)
        return network

    def _train(self, network, X, y, params, report):
        """Return the trained network, or its snapshots."""
        if self._snapshots is None:
            with report, watched(network, lambda _: self._stop.is_set()):
                return [network.fit(X, y, **params)]
        watch = SnapshotWatch(self._stop.is_set, network.max_iter // self._snapshots)
        with report, watched(network, watch):
            network.fit(X, y, **params)
        return watch.networks(network)

    def _fitted(self, member, encoding, network):
        held_out = None
        if encoding.held_out is not None:
            held_out = self._predictions.output(network, encoding.held_out)
        return Fitted(member.fitted(encoding.encoder, network), held_out)

    def _warn(self, of_networks):
        """Show each warning once, and how many networks it is about."""
        counts = Counter(one for warnings in of_networks for one in set(warnings))
        for (message, category), count in counts.items():
            warn(f"{count} of {len(of_networks)} networks: {message}", category)
