"""Mixup: what is mixed with what, in which shares, and that nothing else is."""

import pickle

import numpy as np
import pytest
import streams
from scipy import sparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.datasets import load_digits

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._compiler.blas_threads import BLOCK_ROWS
from sknn_opt._compiler.declarations import at, kernel
from sknn_opt._network.mixture import Mixture, draw_mixture, find_pair, mixtures
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, Focal, LogLoss, Loss
from sknn_opt.optimizers import SGD

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

FLOAT64 = np.dtype("float64")


@kernel("void (mixture *mixture, int64 seed, int64 step, int64 start, int64 rows)")
def _draw(mixture, seed, step, start, rows):
    draw_mixture(at(mixture, 0), seed, step, start, rows)


@kernel("int64 (int64 mixture, int64 i)")
def _partner(mixture, i):
    return find_pair(at(mixtures(mixture), 0), i)[1]


@pytest.mark.parametrize("a", [1e-3, 0.2, 1.0, 1.5, 30.0])
@pytest.mark.parametrize("rows", [1, 2, 3, 50, 5000])
def test_shares_and_partners_are_those_of_the_transcription(a, rows):
    mixture, start = Mixture(a, None, None), 40
    for step in range(5):
        _draw(FLOAT64, mixture.address, 7, step, start, rows)
        share, partners = streams.mixture(7, step, a, rows)
        assert mixture._struct["share"][0] == pytest.approx(share, abs=1e-12)
        ours = [_partner(FLOAT64, mixture.address, start + i) - start for i in range(rows)]
        np.testing.assert_array_equal(ours, partners)
        np.testing.assert_array_equal(np.sort(ours), np.arange(rows))
        assert rows == 1 or not np.any(ours == np.arange(rows))


def test_every_other_row_may_be_the_partner():
    mixture, found = Mixture(1.0, None, None), set()
    for step in range(300):
        _draw(FLOAT64, mixture.address, 0, step, 0, 12)
        found.add(_partner(FLOAT64, mixture.address, 3))
    assert found == set(range(12)) - {3}


# Losses of a row, by its target and raw outputs.


def _log_loss(y, z):
    return -(y * log_expit(z) + (1 - y) * log_expit(-z)).sum()


def _brier(y, z):
    return 0.5 * ((expit(z) - y) ** 2).sum()


def _focal(y, z):
    right = (2 * y - 1) * z
    return -(expit(-right) ** 2 * log_expit(right)).sum()


def _softmax_log_loss(y, z):
    return -log_softmax(z)[y]


def _softmax_brier(y, z):
    return 0.5 * ((softmax(z) - np.eye(len(z))[y]) ** 2).sum()


def _softmax_focal(y, z):
    return -((1 - softmax(z)[y]) ** 2) * log_softmax(z)[y]


def _squares(y, z):
    return 0.5 * ((z - y) ** 2).sum()


random = np.random.default_rng(0)
N = 61
X = random.normal(size=(N, 4))
WEIGHT = random.integers(0, 4, N) * random.uniform(0.5, 2, N)
LINEAR = X @ random.normal(size=(4, 3)) + 0.3 * random.normal(size=(N, 3))
BINARY, LABELS, CLASSES = (LINEAR[:, 0] > 0) * 1, (LINEAR > 0) * 1, LINEAR.argmax(axis=1)

#: Estimator, loss, targets, number of outputs and the loss of a row.
CASES = {
    "regression": (MLPRegressor, "squared_error", LINEAR[:, 0], 1, _squares),
    "three outputs": (MLPRegressor, "squared_error", LINEAR, 3, _squares),
    "binary log_loss": (MLPClassifier, "log_loss", BINARY, 1, _log_loss),
    "binary squared_error": (MLPClassifier, "squared_error", BINARY, 1, _brier),
    "binary focal": (MLPClassifier, "focal", BINARY, 1, _focal),
    "labels log_loss": (MLPClassifier, "log_loss", LABELS, 3, _log_loss),
    "labels squared_error": (MLPClassifier, "squared_error", LABELS, 3, _brier),
    "labels focal": (MLPClassifier, "focal", LABELS, 3, _focal),
    "classes log_loss": (MLPClassifier, "log_loss", CLASSES, 3, _softmax_log_loss),
    "classes squared_error": (MLPClassifier, "squared_error", CLASSES, 3, _softmax_brier),
    "classes focal": (MLPClassifier, "focal", CLASSES, 3, _softmax_focal),
}


def derivative(loss, y, z, h=1e-5):
    steps = h * np.eye(len(z))
    return np.array([(loss(y, z + step) - loss(y, z - step)) / (2 * h) for step in steps])


def epoch(model, X, y, weight, batch_size, parameters, loss):
    """Steps of gradient descent in NumPy; returns parameters and the mean loss of mixtures."""
    w, b = parameters
    seed, total = model._optimizer_state_["seed"], 0.0
    for step, start in enumerate(range(0, len(X), batch_size)):
        rows = slice(start, start + batch_size)
        x, t, s = X[rows], y[rows], weight[rows]
        share, other = streams.mixture(seed, step, model.mixup, len(x))
        # Rows without weight are mixed with nothing.
        in_features = np.where(s[other] == 0, 1.0, np.where(s == 0, 0.0, share))[:, np.newaxis]
        x = in_features * x + (1 - in_features) * x[other]
        x = x + model.input_noise * streams.noise(seed, step, x.shape, start)
        delta = np.zeros((len(x), len(b)))
        for i, z in enumerate(x @ w + b):
            for j, part in ((i, share), (other[i], 1 - share)):
                total += len(x) * part * s[j] * loss(t[j], z) / s.sum()
                delta[i] += part * s[j] * derivative(loss, t[j], z) / s.sum()
        w, b = (
            w - model.learning_rate_init * x.T @ delta,
            b - model.learning_rate_init * delta.sum(0),
        )
    return w, b, total / len(X)


def linear(case, batch_size=20, **parameters):
    cls, loss = CASES[case][:2]
    settings = {"loss": loss, "learning_rate_init": 0.1, "alpha": 0.0, "mixup": 0.4}
    return cls(
        (), optimizer=SGD(momentum=0), batch_size=batch_size, shuffle=False, random_state=0,
        **{"initializer": "zeros", **settings, **parameters},
    )  # fmt: skip


def partial_fit(model, X, y, weight=None):
    n_classes = y.shape[1] if y.ndim == 2 else int(y.max()) + 1
    classes = {"classes": np.arange(n_classes)} if isinstance(model, MLPClassifier) else {}
    return model.partial_fit(X, y, weight, **classes)


@pytest.mark.parametrize(
    ("a", "weighted", "noise"), [(0.4, False, 0.0), (3.0, True, 0.0), (0.4, True, 0.5)]
)
@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_the_transcription(case, noise, weighted, a):
    # The last mini-batch has one row.
    _, name, y, n_outputs, loss = CASES[case]
    weight = WEIGHT if weighted else np.ones(N)
    model = linear(case, mixup=a, input_noise=noise)
    partial_fit(model, X, y, WEIGHT if weighted else None)
    start = np.zeros((4, n_outputs)), np.zeros(n_outputs)
    w, b, mean = epoch(model, X, y, weight, 20, start, loss)
    tolerance = {"rtol": 1e-4, "atol": 1e-7} if noise else {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(model.coefs_[0], w, **tolerance)
    np.testing.assert_allclose(model.intercepts_[0], b, **tolerance)
    if name != "squared_error":  # which is smaller: by how far the two targets are apart
        assert model.loss_ == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", ["three outputs", "classes log_loss"])
def test_partners_stand_in_other_blocks_too(case, weighted):
    n, batch_size = 3 * BLOCK_ROWS + 100, 3 * BLOCK_ROWS
    rows = np.arange(n) % N
    _, _, y, n_outputs, loss = CASES[case]
    weight = np.random.default_rng(3).integers(0, 3, n).astype(float)
    model = linear(case, batch_size)
    partial_fit(model, X[rows], y[rows], weight if weighted else None)
    start = np.zeros((4, n_outputs)), np.zeros(n_outputs)
    given = weight if weighted else np.ones(n)
    w, b, _ = epoch(model, X[rows], y[rows], given, batch_size, start, loss)
    np.testing.assert_allclose(model.coefs_[0], w, rtol=1e-6)
    np.testing.assert_allclose(model.intercepts_[0], b, rtol=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e3])
@pytest.mark.parametrize("case", CASES)
def test_rows_without_weight_have_no_part(case, size):
    y, without = CASES[case][2], WEIGHT == 0
    other, reversed_y = X.copy(), y.copy()
    other[without] = size * random.normal(size=(without.sum(), 4))
    reversed_y[without] = y[without][::-1]
    first, second = linear(case, max_iter=3), linear(case, max_iter=3)
    first.fit(X, y, WEIGHT)
    second.fit(other, reversed_y, WEIGHT)
    np.testing.assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert first.loss_curve_ == second.loss_curve_


@pytest.mark.parametrize("case", CASES)
def test_the_penalty_is_that_of_the_weights_of_the_batch(case):
    """Mixing moves weight between rows, but a mini-batch has as much as without."""
    y = CASES[case][2]
    settings = {"initializer": "auto", "learning_rate_init": 1e-200, "max_iter": 1}
    losses = [
        linear(case, **settings, mixup=mixup, alpha=alpha).fit(X, y, WEIGHT).loss_
        for mixup in (0.0, 0.4)
        for alpha in (0.0, 3.0)
    ]
    assert losses[1] - losses[0] == pytest.approx(losses[3] - losses[2], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_mixtures_take_no_part_in_validation_and_prediction(case):
    cls, _, y, _, loss = CASES[case]
    model = linear(case, mixup=1.0, max_iter=1).fit(X, y, X_val=X, y_val=y)
    raw = X @ model.coefs_[0] + model.intercepts_[0]
    mean = np.mean([loss(t, z) for t, z in zip(y, raw, strict=True)])
    np.testing.assert_allclose(model.history_["validation_loss"], mean, rtol=1e-12)
    np.testing.assert_allclose(model.history_["validation_score"], model.score(X, y), rtol=1e-12)
    if cls is MLPRegressor:
        np.testing.assert_allclose(model.predict(X), raw.reshape(y.shape), rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_networks_of_both_types_mix_the_same(case):
    cls, loss, y, *_ = CASES[case]
    models = [
        cls((5,), loss=loss, mixup=0.5, batch_size=20, max_iter=3, dtype=dtype, random_state=0)
        .fit(X, y, WEIGHT)
        for dtype in ("float64", "float32")
    ]  # fmt: skip
    for double, single in zip(*(model.coefs_ for model in models), strict=True):
        assert single.dtype == "float32"
        np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("case", ["regression", "classes log_loss"])
def test_calls_of_partial_fit_go_on_with_the_stream(case):
    y, settings = CASES[case][2], {"initializer": "auto", "input_noise": 0.1}
    whole = linear(case, max_iter=3, n_iter_no_change=np.inf, **settings).fit(X, y)
    parts = linear(case, **settings)
    for _ in range(3):
        parts = pickle.loads(pickle.dumps(partial_fit(parts, X, y)))
    np.testing.assert_array_equal(whole.coefs_[0], parts.coefs_[0])


def test_mixing_changes_neither_the_initial_weights_nor_the_order_of_rows():
    settings = {"learning_rate_init": 1e-300, "max_iter": 1, "initializer": "auto"}
    plain, mixed = (linear("regression", mixup=a, **settings) for a in (0.0, 0.5))
    for model in (plain, mixed):
        model.set_params(shuffle=True).fit(X, CASES["regression"][2])
    np.testing.assert_array_equal(plain.coefs_[0], mixed.coefs_[0])


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda X: X[::-1, ::-1].copy()[::-1, ::-1]])
def test_the_layout_of_features_makes_no_difference(layout):
    y, features = CASES["classes log_loss"][2], layout(X)
    first = linear("classes log_loss", max_iter=2).fit(X, y)
    second = linear("classes log_loss", max_iter=2).fit(features, y)
    np.testing.assert_allclose(first.coefs_[0], second.coefs_[0], rtol=1e-12)
    np.testing.assert_array_equal(features, X)


def test_memory_maps_are_read_only(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    y = CASES["binary focal"][2]
    models = [linear("binary focal", max_iter=2).fit(data, y) for data in (X, mapped)]
    np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


def test_label_smoothing_is_of_the_mixture():
    targets = []
    for loss in (LogLoss(0.2), LogLoss()):
        model = linear("classes log_loss", batch_size=N, loss=loss, max_iter=1)
        targets.append(model.fit(X, CLASSES).intercepts_[0] / 0.1 + 1 / 3)  # means of targets
    np.testing.assert_allclose(targets[0], 0.8 * targets[1] + 0.2 / 3, rtol=1e-12)


@pytest.mark.parametrize("layers", [(6,), (4, 4)])
def test_hidden_layers_learn_from_mixtures(layers):
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier(
        layers, mixup=0.2, normalization="batch", dropout=0.1, residual=True, tol=0.01,
        learning_rate_init=0.01, random_state=0,
    )  # fmt: skip
    assert model.fit(X / 16, y).score(X / 16, y) > 0.8


OTHERS = {
    **dict.fromkeys(("hinge", "squared_hinge"), (MLPClassifier, CLASSES)),
    **{name: (MLPRegressor, LINEAR[:, 0]) for name in REGRESSOR_LOSSES if name != "squared_error"},
}


def test_that_every_loss_is_tested():
    tested = {*OTHERS, *(loss for _, loss, *_ in CASES.values())}
    assert tested == {*CLASSIFIER_LOSSES, *REGRESSOR_LOSSES}


@pytest.mark.parametrize("name", OTHERS)
def test_losses_that_are_not_those_of_mixtures_are_refused(name):
    cls, y = OTHERS[name]
    words = r"mixup=0\.4 does not apply to the loss \w+ of \w+ targets.*loss='squared_error'"
    with pytest.raises(ValueError, match=words):
        cls((), loss=name, mixup=0.4).fit(X, np.abs(y) + 1)


def test_a_loss_of_ones_own_is_refused():
    loss = Loss.from_functions(lambda y, z: (z - y) ** 2, lambda y, z: 2 * (z - y))
    with pytest.raises(ValueError, match="does not apply to the loss FromFunctions"):
        MLPRegressor((), loss=loss, mixup=0.4).fit(X, LINEAR)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_sparse_features_are_refused(container, method):
    words = r"mixup=0\.4 does not apply to sparse features.*X\.toarray\(\)"
    with pytest.raises(ValueError, match=words):
        getattr(linear("regression"), method)(container(X), LINEAR[:, 0])


def test_a_batch_of_one_has_nothing_to_mix():
    with pytest.raises(ValueError, match=r"batch_size=1 has one.*Set mixup to 0\.0"):
        linear("regression", batch_size=1).fit(X, LINEAR[:, 0])
    one, plain = (linear("regression", "auto", max_iter=1, mixup=a) for a in (0.4, 0.0))
    for model in (one, plain):
        model.fit(X[:1], LINEAR[:1, 0])
    np.testing.assert_array_equal(one.coefs_[0], plain.coefs_[0])


def test_an_object_keeps_its_parameters():
    focal = linear("classes focal", loss=Focal(2.0), max_iter=2).fit(X, CLASSES)
    by_name = linear("classes focal", max_iter=2).fit(X, CLASSES)
    np.testing.assert_array_equal(focal.coefs_[0], by_name.coefs_[0])
