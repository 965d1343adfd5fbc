"""Members along the training of a single network (Huang et al. 2017).

The learning rate goes down to 0 along half a cosine wave, starts over, and goes down again. At
the end of each cycle the network is at rest, mostly in another place than before.
"""

import copy

import numpy as np

from .._estimators.parameters import is_first_order
from ..schedules import CosineRestarts

#: What networks must have left at its default, with the reason why.
_DEFAULTS = {
    "learning_rate": ("constant", "set the learning rate themselves"),
    "early_stopping": (False, "are taken at the ends of cycles"),
    "averaging": (None, "are weights at the ends of cycles, and not averages"),
    "max_time": (None, "need all of their cycles"),
}


def check_snapshots(network, n_snapshots):
    """Raise ValueError for networks of which no snapshots can be taken."""
    if not is_first_order(network):
        raise ValueError(
            "Snapshots need a learning rate, which full-batch optimizers have not. Choose a "
            "first-order one such as 'adam', or set snapshots to None."
        )
    for name, (default, reason) in _DEFAULTS.items():
        value = getattr(network, name)
        if value != default:
            raise ValueError(
                f"Snapshots {reason}: set {name} of the networks to {default!r}, not {value!r}, or "
                "set snapshots to None."
            )
    if network.max_iter < n_snapshots:
        raise ValueError(
            f"{n_snapshots} snapshots need as many epochs at least, and max_iter is "
            f"{network.max_iter}."
        )
    if any(hasattr(one, "saved_state") for one in getattr(network, "_skl_callbacks", ())):
        raise ValueError("Checkpoint keeps no snapshots: leave it out, or set snapshots to None.")


def set_cycles(network, n_snapshots):
    """Make a network train in so many cycles of equal length."""
    period = network.max_iter // n_snapshots
    network.set_params(
        learning_rate=CosineRestarts(period=period, multiplier=1),
        max_iter=period * n_snapshots,
        n_iter_no_change=np.inf,
    )


class SnapshotWatch:
    """Takes the fitted attributes of a network at the ends of its cycles.

    Parameters
    ----------
    stops : callable
        Says whether training is to stop.
    period : int
        Epochs of a cycle.
    """

    def __init__(self, stops, period):
        self._stops = stops
        self._period = period
        self._epoch = 0
        self._taken = []

    def __call__(self, attributes):
        self._epoch += 1
        if self._epoch % self._period == 0:
            self._taken.append(copy.deepcopy(attributes()))
        return self._stops()

    def networks(self, network):
        """Return a network for each snapshot."""
        networks = [copy.copy(network) for _ in self._taken]
        for one, attributes in zip(networks, self._taken, strict=True):
            vars(one).update(attributes)
        return networks
