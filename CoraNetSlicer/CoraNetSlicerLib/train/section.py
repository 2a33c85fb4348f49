"""The section Train: its widgets, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from typing import Any, Optional

import qt

from ..core.console_calls import CallLog, call
from ..core.section import Painting, Section, problem_text, say
from ..core.text_colors import WARNING, Color, text_color
from ..core.translation import _
from .presenter import TrainingPresenter
from .settings_form import SettingsForm
from .training_settings import BASIC_SETTINGS
from .training_words import Message, sentence

_PARTS_OF_BAR = 1000
_MOST_MESSAGES = 6


class TrainSection(Section):
    """Settings, the estimate, and the training that is watched."""

    def __init__(
        self, ui: Any, presenter: TrainingPresenter, application: Any, calls: Optional[CallLog] = None
    ) -> None:
        """Bind the widgets.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            presenter: holds what is shown.
            application: as panel.application.Application.
            calls: gets the console calls of the buttons; None: nobody wants them.
        """
        super().__init__(ui, calls)
        self._application = application
        self._presenter = presenter
        self._problem = ""
        self._painting, self._typing = Painting(), Painting()
        self._is_emptied = False
        self._basic = SettingsForm(ui.basicSettings.layout(), presenter.settings, self.connect)
        self._basic.add_rows(BASIC_SETTINGS)
        # Dozens of rows: made when somebody looks at them.
        self._advanced: Optional[SettingsForm] = None
        self._rows_to_come: Optional[Iterator[None]] = None
        self._nothing_found: Any = None
        for name in presenter.settings.presets:
            ui.presetCombo.addItem(name)
        ui.trainingProgressBar.setRange(0, _PARTS_OF_BAR)
        for label in (ui.trainingStatusLabel, ui.trainingPlanLabel):
            label.setTextFormat(qt.Qt.PlainText)
        ui.trainingMessagesLabel.setTextFormat(qt.Qt.RichText)
        self._connect_widgets()
        self._on_advanced(bool(ui.advancedSection.collapsed))
        self._show_settings()
        self._show()

    def cleanup(self) -> None:
        """Let go of everything."""
        self._rows_to_come = None
        super().cleanup()

    def _connect_widgets(self) -> None:
        ui, presenter = self._ui, self._presenter
        self.connect(ui.presetCombo.currentIndexChanged, self._on_preset)
        self.connect(ui.advancedSection.contentsCollapsed, self._on_advanced)
        self.connect(ui.settingsFilterEdit.textChanged, self._on_filter)
        self.connect(ui.trainingNameEdit.textChanged, self._on_name)
        self.connect(ui.trainingNameEdit.editingFinished, self._on_name_finished)
        self.connect(ui.estimateButton.clicked, self._on_estimate)
        self.connect(ui.trainButton.clicked, self._on_train)
        self.connect(ui.stopTrainingButton.clicked, self._on_stop)
        self.connect(ui.resumeTrainingButton.clicked, self._on_resume)
        self.connect(ui.showCurvesButton.clicked, self._on_curves)
        self.connect(ui.showSnapshotsButton.clicked, self._on_snapshots)
        self.connect(presenter.settings.changed, self._show_settings)
        self.connect(presenter.changed, self._show)

    # -- from the person ---------------------------------------------------------------------------------------------

    def _on_preset(self, index: int) -> None:
        if not self._painting and index >= 0:
            self._do(lambda: self._presenter.settings.set_preset(self._presenter.settings.presets[index]))

    def _on_advanced(self, collapsed: bool) -> None:
        if collapsed or self._advanced is not None:
            return
        self._advanced = SettingsForm(self._ui.advancedSettings.layout(), self._presenter.settings, self.connect)
        self._rows_to_come = self._advanced.add_groups(without=BASIC_SETTINGS)
        self._add_rows()

    def _add_rows(self) -> None:
        """Make a few of the rows and the others later, so that the application answers."""
        if self._rows_to_come is None or self._advanced is None:
            return
        if next(self._rows_to_come, self) is self:
            self._rows_to_come = None
            self._nothing_found = qt.QLabel(_("No setting has these words in its name or meaning."))
            self._ui.advancedSettings.layout().addWidget(self._nothing_found)
        else:
            self._application.later(self._add_rows)
        self._on_filter(str(self._ui.settingsFilterEdit.text))

    def _on_filter(self, words: str) -> None:
        if self._advanced is None:
            return
        found = self._advanced.find(words)
        if self._nothing_found is not None:
            self._nothing_found.setVisible(not found)

    def _on_name(self, text: str) -> None:
        if self._painting:
            return
        with self._typing:  # the text stays as the person types it
            self._is_emptied = not text
            self._presenter.set_name(text)

    def _on_name_finished(self) -> None:
        self._is_emptied = False
        self._show()

    def _on_estimate(self, _checked: bool = False) -> None:
        running = self._presenter.estimate.is_running
        self._do(self._presenter.estimate.cancel if running else self._presenter.measure)

    def _on_train(self, _checked: bool = False) -> None:
        self._do(self._start)

    def _start(self) -> None:
        # Before it starts: the names of the next training are others.
        call_of_start = self._presenter.call_of_start()
        self._presenter.start()
        self.note(call_of_start)

    def _on_stop(self, _checked: bool = False) -> None:
        self._do(partial(self._act_on_job, self._presenter.stop, "cancel"))

    def _on_resume(self, _checked: bool = False) -> None:
        self._do(partial(self._act_on_job, self._presenter.resume, "resume"))

    def _act_on_job(self, action: Callable[[], object], method: str) -> None:
        handle = self._presenter.handle
        action()
        if handle is not None:
            self.note(call("attach", handle.folder, then=method))

    def _on_curves(self, _checked: bool = False) -> None:
        self._do(self._presenter.show_curves)

    def _on_snapshots(self, _checked: bool = False) -> None:
        self._do(self._presenter.show_snapshots)

    def _do(self, action: Callable[[], object]) -> None:
        self._problem = ""
        try:
            action()
        except Exception as error:  # noqa: BLE001 - somebody has clicked, and must not wait for nothing
            self._problem = sentence(problem_text(error))
        self._show()

    # -- to the person -----------------------------------------------------------------------------------------------

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
        self.permit(ui.showSnapshotsButton, presenter.reason_no_snapshots)
        say(ui.trainingErrorLabel, self._problem or presenter.error)
        ui.trainingProgressBar.setValue(round(_PARTS_OF_BAR * presenter.progress))
        ui.trainingStatusLabel.setText(presenter.status)
        say(ui.trainingPlanLabel, "\n".join(presenter.plan))
        color = text_color(ui.trainingMessagesLabel, WARNING)
        say(ui.trainingMessagesLabel, "".join(_paragraph(one, color) for one in presenter.messages[:_MOST_MESSAGES]))

    def _show_name(self) -> None:
        edit, name = self._ui.trainingNameEdit, self._presenter.name
        if str(edit.text) != name and not (self._typing or self._is_emptied):
            with self._painting:
                edit.setText(name)
        edit.setPlaceholderText(name)
        say(self._ui.trainingNameErrorLabel, self._presenter.name_error)

    def _show_estimate(self) -> None:
        estimate, ui = self._presenter.estimate, self._ui
        has_time = bool(self._presenter.settings.time)
        rest = _("Show plan") if has_time else _("Estimate time")
        ui.estimateButton.setText(_("Cancel") if estimate.is_running else rest)
        reason = "" if estimate.is_running else self._presenter.reason_not_estimable
        self.permit(ui.estimateButton, reason)
        if has_time and not reason:
            tip = _("Measure this computer, and say what is trained in the time there is; nothing is kept.")
            ui.estimateButton.setToolTip(tip)
        say(ui.estimateLabel, estimate.text)


def _paragraph(message: Message, color: Color) -> str:
    text = escape(message.text)
    if message.is_warning:
        hex_color = "#{:02x}{:02x}{:02x}".format(*color)
        text = f'<span style="color: {hex_color};"><b>{escape(_("Warning:"))}</b> {text}</span>'
    return f'<p style="margin: 2px 0px;">{text}</p>'
