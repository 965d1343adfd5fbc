"""Averages of the parameters against explicit loops over models trained step by step."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from sknn_opt import GrowingBatch, MLPClassifier, MLPRegressor
from sknn_opt.averaging import AVERAGINGS, EMA, SWA
from sknn_opt.normalizations import BatchNorm
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_iris(return_X_y=True)
X = scale(X)
N_EPOCHS = 8
FIRST_ORDER = [
    name
    for name, cls in OPTIMIZERS.items()
    if issubclass(cls, FirstOrder) and not cls.averages_iterates
]


def make(**parameters):
    settings = {"hidden_layer_sizes": (5,), "shuffle": False, "max_iter": N_EPOCHS}
    return MLPClassifier(**settings | {"random_state": 0} | parameters)


def parameters_of(model):
    arrays = (*model.coefs_, *model.intercepts_)
    arrays += (*model.normalization_scales_, *model.normalization_shifts_)
    return np.concatenate([np.ravel(a) for a in arrays])


def trajectory(n_epochs=N_EPOCHS, **parameters):
    """The parameters after each epoch."""
    model, path = make(**parameters), []
    for _ in range(n_epochs):
        path.append(parameters_of(model.partial_fit(X, Y, classes=[0, 1, 2])).copy())
    return np.array(path)


def average_of(averaging, **parameters):
    return parameters_of(make(averaging=averaging, **parameters).fit(X, Y))


@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_ema_is_an_explicit_mean_over_steps(optimizer):
    path = trajectory(optimizer=optimizer, batch_size="full")
    decay = 0.7
    shares = decay ** np.arange(N_EPOCHS)[::-1]
    expected = shares @ path / shares.sum()
    ours = average_of(EMA(decay), optimizer=optimizer, batch_size="full")
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("start", [0, 5, 0.5, 0.75])
@pytest.mark.parametrize("normalization", [None, "layer", "batch"])
def test_swa_is_the_mean_of_the_last_epochs(start, normalization):
    settings = {"batch_size": 32, "normalization": normalization, "learning_rate_init": 0.01}
    path = trajectory(**settings)
    expected = path[int(start * N_EPOCHS) if isinstance(start, float) else start :].mean(axis=0)
    np.testing.assert_allclose(average_of(SWA(start), **settings), expected, rtol=1e-9, atol=1e-12)


def test_swa_that_would_start_after_the_last_epoch_keeps_the_newest_parameters():
    settings = {"batch_size": 32}
    np.testing.assert_allclose(
        average_of(SWA(100), **settings), trajectory(**settings)[-1], rtol=1e-12
    )


@pytest.mark.parametrize("averaging", AVERAGINGS)
@pytest.mark.parametrize("regularization", [{}, {"dropout": 0.3}, {"normalization": "batch"}])
def test_training_goes_on_from_its_own_parameters(averaging, regularization):
    plain = make(batch_size=32, **regularization).fit(X, Y)
    averaged = make(batch_size=32, averaging=averaging, **regularization).fit(X, Y)
    assert plain.loss_curve_ == averaged.loss_curve_
    assert not np.allclose(parameters_of(plain), parameters_of(averaged))


@pytest.mark.parametrize("averaging", AVERAGINGS)
def test_validation_is_of_the_average(averaging):
    model = make(batch_size=32, averaging=averaging).fit(X, Y, X_val=X, y_val=Y)
    assert model.history_["validation_score"][-1] == model.score(X, Y)
    # Up to each epoch, the history is that of a training that ends there.
    shorter = make(batch_size=32, averaging=EMA(), max_iter=3).fit(X, Y)
    history = make(batch_size=32, averaging=EMA()).fit(X, Y, X_val=X, y_val=Y).history_
    assert history["validation_score"][2] == shorter.score(X, Y)


def test_early_stopping_keeps_the_best_average():
    model = make(
        batch_size=10, averaging="ema", early_stopping=True, learning_rate_init=0.1, max_iter=60
    ).fit(X, Y, X_val=X[::2], y_val=Y[::2])
    assert model.score(X[::2], Y[::2]) == max(model.validation_scores_)


@pytest.mark.parametrize("averaging", AVERAGINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_statistics_of_batch_normalization_are_those_of_the_average(averaging, dtype):
    model = make(
        batch_size=40, averaging=averaging, normalization="batch", random_state=1, dtype=dtype
    ).fit(X, Y)
    batches = [X[i : i + 40] @ model.coefs_[0] + model.intercepts_[0] for i in range(0, 150, 40)]
    sizes = [len(batch) for batch in batches]
    mean = np.average([z.mean(axis=0) for z in batches], axis=0, weights=sizes)
    variance = np.average([z.var(axis=0, ddof=1) for z in batches], axis=0, weights=sizes)
    rtol = 1e-4 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(model.running_means_[0], mean, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(model.running_variances_[0], variance, rtol=rtol)


def mean_statistics(model, features, batch_size):
    """Means and variances of the batches in each layer, by NumPy, in the order of the rows."""
    batches = [features[i : i + batch_size] for i in range(0, len(features), batch_size)]
    sizes, statistics = [len(batch) for batch in batches], []
    for i, (w, b) in enumerate(zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True)):
        zs = [batch @ w + b for batch in batches]
        statistics += [
            np.average([z.mean(axis=0) for z in zs], axis=0, weights=sizes),
            np.average([z.var(axis=0, ddof=1) for z in zs], axis=0, weights=sizes),
        ]
        normalized = [(z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) for z in zs]
        scale, shift = model.normalization_scales_[i], model.normalization_shifts_[i]
        batches = [np.maximum(scale * z + shift, 0) for z in normalized]
    return statistics


def test_statistics_of_earlier_calls_fade_by_each_layers_momentum():
    momenta = [0.3, 0.05]
    model = make(
        hidden_layer_sizes=(5, 4),
        batch_size=40,
        averaging="ema",
        normalization=[BatchNorm(momentum=momentum) for momentum in momenta],
    ).partial_fit(X, Y, classes=[0, 1, 2])

    def statistics():
        pairs = zip(model.running_means_, model.running_variances_, strict=True)
        return [array.copy() for pair in pairs for array in pair]

    for ours, expected in zip(statistics(), mean_statistics(model, X, 40), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)
    before = statistics()
    model.partial_fit(X[:70] + 1, Y[:70])
    new = mean_statistics(model, X[:70] + 1, 40)
    shares = 1 - (1 - np.repeat(momenta, 2)) ** 2  # two batches
    for ours, was, mean, share in zip(statistics(), before, new, shares, strict=True):
        np.testing.assert_allclose(ours, was + share * (mean - was), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("batch_size", "last"),
    [
        (GrowingBatch(start=10, factor=2, every=2), 40),  # 10, 10, 20, 20, 40
        (GrowingBatch(start=10, factor=3, every=4), 30),
        (GrowingBatch(start=1, factor=50, every=2), 150),
        (GrowingBatch(start=30, factor=2, every=5), 30),  # would grow in the next epoch
    ],
)
def test_statistics_are_those_of_batches_as_large_as_the_last_ones(batch_size, last):
    model = make(batch_size=batch_size, averaging="ema", normalization="batch", max_iter=5)
    model.fit(X, Y)
    ours = [*model.running_means_, *model.running_variances_]
    for array, expected in zip(ours, mean_statistics(model, X, last), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-12)


def test_statistics_are_those_of_batches_that_have_grown_at_plateaus():
    growing = GrowingBatch(start=10, factor=2, every="plateau")
    model = make(batch_size=growing, averaging="ema", normalization="batch", max_iter=30)
    model.set_params(tol=10.0, n_iter_no_change=1, learning_rate_init=1e-3).fit(X, Y)
    assert model.n_iter_ < 30  # it ends at a plateau of batches of all samples
    ours = [*model.running_means_, *model.running_variances_]
    for array, expected in zip(ours, mean_statistics(model, X, 150), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("pickled", [False, True])
def test_ema_goes_on_over_calls_of_partial_fit(pickled):
    settings = {"averaging": EMA(0.9), "batch_size": 32}
    model = make(**settings)
    for _ in range(N_EPOCHS):
        model.partial_fit(X, Y, classes=[0, 1, 2])
        if pickled:
            model = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(parameters_of(model), average_of(**settings), rtol=1e-12)


def test_parameters_that_a_user_assigns_are_trained_themselves():
    model = make(averaging=EMA(0.9)).partial_fit(X, Y, classes=[0, 1, 2])
    model.coefs_ = [np.zeros_like(c) for c in model.coefs_]
    model.intercepts_ = [np.zeros_like(b) for b in model.intercepts_]
    model.partial_fit(X, Y)
    assert max(np.abs(c).max() for c in model.coefs_) < 0.01


def test_averaging_helps_with_a_high_learning_rate():
    rng = np.random.RandomState(0)
    features = rng.normal(size=(400, 5))
    targets = features @ [1, -2, 0.5, 0, 3] + rng.normal(size=400)
    scores = {
        averaging: MLPRegressor(
            (), optimizer="sgd", learning_rate_init=0.05, batch_size=5, averaging=averaging,
            max_iter=40, n_iter_no_change=100, random_state=0,
        ).fit(features[:200], targets[:200]).score(features[200:], targets[200:])
        for averaging in (None, *AVERAGINGS)
    }  # fmt: skip
    assert min(scores["ema"], scores["swa"]) > scores[None] + 0.005


def test_averagings_are_tuned():
    grid = {"averaging": [EMA(), SWA()]}
    GridSearchCV(make(max_iter=2), grid, cv=2).fit(X, Y)
    GridSearchCV(make(max_iter=2, averaging=EMA()), {"averaging__decay": [0.5, 0.9]}, cv=2).fit(
        X, Y
    )


@pytest.mark.parametrize(
    ("averaging", "message"),
    [
        ("mean", "'averaging' parameter"),
        (EMA(1.0), "decay"),
        (SWA(1.5), "start"),
        (SWA(-1), "start"),
    ],
    ids=str,
)
def test_bad_averagings_are_refused(averaging, message):
    with pytest.raises(ValueError, match=message):
        make(averaging=averaging).fit(X, Y)


def test_what_cannot_be_averaged_is_refused():
    with pytest.raises(ValueError, match=r"partial_fit does not support averaging.*'ema'"):
        make(averaging="swa").partial_fit(X, Y, classes=[0, 1, 2])
    for name, cls in OPTIMIZERS.items():
        if not issubclass(cls, FirstOrder) or cls.averages_iterates:
            with pytest.raises(ValueError, match="averaging='ema' does not apply to"):
                MLPRegressor((3,), optimizer=name, averaging="ema").fit(X, Y * 1.0)


def _ordered():
    rng = np.random.RandomState(0)
    features = rng.normal(size=(2000, 3))
    features[:, 0] = np.linspace(-3, 3, 2000)
    return features, np.sin(features[:, 0]) + 0.1 * features[:, 1]


def test_statistics_do_not_depend_on_the_order_of_rows():
    features, targets = _ordered()
    network = MLPRegressor(
        (20, 20), normalization="batch", averaging="ema", max_iter=40, random_state=0
    )
    assert network.fit(features, targets).score(features, targets) > 0.9


def test_statistics_of_earlier_calls_stay():
    features, targets = _ordered()
    order = np.random.RandomState(0).permutation(2000)
    network = MLPRegressor((20,), normalization="batch", averaging="ema", random_state=0)
    for _ in range(20):
        for rows in np.split(order, 10):
            network.partial_fit(features[rows], targets[rows])
    before = network.score(features, targets)
    network.partial_fit(features[:8], targets[:8])
    assert network.score(features, targets) > before - 0.02


@pytest.mark.parametrize("averaging", AVERAGINGS)
def test_a_training_that_is_cut_off_in_its_first_epoch_predicts(averaging, monkeypatch):
    looks = iter([False] * 3)  # at the clock: between calls of 8 batches, and then of more
    out_of_time = property(lambda progress: next(looks, True))
    monkeypatch.setattr("sknn_opt._training.progress.Progress.is_out_of_time", out_of_time)
    rng = np.random.RandomState(0)
    features = rng.normal(size=(200_000, 20))
    targets = (features[:, 0] > 0).astype(int)
    network = MLPClassifier(
        (50,), averaging=averaging, max_time=1.0, batch_size=5, random_state=0
    ).fit(features, targets)
    assert network.n_iter_ == 1
    assert network.score(features, targets) > 0.8
    assert network._optimizer_state_ is None
