"""Mixup: each row of a mini-batch is mixed with another one, its partner.

All rows of a mini-batch have partners at the same distance, which is drawn anew in each step, and
after the last row comes the first one. A partner may stand in another block of rows: it is read
from the data, like the row itself.
"""

import numpy as np

from .._compiler.declarations import address, inline, int64s, pointers_to, reals, struct
from .random_stream import MIXUP, random_bits, stream_key, symmetric_beta

MIXTURE = struct(
    "mixture",
    a=np.float64,  # of the shares' distribution, Beta(a, a)
    share=np.float64,  # of a row, in this step
    shift=np.int64,  # from a row to its partner
    start=np.int64,  # of the mini-batch, in the order of rows
    rows=np.int64,
    order=np.int64,  # as in the input
    sample_weight=np.int64,  # as in the loss
)

mixtures = pointers_to("mixture")

#: The number of the shift in the stream; those of the share count from 0 on.
_SHIFT = -1


@inline
def draw_mixture(mixture, seed, step, start, rows):
    """Draw how the rows of a step's mini-batch are mixed."""
    key = stream_key(seed, step, MIXUP)
    mixture.start, mixture.rows = start, rows
    mixture.share, mixture.shift = 1.0, 0
    if rows > 1:
        mixture.share = symmetric_beta(key, mixture.a)
        mixture.shift = 1 + np.int64(random_bits(key, _SHIFT)) % (rows - 1)


@inline
def _row(mixture, i):
    return int64s(mixture.order)[i] if mixture.order != 0 else i


@inline
def find_pair(mixture, i):
    """Return the rows of the data that are mixed at place ``i`` of the order of rows.

    Also returns the share of the first one in the target, and the weight of the mixture: its loss
    is to be that of both targets, each with the weight of its sample. A row without weight has no
    part in a mixture.
    """
    place = mixture.start + (i - mixture.start + mixture.shift) % mixture.rows
    row, partner = _row(mixture, i), _row(mixture, place)
    if mixture.sample_weight == 0:
        return row, partner, mixture.share, 1.0
    weights = reals(mixture.sample_weight)
    own = mixture.share * np.float64(weights[row])
    other = (1.0 - mixture.share) * np.float64(weights[partner])
    first = row if own > 0.0 else partner
    second = partner if other > 0.0 else row
    share = own / (own + other) if own + other > 0.0 else 1.0
    return first, second, share, own + other


class Mixture:
    """How the rows of mini-batches are mixed, as kernels read it; drawn anew in each step.

    Parameters
    ----------
    a : float
        Shares have the distribution Beta(a, a).
    order : ndarray of int64 or None
        The rows that mini-batches are made of; may be changed in place. None means all.
    sample_weight : ndarray or None
    """

    def __init__(self, a, order, sample_weight):
        self._struct = np.zeros(1, MIXTURE)
        fields = self._struct[0]
        fields["a"], fields["order"] = a, address(order)
        fields["sample_weight"] = address(sample_weight)
        self._alive = order, sample_weight
        self.address = address(self._struct)
