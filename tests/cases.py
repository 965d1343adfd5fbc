"""Small networks in which every two features meet: what derivatives are tested on."""

import itertools

import numpy as np
from scipy import sparse

from sknn_opt._network.layout import Architecture, Layout, describe
from sknn_opt._network.problem import Problem
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS

N_SAMPLES, N_FEATURES, HIDDEN = 7, 4, (4, 4, 5)

FACTORS = {
    "loss": [
        *((cls, kind) for cls in CLASSIFIER_LOSSES.values() for kind in cls()._forms
          if kind != "continuous"),
        *((cls, kind) for cls in REGRESSOR_LOSSES.values()
          for kind in ("continuous", "continuous, some missing")),
    ],
    "activation": [*ACTIVATIONS, "a list"],
    "normalization": [None, *NORMALIZATIONS, ("batch", None, "layer")],
    "residual": [False, True],
    "dropout": [0.0, 0.4],
    "input_dropout": [0.0, 0.3],
    "container": ["dense", "csr"],
    "weighted": [False, True],
    "frozen": [(), (0,), (1, 2), (0, 3)],
}  # fmt: skip


def pairwise(factors):
    """Combinations in which every two levels of two factors meet, found greedily."""
    names = list(factors)
    pairs = {
        (a, i, b, j)
        for a, b in itertools.combinations(names, 2)
        for i in range(len(factors[a]))
        for j in range(len(factors[b]))
    }

    def covered(row):
        return {(a, row[a], b, row[b]) for a, b in itertools.combinations(names, 2)}

    rng = np.random.default_rng(0)
    while pairs:
        a, i, b, j = min(pairs)
        trials = []
        for _ in range(10):
            row = {name: int(rng.integers(len(levels))) for name, levels in factors.items()}
            trials.append({**row, a: i, b: j})
        best = max(trials, key=lambda row: len(covered(row) & pairs))
        pairs -= covered(best)
        yield {name: factors[name][best[name]] for name in names}


def _targets(loss, kind, rng):
    """Targets and the number of outputs that they ask for."""
    if kind == "binary":
        return rng.integers(0, 2, (N_SAMPLES, 1)).astype(float), 1
    if kind == "binary-probabilities":
        return rng.random((N_SAMPLES, 1)), 1
    if kind == "multiclass-probabilities":
        return rng.dirichlet(np.ones(3), N_SAMPLES), 3
    if kind == "multiclass":
        return rng.integers(0, 3, (N_SAMPLES, 1)).astype(float), 3
    if kind == "multiclass-multioutput":
        return rng.integers(0, [2, 3], (N_SAMPLES, 2)).astype(float), 5
    if kind == "multilabel-indicator":
        return rng.integers(0, 2, (N_SAMPLES, 2)).astype(float), 2
    y = rng.uniform(0.5, 2.0, (N_SAMPLES, 2))
    if kind.endswith("missing"):
        y[[0, 2], 0] = y[3, 1] = y[5] = np.nan
    return y, loss.n_outputs(2)


def form_of(loss, kind):
    """The kernels of a loss for a kind of targets, of which some may be missing."""
    return loss.form(kind.removesuffix(", some missing"))


def make_case(case, seed):
    """Return the problem of a small random network, and its parameters."""
    rng = np.random.default_rng(seed)
    loss_class, kind = case["loss"]
    loss = loss_class()
    y, n_outputs = _targets(loss, kind, rng)
    X = rng.standard_normal((N_SAMPLES, N_FEATURES))
    if case["container"] == "csr":
        X = sparse.csr_array(X * (rng.random(X.shape) < 0.7))
    weight = rng.uniform(0.5, 2.0, N_SAMPLES) if case["weighted"] else None
    names = [case["activation"]] * len(HIDDEN)
    if case["activation"] == "a list":
        names = ["tanh", "gelu", "softplus"]
    normalizations = case["normalization"]
    if not isinstance(normalizations, tuple):
        normalizations = [normalizations] * len(HIDDEN)
    normalizations = [None if n is None else NORMALIZATIONS[n]() for n in normalizations]
    rates = [0.0 if i in case["frozen"] else 1.0 for i in range(len(HIDDEN) + 1)]
    layout = Layout(describe([N_FEATURES, *HIDDEN, n_outputs], normalizations, rates))
    theta = 0.7 * rng.standard_normal(layout.n_values)
    for variance in layout.by_name(theta)["running_variances"]:
        variance[:] = 1.0
    problem = Problem(
        X=X,
        y=y,
        sample_weight=weight,
        loss=loss,
        form=form_of(loss, kind),
        n_classes=(2, 3) if kind == "multiclass-multioutput" else (),
        architecture=Architecture(
            [ACTIVATIONS[name]() for name in names],
            [case["dropout"]] * len(HIDDEN),
            normalizations,
            case["input_dropout"],
            case["residual"],
        ),
        layout=layout,
        alpha=0.0,
        l1_ratio=0.0,
    )
    return problem, theta


def name(case):
    loss, kind = case["loss"]
    return "-".join([loss.__name__, kind, *(str(v) for k, v in case.items() if k != "loss")])
