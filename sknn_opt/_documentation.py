"""Docstrings of the two estimators. What they share is written once."""

import textwrap

from .activations import ACTIVATIONS
from .initializers import INITIALIZERS
from .losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from .optimizers import OPTIMIZERS
from .schedules import SCHEDULES

_OBJECTIVE = r"""Training minimizes, over weights :math:`w` and intercepts,

.. math::

    \frac{1}{S} \sum_i s_i \, \ell(y_i, z_i)
    + \frac{\alpha}{S} \left( \rho \, \lVert w \rVert_1
    + \frac{1 - \rho}{2} \lVert w \rVert_2^2 \right),
    \qquad S = \sum_i s_i

where :math:`z_i` are the raw outputs of the network for sample :math:`i`, :math:`s_i` is its
weight, :math:`\alpha` is `alpha` and :math:`\rho` is `l1_ratio`. The sums run over a mini-batch
for first-order optimizers, and over all training samples for full-batch ones. The loss
:math:`\ell` is a sum over the outputs. Intercepts are not penalized.
"""

_HIDDEN = """
Parameters
----------
hidden_layer_sizes : int or array-like of int, default=(100,)
    Number of units of each hidden layer. ``()`` means no hidden layer: a linear model.
    Optimizers: all.

activation : str, Activation or list of these, default='relu'
    What the hidden layers apply to their units; a list has one for each of them. Names:
    @ACTIVATIONS@.
    Objects from `sknn_opt.activations` have parameters: ``LeakyReLU(slope=0.1)``.
    Optimizers: all.
"""

_OPTIMIZER = """
optimizer : str or Optimizer, default='adam'
    How the objective is minimized, by steps on mini-batches (first-order optimizers) or on
    all samples at once (full-batch optimizers: 'lbfgs' [3]_, 'bfgs', 'cg', 'newton-cg',
    'trust-ncg' and 'lm', often the best choice for small data). Names:
    @OPTIMIZERS@.

    An object from `sknn_opt.optimizers` has its own parameters instead of the keywords of
    this class, and they can be searched over: ``optimizer__momentum``.

solver : str, default=None
    scikit-learn's name for `optimizer`. If given, it decides. Optimizers: all.

initializer : str or Initializer, default='auto'
    How the parameters are drawn. 'auto' is scikit-learn's rule: uniform after Glorot,
    intercepts included [1]_. Names:
    @INITIALIZERS@.
    Optimizers: all.

alpha : float, default=0.0001
    Strength of the penalty, at least 0. It is divided by the sum of the sample weights of
    a batch, as in scikit-learn, so the same `alpha` acts less on larger batches.
    Optimizers: all.

l1_ratio : float, default=0.0
    Share of the L1 norm in the penalty, from 0, all L2, to 1, all L1. L1 makes weights
    exactly 0. First-order optimizers apply it by soft-thresholding after each step [4]_;
    'lbfgs' splits each weight into two non-negative parts. Optimizers: first-order, lbfgs.

dropout : float or list of float, default=0.0
    Probability with which a hidden unit's output is replaced by 0 in training, the others
    being scaled up, so that predicting needs no change; a list has one for each hidden
    layer. Optimizers: first-order.

input_dropout : float, default=0.0
    The same for the features. Optimizers: first-order.

max_norm : float, default=None
    Upper bound of the Euclidean norm of each unit's incoming weights, kept after each
    step. Optimizers: first-order.

normalization : {'batch', 'layer'}, default=None
    Normalization of what the activation of a hidden layer sees, over the mini-batch or
    over the layer, with a learnt scale and shift. 1e-5 is added to the variance. 'batch'
    predicts by running averages of mean and unbiased variance, in which the newest
    mini-batch has a share of 0.1. Optimizers: all; 'batch' needs mini-batches.

residual : bool, default=False
    Add a hidden layer's input to its output wherever their widths agree. Optimizers: all.

clip_norm : float, default=None
    Upper bound of the L2 norm of the gradient, of loss and L2 penalty, over all
    parameters. Applied after `clip_value`.
    Optimizers: first-order except rprop.

clip_value : float, default=None
    Upper bound of the size of each element of the gradient.
    Optimizers: first-order except rprop.

batch_size : int, 'auto', 'full' or GrowingBatch, default='auto'
    Number of samples in a mini-batch. 'auto' is ``min(200, n_samples)``, for 'rprop' all;
    'full' is all; `GrowingBatch` grows it as training goes on.
    Optimizers: first-order except rprop. (Full-batch ones refuse `GrowingBatch`.)

learning_rate : str or Schedule, default='constant'
    How the learning rate changes; see `sknn_opt.schedules`. Names:
    @SCHEDULES@.
    Optimizers: first-order. (In scikit-learn: sgd only. Full-batch ones refuse what
    scikit-learn lacks: objects, and names other than its three.)

learning_rate_init : float or 'auto', default='auto'
    Learning rate that the schedule multiplies. 'auto' is the optimizer's own default,
    0.001 for 'sgd' and 'adam'. Optimizers: first-order.

warmup : int or float, default=0
    Length of the rise of the learning rate at the start of training, in epochs, or, if a
    float, as a share of `max_iter`. Optimizers: first-order.

warmup_shape : {'linear', 'cosine'}, default='linear'
    Shape of that rise. Optimizers: first-order.

power_t : float, default=0.5
    Exponent of ``learning_rate='invscaling'``, by name. Optimizers: first-order.

max_iter : int, default=200
    Largest number of epochs (first-order) or of iterations (full-batch) of one fit.
    Optimizers: all.

shuffle : bool, default=True
    Whether to shuffle the samples before each epoch.
    Optimizers: first-order except rprop.

random_state : int, RandomState instance or None, default=None
    Source of the initial parameters [1]_, of the validation set of early stopping and of
    the order of samples. An int gives the same model in each call. Optimizers: all.

tol : float, default=0.0001
    Smallest progress, see `n_iter_no_change`. With full-batch optimizers training ends
    where no element of the gradient ('trust-ncg': its norm; 'newton-cg': the mean change of
    a parameter in an iteration) is larger in size than `tol`. Optimizers: all.

verbose : bool or int, default=False
    Whether to print the progress of training. Optimizers: all.

warm_start : bool, default=False
    Whether fit goes on from the parameters of the last fit, with a fresh optimizer.
    Optimizers: all.

momentum : float, default=0.9
    Share of the last step that is taken again, from 0 to 1. Optimizers: sgd.

nesterovs_momentum : bool, default=True
    Whether to use Nesterov's form of momentum. Optimizers: sgd.

early_stopping : bool, default=False
    Whether to stop when the validation score no longer rises, and to keep the parameters
    that scored best. Where no score is a number, the last ones are kept, with a warning.
    Optimizers: all. (In scikit-learn: not lbfgs.)

validation_fraction : float, default=0.1
    Share of the samples that `early_stopping` holds out for validation, unless fit is given
    a validation set. @SPLIT@ Optimizers: all.

scoring : str or callable, default=None
    The validation score: None is @SCORE@; "loss" is minus the validation loss; else the name
    of a scikit-learn scorer, or a function of estimator, features and targets. Sample
    weights reach it if it takes ``sample_weight``. Needs `early_stopping` or a validation
    set. Optimizers: all.

averaging : {"ema", "swa"} or Averaging, default=None
    Average of the parameters over the course of training, which then predicts, and is
    validated: "ema" is exponential, over the steps; "swa" is over the ends of the last
    epochs; see `sknn_opt.averaging`. Batch normalization's statistics are computed anew for
    it at the end of fit. Optimizers: first-order except schedule_free.

beta_1 : float, default=0.9
    Decay of the average of gradients, at least 0 and less than 1. These keywords reach
    optimizers chosen by name. Optimizers: adam, amsgrad, adamw, adamax, nadam, radam.

beta_2 : float, default=0.999
    Decay of the average of squared gradients, at least 0 and less than 1.
    Optimizers: adam, amsgrad, adamw, adamax,
    nadam, radam.

epsilon : float, default=1e-08
    What keeps the division finite. Optimizers: adam, amsgrad, adamw, adamax,
    nadam, radam.

n_iter_no_change : int, default=10
    Training ends after more than this many epochs in a row in which the training loss
    fell, or with `early_stopping` the validation score rose, by less than `tol`.
    ``numpy.inf`` is accepted. Optimizers: first-order; with `early_stopping` full-batch
    ones too.

max_fun : int, default=15000
    Largest number of evaluations of the objective: training ends with the iteration that
    exceeds it. Products with the Hessian do not count. Optimizers: full-batch.

max_time : float, default=None
    Seconds that one call of fit or partial_fit may train. Then what is learnt so far is
    kept, with a warning. Optimizers: all.
"""

_DTYPE = """
n_jobs : int, default=None
    Number of threads that evaluate the objective on blocks of samples; -1 is all cores. The
    result does not depend on it. Meanwhile BLAS is held to one thread in the whole
    process. None leaves the threads to BLAS. Optimizers: full-batch.

dtype : {'float32', 'float64'} or NumPy type, default=None
    Floating type of training, parameters and predictions. None is the type of ``X`` if
    that is one of these, and float64 otherwise. Optimizers: all.
"""

_ATTRIBUTES = """
Attributes
----------
coefs_ : list of ndarray
    Weights of each layer, of shape (fan_in, fan_out). What predict reads; may be assigned
    to.

intercepts_ : list of ndarray
    Intercepts of each layer, of shape (fan_out,).

normalization_scales_ : list of ndarray
    Scales of each hidden layer's units that `normalization` has learnt; else empty.

normalization_shifts_ : list of ndarray
    Their shifts.

running_means_ : list of ndarray
    Means by which ``normalization='batch'`` predicts, for each hidden layer; else empty.

running_variances_ : list of ndarray
    The variances.

n_features_in_ : int
    Number of features.

feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, if ``X`` has names that are all strings.

n_layers_ : int
    Number of layers, input and output included.

n_outputs_ : int
    Number of outputs of the network.

out_activation_ : str
    What turns raw outputs into predictions: @LINKS@.

n_iter_ : int
    Number of epochs or iterations of the last call of fit; 1 after partial_fit.

t_ : int
    Number of training samples seen, each one in each epoch counted.

loss_ : float
    Objective at the end: for first-order optimizers its mean over the last epoch.

best_loss_ : float or None
    Smallest objective of all epochs; None with early stopping.

loss_curve_ : list of float
    Objective of each epoch or iteration.

validation_scores_ : list of float or None
    With early stopping, @SCORE@ on the validation set after each epoch.

best_validation_score_ : float or None
    Score of the parameters that were kept, the best one; None without early stopping, and
    where no score was a number.

history_ : dict of list
    One entry an epoch or iteration: ``"loss"``, ``"learning_rate"`` (of the last step; NaN
    for all full-batch optimizers), ``"grad_norm"`` (L2 norm of the last gradient, of loss and
    L2 penalty) and ``"time"`` (seconds since the start of training). With validation also
    ``"validation_loss"``, without penalty or class weights, and ``"validation_score"``, NaN
    for epochs that had none.
"""

_RAISES = """
Raises
------
ValueError
    By fit, if a parameter or the data are not valid, or if training diverged: to parameters
    that are not finite, or to a loss of more than a million times the first one. The
    estimator is then as it was before the call. With early stopping the best epoch before
    the divergence is kept instead, with a warning.
"""

_NOTES = """
Notes
-----
Scale the features, for example with :class:`~sklearn.preprocessing.StandardScaler`: steps and
penalty treat all weights alike, so a feature in large units dominates the others. @TARGETS@

The first fit on a machine compiles the kernels in a few seconds and caches them on disk.
"""

_REFERENCES = """
References
----------
.. [1] X. Glorot, Y. Bengio. "Understanding the difficulty of training deep feedforward
   neural networks". AISTATS 2010. (The initial parameters.)
.. [2] D. Kingma, J. Ba. "Adam: A method for stochastic optimization". ICLR 2015.
.. [3] R. H. Byrd, P. Lu, J. Nocedal. "A limited memory algorithm for bound constrained
   optimization". SIAM Journal on Scientific Computing 16(5), 1995.
.. [4] N. Parikh, S. Boyd. "Proximal algorithms". Foundations and Trends in Optimization
   1(3), 2014. (Soft-thresholding.)
"""


def _names(*registries):
    """The names in registries, aliases in brackets, as running text."""
    listed = []
    for registry in registries:
        for name in registry:
            others = [alias for alias, meant in registry.aliases.items() if meant == name]
            listed.append(f"'{name}'" + "".join(f" ('{alias}')" for alias in others))
    return textwrap.fill(", ".join(listed), 86, subsequent_indent="    ")


def _fill(text, **words):
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return text


def _paragraphs(*parts):
    text = "\n".join(part.strip("\n") + "\n" for part in parts)
    return _fill(
        text,
        ACTIVATIONS=_names(ACTIVATIONS),
        INITIALIZERS=_names(INITIALIZERS),
        OPTIMIZERS=_names(OPTIMIZERS),
        SCHEDULES=_names(SCHEDULES),
    )


CLASSIFIER = _paragraphs(
    """Multilayer perceptron classifier.

Learns two or more classes, or several labels a sample, and takes the place of
:class:`sklearn.neural_network.MLPClassifier`: with the same keywords and `random_state`
the model is the same up to rounding. The user guide lists the exceptions.

Several labels a sample are given as a matrix with a column for each label: 1, or any other number
but 0, where a sample has it, and 0 where it has not.
""",
    _OBJECTIVE,
    _HIDDEN,
    _fill(
        r"""
loss : str or Loss, default='log_loss'
    The loss of a sample; see `sknn_opt.losses` for the formulas. Names:
    @LOSSES@.
    'log_loss' of class :math:`y` is :math:`\log \sum_k e^{z_k} - z_y`; for two classes and
    for labels it is :math:`\sum_j \log(1 + e^{z_j}) - y_j z_j`. The hinge losses have no
    `predict_proba`. Optimizers: all.
""",
        LOSSES=_names(CLASSIFIER_LOSSES),
    ),
    _fill(
        _OPTIMIZER,
        SPLIT="All classes keep their\n    shares, except for several labels a sample; "
        "where that cannot be, the split is\n    random, with a warning.",
        SCORE="the accuracy",
    ),
    """
label_smoothing : float, default=0.0
    Share of the probability that the targets of 'log_loss' spread evenly over the classes.
    Optimizers: all.

class_weight : dict or 'balanced', default=None
    Weights of the classes, by class; they multiply the sample weights in training, and not
    in validation scores. 'balanced' is ``n_samples / (n_classes * bincount(y))``, where a
    sample counts as many times as its weight says. For several labels a sample: 'balanced'
    or a list of dicts. Optimizers: all.
""",
    _DTYPE,
    _fill(
        _ATTRIBUTES,
        LINKS="'logistic' (two classes, or labels)\n    or 'softmax'",
        SCORE="the accuracy",
    ),
    """
classes_ : ndarray of shape (n_classes,)
    Class labels.
""",
    _RAISES,
    """
See Also
--------
MLPRegressor : The same for real targets.
sklearn.neural_network.MLPClassifier : scikit-learn's own.
""",
    _fill(
        _NOTES,
        TARGETS="See the user\nguide on scaling.",
    ),
    _REFERENCES,
    """
Examples
--------
>>> from sklearn.datasets import load_wine
>>> from sklearn.model_selection import train_test_split
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sknn_opt import MLPClassifier
>>> X, y = load_wine(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> model = make_pipeline(StandardScaler(), MLPClassifier(optimizer="lbfgs", random_state=0))
>>> model.fit(X_train, y_train).score(X_test, y_test) > 0.95
True
>>> model.predict_proba(X_test).shape
(45, 3)
""",
)

REGRESSOR = _paragraphs(
    """Multilayer perceptron regressor.

Learns one or several real targets, and takes the place of
:class:`sklearn.neural_network.MLPRegressor`: with the same keywords and `random_state`
the model is the same up to rounding. The user guide lists the exceptions.
""",
    _OBJECTIVE,
    _HIDDEN,
    _fill(
        r"""
loss : str or Loss, default='squared_error'
    The loss of a sample; see `sknn_opt.losses` for the formulas. Names:
    @LOSSES@. Some of them:

    - 'squared_error': :math:`\frac{1}{2} \sum_j (z_j - y_j)^2`; predictions are :math:`z`
    - 'poisson': :math:`\sum_j y_j (\log y_j - z_j) - y_j + e^{z_j}`, half the Poisson
      deviance, for targets of at least 0; predictions are :math:`e^z`

    Optimizers: all.
""",
        LOSSES=_names(REGRESSOR_LOSSES),
    ),
    _fill(_OPTIMIZER, SPLIT="The split is random.", SCORE="R²"),
    _DTYPE,
    _fill(_ATTRIBUTES, LINKS="'identity' or 'exp'", SCORE="R²"),
    _RAISES,
    """
See Also
--------
MLPClassifier : The same for classes.
sklearn.neural_network.MLPRegressor : scikit-learn's own.
""",
    _fill(
        _NOTES,
        TARGETS="For\n'squared_error', scale targets far from unit scale too, with\n"
        ":class:`~sklearn.compose.TransformedTargetRegressor`. See the user guide on scaling.",
    ),
    _REFERENCES,
    """
Examples
--------
>>> from sklearn.compose import TransformedTargetRegressor
>>> from sklearn.datasets import load_diabetes
>>> from sklearn.model_selection import train_test_split
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sknn_opt import MLPRegressor
>>> X, y = load_diabetes(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> network = MLPRegressor((20,), alpha=1.0, early_stopping=True, random_state=0)
>>> network = TransformedTargetRegressor(network, transformer=StandardScaler())
>>> model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)
>>> model.score(X_test, y_test) > 0.3
True
""",
)
