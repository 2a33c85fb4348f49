"""The image and label files of a job's cases, written from nodes as NRRD on each volume's own grid."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import (
    VTK_BIT,
    VTK_CHAR,
    VTK_ID_TYPE,
    VTK_LONG,
    VTK_LONG_LONG,
    VTK_SIGNED_CHAR,
    VTK_UNSIGNED_CHAR,
    VTK_UNSIGNED_LONG,
    VTK_UNSIGNED_LONG_LONG,
    VTK_UNSIGNED_SHORT,
)
from vtkmodules.vtkCommonDataModel import vtkImageData

from coranet.contract import Job
from coranet.contract.errors import StorageError, storage_error

from .images import lie_as

_TYPES_NO_FILE_HAS = (
    VTK_BIT, VTK_CHAR, VTK_SIGNED_CHAR, VTK_LONG, VTK_UNSIGNED_LONG, VTK_LONG_LONG, VTK_UNSIGNED_LONG_LONG, VTK_ID_TYPE,
)  # fmt: skip


class CaseFiles:
    """Writes the files of cases; takes them away again when the block fails, so that no half job stays behind."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._written: list[Path] = []
        self._made: list[Path] = []

    def __enter__(self) -> CaseFiles:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            return
        for path in self._written:
            path.unlink(missing_ok=True)
        for folder in self._made:
            # Other files in it are not ours.
            with suppress(OSError):
                folder.rmdir()

    def write_image(self, name: str, volume: Any, channel: int = 1) -> str:
        """Write a volume, of the first or another channel of a case; returns the path as the datalist has it."""
        # No case has a plus in its name.
        file = f"{name}.nrrd" if channel == 1 else f"{name}+{channel}.nrrd"
        # Uncompressed: compressing a CT takes many seconds, in which the application would not answer.
        return self._write(volume, self._job.images_folder / file, compressed=False)

    def write_label(self, name: str, label: np.ndarray, grid: Any) -> str:
        """Write a label map (k, j, i) on the grid of a volume node; returns the path as the datalist has it."""
        return self._write(label_node(label, grid), self._job.labels_folder / f"{name}.nrrd", compressed=True)

    def _write(self, node: Any, path: Path, compressed: bool) -> str:
        self._made = [*(folder for folder in (path.parent, self._job.folder) if not folder.exists()), *self._made]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path.parent, error) from error
        self._written.append(path)
        write_volume(node, path, compressed)
        return path.relative_to(self._job.folder).as_posix()


def write_volume(node: Any, path: Path, compressed: bool) -> None:
    """Write the voxels of a volume node.

    Raises:
        StorageError: it could not be written.
    """
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(compressed)
    if not storage.WriteData(_in_a_type_of_files(node)) or not path.is_file():
        raise StorageError(f"'{path}' could not be written; check free space and that you may write to the folder.")


def _in_a_type_of_files(node: Any) -> Any:
    """The node itself, or a copy with the smallest type that image files have and that holds its values.

    `updateVolumeFromArray` makes volumes of any type of numpy's, of which Slicer's writers know some alone.
    """
    image = node.GetImageData()
    if image.GetScalarType() not in _TYPES_NO_FILE_HAS:
        return node
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    lowest, highest = int(voxels.min(initial=0)), int(voxels.max(initial=0))
    fitting = (kind for kind in (np.int16, np.int32) if np.iinfo(kind).min <= lowest and highest <= np.iinfo(kind).max)
    # Beyond, a float64 holds what matters of an intensity.
    values = voxels.astype(next(fitting, np.float64))
    written = vtkImageData()
    written.SetDimensions(image.GetDimensions())
    written.GetPointData().SetScalars(numpy_to_vtk(values, deep=True))
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.SetAndObserveImageData(written)
    lie_as(copy, node)
    return copy


def label_node(array: np.ndarray, volume: Any) -> Any:
    """A label map (k, j, i), uint8 or uint16, on the grid of a volume node; outside of any scene."""
    image = vtkImageData()
    image.SetDimensions(*reversed(array.shape))
    kind = VTK_UNSIGNED_CHAR if array.dtype == np.uint8 else VTK_UNSIGNED_SHORT
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True, array_type=kind))
    node = slicer.vtkMRMLLabelMapVolumeNode()
    node.SetAndObserveImageData(image)
    lie_as(node, volume)
    return node
