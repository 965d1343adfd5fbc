"""Docstrings of the two estimators. What they share is written once."""

import textwrap

from ..activations import ACTIVATIONS
from ..initializers import INITIALIZERS
from ..losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from ..normalizations import NORMALIZATIONS
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES

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
    Activation function of the hidden layers; a list has one for each hidden layer. Names:
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
    scikit-learn's name for `optimizer`, which it overrides if given. Optimizers: all.

initializer : str or Initializer, default='auto'
    How the initial parameters are drawn. 'auto' is scikit-learn's rule: Glorot's uniform
    distribution, for the intercepts too [1]_. Names:
    @INITIALIZERS@.
    ``FromEstimator(fitted)`` starts from a fitted network. Optimizers: all.

trainable : list of bool or float, default=None
    Which layers are trained, hidden ones first and the output layer last: True or False for each,
    or a factor of its learning rate, 0 meaning False. Nothing changes a frozen layer: no penalty,
    no weight decay and no `max_norm`, and its batch normalization uses the running statistics. Its
    dropout stays on. None means True for all. Optimizers: all; full-batch ones take True and False
    only.

alpha : float, default=0.0001
    Strength of the penalty, at least 0. It is divided by the sum of the sample weights of
    a batch, as in scikit-learn, so the same `alpha` is weaker in larger batches.
    Optimizers: all.

l1_ratio : float, default=0.0
    Share of the L1 norm in the penalty, from 0 (only L2) to 1 (only L1). L1 makes weights
    exactly 0. First-order optimizers apply it by soft-thresholding after each step [4]_, by
    the step that they would take for a constant gradient of the penalty's size [5]_; those
    without such a metric (kfac, lion, muon, rprop, soap) by the plain learning rate times that
    size. 'lbfgs' splits each weight into two non-negative parts. Optimizers: first-order, lbfgs.

dropout : float or list of float, default=0.0
    Probability with which a hidden unit's output is replaced by 0 in training. The other
    outputs are scaled up, so that predictions need no correction. A list has one for each
    hidden layer. Optimizers: first-order.

input_dropout : float, default=0.0
    The same for the features. Optimizers: first-order.

input_noise : float, default=0.0
    Standard deviation of normal noise that is added to the features in each step of training [6]_,
    before `input_dropout`, but not when predicting or validating. It is the same for all features,
    so these should be scaled. Sparse features are refused. Optimizers: first-order.

mixup : float, default=0.0
    In each step of training each sample of the mini-batch is mixed with another one [7]_, in shares
    drawn from the distribution Beta(`mixup`, `mixup`): with 0.2 mixtures are mostly one of the two,
    with 1 all shares are equally likely. Features are mixed before noise is added, and so are the
    targets of 'log_loss', 'focal' and 'squared_error'; other losses and sparse features are
    refused. Predictions and validation do not mix samples. Optimizers: first-order.

max_norm : float, default=None
    Upper bound of the Euclidean norm of each unit's incoming weights. After each step,
    longer vectors are scaled down to it. Optimizers: first-order.

normalization : str, Normalization or list of these and None, default=None
    Normalization of a hidden layer's values before its activation, over the mini-batch or
    over the layer, with a learnt scale and shift. A list has one for each hidden layer,
    None for those without. Names:
    @NORMALIZATIONS@.
    Objects from `sknn_opt.normalizations` have parameters: ``BatchNorm(momentum=0.05)``.
    'batch' predicts with running averages of the statistics of mini-batches.
    Optimizers: all; 'batch' needs mini-batches.

residual : bool, default=False
    Add a hidden layer's input to its output wherever their widths agree. Optimizers: all.

clip_norm : float, default=None
    Upper bound of the L2 norm of the gradient, of loss and L2 penalty, over all
    parameters. Applied after `clip_value`.
    Optimizers: first-order except rprop.

clip_value : float, default=None
    Upper bound of the absolute value of each element of the gradient.
    Optimizers: first-order except rprop.

batch_size : int, 'auto', 'full' or GrowingBatch, default='auto'
    Number of samples in a mini-batch. 'auto' is ``min(200, n_samples)``, or all samples for
    'rprop'; 'full' is all samples; `GrowingBatch` lets it grow as training goes on, every few
    epochs or at plateaus.
    Optimizers: first-order except rprop. (Full-batch ones refuse `GrowingBatch`.)

learning_rate : str or Schedule, default='constant'
    How the learning rate changes; see `sknn_opt.schedules`. Names:
    @SCHEDULES@.
    Optimizers: first-order. (In scikit-learn: sgd only. Full-batch ones ignore the names
    that scikit-learn has, and refuse all others and objects.)

learning_rate_init : float or 'auto', default='auto'
    Learning rate that the schedule multiplies. 'auto' is the optimizer's own default,
    0.001 for 'sgd' and 'adam'. Optimizers: first-order.

warmup : int or float, default=0
    Length of the warm-up, in which the learning rate rises at the start of training: an
    int counts epochs, a float is a fraction of `max_iter`. Optimizers: first-order.

warmup_shape : {'linear', 'cosine'}, default='linear'
    Shape of the warm-up. Optimizers: first-order.

power_t : float, default=0.5
    Exponent of ``learning_rate='invscaling'``, if chosen by name. Optimizers: first-order.

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
    Smallest improvement that counts, see `n_iter_no_change`. With full-batch optimizers
    training ends when no element of the gradient exceeds `tol` in absolute value
    ('trust-ncg': when its norm does not; 'newton-cg': when the mean change of a parameter
    in an iteration does not). Optimizers: all.

verbose : bool or int, default=False
    Whether to print the loss of each epoch, and a line where kernels have to be compiled
    first. Optimizers: all.

warm_start : bool, default=False
    Whether fit goes on from the parameters of the last fit, with a fresh optimizer.
    Optimizers: all.

momentum : float, default=0.9
    Share of the last step that is added to the next one, from 0 to 1. Like all keywords
    that are parameters of an optimizer, it reaches optimizers chosen by name only.
    Optimizers: @momentum@.

nesterovs_momentum : bool, default=True
    Whether to use Nesterov's form of momentum. Optimizers: @nesterovs_momentum@.

early_stopping : bool, default=False
    Whether to stop when the validation score no longer rises, and to keep the parameters
    that scored best. If no score is a number, the last ones are kept, with a warning.
    Optimizers: all. (In scikit-learn: not lbfgs.)

validation_fraction : float, default=0.1
    Share of the samples that `early_stopping` holds out for validation, unless fit is given
    a validation set. @SPLIT@ Optimizers: all.

scoring : str or callable, default=None
    The validation score. None is @SCORE@, "loss" is minus the validation loss; anything
    else is the name of a scikit-learn scorer, or a function of estimator, features and
    targets, which is given sample weights if it takes ``sample_weight``. Needs
    `early_stopping` or a validation set. Optimizers: all.

averaging : {"ema", "swa"} or Averaging, default=None
    Average of the parameters over the course of training, which then predicts, and is
    validated: "ema" is exponential, over the steps; "swa" is over the ends of the last
    epochs; see `sknn_opt.averaging`. Batch normalization's statistics are computed anew for
    it at the end of fit. Optimizers: first-order except schedule_free.

beta_1 : float, default=0.9
    Decay of the average of gradients, at least 0 and less than 1.
    Optimizers: @beta_1@.

beta_2 : float, default=0.999
    Decay of the average of squared gradients, at least 0 and less than 1.
    Optimizers: @beta_2@.

epsilon : float, default=1e-08
    Added to the denominator, to keep the division finite.
    Optimizers: @epsilon@.

n_iter_no_change : int, default=10
    Training ends after more than this many epochs in a row in which the training loss
    fell, or with `early_stopping` the validation score rose, by less than `tol`.
    ``numpy.inf`` is accepted. Optimizers: first-order; with `early_stopping` full-batch
    ones too.

max_fun : int, default=15000
    Largest number of evaluations of the objective: training ends with the iteration that
    exceeds it. Products with the Hessian do not count. Optimizers: full-batch.

max_time : float, default=None
    Seconds that one call of fit or partial_fit may train. After that, training ends with a
    warning and keeps what it has learnt. Optimizers: all.
"""

_DTYPE = """
n_jobs : int, default=None
    Bound on the number of threads of fit and predict; -1 means all CPUs. Small matrix products,
    which most are, run on one thread in any case. First-order optimizers and predictions let BLAS
    compute large products on up to this many threads; full-batch optimizers evaluate blocks of
    samples in this many. With 1, other busy processes cost no time. None means all CPUs, for large
    products only. Optimizers: all.

dtype : {'float32', 'float64'} or NumPy type, default=None
    Floating type of training, parameters and predictions. None is the type of ``X`` if
    that is one of these, and float64 otherwise. Optimizers: all.
"""

_ATTRIBUTES = """
Attributes
----------
coefs_ : list of ndarray
    Weights of each layer, of shape (fan_in, fan_out). Predictions read these arrays, and
    you may assign others to them.

intercepts_ : list of ndarray
    Intercepts of each layer, of shape (fan_out,).

normalization_scales_ : list of ndarray
    Scales that `normalization` has learnt, for the units of each hidden layer that has it.

normalization_shifts_ : list of ndarray
    Shifts that it has learnt.

running_means_ : list of ndarray
    Means with which ``normalization='batch'`` predicts, for each hidden layer that has it.

running_variances_ : list of ndarray
    Variances with which it predicts.

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

best_iter_ : int
    The epoch, counted from 1, whose parameters were kept: with early stopping the one that
    scored best, 0 if that was the start of a warm fit; otherwise the last one.

n_parameters_ : int
    Number of weights, intercepts, and scales and shifts of normalization: all that can be
    trained, those of frozen layers included.

t_ : int
    Number of training samples seen, each one in each epoch counted.

loss_ : float
    Objective at the end: for first-order optimizers its mean over the last epoch.

best_loss_ : float or None
    Smallest objective of all epochs; None with early stopping.

loss_curve_ : list of float
    Objective of each epoch or iteration.

validation_scores_ : list of float or None
    With early stopping the score on the validation set, see `scoring`, after each epoch.

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
    By fit, if a parameter or the data are not valid, or if training has diverged: if
    parameters are not finite, or the loss is more than a million times the first one. The
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
.. [5] J. Yun, A. Lozano, E. Yang. "Adaptive proximal gradient methods for structured neural
   networks". NeurIPS 2021. (Thresholds in an optimizer's metric.)
.. [6] C. Bishop. "Training with noise is equivalent to Tikhonov regularization". Neural
   Computation 7(1), 1995. (Noise on the input.)
.. [7] H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz. "mixup: Beyond empirical risk
   minimization". ICLR 2018.
"""


def _names(*registries):
    """The names in registries, aliases in brackets, as running text."""
    listed = []
    for registry in registries:
        for name in registry:
            others = [alias for alias, meant in registry.aliases.items() if meant == name]
            listed.append(f"'{name}'" + "".join(f" ('{alias}')" for alias in others))
    return textwrap.fill(", ".join(listed), 86, subsequent_indent="    ")


def _optimizers_by_keyword():
    """The optimizers that each keyword reaches, as running text."""
    reached = {}
    for name, cls in OPTIMIZERS.items():
        for keyword in cls._estimator_keywords:
            reached.setdefault(keyword, []).append(name)
    return {keyword: ", ".join(names) for keyword, names in reached.items()}


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
        NORMALIZATIONS=_names(NORMALIZATIONS),
        OPTIMIZERS=_names(OPTIMIZERS),
        SCHEDULES=_names(SCHEDULES),
        **_optimizers_by_keyword(),
    )


CLASSIFIER = _paragraphs(
    """Multilayer perceptron classifier.

Learns two or more classes, and can replace :class:`sklearn.neural_network.MLPClassifier`: with
the same keywords and `random_state` the model is the same up to rounding. The user guide lists
the exceptions. It also learns several labels for each sample, probabilities of classes, and
several outputs that have classes of their own; see `targets`.
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
        SPLIT="All classes keep their\n    shares, except for several labels or outputs; "
        "if that is impossible, the split is\n    random, with a warning.",
        SCORE="the accuracy",
    ),
    """
label_smoothing : float, default=0.0
    Share of the probability that the targets of 'log_loss' spread evenly over the classes.
    Optimizers: all.

class_weight : dict or 'balanced', default=None
    Weight of each class. It multiplies the sample weights in training, but not in
    validation scores. 'balanced' is ``n_samples / (n_classes * bincount(y))``, where a
    sample counts as many times as its weight says. For several labels a sample, and for
    several outputs: 'balanced' or a list of dicts, whose weights are multiplied. A sample of
    probabilities has the expected weight of its class. Optimizers: all.

targets : {'auto', 'multilabel', 'multioutput', 'probabilities'}, default='auto'
    What a ``y`` of several columns means; one of a single column always has a class for each
    sample. `targets_` keeps what it was taken for at the first fit, which then holds for validation
    data, scores, warm starts and later calls of partial_fit.

    - 'multilabel': a column for each label, 0 where a sample does not have it and any other
      number where it does.
    - 'multioutput': a column for each output, which has classes of its own. One network predicts
      them all, with a softmax for each output; their losses are added. Methods that return an array
      of probabilities or decisions return a list of arrays, and `classes_` is a list. A sample
      counts as correct if all of its outputs are.
    - 'probabilities': a column for each class, as ``classes`` in fit names them, or else 0, 1,
      2 and so on; rows of numbers >= 0 that sum to 1 (to within 0.0003), such as the
      predictions of another model. Scores and stratification take the likeliest class.
      Losses: 'log_loss', 'squared_error' and 'focal'.
    - 'auto': 'multilabel' if the values are 0 and no more than one other number, or 1 only;
      'probabilities' if there are fractions; 'multioutput' if there are three values or more.
      Anything else could mean several things, and raises a ValueError.

    Optimizers: all.
""",
    _DTYPE,
    _fill(_ATTRIBUTES, LINKS="'logistic' (two classes, or labels)\n    or 'softmax'"),
    """
classes_ : ndarray of shape (n_classes,), or list of ndarray
    Class labels, sorted. A list has those of each of several outputs.

targets_ : {'classes', 'multilabel', 'multioutput', 'probabilities'}
    What the ``y`` of the first fit was taken for; see `targets`. 'classes' is one for each
    sample.
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

Learns one or several real targets, and can replace
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
    - 'gaussian_nll': minus the logarithm of a normal distribution's density, of which the
      network predicts the mean and, with ``predict(X, return_std=True)``, the standard
      deviation

    Optimizers: all.
""",
        LOSSES=_names(REGRESSOR_LOSSES),
    ),
    _fill(
        _OPTIMIZER,
        SPLIT="The split is random.",
        SCORE="R²\n    (for the loss 'gaussian_nll': minus the validation loss)",
    ),
    """
scale_targets : bool, default=False
    Whether to train on targets minus their mean, divided by their standard deviation, as
    :class:`~sklearn.compose.TransformedTargetRegressor` with a
    :class:`~sklearn.preprocessing.StandardScaler` does; by losses with a log link
    ('poisson', 'gamma', 'tweedie') on targets divided by their mean. Sample weights count.
    The losses in `history_` and `coefs_` are those of this training; predictions and
    scores are on the scale of ``y``. Warm starts and partial_fit keep the scale of the
    first call. Optimizers: all.

missing_targets : {'error', 'ignore'}, default='error'
    What a NaN in a ``y`` of several outputs is. With 'ignore' it is an unknown target, which adds
    nothing to the loss of its sample: the network learns the other outputs from that sample. The
    loss is still divided by the weights of all samples. Scores are means over the outputs, each
    scored on the samples whose target is known. Optimizers: all.
""",
    _DTYPE,
    _fill(_ATTRIBUTES, LINKS="'identity' or 'exp'"),
    """
target_mean_ : ndarray of shape (n_targets,) or None
    What `scale_targets` has subtracted from the targets, 0 with a log link.

target_scale_ : ndarray of shape (n_targets,) or None
    What `scale_targets` has then divided them by. None without it.
""",
    _RAISES,
    """
See Also
--------
MLPClassifier : The same for classes.
sklearn.neural_network.MLPRegressor : scikit-learn's own.
""",
    _fill(
        _NOTES,
        TARGETS="Targets\nfar from unit scale need `scale_targets`. See the user guide on scaling.",
    ),
    _REFERENCES,
    """
Examples
--------
>>> from sklearn.datasets import load_diabetes
>>> from sklearn.model_selection import train_test_split
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sknn_opt import MLPRegressor
>>> X, y = load_diabetes(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> network = MLPRegressor(
...     (20,), alpha=1.0, scale_targets=True, early_stopping=True, random_state=0
... )
>>> model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)
>>> model.score(X_test, y_test) > 0.3
True
""",
)
