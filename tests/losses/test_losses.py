import math
import pickle
from decimal import Decimal, localcontext
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from evaluation import N_CLASSES, curve, evaluate
from scipy.special import expit, huber, log_expit, log_softmax, softmax, xlogy
from scipy.stats import norm
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    TweedieRegressor,
)
from sklearn.metrics import (
    hinge_loss,
    log_loss,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    mean_tweedie_deviance,
    r2_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import scale as standardize
from sklearn.svm import SVC, LinearSVC

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._compiler.declarations import specialise
from sknn_opt.losses import (
    CLASSIFIER_LOSSES,
    REGRESSOR_LOSSES,
    AbsoluteError,
    Focal,
    Gamma,
    GaussianNLL,
    Hinge,
    Huber,
    LogCosh,
    LogLoss,
    Loss,
    Poisson,
    Quantile,
    SquaredError,
    SquaredHinge,
    Tweedie,
)
from sknn_opt.optimizers import LBFGS

DTYPES = ["float64", "float32"]
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
N_ROWS, N_OUTPUTS = 9, 3

REGISTRIES = {"classifier": CLASSIFIER_LOSSES, "regressor": REGRESSOR_LOSSES}


def _shares(random, n_classes):
    """Probabilities; some are 0, and those of two rows are certain."""
    shares = random.dirichlet(np.ones(n_classes), N_ROWS)
    shares[:3, 0] = 0
    shares[:2] = np.eye(n_classes)[:2]
    return shares / shares.sum(axis=1, keepdims=True)


#: Number of outputs and targets by type. Losses say how many outputs "continuous" ones have.
TARGETS = {
    "binary": (1, lambda random: random.integers(2, size=(N_ROWS, 1))),
    "binary-probabilities": (1, lambda random: _shares(random, 2)[:, 1:]),
    "multiclass-probabilities": (N_OUTPUTS, lambda random: _shares(random, N_OUTPUTS)),
    "multiclass": (N_OUTPUTS, lambda random: random.integers(N_OUTPUTS, size=(N_ROWS, 1))),
    "multiclass-multioutput": (
        sum(N_CLASSES),
        lambda random: random.integers(N_CLASSES, size=(N_ROWS, len(N_CLASSES))),
    ),
    "multilabel-indicator": (
        N_OUTPUTS,
        lambda random: random.integers(2, size=(N_ROWS, N_OUTPUTS)),
    ),
    "continuous": (N_OUTPUTS, lambda random: random.poisson(1.0, size=(N_ROWS, N_OUTPUTS))),
}
TARGET_TYPES = {
    "classifier": ["binary", "multiclass", "multiclass-multioutput", "multilabel-indicator"],
    "regressor": ["continuous"],
}
SOFT = ["binary-probabilities", "multiclass-probabilities"]


def _types(kind, name):
    """The types of targets that a loss learns."""
    takes_shares = name in ("log_loss", "squared_error", "focal") and kind == "classifier"
    return TARGET_TYPES[kind] + SOFT * takes_shares


def _cross_entropy(y, raw):
    return -(y * log_expit(raw) + (1 - y) * log_expit(-raw)).sum(axis=1)


def _softmax_cross_entropy(y, raw):
    return -np.take_along_axis(log_softmax(raw, axis=1), y.astype(int), axis=1).ravel()


def _soft_cross_entropy(y, raw):
    return -(y * log_softmax(raw, axis=1)).sum(axis=1)


def _one_hot(y, raw):
    return np.eye(raw.shape[1])[y.ravel().astype(int)]


def _smooth_cross_entropy(s, y, raw):
    return _cross_entropy((1 - s) * y + s / 2, raw)


def _smooth_softmax_cross_entropy(s, y, raw):
    targets = (1 - s) * _one_hot(y, raw) + s / raw.shape[1]
    return -(targets * log_softmax(raw, axis=1)).sum(axis=1)


def _smooth_soft_cross_entropy(s, y, raw):
    return _soft_cross_entropy((1 - s) * y + s / raw.shape[1], raw)


def _focal(gamma, y, raw):
    of_one, of_zero = (-(expit(-z) ** gamma) * log_expit(z) for z in (raw, -raw))
    return (y * of_one + (1 - y) * of_zero).sum(axis=1)


def _soft_focal(gamma, y, raw):
    log_p = log_softmax(raw, axis=1)
    return -(y * (1 - np.exp(log_p)) ** gamma * log_p).sum(axis=1)


def _softmax_focal(gamma, y, raw):
    return _soft_focal(gamma, _one_hot(y, raw), raw)


def _brier(y, raw):
    return 0.5 * ((expit(raw) - y) ** 2).sum(axis=1)


def _soft_brier(y, raw):
    return 0.5 * ((softmax(raw, axis=1) - y) ** 2).sum(axis=1)


def _softmax_brier(y, raw):
    return _soft_brier(_one_hot(y, raw), raw)


def _hinge(margin, power, y, raw):
    return (np.maximum(0, margin - (2 * y - 1) * raw) ** power).sum(axis=1)


def _one_versus_rest(margin, power, y, raw):
    return _hinge(margin, power, _one_hot(y, raw), raw)


def _against_rivals(combine, margin, power, y, raw):
    violations = margin + raw - np.take_along_axis(raw, y.astype(int), axis=1)
    is_rival = 1 - _one_hot(y, raw)
    return combine(is_rival * np.maximum(0, violations) ** power, axis=1)


MULTICLASS_HINGE = {
    "crammer_singer": partial(_against_rivals, np.max),
    "weston_watkins": partial(_against_rivals, np.sum),
    "ovr": _one_versus_rest,
}
IDENTITY = {target_type: lambda raw: raw for target_type in TARGETS}
PROBABILITIES = {
    "binary": expit,
    "multilabel-indicator": expit,
    "multiclass": lambda raw: softmax(raw, axis=1),
}
PROBABILITIES |= {f"{t}-probabilities": PROBABILITIES[t] for t in ("binary", "multiclass")}
PROBABILITIES["multiclass-multioutput"] = PROBABILITIES["multiclass"]


def _of_each_output(function, *arrays):
    """What a function of arrays of one output makes of the columns of each, in a list."""
    starts = np.cumsum((0, *N_CLASSES))
    return [
        function(*(a[:, [k]] if a.shape[1] == len(N_CLASSES) else a[:, start:stop] for a in arrays))
        for k, (start, stop) in enumerate(pairwise(starts))
    ]


def _sum_over_outputs(of_classes, y, raw):
    losses = _of_each_output(of_classes, y, raw)
    return sum(losses[:-1])  # the last output has a single class


def _classifier(choice, of_labels, of_classes, of_shares=None, links=PROBABILITIES):
    losses = {
        "multiclass": of_classes,
        "multiclass-multioutput": partial(_sum_over_outputs, of_classes),
        "multiclass-probabilities": of_shares,
    }
    return {
        ("classifier", choice, t): (losses.get(t, of_labels), links[t])
        for t in TARGET_TYPES["classifier"] + SOFT * (of_shares is not None)
    }


def _margin(choice, multiclass, margin, power):
    of_classes = partial(MULTICLASS_HINGE[multiclass], margin, power)
    return _classifier(choice, partial(_hinge, margin, power), of_classes, links=IDENTITY)


def _regressor(choice, loss, link=lambda raw: raw):
    return {("regressor", choice, "continuous"): (loss, link)}


def _tweedie(choice, power):
    """Half the deviance as it is in scikit-learn, which has its own for some powers."""

    def loss(y, raw):
        if power in (1, 2):
            return REFERENCES["regressor", {1: "poisson", 2: "gamma"}[power], "continuous"][0](
                y, raw
            )
        a, b = 1 - power, 2 - power
        constant = y**2 / 2 if power == 0 else np.maximum(y, 0) ** b / (a * b)
        return (constant - y * np.exp(a * raw) / a + np.exp(b * raw) / b).sum(axis=1)

    return _regressor(choice, loss, np.exp)


def _gaussian(y, raw):
    means, log_variances = np.hsplit(raw, 2)
    return -norm.logpdf(y, means, np.exp(log_variances / 2)).sum(axis=1)


def _each(term):
    """From a loss of one number, or a metric, the sum over outputs of each row."""

    def loss(y, raw):
        terms = [term(*pair) for pair in zip(y.ravel(), raw.ravel(), strict=True)]
        return np.reshape(terms, raw.shape).sum(axis=1)

    return loss


def _pinballs(levels, y, raw):
    return sum(
        _each(partial(_metric, mean_pinball_loss, alpha=q))(y, raw[:, [j]])
        for j, q in enumerate(levels)
    )


def _metric(metric, y, prediction, factor=1.0, **parameters):
    return factor * metric([y], [prediction], **parameters)


#: Loss of each row and predictions, by NumPy, SciPy and scikit-learn in float64.
REFERENCES = {
    **_classifier("log_loss", _cross_entropy, _softmax_cross_entropy, _soft_cross_entropy),
    **_classifier(
        LogLoss(0.1),
        partial(_smooth_cross_entropy, 0.1),
        partial(_smooth_softmax_cross_entropy, 0.1),
        partial(_smooth_soft_cross_entropy, 0.1),
    ),
    **_margin("hinge", "crammer_singer", 1.0, power=1),
    **_margin(Hinge(0.7, "weston_watkins"), "weston_watkins", 0.7, power=1),
    **_margin(Hinge(2.0, "ovr"), "ovr", 2.0, power=1),
    **_margin("squared_hinge", "crammer_singer", 1.0, power=2),
    **_margin(SquaredHinge(0.7, "weston_watkins"), "weston_watkins", 0.7, power=2),
    **_margin(SquaredHinge(2.0, "ovr"), "ovr", 2.0, power=2),
    **_classifier("squared_error", _brier, _softmax_brier, _soft_brier),
    **{
        key: value
        for choice, gamma in (("focal", 2.0), (Focal(0.5), 0.5))
        for key, value in _classifier(
            choice, *(partial(f, gamma) for f in (_focal, _softmax_focal, _soft_focal))
        ).items()
    },
    **_regressor("squared_error", lambda y, raw: 0.5 * ((raw - y) ** 2).sum(axis=1)),
    **_regressor("absolute_error", _each(partial(_metric, mean_absolute_error))),
    **_regressor("huber", lambda y, raw: huber(1.0, raw - y).sum(axis=1)),
    **_regressor(Huber(0.3), lambda y, raw: huber(0.3, raw - y).sum(axis=1)),
    **_regressor(
        "log_cosh", lambda y, raw: (np.logaddexp(raw - y, y - raw) - np.log(2)).sum(axis=1)
    ),
    **_regressor("quantile", _each(partial(_metric, mean_pinball_loss))),
    **_regressor(Quantile(0.8), _each(partial(_metric, mean_pinball_loss, alpha=0.8))),
    **_regressor(Quantile([0.1, 0.5, 0.9]), partial(_pinballs, [0.1, 0.5, 0.9]), np.sort),
    **_regressor(
        "poisson", lambda y, raw: (xlogy(y, y) - y * raw - y + np.exp(raw)).sum(axis=1), np.exp
    ),
    **_tweedie("tweedie", 1.5),
    **{
        key: row
        for power in (-1.5, 0.0, 1.0, 1.2, 2.0, 3.0)
        for key, row in _tweedie(Tweedie(power), power).items()
    },
    **_regressor("gaussian_nll", _gaussian, lambda raw: raw[:, :N_OUTPUTS]),
    **_regressor(
        "gamma", lambda y, raw: (raw - np.log(y) + y * np.exp(-raw) - 1).sum(axis=1), np.exp
    ),
}


def _name(key):
    return "-".join(map(str, key))


every_form = pytest.mark.parametrize("key", REFERENCES, ids=_name)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def test_that_every_loss_and_type_of_target_is_tested():
    by_name = {key for key in REFERENCES if isinstance(key[1], str)}
    assert by_name == {
        (kind, name, target_type)
        for kind, registry in REGISTRIES.items()
        for name in registry
        for target_type in _types(kind, name)
    }


def make(key, dtype="float64"):
    """Return the loss, its form and data."""
    kind, choice, target_type = key
    loss = REGISTRIES[kind][choice]() if isinstance(choice, str) else choice
    n_outputs, draw = TARGETS[target_type]
    random = np.random.default_rng(3)
    y = draw(random).astype(dtype)
    power = getattr(loss, "power", 0)
    y += 0.5 if choice == "gamma" or power >= 2 else 0
    y -= 0.5 if power < 0 else 0
    y = y[:, :1] if np.ndim(getattr(loss, "q", 0)) else y
    if target_type == "continuous":
        n_outputs = loss.n_outputs(y.shape[1])
    raw = random.normal(scale=2, size=(N_ROWS, n_outputs)).astype(dtype)
    weight = random.uniform(0, 2, N_ROWS).astype(dtype)
    weight[2] = 0
    return loss, loss.form(target_type), y, raw, weight


def predictions_of(form, target_type, raw):
    """What the link makes of raw outputs, for several outputs of each by itself."""
    if target_type == "multiclass-multioutput":
        blocks = _of_each_output(lambda block: form.predictions(block.copy()), raw)
        return np.hstack(blocks)
    return form.predictions(raw.copy())


def evaluate_one(loss, target_type, y, raw):
    """Return loss and derivative of a single row."""
    raw = np.atleast_2d(np.asarray(raw))
    y = np.atleast_2d(np.asarray(y, raw.dtype))
    return evaluate(loss, loss.form(target_type), y, raw, np.ones(1, raw.dtype))


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
    link = REFERENCES[key][1]
    exact = raw.astype("float64")
    several = key[2] == "multiclass-multioutput"
    expected = np.hstack(_of_each_output(link, exact)) if several else link(exact)
    predictions = predictions_of(form, key[2], raw)
    assert predictions.dtype == dtype
    np.testing.assert_allclose(predictions, expected, rtol=TOLERANCE[dtype])


@every_form
def test_derivative_is_that_of_finite_differences(key):
    loss, form, y, raw, weight = make(key)  # no value is within a step of a kink
    scale, step = 0.3, 1e-6
    expected = np.empty_like(raw)
    for index in np.ndindex(raw.shape):
        shift = np.zeros_like(raw)
        shift[index] = step
        above, below = (evaluate(loss, form, y, raw + s, weight)[0] for s in (shift, -shift))
        expected[index] = scale * (above - below) / (2 * step)
    _, delta = evaluate(loss, form, y, raw, weight, scale)
    rounding = 1e-7 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(delta, expected, rtol=1e-6, atol=rounding)
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
    row = evaluate(loss, form, y[:1], raw[:1], np.ones(1, dtype))[0]
    y, raw = (np.repeat(a[:1], 20_000, axis=0) for a in (y, raw))
    total, _ = evaluate(loss, form, y, raw, np.ones(len(y), dtype))
    assert total == pytest.approx(len(y) * row, rel=1e-6 if dtype == "float32" else 1e-12)


def _overflows(key):
    """The signs of outputs for which the loss itself is too large for a number."""
    power = {"poisson": 1, "gamma": 2, "tweedie": 1.5}.get(key[1], getattr(key[1], "power", None))
    if power is None:
        return ()
    return (1,) * (power < 2) + (-1,) * (power > 1)


@every_form
@every_dtype
@pytest.mark.parametrize("sign", [1, -1])
def test_far_outputs_have_finite_losses(sign, dtype, key):
    loss, form, y, raw, _ = make(key, dtype)
    raw[:, 0] = sign * 1e4
    total, delta = evaluate(loss, form, y, raw, np.ones(N_ROWS, dtype))
    assert not np.isnan(predictions_of(form, key[2], raw)).any()
    if sign in _overflows(key):
        assert total == np.inf
        assert not np.isnan(delta).any()
        return
    expected = REFERENCES[key][0](y.astype("float64"), raw.astype("float64")).sum()
    assert total == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(delta).all()


@every_form
@every_dtype
def test_nan_is_not_lost(dtype, key):
    loss, form, y, raw, weight = make(key, dtype)
    for j in range(raw.shape[1]):
        broken = raw.copy()
        broken[1, j] = np.nan
        total, delta = evaluate(loss, form, y, broken, weight)
        assert np.isnan(total)
        assert np.isnan(delta[1]).any()


#: Where a loss has second derivatives by its raw outputs, and where they are not all 0.
BENDS = {
    "log_loss": "everywhere",
    "hinge": "nowhere",
    "squared_hinge": "between kinks",
    "squared_error": "everywhere",
    "focal": "everywhere",
    "absolute_error": "nowhere",
    "huber": "between kinks",
    "log_cosh": "everywhere",
    "quantile": "nowhere",
    "poisson": "everywhere",
    "gamma": "everywhere",
    "tweedie": "everywhere",
    "gaussian_nll": "everywhere",
}


def bends(key):
    kind, choice, _ = key
    names = (name for name, cls in REGISTRIES[kind].items() if type(choice) is cls)
    return BENDS[choice if isinstance(choice, str) else next(names)]


CURVED = [key for key in REFERENCES if bends(key) != "nowhere"]
every_curved_form = pytest.mark.parametrize("key", CURVED, ids=_name)


def draw_tangent(raw):
    return np.random.default_rng(5).normal(size=raw.shape).astype(raw.dtype)


def hessians(key):
    """Return the matrix of second derivatives for each row of data, of weight 1."""
    loss, form, y, raw, _ = make(key)
    ones = np.ones(N_ROWS)
    units = np.eye(raw.shape[1])
    columns = [curve(loss, form, y, raw, ones, np.tile(unit, (N_ROWS, 1))) for unit in units]
    return np.stack(columns, axis=2)


def test_that_every_loss_says_where_it_bends():
    assert set(BENDS) == {name for registry in REGISTRIES.values() for name in registry}


@every_form
def test_losses_that_bend_have_curvature(key):
    loss, form, *_ = make(key)
    assert (form.hessian_product is None) == (bends(key) == "nowhere")
    assert loss.is_twice_differentiable == (bends(key) == "everywhere")


@every_form
def test_curvature_is_that_of_finite_differences(key):
    loss, form, y, raw, weight = make(key)  # no value is within a step of a kink
    scale, step, tangent = 0.3, 1e-5, draw_tangent(raw)
    above, below = (
        evaluate(loss, form, y, raw + s * tangent, weight, scale)[1] for s in (step, -step)
    )
    expected = (above - below) / (2 * step)
    if bends(key) == "nowhere":
        assert not expected.any()
        return
    product = curve(loss, form, y, raw, weight, tangent, scale)
    np.testing.assert_allclose(product, expected, rtol=1e-6, atol=1e-9)
    assert not product[weight == 0].any()


@every_curved_form
def test_second_derivatives_are_symmetric(key):
    matrices = hessians(key)
    np.testing.assert_allclose(matrices, matrices.transpose(0, 2, 1), rtol=1e-12, atol=1e-15)


@every_curved_form
def test_second_derivatives_of_outputs_that_only_compete_or_never_do(key):
    _, choice, target_type = key
    matrices = hessians(key)
    if choice == "gaussian_nll":
        matrices = matrices[:, :N_OUTPUTS, :N_OUTPUTS]  # each mean meets its own variance only
    if "multiclass" not in target_type or getattr(choice, "multiclass", None) == "ovr":
        off_diagonal = ~np.eye(matrices.shape[1], dtype=bool)
        assert not matrices[:, off_diagonal].any()
    else:
        np.testing.assert_allclose(matrices.sum(axis=2), 0, atol=1e-14)


@every_curved_form
def test_float32_has_the_curvature_of_float64(key):
    products = {}
    for dtype in DTYPES:
        loss, form, y, raw, weight = make(key, dtype)
        products[dtype] = curve(loss, form, y, raw, weight, draw_tangent(raw), scale=0.3)
    np.testing.assert_allclose(products["float32"], products["float64"], rtol=1e-5, atol=1e-6)


@every_curved_form
@every_dtype
@pytest.mark.parametrize("sign", [1, -1])
def test_far_outputs_have_curvature(sign, dtype, key):
    loss, form, y, raw, _ = make(key, dtype)
    for size in (1e4, np.finfo(dtype).max / 4):
        raw[:, 0] = sign * size
        product = curve(loss, form, y, raw, np.ones(N_ROWS, dtype), draw_tangent(raw))
        assert not np.isnan(product).any()
        # The likelihood's curvature grows with the square of the residual.
        overflows = sign in _overflows(key) or (key[1] == "gaussian_nll" and size > 1e4)
        assert np.isfinite(product).all() != overflows


@every_curved_form
@every_dtype
def test_curvature_does_not_lose_nan(dtype, key):
    loss, form, y, raw, weight = make(key, dtype)
    for j in range(raw.shape[1]):
        for which in range(2):
            arrays = [raw.copy(), draw_tangent(raw)]
            arrays[which][1, j] = np.nan
            product = curve(loss, form, y, arrays[0], weight, arrays[1])
            assert np.isnan(product[1]).any()
            assert not np.isnan(np.delete(product, 1, axis=0)).any()


def _right(y, z):
    """Probability of the target, by the logistic function or the softmax."""
    e = [v.exp() for v in z]
    return e[y] / sum(e) if len(z) > 1 else 1 / (1 + (-z[0] if y else z[0]).exp())


def _exact_brier(y, z):
    others = [k for k in range(len(z)) if len(z) > 1 and k != y]
    return ((1 - _right(y, z)) ** 2 + sum(_right(k, z) ** 2 for k in others)) / 2


#: Losses of one row of numbers of any precision, up to terms that do not depend on z.
EXACT = {
    LogLoss(): lambda y, z: -_right(y, z).ln(),
    Focal(0.5): lambda y, z: -((1 - _right(y, z)) ** Decimal("0.5")) * _right(y, z).ln(),
    Focal(2.0): lambda y, z: -((1 - _right(y, z)) ** 2) * _right(y, z).ln(),
    SquaredError(): _exact_brier,
    LogCosh(): lambda y, z: ((z[0] - y).exp() + (y - z[0]).exp()).ln(),
    REGRESSOR_LOSSES["poisson"](): lambda y, z: z[0].exp() - y * z[0],
    REGRESSOR_LOSSES["gamma"](): lambda y, z: z[0] + y * (-z[0]).exp(),
    Tweedie(): lambda y, z: 2 * (z[0] / 2).exp() + 2 * y * (-z[0] / 2).exp(),
}


def _exact_curvature(loss, y, z, t):
    """Second derivatives times t, by central differences that leave 60 digits and more."""
    with localcontext(prec=260):
        z, t, step = [Decimal(v) for v in z], [Decimal(v) for v in t], Decimal("1e-60")

        def moved(k, i, j):
            shifts = [i * v + (j if n == k else 0) for n, v in enumerate(t)]
            return loss(y, [v + step * s for v, s in zip(z, shifts, strict=True)])

        return [
            float((moved(k, 1, 1) - moved(k, 1, -1) - moved(k, -1, 1) + moved(k, -1, -1)) / 4
                  / step / step)
            for k in range(len(z))
        ]  # fmt: skip


@every_dtype
@pytest.mark.parametrize("loss", EXACT, ids=repr)
def test_curvature_is_precise_in_the_tails(loss, dtype):
    rows = [[0.5], [-3.0], [80.0], [-80.0]]
    targets = ["continuous"]
    if type(loss) in CLASSIFIER_LOSSES.values():
        targets = ["binary", "multiclass"]
        rows += [[1.0, -2.0, 0.5], [40.0, -40.0, -39.0], [-39.5, 40.0, -40.0], [0.0, 80.0, 80.0]]
    limits = np.finfo(dtype)
    # A power magnifies the rounding of the logarithm; sums over the classes cancel in part.
    tolerance = limits.eps * {Focal: 400, SquaredError: 20}.get(type(loss), 6)
    for row in rows:
        for y in (0, 1):
            form = loss.form(targets[len(row) > 1])
            if type(loss).__name__ == "Gamma" and y == 0:
                continue
            tangent = [0.7, -1.1, 0.4][: len(row)]
            raw, t = (np.array([a], dtype) for a in (row, tangent))
            product = curve(loss, form, np.array([[y]], dtype), raw, np.ones(1, dtype), t)
            expected = _exact_curvature(EXACT[loss], y, row, t[0].tolist())
            np.testing.assert_allclose(product[0], expected, rtol=tolerance, atol=limits.tiny)


def _all_probabilities(z):
    n_classes = max(2, len(z))
    return [_right(k, z) for k in range(n_classes)]


#: The same for probabilities as targets, one for each class.
EXACT_SOFT = {
    LogLoss(): lambda p, t: -sum(s * q.ln() for s, q in zip(t, p, strict=True)),
    Focal(0.5): lambda p, t: (
        -sum(s * (1 - q) ** Decimal("0.5") * q.ln() for s, q in zip(t, p, strict=True))
    ),
    Focal(2.0): lambda p, t: -sum(s * (1 - q) ** 2 * q.ln() for s, q in zip(t, p, strict=True)),
    SquaredError(): lambda p, t: sum((q - s) ** 2 for s, q in zip(t, p, strict=True)) / 2,
}


@every_dtype
@pytest.mark.parametrize("loss", EXACT_SOFT, ids=repr)
def test_curvature_with_probabilities_is_precise_in_the_tails(loss, dtype):
    limits = np.finfo(dtype)
    tolerance = limits.eps * {Focal: 400, SquaredError: 40}.get(type(loss), 6)
    tangent = np.array([[0.7, -1.1, 0.4]], dtype)
    cases = [
        ([0.5], [0.25, 0.75]),
        ([20.0], [0.5, 0.5]),
        ([-80.0], [0.125, 0.875]),
        ([80.0], [0.0, 1.0]),
        ([1.0, -2.0, 0.5], [0.25, 0.25, 0.5]),
        ([40.0, -40.0, -39.0], [1.0, 0.0, 0.0]),
        ([40.0, -40.0, -39.0], [0.25, 0.5, 0.25]),
        ([-39.5, 40.0, -40.0], [0.0, 0.75, 0.25]),
        ([0.0, 80.0, 80.0], [0.5, 0.5, 0.0]),
    ]
    for row, shares in cases:
        form = loss.form(SOFT[len(row) > 1])
        y = shares[1:] if len(row) == 1 else shares
        raw, t = np.array([row], dtype), tangent[:, : len(row)]
        product = curve(loss, form, np.array([y], dtype), raw, np.ones(1, dtype), t)
        exact = [Decimal(share) for share in shares]
        half = Decimal("0.5") if len(row) == 1 and type(loss) is SquaredError else 1

        def value(_, z, exact=exact, half=half):
            return half * EXACT_SOFT[loss](_all_probabilities(z), exact)

        expected = _exact_curvature(value, None, row, t[0].tolist())
        np.testing.assert_allclose(product[0], expected, rtol=tolerance, atol=limits.tiny)


def _soft_form(loss, kind):
    return loss.form(f"{kind}-probabilities")


SOFT_LOSSES = [LogLoss(), LogLoss(0.1), SquaredError(), Focal(0.5), Focal(2.0)]
every_soft_loss = pytest.mark.parametrize("loss", SOFT_LOSSES, ids=repr)


@every_soft_loss
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_certain_probabilities_are_classes(kind, loss):
    _, _, y, raw, weight = make(("classifier", "log_loss", kind))
    shares = y if kind == "binary" else _one_hot(y, raw)
    tangent = draw_tangent(raw)
    for function, rest in ((evaluate, ()), (curve, (tangent,))):
        of_classes = function(loss, loss.form(kind), y, raw, weight, *rest)
        of_shares = function(loss, _soft_form(loss, kind), shares, raw, weight, *rest)
        for expected, found in zip(of_classes, of_shares, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@every_soft_loss
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_probabilities_stand_for_rows_of_each_class_with_these_weights(kind, loss):
    _, _, shares, raw, weight = make(("classifier", "log_loss", f"{kind}-probabilities"))
    total, delta = evaluate(loss, _soft_form(loss, kind), shares, raw, weight)
    if kind == "binary":
        shares = np.hstack([1 - shares, shares])
    total_of_rows, delta_of_rows = 0.0, 0.0
    for k in range(shares.shape[1]):
        y = np.full((N_ROWS, 1), float(k))
        value, derivative = evaluate(loss, loss.form(kind), y, raw, weight * shares[:, k])
        total_of_rows, delta_of_rows = total_of_rows + value, delta_of_rows + derivative
    if type(loss) is SquaredError:  # up to a constant: how far the targets are from certain
        spread = 1 - (shares**2).sum(axis=1)
        total_of_rows -= weight @ spread / (4 if kind == "binary" else 2)
    assert total == pytest.approx(total_of_rows, rel=1e-12)
    np.testing.assert_allclose(delta, delta_of_rows, rtol=1e-11, atol=1e-15)


def test_the_cache_on_disk_tells_all_kernels_apart():
    kernels = {
        kernel for key in REFERENCES for kernel in make(key)[1] if hasattr(kernel, "address")
    }
    float64 = np.dtype("float64")
    functions = [specialise(kernel.function, float64, kernel.identity) for kernel in kernels]
    files = {(f.__module__, f.__qualname__, f.__code__.co_firstlineno) for f in functions}
    assert len(files) == len(kernels)


NUMBERS = [key for key in REFERENCES if key[2] == "continuous"]


@every_dtype
@pytest.mark.parametrize("key", NUMBERS, ids=_name)
def test_a_missing_target_has_no_loss(key, dtype):
    loss, form, y, raw, weight = make(key, dtype)
    _, delta = evaluate(loss, form, y, raw, weight, 0.3)
    tangent = draw_tangent(raw)
    missing = np.zeros(y.shape, bool)
    missing[1], missing[4:6, 0] = True, True
    gone = np.where(missing, np.nan, y)
    if y.shape[1] < raw.shape[1] and not form.has_variances:
        return  # several quantiles have one target
    per_output = raw.shape[1] // y.shape[1]
    expected = 0.0
    for j in range(y.shape[1]):
        columns = [j + i * y.shape[1] for i in range(per_output)]
        known = ~missing[:, j]
        single = evaluate(loss, form, y[known, j : j + 1], raw[known][:, columns], weight[known])
        expected += single[0]
    found, delta_of_known = evaluate(loss, form, gone, raw, weight, 0.3)
    assert found == pytest.approx(expected, rel=10 * TOLERANCE[dtype])
    is_gone = np.tile(missing, per_output)
    np.testing.assert_array_equal(delta_of_known, np.where(is_gone, 0, delta))
    if form.hessian_product is not None:
        product = curve(loss, form, y, raw, weight, tangent)
        of_known = curve(loss, form, gone, raw, weight, tangent)
        np.testing.assert_array_equal(of_known, np.where(is_gone, 0, product))


@every_form
def test_weights_stand_for_repeated_rows(key):
    loss, form, y, raw, _ = make(key)
    counts = np.arange(N_ROWS) % 3
    total, delta = evaluate(loss, form, y, raw, counts.astype(float))
    y, raw = (np.repeat(a, counts, axis=0) for a in (y, raw))
    repeated, delta_of_each = evaluate(loss, form, y, raw, np.ones(len(y)))
    assert total == pytest.approx(repeated, rel=1e-13)
    np.testing.assert_allclose(delta.sum(axis=0), delta_of_each.sum(axis=0), rtol=1e-12)


@every_form
def test_clone_and_pickle_keep_the_parameters(key):
    loss, _, y, raw, weight = make(key)
    for twin in (clone(loss), pickle.loads(pickle.dumps(loss))):
        assert type(twin) is type(loss)
        assert twin.get_params() == loss.get_params()
        twin._validate_params()
        form = twin.form(key[2])
        assert evaluate(twin, form, y, raw, weight)[0] == evaluate(*make(key))[0]


@pytest.mark.parametrize(
    ("kind", "alias", "name"),
    [
        ("classifier", "cross_entropy", "log_loss"),
        ("classifier", "mse", "squared_error"),
        ("regressor", "mse", "squared_error"),
        ("regressor", "mae", "absolute_error"),
        ("regressor", "smooth_l1", "huber"),
        ("regressor", "pinball", "quantile"),
    ],
)
def test_an_alias_is_the_same_class(kind, alias, name):
    registry = REGISTRIES[kind]
    assert alias in registry.names
    assert registry[alias] is registry[name]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (LogLoss(label_smoothing=1.0), "label_smoothing"),
        (LogLoss(label_smoothing=-0.1), "label_smoothing"),
        (Hinge(margin=0), "margin"),
        (SquaredHinge(multiclass="one_vs_one"), "multiclass"),
        (Focal(gamma=-1), "gamma"),
        (Huber(delta=0), "delta"),
        (Tweedie(power=0.5), "power"),
        (GaussianNLL(beta=1.5), "beta"),
        (GaussianNLL(beta="half"), "beta"),
        (Quantile(q=1.0), "'q' parameter"),
        (Quantile(q=[0.9, 0.1]), "increasing order"),
        (Quantile(q=[0.5, 0.5]), "increasing order"),
        (Quantile(q=[0.0, 0.5]), "between 0 and 1"),
        (Quantile(q=[0.5, np.nan]), "between 0 and 1"),
        (Quantile(q=["low"]), "numbers"),
        (Quantile(q=[]), "one or several"),
        (Quantile(q=[[0.1, 0.5]]), "one or several"),
    ],
    ids=repr,
)
def test_parameters_are_validated(loss, message):
    with pytest.raises(ValueError, match=message):
        loss._validate_params()


def test_a_loss_says_which_targets_it_learns():
    message = (
        "Hinge is not defined for continuous targets, only for binary, multiclass, "
        "multiclass-multioutput, multilabel"
    )
    with pytest.raises(ValueError, match=message):
        Hinge().form("continuous")


@pytest.mark.parametrize(
    ("target_type", "name"),
    [("binary", "logistic"), ("multilabel-indicator", "logistic"), ("multiclass", "softmax")],
)
def test_names_of_links_are_those_of_sklearn(target_type, name):
    for cls in CLASSIFIER_LOSSES.values():
        expected = name if cls.has_probabilities else "identity"
        assert cls().form(target_type).out_activation == expected


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


@pytest.mark.parametrize("target_type", ["binary", "multiclass"])
def test_hinge_is_that_of_sklearn(target_type):
    loss, form, y, raw, weight = make(("classifier", "hinge", target_type))
    total, _ = evaluate(loss, form, y, raw, weight)
    decision = raw.ravel() if target_type == "binary" else raw
    expected = hinge_loss(y.ravel(), decision, sample_weight=weight)
    assert total / weight.sum() == pytest.approx(expected, rel=1e-12)


def test_squared_error_is_half_that_of_sklearn():
    loss, form, y, raw, weight = make(("regressor", "squared_error", "continuous"))
    total, _ = evaluate(loss, form, y, raw, weight)
    mean = mean_squared_error(y, raw, sample_weight=weight)
    assert total / weight.sum() == pytest.approx(0.5 * N_OUTPUTS * mean, rel=1e-12)


DEVIANCES = {
    "poisson": mean_poisson_deviance,
    "gamma": mean_gamma_deviance,
    "tweedie": partial(mean_tweedie_deviance, power=1.5),
    **{Tweedie(p): partial(mean_tweedie_deviance, power=p) for p in (-2, 0, 1, 1.1, 2, 2.5)},
}


@pytest.mark.parametrize(("choice", "deviance"), DEVIANCES.items(), ids=str)
def test_log_links_have_half_the_deviance_of_sklearn(choice, deviance):
    loss, form, y, raw, weight = make(("regressor", choice, "continuous"))
    assert (y == 0).any() == (choice != "gamma" and -1 < getattr(loss, "power", 0) < 2)
    total, _ = evaluate(loss, form, y, raw, weight)
    expected = sum(
        0.5 * deviance(truth, rate, sample_weight=weight)
        for truth, rate in zip(y.T, form.predictions(raw.copy()).T, strict=True)
    )
    assert total / weight.sum() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "loss", "lowest", "refused", "message"),
    [
        ("poisson", Poisson(), 0.0, -1e-9, "non-negative"),
        ("gamma", Gamma(), 1e-9, 0.0, "strictly positive"),
        ("tweedie", Tweedie(), 0.0, -1e-9, "non-negative for power=1.5"),
        ("tweedie", Tweedie(2), 1e-9, 0.0, "strictly positive for power=2"),
    ],
)
def test_log_links_refuse_targets_out_of_their_range(name, loss, lowest, refused, message):
    loss.check_targets(np.array([[lowest, 3]]))
    with pytest.raises(ValueError, match=f"valid range of the loss '{name}': .* {message}"):
        loss.check_targets(np.array([[1.0, refused]]))


@pytest.mark.parametrize("power", [-1, 0])
def test_powers_up_to_0_take_any_target(power):
    Tweedie(power).check_targets(np.array([[-1.0, 0.0, 1.0]]))


@every_dtype
@pytest.mark.parametrize(("power", "twin"), [(1, Poisson()), (2, Gamma())])
def test_tweedie_is_poisson_at_1_and_gamma_at_2(power, twin, dtype):
    _, form, y, raw, weight = make(("regressor", "gamma", "continuous"), dtype)
    expected, expected_delta = evaluate(twin, twin.form("continuous"), y, raw, weight)
    tangent = draw_tangent(raw)
    expected_product = curve(twin, twin.form("continuous"), y, raw, weight, tangent)
    rounding = 10 * float(np.finfo(dtype).eps)
    for distance, tolerance in ((0, rounding), (1e-9, max(rounding, 1e-6))):
        loss = Tweedie(power + distance)
        form = loss.form("continuous")
        total, delta = evaluate(loss, form, y, raw, weight)
        product = curve(loss, form, y, raw, weight, tangent)
        assert total == pytest.approx(expected, rel=tolerance)
        scale = np.abs(expected_delta).max()
        np.testing.assert_allclose(delta, expected_delta, rtol=tolerance, atol=scale * tolerance)
        np.testing.assert_allclose(product, expected_product, rtol=tolerance)


def test_huber_at_1_is_the_smooth_l1_loss():
    loss, form, y, raw, weight = make(("regressor", "huber", "continuous"))
    r = np.abs(raw - y)
    assert (r < 1).any()
    assert (r > 1).any()
    smooth_l1 = np.where(r < 1, 0.5 * r**2, r - 0.5).sum(axis=1)
    total, _ = evaluate(loss, form, y, raw, weight)
    assert total == pytest.approx(weight @ smooth_l1, rel=1e-13)


@every_dtype
def test_log_cosh_is_precise_near_0_and_far_away(dtype):
    raw = np.array([1e-5, 1e-3, 0.499, 0.5, 30.0, 1e30], dtype)
    values = [evaluate_one(LogCosh(), "continuous", 0.0, z)[0] for z in raw]
    near = 0.5 * np.log1p(np.sinh(raw[:4].astype("float64")) ** 2)
    expected = [*near, 30 - np.log(2), raw[-1]]
    np.testing.assert_allclose(values, expected, rtol=5 * np.finfo(dtype).eps)


def test_focal_without_focus_is_the_log_loss():
    for target_type in TARGET_TYPES["classifier"]:
        log_loss_, form, *data = make(("classifier", "log_loss", target_type))
        expected, expected_delta = evaluate(log_loss_, form, *data)
        focal = Focal(gamma=0)
        total, delta = evaluate(focal, focal.form(target_type), *data)
        assert total == pytest.approx(expected, rel=1e-13)
        np.testing.assert_allclose(delta, expected_delta, rtol=1e-12, atol=1e-15)


def test_focal_is_precise_where_a_class_is_all_but_certain():
    _, delta = evaluate_one(Focal(0.5), "multiclass", 0, [40.0, -40.0, -39.0])
    p = np.exp([-80.0, -79.0])  # nothing beside 1
    expected = [-1.5 * p.sum() ** 1.5, *(1.5 * np.sqrt(p.sum()) * p)]
    np.testing.assert_allclose(delta.ravel(), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", [AbsoluteError(), Quantile(0.9), Quantile([0.9])], ids=repr)
def test_derivative_on_target_is_0(loss):
    value, delta = evaluate_one(loss, "continuous", 1.0, 1.0)
    assert value == 0
    assert delta == 0


@pytest.mark.parametrize("multiclass", MULTICLASS_HINGE)
@pytest.mark.parametrize("cls", [Hinge, SquaredHinge])
def test_derivative_at_the_margin_is_0(cls, multiclass):
    loss = cls(0.5, multiclass)
    for target_type, raw in [("binary", 0.5), ("multiclass", [-0.5, 0.5, -0.5])]:
        if multiclass != "ovr" and target_type == "multiclass":
            raw = [0.0, 0.5, 0.0]
        value, delta = evaluate_one(loss, target_type, 1, raw)
        assert value == 0
        assert not delta.any()


def test_crammer_singer_takes_the_first_of_equal_rivals():
    _, delta = evaluate_one(Hinge(), "multiclass", 0, [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(delta, [[-1, 1, 0]])


def test_several_quantiles_have_an_output_each_and_one_target():
    loss = Quantile([0.1, 0.9])
    assert loss.n_outputs(1) == 2
    assert Quantile(0.1).n_outputs(3) == 3
    loss.check_targets(np.ones((3, 1)))
    with pytest.raises(ValueError, match="y should be a 1d array"):
        loss.check_targets(np.ones((3, 2)))


@pytest.mark.parametrize(("n_rows", "n_quantiles"), [(1, 1), (5, 2), (4, 7)])
def test_predicted_quantiles_never_cross(n_rows, n_quantiles):
    raw = np.random.default_rng(0).normal(size=(n_rows, n_quantiles))
    form = Quantile(list(np.linspace(0.1, 0.9, n_quantiles))).form("continuous")
    np.testing.assert_array_equal(form.predictions(raw.copy()), np.sort(raw, axis=1))


def test_score():
    random = np.random.default_rng(0)
    y, predictions = random.normal(size=6), random.normal(size=(6, 2))
    weight = random.uniform(size=6)
    expected = -np.mean(
        [
            mean_pinball_loss(y, predictions[:, j], alpha=q, sample_weight=weight)
            for j, q in enumerate([0.2, 0.6])
        ]
    )
    assert Quantile([0.2, 0.6]).score(y, predictions, weight) == pytest.approx(expected)
    one = predictions[:, 0]
    expected = -mean_pinball_loss(y, one, alpha=0.2, sample_weight=weight)
    assert Quantile([0.2]).score(y, one, weight) == pytest.approx(expected)
    for loss in (SquaredError(), Quantile(0.2)):
        assert loss.score(y, one, weight) == r2_score(y, one, sample_weight=weight)


def _cauchy(y, prediction):
    return math.log(1 + (prediction - y) ** 2)


def _cauchy_derivative(y, prediction):
    return 2 * (prediction - y) / (1 + (prediction - y) ** 2)


def _half_square(y, prediction):
    return 0.5 * (prediction - y) ** 2


def _residual(y, prediction):
    return prediction - y


def _with_no_type(y, prediction):
    return "far" if prediction > y else 0.0


def _of_one_argument(prediction):
    return prediction


@every_dtype
def test_loss_from_functions(dtype):
    loss = Loss.from_functions(_cauchy, _cauchy_derivative)
    _, _, y, raw, weight = make(("regressor", "squared_error", "continuous"), dtype)
    total, delta = evaluate(loss, loss.form("continuous"), y, raw, weight, scale=0.3)
    factor = weight[:, np.newaxis]
    expected = (factor * np.log1p((raw - y) ** 2)).sum(dtype="float64")
    assert total == pytest.approx(expected, rel=TOLERANCE[dtype])
    expected = 0.3 * factor * _cauchy_derivative(y, raw)
    np.testing.assert_allclose(delta, expected, rtol=TOLERANCE[dtype])


def test_loss_from_functions_is_compiled_once_for_each_pair():
    loss = Loss.from_functions(_cauchy, _cauchy_derivative)
    twins = [clone(loss), pickle.loads(pickle.dumps(loss))]
    kernel = loss.form("continuous").evaluate
    for twin in twins:
        assert twin.get_params() == {"value": _cauchy, "derivative": _cauchy_derivative}
        assert twin.form("continuous").evaluate is kernel
    swapped = Loss.from_functions(_cauchy_derivative, _cauchy)
    assert swapped.form("continuous").evaluate is not kernel


def test_loss_from_functions_shows_in_the_repr_of_an_estimator():
    loss = Loss.from_functions(_cauchy, _cauchy_derivative)
    shown = repr(MLPRegressor((3,), loss=loss))
    assert shown.startswith("MLPRegressor(hidden_layer_sizes=(3,),")
    assert "loss=FromFunctions(derivative=<function _cauchy_derivative" in shown
    assert "value=<function _cauchy at" in shown


def test_loss_from_functions_has_no_curvature():
    loss = Loss.from_functions(_cauchy, _cauchy_derivative)
    assert loss.form("continuous").hessian_product is None
    assert not loss.is_twice_differentiable


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("squared_error", ValueError, "'value' parameter .* must be a callable"),
        (_with_no_type, TypeError, "numba cannot compile the function '_with_no_type'"),
        (_of_one_argument, TypeError, "numba cannot compile the function '_of_one_argument'"),
    ],
)
def test_functions_that_are_none_of_a_loss(value, error, message):
    loss = Loss.from_functions(value, _residual)
    with pytest.raises(error, match=message):
        MLPRegressor((2,), loss=loss, max_iter=1).fit([[0.0], [1.0]], [0.0, 1.0])


def test_loss_from_functions_is_for_regression():
    loss = Loss.from_functions(_half_square, _residual)
    with pytest.raises(ValueError, match="not defined for binary targets, only for continuous"):
        MLPClassifier((2,), loss=loss).fit([[0.0], [1.0]], [0, 1])


# Through the estimators.

LINEAR = {"hidden_layer_sizes": (), "tol": 1e-10, "max_iter": 2000, "random_state": 0}
_linear_classifier = partial(MLPClassifier, **LINEAR, optimizer=LBFGS(history_size=50))
_linear_regressor = partial(MLPRegressor, **LINEAR, optimizer=LBFGS(history_size=50))


def _classes(n_classes):
    X, y = (load_breast_cancer if n_classes == 2 else load_iris)(return_X_y=True)
    return standardize(X), y


def _regression():
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    return X, random.gamma(3, np.exp(X @ [0.3, -0.2, 0.1] - 1))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_loss_without_hidden_layers_is_logistic_regression(n_classes):
    X, y = _classes(n_classes)
    weight = np.random.default_rng(0).uniform(size=len(y))
    ours = _linear_classifier(alpha=2.0).fit(X, y, weight)
    theirs = LogisticRegression(C=0.5, tol=1e-8, max_iter=1000).fit(X, y, weight)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=3e-4)


def _primal(coef, intercept, X, y, C, loss):
    """Objective of a support vector machine, in which intercepts are free."""
    raw = X @ np.reshape(coef, (-1, X.shape[1])).T + intercept
    return 0.5 * np.sum(np.square(coef)) + C * loss(y[:, np.newaxis], raw).sum()


def _one_svc_a_class(C):
    return OneVsRestClassifier(SVC(kernel="linear", C=C, tol=1e-6))


def _linear_svc(C, **parameters):
    # It penalises its intercept, unless that is scaled.
    return LinearSVC(C=C, intercept_scaling=30, max_iter=10**6, random_state=0, **parameters)


@pytest.mark.parametrize(
    ("loss", "n_classes", "truth", "machine"),
    [
        ("hinge", 2, partial(_hinge, 1, 1), _one_svc_a_class),
        (
            "hinge",
            3,
            partial(MULTICLASS_HINGE["crammer_singer"], 1, 1),
            partial(_linear_svc, multi_class="crammer_singer"),
        ),
        (Hinge(multiclass="ovr"), 3, partial(_one_versus_rest, 1, 1), _one_svc_a_class),
        ("squared_hinge", 2, partial(_hinge, 1, 2), partial(_linear_svc, dual=False)),
        (
            SquaredHinge(multiclass="ovr"),
            3,
            partial(_one_versus_rest, 1, 2),
            partial(_linear_svc, dual=False),
        ),
    ],
    ids=["hinge", "crammer_singer", "ovr", "squared_hinge", "squared_ovr"],
)
def test_margin_losses_without_hidden_layers_are_support_vector_machines(
    loss, n_classes, truth, machine
):
    X, y = _classes(n_classes)
    C = 0.1
    theirs = machine(C).fit(X, y)
    parts = getattr(theirs, "estimators_", [theirs])
    coef = np.vstack([part.coef_ for part in parts])
    intercept = np.hstack([part.intercept_ for part in parts])
    ours = _linear_classifier(loss=loss, alpha=1 / C).fit(X, y)
    reached = _primal(ours.coefs_[0].T, ours.intercepts_[0], X, y, C, truth)
    assert reached == pytest.approx(_primal(coef, intercept, X, y, C, truth), rel=1e-3)
    assert reached == pytest.approx(C * len(y) * ours.loss_, rel=1e-10)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_hinge_of_a_fit_is_the_metric_of_sklearn(n_classes):
    X, y = _classes(n_classes)
    weight = np.random.default_rng(0).uniform(size=len(y))
    y[::10] = 0  # some wrong labels: the loss stays away from 0
    network = _linear_classifier(loss="hinge", alpha=0).fit(X, y, weight)
    expected = hinge_loss(y, network.decision_function(X), sample_weight=weight)
    assert expected > 0.01
    assert network.loss_ == pytest.approx(expected, rel=1e-12)


def test_margin_losses_have_no_probabilities_until_they_are_calibrated():
    X, y = _classes(3)
    for loss in ("hinge", SquaredHinge()):
        network = _linear_classifier(loss=loss, alpha=1.0)
        for estimator in (network, network.fit(X, y)):
            assert not hasattr(estimator, "predict_proba")
            assert not hasattr(estimator, "predict_log_proba")
        assert network.out_activation_ == "identity"
        calibrated = CalibratedClassifierCV(network, cv=2, ensemble=False).fit(X, y)
        assert calibrated.predict_proba(X).shape == (len(y), 3)
        assert calibrated.score(X, y) > 0.9


def test_label_smoothing_is_a_parameter_of_the_loss_by_name():
    X, y = _classes(3)
    by_name = _linear_classifier(label_smoothing=0.2, alpha=0).fit(X, y)
    by_object = _linear_classifier(loss=LogLoss(0.2), alpha=0).fit(X, y)
    np.testing.assert_array_equal(by_name.coefs_[0], by_object.coefs_[0])
    rows = _smooth_softmax_cross_entropy(0.2, y[:, np.newaxis], by_name.decision_function(X))
    assert by_name.loss_ == pytest.approx(rows.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("poisson", PoissonRegressor),
        ("gamma", GammaRegressor),
        ("tweedie", partial(TweedieRegressor, power=1.5)),
        (Tweedie(3), partial(TweedieRegressor, power=3)),
        (Tweedie(0), partial(TweedieRegressor, power=0, link="log")),
    ],
)
def test_log_links_without_hidden_layers_are_generalized_linear_models(name, model):
    X, y = _regression()
    if name == "tweedie":
        y[::3] = 0
    ours = _linear_regressor(loss=name, alpha=0.1 * len(y)).fit(X, y)
    theirs = model(alpha=0.1, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3)
    assert ours.out_activation_ == "exp"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie"])
def test_predictions_that_overflow_come_with_a_warning(name, dtype):
    X, y = _regression()
    network = _linear_regressor(loss=name, dtype=dtype, tol=1e-3).fit(X, y)
    network.predict(X)
    with pytest.warns(RuntimeWarning, match=f"predictions overflow {dtype}") as caught:
        predictions = network.predict(1e6 * X)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.isinf(predictions).any()
    with (
        pytest.warns(RuntimeWarning, match="overflow"),
        pytest.raises(ValueError, match="infinity"),
    ):
        network.score(1e6 * X, y)


def test_quantile_without_hidden_layers_is_quantile_regression():
    X, y = _regression()
    levels = [0.2, 0.5, 0.8]
    ours = _linear_regressor(loss=Quantile(levels), alpha=0).fit(X, y)
    theirs = [QuantileRegressor(quantile=q, alpha=0).fit(X, y).predict(X) for q in levels]
    best = -Quantile(levels).score(y, np.column_stack(theirs))
    predictions = ours.predict(X)
    assert predictions.shape == (len(y), 3)
    assert (np.diff(predictions, axis=1) >= 0).all()
    assert ours.score(X, y) == pytest.approx(-best, rel=1e-3)
    np.testing.assert_allclose((y[:, np.newaxis] < predictions).mean(axis=0), levels, atol=0.02)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "log_cosh"])
def test_robust_losses_shrug_off_outliers(loss):
    X, _ = _regression()
    y = X @ [1.0, 2.0, 3.0]
    y[::10] += 100.0
    ours = _linear_regressor(loss=loss, alpha=0).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].ravel(), [1, 2, 3], atol=0.2)


def test_a_fit_with_a_loss_from_functions():
    X, y = _regression()
    own = MLPRegressor((4,), loss=Loss.from_functions(_half_square, _residual))
    built_in = MLPRegressor((4,))
    for network in (own, built_in):
        network.set_params(max_iter=3, n_iter_no_change=5, random_state=0)
        for _ in range(3):
            network.partial_fit(X, y)
    own = pickle.loads(pickle.dumps(own))
    np.testing.assert_allclose(own.predict(X), built_in.predict(X), rtol=1e-10)
    assert own.partial_fit(X, y).loss_ == pytest.approx(built_in.partial_fit(X, y).loss_)


def test_parameters_of_a_loss_are_parameters_of_the_estimator():
    network = MLPClassifier(loss=Hinge()).set_params(loss__margin=2.0)
    assert network.loss.margin == 2.0


@every_form
def test_least_squares_are_half_the_squares_of_the_residuals(key):
    loss, form, y, raw, weight = make(key)
    _, delta = evaluate(loss, form, y, raw, weight)
    residual = weight[:, np.newaxis] * (raw[:, : y.shape[1]] - y)
    is_residual = residual.shape == delta.shape and np.allclose(delta, residual)
    assert loss.is_least_squares(form) == is_residual
