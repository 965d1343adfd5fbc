"""The classes that a file with an estimator of this package may name."""

import importlib
import inspect

from sklearn.base import BaseEstimator

from .callbacks.base import NetworkCallback

#: The modules that show estimators, and what estimators hold.
_MODULES = (
    "activations",
    "averaging",
    "batches",
    "callbacks",
    "compression",
    "ensemble",
    "estimators",
    "initializers",
    "losses",
    "normalizations",
    "optimizers",
    "preprocessing",
    "schedules",
    "tabular",
)

#: What these hold beside it, what needs another library, and a splitter of scikit-learn's that
#: skops does not know.
_OTHERS = (
    "sklearn.model_selection._split.KFold",
    "sknn_opt.dask.DaskMLPClassifier",
    "sknn_opt.dask.DaskMLPRegressor",
    "sknn_opt.losses.base.FromFunctions",
    "sknn_opt.losses.distillation.Distillation",
    "sknn_opt.preprocessing.target_means.TargetMeans",
)


def trusted_types() -> list[str]:
    """Return the names of the classes that a file with an estimator may hold, for skops.

    `skops <https://skops.readthedocs.io>`_ loads a file only if its reader trusts all types in it
    that belong neither to NumPy nor to scikit-learn. With an estimator of this package these are
    its class and those of its components. They hold arrays, numbers, strings and one another, so
    that loading them runs no code of the file. Functions of your own are not among them.

    Returns
    -------
    names : list of str
        For ``skops.io.load(file, trusted=...)``, and for ``skops_trusted_types=`` in MLflow.

    Examples
    --------
    >>> import sknn_opt
    >>> "sknn_opt.estimators.MLPClassifier" in sknn_opt.trusted_types()
    True
    """
    modules = (importlib.import_module(f".{name}", __package__) for name in _MODULES)
    shown = {one for module in modules for _, one in inspect.getmembers(module, _is_held)}
    names = {f"{cls.__module__}.{cls.__qualname__}" for cls in shown}
    return sorted({name for name in names if "._" not in name}.union(_OTHERS))


def _is_held(one):
    """Whether it is a class of what an estimator may be or hold."""
    if not inspect.isclass(one) or not one.__module__.startswith(f"{__package__}."):
        return False
    return issubclass(one, BaseEstimator | NetworkCallback)
