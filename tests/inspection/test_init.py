from pathlib import Path

import pytest

from sknn_opt import inspection

REFERENCE = Path(__file__).parents[2] / "docs" / "api.rst"


@pytest.mark.parametrize("name", inspection.__all__)
def test_public_names_are_documented(name):
    assert f"inspection.{name}" in REFERENCE.read_text("utf-8").split()
    assert getattr(inspection, name).__doc__
