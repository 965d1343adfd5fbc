"""Cross-conformal prediction (Vovk 2015): sets that hold the target with a given probability.

A score says how strange a target is for the networks of a fold. A possible target of a new sample
belongs to the set if its score is not among the largest of those that rows have had which the
fold held out: of all folds together, since each row belongs to one.
"""

import numpy as np

#: So many scores of a fold are kept, or else means a pickle would grow with the data.
KEPT_SCORES = 500

#: Share of the rows by which weights may differ and count as equal.
_ROUNDING = 1e-9

#: Halvings of the range in which the end of an interval is looked for.
_HALVINGS = 45


def effective_number(sample_weight, n_rows):
    """Return the number of rows of equal weight that tell as much (Kish)."""
    if sample_weight is None:
        return float(n_rows)
    shares = sample_weight / sample_weight.max()  # whose squares don't underflow
    return float(np.sum(shares) ** 2 / np.sum(np.square(shares)))


def summarize(scores, weight):
    """Return scores in ascending order and the weights of those at least as large, with a 0.

    Of many scores some are left out, and count as if they were as large as the next one that is
    kept, which makes sets a little larger.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
    weight : ndarray of shape (n_rows,)
    """
    order = np.argsort(scores)
    scores, totals = scores[order], np.cumsum(weight[order])
    kept = np.unique(np.linspace(-1, len(scores) - 1, KEPT_SCORES + 1).astype(int)[1:])
    below = np.concatenate([[0.0], totals[kept]])
    return scores[kept], totals[-1] - below


def conforming_weight(summary, scores):
    """Return the weight of the rows whose score is at least as large."""
    known, weight = summary
    return weight[np.searchsorted(known, scores)]


def least_weight(coverage, n_rows):
    """Return the weight of conforming rows above which a target belongs to the set."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}.")
    least = (1 - coverage) * (n_rows + 1) - 1 + _ROUNDING * n_rows
    if least < 0:
        wanted = int(np.ceil(coverage / (1 - coverage) * (1 - _ROUNDING)))
        raise ValueError(
            f"coverage={coverage} needs at least {wanted} held-out rows of equal weight, and there "
            f"are {n_rows:.4g}. Lower it, or fit to more rows."
        )
    return least


def upper_ends(means, scales, summaries, least):
    """Return the largest targets that belong to the sets.

    Parameters
    ----------
    means, scales : ndarray of shape (n_folds, n_samples)
        The score of a target is its distance from the mean, in units of the scale.
    summaries : list
        Of each fold, see `summarize`.
    least : float

    Returns
    -------
    ends : ndarray of shape (n_samples,)
    """
    low = means.min(axis=0)
    reach = np.array([scores[-1] for scores, _ in summaries])[:, np.newaxis]
    high = (means + reach * scales).max(axis=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        folds = zip((middle - means) / scales, summaries, strict=True)
        belongs = sum(conforming_weight(summary, score) for score, summary in folds) > least
        low, high = np.where(belongs, middle, low), np.where(belongs, high, middle)
    return high
