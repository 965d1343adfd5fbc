"""Networks opened for looking: copies of estimators, and what their layers hold.

Whatever is looked at here is a copy. The estimator that a user passes never changes.
"""

import contextlib
import copy
import ctypes
import math
from dataclasses import replace

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from .._base import BaseMLP
from .._kernel import kernel
from .._layout import Layout
from .._loss import EVALUATE, Form, Loss
from .._network import batch_gradient, forward_block
from .._problem import BLOCK_ROWS, Batches, Problem
from .._row_blocks import RowBlocks
from .._training import Rates


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
            twin.coefs_ = [coefs.astype(dtype) for coefs in twin._fitted_parameters().coefs]
    twin._optimizer_state_ = None
    # Unlike a warm start, an increment need not see every class.
    balanced = getattr(twin, "class_weight", None) == "balanced"
    incremental = is_fitted(twin) and is_classifier(twin) and not balanced
    trainer, _ = twin._trainer(X, y, sample_weight, (None, None, None), None, incremental)
    return trainer


class _Enough(Exception):
    """Ends training."""


def train_steps(trainer, n_steps, learning_rate, schedule, observe):
    """Take steps on mini-batches, until ``observe(rate, loss)``, after each, returns True.

    The trainer has taken none. ``schedule`` multiplies ``learning_rate``; its time ends with
    ``n_steps``.
    """
    n_rows = trainer.problem.n_rows
    batch_size = trainer.batch_size(0, n_rows)
    n_batches = -(-n_rows // batch_size)
    trainer.batch_size = lambda epoch, n_rows: batch_size
    trainer.rates = Rates(learning_rate, schedule, None, n_steps / n_batches)
    trainer.max_iter = n_steps
    trainer.record.n_iter_no_change = np.inf
    run = trainer.run[0]
    loss = rows = step = 0.0

    def after_step(rate):
        nonlocal loss, rows, step
        if run["step"] == step:
            return  # the batch had no weight
        # The sums start anew with each epoch.
        before = (loss, rows) if run["rows_seen"] > rows else (0.0, 0.0)
        loss, rows, step = float(run["loss"]), float(run["rows_seen"]), int(run["step"])
        if observe(rate, (loss - before[0]) / (rows - before[1])) or step == n_steps:
            raise _Enough

    trainer.after_step = after_step
    with contextlib.suppress(_Enough):
        trainer.fit()


class Probe:
    """Objective and gradient at ``theta``, and the layers of the last pass. No dropout.

    Parameters
    ----------
    problem : Problem
    theta : ndarray of shape (n_values,)
        May be changed in place between calls.
    max_rows : int, default=None
        Size of a block; by default all rows, so that the layers hold all of them.
    """

    def __init__(self, problem, theta, max_rows=None):
        self.problem = replace(problem, architecture=_without_dropout(problem.architecture))
        self.theta = theta
        self._blocks = RowBlocks(problem.n_rows, max_rows or problem.n_rows)
        self.batches = Batches(self.problem, theta, self._blocks.max_rows, problem.rows)
        self.gradient = None

    def objective(self):
        """Return loss and L2 penalty; leave their gradient in ``gradient``."""
        scale = 1.0 / self.problem.total_weight()
        loss, self.gradient = self._blocks.sum([self.batches], scale)
        l2 = self.problem.alpha * (1 - self.problem.l1_ratio) * scale
        n_weights = self.problem.layout.n_weights
        weights = self.theta[:n_weights].astype(np.float64)
        self.gradient[:n_weights] += l2 * weights
        return float(loss) + 0.5 * l2 * (weights @ weights)

    def layer(self, i, name):
        """Return layer ``i``'s buffer of that name, of the rows of the last block."""
        rows = (self.problem.n_rows - 1) % self.batches.network.max_rows + 1
        return layer_buffer(self.batches.network, i, name, rows)


def layer_buffer(network, i, name, rows):
    """View the first rows of a layer's buffer: "z", "pre", "a", "out" or "delta"."""
    shape = rows, int(network.layers[i]["fan_out"])
    n_bytes = math.prod(shape) * network.dtype.itemsize
    memory = (ctypes.c_char * n_bytes).from_address(int(network.layers[i][name]))
    return np.frombuffer(memory, network.dtype).reshape(shape)


def _without_dropout(architecture):
    return architecture._replace(dropout=[0.0] * len(architecture.dropout), input_dropout=0.0)


@kernel(EVALUATE)
def _project(raw, y, weight, delta, rows, outputs, scale, parameters):
    total = 0.0
    for i in range(rows * outputs):
        delta[i] = y[i]
        total += raw[i] * y[i]
    return total


class _Projection(Loss):
    """The raw outputs times ``y``: the backward pass starts from any ``delta``."""

    _forms = {"continuous": Form(_project, None, "identity")}


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
        dtype = parameters.coefs[0].dtype
        X = estimator._validate_features(X, dtype)
        self.n_rows, self.n_features = X.shape
        architecture = estimator._architecture
        if not dropout:
            architecture = _without_dropout(architecture)
        if architecture.normalization is not None:
            # Training's passes, with the statistics of prediction.
            normalization = copy.copy(architecture.normalization)
            normalization._forward = normalization._apply
            architecture = architecture._replace(normalization=normalization)
        n_outputs = parameters.coefs[-1].shape[1]
        units = [*(w.shape[0] for w in parameters.coefs), n_outputs]
        layout, loss = Layout(units, architecture.normalization), _Projection()
        theta = layout.pack(parameters, dtype)
        self.coefs = layout.views(theta).coefs
        self.direction = np.zeros((self.n_rows, n_outputs), dtype)
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
        self._batches = Batches(problem, theta, min(BLOCK_ROWS, self.n_rows), None)
        self.network = self._batches.network

    def drops(self):
        """Whether any unit or feature may be dropped."""
        return self.network.layers["dropout"].any() or self._batches.source._struct["dropout"][0]

    def draw_masks(self, random_state):
        """Draw which units and features are dropped."""
        largest = np.iinfo(np.int64).max
        keys = random_state.randint(largest, size=self.network.n_layers, dtype=np.int64)
        # The output layer drops nothing, so the last key is left for the features.
        self.network.layers["mask_key"] = keys
        self._batches.source._struct["mask_key"] = keys[-1]

    def raw_outputs(self):
        return self.network.raw_outputs(self._batches.source)

    def hidden_outputs(self, layer):
        """Outputs of a hidden layer, of shape (n_samples, n_units)."""
        outputs = np.empty((self.n_rows, self.coefs[layer].shape[1]), self.network.dtype)
        source, layers = self._batches.arguments[:2]
        for start, rows in self._blocks():
            forward_block(self.network.dtype, source, layers, layer + 1, start, rows)
            outputs[start : start + rows] = layer_buffer(self.network, layer, "out", rows)
        return outputs

    def input_gradient(self):
        """Derivative of raw outputs times ``direction`` by the features."""
        gradient = np.empty((self.n_rows, self.n_features), self.network.dtype)
        for start, rows in self._blocks():
            batch_gradient(self.network.dtype, *self._batches.arguments, start, rows, 1.0, 0.0)
            by_output = 0
            for i in reversed(range(self.network.n_layers)):
                through = layer_buffer(self.network, i, "delta", rows) @ self.coefs[i].T
                past = by_output if self.network.layers[i]["residual"] else 0
                by_output = through + past
            gradient[start : start + rows] = by_output
        return gradient

    def _blocks(self):
        for start in range(0, self.n_rows, self.network.max_rows):
            yield start, min(self.network.max_rows, self.n_rows - start)
