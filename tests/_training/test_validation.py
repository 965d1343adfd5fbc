"""Validation against scikit-learn's metrics and against splits made by hand."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    accuracy_score,
    get_scorer,
    hinge_loss,
    log_loss,
    make_scorer,
    mean_absolute_error,
    mean_pinball_loss,
    mean_squared_error,
)
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._estimators import fitting
from sknn_opt.losses import Quantile

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

IRIS, SPECIES = load_iris(return_X_y=True)
CANCER, IS_BENIGN = load_breast_cancer(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
#: Estimator, features and targets.
TASKS = {
    "binary": (MLPClassifier, scale(CANCER[:150]), IS_BENIGN[:150]),
    "multiclass": (MLPClassifier, scale(IRIS), np.array(["a", "b", "c"])[SPECIES]),
    "multilabel": (MLPClassifier, scale(IRIS), np.column_stack([SPECIES > 0, SPECIES > 1]) * 1),
    "regression": (MLPRegressor, scale(DIABETES[:150]), scale(PROGRESS[:150])),
    "two targets": (
        MLPRegressor,
        scale(DIABETES[:150]),
        np.column_stack([scale(PROGRESS[:150]), DIABETES[:150, 0]]),
    ),
}
tasks = pytest.mark.parametrize("task", TASKS)
OPTIMIZERS = ["adam", "lbfgs"]
optimizers = pytest.mark.parametrize("optimizer", OPTIMIZERS)
WEIGHT = np.random.RandomState(0).uniform(0.5, 2, size=150)


def make(task, **parameters):
    settings = {"hidden_layer_sizes": (8,), "max_iter": 12, "random_state": 0}
    return TASKS[task][0](**settings | parameters)


def split(task):
    _, X, y = TASKS[task]
    X, X_val, y, y_val, _, weight = train_test_split(X, y, WEIGHT, random_state=1, test_size=0.3)
    return X, y, {"X_val": X_val, "y_val": y_val, "sample_weight_val": weight}


def scored(score, model, held_out):
    return score(
        model, held_out["X_val"], held_out["y_val"], sample_weight=held_out["sample_weight_val"]
    )


@optimizers
@tasks
def test_the_own_score_is_that_of_score(task, optimizer):
    X, y, held_out = split(task)
    model = make(task, optimizer=optimizer).fit(X, y, **held_out)
    expected = scored(type(model).score, model, held_out)
    assert model.history_["validation_score"][-1] == pytest.approx(expected, rel=1e-12)
    assert len(model.history_["validation_score"]) == model.n_iter_


@pytest.mark.parametrize(
    ("task", "scoring"),
    [
        ("binary", "roc_auc"),
        ("multiclass", "neg_log_loss"),
        ("multiclass", "balanced_accuracy"),
        ("multilabel", "f1_macro"),
        ("regression", "neg_mean_absolute_error"),
        ("two targets", "r2"),
    ],
)
@optimizers
def test_scorers_see_the_model_as_it_is(task, scoring, optimizer):
    X, y, held_out = split(task)
    X = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    held_out["X_val"] = pd.DataFrame(held_out["X_val"], columns=X.columns)
    model = make(task, optimizer=optimizer, scoring=scoring).fit(X, y, **held_out)
    expected = scored(get_scorer(scoring), model, held_out)
    assert model.history_["validation_score"][-1] == pytest.approx(expected, rel=1e-12)


def test_scoring_may_be_a_function_or_the_loss():
    X, y, held_out = split("multiclass")
    del held_out["sample_weight_val"]
    seen = []

    def scoring(estimator, X, y):
        seen.append(estimator.predict(X))
        return estimator.coefs_[0].sum()

    model = make("multiclass", scoring=scoring).fit(X, y, **held_out)
    assert len(seen) == model.n_iter_
    np.testing.assert_array_equal(seen[-1], model.predict(held_out["X_val"]))
    assert model.history_["validation_score"][-1] == model.coefs_[0].sum()
    history = make("multiclass", scoring="loss").fit(X, y, **held_out).history_
    np.testing.assert_array_equal(
        history["validation_score"], np.negative(history["validation_loss"])
    )


class _Scorer:
    """A scorer that is an object, and takes weights."""

    def __call__(self, estimator, X, y, sample_weight=None):
        return np.array([estimator.score(X, y, sample_weight)])


@pytest.mark.parametrize("early_stopping", [False, True])
@optimizers
def test_scoring_may_be_an_object(optimizer, early_stopping):
    X, y, held_out = split("multiclass")
    settings = {"optimizer": optimizer, "early_stopping": early_stopping, "random_state": 0}
    given = {} if early_stopping else held_out
    model, plain = (
        make("multiclass", scoring=scoring, **settings).fit(X, y, **given)
        for scoring in (_Scorer(), None)
    )
    assert model.history_["validation_score"] == plain.history_["validation_score"]


@pytest.mark.parametrize(
    ("scoring", "words"),
    [
        (_Scorer, r"_Scorer'> is a class\. Pass an object of it"),
        (object, "'object'> is a class"),
        (lambda *_: {"accuracy": 1.0}, "scoring must return a number, got .*dict"),
        (lambda *_: None, "scoring must return a number, got None"),
        (lambda *_: np.ones(2), "scoring must return a number, got .*ndarray"),
        (lambda *_: "0.5", "scoring must return a number, got 0.5 .*str"),
    ],
    ids=["class", "object", "dict", "None", "array", "text"],
)
@optimizers
def test_scoring_that_gives_no_number(scoring, words, optimizer):
    X, y, held_out = split("multiclass")
    del held_out["sample_weight_val"]
    model = make("multiclass", scoring=scoring, optimizer=optimizer)
    with pytest.raises(ValueError, match=words):
        model.fit(X, y, **held_out)
    assert not hasattr(model, "coefs_")


def _share(y, predictions):
    return np.mean(y == predictions)


def _share_of_the_first(model, X, y):
    return _share(y[:5], model.predict(X[:5]))


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("scoring", [make_scorer(_share), _share_of_the_first])
def test_scorers_that_take_no_weights_get_none(scoring, early_stopping):
    X, y, held_out = split("multiclass")
    weight = np.arange(len(y)) % 3
    model = make("multiclass", scoring=scoring, early_stopping=early_stopping)
    with pytest.warns(UserWarning, match=r"scoring=.* takes no sample_weight: ") as caught:
        model.fit(X, y, weight, **({} if early_stopping else held_out))
    named = [warning.filename for warning in caught if "sample_weight" in str(warning.message)]
    assert named == [__file__]
    if not early_stopping:
        expected = scoring(model, held_out["X_val"], held_out["y_val"])
        assert model.history_["validation_score"][-1] == expected


def _accuracy_by_keywords(y, predictions, **keywords):
    return accuracy_score(y, predictions, **keywords)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_weights_reach_a_metric_that_takes_any_keyword(early_stopping):
    X, y, held_out = split("multiclass")
    weight = np.arange(len(y)) % 3
    ours, expected = (
        make("multiclass", scoring=scoring, early_stopping=early_stopping).fit(
            X, y, weight, **({} if early_stopping else held_out)
        )
        for scoring in (make_scorer(_accuracy_by_keywords), "accuracy")
    )
    assert ours.history_["validation_score"] == expected.history_["validation_score"]


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_predictions_that_overflow_have_no_score(loss):
    X, y, held_out = split("regression")
    held_out["X_val"] = 1e6 * np.abs(held_out["X_val"])
    y, held_out["y_val"] = np.abs(y) + 1, np.abs(held_out["y_val"]) + 1
    for scoring in (None, "r2", "neg_mean_absolute_error"):
        model = make("regression", loss=loss, scoring=scoring, random_state=0).fit(X, y, **held_out)
        assert np.isnan(model.history_["validation_score"]).any()


LOSSES = {
    "log_loss": ("multiclass", lambda m, X, y, w: log_loss(y, m.predict_proba(X), sample_weight=w)),
    "hinge": (
        "multiclass",
        lambda m, X, y, w: hinge_loss(y, m.decision_function(X), sample_weight=w),
    ),
    "squared_error": (
        "regression",
        lambda m, X, y, w: mean_squared_error(y, m.predict(X), sample_weight=w) / 2,
    ),
    "absolute_error": (
        "two targets",
        lambda m, X, y, w: 2 * mean_absolute_error(y, m.predict(X), sample_weight=w),
    ),
    Quantile(0.3): (
        "regression",
        lambda m, X, y, w: mean_pinball_loss(y, m.predict(X), alpha=0.3, sample_weight=w),
    ),
}


@optimizers
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_the_validation_loss_is_the_metric(loss, optimizer):
    task, metric = LOSSES[loss]
    X, y, held_out = split(task)
    model = make(task, loss=loss, alpha=3.0, optimizer=optimizer).fit(X, y, **held_out)
    expected = metric(model, *held_out.values())
    assert model.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-10)


@optimizers
def test_class_weights_are_for_training_only(optimizer):
    X, y, held_out = split("multiclass")
    weight = {"a": 1.0, "b": 7.0, "c": 0.5}
    model = make("multiclass", class_weight=weight, optimizer=optimizer).fit(X, y, **held_out)
    expected = LOSSES["log_loss"][1](model, *held_out.values())
    assert model.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-10)


@optimizers
@tasks
def test_without_early_stopping_a_validation_set_only_monitors(task, optimizer):
    X, y, held_out = split(task)
    alone, monitored = make(task, optimizer=optimizer), make(task, optimizer=optimizer)
    alone.fit(X, y)
    monitored.fit(X, y, **held_out)
    for a, b in zip(alone.coefs_, monitored.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert alone.loss_curve_ == monitored.loss_curve_
    assert monitored.validation_scores_ is monitored.best_validation_score_ is None
    assert monitored.best_loss_ == alone.best_loss_


@optimizers
@tasks
def test_early_stopping_is_a_split_by_hand(task, optimizer):
    """Zeros draw no random numbers, so that the split is the first to do so."""
    _, X, y = TASKS[task]
    classes = y if task in ("binary", "multiclass") else None
    rows, held_out = train_test_split(
        np.arange(len(X)), test_size=0.2, random_state=np.random.RandomState(3), stratify=classes
    )
    settings = {
        "hidden_layer_sizes": (),
        "initializer": "zeros",
        "early_stopping": True,
        "shuffle": False,
        "random_state": 3,
        "optimizer": optimizer,
    }
    automatic = make(task, validation_fraction=0.2, **settings).fit(X, y, WEIGHT)
    by_hand = make(task, **settings).fit(
        X[rows],
        y[rows],
        WEIGHT[rows],
        X_val=X[held_out],
        y_val=y[held_out],
        sample_weight_val=WEIGHT[held_out],
    )
    np.testing.assert_allclose(automatic.coefs_[0], by_hand.coefs_[0], rtol=1e-9, atol=1e-12)
    for name in ("loss", "validation_loss", "validation_score"):
        np.testing.assert_allclose(
            automatic.history_[name], by_hand.history_[name], rtol=1e-9, atol=1e-12
        )


@optimizers
@pytest.mark.parametrize("scoring", [None, "loss", "neg_log_loss"])
def test_the_best_parameters_are_kept(optimizer, scoring):
    X, y, held_out = split("multiclass")
    rng = np.random.RandomState(0)
    y = np.where(rng.uniform(size=len(y)) < 0.4, rng.permutation(y), y)  # to overfit
    parameters = {"hidden_layer_sizes": (50,), "max_iter": 150, "n_iter_no_change": 20}
    model = make(
        "multiclass", optimizer=optimizer, early_stopping=True, scoring=scoring,
        learning_rate_init=0.02, alpha=0, **parameters,
    ).fit(X, y, **held_out)  # fmt: skip
    scores = model.validation_scores_
    assert scores == model.history_["validation_score"]
    assert model.best_validation_score_ == max(scores)
    assert scores.index(max(scores)) < len(scores) - 1
    score = scored(
        get_scorer(scoring or "accuracy") if scoring != "loss" else _minus_loss, model, held_out
    )
    assert score == pytest.approx(max(scores), rel=1e-12)
    assert model.best_loss_ is None


def _minus_loss(model, X, y, sample_weight):
    return -log_loss(y, model.predict_proba(X), sample_weight=sample_weight)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_partial_fit_monitors_and_the_history_has_gaps(task):
    X, y, held_out = split(task)
    classes = {"classes": np.unique(y)} if task == "multiclass" else {}
    model = make(task).partial_fit(X, y, **classes)
    assert "validation_loss" not in model.history_
    model.partial_fit(X, y, **held_out).partial_fit(X, y)
    for name in ("validation_loss", "validation_score"):
        assert np.isfinite(model.history_[name]).tolist() == [False, True, False]
    assert {len(column) for column in model.history_.values()} == {3}
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        model.set_params(early_stopping=True).partial_fit(X, y, **held_out)


@optimizers
def test_a_pipeline_transforms_the_validation_set(optimizer):
    rows, held_out = np.arange(100) + 50, np.arange(50)
    X, y = CANCER[rows], IS_BENIGN[rows]
    validation = {"X_val": CANCER[held_out], "y_val": IS_BENIGN[held_out]}
    settings = {"optimizer": optimizer, "early_stopping": True}
    scaler = StandardScaler().fit(X)
    by_hand = make("binary", **settings).fit(
        scaler.transform(X), y, **{**validation, "X_val": scaler.transform(validation["X_val"])}
    )
    with config_context(enable_metadata_routing=True):
        network = make("binary", **settings).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), network, transform_input=["X_val"])
        pipeline.fit(X, y, **validation)
        assert pipeline[-1].history_["validation_score"] == by_hand.history_["validation_score"]
        np.testing.assert_array_equal(pipeline[-1].coefs_[0], by_hand.coefs_[0])
        pickle.loads(pickle.dumps(pipeline))


def test_searches_pass_the_validation_set_on():
    X, y, held_out = split("multiclass")
    grid = {"early_stopping": [True], "scoring": ["loss", "neg_log_loss", None]}
    search = GridSearchCV(make("multiclass"), grid, cv=2, error_score="raise").fit(X, y, **held_out)
    assert len(search.best_estimator_.validation_scores_) > 0


@pytest.mark.parametrize(
    "convert", [sparse.csr_matrix, sparse.csc_array, np.float32, np.asfortranarray]
)
@optimizers
def test_validation_features_may_be_of_another_kind(convert, optimizer):
    X, y, held_out = split("multiclass")
    expected = make("multiclass", optimizer=optimizer).fit(X, y, **held_out)
    held_out["X_val"] = convert(held_out["X_val"])
    model = make("multiclass", optimizer=optimizer).fit(X, y, **held_out)
    np.testing.assert_allclose(
        model.history_["validation_loss"], expected.history_["validation_loss"], rtol=1e-6
    )


def test_validation_samples_are_scored_in_blocks():
    X, y, held_out = split("multiclass")
    many = {name: np.concatenate([values] * 30) for name, values in held_out.items()}
    few, many = (make("multiclass").fit(X, y, **data).history_ for data in (held_out, many))
    for name in ("validation_loss", "validation_score"):
        np.testing.assert_allclose(few[name], many[name], rtol=1e-12)


BAD = {
    "y_val was not provided": {"y_val": None},
    "X_val was not provided": {"X_val": None},
    "sample_weight_val is provided, but X_val": {"X_val": None, "y_val": None},
    "Input X contains NaN": {"X_val": np.full((45, 4), np.nan)},
    "X has 3 features, but MLPClassifier is expecting 4": {"X_val": np.ones((45, 3))},
    "inconsistent numbers of samples": {"X_val": np.ones((44, 4))},
    "Negative values": {"sample_weight_val": np.full(45, -1.0)},
    "sample_weight_val: .*at least one non-zero": {"sample_weight_val": np.zeros(45)},
    "y_val has classes that y does not have": {"y_val": np.array(["a", "d", "e"] * 15)},
}


@optimizers
@pytest.mark.parametrize("message", BAD)
def test_bad_validation_sets_are_refused(message, optimizer):
    X, y, held_out = split("multiclass")
    model = make("multiclass", optimizer=optimizer)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **{**held_out, **BAD[message]})
    assert not hasattr(model, "coefs_")


def test_validation_targets_need_as_many_outputs():
    X, y, held_out = split("two targets")
    held_out["y_val"] = held_out["y_val"][:, 0]
    with pytest.raises(ValueError, match="y_val has 1 outputs, but y has 2"):
        make("two targets").fit(X, y, **held_out)


@optimizers
def test_scoring_without_anything_to_score_is_refused(optimizer):
    X, y, held_out = split("multiclass")
    model = make("multiclass", optimizer=optimizer, scoring="accuracy")
    with pytest.raises(ValueError, match="scoring='accuracy' has nothing to score"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="scoring"):
        model.set_params(scoring="no such scorer").fit(X, y, **held_out)


def test_the_best_score_so_far_is_that_of_the_same_scoring():
    X, y, held_out = split("multiclass")
    model = make("multiclass", early_stopping=True, warm_start=True).fit(X, y, **held_out)
    first = model.coefs_[0].copy()
    model.set_params(scoring="loss", max_iter=30, learning_rate_init=0.01).fit(X, y, **held_out)
    assert model.best_validation_score_ == max(model.validation_scores_[-30:]) < 0
    assert not np.array_equal(model.coefs_[0], first)


def test_validation_targets_have_to_suit_the_loss():
    _, X, y = TASKS["regression"]
    with pytest.raises(ValueError, match="y"):
        make("regression", loss="poisson").fit(X, np.abs(y), X_val=X, y_val=-np.abs(y))


def test_validation_of_a_single_class():
    X = np.random.RandomState(0).normal(size=(20, 2))
    model = MLPClassifier((3,), max_iter=2, random_state=0).fit(
        X, np.ones(20), X_val=X, y_val=np.ones(20)
    )
    assert model.history_["validation_score"] == [1.0, 1.0]


# -- nothing to score ----------------------------------------------------------------------


@pytest.fixture
def no_training(monkeypatch):
    def begin(*args, **kwargs):
        raise AssertionError("training began")

    monkeypatch.setattr(fitting, "MiniBatchTrainer", begin)
    monkeypatch.setattr(fitting, "FullBatchTrainer", begin)


def _not_a_number(model, X, y):
    return np.nan


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("task", "scoring"),
    [("binary", "roc_auc"), ("multiclass", _not_a_number), ("regression", _not_a_number)],
)
@optimizers
def test_where_no_score_is_a_number_the_last_parameters_are_kept(
    task, scoring, optimizer, warm_start
):
    X, y, held_out = split(task)
    del held_out["sample_weight_val"]
    if scoring == "roc_auc":
        held_out = {name: values[held_out["y_val"] == 0] for name, values in held_out.items()}
    params = {"optimizer": optimizer, "scoring": scoring, "warm_start": warm_start, "tol": 0}
    model = make(task, **params, n_iter_no_change=4)
    if warm_start:
        model.fit(X, y, X_val=X, y_val=y)
    expected = pickle.loads(pickle.dumps(model)).set_params(max_iter=5)
    expected.fit(X, y, **held_out)
    with pytest.warns(ConvergenceWarning, match="no validation score was a number: scoring is not"):
        model.set_params(early_stopping=True).fit(X, y, **held_out)
    assert model.n_iter_ == 5
    assert model.best_validation_score_ is None
    np.testing.assert_array_equal(model.coefs_[0], expected.coefs_[0])


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("scoring", [None, "r2"])
@optimizers
def test_r2_needs_two_samples(optimizer, scoring, early_stopping):
    X, y, held_out = split("regression")
    held_out = {name: values[:1] for name, values in held_out.items()}
    model = make("regression", optimizer=optimizer, scoring=scoring, early_stopping=early_stopping)
    with pytest.raises(ValueError, match=r"^The validation set is too small\..*X_val has 1"):
        model.fit(X, y, **held_out)
    if optimizer == "adam" and not early_stopping:
        with pytest.raises(ValueError, match=r"^The validation set is too small\."):
            model.partial_fit(X, y, **held_out)


@pytest.mark.parametrize(
    "parameters",
    [{"scoring": "loss"}, {"scoring": "neg_mean_absolute_error"}, {"loss": Quantile([0.2, 0.8])}],
    ids=str,
)
def test_other_scores_need_a_single_sample(parameters):
    X, y, held_out = split("regression")
    held_out = {name: values[:1] for name, values in held_out.items()}
    model = make("regression", early_stopping=True, **parameters).fit(X, y, **held_out)
    assert np.isfinite(model.validation_scores_).all()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("scoring", [None, "loss"])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
@optimizers
def test_a_split_holds_out_two_samples(optimizer, task, scoring):
    _, X, y = TASKS[task]
    model = make(task, optimizer=optimizer, scoring=scoring, early_stopping=True)
    with pytest.raises(ValueError, match=r"^The validation set is too small\. Increase 'valid"):
        model.set_params(validation_fraction=0.5 / len(X)).fit(X, y)


@pytest.mark.usefixtures("no_training")
@tasks
@optimizers
def test_held_out_rows_need_weight(optimizer, task):
    """Zeros draw no random numbers, so that the split is the first to do so."""
    _, X, y = TASKS[task]
    settings = {"hidden_layer_sizes": (), "initializer": "zeros", "random_state": 3}
    model = make(task, optimizer=optimizer, early_stopping=True, **settings)
    _, held_out = train_test_split(
        np.arange(len(X)),
        test_size=0.1,
        random_state=np.random.RandomState(3),
        stratify=y if task in ("binary", "multiclass") else None,
    )
    weight = np.ones(len(X))
    weight[held_out] = 0
    with pytest.raises(ValueError, match="held out for validation have no weight"):
        model.fit(X, y, weight)
    with pytest.raises(ValueError, match=r"sample_weight_val.*non-zero"):
        model.fit(X, y, X_val=X, y_val=y, sample_weight_val=np.zeros(len(X)))


@optimizers
@pytest.mark.parametrize(
    "y",
    [
        np.arange(60) == 7,
        np.where(np.arange(60) == 7, 2, np.arange(60) % 2),
        np.arange(60) % 20,
    ],
    ids=["one of two", "one of three", "more than places"],
)
def test_a_class_without_a_place_in_the_split(y, optimizer):
    X = TASKS["multiclass"][1][:60]
    settings = {
        "hidden_layer_sizes": (),
        "initializer": "zeros",
        "early_stopping": True,
        "shuffle": False,
        "random_state": 3,
        "optimizer": optimizer,
    }
    with pytest.warns(UserWarning, match="not stratified: a class has only one sample") as caught:
        automatic = make("multiclass", **settings).fit(X, y)
    assert caught[0].filename == __file__
    rows, held_out = train_test_split(
        np.arange(60), test_size=0.1, random_state=np.random.RandomState(3)
    )
    by_hand = make("multiclass", **settings)
    by_hand.fit(X[rows], y[rows], X_val=X[held_out], y_val=y[held_out])
    np.testing.assert_allclose(automatic.coefs_[0], by_hand.coefs_[0], rtol=1e-9, atol=1e-12)
