import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from surfaces import SURFACES, Surface

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt.optimizers import LM

pytestmark = [
    pytest.mark.usefixtures("one_blas_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, Y = (scale(a[:60]) for a in load_diabetes(return_X_y=True))
X = X[:, :4].copy()
SEVERAL = np.column_stack([Y, X[:, 0] * X[:, 1], np.sin(X[:, 2])])
SMOOTH = SEVERAL[:, 1:]
WEIGHT = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)


def make(**params):
    settings = {"hidden_layer_sizes": (5,), "activation": "tanh", "random_state": 0, "tol": 0.0}
    return MLPRegressor(optimizer="lm", **{**settings, **params})


def parameters(model):
    return np.concatenate([np.ravel(a) for a in (*model.coefs_, *model.intercepts_)])


# -- one iteration after the other, in NumPy -----------------------------------------------


def transcription(residuals, penalty, theta, n_iter, damping=1e-3, step=1e-6):
    """Levenberg-Marquardt with Nielsen's damping, on a Jacobian of finite differences.

    Returns the points and losses after each iteration. ``penalty`` holds a factor for half
    the square of each parameter.
    """

    def loss(theta):
        return 0.5 * (residuals(theta) ** 2).sum() + 0.5 * penalty @ theta**2

    scale, growth, points = np.zeros(theta.size), 2.0, []
    for _ in range(n_iter):
        moves = step * np.eye(theta.size)
        jacobian = np.array(
            [(residuals(theta + m) - residuals(theta - m)) / (2 * step) for m in moves]
        ).T
        gradient = jacobian.T @ residuals(theta) + penalty * theta
        hessian = jacobian.T @ jacobian + np.diag(penalty)
        scale = np.maximum(scale, np.diag(hessian))
        floor = np.maximum(scale, 0.03 * scale.max())
        h = np.linalg.solve(hessian + damping * np.diag(floor), -gradient)
        gain = (loss(theta) - loss(theta + h)) / -(gradient @ h + 0.5 * h @ hessian @ h)
        if gain > 0:
            theta, growth = theta + h, 2.0
            damping *= max(1 / 3, 1 - (2 * gain - 1) ** 3)
        else:
            damping, growth = damping * growth, growth * 2
        points.append((theta, loss(theta)))
    return points


def _residuals(model, X, y, weight):
    """A function that maps all parameters to weighted residuals."""
    sections = [*model.coefs_, *model.intercepts_]
    ends = np.cumsum([a.size for a in sections])[:-1]
    y = y.reshape(len(X), -1)
    weight = np.ones(len(X)) if weight is None else weight

    def residuals(theta):
        arrays = [
            part.reshape(a.shape) for part, a in zip(np.split(theta, ends), sections, strict=True)
        ]
        coefs, intercepts = arrays[: len(model.coefs_)], arrays[len(model.coefs_) :]
        a = X
        for w, b in zip(coefs[:-1], intercepts[:-1], strict=True):
            a = np.tanh(a @ w + b)
        errors = a @ coefs[-1] + intercepts[-1] - y
        return (np.sqrt(weight / weight.sum())[:, np.newaxis] * errors).ravel()

    return residuals


@pytest.mark.parametrize("alpha", [0.0, 3.0])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("y", [Y, SEVERAL], ids=["one output", "several"])
@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)], ids=str)
def test_iterations_are_those_of_the_transcription(hidden, y, weight, alpha):
    # From far away, so that some steps are refused.
    start = make(hidden_layer_sizes=hidden, max_iter=1, alpha=alpha, warm_start=True)
    start.fit(X, y, weight)
    for coefs in start.coefs_:
        coefs[:] = 3 * np.random.default_rng(1).normal(size=coefs.shape)
    theta = parameters(start)
    n_weights = sum(c.size for c in start.coefs_)
    total = len(X) if weight is None else weight.sum()
    penalty = np.where(np.arange(theta.size) < n_weights, alpha / total, 0)
    expected = transcription(_residuals(start, X, y, weight), penalty, theta, 6)
    model = start.set_params(max_iter=6).fit(X, y, weight)
    np.testing.assert_allclose(model.loss_curve_[1:], [loss for _, loss in expected], rtol=1e-4)
    last = expected[-1][0]
    assert np.linalg.norm(parameters(model) - last) <= 1e-3 * np.linalg.norm(last - theta)


def test_that_the_transcription_refuses_steps():
    """And so does LM, at the same iterations."""
    surface = SURFACES["rosenbrock"]()
    expected = transcription(surface.residuals, np.zeros(2), surface.start, 15, damping=1e-8)
    iterations = []
    LM(damping=1e-8).minimize(surface, lambda x, loss: iterations.append((x.copy(), loss)), 0, 15)
    refused = np.diff([loss for _, loss in expected]) == 0
    assert 0 < refused.sum() < 10
    np.testing.assert_array_equal(np.diff([loss for _, loss in iterations]) == 0, refused)
    for (x, loss), (point, value) in zip(iterations, expected, strict=True):
        np.testing.assert_allclose(x, point, rtol=1e-5, atol=1e-7)
        assert loss == pytest.approx(value, rel=1e-5, abs=1e-9)


# -- what it does on networks --------------------------------------------------------------


def test_weights_equal_repeated_rows():
    rows = np.repeat(np.arange(len(X)), WEIGHT.astype(int))
    weighted = make(alpha=0.5, max_iter=15).fit(X, SEVERAL, WEIGHT)
    repeated = make(alpha=0.5, max_iter=15).fit(X[rows], SEVERAL[rows])
    np.testing.assert_allclose(parameters(weighted), parameters(repeated), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-8)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "params",
    [
        {"normalization": "layer", "hidden_layer_sizes": (8,)},
        {"residual": True, "hidden_layer_sizes": (4, 4)},
        {"normalization": "layer", "residual": True, "hidden_layer_sizes": (4, 8)},
        {"activation": "relu", "hidden_layer_sizes": (8,)},
        {"activation": ["gelu", "softplus"], "hidden_layer_sizes": (6, 3)},
    ],
    ids=str,
)
def test_architectures_train(params, dtype, container):
    model = make(**params, max_iter=60).fit(container(X.astype(dtype)), SMOOTH)
    assert model.coefs_[0].dtype == dtype
    assert (np.diff(model.loss_curve_) <= 0).all()
    assert model.score(container(X.astype(dtype)), SMOOTH) > 0.9


def test_dense_and_csr_are_the_same():
    dense, csr = (make(max_iter=10).fit(c(X * (X > 0)), Y) for c in (np.asarray, sparse.csr_array))
    np.testing.assert_allclose(parameters(csr), parameters(dense), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_noise_free_function_is_learnt_better_than_by_others(optimizer):
    x = np.linspace(-1, 1, 200)[:, np.newaxis]
    y = np.sinc(3 * x.ravel())
    ratios = []
    for seed in range(3):
        params = {"hidden_layer_sizes": (10,), "alpha": 0.0, "max_iter": 100, "random_state": seed}
        lm = make(**params).fit(x, y)
        assert lm.n_iter_ == 100
        assert (np.diff(lm.loss_curve_) <= 0).all()
        other = make(**params).set_params(optimizer=optimizer, n_iter_no_change=np.inf).fit(x, y)
        ratios.append(other.loss_ / lm.loss_)
    assert min(ratios) > 10


# -- where it ends -------------------------------------------------------------------------


@pytest.mark.parametrize(("tol", "gtol"), [(1e-3, None), (1.0, 1e-3), (0.0, 1e-3)])
def test_it_ends_where_the_gradient_is_small(tol, gtol):
    surface = SURFACES["rosenbrock"]()
    points = [surface.start]
    result = LM(gtol=gtol).minimize(surface, lambda x, loss: points.append(x.copy()), tol, 100)
    assert (result.success, result.status) == (True, 0)
    sizes = [np.abs(surface.gradient(x)).max() for x in points]
    assert sizes[-1] <= 1e-3 < min(sizes[:-1])


def test_it_ends_where_no_step_lowers_the_loss():
    surface = SURFACES["parabola"]()
    surface.start = surface.minimum + 1e-3
    losses = []
    evaluate = surface.loss_and_gradient
    surface.loss_and_gradient = lambda x: (1.0, evaluate(x)[1])  # as if all of it were rounding
    result = LM().minimize(surface, lambda x, loss: losses.append(loss), 0.0, 100)
    assert (result.success, result.status) == (False, 2)
    np.testing.assert_array_equal(result.x, surface.start)
    assert 3 < len(losses) < 20


def test_a_loss_that_is_no_number_is_refused():
    """A point where the loss overflows counts as one where it rises."""
    surface = SURFACES["rosenbrock"]()
    evaluate, losses = surface.loss_and_gradient, []

    def loss_and_gradient(x):
        loss, gradient = evaluate(x)
        return (np.nan, gradient * np.nan) if x[1] > 1.5 or x[1] < -1 else (loss, gradient)

    surface.loss_and_gradient = loss_and_gradient
    result = LM(damping=1e-8).minimize(surface, lambda x, loss: losses.append(loss), 1e-7, 100)
    assert result.success
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(result.x, 1, atol=1e-5)


def test_directions_without_effect_are_damped():
    """A parameter that changes nothing leaves the others their steps."""
    inner = SURFACES["parabola"](3)
    surface = Surface(
        np.append(inner.start, 7.0),
        np.append(inner.minimum, 7.0),
        lambda x: inner.residuals(x[:3]),
        lambda x: np.pad(inner.jacobian(x[:3]), ((0, 0), (0, 1))),
        None,
    )
    result = LM().minimize(surface, lambda x, loss: None, 1e-8, 100)
    assert result.success
    np.testing.assert_allclose(result.x, surface.minimum, atol=1e-6)


def test_a_dead_unit_is_no_trouble():
    model = make(activation="relu", max_iter=20, warm_start=True, alpha=0.0)
    model.set_params(max_iter=1).fit(X, Y)
    model.coefs_[0][:, 0], model.intercepts_[0][0] = 0, -1
    before = model.loss_
    model.set_params(max_iter=20).fit(X, Y)
    assert model.loss_ < before
    np.testing.assert_array_equal(model.coefs_[0][:, 0], 0)


# -- what it refuses -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "squared_hinge"])
def test_classifiers_are_refused(loss):
    model = MLPClassifier((3,), optimizer="lm", loss=loss)
    with pytest.raises(ValueError, match=r"LM minimizes the squared error of regression.*lbfgs"):
        model.fit(X, Y > 0)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile", "poisson"])
def test_other_losses_are_refused(loss):
    with pytest.raises(ValueError, match=r"LM minimizes the squared error of regression.*lbfgs"):
        make(loss=loss).fit(X, np.exp(Y))


def test_a_tight_max_iter_says_what_to_raise():
    with pytest.warns(ConvergenceWarning, match=r"LM failed.* 2 iter.*status=1.*max_iter"):
        clone(make(max_iter=2)).fit(X, Y)
