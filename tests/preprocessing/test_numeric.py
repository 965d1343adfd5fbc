from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sknn_opt.preprocessing import PeriodicFeatures, PiecewiseLinearEncoder, SmoothClipScaler
from sknn_opt.preprocessing import numeric as module

rng = np.random.default_rng(0)
X = np.column_stack(
    [
        rng.normal(size=300),
        rng.lognormal(size=300),
        1000 * rng.integers(0, 4, 300),
        np.where(rng.random(300) < 0.9, 0, rng.exponential(size=300)),
        1e9 + rng.random(300),
    ]
)
NEW = 3 * rng.normal(size=(50, 5)) * X.std(axis=0) + X.mean(axis=0)

ENCODERS = [
    SmoothClipScaler(),
    SmoothClipScaler(limit=1.5, with_mean=True),
    PiecewiseLinearEncoder(),
    PiecewiseLinearEncoder(5, with_mean=True, scale=0.3, distinct_share=0.2),
    PeriodicFeatures(random_state=0),
    PeriodicFeatures(3, sigma=0.5, scale=0.1, random_state=0),
]
each = pytest.mark.parametrize("encoder", ENCODERS, ids=str)


@pytest.mark.parametrize("limit", [3.0, 1.0])
@pytest.mark.parametrize("with_mean", [False, True])
def test_smooth_clip(limit, with_mean):
    scaler = SmoothClipScaler(limit, with_mean=with_mean).fit(X)
    low, middle, high = np.quantile(X, [0.25, 0.5, 0.75], axis=0)
    scale = (high - low) / 1.349
    scale[3] = np.ptp(X[:, 3]) / 2
    assert_allclose(scaler.center_, middle)
    assert_allclose(scaler.scale_, scale)

    def formula(x):
        z = (x - middle) / scale
        return z / np.sqrt(1 + (z / limit) ** 2)

    mean = formula(X).mean(axis=0) if with_mean else np.zeros(5)
    assert_allclose(scaler.mean_, mean, atol=1e-14)
    assert_allclose(scaler.transform(NEW), formula(NEW) - mean, rtol=1e-9, atol=1e-9)


def test_smooth_clip_is_the_identity_in_the_middle_and_bounded_far_out():
    scaler = SmoothClipScaler().fit(np.linspace(-1.349, 1.349, 101)[:, np.newaxis])
    assert_allclose(scaler.transform([[1e-4]]), [[1e-4]], rtol=1e-8)
    assert_allclose(scaler.transform([[-1e300], [1e300]]), [[-3], [3]])


def test_the_scale_of_what_does_not_vary():
    scaler = SmoothClipScaler().fit([[5.0, np.nan], [5.0, np.nan]])
    assert_array_equal(scaler.scale_, [1, 1])
    assert_array_equal(scaler.transform([[5.0, 1.0], [6.0, np.nan]])[0], [0, 1 / np.sqrt(10 / 9)])


def bins(x, edges):
    """The definition, one number and one bin at a time."""
    rows = []
    for value in x:
        row = []
        for low, high in pairwise(edges):
            if value < low:
                row.append(0.0)
            elif value >= high:
                row.append(1.0)
            else:
                row.append((value - low) / (high - low))
        rows.append(row)
    return np.array(rows).reshape(len(x), len(edges) - 1)


def quantile_edges(x, n_bins, distinct_share):
    distinct = np.array(sorted(set(x)))
    if len(distinct) <= n_bins + 1:
        return distinct
    by_rows = int(n_bins * (1 - distinct_share))
    probabilities = np.arange(by_rows + 1) / max(1, by_rows)
    others = np.arange(n_bins - by_rows + 1) / max(1, n_bins - by_rows)
    edges = [*np.quantile(x, probabilities), *np.quantile(distinct, others)]
    return np.array(sorted(set(edges)))


@pytest.mark.parametrize("distinct_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n_bins", [1, 2, 7, 16])
def test_piecewise_linear_encoding(n_bins, distinct_share):
    encoder = PiecewiseLinearEncoder(n_bins, distinct_share=distinct_share).fit(X)
    expected = []
    for x, new, edges in zip(X.T, NEW.T, encoder.bin_edges_, strict=True):
        assert_allclose(edges, quantile_edges(x, n_bins, distinct_share), rtol=1e-12)
        assert len(edges) <= n_bins + 1
        expected.append(bins(new, edges))
    assert_allclose(encoder.transform(NEW), np.hstack(expected), atol=1e-12)
    assert_array_equal(encoder.mean_, 0)


def test_piecewise_linear_encoding_is_centred_and_scaled():
    plain = PiecewiseLinearEncoder(8).fit(X)
    encoder = PiecewiseLinearEncoder(8, with_mean=True, scale=0.3).fit(X)
    mean = plain.transform(X).mean(axis=0)
    assert_allclose(encoder.mean_, mean, rtol=1e-12)
    assert_allclose(encoder.transform(NEW), 0.3 * (plain.transform(NEW) - mean), atol=1e-12)


def test_distinct_values_divide_the_tail():
    x = np.r_[np.zeros(900), np.arange(1, 101)][:, np.newaxis]
    by_rows = PiecewiseLinearEncoder(8, distinct_share=0.0).fit(x)
    both = PiecewiseLinearEncoder(8).fit(x)
    assert_array_equal(by_rows.bin_edges_[0], np.quantile(x, [0, 1]))
    assert_array_equal(both.bin_edges_[0], [0, 25, 50, 75, 100])


def test_a_feature_of_few_values_has_an_edge_at_each():
    encoder = PiecewiseLinearEncoder(3).fit([[1.0], [2.0], [2.0], [7.0], [5.0]])
    assert_array_equal(encoder.bin_edges_[0], [1, 2, 5, 7])


@pytest.mark.parametrize("x", [[[3.0], [3.0]], [[np.nan], [np.nan]]])
def test_a_feature_without_two_values_has_no_bins(x):
    encoder = PiecewiseLinearEncoder(with_mean=True).fit(x)
    assert encoder.transform(x).shape == (2, 0)
    assert len(encoder.get_feature_names_out()) == 0


def test_periodic_features():
    waves = PeriodicFeatures(3, sigma=0.5, scale=0.1, random_state=0).fit(X)
    random_state = np.random.RandomState(0)
    frequencies = random_state.normal(0, 0.5, (5, 3))
    phases = random_state.uniform(-np.pi, np.pi, (5, 3))
    assert_array_equal(waves.frequencies_, frequencies)
    assert_array_equal(waves.phases_, phases)
    expected = [
        0.1 * np.cos(frequencies[j, k] * NEW[:, j] + phases[j, k])
        for j in range(5)
        for k in range(3)
    ]
    assert_allclose(waves.transform(NEW), np.transpose(expected), atol=1e-12)


def test_waves_differ_between_draws():
    first, second = (PeriodicFeatures(random_state=seed).fit(X) for seed in (0, 1))
    assert not np.array_equal(first.phases_, second.phases_)


@each
def test_a_missing_value_is_ignored_in_fit_and_stays_missing(encoder):
    gaps = rng.random(X.shape) < 0.2
    holed = clone(encoder).fit(np.where(gaps, np.nan, X))
    for j in range(X.shape[1]):
        alone = clone(encoder).fit(X[~gaps[:, j], j, np.newaxis])
        for name in ("center_", "scale_", "bin_edges_"):
            if hasattr(alone, name):
                assert_array_equal(getattr(holed, name)[j], getattr(alone, name)[0])
    full, encoded = (holed.transform(x) for x in (X, np.where(gaps, np.nan, X)))
    origins = [
        int(name[1 : name.find("_") if "_" in name else None])
        for name in holed.get_feature_names_out()
    ]
    assert_array_equal(np.isnan(encoded), gaps[:, origins])
    assert_array_equal(encoded[~np.isnan(encoded)], full[~gaps[:, origins]])


@each
@pytest.mark.parametrize("dtype", [None, "float32", "float64", np.float32, np.dtype("float64")])
@pytest.mark.parametrize("given", ["float32", "float64", "int64"])
def test_types(encoder, dtype, given):
    x = X.astype(given)
    encoded = clone(encoder).set_params(dtype=dtype).fit(x).transform(x)
    kept = np.dtype("float32" if given == "float32" else "float64")
    assert encoded.dtype == (kept if dtype is None else np.dtype(dtype))
    exact = clone(encoder).set_params(dtype="float64").fit(x).transform(x.astype(float))
    # The angles of the waves are up to some billions here, where float32 knows no fractions.
    if not isinstance(encoder, PeriodicFeatures):
        assert_allclose(encoded, exact, rtol=1e-6, atol=1e-6)


def test_waves_in_float32():
    x = rng.normal(size=(100, 2))
    exact, rounded = (
        PeriodicFeatures(dtype=dtype, random_state=0).fit_transform(x)
        for dtype in (None, "float32")
    )
    assert_allclose(rounded, exact, atol=1e-6)


@each
def test_rows_are_encoded_in_chunks(encoder, monkeypatch):
    fitted = clone(encoder).fit(X)
    whole = fitted.transform(NEW)
    monkeypatch.setattr(module, "_CHUNK", 40)
    assert_array_equal(fitted.transform(NEW), whole)
    again = clone(encoder).fit(X)
    for name, value in vars(fitted).items():
        if isinstance(value, np.ndarray):
            assert_allclose(getattr(again, name), value, atol=1e-12)


@each
def test_names_of_the_columns(encoder):
    names = clone(encoder).fit(X).get_feature_names_out(list("abcde"))
    assert len(names) == len(set(names)) == clone(encoder).fit_transform(X).shape[1]
    ending = {SmoothClipScaler: "", PiecewiseLinearEncoder: "_bin0", PeriodicFeatures: "_wave0"}
    assert names[0] == "a" + ending[type(encoder)]
    with pytest.raises(ValueError, match="input_features should have length equal to"):
        clone(encoder).fit(X).get_feature_names_out(["a"])


@each
def test_what_is_not_fitted_has_no_names(encoder):
    with pytest.raises((NotFittedError, ValueError)):
        clone(encoder).get_feature_names_out()


@each
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(encoder, library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame(X, **{"pandas": {"columns": list("abcde")},
                                   "polars": {"schema": list("abcde")}}[library])  # fmt: skip
    fitted = clone(encoder).set_output(transform=library).fit(frame)
    encoded = fitted.transform(frame)
    assert isinstance(encoded, frames.DataFrame)
    assert list(encoded.columns) == list(fitted.get_feature_names_out())
    assert_array_equal(encoded.to_numpy(), clone(encoder).fit_transform(X))


@each
def test_infinities_are_refused(encoder):
    with pytest.raises(ValueError, match="Input X contains infinity or a value too large"):
        clone(encoder).fit(np.full_like(X, np.inf))
    with pytest.raises(ValueError, match="Input X contains infinity or a value too large"):
        clone(encoder).fit(X).transform(np.full((2, 5), -np.inf))


@pytest.mark.parametrize(
    ("cls", "bad"),
    [
        (SmoothClipScaler, {"limit": 0}),
        (SmoothClipScaler, {"dtype": "int32"}),
        (SmoothClipScaler, {"with_mean": 2}),
        (PiecewiseLinearEncoder, {"n_bins": 0}),
        (PiecewiseLinearEncoder, {"distinct_share": 1.5}),
        (PiecewiseLinearEncoder, {"scale": -1}),
        (PeriodicFeatures, {"n_frequencies": 0}),
        (PeriodicFeatures, {"sigma": 0}),
    ],
)
def test_bad_parameters(cls, bad):
    with pytest.raises(ValueError, match=f"The '{next(iter(bad))}' parameter of {cls.__name__}"):
        cls(**bad).fit(X)
