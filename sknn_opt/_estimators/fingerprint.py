"""What tells one fit from another: a hash of class, parameters and data."""

import hashlib
from types import CodeType, FunctionType

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from .._compiler.sources import digest
from .._components import Component

_BYTES = 2**20  # hashed at once, so that an array is not copied as a whole


def fingerprint(*values):
    """Return a hash of values, the same in each process: as many hexadecimal digits as a name."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in _parts(values):
        hasher.update(part)
    return hasher.hexdigest()


def _parts(value):
    """Yield the bytes of a value, with its type and size before its contents."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"array {value.dtype.str} {value.shape}".encode()
        rows = np.atleast_1d(value)
        step = max(1, _BYTES * len(rows) // max(1, rows.nbytes))
        for start in range(0, len(rows), step):
            yield rows[start : start + step].tobytes()
    elif value is None or isinstance(
        value, bool | int | float | complex | str | bytes | np.generic
    ):
        text = repr(value).encode()
        yield f"{type(value).__name__} {len(text)} ".encode() + text
    else:
        contents = _contents(value)
        yield f"{type(value).__name__} {len(contents)} ".encode()
        for each in contents:
            yield from _parts(each)


def _contents(value):
    """Return what an object consists of, in a list of simpler objects."""
    if isinstance(value, np.ndarray):
        return [value.shape, *value.ravel().tolist()]
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return [each for item in value.items() for each in item]
    if sparse.issparse(value):
        return [value.shape, value.data, value.indices, value.indptr]
    if isinstance(value, np.random.RandomState):
        return [value.get_state(legacy=False)]
    if isinstance(value, Component):
        return [type(value), value._identity()]
    if isinstance(value, BaseEstimator):
        return [type(value), value.get_params(deep=False)]
    if isinstance(value, type):
        return [value.__module__, value.__qualname__]
    if isinstance(value, CodeType):
        return [digest(value)]
    if isinstance(value, FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [value.__module__, value.__qualname__, value.__code__, value.__defaults__, cells]
    reduced = value.__reduce_ex__(4)  # what pickle would store of it
    return [reduced] if isinstance(reduced, str) else list(reduced)
