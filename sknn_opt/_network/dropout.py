"""Inverted dropout by a counter-based random stream.

A hash of a key and of an element's number decides whether the element is kept. So masks need
no memory: the backward pass computes the same hash again. They depend on the seed, the step
and the position only, not on threads or on the floating type.
"""

import numpy as np

from .._compiler.declarations import Call, inline, kernel, real

DROP = "void (real *block, int64 n, int64 key, int64 first, double rate)"

call_drop = Call(DROP)


@inline
def mask_key(seed, step, layer):
    """Mix seed, step and layer into a key of 64 bits, with the finalizer of splitmix64."""
    x = np.uint64(seed) + np.uint64(step) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(layer) * np.uint64(0xD1B54A32D192ED03)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(x ^ (x >> np.uint64(31)))


@inline
def is_dropped(key, number, rate):
    """Whether the element of this number is dropped, which happens with probability rate."""
    # In 32 bits, of which a vector register holds twice as many numbers as of 64.
    low, high = np.uint32(key), np.uint32(key >> 32)
    x = np.uint32(np.uint32(number) + low)
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(15))) + high)
    x = np.uint32(x * np.uint32(0x846CA68B))
    x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
    return x < np.uint32(rate * 4294967296.0)


@kernel(DROP)
def drop(block, n, key, first, rate):
    """Set elements to 0 with probability ``rate``; divide the others by ``1 - rate``."""
    kept = real(1.0 / (1.0 - rate))
    for i in range(n):
        block[i] = real(0) if is_dropped(key, first + i, rate) else block[i] * kept
