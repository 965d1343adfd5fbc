"""The loss of distillation, beside its formula in NumPy and finite differences."""

import numpy as np
import pytest
from evaluation import curve, evaluate
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax

from sknn_opt.losses import LogLoss
from sknn_opt.losses.distillation import Distillation

N_ROWS = 7
PARAMETERS = [(3.0, 0.0), (1.0, 0.4), (2.5, 0.3), (0.5, 1.0)]
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}

several = pytest.mark.parametrize("n_classes", [2, 4])
each = pytest.mark.parametrize(("temperature", "hard_weight"), PARAMETERS)


def rows(n_classes, temperature, dtype="float64"):
    """Softened probabilities, classes one-hot, raw outputs of all classes, and weights."""
    random = np.random.default_rng(0)
    softened = softmax(random.normal(size=(N_ROWS, n_classes)) / temperature, axis=1)
    certain = np.eye(n_classes)[random.integers(n_classes, size=N_ROWS)]
    raw = 2 * random.normal(size=(N_ROWS, n_classes))
    if n_classes == 2:
        raw[:, 0] = 0.0  # a single raw output, the log odds
    return softened, certain, raw.astype(dtype), random.random(N_ROWS).astype(dtype)


def as_read(n_classes, array):
    """Of two classes the loss reads the second one only."""
    return array[:, 1:] if n_classes == 2 else array


def bound(n_classes, temperature, hard_weight, dtype="float64"):
    """What `evaluate` and `curve` take."""
    loss = Distillation(temperature, hard_weight)
    softened, certain, raw, weight = rows(n_classes, temperature, dtype)
    kind = "binary" if n_classes == 2 else "multiclass"
    y = as_read(n_classes, loss.mixed_targets(softened, certain)).astype(dtype)
    return loss, loss.form(f"{kind}-probabilities"), y, as_read(n_classes, raw), weight


def formula(n_classes, temperature, hard_weight, raw):
    """The loss of each row, as Hinton, Vinyals and Dean write it."""
    softened, certain, *_ = rows(n_classes, temperature)
    of_classes = -(certain * log_softmax(raw, axis=1)).sum(axis=1)
    of_teacher = -(softened * log_softmax(raw / temperature, axis=1)).sum(axis=1)
    return hard_weight * of_classes + (1 - hard_weight) * temperature**2 * of_teacher


@several
@each
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_formula(n_classes, temperature, hard_weight, dtype):
    total, _ = evaluate(*bound(n_classes, temperature, hard_weight, dtype), scale=0.3)
    raw, weight = rows(n_classes, temperature)[2:]
    expected = weight @ formula(n_classes, temperature, hard_weight, raw)
    assert_allclose(total, expected, rtol=TOLERANCE[dtype])


@several
@each
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_gradient(n_classes, temperature, hard_weight, dtype):
    _, delta = evaluate(*bound(n_classes, temperature, hard_weight, dtype), scale=0.3)
    softened, certain, raw, weight = rows(n_classes, temperature)
    of_classes = softmax(raw, axis=1) - certain
    of_teacher = softmax(raw / temperature, axis=1) - softened
    gradient = hard_weight * of_classes + (1 - hard_weight) * temperature * of_teacher
    expected = as_read(n_classes, 0.3 * weight[:, np.newaxis] * gradient)
    assert_allclose(delta, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@several
@each
def test_second_derivatives(n_classes, temperature, hard_weight):
    loss, form, y, raw, weight = bound(n_classes, temperature, hard_weight)
    tangent = np.random.default_rng(1).normal(size=raw.shape)
    h = 1e-6 * tangent
    above, below = (evaluate(loss, form, y, raw + s, weight, 0.3)[1] for s in (h, -h))
    product = curve(loss, form, y, raw, weight, tangent, 0.3)
    assert_allclose(product, (above - below) / 2e-6, rtol=1e-6, atol=1e-9)


@several
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_at_temperature_1_it_is_the_log_loss(n_classes, dtype):
    loss, form, y, raw, weight = bound(n_classes, 1.0, 0.0, dtype)
    kind = "binary" if n_classes == 2 else "multiclass"
    plain = LogLoss()
    expected = evaluate(plain, plain.form(f"{kind}-probabilities"), y, raw, weight)
    total, delta = evaluate(loss, form, y, raw, weight)
    assert_allclose(total, expected[0], rtol=TOLERANCE[dtype])
    assert_allclose(delta, expected[1], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@several
def test_large_outputs_do_not_overflow_and_nan_stays(n_classes):
    loss, form, y, raw, weight = bound(n_classes, 3.0, 0.5)
    total, delta = evaluate(loss, form, y, 1e4 * raw, weight)
    assert np.isfinite(total)
    assert np.isfinite(delta).all()
    raw[2, 0] = np.nan
    total, delta = evaluate(loss, form, y, raw, weight)
    assert np.isnan(total)
    assert np.isnan(delta[2]).all()
    assert np.isfinite(np.delete(delta, 2, axis=0)).all()
