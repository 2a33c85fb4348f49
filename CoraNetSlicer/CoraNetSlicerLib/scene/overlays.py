"""How results look. In slices: the result filled, its bracket as outlines, doubt in yellow; in 3D: surfaces."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import slicer
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkDataSetAttributes
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
from vtkmodules.vtkFiltersGeneral import vtkWarpVector

from .context import SceneContext
from .results import UNCERTAIN_SEGMENT, LoadedPrediction, label_color, segment_id

RESULT_FILL_OPACITY = 0.5
UNCERTAIN_FILL_OPACITY = 0.4
RADICAL_OPACITY_3D = 0.25
UNCERTAIN_OPACITY_3D = 0.45
OUTLINE_THICKNESS_PIXELS = 2
UNCERTAINTY_FOREGROUND_OPACITY = 0.6

# Stair steps of the voxels vanish, thin parts stay; the uncertain shell is too thin for as much smoothing.
_RESULT_SMOOTHING = 0.5
_OVERLAY_SMOOTHING = 0.3
# The uncertain region has its outside in common with the radical segments, and two translucent surfaces in one place
# flicker from pixel to pixel; so it is drawn this far inside, in voxels.
_UNCERTAIN_INSET_VOXELS = 0.2

_BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()

Color = tuple[float, float, float]


def show_prediction(context: SceneContext, loaded: LoadedPrediction, surfaces: bool = True) -> None:
    """Give a loaded prediction its look in the slice views and, with surfaces, in the 3D views.

    Args:
        context: the scene.
        loaded: what `load_prediction` made.
        surfaces: make closed surfaces now; takes seconds for large volumes.
    """
    _show_result(loaded)
    _show_overlays(loaded)
    if surfaces:
        make_surfaces(loaded.segmentation, loaded.overlays)


def make_surfaces(segmentation: Any, overlays: Any) -> None:
    """Make the closed surfaces of a result and its overlays anew, as after loading a scene.

    Args:
        segmentation: vtkMRMLSegmentationNode of the result.
        overlays: vtkMRMLSegmentationNode of the overlays.
    """
    _make_closed_surfaces(segmentation, _RESULT_SMOOTHING)
    _make_closed_surfaces(overlays, _OVERLAY_SMOOTHING)
    _inset_uncertain_surface(overlays)


def show_uncertainty(
    loaded: LoadedPrediction, composite_nodes: Iterable[Any], opacity: float = UNCERTAINTY_FOREGROUND_OPACITY
) -> None:
    """Put the uncertainty map over the volume in slice views.

    Args:
        loaded: what `load_prediction` made.
        composite_nodes: vtkMRMLSliceCompositeNode of each slice view.
        opacity: of the map, in [0, 1].
    """
    for composite in composite_nodes:
        composite.SetBackgroundVolumeID(loaded.volume.GetID())
        composite.SetForegroundVolumeID(loaded.uncertainty.GetID())
        composite.SetForegroundOpacity(opacity)


def conservative_color(color: Color) -> Color:
    """A paler tone, which stands out from the result's fill that it lies on."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*color)
    return colorsys.hls_to_rgb(hue, 1.0 - 0.3 * (1.0 - lightness), saturation)


def radical_color(color: Color) -> Color:
    """A vivid tone, which stands out from the grey image that it lies on."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*color)
    return colorsys.hls_to_rgb(hue, min(max(lightness, 0.4), 0.5), min(1.0, 1.5 * saturation))


@contextmanager
def _one_modification(node: Any) -> Iterator[None]:
    """Views redraw once, after the block."""
    was_modifying = node.StartModify()
    try:
        yield
    finally:
        node.EndModify(was_modifying)


def _show_result(loaded: LoadedPrediction) -> None:
    display = loaded.segmentation.GetDisplayNode()
    with _one_modification(display):
        _show_labelmap_in_2d_and_surface_in_3d(display)
        display.SetOpacity2DFill(1.0)
        for label in loaded.labels:
            identifier = segment_id(label)
            display.SetSegmentVisibility(identifier, True)
            display.SetSegmentVisibility2DFill(identifier, True)
            display.SetSegmentVisibility2DOutline(identifier, False)
            display.SetSegmentOpacity2DFill(identifier, RESULT_FILL_OPACITY)
            display.SetSegmentVisibility3D(identifier, True)
            display.SetSegmentOpacity3D(identifier, 1.0)


def _show_overlays(loaded: LoadedPrediction) -> None:
    display = loaded.overlays.GetDisplayNode()
    segmentation = loaded.overlays.GetSegmentation()
    with _one_modification(display):
        _show_labelmap_in_2d_and_surface_in_3d(display)
        display.SetSliceIntersectionThickness(OUTLINE_THICKNESS_PIXELS)
        display.SetOpacity2DFill(1.0)
        display.SetOpacity2DOutline(1.0)
        for label in loaded.labels:
            for head, tone in (("conservative", conservative_color), ("radical", radical_color)):
                identifier = segment_id(label, head)
                segmentation.GetSegment(identifier).SetColor(*tone(label_color(label)))
                display.SetSegmentVisibility(identifier, True)
                display.SetSegmentVisibility2DFill(identifier, False)
                display.SetSegmentVisibility2DOutline(identifier, True)
                display.SetSegmentVisibility3D(identifier, head == "radical")
                display.SetSegmentOpacity3D(identifier, RADICAL_OPACITY_3D)
        display.SetSegmentVisibility(UNCERTAIN_SEGMENT, True)
        display.SetSegmentVisibility2DFill(UNCERTAIN_SEGMENT, True)
        display.SetSegmentVisibility2DOutline(UNCERTAIN_SEGMENT, False)
        display.SetSegmentOpacity2DFill(UNCERTAIN_SEGMENT, UNCERTAIN_FILL_OPACITY)
        display.SetSegmentVisibility3D(UNCERTAIN_SEGMENT, True)
        display.SetSegmentOpacity3D(UNCERTAIN_SEGMENT, UNCERTAIN_OPACITY_3D)


def _show_labelmap_in_2d_and_surface_in_3d(display: Any) -> None:
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility3D(True)
    # Not the surface's cut: smoothing would draw the bracket where no voxel says so.
    display.SetPreferredDisplayRepresentationName2D(_BINARY_LABELMAP)
    display.SetPreferredDisplayRepresentationName3D(_CLOSED_SURFACE)


def _make_closed_surfaces(node: Any, smoothing: float) -> None:
    segmentation = node.GetSegmentation()
    segmentation.SetConversionParameter("Smoothing factor", str(smoothing))
    # A surface that is there already may belong to a prediction that was replaced.
    segmentation.RemoveRepresentation(_CLOSED_SURFACE)
    node.CreateClosedSurfaceRepresentation()


def _inset_uncertain_surface(overlays: Any) -> None:
    segment = overlays.GetSegmentation().GetSegment(UNCERTAIN_SEGMENT)
    surface = segment.GetRepresentation(_CLOSED_SURFACE)
    if surface is None or not surface.GetNumberOfPoints():
        return
    normals = vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    warp = vtkWarpVector()
    warp.SetInputConnection(normals.GetOutputPort())
    warp.SetInputArrayToProcess(0, 0, 0, vtkDataObject.FIELD_ASSOCIATION_POINTS, vtkDataSetAttributes.NORMALS)
    warp.SetScaleFactor(-_UNCERTAIN_INSET_VOXELS * min(segment.GetRepresentation(_BINARY_LABELMAP).GetSpacing()))
    warp.Update()
    surface.DeepCopy(warp.GetOutput())
