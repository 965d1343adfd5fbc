import numpy as np
import pytest

from sknn_opt._compiler.prototypes import find_struct, parse_prototype, struct


@pytest.mark.parametrize(
    ("prototype", "returned", "arguments"),
    [
        ("void (real *x)", "void", ["real *"]),
        ("double (real *raw, int64 rows)", "double", ["real *", "int64"]),
        ("real (real*x, double a)", "real", ["real*", "double"]),
        ("  void (layer * layers,\n  int64 n,double l1)", "void", ["layer *", "int64", "double"]),
    ],
)
def test_prototypes_are_parsed(prototype, returned, arguments):
    assert parse_prototype(prototype) == (returned, arguments)


def test_a_struct_is_laid_out_as_in_c():
    dtype = struct("test_layout", flag=np.int8, address=np.int64, rate=np.float32)
    assert [dtype.fields[name][1] for name in dtype.names] == [0, 8, 16]
    assert dtype.itemsize == 24
    assert find_struct("test_layout") is dtype
    assert find_struct("test_nothing") is None


def test_a_name_stands_for_one_struct():
    dtype = struct("test_once", count=np.int64)
    assert struct("test_once", count=np.int64) == dtype
    with pytest.raises(ValueError, match="'test_once' with other fields: choose another name"):
        struct("test_once", count=np.int32)
