"""Fixtures that several test modules share."""

import shutil
from pathlib import Path

import numba
import pytest
from threadpoolctl import threadpool_limits

import sknn_opt

PACKAGE = Path(sknn_opt.__file__).parent


@pytest.fixture(scope="module")
def one_blas_thread():
    """Small products are fastest on one thread, by far so where other work shares the cores."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Folder in place of the cache of machine code."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def compilation_is_announced(monkeypatch):
    """As in a process that has said that kernels compile, and does not say it again."""
    monkeypatch.setattr("sknn_opt._compiler.announcement._is_said", True)


@pytest.fixture
def package_copy(tmp_path):
    """Folder with a copy of the package, whose files may be edited."""
    shutil.copytree(PACKAGE, tmp_path / "sknn_opt", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path
