"""What every loss is made of: the prototypes of its kernels, its rules and the base `Loss`."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import r2_score

from .._compiler.declarations import (
    Call,
    Kernel,
    address,
    inline_template,
    instantiate,
    named_doubles,
    offset,
    real,
    user_function,
)
from .._components import Component, Rule

EVALUATE = """double (real *raw, real *y, real *weight, real *delta, int64 rows, int64 outputs,
double scale, double *parameters)"""
HESSIAN_PRODUCT = """void (real *raw, real *y, real *weight, real *tangent, int64 rows,
int64 outputs, double scale, double *parameters)"""
LINK = "void (real *raw, int64 rows, int64 outputs)"

call_evaluate = Call(EVALUATE)
call_hessian_product = Call(HESSIAN_PRODUCT)


class Form(NamedTuple):
    """The kernels of a loss for one type of target.

    Attributes
    ----------
    evaluate : Kernel
        Returns the sum over rows of weight times loss, in float64; writes ``scale`` times
        weight times the derivative by ``raw`` to ``delta``.
    link : Kernel or None
        Turns raw outputs into predictions, in place; None where they are the same.
    out_activation : str
        scikit-learn's name of the link.
    hessian_product : Kernel or None
        Multiplies each row of ``tangent`` by the matrix of second derivatives by ``raw``, by
        the row's weight and by ``scale``. None if the second derivatives are 0 or unknown.
    has_variances : bool
        Whether the second half of the raw outputs are logarithms of variances, and the first
        half alone predicts.
    distribution : str or None
        That of the targets whose negative log likelihood the loss is, up to a constant: one of
        ``sknn_opt._network.scores.SCORES``.
    """

    evaluate: Kernel
    link: Kernel | None
    out_activation: str
    hessian_product: Kernel | None = None
    has_variances: bool = False
    distribution: str | None = None

    def predictions(self, raw):
        """Return predictions; ``raw``, of shape (n_samples, n_outputs), may be overwritten."""
        if self.link is not None:
            self.link(raw.dtype, address(raw), *raw.shape)
        return np.ascontiguousarray(raw[:, : raw.shape[1] // 2]) if self.has_variances else raw

    def standard_deviations(self, raw):
        """Return those of the targets, where there are variances."""
        with np.errstate(over="ignore"):
            return np.exp(0.5 * raw[:, raw.shape[1] // 2 :])


# In the templates of kernels below: a loss's rule and its parameters by name.
_element = _parameters = None


def _evaluate(raw, y, weight, delta, rows, outputs, scale, parameters):
    p = _parameters(parameters)
    total = 0.0  # of float64, also for a network of float32
    for i in range(rows):
        factor = real(scale) * weight[i]
        loss = 0.0
        for j in range(i * outputs, (i + 1) * outputs):
            derivatives = _element(y[j], raw[j], p)
            is_known = y[j] == y[j]  # a target that is missing is NaN
            loss += derivatives[0] if is_known else real(0)
            delta[j] = factor * derivatives[1] if is_known else real(0)
        total += weight[i] * loss
    return total


def _hessian_product(raw, y, weight, tangent, rows, outputs, scale, parameters):
    p = _parameters(parameters)
    for i in range(rows):
        factor = real(scale) * weight[i]
        for j in range(i * outputs, (i + 1) * outputs):
            derivatives = _element(y[j], raw[j], p)
            tangent[j] *= factor * derivatives[2] if y[j] == y[j] else real(0)


class Separable(Rule):
    """A loss that is a sum over outputs, given by a rule for one output.

    Parameters
    ----------
    element : inline function
        Maps target, raw output and the loss's parameters, by their names, to the loss of one
        output and its first two derivatives by the raw output.
    link : kernel, default=None
    out_activation : str, default="identity"
        What scikit-learn calls the link.
    twice : bool, default=True
        Whether there is a second derivative; otherwise the rule returns the first one only.
    distribution : str or None, default=None
        As in `Form`.
    """

    def __init__(
        self, element, link=None, out_activation="identity", twice=True, distribution=None
    ):
        self.element = element
        self.link = link
        self.out_activation = out_activation
        self.twice = twice
        self.distribution = distribution

    def _make_kernels(self, parameters):
        helpers = {"_element": self.element, "_parameters": named_doubles(*parameters)}
        product = None
        if self.twice:
            product = instantiate(_hessian_product, HESSIAN_PRODUCT, **helpers)
        return Form(
            instantiate(_evaluate, EVALUATE, **helpers),
            self.link,
            self.out_activation,
            product,
            distribution=self.distribution,
        )


class ByRow(Rule):
    """A loss that needs all outputs of a row at once: kernels with loops of their own.

    Parameters
    ----------
    evaluate, hessian_product : function
        Templates of kernels, in which ``_parameters`` reads the loss's parameters by their
        names; without a second derivative ``hessian_product`` is None.
    link : kernel, default=None
    out_activation : str, default="identity"
    has_variances : bool, default=False
    distribution : str or None, default=None
        As in `Form`.
    helpers : inline functions
        Replace the globals of these names in the templates.
    """

    def __init__(
        self,
        evaluate,
        hessian_product,
        link=None,
        out_activation="identity",
        has_variances=False,
        distribution=None,
        **helpers,
    ):
        self.evaluate = evaluate
        self.hessian_product = hessian_product
        self.link = link
        self.out_activation = out_activation
        self.has_variances = has_variances
        self.distribution = distribution
        self.helpers = helpers

    def _make_kernels(self, parameters):
        helpers = {**self.helpers, "_parameters": named_doubles(*parameters)}
        product = None
        if self.hessian_product is not None:
            product = instantiate(self.hessian_product, HESSIAN_PRODUCT, **helpers)
        evaluate = instantiate(self.evaluate, EVALUATE, **helpers)
        return Form(
            evaluate,
            self.link,
            self.out_activation,
            product,
            self.has_variances,
            self.distribution,
        )


_one = None  # in the templates below: that of a single output, a row of it at a time


def _evaluate_each(raw, y, weight, delta, rows, outputs, scale, parameters):
    n = np.int64(parameters[0])
    own = offset(parameters, 1 + n)
    total = 0.0
    for i in range(rows):
        first = i * outputs
        for k in range(n):
            n_classes = np.int64(parameters[1 + k])
            if n_classes > 1:
                total += _one(
                    offset(raw, first), offset(y, i * n + k), offset(weight, i),
                    offset(delta, first), 1, n_classes, scale, own,
                )  # fmt: skip
            else:  # a single class leaves nothing to learn; NaN stays NaN
                delta[first] = real(0) * raw[first]
                total += delta[first]
            first += n_classes
    return total


def _hessian_product_of_each(raw, y, weight, tangent, rows, outputs, scale, parameters):
    n = np.int64(parameters[0])
    own = offset(parameters, 1 + n)
    for i in range(rows):
        first = i * outputs
        for k in range(n):
            n_classes = np.int64(parameters[1 + k])
            if n_classes > 1:
                _one(
                    offset(raw, first), offset(y, i * n + k), offset(weight, i),
                    offset(tangent, first), 1, n_classes, scale, own,
                )  # fmt: skip
            else:
                tangent[first] *= real(0) * raw[first]
            first += n_classes


class OfEachOutput(Rule):
    """A loss of one output of several classes, summed over outputs with classes of their own.

    The raw outputs for the classes of the first one come first. The vector of parameters starts
    with the number of outputs and that of the classes of each.

    Parameters
    ----------
    one : ByRow
        The rule for one output. Its link applies to the raw outputs of one at a time.
    """

    def __init__(self, one):
        self.one = one

    def _make_kernels(self, parameters):
        one, product = self.one, None
        helpers = {**one.helpers, "_parameters": named_doubles(*parameters)}
        if one.hessian_product is not None:
            of_one = inline_template(one.hessian_product, **helpers)
            product = instantiate(_hessian_product_of_each, HESSIAN_PRODUCT, _one=of_one)
        evaluate = instantiate(
            _evaluate_each, EVALUATE, _one=inline_template(one.evaluate, **helpers)
        )
        distribution = one.distribution and f"{one.distribution}, of each output"
        return Form(evaluate, one.link, one.out_activation, product, distribution=distribution)


class Loss(Component):
    """Base of the losses.

    The loss of a data set is the weighted mean over samples of the sum over outputs. It is
    computed from the raw outputs, before the link, so that no probability has to be clipped.
    At a kink the derivative is 0 if the subdifferential contains 0; otherwise the class says
    which element of it is taken. A raw output that is NaN makes the loss NaN, but a number to
    predict that is NaN is missing: it adds nothing to the sum over outputs. A rule of a single
    output need not know of that.

    Targets have one column for each output. Those of "multiclass" have one column of class
    indices, and those of "multiclass-multioutput" one for each of several outputs that have
    classes of their own. Those that end in "-probabilities" have the probability of the second
    one of two classes, or those of all of several classes; where these are 0 and 1, the loss is
    that of the class.
    """

    #: The rule for each type of target: "binary", "binary-probabilities", "multiclass",
    #: "multiclass-probabilities", "multiclass-multioutput", "multilabel-indicator" or
    #: "continuous".
    _forms = {}

    #: For each type of target the type of their mixtures, for which the loss is, up to a constant,
    #: the mean of those of what is mixed.
    _mixtures = {}

    #: Whether the predictions of a classifier are probabilities.
    has_probabilities = True

    #: Whether second derivatives by the raw outputs exist everywhere.
    is_twice_differentiable = True

    #: Whether `score` is R², which is not defined for fewer than two samples.
    _scores_by_r2 = True

    #: Whether validation without a scorer is by the loss itself rather than by `score`.
    validates_by_loss = False

    @staticmethod
    def from_functions(value, derivative):
        """Make a loss for regression from plain Python functions of two numbers.

        Its predictions are the raw outputs. Numba compiles the functions when a network
        first uses them, once for each process and floating type. They may use arithmetic,
        branches, `math` and NumPy's functions of scalars, and must not raise. If they can
        be imported, the loss can be pickled.

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
        if target_type not in self._forms:
            raise ValueError(
                f"The loss {type(self).__name__} is not defined for {target_type} targets, "
                f"only for {', '.join(sorted(self._forms))} ones."
            )
        return self._forms[target_type].kernels(self._kernel_parameters)

    def for_optimizer(self, first_order):
        """Return the loss as a first-order or a full-batch optimizer minimizes it.

        Raises ValueError where it cannot.
        """
        return self

    def unweighted(self):
        """Return the loss whose derivative each row's ``delta`` is, or is a multiple of."""
        return self

    def mixture_form(self, target_type):
        """Return the `Form` for mixtures of targets of a type; None where it has none."""
        mixtures = self._mixtures.get(target_type)
        return None if mixtures is None else self.form(mixtures)

    def check_targets(self, y):
        """Raise ValueError where the loss is not defined for targets ``y``."""

    def is_least_squares(self, form):
        """Whether it is half the sum of squares of raw outputs minus targets, in this form."""
        return False

    def n_outputs(self, n_columns):
        """Return the number of raw outputs for this many columns of continuous targets."""
        return n_columns

    def target_scale(self, mean, std):
        """Return what scaling subtracts from targets of these moments, and what it divides by.

        With a log link they are divided only, by their mean, and stay positive.
        """
        if self._has_log_link:
            return np.zeros_like(mean), np.where(mean > 0, mean, 1.0)
        return mean, std

    def unscaling(self, mean, scale):
        """Return factors and summands of raw outputs that undo the scaling of the targets.

        What predicts targets minus ``mean`` divided by ``scale`` then predicts the targets.
        Raises ValueError where the link lets nothing do that.
        """
        if self._has_log_link:
            if mean.any():
                raise ValueError(
                    f"{self!r} has a log link, but the fitted network has learnt targets minus "
                    "their mean. Fit a clone of the estimator instead."
                )
            return np.ones_like(scale), np.log(scale)
        if self.form("continuous").link is None:
            return scale, mean
        raise ValueError(
            f"scale_targets=True does not apply to {self!r}, whose link neither is the exponential "
            "function nor leaves raw outputs as they are. Set it to False, and scale y yourself."
        )

    @property
    def _has_log_link(self):
        return self.form("continuous").out_activation == "exp"

    def score(self, y, predictions, sample_weight=None):
        """Return the score of predictions of continuous targets, higher being better: R²."""
        return r2_score(y, predictions, sample_weight=sample_weight)


_value = _derivative = None  # in the rule below: a user's functions


def _user_rule(y, raw, p):
    return _value(y, raw), _derivative(y, raw)


class FromFunctions(Loss):
    """A user's own loss; see `Loss.from_functions`."""

    is_twice_differentiable = False
    _parameter_constraints = {"value": [callable], "derivative": [callable]}

    def __init__(self, value, derivative):
        self.value = value
        self.derivative = derivative

    @property
    def _forms(self):
        value, derivative = user_function(self.value, 2), user_function(self.derivative, 2)
        element = inline_template(_user_rule, _value=value, _derivative=derivative)
        return {"continuous": Separable(element, twice=False)}
