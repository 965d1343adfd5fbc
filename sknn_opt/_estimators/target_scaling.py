"""Targets of about unit size for the network to learn, and its outputs for the user."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from ..losses.base import Loss


@dataclass
class TargetScaling:
    """The scale on which a network with a certain loss learns its targets.

    Attributes
    ----------
    loss : Loss
    mean, scale : ndarray of shape (n_columns,)
        What is subtracted from the targets, and what they are divided by then.
    """

    loss: Loss
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def learnt_from(cls, loss, columns, sample_weight) -> Self:
        """Return the scale of targets in columns."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaler = StandardScaler().fit(columns.astype(np.float64), sample_weight=sample_weight)
        mean, scale = loss.target_scale(scaler.mean_, scaler.scale_)
        if not np.isfinite([mean, scale]).all():
            raise ValueError(
                "scale_targets=True needs the mean and the variance of y, which are too large for "
                "float64. Divide y by a constant."
            )
        return cls(loss, mean, scale)

    def __post_init__(self):
        self.factor, self.shift = self.loss.unscaling(self.mean, self.scale)

    def scaled(self, columns):
        """Return targets in columns as the network learns them."""
        if columns.shape[1] != self.scale.size:
            raise ValueError(
                f"y has {columns.shape[1]} outputs, but those to which it was scaled are "
                f"{self.scale.size}."
            )
        return (columns - self.mean) / self.scale

    def unscaled(self, raw):
        """Return raw outputs from which the link makes predictions on the user's scale."""
        with np.errstate(over="ignore"):
            return (raw * self.factor + self.shift).astype(raw.dtype)

    def folded(self, parameters):
        """Return the parameters, by layer, of the network with these raw outputs."""
        *hidden, last = parameters
        dtype = last["coefs"].dtype
        coefs = last["coefs"] * self.factor
        intercepts = last["intercepts"] * self.factor + self.shift
        return [*hidden, {"coefs": coefs.astype(dtype), "intercepts": intercepts.astype(dtype)}]
