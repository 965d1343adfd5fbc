"""Analytic gradients against central differences."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils import check_random_state

from .probe import Probe, make_trainer, thawed

#: Tried in turn: a smaller step meets fewer kinks and has more rounding.
_STEPS = (1e-4, 1e-5, 1e-6)


@dataclass
class LayerGradient:
    """How the gradient of one layer's parameters was checked.

    Attributes
    ----------
    layer : int
        Index into ``coefs_``.
    n_parameters, n_checked : int
        How many parameters the layer has, and of how many the derivatives were compared.
    n_kinks : int
        How many of these have a kink so near that differences mean nothing.
    largest : float
        Size of the largest derivative.
    difference : float
        Largest difference between the two derivatives of a parameter, beyond what the
        rounding of the objective explains. Without kinks.
    error : float
        The same relative to ``largest``, or to what differences can resolve.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import check_gradients
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((10,), "tanh", random_state=0)
    >>> layer = check_gradients(network, X, y, n_checks=20).layers[1]
    >>> layer.layer, layer.n_parameters, layer.n_checked, layer.n_kinks
    (1, 33, 20, 0)
    >>> print(layer.error < 1e-6)
    True
    """

    layer: int
    n_parameters: int
    n_checked: int
    n_kinks: int
    largest: float
    difference: float
    error: float


@dataclass(repr=False)
class GradientCheck:
    """Result of `check_gradients`; prints as a table.

    Attributes
    ----------
    layers : list of LayerGradient
    tol : float

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import check_gradients
    >>> X, y = load_iris(return_X_y=True)
    >>> check = check_gradients(MLPClassifier((10,), "tanh", random_state=0), X, y)
    >>> print(len(check.layers), check.passed, check.error < check.tol)
    2 True True
    """

    layers: list
    tol: float

    @property
    def error(self):
        """Largest error of all layers."""
        return max(layer.error for layer in self.layers)

    @property
    def passed(self):
        """Whether every layer has been compared and its error is at most ``tol``."""
        compared = all(layer.n_checked > layer.n_kinks for layer in self.layers)
        return bool(compared and self.error <= self.tol)

    def __repr__(self):
        verdict = "agree" if self.passed else "DISAGREE"
        lines = [
            f"Gradients {verdict}: largest relative error {self.error:.1e}, tolerance "
            f"{self.tol:.0e}",
            "layer  parameters  checked  kinks  largest  difference    error",
        ]
        lines += [
            f"{x.layer:5d}  {x.n_parameters:10d}  {x.n_checked:7d}  {x.n_kinks:5d}  "
            f"{x.largest:7.1e}  {x.difference:10.1e}  {x.error:7.1e}"
            for x in self.layers
        ]
        return "\n".join(lines)


def check_gradients(estimator, X, y, sample_weight=None, *, n_checks=50, tol=1e-6, random_state=0):
    """Compare the gradient of the objective with central differences, layer by layer.

    Useful for a network with an activation or loss of your own. The objective is the loss with the
    L2 penalty, over all rows at once, in float64 and without dropout or noise, at the fitted
    parameters or, if the estimator is not fitted, at its initial ones. Some dozens of rows are
    enough, and more make it slower.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted or not. Stays as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    n_checks : int, default=50
        Largest number of parameters to check in each layer, drawn at random.
    tol : float, default=1e-6
        Largest relative error with which the check passes.
    random_state : int, RandomState instance or None, default=0
        Source of that draw.

    Returns
    -------
    check : GradientCheck
        With ``passed``, ``error`` and ``layers``. Prints as a table.

    Notes
    -----
    Close to a kink of an activation or a loss, differences are not derivatives. Comparing two
    steps, and their second differences, finds such parameters, which are counted but not compared.

    A loss that weights its gradient on purpose, `sknn_opt.losses.GaussianNLL` with its
    ``beta``, is checked without these weights.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import check_gradients
    >>> X, y = load_iris(return_X_y=True)
    >>> check_gradients(MLPClassifier((10, 10), random_state=0), X, y).passed
    True
    """
    trainer = make_trainer(estimator, X, y, sample_weight, dtype=np.dtype(np.float64))
    problem, theta = thawed(trainer.problem, trainer.theta)
    problem = replace(problem, loss=problem.loss.unweighted())
    probe = Probe(problem, theta, at_once=problem.architecture.uses_batch_statistics)
    loss = probe.objective()
    analytic = probe.gradient.copy()
    random_state = check_random_state(random_state)
    # Differences of the objective resolve no smaller derivatives than this, by their rounding.
    resolved = 1e-4 * max(abs(loss), 1e-4)
    layers = []
    for i, parameters in enumerate(_parameters_of_layers(problem.layout)):
        checked = parameters
        if parameters.size > n_checks:
            checked = random_state.choice(parameters, n_checks, replace=False)
        largest = np.abs(analytic[checked]).max()
        accuracy = tol * max(largest, resolved)
        inputs = np.abs(problem.X if i == 0 else probe.layer(i - 1, "out")).max()
        numeric, rounding = np.transpose(
            [_derivative(probe, j, max(1.0, inputs), accuracy) for j in checked]
        )
        kinks = np.isnan(numeric)
        differences = np.maximum(np.abs(analytic[checked] - numeric) - rounding, 0.0)
        difference = differences[~kinks].max(initial=0.0)
        layers.append(
            LayerGradient(
                layer=i,
                n_parameters=parameters.size,
                n_checked=checked.size,
                n_kinks=int(kinks.sum()),
                largest=float(largest),
                difference=float(difference),
                error=float(difference / max(largest, resolved)),
            )
        )
    return GradientCheck(layers, tol)


def _parameters_of_layers(layout):
    """Yield the numbers of each layer's parameters in theta."""
    for layer in layout.by_layer(np.arange(layout.n_parameters)):
        yield np.concatenate([array.ravel() for array in layer.values()])


def _derivative(probe, j, inputs, accuracy):
    """Central difference of the objective by parameter ``j``, and its bound on rounding.

    Both are NaN where there is a kink.

    A kink of slope ``s`` at a distance ``c`` changes the difference with step h/2 by at most
    the sum of what it changes second differences and, between the steps, first ones. Many
    kinks on both sides of a point can cancel there: many rows have one beside a weight of
    zero. Then the derivative at the point is not the mean of those a step away.
    """
    theta = probe.theta
    middle = theta[j]

    def objective(step):
        theta[j] = middle + step
        value = probe.objective()
        theta[j] = middle
        return np.array([value, probe.gradient[j]])

    centre = objective(0.0)
    for step in _STEPS:
        h = step / inputs
        (up, down), (half_up, half_down) = ((objective(s), objective(-s)) for s in (h, h / 2))
        first, half_first = (up - down)[0] / (2 * h), (half_up - half_down)[0] / h
        bend, half_bend = up - 2 * centre + down, half_up - 2 * centre + half_down
        seen = abs(first - half_first) + abs(bend - 4 * half_bend)[0] / h + abs(half_bend[1]) / 2
        if seen <= accuracy:
            return half_first, 2 * np.finfo(np.float64).eps * abs(centre[0]) / h
    return np.nan, np.nan
