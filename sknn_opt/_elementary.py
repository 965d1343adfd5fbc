"""Exponential, tanh and logistic for kernels, written so that loops over them vectorise.

The C library's functions are scalar calls. Here ``x = n log 2 + r`` with an integer ``n``,
a polynomial gives ``exp(r) - 1`` on ``|r| <= log(2) / 2``, and ``2**n`` is assembled from
its bits, as two factors, so that subnormal results are right. The error is at most 2 units
in the last place for exp, 3 for tanh and logistic; a logistic below the smallest normal
number may come out as 0, and so does tanh(-0.0). NaN and infinities come out as from the C
library.
"""

import numpy as np

from ._kernel import bits_to_real, inline, inline_exactly, real


def _split_64(x):
    """The integer n, as a float, and r with x = n log 2 + r; log 2 is a sum of two parts."""
    n = np.floor(x * 1.4426950408889634 + 0.5)
    return n, (x - n * 0.693145751953125) - n * 1.428606820309417232e-6


def _split_32(x):
    n = np.floor(x * real(1.442695) + real(0.5))
    return n, (x - n * real(0.693359375)) - n * real(-2.12194440e-4)


def _polynomial_64(r):
    """exp(r) - 1 by its series, even and odd terms apart: two short chains, not a long one."""
    s = r * r
    odd = 1.6059043836821613e-10 * s + 2.505210838544172e-08
    even = 2.08767569878681e-09 * s + 2.755731922398589e-07
    odd = odd * s + 2.7557319223985893e-06
    even = even * s + 2.48015873015873e-05
    odd = odd * s + 1.984126984126984e-04
    even = even * s + 1.388888888888889e-03
    odd = odd * s + 8.333333333333333e-03
    even = even * s + 4.1666666666666664e-02
    odd = odd * s + 1.6666666666666666e-01
    even = even * s + 0.5
    return r + s * (odd * r + even)


def _polynomial_32(r):
    s = r * r
    odd = real(1.984127e-04) * s + real(8.333334e-03)
    even = real(1.3888889e-03) * s + real(4.1666668e-02)
    odd = odd * s + real(1.6666667e-01)
    even = even * s + real(0.5)
    return r + s * (odd * r + even)


def _power_of_two_64(n):
    return bits_to_real((np.int64(n) + 1023) << 52)


def _power_of_two_32(n):
    return bits_to_real(np.int32((n + 127) << 23))


split = inline_exactly(_split_64, _split_32)
polynomial = inline_exactly(_polynomial_64, _polynomial_32)
power_of_two = inline_exactly(_power_of_two_64, _power_of_two_32)


def _exp_64(x):
    x = -746.0 if x < -746.0 else x
    x = 710.0 if x > 710.0 else x
    n, r = split(x)
    whole = np.int32(n)
    half = whole >> 1
    return (1.0 + polynomial(r)) * power_of_two(half) * power_of_two(whole - half)


def _exp_32(x):
    x = real(-104) if x < real(-104) else x
    x = real(89) if x > real(89) else x
    n, r = split(x)
    whole = np.int32(n)
    half = whole >> 1
    return (real(1) + polynomial(r)) * power_of_two(half) * power_of_two(whole - half)


def _tanh_64(x):
    y = -2.0 * abs(x)
    y = -50.0 if y < -50.0 else y
    n, r = split(y)
    scale = power_of_two(np.int32(n))
    e = scale * polynomial(r) + (scale - 1.0)  # exp(-2|x|) - 1, exact to the last bits
    t = -e / (2.0 + e)
    return t if x > 0.0 else -t


def _tanh_32(x):
    y = real(-2) * abs(x)
    y = real(-25) if y < real(-25) else y
    n, r = split(y)
    scale = power_of_two(np.int32(n))
    e = scale * polynomial(r) + (scale - real(1))
    t = -e / (real(2) + e)
    return t if x > real(0) else -t


#: exp(x), vectorisable.
exp = inline_exactly(_exp_64, _exp_32)
#: tanh(x), vectorisable.
tanh = inline_exactly(_tanh_64, _tanh_32)


@inline
def logistic(x):
    """1 / (1 + exp(-x)), vectorisable."""
    return real(1) / (real(1) + exp(-x))
