"""The columns of a table, one at a time: what each holds, as numbers or as categories.

A table is a two-dimensional NumPy array or a frame of pandas or of Polars. Neither library is
imported unless the table is its own; then it has been imported before.
"""

import sys
from collections.abc import Hashable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real

import numpy as np

NUMERIC = "numeric"
CATEGORICAL = "categorical"
DATETIME = "datetime"
DURATION = "duration"

# The first whose types all values have is the kind of a column of Python objects. NumPy takes its
# durations for integers, so these come before the numbers.
_TYPES = {
    DURATION: (timedelta, time, np.timedelta64),
    DATETIME: (date, np.datetime64),  # a datetime is a date
    NUMERIC: (Real, Decimal, np.bool_),
}

# Types with a value that differs from itself: NaN or NaT.
_WITH_NAN = (float, np.floating, Decimal, datetime, np.datetime64, np.timedelta64)


def frame_library(X):
    """Return "pandas" or "polars" for a frame of that library, None for anything else."""
    for name in ("pandas", "polars"):
        library = sys.modules.get(name)
        if library is not None and isinstance(X, library.DataFrame):
            return name
    return None


def take_rows(X, rows):
    """Return the rows of a slice, without copying them."""
    return X.iloc[rows] if frame_library(X) == "pandas" else X[rows]


def column(X, index):
    """Return the `Column` at a position."""
    library = frame_library(X)
    if library == "pandas":
        return PandasColumn(X.iloc[:, index])
    if library == "polars":
        return PolarsColumn(X.to_series(index))
    return ArrayColumn(X[:, index])


class Column:
    """A column of a table."""

    def __init__(self, data):
        self.data = data

    @property
    def kind(self):
        """What the column holds: `NUMERIC`, `CATEGORICAL`, `DATETIME` or `DURATION`."""
        kind = self._kind_of_dtype()
        return _kind_of_values(self._objects()) if kind is None else kind

    def _kind_of_dtype(self):
        """Return the kind that follows from the type; None where only the values tell."""
        raise NotImplementedError

    def numbers(self, kind):
        """Return the values of a column of this ``kind`` as float64; missing ones are NaN.

        Datetimes are the seconds since 1970, on the clock of their own time zone.
        """
        found = self._kind_of_dtype()
        if found in (None, CATEGORICAL):
            return _numbers_of_values(self._objects(), kind)
        values = self._numbers(found)
        if found != kind and not np.isnan(values).all():
            raise ValueError(f"{found} values found")
        return values

    def _numbers(self, kind):
        raise NotImplementedError

    def values(self):
        """Return a list of the values, which can be hashed; missing ones are None.

        A value that cannot be hashed, such as a list, is represented by its text.
        """
        values = self._objects()
        try:
            set(values)
        except TypeError:
            return [value if isinstance(value, Hashable) else str(value) for value in values]
        return values

    def _objects(self):
        """Return a list of Python objects, with None for missing ones."""
        raise NotImplementedError


class ArrayColumn(Column):
    """A column of a NumPy array."""

    def _kind_of_dtype(self):
        kinds = dict.fromkeys("biuf", NUMERIC) | {"M": DATETIME, "m": DURATION, "O": None}
        return kinds.get(self.data.dtype.kind, CATEGORICAL)

    def _numbers(self, kind):
        return self.data.astype(np.float64) if kind == NUMERIC else _seconds(self.data)

    def _objects(self):
        values = self.data.tolist()
        na = getattr(sys.modules.get("pandas"), "NA", None)
        return [
            None if value is na or (isinstance(value, _WITH_NAN) and value != value) else value
            for value in values
        ]


class PandasColumn(Column):
    """A column of a pandas frame."""

    def _kind_of_dtype(self):
        import pandas as pd
        from pandas.api import types

        dtype = self.data.dtype
        if isinstance(dtype, pd.CategoricalDtype):
            return CATEGORICAL
        if types.is_complex_dtype(dtype):
            raise ValueError(f"Complex data not supported\n{self.data}\n")
        if types.is_numeric_dtype(dtype):  # also those that hold pandas.NA, and booleans
            return NUMERIC
        if types.is_object_dtype(dtype) or isinstance(dtype, pd.ArrowDtype):
            return None
        if types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
            return DATETIME
        return DURATION if types.is_timedelta64_dtype(dtype) else CATEGORICAL

    def _numbers(self, kind):
        import pandas as pd

        if kind == NUMERIC:
            return self.data.to_numpy(np.float64, na_value=np.nan)
        if kind == DURATION:
            return _seconds(self.data.to_numpy("timedelta64[us]"))
        if isinstance(self.data.dtype, pd.PeriodDtype):
            return _seconds(self.data.dt.to_timestamp().to_numpy("datetime64[us]"))
        return _seconds(self.data.dt.tz_localize(None).to_numpy("datetime64[us]"))

    def _objects(self):
        missing = self.data.isna()
        values = self.data.astype(object)
        return [None if gap else value for value, gap in zip(values, missing, strict=True)]


class PolarsColumn(Column):
    """A column of a Polars frame."""

    def _kind_of_dtype(self):
        import polars as pl

        dtype = self.data.dtype
        if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
            return NUMERIC
        if dtype in (pl.Date, pl.Datetime):
            return DATETIME
        if dtype in (pl.Duration, pl.Time):
            return DURATION
        return None if dtype == pl.Object else CATEGORICAL

    def _numbers(self, kind):
        import polars as pl

        if kind == NUMERIC:
            return self.data.cast(pl.Float64).to_numpy()
        if kind == DURATION:
            return _seconds(self.data.cast(pl.Duration("us")).to_numpy())
        moments = self.data.cast(pl.Datetime("us")) if self.data.dtype == pl.Date else self.data
        return _seconds(moments.dt.replace_time_zone(None).to_numpy())

    def _objects(self):
        return [
            None if isinstance(value, float) and value != value else value
            for value in self.data.to_list()
        ]


def _kind_of_values(values):
    found = {type(value) for value in values if value is not None}
    if not found:
        return NUMERIC
    for kind, types in _TYPES.items():
        if all(issubclass(one, types) for one in found):
            return kind
    return CATEGORICAL


def _numbers_of_values(values, kind):
    if kind == NUMERIC:
        try:
            return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        except OverflowError:  # an integer beyond all floats
            return np.full(len(values), np.inf)
    if kind == DURATION:
        values = [datetime.combine(date.min, v) - datetime.min if isinstance(v, time) else v
                  for v in values]  # fmt: skip
        return _seconds(np.array(values, dtype="timedelta64[us]"))
    moments = [v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in values]
    return _seconds(np.array(moments, dtype="datetime64[us]"))


def _seconds(values):
    """Return datetimes, since 1970, or durations as float64; NaT becomes NaN."""
    unit = f"{values.dtype.kind}8[us]"
    return np.where(np.isnat(values), np.nan, values.astype(unit).astype(np.int64) / 1e6)
