"""Pictures of a saved scene, drawn off screen: a slice with all overlays, and the 3D view.

A program of its own, so that a machine without OpenGL loses the pictures and nothing else:
python views.py SCENE.mrb VOLUME_NAME OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "CoraNetSlicer"))

from pictures import Legend, join_panels, side_by_side, trimmed, with_caption  # noqa: E402
from trame_slicer.core import SlicerApp  # noqa: E402
from trame_slicer.views import DirectViewFactory, ViewLayoutDefinition  # noqa: E402
from voxels import ijk_to_ras, segment_mask  # noqa: E402
from vtkmodules.util.numpy_support import vtk_to_numpy  # noqa: E402
from vtkmodules.vtkCommonDataModel import vtkPlane, vtkPolyData  # noqa: E402
from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter  # noqa: E402

from coranet.contract import Label  # noqa: E402
from CoraNetSlicerLib.core.context import SceneContext  # noqa: E402
from CoraNetSlicerLib.core.results import (  # noqa: E402
    PART_ATTRIBUTE,
    UNCERTAIN_SEGMENT,
    VOLUME_REFERENCE,
    LoadedPrediction,
)
from CoraNetSlicerLib.review.overlays import make_surfaces, set_surface_colored  # noqa: E402
from CoraNetSlicerLib.review.result_surface import SurfaceColoring  # noqa: E402

PANEL_PIXELS = 760
VIEW_3D_PIXELS = (1400, 1100)
# Air around the object, as a share of its size.
SLICE_MARGIN = 0.35
# The coloured model of a surface is so much larger at most.
ALIKE_MM = 0.5
ORIENTATIONS = {"Sagittal": 0, "Coronal": 1, "Axial": 2}


@dataclass
class ShownCase:
    """The nodes of one case in the scene that is drawn."""

    volume: Any
    segmentation: Any
    overlays: Any
    uncertainty: Any

    @staticmethod
    def find(scene: Any, volume_name: str) -> ShownCase:
        volume = scene.GetFirstNodeByName(volume_name)
        parts = {}
        for index in range(scene.GetNumberOfNodes()):
            node = scene.GetNthNode(index)
            if node.GetAttribute(PART_ATTRIBUTE) and node.GetNodeReference(VOLUME_REFERENCE) is volume:
                parts[node.GetAttribute(PART_ATTRIBUTE)] = node
        return ShownCase(volume, parts["result"], parts["overlays"], parts["uncertainty"])

    def legend(self, in_3d: bool = False) -> Legend:
        result, overlays = self.segmentation.GetSegmentation(), self.overlays.GetSegmentation()
        legend = Legend()
        for identifier in result.GetSegmentIDs():
            segment = result.GetSegment(identifier)
            legend.filled(f"{segment.GetName()}: result", segment.GetColor())
            if in_3d:
                continue
            legend.outlined("conservative", overlays.GetSegment(conservative_id(identifier)).GetColor())
            legend.outlined("radical", overlays.GetSegment(radical_id(identifier)).GetColor())
            legend.new_line()
        uncertain = "uncertain around the surface" if in_3d else "uncertain: conservative and radical disagree"
        legend.filled(uncertain, overlays.GetSegment(UNCERTAIN_SEGMENT).GetColor())
        return legend


def conservative_id(result_id: str) -> str:
    return result_id.replace("segmentation", "conservative")


def radical_id(result_id: str) -> str:
    return result_id.replace("segmentation", "radical")


def load_scene(bundle: Path, app: SlicerApp) -> None:
    with tempfile.TemporaryDirectory() as folder, ZipFile(bundle) as archive:
        archive.extractall(folder)
        app.scene.SetURL(str(next(Path(folder).rglob("*.mrml"))))
        app.scene.Import()


def slice_axis(volume: Any) -> int:
    """The IJK axis to look along: the coarsest one, or the most head-to-foot one where voxels are nearly cubes."""
    spacing = np.array(volume.GetSpacing())
    if spacing.max() > 1.3 * np.median(spacing):
        return int(spacing.argmax())
    return int(np.abs(ijk_to_ras(volume)[2, :3] / spacing).argmax())


def draw_slice(app: SlicerApp, case: ShownCase, path: Path) -> None:
    """Three panels: the image alone, with all overlays, with the uncertainty map."""
    result = segment_mask(case.segmentation, list(case.segmentation.GetSegmentation().GetSegmentIDs()))
    uncertain = segment_mask(case.overlays, [UNCERTAIN_SEGMENT])
    axis = slice_axis(case.volume)
    interesting = np.moveaxis(result.astype(int) + uncertain, 2 - axis, 0)
    index = int(interesting.sum(axis=(1, 2)).argmax())
    matrix = ijk_to_ras(case.volume)
    inside = np.argwhere(np.moveaxis(result | uncertain, 2 - axis, 0)[index])
    voxels = np.insert(inside[:, ::-1].astype(float), axis, index, axis=1)
    points = voxels @ matrix[:3, :3].T + matrix[:3, 3]
    normal = matrix[:3, axis] / np.linalg.norm(matrix[:3, axis])
    orientation = max(ORIENTATIONS, key=lambda name: abs(normal[ORIENTATIONS[name]]))
    view = app.view_manager.create_view(ViewLayoutDefinition.slice_view(orientation, label="Red"))
    view.set_render_blocked(True)
    view.render_window().SetSize(PANEL_PIXELS, PANEL_PIXELS)
    composite = view._logic.GetSliceCompositeNode()
    composite.SetBackgroundVolumeID(case.volume.GetID())
    view.fit_view_to_content()
    frame_points(view, points, case.volume)
    render(view)
    put_image_under_overlays(view)
    panels = []
    for overlays, foreground in ((False, None), (True, None), (False, case.uncertainty)):
        for node in (case.segmentation, case.overlays):
            node.GetDisplayNode().SetVisibility(overlays)
        composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
        composite.SetForegroundOpacity(0.75)
        panels.append(render(view))
    picture = join_panels(
        panels, ["image", "result, bounds and uncertain region", "uncertainty from 0 (dark) to 1 (bright)"]
    )
    caption = f"{case.volume.GetName()}: {orientation.lower()} slice {index + 1} of {interesting.shape[0]}"
    with_caption(picture, caption, case.legend()).save(path)
    for node in (case.segmentation, case.overlays):
        node.GetDisplayNode().SetVisibility(True)


def frame_points(view: Any, points: np.ndarray, volume: Any) -> None:
    """Centre the slice view on points (n, 3) in RAS, zoomed to them, with little of what lies beside the volume."""
    node = view._view_node
    view._logic.RotateSliceToLowestVolumeAxes(False)
    slice_to_ras = node.GetSliceToRAS()
    rotation = np.array([[slice_to_ras.GetElement(row, column) for column in range(3)] for row in range(3)])
    object_box, volume_box = box_of(points @ rotation), box_of(corners(volume) @ rotation)
    field = min(np.ptp(object_box, axis=0)[:2].max() * (1 + 2 * SLICE_MARGIN), np.ptp(volume_box, axis=0)[:2].max())
    center = object_box.mean(axis=0)
    for axis in (0, 1):
        low, high = volume_box[0, axis] + field / 2, volume_box[1, axis] - field / 2
        center[axis] = np.clip(center[axis], low, high) if low < high else volume_box[:, axis].mean()
    node.JumpSliceByCentering(*(rotation @ center))
    node.SetFieldOfView(field, field, node.GetFieldOfView()[2])


def box_of(points: np.ndarray) -> np.ndarray:
    """Lowest and highest corner of points (n, 3): (2, 3)."""
    return np.stack([points.min(axis=0), points.max(axis=0)])


def corners(volume: Any) -> np.ndarray:
    """The eight corners of a volume in RAS, (8, 3)."""
    ends = [(-0.5, size - 0.5) for size in volume.GetImageData().GetDimensions()]
    matrix = ijk_to_ras(volume)
    return np.array(list(product(*ends))) @ matrix[:3, :3].T + matrix[:3, 3]


def put_image_under_overlays(view: Any) -> None:
    """trame-slicer adds the image last, which draws it behind the translucent fills instead of through them."""
    renderer, image = view.renderer(), view._render_manager.image_actor
    props = renderer.GetViewProps()
    for prop in [props.GetItemAsObject(index) for index in range(props.GetNumberOfItems())]:
        if prop is not image:
            renderer.RemoveViewProp(prop)
            renderer.AddViewProp(prop)


def draw_3d(app: SlicerApp, case: ShownCase, path: Path) -> None:
    """The opaque result, coloured where it is uncertain."""
    view = app.view_manager.create_view(
        ViewLayoutDefinition.threed_view(background_color=("#ffffff", "#ffffff"), box_visible=False)
    )
    view.set_render_blocked(True)  # each change of a node would draw the whole view
    window, renderer = view.render_window(), view.renderer()
    # Depth peeling needs the alpha channel and does not work together with multisampling.
    window.SetMultiSamples(0)
    window.SetAlphaBitPlanes(True)
    renderer.SetMaximumNumberOfPeels(16)
    renderer.SetOcclusionRatio(0.0)
    renderer.SetUseFXAA(True)
    window.SetSize(*VIEW_3D_PIXELS)
    make_surfaces(case.segmentation, case.overlays)  # scenes keep voxels only
    color_by_uncertainty(app, case)
    view.fit_view_to_content()
    points = np.concatenate([surface_points(case.segmentation, name) for name in segment_names(case.segmentation)])
    look_at_broad_side(view, points)
    picture = trimmed(render(view), background_tolerance=40)
    caption = f"{case.volume.GetName()} in 3D"
    if cut_open(view, case):
        caption += "; on the right cut open"
        picture = side_by_side(picture, trimmed(render(view), background_tolerance=40))
    with_caption(picture, caption, case.legend(in_3d=True)).save(path)


class AtOnce:
    """Does at once what the application does later."""

    def later(self, action: Callable[[], object], milliseconds: int = 0) -> None:
        action()


def color_by_uncertainty(app: SlicerApp, case: ShownCase) -> None:
    """As the panel does."""
    set_surface_colored(case.segmentation, True)
    result = case.segmentation.GetSegmentation()
    names = segment_names(case.segmentation)
    labels = tuple(Label(int(name.rpartition("-")[2]), result.GetSegment(name).GetName()) for name in names)
    loaded = LoadedPrediction(case.volume, case.segmentation, case.overlays, case.uncertainty, labels, {})
    SurfaceColoring(SceneContext(app.scene, None), AtOnce()).attach(loaded)


def cut_open(view: Any, case: ShownCase) -> bool:
    """Take away the near half of what encloses another class; False where no class lies inside another."""
    bounds = {name: surface_bounds(case.segmentation, name) for name in segment_names(case.segmentation)}
    inner = {name for name in bounds if any(encloses(bounds[other], bounds[name]) for other in bounds)}
    if not inner:
        return False
    kept = [bounds[name] for name in inner] + [surface_bounds(case.overlays, radical_id(name)) for name in inner]
    camera = view.renderer().GetActiveCamera()
    plane = vtkPlane()
    plane.SetOrigin(*camera.GetFocalPoint())
    plane.SetNormal(*camera.GetDirectionOfProjection())
    for actor in view.renderer().GetActors():
        surface = actor.GetMapper().GetInput() if actor.GetMapper() else None
        if surface is not None and not any(np.allclose(surface.GetBounds(), other, atol=ALIKE_MM) for other in kept):
            actor.GetMapper().AddClippingPlane(plane)
    return True


def encloses(outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether one (xmin, xmax, ymin, ...) box lies inside another, and is not empty."""
    return bool(
        (outer[::2] < inner[::2]).all() and (outer[1::2] > inner[1::2]).all() and (inner[::2] <= inner[1::2]).all()
    )


def surface_bounds(node: Any, identifier: str) -> np.ndarray:
    surface = vtkPolyData()
    node.GetClosedSurfaceRepresentation(identifier, surface)
    return np.array(surface.GetBounds())


def segment_names(node: Any) -> list[str]:
    return list(node.GetSegmentation().GetSegmentIDs())


def surface_points(node: Any, identifier: str) -> np.ndarray:
    surface = vtkPolyData()
    node.GetClosedSurfaceRepresentation(identifier, surface)
    return vtk_to_numpy(surface.GetPoints().GetData()) if surface.GetNumberOfPoints() else np.empty((0, 3))


def look_at_broad_side(view: Any, points: np.ndarray) -> None:
    """Look along the direction in which the object is thinnest, a little from above and from the side."""
    center = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - center, full_matrices=False)
    camera = view.renderer().GetActiveCamera()
    direction = axes[2] * (1 if axes[2] @ (0.3, 1.0, 0.2) > 0 else -1)  # from the front rather than from behind
    camera.SetFocalPoint(*center)
    camera.SetPosition(*(center + 300 * direction))
    up = axes[1] if abs(direction[2]) > 0.8 else np.array((0.0, 0.0, 1.0))
    camera.SetViewUp(*up)
    camera.OrthogonalizeViewUp()
    camera.Azimuth(25)
    camera.Elevation(15)
    view.renderer().ResetCamera()
    camera.Zoom(1.1)
    view.renderer().ResetCameraClippingRange()


def render(view: Any) -> np.ndarray:
    """The view's pixels, uint8 (height, width, 3), first row on top."""
    view.set_render_blocked(False)
    view.render()
    capture = vtkWindowToImageFilter()
    capture.SetInput(view.render_window())
    capture.ReadFrontBufferOff()
    capture.SetInputBufferTypeToRGB()
    capture.Update()
    view.set_render_blocked(True)
    image = capture.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()


def main(bundle: str, volume_name: str, output: str) -> None:
    app = SlicerApp()
    app.view_manager.register_factory(DirectViewFactory(do_render_offscreen=True))
    load_scene(Path(bundle), app)
    case = ShownCase.find(app.scene, volume_name)
    draw_slice(app, case, Path(output) / "slice.png")
    draw_3d(app, case, Path(output) / "view3d.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
