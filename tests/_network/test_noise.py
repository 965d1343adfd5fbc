"""Noise on the input: its numbers, where it goes, and where it does not."""

import pickle

import numpy as np
import pytest
import streams
from scipy import sparse

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._compiler.blas_threads import BLOCK_ROWS
from sknn_opt._compiler.declarations import address, at, kernel, real
from sknn_opt._network.inputs import Input, call_add_rows, call_gradient, call_multiply
from sknn_opt._network.noise import add_noise
from sknn_opt.optimizers import SGD

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 2e-5, "float32": 4e-5}  # the quantiles are exact to within 4e-6


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_is_added_to_each_element(dtype):
    x = np.arange(1000.0).astype(dtype)
    add_noise(np.dtype(dtype), address(x), 1000, 1234567, 70, 0.3)
    noise = streams.standard_normal(np.uint64(1234567), 70 + np.arange(1000))
    np.testing.assert_allclose(x, np.arange(1000) + 0.3 * noise, rtol=1e-6, atol=1e-5)


@kernel("""void (input *source, int64 start, int64 rows, real *weights, real *delta,
int64 units, real *z, real *gradient, real *out)""")
def _pass(source, start, rows, weights, delta, units, z, gradient, out):
    x = at(source, 0)
    call_multiply(x.multiply, source, start, rows, weights, z, units)
    call_gradient(x.gradient, source, start, rows, delta, gradient, units, real(0))
    call_add_rows(x.add_rows, source, start, rows, out)


LAYOUTS = {
    "C": lambda X: X,
    "Fortran": np.asfortranarray,
    "backwards": lambda X: X[::-1, ::-1],
    "part of a wider one": lambda X: np.hstack([X, X])[:, 2:7],
}


@pytest.mark.parametrize("ordered", [False, True], ids=["all rows", "an order of rows"])
@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_product_gradient_and_skip_connection_see_the_same_noise(dtype, name, ordered):
    random = np.random.default_rng(1)
    X = LAYOUTS[name](random.normal(size=(9, 5)).astype(dtype))
    before, order = np.array(X), random.integers(9, size=7) if ordered else None
    source = Input(X, 4, order, noise=0.5)
    source.allow_gradient()
    source.allow_residual()
    source._struct["noise_key"] = 99
    rows_of_X = before if order is None else before[order]
    numbers = np.arange(rows_of_X.size).reshape(rows_of_X.shape)
    noisy = rows_of_X + 0.5 * streams.standard_normal(np.uint64(99), numbers)
    weights = random.normal(size=(5, 3)).astype(dtype)
    for start in range(0, source.n_rows, 4):
        block = noisy[start : start + 4]
        delta = random.normal(size=(len(block), 3)).astype(dtype)
        z, out = np.zeros_like(delta), np.zeros(block.shape, dtype)
        gradient = np.zeros_like(weights)
        _pass(
            np.dtype(dtype), source.address, start, len(block), address(weights), address(delta),
            3, address(z), address(gradient), address(out),
        )  # fmt: skip
        np.testing.assert_allclose(z, block @ weights, atol=TOLERANCE[dtype])
        np.testing.assert_allclose(gradient, block.T @ delta, atol=TOLERANCE[dtype])
        np.testing.assert_allclose(out, block, atol=TOLERANCE[dtype])
    np.testing.assert_array_equal(X, before)


random = np.random.default_rng(0)
X = random.normal(size=(60, 4))
Y = X @ random.normal(size=4) + 0.1 * random.normal(size=60)


def linear(batch_size, **parameters):
    settings = {"learning_rate_init": 0.1, "alpha": 0.0, "input_noise": 0.7, "shuffle": False}
    return MLPRegressor(
        (), optimizer=SGD(momentum=0), batch_size=batch_size, random_state=0,
        **{**settings, **parameters},
    )  # fmt: skip


def steps(model, X, y, batch_size, w, b, first_step=0):
    """An epoch in NumPy, from the parameters w and b."""
    noise, rate = model.input_noise, model.learning_rate_init
    seed = model._optimizer_state_["seed"]
    for step, start in enumerate(range(0, len(X), batch_size), first_step):
        rows = slice(start, start + batch_size)
        noisy = X[rows] + noise * streams.noise(seed, step, X[rows].shape, start)
        residual = noisy @ w + b - y[rows]
        w, b = w - rate * noisy.T @ residual / len(noisy), b - rate * residual.mean()
    return w, b


@pytest.mark.parametrize(("n", "batch_size"), [(60, 25), (2 * BLOCK_ROWS + 300, 2 * BLOCK_ROWS)])
def test_steps_are_those_of_the_transcription(n, batch_size):
    rows = np.arange(n) % 60
    features, y = X[rows], Y[rows]
    model = linear(batch_size, initializer="zeros").partial_fit(features, y)
    w, b = steps(model, features, y, batch_size, np.zeros(4), 0.0)
    np.testing.assert_allclose(model.coefs_[0].ravel(), w, rtol=1e-4)
    np.testing.assert_allclose(model.intercepts_[0], b, rtol=1e-4)
    # Another call goes on with the stream, in another process too.
    copied = pickle.loads(pickle.dumps(model)).partial_fit(features, y)
    n_steps = -(-n // batch_size)
    w, b = steps(model, features, y, batch_size, w, b, n_steps)
    np.testing.assert_allclose(copied.coefs_[0].ravel(), w, rtol=1e-4)
    np.testing.assert_array_equal(model.partial_fit(features, y).coefs_[0], copied.coefs_[0])


def test_noise_takes_no_part_in_validation_and_prediction():
    model = linear(20, input_noise=3.0, max_iter=1).fit(X, Y, X_val=X, y_val=Y)
    predictions = X @ model.coefs_[0].ravel() + model.intercepts_[0]
    np.testing.assert_allclose(model.predict(X), predictions, rtol=1e-12)
    loss = 0.5 * np.mean((predictions - Y) ** 2)
    np.testing.assert_allclose(model.history_["validation_loss"], loss, rtol=1e-12)
    np.testing.assert_allclose(model.history_["validation_score"], model.score(X, Y), rtol=1e-12)


def test_noise_changes_neither_the_initial_weights_nor_the_order_of_rows():
    settings = {"learning_rate_init": 1e-300, "max_iter": 1, "shuffle": True}
    plain, noisy = (linear(20, input_noise=s, **settings).fit(X, Y) for s in (0.0, 0.5))
    np.testing.assert_array_equal(plain.coefs_[0], noisy.coefs_[0])


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_networks_of_both_types_see_the_same_noise(make):
    y = Y > 0 if make is MLPClassifier else Y
    models = [
        make((5,), input_noise=0.5, max_iter=3, dtype=dtype, random_state=0).fit(X, y)
        for dtype in DTYPES
    ]
    for double, single in zip(*(model.coefs_ for model in models), strict=True):
        assert single.dtype == "float32"
        np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-5)


def test_least_squares_with_noise_is_ridge():
    """Noise of variance s² is in the mean a penalty of s² / 2 on the squared weights."""
    n = len(X)
    settings = {"shuffle": True, "max_iter": 3000, "n_iter_no_change": np.inf}
    model = linear("full", learning_rate="cosine", averaging="swa", **settings).fit(X, Y)
    centered = X - X.mean(axis=0)
    ridge = np.linalg.solve(centered.T @ centered + n * 0.7**2 * np.eye(4), centered.T @ Y)
    np.testing.assert_allclose(model.coefs_[0].ravel(), ridge, atol=0.02)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_sparse_features_are_refused(container, method):
    words = r"input_noise=0\.7 does not apply to sparse features.*X\.toarray\(\)"
    with pytest.raises(ValueError, match=words):
        getattr(linear(20), method)(container(X), Y)
    linear(20, max_iter=1).fit(X, Y, X_val=container(X), y_val=Y)


def test_memory_maps_are_read_only(tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    models = [linear(20, max_iter=2, shuffle=True).fit(data, Y) for data in (X, mapped)]
    np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
