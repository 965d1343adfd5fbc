"""K-FAC's step with given factors. `_training.test_curvature` has how they are observed."""

import numpy as np
import pytest
from problems import make_layout
from steps import Stepper, kfac_step, random_steps

from sknn_opt.normalizations import LayerNorm
from sknn_opt.optimizers import KFAC

UNITS = [4, 3, 5, 2]


def random_factors(stepper):
    """Positive definite factors, written to the state, of which one half is enough."""
    random, factors = np.random.default_rng(1), []
    for pair in stepper.optimizer.factors(stepper.layout, stepper.state):
        factors.append([])
        for view in pair:
            half = random.normal(size=view.shape)
            factors[-1].append(half @ half.T)
            view[:] = np.triu(half @ half.T)
    return factors


@pytest.mark.parametrize("kl_clip", [None, 1e-3, 1e3])
@pytest.mark.parametrize("damping", [0.0, 0.1])
@pytest.mark.parametrize("normalization", [None, LayerNorm()], ids=["plain", "normalized"])
def test_steps_with_factors(kl_clip, damping, normalization):
    layout = make_layout(UNITS, normalization)
    expected, gradients, rates = random_steps(layout)
    parameters = {"kl_clip": kl_clip, "damping": damping}
    stepper, state = Stepper(KFAC(**parameters), expected.copy(), layout), {}
    factors = random_factors(stepper)
    for step, (gradient, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        stepper.step(gradient, lr)
        expected = kfac_step(
            expected, gradient, state, lr, step, layout, **parameters, factors=factors
        )
    np.testing.assert_allclose(stepper.theta, expected, rtol=1e-7, atol=1e-9)


def test_inverses_are_renewed_after_so_many_steps():
    layout = make_layout(UNITS)
    theta, gradients, _ = random_steps(layout)
    optimizer = KFAC(every=3, kl_clip=None)
    stepper = Stepper(optimizer, theta, layout)
    random_factors(stepper)
    steps = []
    for factor in (1, 2, 2, 2):
        for pair in optimizer.factors(layout, stepper.state):
            for view in pair:
                view *= factor
        before = stepper.theta.copy()
        stepper.step(gradients[0], 0.1)
        steps.append(before - stepper.theta)
    np.testing.assert_allclose(steps[1], steps[0], rtol=1e-9)
    np.testing.assert_allclose(steps[2], steps[0], rtol=1e-9)
    assert np.abs(steps[3]).max() < 0.5 * np.abs(steps[0]).max()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rank", [0, 1])
def test_without_damping_a_singular_factor_gets_a_ridge(rank, dtype):
    layout = make_layout(UNITS)
    theta, gradients, _ = random_steps(layout)
    stepper = Stepper(KFAC(damping=0), theta.astype(dtype), layout)
    for pair in stepper.optimizer.factors(layout, stepper.state):
        for view in pair:
            view[:rank, :rank] = 1.0
    stepper.step(gradients[0], 0.1)
    assert np.isfinite(stepper.theta).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_hopeless_factors_are_seen(value):
    layout = make_layout(UNITS)
    theta, gradients, _ = random_steps(layout)
    stepper = Stepper(KFAC(), theta, layout)
    stepper.optimizer.factors(layout, stepper.state)[1][0][0, 0] = value
    stepper.step(gradients[0], 0.1)
    hopeless = [np.isnan(layer["coefs"]).all() for layer in layout.by_layer(stepper.theta)]
    assert hopeless == [False, True, False]


def test_layers_that_are_too_wide_have_no_factors():
    layout = make_layout(UNITS)
    sizes = [pair[0].size for pair in KFAC(max_side=4).factors(layout, np.zeros(1000))]
    assert sizes == [0, 0, 0]
    pairs = KFAC(max_side=5).factors(layout, np.zeros(1000))
    assert [tuple(map(len, pair)) for pair in pairs] == [(5, 3), (4, 5), (0, 0)]
