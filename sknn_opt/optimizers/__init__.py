"""Optimizers: first-order ones with a rule for a step, full-batch ones through SciPy.

`OPTIMIZERS`, at the foot, maps names to classes. Learning rates come from the estimator.
"""

from .._components import Registry
from .adam import AdaBelief, Adam, Adamax, AdamW, AMSGrad, NAdam, RAdam, ScheduleFree, Yogi
from .base import (
    UPDATE,
    Elementwise,
    FirstOrder,
    FullBatch,
    Optimizer,
    WholeStep,
    arrays_at,
    blend,
    both,
    run_of_arrays,
    sign,
    soft_threshold,
    threshold_weights,
)
from .gradient import SGD, Adadelta, Adagrad, Lion, RMSprop, Rprop
from .kfac import KFAC
from .levenberg_marquardt import LM
from .matrix import LAMB, Muon
from .scipy import BFGS, CG, LBFGS, NewtonCG, TrustNCG
from .soap import SOAP

__all__ = [
    "BFGS",
    "CG",
    "KFAC",
    "LAMB",
    "LBFGS",
    "LM",
    "OPTIMIZERS",
    "SGD",
    "SOAP",
    "UPDATE",
    "AMSGrad",
    "AdaBelief",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Elementwise",
    "FirstOrder",
    "FullBatch",
    "Lion",
    "Muon",
    "NAdam",
    "NewtonCG",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "ScheduleFree",
    "TrustNCG",
    "WholeStep",
    "Yogi",
    "arrays_at",
    "blend",
    "both",
    "run_of_arrays",
    "sign",
    "soft_threshold",
    "threshold_weights",
]


OPTIMIZERS = Registry(
    {
        "sgd": SGD,
        "adagrad": Adagrad,
        "adadelta": Adadelta,
        "rmsprop": RMSprop,
        "rprop": Rprop,
        "adam": Adam,
        "amsgrad": AMSGrad,
        "adamw": AdamW,
        "adamax": Adamax,
        "nadam": NAdam,
        "radam": RAdam,
        "adabelief": AdaBelief,
        "yogi": Yogi,
        "lion": Lion,
        "lamb": LAMB,
        "muon": Muon,
        "soap": SOAP,
        "kfac": KFAC,
        "schedule_free": ScheduleFree,
        "lbfgs": LBFGS,
        "bfgs": BFGS,
        "cg": CG,
        "newton-cg": NewtonCG,
        "trust-ncg": TrustNCG,
        "lm": LM,
    }
)
