"""Warnings that point at the line of the user's code that led to them."""

import sys
import warnings

#: Modules whose frames are passed over: ours, and scikit-learn's wrappers around our methods.
_INSIDE = (__package__, "sklearn", "contextlib")


def warn(message, category=UserWarning):
    """Warn at the innermost frame that belongs neither to this package nor to a wrapper."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] in _INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
