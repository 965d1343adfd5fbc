"""Says that kernels compile, once in a process, to those who asked to be told."""

from contextlib import contextmanager

from .once import lock

_MESSAGE = (
    "Compiling kernels for this processor. This takes some seconds, and later fits load them "
    "from disk."
)

_listeners = 0  # of the whole process: members of a committee compile in threads of their own
_is_said = False


@contextmanager
def announced_if(verbose):
    """Within it, the first kernel that has to be compiled prints a line, if ``verbose``."""
    _listen(bool(verbose))
    try:
        yield
    finally:
        _listen(-bool(verbose))


def announce():
    """Tell those who listen, and only the first time, that a kernel is being compiled."""
    global _is_said
    if _listeners and not _is_said:
        _is_said = True
        print(_MESSAGE, flush=True)


def _listen(change):
    global _listeners
    with lock:
        _listeners += change
