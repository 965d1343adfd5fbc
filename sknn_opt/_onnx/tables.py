"""From the columns of a table to the inputs of a network, as `TabularEncoder` encodes them."""

import numpy as np

from ..preprocessing.calendar import LENGTHS
from ..preprocessing.categories import encode_categories
from ..preprocessing.columns import DATETIME
from .graph import ML_DOMAIN
from .numeric import bins, smooth_clip, waves

#: What NumPy's datetimes have in place of a missing one, as an integer.
_NOT_A_TIME = np.int64(np.iinfo(np.int64).min)

_MICROSECONDS = 1_000_000


class _Unseen:
    """A value that no column has held in fit."""


def encode_table(graph, columns, encoder):
    """Add what a fitted `TabularEncoder` makes of `Columns`, in float32."""
    parts = _encoded_numbers(graph, columns, encoder) if encoder._quantities else []
    for j, categories in enumerate(encoder.categories_):
        if categories:
            rows = encode_categories([*categories, _Unseen], categories)
            parts.append(_looked_up(graph, columns, j, categories, rows))
    for number, j in enumerate(encoder.targets_):
        known = encoder._target_means.known_values(number)
        rows = _target_means(encoder._target_means, number, known, len(encoder.targets_))
        parts.append(_looked_up(graph, columns, j, known, rows))
    return graph.concat(parts)


def _encoded_numbers(graph, columns, encoder):
    """Return the parts that are made of numbers, in the order of the encoder's result."""
    numbers = [_number(graph, columns, encoder, *one) for one in encoder._quantities]
    all_numbers = graph.concat(numbers)
    is_missing = graph.add("IsNaN", all_numbers)
    fills = np.array(encoder._fill_values, dtype=np.float64)
    filled = graph.add("Where", is_missing, fills, all_numbers)
    parts = []
    if encoder._with_gaps:
        parts.append(graph.cast(_chosen(graph, is_missing, encoder._with_gaps), np.float32))
    if encoder._varying:
        scaled = smooth_clip(graph, _chosen(graph, filled, encoder._varying), encoder.scaler_)
        parts.append(graph.cast(scaled, np.float32))
        if encoder._in_bins:
            in_bins = _chosen(graph, filled, encoder._in_bins)
            parts.append(bins(graph, in_bins, encoder.piecewise_linear_))
        if encoder.periodic_ is not None:
            parts.append(waves(graph, scaled, encoder.periodic_))
    for (_, cycle), share in zip(encoder._quantities, numbers, strict=True):
        if cycle is not None:
            parts.append(_on_a_circle(graph, share))
    return parts


def _chosen(graph, x, numbers):
    return graph.add("Gather", x, np.array(numbers), axis=1)


def _number(graph, columns, encoder, j, cycle):
    """Add a column, or a datetime's part of a cycle, in float64, NaN where it is missing."""
    if encoder.kinds_[j] != DATETIME:
        return columns[j]
    moment, length = columns[j], _MICROSECONDS
    if cycle is not None:
        length = LENGTHS[cycle] * _MICROSECONDS
        moment = graph.add("Mod", moment, np.int64(length))  # not negative, as in Python
    share = graph.add("Div", graph.cast(moment, np.float64), np.float64(length))
    is_missing = graph.add("Equal", columns[j], _NOT_A_TIME)
    return graph.add("Where", is_missing, np.float64(np.nan), share)


def _on_a_circle(graph, share):
    """Add cosine and sine of a part of the circle, 0 where it is missing."""
    angle = graph.cast(graph.add("Mul", share, np.float64(2 * np.pi)), np.float32)
    both = graph.concat([graph.add("Cos", angle), graph.add("Sin", angle)])
    return graph.add("Where", graph.add("IsNaN", angle), np.float32(0), both)


def _target_means(means, number, known, n_columns):
    """Return rows of the target's means for known values of a column, and for all others."""
    values = [[_Unseen] * (len(known) + 1) for _ in range(n_columns)]
    values[number] = [*known, _Unseen]
    width = means.n_columns_each
    return means.transform(values)[:, number * width : (number + 1) * width]


def _looked_up(graph, columns, j, known, rows):
    """Add the row of each value of a column; the last row is that of all other values."""
    are_numbers = columns.dtypes[j] == np.float64
    keys = [_number_of(value) if are_numbers else _text_of(value) for value in known]
    if len(set(keys)) < len(keys):
        raise ValueError(
            f"The column {columns.names[j]!r} has categories that are the same in ONNX, where "
            f"they are numbers or strings, and a missing one is an empty string: {known!r}."
        )
    add = _row_of_number if are_numbers else _row_of_text
    return add(graph, columns[j], keys, rows.astype(np.float32))


def _number_of(value):
    return None if value is None else float(value)


def _text_of(value):
    return "" if value is None else str(value)


def _row_of_text(graph, x, keys, rows):
    index = graph.add(
        "LabelEncoder",
        x,
        domain=ML_DOMAIN,
        keys_strings=keys,
        values_int64s=list(range(len(keys))),
        default_int64=len(keys),
    )
    return graph.add("Gather", rows, graph.add("Squeeze", index, np.array([1])))


def _row_of_number(graph, x, keys, rows):
    # By comparison, which is exact in float64: the look-up of numbers is one of float32.
    numbers = [key for key in keys if key is not None]
    order = [keys.index(number) for number in numbers]
    hits = [graph.add("Equal", x, np.array(numbers))] if numbers else []
    if None in keys:
        order.append(keys.index(None))
        hits.append(graph.add("IsNaN", x))
    hit = graph.cast(graph.concat(hits), np.float32)
    others = rows[-1]
    return graph.add("Add", graph.add("MatMul", hit, rows[order] - others), others)
