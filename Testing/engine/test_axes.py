"""Labels that other programs have saved with the scan's voxels in another order."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from coranet.contract import Case, Role
from coranet.contract.errors import DataError
from coranet.data.axes import is_reordered, on_axes_of
from coranet.data.cache import read_labeled_pair
from coranet.volume import read_label_map

AXES = ("LPS", "RAS", "LAS", "LPI", "RPS", "SAL", "PIR", "ASR", "IPL")


@pytest.fixture
def image() -> sitk.Image:
    """Voxels of 0 and 1 on an oblique grid of unequal spacing."""
    image = sitk.GetImageFromArray((np.random.default_rng(0).random((4, 5, 6)) > 0.5).astype(np.int16))
    image.SetSpacing((0.9, 1.3, 2.4))
    image.SetOrigin((11.5, -23.25, 40.75))
    image.SetDirection((0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0))
    return image


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_a_label_with_other_axes_is_that_of_its_scan(tmp_path, image, axes, ending):
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(tmp_path / f"label{ending}"))
    case = Case("a", Role.TRAINING, str(tmp_path / "scan.nrrd"), str(tmp_path / f"label{ending}"))
    scan, label = read_labeled_pair(case, [1])
    assert np.array_equal(scan.voxels, label.voxels) and not scan.grid.difference(label.grid)


@pytest.mark.parametrize("axes", AXES)
def test_a_left_handed_scan_has_the_label_that_slicer_saves(tmp_path, image, axes):
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(tmp_path / "scan.nii.gz"))
    sitk.WriteImage(sitk.Flip(sitk.DICOMOrient(image, axes), (False, False, True)), str(tmp_path / "label.nrrd"))
    scan, label = read_labeled_pair(
        Case("a", Role.TRAINING, str(tmp_path / "scan.nii.gz"), str(tmp_path / "label.nrrd")), [1]
    )
    assert np.array_equal(scan.voxels, label.voxels)


def test_a_label_that_lies_elsewhere_is_refused(tmp_path, image):
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    image.SetOrigin((12.0, -23.25, 40.75))
    sitk.WriteImage(sitk.DICOMOrient(image, "RAS"), str(tmp_path / "label.nrrd"))
    with pytest.raises(DataError, match="have different grids"):
        read_labeled_pair(Case("a", Role.TRAINING, str(tmp_path / "scan.nrrd"), str(tmp_path / "label.nrrd")), [1])
    label = read_label_map(tmp_path / "label.nrrd")
    grid = read_label_map(tmp_path / "scan.nrrd").grid
    assert on_axes_of(label, grid) is label and not is_reordered(label.grid, grid)
