"""Snapshots as pictures: which slice, which way up, which colours; and the PNG that carries them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from experiment_jobs import finish, question_of, scans_in
from PIL import Image
from scans import grid_of, signed_permutations, tilted

from coranet.html.png import data_uri, png_bytes
from coranet.html.slices import UNCERTAIN_COLOR
from coranet.volume import write_volume
from coranet_experiments.pictures import region_pictures
from coranet_experiments.plan import plan_runs
from coranet_experiments.results import read_results


@pytest.fixture
def a_result(tmp_path):
    """A CoraNet training with nine snapshots of one unlabeled case."""
    (run,) = plan_runs(question_of(scans_in(tmp_path / "scans ü", unlabeled=1), tmp_path / "out", "coranet"))
    finish(run.training())
    return read_results([run])[0]


def image_of(result) -> str:
    return next(case.image for case in result.run.train_cases.cases if case.id == "image006")


def uncertain_pixels(pixels: np.ndarray) -> np.ndarray:
    """Where the uncertain region was drawn over black."""
    return np.all(pixels == np.array(UNCERTAIN_COLOR) // 2, axis=-1)


def with_one_snapshot(result, scan, region, grid):
    """The same result with another scan and another region, all of its snapshots alike."""
    write_volume(image_of(result), scan, grid)
    for snapshot in result.training.snapshots:
        write_volume(result.run.train_folder / snapshot.file, region, grid)
    return region_pictures(result)


def test_six_pictures_from_the_first_to_the_last_snapshot(a_result):
    pictures = region_pictures(a_result)
    assert [picture.step for picture in pictures] == [100, 300, 400, 600, 700, 900]
    assert len({picture.pixels.shape for picture in pictures}) == 1
    assert all(picture.pixels.dtype == np.uint8 for picture in pictures)
    assert not np.array_equal(pictures[0].pixels, pictures[-1].pixels)
    assert pictures[0].uncertain_share == a_result.training.snapshots[0].uncertain_share


@pytest.mark.parametrize("direction", signed_permutations()[::7])
def test_anatomy_lies_the_same_way_however_the_scan_is_stored(a_result, direction):
    # In the patient's axes: the region lies to the left, in front; spacing 2 mm from foot to head.
    canonical = np.zeros((9, 16, 14), np.uint8)  # S, P, L
    canonical[4, 1:4, 9:13] = 255
    scan = np.zeros(canonical.shape, np.float32)
    scan[8, 15, 13] = 100  # one bright voxel, so that the window is defined; elsewhere black
    columns = np.abs(direction).argmax(axis=0)  # the patient's axis (L, P, S) along i, j, k
    order = [2 - int(columns[axis]) for axis in (2, 1, 0)]
    flips = tuple(slice(None, None, int(np.sign(direction[columns[axis], axis]))) for axis in (2, 1, 0))
    region, image = (volume.transpose(order)[flips] for volume in (canonical, scan))
    spacing = np.array([1.0, 1.25, 2.0])[columns]
    grid = grid_of(region.shape[::-1], tuple(spacing), tilted(direction, (5, -4, 3)))
    pixels = with_one_snapshot(a_result, np.ascontiguousarray(image), np.ascontiguousarray(region), grid)[0].pixels
    rows, columns = np.nonzero(uncertain_pixels(pixels))
    # The window ends at the scan's front edge and reaches 8 voxels behind; left is on the right, with one voxel beyond.
    assert rows.mean() < pixels.shape[0] / 2 and columns.mean() > pixels.shape[1] / 2
    height_mm, width_mm = 1.25 * 12, 1.0 * 13
    assert pixels.shape[0] / pixels.shape[1] == pytest.approx(height_mm / width_mm, rel=0.02)
    assert len(rows) / pixels[..., 0].size == pytest.approx(3 * 4 / (12 * 13), rel=0.05)


def test_the_slice_with_most_foreground_is_shown(a_result):
    region = np.zeros((9, 12, 15), np.uint8)
    region[2, 4, 4] = 255
    region[6, 4:8, 4:8] = 255
    pictures = with_one_snapshot(a_result, np.zeros(region.shape, np.float32), region, grid_of())
    assert uncertain_pixels(pictures[0].pixels).mean() > 0.05


def test_a_case_without_any_region_is_shown_whole(a_result):
    empty = np.zeros((9, 12, 15), np.uint8)
    pictures = with_one_snapshot(a_result, np.zeros(empty.shape, np.float32), empty, grid_of())
    assert not pictures[0].pixels.any() and pictures[0].pixels.shape[:2] == (256, 256)


def test_files_that_are_gone_make_no_pictures(a_result):
    (a_result.run.train_folder / a_result.training.snapshots[0].file).unlink()
    assert [picture.step for picture in region_pictures(a_result)][0] == 300
    for snapshot in a_result.training.snapshots[1:]:
        (a_result.run.train_folder / snapshot.file).unlink()
    assert region_pictures(a_result) == []


def test_a_scan_that_is_gone_makes_no_pictures(a_result, tmp_path):
    (tmp_path / "scans ü" / "images" / "image006.nrrd").unlink()
    assert region_pictures(a_result) == []


def test_a_picture_is_read_as_it_was_written():
    pixels = np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(pixels)))), pixels)
    head, _, content = data_uri(pixels).partition(",")
    assert head == "data:image/png;base64" and base64.b64decode(content) == png_bytes(pixels)
