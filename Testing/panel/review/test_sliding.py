"""The boundary is slid with wheel and keys; what is not ours of them stays Slicer's."""

from __future__ import annotations

import numpy as np
import pytest
from clicks import click, greyed
from reviewable import selected, statuses
from scene_builders import labels_of
from synthetic_predictions import CASE_ID, synthetic_heads
from vtkmodules.vtkRenderingCore import vtkRenderWindowInteractor

from CoraNetSlicerLib.core.results import nodes_of_class
from CoraNetSlicerLib.review.overlays import RESULT
from CoraNetSlicerLib.review.region_view import world_point
from CoraNetSlicerLib.review.segment_layers import SegmentLayers
from CoraNetSlicerLib.review.segment_surfaces import has_surface, lost_surface

HEADS = synthetic_heads()
FORWARD, BACKWARD = "MouseWheelForwardEvent", "MouseWheelBackwardEvent"


class Wheel:
    """The mouse over a slice view, and what Slicer itself hears of its wheel."""

    def __init__(self, node):
        self.node = node
        self.interactor = vtkRenderWindowInteractor()
        self.heard_by_slicer = 0
        for event in (FORWARD, BACKWARD):
            self.interactor.AddObserver(event, self._hear, 0.0)

    def _hear(self, *_event):
        self.heard_by_slicer += 1

    def turn(self, event, point_ras, shift=True, control=False):
        """Turn it over a point of the world, which the view shows then."""
        self.node.JumpSliceByCentering(*point_ras)
        self.node.SetXYZOrigin(0.0, 0.0, self.node.GetXYZOrigin()[2])
        self.node.UpdateMatrices()
        width, height, _depth = self.node.GetDimensions()
        self.interactor.SetEventInformation(width // 2, height // 2, int(control), int(shift))
        self.interactor.InvokeEvent(event)


@pytest.fixture
def wheel(context, overlays, application):
    wheel = Wheel(context.scene.GetFirstNodeByClass("vtkMRMLSliceNode"))
    application.interactors = [(wheel.interactor, wheel.node)]
    return wheel


class Hand:
    """A person with a mouse and keys, before the panel and a slice view.

    Attributes:
        wheel: of the mouse, over the slice view.
    """

    def __init__(self, wheel, presenter, window, process_events):
        self.wheel = wheel
        self._presenter, self._window, self._process_events = presenter, window, process_events

    def turn(self, event, *ijk, **held):
        """Turn the wheel over a point of the volume."""
        self.wheel.turn(event, world_point(self._presenter.review.loaded.volume, ijk), **held)

    def press(self, keys):
        """Press keys one after the other; returns what came to the view."""
        came = self._window.press(keys)
        self._process_events()
        return came


@pytest.fixture
def hand(wheel, presenter, window, process_events):
    return Hand(wheel, presenter, window, process_events)


def rings(context):
    models = nodes_of_class(context.scene, "vtkMRMLModelNode")
    return [node for node in models if node.GetHideFromEditors() and node.GetName() == "Where the boundary is moved"]


def is_result(loaded):
    return (labels_of(loaded) == HEADS["segmentation"]).all()


class TestKeys:
    def test_plus_slides_at_the_place_and_enter_takes_it_and_goes_on(
        self, hand, loaded, context, presenter, ui, process_events
    ):
        assert ui.slideLabel.text.startswith("Shift + wheel moves the boundary")
        assert hand.press("++=") == [] and not is_result(loaded)
        assert ui.slideLabel.text.split("\n")[1] == "Press Enter to accept, Esc to discard."
        assert " mL, radius " in ui.slideLabel.text and len(rings(context)) == 1
        assert set(statuses(ui)) == {"open"}
        assert hand.press("\r") == []
        process_events()
        assert statuses(ui)[:2] == ["slid", "open"] and selected(ui) == [1] and rings(context) == []
        assert presenter.review.decision(1).author == "Ada"

    def test_the_line_around_the_place_gives_way_and_comes_back(self, hand, loaded, presenter, process_events):
        process_events(until=lambda: presenter.review.outline.is_there)
        hand.press("+")
        assert not presenter.review.outline.is_there
        hand.press("\x1b")
        assert presenter.review.outline.is_there

    def test_what_is_in_view_already_does_not_move(self, hand, loaded, presenter, process_events, monkeypatch):
        presenter.choose(1)
        shown = []
        monkeypatch.setattr(presenter, "look_at", shown.append)
        hand.press("+")
        assert shown == [] and presenter.review.sliding.slide is not None

    def test_what_is_slid_comes_into_view(self, hand, loaded, presenter):
        hand.wheel.node.JumpSliceByCentering(500.0, 0.0, 0.0)
        hand.press("+")
        origin = [hand.wheel.node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        assert origin == pytest.approx(presenter.review.place(1).center_ras_mm, abs=1e-3)

    def test_escape_discards(self, hand, loaded, context, presenter, ui, process_events):
        hand.press("---")
        assert not is_result(loaded)
        hand.press("\x1b")
        process_events()
        assert is_result(loaded) and set(statuses(ui)) == {"open"} and rings(context) == []
        assert greyed(ui.undoRegionButton) == "There is no decision to undo."

    def test_undo_discards_what_is_not_taken_and_then_takes_back(self, hand, loaded, ui, process_events):
        hand.press("++\r")
        process_events()
        after = labels_of(loaded)
        hand.press("--u")
        process_events()
        np.testing.assert_array_equal(labels_of(loaded), after)
        hand.press("u")
        process_events()
        assert is_result(loaded) and selected(ui) == [0]
        click(ui.redoRegionButton)
        np.testing.assert_array_equal(labels_of(loaded), after)

    def test_back_and_forth_and_enter_is_right_as_it_is(self, hand, loaded, ui, process_events):
        hand.press("+-\r")
        process_events()
        assert statuses(ui)[0] == "kept" and is_result(loaded)

    def test_another_answer_takes_its_place(self, hand, loaded, ui, process_events):
        hand.press("+++3")
        process_events()
        assert statuses(ui)[0] == "kept" and is_result(loaded)

    def test_brackets_change_the_radius(self, hand, loaded, presenter):
        hand.press("+")
        radius = presenter.review.sliding.slide.radius_mm
        hand.press("]]")
        assert presenter.review.sliding.slide.radius_mm > radius
        hand.press("[[[")
        assert presenter.review.sliding.slide.radius_mm < radius

    def test_enter_and_escape_are_everybodys_while_nothing_is_slid(self, hand, loaded):
        assert hand.press("\r\x1b") == ["\r", "\x1b"]

    def test_while_a_region_is_edited_its_keys_and_wheel_are_the_editors(self, hand, loaded, ui):
        hand.press("e")
        assert hand.press("+-[]") == list("+-[]")
        hand.turn(FORWARD, 3, 10, 6)
        assert hand.wheel.heard_by_slicer == 1

    def test_out_of_sight_they_are_the_views(self, hand, loaded, presenter):
        presenter.section.set_active(False)
        assert hand.press("+-[]") == list("+-[]")
        hand.turn(FORWARD, 3, 10, 6)
        assert hand.wheel.heard_by_slicer == 1


class TestWheel:
    def test_over_the_place_it_decides_the_place(self, hand, loaded, presenter, ui, process_events):
        for _notch in range(3):
            hand.turn(FORWARD, *presenter.review.regions.region(1).center_ijk)
        process_events()
        assert hand.wheel.heard_by_slicer == 0 and not is_result(loaded)
        hand.press("\r")
        process_events()
        assert statuses(ui)[0] == "slid"

    def test_anywhere_else_it_decides_none_and_stays_there(self, hand, loaded, presenter, ui, process_events):
        presenter.choose(2)
        hand.turn(BACKWARD, 3, 10, 6)
        hand.turn(BACKWARD, 3, 10, 6)
        process_events()
        hand.press("\r")
        process_events()
        assert set(statuses(ui)) == {"open"} and selected(ui) == [1] and len(presenter.review.review.slides) == 1
        assert not is_result(loaded)

    def test_at_another_point_the_one_before_is_taken(self, hand, loaded, presenter, process_events):
        hand.turn(BACKWARD, 3, 10, 6)
        hand.turn(BACKWARD, 3.4, 10, 6)
        assert presenter.review.review.slides == ()
        hand.turn(FORWARD, 14, 15, 9)
        process_events()
        (taken,) = presenter.review.review.slides
        assert taken.level < 0 and presenter.review.sliding.slide.center_ijk == pytest.approx((14, 15, 9), abs=1)

    def test_with_control_it_changes_the_radius(self, hand, loaded, presenter):
        hand.turn(FORWARD, 3, 10, 6)
        radius = presenter.review.sliding.slide.radius_mm
        hand.turn(FORWARD, 3, 10, 6, control=True)
        assert presenter.review.sliding.slide.radius_mm > radius and hand.wheel.heard_by_slicer == 0

    @pytest.mark.parametrize("control", [False, True])
    def test_without_shift_it_is_slicers(self, hand, loaded, control):
        hand.turn(FORWARD, 3, 10, 6, shift=False, control=control)
        assert hand.wheel.heard_by_slicer == 1 and is_result(loaded)

    def test_many_notches_are_drawn_at_once(self, hand, loaded, presenter, process_events, monkeypatch):
        written = []
        write = SegmentLayers.write
        monkeypatch.setattr(SegmentLayers, "write", lambda *given: written.append(1) or write(*given))
        for _notch in range(10):
            hand.turn(FORWARD, 3, 10, 6)
        process_events()
        assert len(written) == 1 and not is_result(loaded)

    def test_where_there_is_no_boundary_it_says_so(self, hand, loaded, ui, process_events):
        hand.turn(FORWARD, 17, 23, 0)
        process_events()
        assert ui.reviewErrorLabel.text.startswith("there is no boundary within ") and hand.wheel.heard_by_slicer == 0

    def test_without_margins_it_is_slicers_and_a_key_says_why(self, hand, load, logic, ui, presenter, process_events):
        loaded = load(wait=False)
        for name in ("margin", "second"):
            getattr(logic.regions(loaded).files, name).unlink()
        process_events(until=lambda: not presenter.reason_not_decidable)
        hand.turn(FORWARD, 3, 10, 6)
        assert hand.wheel.heard_by_slicer == 1 and not ui.slideLabel.isVisible()
        hand.press("+")
        assert "is missing; restore the file" in ui.reviewErrorLabel.text


class TestNothingIsLost:
    def test_going_on_takes_it(self, hand, loaded, ui, process_events):
        hand.press("++n")
        process_events()
        assert statuses(ui)[0] == "slid" and selected(ui) == [1]

    def test_editing_goes_on_from_it(self, hand, loaded, presenter):
        hand.press("++")
        after = labels_of(loaded)
        hand.press("e")
        assert presenter.review.status(1) == "slid" and presenter.edited == 1
        np.testing.assert_array_equal(labels_of(loaded), after)
        presenter.end_edit(False)

    @pytest.mark.slow
    def test_another_result_takes_it(self, hand, loaded, load, logic, overlays, process_events):
        other = load("segment 2")
        overlays.choose(str(loaded.segmentation.GetID()))
        process_events(until=lambda: hand.press("+") == [] and not is_result(loaded))
        overlays.choose(str(other.segmentation.GetID()))
        process_events()
        assert logic.regions(loaded).status(1) == "slid" and is_result(other)

    def test_leaving_the_panel_takes_it(self, hand, loaded, presenter, window, process_events):
        hand.press("++")
        window.dock.hide()
        process_events()
        assert presenter.review.status(1) == "slid"

    def test_a_closed_scene_ends_it(self, hand, loaded, context, presenter, process_events):
        hand.press("++")
        context.scene.Clear(0)
        process_events(until=lambda: presenter.review is None)
        assert rings(context) == []


def test_the_calls_do_what_hand_and_keys_did(hand, loaded, presenter, logic, calls, process_events):
    hand.turn(FORWARD, 3, 10, 6)
    hand.turn(FORWARD, 3, 10, 6)
    hand.press("\r+++\r")
    process_events()
    after = labels_of(loaded)
    logged = [line for line in calls.text.splitlines() if "slideAt" in line]
    assert len(logged) == 2 and "place=1" in logged[1] and 'author="Ada"' in logged[0]
    while logic.regions(loaded).can_undo:
        logic.undoRegion(loaded)
    assert is_result(loaded)
    for line in logged:
        eval(line, {"logic": logic})
    np.testing.assert_array_equal(labels_of(loaded), after)


def test_the_console_resolves_a_place(hand, loaded, logic, ui, process_events):
    review = logic.resolvePlace(CASE_ID, 3, level=0.4, author="Bob")
    process_events()
    assert review.status(3) == "slid" and statuses(ui)[2] == "slid" and review.decision(3).author == "Bob"
    assert not is_result(loaded)


@pytest.mark.slow
def test_in_3d_the_boundary_follows_when_the_wheel_rests(hand, loaded, overlays, presenter, process_events):
    overlays.set_visible_3d(RESULT, True)
    process_events(until=lambda: not overlays.status)
    ids = [f"segmentation-{label.value}" for label in loaded.labels]
    assert all(has_surface(loaded.segmentation, identifier) for identifier in ids)
    hand.press("+++")
    assert any(lost_surface(loaded.segmentation, identifier) for identifier in ids)
    process_events(until=lambda: not any(lost_surface(loaded.segmentation, identifier) for identifier in ids))
    assert presenter.slides.is_under_way
