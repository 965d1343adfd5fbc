"""The history of training, which decides when to stop and which parameters to keep."""

import math
import time

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._warnings import warn

#: So many epochs of partial_fit are kept; those of fit are never cut.
KEPT_EPOCHS = 10_000

_COLUMNS = ("loss", "learning_rate", "grad_norm", "time")

#: Training has diverged where its loss exceeds the first epoch's, or 1, by this factor.
_DIVERGENCE_FACTOR = 1e6

#: What of a `Progress`, beside the history and the time, changes as training goes on.
_STATE = (
    "loss",
    "best_loss",
    "best_score",
    "best_theta",
    "best_epoch",
    "stalled",
    "samples_seen",
    "n_iter",
    "has_diverged",
    "_first_loss",
)

_REMEDIES = (
    "Scale the features (StandardScaler) and, in regression, the targets (scale_targets=True); "
    "lower learning_rate_init; or raise alpha."
)
_DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values "
    f"and need to be preprocessed. {_REMEDIES}"
)


class Progress:
    """The history of training: whether it still makes progress, and which parameters are best.

    Parameters
    ----------
    tol : float
    n_iter_no_change : int or inf
    verbose : bool or int
    early_stopping : bool
        Whether progress is judged by the validation score rather than by the loss.
    previous : dict
        Fitted attributes to go on from; empty at the first fit.
    max_time : float, default=inf
        Seconds that training may take from now on.
    incremental : bool, default=False
        Whether the epochs of ``previous`` belong to the same training, as with partial_fit.

    Attributes
    ----------
    best_theta : ndarray or None
        With early stopping the parameters that scored best, once a score was a number.
    best_epoch : int
        The epoch after which they did; 0 is the start.
    has_diverged : bool
        Whether the last epoch has left a parameter that is not finite, or a finite loss far
        above the first one.
    """

    def __init__(
        self,
        tol,
        n_iter_no_change,
        verbose,
        early_stopping,
        previous,
        max_time=np.inf,
        incremental=False,
    ):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.max_time = max_time
        self._incremental = incremental
        history = previous.get("history_") or {name: [] for name in _COLUMNS}
        # Calls of partial_fit add to the same lists: copies would cost more with each of them.
        self.history = {
            name: values if incremental else list(values) for name, values in history.items()
        }
        self._n_before = len(self.history["loss"])
        # A warm start may be on other data, whose loss is of another size.
        self._first_loss = previous.get("_first_loss") if incremental else None
        self.has_diverged = False
        self.early_stopping = early_stopping
        self._scores_before = previous.get("validation_scores_") or ()
        self.best_loss = previous.get("best_loss_", np.inf)
        self.best_score = None
        if early_stopping:
            self.best_score = previous.get("best_validation_score_")
            self.best_score = -np.inf if self.best_score is None else self.best_score
            self.best_loss = None
        elif self.best_loss is None:
            self.best_loss = np.inf
        self.loss = previous.get("loss_")
        self.stalled = previous.get("_no_improvement_count", 0)
        self.samples_seen = previous.get("t_", 0)
        self.n_iter = 0
        self.best_theta = None
        self.best_epoch = 0
        self._seconds_before = self.history["time"][-1] if self.history["time"] else 0.0
        self._start = time.perf_counter()

    def start(self, theta, validation=None):
        """Note the parameters from which training starts.

        ``theta`` changes in place from then on. ``validation`` returns its validation loss
        and score.
        """
        self._theta, self._validation = theta, validation
        if validation is not None:
            for name in ("validation_loss", "validation_score"):
                self.history.setdefault(name, [np.nan] * len(self.history["loss"]))
        if self.early_stopping and self.best_score > -np.inf:
            # The previous score may come from other data or another scoring: score anew.
            self.best_score = -np.inf
            if np.isfinite(theta).all():
                self._keep_if_best(validation()[1])

    def add(self, loss, learning_rate, grad_norm, n_samples):
        """Add an epoch or iteration."""
        entry = {"loss": loss, "learning_rate": learning_rate, "grad_norm": grad_norm}
        entry["time"] = self.seconds
        score = np.nan
        has_diverged = self._diverges(loss)
        if self._validation is not None and not has_diverged:
            entry["validation_loss"], score = self._validation()
            entry["validation_score"] = score
        for name, column in self.history.items():  # NaN where there is no score
            column.append(float(entry.get(name, np.nan)))
        self.loss = loss
        self.samples_seen += n_samples
        self.n_iter += 1
        if self.verbose:
            print(f"Iteration {self.n_iter}, loss = {loss:.8f}")
            if self._validation is not None:
                print(f"Validation score: {score:f}")
        self.has_diverged = has_diverged
        # The comparisons below are written so that a NaN is no improvement.
        if not self.early_stopping:
            self.stalled = 0 if loss <= self.best_loss - self.tol else self.stalled + 1
            if loss < self.best_loss:
                self.best_loss = loss
            return
        self.stalled = 0 if score >= self.best_score + self.tol else self.stalled + 1
        self._keep_if_best(score)

    def conclude(self):
        """Return the parameters to keep, with a warning if there is a reservation.

        They are those that scored best, or else the last ones. Raises ValueError if training
        has diverged and there are no others.
        """
        # An interrupt may have come while an epoch was being noted.
        self._cut(self._n_before + self.n_iter)
        diverged = self.has_diverged or not self._is_finite()
        if diverged and self.best_theta is None:
            raise ValueError(_DIVERGED)
        if self.best_loss is not None and self.loss < self.best_loss:
            self.best_loss = self.loss  # training may end in the middle of an epoch
        reservation = self._reservation(diverged)
        if reservation is not None:
            warn(reservation, ConvergenceWarning)
        return self._theta if self.best_theta is None else self.best_theta

    def to_dict(self):
        """Return where training is, as arrays and numbers, to be given to `restore`."""
        history = {name: np.array(column) for name, column in self.history.items()}
        state = {name: getattr(self, name) for name in _STATE}
        return {**state, "history": history, "seconds": time.perf_counter() - self._start}

    def restore(self, values):
        """Be where another training of the same parameters was."""
        for name in _STATE:
            setattr(self, name, values[name])
        self.history = {name: column.tolist() for name, column in values["history"].items()}
        self._start = time.perf_counter() - values["seconds"]

    def undo(self):
        """Forget what this training has noted, after an exception that ends it."""
        self._cut(self._n_before)

    def _cut(self, end):
        for column in self.history.values():
            del column[end:]

    def _reservation(self, diverged):
        """Return a warning about the parameters that are kept, or None."""
        if diverged:
            kept = "from which it started"
            if self.best_epoch > 0:
                kept = f"of epoch {self.best_epoch}, which scored best,"
            return (
                f"Training diverged after {self.n_iter} epoch(s). The parameters {kept} are "
                f"kept. {_REMEDIES}"
            )
        if self.early_stopping and self.best_theta is None and self.n_iter > 0:
            return (
                f"Early stopping found no best epoch among {self.n_iter}, because no validation "
                f"score was a number: {self._why_there_is_no_score()} The parameters of the "
                "last epoch are kept."
            )
        losses = [*self.history["loss"][self._n_before :], self.loss]
        if not np.isfinite(losses).all():
            return (
                "The training loss overflowed: it was not finite, although all parameters are. "
                f"{_REMEDIES}"
            )
        return None

    def _why_there_is_no_score(self):
        if not np.isfinite(self.history["validation_loss"][-1]):
            return f"the validation loss was not finite. {_REMEDIES}"
        return (
            "scoring is not defined for this validation set and its predictions, as ranking "
            "metrics are not where a class is missing. Validate on more samples, or choose "
            "another scoring, such as 'loss'."
        )

    def _keep_if_best(self, score):
        if score > self.best_score:
            self.best_score = score
            self.best_theta = self._theta.copy()
            self.best_epoch = self.n_iter

    def _is_finite(self):
        return bool(np.isfinite(self._theta).all())

    def _diverges(self, loss):
        """Whether an epoch of this loss has left the network diverged."""
        if not self._is_finite():
            return True
        if not math.isfinite(loss):
            return False  # what overflows may still be trained
        if self._first_loss is None:
            self._first_loss = float(loss)  # a product of Python's floats may overflow
        return loss > _DIVERGENCE_FACTOR * max(1.0, abs(self._first_loss))

    @property
    def validation_scores(self):
        """The scores of all epochs with early stopping; None without it."""
        if not self.early_stopping:
            return None
        scores = self.history.get("validation_score", ())[self._n_before :]
        return [*self._scores_before, *scores]

    @property
    def seconds(self):
        return self._seconds_before + time.perf_counter() - self._start

    @property
    def is_out_of_time(self):
        return time.perf_counter() - self._start > self.max_time

    @property
    def has_stalled(self):
        return self.stalled > self.n_iter_no_change

    def stall_message(self):
        what = "Validation score" if self.early_stopping else "Training loss"
        return (
            f"{what} did not improve more than tol={self.tol:f} for "
            f"{self.n_iter_no_change} consecutive epochs."
        )

    def say(self, message):
        if self.verbose:
            print(message)

    def fitted_attributes(self):
        """What training leaves on the estimator."""
        if self._incremental:
            for column in self.history.values():
                del column[:-KEPT_EPOCHS]
        return {
            "history_": self.history,
            "loss_curve_": self.history["loss"],
            "loss_": self.loss,
            "best_loss_": self.best_loss,
            "validation_scores_": self.validation_scores,
            "best_validation_score_": None if self.best_theta is None else self.best_score,
            "n_iter_": self.n_iter,
            "best_iter_": self.n_iter if self.best_theta is None else self.best_epoch,
            "t_": self.samples_seen,
            "_no_improvement_count": self.stalled,
            "_first_loss": self._first_loss,
        }
