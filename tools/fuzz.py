"""Fuzz the estimators: random configurations and data, each case determined by its seed.

    python tools/fuzz.py --seconds 60
    python tools/fuzz.py --seed 123

The first draws cases for a minute, the second shows one case and what comes of it. Exits with 1
if anything failed.
"""

import argparse
import faulthandler
import sys

from checking import run, run_seed
from children import report
from drawing import draw


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long to draw cases")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="at most so many cases")
    parser.add_argument("--seed", type=int, help="run this case alone, in this process")
    given = parser.parse_args(arguments)
    if given.seed is None:
        return 0 if report(given.start, given.seconds, count=given.count) else 1
    return replay(given.seed)


def replay(seed):
    """Run one case here, under a debugger if need be, and print what came of it."""
    faulthandler.enable()
    print(draw(seed), flush=True)
    outcome = run(draw(seed))
    if outcome.failure is None:
        print(f"  refused: {outcome.refused}" if outcome.refused else "  all well")
        return 0
    print(f"\nFAILURE; with all left out that may be:\n{run_seed(seed).failure}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
