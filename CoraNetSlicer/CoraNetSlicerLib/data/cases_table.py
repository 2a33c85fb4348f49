"""The table of cases: a row each, with a choice of role and segmentation in its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Optional

import qt

from coranet.contract import CaseUncertainty, image_name

from ..core.case_images import LabelFile
from ..core.section import ERROR, WARNING, Painting, prepare_table, text_color
from ..core.segment_classes import source_name
from ..core.translation import _
from .case_ranking import CaseRanking, CaseSorting, share_text
from .case_rows import CaseRole, CaseRow, Severity
from .presenter import CasesPresenter

# Further images of a case have columns of their own after these; they are moved beside the volume.
_VOLUME, _ROLE, _SEGMENTATION, _CHECK, _UNCERTAIN = range(5)
_ROLES = list(CaseRole)
# Each takes a few milliseconds, in which the application does not answer.
_ROWS_AT_A_TIME = 20
# In sight without scrolling, pixels and rows.
_ROW_HEIGHT, _FEWEST_ROWS, _MOST_ROWS = 30, 4, 8
# Pixels; of a combo box its arrow and margins.
_NARROWEST_COLUMN, _ARROW = 46, 36
CHOOSE_FILE = "..."
_TONES = {Severity.ERROR: ERROR, Severity.WARNING: WARNING}


class CasesTable:
    """Paints the presenter's rows, and passes on what a person chooses in them.

    `choose_label` lets a person choose the label map on disk of the row with a key.
    """

    def __init__(
        self,
        table: Any,
        presenter: CasesPresenter,
        choose_label: Callable[[str], None],
        ranking: Optional[CaseRanking] = None,
    ) -> None:
        self._ranking = ranking
        self._choose_label = choose_label
        self._sorting = CaseSorting()
        self._table = table
        self._presenter = presenter
        self._rows: list[_Row] = []
        self._painting = Painting()
        prepare_table(table, stretched=(_VOLUME, _SEGMENTATION))
        # Names differ at their ends.
        table.setTextElideMode(qt.Qt.ElideMiddle)
        table.setWordWrap(False)
        header = table.horizontalHeader()
        header.setMinimumSectionSize(_NARROWEST_COLUMN)
        header.sectionResized.connect(self._on_width)
        header.setSectionsClickable(True)
        table.horizontalHeaderItem(_UNCERTAIN).setToolTip(
            _("How much of the latest segmentation of the volume is uncertain. Click to sort.")
        )

    @property
    def selected_keys(self) -> list[str]:
        """Keys of the rows that are selected."""
        numbers = sorted({item.row() for item in self._table.selectedItems()})
        return [self._rows[number].key for number in numbers if number < len(self._rows)]

    def key_at(self, number: int) -> str:
        """Key of the row of a number."""
        return self._rows[number].key

    def show(self) -> bool:
        """Paint the rows; those that stay keep their widgets, and of many new ones only some are made at a time.

        Returns whether all are painted; if not, call it again.
        """
        known = {row.key: self._ranking.of(row) for row in self._presenter.rows} if self._ranking else {}
        rows = self._sorting.sorted(self._presenter.rows, known)
        with self._painting:
            self._show_channels()
            self._remove_all_but([row.key for row in rows])
            for row in rows[len(self._rows) :][:_ROWS_AT_A_TIME]:
                self._append(row)
            for widgets, row in zip(self._rows, rows, strict=False):
                widgets.show(row, self._presenter.segmentation_choices(row.key), self._volumes(row))
                widgets.show_uncertainty(known.get(row.key))
        self._table.setColumnHidden(_UNCERTAIN, not any(known.values()))
        self._table.setMinimumHeight(_ROW_HEIGHT * (1 + min(max(len(rows), _FEWEST_ROWS), _MOST_ROWS)))
        return len(self._rows) == len(rows)

    def sort(self, column: int) -> bool:
        """Sort by a column whose head was clicked, the other way round, or not at all.

        Returns whether there is another order to be painted.
        """
        if column != _UNCERTAIN:
            return False
        self._sorting.click()
        header = self._table.horizontalHeader()
        header.setSortIndicatorShown(self._sorting.is_sorted)
        descending = qt.Qt.DescendingOrder if self._sorting.is_descending else qt.Qt.AscendingOrder
        header.setSortIndicator(_UNCERTAIN, descending)
        return True

    def _volumes(self, row: CaseRow) -> list[Any]:
        return self._presenter.image_choices(row.key) if row.more else []

    def _show_channels(self) -> None:
        """Make a column for each further image of a case, beside the volume."""
        names, table = self._presenter.channels, self._table
        columns = _UNCERTAIN + max(1, len(names))
        if table.columnCount != columns:
            self._remove_all_but([])
            table.setColumnCount(columns)
            header = table.horizontalHeader()
            for number, column in enumerate(range(_UNCERTAIN + 1, columns), start=1):
                table.setHorizontalHeaderItem(column, qt.QTableWidgetItem())
                header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
                header.moveSection(header.visualIndex(column), number)
        table.horizontalHeaderItem(_VOLUME).setText(names[0] if names else _("Volume"))
        for column, name in enumerate(names[1:], start=_UNCERTAIN + 1):
            table.horizontalHeaderItem(column).setText(name)

    def close(self) -> None:
        """Take all rows off, and listen no longer."""
        self._table.horizontalHeader().sectionResized.disconnect(self._on_width)
        self._remove_all_but([])

    def _on_width(self, column: int, _before: int, width: int) -> None:
        for row in self._rows:
            row.fit(column, width)

    def _remove_all_but(self, keys: Sequence[str]) -> None:
        for number in reversed(range(len(self._rows))):
            if self._rows[number].key not in keys:
                self._table.removeRow(number)
                del self._rows[number]
        if [row.key for row in self._rows] != list(keys[: len(self._rows)]):
            self._table.setRowCount(0)
            self._rows.clear()

    def _append(self, row: CaseRow) -> None:
        widgets, number = _Row(row.key, len(row.more)), len(self._rows)
        # Before the table sees the widgets: it makes its columns as wide as they are now.
        widgets.show(row, self._presenter.segmentation_choices(row.key), self._volumes(row))
        widgets.role.currentIndexChanged.connect(partial(self._on_role, widgets))
        widgets.segmentation.combo.currentIndexChanged.connect(partial(self._on_segmentation, widgets))
        self._table.setRowCount(number + 1)
        self._table.setItem(number, _VOLUME, widgets.volume)
        self._table.setItem(number, _CHECK, widgets.check)
        self._table.setItem(number, _UNCERTAIN, widgets.uncertain)
        self._table.setCellWidget(number, _ROLE, widgets.role)
        self._table.setCellWidget(number, _SEGMENTATION, widgets.segmentation.combo)
        for channel, choice in enumerate(widgets.images, start=1):
            choice.combo.currentIndexChanged.connect(partial(self._on_image, widgets, channel))
            self._table.setCellWidget(number, _UNCERTAIN + channel, choice.combo)
        self._rows.append(widgets)
        for column in range(self._table.columnCount):
            widgets.fit(column, self._table.columnWidth(column))

    def _on_role(self, row: _Row, *_sent: Any) -> None:
        if not self._painting:
            self._presenter.set_role(row.key, _ROLES[row.role.currentIndex])

    def _on_image(self, row: _Row, channel: int, *_sent: Any) -> None:
        if not self._painting:
            self._presenter.set_image(row.key, channel, row.images[channel - 1].chosen)

    def _on_segmentation(self, row: _Row, *_sent: Any) -> None:
        if self._painting:
            return
        if row.segmentation.chosen != CHOOSE_FILE:
            self._presenter.set_segmentation(row.key, row.segmentation.chosen)
            return
        with self._painting:
            row.segmentation.show_again()
        self._choose_label(row.key)


class _Row:
    """The cells of one case."""

    def __init__(self, key: str, more_images: int = 0) -> None:
        self.key = key
        self.images = [_Choice(f"imageCombo{channel}_{key}") for channel in range(1, more_images + 1)]
        self.segmentation = _Choice(f"segmentationCombo{key}")
        self.volume = qt.QTableWidgetItem()
        self.check = qt.QTableWidgetItem()
        self.uncertain = qt.QTableWidgetItem()
        self.uncertain.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        self.role = qt.QComboBox()
        self.role.setObjectName(f"roleCombo{key}")
        for index, role in enumerate(_ROLES):
            self.role.addItem(role.text)
            self.role.setItemData(index, role.explanation, qt.Qt.ToolTipRole)
        self._shown: Any = None

    def fit(self, column: int, width: int) -> None:
        """Fit the names in a column into its width in pixels."""
        choices = {_SEGMENTATION: self.segmentation, **dict(enumerate(self.images, start=_UNCERTAIN + 1))}
        if column in choices:
            choices[column].fit(width)

    def show(self, row: CaseRow, nodes: Sequence[Any], volumes: Sequence[Any] = ()) -> None:
        """Paint a row with the segmentation nodes and further volume nodes that can be chosen."""
        texts = [source_name(node) for node in nodes]
        shown = (row, row.name, texts, [volume.GetName() for volume in volumes])
        if shown == self._shown:
            return
        self._shown = shown
        self.volume.setText(row.name)
        self.volume.setToolTip(row.volume if row.is_file else row.name + "\n" + _("Double-click to see it."))
        self.role.setCurrentIndex(_ROLES.index(row.role))
        self.role.setToolTip(row.role.explanation)
        for choice in (self.segmentation, *self.images):
            choice.case = row.name
        self._show_segmentation(row, nodes)
        for choice, image in zip(self.images, row.more, strict=False):
            _show_image(choice, image, volumes)
        self._show_findings(row)

    def show_uncertainty(self, uncertainty: Optional[CaseUncertainty]) -> None:
        """Paint how uncertain the latest segmentation is; None: there is none."""
        self.uncertain.setText(share_text(uncertainty))
        self.uncertain.setToolTip(uncertainty.reason if uncertainty is not None else "")

    def _show_segmentation(self, row: CaseRow, nodes: Sequence[Any]) -> None:
        own = row.segmentation
        choices: list[tuple[Any, str]] = [(None, _("none"))]
        if row.is_file:
            choices += [] if own is None else [(own, source_name(own))]
            choices.append((CHOOSE_FILE, _("Choose a file...")))
            explanation = own.path if isinstance(own, LabelFile) else _("The label map of this image, also on disk.")
        else:
            choices += [(node, source_name(node)) for node in nodes]
            explanation = _("The segmentation of this volume. Those of other cases are not offered.")
        self.segmentation.show(choices, own, explanation)

    def _show_findings(self, row: CaseRow) -> None:
        if row.findings:
            worst = row.findings[0]
            more = f" (+{len(row.findings) - 1})" if len(row.findings) > 1 else ""
            self.check.setText(worst.short + more)
            self.check.setForeground(qt.QBrush(qt.QColor(*text_color(self.role, _TONES[worst.severity]))))
        else:
            self.check.setText("" if row.role is CaseRole.IGNORED else _("OK"))
            self.check.setForeground(qt.QBrush())
        self.check.setToolTip("\n".join(finding.text for finding in row.findings))


class _Choice:
    """A combo box of nodes or files; of names that are too long for it, the middle is left out.

    `case` is the name of the case: what begins with it need not repeat it.
    """

    def __init__(self, name: str) -> None:
        self.combo = qt.QComboBox()
        self.combo.setObjectName(name)
        self.combo.setMinimumContentsLength(1)
        self.case = ""
        self._choices: list[tuple[Any, str]] = [(None, "")]
        self._index = self._width = 0

    @property
    def chosen(self) -> Any:
        """What is chosen; None: nothing."""
        return self._choices[self.combo.currentIndex][0]

    def show(self, choices: Sequence[tuple[Any, str]], chosen: Any, explanation: str, enabled: bool = True) -> None:
        """Paint what can be chosen, each with its name; the tool tip has the name of the chosen and the explanation."""
        self._choices = list(choices)
        nodes = [choice for choice, _name in choices]
        self._index = nodes.index(chosen) if chosen in nodes else 0
        if self.combo.count != len(choices):
            self.combo.clear()
            self.combo.addItems([name for _choice, name in choices])
        for index, (_choice, name) in enumerate(choices):
            self.combo.setItemData(index, name, qt.Qt.ToolTipRole)
        self.fit(self._width)
        name = "" if chosen is None else choices[self._index][1]
        self.combo.setEnabled(enabled)
        self.combo.setToolTip("\n".join(filter(None, (name, explanation))))
        self.show_again()

    def show_again(self) -> None:
        """Show what was chosen before a person chose something else."""
        self.combo.setCurrentIndex(self._index)

    def fit(self, width: int) -> None:
        """Fit the names into a width in pixels; 0: unknown yet."""
        self._width = width
        metrics = qt.QFontMetrics(self.combo.font)
        for index, (_choice, name) in enumerate(self._choices):
            text = name
            if width and metrics.elidedText(name, qt.Qt.ElideMiddle, width - _ARROW) != name:
                ending = name.removeprefix(self.case) if self.case else name
                short = f"\u2026{ending}" if 0 < len(ending) < len(name) else name
                text = metrics.elidedText(short, qt.Qt.ElideMiddle, width - _ARROW)
            if str(self.combo.itemText(index)) != text:
                self.combo.setItemText(index, text)


def _show_image(choice: _Choice, image: Optional[Any], volumes: Sequence[Any]) -> None:
    if isinstance(image, str):
        choice.show([(image, image_name(image))], image, image, enabled=False)
    else:
        named = [(volume, str(volume.GetName())) for volume in volumes]
        explanation = _("The image of this channel. Those of other cases are not offered.")
        choice.show([(None, _("none")), *named], image, explanation)
