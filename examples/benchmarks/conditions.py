"""The conditions that benchmarks measure under, in alternation."""

import contextlib
import statistics
import subprocess
import sys
import time

from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def beside_a_busy_process():
    """Another process keeps one core busy."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    time.sleep(0.1)  # by then it has started
    try:
        yield
    finally:
        other.kill()
        other.wait()


#: Names of conditions, and what makes each. BLAS may use all cores except in the first.
CONDITIONS = {
    "one thread": lambda: threadpool_limits(1),
    "all threads": contextlib.nullcontext,
    "busy": beside_a_busy_process,
}


def measure_under(functions, repeats, conditions=CONDITIONS):
    """Median seconds of each function under each condition, all of them in turn in every round.

    Parameters
    ----------
    functions : dict of callable
    repeats : int
    conditions : dict of callable

    Returns
    -------
    seconds : dict of float
        By name of function and condition.
    """
    for function in functions.values():
        function()
    seconds = {(name, condition): [] for name in functions for condition in conditions}
    for _ in range(repeats):
        for condition, enter in conditions.items():
            with enter():
                for name, function in functions.items():
                    start = time.perf_counter()
                    function()
                    seconds[name, condition].append(time.perf_counter() - start)
    return {key: statistics.median(times) for key, times in seconds.items()}


def measure(functions, repeats):
    """Median seconds of each function of a list, all of them in turn in every round."""
    named = dict(enumerate(functions))
    seconds = measure_under(named, repeats, {"as it is": contextlib.nullcontext})
    return [seconds[number, "as it is"] for number in named]
