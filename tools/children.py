"""Cases in child processes, so that a crash or a hang costs one case and names its seed."""

import faulthandler
import multiprocessing
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter

from checking import PACKAGE, Outcome, run_seed
from drawing import draw

_SEEDS_PER_CHILD = 200
_SECONDS_PER_CASE = 120


def report(start, seconds, prepare=None, count=sys.maxsize):
    """Run cases, print the failures and the counts; return whether all went well.

    Parameters
    ----------
    start : int
        The first seed; the others follow it.
    seconds : float
        No case is begun later.
    prepare : callable, default=None
        Called at the start of each child; returns a function that is called after each case
        and returns what damage that did, a text, or None. Has to be picklable.
    count : int
        The largest number of cases.
    """
    n_cases = n_fits = n_refused = 0
    kinds = Counter()
    for outcome in outcomes(start, seconds, prepare, count):
        n_cases += 1
        n_fits += outcome.n_fits
        n_refused += outcome.refused is not None
        if outcome.failure is not None:
            kinds[outcome.kind] += 1
            text = outcome.failure if kinds[outcome.kind] == 1 else outcome.kind
            print(f"FAILURE, seed {outcome.seed}\n{text}\n", flush=True)
    for kind, times in kinds.most_common():
        print(f"{times} x {kind}")
    print(f"{n_cases} configurations from seed {start} on, {n_fits} fits, {n_refused} refused, "
          f"{kinds.total()} failures")  # fmt: skip
    return not kinds


def outcomes(start, seconds, prepare, count):
    """Yield the outcome of each case."""
    context = multiprocessing.get_context("spawn")
    seed, stop = start, start + count
    deadline = time.time() + seconds
    while seed < stop and time.time() < deadline:
        receiver, sender = context.Pipe(duplex=False)
        with tempfile.NamedTemporaryFile("r") as dump:
            work = (sender, dump.name, range(seed, stop)[:_SEEDS_PER_CHILD], deadline, prepare)
            child = context.Process(target=_work, args=work)
            child.start()
            sender.close()  # so that the pipe ends with the child
            for outcome in _received(receiver):
                yield outcome
                seed = outcome.seed + 1
            child.join()
            if child.exitcode != 0:
                yield _crash(seed, child.exitcode, dump.read())
                seed += 1


def _crash(seed, exit_code, dump):
    how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"
    places = re.findall(rf'File "{re.escape(PACKAGE)}/(.*)", line (\d+)', dump)
    kind = " < ".join([how, *(":".join(place) for place in places[:2])])
    dump = dump.partition("\nExtension modules")[0]
    return Outcome(seed, failure=f"{draw(seed)}\n  {kind}\n{dump}", kind=kind)


def _received(receiver):
    while True:
        try:
            yield receiver.recv()
        except EOFError:
            return


def _work(sender, dump_name, seeds, deadline, prepare):
    damage = (prepare or _no_damage)()
    with open(dump_name, "w") as dump:
        faulthandler.enable(dump)
        for seed in seeds:
            if time.time() > deadline:
                break
            faulthandler.dump_traceback_later(_SECONDS_PER_CASE, exit=True, file=dump)
            try:
                outcome = run_seed(seed)
            except BaseException:  # a fault of these tools
                traceback.print_exc(file=dump)
                raise
            text = damage()
            if text is not None:
                outcome = Outcome(seed, outcome.n_fits, None, f"{draw(seed)}\n  {text}", "damage")
            sender.send(outcome)
        faulthandler.cancel_dump_traceback_later()
        faulthandler.disable()


def _no_damage():
    return lambda: None
