"""The members of a committee: what each of them is, before it is fitted.

A member is a network, or a pipeline that ends in one. Its encoder is what stands before the
network: members with equal encoders share the encoded features.
"""

import copy
from dataclasses import dataclass

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterSampler
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import _BaseComposition

LARGEST_SEED = np.iinfo(np.int32).max


class NamedMembers(_BaseComposition):
    """Members in a list, whose parameters are tuned as ``name__parameter``."""

    def __init__(self, pairs):
        self.pairs = pairs

    def get_params(self, deep=True):
        params = self._get_params("pairs", deep=deep)
        del params["pairs"]
        return params

    def set_params(self, **params):
        self._set_params("pairs", **params)
        return self

    def check(self, keyword):
        """Raise ValueError unless these are named estimators."""
        if not self.pairs or not all(
            isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)
            for pair in self.pairs
        ):
            raise ValueError(
                f"Invalid {keyword!r} attribute, {keyword!r} should be an estimator or a "
                "non-empty list of (string, estimator) tuples."
            )
        self._validate_names([name for name, _ in self.pairs])


class MembersMixin:
    """Parameters of members in a list, as ``estimator__name__parameter``."""

    #: The keyword that has the members.
    _members_keyword = "estimator"

    def get_params(self, deep=True):
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return those of the members, too.

        Returns
        -------
        params : dict
            Names of the parameters and their values.
        """
        params = super().get_params(deep=deep)
        members = params[self._members_keyword]
        if deep and isinstance(members, list):
            named = NamedMembers(members).get_params()
            params |= {f"{self._members_keyword}__{name}": named[name] for name in named}
        return params

    def set_params(self, **params):
        """Set the parameters of this estimator, and of its members.

        Parameters
        ----------
        **params : dict
            Names of parameters and their values.

        Returns
        -------
        self : object
        """
        keyword = self._members_keyword
        if keyword in params:
            setattr(self, keyword, params.pop(keyword))
        members = getattr(self, keyword)
        if isinstance(members, list):
            start = f"{keyword}__"
            inner = {k.removeprefix(start): params.pop(k) for k in [*params] if k.startswith(start)}
            setattr(self, keyword, NamedMembers(members).set_params(**inner).pairs)
        return super().set_params(**params)

    def _sk_visual_block_(self):
        """Show the members side by side."""
        try:
            from sklearn.utils._repr_html.estimator import _VisualBlock
        except ImportError:  # scikit-learn < 1.7
            from sklearn.utils._estimator_html_repr import _VisualBlock

        names, estimators = zip(*self._named_members(), strict=True)
        return _VisualBlock("parallel", estimators, names=names)


@dataclass
class Member:
    """One configuration, which becomes one network a fold.

    Attributes
    ----------
    estimator : estimator
        Not fitted: a network, or a pipeline that ends in one.
    name : str
        Of the estimator it was made from.
    view : str
        Equal for members whose encoders are equal.
    folds : list of Fold
        A network is trained on each.
    seeds : ndarray of shape (n_folds, 2)
        For the network of each fold, and for its rows.
    """

    estimator: BaseEstimator
    name: str
    view: str
    folds: list
    seeds: np.ndarray

    @property
    def network(self):
        return network_of(self.estimator)

    @property
    def encoder(self):
        return encoder_of(self.estimator)

    def fitted(self, encoder, network):
        """Return this member with its fitted parts."""
        if encoder is None:
            return network
        fitted = copy.copy(self.estimator)
        fitted.steps = [*encoder.steps, (self.estimator.steps[-1][0], network)]
        return fitted


def network_of(estimator):
    """Return the network that predicts."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def encoder_of(estimator):
    """Return the pipeline before the network, or None if there is nothing before it."""
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        return estimator[:-1]
    return None


def make_members(named, n_members, folds, draws, random_state):
    """Return members, taken from the named estimators in turn, each with seeds of its own.

    Whatever is random is drawn here, one member after the other, so that the networks do not
    depend on the order in which they are trained. ``folds`` has a list of them for each of the
    named estimators.
    """
    if draws is not None:
        _check_draws(draws, [name for name, _ in named])
    encoder_seed = random_state.randint(LARGEST_SEED)
    members = []
    for i in range(n_members):
        name, estimator = named[i % len(named)]
        own = np.random.RandomState(random_state.randint(LARGEST_SEED))
        estimator = clone(estimator)
        if draws is not None:
            estimator.set_params(**_draw(draws, name, own))
        view = _view(estimator)
        _seed_encoder(estimator, encoder_seed)
        own_folds = folds[i % len(named)]
        seeds = own.randint(LARGEST_SEED, size=(len(own_folds), 2))
        members.append(Member(estimator, name, view, own_folds, seeds))
    return members


def _check_draws(draws, names):
    """Raise ValueError for hyperparameters that belong to none of several named members."""
    for keyword in {key for one in _as_list(draws) for key in one}:
        if names != [""] and keyword.partition("__")[0] not in names:
            raise ValueError(
                f"draws has {keyword!r}, but the members have names. Say whose parameter it is: "
                f"'{names[0]}__{keyword}'."
            )


def _draw(draws, name, random_state):
    """Return hyperparameters of the member of this name, drawn as random searches do."""
    (drawn,) = ParameterSampler(draws, 1, random_state=random_state)
    start = f"{name}__" if name else ""
    return {k.removeprefix(start): v for k, v in drawn.items() if k.startswith(start)}


def _as_list(draws):
    return draws if isinstance(draws, list) else [draws]


def _view(estimator):
    """Return a text that is equal where the encoders are."""
    try:
        return joblib.hash(encoder_of(estimator))
    except Exception:  # a step that cannot be pickled is equal to itself only
        return str(id(estimator))


def _seed_encoder(estimator, seed):
    """Give steps before the network that have no seed of their own the same one in each member."""
    encoder = encoder_of(estimator)
    if encoder is not None:
        params = encoder.get_params(deep=True)
        unset = [k for k, v in params.items() if k.endswith("random_state") and v is None]
        encoder.set_params(**dict.fromkeys(unset, seed))
