"""The section Review without its widgets: the uncertain regions of the result that is shown, decided one by one."""

from __future__ import annotations

from typing import Any, Optional

from coranet.errors import CoraNetError, DataError
from coranet.job import Choice

from ..logic import CoraNetLogic
from ..notification import Signal
from ..scene.region_review import RegionReview
from ..scene.results import LoadedPrediction
from ..translation import _
from .console_calls import CallLog, call
from .deferred import Deferred
from .overlays import OverlaysPresenter
from .region_order import RegionOrder
from .region_reading import RegionReading
from .review_words import RegionRow, question_text, region_rows

CHOICES = (Choice.CONSERVATIVE, Choice.RADICAL, Choice.KEEP)


class ReviewPresenter:
    """State and actions of the section Review. The review itself is the logic's: the console works on the same one.

    Attributes:
        changed: sent after each change of what is shown.
        decided: sent when decisions of the result that is shown are others.
        order: in which the regions are listed.
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
        self.changed, self.decided = Signal(), Signal()
        self.order = RegionOrder()
        self.note = ""
        self._logic = logic
        self._overlays = overlays
        self._calls = calls
        self._application = application
        self._is_watched = False
        self._shown: Optional[LoadedPrediction] = None
        self._review: Optional[RegionReview] = None
        self._number = 0
        self._problem = ""
        self._rows: list[RegionRow] = []
        self._reading = RegionReading(application, self._on_read)
        self._update = Deferred(application, self._update_now)
        overlays.changed.connect(self._follow)

    def set_watched(self, watched: bool) -> None:
        """Say whether anybody sees the section; a review is taken up when somebody does."""
        begins, self._is_watched = watched and not self._is_watched, watched
        if begins:
            self._shown = None
            self._follow()

    def close(self) -> None:
        """Let go of everything; what was decided is in the scene."""
        self._overlays.changed.disconnect(self._follow)
        self._let_go()
        self._update.close()

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def review(self) -> Optional[RegionReview]:
        """The review of the result that is shown; None if there is none."""
        return self._review

    @property
    def title(self) -> str:
        """Which result is reviewed, or why none is."""
        if self._review is None:
            return self.reason
        return self._overlays.results.get(self._overlays.key, "")

    @property
    def reason(self) -> str:
        """Why nothing can be reviewed; "" if something can."""
        if self._review is not None:
            return ""
        return self._overlays.reason or self._problem or _("The review has not been taken up yet.")

    @property
    def rows(self) -> list[RegionRow]:
        """The worklist in its order."""
        return self._rows

    @property
    def number(self) -> int:
        """Of the region that is looked at; 0 if none is."""
        return self._number

    @property
    def progress(self) -> str:
        """How far the review is, in words."""
        if self._reading.is_busy:
            return _("Reading the regions ...")
        return self._review.progress if self._review is not None else ""

    @property
    def share_done(self) -> float:
        """Share of the uncertain volume that is decided, in [0, 1]."""
        return self._review.review.progress(self._review.regions)[1] if self._review is not None else 0.0

    @property
    def question(self) -> str:
        """What is to be decided about the region that is looked at."""
        if self._review is None or not self._number:
            return ""
        return question_text(self._review, self._number)

    @property
    def edited(self) -> int:
        """Number of the region that is being edited; 0 if none is."""
        return (self._review.edited or 0) if self._review is not None else 0

    @property
    def reason_not_movable(self) -> str:
        """Why there is no other region to go to."""
        return self.reason or ("" if self._rows else _("There is no uncertain region to review."))

    @property
    def reason_not_decidable(self) -> str:
        """Why nothing can be decided now."""
        if self.reason_not_movable:
            return self.reason_not_movable
        if self._reading.is_busy:
            return _("The regions are being read.")
        if self.edited:
            return _("Region {number} is being edited; keep or discard the edit first.").format(number=self.edited)
        return "" if self._number else _("Choose a region first.")

    @property
    def reason_not_undoable(self) -> str:
        """Why there is no step to take back."""
        waits = self.reason_not_decidable if self._reading.is_busy or self.edited else self.reason
        can = self._review is not None and self._review.can_undo
        return waits or ("" if can else _("No decision was made yet that could be taken back."))

    @property
    def reason_not_redoable(self) -> str:
        """Why there is no step to do again."""
        waits = self.reason_not_decidable if self._reading.is_busy or self.edited else self.reason
        can = self._review is not None and self._review.can_redo
        return waits or ("" if can else _("Nothing was taken back that could be done again."))

    # -- what a person does ------------------------------------------------------------------------------------------

    def sort(self, column: str) -> None:
        """List the regions by a column, or the other way round; one of region_order.COLUMNS."""
        self.order.click(column)
        self._update.request()

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
        numbers = [row.number for row in self._rows]
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
        self._application.show_segment_editor()

    def end_edit(self, accept: bool) -> None:
        """Keep what was painted, or take it back.

        Raises:
            DataError: no region is being edited.
            StorageError: a file could not be written; what was painted stays, in the scene.
        """
        review, author = self._required(), self._application.user_name()
        after = self._next_open(self.edited) if accept else 0
        outside = self._logic.finishEdit(review.loaded, accept, author)
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

    def _required(self) -> RegionReview:
        if self._review is None:
            raise DataError(self.reason)
        return self._review

    def _note_call(self, method: str, *given: Any, **named: Any) -> None:
        self.note = ""
        self._calls.add(call(method, str(self._required().loaded.segmentation.GetName()), *given, **named))

    def _next_open(self, number: int) -> int:
        """The first region below another one of the list that is not decided, else the first of all; 0: none."""
        open_ones = [row.number for row in self._rows if not row.is_decided and row.number != number]
        listed = [row.number for row in self._rows]
        below = listed[listed.index(number) + 1 :] if number in listed else []
        return next((one for one in below if one in open_ones), next(iter(open_ones), 0))

    def _look_at(self, number: Optional[int]) -> None:
        if number and self._review is not None:
            self._logic.showRegion(self._review.loaded, number)
            self._number = number
        self._update.request()

    def _follow(self) -> None:
        """Take up the review of the result that is shown, if it is another one; draw what is not drawn yet."""
        shown = self._overlays.current if self._is_watched else self._shown
        is_other = (shown and shown.segmentation) is not (self._shown and self._shown.segmentation)
        if is_other or (self._review is not None and not self._review.is_current):
            self._let_go()
            self._shown = shown
            self._take_up()
        elif self._review is not None and self._overlays.reviewed is not self._review.review:
            self._update.request()

    def _take_up(self) -> None:
        if self._shown is not None:
            try:
                self._review = self._logic.regions(self._shown)
            except CoraNetError as error:
                self._problem = str(error)
        if self._review is not None:
            self._review.changed.connect(self._on_review)
            self.note = "\n".join(self._review.warnings)
            self._number = self._review.next_open() or min(1, len(self._review.regions.regions))
            self._reading.begin(self._review)
        self._update.request()

    def _let_go(self) -> None:
        self._reading.stop()
        if self._review is not None:
            self._review.changed.disconnect(self._on_review)
        self._review, self._number = None, 0
        self._problem = self.note = ""

    def _on_read(self, problem: str) -> None:
        if problem:
            self._let_go()
            self._problem = problem
        self._update.request()

    def _on_review(self) -> None:
        if self._reading.is_busy and self._review is not None:
            # The console was faster; what it has decided must not be taken for what the result named.
            self._reading.begin(self._review)
        self._update.request()

    def _update_now(self) -> None:
        review = self._review
        self._rows = self.order.sorted(region_rows(review)) if review is not None else []
        if review is not None and not self._reading.is_busy and self._overlays.reviewed is not review.review:
            self._overlays.show_reviewed(review)
            self.decided.send()
        self.changed.send()


def _require(reason: str) -> None:
    if reason:
        raise DataError(reason)
