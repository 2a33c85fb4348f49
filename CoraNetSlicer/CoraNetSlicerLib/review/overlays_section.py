"""The section Overlays: its widgets, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Optional

import qt

from ..core.section import Section, say
from .caution_dial import ml_text
from .class_volumes import ClassVolume
from .overlays_presenter import OverlaysPresenter
from .overlays_table import OverlaysTable, fit_height, qt_color

_ROW_PIXELS = 24
_MOST_VOLUMES_PIXELS = 10 * _ROW_PIXELS


class OverlaysSection(Section):
    """Which result is shown, how it is drawn, and how large it is."""

    def __init__(self, ui: Any, presenter: OverlaysPresenter, application: Any) -> None:
        """Bind the widgets.

        Args:
            ui: has the named widgets of the .ui file as attributes.
            presenter: holds what is shown.
            application: as panel.application.Application.
        """
        super().__init__(ui)
        self._presenter = presenter
        self._application = application
        self._is_painting = False
        self._volume_items: list[list[Any]] = []
        self._table = OverlaysTable(ui.overlaysTable, presenter, self.permit)
        self._prepare_volumes(ui.volumesTable)
        self._looks = ((ui.reviewLookButton, "review"), (ui.view3DLookButton, "3D"), (ui.plainLookButton, "plain"))
        for button, look in self._looks:
            self.connect(button.clicked, partial(self._on_look, look))
        self.connect(ui.resultCombo.currentIndexChanged, self._on_result)
        self.connect(ui.cautionSlider.valueChanged, self._on_caution)
        self.connect(ui.cautionResetButton.clicked, self._on_caution_reset)
        self.connect(ui.legendCheckBox.toggled, self._on_legend)
        self.connect(ui.copyVolumesButton.clicked, self._on_copy)
        self.connect(presenter.changed, self._show)
        self._show()

    def cleanup(self) -> None:
        """Let go of everything, of the cells too."""
        super().cleanup()
        self._table.clear()

    def _prepare_volumes(self, table: Any) -> None:
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_PIXELS)
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)

    # -- from the person ---------------------------------------------------------------------------------------------

    def _on_result(self, index: int) -> None:
        if not self._is_painting and index >= 0:
            self._do(partial(self._presenter.choose, self._ui.resultCombo.itemData(index)))

    def _on_look(self, look: str, _checked: bool = False) -> None:
        self._do(partial(self._presenter.apply_look, look))

    def _on_caution(self, caution: float) -> None:
        if not self._is_painting:
            self._presenter.caution.set(caution)

    def _on_caution_reset(self, _checked: bool = False) -> None:
        self._presenter.caution.reset()

    def _on_legend(self, checked: bool) -> None:
        if not self._is_painting:
            self._presenter.uncertainty_map.set_legend(checked)

    def _on_copy(self, _checked: bool = False) -> None:
        self._application.copy_text(self._presenter.volumes_text())

    def _do(self, action: Callable[[], object]) -> None:
        self.attempt(self._ui.overlaysErrorLabel, action)

    # -- to the person -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._is_painting = True
        try:
            self._show_results()
            self._table.show()
            self._show_caution()
            self._ui.legendCheckBox.setChecked(self._presenter.uncertainty_map.has_legend)
            self._show_volumes()
        finally:
            self._is_painting = False
        for button, _look in self._looks:
            self.permit(button, self._presenter.reason)
        self.permit(self._ui.resultCombo, self._presenter.reason)
        self.permit(self._ui.legendCheckBox, self._presenter.uncertainty_map.reason)
        self.permit(self._ui.copyVolumesButton, self._presenter.reason_not_copyable)
        say(self._ui.overlaysStatusLabel, self._presenter.status)

    def _show_results(self) -> None:
        combo, results = self._ui.resultCombo, self._presenter.results
        shown = {combo.itemData(index): combo.itemText(index) for index in range(combo.count)}
        if shown != results:
            combo.clear()
            for key, text in results.items():
                combo.addItem(text, key)
        combo.setCurrentIndex(combo.findData(self._presenter.key) if results else -1)

    def _show_caution(self) -> None:
        caution, slider = self._presenter.caution, self._ui.cautionSlider
        slider.minimum, slider.maximum = caution.range  # PythonQt knows no setter of these
        slider.setValue(caution.value)
        say(self._ui.cautionMeaningLabel, caution.text)
        self.permit(slider, caution.reason)
        self.permit(self._ui.cautionResetButton, caution.reason_not_resettable)

    def _show_volumes(self) -> None:
        table, volumes = self._ui.volumesTable, self._presenter.volumes
        table.setVisible(bool(volumes))
        if len(volumes) != len(self._volume_items):
            table.setRowCount(0)
            table.setRowCount(len(volumes))
            self._volume_items = [[qt.QTableWidgetItem() for _ in range(4)] for _ in volumes]
            for row, items in enumerate(self._volume_items):
                for column, item in enumerate(items):
                    table.setItem(row, column, item)
            fit_height(table, _MOST_VOLUMES_PIXELS)
        colors = {one.name: one.color for row in reversed(self._presenter.rows) for one in row.colors}
        for items, volume in zip(self._volume_items, volumes, strict=False):
            _show_volume(items, volume)
            if volume.name in colors:
                items[0].setData(qt.Qt.DecorationRole, qt_color(colors[volume.name]))


def _show_volume(items: list[Any], volume: ClassVolume) -> None:
    items[0].setText(volume.name)
    for item, ml in zip(items[1:], (volume.ml, volume.conservative_ml, volume.radical_ml), strict=False):
        item.setText(_number(ml))
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)


def _number(ml: Optional[float]) -> str:
    return "" if ml is None else ml_text(ml)
