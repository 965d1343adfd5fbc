import numpy as np
import pytest
import streams
from scipy import stats

from sknn_opt._compiler.declarations import address, kernel
from sknn_opt._network.random_stream import (
    INPUT_NOISE,
    MIXUP,
    random_bits,
    standard_normal,
    stream_key,
    symmetric_beta,
    uniform,
)

N = 100_000
FLOAT64 = np.dtype("float64")


@kernel("int64 (int64 seed, int64 step, int64 purpose)")
def _stream_key(seed, step, purpose):
    return stream_key(seed, step, purpose)


@kernel("void (int64 *out, int64 n, int64 key, int64 first)")
def _random_bits(out, n, key, first):
    for i in range(n):
        out[i] = random_bits(key, first + i)


@kernel("void (double *out, int64 n, int64 key, int64 first)")
def _uniform(out, n, key, first):
    for i in range(n):
        out[i] = uniform(key, first + i)


@kernel("void (real *out, int64 n, int64 key, int64 first)")
def _standard_normal(out, n, key, first):
    for i in range(n):
        out[i] = standard_normal(key, first + i)


@kernel("void (double *out, int64 n, int64 seed, double a)")
def _symmetric_beta(out, n, seed, a):
    for i in range(n):
        out[i] = symmetric_beta(stream_key(seed, i, MIXUP), a)


def key(seed=1, step=1, purpose=INPUT_NOISE):
    return _stream_key(FLOAT64, seed, step, purpose)


def draw(function, kind="f8", n=N, first=0, dtype=FLOAT64, **parts):
    out = np.zeros(n, kind)
    function(np.dtype(dtype), address(out), n, key(**parts), first)
    return out


def normal(dtype="float64", **parts):
    return draw(_standard_normal, dtype, dtype=dtype, **parts)


def betas(a, n=N):
    out = np.zeros(n)
    _symmetric_beta(FLOAT64, address(out), n, 3, a)
    return out


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 2])
@pytest.mark.parametrize("step", [0, 1, 10**9])
@pytest.mark.parametrize("purpose", [0, 1, 5, INPUT_NOISE, MIXUP])
def test_the_stream_is_that_of_the_transcription(seed, step, purpose):
    parts = {"seed": seed, "step": step, "purpose": purpose}
    theirs = streams.stream_key(**parts)
    assert key(**parts) == theirs.astype(np.int64)
    for first in (0, 2**31, 2**32 - 3):
        numbers = first + np.arange(50)
        bits = draw(_random_bits, "i8", n=50, first=first, **parts)
        np.testing.assert_array_equal(bits, streams.random_bits(theirs, numbers))
        ours = draw(_uniform, n=50, first=first, **parts)
        np.testing.assert_array_equal(ours, streams.uniform(theirs, numbers))
        expected = streams.standard_normal(theirs, numbers)
        np.testing.assert_allclose(normal(n=50, first=first, **parts), expected, rtol=4e-6)


@kernel("void (real *out, int64 *numbers, int64 n, int64 key)")
def _normal_at(out, numbers, n, key):
    for i in range(n):
        out[i] = standard_normal(key, numbers[i])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_normal_numbers_are_quantiles_far_into_the_tail(dtype):
    # The bits of a key whose lower half counts numbers and whose upper half is 0 are those of
    # a bijection: some number has each rank. These have the ranks closest to both ends.
    bits = np.r_[0:3, 2**31 - 3 : 2**31 + 3, 2**32 - 3 : 2**32]
    numbers = np.array([_inverse(b) for b in bits])
    np.testing.assert_array_equal(streams.random_bits(np.uint64(0), numbers), bits)
    out = np.zeros(len(bits), dtype)
    _normal_at(np.dtype(dtype), address(out), address(numbers), len(bits), 0)
    expected = streams.standard_normal(np.uint64(0), numbers)
    assert np.abs(expected).max() > 6.3
    np.testing.assert_allclose(out, expected, rtol=4e-6)


def _inverse(x):
    """The number whose bits are x, with a key of 0."""
    x = x ^ (x >> 16)
    x = x * pow(0x846CA68B, -1, 2**32) % 2**32
    x = x ^ (x >> 15) ^ (x >> 30)
    x = x * pow(0x7FEB352D, -1, 2**32) % 2**32
    return x ^ (x >> 16)


def test_normal_numbers():
    z = normal()
    assert z.mean() == pytest.approx(0, abs=5 / np.sqrt(N))
    assert z.var() == pytest.approx(1, abs=5 * np.sqrt(2 / N))
    assert stats.skew(z) == pytest.approx(0, abs=5 * np.sqrt(6 / N))
    assert stats.kurtosis(z) == pytest.approx(0, abs=5 * np.sqrt(24 / N))
    assert stats.kstest(z, "norm").pvalue > 0.01


def test_normal_numbers_of_both_types_are_equal():
    np.testing.assert_allclose(normal("float32"), normal(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"step": 2}, {"purpose": MIXUP}, {"purpose": 0}, {"first": N}]
)
def test_other_streams_are_independent(other):
    for function in (_uniform, _standard_normal):
        a, b = draw(function), draw(function, **other)
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(0, abs=5 / np.sqrt(N))


def test_neighbours_are_independent():
    z = normal()
    for lag in (1, 2, 7, 64, 100):
        assert np.corrcoef(z[lag:], z[:-lag])[0, 1] == pytest.approx(0, abs=5 / np.sqrt(N))
        assert np.corrcoef(z[lag:] ** 2, z[:-lag] ** 2)[0, 1] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("a", [0.3, 0.5, 0.9, 1.0, 1.0 + 1e-9, 1.5, 2.0, 30.0])
def test_beta_numbers(a):
    assert stats.kstest(betas(a), "beta", (a, a)).pvalue > 0.01


@pytest.mark.parametrize("a", [5e-324, 1e-300, 1e-3, 0.1, 1e5, 1e300, np.inf])
def test_beta_numbers_at_the_limits(a):
    shares = betas(a)
    assert shares.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(N))
    variance = 1 / (4 * (2 * a + 1))  # its own standard deviation is less than 1 / sqrt(N)
    assert shares.var() == pytest.approx(variance, rel=5 / np.sqrt(N), abs=1e-15)
