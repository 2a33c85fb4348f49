"""Surfaces of a result and its overlays, and the uncertainty map over the volume."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from queued_application import QueuedApplication
from synthetic_predictions import CASE_ID, PANCREAS, TUMOR, synthetic_heads, write_image, write_segmented_job
from vtkmodules.vtkCommonDataModel import vtkPolyData

from coranet.closed_surface import OVERLAY_SMOOTHING
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.results import UNCERTAIN_SEGMENT
from CoraNetSlicerLib.review.caution import draw_uncertain_region
from CoraNetSlicerLib.review.overlays import make_surfaces
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.segment_surfaces import has_surface, ids_to_make, make_surface
from CoraNetSlicerLib.review.uncertainty_map import UncertaintyMap

CONSERVATIVE = [f"conservative-{value}" for value in (PANCREAS, TUMOR)]
RADICAL = [f"radical-{value}" for value in (PANCREAS, TUMOR)]
RESULT = [f"segmentation-{value}" for value in (PANCREAS, TUMOR)]


@pytest.fixture
def a_job(tmp_path):
    return write_segmented_job(tmp_path / "job")


@pytest.fixture
def loaded(context, a_job):
    volume = find_or_load_volume(context, a_job, a_job.read_datalist().cases[0])
    return load_prediction(context, a_job.prediction(CASE_ID), volume)


@pytest.fixture
def shown(context, loaded):
    make_surfaces(loaded.segmentation, loaded.overlays)
    return loaded


def surface(node, identifier) -> vtkPolyData:
    polydata = vtkPolyData()
    assert node.GetClosedSurfaceRepresentation(identifier, polydata)
    return polydata


def test_every_segment_with_voxels_gets_a_closed_surface_of_its_size(shown):
    radical = surface(shown.overlays, f"radical-{PANCREAS}").GetBounds()
    result = surface(shown.segmentation, f"segmentation-{PANCREAS}").GetBounds()
    conservative = surface(shown.overlays, f"conservative-{PANCREAS}").GetBounds()
    extents = [np.diff(np.reshape(bounds, (3, 2))).ravel() for bounds in (conservative, result, radical)]
    assert (extents[0] < extents[1]).all() and (extents[1] < extents[2]).all()


def test_the_uncertain_surface_keeps_off_the_radical_one_that_it_would_flicker_with(shown):
    uncertain = np.reshape(surface(shown.overlays, UNCERTAIN_SEGMENT).GetBounds(), (3, 2))
    radical = np.reshape([surface(shown.overlays, identifier).GetBounds() for identifier in RADICAL], (2, 3, 2))
    outer = np.stack([radical[..., 0].min(axis=0), radical[..., 1].max(axis=0)], axis=1)
    gaps = np.concatenate([uncertain[:, 0] - outer[:, 0], outer[:, 1] - uncertain[:, 1]])
    assert (gaps > 0.05).all() and (gaps < 0.5).all(), "millimetres; a voxel's shortest side is 0.7"


def test_slices_draw_the_voxels_and_not_the_smoothed_surface(shown):
    for node in (shown.segmentation, shown.overlays):
        assert node.GetDisplayNode().GetDisplayRepresentationName2D() == "Binary labelmap"
        assert node.GetDisplayNode().GetDisplayRepresentationName3D() == "Closed surface"


def test_without_surfaces_none_are_made(context, loaded):
    assert not loaded.segmentation.GetSegmentation().ContainsRepresentation("Closed surface")


@pytest.fixture
def views(loaded):
    """What 3D views do: when a node's first segment has a surface, they convert whatever else is missing, at once."""
    node = loaded.overlays
    converted = []

    def convert(*_):
        segmentation = node.GetSegmentation()
        ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
        missing = [
            identifier
            for identifier in ids
            if segmentation.GetSegment(identifier).GetRepresentation("Closed surface") is None
        ]
        if missing and node.GetDisplayNode().GetDisplayRepresentationName3D() == "Closed surface":
            segmentation.CreateRepresentation("Closed surface")
            converted.extend(missing)

    tag = node.GetSegmentation().AddObserver(slicer.vtkSegmentation.SegmentModified, convert)
    yield converted
    node.GetSegmentation().RemoveObserver(tag)


def test_one_surface_is_made_without_those_of_the_others(context, loaded, views):
    for number, identifier in enumerate(ids_to_make(loaded.overlays, [RADICAL[1]]), start=1):
        make_surface(loaded.overlays, identifier, OVERLAY_SMOOTHING)
        made = [has_surface(loaded.overlays, segment) for segment in (*CONSERVATIVE, *RADICAL, UNCERTAIN_SEGMENT)]
        assert (identifier == RADICAL[1] or number > 1) and sum(made) == number
    assert views == []


def test_a_surface_that_became_wrong_goes_without_being_made_anew(context, loaded, views):
    make_surfaces(loaded.segmentation, loaded.overlays)
    draw_uncertain_region(loaded, 3.0)
    assert not has_surface(loaded.overlays, UNCERTAIN_SEGMENT)
    assert surface(loaded.overlays, UNCERTAIN_SEGMENT).GetNumberOfPoints() == 0
    assert all(surface(loaded.overlays, segment).GetNumberOfPoints() for segment in CONSERVATIVE + RADICAL)
    assert views == []


def test_a_surface_of_one_segment_is_that_which_slicer_makes(context, loaded):
    make_surfaces(loaded.segmentation, loaded.overlays)
    expected = {segment: surface(loaded.overlays, segment) for segment in (*RADICAL, UNCERTAIN_SEGMENT)}
    for identifier, target in expected.items():
        make_surface(loaded.overlays, identifier, OVERLAY_SMOOTHING)
        made = surface(loaded.overlays, identifier)
        np.testing.assert_allclose(made.GetBounds(), target.GetBounds(), atol=1e-3)
        assert made.GetNumberOfPoints() == target.GetNumberOfPoints()


def test_surfaces_of_a_replaced_prediction_are_made_anew(context, a_job, shown):
    small = synthetic_heads()["conservative"]
    before = surface(shown.segmentation, RESULT[0]).GetNumberOfPoints()
    write_image(small, a_job.prediction(CASE_ID).segmentation)
    again = load_prediction(context, a_job.prediction(CASE_ID), shown.volume)
    make_surfaces(again.segmentation, again.overlays)
    assert surface(again.segmentation, RESULT[0]).GetNumberOfPoints() < before


def test_a_prediction_without_any_voxel_can_be_shown(context, a_job, loaded):
    for name in ("segmentation", "conservative", "radical", "uncertain"):
        empty = np.zeros_like(synthetic_heads()[name])
        write_image(empty, getattr(a_job.prediction(CASE_ID), name))
    empty_handed = load_prediction(context, a_job.prediction(CASE_ID), loaded.volume)
    make_surfaces(empty_handed.segmentation, empty_handed.overlays)
    assert empty_handed.warnings


def test_the_uncertainty_map_goes_over_the_volume_in_all_slice_views(context, loaded):
    views = [context.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name) for name in ("Red", "Green")]
    shown = UncertaintyMap(context, QueuedApplication(context.scene), lambda: None)
    shown.attach(loaded)
    shown.set_opacity(0.4)
    shown.set_visible(True)
    for view in views:
        assert view.GetBackgroundVolumeID() == loaded.volume.GetID()
        assert view.GetForegroundVolumeID() == loaded.uncertainty.GetID()
        assert view.GetForegroundOpacity() == pytest.approx(0.4)
