"""The section Review without its widgets: the uncertain regions of the result that is shown, decided one by one."""

from __future__ import annotations

from typing import Any, Optional

from coranet.contract import Choice
from coranet.contract.errors import DataError

from ..core.console_calls import CallLog, call
from ..core.translation import _
from ..logic import CoraNetLogic
from .overlays_presenter import OverlaysPresenter
from .region_order import RegionOrder
from .region_review import RegionReview
from .review_words import RegionRow, question_text
from .shown_review import ShownReview

CHOICES = (Choice.CONSERVATIVE, Choice.RADICAL, Choice.KEEP)


class ReviewPresenter:
    """State and actions of the section Review. The review itself is the logic's: the console works on the same one.

    Attributes:
        changed: sent after each change of what is shown.
        decided: sent when decisions of the result that is shown are others.
        note: what the last action left to be said; "" if nothing.
    """

    def __init__(self, logic: CoraNetLogic, overlays: OverlaysPresenter, calls: CallLog, application: Any) -> None:
        """Take up the review of the result that the section Overlays shows.

        Args:
            logic: keeps the reviews.
            overlays: which result is shown; draws what is decided.
            calls: gets the console call of each action.
            application: as panel.application.Application.
        """
        self.note = ""
        self._logic = logic
        self._calls = calls
        self._application = application
        self._number = 0
        self._shown = ShownReview(logic, overlays, application)
        self.changed, self.decided = self._shown.changed, self._shown.decided
        self.sort, self.close = self._shown.sort, self._shown.close
        self._shown.taken_up.connect(self._on_taken_up)
        self._shown.read.connect(self._outline)

    def set_watched(self, watched: bool) -> None:
        """Say whether anybody sees it: a review is taken up, and a region is outlined, while somebody does."""
        self._shown.set_watched(watched)
        self._outline()

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def review(self) -> Optional[RegionReview]:
        """The review of the result that is shown; None if there is none."""
        return self._shown.review

    @property
    def title(self) -> str:
        """Which result is reviewed, or why none is."""
        return self._shown.title or self.reason

    @property
    def reason(self) -> str:
        """Why nothing can be reviewed; "" if something can."""
        return self._shown.reason

    @property
    def rows(self) -> list[RegionRow]:
        """The worklist in its order."""
        return self._shown.rows

    @property
    def order(self) -> RegionOrder:
        """In which the regions are listed."""
        return self._shown.order

    @property
    def number(self) -> int:
        """Of the region that is looked at; 0 if none is."""
        return self._number

    @property
    def progress(self) -> str:
        """How far the review is, in words."""
        if self._shown.is_reading:
            return _("Reading the regions ...")
        return self.review.progress if self.review is not None else ""

    @property
    def share_done(self) -> float:
        """Share of the uncertain volume that is decided, in [0, 1]."""
        return self.review.review.progress(self.review.regions)[1] if self.review is not None else 0.0

    @property
    def question(self) -> str:
        """What is to be decided about the region that is looked at."""
        if self.review is None or not self._number:
            return ""
        return question_text(self.review, self._number)

    @property
    def edited(self) -> int:
        """Number of the region that is being edited; 0 if none is."""
        return (self.review.edited or 0) if self.review is not None else 0

    @property
    def reason_not_movable(self) -> str:
        """Why there is no other region to go to."""
        return self.reason or ("" if self.rows else _("There is no uncertain region to review."))

    @property
    def reason_not_decidable(self) -> str:
        """Why nothing can be decided now."""
        if self.reason_not_movable:
            return self.reason_not_movable
        if self._shown.is_reading:
            return _("The regions are being read.")
        if self.edited:
            return _("Region {number} is being edited; keep or discard the edit first.").format(number=self.edited)
        return "" if self._number else _("Choose a region first.")

    @property
    def reason_not_undoable(self) -> str:
        """Why there is no step to take back."""
        can = self.review is not None and self.review.can_undo
        return self._reason_to_wait or ("" if can else _("No decision was made yet that could be taken back."))

    @property
    def reason_not_redoable(self) -> str:
        """Why there is no step to do again."""
        can = self.review is not None and self.review.can_redo
        return self._reason_to_wait or ("" if can else _("Nothing was taken back that could be done again."))

    @property
    def reasons(self) -> set[str]:
        """All that cannot be done now, and why."""
        return {
            self.reason_not_movable, self.reason_not_decidable, self.reason_not_undoable, self.reason_not_redoable,
        } - {""}  # fmt: skip

    # -- what a person does ------------------------------------------------------------------------------------------

    def choose(self, number: int) -> None:
        """Look at a region: slices and 3D views go there.

        Raises:
            DataError: there is no such region.
        """
        review = self._required()
        self._logic.showRegion(review.loaded, number)
        self._number = number
        self._note_call("showRegion", number)
        self.changed.send()

    def go(self, step: int) -> None:
        """Look at the next region of the list (step 1), or at the one before (step -1); after the last, at the first.

        Raises:
            DataError: there is none.
        """
        _require(self.reason_not_movable)
        numbers = [row.number for row in self.rows]
        at = numbers.index(self._number) + step if self._number in numbers else 0
        self.choose(numbers[at % len(numbers)])

    def decide(self, choice: Choice) -> None:
        """Decide about the region that is looked at, and look at the next one that is undecided.

        Raises:
            DataError: nothing can be decided now.
            StorageError: review.json could not be written; the decision stays, in the scene.
        """
        _require(self.reason_not_decidable)
        review, number, author = self._required(), self._number, self._application.user_name()
        after = self._next_open(number)
        self._logic.resolveRegion(review.loaded, number, choice, author)
        self._note_call("resolveRegion", number, choice.value, author=author)
        self._look_at(after)

    def edit(self) -> None:
        """Open the Segment Editor, confined to the region that is looked at.

        Raises:
            DataError: nothing can be edited now.
        """
        _require(self.reason_not_decidable)
        self._logic.editRegion(self._required().loaded, self._number)
        self._note_call("editRegion", self._number)
        self.changed.send()
        hint = _("Paint in region {number}, then go back to CoraNet and click Done editing or Discard.")
        self._application.show_segment_editor(hint.format(number=self._number))

    def end_edit(self, accept: bool) -> None:
        """Keep what was painted, or take it back.

        Raises:
            DataError: no region is being edited.
            StorageError: a file could not be written; what was painted stays, in the scene.
        """
        review, author = self._required(), self._application.user_name()
        after = self._next_open(self.edited) if accept else 0
        outside = self._logic.finishEdit(review.loaded, accept, author)
        self._application.clear_hint()
        self._note_call("finishEdit", accept=accept, author=author if accept else "")
        self._look_at(after)
        if outside:
            self.note = _("{count} voxels outside of the region had been changed, and were put back.").format(
                count=outside
            )

    def undo(self) -> None:
        """Take the last step back, and look at its region; raises as `decide`."""
        _require(self.reason_not_undoable)
        number = self._logic.undoRegion(self._required().loaded)
        self._note_call("undoRegion")
        self._look_at(number)

    def redo(self) -> None:
        """Do again what was taken back last, and look at its region; raises as `decide`."""
        _require(self.reason_not_redoable)
        number = self._logic.redoRegion(self._required().loaded)
        self._note_call("redoRegion")
        self._look_at(number)

    # ----------------------------------------------------------------------------------------------------------------

    @property
    def _reason_to_wait(self) -> str:
        """Why no step can be taken back or done again, whatever steps there are."""
        return self.reason_not_decidable if self._shown.is_reading or self.edited else self.reason

    def _required(self) -> RegionReview:
        if self.review is None:
            raise DataError(self.reason)
        return self.review

    def _note_call(self, method: str, *given: Any, **named: Any) -> None:
        self.note = ""
        self._calls.add(call(method, str(self._required().loaded.segmentation.GetName()), *given, **named))

    def _next_open(self, number: int) -> int:
        """The first region below another one of the list that is not decided, else the first of all; 0: none."""
        open_ones = [row.number for row in self.rows if not row.is_decided and row.number != number]
        listed = [row.number for row in self.rows]
        below = listed[listed.index(number) + 1 :] if number in listed else []
        return next((one for one in below if one in open_ones), next(iter(open_ones), 0))

    def _look_at(self, number: Optional[int]) -> None:
        if number and self.review is not None:
            self._logic.showRegion(self.review.loaded, number)
            self._number = number
        self.changed.send()

    def _outline(self) -> None:
        """Draw a line around the region that is looked at; one that is being edited keeps it in the Segment Editor."""
        if self.review is None or self._shown.is_reading:
            return
        if self._shown.is_watched and self._number:
            self.review.outline.draw(self._number)
        elif not self.edited:
            self.review.outline.clear()

    def _on_taken_up(self) -> None:
        review = self.review
        self._number = (review.next_open() or min(1, len(review.regions.regions))) if review is not None else 0
        self.note = "\n".join(review.warnings) if review is not None else ""


def _require(reason: str) -> None:
    if reason:
        raise DataError(reason)
