"""Sliding the boundary in the panel: what the wheel and the keys do to the review of the result that is shown.

The wheel with Shift over slice views is taken before Slicer's own gestures, which do not get it then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from coranet.contract import Choice
from coranet.contract.errors import CoraNetError, DataError

from ..core.notification import Observation
from ..core.protocols import Host
from ..core.results import nodes_of_class
from ..core.stepwise import Deferred
from .region_view import volume_point, world_point
from .worklist import slide_text

if TYPE_CHECKING:
    from .overlays_presenter import OverlaysPresenter
    from .presenter import ReviewPresenter
    from .region_review import RegionReview

# Slicer's own styles and widgets observe with 0 and 1: who comes first can keep the event from the others.
_PRIORITY = 10.0
# With Shift, macOS turns the wheel sideways.
_STEPS = {
    "MouseWheelForwardEvent": 1,
    "MouseWheelBackwardEvent": -1,
    "MouseWheelLeftEvent": 1,
    "MouseWheelRightEvent": -1,
}


class SlidePresenter:
    """State and actions of a slide in the section Review, of which it is a part."""

    def __init__(self, presenter: ReviewPresenter, overlays: OverlaysPresenter, application: Host) -> None:
        self._presenter = presenter
        self._overlays = overlays
        self._application = application
        # Once for many notches of the wheel.
        self._draw = Deferred(application, self._draw_now)

    @property
    def is_under_way(self) -> bool:
        """Whether there is a slide that is neither taken nor discarded yet."""
        review = self._presenter.review
        return review is not None and review.sliding.slide is not None

    @property
    def text(self) -> str:
        """How to slide the boundary, or the level of the slide under way; "" if it cannot be slid."""
        review = self._presenter.review
        if review is None or self.reason:
            return ""
        return slide_text(review.sliding.slide, review.sliding.ml, review.loaded.labels)

    @property
    def reason(self) -> str:
        """Why no boundary can be slid now; "" if one can."""
        presenter = self._presenter
        return presenter.reason_to_wait or (presenter.review.sliding.reason if presenter.review is not None else "")

    def turn_wheel(self, turn: WheelTurn) -> None:
        """Slide the boundary under the cursor, or (with Ctrl) change the radius.

        Within the radius of the slide under way a turn goes on with it; elsewhere that one is taken first.
        """
        review = self._required()
        center = volume_point(review.loaded.volume, turn.point_ras_mm)
        if not review.sliding.covers(center):
            radius = review.sliding.slide.radius_mm if review.sliding.slide is not None else None
            self.take()
            number = self._presenter.number
            is_in_place = bool(number) and review.sliding.is_in_place(center, number)
            self._begin(center, number if is_in_place else None, radius)
        self._go_on(turn.step, turn.with_control)

    def turn(self, notches: int, changes_radius: bool = False) -> None:
        """Slide the boundary at the place that is looked at by notches, above 0 out; or change the radius.

        A slide under way goes on.
        """
        review = self._required()
        if not self.is_under_way:
            if self._presenter.reason_not_decidable:
                raise DataError(self._presenter.reason_not_decidable)
            number = self._presenter.number
            # What is slid is seen; where it is seen already, nothing is moved.
            if not self._presenter.is_in_view(number):
                self._presenter.look_at(number)
            self._begin(review.regions.region(number).center_ijk, number)
        self._go_on(notches, changes_radius)

    def take(self) -> None:
        """Decide by the slide under way, if there is one; raises as `ReviewPresenter.decide`."""
        review = self._presenter.review
        if review is None or review.sliding.slide is None or not review.is_current:
            return
        slide, author = review.sliding.slide, self._application.user_name()
        review.take_slide(author)
        if slide.level:
            point = tuple(round(mm, 3) for mm in world_point(review.loaded.volume, slide.center_ijk))
            self._presenter.note_call(
                "slideAt", point, level=slide.level, radius_mm=slide.radius_mm, place=slide.region, author=author
            )
        elif slide.region is not None:
            self._presenter.note_call("resolveRegion", slide.region, Choice.KEEP.value, author=author)
        self._presenter.update.request()

    def take_and_go_on(self) -> None:
        """Decide by the slide under way, and look at the next place that is undecided; raises as `take`."""
        slide = self._required().sliding.slide
        after = self._presenter.next_open(slide.region) if slide is not None and slide.region is not None else 0
        self.take()
        self._presenter.go_on(after)

    def discard(self) -> None:
        """Take the slide under way back."""
        if self._presenter.review is not None:
            self._presenter.review.sliding.discard()
            self._presenter.update.request()

    def settle(self) -> None:
        """Take the slide under way where an error of writing cannot be shown at once."""
        try:
            self.take()
        except CoraNetError as error:
            self._presenter.note = str(error)

    def on_update(self) -> None:
        """Clear what was there for a slide once none is under way any more."""
        review = self._presenter.review
        self._overlays.set_sliding(self.is_under_way)
        if review is not None and not self.is_under_way and review.ring.node is not None:
            review.ring.clear()
            self._presenter.outline()

    def close(self) -> None:
        """Take the slide under way, and draw none any more."""
        self.settle()
        self._draw.close()

    def _required(self) -> RegionReview:
        review = self._presenter.review
        if review is None or self.reason:
            raise DataError(self.reason)
        return review

    def _begin(self, center_ijk: Sequence[float], number: Optional[int], radius: Optional[float] = None) -> None:
        self._presenter.note = ""
        self._required().sliding.begin(center_ijk, number, radius)
        self._overlays.set_sliding(True)
        # It would lie over the boundary.
        self._presenter.clear_outline()
        # The keys that end it are at work from now on.
        self._presenter.changed.send()

    def _go_on(self, notches: int, changes_radius: bool) -> None:
        sliding = self._required().sliding
        (sliding.widen if changes_radius else sliding.turn)(notches)
        self._draw.request()

    def _draw_now(self) -> None:
        review = self._presenter.review
        if review is None or review.sliding.slide is None or not review.is_current:
            return
        slide = review.sliding.slide
        review.sliding.draw()
        review.ring.draw(review.loaded.volume, slide)
        self._presenter.changed.send()


class WheelTurn(NamedTuple):
    """The wheel was turned by a notch over a point of the world, away from the person (1) or towards them (-1)."""

    point_ras_mm: tuple[float, float, float]
    step: int
    with_control: bool


class SliceGestures:
    """Signals turns of the wheel while active. Without Shift, and where it is not needed, the wheel is Slicer's."""

    def __init__(self, scene: Any, application: Host, receive: Callable[[WheelTurn], bool]) -> None:
        """`receive` gets each turn, and returns whether it was for it, so that Slicer does nothing."""
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
