"""What a result says of its errors is kept in the scene, and read in words."""

from __future__ import annotations

import json

import pytest
from queued_application import QueuedApplication
from scene_bundles import saved_and_reloaded

from coranet.contract.doubt import CasePromise, CaseQuality
from CoraNetSlicerLib.core.results import results_in_scene
from CoraNetSlicerLib.review.caution import (
    DOUBT_ATTRIBUTE,
    CautionDial,
    case_doubt,
    promise_text,
    promise_title,
    quality_text,
    verdict_text,
    with_verdict,
)
from CoraNetSlicerLib.review.result_loading import load_prediction

PROMISES = [
    {"share": 0.8, "threshold": 0.3, "caution": 0.847, "cases": 9, "flagged_ml": 1.2, "flagged_share": 0.021,
     "volume_bounds_ml": {"Pancreas": [58.2, 67.4]}},
    {"share": 0.9, "threshold": 0.2, "caution": 1.386, "cases": 9, "flagged_ml": 2.0, "flagged_share": 0.034},
]  # fmt: skip
QUALITY = {"dice": 0.713, "verdict": "poor", "reasons": ["8986 mL; the training cases had 40 to 110."]}
SAID = {"doubt": "error_model", "tolerance_mm": 1.0, "promises": PROMISES, "quality": QUALITY}


@pytest.fixture
def load(context, a_result, its_files):
    """Loads the result again; result.json says more then."""

    def load(**said):
        content = {**json.loads(its_files.result.read_text(encoding="utf-8")), **said}
        its_files.result.write_text(json.dumps(content), encoding="utf-8")
        return load_prediction(context, its_files, a_result.volume)

    return load


class TestInTheScene:
    def test_is_what_the_file_says_also_after_it_was_saved(self, context, load, tmp_path):
        loaded = load(**SAID)
        doubt = case_doubt(loaded.segmentation)
        assert [one.share for one in doubt.promises] == [0.8, 0.9] and doubt.quality == CaseQuality(
            0.713, "poor", tuple(QUALITY["reasons"])
        )
        (again,) = results_in_scene(saved_and_reloaded(context, tmp_path).scene)
        assert case_doubt(again.segmentation) == doubt

    def test_without_an_error_model_there_is_nothing(self, load):
        loaded = load()
        assert loaded.segmentation.GetAttribute(DOUBT_ATTRIBUTE) is None
        assert case_doubt(loaded.segmentation).promises == () and quality_text(loaded.segmentation) == ""
        assert with_verdict("scan 1", loaded.segmentation) == "scan 1"

    @pytest.mark.parametrize("said", [{"promises": 3}, {"quality": "good"}, {"tolerance_mm": "1"}])
    def test_what_is_damaged_is_nothing(self, load, said):
        loaded = load(**said)
        assert case_doubt(loaded.segmentation).quality is None
        loaded.segmentation.SetAttribute(DOUBT_ATTRIBUTE, "{")
        assert case_doubt(loaded.segmentation).promises == ()


class TestWords:
    def test_a_caution_says_what_it_holds(self):
        promise = CasePromise(0.8, 0.3, 0.847, 9, 1.2, 0.0214, {"Pancreas": (58.24, 67.41)}, 0.74)
        assert promise_title(promise) == "80 % of the errors: 2.1 % of the volume near"
        assert promise_text(promise, 1.0, ["Pancreas", "Tumor"]) == (
            "About 80 % of what is wrong by more than 1 mm is expected inside; at least 74 % is promised "
            "(from 9 cases). Pancreas: 58.2 to 67.4 mL."
        )

    def test_what_cannot_be_promised_says_so(self):
        promise = CasePromise(0.8, 0.3, 0.847, 0, 1.2, 0.0214)
        assert promise_text(promise, 1.5, ["Pancreas"]) == (
            "About 80 % of what is wrong by more than 1.5 mm is expected inside; nothing is promised."
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
        loaded = load(**SAID)
        assert quality_text(loaded.segmentation) == (
            "This result is expected to be poor. 8986 mL; the training cases had 40 to 110."
        )
        assert with_verdict("scan 1", loaded.segmentation) == "scan 1 - poor: Dice about 0.71"
        look = load(doubt="heads", quality={"dice": None, "verdict": "look", "reasons": ["the scan is far noisier."]})
        assert with_verdict("scan 1", look.segmentation) == "scan 1 - look"
        assert quality_text(look.segmentation) == "Look at this result. The scan is far noisier."
        good = load(quality={"dice": 0.9, "verdict": "good"})
        assert quality_text(good.segmentation) == ""


class TestDial:
    @pytest.fixture
    def dial(self, context, load):
        application = QueuedApplication(context.scene)
        dial = CautionDial(application, lambda: None)
        dial.attach(load(**SAID, caution=0.847))
        application.run()
        dial.application = application
        return dial

    def test_offers_what_cautions_hold_in_place_of_numbers(self, dial):
        assert dial.offers == [
            "80 % of the errors: 2.1 % of the volume near", "90 % of the errors: 3.4 % of the volume near",
        ]  # fmt: skip
        assert dial.offer == 0 and dial.text.startswith("About 80 % of what is wrong by more than 1 mm")

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
