"""What stands before a network: scalers and encoders, in float64 until a network reads them."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from ..preprocessing import (
    KernelFeatures,
    PeriodicFeatures,
    PiecewiseLinearEncoder,
    RelevanceScaler,
    SmoothClipScaler,
    TabularEncoder,
)
from .inputs import Columns, Matrix
from .kernel import similarities
from .numeric import bins, smooth_clip, waves
from .tables import encode_table


def encode(graph, source, step):
    """Add what a fitted step makes of a `Matrix` or `Columns`; return a `Matrix`.

    Raises
    ------
    TypeError
        If the step cannot be converted.
    """
    if type(step) in STEPS:
        return STEPS[type(step)](graph, source, step)
    raise TypeError(
        f"to_onnx knows the encoders of sknn_opt.preprocessing and scikit-learn's scalers, but no "
        f"{type(step).__name__}. A Pipeline of other steps is converted by skl2onnx.to_onnx, "
        "which knows our networks after import sknn_opt.onnx."
    )


def table_encoders(step):
    """Yield the `TabularEncoder` objects in a fitted step, which read a table by its columns."""
    if isinstance(step, TabularEncoder):
        yield step
    elif isinstance(step, RelevanceScaler):
        yield from table_encoders(step.encoder_)
    elif isinstance(step, Pipeline):
        for _, one in step.steps:
            yield from table_encoders(one)


def _pipeline(graph, source, pipeline):
    for _, step in pipeline.steps:
        if step not in (None, "passthrough"):
            source = encode(graph, source, step)
    return source


def _relevance(graph, source, scaler):
    if scaler.encoder_ is not None:
        source = encode(graph, source, scaler.encoder_)
    x = source.of_type(np.float32)
    scaled = graph.add("Mul", x, scaler.scale_.astype(np.float32))
    return Matrix(graph, scaled, np.float32)


def _table(graph, source, encoder):
    if not isinstance(source, Columns):
        raise TypeError("A TabularEncoder reads a table, so it has to be the first step.")
    return Matrix(graph, encode_table(graph, source, encoder), np.float32)


def _standard(graph, source, scaler):
    center = scaler.mean_ if scaler.with_mean else None
    return _scaled(graph, source, center, scaler.scale_)


def _robust(graph, source, scaler):
    return _scaled(graph, source, scaler.center_, scaler.scale_)


def _min_max(graph, source, scaler):
    x = source.of_type(np.float64)
    x = graph.add("Add", graph.add("Mul", x, scaler.scale_), scaler.min_)
    if scaler.clip:
        x = graph.add("Clip", x, *np.array(scaler.feature_range, np.float64))
    return Matrix(graph, x, np.float64)


def _scaled(graph, source, center, scale):
    x = source.of_type(np.float64)
    x = x if center is None else graph.add("Sub", x, center.astype(np.float64))
    x = x if scale is None else graph.add("Div", x, scale.astype(np.float64))
    return Matrix(graph, x, np.float64)


def _smooth_clip(graph, source, scaler):
    return Matrix(graph, smooth_clip(graph, source.of_type(np.float64), scaler), np.float64)


def _bins(graph, source, encoder):
    return Matrix(graph, bins(graph, source.of_type(np.float64), encoder), np.float32)


def _waves(graph, source, encoder):
    return Matrix(graph, waves(graph, source.of_type(np.float64), encoder), np.float32)


def _kernel(graph, source, features):
    return Matrix(graph, similarities(graph, source.of_type(np.float64), features), np.float64)


STEPS = {
    Pipeline: _pipeline,
    StandardScaler: _standard,
    RobustScaler: _robust,
    MinMaxScaler: _min_max,
    SmoothClipScaler: _smooth_clip,
    PiecewiseLinearEncoder: _bins,
    PeriodicFeatures: _waves,
    RelevanceScaler: _relevance,
    KernelFeatures: _kernel,
    TabularEncoder: _table,
}
