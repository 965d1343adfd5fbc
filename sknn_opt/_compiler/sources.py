"""What machine code is made from, as digests: the package's files, and what a function says.

A digest of a function covers its code, the values that it captures and those of the globals
that it names, functions included, wherever these stand. So a kernel is told from another one
by what it computes, and not by where it was written.
"""

import builtins
import dis
import hashlib
from functools import cache, lru_cache
from importlib import resources
from types import CodeType, FunctionType, ModuleType

import numpy as np

_PACKAGE = __name__.partition(".")[0]

#: What their functions do is known by the version of numba, which compiles them its own way.
_LIBRARIES = {"builtins", "cmath", "math", "numba", "numpy", "operator"}


class NoDigestError(TypeError):
    """A function uses a value of which nothing says whether it has changed."""


@cache
def sources_digest():
    """Hash of the package's Python files: what machine code may depend on."""
    digest = hashlib.sha256()
    for name, content in _sources(resources.files(_PACKAGE), _PACKAGE):
        digest.update(name.encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _sources(folder, name):
    """Yield names and contents of all Python files, those of sub-packages included."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, path)
        elif entry.name.endswith(".py"):
            yield path, entry.read_bytes()


def digest(value):
    """Hash of what a function computes, the same in each process; see `NoDigestError`.

    Objects that stand for something else have a method ``digest_parts``.
    """
    return hashlib.sha256(repr(_Describer().describe(value)).encode()).hexdigest()


@lru_cache(1024)
def global_names(code):
    """Names of the globals that code reads, that of the functions inside it included."""
    loads = (i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL")
    inner = (global_names(c) for c in code.co_consts if isinstance(c, CodeType))
    return frozenset(loads).union(*inner)


class _Describer:
    """Turns a function into nested tuples of strings."""

    def __init__(self):
        self._numbers = {}  # of the functions seen so far, which may call each other
        self._alive = []  # else an id might stand for a second object

    def describe(self, value):
        kind = type(value).__name__
        if isinstance(value, CodeType):
            return self._code(value)
        if _library_name(value):
            return "library", _library_name(value)
        if value is None or isinstance(value, bool | int | float | complex | str | bytes):
            return kind, repr(value)
        if isinstance(value, np.dtype):
            return kind, repr(value)
        if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            return kind, repr(value.dtype), repr(value.shape), value.tobytes().hex()
        if isinstance(value, tuple | list):
            return kind, *map(self.describe, value)
        if isinstance(value, frozenset):
            return kind, *sorted(map(self.describe, value))
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
            return "named tuple", value.__name__, *value._fields
        return self._once(getattr(value, "py_func", value))

    def _once(self, value):
        if id(value) in self._numbers:
            return "seen", str(self._numbers[id(value)])
        self._numbers[id(value)] = len(self._numbers)
        self._alive.append(value)
        if isinstance(value, FunctionType):
            return self._function(value)
        if hasattr(value, "digest_parts"):
            return type(value).__name__, *map(self.describe, value.digest_parts())
        raise NoDigestError(f"{value!r} has no digest.")

    def _function(self, function):
        try:
            cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
        except ValueError as error:
            raise NoDigestError("A variable that is not yet set has no digest.") from error
        keywords = tuple(sorted((function.__kwdefaults__ or {}).items()))
        captured = cells, function.__defaults__, keywords
        code = function.__code__
        named = [
            (name, self._global(function.__globals__, name, code))
            for name in sorted(global_names(code))
        ]
        return "function", self.describe(code), self.describe(captured), tuple(named)

    def _global(self, namespace, name, code):
        if name not in namespace:
            return "builtin", str(hasattr(builtins, name))
        value = namespace[name]
        if not isinstance(value, ModuleType) or _library_name(value):
            return self.describe(value)
        attributes = sorted(n for n in code.co_names if n in vars(value))
        return "module", *((n, self.describe(vars(value)[n])) for n in attributes)

    def _code(self, code):
        constants = tuple(map(self.describe, code.co_consts))
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        return "code", code.co_code.hex(), constants, repr(names), repr(counts)


def _library_name(value):
    """Return the name of a function, type or module of a library, else None."""
    if isinstance(value, ModuleType):
        name = value.__name__
    elif isinstance(value, np.ufunc):
        name = f"numpy.{value.__name__}"
    elif isinstance(getattr(value, "__qualname__", None), str):
        name = f"{value.__module__}.{value.__qualname__}"
    else:
        return None
    return name if name.partition(".")[0] in _LIBRARIES else None
