"""Stand-ins of the qMRML widgets of the form, on a real vtkMRMLScene."""

from __future__ import annotations

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from slicer import vtkMRMLScene
from vtkmodules.vtkCommonCore import vtkCommand

__all__ = ["qMRMLNodeComboBox", "qMRMLSegmentEditorWidget", "qMRMLSegmentsTableView", "qMRMLWidget"]

_CHANGES = (
    vtkMRMLScene.NodeAddedEvent,
    vtkMRMLScene.NodeRemovedEvent,
    vtkMRMLScene.EndBatchProcessEvent,
    vtkMRMLScene.EndCloseEvent,
    vtkMRMLScene.EndImportEvent,
)


def _flag(name: str):
    """A property that changes what is offered, and its setter."""

    def get(self) -> bool:
        return self._flags[name]

    def set_(self, value: bool) -> None:
        self._flags[name] = value
        self._fill()

    return Property(bool, get, set_), set_


class qMRMLWidget(QWidget):  # noqa: N801
    """A widget that hands its scene on."""

    mrmlSceneChanged = Signal(object)  # noqa: N815
    SIGNATURES = {"mrmlSceneChanged(PyObject)": "mrmlSceneChanged(vtkMRMLScene*)"}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):  # noqa: N802
        return self._scene

    def setMRMLScene(self, scene) -> None:  # noqa: N802
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QWidget):  # noqa: N801
    """The nodes of some classes of the scene."""

    currentNodeChanged = Signal(object)  # noqa: N815
    currentNodeIDChanged = Signal(str)  # noqa: N815
    mrmlSceneChanged = Signal(object)  # noqa: N815
    SIGNATURES = {
        "currentNodeChanged(PyObject)": "currentNodeChanged(vtkMRMLNode*)",
        "mrmlSceneChanged(PyObject)": "mrmlSceneChanged(vtkMRMLScene*)",
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._observations, self._nodes = None, [], []
        self._types, self._none, self._announced = [], False, None
        self._flags = dict.fromkeys(("add", "remove", "edit", "rename", "hidden", "children"), True)
        self._flags["hidden"] = False
        self._combo = QComboBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.currentIndexChanged.connect(lambda _index: self._announce())
        self.destroyed.connect(self._release(self._observations))

    @staticmethod
    def _release(observations: list):
        return lambda: [node.RemoveObserver(tag) for node, tag in observations]

    # -- the scene

    def mrmlScene(self):  # noqa: N802
        return self._scene

    def setMRMLScene(self, scene) -> None:  # noqa: N802
        if scene is self._scene:
            return
        self._release(self._observations)()
        self._observations.clear()
        self._scene = scene
        if scene is not None:
            for event in _CHANGES:
                self._observations.append((scene, scene.AddObserver(event, self._on_scene)))
        self._fill()
        self.mrmlSceneChanged.emit(scene)

    def _on_scene(self, _scene, _event) -> None:
        self._fill()

    def _on_node(self, node, _event) -> None:
        index = self._index_of(node)
        if index >= 0 and self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName())

    def _wanted(self, node) -> bool:
        if node.GetHideFromEditors() and not self._flags["hidden"]:
            return False
        if self._flags["children"]:
            return any(node.IsA(kind) for kind in self._types)
        return node.GetClassName() in self._types

    def _fill(self) -> None:
        before = self.currentNode()
        everything = [] if self._scene is None else [self._scene.GetNthNode(i) for i in range(self._nodes_in_scene())]
        self._nodes = [node for node in everything if self._wanted(node)]
        for observed, tag in [pair for pair in self._observations if pair[0] is not self._scene]:
            observed.RemoveObserver(tag)
            self._observations.remove((observed, tag))
        self._combo.blockSignals(True)
        self._combo.clear()
        if self._none:
            self._combo.addItem("None")
        for node in self._nodes:
            self._combo.addItem(node.GetName())
            self._observations.append((node, node.AddObserver(vtkCommand.ModifiedEvent, self._on_node)))
        keep = self._index_of(before) if before in self._nodes else (0 if self._combo.count() else -1)
        self._combo.setCurrentIndex(keep)
        self._combo.blockSignals(False)
        self._announce()

    def _nodes_in_scene(self) -> int:
        return self._scene.GetNumberOfNodes()

    def _index_of(self, node) -> int:
        return self._nodes.index(node) + (1 if self._none else 0) if node in self._nodes else -1

    def _announce(self) -> None:
        node = self.currentNode()
        if node is not self._announced:
            self._announced = node
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    # -- the current node

    def currentNode(self):  # noqa: N802
        index = self._combo.currentIndex() - (1 if self._none else 0)
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def setCurrentNode(self, node) -> None:  # noqa: N802
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None else None
        self._combo.setCurrentIndex(self._index_of(node) if node is not None else (0 if self._none else -1))

    def setCurrentNodeID(self, identifier: str) -> None:  # noqa: N802
        self.setCurrentNode(identifier)

    def setCurrentNodeIndex(self, index: int) -> None:  # noqa: N802
        self.setCurrentNode(self._nodes[index])

    def nodeCount(self) -> int:  # noqa: N802
        return len(self._nodes)

    def nodeFromIndex(self, index: int):  # noqa: N802
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def _get_id(self) -> str:
        node = self.currentNode()
        return node.GetID() if node is not None else ""

    currentNodeID = Property(str, _get_id, setCurrentNodeID)  # noqa: N815

    # -- what is listed

    def _get_types(self) -> list:
        return self._types

    def _set_node_types(self, types) -> None:
        self._types = list(types)
        self._fill()

    def _get_none(self) -> bool:
        return self._none

    def _set_none_enabled(self, enabled: bool) -> None:
        self._none = enabled
        self._fill()

    addEnabled, setAddEnabled = _flag("add")  # noqa: N815
    removeEnabled, setRemoveEnabled = _flag("remove")  # noqa: N815
    editEnabled, setEditEnabled = _flag("edit")  # noqa: N815
    renameEnabled, setRenameEnabled = _flag("rename")  # noqa: N815
    showHidden, setShowHidden = _flag("hidden")  # noqa: N815
    showChildNodeTypes, setShowChildNodeTypes = _flag("children")  # noqa: N815
    nodeTypes = Property(list, _get_types, _set_node_types)  # noqa: N815
    noneEnabled = Property(bool, _get_none, _set_none_enabled)  # noqa: N815


def _part(name: str):
    """A property that says whether a part of the editor is there."""

    def set_(self, is_there: bool) -> None:
        self._parts[name] = is_there

    return Property(bool, lambda self: self._parts.get(name, True), set_)


class qMRMLSegmentsTableView(QListWidget):  # noqa: N801
    """The segments, without some that are hidden."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hidden = []

    def setHideSegments(self, identifiers) -> None:  # noqa: N802
        self.hidden = list(identifiers)


class qMRMLSegmentEditorWidget(qMRMLWidget):  # noqa: N801
    """Segments and effects of a vtkMRMLSegmentEditorNode; nothing can be painted with it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._node, self._tag, self._effects, self._undo_states = None, None, [], 0
        self._parts, self._columns = {}, 2
        self.segments = qMRMLSegmentsTableView(self)
        self._buttons = QHBoxLayout()
        options = QGroupBox("Paint", self)
        form = QFormLayout(options)
        form.addRow("Diameter:", QSlider(Qt.Orientation.Horizontal))
        form.addRow("Sphere brush:", QCheckBox())
        layout = QVBoxLayout(self)
        layout.addWidget(self.segments)
        layout.addLayout(self._buttons)
        layout.addWidget(options)

    def mrmlSegmentEditorNode(self):  # noqa: N802
        return self._node

    def setMRMLSegmentEditorNode(self, node) -> None:  # noqa: N802
        if node is self._node:
            return
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver(vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRML())
            self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self) -> None:  # noqa: N802
        self.segments.clear()
        node = self._node.GetSegmentationNode()
        segmentation = node.GetSegmentation() if node is not None else None
        for index in range(segmentation.GetNumberOfSegments() if segmentation is not None else 0):
            segment = segmentation.GetNthSegment(index)
            if segmentation.GetNthSegmentID(index) in self.segments.hidden:
                continue
            item = QListWidgetItem(segment.GetName())
            item.setData(Qt.ItemDataRole.DecorationRole, QColor.fromRgbF(*segment.GetColor()))
            self.segments.addItem(item)
        for button in self.findChildren(QToolButton):
            button.setChecked(button.text() == self._node.GetActiveEffectName())

    def setEffectNameOrder(self, names) -> None:  # noqa: N802
        self._effects = list(names)
        for name in names:
            button = QToolButton()
            button.setText(name)
            button.setCheckable(True)
            self._buttons.addWidget(button)

    def _set_columns(self, columns: int) -> None:
        self._columns = columns

    effectColumnCount = Property(int, lambda self: self._columns, _set_columns)  # noqa: N815

    def setMaximumNumberOfUndoStates(self, count: int) -> None:  # noqa: N802
        self._undo_states = count

    undoEnabled = _part("undo")  # noqa: N815
    unorderedEffectsVisible = _part("unorderedEffects")  # noqa: N815
    segmentationNodeSelectorVisible = _part("segmentationNodeSelector")  # noqa: N815
    sourceVolumeNodeSelectorVisible = _part("sourceVolumeNodeSelector")  # noqa: N815
    switchToSegmentationsButtonVisible = _part("switchToSegmentationsButton")  # noqa: N815
    addRemoveSegmentButtonsVisible = _part("addRemoveSegmentButtons")  # noqa: N815
    show3DButtonVisible = _part("show3DButton")  # noqa: N815
    specifyGeometryButtonVisible = _part("specifyGeometryButton")  # noqa: N815
    maskingSectionVisible = _part("maskingSection")  # noqa: N815
