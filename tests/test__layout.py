import itertools

import numpy as np
import pytest

from sknn_opt._layout import (
    PARAMETER_ATTRIBUTES,
    Architecture,
    Layout,
    Parameters,
    check_parameters,
)
from sknn_opt.activations import Tanh
from sknn_opt.normalizations import NORMALIZATIONS


def test_layout_table():
    table = [4 * 5 + 5 * 2 + 5 + 2, 4 * 5 + 5 * 2, 2, 0, 4, 5, 20, 5, 2]
    np.testing.assert_array_equal(Layout([4, 5, 2]).table, table)
    assert Layout([4, 5, 2]).table.dtype == np.int64


@pytest.mark.parametrize("units", [(4, 1), (4, 5, 2), (1, 1, 1, 1), (3, 6, 2, 5)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_layout_packs_what_views_show(units, dtype):
    layout = Layout(units)
    assert layout.shapes == list(itertools.pairwise(units))
    theta = np.arange(layout.n_parameters, dtype=dtype)
    coefs, intercepts, *others = layout.views(theta)
    assert others == [[]] * 4
    assert [c.shape for c in coefs] == layout.shapes
    assert [b.shape for b in intercepts] == [(n,) for n in units[1:]]
    packed = layout.pack(layout.views(theta), dtype)
    assert packed.dtype == dtype
    assert not np.shares_memory(packed, theta)
    np.testing.assert_array_equal(packed, theta)
    fortran = layout.pack([[np.asfortranarray(c) for c in coefs], intercepts], dtype)
    np.testing.assert_array_equal(fortran, theta)

    coefs[-1][...] = -1
    intercepts[0][...] = -2
    assert np.count_nonzero(theta == -1) == coefs[-1].size
    assert np.count_nonzero(theta == -2) == intercepts[0].size
    assert np.all(theta[layout.n_weights :][: units[1]] == -2)


@pytest.mark.parametrize("offset", range(4))
def test_layout_offsets_point_at_the_weights(offset):
    layout = Layout([3, 6, 2, 5, 4])
    start, fan_in, fan_out = layout.table[3 + 3 * offset :][:3]
    theta = np.arange(layout.n_parameters)
    coefs = layout.views(theta)[0][offset]
    np.testing.assert_array_equal(theta[start:][: fan_in * fan_out], coefs.ravel())
    assert coefs.shape == (fan_in, fan_out)


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_layout_with_normalization(name):
    normalization = NORMALIZATIONS[name]()
    layout = Layout([3, 5, 4, 2], normalization)
    plain = Layout([3, 5, 4, 2])
    assert layout.n_weights == plain.n_weights
    assert layout.n_parameters == plain.n_parameters + 2 * (5 + 4)
    n_statistics = 2 * (5 + 4) if name == "batch" else 0
    assert layout.n_values == layout.n_parameters + n_statistics
    views = layout.views(np.arange(layout.n_values))
    np.testing.assert_array_equal(layout.pack(views, int), np.arange(layout.n_values))
    assert [v.shape for v in views.scales] == [v.shape for v in views.shifts] == [(5,), (4,)]
    assert [v.shape for v in views.means] == ([(5,), (4,)] if n_statistics else [])
    gradient = layout.views(np.arange(layout.n_parameters))
    assert isinstance(gradient, Parameters)
    np.testing.assert_array_equal(gradient.shifts[-1], views.shifts[-1])
    assert gradient.means == gradient.variances == []


N_FEATURES, HIDDEN, N_OUTPUTS = 3, (5, 5, 4), 2
BATCH = NORMALIZATIONS["batch"]()


def _check(parameters, normalization=BATCH):
    architecture = Architecture([Tanh()] * len(HIDDEN), [0.0] * len(HIDDEN), 0.0, normalization)
    return check_parameters(list(parameters), architecture, N_FEATURES, N_OUTPUTS)


def _parameters(dtype="float64", hidden=HIDDEN, normalization=BATCH):
    layout = Layout([N_FEATURES, *hidden, N_OUTPUTS], normalization)
    return layout.views(np.arange(layout.n_values, dtype=dtype))


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
    for section, expected in zip(checked, parameters, strict=True):
        for array, other in zip(section, expected, strict=True):
            np.testing.assert_array_equal(array, other)
            assert array.flags.c_contiguous
            assert array.dtype == (dtype if kept else "float64")
    if form == "as it is":
        assert all(map(np.shares_memory, checked.coefs, parameters.coefs))


def test_fitted_arrays_of_other_widths_that_fit():
    parameters = _parameters(hidden=(1, 6, 2))
    assert [w.shape for w in _check(parameters).coefs] == [(3, 1), (1, 6), (6, 2), (2, 2)]


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
places = pytest.mark.parametrize(
    ("name", "i"),
    [(n, i) for n in PARAMETER_ATTRIBUTES for i in range(3)],
)


def _replaced(name, i, change):
    sections = list(map(list, _parameters()))
    section = sections[PARAMETER_ATTRIBUTES.index(name)]
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


@pytest.mark.parametrize("name", PARAMETER_ATTRIBUTES)
def test_the_error_names_the_list_of_another_length(name):
    place = PARAMETER_ATTRIBUTES.index(name)
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
