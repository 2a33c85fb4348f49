"""What headers of files on disk tell the checks, and which scans are read to see whether they are one."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from coranet.contract.axis_order import axis_order
from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.case_images import LabelFile
from CoraNetSlicerLib.core.images import placement_of, placement_of_file, read_image
from CoraNetSlicerLib.data.case_facts import KnownFiles

OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
NAMES = {1: "organ", 2: "lesion"}


def scan(seed=0, origin=(11.5, -23.25, 40.75), direction=OBLIQUE):
    voxels = np.random.default_rng(seed).integers(-1000, 1000, (4, 5, 6)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.9, 1.3, 2.4))
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def labels(**place):
    image = sitk.Cast(scan(**place) > 900, sitk.sitkUInt8)
    return image


@pytest.mark.parametrize("direction", [OBLIQUE, (1, 0, 0, 0, 1, 0, 0, 0, -1), (0, 1, 0, 1, 0, 0, 0, 0, 1)])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.nii", "a.nii.gz", "a.mha", "a.mhd"])
def test_a_header_says_where_the_voxels_lie(tmp_path, name, direction):
    sitk.WriteImage(scan(direction=direction), str(tmp_path / name))
    by_header = placement_of_file(tmp_path / name)
    by_reader = placement_of(read_image(tmp_path / name, slicer.vtkMRMLScalarVolumeNode()))
    assert axis_order(by_header, by_reader) is not None


def test_a_file_that_is_none_has_no_place(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\nsizes: 4 5 6\n\n")
    with pytest.raises(DataError, match="cannot be read as an image"):
        placement_of_file(tmp_path / "a.nrrd")
    files = KnownFiles()
    assert files.look_at([str(tmp_path / "a.nrrd")], 60)
    assert files.of(str(tmp_path / "a.nrrd")).placement is None


def texts(presenter, short):
    return [finding.text for finding in presenter.report.findings if finding.short == short]


# The same voxels; other voxels at the same place; the same voxels at another place; in one format.
PAIRS = [
    ("a.nrrd", "b.nii.gz", {}, True),
    ("a.nii", "b.mha", {}, True),
    ("a.nrrd", "b.nii.gz", {"seed": 1}, False),
    ("a.nrrd", "b.nii.gz", {"origin": (0.0, 0.0, 0.0)}, False),
]


@pytest.mark.parametrize(("first", "second", "change", "is_same"), PAIRS)
def test_one_scan_in_two_formats_is_named(cases, tmp_path, first, second, change, is_same):
    sitk.WriteImage(scan(), str(tmp_path / first))
    sitk.WriteImage(scan(**change), str(tmp_path / second))
    cases.add_files(tmp_path)
    while not cases.look_at_files(0.001):
        assert texts(cases, "same image") == []
    assert bool(texts(cases, "same image")) is is_same


def test_many_registered_scans_are_not_read(tmp_path, monkeypatch):
    """Of many scans on one grid the training says which are one; the application would be busy for long."""
    paths = [str(tmp_path / f"{number}.{'nrrd' if number % 2 else 'nii.gz'}") for number in range(24)]
    for number, path in enumerate(paths):
        sitk.WriteImage(scan(seed=number), path)
    monkeypatch.setattr("CoraNetSlicerLib.core.case_volume.read_image", None)
    assert KnownFiles().look_at(paths, 600)


LABELS = [
    ({}, ""),
    ({"origin": (11.5, -23.25, 43.15)}, "has another origin or direction than"),
    ({"direction": (1, 0, 0, 0, 1, 0, 0, 0, 1)}, "has another origin or direction than"),
]


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
@pytest.mark.parametrize(("place", "message"), LABELS)
def test_a_label_file_at_another_place_is_named(cases, tmp_path, ending, place, message):
    sitk.WriteImage(scan(), str(tmp_path / "a.nii.gz"))
    sitk.WriteImage(labels(**place), str(tmp_path / f"l{ending}"))
    cases.add_files(tmp_path / "a.nii.gz")
    cases.set_segmentation(cases.rows[0].key, LabelFile(str(tmp_path / f"l{ending}"), NAMES))
    assert cases.look_at_files(600)
    assert [message in text for text in texts(cases, "different geometry")] == ([True] if message else [])


def test_a_label_file_whose_axes_run_the_other_way_belongs_to_its_scan(cases, tmp_path):
    sitk.WriteImage(scan(), str(tmp_path / "a.nii.gz"))
    sitk.WriteImage(sitk.Flip(labels(), (False, False, True)), str(tmp_path / "l.nrrd"))
    cases.add_files(tmp_path / "a.nii.gz")
    cases.set_segmentation(cases.rows[0].key, LabelFile(str(tmp_path / "l.nrrd"), NAMES))
    assert cases.look_at_files(600)
    assert texts(cases, "different geometry") == []


HEADERS = [
    ({1: "organ", 2: "lesion"}, ""),
    ({1: "lesion", 2: "organ"}, ""),
    ({1: "spleen", 2: "lesion"}, "calls its value 1 'spleen', the datalist calls it 'organ'"),
    ({1: "organ", 2: "organ"}, "more than one segment named 'organ'"),
]


@pytest.mark.parametrize(("names", "message"), HEADERS)
def test_names_in_a_label_file_are_read(cases, tmp_path, names, message):
    sitk.WriteImage(scan(), str(tmp_path / "a.nrrd"))
    image = labels()
    for number, (value, name) in enumerate(names.items()):
        for key, text in (("Name", name), ("LabelValue", str(value)), ("Layer", "0")):
            image.SetMetaData(f"Segment{number}_{key}", text)
    sitk.WriteImage(image, str(tmp_path / "l.seg.nrrd"))
    cases.add_files(tmp_path / "a.nrrd")
    cases.set_segmentation(cases.rows[0].key, LabelFile(str(tmp_path / "l.seg.nrrd"), NAMES))
    assert cases.look_at_files(600)
    assert [message in text for text in texts(cases, "not usable")] == ([True] if message else [])
