"""Docstrings of the two committees. What they share is written once."""

_MEMBERS = """
A member is one configuration: a network, or a pipeline that ends in one. Without `cv` it becomes
one network, which sees all rows. With `cv` it becomes one network for each fold, which stops
early by the rows that this fold holds out. How well members predict rows that they have not seen
decides how much each of them counts.

Members are trained in threads, `n_jobs` at a time. The result does not depend on how many.

Parameters
----------
"""

_LIST = """
    Parts of a list are tuned by their names: ``estimator__smooth__alpha``. Parts of pipelines
    before the network get no sample weights, unless scikit-learn's metadata routing says so.

n_estimators : int, default=8
    Number of members, or with `snapshots` of trainings. They are taken from a list in turn.

draws : dict or list of dict, default=None
    Hyperparameters that are drawn anew for each member, as
    :class:`~sklearn.model_selection.RandomizedSearchCV` draws them: names of parameters, with
    lists to choose from or distributions such as ``scipy.stats.loguniform(1e-4, 1e-2)``. For
    members in a list, names start with the member's, ``smooth__alpha``.
"""

_CV = """
cv : int, cross-validation generator or iterable, default=None
    Folds for each member; None is no folds. An int is a number of folds, which
    :func:`~sklearn.model_selection.check_cv` makes, without shuffling. Networks in
    folds get ``early_stopping=True``, and ``scoring='loss'`` unless they have a scoring.

snapshots : int, default=None
    Number of members that one training gives [2]_: its `max_iter` epochs are divided into so
    many cycles, in each of which the learning rate falls from `learning_rate_init` to 0 along
    half a cosine wave, and the end of each is a member. There are ``n_estimators`` trainings.
    Networks keep their own `learning_rate`, `early_stopping`, `averaging` and `max_time` at the
    defaults, and `tol` and `n_iter_no_change` have no effect. First-order optimizers.
"""

_RANDOM = """
n_jobs : int, default=None
    Number of networks that are trained at a time, in threads. None means 1, or what
    ``joblib.parallel_config`` says; -1 means all processors. Networks whose own `n_jobs`
    is None are trained on a single thread each.

random_state : int, RandomState instance or None, default=None
    Source of what `draws` draws, of the rows of `bootstrap`, and of the `random_state` of each
    network, which replaces its own. Other parts of a pipeline keep theirs, and where it is None
    all members are given the same.
"""

_ATTRIBUTES = """
Attributes
----------
estimators_ : list
    The fitted networks, or pipelines that end in them, member by member and within a member
    fold by fold. Snapshots of a training are members that follow one another.

member_weights_ : ndarray of shape (n_members,)
    How much each member counts; they sum to 1. With `cv` they are chosen by greedy selection
    [1]_: 40 times the member is picked with which the mean of all picks predicts best, as far as
    that helps. Without `cv` all count the same.

member_losses_ : ndarray of shape (n_members,)
    The loss of each member for rows that it has not seen: @LOSS@. Only with `cv`.
"""

_MORE_ATTRIBUTES = """
n_features_in_ : int
    Number of features.

feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, if ``X`` has names that are all strings.
"""

_RAISES = """
Raises
------
ValueError
    By fit, if a parameter or the data are not valid, or if a member's training has diverged. The
    estimator is then as it was before the call.
"""

_GREEDY = """
References
----------
.. [1] R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes. "Ensemble selection from libraries of
   models". ICML 2004.
.. [2] G. Huang, Y. Li, G. Pleiss, Z. Liu, J. Hopcroft, K. Weinberger. "Snapshot ensembles: Train
   1, get M for free". ICLR 2017, :arxiv:`1704.00109`.
"""


def _paragraphs(*parts):
    return "\n".join(part.strip("\n") + "\n" for part in parts)


CLASSIFIER = _paragraphs(
    "Committee of multilayer perceptrons that classifies by the mean of their probabilities.",
    _MEMBERS
    + """estimator : MLPClassifier, Pipeline or list of (str, estimator), default=None
    What members are made of; None is ``MLPClassifier()``. Losses without probabilities, such as
    'hinge', are refused."""
    + _LIST,
    """
bootstrap : bool, default=False
    Whether each network is trained on as many rows, drawn with replacement within each class, so
    that classes keep their numbers of rows; for several labels or outputs, from all rows.
""",
    _CV,
    """
calibrate : bool, default=False
    Whether to divide the logarithms of probabilities by a temperature [3]_, the one with the
    least loss for rows that members have not seen. Needs `cv`.
""",
    _RANDOM,
    _ATTRIBUTES.replace(
        "@LOSS@",
        "the\n    log-loss, or the Brier score or focal loss if all of them train with that; for "
        "several\n    labels or outputs its sum over these",
    ),
    """
oof_prediction_ : ndarray of shape (n_samples, n_classes), or list of ndarray
    The members' weighted mean of probabilities for the rows that they have not seen, before
    calibration; NaN for rows that no fold holds out. Only with `cv`. Pickles leave it out.

oof_score_ : float
    Its accuracy. Only with `cv`.

temperature_ : float
    What the logarithms of probabilities are divided by; 1 without calibration.

targets_ : {'classes', 'multilabel', 'multioutput', 'probabilities'}
    What ``y`` was taken for. Where the values do not tell, members say it by their `targets`.

classes_ : ndarray of shape (n_classes,), or list of ndarray
    Class labels; for several labels a sample, and for probabilities, the numbers of the columns;
    for several outputs a list with those of each.
""",
    _MORE_ATTRIBUTES,
    _RAISES,
    """
See Also
--------
MLPClassifier : A single network.
MLPEnsembleRegressor : The same for numbers.
sklearn.ensemble.VotingClassifier : A committee of any classifiers.
""",
    _GREEDY
    + """.. [3] C. Guo, G. Pleiss, Y. Sun, K. Weinberger. "On calibration of modern neural
   networks". ICML 2017, :arxiv:`1706.04599`.
""",
    """
Examples
--------
>>> from scipy.stats import loguniform
>>> from sklearn.datasets import load_wine
>>> from sklearn.model_selection import train_test_split
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sknn_opt import MLPClassifier, MLPEnsembleClassifier
>>> X, y = load_wine(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> network = make_pipeline(StandardScaler(), MLPClassifier((20,), learning_rate_init=0.01))
>>> draws = {"mlpclassifier__alpha": loguniform(1e-4, 1)}
>>> model = MLPEnsembleClassifier(network, n_estimators=4, draws=draws, cv=4, random_state=0)
>>> model.fit(X_train, y_train).score(X_test, y_test) > 0.95
True
>>> len(model.estimators_), model.member_weights_.shape, model.oof_prediction_.shape
(16, (4,), (133, 3))
""",
)

REGRESSOR = _paragraphs(
    "Committee of multilayer perceptrons that predicts the mean of what they predict.",
    _MEMBERS
    + """estimator : MLPRegressor, Pipeline or list of (str, estimator), default=None
    What members are made of; None is ``MLPRegressor()``."""
    + _LIST,
    """
bootstrap : bool, default=False
    Whether each network is trained on as many rows drawn with replacement.
""",
    _CV,
    """
calibrate : bool, default=False
    Whether standard deviations are multiplied by a temperature [3]_, the one at which errors for
    rows that members have not seen are as large as these say. Needs `cv`.
""",
    _RANDOM,
    _ATTRIBUTES.replace(
        "@LOSS@",
        "if all of them train\n    with 'quantile', 'poisson', 'gamma' or 'tweedie', that loss "
        "(the deviance of the latter three);\n    with 'absolute_error', 'huber' or 'log_cosh' the "
        "absolute error; with 'gaussian_nll' minus the\n    log-likelihood, summed over outputs; "
        "otherwise the squared error",
    ),
    """
oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    The members' weighted mean for the rows that they have not seen; NaN for rows that no fold
    holds out. Only with `cv`. Pickles leave it out.

oof_score_ : float
    Its R²; for a list of quantiles minus the mean pinball loss. Only with `cv`.

temperature_ : float
    What standard deviations are multiplied by; 1 without calibration.
""",
    _MORE_ATTRIBUTES,
    _RAISES,
    """
See Also
--------
MLPRegressor : A single network.
MLPEnsembleClassifier : The same for classes.
sklearn.ensemble.VotingRegressor : A committee of any regressors.
""",
    _GREEDY
    + """.. [3] M.-H. Laves, S. Ihler, J. Fast, L. Kahrs, T. Ortmaier. "Well-calibrated regression
   uncertainty in medical imaging with deep learning". MIDL 2020.
""",
    """
Examples
--------
>>> from sklearn.datasets import load_diabetes
>>> from sklearn.model_selection import train_test_split
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sknn_opt import MLPEnsembleRegressor, MLPRegressor
>>> X, y = load_diabetes(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> network = make_pipeline(StandardScaler(), MLPRegressor((20,), optimizer="lbfgs"))
>>> model = MLPEnsembleRegressor(network, n_estimators=3, cv=4, random_state=0)
>>> y_pred, y_std = model.fit(X_train, y_train).predict(X_test, return_std=True)
>>> y_pred.shape, y_std.shape, model.score(X_test, y_test) > 0.3
((111,), (111,), True)
""",
)
