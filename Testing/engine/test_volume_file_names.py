"""Names of files are bytes: whatever they are, scans are read, results written, and what is told can be read."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from small_jobs import call, segmentation_job, the_only_error

from coranet.contract import Job, read_json, write_json_atomic
from coranet.contract.errors import DataError
from coranet.contract.events import CaseFailed
from coranet.contract.files import write_text_atomic
from coranet.volume import file_names, read_grid, read_image, read_label_map, write_volume
from coranet.volume.file_names import utf8_names

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only here are names of files any bytes")

# Latin-1, half a letter of UTF-8, Shift-JIS, a byte that is nowhere a letter; and names that are UTF-8.
NAMES = [b"M\xfcller", b"half \xc3", b"\x83e\x83X\x83g", b"\xff", "Müller".encode(), "心臓 ☂".encode(), b"plain"]


@pytest.fixture(params=NAMES, ids=repr)
def name(request) -> str:
    return os.fsdecode(request.param)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
@pytest.mark.parametrize("where", ["file", "folder", "both"])
def test_a_scan_is_read_and_written_whatever_it_is_called(tmp_path, an_oblique_scan, name, suffix, where):
    folder = tmp_path / (name if where != "file" else "scans")
    folder.mkdir()
    write_volume(folder / f"plain{suffix}", an_oblique_scan.voxels, an_oblique_scan.grid)
    path = folder / f"{name if where != 'folder' else 'scan'}{suffix}"
    (folder / f"plain{suffix}").rename(path)
    expected = an_oblique_scan.voxels
    assert (read_image(path).voxels == expected).all()
    assert read_grid(path) == read_image(path).grid


def test_detached_data_beside_a_header_is_found(tmp_path, its_labels, name):
    folder = tmp_path / name
    folder.mkdir()
    write_volume(folder / "labels.mhd", its_labels.voxels, its_labels.grid)
    assert (read_label_map(folder / "labels.mhd").voxels == its_labels.voxels).all()


def test_where_no_link_can_be_made_the_name_is_what_is_wrong(tmp_path, monkeypatch):
    def refuse(*arguments, **more) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(file_names.os, "symlink", refuse)
    path = tmp_path / os.fsdecode(b"M\xfcller.nrrd")
    with pytest.raises(DataError, match="has a name that is not UTF-8"), utf8_names([path]):
        pass
    with utf8_names([tmp_path / "Müller.nrrd"]) as names:
        assert names == [str(tmp_path / "Müller.nrrd")]


def test_json_and_text_hold_any_name(tmp_path, name):
    write_json_atomic(tmp_path / "a.json", {"image": f"/data/{name}.nrrd", "names": [name]})
    (tmp_path / "a.json").read_bytes().decode("utf-8")
    assert read_json(tmp_path / "a.json")["names"] == [name]
    write_text_atomic(tmp_path / "a.html", f"<code>{name}</code>")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<code>")
    json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_folder_of_scans_with_any_names_is_segmented_told_and_reported(
    a_trained_job, a_phantom_set, tmp_path, capsys
):
    """The way of such names through datalist, events, log, terminal, result, page and table."""
    inbox = tmp_path / os.fsdecode(b"Aufn\xe4hme")
    inbox.mkdir()
    for number, name in enumerate((b"M\xfcller", b"plain", b"\xff")):
        shutil.copy(a_phantom_set.parent / "images" / f"case00{number + 1}.nrrd", inbox / f"{os.fsdecode(name)}.nrrd")
    (inbox / os.fsdecode(b"damaged \xe4.nrrd")).write_bytes(b"this is no image")
    output = tmp_path / os.fsdecode(b"Ergebn\xefsse")
    args = ("segment", inbox, "--model", a_trained_job.folder, "--output", output, "--set", "machine.threads=1")
    assert call(*args) == 1
    assert "1 of 4 cases could not be segmented" in the_only_error(capsys)
    job = Job.open(output)
    assert len(job.complete_predictions()) == 3
    assert {Path(case.image).parent for case in job.read_datalist().cases} == {inbox}
    assert any("damaged" in event.message for event in job.read_events() if isinstance(event, CaseFailed))
    for path in (job.log_path, job.events_path):
        path.read_bytes().decode("utf-8")
    assert call("report", output) == 0 and call("regions", output) == 0
    (output / "report.html").read_bytes().decode("utf-8")
    with open(output / "report.csv", encoding="utf-8") as table:
        assert len({row["case"] for row in csv.DictReader(table)}) == 3
    capsys.readouterr()
    assert call(*args, "--resume") == 1


@pytest.mark.slow
def test_surfaces_are_written_into_any_folder(a_trained_job, a_phantom_set, tmp_path):
    from coranet.job_process.worker import work_on

    folder = tmp_path / os.fsdecode(b"Fl\xe4chen")
    job = segmentation_job(folder, [a_phantom_set.parent / "images" / "case001.nrrd"], a_trained_job.folder)
    job.begin_anew(job.read_config().with_overrides({"surfaces": True}), job.read_datalist())
    assert work_on(job, resume=False) == 0
    assert list((job.prediction("case001").folder / "surfaces").glob("*.vtp"))
