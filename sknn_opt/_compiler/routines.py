"""Routines of BLAS and LAPACK, as SciPy ships them, found by their names; without numba."""

import ctypes
import importlib
from typing import NamedTuple

import numpy as np

_PREFIX = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}

#: Elements of the C types that SciPy's signatures are made of.
_C_TYPES = {
    "char": np.dtype(np.int8),
    "int": np.dtype(np.int32),
    "s": np.dtype(np.float32),
    "float": np.dtype(np.float32),
    "d": np.dtype(np.float64),
    "double": np.dtype(np.float64),
}

_not_linked = {}


class Routine(NamedTuple):
    """A Fortran routine for one floating type.

    Attributes
    ----------
    symbol : str
        Name under which kernels link it.
    address : int
    returned : dtype or None
        None stands for a subroutine.
    parameters : list of dtype
        What the pointers that it takes point to.
    """

    symbol: str
    address: int
    returned: np.dtype | None
    parameters: list


def find_routine(library, name, dtype):
    """Return a `Routine` of ``library``, "blas" or "lapack"."""
    capsules = importlib.import_module(f"scipy.linalg.cython_{library}").__pyx_capi__
    full_name = name.replace("?", "{}") if "?" in name else "{}" + name
    full_name = full_name.format(_PREFIX[dtype])
    if full_name not in capsules:
        raise ValueError(f"SciPy's {library.upper()} has no routine {full_name!r}.")
    address, signature = open_capsule(capsules[full_name])
    returned, _, parameters = signature.rstrip(")").partition("(")
    try:
        returned = None if returned.strip() == "void" else _element(returned)
        parameters = [_element(parameter) for parameter in parameters.split(",")]
    except KeyError as error:
        raise ImportError(
            f"Kernels cannot call {full_name}, which takes or returns something else than 32-bit "
            f"integers, characters and real numbers: {signature}"
        ) from error
    return Routine(f"sknn_opt_{full_name}", address, returned, parameters)


def _element(c_type):
    return _C_TYPES[c_type.strip(" *").rpartition("_")[2]]


def declare_routine(library, name):
    """Have kernels that are compiled or loaded from now on find a routine."""
    for dtype in _PREFIX:
        routine = find_routine(library, name, dtype)
        _not_linked[routine.symbol] = routine.address


def take_unlinked():
    """Yield symbols and addresses of the routines declared since the last call."""
    while _not_linked:
        yield _not_linked.popitem()


def open_capsule(capsule):
    """Return the address in a PyCapsule, as Cython exports functions, and its C signature."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    name = api.PyCapsule_GetName(capsule)
    return api.PyCapsule_GetPointer(capsule, name), name.decode()
