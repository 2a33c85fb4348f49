"""A boundary that is slid: seen at once, taken or discarded as a whole, undone, and found again later."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from scene_builders import labels_of
from scene_bundles import saved_and_reloaded
from synthetic_predictions import PANCREAS, TUMOR, synthetic_heads

from coranet.boundary_slide import BoundaryMargins, apply_slide, known_after
from coranet.contract import Choice
from coranet.contract.errors import DataError
from CoraNetSlicerLib.core.results import results_in_scene
from CoraNetSlicerLib.review import boundary_slide, region_review
from CoraNetSlicerLib.review.result_loading import load_prediction
from CoraNetSlicerLib.review.review_opening import open_review
from CoraNetSlicerLib.review.segment_layers import SegmentLayers

HEADS = synthetic_heads()
# On the left boundary of the pancreas, in the middle of it.
POINT_IJK = (3.0, 10.0, 6.0)
RADIUS_MM = 5.0


@pytest.fixture
def margins(its_files):
    arrays = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (its_files.margin, its_files.second))
    return BoundaryMargins(*arrays, (0.9, 0.7, 2.5))


@pytest.fixture
def sliding(review):
    return review.sliding


def begun(sliding, number=None):
    sliding.begin(POINT_IJK, number, RADIUS_MM)
    return sliding


class TestUnderWay:
    def test_the_boundary_moves_as_the_engine_would_move_it(self, sliding, a_result, margins):
        begun(sliding).set_level(0.3)
        sliding.draw()
        expected = HEADS["segmentation"].copy()
        box, moved = apply_slide(HEADS["segmentation"], margins, sliding.slide)
        expected[box] = moved
        np.testing.assert_array_equal(labels_of(a_result), expected)
        larger = np.count_nonzero(expected == PANCREAS) - np.count_nonzero(HEADS["segmentation"] == PANCREAS)
        # A disc in one slice, since they are thick.
        assert sliding.slide.slice_axis == 2 and larger > 5
        assert sliding.ml == pytest.approx(larger * 0.9 * 0.7 * 2.5 / 1000)

    def test_the_pair_is_the_structure_and_what_is_beside_it(self, sliding):
        assert (begun(sliding).slide.grows, sliding.slide.shrinks) == (PANCREAS, 0)
        sliding.begin((9.5, 12.0, 7.0), None, 3.0)
        assert {sliding.slide.grows, sliding.slide.shrinks} == {PANCREAS, TUMOR}

    def test_as_many_notches_back_as_forth_are_the_result(self, sliding, a_result):
        begun(sliding)
        for notches in (1, 2, -1, -2):
            sliding.turn(notches)
            sliding.draw()
        assert sliding.slide.level == 0
        np.testing.assert_array_equal(labels_of(a_result), HEADS["segmentation"])

    def test_a_notch_moves_half_a_voxel_whatever_the_radius(self, sliding):
        begun(sliding).turn(1)
        height = sliding.slide.height_mm
        assert height == pytest.approx(0.5 * (0.9 * 0.7 * 2.5) ** (1 / 3), rel=1e-3)
        sliding.widen(2)
        assert sliding.slide.height_mm == pytest.approx(height, rel=1e-3) and sliding.slide.radius_mm > RADIUS_MM
        sliding.widen(-200)
        assert sliding.slide.radius_mm == pytest.approx(4 * height, rel=1e-3)

    @pytest.mark.parametrize("notches", [3, -3])
    def test_another_radius_leaves_nothing_of_the_one_before(self, sliding, a_result, margins, notches):
        begun(sliding).set_level(0.4)
        for change in (notches, notches, -notches):
            sliding.draw()
            sliding.widen(change)
        sliding.draw()
        expected = HEADS["segmentation"].copy()
        box, moved = apply_slide(HEADS["segmentation"], margins, sliding.slide)
        expected[box] = moved
        np.testing.assert_array_equal(labels_of(a_result), expected)

    def test_discarded_it_leaves_no_trace(self, review, sliding, a_result):
        begun(sliding).turn(4)
        sliding.draw()
        assert (labels_of(a_result) != HEADS["segmentation"]).any()
        sliding.discard()
        np.testing.assert_array_equal(labels_of(a_result), HEADS["segmentation"])
        assert sliding.slide is None and sliding.ml == 0 and not review.can_undo

    @pytest.mark.parametrize("act", [lambda review: review.decide(2, "keep"), lambda review: review.begin_edit(2)])
    def test_whoever_decides_elsewhere_discards_it(self, review, sliding, a_result, act):
        begun(sliding).turn(4)
        sliding.draw()
        act(review)
        np.testing.assert_array_equal(labels_of(a_result), HEADS["segmentation"])
        assert sliding.slide is None

    def test_only_the_box_around_it_is_written(self, review, sliding, a_result, monkeypatch):
        boxes = []
        write = SegmentLayers.write

        def counting(layers, box, members):
            boxes.append(box.mask.size)
            return write(layers, box, members)

        monkeypatch.setattr(SegmentLayers, "write", counting)
        begun(sliding)
        for _notch in range(5):
            sliding.turn(1)
            sliding.draw()
        spacing = a_result.volume.GetSpacing()
        assert len(boxes) == 5 and max(boxes) <= np.prod([2 * RADIUS_MM / mm + 1 for mm in spacing])

    def test_a_segment_of_a_person_stays_where_no_class_comes(self, sliding, a_result, context):
        segmentation = a_result.segmentation.GetSegmentation()
        own = segmentation.AddEmptySegment("cyst", "Cyst")
        layers = SegmentLayers(a_result.segmentation, a_result.volume)
        begun(sliding).draw()
        box = sliding._near.box
        sliding.discard()
        labels = HEADS["segmentation"][box.slices].ravel()
        layers.write(box, {own: labels == 0, f"segmentation-{PANCREAS}": labels == PANCREAS})
        before = layers.read(box)
        begun(sliding).turn(-4)
        sliding.draw()
        np.testing.assert_array_equal(layers.read(box)[own], before[own])
        sliding.turn(8)
        sliding.draw()
        came = layers.read(box)
        assert (before[own] & came[f"segmentation-{PANCREAS}"]).any()
        sliding.discard()
        after = layers.read(box)
        assert all((after[identifier] == before[identifier]).all() for identifier in before)

    def test_far_from_any_boundary_there_is_nothing_to_slide(self, sliding):
        with pytest.raises(DataError, match=r"no boundary within 1 mm of this point; point at one, or choose a larger"):
            sliding.begin((0.0, 0.0, 0.0), None, 1.0)
        with pytest.raises(DataError, match="not inside the volume"):
            sliding.begin((-50.0, 0.0, 0.0), None, 1.0)

    def test_a_result_without_margins_says_what_to_do(self, context, a_result, its_files):
        its_files.second.unlink()
        review = open_review(context, a_result, its_files)
        assert "is missing; restore the file, or run again what wrote it" in review.sliding.reason
        with pytest.raises(DataError, match="is missing"):
            review.slide(POINT_IJK, 0.4, RADIUS_MM)
        review.decide(1, Choice.RADICAL)


class TestTaken:
    def test_a_place_is_decided_and_what_was_drawn_stays(self, review, a_result, its_files):
        number = 1
        review.slide(review.regions.region(number).center_ijk, 0.4, RADIUS_MM, number, "Ada")
        assert review.status(number) == "slid" and review.decision(number).author == "Ada"
        assert (labels_of(a_result) != HEADS["segmentation"]).any()
        written = json.loads(its_files.review.read_text())
        assert written["slides"][0]["region"] == number and written["slides"][0]["level"] == 0.4

    def test_anywhere_it_decides_no_place(self, review, its_files):
        review.slide(POINT_IJK, -0.4, RADIUS_MM)
        assert not review.review.decisions and review.can_undo
        assert json.loads(its_files.review.read_text())["slides"][0]["center_ijk"] == list(POINT_IJK)

    def test_one_that_moves_nothing_says_right_as_it_is(self, review, a_result):
        begun(review.sliding, number=2)
        assert review.take_slide("Ada") == 2
        assert review.status(2) == "kept" and review.review.slides == ()
        begun(review.sliding)
        assert review.take_slide("Ada") is None and len(review.review.decisions) == 1

    def test_slides_undo_and_redo_in_turn_with_decisions(self, review, a_result):
        states = [(labels_of(a_result), review.review)]
        first, second = review.regions.region(1), review.regions.region(2)
        for act in (
            lambda: review.slide(first.center_ijk, 0.5, RADIUS_MM, 1, "Ada"),
            lambda: review.decide(2, "radical", "Ada"),
            lambda: review.slide(second.center_ijk, -0.5, 8.0, None, "Ada"),
            lambda: review.slide(first.center_ijk, -0.2, 4.0, 1, "Ada"),
            lambda: review.decide(1, "conservative", "Ada"),
        ):
            act()
            states.append((labels_of(a_result), review.review))
        for labels, kept in states[-2::-1]:
            assert review.undo() is not None
            np.testing.assert_array_equal(labels_of(a_result), labels)
            assert review.review == kept
        assert review.undo() is None
        for labels, kept in states[1:]:
            assert review.redo() is not None
            np.testing.assert_array_equal(labels_of(a_result), labels)
            assert review.review == kept

    @pytest.mark.parametrize("choice", [Choice.KEEP, None])
    def test_another_decision_on_its_place_moves_the_boundary_back(self, review, a_result, choice):
        center = review.regions.region(1).center_ijk
        review.slide(review.regions.region(2).center_ijk, 0.3, 4.0, 2)
        after_second = labels_of(a_result)
        review.slide(center, 0.5, RADIUS_MM, 1)
        review.slide(center, 0.3, 3.0, 1)
        review.decide(1, choice)
        np.testing.assert_array_equal(labels_of(a_result), after_second)
        assert [slide.region for slide in review.review.slides] == [2]

    def test_its_surroundings_count_as_known(self, review, a_result, its_files, margins):
        review.slide(POINT_IJK, 0.4, RADIUS_MM, author="Ada")
        review.promote()
        known = sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.known)))
        expected = np.zeros_like(known)
        box, mask = known_after(labels_of(a_result), margins, review.review.slides[0])
        expected[box][mask] = 1
        np.testing.assert_array_equal(known, expected)
        assert known.any() and len(review.decided_boxes()) == 1
        reviewed = sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.reviewed)))
        np.testing.assert_array_equal(reviewed, labels_of(a_result))


ACTS = {
    "decide": lambda review: review.decide(1, "radical"),
    "keep": lambda review: review.decide(1, "keep"),
    "slide across": lambda review: review.slide(near_place(review), -0.6, 8.0),
    "slide out": lambda review: review.slide(near_place(review), 0.4, RADIUS_MM),
    "slide place": lambda review: review.slide(review.regions.region(2).center_ijk, 0.5, 8.0, 2),
    "slide place 1": lambda review: review.slide(near_place(review), -0.5, 8.0, 1),
    "decide 2": lambda review: review.decide(2, "conservative"),
}


def near_place(review):
    return review.regions.region(1).center_ijk


class TestOrder:
    """What a person saw is what the engine makes of review.json, and what the result shows when it is loaded anew."""

    @pytest.fixture(autouse=True)
    def fine_clock(self, monkeypatch):
        """A coarse one would name one time for two steps."""
        clock = SimpleNamespace(time=itertools.count(1.0).__next__)
        for module in (region_review, boundary_slide):
            monkeypatch.setattr(module, "time", clock)

    @pytest.mark.parametrize(
        "acts",
        [
            ("decide", "slide across"),
            ("slide across", "decide"),
            ("slide across", "keep"),
            ("slide place", "decide", "slide out"),
            ("slide out", "slide place", "slide across", "decide"),
            ("slide place", "slide across", "decide 2"),
            ("decide", "slide place 1"),
            ("slide across", "keep", "slide place 1", "slide out"),
            ("decide", "slide place 1", "decide 2", "slide place 1", "slide place"),
            ("decide 2", "slide across", "decide", "slide out", "slide across"),
        ],
    )
    def test_both_sides_agree(self, context, review, a_result, its_files, margins, acts):
        from coranet.inference.prediction import Prediction
        from coranet.regions.decisions import reviewed_maps

        for act in acts:
            ACTS[act](review)
        review.promote()
        seen = labels_of(a_result)
        names = ("segmentation", "conservative", "radical", "uncertain", "uncertainty")
        region_map = sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.region_map)))
        heads = Prediction(*(HEADS[name] for name in names))
        labels, known = reviewed_maps(heads, review.regions, region_map, review.review, None, margins)
        np.testing.assert_array_equal(labels, seen)
        np.testing.assert_array_equal(known, sitk.GetArrayFromImage(sitk.ReadImage(str(its_files.known))))
        again = open_review(context, load_prediction(context, its_files, a_result.volume), its_files)
        np.testing.assert_array_equal(labels_of(again.loaded), seen)


class TestAnsweredAndSlid:
    """A place that has an answer is slid: both hold, in their order."""

    @pytest.fixture
    def states(self, review, a_result):
        states = [labels_of(a_result)]
        for act in ("decide", "slide place 1"):
            ACTS[act](review)
            states.append(labels_of(a_result))
        assert all((first != second).any() for first, second in itertools.pairwise(states))
        return states

    def test_it_says_both(self, review, states):
        assert review.status(1) == "radical, slid"
        review.decide(2, "keep")
        ACTS["slide place"](review)
        assert review.status(2) == "slid"

    def test_undone_it_is_answered(self, review, a_result, states):
        assert review.undo() == 1 and review.status(1) == "radical"
        np.testing.assert_array_equal(labels_of(a_result), states[1])
        assert review.undo() == 1 and review.status(1) == "open"
        np.testing.assert_array_equal(labels_of(a_result), states[0])

    def test_so_it_is_when_it_was_loaded_anew(self, context, review, a_result, its_files, states):
        again = open_review(context, load_prediction(context, its_files, a_result.volume), its_files)
        np.testing.assert_array_equal(labels_of(again.loaded), states[2])
        assert again.status(1) == "radical, slid" and again.review == review.review
        assert again.undo() == 1
        np.testing.assert_array_equal(labels_of(again.loaded), states[1])

    def test_a_slide_that_moves_nothing_leaves_the_answer(self, review, a_result, states):
        review.sliding.begin(near_place(review), 1, RADIUS_MM)
        assert review.take_slide() == 1 and review.status(1) == "radical, slid"
        np.testing.assert_array_equal(labels_of(a_result), states[2])


class TestLater:
    @pytest.fixture
    def slid(self, review):
        review.decide(3, "radical", "Ada")
        review.slide(review.regions.region(1).center_ijk, 0.5, RADIUS_MM, 1, "Ada")
        review.slide(POINT_IJK, -0.4, RADIUS_MM, None, "Bo")
        return review

    def test_a_saved_scene_goes_on_and_takes_back_without_the_files(self, context, slid, a_result, tmp_path):
        after = labels_of(a_result)
        again = saved_and_reloaded(context, tmp_path)
        (loaded,) = results_in_scene(again.scene)
        reviewed = open_review(again, loaded, None)
        np.testing.assert_array_equal(labels_of(loaded), after)
        assert reviewed.review == slid.review
        assert [reviewed.undo() for _step in range(4)] == [0, 1, 3, None]
        np.testing.assert_array_equal(labels_of(loaded), HEADS["segmentation"])
        assert "were moved or deleted" in reviewed.sliding.reason

    def test_a_scene_that_was_saved_while_it_was_under_way_has_the_result(
        self, context, review, sliding, a_result, tmp_path
    ):
        review.decide(1, "radical", "Ada")
        before = labels_of(a_result)
        begun(sliding).turn(4)
        sliding.draw()
        assert (labels_of(a_result) != before).any()
        again = saved_and_reloaded(context, tmp_path)
        (loaded,) = results_in_scene(again.scene)
        reviewed = open_review(again, loaded, None)
        np.testing.assert_array_equal(labels_of(loaded), before)
        assert reviewed.review == review.review and reviewed.undo() == 1
        review.take_slide()
        assert len(review.review.slides) == 1

    def test_a_result_that_is_loaded_anew_is_slid_anew(self, context, slid, a_result, its_files):
        after = labels_of(a_result)
        again = open_review(context, load_prediction(context, its_files, a_result.volume), its_files)
        np.testing.assert_array_equal(labels_of(again.loaded), after)
        assert again.review == slid.review and again.warnings == ()
        assert [again.undo() for _step in range(4)] == [0, 1, 3, None]
        np.testing.assert_array_equal(labels_of(again.loaded), HEADS["segmentation"])

    def test_without_margins_it_says_what_is_missing(self, context, slid, a_result, its_files):
        its_files.margin.unlink()
        again = open_review(context, load_prediction(context, its_files, a_result.volume), its_files)
        assert again.review.slides == () and list(again.review.decisions) == [3]
        assert "Moved boundaries are shown as the model found them" in again.warnings[0]
