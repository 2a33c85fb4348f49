"""The review of the result that the section Overlays shows: taken up, read, and drawn there."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Optional

from ..core.deferred import Deferred
from ..core.notification import Signal
from ..core.results import LoadedPrediction, is_filled
from ..core.stepwise import StepwiseWork
from ..core.translation import _
from ..logic import CoraNetLogic
from .overlays_presenter import OverlaysPresenter
from .region_order import RegionOrder
from .region_review import RegionReview
from .review_words import RegionRow, region_rows


class ShownReview:
    """Follows what is shown while somebody watches.

    Attributes:
        changed: sent after each change.
        taken_up: sent when another review, or none, took the place of the one before.
        decided: sent when decisions of the review are others than before.
        read: sent when the voxels of all regions are there.
        review: None if there is none.
        is_watched: whether anybody sees it.
        rows: the worklist in its order.
        order: in which the regions are listed.
    """

    def __init__(self, logic: CoraNetLogic, overlays: OverlaysPresenter, application: Any) -> None:
        """Follow nothing yet.

        Args:
            logic: keeps the reviews.
            overlays: which result is shown; draws what is decided.
            application: as panel.application.Application.
        """
        self.changed, self.taken_up, self.decided, self.read = Signal(), Signal(), Signal(), Signal()
        self.review: Optional[RegionReview] = None
        self.rows: list[RegionRow] = []
        self.order = RegionOrder()
        self._logic = logic
        self._overlays = overlays
        self.is_watched = False
        self._shown: Optional[LoadedPrediction] = None
        self._problem = ""
        self._reading = StepwiseWork(application, self._on_read)
        self._update = Deferred(application, self._update_now)
        overlays.changed.connect(self._follow)

    def set_watched(self, watched: bool) -> None:
        """Say whether anybody sees it; a review is taken up, and its regions are read, when somebody does."""
        begins, self.is_watched = watched and not self.is_watched, watched
        if begins:
            # What could not be taken up before may be there now.
            self._shown = self._shown if self.review is not None else None
            self._follow()

    def sort(self, column: str) -> None:
        """List the regions by a column, or the other way round; one of region_order.COLUMNS."""
        self.order.click(column)
        self._update.request()

    def close(self) -> None:
        """Let go of everything; what was decided is in the scene."""
        self._overlays.changed.disconnect(self._follow)
        self._let_go()
        self._update.close()

    @property
    def title(self) -> str:
        """What a person calls the result; "" if there is no review."""
        return self._overlays.results.get(self._overlays.key, "") if self.review is not None else ""

    @property
    def reason(self) -> str:
        """Why there is no review; "" if there is one."""
        if self.review is not None:
            return ""
        return self._overlays.reason or self._problem or _("The regions of the result are being looked for.")

    @property
    def is_reading(self) -> bool:
        """Whether the voxels of the regions are being read."""
        return self._reading.is_busy

    # ----------------------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Take up the review of the result that is shown, if it is another one; draw what is not drawn yet."""
        is_stale = self.review is not None and not self.review.is_current
        shown = self._overlays.current if self.is_watched else None if is_stale else self._shown
        if shown is not None and not is_filled(shown.segmentation):
            shown = None
        is_other = (shown and shown.segmentation) is not (self._shown and self._shown.segmentation)
        if is_other or is_stale:
            self._let_go()
            self._shown = shown
            self.taken_up.send()
            if shown is not None:
                self._reading.begin(self._taking_up(shown))
            self._update.request()
        elif self.review is not None and self._overlays.reviewed is not self.review.review:
            self._update.request()

    def _taking_up(self, shown: LoadedPrediction) -> Generator[None, None, None]:
        review = yield from self._logic.openRegions(shown)
        review.changed.connect(self._on_review)
        # The presenter of the overlays makes them anew as soon as somebody rests.
        review.keep_surfaces(True)
        self.review = review
        self.taken_up.send()
        self._update.request()
        yield from review.read_steps()

    def _let_go(self) -> None:
        self._reading.stop()
        if self.review is not None:
            self.review.changed.disconnect(self._on_review)
            self.review.keep_surfaces(False)
            self.review.outline.clear()
        self.review, self._problem = None, ""

    def _on_read(self, problem: str) -> None:
        if problem:
            self._let_go()
            self._problem = problem
            self.taken_up.send()
        else:
            self.read.send()
        self._update.request()

    def _on_review(self) -> None:
        if self._reading.is_busy and self.review is not None:
            # The console was faster; what it has decided must not be taken for what the result named.
            self._reading.begin(self.review.read_steps())
        self._update.request()

    def _update_now(self) -> None:
        review = self.review
        self.rows = self.order.sorted(region_rows(review)) if review is not None else []
        if review is not None and not self._reading.is_busy and self._overlays.reviewed is not review.review:
            self._overlays.show_reviewed(review)
            self.decided.send()
        self.changed.send()
