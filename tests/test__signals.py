import importlib
import subprocess
import sys
import threading
import time

import pytest

from sknn_opt._signals import beyond_signals


def test_the_main_thread_has_another_one_call():
    callers = []
    beyond_signals(lambda: callers.append(threading.current_thread()))
    assert threading.main_thread() not in callers


def test_other_threads_call_themselves():
    callers = []
    other = threading.Thread(
        target=beyond_signals, args=(lambda: callers.append(threading.current_thread()),)
    )
    other.start()
    other.join()
    assert callers == [other]


def test_a_module_that_is_being_imported_calls_itself(tmp_path, monkeypatch):
    """Another thread would wait for the end of the import."""
    (tmp_path / "calling.py").write_text(
        "import threading\n"
        "from sknn_opt._signals import beyond_signals\n"
        "callers = []\n"
        "beyond_signals(lambda: callers.append(threading.current_thread()))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("calling").callers == [threading.main_thread()]


def test_exceptions_come_through():
    with pytest.raises(ZeroDivisionError):
        beyond_signals(lambda: 1 / 0)


def test_an_interrupt_while_the_thread_begins_leaves_nothing_running(monkeypatch):
    start, done = threading.Thread.start, []

    def start_and_interrupt(thread):
        start(thread)
        raise KeyboardInterrupt

    def work():
        done.append("begun")
        time.sleep(0.05)
        done.append("ended")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            beyond_signals(work)
    left = list(done)
    time.sleep(0.1)
    assert left == done


def test_when_python_ends():
    code = """
import atexit
from sknn_opt._signals import beyond_signals
atexit.register(beyond_signals, print, "called")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("called\n", "")
