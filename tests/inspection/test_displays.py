import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import load_iris

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.initializers import Zeros
from sknn_opt.inspection import (
    GradientFlowDisplay,
    LearningRateFinderDisplay,
    ScheduleDisplay,
    TrainingCurveDisplay,
    diagnose,
    find_learning_rate,
)
from sknn_opt.schedules import SCHEDULES, Cosine, InvScaling

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread", "closed_figures"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_iris(return_X_y=True)
NETWORK = MLPClassifier((9, 9), max_iter=12, learning_rate_init=0.01, random_state=0)


@pytest.fixture
def closed_figures():
    with matplotlib.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


def fitted(**parameters):
    return MLPClassifier(**{**NETWORK.get_params(), **parameters}).fit(X, Y)


DISPLAYS = {
    TrainingCurveDisplay: lambda **kwargs: TrainingCurveDisplay.from_estimator(fitted(), **kwargs),
    GradientFlowDisplay: lambda **kwargs: GradientFlowDisplay.from_estimator(
        NETWORK, X, Y, **kwargs
    ),
    LearningRateFinderDisplay: lambda **kwargs: LearningRateFinderDisplay.from_estimator(
        NETWORK, X, Y, **kwargs
    ),
    ScheduleDisplay: lambda **kwargs: ScheduleDisplay.from_estimator(NETWORK, **kwargs),
}


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda cls: cls.__name__)
def test_displays_keep_to_the_convention(display):
    own = DISPLAYS[display]()
    assert isinstance(own, display)
    assert own.ax_.figure is own.figure_
    _, ax = plt.subplots()
    given = DISPLAYS[display](ax=ax)
    assert given.ax_ is ax
    assert given.figure_ is ax.figure
    assert given.plot() is given
    assert given.ax_ is not ax
    for axes in (own.ax_, given.ax_):
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert axes.get_legend()
    own.figure_.canvas.draw()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_training_curve_is_the_history(early_stopping):
    network = fitted(early_stopping=early_stopping)
    display = TrainingCurveDisplay.from_estimator(network)
    loss, *validation = display.lines_
    np.testing.assert_array_equal(loss.get_xdata(), np.arange(1, network.n_iter_ + 1))
    np.testing.assert_array_equal(loss.get_ydata(), network.loss_curve_)
    assert len(validation) == 2 * early_stopping
    if early_stopping:
        validation_loss, score = validation
        np.testing.assert_array_equal(
            validation_loss.get_ydata(), network.history_["validation_loss"]
        )
        np.testing.assert_array_equal(score.get_ydata(), network.validation_scores_)
        assert score.axes is display.score_ax_


def test_the_training_curve_shows_validation_where_there_is_one():
    history = {
        "loss": [2.0, 1.0, 0.01],
        "validation_loss": [2.5, 2.0, 1.9],
        "validation_score": [np.nan, 0.1, 0.3],
        "time": [0, 1, 2],
    }
    display = TrainingCurveDisplay(history).plot()
    labels = [text.get_text() for text in display.score_ax_.get_legend().get_texts()]
    assert labels == ["training loss", "validation loss", "validation score"]
    assert [line.axes for line in display.lines_] == [display.ax_] * 2 + [display.score_ax_]
    assert display.ax_.get_yscale() == "log"
    history |= {"validation_score": [np.nan] * 3, "loss": [1.0, -1.0, -2.0]}
    display = TrainingCurveDisplay(history).plot()
    assert len(display.lines_) == 2
    assert display.score_ax_ is None
    assert display.ax_.get_yscale() == "linear"


def test_the_gradient_flow_is_that_of_the_diagnosis():
    statistics = diagnose(NETWORK, X, Y).statistics
    display = GradientFlowDisplay.from_estimator(NETWORK, X, Y)
    for line, name in zip(display.lines_, ("gradients", "activations"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), statistics[name])
        np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2])
    assert display.ax_.get_yscale() == "log"
    low, high = display.ax_.get_ylim()
    assert low < min(statistics["gradients"]) < max(statistics["gradients"]) < high


def test_gradients_of_zero_can_be_drawn():
    zeros = MLPClassifier((5, 5), initializer=Zeros(), random_state=0)
    GradientFlowDisplay.from_estimator(zeros, X, Y).figure_.canvas.draw()
    GradientFlowDisplay(np.zeros(3), np.full(3, np.nan)).plot().figure_.canvas.draw()


def test_the_finder_draws_the_test():
    test = find_learning_rate(NETWORK, X, Y, start=1e-5, end=1.0, n_steps=50)
    display = LearningRateFinderDisplay.from_estimator(
        NETWORK, X, Y, start=1e-5, end=1.0, n_steps=50
    )
    losses, smoothed, suggestion = display.lines_
    np.testing.assert_array_equal(losses.get_xydata().T, [test.learning_rates, test.losses])
    np.testing.assert_array_equal(smoothed.get_ydata(), test.smoothed_losses)
    np.testing.assert_array_equal(suggestion.get_xdata(), test.suggestion)
    assert display.ax_.get_xscale() == "log"
    low, high = display.ax_.get_ylim()
    assert low < test.smoothed_losses.min() < test.smoothed_losses[0] < high


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_schedule_is_the_one_that_training_follows(schedule):
    network = fitted(learning_rate=schedule, warmup=3, batch_size=30, tol=0, n_iter_no_change=99)
    display = ScheduleDisplay.from_estimator(network, n_samples=len(X))
    epochs, rates = display.line_.get_xydata().T
    # The rate of an epoch's last step, of 5.
    last = np.arange(12) + 0.8
    assert np.all(np.diff(epochs) > 0)
    if SCHEDULES[schedule]._unit == "epochs":
        np.testing.assert_allclose(
            np.interp(last, epochs, rates), network.history_["learning_rate"], rtol=0.05
        )
    else:
        # Its factor stays for an epoch, the warm-up's rises.
        np.testing.assert_allclose(
            rates[np.searchsorted(epochs, last, "right") - 1],
            network.history_["learning_rate"],
            rtol=0.05,
        )


def test_schedules_by_name_or_object():
    display = ScheduleDisplay.from_schedule(Cosine(end=0.5), 1000, learning_rate_init=0.1)
    assert display.line_.get_label() == "Cosine(end=0.5)"
    np.testing.assert_allclose(display.learning_rates[[0, 500]], [0.1, 0.075])
    second = ScheduleDisplay.from_schedule("cosine", 10, name="all", ax=display.ax_)
    labels = [text.get_text() for text in second.ax_.get_legend().get_texts()]
    assert labels == ["Cosine(end=0.5)", "all"]
    assert second.epochs.max() < 10


def test_schedules_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="n_samples is needed"):
        ScheduleDisplay.from_schedule(InvScaling(), 10)
    with pytest.raises(ValueError, match="LBFGS has no learning rate"):
        ScheduleDisplay.from_estimator(MLPRegressor(optimizer="lbfgs"))


def test_matplotlib_is_imported_for_pictures_only():
    code = """
import sys
sys.modules["matplotlib"] = None
from sknn_opt.inspection import ScheduleDisplay
display = ScheduleDisplay([0, 1], [1, 2])
try:
    display.plot()
except ImportError as error:
    assert "ScheduleDisplay.plot requires matplotlib" in str(error), error
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)
