import numpy as np
import pytest
import sklearn.neural_network

from sknn_opt._training.progress import Record


def make_record(tol=0.1, n_iter_no_change=2, validates=False, previous=None, verbose=False):
    return Record(tol, n_iter_no_change, verbose, validates, previous or {})


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


def test_without_a_score_the_first_parameters_stay_the_best():
    record = make_record(validates=True)
    add_all(record, [NAN, NAN], validates=True)
    np.testing.assert_array_equal(record.best_theta, -1)


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
