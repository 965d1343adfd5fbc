"""Random numbers by counting: each is a hash of a key and of its own number.

A key belongs to a seed, a step of training and a purpose, and a number to an element. So random
numbers need no memory, and those of a backward pass are those of the forward pass. They depend on
nothing else: not on threads, nor on blocks of rows, nor, but for rounding, on the floating type.
"""

import math

import numpy as np

from .._compiler.declarations import inline, real
from .._compiler.elementary import log

# The purposes that are not a layer's dropout: that of the input is 0, that of layer i is i + 1.
INPUT_NOISE = -1
MIXUP = -2
SCORES_OF_DRAWS = -3


@inline
def stream_key(seed, step, purpose):
    """Mix seed, step and purpose into a key of 64 bits, with the finalizer of splitmix64."""
    x = np.uint64(seed) + np.uint64(step) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(purpose) * np.uint64(0xD1B54A32D192ED03)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(x ^ (x >> np.uint64(31)))


@inline
def random_bits(key, number):
    """Return 32 random bits."""
    # In 32 bits, of which a vector register holds twice as many numbers as of 64.
    low, high = np.uint32(key), np.uint32(key >> 32)
    x = np.uint32(np.uint32(number) + low)
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(15))) + high)
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ np.uint32(x >> np.uint32(16)))


@inline
def uniform(key, number):
    """Return a float64 between 0 and 1, both excluded."""
    return (np.float64(random_bits(key, number)) + 0.5) * 2.0**-32


@inline
def standard_normal(key, number):
    """Return a normal number of mean 0 and variance 1, a quantile of 32 random bits.

    With the share q of numbers that are further from 0, the quantile is about a polynomial of
    w = -log(q (2 - q)), or in the tail one of its root, times 1 - q (Giles 2012, "Approximating
    the erfinv function"). These are fitted to within 4e-6.
    """
    bits = random_bits(key, number)
    rank = np.int32(bits & np.uint32(0x7FFFFFFF))
    q = (real(rank) + real(0.5)) * real(2.0**-31)
    inner = (real(2147483647 - rank) + real(0.5)) * real(2.0**-31)  # 1 - q, and all its digits
    w = -log(q * (real(1) + inner))
    c = w - real(2.5)
    t = math.sqrt(w) - real(3)
    center = real(-4.6782155e-06) * c + real(-9.36885329e-07)
    tail = real(9.41717619e-04) * t + real(-4.49054305e-03)
    center = center * c + real(3.08979138e-04)
    tail = tail * t + real(8.83554114e-03)
    center = center * c + real(-1.78934656e-03)
    tail = tail * t + real(-1.12629181e-02)
    center = center * c + real(-5.90991968e-03)
    tail = tail * t + real(1.31676728e-02)
    center = center * c + real(3.48815205e-01)
    tail = tail * t + real(1.41664986)
    center = center * c + real(2.12331454)
    tail = tail * t + real(4.00644331)
    size = inner * (center if w < real(5) else tail)
    return size if bits < np.uint32(0x80000000) else -size


@inline
def symmetric_beta(key, a):
    """Return a float64 of the distribution Beta(a, a), a > 0.

    For a > 1 by the polar form of Ulrich (1984, "Computer generation of distributions on the
    m-sphere"), else by Jöhnk's rejection (1964), in logarithms: powers of 1 / a may underflow.
    """
    if a > 1.0:
        radius = math.sqrt(-math.expm1(2.0 / (2.0 * a - 1.0) * math.log(uniform(key, 0))))
        return 0.5 + 0.5 * radius * math.cos(2.0 * math.pi * uniform(key, 1))
    number = 0
    while True:
        log_u, log_v = math.log(uniform(key, number)), math.log(uniform(key, number + 1))
        if math.exp(log_u / a) + math.exp(log_v / a) <= 1.0:
            return 1.0 / (1.0 + math.exp((log_v - log_u) / a))
        number += 2
