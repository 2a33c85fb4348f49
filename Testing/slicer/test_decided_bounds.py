"""Where somebody has decided, conservative and radical are the result; undo brings back what the heads named."""

from __future__ import annotations

import numpy as np
import pytest
from scene_builders import labels_of
from scene_bundles import saved_and_reloaded
from synthetic_predictions import PANCREAS, TUMOR, synthetic_heads

from CoraNetSlicerLib.core.results import BOUNDS_ATTRIBUTE, results_in_scene, segment_id
from CoraNetSlicerLib.review.caution import draw_decided_bounds
from CoraNetSlicerLib.review.overlay_rows import count_class_volume
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review
from CoraNetSlicerLib.review.segment_layers import SegmentLayers

HEADS = synthetic_heads()
BOUNDS = ("conservative", "radical")
# On the left boundary of the pancreas, in the middle of it.
POINT_IJK, RADIUS_MM = (3.0, 10.0, 6.0), 6.0


def drawn(loaded, head) -> np.ndarray:
    values = {segment_id(label, head): label.value for label in loaded.labels}
    return SegmentLayers(loaded.overlays, loaded.volume).paint(values, np.uint16)


def is_computed(loaded) -> bool:
    return all((drawn(loaded, head) == HEADS[head]).all() for head in BOUNDS)


def follow(review) -> np.ndarray:
    """Draw the bounds; returns where somebody has decided."""
    boxes = review.decided_boxes()
    draw_decided_bounds(review.loaded, boxes)
    decided = np.zeros(HEADS["segmentation"].shape, bool)
    for box in boxes:
        decided[box.slices][box.mask] = True
    return decided


def assert_follows(review):
    decided = follow(review)
    for head in BOUNDS:
        expected = np.where(decided, labels_of(review.loaded), HEADS[head])
        np.testing.assert_array_equal(drawn(review.loaded, head), expected)
    return decided


ACTS = (
    lambda review: review.decide(1, "radical"),
    lambda review: review.slide(POINT_IJK, -0.5, RADIUS_MM),
    lambda review: review.slide(review.regions.region(2).center_ijk, 0.5, 8.0, 2),
    lambda review: review.slide((4.0, 11.0, 7.0), 0.4, RADIUS_MM),
    lambda review: review.decide(1, "conservative"),
    lambda review: review.decide(2, None),
)


def test_a_slide_anywhere_takes_both_bounds_along(review, a_result):
    review.slide(POINT_IJK, -0.5, RADIUS_MM)
    decided = assert_follows(review)
    assert not review.review.decisions and not is_computed(a_result)
    assert (labels_of(a_result) != HEADS["segmentation"])[decided].any()


@pytest.mark.slow
def test_bounds_follow_whatever_is_done_and_undone(review, a_result):
    for act in ACTS:
        act(review)
        assert_follows(review)
    while review.undo() is not None:
        assert_follows(review)
    assert is_computed(a_result) and a_result.overlays.GetAttribute(BOUNDS_ATTRIBUTE) is None


@pytest.mark.slow
def test_volumes_close_as_regions_are_decided(review, a_result):
    def widths() -> list[float]:
        volumes = [count_class_volume(a_result, label) for label in a_result.labels]
        return [abs(volume.radical_ml - volume.conservative_ml) for volume in volumes]

    before = widths()
    for region in review.regions.regions:
        review.decide(region.number, ("radical", "conservative", "keep")[region.number % 3])
        follow(review)
        now = widths()
        assert all(after <= earlier + 1e-9 for after, earlier in zip(now, before, strict=True))
        before = now
    assert before == pytest.approx([0.0, 0.0])
    assert {PANCREAS, TUMOR} == {label.value for label in a_result.labels}


def test_a_saved_scene_has_them_and_undoes_without_the_files(context, review, a_result, tmp_path):
    review.decide(1, "radical")
    review.decide(2, "conservative")
    follow(review)
    again = saved_and_reloaded(context, tmp_path)
    (loaded,) = results_in_scene(again.scene)
    reviewed = open_review(again, loaded, None)
    assert_follows(reviewed)
    reviewed.undo()
    assert_follows(reviewed)
    reviewed.undo()
    follow(reviewed)
    assert is_computed(loaded)


def test_a_result_that_is_loaded_anew_has_those_of_the_heads(context, review, a_result, its_files):
    review.decide(1, "radical")
    follow(review)
    loaded = load_prediction(context, its_files, a_result.volume)
    assert is_computed(loaded) and loaded.overlays.GetAttribute(BOUNDS_ATTRIBUTE) is None


def test_what_has_not_changed_is_not_written_again(review, a_result, monkeypatch):
    review.decide(1, "radical")
    follow(review)
    received = []
    monkeypatch.setattr(SegmentLayers, "notify", lambda layers, changed: received.append(changed))
    follow(review)
    review.decide(2, "radical")
    received.clear()
    follow(review)
    assert len(received) <= len(BOUNDS)


def test_bounds_that_are_gone_are_left_alone(review, a_result):
    segmentation = a_result.overlays.GetSegmentation()
    segmentation.RemoveSegment(f"radical-{PANCREAS}")
    review.decide(1, "radical")
    decided = follow(review)
    labels = np.where(labels_of(a_result) == PANCREAS, 0, labels_of(a_result))
    expected = np.where(HEADS["radical"] == PANCREAS, 0, HEADS["radical"])
    np.testing.assert_array_equal(drawn(a_result, "radical"), np.where(decided, labels, expected))
