import numpy as np
import pytest
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPRegressor
from sknn_opt._training import progress as _progress
from sknn_opt._training.progress import Progress
from sknn_opt.schedules import CosineRestarts


def make_progress(
    tol=0.1, n_iter_no_change=2, validates=False, previous=None, verbose=False, **settings
):
    return Progress(tol, n_iter_no_change, verbose, validates, previous or {}, **settings)


def add_all(progress, values, validates=False):
    """Add epochs; return the stall counts after each of them."""
    theta, scores, counts = np.full(2, -1.0), iter(values), []
    progress.start(theta, (lambda: (2.0, next(scores))) if validates else None)
    for value in values:
        theta += 1
        progress.add(1.0 if validates else value, 0.5, 2.0, 10)
        counts.append(progress.stalled)
    return counts


NAN = float("nan")


@pytest.mark.parametrize(
    ("losses", "counts", "best"),
    [
        ([5, 4, 3, 2], [0, 0, 0, 0], 2),
        ([5, 4.95, 4.93, 4.92], [0, 1, 2, 3], 4.92),
        ([5, 4.95, 4.8, 4.8], [0, 1, 0, 1], 4.8),
        ([5, 6, 7, 4], [0, 1, 2, 0], 4),
        ([5, NAN, 4, NAN], [0, 1, 0, 1], 4),
        ([NAN, NAN, 3, 3], [1, 2, 0, 1], 3),
        ([float("inf"), 3], [0, 0], 3),
    ],
)
def test_stalled_epochs_of_the_loss(losses, counts, best):
    progress = make_progress()
    assert add_all(progress, losses) == counts
    assert progress.best_loss == best
    assert progress.has_stalled == (counts[-1] > 2)
    assert progress.best_theta is None
    assert progress.n_iter == len(losses)
    assert progress.samples_seen == 10 * len(losses)


@pytest.mark.parametrize(
    ("scores", "counts", "best", "best_epoch"),
    [
        ([0.1, 0.3, 0.5], [0, 0, 0], 0.5, 2),
        ([0.1, 0.15, 0.18, 0.19], [0, 1, 2, 3], 0.19, 3),
        ([0.5, 0.2, 0.1, 0.0], [0, 1, 2, 3], 0.5, 0),
        ([0.5, 0.6, 0.7], [0, 0, 0], 0.7, 2),
        ([0.5, NAN, 0.4, NAN], [0, 1, 2, 3], 0.5, 0),
        ([NAN, 0.1, NAN], [1, 0, 1], 0.1, 1),
    ],
)
def test_stalled_epochs_of_the_score(scores, counts, best, best_epoch):
    progress = make_progress(tol=0.0999, validates=True)
    assert add_all(progress, scores, validates=True) == counts
    assert progress.best_score == best
    np.testing.assert_array_equal(progress.best_theta, best_epoch)
    np.testing.assert_array_equal(progress.validation_scores, scores)
    assert progress.best_loss is None


@pytest.mark.parametrize("scores", [[NAN, NAN], [-np.inf, NAN], [NAN]], ids=str)
@pytest.mark.parametrize(
    ("validation_loss", "reason"),
    [
        (2.0, "scoring is not defined.*'loss'"),
        (NAN, "the validation loss was not finite.*StandardScaler"),
    ],
)
def test_without_a_score_the_last_parameters_are_kept_with_a_warning(
    scores, validation_loss, reason
):
    progress, theta = make_progress(validates=True), np.zeros(2)
    values = iter(scores)
    progress.start(theta, lambda: (validation_loss, next(values)))
    for _ in scores:
        theta += 1
        progress.add(1.0, 0.5, 2.0, 10)
    message = f"best epoch among {len(scores)}, because no validation score was a number: {reason}"
    with pytest.warns(ConvergenceWarning, match=message):
        np.testing.assert_array_equal(progress.conclude(), len(scores))
    assert progress.fitted_attributes()["best_validation_score_"] is None


def test_without_an_epoch_there_is_nothing_to_say():
    progress, theta = make_progress(validates=True), np.ones(2)
    progress.start(theta, lambda: (2.0, 0.5))
    progress.loss = 3.0
    assert progress.conclude() is theta
    assert progress.fitted_attributes()["best_validation_score_"] is None


def test_the_loss_at_an_early_end_is_one_of_the_losses():
    progress = make_progress()
    progress.start(np.ones(2))
    progress.loss = 3.0
    progress.conclude()
    assert progress.best_loss == 3.0
    progress.add(2.0, 0.5, 2.0, 10)
    progress.loss = 2.5
    progress.conclude()
    assert progress.best_loss == 2.0


LARGE = 1e6


@pytest.mark.parametrize(
    ("losses", "diverges"),
    [
        ([0.5, 0.99 * LARGE], False),
        ([0.5, 1.01 * LARGE], True),
        ([-3.0, 2.99 * LARGE], False),
        ([-3.0, 3.01 * LARGE], True),
        ([7e11, 6e17], False),
        ([7e11, 9e160], True),
        ([1e300], False),
        ([1e305, 1e308], False),
        ([NAN, np.inf, 4.0, 3.9 * LARGE], False),
        ([NAN, np.inf, 4.0, 4.1 * LARGE], True),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:The training loss overflowed")
def test_an_exploding_loss_is_divergence(losses, diverges):
    progress = make_progress()
    add_all(progress, np.array(losses))
    assert progress.has_diverged == diverges
    if diverges:
        with pytest.raises(ValueError, match=r"^Solver produced non-finite.*StandardScaler"):
            progress.conclude()
    else:
        assert progress.conclude() is progress._theta


@pytest.mark.parametrize(("incremental", "diverges"), [(True, True), (False, False)])
def test_which_loss_is_the_first_one(incremental, diverges):
    """Calls of partial_fit are one training; a warm start may be on other data."""
    first = make_progress()
    add_all(first, [1.0])
    second = make_progress(previous=first.fitted_attributes(), incremental=incremental)
    add_all(second, [2e6])
    assert second.has_diverged == diverges


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
@pytest.mark.parametrize("loss", [1.0, NAN])
def test_parameters_that_are_not_finite_are_divergence(bad, loss):
    progress, theta = make_progress(), np.ones(3)
    progress.start(theta)
    progress.add(1.0, 0.5, 2.0, 10)
    theta[1] = bad
    progress.add(loss, 0.5, 2.0, 10)
    assert progress.has_diverged
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights"):
        progress.conclude()


def test_parameters_may_have_diverged_in_an_epoch_that_was_interrupted():
    progress, theta = make_progress(), np.ones(3)
    progress.start(theta)
    theta[0] = NAN
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights"):
        progress.conclude()


@pytest.mark.parametrize("cause", ["loss", "parameters"])
def test_the_best_epoch_survives_divergence(cause):
    progress, theta, scores = make_progress(validates=True), np.zeros(2), iter([0.1, 0.5, 0.2, 0.9])
    progress.start(theta, lambda: (2.0, next(scores)))
    for _ in range(3):
        theta += 1
        progress.add(1.0, 0.5, 2.0, 10)
    theta += 1 if cause == "loss" else np.inf
    progress.add(1e300 if cause == "loss" else 1.0, 0.5, 2.0, 10)  # is not scored
    assert next(scores) == 0.9
    np.testing.assert_array_equal(progress.validation_scores, [0.1, 0.5, 0.2, NAN])
    message = "diverged after 4 epoch.*parameters of epoch 2, which scored best.*StandardScaler"
    with pytest.warns(ConvergenceWarning, match=message):
        np.testing.assert_array_equal(progress.conclude(), 2)
    assert progress.fitted_attributes()["best_validation_score_"] == 0.5


@pytest.mark.parametrize("finite", [True, False])
def test_a_warm_start_that_diverges_keeps_its_start_if_that_is_finite(finite):
    previous = make_progress(validates=True)
    add_all(previous, [0.3], validates=True)
    progress = make_progress(validates=True, previous=previous.fitted_attributes())
    theta = np.full(2, 7.0 if finite else -np.inf)
    progress.start(theta, lambda: (2.0, 0.4))
    theta[:] = NAN
    progress.add(1.0, 0.5, 2.0, 10)
    if finite:
        with pytest.warns(ConvergenceWarning, match="parameters from which it started are kept"):
            np.testing.assert_array_equal(progress.conclude(), 7)
    else:
        with pytest.raises(ValueError, match="non-finite"):
            progress.conclude()


@pytest.mark.parametrize("losses", [[np.inf, 1.0], [1.0, NAN], [1.0, np.inf], [NAN] * 3], ids=str)
def test_a_loss_that_is_not_finite_is_told_once(losses):
    progress = make_progress()
    add_all(progress, losses)
    assert not progress.has_diverged
    with pytest.warns(ConvergenceWarning, match="loss overflowed.*StandardScaler") as caught:
        assert progress.conclude() is progress._theta
    assert len(caught) == 1


@pytest.mark.parametrize("early_stopping", [False, True])
def test_stall_counts_are_those_of_sklearn(early_stopping):
    values = np.random.default_rng(0).normal(size=60).round(1)
    theirs = sklearn.neural_network.MLPRegressor(tol=0.1, early_stopping=early_stopping)
    theirs._no_improvement_count = 0
    theirs.best_loss_, theirs.best_validation_score_ = np.inf, -np.inf
    theirs.coefs_ = theirs.intercepts_ = []
    theirs.validation_scores_, theirs.loss_curve_ = [], []
    theirs._score = lambda *arguments, **named: value
    expected = []
    for value in values:
        theirs.loss_curve_.append(value)
        theirs._update_no_improvement_count(early_stopping, None, None, None)
        expected.append(theirs._no_improvement_count)
    progress = make_progress(validates=early_stopping)
    assert add_all(progress, values, validates=early_stopping) == expected


def test_a_record_goes_on_from_the_previous_one():
    first = make_progress()
    add_all(first, [5, 4, 3.99])
    second = make_progress(previous=first.fitted_attributes())
    assert add_all(second, [3.98]) == [2]
    attributes = second.fitted_attributes()
    assert attributes["loss_curve_"] == [5, 4, 3.99, 3.98]
    assert attributes["best_loss_"] == 3.98
    assert attributes["n_iter_"] == 1
    assert attributes["t_"] == 40
    assert {len(column) for column in attributes["history_"].values()} == {4}
    assert np.all(np.diff(attributes["history_"]["time"]) >= 0)
    assert first.history["loss"] == [5, 4, 3.99]


def test_a_record_may_begin_to_validate():
    first = make_progress()
    add_all(first, [5, 4])
    second = make_progress(validates=True, previous=first.fitted_attributes())
    add_all(second, [0.3], validates=True)
    third = make_progress(previous=second.fitted_attributes())
    add_all(third, [2.0])
    np.testing.assert_array_equal(third.history["validation_score"], [NAN, NAN, 0.3, NAN])
    np.testing.assert_array_equal(third.history["validation_loss"], [NAN, NAN, 2.0, NAN])
    assert (second.best_loss, second.best_score) == (None, 0.3)
    assert (third.best_loss, third.best_score) == (2.0, None)


def test_what_is_printed(capsys):
    progress = make_progress(verbose=True, validates=True)
    add_all(progress, [0.25], validates=True)
    progress.say("Stopping.")
    assert capsys.readouterr().out == (
        "Iteration 1, loss = 1.00000000\nValidation score: 0.250000\nStopping.\n"
    )
    make_progress().say("nothing")
    add_all(make_progress(), [1.0])
    assert capsys.readouterr().out == ""


def test_partial_fit_keeps_the_last_epochs(monkeypatch):
    monkeypatch.setattr(_progress, "KEPT_EPOCHS", 5)
    X, y = np.eye(4), np.arange(4.0)
    network = MLPRegressor((2,), optimizer="sgd", random_state=0)
    losses = [network.partial_fit(X, y).loss_ for _ in range(8)]
    for name, column in network.history_.items():
        assert len(column) == 5, name
    assert network.loss_curve_ == losses[3:]
    assert network.t_ == 8 * 4  # what counts goes on counting
    assert network._optimizer_state_["epoch"] == 8


def test_a_call_of_partial_fit_copies_no_history():
    X, y = np.eye(4), np.arange(4.0)
    network = MLPRegressor((2,), optimizer="sgd", random_state=0).partial_fit(X, y)
    columns = list(network.history_.values())
    network.partial_fit(X, y)
    assert all(a is b for a, b in zip(network.history_.values(), columns, strict=True))


def test_a_call_that_fails_leaves_the_history_as_it_was():
    X, y = np.eye(4), np.arange(4.0)
    network = MLPRegressor((2,), optimizer="sgd", random_state=0).partial_fit(X, y)
    before = {name: list(column) for name, column in network.history_.items()}
    with pytest.raises(ValueError, match=r"^Solver produced non-finite"):
        network.partial_fit(X, 1e5 * y + 1e5)
    assert network.history_ == before


def test_a_fit_is_never_cut(monkeypatch):
    monkeypatch.setattr(_progress, "KEPT_EPOCHS", 5)
    network = MLPRegressor((2,), max_iter=8, tol=0, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        network.fit(np.eye(4), np.arange(4.0))
    assert len(network.loss_curve_) == 8
    network.partial_fit(np.eye(4), np.arange(4.0))
    assert len(network.loss_curve_) == 5


@pytest.mark.parametrize("early_stopping", [False, True])
def test_best_iter_and_n_parameters(early_stopping):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    network = MLPRegressor(
        (7,), early_stopping=early_stopping, normalization="batch", n_iter_no_change=3, tol=0.1,
        learning_rate_init=0.05, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert network.n_parameters_ == 3 * 7 + 7 + 7 + 1 + 2 * 7
    if early_stopping:
        scores = network.validation_scores_
        assert network.best_iter_ == 1 + int(np.argmax(scores)) < network.n_iter_
    else:
        assert network.best_iter_ == network.n_iter_


@pytest.mark.parametrize(
    "schedule",
    [
        "polynomial",
        "cosine",
        "one_cycle",
        CosineRestarts(period=1, multiplier=2),  # its second cycle ends after three epochs
        CosineRestarts(period=3, multiplier=1),
        "exponential",
        CosineRestarts(period=2, multiplier=2),
    ],
    ids=str,
)
def test_a_planned_length_is_no_failure_to_converge(schedule):
    network = MLPRegressor((2,), learning_rate=schedule, max_iter=3, n_iter_no_change=np.inf)
    X, y = np.eye(4), np.arange(4.0)
    has_no_end = schedule == "exponential" or getattr(schedule, "period", 0) == 2
    if has_no_end:
        with pytest.warns(match="Maximum iterations"):
            network.fit(X, y)
    else:
        network.fit(X, y)
        with pytest.warns(match="Maximum iterations"):
            network.set_params(n_iter_no_change=10).fit(X, y)
