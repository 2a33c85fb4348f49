"""The section Review: the worklist of uncertain regions, its buttons and its keys, bound to the presenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import qt

from coranet.contract import Choice

from ..core.protocols import Host
from ..core.section import Painting, Section, TextTable, fit_height, prepare_table, release_focus, show_text
from ..core.translation import _
from .presenter import ReviewPresenter
from .region_editing import MASK_SEGMENT
from .slide_presenter import SliceGestures, WheelTurn
from .worklist import SORT_COLUMNS, RegionOrder, RegionRow, short_ml

_ROW_PIXELS = 22
# So many rows at once: worklist, answers and undo are seen together in a panel of 800 pixels, whatever the texts say.
_MOST_ROWS = 8
# Seen on light and on dark ground.
_DONE = (67, 160, 71, 80)
_STRUCTURE, _NUMBERS = 1, (0, 2, 3)
_EFFECTS = ("Paint", "Draw", "Erase", "Scissors", "Smoothing")
_UNDO_STATES, _EDITOR_PIXELS = 10, 300
Action = Callable[[], None]
_TYPED_INTO = ("QLineEdit", "QAbstractSpinBox", "QTextEdit", "QPlainTextEdit")


class ReviewSection(Section):
    """What is uncertain, one place after the other."""

    def __init__(self, ui: Any, presenter: ReviewPresenter, application: Host) -> None:
        """Bind the named widgets of the .ui file."""
        super().__init__(ui)
        self._presenter = presenter
        self._application = application
        self._is_active = False
        self._passing = ""
        self._table = RegionsTable(ui.regionsTable, lambda number: self._on_click(partial(presenter.choose, number)))
        self._editor = RegionEditor(ui.regionEditorHost, application)
        ui.reviewProgressBar.setRange(0, 100)
        actions = self._actions()
        for button, _key, action in actions:
            self.on_click(button, partial(self._on_click, action))
        self.connect(ui.regionsTable.itemSelectionChanged, self._table.on_selection)
        head = ui.regionsTable.horizontalHeader()
        self.connect(head.sectionClicked, lambda column: presenter.sort(SORT_COLUMNS[column]))
        self.connect(presenter.changed, self._show)
        # The panel shows the reason when the key of a greyed-out button is pressed.
        window = application.main_window()
        self._keys = ReviewKeys(window, {key: action for _button, key, action in actions}, self._on_click)
        self._slide_keys = ReviewKeys(window, self._sliding_actions(), self._on_click, repeats=True)
        self._ending_keys = ReviewKeys(window, self._ending_actions(), self._on_click)
        self._gestures = SliceGestures(presenter.scene, application, self._on_wheel)
        # Always there, unless the page is turned or the panel out of sight.
        self.on_event(ui.resultCombo, self._on_event)
        self._is_in_sight = bool(ui.resultCombo.isVisible())
        presenter.set_watched(self._is_in_sight)
        self._show()

    def set_active(self, active: bool) -> None:
        """Say whether the module is open; only then do its keys work."""
        self._is_active = active
        self._show_keys()

    def cleanup(self) -> None:
        """Let go of everything, of the keys too."""
        self._gestures.set_active(False)
        for keys in (self._keys, self._slide_keys, self._ending_keys):
            keys.cleanup()
        self._editor.show(None)
        super().cleanup()
        self._table.clear()

    def _actions(self) -> list[tuple[Any, str, Action]]:
        """Button, its key, and what both do."""
        ui, presenter = self._ui, self._presenter
        return [
            (ui.conservativeRegionButton, "1", partial(presenter.decide, Choice.CONSERVATIVE)),
            (ui.radicalRegionButton, "2", partial(presenter.decide, Choice.RADICAL)),
            (ui.keepRegionButton, "3", partial(presenter.decide, Choice.KEEP)),
            (ui.editRegionButton, "E", self._edit),
            (ui.doneEditingButton, "", partial(presenter.end_edit, True)),
            (ui.discardEditButton, "", partial(presenter.end_edit, False)),
            (ui.undoRegionButton, "U", presenter.undo),
            (ui.redoRegionButton, "", presenter.redo),
            (ui.nextRegionButton, "N", partial(presenter.go, 1)),
            (ui.previousRegionButton, "P", partial(presenter.go, -1)),
        ]

    def _sliding_actions(self) -> dict[str, Action]:
        """What moves the boundary, by key. With Shift, "+" is the key "=" on many keyboards."""
        slide = self._presenter.slides.turn
        return {
            "+": partial(slide, 1),
            "=": partial(slide, 1),
            "-": partial(slide, -1),
            "]": partial(slide, 1, True),
            "[": partial(slide, -1, True),
        }

    def _ending_actions(self) -> dict[str, Action]:
        """What ends a slide, by key; the keys are everybody's while none is under way."""
        take, discard = self._presenter.slides.take_and_go_on, self._presenter.slides.discard
        return {"Return": take, "Enter": take, "Escape": discard}

    def _on_wheel(self, turn: WheelTurn) -> bool:
        if self._presenter.slides.reason:
            return False
        self._on_click(partial(self._presenter.slides.turn_wheel, turn))
        return True

    def _on_click(self, action: Action) -> None:
        with self._application.drawn_once():
            is_done = self.attempt(self._ui.reviewErrorLabel, action)
        message = str(self._ui.reviewErrorLabel.text)
        # A reason that passes is shown until it has passed.
        self._passing = message if not is_done and message in self._presenter.reasons else ""
        self._show_note()

    def _edit(self) -> None:
        self._presenter.edit(self._editor.widget is not None)

    def _on_event(self, event: Any) -> None:
        """Folded away, covered by another module, or closed: nothing is kept up to date."""
        kind = event.type()
        if kind in (qt.QEvent.Show, qt.QEvent.Hide):
            self._is_in_sight = kind == qt.QEvent.Show
            self._presenter.set_watched(self._is_in_sight)
            self._show_keys()

    def _show(self) -> None:
        ui, presenter = self._ui, self._presenter
        if str(ui.reviewTitleLabel.text) != presenter.reason or (
            self._passing and self._passing not in presenter.reasons
        ):
            # What was shown of another result, or of a reason that has passed, is over.
            self._passing = ""
            show_text(ui.reviewErrorLabel, "")
        show_text(ui.reviewTitleLabel, presenter.reason)
        ui.reviewProgressBar.setValue(int(100 * presenter.share_done))
        ui.reviewProgressBar.setVisible(bool(presenter.rows))
        show_text(ui.reviewProgressLabel, presenter.progress)
        show_text(ui.regionQuestionLabel, presenter.question)
        show_text(ui.slideLabel, presenter.slides.text)
        self._table.set_titles(presenter.column_titles)
        self._table.show(presenter.rows, presenter.number, presenter.order)
        for button in self._deciding:
            self.permit(button, presenter.reason_not_decidable)
        for button in (ui.nextRegionButton, ui.previousRegionButton):
            self.permit(button, presenter.reason_not_movable)
        self.permit(ui.undoRegionButton, presenter.reason_not_undoable)
        self.permit(ui.redoRegionButton, presenter.reason_not_redoable)
        self._show_edit()
        self._show_note()
        self._show_keys()

    @property
    def _deciding(self) -> tuple[Any, ...]:
        ui = self._ui
        return ui.conservativeRegionButton, ui.radicalRegionButton, ui.keepRegionButton, ui.editRegionButton

    def _show_edit(self) -> None:
        """While a region is edited, the editor has the place of all else."""
        ui, presenter = self._ui, self._presenter
        is_editing = bool(presenter.edited)
        if is_editing or not presenter.rows:
            release_focus(*self._deciding)
        if is_editing:
            in_panel = _("{title}: paint or erase. Nothing outside of it changes.")
            elsewhere = _("{title} is being edited in the Segment Editor. Nothing outside of it changes.")
            text = in_panel if presenter.editor is not None else elsewhere
            ui.editingLabel.setText(text.format(title=presenter.edited_title))
        else:
            release_focus(ui.doneEditingButton, ui.discardEditButton)
        self._editor.show(presenter.editor)
        ui.decidingBox.setVisible(bool(presenter.rows) and not is_editing)
        ui.editingRow.setVisible(is_editing)
        for fold in (ui.overlaysSection, ui.teachBackSection):
            fold.setVisible(not is_editing)

    def _show_note(self) -> None:
        if self._presenter.note:
            show_text(self._ui.reviewErrorLabel, self._presenter.note)

    def _show_keys(self) -> None:
        presenter = self._presenter
        is_open = self._is_active and self._is_in_sight and not presenter.reason
        self._keys.set_active(is_open)
        # The Segment Editor has such keys, too.
        self._slide_keys.set_active(is_open and not presenter.edited)
        self._ending_keys.set_active(is_open and presenter.slides.is_under_way)
        self._gestures.set_active(is_open and not presenter.edited)


class RegionEditor:
    """The widget of the Segment Editor inside the panel; it is made when it is needed for the first time.

    Its node holds what is edited, where, and with which effect; see region_editing.
    """

    def __init__(self, host: Any, application: Host) -> None:
        """Have no widget yet; `host` is a QWidget with a layout, which gets it."""
        self._host = host
        self._application = application
        self._is_prepared = self._is_shown = False
        host.setVisible(False)

    @cached_property
    def widget(self) -> Any:
        """A qMRMLSegmentEditorWidget; None: the application has no such widget."""
        return self._application.new_segment_editor()

    def show(self, editor_node: Any) -> None:
        """Show the editor of a vtkMRMLSegmentEditorNode; None: hide it."""
        begins, self._is_shown = editor_node is not None and not self._is_shown, editor_node is not None
        if begins and self.widget is not None:
            self._bind(self.widget, editor_node)
        self._host.setVisible(self._is_shown)

    def _bind(self, widget: Any, editor_node: Any) -> None:
        # In this order: a scene without a node would choose some nodes by itself, effects need a node, and the parts
        # that are hidden must be so before an effect is active.
        effect = editor_node.GetActiveEffectName()
        if not self._is_prepared:
            editor_node.SetActiveEffectName("")
        widget.setMRMLSegmentEditorNode(editor_node)
        widget.setMRMLScene(editor_node.GetScene())
        if not self._is_prepared:
            self._is_prepared = True
            self._prepare(widget)
        # What was done in another region cannot be undone in this one.
        widget.undoEnabled = True
        editor_node.SetActiveEffectName(effect)

    def _prepare(self, widget: Any) -> None:
        widget.setEffectNameOrder(list(_EFFECTS))
        widget.unorderedEffectsVisible = False
        # As narrow as the panel may be.
        widget.effectColumnCount = 1
        widget.setMinimumWidth(_EDITOR_PIXELS)
        widget.segmentationNodeSelectorVisible = False
        widget.sourceVolumeNodeSelectorVisible = False
        widget.switchToSegmentationsButtonVisible = False
        widget.addRemoveSegmentButtonsVisible = False
        widget.show3DButtonVisible = False
        widget.specifyGeometryButtonVisible = False
        # The mask is the region, and is not to be changed.
        widget.maskingSectionVisible = False
        for segments in widget.findChildren("qMRMLSegmentsTableView"):
            segments.setHideSegments([MASK_SEGMENT])
        widget.setMaximumNumberOfUndoStates(_UNDO_STATES)
        self._host.layout().addWidget(widget)


class RegionsTable:
    """Shows the worklist, and passes on to which region a person goes."""

    def __init__(self, table: Any, on_choice: Callable[[int], None]) -> None:
        """Prepare a QTableWidget of five columns; `on_choice` gets the number of the region that a person goes to."""
        self._table = table
        self._on_choice = on_choice
        self._titles: list[str] = []
        self._number = 0
        self._painting = Painting()
        self._texts = TextTable(table, _fill_row)
        prepare_table(table, stretched=[_STRUCTURE], row_pixels=_ROW_PIXELS)
        # Else a place of several words is cut after the first ones.
        table.setWordWrap(False)
        header = table.horizontalHeader()
        header.setSortIndicatorShown(True)
        header.setSectionsClickable(True)

    def show(self, rows: Sequence[RegionRow], number: int, order: RegionOrder) -> None:
        """Show rows in place of those before; the region that is looked at is selected (0: none is)."""
        self._number = number
        direction = qt.Qt.DescendingOrder if order.is_descending else qt.Qt.AscendingOrder
        self._table.horizontalHeader().setSortIndicator(SORT_COLUMNS.index(order.column), direction)
        is_other = len(rows) != len(self._texts.rows)
        with self._painting:
            self._texts.show(rows)
            self._texts.select(next((at for at, row in enumerate(rows) if row.number == number), -1))
        if is_other:
            # Whole rows: half a one looks as if what is below lay over it.
            frame = self._table.horizontalHeader().sizeHint.height() + 2 * self._table.frameWidth
            fit_height(self._table, frame + _MOST_ROWS * _ROW_PIXELS)

    def set_titles(self, titles: Sequence[str]) -> None:
        """Name the columns; one without a title is hidden."""
        if list(titles) != self._titles:
            self._titles = list(titles)
            for column, title in enumerate(titles):
                self._table.horizontalHeaderItem(column).setText(title)
                self._table.setColumnHidden(column, not title)

    def clear(self) -> None:
        """Take all rows off."""
        with self._painting:
            self._texts.show([])

    def on_selection(self) -> None:
        """A person has gone to another row, by a click or with the arrow keys."""
        numbers = {item.row() for item in self._table.selectedItems()}
        if self._painting or len(numbers) != 1:
            return
        row = self._texts.rows[numbers.pop()]
        if row.number != self._number:
            self._on_choice(row.number)


def _fill_row(_index: int, items: list[Any], row: RegionRow) -> None:
    texts = (str(row.number), row.structure, short_ml(row.ml), short_ml(row.effect_ml), row.status)
    ground = qt.QBrush(qt.QColor(*_DONE)) if row.is_decided else qt.QBrush()
    for item, text in zip(items, texts, strict=True):
        item.setText(text)
        item.setToolTip(row.tool_tip)
        item.setBackground(ground)
    for column in _NUMBERS:
        items[column].setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)


class ReviewKeys:
    """Shortcuts of the main window: after a click into a view, the view has the focus and not the panel.

    They are off until `set_active`; then keys go where they always go, to the views or the Segment Editor.
    """

    def __init__(
        self, window: Any, actions: Mapping[str, Action], receive: Callable[[Action], None], repeats: bool = False
    ) -> None:
        """Make the shortcuts, by name of the key; without a main window there are none.

        The receiver gets the action of a key. Those that repeat act again and again while they are held down.
        """
        self._shortcuts: list[tuple[Any, Callable[[], None]]] = []
        for key, action in actions.items() if window is not None else ():
            if not key:
                continue
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(key))
            # A key that is held down must not decide about one region after the other.
            shortcut.autoRepeat = repeats
            shortcut.enabled = False
            press = partial(_unless_typing, receive, action)
            shortcut.activated.connect(press)
            self._shortcuts.append((shortcut, press))

    def set_active(self, active: bool) -> None:
        """Let the keys work, or leave them to others."""
        for shortcut, _press in self._shortcuts:
            shortcut.enabled = active

    def cleanup(self) -> None:
        """Take the keys off the window."""
        for shortcut, press in self._shortcuts:
            shortcut.enabled = False
            shortcut.activated.disconnect(press)
            shortcut.deleteLater()
        self._shortcuts.clear()


def _unless_typing(receive: Callable[[Action], None], action: Action) -> None:
    # A field takes what is typed into it before any shortcut gets it; this is for those that do not.
    widget = qt.QApplication.focusWidget()
    is_field = widget is not None and any(widget.inherits(class_name) for class_name in _TYPED_INTO)
    if not is_field or widget.readOnly:
        receive(action)
