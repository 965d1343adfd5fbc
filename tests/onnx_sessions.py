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
    """Compare labels and probabilities, or scores, with the estimator's, those of output k.

    float32 does not decide between labels that are hardly apart.
    """
    labels = outputs.pop(f"label{suffix}")
    has_probabilities = hasattr(estimator, "predict_proba")
    if has_probabilities:
        confidence = estimator.predict_proba(X)
        found = outputs.pop(f"probabilities{suffix}")
    else:
        confidence = estimator.decision_function(X)
        found = outputs.pop(f"scores{suffix}")
    assert_close(found, confidence if k is ... else confidence[k])
    predicted = estimator.predict(X)
    predicted = predicted if k is ... else predicted[:, k]
    assert labels.shape == predicted.shape
    if labels.ndim == 2 or found.shape[1] == 1:
        apart = np.abs(found - (0.5 if has_probabilities else 0.0)).min(axis=1) > 1e-4
    else:
        best = np.sort(found, axis=1)
        apart = best[:, -1] - best[:, -2] > 1e-4
    assert apart.mean() > 0.9
    assert_array_equal(labels[apart], predicted[apart])
