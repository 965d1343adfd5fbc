"""From a raw table, of whatever its columns hold, to the inputs of a network."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from .._components import FLOAT_TYPE, FRACTION, POSITIVE
from .._containers import check_in_memory, with_types
from .._documentation_link import DocumentationLinkMixin
from .calendar import PHASE_LABELS, changing_cycles, encode_phase, phase
from .categories import (
    category_labels,
    encode_categories,
    frequent_categories,
    kinds_of_columns,
)
from .columns import CATEGORICAL, DATETIME, column, frame_library, take_rows
from .numeric import PeriodicFeatures, PiecewiseLinearEncoder, SmoothClipScaler, row_chunks
from .target_means import TargetMeans

# Gaps that are rarer than this are filled in without a column that tells where they were.
_RARE_GAPS = 0.002

_COUNT = [Interval(Integral, 0, None, closed="left")]
_AT_LEAST_ONE = [Interval(Integral, 1, None, closed="left")]


class TabularEncoder(DocumentationLinkMixin, TransformerMixin, BaseEstimator):
    r"""Turn a raw table into inputs that a network learns well from.

    The table is a frame of pandas or Polars, or an array. Nothing in it has to be scaled, encoded
    or filled in before. What becomes of a column depends on its kind:

    - *Numeric*, which includes booleans. With the scaled number
      :math:`u = f(x) - \bar f` of `SmoothClipScaler`, the bins :math:`e_t` of
      `PiecewiseLinearEncoder`, the waves of `PeriodicFeatures` and the factor :math:`s`
      (`scale`), a number :math:`x` becomes

      .. math::

          u, \quad
          s \, (e_1(x) - \bar e_1), \dots, s \, (e_T(x) - \bar e_T), \quad
          s \cos(\omega_1 u + \varphi_1), \dots, s \cos(\omega_K u + \varphi_K)

      Bars are means in `fit`.

    - *Duration*: a number of seconds. A time of day is the duration since midnight.
    - *Datetime*: a number of seconds too, and beside it the part :math:`p` that is over of the
      day, of the week and of the year, provided that it varies. Each :math:`p` is encoded as a
      number and by :math:`\cos 2 \pi p` and :math:`\sin 2 \pi p`, which start again where the
      next day starts.
    - *Categorical*, which is everything else, strings for example: a column of zeros and ones for
      each category. Two categories need only one column, of -1 and 1.

    A missing number is replaced by the median, and if more than 0.2 % of the column are missing,
    another column is 1 where they are. Missing values of a categorical column are a category.
    `transform` accepts values that `fit` has not seen. A missing value in a column that had none
    becomes the median or, for a category, 0 in all columns of its feature; so does a category that
    was rare or absent. Columns with a single value are left out.

    Parameters
    ----------
    categorical_features : 'from_dtype', array-like or None, default='from_dtype'
        Which columns are categorical: a mask, their positions, or their names if the table is a
        frame. All others then have to hold numbers, datetimes or durations. 'from_dtype' goes by
        the type of each column, and by the values where the type is object. None means that no
        column is categorical.
    n_bins : int, default=16
        The number :math:`T` of bins of a column, or fewer where edges coincide; 0 for none.
    distinct_share : float, default=0.5
        The share of the bins that are made from quantiles of the distinct values.
    n_frequencies : int, default=8
        The number :math:`K` of waves of a column; 0 for none.
    sigma : float, default=1.0
        Standard deviation of the frequencies of the waves.
    scale : float, default=0.15
        The factor :math:`s` of bins and waves.
    max_categories : int, default=50
        How many categories of a column get a column of their own, the most frequent first. If
        the table has 1000 rows or more, a category also has to occur twice.
    target_encoder : sklearn.preprocessing.TargetEncoder, default=None
        Adds means of the target, standardised, for each column of more than `few_categories`
        categories. `fit_transform` leaves the own fold of each row out of its mean, as that
        class does. None adds nothing, and neither do targets of several columns or of more than
        12 classes.
    few_categories : int, default=12
        Columns with no more categories than this get no means of the target.
    max_columns : int, default=512
        Limit of the number of bins, and of that of waves, in all columns together. In a table of
        many columns each gets fewer of them than `n_bins` and `n_frequencies`.
    dtype : {'float32', 'float64'}, default='float32'
        Type of the result.
    random_state : int, RandomState instance or None, default=None
        Draws frequencies and phases of the waves.

    Attributes
    ----------
    kinds_ : list of {'numeric', 'categorical', 'datetime', 'duration'}
        The kind of each column of the table.
    fill_values_ : ndarray of shape (`n_features_in_`,)
        The median of each column, which replaces missing values. NaN if it is categorical.
    scaler_ : SmoothClipScaler
        The scaler of the columns that have numbers, datetimes or durations, and not only one.
    piecewise_linear_ : PiecewiseLinearEncoder or None
        Makes the bins of those of these columns that have at least two.
    periodic_ : PeriodicFeatures or None
        Makes the waves of the scaled columns.
    targets_ : list of int
        The positions of the columns for which there are means of the target.
    categories_ : list of length `n_features_in_`
        For a categorical column the list of its categories that have a column of their own, None
        among them standing for missing values; None for any other column.
    origins_ : ndarray of shape (n_features_out,)
        For each column of the result, the position of the column of the table it comes from.
    n_features_in_ : int
        Number of columns of the table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all of them are strings.

    See Also
    --------
    sklearn.compose.ColumnTransformer : Combines transformers of your choice for columns of your
        choice.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko. "On embeddings for numerical features in tabular deep
    learning". NeurIPS 2022, :arxiv:`2203.05556`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.preprocessing import TabularEncoder
    >>> table = pd.DataFrame(
    ...     {"age": [20, 31, None, 58], "town": ["Rome", None, "Oslo", "Rome"]}
    ... )
    >>> encoder = TabularEncoder(n_bins=2, n_frequencies=0).fit(table)
    >>> print(encoder.get_feature_names_out())
    ['age_missing' 'age' 'age_bin0' 'age_bin1' 'town_Oslo' 'town_Rome'
     'town_missing']
    >>> print(encoder.origins_)
    [0 0 0 0 1 1 1]
    >>> network = MLPClassifier(tol=0.1, random_state=0)
    >>> model = make_pipeline(TabularEncoder(random_state=0), network)
    >>> print(model.fit(table, [0, 0, 1, 1]).predict(table))
    [0 0 1 1]
    """

    _parameter_constraints = {
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "n_bins": _COUNT,
        "distinct_share": FRACTION,
        "n_frequencies": _COUNT,
        "sigma": POSITIVE,
        "scale": POSITIVE,
        "max_categories": _AT_LEAST_ONE,
        "target_encoder": [HasMethods(["fit_transform", "transform"]), None],
        "few_categories": _COUNT,
        "max_columns": _COUNT,
        "dtype": FLOAT_TYPE,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        categorical_features="from_dtype",
        *,
        n_bins=16,
        distinct_share=0.5,
        n_frequencies=8,
        sigma=1.0,
        scale=0.15,
        max_categories=50,
        target_encoder=None,
        few_categories=12,
        max_columns=512,
        dtype="float32",
        random_state=None,
    ):
        self.categorical_features = categorical_features
        self.n_bins = n_bins
        self.distinct_share = distinct_share
        self.n_frequencies = n_frequencies
        self.sigma = sigma
        self.scale = scale
        self.max_categories = max_categories
        self.target_encoder = target_encoder
        self.few_categories = few_categories
        self.max_columns = max_columns
        self.dtype = dtype
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn what each column holds, and how it is encoded.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,), default=None
            The target, for a `target_encoder`. Ignored without one.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a column that is not categorical holds what is no number, or an infinity; if there
            is a `target_encoder` and no ``y``.
        """
        self._fit(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Learn how a table is encoded, and encode it.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,), default=None
            The target, for a `target_encoder`. Ignored without one.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Finite numbers.
        """
        return self._encoded(*self._fit(X, y))

    def _fit(self, X, y):
        """Return the validated table, and the means of the target for its rows or None."""
        X = self._validate(X, reset=True)
        self.kinds_ = kinds_of_columns(X, self.categorical_features)
        self._fit_numbers(X)
        self._fit_bins_and_waves(X)
        self._fit_categories(X)
        means = self._fit_target_means(X, y)
        self.origins_ = np.array([origin for origin, _ in self._outputs()], dtype=np.intp)
        return X, means

    def transform(self, X):
        """Encode a table.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            A table with the columns of the one in `fit`, in the same order.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Finite numbers.
        """
        check_is_fitted(self)
        return self._encoded(self._validate(X, reset=False))

    def _encoded(self, X, means=None):
        dtype = np.dtype(self.dtype)
        encoded = np.empty((X.shape[0], len(self.origins_)), dtype=dtype)
        for rows in row_chunks(X.shape[0], max(X.shape[1], encoded.shape[1])):
            chunk = take_rows(X, rows)
            parts = self._encode(chunk, dtype)
            if means is not None:
                parts.append(means[rows])
            elif self.targets_:
                parts.append(self._target_means.transform(self._values(chunk)))
            np.concatenate(parts, axis=1, out=encoded[rows], casting="same_kind")
        return encoded

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of the result.

        A column is named after the one that it is made of, followed by nothing for the scaled
        number, or by ``_bin0``, ``_wave0``, ``_day_cos``, ``_missing`` or the category.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of the table; None means those seen in `fit`.

        Returns
        -------
        names : ndarray of shape (n_features_out,)
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        named = (names[origin] + suffix for origin, suffix in self._outputs())
        return np.array(list(_told_apart(named)), dtype=object)

    def _validate(self, X, reset):
        check_in_memory(X)
        if frame_library(X) is None:
            array = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
            return with_types(array, X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        # In place of the table, which nobody should convert, an array of its shape.
        check_array(np.broadcast_to(0.0, X.shape), ensure_all_finite=False, estimator=self)
        return X

    def _numbers(self, X, j):
        """Return a column that is not categorical as float64."""
        try:
            x = column(X, j).numbers(self.kinds_[j])
        except ValueError as error:
            name = _check_feature_names_in(self)[j]
            raise ValueError(
                f"{error}, in feature {name!r}, which has been taken for {self.kinds_[j]}. Columns "
                "that hold categories can be chosen by categorical_features."
            ) from error
        assert_all_finite(x, allow_nan=True, estimator_name=type(self).__name__, input_name="X")
        return x

    def _quantity(self, X, number):
        """Return a number that is encoded: a column, or for a datetime its part of a cycle."""
        j, cycle = self._quantities[number]
        x = self._numbers(X, j)
        return x if cycle is None else phase(x, cycle)

    def _filled(self, X, number):
        x = self._quantity(X, number)
        return np.where(np.isnan(x), self._fill_values[number], x)

    def _fit_numbers(self, X):
        """Learn of each number that is encoded how it is filled in and scaled."""
        columns = self._columns_of_numbers()
        self._quantities = [(j, None) for j in columns]
        for j in columns:
            if self.kinds_[j] == DATETIME:
                known = self._numbers(X, j)
                cycles = changing_cycles(known[~np.isnan(known)])
                self._quantities += [(j, cycle) for cycle in cycles]
        self.fill_values_ = np.full(len(self.kinds_), np.nan)
        self._fill_values, self._with_gaps, self._varying = [], [], []
        scaler, learned = SmoothClipScaler(with_mean=True, dtype=self.dtype), []
        for number, (j, cycle) in enumerate(self._quantities):
            x = self._quantity(X, number)
            missing = np.isnan(x)
            known = x[~missing]
            self._fill_values.append(np.median(known) if known.size else 0.0)
            if cycle is None:
                self.fill_values_[j] = self._fill_values[-1]
                if _RARE_GAPS < missing.mean() < 1:
                    self._with_gaps.append(number)
            filled = np.where(missing, self._fill_values[-1], x)
            if filled.max() > filled.min():
                self._varying.append(number)
                learned.append(scaler._learn(filled))
        self.scaler_ = scaler._keep(learned)

    def _fit_bins_and_waves(self, X):
        most = self.max_columns // max(1, len(self._varying))
        n_bins, n_frequencies = min(self.n_bins, most), min(self.n_frequencies, most)
        self.piecewise_linear_ = self.periodic_ = None
        self._in_bins = []
        if n_bins > 1:
            encoder = PiecewiseLinearEncoder(
                n_bins,
                distinct_share=self.distinct_share,
                with_mean=True,
                scale=self.scale,
                dtype=self.dtype,
            )
            learned = {i: encoder._learn(self._filled(X, i)) for i in self._varying}
            # A single bin would be the scaled number once more.
            self._in_bins = [i for i, (edges, _) in learned.items() if len(edges) > 2]
            self.piecewise_linear_ = encoder._keep([learned[i] for i in self._in_bins])
        if n_frequencies:
            waves = PeriodicFeatures(
                n_frequencies,
                sigma=self.sigma,
                scale=self.scale,
                dtype=self.dtype,
                random_state=self.random_state,
            )
            self.periodic_ = waves._keep([None] * len(self._varying))

    def _fit_categories(self, X):
        self.categories_ = [None] * len(self.kinds_)
        for j, kind in enumerate(self.kinds_):
            if kind == CATEGORICAL:
                values = column(X, j).values()
                self.categories_[j] = frequent_categories(values, self.max_categories)

    def _fit_target_means(self, X, y):
        """Return the means of the target for the rows of ``X``, or None."""
        self.targets_ = []
        if self.target_encoder is None:
            return None
        if y is None:
            raise ValueError(
                f"{type(self).__name__} with a target_encoder requires y to be passed, but the "
                "target y is None."
            )
        y = np.asarray(y)
        of_many = [
            j
            for j, kind in enumerate(self.kinds_)
            if kind == CATEGORICAL and len(set(column(X, j).values())) > self.few_categories
        ]
        if y.ndim == 2 or not of_many or len(np.unique(y)) < 2:
            return None
        self.targets_ = of_many
        self._target_means = TargetMeans(self.target_encoder)
        means = self._target_means.fit_transform(self._values(X), y)
        if means is None:
            self.targets_ = []
        return means

    def _values(self, X):
        return [column(X, j).values() for j in self.targets_]

    def _columns_of_numbers(self):
        return [j for j, kind in enumerate(self.kinds_) if kind != CATEGORICAL]

    def _encode(self, X, dtype):
        """Return arrays that stand side by side in the result, as `_outputs` lists them."""
        numbers = np.empty((X.shape[0], len(self._quantities)))
        for number in range(len(self._quantities)):
            numbers[:, number] = self._quantity(X, number)
        missing = np.isnan(numbers)
        filled = np.where(missing, self._fill_values, numbers)
        scaled = self.scaler_._encode(filled[:, self._varying], np.float64)
        parts = [missing[:, self._with_gaps], scaled]
        if self.piecewise_linear_ is not None:
            parts.append(self.piecewise_linear_._encode(filled[:, self._in_bins], dtype))
        if self.periodic_ is not None:
            parts.append(self.periodic_._encode(scaled, dtype))
        for number, (_, cycle) in enumerate(self._quantities):
            if cycle is not None:
                parts.append(encode_phase(numbers[:, number]))
        for j, categories in enumerate(self.categories_):
            if categories is not None:
                parts.append(encode_categories(column(X, j).values(), categories))
        return parts

    def _outputs(self):
        """Yield the origin of each column of the result, and what its name ends with."""
        origins = [j for j, _ in self._quantities]
        names = ["" if cycle is None else f"_{cycle}" for _, cycle in self._quantities]
        yield from ((origins[i], "_missing") for i in self._with_gaps)
        yield from ((origins[i], names[i]) for i in self._varying)
        if self.piecewise_linear_ is not None:
            for i, edges in zip(self._in_bins, self.piecewise_linear_.bin_edges_, strict=True):
                yield from ((origins[i], f"{names[i]}_bin{t}") for t in range(len(edges) - 1))
        if self.periodic_ is not None:
            for i in self._varying:
                for k in range(self.periodic_.n_frequencies):
                    yield origins[i], f"{names[i]}_wave{k}"
        for j, cycle in self._quantities:
            if cycle is not None:
                yield from ((j, f"_{cycle}_{label}") for label in PHASE_LABELS)
        for j, categories in enumerate(self.categories_):
            if categories is not None:
                yield from ((j, f"_{label}") for label in category_labels(categories))
        for j in self.targets_:
            yield from ((j, f"_target{k}") for k in range(self._target_means.n_columns_each))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.required = self.target_encoder is not None
        tags.transformer_tags.preserves_dtype = [np.dtype(self.dtype).name]
        return tags


def _told_apart(names):
    """Yield the names, with a number added to one that came before."""
    taken = set()
    for name in names:
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name}_{count}"
        taken.add(unique)
        yield unique
