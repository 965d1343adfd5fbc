"""Predictions without Python: fitted estimators as ONNX models.

Where skl2onnx is installed, importing this module tells it how to convert our networks and
committees, as the last step of a pipeline for example.
"""

from numbers import Integral

from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from . import __version__
from ._onnx.estimators import graph_of
from ._onnx.registration import register_converters

__all__ = ["to_onnx"]

_LIMITS = {"target_opset": [Interval(Integral, 1, None, closed="left"), None]}


def to_onnx(estimator, *, target_opset=None):
    """Convert a fitted estimator to an ONNX model, which predicts the same without Python.

    `ONNX <https://onnx.ai>`_ is a format that runtimes for C++, C#, Java, JavaScript and others
    read. Needs the package `onnx`: ``pip install "sknn_opt[onnx]"``.

    A model predicts for any number of samples. What goes in:

    =============================== ========================================================
    estimator                       inputs
    =============================== ========================================================
    network, or committee of these  "X" of shape (n_samples, n_features) in float32
    the same behind scalers or      "X" in float64, since large numbers lose digits in float32
    encoders of numbers             before a mean is subtracted
    what reads a table, such as     one of shape (n_samples, 1) for each column, of its name, or
    ``TabularMLPClassifier`` or a   "x0", "x1", ...: float64 for numbers, NaN where missing, and
    pipeline that starts with a     for durations in seconds; int64 for datetimes, microseconds
    ``TabularEncoder``              since 1970; strings for categories, "" where missing, but
                                    float64 if all that were seen are numbers
    =============================== ========================================================

    What comes out is laid out as `skl2onnx <https://onnx.ai/sklearn-onnx/>`_ does it without
    zipmap:

    =============================== ========================================================
    estimator                       outputs
    =============================== ========================================================
    classifier                      "label" of shape (n_samples,), whole numbers or strings;
                                    "probabilities" of shape (n_samples, n_classes)
    classifier of several labels    "label" of shape (n_samples, n_classes), zeros and ones;
                                    "probabilities" of the same shape
    classifier of several outputs   "label_0", "probabilities_0", "label_1", and so on
    classifier with a margin loss   "label", and "scores" in place of probabilities: what
                                    ``decision_function`` returns, of two classes one column
    regressor                       "variable" of shape (n_samples, n_outputs), or with a
                                    column for each quantile
    =============================== ========================================================

    Networks compute in float32, the one type for which runtimes have all operators. Predictions
    are equal within 1e-5 where features are of about unit size, relative to a regressor's.

    Parameters
    ----------
    estimator : network, committee, or Pipeline that ends in one
        Fitted: a network or committee of this package, or what
        `~sknn_opt.compression.quantize` makes of one, whose integers become numbers again. Steps
        before it may be those of `sknn_opt.preprocessing`, and StandardScaler, RobustScaler and
        MinMaxScaler. Pipelines with other steps are converted by ``skl2onnx.to_onnx``, which knows
        our networks and committees once this module has been imported.
    target_opset : int, default=None
        Version of ONNX's set of operators, at least 17. None means 17, which all runtimes
        of recent years read, such as onnxruntime from 1.12 on.

    Returns
    -------
    model : onnx.ModelProto
        ``model.SerializeToString()`` is what a runtime reads.

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If the estimator, or a step before it, is none of these.
    ValueError
        If it has an activation or a link of your own; if classes are neither whole numbers nor
        strings; if categories are the same as strings; or if a weight overflows float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.onnx import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X).astype(np.float32)
    >>> network = MLPClassifier((20,), optimizer="lbfgs", tol=1e-2, random_state=0).fit(X, y)
    >>> model = to_onnx(network).SerializeToString()

    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(model)
    >>> labels, probabilities = session.run(None, {"X": X})
    >>> print(np.allclose(probabilities, network.predict_proba(X), rtol=0, atol=1e-5))
    True
    """
    given = {"target_opset": target_opset}
    validate_parameter_constraints(_LIMITS, given, caller_name="to_onnx")
    return graph_of(estimator).model(type(estimator).__name__, target_opset, __version__)


register_converters()
