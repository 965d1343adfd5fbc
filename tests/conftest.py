"""Fixtures that several test modules share."""

import numba
import pytest
from threadpoolctl import threadpool_limits


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
