"""What all targets have in common."""

from abc import ABC, abstractmethod

import numpy as np
from scipy import sparse

from ..._containers import check_in_memory


class Targets(ABC):
    """What all kinds of targets have in common.

    Attributes
    ----------
    kind : str
        The type of target, as `Loss.form` knows it.
    n_classes : tuple of int
        The numbers of classes of several outputs that have classes of their own.
    """

    kind: str
    n_classes = ()

    def read(self, y):
        """Return targets as scorers read them."""
        return y

    @abstractmethod
    def encode(self, y):
        """Return targets as the loss reads them: a column for each output, or class indices."""

    @abstractmethod
    def encode_held_out(self, y):
        """Encode targets of a validation set; raise ValueError for classes not in training."""

    def with_scale(self, estimator, loss, columns, sample_weight):
        """Return these targets, with the scale that encoded ones of training are learnt on."""
        return self

    def scaled(self, columns):
        """Return encoded targets as the network learns them."""
        return columns

    def fitted_attributes(self):
        """Return what fit leaves on the estimator of what was learnt of the targets."""
        return {}

    def output_factors(self):
        """Return what multiplies the raw outputs on their way to the user's scale."""
        return 1.0

    def unscaled_network(self, parameters):
        """Return the parameters, by layer, of a network whose outputs need no scaling."""
        return parameters

    @abstractmethod
    def n_outputs(self, loss, n_columns):
        """Return the number of raw outputs for so many columns of encoded targets."""

    @abstractmethod
    def predictions(self, form, raw):
        """Return predictions, the raw outputs after the link; ``raw`` may be overwritten."""

    @abstractmethod
    def score(self, problem, raw, data):
        """Return the score of raw outputs on a `ValidationSet`: accuracy or R²."""

    def overflow(self, form, raw):
        """Whether predictions from finite raw outputs, which may be overwritten, are infinite."""
        return False

    def codes(self, encoded):
        """Return an integer for each row by which a split can be stratified, or None."""
        return None

    def weights(self, estimator, y, encoded, sample_weight, incremental):
        """Return the weights in the loss; validation scores use ``sample_weight`` alone."""
        return sample_weight


def check_dense(y):
    """Return targets as an array; raise TypeError for sparse ones and for Dask collections."""
    check_in_memory(y)
    if sparse.issparse(y):
        raise TypeError(
            "Sparse data was passed for y, but dense data is required. Use '.toarray()' to "
            "convert to a dense numpy array."
        )
    return np.asarray(y)


def check_numbers(y):
    """Raise ValueError for targets of regression, an array, that are no numbers."""
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"Targets of regression must be numbers, but y holds {y.dtype}. Convert them, "
            "for example by y.astype(float)."
        )
