"""Interrupt fits, fork beside them, and run them in threads.

    python tools/interrupts.py --seconds 60

These take turns, each in a child process that has not fitted before:

- SIGINT arrives at random moments of a fit. It ends by KeyboardInterrupt, or with the documented
  warning and a usable model; BLAS has its threads back; and the next fit gives the right model.
- The process forks while a thread is in its first fit, and the fork has to fit as well.
- Threads fit at once, and each has the model that one thread has.

With a cold cache the first fit imports Numba and compiles. Exits with 1 if anything failed.
"""

import argparse
import contextlib
import faulthandler
import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter

import numpy as np
from checking import same
from sklearn.base import clone
from sklearn.datasets import make_classification
from threadpoolctl import threadpool_info, threadpool_limits

from sknn_opt import MLPClassifier, MLPRegressor

_INTERRUPTED = "Training interrupted by user."
_BLAS_THREADS = 2  # more than one, to see that they are restored
_SECONDS_TO_HANG = 120
_SECONDS_TO_COMPILE = 4  # about; interrupts of a first fit arrive within this time
_ROUNDS = 5  # in a child

# Products so small that BLAS takes one thread for them: their rounding is always the same.
X, y = make_classification(600, 10, n_informative=8, n_classes=3, random_state=0)
_LONG = {"max_iter": 1000, "tol": 0.0, "n_iter_no_change": np.inf, "random_state": 0}
JOBS = {
    "adam": MLPClassifier((15,), **_LONG),
    "early stopping": MLPClassifier((15,), early_stopping=True, averaging="ema", **_LONG),
    "float32": MLPRegressor((15,), "tanh", optimizer="sgd", dtype="float32", **_LONG),
    "lbfgs": MLPClassifier((15,), optimizer="lbfgs", **_LONG),
    "lbfgs, n_jobs": MLPRegressor((15,), "tanh", optimizer="lbfgs", n_jobs=2, **_LONG),
    "trust-ncg": MLPClassifier((5,), "tanh", optimizer="trust-ncg", max_iter=9, random_state=0),
}


def fitted(name):
    return model(clone(JOBS[name]).fit(X, y))


def model(estimator):
    """Return what fit has learnt."""
    return [*estimator.coefs_, *estimator.intercepts_, estimator.predict(X)]


# -- what runs in children -------------------------------------------------------------------


def reference(send):
    """Send the right models, the seconds of a first fit and those of others."""
    models, seconds = {}, {}
    start = time.perf_counter()
    fitted("adam")
    first = time.perf_counter() - start
    for name in JOBS:
        models[name] = fitted(name)
        start = time.perf_counter()
        fitted(name)
        seconds[name] = time.perf_counter() - start
    send((models, first, seconds))


def interrupted(send, name, expected, first, seconds):
    """Ask for an interrupt in each of several fits; send how they ended, and failures."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's jobs may ignore it
    threadpool_limits(_BLAS_THREADS, user_api="blas")
    endings, failures = Counter(), []
    for i in range(_ROUNDS):
        estimator, texts = clone(JOBS[name]), []
        warnings.showwarning = lambda message, *_, texts=texts: texts.append(str(message))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        send(seconds if i else first)
        try:
            ending = _ending(estimator, texts)
            endings[ending] += 1
            if ending == "lost":
                failures.append("an interrupt was swallowed")
            if hasattr(estimator, "coefs_") and not np.isfinite(estimator.predict(X)).all():
                failures.append(f"after {ending}: the model predicts what is not finite")
            for library in threadpool_info():
                if library["user_api"] == "blas" and library["num_threads"] != _BLAS_THREADS:
                    failures.append(f"after {ending}: BLAS has {library['num_threads']} threads")
            if not same(fitted(name), expected):
                failures.append(f"after {ending}: the next fit gives another model")
        except Exception:
            failures.append(f"in fit {i + 1} of the process, or after it: {_trace()}")
            break
    send((endings, failures))


def _ending(estimator, texts):
    """Fit, wait for the one interrupt there is, and return what it did."""
    is_over = False
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        estimator.fit(X, y)
        is_over = True
        if _INTERRUPTED in texts:
            return "warning"
        time.sleep(_SECONDS_TO_COMPILE + 5)
    except KeyboardInterrupt:
        return "an end before the interrupt" if is_over else "KeyboardInterrupt"
    return "lost"


def forked(send, names, expected, seconds):
    """Fork at random moments of a thread's first fit; send the failures of the forks."""
    failures, models = [], {}
    thread = threading.Thread(target=lambda: models.update({names[0]: fitted(names[0])}))
    thread.start()
    for name in names[1:]:
        time.sleep(random.uniform(0, seconds / len(names)))
        pid = os.fork()
        if pid == 0:
            _fit_in_fork(name, expected[name])
        _, status = os.waitpid(pid, 0)
        if status != 0:
            failures.append(f"a fork that fits {name!r}: wait status {status}, see above")
    thread.join()
    if not same(models.get(names[0]), expected[names[0]]):
        failures.append("the thread that fits while its process forks has another model")
    send((len(names) - 1, failures))


def _fit_in_fork(name, expected):
    _end_in(_SECONDS_TO_HANG // 3)
    try:
        is_right = same(fitted(name), expected)
        os._exit(0 if is_right else 2)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def threaded(send, names, expected):
    """Fit in as many threads at once; send the failures."""
    failures = []
    barrier = threading.Barrier(len(names))

    def work(name):
        try:
            barrier.wait()
            if not same(fitted(name), expected[name]):
                failures.append(f"{name}: another model than in one thread")
        except Exception:
            failures.append(_trace())

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send((len(names), failures))


def _trace():
    return traceback.format_exc(limit=-4)


def _end_in(seconds):
    """Let SIGALRM show a traceback and end this process; no thread of a watchdog may be forked."""
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
    signal.alarm(seconds)


# -- the parent ------------------------------------------------------------------------------


def in_child(work, *arguments, cold=False):
    """Run ``work(send, *arguments)`` in a fork; return what it sends last.

    A number that it sends asks for SIGINT within so many seconds. With ``cold`` the cache of
    machine code is an empty folder.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() if cold else contextlib.nullcontext() as cache:
        child = context.Process(target=_child, args=(sender, cache, work, arguments))
        child.start()
        sender.close()
        result = None
        with contextlib.suppress(EOFError):
            while True:
                result = receiver.recv()
                if isinstance(result, float):
                    time.sleep(random.uniform(0, result))
                    os.kill(child.pid, signal.SIGINT)
        child.join()
    if child.exitcode != 0:
        return 0, [f"a child ended by exit status {child.exitcode}, see above"]
    return result


def _child(sender, cache, work, arguments):
    faulthandler.enable()
    _end_in(_SECONDS_TO_HANG)
    warnings.simplefilter("always")
    warnings.showwarning = lambda *_: None
    if cache is not None:
        os.environ["NUMBA_CACHE_DIR"] = cache  # Numba, not imported yet, will read it
    work(sender.send, *arguments)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="nothing is begun later")
    parser.add_argument("--seed", type=int, default=0, help="of jobs and moments")
    given = parser.parse_args(arguments)
    deadline = time.monotonic() + given.seconds
    random.seed(given.seed)
    models, first, seconds = in_child(reference)
    counts, failures = Counter(), []
    for i, name in enumerate(itertools.cycle(JOBS)):
        for cold in (False, i % 3 == 1):
            limit = _SECONDS_TO_COMPILE if cold else first
            others = random.choices([*JOBS], k=3)
            for what in (
                ("interrupt", interrupted, name, models[name], float(limit), seconds[name]),
                ("fork", forked, [name, *others], models, limit),
                ("threaded fit", threaded, [name, *others, *others], models),
            ):
                if time.monotonic() > deadline:
                    return _conclude(counts, failures)
                _count(*what, cold=cold, counts=counts, failures=failures)


def _count(kind, work, *arguments, cold, counts, failures):
    done, wrong = in_child(work, *arguments, cold=cold)
    for ending, times in (done if isinstance(done, Counter) else {"": done}).items():
        counts[f"{kind}: {ending}" if ending else kind] += times
    for text in wrong:
        where = f"{kind}, {arguments[0]}, {'cold' if cold else 'warm'} cache"
        print(f"FAILURE, {where}\n{text}\n", flush=True)
        failures.append(text)


def _conclude(counts, failures):
    print(", ".join(f"{times} x {what}" for what, times in sorted(counts.items())))
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
