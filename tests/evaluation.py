"""The kernels of a loss, called on arrays."""

import numpy as np

from sknn_opt._compiler.declarations import address

#: Numbers of classes of the outputs where these have classes of their own. No other loss is
#: tested on so many raw outputs.
N_CLASSES = (2, 3, 2, 1)


def _parameters(loss, raw):
    outputs = [len(N_CLASSES), *N_CLASSES] if raw.shape[1] == sum(N_CLASSES) else []
    return np.concatenate([outputs, loss.kernel_parameters()])


def evaluate(loss, form, y, raw, weight, scale=1.0):
    """Return the sum of weight times loss and delta."""
    delta = np.full_like(raw, np.nan)
    parameters = _parameters(loss, raw)
    arrays = [np.ascontiguousarray(a) for a in (raw, y, weight)]
    total = form.evaluate(
        raw.dtype, *map(address, arrays), address(delta), *raw.shape, scale, address(parameters)
    )
    return total, delta


def curve(loss, form, y, raw, weight, tangent, scale=1.0):
    """Return scale times weight times second derivatives times tangent."""
    product, parameters = tangent.astype(raw.dtype), _parameters(loss, raw)
    arrays = [np.ascontiguousarray(a) for a in (raw, y, weight)]
    form.hessian_product(
        raw.dtype, *map(address, arrays), address(product), *raw.shape, scale, address(parameters)
    )
    return product
