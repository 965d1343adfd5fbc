"""Loss functions, each with the link from raw outputs to predictions.

A loss is a class with its hyperparameters and, for each type of target that it can learn,
the kernels of a `Form`. `CLASSIFIER_LOSSES` and `REGRESSOR_LOSSES`, at the foot, map names
to classes.
"""

from .._components import Registry
from .base import EVALUATE, HESSIAN_PRODUCT, LINK, ByRow, Form, Loss, OfEachOutput, Separable
from .classification import Focal, LogLoss, SquaredError
from .gaussian import GaussianNLL
from .margin import Hinge, SquaredHinge
from .regression import AbsoluteError, Gamma, Huber, LogCosh, Poisson, Quantile, Tweedie

__all__ = [
    "CLASSIFIER_LOSSES",
    "EVALUATE",
    "HESSIAN_PRODUCT",
    "LINK",
    "REGRESSOR_LOSSES",
    "AbsoluteError",
    "ByRow",
    "Focal",
    "Form",
    "Gamma",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "LogCosh",
    "LogLoss",
    "Loss",
    "OfEachOutput",
    "Poisson",
    "Quantile",
    "Separable",
    "SquaredError",
    "SquaredHinge",
    "Tweedie",
]

CLASSIFIER_LOSSES = Registry(
    {
        "log_loss": LogLoss,
        "hinge": Hinge,
        "squared_hinge": SquaredHinge,
        "squared_error": SquaredError,
        "focal": Focal,
    },
    aliases={"cross_entropy": "log_loss", "mse": "squared_error"},
)
REGRESSOR_LOSSES = Registry(
    {
        "squared_error": SquaredError,
        "absolute_error": AbsoluteError,
        "huber": Huber,
        "log_cosh": LogCosh,
        "quantile": Quantile,
        "poisson": Poisson,
        "gamma": Gamma,
        "tweedie": Tweedie,
        "gaussian_nll": GaussianNLL,
    },
    aliases={
        "mse": "squared_error",
        "mae": "absolute_error",
        "smooth_l1": "huber",
        "pinball": "quantile",
    },
)
