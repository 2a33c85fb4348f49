"""The uncertainty on the result's surface in 3D, as its colours.

3D views draw a segment in one colour, so a model of the same shape lies on each surface, a hair outside: in the
structure's colour where it is certain, yellow where the voxels around a point are uncertain over a wide band. The
surface itself stays visible: what hides it would be saved with the scene, and missed where CoraNet is not installed.
"""

from __future__ import annotations

import logging
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersCore import vtkAssignAttribute

from coranet.contract.errors import DataError

from ..core.context import SceneContext, add_for_a_while, remove_with_display
from ..core.images import voxels_of
from ..core.protocols import Scheduler
from ..core.results import PART_ATTRIBUTE, UNCERTAIN_COLOR, LoadedPrediction
from ..core.segment_classes import BINARY_LABELMAP
from ..core.stepwise import Deferred
from .overlays import RESULT, UNCERTAIN, Appearance, is_surface_colored, set_surface_colored
from .segment_layers import MaskedBox, SegmentLayers, world_to_ijk
from .segment_surfaces import surface_of_segment

_LOG = logging.getLogger(__name__)
COLORS = "Uncertainty colors"
# How far along the normal, to both sides: voxels of the finest spacing, and at least so many mm.
_REACH_VOXELS, _LEAST_REACH_MM = 3.0, 3.0
_SAMPLES = 7
# A band this wide, as a share of what is looked at, is as yellow as can be.
_WIDE = 0.75
# How far a model lies outside of its surface, in voxels of the finest spacing: enough for any depth buffer.
_OUTSIDE_VOXELS = 0.05


class SurfaceColoring:
    """Draws models on the surfaces of one result, made one after the other, so that the application answers."""

    def __init__(self, context: SceneContext, application: Scheduler) -> None:
        self._context = context
        self._loaded: Optional[LoadedPrediction] = None
        # By id of the segment: the vtkMRMLModelNode, and what it was made from.
        self._models: dict[str, Any] = {}
        self._made_from: dict[str, tuple[Any, ...]] = {}
        self._step = Deferred(application, self._make_next)

    def attach(self, loaded: Optional[LoadedPrediction]) -> None:
        """Take a result, or none."""
        is_other = (loaded and loaded.segmentation) is not (self._loaded and self._loaded.segmentation)
        self._loaded = loaded
        if is_other:
            self.follow()
            self.refresh()

    def refresh(self) -> None:
        """Follow the surfaces, their colours and what is uncertain, soon."""
        self._step.request()

    def follow(self) -> None:
        """Show and hide models as the surfaces are shown; none is made.

        What is not shown is used again: 3D views need a tenth of a second to let go of a model.
        """
        # A scene that was closed has taken them along.
        self._models = {identifier: node for identifier, node in self._models.items() if node.GetScene() is not None}
        colored = self._colored_surfaces()
        for identifier, node in self._models.items():
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(identifier in colored and self._is_made(identifier))

    def close(self) -> None:
        """Take all models away, and make no more."""
        self._step.close()
        for node in self._models.values():
            remove_with_display(node)
        self._models.clear()

    def _colored_surfaces(self) -> dict[str, Any]:
        """By id of each segment of the result that is drawn in 3D and opaque, its surface."""
        loaded = self._loaded
        if loaded is None or loaded.uncertainty is None or loaded.uncertainty.GetImageData() is None:
            return {}
        appearance = Appearance(loaded, RESULT)
        if not is_surface_colored(loaded.segmentation) or not appearance.is_visible_3d:
            return {}
        display, surfaces = loaded.segmentation.GetDisplayNode(), {}
        for identifier in appearance.ids_in_3d:
            surface = surface_of_segment(loaded.segmentation, identifier)
            opacity = display.GetSegmentOpacity3D(identifier) * display.GetOpacity3D() * display.GetOpacity()
            if surface is not None and surface.GetNumberOfPoints() and opacity == 1.0:
                surfaces[identifier] = surface
        return surfaces

    def _is_made(self, identifier: str) -> bool:
        """Whether there is a model of this result's surface, be it as it was before."""
        segmentation, *_others = self._made_from.get(identifier, (None,))
        return identifier in self._models and self._loaded is not None and segmentation is self._loaded.segmentation

    def _make_next(self) -> None:
        loaded = self._loaded
        outdated = [
            identifier
            for identifier in self._colored_surfaces()
            if loaded is not None
            and (identifier not in self._models or self._made_from.get(identifier) != _sources(identifier, loaded))
        ]
        if loaded is not None and outdated:
            try:
                self._make(outdated[0], loaded)
            except Exception:  # noqa: BLE001 - the plain surfaces are better than none
                _LOG.exception("the surface of '%s' could not be coloured", outdated[0])
                set_surface_colored(loaded.segmentation, False)
        self.follow()
        if outdated[1:]:
            self._step.request()

    def _make(self, identifier: str, loaded: LoadedPrediction) -> None:
        surface = surface_of_segment(loaded.segmentation, identifier)
        color = loaded.segmentation.GetSegmentation().GetSegment(identifier).GetColor()
        colors = colors_of_doubt(surface_doubt(surface, loaded), color)
        if identifier not in self._models:
            self._models[identifier] = _new_model(self._context.scene)
        self._models[identifier].SetAndObserveTransformNodeID(loaded.segmentation.GetTransformNodeID())
        outside_mm = _OUTSIDE_VOXELS * min(loaded.uncertainty.GetSpacing())
        self._models[identifier].SetAndObserveMesh(_colored(surface, colors, outside_mm))
        self._made_from[identifier] = _sources(identifier, loaded)


def _sources(identifier: str, loaded: LoadedPrediction) -> tuple[Any, ...]:
    """What must be the same for a model to be right; first whose surface it is."""
    segment = loaded.segmentation.GetSegmentation().GetSegment(identifier)
    surface = surface_of_segment(loaded.segmentation, identifier)
    uncertain = loaded.overlays.GetSegmentation().GetSegment(UNCERTAIN) if loaded.overlays is not None else None
    labelmap = uncertain.GetRepresentation(BINARY_LABELMAP) if uncertain is not None else None
    scalars = labelmap.GetPointData().GetScalars() if labelmap is not None else None
    return (
        loaded.segmentation,
        surface.GetPoints().GetMTime(),
        segment.GetColor(),
        loaded.uncertainty.GetImageData().GetMTime(),
        scalars.GetMTime() if scalars is not None else 0,
        loaded.segmentation.GetTransformNodeID(),
    )


def _new_model(scene: Any) -> Any:
    """A vtkMRMLModelNode that is neither offered anywhere nor saved with the scene."""
    display = slicer.vtkMRMLModelDisplayNode()
    display.SetScalarVisibility(True)
    display.SetActiveScalar(COLORS, vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDirectMapping)
    display.SetVisibility(False)
    node = slicer.vtkMRMLModelNode()
    node.SetName("CoraNet uncertainty on the surface")
    node.SetAttribute(PART_ATTRIBUTE, "surface")
    return add_for_a_while(scene, node, display)


def _colored(surface: Any, colors: np.ndarray, outside_mm: float) -> Any:
    """A surface with colours, its points moved outwards along their normals; all else is that of the other."""
    colored = vtkPolyData()
    colored.ShallowCopy(surface)
    normals = surface.GetPointData().GetNormals()
    if normals is not None:
        moved = vtk_to_numpy(surface.GetPoints().GetData()) + np.float32(outside_mm) * vtk_to_numpy(normals)
        points = vtkPoints()
        points.SetData(numpy_to_vtk(np.ascontiguousarray(moved, dtype=np.float32), deep=True))
        colored.SetPoints(points)
    array = numpy_to_vtk(colors, deep=True)
    array.SetName(COLORS)
    colored.GetPointData().AddArray(array)
    colored.GetPointData().SetActiveScalars(COLORS)
    return colored


def surface_doubt(surface: Any, loaded: LoadedPrediction) -> np.ndarray:
    """How uncertain the voxels are around each point of a surface: the mean along its normal, of flagged voxels alone.

    Args:
        surface: vtkPolyData in the world of the segmentation node, with normals.
        loaded: the result with its uncertainty map.

    Returns:
        (points,) float32 in [0, 1]; 0 where nothing is flagged, as after a decision.
    """
    volume, total = loaded.uncertainty, np.zeros(surface.GetNumberOfPoints(), np.float32)
    if not total.size:
        return total
    uncertainty = voxels_of(volume.GetImageData())
    to_ijk, last_ijk = world_to_ijk(volume), np.array(uncertainty.shape[::-1], np.float32) - 1
    points, normals = vtk_to_numpy(surface.GetPoints().GetData()), surface.GetPointData().GetNormals()
    ijk = (points @ to_ijk[:3, :3].T + to_ijk[:3, 3]).astype(np.float32)
    reach = max(_LEAST_REACH_MM, _REACH_VOXELS * min(volume.GetSpacing()))
    # From a point to where it is looked at farthest.
    away = (vtk_to_numpy(normals) @ (reach * to_ijk[:3, :3].T)).astype(np.float32) if normals is not None else 0 * ijk
    first = np.clip(np.floor((ijk - np.abs(away)).min(axis=0)), 0, last_ijk)
    last = np.clip(np.ceil((ijk + np.abs(away)).max(axis=0)), 0, last_ijk)
    # Only what is near is looked at, however large the volume is.
    i, j, k = first.astype(int).tolist()
    box = MaskedBox((k, j, i), np.broadcast_to(True, (last - first + 1).astype(int)[::-1]))
    doubt = uncertainty[box.slices] * _flagged(loaded, box)
    for share in np.linspace(-1, 1, _SAMPLES, dtype=np.float32):
        i, j, k = (np.clip(np.rint(ijk + share * away), 0, last_ijk) - first).astype(np.intp).T
        total += doubt[k, j, i]
    return total / _SAMPLES


def colors_of_doubt(doubt: np.ndarray, color: tuple[float, float, float]) -> np.ndarray:
    """Colours (points, 3) uint8, from that of a structure, at a doubt of 0, to that of the uncertain region."""
    share = np.clip(doubt / _WIDE, 0.0, 1.0)[:, None]
    mixed = (1 - share) * np.array(color) + share * np.array(UNCERTAIN_COLOR)
    return np.asarray(np.rint(255 * mixed), np.uint8)


def _flagged(loaded: LoadedPrediction, box: MaskedBox) -> np.ndarray:
    """Which voxels of a box are flagged, bool, (k, j, i); all of them where the uncertain region is gone."""
    if not Appearance(loaded, UNCERTAIN).segment_ids:
        return box.mask
    segment = loaded.overlays.GetSegmentation().GetSegment(UNCERTAIN)
    layers, labelmap = SegmentLayers(loaded.overlays, loaded.uncertainty), segment.GetRepresentation(BINARY_LABELMAP)
    try:
        return np.asarray(layers.in_box(labelmap, box) == segment.GetLabelValue())
    except DataError:
        # It was drawn anew on another grid.
        return box.mask
