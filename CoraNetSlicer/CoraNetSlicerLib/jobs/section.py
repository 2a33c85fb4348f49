"""The section Jobs: its widgets, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Optional

import qt

from ..core.console_calls import CallLog, call
from ..core.section import Painting, Section, TextTable, prepare_table, show_end, show_text
from .presenter import JobRow, JobsPresenter


class JobsSection(Section):
    """All jobs of a folder, and buttons for the chosen one."""

    def __init__(self, ui: Any, presenter: JobsPresenter, calls: Optional[CallLog] = None) -> None:
        """Bind the widgets.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            presenter: holds what is shown.
            calls: gets the console calls of the buttons; None: they are not collected.
        """
        super().__init__(ui, calls)
        self._presenter = presenter
        self._typing = Painting()
        self._table = TextTable(ui.jobsTable, _fill)
        self._folder: Optional[Path] = None
        prepare_table(ui.jobsTable, stretched=[0])
        ui.jobsTable.setTextElideMode(qt.Qt.ElideMiddle)  # names begin with the day and differ at their end
        self.on_input(ui.jobsFolderEdit.currentPathChanged, self._on_folder)
        self.on_input(ui.jobsTable.itemSelectionChanged, self._on_choice)
        self.connect(ui.jobsTable.cellDoubleClicked, self._on_double_click)
        self.on_click(ui.showJobButton, partial(self._act, presenter.show, "attach"))
        self.on_click(ui.resumeJobButton, partial(self._act, presenter.resume, "attach", "resume"))
        self.on_click(ui.stopJobButton, partial(self._act, presenter.stop, "attach", "cancel"))
        self.on_click(ui.deleteJobButton, partial(self._act, presenter.delete, "deleteJob"))
        self.on_click(ui.openJobFolderButton, presenter.open_folder, ui.jobsErrorLabel)
        self.on_click(ui.refreshJobsButton, presenter.refresh, ui.jobsErrorLabel)
        self.connect(presenter.changed, self._show)
        self._show()

    def set_active(self, active: bool) -> None:
        """Say whether the page is in sight; out of sight, the list is not kept up to date."""
        self._presenter.set_watched(active)

    def _on_folder(self, path: str) -> None:
        with self._typing:  # the text stays as the person types it
            self.attempt(self._ui.jobsFolderErrorLabel, lambda: self._presenter.set_folder(path))

    def _on_choice(self) -> None:
        rows = [item.row() for item in self._ui.jobsTable.selectedItems()]
        show_text(self._ui.jobsErrorLabel, "")
        self._presenter.choose(self._table.rows[rows[0]].folder if rows else None)

    def _on_double_click(self, _row: int, _column: int) -> None:
        if not self._presenter.reason_not_showable:
            self._act(self._presenter.show, "attach")

    def _act(self, action: Callable[[], object], method: str, then: str = "") -> None:
        """Do something with the chosen job, and say which console call does it."""
        folder = self._presenter.chosen
        # Not deleted after all: no call.
        is_done = self.attempt(self._ui.jobsErrorLabel, action)
        if is_done and folder is not None and (method != "deleteJob" or self._presenter.chosen is None):
            self.note(call(method, folder, then=then))

    def _show(self) -> None:
        with self._painting:
            self._show_folder()
            self._table.show(self._presenter.rows)
            self._show_choice()
        presenter, ui = self._presenter, self._ui
        self.permit(ui.showJobButton, presenter.reason_not_showable)
        self.permit(ui.resumeJobButton, presenter.reason_not_resumable)
        self.permit(ui.stopJobButton, presenter.reason_not_stoppable)
        self.permit(ui.openJobFolderButton, presenter.reason_nothing_chosen)
        self.permit(ui.deleteJobButton, presenter.reason_not_deletable)
        show_text(ui.jobStatusLabel, presenter.status)
        ui.jobLogText.setVisible(bool(presenter.log))
        show_end(ui.jobLogText, presenter.log)

    def _show_folder(self) -> None:
        if self._folder != self._presenter.folder:
            self._folder = self._presenter.folder
            if not self._typing:
                self._ui.jobsFolderEdit.setCurrentPath(str(self._folder))
                show_text(self._ui.jobsFolderErrorLabel, "")

    def _show_choice(self) -> None:
        folders = [row.folder for row in self._table.rows]
        chosen = self._presenter.chosen
        self._ui.jobsTable.setVisible(True)
        self._table.select(folders.index(chosen) if chosen in folders else -1)


def _fill(_index: int, items: list[Any], row: JobRow) -> None:
    for item, text in zip(items, (row.name, row.kind, row.state, row.date), strict=True):
        item.setText(text)
    items[0].setToolTip(str(row.folder))
