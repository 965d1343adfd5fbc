import math
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer
from sklearn.utils._param_validation import InvalidParameterError

from sknn_opt import MLPClassifier
from sknn_opt._components import resolve
from sknn_opt.schedules import (
    SCHEDULES,
    Adaptive,
    Cosine,
    CosineRestarts,
    Cyclic,
    Exponential,
    InverseTime,
    InvScaling,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    WarmUp,
)

E, ROOT = math.exp(-1), math.sqrt(0.5)
END = 4e-5  # of one_cycle

#: Parameters, times and the factors at them, for max_iter=200.
VALUES = {
    "constant": [({}, [0, 0.5, 199], [1, 1, 1])],
    "adaptive": [({}, [0, 0.5, 199], [1, 1, 1]), ({"factor": 0.5}, [3], [1])],
    "invscaling": [
        ({}, [0, 3, 99], [1, 1 / 2, 1 / 10]),
        ({"power_t": 1.0}, [0, 3, 99], [1, 1 / 4, 1 / 100]),
        ({"power_t": 0.0}, [0, 3, 99], [1, 1, 1]),
    ],
    "step": [
        ({}, [0, 49.99, 50, 99.99, 100, 200], [1, 1, 0.1, 0.1, 0.01, 1e-4]),
        ({"step_size": 3, "gamma": 0.5}, [2.9, 3, 6, 8.9, 9], [1, 1 / 2, 1 / 4, 1 / 4, 1 / 8]),
    ],
    "exponential": [
        ({}, [0, 50, 100], [1, E, E**2]),
        ({"decay": 0.1}, [0, 5, 10], [1, E**0.5, E]),
    ],
    "inverse_time": [
        ({}, [0, 50, 100], [1, 1 / 2, 1 / 3]),
        ({"decay": 1}, [0, 0.5, 9], [1, 2 / 3, 1 / 10]),
    ],
    "polynomial": [
        ({}, [0, 50, 100, 200], [1, 3 / 4, 1 / 2, 0]),
        ({"power": 2, "end": 0.2}, [0, 50, 100, 200], [1, 0.2 + 0.8 * 9 / 16, 0.4, 0.2]),
    ],
    "cosine": [
        ({}, [0, 50, 100, 200], [1, (1 + ROOT) / 2, 1 / 2, 0]),
        ({"end": 0.2}, [0, 50, 100, 200], [1, 0.6 + 0.4 * ROOT, 0.6, 0.2]),
    ],
    "cosine_restarts": [
        # Cycles start at 0, 10, 30, 70 and 150.
        ({}, [0, 5, 10, 20, 30, 50, 70, 90, 110], [1, 1 / 2] * 3 + [1, (1 + ROOT) / 2, 1 / 2]),
        ({"period": 4, "multiplier": 1}, [0, 1, 2, 4, 6, 8], [1, (1 + ROOT) / 2, *[1 / 2, 1] * 2]),
        (
            {"period": 2, "multiplier": 1.5, "end": 0.2},
            [0, 1, 2, 3.5, 5, 7.25],  # cycles of 2, 3 and 4.5 epochs
            [1, 0.6] * 3,
        ),
    ],
    "cyclic": [
        ({}, [0, 2.5, 5, 7.5, 10, 15, 16], [0.1, 0.55, 1, 0.55, 0.1, 1, 0.82]),
        ({"low": 0.5, "period": 4}, [0, 1, 2, 3.5, 6], [0.5, 0.75, 1, 0.625, 1]),
        (
            {"shape": "cosine"},
            [0, 1.25, 2.5, 5, 7.5, 10],
            [0.1, 0.1 + 0.45 * (1 - ROOT), 0.55, 1, 0.55, 0.1],
        ),
        ({"phase": 0.5}, [0, 2.5, 5, 7.5, 10, 15, 16], [1, 0.55, 0.1, 0.55, 1, 0.1, 0.28]),
        ({"phase": 0.25, "period": 4}, [0, 1, 2, 3, 4], [0.55, 1, 0.55, 0.1, 0.55]),
        (
            {"phase": 0.75, "shape": "cosine"},
            [0, 1.25, 2.5, 7.5, 10],
            [0.55, 0.1 + 0.45 * (1 - ROOT), 0.1, 1, 0.55],
        ),
    ],
    "one_cycle": [
        (
            {},
            [0, 15, 30, 60, 95, 130, 200],
            [
                0.04,
                1 - 0.48 * (1 + ROOT),
                0.52,
                1,
                4e-5 + (1 - 4e-5) * (1 + ROOT) / 2,
                0.50002,
                4e-5,
            ],
        ),
        (
            {"peak_at": 0.5, "start": 0.5, "end": 0.2},
            [0, 50, 100, 150, 200],
            [0.5, 0.75, 1, 0.6, 0.2],
        ),
    ],
}

UNITS = dict.fromkeys(SCHEDULES, "epochs") | {
    "constant": None,
    "invscaling": "samples",
}

#: The factor at the start, where it isn't 1.
STARTS = {"cyclic": 0.1, "one_cycle": 0.04}

#: Where a schedule jumps, over 200 epochs.
JUMPS = {"step": [50, 100, 150, 200], "cosine_restarts": [10, 30, 70, 150]}

COUNTED_IN_EPOCHS = sorted(set(SCHEDULES) - {"invscaling"})


def test_that_every_schedule_is_tested():
    assert set(VALUES) == set(SCHEDULES)


@pytest.mark.parametrize(
    ("name", "parameters", "times", "factors"),
    [(name, *row) for name, rows in VALUES.items() for row in rows],
)
def test_values(name, parameters, times, factors):
    schedule = SCHEDULES[name](**parameters)
    assert isinstance(schedule, Schedule)
    np.testing.assert_allclose(schedule(np.array(times), 200), factors, rtol=1e-14, atol=1e-15)
    for time, factor in zip(times, factors, strict=True):
        assert schedule(time, 200) == pytest.approx(factor, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_units(name):
    assert SCHEDULES[name]._unit == UNITS[name]


@pytest.mark.parametrize("name", SCHEDULES)
def test_where_a_schedule_starts_and_its_bounds(name):
    factors = SCHEDULES[name]()(np.linspace(0, 300, 3001), 200)
    assert factors.dtype == np.float64
    assert factors[0] == pytest.approx(STARTS.get(name, 1.0), rel=1e-14)
    assert (factors >= 0).all()
    assert factors.max() == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("name", COUNTED_IN_EPOCHS)
def test_the_last_value_is_held(name):
    schedule = SCHEDULES[name]()
    last = schedule(200, 200)
    np.testing.assert_array_equal(schedule(np.array([200, 200.5, 1e4]), 200), last)


@pytest.mark.parametrize("name", COUNTED_IN_EPOCHS)
def test_continuity(name):
    times = np.linspace(0, 210, 210_001)
    changes = np.abs(np.diff(SCHEDULES[name]()(times, 200)))
    jumps = times[1:][changes > 5e-4]
    np.testing.assert_allclose(jumps, JUMPS.get(name, []), atol=1e-9)


@pytest.mark.parametrize("period", [0.1, 0.7, 3, 10])
@pytest.mark.parametrize("multiplier", [1, 1.1, 1.5, 2, 3])
def test_restarts_are_where_cycles_add_up(period, multiplier):
    starts = period * np.cumsum(multiplier ** np.arange(12))
    schedule = CosineRestarts(period, multiplier, end=0.5)
    np.testing.assert_allclose(schedule(starts * (1 - 1e-9), np.inf), 0.5, rtol=1e-6)
    np.testing.assert_allclose(schedule(starts * (1 + 1e-9), np.inf), 1, rtol=1e-6)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_restarts_at_whole_epochs_are_exact(multiplier):
    starts = np.cumsum(10 * multiplier ** np.arange(20))
    np.testing.assert_array_equal(CosineRestarts(10, multiplier)(starts, np.inf), 1)


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


A = 1e-3  # where a warm-up starts


@pytest.mark.parametrize(
    ("warmup", "shape", "times", "factors"),
    [
        (10, "linear", [0, 2.5, 5, 10, 11, 300], [A, A + (1 - A) / 4, (1 + A) / 2, 1, 1, 1]),
        (0.1, "linear", [0, 5, 10, 20, 300], [A, A + (1 - A) / 4, (1 + A) / 2, 1, 1]),
        (1.0, "linear", [0, 100, 200, 201], [A, (1 + A) / 2, 1, 1]),
        (1, "linear", [0, 0.5, 1], [A, (1 + A) / 2, 1]),
        (
            10,
            "cosine",
            [0, 2.5, 5, 10, 300],
            [A, A + (1 - A) * (1 - ROOT) / 2, (1 + A) / 2, 1, 1],
        ),
        (5e-324, "cosine", [0, 3], [A, 1]),
        (0, "linear", [0, 3], [1, 1]),
        (0.0, "cosine", [0, 3], [1, 1]),
    ],
)
def test_warm_up(warmup, shape, times, factors):
    warm_up = WarmUp(warmup, shape)
    np.testing.assert_allclose(warm_up(np.array(times), 200), factors, rtol=1e-14)
    for time, factor in zip(times, factors, strict=True):
        assert warm_up(time, 200) == pytest.approx(factor, rel=1e-14)


SMALLEST, LARGEST = 5e-324, np.finfo(float).max


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (InverseTime(LARGEST), [1, 0, 0, 0]),
        (Exponential(LARGEST), [1, 0, 0, 0]),
        (Step(1, SMALLEST), [1, 0, 0, 0]),
        (InvScaling(LARGEST), [1, 0, 0, 0]),
        (Polynomial(LARGEST), [1, 0, 0, 0]),
        (CosineRestarts(1, LARGEST), [1, 1, 1, 1]),
        (CosineRestarts(SMALLEST, 1), [1, 1, 1, 1]),
        (CosineRestarts(LARGEST), [1, 1, 1, 1]),
        (Cyclic(SMALLEST), [0.1, 0.1, 0.1, 0.1]),
        (Cyclic(LARGEST), [0.1, 0.1, 0.1, 0.1]),
        (Cyclic(LARGEST, phase=0.5), [1, 1, 1, 1]),
        (Cyclic(phase=np.nextafter(1, 0)), [0.1, 0.64, 0.1, 0.1]),
        (OneCycle(SMALLEST, end=1), [0.04, 1, 1, 1]),
    ],
    ids=str,
)
def test_parameters_at_their_limits(schedule, factors):
    times = np.array([0, 3, 100, 200])
    np.testing.assert_allclose(schedule(times, 200), factors, atol=1e-300)
    assert np.isfinite(CosineRestarts(SMALLEST, 2)(times, 200)).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("warmup", [0, 5, 0.5])
@pytest.mark.parametrize("name", SCHEDULES)
def test_what_ran(name, warmup, shape):
    X, y = np.random.default_rng(0).normal(size=(2, 40, 1))
    model = MLPClassifier(
        2,
        learning_rate=name,
        learning_rate_init=0.01,
        warmup=warmup,
        warmup_shape=shape,
        batch_size=10,
        max_iter=12,
        tol=0,
        n_iter_no_change=100,
        random_state=0,
    )
    model.fit(X, y.ravel() > 0)
    times = np.arange(12) + 3 / 4  # of the last of each epoch's four batches
    clock = 40 * np.arange(12) if UNITS[name] == "samples" else times
    expected = 0.01 * SCHEDULES[name]()(clock, 12) * WarmUp(warmup, shape)(times, 12)
    np.testing.assert_allclose(model.history_["learning_rate"], expected, rtol=1e-12)


@pytest.mark.parametrize("schedule", [cls() for cls in SCHEDULES.values()] + [WarmUp(0.1)])
def test_copies_are_equal(schedule):
    for copy in (clone(schedule), pickle.loads(pickle.dumps(schedule))):
        assert type(copy) is type(schedule)
        assert copy.get_params() == schedule.get_params()


@pytest.mark.parametrize(
    "schedule",
    [
        InvScaling(-1.0),
        Adaptive(0.0),
        Adaptive(1.0),
        Adaptive("half"),
        Step(step_size=0),
        Step(step_size=2.5),
        Step(gamma=0.0),
        Exponential(decay=-1.0),
        InverseTime(decay=-1.0),
        Polynomial(power=0),
        Polynomial(end=1.1),
        Cosine(end=-0.1),
        CosineRestarts(period=0),
        CosineRestarts(multiplier=0.5),
        CosineRestarts(end=2),
        Cyclic(period=0),
        Cyclic(low=-0.1),
        Cyclic(shape="square"),
        Cyclic(phase=-0.1),
        Cyclic(phase=1.0),
        OneCycle(peak_at=0.0),
        OneCycle(peak_at=1.0),
        OneCycle(start=-1),
        OneCycle(end=2),
        WarmUp(-1),
        WarmUp(1.5),
        WarmUp(shape="square"),
    ],
    ids=repr,
)
def test_parameters_are_validated(schedule):
    with pytest.raises(InvalidParameterError, match=f"of {type(schedule).__name__} must be"):
        resolve(schedule, SCHEDULES, None)


def test_classes_are_named_after_their_schedules():
    for name, cls in SCHEDULES.items():
        assert cls.__name__.lower() == name.replace("_", "")
