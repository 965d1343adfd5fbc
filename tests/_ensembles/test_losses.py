from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn import metrics

from sknn_opt._ensembles.losses import (
    gaussian_nll,
    log_loss,
    loss_of_classifiers,
    loss_of_regressors,
    moments_about,
)
from sknn_opt.losses import (
    AbsoluteError,
    Focal,
    Gamma,
    Huber,
    LogLoss,
    Poisson,
    Quantile,
    SquaredError,
    Tweedie,
)

random = np.random.default_rng(0)
Y = random.gamma(2.0, size=(30, 2))
PREDICTIONS = random.gamma(2.0, size=(30, 2))
WEIGHTS = [None, random.random(30)]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_log_loss(weight):
    probabilities = random.dirichlet(np.ones(4), size=30)
    y = random.integers(4, size=30)
    ours = log_loss(np.eye(4)[y][:, None], probabilities[:, None], weight)
    theirs = metrics.log_loss(y, probabilities, labels=range(4), sample_weight=weight)
    assert_allclose(ours, theirs)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_log_loss_of_labels_is_a_sum_over_labels(weight):
    p = random.random((30, 3))
    y = random.integers(2, size=(30, 3))
    ours = log_loss(np.eye(2)[y], np.stack([1 - p, p], axis=2), weight)
    theirs = [metrics.log_loss(y[:, j], p[:, j], sample_weight=weight) for j in range(3)]
    assert_allclose(ours, sum(theirs))


@pytest.mark.parametrize("loss", [LogLoss(), Focal(), Focal(0.5)])
def test_the_loss_of_the_impossible_is_finite(loss):
    impossible = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]])
    assert np.isfinite(loss_of_classifiers([loss])(*impossible, None))


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_brier_score(n_classes, weight):
    probabilities = random.dirichlet(np.ones(n_classes), size=30)
    y = random.integers(n_classes, size=30)
    ours = loss_of_classifiers([SquaredError(), SquaredError()])
    truth = np.eye(n_classes)[y]
    squares = ((probabilities - truth) ** 2).sum(axis=1) / (2 if n_classes == 2 else 1)
    expected = np.average(squares, weights=weight)
    assert_allclose(ours(truth[:, None], probabilities[:, None], weight), expected)
    if n_classes == 2:
        theirs = metrics.brier_score_loss(y, probabilities[:, 1], sample_weight=weight)
        assert_allclose(expected, theirs)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_focal_loss(weight):
    p, shares = random.dirichlet(np.ones(3), size=(2, 30))
    of_classes = -((1 - p) ** 1.5) * np.log(p)
    expected = np.average((shares * of_classes).sum(axis=1), weights=weight)
    focal = loss_of_classifiers([Focal(1.5), Focal(gamma=1.5)])
    assert_allclose(focal(shares[:, None], p[:, None], weight), expected)


def test_classifiers_whose_losses_differ_are_weighed_by_log_loss():
    for losses in ([LogLoss(), SquaredError()], [Focal(1.0), Focal(2.0)], [LogLoss()]):
        assert loss_of_classifiers(losses) is log_loss


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_the_likelihood_of_a_mixture_is_that_of_its_mean_and_variance(offset, weight):
    y, shares = offset + Y, np.array([0.2, 0.5, 0.3])
    means, variances = offset + random.normal(size=(3, 30, 2)), random.gamma(2.0, size=(3, 30, 2))
    of_parts = [
        moments_about(y, np.stack(one, axis=2)) for one in zip(means, variances, strict=True)
    ]
    mean = np.average(means, axis=0, weights=shares)
    variance = np.average(variances + (means - mean) ** 2, axis=0, weights=shares)
    ours = gaussian_nll(np.average(of_parts, axis=0, weights=shares), weight)
    expected = -norm.logpdf(y, mean, np.sqrt(variance)).sum(axis=1)
    assert_allclose(ours, np.average(expected, weights=weight), rtol=1e-6 if offset else 1e-12)


def test_likelihoods_of_extremes_are_no_nan():
    certain = moments_about(Y, np.stack([Y, np.zeros_like(Y)], axis=2))
    assert gaussian_nll(certain, None) < -600
    wrong = moments_about(Y, np.stack([Y + 1e3, np.zeros_like(Y)], axis=2))
    assert 1e12 < gaussian_nll(wrong, None) < np.inf
    for mean, variance in ((1e300, 1.0), (0.0, np.inf)):
        far = np.stack([np.full_like(Y, mean), np.full_like(Y, variance)], axis=2)
        assert gaussian_nll(moments_about(Y, far), None) == np.inf


METRICS = [
    (SquaredError(), metrics.mean_squared_error, {}),
    (AbsoluteError(), metrics.mean_absolute_error, {}),
    (Huber(), metrics.mean_absolute_error, {}),
    (Quantile(0.2), metrics.mean_pinball_loss, {"alpha": 0.2}),
]


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(("component", "metric", "parameters"), METRICS)
def test_the_loss_that_all_members_have(component, metric, parameters, weight):
    loss = loss_of_regressors([component, type(component)(**component.get_params())])
    expected = metric(Y, PREDICTIONS, sample_weight=weight, **parameters)
    assert_allclose(loss(Y, PREDICTIONS, weight), expected)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(
    ("component", "deviance"),
    [
        (Poisson(), metrics.mean_poisson_deviance),
        (Gamma(), metrics.mean_gamma_deviance),
        (Tweedie(1.3), partial(metrics.mean_tweedie_deviance, power=1.3)),
    ],
)
def test_deviances(component, deviance, weight):
    loss = loss_of_regressors([component])
    columns = zip(Y.T, PREDICTIONS.T, strict=True)
    expected = np.mean([deviance(*pair, sample_weight=weight) for pair in columns])
    assert_allclose(loss(Y, PREDICTIONS, weight), expected)
    assert np.isfinite(loss(Y, np.zeros_like(Y), weight))


def test_several_quantiles():
    y = Y[:, :1]
    expected = np.mean(
        [metrics.mean_pinball_loss(y, PREDICTIONS[:, j], alpha=q) for j, q in enumerate((0.1, 0.9))]
    )
    assert_allclose(loss_of_regressors([Quantile([0.1, 0.9])])(y, PREDICTIONS, None), expected)


@pytest.mark.parametrize(
    "components", [[Poisson(), SquaredError()], [Quantile(0.1), Quantile(0.9)]]
)
def test_losses_that_differ_are_squared_errors(components):
    loss = loss_of_regressors(components)
    assert_allclose(loss(Y, PREDICTIONS, None), metrics.mean_squared_error(Y, PREDICTIONS))
