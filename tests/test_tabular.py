import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_opt._ensembles import base, recipe, tabular_training
from sknn_opt.losses import Focal
from sknn_opt.optimizers import AdamW, Muon
from sknn_opt.preprocessing import RelevanceScaler, TabularEncoder

pytestmark = pytest.mark.usefixtures("one_blas_thread")


def small(network):
    settings = {"learning_rate_init": 0.02, "max_iter": 30, "random_state": 0}
    # In float32 the checks would see the rounding.
    encoder = TabularEncoder(n_bins=4, n_frequencies=2, dtype="float64")
    return [("small", make_pipeline(encoder, network((10,), **settings)))]


def table(n=240, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "town": rng.choice(["Oslo", "Rome", None], n),
            "street": rng.choice([f"street {i}" for i in range(20)], n),
            "opened": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), "D"),
            "garden": rng.random(n) < 0.5,
        }
    )
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    y = frame["size"].fillna(0) + (frame["town"] == "Rome") + 0.1 * rng.normal(size=n)
    return frame, y.to_numpy()


X, Y = table()
CLASSES = np.where(Y > 1, "high", np.where(Y > 0, "middle", "low"))


def fast(estimator, **changes):
    return estimator(**{"members": "fast", "n_folds": 2, "random_state": 0, **changes})


# -- scikit-learn's checks, on one member and two folds ------------------------------------


def _committees():
    for estimator, network in (
        (TabularMLPClassifier, MLPClassifier),
        (TabularMLPRegressor, MLPRegressor),
    ):
        yield estimator(small(network), n_folds=2)


def _expected_failures(estimator):
    reason = "folds are drawn over rows, so repeated rows change them"
    return {
        "check_sample_weight_equivalence_on_dense_data": reason,
        "check_sample_weights_invariance": reason,
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(list(_committees()), expected_failed_checks=_expected_failures)
def test_conformity(estimator, check):
    check(estimator)


# -- what it takes, and what it is ---------------------------------------------------------


def test_they_are_committees():
    assert issubclass(TabularMLPClassifier, MLPEnsembleClassifier)
    assert issubclass(TabularMLPRegressor, MLPEnsembleRegressor)


@pytest.mark.parametrize("members", ["auto", "fast"])
def test_classes_of_a_raw_frame(members):
    model = fast(TabularMLPClassifier, members=members).fit(X[:160], CLASSES[:160])
    assert model.score(X[160:], CLASSES[160:]) > 0.7
    assert list(model.classes_) == ["high", "low", "middle"]
    names = recipe.CLASSIFIERS[members]
    n_networks = 2 * (len(names) + len(recipe.MORE_FOLDS[members]))
    assert len(model.estimators_) == n_networks
    assert model.member_weights_.shape == model.member_losses_.shape == (len(names),)
    assert model.oof_prediction_.shape == (160, 3)
    assert len(model.encoders_) == n_networks
    assert list(model.feature_names_in_) == list(X)
    assert model.n_features_in_ == 5
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("members", ["auto", "fast"])
@pytest.mark.parametrize("shift", [0, 10])
def test_numbers_from_a_raw_frame(members, shift):
    model = fast(TabularMLPRegressor, members=members).fit(X[:160], Y[:160] + shift)
    assert model.score(X[160:], Y[160:] + shift) > 0.6
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == (240,)
    losses = {estimator[-1].loss for estimator in model.estimators_}
    has_links = shift and members == "auto"
    assert losses == ({"squared_error", "poisson"} if has_links else {"squared_error"})


def test_no_number_lies_beyond_those_of_training():
    model = fast(TabularMLPRegressor).fit(X, Y)
    far = X.assign(size=1e6)
    assert model.predict(far).max() <= Y.max()


def test_polars_and_arrays():
    polars = pytest.importorskip("polars")
    expected = fast(TabularMLPRegressor).fit(X, Y).predict(X)
    columns = {name: [None if pd.isna(value) else value for value in X[name]] for name in X}
    columns["opened"] = [time.to_pydatetime() for time in X["opened"]]
    frame = polars.DataFrame(columns)
    np.testing.assert_allclose(fast(TabularMLPRegressor).fit(frame, Y).predict(frame), expected)
    array, y = load_iris(return_X_y=True)
    array = np.column_stack([array, np.arange(150) % 3])
    array[::7, 0] = np.nan
    model = fast(TabularMLPClassifier, categorical_features=[4]).fit(array, y)
    assert model.score(array, y) > 0.9


@pytest.mark.parametrize("library", [None, "pandas", "polars"])
def test_predictions_are_made_in_blocks_of_rows(library, monkeypatch):
    array, y = load_iris(return_X_y=True)
    frame = array
    if library is not None:
        module = pytest.importorskip(library)
        frame = module.DataFrame({f"x{j}": array[:, j] for j in range(4)})
    model = fast(TabularMLPClassifier).fit(frame, y)
    expected = model.predict_proba(frame)
    monkeypatch.setattr(base, "ROWS_AT_A_TIME", 64)
    seen = []
    transform = TabularEncoder.transform
    monkeypatch.setattr(
        TabularEncoder,
        "transform",
        lambda self, X: seen.append(X.shape[0]) or transform(self, X),
    )
    np.testing.assert_allclose(model.predict_proba(frame), expected, rtol=1e-5, atol=1e-7)
    assert set(seen) == {64, 150 % 64}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_what_transformers_are_configured_to_make(library):
    pytest.importorskip(library)
    expected = fast(TabularMLPRegressor).fit(X, Y).predict(X)
    with config_context(transform_output=library):
        model = fast(TabularMLPRegressor).fit(X, Y)
        np.testing.assert_array_equal(model.predict(X), expected)


def test_new_categories_and_gaps_when_predicting():
    model = fast(TabularMLPClassifier).fit(X, CLASSES)
    new = X.assign(town="Paris", street="street 99", opened=pd.NaT, size=np.nan)
    assert model.predict(new).shape == (240,)


def test_several_labels_and_several_outputs():
    labels = np.column_stack([Y > 0, Y > 1]).astype(int)
    model = fast(TabularMLPClassifier).fit(X, labels)
    assert model.predict(X).shape == (240, 2)
    outputs = np.column_stack([Y, -Y])
    model = fast(TabularMLPRegressor).fit(X, outputs)
    assert model.predict(X).shape == (240, 2)
    assert model.score(X, outputs) > 0.5


@pytest.mark.parametrize("members", ["fast", "auto"])
def test_several_outputs_of_several_classes(members):
    outputs = np.column_stack([CLASSES, np.where(Y > 0, "up", "down")])
    model = fast(TabularMLPClassifier, members=members).fit(X, outputs)
    assert model.targets_ == "multioutput"
    assert [one.shape for one in model.predict_proba(X)] == [(240, 3), (240, 2)]
    majority = [np.unique(one, return_counts=True)[1].max() / 240 for one in outputs.T]
    assert model.score(X, outputs) > max(majority) * min(majority)


def test_probabilities_as_targets():
    shares = 0.8 * np.eye(3)[np.unique(CLASSES, return_inverse=True)[1]] + 0.2 / 3
    shares[:-1] = shares[:-1].round()  # so that one fold trains on certain classes alone
    model = fast(TabularMLPClassifier).fit(X, shares)
    assert model.targets_ == "probabilities"
    assert model.predict_proba(X).shape == (240, 3)
    assert model.score(X, shares) > 0.5
    assert model.predict_interval(X).shape == (240, 3)


def test_a_class_with_fewer_rows_than_folds():
    rare = CLASSES.astype(object)
    rare[:2] = "rare"
    model = fast(TabularMLPClassifier, n_folds=3).fit(X, rare)
    assert "rare" in model.classes_
    assert model.predict_proba(X).shape == (240, 4)


def test_a_table_without_columns_that_vary():
    constant = pd.DataFrame({"a": np.ones(40), "b": ["x"] * 40})
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        fast(TabularMLPClassifier).fit(constant, np.arange(40) % 2)


def test_weights_count():
    weight = np.where(CLASSES == "low", 1.0, 1e-6)
    model = fast(TabularMLPClassifier)
    shares = [
        np.mean(model.fit(X, CLASSES, sample_weight=given).predict(X) == "low")
        for given in (None, weight)
    ]
    assert shares[1] > shares[0] + 0.2


@pytest.mark.parametrize("estimator", [TabularMLPClassifier, TabularMLPRegressor])
def test_the_result_does_not_depend_on_n_jobs(estimator):
    y = CLASSES if estimator is TabularMLPClassifier else Y
    one, two = (fast(estimator, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.oof_prediction_, two.oof_prediction_)
    np.testing.assert_array_equal(one.member_weights_, two.member_weights_)


def test_pickles_clones_and_text():
    model = fast(TabularMLPClassifier).fit(X, CLASSES)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert not hasattr(again, "oof_prediction_")
    assert clone(model).get_params() == model.get_params()
    assert "steps" in model._repr_html_()


def test_members_of_ones_own_are_tuned_by_name():
    model = TabularMLPClassifier(small(MLPClassifier), n_folds=2, random_state=0)
    grid = {"members__small__mlpclassifier__dropout": [0.0, 0.5]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(model, grid, cv=2).fit(X, CLASSES)
    assert search.best_estimator_.estimators_[0][-1].dropout in (0.0, 0.5)


def test_relevance_is_part_of_the_recipe():
    model = fast(TabularMLPRegressor).fit(X, Y)
    scalers = [one for one in model.encoders_ if isinstance(one, RelevanceScaler)]
    assert scalers
    for scaler in scalers:
        of_columns = dict(zip(X, scaler.relevances_, strict=True))
        assert of_columns["size"] > of_columns["garden"]


@pytest.mark.parametrize(
    ("estimator", "members", "n_members"),
    [(TabularMLPClassifier, "fast", 2), (TabularMLPRegressor, "auto", 4)],
)
def test_max_time_leaves_the_first_member(estimator, members, n_members):
    y = CLASSES if estimator is TabularMLPClassifier else Y
    committee = fast(estimator, members=members, max_time=1e-9)
    with pytest.warns(ConvergenceWarning, match=f"after 1 of {n_members} members"):
        model = committee.fit(X, y)
    assert model.member_weights_.tolist() == [1.0]
    assert len(model.estimators_) == 2
    assert np.isfinite(model.oof_score_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = committee.set_params(max_time=1e9).fit(X, y)
    assert len(model.member_weights_) == n_members


SHARES = np.column_stack([0.2 + 0.6 * (Y > 0), 0.8 - 0.6 * (Y > 0)])
LABELS = np.column_stack([Y > 0, Y > 1]).astype(int)


@pytest.mark.parametrize(
    ("y", "class_weight", "expected"),
    [
        (
            CLASSES,
            {"low": 2.0, "high": 0.5},
            np.select([CLASSES == "low", CLASSES == "high"], [2, 0.5], 1),
        ),
        (CLASSES, "balanced", compute_sample_weight("balanced", CLASSES)),
        (LABELS, [{0: 1, 1: 2}, {0: 3, 1: 1}], np.prod([1, 3] * (1 - LABELS) + [2, 1] * LABELS, 1)),
        (SHARES, {0: 1, 1: 3}, SHARES @ [1, 3]),
    ],
    ids=["dict", "balanced", "labels", "probabilities"],
)
def test_class_weights_are_sample_weights(y, class_weight, expected):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y))
    weighted = fast(TabularMLPClassifier, class_weight=class_weight)
    if class_weight != "balanced":  # which takes sample weights for numbers of samples
        expected = expected * weight
        weighted.fit(X, y, sample_weight=weight)
    else:
        weighted.fit(X, y)
    same = fast(TabularMLPClassifier).fit(X, y, sample_weight=expected)
    np.testing.assert_allclose(weighted.predict_proba(X), same.predict_proba(X), rtol=1e-6)
    np.testing.assert_allclose(weighted.member_losses_, same.member_losses_, rtol=1e-6)
    assert weighted.oof_score_ == pytest.approx(same.oof_score_)


def test_weights_where_metadata_are_routed():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(Y))
    expected = fast(TabularMLPClassifier).fit(X, CLASSES, sample_weight=weight).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        model = fast(TabularMLPClassifier).fit(X, CLASSES, sample_weight=weight)
        np.testing.assert_array_equal(model.predict_proba(X), expected)


# -- members that are dropped --------------------------------------------------------------


def wave(n=300):
    """A function that only some of the members find, behind columns of noise."""
    x = np.random.default_rng(0).uniform(-2, 2, (n, 5))
    return x, np.sin(12 * x[:, 0])


@pytest.fixture
def judged_by_few_rows(monkeypatch):
    monkeypatch.setattr(tabular_training, "_ENOUGH_ROWS", 20)


@pytest.mark.usefixtures("judged_by_few_rows")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_hopeless_member_is_trained_on_one_fold(n_jobs, monkeypatch):
    fits = []
    fit = MLPRegressor.fit
    monkeypatch.setattr(
        MLPRegressor, "fit", lambda self, *a, **k: fits.append(self) or fit(self, *a, **k)
    )
    monkeypatch.setattr(tabular_training, "_HOPELESS", 1.0)
    model = TabularMLPRegressor(n_folds=3, n_jobs=n_jobs, random_state=0).fit(*wave())
    # With this limit only the best one stays.
    assert len(model.member_names_) == 1
    assert len(model.estimators_) == 3
    assert len(model.member_weights_) == len(model.member_losses_) == 1
    of_members = [one for one in fits if one.hidden_layer_sizes != (32,)]  # relevance has 32
    assert len(of_members) == 4 + 2


@pytest.mark.usefixtures("judged_by_few_rows")
def test_which_members_are_hopeless_does_not_depend_on_n_jobs():
    x, y = wave()
    one, two = (TabularMLPRegressor(n_folds=2, n_jobs=n, random_state=0).fit(x, y) for n in (1, 2))
    assert one.member_names_ == two.member_names_
    np.testing.assert_array_equal(one.predict(x), two.predict(x))


@pytest.mark.usefixtures("judged_by_few_rows")
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile", "gaussian_nll"])
def test_members_are_judged_by_whatever_loss(loss):
    x, y = wave()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = fast(TabularMLPRegressor, loss=loss).fit(x, y, sample_weight=weight)
    assert model.member_names_ == ["steps"]


@pytest.mark.usefixtures("judged_by_few_rows")
@pytest.mark.parametrize(
    "y",
    [CLASSES, LABELS, SHARES, np.column_stack([CLASSES, Y > 0])],
    ids=["classes", "labels", "shares", "outputs"],
)
def test_members_are_judged_whatever_the_targets_mean(y):
    model = fast(TabularMLPClassifier).fit(X, y)
    assert set(model.member_names_) <= {"steps", "plain"}
    assert len(model.member_losses_) == len(model.member_names_)


def test_small_tables_drop_nobody(monkeypatch):
    monkeypatch.setattr(tabular_training, "_HOPELESS", 1.0)
    model = TabularMLPRegressor(n_folds=2, random_state=0).fit(*wave(100))
    assert model.member_names_ == ["steps", "counts", "smooth", "fine_counts"]


@pytest.mark.usefixtures("judged_by_few_rows")
def test_members_of_ones_own_are_not_dropped(monkeypatch):
    monkeypatch.setattr(tabular_training, "_HOPELESS", 0.0)
    members = [*small(MLPRegressor), ("b", make_pipeline(TabularEncoder(), MLPRegressor((3,))))]
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        model = TabularMLPRegressor(members, n_folds=2, random_state=0).fit(*wave(60))
    assert model.member_names_ == ["small", "b"]
    assert len(model.estimators_) == 4


@pytest.mark.usefixtures("judged_by_few_rows")
def test_losses_without_ratios_drop_nobody():
    y = 1e-3 * wave()[1]  # likelihoods of small errors are above 1
    model = TabularMLPRegressor(n_folds=2, loss="gaussian_nll", random_state=0).fit(wave()[0], y)
    assert len(model.member_names_) == 4


@pytest.mark.usefixtures("compilation_is_announced")
def test_verbose(capsys):
    fast(TabularMLPClassifier, verbose=True).fit(X, CLASSES)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert "steps, fold 1 of 2" in "".join(lines)


@pytest.mark.parametrize("loss", ["absolute_error", "poisson"])
def test_the_loss_that_the_committee_is_chosen_by(loss):
    y = Y - Y.min() + 0.1
    model = fast(TabularMLPRegressor, loss=loss).fit(X, y)
    assert {estimator[-1].loss for estimator in model.estimators_} <= {loss, "poisson"}
    mean = model.oof_prediction_
    if loss == "absolute_error":
        best = model.member_losses_.min()
        assert np.abs(mean - y).mean() <= best + 1e-12


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "focal", Focal(gamma=1.0)])
def test_the_loss_that_a_classifier_is_chosen_by(loss):
    model = fast(TabularMLPClassifier, loss=loss).fit(X, CLASSES)
    assert {repr(estimator[-1].loss) for estimator in model.estimators_} == {repr(loss)}
    truth = CLASSES[:, None] == model.classes_
    mean = model.oof_prediction_
    p = mean[truth]
    gamma = getattr(loss, "gamma", 2.0)
    expected = {
        "log_loss": -np.log(p).mean(),
        "squared_error": ((mean - truth) ** 2).sum(axis=1).mean(),
    }.get(loss, (-((1 - p) ** gamma) * np.log(p)).mean())
    # The best single member is among the mixtures that are chosen from.
    assert expected <= model.member_losses_.min() + 1e-12
    chosen = [i for i, weight in enumerate(model.member_weights_) if weight == 1]
    for only in chosen:
        np.testing.assert_allclose(model.member_losses_[only], expected)


def test_names_of_losses_leave_what_the_members_say():
    member = [
        ("m", make_pipeline(TabularEncoder(), MLPClassifier(label_smoothing=0.1, max_iter=5)))
    ]
    model = TabularMLPClassifier(member, n_folds=2, random_state=0).fit(X, CLASSES)
    assert model.member_weights_ == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": "slow"}, "The 'members' parameter"),
        ({"n_folds": 1}, "The 'n_folds' parameter"),
        ({"max_time": 0}, "The 'max_time' parameter"),
        ({"loss": "hinge"}, "loss='hinge' has none"),
        ({"class_weight": "even"}, "The 'class_weight' parameter"),
        ({"class_weight": {"low": -1}}, "finite, non-negative numbers"),
        ({"class_weight": {"unknown": 2}}, "are not in class_weight"),
        ({"loss": "poisson"}, "The 'loss' parameter of TabularMLPClassifier"),
        ({"members": [("a", TabularEncoder())]}, "members of TabularMLPClassifier are networks"),
        ({"categorical_features": ["none"]}, "not a valid feature name"),
    ],
)
def test_bad_parameters(changes, message):
    with pytest.raises(ValueError, match=message):
        fast(TabularMLPClassifier, **changes).fit(X, CLASSES)


def test_the_recipe_knows_the_size_of_the_data():
    data, y = load_diabetes(return_X_y=True)
    model = fast(TabularMLPRegressor).fit(data, y)
    network = model.estimators_[0][-1]
    assert network.batch_size == 32
    assert network.max_iter == 120
    assert model.score(data, y) > 0.4


@pytest.mark.parametrize(
    ("name", "n_rows", "n_classes", "optimizer", "batch_size", "max_iter"),
    [
        ("plain", 2000, 4, AdamW, 64, 120),
        ("plain", 2000, 5, Muon, 256, 115),
        ("plain", 400, 5, AdamW, 32, 120),
        ("steps", 20_000, 5, AdamW, 128, 25),
    ],
)
def test_the_recipe_knows_rows_and_classes(
    name, n_rows, n_classes, optimizer, batch_size, max_iter
):
    member = recipe.make_member(name, MLPClassifier, "from_dtype", "log_loss")
    recipe.adapt(name, member, n_rows, n_classes, None)
    network = member[-1]
    assert type(network.optimizer) is optimizer
    assert (network.batch_size, network.max_iter) == (batch_size, max_iter)


def test_only_committees_for_classes_have_members_with_more_folds():
    classifier = TabularMLPClassifier(n_folds=2, random_state=0).fit(X[:100], CLASSES[:100])
    assert list(classifier._n_folds) == [4, 4, 2, 2]
    regressor = TabularMLPRegressor(n_folds=2, random_state=0).fit(X[:100], Y[:100])
    assert list(regressor._n_folds) == [2, 2, 2, 2]


def test_a_list_of_rows_is_read_like_a_frame():
    rows = [[0.1 * number, "ab"[number % 2]] for number in range(40)]
    y = np.arange(40) > 19
    model = TabularMLPClassifier("fast", n_folds=2, random_state=0)
    expected = model.fit(pd.DataFrame(rows), y).predict_proba(pd.DataFrame(rows))
    assert model.encoders_[0].encoder_.kinds_ == ["numeric", "categorical"]
    assert_allclose(model.fit(rows, y).predict_proba(rows), expected)
