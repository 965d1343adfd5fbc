"""The language in which kernels are written: for rules of your own, and loops around them.

A kernel is a Python function over raw pointers with a C prototype. Numba compiles it when it is
first needed, once for float64 and once for float32, and stores the machine code on disk. In the
prototype and in the body, ``real`` stands for the floating type:

>>> import numpy as np
>>> from sknn_opt.kernels import address, inline, kernel, real, tanh
>>> @inline
... def squash(x, width):
...     return width * tanh(x / width)
>>> @kernel("double (real *x, int64 n, double width)")
... def squash_all(x, n, width):
...     total = 0.0
...     for i in range(n):
...         x[i] = squash(x[i], real(width))
...         total += x[i]
...     return total

It is called with the floating type and the addresses of arrays, which nothing checks: they have
to be contiguous, of that type, and as long as the kernel takes them to be.

>>> x = np.array([0.1, 2.0, -30.0], dtype="float32")
>>> print(round(squash_all("float32", address(x), x.size, 1.0), 2), x.round(2))
0.06 [ 0.1   0.96 -1.  ]

Most components need no kernel: a rule for one number is an `inline` function, and the package has
the loop around it. Parameters arrive by the names that they have in the constructor.

>>> from sknn_opt import MLPRegressor
>>> from sknn_opt.activations import Activation, OfInput
>>> @inline
... def shrink(z, p):
...     width = real(p.width)
...     if abs(z) <= width:
...         return real(0), real(0), real(0)
...     return z - (width if z > real(0) else -width), real(1), real(0)
>>> class SoftShrink(Activation):
...     _rule = OfInput(shrink)
...     def __init__(self, width=0.5):
...         self.width = width
>>> model = MLPRegressor((3,), activation=SoftShrink(0.2), tol=0.1, random_state=0)
>>> print(model.fit([[0.0], [1.0]] * 9, [0.0, 1.0] * 9).n_outputs_)
1

Routines of BLAS and LAPACK are called by their names, with what they take in Fortran: pointers as
they are, and numbers, which are passed by reference. This factor is the upper one of NumPy's
row-major matrix, since Fortran reads it by columns.

>>> from sknn_opt.kernels import int32s, lapack
>>> potrf = lapack("potrf")
>>> LOWER = ord("L")
>>> @kernel("void (int64 n, real *a, int64 info)")
... def factorize(n, a, info):
...     potrf(LOWER, n, a, n, int32s(info))
>>> a, info = np.array([[4.0, 2.0], [2.0, 5.0]]), np.zeros(1, np.int32)
>>> factorize("float64", 2, address(a), address(info))
>>> print(np.triu(a), info)
[[2. 1.]
 [0. 2.]] [0]

- Type every constant that meets an array, ``real(0.5)``: an untyped one turns float32 arithmetic
  into float64.
- A kernel calls inline functions, what this module holds, functions of `math` and NumPy's of
  scalars, and other kernels by their addresses, with `Call`. What it reads of other globals,
  numbers for example, is compiled into it.
- There are no arrays and no lists, and no ``range`` whose step is known only at run time.
- NaN has to stay NaN: training notices divergence by looking for it.
- Sums over samples are float64, in float32 too.
- Two pointers to one buffer cost the vectorisation: a kernel that works in place has one.

A change in a kernel, in what it calls or in a constant that it reads is never missed by the cache,
whatever file it is in.
"""

from ._compiler.declarations import (
    Call,
    address,
    at,
    doubles,
    inline,
    inline_exactly,
    int32s,
    int64s,
    kernel,
    offset,
    pointers_to,
    real,
    reals,
    struct,
)
from ._compiler.elementary import exp, expm1, log, log1p, logistic, normal, softplus, tanh
from ._compiler.linear_algebra import blas, gemm, lapack

__all__ = [
    "Call",
    "address",
    "at",
    "blas",
    "doubles",
    "exp",
    "expm1",
    "gemm",
    "inline",
    "inline_exactly",
    "int32s",
    "int64s",
    "kernel",
    "lapack",
    "log",
    "log1p",
    "logistic",
    "normal",
    "offset",
    "pointers_to",
    "real",
    "reals",
    "softplus",
    "struct",
    "tanh",
]
