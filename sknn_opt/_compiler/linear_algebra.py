"""Routines of BLAS and LAPACK for kernels, and the matrix product in row-major order."""

from .declarations import Intrinsic, backend, inline
from .routines import declare_routine, find_routine


def blas(name):
    """Declare a routine of the BLAS that SciPy ships, for use in kernels.

    A kernel passes what the Fortran routine takes, in its order: pointers as they are, and
    numbers, which are passed by reference. A character is its code, ``ord("U")``. Matrices
    are column-major.

    Parameters
    ----------
    name : str
        Without the letter of the floating type, such as "syrk"; where this does not come
        first, with a question mark in its place: "i?amax".

    Returns
    -------
    routine : what a kernel calls by its name
    """
    return _routine("blas", name)


def lapack(name):
    """Declare a routine of the LAPACK that SciPy ships, as `blas` does, such as "potrf"."""
    return _routine("lapack", name)


def _routine(library, name):
    declare_routine(library, name)
    return Intrinsic(
        f"{library} {name}",
        lambda dtype: backend().intrinsics.routine(find_routine(library, name, dtype)),
    )


_gemm = blas("gemm")
_AS_IT_IS, _TRANSPOSED = ord("N"), ord("T")


@inline
def gemm(transpose_a, transpose_b, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc):
    """C = alpha op(A) op(B) + beta C, row-major, op(A) of shape (rows, inner)."""
    # Row-major C is column-major Cᵀ = op(B)ᵀ op(A)ᵀ: the operands change places.
    _gemm(
        _TRANSPOSED if transpose_b else _AS_IT_IS, _TRANSPOSED if transpose_a else _AS_IT_IS,
        columns, rows, inner, alpha, b, ldb, a, lda, beta, c, ldc,
    )  # fmt: skip
