"""Matrix products for kernels, by the BLAS that SciPy ships."""

import numpy as np

from .declarations import Intrinsic, _compiler, open_capsule

_PREFIX = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}
_ROUTINES = ("gemm",)

#: ``gemm(transpose_a, transpose_b, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc)``
#: in a kernel: C = alpha op(A) op(B) + beta C, row-major, op(A) of shape (rows, inner).
gemm = Intrinsic(lambda dtype: _compiler().gemm(dtype))


def symbol(routine, dtype):
    """Name under which kernels link a routine."""
    return f"sknn_opt_{_PREFIX[dtype]}{routine}"


def symbols():
    """Addresses of the BLAS routines, by the names under which kernels link them."""
    from scipy.linalg import cython_blas

    found = {}
    for dtype, prefix in _PREFIX.items():
        for routine in _ROUTINES:
            capsule = cython_blas.__pyx_capi__[prefix + routine]
            found[symbol(routine, dtype)], c_signature = open_capsule(capsule)
            if "int *" not in c_signature:
                raise ImportError(f"SciPy's BLAS has no 32-bit integers: {c_signature}")
    return found
