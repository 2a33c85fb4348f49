"""The mouse wheel with Shift over slice views: taken before Slicer's own gestures, which do not get it then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.notification import Observation
from ..core.protocols import Host
from ..core.results import nodes_of_class

# Slicer's own styles and widgets observe with 0 and 1: who comes first can keep the event from the others.
_PRIORITY = 10.0
# With Shift, macOS turns the wheel sideways.
_STEPS = {
    "MouseWheelForwardEvent": 1,
    "MouseWheelBackwardEvent": -1,
    "MouseWheelLeftEvent": 1,
    "MouseWheelRightEvent": -1,
}


@dataclass(frozen=True)
class WheelTurn:
    """The wheel was turned by a notch while Shift was held.

    Attributes:
        point_ras_mm: the point of the slice under the cursor, in the world.
        step: 1 away from the person, -1 towards them.
        with_control: whether Ctrl was held, too.
    """

    point_ras_mm: tuple[float, float, float]
    step: int
    with_control: bool


class SliceGestures:
    """Signals turns of the wheel while active. Without Shift, and where it is not needed, the wheel is Slicer's."""

    def __init__(self, scene: Any, application: Host, receive: Callable[[WheelTurn], bool]) -> None:
        """Hear nothing yet.

        Args:
            scene: vtkMRMLScene, whose layout has the views.
            application: has the views.
            receive: gets each turn; returns whether it was for them, so that Slicer does nothing.
        """
        self._scene = scene
        self._application = application
        self._receive = receive
        self._is_active = False
        self._observers: list[tuple[Any, int]] = []
        self._layout = Observation()

    def set_active(self, active: bool) -> None:
        """Hear, or leave the wheel to the views alone."""
        if active == self._is_active:
            return
        self._is_active = active
        self._layout.end()
        if active:
            for node in nodes_of_class(self._scene, "vtkMRMLLayoutNode"):
                # The views of another layout are made after that.
                self._layout.of_node(node, lambda: self._application.later(self._observe))
        self._observe()

    def _observe(self) -> None:
        for interactor, tag in self._observers:
            interactor.RemoveObserver(tag)
        self._observers.clear()
        for interactor, slice_node in self._application.slice_interactors() if self._is_active else ():
            for event in _STEPS:
                self._observe_event(interactor, slice_node, event)

    def _observe_event(self, interactor: Any, slice_node: Any, event: str) -> None:
        tags: list[int] = []

        def on_event(_interactor: Any, _event: str) -> None:
            if interactor.GetShiftKey() and self._receive(_turn(interactor, slice_node, event)):
                interactor.GetCommand(tags[0]).SetAbortFlag(1)

        tags.append(interactor.AddObserver(event, on_event, _PRIORITY))
        self._observers.append((interactor, tags[0]))


def _turn(interactor: Any, slice_node: Any, event: str) -> WheelTurn:
    x, y = interactor.GetEventPosition()
    point = slice_node.GetXYToRAS().MultiplyPoint((float(x), float(y), 0.0, 1.0))
    return WheelTurn((point[0], point[1], point[2]), _STEPS[event], bool(interactor.GetControlKey()))
