"""Scans that Slicer shows in another order than their files: results, reviews and what is learned from them.

Since version 5.8 Slicer reverses the slices of left-handed images, as FSL writes them, when it reads them.
"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import labels_of, numpy_matrix
from synthetic_predictions import CASE_ID, synthetic_heads, write_segmented_job

from coranet.contract import Case, RegionList, Role
from coranet.data.cache import read_labeled_pair
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.review.region_view import region_place
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review

LEFT_HANDED = ("LAS", "RPS", "LPI", "SAL")
RIGHT_HANDED = ("RAS", "LPS", "PIR")
HEADS = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")


def turned(path, axes: str) -> None:
    sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), axes), str(path))


@pytest.fixture
def a_turned_job(tmp_path):
    """Makes a finished segmentation whose scan and results have other axes, with its uncertain regions."""
    from coranet.inference.prediction import Prediction
    from coranet.regions.finding import RegionRule, find_regions
    from coranet.volume import read_grid, write_volume

    def make(axes: str):
        job = write_segmented_job(tmp_path / axes / "segment", synthetic_heads())
        (case,) = job.read_datalist().cases
        files = job.prediction(CASE_ID)
        for path in (case.image, *(getattr(files, head) for head in HEADS)):
            turned(path, axes)
        arrays = [sitk.GetArrayFromImage(sitk.ReadImage(str(getattr(files, head)))) for head in HEADS]
        grid = read_grid(files.segmentation)
        regions_found = find_regions(CASE_ID, Prediction(*arrays), grid, 0.0, RegionRule(largest_share=0.15))
        regions_found.list.write(files.regions)
        write_volume(files.region_map, regions_found.region_map, grid)
        return job

    return make


def in_slicer(context, job):
    volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
    return load_prediction(context, job.prediction(CASE_ID), volume)


def places_in_scene(loaded) -> dict[int, np.ndarray]:
    return places(labels_of(loaded), numpy_matrix(loaded.volume))


def places_in_file(path) -> dict[int, np.ndarray]:
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    matrix[:2] *= -1
    return places(sitk.GetArrayFromImage(image), matrix)


def places(array: np.ndarray, matrix: np.ndarray) -> dict[int, np.ndarray]:
    """Where the voxels of each value lie, sorted."""
    found = {}
    for value in np.unique(array[array > 0]).tolist():
        world = np.argwhere(array == value)[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3]
        found[int(value)] = world[np.lexsort(np.round(world, 1).T)]
    return found


def assert_same(first: dict[int, np.ndarray], second: dict[int, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for value, found in first.items():
        np.testing.assert_allclose(found, second[value], atol=0.01)


@pytest.mark.parametrize("axes", [*LEFT_HANDED, *RIGHT_HANDED])
def test_a_result_lies_on_its_scan(context, a_turned_job, axes):
    job = a_turned_job(axes)
    loaded = in_slicer(context, job)
    assert_same(places_in_scene(loaded), places_in_file(job.prediction(CASE_ID).segmentation))


@pytest.mark.parametrize("axes", [*LEFT_HANDED, "RAS"])
def test_regions_lie_where_the_files_say(context, a_turned_job, axes):
    job = a_turned_job(axes)
    files = job.prediction(CASE_ID)
    review = open_review(context, in_slicer(context, job), files)
    listed, region_map = RegionList.read(files.regions), places_in_file(files.region_map)
    assert len(review.regions.regions) == len(listed.regions) > 3
    for region, in_file in zip(review.regions.regions, listed.regions, strict=True):
        place = region_place(region, review.loaded.volume)
        left, posterior, superior = in_file.center_lps_mm
        np.testing.assert_allclose(place.center_ras_mm, (-left, -posterior, superior), atol=0.01)
        inside = region_map[region.number]
        assert (inside >= place.corners_ras_mm.min(0) - 0.01).all() and (inside <= place.corners_ras_mm.max(0)).all()


@pytest.mark.parametrize("axes", ["LAS", "RAS"])
def test_what_was_reviewed_teaches_the_scan_as_it_lies_on_disk(context, a_turned_job, axes):
    job = a_turned_job(axes)
    files = job.prediction(CASE_ID)
    review = open_review(context, in_slicer(context, job), files)
    review.decide(1, "radical")
    promoted = review.promote()
    reviewed = places_in_scene(review.loaded)
    case = Case("a", Role.TRAINING, promoted.image, str(files.reviewed), str(files.known))
    scan, labels = read_labeled_pair(case, [label.value for label in promoted.labels])
    assert scan.grid.size_ijk == labels.grid.size_ijk and labels.voxels.any()
    known = places_in_file(files.known)[1]
    np.testing.assert_allclose(known, places_in_file(files.region_map)[1], atol=0.01)
    assert_same(places_in_file(files.reviewed), reviewed)
