import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer
from sklearn.utils._param_validation import InvalidParameterError

from sknn_opt._component import resolve
from sknn_opt.schedules import SCHEDULES, Adaptive, InvScaling, Schedule

#: Parameters, times and the factors at them.
VALUES = {
    "constant": [({}, [0, 0.5, 199], [1, 1, 1])],
    "adaptive": [({}, [0, 0.5, 199], [1, 1, 1]), ({"factor": 0.5}, [3], [1])],
    "invscaling": [
        ({}, [0, 3, 99], [1, 1 / 2, 1 / 10]),
        ({"power_t": 1.0}, [0, 3, 99], [1, 1 / 4, 1 / 100]),
        ({"power_t": 0.0}, [0, 3, 99], [1, 1, 1]),
    ],
}

UNITS = {"constant": "epochs", "adaptive": "epochs", "invscaling": "samples"}


def test_that_every_schedule_is_tested():
    assert set(VALUES) == set(UNITS) == set(SCHEDULES)


@pytest.mark.parametrize(
    ("name", "parameters", "times", "factors"),
    [(name, *row) for name, rows in VALUES.items() for row in rows],
)
def test_values(name, parameters, times, factors):
    schedule = SCHEDULES[name](**parameters)
    assert isinstance(schedule, Schedule)
    np.testing.assert_allclose(schedule(np.array(times), 200), factors, rtol=1e-14)
    for time, factor in zip(times, factors, strict=True):
        assert schedule(time, 200) == pytest.approx(factor, rel=1e-14)


@pytest.mark.parametrize("name", SCHEDULES)
def test_units(name):
    assert SCHEDULES[name]._unit == UNITS[name]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_starts_at_the_initial_rate(name):
    assert SCHEDULES[name]()(0.0, 200) == 1.0


@pytest.mark.parametrize("power_t", [0.25, 0.5, 2.0])
def test_invscaling_is_that_of_sklearn(power_t):
    theirs = SGDOptimizer([np.zeros(1)], 0.3, "invscaling", power_t=power_t)
    for samples in (0, 50, 1000):
        theirs.iteration_ends(samples)
        ours = 0.3 * InvScaling(power_t)(samples, 200)
        assert ours == pytest.approx(theirs.learning_rate, rel=1e-14)


def test_adaptive_is_that_of_sklearn():
    theirs = SGDOptimizer([np.zeros(1)], 0.3, "adaptive")
    rate, schedule = 0.3, Adaptive()
    for _ in range(20):
        ends = theirs.trigger_stopping("", verbose=False)
        factor = schedule.after_plateau(rate)
        assert ends == (factor is None)
        rate *= factor or 1
        assert rate == pytest.approx(theirs.learning_rate, rel=1e-12)
    assert ends


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"adaptive"}))
def test_a_plateau_ends_training(name):
    assert SCHEDULES[name]().after_plateau(0.1) is None


@pytest.mark.parametrize(
    "schedule", [InvScaling(-1.0), Adaptive(0.0), Adaptive(1.0), Adaptive("half")], ids=repr
)
def test_parameters_are_validated(schedule):
    with pytest.raises(InvalidParameterError, match=f"of {type(schedule).__name__} must be"):
        resolve(schedule, SCHEDULES, None)
