"""The section Review without its widgets: the uncertain regions of the result that is shown, decided one by one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Optional

from coranet.contract import Choice
from coranet.contract.errors import DataError

from ..core.console_calls import CallLog, call
from ..core.notification import Signal
from ..core.protocols import Host
from ..core.results import LoadedPrediction, is_filled, nodes_of_class
from ..core.stepwise import Deferred, StepwiseWork
from ..core.translation import _
from ..logic import CoraNetLogic
from .overlays_presenter import OverlaysPresenter
from .region_editing import MODULE_EDITOR, PANEL_EDITOR
from .region_review import RegionReview
from .region_view import is_in_slices, show_in_slices, smallest_field_mm
from .slide_presenter import SlidePresenter
from .worklist import RegionOrder, RegionRow, column_titles, question_text, region_rows, region_title


class ReviewPresenter:
    """State and actions of the section Review. The review itself is the logic's: the console works on the same one.

    A review is taken up, its regions are read, and one is outlined, while the page is open.

    Attributes:
        changed: sent after each change of what is shown.
        decided: sent when decisions of the result that is shown are others.
        scene: vtkMRMLScene, in which all is.
        review: of the result that is shown; None if there is none.
        rows: the worklist in its order.
        order: in which the regions are listed.
        number: of the region that is looked at; 0 if none is.
        slides: moves the boundary with wheel and keys.
        update: shows what has changed, when the application has time.
        note: a message of the last action; "" if there is none.
    """

    def __init__(self, logic: CoraNetLogic, overlays: OverlaysPresenter, calls: CallLog, application: Host) -> None:
        """Follow the result that the section Overlays shows; the logic keeps the reviews."""
        self.changed, self.decided = Signal(), Signal()
        self.scene = logic.context.scene
        self.review: Optional[RegionReview] = None
        self.rows: list[RegionRow] = []
        self.order = RegionOrder()
        self.number = 0
        self.note = ""
        self._logic = logic
        self._overlays = overlays
        self._calls = calls
        self._application = application
        self._is_watched = self._has_gone = self._goes_on = False
        self._shown: Optional[LoadedPrediction] = None
        self._problem = ""
        self._reading = StepwiseWork(application, self._on_read)
        self._outlining = StepwiseWork(application, lambda _problem: None)
        self.update = Deferred(application, self._update_now)
        self.slides = SlidePresenter(self, overlays, application)
        overlays.changed.connect(self._follow)

    def set_watched(self, watched: bool) -> None:
        """Say whether anybody sees it."""
        if not watched:
            self.slides.settle()
        begins, self._is_watched = watched and not self._is_watched, watched
        if begins:
            # What could not be taken up before may be there now.
            self._shown = self._shown if self.review is not None else None
            self._follow()
        self._hold()
        if self.review is not None and self.editor is not None:
            self.review.editing.pause(not watched)
        self.outline()

    def close(self) -> None:
        """Let go of everything; what was decided is in the scene."""
        self.slides.close()
        self._overlays.changed.disconnect(self._follow)
        self._let_go()
        self.update.close()

    @property
    def reason(self) -> str:
        """Why nothing can be reviewed; "" if something can."""
        if self.review is not None:
            return ""
        return self._overlays.reason or self._problem or _("Looking for uncertain places ...")

    @property
    def progress(self) -> str:
        """How far the review is, as a text."""
        if self.review is None:
            return ""
        return _("Reading the places ...") if self._reading.is_busy else self.review.progress

    @property
    def share_done(self) -> float:
        """Share of the uncertain volume that is decided, in [0, 1]."""
        return self.review.review.progress(self.review.regions)[1] if self.review is not None else 0.0

    @property
    def column_titles(self) -> list[str]:
        """What the columns of the worklist are called; "" of one that is not shown."""
        regions = self.review.regions.regions if self.review is not None else ()
        return column_titles(any(region.kind != "block" for region in regions))

    @property
    def question(self) -> str:
        """What is to be decided about the region that is looked at."""
        review = self.review
        if review is None or not self.number:
            return ""
        return question_text(review.regions.region(self.number), review.loaded.labels)

    @property
    def edited(self) -> int:
        """Number of the region that is being edited; 0 if none is."""
        return (self.review.editing.number or 0) if self.review is not None else 0

    @property
    def edited_title(self) -> str:
        """What is being edited, such as "Place 3"; "" if nothing is."""
        review = self.review
        return region_title(review.regions.region(self.edited)) if review is not None and self.edited else ""

    @property
    def editor(self) -> Any:
        """The vtkMRMLSegmentEditorNode of the panel while it edits a region; None if it does not."""
        editor = self.review.editing.editor if self.review is not None else None
        return editor if editor is not None and editor.GetSingletonTag() == PANEL_EDITOR else None

    @property
    def reason_not_movable(self) -> str:
        """Why there is no other region to go to."""
        return self.reason or ("" if self.rows else _("There is no uncertain region to review."))

    @property
    def reason_not_decidable(self) -> str:
        """Why nothing can be decided now."""
        if self.reason_not_movable:
            return self.reason_not_movable
        if self._reading.is_busy:
            return _("The places are being read.")
        if self.edited:
            return _("{title} is being edited; keep or discard the edit first.").format(title=self.edited_title)
        return "" if self.number else _("Choose a place first.")

    @property
    def reason_to_wait(self) -> str:
        """Why nothing can be changed now, whichever region it is in."""
        return self.reason_not_decidable if self._reading.is_busy or self.edited else self.reason

    @property
    def reason_not_undoable(self) -> str:
        """Why there is no step to take back."""
        can = self.review is not None and (self.review.can_undo or self.slides.is_under_way)
        return self.reason_to_wait or ("" if can else _("There is no decision to undo."))

    @property
    def reason_not_redoable(self) -> str:
        """Why there is no step to do again."""
        can = self.review is not None and self.review.can_redo
        return self.reason_to_wait or ("" if can else _("There is nothing to redo."))

    @property
    def reasons(self) -> set[str]:
        """All that cannot be done now, and why."""
        return {
            self.reason_not_movable, self.reason_not_decidable, self.reason_not_undoable, self.reason_not_redoable,
            self.slides.reason,
        } - {""}  # fmt: skip

    def sort(self, column: str) -> None:
        """List the regions by a column, or the other way round; one of worklist.SORT_COLUMNS."""
        self.order.click(column)
        self.update.request()

    def choose(self, number: int) -> None:
        """Look at a region: slices and 3D views go there."""
        self.slides.take()
        self._required()
        self.look_at(number)
        self.note_call("showRegion", number)

    def go(self, step: int) -> None:
        """Look at the next region of the list (step 1), or at the one before (-1); after the last, at the first."""
        _require(self.reason_not_movable)
        numbers = [row.number for row in self.rows]
        at = numbers.index(self.number) + step if self.number in numbers else 0
        self.choose(numbers[at % len(numbers)])

    def decide(self, choice: Choice) -> None:
        """Decide about the region that is looked at, and look at the next one that is undecided.

        Raises:
            DataError: nothing can be decided now.
            StorageError: review.json could not be written; the decision stays, in the scene.
        """
        _require(self.reason_not_decidable)
        review, number, author = self._required(), self.number, self._application.user_name()
        after = self.next_open(number)
        review.decide(number, choice, author)
        self.note_call("resolveRegion", number, choice.value, author=author)
        self.go_on(after)

    def edit(self, in_panel: bool = False) -> None:
        """Open the Segment Editor, confined to the region that is looked at: the panel's own, else the module."""
        _require(self.reason_not_decidable)
        self.slides.take()
        self._required().begin_edit(self.number, PANEL_EDITOR if in_panel else MODULE_EDITOR)
        self.note_call("editRegion", self.number)
        if not in_panel:
            hint = _("{title}: paint or erase. Then go back to CoraNet and click Done or Discard.")
            self._application.show_segment_editor(hint.format(title=self.edited_title))

    def end_edit(self, accept: bool) -> None:
        """Keep what was painted, or take it back; raises as `decide`."""
        review, author = self._required(), self._application.user_name()
        after = self.next_open(self.edited) if accept else 0
        outside = review.end_edit(accept, author)
        self._application.clear_hint()
        self.note_call("finishEdit", accept=accept, author=author if accept else "")
        self.go_on(after)
        if outside:
            self.note = _("{count} voxels outside the place were changed too; they were restored.").format(
                count=outside
            )

    def undo(self) -> None:
        """Take the slide under way back, else the last step, and look at its region; raises as `decide`."""
        _require(self.reason_not_undoable)
        if self.slides.is_under_way:
            self.slides.discard()
        else:
            number = self._required().undo()
            self.note_call("undoRegion")
            self.go_on(number)

    def redo(self) -> None:
        """Do again what was taken back last, and look at its region; raises as `decide`."""
        _require(self.reason_not_redoable)
        number = self._required().redo()
        self.note_call("redoRegion")
        self.go_on(number)

    def _follow(self) -> None:
        """Take up the review of the result that is shown, if it is another one; draw what is not drawn yet."""
        is_stale = self.review is not None and not self.review.is_current
        shown = self._overlays.current if self._is_watched else None if is_stale else self._shown
        if shown is not None and not is_filled(shown.segmentation):
            shown = None
        is_other = (shown and shown.segmentation) is not (self._shown and self._shown.segmentation)
        if is_other or is_stale:
            self._let_go()
            self._shown = shown
            self._on_taken_up()
            if shown is not None:
                self._reading.begin(self._take_up(shown))
            self.update.request()
        elif self.review is not None and self._overlays.reviewed is not self.review.review:
            self.update.request()
        if self.review is not None:
            self.review.outline.follow_look()

    def _take_up(self, shown: LoadedPrediction) -> Generator[None, None, None]:
        review = yield from self._logic.openRegions(shown)
        review.changed.connect(self._on_review)
        # The presenter of the overlays makes them anew once the reviewer rests.
        review.layers.keeps_surfaces = True
        self.review = review
        self._on_taken_up()
        self.update.request()
        yield from review.read_steps()

    def _let_go(self) -> None:
        self.slides.settle()
        self._reading.stop()
        if self.review is not None:
            self.review.changed.disconnect(self._on_review)
            self.review.layers.keeps_surfaces = False
            self.clear_outline()
            self.review.ring.clear()
        self._overlays.set_place_marked(False)
        self.review, self._problem = None, ""

    def _on_taken_up(self) -> None:
        review = self.review
        self._has_gone = False
        self.number = (review.next_open() or min(1, len(review.regions.regions))) if review is not None else 0
        self.note = "\n".join(review.warnings) if review is not None else ""

    def _on_read(self, problem: str) -> None:
        if problem:
            self._let_go()
            self._problem = problem
            self._on_taken_up()
        else:
            self.outline()
        self.update.request()

    def _on_review(self) -> None:
        if self._reading.is_busy and self.review is not None:
            # The console was faster; what it has decided must not be taken for what the result named.
            self._reading.begin(self.review.read_steps())
        self.update.request()

    def _update_now(self) -> None:
        review = self.review
        rows = region_rows(review.regions, review.review, review.loaded.labels) if review is not None else []
        self.rows = self.order.sorted(rows)
        if review is not None and not self._reading.is_busy and self._overlays.reviewed is not review.review:
            self._overlays.show_reviewed(review)
            self.decided.send()
        self.slides.on_update()
        self._hold()
        if self._goes_on:
            self.look_at(self.number)
        else:
            self.changed.send()

    def _hold(self) -> None:
        """Another result that comes does not take the place of one that is being worked on."""
        is_open = bool(self.edited) or self.slides.is_under_way or not all(row.is_decided for row in self.rows)
        self._overlays.hold(self._is_watched and is_open, is_edited=bool(self.edited))

    def outline(self) -> None:
        """Draw a line around the region that is looked at; one that is being edited keeps it in the Segment Editor."""
        if self.review is None or self._reading.is_busy:
            return
        self._overlays.set_place_marked(bool(self._is_watched and self.number))
        if self._is_watched and self.number:
            self._go_to_first(self.review)
            self.review.outline.clear_all_but(self.number)
            self._outlining.begin(self.review.outline.steps(self.number))
        elif not self.edited:
            self.clear_outline()

    def clear_outline(self) -> None:
        """Draw no line around a region."""
        self._outlining.stop()
        if self.review is not None:
            self.review.outline.clear()

    def _go_to_first(self, review: RegionReview) -> None:
        """Turn the slices to the first open region of a review that begins, unless a person has chosen one before."""
        begins, self._has_gone = not self._has_gone, True
        if begins and not self.edited and review.decision(self.number) is None:
            slices = nodes_of_class(self.scene, "vtkMRMLSliceNode")
            show_in_slices(review.place(self.number), slices, smallest_field_mm(review.loaded))

    def _required(self) -> RegionReview:
        if self.review is None:
            raise DataError(self.reason)
        return self.review

    def note_call(self, method: str, *arguments: Any, **named: Any) -> None:
        """Show the console call of what was done, in place of the last message."""
        self.note = ""
        self._calls.add(call(method, str(self._required().loaded.segmentation.GetName()), *arguments, **named))

    def next_open(self, number: int) -> int:
        """The first region below another one of the list that is not decided, else the first of all; 0: none."""
        listed = [row.number for row in self.rows]
        at = listed.index(number) + 1 if number in listed else 0
        is_open = {row.number for row in self.rows if not row.is_decided and row.number != number}
        return next((number for number in [*listed[at:], *listed[:at]] if number in is_open), 0)

    def is_in_view(self, number: int) -> bool:
        """Whether all slices show the middle of a region."""
        review, slices = self._required(), nodes_of_class(self.scene, "vtkMRMLSliceNode")
        display = review.loaded.segmentation.GetDisplayNode()
        is_shown = display is None or bool(display.GetVisibility())
        return is_shown and is_in_slices(review.place(number).center_ras_mm, slices)

    def go_on(self, number: Optional[int]) -> None:
        """Look at a region when what was decided is shown, so that views draw both at once; 0, None: they stay."""
        if number:
            self.number, self._has_gone, self._goes_on = number, True, True
            self.update.request()

    def look_at(self, number: int) -> None:
        """Bring a region into view, and draw a line around it."""
        self._goes_on = False
        if self.review is not None and number:
            self.review.look_at(number)
            self.number, self._has_gone = number, True
            self.outline()
        self.changed.send()


def _require(reason: str) -> None:
    if reason:
        raise DataError(reason)
