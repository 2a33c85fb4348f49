"""The closed surface of one segment, made or dropped without touching those of the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple

from vtkmodules.vtkCommonCore import vtkIntArray
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkCommonTransforms import vtkTransform
from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter

from coranet.closed_surface import UNCERTAIN_INSET_VOXELS, SurfaceStyle, surface_steps, triangles_each

from ..core.images import voxels_of
from ..core.protocols import Scheduler
from ..core.results import UNCERTAIN_SEGMENT
from ..core.segment_classes import BINARY_LABELMAP, CLOSED_SURFACE
from ..core.stepwise import Steps, StepwiseWork, run_to_end
from ..core.translation import _

_PLACE_HOLDER = "CoraNetSlicer.PlaceHolder"
_OUTDATED = "CoraNetSlicer.Outdated"
_LOG = logging.getLogger(__name__)


def has_surface(node: Any, identifier: str) -> bool:
    """Whether a segment is drawn in 3D, be it as it was before its voxels became others."""
    surface = _surface(node, identifier)
    return surface is not None and not _has_mark(surface, _PLACE_HOLDER)


def surface_of_segment(node: Any, identifier: str) -> Any:
    """The vtkPolyData of a segment that is drawn in 3D; None if there is none."""
    return _surface(node, identifier) if has_surface(node, identifier) else None


def is_surface_made(node: Any, identifier: str) -> bool:
    """Whether a segment has a surface, and it is that of its voxels."""
    surface = _surface(node, identifier)
    return has_surface(node, identifier) and not _has_mark(surface, _OUTDATED)


def lost_surface(node: Any, identifier: str) -> bool:
    """Whether a segment had a surface that became wrong: nothing, or the one of before, is drawn in its place."""
    return _surface(node, identifier) is not None and not is_surface_made(node, identifier)


def ids_to_make(node: Any, identifiers: Iterable[str]) -> list[str]:
    """Ids of the segments whose surfaces must be made so that some segments can be drawn in 3D, those first.

    Slicer draws no surface of a node whose first segment has none, and converts all that is missing, at once, as soon
    as it has one: so a node has all or none.
    """
    first = [identifier for identifier in identifiers if not is_surface_made(node, identifier)]
    others = [
        identifier
        for identifier in node.GetSegmentation().GetSegmentIDs()
        if identifier not in first and not is_surface_made(node, identifier)
    ]
    return [*first, *others] if first else []


def make_surface(node: Any, identifier: str, smoothing: float) -> None:
    """Make a segment's surface from its voxels, all at once; arguments as of `surface_making_steps`."""
    run_to_end(surface_making_steps(node, identifier, smoothing))


def surface_making_steps(node: Any, identifier: str, smoothing: float) -> Generator[None, None, None]:
    """Make a segment's surface from its voxels, and only this, in steps of some tens of milliseconds.

    It has no more triangles than a view can show. Slicer's own conversion would redo all segments of the node, each
    with millions of triangles in a large scan. Nothing is done if the segment is gone. If its voxels become others in
    the meantime, its surface is one that was lost, see `lost_surface`. `smoothing` is Slicer's factor, in [0, 1].
    """
    segment = node.GetSegmentation().GetSegment(identifier)
    labelmap = segment.GetRepresentation(BINARY_LABELMAP) if segment is not None else None
    if labelmap is None:
        return
    inset = UNCERTAIN_INSET_VOXELS if identifier == UNCERTAIN_SEGMENT else 0.0
    most = triangles_each(node.GetSegmentation().GetNumberOfSegments())
    before = _voxels_of(segment)
    surface = yield from _surface_steps(labelmap, segment.GetLabelValue(), SurfaceStyle(smoothing, inset, most))
    yield
    if node.GetSegmentation().GetSegment(identifier) is not segment:
        return
    _hold_places(node)
    segment.AddRepresentation(CLOSED_SURFACE, surface)
    if _voxels_of(segment) != before:
        outdate_surface(node, identifier)


def drop_surface(node: Any, identifier: str) -> None:
    """Draw nothing in place of a segment's surface, because its voxels will be others."""
    if has_surface(node, identifier):
        node.GetSegmentation().GetSegment(identifier).AddRepresentation(CLOSED_SURFACE, _place_holder())


def outdate_surface(node: Any, identifier: str) -> None:
    """Note that a surface is not that of the segment's voxels any more; it is drawn until `make_surface` makes another.

    For a second that is better than nothing: cameras would be set to what is left, and what comes back be cut off.
    """
    if has_surface(node, identifier):
        _mark(_surface(node, identifier), _OUTDATED)


def add_without_surface(node: Any, segment: Any, identifier: str) -> None:
    """Add a segment that is not drawn in 3D; Slicer would make a surface of it, here and now, if others have one."""
    if node.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE):
        segment.AddRepresentation(CLOSED_SURFACE, _place_holder())
    node.GetSegmentation().AddSegment(segment, identifier)


def _surface(node: Any, identifier: str) -> Any:
    segment = node.GetSegmentation().GetSegment(identifier)
    return segment.GetRepresentation(CLOSED_SURFACE) if segment is not None else None


def _hold_places(node: Any) -> None:
    """Give each segment without a surface an empty one, so that Slicer does not convert all of them here and now."""
    was_modifying = node.StartModify()
    # The first segment last: as soon as it has a surface, Slicer thinks that the node has all of them.
    for identifier in reversed(node.GetSegmentation().GetSegmentIDs()):
        if _surface(node, identifier) is None:
            node.GetSegmentation().GetSegment(identifier).AddRepresentation(CLOSED_SURFACE, _place_holder())
    node.EndModify(was_modifying)


def _place_holder() -> Any:
    surface = vtkPolyData()
    _mark(surface, _PLACE_HOLDER)
    return surface


def _mark(surface: Any, name: str) -> None:
    mark = vtkIntArray()
    mark.SetName(name)
    surface.GetFieldData().AddArray(mark)


def _has_mark(surface: Any, name: str) -> bool:
    return bool(surface.GetFieldData().HasArray(name))


def _voxels_of(segment: Any) -> tuple[Any, int]:
    """What is another one once the voxels of a segment are others."""
    labelmap = segment.GetRepresentation(BINARY_LABELMAP)
    scalars = labelmap.GetPointData().GetScalars() if labelmap is not None else None
    return labelmap, scalars.GetMTime() if scalars is not None else 0


def _surface_steps(labelmap: Any, value: int, style: SurfaceStyle) -> Generator[None, None, Any]:
    """The vtkPolyData, in the world, of a labelmap's voxels that have a value; steps as of `surface_steps`."""
    scalars = labelmap.GetPointData().GetScalars()
    if scalars is None or not labelmap.GetNumberOfPoints():
        return vtkPolyData()
    to_world = vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(to_world)
    steps = surface_steps(voxels_of(labelmap) == value, labelmap.GetSpacing(), to_world.Determinant() < 0, style)
    surface = yield from steps
    return surface_in_world(surface, to_world, labelmap.GetExtent()[::2])


def surface_in_world(surface: Any, to_world: Any, first_ijk: Sequence[int] = (0, 0, 0)) -> Any:
    """A vtkPolyData in indices, which count from a first voxel, moved by the vtkMatrix4x4 of the indices."""
    if not surface.GetNumberOfPoints():
        return vtkPolyData()
    transform = vtkTransform()
    transform.SetMatrix(to_world)
    transform.Translate(*first_ijk)
    moved = vtkTransformPolyDataFilter()
    moved.SetInputData(surface)
    moved.SetTransform(transform)
    moved.Update()
    return moved.GetOutput()


class SurfacesOf(NamedTuple):
    """Segments of a vtkMRMLSegmentationNode that are to have surfaces, smoothed by a share in [0, 1]."""

    node: Any
    ids: Sequence[str]
    smoothing: float


class _Surface(NamedTuple):
    node: Any
    identifier: str
    smoothing: float


class SurfaceMaking:
    """Makes surfaces when they are to be shown, one at a time, so that the application answers in between."""

    def __init__(self, application: Scheduler, on_change: Callable[[], None], on_made: Callable[[], None]) -> None:
        """`on_change` is called after each surface, and before the first; `on_made` after the last one."""
        self._on_change = on_change
        self._waiting: list[_Surface] = []
        self._made = 0
        self._work = StepwiseWork(application, lambda _problem: on_made())

    @property
    def status(self) -> str:
        """What is being made; "" if nothing is."""
        if not self._waiting:
            return ""
        total = self._made + len(self._waiting)
        return _("Making 3D surfaces: {number} of {total}").format(number=self._made + 1, total=total)

    def make(self, overlays: Sequence[SurfacesOf]) -> None:
        """Make the missing surfaces of some overlays, soon; those of a node together."""
        there = [overlay for overlay in overlays if overlay.ids]
        for node in {id(overlay.node): overlay.node for overlay in there}.values():
            of_node = [overlay for overlay in there if overlay.node is node]
            missing = ids_to_make(node, [identifier for overlay in of_node for identifier in overlay.ids])
            surfaces = [_Surface(node, identifier, of_node[0].smoothing) for identifier in missing]
            self._waiting += [surface for surface in surfaces if surface not in self._waiting]
        if self._waiting and not self._work.is_busy:
            self._made = 0
            self._on_change()
            self._work.begin(self._steps())

    def pause(self) -> None:
        """Go on with what is waiting when `make` is called again."""
        self._work.stop()

    def close(self) -> None:
        """Make no more."""
        self._waiting.clear()
        self._work.stop()

    def _steps(self) -> Steps:
        """Make all that is requested, also meanwhile."""
        # The status is painted before the first one.
        yield
        while self._waiting:
            node, identifier, smoothing = self._waiting[0]
            try:
                # Asked again: it may have been made or deleted in the meantime.
                if not is_surface_made(node, identifier):
                    yield from surface_making_steps(node, identifier, smoothing)
            except Exception:  # noqa: BLE001 - one that cannot be made must not be waited for by the others
                _LOG.exception("the surface of '%s' could not be made", identifier)
            del self._waiting[0]
            self._made += 1
            self._on_change()
            yield
