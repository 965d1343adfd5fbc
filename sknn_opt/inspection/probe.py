"""Networks open to inspection: copies of estimators, and what their layers hold.

Everything here works on a copy. The estimator that a user passes never changes.
"""

import copy
import ctypes
import math
from dataclasses import replace

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from .._compiler.declarations import inline
from .._estimators.base import BaseMLP
from .._estimators.fitting import Fit
from .._network.layout import Layout, describe
from .._network.problem import Evaluator, Problem
from .._training.mini_batch import Rates
from .._training.objective import Objective
from .._training.row_sums import RowSums
from ..batches import FixedBatch
from ..losses.base import Loss, Separable


def check_estimator_type(estimator):
    """Raise TypeError for what is no network of this package."""
    if not isinstance(estimator, BaseMLP):
        raise TypeError(
            f"Expected an MLPClassifier or MLPRegressor of sknn_opt, got {type(estimator)!r}. "
            "Of a pipeline, pass the last step and the data that reach it: pipeline[-1] and "
            "pipeline[:-1].transform(X)."
        )


def is_fitted(estimator):
    return hasattr(estimator, "coefs_")


def make_trainer(estimator, X, y, sample_weight=None, dtype=None):
    """Return a trainer on all rows that starts where ``estimator`` is.

    That is at its fitted parameters, or else at the initial ones. ``dtype`` replaces its
    floating type.
    """
    check_estimator_type(estimator)
    twin = copy.deepcopy(estimator)
    twin.set_params(
        early_stopping=False, scoring=None, averaging=None, warm_start=True, verbose=False
    )
    twin._validate_params()
    if dtype is not None:
        twin.dtype = dtype
        if is_fitted(twin):
            # The type of the fitted network is theirs.
            twin.coefs_ = [layer["coefs"].astype(dtype) for layer in twin._fitted_parameters()]
    twin._optimizer_state_ = None
    # Unlike a warm start, an increment need not see every class.
    balanced = getattr(twin, "class_weight", None) == "balanced"
    incremental = is_fitted(twin) and is_classifier(twin) and not balanced
    return Fit(twin, X, y, sample_weight, (None, None, None), incremental).trainer(None)


def train_steps(trainer, n_steps, learning_rate, schedule, observe):
    """Take steps on mini-batches, until ``observe(rate, loss)``, after each, returns True.

    The trainer has taken none. ``schedule`` multiplies ``learning_rate``; its time ends with
    ``n_steps``.
    """
    n_rows = trainer.problem.n_rows
    batch_size = trainer.batch_size(0, n_rows)
    steps, step = trainer.steps, 0
    steps.batch_size = FixedBatch(batch_size)
    steps.rates = Rates(learning_rate, schedule, None, n_steps / -(-n_rows // batch_size))
    while step < n_steps:
        loss = rows = 0.0  # the sums start anew with each epoch
        for rate in trainer.epoch(batches_per_call=1):
            steps.note()
            if steps.state.step == step:
                continue  # the batch had no weight
            before = loss, rows
            loss, rows, step = float(steps.loss), float(steps.rows_seen), steps.state.step
            if observe(rate, (loss - before[0]) / (rows - before[1])) or step == n_steps:
                return


def thawed(problem, theta):
    """Return a problem without frozen layers, and a copy of its parameters ``theta``."""
    layout = problem.layout
    whole = Layout([spec._replace(rate=1.0) for spec in layout.specs])
    return replace(problem, layout=whole), whole.pack(layout.by_layer(theta), theta.dtype)


class Probe:
    """Objective and gradient at ``theta``, and the layers of the last pass. No dropout.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        May be changed in place between calls.
    at_once : bool, default=True
        Whether all rows are one block, so that the layers hold all of them.
    """

    def __init__(self, problem, theta, at_once=True):
        self.problem = replace(problem, architecture=problem.architecture.without_dropout())
        self.theta = theta
        plan = problem.plan(problem.n_rows, at_once=at_once)
        sums = RowSums(self.problem, theta, plan=plan)
        self._objective = Objective(self.problem, theta, sums)
        self.network = sums.evaluators[0].network
        self.gradient = None

    def objective(self):
        """Return loss and L2 penalty; leave their gradient in ``gradient``."""
        loss, self.gradient = self._objective.smooth_part()
        return float(loss)

    def layer(self, i, name):
        """Return layer ``i``'s buffer of that name, of the rows of the last block."""
        rows = (self.problem.n_rows - 1) % self.network.max_rows + 1
        return layer_buffer(self.network, i, name, rows)


def layer_buffer(network, i, name, rows):
    """View the first rows of a layer's buffer: "a", "out" or "delta"."""
    shape = rows, int(network.layers[i]["fan_out"])
    n_bytes = math.prod(shape) * network.dtype.itemsize
    memory = (ctypes.c_char * n_bytes).from_address(int(network.layers[i][name]))
    return np.frombuffer(memory, network.dtype).reshape(shape)


@inline
def _project(y, raw, p):
    return raw * y, y


class _Projection(Loss):
    """The raw outputs times ``y``: the backward pass starts from any ``delta``."""

    _forms = {"continuous": Separable(_project, twice=False)}


class FittedNetwork:
    """A fitted network over ``X``, as it predicts, open for forward and backward passes.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    dropout : bool, default=False
        Whether units are dropped all the same.

    Attributes
    ----------
    direction : ndarray of shape (n_samples, n_outputs)
        What the backward pass starts from, 0 at first.
    """

    def __init__(self, estimator, X, dropout=False):
        check_estimator_type(estimator)
        check_is_fitted(estimator)
        parameters = estimator._fitted_parameters()
        dtype = parameters[0]["coefs"].dtype
        X = estimator._validate_features(X, dtype)
        self.n_rows, self.n_features = X.shape
        architecture = estimator._fitted_architecture
        if not dropout:
            architecture = architecture.without_dropout()
        n_outputs = parameters[-1]["coefs"].shape[1]
        units = [*(layer["coefs"].shape[0] for layer in parameters), n_outputs]
        layout = Layout(describe(units, architecture.normalizations))
        theta = layout.pack(parameters, dtype)
        self.coefs = layout.by_name(theta)["coefs"]
        self.direction = np.zeros((self.n_rows, n_outputs), dtype)
        loss = _Projection()
        problem = Problem(
            X=X,
            y=self.direction,
            sample_weight=None,
            loss=loss,
            form=loss.form("continuous"),
            architecture=architecture,
            layout=layout,
            alpha=0.0,
            l1_ratio=0.0,
        )
        plan = problem.plan(self.n_rows, estimator.n_jobs)
        self._evaluator = Evaluator(problem, theta, plan, None, updates_statistics=False)
        self.network = self._evaluator.network

    def drops(self):
        """Whether any unit or feature may be dropped."""
        return self.network.layers["dropout"].any() or self.network.source.dropout > 0

    def draw_masks(self, random_state):
        """Draw which units and features are dropped."""
        largest = np.iinfo(np.int64).max
        keys = random_state.randint(largest, size=self.network.n_layers, dtype=np.int64)
        # The output layer drops nothing, so the last key is left for the features.
        self.network.layers["mask_key"] = keys
        self.network.source.mask_key = keys[-1]

    def raw_outputs(self):
        return self.network.raw_outputs()

    def hidden_outputs(self, layer):
        """Outputs of a hidden layer, of shape (n_samples, n_units)."""
        outputs = np.empty((self.n_rows, self.coefs[layer].shape[1]), self.network.dtype)
        for start, rows in self.network.blocks():
            self.network.forward(start, rows, layer + 1)
            outputs[start : start + rows] = layer_buffer(self.network, layer, "out", rows)
        return outputs

    def input_gradient(self):
        """Derivative of raw outputs times ``direction`` by the features."""
        gradient = np.empty((self.n_rows, self.n_features), self.network.dtype)
        for start, rows in self.network.blocks():
            self._evaluator(start, rows, 1.0)
            by_output = 0
            for i in reversed(range(self.network.n_layers)):
                through = layer_buffer(self.network, i, "delta", rows) @ self.coefs[i].T
                past = by_output if self.network.layers[i]["residual"] else 0
                by_output = through + past
            gradient[start : start + rows] = by_output
        return gradient
