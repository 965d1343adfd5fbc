"""Networks trained on Dask collections, which no process holds whole.

This module needs the extra ``dask``: ``pip install "sknn_opt[dask]"``.
"""

import copy
from inspect import Parameter, signature
from numbers import Integral
from typing import Self

import dask
import dask.array
import numpy as np
from distributed import get_client
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from ._distributed.collections import partitions, row_counts
from ._distributed.fit import DistributedFit
from ._documentation_link import DocumentationLinkMixin
from ._estimators.callbacks import CallbackSupportMixin
from .estimators import MLPClassifier, MLPRegressor

__all__ = ["DaskMLPClassifier", "DaskMLPRegressor"]


def _takes_keywords_of(network_class):
    """Decorate an estimator so that its constructor is that of ``network_class``.

    It has ``local_steps`` as well.
    """

    def decorate(cls):
        network = signature(network_class.__init__)
        more = Parameter("local_steps", Parameter.KEYWORD_ONLY, default=None)
        wanted = network.replace(parameters=[*network.parameters.values(), more])

        def __init__(self, *arguments, **keywords):
            bound = wanted.bind(self, *arguments, **keywords)
            bound.apply_defaults()
            vars(self).update({n: v for n, v in bound.arguments.items() if n != "self"})

        __init__.__signature__ = wanted
        cls.__init__, cls._network_class = __init__, network_class
        cls._parameter_constraints = network_class._parameter_constraints | {
            "local_steps": [Interval(Integral, 1, None, closed="left"), None]
        }
        return cls

    return decorate


class _DaskMLP(DocumentationLinkMixin, CallbackSupportMixin, BaseEstimator):
    """Base of both estimators.

    What is fitted is an estimator of ``_network_class``, by sums that workers compute. Its
    fitted attributes become those of this one.
    """

    def __getstate__(self):
        return {name: v for name, v in super().__getstate__().items() if name != "client"}

    def __sklearn_tags__(self):
        return self._network_class().__sklearn_tags__()

    def _fit_on_cluster(self, X, y, sample_weight, validation, classes):
        network = self._network(is_fitted=self.warm_start and hasattr(self, "coefs_"))
        if hasattr(self, "_skl_callbacks"):
            network._skl_callbacks = self._skl_callbacks
        context = network._init_callback_context(max_subtasks=self.max_iter)
        data = X, y, sample_weight, validation, classes
        fit = DistributedFit(network, self._client(), *data, self.local_steps)
        network._carry_out(fit, context)
        parameters = {*self.get_params(deep=False), "_skl_callbacks"}
        vars(self).update({n: v for n, v in vars(network).items() if n not in parameters})
        return self

    def _client(self):
        if hasattr(self, "client"):
            return self.client
        try:
            return get_client()
        except ValueError as error:
            raise ValueError(
                f"{type(self).__name__} found no Dask client. Make one first, such as "
                "distributed.Client(), or set the attribute client."
            ) from error

    def _network(self, is_fitted):
        """Return an estimator of one machine, with the parameters of this one."""
        parameters = self.get_params(deep=False)
        del parameters["local_steps"]
        network = self._network_class(**parameters)
        if is_fitted:
            unlike = {*parameters, "local_steps", "client", "_skl_callbacks"}
            vars(network).update({n: v for n, v in vars(self).items() if n not in unlike})
        return network

    def to_local(self) -> MLPClassifier | MLPRegressor:
        """Return the fitted network as an estimator of one machine.

        Returns
        -------
        estimator : MLPClassifier or MLPRegressor
            It has the same parameters and fitted attributes, and predicts for arrays.
        """
        check_is_fitted(self, "coefs_")
        return self._network(is_fitted=True)

    def _lazily(self, method, X):
        """Return what ``method`` returns for each partition: a Dask array, or a list of them."""
        check_is_fitted(self, "coefs_")
        network, parts = self.to_local(), partitions(X, "X")
        sample = _sample(network, method)
        call = dask.delayed(_call)
        network = dask.delayed(network, traverse=False)
        outputs = [call(network, method, part, sample) for part in parts]
        n_rows = row_counts(X, len(parts))
        if not isinstance(sample, list):
            return _joined(outputs, n_rows, sample)
        return [
            _joined([output[i] for output in outputs], n_rows, one) for i, one in enumerate(sample)
        ]


def _sample(network, method):
    """Return what ``method`` returns, for no rows: its type and its columns."""
    network = copy.copy(network)
    vars(network).pop("feature_names_in_", None)
    row = np.zeros((1, network.n_features_in_), network.coefs_[0].dtype)
    returned = getattr(network, method)(row)
    return [one[:0] for one in returned] if isinstance(returned, list) else returned[:0]


def _call(network, method, X, sample):
    return getattr(network, method)(X) if _num_samples(X) else sample


def _joined(outputs, n_rows, sample):
    """Return the outputs for all partitions as one Dask array."""
    arrays = [
        dask.array.from_delayed(output, (n, *sample.shape[1:]), sample.dtype)
        for output, n in zip(outputs, n_rows, strict=True)
    ]
    return dask.array.concatenate(arrays, allow_unknown_chunksizes=True)


@_takes_keywords_of(MLPClassifier)
class DaskMLPClassifier(_DaskMLP):
    """A classifier for Dask collections: one network, trained by a whole cluster.

    With a full-batch optimizer each evaluation of

    .. math:: \\frac{1}{S} \\sum_p \\sum_{i \\in p} s_i \\, \\ell(y_i, z_i) + \\text{penalty}

    is a round over the partitions :math:`p`. Each worker adds up loss and gradient over the
    partitions that it has, and the client takes the step. The result is that of
    `sknn_opt.MLPClassifier`, up to rounding, however the rows are partitioned.

    With a first-order optimizer, such as 'adam', each partition takes steps on mini-batches of
    its own, from the same parameters :math:`\\theta`, and arrives at :math:`\\theta_p`. The
    mean change over the :math:`n_p` rows that each has seen is the gradient of an outer step,

    .. math::

        g = \\frac{\\sum_p n_p (\\theta - \\theta_p)}{\\sum_p n_p}, \\qquad
        v \\leftarrow \\mu v + g, \\qquad \\theta \\leftarrow \\theta - (g + \\mu v), \\qquad
        \\mu = \\min(0.9, 1 - 1 / P),

    for :math:`P` partitions of equal size. The optimizer's state is the mean of theirs. With one
    partition that is plain training; with more it takes some two to three times as many epochs.

    Workers may die as long as one is left and the data can be computed again; what is lost is
    computed again, with the same result. If there is no worker for a minute, or for as long as
    Dask's ``distributed.scheduler.no-workers-timeout`` says, ``fit`` raises an error.

    Parameters
    ----------
    **keywords
        Those of `sknn_opt.MLPClassifier`, with the same meanings, but for these: rows for
        `early_stopping` are drawn at random in each partition, not stratified; `scoring` is
        None, 'loss' or 'accuracy' where validation rows are on the cluster; and `n_jobs`, the
        number of threads of each task, is 1 for None. With mini-batches, a batch is of one
        partition, an epoch is one of all partitions, and batch normalization, `averaging`,
        `l1_ratio` and the optimizers 'kfac', 'rprop', 'schedule_free' and 'soap' do not apply.
    local_steps : int, default=None
        Steps on mini-batches that each partition takes between two outer steps; None means an
        epoch of its rows.

    Attributes
    ----------
    client : distributed.Client
        Set it to use another one than the current. It is not a parameter: neither clones nor
        pickles have it.
    coefs_, intercepts_, classes_, history_
        These and all other fitted attributes are those of `sknn_opt.MLPClassifier`.

    See Also
    --------
    sknn_opt.MLPClassifier : The same for data that one machine can hold.
    DaskMLPRegressor : The same for regression.

    References
    ----------
    J. Dean, S. Ghemawat. "MapReduce: simplified data processing on large clusters". OSDI 2004.

    C.-T. Chu et al. "Map-Reduce for machine learning on multicore". NIPS 2006. (Sums over the
    parts of the data, for networks among others.)

    S. U. Stich. "Local SGD converges fast and communicates little". ICLR 2019,
    :arxiv:`1805.09767`.

    A. Douillard et al. "DiLoCo: distributed low-communication training of language models".
    2023, :arxiv:`2311.08105`. (The outer step, with a momentum of 0.9.)

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sknn_opt.dask import DaskMLPClassifier
    >>> client = Client(processes=False, n_workers=1, dashboard_address=":0")
    >>> X = da.random.default_rng(0).normal(size=(600, 4), chunks=(200, 4))
    >>> y = X[:, 0] > X[:, 1]
    >>> model = DaskMLPClassifier((5,), optimizer="lbfgs", random_state=0).fit(X, y)
    >>> print((model.predict(X) == y).mean().compute() > 0.95)
    True
    >>> client.close()
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        classes=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Fit the network to ``X`` and ``y``.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)
            Features. Chunks may be CSR matrices.
        y : dask.array or dask.dataframe of shape (n_samples,) or (n_samples, n_columns)
            Classes; or, as `targets` says, labels, probabilities of classes, or classes of
            several outputs. Partitioned as ``X``; arrays are rechunked where they are not.
        sample_weight : dask.array or dask.dataframe of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        classes : array-like of shape (n_classes,), or list of array-like, default=None
            All classes, of which ``y`` may lack some; None means those of ``y``. See
            `sknn_opt.MLPClassifier.fit`.
        X_val, y_val, sample_weight_val : Dask collection or array-like, default=None
            Data to validate on. Arrays are validated on where the client is.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the input is not valid, naming the partition where one is at fault, or if
            training diverged. The estimator is then as it was before.
        RuntimeError
            If all workers are gone.
        """
        validation = X_val, y_val, sample_weight_val
        return self._fit_on_cluster(X, y, sample_weight, validation, classes)

    def predict(self, X) -> dask.array.Array:
        """Predict classes, lazily.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)

        Returns
        -------
        y : dask.array of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_outputs)
        """
        return self._lazily("predict", X)

    @available_if(MLPClassifier._check_probabilities)
    def predict_proba(self, X) -> dask.array.Array | list[dask.array.Array]:
        """Predict class probabilities, lazily.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)

        Returns
        -------
        probabilities : dask.array of shape (n_samples, n_classes), or list of dask.array
            As those of `sknn_opt.MLPClassifier`.
        """
        return self._lazily("predict_proba", X)

    def decision_function(self, X) -> dask.array.Array | list[dask.array.Array]:
        """Return how confident the network is of each class, lazily.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)

        Returns
        -------
        confidence : dask.array of shape (n_samples,) or (n_samples, n_outputs), or list of these
            As that of `sknn_opt.MLPClassifier`.
        """
        return self._lazily("decision_function", X)


@_takes_keywords_of(MLPRegressor)
class DaskMLPRegressor(_DaskMLP):
    """A regressor for Dask collections: one network, trained by a whole cluster.

    It is trained as `DaskMLPClassifier` is: by full-batch optimizers with the result of
    `sknn_opt.MLPRegressor`, up to rounding, or by steps on the mini-batches of each partition.

    Parameters
    ----------
    **keywords
        Those of `sknn_opt.MLPRegressor`, with the same meanings, but for those that
        `DaskMLPClassifier` tells of, and for `scoring`, which is None, 'loss' or 'r2' where
        validation rows are on the cluster; `scale_targets` and `missing_targets` do not apply.
    local_steps : int, default=None
        Steps on mini-batches that each partition takes between two outer steps; None means an
        epoch of its rows.

    Attributes
    ----------
    client : distributed.Client
        Set it to use another one than the current. It is not a parameter: neither clones nor
        pickles have it.
    coefs_, intercepts_, history_
        These and all other fitted attributes are those of `sknn_opt.MLPRegressor`.

    See Also
    --------
    sknn_opt.MLPRegressor : The same for data that one machine can hold.
    DaskMLPClassifier : The same for classes.

    References
    ----------
    C.-T. Chu et al. "Map-Reduce for machine learning on multicore". NIPS 2006. (Sums over the
    parts of the data, for networks among others.)

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sknn_opt.dask import DaskMLPRegressor
    >>> client = Client(processes=False, n_workers=1, dashboard_address=":0")
    >>> X = da.random.default_rng(0).normal(size=(600, 4), chunks=(200, 4))
    >>> y = X[:, 0] - 2 * X[:, 1]
    >>> model = DaskMLPRegressor((5,), optimizer="lbfgs", random_state=0).fit(X, y)
    >>> print(abs(model.predict(X) - y).mean().compute() < 0.1)
    True
    >>> client.close()
    """

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None
    ) -> Self:
        """Fit the network to ``X`` and ``y``.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)
            Features. Chunks may be CSR matrices.
        y : dask.array or dask.dataframe of shape (n_samples,) or (n_samples, n_outputs)
            Targets. Partitioned as ``X``; arrays are rechunked where they are not.
        sample_weight : dask.array or dask.dataframe of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 each.
        X_val, y_val, sample_weight_val : Dask collection or array-like, default=None
            Data to validate on. Arrays are validated on where the client is.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the input is not valid, naming the partition where one is at fault, or if
            training diverged. The estimator is then as it was before.
        RuntimeError
            If all workers are gone.
        """
        validation = X_val, y_val, sample_weight_val
        return self._fit_on_cluster(X, y, sample_weight, validation, None)

    def predict(self, X) -> dask.array.Array:
        """Predict targets, lazily.

        Parameters
        ----------
        X : dask.array or dask.dataframe of shape (n_samples, n_features)

        Returns
        -------
        y : dask.array of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._lazily("predict", X)
