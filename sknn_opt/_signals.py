"""Calls that no signal handler interrupts: after Ctrl-C nothing is left half done."""

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor


def beyond_signals(function, *arguments):
    """Call where no signal handler can raise.

    Python runs handlers in the main thread only, which waits for the call to end. While the
    main thread imports a module, it calls itself: another thread would wait for that module.
    So it does when Python ends, and no threads begin any more.
    """
    main = threading.main_thread()
    if threading.current_thread() is not main or not main.is_alive() or _is_importing():
        function(*arguments)
        return
    with ThreadPoolExecutor(1) as thread:
        # An interrupt while a thread begins leaves it behind, so it begins without the function.
        thread.submit(lambda: None).result()
        thread.submit(function, *arguments).result()


def _is_importing():
    frames = traceback.walk_stack(None)
    return any("importlib._bootstrap" in frame.f_code.co_filename for frame, _ in frames)
