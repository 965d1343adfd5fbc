"""Networks of fewer parts with the same predictions."""

import numpy as np


def without_batch_norm(parameters, architecture):
    """Return parameters and architecture with batch normalization made part of the layers.

    In prediction it is a factor and a summand for each unit, which the weights and intercepts
    before it take in. Layer normalization stays.

    Parameters
    ----------
    parameters : list of dict
        The arrays of each layer by their names.
    architecture : Architecture
    """
    *hidden, last = parameters
    normalizations = architecture.normalizations
    is_batch = [norm is not None and norm.uses_batch_statistics for norm in normalizations]
    triples = zip(hidden, normalizations, is_batch, strict=True)
    folded = [_folded(layer, norm) if batch else layer for layer, norm, batch in triples]
    pairs = zip(normalizations, is_batch, strict=True)
    left = [None if batch else norm for norm, batch in pairs]
    return [*folded, last], architecture._replace(normalizations=left)


def _folded(layer, norm):
    arrays = {name: array.astype(np.float64) for name, array in layer.items()}
    deviations = np.sqrt(arrays["running_variances"] + norm.epsilon)
    factor = arrays["normalization_scales"] / deviations
    shift = arrays["normalization_shifts"] - factor * arrays["running_means"]
    dtype = layer["coefs"].dtype
    return {
        "coefs": (arrays["coefs"] * factor).astype(dtype),
        "intercepts": (arrays["intercepts"] * factor + shift).astype(dtype),
    }
