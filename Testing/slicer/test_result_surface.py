"""SurfaceColoring: models in place of a result's surfaces, in its colour, or yellow where it is uncertain."""

from __future__ import annotations

import numpy as np
import pytest
from queued_application import QueuedApplication
from shown_results import load_case
from synthetic_predictions import PANCREAS, TUMOR
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from CoraNetSlicerLib.core.results import UNCERTAIN_COLOR, UNCERTAIN_SEGMENT, nodes_of_class
from CoraNetSlicerLib.review.caution import draw_uncertain_region
from CoraNetSlicerLib.review.overlays import LOOKS, apply_look
from CoraNetSlicerLib.review.result_surface import COLORS, SurfaceColoring, colors_of_doubt, surface_doubt
from CoraNetSlicerLib.review.segment_surfaces import make_surface, surface_of_segment

RESULT = [f"segmentation-{value}" for value in (PANCREAS, TUMOR)]


@pytest.fixture
def application(context):
    return QueuedApplication(context.scene)


@pytest.fixture
def loaded(context, tmp_path):
    return load_case(context, tmp_path / "a" / "segment 1", surfaces=True)


@pytest.fixture
def coloring(context, application, loaded):
    coloring = SurfaceColoring(context, application)
    coloring.attach(loaded)
    application.run()
    yield coloring
    coloring.close()


def index_of(volume, point) -> list[int]:
    matrix = vtkMatrix4x4()
    volume.GetRASToIJKMatrix(matrix)
    return [round(index) for index in matrix.MultiplyPoint((*point, 1.0))[:3]]


def models(context) -> list:
    return nodes_of_class(context.scene, "vtkMRMLModelNode")


def visible(context) -> list:
    return [node for node in models(context) if node.GetDisplayNode().GetVisibility()]


def drawn_colors(context) -> list[np.ndarray]:
    return [vtk_to_numpy(node.GetPolyData().GetPointData().GetArray(COLORS)) for node in models(context)]


def test_a_model_lies_on_each_surface_a_hair_outside(context, loaded, coloring):
    assert len(visible(context)) == 2
    for node, identifier in zip(models(context), RESULT, strict=True):
        surface = surface_of_segment(loaded.segmentation, identifier)
        outer, inner = (vtk_to_numpy(mesh.GetPoints().GetData()) for mesh in (node.GetPolyData(), surface))
        normals = vtk_to_numpy(surface.GetPointData().GetNormals())
        np.testing.assert_allclose(np.sum((outer - inner) * normals, axis=1), 0.05 * 0.7, rtol=0.01)


def test_what_is_saved_of_the_surface_is_as_it_was(loaded, coloring):
    display = loaded.segmentation.GetDisplayNode()
    assert (display.GetVisibility(), display.GetVisibility3D(), display.GetOpacity3D()) == (1, 1, 1.0)
    assert all(
        display.GetSegmentVisibility3D(identifier) and display.GetSegmentOpacity3D(identifier) == 1.0
        for identifier in RESULT
    )


def test_a_model_is_offered_nowhere_and_not_saved(context, coloring):
    for node in models(context):
        for hidden in (node, node.GetDisplayNode()):
            assert hidden.GetHideFromEditors() and not hidden.GetSaveWithScene()


def test_colors_are_drawn_as_they_are(context, coloring):
    display = models(context)[0].GetDisplayNode()
    assert display.GetScalarVisibility() and display.GetActiveScalarName() == COLORS
    assert display.GetScalarRangeFlag() == display.UseDirectMapping


def test_certain_is_the_structure_and_a_wide_band_is_yellow():
    color = (0.2, 0.4, 0.8)
    certain, half, wide, beyond = colors_of_doubt(np.array([0.0, 0.375, 0.75, 1.0]), color)
    np.testing.assert_array_equal(certain, np.rint(255 * np.array(color)))
    np.testing.assert_allclose(half, 255 * (np.array(color) + np.array(UNCERTAIN_COLOR)) / 2, atol=1)
    np.testing.assert_array_equal(wide, np.rint(255 * np.array(UNCERTAIN_COLOR)))
    np.testing.assert_array_equal(beyond, wide)


def test_doubt_is_the_mean_along_the_normal_of_what_is_flagged(loaded):
    surface = surface_of_segment(loaded.segmentation, RESULT[0])
    scalars = vtk_to_numpy(loaded.uncertainty.GetImageData().GetPointData().GetScalars())
    scalars[:] = 0.75
    draw_uncertain_region(loaded, 0.0)
    np.testing.assert_allclose(surface_doubt(surface, loaded), 0.75, rtol=1e-6)
    draw_uncertain_region(loaded, -3.0)  # from 0.95 on
    np.testing.assert_array_equal(surface_doubt(surface, loaded), 0.0)


def test_doubt_is_where_the_map_says_it_is(loaded):
    surface = surface_of_segment(loaded.segmentation, RESULT[0])
    image = loaded.uncertainty.GetImageData()
    scalars = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    scalars[:] = 0.0
    points = vtk_to_numpy(surface.GetPoints().GetData())
    index = int(points[:, 2].argmax())
    i, j, k = index_of(loaded.uncertainty, points[index])
    scalars[k, j, i] = 1.0
    draw_uncertain_region(loaded, 0.0)
    doubt = surface_doubt(surface, loaded)
    assert doubt[index] > 0.0 and doubt.mean() < doubt[index] / 4


def test_other_looks_have_plain_surfaces_or_none(context, application, loaded, coloring):
    apply_look(loaded, LOOKS["filled"])
    coloring.follow()
    assert visible(context) == []
    apply_look(loaded, LOOKS["contours"])
    coloring.refresh()
    application.run()
    assert len(visible(context)) == 2
    apply_look(loaded, LOOKS["anatomy"])
    coloring.follow()
    assert visible(context) == []


def test_models_go_and_come_with_what_is_shown(context, application, loaded, coloring):
    display = loaded.segmentation.GetDisplayNode()
    display.SetSegmentVisibility3D(RESULT[0], False)
    coloring.follow()
    assert len(visible(context)) == 1
    display.SetVisibility(False)
    coloring.follow()
    assert visible(context) == []
    display.SetVisibility(True)
    coloring.refresh()
    application.run()
    assert len(visible(context)) == 1


def test_a_surface_that_was_made_anew_is_coloured_anew(context, application, loaded, coloring):
    before = models(context)[0].GetPolyData()
    make_surface(loaded.segmentation, RESULT[0], 0.0)
    coloring.refresh()
    application.run()
    assert models(context)[0].GetPolyData() is not before
    assert len(visible(context)) == 2


def test_what_is_right_is_not_made_again(context, application, loaded, coloring):
    before = [node.GetPolyData() for node in models(context)]
    coloring.refresh()
    application.run()
    assert all(node.GetPolyData() is mesh for node, mesh in zip(models(context), before, strict=True))


@pytest.mark.parametrize("change", ["color", "caution"])
def test_another_color_or_caution_is_seen(context, application, loaded, coloring, change):
    before = drawn_colors(context)[0].copy()
    if change == "color":
        loaded.segmentation.GetSegmentation().GetSegment(RESULT[0]).SetColor(0.0, 0.0, 1.0)
    else:
        draw_uncertain_region(loaded, -3.0)
    coloring.refresh()
    application.run()
    assert not np.array_equal(drawn_colors(context)[0], before)


def test_a_transparent_surface_has_no_model_on_it(context, loaded, coloring):
    loaded.segmentation.GetDisplayNode().SetSegmentOpacity3D(RESULT[1], 0.5)
    coloring.follow()
    assert [bool(node.GetDisplayNode().GetVisibility()) for node in models(context)] == [True, False]


@pytest.mark.parametrize("part", ["overlays", "uncertainty", "segmentation"])
def test_a_part_that_is_gone_is_no_error(context, application, loaded, coloring, part):
    context.scene.RemoveNode(getattr(loaded, part))
    coloring.attach(loaded if part != "segmentation" else None)
    coloring.refresh()
    application.run()
    assert len(visible(context)) == (0 if part == "segmentation" else 2)


def test_a_closed_scene_takes_the_models_along(context, application, loaded, coloring):
    context.scene.Clear(0)
    coloring.attach(None)
    application.run()
    assert models(context) == []


def test_another_result_gets_the_same_models(context, application, tmp_path, loaded, coloring):
    before = models(context)
    other = load_case(context, tmp_path / "b" / "segment 2", surfaces=True)
    loaded.segmentation.GetDisplayNode().SetVisibility(False)
    coloring.attach(other)
    assert visible(context) == []
    application.run()
    assert visible(context) == before == models(context)


def test_what_cannot_be_coloured_is_plain(context, application, loaded, monkeypatch, caplog):
    def fails(*_):
        raise ValueError("no normals")

    monkeypatch.setattr("CoraNetSlicerLib.review.result_surface.surface_doubt", fails)
    coloring = SurfaceColoring(context, application)
    coloring.attach(loaded)
    application.run()
    assert visible(context) == []
    assert "could not be coloured" in caplog.text


def test_at_the_end_the_models_are_gone(context, loaded, coloring):
    coloring.close()
    assert models(context) == []
    assert UNCERTAIN_SEGMENT in loaded.overlays.GetSegmentation().GetSegmentIDs()
