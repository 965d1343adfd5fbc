"""Trials of Optuna that end when they promise nothing."""

from sklearn.utils._param_validation import StrOptions

from .base import NetworkCallback, import_for, latest


class OptunaPruning(NetworkCallback):
    """Reports each epoch to a trial of Optuna, and ends the trial where its pruner says so.

    Make one for each trial, and set it on the network that the trial fits.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The trial that an objective is called with.
    metric : {'validation_score', 'validation_loss', 'loss'}, default='validation_score'
        What is reported, out of `history_`. The first two need ``early_stopping=True``, or
        ``X_val`` and ``y_val`` in fit.

    Raises
    ------
    ImportError
        If optuna is not installed, or with scikit-learn before 1.9, which has no callbacks.
    ValueError
        In ``fit``, where the study has the other direction than the metric, where there is no
        validation set, and in ``partial_fit``, whose calls are epochs of their own.
    optuna.TrialPruned
        In ``fit``, to end the trial; Optuna takes note of it.

    Examples
    --------
    >>> import optuna
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.callbacks import OptunaPruning
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> def objective(trial):
    ...     rate = trial.suggest_float("learning_rate_init", 1e-4, 1e-1, log=True)
    ...     model = MLPClassifier(
    ...         (20,), learning_rate_init=rate, early_stopping=True, tol=1e-2, random_state=0
    ...     )
    ...     model.set_callbacks(OptunaPruning(trial)).fit(X, y)
    ...     return model.best_validation_score_
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> sampler, pruner = optuna.samplers.RandomSampler(seed=0), optuna.pruners.MedianPruner()
    >>> study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    >>> study.optimize(objective, n_trials=5)
    >>> print(study.best_value > 0.8)
    True
    """

    _limits = {"metric": [StrOptions({"validation_score", "validation_loss", "loss"})]}
    _instead = "call trial.report and trial.should_prune"

    def __init__(self, trial, metric="validation_score"):
        self._check(metric=metric)
        import_for(self, "optuna")
        self.trial = trial
        self.metric = metric

    def setup(self, estimator, context):
        """Check that the study wants the metric as it gets better."""
        super().setup(estimator, context)
        study = getattr(self.trial, "study", None)  # which a FixedTrial has none of
        wanted = "maximize" if self.metric == "validation_score" else "minimize"
        if study is not None and study.direction.name.lower() != wanted:
            raise ValueError(
                f"A better network has a {'higher' if wanted == 'maximize' else 'lower'} "
                f"{self.metric}, so its study needs direction={wanted!r}. Choose the direction, or "
                "another metric."
            )

    def _after_epoch(self, fit, history):
        epoch, values = latest(history)
        if self.metric not in values:
            raise ValueError(
                f"OptunaPruning has no {self.metric} to report: set early_stopping=True, give fit "
                "X_val and y_val, or choose metric='loss'."
            )
        self.trial.report(values[self.metric], epoch)
        if self.trial.should_prune():
            pruned = import_for(self, "optuna").TrialPruned
            raise pruned(f"{self.metric} {values[self.metric]:.4g} after {epoch} epochs")
