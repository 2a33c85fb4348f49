"""The overlays of a result: its widgets, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Optional

import ctk
import qt

from ..core.protocols import Host
from ..core.section import (
    EventWatch,
    Painting,
    Section,
    TextTable,
    fit_height,
    prepare_table,
    press,
    show_boxes,
    show_text,
)
from ..core.translation import _
from .caution import ml_text
from .overlay_rows import UNCERTAINTY, ClassVolume, OverlayColor, OverlayRow
from .overlays import ANATOMY, CONTOURS, FILLED, UNCERTAINTY_LOOK, Color
from .overlays_presenter import OverlaysPresenter

_ROW_PIXELS = 24
_MOST_VOLUMES_PIXELS = 10 * _ROW_PIXELS
_NAME, _IN_SLICES, _IN_3D, _OPACITY, _COLOR = range(5)
# Eight swatches fit into a narrow panel; more classes take another line.
_SWATCHES_IN_LINE = 8
_SWATCH_PIXELS = 20
# Space is typed, presses, opens or scrolls there.
_OTHER_MEANING = (
    "QLineEdit",
    "QAbstractSpinBox",
    "QTextEdit",
    "QPlainTextEdit",
    "QAbstractButton",
    "QComboBox",
    "QAbstractItemView",
    "QMenu",
    "QWebEngineView",
)
Permit = Callable[[Any, str], None]


class OverlaysSection(Section):
    """Which result is shown, how it is drawn, and how large it is."""

    def __init__(self, ui: Any, presenter: OverlaysPresenter, application: Host) -> None:
        """Bind the named widgets of the .ui file."""
        super().__init__(ui)
        self._presenter = presenter
        self._application = application
        self._is_active = False
        self._key = HideKey(application.main_window(), presenter.hold_hidden, (ui.regionsTable, ui.overlaysTable))
        self._table = OverlaysTable(ui.overlaysTable, presenter, self.permit)
        self._volumes = TextTable(ui.volumesTable, _fill_volume)
        prepare_table(ui.volumesTable, stretched=[0], row_pixels=_ROW_PIXELS)
        self._looks = (
            (ui.contoursLookButton, CONTOURS),
            (ui.filledLookButton, FILLED),
            (ui.uncertaintyLookButton, UNCERTAINTY_LOOK),
            (ui.anatomyLookButton, ANATOMY),
        )
        for button, look in self._looks:
            self.on_click(button, partial(self._do, partial(presenter.apply_look, look)))
        self.follow_unfolding(ui.overlaysSection, ui.reviewPage, application)
        self.on_input(ui.resultCombo.currentIndexChanged, self._on_result)
        self.on_input(ui.hideOthersCheckBox.toggled, presenter.set_hides_others)
        self.on_input(ui.cautionSlider.valueChanged, presenter.caution.set)
        self.on_input(ui.promiseCombo.currentIndexChanged, self._on_promise)
        self.on_click(ui.cautionResetButton, presenter.caution.reset)
        self.on_input(ui.legendCheckBox.toggled, presenter.uncertainty_map.set_legend)
        self.on_click(ui.copyVolumesButton, lambda: application.copy_text(presenter.volumes_text()))
        self.connect(presenter.changed, self._show)
        self._show()

    def set_active(self, active: bool) -> None:
        """Say whether the module is open and no region is being edited; only then does Space hide the overlays."""
        self._is_active = active
        self._permit_key()

    def cleanup(self) -> None:
        """Let go of everything, of the cells and the key too."""
        self._key.cleanup()
        super().cleanup()
        self._table.clear()
        self._volumes.show([])

    def _on_result(self, index: int) -> None:
        if index >= 0:
            self._do(partial(self._presenter.choose, self._ui.resultCombo.itemData(index)))

    def _on_promise(self, index: int) -> None:
        if index >= 0:
            self._presenter.caution.choose(index)

    def _do(self, action: Callable[[], object]) -> None:
        with self._application.drawn_once():
            self.attempt(self._ui.overlaysErrorLabel, action)

    def _show(self) -> None:
        with self._painting:
            _offer(self._ui.resultCombo, self._presenter.results, self._presenter.key)
            self._table.show()
            self._show_caution()
            self._ui.hideOthersCheckBox.setChecked(self._presenter.hides_others)
            self._ui.legendCheckBox.setChecked(self._presenter.uncertainty_map.has_legend)
            self._show_volumes()
        self._show_look()
        self.permit(self._ui.resultCombo, self._presenter.reason)
        self.permit(self._ui.legendCheckBox, self._presenter.uncertainty_map.reason)
        self.permit(self._ui.copyVolumesButton, self._presenter.reason_not_copyable)
        self._permit_key()
        show_text(self._ui.hideOthersCheckBox, self._presenter.others_text)
        show_text(self._ui.resultQualityLabel, self._presenter.quality_text)
        show_text(self._ui.overlaysStatusLabel, self._presenter.status)

    def _show_look(self) -> None:
        look, title = self._presenter.look, _("Overlays and volumes")
        for button, name in self._looks:
            self.permit(button, self._presenter.reason)
            press(button, name == look)
            if name == look:
                title = f"{title}: {button.text}"
        if not look and not self._presenter.reason:
            title = _("{title}: changed by hand").format(title=title)
        self._ui.overlaysSection.text = title

    def _permit_key(self) -> None:
        # While a region is edited, the key is the Segment Editor's.
        self._key.set_active(self._is_active and not self._presenter.reason and not self._presenter.is_edited)

    def _show_caution(self) -> None:
        caution, slider = self._presenter.caution, self._ui.cautionSlider
        slider.minimum, slider.maximum = caution.range  # PythonQt knows no setter of these
        slider.setValue(caution.value)
        # Cautions by what they hold of the errors, in place of numbers.
        _offer(self._ui.promiseCombo, dict(enumerate(caution.offers)), caution.offer)
        self._ui.promiseCombo.setVisible(bool(caution.offers))
        slider.setVisible(not caution.offers)
        show_text(self._ui.cautionMeaningLabel, caution.text)
        self.permit(slider, caution.reason)
        self.permit(self._ui.cautionResetButton, caution.reason_not_resettable)

    def _show_volumes(self) -> None:
        table, volumes = self._ui.volumesTable, self._presenter.volumes
        is_other = len(volumes) != len(self._volumes.rows)
        colors = {color.name: color.color for row in reversed(self._presenter.rows) for color in row.colors}
        self._volumes.show([(volume, colors.get(volume.name)) for volume in volumes])
        if is_other:
            fit_height(table, _MOST_VOLUMES_PIXELS)
        for column, mls in enumerate(
            zip(*((volume.conservative_ml, volume.radical_ml) for volume in volumes), strict=True), 2
        ):
            table.setColumnHidden(column, all(ml is None for ml in mls))


def _fill_volume(_index: int, items: list[Any], row: tuple[ClassVolume, Optional[Color]]) -> None:
    volume, color = row
    items[0].setText(volume.name)
    if color is not None:
        items[0].setData(qt.Qt.DecorationRole, qt_color(color))
    for item, ml in zip(items[1:], (volume.ml, volume.conservative_ml, volume.radical_ml), strict=False):
        item.setText("" if ml is None else ml_text(ml))
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)


def _offer(combo: Any, texts: Mapping[Any, str], chosen: object) -> None:
    """Fill a QComboBox with texts by key, unless it has them, and choose one."""
    if [(combo.itemData(index), combo.itemText(index)) for index in range(combo.count)] != list(texts.items()):
        combo.clear()
        for key, text in texts.items():
            combo.addItem(text, key)
    combo.setCurrentIndex(combo.findData(chosen) if texts else -1)


class OverlaysTable:
    """Paints the presenter's rows, and passes on what a person changes in them."""

    def __init__(self, table: Any, presenter: OverlaysPresenter, permit: Permit) -> None:
        """Prepare a QTableWidget of five columns; `permit` enables a widget, or greys it out with the reason."""
        self._table = table
        self._presenter = presenter
        self._permit = permit
        self._rows: list[_Row] = []
        self._painting = Painting()
        prepare_table(table, stretched=[_NAME])
        show_boxes(table)

    def show(self) -> None:
        """Paint the rows; widgets are made anew only where classes came or went."""
        rows = self._presenter.rows
        with self._painting:
            is_other = [_structure(row) for row in rows] != [row.structure for row in self._rows]
            if is_other:
                self._rebuild(rows)
            for widgets_of_row, row in zip(self._rows, rows, strict=False):
                widgets_of_row.show(row)
                for widget in widgets_of_row.widgets:
                    self._permit(widget, row.reason)
            shown = self._presenter.uncertainty_map
            _offer(self._rows[-1].colors, shown.color_maps, shown.color_map)
            if is_other:
                self._table.resizeRowsToContents()
                fit_height(self._table)

    def clear(self) -> None:
        """Take all rows off."""
        self._table.setRowCount(0)
        self._rows = []

    def _rebuild(self, rows: Sequence[OverlayRow]) -> None:
        self.clear()
        self._table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            widgets = _Row(row)
            self._table.setItem(number, _NAME, widgets.name)
            self._table.setCellWidget(number, _IN_SLICES, widgets.in_slices)
            if widgets.in_3d is not None:
                self._table.setCellWidget(number, _IN_3D, widgets.in_3d)
            self._table.setCellWidget(number, _OPACITY, widgets.opacity)
            self._table.setCellWidget(number, _COLOR, widgets.colors)
            self._connect(widgets)
            self._rows.append(widgets)

    def _connect(self, row: _Row) -> None:
        presenter = self._presenter
        self._on_input(row.in_slices.toggled, partial(presenter.set_visible_2d, row.kind))
        if row.in_3d is not None:
            self._on_input(row.in_3d.toggled, partial(presenter.set_visible_3d, row.kind))
        self._on_input(row.opacity.valueChanged, lambda percent: presenter.set_opacity(row.kind, percent / 100))
        if row.kind == UNCERTAINTY:
            self._on_input(row.colors.currentIndexChanged, self._on_color_map)
        for key, button in row.swatches.items():
            self._on_input(button.colorChanged, partial(self._on_color, row.kind, key))

    def _on_input(self, signal: Any, action: Callable[..., object]) -> None:
        signal.connect(lambda *sent: None if self._painting else action(*sent))

    def _on_color(self, kind: str, key: str, color: Any) -> None:
        self._presenter.set_color(kind, key, (color.red() / 255, color.green() / 255, color.blue() / 255))

    def _on_color_map(self, index: int) -> None:
        if index >= 0:
            self._presenter.uncertainty_map.set_color_map(self._rows[-1].colors.itemData(index))


class _Row:
    """The cells of one overlay."""

    def __init__(self, row: OverlayRow) -> None:
        self.kind = row.kind
        self.structure = _structure(row)
        self.name = qt.QTableWidgetItem(row.text)
        self.name.setToolTip(row.tool_tip)
        self.in_slices = _check_box(f"{row.kind}InSlicesCheckBox", _("Show it in slice views."))
        self.in_3d = None
        if row.visible_3d is not None:
            self.in_3d = _check_box(f"{row.kind}In3DCheckBox", _("Show it in 3D views. Missing surfaces are made."))
        self.opacity = qt.QSpinBox()
        self.opacity.setObjectName(f"{row.kind}OpacitySpinBox")
        self.opacity.setRange(0, 100)
        self.opacity.setSingleStep(5)
        self.opacity.setSuffix(" %")
        self.opacity.setKeyboardTracking(False)
        self.opacity.setToolTip(_("Opacity in slice views. Surfaces follow."))
        # A small button for each class; or a choice of color maps.
        self.swatches = {color.key: _swatch(row.kind, number, color) for number, color in enumerate(row.colors)}
        self.colors = _color_maps(row.kind) if row.kind == UNCERTAINTY else _grid(list(self.swatches.values()))

    @property
    def widgets(self) -> list[Any]:
        """All that a person can change."""
        boxes = [self.in_slices] if self.in_3d is None else [self.in_slices, self.in_3d]
        colors = [self.colors] if self.kind == UNCERTAINTY else self.swatches.values()
        return [*boxes, self.opacity, *colors]

    def show(self, row: OverlayRow) -> None:
        """Paint a row."""
        self.in_slices.setChecked(row.visible_2d)
        if self.in_3d is not None:
            self.in_3d.setChecked(bool(row.visible_3d))
        if self.opacity.value != round(100 * row.opacity):
            # Else what a person is typing would vanish.
            self.opacity.setValue(round(100 * row.opacity))
        for color in row.colors:
            self.swatches[color.key].setColor(qt_color(color.color))


def _swatch(kind: str, number: int, color: OverlayColor) -> Any:
    button = ctk.ctkColorPickerButton()
    button.setObjectName(f"{kind}ColorButton{number}")
    button.setDisplayColorName(False)
    button.setFixedSize(_SWATCH_PIXELS, _SWATCH_PIXELS)
    button.setToolTip(_("Color of {name}").format(name=color.name))
    return button


def _grid(buttons: Sequence[Any]) -> Any:
    widget = qt.QWidget()
    layout = qt.QGridLayout(widget)
    layout.setContentsMargins(2, 1, 2, 1)
    layout.setSpacing(2)
    for number, button in enumerate(buttons):
        layout.addWidget(button, number // _SWATCHES_IN_LINE, number % _SWATCHES_IN_LINE)
    layout.setColumnStretch(_SWATCHES_IN_LINE, 1)
    return widget


def _color_maps(kind: str) -> Any:
    combo = qt.QComboBox()
    combo.setObjectName(f"{kind}ColorMapCombo")
    combo.setToolTip(_("Colors from low to high uncertainty."))
    # Long names would push the other columns out of a narrow panel; a maximum width would be that of the column.
    combo.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    return combo


def qt_color(color: Color) -> Any:
    """A QColor of red, green, blue in [0, 1]."""
    return qt.QColor(*(round(255 * part) for part in color))


def _structure(row: OverlayRow) -> tuple[object, ...]:
    """What needs other widgets when it changes."""
    return (row.kind, *((color.key, color.name) for color in row.colors))


def _check_box(name: str, tool_tip: str) -> Any:
    box = qt.QCheckBox()
    box.setObjectName(name)
    box.setToolTip(tool_tip)
    box.setStyleSheet("margin-left: 6px")
    return box


class HideKey:
    """Space as a key of the main window, off until `set_active` and where the focus gives it another meaning."""

    def __init__(self, window: Any, on_held: Callable[[bool], None], tables: Sequence[Any] = ()) -> None:
        """Make the shortcut; without a window there is none.

        Args:
            window: the main window.
            on_held: is called with True when the key goes down, and with False when it is released.
            tables: those in which Space means nothing, although it does in others.
        """
        self._on_held = on_held
        self._tables = tuple(tables)
        self._is_active = False
        # Only while the key is held, since all events of the application pass by.
        self._release: Optional[EventWatch] = None
        self._shortcut: Any = None
        if window is None:
            return
        self._shortcut = qt.QShortcut(window)
        self._shortcut.setKey(qt.QKeySequence("Space"))
        self._shortcut.autoRepeat = False
        self._shortcut.enabled = False
        self._shortcut.activated.connect(self._begin)
        qt.QApplication.instance().focusChanged.connect(self._on_focus)

    def set_active(self, active: bool) -> None:
        """Let the key work, or leave it to others; what is hidden comes back."""
        self._is_active = active
        if not active:
            self._end()
        self._permit(qt.QApplication.focusWidget())

    def cleanup(self) -> None:
        """Take the key off the window."""
        self.set_active(False)
        if self._shortcut is not None:
            qt.QApplication.instance().focusChanged.disconnect(self._on_focus)
            self._shortcut.activated.disconnect(self._begin)
            self._shortcut.deleteLater()
            self._shortcut = None

    def _on_focus(self, _before: Any, widget: Any) -> None:
        self._permit(widget)

    def _permit(self, focus: Any) -> None:
        if self._shortcut is not None:
            self._shortcut.enabled = self._is_active and not self._has_other_meaning(focus)

    def _has_other_meaning(self, widget: Any) -> bool:
        if widget is None or any(widget is table or widget == table for table in self._tables):
            return False
        return any(widget.inherits(class_name) for class_name in _OTHER_MEANING)

    def _begin(self) -> None:
        if self._release is None:
            self._release = EventWatch(qt.QApplication.instance(), self._on_event)
            self._on_held(True)

    def _on_event(self, event: Any) -> None:
        """Wherever the focus is, the key is released; or the application is left while it is held."""
        kind = event.type()
        is_released = kind == qt.QEvent.KeyRelease and event.key() == qt.Qt.Key_Space and not event.isAutoRepeat()
        if is_released or kind == qt.QEvent.ApplicationDeactivate:
            self._end()

    def _end(self) -> None:
        if self._release is not None:
            self._release.end()
            self._release = None
            self._on_held(False)
