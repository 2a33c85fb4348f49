"""Rules by which a case is told to be unlike the others."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest

from coranet.contract.outliers import (
    INTENSITY_RANGE,
    PLACE,
    VOLUME_ML,
    other_modalities,
    other_slice_axes,
    other_spacings,
    outliers,
    times_apart,
)

CM, UM = 0.1, 1000.0


@pytest.mark.parametrize(
    ("volumes", "odd"),
    [
        ([40, 50, 60], []),
        ([40, 50], []),
        ([40, 50000], []),  # of two, nobody can say which
        ([40, 50, 500], []),  # of three, ten times may be chance
        ([40, 50, 50000], [2]),
        ([40, 50, 0.05], [2]),
        ([0.001, 40, 50, 60], [0]),
        ([40, 50, 60, 45, 700], [4]),
        ([40, 50, 60, 45, 400], []),
        ([1, 10, 100, 1000], []),  # as lesions are
        ([0.1, 1, 10, 100, 1000, 5000], []),
        ([40, 50, 60, 45, 55, 52, 48, 47, 40000, 50000], [8, 9]),  # two of one slip do not hide each other
        ([5, 5, 5, 5], []),
        ([5, 5, 5, 5, 5000], [4]),
    ],
    ids=str,
)
def test_volumes_many_times_larger_or_smaller(volumes, odd):
    assert times_apart(volumes, VOLUME_ML) == odd


@pytest.mark.parametrize("cases", [3, 4, 5, 10, 30])
@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0, 1.5])
def test_volumes_that_vary_as_structures_and_lesions_do_raise_few_alarms(cases, sigma):
    stream = random.Random(f"{cases} {sigma}")
    alarms = 0
    for _ in range(200):
        volumes = [math.exp(stream.gauss(3, sigma)) for _ in range(cases)]
        alarms += bool(times_apart(volumes, VOLUME_ML))
    assert alarms <= 40 if sigma > 1 else alarms <= 25


@pytest.mark.parametrize("factor", [CM**3, UM**3, 1 / UM])
@pytest.mark.parametrize("cases", [3, 4, 7])
def test_another_unit_is_always_named(factor, cases):
    stream = random.Random(cases)
    for _ in range(50):
        volumes = [stream.uniform(30, 80) for _ in range(cases - 1)]
        assert times_apart([*volumes, factor * stream.uniform(30, 80)], VOLUME_ML) == [cases - 1]


@pytest.mark.parametrize(
    ("spacings", "odd"),
    [
        ([(1, 1, 1)] * 5, []),
        ([(0.7, 0.7, 5), (0.8, 0.8, 3), (0.98, 0.98, 2.5), (0.6, 0.6, 7)], []),
        ([(1.4, 1.4, 10), (1.8, 1.8, 5), (1.5, 1.5, 10)], []),
        ([(0.7, 0.7, 5), (0.07, 0.07, 0.5), (0.8, 0.8, 5)], [1]),  # cm
        ([(700, 700, 5000), (0.7, 0.7, 5), (0.8, 0.8, 5)], [0]),  # micrometres
        ([(1, 1, 1), (0.7, 0.7, 5), (0.8, 0.8, 5), (0.7, 0.7, 5)], [0]),
        ([(1, 1, 1), (0.7, 0.7, 0.7), (0.75, 0.75, 0.7)], [0]),  # nobody knew it
        ([(1, 1, 1), (0.9, 0.9, 1), (0.9, 0.9, 1)], []),
        ([(1, 1, 1), (1, 1, 1), (0.5, 0.5, 0.5)], []),
        ([(5, 0.7, 0.7), (0.7, 0.7, 5), (0.7, 0.7, 5)], []),  # another order is no other size
        ([(1, 1, 1), (5, 5, 5)], []),
    ],
    ids=str,
)
def test_spacings_of_another_unit(spacings, odd):
    assert other_spacings(spacings) == odd


@pytest.mark.parametrize(
    ("spacings", "odd"),
    [
        ([(0.7, 0.7, 5)] * 3, []),
        ([(5, 0.7, 0.7), (0.7, 0.7, 5), (0.7, 0.7, 5)], [0]),
        ([(0.7, 5, 0.7), (0.7, 0.7, 5), (0.7, 0.7, 5), (0.8, 0.8, 4)], [0]),
        ([(5, 0.7, 0.7), (0.7, 0.7, 5), (0.7, 0.7, 5), (1, 1, 1)], []),  # a mixed set
        ([(5, 0.7, 0.7), (5, 0.7, 0.7), (0.7, 0.7, 5), (0.7, 0.7, 5)], []),
        ([(5, 0.7, 0.7), (0.7, 0.7, 5)], []),
        ([(1, 1, 1), (0.7, 0.7, 5), (0.7, 0.7, 5)], []),
        ([(1.9, 1, 1), (1, 1, 1.9), (1, 1, 1.9)], []),  # nearly the same along all axes
    ],
    ids=str,
)
def test_slices_along_another_axis(spacings, odd):
    assert other_slice_axes(spacings) == odd


@pytest.mark.parametrize(
    ("lowest", "odd"),
    [
        ([-1024, -1000, -1024], []),
        ([0, 0, 3], []),
        ([-1024, 0, -1000, -1024], [1]),
        ([0, 0, -1024], [2]),
        ([0, -1024], []),
        ([-300, -1024, -1024], []),  # a CT that was limited
        ([-1024, -1024, 0, 0], [0, 1, 2, 3]),  # half and half: all are worth a look
        ([-5, 0, -100], []),
    ],
    ids=str,
)
def test_ct_among_others(lowest, odd):
    assert other_modalities(lowest) == odd


@pytest.mark.parametrize(
    ("ranges", "odd"),
    [
        ([800, 300, 1100, 4300, 81], []),  # MR has arbitrary units
        ([800, 900, 1000, 1], [3]),  # a map of probabilities
        ([800, 900, 3e9, 1000], [2]),
        ([800, 900, 20000], []),
    ],
    ids=str,
)
def test_ranges_of_intensity(ranges, odd):
    assert times_apart(ranges, INTENSITY_RANGE) == odd


@pytest.mark.parametrize(
    ("places", "odd"),
    [
        ([0.3, 0.32, 0.28, 0.7], [3]),
        ([0.3, 0.32, 0.65], []),
        ([0.25, 0.3, 0.75], [2]),
        ([0.53, 0.5, 0.55, 0.22], []),  # off the centre of its field of view, as a patient of ACDC is
        ([0.2, 0.5, 0.8, 0.4], []),
        ([0.5, 0.5, 0.5, 0.5, 0.1], [4]),
    ],
    ids=str,
)
def test_places(places, odd):
    assert outliers(places, PLACE) == odd


@pytest.mark.parametrize("count", [3, 4, 5, 8, 31])
def test_each_value_is_compared_with_the_others_alone(count):
    """Against the rule as it is written, value by value."""
    stream = random.Random(count)
    for _ in range(40):
        values = [round(stream.gauss(0, 1) * stream.choice([1, 1, 1, 9]), 1) for _ in range(count)]
        floor = PLACE.of_three if count == 3 else PLACE.of_more
        expected = []
        for index, value in enumerate(values):
            others = values[:index] + values[index + 1 :]
            distances = sorted(abs(other - median(others)) for other in others)
            kept = max(math.ceil(0.7 * len(others)), min(len(others), 4))
            if abs(value - median(others)) > max(floor, 4 * distances[kept - 1]):
                expected.append(index)
        assert outliers(values, PLACE) == expected
