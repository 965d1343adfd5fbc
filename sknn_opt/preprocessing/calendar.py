"""Where a moment is in the day, the week and the year: on a circle, since these start again."""

import numpy as np

# Length in seconds; a year is the mean one.
LENGTHS = {"day": 86_400, "week": 604_800, "year": 31_556_952}

PHASE_LABELS = ("cos", "sin")


def changing_cycles(seconds):
    """Return the names of the cycles in which moments differ."""
    return [cycle for cycle in LENGTHS if np.unique(phase(seconds, cycle)).size > 1]


def phase(seconds, cycle):
    """Return the share of a cycle that is over, between 0 and 1."""
    return seconds % LENGTHS[cycle] / LENGTHS[cycle]


def encode_phase(share):
    """Return cosine and sine of a share of the circle, 0 where it is missing, two columns."""
    angle = 2 * np.pi * share
    return np.nan_to_num(np.column_stack([np.cos(angle), np.sin(angle)]))
