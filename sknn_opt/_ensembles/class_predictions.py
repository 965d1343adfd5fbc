"""What networks predict of classes, for each meaning of the targets.

The output of a network is an array of shape (n_samples, n_outputs, n_classes), the logarithms of
probabilities. A class for each sample is one output, and several labels are outputs of two classes
each. Where outputs have different numbers of classes, the probabilities of those that some lack
are 0.
"""

import numpy as np
from scipy.special import log_expit, log_softmax

from .losses import loss_of_classifiers
from .predictions import Predictions, ProbabilityMixture


class ClassPredictions(Predictions):
    """A class for each sample.

    Parameters
    ----------
    targets : ClassTargets
        What ``y`` means, and its classes.
    losses : list of Loss, default=()
        What the members train with, which says how they are weighed.
    """

    def __init__(self, targets, losses=()):
        self.targets = targets
        self._losses = losses
        # Classes are named, since a fold may lack some of them.
        named = targets.named()
        self.fit_arguments = {} if named is None else {"classes": named}

    @property
    def classes(self):
        return self.targets.classes

    def attributes(self):
        return self.targets.fitted_attributes()

    @property
    def _n_classes(self):
        return len(self.classes)

    def encode(self, y):
        """Return targets as probabilities, of the shape of an output."""
        indices = np.reshape(self.targets.encode(y), (y.shape[0], -1)).astype(np.intp)
        return np.eye(self._n_classes)[indices]

    def truth(self, encoded):
        """Return the likeliest classes of encoded targets, of shape (n_samples, n_outputs)."""
        return encoded.argmax(axis=2)

    def loss(self, y, prediction, sample_weight):
        return loss_of_classifiers(self._losses)(y, prediction, sample_weight)

    def strata(self, y):
        return self.truth(self.encode(y)).ravel()

    def output(self, network, X):
        if len(self.classes) == 1:
            return np.zeros((X.shape[0], 1, 1))
        return _in_double(network.predict_log_proba(X))[:, np.newaxis]

    def prediction(self, output):
        return np.exp(output)

    def mixture(self):
        return ProbabilityMixture()

    def shown(self, prediction):
        return prediction[:, 0]

    def decode(self, output):
        """Return the likeliest classes, as `predict` does."""
        return self.classes[output.argmax(axis=2).ravel()]

    def score(self, y, prediction, sample_weight):
        hits = (prediction.argmax(axis=2) == self.truth(y)).all(axis=1)
        return float(np.average(hits, weights=sample_weight))


class SharePredictions(ClassPredictions):
    """Targets are probabilities of classes, of which scores take the likeliest."""

    network_parameters = {"targets": "probabilities"}

    def encode(self, y):
        return self.targets.shares(y)[:, np.newaxis]


class LabelPredictions(ClassPredictions):
    """Several labels for each sample, or none."""

    network_parameters = {"targets": "multilabel"}
    _n_classes = 2

    def strata(self, y):
        return None

    def output(self, network, X):
        log_odds = network.decision_function(X).astype(np.float64)
        log_odds = log_odds.reshape(len(log_odds), -1)
        return np.stack([log_expit(-log_odds), log_expit(log_odds)], axis=2)

    def shown(self, prediction):
        return prediction[:, :, 1]

    def decode(self, output):
        return self.targets.decode(output[:, :, 1] - output[:, :, 0])


class OutputPredictions(ClassPredictions):
    """Several outputs, each of which has classes of its own."""

    network_parameters = {"targets": "multioutput"}

    @property
    def _n_classes(self):
        return max(self.targets.n_classes)

    def strata(self, y):
        return None

    def output(self, network, X):
        n_classes = self.targets.n_classes
        output = np.full((X.shape[0], len(n_classes), self._n_classes), -np.inf)
        for j, one in enumerate(network.predict_log_proba(X)):
            output[:, j, : n_classes[j]] = _in_double(one)
        return output

    def shown(self, prediction):
        return [prediction[:, j, :n] for j, n in enumerate(self.targets.n_classes)]

    def decode(self, output):
        return self.targets.decode(np.hstack(self.shown(output)))


def _in_double(log_probabilities):
    """Return logarithms of probabilities that sum to 1 in double precision, too."""
    return log_softmax(log_probabilities.astype(np.float64), axis=1)


_KINDS = {
    "classes": ClassPredictions,
    "probabilities": SharePredictions,
    "multilabel": LabelPredictions,
    "multioutput": OutputPredictions,
}


def class_predictions(targets, losses=()):
    """Return the `ClassPredictions` for what ``y`` means."""
    return _KINDS[targets.meaning](targets, losses)
