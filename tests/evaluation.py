"""The kernels of a loss, called on arrays."""

import numpy as np

from sknn_opt._compiler.declarations import address


def evaluate(loss, form, y, raw, weight, scale=1.0):
    """Return the sum of weight times loss and delta."""
    delta = np.full_like(raw, np.nan)
    parameters = loss.kernel_parameters()
    arrays = [np.ascontiguousarray(a) for a in (raw, y, weight)]
    total = form.evaluate(
        raw.dtype, *map(address, arrays), address(delta), *raw.shape, scale, address(parameters)
    )
    return total, delta


def curve(loss, form, y, raw, weight, tangent, scale=1.0):
    """Return scale times weight times second derivatives times tangent."""
    product, parameters = tangent.astype(raw.dtype), loss.kernel_parameters()
    arrays = [np.ascontiguousarray(a) for a in (raw, y, weight)]
    form.hessian_product(
        raw.dtype, *map(address, arrays), address(product), *raw.shape, scale, address(parameters)
    )
    return product
