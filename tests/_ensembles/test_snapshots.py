import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor
from sknn_opt._estimators.callbacks import watched
from sknn_opt.callbacks import Checkpoint
from sknn_opt.schedules import CosineRestarts

pytestmark = pytest.mark.usefixtures("one_blas_thread")

random = np.random.default_rng(0)
X = random.normal(size=(60, 3))
Y = X[:, 0] ** 2
FOLDS = list(KFold(3, shuffle=True, random_state=0).split(X))


def network(**parameters):
    given = {"hidden_layer_sizes": (6,), "max_iter": 13, "batch_size": 20}
    return MLPRegressor(**{**given, **parameters})


def test_snapshots_are_the_network_at_the_ends_of_cycles():
    model = MLPEnsembleRegressor(network(), 1, snapshots=4, random_state=0).fit(X, Y)
    assert [one.n_iter_ for one in model.estimators_] == [3, 6, 9, 12]
    last = model.estimators_[-1]
    assert repr(last.learning_rate) == repr(CosineRestarts(period=3, multiplier=1))
    whole = clone(last).fit(X, Y)
    assert_array_equal(last.coefs_[0], whole.coefs_[0])
    for one in model.estimators_:
        assert len(one.loss_curve_) == one.n_iter_
        assert one.loss_curve_ is one.history_["loss"]
        assert_array_equal(one.loss_curve_, whole.loss_curve_[: one.n_iter_])
        # As if training had gone no further: the same epochs at the same rates.
        stopped = stop_after(one.n_iter_, last)
        assert_array_equal(one.coefs_[0], stopped.coefs_[0])
        assert_array_equal(one.predict(X), stopped.predict(X))


def stop_after(epochs, network):
    """Train a clone, and end its fit after so many epochs."""
    stopped, n_calls = clone(network), iter(range(1, epochs + 1))
    with watched(stopped, lambda attributes: next(n_calls) == epochs):
        return stopped.fit(X, Y)


def test_rates_fall_to_almost_nothing_in_each_cycle():
    model = MLPEnsembleRegressor(network(max_iter=40), 1, snapshots=2).fit(X, Y)
    rates = np.array(model.estimators_[-1].history_["learning_rate"])
    for cycle in (rates[:20], rates[20:]):
        assert (np.diff(cycle) < 0).all()
        assert cycle[0] > 0.9e-3
        assert cycle[-1] < 1e-5


@pytest.mark.parametrize("cv", [None, FOLDS])
def test_each_snapshot_is_a_member(cv):
    pipeline = make_pipeline(StandardScaler(), network())
    model = MLPEnsembleRegressor(pipeline, 2, snapshots=3, cv=cv, random_state=0).fit(X, Y)
    n_folds = 1 if cv is None else 3
    assert len(model.estimators_) == 6 * n_folds
    assert model.member_weights_.shape == (6,)
    epochs = np.reshape([one[-1].n_iter_ for one in model.estimators_], (6, n_folds))
    assert_array_equal(epochs[:, 0], [4, 8, 12] * 2)
    assert (epochs == epochs[:, :1]).all()
    seeds = np.reshape([one[-1].random_state for one in model.estimators_], (2, 3, n_folds))
    assert (seeds == seeds[:, :1]).all()
    assert len(np.unique(seeds)) == 2 * n_folds
    flat = np.array([one.predict(X) for one in model.estimators_])
    members = flat.reshape(6, n_folds, len(X)).mean(axis=1)
    assert_allclose(model.predict(X), np.average(members, axis=0, weights=model.member_weights_))
    if cv is not None:
        unseen = np.empty((6, len(X)))
        for f, (_, rows) in enumerate(FOLDS):
            unseen[:, rows] = flat.reshape(6, 3, len(X))[:, f][:, rows]
        assert_allclose(model.member_losses_, np.mean((unseen - Y) ** 2, axis=1))


def test_snapshots_keep_the_statistics_of_their_time():
    model = MLPEnsembleRegressor(network(normalization="batch"), 1, snapshots=3).fit(X, Y)
    first, *_, last = model.estimators_
    assert not np.array_equal(first.running_means_[0], last.running_means_[0])
    for one in model.estimators_:
        assert_array_equal(one.predict(X), stop_after(one.n_iter_, last).predict(X))


def test_the_planned_length_is_no_failure_to_converge():
    MLPEnsembleRegressor(network(), 1, snapshots=2, cv=2).fit(X, Y)  # warnings are errors


def test_snapshots_of_one_training_beat_its_end_on_digits():
    digits, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(digits / 16, y, random_state=0, test_size=0.5)
    given = MLPClassifier((30,), learning_rate_init=0.03, batch_size=32, max_iter=50)
    model = MLPEnsembleClassifier(given, 1, snapshots=5, random_state=0).fit(train, y_train)
    end = log_loss(y_test, model.estimators_[-1].predict_proba(test))
    assert log_loss(y_test, model.predict_proba(test)) < end


REFUSED = {
    "optimizer": ({"optimizer": "lbfgs"}, "full-batch optimizers have not"),
    "learning_rate": ({"learning_rate": "cosine"}, "set learning_rate .* to 'constant'"),
    "early_stopping": ({"early_stopping": True}, "set early_stopping .* to False"),
    "averaging": ({"averaging": "ema"}, "set averaging .* to None"),
    "max_time": ({"max_time": 1.0}, "set max_time .* to None"),
    "max_iter": ({"max_iter": 3}, "4 snapshots need as many epochs"),
    "scoring": ({"scoring": "r2"}, "nothing to score"),
}


@pytest.mark.parametrize(("parameters", "message"), REFUSED.values(), ids=REFUSED)
def test_networks_of_which_no_snapshots_can_be_taken(parameters, message):
    with pytest.raises(ValueError, match=message):
        MLPEnsembleRegressor(network(**parameters), 1, snapshots=4).fit(X, Y)


def test_what_is_drawn_is_checked_too():
    model = MLPEnsembleRegressor(network(), 4, snapshots=4, draws={"max_iter": [3]})
    with pytest.raises(ValueError, match="4 snapshots need as many epochs"):
        model.fit(X, Y)


def test_checkpoints_keep_no_snapshots(tmp_path):
    pytest.importorskip("sklearn.callback")
    given = network().set_callbacks(Checkpoint(tmp_path))
    with pytest.raises(ValueError, match="Checkpoint keeps no snapshots"):
        MLPEnsembleRegressor(given, 1, snapshots=2).fit(X, Y)
