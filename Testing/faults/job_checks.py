"""Whether a job's folder can be read as it is, and takes nothing half-written for whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from coranet.contract import Job, JobKind, JobStatus, RegionList, Review
from coranet.contract.errors import JobError, ModelError
from coranet.contract.events import read_events
from coranet.model_package import ModelPackage
from coranet.networks import CoraNet
from coranet.regions.files import WrittenCase, read_regions
from coranet.tensors import load_tensors


def require_valid(folder: Path) -> None:
    """Raise AssertionError, or what a reader raises, unless a job that nobody works on reads as valid."""
    job = Job.open(folder)
    job.read_config()
    datalist = job.read_datalist()
    read_events(job.events_path)
    assert job.status() in (JobStatus.CREATED, JobStatus.CRASHED, JobStatus.FINISHED), job.status()
    _require_whole_files(folder)
    if job.kind is JobKind.TRAIN:
        _require_whole_model_or_none(job)
    for case in datalist.cases:
        files = job.prediction(case.id)
        if files.result.exists():
            WrittenCase.read(files)
            if files.regions.exists():
                read_regions(files)


def require_valid_review(folder: Path, case_id: str) -> Review:
    """The review of a case that was killed while it was reviewed; what a training could take is whole or absent."""
    files = Job.open(folder).prediction(case_id)
    _require_whole_files(folder)
    return Review.read(files.review, RegionList.read(files.regions))


def _require_whole_files(folder: Path) -> None:
    readers = {".json": _read_json, ".pt": load_tensors, ".npy": np.load, ".nrrd": _read_image}
    for path in folder.rglob("*"):
        if ".partial." not in path.name and path.is_file() and path.suffix in readers:
            readers[path.suffix](path)  # type: ignore[operator]


def _require_whole_model_or_none(job: Job) -> None:
    try:
        package = ModelPackage.read(job.folder)
    except (ModelError, JobError):
        assert not (job.model_folder / "model.json").exists(), "there is a card, and it cannot be read"
        return
    package.load_weights(CoraNet(package.architecture))


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_image(path: Path) -> Any:
    return sitk.GetArrayViewFromImage(sitk.ReadImage(str(path)))
