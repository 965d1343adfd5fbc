"""examples/export_to_onnx.py runs, and what it exports predicts the same."""

import runpy
from pathlib import Path

import pytest


@pytest.mark.filterwarnings("default")  # of the converter, whatever it may be
def test_what_is_exported_predicts_the_same(capsys):
    pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    names = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "export_to_onnx.py"))
    assert names["difference"] < 1e-6
    assert "same classes: True" in capsys.readouterr().out
