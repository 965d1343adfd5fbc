"""Checkpoints: a fit that is killed and run again ends as if nothing had happened."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from cases import pairwise
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils import check_random_state

from sknn_opt import GrowingBatch, MLPClassifier, MLPRegressor
from sknn_opt._estimators import checkpoint_file
from sknn_opt.initializers import FromEstimator
from sknn_opt.inspection import find_learning_rate
from sknn_opt.optimizers import LM, OPTIMIZERS, FirstOrder
from sknn_opt.schedules import SCHEDULES

pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")

from sknn_opt.callbacks import Checkpoint, MLflow, OptunaPruning, TensorBoard

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = load_iris(return_X_y=True)
X = scale(X)
ROWS = np.random.RandomState(0).permutation(150)[:60]
X, Y = X[ROWS], Y[ROWS]
MAX_ITER = 7
GLOBAL = check_random_state(None)


class Killed(Exception):
    pass


class Kill:
    """Ends a fit after so many epochs, as a kill would; counts them."""

    def __init__(self, after=np.inf):
        self.after = after
        self.n_epochs = 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_epochs += context.task_name == "epoch"
        if self.n_epochs >= self.after:
            raise Killed


def make(optimizer="adam", **parameters):
    cls = MLPRegressor if optimizer == "lm" else MLPClassifier
    settings = {"hidden_layer_sizes": (4, 3), "batch_size": 20, "max_iter": MAX_ITER}
    if optimizer not in FACTORS["optimizer"] or OPTIMIZERS[optimizer].needs_all_samples:
        settings["batch_size"] = "auto"
    return cls(optimizer=optimizer, **settings | {"random_state": 0, "tol": 0.0} | parameters)


def run(model, folder, after=np.inf, X=X, y=Y, every=1, **data):
    """Fit with checkpoints; return the number of epochs that took."""
    kill = Kill(after)
    model.set_callbacks(Checkpoint(folder, every), kill)
    try:
        model.fit(X, y, **data)
    except Killed:
        assert not np.isinf(after)
    return kill.n_epochs


def assert_same(model, other):
    """Two models agree in all that they have learnt, to the last bit, but not in the time."""
    mine, others = ({**vars(m)} for m in (model, other))
    for attributes in (mine, others):
        attributes.pop("_skl_callbacks", None)
        attributes["history_"] = {k: v for k, v in attributes["history_"].items() if k != "time"}
    assert mine.keys() == others.keys()
    for name in mine:
        if name.startswith("_") and name not in ("_no_improvement_count", "_first_loss"):
            continue
        if name.endswith("_") or name.startswith("_"):
            np.testing.assert_equal(others[name], mine[name], err_msg=name)


FACTORS = {
    "optimizer": [name for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)],
    "learning_rate": [*SCHEDULES],
    "averaging": [None, "ema", "swa"],
    "normalization": [None, "batch", "layer"],
    "dropout": [0.0, 0.3],
    "input_noise": [0.0, 0.2],
    "mixup": [0.0, 0.4],
    "warmup": [0, 3],
    "early_stopping": [False, True],
    "l1_ratio": [0.0, 1.0],
    "trainable": [None, (True, 0.5, False), (False, True, 2.0)],
    "batch_size": [20, GrowingBatch(10, 2, 2), GrowingBatch(10, 2, "plateau"), "auto"],
    "shuffle": [True, False],
    "dtype": ["float64", "float32"],
    "random_state": [0, None],
    "tol": [0.0, 0.1],
    "after": [1, 3, MAX_ITER],
    "every": [1, 2],
    "container": ["dense", "csr"],
    "warm_start": [False, True],
    "X_val": [False, True],
    "y": ["classes", "probabilities", "outputs"],
}
TARGETS = {
    "classes": Y,
    "probabilities": np.eye(3)[Y] * 0.7 + 0.1,
    "outputs": np.column_stack([Y, Y > 0, 2 - Y]),
}


def allowed(case):
    """Return a case with the levels replaced that do not go with its optimizer."""
    case, optimizer = dict(case), OPTIMIZERS[case["optimizer"]]
    if optimizer.averages_iterates:
        case["averaging"] = None
    if case["y"] == "outputs":
        case["mixup"] = 0.0
    if optimizer.needs_all_samples:
        case["batch_size"] = "auto"
        case["normalization"] = case["normalization"] and "layer"
    if case["container"] == "csr":
        case["input_noise"] = case["mixup"] = 0.0
    return case


@pytest.mark.parametrize("case", list(map(allowed, pairwise(FACTORS))), ids=str)
def test_a_killed_fit_goes_on_to_the_last_bit(case, tmp_path):
    after, every = case.pop("after"), case.pop("every")
    features = X if case.pop("container") == "dense" else sparse.csr_array(X)
    y = TARGETS[case.pop("y")]
    data = {"X_val": X[:9], "y_val": y[:9]} if case.pop("X_val") else {}
    settings = {"n_iter_no_change": 1 if case["tol"] else np.inf, "alpha": 0.1, **case}

    def seeded(seed):
        GLOBAL.seed(seed)
        return make(**settings)

    whole = seeded(1).fit(features, y, **data)
    drawn_after_it = GLOBAL.random_sample()
    killed = seeded(1)
    n_saved = run(killed, tmp_path, after, features, y, every, **data) // every * every
    is_complete = hasattr(killed, "coefs_")
    # What a file holds does not depend on a new seed.
    resumed = seeded(2 if n_saved or is_complete else 1)
    n_epochs = run(resumed, tmp_path, X=features, y=y, every=every, **data)
    assert n_epochs == (0 if is_complete else whole.n_iter_ - n_saved)
    assert_same(whole, resumed)
    assert case["random_state"] == 0 or GLOBAL.random_sample() == drawn_after_it


@pytest.mark.parametrize("optimizer", [n for n in OPTIMIZERS if n not in FACTORS["optimizer"]])
def test_full_batch_optimizers_go_on_from_the_weights(optimizer, tmp_path):
    settings = {"early_stopping": True, "n_iter_no_change": np.inf}
    whole = make(optimizer, **settings).fit(X, Y)
    run(make(optimizer, **settings), tmp_path, after=4)
    resumed = make(optimizer, **settings)
    assert run(resumed, tmp_path) == len(resumed.loss_curve_) - 4
    assert resumed.n_iter_ <= MAX_ITER
    np.testing.assert_array_equal(resumed.loss_curve_[:4], whole.loss_curve_[:4])
    assert resumed.loss_curve_[-1] < whole.loss_curve_[3]
    if optimizer == "lm":
        assert_same(whole, resumed)


def test_lm_keeps_its_damping_after_steps_that_were_not_taken(tmp_path):
    settings = {"optimizer": LM(damping=1e-14), "max_iter": 20, "activation": "tanh"}
    y = X[:, 0] * X[:, 1]

    def model():
        return MLPRegressor((6,), alpha=0.0, random_state=0, tol=0.0, **settings)

    whole = model().fit(X, y)
    assert 0 in np.diff(whole.loss_curve_)
    for after in range(1, 8):
        run(model(), tmp_path / str(after), after, y=y)
        resumed = model()
        run(resumed, tmp_path / str(after), y=y)
        assert_same(whole, resumed)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_killed_after_the_last_epoch(optimizer, tmp_path):
    whole = make(optimizer).fit(X, Y)
    run(make(optimizer), tmp_path, after=MAX_ITER)
    resumed = make(optimizer)
    with pytest.warns(match="converge"):
        assert run(resumed, tmp_path) == 0
    assert_same(whole, resumed)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fit_that_ended_is_not_repeated(optimizer, tmp_path):
    first, second = make(optimizer), make(optimizer)
    assert run(first, tmp_path, every=100) > 0
    assert run(second, tmp_path) == 0
    assert_same(first, second)
    assert second.history_["time"] == first.history_["time"]
    assert len(list(tmp_path.iterdir())) == 1
    second.set_callbacks(Checkpoint(tmp_path, resume=False), kill := Kill()).fit(X, Y)
    assert kill.n_epochs > 0


def test_a_killed_warm_start_goes_on(tmp_path):
    whole, killed, resumed = (make(warm_start=True, averaging="ema") for _ in range(3))
    for _ in range(2):
        whole.fit(X, Y)
    run(killed, tmp_path)
    run(killed, tmp_path, after=3)
    assert run(resumed, tmp_path) == 0
    assert run(resumed, tmp_path) == MAX_ITER - 3
    assert_same(whole, resumed)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_after_ctrl_c_a_fit_goes_on(optimizer, tmp_path):
    class Interrupt(Kill):
        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "epoch" and context.task_id == 3:
                raise KeyboardInterrupt

    model = make(optimizer).set_callbacks(Checkpoint(tmp_path), Interrupt())
    with pytest.warns(match="interrupted"):
        model.fit(X, Y)
    assert run(make(optimizer), tmp_path) == MAX_ITER - 3


def test_time_that_was_spent_before_a_kill_counts(tmp_path):
    class Slow(Kill):
        def on_fit_task_end(self, estimator, context):
            time.sleep(0.2)

    killed, resumed = (make(max_time=0.1) for _ in range(2))
    with pytest.raises(Killed):
        killed.set_callbacks(Slow(), Checkpoint(tmp_path), Kill(after=1)).fit(X, Y)
    with pytest.warns(match="max_time=0.1 seconds were over after 1 epoch"):
        assert run(resumed, tmp_path) == 0


PRETRAINED, OTHERWISE_PRETRAINED = (make(tol=9.0, max_iter=20).fit(X, y) for y in (Y, Y[::-1]))

#: Fits of which none is another: changes of parameters, and of arguments.
_DIFFERENT = [
    ({}, {}),
    ({"alpha": 0.5}, {}),
    ({"alpha": 1}, {}),
    ({"hidden_layer_sizes": (4,)}, {}),
    ({"learning_rate": SCHEDULES["step"](3)}, {}),
    ({"learning_rate": SCHEDULES["step"](4)}, {}),
    ({"trainable": [True, False, True]}, {}),
    ({"initializer": FromEstimator(PRETRAINED)}, {}),
    ({"initializer": FromEstimator(PRETRAINED, "zeros")}, {}),
    ({"initializer": FromEstimator(OTHERWISE_PRETRAINED)}, {}),
    ({"random_state": np.random.RandomState(3)}, {}),
    ({"random_state": np.random.RandomState(4)}, {}),
    ({"class_weight": {0: 2.0, 1: 1.0, 2: 1.0}}, {}),
    ({"class_weight": {0: 3.0, 1: 1.0, 2: 1.0}}, {}),
    ({"early_stopping": True, "scoring": lambda model, X, y: 1.0}, {}),
    ({"early_stopping": True, "scoring": lambda model, X, y: 2.0}, {}),
    ({}, {"y": Y[::-1]}),
    ({}, {"y": Y + 1}),
    ({}, {"y": Y.astype(str)}),
    ({}, {"X": X[:, ::-1]}),
    ({}, {"X": X.astype(np.float32)}),
    ({}, {"X": sparse.csr_array(X)}),
    ({}, {"X": sparse.csr_array(np.roll(X, 1, axis=0))}),
    ({}, {"sample_weight": np.arange(60.0)}),
    ({}, {"sample_weight": np.arange(60.0)[::-1]}),
    ({}, {"X_val": X[:9], "y_val": Y[:9]}),
    ({}, {"X_val": X[:9], "y_val": Y[:9], "sample_weight_val": np.arange(9.0)}),
]


def test_each_fit_has_a_file_of_its_own(tmp_path):
    for parameters, arguments in _DIFFERENT:
        assert run(clone(make(**parameters)), tmp_path, **arguments) > 0
    assert len(list(tmp_path.iterdir())) == len(_DIFFERENT)


def test_the_name_does_not_depend_on_the_history_of_the_start(tmp_path):
    for _ in range(2):  # trained anew, as by the same script
        pretrained = clone(PRETRAINED).fit(X, Y)
        n_epochs = run(make(initializer=FromEstimator(pretrained)), tmp_path)
    assert n_epochs == 0


@pytest.mark.parametrize("optimizer", ["adam", "lm"])
def test_a_killed_fit_to_scaled_targets_goes_on(optimizer, tmp_path):
    y = 1e6 + 1e5 * X[:, 0] ** 2
    data = {"X_val": X[:9], "y_val": y[:9]}
    settings = {"scale_targets": True, "scoring": "neg_mean_absolute_error", "tol": 0.0}
    whole, killed, resumed, of_others = (
        MLPRegressor((4,), "tanh", optimizer=optimizer, max_iter=6, random_state=0, **settings)
        for _ in range(4)
    )
    whole.fit(X, y, **data)
    assert run(killed, tmp_path, 3, y=y, **data) == 3
    # On the scale of training these targets are the same.
    assert run(of_others, tmp_path, y=2 * y, X_val=X[:9], y_val=2 * y[:9]) == 6
    assert run(resumed, tmp_path, y=y, **data) == 3
    assert_same(whole, resumed)


def test_the_name_does_not_depend_on_the_memory_order(tmp_path):
    run(make(), tmp_path)
    assert run(make(), tmp_path, X=np.asfortranarray(X)) == 0


def test_the_name_is_that_of_another_process(tmp_path):
    code = f"""
import numpy as np
from sknn_opt import MLPClassifier
from sknn_opt.callbacks import Checkpoint
X = np.arange(40.0).reshape(20, 2)
MLPClassifier((2,), max_iter=2, random_state=0).set_callbacks(Checkpoint({str(tmp_path)!r})).fit(
    X, ["a", "b"] * 10, X_val=X, y_val=["a", "b"] * 10
)
"""
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=environment)
    assert len(list(tmp_path.iterdir())) == 1


def test_folds_and_candidates_of_a_search_do_not_collide(tmp_path):
    def search(kill):
        network = make(max_iter=3).set_callbacks(Checkpoint(tmp_path), kill)
        pipeline = make_pipeline(StandardScaler(), network)
        grid = {"mlpclassifier__alpha": [0.1, 1.0]}
        return GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, Y)

    whole = search(Kill())
    shutil.rmtree(tmp_path)
    with pytest.raises(Killed):
        search(Kill(after=8))  # in the third of five fits
    resumed = search(rest := Kill())
    assert rest.n_epochs == 5 * 3 - 8
    assert len(list(tmp_path.iterdir())) == 5
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(whole.cv_results_[name], resumed.cv_results_[name])
    assert_same(whole.best_estimator_[-1], resumed.best_estimator_[-1])


def _cut(content):
    return content[: len(content) // 2]


def _flip(content):
    return content[:-200] + bytes([content[-200] ^ 1]) + content[-199:]


def _other_format(content):
    return content.replace(b"format 1\n", b"format 7\n", 1)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut, "is damaged"),
        (_flip, "is damaged"),
        (lambda content: b"", "is damaged"),
        (lambda content: b"PK" + content, "is damaged"),
        (_other_format, "has format 7"),
    ],
)
def test_a_damaged_file_is_refused(damage, reason, tmp_path):
    run(make(), tmp_path, after=2)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    model = make()
    with pytest.raises(ValueError, match=f"{file.stem}.*{reason}.*resume=False"):
        run(model, tmp_path)
    assert not hasattr(model, "coefs_")
    model.set_callbacks(Checkpoint(tmp_path, resume=False)).fit(X, Y)
    assert run(make(), tmp_path) == 0


def test_the_file_of_another_fit_is_refused(tmp_path):
    run(make(alpha=1.0), tmp_path / "first")
    run(make(alpha=2.0), tmp_path / "second")
    (file,), (other,) = ((tmp_path / name).iterdir() for name in ("first", "second"))
    shutil.copy(other, file)
    with pytest.raises(ValueError, match=f"belongs to another fit, {other.stem}"):
        run(make(alpha=1.0), tmp_path / "first")


@pytest.mark.parametrize(
    "change",
    [
        lambda trainer: trainer["order"].__setitem__(0, 10**9),
        lambda trainer: trainer.update(theta=trainer["theta"][:-1]),
        lambda trainer: trainer.update(trained=trainer["trained"].astype(np.float32)),
        lambda trainer: trainer["optimizer"].update(vectors=np.zeros(1)),
    ],
)
def test_arrays_of_a_file_that_fit_no_network_reach_no_kernel(change, tmp_path):
    run(make(), tmp_path, after=2)
    (file,) = tmp_path.iterdir()
    state = checkpoint_file.read(file)
    change(state["trainer"])
    checkpoint_file.write(file, state)
    with pytest.raises(ValueError, match=r"rows|shape"):
        run(make(), tmp_path)


def test_what_checkpoint_is_not_for(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    with pytest.raises(ValueError, match="partial_fit is one epoch"):
        make().set_callbacks(checkpoint).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(TypeError, match="of the network itself"):
        make_pipeline(LogisticRegression()).set_callbacks(checkpoint).fit(X, Y)
    for arguments in ({"path": 1}, {"path": ".", "every": 0}, {"path": ".", "resume": "no"}):
        with pytest.raises(ValueError, match="parameter of Checkpoint"):
            Checkpoint(**arguments)


def test_what_looks_into_training_keeps_no_files(tmp_path):
    model = make().set_callbacks(Checkpoint(tmp_path / "folder"))
    find_learning_rate(model, X, Y)
    assert not (tmp_path / "folder").exists()


def test_without_scikit_learns_callbacks_there_is_a_reason():
    code = """
import sys
import sklearn.callback, sklearn.model_selection, sklearn.neural_network

present = sys.modules["sklearn.callback"]
sys.modules["sklearn.callback"] = None  # as if it were not there
from sknn_opt.callbacks import Checkpoint
sys.modules["sklearn.callback"] = present
try:
    Checkpoint("folder")
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "scikit-learn 1.9" in done.stdout
    assert "partial_fit" in done.stdout


@pytest.mark.parametrize(
    ("callback", "module", "package"),
    [
        (lambda: OptunaPruning(None), "optuna", "optuna"),
        (lambda: TensorBoard("."), "tensorboard.summary", "tensorboard"),
        (MLflow, "mlflow", "mlflow"),
    ],
)
def test_a_missing_library_is_named(callback, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"needs the package {package}: pip install {package}"):
        callback()
