"""The factors that K-FAC observes, against matrices computed in other ways."""

import numpy as np
import pytest
from problems import make_layout
from scipy import sparse
from sklearn.linear_model import LinearRegression

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._network.layout import Layout, describe
from sknn_opt.normalizations import BatchNorm, LayerNorm
from sknn_opt.optimizers import KFAC, SGD

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

N = 300  # more than a block
random = np.random.default_rng(0)
X = random.normal(size=(N, 4)) * (random.random((N, 4)) < 0.7)
Y = X @ random.normal(size=(4, 3)) + random.normal(size=(N, 3))
CLASSES = np.argmax(Y, axis=1)
WEIGHT = random.uniform(0.1, 2, N)
WITH_ONES = np.c_[X, np.ones(N)]

#: So small a step that the parameters afterwards are those before it.
STILL = {"learning_rate_init": 1e-13, "batch_size": N, "alpha": 0.0, "random_state": 0}


def observed(model, layout):
    """The factors after one step of partial_fit, symmetric."""
    vectors = model._optimizer_state_["vectors"]
    return [
        [np.triu(view) + np.triu(view, 1).T for view in pair]
        for pair in model.optimizer.factors(layout, vectors)
    ]


def factors_of(estimator, hidden, fisher, features=X, y=Y, weight=None, **parameters):
    optimizer = KFAC(fisher=fisher, decay=0, damping=1.0)
    model = estimator(hidden, optimizer=optimizer, **{**STILL, **parameters})
    classes = {"classes": np.unique(y)} if estimator is MLPClassifier else {}
    if weight is not None:
        classes["sample_weight"] = weight
    model.partial_fit(features, y, **classes)
    units = [X.shape[1], *hidden, model.n_outputs_]
    return model, observed(model, make_layout(units))


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["even", "weighted"])
def test_the_exact_factors_of_least_squares_are_its_hessian(container, weight):
    _, [(by_inputs, by_outputs)] = factors_of(
        MLPRegressor, (), "exact", container(X), weight=weight
    )
    shares = np.full(N, 1 / N) if weight is None else weight / weight.sum()
    np.testing.assert_allclose(by_inputs, WITH_ONES.T * shares @ WITH_ONES, atol=1e-12)
    np.testing.assert_allclose(by_outputs, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["even", "weighted"])
@pytest.mark.parametrize("fisher", ["exact", "sampled"])
def test_one_undamped_step_solves_least_squares(fisher, weight):
    # By a factor of the outputs that is the identity, so the draws have to be many.
    optimizer = KFAC(damping=0, decay=0, every=1, kl_clip=None, fisher=fisher)
    model = MLPRegressor(
        (), optimizer=optimizer, batch_size="full", learning_rate_init=1.0, alpha=0.0, max_iter=1,
        random_state=0,
    ).fit(X, Y, weight)  # fmt: skip
    expected = LinearRegression().fit(X, Y, weight)
    tolerance = 1e-12 if fisher == "exact" else 0.5
    np.testing.assert_allclose(model.coefs_[0], expected.coef_.T, atol=tolerance)
    np.testing.assert_allclose(model.intercepts_[0], expected.intercept_, atol=tolerance)


def test_for_softmax_they_are_its_hessian_at_zero_weights():
    _, [(by_inputs, by_outputs)] = factors_of(
        MLPClassifier, (), "exact", y=CLASSES, initializer="zeros"
    )
    p = np.full(3, 1 / 3)
    hessian = np.kron(WITH_ONES.T @ WITH_ONES / N, np.diag(p) - np.outer(p, p))
    np.testing.assert_allclose(np.kron(by_inputs, by_outputs), hessian, atol=1e-10)


def test_exact_factors_of_a_deep_network():
    model, (first, second) = factors_of(
        MLPClassifier, (5,), "exact", y=CLASSES, weight=WEIGHT, activation="tanh"
    )
    (w, v), (b, _) = model.coefs_, model.intercepts_
    a, p, shares = np.tanh(X @ w + b), model.predict_proba(X), WEIGHT / WEIGHT.sum()
    with_ones = np.c_[a, np.ones(N)]
    curvature = np.einsum("ij,jk->ijk", p, np.eye(3)) - np.einsum("ij,ik->ijk", p, p)
    jacobian = np.einsum("hk,ih->ikh", v, 1 - a**2)
    below = np.einsum("i,ikh,ikl,ilg->hg", shares, jacobian, curvature, jacobian)
    expected = [
        (WITH_ONES.T * shares @ WITH_ONES, below),
        (with_ones.T * shares @ with_ones, np.einsum("i,ikl->kl", shares, curvature)),
    ]
    for mine, other in zip([*first, *second], [*expected[0], *expected[1]], strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "y", "parameters"),
    [
        (MLPRegressor, Y, {}),
        (MLPRegressor, np.abs(Y), {"loss": "poisson"}),
        (MLPRegressor, np.where(Y > 0, Y, np.nan), {"missing_targets": "ignore"}),
        (MLPClassifier, CLASSES, {}),
        (MLPClassifier, (Y > 0).astype(int), {}),
        (MLPClassifier, np.c_[CLASSES, Y[:, 0] > 0], {"targets": "multioutput"}),
        (MLPClassifier, CLASSES, {"label_smoothing": 0.2}),
        (MLPClassifier, CLASSES, {"dropout": 0.3, "normalization": "layer"}),
    ],
    ids=[
        "squared_error",
        "poisson",
        "missing targets",
        "log_loss",
        "multilabel",
        "multioutput",
        "smoothed",
        "dropout",
    ],
)
def test_sampled_factors_are_the_exact_ones_in_the_mean(estimator, y, parameters):
    found = []
    for fisher in ("exact", "sampled"):
        # Without a bound on the former average, it is the plain mean over all steps.
        optimizer = KFAC(fisher=fisher, decay=1, damping=1.0)
        model = estimator((5,), optimizer=optimizer, **STILL, **parameters)
        normalization = LayerNorm() if "normalization" in parameters else None
        classes = {"classes": [0, 1, 2]} if estimator is MLPClassifier else {}
        if "targets" in parameters:
            classes = {"classes": [[0, 1, 2], [0, 1]]}
        for _ in range(400 if fisher == "sampled" or "dropout" in parameters else 1):
            model.partial_fit(X, y, **classes)
        found.append(observed(model, make_layout([4, 5, model.n_outputs_], normalization)))
    for exact, sampled in zip(*found, strict=True):
        np.testing.assert_allclose(sampled[0], exact[0], atol=1e-9)
        np.testing.assert_allclose(sampled[1], exact[1], atol=0.03 * np.abs(exact[1]).max())


#: What a pass may do to a row on its way.
PASSES = {
    "plain": {},
    "dropout": {"dropout": 0.5, "input_dropout": 0.3},
    "noise": {"input_noise": 0.5},
    "layer norm": {"normalization": "layer", "dropout": 0.3},
    "residual": {"residual": True, "dropout": 0.3},
    "all": {"normalization": "layer", "residual": True, "dropout": 0.4, "input_noise": 0.1},
}


@pytest.mark.parametrize("estimator", [MLPRegressor, MLPClassifier])
@pytest.mark.parametrize("parameters", PASSES.values(), ids=PASSES)
def test_the_pass_is_that_of_the_gradient(parameters, estimator):
    # The gradient of a single row is the product of its input and its delta.
    settings = {**STILL, "activation": "tanh", "initializer": "glorot_normal", **parameters}
    settings["batch_size"] = 1
    y = Y[:1] if estimator is MLPRegressor else CLASSES[:1]
    classes = {"classes": [0, 1, 2]} if estimator is MLPClassifier else {}
    rate = 2.0**-20
    models = [
        estimator((4, 4), optimizer=optimizer, **{**settings, "learning_rate_init": lr})
        for optimizer, lr in [
            (KFAC(fisher="empirical", decay=0), rate),
            (SGD(momentum=0), 1e-300),
            (SGD(momentum=0), rate),
        ]
    ]
    for model in models:
        if not (parameters.keys() & {"dropout", "input_noise"}):
            model.set_params(dropout=1e-9)  # a seed is drawn, and no unit is dropped
        model.partial_fit(X[:1], y, **classes)
    normalization = LayerNorm() if "normalization" in parameters else None
    factors = observed(models[0], make_layout([4, 4, 4, 3], normalization))
    _, before, after = models
    for k, (by_inputs, by_deltas) in enumerate(factors):
        delta = (before.intercepts_[k] - after.intercepts_[k]) / rate
        weights = (before.coefs_[k] - after.coefs_[k]) / rate
        inputs = np.r_[weights @ delta / (delta @ delta), 1]
        np.testing.assert_allclose(by_deltas, np.outer(delta, delta), atol=1e-7)
        np.testing.assert_allclose(by_inputs, np.outer(inputs, inputs), atol=1e-6)


def test_deltas_pass_a_batchs_statistics():
    optimizer = KFAC(fisher="empirical", decay=0, damping=1.0)
    settings = {**STILL, "normalization": "batch", "optimizer": optimizer}
    model = MLPRegressor((5,), "tanh", **settings).partial_fit(X, Y)
    first, second = observed(model, make_layout([4, 5, 3], BatchNorm()))
    (w, v), (_, c) = model.coefs_, model.intercepts_
    spread = np.sqrt((X @ w).var(axis=0) + 1e-5)
    z = (X @ w - (X @ w).mean(axis=0)) / spread
    delta = np.tanh(z) @ v + c - Y
    below = delta @ v.T * (1 - np.tanh(z) ** 2)
    below = (below - below.mean(axis=0) - z * (z * below).mean(axis=0)) / spread
    a = np.c_[np.tanh(z), np.ones(N)]
    expected = [WITH_ONES.T @ WITH_ONES, below.T @ below, a.T @ a, delta.T @ delta]
    for mine, other in zip([*first, *second], expected, strict=True):
        np.testing.assert_allclose(mine, other / N, atol=1e-9)


def test_the_averages_of_several_batches():
    optimizer = KFAC(fisher="exact", decay=0.6, damping=1.0)
    model = MLPRegressor((), optimizer=optimizer, shuffle=False, **{**STILL, "batch_size": 100})
    model.partial_fit(X, Y)
    [(by_inputs, _)] = observed(model, make_layout([4, 3]))
    first, second, third = (rows.T @ rows / 100 for rows in np.split(WITH_ONES, 3))
    # 1 - 1/t is 0 and 1/2 at first, and then more than the decay.
    expected = 0.6 * (0.5 * first + 0.5 * second) + 0.4 * third
    np.testing.assert_allclose(by_inputs, expected, atol=1e-12)


def test_frozen_layers_are_not_observed():
    settings = {**STILL, "activation": "tanh", "alpha": 0.0}
    for trainable, kept in [([False, True], [1]), ([True, False], [0]), ([2.0, 1.0], [0, 1])]:
        optimizer = KFAC(fisher="exact", decay=0, damping=1.0)
        free, model = (
            MLPRegressor((5,), optimizer=optimizer, trainable=rates, **settings).partial_fit(X, Y)
            for rates in (None, trainable)
        )
        layout = Layout(describe([4, 5, 3], [None], list(map(float, trainable))))
        every = observed(free, make_layout([4, 5, 3]))
        for mine, k in zip(observed(model, layout), kept, strict=True):
            for one, other in zip(mine, every[k], strict=True):
                np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("fisher", ["sampled", "empirical", "exact"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"normalization": "batch"},
        {"normalization": "batch", "dropout": 0.3, "residual": True},
        {"mixup": 0.4},
        {"clip_norm": 0.1, "max_norm": 1.0},
        {"l1_ratio": 0.5, "alpha": 0.1},
        {"optimizer": KFAC(max_side=5)},
        {"hidden_layer_sizes": ()},
        {"dtype": "float32", "batch_size": 7},
        {"averaging": "ema", "trainable": [True, False, 0.5]},
    ],
    ids=str,
)
def test_it_learns_beside_other_keywords(fisher, parameters):
    optimizer = parameters.get("optimizer", KFAC()).set_params(fisher=fisher)
    settings = {"hidden_layer_sizes": (5, 5), "max_iter": 30, "learning_rate_init": 0.1}
    settings |= {"random_state": 0, **parameters, "optimizer": optimizer}
    model = MLPClassifier(**settings).fit(X, CLASSES)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.score(X, CLASSES) > 0.5
    again = MLPClassifier(**settings).fit(X, CLASSES)
    for mine, other in zip(model.coefs_, again.coefs_, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_wide_sparse_input_takes_adamws_step():
    wide = sparse.random_array((100, 3000), density=0.01, format="csr", random_state=0)
    y = np.asarray(wide.sum(axis=1)).ravel()
    models = [
        MLPRegressor((5,), optimizer="kfac", max_iter=3, random_state=0).fit(features, y)
        for features in (wide, wide.toarray())
    ]
    for mine, other in zip(*(model.coefs_ for model in models), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-10)
    vectors = MLPRegressor((5,), optimizer="kfac").partial_fit(wide, y)._optimizer_state_["vectors"]
    assert vectors.size < 3 * 3001 * 5


@pytest.mark.parametrize(
    ("estimator", "loss", "fisher"),
    [
        (MLPRegressor, "huber", "sampled"),
        (MLPRegressor, "absolute_error", "exact"),
        (MLPClassifier, "squared_error", "sampled"),
        (MLPClassifier, "hinge", "exact"),
        (MLPClassifier, "focal", "sampled"),
    ],
)
def test_losses_without_what_it_needs(estimator, loss, fisher):
    y = Y if estimator is MLPRegressor else CLASSES
    model = estimator((3,), loss=loss, optimizer=KFAC(fisher=fisher))
    with pytest.raises(ValueError, match=r"KFAC\(fisher='empirical'\), which every loss has"):
        model.fit(X, y)
    model.set_params(optimizer__fisher="empirical", max_iter=3).fit(X, y)
