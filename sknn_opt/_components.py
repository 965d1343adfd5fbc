"""Base of everything that a user may pass by name or as an object.

Activations, losses, initializers, optimizers and schedules derive from scikit-learn's
``BaseEstimator``: equality of parameters, ``clone``, ``repr``, pickling and nested
parameters (``optimizer__beta_1``) come with it.
"""

import numpy as np
from sklearn.base import BaseEstimator


class Component(BaseEstimator):
    """A choice with parameters of its own. Never changed by fit."""

    #: The constructor's parameters that kernels read, in the order in which they do.
    _kernel_parameters = ()

    #: The estimator's keywords that are this component's parameters when it is chosen by
    #: name. An instance keeps its own.
    _estimator_keywords = ()

    _parameter_constraints = {}

    def kernel_parameters(self):
        """Parameters as kernels read them, a float64 vector."""
        return np.array([float(getattr(self, p)) for p in self._kernel_parameters])


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
