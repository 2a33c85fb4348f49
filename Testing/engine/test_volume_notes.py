from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from coranet.volume import noted_by, read_image
from coranet.volume.itk import itk_reads
from coranet.volume.notes import note


def test_a_scan_without_any_contrast_is_told(tmp_path):
    received: list[str] = []
    for name, voxels in {"empty": [7, 7, 7], "lost": [2**40, 2**40, 2**40 + 1], "seen": [7, 7, 8]}.items():
        image = sitk.GetImageFromArray(np.array(voxels, dtype=np.int64)[:, None, None].repeat(4, 1).repeat(5, 2))
        sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
        with noted_by(received.append):
            read_image(tmp_path / f"{name}.nrrd")
    assert ["empty" in received[0], "lost" in received[1], len(received)] == [True, True, 2]
    assert "has the intensity 7 in every voxel" in received[0]


def test_the_innermost_listener_hears_each_sentence_once():
    outer: list[str] = []
    inner: list[str] = []
    with noted_by(outer.append):
        note("a")
        with noted_by(inner.append):
            note("a")
            note("b")
            note("b")
        note("a")
        note("c")
    assert outer == ["a", "c"] and inner == ["a", "b"]


def test_files_are_read_in_any_thread():
    received: list[str] = []
    with noted_by(received.append):
        threads = [threading.Thread(target=note, args=(f"file {number % 3}",)) for number in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(received) == ["file 0", "file 1", "file 2"]


def test_a_thread_keeps_its_notes_to_its_own_listener():
    outer: list[str] = []
    own: list[str] = []

    def read_ahead() -> None:
        with noted_by(own.append):
            note("of the next case")
        note("without a listener of its own")

    with noted_by(outer.append):
        thread = threading.Thread(target=read_ahead)
        thread.start()
        thread.join()
        note("of this case")
    assert own == ["of the next case"] and outer == ["without a listener of its own", "of this case"]


def test_where_nobody_listens_notes_are_in_the_log(caplog):
    with caplog.at_level(logging.INFO, "coranet"):
        note("said to nobody")
    assert "said to nobody" in caplog.text


def test_warnings_of_itk_are_in_the_log_while_a_file_is_read(caplog, capfd, tmp_path):
    """A NIfTI file whose two spacings differ: ITK warns, and nobody at the terminal knows of which file."""
    from nifti_files import write_nifti

    path = write_nifti(tmp_path / "a.nii", pixdim=(1.0, 1.0, 1.0))
    with caplog.at_level(logging.INFO, "coranet"), itk_reads(Path(path)):
        sitk.ReadImage(str(path))
    assert "ITK on" in caplog.text and str(path) in caplog.text and "unexpected scales in sform" in caplog.text
    assert capfd.readouterr() == ("", "")
    caplog.clear()
    with caplog.at_level(logging.INFO, "coranet"):
        sitk.ReadImage(str(path))
    assert not caplog.records


@pytest.mark.slow
def test_a_segmentation_tells_what_was_put_right(awkward_path, a_random_model, a_reporter):
    """With the case that it concerns, and in every process of a team: the listener is that of the case."""
    from dicom_files import positions, voxels, write_series, write_slice

    from coranet.contract import Case, Datalist, Job, JobKind, Role
    from coranet.contract.config import InferenceConfig, MachineConfig, SegmentConfig
    from coranet.contract.events import Warned
    from coranet.segmentation import run_segmentation_job

    folder = write_series(awkward_path / "s", voxels(), positions())
    write_slice(folder / "again", voxels()[3], positions()[3])
    config = SegmentConfig(
        str(a_random_model().folder), InferenceConfig(overlap=0.0), MachineConfig(device="cpu"), surfaces=False
    )
    cases = (Case("p1", Role.INPUT, str(folder)),)
    job = Job.create(awkward_path / "job", JobKind.SEGMENT, config, Datalist(cases))
    run_segmentation_job(job, False, a_reporter)
    messages = [event.message for event in a_reporter.events if isinstance(event, Warned) and event.code == "input"]
    assert len(messages) == 1 and str(folder) in messages[0] and "taken once" in messages[0]
