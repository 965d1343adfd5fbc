import subprocess
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sknn_opt.preprocessing.columns import column, frame_library, take_rows

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

NAN = np.nan
MOMENTS = [datetime(2020, 1, 1, 3), None, datetime(2021, 2, 3)]
SECONDS = [1577847600.0, NAN, 1612310400.0]
DAYS = [date(2020, 1, 1), None, date(2021, 2, 3)]
BERLIN = timezone(timedelta(hours=1))

# For each container the columns: data, kind, and numbers, or values if it is categorical.
ARRAYS = {
    "float": (np.array([1.5, NAN]), "numeric", [1.5, NAN]),
    "float16": (np.array([1.5, NAN], "float16"), "numeric", [1.5, NAN]),
    "int": (np.array([2**63, 1], "uint64"), "numeric", [2.0**63, 1]),
    "bool": (np.array([True, False]), "numeric", [1, 0]),
    "str": (np.array(["a", "b"]), "categorical", ["a", "b"]),
    "datetime": (np.array(MOMENTS, "datetime64[ns]"), "datetime", SECONDS),
    "days": (np.array(["2020-01-02", "NaT"], "datetime64[D]"), "datetime", [1577923200, NAN]),
    "duration": (np.array([3, "NaT"], "timedelta64[m]"), "duration", [180, NAN]),
}
OBJECTS = {
    "numbers": ([1, None, 2.5, NAN, Decimal("0.5"), np.float32(3), True, np.bool_(False)],
                "numeric", [1, NAN, 2.5, NAN, 0.5, 3, 1, 0]),
    "huge": ([2**70, 1], "numeric", [2.0**70, 1]),
    "empty": ([None, None], "numeric", [NAN, NAN]),
    "strings": (["a", None, "b", NAN], "categorical", ["a", None, "b", None]),
    "mixed": ([1, "a", None], "categorical", [1, "a", None]),
    "moments": (MOMENTS, "datetime", SECONDS),
    "zone": ([datetime(2020, 1, 1, 3, tzinfo=BERLIN), None], "datetime", SECONDS[:2]),
    "dates": ([date(2020, 1, 2), None, datetime(2020, 1, 2, 1)], "datetime",
              [1577923200, NAN, 1577926800]),
    "durations": ([timedelta(days=1), None], "duration", [86400, NAN]),
    "time": ([time(1, 2), None, timedelta(seconds=3)], "duration", [3720, NAN, 3]),
    "no hash": ([[1], {"a": 2}, None, "b"], "categorical", ["[1]", "{'a': 2}", None, "b"]),
}  # fmt: skip
PANDAS = {
    "float": (pd.Series([1.5, NAN]), "numeric", [1.5, NAN]),
    "Int64": (pd.array([1, None], "Int64"), "numeric", [1, NAN]),
    "Float64": (pd.array([0.5, None], "Float64"), "numeric", [0.5, NAN]),
    "boolean": (pd.array([True, None, False], "boolean"), "numeric", [1, NAN, 0]),
    "sparse": (pd.arrays.SparseArray([0.0, 1.0, NAN]), "numeric", [0, 1, NAN]),
    "str": (pd.Series(["a", None, "b"]), "categorical", ["a", None, "b"]),
    "string": (pd.array(["a", None], "string"), "categorical", ["a", None]),
    "category": (pd.Categorical(["b", None, "a"]), "categorical", ["b", None, "a"]),
    "numbers": (pd.Categorical([2, None, 1]), "categorical", [2, None, 1]),
    "datetime": (pd.Series(MOMENTS), "datetime", SECONDS),
    "nanoseconds": (pd.Series(MOMENTS, dtype="datetime64[ns]"), "datetime", SECONDS),
    "zone": (pd.Series(MOMENTS).dt.tz_localize("Europe/Berlin"), "datetime", SECONDS),
    "period": (pd.PeriodIndex(["2020-01", None], freq="M"), "datetime", [1577836800, NAN]),
    "duration": (pd.Series([timedelta(days=1), None]), "duration", [86400, NAN]),
    "interval": (pd.interval_range(0, 1), "categorical", [pd.Interval(0, 1)]),
    **{f"object {name}": (pd.Series(data, dtype=object), *rest)
       for name, (data, *rest) in OBJECTS.items()},
    "NA": (pd.Series([1, pd.NA, None], dtype=object), "numeric", [1, NAN, NAN]),
}  # fmt: skip
POLARS = {
    "float": (pl.Series([1.5, None, NAN]), "numeric", [1.5, NAN, NAN]),
    "int": (pl.Series([2**63, None], dtype=pl.UInt64), "numeric", [2.0**63, NAN]),
    "decimal": (pl.Series([Decimal("1.5"), None]), "numeric", [1.5, NAN]),
    "bool": (pl.Series([True, None, False]), "numeric", [1, NAN, 0]),
    "empty": (pl.Series([None, None]), "numeric", [NAN, NAN]),
    "string": (pl.Series(["a", None, "b"]), "categorical", ["a", None, "b"]),
    "category": (pl.Series(["b", None], dtype=pl.Categorical), "categorical", ["b", None]),
    "enum": (pl.Series(["b", None], dtype=pl.Enum(["b"])), "categorical", ["b", None]),
    "binary": (pl.Series([b"a", None]), "categorical", [b"a", None]),
    "date": (pl.Series(DAYS), "datetime", [1577836800, NAN, 1612310400]),
    "datetime": (pl.Series(MOMENTS), "datetime", SECONDS),
    "nanoseconds": (pl.Series(MOMENTS, dtype=pl.Datetime("ns")), "datetime", SECONDS),
    "zone": (pl.Series(MOMENTS).dt.replace_time_zone("Europe/Berlin"), "datetime", SECONDS),
    "duration": (pl.Series([timedelta(days=1), None]), "duration", [86400, NAN]),
    "time": (pl.Series([time(1, 2), None]), "duration", [3720, NAN]),
    "list": (pl.Series([[1], None]), "categorical", ["[1]", None]),
    "struct": (pl.Series([{"a": 2}, None]), "categorical", ["{'a': 2}", None]),
    "object": (pl.Series([3, None, "a"], dtype=pl.Object), "categorical", [3, None, "a"]),
}


def from_objects(data):
    array = np.empty((len(data), 1), dtype=object)
    array[:, 0] = data
    return array


CASES = [
    *((f"array {name}", data[:, np.newaxis], *rest) for name, (data, *rest) in ARRAYS.items()),
    *((f"array of objects {name}", from_objects(data), *rest)
      for name, (data, *rest) in OBJECTS.items()),
    ("array NA", from_objects([1, pd.NA, pd.NaT, None]), "numeric", [1, NAN, NAN, NAN]),
    *((f"pandas {name}", pd.DataFrame({"a": data}), *rest)
      for name, (data, *rest) in PANDAS.items()),
    *((f"polars {name}", pl.DataFrame({"a": data}), *rest)
      for name, (data, *rest) in POLARS.items()),
]  # fmt: skip


@pytest.mark.parametrize(("X", "kind", "expected"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_kinds_and_what_the_columns_hold(X, kind, expected):
    one = column(X, 0)
    assert one.kind == kind
    if kind == "categorical":
        assert one.values() == expected
        assert hash(tuple(one.values())) is not None
    else:
        numbers = one.numbers(kind)
        assert numbers.dtype == np.float64
        assert_array_equal(numbers, expected)
        missing = [value is None for value in one.values()]
        assert missing == list(np.isnan(expected))


@pytest.mark.parametrize("X", [np.array([["a"], ["2"]]), pd.DataFrame({"a": ["a", "2"]}),
                               pl.DataFrame({"a": ["a", "2"]})])  # fmt: skip
def test_strings_are_numbers_only_if_all_can_be_read(X):
    with pytest.raises(ValueError, match=r"could not convert string to float: '?a"):
        column(X, 0).numbers("numeric")
    assert_array_equal(column(take_rows(X, slice(1, 2)), 0).numbers("numeric"), [2])


MOMENT_TABLES = [
    np.array(MOMENTS, "datetime64[us]")[:, np.newaxis],
    pd.DataFrame({"a": MOMENTS}),
    pl.DataFrame({"a": MOMENTS}),
]


@pytest.mark.parametrize("X", MOMENT_TABLES)
def test_moments_are_no_numbers(X):
    with pytest.raises(ValueError, match="datetime values found"):
        column(X, 0).numbers("numeric")
    only_gaps = column(take_rows(X, slice(1, 2)), 0)
    assert_array_equal(only_gaps.numbers("numeric"), [NAN])


def test_an_integer_beyond_all_floats_is_infinite():
    assert_array_equal(column(np.array([[10**400], [1]], object), 0).numbers("numeric"), np.inf)


def test_complex_numbers_are_refused():
    with pytest.raises(ValueError, match="Complex data not supported"):
        _ = column(pd.DataFrame({"a": [1j]}), 0).kind


def test_libraries():
    assert frame_library(pd.DataFrame()) == "pandas"
    assert frame_library(pl.DataFrame()) == "polars"
    assert frame_library(np.eye(2)) is None
    assert frame_library([[1]]) is None


def test_rows_are_not_copied():
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2))
    assert np.shares_memory(take_rows(frame, slice(1, 3)).to_numpy(), frame.to_numpy())
    assert take_rows(frame, slice(1, 3)).shape == (2, 2)
    assert take_rows(pl.DataFrame({"a": [1, 2, 3]}), slice(1, 3)).rows() == [(2,), (3,)]


@pytest.mark.parametrize("own", [None, "pandas", "polars"])
def test_no_library_is_needed_but_that_of_the_frame(own):
    others = {"pandas", "polars", "pyarrow"} - {own}
    code = f"""
import sys

library = {own!r} and __import__({own!r})

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name in {others}:
            raise ImportError(name)

sys.meta_path.insert(0, NotInstalled())

import numpy as np
from sknn_opt.preprocessing import TabularEncoder

data = {{"a": [1.0, 2.0, None], "b": ["u", "v", None]}}
X = library.DataFrame(data) if library else np.array(list(zip(*data.values())), dtype=object)
print(TabularEncoder().fit(X).kinds_, np.isfinite(TabularEncoder().fit_transform(X)).all())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['numeric', 'categorical'] True"


def test_the_package_imports_no_frames():
    code = "import sys, sklearn.utils.validation; theirs = set(sys.modules)"
    code += "; import sknn_opt.preprocessing"
    code += "; print({'pandas', 'polars'} & (set(sys.modules) - theirs))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_columns_of_arrow():
    arrow = pytest.importorskip("pyarrow")
    types = {
        "numeric": (arrow.int64(), [1, None]),
        "categorical": (arrow.string(), ["a", None]),
        "datetime": (arrow.date32(), DAYS[:2]),
        "duration": (arrow.duration("us"), [timedelta(days=1), None]),
    }
    for kind, (dtype, values) in types.items():
        one = column(pd.DataFrame({"a": pd.Series(values, dtype=pd.ArrowDtype(dtype))}), 0)
        assert one.kind == kind
        if kind != "categorical":
            assert list(np.isnan(one.numbers(kind))) == [False, True]
    flags = pd.Series([True, None], dtype=pd.ArrowDtype(arrow.bool_()))
    assert_array_equal(column(pd.DataFrame({"a": flags}), 0).numbers("numeric"), [1, NAN])
