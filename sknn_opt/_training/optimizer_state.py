"""What a first-order optimizer carries from step to step, and from call to call."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from .._compiler.memory import aligned_copy, overwrite
from .._network.layout import Layout
from ..optimizers.base import UpdateKernels


@runtime_checkable
class Optimizer(Protocol):
    """What mini-batch training asks of an optimizer."""

    fisher: str | None

    def kernels(self) -> UpdateKernels: ...

    def kernel_parameters(self) -> np.ndarray: ...

    def initial_state(self, layout: Layout, theta: np.ndarray) -> np.ndarray: ...

    def scratch_size(self, layout: Layout) -> int: ...

    def largest_product(self, layout: Layout, rows: int) -> float: ...

    def prediction_parameters(
        self, theta: np.ndarray, state: np.ndarray, layout: Layout
    ) -> np.ndarray: ...

    def training_parameters(
        self, theta: np.ndarray, state: np.ndarray, layout: Layout
    ) -> np.ndarray: ...


@dataclass
class OptimizerState:
    """What a first-order optimizer carries from step to step, and the schedule's clock.

    Attributes
    ----------
    optimizer : str
        The name of its class.
    vectors : ndarray
        What `FirstOrder.initial_state` returns.
    is_trained : ndarray of bool
        Which layers it moves, as `Layout` says.
    seed : int
        Of dropout and of what changes the samples.
    step, epoch, n_batches : int
        Numbers of those that are done; a batch without any weight is not a step.
    average : ndarray or None
        Of the parameters, where there is one: then it predicts,
    trained : ndarray or None
        and training goes on from these.
    rate_factor : float
        What plateaus have made of the learning rate.
    n_growths : int
        How many plateaus have let the batch grow.
    """

    optimizer: str
    vectors: np.ndarray
    is_trained: np.ndarray
    seed: int
    step: int = 0
    epoch: int = 0
    n_batches: int = 0
    average: np.ndarray | None = None
    trained: np.ndarray | None = None
    rate_factor: float = 1.0
    n_growths: int = 0

    @classmethod
    def fresh(cls, optimizer: Optimizer, layout, theta, seed, previous=None):
        """Return the state before the first step from ``theta``.

        If ``previous`` is the state of the same optimizer, which moved other layers, schedules
        go on from there.
        """
        vectors, name = optimizer.initial_state(layout, theta), type(optimizer).__name__
        state = cls(name, vectors, layout.is_trained, seed)
        if previous is not None and previous.optimizer == name:
            state.epoch, state.rate_factor = previous.epoch, previous.rate_factor
            state.n_growths = previous.n_growths
        return state

    @classmethod
    def from_dict(cls, values):
        """Return a state of its own from what `to_dict` returned."""
        arrays = {k: aligned_copy(v) for k, v in values.items() if isinstance(v, np.ndarray)}
        return cls(**{**values, **arrays})

    def to_dict(self):
        """Return it as numbers, strings and arrays, which every format can store."""
        return dict(vars(self))

    def restore(self, values):
        """Take over what `to_dict` returned, in place; ``trained`` is for the trainer."""
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                overwrite(getattr(self, name), value)
            elif name != "trained":
                setattr(self, name, value)

    def fits(self, optimizer, layout, theta):
        """Whether this optimizer can go on from here with parameters like ``theta``."""
        predicting = theta[: layout.n_parameters]
        pairs = [(self.vectors, optimizer.initial_state(layout, predicting))]
        if self.average is not None:
            pairs += [(self.average, predicting), (self.trained, theta)]
        same = self.optimizer == type(optimizer).__name__
        same = same and np.array_equal(self.is_trained, layout.is_trained)
        return same and all(
            mine.shape == other.shape and mine.dtype == other.dtype for mine, other in pairs
        )
