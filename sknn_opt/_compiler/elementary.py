"""Elementary functions for kernels, written so that loops over them vectorise.

The C library's functions are scalar calls. Here ``x = n log 2 + r`` with an integer ``n``,
a polynomial gives ``exp(r) - 1`` on ``|r| <= log(2) / 2``, and ``2**n`` is assembled from
its bits, as two factors, so that subnormal results are right; logarithms take ``n`` from
the bits. Each docstring states the error in units in the last place, float32 and float64
alike. NaN and infinities come out as from the C library.
"""

import numpy as np

from .declarations import bits_to_real, inline, inline_exactly, real, real_to_bits


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


def _expm1_64(x):
    x = -50.0 if x < -50.0 else x
    n, r = split(x)
    scale = power_of_two(np.int64(np.int32(n)))
    return scale * polynomial(r) + (scale - 1.0)


def _expm1_32(x):
    x = real(-25) if x < real(-25) else x
    n, r = split(x)
    scale = power_of_two(np.int64(np.int32(n)))
    return scale * polynomial(r) + (scale - real(1))


#: exp(x) within 2 ulp.
exp = inline_exactly(_exp_64, _exp_32)
#: exp(x) - 1 for x <= 0 within 2 ulp.
expm1 = inline_exactly(_expm1_64, _expm1_32)


@inline
def tanh(x):
    """tanh(x) within 3 ulp."""
    e = expm1(real(-2) * abs(x))
    t = -e / (real(2) + e)
    return t if x > real(0) else -t


@inline
def logistic(x):
    """1 / (1 + exp(-x)) within 3 ulp; a subnormal result may be 0."""
    return real(1) / (real(1) + exp(-x))


def _logarithm_64(n, f):
    """n log 2 + log(1 + f) for 1 + f between sqrt(1/2) and sqrt(2)."""
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = 0.146171283998073 * w + 0.1818289077802613
    odd = 0.15331666676597175 * w + 0.22222211112104948
    even = even * w + 0.2857142862611452
    odd = odd * w + 0.399999999998992
    even = even * w + 0.666666666666667
    half = 0.5 * f * f
    series = s * (half + z * (even + z * odd))
    return n * 0.6931471803691238 - ((half - (series + n * 1.9082149292705877e-10)) - f)


def _logarithm_32(n, f):
    s = f / (real(2) + f)
    z = s * s
    half = real(0.5) * f * f
    series = (real(0.295804677) * z + real(0.399887691)) * z + real(0.666666851)
    series = s * (half + z * series)
    return n * real(0.69313812) - ((half - (series + n * real(9.0580006e-06))) - f)


logarithm = inline_exactly(_logarithm_64, _logarithm_32)


def _log_64(x):
    tiny = x < 2.2250738585072014e-308
    bits = real_to_bits(x * 2.0**54 if tiny else x)
    n = (bits - 0x3FE6A09E667F3BCD) >> 52  # the bits of sqrt(1/2), where 1 + f starts
    f = bits_to_real(bits - (n << 52)) - 1.0
    value = logarithm(np.float64(np.int32(n)) - (54.0 if tiny else 0.0), f)
    special = -np.inf if x == 0.0 else (x if x > 0.0 else np.nan)
    return value if (x > 0.0) & (x < np.inf) else special


def _log_32(x):
    tiny = x < real(1.17549435e-38)
    bits = real_to_bits(x * real(2**25) if tiny else x)
    n = np.int32(bits - np.int32(0x3F3504F3)) >> 23
    f = bits_to_real(np.int32(bits - np.int32(n << 23))) - real(1)
    value = logarithm(real(n) - (real(25) if tiny else real(0)), f)
    special = real(-np.inf) if x == real(0) else (x if x > real(0) else real(np.nan))
    return value if (x > real(0)) & (x < real(np.inf)) else special


def _log1p(x):
    wide = x > real(0.41421357)
    f = real(0.5) * x - real(0.5) if wide else x
    return logarithm(real(1) if wide else real(0), f)


#: log(x) within 2 ulp.
log = inline_exactly(_log_64, _log_32)
#: log(1 + x) for 0 <= x <= 1 within 2 ulp.
log1p = inline_exactly(_log1p, _log1p)


@inline
def softplus(x):
    """log(1 + exp(x)) within 2 ulp."""
    tail = log1p(exp(-abs(x)))
    return x + tail if x > real(0) else tail


def _normal_64(x):
    """Distribution function and density of the standard normal distribution at x.

    The upper tail at t is exp(-t²/2) P(t) / Q(t). All coefficients are positive, so that
    nothing cancels, and t² is a sum of two parts, the first one exact.
    """
    t = abs(x)
    t = 39.0 if t > 39.0 else t
    head = np.floor(t * 1024.0) * 0.0009765625
    n, r = split(-0.5 * (head * head))
    whole = np.int32(n)
    half = whole >> 1
    e = 1.0 + polynomial(r - 0.5 * ((t - head) * (t + head)))
    e = e * power_of_two(half) * power_of_two(whole - half)
    p = 1.3966875503828753e-06 * t + 3.750066434333369e-05
    q = 3.500976504624234e-06 * t + 9.400022555847276e-05
    p = p * t + 0.0004931295728487328
    q = q * t + 0.0012395935070504442
    p = p * t + 0.004108056121509588
    q = q * t + 0.010391369842928369
    p = p * t + 0.023710612028864275
    q = q * t + 0.06066278150370324
    p = p * t + 0.09798781740232376
    q = q * t + 0.2557283915765722
    p = p * t + 0.2899749287166666
    q = q * t + 0.7838561068522919
    p = p * t + 0.594944912307
    q = q * t + 1.7172661740847166
    p = p * t + 0.7754937148869738
    q = q * t + 2.564018521197862
    p = p * t + 0.5
    q = q * t + 2.3488719905768023
    tail = e * (p / (q * t + 1.0))
    return (tail if x < 0.0 else 1.0 - tail), e * 0.3989422804014327


def _normal_32(x):
    t = abs(x)
    t = real(14.5) if t > real(14.5) else t
    head = np.floor(t * real(256)) * real(0.00390625)
    n, r = split(real(-0.5) * (head * head))
    whole = np.int32(n)
    half = whole >> 1
    e = real(1) + polynomial(r - real(0.5) * ((t - head) * (t + head)))
    e = e * power_of_two(half) * power_of_two(whole - half)
    p = real(0.00415282996) * t + real(0.0408785664)
    q = real(0.0104094893) * t + real(0.102473489)
    p = p * t + real(0.183961754)
    q = q * t + real(0.471389145)
    p = p * t + real(0.439273806)
    q = q * t + real(1.20551816)
    p = p * t + real(0.500000003)
    q = q * t + real(1.67643262)
    tail = e * (p / (q * t + real(1)))
    return (tail if x < real(0) else real(1) - tail), e * real(0.39894228)


#: Distribution function and density of the standard normal distribution, within 8 and 3 ulp.
normal = inline_exactly(_normal_64, _normal_32)
