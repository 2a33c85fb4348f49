"""Teach back: the reviewed cases, a button that improves the model with them, and whether it became better."""

from __future__ import annotations

from typing import Any, Optional

import qt

from ..core.protocols import Scheduler
from ..core.section import (
    Section,
    TextTable,
    fit_height,
    prepare_table,
    release_focus,
    scroll_later,
    show_boxes,
    show_text,
)
from ..jobs.model_choice import comparison_rows
from .teach_back import TeachBackPresenter

_LINE_PIXELS, _MOST_LINES = 20, 6
_ROW_PIXELS = 24


class TeachBackSection(Section):
    """Which cases are taught back, and the start of the training."""

    def __init__(self, ui: Any, presenter: TeachBackPresenter, application: Scheduler) -> None:
        """Bind the named widgets of the .ui file."""
        super().__init__(ui)
        self._presenter = presenter
        self._application = application
        self._was_improving = self._has_news = False
        self._keys: list[str] = []
        self._items: list[Any] = []
        self._compared = TextTable(ui.improvementTable, _fill_comparison)
        prepare_table(ui.improvementTable, stretched=range(3), row_pixels=_ROW_PIXELS)
        self.on_event(ui.reviewPage, self._on_page_event)
        self.follow_unfolding(ui.teachBackSection, ui.reviewPage, application)
        show_boxes(ui.reviewedCasesList)
        self.on_input(ui.reviewedCasesList.itemChanged, self._on_tick)
        self.on_input(ui.trustCertainCheckBox.toggled, presenter.set_trusts_certain)
        self.on_click(ui.improveButton, presenter.start, ui.teachBackErrorLabel)
        self.on_click(ui.useImprovedButton, presenter.use_improved, ui.teachBackErrorLabel)
        self.connect(presenter.changed, self._show)
        self._show()

    def _on_tick(self, item: Any) -> None:
        row = self._ui.reviewedCasesList.row(item)
        if 0 <= row < len(self._keys):
            self._presenter.set_used(self._keys[row], item.checkState() == qt.Qt.Checked)

    def _show(self) -> None:
        ui, presenter = self._ui, self._presenter
        with self._painting:
            self._show_cases()
            ui.trustCertainCheckBox.setChecked(presenter.trusts_certain)
        ui.teachBackSection.text = presenter.title
        show_text(ui.teachBackSummaryLabel, presenter.summary)
        ui.improveButton.setText(presenter.button_text)
        self.permit(ui.improveButton, presenter.reason_not_startable)
        show_text(ui.teachBackStatusLabel, presenter.status)
        if presenter.reason_not_usable:
            release_focus(ui.useImprovedButton)
        ui.useImprovedButton.setVisible(not presenter.reason_not_usable)
        ui.trustCertainCheckBox.setVisible(bool(presenter.cases))
        ui.improveButton.setVisible(bool(presenter.cases))
        if presenter.error:
            show_text(ui.teachBackErrorLabel, presenter.error)
        self._show_comparison()
        self._show_improvement()

    def _show_cases(self) -> None:
        cases, widget = self._presenter.cases, self._ui.reviewedCasesList
        keys = [case.key for case in cases]
        widget.setVisible(bool(cases))
        if keys != self._keys:
            self._keys = keys
            widget.clear()
            self._items = [qt.QListWidgetItem() for _case in cases]
            for item in self._items:
                item.setFlags(qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsEnabled)
                widget.addItem(item)
            widget.setFixedHeight(_LINE_PIXELS * (1 + min(len(cases), _MOST_LINES)))
        for item, case in zip(self._items, cases, strict=False):
            item.setText(case.text)
            item.setCheckState(qt.Qt.Checked if case.is_used else qt.Qt.Unchecked)

    def _show_improvement(self) -> None:
        """Scroll to the Dice before and after, once: they are below what was in sight while the training ran."""
        self._has_news = self._has_news or (self._was_improving and not self._presenter.is_improving)
        self._was_improving = self._presenter.is_improving
        if self._ui.reviewPage.isVisible():
            self._scroll_to_news()

    def _on_page_event(self, event: Any) -> None:
        # A page out of sight is not laid out.
        if event.type() == qt.QEvent.Show:
            self._scroll_to_news()

    def _scroll_to_news(self) -> None:
        if self._has_news and not self._ui.teachBackSection.collapsed:
            scroll_later(self._ui.reviewPage, self._ui.teachBackSection, self._application)
        self._has_news = False

    def _show_comparison(self) -> None:
        card = self._presenter.comparison
        rows = comparison_rows(card) if card is not None else []
        if rows != self._compared.rows:
            self._compared.show(rows)
            fit_height(self._ui.improvementTable)


def _fill_comparison(_index: int, items: list[Any], row: tuple[str, Optional[float], Optional[float]]) -> None:
    name, *scores = row
    for item, text in zip(items, (name, *("" if dice is None else f"{dice:.3f}" for dice in scores)), strict=True):
        item.setText(text)
