"""Training as metrics of MLflow's runs."""

from .base import NetworkCallback, import_for, latest


class MLflow(NetworkCallback):
    """Logs what `history_` has of each epoch as metrics of a run of MLflow.

    Within ``with mlflow.start_run():`` the metrics belong to that run. A fit that finds no run,
    and each of the fits within a search or a committee, gets a run of its own, a child of the
    active one if there is any, with the network's parameters. The first epoch is step 1.

    Set it on the network itself, also where that is a part of a pipeline or of a search.

    Raises
    ------
    ImportError
        If mlflow is not installed, or with scikit-learn before 1.9, which has no callbacks.
    ValueError
        In ``partial_fit``, whose calls are epochs of their own.

    Examples
    --------
    >>> import mlflow, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.callbacks import MLflow
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> folder = tempfile.TemporaryDirectory()
    >>> mlflow.set_tracking_uri(f"sqlite:///{folder.name}/mlflow.db")
    >>> experiment = mlflow.set_experiment("iris")
    >>> model = MLPClassifier((20,), learning_rate_init=0.01, tol=1e-3, random_state=0)
    >>> with mlflow.start_run() as run:
    ...     model = model.set_callbacks(MLflow()).fit(X, y)
    >>> logged = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    >>> print(len(logged) == model.n_iter_)
    True
    >>> folder.cleanup()
    """

    _instead = "log history_ with mlflow.log_metrics"

    def __init__(self):
        self._check()
        import_for(self, "mlflow")
        self._run_ids, self._own = {}, {}

    def setup(self, estimator, context):
        """Find the run, or start one."""
        super().setup(estimator, context)
        mlflow = import_for(self, "mlflow")
        active = mlflow.active_run()
        if active is not None and not _is_one_of_many(context):
            self._run_ids[context] = active.info.run_id
            return
        own = mlflow.start_run(nested=True, run_name=context.estimator_name)
        self._run_ids[context] = own.info.run_id
        self._own[context] = "FAILED"  # until the fit has ended
        mlflow.log_params(estimator.get_params(deep=False))

    def _after_epoch(self, fit, history):
        epoch, values = latest(history)
        mlflow = import_for(self, "mlflow")
        mlflow.log_metrics(values, step=epoch, run_id=self._run_ids[fit])

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Log an epoch, or know that a fit has come to its end."""
        super().on_fit_task_end(estimator, context, fitted_estimator=fitted_estimator)
        if context in self._own:
            self._own[context] = "FINISHED"

    def teardown(self, estimator, context):
        """End a run of the fit's own."""
        self._run_ids.pop(context, None)
        status = self._own.pop(context, None)
        if status is not None:
            import_for(self, "mlflow").end_run(status)

    def __getstate__(self):
        # Fits stay in the process in which they run.
        return {**vars(self), "_run_ids": {}, "_own": {}}


def _is_one_of_many(context):
    """Whether fits of other networks belong to the same task, such as those of a search."""
    while context.parent is not None:
        context = context.parent
        if not context.sequential_subtasks:
            return True
    return False
