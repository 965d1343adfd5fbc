import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import TypingError

from sknn_opt._compiler.declarations import address, doubles, int32s, kernel, real, reals
from sknn_opt._compiler.linear_algebra import blas, gemm, lapack

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-13, "float32": 1e-5}


@kernel("""void (int64 ta, int64 tb, int64 rows, int64 columns, int64 inner, double alpha,
real *a, int64 lda, real *b, int64 ldb, double beta, real *c, int64 ldc)""")
def _gemm(ta, tb, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc):
    gemm(ta, tb, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc)


def _matrix(random, shape, leading_dimension, dtype):
    """A view of some columns of a wider array."""
    wide = random.normal(size=(shape[0], leading_dimension)).astype(dtype)
    return wide[:, : shape[1]]


def _leading(matrix):
    return matrix.strides[0] // matrix.itemsize


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (1, 1), (-2, 0.5), (0, 2)])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm(dtype, transpose_a, transpose_b, alpha, beta, padding):
    random = np.random.default_rng(0)
    rows, columns, inner = 5, 7, 4
    shape_a = (inner, rows) if transpose_a else (rows, inner)
    shape_b = (columns, inner) if transpose_b else (inner, columns)
    a = _matrix(random, shape_a, shape_a[1] + padding, dtype)
    b = _matrix(random, shape_b, shape_b[1] + 2 * padding, dtype)
    c = _matrix(random, (rows, columns), columns + 3 * padding, dtype)
    beside = c.base[:, columns:].copy()
    expected = alpha * (a.T if transpose_a else a) @ (b.T if transpose_b else b) + beta * c

    _gemm(
        dtype, transpose_a, transpose_b, rows, columns, inner, alpha, address(a), _leading(a),
        address(b), _leading(b), beta, address(c), _leading(c),
    )  # fmt: skip
    np.testing.assert_allclose(c, expected, rtol=0, atol=10 * TOLERANCE[dtype])
    np.testing.assert_array_equal(c.base[:, columns:], beside)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 6, 3), (6, 1, 3), (6, 3, 1), (130, 70, 90)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_of_any_shape(dtype, shape):
    rows, columns, inner = shape
    random = np.random.default_rng(1)
    a = random.normal(size=(rows, inner)).astype(dtype)
    b = random.normal(size=(inner, columns)).astype(dtype)
    c = np.full((rows, columns), np.nan, dtype)  # beta = 0 must not read it
    _gemm(
        dtype, 0, 0, rows, columns, inner, 1, address(a), inner, address(b), columns, 0,
        address(c), columns,
    )  # fmt: skip
    np.testing.assert_allclose(c, a @ b, rtol=0, atol=100 * TOLERANCE[dtype])


_syrk, _axpy, _dot, _amax = blas("syrk"), blas("axpy"), blas("dot"), blas("i?amax")
_potrf, _syevd = lapack("potrf"), lapack("syevd")
LOWER, VECTORS, PLAIN = ord("L"), ord("V"), ord("N")


@kernel("void (int64 n, int64 k, double alpha, real *a, double beta, real *c)")
def _add_gram(n, k, alpha, a, beta, c):
    _syrk(LOWER, PLAIN, n, k, real(alpha), a, n, beta, c, n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_routine_of_blas(dtype):
    a = np.random.default_rng(2).normal(size=(4, 3)).astype(dtype, order="F")
    c = np.asfortranarray(np.eye(4, dtype=dtype))
    expected = 0.5 * a @ a.T + 2 * np.eye(4)
    _add_gram(dtype, 4, 3, 0.5, address(a), 2.0, address(c))
    np.testing.assert_allclose(np.tril(c), np.tril(expected), atol=10 * TOLERANCE[dtype])
    np.testing.assert_array_equal(np.triu(c, 1), 0)


@kernel("double (int64 n, double alpha, real *x, real *y)")
def _add_and_multiply(n, alpha, x, y):
    _axpy(n, alpha, x, 1, y, 1)
    return _dot(n, x, 1, y, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_routines_of_vectors(dtype):
    x, y = np.random.default_rng(3).normal(size=(2, 9)).astype(dtype)
    expected = y - 1.5 * x
    dot = _add_and_multiply(dtype, 9, -1.5, address(x), address(y))
    np.testing.assert_allclose(y, expected, atol=10 * TOLERANCE[dtype])
    np.testing.assert_allclose(dot, x @ expected, atol=10 * TOLERANCE[dtype])


@kernel("int64 (int64 n, real *x)")
def _largest(n, x):
    return _amax(n, x, 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_routine_whose_name_does_not_begin_with_the_type(dtype):
    x = np.array([1, -5, 3], dtype)
    assert _largest(dtype, 3, address(x)) == 2  # from 1 on, as in Fortran


@kernel("void (int64 n, real *a, int64 info)")
def _factorize(n, a, info):
    _potrf(LOWER, n, a, n, int32s(info))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_routine_of_lapack(dtype):
    a = np.random.default_rng(4).normal(size=(5, 5)).astype(dtype)
    matrix = np.asfortranarray(a @ a.T + np.eye(5, dtype=dtype))
    factor, info = matrix.copy(order="F"), np.full(1, -1, np.int32)
    _factorize(dtype, 5, address(factor), address(info))
    assert info[0] == 0
    np.testing.assert_allclose(
        np.tril(factor), np.linalg.cholesky(matrix), rtol=0, atol=100 * TOLERANCE[dtype]
    )
    _factorize(dtype, 5, address(-matrix), address(info))
    assert info[0] == 1


@kernel(
    "void (int64 n, real *a, real *values, int64 work, int64 n_work, int64 integers, int64 info)"
)
def _eigen(n, a, values, work, n_work, integers, info):
    _syevd(
        VECTORS, LOWER, n, a, n, values, reals(work), n_work, int32s(integers), n_work,
        int32s(info),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_eigenvalues(dtype):
    n, n_work = 4, 100
    a = np.random.default_rng(5).normal(size=(n, n)).astype(dtype)
    matrix = np.asfortranarray(a + a.T)
    vectors, values = matrix.copy(order="F"), np.zeros(n, dtype)
    work, integers, info = np.zeros(n_work, dtype), np.zeros(n_work, np.int32), np.ones(1, np.int32)
    _eigen(
        dtype, n, address(vectors), address(values), address(work), n_work, address(integers),
        address(info),
    )  # fmt: skip
    assert info[0] == 0
    atol = 100 * TOLERANCE[dtype]
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix), rtol=0, atol=atol)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, rtol=0, atol=atol)


def test_a_pointer_to_another_type_is_refused(empty_cache):
    @kernel("void (int64 x)")
    def _wrong(x):
        _axpy(1, 1.0, doubles(x), 1, doubles(x), 1)

    _wrong.for_dtype("float64")
    with pytest.raises(TypingError, match="Parameter 3 of sknn_opt_saxpy is a number or a pointer"):
        _wrong.for_dtype("float32")


def test_routines_are_loaded_with_the_kernels_that_call_them(empty_cache):
    code = """
import numpy as np
from sknn_opt._compiler.declarations import Kernel, address
from test_linear_algebra import _largest
kernel = Kernel(_largest.function, _largest.prototype)
print(kernel("float64", 2, address(np.array([1.0, 2.0]))), kernel.for_dtype("float64").is_loaded)
"""
    for is_loaded in ("False", "True"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "NUMBA_CACHE_DIR": str(empty_cache),
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == ["2", is_loaded], done.stderr
