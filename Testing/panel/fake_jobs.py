"""Jobs in any state without a process: what the engine would have written, written by hand."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
from synthetic_predictions import write_image

from coranet.contract import Case, Datalist, Job, JobKind, Label, ProcessIdentity, Role
from coranet.contract.config import SegmentConfig, TrainConfig
from coranet.contract.events import (
    Cancelled,
    CaseDone,
    CaseFailed,
    CheckpointSaved,
    Event,
    EventWriter,
    Failed,
    Finished,
    Losses,
    Noted,
    Progress,
    SnapshotSaved,
    Started,
    Validation,
    Warned,
)

PRETRAINING, TOTAL = 400, 1000
STEP_S = 3.4
PLAN = (
    "Works at 1.4 x 1.4 x 2.5 mm, where the labels keep a Dice of 0.97; the scans' own 0.8 x 0.8 x 2.5 mm would leave "
    "only 300 steps in 1 h.",
    "Patches of 48 x 96 x 96 voxels (120 x 134 x 134 mm up-down, front-back, left-right) cover both structures with at "
    "least 15 mm around, or the whole scan.",
    "1,000 steps (400 on labeled cases, then 600 with unlabeled ones) fit into 1 h on this NVIDIA RTX 4090, bfloat16.",
)
LABELS = (Label(1, "Pancreas", (0.9, 0.45, 0.3)), Label(2, "Tumor", (0.35, 0.72, 0.62)))
_LOGS = {
    "running": "pretraining\nself-training\n",
    "failed": "Traceback (most recent call last):\n  ...\nDataError: the label is empty\n",
    "crashed": "self-training\nKilled\n",
}


def a_training(folder: Path, state: str = "finished", steps: int | None = None) -> Job:
    """A training of two classes with curves, notes, a warning and snapshots.

    Args:
        folder: becomes the job.
        state: "running" (by this process), "finished" (with a model card), "failed", "stopped" or "crashed".
        steps: done so far; None: as fits the state.
    """
    cases = [Case(f"Patient {n}", Role.TRAINING, f"images/{n}.nrrd", f"labels/{n}.nrrd") for n in (1, 2, 3)]
    cases += [Case(f"Patient {n}", Role.UNLABELED, f"images/{n}.nrrd") for n in range(4, 12)]
    job = Job.create(folder, JobKind.TRAIN, TrainConfig.from_preset("default"), Datalist(tuple(cases), LABELS))
    done = steps if steps is not None else {"finished": TOTAL, "failed": 0}.get(state, 620)
    _write(job, _training_events(job, done) + _training_end(state, done), state)
    if state == "finished":
        _write_model(job.model_folder)
    return job


def an_improved_training(folder: Path) -> Job:
    """A finished training that went on from a model, with its validation before and after."""
    job = a_training(folder)
    path = job.model_folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    card = content["card"]
    earlier = {key: card[key] for key in ("created", "steps", "trained_on", "validation_dice")}
    card["history"] = [{**earlier, "reviewed_regions": None}]
    card.update(before={"Pancreas": 0.79, "Tumor": 0.62}, reviewed_regions=12, created=time.time())
    path.write_text(json.dumps(content), encoding="utf-8")
    return job


def a_segmentation(folder: Path, state: str = "finished", cases: tuple[str, ...] = ("Patient 7", "Patient 8")) -> Job:
    """A segmentation of several cases without result files: all but the last are done; of a failed one, none is.

    Args:
        folder: becomes the job.
        state: "running" (by this process), "finished", "failed", "stopped" or "crashed".
        cases: their names.
    """
    datalist = Datalist(tuple(Case(name, Role.INPUT, f"images/{name}.nrrd") for name in cases))
    job = Job.create(folder, JobKind.SEGMENT, SegmentConfig(model=str(folder.parent / "model")), datalist)
    total = len(cases)
    events: list[Event] = [Started(0, total, "cuda", "0.4"), Noted("device", "runs on NVIDIA RTX 4090.")]
    done = () if state == "failed" else cases[:-1]
    for number, name in enumerate(done, start=1):
        events.append(CaseDone(name, number, total, 12.4))
        events.append(Progress("segmenting", number, total, 12.0 * (total - number)))
    if state == "running":
        events.append(Progress("segmenting", len(done), total, 7.4, 0.38))
    else:
        wrong = "the image is flat: all voxels are 0; check the file."
        events += [CaseFailed(name, wrong) for name in cases[len(done) :]]
    ends = {"finished": Finished(f"{total - 1} of {total} cases were segmented.", 31.0), "stopped": Cancelled(1)}
    ends["failed"] = Failed("no case could be segmented; see the log.")
    _write(job, events + [ends[state]] if state in ends else events, state)
    return job


def _training_events(job: Job, done: int) -> list[Event]:
    events: list[Event] = [Started(0, TOTAL, "cuda", "0.4")]
    events += [Progress("preparing", n, 11) for n in range(1, 12)]
    events += [Noted("plan", sentence) for sentence in PLAN]
    events.append(Noted("patch", "each step takes 2 labeled and 2 unlabeled patches of 48 x 96 x 96 voxels."))
    events.append(Warned("few_labeled", "there are only 3 labeled cases; the result will depend on which they are."))
    rng = np.random.default_rng(11)
    for step in range(10, done + 1, 10):
        events += _one_step(job, step, rng.normal(1, 0.05))
    return events


def _one_step(job: Job, step: int, noise: float) -> list[Event]:
    phase = "pretraining" if step <= PRETRAINING else "self-training"
    learned = 1 - math.exp(-step / 300)
    supervised = (1.1 - 0.95 * learned) * noise
    semi = max(0.0, (step - PRETRAINING) / (TOTAL - PRETRAINING))
    losses = Losses(step, phase, supervised + 0.3 * semi, supervised, 0.2 * semi, 0.1 * semi, 0.08 - 0.05 * semi, 0.01)
    events: list[Event] = [losses, Progress(phase, step, TOTAL, (TOTAL - step) * STEP_S)]
    if step % 100 == 0:
        dice = {"Pancreas": 0.9 * learned, "Tumor": 0.7 * learned}
        events += [Validation(step, dice, 0.8 * learned, True), CheckpointSaved(step)]
    if step > PRETRAINING and step % 50 == 0:
        events.append(_snapshot(job, step))
    return events


def _snapshot(job: Job, step: int) -> SnapshotSaved:
    k, j, i = np.mgrid[:14, :24, :18].astype(float)
    distance = ((i - 9) / 5) ** 2 + ((j - 12) / 7) ** 2 + ((k - 7) / 4.5) ** 2
    label = (distance < 1).astype(np.uint8)
    label[np.abs(distance - 1) < 0.5 * TOTAL / step - 0.3] = SnapshotSaved.UNCERTAIN
    path = job.snapshot_path("Patient 4", step)
    write_image(label, path)
    share = float((label == SnapshotSaved.UNCERTAIN).mean())
    return SnapshotSaved(step, "Patient 4", path.relative_to(job.folder).as_posix(), share)


def _training_end(state: str, done: int) -> list[Event]:
    if state == "finished":
        return [Finished("validation Dice: Pancreas 0.810, Tumor 0.710.", done * STEP_S)]
    if state == "failed":
        return [Failed("the label of 'Patient 2' is empty; paint at least one voxel, or set the case to unlabeled.")]
    return [Cancelled(done)] if state == "stopped" else []


def _write(job: Job, events: list[Event], state: str) -> None:
    me = ProcessIdentity.of_this_process()
    job.beat(me if state == "running" else ProcessIdentity(999_999, me.host, time.time() - 60))
    job.log_path.write_text(_LOGS.get(state, "done\n"), encoding="utf-8")
    # The last event was told now, those before it when they would have been.
    moments = [time.time() - 0.4 * (len(events) - number - 1) for number in range(len(events))]
    writer = EventWriter(job.events_path, clock=iter(moments).__next__)
    for event in events:
        writer.write(event)
    writer.close()


def _write_model(folder: Path) -> None:
    card = {
        "validation_dice": {"Pancreas": 0.81, "Tumor": 0.71},
        "trained_on": {"training": 3, "unlabeled": 8, "validation": 1},
        "steps": TOTAL,
        "method": "coranet",
        "preset": "default",
        "time": "1 h",
        "plan": PLAN,
        "created": time.time() - 3600,
    }
    content = {
        "schema_version": 1,
        "engine_version": "0.4",
        "architecture": {},
        "preprocessing": {"spacing_mm": [1.4, 1.4, 2.5]},
        "labels": [{"value": label.value, "name": label.name, "color": list(label.color or ())} for label in LABELS],
        "card": card,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
