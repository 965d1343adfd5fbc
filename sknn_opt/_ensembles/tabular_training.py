"""Trains the members of tabular committees: no longer than there is hope, or time."""

import time

import numpy as np
from joblib import effective_n_jobs
from sklearn.exceptions import ConvergenceWarning

from .held_out import HeldOut
from .members import network_of
from .training import Task, Training

#: Members whose loss on the first fold is more than this many times the least one are hopeless.
_HOPELESS = 2.0

#: If the first fold of each member holds out this many rows. Fewer say little, and cost little.
_ENOUGH_ROWS = 300

#: Time that a network has even when none is left.
_LEAST_SECONDS = 1e-3


class TabularTraining(Training):
    """Drops members that are hopeless, ends when the time is over, and says what it does.

    With a limit of time, members are trained one after the other, as many as there is time for.
    Without one, each is trained on its first fold; those whose loss for its rows is far above the
    least one are dropped, and only the others are trained on further folds. Small tables drop none.

    Parameters
    ----------
    data : Data
    predictions : Predictions
    routing : Routing
    reports : Reports
    max_time : float or None
        Seconds. The first member is trained in any case, if need be for fewer epochs.
    drops_hopeless : bool
    verbose : bool
    """

    def __init__(self, data, predictions, routing, reports, max_time, drops_hopeless, verbose):
        super().__init__(data, predictions, routing, reports, bootstrap=False, snapshots=None)
        self._start = time.perf_counter()
        self._max_time = max_time
        self._drops_hopeless = drops_hopeless and max_time is None
        self._verbose = verbose
        self._first_losses = {}  # on the first fold, by the member's name

    @property
    def n_dropped(self):
        """The number of members that have been dropped."""
        return sum(map(self._is_hopeless, self._first_losses))

    def _is_hopeless(self, name):
        if not self._drops_hopeless:
            return False
        least = min(self._first_losses.values())
        # A loss may be negative, such as a likelihood's, and then has no ratio to another one.
        return self._first_losses[name] > _HOPELESS * least > 0

    def run(self, members, n_jobs):
        self._drops_hopeless &= all(
            len(member.folds[0].held_out) >= _ENOUGH_ROWS for member in members
        )
        self._first = members[0]
        self._n_rounds = -(-len(members[0].folds) // effective_n_jobs(n_jobs))
        return super().run(members, n_jobs)

    def _stages(self, members):
        if self._max_time is not None:
            return [[Task(member, fold) for member in members for fold in member.folds]]
        (tasks,) = super()._stages(members)
        if not self._drops_hopeless:
            return [tasks]
        first = [task for task in tasks if task.is_first]
        return [first, [task for task in tasks if not task.is_first]]

    def _seconds_left(self):
        return self._start + self._max_time - time.perf_counter()

    def _is_left_out(self, task):
        if self._max_time is None:
            return not task.is_first and self._is_hopeless(task.member.name)
        return task.member is not self._first and self._seconds_left() <= 0

    def _fit(self, number, task, encodings):
        if self._is_left_out(task):
            encodings.leave_out(task)
            return [None], []
        fitted, warnings = super()._fit(number, task, encodings)
        if self._drops_hopeless and task.is_first:
            self._first_losses[task.member.name] = self._loss(task, fitted[0])
        if self._verbose:
            network = network_of(fitted[0].estimator)
            print(
                f"[{time.perf_counter() - self._start:.1f} s] {task} of "
                f"{len(task.member.folds)}: {network.n_iter_} epochs, loss "
                f"{np.nanmin(network.history_['validation_loss']):.4f}"
            )
        # A schedule that has come to its end, as it was meant to, is nothing to warn of.
        return fitted, [one for one in warnings if one[1] is not ConvergenceWarning]

    def _prepare(self, task, seed):
        network = super()._prepare(task, seed)
        if self._max_time is not None:
            left = max(self._seconds_left(), _LEAST_SECONDS)
            if task.member is self._first:
                # Networks that are trained one after the other share what is left.
                n_folds = len(task.member.folds)
                left /= self._n_rounds - task.fold.number * self._n_rounds // n_folds
            network.set_params(max_time=left)
        return network

    def _loss(self, task, fitted):
        held_out = HeldOut([[fitted.held_out]], [[task.fold]], self._data, self._predictions)
        (evidence,) = held_out.member_evidence()
        return held_out.loss(evidence)
