"""Loads the panel's form as `slicer.util.loadUI` does, with the stand-ins for widgets that are not Qt's own."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ctk_widgets
import mrml_widgets
from PySide6.QtCore import QBuffer, QByteArray, QDir, QObject
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import QStackedLayout, QWidget
from pythonqt import proxy_of, unwrap
from pythonqt.signals import signatures

FORM = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "CoraNetSlicer.ui"
CUSTOM_WIDGETS = {name: getattr(module, name) for module in (ctk_widgets, mrml_widgets) for name in module.__all__}


class _Loader(QUiLoader):
    def createWidget(self, class_name: str, parent: QWidget | None = None, name: str = "") -> QWidget:  # noqa: N802
        custom = CUSTOM_WIDGETS.get(class_name)
        if custom is None:
            if class_name.startswith(("ctk", "qMRML", "qSlicer")):
                raise AssertionError(f"the form has a {class_name}, of which there is no stand-in")
            return super().createWidget(class_name, parent, name)
        widget = custom(parent)
        widget.setObjectName(name)
        return widget


def load_ui(path: str | Path = FORM, pages: frozenset[str] | None = None) -> Any:
    """Build a form.

    Args:
        path: of the .ui file.
        pages: the names of the pages that are filled; the others are empty. None: all are filled.

    Returns:
        The stand-in of its top widget.
    """
    form, connections = _prepared(path, Path(path).stat().st_mtime_ns, pages)
    content = QBuffer()
    content.setData(QByteArray(form))
    content.open(QBuffer.OpenModeFlag.ReadOnly)
    loader = _Loader()
    top = loader.load(content)
    assert top is not None, loader.errorString()
    for connection in connections:
        _connect(top, connection)
    return proxy_of(top)


@cache
def _prepared(path: str | Path, _written_ns: int, pages: frozenset[str] | None) -> tuple[bytes, list[dict[str, str]]]:
    """A form as Qt's loader can read it, and its connections, which are made afterwards."""
    tree = ElementTree.parse(path)
    if pages is not None:
        _empty_other_pages(tree, pages)
    connections = [{part.tag: part.text or "" for part in item} for item in tree.iter("connection")]
    for parent in tree.iter():
        for child in list(parent):
            if child.tag == "connections":
                parent.remove(child)
    _write_numbers_for_flags(tree)
    there = {widget.get("name") for widget in tree.iter("widget")}
    connections = [item for item in connections if pages is None or {item["sender"], item["receiver"]} <= there]
    return ElementTree.tostring(tree.getroot(), encoding="utf-8"), connections


def _empty_other_pages(tree: ElementTree.ElementTree, pages: frozenset[str]) -> None:
    all_pages = {page.get("name"): page for page in tree.iterfind(".//widget[@name='pages']/widget")}
    assert pages <= set(all_pages), f"the form has no page {', '.join(sorted(pages - set(all_pages)))}"
    for name in set(all_pages) - pages:
        for content in all_pages[name].findall("widget"):
            all_pages[name].remove(content)


def _write_numbers_for_flags(tree: ElementTree.ElementTree) -> None:
    """Qt's loader knows the flags of its own classes only."""
    for widget in tree.iter("widget"):
        for flags in widget.iterfind("property/set"):
            if widget.get("class") in CUSTOM_WIDGETS:
                members = [QDir.Filter[name.rpartition("::")[2]] for name in (flags.text or "").split("|")]
                flags.tag, flags.text = "number", str(sum(member.value for member in members))


def _connect(top: QWidget, connection: dict[str, str]) -> None:
    sender, receiver = (_named(top, connection[role]) for role in ("sender", "receiver"))
    name = connection["signal"].partition("(")[0]
    known = [signature for _, signature, _ in signatures(sender)]
    assert connection["signal"] in known, f"{connection['sender']} has no signal {connection['signal']}, only {known}"
    getattr(sender, name).connect(getattr(receiver, connection["slot"].partition("(")[0]))


def _named(top: QWidget, name: str) -> QObject:
    found = top if top.objectName() == name else top.findChild(QObject, name)
    assert found is not None, f"the form has no widget '{name}'"
    return found


def child_widget_variables(widget: Any) -> SimpleNamespace:
    """All named widgets below a widget, and itself, as attributes: `slicer.util.childWidgetVariables`."""
    top = unwrap(widget)
    ui = SimpleNamespace()
    for child in [top, *top.findChildren(QWidget)]:
        if child.objectName() and not child.objectName().startswith("qt_"):
            setattr(ui, child.objectName(), proxy_of(child))
    return ui


def open_everything(ui: Any) -> None:
    """Have all pages visible at once, one behind the other, and nothing folded: for tests that do not turn pages."""
    unwrap(ui.pages).layout().setStackingMode(QStackedLayout.StackingMode.StackAll)
    for name, widget in vars(ui).items():
        if name.endswith("Section") and hasattr(widget, "collapsed"):
            widget.collapsed = False
    ui.callsStep.setChecked(True)
