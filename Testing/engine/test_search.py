"""Spacing, patch, network, batch and steps are chosen together."""

from __future__ import annotations

import numpy as np
import pytest

from coranet.contract.config import TrainConfig
from coranet.data.preprocessing import ChannelStatistics, ScanStatistics
from coranet.networks.architecture import product
from coranet.networks.planning import SURROUNDINGS_IN_SLICES_MM, SURROUNDINGS_MM
from coranet.planning.search import Search
from coranet.planning.speed import Speed
from coranet.planning.steps import StepSeconds
from coranet.training_set.structures import Structures


def a_machine(microseconds: float):
    def measure(architecture, sizes):
        each = 1e-6 * microseconds * product(architecture.patch_size_kji) * architecture.base_filters / 8
        return StepSeconds(each * sizes.labeled, each * sum(sizes))

    return measure


def a_ball(radius: int, spacing_dhw) -> Structures:
    places = np.indices((2 * radius + 1,) * 3) - radius
    ball = ((places**2).sum(0) <= radius**2).astype(np.uint8)
    depth, height, width = (count * step for count, step in zip(ball.shape, spacing_dhw, strict=True))
    return Structures(spacing_dhw, (depth, height, width), ball)


def a_search(seconds: float = 3600.0, size=(80, 160, 160), spacing_dhw=(1.0, 0.5, 0.5), microseconds=2.0, **settings):
    """A ball of 41 voxels in a scan of `size` voxels (D, H, W)."""
    config = TrainConfig.from_preset("default", {name.replace("__", "."): value for name, value in settings.items()})
    extent = tuple(count * step for count, step in zip(size, spacing_dhw, strict=True))
    scan = ScanStatistics(tuple(spacing_dhw[::-1]), extent[::-1], (ChannelStatistics(0.0, np.ones(5)),))
    speed = Speed(a_machine(microseconds), 0.0)
    return Search(config, [scan], [a_ball(20, spacing_dhw)], 1, True, speed, seconds)


def test_what_should_be_covered_is_the_structure_with_its_surroundings_within_the_scan():
    assert a_search().region_mm == (41 + 2 * SURROUNDINGS_MM, 20.5 + 2 * SURROUNDINGS_MM, 20.5 + 2 * SURROUNDINGS_MM)
    assert a_search(size=(50, 60, 160)).region_mm == (50.0, 30.0, 20.5 + 2 * SURROUNDINGS_MM)


def test_slices_that_are_looked_at_one_by_one_are_covered_with_more_around():
    stack = a_search(size=(9, 160, 160), spacing_dhw=(8.0, 1.0, 1.0))
    assert stack.surroundings_mm == SURROUNDINGS_IN_SLICES_MM > SURROUNDINGS_MM
    assert stack.region_mm[1:] == (41 + 2 * SURROUNDINGS_IN_SLICES_MM,) * 2


def test_a_small_animal_is_covered_as_a_person_is():
    mouse = a_search(size=(400, 800, 800), spacing_dhw=(0.06, 0.03, 0.03))
    assert mouse.surroundings_mm == pytest.approx(0.1 * SURROUNDINGS_MM)
    assert mouse.region_mm == pytest.approx((2.46 + 3.0, 1.23 + 3.0, 1.23 + 3.0))
    assert a_search(spacing_dhw=(0.3, 0.3, 0.3)).surroundings_mm == SURROUNDINGS_MM


@pytest.mark.slow
def test_more_time_works_at_finer_spacing_and_with_more_filters():
    short, long = (a_search(seconds).candidates()[0] for seconds in (120.0, 100_000.0))
    assert min(short.spacing_dhw) > min(long.spacing_dhw)
    assert short.architecture.base_filters <= long.architecture.base_filters
    assert long.deficit < short.deficit


@pytest.mark.slow
def test_a_fast_machine_is_as_good_as_more_time():
    slow, fast = a_search(1000.0, microseconds=2.0), a_search(1000.0, microseconds=0.2)
    assert fast.candidates()[0].spacing_dhw == a_search(10_000.0).candidates()[0].spacing_dhw
    assert slow.candidates()[0].spacing_dhw != fast.candidates()[0].spacing_dhw


def test_the_finest_axes_become_coarse_first():
    for candidate in a_search(300.0).candidates():
        depth, height, width = candidate.spacing_dhw
        assert height == width and (depth == 1.0 or depth == height)


def test_stacks_of_thick_slices_keep_them():
    candidates = a_search(60.0, size=(10, 200, 200), spacing_dhw=(8.0, 1.0, 1.0)).candidates()
    assert {candidate.architecture.slice_axis for candidate in candidates} == {0}
    assert {candidate.spacing_dhw[0] for candidate in candidates} == {8.0} and len(
        {candidate.spacing_dhw[1] for candidate in candidates}
    ) > 3
    assert {candidate.architecture.patch_size_kji[0] for candidate in candidates} == {1}


@pytest.mark.parametrize(
    ("settings", "is_as_set"),
    [
        ({"data__spacing_mm": "[2, 2, 2]"}, lambda candidate: candidate.spacing_dhw == (2.0, 2.0, 2.0)),
        ({"network__base_filters": "12"}, lambda candidate: candidate.architecture.base_filters == 12),
        ({"training__labeled_batch_size": "3"}, lambda candidate: candidate.sizes == (3, 3)),
        ({"training__unlabeled_batch_size": "5"}, lambda candidate: candidate.sizes.unlabeled == 5),
        (
            {"data__patch_size_kji": "[16, 24, 32]"},
            lambda candidate: candidate.architecture.patch_size_kji == (16, 24, 32),
        ),
        ({"data__patch_voxels": "9000"}, lambda candidate: product(candidate.architecture.patch_size_kji) <= 9000),
        ({"network__backbone": "resnet18"}, lambda candidate: candidate.architecture.backbone == "resnet18"),
    ],
)
def test_what_is_set_stays_and_the_rest_is_planned_around_it(settings, is_as_set):
    candidates = a_search(600.0, **settings).candidates()
    assert candidates and all(is_as_set(candidate) for candidate in candidates)


def test_steps_are_those_that_fit():
    for candidate in a_search(600.0).candidates()[:20]:
        voxels = product(candidate.architecture.patch_size_kji) * candidate.architecture.base_filters / 8
        share = 1 / 3
        step = 2e-6 * voxels * (share * candidate.sizes.labeled + (1 - share) * sum(candidate.sizes))
        assert candidate.steps == pytest.approx(600.0 / step, rel=0.5)
