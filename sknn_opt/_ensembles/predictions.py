"""What networks predict, how a committee combines it, and how it is judged.

The output of a network is an array with samples along its first axis. `NumberPredictions` has
numbers and what a network says of their variances, 0 if it says nothing, of shape
(n_samples, n_outputs, 2). `class_predictions.py` has those of classes.
"""

from abc import ABC, abstractmethod

import numpy as np

from .losses import gaussian_nll, loss_of_regressors, moments_about

#: Predictions that overflow count as this, so that differences between them are no NaN.
_LARGEST = np.finfo(np.float64).max / 4


class Predictions(ABC):
    """What classes and numbers have in common.

    A prediction is what a committee takes the mean of: probabilities, or numbers alone.
    """

    #: What networks are told of ``y`` beside the rows that they train on.
    fit_arguments = {}

    #: Parameters of the networks without which parts of ``y`` may seem to mean something else.
    network_parameters = {}

    def attributes(self):
        """Return the fitted attributes from which it is made again."""
        return {}

    @abstractmethod
    def encode(self, y):
        """Return targets as the loss and `score` read them, of shape (n_samples, n_outputs)."""

    @abstractmethod
    def output(self, network, X):
        """Return the output of a fitted network."""

    @abstractmethod
    def prediction(self, output):
        """Return what the mean of members is taken of."""

    @abstractmethod
    def mixture(self):
        """Return an object to which outputs are added one by one, and whose output they make."""

    @abstractmethod
    def shown(self, prediction):
        """Return predictions, or the logarithms of probabilities, in the shape users know."""

    def evidence(self, y, output):
        """Return what members are weighed by, the mean of which is that of the committee."""
        return self.prediction(output)

    @abstractmethod
    def loss(self, y, evidence, sample_weight):
        """Return how bad `evidence` is, a number."""

    @abstractmethod
    def score(self, y, prediction, sample_weight):
        """Return the score of predictions: accuracy or R²."""

    def strata(self, y):
        """Return a number for each row that says what to stratify by, or None."""
        return None


class NumberPredictions(Predictions):
    """Numbers, for regression.

    Parameters
    ----------
    has_variances : bool
        Whether all networks learn variances, which those are that count.
    losses : list of Loss, default=()
        What the members train with, which says how they are weighed and scored: by the likelihood
        of all that they predict, if they have learnt variances by it, and else by the numbers.
    """

    def __init__(self, has_variances, losses=()):
        self.has_variances = has_variances
        self._losses = losses
        self._by_likelihood = has_variances and all(
            loss.form("continuous").has_variances for loss in losses
        )

    def attributes(self):
        return {"_has_variances": self.has_variances}

    def evidence(self, y, output):
        return moments_about(y, output) if self._by_likelihood else self.prediction(output)

    def loss(self, y, evidence, sample_weight):
        if self._by_likelihood:
            return gaussian_nll(evidence, sample_weight)
        return loss_of_regressors(self._losses)(y, evidence, sample_weight)

    def score(self, y, prediction, sample_weight):
        return self._losses[0].score(y, prediction, sample_weight)

    def encode(self, y):
        return y.reshape(len(y), -1).astype(np.float64)

    def output(self, network, X):
        mean = network.predict(X, return_std=self.has_variances)
        mean, std = mean if self.has_variances else (mean, np.zeros_like(mean))
        columns = [one.reshape(len(one), -1).astype(np.float64) for one in (mean, std)]
        return np.stack([columns[0].clip(-_LARGEST, _LARGEST), columns[1] ** 2], axis=2)

    def prediction(self, output):
        return output[:, :, 0]

    def mixture(self):
        return NumberMixture()

    def shown(self, prediction):
        return prediction.ravel() if prediction.shape[1] == 1 else prediction


class ProbabilityMixture:
    """The weighted mean of probabilities, all in logarithms."""

    def __init__(self):
        self._weight, self._log_total = 0.0, -np.inf

    def add(self, weight, output):
        self._weight += weight
        self._log_total = np.logaddexp(self._log_total, np.log(weight) + output)

    @property
    def output(self):
        return self._log_total - np.log(self._weight)


class NumberMixture:
    """The weighted mean of numbers, and their variance around it, their own included."""

    def __init__(self):
        self._weight, self._mean, self._squares = 0.0, 0.0, 0.0

    def add(self, weight, output):
        numbers, variances = np.moveaxis(output, -1, 0)
        # West's update: sums of squares would cancel where numbers are large.
        self._weight += weight
        change = numbers - self._mean
        self._mean = self._mean + weight / self._weight * change
        with np.errstate(over="ignore"):  # of numbers far from all data
            spread = change * (numbers - self._mean)
            self._squares = self._squares + weight * (spread + variances)

    @property
    def output(self):
        return np.stack([self._mean, self._squares / self._weight], axis=-1)
