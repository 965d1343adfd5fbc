"""The encodings of numbers in float64, each column on its own: scaled, in bins, as waves."""

import numpy as np

from ..preprocessing.numeric import FAR


def smooth_clip(graph, x, scaler):
    """Add what a `SmoothClipScaler` makes of x, in float64."""
    z = graph.add("Div", graph.add("Sub", x, scaler.center_), scaler.scale_)
    z = graph.add("Clip", z, np.float64(-FAR), np.float64(FAR))
    share = graph.add("Div", z, np.float64(scaler.limit))
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", share, share), np.float64(1)))
    return graph.add("Sub", graph.add("Div", z, root), scaler.mean_)


def bins(graph, x, encoder):
    """Add what a `PiecewiseLinearEncoder` makes of x, in float32."""
    edges = encoder.bin_edges_
    lows = np.concatenate([one[:-1] for one in edges])
    widths = np.concatenate([np.diff(one) for one in edges])
    repeated = _repeated(graph, x, [max(0, len(one) - 1) for one in edges])
    shares = graph.add("Div", graph.add("Sub", repeated, lows), widths)
    shares = graph.cast(graph.add("Clip", shares, np.float64(0), np.float64(1)), np.float32)
    centred = graph.add("Sub", shares, encoder.mean_.astype(np.float32))
    return graph.add("Mul", centred, np.float32(encoder.scale))


def waves(graph, x, encoder):
    """Add what `PeriodicFeatures` make of x, in float32."""
    frequencies, phases = encoder.frequencies_, encoder.phases_
    repeated = _repeated(graph, x, [frequencies.shape[1]] * len(frequencies))
    angles = graph.add("Add", graph.add("Mul", repeated, frequencies.ravel()), phases.ravel())
    cosines = graph.add("Cos", graph.cast(angles, np.float32))
    return graph.add("Mul", cosines, np.float32(encoder.scale))


def _repeated(graph, x, counts):
    """Add each column of x so many times."""
    return graph.add("Gather", x, np.repeat(np.arange(len(counts)), counts), axis=1)
