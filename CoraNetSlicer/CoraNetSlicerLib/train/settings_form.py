"""Rows of a form for the settings of a training, made from what the settings say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Any

import qt

from ..core.section import Painting, say
from ..core.translation import _
from .training_settings import SettingField, TrainingSettings, setting_fields

_ROWS_AT_ONCE = 6


class SettingRow:
    """One setting: its label, its field, and below it what is wrong with it."""

    def __init__(self, field: SettingField, settings: TrainingSettings) -> None:
        """Make the widgets; they belong to nobody yet.

        Args:
            field: what the setting says of itself.
            settings: the texts.
        """
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
        for word in field.choices or field.proposals:
            self._edit.addItem(word)
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
        say(self._error, error[:1].upper() + error[1:])
        label = escape(_("{setting}:").format(setting=self.field.label))
        self.label.setText(f"<b>{label}</b>" if is_changed else label)
        if self._line is not None:
            # Emptied, it is what the preset says.
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
    """Some settings below each other, in the layout of a widget of the form."""

    def __init__(self, layout: Any, settings: TrainingSettings, connect: Callable[[Any, Any], None]) -> None:
        """Take an empty layout.

        Args:
            layout: a QFormLayout for rows, or a QVBoxLayout for groups of rows.
            settings: the texts.
            connect: connects a signal to a receiver, until the section ends.
        """
        self._layout = layout
        self._settings = settings
        self._connect = connect
        self._rows: list[SettingRow] = []
        self._groups: list[tuple[Any, Any, list[SettingRow]]] = []

    def add_rows(self, names: Iterable[str]) -> None:
        """Add a row for each of some settings."""
        for name in names:
            self._add_row(self._layout, name)

    def add_groups(self, without: Iterable[str]) -> Iterator[None]:
        """Add all settings but some, in a group for each section; a few rows whenever the next piece is asked for."""
        left = [field for field in setting_fields().values() if field.name not in set(without)]
        for section in dict.fromkeys(field.section for field in left):
            group = qt.QGroupBox(_(section.capitalize()))
            rows = qt.QFormLayout(group)
            added: list[SettingRow] = []
            self._groups.append((group, rows, added))
            self._layout.addWidget(group)
            for field in left:
                if field.section == section:
                    added.append(self._add_row(rows, field.name))
                    if len(added) % _ROWS_AT_ONCE == 0:
                        yield
            yield

    def show(self) -> None:
        """Bring all rows to the state of the settings."""
        for row in self._rows:
            row.show()

    def find(self, words: str) -> int:
        """Show the settings that fit some words, and hide the others. Returns how many are shown."""
        count = 0
        for group, _rows, added in self._groups:
            fitting = [row.field.matches(words) for row in added]
            for row, fits in zip(added, fitting, strict=False):
                row.set_visible(fits)
            group.setVisible(any(fitting))
            count += sum(fitting)
        return count

    def _add_row(self, layout: Any, name: str) -> SettingRow:
        row = SettingRow(setting_fields()[name], self._settings)
        layout.addRow(row.label, row.box)
        self._connect(row.edited, row.on_edited)
        self._rows.append(row)
        return row
