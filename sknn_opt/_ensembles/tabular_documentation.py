"""Docstrings of the tabular committees. What both say is written once."""

_START = """
The table is a frame of pandas or Polars, or an array. It may hold numbers, strings, categories,
booleans, datetimes, durations and missing values, and nothing in it has to be scaled, encoded or
filled in before. `members` differ in how they encode the table, and so in the functions that they
find; each is trained on several folds, and stops early by the rows that a fold holds out. What they
predict for these rows says how much each member counts.

Parameters
----------
members : {'auto', 'fast'} or list of (str, Pipeline), default='auto'
    The members of the committee. 'auto' has four members. 'fast' has @FAST@ of the time.
    A list has members of your own, by their names: pipelines that end in @NETWORK@, such as
    ``make_pipeline(TabularEncoder(), @NETWORK@())``. Their parts are tuned by their names, as
    ``members__smooth__@PART@__dropout``.

n_folds : int, default=4
    Folds that each member is trained on.@FOLDS@

categorical_features : {'from_dtype'}, array-like of {bool, int, str} or None, default='from_dtype'
    Which columns are categorical: a mask, their positions, or their names if the table is a
    frame. 'from_dtype' goes by the types of the columns. For members of your own, give it to
    their encoders.
"""

_TIME = """
max_time : float, default=None
    About how many seconds fit may take. Members are then trained one after the other, the most
    useful first, and the committee is made of those that are ready. None is no limit.
"""

_END = """
n_jobs : int, default=None
    Number of networks that are trained at a time, in threads. None means 1, or what
    ``joblib.parallel_config`` says; -1 means all processors. The result does not depend on
    it.

random_state : int, RandomState instance or None, default=None
    Source of the folds, the networks and the waves of the encoders.

verbose : bool, default=False
    Whether to print a line for each network that is trained, and one where kernels have to be
    compiled first.

Attributes
----------
estimators_ : list of Pipeline
    The fitted networks behind their encoders, member by member and within a member fold by fold.

encoders_ : list of transformer
    The fitted encoders, each once: what reads the table, the first step of a pipeline.

member_names_ : list of str
    The names of the members. Of 'auto' and 'fast', a member is dropped if its loss on the first
    fold is more than twice the least one, provided that each fold has 300 rows; and with
    `max_time`, if there is no time for it.

member_weights_ : ndarray of shape (n_members,)
    How much each member counts; they sum to 1. Chosen by greedy selection [1]_.

member_losses_ : ndarray of shape (n_members,)
    The loss of each member for rows that it has not seen.
"""

_LAST_ATTRIBUTES = """
n_features_in_ : int
    Number of columns of the table.

feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Their names, if all of them are strings.
"""

_REFERENCES = """
See Also
--------
@OTHER@
sknn_opt.preprocessing.TabularEncoder : Encodes tables for networks of your own.
sklearn.ensemble.@TREES@ : Boosted trees, which train much faster.

References
----------
.. [1] R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes. "Ensemble selection from libraries of
   models". ICML 2004.
"""


def _document(*parts, **words):
    text = "\n".join(part.strip("\n") + "\n" for part in parts)
    for word, replacement in words.items():
        text = text.replace(f"@{word}@", replacement)
    return text


CLASSIFIER = _document(
    "Committee of networks that classifies the rows of a raw table.",
    _START,
    """
loss : {'log_loss', 'squared_error', 'focal'} or Loss, default='log_loss'
    What the committee is chosen by, and members of 'auto' and 'fast' train with.
    'squared_error' is the Brier score.

class_weight : dict, list of dict or 'balanced', default=None
    Weight of each class, as for `MLPClassifier`. It multiplies the weights of the samples in all of
    the fit: in training, in losses and scores for rows that members have not seen, and so in the
    members' weights and in the temperature. Probabilities are then those of data in which classes
    have these weights.
""",
    _TIME,
    """
calibrate : bool, default=True
    Whether to divide the logarithms of probabilities by the temperature with the least loss for
    rows that members have not seen.
""",
    _END,
    """
oof_prediction_ : ndarray of shape (n_samples, n_classes), or list of ndarray
    The members' weighted mean of probabilities for the rows that they have not seen, before
    calibration. Pickles leave it out.

oof_score_ : float
    Its accuracy.

temperature_ : float
    What the logarithms of probabilities are divided by.

targets_ : {'classes', 'multilabel', 'multioutput', 'probabilities'}
    What ``y`` was taken for.

classes_ : ndarray of shape (n_classes,), or list of ndarray
    Class labels; for several labels a sample, and for probabilities, the numbers of the columns;
    for several outputs a list with those of each.
""",
    _LAST_ATTRIBUTES,
    _REFERENCES,
    """
Examples
--------
>>> import pandas as pd
>>> from sknn_opt import TabularMLPClassifier
>>> table = pd.DataFrame(
...     {"age": [20, 31, None, 58] * 20, "town": ["Rome", None, "Oslo", "Rome"] * 20}
... )
>>> model = TabularMLPClassifier("fast", n_folds=2, random_state=0)
>>> print(model.fit(table, ["a", "b", "b", "a"] * 20).predict(table.head(2)))
['a' 'b']
""",
    FAST="the first two, for about two fifths",
    NETWORK="MLPClassifier", PART="mlpclassifier",
    FOLDS=" The member 'plain' has twice as many, and so has 'steps' with 'auto'.",
    OTHER="TabularMLPRegressor : The same for numbers.",
    TREES="HistGradientBoostingClassifier",
)  # fmt: skip

REGRESSOR = _document(
    "Committee of networks that predicts numbers from the rows of a raw table.",
    _START,
    """
loss : {'squared_error', 'absolute_error', 'poisson', 'gamma', ...} or Loss, default='squared_error'
    What the members' weights are chosen by, and what the members train with. With 'squared_error',
    some members train with 'poisson' where no target is negative: their logarithmic link finds
    other functions.
""",
    _TIME,
    """
calibrate : bool, default=True
    Whether standard deviations are multiplied by the factor that makes them agree with the errors
    for rows that members have not seen.
""",
    _END,
    """
oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
    The members' weighted mean for the rows that they have not seen. Pickles leave it out.

oof_score_ : float
    Its R².

temperature_ : float
    What standard deviations are multiplied by.
""",
    _LAST_ATTRIBUTES,
    """
Notes
-----
Predictions never lie outside the range of the targets that fit has seen.
""",
    _REFERENCES,
    """
Examples
--------
>>> import numpy as np
>>> import pandas as pd
>>> from sknn_opt import TabularMLPRegressor
>>> rng = np.random.default_rng(0)
>>> table = pd.DataFrame({"x": rng.uniform(-2, 2, 300), "side": rng.choice(["left", "right"], 300)})
>>> y = np.where(table["side"] == "left", table["x"] ** 2, 0)
>>> model = TabularMLPRegressor("fast", n_folds=2, random_state=0).fit(table, y)
>>> y_pred, y_std = model.predict(table, return_std=True)
>>> print(model.oof_score_ > 0.9, y_pred.shape, y_std.shape)
True (300,) (300,)
""",
    FAST="the first, for about a fifth",
    NETWORK="MLPRegressor", PART="mlpregressor", FOLDS="",
    OTHER="TabularMLPClassifier : The same for classes.",
    TREES="HistGradientBoostingRegressor",
)  # fmt: skip
