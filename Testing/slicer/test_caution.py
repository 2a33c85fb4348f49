"""The dial draws, from the map in the scene, voxel for voxel the region that the engine would write."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_predictions import CASE_ID, synthetic_heads, write_segmented_job
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract.doubt import uncertainty_threshold
from coranet.contract.errors import DataError
from coranet.uncertainty import uncertainty_map
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.results import UNCERTAIN_SEGMENT
from CoraNetSlicerLib.review.caution import (
    draw_uncertain_region,
    drawn_caution,
    flagged_region,
    model_caution,
)
from CoraNetSlicerLib.review.looks import show_prediction
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.segment_layers import MaskedBox
from CoraNetSlicerLib.review.segment_surfaces import has_surface

SHAPE = synthetic_heads()["uncertainty"].shape
VOXEL_ML = 0.9 * 0.7 * 2.5 / 1000


@pytest.fixture(scope="module")
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes; coarse steps, so that some voxels lie exactly on a threshold."""
    draw = torch.Generator().manual_seed(4)
    conservative, radical = (torch.randn((1, 3, *SHAPE), generator=draw).mul(4).round().div(2) for _ in range(2))
    return conservative, radical


@pytest.fixture
def loaded(context, tmp_path, logits):
    heads = synthetic_heads()
    heads["uncertainty"] = uncertainty_map(*logits)[0].numpy()
    job = write_segmented_job(tmp_path / "job", heads)
    volume = find_or_load_volume(context, job, job.read_datalist().cases[0])
    found = load_prediction(context, job.prediction(CASE_ID), volume)
    show_prediction(context, found)
    return found


def drawn(loaded) -> np.ndarray:
    labelmap = loaded.overlays.GetSegmentation().GetSegment(UNCERTAIN_SEGMENT).GetRepresentation("Binary labelmap")
    return vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(SHAPE)


@pytest.mark.parametrize("caution", [-3.0, -0.5, 0.0, 0.5, 1.0, 1.37, 6.0])
def test_the_region_is_the_one_that_the_engine_would_write(loaded, logits, caution):
    expected = uncertainty_map(*logits)[0].numpy() >= np.float32(uncertainty_threshold(caution))
    region = draw_uncertain_region(loaded, caution)
    np.testing.assert_array_equal(drawn(loaded), expected)
    assert region.share == pytest.approx(expected.mean())
    assert region.ml == pytest.approx(expected.sum() * VOXEL_ML)
    assert flagged_region(loaded) == region


def test_what_somebody_has_decided_about_is_not_drawn_whatever_the_caution(loaded, logits):
    mask = np.random.default_rng(2).random((3, 4, 5)) < 0.5
    box = MaskedBox((2, 6, 1), mask)
    for caution in (0.0, 2.0, 0.0):
        expected = uncertainty_map(*logits)[0].numpy() >= np.float32(uncertainty_threshold(caution))
        expected[2:5, 6:10, 1:6][mask] = False
        region = draw_uncertain_region(loaded, caution, [box])
        np.testing.assert_array_equal(drawn(loaded), expected)
        assert region == flagged_region(loaded, [box])
    assert draw_uncertain_region(loaded, 0.0).ml > region.ml


def test_the_segment_keeps_its_place_in_space(loaded):
    before, after = [0.0] * 6, [0.0] * 6
    loaded.overlays.GetSegmentation().GetSegment("radical-2").GetRepresentation("Binary labelmap").GetBounds(before)
    draw_uncertain_region(loaded, 6.0)
    loaded.overlays.GetSegmentation().GetSegment(UNCERTAIN_SEGMENT).GetRepresentation("Binary labelmap").GetBounds(
        after
    )
    assert after == pytest.approx(before)
    assert loaded.overlays.GetSegmentation().GetNumberOfLayers() == 3


def test_its_surface_goes_and_those_of_the_others_stay(loaded):
    assert has_surface(loaded.overlays, UNCERTAIN_SEGMENT)
    draw_uncertain_region(loaded, 2.0)
    assert not has_surface(loaded.overlays, UNCERTAIN_SEGMENT)
    assert has_surface(loaded.overlays, "radical-2") and has_surface(loaded.overlays, "conservative-5")


def test_where_the_dial_stands_is_kept_in_the_scene(loaded):
    assert (model_caution(loaded), drawn_caution(loaded)) == (0.0, 0.0)
    draw_uncertain_region(loaded, 1.25)
    assert (model_caution(loaded), drawn_caution(loaded)) == (0.0, 1.25)


def test_what_was_spoiled_by_hand_counts_as_unknown(loaded):
    loaded.overlays.SetAttribute("CoraNetSlicer.ModelCaution", "much")
    assert model_caution(loaded) == 0.0


@pytest.mark.parametrize("caution", [float("nan"), float("inf"), 1000.0])
def test_a_caution_that_is_no_number_is_refused(loaded, caution):
    with pytest.raises(DataError, match="caution must lie from -100 to 100"):
        draw_uncertain_region(loaded, caution)
