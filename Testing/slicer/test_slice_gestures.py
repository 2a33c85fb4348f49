"""The wheel with Shift over a slice is ours while a review is open, everything else is Slicer's."""

from __future__ import annotations

import pytest
import slicer
from queued_application import QueuedApplication
from vtkmodules.vtkRenderingCore import vtkRenderWindowInteractor

from CoraNetSlicerLib.review.slide_presenter import SliceGestures, WheelTurn

FORWARD, BACKWARD = "MouseWheelForwardEvent", "MouseWheelBackwardEvent"


class View:
    """A slice view as Slicer has it: its own style hears the wheel after who comes first."""

    def __init__(self, context, name="Red"):
        self.node = slicer.vtkMRMLSliceNode()
        self.node.SetLayoutName(name)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(context.scene)
        context.scene.AddNode(self.node)
        self.node.SetDimensions(200, 100, 1)
        self.node.SetFieldOfView(100.0, 50.0, 1.0)
        self.node.UpdateMatrices()
        self.interactor = vtkRenderWindowInteractor()
        self.heard_by_slicer = []
        for event in (FORWARD, BACKWARD, "MouseWheelLeftEvent", "MouseWheelRightEvent"):
            self.interactor.AddObserver(event, lambda _caller, kind: self.heard_by_slicer.append(kind), 1.0)

    def turn(self, event, control=False, shift=True, at=(150, 50)):
        self.interactor.SetEventInformation(*at, int(control), int(shift))
        self.interactor.InvokeEvent(event)


class Application(QueuedApplication):
    def __init__(self, scene, *views):
        super().__init__(scene)
        self.views = list(views)

    def slice_interactors(self):
        return [(view.interactor, view.node) for view in self.views]


@pytest.fixture
def view(context):
    return View(context)


@pytest.fixture
def application(context, view):
    return Application(context.scene, view)


@pytest.fixture
def turns():
    return []


@pytest.fixture
def gestures(context, application, turns):
    gestures = SliceGestures(context.scene, application, lambda turn: turns.append(turn) or True)
    yield gestures
    gestures.set_active(False)


def test_shift_and_wheel_say_where_and_how_far_and_slicer_does_not_hear_of_it(gestures, view, turns):
    gestures.set_active(True)
    view.turn(FORWARD)
    view.turn(BACKWARD, control=True)
    assert [(turn.step, turn.with_control) for turn in turns] == [(1, False), (-1, True)]
    # A quarter of the field of view right of the middle.
    assert turns[0].point_ras_mm == pytest.approx((25.0, 0.0, 0.0), abs=0.6)
    assert view.heard_by_slicer == []


@pytest.mark.parametrize("event, step", [("MouseWheelLeftEvent", 1), ("MouseWheelRightEvent", -1)])
def test_macos_turns_the_wheel_sideways_while_shift_is_held(gestures, view, turns, event, step):
    gestures.set_active(True)
    view.turn(event)
    assert [turn.step for turn in turns] == [step] and view.heard_by_slicer == []


@pytest.mark.parametrize("control", [False, True])
def test_without_shift_the_wheel_is_slicers(gestures, view, turns, control):
    gestures.set_active(True)
    view.turn(FORWARD, control=control, shift=False)
    assert turns == [] and view.heard_by_slicer == [FORWARD]


def test_a_turn_that_nobody_wants_is_slicers(context, application, view):
    gestures = SliceGestures(context.scene, application, lambda turn: False)
    gestures.set_active(True)
    view.turn(FORWARD)
    assert view.heard_by_slicer == [FORWARD]
    gestures.set_active(False)


def test_before_and_after_the_review_all_is_slicers(gestures, view, turns):
    view.turn(FORWARD)
    gestures.set_active(True)
    gestures.set_active(False)
    view.turn(FORWARD)
    assert turns == [] and view.heard_by_slicer == [FORWARD, FORWARD]


def test_views_of_another_layout_are_heard_too(context, gestures, application, view, turns):
    layout = context.scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    gestures.set_active(True)
    application.views = [view, View(context, "Green")]
    layout.SetViewArrangement(layout.SlicerLayoutOneUpGreenSliceView)
    application.run()
    for view in application.views:
        view.turn(FORWARD)
    assert len(turns) == 2 and isinstance(turns[1], WheelTurn), "each view once"
