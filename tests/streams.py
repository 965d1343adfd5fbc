"""The random streams of training, in NumPy."""

import numpy as np
from scipy.special import ndtri

U32, U64 = np.uint32, np.uint64
NOISE, MIXUP = -1, -2


@np.errstate(over="ignore")
def stream_key(seed, step, purpose):
    x = U64(seed) + U64(step) * U64(0x9E3779B97F4A7C15)
    x += U64(purpose % 2**64) * U64(0xD1B54A32D192ED03)
    x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


@np.errstate(over="ignore")
def random_bits(key, numbers):
    low, high = U32(key & U64(0xFFFFFFFF)), U32(key >> U64(32))
    x = np.asarray(numbers).astype(U32) + low
    x = (x ^ (x >> U32(16))) * U32(0x7FEB352D)
    x = (x ^ (x >> U32(15))) + high
    x = x * U32(0x846CA68B)
    return x ^ (x >> U32(16))


def uniform(key, numbers):
    return (random_bits(key, numbers) + 0.5) / 2.0**32


def standard_normal(key, numbers):
    """Quantiles of the bits: the lowest 31 of them are a rank by size, the highest is the sign."""
    bits = random_bits(key, numbers).astype(np.int64)
    further = (bits % 2**31 + 0.5) / 2.0**31
    return np.where(bits < 2**31, -1, 1) * ndtri(further / 2)


def noise(seed, step, shape, first_row=0):
    """The noise of standard deviation 1 on a block of rows."""
    numbers = first_row * shape[1] + np.arange(shape[0] * shape[1]).reshape(shape)
    return standard_normal(stream_key(seed, step, NOISE), numbers)


def symmetric_beta(key, a):
    """A number of the distribution Beta(a, a): Ulrich's polar form, or Jöhnk's rejection."""
    if a > 1:
        u, v = uniform(key, [0, 1])
        return (1 + np.sqrt(1 - u ** (2 / (2 * a - 1))) * np.cos(2 * np.pi * v)) / 2
    for number in range(0, 1000, 2):
        x, y = uniform(key, [number, number + 1]) ** (1 / a)
        if x + y <= 1:
            return x / (x + y)
    raise AssertionError


def mixture(seed, step, a, n_rows):
    """The share of each row of a mini-batch in its mixture, and the row's partner."""
    rows = np.arange(n_rows)
    if n_rows == 1:
        return 1.0, rows
    key = stream_key(seed, step, MIXUP)
    shift = 1 + int(random_bits(key, -1)) % (n_rows - 1)
    return symmetric_beta(key, a), (rows + shift) % n_rows
