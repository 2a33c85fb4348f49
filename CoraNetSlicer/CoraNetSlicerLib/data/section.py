"""The section Data: its widgets, bound to the presenter."""

from __future__ import annotations

from typing import Any, Optional

import qt
from vtkmodules.vtkCommonCore import vtkIdList

from coranet.contract.errors import CoraNetError

from ..core.protocols import Host
from ..core.section import Section, show_boxes, show_text
from ..core.stepwise import Deferred
from ..core.translation import _
from .case_ranking import CaseRanking
from .case_report import Segment
from .cases_table import CasesTable
from .presenter import CasesPresenter

_FIXED = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsEnabled
# Pixels.
_SEGMENT_HEIGHT, _FRAME, _TALLEST_LIST = 20, 4, 120


class DataSection(Section):
    """The table of cases, the segments to learn, and what is wrong with them."""

    def __init__(
        self, ui: Any, presenter: CasesPresenter, application: Host, ranking: Optional[CaseRanking] = None
    ) -> None:
        super().__init__(ui)
        self._presenter = presenter
        self._application = application
        self._table = CasesTable(ui.casesTable, presenter, self._on_choose_label, ranking)
        self._segment_items: list[Any] = []
        self._painted_names = ""
        # Later: many changes at once are painted once, and a combo box is never replaced while it sends its signal.
        self._repaint = Deferred(application, self._show)
        # A few at a time: the folder may be at the other end of a slow network.
        self._look_at_files = Deferred(application, self._look_at_some_files)
        viewport = ui.casesTable.viewport()
        for widget in (ui.casesTable, viewport):
            widget.setAcceptDrops(True)
        self.on_event(viewport, self._on_event)
        self.on_click(ui.addVolumesButton, presenter.add_scene_volumes, ui.dataErrorLabel)
        self.on_click(ui.addFilesButton, self._add_files)
        self.on_click(ui.removeCasesButton, self._remove)
        self.on_click(ui.addChannelButton, presenter.add_channel, ui.dataErrorLabel)
        self.on_click(ui.removeChannelButton, presenter.remove_channel, ui.dataErrorLabel)
        self.connect(ui.channelNamesEdit.editingFinished, self._on_channel_names)
        self.connect(ui.casesTable.itemSelectionChanged, self._show_removable)
        self.connect(ui.casesTable.cellDoubleClicked, self._on_double_click)
        self.connect(ui.casesTable.horizontalHeader().sectionClicked, self._on_head)
        show_boxes(ui.segmentsList)
        self.on_input(ui.segmentsList.itemChanged, self._on_segment)
        if ranking is not None:
            self.connect(ranking.changed, self._repaint.request)
        self.connect(presenter.changed, self._repaint.request)
        self._show()

    def cleanup(self) -> None:
        """Let go of everything."""
        super().cleanup()
        self._repaint.close()
        self._look_at_files.close()
        self._table.close()

    def _add_files(self) -> None:
        answers = {"folder": _("Folder"), "datalist": _("Datalist"), "": _("Cancel")}
        kind = self._application.choose(
            _("Add a folder of images, or a datalist (dataset.json)? The files stay on disk."), answers
        )
        start = self._application.setting("CasesFolder")
        path = ""
        if kind == "folder":
            path = self._application.choose_folder(_("Folder of images"), start)
        elif kind == "datalist":
            path = self._application.choose_file(_("Datalist"), _("Datalist") + " (*.json)", start)
        if path and self.attempt(self._ui.dataErrorLabel, lambda: self._presenter.add_files(path)):
            self._application.set_setting("CasesFolder", path)

    def _on_choose_label(self, key: str) -> None:
        # Later: a window must not open while the combo box sends its signal.
        self._application.later(lambda: self._choose_label(key))

    def _choose_label(self, key: str) -> None:
        types = _("Label maps") + " (*.nrrd *.nii *.nii.gz *.mha *.mhd *.nhdr)"
        path = self._application.choose_file(_("Label map"), types, self._application.setting("CasesFolder"))
        if path:
            self.attempt(self._ui.dataErrorLabel, lambda: self._presenter.set_label_file(key, path))

    def _remove(self) -> None:
        show_text(self._ui.dataErrorLabel, "")
        self._presenter.remove(self._table.selected_keys)

    def _on_channel_names(self) -> None:
        text = self._ui.channelNamesEdit.text
        if self._presenter.channels and text != self._shown_names:
            self.attempt(self._ui.dataErrorLabel, lambda: self._presenter.name_channels(text))

    def _on_double_click(self, number: int, _column: int) -> None:
        key = self._table.key_at(number)
        row = next((row for row in self._presenter.rows if row.key == key), None)
        if row is not None and not row.is_file:
            self._application.show_volume(row.volume)

    def _on_head(self, column: int) -> None:
        if self._table.sort(column):
            self._repaint.request()

    def _on_segment(self, _item: Any) -> None:
        for item, segment in zip(self._segment_items, self._presenter.segments, strict=False):
            is_checked = item.checkState() == qt.Qt.Checked
            if is_checked != segment.learned:
                self._presenter.set_learned(segment.name, is_checked)
                return
            if str(item.text()) != _segment_text(segment):
                self._rename(segment.name, str(item.text()).removesuffix(_where(segment)))
                return

    def _rename(self, name: str, new: str) -> None:
        self.attempt(self._ui.dataErrorLabel, lambda: self._presenter.rename_segment(name, new))
        # Also where it was refused: the list still shows what was typed.
        self._repaint.request()

    def _on_event(self, event: Any) -> bool:
        """Accept what can be a case before the table sees it, and take it when it is dropped."""
        kind = event.type()
        if kind not in (qt.QEvent.DragEnter, qt.QEvent.DragMove, qt.QEvent.Drop):
            return False
        paths, items = _paths(event), _items(event)
        if not paths and not items:
            return False
        event.acceptProposedAction()
        if kind == qt.QEvent.Drop and paths:
            self._on_paths(paths)
        elif kind == qt.QEvent.Drop:
            self._on_items(items)
        return True

    def _on_paths(self, paths: list[str]) -> None:
        refusals = []
        for path in paths:
            try:
                self._presenter.add_files(path)
            except CoraNetError as error:
                refusals.append(str(error))
        show_text(self._ui.dataErrorLabel, "\n".join(refusals))

    def _on_items(self, items: list[int]) -> None:
        count = self._presenter.add_items(items)
        show_text(
            self._ui.dataErrorLabel,
            "" if count else _("Nothing new was dropped. Drop image volumes that are not in the table."),
        )

    def _show(self) -> None:
        ui, presenter = self._ui, self._presenter
        if not self._table.show():
            self._repaint.request()
        self._show_channels()
        self._show_segments()
        self._show_removable()
        self.permit(ui.addVolumesButton, presenter.reason_not_addable)
        ui.dataSummaryLabel.setText(presenter.report.summary)
        show_text(ui.dataFindingsLabel, presenter.report.findings_text)
        if presenter.has_unseen_files:
            self._look_at_files.request()

    def _look_at_some_files(self) -> None:
        if not self._presenter.look_at_files():
            self._look_at_files.request()

    def _show_removable(self) -> None:
        self.permit(self._ui.removeCasesButton, "" if self._table.selected_keys else _("Select rows first."))

    @property
    def _shown_names(self) -> str:
        return ", ".join(self._presenter.channels)

    def _show_channels(self) -> None:
        has_several = bool(self._presenter.channels)
        self._ui.channelsLabel.setVisible(has_several)
        self._ui.channelsWidget.setVisible(has_several)
        # What a person is typing stays until it is taken or another channel comes.
        if self._painted_names != self._shown_names:
            self._painted_names = self._shown_names
            self._ui.channelNamesEdit.setText(self._shown_names)

    def _show_segments(self) -> None:
        segments = self._presenter.segments
        with self._painting:
            self._ui.segmentsLabel.setVisible(bool(segments))
            self._ui.segmentsList.setVisible(bool(segments))
            if len(self._segment_items) != len(segments):
                self._ui.segmentsList.clear()
                self._segment_items = [qt.QListWidgetItem() for _segment in segments]
                for item in self._segment_items:
                    self._ui.segmentsList.addItem(item)
                self._ui.segmentsList.setMaximumHeight(min(_TALLEST_LIST, _SEGMENT_HEIGHT * len(segments) + _FRAME))
            for item, segment in zip(self._segment_items, segments, strict=False):
                item.setText(_segment_text(segment))
                item.setToolTip(_("Double-click to rename it.") if segment.is_renamable else "")
                item.setFlags(_FIXED | qt.Qt.ItemIsEditable if segment.is_renamable else _FIXED)
                item.setCheckState(qt.Qt.Checked if segment.learned else qt.Qt.Unchecked)


def _segment_text(segment: Segment) -> str:
    return segment.name + _where(segment)


def _where(segment: Segment) -> str:
    """How many cases have a segment, where not all do."""
    if segment.cases == segment.of:
        return ""
    return " (" + _("in {cases} of {all} cases").format(cases=segment.cases, all=segment.of) + ")"


def _paths(event: Any) -> list[str]:
    paths = [str(url.toLocalFile()) for url in event.mimeData().urls()]
    return [path for path in paths if path]


def _items(event: Any) -> list[int]:
    # The tree writes its items into the drag in a form of its own; so its items are used instead.
    tree = event.source()
    if tree is None or not hasattr(tree, "currentItems"):
        return []
    items = vtkIdList()
    tree.currentItems(items)
    return [items.GetId(index) for index in range(items.GetNumberOfIds())]
