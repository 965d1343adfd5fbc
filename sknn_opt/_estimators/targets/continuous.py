"""Targets of regression."""

from dataclasses import replace

import numpy as np

from ..._warnings import warn
from ..target_scaling import TargetScaling
from .base import Targets
from .missing import score_known


class NumberTargets(Targets):
    """Numbers, for regression.

    Parameters
    ----------
    scaling : TargetScaling, default=None
        The scale on which the network has learnt them; None where it has learnt none.
    """

    kind = "continuous"

    def __init__(self, scaling=None):
        self._scaling = scaling

    def encode(self, y):
        return y

    encode_held_out = encode

    def with_scale(self, estimator, loss, columns, sample_weight):
        if not estimator.scale_targets:
            return self
        if self._scaling is None:
            return NumberTargets(TargetScaling.learnt_from(loss, columns, sample_weight))
        return NumberTargets(replace(self._scaling, loss=loss))

    def scaled(self, columns):
        return columns if self._scaling is None else self._scaling.scaled(columns)

    def fitted_attributes(self):
        scaling = self._scaling
        mean, scale = (None, None) if scaling is None else (scaling.mean, scaling.scale)
        return {"target_mean_": mean, "target_scale_": scale}

    def n_outputs(self, loss, n_columns):
        return loss.n_outputs(n_columns)

    def output_factors(self):
        return 1.0 if self._scaling is None else self._scaling.factor

    def unscaled_network(self, parameters):
        return parameters if self._scaling is None else self._scaling.folded(parameters)

    def unscaled(self, raw):
        """Return raw outputs from which the link makes predictions on the user's scale."""
        return raw if self._scaling is None else self._scaling.unscaled(raw)

    def predictions(self, form, raw):
        predictions = form.predictions(self.unscaled(raw))
        if form.link is not None or self._scaling is not None:
            _warn_of_overflow(predictions, "predictions")
        return _as_targets(predictions)

    def standard_deviations(self, form, raw):
        """Return those of the targets, for a loss that learns them."""
        deviations = form.standard_deviations(self.unscaled(raw))
        _warn_of_overflow(deviations, "standard deviations")
        return _as_targets(deviations)

    def overflow(self, form, raw):
        return not np.isfinite(form.predictions(self.unscaled(raw))).all()

    def score(self, problem, raw, data):
        predictions = problem.form.predictions(self.unscaled(raw))
        if not np.isfinite(predictions).all():
            return np.nan
        y = np.reshape(data.y, data.targets.shape)
        return score_known(problem.loss.score, y, predictions, data.sample_weight)


def _warn_of_overflow(values, name):
    if not np.isfinite(values).all():
        warn(
            f"Some {name} overflow {values.dtype}. Scale the features (StandardScaler), and look "
            "for samples far from those of training.",
            RuntimeWarning,
        )


def _as_targets(columns):
    """Return a single column as a vector, as targets are given."""
    return columns.ravel() if columns.shape[1] == 1 else columns
