"""ONNX models in onnxruntime, for the tests that need more libraries."""

import numpy as np
import onnx
import onnxruntime
from numpy.testing import assert_allclose, assert_array_equal

TOLERANCE = 1e-5


def run(model, inputs):
    """Outputs of a model by their names, after its formal check."""
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def assert_close(found, expected):
    expected = np.reshape(expected, found.shape)
    assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


def assert_classes(outputs, estimator, X, suffix="", k=...):
    """Compare labels and probabilities, or scores, of output k with those of the estimator."""
    labels = outputs.pop(f"label{suffix}")
    if hasattr(estimator, "predict_proba"):
        confidence = estimator.predict_proba(X)
        found = outputs.pop(f"probabilities{suffix}")
    else:
        confidence = estimator.decision_function(X)
        found = outputs.pop(f"scores{suffix}")
    confidence = confidence if k is ... else confidence[k]
    assert_close(found, confidence)
    predicted = estimator.predict(X)
    predicted = predicted if k is ... else predicted[:, k]
    assert labels.shape == predicted.shape
    apart = is_apart(found, labels)
    assert apart.mean() > 0.9
    assert_array_equal(labels[apart], predicted[apart])


def is_apart(confidence, labels):
    """Where the two best are so far apart that float32 does not decide between them."""
    if labels.ndim == 2:
        middle = 0.5 if 0 <= confidence.min() and confidence.max() <= 1 else 0.0
        return np.abs(confidence - middle).min(axis=1) > 1e-4
    if confidence.shape[1] == 1:
        return np.abs(confidence[:, 0]) > 1e-4
    best = np.sort(confidence, axis=1)
    return best[:, -1] - best[:, -2] > 1e-4
