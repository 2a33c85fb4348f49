"""The regions of a case and what is told of them, against the definitions, voxel by voxel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from region_cases import flooded, prediction_of, random_prediction, shell_prediction
from scans import grid_of

from coranet.contract.errors import ConfigError, DataError
from coranet.inference.prediction import Prediction
from coranet.regions import finding
from coranet.regions.finding import RegionRule, expected_effect_ml, find_regions

WHOLE = RegionRule(smallest_share=0, largest_share=1, smallest_ml=0)
GRID = grid_of()
VOXEL_ML = 0.0025


@pytest.fixture(scope="module", params=["whole", "default", "small"])
def found_in(request):
    """A random prediction and its regions by one of three rules."""
    rule = {"whole": WHOLE, "default": None, "small": RegionRule(0.01, 0.1, smallest_ml=0.02)}[request.param]
    prediction = random_prediction()
    return prediction, find_regions("a", prediction, GRID, 0.5, rule)


def voxels_by_region(found) -> list[tuple]:
    return [(region, found.region_map == region.number) for region in found.list.regions]


def test_each_region_is_connected_and_all_have_different_numbers(found_in):
    _, found = found_in
    assert found.region_map.dtype == np.uint16
    assert len(flooded(found.region_map > 0, found.region_map)) == len(found.list.regions) == found.region_map.max()


def test_regions_lie_where_the_heads_differ_and_the_rest_is_told(found_in):
    prediction, found = found_in
    differs = prediction.conservative != prediction.radical
    inside = found.region_map > 0
    assert not np.any(inside & ~differs)
    assert found.list.uncertain_ml == pytest.approx(differs.sum() * VOXEL_ML)
    assert found.list.left_out_ml == pytest.approx((differs & ~inside).sum() * VOXEL_ML, abs=1e-12)


def test_without_a_rule_a_region_has_one_pair_and_nothing_is_left_out():
    prediction = random_prediction()
    regions_found = find_regions("a", prediction, GRID, 0.5, WHOLE)
    assert regions_found.list.left_out_ml == 0 == regions_found.list.largest_ml
    for region, inside in voxels_by_region(regions_found):
        assert set(prediction.conservative[inside]) == {region.conservative}
        assert set(prediction.radical[inside]) == {region.radical}


def test_sizes_are_those_of_the_voxels(found_in):
    _, found = found_in
    for region, inside in voxels_by_region(found):
        places = np.argwhere(inside)[:, ::-1]
        assert region.voxels == len(places)
        assert region.volume_ml == pytest.approx(len(places) * VOXEL_ML)
        assert region.bounds_ijk == tuple(zip(places.min(0).tolist(), places.max(0).tolist(), strict=True))
        assert region.extent_mm == pytest.approx((np.ptp(places, axis=0) + 1) * GRID.spacing_mm)


def test_the_centre_is_a_voxel_of_the_region_that_is_nearest_to_the_centre_of_mass(found_in):
    _, found = found_in
    for region, inside in voxels_by_region(found):
        places = np.argwhere(inside)[:, ::-1]
        distances = np.linalg.norm((places - places.mean(0)) * GRID.spacing_mm, axis=1)
        i, j, k = region.center_ijk
        assert inside[k, j, i]
        chosen = np.flatnonzero((places == region.center_ijk).all(axis=1))[0]
        assert distances[chosen] == pytest.approx(distances.min(), abs=1e-4)


def test_the_centre_lies_where_the_reader_of_images_says(found_in):
    import SimpleITK as sitk

    _, found = found_in
    image = sitk.Image(*GRID.size_ijk, sitk.sitkUInt8)
    image.SetSpacing(GRID.spacing_mm)
    image.SetOrigin(GRID.origin_mm)
    image.SetDirection(GRID.direction)
    for region in found.list.regions:
        assert region.center_lps_mm == pytest.approx(image.TransformIndexToPhysicalPoint(region.center_ijk))


def test_uncertainty_is_that_of_its_voxels(found_in):
    prediction, found = found_in
    for region, inside in voxels_by_region(found):
        assert region.mean_uncertainty == pytest.approx(prediction.uncertainty[inside].mean(), rel=1e-5)
        assert region.peak_uncertainty == pytest.approx(prediction.uncertainty[inside].max())


def test_the_labels_are_those_of_most_voxels(found_in):
    prediction, found = found_in
    for region, inside in voxels_by_region(found):
        pairs = np.stack([prediction.conservative[inside], prediction.radical[inside]], axis=1)
        values, counts = np.unique(pairs, axis=0, return_counts=True)
        most = [tuple(value) for value in values[counts == counts.max()].tolist()]
        assert (region.conservative, region.radical) in most


def test_changes_are_what_taking_a_head_changes(found_in):
    prediction, found = found_in
    for region, inside in voxels_by_region(found):
        for head in ("conservative", "radical"):
            taken = prediction.segmentation.copy()
            taken[inside] = getattr(prediction, head)[inside]
            for value in (1, 7):
                expected = (int((taken == value).sum()) - int((prediction.segmentation == value).sum())) * VOXEL_ML
                assert region.changes_ml[head].get(value, 0.0) == pytest.approx(expected, abs=1e-9)
            assert set(region.label_values) <= set(region.changes_ml[head])
            assert 0 not in region.changes_ml[head]


def slow_surface_share(segmentation, inside, labels) -> float:
    total = touched = 0.0
    i_mm, j_mm, k_mm = GRID.spacing_mm
    for axis, area in enumerate((i_mm * j_mm, i_mm * k_mm, j_mm * k_mm)):
        for place in np.ndindex(segmentation.shape):
            other = tuple(index + (number == axis) for number, index in enumerate(place))
            if other[axis] == segmentation.shape[axis]:
                continue
            here, there = int(segmentation[place]), int(segmentation[other])
            if here != there and (here in labels or there in labels):
                total += area
                touched += area * bool(inside[place] or inside[other])
    return touched / total if total else 0.0


def test_the_share_of_the_surface_is_that_of_its_faces():
    prediction = shell_prediction(GRID)
    regions_found = find_regions("a", prediction, GRID, 0.0, RegionRule(largest_share=0.2))
    assert len(regions_found.list.regions) > 4
    for region, inside in voxels_by_region(regions_found):
        expected = slow_surface_share(prediction.segmentation, inside, region.label_values)
        assert region.surface_share == pytest.approx(expected)
        assert 0 < region.surface_share < 1


def test_a_class_that_the_result_lacks_has_no_surface():
    empty = np.zeros(GRID.size_ijk[::-1])
    radical = empty.copy()
    radical[3:6, 3:6, 3:6] = 7
    (region,) = find_regions("a", prediction_of(empty, empty, radical), GRID, 0.0, WHOLE).list.regions
    assert region.surface_share == 0.0
    assert region.changes_ml == {"conservative": {7: 0.0}, "radical": {7: pytest.approx(27 * VOXEL_ML)}}


def test_numbers_go_by_the_expected_effect(found_in):
    _, found = found_in
    effects = [region.expected_effect_ml for region in found.list.regions]
    assert effects == sorted(effects, reverse=True)
    assert [region.number for region in found.list.regions] == list(range(1, len(effects) + 1))
    assert effects == pytest.approx([region.volume_ml * region.mean_uncertainty**4 for region in found.list.regions])


def test_another_effect_gives_another_order_of_the_same_regions():
    prediction = random_prediction()
    usual = find_regions("a", prediction, GRID, 0.0)
    other = find_regions("a", prediction, GRID, 0.0, effect=lambda region: -expected_effect_ml(region))
    assert {region.center_ijk for region in usual.list.regions} == {region.center_ijk for region in other.list.regions}
    first, last = other.list.regions[0], usual.list.regions[-1]
    assert replace(first, number=last.number, expected_effect_ml=last.expected_effect_ml) == last


def test_no_region_holds_more_than_its_share_and_none_less():
    prediction = shell_prediction(grid_of((24, 20, 16)))
    regions_found = find_regions("a", prediction, grid_of((24, 20, 16)), 0.0)
    assert max(region.volume_ml for region in regions_found.list.regions) <= regions_found.list.largest_ml
    assert min(region.volume_ml for region in regions_found.list.regions) >= regions_found.list.smallest_ml
    assert regions_found.list.largest_ml == pytest.approx(0.05 * regions_found.list.uncertain_ml)
    assert len(regions_found.list.regions) >= 20


def test_the_smallest_region_can_be_said_in_millilitres():
    regions_found = find_regions("a", random_prediction(), GRID, 0.0, RegionRule(smallest_ml=0.1))
    assert min(region.volume_ml for region in regions_found.list.regions) >= 0.1
    assert regions_found.list.smallest_ml == pytest.approx(0.1)


@pytest.mark.parametrize("seed", range(3))
def test_voxels_in_another_order_of_axes_give_the_same_regions(seed):
    grid = grid_of()
    prediction = random_prediction(seed=seed)
    turned = replace(grid, size_ijk=grid.size_ijk[::-1], spacing_mm=grid.spacing_mm[::-1])
    other = prediction_of(
        *(getattr(prediction, name).T for name in ("segmentation", "conservative", "radical", "uncertainty"))
    )
    rows = [
        sorted(
            (region.voxels, region.conservative, region.radical, round(region.surface_share, 9))
            for region in found.list.regions
        )
        for found in (find_regions("a", prediction, grid, 0.0, WHOLE), find_regions("a", other, turned, 0.0, WHOLE))
    ]
    assert rows[0] == rows[1]


def test_heads_that_agree_leave_nothing_to_decide():
    labels = random_prediction().segmentation
    regions_found = find_regions("a", prediction_of(labels, labels, labels), GRID, 0.0)
    assert (
        regions_found.list.regions == () and regions_found.list.uncertain_ml == 0 and not regions_found.region_map.any()
    )


@pytest.mark.slow
def test_more_regions_than_two_bytes_can_number():
    shape = (64, 64, 80)
    mask = np.zeros(shape, np.uint8)
    mask[::2, ::2, ::1] = np.tile([1, 2], 40)
    grid = grid_of(shape[::-1])
    regions_found = find_regions("a", prediction_of(mask * 0, mask * 0, mask), grid, 0.0, WHOLE)
    assert len(regions_found.list.regions) == 81920 and regions_found.region_map.dtype == np.uint32


@pytest.mark.parametrize("shares", [(0.1, 0.05), (-0.1, 1), (0, 1.5), (float("nan"), 1)])
def test_shares_that_are_none_are_an_error(shares):
    with pytest.raises(ConfigError, match="must lie from 0 to 1 and not be the wrong way round, got"):
        RegionRule(*shares)


@pytest.mark.parametrize("ml", [-1.0, float("nan")])
def test_a_volume_below_nothing_is_an_error(ml):
    with pytest.raises(ConfigError, match="at least 0 mL, got"):
        RegionRule(smallest_ml=ml)


def test_more_than_anybody_could_review_is_an_error(monkeypatch):
    labels = np.ones((4, 5, 6), np.uint8)
    monkeypatch.setattr(finding, "MOST_VOXELS", 100)
    with pytest.raises(DataError, match=r"different labels in 100 % of 'a', too much to be reviewed in regions; lower"):
        find_regions("a", prediction_of(labels, labels * 0, labels), GRID, 0.0)


@pytest.mark.parametrize("values", [(2, 300), (12141, 65535), (65534, 65535)])
def test_large_label_values_tell_the_same_and_cost_the_same(values):
    """A table of all pairs of values up to 65535 would need 34 GB."""
    grid, small = grid_of(), random_prediction()
    new = np.zeros(8, np.uint16)
    new[[1, 7]] = values
    maps = [new[label_map] for label_map in (small.segmentation, small.conservative, small.radical)]
    large = Prediction(*maps, small.uncertain, small.uncertainty)
    expected = find_regions("case", small, grid, 0.0).list.regions
    found = find_regions("case", large, grid, 0.0).list.regions
    assert len(found) == len(expected) > 3
    for first, second in zip(found, expected, strict=True):
        assert (first.conservative, first.radical) == (new[second.conservative], new[second.radical])
        assert first.surface_share == pytest.approx(second.surface_share)
        for head, changes in second.changes_ml.items():
            assert first.changes_ml[head] == pytest.approx({int(new[value]): ml for value, ml in changes.items()})
