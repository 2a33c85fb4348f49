"""The section Review: the worklist of uncertain regions, its buttons and its keys, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from coranet.contract import Choice

from ..core.section import Section, let_go_of_focus, say
from ..core.translation import _
from .presenter import ReviewPresenter
from .region_order import COLUMNS
from .regions_table import RegionsTable
from .review_keys import ReviewKeys, Sight


class ReviewSection(Section):
    """What is uncertain, one place after the other."""

    def __init__(self, ui: Any, presenter: ReviewPresenter, application: Any) -> None:
        """Bind the widgets.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            presenter: holds what is shown.
            application: as panel.application.Application.
        """
        super().__init__(ui)
        self._presenter = presenter
        self._is_active = False
        self._passing = ""
        self._table = RegionsTable(ui.regionsTable, application, self._on_choice)
        ui.reviewProgressBar.setRange(0, 100)
        actions = self._actions()
        for button, _key, action in actions:
            self.connect(button.clicked, partial(self._on_click, action))
        self.connect(ui.regionsTable.itemSelectionChanged, self._table.on_selection)
        self.connect(ui.regionsTable.horizontalHeader().sectionClicked, self._on_head)
        self.connect(ui.doneEditingButton.clicked, partial(self._on_click, partial(presenter.end_edit, True)))
        self.connect(ui.discardEditButton.clicked, partial(self._on_click, partial(presenter.end_edit, False)))
        self.connect(presenter.changed, self._show)
        # What is greyed out says why in the panel when its key is pressed.
        keys = {key: partial(self._on_click, action) for _button, key, action in actions if key}
        self._keys = ReviewKeys(application.main_window(), keys)
        # Always there, unless the section is folded or the panel out of sight.
        self._sight = Sight(ui.reviewTitleLabel, self._on_sight)
        presenter.set_watched(self._sight.is_there)
        self._show()

    def set_active(self, active: bool) -> None:
        """Say whether the module is open; only then do its keys work."""
        self._is_active = active
        self._show_keys()

    def cleanup(self) -> None:
        """Let go of everything, of the keys too."""
        self._sight.end()
        self._keys.cleanup()
        super().cleanup()
        self._table.clear()

    def _actions(self) -> list[tuple[Any, str, Callable[[], None]]]:
        """Button, its key, and what both do."""
        ui, presenter = self._ui, self._presenter
        return [
            (ui.conservativeRegionButton, "1", partial(presenter.decide, Choice.CONSERVATIVE)),
            (ui.radicalRegionButton, "2", partial(presenter.decide, Choice.RADICAL)),
            (ui.keepRegionButton, "3", partial(presenter.decide, Choice.KEEP)),
            (ui.editRegionButton, "E", presenter.edit),
            (ui.undoRegionButton, "U", presenter.undo),
            (ui.redoRegionButton, "", presenter.redo),
            (ui.nextRegionButton, "N", partial(presenter.go, 1)),
            (ui.previousRegionButton, "P", partial(presenter.go, -1)),
        ]

    # -- from the person ---------------------------------------------------------------------------------------------

    def _on_click(self, action: Callable[[], None], _checked: bool = False) -> None:
        # What is refused for a reason that passes is said until it has passed.
        reasons = self._presenter.reasons
        is_done = self.attempt(self._ui.reviewErrorLabel, action)
        said = str(self._ui.reviewErrorLabel.text)
        self._passing = said if not is_done and said in reasons else ""
        self._show_note()

    def _on_choice(self, number: int) -> None:
        self._on_click(partial(self._presenter.choose, number))

    def _on_head(self, column: int) -> None:
        self._presenter.sort(COLUMNS[column])

    def _on_sight(self, is_there: bool) -> None:
        self._presenter.set_watched(is_there)
        self._show_keys()

    # -- to the person -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        ui, presenter = self._ui, self._presenter
        if str(ui.reviewTitleLabel.text) != presenter.title:
            # What was said of another result is over.
            say(ui.reviewErrorLabel, "")
        if self._passing and self._passing not in presenter.reasons:
            self._passing = ""
            say(ui.reviewErrorLabel, "")
        ui.reviewTitleLabel.setText(presenter.title)
        ui.reviewProgressBar.setValue(int(100 * presenter.share_done))
        ui.reviewProgressBar.setVisible(bool(presenter.rows))
        say(ui.reviewProgressLabel, presenter.progress)
        say(ui.regionQuestionLabel, presenter.question)
        self._table.show(presenter.rows, presenter.number, presenter.order)
        for button in (
            ui.conservativeRegionButton, ui.radicalRegionButton, ui.keepRegionButton, ui.editRegionButton,
        ):  # fmt: skip
            self.permit(button, presenter.reason_not_decidable)
        for button in (ui.nextRegionButton, ui.previousRegionButton):
            self.permit(button, presenter.reason_not_movable)
        self.permit(ui.undoRegionButton, presenter.reason_not_undoable)
        self.permit(ui.redoRegionButton, presenter.reason_not_redoable)
        if not presenter.edited:
            let_go_of_focus(ui.doneEditingButton, ui.discardEditButton)
        ui.editingRow.setVisible(bool(presenter.edited))
        words = _("Region {number} is being edited in the Segment Editor; painting works inside it alone.")
        ui.editingLabel.setText(words.format(number=presenter.edited) if presenter.edited else "")
        self._show_note()
        self._show_keys()

    def _show_note(self) -> None:
        if self._presenter.note:
            say(self._ui.reviewErrorLabel, self._presenter.note)

    def _show_keys(self) -> None:
        self._keys.set_active(self._is_active and self._sight.is_there and not self._presenter.reason)
