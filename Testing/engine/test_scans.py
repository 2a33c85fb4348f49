from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scans import grid_of, scan_on, signed_permutations, tilted

from coranet.contract import Case, Role
from coranet.contract.errors import DataError
from coranet.data.scans import images_on_other_grids, read_scan, require_same_unit, scan_grid, unlike_training
from coranet.volume import Grid, Volume, write_volume


@pytest.fixture
def a_case(awkward_path):
    """A case of volumes that are written to files: `a_case(first, second, ...)`."""

    def write(*volumes: Volume) -> Case:
        paths = [awkward_path / f"p_{number:04d}.nrrd" for number in range(len(volumes))]
        for path, volume in zip(paths, volumes, strict=True):
            write_volume(path, volume.voxels, volume.grid)
        return Case("p", Role.INPUT, str(paths[0]), more_images=tuple(map(str, paths[1:])))

    return write


def ramp_on(grid: Grid) -> Volume:
    """Intensities that grow linearly with the place in the world: whatever grid they are taken to, they are known."""
    index = np.indices(grid.size_ijk[::-1])[::-1].reshape(3, -1)
    step = np.reshape(grid.direction, (3, 3)) @ (index * np.reshape(grid.spacing_mm, (3, 1)))
    world = step + np.reshape(grid.origin_mm, (3, 1))
    voxels = (np.array([1.0, 2.0, -3.0]) @ world).reshape(grid.size_ijk[::-1])
    return Volume(voxels.astype(np.float32), grid)


def test_a_case_of_one_image_is_that_image(a_case, an_oblique_scan):
    scan = read_scan(a_case(an_oblique_scan))
    np.testing.assert_array_equal(scan.voxels, an_oblique_scan.voxels)
    assert scan.channels.shape == (1, 9, 12, 15)


def test_images_on_one_grid_are_channels_in_their_order(a_case, an_oblique_grid):
    volumes = [scan_on(an_oblique_grid, seed) for seed in (1, 2, 3)]
    case = a_case(*volumes)
    scan = read_scan(case)
    np.testing.assert_array_equal(scan.voxels, np.stack([volume.voxels for volume in volumes]))
    assert not scan.grid.difference(an_oblique_grid) and not scan_grid(case).difference(an_oblique_grid)
    assert images_on_other_grids(case) == ()


@pytest.mark.parametrize("direction", signed_permutations()[::11], ids=str)
def test_an_image_on_another_grid_is_brought_to_the_first_by_where_it_lies(a_case, an_oblique_grid, direction):
    first = ramp_on(an_oblique_grid)
    wide = grid_of((40, 42, 44), (1.5, 1.25, 1.75), tilted(direction, (-5.0, 8.0, 3.0)))
    # Around the middle of the first, so that it lies inside.
    reach = np.subtract(wide.position_mm((20, 21, 22)), wide.origin_mm)
    middle = np.array(an_oblique_grid.position_mm((7, 6, 4))) - reach
    case = a_case(first, ramp_on(replace(wide, origin_mm=tuple(middle.tolist()))))
    scan = read_scan(case)
    assert not scan.grid.difference(an_oblique_grid)
    np.testing.assert_allclose(scan.voxels[1], scan.voxels[0], atol=2e-3)
    assert images_on_other_grids(case) == case.more_images


def test_around_an_image_there_is_its_lowest_intensity(a_case):
    first = scan_on(grid_of((12, 10, 8), (1.0, 1.0, 1.0), np.eye(3)))
    half = scan_on(grid_of((6, 10, 8), (1.0, 1.0, 1.0), np.eye(3)))
    second = read_scan(a_case(first, half)).voxels[1]
    np.testing.assert_allclose(second[..., :6], half.voxels, atol=1e-4)
    assert (second[..., 6:] == half.voxels.min()).all()


def test_images_that_lie_apart_are_refused_by_name(a_case, an_oblique_scan):
    elsewhere = replace(an_oblique_scan.grid, origin_mm=(500.0, 0.0, 0.0))
    with pytest.raises(DataError, match="p_0001.* cannot be brought to the grid of .*p_0000.*: .* register both"):
        read_scan(a_case(an_oblique_scan, Volume(an_oblique_scan.voxels, elsewhere)))


@pytest.fixture(params=["nii.gz", "nrrd"])
def a_file_of_volumes(request, awkward_path, an_oblique_grid):
    """Three volumes in one file, of four dimensions or as values of each voxel; the case, and the volumes."""
    volumes = [scan_on(an_oblique_grid, seed) for seed in (1, 2, 3)]
    images = []
    for volume in volumes:
        image = sitk.GetImageFromArray(volume.voxels)
        image.SetSpacing(volume.grid.spacing_mm)
        image.SetOrigin(volume.grid.origin_mm)
        image.SetDirection(volume.grid.direction)
        images.append(image)
    path = str(awkward_path / f"all.{request.param}")
    sitk.WriteImage(sitk.JoinSeries(images) if request.param == "nii.gz" else sitk.Compose(images), path)
    return Case("p", Role.INPUT, path, more_images=(path, path)), volumes


def test_a_file_of_four_dimensions_holds_all_channels(a_file_of_volumes, an_oblique_grid):
    case, volumes = a_file_of_volumes
    scan = read_scan(case)
    np.testing.assert_array_equal(scan.voxels, np.stack([volume.voxels for volume in volumes]))
    assert not scan.grid.difference(an_oblique_grid) and not scan_grid(case).difference(an_oblique_grid)
    assert images_on_other_grids(case) == ()
    assert case.files == (case.image,)


def test_a_file_with_too_few_volumes_is_named(a_file_of_volumes):
    case, _ = a_file_of_volumes
    with pytest.raises(DataError, match="holds 3 volumes, expected at least 4, one a channel"):
        read_scan(replace(case, more_images=(case.image,) * 3))


NAMES = ("CT", "PET")


@pytest.mark.parametrize(
    ("found", "lowest", "sentences"),
    [
        ((-1024.0, 0.0), (-1000.0, 0.0), []),
        (
            (0.0, -1024.0),
            (-1000.0, 0.0),
            ["CT of 'p' has intensities from 0, those", "PET of 'p' has .* from -1024"],
        ),
        ((0.0, 0.0), (-1000.0, 0.0), ["the CT of 'p' .* check whether the channels are in their order"]),
        ((-500.0, -500.0), (-1000.0, 0.0), []),
        ((0.0, -1024.0), (), []),
        ((0.0,), (-1000.0,), ["'p' has intensities from 0, .* check whether the model is for such scans"]),
    ],
)
def test_ct_in_the_place_of_another_image_is_told(an_oblique_grid, found, lowest, sentences):
    voxels = np.stack([np.full((9, 12, 15), value, dtype=np.float32) for value in found])
    case = Case("p", Role.INPUT, "p.nrrd", more_images=("q.nrrd",) * (len(found) - 1))
    warned = unlike_training(case, Volume(voxels, an_oblique_grid), lowest, NAMES[: len(found)])
    assert len(warned) == len(sentences)
    for text, sentence in zip(warned, sentences, strict=True):
        with pytest.raises(DataError, match=sentence):
            raise DataError(text)


def test_a_label_map_in_the_place_of_a_scan_is_told(an_oblique_grid):
    case, names = Case("p", Role.INPUT, "p.nrrd"), ("channel 1",)
    labels = np.zeros((9, 12, 15), dtype=np.float32)
    labels[3:6, 4:9, 5:12], labels[4, 5, 6] = 1, 3
    (sentence,) = unlike_training(case, Volume(labels, an_oblique_grid), (), names)
    assert sentence.startswith("'p' looks like a label map")
    for scan in (
        labels + 0.5,
        labels - 1,
        labels + 1,
        np.zeros_like(labels),
        np.arange(labels.size).reshape(labels.shape) % 60,
    ):
        assert unlike_training(case, Volume(scan, an_oblique_grid), (), names) == []


UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("spacing_mm", "is_told"),
    [
        ((1.0, 1.25, 2.0), False),
        ((0.4, 0.4, 5.0), False),
        ((2.0, 1.0, 1.25), False),
        ((0.05, 0.05, 2.0), False),
        ((1e-3, 1.25e-3, 2e-3), True),
        ((1e-4, 1e-4, 1e-4), True),
        ((0.03, 0.03, 0.03), True),
        ((60.0, 70.0, 90.0), True),
        ((90.0, 90.0, 2.0), False),
    ],
)
def test_a_scan_whose_spacing_has_another_unit_than_that_of_the_model_is_refused(spacing_mm, is_told):
    grid = Grid((4, 4, 4), spacing_mm, (0.0, 0.0, 0.0), UPRIGHT)
    refuses = pytest.raises(DataError, match="the model works at 1 x 1.25 x 2 mm; correct the unit of the spacing")
    with refuses if is_told else nullcontext():
        require_same_unit(Case("a", Role.INPUT, "a.nrrd"), grid, (1.0, 1.25, 2.0))
