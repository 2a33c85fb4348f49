"""The uncertainty as colours of the result's surface: smooth and opaque, in the structure's colour where it is certain.

3D views draw a segment in one colour, so a model of the same shape lies on each surface, a hair outside. The surface
itself stays visible: what hides it would be saved with the scene, and missed where CoraNet is not installed. Where the
voxels around a point are uncertain over a wide band, it is yellow.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import slicer
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersCore import vtkAssignAttribute

from coranet.contract.errors import DataError

from ..core.context import SceneContext, add_for_a_while, remove_with_display
from ..core.images import size_kji, voxels_of
from ..core.protocols import Scheduler
from ..core.results import PART_ATTRIBUTE, UNCERTAIN_COLOR, LoadedPrediction
from ..core.segment_classes import BINARY_LABELMAP
from ..core.stepwise import Deferred
from .overlays import RESULT, UNCERTAIN, Appearance, is_surface_colored, set_surface_colored
from .segment_layers import SegmentLayers, world_to_ijk
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
        """Have no result yet.

        Args:
            context: the scene.
            application: does things later.
        """
        self._context = context
        self._loaded: Optional[LoadedPrediction] = None
        self._models: dict[str, _Model] = {}
        # Hidden until they are made anew.
        self._stale: set[str] = set()
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
        self._models = {identifier: model for identifier, model in self._models.items() if model.is_there}
        colored = self._colored_surfaces()
        for identifier, model in self._models.items():
            model.show(identifier in colored and self._is_made(identifier) and identifier not in self._stale)

    def hide_until_made(self) -> None:
        """Hide all models, because the surfaces below them change; each is shown again once it is made anew."""
        self._stale = set(self._models)
        self.follow()

    def close(self) -> None:
        """Take all models away, and make no more."""
        self._step.close()
        for model in self._models.values():
            remove_with_display(model.node)
        self._models.clear()

    # ----------------------------------------------------------------------------------------------------------------

    def _colored_surfaces(self) -> dict[str, Any]:
        """By id of each segment of the result that is drawn in 3D and opaque, its surface."""
        loaded = self._loaded
        if loaded is None or loaded.uncertainty is None or loaded.uncertainty.GetImageData() is None:
            return {}
        appearance = Appearance(loaded, RESULT)
        if not is_surface_colored(loaded.segmentation) or not appearance.is_visible_3d:
            return {}
        display = loaded.segmentation.GetDisplayNode()
        surfaces = {
            identifier: surface_of_segment(loaded.segmentation, identifier) for identifier in appearance.ids_in_3d
        }
        return {
            identifier: surface
            for identifier, surface in surfaces.items()
            if surface is not None
            and surface.GetNumberOfPoints()
            and display.GetSegmentOpacity3D(identifier) * display.GetOpacity3D() * display.GetOpacity() == 1.0
        }

    def _is_made(self, identifier: str) -> bool:
        """Whether there is a model of this result's surface, be it as it was before."""
        model = self._models.get(identifier)
        return model is not None and self._loaded is not None and model.made_of is self._loaded.segmentation

    def _is_outdated(self, identifier: str, loaded: LoadedPrediction) -> bool:
        return not self._is_made(identifier) or self._models[identifier].made_from != _sources(identifier, loaded)

    def _make_next(self) -> None:
        loaded = self._loaded
        outdated = [
            identifier for identifier in self._colored_surfaces() if loaded and self._is_outdated(identifier, loaded)
        ]
        self._stale.intersection_update(outdated[1:])
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
        colored = _enlarged(surface, _OUTSIDE_VOXELS * min(loaded.uncertainty.GetSpacing()))
        colors = numpy_to_vtk(colors_of_doubt(surface_doubt(surface, loaded), color), deep=True)
        colors.SetName(COLORS)
        colored.GetPointData().AddArray(colors)
        colored.GetPointData().SetActiveScalars(COLORS)
        model = self._models.get(identifier)
        if model is None:
            model = self._models[identifier] = _Model.new(self._context.scene)
        model.node.SetAndObserveTransformNodeID(loaded.segmentation.GetTransformNodeID())
        model.node.SetAndObserveMesh(colored)
        model.made_of, model.made_from = loaded.segmentation, _sources(identifier, loaded)


def _sources(identifier: str, loaded: LoadedPrediction) -> tuple[object, ...]:
    """What must be the same for a model to be right."""
    segment = loaded.segmentation.GetSegmentation().GetSegment(identifier)
    surface = surface_of_segment(loaded.segmentation, identifier)
    uncertain = loaded.overlays.GetSegmentation().GetSegment(UNCERTAIN) if loaded.overlays is not None else None
    labelmap = uncertain.GetRepresentation(BINARY_LABELMAP) if uncertain is not None else None
    scalars = labelmap.GetPointData().GetScalars() if labelmap is not None else None
    return (
        surface.GetPoints().GetMTime(),
        segment.GetColor(),
        loaded.uncertainty.GetImageData().GetMTime(),
        scalars.GetMTime() if scalars is not None else 0,
        loaded.segmentation.GetTransformNodeID(),
    )


@dataclass
class _Model:
    """A vtkMRMLModelNode that is neither offered anywhere nor saved with the scene.

    Attributes:
        node: the model.
        made_of: the segmentation node whose surface it is.
        made_from: what it was made from.
    """

    node: Any
    made_of: Any = None
    made_from: tuple[object, ...] = ()

    @staticmethod
    def new(scene: Any) -> _Model:
        display = slicer.vtkMRMLModelDisplayNode()
        display.SetScalarVisibility(True)
        display.SetActiveScalar(COLORS, vtkAssignAttribute.POINT_DATA)
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDirectMapping)
        display.SetVisibility(False)
        node = slicer.vtkMRMLModelNode()
        node.SetName("CoraNet uncertainty on the surface")
        node.SetAttribute(PART_ATTRIBUTE, "surface")
        return _Model(add_for_a_while(scene, node, display))

    @property
    def is_there(self) -> bool:
        # A scene that was closed has taken the node along.
        return self.node.GetScene() is not None

    def show(self, is_visible: bool) -> None:
        display = self.node.GetDisplayNode()
        if display is not None:
            display.SetVisibility(is_visible)


def _enlarged(surface: Any, by_mm: float) -> Any:
    """A surface with its points moved outwards along their normals; all else is that of the other."""
    enlarged = vtkPolyData()
    enlarged.ShallowCopy(surface)
    normals = surface.GetPointData().GetNormals()
    if normals is not None:
        points = vtkPoints()
        moved = vtk_to_numpy(surface.GetPoints().GetData()) + np.float32(by_mm) * vtk_to_numpy(normals)
        points.SetData(numpy_to_vtk(np.ascontiguousarray(moved, dtype=np.float32), deep=True))
        enlarged.SetPoints(points)
    return enlarged


def surface_doubt(surface: Any, loaded: LoadedPrediction) -> np.ndarray:
    """How uncertain the voxels are around each point of a surface: the mean along its normal, of flagged voxels alone.

    Args:
        surface: vtkPolyData in the world of the segmentation node, with normals.
        loaded: the result with its uncertainty map.

    Returns:
        (points,) float32 in [0, 1]; 0 where nothing is flagged, as after a decision.
    """
    volume = loaded.uncertainty
    uncertainty = voxels_of(volume.GetImageData())
    flagged = _flagged(loaded)
    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float64)
    to_ijk = world_to_ijk(volume)
    normals = surface.GetPointData().GetNormals()
    along = vtk_to_numpy(normals).astype(np.float64) @ to_ijk[:3, :3].T if normals is not None else 0.0 * points
    ijk = points @ to_ijk[:3, :3].T + to_ijk[:3, 3]
    reach = max(_LEAST_REACH_MM, _REACH_VOXELS * min(volume.GetSpacing()))
    last_ijk = np.array(uncertainty.shape[::-1]) - 1
    total = np.zeros(len(points), np.float32)
    for distance in np.linspace(-reach, reach, _SAMPLES):
        i, j, k = np.clip(np.rint(ijk + distance * along), 0, last_ijk).astype(np.int32).T
        total += uncertainty[k, j, i] * flagged[k, j, i]
    return total / _SAMPLES


def colors_of_doubt(doubt: np.ndarray, color: tuple[float, float, float]) -> np.ndarray:
    """From the colour of a structure, where it is certain, to that of the uncertain region.

    Args:
        doubt: (points,) in [0, 1].
        color: of the structure, parts in [0, 1].

    Returns:
        (points, 3) uint8.
    """
    share = np.clip(doubt / _WIDE, 0.0, 1.0)[:, None]
    mixed = (1 - share) * np.array(color) + share * np.array(UNCERTAIN_COLOR)
    return np.asarray(np.rint(255 * mixed), np.uint8)


def _flagged(loaded: LoadedPrediction) -> np.ndarray:
    """Which voxels of the map are flagged, bool, (k, j, i); all of them where the uncertain region is gone."""
    if not Appearance(loaded, UNCERTAIN).segment_ids:
        return np.ones(size_kji(loaded.uncertainty), bool)
    try:
        return SegmentLayers(loaded.overlays, loaded.uncertainty).paint({UNCERTAIN: True}, bool)
    except DataError:
        # It was drawn anew on another grid.
        return np.ones(size_kji(loaded.uncertainty), bool)
