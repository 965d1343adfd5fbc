import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from sknn_opt.activations import ACTIVATIONS
from sknn_opt.initializers import INITIALIZERS, Initializer


def _as_sklearn(activation, fan_in, fan_out, seed):
    theirs = MLPClassifier(activation=activation)
    theirs._random_state = np.random.RandomState(seed)
    return theirs._init_coef(fan_in, fan_out, np.float64)


#: The same draws, by activation, shape and seed.
REFERENCES = {"auto": _as_sklearn}


def test_that_every_initializer_is_tested():
    assert set(REFERENCES) == set(INITIALIZERS)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(1, 1), (7, 4), (4, 7)])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_draws_are_those_of_the_reference(name, activation, fan_in, fan_out):
    coefs, intercepts = INITIALIZERS[name]().draw(
        fan_in, fan_out, ACTIVATIONS[activation](), np.random.RandomState(3)
    )
    expected = REFERENCES[name](activation, fan_in, fan_out, 3)
    np.testing.assert_array_equal(coefs, expected[0])
    np.testing.assert_array_equal(intercepts, expected[1])
    assert coefs.shape == (fan_in, fan_out)
    assert intercepts.shape == (fan_out,)
    assert coefs.dtype == intercepts.dtype == "float64"


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6), ("logistic", 2)])
def test_auto_is_uniform_within_its_bound(activation, factor):
    random = np.random.RandomState(0)
    coefs, intercepts = INITIALIZERS["auto"]().draw(300, 200, ACTIVATIONS[activation](), random)
    bound = np.sqrt(factor / 500)
    for values in (coefs, intercepts):
        assert 0.95 * bound < np.abs(values).max() <= bound
    assert coefs.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    assert abs(coefs.mean()) < 0.02 * bound


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_finite_draws(name, activation):
    initializer = INITIALIZERS[name]()
    assert isinstance(initializer, Initializer)
    coefs, intercepts = initializer.draw(5, 3, ACTIVATIONS[activation](), np.random.RandomState(0))
    assert np.isfinite(coefs).all()
    assert np.isfinite(intercepts).all()
