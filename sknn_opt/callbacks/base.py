"""What callbacks for networks have in common."""

import importlib

from sklearn.utils._param_validation import validate_parameter_constraints

from .._estimators.base import BaseMLP


class NetworkCallback:
    """Base of the callbacks that are set on a network, and that look on at each of its epochs.

    One object serves all clones of a network, also in several threads.
    """

    #: The limits of the constructor's arguments.
    _limits = {}

    #: What to do in place of it between two calls of partial_fit.
    _instead: str

    def _check(self, **given):
        """Raise ImportError without scikit-learn's callbacks, ValueError for wrong arguments."""
        name = type(self).__name__
        if not hasattr(BaseMLP, "set_callbacks"):
            raise ImportError(
                f"{name} needs the callbacks of scikit-learn 1.9 or later. With an earlier "
                f"version, call partial_fit in a loop, and {self._instead} between calls."
            )
        validate_parameter_constraints(self._limits, given, caller_name=name)

    def refuse_partial_fit(self):
        """Raise ValueError: each call would be a fit of its own."""
        raise ValueError(
            f"{type(self).__name__} is for fit. A call of partial_fit is one epoch: "
            f"{self._instead} between two calls."
        )

    def setup(self, estimator, context):
        """Check that it has been set on a network."""
        if not isinstance(estimator, BaseMLP):
            raise TypeError(
                f"{type(self).__name__} is for the networks of sknn_opt, not for "
                f"{type(estimator).__name__}: call set_callbacks of the network itself."
            )

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Look at the network after an epoch."""
        if context.task_name == "epoch":
            self._after_epoch(context.parent, fitted_estimator.history_)

    def _after_epoch(self, fit, history):
        """Look at what has happened up to the last epoch of a fit, known by its context."""
        raise NotImplementedError

    def teardown(self, estimator, context):
        """Do nothing."""


def latest(history):
    """Return the numbers of the last epoch by their names; they count from 1."""
    return len(history["loss"]), {name: values[-1] for name, values in history.items()}


def import_for(callback, library):
    """Import a library that a callback needs; raise ImportError with what to install."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        package = library.partition(".")[0]
        raise ImportError(
            f"{type(callback).__name__} needs the package {package}: pip install {package}."
        ) from error
