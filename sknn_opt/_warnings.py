"""Warnings that point at the line of the user's code that led to them."""

import sys
import threading
import warnings
from contextlib import contextmanager
from contextvars import ContextVar

#: Top modules whose frames are passed over: ours, and those that call us on a user's behalf.
_INSIDE = {
    __package__,
    "concurrent",
    "contextlib",
    "functools",
    "joblib",
    "multiprocessing",
    "numba",
    "sklearn",
    "threading",
}


_collected = ContextVar("collected", default=None)


@contextmanager
def collected_warnings():
    """Collect what `warn` is called with in this thread, in place of warnings, in a list."""
    token = _collected.set([])
    try:
        yield _collected.get()
    finally:
        _collected.reset(token)


def warn(message, category=UserWarning):
    """Warn at the innermost frame of code that is neither ours nor a library's around ours."""
    collected = _collected.get()
    if collected is not None:
        collected.append((message, category))
        return
    caller = sys._getframe(1)
    frame = next(filter(_is_outside, _frames(caller)), caller)
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        # None would let Python drop the warning.
        module=frame.f_globals.get("__name__", frame.f_code.co_filename),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _frames(innermost):
    """Yield the frames of this thread, and then those of the main one, which waits for it."""
    for frame in (innermost, sys._current_frames().get(threading.main_thread().ident)):
        while frame is not None:
            yield frame
            frame = frame.f_back


def _is_outside(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0] not in _INSIDE
