"""The boundary in 3D while it is being slid: the part of a surface around the slide is made anew, the rest stays.

It is a preview: where both parts meet they can be a part of a voxel apart. The whole surface is made after the slide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

from coranet.closed_surface import RESULT_SMOOTHING, SurfaceStyle

from ..core.protocols import Scheduler
from ..core.results import LoadedPrediction
from ..core.segment_classes import BINARY_LABELMAP
from ..core.stepwise import Deferred, StepwiseWork
from .overlays import RESULT, Appearance
from .segment_layers import MaskedBox, SegmentLayers, world_to_ijk
from .segment_surfaces import replace_outdated, surface_of_segment, surface_of_steps

_LOG = logging.getLogger(__name__)
# Longer than between two notches of a wheel that is turned without a stop.
_REST_MS = 150
# The part is replaced up to so many voxels outside of the box, and made from more, so that it is smoothed alike there.
_AROUND, _MARGIN = 2, 6


class SlideSurfaces:
    """Follows a slide in 3D when the wheel rests for a moment, in steps of some tens of milliseconds."""

    def __init__(self, application: Scheduler, on_change: Callable[[], None]) -> None:
        """Follow nothing yet.

        Args:
            application: does things later.
            on_change: called before a surface is replaced for the first time in a slide.
        """
        self._on_change = on_change
        self._requested: tuple[Any, ...] = ()
        self._outside: dict[str, _Part] = {}
        self._box: Any = None
        self._work = StepwiseWork(application, self._on_end)
        self._rest = Deferred(application, self._begin)

    def follow(self, loaded: LoadedPrediction, identifiers: Sequence[str], box: MaskedBox) -> None:
        """Draw some segments of a result as they are now, soon.

        Args:
            loaded: the result.
            identifiers: of the segments; only those that are drawn in 3D are followed.
            box: around the slide; nothing has changed outside of it since the first request.
        """
        self._requested = (loaded, tuple(identifiers), box)
        self._rest.request_at_rest(_REST_MS)

    def stop(self) -> None:
        """Follow no more: the slide has ended, and whole surfaces are made."""
        self._requested, self._box = (), None
        self._outside.clear()
        self._work.stop()

    def close(self) -> None:
        """Follow no more, despite any request."""
        self.stop()
        self._rest.close()

    # ----------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._requested:
            self._work.begin(self._steps(*self._requested))

    def _on_end(self, problem: str) -> None:
        if problem:
            _LOG.warning("a slide could not be followed in 3D: %s", problem)

    def _steps(
        self, loaded: LoadedPrediction, identifiers: Sequence[str], box: MaskedBox
    ) -> Generator[None, None, None]:
        if box is not self._box:
            self._outside.clear()
            self._box = box
        appearance = Appearance(loaded, RESULT)
        if not appearance.segment_ids or not appearance.is_visible_3d:
            return
        for identifier in identifiers:
            surface = surface_of_segment(loaded.segmentation, identifier)
            if surface is None or identifier not in appearance.segment_ids:
                continue
            inside = yield from _part_inside(loaded, identifier, box)
            if identifier not in self._outside:
                self._outside[identifier] = _Part.of(surface, _is_outside(loaded, box))
                yield
            self._on_change()
            replace_outdated(loaded.segmentation, identifier, self._outside[identifier].joined(inside))
            yield


@dataclass(frozen=True)
class _Part:
    """Triangles of a surface.

    Attributes:
        points: (N, 3), float32, in the world.
        normals: (N, 3), float32.
        triangles: (T, 3).
    """

    points: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray

    @staticmethod
    def of(surface: Any, is_requested: Callable[[np.ndarray], np.ndarray]) -> _Part:
        """The triangles whose middle, (T, 3) in the world, is wanted."""
        if not surface.GetNumberOfPolys():
            empty = np.zeros((0, 3), np.float32)
            return _Part(empty, empty, np.zeros((0, 3), np.int64))
        points = vtk_to_numpy(surface.GetPoints().GetData())
        triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        triangles = triangles[is_requested(points[triangles].mean(axis=1))]
        used, triangles = np.unique(triangles, return_inverse=True)
        normals = surface.GetPointData().GetNormals()
        directions = vtk_to_numpy(normals)[used] if normals is not None else np.zeros((len(used), 3), np.float32)
        return _Part(points[used], directions, triangles.reshape(-1, 3))

    def joined(self, other: _Part) -> Any:
        """The vtkPolyData of both."""
        triangles = np.concatenate([self.triangles, other.triangles + len(self.points)]).astype(np.int64)
        points, cells, surface = vtkPoints(), vtkCellArray(), vtkPolyData()
        points.SetData(numpy_to_vtk(np.concatenate([self.points, other.points]).astype(np.float32), deep=True))
        cells.SetData(3, numpy_to_vtkIdTypeArray(triangles.ravel(), deep=True))
        surface.SetPoints(points)
        surface.SetPolys(cells)
        normals = numpy_to_vtk(np.concatenate([self.normals, other.normals]).astype(np.float32), deep=True)
        surface.GetPointData().SetNormals(normals)
        return surface


def _part_inside(loaded: LoadedPrediction, identifier: str, box: MaskedBox) -> Generator[None, None, _Part]:
    """The surface of a segment in a box and a little around it."""
    segment = loaded.segmentation.GetSegmentation().GetSegment(identifier)
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    around = SegmentLayers(loaded.segmentation, loaded.volume).slices_in(labelmap, box.grown(_AROUND + _MARGIN))
    style = SurfaceStyle(RESULT_SMOOTHING)
    surface = yield from surface_of_steps(labelmap, segment.GetLabelValue(), style, around)
    yield
    is_outside = _is_outside(loaded, box)
    return _Part.of(surface, lambda middles: ~is_outside(middles))


def _is_outside(loaded: LoadedPrediction, box: MaskedBox) -> Callable[[np.ndarray], np.ndarray]:
    """Whether points (N, 3) of a segmentation's world lie outside of a box of the volume and a little around it."""
    to_ijk = world_to_ijk(loaded.volume)
    low = np.array(box.first_kji[::-1]) - 0.5 - _AROUND
    high = np.array(box.first_kji[::-1]) + np.array(box.mask.shape[::-1]) - 0.5 + _AROUND

    def is_outside(points: np.ndarray) -> np.ndarray:
        ijk = points @ to_ijk[:3, :3].T + to_ijk[:3, 3]
        return np.asarray(((ijk < low) | (ijk > high)).any(axis=1))

    return is_outside
