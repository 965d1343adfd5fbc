"""Vectors as compiled loops read them fastest."""

import numpy as np

#: Bytes of a cache line and of the widest registers: a vector that starts there is read in
#: whole lines.
_ALIGNMENT = 64

#: Vectors that lie behind each other in one buffer each take a multiple of so many elements,
#: so that all of them are aligned, in float32 as in float64.
MULTIPLE = 16


def padded(size):
    """The least multiple of `MULTIPLE` that is not below ``size``."""
    return -(-size // MULTIPLE) * MULTIPLE


def aligned_zeros(size, dtype):
    """A vector of zeros whose first element is aligned."""
    dtype = np.dtype(dtype)
    buffer = np.zeros(size * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size * dtype.itemsize].view(dtype)


def aligned_copy(array, dtype=None):
    """A copy of a vector whose first element is aligned."""
    copy = aligned_zeros(array.size, array.dtype if dtype is None else dtype)
    copy[:] = array
    return copy


def overwrite(array, values):
    """Copy ``values`` into an array; raise ValueError where they are of another kind or shape."""
    if array.shape != values.shape or array.dtype != values.dtype:
        raise ValueError(
            f"An array of the shape {values.shape} and type {values.dtype} stands in a place for "
            f"the shape {array.shape} and type {array.dtype}."
        )
    array[...] = values
