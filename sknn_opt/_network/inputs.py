"""The first layer's product with the data, dense or CSR.

An input is a view of the user's array: rows are gathered block by block, and the array is
never copied as a whole. The column indices of a CSR matrix are int32 and its row pointers
int64, whatever SciPy has chosen.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from .._compiler.declarations import (
    Call,
    Kernel,
    address,
    at,
    inline,
    int32s,
    int64s,
    kernel,
    offset,
    real,
    reals,
    struct,
)
from .._compiler.linear_algebra import gemm
from .dropout import call_drop, drop, is_dropped
from .mixture import find_pair, mixtures
from .noise import add_noise, call_add_noise

INPUT = struct(
    "input",
    multiply=np.int64,  # kernel addresses
    gradient=np.int64,
    add_rows=np.int64,
    data=np.int64,  # address of the elements
    indices=np.int64,  # CSR only
    indptr=np.int64,
    order=np.int64,  # address of row indices; 0: rows in their own order
    direct=np.int64,  # whether BLAS can read the elements where they are
    row_stride=np.int64,  # in elements
    column_stride=np.int64,
    n_features=np.int64,
    block=np.int64,  # address of a buffer for gathered rows
    mask_key=np.int64,  # dropout's, for this step
    dropout=np.float64,
    drop=np.int64,  # its kernel
    noise_key=np.int64,  # that of the noise, for this step
    noise=np.float64,  # its standard deviation
    add_noise=np.int64,  # its kernel
    mixture=np.int64,  # address of its struct; 0: rows are not mixed
    gather_mixtures=np.int64,  # the kernel that mixes them
)

MULTIPLY = """void (input *source, int64 start, int64 rows, real *weights, real *z,
int64 units)"""
GRADIENT = """void (input *source, int64 start, int64 rows, real *delta, real *gradient,
int64 units, real beta)"""
ADD_ROWS = "void (input *source, int64 start, int64 rows, real *out)"
GATHER_MIXTURES = "void (input *source, int64 start, int64 rows)"

#: What features may be.
Features = np.ndarray | sparse.csr_matrix | sparse.csr_array

#: As many as int32 can number.
_MAX_COLUMNS = 2**31 - 1

call_multiply = Call(MULTIPLY)
call_gradient = Call(GRADIENT)
call_add_rows = Call(ADD_ROWS)
call_gather_mixtures = Call(GATHER_MIXTURES)


@inline
def _row(x, i):
    return int64s(x.order)[i] if x.order != 0 else i


@inline
def _gather(x, start, rows):
    """Copy rows from the user's array to the block."""
    for i in range(rows):
        here = offset(reals(x.data), _row(x, start + i) * x.row_stride)
        there = offset(reals(x.block), i * x.n_features)
        if x.column_stride == 1:
            for j in range(x.n_features):
                there[j] = here[j]
        else:
            for j in range(x.n_features):
                there[j] = here[j * x.column_stride]


@kernel(GATHER_MIXTURES)
def _gather_mixtures(source, start, rows):
    """Write rows to the block, each mixed with its partner."""
    x = at(source, 0)
    mixture = at(mixtures(x.mixture), 0)
    own, other = real(mixture.share), real(1.0 - mixture.share)
    for i in range(rows):
        first, second, _, _ = find_pair(mixture, start + i)
        a = offset(reals(x.data), first * x.row_stride)
        b = offset(reals(x.data), second * x.row_stride)
        there = offset(reals(x.block), i * x.n_features)
        for j in range(x.n_features):
            there[j] = own * a[j * x.column_stride] + other * b[j * x.column_stride]


@kernel(MULTIPLY)
def _dense_multiply(source, start, rows, weights, z, units):
    """Z += X[rows] W; rows that BLAS cannot read where they are get gathered first."""
    x = at(source, 0)
    block, stride = reals(x.block), x.n_features
    if x.direct:
        block, stride = offset(reals(x.data), start * x.row_stride), x.row_stride
    else:
        if x.mixture != 0:
            call_gather_mixtures(x.gather_mixtures, source, start, rows)
        else:
            _gather(x, start, rows)
        n, first = rows * stride, start * stride
        if x.noise > 0.0:
            call_add_noise(x.add_noise, block, n, x.noise_key, first, x.noise)
        if x.dropout > 0.0:
            call_drop(x.drop, block, n, x.mask_key, first, x.dropout)
    gemm(0, 0, rows, units, x.n_features, real(1), block, stride,
         weights, units, real(1), z, units)  # fmt: skip


@kernel(GRADIENT)
def _dense_gradient(source, start, rows, delta, gradient, units, beta):
    """G = beta G + X[rows]ᵀ delta, where the rows are those of the last product."""
    x = at(source, 0)
    block, stride = reals(x.block), x.n_features
    if x.direct:
        block, stride = offset(reals(x.data), start * x.row_stride), x.row_stride
    gemm(1, 0, x.n_features, units, rows, real(1), block, stride,
         delta, units, beta, gradient, units)  # fmt: skip


@kernel(ADD_ROWS)
def _dense_add_rows(source, start, rows, out):
    """Add the rows of the last product to ``out``."""
    x = at(source, 0)
    block, stride = reals(x.block), x.n_features
    if x.direct:
        block, stride = offset(reals(x.data), start * x.row_stride), x.row_stride
    for i in range(rows):
        here, there = offset(block, i * stride), offset(out, i * x.n_features)
        for j in range(x.n_features):
            there[j] += here[j]


@inline
def _csr_value(x, k, column, row):
    """Return the kth stored element, in row ``row`` of this epoch's order, after dropout."""
    value = reals(x.data)[k]
    if x.dropout > 0.0:
        number = row * x.n_features + column
        kept = real(1.0 / (1.0 - x.dropout))
        value = real(0) if is_dropped(x.mask_key, number, x.dropout) else value * kept
    return value


@kernel(ADD_ROWS)
def _csr_add_rows(source, start, rows, out):
    x = at(source, 0)
    indices, indptr = int32s(x.indices), int64s(x.indptr)
    for i in range(rows):
        row = _row(x, start + i)
        for k in range(indptr[row], indptr[row + 1]):
            out[i * x.n_features + indices[k]] += _csr_value(x, k, indices[k], start + i)


@kernel(MULTIPLY)
def _csr_multiply(source, start, rows, weights, z, units):
    x = at(source, 0)
    indices, indptr = int32s(x.indices), int64s(x.indptr)
    for i in range(rows):
        row = _row(x, start + i)
        there = offset(z, i * units)
        for k in range(indptr[row], indptr[row + 1]):
            value = _csr_value(x, k, indices[k], start + i)
            weight = offset(weights, indices[k] * units)
            for j in range(units):
                there[j] += value * weight[j]


@kernel(GRADIENT)
def _csr_gradient(source, start, rows, delta, gradient, units, beta):
    x = at(source, 0)
    indices, indptr = int32s(x.indices), int64s(x.indptr)
    # beta G first, since only the columns that are stored appear below.
    if beta != real(1):
        for j in range(x.n_features * units):
            gradient[j] = real(0) if beta == real(0) else beta * gradient[j]
    for i in range(rows):
        row = _row(x, start + i)
        here = offset(delta, i * units)
        for k in range(indptr[row], indptr[row + 1]):
            value = _csr_value(x, k, indices[k], start + i)
            there = offset(gradient, indices[k] * units)
            for j in range(units):
                there[j] += value * here[j]


def check_sparse(X):
    """Raise ValueError where the indices of a sparse matrix lead outside of it.

    SciPy checks few of them when a matrix is made, and none when it is converted. Its own
    ``check_format`` accepts row pointers that end at 0, and some whose differences overflow.
    Anything that is not a sparse matrix passes.
    """
    if not sparse.issparse(X) or X.ndim != 2:
        return
    if X.shape[1] > _MAX_COLUMNS:
        raise ValueError(
            f"A sparse matrix may have {_MAX_COLUMNS} columns at most, but has {X.shape[1]}. "
            "Select features, or hash them."
        )
    try:
        if X.format == "coo":
            _check_coordinates(X)
        else:
            # Converting the other formats is safe: they are made of Python's own containers.
            _check_compressed(X if X.format in {"csr", "csc", "bsr"} else X.tocsr())
    except ValueError as error:
        raise ValueError(
            f"The arrays of the {X.format.upper()} matrix of shape {X.shape} are broken: {error}."
        ) from error


def _check_coordinates(X):
    if not len(X.row) == len(X.col) == len(X.data):
        raise ValueError("row, col and data differ in length")
    _check_indices("row", X.row, X.shape[0])
    _check_indices("col", X.col, X.shape[1])


def _check_compressed(X):
    n_pointers, n_indices = reversed(X.shape) if X.format == "csc" else X.shape
    if X.format == "bsr":
        n_pointers, n_indices = n_pointers // X.blocksize[0], n_indices // X.blocksize[1]
    indptr, n_stored = X.indptr, min(len(X.indices), len(X.data))
    _check_indices("indptr", indptr, n_stored + 1)
    if len(indptr) != n_pointers + 1 or indptr[0] != 0:
        raise ValueError(f"indptr must be {n_pointers + 1} integers and start at 0")
    if (indptr[1:] < indptr[:-1]).any():
        raise ValueError("indptr decreases")
    _check_indices("indices", X.indices[: indptr[-1]], n_indices)


def _check_indices(name, indices, end):
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise ValueError(f"{name} must be a vector of integers")
    if indices.size and not 0 <= indices.min() <= indices.max() < end:
        raise ValueError(f"{name} must be integers from 0 to {end - 1}")


class _InputKernels(NamedTuple):
    multiply: Kernel
    gradient: Kernel
    add_rows: Kernel


_DENSE = _InputKernels(_dense_multiply, _dense_gradient, _dense_add_rows)
_CSR = _InputKernels(_csr_multiply, _csr_gradient, _csr_add_rows)


class Input:
    """``X``, dense or CSR, and optionally an order of rows, as kernels read it.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        With float32 or float64 elements; read-only, Fortran-ordered and strided are fine.
    max_rows : int
        The largest number of rows in one call of a kernel.
    order : ndarray of int64, default=None
        Which rows of ``X``, in which order. May be changed in place between calls.
    dropout : float, default=0
        Probability with which an element is replaced by 0, the others being scaled up.
    noise : float, default=0
        Standard deviation of noise that is added to dense elements, before dropout.
    mixture : Mixture, default=None
        How dense rows are mixed, before noise is added.
    """

    def __init__(self, X, max_rows, order=None, dropout=0.0, noise=0.0, mixture=None):
        self.dtype = X.dtype
        self.n_rows = X.shape[0] if order is None else len(order)
        self.n_features = X.shape[1]
        self.dropout = dropout
        self.changes_rows = dropout > 0 or noise > 0 or mixture is not None
        self._struct = np.zeros(1, INPUT)
        fields = self._struct[0]
        fields["n_features"] = self.n_features
        fields["order"] = address(order)
        fields["dropout"] = dropout
        if dropout > 0:
            fields["drop"] = drop.address(self.dtype)
        fields["noise"] = noise
        if noise > 0:
            fields["add_noise"] = add_noise.address(self.dtype)
        if mixture is not None:
            fields["mixture"] = mixture.address
            fields["gather_mixtures"] = _gather_mixtures.address(self.dtype)
        if sparse.issparse(X):
            self._kernels, arrays = _CSR, self._bind_csr(X)
        else:
            self._kernels, arrays = _DENSE, self._bind_dense(X, max_rows, order)
        fields["multiply"] = self._kernels.multiply.address(self.dtype)
        self._alive = arrays, order, mixture
        self.address = address(self._struct)

    def _bind_csr(self, X):
        fields, types = self._struct[0], (X.dtype, np.int32, np.int64)
        arrays = tuple(map(np.ascontiguousarray, (X.data, X.indices, X.indptr), types))
        fields["data"], fields["indices"], fields["indptr"] = map(address, arrays)
        return arrays

    def _bind_dense(self, X, max_rows, order):
        fields = self._struct[0]
        X = X if _has_whole_strides(X) else np.ascontiguousarray(X)
        strides = [stride // X.itemsize for stride in X.strides]
        # The strides of an array with a single row or column may be anything.
        row_stride, column_stride = [self.n_features, 1] if X.flags.c_contiguous else strides
        fields["row_stride"], fields["column_stride"] = row_stride, column_stride
        plain = column_stride == 1 and row_stride >= self.n_features
        direct = order is None and not self.changes_rows and plain
        block = None if direct else np.empty((max_rows, self.n_features), X.dtype)
        fields["data"], fields["block"], fields["direct"] = address(X), address(block), direct
        return X, block

    @property
    def mask_key(self):
        """The key of dropout's mask."""
        return self._struct["mask_key"][0]

    @mask_key.setter
    def mask_key(self, key):
        self._struct["mask_key"] = key

    def allow_gradient(self):
        """Prepare for the backward pass."""
        self._struct[0]["gradient"] = self._kernels.gradient.address(self.dtype)

    def allow_residual(self):
        """Prepare for adding rows to the first layer's output."""
        self._struct[0]["add_rows"] = self._kernels.add_rows.address(self.dtype)


def _has_whole_strides(X):
    return all(s % X.itemsize == 0 for s in X.strides)
