"""The main job in small, on the phantom: shows within a minute or two whether this installation works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coranet.contract import JobStatus
from coranet.contract.errors import CoraNetError
from coranet.contract.events import CheckpointSaved

from .core.results import LoadedPrediction
from .jobs.handle import JobHandle
from .logic import CoraNetLogic

# Small enough for any machine, long enough to be stopped on the way. Nothing is learned.
SETTINGS = {
    "preset": "quick",
    "training.pretraining_steps": 60,
    "training.self_training_steps": 20,
    "training.checkpoint_interval": 5,
    "training.log_interval": 2,
    "data.patch_size_kji": (16, 16, 16),
    "network.base_filters": 4,
    "network.levels": 2,
    "machine.device": "cpu",
}
_LONGEST_S = 600.0
_LOOK_EVERY_S = 0.3


class SelfTestError(CoraNetError):
    """A step of the self test did not end as it should."""


def run_self_test(logic: CoraNetLogic, folder: Path, report: Callable[[str], None]) -> LoadedPrediction:
    """Train, stop, resume, segment and load, on volumes made for it; they stay in the scene.

    Args:
        logic: of the scene in which it happens.
        folder: empty; holds the jobs afterwards.
        report: gets what happens, in sentences.

    Returns:
        The loaded result. How good it is does not matter after so few steps.

    Raises:
        CoraNetError: a step did not end as it should; the text has a job's last words.
    """
    labeled, unlabeled = logic.loadPhantom(labeled=2, unlabeled=2)
    report("Training starts in the background.")
    training = logic.train(labeled, unlabeled[:1], SETTINGS, folder=folder / "training")
    logic.trainingPlot(training)
    _wait_for_checkpoint(training)
    report("It is stopped on the way.")
    training.cancel()
    _require(training, JobStatus.CANCELLED)
    report("It is resumed where it was left.")
    training.resume()
    _require(training, JobStatus.FINISHED)
    report("Segmentation starts in the background.")
    segmentation = logic.segment(unlabeled[1:], training, folder=folder / "segmentation")
    _require(segmentation, JobStatus.FINISHED)
    (loaded,) = logic.loadResults(segmentation)
    report("Results are in the scene.")
    return loaded


def _wait_for_checkpoint(job: JobHandle) -> None:
    waited_s = 0.0
    while job.wait(_LOOK_EVERY_S) is JobStatus.RUNNING and waited_s < _LONGEST_S:
        if any(isinstance(event, CheckpointSaved) for event in job.events):
            return
        waited_s += _LOOK_EVERY_S
    raise SelfTestError(f"the training in '{job.folder}' made no checkpoint; it is {job.status.value}: {job.message}")


def _require(job: JobHandle, status: JobStatus) -> None:
    if job.wait(_LONGEST_S) is not status:
        raise SelfTestError(
            f"the {job.kind.value} job in '{job.folder}' must be {status.value}, got {job.status.value}: {job.message}"
        )
