"""A ring in slice views where the boundary is being slid."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersModeling import vtkLinearExtrusionFilter
from vtkmodules.vtkFiltersSources import vtkRegularPolygonSource, vtkSphereSource

from coranet.contract import Slide

from ..core.context import SceneContext, add_for_a_while, remove_with_display
from ..core.translation import _
from .region_view import OUTLINE_COLOR, world_point

_RING_PIXELS = 2
# Round to the eye; more would take milliseconds to cut.
_RING_CORNERS = 32


class SlideRing:
    """A ring in slice views where the boundary is being slid, as wide as the slide reaches; no 3D view draws it.

    It is a sphere, so that each slice shows how far the slide reaches in it; or a disc, as thick as the one slice in
    which the slide is. Neither offered nor saved with the scene.

    Attributes:
        node: the vtkMRMLModelNode; None while nothing is drawn.
    """

    def __init__(self, context: SceneContext) -> None:
        """Draw nothing yet."""
        self.node: Any = None
        self._context = context
        self._drawn: tuple[Any, ...] = ()

    def draw(self, volume_node: Any, slide: Slide) -> None:
        """Draw the ring of a slide, in place of the one before."""
        shape_of_ring = (slide.center_ijk, slide.radius_mm, slide.slice_axis)
        if self.node is None or self.node.GetScene() is None:
            self.node = self._new_node()
        elif shape_of_ring == self._drawn:
            return
        self._drawn = shape_of_ring
        shape = (_sphere if slide.slice_axis is None else _disc)(volume_node, slide)
        # The same surface with other points: for another one, each view would make its pipeline anew.
        self.node.GetPolyData().ShallowCopy(shape)

    def clear(self) -> None:
        """Draw nothing any more."""
        remove_with_display(self.node)
        self.node = None

    def _new_node(self) -> Any:
        display = slicer.vtkMRMLModelDisplayNode()
        display.SetVisibility3D(False)
        display.SetVisibility2D(True)
        display.SetSliceIntersectionThickness(_RING_PIXELS)
        display.SetColor(*OUTLINE_COLOR)
        node = slicer.vtkMRMLModelNode()
        node.SetName(_("Where the boundary is moved"))
        node.SetAndObservePolyData(vtkPolyData())
        return add_for_a_while(self._context.scene, node, display)


def _sphere(volume_node: Any, slide: Slide) -> Any:
    sphere = vtkSphereSource()
    sphere.SetCenter(*world_point(volume_node, slide.center_ijk))
    sphere.SetRadius(slide.radius_mm)
    sphere.SetThetaResolution(_RING_CORNERS)
    sphere.SetPhiResolution(_RING_CORNERS)
    sphere.Update()
    return sphere.GetOutput()


def _disc(volume_node: Any, slide: Slide) -> Any:
    ends = []
    for side in (-0.5, 0.5):
        point = [index + side * (axis == slide.slice_axis) for axis, index in enumerate(slide.center_ijk)]
        ends.append(np.array(world_point(volume_node, point)))
    across = ends[1] - ends[0]
    polygon, disc = vtkRegularPolygonSource(), vtkLinearExtrusionFilter()
    polygon.SetCenter(*ends[0])
    polygon.SetNormal(*(across / np.linalg.norm(across)))
    polygon.SetRadius(slide.radius_mm)
    polygon.SetNumberOfSides(_RING_CORNERS)
    disc.SetInputConnection(polygon.GetOutputPort())
    disc.SetExtrusionTypeToVectorExtrusion()
    disc.SetVector(*across)
    disc.Update()
    return disc.GetOutput()
