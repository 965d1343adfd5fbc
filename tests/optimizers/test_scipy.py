import numpy as np
import pytest
from problems import make_problem
from scipy.optimize import minimize
from surfaces import SURFACES

from sknn_opt._training.objective import Objective
from sknn_opt._training.row_sums import RowSums
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.optimizers import BFGS, CG, LBFGS, LM, OPTIMIZERS, FirstOrder, NewtonCG, TrustNCG
from sknn_opt.optimizers import scipy as _scipy_optimizers
from sknn_opt.optimizers.base import Stop
from sknn_opt.optimizers.scipy import ScipyOptimizer

BY_SCIPY = {name: cls for name, cls in OPTIMIZERS.items() if issubclass(cls, ScipyOptimizer)}
FTOL = 1e7 * np.finfo(float).eps  # SciPy's default

#: Optimizer, and SciPy's method and options for tol=0.1.
OPTIONS = [
    (LBFGS(), "L-BFGS-B", {"maxcor": 10, "gtol": 0.1, "ftol": FTOL, "maxls": 20}),
    (LBFGS(3, 0.0, 0.2, 30), "L-BFGS-B", {"maxcor": 3, "gtol": 0.0, "ftol": 0.2, "maxls": 30}),
    (BFGS(), "BFGS", {"gtol": 0.1, "xrtol": 0, "c1": 1e-4, "c2": 0.9}),
    (BFGS(0.0, 0.2, 0.3, 0.4, 5), "BFGS", {"gtol": 0.0, "xrtol": 0.2, "c1": 0.3, "c2": 0.4}),
    (CG(), "CG", {"gtol": 0.1, "c1": 1e-4, "c2": 0.4}),
    (CG(0.0, 0.2, 0.3), "CG", {"gtol": 0.0, "c1": 0.2, "c2": 0.3}),
    (NewtonCG(), "Newton-CG", {"xtol": 0.1, "c1": 1e-4, "c2": 0.9}),
    # SciPy 1.12 takes no step at 0.
    (
        NewtonCG(0.0, 0.2, 0.3),
        "Newton-CG",
        {"xtol": np.finfo(float).tiny, "c1": 0.2, "c2": 0.3},
    ),
    (
        TrustNCG(),
        "trust-ncg",
        {"gtol": 0.1, "initial_trust_radius": 1.0, "max_trust_radius": 1000.0, "eta": 0.15},
    ),
    (
        TrustNCG(0.0, 0.2, 0.3, 0.1),
        "trust-ncg",
        {"gtol": 0.0, "initial_trust_radius": 0.2, "max_trust_radius": 0.3, "eta": 0.1},
    ),
]


@pytest.fixture
def calls(monkeypatch):
    """The arguments of each call of SciPy."""
    seen = []

    def spy(fun, x0, **named):
        seen.append({"fun": fun, "x0": x0, **named})
        return minimize(fun, x0, **named)

    monkeypatch.setattr(_scipy_optimizers, "minimize", spy)
    return seen


def ignore(x, loss):
    pass


def test_that_every_method_is_tested():
    assert {type(optimizer) for optimizer, _, _ in OPTIONS} == set(BY_SCIPY.values())
    assert set(OPTIMIZERS.values()) - set(BY_SCIPY.values()) >= {LM}


@pytest.mark.parametrize(("optimizer", "method", "expected"), OPTIONS, ids=str)
def test_options_are_those_of_scipy(calls, optimizer, method, expected):
    surface = SURFACES["rosenbrock"]()
    # SciPy warns of options that it does not know, and a warning is an error.
    optimizer.minimize(surface, ignore, 0.1, 7)
    (call,) = calls
    options = call["options"]
    if method == "L-BFGS-B":
        assert options.pop("maxfun") == np.inf  # the trainer counts
    assert options == {**expected, "maxiter": 7}
    assert (call["method"], call["jac"]) == (method, True)
    assert call["fun"] == surface.loss_and_gradient
    np.testing.assert_array_equal(call["x0"], surface.start)


@pytest.mark.parametrize(("tol", "ftol"), [(1e-4, FTOL), (1e-12, 1e-12), (0.0, 0.0)])
def test_a_tight_tol_is_not_undone_by_ftol(calls, tol, ftol):
    LBFGS().minimize(SURFACES["parabola"](), ignore, tol, 5)
    assert calls[0]["options"]["ftol"] == ftol


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_bounds_reach_lbfgs(calls, l1_ratio):
    problem, theta = make_problem()
    problem.alpha, problem.l1_ratio = 1.0, l1_ratio
    objective = Objective(problem, theta, RowSums(problem, theta))
    result = LBFGS().minimize(objective, ignore, 1e-4, 20)
    assert calls[0]["bounds"] == objective.bounds()
    assert (calls[0]["bounds"] is None) == (l1_ratio == 0)
    if l1_ratio:
        split = result.x[: 2 * problem.layout.n_weights]
        assert split.min() == 0
        assert (split == 0).sum() > problem.layout.n_weights


@pytest.mark.parametrize("cls", [NewtonCG, TrustNCG])
@pytest.mark.parametrize("curvature", ["exact", "gauss_newton"])
def test_curvature_chooses_the_product(calls, cls, curvature):
    surface = SURFACES["rosenbrock"]()
    cls(curvature=curvature).minimize(surface, ignore, 1e-4, 3)
    assert surface.products == [curvature == "exact"]
    x, vector = np.array([0.3, -0.2]), np.array([1.0, 2.0])
    matrix = surface.hessian(x) if curvature == "exact" else surface.gauss_newton_matrix()(x)
    np.testing.assert_array_equal(calls[0]["hessp"](x, vector), matrix @ vector)


@pytest.mark.parametrize("name", BY_SCIPY)
def test_only_newton_methods_ask_for_products(calls, name):
    OPTIMIZERS[name]().minimize(SURFACES["parabola"](), ignore, 1e-4, 2)
    assert ("hessp" in calls[0]) == (name in ("newton-cg", "trust-ncg"))


WITHOUT_HESSIAN_PRODUCT = [
    (registry, name)
    for registry in (CLASSIFIER_LOSSES, REGRESSOR_LOSSES)
    for name in ("hinge", "absolute_error", "quantile")
    if name in registry
]


@pytest.mark.parametrize("cls", [NewtonCG, TrustNCG])
@pytest.mark.parametrize(("registry", "name"), WITHOUT_HESSIAN_PRODUCT)
def test_losses_without_curvature_are_refused(cls, registry, name):
    kind = "binary" if registry is CLASSIFIER_LOSSES else "continuous"
    problem, _ = make_problem(registry[name], kind)
    advice = f"{cls.__name__} needs second derivatives.*{type(problem.loss).__name__}.*'lbfgs'"
    with pytest.raises(ValueError, match=advice):
        cls().check(problem)


def test_that_losses_with_curvature_are_taken():
    refused = {name for _, name in WITHOUT_HESSIAN_PRODUCT}
    for registry, kind in ((CLASSIFIER_LOSSES, "binary"), (REGRESSOR_LOSSES, "continuous")):
        for name, loss in registry.items():
            problem, _ = make_problem(loss, kind)
            assert (problem.form.hessian_product is None) == (name in refused)
            if name not in refused:
                NewtonCG().check(problem)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("alpha", "l1_ratio"), [(1.0, 0.5), (0.0, 0.5), (1.0, 0.0)])
def test_only_lbfgs_takes_an_l1_penalty(name, alpha, l1_ratio):
    optimizer = OPTIMIZERS[name]()
    if isinstance(optimizer, FirstOrder):
        return  # first-order optimizers take any
    problem, _ = make_problem()
    problem.alpha, problem.l1_ratio = alpha, l1_ratio
    if alpha * l1_ratio == 0 or name == "lbfgs":
        optimizer.check(problem)
    else:
        words = f"{type(optimizer).__name__} needs a smooth objective.*l1_ratio to 0.*'lbfgs'"
        with pytest.raises(ValueError, match=words):
            optimizer.check(problem)


@pytest.mark.parametrize(("cls", "largest"), [(BFGS, 5000), (LM, 3000)])
def test_large_networks_are_refused_where_a_matrix_would_be(cls, largest):
    hidden = (largest // 8,)  # 8 parameters a unit, and 3 intercepts
    problem, theta = make_problem(hidden=hidden)
    assert largest < theta.size < largest + 10
    for limit, optimizer in (
        (largest, cls()),
        (theta.size - 1, cls(max_parameters=theta.size - 1)),
    ):
        words = f"has {theta.size} parameters to train, more than max_parameters={limit}.*'lbfgs'"
        with pytest.raises(ValueError, match=words):
            optimizer.check(problem)
    cls(max_parameters=theta.size).check(problem)
    cls().check(make_problem(hidden=(largest // 8 - 1,))[0])
    CG().check(problem)


def test_bounds_on_steps_that_contradict_each_other():
    problem, _ = make_problem()
    for first, largest in ((1.0, 1.0), (2.0, 1.0)):
        words = f"initial_trust_radius={first} must be less than max_trust_radius={largest}"
        with pytest.raises(ValueError, match=words):
            TrustNCG(initial_trust_radius=first, max_trust_radius=largest).check(problem)
    TrustNCG(initial_trust_radius=0.5, max_trust_radius=1.0).check(problem)


@pytest.mark.parametrize("cls", [BFGS, CG, NewtonCG])
def test_the_line_search_asks_for_more_of_the_slope_than_of_the_decrease(cls):
    problem, _ = make_problem()
    for c2 in (0.3, 0.2):
        with pytest.raises(ValueError, match=f"c1=0.3 must be less than c2={c2}"):
            cls(c1=0.3, c2=c2).check(problem)
    cls(c1=0.3, c2=0.4).check(problem)


@pytest.mark.parametrize("name", BY_SCIPY)
def test_numbers_that_scipy_refuses_end_the_minimization(name, monkeypatch):
    def refuse(fun, x0, **named):
        fun(x0)
        np.asarray_chkfinite([np.inf])

    monkeypatch.setattr(_scipy_optimizers, "minimize", refuse)
    with pytest.raises(Stop, match="because SciPy cannot go on: array must not contain infs"):
        BY_SCIPY[name]().minimize(SURFACES["parabola"](), ignore, 1e-4, 5)
