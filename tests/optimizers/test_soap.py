"""SOAP's bases: what they make of the gradient, and where there are none."""

import numpy as np
import pytest
from problems import make_layout
from steps import Stepper, random_steps, soap_step

from sknn_opt import MLPRegressor
from sknn_opt.optimizers import SOAP, AdamW

SQUARES = [4, 4, 4]


@pytest.mark.parametrize("every", [1, 3, 10])
def test_steps_with_a_basis_on_both_sides(every):
    layout = make_layout(SQUARES)
    expected, gradients, rates = random_steps(layout)
    stepper, state = Stepper(SOAP(every=every), expected.copy(), layout), {}
    for step, (gradient, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        stepper.step(gradient, lr)
        expected = soap_step(expected, gradient, state, lr, step, layout, every=every)
    np.testing.assert_allclose(stepper.theta, expected, rtol=1e-10, atol=1e-11)


def test_a_side_that_is_too_long_takes_adams_step():
    layout = make_layout([4, 3, 1])
    theta, gradients, rates = random_steps(layout)
    soap = Stepper(SOAP(max_side=2), theta.copy(), layout)
    adamw = Stepper(AdamW(0.95, 0.95, weight_decay=0), theta.copy(), layout)
    assert soap.state.size == 2 * layout.stride
    for gradient, lr in zip(gradients, rates, strict=True):
        soap.step(gradient, lr)
        adamw.step(gradient, lr)
    np.testing.assert_allclose(soap.theta, adamw.theta, rtol=1e-12)


def test_the_bases_diagonalize_their_factors_in_the_end():
    layout = make_layout(SQUARES)
    theta, _, _ = random_steps(layout)
    mixing = np.random.default_rng(1).normal(size=(layout.n_parameters, layout.n_parameters))
    stepper = Stepper(SOAP(every=1, beta_2=0.99), theta, layout)
    random = np.random.default_rng(2)
    for _ in range(300):
        stepper.step(mixing @ random.normal(size=theta.size), 0.0)
    _, rest = stepper.optimizer.slots(layout, stepper.state)
    for factor, basis in rest.reshape(4, 2, 4, 4):  # a vector of the basis is a row
        np.testing.assert_allclose(basis @ basis.T, np.eye(4), atol=1e-12)
        diagonal = np.diag(basis @ factor @ basis.T)
        assert (np.diff(diagonal) < 0).all()
        off_diagonal = basis @ factor @ basis.T - np.diag(diagonal)
        assert np.abs(off_diagonal).max() < 0.1 * diagonal.min()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("gradient", [0.0, 1e-30, np.inf, np.nan])
def test_gradients_without_a_basis(gradient, dtype):
    layout = make_layout(SQUARES)
    stepper = Stepper(SOAP(every=1), np.ones(layout.n_parameters, dtype), layout)
    for _ in range(3):
        stepper.step(np.full(layout.n_parameters, gradient), 0.1)
    assert np.isfinite(stepper.theta).all() == np.isfinite(gradient)


def test_a_network_without_any_basis():
    X, y = np.arange(20.0).reshape(-1, 1) / 20, np.arange(20.0)
    settings = {"learning_rate": "cosine", "n_iter_no_change": np.inf, "max_iter": 3}
    for hidden, optimizer in (((), "soap"), ((3,), SOAP(max_side=1))):
        model = MLPRegressor(hidden, optimizer=optimizer, random_state=0, **settings)
        assert np.isfinite(model.fit(X, y).loss_)
