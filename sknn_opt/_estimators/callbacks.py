"""How training reports to scikit-learn's callbacks: as one task for each epoch or iteration."""

from functools import cached_property

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:
        """Stands in where scikit-learn has no callbacks."""

        def _init_callback_context(self, **kwargs):
            return None


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
        self.end()
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._arguments, reconstruction_attributes=attributes)

    def begin(self):
        """Begin an epoch or iteration, unless it has begun."""
        if self._root is not None and self._task is None:
            self._task = self._root.subcontext(task_name="epoch")
            self._task.call_on_fit_task_begin(**self._arguments)

    def end(self):
        """End the epoch or iteration; return whether a callback asks to stop."""
        if self._task is None:
            return False
        task, self._task = self._task, None
        return task.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=self._attributes
        )
