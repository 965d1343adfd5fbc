import pickle
import tracemalloc
from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sknn_opt import MLPClassifier
from sknn_opt.preprocessing import TabularEncoder
from sknn_opt.preprocessing import numeric as numeric_module

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

rng = np.random.default_rng(0)
N = 400
START = datetime(2020, 1, 1)
COLUMNS = {
    "normal": rng.normal(5, 3, N),
    "skewed": rng.lognormal(0, 2, N),
    "rare": np.where(rng.random(N) < 0.9, 0.0, rng.exponential(1, N)),
    "count": rng.integers(0, 5, N),
    "huge": rng.integers(2**53, 2**63, N),
    "constant": np.full(N, 3),
    "flag": rng.random(N) < 0.3,
    "town": rng.choice(["Oslo", "Rome", "Bern", "Kiel"], N),
    "sex": rng.choice(["f", "m"], N),
    "same": np.full(N, "always"),
    "when": [START + timedelta(hours=int(h)) for h in rng.integers(0, 9000, N)],
    "length": [timedelta(seconds=int(s)) for s in rng.integers(0, 9000, N)],
}
GAPS = {name: rng.random(N) < 0.1 for name in COLUMNS}
GAPS["normal"][:] = False
DATA = {
    name: [None if gap else value for value, gap in zip(values, GAPS[name], strict=True)]
    for name, values in ((name, np.asarray(c, dtype=object)) for name, c in COLUMNS.items())
}
DATA["never"] = [None] * N
NAMES = list(DATA)
NULLABLE = {
    "rare": "Float64",
    "count": "Int64",
    "huge": "Int64",
    "flag": "boolean",
    "town": "category",
    "sex": "string",
}
PANDAS = pd.DataFrame(DATA).astype({"normal": float, "skewed": float})
FRAMES = {
    "pandas": PANDAS,
    "nullable": PANDAS.astype(NULLABLE),
    "polars": pl.DataFrame(DATA),
    "categorical": pl.DataFrame(DATA).with_columns(
        pl.col("town").cast(pl.Categorical), pl.col("sex").cast(pl.Enum(["m", "f"]))
    ),
    "objects": np.array([DATA[name] for name in NAMES], dtype=object).T,
    "lists": [list(row) for row in zip(*DATA.values(), strict=True)],
}
each_frame = pytest.mark.parametrize("frame", FRAMES)

#: How the recipes of the tabular committee see a table.
VIEWS = {
    "raw": {"n_bins": 0, "n_frequencies": 0},
    "waves": {"n_bins": 0, "scale": 0.5},
    "mix": {"distinct_share": 0.0},
    "steps": {"n_bins": 48, "sigma": 2.0, "scale": 0.6},
}
each_view = pytest.mark.parametrize("view", VIEWS)
PLAIN = VIEWS["raw"]


def seconds(values, zero):
    return [None if v is None else (v - zero).total_seconds() for v in values]


def numbers():
    """The columns of numbers, as float64."""
    columns = {name: DATA[name] for name in NAMES[:7]}
    columns["when"] = seconds(DATA["when"], datetime(1970, 1, 1))
    columns["length"] = seconds(DATA["length"], timedelta(0))
    columns["never"] = DATA["never"]
    return {name: np.array(values, dtype=float) for name, values in columns.items()}


def smooth(x):
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75])
    scale = (high - low) / 1.349 if high > low else (x.max() - x.min()) / 2
    z = (x - middle) / scale
    u = z / np.sqrt(1 + (z / 3) ** 2)
    return u - u.mean()


def edges(x, n_bins, distinct_share):
    distinct = np.unique(x)
    if len(distinct) <= n_bins + 1:
        return distinct
    by_rows = int(n_bins * (1 - distinct_share))
    quantiles = np.quantile(x, np.linspace(0, 1, by_rows + 1))
    others = np.quantile(distinct, np.linspace(0, 1, n_bins - by_rows + 1))
    return np.unique(np.r_[quantiles, others])


def formulas(n_bins=16, distinct_share=0.5, n_frequencies=8, sigma=1.0, scale=0.15, seed=0):
    """The encoded table by name of the column, from the definitions."""
    expected, scaled = {}, {}
    shares = {f"when_{cycle}": share for cycle, share in shares_of_cycles().items()}
    for name, x in (numbers() | shares).items():
        gaps = np.isnan(x)
        if 0 < gaps.mean() < 1 and name not in shares:
            expected[f"{name}_missing"] = gaps
        x = np.where(gaps, np.median(x[~gaps]) if not gaps.all() else 0, x)
        if np.ptp(x) > 0:
            expected[name] = scaled[name] = smooth(x)
            e = edges(x, n_bins, distinct_share) if n_bins else []
            for t in range(len(e) - 1 if len(e) > 2 else 0):
                share = np.clip((x - e[t]) / (e[t + 1] - e[t]), 0, 1)
                expected[f"{name}_bin{t}"] = scale * (share - share.mean())
    random_state = np.random.RandomState(seed)
    frequencies = random_state.normal(0, sigma, (len(scaled), n_frequencies))
    phases = random_state.uniform(-np.pi, np.pi, (len(scaled), n_frequencies))
    for j, (name, u) in enumerate(scaled.items()):
        for k in range(n_frequencies):
            expected[f"{name}_wave{k}"] = scale * np.cos(frequencies[j, k] * u + phases[j, k])
    return expected | calendar() | categories()


def shares_of_cycles():
    """The share of the day, the week and the year that is over; a week starts on Thursday."""
    when = np.array(DATA["when"], dtype="datetime64[s]")
    lengths = {"day": 86_400, "week": 7 * 86_400, "year": 31_556_952}
    since = (when - np.datetime64("1970")) / np.timedelta64(1, "s")
    return {cycle: since / length % 1 for cycle, length in lengths.items()}


def calendar():
    columns = {}
    for cycle, share in shares_of_cycles().items():
        columns[f"when_{cycle}_cos"] = np.nan_to_num(np.cos(2 * np.pi * share))
        columns[f"when_{cycle}_sin"] = np.nan_to_num(np.sin(2 * np.pi * share))
    return columns


def categories():
    town = np.array(DATA["town"])
    columns = {f"town_{one}": town == one for one in ("Bern", "Kiel", "Oslo", "Rome")}
    columns["town_missing"] = GAPS["town"]
    columns |= {f"sex_{one}": np.array(DATA["sex"]) == one for one in "fm"}
    columns["sex_missing"] = GAPS["sex"]
    same = GAPS["same"]
    return columns | {"same_missing": np.where(same, 1, -1)}


@each_frame
@each_view
def test_the_views_of_a_table(view, frame):
    encoder = TabularEncoder(**VIEWS[view], max_columns=1000, random_state=0)
    encoded = encoder.fit_transform(FRAMES[frame])
    assert encoded.dtype == np.float32
    expected = formulas(**VIEWS[view])
    assert encoded.shape == (N, len(expected))
    given = None if hasattr(encoder, "feature_names_in_") else NAMES
    names = encoder.get_feature_names_out(given)
    assert set(names) == set(expected)
    for name, values in zip(names, encoded.T, strict=True):
        assert_allclose(values, expected[name], atol=3e-6, err_msg=name)


@each_frame
def test_kinds_and_names(frame):
    encoder = TabularEncoder(**PLAIN).fit(FRAMES[frame])
    kinds = ["numeric"] * 7 + ["categorical"] * 3 + ["datetime", "duration", "numeric"]
    assert encoder.kinds_ == kinds
    assert encoder.n_features_in_ == len(NAMES)
    if frame in ("objects", "lists"):
        assert not hasattr(encoder, "feature_names_in_")
        assert encoder.get_feature_names_out()[-1] == "x9_missing"
    else:
        assert list(encoder.feature_names_in_) == NAMES
    sex = ["f", "m", None]
    assert encoder.categories_[8] == sex
    assert encoder.categories_[:7] == [None] * 7


def test_each_column_of_the_result_knows_where_it_comes_from():
    encoder = TabularEncoder(random_state=0).fit(PANDAS)
    names = encoder.get_feature_names_out()
    assert len(names) == len(encoder.origins_)
    for name, origin in zip(names, encoder.origins_, strict=True):
        assert name == NAMES[origin] or name.startswith(f"{NAMES[origin]}_")
    assert set(encoder.origins_) == set(range(len(NAMES))) - {NAMES.index("never")}
    # What a column of the table determines does not change with the others.
    shuffled = PANDAS.assign(count=PANDAS["count"].to_numpy()[::-1])
    changed = (encoder.transform(shuffled) != encoder.transform(PANDAS)).any(axis=0)
    assert set(encoder.origins_[changed]) == {NAMES.index("count")}


@pytest.mark.parametrize("seen", ["pandas", "polars"])
@pytest.mark.parametrize("new", ["pandas", "nullable", "polars", "categorical"])
def test_frames_of_one_library_are_encoded_after_a_fit_to_those_of_another(seen, new):
    encoder = TabularEncoder(random_state=0).fit(FRAMES[seen])
    assert_array_equal(encoder.transform(FRAMES[new]), encoder.transform(FRAMES[seen]))


@each_view
def test_rows_are_encoded_one_by_one(view, monkeypatch):
    encoder = TabularEncoder(**VIEWS[view], random_state=0).fit(PANDAS)
    whole = encoder.transform(PANDAS)
    assert_array_equal(encoder.transform(PANDAS.iloc[::-7]), whole[::-7])
    monkeypatch.setattr(numeric_module, "_CHUNK", 2000)
    assert_array_equal(encoder.transform(PANDAS), whole)


@each_frame
def test_the_table_is_left_as_it_is(frame):
    before = pickle.dumps(FRAMES[frame])
    TabularEncoder().fit(FRAMES[frame]).transform(FRAMES[frame])
    if frame not in ("polars", "categorical"):  # whose frames cannot be changed in place
        assert pickle.dumps(FRAMES[frame]) == before


def test_new_categories_and_new_missing_values():
    table = pd.DataFrame({"a": [1.0, 2.0, 4.0, 8.0], "b": list("uvwu"), "c": list("xyxy")})
    encoder = TabularEncoder(**PLAIN).fit(table)
    new = pd.DataFrame({"a": [None, 3.0], "b": [None, "z"], "c": ["z", None]})
    assert list(encoder.get_feature_names_out()) == ["a", "b_u", "b_v", "b_w", "c_y"]
    median, gap = encoder.transform(new)[:, 0]
    assert median == gap  # the median of these is 3
    assert_array_equal(encoder.transform(new)[:, 1:], 0)


def test_rare_categories():
    values = ["often"] * 995 + ["twice"] * 2 + ["once", "one", None]
    for n_rows, expected in ((999, ["often", "once", "one", "twice"]), (1000, ["often", "twice"])):
        table = pd.DataFrame({"a": values[-n_rows:]})
        encoder = TabularEncoder().fit(table[:n_rows] if n_rows == 1000 else table.dropna())
        assert encoder.categories_[0] == expected
    few = TabularEncoder(max_categories=1).fit(pd.DataFrame({"a": list("uuuvw")}))
    assert_array_equal(few.transform(pd.DataFrame({"a": list("uvw")})), [[1], [0], [0]])


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_columns_that_tell_nothing(frame):
    table = FRAMES[frame][["constant", "same", "never"]]
    table = table.dropna(subset=["constant", "same"]) if frame == "pandas" else table.drop_nulls(
        ["constant", "same"]
    )  # fmt: skip
    encoder = TabularEncoder().fit(table)
    assert encoder.transform(FRAMES[frame][["constant", "same", "never"]]).shape == (N, 0)
    assert list(encoder.get_feature_names_out()) == []


def test_gaps_are_told_where_they_are_frequent():
    table = pd.DataFrame({"a": np.arange(1000.0), "b": np.arange(1000.0)})
    table.loc[:1, "a"] = None  # 0.2 %
    table.loc[:2, "b"] = None
    assert list(TabularEncoder(**PLAIN).fit(table).get_feature_names_out()) == [
        "b_missing",
        "a",
        "b",
    ]


def test_a_constant_with_gaps_is_its_gaps():
    encoder = TabularEncoder().fit(pd.DataFrame({"a": [1.0, None, 1.0]}))
    assert list(encoder.get_feature_names_out()) == ["a_missing"]


def test_many_columns_share_the_bins_and_the_waves():
    X = rng.normal(size=(100, 30))
    encoder = TabularEncoder(n_bins=16, n_frequencies=8, max_columns=100).fit(X)
    assert encoder.piecewise_linear_.n_bins == encoder.periodic_.n_frequencies == 3
    encoder.set_params(max_columns=59).fit(X)  # a single bin would be the scaled number again
    assert encoder.piecewise_linear_ is None
    assert encoder.transform(X).shape == (100, 60)
    encoder.set_params(max_columns=0).fit(X)
    assert encoder.transform(X).shape == (100, 30)


def test_the_parts_are_fitted_transformers():
    encoder = TabularEncoder(dtype="float64", random_state=0).fit(PANDAS[["normal", "rare"]])
    filled = PANDAS[["normal", "rare"]].fillna(PANDAS["rare"].median()).to_numpy()
    scaled = encoder.scaler_.transform(filled)
    parts = [
        PANDAS[["rare"]].isna(),
        scaled,
        encoder.piecewise_linear_.transform(filled),
        encoder.periodic_.transform(scaled),
    ]
    assert_allclose(encoder.transform(PANDAS[["normal", "rare"]]), np.hstack(parts), atol=1e-12)


def test_names_that_coincide_are_told_apart():
    table = pl.DataFrame({"a": ["missing", None, "x"], "a_x": [1, 2, 3]})
    encoder = TabularEncoder(**PLAIN).set_output(transform="polars")
    assert encoder.fit_transform(table).columns == ["a_x", "a_missing", "a_x_2", "a_missing_2"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@each_frame
def test_results_that_are_frames(library, frame):
    encoder = TabularEncoder(random_state=0).set_output(transform=library)
    encoded = encoder.fit_transform(FRAMES[frame])
    assert type(encoded).__module__.partition(".")[0] == library
    assert list(encoded.columns) == list(encoder.get_feature_names_out())
    if library == frame == "pandas":
        assert_array_equal(encoded.index, PANDAS.index)


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, np.float64])
def test_types_of_the_result(dtype):
    encoded = TabularEncoder(dtype=dtype, random_state=0).fit_transform(PANDAS)
    assert encoded.dtype == dtype
    exact = TabularEncoder(dtype="float64", random_state=0).fit_transform(PANDAS)
    assert_allclose(encoded, exact, atol=1e-6)
    assert encoded.flags.c_contiguous


def test_clone_and_pickle():
    encoder = TabularEncoder(random_state=0).fit(PANDAS)
    loaded = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(loaded.transform(PANDAS), encoder.transform(PANDAS))
    again = clone(encoder).fit(PANDAS)
    assert_array_equal(again.transform(PANDAS), encoder.transform(PANDAS))


def test_a_network_on_a_raw_frame():
    table = PANDAS[["normal", "town", "when"]]
    y = (PANDAS["town"] == "Rome") | (PANDAS["normal"] > 8)
    network = MLPClassifier((20,), learning_rate_init=0.01, tol=1e-3, random_state=0)
    model = make_pipeline(TabularEncoder(random_state=0), network).fit(table, y)
    assert model.score(table, y) == 1


# -- bad input --------------------------------------------------------------------------


FITTED = TabularEncoder(random_state=0).fit(PANDAS)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_have_to_be_those_of_fit(library):
    frame = FRAMES[library]
    bad = {
        "in the same order as they were in fit": frame[NAMES[::-1]],
        "seen at fit time, yet now missing:\n- count": frame[[n for n in NAMES if n != "count"]],
        "unseen at fit time:\n- other": frame.rename(
            **{"pandas": {"columns": {"count": "other"}},
               "polars": {"mapping": {"count": "other"}}}[library]
        ),
    }  # fmt: skip
    for words, table in bad.items():
        with pytest.raises(ValueError, match=words):
            FITTED.transform(table)


def test_an_array_has_as_many_columns_as_in_fit():
    encoder = TabularEncoder().fit(np.eye(3))
    with pytest.raises(ValueError, match="X has 2 features, but TabularEncoder is expecting 3"):
        encoder.transform(np.eye(2))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        FITTED.transform(FRAMES["objects"])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_without_rows_or_columns(library):
    frame = FRAMES[library]
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 13\)\)"):
        TabularEncoder().fit(frame[:0])
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\).*by TabularEncoder"):
        FITTED.transform(frame[:0])
    with pytest.raises(ValueError, match=r"Found array with 0 feature\(s\) \(shape=\(400, 0\)\)"):
        TabularEncoder().fit(PANDAS[[]])


INFINITE = {
    "array": np.array([[1.0], [np.inf]]),
    "float32": np.array([[1.0], [np.inf]], dtype="float32"),
    "objects": np.array([[1], [-np.inf]], dtype=object),
    "integers": np.array([[1], [10**400]], dtype=object),
    "pandas": pd.DataFrame({"a": [1, np.inf]}),
    "polars": pl.DataFrame({"a": [1.0, float("inf")]}),
}


@pytest.mark.parametrize("table", INFINITE)
def test_infinities_are_refused(table):
    words = "Input X contains infinity or a value too large for dtype"
    with pytest.raises(ValueError, match=words):
        TabularEncoder().fit(INFINITE[table])
    X = INFINITE[table]
    with pytest.raises(ValueError, match=words):
        TabularEncoder().fit(X[:1] if table != "pandas" else X.iloc[:1]).transform(X)


def test_what_is_no_number_in_a_column_of_numbers():
    with pytest.raises(ValueError, match="could not convert string to float: 'many'") as error:
        FITTED.transform(PANDAS.astype({"count": object}).assign(count="many"))
    assert "in feature 'count', which has been taken for numeric." in str(error.value)
    with pytest.raises(ValueError, match="datetime values found, in feature 'count'"):
        FITTED.transform(PANDAS.assign(count=PANDAS["when"]))


def test_other_tables_are_refused():
    with pytest.raises(ValueError, match="Expected a 2-dimensional container"):
        TabularEncoder().fit(PANDAS["normal"])
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        TabularEncoder().fit([1.0, 2.0])


@pytest.mark.parametrize(
    "bad",
    [
        {"n_bins": -1},
        {"n_frequencies": 1.5},
        {"scale": 0},
        {"max_categories": 0},
        {"max_columns": -1},
        {"dtype": None},
        {"distinct_share": 2},
    ],
)
def test_bad_parameters(bad):
    with pytest.raises(ValueError, match=f"The '{next(iter(bad))}' parameter of TabularEncoder"):
        TabularEncoder(**bad).fit(PANDAS)


# -- memory -----------------------------------------------------------------------------


@pytest.mark.parametrize("library", [None, "pandas", "polars"])
def test_memory(library, monkeypatch):
    monkeypatch.setattr(numeric_module, "_CHUNK", 2**16)
    X = rng.normal(size=(50_000, 40)).astype(np.float32)
    if library is not None:
        names = [f"x{j}" for j in range(40)]
        X = {"pandas": lambda: pd.DataFrame(X, columns=names),
             "polars": lambda: pl.DataFrame(X, schema=names)}[library]()  # fmt: skip
    encoder = TabularEncoder(**PLAIN)
    encoder.fit(X[:100]).transform(X[:100])
    tracemalloc.start()
    encoder.fit(X)
    in_fit = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    encoded = encoder.transform(X)
    in_transform = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert encoded.nbytes == 50_000 * 40 * 4
    assert in_fit < encoded.nbytes
    assert in_transform < 1.7 * encoded.nbytes
