"""The main job in small, on made-up volumes: shows within a minute or two whether this installation works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import VTK_FLOAT, VTK_UNSIGNED_CHAR
from vtkmodules.vtkCommonDataModel import vtkImageData

from coranet.errors import CoraNetError
from coranet.job import JobStatus

from .jobs.handle import JobHandle
from .logic import CoraNetLogic
from .scene.results import LoadedPrediction

_SHAPE_KJI = (20, 24, 28)
_SPACING_MM = (1.0, 1.2, 1.5)
_SETTINGS = {
    "preset": "quick",
    "training.pretraining_steps": 6,
    "training.self_training_steps": 4,
    "training.log_interval": 2,
    "data.patch_size_kji": (16, 16, 16),
    "network.base_filters": 4,
    "network.levels": 2,
    "machine.device": "cpu",
}


class SelfTestError(CoraNetError):
    """A step of the self test did not end as it should."""


def run_self_test(logic: CoraNetLogic, folder: Path, say: Callable[[str], None]) -> LoadedPrediction:
    """Train, segment and load, on volumes made for it; they stay in the scene.

    Args:
        logic: of the scene in which it happens.
        folder: empty; holds the jobs afterwards.
        say: is told what happens, in sentences.

    Returns:
        The loaded result. How good it is does not matter after so few steps.

    Raises:
        SelfTestError: a job did not finish; the text has its last words.
    """
    volumes = [_volume(logic, f"Self test {number}", number) for number in (1, 2, 3)]
    labeled = [(volumes[0], _segmentation(logic, volumes[0]))]
    say("Training starts in the background.")
    training = logic.train(labeled, volumes[1:2], _SETTINGS, folder=folder / "training")
    _require_finished(training)
    say("Segmentation starts in the background.")
    segmentation = logic.segment(volumes[2:], training, folder=folder / "segmentation")
    _require_finished(segmentation)
    (loaded,) = logic.loadResults(segmentation)
    logic.trainingPlot(training)
    say("Results are in the scene.")
    return loaded


def _require_finished(job: JobHandle) -> None:
    if job.wait() is not JobStatus.FINISHED:
        raise SelfTestError(f"the {job.kind.value} job in '{job.folder}' is {job.status.value}: {job.message}")


def _volume(logic: CoraNetLogic, name: str, seed: int) -> Any:
    array = np.random.default_rng(seed).normal(0, 10, _SHAPE_KJI) + 60 * _organ()
    node = logic.context.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(_image(array.astype(np.float32), VTK_FLOAT))
    node.SetSpacing(_SPACING_MM)
    node.CreateDefaultDisplayNodes()
    return node


def _segmentation(logic: CoraNetLogic, volume: Any) -> Any:
    labelmap = slicer.vtkMRMLLabelMapVolumeNode()
    labelmap.SetAndObserveImageData(_image(_organ().astype(np.uint8), VTK_UNSIGNED_CHAR))
    labelmap.SetSpacing(_SPACING_MM)
    node = logic.context.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{volume.GetName()} truth")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.CreateDefaultDisplayNodes()
    segment = logic.context.segmentations_logic.CreateSegmentFromLabelmapVolumeNode(labelmap, node)
    segment.SetName("Organ")
    node.GetSegmentation().AddSegment(segment)
    return node


def _organ() -> np.ndarray:
    k, j, i = np.indices(_SHAPE_KJI)
    return ((k - 10) / 6) ** 2 + ((j - 12) / 7) ** 2 + ((i - 13) / 8) ** 2 < 1


def _image(array: np.ndarray, kind: int) -> vtkImageData:
    image = vtkImageData()
    image.SetDimensions(*reversed(array.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True, array_type=kind))
    return image
