"""Full-batch optimizers that SciPy's minimizers carry out.

The parameters are SciPy's options. Where a tolerance is None, the estimator's ``tol`` takes
its place; ``max_iter`` and ``max_fun`` stay with the estimator and mean the same for all.
"""

import traceback
from numbers import Integral, Real

import numpy as np
from scipy.optimize import minimize
from sklearn.utils._param_validation import Interval, StrOptions

from .._components import NON_NEGATIVE, POSITIVE
from .base import FullBatch, Stop

_TOLERANCE = [*NON_NEGATIVE, None]
_FRACTION = [Interval(Real, 0, 1, closed="neither")]


class ScipyOptimizer(FullBatch):
    """Base of the optimizers that `scipy.optimize.minimize` carries out."""

    #: SciPy's name of the method.
    _method = None

    #: SciPy's names of the options that are this object's parameters of another name.
    _scipy_names = {}

    #: The options whose None stands for the estimator's tol.
    _tolerances = ("gtol",)

    def _options(self, tol):
        """Return the options of the method, except for its number of iterations."""
        options = {self._scipy_names.get(p, p): v for p, v in self.get_params().items()}
        for name in self._tolerances:
            options[name] = tol if options[name] is None else options[name]
        return options

    def _arguments(self, objective):
        """Return further arguments that the method is called with."""
        return {}

    def check(self, problem):
        super().check(problem)
        parameters = self.get_params()
        if "c1" in parameters and self.c1 >= self.c2:
            raise ValueError(f"c1={self.c1} must be less than c2={self.c2}.")

    def minimize(self, objective, iteration, tol, max_iter):
        # SciPy looks at the argument's name to decide what to pass.
        def callback(intermediate_result):
            iteration(intermediate_result.x, float(intermediate_result.fun))

        try:
            return minimize(
                objective.loss_and_gradient,
                objective.vector(),
                method=self._method,
                jac=True,
                callback=callback,
                options={**self._options(tol), "maxiter": max_iter},
                **self._arguments(objective),
            )
        except ValueError as error:
            if _is_raised_by_us(error):
                raise
            raise Stop(f"because SciPy cannot go on: {str(error).rstrip('.')}.") from error


def _is_raised_by_us(error):
    """Whether it came to SciPy out of a function that it was given, such as a callback.

    SciPy's own errors are of numbers that are not finite.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(frame.f_globals.get("__package__") == __package__ for frame in frames[1:])


class LBFGS(ScipyOptimizer):
    r"""Limited-memory BFGS: the curvature from the last few steps; takes an L1 penalty.

    SciPy's L-BFGS-B. A line search goes along

    .. math:: p = -H g, \qquad H_0 = \frac{s^\top y}{y^\top y} I

    where :math:`g` is the gradient. :math:`H` results from :math:`H_0` by the update of
    `BFGS`, applied with each of the last ``history_size`` pairs of a step :math:`s` and the
    change of the gradient :math:`y`; :math:`H_0` has the newest pair. :math:`H` is never
    stored as a matrix. With bounds, :math:`p` leads to the minimum of the quadratic model
    over the parameters that are not held at their bounds.

    With an L1 penalty it becomes a problem with bounds: every weight is the difference of
    two non-negative numbers, ``w = w⁺ - w⁻``, in which the penalty is linear. Where a
    weight is exactly 0 at the solution, both are at their bound.

    Parameters
    ----------
    history_size : int, default=10
        Number of past steps from which the curvature is estimated.
    gtol : float, default=None
        Stop where the largest element of the projected gradient is at most this. None is
        the estimator's ``tol``.
    ftol : float, default=None
        Stop where an iteration lowers the loss by less than this times the larger of the
        loss and 1. None is 2.2e-9, SciPy's default, or the estimator's ``tol`` if that is
        smaller.
    maxls : int, default=20
        Largest number of evaluations in one line search.

    References
    ----------
    R. H. Byrd, P. Lu, J. Nocedal. "A limited memory algorithm for bound constrained
    optimization". SIAM Journal on Scientific Computing 16(5), 1995.

    D. C. Liu, J. Nocedal. "On the limited memory BFGS method for large scale optimization".
    Mathematical Programming 45, 1989.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import LBFGS
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=LBFGS(history_size=20), alpha=1.0, tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _method = "L-BFGS-B"
    _takes_bounds = True
    _scipy_names = {"history_size": "maxcor"}
    _parameter_constraints = {
        "history_size": [Interval(Integral, 1, None, closed="left")],
        "gtol": _TOLERANCE,
        "ftol": _TOLERANCE,
        "maxls": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, history_size=10, gtol=None, ftol=None, maxls=20):
        self.history_size = history_size
        self.gtol = gtol
        self.ftol = ftol
        self.maxls = maxls

    def _options(self, tol):
        options = super()._options(tol)
        if self.ftol is None:
            # SciPy's default would end a run with a tight tol before its gradient is small.
            options["ftol"] = min(1e7 * np.finfo(float).eps, tol)
        # Evaluations are counted by the trainer, for all methods.
        return {**options, "maxfun": np.inf}

    def _arguments(self, objective):
        return {"bounds": objective.bounds()}


class BFGS(ScipyOptimizer):
    r"""BFGS: a dense estimate of the inverse Hessian from all steps.

    A line search goes along :math:`p = -H g`. Then :math:`H`, the identity at first, is
    updated by the step :math:`s` and the change of the gradient :math:`y`:

    .. math::

        H \leftarrow (I - \rho s y^\top) H (I - \rho y s^\top) + \rho s s^\top,
        \qquad \rho = \frac{1}{y^\top s}

    In fewer iterations than `LBFGS`, each of which costs time and memory in proportion to
    the square of the number of parameters.

    Parameters
    ----------
    gtol : float, default=None
        Stop where the largest element of the gradient is at most this. None is the
        estimator's ``tol``.
    xrtol : float, default=0
        Stop where a step is shorter than this times the length of the parameters.
    c1, c2 : float, default=1e-4, 0.9
        What the line search asks for: of the decrease, and of the slope (Wolfe).
    max_parameters : int, default=5000
        Networks with more parameters are refused; at 5,000 the estimate takes 200 MB.

    References
    ----------
    J. Nocedal, S. J. Wright. "Numerical Optimization", chapter 6. Springer 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import BFGS
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier((20,), optimizer=BFGS(), alpha=1.0, tol=1e-2, random_state=0)
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _method = "BFGS"
    _parameter_constraints = {
        "gtol": _TOLERANCE,
        "xrtol": NON_NEGATIVE,
        "c1": _FRACTION,
        "c2": _FRACTION,
        "max_parameters": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, gtol=None, xrtol=0, c1=1e-4, c2=0.9, max_parameters=5000):
        self.gtol = gtol
        self.xrtol = xrtol
        self.c1 = c1
        self.c2 = c2
        self.max_parameters = max_parameters

    def _options(self, tol):
        options = super()._options(tol)
        del options["max_parameters"]
        return options

    def check(self, problem):
        super().check(problem)
        self._check_size(problem)


class CG(ScipyOptimizer):
    r"""Nonlinear conjugate gradients, after Polak and Ribière: stores four vectors only.

    A line search goes along :math:`p`, which is :math:`-g` at first. With the gradient
    :math:`g'` of the previous iteration:

    .. math::

        p \leftarrow -g + \beta p, \qquad
        \beta = \max\left( 0, \frac{g^\top (g - g')}{g'^\top g'} \right)

    Parameters
    ----------
    gtol : float, default=None
        Stop where the largest element of the gradient is at most this. None is the
        estimator's ``tol``.
    c1, c2 : float, default=1e-4, 0.4
        What the line search asks for: of the decrease, and of the slope (Wolfe).

    References
    ----------
    J. Nocedal, S. J. Wright. "Numerical Optimization", chapter 5. Springer 2006.

    J. C. Gilbert, J. Nocedal. "Global convergence properties of conjugate gradient methods
    for optimization". SIAM Journal on Optimization 2(1), 1992. (The bound of 0.)

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import CG
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier((20,), optimizer=CG(), alpha=1.0, tol=1e-2, random_state=0)
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _method = "CG"
    _parameter_constraints = {"gtol": _TOLERANCE, "c1": _FRACTION, "c2": _FRACTION}

    def __init__(self, gtol=None, c1=1e-4, c2=0.4):
        self.gtol = gtol
        self.c1 = c1
        self.c2 = c2


class _NewtonMethod(ScipyOptimizer):
    """Base of the methods that multiply the Hessian with vectors."""

    def check(self, problem):
        super().check(problem)
        if problem.form.hessian_product is None:
            raise ValueError(
                f"{type(self).__name__} needs second derivatives, which the loss "
                f"{type(problem.loss).__name__} does not have. Choose optimizer='lbfgs', or "
                "a loss with curvature, such as 'log_loss', 'squared_hinge', 'squared_error' or "
                "'huber'."
            )

    def _options(self, tol):
        options = super()._options(tol)
        del options["curvature"]
        return options

    def _arguments(self, objective):
        return {"hessp": objective.hessian_product(exact=self.curvature == "exact")}


_CURVATURE = [StrOptions({"exact", "gauss_newton"})]


class NewtonCG(_NewtonMethod):
    r"""Newton's method, by conjugate gradients that stop at negative curvature.

    A line search goes along :math:`p`, where conjugate gradients, from :math:`p = 0` on,
    solve :math:`H p = -g` with the Hessian :math:`H` as far as

    .. math::

        \| H p + g \|_1 \le \min\left( \tfrac{1}{2}, \sqrt{\| g \|_1} \right) \| g \|_1

    or until they meet a direction of negative curvature. If that is the first one,
    :math:`p` is along :math:`-g`.

    Each iteration multiplies the Hessian with a few vectors, at about twice the cost of a
    gradient each.

    Parameters
    ----------
    xtol : float, default=None
        Stop where the mean absolute change of the parameters in an iteration is at most
        this: the only criterion that the method has. None is the estimator's ``tol``.
    c1, c2 : float, default=1e-4, 0.9
        What the line search asks for: of the decrease, and of the slope (Wolfe).
    curvature : {"exact", "gauss_newton"}, default="exact"
        The Hessian, or its Gauss-Newton matrix, which is positive semidefinite for convex
        losses. The latter also stands in where the Hessian does not exist: with activations
        or losses that are not twice differentiable, as "relu" and "huber".

    References
    ----------
    J. Nocedal, S. J. Wright. "Numerical Optimization", chapter 7. Springer 2006.

    B. A. Pearlmutter. "Fast exact multiplication by the Hessian". Neural Computation 6(1),
    1994.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import NewtonCG
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=NewtonCG(curvature="gauss_newton"),
    ...     alpha=1.0, tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _method = "Newton-CG"
    _tolerances = ("xtol",)
    _parameter_constraints = {
        "xtol": _TOLERANCE,
        "c1": _FRACTION,
        "c2": _FRACTION,
        "curvature": _CURVATURE,
    }

    def __init__(self, xtol=None, c1=1e-4, c2=0.9, curvature="exact"):
        self.xtol = xtol
        self.c1 = c1
        self.c2 = c2
        self.curvature = curvature

    def _options(self, tol):
        options = super()._options(tol)
        # SciPy 1.12 takes no step, and fails, where xtol is 0.
        return {**options, "xtol": max(options["xtol"], np.finfo(float).tiny)}


class TrustNCG(_NewtonMethod):
    r"""Newton's method within a region where its model is trusted, after Steihaug.

    With the gradient :math:`g` and the Hessian :math:`H`, the step is nearly

    .. math::

        p = \arg\min_{\|p\|_2 \le \Delta} \; g^\top p + \tfrac{1}{2} p^\top H p

    The radius :math:`\Delta` falls to a quarter where the loss decreases by less than a
    quarter of what this model predicts. It doubles where the decrease is more than three
    quarters of that and the step ends at the edge.

    It follows negative curvature to the edge of the region, and so leaves saddle points
    that `NewtonCG` may stall at.

    Parameters
    ----------
    gtol : float, default=None
        Stop where the Euclidean norm of the gradient is less than this. None is the
        estimator's ``tol``.
    initial_trust_radius, max_trust_radius : float, default=1.0, 1000.0
        Bounds on the length of a step: that of the first step, and that of all steps.
    eta : float, default=0.15
        Steps that reach less than this share of the predicted decrease are not taken;
        between 0 and 0.25, the latter excluded.
    curvature : {"exact", "gauss_newton"}, default="exact"
        As in `NewtonCG`.

    References
    ----------
    T. Steihaug. "The conjugate gradient method and trust regions in large scale
    optimization". SIAM Journal on Numerical Analysis 20(3), 1983.

    J. Nocedal, S. J. Wright. "Numerical Optimization", chapters 4 and 7. Springer 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.optimizers import TrustNCG
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier(
    ...     (20,), optimizer=TrustNCG(), activation="tanh", alpha=1.0, tol=1e-2, random_state=0
    ... )
    >>> print(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _method = "trust-ncg"
    _parameter_constraints = {
        "gtol": _TOLERANCE,
        "initial_trust_radius": POSITIVE,
        "max_trust_radius": POSITIVE,
        "eta": [Interval(Real, 0, 0.25, closed="left")],
        "curvature": _CURVATURE,
    }

    def __init__(
        self,
        gtol=None,
        initial_trust_radius=1.0,
        max_trust_radius=1000.0,
        eta=0.15,
        curvature="exact",
    ):
        self.gtol = gtol
        self.initial_trust_radius = initial_trust_radius
        self.max_trust_radius = max_trust_radius
        self.eta = eta
        self.curvature = curvature

    def check(self, problem):
        super().check(problem)
        if self.initial_trust_radius >= self.max_trust_radius:
            raise ValueError(
                f"initial_trust_radius={self.initial_trust_radius} must be less than "
                f"max_trust_radius={self.max_trust_radius}."
            )
