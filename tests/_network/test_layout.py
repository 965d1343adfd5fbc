import itertools

import numpy as np
import pytest
from problems import make_layout

from sknn_opt._network.layout import (
    PARAMETERS,
    Architecture,
    Layout,
    check_parameters,
    describe,
)
from sknn_opt.activations import Tanh
from sknn_opt.normalizations import NORMALIZATIONS


def test_layout_table():
    table = make_layout([4, 5, 2]).table[0]
    assert (table["n_parameters"], table["n_hidden"], table["n_arrays"]) == (37, 1, 4)
    assert table["stride"] == 48  # so that every vector of the state is aligned


@pytest.mark.parametrize("units", [(4, 1), (4, 5, 2), (1, 1, 1, 1), (3, 6, 2, 5)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_layout_packs_what_views_show(units, dtype):
    layout = make_layout(units)
    assert layout.shapes == list(itertools.pairwise(units))
    theta = np.arange(layout.n_parameters, dtype=dtype)
    coefs, intercepts, *others = layout.by_name(theta).values()
    assert others == [[]] * 4
    assert [c.shape for c in coefs] == layout.shapes
    assert [b.shape for b in intercepts] == [(n,) for n in units[1:]]
    packed = layout.pack(layout.by_layer(theta), dtype)
    assert packed.dtype == dtype
    assert not np.shares_memory(packed, theta)
    np.testing.assert_array_equal(packed, theta)
    fortran = [
        {name: np.asfortranarray(array) for name, array in layer.items()}
        for layer in layout.by_layer(theta)
    ]
    np.testing.assert_array_equal(layout.pack(fortran, dtype), theta)

    coefs[-1][...] = -1
    intercepts[0][...] = -2
    assert np.count_nonzero(theta == -1) == coefs[-1].size
    assert np.count_nonzero(theta == -2) == intercepts[0].size
    assert np.all(theta[layout.n_weights :][: units[1]] == -2)


def test_frozen_layers_stand_behind_all_that_changes():
    norm, layers = NORMALIZATIONS["batch"](), [0.0, 2.0, 0.0, 1.0]
    whole = make_layout([3, 6, 2, 5, 4], norm)
    layout = Layout(describe([3, 6, 2, 5, 4], [norm] * 3, layers))
    assert layout.is_trained.tolist() == [False, True, False, True]
    assert (layout.n_values, layout.shapes) == (whole.n_values, whole.shapes)
    theta = layout.pack(whole.by_layer(np.arange(whole.n_values)), float)
    for name, arrays in whole.by_name(np.arange(whole.n_values)).items():
        for mine, other in zip(layout.by_name(theta)[name], arrays, strict=True):
            np.testing.assert_array_equal(mine, other)
    statistics = np.zeros(layout.n_values, bool)
    statistics[layout.statistics] = True
    for i, (rate, arrays) in enumerate(zip(layers, layout.by_layer(theta), strict=True)):
        assert set(layout.by_layer(theta[: layout.n_parameters])[i]) <= set(arrays)
        for name, array in arrays.items():
            where = np.isin(theta, array)
            assert where[layout.frozen].any() == (rate == 0)
            assert where[statistics].any() == (rate > 0 and "running" in name)
    assert layout.n_weights == 6 * 2 + 5 * 4
    assert layout.arrays["rate"].tolist() == [2.0, 1.0, 2.0, 1.0, 2.0, 2.0]
    assert (layout.table[0]["n_hidden"], layout.table[0]["n_arrays"]) == (1, 6)


@pytest.mark.parametrize("normalization", [None, *NORMALIZATIONS])
def test_each_trained_array_has_a_row(normalization):
    normalization = None if normalization is None else NORMALIZATIONS[normalization]()
    layout = make_layout([3, 6, 2, 5, 4], normalization)
    theta = np.arange(layout.n_parameters)
    arrays = [array for section in layout.by_name(theta).values() for array in section]
    assert len(arrays) == layout.table[0]["n_arrays"]
    for i, (row, array) in enumerate(zip(layout.arrays, arrays, strict=True)):
        assert row["rows"] * row["columns"] == array.size
        np.testing.assert_array_equal(theta[row["offset"] :][: array.size], array.ravel())
        assert row["decays"] == (i < 4)  # weights alone
        assert row["rate"] == 1


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_layout_with_normalization(name):
    normalization = NORMALIZATIONS[name]()
    layout = make_layout([3, 5, 4, 2], normalization)
    plain = make_layout([3, 5, 4, 2])
    assert layout.n_weights == plain.n_weights
    assert layout.n_parameters == plain.n_parameters + 2 * (5 + 4)
    n_statistics = 2 * (5 + 4) if name == "batch" else 0
    assert layout.n_values == layout.n_parameters + n_statistics
    theta = np.arange(layout.n_values)
    np.testing.assert_array_equal(layout.pack(layout.by_layer(theta), int), theta)
    views = layout.by_name(theta)
    shapes = {name: [view.shape for view in views[name]] for name in PARAMETERS[2:]}
    assert shapes["normalization_scales"] == shapes["normalization_shifts"] == [(5,), (4,)]
    statistics = [(5,), (4,)] if n_statistics else []
    assert shapes["running_means"] == shapes["running_variances"] == statistics
    gradient = layout.by_name(np.arange(layout.n_parameters))
    assert tuple(gradient) == PARAMETERS
    last = "normalization_shifts"
    np.testing.assert_array_equal(gradient[last][-1], views[last][-1])
    assert gradient["running_means"] == gradient["running_variances"] == []


N_FEATURES, HIDDEN, N_OUTPUTS = 3, (5, 5, 4), 2
BATCH = NORMALIZATIONS["batch"]()


def _check(parameters, normalization=BATCH):
    n_hidden = len(HIDDEN)
    architecture = Architecture([Tanh()] * n_hidden, [0.0] * n_hidden, [normalization] * n_hidden)
    return check_parameters(list(parameters), architecture, N_FEATURES, N_OUTPUTS)


def _parameters(dtype="float64", hidden=HIDDEN, normalization=BATCH):
    layout = make_layout([N_FEATURES, *hidden, N_OUTPUTS], normalization)
    return list(layout.by_name(np.arange(layout.n_values, dtype=dtype)).values())


FORMS = {
    "as it is": lambda a: a,
    "Fortran order": np.asfortranarray,
    "backwards": lambda a: a[::-1].copy()[::-1],
    "every second": lambda a: np.repeat(a, 2, axis=0)[::2],
    "lists": lambda a: a.tolist(),
    "integers": lambda a: a.astype(int),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "longer numbers": lambda a: a.astype(np.longdouble),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("normalization", [None, *NORMALIZATIONS])
def test_fitted_arrays_that_fit(normalization, dtype, form):
    normalization = normalization and NORMALIZATIONS[normalization]()
    parameters = _parameters(dtype, normalization=normalization)
    given = [[FORMS[form](array) for array in section] for section in parameters]
    checked = _check(given, normalization)
    kept = form in ("as it is", "Fortran order", "backwards", "every second")
    for name, expected in zip(PARAMETERS, parameters, strict=True):
        arrays = [layer[name] for layer in checked if name in layer]
        for array, other in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(array, other)
            assert array.flags.c_contiguous
            assert array.dtype == (dtype if kept else "float64")
            if form == "as it is" and name == "coefs":
                assert np.shares_memory(array, other)


def test_fitted_arrays_of_other_widths_that_fit():
    parameters = _parameters(hidden=(1, 6, 2))
    shapes = [layer["coefs"].shape for layer in _check(parameters)]
    assert shapes == [(3, 1), (1, 6), (6, 2), (2, 2)]


MISSHAPEN = {
    "shorter": lambda a: a[:1],
    "empty": lambda a: a[:0],
    "longer": lambda a: np.concatenate([a, a]),
    "one more axis": lambda a: a[..., np.newaxis],
    "flat": lambda a: np.append(a, a),
    "number": lambda a: a.sum(),
}
UNREAL = {
    "complex": lambda a: a * 1j,
    "objects": lambda a: a.astype(object),
    "text": lambda a: a.astype(str),
    "dates": lambda a: a.astype("datetime64[s]"),
    "records": lambda a: np.zeros(a.shape, [("x", float)]),
    "ragged": lambda a: [[1.0], [1.0, 2.0]],
    "None": lambda a: None,
}
ATTRIBUTES = [f"{name}_" for name in PARAMETERS]
places = pytest.mark.parametrize(
    ("name", "i"),
    [(n, i) for n in ATTRIBUTES for i in range(3)],
)


def _replaced(name, i, change):
    sections = list(map(list, _parameters()))
    section = sections[ATTRIBUTES.index(name)]
    section[i] = change(section[i])
    return sections


@pytest.mark.parametrize("change", MISSHAPEN)
@places
def test_the_error_names_the_array_of_another_shape(name, i, change):
    with pytest.raises(ValueError, match=rf"^{name}\[{i}\] has the shape .* ask for \("):
        _check(_replaced(name, i, MISSHAPEN[change]))


@pytest.mark.parametrize("change", UNREAL)
@places
def test_the_error_names_the_list_with_what_is_no_real_number(name, i, change):
    with pytest.raises(ValueError, match=f"^{name} must be a list of arrays of real numbers"):
        _check(_replaced(name, i, UNREAL[change]))


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_error_names_the_list_with_a_number_too_large_for_float32(name):
    sections = [[array.astype(np.float32) for array in section] for section in _parameters()]
    section = sections[ATTRIBUTES.index(name)]
    section[-1] = np.full_like(section[-1], 1e300, dtype=np.float64)
    with pytest.raises(ValueError, match=f"^{name} holds a number too large for float32"):
        _check(sections)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_error_names_the_list_of_another_length(name):
    place = ATTRIBUTES.index(name)
    for change, words in {
        lambda s: s[:-1]: "must hold . arrays, but holds .",
        lambda s: s + s[-1:]: "must hold . arrays, but holds .",
        lambda s: []: "must",
        lambda s: None: "must be a list",
        lambda s: 1.0: "must be a list",
    }.items():
        sections = list(_parameters())
        sections[place] = change(sections[place])
        with pytest.raises(ValueError, match=f"^{name} {words}"):
            _check(sections)


def test_scales_of_a_network_without_normalization():
    with pytest.raises(ValueError, match="normalization_scales_ must hold 0 arrays, but holds 3"):
        _check(_parameters(), normalization=None)
