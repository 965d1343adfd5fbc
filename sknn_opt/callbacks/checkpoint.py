"""Fits that outlive a kill."""

import os
from numbers import Integral
from pathlib import Path

from sklearn.utils._param_validation import Interval

from .._estimators import checkpoint_file
from .base import NetworkCallback


class Checkpoint(NetworkCallback):
    """Saves training to a file, from which the same fit goes on after it was killed.

    Run the same script again: a fit of the same estimator on the same data goes on after the
    last epoch that was saved. With a first-order optimizer it ends with the same model, to the
    last bit, as if it had never been killed, for ``random_state=None`` too. A full-batch
    optimizer goes on from the weights, and gathers what it knows of the curvature anew; "lm"
    keeps its damping. A fit that has ended is not repeated: fitting again returns its model
    at once. Ctrl-C does not count as such an end.

    Each fit has a file of its own, named by a hash of the estimator's class and parameters and
    of the data, so that one folder serves the clones and folds of a search. Fits that agree in
    all of these are one fit: with ``random_state=None`` a second one returns the model of the
    first. A file is replaced in one go, so a kill leaves the old one or the new one. It holds
    arrays, numbers and strings, and nothing in it is unpickled.

    Set it on the network itself, also where that is a part of a pipeline or of a search.

    Parameters
    ----------
    path : str or path-like
        The folder of the files. It is made if need be.
    every : int, default=1
        Number of epochs, or of iterations of a full-batch optimizer, from one save to the next.
    resume : bool, default=True
        Whether to go on from a file; False starts anew and writes over it.

    Raises
    ------
    ImportError
        With scikit-learn before 1.9, which has no callbacks.
    ValueError
        In ``fit``, where its file is damaged, of another version or renamed; and in
        ``partial_fit``, whose calls are epochs of their own.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier((20,), learning_rate_init=0.01, tol=1e-3, random_state=0)
    >>> if hasattr(model, "set_callbacks"):  # scikit-learn 1.9 or later
    ...     from sknn_opt.callbacks import Checkpoint
    ...     with tempfile.TemporaryDirectory() as folder:
    ...         model = model.set_callbacks(Checkpoint(folder, every=10)).fit(X, y)
    """

    _limits = {
        "path": [str, os.PathLike],
        "every": [Interval(Integral, 1, None, closed="left")],
        "resume": ["boolean"],
    }
    _instead = "pickle the estimator"

    def __init__(self, path, every=1, resume=True):
        self._check(path=path, every=every, resume=resume)
        self.path = path
        self.every = every
        self.resume = resume

    def setup(self, estimator, context):
        """Make the folder."""
        super().setup(estimator, context)
        Path(self.path).mkdir(parents=True, exist_ok=True)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Save the training if it is time to, or at its end."""
        state = getattr(fitted_estimator, "_training_state", None)
        if state is not None and (
            state["is_complete"] or fitted_estimator.n_iter_ % self.every == 0
        ):
            checkpoint_file.write(self._file(state["name"]), state)

    def saved_state(self, name):
        """Return what has been saved of the fit of this name, or None."""
        file = self._file(name)
        if not (self.resume and file.exists()):
            return None
        state = checkpoint_file.read(file)
        checkpoint_file.check_name(file, state["name"])
        return state

    def _file(self, name):
        return Path(self.path) / f"{name}.checkpoint"
