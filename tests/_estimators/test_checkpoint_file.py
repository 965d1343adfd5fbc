"""Files of arrays, numbers and strings: written whole, read as they were, or refused."""

import os

import numpy as np
import pytest

from sknn_opt._estimators.checkpoint_file import read, write

VALUES = {
    "arrays": [np.arange(3), {"nested": np.ones((2, 0), np.float32)}],
    "numbers": [1, 0.1, np.nan, np.inf, 2**100, True, None],
    "text": "résumé",
}


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / "a.checkpoint"
    write(file, VALUES)
    np.testing.assert_equal(read(file), VALUES)
    assert read(file)["arrays"][1]["nested"].dtype == np.float32
    write(file, {"scalars": [np.float64(0.1), np.float32(0.5), np.int64(3), np.bool_(True)]})
    assert read(file) == {"scalars": [0.1, 0.5, 3, True]}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("value", [{1, 2}, object(), np.array([None])])
def test_what_would_have_to_be_pickled_is_refused(value, tmp_path):
    with pytest.raises(TypeError, match="none of the values"):
        write(tmp_path / "a.checkpoint", {"value": value})
    assert not list(tmp_path.iterdir())


def test_an_error_while_writing_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "a.checkpoint"
    write(file, VALUES)

    def fail(*paths):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(file, {"other": 1})
    np.testing.assert_equal(read(file), VALUES)
    assert list(tmp_path.iterdir()) == [file]


def test_every_changed_byte_is_noticed(tmp_path):
    file = tmp_path / "a.checkpoint"
    write(file, VALUES)
    content = file.read_bytes()
    for i in range(len(content)):
        file.write_bytes(content[:i] + bytes([content[i] ^ 4]) + content[i + 1 :])
        with pytest.raises(ValueError, match="checkpoint"):
            read(file)
    for n in range(0, len(content), 7):
        file.write_bytes(content[:n])
        with pytest.raises(ValueError, match="checkpoint"):
            read(file)
