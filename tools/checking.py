"""What is done with a case, and what counts as a failure.

An estimator may refuse a case: by a ValueError, TypeError or AttributeError that this package
raises by a statement of its own, or that comes out of scikit-learn. It must then be as it was
before. Whatever else is raised is a failure, and so is what `_Trial` finds wrong.
"""

import contextlib
import copy
import io
import opcode
import pickle
import re
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import scipy
import sklearn
from drawing import STEPS, break_csr, draw
from scipy import sparse
from scipy.special import logsumexp, softmax
from sklearn.base import clone

import sknn_opt
from sknn_opt.initializers import FromEstimator

PACKAGE = str(Path(sknn_opt.__file__).parent)
_SKLEARN, _SCIPY, _JOBLIB = (str(Path(m.__file__).parent) for m in (sklearn, scipy, joblib))
_REFUSALS = (ValueError, TypeError, AttributeError)
_FROM_WITHIN = ("broadcast", "NoneType", "out of bounds", "not aligned")
_OF_NUMBERS = re.compile("overflow|finite|diverge|NaN|a number|invalid value")
_PARAMETERS = (
    "coefs_",
    "intercepts_",
    "normalization_scales_",
    "normalization_shifts_",
    "running_means_",
    "running_variances_",
)


@dataclass(frozen=True)
class Outcome:
    """What came of a case: ``refused`` and ``failure`` are texts, or None."""

    seed: int
    n_fits: int = 0
    refused: str | None = None
    failure: str | None = None
    kind: str | None = None  # the same for failures of the same cause


class Failure(Exception):
    """Something that must not be."""

    def __init__(self, kind, details=""):
        super().__init__(kind, details)
        self.kind, self.details = kind, details


class _Refused(Exception):
    """An exception that is allowed."""


def run(case):
    """Run a case; return its `Outcome`."""
    trial = _Trial(case)
    refused = None
    try:
        trial.run()
    except _Refused as refusal:
        refused = str(refusal)
    except Failure as failure:
        text = f"{case}\n  {failure.kind}\n{failure.details}".rstrip()
        return Outcome(case.seed, trial.n_fits, None, text, failure.kind)
    return Outcome(case.seed, trial.n_fits, refused)


def run_seed(seed):
    """Run the case of a seed, and a failing one again with all left out that may be."""
    outcome = run(draw(seed))
    return outcome if outcome.failure is None else _shrink(draw(seed), outcome)


def _shrink(case, outcome):
    for smaller in case.smaller():
        trial = run(smaller)
        if trial.kind == outcome.kind:
            return _shrink(smaller, trial)
    return outcome


class _Trial:
    """An estimator on its way through the steps of a case."""

    def __init__(self, case):
        self.case, self.data = case, case.data
        self.n_fits = 0
        self.has_warned = False  # that something may not be finite
        self.warning = None  # the failure that a warning is

    def run(self):
        self.estimator = self._call(self.case.estimator)
        self._train("fit")
        if self.data.broken:
            raise Failure(f"fit accepts what is broken: {self.data.broken}")
        self.first = _parameters(self.estimator)
        for step in self.case.steps:
            self.random = np.random.default_rng([self.case.seed, STEPS.index(step)])
            with contextlib.suppress(_Refused):
                getattr(self, f"_{step}")()

    # -- calls -------------------------------------------------------------------------------

    def _call(self, function, *arguments, **keywords):
        """Return what the function returns; raise `_Refused` or `Failure`."""
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("always")
            warnings.showwarning = self._on_warning
            try:
                result = function(*arguments, **keywords)
            except Exception as error:
                if is_refusal(error):
                    raise _Refused(str(error)) from error
                place = _innermost_place(traceback.extract_tb(error.__traceback__))
                raise Failure(
                    f"{type(error).__name__} at {place}: {str(error)[:100]}",
                    "".join(traceback.format_exception(error)),
                ) from error
        if self.warning is not None:
            raise self.warning
        return result

    def _on_warning(self, message, category, *_):
        self.has_warned |= bool(_OF_NUMBERS.search(str(message)))
        stack = traceback.extract_stack()[:-1]
        stack = [frame for frame in stack if not frame.filename.endswith("/warnings.py")]
        ours = _responsible((frame.filename for frame in stack), _SCIPY) == PACKAGE
        on_purpose = stack[-1].filename.endswith("_warnings.py")
        if issubclass(category, RuntimeWarning) and ours and not on_purpose:
            self.warning = Failure(
                f"{category.__name__} at {_innermost_place(stack)}: {message}",
                "".join(traceback.format_list(stack[-3:])),
            )

    def _must_refuse(self, what, function, *arguments, **keywords):
        with contextlib.suppress(_Refused):
            self._call(function, *arguments, **keywords)
            raise Failure(f"no exception: {what}")

    def _train(self, method, X=None, y=None, estimator=None, **keywords):
        """Call fit or partial_fit, and check what must hold whatever comes of it."""
        data, estimator = self.data, estimator or self.estimator
        arguments = [data.X if X is None else X, data.y if y is None else y]
        before = copy.deepcopy(vars(estimator))
        parameters = copy.deepcopy(estimator.get_params())
        given = copy.deepcopy((arguments, data.sample_weight, data.validation))
        try:
            train = self._call(getattr, estimator, method)
            self._call(train, *arguments, data.sample_weight, **data.validation, **keywords)
        except _Refused:
            changed = _differences(before, vars(estimator))
            if changed:
                raise Failure(f"changed by a failed {method}: {', '.join(changed)}") from None
            raise
        finally:
            if not same(given, (arguments, data.sample_weight, data.validation)):
                raise Failure(f"{method} changed its arguments")
        self.n_fits += 1
        changed = _differences(parameters, estimator.get_params())
        if changed:
            raise Failure(f"parameters changed by {method}: {', '.join(changed)}")
        if not all(np.isfinite(array).all() for array in _parameters(estimator)):
            raise Failure(f"parameters that are not finite after {method}")
        self._check_finite(estimator.loss_, "loss_")

    def _check_finite(self, values, what):
        if not np.isfinite(values).all() and not self.has_warned:
            raise Failure(f"not finite, without a warning that says so: {what}")

    def _outputs(self, estimator, X):
        names = ("predict", "predict_proba", "decision_function")
        return [self._call(getattr(estimator, n), X) for n in names if hasattr(estimator, n)]

    # -- steps -------------------------------------------------------------------------------

    def _predict(self):
        estimator, X = self.estimator, self.data.X
        n_rows = len(X) if isinstance(X, list) else X.shape[0]
        predicted = self._call(estimator.predict, X)
        if predicted.shape[0] != n_rows:
            raise Failure(f"predict has {predicted.shape[0]} rows for {n_rows}")
        if not hasattr(estimator, "classes_"):
            self._check_finite(predicted, "predict")
            if estimator._fitted_loss.form("continuous").has_variances:
                self._check_deviations(predicted)
            return
        multilabel = estimator.targets_ == "multilabel"
        names = ["decision_function"]
        if hasattr(estimator, "predict_proba"):
            names += ["predict_proba", "predict_log_proba"]
        outputs = [self._call(getattr(estimator, name), X) for name in names]
        if estimator.targets_ != "multioutput":
            self._check_output(predicted, estimator.classes_, outputs, multilabel)
            return
        for column, classes, *each in zip(predicted.T, estimator.classes_, *outputs, strict=True):
            self._check_output(column, classes, each, multilabel)

    def _check_deviations(self, predicted):
        mean, std = self._call(self.estimator.predict, self.data.X, return_std=True)
        self._check_finite(std, "standard deviations")
        if not same(mean, predicted) or mean.shape != std.shape or not (std >= 0).all():
            raise Failure("predict(return_std=True) contradicts predict")

    def _check_output(self, predicted, classes, outputs, multilabel):
        """Check what methods return for one output: decisions, and maybe probabilities."""
        if not multilabel and not np.isin(predicted, classes).all():
            raise Failure("predict returns labels that are no classes")
        decision, *others = outputs
        self._check_finite(decision, "decision_function")
        if others and np.isfinite(decision).all():
            self._check_probabilities(decision, predicted, classes, *others, multilabel)

    def _check_probabilities(
        self, decision, predicted, classes, probabilities, logarithms, multilabel
    ):
        tolerance = 1e-4 if probabilities.dtype == np.float32 else 1e-9
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise Failure("probabilities outside [0, 1]")
        if not np.allclose(np.exp(logarithms), probabilities, atol=tolerance):
            raise Failure("predict_log_proba contradicts predict_proba")
        if multilabel:
            return
        if not np.allclose(probabilities.sum(axis=1), 1, atol=tolerance):
            raise Failure("probabilities do not sum to 1")
        if len(classes) == 1:
            return  # two columns, as in scikit-learn
        chosen = (predicted[:, np.newaxis] == classes) @ np.arange(len(classes))
        likelihood = np.take_along_axis(probabilities, chosen[:, np.newaxis], axis=1).ravel()
        if (likelihood < probabilities.max(axis=1) - tolerance).any():
            raise Failure("predict is not the most probable class")
        if decision.ndim == 2:
            if not np.allclose(softmax(decision, axis=1), probabilities, atol=tolerance):
                raise Failure("decision_function contradicts predict_proba")
            if not np.allclose(logsumexp(decision, axis=1), 0, atol=tolerance):
                raise Failure("decision_function of several classes: no log-probabilities")

    def _score(self):
        data = self.data
        self._call(self.estimator.score, data.X, data.y, data.sample_weight)

    def _pickle(self):
        loaded = self._call(lambda: pickle.loads(pickle.dumps(self.estimator)))
        if not same(self._outputs(self.estimator, self.data.X), self._outputs(loaded, self.data.X)):
            raise Failure("predictions differ after pickling")
        self.estimator = loaded

    def _clone(self):
        twin = self._call(clone, self.estimator)
        changed = _differences(self.estimator.get_params(), twin.get_params())
        if changed or hasattr(twin, "coefs_"):
            raise Failure(f"clone differs: {', '.join(changed) or 'fitted'}")

    def _same_seed(self):
        if self.estimator.max_time is not None or self.estimator.random_state is None:
            return
        twin = self.case.estimator()
        self._train("fit", estimator=twin)
        if not same(self.first, _parameters(twin)):
            raise Failure("another model from the same seed")

    def _plain_indicators(self):
        plain = self.data.indicators
        if plain is None or self.data.validation or self.estimator.max_time is not None:
            return
        twin = self.case.estimator()
        self._train("fit", y=plain, estimator=twin)
        if not same(self.first, _parameters(twin)):
            raise Failure("another model from the same indicators as 0 and 1")

    def _warm_start(self):
        self.estimator.set_params(warm_start=True)
        self._train("fit")
        self._train("fit")
        self._predict()

    def _partial_fit(self):
        classes = getattr(self.estimator, "classes_", None)
        keywords = {} if classes is None else {"classes": classes}
        estimator = self.estimator
        if self.random.random() < 0.5:
            estimator = self.case.estimator()  # the first call of all
        self._train("partial_fit", estimator=estimator, **keywords)
        self._train("partial_fit", estimator=estimator, **keywords)
        self.estimator = estimator
        self._predict()

    def _other_features(self):
        X = np.ones((4, self.estimator.n_features_in_ + int(self.random.choice([-1, 1, 30]))))
        self._must_refuse("predict with other features", self.estimator.predict, X)
        self._must_refuse("predict with one dimension", self.estimator.predict, X[0])
        self._must_refuse("predict without rows", self.estimator.predict, X[:0])
        method = self.random.choice(["fit", "partial_fit"])
        self.estimator.set_params(warm_start=True)
        with contextlib.suppress(_Refused):
            y = np.arange(4) % 2 if hasattr(self.estimator, "classes_") else np.ones(4)
            self._train(method, X, y)
            raise Failure(f"no exception: {method} goes on with other features")

    def _broken_rows(self):
        shape = (5, self.estimator.n_features_in_)
        X = sparse.csr_matrix(np.ones(shape, self.estimator.coefs_[0].dtype))
        problem = break_csr(self.random, X)
        self._must_refuse(f"predict with a CSR matrix: {problem}", self.estimator.predict, X)

    def _assign(self):
        fitted = self.estimator
        name = self.random.choice([n for n in _PARAMETERS if len(getattr(fitted, n, ()))])
        arrays = getattr(fitted, name)
        i = int(self.random.integers(len(arrays)))
        kind = self.random.choice([*_REPLACEMENTS])
        change, allowed = _REPLACEMENTS[kind]
        changed = list(arrays)
        changed[i : i + 1] = change(arrays[i])
        setattr(fitted, name, changed)
        for use in (fitted.predict, fitted.to_sklearn):
            if allowed:
                with contextlib.suppress(_Refused):
                    self._call(use, *([self.data.X] if use == fitted.predict else []))
            else:
                what = f"{name}, {kind}, {use.__name__}"
                self._must_refuse(what, use, *([self.data.X] if use == fitted.predict else []))
        setattr(fitted, name, arrays)

    def _to_sklearn(self):
        twin = self._call(self.estimator.to_sklearn)
        expected = self._call(self.estimator.predict, self.data.X)
        got = self._call(twin.predict, self.data.X)
        if hasattr(self.estimator, "classes_") or not np.isfinite(expected).all():
            return  # rounding may decide for another class
        # Terms that cancel leave the rounding of the largest one.
        rounding = 100 * np.finfo(expected.dtype).eps * np.abs(self.estimator.intercepts_[-1]).max()
        tolerance = max(1e-3 * np.abs(expected).max(), rounding)
        if not np.allclose(expected, got, rtol=1e-3, atol=tolerance):
            raise Failure("to_sklearn predicts otherwise")

    def _transfer(self):
        fitted, twin = self.estimator, self.case.estimator()
        trainable = [bool(value) for value in self.random.integers(2, size=len(fitted.coefs_))]
        twin.set_params(initializer=FromEstimator(fitted), trainable=trainable)
        self._train("fit", estimator=twin)
        for name in ("coefs_", "intercepts_"):
            pairs = zip(getattr(fitted, name), getattr(twin, name), trainable, strict=True)
            if not all(learns or same(before, after) for before, after, learns in pairs):
                raise Failure(f"{name} of a frozen layer changed")

    def _committee(self):
        """Fit a committee of such networks, and the same in two threads."""
        random, data = self.random, self.data
        of_classes = hasattr(self.estimator, "classes_")
        cls = sknn_opt.MLPEnsembleClassifier if of_classes else sknn_opt.MLPEnsembleRegressor
        given = {
            "n_estimators": int(random.integers(1, 4)),
            "bootstrap": bool(random.random() < 0.3),
            "cv": [None, 2, 3][random.integers(3)],
            "snapshots": [None, 1, 3][random.integers(3)],
            "calibrate": bool(random.random() < 0.3),
            "random_state": 0,
        }
        committee, twin = (cls(self.case.estimator(), **given, n_jobs=n) for n in (1, 2))
        self._call(committee.fit, data.X, data.y, data.sample_weight)
        self.n_fits += 1
        weights = committee.member_weights_
        if not (np.isclose(weights.sum(), 1) and (weights >= 0).all()):
            raise Failure(f"weights of members: {weights}")
        name = "predict_proba" if of_classes else "predict"
        predicted = self._call(getattr(committee, name), data.X)
        for one in predicted if isinstance(predicted, list) else [predicted]:
            self._check_finite(one, f"{name} of a committee")
        if self.estimator.max_time is None:
            self._call(twin.fit, data.X, data.y, data.sample_weight)
            if not same(predicted, self._call(getattr(twin, name), data.X)):
                raise Failure("another committee from two threads")
        if given["cv"]:
            self._call(committee.predict_interval, data.X, 0.5)


#: What is put in the place of a fitted array, and whether that may be accepted.
_REPLACEMENTS = {
    "shorter": (lambda array: [array[:-1]], False),
    "longer": (lambda array: [np.concatenate([array, array])], False),
    "one dimension more": (lambda array: [array[np.newaxis]], False),
    "complex": (lambda array: [array + 1j], False),
    "strings": (lambda array: [array.astype(str).astype(object) + "x"], False),
    "missing": (lambda array: [], False),
    "one more": (lambda array: [array, array], False),
    "float32": (np.errstate(over="ignore")(lambda array: [array.astype(np.float32)]), True),
    "float64, big-endian": (lambda array: [array.astype(">f8")], True),
    "integers": (lambda array: [np.sign(array).astype(int)], True),
    "Fortran": (lambda array: [np.asfortranarray(array)], True),
    "strided": (lambda array: [np.repeat(array, 2, axis=0)[::2]], True),
    "lists": (lambda array: [array.tolist()], True),
    "NaN": (lambda array: [np.full_like(array, np.nan)], True),
}


# -- exceptions ------------------------------------------------------------------------------


def is_refusal(error):
    """Whether an exception tells the user, in our or scikit-learn's words, what is wrong."""
    if not isinstance(error, _REFUSALS) or any(word in str(error) for word in _FROM_WITHIN):
        return False
    frames = list(traceback.walk_tb(error.__traceback__))
    responsible = _responsible((frame.f_code.co_filename for frame, _ in frames), _JOBLIB)
    if responsible != PACKAGE:
        return responsible is not None
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    raised = opcode.opname[code.co_code[last.tb_lasti]] in ("RAISE_VARARGS", "RERAISE")
    return raised and code.co_filename.startswith(PACKAGE)


def _responsible(filenames, *others):
    """The package out of ours, scikit-learn and others whose file is the last one, or None."""
    for filename in reversed(list(filenames)):
        for package in (PACKAGE, _SKLEARN, *others):
            if filename.startswith(package):
                return package
    return None


def _innermost_place(stack):
    ours = [frame for frame in stack if frame.filename.startswith(PACKAGE)] or stack
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


# -- comparisons -----------------------------------------------------------------------------


def _parameters(estimator):
    return [array.copy() for name in _PARAMETERS for array in getattr(estimator, name)]


def _differences(before, after):
    """Names of the entries that differ between two dicts."""
    names = before.keys() ^ after.keys()
    names |= {name for name in before.keys() & after.keys() if not same(before[name], after[name])}
    return sorted(names)


def same(a, b):
    """Whether two objects hold the same, bit by bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray) and a.dtype != object:
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and same(a.ravel().tolist(), b.ravel().tolist())
    if sparse.issparse(a):  # whose other attributes note what has been looked at
        names = ("shape", "data", "indices", "indptr", "coords")
        return all(same(getattr(a, name, None), getattr(b, name, None)) for name in names)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.random.RandomState | type) or callable(a):
        return True
    if hasattr(a, "__dict__"):
        return same(vars(a), vars(b))
    return bool(a == b or (a != a and b != b))
