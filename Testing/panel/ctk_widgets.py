"""Stand-ins of the CTK widgets of the form: what code sees of them, and nearly what a person sees.

As PythonQt shows them: of a method that is no slot nothing is seen. What has a property but no slot that sets it,
such as `collapsed`, is set by assignment.
"""

from __future__ import annotations

from PySide6.QtCore import Property, QDir, QEvent, QRect, QSettings, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOption,
    QStyleOptionButton,
    QToolButton,
    QWidget,
)
from pythonqt import dialogs, unwrap

__all__ = ["ctkCollapsibleButton", "ctkColorPickerButton", "ctkPathLineEdit", "ctkSliderWidget"]

_WAS_SHOWN = "visibilityToParent"


class ctkCollapsibleButton(QAbstractButton):  # noqa: N801
    """A header; what lies below can be folded away. Children that are hidden on purpose stay hidden."""

    contentsCollapsed = Signal(bool)  # noqa: N815

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = self._forcing = False
        self._maximum_height = self.maximumHeight()
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._header_height(), 0, 0)
        self.setBackgroundRole(QPalette.ColorRole.Window)
        self.toggled.connect(lambda checked: self._collapse(not checked))

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _get_collapsed, _set_collapsed)

    def _header_height(self) -> int:
        return self.fontMetrics().height() + 10

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setMaximumHeight(self._header_height() + 4 if collapsed else self._maximum_height)
        for child in self.children():
            if isinstance(child, QWidget):
                self._fold(child)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def _fold(self, child: QWidget) -> None:
        shown = child.property(_WAS_SHOWN)
        self._forcing = True
        child.setVisible(not self._collapsed and shown is not False)
        self._forcing = False
        if shown is not False:
            # As CTK does: a child that is hidden on purpose while all is folded away must hear of it.
            child.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)

    def childEvent(self, event) -> None:  # noqa: N802
        child = event.child()
        if event.type() == QEvent.Type.ChildAdded and isinstance(child, QWidget):
            child.installEventFilter(self)
        super().childEvent(event)

    def eventFilter(self, child, event) -> bool:  # noqa: N802
        if not self._forcing and child.parent() is self:
            if event.type() == QEvent.Type.ShowToParent:
                child.setProperty(_WAS_SHOWN, True)
                if self._collapsed:
                    self._fold(child)
            elif event.type() == QEvent.Type.HideToParent:
                child.setProperty(_WAS_SHOWN, False)
        return super().eventFilter(child, event)

    def hitButton(self, position) -> bool:  # noqa: N802
        return position.y() < self._header_height()

    def sizeHint(self):  # noqa: N802
        return self._hint(super().sizeHint())

    def minimumSizeHint(self):  # noqa: N802
        return self._hint(super().minimumSizeHint())

    def _hint(self, size):
        header = self._header_height()
        size.setHeight(header + 4 if self._collapsed else max(size.height(), header))
        return size

    def paintEvent(self, _event) -> None:  # noqa: N802
        painter = QPainter(self)
        header = QStyleOptionButton()
        header.initFrom(self)
        header.rect = QRect(0, 0, self.width(), self._header_height())
        self.style().drawControl(QStyle.ControlElement.CE_PushButtonBevel, header, painter, self)
        arrow = QStyleOption()
        arrow.initFrom(self)
        size = self._header_height() - 16
        arrow.rect = QRect(10, 8, size, size)
        kind = QStyle.PrimitiveElement
        direction = kind.PE_IndicatorArrowRight if self._collapsed else kind.PE_IndicatorArrowDown
        self.style().drawPrimitive(direction, arrow, painter, self)
        painter.drawText(header.rect.adjusted(18 + size, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self.text())


class ctkPathLineEdit(QWidget):  # noqa: N801
    """A path with a history and a button that browses."""

    currentPathChanged = Signal(str)  # noqa: N815
    validInputChanged = Signal(bool)  # noqa: N815

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters, self._key, self._name_filters = QDir.Filter.AllEntries, "", []
        self._combo = QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._combo.setMinimumContentsLength(8)
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        browse = QToolButton(self)
        browse.setText("...")
        browse.clicked.connect(lambda: self.browse())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(browse)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._combo.lineEdit().textChanged.connect(self.currentPathChanged)

    def _get_path(self) -> str:
        return self._combo.lineEdit().text()

    def setCurrentPath(self, path: str) -> None:  # noqa: N802
        self._combo.lineEdit().setText(path)

    def _get_filters(self) -> int:
        return self._filters.value

    def _set_filters(self, filters) -> None:
        self._filters = QDir.Filter(int(getattr(filters, "value", filters)))

    def _get_key(self) -> str:
        return self._key

    def _set_setting_key(self, key: str) -> None:
        self._key = key
        self.retrieveHistory()

    def _get_name_filters(self) -> list:
        return self._name_filters

    def _set_name_filters(self, filters: list) -> None:
        self._name_filters = list(filters)

    currentPath = Property(str, _get_path, setCurrentPath)  # noqa: N815
    filters = Property(int, _get_filters, _set_filters)
    settingKey = Property(str, _get_key, _set_setting_key)  # noqa: N815
    nameFilters = Property(list, _get_name_filters, _set_name_filters)  # noqa: N815

    def retrieveHistory(self) -> None:  # noqa: N802
        """The paths that were used before; the latest is taken if there is none yet."""
        known = QSettings().value(self._key, []) if self._key else []
        before = self.currentPath
        self._combo.blockSignals(True)
        self._combo.clear()
        self._combo.addItems([known] if isinstance(known, str) else [str(entry) for entry in known])
        self._combo.blockSignals(False)
        self.setCurrentPath(before or self._combo.itemText(0))

    def addCurrentPathToHistory(self) -> None:  # noqa: N802
        """Remember the path, the latest first."""
        if not self._key or not self.currentPath:
            return
        known = [self._combo.itemText(index) for index in range(self._combo.count())]
        paths = [self.currentPath, *(entry for entry in known if entry != self.currentPath)][:5]
        QSettings().setValue(self._key, paths)
        path = self.currentPath
        self.retrieveHistory()
        self.setCurrentPath(path)

    def browse(self) -> None:
        """Ask for a path."""
        kind = "getOpenFileName" if self._filters & QDir.Filter.Files else "getExistingDirectory"
        path = dialogs.take(f"{QFileDialog.__name__}.{kind}", (self.currentPath,))
        if path:
            self.setCurrentPath(path)
            self.addCurrentPathToHistory()


class ctkSliderWidget(QWidget):  # noqa: N801
    """A slider with a number beside it."""

    valueChanged = Signal(float)  # noqa: N815
    valueIsChanging = Signal(float)  # noqa: N815

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._spin = QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self._tracking = True
        self._spin.setRange(0.0, 99.0)
        self._spin.valueChanged.connect(self._on_value)
        self._slider.valueChanged.connect(self._on_slider)
        self._rescale()

    def _rescale(self) -> None:
        self._slider.blockSignals(True)
        step = self._spin.singleStep()
        self._slider.setRange(round(self._spin.minimum() / step), round(self._spin.maximum() / step))
        self._slider.setValue(round(self._spin.value() / step))
        self._slider.blockSignals(False)

    def _on_slider(self, position: int) -> None:
        self._spin.setValue(position * self._spin.singleStep())

    def _on_value(self, value: float) -> None:
        self._rescale()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _get_value(self) -> float:
        return self._spin.value()

    def setValue(self, value: float) -> None:  # noqa: N802
        self._spin.setValue(value)

    def _get_minimum(self) -> float:
        return self._spin.minimum()

    def _set_minimum(self, value: float) -> None:
        self._spin.setMinimum(value)
        self._rescale()

    def _get_maximum(self) -> float:
        return self._spin.maximum()

    def _set_maximum(self, value: float) -> None:
        self._spin.setMaximum(value)
        self._rescale()

    def _get_step(self) -> float:
        return self._spin.singleStep()

    def _set_single_step(self, step: float) -> None:
        self._spin.setSingleStep(step)
        self._rescale()

    def _get_decimals(self) -> int:
        return self._spin.decimals()

    def setDecimals(self, decimals: int) -> None:  # noqa: N802
        self._spin.setDecimals(decimals)

    def _get_suffix(self) -> str:
        return self._spin.suffix()

    def _set_suffix(self, suffix: str) -> None:
        self._spin.setSuffix(suffix)

    def _get_tracking(self) -> bool:
        return self._tracking

    def _set_tracking(self, tracking: bool) -> None:
        self._tracking = tracking

    value = Property(float, _get_value, setValue)
    minimum = Property(float, _get_minimum, _set_minimum)
    maximum = Property(float, _get_maximum, _set_maximum)
    singleStep = Property(float, _get_step, _set_single_step)  # noqa: N815
    decimals = Property(int, _get_decimals, setDecimals)
    suffix = Property(str, _get_suffix, _set_suffix)
    tracking = Property(bool, _get_tracking, _set_tracking)


class ctkColorPickerButton(QPushButton):  # noqa: N801
    """A button with the colour that it chooses."""

    colorChanged = Signal(QColor)  # noqa: N815

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self._color, self._display_name = QColor(0, 0, 0), True
        self.clicked.connect(lambda: self.changeColor())
        self._paint()

    def _paint(self) -> None:
        picture = QPixmap(16, 16)
        picture.fill(self._color)
        self.setIcon(picture)
        if self._display_name:
            self.setText(self._color.name())

    def _get_color(self) -> QColor:
        return self._color

    def setColor(self, color: QColor) -> None:  # noqa: N802
        if color != self._color:
            self._color = QColor(color)
            self._paint()
            self.colorChanged.emit(self._color)

    def _get_display_name(self) -> bool:
        return self._display_name

    def setDisplayColorName(self, shown: bool) -> None:  # noqa: N802
        self._display_name = shown
        self.setText("")
        self._paint()

    color = Property(QColor, _get_color, setColor)
    displayColorName = Property(bool, _get_display_name, setDisplayColorName)  # noqa: N815

    def changeColor(self) -> None:  # noqa: N802
        """Ask for another colour."""
        chosen = unwrap(dialogs.take("QColorDialog.getColor", (self._color,)))
        if chosen is not None and chosen.isValid():
            self.setColor(chosen)
