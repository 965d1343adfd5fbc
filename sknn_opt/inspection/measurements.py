"""What a diagnosis measures: the data, the layers and some steps of training."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.base import is_regressor
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis

from .._compiler.declarations import address
from .._estimators.parameters import is_first_order
from ..schedules import Constant
from .probe import Probe, make_trainer, thawed, train_steps
from .skills import Skills

#: Steps of training that are taken.
_N_STEPS = 20

#: An activation is flat where its slope is below this share of its steepest one.
_FLAT = 0.05

#: A unit is dead where it is below this share for all samples.
_DEAD = 1e-3


@dataclass
class Measurements:
    """What was measured of one network on one data set.

    Attributes
    ----------
    layers : dict of ndarray of shape (n_layers,)
        The statistics of `sknn_opt.inspection.Diagnosis`, and "distinct": how many units
        differ from each other.
    features : Spread
    targets : Spread or None
        None where the raw outputs do not predict the targets themselves.
    alpha : float
        The penalty's strength.
    objective : float
    objective_after : float
        After some steps of training.
    learning_rate : float
        The largest one of the schedule; NaN without steps.
    tunes_itself : bool
        Whether the optimizer chooses its steps whatever the learning rate.
    n_steps : int
        How many steps training may take.
    batch_weight : float
        Sum of the sample weights of a batch, which divides the penalty.
    ended_early : bool
        Whether training has ended before ``max_iter``.
    skills : Skills or None
        None without validation data.
    """

    layers: dict
    features: "Spread"
    targets: "Spread | None"
    alpha: float
    objective: float
    objective_after: float = np.nan
    learning_rate: float = np.nan
    tunes_itself: bool = False
    n_steps: int = 0
    batch_weight: float = np.nan
    ended_early: bool = False
    skills: Skills | None = None

    @property
    def n_hidden(self):
        return len(self.layers["units"]) - 1


class Spread:
    """Root mean square, standard deviation and range of each column."""

    def __init__(self, columns):
        if sparse.issparse(columns):
            means, variances = mean_variance_axis(columns, axis=0)
            smallest, largest = min_max_axis(columns, axis=0)
        else:
            means, variances = columns.mean(axis=0), columns.var(axis=0)
            smallest, largest = columns.min(axis=0), columns.max(axis=0)
        self.scales = np.sqrt(means**2 + variances)
        self.deviations = np.sqrt(variances)
        self.ranges = largest - smallest


def measure(estimator, X, y, sample_weight, max_samples, random_state):
    """Return the `Measurements` of an estimator, fitted or not.

    Layers are measured on no more than ``max_samples`` rows.
    """
    trainer = make_trainer(estimator, X, y, sample_weight)
    problem = trainer.problem
    rows = np.arange(problem.n_rows)
    if problem.n_rows > max_samples:
        rows = np.sort(random_state.choice(problem.n_rows, max_samples, replace=False))
    sample = replace(problem, row_indices=rows)
    predicts_targets = is_regressor(estimator) and problem.form.link is None
    weight = problem.sample_weight
    total_weight = problem.n_rows if weight is None else weight.sum(dtype=float)
    # What overflows here is to be found, not to be warned of.
    with np.errstate(all="ignore"):
        probe = Probe(*thawed(sample, trainer.theta))
        objective = probe.objective()
        measured = Measurements(
            layers=_measure_layers(probe),
            features=Spread(problem.X),
            targets=Spread(np.ma.masked_invalid(problem.y)) if predicts_targets else None,
            alpha=problem.alpha,
            objective=objective,
            batch_weight=float(total_weight),
            ended_early=getattr(estimator, "n_iter_", np.inf) < estimator.max_iter,
        )
        if is_first_order(estimator):
            _measure_steps(trainer, measured)
            measured.objective_after = Probe(*thawed(sample, trainer.trained)).objective()
            batch_size = trainer.batch_size(0, problem.n_rows)
            measured.n_steps = estimator.max_iter * -(-problem.n_rows // batch_size)
            measured.batch_weight *= min(1.0, batch_size / problem.n_rows)
    return measured


def _measure_layers(probe):
    network, layout = probe.network, probe.problem.layout
    trained = layout.by_layer(probe.theta[: layout.n_parameters])
    n_rows = probe.problem.n_rows
    columns = []
    for i, parameters in enumerate(trained):
        coefs = parameters["coefs"]
        out, delta = probe.layer(i, "out"), probe.layer(i, "delta")
        units = np.vstack([np.atleast_2d(array) for array in parameters.values()])
        dead = saturated = np.nan
        if i < network.n_layers - 1:
            dead, saturated = _measure_flatness(probe, i)
        columns.append(
            {
                "units": coefs.shape[1],
                "distinct": np.unique(units, axis=1).shape[1],
                "weights": np.sqrt(np.square(coefs, dtype=float).mean()),
                "activations": np.sqrt(out.var(axis=0, dtype=float).mean()),
                "gradients": np.sqrt(np.square(delta, dtype=float).sum() * n_rows),
                "dead": dead,
                "saturated": saturated,
                "update_ratio": np.nan,
            }
        )
    return {name: np.array([column[name] for column in columns]) for name in columns[0]}


def _measure_flatness(probe, i):
    """Return the share of dead units and that of saturated activations."""
    activation, layer = probe.problem.architecture.activations[i], probe.network.layers[i]
    if activation.is_linear:
        return 0.0, 0.0
    slopes = np.ones_like(probe.layer(i, "a"))
    activation.kernels().backward(
        slopes.dtype, int(layer["slope"]), address(slopes), slopes.size, int(layer["parameters"])
    )
    # Far out on both sides, and in between.
    grid = _slopes(activation, np.linspace(-30, 30, 601))
    steepest = np.abs(grid).max()
    ends = np.abs(grid[[0, -1]]) / steepest
    slopes = np.abs(slopes) / steepest
    dead = (slopes < _DEAD).all(axis=0).mean() if ends.min() < _DEAD else 0.0
    saturated = (slopes < _FLAT).mean() if ends.max() < _FLAT else 0.0
    return dead, saturated


def _slopes(activation, z):
    a, slopes, parameters = z.copy(), np.ones_like(z), activation.kernel_parameters()
    stored = np.empty_like(a) if activation.stores_derivatives else a
    kernels, rest = activation.kernels(), (a.size, address(parameters))
    kernels.forward(a.dtype, address(a), address(stored), 0, *rest)
    kernels.backward(a.dtype, address(stored), address(slopes), *rest)
    return slopes


def _measure_steps(trainer, measured):
    """Take some steps; note how long they are beside the weights before all of them."""
    coefs = trainer.problem.layout.by_name(trainer.trained)["coefs"]
    start = [np.linalg.norm(c) for c in coefs]
    before, ratios = [c.copy() for c in coefs], []

    def observe(rate, loss):
        ratios.append([np.linalg.norm(c - b) for c, b in zip(coefs, before, strict=True)])
        for b, c in zip(before, coefs, strict=True):
            b[:] = c

    measured.learning_rate = trainer.rates.initial
    measured.tunes_itself = trainer.optimizer.needs_all_samples
    train_steps(trainer, _N_STEPS, measured.learning_rate, Constant(), observe)
    measured.layers["update_ratio"] = np.mean(ratios, axis=0) / start
