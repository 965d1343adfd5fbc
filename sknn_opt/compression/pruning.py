"""Removes hidden units: a smaller dense network, which is faster everywhere."""

import copy
import math
from numbers import Real

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils.validation import _check_sample_weight

from .._network.layout import PARAMETERS
from ..inspection import hidden_activations
from .networks import with_networks

#: Rows whose hidden outputs are in memory at a time.
_BLOCK_ROWS = 4096

#: Share of the mean variance that is added to each unit's, so that few rows do not overfit weights.
_RIDGE = 1e-4

#: Share of the mean variance that counts as none at all.
_NONE = 1e-10


def prune(estimator, amount, X=None, y=None, *, sample_weight=None, fine_tuning=None):
    r"""Return a smaller network, without a share of the units of each hidden layer.

    Without data, units with small incoming and outgoing weights are removed. The importance of unit
    :math:`j` in layer :math:`l` is, with :math:`|\gamma_j|`, the scale of its normalization, in
    place of the first factor if there is one,

    .. math:: \|W_{l, \cdot j}\| \, \|W_{l + 1, j \cdot}\|

    With data, units to keep are chosen one at a time: each time the one that, together with those
    chosen before, explains most of what the next layer receives. Then the next layer's weights and
    intercepts change so that they make up for the missing units, by least squares:

    .. math:: \min_{V, c} \; \sum_i \left\| \tilde a_i V + c - (a_i W_{l+1} + b_{l+1}) \right\|^2

    where :math:`a_i` are the outputs of the layer for row :math:`i`, and :math:`\tilde a_i` those
    of the pruned network. With targets, training then goes on, as in a warm start.

    Layers that residual connections join keep the same units. Those joined to the input keep
    all of theirs.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, Pipeline that ends in one, or committee of these
        Fitted. It stays as it is. In a committee each network is pruned.
    amount : float
        Share of the units to remove, between 0 and 1. At least one unit is left in each layer.
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features), default=None
        Data as the estimator predicts for. No more than a few thousand rows are needed if there
        are no targets.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets of the estimator, for fine-tuning.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples.
    fine_tuning : dict, default=None
        Parameters of the networks while they are fine-tuned, such as
        ``{"max_iter": 20, "learning_rate_init": 1e-4}``; None means that they keep their own.

    Returns
    -------
    pruned : estimator of the same class
        Fitted, with its new ``hidden_layer_sizes``.

    Raises
    ------
    TypeError
        If there is no network in the estimator.
    ValueError
        If no unit can be removed, or if parameters have no effect without data.

    References
    ----------
    H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf. "Pruning filters for efficient
    ConvNets". ICLR 2017, :arxiv:`1608.08710` (structured pruning by norms).

    J.-H. Luo, J. Wu, W. Lin. "ThiNet: A filter level pruning method for deep neural network
    compression". ICCV 2017, :arxiv:`1707.06342` (greedy selection, and least squares).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.compression import prune
    >>> X, y = load_digits(return_X_y=True)
    >>> network = MLPClassifier((80,), tol=1e-2, random_state=0).fit(X / 16, y)
    >>> pruned = prune(network, 0.5, X / 16)
    >>> print(pruned.hidden_layer_sizes, pruned.score(X / 16, y) > 0.95)
    (40,) True
    """
    if not isinstance(amount, Real) or not 0 < amount < 1:
        raise ValueError(f"amount must be a float in the range (0, 1), got {amount!r}.")
    if X is None and (y is not None or sample_weight is not None):
        raise ValueError("y and sample_weight have no meaning without X. Pass X.")
    if y is None and fine_tuning is not None:
        raise ValueError("fine_tuning needs targets: pass X and y.")

    def pruned(network, features):
        if X is None:
            return _Pruning(network, amount).by_norms()
        encoded = network._validate_features(features(X), network.coefs_[0].dtype)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, encoded)
        smaller = _Pruning(network, amount).by_outputs(encoded, weight)
        return smaller if y is None else _trained_on(smaller, encoded, y, weight, fine_tuning)

    return with_networks(estimator, pruned)


def _trained_on(network, X, y, sample_weight, changes):
    """Train a network from where it is, with changed parameters."""
    parameters = network.get_params(deep=False)
    if network.best_loss_ is not None:
        network.best_loss_ = math.inf  # which was the larger network's
    network._no_improvement_count = 0
    network.set_params(**{"warm_start": True, **(changes or {})})
    return network.fit(X, y, sample_weight).set_params(**parameters)


class _Pruning:
    """Which units of a network are kept.

    A place is where units are: the input is place 0, and place ``p`` lies between the layers
    ``p - 1`` and ``p``.

    Parameters
    ----------
    network : BaseMLP
        Fitted.
    amount : float
    """

    def __init__(self, network, amount):
        self._network = network
        self._layers = network._fitted_parameters()
        self._joins = network._fitted_architecture.residual
        self._units = [layer["coefs"].shape[0] for layer in self._layers]
        of_input, *self._groups = self._joined_places()
        if not self._groups:
            raise ValueError(
                "There are no units to remove: the network has no hidden layers, or residual "
                "connections join all of them to the input, whose features cannot go."
            )
        self._kept = {place: np.arange(self._units[place]) for place in of_input}
        self._sizes = self._wanted_sizes(amount)

    def _joined_places(self):
        """Return lists of places with the same units, that of the input first."""
        groups = [[0]]
        for place in range(1, len(self._units)):
            if self._joins and self._units[place] == self._units[place - 1]:
                groups[-1].append(place)
            else:
                groups.append([place])
        return groups

    def _wanted_sizes(self, amount):
        """Return how many units each group keeps."""
        sizes, before = [], self._units[0]
        for places in self._groups:
            units = self._units[places[0]]
            wanted = max(1, units - round(amount * units))
            # Layers whose widths came to agree would be joined, which they were not.
            possible = [n for n in range(1, units + 1) if not (self._joins and n == before)]
            if not possible:
                raise ValueError(
                    "residual=True would join the layers of 1 unit that are left. Remove less."
                )
            before = min(possible, key=lambda n: (abs(n - wanted), -n))
            sizes.append(before)
        return sizes

    def by_norms(self):
        """Return the network with the units that have the largest weights."""
        for places, size in zip(self._groups, self._sizes, strict=True):
            importance = sum(self._importance(place) for place in places)
            units = np.sort(np.argsort(-importance, kind="stable")[:size])
            self._kept |= dict.fromkeys(places, units)
        return self._smaller()

    def _importance(self, place):
        """Return the products of norms, relative to their mean."""
        layer, following = self._layers[place - 1], self._layers[place]
        incoming = np.linalg.norm(layer["coefs"].astype(np.float64), axis=0)
        incoming = np.abs(layer.get("normalization_scales", incoming))
        importance = incoming * np.linalg.norm(following["coefs"].astype(np.float64), axis=1)
        return importance / max(importance.mean(), np.finfo(float).tiny)

    def by_outputs(self, X, weight):
        """Return the network with the units that explain most, and make up for the others."""
        moments = {
            place: self._moments(self._network, place, X, weight)
            for places in self._groups
            for place in places
        }
        for places, size in zip(self._groups, self._sizes, strict=True):
            explained = [self._explained(moments[place], place) for place in places]
            self._kept |= dict.fromkeys(places, _most_telling(explained, size))
        smaller = self._smaller()
        for place in sorted(moments):
            self._make_up(smaller, place, X, weight)
        return smaller

    def _smaller(self):
        """Return a copy of the network with the kept units only."""
        smaller = copy.deepcopy(self._network)
        arrays = {name: [] for name in PARAMETERS}
        for i, layer in enumerate(self._layers):
            units = self._kept.get(i + 1, slice(None))  # the output keeps all
            for name, array in layer.items():
                kept = array[self._kept[i]][:, units] if name == "coefs" else array[units]
                arrays[name].append(np.array(kept, order="C"))  # a copy, which may change
        sizes = tuple(len(self._kept[place]) for place in range(1, len(self._units)))
        smaller.set_params(hidden_layer_sizes=sizes)
        vars(smaller).update(
            {f"{name}_": arrays[name] for name in PARAMETERS},
            _optimizer_state_=None,
            n_parameters_=sum(a.size for name in PARAMETERS[:4] for a in arrays[name]),
        )
        return smaller

    def _explained(self, moments, place):
        """Return covariances of units, and of units with what the next layer receives."""
        _, covariance = moments
        received = covariance @ self._layers[place]["coefs"].astype(np.float64)
        scale = np.sqrt(np.sum(received**2))
        return covariance, received / (scale if scale > 0 else 1.0)

    def _make_up(self, smaller, place, X, weight):
        """Change the weights after a place to those that receive what they did before."""
        mean, covariance = self._moments(smaller, place, X, weight, self._network)
        n = len(self._kept[place])
        units = self._kept.get(place + 1, slice(None))
        wanted = self._layers[place]["coefs"][:, units].astype(np.float64)
        weights = wanted[self._kept[place]]
        missing = covariance[:n, n:] @ wanted - covariance[:n, :n] @ weights
        inner = covariance[:n, :n] + _RIDGE * _mean_variance(covariance[:n, :n]) * np.eye(n)
        weights = weights + np.linalg.solve(inner, missing)
        smaller.coefs_[place][:] = weights
        smaller.intercepts_[place] += mean[n:] @ wanted - mean[:n] @ weights

    def _moments(self, network, place, X, weight, *others):
        """Return means and covariances of the units at a place, of several networks if given."""
        shift, total, first, second = None, 0.0, 0.0, 0.0
        for rows in gen_batches(X.shape[0], _BLOCK_ROWS):
            outputs = [hidden_activations(one, X[rows], place - 1) for one in (network, *others)]
            outputs = np.hstack(outputs).astype(np.float64)
            shares = np.ones(len(outputs)) if weight is None else weight[rows]
            shift = outputs.mean(axis=0) if shift is None else shift  # against cancellation
            outputs -= shift
            total += shares.sum()
            first = first + shares @ outputs
            second = second + (shares[:, np.newaxis] * outputs).T @ outputs
        mean = first / total
        return mean + shift, second / total - np.outer(mean, mean)


def _mean_variance(covariance):
    return max(np.trace(covariance) / len(covariance), np.finfo(float).tiny)


def _most_telling(explained, size):
    """Return the units that together explain most, found one after the other.

    Parameters
    ----------
    explained : list of tuple of ndarray
        For each place the covariances of the units, and of the units with what is explained.
    size : int
    """
    left = [[covariance.copy(), received.copy()] for covariance, received in explained]
    least = [_NONE * _mean_variance(covariance) for covariance, _ in left]
    kept = []
    for _ in range(size):
        gain = sum(
            (received**2).sum(axis=1) / (covariance.diagonal() + floor)
            for (covariance, received), floor in zip(left, least, strict=True)
        )
        gain[kept] = -1.0
        unit = int(np.argmax(gain))
        kept.append(unit)
        for (covariance, received), floor in zip(left, least, strict=True):
            # What is left of all units when this one's part is taken out.
            part = covariance[:, unit] / (covariance[unit, unit] + floor)
            received -= np.outer(part, received[unit])
            covariance -= np.outer(part, covariance[unit])
    return np.sort(kept)
