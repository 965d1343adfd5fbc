"""Fixtures that several test modules share."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module")
def one_blas_thread():
    """Small products are fastest on one thread, by far so where other work shares the cores."""
    with threadpool_limits(1, user_api="blas"):
        yield
