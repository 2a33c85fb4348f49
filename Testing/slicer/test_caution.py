"""The dial draws the region that the engine would write, and says what it holds of the errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from queued_application import QueuedApplication
from scene_bundles import saved_and_reloaded
from synthetic_predictions import CASE_ID, synthetic_heads, write_segmented_job
from vtkmodules.util.numpy_support import vtk_to_numpy

from coranet.contract.doubt import CasePromise, CaseQuality, uncertainty_threshold
from coranet.contract.errors import DataError
from coranet.uncertainty import uncertainty_map
from CoraNetSlicerLib.core.case_volume import find_or_load_volume
from CoraNetSlicerLib.core.results import UNCERTAIN_SEGMENT, results_in_scene
from CoraNetSlicerLib.review.caution import (
    DOUBT_ATTRIBUTE,
    CautionDial,
    case_doubt,
    draw_uncertain_region,
    drawn_caution,
    flagged_region,
    model_caution,
    promise_text,
    promise_title,
    quality_text,
    verdict_text,
    with_verdict,
)
from CoraNetSlicerLib.review.overlays import make_surfaces
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.segment_layers import MaskedBox
from CoraNetSlicerLib.review.segment_surfaces import has_surface

SHAPE = synthetic_heads()["uncertainty"].shape
VOXEL_ML = 0.9 * 0.7 * 2.5 / 1000
PROMISES = [
    {"share": 0.8, "threshold": 0.3, "caution": 0.847, "cases": 9, "flagged_ml": 1.2, "flagged_share": 0.021,
     "volume_bounds_ml": {"Pancreas": [58.2, 67.4]}},
    {"share": 0.9, "threshold": 0.2, "caution": 1.386, "cases": 9, "flagged_ml": 2.0, "flagged_share": 0.034},
]  # fmt: skip
QUALITY = {"dice": 0.713, "verdict": "poor", "reasons": ["8986 mL; the training cases had 40 to 110."]}
DOUBT = {"doubt": "error_model", "tolerance_mm": 1.0, "promises": PROMISES, "quality": QUALITY}


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
    return load_prediction(context, job.prediction(CASE_ID), volume)


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
    make_surfaces(loaded.segmentation, loaded.overlays)
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


@pytest.fixture
def load(context, a_result, its_files):
    """Loads the result again; result.json says more then."""

    def load(**changes):
        content = {**json.loads(its_files.result.read_text(encoding="utf-8")), **changes}
        its_files.result.write_text(json.dumps(content), encoding="utf-8")
        return load_prediction(context, its_files, a_result.volume)

    return load


class TestInTheScene:
    def test_is_what_the_file_says_also_after_it_was_saved(self, context, load, tmp_path):
        loaded = load(**DOUBT)
        doubt = case_doubt(loaded.segmentation)
        assert [promise.share for promise in doubt.promises] == [0.8, 0.9] and doubt.quality == CaseQuality(
            0.713, "poor", tuple(QUALITY["reasons"])
        )
        (again,) = results_in_scene(saved_and_reloaded(context, tmp_path).scene)
        assert case_doubt(again.segmentation) == doubt

    def test_without_an_error_model_there_is_nothing(self, load):
        loaded = load()
        assert loaded.segmentation.GetAttribute(DOUBT_ATTRIBUTE) is None
        assert case_doubt(loaded.segmentation).promises == () and quality_text(loaded.segmentation) == ""
        assert with_verdict("scan 1", loaded.segmentation) == "scan 1"

    @pytest.mark.parametrize("changes", [{"promises": 3}, {"quality": "good"}, {"tolerance_mm": "1"}])
    def test_what_is_damaged_is_nothing(self, load, changes):
        loaded = load(**changes)
        assert case_doubt(loaded.segmentation).quality is None
        loaded.segmentation.SetAttribute(DOUBT_ATTRIBUTE, "{")
        assert case_doubt(loaded.segmentation).promises == ()


class TestWords:
    def test_a_caution_says_what_it_holds(self):
        promise = CasePromise(0.8, 0.3, 0.847, 9, 1.2, 0.0214, {"Pancreas": (58.24, 67.41)}, 0.74)
        assert promise_title(promise) == "80 % of the errors: 2.1 % nearby"
        assert promise_text(promise, 1.0, ["Pancreas", "Tumor"]) == (
            "About 80 % of the errors deeper than 1 mm are expected inside; at least 74 % is promised "
            "(from 9 cases). Pancreas: 58.2 to 67.4 mL."
        )

    def test_what_cannot_be_promised_says_so(self):
        promise = CasePromise(0.8, 0.3, 0.847, 0, 1.2, 0.0214)
        assert promise_text(promise, 1.5, ["Pancreas"]) == (
            "About 80 % of the errors deeper than 1.5 mm are expected inside; nothing is promised."
        )

    @pytest.mark.parametrize(
        "quality, text",
        [
            (CaseQuality(0.913, "good"), "good: Dice about 0.91"),
            (CaseQuality(None, "look"), "look"),
            (CaseQuality(0.4, "poor", ("No organ.",)), "poor: Dice about 0.40"),
        ],
    )
    def test_a_verdict_has_its_number(self, quality, text):
        assert verdict_text(quality) == text

    def test_what_is_not_good_says_why(self, load):
        loaded = load(**DOUBT)
        assert quality_text(loaded.segmentation) == (
            "This result is expected to be poor. 8986 mL; the training cases had 40 to 110."
        )
        assert with_verdict("scan 1", loaded.segmentation) == "scan 1 - poor: Dice about 0.71"
        look = load(doubt="heads", quality={"dice": None, "verdict": "look", "reasons": ["The scan is far noisier."]})
        assert with_verdict("scan 1", look.segmentation) == "scan 1 - look"
        assert quality_text(look.segmentation) == "Check this result. The scan is far noisier."
        good = load(quality={"dice": 0.9, "verdict": "good"})
        assert quality_text(good.segmentation) == ""


class TestDial:
    @pytest.fixture
    def dial(self, context, load):
        application = QueuedApplication(context.scene)
        dial = CautionDial(application, lambda: None)
        dial.attach(load(**DOUBT, caution=0.847))
        application.run()
        dial.application = application
        return dial

    def test_offers_what_cautions_hold_in_place_of_numbers(self, dial):
        assert dial.offers == [
            "80 % of the errors: 2.1 % nearby", "90 % of the errors: 3.4 % nearby",
        ]  # fmt: skip
        assert dial.offer == 0 and dial.text.startswith("About 80 % of the errors deeper than 1 mm")

    def test_another_offer_draws_another_region(self, dial):
        before = dial.region.ml
        dial.choose(1)
        dial.application.run()
        assert dial.offer == 1 and dial.value == pytest.approx(1.386) and dial.region.ml >= before
        assert dial.text.startswith("About 90 %")
        dial.set(3.0)
        dial.application.run()
        assert dial.offer == -1 and "false alarm" not in dial.text and dial.text.startswith("Flags ")

    def test_of_the_heads_alone_it_has_numbers(self, context, load):
        application = QueuedApplication(context.scene)
        dial = CautionDial(application, lambda: None)
        dial.attach(load())
        application.run()
        assert dial.offers == [] and dial.offer == -1 and "A missed error weighs" in dial.text


def test_volumes_are_not_asked_for_bounds_of_other_structures():
    promise = CasePromise(0.8, 0.3, 0.8, 9, 1.2, 0.02, {"Tumor": (1.0, 2.0)})
    assert "Pancreas" not in promise_text(promise, 1.0, ["Pancreas"])
