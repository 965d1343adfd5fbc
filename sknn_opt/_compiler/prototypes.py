"""C prototypes of kernels, the structs in them and the floating types; without numba."""

import re

import numpy as np

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))

#: No nnan, no ninf: they would fold the checks for finite numbers away.
FAST = frozenset({"contract", "reassoc", "nsz", "arcp"})

#: Where rounding is part of a function: nothing but fused multiply-add.
EXACT = frozenset({"contract"})

_structs = {}


def struct(name, **fields):
    """Declare a C struct for prototypes.

    Kernels read it by ``at(pointer, index).field``. Addresses are int64 fields.

    Parameters
    ----------
    name : str
    **fields : dtype
        In their order.

    Returns
    -------
    dtype : numpy.dtype
        For arrays of such structs.
    """
    dtype = np.dtype(list(fields.items()), align=True)
    if _structs.setdefault(name, dtype) != dtype:
        raise ValueError(f"There is a struct {name!r} with other fields: choose another name.")
    return dtype


def find_struct(name):
    """Return the dtype of a struct, None where none of this name is declared."""
    return _structs.get(name)


def parse_prototype(prototype):
    """Split ``"double (real *raw, int64 rows)"`` into ``("double", ["real *", "int64"])``."""
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", prototype, re.DOTALL)
    arguments = [a.strip() for a in match[2].split(",")]
    return match[1], [re.fullmatch(r"(\w+\s*\*?)\s*\w+", a)[1].strip() for a in arguments]
