"""Docstrings of the two estimators. What they share is written once."""

_OBJECTIVE = r"""Training minimizes, over weights :math:`w` and intercepts,

.. math::

    \frac{1}{S} \sum_i s_i \, \ell(y_i, z_i)
    + \frac{\alpha}{S} \left( \rho \, \lVert w \rVert_1
    + \frac{1 - \rho}{2} \lVert w \rVert_2^2 \right),
    \qquad S = \sum_i s_i

where :math:`z_i` are the raw outputs of the network for sample :math:`i`, :math:`s_i` is its
weight, :math:`\alpha` is `alpha` and :math:`\rho` is `l1_ratio`. The sums run over a mini-batch
for 'sgd' and 'adam', and over all training samples for 'lbfgs'. The loss :math:`\ell` is a sum
over the outputs. Intercepts are not penalized.
"""

_HIDDEN = """
Parameters
----------
hidden_layer_sizes : int or array-like of int, default=(100,)
    Number of units of each hidden layer. ``()`` means no hidden layer: a linear model.
    Optimizers: all.

activation : {'identity', 'logistic', 'tanh', 'relu'} or Activation, default='relu'
    What the hidden layers apply to their units.

    - 'identity': f(z) = z
    - 'logistic': f(z) = 1 / (1 + exp(-z))
    - 'tanh': f(z) = tanh(z)
    - 'relu': f(z) = max(0, z)

    Optimizers: all.
"""

_OPTIMIZER = """
optimizer : {'adam', 'lbfgs', 'sgd'} or Optimizer, default='adam'
    How the objective is minimized.

    - 'sgd': stochastic gradient descent with momentum
    - 'adam': steps scaled by averages of the gradient and of its square [2]_
    - 'lbfgs': limited-memory BFGS on all samples at once [3]_; often the best choice for
      small data

    An object from `sknn_opt.optimizers` has its own parameters instead of the keywords of
    this class, and they can be searched over: ``optimizer__momentum``.

solver : {'adam', 'lbfgs', 'sgd'}, default=None
    scikit-learn's name for `optimizer`. If given, it decides. Optimizers: all.

alpha : float, default=0.0001
    Strength of the penalty, at least 0. It is divided by the sum of the sample weights of
    a batch, as in scikit-learn, so the same `alpha` acts less on larger batches.
    Optimizers: all.

l1_ratio : float, default=0.0
    Share of the L1 norm in the penalty, from 0, all L2, to 1, all L1. L1 makes weights
    exactly 0. 'sgd' and 'adam' apply it by soft-thresholding after each step [4]_;
    'lbfgs' splits each weight into two non-negative parts. Optimizers: all.

batch_size : int or 'auto', default='auto'
    Number of samples in a mini-batch. 'auto' is ``min(200, n_samples)``.
    Optimizers: sgd, adam.

learning_rate : {'constant', 'invscaling', 'adaptive'} or Schedule, default='constant'
    How the learning rate changes.

    - 'constant': stays at `learning_rate_init`
    - 'invscaling': ``learning_rate_init / (t + 1) ** power_t`` with the number ``t`` of
      samples seen before the epoch
    - 'adaptive': divided by 5 whenever training makes no progress, see
      `n_iter_no_change`, until it is at most 1e-6

    Optimizers: sgd, adam. (In scikit-learn: sgd only.)

learning_rate_init : float or 'auto', default='auto'
    Learning rate at the start. 'auto' is 0.001 for 'sgd' and 'adam', and the default of
    the class for other objects. Optimizers: sgd, adam.

power_t : float, default=0.5
    Exponent of ``learning_rate='invscaling'``. Optimizers: sgd, adam.

max_iter : int, default=200
    Largest number of epochs ('sgd', 'adam') or of iterations ('lbfgs') of one fit.
    Optimizers: all.

shuffle : bool, default=True
    Whether to shuffle the samples before each epoch. Optimizers: sgd, adam.

random_state : int, RandomState instance or None, default=None
    Source of the initial parameters [1]_, of the validation set of early stopping and of
    the order of samples. An int gives the same model in each call. Optimizers: all.

tol : float, default=0.0001
    Smallest progress, see `n_iter_no_change`. For 'lbfgs' training also ends where no
    element of the gradient is larger in size than `tol`. Optimizers: all.

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
    Whether to hold out samples, to stop when the score on them no longer rises, and to
    keep the parameters that scored best. Optimizers: all. (In scikit-learn: not lbfgs.)

validation_fraction : float, default=0.1
    Share of the samples that `early_stopping` holds out. @SPLIT@
    Optimizers: all.

beta_1 : float, default=0.9
    Decay of the average of gradients, at least 0 and less than 1. Optimizers: adam.

beta_2 : float, default=0.999
    Decay of the average of squared gradients, at least 0 and less than 1.
    Optimizers: adam.

epsilon : float, default=1e-08
    What keeps adam's division finite. Optimizers: adam.

n_iter_no_change : int, default=10
    Training ends after more than this many epochs in a row in which the training loss
    fell, or with `early_stopping` the validation score rose, by less than `tol`.
    ``numpy.inf`` is accepted. Optimizers: sgd, adam; with `early_stopping` lbfgs too.

max_fun : int, default=15000
    Largest number of evaluations of the objective. Optimizers: lbfgs.
"""

_DTYPE = """
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
    Objective at the end: for 'sgd' and 'adam' its mean over the last epoch.

best_loss_ : float or None
    Smallest objective of all epochs; None with early stopping.

loss_curve_ : list of float
    Objective of each epoch or iteration.

validation_scores_ : list of float or None
    With early stopping, @SCORE@ on the validation set after each epoch.

best_validation_score_ : float or None
    Largest of `validation_scores_`.

history_ : dict of list
    One entry an epoch or iteration: ``"loss"``, ``"learning_rate"`` (NaN for 'lbfgs'),
    ``"grad_norm"`` (L2 norm of the last gradient, of loss and L2 penalty) and ``"time"``
    (seconds since the start of training).
"""

_RAISES = """
Raises
------
ValueError
    By fit, if a parameter or the data are not valid, or if training diverged to
    parameters that are not finite. The estimator is then as it was before the call.
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


def _fill(text, **words):
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return text


def _paragraphs(*parts):
    return "\n".join(part.strip("\n") + "\n" for part in parts)


CLASSIFIER = _paragraphs(
    """Multilayer perceptron classifier.

Learns two or more classes, or several labels a sample, and takes the place of
:class:`sklearn.neural_network.MLPClassifier`: with the same keywords and `random_state`
the model is the same up to rounding. The user guide lists the exceptions.
""",
    _OBJECTIVE,
    _HIDDEN,
    r"""
loss : {'log_loss'} or Loss, default='log_loss'
    The loss of a sample of class :math:`y` is :math:`\log \sum_k e^{z_k} - z_y`; for two
    classes and for labels it is :math:`\sum_j \log(1 + e^{z_j}) - y_j z_j`.
    Optimizers: all.
""",
    _fill(
        _OPTIMIZER,
        SPLIT="All classes keep their\n    shares, except for several labels a sample.",
    ),
    """
class_weight : dict or 'balanced', default=None
    Weights of the classes, by class; they multiply the sample weights in training, and not
    in validation scores. 'balanced' is ``n_samples / (n_classes * bincount(y))``. For
    several labels a sample: 'balanced' or a list of dicts. Optimizers: all.
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
    r"""
loss : {'squared_error', 'poisson'} or Loss, default='squared_error'
    The loss of a sample.

    - 'squared_error': :math:`\frac{1}{2} \sum_j (z_j - y_j)^2`; predictions are :math:`z`
    - 'poisson': :math:`\sum_j y_j (\log y_j - z_j) - y_j + e^{z_j}`, half the Poisson
      deviance, for targets of at least 0; predictions are :math:`e^z`

    Optimizers: all.
""",
    _fill(_OPTIMIZER, SPLIT="The split is random."),
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
