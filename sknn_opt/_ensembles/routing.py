"""Which metadata of a fit, such as sample weights, goes to the splitter, encoders and networks."""

from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import _check_method_params

from .members import encoder_of, network_of

#: What a committee chooses for its networks itself.
_OWN = ("X_val", "y_val", "sample_weight_val", "classes")


class Routing:
    """The metadata of one fit.

    Without scikit-learn's metadata routing, networks get the sample weights and nobody else gets
    anything. With it, everybody gets what they have requested.

    Parameters
    ----------
    owner : estimator
        The committee.
    named : list of (str, estimator)
        Its members.
    X : array-like
    metadata : dict
        What fit was given beside the data; None stands for what it was not.
    """

    def __init__(self, owner, named, X, metadata):
        self._X = X
        metadata = {name: value for name, value in metadata.items() if value is not None}
        if not _routing_enabled():
            self.of_splitter = {}
            self._of_member = {name: {"encoder": {}, "network": metadata} for name, _ in named}
            return
        routed = process_routing(owner, "fit", **metadata)
        self.of_splitter = routed.splitter.split
        self._of_member = {name: _inside(estimator, metadata) for name, estimator in named}
        for name, given in self._of_member.items():
            taken = [own for own in _OWN if own in given["network"]]
            if taken:
                raise ValueError(
                    f"{taken[0]} is routed to the networks of {name!r}, but the committee chooses "
                    "it: validation data are the rows that cv holds out, and classes are those "
                    "of y. Leave it out."
                )

    def of_encoder(self, member, rows):
        """Return what the encoder of a member is given with these rows."""
        return _check_method_params(self._X, self._of_member[member.name]["encoder"], rows)

    def of_network(self, member, rows):
        """Return what the network of a member is given with these rows."""
        return _check_method_params(self._X, self._of_member[member.name]["network"], rows)


def requesting_weights(network):
    """Return the network, which requests sample weights where scikit-learn routes metadata."""
    return network.set_fit_request(sample_weight=True) if _routing_enabled() else network


def routing_of(owner, named, cv):
    """Return the router of a committee."""
    router = MetadataRouter(owner=owner).add_self_request(owner)
    for name, estimator in named:
        fit = MethodMapping().add(caller="fit", callee="fit")
        router.add(**{name or "estimator": estimator}, method_mapping=fit)
    return router.add(splitter=cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))


def _inside(estimator, metadata):
    """Return what the parts of a member have requested."""
    router = MetadataRouter(owner=estimator)
    fit = MethodMapping().add(caller="fit", callee="fit")
    router.add(network=network_of(estimator), method_mapping=fit)
    encoder = encoder_of(estimator)
    if encoder is not None:
        fit_transform = MethodMapping().add(caller="fit", callee="fit_transform")
        router.add(encoder=encoder, method_mapping=fit_transform)
    routed = router.route_params(caller="fit", params=metadata)
    return {
        "network": routed["network"]["fit"],
        "encoder": {} if encoder is None else routed["encoder"]["fit_transform"],
    }
