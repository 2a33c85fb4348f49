"""The region that is looked at, drawn by itself: a line around it in slices, its surface in 3D."""

from __future__ import annotations

from typing import Any

import slicer

from ..translation import _
from .context import SceneContext
from .results import segment_id
from .review_state import ReviewState
from .segment_surfaces import OVERLAY_SMOOTHING, has_surface, make_surface

# No colour of a class or of the uncertain region; seen on dark and on bright tissue.
OUTLINE_COLOR = (1.0, 0.0, 0.8)
OUTLINE_PIXELS = 3
_OPACITY_3D = 0.8
_SEGMENT = "region"
# A larger box would keep the application busy for the surface alone.
_MOST_SURFACE_VOXELS = 4_000_000

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()


class RegionOutline:
    """Draws one region at a time, in a node of its own that is neither offered anywhere nor saved with the scene.

    Attributes:
        node: the vtkMRMLSegmentationNode; None while nothing is drawn.
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
        """Draw a region in place of the one before: a line in slices and, where the result has surfaces, its own.

        Args:
            number: of the region.

        Raises:
            DataError: there is no such region, or a file is missing or does not fit.
        """
        loaded, box = self._state.loaded, self._state.voxels(number).box
        if not self._is_there:
            self.node = self._new_node()
        name = _("Region {number}").format(number=number)
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetColor(*OUTLINE_COLOR)
        segment.SetLabelValue(1)
        segment.AddRepresentation(_BINARY_LABELMAP, self._state.layers.image_of(box))
        was_modifying = self.node.StartModify()
        self.node.SetName(f"{loaded.volume.GetName()} {name}")
        self.node.SetAndObserveTransformNodeID(loaded.segmentation.GetTransformNodeID())
        self.node.GetSegmentation().RemoveAllSegments()
        self.node.GetSegmentation().AddSegment(segment, _SEGMENT)
        if self._is_result_in_3d and box.mask.size <= _MOST_SURFACE_VOXELS:
            make_surface(self.node, _SEGMENT, OVERLAY_SMOOTHING)
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

    @property
    def _is_result_in_3d(self) -> bool:
        loaded = self._state.loaded
        return any(has_surface(loaded.segmentation, segment_id(label)) for label in loaded.labels)

    def _new_node(self) -> Any:
        node = slicer.vtkMRMLSegmentationNode()
        # Before it is added: subject hierarchy and node selectors leave out what is hidden then.
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node = self._context.scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetVisibility2DFill(False)
        display.SetVisibility2DOutline(True)
        display.SetOpacity2DOutline(1.0)
        display.SetSliceIntersectionThickness(OUTLINE_PIXELS)
        display.SetOpacity3D(_OPACITY_3D)
        return node
