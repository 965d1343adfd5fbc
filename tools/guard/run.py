"""Fuzz the estimators while each NumPy buffer touches an inaccessible page.

    python tools/guard/run.py --mode end --seconds 60

A kernel that reads or writes beyond a buffer, before it with ``--mode start``, ends a child
process by SIGSEGV, and the seed of the case is printed. Exits with 1 if anything failed, and with
2 if there is no C compiler.
"""

import argparse
import gc
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from allocator import MODES, Guard, build

sys.path.append(str(Path(__file__).parents[1]))

from children import report


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=MODES, default="end", help="the guarded side")
    parser.add_argument("--seconds", type=float, default=60, help="how long to draw cases")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="at most so many cases")
    given = parser.parse_args(arguments)
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        print(f"There is no C compiler {compiler!r}: set CC to one.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        prepare = partial(guarded, build(folder, compiler), given.mode)
        print(f"Guarded at the {given.mode} of each buffer:")
        return 0 if report(given.start, given.seconds, prepare, given.count) else 1


def guarded(library, mode):
    """Guard this process; return a function that tells of damage since its last call."""
    guard = Guard(library, mode)
    guard.install()
    seen = 0

    def damage():
        nonlocal seen
        gc.collect()  # canaries are looked at when buffers are freed
        new, seen = guard.n_damaged - seen, guard.n_damaged
        return f"{new} damaged canaries; the error output says where" if new else None

    return damage


if __name__ == "__main__":
    sys.exit(main())
