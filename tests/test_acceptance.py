"""What becomes of each keyword where it meets the ways in which a network is used.

`TABLE` says it: for each class and keyword one row or more, for each row a cell in each of
`COLUMNS`. A cell is `WORKS`, `INERT`, or what the ValueError says that answers it. A keyword that
has no row fails. `COMMITTEES` and `WAYS` are the same for the classes of committees.
"""

import inspect
import io
import pickle
import re
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import (
    GrowingBatch,
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
)
from sknn_opt._training.full_batch import FullBatchTrainer
from sknn_opt._training.mini_batch import MiniBatchTrainer
from sknn_opt.averaging import EMA
from sknn_opt.initializers import FromEstimator
from sknn_opt.normalizations import BatchNorm, LayerNorm

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N = 24
random = np.random.default_rng(0)
X = random.normal(size=(N, 3)) * (random.random((N, 3)) < 0.8)
LINEAR = X @ random.normal(size=(3, 3))
CLASSES = np.r_[np.zeros(12, int), np.arange(12) % 2 + 1]
SHARES = np.exp(LINEAR) / np.exp(LINEAR).sum(axis=1, keepdims=True)
#: Targets of one kind; of several labels or outputs a sample; and others that only one class has,
#: each under the name of its column.
TARGETS = {
    MLPClassifier: {
        "one": CLASSES,
        "multilabel": (LINEAR > 0).astype(int),
        "probabilities": SHARES,
        "multioutput": np.column_stack([CLASSES, CLASSES % 2, np.arange(N) % 3]),
    },
    MLPRegressor: {
        "one": LINEAR[:, 0],
        "multilabel": LINEAR,
        "missing": np.where(np.arange(3 * N).reshape(N, 3) % 5, LINEAR, np.nan),
    },
}
BASE = {
    "hidden_layer_sizes": (3,),
    "batch_size": 8,
    "max_iter": 6,
    "random_state": 0,
    "tol": 0.0,
}

#: The columns, each with the keywords that make it.
COLUMNS = {
    "full_batch": {"optimizer": "lbfgs"},
    "csr": {},
    "batch_norm": {"normalization": "batch"},
    "layer_norm": {"normalization": "layer"},
    "partial_fit": {},
    "warm_start": {"warm_start": True},
    "averaging": {"averaging": "ema"},
    "clone_and_pickle": {},
    "to_sklearn": {},
    "multilabel": {},
    "probabilities": {},
    "multioutput": {},
    "missing": {"missing_targets": "ignore"},
}
_OF_ONE_CLASS = {
    "probabilities": MLPClassifier,
    "multioutput": MLPClassifier,
    "missing": MLPRegressor,
}

WORKS, INERT = "works", "inert"


@dataclass
class Cell:
    """A value of a keyword that is not its default, among other keywords, and what it does."""

    value: object
    says: str = WORKS
    given: dict = field(default_factory=dict)


def row(value, *, given=None, default=WORKS, columns=COLUMNS, **cells):
    """A cell for each column: the same ``value``, among the keywords ``given``, in each.

    A text in ``cells`` is what this value does there, in place of the ``default``; a `Cell`
    stands for itself.
    """
    cells = {column: cells.pop(column, default) for column in columns} | cells
    assert cells.keys() == columns.keys()
    return {
        column: cell if isinstance(cell, Cell) else Cell(value, cell, given or {})
        for column, cell in cells.items()
    }


def from_estimator(normalization):
    """The start from a network with layers of the same shapes as here."""
    fitted = MLPRegressor((3,), normalization=normalization, batch_size=8, tol=1.0, random_state=1)
    return FromEstimator(fitted.fit(X, LINEAR))


NOT_FULL_BATCH = "does not apply to full-batch optimizers"
NEEDS_BATCHES = "needs mini-batches"
ONE_COLUMN = "needs a y of two columns or more"
NO_SHARES = "of y sums to"
SGD = {"optimizer": "sgd"}
EARLY = {"early_stopping": True}

SHARED = {
    "hidden_layer_sizes": [row((4,)), row((3, 2)), row(())],
    "activation": [row("tanh"), row("gelu", to_sklearn="lacks the activation GELU")],
    "optimizer": [
        row("sgd", full_batch=Cell("cg")),
        row("soap", full_batch=Cell("trust-ncg")),
        row("kfac", full_batch=Cell("bfgs")),
        row("schedule_free", full_batch=Cell("bfgs"), averaging="averages its iterates itself"),
        row(
            "rprop",
            given={"batch_size": "auto"},
            full_batch=Cell("newton-cg"),
            batch_norm=NEEDS_BATCHES,
        ),
    ],
    "solver": [row("sgd", full_batch="contradict each other")],
    "initializer": [
        row("he_normal"),
        row(
            from_estimator(None),
            batch_norm=Cell(from_estimator("batch")),
            layer_norm=Cell(from_estimator("layer")),
        ),
    ],
    "trainable": [
        row([True, False]),
        row([0.1, 2.0], full_batch="has factors of the learning rate"),
    ],
    "alpha": [row(0.5)],
    "l1_ratio": [row(0.5, given={"alpha": 0.1})],
    "dropout": [row(0.3, full_batch=NOT_FULL_BATCH), row([0.3], full_batch=NOT_FULL_BATCH)],
    "input_dropout": [row(0.3, full_batch=NOT_FULL_BATCH)],
    "input_noise": [
        row(0.3, full_batch=NOT_FULL_BATCH, csr="does not apply to sparse features"),
    ],
    "mixup": [
        row(
            0.4,
            full_batch=NOT_FULL_BATCH,
            csr="does not apply to sparse features",
            multioutput="of multiclass-multioutput targets, which is not that of a mixture",
        ),
    ],
    "max_norm": [row(0.5, full_batch=NOT_FULL_BATCH)],
    "normalization": [
        row(
            "layer",
            batch_norm=Cell(BatchNorm(momentum=0.5)),
            layer_norm=Cell(LayerNorm(epsilon=0.1)),
            to_sklearn="lacks the normalization LayerNorm",
        ),
        row(
            ["batch"],
            full_batch=NEEDS_BATCHES,
            batch_norm=INERT,
        ),
    ],
    "residual": [row(True, to_sklearn="lacks residual connections")],
    "clip_norm": [row(0.01, full_batch=NOT_FULL_BATCH)],
    "clip_value": [row(0.01, full_batch=NOT_FULL_BATCH)],
    "batch_size": [
        row(5, full_batch=INERT),
        row("full", full_batch=INERT, batch_norm=NEEDS_BATCHES),
        row(GrowingBatch(4), full_batch=NOT_FULL_BATCH),
        row(
            GrowingBatch(4, every="plateau"),
            given={"tol": 10.0, "n_iter_no_change": 1},
            full_batch=NOT_FULL_BATCH,
        ),
    ],
    "learning_rate": [
        row("invscaling", given=SGD, full_batch=INERT),
        row("cosine", full_batch=NOT_FULL_BATCH),
    ],
    "learning_rate_init": [row(0.01, full_batch=INERT)],
    "warmup": [row(2, full_batch=NOT_FULL_BATCH)],
    "warmup_shape": [row("cosine", given={"warmup": 2}, full_batch=Cell("cosine", INERT))],
    "power_t": [row(0.2, given={"learning_rate": "invscaling", **SGD}, full_batch=INERT)],
    "max_iter": [row(2, partial_fit=INERT)],
    "shuffle": [row(False, full_batch=INERT)],
    "random_state": [row(1)],
    "tol": [row(10.0, given={"n_iter_no_change": 1}, partial_fit=INERT)],
    "verbose": [row(True)],
    "warm_start": [row(True, default=INERT, warm_start=Cell(False))],
    "momentum": [row(0.5, given=SGD, full_batch=INERT)],
    "nesterovs_momentum": [row(False, given=SGD, full_batch=INERT)],
    "early_stopping": [row(True, partial_fit="partial_fit does not support early_stopping")],
    "validation_fraction": [row(0.4, given=EARLY, partial_fit=Cell(0.4, INERT))],
    "scoring": [
        row("loss", given=EARLY, partial_fit=Cell("loss", "scoring='loss' has nothing to score")),
    ],
    "averaging": [
        row("ema", full_batch=NOT_FULL_BATCH, averaging=Cell(EMA(decay=0.5))),
        row("swa", full_batch=NOT_FULL_BATCH, partial_fit="does not support averaging='swa'"),
    ],
    "beta_1": [row(0.5, full_batch=INERT)],
    "beta_2": [row(0.9, full_batch=INERT)],
    "epsilon": [row(0.1, full_batch=INERT)],
    "n_iter_no_change": [
        row(1, given={"tol": 10.0}, full_batch=INERT, partial_fit=INERT),
        row(
            1,
            given={"tol": 10.0, **EARLY},
            full_batch=Cell(1, given={"max_iter": 40, **EARLY}),
            partial_fit=Cell(1, INERT),
        ),
    ],
    "max_fun": [row(2, default=INERT, full_batch=WORKS)],
    "max_time": [row(1e-9, given={"batch_size": 2})],
    "n_jobs": [row(2, default=INERT, full_batch=INERT)],
    "dtype": [row("float32")],
}
TABLE = {
    MLPClassifier: {
        **SHARED,
        "loss": [row("focal", to_sklearn="lacks the loss Focal")],
        "label_smoothing": [row(0.2)],
        "class_weight": [
            row(
                {0: 3.0, 1: 1.0, 2: 0.5},
                multilabel=Cell([{0: 1.0, 1: 3.0}] * 3),
                multioutput=Cell([{0: 3.0}, {1: 2.0}, {}]),
            ),
            row("balanced", partial_fit="'balanced' is not supported for partial_fit"),
        ],
        "targets": [
            row(
                "multilabel",
                default=ONE_COLUMN,
                multilabel=INERT,
                probabilities="fractions",
                multioutput=WORKS,
            ),
            row(
                "multioutput",
                default=ONE_COLUMN,
                multilabel=WORKS,
                probabilities="continuous-multioutput",
                multioutput=INERT,
            ),
            row(
                "probabilities",
                default=ONE_COLUMN,
                multilabel=NO_SHARES,
                probabilities=INERT,
                multioutput=NO_SHARES,
            ),
        ],
    },
    MLPRegressor: {
        **SHARED,
        "loss": [
            row("huber", to_sklearn="lacks the loss Huber"),
            row("gaussian_nll", to_sklearn="lacks the loss GaussianNLL"),
        ],
        "scale_targets": [row(True)],
        "missing_targets": [
            row("ignore", default=INERT, missing=Cell("error", "Input y contains NaN")),
        ],
    },
}

CELLS = {
    f"{cls.__name__}-{keyword}-{i}-{column}": (cls, keyword, column, one[column])
    for cls, rows in TABLE.items()
    for keyword, variants in rows.items()
    for i, one in enumerate(variants)
    for column in COLUMNS
    if _OF_ONE_CLASS.get(column, cls) is cls
}


@pytest.mark.parametrize("cls", TABLE)
def test_every_keyword_has_a_row(cls):
    assert TABLE[cls].keys() == set(inspect.signature(cls).parameters)


class Run:
    """A model that was used as its column says, and what can be seen of that.

    Attributes
    ----------
    model : estimator
    seen : list of array or str
        Whatever a keyword may have an effect on.
    """

    def __init__(self, cls, column, parameters):
        self.column = column
        self.X = sparse.csr_array(X) if column == "csr" else X
        self.y = TARGETS[cls].get(column, TARGETS[cls]["one"])
        self.model = cls(**parameters)
        printed = io.StringIO()
        with redirect_stdout(printed):
            self._train()
        parameters = ("coefs_", "intercepts_", "normalization_scales_", "running_means_")
        arrays = [array for name in parameters for array in getattr(self.model, name)]
        scores = self.model.validation_scores_ or []
        self.seen = [*arrays, np.array([*self.model.loss_curve_, *scores]), printed.getvalue()]

    def _train(self):
        if self.column == "partial_fit":
            classes = {"classes": [0, 1, 2]} if isinstance(self.model, MLPClassifier) else {}
            self.model.partial_fit(self.X, self.y, **classes).partial_fit(self.X, self.y)
            return
        self.model.fit(self.X, self.y)
        if self.column == "warm_start":
            self.n_iter_before = self.model.n_iter_
            self.model.fit(self.X, self.y)

    def equals(self, other):
        return len(self.seen) == len(other.seen) and all(
            np.array_equal(mine, its) and getattr(mine, "dtype", 0) == getattr(its, "dtype", 0)
            for mine, its in zip(self.seen, other.seen, strict=True)
        )

    @property
    def predictions(self):
        predict = getattr(self.model, "predict_proba", self.model.predict)
        return predict(self.X)


_runs = cache(lambda key: Run(*pickle.loads(key)))


def run(cls, column, **parameters):
    """Return the `Run` of these parameters, the same one for the same ones."""
    return _runs(pickle.dumps((cls, column, {**BASE, **parameters})))


def check_csr(here, parameters):
    dense = run(type(here.model), "dense", **parameters)
    tolerance = 1e-9 if here.seen[0].dtype == np.float64 else 1e-4
    assert_allclose(here.predictions, dense.predictions, tolerance, tolerance)


def check_normalization(here, parameters):
    start, scales = 1.0, here.model.normalization_scales_
    assert len(scales) == len(here.model.coefs_) - 1
    assert not any((scale == start).all() for scale in scales)


def check_running_statistics(here, parameters):
    check_normalization(here, parameters)
    assert all(mean.all() for mean in here.model.running_means_)


def check_partial_fit(here, parameters):
    assert len(here.model.loss_curve_) == 2


def check_warm_start(here, parameters):
    if here.model.warm_start:
        assert len(here.model.loss_curve_) == here.n_iter_before + here.model.n_iter_


def check_averaging(here, parameters):
    raw = run(type(here.model), "raw", **{**parameters, "averaging": None})
    assert not np.array_equal(here.model.coefs_[0], raw.model.coefs_[0])


def check_clone_and_pickle(here, parameters):
    copied = clone(here.model)
    assert repr(copied.get_params()) == repr(here.model.get_params())
    loaded = pickle.loads(pickle.dumps(here.model))
    assert_array_equal(loaded.predict(here.X), here.model.predict(here.X))
    assert repr(loaded.get_params()) == repr(here.model.get_params())


def check_to_sklearn(here, parameters):
    theirs = here.model.to_sklearn()
    tolerance = 1e-9 if here.seen[0].dtype == np.float64 else 1e-4
    predict = getattr(theirs, "predict_proba", theirs.predict)
    assert_allclose(predict(here.X), here.predictions, tolerance, tolerance)


def check_multilabel(here, parameters):
    assert here.model.predict(here.X).shape == here.y.shape


def check_probabilities(here, parameters):
    assert here.model.targets_ == "probabilities"
    likeliest = here.y.argmax(axis=1)
    assert here.model.score(here.X, here.y) == here.model.score(here.X, likeliest)


def check_missing(here, parameters):
    score = here.model.score(here.X, here.y)
    assert np.isfinite([score, *here.model.loss_curve_]).all()
    assert here.model.predict(here.X).shape == here.y.shape


def check_multioutput(here, parameters):
    assert here.model.targets_ == parameters.get("targets", "multioutput")
    assert here.model.predict(here.X).shape == here.y.shape


CHECKS = {
    "csr": check_csr,
    "batch_norm": check_running_statistics,
    "layer_norm": check_normalization,
    "partial_fit": check_partial_fit,
    "warm_start": check_warm_start,
    "averaging": check_averaging,
    "clone_and_pickle": check_clone_and_pickle,
    "to_sklearn": check_to_sklearn,
    "multilabel": check_multilabel,
    "probabilities": check_probabilities,
    "multioutput": check_multioutput,
    "missing": check_missing,
}


def check_refusal(cls, column, parameters, words, monkeypatch):
    """It is refused before any work; a conversion when it is asked for."""
    if column == "to_sklearn":
        with pytest.raises(ValueError, match=words):
            run(cls, column, **parameters).model.to_sklearn()
        return
    for trainer in (MiniBatchTrainer, FullBatchTrainer):
        monkeypatch.delattr(trainer, "fit")
    with pytest.raises(ValueError, match=words):
        Run(cls, column, {**BASE, **parameters})


@pytest.mark.parametrize(("cls", "keyword", "column", "cell"), CELLS.values(), ids=CELLS)
def test_cell(cls, keyword, column, cell, monkeypatch):
    without = {**cell.given, **COLUMNS[column]}
    parameters = {**without, keyword: cell.value}
    if cell.says not in (WORKS, INERT):
        check_refusal(cls, column, parameters, re.escape(cell.says), monkeypatch)
        return
    here, reference = run(cls, column, **parameters), run(cls, column, **without)
    assert here.equals(reference) == (cell.says == INERT)
    if column in CHECKS:
        CHECKS[column](here, parameters)


# -- committees --------------------------------------------------------------------------

CLASSIFIERS = {"network": MLPClassifier, "committee": MLPEnsembleClassifier}
REGRESSORS = {"network": MLPRegressor, "committee": MLPEnsembleRegressor}


def network(classes, **parameters):
    return classes["network"](**{**BASE, "random_state": None, **parameters})


def members(classes, way, **parameters):
    """The members as this way has them."""
    if way == "full_batch":
        return network(classes, batch_size="auto", optimizer="lbfgs", **parameters)
    if way == "pipeline":
        scaler = StandardScaler(with_mean=False)
        return Pipeline([("scale", scaler), ("net", network(classes, **parameters))])
    if way == "named":
        return [("a", network(classes, **parameters)), ("b", network(classes, **parameters))]
    return network(classes, **parameters)


#: The ways in which committees are used, each with the keywords that make it.
WAYS = {
    "alone": {},
    "folds": {"cv": 2},
    "pipeline": {},
    "named": {},
    "full_batch": {},
    "csr": {"cv": 2},
    "weights": {"cv": 2},
    "multilabel": {"cv": 2},
    "clone_and_pickle": {"cv": 2},
}


def way_row(value, **cells):
    return row(value, columns=WAYS, **cells)


def alpha_of(way):
    return {"pipeline": "net__alpha", "named": "a__alpha"}.get(way, "alpha")


NEEDS_FOLDS = dict.fromkeys(("alone", "pipeline", "named", "full_batch"), "set cv")
COMMITTEES = {
    "estimator": [way_row({"alpha": 0.5})],
    "n_estimators": [way_row(3)],
    "draws": [{way: Cell({alpha_of(way): [0.1, 0.5]}) for way in WAYS}],
    "bootstrap": [way_row(True)],
    "cv": [way_row(3)],
    "calibrate": [way_row(True, **NEEDS_FOLDS)],
    "snapshots": [way_row(2, full_batch="Snapshots need a learning rate")],
    "n_jobs": [way_row(2, default=INERT)],
    "random_state": [way_row(1)],
}

COMMITTEE_CELLS = {
    f"{classes['committee'].__name__}-{keyword}-{i}-{way}": (classes, keyword, way, one[way])
    for classes in (CLASSIFIERS, REGRESSORS)
    for keyword, variants in COMMITTEES.items()
    for i, one in enumerate(variants)
    for way in WAYS
}


@pytest.mark.parametrize("classes", [CLASSIFIERS, REGRESSORS])
def test_every_keyword_of_committees_has_a_row(classes):
    assert COMMITTEES.keys() == set(inspect.signature(classes["committee"]).parameters)


class CommitteeRun:
    """A committee that was used as its way says, and what can be seen of that."""

    def __init__(self, classes, way, parameters):
        self.way = way
        self.X = sparse.csr_array(X) if way == "csr" else X
        self.y = TARGETS[classes["network"]]["multilabel" if way == "multilabel" else "one"]
        given = {"n_estimators": 2, "random_state": 0, **WAYS[way], **parameters}
        given["estimator"] = members(classes, way, **given.get("estimator", {}))
        self.model = classes["committee"](**given)
        self.model.fit(self.X, self.y, np.arange(N) % 3 + 1.0 if way == "weights" else None)
        predict = getattr(self.model, "predict_proba", None)
        arrays = predict(self.X) if predict else self.model.predict(self.X, return_std=True)
        networks = [getattr(one, "steps", [(None, one)])[-1][1] for one in self.model.estimators_]
        self.seen = [*(one.coefs_[0] for one in networks), self.model.member_weights_, *arrays]

    equals = Run.equals


def check_ways(here, parameters, classes):
    if here.way == "csr":
        dense = CommitteeRun(classes, "folds", parameters)
        assert_allclose(here.seen[-1], dense.seen[-1], 1e-9)
    if here.way == "clone_and_pickle":
        loaded = pickle.loads(pickle.dumps(here.model))
        assert_array_equal(loaded.predict(here.X), here.model.predict(here.X))
        assert repr(loaded.get_params()) == repr(clone(here.model).get_params())


@pytest.mark.parametrize(
    ("classes", "keyword", "way", "cell"), COMMITTEE_CELLS.values(), ids=COMMITTEE_CELLS
)
def test_cell_of_committees(classes, keyword, way, cell, monkeypatch):
    parameters = {**cell.given, keyword: cell.value}
    if cell.says not in (WORKS, INERT):
        monkeypatch.delattr(MiniBatchTrainer, "fit")
        with pytest.raises(ValueError, match=re.escape(cell.says)):
            CommitteeRun(classes, way, parameters)
        return
    here, reference = (CommitteeRun(classes, way, p) for p in (parameters, cell.given))
    assert here.equals(reference) == (cell.says == INERT)
    check_ways(here, parameters, classes)
