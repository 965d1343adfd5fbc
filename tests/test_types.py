"""Type hints: they name real types, and what they promise is there."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest

import sknn_opt
from sknn_opt import MLPClassifier
from sknn_opt._estimators.fitting import Fit, Trainer
from sknn_opt._network.layout import Activation, Normalization
from sknn_opt._network.problem import Loss
from sknn_opt._training.full_batch import Minimizer
from sknn_opt._training.mini_batch import Optimizer
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.compile import WITH_EXTRAS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder

PACKAGE = Path(sknn_opt.__file__).parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages(sknn_opt.__path__, "sknn_opt.")
    if not module.name.startswith(WITH_EXTRAS)
]


def protocol_of(cls):
    return Optimizer if issubclass(cls, FirstOrder) else Minimizer


PROMISES = {
    **dict.fromkeys(ACTIVATIONS.values(), Activation),
    **dict.fromkeys(NORMALIZATIONS.values(), Normalization),
    **dict.fromkeys((CLASSIFIER_LOSSES | REGRESSOR_LOSSES).values(), Loss),
    **{cls: protocol_of(cls) for cls in OPTIMIZERS.values()},
}


@pytest.mark.parametrize("cls", PROMISES)
def test_components_keep_the_protocol(cls):
    protocol, component = PROMISES[cls], cls()
    assert isinstance(component, protocol)
    for name, method in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(cls, name)).parameters) == wanted


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs"])
def test_trainers_keep_the_protocol(optimizer):
    X, y = np.eye(4), [0, 1, 0, 1]
    fit = Fit(MLPClassifier((), optimizer=optimizer), X, y, None, (None, None, None), False)
    assert isinstance(fit.trainer(None), Trainer)


def hinted(module):
    """The functions and classes of a module that have annotations."""
    for value in vars(module).values():
        if getattr(value, "__module__", None) == module.__name__ and not inspect.isbuiltin(value):
            if inspect.isclass(value):
                yield value
                yield from (f for f in vars(value).values() if inspect.isfunction(f))
            elif inspect.isfunction(value):
                yield value


@pytest.mark.parametrize("module", MODULES)
def test_hints_resolve(module):
    for value in hinted(importlib.import_module(module)):
        assert object not in get_type_hints(value).values()


def annotations(tree):
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                yield getattr(node, field)


def test_no_hint_says_object():
    found = [
        hint for file in PACKAGE.rglob("*.py") for hint in annotations(ast.parse(file.read_text()))
    ]
    assert len(found) > 60
    assert not [hint for hint in found if "object" in ast.unparse(hint)]


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
