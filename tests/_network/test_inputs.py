import re

import numpy as np
import pytest
from broken_sparse import BROKEN_SPARSE
from numpy.lib.stride_tricks import as_strided
from scipy import sparse

from sknn_opt._compiler.declarations import address, at, kernel, real
from sknn_opt._network.inputs import Input, call_gradient, call_multiply, check_sparse

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-13, "float32": 2e-5}
UNITS = 3


@kernel("void (input *source, int64 start, int64 rows, real *weights, real *z, int64 units)")
def _multiply(source, start, rows, weights, z, units):
    call_multiply(at(source, 0).multiply, source, start, rows, weights, z, units)


@kernel("""void (input *source, int64 start, int64 rows, real *delta, real *gradient,
int64 units, double beta)""")
def _gradient(source, start, rows, delta, gradient, units, beta):
    call_gradient(at(source, 0).gradient, source, start, rows, delta, gradient, units, real(beta))


def _values(shape, dtype):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def _in_records(X):
    """Elements that lie between bytes of something else: strides are no whole elements."""
    records = np.zeros(X.shape, [("byte", "i1"), ("x", X.dtype)])
    records["x"] = X
    return records["x"]


def _read_only(X):
    X.flags.writeable = False
    return X


DENSE = {
    "C": lambda t: _values((9, 5), t),
    "Fortran": lambda t: np.asfortranarray(_values((9, 5), t)),
    "every second row": lambda t: _values((18, 5), t)[::2],
    "every second column": lambda t: _values((9, 10), t)[:, ::2],
    "columns of a wider array": lambda t: _values((9, 8), t)[:, 2:7],
    "transposed columns": lambda t: _values((8, 9), t)[1:6].T,
    "rows backwards": lambda t: _values((9, 5), t)[::-1],
    "columns backwards": lambda t: _values((9, 5), t)[:, ::-1],
    "all backwards": lambda t: _values((9, 5), t)[::-2, ::-1],
    "one row": lambda t: _values((1, 5), t),
    "one row of many": lambda t: _values((9, 10), t)[4:5, ::2],
    "one column": lambda t: _values((9, 1), t),
    "one column of many": lambda t: _values((9, 5), t)[:, 3:4],
    "one column backwards": lambda t: _values((9, 5), t)[::-1, 3:4],
    "one element": lambda t: _values((1, 1), t),
    "the same row": lambda t: np.broadcast_to(_values((1, 5), t), (9, 5)),
    "the same column": lambda t: np.broadcast_to(_values((9, 1), t), (9, 5)),
    "overlapping rows": lambda t: as_strided(_values(40, t), (9, 5), 2 * (np.dtype(t).itemsize,)),
    "odd strides": lambda t: _in_records(_values((9, 5), t)),
    "read-only": lambda t: _read_only(_values((9, 5), t)),
}


def _sparse(dtype, index=np.int32):
    X = sparse.random(9, 5, density=0.4, format="csr", random_state=0, dtype=dtype)
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    assert X.indices.dtype == X.indptr.dtype == index
    return X


def _with_empty_rows(dtype):
    X = _values((9, 5), dtype)
    X[[0, 3, 4, 8]] = 0
    return sparse.csr_matrix(X)


def _unsorted(dtype):
    X = _sparse(dtype)
    for row in range(9):
        entries = slice(*X.indptr[row : row + 2])
        X.indices[entries] = X.indices[entries][::-1].copy()
        X.data[entries] = X.data[entries][::-1].copy()
    X.has_sorted_indices = False
    return X


def _with_duplicates(dtype):
    values = np.arange(1, 7, dtype=dtype)
    indices, indptr = np.array([2, 2, 0, 4, 2, 2]), np.array([0, 3, 3, 6])
    return sparse.csr_matrix((values, indices, indptr), shape=(3, 5))


def _read_only_sparse(dtype):
    X = _sparse(dtype)
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    return X


def _strided(step):
    def make(dtype):
        X = _sparse(dtype)
        for name in ("data", "indices", "indptr"):
            array = getattr(X, name)
            # The elements between, and those before and after, lead far away.
            wide = np.full(4 * len(array), 10**6, array.dtype)
            view = wide[:: 2 * step][len(array) // 2 :][: len(array)]
            view[:] = array
            setattr(X, name, view)
        return X

    return make


CSR = {
    "int32": _sparse,
    "int64": lambda t: _sparse(t, np.int64),
    "array": lambda t: sparse.csr_array(_sparse(t)),
    "empty rows": _with_empty_rows,
    "nothing but zeros": lambda t: sparse.csr_matrix((9, 5), dtype=t),
    "unsorted": _unsorted,
    "duplicates": _with_duplicates,
    "one column": lambda t: _sparse(t)[:, [1]],
    "read-only": _read_only_sparse,
    "every second element": _strided(1),
    "backwards": _strided(-1),
}

SOURCES = {f"dense, {name}": make for name, make in DENSE.items()} | {
    f"CSR, {name}": make for name, make in CSR.items()
}


def _dense(X):
    return X.toarray() if sparse.issparse(X) else np.array(X)


@pytest.mark.parametrize("ordered", [False, True], ids=["all rows", "an order of rows"])
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_multiply_and_gradient(dtype, make, ordered):
    X = make(dtype)
    random = np.random.default_rng(1)
    order = random.integers(X.shape[0], size=7) if ordered else None
    source = Input(X, 4, order)
    source.allow_gradient()
    rows_of_X = _dense(X) if order is None else _dense(X)[order]
    assert (source.n_rows, source.n_features) == rows_of_X.shape
    assert source.dtype == dtype

    weights = random.normal(size=(X.shape[1], UNITS)).astype(dtype)
    atol = TOLERANCE[dtype]
    for start in range(0, source.n_rows, 4):
        block = rows_of_X[start : start + 4]
        z, delta = random.normal(size=(2, len(block), UNITS)).astype(dtype)
        z_before = z.copy()
        _multiply(dtype, source.address, start, len(block), address(weights), address(z), UNITS)
        np.testing.assert_allclose(z, z_before + block @ weights, atol=atol)

        product = block.T @ delta
        gradient = np.full_like(weights, np.nan)  # beta = 0 must not read it
        for beta, expected in ((0, product), (1, 2 * product), (0.5, 2 * product)):
            _gradient(
                dtype, source.address, start, len(block), address(delta), address(gradient),
                UNITS, beta,
            )  # fmt: skip
            np.testing.assert_allclose(gradient, expected, atol=2 * atol)


@pytest.mark.parametrize("make", [DENSE["C"], DENSE["Fortran"], CSR["int32"]])
def test_an_order_may_change_in_place(make):
    X = make("float64")
    order = np.arange(9)
    source = Input(X, 9, order)
    source.allow_gradient()
    order[:] = order[::-1].copy()
    weights, z = np.eye(5), np.zeros((9, 5))
    _multiply("float64", source.address, 0, 9, address(weights), address(z), 5)
    np.testing.assert_array_equal(z, _dense(X)[::-1])


@pytest.mark.parametrize("name", DENSE)
def test_rows_are_gathered_only_where_blas_cannot_read_them(name):
    X = DENSE[name]("float64")
    readable = {
        "C", "every second row", "columns of a wider array", "one row", "one column",
        "one column of many", "one element", "read-only", "odd strides",
    }  # fmt: skip
    assert bool(Input(X, 4)._struct["direct"][0]) == (name in readable)
    assert not Input(X, 4, np.arange(1))._struct["direct"][0]


@pytest.mark.parametrize("name", DENSE)
def test_dense_data_are_not_copied(name):
    X = DENSE[name]("float64")
    copied = not np.shares_memory(Input(X, 4)._alive[0][0], X)
    assert copied == (name == "odd strides")


def test_the_elements_of_csr_are_not_copied():
    X = _sparse("float64")
    assert np.shares_memory(Input(X, 4)._alive[0][0], X.data)


def test_arrays_live_as_long_as_the_input():
    source = Input(_values((9, 5), "float64")[:, ::-1], 9, np.arange(9)[::-1].copy())
    source.allow_gradient()
    garbage = [np.full((9, 5), np.nan) for _ in range(50)]
    weights, z = np.eye(5), np.zeros((9, 5))
    _multiply("float64", source.address, 0, 9, address(weights), address(z), 5)
    np.testing.assert_array_equal(z, _values((9, 5), "float64")[::-1, ::-1])
    assert len(garbage) == 50


VALID = {f"CSR, {name}": make for name, make in CSR.items()} | {
    name: lambda t, name=name: _sparse(t).asformat(name)
    for name in ("csc", "bsr", "coo", "dia", "dok", "lil")
}


@pytest.mark.parametrize("name", VALID)
def test_what_is_valid_passes_and_stays_as_it_is(name):
    X = VALID[name]("float64")
    before, dense = dict(vars(X)), X.toarray()
    check_sparse(X)
    assert all(vars(X)[key] is value for key, value in before.items())
    np.testing.assert_array_equal(X.toarray(), dense)


@pytest.mark.parametrize("X", [None, 1.0, "text", [[1]], np.ones((2, 2))], ids=str)
def test_what_is_not_sparse_passes(X):
    check_sparse(X)


@pytest.mark.parametrize("case", BROKEN_SPARSE)
def test_broken_sparse_matrices(case):
    make, words = BROKEN_SPARSE[case]
    X = make(sparse.random(30, 4, density=0.5, format="csr", random_state=0))
    with pytest.raises(ValueError, match=rf"(?i){re.escape(X.format)} matrix.*{words}"):
        check_sparse(X)


def test_more_columns_than_int32_can_number():
    X = sparse.csr_array(([1.0], [2**31], [0, 1]), shape=(1, 2**31 + 1))
    with pytest.raises(ValueError, match="2147483647 columns at most, but has 2147483649"):
        check_sparse(X)
    check_sparse(sparse.csr_array(([1.0], [2**31 - 2], [0, 1]), shape=(1, 2**31 - 1)))
