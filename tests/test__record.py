import numpy as np
import pytest
import sklearn.neural_network
from sklearn.exceptions import ConvergenceWarning

from sknn_opt._record import Record


def make_record(
    tol=0.1, n_iter_no_change=2, validates=False, previous=None, verbose=False, **settings
):
    return Record(tol, n_iter_no_change, verbose, validates, previous or {}, **settings)


def add_all(record, values, validates=False):
    """Add epochs; return the stall counts after each of them."""
    theta, scores, counts = np.full(2, -1.0), iter(values), []
    record.start(theta, (lambda: (2.0, next(scores))) if validates else None)
    for value in values:
        theta += 1
        record.add(1.0 if validates else value, 0.5, 2.0, 10)
        counts.append(record.stalled)
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
    record = make_record()
    assert add_all(record, losses) == counts
    assert record.best_loss == best
    assert record.has_stalled == (counts[-1] > 2)
    assert record.best_theta is None
    assert record.n_iter == len(losses)
    assert record.samples_seen == 10 * len(losses)


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
    record = make_record(tol=0.0999, validates=True)
    assert add_all(record, scores, validates=True) == counts
    assert record.best_score == best
    np.testing.assert_array_equal(record.best_theta, best_epoch)
    np.testing.assert_array_equal(record.validation_scores, scores)
    assert record.best_loss is None


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
    record, theta = make_record(validates=True), np.zeros(2)
    values = iter(scores)
    record.start(theta, lambda: (validation_loss, next(values)))
    for _ in scores:
        theta += 1
        record.add(1.0, 0.5, 2.0, 10)
    message = f"best epoch among {len(scores)}, because no validation score was a number: {reason}"
    with pytest.warns(ConvergenceWarning, match=message):
        np.testing.assert_array_equal(record.conclude(), len(scores))
    assert record.fitted_attributes()["best_validation_score_"] is None


def test_without_an_epoch_there_is_nothing_to_say():
    record, theta = make_record(validates=True), np.ones(2)
    record.start(theta, lambda: (2.0, 0.5))
    record.loss = 3.0
    assert record.conclude() is theta
    assert record.fitted_attributes()["best_validation_score_"] is None


def test_the_loss_at_an_early_end_is_one_of_the_losses():
    record = make_record()
    record.start(np.ones(2))
    record.loss = 3.0
    record.conclude()
    assert record.best_loss == 3.0
    record.add(2.0, 0.5, 2.0, 10)
    record.loss = 2.5
    record.conclude()
    assert record.best_loss == 2.0


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
    record = make_record()
    add_all(record, np.array(losses))
    assert record.has_diverged == diverges
    if diverges:
        with pytest.raises(ValueError, match=r"^Solver produced non-finite.*StandardScaler"):
            record.conclude()
    else:
        assert record.conclude() is record._theta


@pytest.mark.parametrize(("incremental", "diverges"), [(True, True), (False, False)])
def test_which_loss_is_the_first_one(incremental, diverges):
    """Calls of partial_fit are one training; a warm start may be on other data."""
    first = make_record()
    add_all(first, [1.0])
    second = make_record(previous=first.fitted_attributes(), incremental=incremental)
    add_all(second, [2e6])
    assert second.has_diverged == diverges


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
@pytest.mark.parametrize("loss", [1.0, NAN])
def test_parameters_that_are_not_finite_are_divergence(bad, loss):
    record, theta = make_record(), np.ones(3)
    record.start(theta)
    record.add(1.0, 0.5, 2.0, 10)
    theta[1] = bad
    record.add(loss, 0.5, 2.0, 10)
    assert record.has_diverged
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights"):
        record.conclude()


def test_parameters_may_have_diverged_in_an_epoch_that_was_interrupted():
    record, theta = make_record(), np.ones(3)
    record.start(theta)
    theta[0] = NAN
    with pytest.raises(ValueError, match=r"^Solver produced non-finite parameter weights"):
        record.conclude()


@pytest.mark.parametrize("cause", ["loss", "parameters"])
def test_the_best_epoch_survives_divergence(cause):
    record, theta, scores = make_record(validates=True), np.zeros(2), iter([0.1, 0.5, 0.2, 0.9])
    record.start(theta, lambda: (2.0, next(scores)))
    for _ in range(3):
        theta += 1
        record.add(1.0, 0.5, 2.0, 10)
    theta += 1 if cause == "loss" else np.inf
    record.add(1e300 if cause == "loss" else 1.0, 0.5, 2.0, 10)  # is not scored
    assert next(scores) == 0.9
    np.testing.assert_array_equal(record.validation_scores, [0.1, 0.5, 0.2, NAN])
    message = "diverged after 4 epoch.*parameters of epoch 2, which scored best.*StandardScaler"
    with pytest.warns(ConvergenceWarning, match=message):
        np.testing.assert_array_equal(record.conclude(), 2)
    assert record.fitted_attributes()["best_validation_score_"] == 0.5


@pytest.mark.parametrize("finite", [True, False])
def test_a_warm_start_that_diverges_keeps_its_start_if_that_is_finite(finite):
    previous = make_record(validates=True)
    add_all(previous, [0.3], validates=True)
    record = make_record(validates=True, previous=previous.fitted_attributes())
    theta = np.full(2, 7.0 if finite else -np.inf)
    record.start(theta, lambda: (2.0, 0.4))
    theta[:] = NAN
    record.add(1.0, 0.5, 2.0, 10)
    if finite:
        with pytest.warns(ConvergenceWarning, match="parameters from which it started are kept"):
            np.testing.assert_array_equal(record.conclude(), 7)
    else:
        with pytest.raises(ValueError, match="non-finite"):
            record.conclude()


@pytest.mark.parametrize("losses", [[np.inf, 1.0], [1.0, NAN], [1.0, np.inf], [NAN] * 3], ids=str)
def test_a_loss_that_is_not_finite_is_told_once(losses):
    record = make_record()
    add_all(record, losses)
    assert not record.has_diverged
    with pytest.warns(ConvergenceWarning, match="loss overflowed.*StandardScaler") as caught:
        assert record.conclude() is record._theta
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
    record = make_record(validates=early_stopping)
    assert add_all(record, values, validates=early_stopping) == expected


def test_a_record_goes_on_from_the_previous_one():
    first = make_record()
    add_all(first, [5, 4, 3.99])
    second = make_record(previous=first.fitted_attributes())
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
    first = make_record()
    add_all(first, [5, 4])
    second = make_record(validates=True, previous=first.fitted_attributes())
    add_all(second, [0.3], validates=True)
    third = make_record(previous=second.fitted_attributes())
    add_all(third, [2.0])
    np.testing.assert_array_equal(third.history["validation_score"], [NAN, NAN, 0.3, NAN])
    np.testing.assert_array_equal(third.history["validation_loss"], [NAN, NAN, 2.0, NAN])
    assert (second.best_loss, second.best_score) == (None, 0.3)
    assert (third.best_loss, third.best_score) == (2.0, None)


def test_what_is_printed(capsys):
    record = make_record(verbose=True, validates=True)
    add_all(record, [0.25], validates=True)
    record.say("Stopping.")
    assert capsys.readouterr().out == (
        "Iteration 1, loss = 1.00000000\nValidation score: 0.250000\nStopping.\n"
    )
    make_record().say("nothing")
    add_all(make_record(), [1.0])
    assert capsys.readouterr().out == ""
