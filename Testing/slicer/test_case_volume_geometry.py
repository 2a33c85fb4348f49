"""Scans of which Slicer's reader makes another place than the engine's: they are shown where they were segmented."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import labels_of, numpy_matrix

from coranet.contract import Case, Datalist, Job, JobKind, Role, ScanIdentity
from coranet.contract.config import SegmentConfig
from coranet.contract.scan_identity import voxel_hash
from coranet.volume import read_image, write_volume
from CoraNetSlicerLib.core.case_volume import CaseVolume
from CoraNetSlicerLib.review.result_loading import load_prediction

VOXELS = np.random.default_rng(0).integers(0, 500, (4, 5, 6)).astype(np.int16)
LABELS = (VOXELS > 250).astype(np.uint8)


def nifti(folder: Path, *changes: tuple[int, str, tuple[float, ...]]) -> Path:
    """A NIfTI file with some fields of its header changed: (byte, format, values)."""
    image = sitk.GetImageFromArray(VOXELS)
    image.SetSpacing((1.0, 1.25, 2.0))
    image.SetDirection((0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0))
    sitk.WriteImage(image, str(folder / "a.nii"))
    content = bytearray((folder / "a.nii").read_bytes())
    content[252:254] = struct.pack("<h", 0)  # the place is that of the sform alone
    for at, form, values in changes:
        content[at : at + struct.calcsize(form)] = struct.pack(form, *values)
    (folder / "a.nii").write_bytes(content)
    return folder / "a.nii"


def nrrd(folder: Path) -> Path:
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 6 5 4\nendian: little\nencoding: raw\n"
        "space: left-posterior-superior\nspace directions: (1000,0,0) (0,1250,0) (0,0,2000)\n"
        'space units: "um" "um" "um"\nspace origin: (1000,2000,3000)\n\n'
    )
    (folder / "a.nrrd").write_bytes(header.encode("ascii") + VOXELS.tobytes())
    return folder / "a.nrrd"


SCANS = {
    "whole": lambda folder: nifti(folder),
    "spacing-of-0": lambda folder: nifti(folder, (80, "<3f", (0.0, 0.0, 0.0))),
    "negative-spacing": lambda folder: nifti(folder, (80, "<3f", (-1.0, 1.25, 2.0))),
    "micrometres": nrrd,
}


def a_result(folder: Path, image: Path) -> Job:
    """A finished segmentation of a scan, as the engine reads it."""
    scan = read_image(image)
    case = Case("a", Role.INPUT, str(image))
    job = Job.create(folder, JobKind.SEGMENT, SegmentConfig(model="m"), Datalist((case,)))
    files = job.prediction("a")
    for name in ("segmentation", "conservative", "radical", "uncertain"):
        write_volume(getattr(files, name), LABELS, scan.grid)
    write_volume(files.uncertainty, LABELS * np.float32(0.5), scan.grid)
    identity = ScanIdentity(voxel_hash(scan.voxels, scan.grid.direction), scan.grid.size_ijk, scan.grid.spacing_mm)
    labels = [{"value": 1, "name": "organ", "color": None, "terminology": ""}]
    content = {"schema_version": 1, "case": "a", "image": str(image), "labels": labels, "scan": identity.to_dict()}
    files.result.write_text(json.dumps(content), encoding="utf-8")
    return job


@pytest.mark.parametrize("make", SCANS.values(), ids=SCANS)
def test_a_scan_is_shown_where_it_was_segmented(context, tmp_path, make):
    job = a_result(tmp_path / "job", make(tmp_path))
    case_volume = CaseVolume(context, job, job.read_datalist().cases[0])
    for _ in case_volume.steps():
        pass
    loaded = load_prediction(context, job.prediction("a"), case_volume.node)
    assert bool(case_volume.warnings) is (make is not SCANS["whole"])
    grid = read_image(job.read_datalist().cases[0].image).grid
    spacing = np.linalg.norm(numpy_matrix(case_volume.node)[:3, :3], axis=0)
    np.testing.assert_allclose(spacing, grid.spacing_mm, rtol=1e-4)
    assert np.count_nonzero(labels_of(loaded)) == np.count_nonzero(LABELS)
    assert case_volume.node.GetName() == "a"


@pytest.mark.slow
def test_of_two_slices_at_one_place_one_is_shown(context, tmp_path, shared_data):
    series = tmp_path / "series"
    shutil.copytree(shared_data / "formats" / "dicom" / "ct-head-lowres", series)
    files = sorted(path for path in series.rglob("*") if path.is_file())
    shutil.copy(files[1], files[1].with_name(f"{files[1].name}-again"))
    from slicer import vtkMRMLScalarVolumeNode

    from CoraNetSlicerLib.core.images import read_image as read_in_slicer

    folder = files[1].parent
    assert read_in_slicer(folder, vtkMRMLScalarVolumeNode()).GetImageData().GetDimensions() == (64, 64, 93)
