import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._components import Component, resolve
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.initializers import INITIALIZERS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.optimizers import OPTIMIZERS, SGD, Adam
from sknn_opt.schedules import SCHEDULES, InvScaling

REGISTRIES = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "classifier loss": CLASSIFIER_LOSSES,
    "regressor loss": REGRESSOR_LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}

every_component = pytest.mark.parametrize(
    ("registry", "name"),
    [(registry, name) for registry, content in REGISTRIES.items() for name in content],
)


@every_component
def test_names_are_lower_case_and_stand_for_components(registry, name):
    assert name == name.lower()
    assert issubclass(REGISTRIES[registry][name], Component)


@every_component
def test_a_component_can_be_cloned_copied_and_pickled(registry, name):
    component = REGISTRIES[registry][name]()
    for twin in (
        clone(component),
        copy.deepcopy(component),
        pickle.loads(pickle.dumps(component)),
    ):
        assert type(twin) is type(component)
        assert twin.get_params() == component.get_params()
    assert repr(component) == f"{type(component).__name__}()"


@every_component
def test_every_parameter_is_validated(registry, name):
    component = REGISTRIES[registry][name]()
    assert set(component._parameter_constraints) == set(component.get_params())
    component._validate_params()
    for parameter in component.get_params():
        broken = clone(component).set_params(**{parameter: object()})
        with pytest.raises(InvalidParameterError, match=f"The '{parameter}' parameter"):
            resolve(broken, REGISTRIES[registry], None)


@every_component
def test_kernels_read_parameters_that_exist(registry, name):
    component = REGISTRIES[registry][name]()
    vector = component.kernel_parameters()
    assert vector.dtype == "float64"
    values = [getattr(component, parameter) for parameter in component._kernel_parameters]
    if type(component).kernel_parameters is Component.kernel_parameters:
        np.testing.assert_array_equal(vector, np.array(values, float))
    fixed = {name for name in vars(type(component)) if name.startswith("_")}
    assert set(component._kernel_parameters) <= set(component.get_params()) | fixed


@every_component
def test_keywords_of_the_estimator_are_parameters_of_the_component(registry, name):
    cls = REGISTRIES[registry][name]
    assert set(cls._estimator_keywords) <= set(cls().get_params())
    keywords = {**MLPClassifier().get_params(), **MLPRegressor().get_params()}
    limits = {**MLPClassifier._parameter_constraints, **MLPRegressor._parameter_constraints}
    for keyword in cls._estimator_keywords:
        assert cls().get_params()[keyword] == keywords[keyword]
        # The same limits: the estimator alone validates them.
        ours, estimators = cls._parameter_constraints[keyword], limits[keyword]
        assert list(map(str, ours)) == list(map(str, estimators))


def test_a_name_takes_its_parameters_from_the_estimator():
    estimator = SimpleNamespace(momentum=0.3, nesterovs_momentum=False, power_t=2.0, beta_1=0.1)
    sgd = resolve("sgd", OPTIMIZERS, estimator)
    assert isinstance(sgd, SGD)
    expected = SGD(momentum=0.3, nesterovs_momentum=False)
    assert sgd.get_params() == expected.get_params()
    assert resolve("invscaling", SCHEDULES, estimator).power_t == 2.0


def test_an_instance_keeps_its_own():
    instance = SGD(momentum=0.7)
    estimator = SimpleNamespace(momentum=0.3, nesterovs_momentum=False)
    assert resolve(instance, OPTIMIZERS, estimator) is instance
    assert instance.get_params() == SGD(momentum=0.7).get_params()


@pytest.mark.parametrize("optimizer", [Adam(beta_1=0.5), SGD(nesterovs_momentum=False)], ids=repr)
def test_fit_does_not_change_components(optimizer):
    schedule = InvScaling(power_t=0.1)
    estimator = MLPRegressor(4, optimizer=optimizer, learning_rate=schedule, max_iter=3, tol=10)
    before = [component.__dict__.copy() for component in (optimizer, schedule)]
    estimator.set_params(n_iter_no_change=1).fit(np.eye(6), np.arange(6))
    assert estimator.optimizer is optimizer
    assert estimator.learning_rate is schedule
    assert [vars(component) for component in (optimizer, schedule)] == before


def test_parameters_of_components_are_nested():
    estimator = MLPRegressor(optimizer=SGD(), learning_rate=InvScaling())
    estimator.set_params(optimizer__momentum=0.2, learning_rate__power_t=0.1)
    assert estimator.optimizer.momentum == 0.2
    twin = clone(estimator)
    assert twin.get_params()["optimizer__momentum"] == 0.2
    assert twin.get_params()["learning_rate__power_t"] == 0.1
    assert twin.optimizer is not estimator.optimizer
