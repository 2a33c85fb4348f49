"""The page Environment of the form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import qt

from ..core.protocols import Host
from ..core.section import Section, show_end, show_text
from ..core.translation import _
from .environment import InterpreterKind
from .fixes import FindingRow, Fix
from .presenter import EnvironmentPresenter

_TYPING_MS = 500


class EnvironmentSection(Section):
    """Shows whether the chosen Python works; opens by itself once when it does not, by `on_error`."""

    def __init__(
        self, ui: Any, presenter: EnvironmentPresenter, application: Host, on_error: Callable[[], object] = lambda: None
    ) -> None:
        Section.__init__(self, ui)
        self._presenter = presenter
        self._application = application
        self._on_error = on_error
        self._rows: list[FindingRow] = []
        self._row_widgets: list[Any] = []
        self._buttons: list[tuple[Any, Fix]] = []
        self._is_closed = self._was_error = False
        self._edits = 0
        for key, text in presenter.kinds:
            ui.interpreterCombo.addItem(text, key)
        self._show_paths()
        self._connect()
        self._show()

    def _connect(self) -> None:
        ui, presenter = self._ui, self._presenter
        self.connect(presenter.changed, self._show)
        self.on_input(ui.interpreterCombo.currentIndexChanged, self._on_kind)
        for field, action in (
            (ui.pythonPathEdit, presenter.set_python),
            (ui.environmentFolderEdit, presenter.set_folder),
            (ui.wheelsFolderEdit, presenter.set_wheels_folder),
        ):
            self.connect(field.currentPathChanged, partial(self._set_path_soon, field, action))
        self.on_click(ui.checkEnvironmentButton, presenter.check)
        self.on_click(ui.openInstallLogButton, lambda: self._application.open_path(presenter.environment.install_log))

    def cleanup(self) -> None:
        """Let go of everything."""
        self._is_closed = True
        self._clear_rows()
        Section.cleanup(self)

    def _on_kind(self, _changed: object = None) -> None:
        # Qt 5 sends the index or the text, depending on the overload that was found.
        if self._ui.interpreterCombo.currentIndex >= 0:
            show_text(self._ui.environmentErrorLabel, "")
            self._presenter.choose(str(self._ui.interpreterCombo.currentData))

    def _set_path_soon(self, field: Any, action: Callable[[str], None], _path: str) -> None:
        """When a person has stopped typing: half a path is wrong, or another one."""
        self._edits += 1
        self._application.later(partial(self._set_path, field, action, self._edits), _TYPING_MS)

    def _set_path(self, field: Any, action: Callable[[str], None], edit: int) -> None:
        if edit == self._edits and not self._is_closed:
            self.attempt(self._ui.environmentErrorLabel, lambda: action(str(field.currentPath)))

    def _on_fix(self, code: str, _checked: bool = False) -> None:
        # After the click is over: the button may be among what changes.
        self._application.later(partial(self._fix, code))

    def _fix(self, code: str) -> None:
        if not self._is_closed:
            self.attempt(self._ui.environmentErrorLabel, lambda: self._presenter.fix(code))

    def _show(self) -> None:
        ui, presenter = self._ui, self._presenter
        with self._painting:
            ui.environmentSummaryLabel.setText(presenter.summary)
            ui.interpreterCombo.setCurrentIndex(ui.interpreterCombo.findData(presenter.kind.value))
            self._show_fields(presenter.kind)
            if presenter.findings != self._rows:
                self._show_findings(presenter.findings)
            self._show_log()
            self._show_permissions()
        self._open_on_error()

    def _show_paths(self) -> None:
        """Once: later, a field keeps what a person has typed, right or wrong."""
        ui, environment = self._ui, self._presenter.environment
        ui.pythonPathEdit.setCurrentPath(environment.python)
        ui.environmentFolderEdit.setCurrentPath(environment.folder)
        ui.wheelsFolderEdit.setCurrentPath(environment.wheels_folder)

    def _show_fields(self, kind: InterpreterKind) -> None:
        ui = self._ui
        for widget in (ui.pythonPathLabel, ui.pythonPathEdit):
            widget.setVisible(kind is InterpreterKind.OTHER)
        for widget in (ui.environmentFolderLabel, ui.environmentFolderEdit):
            widget.setVisible(kind is InterpreterKind.PRIVATE)
        for widget in (ui.wheelsFolderLabel, ui.wheelsFolderEdit):
            widget.setVisible(self._presenter.can_install or bool(ui.wheelsFolderEdit.currentPath))

    def _show_log(self) -> None:
        ui, presenter = self._ui, self._presenter
        log = presenter.install_log
        ui.installLogText.setVisible(presenter.is_installing or bool(log))
        ui.openInstallLogButton.setVisible(bool(log))
        show_end(ui.installLogText, log)

    def _show_permissions(self) -> None:
        ui, reason = self._ui, self._presenter.reason_not_changeable
        for widget in (ui.interpreterCombo, ui.pythonPathEdit, ui.environmentFolderEdit, ui.wheelsFolderEdit):
            self.permit(widget, reason)
        self.permit(ui.checkEnvironmentButton, reason)
        for button, fix in self._buttons:
            button.setEnabled(not reason)
            button.setToolTip(reason or fix.tool_tip)

    def _open_on_error(self) -> None:
        """Show the page when something goes wrong, once; a person may leave it then."""
        has_error = self._presenter.has_error
        self._ui.environmentStep.setText(_("Environment") + (" \u26a0" if has_error else ""))
        if has_error and not self._was_error:
            self._on_error()
        # While it is checked nothing new is known.
        if has_error or not self._presenter.is_checking:
            self._was_error = has_error

    def _show_findings(self, rows: list[FindingRow]) -> None:
        self._clear_rows()
        self._rows = rows
        for number, row in enumerate(rows):
            self._add_row(number, row)

    def _add_row(self, number: int, row: FindingRow) -> None:
        widget = qt.QWidget()
        layout = qt.QHBoxLayout(widget)
        layout.setContentsMargins(0, 0, 0, 0)
        label = qt.QLabel(("\u26a0 " if row.level == "warning" else "\u2716 ") + row.text)
        label.setObjectName(f"findingLabel{number}")
        label.setWordWrap(True)
        layout.addWidget(label, 1)
        self._row_widgets.append(widget)
        if row.fixes:
            layout.addLayout(self._buttons_of(row, number))
        self._ui.environmentFindings.layout().addWidget(widget)

    def _buttons_of(self, row: FindingRow, number: int) -> Any:
        """One below the other: two beside each other leave no room for the sentence."""
        column = qt.QVBoxLayout()
        for index, fix in enumerate(row.fixes):
            button = qt.QPushButton(fix.label)
            button.setObjectName(f"fixButton{number}{'' if index == 0 else f'_{index}'}")
            button.clicked.connect(partial(self._on_fix, fix.code))
            column.addWidget(button)
            self._buttons.append((button, fix))
        return column

    def _clear_rows(self) -> None:
        layout = self._ui.environmentFindings.layout()
        for widget in self._row_widgets:  # what is in them goes with them
            widget.setVisible(False)
            layout.removeWidget(widget)
            widget.setParent(None)
            widget.deleteLater()
        self._row_widgets, self._buttons, self._rows = [], [], []
