"""Students against networks that are fitted to the same targets by hand."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
    TabularMLPRegressor,
)
from sknn_opt.compression import distill, prune, quantize
from sknn_opt.losses import LogLoss, Quantile
from sknn_opt.preprocessing import TabularEncoder

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

random = np.random.default_rng(0)
N = 60
X = random.normal(size=(N, 4))
CLASSES = np.array(["b", "a", "c"])[(X[:, :3] + random.normal(size=(N, 3))).argmax(axis=1)]
TWO = CLASSES == "a"
NUMBERS = X[:, 0] + 0.1 * random.normal(size=N)
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 5, "batch_size": 20, "random_state": 0}

classes = pytest.mark.parametrize("y", [CLASSES, TWO], ids=["three", "two"])


def softened(teacher, temperature):
    powers = teacher.predict_proba(X) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


# -- classes -----------------------------------------------------------------------------------


@classes
def test_at_temperature_1_the_student_is_fitted_to_the_probabilities(y):
    teacher = LogisticRegression().fit(X, y)
    student = MLPClassifier(**SMALL)
    distilled = distill(student, teacher, X, temperature=1)
    expected = clone(student).fit(X, teacher.predict_proba(X), classes=teacher.classes_)
    assert_allclose(distilled.coefs_[0], expected.coefs_[0], rtol=1e-6, atol=1e-9)
    assert_array_equal(distilled.predict(X), expected.predict(X))
    assert_array_equal(distilled.classes_, teacher.classes_)


@classes
def test_with_true_classes_alone_the_student_learns_as_without_a_teacher(y):
    teacher = LogisticRegression().fit(X, y)
    student = MLPClassifier(**SMALL)
    distilled = distill(student, teacher, X, y, hard_weight=1)
    expected = clone(student).fit(X, y)
    assert_allclose(distilled.predict_proba(X), expected.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize(("temperature", "hard_weight"), [(3.0, 0.0), (2.0, 0.3)])
def test_a_linear_student_minimizes_the_loss_of_the_paper(temperature, hard_weight):
    teacher = RandomForestClassifier(random_state=0).fit(X, CLASSES)
    student = MLPClassifier((), optimizer="lbfgs", alpha=0.5, tol=1e-10, max_iter=1000)
    keywords = {"temperature": temperature, "hard_weight": hard_weight}
    distilled = distill(student, teacher, X, CLASSES, **keywords)
    certain = np.eye(3)[np.searchsorted(teacher.classes_, CLASSES)]

    def objective(theta):
        coefs = theta[:12].reshape(4, 3)
        raw = X @ coefs + theta[12:]
        of_classes = -(certain * log_softmax(raw, axis=1)).sum(axis=1).mean()
        logs = log_softmax(raw / temperature, axis=1)
        of_teacher = -(softened(teacher, temperature) * logs).sum(axis=1).mean()
        penalty = 0.5 * 0.5 * np.sum(coefs**2) / N
        return hard_weight * of_classes + (1 - hard_weight) * temperature**2 * of_teacher + penalty

    best = minimize(objective, np.zeros(15), method="BFGS", options={"gtol": 1e-7})
    assert_allclose(distilled.loss_, best.fun, rtol=1e-6)
    assert_allclose(distilled.coefs_[0], best.x[:12].reshape(4, 3), atol=1e-3)
    expected = softmax(X @ distilled.coefs_[0] + distilled.intercepts_[0], axis=1)
    assert_allclose(distilled.predict_proba(X), expected)


def test_the_result_is_an_ordinary_network():
    teacher = LogisticRegression().fit(X, CLASSES)
    student = MLPClassifier(**SMALL)
    distilled = distill(student, teacher, X)
    assert distilled.get_params() == student.get_params()
    assert not hasattr(student, "coefs_")
    assert type(distilled._fitted_loss) is LogLoss
    again = pickle.loads(pickle.dumps(distilled))
    assert_array_equal(again.predict_proba(X), distilled.predict_proba(X))
    assert distilled.partial_fit(X, CLASSES).score(X, CLASSES) > 0
    assert quantize(prune(distilled, 0.5, X)).predict(X).shape == (N,)


@pytest.mark.parametrize(
    "parameters",
    [{"early_stopping": True, "validation_fraction": 0.3}, {"optimizer": "newton-cg"},
     {"class_weight": "balanced"}, {"dtype": "float32"}, {"loss": LogLoss()}],
    ids=str,
)  # fmt: skip
def test_students_keep_their_parameters(parameters):
    teacher = RandomForestClassifier(10, random_state=0).fit(X, CLASSES)
    distilled = distill(MLPClassifier(**SMALL | parameters), teacher, X)
    assert set(distilled.predict(X)) <= set(CLASSES)
    assert distilled.coefs_[0].dtype == parameters.get("dtype", "float64")


def test_rows_without_labels_teach_what_a_committee_knows():
    digits, label = load_digits(return_X_y=True)
    split = train_test_split(digits / 16, label, test_size=0.5, random_state=0)
    X_train, X_test, y_train, y_test = split
    settings = {"learning_rate_init": 0.005, "max_iter": 30}
    teacher = MLPEnsembleClassifier(MLPClassifier((100,), **settings), 4, random_state=0)
    teacher.fit(X_train, y_train)
    student = MLPClassifier((20,), random_state=0, **settings)
    noise = np.random.default_rng(0).normal(0, 0.1, size=(4, *X_train.shape))
    distilled = distill(student, teacher, (X_train + noise).reshape(-1, 64))
    scratch = clone(student).fit(X_train, y_train)
    losses = [log_loss(y_test, one.predict_proba(X_test)) for one in (distilled, scratch)]
    assert losses[0] < losses[1]
    assert distilled.score(X_test, y_test) > scratch.score(X_test, y_test)


# -- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("hard_weight", [0, 0.25, 1])
@pytest.mark.parametrize("y", [NUMBERS, np.c_[NUMBERS, X[:, 1]]], ids=["one", "several"])
def test_regressors_learn_predictions_and_numbers(y, hard_weight):
    teacher = LinearRegression().fit(X, y)
    student = MLPRegressor(**SMALL, scale_targets=True)
    distilled = distill(student, teacher, X, y, hard_weight=hard_weight)
    mixed = hard_weight * y + (1 - hard_weight) * teacher.predict(X)
    assert_array_equal(distilled.predict(X), clone(student).fit(X, mixed).predict(X))
    assert distilled.get_params() == student.get_params()


@pytest.mark.parametrize("loss", ["huber", "quantile", Quantile(0.9), "absolute_error"], ids=str)
def test_losses_of_regressors(loss):
    teacher = MLPEnsembleRegressor(MLPRegressor(**SMALL), 2, random_state=0).fit(X, NUMBERS)
    student = MLPRegressor(loss=loss, **SMALL)
    expected = clone(student).fit(X, teacher.predict(X))
    assert_array_equal(distill(student, teacher, X).predict(X), expected.predict(X))


# -- pipelines ---------------------------------------------------------------------------------


def test_a_committee_for_raw_tables_becomes_one_pipeline():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    frame["e"] = pandas.Categorical(np.where(X[:, 0] > 0, "high", "low"))
    frame.loc[3, "b"] = np.nan
    pipeline = make_pipeline(TabularEncoder(random_state=0), MLPClassifier(**SMALL))
    teacher = MLPEnsembleClassifier(pipeline, 3, cv=2, random_state=0).fit(frame, CLASSES)
    distilled = distill(pipeline, teacher, frame)
    assert distilled.predict_proba(frame).shape == (N, 3)
    assert_array_equal(distilled.feature_names_in_, frame.columns)
    assert_array_equal(distilled.classes_, teacher.classes_)
    encoded = TabularEncoder(random_state=0).fit_transform(frame, CLASSES)
    expected = distill(MLPClassifier(**SMALL), Shown(teacher, frame), encoded)
    assert_array_equal(distilled.predict_proba(frame), expected.predict_proba(encoded))
    assert not hasattr(pipeline[-1], "coefs_")


class Shown(ClassifierMixin, BaseEstimator):
    """A teacher who has seen another form of the rows."""

    def __init__(self, teacher, rows):
        self.teacher, self.rows = teacher, rows
        self.classes_ = teacher.classes_

    def predict(self, X):
        return self.teacher.predict(self.rows)

    def predict_proba(self, X):
        return self.teacher.predict_proba(self.rows)

    def predict_log_proba(self, X):
        return self.teacher.predict_log_proba(self.rows)


def test_tabular_committees_may_be_distilled_pruned_and_quantized():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "high", "low")})
    pipeline = make_pipeline(TabularEncoder(random_state=0), MLPRegressor(**SMALL))
    members = [("one", pipeline), ("other", pipeline)]
    teacher = TabularMLPRegressor(members, n_folds=2, random_state=0).fit(frame, NUMBERS)
    distilled = distill(pipeline, teacher, frame)
    encoder = clone(pipeline[0])
    encoded = encoder.fit_transform(frame, teacher.predict(frame))
    expected = MLPRegressor(**SMALL).fit(encoded, teacher.predict(frame))
    assert_array_equal(distilled.predict(frame), expected.predict(encoded))
    for smaller in (prune(teacher, 0.5, frame, NUMBERS), quantize(teacher)):
        assert type(smaller) is TabularMLPRegressor
        assert np.corrcoef(smaller.predict(frame), NUMBERS)[0, 1] > 0
        with pytest.raises(ValueError, match="rows that members have not seen"):
            smaller.predict_interval(frame)


@pytest.mark.parametrize("y", [None, TWO], ids=["predicted", "true"])
def test_steps_before_the_network_learn_from_labels(y):
    words = np.array(["x", "y", "z"])[random.integers(3, size=(N, 1))]
    teacher = make_pipeline(TargetEncoder(), LogisticRegression()).fit(words, TWO)
    student = make_pipeline(TargetEncoder(), MLPClassifier(**SMALL))
    distilled = distill(student, teacher, words, y)
    labels = teacher.predict(words) if y is None else y
    if len(np.unique(labels)) == 2:
        expected = TargetEncoder().fit(words, labels)
        assert_array_equal(distilled[0].transform(words), expected.transform(words))
    assert distilled.predict(words).shape == (N,)


def test_pipelines_of_a_network_alone():
    teacher = LogisticRegression().fit(X, CLASSES)
    alone = distill(make_pipeline(MLPClassifier(**SMALL)), teacher, X)
    expected = distill(MLPClassifier(**SMALL), teacher, X)
    assert_array_equal(alone.predict_proba(X), expected.predict_proba(X))


# -- errors ------------------------------------------------------------------------------------

CLASSIFIER, REGRESSOR = MLPClassifier(**SMALL), MLPRegressor(**SMALL)
LOGISTIC = LogisticRegression().fit(X, CLASSES)
LINEAR = LinearRegression().fit(X, NUMBERS)


@pytest.mark.parametrize(
    ("student", "teacher", "keywords", "message"),
    [
        (CLASSIFIER, LINEAR, {}, "both classifiers or both regressors"),
        (REGRESSOR, LOGISTIC, {}, "both classifiers or both regressors"),
        (CLASSIFIER, RidgeClassifier().fit(X, CLASSES), {}, "has no predict_proba"),
        (MLPClassifier(loss="hinge"), LOGISTIC, {}, "Set it to 'log_loss'"),
        (MLPClassifier(label_smoothing=0.1), LOGISTIC, {}, "without label_smoothing"),
        (CLASSIFIER, LOGISTIC, {"temperature": 0}, "temperature is out of its range"),
        (CLASSIFIER, LOGISTIC, {"temperature": "hot"}, "temperature is out of its range"),
        (CLASSIFIER, LOGISTIC, {"hard_weight": 1.5}, "hard_weight is out of its range"),
        (CLASSIFIER, LOGISTIC, {"hard_weight": 0.5}, "pass y"),
        (CLASSIFIER, LOGISTIC, {"y": CLASSES[:5]}, "inconsistent numbers of samples"),
        (CLASSIFIER, LOGISTIC, {"y": np.full(N, "z")}, "the teacher does not know: .'z'"),
        (REGRESSOR, LINEAR, {"temperature": 2}, "regressors have none"),
        (MLPRegressor(loss="gaussian_nll"), LINEAR, {}, "learns more of a target"),
        (MLPRegressor(loss=Quantile([0.1, 0.9])), LINEAR, {}, "learns more of a target"),
    ],
)
def test_what_does_not_go_together(student, teacher, keywords, message):
    with pytest.raises(ValueError, match=message):
        distill(student, teacher, X, **keywords)


def test_several_labels_are_refused():
    teacher = MLPClassifier(**SMALL).fit(X, X > 0)
    with pytest.raises(ValueError, match="Distill a student for each of them"):
        distill(CLASSIFIER, teacher, X)


@pytest.mark.parametrize("student", [LogisticRegression(), make_pipeline(StandardScaler())])
def test_students_are_networks(student):
    with pytest.raises(TypeError, match="has to be an MLPClassifier or MLPRegressor"):
        distill(student, LOGISTIC, X)
