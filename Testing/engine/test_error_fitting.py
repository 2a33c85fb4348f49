from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from error_cases import error_case

from coranet.contract.errors import DataError
from coranet.error_model import ErrorCase, default_tolerance_mm, fit
from coranet.error_model.package import applied


def case_of(segmentation: list[int], truth: list[int], known=None, spacing_mm: float = 1.0) -> ErrorCase:
    """A row of voxels."""
    arrays = [np.array(values, dtype=np.uint8).reshape(1, 1, -1) for values in (segmentation, truth)]
    mask = None if known is None else np.array(known, dtype=bool).reshape(1, 1, -1)
    return replace(
        error_case(0), segmentation=arrays[0], truth=arrays[1], known=mask, spacing_dhw=(1.0, 1.0, spacing_mm)
    )


@pytest.mark.parametrize(
    ("segmentation", "truth", "deep"),
    [
        # What reaches too far, and what was missed: the voxel at the true boundary is within the tolerance.
        ([0, 1, 1, 1, 1, 0], [0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0]),
        ([0, 1, 0, 0, 0, 0], [0, 1, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0]),
        # An island far away, and a class that is nowhere.
        ([1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]),
        ([2, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]),
        # One structure named as another: the boundary between these two counts.
        ([1, 1, 1, 1, 2, 0], [1, 2, 2, 2, 2, 0], [0, 0, 1, 1, 0, 0]),
    ],
)
def test_an_error_is_deep_where_its_class_is_farther_than_the_tolerance(segmentation, truth, deep):
    assert case_of(segmentation, truth).deep(1.0).ravel().astype(int).tolist() == deep


def test_the_tolerance_is_in_millimetres():
    case = case_of([0, 1, 1, 1, 1, 0], [0, 1, 0, 0, 0, 0], spacing_mm=0.5)
    assert [int(case.deep(tolerance).sum()) for tolerance in (0.4, 0.5, 1.0, 1.5)] == [3, 2, 1, 0]


def test_what_is_unknown_is_no_error_and_may_be_of_any_class():
    case = case_of([0, 1, 1, 1, 1, 0], [0, 1, 0, 0, 0, 0], known=[1, 1, 1, 0, 1, 1])
    assert case.wrong.ravel().astype(int).tolist() == [0, 0, 1, 0, 1, 0]
    assert not case.deep(1.0).any()


@pytest.mark.parametrize(
    ("scan", "prepared", "expected"),
    [
        ((0.6, 0.6, 0.6), (0.6, 0.6, 0.6), 1.0),
        ((1.4, 1.4, 8.0), (8.0, 1.4, 1.4), 1.4),
        ((0.6, 0.6, 0.6), (1.7, 1.7, 1.7), 1.7),
        ((0.03, 0.03, 0.06), (0.06, 0.06, 0.06), pytest.approx(0.1)),
    ],
)
def test_the_default_tolerance_is_a_voxel_and_at_least_a_millimetre(scan, prepared, expected):
    assert default_tolerance_mm(scan, prepared) == expected


def test_no_case_is_refused():
    with pytest.raises(DataError, match="at least one case"):
        fit([], 0)


@pytest.mark.slow
def test_a_fit_learns_where_errors_are_and_comes_out_the_same_again():
    cases = [error_case(seed) for seed in range(3)]
    networks = [fit(cases[:2], seed=1, steps=120) for _ in range(2)]
    other = cases[2]
    first, second = (applied(network, 1.0, other.evidence) for network in networks)
    assert torch.equal(first, second)
    assert torch.isfinite(first).all()
    wrong = torch.from_numpy(other.wrong)
    assert first[0][wrong].mean() > 3 * first[0][~wrong].mean()


def test_a_fit_can_be_stopped():
    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        fit([error_case(0)], 0, stop)


def test_a_fit_takes_cases_of_different_sizes_without_errors_and_partly_known():
    perfect = error_case(1)
    perfect = replace(perfect, segmentation=perfect.truth)
    small = error_case(2, (1, 9, 30))
    partial = replace(error_case(3), known=np.zeros(error_case(3).truth.shape, dtype=bool))
    network = fit([perfect, small, partial], 0, steps=3)
    assert torch.isfinite(applied(network, 1.0, small.evidence)).all()
