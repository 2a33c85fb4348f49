"""How the uncertain region moved while a training ran: a sequence of label maps to scroll through, over its volume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.contract import Job, Label
from coranet.contract.errors import DataError
from coranet.contract.events import Event, SnapshotSaved

from ..core.case_volume import find_or_load_volume
from ..core.context import SceneContext
from ..core.images import read_image
from ..core.results import UNCERTAIN_COLOR, label_color
from .training_plot import PART_ATTRIBUTE, TRAINING_ATTRIBUTE

_PART = "uncertain region by step"
_LABEL_OPACITY = 0.5
_TABLE_SIZE = 256


class SnapshotSequence:
    """The snapshots of one training in the scene; the nodes are found again after the scene was saved and loaded.

    The index of the sequence is the training step. Each label map holds 0 where the voxel is certain background, 1, 2,
    ... where it is certainly of a class, and `SnapshotSaved.UNCERTAIN`.
    """

    def __init__(self, context: SceneContext, job: Job) -> None:
        """Find the nodes of a training in the scene, if there are any.

        Args:
            context: the scene.
            job: the training.
        """
        self._context = context
        self._job = job
        self._name = job.folder.name

    @property
    def browser(self) -> Any:
        """The vtkMRMLSequenceBrowserNode; None before the first snapshot was added."""
        return self._find("vtkMRMLSequenceBrowserNode")

    @property
    def sequence(self) -> Any:
        """The vtkMRMLSequenceNode; None before the first snapshot was added."""
        return self._find("vtkMRMLSequenceNode")

    @property
    def label_map(self) -> Any:
        """The vtkMRMLLabelMapVolumeNode that shows the chosen step; None before the first snapshot was added."""
        # Its own attributes are replaced by those of the item that it shows.
        browser = self.browser
        return None if browser is None else browser.GetProxyNode(self.sequence)

    @property
    def steps(self) -> tuple[int, ...]:
        """The training steps that are in the scene, ascending."""
        sequence = self.sequence
        count = sequence.GetNumberOfDataNodes() if sequence is not None else 0
        return tuple(int(float(sequence.GetNthIndexValue(index))) for index in range(count))

    def missing(self, events: Iterable[Event]) -> list[SnapshotSaved]:
        """The snapshots that a training told of and that are not in the scene yet, in order."""
        known = set(self.steps)
        latest = {event.step: event for event in events if isinstance(event, SnapshotSaved)}
        return [latest[step] for step in sorted(latest) if step not in known]

    def add(self, snapshot: SnapshotSaved) -> None:
        """Load one snapshot; the step that is shown stays, unless it was the last one.

        Raises:
            DataError: its file is missing or damaged.
        """
        image = _cropped(read_image(self._job.folder / snapshot.file, slicer.vtkMRMLLabelMapVolumeNode()))
        image.SetName(f"{self._name} step {snapshot.step}")
        if self.sequence is None:
            self._make_nodes(image)
        sequence, browser = self.sequence, self.browser
        was_at_end = browser.GetSelectedItemNumber() >= sequence.GetNumberOfDataNodes() - 1
        sequence.SetDataNodeAtValue(image, str(snapshot.step))
        if was_at_end:
            browser.SelectLastItem()

    def volume(self, case_id: str) -> Any:
        """The volume that the snapshots belong to: the one in the scene that was exported, else its file is loaded.

        Raises:
            DataError: the training has no such case, or its image cannot be read.
        """
        case = next((one for one in self._job.read_datalist().cases if one.id == case_id), None)
        if case is None:
            raise DataError(f"'{self._name}' has no case '{case_id}', of which it keeps snapshots; restore its files.")
        return find_or_load_volume(self._context, self._job, case)

    def show(self, volume: Any, composite_nodes: Sequence[Any]) -> None:
        """Lay the label map over its volume.

        Args:
            volume: of `volume`.
            composite_nodes: the vtkMRMLSliceCompositeNode of each slice view.
        """
        label_map = self.label_map
        if label_map is None:
            return
        label_map.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        for composite in composite_nodes:
            composite.SetLabelVolumeID(label_map.GetID())
            composite.SetLabelOpacity(_LABEL_OPACITY)

    def _make_nodes(self, first: Any) -> None:
        sequence = self._make("vtkMRMLSequenceNode", "course of the uncertain region")
        sequence.SetIndexName("step")
        sequence.SetIndexUnit("")
        sequence.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
        label_map = self._make("vtkMRMLLabelMapVolumeNode", "snapshot")
        label_map.CopyContent(first)
        display = self._context.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeDisplayNode")
        display.SetAndObserveColorNodeID(self._colors(self._job.read_datalist().labels).GetID())
        label_map.SetAndObserveDisplayNodeID(display.GetID())
        browser = self._make("vtkMRMLSequenceBrowserNode", "uncertain region by step")
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        # The node itself, not a copy of it: it has its colours already.
        browser.AddProxyNode(label_map, sequence, False)
        browser.SetOverwriteProxyName(sequence, False)
        browser.SetIndexDisplayModeFromString("IndexValue")
        browser.SetIndexDisplayFormat("%.0f")

    def _colors(self, labels: Sequence[Label]) -> Any:
        table = self._make("vtkMRMLColorTableNode", "snapshot colors")
        table.SetTypeToUser()
        table.SetNumberOfColors(_TABLE_SIZE)
        for index in range(_TABLE_SIZE):
            table.SetColor(index, "", 0.0, 0.0, 0.0, 0.0)
        for index, label in enumerate(labels, start=1):
            table.SetColor(index, label.name, *label_color(label), 1.0)
        table.SetColor(SnapshotSaved.UNCERTAIN, "uncertain", *UNCERTAIN_COLOR, 1.0)
        return table

    def _make(self, node_class: str, part: str) -> Any:
        name = self._context.scene.GenerateUniqueName(f"{self._name} {part}")
        node = self._context.scene.AddNewNodeByClass(node_class, name)
        node.SetAttribute(TRAINING_ATTRIBUTE, self._job.identifier)
        node.SetAttribute(PART_ATTRIBUTE, _PART)
        return node

    def _find(self, node_class: str) -> Optional[Any]:
        scene = self._context.scene
        for index in range(scene.GetNumberOfNodesByClass(node_class)):
            node = scene.GetNthNodeByClass(index, node_class)
            is_mine = node.GetAttribute(TRAINING_ATTRIBUTE) == self._job.identifier
            if is_mine and node.GetAttribute(PART_ATTRIBUTE) == _PART:
                return node
        return None


def _cropped(node: Any) -> Any:
    """The node with the box that is not background: a whole scan for every step would not fit into memory."""
    image = node.GetImageData()
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(tuple(reversed(image.GetDimensions())))
    box = _box(voxels)
    kept = np.ascontiguousarray(voxels[tuple(slice(first, last + 1) for first, last in box)], dtype=np.uint8)
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    corner = matrix.MultiplyPoint([*(float(first) for first, _last in reversed(box)), 1.0])
    smaller = vtkImageData()
    smaller.SetDimensions(*reversed(kept.shape))
    smaller.GetPointData().SetScalars(numpy_to_vtk(kept.ravel(), deep=True, array_type=VTK_UNSIGNED_CHAR))
    node.SetAndObserveImageData(smaller)
    node.SetOrigin(*corner[:3])
    return node


def _box(voxels: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of what is not 0, along each axis; of an empty array its first voxel."""
    # Whole slices first: they lie in one piece in memory.
    depth = _extent(voxels.reshape(len(voxels), -1).max(axis=1))
    plane = voxels[depth[0] : depth[1] + 1].max(axis=0)
    return [depth, _extent(plane.max(axis=1)), _extent(plane.max(axis=0))]


def _extent(occupied: np.ndarray) -> tuple[int, int]:
    found = np.flatnonzero(occupied)
    return (int(found[0]), int(found[-1])) if found.size else (0, 0)
