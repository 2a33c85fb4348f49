"""Builds volumes and segmentations in a MRML scene from arrays, and reads them back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from CoraNetSlicerLib.core.context import SceneContext
from CoraNetSlicerLib.core.results import segment_id
from CoraNetSlicerLib.review.segment_layers import SegmentLayers

MODULE_FOLDER = Path(__file__).resolve().parents[2] / "CoraNetSlicer"
SHAPE_KJI = (14, 20, 26)
SPACING_IJK_MM = (0.9, 1.3, 2.4)
ORIGIN_RAS_MM = (11.5, -23.25, 40.75)
LIVER_TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^123037004^Anatomical Structure~SCT^10200004^Liver~^^~~^^~^^"
)


def rotated_ijk_to_ras() -> np.ndarray:
    """An oblique, left-handed grid: a swapped axis or a forgotten sign cannot hide in it."""
    a, b = np.deg2rad(25.0), np.deg2rad(-15.0)
    about_s = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_r = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_s @ about_r @ np.diag([-1, 1, 1]) @ np.diag(SPACING_IJK_MM)
    matrix[:3, 3] = ORIGIN_RAS_MM
    return matrix


def vtk_matrix(matrix: np.ndarray) -> vtkMatrix4x4:
    """A numpy matrix as vtk has it."""
    result = vtkMatrix4x4()
    result.DeepCopy(np.ascontiguousarray(matrix, dtype=float).ravel().tolist())
    return result


def numpy_matrix(node) -> np.ndarray:
    """IJK to RAS of a volume node, (4, 4)."""
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def image_data(array_kji: np.ndarray) -> vtkImageData:
    """An array (k, j, i) as vtkImageData without geometry."""
    image = vtkImageData()
    image.SetDimensions(*reversed(array_kji.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array_kji).ravel(), deep=True))
    return image


def array_of(node) -> np.ndarray:
    """Voxels of a volume node, (k, j, i); a copy."""
    image = node.GetImageData()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(tuple(reversed(image.GetDimensions()))).copy()


def add_volume(context: SceneContext, name: str, array_kji: np.ndarray, matrix: np.ndarray, label: bool = False):
    """Add a scalar (or label map) volume node with a display node."""
    kind = "vtkMRMLLabelMapVolumeNode" if label else "vtkMRMLScalarVolumeNode"
    node = context.scene.AddNewNodeByClass(kind, name)
    node.CreateDefaultDisplayNodes()
    if not label:
        # To look for a window in the grey values takes longer than all the rest, and nobody looks at the picture.
        node.GetDisplayNode().AutoWindowLevelOff()
    node.SetAndObserveImageData(image_data(array_kji))
    node.SetIJKToRASMatrix(vtk_matrix(matrix))
    return node


def crop_in_place(volume_node, first_kji: tuple[int, int, int], shape_kji: tuple[int, int, int]) -> None:
    """What the module Crop Volume does where its output is its input: some of the voxels, where they were."""
    k, j, i = first_kji
    part = tuple(slice(first, first + size) for first, size in zip(first_kji, shape_kji, strict=True))
    voxels, origin = array_of(volume_node)[part], numpy_matrix(volume_node) @ (i, j, k, 1)
    volume_node.SetAndObserveImageData(image_data(voxels))
    volume_node.SetOrigin(*origin[:3])


def labels_of(loaded) -> np.ndarray:
    """What a result names now, (k, j, i)."""
    values = {segment_id(label): label.value for label in loaded.labels}
    return SegmentLayers(loaded.segmentation, loaded.volume).paint(values, np.uint16)


def box(shape_kji, k: slice, j: slice, i: slice) -> np.ndarray:
    """True inside a box of voxels."""
    mask = np.zeros(shape_kji, dtype=bool)
    mask[k, j, i] = True
    return mask


def add_segmentation(context: SceneContext, name: str, volume_node, segments: dict[str, np.ndarray], colors=None):
    """Add a segmentation node on a volume's grid.

    Args:
        segments: name -> bool array (k, j, i), one layer each.
        colors: name -> (r, g, b).
    """
    node = context.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    node.CreateDefaultDisplayNodes()
    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    for segment_name, mask in segments.items():
        labelmap = slicer.vtkOrientedImageData()
        labelmap.DeepCopy(image_data(mask.astype(np.uint8)))
        labelmap.SetImageToWorldMatrix(matrix)
        segment = slicer.vtkSegment()
        segment.SetName(segment_name)
        if colors and segment_name in colors:
            segment.SetColor(*colors[segment_name])
        segment.AddRepresentation("Binary labelmap", labelmap)
        node.GetSegmentation().AddSegment(segment)
    return node


LIVER_MASK = box(SHAPE_KJI, slice(3, 10), slice(4, 14), slice(5, 16))
TUMOR_MASK = box(SHAPE_KJI, slice(6, 9), slice(15, 18), slice(8, 12))
LIVER_COLOR, TUMOR_COLOR = (0.875, 0.5, 0.25), (0.125, 0.75, 0.625)
