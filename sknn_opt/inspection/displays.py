"""Pictures, in scikit-learn's convention. matplotlib is imported when one is drawn."""

from types import SimpleNamespace

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from .._estimators.parameters import Configuration
from .._training.mini_batch import Rates
from ..schedules import SCHEDULES
from .diagnosis import diagnose
from .learning_rate import find_learning_rate
from .probe import check_estimator_type

#: Points in time at which a schedule is drawn, at least.
_POINTS = 200


class _Display:
    def _start(self, ax):
        """Set ``ax_`` and ``figure_``, new ones if ``ax`` is None."""
        check_matplotlib_support(f"{type(self).__name__}.plot")
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure


class TrainingCurveDisplay(_Display):
    """Training curve: losses by epoch and, on an axis at the right, the validation score.

    Use `from_estimator`.

    Parameters
    ----------
    history : dict of array-like
        Of equal lengths, one entry an epoch: "loss" and, if there are any, "validation_loss"
        and "validation_score". Everything else is left out.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the losses.
    score_ax_ : matplotlib Axes or None
        With the score.
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import TrainingCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(early_stopping=True, random_state=0).fit(X, y)
    >>> display = TrainingCurveDisplay.from_estimator(network)
    """

    _LABELS = {
        "loss": "training loss",
        "validation_loss": "validation loss",
        "validation_score": "validation score",
    }

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training curve of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        check_estimator_type(estimator)
        check_is_fitted(estimator)
        return cls(estimator.history_).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        self._start(ax)
        self.score_ax_, self.lines_ = None, []
        for i, (name, label) in enumerate(self._LABELS.items()):
            values = np.asarray(self.history.get(name, ()), dtype=float)
            if not np.isfinite(values).any():
                continue
            axes = self.ax_
            if name == "validation_score":
                axes = self.score_ax_ = self.ax_.twinx()
                axes.set_ylabel(label)
            epochs = np.arange(1, values.size + 1)
            style = {"color": f"C{i}", "label": label, "marker": "." if values.size < 30 else ""}
            self.lines_ += axes.plot(epochs, values, **style)
        self.ax_.set(xlabel="epoch", ylabel="loss")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        losses = np.concatenate([line.get_ydata() for line in self.ax_.lines])
        if 0 < 30 * np.nanmin(losses) < np.nanmax(losses):
            self.ax_.set_yscale("log")
        # On the axes that lie on top, so that no line crosses it.
        (self.score_ax_ or self.ax_).legend(handles=self.lines_, loc="center right")
        return self


class GradientFlowDisplay(_Display):
    """Gradients and activations by layer.

    Use `from_estimator`. In a network that learns in all its layers, the lines stay level.

    Parameters
    ----------
    gradients, activations : array-like of shape (n_layers,)
        As in the statistics of `Diagnosis`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import GradientFlowDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((20,) * 10, activation="logistic", random_state=0)
    >>> display = GradientFlowDisplay.from_estimator(network, X, y)
    """

    def __init__(self, gradients, activations):
        self.gradients = gradients
        self.activations = activations

    @classmethod
    def from_estimator(cls, estimator, X, y, sample_weight=None, *, ax=None):
        """Draw the gradients and activations of an estimator, fitted or not.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : GradientFlowDisplay
        """
        statistics = diagnose(estimator, X, y, sample_weight).statistics
        return cls(statistics["gradients"], statistics["activations"]).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : GradientFlowDisplay
        """
        self._start(ax)
        layers = np.arange(len(self.gradients))
        self.lines_ = [
            *self.ax_.plot(layers, self.gradients, marker="o", label="norm of gradients"),
            *self.ax_.plot(
                layers, self.activations, marker="s", label="standard deviation of activations"
            ),
        ]
        self.ax_.set(
            xlabel="layer (the last one is the output)", ylabel="root mean square over samples"
        )
        shown = np.concatenate([self.gradients, self.activations])
        exponents = np.log10(shown[np.isfinite(shown) & (shown > 0)])
        if exponents.size:
            low, high = 10.0 ** np.floor(exponents.min()), 10.0 ** np.ceil(exponents.max())
            self.ax_.set(yscale="log", ylim=(low / 1.5, high * 1.5))
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend()
        return self


class LearningRateFinderDisplay(_Display):
    """Losses of a learning rate range test.

    Use `from_estimator`, or pass the attributes of what `find_learning_rate` returns.

    Parameters
    ----------
    learning_rates, losses, smoothed_losses : array-like of shape (n_steps,)
    suggestion : float

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import LearningRateFinderDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(random_state=0)
    >>> display = LearningRateFinderDisplay.from_estimator(network, X, y)
    """

    def __init__(self, learning_rates, losses, smoothed_losses, suggestion):
        self.learning_rates = learning_rates
        self.losses = losses
        self.smoothed_losses = smoothed_losses
        self.suggestion = suggestion

    @classmethod
    def from_estimator(
        cls, estimator, X, y, sample_weight=None, *, start=1e-6, end=10.0, n_steps=200, ax=None
    ):
        """Run the test of `find_learning_rate`, and draw it.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        start, end : float, default=1e-6, 10
        n_steps : int, default=200
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : LearningRateFinderDisplay
        """
        test = find_learning_rate(
            estimator, X, y, sample_weight, start=start, end=end, n_steps=n_steps
        )
        return cls(**vars(test)).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : LearningRateFinderDisplay
        """
        self._start(ax)
        rates, suggestion = self.learning_rates, self.suggestion
        self.lines_ = [
            *self.ax_.plot(rates, self.losses, color="0.75", label="loss of the mini-batch"),
            *self.ax_.plot(rates, self.smoothed_losses, label="smoothed loss"),
            self.ax_.axvline(
                suggestion, color="C1", linestyle="--", label=f"suggestion: {suggestion:.2g}"
            ),
        ]
        self.ax_.set(xlabel="learning rate", ylabel="loss", xscale="log")
        # How far the loss falls is of interest, not how far it rises at the end.
        first, lowest = self.smoothed_losses[0], np.nanmin(self.smoothed_losses)
        if lowest < first:
            self.ax_.set_ylim(lowest - 0.3 * (first - lowest), first + 0.5 * (first - lowest))
        self.ax_.legend()
        return self


class ScheduleDisplay(_Display):
    """Learning rate by epoch, as a schedule plans it.

    Use `from_estimator` or `from_schedule`. It cannot show how plateaus lower the learning rate of
    the schedule "adaptive".

    Parameters
    ----------
    epochs, learning_rates : array-like of shape (n_points,)
    name : str, default=None
        Label of the line.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D

    Examples
    --------
    >>> from sknn_opt.inspection import ScheduleDisplay
    >>> from sknn_opt.schedules import CosineRestarts
    >>> display = ScheduleDisplay.from_schedule("one_cycle", 70)
    >>> display = ScheduleDisplay.from_schedule(CosineRestarts(), 70, ax=display.ax_)
    """

    def __init__(self, epochs, learning_rates, name=None):
        self.epochs = epochs
        self.learning_rates = learning_rates
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, n_samples=None, name=None, ax=None):
        """Draw the learning rates of an estimator, warm-up included.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted or not, with a first-order optimizer.
        n_samples : int, default=None
            Number of training samples; "invscaling" needs it.
        name : str, default=None
            Label of the line. By default the schedule.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : ScheduleDisplay
        """
        check_estimator_type(estimator)
        configuration = Configuration(estimator)
        if not configuration.is_first_order:
            raise ValueError(f"{type(configuration.optimizer).__name__} has no learning rate.")
        rates = configuration.rates()
        name = str(estimator.learning_rate) if name is None else name
        return cls(*_plan(rates, n_samples), name).plot(ax)

    @classmethod
    def from_schedule(
        cls, schedule, max_iter, *, learning_rate_init=1.0, n_samples=None, name=None, ax=None
    ):
        """Draw a schedule.

        Parameters
        ----------
        schedule : str or Schedule
        max_iter : int
            Number of epochs.
        learning_rate_init : float, default=1.0
            What the schedule multiplies.
        n_samples : int, default=None
            Number of training samples; "invscaling" needs it.
        name : str, default=None
            Label of the line. By default the schedule.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : ScheduleDisplay
        """
        name = str(schedule) if name is None else name
        if isinstance(schedule, str):
            schedule = SCHEDULES[schedule]()
        rates = Rates(learning_rate_init, schedule, None, max_iter)
        return cls(*_plan(rates, n_samples), name).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.

        Returns
        -------
        display : ScheduleDisplay
        """
        self._start(ax)
        (self.line_,) = self.ax_.plot(self.epochs, self.learning_rates, label=self.name)
        self.ax_.set(xlabel="epoch", ylabel="learning rate")
        self.ax_.set_ylim(bottom=0)
        if self.name is not None:
            self.ax_.legend()
        return self


def _plan(rates, n_samples):
    """Return points in time and the learning rates there."""
    if rates.schedule._unit == "samples" and n_samples is None:
        raise ValueError(f"{rates.schedule!r} counts samples: n_samples is needed.")
    per_epoch = -(-_POINTS // rates.max_iter)
    planned = [
        rates.of_epoch(
            SimpleNamespace(epoch=epoch, rate_factor=1.0), epoch * (n_samples or 0), per_epoch
        )
        for epoch in range(rates.max_iter)
    ]
    return np.arange(rates.max_iter * per_epoch) / per_epoch, np.concatenate(planned)
