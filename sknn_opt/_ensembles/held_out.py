"""What members predict for rows that they have not seen, fold by fold."""

import numpy as np

from .conformal import effective_number, summarize


class HeldOut:
    """The outputs of all members for the rows that each fold holds out.

    A row that several folds hold out counts in each of them, with a share of its weight.

    Parameters
    ----------
    outputs : list of list of ndarray
        Of each member, one a fold.
    folds : list of list of Fold
        Those of each member. Where members differ in them, each holds out every row once, and
        those of one are parts of those of the other.
    data : Data
    predictions : Predictions

    Attributes
    ----------
    rows : ndarray of int
        The rows of ``data``, one fold after the other.
    y : ndarray
        Their targets, encoded.
    weight : ndarray or None
    """

    def __init__(self, outputs, folds, data, predictions):
        self.predictions = predictions
        self._n_samples = len(data)
        fewest = min(folds, key=len)
        self.rows = _rows(fewest)
        self._ends = np.cumsum([len(fold.held_out) for fold in fewest])[:-1]
        pairs = zip(outputs, folds, strict=True)
        self._outputs = [self._in_order(np.concatenate(one), own) for one, own in pairs]
        self.y = predictions.encode(data.y[self.rows])
        self.weight = self._shares(data.sample_weight)
        self._sample_weight = data.sample_weight

    def _shares(self, sample_weight):
        times = np.bincount(self.rows, minlength=self._n_samples)
        if sample_weight is None and times.max() == 1:
            return None
        weight = 1.0 if sample_weight is None else sample_weight[self.rows]
        return weight / times[self.rows]

    def _in_order(self, output, folds):
        """Return a member's output for ``rows``."""
        rows = _rows(folds)
        if np.array_equal(rows, self.rows):
            return output
        place = np.empty(self._n_samples, np.intp)
        place[rows] = np.arange(len(rows))
        return output[place[self.rows]]

    def loss(self, evidence):
        with np.errstate(over="ignore", invalid="ignore"):  # a network may be far off
            return self.predictions.loss(self.y, evidence, self.weight)

    def score(self, prediction):
        with np.errstate(over="ignore", invalid="ignore"):
            return self.predictions.score(self.y, prediction, self.weight)

    def member_evidence(self):
        """Return what each member is weighed by, an array over all ``rows``."""
        return [self.predictions.evidence(self.y, output) for output in self._outputs]

    def mixtures(self, weights):
        """Return what the committee makes of the outputs in each fold."""
        mixtures = []
        by_fold = (np.split(output, self._ends) for output in self._outputs)
        for of_members in zip(*by_fold, strict=True):
            mixture = self.predictions.mixture()
            for weight, output in zip(weights, of_members, strict=True):
                if weight > 0:
                    mixture.add(weight, output)
            mixtures.append(mixture)
        return mixtures

    def conformity(self, scores):
        """Return the fitted attributes from which conformal sets are made.

        ``scores``, of shape (n_rows, n_outputs), say how strange targets are. The weights of the
        rows sum to their effective number.
        """
        seen = np.unique(self.rows)
        weight = None if self._sample_weight is None else self._sample_weight[seen]
        n_rows = effective_number(weight, len(seen))
        shares = np.ones(len(self.rows)) if self.weight is None else self.weight
        shares = np.split(n_rows * shares / shares.sum(), self._ends)
        of_folds = zip(np.split(scores, self._ends), shares, strict=True)
        summaries = [[summarize(one, weight) for one in fold.T] for fold, weight in of_folds]
        return {"_conformity": summaries, "_n_conforming": n_rows}

    def by_row(self, prediction):
        """Return predictions in the order of the data; NaN where no fold holds a row out."""
        total = np.zeros((self._n_samples, *prediction.shape[1:]))
        times = np.bincount(self.rows, minlength=self._n_samples)
        np.add.at(total, self.rows, prediction)
        with np.errstate(invalid="ignore"):
            return total / times.reshape(-1, *[1] * (total.ndim - 1))


def _rows(folds):
    return np.concatenate([fold.held_out for fold in folds])
