"""Training as curves in TensorBoard."""

import os
from pathlib import Path

from .base import NetworkCallback, import_for, latest


class TensorBoard(NetworkCallback):
    """Writes what `history_` has of each epoch to event files, which TensorBoard draws.

    Each fit has a folder of its own, and so is a run in TensorBoard: it is named after the
    time and the outermost estimator, and within a search or a committee numbers tell the fits
    apart. The first epoch is step 1. See them with ``tensorboard --logdir`` and the folder.

    Set it on the network itself, also where that is a part of a pipeline or of a search.

    Parameters
    ----------
    log_dir : str or path-like
        The folder of all runs. It is made if need be.

    Raises
    ------
    ImportError
        If tensorboard is not installed, or with scikit-learn before 1.9, which has no callbacks.
    ValueError
        In ``partial_fit``, whose calls are epochs of their own.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.callbacks import TensorBoard
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = MLPClassifier((20,), learning_rate_init=0.01, tol=1e-3, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = model.set_callbacks(TensorBoard(folder)).fit(X, y)
    ...     (run,) = Path(folder).iterdir()
    >>> print(run.name)  # of this time
    20..._MLPClassifier_...
    """

    _limits = {"log_dir": [str, os.PathLike]}
    _instead = "write history_ with tensorboard.summary.Writer"

    def __init__(self, log_dir):
        self._check(log_dir=log_dir)
        import_for(self, "tensorboard.summary")
        self.log_dir = log_dir
        self._writers = {}

    def setup(self, estimator, context):
        """Open a run."""
        super().setup(estimator, context)
        folder = Path(self.log_dir).joinpath(*_run_name(context))
        self._writers[context] = import_for(self, "tensorboard.summary").Writer(str(folder))

    def _after_epoch(self, fit, history):
        epoch, values = latest(history)
        for name, value in values.items():
            self._writers[fit].add_scalar(name, value, epoch)

    def teardown(self, estimator, context):
        """Close the run."""
        writer = self._writers.pop(context, None)
        if writer is not None:  # which setup could not open
            writer.close()

    def __getstate__(self):
        # Writers stay in the process that has opened them.
        return {**vars(self), "_writers": {}}


def _run_name(context):
    """Return the folders of a fit: the outermost one's, and numbers of those inside of it."""
    numbers = []
    while context.parent is not None:
        numbers.insert(0, str(context.task_id))
        context = context.parent
    start = f"{context.init_time:%Y-%m-%d_%H-%M-%S}"
    # Two fits may start in the same second.
    outermost = f"{start}_{context.estimator_name}_{context.root_uuid.hex[:6]}"
    return [outermost, "-".join(numbers)] if numbers else [outermost]
