"""How training reports to scikit-learn's callbacks: as one task for each epoch or iteration."""

from contextlib import contextmanager
from functools import cached_property

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:
        """Stands in where scikit-learn has no callbacks."""

        def _init_callback_context(self, **kwargs):
            return None


def refuse_callbacks_of_whole_fits(estimator):
    """Raise ValueError where a callback has no place in partial_fit, as it says itself."""
    for callback in getattr(estimator, "_skl_callbacks", ()):
        if hasattr(callback, "refuse_partial_fit"):
            callback.refuse_partial_fit()


class CallbackRunner:
    """Runs the hooks of an estimator's callbacks, if it has any, around its tasks.

    Parameters
    ----------
    estimator : BaseMLP
    context : CallbackContext or None
        Of the whole fit.
    data : tuple of X, y, and sample_weight, which may be None
    rows : ndarray of int64 or None
        The rows of ``data`` that are trained on, which callbacks see; None means all.
    attributes : callable
        Returns the fitted attributes, as if training had ended.
    """

    def __init__(self, estimator, context, data, rows, attributes):
        self._estimator = estimator
        self._root = context if hasattr(estimator, "_skl_callbacks") else None
        self._data = data
        self._rows = rows
        self._attributes = attributes
        self._task = None
        self._watch = getattr(estimator, "_watch", None)

    @property
    def keeps_interrupted(self):
        """Whether training that Ctrl-C ends is kept; a watcher is interrupted itself."""
        return self._watch is None

    @cached_property
    def _arguments(self):
        X, y, sample_weight = self._data
        if self._rows is not None:
            X, y = X[self._rows], y[self._rows]
            sample_weight = None if sample_weight is None else sample_weight[self._rows]
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        return {"estimator": self._estimator, "X": X, "y": y, "metadata": metadata}

    def begin_fit(self):
        if self._root is not None:
            self._root.call_on_fit_task_begin(**self._arguments)

    def end_fit(self, attributes):
        """End the fit, adding ``attributes``, and before it a task that was never carried out."""
        self._end_task()
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._arguments, reconstruction_attributes=attributes)

    def begin(self):
        """Begin an epoch or iteration, unless it has begun."""
        if self._root is not None and self._task is None:
            self._task = self._root.subcontext(task_name="epoch")
            self._task.call_on_fit_task_begin(**self._arguments)

    def end(self):
        """End the epoch or iteration; return whether a callback or the watcher asks to stop."""
        stops = self._end_task()
        return stops or (self._watch is not None and self._watch(self._attributes))

    def _end_task(self):
        if self._task is None:
            return False
        task, self._task = self._task, None
        return task.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=self._attributes
        )


@contextmanager
def watched(estimator, watch):
    """Call ``watch`` after each epoch or iteration of the fits of ``estimator`` in this context.

    It is given a function that returns the fitted attributes, as if training had ended, and
    returns whether to stop. Ctrl-C is then raised, rather than caught to keep what is learnt.
    """
    estimator._watch = watch
    try:
        yield
    finally:
        del estimator._watch
