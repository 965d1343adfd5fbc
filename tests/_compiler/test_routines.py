import numpy as np
import pytest

from sknn_opt._compiler import routines
from sknn_opt._compiler.routines import declare_routine, find_routine, take_unlinked

FLOAT64, FLOAT32 = np.dtype(np.float64), np.dtype(np.float32)


def test_a_signature_says_what_a_routine_takes():
    int32, char = np.dtype(np.int32), np.dtype(np.int8)
    for dtype, name in ((FLOAT64, "dsyrk"), (FLOAT32, "ssyrk")):
        found = find_routine("blas", "syrk", dtype)
        assert found.symbol == f"sknn_opt_{name}"
        assert found.returned is None
        expected = [char, char, int32, int32, dtype, dtype, int32, dtype, dtype, int32]
        assert found.parameters == expected
    assert find_routine("blas", "nrm2", FLOAT32).returned == FLOAT32
    assert find_routine("lapack", "lamch", FLOAT64).parameters == [char]


def test_symbols_have_addresses_of_their_own():
    dict(take_unlinked())
    for name in ("gemm", "syrk", "i?amax"):
        declare_routine("blas", name)
    symbols = dict(take_unlinked())
    names = ("sgemm", "dgemm", "ssyrk", "dsyrk", "isamax", "idamax")
    assert set(symbols) == {f"sknn_opt_{name}" for name in names}
    assert all(symbols.values())
    assert len(set(symbols.values())) == len(symbols)
    assert dict(take_unlinked()) == {}


@pytest.mark.parametrize("library", ["blas", "lapack"])
def test_a_routine_that_is_not_there_is_named(library):
    with pytest.raises(ValueError, match=f"SciPy's {library.upper()} has no routine 'snonsense'"):
        declare_routine(library, "nonsense")


def test_a_blas_with_64_bit_integers_is_refused(monkeypatch):
    monkeypatch.setattr(routines, "open_capsule", lambda capsule: (1, "void (char *, int64_t *)"))
    with pytest.raises(ImportError, match="something else than 32-bit integers"):
        find_routine("blas", "gemm", FLOAT64)


def test_a_routine_that_takes_a_function_is_refused():
    with pytest.raises(ImportError, match="cannot call dgees"):
        find_routine("lapack", "gees", FLOAT64)
