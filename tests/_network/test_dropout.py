import numpy as np
import pytest
from scipy import sparse

from sknn_opt import MLPClassifier
from sknn_opt._compiler.declarations import address, kernel
from sknn_opt._network.dropout import drop, is_dropped
from sknn_opt._network.random_stream import stream_key

N = 100_000


@kernel("int64 (int64 seed, int64 step, int64 layer)")
def _mask_key(seed, step, layer):
    return stream_key(seed, step, layer)


@kernel("int64 (int64 seed, int64 step, int64 layer, int64 number, double rate)")
def _is_dropped(seed, step, layer, number, rate):
    return is_dropped(stream_key(seed, step, layer), number, rate)


def dropped(dtype="float64", seed=1, step=1, layer=1, first=0, rate=0.3, n=N):
    x = np.ones(n, dtype)
    drop(dtype, address(x), n, _mask_key(dtype, seed, step, layer), first, rate)
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.9])
def test_share_and_scale(dtype, rate):
    x = dropped(dtype, rate=rate)
    assert set(np.unique(x)) == {0, np.dtype(dtype).type(1 / (1 - rate))}
    # Five standard deviations of a binomial share.
    assert (x == 0).mean() == pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / N))
    assert x.mean() == pytest.approx(1, abs=5 * np.sqrt(rate / (1 - rate) / N))


def test_the_stream_depends_on_seed_step_layer_and_number_alone():
    mask = dropped() == 0
    np.testing.assert_array_equal(mask, dropped("float32") == 0)
    np.testing.assert_array_equal(mask[500:900], dropped(first=500, n=400) == 0)
    one_by_one = [_is_dropped(np.dtype("float64"), 1, 1, 1, i, 0.3) for i in range(50)]
    np.testing.assert_array_equal(mask[:50], one_by_one)


@pytest.mark.parametrize("other", [{"seed": 2}, {"step": 2}, {"layer": 2}, {"first": N}])
def test_other_streams_are_independent(other):
    a, b = dropped(rate=0.5) == 0, dropped(rate=0.5, **other) == 0
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(0, abs=5 / np.sqrt(N))


def test_neighbours_are_independent():
    mask = dropped(rate=0.5) == 0
    for lag in (1, 2, 7, 64, 100):
        assert np.corrcoef(mask[lag:], mask[:-lag])[0, 1] == pytest.approx(0, abs=5 / np.sqrt(N))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_input_dropout_of_sparse_data_is_that_of_dense_data():
    random = np.random.default_rng(0)
    X = random.normal(size=(50, 8)) * (random.random((50, 8)) < 0.4)
    y = random.integers(0, 3, 50)
    model = MLPClassifier(6, input_dropout=0.4, batch_size=16, max_iter=5, random_state=0)
    dense, csr = (model.fit(data, y).coefs_ for data in (X, sparse.csr_array(X)))
    for a, b in zip(dense, csr, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
