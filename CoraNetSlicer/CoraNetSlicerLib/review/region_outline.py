"""The region that is looked at, drawn by itself: a line around its voxels in slices, its surface in 3D."""

from __future__ import annotations

from typing import Any

import slicer

from coranet.closed_surface import OVERLAY_SMOOTHING

from ..core.context import SceneContext
from ..core.results import segment_id
from ..core.translation import _
from .review_state import ReviewState
from .segment_surfaces import has_surface, lost_surface, make_surface

# No colour of a class or of the uncertain region; seen on dark and on bright tissue.
OUTLINE_COLOR = (1.0, 0.0, 0.8)
OUTLINE_PIXELS = 3
_OPACITY_3D = 0.8
_SEGMENT = "region"
# Of a larger box the surface alone would take more than a tenth of a second.
_MOST_SURFACE_VOXELS = 1_000_000


class RegionOutline:
    """Draws one region at a time, in a node of its own that is neither offered anywhere nor saved with the scene.

    Each region gets a new node, complete before it enters the scene: of a segmentation that is hidden subject hierarchy
    has no item, and complains of that whenever one is changed.

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
        name = _("Region {number}").format(number=number)
        node = slicer.vtkMRMLSegmentationNode()
        node.SetName(f"{loaded.volume.GetName()} {name}")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.GetSegmentation().AddSegment(self._state.layers.segment_of(box, name, OUTLINE_COLOR), _SEGMENT)
        if self._is_result_in_3d and box.mask.size <= _MOST_SURFACE_VOXELS:
            make_surface(node, _SEGMENT, OVERLAY_SMOOTHING)
        self.clear()
        node.SetAndObserveDisplayNodeID(self._new_display().GetID())
        node.SetAndObserveTransformNodeID(loaded.segmentation.GetTransformNodeID())
        self.node = self._context.scene.AddNode(node)

    def clear(self) -> None:
        """Draw nothing any more."""
        # A scene that was closed has taken the node along.
        if self.node is not None and self.node.GetScene() is not None:
            display = self.node.GetDisplayNode()
            self._context.scene.RemoveNode(self.node)
            if display.GetScene() is not None:
                self._context.scene.RemoveNode(display)
        self.node = None

    # ----------------------------------------------------------------------------------------------------------------

    @property
    def _is_result_in_3d(self) -> bool:
        node, ids = self._state.loaded.segmentation, [segment_id(label) for label in self._state.loaded.labels]
        # Also while a surface is being made anew after a decision.
        return any(has_surface(node, one) or lost_surface(node, one) for one in ids)

    def _new_display(self) -> Any:
        display = slicer.vtkMRMLSegmentationDisplayNode()
        display.SetHideFromEditors(True)
        display.SetSaveWithScene(False)
        display.SetVisibility2DFill(False)
        display.SetVisibility2DOutline(True)
        display.SetOpacity2DOutline(1.0)
        display.SetSliceIntersectionThickness(OUTLINE_PIXELS)
        display.SetOpacity3D(_OPACITY_3D)
        return self._context.scene.AddNode(display)
