"""Compile all kernels ahead: ``python -m sknn_opt.compile``.

For container images, and wherever a first fit must not wait. The machine code goes to the
cache on disk, whose folder the environment variable NUMBA_CACHE_DIR chooses.
"""

import argparse
import importlib
import pkgutil
import sys
import time

import sknn_opt

from ._compiler.announcement import announced_if
from ._compiler.declarations import declared_kernels

#: How the names of modules start that need an extra. They have no kernels.
WITH_EXTRAS = (
    "sknn_opt._distributed",
    "sknn_opt.callbacks.mlflow",
    "sknn_opt.callbacks.optuna",
    "sknn_opt.callbacks.tensorboard",
    "sknn_opt.dask",
    "sknn_opt.onnx",
)

_DTYPES = ("float64", "float32")


def kernels():
    """Return all kernels of the package, those of every component included."""
    for module in pkgutil.walk_packages(sknn_opt.__path__, f"{sknn_opt.__name__}."):
        if not module.name.startswith(WITH_EXTRAS):
            importlib.import_module(module.name)
    return declared_kernels(sknn_opt.__name__)


def main(arguments=None):
    """Compile what is not in the cache; return 1 if there is no folder for a cache, else 0."""
    parser = argparse.ArgumentParser("python -m sknn_opt.compile", description=__doc__)
    parser.add_argument("--dtype", choices=[*_DTYPES, "both"], default="both")
    dtype = parser.parse_args(arguments).dtype
    start = time.perf_counter()
    with announced_if(True):
        machines = [
            kernel.for_dtype(one)
            for one in (_DTYPES if dtype == "both" else [dtype])
            for kernel in kernels()
        ]
    folder = machines[0].cache_folder
    if folder is None:
        print("There is no safe folder: set NUMBA_CACHE_DIR to one of your own.", file=sys.stderr)
        return 1
    loaded = sum(machine.is_loaded for machine in machines)
    seconds = time.perf_counter() - start
    print(
        f"{len(machines) - loaded} kernels compiled, {loaded} loaded in {seconds:.0f} s: {folder}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
