"""The rules of thumb behind a plan hold what was measured, and go the right way."""

from __future__ import annotations

import pytest

from coranet.planning.expectations import (
    coverage,
    coverage_deficit,
    filters_deficit,
    spacing_deficit,
    steps_deficit,
)


def test_steps_are_worth_what_was_measured_on_the_left_atrium():
    missed = [steps_deficit(steps, 1.0) for steps in (900, 2700, 4500)]
    assert [0.89 - dice for dice in missed] == pytest.approx([0.801, 0.852, 0.867], abs=0.005)


def test_more_is_never_worse():
    assert steps_deficit(1000, 1.0) > steps_deficit(1000, 2.0) > steps_deficit(2000, 1.0)
    assert spacing_deficit(1.0) == 0 < spacing_deficit(0.9)
    assert filters_deficit(32) == filters_deficit(64) == 0 < filters_deficit(16) < filters_deficit(8)
    assert coverage_deficit(1.0) == 0 < coverage_deficit(0.75) < coverage_deficit(0.25)
    assert steps_deficit(0, 1.0) == 1.0


def test_coverage_is_the_mean_share_of_an_axis():
    assert coverage((10.0, 20.0, 30.0), (10.0, 10.0, 10.0)) == 1.0
    assert coverage((5.0, 20.0, 2.5), (10.0, 10.0, 10.0)) == pytest.approx(0.5)
    assert coverage((5.0,), (0.0,)) == 1.0
