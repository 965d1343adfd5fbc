"""Trains a small network on what a large model predicts."""

from numbers import Real

import numpy as np
from scipy.special import softmax
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d

from .._components import resolve
from .._ensembles.members import encoder_of, network_of
from .._estimators.base import BaseMLP
from ..losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, LogLoss
from ..losses.distillation import Distillation

_TEMPERATURE = 3.0

#: How far the sum of a row's probabilities may be from 1.
_TOLERANCE = 1e-3


def distill(student, teacher, X, y=None, *, temperature=_TEMPERATURE, hard_weight=0.0):
    r"""Train a network on the predictions of another model.

    The probabilities of a teacher say more than the classes do: they also show which of the wrong
    ones are nearly right. A temperature :math:`T` makes that visible. A student that is a
    classifier minimizes, with the cross-entropy :math:`H` and the softmax :math:`\sigma`,

    .. math::

        h \, H(y, \sigma(z)) + (1 - h) \, T^2 \, H(p^T, \sigma(z / T)), \qquad
        p^T_k = p_k^{1/T} \Big/ \sum_j p_j^{1/T}

    where :math:`p` are the probabilities of the teacher, :math:`z` the raw outputs of the student
    and :math:`h` is ``hard_weight``. Its predictions are those of :math:`T = 1`. A student that is
    a regressor learns, by its own loss,

    .. math:: h \, y + (1 - h) \, f(x)

    where :math:`f` is the prediction of the teacher.

    Both see the same rows of ``X``, as raw as the teacher needs them: a committee for tables may be
    distilled into a pipeline of a `~sknn_opt.preprocessing.TabularEncoder` and one network.

    Parameters
    ----------
    student : MLPClassifier, MLPRegressor or Pipeline that ends in one
        It stays as it is; a clone is trained. The loss of a classifier has to be "log_loss".
    teacher : estimator
        Fitted, of any kind. A classifier has to have `predict_proba`.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        Any rows of the kind that the models are for: those that the teacher was trained on, or
        others, whose targets nobody knows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        True targets, which count with the share ``hard_weight``. Steps before the student's network
        are fitted to them, or to the predictions of the teacher if there are none.
    temperature : float, default=3.0
        For classifiers only. 1 leaves probabilities as they are.
    hard_weight : float, default=0.0
        Share of the true targets, from 0 to 1.

    Returns
    -------
    student : estimator
        The fitted clone. ``loss_`` is the loss of distillation.

    Raises
    ------
    TypeError
        If the student is no network, and no pipeline that ends in one.
    ValueError
        If teacher and student do not go together, or true targets are missing.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean. "Distilling the knowledge in a neural network". 2015,
    :arxiv:`1503.02531`.

    C. Bucilă, R. Caruana, A. Niculescu-Mizil. "Model compression". KDD 2006 (a network in place of
    an ensemble).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import ExtraTreesClassifier
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.compression import distill
    >>> X, y = load_digits(return_X_y=True)
    >>> trees = ExtraTreesClassifier(random_state=0).fit(X[:900], y[:900])
    >>> network = MLPClassifier((50,), tol=1e-2, random_state=0)
    >>> student = distill(network, trees, X[:900])
    >>> print(student.score(X[900:], trees.predict(X[900:])) > 0.9)
    True
    """
    _check(student, teacher, X, y, temperature, hard_weight)
    pipeline = clone(student)
    encoder, network = encoder_of(pipeline), network_of(pipeline)
    encoded = X
    if encoder is not None:
        encoded = encoder.fit_transform(X, teacher.predict(X) if y is None else y)
    if is_classifier(student):
        _fit_classes(network, encoded, teacher, X, y, Distillation(temperature, hard_weight))
    else:
        _fit_numbers(network, encoded, teacher.predict(X), y, hard_weight)
    if isinstance(pipeline, Pipeline):
        fitted_steps = [] if encoder is None else encoder.steps
        pipeline.steps = [*fitted_steps, (pipeline.steps[-1][0], network)]
    return pipeline


def _check(student, teacher, X, y, temperature, hard_weight):
    """Raise what is wrong before anything is trained."""
    network = network_of(student)
    if not isinstance(network, BaseMLP):
        raise TypeError(
            "The student has to be an MLPClassifier or MLPRegressor of sknn_opt, or a Pipeline "
            f"that ends in one, got {student!r}."
        )
    if is_classifier(network) != is_classifier(teacher):
        raise ValueError(
            "Teacher and student have to be both classifiers or both regressors, but they are "
            f"{type(teacher).__name__} and {type(network).__name__}."
        )
    for name, value, is_valid in (
        ("temperature", temperature, isinstance(temperature, Real) and 0 < temperature < np.inf),
        ("hard_weight", hard_weight, isinstance(hard_weight, Real) and 0 <= hard_weight <= 1),
    ):
        if not is_valid:
            raise ValueError(f"{name} is out of its range, got {value!r}.")
    check_consistent_length(X, y)
    if hard_weight > 0 and y is None:
        raise ValueError(f"hard_weight={hard_weight} is the share of true targets: pass y.")
    if is_classifier(network):
        _check_classifiers(network, teacher)
    else:
        _check_regressor(network, temperature)


def _check_classifiers(network, teacher):
    loss = resolve(network.loss, CLASSIFIER_LOSSES, network)
    if type(loss) is not LogLoss or loss.label_smoothing:
        raise ValueError(
            "A student minimizes the cross-entropy with the probabilities of its teacher, but it "
            f"has loss={loss!r}. Set it to 'log_loss', without label_smoothing."
        )
    if not hasattr(teacher, "predict_proba"):
        raise ValueError(
            f"The teacher, {type(teacher).__name__}, has no predict_proba. Wrap it in "
            "CalibratedClassifierCV, or give it a loss with probabilities."
        )


def _check_regressor(network, temperature):
    if temperature != _TEMPERATURE:
        raise ValueError(
            f"temperature={temperature} softens probabilities, and regressors have none. Leave it "
            "out."
        )
    loss = resolve(network.loss, REGRESSOR_LOSSES, network)
    if loss.n_outputs(1) != 1:
        raise ValueError(
            f"A student with loss={network.loss!r} learns more of a target than its prediction, "
            "which is all that a teacher shows. Choose another loss, such as 'squared_error'."
        )


def _fit_classes(network, encoded, teacher, X, y, loss):
    """Fit the student's network to softened probabilities and to true classes."""
    softened = softmax(_log_probabilities(teacher, X) / loss.temperature, axis=1)
    certain = softened if y is None else _one_hot(column_or_1d(y), teacher.classes_)
    given = network.loss, network.targets
    network.set_params(loss=loss, targets="probabilities")
    network.fit(encoded, loss.mixed_targets(softened, certain), classes=teacher.classes_)
    network.loss, network.targets = given
    network._fitted_loss = LogLoss()  # its predictions are the same


def _log_probabilities(teacher, X):
    """Return logarithms of the probabilities of a row's classes; raise ValueError for others."""
    with np.errstate(divide="ignore"):
        if hasattr(teacher, "predict_log_proba"):
            logarithms = teacher.predict_log_proba(X)
        else:
            logarithms = np.log(teacher.predict_proba(X))
    is_list = isinstance(logarithms, list)
    if is_list or not np.allclose(np.exp(logarithms).sum(axis=1), 1.0, atol=_TOLERANCE):
        raise ValueError(
            "The teacher's probabilities do not sum to 1 in each row: it predicts several labels "
            "or outputs. Distill a student for each of them."
        )
    return logarithms.astype(np.float64)


def _one_hot(y, classes):
    unknown = np.setdiff1d(y, classes)
    if unknown.size:
        raise ValueError(f"y has classes that the teacher does not know: {unknown}.")
    return np.eye(len(classes))[np.searchsorted(classes, y)]


def _fit_numbers(network, encoded, predicted, y, hard_weight):
    """Fit the student's network to predictions and true numbers."""
    if hard_weight > 0:
        y = np.asarray(y, np.float64).reshape(predicted.shape)
        predicted = hard_weight * y + (1.0 - hard_weight) * predicted
    network.fit(encoded, predicted)
