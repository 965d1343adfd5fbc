from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknn_opt.preprocessing.calendar import changing_cycles, encode_phase, phase

START = datetime(1970, 1, 1)


def seconds(*moments):
    return np.array([(moment - START).total_seconds() for moment in moments])


def test_the_day():
    noon, evening = datetime(1999, 5, 3, 12), datetime(2024, 2, 29, 18)
    encoded = encode_phase(phase(seconds(noon, evening, datetime(1960, 3, 4)), "day"))
    assert_allclose(encoded, [[-1, 0], [0, -1], [1, 0]], atol=1e-9)


def test_the_week_is_the_same_seven_days_later():
    start = datetime(2024, 2, 29, 18)
    days = [start + timedelta(days=n) for n in range(14)]
    encoded = encode_phase(phase(seconds(*days), "week"))
    assert_allclose(encoded[:7], encoded[7:], atol=1e-9)
    steps = np.linalg.norm(np.diff(encoded, axis=0), axis=1)
    assert_allclose(steps, 2 * np.sin(np.pi / 7))


@pytest.mark.parametrize("year", [1975, 2000, 2023, 2100])
def test_the_year_is_the_same_to_a_day(year):
    encoded = encode_phase(phase(seconds(datetime(1970, 7, 4), datetime(year, 7, 4)), "year"))
    assert_allclose(encoded[0], encoded[1], atol=2 * np.pi * 1.1 / 365)


def test_a_missing_moment_is_the_centre_of_the_circle():
    assert_array_equal(encode_phase(phase(np.array([np.nan]), "day")), [[0, 0]])


def test_cycles_that_do_not_change_are_left_out():
    days = [datetime(2024, 1, 1) + timedelta(days=n) for n in range(9)]
    assert changing_cycles(seconds(*days)) == ["week", "year"]
    assert changing_cycles(seconds(*days[::7])) == ["year"]
    assert changing_cycles(seconds(days[0], days[0])) == []
    assert changing_cycles(seconds()) == []
