"""From nodes to the files of a job: each image and label map as NRRD on the volume's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR, VTK_UNSIGNED_SHORT
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.config import SegmentConfig, TrainConfig
from coranet.errors import DataError, JobError, StorageError, storage_error
from coranet.job import Case, Datalist, Job, JobKind, Role, unique_case_names

from .context import SceneContext
from .results import mark_as_case
from .segment_classes import classes_of, label_array

LabeledNodes = tuple[Any, Any]


@dataclass(frozen=True)
class TrainingNodes:
    """The nodes that a training learns from.

    Attributes:
        labeled: (volume node, segmentation node) of each labeled case; at least one.
        unlabeled: volume nodes without segmentation.
        validation: (volume node, segmentation node) of cases that only measure; none: the engine sets some aside.
        segment_names: the segments to learn; None: all, which then must be the same in all cases.
    """

    labeled: Sequence[LabeledNodes]
    unlabeled: Sequence[Any] = ()
    validation: Sequence[LabeledNodes] = ()
    segment_names: Optional[Sequence[str]] = None

    @property
    def volumes(self) -> list[Any]:
        """All volume nodes, in the order in which cases are numbered."""
        return [pair[0] for pair in (*self.labeled, *self.validation)] + list(self.unlabeled)


def export_training_job(context: SceneContext, folder: str | Path, nodes: TrainingNodes, config: TrainConfig) -> Job:
    """Write images, label maps and the job directory of a training.

    Args:
        context: the scene.
        folder: the new job's folder; must not hold a job yet.
        nodes: what to learn from.
        config: the resolved configuration.

    Raises:
        DataError: a node cannot be used; the message names it and says what to do. Nothing is left in the folder.
        JobError: the folder holds a job already.
        StorageError: a file could not be written.
    """
    if not nodes.labeled:
        raise DataError("a training needs at least one labeled volume, got none; pair a volume with its segmentation.")
    for volume, segmentation in (*nodes.labeled, *nodes.validation):
        _require_segmentation(segmentation, volume)
    _require_usable_volumes(nodes.volumes)
    labels = classes_of([pair[1] for pair in (*nodes.labeled, *nodes.validation)], nodes.segment_names)
    job = _future_job(folder, JobKind.TRAIN)
    names = iter(unique_case_names(volume.GetName() or "" for volume in nodes.volumes))
    with _CaseFiles(job) as files:
        cases = []
        for role, pairs in ((Role.TRAINING, nodes.labeled), (Role.VALIDATION, nodes.validation)):
            for volume, segmentation in pairs:
                array = label_array(context, segmentation, volume, labels)
                cases.append(files.write(next(names), role, volume, array))
        cases += [files.write(next(names), Role.UNLABELED, volume) for volume in nodes.unlabeled]
        return Job.create(job.folder, JobKind.TRAIN, config, Datalist(tuple(cases), labels))


def export_segment_job(folder: str | Path, volumes: Sequence[Any], config: SegmentConfig) -> Job:
    """Write images and the job directory of a segmentation, and mark each volume so that its result finds it again.

    Args:
        folder: the new job's folder; must not hold a job yet.
        volumes: volume nodes to be segmented; at least one.
        config: the resolved configuration with the model.

    Raises:
        DataError: a volume cannot be used; the message names it and says what to do.
        JobError: the folder holds a job already.
        StorageError: a file could not be written.
    """
    if not volumes:
        raise DataError("there is nothing to segment; give at least one volume.")
    _require_usable_volumes(volumes)
    job = _future_job(folder, JobKind.SEGMENT)
    names = unique_case_names(volume.GetName() or "" for volume in volumes)
    with _CaseFiles(job) as files:
        cases = [files.write(name, Role.INPUT, volume) for name, volume in zip(names, volumes)]
        created = Job.create(job.folder, JobKind.SEGMENT, config, Datalist(tuple(cases)))
    for name, volume in zip(names, volumes):
        mark_as_case(volume, f"{created.folder.name}/{name}")
    return created


def _future_job(folder: str | Path, kind: JobKind) -> Job:
    job = Job(Path(folder).absolute(), kind)
    if Job.exists(job.folder):
        raise JobError(f"'{job.folder}' already holds a job; choose a new folder, or resume the job that is there.")
    return job


def _require_usable_volumes(volumes: Sequence[Any]) -> None:
    seen: set[str] = set()
    for volume in volumes:
        _require_usable_volume(volume)
        if volume.GetID() in seen:
            raise DataError(f"the volume '{volume.GetName()}' is given twice; use it once.")
        seen.add(volume.GetID())


def _require_usable_volume(volume: Any) -> None:
    if volume is None or not volume.IsA("vtkMRMLScalarVolumeNode"):
        kind = "nothing" if volume is None else f"'{volume.GetName()}' ({volume.GetNodeTagName()})"
        raise DataError(f"expected a scalar volume, got {kind}; choose an image volume.")
    name = volume.GetName()
    if volume.IsA("vtkMRMLLabelMapVolumeNode"):
        raise DataError(f"'{name}' is a label map, expected an image; choose the image it was drawn on.")
    image = volume.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise DataError(f"the volume '{name}' has no voxels; load its image first.")
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        raise DataError(
            f"the volume '{name}' has {components} values a voxel (color, vector or 4D data), expected 1; "
            "extract one channel or time point."
        )
    if not _is_orthogonal(volume):
        raise DataError(
            f"the volume '{name}' has a sheared grid, which image files cannot hold; resample it onto an upright grid."
        )


def _is_orthogonal(volume: Any) -> bool:
    matrix = vtkMatrix4x4()
    volume.GetIJKToRASDirectionMatrix(matrix)
    directions = np.array([[matrix.GetElement(row, column) for column in range(3)] for row in range(3)])
    return bool(np.allclose(directions.T @ directions, np.eye(3), atol=1e-3))


def _require_segmentation(node: Any, volume: Any) -> None:
    owner = volume.GetName() if volume is not None else "a labeled case"
    if node is None:
        raise DataError(f"'{owner}' has no segmentation; choose one, or use the volume as unlabeled.")
    if not node.IsA("vtkMRMLSegmentationNode"):
        raise DataError(
            f"'{owner}' is paired with '{node.GetName()}' ({node.GetNodeTagName()}), expected a segmentation; "
            "convert a label map to a segmentation first."
        )


class _CaseFiles:
    """Writes the files of cases; takes them away again when the block fails, so that no half job stays behind."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._written: list[Path] = []

    def __enter__(self) -> _CaseFiles:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            return
        for path in self._written:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self._written}:
            # Other files in it are not ours.
            with suppress(OSError):
                folder.rmdir()

    def write(self, name: str, role: Role, volume: Any, label: Optional[np.ndarray] = None) -> Case:
        """Write the image and, if given, the label map (k, j, i) of one case."""
        # Uncompressed: compressing a CT takes many seconds, in which the application would not answer.
        image = self._write(volume, self._job.images_folder / f"{name}.nrrd", compressed=False)
        if label is None:
            return Case(name, role, image)
        node = _label_node(label, volume)
        return Case(name, role, image, self._write(node, self._job.labels_folder / f"{name}.nrrd", compressed=True))

    def _write(self, node: Any, path: Path, compressed: bool) -> str:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path.parent, error) from error
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(path))
        storage.SetUseCompression(compressed)
        self._written.append(path)
        if not storage.WriteData(node) or not path.is_file():
            raise StorageError(f"'{path}' could not be written; check free space and that you may write to the folder.")
        return path.relative_to(self._job.folder).as_posix()


def _label_node(array: np.ndarray, volume: Any) -> Any:
    image = vtkImageData()
    image.SetDimensions(*reversed(array.shape))
    kind = VTK_UNSIGNED_CHAR if array.dtype == np.uint8 else VTK_UNSIGNED_SHORT
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True, array_type=kind))
    matrix = vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    node = slicer.vtkMRMLLabelMapVolumeNode()
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(matrix)
    return node
