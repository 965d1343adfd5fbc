"""The public transformers: scikit-learn's checks of them, and their documentation."""

import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknn_opt import preprocessing
from sknn_opt.preprocessing import (
    KernelFeatures,
    PeriodicFeatures,
    PiecewiseLinearEncoder,
    RelevanceScaler,
    SmoothClipScaler,
    TabularEncoder,
)

# Those of single columns; the others have tests of their own.
TRANSFORMERS = [getattr(preprocessing, name) for name in preprocessing.__all__]
TRANSFORMERS.remove(RelevanceScaler)
TRANSFORMERS.remove(KernelFeatures)
API = (Path(__file__).parents[2] / "docs" / "api.rst").read_text(encoding="utf-8")

each = pytest.mark.parametrize("cls", TRANSFORMERS)

CONFIGURATIONS = [
    *(cls(**more) for cls in TRANSFORMERS for more in ({}, {"dtype": "float32"})),
    SmoothClipScaler(with_mean=True, dtype="float64"),
    PiecewiseLinearEncoder(4, distinct_share=0.0, with_mean=True, scale=0.3),
    PeriodicFeatures(2, sigma=2.0, scale=0.5),
    TabularEncoder([0], dtype="float64"),
    TabularEncoder(None, n_bins=0, n_frequencies=0),
]


@parametrize_with_checks(CONFIGURATIONS)
def test_conformity(estimator, check):
    check(estimator)


@each
def test_tags(cls):
    tags = get_tags(cls())
    assert tags.input_tags.allow_nan
    assert not tags.input_tags.sparse
    assert tags.input_tags.categorical == tags.input_tags.string == (cls is TabularEncoder)
    assert get_tags(cls(dtype="float32")).transformer_tags.preserves_dtype == ["float32"]


@pytest.mark.parametrize("cls", [*TRANSFORMERS, KernelFeatures])
def test_documentation(cls):
    text = inspect.getdoc(cls)
    assert ".. math::" in text.split("Parameters\n")[0]
    assert "References\n" in text
    assert doctest.DocTestFinder(recurse=False).find(cls)[0].examples
    assert f"   preprocessing.{cls.__name__}\n" in API
    sections = dict(re.findall(r"^(\w+)\n-+\n((?:(?!^\w+\n-+\n)[^\n]*\n)*)", text, re.M))
    parameters = re.findall(r"^(\w+) : .*?default=([^\n]*)$", sections["Parameters"], re.M | re.S)
    signature = inspect.signature(cls).parameters
    assert dict(parameters) == {name: repr(p.default) for name, p in signature.items()}
    fitted = cls().fit(np.eye(3))
    left = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    documented = re.findall(r"^(\w+_) : ", sections["Attributes"], re.M)
    assert set(documented) == left | {"feature_names_in_"}
