"""What scikit-learn's callbacks learn of training: one task an epoch or iteration."""

from functools import cached_property

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:
        """Stands in where scikit-learn has no callbacks."""

        def _init_callback_context(self, **kwargs):
            return None


class Tasks:
    """Runs the hooks of an estimator's callbacks, if it has any, around its tasks.

    Parameters
    ----------
    estimator : BaseMLP
    context : CallbackContext or None
        Of the whole fit.
    X, y : array-like
        Training data, as callbacks shall see them.
    sample_weight : ndarray or None
    """

    def __init__(self, estimator, context, X, y, sample_weight):
        self._estimator = estimator
        self._root = context if hasattr(estimator, "_skl_callbacks") else None
        self._data = X, y, sample_weight
        self._task = None
        #: The rows that are trained on; None means all.
        self.rows = None
        #: Returns the fitted attributes, as if training had ended.
        self.attributes = dict

    @cached_property
    def _arguments(self):
        X, y, sample_weight = self._data
        if self.rows is not None:
            X, y = X[self.rows], y[self.rows]
            sample_weight = None if sample_weight is None else sample_weight[self.rows]
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        return {"estimator": self._estimator, "X": X, "y": y, "metadata": metadata}

    def begin_fit(self):
        if self._root is not None:
            self._root.call_on_fit_task_begin(**self._arguments)

    def end_fit(self):
        """End a task that was never carried out, and then the fit."""
        self.end()
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._arguments, reconstruction_attributes={})

    def begin(self):
        """Begin an epoch or iteration, unless it has begun."""
        if self._root is not None and self._task is None:
            self._task = self._root.subcontext(task_name="epoch")
            self._task.call_on_fit_task_begin(**self._arguments)

    def end(self):
        """End it; return whether a callback asks to stop."""
        if self._task is None:
            return False
        task, self._task = self._task, None
        return task.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=self.attributes
        )
