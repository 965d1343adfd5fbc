"""The history of training."""

import time

import numpy as np

_COLUMNS = ("loss", "learning_rate", "grad_norm", "time")


class Record:
    """The history of training, and whether it still makes progress.

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
    """

    def __init__(self, tol, n_iter_no_change, verbose, early_stopping, previous, max_time=np.inf):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.verbose = verbose
        self.max_time = max_time
        history = previous.get("history_", dict.fromkeys(_COLUMNS, ()))
        self.history = {name: list(values) for name, values in history.items()}
        self.validation_scores = None
        self.best_loss = previous.get("best_loss_", np.inf)
        self.best_score = None
        if early_stopping:
            self.validation_scores = list(previous.get("validation_scores_") or ())
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
        self._seconds_before = self.history["time"][-1] if self.history["time"] else 0.0
        self._start = time.perf_counter()

    def start(self, theta, validation=None):
        """Note the parameters from which training starts, the best ones so far.

        ``theta`` changes in place from then on. ``validation`` returns its validation loss
        and score.
        """
        self._theta, self._validation = theta, validation
        if validation is not None:
            for name in ("validation_loss", "validation_score"):
                self.history.setdefault(name, [np.nan] * len(self.history["loss"]))
        if self.validation_scores is not None:
            self.best_theta = theta.copy()
            if self.best_score > -np.inf:
                # On other data, or by another scoring, the previous one means nothing.
                _, score = validation()
                self.best_score = score if score == score else -np.inf

    def add(self, loss, learning_rate, grad_norm, n_samples):
        """Add an epoch or iteration."""
        entry = {"loss": loss, "learning_rate": learning_rate, "grad_norm": grad_norm}
        entry["time"] = self.seconds
        score = np.nan
        if self._validation is not None:
            entry["validation_loss"], score = self._validation()
            entry["validation_score"] = score
        self.n_iter += 1
        self.loss = loss
        self.samples_seen += n_samples
        if self.verbose:
            print(f"Iteration {self.n_iter}, loss = {loss:.8f}")
            if self._validation is not None:
                print(f"Validation score: {score:f}")
        for name, column in self.history.items():  # NaN where there is no validation
            column.append(float(entry.get(name, np.nan)))
        # The comparisons below are written so that a NaN is no improvement.
        if self.validation_scores is None:
            self.stalled = 0 if loss <= self.best_loss - self.tol else self.stalled + 1
            if loss < self.best_loss:
                self.best_loss = loss
            return
        self.validation_scores.append(score)
        self.stalled = 0 if score >= self.best_score + self.tol else self.stalled + 1
        if score > self.best_score:
            self.best_score = score
            self.best_theta = self._theta.copy()

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
        what = "Training loss" if self.validation_scores is None else "Validation score"
        return (
            f"{what} did not improve more than tol={self.tol:f} for "
            f"{self.n_iter_no_change} consecutive epochs."
        )

    def say(self, message):
        if self.verbose:
            print(message)

    def fitted_attributes(self):
        """What training leaves on the estimator."""
        return {
            "history_": self.history,
            "loss_curve_": self.history["loss"],
            "loss_": self.loss,
            "best_loss_": self.best_loss,
            "validation_scores_": self.validation_scores,
            "best_validation_score_": self.best_score,
            "n_iter_": self.n_iter,
            "t_": self.samples_seen,
            "_no_improvement_count": self.stalled,
        }
