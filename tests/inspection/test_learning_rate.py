import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.preprocessing import scale

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.inspection import find_learning_rate
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Rates far too high are tried.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

X, Y = load_digits(return_X_y=True)
X = scale(X)
SEARCHED = [
    name
    for name, cls in OPTIMIZERS.items()
    if issubclass(cls, FirstOrder) and not cls.needs_all_samples
]

#: K-FAC shortens a step that would change the predictions too much, so no rate is too high.
BOUNDS_ITS_STEP = {"kfac"}


def _loss_after_training(estimator, learning_rate):
    estimator = clone(estimator).set_params(learning_rate_init=learning_rate)
    try:
        return estimator.fit(X, Y).loss_
    except ValueError:  # diverged
        return np.inf


@pytest.mark.parametrize("optimizer", SEARCHED)
def test_the_suggestion_trains_better_than_far_lower_and_higher_rates(optimizer):
    estimator = MLPClassifier((30, 30), optimizer=optimizer, max_iter=8, random_state=0)
    suggestion = find_learning_rate(estimator, X, Y).suggestion
    losses = [_loss_after_training(estimator, suggestion * f) for f in (0.01, 1, 100)]
    assert losses[1] < 0.5
    assert losses[1] < 0.8 * losses[0]
    assert losses[1] < 0.8 * losses[2] or optimizer in BOUNDS_ITS_STEP


EASY, CULTIVAR = load_wine(return_X_y=True)
EASY = scale(EASY)


@pytest.mark.parametrize("end", [10, 1e4])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adabelief", "adamax"])
def test_the_suggestion_is_safe_where_all_is_learnt_before_rates_are_too_large(optimizer, end):
    estimator = MLPClassifier((30,), optimizer=optimizer, max_iter=100, random_state=0)
    test = find_learning_rate(estimator, EASY, CULTIVAR, end=end)
    smoothed, rates = test.smoothed_losses, test.learning_rates
    halfway = (smoothed[0] + smoothed.min()) / 2
    assert test.suggestion == rates[smoothed <= halfway][0] < rates[smoothed.argmin()] / 10
    estimator.set_params(learning_rate_init=test.suggestion).fit(EASY, CULTIVAR)
    assert max(estimator.loss_curve_) == estimator.loss_curve_[0]
    assert estimator.loss_ < 0.05
    if end == 10:
        assert not test.end_seen
        assert "no end seen" in repr(test)


def test_the_suggestion_suits_regression():
    X, y = load_diabetes(return_X_y=True)
    estimator = MLPRegressor((30,), optimizer="sgd", max_iter=30, random_state=0)
    test = find_learning_rate(estimator, scale(X), scale(y), np.ones(len(y)))
    estimator.set_params(learning_rate_init=test.suggestion).fit(scale(X), scale(y))
    assert estimator.score(scale(X), scale(y)) > 0.5


def test_rates_rise_exponentially_until_the_loss_does():
    estimator = MLPClassifier((30,), random_state=0)
    test = find_learning_rate(estimator, X, Y, start=1e-5, end=1e3, n_steps=161)
    rates = np.geomspace(1e-5, 1e3, 161)
    assert 100 < test.learning_rates.size < 161
    np.testing.assert_allclose(test.learning_rates, rates[: test.learning_rates.size])
    smoothed = test.smoothed_losses
    assert smoothed[-2] < smoothed[0] + max(smoothed[0], smoothed[0] - smoothed.min())
    assert smoothed[-1] > smoothed[0] + max(smoothed[0], smoothed[0] - smoothed.min())
    halfway = rates[np.argmax(smoothed <= (smoothed[0] + smoothed.min()) / 2)]
    assert test.suggestion == pytest.approx(min(halfway, rates[smoothed.argmin()] / 10))
    assert f"{test.suggestion:.2g}" in repr(test)
    assert test.end_seen
    assert "no end" not in repr(test)


def test_the_whole_range_is_tried_where_nothing_diverges():
    test = find_learning_rate(MLPClassifier((30,)), X, Y, start=1e-9, end=1e-6, n_steps=30)
    np.testing.assert_allclose(test.learning_rates, np.geomspace(1e-9, 1e-6, 30))


@pytest.mark.parametrize("shuffle", [False, True])
def test_losses_are_those_of_the_batches(shuffle):
    # Without learning, the losses of an epoch average to that of all samples.
    estimator = MLPClassifier((9,), alpha=0, batch_size=300, shuffle=shuffle, random_state=0)
    estimator.partial_fit(X, Y, classes=np.arange(10))
    test = find_learning_rate(estimator, X, Y, start=1e-12, end=1e-11, n_steps=12)
    rows = np.array([300] * 5 + [297])
    probabilities = estimator.predict_proba(X)[np.arange(len(Y)), Y]
    expected = -np.log(probabilities).mean()
    for epoch in (test.losses[:6], test.losses[6:]):
        assert epoch @ rows / rows.sum() == pytest.approx(expected, rel=1e-6)
    if not shuffle:
        assert test.losses[0] == pytest.approx(-np.log(probabilities[:300]).mean(), rel=1e-6)


def test_the_average_has_no_bias():
    test = find_learning_rate(MLPClassifier((9,), random_state=0), X, Y, n_steps=20)
    weights = 0.95 ** np.arange(20)[::-1]
    assert test.smoothed_losses[0] == pytest.approx(test.losses[0])
    assert test.smoothed_losses[-1] == pytest.approx(np.average(test.losses, weights=weights))


def test_batches_without_weight_are_no_steps():
    weight = np.repeat([1.0, 0.0], [300, len(Y) - 300])
    estimator = MLPClassifier((9,), batch_size=100, shuffle=False, random_state=0)
    test = find_learning_rate(estimator, X, Y, weight, n_steps=20)
    assert np.isfinite(test.losses).all()
    assert np.all(np.diff(test.learning_rates) > 0)


@pytest.mark.parametrize("fitted", [False, True])
def test_the_estimator_stays_as_it_is(fitted):
    estimator = MLPClassifier((9,), learning_rate="cosine", warmup=3, early_stopping=True)
    estimator.set_params(max_iter=3, random_state=np.random.RandomState(0))
    if fitted:
        estimator.fit(X, Y)
    before = {name: repr(value) for name, value in vars(estimator).items()}
    state = repr(estimator.random_state.get_state())
    find_learning_rate(estimator, X, Y)
    assert {name: repr(value) for name, value in vars(estimator).items()} == before
    assert repr(estimator.random_state.get_state()) == state


def test_a_fitted_estimator_starts_from_its_weights():
    estimator = MLPClassifier((30,), max_iter=20, random_state=0)
    fresh = find_learning_rate(estimator, X, Y)
    fitted = find_learning_rate(estimator.fit(X, Y), X, Y)
    assert fitted.losses[0] < 0.2 * fresh.losses[0]


@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - set(SEARCHED)))
def test_optimizers_without_a_rate_to_find_are_refused(optimizer):
    with pytest.raises(ValueError, match="chooses its steps by itself"):
        find_learning_rate(MLPClassifier((9,), optimizer=optimizer), X, Y)


@pytest.mark.parametrize("arguments", [{"start": 0}, {"start": 2, "end": 1}, {"n_steps": 1}])
def test_arguments_are_checked(arguments):
    with pytest.raises(ValueError, match=r"must be"):
        find_learning_rate(MLPClassifier((9,)), X, Y, **arguments)


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="StandardScaler"):
        find_learning_rate(MLPRegressor((9,), loss="poisson"), 1e6 * X, Y)
