"""Inverted dropout: a hash decides whether an element is kept, so masks need no memory."""

import numpy as np

from .._compiler.declarations import Call, inline, kernel, real
from .random_stream import random_bits

DROP = "void (real *block, int64 n, int64 key, int64 first, double rate)"

call_drop = Call(DROP)


@inline
def is_dropped(key, number, rate):
    """Whether the element of this number is dropped, which happens with probability rate."""
    return random_bits(key, number) < np.uint32(rate * 4294967296.0)


@kernel(DROP)
def drop(block, n, key, first, rate):
    """Set elements to 0 with probability ``rate``; divide the others by ``1 - rate``."""
    kept = real(1.0 / (1.0 - rate))
    for i in range(n):
        block[i] = real(0) if is_dropped(key, first + i, rate) else block[i] * kept
