"""The section Segment: its widgets, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Optional

import qt

from ..core.console_calls import CallLog, call
from ..core.protocols import Host
from ..core.section import Section, TextTable, prepare_table, release_focus, show_boxes, show_text
from ..core.translation import _
from .presenter import CaseRow, SegmentationPresenter
from .segmentation_source import SourceKind

_TALLEST_PIXELS = 180
_FRAME_PIXELS = 4


class SegmentSection(Section):
    """Choice of a model and of what is segmented, a button, and what becomes of each case."""

    def __init__(
        self, ui: Any, presenter: SegmentationPresenter, application: Host, calls: Optional[CallLog] = None
    ) -> None:
        super().__init__(ui, calls)
        self._presenter = presenter
        self._application = application
        self._folders: list[str] = []
        self._ticks: list[tuple[Any, str]] = []
        self._items: list[Any] = []
        actions = {"skip": self._skip, "load": self._load, "show": presenter.show}
        self._table = SegmentCasesTable(ui.segmentCasesTable, actions)
        for key, text in presenter.source.kinds:
            ui.segmentSourceCombo.addItem(text, key)
        self._connect_widgets()
        self._show()

    def _connect_widgets(self) -> None:
        ui, presenter, source = self._ui, self._presenter, self._presenter.source
        self.on_input(ui.modelCombo.currentIndexChanged, self._on_model)
        self.on_click(ui.browseModelButton, self._browse)
        self.on_input(ui.segmentSourceCombo.currentIndexChanged, self._on_source)
        self.on_click(ui.segmentUnlabeledButton, source.tick_unlabeled)
        self.on_input(ui.segmentVolumeSelector.currentNodeChanged, source.set_volume)
        show_boxes(ui.segmentVolumesList)
        self.on_input(ui.segmentVolumesList.itemChanged, self._on_tick)
        self.on_input(ui.inputFolderEdit.currentPathChanged, source.set_input_folder)
        self.on_input(ui.outputFolderEdit.currentPathChanged, source.set_output_folder)
        self.on_click(ui.segmentButton, self._segment)
        self.on_click(ui.cancelSegmentationButton, self._cancel)
        self.on_click(ui.resumeSegmentationButton, self._resume)
        self.connect(presenter.changed, self._show)

    def cleanup(self) -> None:
        """Let go of everything."""
        super().cleanup()
        self._table.cleanup()

    def _on_model(self, index: int) -> None:
        if 0 <= index < len(self._folders):
            self.attempt(self._ui.modelErrorLabel, partial(self._presenter.models.choose, self._folders[index]))

    def _browse(self) -> None:
        folder = self._application.choose_folder(_("Choose the folder of a model or of a training"))
        if folder:
            self.attempt(self._ui.modelErrorLabel, lambda: self._presenter.models.choose(folder))

    def _on_source(self, index: int) -> None:
        if index >= 0:
            self._presenter.source.set_kind(str(self._ui.segmentSourceCombo.itemData(index)))

    def _on_tick(self, item: Any) -> None:
        row = self._ui.segmentVolumesList.row(item)
        if 0 <= row < len(self._ticks):
            self._presenter.source.set_ticked(self._ticks[row][0], item.checkState() == qt.Qt.Checked)

    def _segment(self) -> None:
        source, chosen = self._presenter.source, self._presenter.models.chosen
        if not self.attempt(self._ui.segmentErrorLabel, self._presenter.start) or chosen is None:
            return
        if source.kind is SourceKind.FOLDER:
            self.note(call("segmentFolder", source.input_folder, source.output_folder or None, chosen.folder))
        else:
            self.note(call("segment", self._presenter.images, chosen.folder))

    def _cancel(self) -> None:
        handle = self._presenter.handle
        if self.attempt(self._ui.segmentErrorLabel, self._presenter.stop) and handle is not None:
            self.note(call("attach", handle.folder, then="cancel"))

    def _resume(self) -> None:
        if self.attempt(self._ui.segmentErrorLabel, self._presenter.resume) and self._presenter.handle is not None:
            self.note(call("attach", self._presenter.handle.folder, then="resume"))

    def _skip(self, case: str) -> None:
        self.attempt(self._ui.segmentErrorLabel, partial(self._presenter.skip, case))

    def _load(self, case: str) -> None:
        self.attempt(self._ui.segmentErrorLabel, partial(self._presenter.load, case))
        if self._presenter.handle is not None:
            self.note(call("loadResults", self._presenter.handle.folder))

    def _show(self) -> None:
        with self._painting:
            self._show_models()
            self._show_source()
            self._show_progress()
        self._table.show(self._presenter.rows)
        if self._presenter.error:
            show_text(self._ui.segmentErrorLabel, self._presenter.error)
        self.permit(self._ui.segmentButton, self._presenter.reason_not_startable)
        self.permit(self._ui.cancelSegmentationButton, self._presenter.reason_not_stoppable)
        self.permit(self._ui.resumeSegmentationButton, self._presenter.reason_not_resumable)

    def _show_models(self) -> None:
        models, combo = self._presenter.models, self._ui.modelCombo
        folders = [str(entry.folder) for entry in models.entries]
        if folders != self._folders:
            self._folders = folders
            combo.clear()
            for entry in models.entries:
                combo.addItem(entry.text, str(entry.folder))
            for index, entry in enumerate(models.entries):
                combo.setItemData(index, "\n".join([folders[index], *entry.card.plan]), qt.Qt.ToolTipRole)
        chosen = str(models.chosen.folder) if models.chosen is not None else ""
        index = folders.index(chosen) if chosen in folders else -1
        if combo.currentIndex != index:
            combo.setCurrentIndex(index)
            show_text(self._ui.modelErrorLabel, "")
        if models.error:
            show_text(self._ui.modelErrorLabel, models.error)
        self.permit(combo, "" if folders else models.reason_missing)
        self._ui.modelCardLabel.setToolTip(models.plan)
        show_text(self._ui.modelCardLabel, models.text or ("" if models.error else models.reason_missing))

    def _show_source(self) -> None:
        ui, source = self._ui, self._presenter.source
        keys = [key for key, _text in source.kinds]
        ui.segmentSourceCombo.setCurrentIndex(keys.index(source.kind.value))
        ui.segmentVolumeSelector.setVisible(source.kind is SourceKind.VOLUME)
        ui.segmentVolumesList.setVisible(source.kind is SourceKind.VOLUMES)
        for widget in (ui.inputFolderLabel, ui.inputFolderEdit, ui.outputFolderLabel, ui.outputFolderEdit):
            widget.setVisible(source.kind is SourceKind.FOLDER)
        if ui.segmentVolumeSelector.currentNode() is not source.volume:
            ui.segmentVolumeSelector.setCurrentNode(source.volume)
        self.permit(ui.segmentUnlabeledButton, source.reason_no_unlabeled)
        self._show_ticks()
        for edit, folder in ((ui.inputFolderEdit, source.input_folder), (ui.outputFolderEdit, source.output_folder)):
            if str(edit.currentPath).strip() != folder:
                edit.setCurrentPath(folder)
        is_folder = source.kind is SourceKind.FOLDER
        show_text(ui.segmentVolumeErrorLabel, source.volume_error)
        show_text(ui.inputFolderErrorLabel, (source.input_error or source.count_text) if is_folder else "")
        show_text(ui.outputFolderErrorLabel, source.output_error if is_folder else "")

    def _show_ticks(self) -> None:
        ticks = self._presenter.source.ticks
        widget = self._ui.segmentVolumesList
        named = [(tick.node, tick.name) for tick in ticks]
        if named != self._ticks:
            self._ticks = named
            widget.clear()
            self._items = []
            for tick in ticks:
                item = qt.QListWidgetItem(tick.name)
                item.setFlags(qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsEnabled)
                item.setCheckState(qt.Qt.Unchecked)
                widget.addItem(item)
                self._items.append(item)
        for item, tick in zip(self._items, ticks, strict=False):
            state = qt.Qt.Checked if tick.is_ticked else qt.Qt.Unchecked
            if item.checkState() != state:
                item.setCheckState(state)

    def _show_progress(self) -> None:
        lines = [self._presenter.status, *self._presenter.warnings]
        show_text(self._ui.segmentationStatusLabel, "\n".join(line for line in lines if line))


class SegmentCasesTable:
    """Shows what becomes of each case, with a button for the action (by name) that is called with the case."""

    def __init__(self, table: Any, actions: Mapping[str, Callable[[str], None]]) -> None:
        self._table = table
        self._actions = actions
        self._button_texts = {"skip": _("Skip"), "load": _("Load"), "show": _("Show")}
        self._tips = {
            "skip": _("Skip this case and continue with the others."),
            "load": _("Load the result into the scene. It replaces what is there."),
            "show": _("Bring the result into view."),
        }
        # By row: the button, what it does, and of which action and case that is.
        self._buttons: dict[int, tuple[Any, Any, tuple[str, str]]] = {}
        self._texts = TextTable(table, self._fill)
        prepare_table(table, stretched=[1])

    def show(self, rows: Sequence[CaseRow]) -> None:
        """Show rows in place of those before."""
        for index in [index for index in self._buttons if index >= len(rows)]:
            self._remove_button(index)
        self._texts.show(rows)
        self._table.resizeColumnToContents(2)
        # No taller than its rows, so that the panel stays short.
        height = self._table.horizontalHeader().height + self._table.verticalHeader().length() + _FRAME_PIXELS
        self._table.setFixedHeight(min(height, _TALLEST_PIXELS))

    def cleanup(self) -> None:
        """Let go of everything."""
        self.show([])

    def _fill(self, index: int, items: list[Any], row: CaseRow) -> None:
        for item, text in zip(items, (row.name, row.text), strict=False):
            item.setText(text)
            item.setToolTip(text)
        _button, _act, before = self._buttons.get(index, (None, None, ("", "")))
        if before != (row.action, row.case):
            self._remove_button(index)
            if row.action:
                self._add_button(index, row)

    def _add_button(self, index: int, row: CaseRow) -> None:
        button = qt.QPushButton(self._button_texts[row.action])
        button.setToolTip(self._tips[row.action])
        # Not the widget's own argument: `clicked` sends whether it is checked.
        act = partial(self._act, row.action, row.case)
        button.clicked.connect(act)
        self._table.setCellWidget(index, 2, button)
        self._buttons[index] = (button, act, (row.action, row.case))

    def _remove_button(self, index: int) -> None:
        button, act, _what = self._buttons.pop(index, (None, None, None))
        if button is not None:
            button.clicked.disconnect(act)
            release_focus(button)
            self._table.removeCellWidget(index, 2)

    def _act(self, action: str, case: str, _checked: bool = False) -> None:
        self._actions[action](case)
