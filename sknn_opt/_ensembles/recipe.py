"""The members of tabular committees: how a table is encoded, and which network learns from it.

Chosen on tables of up to some thousand rows; the guide's page says what each choice is worth.
"""

import numpy as np
import sklearn
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.utils.fixes import parse_version

from ..averaging import EMA
from ..optimizers import AdamW, Muon
from ..preprocessing import KernelFeatures, RelevanceScaler, TabularEncoder
from .routing import requesting_weights

#: Steps of training, which the cosine schedule of the learning rate spans.
_STEPS = 4000
_STEPS_FOR_RELEVANCE = 200
_BATCH_FOR_RELEVANCE = 128
_LEAST_EPOCHS, _MOST_EPOCHS = 10, 120

#: With so many classes and rows, networks on plain numbers are trained by Muon: it gets further
#: where there is little noise, and is no better elsewhere.
_MANY_CLASSES, _ROWS_FOR_MUON = 5, 500
_STEPS_OF_MUON = 900
_BATCHES_OF_MUON = 4

#: Rows of the mean of all that a category's mean of the target is mixed with.
_SMOOTHING = 10.0

#: How tables are encoded.
_VIEWS = {
    # Numbers as they are, but for outliers.
    "plain": {"n_bins": 0, "n_frequencies": 0},
    # Few waves and fine bins of little weight: functions that are smooth.
    "smooth": {"n_bins": 16, "distinct_share": 0.0, "n_frequencies": 8, "scale": 0.15},
    # Many bins of much weight: functions with steps, as trees find them.
    "steps": {"n_bins": 32, "n_frequencies": 6, "sigma": 2.0, "scale": 0.6, "max_columns": 320},
    "fine": {"n_bins": 48, "n_frequencies": 8, "sigma": 2.0, "scale": 0.6},
    "coarse": {
        "n_bins": 8,
        "distinct_share": 0.0,
        "n_frequencies": 4,
        "scale": 0.2,
        "max_columns": 256,
    },
}

#: Names of the members by kind of task and by the keyword ``members``, the most useful first.
CLASSIFIERS = {"auto": ("steps", "plain", "kernel", "smooth"), "fast": ("steps", "plain")}
REGRESSORS = {"auto": ("steps", "counts", "smooth", "fine_counts"), "fast": ("steps",)}

#: Members for classes that are trained on twice as many folds, by the keyword ``members``.
MORE_FOLDS = {"auto": ("steps", "plain"), "fast": ("plain",)}


def make_member(name, network_class, categorical_features, loss):
    """Return the pipeline of a name."""
    classifies = network_class.__name__.endswith("Classifier")
    target_encoder = make_target_encoder("auto" if classifies else "continuous")
    if name == "plain":
        encoder = _encoder("plain", categorical_features)
        network = _network(network_class, loss, normalization="batch", dropout=0.2)
    elif name == "smooth":
        encoder = _relevant(_encoder("smooth", categorical_features), _network(network_class, loss))
        network = _network(network_class, loss, (128, 128, 64), n_iter_no_change=10)
    elif name == "kernel":
        encoder = _relevant(
            _encoder("plain", categorical_features, target_encoder), _network(network_class, loss)
        )
        network = _network(network_class, loss, (64,), n_iter_no_change=10)
        return Pipeline([("encoder", encoder), ("kernel", KernelFeatures()), ("network", network)])
    elif name == "steps":
        encoder = _relevant(
            _encoder("steps", categorical_features, target_encoder), _network(network_class, loss)
        )
        network = _network(network_class, loss, (96, 64), n_iter_no_change=10)
    else:
        view, hidden = {"counts": ("coarse", (64, 64)), "fine_counts": ("fine", (128, 64))}[name]
        encoder = _encoder(view, categorical_features, target_encoder)
        network = _network(network_class, "poisson", hidden, n_iter_no_change=10)
    return Pipeline([("encoder", encoder), ("network", network)])


def make_target_encoder(target_type):
    """Return a target encoder that shuffles rows in the same way each time."""
    if parse_version(sklearn.__version__) < parse_version("1.9.dev"):
        return TargetEncoder(target_type=target_type, smooth=_SMOOTHING, random_state=0)
    folds = KFold(5, shuffle=True, random_state=0)
    return TargetEncoder(target_type=target_type, smooth=_SMOOTHING, cv=folds)


def _encoder(view, categorical_features, target_encoder=None):
    return TabularEncoder(categorical_features, target_encoder=target_encoder, **_VIEWS[view])


def _relevant(encoder, network):
    network.set_params(
        hidden_layer_sizes=(32,), learning_rate_init=4e-3, batch_size=_BATCH_FOR_RELEVANCE
    )
    return RelevanceScaler(network, encoder)


def _network(network_class, loss, hidden_layer_sizes=(128, 64), **changes):
    parameters = {
        "hidden_layer_sizes": hidden_layer_sizes,
        "activation": "mish",
        "loss": loss,
        "optimizer": AdamW(weight_decay=0.01),
        "learning_rate_init": 3e-3,
        "learning_rate": "cosine",
        "alpha": 0.0,
        "dropout": 0.1,
        "averaging": EMA(decay=0.99),
        "batch_size": 64,
        "max_iter": _MOST_EPOCHS,
        "n_iter_no_change": 16,
        "tol": 0.0,
        "dtype": "float32",
    }
    if not network_class.__name__.endswith("Classifier"):
        parameters["scale_targets"] = True
    return requesting_weights(network_class(**{**parameters, **changes}))


def adapt(name, member, n_rows, n_classes, least_target):
    """Set what depends on the data: the size of batches, epochs, and links of positive numbers.

    Parameters
    ----------
    name : str
    member : Pipeline
        Of that name.
    n_rows : int
        That each network is trained on.
    n_classes : int
        0 for numbers and for several labels or outputs.
    least_target : float or None
        The least number of a regression's targets.
    """
    network = member.named_steps["network"]
    batch_size = 32 if n_rows < 1000 else 64 if n_rows < 3000 else 128
    steps = _STEPS
    if name == "plain" and n_classes >= _MANY_CLASSES and n_rows >= _ROWS_FOR_MUON:
        network.set_params(optimizer=Muon(weight_decay=0.01), learning_rate_init=0.015)
        batch_size, steps = _BATCHES_OF_MUON * batch_size, _STEPS_OF_MUON
    batch_size = min(batch_size, n_rows)
    network.set_params(batch_size=batch_size, max_iter=_epochs(steps, batch_size, n_rows))
    if network.loss == "poisson" and least_target is not None and least_target < 0:
        network.set_params(loss="squared_error")
    encoder = member.named_steps["encoder"]
    if isinstance(encoder, RelevanceScaler):
        batch_size = min(_BATCH_FOR_RELEVANCE, n_rows)
        encoder.network.set_params(
            batch_size=batch_size,
            max_iter=_epochs(_STEPS_FOR_RELEVANCE, batch_size, n_rows),
            n_iter_no_change=np.inf,  # it ends as planned, which is nothing to warn of
        )


def set_targets(member, meaning):
    """Say what a matrix of classes means where features are scaled by relevance.

    A part of its rows may not tell.
    """
    encoder = member.named_steps["encoder"]
    if isinstance(encoder, RelevanceScaler):
        encoder.network.set_params(targets=meaning)


def _epochs(steps, batch_size, n_rows):
    return int(np.clip(steps * batch_size / n_rows, _LEAST_EPOCHS, _MOST_EPOCHS))
