"""Looking at regions and places in the section Review: where slices and cameras go, and what is outlined."""

from __future__ import annotations

import numpy as np
import pytest
from reviewable import selected
from synthetic_predictions import CASE_ID

from CoraNetSlicerLib.core.results import nodes_of_class
from CoraNetSlicerLib.review.region_view import sees


class TestLooking:
    def test_n_and_p_go_through_the_list_and_views_follow(self, loaded, presenter, context, ui, window):
        view = context.scene.GetFirstNodeByClass("vtkMRMLSliceNode")
        camera = context.scene.GetFirstNodeByClass("vtkMRMLCameraNode")
        window.press("nn")
        assert selected(ui) == [2]
        window.press("p")
        assert selected(ui) == [1]
        place = presenter.review.place(2)
        assert sees(camera, place.center_ras_mm)
        origin = [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        assert origin == pytest.approx(place.center_ras_mm, abs=1e-3)

    def test_after_the_last_comes_the_first(self, loaded, ui, window):
        window.press("p")
        assert selected(ui) == [ui.regionsTable.rowCount - 1]
        window.press("n")
        assert selected(ui) == [0]

    def test_a_click_on_a_row_goes_there(self, loaded, presenter, context, ui):
        camera = context.scene.GetFirstNodeByClass("vtkMRMLCameraNode")
        camera.SetFocalPoint(500.0, 0.0, 0.0)
        assert not sees(camera, presenter.review.place(4).center_ras_mm)
        ui.regionsTable.selectRow(3)
        assert presenter.number == 4
        assert sees(camera, presenter.review.place(4).center_ras_mm)
        assert ui.regionQuestionLabel.text.startswith("Region 4: ")

    def test_showing_a_result_centres_3d_once(self, load, overlays, context):
        camera = context.scene.GetFirstNodeByClass("vtkMRMLCameraNode")
        camera.SetFocalPoint(500.0, 0.0, 0.0)
        loaded = load()
        assert camera.GetFocalPoint() != (500.0, 0.0, 0.0)
        camera.SetFocalPoint(500.0, 0.0, 0.0)
        overlays.choose(loaded.segmentation.GetID())
        assert camera.GetFocalPoint() == (500.0, 0.0, 0.0)

    @pytest.mark.slow
    def test_a_result_that_comes_does_not_interrupt_who_is_at_work(
        self, loaded, load, overlays, ui, window, process_events
    ):
        other = load("segment 2", wait=False)
        process_events()
        assert overlays.current.segmentation is loaded.segmentation
        assert ui.overlaysStatusLabel.text == f"'{CASE_ID} (segment 2)' is ready: choose it above."
        for _row in range(ui.regionsTable.rowCount):
            window.press("2")
        process_events()
        overlays.show(other)
        assert overlays.current.segmentation is other.segmentation, "the work on the one before is done"


def outlines(context) -> list[str]:
    """Names of the nodes that outline a region."""
    return [
        node.GetName() for node in nodes_of_class(context.scene, "vtkMRMLSegmentationNode") if node.GetHideFromEditors()
    ]


def red_center(context) -> np.ndarray:
    """Where the red slice view looks, RAS in mm."""
    (red,) = nodes_of_class(context.scene, "vtkMRMLSliceNode")
    return np.array([red.GetSliceToRAS().GetElement(row, 3) for row in range(3)])


class TestFirstPlace:
    def is_seen(self, context, presenter, number) -> bool:
        return np.allclose(red_center(context), presenter.review.place(number).center_ras_mm)

    def test_slices_go_there_when_a_review_opens(self, loaded, presenter, context, calls):
        assert presenter.number == 1 and self.is_seen(context, presenter, 1)

    def test_what_is_decided_is_left_out(self, loaded, presenter, logic, context, window, process_events):
        window.press("12")
        logic.loadResults(logic.jobsFolder / "segment 1", show=False)
        process_events(until=lambda: presenter.number == 3 and outlines(context))
        assert self.is_seen(context, presenter, 3)

    def test_a_place_that_was_chosen_before_stays(self, load, presenter, context, process_events):
        load(wait=False)
        process_events(until=lambda: presenter.review is not None)
        presenter.choose(4)
        process_events(until=lambda: not presenter.reason_not_decidable and outlines(context))
        assert presenter.number == 4 and self.is_seen(context, presenter, 4)

    def test_who_comes_back_to_the_page_finds_the_slices_as_they_were(self, loaded, presenter, context, process_events):
        (red,) = nodes_of_class(context.scene, "vtkMRMLSliceNode")
        red.JumpSliceByCentering(1.0, 2.0, 3.0)
        there = red_center(context)
        presenter.set_watched(False)
        presenter.set_watched(True)
        process_events()
        np.testing.assert_array_equal(red_center(context), there)

    def test_a_result_that_has_to_wait_moves_nothing(self, loaded, load, overlays, presenter, context, process_events):
        presenter.choose(2)
        load("segment 2", wait=False)
        process_events(until=lambda: overlays.note)
        assert presenter.review.loaded.segmentation is loaded.segmentation and self.is_seen(context, presenter, 2)

    def test_unseen_it_waits_for_somebody(self, load, presenter, context, process_events):
        load(wait=False)
        process_events(until=lambda: presenter.review is not None)
        before = red_center(context)
        presenter.set_watched(False)
        process_events(until=lambda: not presenter.reason_not_decidable)
        np.testing.assert_array_equal(red_center(context), before)
        presenter.set_watched(True)
        assert self.is_seen(context, presenter, 1)


class TestOutline:
    def test_the_region_that_is_looked_at_has_one(self, loaded, context, window, process_events):
        process_events(until=lambda: outlines(context))
        assert [name.split()[-2:] for name in outlines(context)] == [["Region", "1"]]
        window.press("n")
        process_events()
        assert [name.split()[-2:] for name in outlines(context)] == [["Region", "2"]]
        window.press("1")
        process_events()
        assert [name.split()[-2:] for name in outlines(context)] == [["Region", "3"]]

    def test_it_leaves_3d_with_the_look_that_hides_all_and_comes_back(
        self, loaded, overlays, presenter, context, process_events
    ):
        process_events(until=lambda: outlines(context))
        display = presenter.review.outline.node.GetDisplayNode()
        for look, is_there in (("anatomy", False), ("contours", True), ("anatomy", False), ("uncertainty", True)):
            overlays.apply_look(look)
            process_events(until=lambda is_there=is_there: bool(display.GetVisibility3D()) == is_there)
            assert display.GetVisibility2DOutline()

    def test_it_goes_when_nobody_looks_but_stays_for_the_segment_editor(
        self, loaded, presenter, context, window, process_events
    ):
        process_events(until=lambda: outlines(context))
        presenter.set_watched(False)
        assert outlines(context) == []
        presenter.set_watched(True)
        process_events(until=lambda: outlines(context))
        window.press("e")
        presenter.set_watched(False)
        assert len(outlines(context)) == 1
        presenter.end_edit(False)
        presenter.set_watched(False)
        assert outlines(context) == []

    def test_it_goes_with_the_result_and_with_the_panel(self, loaded, presenter, context, window, process_events):
        process_events(until=lambda: outlines(context))
        presenter.close()
        assert outlines(context) == []
