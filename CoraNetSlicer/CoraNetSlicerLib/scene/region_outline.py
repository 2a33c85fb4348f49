"""The region that is looked at, drawn by itself: a line around its voxels in slices, the voxels in 3D."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from ..translation import _
from .context import SceneContext
from .results import segment_id
from .review_state import ReviewState
from .segment_layers import MaskedBox
from .segment_surfaces import has_surface

# No colour of a class or of the uncertain region; seen on dark and on bright tissue.
OUTLINE_COLOR = (1.0, 0.0, 0.8)
OUTLINE_PIXELS = 3
_OPACITY_3D = 0.8


class RegionOutline:
    """Draws one region at a time, in a node of its own that is neither offered anywhere nor saved with the scene.

    A model, since subject hierarchy would list a segmentation, and complain of one that it does not list.

    Attributes:
        node: vtkMRMLModelNode; None while nothing is drawn.
    """

    def __init__(self, context: SceneContext, state: ReviewState) -> None:
        """Draw nothing yet.

        Args:
            context: the scene.
            state: knows the voxels of the regions.
        """
        self.node: Any = None
        self._context = context
        self._state = state

    def draw(self, number: int) -> None:
        """Draw a region in place of the one before; in 3D only where the result is drawn there, too.

        Args:
            number: of the region.

        Raises:
            DataError: there is no such region, or a file is missing or does not fit.
        """
        loaded, box = self._state.loaded, self._state.voxels(number).box
        if not self._is_there:
            self.node = self._new_node()
        was_modifying = self.node.StartModify()
        self.node.SetName(f"{loaded.volume.GetName()} {_('Region {number}').format(number=number)}")
        self.node.SetAndObserveTransformNodeID(loaded.segmentation.GetTransformNodeID())
        self.node.SetAndObservePolyData(voxel_surface(box, loaded.volume))
        is_in_3d = any(has_surface(loaded.segmentation, segment_id(label)) for label in loaded.labels)
        self.node.GetDisplayNode().SetVisibility3D(is_in_3d)
        self.node.EndModify(was_modifying)

    def clear(self) -> None:
        """Draw nothing any more."""
        if self._is_there:
            self._context.scene.RemoveNode(self.node)
        self.node = None

    # ----------------------------------------------------------------------------------------------------------------

    @property
    def _is_there(self) -> bool:
        # A scene that was closed has taken the node along.
        return self.node is not None and self.node.GetScene() is not None

    def _new_node(self) -> Any:
        node, display = slicer.vtkMRMLModelNode(), slicer.vtkMRMLModelDisplayNode()
        display.SetColor(*OUTLINE_COLOR)
        display.SetOpacity(_OPACITY_3D)
        display.SetBackfaceCulling(False)
        display.SetVisibility2D(True)
        display.SetSliceIntersectionThickness(OUTLINE_PIXELS)
        for one in (display, node):
            # Before they are added: subject hierarchy and node selectors leave out what is hidden then.
            one.SetHideFromEditors(True)
            one.SetSaveWithScene(False)
        display = self._context.scene.AddNode(display)
        node = self._context.scene.AddNode(node)
        node.SetAndObserveDisplayNodeID(display.GetID())
        return node


def voxel_surface(box: MaskedBox, volume_node: Any) -> Any:
    """The outside of some voxels as it is, steps and all, so that a slice cuts it along their edges.

    Args:
        box: the voxels.
        volume_node: on whose grid they are; transforms above it are left out.

    Returns:
        VtkPolyData of quadrilaterals, in RAS, mm.
    """
    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    to_ras = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    corners_kji = np.concatenate([np.empty((0, 4, 3)), *_faces(box.mask)]) + box.first_kji
    corners = corners_kji.reshape(-1, 3)[:, ::-1] @ to_ras[:3, :3].T + to_ras[:3, 3]
    points, cells, surface = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(numpy_to_vtk(corners.astype(np.float32), deep=True))
    numbers = np.arange(len(corners), dtype=np.int64)
    ends = np.arange(0, len(corners) + 1, 4, dtype=np.int64)
    cells.SetData(numpy_to_vtkIdTypeArray(ends, deep=True), numpy_to_vtkIdTypeArray(numbers, deep=True))
    surface.SetPoints(points)
    surface.SetPolys(cells)
    return surface


def _faces(mask: np.ndarray) -> Iterator[np.ndarray]:
    """Corners (n, 4, 3) of the faces between inside and outside, for each axis; the centre of a voxel is its index."""
    padded = np.pad(mask, 1)
    for axis in range(3):
        others = [one for one in range(3) if one != axis]
        behind = np.argwhere(np.diff(padded, axis=axis)).astype(float) - 1.0
        behind[:, axis] += 0.5
        corners = np.repeat(behind[:, None, :], 4, axis=1)
        for corner, steps in enumerate(((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))):
            corners[:, corner, others] += steps
        yield corners
