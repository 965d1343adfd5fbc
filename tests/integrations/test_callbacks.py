"""Training as Optuna, TensorBoard and MLflow see it."""

import mlflow
import numpy as np
import optuna
import pytest
from joblib import parallel_config
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sknn_opt import MLPClassifier, MLPEnsembleClassifier, MLPRegressor
from sknn_opt.callbacks import MLflow, OptunaPruning, TensorBoard

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of what MLflow stands on
]

X, Y = load_iris(return_X_y=True)
X = scale(X)


def make(cls=MLPClassifier, **changes):
    return cls(**{"hidden_layer_sizes": (4,), "max_iter": 6, "random_state": 0, **changes})


# -- Optuna --------------------------------------------------------------------------------


def study_of(objective, n_trials=1, direction="maximize", pruner=None):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=direction, pruner=pruner or optuna.pruners.NopPruner())
    study.optimize(objective, n_trials=n_trials)
    return study


METRICS = {"validation_score": "maximize", "validation_loss": "minimize", "loss": "minimize"}


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("metric", METRICS)
def test_a_trial_is_told_of_each_epoch(metric, optimizer):
    model = make(early_stopping=True, optimizer=optimizer)

    def objective(trial):
        model.set_callbacks(OptunaPruning(trial, metric)).fit(X, Y)
        return model.history_[metric][-1]

    (trial,) = study_of(objective, direction=METRICS[metric]).trials
    expected = dict(enumerate(model.history_[metric], start=1))
    assert trial.intermediate_values == expected


def test_the_pruner_ends_a_trial():
    model = make(early_stopping=True)

    def objective(trial):
        model.set_callbacks(OptunaPruning(trial)).fit(X, Y)

    pruner = optuna.pruners.ThresholdPruner(lower=2.0, n_warmup_steps=2)
    (trial,) = study_of(objective, pruner=pruner).trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [1, 2]
    assert not hasattr(model, "coefs_")  # as any exception leaves an estimator


def test_the_direction_has_to_be_that_of_the_metric():
    for metric, direction in METRICS.items():
        other = {"minimize": "maximize", "maximize": "minimize"}[direction]

        def objective(trial, metric=metric):
            make(early_stopping=True).set_callbacks(OptunaPruning(trial, metric)).fit(X, Y)

        with pytest.raises(ValueError, match=f"needs direction='{direction}'"):
            study_of(objective, direction=other)


def test_a_validation_set_is_asked_for():
    trial = optuna.trial.FixedTrial({})
    with pytest.raises(ValueError, match="no validation_score to report: set early_stopping"):
        make().set_callbacks(OptunaPruning(trial)).fit(X, Y)
    make().set_callbacks(OptunaPruning(trial)).fit(X, Y, X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="'metric' parameter of OptunaPruning"):
        OptunaPruning(trial, "accuracy")


# -- TensorBoard ---------------------------------------------------------------------------


def curves_in(folder):
    """Steps and values by their names, as TensorBoard reads a run."""
    events = EventAccumulator(str(folder)).Reload()
    names = events.Tags()["tensors"]
    return {
        name: {one.step: one.tensor_proto.float_val[0] for one in events.Tensors(name)}
        for name in names
    }


def assert_logged(curves, model):
    assert curves.keys() == model.history_.keys()
    for name, curve in curves.items():
        assert list(curve) == list(range(1, model.n_iter_ + 1))
        np.testing.assert_allclose(list(curve.values()), model.history_[name], rtol=1e-6)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_curves_are_those_of_the_history(cls, early_stopping, tmp_path):
    model = make(cls, early_stopping=early_stopping).set_callbacks(TensorBoard(tmp_path)).fit(X, Y)
    (run,) = tmp_path.iterdir()
    assert cls.__name__ in run.name
    assert_logged(curves_in(run), model)


def test_each_fit_is_a_run(tmp_path):
    model = make().set_callbacks(TensorBoard(tmp_path))
    for _ in range(2):
        model.fit(X, Y)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_fits_of_a_search_are_told_apart(backend, tmp_path):
    pipeline = make_pipeline(StandardScaler(), make().set_callbacks(TensorBoard(tmp_path)))
    grid = {"mlpclassifier__alpha": [0.1, 1.0]}
    with parallel_config(backend, n_jobs=2):
        search = GridSearchCV(pipeline, grid, cv=2).fit(X, Y)
    (run,) = tmp_path.iterdir()
    assert "GridSearchCV" in run.name
    fits = [curves_in(fit) for fit in run.iterdir()]
    assert len(fits) == 2 * 2 + 1
    assert all(len(curves["loss"]) == 6 for curves in fits)
    best = search.best_estimator_[-1].history_["loss"]
    assert any(np.allclose(list(curves["loss"].values()), best, rtol=1e-6) for curves in fits)


def test_a_run_is_closed_where_training_fails(tmp_path):
    callback = TensorBoard(tmp_path)
    with pytest.raises(ValueError, match="NaN"):
        make().set_callbacks(callback).fit(X * np.nan, Y)
    assert not callback._writers


# -- MLflow --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A tracking store of the module's own."""
    folder, before = tmp_path_factory.mktemp("mlflow"), mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    yield folder
    mlflow.set_tracking_uri(before)


@pytest.fixture
def experiment(store, request):
    """Runs are those of an experiment of the test's own; returns its number."""
    location = (store / "artifacts").as_uri()
    number = mlflow.create_experiment(request.node.name, artifact_location=location)
    mlflow.set_experiment(experiment_id=number)
    return number


def metrics_of(run_id):
    client = mlflow.MlflowClient()
    names = client.get_run(run_id).data.metrics
    return {
        name: {one.step: one.value for one in client.get_metric_history(run_id, name)}
        for name in names
    }


def runs_of(experiment):
    return mlflow.MlflowClient().search_runs([experiment])


def test_an_active_run_gets_the_metrics(experiment):
    model = make(early_stopping=True).set_callbacks(MLflow())
    with mlflow.start_run() as run:
        model.fit(X, Y)
        assert mlflow.active_run().info.run_id == run.info.run_id
    assert_logged(metrics_of(run.info.run_id), model)
    assert len(runs_of(experiment)) == 1


def test_a_fit_without_a_run_gets_one(experiment):
    model = make(alpha=0.25).set_callbacks(MLflow()).fit(X, Y)
    assert mlflow.active_run() is None
    (run,) = runs_of(experiment)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "MLPClassifier"
    assert run.data.params["alpha"] == "0.25"
    assert run.data.params.keys() == model.get_params(deep=False).keys()
    assert_logged(metrics_of(run.info.run_id), model)


def test_fits_of_a_search_are_children(experiment):
    network = make().set_callbacks(MLflow())
    with mlflow.start_run() as parent:
        search = GridSearchCV(network, {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    parent_id = parent.info.run_id
    children = [
        run for run in runs_of(experiment) if run.data.tags.get("mlflow.parentRunId") == parent_id
    ]
    assert len(children) == 4
    assert sorted(run.data.params["alpha"] for run in children) == ["0.1"] * 2 + ["1.0"] * 2
    assert_logged(metrics_of(parent_id), search.best_estimator_)  # of the refit


def test_fits_in_threads_have_runs_of_their_own(experiment):
    network = make().set_callbacks(MLflow())
    with parallel_config("threading", n_jobs=2):
        GridSearchCV(network, {"alpha": [0.1, 1.0]}, cv=2, refit=False).fit(X, Y)
    assert len(runs_of(experiment)) == 4
    assert all(len(metrics_of(run.info.run_id)["loss"]) == 6 for run in runs_of(experiment))


def test_networks_of_a_committee_are_children(experiment):
    with mlflow.start_run() as parent:
        MLPEnsembleClassifier(make().set_callbacks(MLflow()), 2, random_state=0).fit(X, Y)
    tags = [run.data.tags.get("mlflow.parentRunId") for run in runs_of(experiment)]
    assert sorted(tags, key=str) == sorted([None, parent.info.run_id, parent.info.run_id], key=str)


def test_a_fit_that_fails_is_a_run_that_failed(experiment):
    with pytest.raises(ValueError, match="NaN"):
        make().set_callbacks(MLflow()).fit(X * np.nan, Y)
    (run,) = runs_of(experiment)
    assert run.info.status == "FAILED"
    assert mlflow.active_run() is None


# -- All of them ---------------------------------------------------------------------------


def test_other_estimators_are_refused(tmp_path):
    trial = optuna.trial.FixedTrial({})
    for callback in (OptunaPruning(trial), TensorBoard(tmp_path), MLflow()):
        pipeline = make_pipeline(StandardScaler(), make()).set_callbacks(callback)
        with pytest.raises(TypeError, match=f"{type(callback).__name__} is for the networks"):
            pipeline.fit(X, Y)


def test_partial_fit_is_refused(tmp_path):
    trial = optuna.trial.FixedTrial({})
    for callback in (OptunaPruning(trial), TensorBoard(tmp_path), MLflow()):
        with pytest.raises(ValueError, match=r"is for fit\. A call of partial_fit is one epoch"):
            make().set_callbacks(callback).partial_fit(X, Y, classes=[0, 1, 2])
    assert not list(tmp_path.iterdir())
