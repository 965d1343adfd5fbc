import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from scipy.stats import loguniform, norm
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, make_friedman1
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPEnsembleRegressor, MLPRegressor
from sknn_opt._ensembles.training import Training
from sknn_opt.losses import GaussianNLL, Quantile

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
N = 90
X = random.normal(size=(N, 4))
WEIGHT = random.random(N)
THREE = np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
LABELS = (X[:, :3] > 0.2).astype(int)
NUMBER = X[:, 0] * 10 + X[:, 1] ** 2
NUMBERS = np.c_[NUMBER, X[:, 2]]
SMALL = {"hidden_layer_sizes": (6,), "learning_rate_init": 0.02, "max_iter": 20}
FOLDS = list(KFold(3, shuffle=True, random_state=0).split(X))

CLASSES = {"two": THREE == "a", "three": THREE, "labels": LABELS}
TARGETS = {"one": NUMBER, "several": NUMBERS}
CASES = [(MLPEnsembleClassifier, y) for y in CLASSES.values()]
CASES += [(MLPEnsembleRegressor, y) for y in TARGETS.values()]
IDS = [*CLASSES, *TARGETS]
cases = pytest.mark.parametrize(("cls", "y"), CASES, ids=IDS)


def network(cls, **parameters):
    of = MLPClassifier if issubclass(cls, MLPEnsembleClassifier) else MLPRegressor
    return of(**{**SMALL, **parameters})


def committee(cls, **parameters):
    given = {"estimator": network(cls), "n_estimators": 3, "random_state": 0}
    return cls(**{**given, **parameters})


def predictions(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


def by_member(model, X):
    """The predictions of all networks, of shape (n_members, n_folds, ...)."""
    n_folds = len(model.estimators_) // len(model.member_weights_)
    of_networks = np.array([predictions(one, X) for one in model.estimators_])
    return of_networks.reshape(-1, n_folds, *of_networks.shape[1:])


# -- predictions -------------------------------------------------------------------------


@cases
def test_without_folds_predictions_are_the_mean_of_the_networks(cls, y):
    model = committee(cls).fit(X, y)
    assert len(model.estimators_) == 3
    assert_allclose(model.member_weights_, 1 / 3)
    assert_allclose(predictions(model, X), by_member(model, X)[:, 0].mean(axis=0))
    assert not hasattr(model, "oof_prediction_")
    assert not hasattr(model, "member_losses_")
    assert model.temperature_ == 1


@cases
def test_with_folds_predictions_are_the_weighted_mean_of_the_members(cls, y):
    model = committee(cls, cv=FOLDS, n_estimators=4).fit(X, y)
    assert len(model.estimators_) == 12
    members = by_member(model, X).mean(axis=1)
    expected = np.average(members, axis=0, weights=model.member_weights_)
    assert_allclose(predictions(model, X), expected)


@cases
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_what_members_have_not_seen_weighs_them(cls, y, weight):
    model = committee(cls, cv=FOLDS, n_estimators=4).fit(X, y, weight)
    unseen = np.full((4, *model.oof_prediction_.shape), np.nan)
    for f, (_, held_out) in enumerate(FOLDS):
        unseen[:, held_out] = by_member(model, X[held_out])[:, f]
    weighted = np.average(unseen, axis=0, weights=model.member_weights_)
    assert_allclose(model.oof_prediction_, weighted)
    assert_allclose(model.member_losses_, [loss(y, one, weight) for one in unseen])
    assert loss(y, model.oof_prediction_, weight) <= model.member_losses_.min()
    assert_allclose(model.member_weights_.sum(), 1)
    assert_allclose(model.oof_score_, score(y, model.oof_prediction_, weight))


def loss(y, prediction, weight):
    """The losses that the documentation names, by scikit-learn's metrics."""
    if y.dtype.kind == "f":
        return np.average(((y - prediction) ** 2).reshape(N, -1).mean(axis=1), weights=weight)
    if y.ndim == 1:
        return log_loss(y, prediction, sample_weight=weight)
    return sum(log_loss(y[:, j], prediction[:, j], sample_weight=weight) for j in range(3))


def score(y, prediction, weight):
    if y.dtype.kind == "f":
        return r2_score(y, prediction, sample_weight=weight)
    decided = prediction > 0.5 if y.ndim == 2 else np.unique(y)[prediction.argmax(axis=1)]
    return accuracy_score(y, decided, sample_weight=weight)


@cases
def test_decisions_and_scores(cls, y):
    model = committee(cls, cv=2).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    if cls is MLPEnsembleClassifier:
        assert predicted.dtype.kind == y.dtype.kind
        assert_allclose(model.score(X, y, WEIGHT), score(y, model.predict_proba(X), WEIGHT))
        assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    else:
        assert_allclose(model.score(X, y, WEIGHT), r2_score(y, predicted, sample_weight=WEIGHT))


def test_label_indicators_may_be_sparse_and_mean_what_networks_take_them_for():
    dense = committee(MLPEnsembleClassifier, cv=2).fit(X, LABELS)
    other = committee(MLPEnsembleClassifier, cv=2).fit(X, sparse.csr_array(LABELS * 7))
    assert sparse.issparse(other.predict(X))
    assert_array_equal(other.predict(X).toarray(), dense.predict(X))
    assert_array_equal(other.classes_, [0, 1, 2])
    assert other.score(X, sparse.csr_array(LABELS)) == dense.score(X, LABELS)


def test_members_are_less_certain_than_logarithms_can_say():
    model = committee(MLPEnsembleClassifier).fit(X, THREE)
    assert np.isfinite(model.predict_log_proba(1e6 * X)).all()


def test_folds_that_lack_a_class():
    y = np.r_[["rare"], THREE[1:]]
    model = committee(MLPEnsembleClassifier, cv=FOLDS, bootstrap=True, calibrate=True).fit(X, y)
    assert_array_equal(model.classes_, ["a", "b", "c", "rare"])
    assert model.oof_prediction_.shape == (N, 4)
    assert all(len(one.classes_) == 4 for one in model.estimators_)


def test_a_single_class():
    model = committee(MLPEnsembleClassifier, cv=2, calibrate=True).fit(X, np.ones(N))
    assert_array_equal(model.predict(X), np.ones(N))
    assert_array_equal(model.predict_proba(X), np.ones((N, 1)))


def test_rows_that_no_fold_holds_out_have_no_prediction():
    model = committee(MLPEnsembleRegressor, cv=FOLDS[:1]).fit(X, NUMBER)
    assert_array_equal(np.isnan(model.oof_prediction_), ~np.isin(np.arange(N), FOLDS[0][1]))
    assert np.isfinite([model.oof_score_, *model.member_losses_]).all()


def test_members_of_quantiles():
    given = network(MLPEnsembleRegressor, loss=Quantile([0.1, 0.9]), max_iter=100)
    model = committee(MLPEnsembleRegressor, estimator=given, cv=2).fit(X, NUMBER)
    low, high = model.predict(X).T
    assert (low <= high).all()
    assert model.oof_prediction_.shape == (N, 2)
    assert_allclose(model.member_losses_.min(), -model.oof_score_, rtol=0.3)
    assert model.score(X, NUMBER) < 0
    with pytest.raises(ValueError, match="quantiles"):
        model.predict(X, return_std=True)


# -- calibration and standard deviations -------------------------------------------------


def test_the_temperature_is_that_of_the_held_out_rows():
    overfitted = network(MLPEnsembleClassifier, optimizer="lbfgs", scoring="accuracy", alpha=0.0)
    noisy = np.where(random.random(N) < 0.3, THREE[::-1], THREE)
    model = committee(MLPEnsembleClassifier, estimator=overfitted, cv=3, calibrate=True)
    model.fit(X, noisy)
    assert model.temperature_ > 1.1

    def loss_at(temperature):
        powers = model.oof_prediction_ ** (1 / temperature)
        return log_loss(noisy, powers / powers.sum(axis=1, keepdims=True))

    assert loss_at(model.temperature_) < min(loss_at(0.97 * model.temperature_), loss_at(1))
    assert loss_at(model.temperature_) <= loss_at(1.03 * model.temperature_)
    plain = clone(model).set_params(calibrate=False).fit(X, noisy)
    powers = plain.predict_proba(X) ** (1 / model.temperature_)
    assert_allclose(model.predict_proba(X), powers / powers.sum(axis=1, keepdims=True))
    assert_array_equal(model.predict(X), plain.predict(X))


def test_weights_reach_the_temperature():
    weight = np.where(THREE == "a", 1.0, 0.01)
    plain, weighted = (
        committee(MLPEnsembleClassifier, cv=3, calibrate=True).fit(X, THREE, w)
        for w in (None, weight)
    )
    assert plain.temperature_ != weighted.temperature_


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_standard_deviations_without_folds_are_those_of_the_networks(y):
    model = committee(MLPEnsembleRegressor).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert_array_equal(mean, model.predict(X))
    assert_allclose(std, by_member(model, X)[:, 0].std(axis=0))


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_standard_deviations_with_folds_have_the_error_of_unseen_rows(y, weight):
    model = committee(MLPEnsembleRegressor, cv=FOLDS).fit(X, y, weight)
    mean, std = model.predict(X, return_std=True)
    of_networks = by_member(model, X)
    shares = np.repeat(model.member_weights_ / 3, 3)
    flat = of_networks.reshape(9, *y.shape)
    spread = np.average((flat - mean) ** 2, axis=0, weights=shares)
    noise = np.average((y - model.oof_prediction_) ** 2, axis=0, weights=weight)
    assert_allclose(std**2, spread + noise)


def test_the_temperature_of_numbers_makes_errors_as_large_as_said():
    model = committee(MLPEnsembleRegressor, cv=FOLDS, calibrate=True).fit(X, NUMBERS)
    plain = committee(MLPEnsembleRegressor, cv=FOLDS).fit(X, NUMBERS)
    assert_allclose(
        model.predict(X, return_std=True)[1],
        model.temperature_ * plain.predict(X, return_std=True)[1],
    )
    ratios = np.empty((N, 2))
    noise = np.mean((NUMBERS - model.oof_prediction_) ** 2, axis=0)
    for f, (_, rows) in enumerate(FOLDS):
        of_fold = by_member(model, X[rows])[:, f]
        deviations = (of_fold - model.oof_prediction_[rows]) ** 2
        variance = np.average(deviations, axis=0, weights=model.member_weights_) + noise
        ratios[rows] = (NUMBERS[rows] - model.oof_prediction_[rows]) ** 2 / variance
    assert_allclose(model.temperature_**2, ratios.mean())


@pytest.mark.parametrize("cv", [None, FOLDS])
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_standard_deviations_that_networks_have_learnt_take_the_place_of_errors(y, cv):
    given = network(MLPEnsembleRegressor, loss="gaussian_nll")
    model = committee(MLPEnsembleRegressor, estimator=given, cv=cv).fit(X, y)
    mean, std = model.predict(X, return_std=True)
    means, stds = np.moveaxis([one.predict(X, return_std=True) for one in model.estimators_], 1, 0)
    n_folds = 1 if cv is None else 3
    shares = np.repeat(model.member_weights_ / n_folds, n_folds)
    assert_allclose(mean, np.average(means, axis=0, weights=shares))
    expected = np.average((means - mean) ** 2 + stds**2, axis=0, weights=shares)
    assert_allclose(std, np.sqrt(expected))


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_members_that_learn_variances_are_weighed_by_their_likelihood(y, weight):
    def surprise(mean, std):
        rows = -norm.logpdf(y, mean, std).reshape(N, -1).sum(axis=1)
        return np.average(rows, weights=weight)

    loss = ["gaussian_nll", GaussianNLL(beta=1.0)]  # the weights of gradients make no difference
    pairs = [(f"m{i}", network(MLPEnsembleRegressor, loss=loss[i % 2])) for i in range(4)]
    model = committee(MLPEnsembleRegressor, estimator=pairs, cv=FOLDS, n_estimators=4)
    model.fit(X, y, weight)
    means, stds = np.empty((2, 4, *y.shape))
    for f, (_, held_out) in enumerate(FOLDS):
        for m in range(4):
            found = model.estimators_[3 * m + f].predict(X[held_out], return_std=True)
            means[m, held_out], stds[m, held_out] = found
    pairs = zip(means, stds, strict=True)
    assert_allclose(model.member_losses_, [surprise(*pair) for pair in pairs], rtol=1e-9)
    mean = np.average(means, axis=0, weights=model.member_weights_)
    variance = np.average((means - mean) ** 2 + stds**2, axis=0, weights=model.member_weights_)
    assert_allclose(model.oof_prediction_, mean)
    assert surprise(mean, np.sqrt(variance)) <= model.member_losses_.min()
    assert_allclose(model.oof_score_, score(y, mean, weight))


def test_a_member_that_knows_its_errors_counts_for_more():
    # Both predict the same means, which is 0; one of them knows where targets scatter.
    x = random.uniform(-1, 1, size=(600, 1))
    y = random.normal(size=600) * np.where(x.ravel() > 0, 5.0, 0.1)
    given = MLPRegressor((), loss="gaussian_nll", optimizer="lbfgs", alpha=1e-3, max_iter=100)
    pairs = [
        ("blind", make_pipeline(FunctionTransformer(np.zeros_like), given)),
        ("wise", make_pipeline(FunctionTransformer(np.sign), given)),
    ]
    model = MLPEnsembleRegressor(pairs, 2, cv=3, random_state=0).fit(x, y)
    assert model.member_losses_[1] < model.member_losses_[0] - 0.5
    assert_allclose(model.member_weights_, [0, 1])


def test_one_member_that_learns_no_variance_is_enough_for_the_error_to_count():
    pairs = [
        ("mean", network(MLPEnsembleRegressor)),
        ("both", network(MLPEnsembleRegressor, loss="gaussian_nll")),
    ]
    model = committee(MLPEnsembleRegressor, estimator=pairs, cv=FOLDS).fit(X, NUMBER)
    error = np.mean((NUMBER - model.oof_prediction_) ** 2)
    flat = by_member(model, X).reshape(9, N)
    shares = np.repeat(model.member_weights_ / 3, 3)
    spread = np.average((flat - model.predict(X)) ** 2, axis=0, weights=shares)
    assert_allclose(model.predict(X, return_std=True)[1] ** 2, spread + error)


def test_networks_disagree_away_from_the_data():
    x = random.uniform(-1, 1, size=(150, 1))
    y = np.sin(3 * x.ravel()) + random.normal(scale=0.1, size=150)
    given = MLPRegressor((30, 30), "tanh", optimizer="lbfgs", alpha=1e-3, max_iter=300)
    model = MLPEnsembleRegressor(given, 8, random_state=0).fit(x, y)
    inside, outside = (
        model.predict(np.linspace(*ends, 50)[:, np.newaxis], return_std=True)[1].mean()
        for ends in ((-1, 1), (1.5, 3))
    )
    assert outside > 3 * inside


# -- intervals and sets ------------------------------------------------------------------


def draw(n_samples, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(n_samples, 2))
    return x, np.sin(2 * x[:, 0]) + 0.3 * rng.normal(size=n_samples)


@pytest.fixture(scope="module")
def folded():
    given = MLPRegressor((20,), "tanh", optimizer="lbfgs", alpha=0.1)
    return MLPEnsembleRegressor(given, 3, cv=5, random_state=0).fit(*draw(300, 0))


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_intervals_cover_new_targets_as_often_as_they_say(folded, coverage):
    x, y = draw(4000, 1)
    low, high = folded.predict_interval(x, coverage).T
    covered = np.mean((low <= y) & (y <= high))
    deviation = np.sqrt(coverage * (1 - coverage) / 300)  # by the rows that were held out
    assert abs(covered - coverage) < 3 * deviation


def test_intervals_widen_where_networks_disagree(folded):
    def width(x):
        return np.ptp(folded.predict_interval(x), axis=1).mean()

    inside, _ = draw(100, 2)
    assert width(3 * inside) > 1.2 * width(inside)


def test_a_larger_coverage_needs_larger_intervals(folded):
    x, _ = draw(50, 3)
    small, large = folded.predict_interval(x, 0.5), folded.predict_interval(x, 0.9)
    assert (large[:, 0] < small[:, 0]).all()
    assert (small[:, 1] < large[:, 1]).all()


def test_intervals_are_those_of_the_papers_p_values():
    """In the words of the paper, with the scores computed anew from the networks."""
    model = committee(MLPEnsembleRegressor, cv=FOLDS, n_estimators=4).fit(X, NUMBER)
    noise = np.mean((NUMBER - model.oof_prediction_) ** 2)

    def means_and_scales(x, fold):
        of_networks = by_member(model, x)[:, fold]
        mean = np.average(of_networks, axis=0, weights=model.member_weights_)
        spread = np.average((of_networks - mean) ** 2, axis=0, weights=model.member_weights_)
        return mean, np.sqrt(spread + noise)

    grid = np.linspace(-80, 80, 40_001)
    conforming = np.zeros((5, len(grid)))
    for f, (_, rows) in enumerate(FOLDS):
        mean, scale = means_and_scales(X[rows], f)
        scores = np.abs(NUMBER[rows] - mean) / scale
        mean, scale = means_and_scales(X[:5], f)
        strange = np.abs(grid - mean[:, np.newaxis]) / scale[:, np.newaxis]
        conforming += (scores >= strange[:, :, np.newaxis]).sum(axis=2)
    in_set = (conforming + 1) / (N + 1) > 1 - 0.8
    expected = [grid[row][[0, -1]] for row in in_set]
    assert_allclose(model.predict_interval(X[:5], 0.8), expected, atol=0.005)


def test_intervals_of_several_outputs():
    model = committee(MLPEnsembleRegressor, cv=FOLDS).fit(X, NUMBERS)
    intervals = model.predict_interval(X)
    assert intervals.shape == (N, 2, 2)
    inside = (intervals[:, :, 0] <= NUMBERS) & (intervals[:, :, 1] >= NUMBERS)
    assert (inside.mean(axis=0) > 0.85).all()
    alone = committee(MLPEnsembleRegressor, cv=FOLDS).fit(X, NUMBER).predict_interval(X)
    assert alone.shape == (N, 2)


def test_intervals_of_learnt_variances_follow_the_noise():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, size=(400, 1))
    y = x.ravel() + (0.05 + x.ravel()) * rng.normal(size=400)
    given = MLPRegressor((20,), "tanh", loss="gaussian_nll", optimizer="lbfgs", alpha=0.1)
    model = MLPEnsembleRegressor(given, 2, cv=4, random_state=0).fit(x, y)
    narrow, wide = np.ptp(model.predict_interval([[0.1], [0.9]]), axis=1)
    assert wide > 3 * narrow


def test_weights_reach_the_intervals():
    """Rows without weight tell nothing of errors."""
    x, y = draw(200, 4)
    shouting = np.r_[y, y + 100]
    twice, weight = np.r_[x, x], np.repeat([1.0, 0.0], 200)
    folds = list(KFold(4, shuffle=True, random_state=0).split(x))
    folds = [(np.r_[a, a + 200], np.r_[b, b + 200]) for a, b in folds]
    given = MLPRegressor((10,), optimizer="lbfgs", alpha=0.1)
    model = MLPEnsembleRegressor(given, 2, cv=folds, random_state=0).fit(twice, shouting, weight)
    assert np.ptp(model.predict_interval(x), axis=1).max() < 10


def test_sets_of_classes_cover_and_are_never_empty():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2500, 2))
    y = np.digitize(x[:, 0] + 0.7 * rng.normal(size=2500), [-0.6, 0.6])
    given = MLPClassifier((10,), learning_rate_init=0.02)
    model = MLPEnsembleClassifier(given, 3, cv=4, random_state=0).fit(x[:500], y[:500])
    for coverage in (0.8, 0.9, 0.95):
        sets = model.predict_interval(x[500:], coverage)
        assert sets.shape == (2000, 3)
        assert sets.dtype == bool
        covered = sets[np.arange(2000), y[500:]].mean()
        assert coverage - 0.03 < covered < coverage + 0.05
    small = model.predict_interval(x, 0.3)
    assert_array_equal(small.sum(axis=1), 1)
    assert_array_equal(model.classes_[small.argmax(axis=1)], model.predict(x))


def test_sets_are_those_of_the_papers_p_values():
    noisy = np.where(random.random(N) < 0.4, THREE[::-1], THREE)
    model = committee(MLPEnsembleClassifier, cv=FOLDS, calibrate=True).fit(X, noisy)
    codes = np.searchsorted(model.classes_, noisy)
    conforming = np.zeros((N, 3))

    def probabilities(x, fold):
        of_networks = by_member(model, x)[:, fold]
        mean = np.average(of_networks, axis=0, weights=model.member_weights_)
        powers = mean ** (1 / model.temperature_)
        return powers / powers.sum(axis=1, keepdims=True)

    for f, (_, rows) in enumerate(FOLDS):
        known = probabilities(X[rows], f)[np.arange(len(rows)), codes[rows]]
        conforming += (known <= probabilities(X, f)[:, :, np.newaxis] + 1e-12).sum(axis=2)
    expected = (conforming + 1) / (N + 1) > 1 - 0.85
    expected[np.arange(N), np.searchsorted(model.classes_, model.predict(X))] = True
    assert_array_equal(model.predict_interval(X, 0.85), expected)


def test_intervals_survive_a_pickle(folded):
    x, _ = draw(20, 5)
    loaded = pickle.loads(pickle.dumps(folded))
    assert_array_equal(loaded.predict_interval(x), folded.predict_interval(x))


INTERVALS_REFUSED = {
    "no folds": (MLPEnsembleRegressor, NUMBER, {}, {}, "set cv, and fit again"),
    "no folds, classes": (MLPEnsembleClassifier, THREE, {}, {}, "set cv, and fit again"),
    "labels": (MLPEnsembleClassifier, LABELS, {"cv": 2}, {}, "one class a sample"),
    "quantiles": (MLPEnsembleRegressor, NUMBER, {"cv": 2}, {"loss": Quantile(0.5)}, "quantiles"),
}


@pytest.mark.parametrize(
    ("cls", "y", "parameters", "of_network", "message"),
    INTERVALS_REFUSED.values(),
    ids=INTERVALS_REFUSED,
)
def test_intervals_that_cannot_be(cls, y, parameters, of_network, message):
    model = committee(cls, estimator=network(cls, **of_network), **parameters).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.predict_interval(X)


def test_coverages_that_cannot_be(folded):
    for coverage, message in ((1.0, "between 0 and 1"), (0.9999, "at least 9999 held-out")):
        with pytest.raises(ValueError, match=message):
            folded.predict_interval(np.zeros((1, 2)), coverage)


# -- accuracy ----------------------------------------------------------------------------


def test_a_committee_beats_its_members_on_digits():
    digits, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(digits / 16, y, random_state=0, test_size=0.5)
    given = MLPClassifier((30,), learning_rate_init=0.01, early_stopping=True)
    model = MLPEnsembleClassifier(given, 8, random_state=0, n_jobs=2).fit(train, y_train)
    alone = [log_loss(y_test, one.predict_proba(test)) for one in model.estimators_]
    assert log_loss(y_test, model.predict_proba(test)) < 0.95 * np.mean(alone)


def test_drawn_hyperparameters_are_weighed_by_what_they_are_worth():
    features, y = make_friedman1(300, noise=0.5, random_state=0)
    train, test, y_train, y_test = train_test_split(features, y, random_state=0)
    given = make_pipeline(StandardScaler(), MLPRegressor((20,), optimizer="lbfgs"))
    draws = {"mlpregressor__alpha": loguniform(1e-3, 1e4)}
    model = MLPEnsembleRegressor(given, 8, draws=draws, cv=4, random_state=0)
    model.fit(train, y_train)
    strong = np.array([one[-1].alpha for one in model.estimators_[::4]])
    assert strong[model.member_weights_ > 0].max() < strong.max()
    assert model.score(test, y_test) > np.mean(
        [one.score(test, y_test) for one in model.estimators_]
    )


# -- scikit-learn ------------------------------------------------------------------------


@cases
def test_pickles_hold_no_predictions_of_the_rows_of_training(cls, y):
    model = committee(cls, cv=2, calibrate=True).fit(X, y)
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert not hasattr(copied, "oof_prediction_")
        assert copied.oof_score_ == model.oof_score_
        assert_array_equal(predictions(copied, X), predictions(model, X))
    networks = sum(len(pickle.dumps(one)) for one in model.estimators_)
    assert len(pickle.dumps(model)) < networks + 5000


def test_a_pickle_of_shared_encoders_holds_each_once():
    given = make_pipeline(StandardScaler(), network(MLPEnsembleRegressor))
    model = committee(MLPEnsembleRegressor, estimator=given, cv=2).fit(X, NUMBER)
    loaded = pickle.loads(pickle.dumps(model))
    assert len({id(one[0]) for one in loaded.estimators_}) == 2


def test_pickles_of_another_format_are_refused():
    state = committee(MLPEnsembleRegressor).fit(X, NUMBER).__getstate__()
    with pytest.raises(ValueError, match="This pickle of MLPEnsembleRegressor has format 1"):
        MLPEnsembleRegressor().__setstate__({**state, "_pickle_format": 1})


def test_a_second_fit_forgets_the_first_one():
    model = committee(MLPEnsembleRegressor, cv=2).fit(X, NUMBER)
    model.set_params(cv=None).fit(X, NUMBER)
    for name in ("oof_prediction_", "oof_score_", "member_losses_"):
        assert not hasattr(model, name)
    assert_allclose(model.predict(X, return_std=True)[1], by_member(model, X)[:, 0].std(axis=0))


def test_members_of_a_list_are_tuned():
    pairs = [("a", network(MLPEnsembleRegressor)), ("b", network(MLPEnsembleRegressor))]
    grid = {"estimator__b__alpha": [1e-4, 1e6], "n_estimators": [2]}
    search = GridSearchCV(MLPEnsembleRegressor(pairs, random_state=0), grid, cv=2)
    search.fit(X, NUMBER)
    assert search.best_params_["estimator__b__alpha"] == 1e-4


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_frames_reach_the_encoders_as_they_are(frame):
    gap = np.where(np.arange(N) == 3, np.nan, X[:, 1])
    data = pytest.importorskip(frame).DataFrame({"size": X[:, 0], "gap": gap, "kind": THREE})
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["size", "gap"]),
        (OneHotEncoder(sparse_output=False), ["kind"]),
    )
    given = make_pipeline(encoder, network(MLPEnsembleRegressor))
    model = committee(MLPEnsembleRegressor, estimator=given, cv=2).fit(data, NUMBER)
    assert_array_equal(model.feature_names_in_, ["size", "gap", "kind"])
    assert model.n_features_in_ == 3
    assert model.predict(data).shape == (N,)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(data[["gap", "size", "kind"]])


def test_sparse_features_are_those_of_the_networks():
    dense = committee(MLPEnsembleClassifier, cv=2).fit(X, THREE)
    compressed = committee(MLPEnsembleClassifier, cv=2).fit(sparse.csc_array(X), THREE)
    assert_allclose(compressed.predict_proba(sparse.csr_array(X)), dense.predict_proba(X))


def test_tags_are_those_of_the_members():
    scaled = make_pipeline(StandardScaler(), MLPRegressor())
    assert get_tags(MLPEnsembleRegressor()).input_tags.sparse
    assert not get_tags(MLPEnsembleRegressor(scaled)).input_tags.sparse
    mixed = [("scaled", scaled), ("raw", MLPRegressor())]
    assert not get_tags(MLPEnsembleRegressor(mixed)).input_tags.sparse
    assert get_tags(MLPEnsembleClassifier()).classifier_tags.multi_label
    get_tags(MLPEnsembleClassifier("nonsense"))


def test_class_weights_are_those_of_the_networks():
    y = (X[:, 0] > 1).astype(int)
    given = network(MLPEnsembleClassifier, class_weight="balanced", max_iter=200)
    plain = committee(MLPEnsembleClassifier, cv=StratifiedKFold(3)).fit(X, y)
    balanced = committee(MLPEnsembleClassifier, estimator=given, cv=StratifiedKFold(3)).fit(X, y)
    assert balanced.predict(X).sum() > plain.predict(X).sum()


def test_errors_of_nothing_give_standard_deviations_of_nothing():
    given = network(MLPEnsembleRegressor, optimizer="lbfgs")
    model = committee(MLPEnsembleRegressor, estimator=given, cv=2, calibrate=True)
    model.fit(np.zeros((20, 2)), np.zeros(20))
    mean, std = model.predict(np.zeros((3, 2)), return_std=True)
    assert_allclose(std, 0, atol=1e-6)
    assert_allclose(model.predict_interval(np.zeros((3, 2))), np.c_[mean, mean], atol=1e-5)


@pytest.mark.parametrize("weight", [None, np.r_[np.zeros(5), np.ones(25)]])
def test_errors_whose_squares_overflow_leave_no_nan(weight):
    far = np.where(np.arange(30) % 3, 1.0, 1e200)[:, np.newaxis]  # one fold sees none of these
    folds = [(np.flatnonzero(far == 1), np.flatnonzero(far > 1))]
    given = MLPRegressor((), optimizer="lbfgs", max_iter=2, initializer="constant")
    model = committee(MLPEnsembleRegressor, estimator=given, cv=folds, calibrate=True)
    model.fit(far, np.ones(30), weight)
    assert not np.isnan([model.temperature_, *model._residual_variance]).any()
    assert not np.isnan(model.predict_interval(np.ones((3, 1)), 0.5)).any()


# -- other targets -----------------------------------------------------------------------

SHARES = softmax(2 * X[:, :3], axis=1)
OUTPUTS = np.column_stack([THREE, np.where(X[:, 3] > 0, "up", "down"), np.full(N, "all")])


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_probabilities_as_targets(weight):
    model = committee(MLPEnsembleClassifier, cv=FOLDS, n_estimators=4).fit(X, SHARES, weight)
    assert model.targets_ == "probabilities"
    assert_array_equal(model.classes_, range(3))
    unseen = np.empty((4, N, 3))
    for f, (_, held_out) in enumerate(FOLDS):
        unseen[:, held_out] = by_member(model, X[held_out])[:, f]

    def cross_entropy(q):
        return np.average(-(SHARES * np.log(q)).sum(axis=1), weights=weight)

    assert_allclose(model.member_losses_, [cross_entropy(one) for one in unseen])
    assert_allclose(
        model.oof_prediction_, np.average(unseen, axis=0, weights=model.member_weights_)
    )
    likeliest = SHARES.argmax(axis=1)
    expected = accuracy_score(likeliest, model.oof_prediction_.argmax(axis=1), sample_weight=weight)
    assert_allclose(model.oof_score_, expected)
    assert model.score(X, SHARES, weight) == model.score(X, likeliest, weight) > 0.5
    sets = model.predict_interval(X, 0.8)
    assert sets.shape == (N, 3)
    assert sets[np.arange(N), likeliest].mean() > 0.7


def test_splitters_see_the_likeliest_class():
    labels = np.repeat([0, 1, 2], 30)
    shares = 0.7 * np.eye(3)[labels] + 0.1
    model = committee(MLPEnsembleClassifier, cv=3, n_estimators=1)
    model.fit(X, shares)  # folds that are not stratified would lack a class each
    folds = StratifiedKFold(3).split(X, labels)
    other = committee(MLPEnsembleClassifier, cv=folds, n_estimators=1).fit(X, shares)
    assert_array_equal(model.oof_prediction_, other.oof_prediction_)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_several_outputs_of_several_classes(weight):
    model = committee(MLPEnsembleClassifier, cv=FOLDS, n_estimators=4).fit(X, OUTPUTS, weight)
    assert model.targets_ == "multioutput"
    assert [one.tolist() for one in model.classes_] == [["a", "b", "c"], ["down", "up"], ["all"]]
    unseen = [np.empty((4, N, k)) for k in (3, 2, 1)]
    for f, (_, held_out) in enumerate(FOLDS):
        for m in range(4):
            found = model.estimators_[3 * m + f].predict_proba(X[held_out])
            for array, one in zip(unseen, found, strict=True):
                array[m, held_out] = one
    losses = [
        sum(log_loss(OUTPUTS[:, j], unseen[j][m], sample_weight=weight) for j in range(2))
        for m in range(4)
    ]
    assert_allclose(model.member_losses_, losses)
    shares = model.member_weights_
    for ours, one in zip(model.oof_prediction_, unseen, strict=True):
        assert_allclose(ours, np.average(one, axis=0, weights=shares), rtol=1e-9)
    decided = [
        classes[one.argmax(axis=1)]
        for classes, one in zip(model.classes_, model.oof_prediction_, strict=True)
    ]
    right = (np.column_stack(decided) == OUTPUTS).all(axis=1)
    assert_allclose(model.oof_score_, np.average(right, weights=weight))
    predicted = model.predict(X)
    right = (predicted == OUTPUTS).all(axis=1)
    assert_allclose(model.score(X, OUTPUTS, weight), np.average(right, weights=weight))
    probabilities = model.predict_proba(X)
    for j, (one, logarithms) in enumerate(
        zip(probabilities, model.predict_log_proba(X), strict=True)
    ):
        assert_allclose(one.sum(axis=1), 1)
        assert_allclose(np.log(one), logarithms, atol=1e-12)
        assert_array_equal(model.classes_[j][one.argmax(axis=1)], predicted[:, j])
    with pytest.raises(ValueError, match="one class a sample, not several labels or outputs"):
        model.predict_interval(X)


@pytest.mark.parametrize("y", [SHARES, OUTPUTS], ids=["probabilities", "outputs"])
@pytest.mark.parametrize(
    "parameters",
    [{"bootstrap": True}, {"snapshots": 2}, {"cv": 3, "calibrate": True}, {"cv": None}],
    ids=str,
)
def test_such_targets_with_all_ways_to_train(y, parameters):
    one, two = (committee(MLPEnsembleClassifier, n_jobs=n, **parameters).fit(X, y) for n in (1, 2))
    loaded = pickle.loads(pickle.dumps(one))
    for other in (two, loaded):
        pairs = zip(one.predict_proba(X), other.predict_proba(X), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs)
        assert_array_equal(other.predict(X), one.predict(X))
    assert (one.temperature_ == 1) == ("calibrate" not in parameters)


def test_what_y_means_is_that_of_all_rows():
    # In each fold's rows alone, y would mean something else.
    certain = np.eye(3)[SHARES.argmax(axis=1)]
    folds = [(np.arange(60), np.arange(60, N)), (np.arange(60, N), np.arange(60))]
    shares = np.r_[certain[:60], SHARES[60:]]
    numbers = np.r_[LABELS[:60], 2 * LABELS[60:]]
    for y, meaning in ((shares, "probabilities"), (numbers, "multioutput")):
        model = committee(MLPEnsembleClassifier, cv=folds, n_estimators=1).fit(X, y)
        assert model.targets_ == meaning
        assert {one.targets_ for one in model.estimators_} == {meaning}
        assert not np.isnan(np.hstack(model.oof_prediction_)).any()


def test_members_say_what_y_means():
    given = network(MLPEnsembleClassifier, targets="multioutput")
    pairs = [("says", given), ("leaves open", network(MLPEnsembleClassifier))]
    model = committee(MLPEnsembleClassifier, estimator=pairs, cv=2).fit(X, LABELS)
    assert [len(one) for one in model.classes_] == [2, 2, 2]
    assert model.predict(X).shape == LABELS.shape


# -- what is refused ---------------------------------------------------------------------

REFUSED = {
    "calibrate": (MLPEnsembleClassifier, THREE, {"calibrate": True}, "set cv"),
    "a tree": (MLPEnsembleClassifier, THREE, {"estimator": OneHotEncoder()}, "are networks"),
    "a regressor": (MLPEnsembleClassifier, THREE, {"estimator": MLPRegressor()}, "are networks"),
    "margins": (
        MLPEnsembleClassifier,
        THREE,
        {"estimator": MLPClassifier(loss="hinge")},
        "loss='hinge' has none",
    ),
    "quantiles": (
        MLPEnsembleRegressor,
        NUMBER,
        {"estimator": [("a", MLPRegressor(loss=Quantile([0.1, 0.9]))), ("b", MLPRegressor())]},
        "the same quantiles",
    ),
    "sparse numbers": (MLPEnsembleRegressor, sparse.csr_array(NUMBERS), {}, "Sparse data"),
    "strings": (MLPEnsembleRegressor, THREE, {}, "must be numbers|convert string"),
    "huge numbers": (MLPEnsembleRegressor, NUMBER * 1e160, {}, "squares of targets above 1e\\+150"),
    "missing numbers": (
        MLPEnsembleRegressor,
        np.where(NUMBERS > 0, NUMBERS, np.nan),
        {"estimator": MLPRegressor(missing_targets="ignore")},
        "Input y contains NaN.*one for each column of y",
    ),
    "continuous": (MLPEnsembleClassifier, NUMBER, {}, "Unknown label type"),
    "two values": (MLPEnsembleClassifier, 1 + LABELS, {}, "set targets='multioutput'"),
    "fractions": (MLPEnsembleClassifier, 0.3 + LABELS, {}, "sum to 1 in each row"),
    "two meanings": (
        MLPEnsembleClassifier,
        LABELS,
        {
            "estimator": [
                ("a", MLPClassifier(targets="multioutput")),
                ("b", MLPClassifier(targets="multilabel")),
            ]
        },
        "targets='multilabel' and others with 'multioutput'",
    ),
    "None": (MLPEnsembleClassifier, np.r_[[None], THREE[1:]], {}, "None"),
    "lengths": (MLPEnsembleClassifier, THREE[1:], {}, "inconsistent numbers of samples"),
    "no targets": (MLPEnsembleClassifier, None, {}, "requires y"),
}


@pytest.mark.parametrize(("cls", "y", "parameters", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_before_training(cls, y, parameters, message, monkeypatch):
    monkeypatch.delattr(Training, "run")
    model = cls(**parameters)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y)
    assert not [name for name in vars(model) if name.endswith("_")]


@pytest.mark.parametrize("weight", [-np.ones(N), np.ones(3), np.zeros(N)])
def test_weights_that_cannot_be(weight):
    with pytest.raises(ValueError, match=r"[Nn]egative|shape|non-zero"):
        committee(MLPEnsembleRegressor).fit(X, NUMBER, weight)
