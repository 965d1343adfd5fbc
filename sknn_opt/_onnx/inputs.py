"""What goes into a model: one matrix of numbers, or the columns of a table one by one."""

from numbers import Real

import numpy as np
from sklearn.utils.validation import _check_feature_names_in

from ..preprocessing.columns import CATEGORICAL, DATETIME


class Matrix:
    """Numbers in one tensor.

    Parameters
    ----------
    graph : Graph
    tensor : str
    dtype : type
        float32 or float64.
    """

    def __init__(self, graph, tensor, dtype):
        self._graph = graph
        self._tensor = tensor
        self._dtype = dtype

    @classmethod
    def input(cls, graph, estimator, dtype):
        """Declare the input of an estimator that reads a matrix."""
        return cls(graph, graph.input("X", dtype, estimator.n_features_in_), dtype)

    def of_type(self, dtype):
        """Return the tensor in float32 or float64."""
        return self._tensor if dtype == self._dtype else self._graph.cast(self._tensor, dtype)


class Columns:
    """Tensors of shape (n_samples, 1), an input for each column of a table.

    Numbers are float64, NaN where missing; so are durations, in seconds. Datetimes are int64,
    microseconds since 1970. Categories are strings, "" where missing, unless all are numbers.

    Parameters
    ----------
    graph : Graph
    estimator : estimator
        Its names of features become those of the inputs.
    encoders : list of TabularEncoder
        All that read the table.
    """

    def __init__(self, graph, estimator, encoders):
        self._graph = graph
        self.names = _check_feature_names_in(estimator)
        self.dtypes = [_type_of(name, j, encoders) for j, name in enumerate(self.names)]
        pairs = zip(self.names, self.dtypes, strict=True)
        self._tensors = [graph.input(str(name), dtype, 1) for name, dtype in pairs]

    def __getitem__(self, j):
        return self._tensors[j]

    def of_type(self, dtype):
        """Return all columns in one tensor; raise ValueError unless these are numbers."""
        if any(own != np.float64 for own in self.dtypes):
            raise ValueError(
                "Some members read columns that are no numbers with a TabularEncoder, and others "
                "read the whole table as numbers. ONNX needs one type for each column."
            )
        return self._graph.cast(self._graph.concat(self._tensors), dtype)


def known_values(encoder, j):
    """Return the categories of a column, and those whose means of the target are known."""
    known = list(encoder.categories_[j] or ())
    if j in encoder.targets_:
        known += encoder._target_means.known_values(encoder.targets_.index(j))
    return known


def _type_of(name, j, encoders):
    kinds = sorted({encoder.kinds_[j] for encoder in encoders})
    if len(kinds) > 1:
        raise ValueError(
            f"The column {name!r} is {' and '.join(kinds)} in different folds, but in ONNX it has "
            "one type. Convert it before, or choose categorical_features."
        )
    if kinds[0] == DATETIME:
        return np.dtype(np.int64)
    if kinds[0] != CATEGORICAL:
        return np.dtype(np.float64)
    known = {value for encoder in encoders for value in known_values(encoder, j)} - {None}
    are_numbers = known and all(isinstance(value, Real) for value in known)
    return np.dtype(np.float64 if are_numbers else object)
