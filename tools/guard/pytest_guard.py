"""A pytest plugin that guards all NumPy buffers of the tests: see ``tools/README.md``.

PYTHONPATH=tools/guard GUARD_MODE=end pytest -p pytest_guard
"""

import os
import tempfile

import pytest
from allocator import Guard, build

with tempfile.TemporaryDirectory() as folder:
    guard = Guard(build(folder), os.environ.get("GUARD_MODE", "end"))
guard.install()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    guard.enter_thread()  # a test may run in another context


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(
        f"guard: {guard.n_buffers} buffers, {guard.n_damaged} written beyond"
    )


def pytest_sessionfinish(session):
    if guard.n_damaged:
        session.exitstatus = 1
