"""What every loss is made of: the prototypes of its kernels, `Form` and the base `Loss`."""

from types import FunctionType
from typing import NamedTuple

import numpy as np
from sklearn.metrics import r2_score

from ._component import Component
from ._kernel import Call, Kernel, address, real, with_functions

EVALUATE = """double (real *raw, real *y, real *weight, real *delta, int64 rows, int64 outputs,
double scale, double *parameters)"""
CURVATURE = """void (real *raw, real *y, real *weight, real *tangent, int64 rows, int64 outputs,
double scale, double *parameters)"""
LINK = "void (real *raw, int64 rows, int64 outputs)"

call_evaluate = Call(EVALUATE)
call_curvature = Call(CURVATURE)


class Form(NamedTuple):
    """How a loss meets one type of target.

    Attributes
    ----------
    evaluate : Kernel
        Returns the sum over rows of weight times loss, in float64; writes ``scale`` times
        weight times the derivative by ``raw`` to ``delta``.
    link : Kernel or None
        Turns raw outputs into predictions, in place; None where they are the same.
    out_activation : str
        scikit-learn's name of the link.
    curvature : Kernel or None
        Replaces each row of ``tangent`` by ``scale`` times weight times the matrix of second
        derivatives by ``raw`` times that row. None where they are all 0.
    """

    evaluate: Kernel
    link: Kernel | None
    out_activation: str
    curvature: Kernel | None = None

    def predictions(self, raw):
        """Return predictions; ``raw``, of shape (n_samples, n_outputs), may be overwritten."""
        if self.link is not None:
            self.link(raw.dtype, address(raw), *raw.shape)
        return raw


_element = None  # in the kernels below: the helper for one output of a loss


def _evaluate(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            derivatives = _element(y[j], raw[j], parameters)
            loss += derivatives[0]
            delta[j] = factor * derivatives[1]
        total += weight[i] * loss
    return total


def _curvature(raw, y, weight, tangent, rows, outputs, scale, parameters):
    for i in range(rows):
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            derivatives = _element(y[j], raw[j], parameters)
            tangent[j] *= factor * derivatives[2]


def separable(element, link=None, out_activation="identity", curvature=True):
    """Return the `Form` of a loss that is a sum over outputs.

    Parameters
    ----------
    element : inline helper
        Maps a target, its raw output and the parameters to the loss of this output, its
        derivative by the raw output and, where there is ``curvature``, the second one.
        Each kernel computes only those that it needs.
    link, out_activation
        As in `Form`.
    curvature : bool, default=True
        Whether the second derivative is not 0 everywhere.
    """
    evaluate = _with_element(_evaluate, EVALUATE, element)
    bends = _with_element(_curvature, CURVATURE, element) if curvature else None
    return Form(evaluate, link, out_activation, bends)


def _with_element(template, prototype, element):
    function = element.functions[np.dtype(np.float64)]
    namespace = {**template.__globals__, "_element": element}
    # The cache on disk tells the copies of a template apart by these two names.
    copy = FunctionType(template.__code__, namespace, function.__name__ + template.__name__)
    copy.__module__ = function.__module__
    return Kernel(copy, prototype)


class Loss(Component):
    """Base of the losses.

    The loss of a data set is the weighted mean over samples of the sum over outputs. It
    is computed from raw outputs, before the link, so nothing needs clipping. At a kink the
    derivative is 0 where the subdifferential holds 0, else the class says which element of
    it. A value that is not a number makes the loss one.

    A target has one column an output, but for "multiclass": one column of class indices.
    """

    #: Form by type of target: "binary", "multiclass", "multilabel-indicator", "continuous".
    _forms = {}

    #: Whether the predictions of a classifier are probabilities.
    has_probabilities = True

    #: Whether second derivatives by the raw outputs exist everywhere.
    _twice_differentiable = True

    #: Whether `score` is R², which is not defined for less than two samples.
    _scores_by_r2 = True

    @staticmethod
    def from_functions(value, derivative):
        """Make a loss of regression from plain Python functions of two numbers.

        Its predictions are the raw outputs. numba compiles the functions when a network
        first uses them, once a process and floating type: they may use arithmetic,
        branches, `math` and NumPy's functions of scalars, and must not raise. Where they
        are importable, the loss can be pickled.

        Parameters
        ----------
        value : function
            Maps a target and its prediction to the loss; several outputs are summed.
        derivative : function
            Maps a target and its prediction to the derivative of ``value`` by the
            prediction.

        Returns
        -------
        loss : Loss

        Examples
        --------
        >>> import math
        >>> from sknn_opt.losses import Loss
        >>> def cauchy(y, prediction):
        ...     return math.log(1 + (prediction - y) ** 2)
        >>> def cauchy_derivative(y, prediction):
        ...     return 2 * (prediction - y) / (1 + (prediction - y) ** 2)
        >>> loss = Loss.from_functions(cauchy, cauchy_derivative)
        """
        return FromFunctions(value, derivative)

    def form(self, target_type):
        """Return the `Form` for a type of target."""
        try:
            return self._forms[target_type]
        except KeyError:
            raise ValueError(
                f"The loss {type(self).__name__} is not defined for {target_type} targets, "
                f"only for {', '.join(sorted(self._forms))} ones."
            ) from None

    def check_targets(self, y):
        """Raise ValueError where the loss is not defined for targets ``y``."""

    def n_outputs(self, n_columns):
        """Return the number of raw outputs for this many columns of continuous targets."""
        return n_columns

    def score(self, y, predictions, sample_weight=None):
        """Return the score of predictions of continuous targets, higher being better: R²."""
        return r2_score(y, predictions, sample_weight=sample_weight)


_value = _derivative = None  # in the kernel below: the user's functions


def _user_loss(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            loss += _value(y[j], raw[j])
            delta[j] = factor * _derivative(y[j], raw[j])
        total += weight[i] * loss
    return total


class FromFunctions(Loss):
    """A user's own loss; see `Loss.from_functions`."""

    _twice_differentiable = False
    _parameter_constraints = {"value": [callable], "derivative": [callable]}

    def __init__(self, value, derivative):
        self.value = value
        self.derivative = derivative

    @property
    def _forms(self):
        functions = {"_value": self.value, "_derivative": self.derivative}
        evaluate = with_functions(_user_loss, EVALUATE, 2, **functions)
        return {"continuous": Form(evaluate, None, "identity")}
