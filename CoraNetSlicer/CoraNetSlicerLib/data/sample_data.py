"""The sample data: synthetic volumes of an organ with a lesion, made by the engine on this machine."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from coranet.contract import Case, Label, read_datalist
from coranet.contract.errors import DataError, StorageError
from coranet.contract.process import ENGINE, without_window
from coranet.contract.resources import resource_path

from ..core.context import SceneContext
from ..core.images import read_image
from ..core.translation import _
from ..environment.interpreter import Interpreter

CATEGORY = "CoraNet"
NAME = "CoraNet phantom"
_LONGEST_S = 300
_COLORS = {"organ": (0.86, 0.52, 0.40), "lesion": (0.35, 0.72, 0.62)}


def load_phantom(
    context: SceneContext, interpreter: Interpreter, labeled: int, unlabeled: int
) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Make synthetic volumes and load them.

    Args:
        context: where they go.
        interpreter: a Python with numpy, scipy and SimpleITK; PyTorch is not needed.
        labeled: how many get a segmentation.
        unlabeled: how many do not.

    Returns:
        Pairs of volume node and segmentation node, and the volume nodes without one.

    Raises:
        CoraNetError: they could not be made or read.
    """
    with tempfile.TemporaryDirectory(prefix="CoraNet phantom ") as folder:
        datalist = read_datalist(_make(Path(folder), interpreter, labeled, unlabeled))
        pairs = [
            _load_case(context, _("Phantom {number:02d}").format(number=number), case, datalist.labels)
            for number, case in enumerate(datalist.cases, start=1)
        ]
    return [pair for pair in pairs if pair[1] is not None], [volume for volume, truth in pairs if truth is None]


def register_phantom(sample_data_logic: Any, load: Callable[[], object]) -> None:
    """Offer the phantom in the module Sample Data (`SampleData.SampleDataLogic`); nothing is downloaded."""
    if hasattr(sample_data_logic, "registerCustomSampleDataCategory"):  # Slicer 5.12
        sample_data_logic.registerCustomSampleDataCategory(CATEGORY, title=_("CoraNet"))
    sample_data_logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris="",
        fileNames="",
        nodeNames="",
        thumbnailFileName=str(resource_path("Icons/CoraNetPhantom.png")),
        customDownloader=lambda _source: load(),
    )


def _make(folder: Path, interpreter: Interpreter, labeled: int, unlabeled: int) -> Path:
    numbers = {"--labeled": labeled, "--unlabeled": unlabeled, "--validation": 0, "--test": 0}
    options = [str(word) for pair in numbers.items() for word in pair]
    command = [interpreter.executable, str(ENGINE), "phantom", str(folder), *options]
    try:
        process = subprocess.run(
            command,
            env=dict(interpreter.environment),
            capture_output=True,
            check=False,
            timeout=_LONGEST_S,
            **without_window(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(
            f"the phantom could not be made with '{command[0]}' ({error}); choose another Python."
        ) from error
    lines = [line for line in process.stderr.decode("utf-8", errors="replace").splitlines() if line.strip()]
    if process.returncode != 0:
        reason = lines[-1].removeprefix("error: ") if lines else f"code {process.returncode}"
        raise DataError(f"the phantom could not be made ({reason}); check the page Environment of the module CoraNet.")
    datalists = sorted(folder.glob("*.json"))
    if not datalists:
        raise StorageError(f"the phantom was not written to '{folder}'; free some space and try again.")
    return datalists[0]


def _load_case(context: SceneContext, name: str, case: Case, labels: tuple[Label, ...]) -> tuple[Any, Any]:
    volume = read_image(Path(case.image), slicer.vtkMRMLScalarVolumeNode())
    volume.SetName(name)
    context.scene.AddNode(volume)
    volume.CreateDefaultDisplayNodes()
    return volume, _load_segmentation(context, volume, Path(case.label), labels) if case.label else None


def _load_segmentation(context: SceneContext, volume: Any, path: Path, labels: tuple[Label, ...]) -> Any:
    labelmap = read_image(path, slicer.vtkMRMLLabelMapVolumeNode())
    node = context.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", _("{name} truth").format(name=volume.GetName()))
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.CreateDefaultDisplayNodes()
    context.segmentations_logic.ImportLabelmapToSegmentationNode(labelmap, node)
    segmentation = node.GetSegmentation()
    names = {label.value: label.name for label in labels}
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        name = names[segment.GetLabelValue()]
        segment.SetName(name)
        segment.SetColor(*_COLORS.get(name, (0.5, 0.5, 0.5)))
    return node
