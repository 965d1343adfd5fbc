"""Base of everything that a user may pass by name or as an object.

Activations, losses, initializers, optimizers and schedules derive from scikit-learn's
``BaseEstimator``: equality of parameters, ``clone``, ``repr``, pickling and nested
parameters (``optimizer__beta_1``) come with it.
"""

import inspect
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions

from ._documentation_link import DocumentationLinkMixin

# Limits that many parameters share.
FRACTION = [Interval(Real, 0, 1, closed="both")]
DECAY = [Interval(Real, 0, 1, closed="left")]
POSITIVE = [Interval(Real, 0, None, closed="neither")]
NON_NEGATIVE = [Interval(Real, 0, None, closed="left")]
AT_LEAST_ONE = [Interval(Integral, 1, None, closed="left")]
FLOAT_TYPE = [
    StrOptions({"float32", "float64"}),
    Options(object, {np.float32, np.float64, np.dtype(np.float32), np.dtype(np.float64)}),
]


class Component(DocumentationLinkMixin, BaseEstimator):
    """A choice with parameters of its own. Never changed by fit.

    Kernels read the constructor's numbers and flags by name, in the constructor's order.
    """

    #: The estimator's keywords that are this component's parameters when it is chosen by
    #: name. An instance keeps its own.
    _estimator_keywords = ()

    _parameter_constraints = {}

    _kernel_parameters = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        has_constructor = cls.__init__ is not object.__init__
        names = inspect.signature(cls).parameters if has_constructor else ()
        cls._kernel_parameters = tuple(name for name in names if _is_number(cls, name))
        for rule in _rules(cls):
            rule.kernels(cls._kernel_parameters)  # declared, so that all can be listed

    def kernel_parameters(self):
        """Parameters as kernels read them, a float64 vector."""
        return np.array([float(getattr(self, p)) for p in self._kernel_parameters])

    def _identity(self):
        """Return what tells it from others of its class, for the name of a checkpoint."""
        return self.get_params(deep=False)


class Rule:
    """What a component computes, from which kernels are made for its parameters' names."""

    def kernels(self, parameters):
        """Return the kernels, a named tuple, for a class with these parameters."""
        made = vars(self).setdefault("_made", {})
        if parameters not in made:
            made[parameters] = self._make_kernels(parameters)
        return made[parameters]

    def _make_kernels(self, parameters):
        raise NotImplementedError


def _rules(cls):
    """Yield the rules that a class holds or inherits, alone or in a dictionary."""
    attributes = {}
    for base in reversed(cls.__mro__[: cls.__mro__.index(Component)]):
        attributes.update(vars(base))
    for value in attributes.values():
        for one in value.values() if isinstance(value, dict) else [value]:
            if isinstance(one, Rule):
                yield one


def _is_number(cls, name):
    """Whether a parameter is a number or a flag; one without limits is taken for one."""
    limits = cls._parameter_constraints.get(name)
    if limits is None:
        return True
    return None not in limits and any(isinstance(c, Interval) or c == "boolean" for c in limits)


class Registry(dict):
    """Component classes by their canonical names; an alias finds the same class."""

    def __init__(self, classes, aliases=()):
        super().__init__(classes)
        self.aliases = dict(aliases)

    def __missing__(self, name):
        return self[self.aliases[name]]

    @property
    def names(self):
        """All names that are accepted, aliases included."""
        return {*self, *self.aliases}


def resolve(choice, registry, estimator):
    """Return the component that ``choice``, a name out of ``registry`` or an instance, is."""
    if isinstance(choice, str):
        if choice not in registry.names:
            raise ValueError(f"{choice!r} is none of the valid names: {sorted(registry.names)}.")
        cls = registry[choice]
        # The estimator has validated its keywords itself.
        return cls(**{name: getattr(estimator, name) for name in cls._estimator_keywords})
    choice._validate_params()
    return choice
