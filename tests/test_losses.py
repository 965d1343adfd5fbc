import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax, softmax, xlogy
from sklearn.metrics import log_loss, mean_poisson_deviance, mean_squared_error

from sknn_opt._kernel import address
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
N_ROWS, N_OUTPUTS = 9, 3

REGISTRIES = {"classifier": CLASSIFIER_LOSSES, "regressor": REGRESSOR_LOSSES}

#: Number of outputs and targets by type.
TARGETS = {
    "binary": (1, lambda random: random.integers(2, size=(N_ROWS, 1))),
    "multiclass": (N_OUTPUTS, lambda random: random.integers(N_OUTPUTS, size=(N_ROWS, 1))),
    "multilabel-indicator": (
        N_OUTPUTS,
        lambda random: random.integers(2, size=(N_ROWS, N_OUTPUTS)),
    ),
    "continuous": (N_OUTPUTS, lambda random: random.poisson(1.0, size=(N_ROWS, N_OUTPUTS))),
}


def _cross_entropy(y, raw):
    return -(y * log_expit(raw) + (1 - y) * log_expit(-raw)).sum(axis=1)


def _softmax_cross_entropy(y, raw):
    return -np.take_along_axis(log_softmax(raw, axis=1), y.astype(int), axis=1).ravel()


#: Loss of each row and predictions, by NumPy and SciPy in float64.
REFERENCES = {
    ("classifier", "log_loss", "binary"): (_cross_entropy, expit),
    ("classifier", "log_loss", "multilabel-indicator"): (_cross_entropy, expit),
    ("classifier", "log_loss", "multiclass"): (
        _softmax_cross_entropy,
        lambda raw: softmax(raw, axis=1),
    ),
    ("regressor", "squared_error", "continuous"): (
        lambda y, raw: 0.5 * ((raw - y) ** 2).sum(axis=1),
        lambda raw: raw,
    ),
    ("regressor", "poisson", "continuous"): (
        lambda y, raw: (xlogy(y, y) - y * raw - y + np.exp(raw)).sum(axis=1),
        np.exp,
    ),
}

every_form = pytest.mark.parametrize("key", REFERENCES, ids="-".join)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def test_that_every_loss_and_type_of_target_is_tested():
    assert set(REFERENCES) == {
        (kind, name, target_type)
        for kind, registry in REGISTRIES.items()
        for name, cls in registry.items()
        for target_type in cls._forms
    }


def make(key, dtype="float64"):
    """Return the loss, its form and data."""
    kind, name, target_type = key
    loss = REGISTRIES[kind][name]()
    n_outputs, draw = TARGETS[target_type]
    random = np.random.default_rng(3)
    y = draw(random).astype(dtype)
    raw = random.normal(scale=2, size=(N_ROWS, n_outputs)).astype(dtype)
    weight = random.uniform(0, 2, N_ROWS).astype(dtype)
    weight[2] = 0
    return loss, loss.form(target_type), y, raw, weight


def evaluate(loss, form, y, raw, weight, scale=1.0):
    """Return the sum of weight times loss and delta."""
    delta = np.full_like(raw, np.nan)
    parameters = loss.kernel_parameters()
    arrays = (np.ascontiguousarray(a) for a in (raw, y, weight))
    total = form.evaluate(
        raw.dtype, *map(address, arrays), address(delta), *raw.shape, scale, address(parameters)
    )
    return total, delta


@every_form
@every_dtype
def test_sum_of_weighted_losses(dtype, key):
    loss, form, y, raw, weight = make(key, dtype)
    expected = weight @ REFERENCES[key][0](*(a.astype("float64") for a in (y, raw)))
    for scale in (1.0, 0.01):  # scales the derivative only
        total, _ = evaluate(loss, form, y, raw, weight, scale)
        assert total == pytest.approx(expected, rel=TOLERANCE[dtype])


@every_form
@every_dtype
def test_predictions(dtype, key):
    _, form, _, raw, _ = make(key, dtype)
    expected = REFERENCES[key][1](raw.astype("float64"))
    predictions = form.predictions(raw.copy())
    assert predictions.dtype == dtype
    np.testing.assert_allclose(predictions, expected, rtol=TOLERANCE[dtype])


@every_form
def test_derivative_is_that_of_finite_differences(key):
    loss, form, y, raw, weight = make(key)
    scale, step = 0.3, 1e-6
    expected = np.empty_like(raw)
    for index in np.ndindex(raw.shape):
        shift = np.zeros_like(raw)
        shift[index] = step
        above, below = (evaluate(loss, form, y, raw + s, weight)[0] for s in (shift, -shift))
        expected[index] = scale * (above - below) / (2 * step)
    _, delta = evaluate(loss, form, y, raw, weight, scale)
    np.testing.assert_allclose(delta, expected, rtol=0, atol=1e-7)
    assert not delta[weight == 0].any()


@every_form
def test_float32_has_the_derivative_of_float64(key):
    delta = {t: evaluate(*make(key, t), scale=0.3)[1] for t in DTYPES}
    assert delta["float32"].dtype == "float32"
    np.testing.assert_allclose(delta["float32"], delta["float64"], rtol=1e-5, atol=1e-6)


@every_form
@every_dtype
def test_the_sum_is_in_float64(dtype, key):
    loss, form, y, raw, _ = make(key, dtype)
    y, raw = (np.repeat(a[:1], 20_000, axis=0) for a in (y, raw))
    one, _ = evaluate(loss, form, y[:1], raw[:1], np.ones(1, dtype))
    total, _ = evaluate(loss, form, y, raw, np.ones(len(y), dtype))
    assert total == pytest.approx(len(y) * one, rel=1e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("logit", [1e4, -1e4])
@pytest.mark.parametrize(
    "key", [k for k in REFERENCES if k[1] != "poisson"], ids="-".join
)  # where e^z overflows, so must its loss
@every_dtype
def test_far_outputs_have_finite_losses(dtype, key, logit):
    loss, form, y, raw, _ = make(key, dtype)
    raw[:, 0] = logit
    total, delta = evaluate(loss, form, y, raw, np.ones(N_ROWS, dtype))
    assert total == pytest.approx(REFERENCES[key][0](y, raw.astype("float64")).sum(), rel=1e-5)
    assert np.isfinite(delta).all()
    assert np.isfinite(form.predictions(raw)).all()


@every_dtype
def test_far_outputs_of_poisson(dtype):
    key = ("regressor", "poisson", "continuous")
    loss, form, y, raw, weight = make(key, dtype)
    raw[:, 0] = -1e4
    total, delta = evaluate(loss, form, y, raw, weight)
    expected = weight @ REFERENCES[key][0](y.astype("float64"), raw.astype("float64"))
    assert total == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(delta).all()
    raw[:, 0] = 1e4
    weight[:] = 1
    assert evaluate(loss, form, y, raw, weight)[0] == np.inf


@every_form
@every_dtype
def test_nan_is_not_lost(dtype, key):
    loss, form, y, raw, weight = make(key, dtype)
    raw[1, -1] = np.nan
    total, delta = evaluate(loss, form, y, raw, weight)
    assert np.isnan(total)
    assert np.isnan(delta[1]).any()


def test_log_loss_is_that_of_sklearn():
    for target_type in ("binary", "multiclass"):
        loss, form, y, raw, weight = make(("classifier", "log_loss", target_type))
        total, _ = evaluate(loss, form, y, raw, weight)
        predictions = form.predictions(raw.copy())
        labels = range(max(2, raw.shape[1]))
        expected = log_loss(y.ravel(), predictions, sample_weight=weight, labels=labels)
        assert total / weight.sum() == pytest.approx(expected, rel=1e-12)


def test_log_loss_of_multilabels_is_a_sum_over_labels():
    loss, form, y, raw, weight = make(("classifier", "log_loss", "multilabel-indicator"))
    total, _ = evaluate(loss, form, y, raw, weight)
    predictions = form.predictions(raw.copy())
    expected = sum(
        log_loss(labels, probabilities, sample_weight=weight, labels=[0, 1])
        for labels, probabilities in zip(y.T, predictions.T, strict=True)
    )
    assert total / weight.sum() == pytest.approx(expected, rel=1e-12)


def test_squared_error_is_half_that_of_sklearn():
    loss, form, y, raw, weight = make(("regressor", "squared_error", "continuous"))
    total, _ = evaluate(loss, form, y, raw, weight)
    mean = mean_squared_error(y, raw, sample_weight=weight)
    assert total / weight.sum() == pytest.approx(0.5 * N_OUTPUTS * mean, rel=1e-12)


def test_poisson_is_half_the_deviance_of_sklearn():
    loss, form, y, raw, weight = make(("regressor", "poisson", "continuous"))
    assert (y == 0).any()
    total, _ = evaluate(loss, form, y, raw, weight)
    expected = sum(
        0.5 * mean_poisson_deviance(truth, rate, sample_weight=weight)
        for truth, rate in zip(y.T, form.predictions(raw.copy()).T, strict=True)
    )
    assert total / weight.sum() == pytest.approx(expected, rel=1e-12)


def test_poisson_refuses_negative_targets():
    loss = REGRESSOR_LOSSES["poisson"]()
    loss.check_targets(np.array([[0.0, 3]]))
    with pytest.raises(ValueError, match="non-negative"):
        loss.check_targets(np.array([[1.0, -1e-9]]))


@pytest.mark.parametrize(
    ("target_type", "name"),
    [("binary", "logistic"), ("multilabel-indicator", "logistic"), ("multiclass", "softmax")],
)
def test_names_of_links_are_those_of_sklearn(target_type, name):
    assert CLASSIFIER_LOSSES["log_loss"]().form(target_type).out_activation == name
