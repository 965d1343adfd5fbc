"""Why a network does not learn."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._estimators.held_out import check_given
from .measurements import measure
from .probe import check_estimator_type, is_fitted
from .remedies import FAULTS
from .skills import measure_skills


@dataclass
class Finding:
    """A fault of a network, and its remedy.

    Attributes
    ----------
    name : str
        "unscaled_inputs", "unscaled_targets", "symmetric_units", "strong_penalty",
        "exploding_gradients", "vanishing_gradients", "dead_units", "saturated_units",
        "high_learning_rate", "low_learning_rate", "underfitting" or "overfitting".
    layers : list of int
        The layers concerned, as indices into ``coefs_``.
    message : str
        What was found.
    remedy : str
        What helps, in words.
    changes : list of dict
        The same as parameters, each of which helps by itself:
        ``estimator.set_params(**finding.changes[0])``. Empty where the data are to be changed.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import diagnose
    >>> X, y = load_wine(return_X_y=True)
    >>> finding = diagnose(MLPClassifier(random_state=0), X, y).findings[0]
    >>> finding.name, finding.layers, finding.changes
    ('unscaled_inputs', [0], [])
    """

    name: str
    layers: list
    message: str
    remedy: str
    changes: list


@dataclass(repr=False)
class Diagnosis:
    """Result of `diagnose`; prints findings and statistics.

    Attributes
    ----------
    findings : list of Finding
        In the order in which to fix them. Empty if no fault was found.
    statistics : dict of ndarray of shape (n_layers,)
        One number for each layer, in the order of ``coefs_``:

        - "units": their number
        - "weights": root mean square
        - "activations": root mean square, over units, of the standard deviation of the
          outputs over samples; for the last layer of the raw outputs
        - "gradients": norm of the derivative of a sample's loss by the layer's products and
          intercepts, root mean square over samples
        - "dead": share of units that pass no gradient on for any sample
        - "saturated": share of outputs at which a bounded activation is flat
        - "update_ratio": mean length of the first steps of training divided by the norm of
          the weights; NaN for full-batch optimizers

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import diagnose
    >>> X, y = load_digits(return_X_y=True)
    >>> diagnosis = diagnose(MLPClassifier((30,), random_state=0), X / 16, y)
    >>> diagnosis.findings
    []
    >>> print(diagnosis.statistics["units"])
    [30 10]
    """

    findings: list
    statistics: dict

    def __repr__(self):
        lines = [f"{len(self.findings) or 'No'} finding{'s' * (len(self.findings) != 1)}"]
        for finding in self.findings:
            lines += [f"- {finding.name}: {finding.message}.", f"  {finding.remedy}"]
        names = list(self.statistics)
        widths = [max(len(name), 7) for name in names]
        lines.append("  ".join(["layer", *map(str.rjust, names, widths)]))
        for i, row in enumerate(zip(*self.statistics.values(), strict=True)):
            cells = ("" if np.isnan(x) else f"{x:.2g}" for x in row)
            lines.append("  ".join([f"{i:5d}", *map(str.rjust, cells, widths)]))
        return "\n".join(lines)


def diagnose(
    estimator,
    X,
    y,
    sample_weight=None,
    *,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    max_samples=1000,
    random_state=0,
):
    """Find out why a network does not learn, and what would help.

    Measures the data, activations, gradients and some steps of training, of the network as it is:
    fitted, or as it would start. Remedies for a fault that is there from the start have been tried
    on the untrained network, and fix it. The others, for faults that arose in training, are what
    usually helps.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Fitted or not. Stays as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The data to train on.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None
    X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
        Data that the network, which has to be fitted, was not trained on. With them
        overfitting and underfitting are found, the latter beside a linear model.
    y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
    sample_weight_val : array-like of shape (n_val,), default=None
    max_samples : int, default=1000
        Layers are measured on no more than this many samples, drawn at random.
    random_state : int, RandomState instance or None, default=0
        Source of that draw.

    Returns
    -------
    diagnosis : Diagnosis
        With ``findings`` and ``statistics``. Prints as a report.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.inspection import diagnose
    >>> X, y = load_digits(return_X_y=True)
    >>> network = MLPClassifier((64,) * 12, activation="logistic", random_state=0)
    >>> finding = diagnose(network, X / 16, y).findings[0]
    >>> finding.name, finding.changes[0]
    ('vanishing_gradients', {'normalization': 'batch'})
    """
    check_estimator_type(estimator)
    check_given(X_val, y_val, sample_weight_val)
    if X_val is not None:
        check_is_fitted(estimator)
    random_state = check_random_state(random_state)

    def measured(estimator):
        return measure(estimator, X, y, sample_weight, max_samples, random_state)

    fresh = clone(estimator)
    start = measured(fresh)
    now = measured(estimator) if is_fitted(estimator) else start
    if X_val is not None:
        validation = X_val, y_val, sample_weight_val
        now.skills = measure_skills(estimator, (X, y, sample_weight), validation)

    findings = []
    for name, (layers, message) in _found(now, start).items():
        changes = _changes(name, fresh, start, now, measured)
        findings.append(Finding(name, layers, message, _remedy(changes, FAULTS[name]), changes))
    statistics = {name: values for name, values in now.layers.items() if name != "distinct"}
    return Diagnosis(findings, statistics)


def _found(measured, start):
    """Return layers and message of each fault that is found, by its name."""
    found = {name: fault.check(measured, start) for name, fault in FAULTS.items()}
    return {name: finding for name, finding in found.items() if finding is not None}


def _changes(name, fresh, start, now, measured):
    """Return changes of parameters that mend a fault; those of the start are tried."""
    fault, at_start = FAULTS[name], _found(start, start)
    if name not in at_start:
        return [group[0] for group in fault.changes_in_training(fresh, start, now)]

    def mends(change):
        """Whether a change takes the fault from the start, and brings no other."""
        try:
            changed = measured(clone(fresh).set_params(**change))
        except ValueError:  # the change does not go with another parameter
            return False
        return _found(changed, changed).keys() <= at_start.keys() - {name}

    groups = fault.changes(fresh, start)
    changes = [next(filter(mends, group), None) for group in groups]
    return [change for change in changes if change]


def _remedy(changes, fault):
    if not changes:
        return fault.advice
    settings = [f"{name}={value!r}" for change in changes for name, value in change.items()]
    *others, last = settings
    return f"Set {', '.join(others)} or {last}." if others else f"Set {last}."
