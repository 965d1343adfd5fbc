"""Dask collections, as a list of partitions of rows."""

import math

import dask.array
from dask.base import is_dask_collection
from scipy import sparse


def partitions(collection, name):
    """Return the partitions of a Dask array or frame, a list of `dask.delayed.Delayed`.

    Each partition has whole rows. Raises ValueError for what is no such collection, and for
    arrays on a GPU.
    """
    if not (is_dask_collection(collection) and hasattr(collection, "to_delayed")):
        raise ValueError(
            f"{name} must be a dask.array or a dask.dataframe, got {type(collection).__name__}. "
            "For data that fit in memory, use the estimator of the same name without Dask."
        )
    meta = getattr(collection, "_meta", None)
    if type(meta).__module__.partition(".")[0] in ("cupy", "cupyx", "cudf"):
        raise ValueError(
            f"{name} holds {type(meta).__module__}.{type(meta).__name__}, data on a GPU. Move them "
            "to the processor, for example by map_blocks(cupy.asnumpy)."
        )
    if name.startswith("y") and sparse.issparse(meta):
        raise ValueError(f"{name} is sparse. Use map_blocks(lambda block: block.toarray()).")
    if isinstance(collection, dask.array.Array):
        collection = with_whole_rows(collection)
        return list(collection.to_delayed().ravel())
    return list(collection.to_delayed())


def with_whole_rows(array):
    """Return a Dask array whose chunks span all columns."""
    return array.rechunk({1: -1}) if array.ndim == 2 and array.numblocks[1] > 1 else array


def row_counts(collection, n_partitions):
    """Return how many rows each partition has, NaN where Dask does not know."""
    chunks = getattr(collection, "chunks", None)
    return [math.nan] * n_partitions if chunks is None else chunks[0]


def aligned(X, others):
    """Return ``X`` and ``others``, of which some may be None, with the same rows in each chunk.

    Arrays whose numbers of rows are not known get them computed, once, where chunks have to be
    matched. Frames have to be partitioned alike.
    """
    given = [each for each in (X, *others) if each is not None]
    if not all(isinstance(each, dask.array.Array) for each in given):
        return X, others
    # Whether unknown lengths agree is seen where the blocks are read.
    if len({each.chunks[0] if _is_known(each) else each.numblocks[0] for each in given}) == 1:
        return X, others
    X, *others = (_with_known_rows(each) for each in (X, *others))
    lengths = [each.shape[0] for each in (X, *others) if each is not None]
    if len(set(lengths)) > 1:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {lengths}")
    return X, [None if each is None else each.rechunk({0: X.chunks[0]}) for each in others]


def _is_known(array):
    return not any(math.isnan(n) for n in array.chunks[0])


def _with_known_rows(array):
    if array is None or _is_known(array):
        return array
    return array.copy().compute_chunk_sizes()
