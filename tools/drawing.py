"""Random estimators and data, each case determined by one integer.

Keywords are drawn from what the estimators themselves declare (`_parameter_constraints` and the
registries), so a new keyword or component is fuzzed from the day it enters the signature.
"""

from dataclasses import dataclass, field, replace
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.utils._param_validation import Interval, Options, StrOptions

from sknn_opt import GrowingBatch, MLPClassifier, MLPRegressor
from sknn_opt.activations import ACTIVATIONS, Activation
from sknn_opt.averaging import AVERAGINGS
from sknn_opt.initializers import INITIALIZERS
from sknn_opt.losses import Loss
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS, FullBatch
from sknn_opt.schedules import SCHEDULES

_REGISTRIES = (ACTIVATIONS, AVERAGINGS, INITIALIZERS, NORMALIZATIONS, OPTIMIZERS, SCHEDULES)
_EXTREMES = (5e-324, 1e-300, 1e-40, 1e20, 1e300)
_NONSENSE = (-1, 0, 7, 1.5, -0.5, np.nan, np.inf, None, True, "nonsense", (), [1.0, 2.0], object)

#: What is done with an estimator after its first fit; see `checking`.
STEPS = (
    "predict", "score", "pickle", "clone", "same_seed", "plain_indicators", "warm_start",
    "partial_fit", "other_features", "broken_rows", "assign", "to_sklearn", "transfer",
    "committee",
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """What is passed to fit.

    ``broken`` says why fit has to refuse it; None where nothing is known to be wrong.
    ``indicators`` are the targets as 0 and 1, where ``y`` has other numbers that mean the same.
    """

    X: object
    y: object
    sample_weight: object = None
    validation: dict = field(default_factory=dict)
    description: str = ""
    broken: str | None = None
    indicators: object = None


@dataclass(frozen=True)
class Case:
    """An estimator, data, and what is done with them."""

    seed: int
    cls: type
    parameters: dict
    data: Data
    steps: tuple

    def estimator(self):
        return self.cls(**self.parameters)

    def __str__(self):
        lines = [f"seed {self.seed}: {self.estimator()!r}", f"  {self.data.description}"]
        return "\n".join([*lines, f"  steps: {', '.join(('first fit', *self.steps))}"])

    def smaller(self):
        """Yield the cases with one keyword or one step less."""
        for name in self.parameters.keys() - {"random_state"}:
            rest = {key: value for key, value in self.parameters.items() if key != name}
            yield replace(self, parameters=rest)
        for i in range(len(self.steps)):
            yield replace(self, steps=self.steps[:i] + self.steps[i + 1 :])


def draw(seed):
    """Return the case of a seed."""
    random = np.random.default_rng(seed)
    cls = (MLPClassifier, MLPRegressor)[random.integers(2)]
    parameters = _draw_parameters(random, cls)
    if _chance(random, 0.9):
        _leave_out_what_does_not_apply(parameters)
    if _chance(random, 0.05):
        name = _one_of(random, sorted(cls._get_param_names()))
        parameters[name] = _one_of(random, _NONSENSE)
    steps = tuple(str(step) for step in random.permutation(STEPS)[: random.integers(2, 6)])
    data = _draw_data(random, cls)
    if cls is MLPRegressor and data.broken is None and _chance(random, 0.15):
        parameters["missing_targets"] = "ignore"
        data = _with_gaps(random, data)
    return Case(seed, cls, parameters, data, steps)


def _chance(random, probability):
    return bool(random.random() < probability)


def _one_of(random, values):
    return values[random.integers(len(values))]  # as it is, where random.choice makes an array


# -- estimators ------------------------------------------------------------------------------


def _leave_out_what_does_not_apply(parameters):
    """Leave out most of what would be refused beside the optimizer and the loss."""
    optimizer = parameters.get("solver") or parameters.get("optimizer", "adam")
    optimizer = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else type(optimizer)
    names = {"n_jobs"}
    if issubclass(optimizer, FullBatch):
        names = _FOR_MINI_BATCHES
        if optimizer is not OPTIMIZERS["lbfgs"]:
            names |= {"l1_ratio"}
    if optimizer is OPTIMIZERS["rprop"]:
        names |= {"batch_size"}
    if not names.isdisjoint({"batch_size", "dropout"}) or parameters.get("batch_size") == "full":
        names |= {"normalization"}
    if optimizer is OPTIMIZERS["kfac"]:
        names |= {"loss"}
    if optimizer is OPTIMIZERS["schedule_free"]:
        names |= {"averaging"}
    if parameters.get("loss", "log_loss") != "log_loss":
        names |= {"label_smoothing"}
    if parameters.get("loss", "log_loss") not in ("log_loss", "squared_error", "focal"):
        names |= {"mixup"}
    for name in names & parameters.keys():
        del parameters[name]


_FOR_MINI_BATCHES = frozenset({
    "averaging", "clip_norm", "clip_value", "dropout", "input_dropout", "input_noise",
    "max_norm", "mixup", "warmup",
})  # fmt: skip


def _draw_parameters(random, cls):
    drawn = {
        "hidden_layer_sizes": _draw_sizes(random),
        "max_iter": int(random.integers(1, 8)),
        "max_fun": int(random.integers(1, 60)),
        "random_state": int(random.integers(1000)),
    }
    likely = {"optimizer": 0.7, "loss": 0.5, "early_stopping": 0.25, "activation": 0.5}
    for name, constraints in sorted(cls._parameter_constraints.items()):
        if name not in drawn and _chance(random, likely.get(name, 0.12)):
            own = _OWN_DRAWS.get(name)
            drawn[name] = own(random, drawn) if own else _draw_value(random, constraints, cls)
    return drawn


def _draw_sizes(random):
    sizes = random.integers(1, 9, size=random.integers(4))
    if _chance(random, 0.3):
        sizes[:] = random.integers(1, 9)  # where residual connections are
    if _chance(random, 0.05):
        sizes[:1] = 130
    return tuple(int(size) for size in sizes)


def _draw_value(random, constraints, cls):
    """Return a value that one of the constraints allows."""
    constraint = _one_of(random, constraints)
    if isinstance(constraint, StrOptions | Options):
        return _one_of(random, sorted(constraint.options, key=str))
    if isinstance(constraint, Interval):
        return _draw_number(random, constraint)
    if isinstance(constraint, type) and issubclass(constraint, BaseEstimator):
        return _draw_component(random, constraint, cls)
    if constraint is Integral:
        return int(random.integers(-2, 4))
    if constraint in ("boolean", "verbose"):
        return _chance(random, 0.5)
    return None


def _draw_number(random, interval):
    low = -np.inf if interval.left is None else interval.left
    high = np.inf if interval.right is None else interval.right
    if interval.type is Integral:
        return int(low) + int(_one_of(random, [0, 0, 1, 2, 5]))
    if _chance(random, 0.1):
        candidates = [low, high, *_EXTREMES, np.nextafter(low, high), np.nextafter(high, low)]
    else:
        exponent = random.uniform(-5, 1)
        candidates = [low + 10**exponent, random.uniform(max(low, -2), min(high, 2))]
    candidates = [float(value) for value in candidates if np.isfinite(value) and value in interval]
    return _one_of(random, candidates) if candidates else 0.5


def _draw_component(random, base, cls):
    """Return an instance of a component class, some of its parameters drawn."""
    registries = (*_REGISTRIES, cls._losses)
    found = [one for registry in registries for one in registry.values() if issubclass(one, base)]
    if base in (Activation, Loss) and _chance(random, 0.02):
        return _USERS_OWN[base]
    component = _one_of(random, found or [base])
    drawn = {
        name: _draw_value(random, constraints, cls)
        for name, constraints in component._parameter_constraints.items()
        if "array-like" not in constraints and _chance(random, 0.4)
    }
    return component(**drawn)


def _cubic(z):
    return z * z * z


def _cubic_derivative(z):
    return 3.0 * z * z


def _quartic(y, prediction):
    return (prediction - y) ** 4


def _quartic_derivative(y, prediction):
    return 4.0 * (prediction - y) ** 3


_USERS_OWN = {
    Activation: Activation.from_functions(_cubic, _cubic_derivative),
    Loss: Loss.from_functions(_quartic, _quartic_derivative),
}


def _score_nan(estimator, X, y, sample_weight=None):
    return np.nan


_SCORERS = (
    "loss", "loss", "accuracy", "neg_log_loss", "roc_auc", "roc_auc_ovr", "average_precision",
    "r2", "neg_mean_absolute_error", "neg_root_mean_squared_log_error",
    make_scorer(accuracy_score), _score_nan,
)  # fmt: skip


def _draw_scoring(random, drawn):
    drawn["early_stopping"] = True
    return _one_of(random, _SCORERS)


def _draw_activation(random, drawn):
    def one():
        choices = [Activation, StrOptions(ACTIVATIONS.names), StrOptions(ACTIVATIONS.names)]
        return _draw_value(random, choices, MLPClassifier)

    if _chance(random, 0.3):
        return [one() for _ in drawn["hidden_layer_sizes"]]
    return one()


def _draw_batch_size(random, drawn):
    if _chance(random, 0.2):
        return _draw_component(random, GrowingBatch, MLPClassifier)
    return _one_of(random, ["full", 1, 2, 3, 7, 16, 10**6])


def _draw_dropout(random, drawn):
    n_hidden = len(drawn["hidden_layer_sizes"])
    rates = [float(rate) for rate in random.choice([0.0, 0.1, 0.5, 0.99], n_hidden + 1)]
    return rates[1:] if _chance(random, 0.3) else rates[0]


def _draw_trainable(random, drawn):
    n_layers = len(drawn["hidden_layer_sizes"]) + 1
    if _chance(random, 0.5):
        return [bool(value) for value in random.integers(2, size=n_layers)]
    return [float(factor) for factor in random.choice([0.0, 0.1, 1.0, 3.0], n_layers)]


#: Where what the constraints allow is too much, or too little.
_OWN_DRAWS = {
    "activation": _draw_activation,
    "batch_size": _draw_batch_size,
    "class_weight": lambda random, drawn: _one_of(
        random, ["balanced", "balanced", {0: 2.0}, {0: 0, 1: 1}, {"a": 3}, {0: -1}, [{0: 1}], {}]
    ),
    "dropout": _draw_dropout,
    "n_iter_no_change": lambda random, drawn: _one_of(random, [1, 1, 2, np.inf]),
    "learning_rate_init": lambda random, drawn: float(10 ** random.uniform(-4, 0.5)),
    "scoring": _draw_scoring,
    "trainable": _draw_trainable,
    "solver": lambda random, drawn: drawn.pop("optimizer", None) and "lbfgs",
    # What is wrong with y beside the others is not known here.
    "missing_targets": lambda random, drawn: "error",
    "targets": lambda random, drawn: _one_of(random, ["auto", "probabilities"]),
    "validation_fraction": lambda random, drawn: _one_of(random, [0.1, 0.2, 0.5, 0.9, 0.0]),
}


# -- data ------------------------------------------------------------------------------------


def _draw_data(random, cls):
    n_rows = int(_one_of(random, [1, 2, 3, *random.integers(5, 60, 15), 1100]))
    values, content = _draw_features(random, n_rows)
    y, targets, problem, indicators = (
        _draw_labels(random, n_rows) if cls is MLPClassifier else _draw_numbers(random, n_rows)
    )
    weight, weights, weight_problem = _draw_weight(random, n_rows)
    X, layout, layout_problem = _lay_out(random, values)
    validation = {}
    if _chance(random, 0.15):
        n_held_out = int(random.integers(1, n_rows + 1))
        validation["X_val"], _, _ = _lay_out(random, values[:n_held_out], may_break=False)
        validation["y_val"] = y[:n_held_out]
        if _chance(random, 0.3):
            validation["sample_weight_val"] = random.integers(0, 3, n_held_out).astype(float)
    if not problem and _chance(random, 0.01):
        y, problem = y[:-1], "y has a row less than X"
    feature_problem = None if np.isfinite(values).all() else "X is not finite"
    problems = (problem, feature_problem, weight_problem, layout_problem)
    description = f"X: {content}, {layout}; y: {targets}; sample_weight: {weights}"
    if validation:
        description += f"; {', '.join(validation)}: the first {n_held_out} row(s)"
    return Data(
        X, y, weight, validation, description, "; ".join(filter(None, problems)) or None, indicators
    )


def _draw_features(random, n_rows):
    """Return values and what they are."""
    n_features = int(_one_of(random, [1, 2, 3, 5, 40]))
    values = random.normal(size=(n_rows, n_features))
    content = "normal"
    if _chance(random, 0.25):
        name, change = _one_of(
            random,
            [
                ("constant", lambda: 1.0),
                ("zeros", lambda: 0.0),
                ("one row repeated", lambda: values[:1]),
                ("mostly zeros", lambda: values * (random.random(values.shape) < 0.2)),
                ("columns of all scales", lambda: values * 10.0 ** random.uniform(-8, 8)),
                ("huge", lambda: values * 1e300),
                ("large", lambda: values * 1e30),
                ("subnormal", lambda: values * 1e-310),
                ("with a NaN", lambda: np.where(random.random(values.shape) < 0.3, np.nan, values)),
                ("with an inf", lambda: np.where(values == values.max(), np.inf, values)),
            ],
        )
        content, values = name, np.broadcast_to(change(), values.shape).copy()
    return values, f"{content} {values.shape}"


def _lay_out(random, values, may_break=True):
    """Return the values in some container, its description and what is wrong with it."""
    dtype = np.dtype(_one_of(random, ["f8", "f8", "f8", "f4", "f4", ">f8", "i4", "?", "f2"]))
    if not np.abs(values).max() <= _LARGEST.get(dtype.char, 1e30):  # a NaN is not
        dtype = np.dtype("f8")
    X = values.astype(dtype)
    name = _one_of(random, [*_DENSE, *_SPARSE])
    if name in _DENSE:
        return _DENSE[name](X), f"{dtype} {name}", None
    # SciPy takes no half precision, and no other byte order.
    X = _SPARSE[name](
        sparse.csr_matrix(X.astype(dtype if dtype.isnative and dtype.char in "fdi" else "f8"))
    )
    if may_break and X.format == "csr" and X.nnz > 1 and _chance(random, 0.15):
        problem = break_csr(random, X)
        return X, f"{X.dtype} {name}, {problem}", problem
    return X, f"{X.dtype} {name}", None


_LARGEST = {"i": 1e9, "e": 6e4}


def _unaligned(X):
    record = np.zeros(X.shape, [("pad", "u1"), ("value", X.dtype)])
    record["value"] = X
    return record["value"]


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _wide_indices(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def _unsorted(X):
    for start, end in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:end] = X.indices[start:end][::-1].copy()
        X.data[start:end] = X.data[start:end][::-1].copy()
    X.has_sorted_indices = False
    return X


def _duplicated(X):
    halves = X.data.astype(np.float64) / 2
    return sparse.csr_matrix(
        (np.repeat(halves, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape
    )


def _read_only_csr(X):
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    return X


_DENSE = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "read-only": _read_only,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "part of a wider one": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "unaligned": _unaligned,
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
}
_SPARSE = {
    "csr_matrix": lambda X: X,
    "csr_array": sparse.csr_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "csr_matrix, int64 indices": _wide_indices,
    "csr_matrix, unsorted": _unsorted,
    "csr_matrix, duplicates": _duplicated,
    "csr_matrix, read-only": _read_only_csr,
}


def break_csr(random, X):
    """Break a CSR matrix in place, past what SciPy's constructors see; return what is wrong."""
    kind = _one_of(random, ["index too large", "negative index", "indptr falls", "indptr too long"])
    for name in ("indices", "indptr"):
        setattr(X, name, getattr(X, name).copy())
    if kind == "index too large":
        X.indices[random.integers(X.nnz)] = X.shape[1] + _one_of(random, [0, 1, 999, 2**30])
    elif kind == "negative index":
        X.indices[random.integers(X.nnz)] = -_one_of(random, [1, 7, 2**30])
    elif kind == "indptr falls" and len(X.indptr) > 2:
        X.indptr[random.integers(1, len(X.indptr) - 1)] = X.nnz + 5
    else:
        kind = "indptr too long"
        X.indptr[-1] = len(X.data) + 1000
    return kind


def _draw_kind(random, kinds, refused_kinds):
    """Return a name, the function of that name, and, where fit has to refuse it, the name."""
    if _chance(random, 0.06):
        kind = _one_of(random, [*refused_kinds])
        return kind, refused_kinds[kind], kind
    kind = _one_of(random, [next(iter(kinds)), *kinds])
    return kind, kinds[kind], None


def _draw_labels(random, n_rows):
    """Return targets, what they are, what is wrong with them, and plain indicators."""
    n_classes = int(_one_of(random, [1, 2, 2, 2, 3, 5]))
    codes = random.integers(n_classes, size=n_rows)
    if _chance(random, 0.3):
        return _draw_indicators(random, n_rows)
    if _chance(random, 0.2):
        return _draw_columns(random, n_rows)
    if _chance(random, 0.1):
        codes = np.minimum(np.arange(n_rows), n_classes - 1)  # all classes but one have one row
    kind, change, wrong = _draw_kind(random, _LABELS, _REFUSED_LABELS)
    return change(codes), f"{n_classes} class(es), {kind}", wrong, None


_LABELS = {
    "integers": lambda codes: codes,
    "strings": lambda codes: np.array(list("abcde"))[codes],
    "objects": lambda codes: np.array(list("abcde"), object)[codes],
    "booleans": lambda codes: codes > 0,
    "whole floats": lambda codes: codes.astype(np.float32) * 7 - 7,
    "a column": lambda codes: codes[:, np.newaxis],
    "a list": lambda codes: codes.tolist(),
    "read-only": lambda codes: _read_only(codes),
}
_REFUSED_LABELS = {
    "continuous": lambda codes: codes + 0.5,
    "with None": lambda codes: np.where(np.arange(len(codes)) == 0, None, codes),
    "with a NaN": lambda codes: np.where(np.arange(len(codes)) == 0, np.nan, codes),
    "three dimensions": lambda codes: codes[:, np.newaxis, np.newaxis],
}


def _draw_columns(random, n_rows):
    """Probabilities of classes, or classes of several outputs."""
    n_columns = int(random.integers(2, 5))
    if _chance(random, 0.5):
        shares = random.dirichlet(np.full(n_columns, _one_of(random, [0.1, 1.0])), n_rows)
        kind, change, wrong = _draw_kind(random, _SHARES, _REFUSED_SHARES)
        return change(shares), f"probabilities {shares.shape}, {kind}", wrong, None
    codes = random.integers(_one_of(random, [3, 5]), size=(n_rows, n_columns))
    codes[:1, :2] = 1, 2  # by three values they are told from labels
    codes[1:2, -1] = 0
    kind, change, wrong = _draw_kind(random, _OUTPUTS, _REFUSED_OUTPUTS)
    return change(codes), f"several outputs {codes.shape}, {kind}", wrong, None


_SHARES = {
    "float64": lambda shares: shares,
    "float32": lambda shares: shares.astype(np.float32),
    "a list": lambda shares: shares.tolist(),
}
_REFUSED_SHARES = {
    "rows that sum to 0.9": lambda shares: 0.9 * shares + 1e-9,
    "a negative one": lambda shares: np.c_[shares + 0.25, np.full(len(shares), -0.75)],
}
_OUTPUTS = {
    "integers": lambda codes: codes,
    "strings": lambda codes: np.array(list("abcde"))[codes],
    "objects": lambda codes: np.array(list("abcde"), object)[codes],
    "whole floats": lambda codes: codes.astype(np.float32),
    "a list": lambda codes: codes.tolist(),
}
_REFUSED_OUTPUTS = {
    "continuous": lambda codes: codes + 0.5,
    "sparse": sparse.csr_array,
}


def _draw_indicators(random, n_rows):
    plain = random.integers(0, 2, size=(n_rows, int(random.integers(2, 5))))
    if _chance(random, 0.2):
        plain[:, 0] = _one_of(random, [0, 1])
    kind, change, wrong = _draw_kind(random, _INDICATORS, _REFUSED_INDICATORS)
    if plain.min() == plain.max():
        wrong = None  # one number: some label that all samples have
    same = plain if plain.any() and wrong is None else None
    return change(plain), f"multilabel {plain.shape}, {kind}", wrong, same


def _twice(plain):
    doubled = _duplicated(sparse.csr_matrix(plain))
    doubled.data = np.ones(len(doubled.data), int)
    return doubled


_INDICATORS = {
    "0 and 1": lambda plain: plain,
    "CSR": sparse.csr_matrix,
    "booleans": lambda plain: plain.astype(bool),
    "floats": lambda plain: plain.astype(np.float32),
    "0 and 255": lambda plain: 255 * plain,
    "CSC, 0 and 2": lambda plain: sparse.csc_array(2 * plain),
    "CSR, entries twice": _twice,
}
_REFUSED_INDICATORS = {
    "-1 and 1": lambda plain: 2 * plain - 1,
    "1 and 2": lambda plain: plain + 1,
}


def _draw_numbers(random, n_rows):
    shape = n_rows if _chance(random, 0.6) else (n_rows, int(random.integers(1, 4)))
    normal = random.normal(size=shape)
    kind, change, wrong = _draw_kind(random, _NUMBERS, _REFUSED_NUMBERS)
    return change(normal), f"{normal.shape}, {kind}", wrong, None


def _with_gaps(random, data):
    """Leave out some targets, where there are several a sample."""
    if not isinstance(data.y, np.ndarray) or data.y.ndim == 1 or data.y.shape[1] == 1:
        return data
    y = data.y.astype(float)
    y[random.random(y.shape) < 0.3] = np.nan
    return replace(data, y=y, description=f"{data.description}; some of y missing")


_NUMBERS = {
    "positive": lambda y: np.exp(y),
    "normal": lambda y: y,
    "counts": lambda y: np.floor(np.abs(3 * y)).astype(int),
    "float32, Fortran": lambda y: np.asfortranarray(y, np.float32),
    "read-only": _read_only,
    "constant": lambda y: np.full_like(y, 3.0),
    "zeros": np.zeros_like,
    "huge": lambda y: np.abs(y) * 1e300,
    "large": lambda y: np.abs(y) * 1e25,
    "tiny": lambda y: np.abs(y) * 1e-310,
    "a list": lambda y: y.tolist(),
}
_REFUSED_NUMBERS = {
    "with a NaN": lambda y: np.where(y == y.ravel()[0], np.nan, y),
    "strings": lambda y: np.full(y.shape, "a"),
}


def _draw_weight(random, n_rows):
    """Return weights, what they are and what is wrong with them."""
    if _chance(random, 0.5):
        return None, "None", None
    weight = random.uniform(0.1, 2, n_rows)
    kind, change, wrong = _draw_kind(random, _WEIGHTS, _REFUSED_WEIGHTS)
    return change(weight, np.arange(n_rows) % 3 > 0), kind, wrong


_WEIGHTS = {
    "uniform": lambda weight, zeros: weight,
    "with zeros": lambda weight, zeros: np.where(zeros, 0.0, weight),
    "with subnormals": lambda weight, zeros: np.where(zeros, 1e-310, weight),
    "with float32 subnormals": lambda weight, zeros: np.where(zeros, 1e-40, weight),
    "integers": lambda weight, zeros: zeros + 1,
    "a list": lambda weight, zeros: weight.tolist(),
    "a number": lambda weight, zeros: 2.0,
    "float32, read-only": lambda weight, zeros: _read_only(weight.astype(np.float32)),
    "large": lambda weight, zeros: weight * 1e30,
    "huge": lambda weight, zeros: weight * 1e300,
    "tiny": lambda weight, zeros: weight * 1e-30,
    "one row alone": lambda weight, zeros: np.where(np.arange(len(weight)) == 0, 1.0, 0.0),
}
_REFUSED_WEIGHTS = {
    "all 0": lambda weight, zeros: np.zeros_like(weight),
    "all subnormal": lambda weight, zeros: np.full_like(weight, 1e-310),
    "negative": lambda weight, zeros: -weight,
    "with a NaN": lambda weight, zeros: np.where(np.arange(len(weight)) == 0, np.nan, weight),
    "too short": lambda weight, zeros: weight[:-1],
}
