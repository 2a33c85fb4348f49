"""While a boundary is slid, surfaces follow around the slide alone; they are made as a whole once it has ended."""

from __future__ import annotations

import numpy as np
import pytest
from queued_application import QueuedApplication
from shown_results import load_case
from synthetic_predictions import PANCREAS, TUMOR
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkFeatureEdges

from CoraNetSlicerLib.core.results import nodes_of_class
from CoraNetSlicerLib.review.looks import CONTOURS, LOOKS, apply_look
from CoraNetSlicerLib.review.overlays import RESULT, Appearance
from CoraNetSlicerLib.review.region_view import world_point
from CoraNetSlicerLib.review.result_surface import COLORS, SlideSurfaces, SurfaceColoring
from CoraNetSlicerLib.review.segment_layers import MaskedBox, SegmentLayers, world_to_ijk
from CoraNetSlicerLib.review.segment_surfaces import lost_surface, make_surface, surface_of_segment

IDS = [f"segmentation-{value}" for value in (PANCREAS, TUMOR)]
# Around the left boundary of the pancreas.
BOX = MaskedBox((3, 6, 1), np.ones((6, 8, 5), bool))


@pytest.fixture
def application(context):
    return QueuedApplication(context.scene)


@pytest.fixture
def loaded(context, tmp_path):
    loaded = load_case(context, tmp_path / "a" / "segment 1", surfaces=True)
    apply_look(loaded, LOOKS[CONTOURS])
    return loaded


@pytest.fixture
def received():
    return []


@pytest.fixture
def surfaces(context, loaded, application, received):
    coloring = SurfaceColoring(context, application)
    coloring.attach(loaded)
    application.run()
    lay_on = coloring.lay_on
    coloring.lay_on = lambda *given: received.append(given) or lay_on(*given)
    surfaces = SlideSurfaces(application, coloring)
    yield surfaces
    surfaces.close()
    coloring.close()


def points_ijk(loaded, identifier=IDS[0]) -> np.ndarray:
    surface = surface_of_segment(loaded.segmentation, identifier)
    matrix = world_to_ijk(loaded.volume)
    return vtk_to_numpy(surface.GetPoints().GetData()) @ matrix[:3, :3].T + matrix[:3, 3]


def erase(loaded) -> None:
    """Take the pancreas out of the box, as a slide would."""
    layers = SegmentLayers(loaded.segmentation, loaded.volume)
    layers.keeps_surfaces = True
    layers.write(BOX, {IDS[0]: np.zeros(BOX.mask.size, bool)})


def in_box(points: np.ndarray, by: float = 0.0) -> np.ndarray:
    low = np.array(BOX.first_kji[::-1]) - 0.5 - by
    return ((points >= low) & (points <= low + BOX.mask.shape[::-1] + np.array(2 * by))).all(axis=1)


def test_the_part_in_the_box_is_made_anew_and_the_rest_stays(loaded, application, surfaces):
    before = points_ijk(loaded)
    assert in_box(before).any()
    erase(loaded)
    surfaces.follow(loaded, IDS, BOX)
    application.run()
    after = points_ijk(loaded)
    # A surface that is smoothed reaches a little into a box that is empty.
    assert not in_box(after, -1.0).any()
    far = before[~in_box(before, 4.0)]
    away = np.linalg.norm(after[:, None] - far[None], axis=2).min(axis=0)
    np.testing.assert_allclose(away, 0.0, atol=1e-4)
    assert surface_of_segment(loaded.segmentation, IDS[0]).GetPointData().GetNormals() is not None


def test_nearly_it_is_the_surface_that_is_made_afterwards(loaded, application, surfaces):
    erase(loaded)
    surfaces.follow(loaded, IDS, BOX)
    application.run()
    preview = points_ijk(loaded)
    assert lost_surface(loaded.segmentation, IDS[0]), "so that it is made as a whole"
    make_surface(loaded.segmentation, IDS[0], 0.5)
    whole = points_ijk(loaded)
    away = np.linalg.norm(preview[:, None] - whole[None], axis=2)
    assert away.min(axis=0).max() < 1.0 and away.min(axis=1).max() < 1.0
    assert world_point(loaded.volume, (0, 0, 0)) is not None


def test_there_and_back_is_where_it_was(loaded, application, surfaces):
    layers = SegmentLayers(loaded.segmentation, loaded.volume)
    before, members = points_ijk(loaded), layers.read(BOX)
    erase(loaded)
    surfaces.follow(loaded, IDS, BOX)
    application.run()
    layers.keeps_surfaces = True
    layers.write(BOX, members)
    surfaces.follow(loaded, IDS, BOX)
    application.run()
    away = np.linalg.norm(points_ijk(loaded)[:, None] - before[None], axis=2)
    assert away.min(axis=0).max() < 0.7


def test_no_gap_is_seen_where_the_parts_meet(loaded, application, surfaces):
    """The part that is made anew reaches over the border of the rest: their triangles do not meet at their edges."""
    surfaces.follow(loaded, IDS[:1], BOX)
    application.run()
    surface = surface_of_segment(loaded.segmentation, IDS[0])
    edges = vtkFeatureEdges()
    edges.SetInputData(surface)
    edges.BoundaryEdgesOn()
    for others in (edges.FeatureEdgesOff, edges.NonManifoldEdgesOff, edges.ManifoldEdgesOff):
        others()
    edges.Update()
    border = vtk_to_numpy(edges.GetOutput().GetPoints().GetData())
    matrix = world_to_ijk(loaded.volume)
    beyond = (border @ matrix[:3, :3].T + matrix[:3, 3]) - (np.array(BOX.first_kji[::-1]) - 0.5)
    outside = np.maximum(-beyond, beyond - BOX.mask.shape[::-1]).max(axis=1)
    assert outside.min() < 3 < outside.max(), "the rest begins nearer to the box than the part ends"


def test_doubt_stays_in_sight_and_follows_around_the_slide(context, loaded, application, surfaces, received):
    (model, _of_tumor) = nodes_of_class(context.scene, "vtkMRMLModelNode")
    before = drawn(model)
    erase(loaded)
    surfaces.follow(loaded, IDS[:1], BOX)
    assert received == []
    application.run()
    assert len(received) == 1 and model.GetDisplayNode().GetVisibility()
    (points, colors), (old_points, old_colors) = drawn(model), before
    assert len(points) == surface_of_segment(loaded.segmentation, IDS[0]).GetNumberOfPoints() != len(old_points)
    matrix = world_to_ijk(loaded.volume)
    far = ~in_box(old_points @ matrix[:3, :3].T + matrix[:3, 3], 4.0)
    same = np.linalg.norm(points[None] - old_points[far][:, None], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(colors[same], old_colors[far])


def drawn(model) -> tuple[np.ndarray, np.ndarray]:
    """Points and colours of a model."""
    mesh = model.GetPolyData()
    return vtk_to_numpy(mesh.GetPoints().GetData()), vtk_to_numpy(mesh.GetPointData().GetArray(COLORS))


@pytest.mark.parametrize("change", ["not in 3D", "no such segment", "stopped"])
def test_what_nobody_sees_does_not_follow(loaded, application, surfaces, received, change):
    before = surface_of_segment(loaded.segmentation, IDS[0])
    if change == "not in 3D":
        Appearance(loaded, RESULT).set_visible_3d(False)
    surfaces.follow(loaded, ["segmentation-99"] if change == "no such segment" else IDS, BOX)
    if change == "stopped":
        surfaces.stop()
    application.run()
    assert received == [] and surface_of_segment(loaded.segmentation, IDS[0]) is before
