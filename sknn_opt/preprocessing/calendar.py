"""Where a moment is in the day, the week and the year: on a circle, since these start again."""

import numpy as np

# Length in seconds; a year is the mean one.
_LENGTHS = {"day": 86_400, "week": 604_800, "year": 31_556_952}

CYCLE_LABELS = ("cos", "sin")


def changing_cycles(seconds):
    """Return the names of the cycles in which moments differ."""
    phases = {cycle: _phase(seconds, cycle) for cycle in _LENGTHS}
    return [cycle for cycle, phase in phases.items() if np.unique(phase).size > 1]


def encode_cycle(seconds, cycle):
    """Return cosine and sine of the phase, 0 for missing moments, of shape (n_samples, 2)."""
    angle = 2 * np.pi * _phase(seconds, cycle)
    return np.nan_to_num(np.column_stack([np.cos(angle), np.sin(angle)]))


def _phase(seconds, cycle):
    """Return the share of a cycle that is over, between 0 and 1."""
    return seconds % _LENGTHS[cycle] / _LENGTHS[cycle]
