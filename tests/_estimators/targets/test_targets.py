"""Probabilities, and several outputs, as targets of the classifier."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score

from sknn_opt import MLPClassifier
from sknn_opt.losses import CLASSIFIER_LOSSES
from sknn_opt.optimizers import OPTIMIZERS, SGD, FirstOrder

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N = 60
_rng = np.random.default_rng(0)
X = _rng.normal(size=(N, 4))
_linear = X @ _rng.normal(size=(4, 3))
CODES = _linear.argmax(axis=1)
#: Probabilities of three classes and of two, and classes of three outputs.
SHARES = {3: softmax(2 * _linear, axis=1)}
SHARES[2] = SHARES[3][:, :2] / SHARES[3][:, :2].sum(axis=1, keepdims=True)
OUTPUTS = np.column_stack([CODES, _linear[:, 0] > 0, (X[:, 0] > 0) * 2 + (X[:, 1] > 0)])
WEIGHT = _rng.uniform(0.1, 2, N)
CORE = ["sgd", "adam", "lbfgs", "newton-cg"]
SOFT_LOSSES = ["log_loss", "squared_error", "focal"]


def make(optimizer="adam", **parameters):
    settings = {"max_iter": 6, "random_state": 0, "tol": 0.0, "alpha": 0.1}
    if issubclass(OPTIMIZERS[optimizer], FirstOrder):
        settings["learning_rate_init"] = 0.05
    return MLPClassifier((5,), optimizer=optimizer, **{**settings, **parameters})


def assert_same(model, other, tolerance=1e-9):
    for mine, others in zip(
        model.coefs_ + model.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        assert_allclose(mine, others, rtol=tolerance, atol=tolerance)
    assert_allclose(model.loss_curve_, other.loss_curve_, rtol=tolerance)
    assert model.validation_scores_ == other.validation_scores_


def _certain(n_classes):
    codes = CODES % n_classes
    return codes, np.eye(n_classes)[codes]


# -- probabilities -----------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("loss", SOFT_LOSSES)
@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_certain_probabilities_are_classes(n_classes, optimizer, loss, early_stopping):
    codes, certain = _certain(n_classes)
    settings = {"loss": loss, "early_stopping": early_stopping, "validation_fraction": 0.3}
    of_classes = make(optimizer, **settings).fit(X, codes, WEIGHT)
    of_shares = make(optimizer, targets="probabilities", **settings).fit(X, certain, WEIGHT)
    assert of_shares.targets_ == "probabilities"
    assert_same(of_shares, of_classes)
    for name in ("n_outputs_", "out_activation_"):
        assert getattr(of_shares, name) == getattr(of_classes, name)
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert_allclose(getattr(of_shares, name)(X), getattr(of_classes, name)(X), rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"class_weight": "balanced"},
        {"class_weight": {0: 0.5, 1: 3.0}},
        {"label_smoothing": 0.2},
        {"dtype": "float32"},
        {"averaging": "ema", "dropout": 0.3},
    ],
    ids=str,
)
def test_certain_probabilities_are_classes_with_other_keywords(settings, n_classes):
    codes, certain = _certain(n_classes)
    of_classes = make(**settings).fit(X, codes, WEIGHT)
    of_shares = make(targets="probabilities", **settings).fit(X, certain, WEIGHT)
    assert_same(of_shares, of_classes, 1e-4 if "dtype" in settings else 1e-9)


@pytest.mark.parametrize(
    "class_weight", [None, {0: 2.0, 1: 0.5}, "balanced"], ids=["unweighted", "dict", "balanced"]
)
@pytest.mark.parametrize("loss", SOFT_LOSSES)
@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_rows_of_each_class_with_these_weights(
    n_classes, optimizer, loss, class_weight
):
    shares = SHARES[n_classes]
    settings = {"loss": loss, "class_weight": class_weight}
    soft = make(optimizer, batch_size=N, **settings).fit(X, shares, WEIGHT)
    rows = np.repeat(np.arange(N), n_classes)
    y, weight = np.tile(np.arange(n_classes), N), (WEIGHT[:, np.newaxis] * shares).ravel()
    if class_weight is not None:
        # What a sample of several classes weighs is expected, for each of them the same.
        totals = WEIGHT @ shares
        by_class = totals.sum() / (n_classes * totals)
        if class_weight != "balanced":
            by_class = np.array([2.0, 0.5, 1.0])[:n_classes]
        weight *= np.repeat(shares @ by_class, n_classes)
        settings.pop("class_weight")
    hard = make(optimizer, batch_size=len(rows), **settings).fit(X[rows], y, weight)
    for mine, others in zip(soft.coefs_, hard.coefs_, strict=True):
        assert_allclose(mine, others, rtol=1e-6, atol=1e-8)
    if loss != "squared_error":  # which is the same up to a constant
        assert soft.loss_ == pytest.approx(hard.loss_, rel=1e-9)


def test_a_linear_network_learns_the_probabilities_themselves():
    truth = softmax(X @ _rng.normal(size=(4, 3)), axis=1)
    model = MLPClassifier((), optimizer="lbfgs", alpha=0, tol=1e-9, max_iter=1000, random_state=0)
    assert_allclose(model.fit(X, truth).predict_proba(X), truth, atol=1e-4)
    entropy = -(truth * np.log(truth)).sum(axis=1).mean()
    assert model.loss_ == pytest.approx(entropy, abs=1e-9)


@pytest.mark.parametrize("names", [["a", "b", "c"], ["low", "mid", "high"], [7, -1, 3]], ids=str)
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_classes_name_the_columns(way, names):
    shares = SHARES[3]
    model = getattr(make(), way)(X, shares, classes=names)
    plain = getattr(make(), way)(X, shares)
    order = np.argsort(names)
    assert_array_equal(model.classes_, np.array(names)[order])
    assert_array_equal(plain.classes_, [0, 1, 2])
    # A column permuted is a unit of the output permuted: that of another initial value.
    permuted = getattr(make(), way)(X, shares[:, order])
    assert_same(model, permuted)
    likeliest = np.array(names)[shares.argmax(axis=1)]
    right = (model.predict(X) == likeliest).mean()
    assert model.score(X, shares) == model.score(X, likeliest) == right
    for named_again in ({}, {"classes": names}):
        getattr(model.set_params(warm_start=True), way)(X, shares, **named_again)
        assert_array_equal(model.classes_, np.sort(names))


def test_training_brings_the_likeliest_class_to_the_top():
    names = np.array(["low", "mid", "high"])
    model = make(max_iter=200, alpha=0).fit(X, SHARES[3], classes=names)
    assert model.score(X, names[SHARES[3].argmax(axis=1)]) > 0.9


@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_probabilities_are_is_kept(n_classes):
    codes, certain = _certain(n_classes)
    shares = SHARES[n_classes]
    held_out = {"X_val": X, "y_val": certain.astype(int)}
    model = make(warm_start=True).fit(X, shares, **held_out)
    assert model.history_["validation_score"][-1] == model.score(X, codes)
    expected = log_loss(codes, model.predict_proba(X))
    assert model.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-9)
    twin = pickle.loads(pickle.dumps(model))
    for again, y in ((model, certain.astype(int)), (twin, codes)):
        again.partial_fit(X, y)
        again.fit(X, y, X_val=X, y_val=codes)
        assert again.targets_ == "probabilities"
    assert_same(model, twin, 1e-12)


def test_a_validation_set_scores_the_likeliest_class():
    shares, weight = SHARES[3], WEIGHT
    for scoring in (None, "accuracy"):
        model = make(early_stopping=True, scoring=scoring, n_iter_no_change=50).fit(
            X, shares, X_val=X, y_val=shares, sample_weight_val=weight
        )
        likeliest = shares.argmax(axis=1)
        expected = np.average(model.predict(X) == likeliest, weights=weight)
        assert model.best_validation_score_ == pytest.approx(expected, rel=1e-12)
        assert model.score(X, shares, weight) == pytest.approx(expected, rel=1e-12)


def test_early_stopping_is_stratified_by_the_likeliest_class():
    shares = SHARES[3]
    soft = make(early_stopping=True, max_iter=1).fit(X, shares)
    hard = make(early_stopping=True, max_iter=1).fit(X, shares.argmax(axis=1))
    assert soft.validation_scores_ == hard.validation_scores_


def test_probabilities_in_searches():
    shares = SHARES[3]
    scores = cross_val_score(make(), X, shares, cv=3)
    assert (scores > 0.3).all()
    search = GridSearchCV(make(), {"targets": ["auto", "probabilities"]}, cv=2).fit(X, shares)
    first, second = search.cv_results_["mean_test_score"]
    assert first == second
    assert search.predict(X).shape == (N,)


@pytest.mark.parametrize("container", [pd.DataFrame, np.ndarray.tolist, np.float32])
def test_probabilities_in_other_containers(container):
    model = make().fit(X, container(SHARES[3]))
    assert model.targets_ == "probabilities"
    tolerance = 1e-5 if container is np.float32 else 1e-12
    assert_same(model, make().fit(X, SHARES[3]), tolerance)
    assert model.score(X, container(SHARES[3])) == model.score(X, SHARES[3])


@pytest.mark.parametrize(
    ("y", "settings", "data", "words"),
    [
        (SHARES[3], {"loss": "hinge"}, {}, "Hinge is not defined for multiclass-probabilities"),
        (SHARES[2], {"loss": "squared_hinge"}, {}, "not defined for binary-probabilities"),
        (SHARES[3], {}, {"classes": ["a", "b"]}, "must name the 3 columns of y"),
        (SHARES[3], {}, {"classes": ["a", "b", "a"]}, "each by another class"),
        (SHARES[3], {}, {"X_val": X, "y_val": SHARES[2]}, "2 columns, but there are 3 classes"),
        (SHARES[3], {}, {"X_val": X, "y_val": CODES + 1}, "y_val has classes that y does not"),
        (SHARES[3], {}, {"X_val": X, "y_val": 2 * SHARES[3]}, "row 0 of y sums to 2"),
        (SHARES[3] * 0.9, {}, {}, "row 0 of y sums to 0.9"),
        (OUTPUTS, {"targets": "probabilities"}, {}, "of y sums to"),
        (CODES, {"targets": "probabilities"}, {}, "needs a y of two columns or more"),
        (SHARES[3], {"scoring": "roc_auc", "early_stopping": True}, {}, "cannot score"),
    ],
    ids=range(11),
)
def test_probabilities_that_are_refused(y, settings, data, words):
    model = make(**settings)
    with pytest.raises(ValueError, match=words):
        model.fit(X, y, **data)
    assert not hasattr(model, "classes_")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model.partial_fit(X, SHARES[2]), "2 columns, but there are 3 classes"),
        (lambda model: model.partial_fit(X, CODES + 1), "`y` has classes not in"),
        (lambda model: model.partial_fit(X, SHARES[3], classes=[0, 2, 1]), "not the same as on"),
        (lambda model: model.fit(X, SHARES[2]), "2 columns, but there are 3 classes"),
        (lambda model: model.fit(X, SHARES[3], classes=[1, 2, 3]), "the same classes as in the"),
        (lambda model: model.score(X, SHARES[3] / 2), "row 0 of y sums to 0.5"),
        (
            lambda model: model.set_params(targets="multilabel").fit(X, SHARES[3]),
            "targets='multilabel', but the network was fitted with targets='probabilities'",
        ),
    ],
    ids=range(7),
)
def test_other_targets_after_probabilities(call, words):
    model = make(warm_start=True).fit(X, SHARES[3])
    before = pickle.dumps(model.coefs_)
    with pytest.raises(ValueError, match=words):
        call(model)
    assert pickle.dumps(model.coefs_) == before


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_leave_a_network_that_scikit_learn_can_hold(n_classes):
    names = ["b", "c", "a"][:n_classes]
    model = make(activation="tanh").fit(X, SHARES[n_classes], classes=names)
    theirs = model.to_sklearn()
    assert_allclose(theirs.predict_proba(X), model.predict_proba(X), rtol=1e-9)
    assert_array_equal(theirs.predict(X), model.predict(X))
    back = MLPClassifier.from_sklearn(theirs)
    assert back.targets_ == "classes"
    assert_array_equal(back.predict(X), model.predict(X))


# -- several outputs ---------------------------------------------------------------------


def _columns(y):
    return [y[:, k] for k in range(y.shape[1])]


@pytest.mark.parametrize("loss", CLASSIFIER_LOSSES)
def test_a_linear_network_of_several_outputs_is_one_for_each(loss):
    # Without a hidden layer the outputs share no parameters. Two classes have two outputs here,
    # where a network of its own has one, so they are left out.
    y = OUTPUTS[:, [0, 2]]
    settings = {"loss": loss, "initializer": "zeros", "optimizer": SGD(momentum=0.0)}
    settings |= {"learning_rate_init": 0.1, "batch_size": N, "max_iter": 30, "tol": 0.0}
    settings |= {"alpha": 0.5, "shuffle": False}
    joint = MLPClassifier((), **settings).fit(X, y, WEIGHT)
    assert joint.targets_ == "multioutput"
    start, losses = 0, 0.0
    for k, column in enumerate(_columns(y)):
        own = MLPClassifier((), **settings).fit(X, column, WEIGHT)
        end = start + len(own.classes_)
        assert_allclose(joint.coefs_[0][:, start:end], own.coefs_[0], rtol=1e-9, atol=1e-12)
        assert_allclose(joint.intercepts_[0][start:end], own.intercepts_[0], rtol=1e-9, atol=1e-12)
        assert_array_equal(joint.classes_[k], own.classes_)
        assert_array_equal(joint.predict(X)[:, k], own.predict(X))
        start, losses = end, losses + np.array(own.loss_curve_)
    assert joint.n_outputs_ == start
    assert_allclose(joint.loss_curve_, losses, rtol=1e-9)


def test_a_linear_network_of_several_outputs_is_logistic_regressions():
    y = OUTPUTS[:, [0, 2]]
    settings = {"optimizer": "lbfgs", "alpha": 2.0, "tol": 1e-9, "max_iter": 2000}
    joint = MLPClassifier((), random_state=0, **settings).fit(X, y)
    for probabilities, column in zip(joint.predict_proba(X), _columns(y), strict=True):
        theirs = LogisticRegression(C=0.5, tol=1e-9, max_iter=1000).fit(X, column)
        assert_allclose(probabilities, theirs.predict_proba(X), atol=1e-5)
    losses = map(log_loss, _columns(y), joint.predict_proba(X))
    penalty = 2.0 * (joint.coefs_[0] ** 2).sum() / (2 * N)
    assert joint.loss_ == pytest.approx(sum(losses) + penalty, rel=1e-10)


def _objects(y):
    return np.column_stack([np.array(list("abc"), object)[y[:, 0]], y[:, 1], y[:, 2]])


VARIANTS = {
    "integers": lambda y: y,
    "list": np.ndarray.tolist,
    "frame": pd.DataFrame,
    "whole floats": lambda y: y.astype(np.float32),
    "strings": lambda y: np.array(list("pqrs"))[y],
    "objects": _objects,
}


@pytest.mark.parametrize("optimizer", CORE)
@pytest.mark.parametrize("variant", VARIANTS)
def test_classes_of_any_type(variant, optimizer):
    y = VARIANTS[variant](OUTPUTS)
    model = make(optimizer, early_stopping=True).fit(X, y)
    plain = make(optimizer, early_stopping=True).fit(X, OUTPUTS)
    assert_same(model, plain, 0)
    predicted, values = model.predict(X), np.asarray(y)
    assert predicted.shape == OUTPUTS.shape
    assert predicted.dtype == values.dtype
    codes = [
        np.searchsorted(c, column) for c, column in zip(model.classes_, predicted.T, strict=True)
    ]
    assert_array_equal(np.column_stack(codes), plain.predict(X))
    assert [list(c) for c in model.classes_] == [sorted(set(column)) for column in values.T]
    assert model.score(X, y) == plain.score(X, OUTPUTS)


@pytest.mark.parametrize("loss", CLASSIFIER_LOSSES)
def test_each_output_has_an_array(loss):
    model = make(loss=loss).fit(X, OUTPUTS)
    raw = np.hstack(model.decision_function(X))
    decisions = model.decision_function(X)
    assert [d.shape for d in decisions] == [(N, 3), (N, 2), (N, 4)]
    for k, decision in enumerate(decisions):
        assert_array_equal(model.classes_[k][decision.argmax(axis=1)], model.predict(X)[:, k])
    assert hasattr(model, "predict_proba") == CLASSIFIER_LOSSES[loss].has_probabilities
    assert model.n_outputs_ == raw.shape[1] == 9
    if not CLASSIFIER_LOSSES[loss].has_probabilities:
        assert model.out_activation_ == "identity"
        return
    assert model.out_activation_ == "softmax"
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    raw = hidden @ model.coefs_[1] + model.intercepts_[1]
    logarithms = [log_softmax(raw[:, i:j], axis=1) for i, j in ((0, 3), (3, 5), (5, 9))]
    for found in (decisions, model.predict_log_proba(X), map(np.log, model.predict_proba(X))):
        for one, expected in zip(found, logarithms, strict=True):
            assert_allclose(one, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
def test_a_sample_is_right_where_all_of_its_outputs_are(weight):
    model = make(max_iter=50, n_iter_no_change=50, early_stopping=True)
    model.fit(X, OUTPUTS, X_val=X, y_val=OUTPUTS, sample_weight_val=weight)
    right = (model.predict(X) == OUTPUTS).all(axis=1)
    expected = np.average(right, weights=weight)
    assert 0.2 < expected < 1
    assert model.score(X, OUTPUTS, weight) == pytest.approx(expected, rel=1e-12)
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-12)
    assert model.score(X, OUTPUTS, 2.0) == model.score(X, OUTPUTS) == right.mean()
    with pytest.raises(ValueError, match=r"sample_weight\.shape"):
        model.score(X, OUTPUTS, WEIGHT[1:])


@pytest.mark.parametrize("optimizer", CORE)
def test_weights_of_the_classes_of_outputs_are_multiplied(optimizer):
    class_weight = [{0: 0.5, 2: 3.0}, {0: 1.0, 1: 2.0}, {}]
    factor = np.array([0.5, 1, 3])[OUTPUTS[:, 0]] * np.array([1, 2])[OUTPUTS[:, 1]]
    weighted = make(optimizer, class_weight=class_weight).fit(X, OUTPUTS, WEIGHT)
    assert_same(weighted, make(optimizer).fit(X, OUTPUTS, factor * WEIGHT), 1e-12)
    factor = np.ones(N)
    for column in OUTPUTS.T:
        totals = np.bincount(column, WEIGHT)
        factor *= (totals.sum() / (len(totals) * totals))[column]
    balanced = make(optimizer, class_weight="balanced").fit(X, OUTPUTS, WEIGHT)
    assert_same(balanced, make(optimizer).fit(X, OUTPUTS, factor * WEIGHT), 1e-12)


def test_weights_of_classes_that_a_batch_lacks():
    classes = [[0, 1, 2], [0, 1], range(4)]
    class_weight = [{2: 3.0}, {1: 2.0}, {3: 0.5}]
    rows = (OUTPUTS[:, 0] != 2) & (OUTPUTS[:, 2] != 3)
    y = OUTPUTS[rows]
    weighted = make(class_weight=class_weight).partial_fit(X[rows], y, classes=classes)
    factor = np.where(y[:, 1], 2.0, 1.0)
    assert_same(weighted, make().partial_fit(X[rows], y, factor, classes=classes), 1e-12)


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ({0: 1.0}, "class_weight should be a list of dicts"),
        ([{0: 1.0}], "1 element.*3 outputs"),
        ([{9: 1.0}, {}, {}], "not in class_weight"),
        ([{0: -1.0}, {}, {}], "non-negative numbers"),
    ],
    ids=range(4),
)
def test_weights_of_classes_that_are_refused(class_weight, words):
    with pytest.raises(ValueError, match=words):
        make(class_weight=class_weight).fit(X, OUTPUTS)


def test_what_several_outputs_are_is_kept():
    rows = (OUTPUTS < 2).all(axis=1)
    y = OUTPUTS[rows]  # of 0 and 1 only
    model = make(warm_start=True).fit(X, OUTPUTS, X_val=X[rows], y_val=y)
    assert model.history_["validation_score"][-1] == model.score(X[rows], y)
    classes = [c.tolist() for c in model.classes_]
    model.partial_fit(X[rows], y, classes=classes)
    model.fit(X, OUTPUTS, classes=classes)
    assert [c.tolist() for c in model.classes_] == classes
    first = make(targets="multioutput").partial_fit(X[rows], y, classes=classes)
    first.partial_fit(X, OUTPUTS)
    assert first.n_outputs_ == 9
    named = make(targets="multioutput").fit(X[rows], y, classes=classes)
    assert named.n_outputs_ == 9
    assert make(targets="multioutput").fit(X[rows], y).n_outputs_ == 6


def test_an_output_of_one_class_teaches_nothing():
    y = np.column_stack([np.full(N, 7), OUTPUTS[:, 0]])
    for loss in CLASSIFIER_LOSSES:
        for optimizer in ("adam", "lbfgs") if loss == "hinge" else ("adam", "newton-cg"):
            model = make(optimizer, loss=loss, alpha=0).fit(X, y)
            assert (model.predict(X)[:, 0] == 7).all()
            if hasattr(model, "predict_proba"):
                assert_array_equal(model.predict_proba(X)[0], np.ones((N, 1)))


@pytest.mark.parametrize(
    ("y", "settings", "data", "words"),
    [
        (OUTPUTS + 0.5, {"targets": "multioutput"}, {}, "label type: continuous-multioutput"),
        (CODES, {"targets": "multioutput"}, {}, "needs a y of two columns or more"),
        (OUTPUTS, {}, {"classes": [0, 1, 2, 3]}, "a list with the classes of each output"),
        (OUTPUTS, {}, {"classes": [[0, 1, 2], [0, 1]]}, "3 output.*, but there are classes of 2"),
        (OUTPUTS, {}, {"classes": [[0, 1], [0, 1], range(4)]}, "`y` has classes not in"),
        (OUTPUTS, {}, {"X_val": X, "y_val": OUTPUTS + 1}, "y_val has classes that y does not"),
        (OUTPUTS, {}, {"X_val": X, "y_val": OUTPUTS[:, :2]}, "2 output.*classes of 3"),
        (OUTPUTS, {"scoring": "accuracy", "early_stopping": True}, {}, "cannot score"),
        (_objects(OUTPUTS)[:, ::-1], {}, {"classes": [[0], [1], [None]]}, "contains None"),
    ],
    ids=range(9),
)
def test_several_outputs_that_are_refused(y, settings, data, words):
    model = make(**settings)
    with pytest.raises(ValueError, match=words):
        model.fit(X, y, **data)
    assert not hasattr(model, "classes_")


def test_several_outputs_that_are_sparse():
    for targets in ("auto", "multioutput"):
        with pytest.raises(TypeError, match="Sparse data was passed for y"):
            make(targets=targets).fit(X, sparse.csr_array(OUTPUTS))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model.partial_fit(X, OUTPUTS[:, :2]), "2 output.*classes of 3"),
        (lambda model: model.partial_fit(X, CODES), "1 output.*classes of 3"),
        (lambda model: model.partial_fit(X, OUTPUTS + 1), "`y` has classes not in"),
        (lambda model: model.partial_fit(X, OUTPUTS, classes=[[0, 1]] * 3), "not the same as on"),
        (lambda model: model.fit(X, OUTPUTS % 2), "the same classes as in the previous"),
        (lambda model: model.score(X, OUTPUTS[:, :2]), "2 output.*classes of 3"),
        (lambda model: model.to_sklearn(), "lacks several outputs of several classes"),
        (
            lambda model: model.set_params(targets="multilabel").fit(X, OUTPUTS),
            "targets='multilabel', but the network was fitted with targets='multioutput'",
        ),
    ],
    ids=range(8),
)
def test_other_targets_after_several_outputs(call, words):
    model = make(warm_start=True).fit(X, OUTPUTS)
    with pytest.raises(ValueError, match=words):
        call(model)


def test_the_first_call_of_partial_fit_needs_all_classes():
    words = "classes must be passed on the first call to partial_fit"
    for y in (CODES, OUTPUTS, OUTPUTS % 2):
        with pytest.raises(ValueError, match=words):
            make().partial_fit(X, y)


@pytest.mark.parametrize("y", [SHARES[2], SHARES[3], OUTPUTS], ids=["two", "three", "outputs"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pickles_and_sparse_features(dtype, y):
    model = make(dtype=dtype).fit(sparse.csr_array(X), y)
    loaded = pickle.loads(pickle.dumps(model))
    for name in ("predict", "predict_proba", "decision_function"):
        ours, others = getattr(model, name)(X), getattr(loaded, name)(X)
        pairs = zip(ours, others, strict=True) if isinstance(ours, list) else [(ours, others)]
        for mine, theirs in pairs:
            assert_array_equal(mine, theirs)
            assert name == "predict" or mine.dtype == dtype
    assert_same(loaded.partial_fit(X, y), model.partial_fit(X, y), 0)
    assert not hasattr(clone(model), "targets_")


# -- several labels ----------------------------------------------------------------------


def test_labels_that_are_counts():
    counts = np.maximum(np.round(_linear), 0)
    assert len(np.unique(counts)) > 2
    model = make(targets="multilabel", warm_start=True).fit(X, counts, X_val=X, y_val=counts)
    assert model.targets_ == "multilabel"
    plain = make().fit(X, (counts > 0).astype(int))
    assert_same(model, plain, 0)
    assert model.score(X, counts) == model.history_["validation_score"][-1]
    assert plain.partial_fit(X, counts).targets_ == "multilabel"
    assert model.partial_fit(X, counts).score(X, counts) == plain.score(X, counts)
