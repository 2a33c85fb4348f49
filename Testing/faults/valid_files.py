"""One file of each kind that the readers take, valid and small: what hostile files are made of."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from coranet.coarse.part import CoarsePart
from coranet.contract import (
    Case,
    Choice,
    Datalist,
    Job,
    JobKind,
    Label,
    PredictionFiles,
    Review,
    Role,
    events,
    write_json_atomic,
)
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.data.preprocessing import Preprocessing
from coranet.inference.prediction import Prediction
from coranet.model_package import ModelPackage
from coranet.networks import Architecture, CoraNet
from coranet.planning.memory import BatchSizes
from coranet.planning.plan import Plan
from coranet.planning.steps import StepPlan
from coranet.regions.files import write_regions
from coranet.regions.finding import RegionRule, find_regions
from coranet.tensors import save_tensors
from coranet.volume import Grid, write_volume

GRID = Grid((9, 8, 7), (1.0, 1.25, 2.0), (3.0, -4.0, 5.0), (0.8, 0.6, 0.0, -0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
_LABELS = (Label(1, "organ", (1.0, 0.5, 0.0)), Label(7, "lesion", None, "~SCT^1^a~"))
_ARCHITECTURE = Architecture("vnet", 3, 2, "instance", (8, 8, 8), ((2, 2, 2),), ((3, 3, 3), (3, 3, 3)))
_CARD = {
    "validation_dice": {"organ": 0.5, "lesion": None}, "best_step": 4, "steps": 10, "caution": 0.5,
    "trained_on": {"training": 2}, "method": "coranet", "preset": "quick", "seed": 1, "created": 1.5e9,
    "history": [{"created": 1.0, "steps": 5, "trained_on": {"training": 1}, "validation_dice": {"organ": 0.1}}],
    "before": {"organ": 0.2}, "reviewed_regions": 3, "time": "1 h", "plan": ["a sentence."],
    "single_component": ["organ"],
}  # fmt: skip


def voxels() -> np.ndarray:
    """An image on GRID, (k, j, i), int16."""
    return np.random.default_rng(3).integers(-900, 900, GRID.size_ijk[::-1]).astype(np.int16)


def labels() -> np.ndarray:
    """A label map on GRID, (k, j, i), uint8."""
    array = np.zeros(GRID.size_ijk[::-1], np.uint8)
    array[2:5, 2:6, 2:6] = 1
    array[3, 3, 3] = 7
    return array


def write_all(folder: Path) -> dict[str, Path]:
    """Write one file for each of the readers that take text or tensors; returns them by the reader's name."""
    torch.manual_seed(4)
    scans = folder / "scans"
    for number in range(4):
        write_volume(scans / f"image{number}.nrrd", voxels(), GRID)
        write_volume(scans / f"label{number}.nrrd", labels(), GRID)
    files = {"datalist": _write_datalist(scans / "dataset.json"), **_write_job(folder / "job", scans)}
    files["model"] = _write_model(folder / "model")
    files["plan"] = _write_plan(folder / "plan.json")
    files["segment_config"] = folder / "segment.json"
    write_json_atomic(files["segment_config"], SegmentConfig(model="/m").to_dict())
    files["tensors"] = folder / "tensors.pt"
    save_tensors(files["tensors"], {"step": 3, "a": torch.arange(300.0), "b": {"c": torch.ones(2, 3)}})
    return {**files, **_write_result(folder / "job" / "predictions" / "a")}


def _write_datalist(path: Path) -> Path:
    content = {
        "labels": {"0": "background", "1": "organ", "7": "lesion"},
        "channels": ["CT"],
        "training": [{"image": "image0.nrrd", "label": "label0.nrrd"}],
        "unlabeled": ["image1.nrrd"],
        "validation": [{"image": "image2.nrrd", "label": "label2.nrrd"}],
        "test": [{"image": "image3.nrrd", "label": "label3.nrrd"}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _write_job(folder: Path, scans: Path) -> dict[str, Path]:
    cases = (
        Case("a", Role.TRAINING, str(scans / "image0.nrrd"), str(scans / "label0.nrrd"), str(scans / "label1.nrrd")),
        Case("b", Role.UNLABELED, "images/b.nrrd"),
    )
    job = Job.create(folder, JobKind.TRAIN, TrainConfig.from_preset("quick"), Datalist(cases, _LABELS))
    job.claim()
    history = (
        events.Started(0, 10, "CPU", "1"),
        events.Progress("pretraining", 1, 10, 2.5, 0.5),
        events.Losses(1, "pretraining", 1.0, 0.5),
        events.Validation(2, {"organ": 0.5, "lesion": None}, 0.5, True),
        events.Warned("a", "b"),
        events.Noted("a", "b"),
        events.CheckpointSaved(2),
        events.SnapshotSaved(2, "b", "snapshots/b.nrrd", 0.25),
        events.CaseDone("a", 1, 2, 3.5),
        events.CaseFailed("a", "b"),
        events.PaceMeasured("CPU", 1.0, 0.5, 0.75, 2.0),
        events.CaseSkipped("a"),
        events.Failed("b"),
        events.Cancelled(3),
        events.Finished("b", 2.5),
    )
    writer = events.EventWriter(job.events_path)
    for event in history:
        writer.write(event)
    writer.close()
    names = {"job": "job.json", "train_config": "config.json", "job_datalist": "datalist.json"}
    named = {reader: folder / name for reader, name in names.items()}
    return {**named, "process": folder / "process.json", "events": job.events_path}


def _write_model(folder: Path) -> Path:
    coarse = CoarsePart(
        Architecture("vnet", 2, 2, "instance", (8, 8, 8), ((2, 2, 2),), ((3, 3, 3), (3, 3, 3))),
        Preprocessing((4.0, 4.0, 4.0), "zscore"), (8.0, 8.0, 8.0), 10.0,
    )  # fmt: skip
    preprocessing = Preprocessing((1.0, 1.25, 2.0), "window", (-100.0, 300.0), lowest=(-1000.0,))
    package = ModelPackage(folder, _ARCHITECTURE, preprocessing, _LABELS, _CARD, coarse)
    package.write(CoraNet(_ARCHITECTURE), CoraNet(coarse.architecture))
    return folder / "model.json"


def _write_plan(path: Path) -> Path:
    steps = StepPlan.as_set(TrainConfig.from_preset("quick").training)
    plan = Plan(
        Preprocessing((1.0, 1.0, 2.0), "zscore"), _ARCHITECTURE, (2.0, 1.0, 1.0), BatchSizes(2, 2), (_CARD,), 3, steps,
        ("a sentence.",),
    )  # fmt: skip
    write_json_atomic(path, plan.to_dict())
    return path


def _write_result(folder: Path) -> dict[str, Path]:
    files, conservative = PredictionFiles(folder), labels()
    radical = np.where(np.roll(conservative, 1, axis=2) > 0, 1, conservative).astype(np.uint8)
    uncertain = (conservative != radical).astype(np.uint8)
    prediction = Prediction(conservative, conservative, radical, uncertain, uncertain.astype(np.float32) * 0.5)
    for name in ("segmentation", "conservative", "radical", "uncertain", "uncertainty"):
        write_volume(getattr(files, name), getattr(prediction, name), GRID)
    regions_found = find_regions("a", prediction, GRID, 0.0, RegionRule(0.0))
    write_regions(files, regions_found, GRID)
    Review.of(regions_found.list).with_decision(1, Choice.RADICAL, "Ada", 1.0).write(files.review)
    volumes = {label.name: {"segmentation": 1.0, "conservative": 0.5, "radical": 1.5} for label in _LABELS}
    content = {
        "schema_version": 1, "case": "a", "image": "/i.nrrd", "labels": [asdict(label) for label in _LABELS],
        "volumes_ml": volumes, "uncertain_ml": 1.0, "caution": 0.0, "regions": 1,
    }  # fmt: skip
    write_json_atomic(files.result, content)
    return {"regions": files.regions, "review": files.review, "result": files.result}
