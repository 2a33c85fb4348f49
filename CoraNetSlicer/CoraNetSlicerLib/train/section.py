"""The section Train: its widgets, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import Any, Optional

import qt

from ..core.console_calls import CallLog, call
from ..core.protocols import Scheduler
from ..core.section import WARNING, Color, Painting, Section, problem_text, show_text, text_color
from ..core.stepwise import Steps, StepwiseWork
from ..core.translation import _, sentence
from .presenter import TrainingPresenter
from .training_settings import BASIC_SETTINGS, SettingField, TrainingSettings, setting_fields
from .training_status import Message

_MOST_MESSAGES = 6
_ROWS_AT_ONCE = 6


class TrainSection(Section):
    """Settings, the estimate, and the training that is watched."""

    def __init__(
        self, ui: Any, presenter: TrainingPresenter, scheduler: Scheduler, calls: Optional[CallLog] = None
    ) -> None:
        super().__init__(ui, calls)
        self._presenter = presenter
        self._problem = ""
        self._typing = Painting()
        self._is_emptied = False
        self._basic = SettingsForm(ui.basicSettings.layout(), presenter.settings, self.connect)
        self._basic.add_rows(BASIC_SETTINGS)
        # Dozens of rows: made when they are first shown.
        self._advanced: Optional[SettingsForm] = None
        self._adding_rows = StepwiseWork(scheduler, self._on_rows, self._find_settings)
        for name in presenter.settings.presets:
            ui.presetCombo.addItem(name)
        for label in (ui.trainingStatusLabel, ui.trainingPlanLabel):
            label.setTextFormat(qt.Qt.PlainText)
        ui.trainingMessagesLabel.setTextFormat(qt.Qt.RichText)
        self._connect_widgets()
        self._on_advanced(bool(ui.advancedSection.collapsed))
        self._show_settings()
        self._show()

    def cleanup(self) -> None:
        """Let go of everything."""
        self._adding_rows.stop()
        super().cleanup()

    def _connect_widgets(self) -> None:
        ui, presenter = self._ui, self._presenter
        self.on_input(ui.presetCombo.currentIndexChanged, self._on_preset)
        self.connect(ui.advancedSection.contentsCollapsed, self._on_advanced)
        self.connect(ui.settingsFilterEdit.textChanged, self._find_settings)
        self.on_input(ui.trainingNameEdit.textChanged, self._on_name)
        self.connect(ui.trainingNameEdit.editingFinished, self._on_name_finished)
        for button, action in (
            (ui.estimateButton, self._estimate_or_cancel),
            (ui.stopTrainingButton, partial(self._act_on_job, presenter.stop, "cancel")),
            (ui.resumeTrainingButton, partial(self._act_on_job, presenter.resume, "resume")),
            (ui.showCurvesButton, presenter.views.show_curves),
            (ui.showSnapshotsButton, presenter.views.show_snapshots),
        ):
            self.on_click(button, partial(self._do, action))
        self.on_click(ui.trainButton, self._train)
        self.connect(presenter.settings.changed, self._show_settings)
        self.connect(presenter.changed, self._show)

    def _on_preset(self, index: int) -> None:
        settings = self._presenter.settings
        if index >= 0:
            self._do(lambda: settings.set_preset(settings.presets[index]))

    def _on_advanced(self, collapsed: bool) -> None:
        if collapsed or self._advanced is not None:
            return
        self._advanced = SettingsForm(self._ui.advancedSettings.layout(), self._presenter.settings, self.connect)
        self._adding_rows.begin(self._advanced.add_groups(without=BASIC_SETTINGS))

    def _on_rows(self, _problem: str) -> None:
        if self._advanced is not None:
            self._advanced.add_note(_("No setting has these words in its name or description."))
        self._find_settings()

    def _find_settings(self, _text: str = "") -> None:
        if self._advanced is not None:
            self._advanced.find(str(self._ui.settingsFilterEdit.text))

    def _on_name(self, text: str) -> None:
        with self._typing:  # the text stays as the person types it
            self._is_emptied = not text
            self._presenter.set_name(text)

    def _on_name_finished(self) -> None:
        self._is_emptied = False
        self._show()

    def _estimate_or_cancel(self) -> None:
        if self._presenter.estimate.is_running:
            self._presenter.estimate.cancel()
        else:
            self._presenter.measure()

    def _train(self) -> None:
        with self._showing_problems():
            # Before it starts: the names of the next training are others.
            call_of_start = self._presenter.call_of_start()
            self._presenter.start()
            self.note(call_of_start)

    def _act_on_job(self, action: Callable[[], object], method: str) -> None:
        handle = self._presenter.handle
        action()
        if handle is not None:
            self.note(call("attach", handle.folder, then=method))

    def _do(self, action: Callable[[], object]) -> None:
        with self._showing_problems():
            action()

    @contextmanager
    def _showing_problems(self) -> Iterator[None]:
        self._problem = ""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a click must always have an answer
            self._problem = sentence(problem_text(error))
        self._show()

    def _show_settings(self) -> None:
        settings, ui = self._presenter.settings, self._ui
        with self._painting:
            ui.presetCombo.setCurrentIndex(settings.presets.index(settings.preset))
        ui.presetDescriptionLabel.setText(settings.description)
        self._basic.show()
        if self._advanced is not None:
            self._advanced.show()

    def _show(self) -> None:
        presenter, ui = self._presenter, self._ui
        self._show_name()
        self._show_estimate()
        self.permit(ui.trainButton, presenter.reason_not_startable)
        self.permit(ui.stopTrainingButton, presenter.reason_not_stoppable)
        self.permit(ui.resumeTrainingButton, presenter.reason_not_resumable)
        self.permit(ui.showCurvesButton, presenter.reason_no_curves)
        ui.showSnapshotsButton.setVisible(presenter.views.has_snapshots)
        show_text(ui.trainingErrorLabel, self._problem or presenter.error)
        show_text(ui.trainingStatusLabel, presenter.status or presenter.hint)
        show_text(ui.trainingPlanLabel, "\n".join(presenter.plan))
        color = text_color(ui.trainingMessagesLabel, WARNING)
        show_text(
            ui.trainingMessagesLabel,
            "".join(_paragraph(message, color) for message in presenter.messages[:_MOST_MESSAGES]),
        )

    def _show_name(self) -> None:
        edit, name = self._ui.trainingNameEdit, self._presenter.name
        if str(edit.text) != name and not (self._typing or self._is_emptied):
            with self._painting:
                edit.setText(name)
        edit.setPlaceholderText(name)
        edit.setReadOnly(self._presenter.is_active)
        show_text(self._ui.trainingNameErrorLabel, self._presenter.name_error)

    def _show_estimate(self) -> None:
        estimate, ui = self._presenter.estimate, self._ui
        has_time = bool(self._presenter.settings.time)
        action = _("Show plan") if has_time else _("Estimate time")
        ui.estimateButton.setText(_("Cancel") if estimate.is_running else action)
        reason = "" if estimate.is_running else self._presenter.reason_not_estimable
        self.permit(ui.estimateButton, reason)
        if has_time and not reason:
            tip = _("Measures how fast this computer is and shows what it trains in this time. Nothing is kept.")
            ui.estimateButton.setToolTip(tip)
        show_text(ui.estimateLabel, estimate.text)


def _paragraph(message: Message, color: Color) -> str:
    text = escape(message.text)
    if message.is_warning:
        hex_color = "#{:02x}{:02x}{:02x}".format(*color)
        text = f'<span style="color: {hex_color};"><b>{escape(_("Warning:"))}</b> {text}</span>'
    return f'<p style="margin: 2px 0px;">{text}</p>'


class SettingRow:
    """One setting: its label, its field, and below it what is wrong with it."""

    def __init__(self, field: SettingField, settings: TrainingSettings) -> None:
        self.field = field
        self._settings = settings
        self._painting = Painting()
        self._painted: tuple[object, ...] = ()
        self.label = qt.QLabel()
        self.label.setTextFormat(qt.Qt.RichText)
        self.label.setToolTip(field.tool_tip)
        self.box = qt.QWidget()
        self._edit = qt.QComboBox() if field.choices or field.proposals else qt.QLineEdit()
        self._edit.setObjectName(field.name)
        # Where a text is typed; a combo box with proposals has one inside.
        self._line = None if field.choices else self._edit
        if field.proposals:
            self._line = _with_line(self._edit)
        self._edit.setToolTip(field.tool_tip)
        self._error = qt.QLabel("")
        self._error.setObjectName(f"{field.name} error")
        self._error.setWordWrap(True)
        self._layout = qt.QVBoxLayout(self.box)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(1)
        self._layout.addWidget(self._edit)
        self._layout.addWidget(self._error)
        for choice in field.choices or field.proposals:
            self._edit.addItem(choice)
        self.show()

    @property
    def edited(self) -> Any:
        """The signal that is sent with the text after each change."""
        return self._edit.currentTextChanged if self._line is None else self._line.textChanged

    def on_edited(self, text: str) -> None:
        """Take what a person typed or chose."""
        if not self._painting:
            self._painted = ()
            self._settings.set_text(self.field.name, text)

    def show(self) -> None:
        """Bring the widgets to the state of the settings."""
        name, settings = self.field.name, self._settings
        text, error, placeholder = settings.text(name), settings.error(name), settings.placeholder(name)
        is_changed = bool(error) or settings.is_overridden(name)
        if self._painted == (text, error, placeholder, is_changed):
            return
        self._painted = (text, error, placeholder, is_changed)
        with self._painting:
            self._show_text(text, placeholder)
        show_text(self._error, sentence(error))
        label = escape(_("{setting}:").format(setting=self.field.label))
        self.label.setText(f"<b>{label}</b>" if is_changed else label)
        if self._line is not None:
            # Emptied, it has the preset's value.
            self._line.setClearButtonEnabled(is_changed and not self.field.proposals)

    def set_visible(self, visible: bool) -> None:
        """Show or hide the row."""
        self.label.setVisible(visible)
        self.box.setVisible(visible)

    def _show_text(self, text: str, placeholder: str) -> None:
        if self._line is None:
            index = self._edit.findText(text)
            if index != self._edit.currentIndex:
                self._edit.setCurrentIndex(index)
            return
        if str(self._line.text) != text:
            self._line.setText(text)
        self._line.setPlaceholderText(placeholder)


def _with_line(combo: Any) -> Any:
    """Let a text be typed into a combo box, as it is typed: nothing is completed, nothing becomes an entry."""
    combo.setEditable(True)
    combo.setInsertPolicy(qt.QComboBox.NoInsert)
    combo.setCompleter(None)
    return combo.lineEdit()


class SettingsForm:
    """Some settings below each other, in a layout of the form: a QFormLayout for rows, or a QVBoxLayout for groups."""

    def __init__(self, layout: Any, settings: TrainingSettings, connect: Callable[[Any, Any], None]) -> None:
        self._layout = layout
        self._settings = settings
        self._connect = connect
        self._rows: list[SettingRow] = []
        self._groups: list[tuple[Any, list[SettingRow]]] = []
        self._note: Any = None

    def add_rows(self, names: Iterable[str]) -> None:
        """Add a row for each of some settings."""
        for name in names:
            self._add_row(self._layout, name)

    def add_groups(self, without: Iterable[str]) -> Steps:
        """Add all settings but some, in a group for each section; a few rows in each step."""
        fields = [field for field in setting_fields().values() if field.name not in set(without)]
        for section in dict.fromkeys(field.section for field in fields):
            group = qt.QGroupBox(_(section.capitalize()))
            rows = qt.QFormLayout(group)
            added: list[SettingRow] = []
            self._groups.append((group, added))
            self._layout.addWidget(group)
            for field in fields:
                if field.section == section:
                    added.append(self._add_row(rows, field.name))
                    if len(added) % _ROWS_AT_ONCE == 0:
                        yield
            yield

    def show(self) -> None:
        """Bring all rows to the state of the settings."""
        for row in self._rows:
            row.show()

    def add_note(self, text: str) -> None:
        """Add a text that is in sight where no setting is found."""
        self._note = qt.QLabel(text)
        self._layout.addWidget(self._note)

    def find(self, text: str) -> None:
        """Show the settings that fit some words, and hide the others."""
        count = 0
        for group, added in self._groups:
            fitting = [row.field.matches(text) for row in added]
            for row, fits in zip(added, fitting, strict=True):
                row.set_visible(fits)
            group.setVisible(any(fitting))
            count += sum(fitting)
        if self._note is not None:
            self._note.setVisible(not count)

    def _add_row(self, layout: Any, name: str) -> SettingRow:
        row = SettingRow(setting_fields()[name], self._settings)
        layout.addRow(row.label, row.box)
        self._connect(row.edited, row.on_edited)
        self._rows.append(row)
        return row
