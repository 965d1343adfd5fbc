import itertools

import numpy as np
import pytest

from sknn_opt._network.layout import Layout, Parameters
from sknn_opt.normalizations import NORMALIZATIONS


def test_layout_table():
    table = Layout([4, 5, 2]).table[0]
    assert (table["n_parameters"], table["n_layers"], table["n_arrays"]) == (37, 2, 4)
    assert table["stride"] == 48  # so that every vector of the state is aligned


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


@pytest.mark.parametrize("normalization", [None, *NORMALIZATIONS])
def test_each_trained_array_has_a_row(normalization):
    normalization = None if normalization is None else NORMALIZATIONS[normalization]()
    layout = Layout([3, 6, 2, 5, 4], normalization)
    theta = np.arange(layout.n_parameters)
    arrays = [array for section in layout.views(theta) for array in section]
    assert len(arrays) == layout.table[0]["n_arrays"]
    for i, (row, array) in enumerate(zip(layout.arrays, arrays, strict=True)):
        assert row["rows"] * row["columns"] == array.size
        np.testing.assert_array_equal(theta[row["offset"] :][: array.size], array.ravel())
        assert row["decays"] == (i < 4)  # weights alone
        assert row["rate"] == 1


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
