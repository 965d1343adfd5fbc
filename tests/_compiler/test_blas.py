import numpy as np
import pytest

from sknn_opt._compiler import blas as _blas
from sknn_opt._compiler.blas import gemm
from sknn_opt._compiler.declarations import address, kernel

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


def test_symbols_have_addresses_of_their_own():
    symbols = _blas.symbols()
    assert set(symbols) == {_blas.symbol("gemm", np.dtype(t)) for t in DTYPES}
    assert all(symbols.values())
    assert len(set(symbols.values())) == len(symbols)


def test_a_blas_with_64_bit_integers_is_refused(monkeypatch):
    monkeypatch.setattr(_blas, "open_capsule", lambda capsule: (1, "void (char *, int64_t *)"))
    with pytest.raises(ImportError, match="no 32-bit integers"):
        _blas.symbols()
