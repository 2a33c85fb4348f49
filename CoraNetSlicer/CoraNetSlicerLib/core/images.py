"""Result images of a job, read by Slicer's own readers and checked before anything enters the scene."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from coranet.contract.axis_order import AxisOrder, axis_order
from coranet.contract.errors import DataError
from coranet.contract.image_files import is_dicom_file, require_readable
from coranet.contract.image_headers import is_implausible
from coranet.contract.placement import Placement
from coranet.volume.dicom_folder import chosen_part
from coranet.volume.dicom_parts import require_stack
from coranet.volume.integrity import require_whole
from coranet.volume.notes import noted_by


def read_image(path: Path, node: Any, part: str = "") -> Any:
    """Fill a volume node from a file, or from the slices of a DICOM series.

    Slicer's own reader brings it from the file's axes into RAS; which slices a DICOM image consists of, and in which
    order, is found by the rule of the engine.

    Args:
        path: of the file; a folder of one DICOM series, or a file of it.
        node: vtkMRMLScalarVolumeNode or a node of a derived class.
        part: which image of a series of several (`Case.part`); "": there is one.

    Raises:
        DataError: the path is missing, or is not an image that Slicer reads.
        PackageError: it is of DICOM, and pydicom is missing.
    """
    _require_plausible(path)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    files = _slices_in_order(path, part) if path.is_dir() or is_dicom_file(path) else [path]
    storage.SetFileName(str(files[0]))
    if len(files) > 1:
        for file in files:
            storage.AddFileName(str(file))
    return _read(storage, path, node)


def _require_plausible(path: Path) -> None:
    """Raise DataError where a file is missing, or its header cannot be true."""
    if not path.exists() and not path.is_symlink():
        raise DataError(f"'{path}' is missing; restore the file, or run again what wrote it.")
    require_readable(path)
    if is_implausible(path):
        raise DataError(
            f"'{path}' has a header without end, with a field of more than 500 bytes, or one that declares more voxels "
            "than the file can hold; restore the file, or run again what wrote it."
        )


def require_checksum(path: Path) -> None:
    """Raise DataError where voxels of a file are missing or damaged; Slicer's reader does not notice all of it."""
    if path.is_file():
        require_whole(path)


def order_on_grid_of(volume_node: Any, image: Placement, path: Path) -> AxisOrder:
    """How the voxels of an image that lies somewhere are ordered to be those of a volume.

    A scan that is left-handed in its file, as FSL writes it, has its slices reversed by Slicer's reader, and results
    have them as the file.

    Raises:
        DataError: the image lies on another grid, or the volume has no voxels; the message names `path`.
    """
    if volume_node.GetImageData() is None:
        raise DataError(f"the volume '{volume_node.GetName()}' has no voxels; load its image before the results.")
    volume = placement_of(volume_node)
    order = axis_order(image, volume)
    if order is None:
        raise DataError(
            f"'{path}' has a different grid than the volume '{volume_node.GetName()}': expected "
            f"{_grid_in_words(volume)}, got {_grid_in_words(image)}; load it for the volume that was segmented."
        )
    return order


def reordered(image: Any, order: AxisOrder, volume_node: Any) -> Any:
    """A node with the voxels of an image in the order of a volume's; the image itself where the order is the same."""
    if order.changes_nothing:
        return image
    ordered = np.ascontiguousarray(order.applied(voxels_of(image.GetImageData())))
    ordered_image = vtkImageData()
    ordered_image.SetDimensions(*reversed(ordered.shape))
    scalars = image.GetImageData().GetScalarType()
    ordered_image.GetPointData().SetScalars(numpy_to_vtk(ordered.ravel(), deep=True, array_type=scalars))
    node = image.CreateNodeInstance()
    node.UnRegister(None)
    node.SetAndObserveImageData(ordered_image)
    lie_as(node, volume_node)
    return node


def result_image_steps(path: Path, volume_node: Any) -> Generator[str, None, tuple[Any, Any]]:
    """Read an image of a volume's result, in steps that it is told in words.

    Returns:
        A node with the voxels in the order of the file, and one with them in the order of the volume's.

    Raises:
        DataError: it is missing or damaged, or lies on another grid.
    """
    require_checksum(path)
    yield f"checksum of {path.name}"
    node = read_image(path, slicer.vtkMRMLScalarVolumeNode())
    order = order_on_grid_of(volume_node, placement_of(node), path)
    yield f"image of {path.name}"
    return node, reordered(node, order, volume_node)


def moved_to(image: Any, order: AxisOrder, place: Placement) -> Optional[Any]:
    """A node with the voxels of an image, in an order, at another place; None if that has another size."""
    moved = reordered(image, order, image)
    if moved.GetImageData().GetDimensions() != place.size_ijk:
        return None
    if moved is image:
        moved = image.CreateNodeInstance()
        moved.UnRegister(None)
        moved.SetAndObserveImageData(image.GetImageData())
    matrix = vtkMatrix4x4()
    for column, vector in enumerate((*place.steps, place.origin)):
        for row, part in enumerate(vector):
            matrix.SetElement(row, column, part)
    moved.SetIJKToRASMatrix(matrix)
    moved.SetName(image.GetName())
    return moved


def lie_as(node: Any, place: Any) -> None:
    """Give a volume node origin, spacing and directions of another one."""
    node.SetIJKToRASMatrix(ijk_to_ras(place))


def ijk_to_ras(volume_node: Any) -> Any:
    """The vtkMatrix4x4 from indices of a volume to the world; transforms above the volume do not count."""
    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return matrix


def oriented_image(node: Any) -> Any:
    """The voxels of a volume node as a vtkOrientedImageData, without transforms above it; not copied."""
    image = slicer.vtkOrientedImageData()
    image.ShallowCopy(node.GetImageData())
    image.SetImageToWorldMatrix(ijk_to_ras(node))
    return image


def elements(matrix: Any) -> np.ndarray:
    """The elements of a vtkMatrix4x4, (4, 4)."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def size_kji(volume_node: Any) -> tuple[int, int, int]:
    """How many voxels a volume node has; raises DataError where it has none."""
    if volume_node.GetImageData() is None:
        raise DataError(f"the volume '{volume_node.GetName()}' has no voxels; load its image first.")
    size_i, size_j, size_k = volume_node.GetImageData().GetDimensions()
    return size_k, size_j, size_i


def voxels_of(image: Any) -> np.ndarray:
    """All voxels of a vtkImageData, (k, j, i); a view."""
    voxels: np.ndarray = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    return voxels


def voxel_values(node: Any) -> np.ndarray:
    """All voxels of a volume node, flat; a view."""
    values: np.ndarray = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
    return values


def require_labels(voxels: np.ndarray, known: Iterable[int], path: Path) -> set[float]:
    """The values that occur in a label map; raises DataError, naming the file, where one is not known."""
    if voxels.dtype in (np.uint8, np.uint16):
        # Five times as fast as np.unique.
        occurs = np.zeros(1 << 16, dtype=bool)
        occurs[voxels] = True
        found: set[float] = set(np.flatnonzero(occurs).tolist())
    else:
        found = set(np.unique(voxels).tolist())
    unknown, expected = sorted(found.difference(known)), sorted(known)
    if unknown:
        raise DataError(f"'{path}' must hold only the values {expected}, got {unknown}; segment the volume again.")
    return found


def require_unit_range(voxels: np.ndarray, path: Path) -> None:
    """Raise DataError, naming the file, unless all voxels of an uncertainty map lie from 0 to 1."""
    lowest, highest = float(voxels.min()), float(voxels.max())
    # Written this way round so that NaN fails as well.
    if not (lowest >= 0.0 and highest <= 1.0):
        raise DataError(f"'{path}' must hold values from 0 to 1, got {lowest:.4g} to {highest:.4g}; segment it again.")


def _read(storage: Any, path: Path, node: Any) -> Any:
    if not storage.ReadData(node) or node.GetImageData() is None:
        raise DataError(f"'{path}' cannot be read as an image; check that the file is complete, or copy it again.")
    return node


def _slices_in_order(path: Path, part: str) -> list[Path]:
    """The files of a DICOM image, sorted by position along their normal; one, where its slices are frames of a file.

    Sorted by name, as the reader does on its own, they can end up with a wrong spacing and origin, and no warning.
    """
    # The engine reports corrections.
    with noted_by(lambda sentence: None):
        chosen = chosen_part(path, None, part)
    require_stack(path, chosen)
    return list(dict.fromkeys(dicom_slice.path for dicom_slice in chosen.slices))


def placement_of_file(path: Path) -> Placement:
    """Where the voxels of an image file lie, in the order of the file, by its header alone; in RAS.

    Raises:
        DataError: it is missing, or cannot be read.
    """
    _require_plausible(path)
    reader = _archetype_reader()
    reader.SetArchetype(str(path))
    reader.SetSingleFile(True)
    reader.SetUseOrientationFromFile(True)
    reader.SetDesiredCoordinateOrientationToNative()
    reader.UpdateInformation()
    extent = reader.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT())
    if extent is None or reader.GetErrorCode():
        raise DataError(f"'{path}' cannot be read as an image; check that the file is complete, or copy it again.")
    matrix = vtkMatrix4x4()
    vtkMatrix4x4.Invert(reader.GetRasToIjkMatrix(), matrix)
    size = [extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3)]
    return Placement.of_matrix(size, elements(matrix)[:3].tolist())


def _archetype_reader() -> Any:
    try:
        from vtkITK import vtkITKArchetypeImageSeriesScalarReader
    except ImportError:  # outside the application, everything is in one module
        return slicer.vtkITKArchetypeImageSeriesScalarReader()
    return vtkITKArchetypeImageSeriesScalarReader()


def placement_of(node: Any) -> Placement:
    """Where the voxels of a volume node lie; transforms above it do not count."""
    return Placement.of_matrix(node.GetImageData().GetDimensions(), elements(ijk_to_ras(node))[:3].tolist())


def remembered_placement(segmentation: Any) -> Optional[Placement]:
    """The grid that a segmentation was drawn on, whatever has become of the volume since; None: it remembers none."""
    kind = slicer.vtkSegmentationConverter
    text = segmentation.GetSegmentation().GetConversionParameter(kind.GetReferenceImageGeometryParameterName())
    grid, matrix = slicer.vtkOrientedImageData(), vtkMatrix4x4()
    if not text or not kind.DeserializeImageGeometry(text, grid, False):
        return None
    grid.GetImageToWorldMatrix(matrix)
    first = matrix.MultiplyPoint((*grid.GetExtent()[::2], 1.0))
    for row in range(3):
        matrix.SetElement(row, 3, first[row])
    return Placement.of_matrix(grid.GetDimensions(), elements(matrix)[:3].tolist())


def has_remembered_grid(segmentation: Any, volume_node: Any) -> bool:
    """Whether a volume has the grid that a segmentation was drawn on: not so once it was cropped, resampled or moved.

    True where the segmentation remembers none.
    """
    remembered = remembered_placement(segmentation)
    if remembered is None:
        return True
    order = axis_order(remembered, placement_of(volume_node)) if volume_node.GetImageData() is not None else None
    return order is not None and order.changes_nothing


def _grid_in_words(place: Placement) -> str:
    size = " x ".join(map(str, place.size_ijk))
    spacing = " x ".join(f"{math.hypot(*step):.4g}" for step in place.steps)
    origin = ", ".join(f"{part:.4g}" for part in place.origin)
    return f"{size} voxels of {spacing} mm from ({origin})"
