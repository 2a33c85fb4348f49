"""A DICOM series on Slicer's side: read and told of by the engine's rule."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
from dicom_files import positions, voxels, write_series
from pydicom import dcmread
from pydicom.uid import RLELossless
from scene_builders import array_of

from coranet.contract import Case, Datalist, Job, JobKind, Role, find_cases
from coranet.contract.config import SegmentConfig
from coranet.contract.errors import DataError
from coranet.data.identity import identity_of
from coranet.data.scans import read_scan
from coranet.data.series import divided_series
from coranet.reporting import Reporter
from coranet.volume import read_grid, write_volume
from coranet.volume import read_image as engine_read
from CoraNetSlicerLib.core.case_images import LabelFile
from CoraNetSlicerLib.core.case_volume import find_or_load_volume, volume_hash_steps
from CoraNetSlicerLib.core.images import read_image
from CoraNetSlicerLib.core.stepwise import run_to_end
from CoraNetSlicerLib.data.case_facts import KnownFiles

SCOUT = ("ORIGINAL", "PRIMARY", "LOCALIZER")


def echoes(folder):
    for number, time in enumerate((4.6, 9.2)):
        write_series(folder, voxels(seed=number), positions(), name=f"e{number}-", Modality="MR", EchoTime=time)
    return folder


def orientations(folder):
    write_series(folder, voxels(), positions(), name="a")
    places = [(2.0 * k, 4.0, 10.0) for k in range(5)]
    write_series(folder, voxels(5), places, name="s", ImageOrientationPatient=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))
    return folder


def with_a_scout(folder):
    write_series(folder, voxels(), positions())
    return write_series(folder, voxels(3), [(0.0, 50.0 * k, 0.0) for k in range(3)], name="scout", ImageType=SCOUT)


def with_a_slice_twice(folder):
    write_series(folder, voxels(), positions())
    return write_series(folder, voxels()[2:3], positions()[2:3], name="again")


def with_a_missing_slice(folder):
    there = [0, 1, 2, 4, 5, 6]
    return write_series(folder, voxels()[there], [positions()[k] for k in there])


def run_lengths(folder):
    write_series(folder, voxels(), positions())
    for path in folder.iterdir():
        stored = dcmread(path)
        stored.compress(RLELossless)
        stored.save_as(path)
    return folder


def white_is_low(folder):
    return write_series(folder, voxels(), positions(), PhotometricInterpretation="MONOCHROME1")


def divided(folder, role=Role.INPUT):
    quiet = Reporter(lambda event: None, lambda: False)
    return divided_series(Datalist((Case("MR", role, str(folder)),)), quiet).datalist.cases


@pytest.mark.parametrize("make", [echoes, orientations, with_a_scout, with_a_slice_twice, run_lengths])
def test_both_sides_read_the_same_images_of_a_series(tmp_path, make):
    for case in divided(make(tmp_path / "MR")):
        node = read_image(tmp_path / case.image, slicer.vtkMRMLScalarVolumeNode(), case.part)
        assert run_to_end(volume_hash_steps(node)) == identity_of(read_scan(case)).voxels


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (echoes, "one DICOM series of 2 images"),
        (with_a_missing_slice, "lacks 1 slices"),
        (white_is_low, "stores its intensities as MONOCHROME1"),
    ],
)
def test_both_sides_refuse_a_series_in_the_same_sentence(tmp_path, make, message):
    folder = make(tmp_path / "MR")
    with pytest.raises(DataError, match=message) as by_engine:
        engine_read(folder)
    with pytest.raises(DataError) as by_slicer:
        read_image(folder, slicer.vtkMRMLScalarVolumeNode())
    assert str(by_slicer.value) == str(by_engine.value)


def test_the_scan_of_a_result_is_loaded_as_the_image_that_was_segmented(context, tmp_path):
    cases = divided(echoes(tmp_path / "MR"))
    job = Job.create(tmp_path / "job", JobKind.SEGMENT, SegmentConfig("m"), Datalist(cases))
    for number, case in enumerate(cases):
        node = find_or_load_volume(context, job, case)
        assert node.GetName() == case.id
        np.testing.assert_array_equal(array_of(node), voxels(seed=number))


def texts(presenter, short):
    return [finding.text for finding in presenter.report.findings if finding.short == short]


def test_check_names_the_images_of_a_series(cases, tmp_path):
    cases.add_files(echoes(tmp_path / "MR"))
    assert texts(cases, "several images") == [], "nobody has looked yet"
    assert cases.look_at_files(60)
    (text,) = texts(cases, "several images")
    assert "'MR' is one DICOM series of 2 images: echo time 4.6 (7 slices), echo time 9.2 (7 slices)." in text
    assert "Each becomes a case of its own." in text
    write_volume(tmp_path / "l.nrrd", np.zeros((7, 5, 6), np.uint8), read_grid(tmp_path / "MR", 0))
    cases.set_segmentation(cases.rows[0].key, LabelFile(str(tmp_path / "l.nrrd"), {1: "Liver"}))
    assert "that has the geometry of the label" in texts(cases, "several images")[0]


def test_check_names_the_images_of_a_channel(cases, tmp_path):
    orientations(tmp_path / "MR")
    write_volume(tmp_path / "T1.nrrd", np.ones((7, 5, 6), np.int16), read_grid(tmp_path / "MR", 0))
    echoes(tmp_path / "both")
    content = {"labels": {"1": "Liver"}, "channels": ["T1", "T2"], "unlabeled": [["T1.nrrd", "MR"], ["both", "both"]]}
    (tmp_path / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    cases.add_files(tmp_path / "dataset.json")
    cases.look_at_files(60)
    (text,) = texts(cases, "several images")
    assert (
        "A channel of 'T1' is one DICOM series of 2 images: axial 6 x 5 (7 slices), sagittal 6 x 5 (5 slices)." in text
    )
    assert "has the geometry of the other channels is used" in text
    made = divided_series(find_cases(tmp_path / "dataset.json"), Reporter(lambda event: None, lambda: False)).datalist
    assert engine_read(made.cases[0].images[1]).grid == read_grid(tmp_path / "T1.nrrd")


def test_check_says_why_a_series_cannot_be_used(cases, tmp_path):
    cases.add_files(with_a_missing_slice(tmp_path / "MR"))
    cases.look_at_files(60)
    assert "lacks 1 slices" in texts(cases, "not usable")[0]


def test_a_series_is_looked_at_slice_by_slice(tmp_path):
    echoes(tmp_path / "MR")
    files, looks = KnownFiles(), 0
    while not files.look_at([str(tmp_path / "MR")], 1e-9):
        looks += 1
        assert looks < 100
    facts = files.of(str(tmp_path / "MR"))
    assert len(facts.images) == 2 and facts.header is None and not facts.problem


def test_size_and_spacing_of_a_series_are_known(tmp_path):
    with_a_scout(tmp_path / "MR")
    files = KnownFiles()
    assert files.look_at([str(tmp_path / "MR")], 60)
    assert files.of(str(tmp_path / "MR")).header.size_ijk == (6, 5, 7)


def test_a_scan_that_is_there_as_dicom_and_as_a_file_is_named(cases, tmp_path):
    folder = write_series(tmp_path / "MR", voxels(), positions())
    scan = engine_read(folder)
    write_volume(tmp_path / "same.nrrd", scan.voxels.astype(np.int16), scan.grid)
    write_volume(tmp_path / "other.nii.gz", scan.voxels + 1, scan.grid)
    cases.add_files(tmp_path)
    while not cases.look_at_files(0.01):
        pass
    (text,) = texts(cases, "same image")
    assert "'same'" in text and "'MR'" in text
